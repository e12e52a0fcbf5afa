//! The store that really writes.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::folder::{self, HeldArea, Made};
use super::gate::{Gate, Open, Step};
use super::journals::Journals;
use super::{Area, Committed, Content, Copying, FileStore, Holds, Moving, Refusal, StagedFile, StoreError};
use crate::model::{FileIdentity, RepairEvent, RepairStatus, is_own_temporary, own_temporary_name};

/// Tells whether a path is an original.
pub(super) type IsOriginal = Box<dyn Fn(&Path) -> bool + Send + Sync>;

/// Writes into its areas, beside and then over its targets.
pub struct DiskStore {
    run: u64,
    next: AtomicU64,
    pub(super) areas: Vec<HeldArea>,
    pub(super) is_original: IsOriginal,
    pub(super) gate: Arc<dyn Gate>,
    /// Originals whose bytes have been kept elsewhere, in the state in which they may be replaced.
    pub(super) kept: Mutex<HashMap<PathBuf, FileIdentity>>,
    pub(super) journals: Journals,
}

impl DiskStore {
    /// A store for the run with the id `run`. The anchors of `areas` have to be there; they are held open
    /// until the store is dropped. `is_original` says which paths the records call originals.
    pub fn open(
        run: u64,
        areas: &[Area],
        is_original: impl Fn(&Path) -> bool + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let areas = areas.iter().map(HeldArea::open).collect::<Result<_, _>>()?;
        let is_original = Box::new(is_original);
        Ok(Self {
            run,
            next: AtomicU64::new(0),
            areas,
            is_original,
            gate: Arc::new(Open(|| ())),
            kept: Mutex::default(),
            journals: Journals::default(),
        })
    }

    /// Calls `beat` before every system call, in the thread that makes it.
    #[must_use]
    pub fn telling(self, beat: fn()) -> Self {
        Self { gate: Arc::new(Open(beat)), ..self }
    }

    /// The rules for a picture, before anything is opened.
    fn place<'a>(&'a self, target: &'a Path) -> Result<folder::Place<'a>, StoreError> {
        if (self.is_original)(target) {
            return Err(StoreError::refused(target, Refusal::Original));
        }
        let place = folder::locate(&self.areas, target).map_err(|why| StoreError::refused(target, why))?;
        match place.holds() {
            Holds::Pictures => Ok(place),
            Holds::Originals | Holds::Aside => Err(StoreError::refused(target, Refusal::OutsideAreas)),
        }
    }

    /// The state of the target, when it is one that may be replaced.
    pub(super) fn replaced(
        &self,
        folder: &OwnedFd,
        name: &OsStr,
        target: &Path,
    ) -> Result<Option<Stat>, StoreError> {
        replaced(folder, name, target, &*self.gate)
    }

    /// Creates a file of ours and locks it, so that no other run takes it for a leftover.
    fn create(&self, folder: &OwnedFd) -> Result<(String, File), (Step, io::Error)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let name = own_temporary_name(self.run, self.next.fetch_add(1, Ordering::Relaxed));
            self.gate.pass(Step::Create).map_err(|error| (Step::Create, error))?;
            let file = match fs::openat(folder, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => File::from(file),
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err((Step::Create, errno.into())),
            };
            let held = self.gate.pass(Step::Lock).and_then(|()| {
                // A file system without locks: leftovers are then told by their age.
                let _ = fs::flock(&file, FlockOperation::LockExclusive);
                Ok(fs::fstat(&file)?.st_nlink > 0)
            });
            match held {
                Ok(true) => return Ok((name, file)),
                // Another run's sweep took it between creating and locking.
                Ok(false) => {}
                Err(error) => {
                    let _ = fs::unlinkat(folder, &name, AtFlags::empty());
                    return Err((Step::Lock, error));
                }
            }
        }
    }

    /// The folder of a picture, or of a temporary file of ours in any area.
    pub(super) fn open_folder_of(&self, target: &Path) -> Result<Option<(OwnedFd, OsString)>, StoreError> {
        let place = if target.file_name().is_some_and(is_own_temporary) {
            folder::locate(&self.areas, target).map_err(|why| StoreError::refused(target, why))?
        } else {
            self.place(target)?
        };
        let name = place.name.to_owned();
        Ok(folder::open(&place, target, &*self.gate)?.map(|folder| (folder, name)))
    }

    /// Begins a file beside `target`, at a place where the rules allow it.
    pub(super) fn stage(&self, place: &folder::Place<'_>, target: &Path) -> Result<Box<Staged>, StoreError> {
        let (folder, made) = folder::open_or_make(place, target, &*self.gate)?;
        let created = self
            .replaced(&folder, place.name, target)
            .and_then(|_| self.create(&folder).map_err(|(step, e)| StoreError::system(target, step, e)));
        let (temporary, file) = match created {
            Ok(created) => created,
            Err(error) => {
                made.iter().rev().for_each(|folder| folder.remove(&*self.gate));
                return Err(error);
            }
        };
        Ok(Box::new(Staged {
            gate: Arc::clone(&self.gate),
            target: target.to_owned(),
            name: place.name.to_owned(),
            folder,
            temporary,
            file,
            made,
            bytes: 0,
            like: None,
            times: None,
            notes: Vec::new(),
            committed: false,
        }))
    }
}

impl FileStore for DiskStore {
    fn check(&self, target: &Path) -> Result<(), StoreError> {
        if let Some((folder, name)) = self.open_folder_of(target)? {
            self.replaced(&folder, &name, target)?;
        }
        Ok(())
    }

    fn begin(&self, target: &Path) -> Result<Box<dyn StagedFile>, StoreError> {
        let place = self.place(target)?;
        Ok(self.stage(&place, target)?)
    }

    fn clear_temporaries(&self, found: &[PathBuf]) -> Vec<RepairEvent> {
        found.iter().map(|path| self.sweep(path, RepairStatus::Done)).collect()
    }

    fn copy(&self, copying: &Copying<'_>) -> Result<Committed, StoreError> {
        self.do_copy(copying)
    }

    fn shift(&self, moving: &Moving<'_>) -> Result<Committed, StoreError> {
        self.do_shift(moving)
    }

    fn keep(&self, moving: &Moving<'_>) -> Result<FileIdentity, StoreError> {
        self.do_keep(moving)
    }

    fn append(&self, file: &Path, line: &[u8]) -> Result<(), StoreError> {
        self.do_append(file, line)
    }

    fn there(&self, path: &Path) -> Result<Option<Content>, StoreError> {
        self.content_at(path).map_err(|error| StoreError::unreadable(path, error))
    }
}

pub(super) struct Staged {
    gate: Arc<dyn Gate>,
    target: PathBuf,
    name: OsString,
    folder: OwnedFd,
    temporary: String,
    file: File,
    made: Vec<Made>,
    bytes: u64,
    /// The owner and mode it gets instead of those of its place.
    pub(super) like: Option<folder::Attributes>,
    /// The times it gets.
    pub(super) times: Option<fs::Timestamps>,
    notes: Vec<String>,
    committed: bool,
}

impl Staged {
    fn error(&self, step: Step, source: impl Into<io::Error>) -> StoreError {
        StoreError::system(&self.target, step, source)
    }

    fn gate(&self) -> &dyn Gate {
        &*self.gate
    }

    /// The state of the target, when it is one that may be replaced.
    fn replaced(&self) -> Result<Option<Stat>, StoreError> {
        replaced(&self.folder, &self.name, &self.target, self.gate())
    }
}

fn replaced(
    folder: &OwnedFd,
    name: &OsStr,
    target: &Path,
    gate: &dyn Gate,
) -> Result<Option<Stat>, StoreError> {
    let found = folder::look(folder.as_fd(), name, gate)
        .map_err(|error| StoreError::system(target, Step::Look, error))?;
    if let Some(stat) = &found {
        folder::replaceable(stat).map_err(|why| StoreError::refused(target, why))?;
    }
    Ok(found)
}

/// Renames; where nothing was seen, over nothing.
pub(super) fn rename(
    from: (&OwnedFd, &OsStr),
    to: (&OwnedFd, &OsStr),
    over_nothing: bool,
) -> Result<(), Errno> {
    let plain = || fs::renameat(from.0, from.1, to.0, to.1);
    if !over_nothing {
        return plain();
    }
    match fs::renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE) {
        // Network and FUSE file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => plain(),
        other => other,
    }
}

impl StagedFile for Staged {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.gate().pass(Step::Write).map_err(|error| self.error(Step::Write, error))?;
            let share = self.gate().share(rest.len()).min(rest.len());
            let written = match rustix::io::write(&self.file, rest.get(..share).unwrap_or(rest)) {
                Ok(0) => return Err(self.error(Step::Write, io::ErrorKind::WriteZero)),
                Ok(written) => written,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(self.error(Step::Write, errno)),
            };
            self.bytes = self.bytes.saturating_add(written as u64);
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<File, StoreError> {
        let replaced = self.replaced()?;
        let wanted = match self.like {
            Some(like) => like,
            None => folder::like_siblings(self.folder.as_fd(), replaced.as_ref(), self.gate())
                .map_err(|error| self.error(Step::Look, error))?,
        };
        let note =
            wanted.give(self.file.as_fd(), self.gate()).map_err(|(step, error)| self.error(step, error))?;
        self.notes.extend(note);
        if let Some(times) = &self.times {
            // A file system that keeps no such times is no reason to lose the file.
            let _ = fs::futimens(&self.file, times);
        }
        self.gate()
            .pass(Step::Sync)
            .and_then(|()| self.file.sync_all())
            .map_err(|error| self.error(Step::Sync, error))?;
        self.gate().synced(self.file.as_fd());
        self.gate().pass(Step::Reopen).map_err(|error| self.error(Step::Reopen, error))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(&self.folder, &self.temporary, flags, Mode::empty())
            .map_err(|errno| self.error(Step::Reopen, errno))?;
        Ok(File::from(file))
    }

    fn commit(mut self: Box<Self>, seen: Option<FileIdentity>) -> Result<Committed, StoreError> {
        let now = self.replaced()?;
        let unchanged = match (now.as_ref().map(folder::identity), seen) {
            (None, None) => true,
            (Some(now), Some(seen)) => now.unchanged_since(&seen),
            _ => false,
        };
        if !unchanged {
            return Err(StoreError::ChangedMeanwhile { path: self.target.clone() });
        }
        self.gate().pass(Step::Rename).map_err(|error| self.error(Step::Rename, error))?;
        let (from, to) = (OsStr::new(&self.temporary), self.name.as_os_str());
        match rename((&self.folder, from), (&self.folder, to), now.is_none()) {
            Ok(()) => self.committed = true,
            Err(Errno::EXIST) => {
                return Err(StoreError::ChangedMeanwhile { path: self.target.clone() });
            }
            Err(errno) => return Err(self.error(Step::Rename, errno)),
        }
        // From here on the new file is in place; a failing sync only weakens what a power cut leaves.
        if let Err(error) = folder::sync_folder(Some(self.folder.as_fd()), self.gate()) {
            self.notes.push(format!("in place, but the folder could not be synced to the disk: {error}"));
        }
        let notes = std::mem::take(&mut self.notes);
        Ok(Committed { status: RepairStatus::Done, bytes: self.bytes, notes })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        if self.gate().pass(Step::Remove).is_ok() {
            // If this fails the next run's sweep finds the file: its name says what it is.
            let _ = fs::unlinkat(&self.folder, &self.temporary, AtFlags::empty());
        }
        self.made.iter().rev().for_each(|folder| folder.remove(self.gate()));
    }
}
