//! The only writer of files besides the catalog and the reports.
//!
//! A file is written beside its target under a temporary name, synced, looked at again by the caller,
//! and renamed over the target; so a run that is killed at any instruction leaves the old file or the new
//! one under the target's name, never half of one. A store writes inside its [`Area`]s only, follows no
//! symbolic link below them, and does in each what the area is for: pictures are made again in place of
//! pictures only, originals come back as new files whose bytes are proved, and one that is there already is
//! replaced only after its bytes have been kept in another place.

mod disk;
mod dry;
mod folder;
mod gate;
mod journal;
mod journals;
mod sweep;
mod transfer;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::model::{FileIdentity, RepairEvent, RepairStatus, display_path};

pub use disk::DiskStore;
pub use dry::DryRunStore;
pub use gate::Step;
pub use transfer::content_of;

/// What an area is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Files that Immich generates: they may be made again. Originals that lie among them may not be touched.
    Pictures,
    /// Originals: they may be put where the records name one.
    Originals,
    /// Nothing of Immich's: a quarantine folder, a folder for salvaged pictures.
    Aside,
}

/// A part of the file system that may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// What may be done in it.
    pub holds: Holds,
    /// An existing folder; symbolic links in this path are the admin's own arrangement and are followed.
    pub anchor: PathBuf,
    /// The part of the anchor that may be written, for example `thumbs`; empty for all of it. It is made
    /// when it is not there.
    pub below: PathBuf,
}

impl Area {
    /// The folder `below` of `anchor`, for pictures.
    pub fn new(anchor: impl Into<PathBuf>, below: impl Into<PathBuf>) -> Self {
        Self { holds: Holds::Pictures, anchor: anchor.into(), below: below.into() }
    }

    /// The whole of `anchor`, for originals.
    pub fn originals(anchor: impl Into<PathBuf>) -> Self {
        Self { holds: Holds::Originals, anchor: anchor.into(), below: PathBuf::new() }
    }

    /// The folder `path`, made when it is not there, for what is put aside.
    pub fn aside(path: &Path) -> Self {
        let (anchor, below) = match (path.is_dir(), path.parent(), path.file_name()) {
            (false, Some(parent), Some(name)) => (parent.to_owned(), PathBuf::from(name)),
            _ => (path.to_owned(), PathBuf::new()),
        };
        Self { holds: Holds::Aside, anchor, below }
    }
}

/// Which bytes a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Length in bytes.
    pub size: u64,
    /// SHA-1 of all of them.
    pub sha1: [u8; 20],
}

/// A file to be written from the bytes of another one.
#[derive(Clone, Copy, Debug)]
pub struct Copying<'a> {
    /// Where the bytes come from, open for reading.
    pub from: &'a File,
    /// Its path, for messages.
    pub origin: &'a Path,
    /// Where they go.
    pub to: &'a Path,
    /// What has to arrive there.
    pub content: Content,
    /// What is there now; `None` = nothing.
    pub seen: Option<FileIdentity>,
}

/// A file to be moved.
#[derive(Clone, Copy, Debug)]
pub struct Moving<'a> {
    /// Where it is.
    pub from: &'a Path,
    /// The state of it that was looked at.
    pub state: FileIdentity,
    /// Where it goes.
    pub to: &'a Path,
    /// Its bytes, for the case that they have to be copied to another file system.
    pub content: Content,
    /// What is at `to` now; `None` = nothing.
    pub seen: Option<FileIdentity>,
}

/// Writes files so that they are there whole or not at all.
pub trait FileStore: Send + Sync {
    /// Says whether `target` may be written, without touching anything.
    fn check(&self, target: &Path) -> Result<(), StoreError>;

    /// Begins a new version of `target` beside it. Missing folders are made, with owner and mode of the
    /// nearest existing parent; they go again when the file is not committed.
    fn begin(&self, target: &Path) -> Result<Box<dyn StagedFile>, StoreError>;

    /// Removes those of `found` that a killed run of ours left behind: named as we name temporary files,
    /// and held by no living run. Everything else stays; one event for each.
    fn clear_temporaries(&self, found: &[PathBuf]) -> Vec<RepairEvent>;

    /// Copies a file to a place for originals or aside. What was written is read back from the disk before it
    /// gets its name; its time of modification is that of the source.
    fn copy(&self, copying: &Copying<'_>) -> Result<Committed, StoreError>;

    /// Moves a file: by renaming it, or to another file system by copying, reading back and only then removing
    /// it. Never what the records call an original.
    fn shift(&self, moving: &Moving<'_>) -> Result<Committed, StoreError>;

    /// Gives the bytes of `moving.from` a second name at `moving.to`, or makes a proved copy where names cannot
    /// be shared, so that the first one may be replaced. Answers with the state of `from` afterwards.
    fn keep(&self, moving: &Moving<'_>) -> Result<FileIdentity, StoreError>;

    /// Appends a line to a file that lies aside, and syncs it. The file is locked as long as the store lives.
    fn append(&self, file: &Path, line: &[u8]) -> Result<(), StoreError>;

    /// Size and SHA-1 of a file that is open for reading; the path is for messages.
    fn content(&self, file: &File, path: &Path) -> Result<Content, StoreError> {
        content_of(file, || ()).map_err(|error| StoreError::unreadable(path, error))
    }

    /// Size and SHA-1 of the regular file at a path; `None` if nothing is there, or something else.
    fn there(&self, path: &Path) -> Result<Option<Content>, StoreError>;
}

/// A file that is being written beside its target. Dropping it leaves nothing behind.
pub trait StagedFile: Send {
    /// Appends all of `bytes`.
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Ends writing: owner and mode like the replaced file's (or a sibling's, or the folder's), then the
    /// bytes go to the disk. Returns a read-only handle to look at what was written.
    fn seal(&mut self) -> Result<File, StoreError>;

    /// Puts the file in place, if the target still is what the caller saw: `None` for absent.
    fn commit(self: Box<Self>, seen: Option<FileIdentity>) -> Result<Committed, StoreError>;
}

/// What became of a committed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// `Done`, or `Planned` when the store only pretends.
    pub status: RepairStatus,
    /// Bytes written, or that would have been.
    pub bytes: u64,
    /// What a person should know although it worked: an owner that could not be set.
    pub notes: Vec<String>,
}

/// A target that this store will not write, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not in any area.
    #[error("outside the folders that a repair may write")]
    OutsideAreas,
    /// Contains `..`, or names no file.
    #[error("not a plain path to a file")]
    NotPlain,
    /// The records call it an original.
    #[error("an original; originals are never written")]
    Original,
    /// The records do not call it an original.
    #[error("not an original by the records, so none may be put there")]
    NotAnOriginal,
    /// An original is there, and nothing has been kept of it.
    #[error("an original is there, and its bytes have not been kept anywhere else")]
    NotKept,
    /// A symbolic link.
    #[error("a symbolic link; remove it or point the records to the file behind it")]
    SymbolicLink,
    /// Something else that is no regular file.
    #[error("neither a regular file nor absent")]
    NotAFile,
    /// One of its folders is a symbolic link or no folder.
    #[error("{} is a symbolic link or not a folder; use a mount instead of a link", display_path(.0))]
    FolderNotReal(PathBuf),
}

/// The kinds of trouble that ask for different remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// ENOSPC.
    Full,
    /// EDQUOT.
    Quota,
    /// EROFS.
    ReadOnly,
    /// EACCES, EPERM.
    Permission,
    /// EIO.
    Device,
    /// Everything else.
    Other,
}

impl Trouble {
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::NOSPC) => Self::Full,
            Some(Errno::DQUOT) => Self::Quota,
            Some(Errno::ROFS) => Self::ReadOnly,
            Some(Errno::ACCESS | Errno::PERM) => Self::Permission,
            Some(Errno::IO) => Self::Device,
            _ => Self::Other,
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Full => "free some space (or inodes) on this file system and run repair again",
            Self::Quota => "raise the quota of the user that runs photofsck and run repair again",
            Self::ReadOnly => {
                "the file system is mounted read-only: mount it writable, and look into the kernel log \
                 first if it was not meant to be"
            }
            Self::Permission => "run photofsck as the user that owns the thumbs folder, or as root",
            Self::Device => "the disk reports an error: look into the kernel log and save the library first",
            Self::Other => "nothing was changed; run repair again",
        }
    }
}

/// Why a file was not written. Whatever the reason, the target is what it was before.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Against the rules of the store.
    #[error("{}: not written: {why}", display_path(path))]
    Refused {
        /// The target.
        path: PathBuf,
        /// The rule.
        why: Refusal,
    },
    /// Somebody else was quicker.
    #[error(
        "{}: changed since it was looked at, probably by Immich itself; left as it is",
        display_path(path)
    )]
    ChangedMeanwhile {
        /// The target.
        path: PathBuf,
    },
    /// The bytes that came are not the ones that were expected.
    #[error(
        "{}: expected {} bytes with SHA-1 {}, {when} {found}; nothing was put in place",
        display_path(path), content.size, hex(&content.sha1)
    )]
    OtherBytes {
        /// Where they came from.
        path: PathBuf,
        /// What was expected.
        content: Content,
        /// When it was noticed.
        when: &'static str,
        /// What came instead.
        found: String,
    },
    /// Another run writes there.
    #[error("{}: in use by another run of photofsck; wait for its end", display_path(path))]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file system does not answer.
    #[error(
        "{}: no answer while it was to be written: {words}; what was begun there may still be finished when it answers",
        display_path(path)
    )]
    Silent {
        /// The file.
        path: PathBuf,
        /// Which one, and for how long it was waited for.
        words: String,
    },
    /// The operating system refused.
    #[error("{}: cannot {step}: {source}; {}", display_path(path), trouble.remedy())]
    System {
        /// The target.
        path: PathBuf,
        /// What was being done.
        step: Step,
        /// The kind of trouble.
        trouble: Trouble,
        /// The system's words.
        source: io::Error,
    },
}

impl StoreError {
    fn refused(path: &Path, why: Refusal) -> Self {
        Self::Refused { path: path.to_owned(), why }
    }

    pub(super) fn system(path: &Path, step: Step, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        Self::System { path: path.to_owned(), step, trouble: Trouble::of(&source), source }
    }

    /// A file that is open cannot be read.
    pub fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::system(path, Step::Read, source)
    }

    /// What became of the repair: skipped where the rules or somebody else's work forbade it, else failed.
    pub const fn status(&self) -> RepairStatus {
        match self {
            Self::Refused { .. } | Self::ChangedMeanwhile { .. } => RepairStatus::Skipped,
            Self::OtherBytes { .. } | Self::InUse { .. } | Self::Silent { .. } | Self::System { .. } => {
                RepairStatus::Failed
            }
        }
    }

    /// Whether every further repair would end the same way, so that the run had better stop repairing.
    pub const fn stops_repair(&self) -> bool {
        matches!(
            self,
            Self::Silent { .. }
                | Self::System {
                    trouble: Trouble::Full | Trouble::Quota | Trouble::ReadOnly | Trouble::Device,
                    ..
                }
        )
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
