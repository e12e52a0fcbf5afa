//! From parsed arguments to what a run is asked to do. Every usage error that clap cannot see is found here.

use std::ffi::{OsStr, OsString};
use std::io::BufReader;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::alike::{db, map, options, target, when};
use super::args::{
    BenchArgs, CatalogArgs, CheckArgs, Cli, Command, GeneralArgs, IoArg, LibraryArgs, LogFormat, OnlyArg,
    OutputArgs, PaceArgs, RenderArgs, RepairArgs, ReportArgs, ReportsArgs, ResourceArgs, SeverityArg,
    StateCommand, UndoArgs, VerifyArgs, VideoArg, WhenArg,
};
use super::bench::BenchAction;
use super::doctor::{self, DoctorAction};
use super::layers::Environment;
use super::ping::PingUrl;
use super::register;
use crate::bench::BenchConfig;
use crate::catalog;
use crate::engine::ground::PATIENCE;
use crate::engine::{
    CheckConfig, Config, Db, MapRule, Pace, Register, RenderConfig, RepairConfig, Resources, Selection,
    Shard, UndoConfig, VerifyConfig,
};
use crate::immich::settings;
use crate::model::{Depth, ImageSettings, Role, Severity, display_path};
use crate::report::{Baseline, Options, Policy, Target, When};

/// What to do, with everything resolved.
#[derive(Debug)]
pub enum Action {
    /// Run the engine.
    Run(Box<Run>),
    /// Measure this machine.
    Bench(Box<BenchAction>),
    /// Say why pictures do not show.
    Doctor(Box<DoctorAction>),
    /// Show an earlier run.
    Report(Box<ReportAction>),
    /// Look after the catalog.
    State(StateAction),
    /// Print completions.
    Completions(clap_complete::Shell),
    /// Print the man page of the program or of a command.
    Man(Option<String>),
}

/// A run of the engine.
#[derive(Debug)]
pub struct Run {
    /// For the engine.
    pub config: Config,
    /// For the reporter.
    pub options: Options,
    /// Who is told of the run.
    pub watchers: Watchers,
    /// Form of log lines.
    pub log: LogFormat,
    /// Whether everything else on the machine comes first; `None` = where nobody watches on a terminal. Of commands that run
    /// unattended only.
    pub step_back: Option<bool>,
}

/// Who is told of a run beside its reports.
#[derive(Debug, Default)]
pub struct Watchers {
    /// A shell command that gets the summary.
    pub notify: Option<OsString>,
    /// A monitor.
    pub ping: Option<PingUrl>,
}

/// `photofsck report`
#[derive(Debug)]
pub struct ReportAction {
    /// The run; the newest if `None`.
    pub run: Option<String>,
    /// An earlier run to compare with.
    pub since: Option<String>,
    /// The catalog.
    pub state: PathBuf,
    /// Where findings go as a table.
    pub csv: Option<Target>,
    /// Where the page goes.
    pub html: Option<Target>,
    /// How text is shown, and where NDJSON goes.
    pub options: Options,
}

/// `photofsck state`
#[derive(Debug)]
pub struct StateAction {
    /// What to do.
    pub what: StateWhat,
    /// The catalog.
    pub state: PathBuf,
    /// Whether output is coloured.
    pub color: When,
}

/// What to do with the catalog.
#[derive(Debug)]
pub enum StateWhat {
    /// Say what is in it.
    Show,
    /// Write a manifest.
    Export(Target),
    /// Forget what is old.
    Prune,
    /// Files have moved.
    Rebase {
        /// From here.
        old: PathBuf,
        /// To here.
        new: PathBuf,
    },
}

/// Resolves everything.
///
/// # Errors
/// A usage error: what was given, what was expected.
pub fn resolve(cli: Cli, environment: &Environment) -> Result<Action, String> {
    Ok(match cli.command {
        Command::Check(args) => run(check(args, environment)?),
        Command::Repair(args) => run(repair(args, environment)?),
        Command::Verify(args) => run(verify(args)?),
        Command::Render(args) => run(render(args)?),
        Command::Report(args) => Action::Report(Box::new(report(args, environment)?)),
        Command::State(args) => Action::State(state(args.command, environment)?),
        Command::Completions { shell } => Action::Completions(shell),
        Command::Man { command } => Action::Man(command),
        Command::Doctor(args) => Action::Doctor(Box::new(doctor::resolve(&args, environment)?)),
        Command::Bench(args) => Action::Bench(Box::new(bench(&args)?)),
        Command::Undo(args) => run(undo(args)),
    })
}

fn run(run: Run) -> Action {
    Action::Run(Box::new(run))
}

fn check(args: CheckArgs, environment: &Environment) -> Result<Run, String> {
    let (config, options, general) = library("check", args, environment)?;
    Ok(general.run(Config::Check(config), options))
}

fn repair(args: RepairArgs, environment: &Environment) -> Result<Run, String> {
    let register = register::resolve(&args.write, environment)?;
    let (check, mut options, general) = library("repair", args.check, environment)?;
    register::fits(&register, &check)?;
    options.scope.asking = matches!(register, Register::Api { .. });
    let write = args.write;
    if write.quarantine_untracked {
        if write.quarantine.is_none() {
            return Err(
                "--quarantine-untracked: expected --quarantine DIR too, where the files go".to_owned()
            );
        }
        if check.quick || !check.shard.is_whole() {
            return Err(
                "--quarantine-untracked: expected a run without --quick and --shard: a file without a record may \
                 be the lost original of any asset"
                    .to_owned(),
            );
        }
        if check.db == Db::None {
            return Err("--quarantine-untracked: expected records, found --db none".to_owned());
        }
    }
    let config = Config::Repair(RepairConfig {
        check,
        dry_run: write.dry_run,
        register,
        yes_without_backup: write.yes_without_backup,
        originals_from: write.originals_from,
        relink: write.relink,
        quarantine: write.quarantine,
        quarantine_untracked: write.quarantine_untracked,
        salvage: write.salvage,
    });
    Ok(general.run(config, options))
}

fn undo(args: UndoArgs) -> Run {
    let options = options("undo", &args.output, &args.general);
    let config = Config::Undo(UndoConfig { folder: args.folder, dry_run: args.dry_run });
    attended(config, options, &args.general)
}

/// A run that somebody waits for.
fn attended(config: Config, options: Options, general: &GeneralArgs) -> Run {
    let log = general.log_format.unwrap_or(LogFormat::Text);
    Run { config, options, watchers: Watchers::default(), log, step_back: Some(false) }
}

/// What of the arguments is for neither engine nor reporter.
struct General {
    watchers: Watchers,
    log: LogFormat,
    step_back: Option<bool>,
}

impl General {
    fn run(self, config: Config, options: Options) -> Run {
        let Self { watchers, log, step_back } = self;
        Run { config, options, watchers, log, step_back }
    }
}

fn library(
    command: &'static str,
    args: CheckArgs,
    environment: &Environment,
) -> Result<(CheckConfig, Options, General), String> {
    let CheckArgs { library, scope, resources, pace, output, reports, general } = args;
    let LibraryArgs { place, allow_mass_missing, state } = library;
    if place.media.is_none() && place.compose.is_none() {
        return Err(
            "expected --media DIR (Immich's media location on this host) or --compose DIR (the folder with \
                    docker-compose.yml)"
                .to_owned(),
        );
    }
    let only = selection(&scope.only);
    if scope.against.is_some()
        && (scope.quick || !only.is_all() || scope.shard.is_some_and(|(_, count)| count > 1))
    {
        return Err(
            "--against: expected a run over everything, without --quick, --only and --shard".to_owned()
        );
    }
    if scope.only_due && (scope.quick || scope.against.is_some() || command != "check") {
        return Err("--only-due: expected a check without --quick and --against".to_owned());
    }
    let config = CheckConfig {
        media: place.media,
        compose: place.compose,
        db: db(place.db.as_deref())?,
        map: map(&place.map)?,
        now: jiff::Timestamp::now(),
        quick: scope.quick,
        video: video(scope.video),
        state: state_folder(state, environment)?,
        max_age: scope.max_age.unwrap_or(Duration::from_hours(30 * 24)),
        only_due: scope.only_due,
        time_limit: time_limit(scope.time_limit)?,
        against: scope.against,
        pace: speed(&pace)?,
        patience: patience(pace.patience)?,
        shard: scope.shard.map_or_else(Shard::default, |(index, count)| Shard { index, count }),
        allow_mass_missing,
        items: reports.items,
        policy: policy(&reports)?,
        resources: machine(&resources)?,
        only,
    };
    if reports.items && output.json.is_none() {
        return Err("--items adds lines to the NDJSON: expected --json FILE too".to_owned());
    }
    if reports.html.as_deref() == Some(Path::new("-")) {
        return Err("--html: expected a file; the summary has standard output".to_owned());
    }
    let mut options = options(command, &output, &general);
    options.items = reports.items;
    options.metrics.clone_from(&reports.metrics);
    options.html.clone_from(&reports.html);
    options.scope.quick = config.quick;
    options.state = unusual(&config.state, environment);
    options.scope.originals = config.only.contains(Role::Original);
    options.policy.clone_from(&config.policy);
    let ping = reports.ping.as_deref().map(PingUrl::parse).transpose()?;
    let rest = General {
        watchers: Watchers { notify: reports.notify_command, ping },
        log: general.log_format.unwrap_or(LogFormat::Text),
        step_back: pace.io.map(|io| io == IoArg::Idle),
    };
    Ok((config, options, rest))
}

fn patience(given: Option<Duration>) -> Result<Duration, String> {
    match given {
        Some(Duration::ZERO) => Err("--patience: expected more than 0, such as 1m".to_owned()),
        given => Ok(given.unwrap_or(PATIENCE)),
    }
}

fn speed(args: &PaceArgs) -> Result<Pace, String> {
    if args.max_bytes == Some(0) {
        return Err("--max-bytes: expected more than 0; leave it out for a run without limit".to_owned());
    }
    let (load, degrees) = args.max_load.unwrap_or_default();
    Ok(Pace { rate: args.max_rate, bytes: args.max_bytes, load, degrees })
}

fn bench(args: &BenchArgs) -> Result<BenchAction, String> {
    Ok(BenchAction {
        config: BenchConfig { media: args.media.clone(), resources: machine(&args.resources)? },
        out: args.out.clone(),
        against: args.against.clone(),
        options: options("bench", &args.output, &args.general),
    })
}

fn verify(args: VerifyArgs) -> Result<Run, String> {
    let mut options = options("verify", &args.output, &args.general);
    options.scope.quick = args.quick;
    options.policy.fail_on = severity(args.fail_on);
    let config = Config::Verify(VerifyConfig {
        paths: args.paths,
        quick: args.quick,
        video: video(args.video),
        state: args.state,
        resources: machine(&args.resources)?,
    });
    Ok(attended(config, options, &args.general))
}

fn render(args: RenderArgs) -> Result<Run, String> {
    let settings = match &args.image_config {
        None => ImageSettings::default(),
        Some(path) => {
            let what = format!("--image-config {}", display_path(path));
            let text = std::fs::read_to_string(path).map_err(|error| format!("{what}: {error}"))?;
            settings::parse_image_config(&text).map_err(|error| format!("{what}: {error}"))?
        }
    };
    let options = options("render", &args.output, &args.general);
    let config = Config::Render(RenderConfig {
        files: args.files,
        out: args.out,
        settings,
        resources: machine(&args.resources)?,
    });
    Ok(attended(config, options, &args.general))
}

fn report(args: ReportArgs, environment: &Environment) -> Result<ReportAction, String> {
    let output = OutputArgs { json: args.json, progress: Some(WhenArg::Never) };
    let (csv, html) = (args.csv.map(target), args.html.map(target));
    let options = options("report", &output, &args.general);
    let to_stdout = [&options.json, &csv, &html].into_iter().filter(|to| **to == Some(Target::Stdout));
    if to_stdout.count() > 1 {
        return Err(
            "--json -, --csv - and --html -: expected at most one of them on standard output".to_owned()
        );
    }
    let state = state_folder(args.state, environment)?;
    let options = Options { state: unusual(&state, environment), ..options };
    Ok(ReportAction { run: args.run, since: args.since, state, csv, html, options })
}

fn state(command: StateCommand, environment: &Environment) -> Result<StateAction, String> {
    let (what, catalog): (StateWhat, CatalogArgs) = match command {
        StateCommand::Show(catalog) => (StateWhat::Show, catalog),
        StateCommand::Export { file, catalog } => (StateWhat::Export(target(file)), catalog),
        StateCommand::Prune(catalog) => (StateWhat::Prune, catalog),
        StateCommand::Rebase { rule, catalog } => {
            let rule = MapRule::parse(&rule)
                .ok()
                .filter(|rule| rule.container.is_absolute() && rule.host.is_absolute());
            let rule = rule.ok_or("expected OLD=NEW with two absolute folders, such as /mnt/old=/mnt/new")?;
            (StateWhat::Rebase { old: rule.container, new: rule.host }, catalog)
        }
    };
    let state = state_folder(catalog.state, environment)?;
    Ok(StateAction { what, state, color: when(catalog.general.color) })
}

fn selection(only: &[OnlyArg]) -> Selection {
    if only.is_empty() {
        return Selection::All;
    }
    let role = |only: &OnlyArg| match only {
        OnlyArg::Originals => Role::Original,
        OnlyArg::Previews => Role::Preview,
        OnlyArg::Thumbnails => Role::Thumbnail,
        OnlyArg::Fullsize => Role::Fullsize,
        OnlyArg::Persons => Role::Person,
        OnlyArg::Videos => Role::Video,
        OnlyArg::Sidecars => Role::Sidecar,
    };
    let mut roles: Vec<Role> = only.iter().map(role).collect();
    roles.sort_unstable();
    roles.dedup();
    Selection::Only(roles)
}

const fn video(video: Option<VideoArg>) -> Depth {
    match video {
        Some(VideoArg::Structure) => Depth::Samples,
        None | Some(VideoArg::Keyframes) => Depth::Keyframes,
        Some(VideoArg::Full) => Depth::Full,
    }
}

fn time_limit(limit: Option<Duration>) -> Result<Option<Duration>, String> {
    if limit.is_some_and(|limit| limit.is_zero()) {
        return Err("--time-limit: expected more than 0; leave it out for a run without limit".to_owned());
    }
    Ok(limit)
}

/// Less than this is no budget for any decoder.
const LEAST_MEMORY: u64 = 16 << 20;

fn machine(args: &ResourceArgs) -> Result<Resources, String> {
    if let Some(memory) = args.memory.filter(|&memory| memory < LEAST_MEMORY) {
        return Err(format!("--memory: expected at least 16M, found {memory} bytes"));
    }
    let jobs = args.jobs.and_then(|jobs| NonZeroUsize::new(usize::from(jobs)));
    Ok(Resources { jobs, memory: args.memory })
}

/// The folder given, else that of a systemd unit, else the user's.
fn state_folder(given: Option<PathBuf>, environment: &Environment) -> Result<PathBuf, String> {
    let variable = |name: &str| environment.get(name).map(OsStr::to_owned);
    given
        .or_else(|| variable("STATE_DIRECTORY").map(PathBuf::from).filter(|path| path.is_absolute()))
        .or_else(|| usual_state(environment))
        .ok_or_else(|| "there is no home folder to keep the catalog in: expected --state DIR".to_owned())
}

/// Where the catalog is looked for on a terminal, if nobody says where it is.
fn usual_state(environment: &Environment) -> Option<PathBuf> {
    catalog::default_state_dir(|name| environment.get(name).map(OsStr::to_owned), environment.root)
}

/// The folder, as it is called from everywhere, if it is not that one.
fn unusual(state: &Path, environment: &Environment) -> Option<PathBuf> {
    let whole = || std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
    (usual_state(environment).as_deref() != Some(state)).then(whole)
}

fn policy(args: &ReportsArgs) -> Result<Policy, String> {
    if args.fail_on_new && args.baseline.is_none() {
        return Err("--fail-on-new: expected --baseline FILE to tell new findings from known ones".to_owned());
    }
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    Ok(Policy { fail_on: severity(args.fail_on), baseline, fail_on_new: args.fail_on_new })
}

fn read_baseline(path: &Path) -> Result<Baseline, String> {
    let what = format!("--baseline {}", display_path(path));
    let file = std::fs::File::open(path).map_err(|error| format!("{what}: {error}"))?;
    Baseline::read(BufReader::new(file)).map_err(|error| format!("{what}: {error}"))
}

const fn severity(severity: Option<SeverityArg>) -> Severity {
    match severity {
        Some(SeverityArg::Error) => Severity::Error,
        None | Some(SeverityArg::Warning) => Severity::Warning,
        Some(SeverityArg::Info) => Severity::Info,
    }
}
