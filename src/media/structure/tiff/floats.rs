//! Foreign blocks in pictures of floating-point numbers.
//!
//! Numbers of one picture have sizes of one kind; what marks missing values is one number again and again. Bytes that are no such
//! numbers have every exponent: half of them make numbers beyond 2^64 or closer to zero than 2^-64, both within each sector.

use std::collections::BTreeSet;

use super::Page;
use crate::media::structure::holes::{GRID, Hole};

/// Different numbers of each kind that a sector of 128 numbers needs; noise has 32 of each.
const LEAST: usize = 12;
/// The same in a sector of 64 numbers of eight bytes, whose exponents nearly all are beyond the limits.
const LEAST_WIDE: usize = 8;

/// A sector of numbers that belong to no picture, in a page that has other sectors too.
pub fn foreign_numbers(bytes: &[u8], page: &Page, big_endian: bool) -> Option<Hole> {
    let bits = page.first_bits();
    let plain = page.compression == 1 && page.sample_format == 3 && page.predictor <= 1;
    if !plain || !matches!(bits, 32 | 64) || page.bits().iter().any(|&other| other != bits) {
        return None;
    }
    let width = bits as usize / 8;
    let (mut first, mut foreign, mut sound) = (None, 0usize, 0usize);
    for extent in &page.extents {
        let (start, end) = (usize::try_from(extent.start).ok()?, usize::try_from(extent.end).ok()?);
        for sector in (start.next_multiple_of(GRID)..end.saturating_sub(GRID - 1)).step_by(GRID) {
            // From the first whole number on.
            let from = start + (sector - start).next_multiple_of(width);
            let numbers = bytes.get(from..sector + GRID).unwrap_or_default().chunks_exact(width);
            let (huge, tiny) = sizes(numbers, big_endian);
            let least = if width == 4 { LEAST } else { LEAST_WIDE };
            if huge.min(tiny) >= least {
                first = first.or(Some(sector));
                foreign += 1;
            } else if huge + tiny < least {
                sound += 1;
            }
        }
    }
    // Where most is so, the numbers mean something else.
    let at = first.filter(|_| sound > 0 && foreign <= sound.saturating_mul(8))?;
    Some(Hole { at, what: "a sector of numbers of impossible sizes" })
}

/// How many different numbers are huge, and how many are tiny.
fn sizes<'b>(numbers: impl Iterator<Item = &'b [u8]>, big_endian: bool) -> (usize, usize) {
    let (mut huge, mut tiny) = (BTreeSet::new(), BTreeSet::new());
    for number in numbers {
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        let value = if big_endian { number.iter().fold(0, fold) } else { number.iter().rev().fold(0, fold) };
        // Exponents with their bias (IEEE 754).
        let exponent = if number.len() == 4 {
            (value >> 23 & 0xFF).cast_signed() - 127
        } else {
            (value >> 52 & 0x7FF).cast_signed() - 1023
        };
        match exponent {
            64.. => {
                huge.insert(value);
            }
            ..=-64 if value << 1 != 0 => {
                tiny.insert(value);
            }
            _ => {}
        }
    }
    (huge.len(), tiny.len())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::single_range_in_vec_init,
        reason = "tests"
    )]

    use super::*;

    #[test]
    fn noise_is_told_from_numbers_and_marks() {
        for width in [4usize, 8] {
            let number = |index: usize| {
                // A mark of missing values at every tenth place.
                let value = if index % 10 == 3 { -3.4e38 } else { index as f64 / 1000.0 };
                if width == 4 { (value as f32).to_le_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
            };
            let mut bytes: Vec<u8> = (0..16 * GRID / width).flat_map(number).collect();
            let page = Page {
                compression: 1,
                sample_format: 3,
                samples: 1,
                bits: vec![width as u32 * 8],
                extents: vec![0..bytes.len() as u64],
                ..Page::default()
            };
            assert_eq!(foreign_numbers(&bytes, &page, false), None);
            let mut state = 0x9E37_79B9_7F4A_7C15u64;
            for byte in &mut bytes[4 * GRID..5 * GRID] {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_le_bytes()[5];
            }
            assert_eq!(foreign_numbers(&bytes, &page, false).map(|hole| hole.at), Some(4 * GRID));
            assert_eq!(foreign_numbers(&bytes, &Page { compression: 5, ..page }, false), None);
        }
    }
}
