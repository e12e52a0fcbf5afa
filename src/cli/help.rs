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
pub fn after_command(examples: &str) -> String {
    format!("Examples:\n{examples}\n{}", after())
}

const ENVIRONMENT: &str = "
Environment:
  PHOTOFSCK_<OPTION>   the option of that name, for example PHOTOFSCK_MAX_AGE=7d, PHOTOFSCK_QUICK=true;
                       options that may be repeated are separated by commas
  PHOTOFSCK_CONFIG     the configuration file
  PHOTOFSCK_LOG        what is logged, for example debug or photofsck::worker=debug (default: warn)
  NO_COLOR, CLICOLOR, CLICOLOR_FORCE
                       whether output is coloured, where --color does not say

Files:
  ~/.config/photofsck/config.toml, /etc/photofsck/config.toml
                       options by their long names, for example: max-age = \"7d\"
  ~/.local/state/photofsck/
                       the catalog of what was verified when

An option is taken from the command line, else from its variable, else from the user's file, else from the system's.";

/// Examples of `check`.
pub const CHECK: &str = "\
  photofsck check --compose ~/immich-app
  photofsck check --media /mnt/photos --db none --quick
  photofsck check --media /mnt/photos --map /usr/src/app/upload=/mnt/photos --json report.ndjson
";

/// Examples of `repair`.
pub const REPAIR: &str = "\
  photofsck repair --compose ~/immich-app --dry-run
  photofsck repair --media /mnt/photos --db backup.sql.gz --only previews,thumbnails
  photofsck repair --media /mnt/photos --originals-from /mnt/backup --quarantine /mnt/damaged
";

/// Examples of `doctor`.
pub const DOCTOR: &str = "\
  sudo photofsck doctor --compose ~/immich-app
  photofsck doctor --media /mnt/photos --db backup.sql.gz
  PHOTOFSCK_API_KEY=... photofsck doctor --compose ~/immich-app --public-url https://photos.example.org
";

/// Examples of `bench`.
pub const BENCH: &str = "\
  photofsck bench
  photofsck bench --media /mnt/photos --out before.ndjson
  photofsck bench --media /mnt/photos --against before.ndjson
";

/// Examples of `verify`.
pub const VERIFY: &str = "\
  photofsck verify ~/Pictures
  photofsck verify --json - holiday.heic clip.mov | jq .verdict
";

/// Examples of `render`.
pub const RENDER: &str = "\
  photofsck render IMG_0001.HEIC --out /tmp/previews
";
