//! Closing where a call may never come back.

use std::fs::File;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

/// A file that is open. One on a share is closed in a thread that nobody waits for: where a program stands behind the share,
/// closing is a call to it like any other.
#[derive(Debug)]
pub struct Handle {
    file: File,
    shared: bool,
}

impl Handle {
    /// The file; `shared` if a call on it may hang.
    pub const fn new(file: File, shared: bool) -> Self {
        Self { file, shared }
    }

    /// The same file once more.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn again(&self) -> std::io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, shared: self.shared })
    }
}

impl Deref for Handle {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.shared
            && let Ok(nothing) = File::open("/dev/null")
        {
            let file = std::mem::replace(&mut self.file, nothing);
            let closing = thread::Builder::new().name("may hang".to_owned());
            // Without a thread it is closed here.
            let _ = closing.spawn(move || drop(file));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Read as _;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn every_handle_is_closed() {
        for shared in [false, true] {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            let handle = Handle::new(File::from(writer), shared);
            let other = handle.again().unwrap();
            assert!(rustix::fs::fstat(other.as_fd()).is_ok());
            drop((handle, other));
            // The pipe ends when nobody can write to it any more.
            let begun = Instant::now();
            assert_eq!(File::from(reader).read(&mut [0; 8]).unwrap(), 0);
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
    }
}
