//! One run per catalog.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::error::CatalogError;

/// Held while a run uses a catalog. The system gives it back when the process ends, however it ends.
pub(super) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of `state_dir`, or says who has it.
    pub(super) fn take(state_dir: &Path, command: &str) -> Result<Self, CatalogError> {
        let path = state_dir.join("catalog.lock");
        let fail = |error: &std::io::Error| CatalogError::from_io(&path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| fail(&error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(CatalogError::InUse { folder: state_dir.to_owned(), holder: holder(&mut file) });
            }
            Err(errno) => return Err(fail(&errno.into())),
        }
        let now = jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default();
        let command: String = command.chars().filter(|ch| !ch.is_control()).collect();
        let text = format!("pid {}, started {now}: {command}\n", std::process::id());
        // Only for people; a lock whose text cannot be written is still a lock.
        let _ = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        Ok(Self { _file: file })
    }
}

/// What the holder of the lock has written about itself.
fn holder(file: &mut File) -> String {
    let mut text = Vec::new();
    let _ = file.take(400).read_to_end(&mut text);
    let text: String = String::from_utf8_lossy(&text).chars().filter(|ch| !ch.is_control()).collect();
    if text.is_empty() { "just starting".to_owned() } else { text }
}
