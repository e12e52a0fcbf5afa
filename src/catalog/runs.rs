//! Runs and what they told, as the catalog keeps them.

use std::path::PathBuf;

/// So many runs are kept; older ones are forgotten when a run ends.
pub const RETAINED_RUNS: u32 = 30;

/// A run as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStart {
    /// Unique.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// `check` or `repair`.
    pub command: String,
    /// Its `run` line.
    pub header: String,
}

/// A run as it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// RFC 3339, UTC.
    pub finished_at: String,
    /// Its `summary` line.
    pub summary: String,
    /// Exit status.
    pub exit: i32,
    /// Whether everything due was looked at.
    pub complete: bool,
}

/// A run on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// How it began.
    pub start: RunStart,
    /// How it ended; `None` when it was killed or is still going on.
    pub end: Option<RunEnd>,
}

impl std::ops::Deref for RunRecord {
    type Target = RunStart;

    fn deref(&self) -> &RunStart {
        &self.start
    }
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A `finding` line.
    Finding,
    /// A `repair` line.
    Repair,
    /// What people know an asset by. Not part of `--json`.
    Asset,
    /// A small picture of one. Not part of `--json`.
    Picture,
}

impl LineKind {
    /// The word for it in the database.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::Repair => "repair",
            Self::Asset => "asset",
            Self::Picture => "picture",
        }
    }

    /// The kind that a word of the database means.
    pub(super) fn parse(text: &str) -> Self {
        let all = [Self::Repair, Self::Asset, Self::Picture];
        all.into_iter().find(|kind| kind.as_str() == text).unwrap_or(Self::Finding)
    }
}

/// Something that a run told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLine {
    /// Which of the two.
    pub kind: LineKind,
    /// The finding's code; the repair's action; the picture's role; empty for an asset.
    pub code: String,
    /// The finding's severity; the repair's status; what the picture shows; empty for an asset.
    pub severity: String,
    /// The file on this host.
    pub path: Option<PathBuf>,
    /// The line as NDJSON has it, or would have it, without the newline.
    pub text: String,
}
