//! Arguments that mean the same in every command.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::args::{GeneralArgs, OutputArgs, WhenArg};
use crate::engine::{Db, MapRule};
use crate::report::{Options, Target, Verbosity, When};
pub(super) fn map(rules: &[OsString]) -> Result<Vec<MapRule>, String> {
    rules.iter().map(|rule| MapRule::parse(rule).map_err(|error| error.to_string())).collect()
}

pub(super) fn db(text: Option<&OsStr>) -> Result<Db, String> {
    let Some(text) = text else { return Ok(Db::Auto) };
    Ok(match text.to_str() {
        Some("auto") => Db::Auto,
        Some("none") => Db::None,
        Some("-") => Db::Stdin,
        Some("") => return Err("--db: expected auto, none, a postgres:// URL, a dump file or -".to_owned()),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Db::Url(url.to_owned())
        }
        Some(url) if url.contains("://") => {
            let scheme = url.split("://").next().unwrap_or_default();
            return Err(format!(
                "--db: expected a URL that begins with postgres://, found one with {scheme}://"
            ));
        }
        // Commands to copy name it too, and may be given elsewhere.
        _ => Db::File(std::path::absolute(text).unwrap_or_else(|_| PathBuf::from(text))),
    })
}

pub(super) fn options(command: &'static str, output: &OutputArgs, general: &GeneralArgs) -> Options {
    Options {
        json: output.json.clone().map(target),
        verbosity: match (general.quiet, general.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        },
        color: when(general.color),
        progress: when(output.progress),
        ..Options::new(command)
    }
}

pub(super) fn target(path: PathBuf) -> Target {
    if path == Path::new("-") { Target::Stdout } else { Target::File(path) }
}

pub(super) const fn when(when: Option<WhenArg>) -> When {
    match when {
        None | Some(WhenArg::Auto) => When::Auto,
        Some(WhenArg::Always) => When::Always,
        Some(WhenArg::Never) => When::Never,
    }
}
