//! Opening files to read them, and nothing else: every original that a run touches goes through here.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, SeekFrom};

use crate::model::{DecodeError, FileIdentity};

/// Why a path could not be opened as a file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is nothing at the path.
    #[error("not there")]
    NotFound,
    /// A folder, FIFO, socket or device, or a link to one.
    #[error("not a regular file but {0}")]
    NotAFile(&'static str),
    /// Its share does not answer.
    #[error("{0}")]
    Hangs(String),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl OpenError {
    /// The same as a reason why nothing can be said about the bytes.
    pub fn to_decode_error(&self) -> DecodeError {
        match self {
            Self::NotFound => {
                DecodeError::io(&io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error()), None)
            }
            Self::NotAFile(kind) => DecodeError::unsupported(format!("not a regular file but {kind}")),
            Self::Hangs(words) => hangs(words.clone()),
            Self::Io(error) => DecodeError::io(error, None),
        }
    }
}

/// That a share does not answer, as a reason why nothing can be said about the bytes.
pub fn hangs(words: String) -> DecodeError {
    DecodeError::Io { what: words, errno: Some(rustix::io::Errno::TIMEDOUT.raw_os_error()), offset: None }
}

/// Opens a regular file read-only and says which state of it was opened.
///
/// Never waits (a FIFO without a writer does not block), never becomes the controlling terminal, and does
/// not touch the access time where the system allows that.
pub fn open_read(path: &Path) -> Result<(File, FileIdentity), OpenError> {
    open_with(path, OFlags::empty())
}

/// The same, but for a symbolic link at the end of the path, which is no regular file here.
pub fn open_no_link(path: &Path) -> Result<(File, FileIdentity), OpenError> {
    open_with(path, OFlags::NOFOLLOW)
}

fn open_with(path: &Path, more: OFlags) -> Result<(File, FileIdentity), OpenError> {
    let quiet = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let descriptor = match rustix::fs::open(path, quiet | OFlags::NOATIME, Mode::empty()) {
        // Only the owner may ask for that.
        Err(rustix::io::Errno::PERM) => rustix::fs::open(path, quiet, Mode::empty()),
        other => other,
    };
    let file = match descriptor {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::NOENT) => return Err(OpenError::NotFound),
        Err(rustix::io::Errno::LOOP) if !more.is_empty() => {
            return Err(OpenError::NotAFile("a symbolic link"));
        }
        // What opening a socket answers.
        Err(rustix::io::Errno::NXIO) => return Err(OpenError::NotAFile("a socket or device")),
        Err(error) => return Err(OpenError::Io(error.into())),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile(kind_of(&metadata)));
    }
    Ok((file, FileIdentity::from(&metadata)))
}

/// Opens the same state of a file once more, so that reads come past the page cache; `None` where the file system
/// does not offer that, or the file is not the same any more.
pub fn open_direct(path: &Path, identity: &FileIdentity) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::DIRECT;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    (FileIdentity::from(&metadata) == *identity).then_some(file)
}

/// Files shorter than this are read, whatever they are.
const GIANT: u64 = 1 << 30;
/// A giant of which less than one byte in so many is stored holds neither picture nor film: those do not compress.
const HOLLOW: u64 = 64;
/// Stretches of data that are counted; a file in more pieces than this is not hollow.
const MAX_STRETCHES: u32 = 4096;

/// How many bytes of a giant are stored if nearly all of it is a hole; `None` for every other file. To read
/// terabytes of nothing would take hours.
pub fn hollow(file: impl AsFd, size: u64) -> Option<u64> {
    if size < GIANT {
        return None;
    }
    let (mut at, mut stored) = (0u64, 0u64);
    for _ in 0..MAX_STRETCHES {
        let start = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole from here on.
            Err(rustix::io::Errno::NXIO) => return Some(stored),
            Err(_) => return None,
        };
        at = rustix::fs::seek(&file, SeekFrom::Hole(start)).ok()?;
        stored = stored.saturating_add(at.saturating_sub(start));
        if stored > size / HOLLOW {
            return None;
        }
        if at >= size {
            return Some(stored);
        }
    }
    None
}

fn kind_of(metadata: &std::fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "something else"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn giants_of_nothing_are_known_without_reading_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("giant.mp4");
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        let (file, identity) = open_read(&path).unwrap();
        assert_eq!(hollow(&file, identity.size), None);
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(8 << 30).unwrap();
        let (file, identity) = open_read(&path).unwrap();
        // A file system without holes stores all of it.
        let sparse = rustix::fs::fstat(&file).unwrap().st_blocks < 1 << 20;
        let stored = hollow(&file, identity.size);
        assert!(!sparse || stored.is_some_and(|stored| (100_000..1 << 20).contains(&stored)), "{stored:?}");
        // Asked about as if it were shorter, most of it is there.
        assert_eq!(hollow(&file, GIANT - 1), None);
    }

    #[test]
    fn only_regular_files_open_and_nothing_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.jpg"), b"abc").unwrap();
        symlink(at("a.jpg"), at("link.jpg")).unwrap();
        symlink(at("nowhere"), at("broken.jpg")).unwrap();
        std::fs::create_dir(at("folder.jpg")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo.jpg"), rustix::fs::FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket.jpg")).unwrap();

        assert_eq!(open_read(&at("a.jpg")).unwrap().1.size, 3);
        assert_eq!(open_read(&at("link.jpg")).unwrap().1.size, 3);
        assert_eq!(open_no_link(&at("a.jpg")).unwrap().1.size, 3);
        for link in ["link.jpg", "broken.jpg"] {
            assert!(matches!(open_no_link(&at(link)), Err(OpenError::NotAFile("a symbolic link"))));
        }
        assert!(matches!(open_read(&at("broken.jpg")), Err(OpenError::NotFound)));
        assert!(matches!(open_read(&at("folder.jpg")), Err(OpenError::NotAFile("a folder"))));
        assert!(matches!(open_read(&at("fifo.jpg")), Err(OpenError::NotAFile("a FIFO"))));
        assert!(matches!(open_read(&at("socket.jpg")), Err(OpenError::NotAFile(_))));
        assert!(matches!(open_read(Path::new("/dev/null")), Err(OpenError::NotAFile("a device"))));
    }
}
