//! What is told: counting, text, NDJSON, progress, metrics, a page. Knows nothing of how anything was found.
//!
//! A [`Reporter`] takes every event of a run once and hands it to all of them.

pub mod advice;
pub mod baseline;
pub mod bench;
mod collect;
pub mod csv;
pub mod doctor;
pub mod exit;
pub mod html;
pub mod metrics;
pub mod ndjson;
mod progress;
mod replay;
mod reporter;
pub mod summary;
#[cfg(test)]
mod tests;
pub mod text;
mod verdict;
pub mod words;

use std::path::PathBuf;

pub use baseline::Baseline;
pub use exit::ExitStatus;
pub use ndjson::Target;
pub use replay::Replay;
pub use reporter::{Finished, Reporter, print, tell};
pub use summary::{Outcome, Policy, Scope, Summary};

/// When something is done: `--progress`, `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum When {
    /// Where it makes sense.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How much people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// `-q`: the verdict and errors.
    Quiet,
    /// The summary.
    #[default]
    Normal,
    /// `-v`: every finding too.
    Verbose,
}

/// What is to be told, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// `check`, `repair`, `verify`, `render` or `undo`.
    pub command: &'static str,
    /// Where NDJSON goes.
    pub json: Option<Target>,
    /// Whether NDJSON has an `item` line for every file; always so for `verify` and `render`.
    pub items: bool,
    /// Where the page goes.
    pub html: Option<PathBuf>,
    /// Where the Prometheus text goes.
    pub metrics: Option<PathBuf>,
    /// The catalog, if it is not where it is looked for without `--state`.
    pub state: Option<PathBuf>,
    /// How much people are told.
    pub verbosity: Verbosity,
    /// Whether colours are used.
    pub color: When,
    /// Whether progress is shown.
    pub progress: When,
    /// What raises the exit status.
    pub policy: Policy,
    /// What bears on how the counts are read.
    pub scope: Scope,
}

impl Options {
    /// What `command` tells when nobody asks for anything special.
    pub fn new(command: &'static str) -> Self {
        Self {
            command,
            json: None,
            items: matches!(command, "verify" | "render"),
            html: None,
            metrics: None,
            state: None,
            verbosity: Verbosity::Normal,
            color: When::Auto,
            progress: When::Auto,
            policy: Policy::default(),
            scope: Scope { repairing: command == "repair", ..Scope::default() },
        }
    }
}
