//! Reading past the page cache, and finding how far a bad place on a disk reaches.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::media::{Hasher, hash};
use crate::model::DecodeError;

/// Addresses, offsets and lengths are multiples of this: enough for every disk in use.
const BLOCK: usize = 4096;
/// Read at once.
const PIECE: usize = 1 << 20;
/// A disk may try for seconds before it gives up on one block: so many are asked for, and not longer than this.
const BAD_BLOCKS: u64 = 16;
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that is read at an offset: a file, and in tests one with bad places.
pub trait ReadAt {
    /// Reads into the buffer from this offset; fewer bytes than it holds at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// Memory whose address suits direct reads.
struct Aligned {
    memory: Vec<u8>,
    start: usize,
}

impl Aligned {
    fn new(length: usize) -> Self {
        let memory = vec![0; length + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK).min(BLOCK);
        Self { memory, start }
    }

    fn piece(&mut self, length: usize) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start + length).unwrap_or_default()
    }
}

/// Reads a file of at most `len` bytes into `buffer` in whole blocks, and hashes it on the way.
pub fn read_whole(
    file: &impl ReadAt,
    len: u64,
    buffer: &mut Vec<u8>,
    hasher: &mut Hasher,
) -> Result<(), DecodeError> {
    let len = hash::make_room(buffer, len)?;
    let mut aligned = Aligned::new(PIECE);
    while buffer.len() < len {
        let offset = buffer.len() as u64;
        let piece = aligned.piece(PIECE);
        let count = file.read_at(piece, offset).map_err(|error| DecodeError::io(&error, Some(offset)))?;
        let wanted = count.min(len - buffer.len());
        let bytes = piece.get(..wanted).unwrap_or_default();
        hasher.update(bytes);
        buffer.extend_from_slice(bytes);
        // A file that became shorter ends within a block, or gives nothing.
        if count == 0 || !count.is_multiple_of(BLOCK) {
            break;
        }
    }
    Ok(())
}

/// A read error with its exact place: the first block that cannot be read, and how far the bad place reaches.
///
/// Only for errors of the disk below (`EIO`); all others are returned as they are.
pub fn locate(file: &impl ReadAt, len: u64, error: DecodeError) -> DecodeError {
    const EIO: i32 = 5;
    let DecodeError::Io { what, errno: Some(EIO), offset: Some(near) } = error else { return error };
    let block = BLOCK as u64;
    let until = Instant::now() + PATIENCE;
    let mut aligned = Aligned::new(BLOCK);
    let mut readable = |at: u64| file.read_at(aligned.piece(BLOCK), at).is_ok();
    let first = near / block * block;
    let within = (first..len).step_by(BLOCK).take(PIECE / BLOCK + 1);
    // The blocks before the bad one are sound, and read fast.
    let Some(first) = within.clone().find(|&at| Instant::now() >= until || !readable(at)) else {
        return DecodeError::Io { what, errno: Some(EIO), offset: Some(near) };
    };
    let last = (first + block).saturating_add(BAD_BLOCKS * block).min(len);
    let end = ((first + block)..last).step_by(BLOCK).find(|&at| Instant::now() >= until || readable(at));
    let reach = match end {
        Some(end) if Instant::now() < until => format!("bytes {first} to {}", end - 1),
        None if last >= len => format!("bytes {first} to {} (the end)", len.saturating_sub(1)),
        _ => format!("bytes {first} to {} and perhaps more", last.saturating_sub(1)),
    };
    DecodeError::Io { what: format!("{what}: {reach} cannot be read"), errno: Some(EIO), offset: Some(first) }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a panic is a failed test"
    )]

    use std::io::Write;
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;
    use crate::media::hash;

    /// A disk with a bad place. Refuses what a direct descriptor refuses.
    struct Disk {
        data: Vec<u8>,
        bad: Range<u64>,
    }

    impl ReadAt for Disk {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let address = buffer.as_ptr() as usize;
            if !address.is_multiple_of(512)
                || !offset.is_multiple_of(512)
                || !buffer.len().is_multiple_of(512)
            {
                return Err(io::Error::from_raw_os_error(22));
            }
            let end = (offset + buffer.len() as u64).min(self.data.len() as u64);
            if offset >= end {
                return Ok(0);
            }
            if offset < self.bad.end && self.bad.start < end {
                return Err(io::Error::from_raw_os_error(5));
            }
            let bytes = &self.data[offset as usize..end as usize];
            buffer[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    fn disk(length: usize, bad: Range<u64>) -> Disk {
        Disk { data: (0..length).map(|n| (n % 251) as u8).collect(), bad }
    }

    fn read(disk: &Disk) -> (Vec<u8>, Result<(), DecodeError>) {
        let (mut buffer, mut hasher) = (vec![7; 3], Hasher::new(true, true));
        let result = read_whole(disk, disk.data.len() as u64, &mut buffer, &mut hasher);
        if result.is_ok() {
            assert_eq!(hasher.finish(), hash::of_bytes(&disk.data, true, true));
        }
        (buffer, result)
    }

    #[test]
    fn whole_files_of_any_length_come_in_whole_blocks() {
        for length in [0, 1, 511, 4096, 4097, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 700] {
            let disk = disk(length, 0..0);
            let (bytes, result) = read(&disk);
            assert_eq!(result, Ok(()));
            assert!(bytes == disk.data, "{length}");
        }
    }

    #[test]
    fn a_file_that_shrank_gives_what_is_there() {
        let disk = disk(9000, 0..0);
        let mut buffer = Vec::new();
        read_whole(&disk, 5_000_000, &mut buffer, &mut Hasher::new(false, false)).unwrap();
        assert!(buffer == disk.data);
    }

    #[test]
    fn a_bad_place_is_told_to_the_block() {
        let place = |length: usize, bad: Range<u64>| {
            let disk = disk(length, bad);
            let error = read(&disk).1.unwrap_err();
            match locate(&disk, length as u64, error) {
                DecodeError::Io { what, errno: Some(5), offset: Some(offset) } => (offset, what),
                other => panic!("{other:?}"),
            }
        };
        let (offset, what) = place(3 * PIECE, 1_500_000..1_500_512);
        assert_eq!(offset, 1_499_136);
        assert!(what.ends_with("bytes 1499136 to 1503231 cannot be read"), "{what}");
        let (offset, what) = place(3 * PIECE, 2_000_000..2_020_000);
        assert_eq!(offset, 1_998_848);
        assert!(what.ends_with("bytes 1998848 to 2023423 cannot be read"), "{what}");
        let (offset, what) = place(100_000, 90_000..100_000);
        assert_eq!(offset, 86_016);
        assert!(what.contains("to 99999 (the end)"), "{what}");
        let (offset, what) = place(3 * PIECE, 0..2_000_000);
        assert_eq!(offset, 0);
        assert!(what.contains("and perhaps more"), "{what}");
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        let disk = disk(9000, 0..0);
        for error in [
            DecodeError::Io { what: "x".into(), errno: Some(13), offset: Some(0) },
            DecodeError::Io { what: "x".into(), errno: None, offset: None },
            // Gone by the second look.
            DecodeError::Io { what: "x".into(), errno: Some(5), offset: Some(4096) },
            DecodeError::malformed("x", 7),
        ] {
            assert_eq!(locate(&disk, 9000, error.clone()), error);
        }
    }

    #[test]
    fn a_real_descriptor_past_the_cache_where_the_file_system_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..2_500_001).map(|n| (n % 253) as u8).collect();
        File::create(&path).unwrap().write_all(&bytes).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECT;
        let Ok(descriptor) = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()) else { return };
        let mut buffer = Vec::new();
        let mut hasher = Hasher::new(true, false);
        read_whole(&File::from(descriptor), bytes.len() as u64, &mut buffer, &mut hasher).unwrap();
        assert!(buffer == bytes);
    }

    proptest! {
        #[test]
        fn the_first_bad_block_is_exact(length in 1_u64..3_000_000, at in 0.0_f64..1.0, reach in 1_u64..50_000) {
            #[allow(clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a small number")]
            let start = (length as f64 * at) as u64;
            let disk = disk(length as usize, start..(start + reach).min(length));
            let error = read(&disk).1.unwrap_err();
            let located = locate(&disk, length, error);
            prop_assert_eq!(located.offset(), Some(start / 4096 * 4096));
        }
    }
}
