//! Options that the command line leaves open are taken from `PHOTOFSCK_*` variables, then from the configuration
//! file. They are handed to clap as if they had been typed, so that every value is read and checked in one place.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use super::args::Cli;
use crate::model::display_path;

/// The environment, as a value that tests replace.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Variables.
    pub variables: HashMap<OsString, OsString>,
    /// Where the system's configuration file is.
    pub system_config: Option<PathBuf>,
    /// Whether the user is root.
    pub root: bool,
}

impl Environment {
    /// That of the process.
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            system_config: Some(PathBuf::from("/etc/photofsck/config.toml")),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The configuration files that are read unless one is named, the strongest first.
    fn config_files(&self) -> Vec<PathBuf> {
        let absolute = |name: &str| self.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let user = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let user = user.map(|folder| folder.join("photofsck/config.toml"));
        user.into_iter().chain(self.system_config.clone()).collect()
    }
}

/// Why there is nothing to run.
#[derive(Debug)]
pub enum Stop {
    /// clap has something to print: help, version, or a usage error, and where the wrong value came from.
    Clap(Box<clap::Error>, Option<String>),
    /// A usage error of ours.
    Usage(String),
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        Self::Clap(Box::new(error), None)
    }
}

/// Variables with our prefix that are not options.
const OTHER_VARIABLES: [&str; 7] = [
    "PHOTOFSCK_LOG",
    "PHOTOFSCK_API_KEY",
    "PHOTOFSCK_CORPUS",
    "PHOTOFSCK_CORPUS_WHOLE",
    "PHOTOFSCK_BLESS",
    "PHOTOFSCK_WORKER",
    "PHOTOFSCK_RAW_DIR",
];

/// What was asked for, with all layers merged, and warnings about what was not understood.
pub struct Parsed {
    /// The merged command line.
    pub cli: Cli,
    /// To be told on standard error.
    pub warnings: Vec<String>,
}

/// Reads command line, environment and configuration files.
pub fn parse(argv: Vec<OsString>, environment: &Environment) -> Result<Parsed, Stop> {
    let mut root = Cli::command();
    root.build();
    let typed = root.clone().try_get_matches_from(argv.clone())?;
    let (leaf, matches, name) = leaf(&root, &typed);
    if !leaf.get_arguments().any(|arg| arg.get_id() == "config") {
        let cli = Cli::from_arg_matches(&typed)?;
        return Ok(Parsed { cli, warnings: Vec::new() });
    }
    let known = Known::of(&root);
    let files = read_files(matches, environment, &known)?;
    let mut extra: Vec<(OsString, String)> = Vec::new();
    for arg in leaf.get_arguments() {
        let Some(long) = arg.get_long() else { continue };
        if is_typed(matches, arg) || arg.is_required_set() || matches!(long, "config" | "help" | "version") {
            continue;
        }
        if leaf.get_arg_conflicts_with(arg).iter().any(|other| is_typed(matches, other)) {
            continue;
        }
        let variable = variable_of(long);
        if let Some(value) = environment.get(&variable) {
            extra.extend(from_variable(arg, long, &variable, value)?);
            continue;
        }
        for file in &files {
            if let Some(value) = file.get(name, long) {
                extra.extend(from_file(arg, long, file, value)?);
                break;
            }
        }
    }
    let cli = parse_with(argv, &extra)?;
    Ok(Parsed { cli, warnings: stray_variables(environment, &known) })
}

/// The innermost command that was chosen, its matches, and the name of the outermost one.
fn leaf<'a>(root: &'a Command, matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches, &'a str) {
    let (mut command, mut inner, mut outer) = (root, matches, "");
    while let Some((name, next)) = inner.subcommand() {
        let Some(found) = command.find_subcommand(name) else { break };
        if outer.is_empty() {
            outer = name;
        }
        (command, inner) = (found, next);
    }
    (command, inner, outer)
}

fn is_typed(matches: &ArgMatches, arg: &Arg) -> bool {
    matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
}

fn variable_of(long: &str) -> String {
    format!("PHOTOFSCK_{}", long.to_ascii_uppercase().replace('-', "_"))
}

/// All option and command names of the program.
struct Known {
    options: Vec<String>,
    commands: Vec<String>,
}

impl Known {
    fn of(root: &Command) -> Self {
        fn collect(command: &Command, options: &mut Vec<String>) {
            options.extend(command.get_arguments().filter_map(Arg::get_long).map(str::to_owned));
            command.get_subcommands().for_each(|inner| collect(inner, options));
        }
        let mut options = Vec::new();
        collect(root, &mut options);
        options.retain(|long| !matches!(long.as_str(), "help" | "version"));
        options.sort_unstable();
        options.dedup();
        Self {
            options,
            commands: root.get_subcommands().map(|command| command.get_name().to_owned()).collect(),
        }
    }

    fn check(&self, key: &str, file: &Path) -> Result<(), Stop> {
        if key != "config" && self.options.iter().any(|option| option == key) {
            return Ok(());
        }
        let dashed = key.trim_start_matches('-').replace('_', "-");
        let hint = if dashed != "config" && self.options.contains(&dashed) {
            format!("the option is spelt {dashed:?}")
        } else {
            "expected the long name of an option, without dashes before it".to_owned()
        };
        Err(Stop::Usage(format!("{}: unknown key {key:?}: {hint}", display_path(file))))
    }
}

/// One configuration file.
struct ConfigFile {
    path: PathBuf,
    table: Table,
}

impl ConfigFile {
    /// The value for a command: from its own table, else from the top.
    fn get(&self, command: &str, long: &str) -> Option<&Value> {
        let own = self.table.get(command).and_then(Value::as_table).and_then(|table| table.get(long));
        own.or_else(|| self.table.get(long).filter(|value| !value.is_table()))
    }
}

fn read_files(
    matches: &ArgMatches,
    environment: &Environment,
    known: &Known,
) -> Result<Vec<ConfigFile>, Stop> {
    let named = matches
        .get_one::<PathBuf>("config")
        .cloned()
        .or_else(|| environment.get("PHOTOFSCK_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        return Ok(vec![read_file(path, known)?]);
    }
    environment
        .config_files()
        .into_iter()
        .filter(|path| path.exists())
        .map(|path| read_file(path, known))
        .collect()
}

fn read_file(path: PathBuf, known: &Known) -> Result<ConfigFile, Stop> {
    let shown = display_path(&path);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Stop::Usage(format!("configuration file {shown}: {error}")))?;
    let table: Table = text
        .parse()
        .map_err(|error| Stop::Usage(format!("configuration file {shown} is not TOML: {error}")))?;
    for (key, value) in &table {
        match value {
            Value::Table(inner) if known.commands.contains(key) => {
                for key in inner.keys() {
                    known.check(key, &path)?;
                }
            }
            _ => known.check(key, &path)?,
        }
    }
    Ok(ConfigFile { path, table })
}

fn takes_value(arg: &Arg) -> bool {
    !matches!(arg.get_action(), ArgAction::SetTrue)
}

/// `--long=value`, whatever the value begins with.
fn token(long: &str, value: &OsStr) -> OsString {
    let mut token = OsString::from(format!("--{long}="));
    token.push(value);
    token
}

fn from_variable(
    arg: &Arg,
    long: &str,
    variable: &str,
    value: &OsStr,
) -> Result<Vec<(OsString, String)>, Stop> {
    use std::os::unix::ffi::OsStrExt;
    let origin = || variable.to_owned();
    if takes_value(arg) {
        let repeated = matches!(arg.get_action(), ArgAction::Append) && arg.get_value_delimiter().is_none();
        let parts: Vec<&[u8]> = if repeated {
            value.as_bytes().split(|&byte| byte == b',').collect()
        } else {
            vec![value.as_bytes()]
        };
        return Ok(parts.into_iter().map(|part| (token(long, OsStr::from_bytes(part)), origin())).collect());
    }
    match value.to_string_lossy().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(vec![(OsString::from(format!("--{long}")), origin())]),
        "false" | "0" | "no" | "off" => Ok(Vec::new()),
        other => Err(Stop::Usage(format!("{variable}: expected true or false, found {other:?}"))),
    }
}

fn from_file(
    arg: &Arg,
    long: &str,
    file: &ConfigFile,
    value: &Value,
) -> Result<Vec<(OsString, String)>, Stop> {
    let origin = || format!("{long} in {}", display_path(&file.path));
    let wrong = |expected: &str| {
        Stop::Usage(format!(
            "{}: {long}: expected {expected}, found {}",
            display_path(&file.path),
            value.type_str()
        ))
    };
    if !takes_value(arg) {
        return match value {
            Value::Boolean(true) => Ok(vec![(OsString::from(format!("--{long}")), origin())]),
            Value::Boolean(false) => Ok(Vec::new()),
            _ => Err(wrong("true or false")),
        };
    }
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    };
    let repeated = matches!(arg.get_action(), ArgAction::Append);
    let values: Option<Vec<String>> = match value {
        Value::Array(values) if repeated => values.iter().map(scalar).collect(),
        single => scalar(single).map(|value| vec![value]),
    };
    let values = values
        .ok_or_else(|| wrong(if repeated { "a text or an array of texts" } else { "a text or a number" }))?;
    Ok(values.into_iter().map(|value| (token(long, OsStr::new(&value)), origin())).collect())
}

/// Parses the command line with the tokens of the other layers behind it. A wrong value is told with its origin.
fn parse_with(mut argv: Vec<OsString>, extra: &[(OsString, String)]) -> Result<Cli, Stop> {
    let end = argv.iter().position(|arg| arg == "--").unwrap_or(argv.len());
    argv.splice(end..end, extra.iter().map(|(token, _)| token.clone()));
    let matches = Cli::command().try_get_matches_from(argv);
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        let origin = origin_of(&error, extra);
        Stop::Clap(Box::new(error), origin)
    })
}

fn origin_of(error: &clap::Error, extra: &[(OsString, String)]) -> Option<String> {
    if error.kind() == ErrorKind::DisplayHelp {
        return None;
    }
    let Some(ContextValue::String(named)) = error.get(ContextKind::InvalidArg) else { return None };
    let long = named.split([' ', '=', '[']).next()?;
    let found = extra
        .iter()
        .find(|(token, _)| token.to_string_lossy().split('=').next().is_some_and(|option| option == long))?;
    Some(found.1.clone())
}

/// Variables that look like ours and are no option: a typing error would otherwise go unnoticed.
fn stray_variables(environment: &Environment, known: &Known) -> Vec<String> {
    let mut stray: Vec<String> = environment
        .variables
        .keys()
        .filter_map(|name| name.to_str())
        .filter(|name| name.starts_with("PHOTOFSCK_") && !OTHER_VARIABLES.contains(name))
        // The test suite's own.
        .filter(|name| !name.starts_with("PHOTOFSCK_TEST_"))
        .filter(|name| !known.options.iter().any(|long| variable_of(long) == **name))
        .map(|name| format!("{name} is set, and there is no such option: it changes nothing"))
        .collect();
    stray.sort_unstable();
    stray
}
