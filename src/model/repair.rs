//! Repairs as data: what would be done, and what became of it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::asset::{AssetId, Role};

/// What a repair does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepairAction {
    /// Make a generated file again from its original.
    Regenerate,
    /// Remove a temporary file that a killed run of ours left behind.
    ClearTemporary,
    /// Bring an original back from a backup tree.
    Restore,
    /// Put an original back to the path that the records name.
    Relink,
    /// Move a file to the quarantine folder.
    Quarantine,
    /// Make new files known to Immich.
    Register,
    /// Copy the best surviving picture out.
    Salvage,
    /// Put back what a quarantine folder holds.
    Undo,
}

impl RepairAction {
    /// The word used in NDJSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Regenerate => "regenerate",
            Self::ClearTemporary => "clear-temporary",
            Self::Restore => "restore",
            Self::Relink => "relink",
            Self::Quarantine => "quarantine",
            Self::Register => "register",
            Self::Salvage => "salvage",
            Self::Undo => "undo",
        }
    }
}

impl fmt::Display for RepairAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepairStatus {
    /// Would be done; a dry run.
    Planned,
    /// Done, and what was written has been decoded again.
    Done,
    /// Tried and not done; nothing was changed.
    Failed,
    /// Not tried, with the reason.
    Skipped,
}

impl RepairStatus {
    /// The word used in NDJSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for RepairStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One repair and its outcome: a `repair` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairEvent {
    /// What is done.
    pub action: RepairAction,
    /// Role of the file.
    pub role: Role,
    /// The file on this host.
    pub path: PathBuf,
    /// The asset it belongs to.
    pub asset: Option<AssetId>,
    /// The outcome.
    pub status: RepairStatus,
    /// Why; empty for a plain success.
    pub reason: String,
    /// Bytes written, or to be written where that is known.
    pub bytes: Option<u64>,
}
