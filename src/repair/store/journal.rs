//! Lines that are on the disk before what they announce is done.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::PoisonError;

use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::disk::DiskStore;
use super::folder;
use super::gate::Step;
use super::{Holds, Refusal, StoreError};

impl DiskStore {
    /// Whether a journal may be there, before anything is opened.
    pub(super) fn check_append(&self, path: &Path) -> Result<(), StoreError> {
        self.aside(path).map(drop)
    }

    fn aside<'a>(&'a self, path: &'a Path) -> Result<folder::Place<'a>, StoreError> {
        let place = folder::locate(&self.areas, path).map_err(|why| StoreError::refused(path, why))?;
        if place.holds() == Holds::Aside {
            Ok(place)
        } else {
            Err(StoreError::refused(path, Refusal::OutsideAreas))
        }
    }

    pub(super) fn do_append(&self, path: &Path, line: &[u8]) -> Result<(), StoreError> {
        let mut open = self.journals.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.iter().position(|(known, _)| known == path);
        let number = if let Some(number) = known {
            number
        } else {
            let file = self.open_journal(path)?;
            open.push((path.to_owned(), file));
            open.len() - 1
        };
        let Some((_, file)) = open.get_mut(number) else { return Ok(()) };
        let fail = |step, error: io::Error| StoreError::system(path, step, error);
        let mut bytes = Vec::with_capacity(line.len() + 2);
        if !ends_a_line(file).map_err(|error| fail(Step::Look, error))? {
            // What a killed run or a full disk left of a line announces nothing that was done.
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        self.gate
            .pass(Step::Write)
            .and_then(|()| file.write_all(&bytes))
            .map_err(|error| fail(Step::Write, error))?;
        self.gate.pass(Step::Sync).and_then(|()| file.sync_all()).map_err(|error| fail(Step::Sync, error))?;
        self.gate.synced(std::os::fd::AsFd::as_fd(file));
        Ok(())
    }

    fn open_journal(&self, path: &Path) -> Result<File, StoreError> {
        let fail = |step, error: io::Error| StoreError::system(path, step, error);
        let place = self.aside(path)?;
        let (folder, _made) = folder::open_or_make(&place, path, &*self.gate)?;
        let flags = OFlags::RDWR
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        self.gate.pass(Step::Create).map_err(|error| fail(Step::Create, error))?;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = fs::openat(&folder, place.name, flags, mode)
            .map(File::from)
            .map_err(|errno| fail(Step::Create, errno.into()))?;
        let kind = file.metadata().map_err(|error| fail(Step::Look, error))?;
        if !kind.is_file() {
            return Err(StoreError::refused(path, Refusal::NotAFile));
        }
        self.gate.pass(Step::Lock).map_err(|error| fail(Step::Lock, error))?;
        // On a file system without locks two runs at once are the user's own affair.
        if let Err(Errno::WOULDBLOCK) = fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            return Err(StoreError::InUse { path: path.to_owned() });
        }
        folder::sync_folder(Some(std::os::fd::AsFd::as_fd(&folder)), &*self.gate)
            .map_err(|error| fail(Step::SyncFolder, error))?;
        Ok(file)
    }
}

/// Whether the file is empty or ends with a newline.
fn ends_a_line(file: &File) -> io::Result<bool> {
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte == *b"\n")
}
