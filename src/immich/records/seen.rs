//! Marks on the files of an index: which of them the walk has found.

use std::sync::atomic::{AtomicU64, Ordering};

use super::views::FileIdx;

/// One mark for each file of a [`super::RecordIndex`]; several threads may set marks at once.
#[derive(Debug)]
pub struct Seen {
    words: Vec<AtomicU64>,
    files: u32,
}

impl Seen {
    /// No marks, for an index of so many files.
    pub fn new(files: u32) -> Self {
        let words = (0..files.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { words, files }
    }

    /// Marks a file and tells whether it had no mark before.
    pub fn mark(&self, FileIdx(file): FileIdx) -> bool {
        let bit = 1u64 << (file % 64);
        self.words
            .get(file as usize / 64)
            .is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    /// Whether a file has its mark.
    pub fn contains(&self, FileIdx(file): FileIdx) -> bool {
        let bit = 1u64 << (file % 64);
        self.words.get(file as usize / 64).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Files without a mark, in the order of their numbers.
    pub fn unseen(&self) -> impl Iterator<Item = FileIdx> + '_ {
        (0..self.files).map(FileIdx).filter(|&file| !self.contains(file))
    }

    /// Number of marks.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_counted_once() {
        let seen = Seen::new(130);
        assert!(seen.mark(FileIdx(0)));
        assert!(seen.mark(FileIdx(129)));
        assert!(!seen.mark(FileIdx(129)));
        assert!(!seen.mark(FileIdx(1000)));
        assert_eq!(seen.count(), 2);
        assert_eq!(seen.unseen().count(), 128);
        assert!(seen.contains(FileIdx(0)) && !seen.contains(FileIdx(1)));
    }
}
