//! Options that the command line has and this version cannot honour. They are refused before any work begins.

use super::args::CheckArgs;

/// The refusal of an option, with what to do instead.
fn refuse(option: &str, instead: &str) -> Result<(), String> {
    Err(format!("{option} is not part of this version yet: {instead}"))
}

/// Refuses what `check` and `repair` cannot do.
pub fn check(args: &CheckArgs) -> Result<(), String> {
    let pace = &args.pace;
    match pace.io.as_deref() {
        None | Some("normal") => {}
        Some("idle") => refuse("--io idle", "start photofsck with `ionice -c 3 nice`")?,
        Some(other) => return Err(format!("--io: expected normal or idle, found {other:?}")),
    }
    if pace.max_rate.is_some() {
        refuse(
            "--max-rate",
            "start photofsck with `ionice -c 3`, or in a systemd unit with IOReadBandwidthMax=",
        )?;
    }
    if pace.max_bytes.is_some() {
        refuse("--max-bytes", "use --time-limit")?;
    }
    if pace.max_load.is_some() {
        refuse("--max-load", "start photofsck with `nice -n 19` and few --jobs")?;
    }
    if args.scope.against.is_some() {
        refuse("--against", "compare the bytes with the records: `photofsck check --max-age 0`")?;
    }
    if args.reports.html.is_some() {
        refuse("--html", "use --json, or read the summary")?;
    }
    if args.reports.ping.is_some() {
        refuse("--ping", "use --notify-command with curl, for example `curl -fsS --data-binary @- URL`")?;
    }
    Ok(())
}

/// Refuses `doctor`.
pub fn doctor() -> String {
    "photofsck doctor is not part of this version yet: `photofsck check --quick` finds wrong mounts, missing files and wrong paths"
        .to_owned()
}
