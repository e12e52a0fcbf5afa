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
    if (picture.role, picture.view) != (repair.spec.role, repair.spec.view) || picture.bytes.is_empty() {
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
    Applied { event: event(repair, error.status(), error.to_string(), None), stop: error.stops_repair() }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Read as _;
    use std::path::Path;

    use super::*;
    use crate::model::{AssetId, FileIdentity, ImageSettings, PixelSize, Role, What};
    use crate::render::{RenderSpec, View};
    use crate::repair::plan::Source;
    use crate::repair::store::{Area, DiskStore, DryRunStore};

    fn repair_of(path: &Path) -> PlannedRepair {
        PlannedRepair {
            asset: AssetId([1; 16]),
            path: path.to_owned(),
            spec: RenderSpec {
                role: Role::Preview,
                output: ImageSettings::default().preview,
                view: View::Whole,
            },
            source: Source::Original,
            because: What::Empty,
            seen: std::fs::metadata(path).ok().as_ref().map(FileIdentity::from),
            named: true,
        }
    }

    fn picture(role: Role, bytes: &[u8]) -> Rendered {
        Rendered { role, view: View::Whole, size: PixelSize::new(2, 1), bytes: bytes.to_vec() }
    }

    #[test]
    fn a_picture_is_put_in_place_only_when_it_decodes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpeg");
        std::fs::write(&path, b"").unwrap();
        let store = DiskStore::open(1, &[Area::new(folder.path(), "")], |_| false).unwrap();
        let repair = repair_of(&path);
        let new = picture(Role::Preview, b"new");

        let lying = apply(&store, &repair, &new, &|_| Err("ends too early".into()));
        assert_eq!(lying.event.status, RepairStatus::Failed);
        assert!(lying.event.reason.contains("ends too early") && !lying.stop);
        let other = apply(&store, &repair, &picture(Role::Thumbnail, b"x"), &|_| Ok(()));
        assert_eq!(other.event.status, RepairStatus::Failed);
        let nothing = apply(&store, &repair, &picture(Role::Preview, b""), &|_| Ok(()));
        assert_eq!(nothing.event.status, RepairStatus::Failed);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        let looked = |mut file: &File| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            if bytes == b"new" { Ok(()) } else { Err(format!("{bytes:?}")) }
        };
        let dry = DryRunStore::new(DiskStore::open(1, &[Area::new(folder.path(), "")], |_| false).unwrap());
        assert_eq!(apply(&dry, &repair, &new, &looked).event.status, RepairStatus::Planned);
        assert_eq!(pretend(&dry, &repair).event.status, RepairStatus::Planned);
        assert_eq!(std::fs::read(&path).unwrap(), b"");

        let done = apply(&store, &repair, &new, &looked);
        assert_eq!((done.event.status, done.event.bytes), (RepairStatus::Done, Some(3)));
        assert_eq!(done.event.reason, "");
        assert_eq!(std::fs::read(&path).unwrap(), b"new");

        let late = apply(&store, &repair, &new, &looked);
        assert_eq!(late.event.status, RepairStatus::Skipped);
        assert!(late.event.reason.contains("changed"), "{}", late.event.reason);
        let elsewhere = PlannedRepair { path: "/elsewhere/a.jpeg".into(), ..repair };
        assert_eq!(apply(&store, &elsewhere, &new, &looked).event.status, RepairStatus::Skipped);
        assert_eq!(pretend(&dry, &elsewhere).event.status, RepairStatus::Skipped);
    }
}
