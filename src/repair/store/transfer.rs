//! Originals and strays from one place to another: copied and proved, or moved. Nothing is lost in between: the
//! first place is given up only when the second one is on the disk.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::PoisonError;

use rustix::fs::{self, Advice, AtFlags, FileType, Mode, OFlags, Stat, Timestamps};
use rustix::io::Errno;
use sha1::{Digest as _, Sha1};

use super::disk::{DiskStore, rename};
use super::folder::{self, Attributes, Place};
use super::gate::Step;
use super::{Committed, Content, Copying, Holds, Moving, Refusal, StagedFile as _, StoreError, hex};
use crate::model::{FileIdentity, RepairStatus};

/// Bytes copied at once.
const BLOCK: usize = 256 << 10;

/// Who owns a copy and when it was modified.
#[derive(Clone, Copy)]
enum Like {
    /// As what it replaces or lies beside: for what comes from elsewhere.
    Place,
    /// As what it is a copy of: for what moves.
    Source,
}

impl DiskStore {
    /// What [`super::FileStore::copy`] refuses, without touching anything. `pretending`: nothing has really been
    /// kept of what is to be replaced.
    pub(super) fn check_copy(&self, copying: &Copying<'_>, pretending: bool) -> Result<(), StoreError> {
        let place = self.incoming(copying.to)?;
        self.check_target(&place, copying.to, copying.seen, pretending)
    }

    /// The same of [`super::FileStore::shift`].
    pub(super) fn check_shift(&self, moving: &Moving<'_>, pretending: bool) -> Result<(), StoreError> {
        self.outgoing(moving)?;
        let place = self.incoming(moving.to)?;
        self.check_target(&place, moving.to, moving.seen, pretending)
    }

    /// The same of [`super::FileStore::keep`].
    pub(super) fn check_keep(&self, moving: &Moving<'_>) -> Result<(), StoreError> {
        let place = self.locate(moving.from)?;
        if place.holds() != Holds::Originals {
            return Err(StoreError::refused(moving.from, Refusal::OutsideAreas));
        }
        self.unchanged(&place, moving)?;
        let place = self.locate(moving.to)?;
        if place.holds() != Holds::Aside {
            return Err(StoreError::refused(moving.to, Refusal::OutsideAreas));
        }
        self.check_target(&place, moving.to, None, false)
    }

    pub(super) fn do_copy(&self, copying: &Copying<'_>) -> Result<Committed, StoreError> {
        self.check_copy(copying, false)?;
        self.copy_to(copying, &self.incoming(copying.to)?, Like::Place)
    }

    pub(super) fn do_shift(&self, moving: &Moving<'_>) -> Result<Committed, StoreError> {
        self.check_shift(moving, false)?;
        let (from, to) = (self.locate(moving.from)?, self.incoming(moving.to)?);
        let source = self.unchanged(&from, moving)?;
        let (target, made) = folder::open_or_make(&to, moving.to, &*self.gate)?;
        let fail = |step, errno: Errno| StoreError::system(moving.to, step, errno);
        let renamed = self
            .gate
            .pass(Step::Rename)
            .map_err(|error| StoreError::system(moving.to, Step::Rename, error))
            .map(|()| rename((&source, from.name), (&target, to.name), moving.seen.is_none()));
        match renamed {
            Ok(Ok(())) => {
                let notes = self.sync_both(&source, &target);
                let bytes = moving.content.size;
                return Ok(Committed { status: RepairStatus::Done, bytes, notes });
            }
            Ok(Err(Errno::XDEV)) => {}
            other => {
                made.iter().rev().for_each(|folder| folder.remove(&*self.gate));
                return Err(match other {
                    Err(error) => error,
                    Ok(Err(Errno::EXIST)) => StoreError::ChangedMeanwhile { path: moving.to.to_owned() },
                    Ok(result) => fail(Step::Rename, result.err().unwrap_or(Errno::IO)),
                });
            }
        }
        let file = self.open_source(&source, &from, moving)?;
        let copying = Copying {
            from: &file,
            origin: moving.from,
            to: moving.to,
            content: moving.content,
            seen: moving.seen,
        };
        let mut committed = self.copy_to(&copying, &to, Like::Source)?;
        committed.notes.extend(self.give_up(&source, &from, moving));
        Ok(committed)
    }

    pub(super) fn do_keep(&self, moving: &Moving<'_>) -> Result<FileIdentity, StoreError> {
        self.check_keep(moving)?;
        let (from, to) = (self.locate(moving.from)?, self.locate(moving.to)?);
        let source = self.unchanged(&from, moving)?;
        let (target, _made) = folder::open_or_make(&to, moving.to, &*self.gate)?;
        self.gate.pass(Step::Link).map_err(|error| StoreError::system(moving.to, Step::Link, error))?;
        match fs::linkat(&source, from.name, &target, to.name, AtFlags::empty()) {
            Ok(()) => {
                folder::sync_folder(Some(target.as_fd()), &*self.gate)
                    .map_err(|error| StoreError::system(moving.to, Step::SyncFolder, error))?;
            }
            Err(Errno::EXIST) => return Err(StoreError::ChangedMeanwhile { path: moving.to.to_owned() }),
            // Another file system, or one on which files have one name each, or somebody else's file.
            Err(_) => {
                let file = self.open_source(&source, &from, moving)?;
                let Moving { content, from: origin, to: target, .. } = *moving;
                let copying = Copying { from: &file, origin, to: target, content, seen: None };
                self.copy_to(&copying, &to, Like::Source)?;
            }
        }
        // A second name changes the time of change; nothing else may have happened meanwhile.
        let now = folder::look(source.as_fd(), from.name, &*self.gate)
            .map_err(|error| StoreError::system(moving.from, Step::Look, error))?
            .as_ref()
            .map(folder::identity)
            .filter(|now| now.seems_unchanged_since(&moving.state));
        let Some(now) = now else {
            return Err(StoreError::ChangedMeanwhile { path: moving.from.to_owned() });
        };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(moving.from.to_owned(), now);
        Ok(now)
    }

    fn locate<'a>(&'a self, path: &'a Path) -> Result<Place<'a>, StoreError> {
        folder::locate(&self.areas, path).map_err(|why| StoreError::refused(path, why))
    }

    /// The rules for what may be put somewhere.
    fn incoming<'a>(&'a self, target: &'a Path) -> Result<Place<'a>, StoreError> {
        let place = self.locate(target)?;
        match place.holds() {
            Holds::Originals if !(self.is_original)(target) => {
                Err(StoreError::refused(target, Refusal::NotAnOriginal))
            }
            Holds::Originals | Holds::Aside => Ok(place),
            Holds::Pictures => Err(StoreError::refused(target, Refusal::OutsideAreas)),
        }
    }

    /// The rules for what may be taken away.
    fn outgoing(&self, moving: &Moving<'_>) -> Result<(), StoreError> {
        let place = self.locate(moving.from)?;
        if place.holds() != Holds::Aside && (self.is_original)(moving.from) {
            return Err(StoreError::refused(moving.from, Refusal::Original));
        }
        self.unchanged(&place, moving).map(drop)
    }

    /// Whether what is at a target is what the caller saw, and may be replaced.
    fn check_target(
        &self,
        place: &Place<'_>,
        target: &Path,
        seen: Option<FileIdentity>,
        pretending: bool,
    ) -> Result<(), StoreError> {
        let found = match folder::open(place, target, &*self.gate)? {
            Some(folder) => self.replaced(&folder, place.name, target)?,
            None => None,
        };
        match (found.as_ref().map(folder::identity), seen) {
            (None, None) => Ok(()),
            (Some(now), Some(seen)) if now.unchanged_since(&seen) => {
                let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                if pretending || kept.get(target) == Some(&now) {
                    Ok(())
                } else {
                    Err(StoreError::refused(target, Refusal::NotKept))
                }
            }
            _ => Err(StoreError::ChangedMeanwhile { path: target.to_owned() }),
        }
    }

    /// The folder of the file that moves, if the file is still what the caller looked at.
    fn unchanged(&self, place: &Place<'_>, moving: &Moving<'_>) -> Result<OwnedFd, StoreError> {
        let changed = || StoreError::ChangedMeanwhile { path: moving.from.to_owned() };
        let folder = folder::open(place, moving.from, &*self.gate)?.ok_or_else(changed)?;
        let found = self.replaced(&folder, place.name, moving.from)?.ok_or_else(changed)?;
        if folder::identity(&found).unchanged_since(&moving.state) { Ok(folder) } else { Err(changed()) }
    }

    fn open_source(
        &self,
        folder: &OwnedFd,
        place: &Place<'_>,
        moving: &Moving<'_>,
    ) -> Result<File, StoreError> {
        self.gate.pass(Step::Read).map_err(|error| StoreError::system(moving.from, Step::Read, error))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        fs::openat(folder, place.name, flags, Mode::empty())
            .map(File::from)
            .map_err(|errno| StoreError::system(moving.from, Step::Read, errno))
    }

    /// Writes the copy beside its target, reads it back, and gives it its name.
    fn copy_to(&self, copying: &Copying<'_>, place: &Place<'_>, like: Like) -> Result<Committed, StoreError> {
        let unreadable = |error: io::Error| StoreError::system(copying.origin, Step::Read, error);
        let stat = fs::fstat(copying.from).map_err(|errno| unreadable(errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(StoreError::refused(copying.origin, Refusal::NotAFile));
        }
        let mut staged = self.stage(place, copying.to)?;
        staged.times = Some(times_of(&stat));
        if matches!(like, Like::Source) {
            staged.like = Some(Attributes::from(&stat));
        }
        let mut hash = Sha1::new();
        let mut block = vec![0; BLOCK];
        let mut offset = 0u64;
        loop {
            self.gate.pass(Step::Read).map_err(unreadable)?;
            let read = copying.from.read_at(&mut block, offset).map_err(unreadable)?;
            let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            hash.update(bytes);
            staged.write(bytes)?;
            offset = offset.saturating_add(read as u64);
            if offset > copying.content.size {
                break;
            }
        }
        let came = Content { size: offset, sha1: hash.finalize().into() };
        same(copying, came, "while copying it had")?;
        let written = staged.seal()?;
        // From the disk, not from memory, as far as the system lets us.
        let _ = fs::fadvise(&written, 0, None, Advice::DontNeed);
        let back = content_of(&written, || drop(self.gate.pass(Step::Read)))
            .map_err(|error| StoreError::system(copying.to, Step::Reopen, error))?;
        same(copying, back, "read back it has")?;
        staged.commit(copying.seen)
    }

    /// Removes the first place of a file that has arrived at the second. If that fails both are there, which is
    /// told and harmless.
    fn give_up(&self, folder: &OwnedFd, place: &Place<'_>, moving: &Moving<'_>) -> Option<String> {
        let gone = self
            .unchanged(place, moving)
            .and_then(|_| {
                self.gate
                    .pass(Step::Remove)
                    .and_then(|()| Ok(fs::unlinkat(folder, place.name, AtFlags::empty())?))
                    .map_err(|error| StoreError::system(moving.from, Step::Remove, error))
            })
            .and_then(|()| {
                folder::sync_folder(Some(folder.as_fd()), &*self.gate)
                    .map_err(|error| StoreError::system(moving.from, Step::SyncFolder, error))
            });
        gone.err().map(|error| format!("copied, but its first place stays as well: {error}"))
    }

    fn sync_both(&self, source: &OwnedFd, target: &OwnedFd) -> Vec<String> {
        [target, source]
            .into_iter()
            .filter_map(|folder| folder::sync_folder(Some(folder.as_fd()), &*self.gate).err())
            .map(|error| format!("in place, but a folder could not be synced to the disk: {error}"))
            .collect()
    }
}

fn same(copying: &Copying<'_>, came: Content, when: &'static str) -> Result<(), StoreError> {
    if came == copying.content {
        return Ok(());
    }
    let found = if came.size > copying.content.size {
        "more".to_owned()
    } else {
        format!("{} bytes with SHA-1 {}", came.size, hex(&came.sha1))
    };
    let path = copying.origin.to_owned();
    Err(StoreError::OtherBytes { path, content: copying.content, when, found })
}

impl DiskStore {
    /// Size and SHA-1 of the regular file at a path; `None` if nothing is there, or something else.
    pub(super) fn content_at(&self, path: &Path) -> io::Result<Option<Content>> {
        self.gate.pass(Step::Look)?;
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.is_file() => {
                self.gate.pass(Step::Read)?;
                // Each piece that is read is a sign that the file system still answers.
                content_of(&File::open(path)?, || drop(self.gate.pass(Step::Read))).map(Some)
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Size and SHA-1 of an open file. `beat` is called before each piece is read.
pub fn content_of(file: &File, beat: impl Fn()) -> io::Result<Content> {
    let mut hash = Sha1::new();
    let mut block = vec![0; BLOCK];
    let mut size = 0u64;
    loop {
        beat();
        let read = file.read_at(&mut block, size)?;
        let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        size = size.saturating_add(read as u64);
    }
    Ok(Content { size, sha1: hash.finalize().into() })
}

#[allow(
    clippy::unnecessary_cast,
    clippy::cast_lossless,
    clippy::cast_possible_wrap,
    trivial_numeric_casts,
    reason = "the fields' types differ between architectures; the kernel's values fit"
)]
fn times_of(stat: &Stat) -> Timestamps {
    let modified = fs::Timespec { tv_sec: stat.st_mtime as _, tv_nsec: stat.st_mtime_nsec as _ };
    let left_alone = fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT as _ };
    Timestamps { last_access: left_alone, last_modification: modified }
}
