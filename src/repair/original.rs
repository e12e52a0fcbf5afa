//! Bringing one original back: from a backup tree, or from where an interrupted move has left it.
//!
//! Only bytes with the recorded checksum come back. A damaged file that is in the way is kept in the quarantine
//! folder first; without one it stays, and so does everything else.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::quarantine::{Quarantine, Stray};
use super::store::{Committed, Content, Copying, FileStore, Moving, StoreError};
use crate::model::{
    AssetId, FileIdentity, RepairAction, RepairEvent, RepairStatus, Role, display_path, shell_word,
};

/// An original that is damaged or missing.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The asset.
    pub asset: AssetId,
    /// Where the records name it.
    pub path: PathBuf,
    /// The damaged file that is there; `None` = nothing is.
    pub damaged: Option<(FileIdentity, Content)>,
}

/// Where its bytes are.
#[derive(Debug)]
pub struct Source {
    /// Open for reading.
    pub file: File,
    /// Its path.
    pub path: PathBuf,
    /// The state of it whose bytes were hashed.
    pub state: FileIdentity,
    /// Its bytes, as recorded.
    pub content: Content,
    /// In the library itself, without a record: it is moved. Else it is copied.
    pub stray: bool,
}

/// What became of it.
#[derive(Debug)]
pub struct Brought {
    /// To be told.
    pub event: RepairEvent,
    /// Whether the original is in place now (or, in a dry run, would be).
    pub back: bool,
    /// Whether every further repair would fail for the same reason.
    pub stop: bool,
}

/// Brings the original back.
pub fn bring_back(
    store: &dyn FileStore,
    quarantine: Option<&Quarantine>,
    lost: &Lost,
    source: &Source,
    now: &str,
) -> Brought {
    let action = if source.stray { RepairAction::Relink } else { RepairAction::Restore };
    let event = |status, reason, bytes| RepairEvent {
        action,
        role: Role::Original,
        path: lost.path.clone(),
        asset: Some(lost.asset),
        status,
        reason,
        bytes,
    };
    let kept = match (&lost.damaged, quarantine) {
        (Some(_), None) => {
            let reason = format!(
                "{} has the recorded bytes, but the damaged file is never replaced without being kept: give \
                 --quarantine DIR",
                display_path(&source.path)
            );
            return Brought { event: event(RepairStatus::Skipped, reason, None), back: false, stop: false };
        }
        (None, _) => Ok(None),
        (Some((state, content)), Some(quarantine)) => {
            let stray = Stray {
                path: &lost.path,
                state: *state,
                content: *content,
                role: Role::Original,
                asset: Some(lost.asset),
            };
            quarantine.keep(store, &stray, source.content.sha1, now).map(Some)
        }
    };
    let put = |seen| -> Result<Committed, StoreError> {
        let Source { file, path, state, content, stray } = source;
        if *stray {
            let (from, to) = (path.as_path(), lost.path.as_path());
            store.shift(&Moving { from, state: *state, to, content: *content, seen })
        } else {
            store.copy(&Copying { from: file, origin: path, to: &lost.path, content: *content, seen })
        }
    };
    let done = kept.and_then(|kept| {
        let seen = kept.as_ref().map(|(state, _)| *state);
        Ok((put(seen)?, kept.map(|(_, place)| place)))
    });
    match done {
        Ok((committed, kept)) => {
            let mut words = vec![format!("from {}", display_path(&source.path))];
            if let (Some(kept), Some(quarantine)) = (kept, quarantine) {
                words.push(format!(
                    "the damaged file is kept as {}; {} takes it back",
                    display_path(&kept),
                    quarantine.way_back()
                ));
            }
            words.extend(committed.notes);
            let event = event(committed.status, words.join("; "), Some(committed.bytes));
            Brought { event, back: true, stop: false }
        }
        Err(error) => {
            let stop = error.stops_repair();
            Brought { event: event(error.status(), error.to_string(), None), back: false, stop }
        }
    }
}

/// An original that could not even be tried; nothing was changed.
pub fn not_tried(action: RepairAction, lost: &Lost, reason: String) -> RepairEvent {
    RepairEvent {
        action,
        role: Role::Original,
        path: lost.path.clone(),
        asset: Some(lost.asset),
        status: RepairStatus::Skipped,
        reason,
        bytes: None,
    }
}

/// The command by which a person moves a file that must not replace another one.
pub fn move_command(from: &Path, to: &Path) -> String {
    let folder = to.parent().unwrap_or(Path::new("/"));
    format!("mkdir -p {} && mv -n {} {}", shell_word(folder), shell_word(from), shell_word(to))
}
