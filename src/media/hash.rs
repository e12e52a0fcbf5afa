//! Hashes of whole files, in the same pass that reads them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};

use crate::model::DecodeError;

/// Files are read in pieces of this size.
pub const BLOCK: usize = 1 << 20;
/// Both hashes see a piece of this size while it is in the processor's cache.
const HOT: usize = 128 << 10;

/// The hashes that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Digests {
    /// SHA-1, the checksum that Immich records.
    pub sha1: Option<[u8; 20]>,
    /// BLAKE3, the catalog's.
    pub blake3: Option<[u8; 32]>,
    /// Bytes hashed.
    pub bytes: u64,
}

/// Takes the bytes of a file in order and hashes them in every way that was asked for.
pub struct Hasher {
    sha1: Option<Sha1>,
    blake3: Option<Box<blake3::Hasher>>,
    bytes: u64,
    /// When the first byte came, and bytes a second.
    pace: Option<(Instant, u64)>,
}

impl Hasher {
    /// Makes the hashes that are wanted, none being a fair wish.
    pub fn new(sha1: bool, blake3: bool) -> Self {
        Self { sha1: sha1.then(Sha1::new), blake3: blake3.then(Box::default), bytes: 0, pace: None }
    }

    /// The same, held to so many bytes a second from now on: taking them lasts as long as that allows.
    #[must_use]
    pub fn paced(mut self, rate: Option<u64>) -> Self {
        self.pace = rate.map(|rate| (Instant::now(), rate.max(1)));
        self
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for piece in bytes.chunks(HOT) {
            if let Some(sha1) = &mut self.sha1 {
                sha1.update(piece);
            }
            if let Some(blake3) = &mut self.blake3 {
                blake3.update(piece);
            }
        }
        if let Some((began, rate)) = self.pace {
            let earned =
                Duration::try_from_secs_f64(self.bytes as f64 / rate as f64).unwrap_or(Duration::MAX);
            std::thread::sleep(earned.saturating_sub(began.elapsed()));
        }
    }

    /// The hashes of everything taken.
    pub fn finish(self) -> Digests {
        Digests {
            sha1: self.sha1.map(|hasher| hasher.finalize().into()),
            blake3: self.blake3.map(|hasher| *hasher.finalize().as_bytes()),
            bytes: self.bytes,
        }
    }
}

/// Hashes bytes in memory.
pub fn of_bytes(bytes: &[u8], sha1: bool, blake3: bool) -> Digests {
    let mut hasher = Hasher::new(sha1, blake3);
    hasher.update(bytes);
    hasher.finish()
}

/// Hashes a file from its beginning to its end without keeping it; the file's own position is left alone.
/// An error carries the offset at which the system refused.
pub fn of_file(file: &File, mut hasher: Hasher) -> Result<Digests, DecodeError> {
    let mut block = vec![0u8; BLOCK];
    loop {
        let offset = hasher.bytes;
        let count = read_some(file, offset, &mut block)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(block.get(..count).unwrap_or_default());
    }
}

/// Empties `buffer` and gives it room for a file of `len` bytes.
pub fn make_room(buffer: &mut Vec<u8>, len: u64) -> Result<usize, DecodeError> {
    buffer.clear();
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    buffer.try_reserve_exact(len).map_err(|_| {
        DecodeError::limit(format!("a file of {len} bytes"), "the memory that the system gives")
    })?;
    Ok(len)
}

/// Reads a file of at most `len` bytes into `buffer` (cleared first, its memory reused) and hashes it on the way.
/// A file that has become shorter gives fewer bytes; one that has grown gives `len`.
pub fn read_whole(
    file: &File,
    len: u64,
    buffer: &mut Vec<u8>,
    hasher: &mut Hasher,
) -> Result<(), DecodeError> {
    let len = make_room(buffer, len)?;
    while buffer.len() < len {
        let start = buffer.len();
        buffer.resize(start.saturating_add(BLOCK).min(len), 0);
        let piece = buffer.get_mut(start..).unwrap_or_default();
        let count = read_some(file, start as u64, piece)?;
        hasher.update(piece.get(..count).unwrap_or_default());
        buffer.truncate(start + count);
        if count == 0 {
            break;
        }
    }
    Ok(())
}

/// One positioned read that is repeated when a signal interrupts it; 0 is the end of the file.
fn read_some(file: &File, offset: u64, buffer: &mut [u8]) -> Result<usize, DecodeError> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(|error| DecodeError::io(&error, Some(offset))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a panic is a failed test")]

    use std::io::Write;

    use super::*;

    /// FIPS 180-2 and the BLAKE3 paper's reference for `abc`.
    const ABC_SHA1: [u8; 20] = [
        0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c,
        0xd0, 0xd8, 0x9d,
    ];

    #[test]
    fn known_answer() {
        let digests = of_bytes(b"abc", true, true);
        assert_eq!(digests.sha1, Some(ABC_SHA1));
        assert_eq!(digests.blake3.unwrap()[..4], [0x64, 0x37, 0xb3, 0xac]);
        assert_eq!(digests.bytes, 3);
        assert_eq!(of_bytes(b"abc", false, false), Digests { bytes: 3, ..Digests::default() });
    }

    #[test]
    fn file_and_memory_agree_over_block_borders() {
        let bytes: Vec<u8> = (0..BLOCK * 2 + 12345).map(|n| (n % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let expected = of_bytes(&bytes, true, true);
        assert_eq!(of_file(&file, Hasher::new(true, true)).unwrap(), expected);

        let mut buffer = vec![9; 7];
        let mut hasher = Hasher::new(true, true);
        read_whole(&file, bytes.len() as u64, &mut buffer, &mut hasher).unwrap();
        assert!(buffer == bytes);
        assert_eq!(hasher.finish(), expected);
    }

    #[test]
    fn a_file_that_shrank_gives_what_is_there() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"short").unwrap();
        let mut buffer = Vec::new();
        read_whole(&file, 5_000_000, &mut buffer, &mut Hasher::new(false, true)).unwrap();
        assert_eq!(buffer, b"short");
    }

    #[test]
    fn an_error_tells_number_and_offset() {
        let folder = std::fs::File::open("/").unwrap();
        let error = of_file(&folder, Hasher::new(true, false)).unwrap_err();
        assert!(matches!(error, DecodeError::Io { errno: Some(21), offset: Some(0), .. }), "{error:?}");
    }
}
