//! The command line as clap sees it: names, help, and how one value is read. Nothing is decided here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{help, units};

/// fsck for Immich photo libraries
///
/// Finds originals that are damaged or missing and previews that are broken, compares files with Immich's records,
/// and makes broken previews again as Immich would. Originals are never written to.
#[derive(Debug, Parser)]
#[command(name = "photofsck", version, max_term_width = 110, after_long_help = help::after())]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Walk the library, compare it with the records, verify originals and generated files
    #[command(after_long_help = help::after_command(help::CHECK))]
    Check(CheckArgs),
    /// Check, then make again what is missing or broken under thumbs/
    #[command(after_long_help = help::after_command(help::REPAIR))]
    Repair(RepairArgs),
    /// Verify any files or folders; no Immich needed, nothing is written
    #[command(after_long_help = help::after_command(help::VERIFY))]
    Verify(VerifyArgs),
    /// Make preview, thumbnail and thumbhash of originals exactly as repair would
    #[command(after_long_help = help::after_command(help::RENDER))]
    Render(RenderArgs),
    /// Say why previews are broken: mounts, permissions, space, database, server, proxy
    #[command(after_long_help = help::after_command(help::DOCTOR))]
    Doctor(DoctorArgs),
    /// Measure this machine and estimate a full run
    #[command(after_long_help = help::after_command(help::BENCH))]
    Bench(BenchArgs),
    /// Show a finished run again
    #[command(after_long_help = help::examples(help::REPORT))]
    Report(ReportArgs),
    /// Look after the catalog of what was verified when
    State(StateArgs),
    /// Put back what a quarantine folder holds
    #[command(after_long_help = help::after_command(help::UNDO))]
    Undo(UndoArgs),
    /// Print shell completions
    #[command(after_long_help = help::examples(help::COMPLETIONS))]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page
    #[command(after_long_help = help::examples(help::MAN))]
    Man {
        /// A command with a page of its own, for example check
        command: Option<String>,
    },
}

/// Options of every command that runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct GeneralArgs {
    /// Read options from this TOML file instead of the user's and the system's
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Whether output is coloured
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        hide_possible_values = true,
        help = "Colour output: auto, always or never [default: auto]"
    )]
    pub color: Option<WhenArg>,
    /// Print the verdict and errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print every finding
    #[arg(short, long)]
    pub verbose: bool,
    /// Log lines on standard error as text or as JSON [default: text]
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub log_format: Option<LogFormat>,
}

/// Where reports go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Write the report as NDJSON, one object a line; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Show progress: auto, always or never [default: auto]
    #[arg(long, value_name = "WHEN", value_enum, hide_possible_values = true)]
    pub progress: Option<WhenArg>,
}

/// What the machine may give.
#[derive(Debug, Args)]
#[command(next_help_heading = "Resources")]
pub struct ResourceArgs {
    /// Number of workers [default: from the machine and its cgroup]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// One ceiling for all decoding together, for example 512M [default: from RAM and cgroup]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub memory: Option<u64>,
}

/// `photofsck check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Where the library is.
    #[command(flatten)]
    pub library: LibraryArgs,
    /// What is looked at.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// What the machine may give.
    #[command(flatten)]
    pub resources: ResourceArgs,
    /// How gently.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Where reports go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// More reports.
    #[command(flatten)]
    pub reports: ReportsArgs,
    /// Options of every command.
    #[command(flatten)]
    pub general: GeneralArgs,
}

/// Where the library and its records are, and what is done about them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Library")]
pub struct LibraryArgs {
    /// Where they are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Go on although more than half of all originals are missing
    #[arg(long)]
    pub allow_mass_missing: bool,
    /// The catalog of what was verified when [default: the user's state folder]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// Where the library and its records are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Library")]
pub struct PlaceArgs {
    /// Immich's media location on this host: it holds upload, library, thumbs, encoded-video, profile, backups
    #[arg(long, value_name = "DIR")]
    pub media: Option<PathBuf>,
    /// Folder with Immich's docker-compose.yml and .env: media location, path map and database address are read there
    #[arg(long, value_name = "DIR")]
    pub compose: Option<PathBuf>,
    /// Where the records come from [default: auto]
    ///
    /// auto: the database if its address is known and it answers, else the newest complete dump under
    /// MEDIA/backups, else none. none: files only. A postgres:// URL. A dump file of pg_dump or pg_dumpall (.sql,
    /// .sql.gz). -: a dump on standard input.
    #[arg(long, value_name = "auto|none|URL|FILE|-")]
    pub db: Option<OsString>,
    /// A path prefix of the records and the folder it is here; may be repeated, the longest prefix wins
    #[arg(long, value_name = "CONTAINER=HOST")]
    pub map: Vec<OsString>,
}

/// What is looked at, and how thoroughly.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scope")]
pub struct ScopeArgs {
    /// Only these: originals, previews, thumbnails, fullsize, persons, videos (transcodes), sidecars
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum, hide_possible_values = true)]
    pub only: Vec<OnlyArg>,
    /// Presence, size, header and structure, without decoding or hashing whole files
    #[arg(long)]
    pub quick: bool,
    /// How thoroughly videos are verified: structure, keyframes or full [default: keyframes]
    #[arg(long, value_name = "DEPTH", value_enum, hide_possible_values = true)]
    pub video: Option<VideoArg>,
    /// Trust a verification of an unchanged file that is younger than this; 0 verifies everything [default: 30d]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub max_age: Option<Duration>,
    /// Check only: when nothing is due, look at nothing, not even at the folders, and let disks sleep
    ///
    /// Nothing is due when the last run found nothing wrong and each file that the records name was verified within
    /// --max-age. Whether files were changed or removed since is then not known before the next one is due. Files that
    /// are new are due at once if the records name them; without records (--db none) nothing tells of them, and they wait
    /// until a known file is due.
    #[arg(long)]
    pub only_due: bool,
    /// Stop orderly after this long; the next run goes on with the oldest
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub time_limit: Option<Duration>,
    /// Only the K-th of N disjoint parts of the library
    #[arg(long, value_name = "K/N", value_parser = units::shard)]
    pub shard: Option<(u32, u32)>,
    /// After a move: compare with the manifest that photofsck state export wrote before it
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
}

/// How gently the machine is used.
#[derive(Debug, Args)]
#[command(next_help_heading = "Resources")]
pub struct PaceArgs {
    /// Stay behind everything else on the machine: idle (lowest processor priority, reads only while the disk is idle) or
    /// normal [default: normal on a terminal, else idle]
    #[arg(long, value_name = "CLASS", value_enum, hide_possible_values = true)]
    pub io: Option<IoArg>,
    /// Read at most so much in a second, for example 20MB
    #[arg(long, value_name = "RATE", value_parser = units::rate)]
    pub max_rate: Option<u64>,
    /// Read at most so much in this run, for example 500G; the next run goes on with the oldest
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub max_bytes: Option<u64>,
    /// Begin nothing while the load average is above this, or the machine hotter: 4, 75C or 4,75C
    #[arg(long, value_name = "LOAD", value_parser = units::load)]
    pub max_load: Option<(Option<f64>, Option<f64>)>,
    /// Take a network share for one that hangs when it lets a call wait for longer than this; the run goes on elsewhere
    /// [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub patience: Option<Duration>,
}

/// Reports of `check` and `repair`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct ReportsArgs {
    /// Have an item line in the NDJSON for every file
    #[arg(long)]
    pub items: bool,
    /// Write the report as a self-contained page with small pictures
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the summary in Prometheus text format
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Lowest severity that counts as a problem left: error, warning or info [default: warning]
    #[arg(long, value_name = "SEVERITY", value_enum, hide_possible_values = true)]
    pub fail_on: Option<SeverityArg>,
    /// NDJSON of an earlier run: its findings are known
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Only findings that --baseline does not know raise the exit status
    #[arg(long)]
    pub fail_on_new: bool,
    /// Tell a monitor like Healthchecks: URL/start, then URL/EXIT-STATUS with the summary as JSON
    #[arg(long, value_name = "URL")]
    pub ping: Option<String>,
    /// Run this shell command at the end with the summary as JSON on its standard input
    #[arg(long, value_name = "COMMAND")]
    pub notify_command: Option<OsString>,
}

/// `photofsck repair`
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// The check that comes first.
    #[command(flatten)]
    pub check: CheckArgs,
    /// What may be written.
    #[command(flatten)]
    pub write: WriteArgs,
}

/// What `repair` may write.
#[derive(Debug, Args)]
#[command(next_help_heading = "Repair")]
pub struct WriteArgs {
    /// Print the plan, write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// How new files are made known to Immich: none, sql or api [default: none]
    ///
    /// Files whose path the records name are made in every case, and need nothing more. none: no others. sql: files
    /// without a row are made and get rows in the live database, after their rows were read again under lock. api:
    /// Immich is asked to make them, and edited sets and transcodes too, for the assets of the key's user.
    #[arg(long, value_name = "WAY")]
    pub register: Option<String>,
    /// Immich's address for --register api, such as http://192.168.1.5:2283
    #[arg(long, value_name = "URL")]
    pub api_url: Option<String>,
    /// File with the API key for --register api; else it is taken from PHOTOFSCK_API_KEY
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// Restore lost originals from this backup tree if the bytes match the recorded checksum; may be repeated
    #[arg(long, value_name = "DIR")]
    pub originals_from: Vec<PathBuf>,
    /// Move lost originals that lie elsewhere in the library to where the records name them
    #[arg(long)]
    pub relink: bool,
    /// Where replaced damaged files go; photofsck undo puts them back
    #[arg(long, value_name = "DIR")]
    pub quarantine: Option<PathBuf>,
    /// Move files that no record names at that moment to the quarantine folder
    #[arg(long)]
    pub quarantine_untracked: bool,
    /// Copy the best surviving pictures of lost originals here
    #[arg(long, value_name = "DIR")]
    pub salvage: Option<PathBuf>,
    /// Write beyond thumbs/ although no complete dump of the last two days is in backups/
    #[arg(long)]
    pub yes_without_backup: bool,
}

/// `photofsck verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Files and folders
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Header and structure, without decoding or hashing whole files
    #[arg(long, help_heading = "Scope")]
    pub quick: bool,
    /// How thoroughly videos are verified: structure, keyframes or full [default: keyframes]
    #[arg(long, value_name = "DEPTH", value_enum, hide_possible_values = true, help_heading = "Scope")]
    pub video: Option<VideoArg>,
    /// Keep a catalog of what was verified when
    #[arg(long, value_name = "DIR", help_heading = "Scope")]
    pub state: Option<PathBuf>,
    /// What the machine may give.
    #[command(flatten)]
    pub resources: ResourceArgs,
    /// Where reports go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Lowest severity that counts as a problem left: error, warning or info [default: warning]
    #[arg(long, value_name = "SEVERITY", value_enum, hide_possible_values = true)]
    pub fail_on: Option<SeverityArg>,
    /// Options of every command.
    #[command(flatten)]
    pub general: GeneralArgs,
}

/// `photofsck render`
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Originals
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Folder for the pictures
    #[arg(long, value_name = "DIR", required = true)]
    pub out: PathBuf,
    /// JSON object like Immich's image configuration; only the keys that differ from its defaults
    #[arg(long, value_name = "FILE")]
    pub image_config: Option<PathBuf>,
    /// What the machine may give.
    #[command(flatten)]
    pub resources: ResourceArgs,
    /// Where reports go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Options of every command.
    #[command(flatten)]
    pub general: GeneralArgs,
}

/// `photofsck doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Where the library is.
    #[command(flatten)]
    pub library: PlaceArgs,
    /// Where the server is.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Write the report as NDJSON, one object a line; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Options of every command.
    #[command(flatten)]
    pub general: GeneralArgs,
}

/// Where Immich's server is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Immich's own address, such as http://192.168.1.5:2283 [default: the port that compose file or container publish]
    #[arg(long, value_name = "URL")]
    pub api_url: Option<String>,
    /// File with an administrator's API key; else it is taken from PHOTOFSCK_API_KEY
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// The address that people use.
    #[arg(
        long,
        value_name = "URL",
        help = "The address that people use, such as https://photos.example.org: what comes through the reverse proxy is compared"
    )]
    pub public_url: Option<String>,
}

/// `photofsck bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Immich's media location on this host, or any folder of pictures; without it only the machine is measured
    #[arg(long, value_name = "DIR")]
    pub media: Option<PathBuf>,
    /// Write the result here
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Compare with an earlier result
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// What the machine may give.
    #[command(flatten)]
    pub resources: ResourceArgs,
    /// Where reports go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Options of every command.
    #[command(flatten)]
    pub general: GeneralArgs,
}

/// `photofsck report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run; the newest if none is given
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// The catalog [default: the user's state folder]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Compare with this earlier run, or with the one before (`last`): findings that are new, gone or standing
    #[arg(long, value_name = "RUN")]
    pub since: Option<String>,
    /// Write NDJSON; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Write the findings as a table; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub csv: Option<PathBuf>,
    /// Write a self-contained page; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
    /// Options of every command.
    #[command(flatten)]
    pub general: GeneralArgs,
}

/// `photofsck state`
#[derive(Debug, Args)]
pub struct StateArgs {
    /// What to do with the catalog.
    #[command(subcommand)]
    pub command: StateCommand,
}

/// What to do with the catalog.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Say what is in the catalog
    #[command(after_long_help = help::examples(help::SHOW))]
    Show(CatalogArgs),
    /// Write a manifest of all verified files, to compare with after a move
    #[command(after_long_help = help::examples(help::EXPORT))]
    Export {
        /// The manifest; - is standard output
        file: PathBuf,
        /// The catalog.
        #[command(flatten)]
        catalog: CatalogArgs,
    },
    /// Forget files that are gone and runs that are old
    Prune(CatalogArgs),
    /// Tell the catalog that files have moved, so that what is known of them proves the copy
    #[command(after_long_help = help::examples(help::REBASE))]
    Rebase {
        /// Folder before and after
        #[arg(value_name = "OLD=NEW")]
        rule: OsString,
        /// The catalog.
        #[command(flatten)]
        catalog: CatalogArgs,
    },
}

/// Which catalog.
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// The catalog [default: the user's state folder]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Options of every command.
    #[command(flatten)]
    pub general: GeneralArgs,
}

/// `photofsck undo`
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The quarantine folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Tell what would be put back, write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Where reports go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Options of every command.
    #[command(flatten)]
    pub general: GeneralArgs,
}

/// When something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum WhenArg {
    Auto,
    Always,
    Never,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogFormat {
    Text,
    Json,
}

/// What `--only` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum OnlyArg {
    Originals,
    Previews,
    Thumbnails,
    Fullsize,
    Persons,
    Videos,
    Sidecars,
}

/// Who comes first on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum IoArg {
    Normal,
    Idle,
}

/// How thoroughly videos are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum VideoArg {
    Structure,
    Keyframes,
    Full,
}

/// A severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum SeverityArg {
    Error,
    Warning,
    Info,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
