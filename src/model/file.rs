//! What the file system says about a file: enough to notice that it was changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// Identity of one state of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct FileIdentity {
    /// Device number. Not stable over reboots on many systems, so it never decides alone.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last change of the bytes, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Time of the last change of bytes or attributes, nanoseconds since 1970.
    pub ctime_ns: i64,
}

impl FileIdentity {
    /// Whether nothing about the file has changed: what was learned about `other` holds for it. The
    /// change time is included, since programs can set the modification time back.
    pub const fn unchanged_since(&self, other: &Self) -> bool {
        self.seems_unchanged_since(other) && self.ctime_ns == other.ctime_ns
    }

    /// Whether size, modification time and inode claim that the bytes are the same. If they are not,
    /// nobody meant to change them.
    pub const fn seems_unchanged_since(&self, other: &Self) -> bool {
        self.inode == other.inode && self.size == other.size && self.mtime_ns == other.mtime_ns
    }
}

impl From<&Metadata> for FileIdentity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// One number out of the two that the system keeps; the years 1677 to 2262 fit.
fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
