//! Carrying out one planned repair.

use std::fs::File;

use super::plan::PlannedRepair;
use super::store::{FileStore, StoreError};
use crate::model::{RepairAction, RepairEvent, RepairStatus};
use crate::render::Rendered;

/// Looks at a file that was just written; the words are why it is not what it should be.
pub type Verify<'a> = dyn Fn(&File) -> Result<(), String> + 'a;

/// What became of one repair.
#[derive(Debug)]
pub struct Applied {
    /// To be told.
    pub event: RepairEvent,
    /// Whether every further repair would fail for the same reason (disk full, read-only, broken), so
    /// that the run had better stop repairing.
    pub stop: bool,
}

/// Writes the picture beside its target, has it looked at by `verify`, and puts it in place, unless the
/// target has changed since it was looked at.
pub fn apply(
    store: &dyn FileStore,
    repair: &PlannedRepair,
    picture: &Rendered,
    verify: &Verify<'_>,
) -> Applied {
    let bytes = Some(picture.bytes.len() as u64);
    match try_apply(store, repair, picture, verify) {
        Ok((status, reason)) => Applied { event: event(repair, status, reason, bytes), stop: false },
        Err(Trouble::Store(error)) => failed(repair, &error),
        Err(Trouble::Picture(reason)) => {
            Applied { event: event(repair, RepairStatus::Failed, reason, None), stop: false }
        }
    }
}

/// What a dry run says of a repair: planned, or why the store would refuse it.
pub fn pretend(store: &dyn FileStore, repair: &PlannedRepair) -> Applied {
    match store.check(&repair.path) {
        Ok(()) => {
            let reason = repair.because.as_str().to_owned();
            Applied { event: event(repair, RepairStatus::Planned, reason, None), stop: false }
        }
        Err(error) => failed(repair, &error),
    }
}

/// A repair that could not even be tried: no picture could be made. Nothing was changed.
pub fn not_rendered(repair: &PlannedRepair, reason: impl Into<String>) -> RepairEvent {
    event(repair, RepairStatus::Failed, reason.into(), None)
}

enum Trouble {
    Store(StoreError),
    Picture(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn try_apply(
    store: &dyn FileStore,
    repair: &PlannedRepair,
    picture: &Rendered,
    verify: &Verify<'_>,
) -> Result<(RepairStatus, String), Trouble> {
    if picture.role != repair.spec.role || picture.bytes.is_empty() {
        let found = format!("{} of {} bytes", picture.role, picture.bytes.len());
        return Err(Trouble::Picture(format!("expected a {}, the worker sent a {found}", repair.spec.role)));
    }
    let mut staged = store.begin(&repair.path)?;
    staged.write(&picture.bytes)?;
    let written = staged.seal()?;
    verify(&written)
        .map_err(|why| Trouble::Picture(format!("what was written does not decode again: {why}")))?;
    let committed = staged.commit(repair.seen)?;
    Ok((committed.status, committed.notes.join("; ")))
}

fn failed(repair: &PlannedRepair, error: &StoreError) -> Applied {
    let status = match error {
        StoreError::System { .. } => RepairStatus::Failed,
        StoreError::Refused { .. } | StoreError::ChangedMeanwhile { .. } => RepairStatus::Skipped,
    };
    Applied { event: event(repair, status, error.to_string(), None), stop: error.stops_repair() }
}

fn event(repair: &PlannedRepair, status: RepairStatus, reason: String, bytes: Option<u64>) -> RepairEvent {
    RepairEvent {
        action: RepairAction::Regenerate,
        role: repair.spec.role,
        path: repair.path.clone(),
        asset: Some(repair.asset),
        status,
        reason,
        bytes,
    }
}
