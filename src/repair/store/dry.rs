//! A store that does everything but write: `--dry-run`.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::MemfdFlags;

use super::disk::DiskStore;
use super::gate::Step;
use super::{Committed, Content, Copying, FileStore, Moving, StagedFile, StoreError};
use crate::model::{FileIdentity, RepairEvent, RepairStatus};

/// Refuses what the store behind it refuses, and keeps what would be written in memory only.
pub struct DryRunStore {
    behind: DiskStore,
}

impl DryRunStore {
    /// Wraps the store that would write.
    pub const fn new(behind: DiskStore) -> Self {
        Self { behind }
    }
}

impl FileStore for DryRunStore {
    fn check(&self, target: &Path) -> Result<(), StoreError> {
        self.behind.check(target)
    }

    fn begin(&self, target: &Path) -> Result<Box<dyn StagedFile>, StoreError> {
        self.behind.check(target)?;
        let memory = rustix::fs::memfd_create("photofsck-dry-run", MemfdFlags::CLOEXEC)
            .map_err(|errno| StoreError::system(target, Step::Create, errno))?;
        Ok(Box::new(Kept { target: target.to_owned(), memory: File::from(memory), bytes: 0 }))
    }

    fn clear_temporaries(&self, found: &[PathBuf]) -> Vec<RepairEvent> {
        found.iter().map(|path| self.behind.sweep(path, RepairStatus::Planned)).collect()
    }

    fn copy(&self, copying: &Copying<'_>) -> Result<Committed, StoreError> {
        self.behind.check_copy(copying, true)?;
        Ok(planned(copying.content.size))
    }

    fn shift(&self, moving: &Moving<'_>) -> Result<Committed, StoreError> {
        self.behind.check_shift(moving, true)?;
        Ok(planned(moving.content.size))
    }

    fn keep(&self, moving: &Moving<'_>) -> Result<FileIdentity, StoreError> {
        self.behind.check_keep(moving)?;
        Ok(moving.state)
    }

    fn append(&self, file: &Path, _line: &[u8]) -> Result<(), StoreError> {
        self.behind.check_append(file)
    }

    fn there(&self, path: &Path) -> Result<Option<Content>, StoreError> {
        self.behind.there(path)
    }
}

const fn planned(bytes: u64) -> Committed {
    Committed { status: RepairStatus::Planned, bytes, notes: Vec::new() }
}

struct Kept {
    target: PathBuf,
    memory: File,
    bytes: u64,
}

impl StagedFile for Kept {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.memory.write_all(bytes).map_err(|error| StoreError::system(&self.target, Step::Write, error))?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn seal(&mut self) -> Result<File, StoreError> {
        let reader = self.memory.rewind().and_then(|()| self.memory.try_clone());
        reader.map_err(|error| StoreError::system(&self.target, Step::Reopen, error))
    }

    fn commit(self: Box<Self>, _seen: Option<FileIdentity>) -> Result<Committed, StoreError> {
        Ok(planned(self.bytes))
    }
}
