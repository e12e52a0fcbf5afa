//! The bytes of one file, and the limits within which they are decoded.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::model::DecodeError;

/// What decoding one file may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Pixels of one picture (`width * height`).
    pub max_pixels: u64,
    /// Bytes that decoders may hold for one file.
    pub max_memory: u64,
    /// Seconds of wall clock for one file.
    pub max_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 1_000_000_000, max_memory: 4 << 30, max_seconds: 120 }
    }
}

/// The bytes of one file.
///
/// Stills are read once into memory and hashed there; videos and giants stay on disk and are read
/// piecewise through `file`. Decoders that need memory ask [`Source::bytes`].
pub struct Source<'a> {
    file: &'a File,
    len: u64,
    bytes: Option<&'a [u8]>,
    /// File extension in lower case without the dot, only a hint; empty when there is none.
    pub extension: &'a str,
}

impl<'a> Source<'a> {
    /// A file whose `len` bytes are all in `bytes` when that is given.
    pub fn new(file: &'a File, len: u64, bytes: Option<&'a [u8]>, extension: &'a str) -> Self {
        Self { file, len, bytes, extension }
    }

    /// Length in bytes when it was opened.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The open descriptor. Only positioned reads are allowed on it.
    pub const fn file(&self) -> &'a File {
        self.file
    }

    /// The whole file, when it is in memory.
    pub const fn bytes(&self) -> Option<&'a [u8]> {
        self.bytes
    }

    /// The whole file: borrowed when it is in memory, else read now if it fits `limits`.
    pub fn load(&self, limits: &Limits) -> Result<Cow<'a, [u8]>, DecodeError> {
        if let Some(bytes) = self.bytes {
            return Ok(Cow::Borrowed(bytes));
        }
        if self.len > limits.max_memory {
            return Err(DecodeError::limit(
                format!("the file of {} bytes must be in memory to be decoded", self.len),
                format!("{} MiB for one file (--memory)", limits.max_memory >> 20),
            ));
        }
        let mut bytes = Vec::new();
        super::hash::read_whole(
            self.file,
            self.len,
            &mut bytes,
            &mut super::hash::Hasher::new(false, false),
        )?;
        Ok(Cow::Owned(bytes))
    }

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(bytes) = self.bytes {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let available = bytes.get(start..).unwrap_or_default();
            let count = available.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..count), available.get(..count)) {
                to.copy_from_slice(from);
            }
            return Ok(count);
        }
        let mut filled = 0usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}
