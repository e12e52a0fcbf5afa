//! What the kernel holds of a file in memory: asked without adding to it, and let go of.
#![allow(unsafe_code, reason = "mincore has no wrapper in rustix, and mapping a file is unsafe there")]

use std::io::IoSliceMut;
use std::os::fd::AsFd;
use std::ptr;

use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::mm::{MapFlags, ProtFlags};

/// Tells the kernel to forget what it has of the file, so that the next read comes from the disk.
/// Best effort: a file system may ignore it.
pub fn forget_cached(file: impl AsFd) {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

/// Whether the kernel has the file's beginning, middle or end in memory; `None` where it does not say.
pub fn is_cached(file: impl AsFd, size: u64) -> Option<bool> {
    let places = [0, size / 2, size.saturating_sub(1)];
    match resident(&file, size, places) {
        Some(told) if told.contains(&false) => Some(told.contains(&true)),
        // All of it: what mincore(2) tells also whoever neither owns the file nor may write to it.
        _ => readable_at_once(&file, places),
    }
}

/// Whether the pages at these places are in memory, by mincore(2) of a mapping through which nothing is read.
fn resident(file: impl AsFd, size: u64, places: [u64; 3]) -> Option<[bool; 3]> {
    let (length, page) = (usize::try_from(size).ok()?, rustix::param::page_size());
    // SAFETY: a new mapping at an address of the kernel's choice, which no reference is made to.
    let start = unsafe {
        rustix::mm::mmap(ptr::null_mut(), length, ProtFlags::empty(), MapFlags::SHARED, file, 0).ok()?
    };
    let told = places.map(|place| {
        let mut state = 0u8;
        let first = usize::try_from(place).ok()? / page * page;
        // SAFETY: the page is part of the mapping (a place is before the end), its state is one byte.
        let status = unsafe { libc::mincore(start.wrapping_byte_add(first), 1, &raw mut state) };
        (status == 0).then_some(state & 1 == 1)
    });
    // SAFETY: exactly what was mapped above, and nothing points into it.
    let _ = unsafe { rustix::mm::munmap(start, length) };
    let [Some(first), Some(middle), Some(last)] = told else { return None };
    Some([first, middle, last])
}

/// Whether a byte at one of these places can be read without waiting. The kernel begins to read ahead when it is asked
/// so, and a fast disk may be done before it answers: what was not in memory is sometimes said to be.
fn readable_at_once(file: impl AsFd, places: [u64; 3]) -> Option<bool> {
    let mut byte = [0];
    let mut cached = false;
    for place in places {
        let mut target = [IoSliceMut::new(&mut byte)];
        match rustix::io::preadv2(&file, &mut target, place, ReadWriteFlags::NOWAIT) {
            Ok(_) => cached = true,
            Err(Errno::AGAIN) => {}
            Err(_) => return None,
        }
    }
    Some(cached)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

    use std::fs::{self, File};

    use super::*;

    const SIZE: u64 = 3_000_000;

    #[test]
    fn what_is_not_in_memory_is_never_said_to_be() {
        // A disk, which a folder for temporary files may not be.
        let near = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir_in(near.parent().unwrap()).unwrap();
        let path = folder.path().join("cold");
        fs::write(&path, vec![7; 3_000_000]).unwrap();
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        assert_eq!(is_cached(&file, SIZE), Some(true));
        forget_cached(&file);
        if resident(&file, SIZE, [0, SIZE / 2, SIZE - 1]) != Some([false; 3]) {
            eprintln!("NOT TESTED HERE: the file system does not let go of what it has in memory");
            return;
        }
        // To ask a hundred times changes nothing.
        assert!((0..100).all(|_| is_cached(&file, SIZE) == Some(false)));
        // A part is enough.
        std::os::unix::fs::FileExt::read_at(&file, &mut [0], SIZE / 2).unwrap();
        assert_eq!(is_cached(&file, SIZE), Some(true));
    }

    #[test]
    fn of_nothing_all_is_there() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(resident(&file, 0, [0; 3]), None);
        assert_ne!(is_cached(&file, 0), Some(false));
    }
}
