//! Rule 6: sectors that are there twice.
//!
//! No camera takes the same 512 bytes of a textured picture twice. Where bytes come again, from one sector's begin to one
//! sector's end and not one byte further, a block was copied or written twice. What a picture repeats itself, patterns and
//! rows of an enlargement, comes again more often, or ends where its rows end.

use std::ops::Range;

use super::{Field, GRID, Hole, SLACK};

/// A picture that repeats itself more often does so by itself.
const MOST: usize = 2;
/// Different bytes that a sector of texture has.
const TEXTURE: usize = 24;

impl Field<'_> {
    /// A block that is there twice.
    pub(super) fn repeated(&self) -> Option<Hole> {
        let sector = |at: usize| self.bytes.get(at..at + GRID).unwrap_or_default();
        let first = self.first_boundary();
        let mut sectors: Vec<(u64, usize)> = (first..self.range.end.saturating_sub(GRID - 1))
            .step_by(GRID)
            .filter(|&at| at >= self.range.start)
            .map(|at| (sum(sector(at)), at))
            .collect();
        sectors.sort_unstable();
        let mut found: Vec<(Range<usize>, usize)> = Vec::new();
        for pair in sectors.windows(2) {
            let &[(one, a), (other, b)] = pair else { continue };
            if one != other || sector(a) != sector(b) || !is_texture(sector(a)) {
                continue;
            }
            // Further sectors of a block that is known.
            if found.iter().any(|(known, _)| known.contains(&a)) {
                continue;
            }
            match self.exactly_repeated(a, b) {
                Some(block) => found.push((block, b)),
                None => return None,
            }
            if found.len() > MOST {
                return None;
            }
        }
        // Which of the two is the wrong one is not known.
        found.first().map(|(block, _)| Hole {
            at: block.start,
            what: "a block that is there twice, from sector to sector",
        })
    }

    /// The bytes around `a` that are also around `b`, if they are so between sectors alone.
    fn exactly_repeated(&self, a: usize, b: usize) -> Option<Range<usize>> {
        let data = |range: Range<usize>| self.bytes.get(range).unwrap_or_default();
        let (before, behind) = (data(self.range.start..a), data(a..self.range.end));
        let (other_before, other_behind) = (data(self.range.start..b), data(b..self.range.end));
        let equal = |pair: &(&u8, &u8)| pair.0 == pair.1;
        let back = before.iter().rev().zip(other_before.iter().rev()).take_while(equal).count();
        let len = behind.iter().zip(other_behind).take_while(equal).count();
        let block = a - back / GRID * GRID..a + len / GRID * GRID;
        let torn = back % GRID <= SLACK && len % GRID <= SLACK;
        let at_an_end = back == before.len() || len == other_behind.len();
        let column = (block.start - self.range.start) % self.row;
        let whole_rows = column <= SLACK && block.len().is_multiple_of(self.row);
        (torn && !at_an_end && !whole_rows).then_some(block)
    }
}

fn is_texture(sector: &[u8]) -> bool {
    let mut seen = [false; 256];
    for &byte in sector {
        if let Some(seen) = seen.get_mut(usize::from(byte)) {
            *seen = true;
        }
    }
    let changes = sector.windows(2).filter(|pair| matches!(pair, [a, b] if a != b)).count();
    seen.iter().filter(|&&seen| seen).count() >= TEXTURE && changes * 4 >= sector.len() * 3
}

/// FNV-1a, 64 bits, eight bytes at a time: equal sectors stand together when sorted.
fn sum(sector: &[u8]) -> u64 {
    sector.chunks(8).fold(0xCBF2_9CE4_8422_2325, |sum, chunk| {
        let word = chunk.iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
        (sum ^ word).wrapping_mul(0x100_0000_01B3).rotate_left(23)
    })
}
