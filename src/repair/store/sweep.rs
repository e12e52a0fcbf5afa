//! Removing what killed runs of ours left behind, and nothing else.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::disk::DiskStore;
use super::folder;
use super::gate::Step;
use super::{StoreError, Trouble};
use crate::model::{RepairAction, RepairEvent, RepairStatus, Role, is_own_temporary};

/// Where locks do not work, a temporary file this old belongs to no living run: it lives for the time of
/// writing and decoding one picture.
const SURELY_DEAD: Duration = Duration::from_hours(1);

impl DiskStore {
    /// Removes one leftover, or with `done` = `Planned` only says that it would.
    pub(super) fn sweep(&self, path: &Path, done: RepairStatus) -> RepairEvent {
        let (status, reason) = match try_clear(self, path, done == RepairStatus::Planned) {
            Ok(Cleared::Yes) => (done, "left behind by a run that was killed".to_owned()),
            Ok(Cleared::No(why)) => (RepairStatus::Skipped, why.to_owned()),
            Err(error @ StoreError::Refused { .. }) => (RepairStatus::Skipped, error.to_string()),
            Err(error) => (RepairStatus::Failed, error.to_string()),
        };
        RepairEvent {
            action: RepairAction::ClearTemporary,
            role: Role::Unknown,
            path: path.to_owned(),
            asset: None,
            status,
            reason,
            bytes: None,
        }
    }
}

enum Cleared {
    Yes,
    No(&'static str),
}

fn try_clear(store: &DiskStore, path: &Path, pretend: bool) -> Result<Cleared, StoreError> {
    if !path.file_name().is_some_and(is_own_temporary) {
        return Ok(Cleared::No("not a temporary file of ours"));
    }
    let fail = |step, errno: Errno| StoreError::system(path, step, errno);
    let Some((folder, name)) = store.open_folder_of(path)? else {
        return Ok(Cleared::No("already gone"));
    };
    // Asked before opening, which would hang on a FIFO.
    match folder::look(folder.as_fd(), &name, &*store.gate) {
        Ok(Some(stat)) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {}
        Ok(Some(_)) => return Ok(Cleared::No("not a regular file")),
        Ok(None) => return Ok(Cleared::No("already gone")),
        Err(error) => return Err(StoreError::system(path, Step::Look, error)),
    }
    // Network file systems lock only what is open for writing.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match fs::openat(&folder, &name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(Cleared::No("already gone")),
        Err(errno) => return Err(fail(Step::Reopen, errno)),
    };
    match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Cleared::No("in use by another run")),
        Err(_) if is_old(&file) => {}
        Err(_) => return Ok(Cleared::No("no locks on this file system, and too young to be left behind")),
    }
    if pretend {
        return Ok(Cleared::Yes);
    }
    store.gate.pass(Step::Remove).map_err(|error| StoreError::system(path, Step::Remove, error))?;
    match fs::unlinkat(&folder, &name, AtFlags::empty()) {
        Ok(()) => Ok(Cleared::Yes),
        Err(Errno::NOENT) => Ok(Cleared::No("already gone")),
        Err(errno) => Err(fail(Step::Remove, errno)),
    }
}

fn is_old(file: &File) -> bool {
    let age = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
    age.is_ok_and(|age| age > SURELY_DEAD)
}

impl StoreError {
    /// The kind of trouble, when the system refused.
    pub const fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::System { trouble, .. } => Some(*trouble),
            _ => None,
        }
    }
}
