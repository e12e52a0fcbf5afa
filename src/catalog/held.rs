//! The files of which nothing is due, by their names alone: what a run asks before it touches a disk that sleeps.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use super::bytes;

/// The files that were sound, lately and thoroughly enough, when they were last looked at.
#[derive(Debug, Default)]
pub struct Held {
    hasher: RandomState,
    names: HashSet<u64>,
    /// Bytes of these files.
    pub bytes: u64,
    /// Files of which something is due: damaged ones, and those that were verified too long ago.
    pub due: u64,
}

impl Held {
    pub(super) fn folder(&self, folder: &[u8]) -> u64 {
        self.hasher.hash_one(folder)
    }

    pub(super) fn add(&mut self, folder: u64, name: &[u8], size: u64) {
        self.names.insert(self.hasher.hash_one((folder, name)));
        self.bytes = self.bytes.saturating_add(size);
    }

    /// Whether nothing is due of a file, unless it has changed since.
    pub fn holds(&self, folder: &Path, name: &OsStr) -> bool {
        let folder = self.folder(bytes(folder.as_os_str()));
        self.names.contains(&self.hasher.hash_one((folder, bytes(name))))
    }
}
