//! What earlier runs found sound, read at once and held in sixteen bytes a file, for walks past millions of them: what may
//! be trusted, and how long ago the rest was looked at.
//!
//! A file is found by a hash over its folder, its name and its state: a file that has changed in any of these is not
//! found. The hash is keyed anew for every run and 64 bits long: among four million files a changed one passes for an
//! unchanged one once in a million million times.

use std::ffi::OsStr;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use super::bytes;
use crate::model::{FileIdentity, PixelSize};

/// Files that share a stretch of the table, about.
const STRETCH: usize = 16;

/// What is known of a file that is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It need not be looked at.
    Holds(Remembered),
    /// It was sound, which is too long ago, or was not looked at thoroughly enough or by the present decoder.
    Aged {
        /// When that was, in days since 1970.
        day: u16,
    },
}

/// What may be trusted of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Oriented size in pixels, where it has one.
    pub size: Option<PixelSize>,
    checksum: u32,
}

impl Remembered {
    /// Whether its bytes had this SHA-1. Four bytes are compared: the records seldom change their mind about a file.
    pub fn had(&self, sha1: &[u8; 20]) -> bool {
        self.checksum == tag(sha1)
    }
}

/// Part of a checksum; never 0, which stands for none.
fn tag(sha1: &[u8; 20]) -> u32 {
    sha1.first_chunk().map_or(1, |start| u32::from_be_bytes(*start).max(1))
}

/// One file.
#[derive(Clone, Copy, Debug)]
struct Row {
    key: u64,
    /// Of an aged file the day.
    checksum: u32,
    /// Both 0: none. 0 and [`AGED`]: an aged file.
    width: u16,
    height: u16,
}

/// Stands for a height that no picture without a width has.
const AGED: u16 = 1;
const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// The files that were sound when they were last looked at.
#[derive(Debug, Default)]
pub struct Trusted {
    hasher: RandomState,
    /// How many of them need not be looked at.
    held: usize,
    /// By key.
    rows: Vec<Row>,
    /// The first row of each stretch of keys, and the end.
    starts: Vec<u32>,
    /// A stretch is these upper bits of its keys.
    shift: u32,
}

impl Trusted {
    /// What may be trusted of a file in this state.
    pub fn find(&self, folder: &Path, name: &OsStr, identity: &FileIdentity) -> Option<Remembered> {
        match self.ask(folder, name, identity)? {
            Known::Holds(remembered) => Some(remembered),
            Known::Aged { .. } => None,
        }
    }

    /// What is known of a file in this state.
    pub fn ask(&self, folder: &Path, name: &OsStr, identity: &FileIdentity) -> Option<Known> {
        let folder = self.folder(bytes(folder.as_os_str()));
        let key = self.key(folder, bytes(name), identity);
        let stretch = usize::try_from(key.checked_shr(self.shift)?).ok()?;
        let [start, end] = self.starts.get(stretch..)?.first_chunk()?;
        let rows = self.rows.get(*start as usize..*end as usize)?;
        let row = rows.get(rows.binary_search_by_key(&key, |row| row.key).ok()?)?;
        if (row.width, row.height) == (0, AGED) {
            return Some(Known::Aged { day: u16::try_from(row.checksum).unwrap_or(u16::MAX) });
        }
        let (width, height) = (u32::from(row.width), u32::from(row.height));
        let size = (row.width != 0).then_some(PixelSize { width, height });
        Some(Known::Holds(Remembered { size, checksum: row.checksum }))
    }

    /// How many files need not be looked at.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Whether nothing is known.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Stands for a folder in the keys of its files.
    pub(super) fn folder(&self, path: &[u8]) -> u64 {
        self.hasher.hash_one(path)
    }

    fn key(&self, folder: u64, name: &[u8], identity: &FileIdentity) -> u64 {
        // As `FileIdentity::unchanged_since`: devices are renumbered.
        let FileIdentity { device: _, inode, size, mtime_ns, ctime_ns } = *identity;
        self.hasher.hash_one((folder, name, inode, size, mtime_ns, ctime_ns))
    }

    /// Adds a file. One with a longer side than 65 535 pixels is left out, and so looked up in the database.
    pub(super) fn add(
        &mut self,
        folder: u64,
        name: &[u8],
        identity: &FileIdentity,
        size: Option<PixelSize>,
        sha1: Option<&[u8; 20]>,
    ) {
        let (width, height) = match size {
            None => (0, 0),
            Some(size) => match (u16::try_from(size.width), u16::try_from(size.height)) {
                (Ok(width @ 1..), Ok(height @ 1..)) => (width, height),
                _ => return,
            },
        };
        let key = self.key(folder, name, identity);
        self.rows.push(Row { key, checksum: sha1.map_or(0, tag), width, height });
        self.held += 1;
    }

    /// Adds a file that has to be looked at again, and when it was last, in seconds since 1970.
    pub(super) fn add_aged(&mut self, folder: u64, name: &[u8], identity: &FileIdentity, verified_at: i64) {
        let day = u16::try_from((verified_at / SECONDS_A_DAY).max(0)).unwrap_or(u16::MAX);
        let key = self.key(folder, name, identity);
        self.rows.push(Row { key, checksum: day.into(), width: 0, height: AGED });
    }

    /// Makes it ready to be asked.
    pub(super) fn finish(&mut self) {
        self.rows.sort_unstable_by_key(|row| row.key);
        let bits = (self.rows.len() / STRETCH).next_power_of_two().trailing_zeros().clamp(1, 24);
        self.shift = u64::BITS - bits;
        let stretches = 1u64 << bits;
        self.starts = Vec::with_capacity(1 + (1usize << bits));
        let mut row = 0;
        for stretch in 0..stretches {
            self.starts.push(row);
            let rest = self.rows.get(row as usize..).unwrap_or_default();
            let here = rest.iter().take_while(|row| row.key >> self.shift == stretch).count();
            row = row.saturating_add(u32::try_from(here).unwrap_or(u32::MAX));
        }
        self.starts.push(row);
    }
}
