//! A hash table of row numbers, and an arena for byte strings: the two bricks of the record index.
//!
//! The table holds only `u32` numbers of rows that live elsewhere, so a million rows cost a few megabytes. Keys
//! are read from the rows themselves, and equal keys may occur several times.

/// The index cannot take more: one of its 32-bit counters is exhausted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the records hold more {0} than the index can count")]
pub struct IndexFull(pub &'static str);

const EMPTY: u32 = u32::MAX;

/// Row numbers by hash: open addressing with linear probing, at most three quarters full.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<u32>,
    len: usize,
}

impl Slots {
    /// A table sized for exactly `rows` entries.
    pub fn for_rows(rows: usize) -> Self {
        Self { slots: vec![EMPTY; room(rows)], len: 0 }
    }

    /// The first row with this hash for which `is_it` holds.
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.probe(hash).find(|&row| is_it(row))
    }

    /// All rows that may have this hash; the caller compares the keys.
    pub fn probe(&self, hash: u64) -> Probe<'_> {
        Probe { slots: &self.slots, position: start(hash, self.slots.len()) }
    }

    /// Adds a row. `rehash` tells the hash of a row that is already in, for when the table has to grow.
    pub fn insert(&mut self, hash: u64, row: u32, rehash: impl Fn(u32) -> u64) {
        if room(self.len + 1) > self.slots.len() {
            let grown = room((self.len + 1) * 3 / 2).max(16);
            let old = std::mem::replace(&mut self.slots, vec![EMPTY; grown]);
            for row in old.into_iter().filter(|&row| row != EMPTY) {
                self.put(rehash(row), row);
            }
        }
        self.put(hash, row);
        self.len += 1;
    }

    fn put(&mut self, hash: u64, row: u32) {
        let from = start(hash, self.slots.len());
        let (head, tail) = self.slots.split_at_mut(from);
        if let Some(free) = tail.iter_mut().chain(head).find(|slot| **slot == EMPTY) {
            *free = row;
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }
}

/// Slots needed for so many rows: a third more, and always one free one to end a probe.
const fn room(rows: usize) -> usize {
    rows + rows / 3 + 1
}

/// Where probing starts: the high half of `hash * len`, which needs no power of two.
fn start(hash: u64, len: usize) -> usize {
    let wide = u128::from(hash) * (len as u128);
    usize::try_from(wide >> 64).unwrap_or(0)
}

/// Iterates over the rows of one run of slots; see [`Slots::probe`].
#[derive(Clone, Debug)]
pub(super) struct Probe<'a> {
    slots: &'a [u32],
    position: usize,
}

impl Iterator for Probe<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let row = *self.slots.get(self.position)?;
        if row == EMPTY {
            return None;
        }
        self.position += 1;
        if self.position == self.slots.len() {
            self.position = 0;
        }
        Some(row)
    }
}

/// Byte strings one after another, each behind its length; named by its offset.
#[derive(Debug, Default)]
pub(super) struct Arena {
    bytes: Vec<u8>,
}

impl Arena {
    /// Stores a string and tells where.
    pub fn push(&mut self, text: &[u8]) -> Result<u32, IndexFull> {
        let offset =
            u32::try_from(self.bytes.len()).ok().filter(|&at| at != EMPTY).ok_or(IndexFull("names"))?;
        let mut len = text.len();
        while let Some(low) = u8::try_from(len & 0x7f).ok().filter(|_| len >= 0x80) {
            self.bytes.push(low | 0x80);
            len >>= 7;
        }
        self.bytes.push(u8::try_from(len).unwrap_or(0));
        self.bytes.extend_from_slice(text);
        Ok(offset)
    }

    /// The string stored at `offset`, and the offset behind it.
    pub fn get(&self, offset: u32) -> (&[u8], u32) {
        let mut rest = self.bytes.get(offset as usize..).unwrap_or_default();
        let whole = rest.len();
        let (mut len, mut shift) = (0usize, 0u32);
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let text = rest.get(..len).unwrap_or_default();
        let used = whole - rest.len() + text.len();
        (text, offset.saturating_add(u32::try_from(used).unwrap_or(u32::MAX)))
    }

    /// Gives back what growth reserved in excess.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn equal_keys_are_all_found_and_growth_loses_nothing() {
        let hash = |row: u32| u64::from(row % 100).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut slots = Slots::default();
        for row in 0..1000 {
            slots.insert(hash(row), row, hash);
        }
        for key in 0..100 {
            let mut found: Vec<u32> = slots.probe(hash(key)).filter(|row| row % 100 == key).collect();
            found.sort_unstable();
            assert_eq!(found, (0..10).map(|n| key + n * 100).collect::<Vec<_>>());
        }
        assert_eq!(slots.find(hash(5), |row| row == 1005), None);
        assert_eq!(Slots::default().find(7, |_| true), None);
    }

    #[test]
    fn strings_of_every_length_come_back() {
        let mut arena = Arena::default();
        let texts: Vec<Vec<u8>> = [0, 1, 127, 128, 129, 300, 16_383, 16_384, 70_000]
            .into_iter()
            .map(|len| (0..len).map(|n: u32| n.to_le_bytes()[0]).collect())
            .collect();
        let offsets: Vec<u32> = texts.iter().map(|text| arena.push(text).unwrap()).collect();
        for (index, (text, offset)) in texts.iter().zip(&offsets).enumerate() {
            let (got, behind) = arena.get(*offset);
            assert_eq!(got, &text[..]);
            if let Some(next) = offsets.get(index + 1) {
                assert_eq!(behind, *next);
            }
        }
        assert_eq!(arena.get(u32::MAX).0, b"");
    }
}
