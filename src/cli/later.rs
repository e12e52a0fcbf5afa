//! Options that the command line has and this version cannot honour. They are refused before any work begins.

use super::args::CheckArgs;

/// The refusal of an option, with what to do instead.
fn refuse(option: &str, instead: &str) -> Result<(), String> {
    Err(format!("{option} is not part of this version yet: {instead}"))
}

/// Refuses what `check` and `repair` cannot do.
pub fn check(args: &CheckArgs) -> Result<(), String> {
    if args.reports.html.is_some() {
        refuse("--html", "use --json, or read the summary")?;
    }
    Ok(())
}

/// Refuses `doctor`.
pub fn doctor() -> String {
    "photofsck doctor is not part of this version yet: `photofsck check --quick` finds wrong mounts, missing files and wrong paths"
        .to_owned()
}
