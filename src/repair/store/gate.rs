//! The seam between the store and the system: every call passes a gate first, and tests shut it.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

/// The kinds of system calls that a store makes, named for error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Opening a folder on the way.
    OpenFolder,
    /// Making a missing folder.
    MakeFolder,
    /// Asking for the state of a file or folder.
    Look,
    /// Creating the temporary file.
    Create,
    /// Locking it.
    Lock,
    /// Writing to it.
    Write,
    /// Setting its owner.
    Own,
    /// Setting its mode.
    Permit,
    /// Sending its bytes to the disk.
    Sync,
    /// Opening it to look at it again.
    Reopen,
    /// Renaming it over the target.
    Rename,
    /// Sending the folder to the disk.
    SyncFolder,
    /// Removing a temporary file, a folder made for nothing, or a file that has been copied elsewhere.
    Remove,
    /// Reading the file that is copied.
    Read,
    /// Giving a file a second name.
    Link,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenFolder => "open its folder",
            Self::MakeFolder => "make its folder",
            Self::Look => "look at it",
            Self::Create => "create a file beside it",
            Self::Lock => "lock the file beside it",
            Self::Write => "write",
            Self::Own => "set the owner",
            Self::Permit => "set the mode",
            Self::Sync => "sync to the disk",
            Self::Reopen => "read back what was written",
            Self::Rename => "put the new file in place",
            Self::SyncFolder => "sync the folder",
            Self::Remove => "remove the file",
            Self::Read => "read it",
            Self::Link => "give it a second name",
        })
    }
}

/// Passed before every system call of a store.
pub(super) trait Gate: Send + Sync {
    /// An error is taken for the call's own.
    fn pass(&self, step: Step) -> io::Result<()>;

    /// Told of a file or folder that is on the disk now.
    fn synced(&self, _what: BorrowedFd<'_>) {}

    /// How many of `wanted` bytes one write may take; more than none.
    fn share(&self, wanted: usize) -> usize {
        wanted
    }
}

/// The gate of real life: it lets everything pass, and says so.
pub(super) struct Open(pub fn());

impl Gate for Open {
    fn pass(&self, _step: Step) -> io::Result<()> {
        (self.0)();
        Ok(())
    }
}
