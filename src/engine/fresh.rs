//! Recorded files that the walk found as an earlier run had left them: those that need no look, and of the others how long ago
//! the last one was. Four bytes a file hold that, and the one thing that later steps ask of them.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::immich::records::FileIdx;
use crate::model::PixelSize;

/// A file that needs no look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its size in pixels, where it has one.
    pub size: Option<PixelSize>,
}

/// Kept, and without a size.
const SIZELESS: u32 = 1;
/// Up to here, and above [`SIZELESS`], a mark is the day of the last look.
const LAST_DAY: u32 = 0xffff;

/// One mark for each file of an index; several threads may set marks at once.
#[derive(Debug, Default)]
pub struct Fresh {
    /// 0, [`SIZELESS`], a day, or the sides in the upper and the lower half, neither of which is 0 then.
    marks: Vec<AtomicU32>,
}

impl Fresh {
    /// No marks, for an index of so many files.
    pub fn new(files: u32) -> Self {
        Self { marks: (0..files).map(|_| AtomicU32::new(0)).collect() }
    }

    /// Marks a file. A picture with a longer side than 65 535 pixels gets no mark.
    pub fn mark(&self, FileIdx(file): FileIdx, size: Option<PixelSize>) {
        let mark = match size.map(|size| (u16::try_from(size.width), u16::try_from(size.height))) {
            None => SIZELESS,
            Some((Ok(width @ 1..), Ok(height @ 1..))) => u32::from(width) << 16 | u32::from(height),
            Some(_) => return,
        };
        if let Some(place) = self.marks.get(file as usize) {
            place.store(mark, Ordering::Relaxed);
        }
    }

    /// Marks a file that needs a look and was last sound on this day since 1970.
    pub fn mark_aged(&self, FileIdx(file): FileIdx, day: u16) {
        if let Some(place) = self.marks.get(file as usize) {
            place.store(u32::from(day).max(SIZELESS + 1), Ordering::Relaxed);
        }
    }

    /// The day of the last look at a file that has to be looked at again.
    pub fn aged(&self, FileIdx(file): FileIdx) -> Option<u16> {
        let mark = self.marks.get(file as usize)?.load(Ordering::Relaxed);
        (SIZELESS + 1..=LAST_DAY).contains(&mark).then(|| u16::try_from(mark).unwrap_or(u16::MAX))
    }

    /// What is known of a file that has its mark.
    pub fn get(&self, FileIdx(file): FileIdx) -> Option<Kept> {
        let size = match self.marks.get(file as usize)?.load(Ordering::Relaxed) {
            SIZELESS => None,
            0..=LAST_DAY => return None,
            sides => Some(PixelSize { width: sides >> 16, height: sides & 0xffff }),
        };
        Some(Kept { size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_keep_sizes() {
        let fresh = Fresh::new(5);
        let size = |width, height| Some(PixelSize { width, height });
        fresh.mark(FileIdx(0), None);
        fresh.mark(FileIdx(1), size(65_535, 1));
        fresh.mark(FileIdx(2), size(65_536, 1));
        fresh.mark(FileIdx(3), size(0, 1));
        fresh.mark(FileIdx(5), None);
        let marks: Vec<_> = (0..6).map(|file| fresh.get(FileIdx(file))).collect();
        let kept = |size| Some(Kept { size });
        assert_eq!(marks, [kept(None), kept(size(65_535, 1)), None, None, None, None]);
        assert_eq!(Fresh::default().get(FileIdx(0)), None);
        fresh.mark_aged(FileIdx(2), 20_787);
        let second =
            (fresh.get(FileIdx(2)), fresh.aged(FileIdx(2)), fresh.aged(FileIdx(1)), fresh.aged(FileIdx(4)));
        assert_eq!(second, (None, Some(20_787), None, None));
    }
}
