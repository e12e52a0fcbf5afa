//! Texts of `--help` and the man page that are not about one option.

use std::fmt::Write as _;

use crate::report::ExitStatus;

/// What stands below the options of `photofsck --help`.
pub fn after() -> String {
    let mut out = String::from("Exit status (as fsck(8); the sum of what applies):\n");
    for (status, meaning) in ExitStatus::TABLE {
        let _ = writeln!(out, "  {:>2}  {meaning}", status.code());
    }
    out.push_str(ENVIRONMENT);
    out
}

/// What stands below the options of a command.
pub fn after_command(lines: &[&str]) -> String {
    format!("{}\n{}", examples(lines), after())
}

/// What stands below the options of a command that runs nothing.
pub fn examples(lines: &[&str]) -> String {
    lines.iter().fold(String::from("Examples:\n"), |mut out, line| {
        let _ = writeln!(out, "  {line}");
        out
    })
}

const ENVIRONMENT: &str = "
Environment:
  PHOTOFSCK_<OPTION>   the option of that name, for example PHOTOFSCK_MAX_AGE=7d or
                       PHOTOFSCK_QUICK=true; options that may be repeated are
                       separated by commas
  PHOTOFSCK_CONFIG     the configuration file
  PHOTOFSCK_LOG        what is logged, for example debug or photofsck::worker=debug
                       (default: warn)
  NO_COLOR, CLICOLOR, CLICOLOR_FORCE
                       whether output is coloured, where --color does not say

Files:
  ~/.config/photofsck/config.toml, /etc/photofsck/config.toml
                       options by their long names, for example: max-age = \"7d\"
  ~/.local/state/photofsck/, /var/lib/photofsck/ for root
                       the catalog of what was verified when

An option is taken from the command line, else from its variable, else from the user's file, else from the system's.";

/// Examples of `check`.
pub const CHECK: &[&str] = &[
    "photofsck check --compose ~/immich-app",
    "photofsck check --media /mnt/photos --db none --quick",
    "photofsck check --media /mnt/photos --map /usr/src/app/upload=/mnt/photos --json report.ndjson",
];

/// Examples of `repair`.
pub const REPAIR: &[&str] = &[
    "photofsck repair --compose ~/immich-app --dry-run",
    "photofsck repair --media /mnt/photos --db backup.sql.gz --only previews,thumbnails",
    "photofsck repair --media /mnt/photos --originals-from /mnt/backup --quarantine /mnt/damaged",
];

/// Examples of `doctor`.
pub const DOCTOR: &[&str] = &[
    "sudo photofsck doctor --compose ~/immich-app",
    "photofsck doctor --media /mnt/photos --db backup.sql.gz",
    "PHOTOFSCK_API_KEY=... photofsck doctor --compose ~/immich-app --public-url https://photos.example.org",
];

/// Examples of `bench`.
pub const BENCH: &[&str] = &[
    "photofsck bench",
    "photofsck bench --media /mnt/photos --out before.ndjson",
    "photofsck bench --media /mnt/photos --against before.ndjson",
];

/// Examples of `verify`.
pub const VERIFY: &[&str] =
    &["photofsck verify ~/Pictures", "photofsck verify --json - holiday.heic clip.mov | jq .verdict"];

/// Examples of `render`.
pub const RENDER: &[&str] = &["photofsck render IMG_0001.HEIC --out /tmp/previews"];

/// Examples of `report`.
pub const REPORT: &[&str] = &[
    "photofsck report",
    "photofsck report --html page.html",
    "photofsck report --since last",
    "photofsck report 20261129T0130 --csv findings.csv",
];

/// Examples of `state show`.
pub const SHOW: &[&str] = &["photofsck state show"];

/// Examples of `state export`.
pub const EXPORT: &[&str] = &[
    "photofsck state export before.ndjson",
    "photofsck check --media /mnt/new/immich --against before.ndjson    # after the move",
];

/// Examples of `state rebase`.
pub const REBASE: &[&str] = &["photofsck state rebase /srv/immich=/mnt/new/immich"];

/// Examples of `undo`.
pub const UNDO: &[&str] = &["photofsck undo /srv/damaged --dry-run", "photofsck undo /srv/damaged"];

/// Examples of `completions`.
pub const COMPLETIONS: &[&str] = &[
    "photofsck completions bash > /etc/bash_completion.d/photofsck",
    "photofsck completions fish > ~/.config/fish/completions/photofsck.fish",
];

/// Examples of `man`.
pub const MAN: &[&str] =
    &["photofsck man | man -l -", "photofsck man check > /usr/local/share/man/man1/photofsck-check.1"];
