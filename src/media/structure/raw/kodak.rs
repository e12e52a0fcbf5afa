//! Kodak's run adaptive differential coding of the DC40 and DC50: every code must lead to the next, up to the last byte.
//!
//! Source: `kodak_radc_load_raw` of dcraw 9.28. Bands of four rows: three multipliers, then two rows of green and one of
//! each other colour, in codes whose tree is told by the code before.

use super::bits::Bits;
use super::{Directory, Tiff, tag};
use crate::media::structure::jpeg_walk::Flaw;
use crate::model::DecodeError;

/// Kodak's name for the scheme in TIFF tag 259.
const RADC: usize = 32_867;
/// Bytes behind the last code.
const SLACK: usize = 16;
/// The sizes that the DC50 names, and those that it codes.
const NAMED: (usize, usize) = (756, 504);
const CODED: (usize, usize) = (768, 512);
/// CompressedBitsPerPixel (TIFF/EP), a rational number; its numerator is this at the better of two qualities.
const BITS_PER_PIXEL: u16 = 0x9102;
const FINE: u32 = 243;
/// Length and symbol of every code of 18 trees, one tree behind the other.
#[rustfmt::skip]
const CODES: [(u8, i8); 130] = [
    (1, 1), (2, 3), (3, 4), (4, 2), (5, 7), (6, 5), (7, 6), (7, 8),
    (1, 0), (2, 1), (3, 3), (4, 4), (5, 2), (6, 7), (7, 6), (8, 5), (8, 8),
    (2, 1), (2, 3), (3, 0), (3, 2), (3, 4), (4, 6), (5, 5), (6, 7), (6, 8),
    (2, 0), (2, 1), (2, 3), (3, 2), (4, 4), (5, 6), (6, 7), (7, 5), (7, 8),
    (2, 1), (2, 4), (3, 0), (3, 2), (3, 3), (4, 7), (5, 5), (6, 6), (6, 8),
    (2, 3), (3, 1), (3, 2), (3, 4), (3, 5), (3, 6), (4, 7), (5, 0), (5, 8),
    (2, 3), (2, 6), (3, 0), (3, 1), (4, 4), (4, 5), (4, 7), (5, 2), (5, 8),
    (2, 4), (2, 7), (3, 3), (3, 6), (4, 1), (4, 2), (4, 5), (5, 0), (5, 8),
    (2, 6), (3, 1), (3, 3), (3, 5), (3, 7), (3, 8), (4, 0), (5, 2), (5, 4),
    (2, 0), (2, 1), (3, 2), (3, 3), (4, 4), (4, 5), (5, 6), (5, 7), (4, 8),
    (1, 0), (2, 2), (2, -2),
    (1, -3), (1, 3),
    (2, -17), (2, -5), (2, 5), (2, 17),
    (2, -7), (2, 2), (2, 9), (2, 18),
    (2, -18), (2, -9), (2, -2), (2, 7),
    (2, -28), (2, 28), (3, -49), (3, -9), (3, 9), (4, 49), (5, -79), (5, 79),
    (2, -1), (2, 13), (2, 26), (3, 39), (4, -16), (5, 55), (6, -37), (6, 76),
    (2, -26), (2, -13), (2, 1), (3, -39), (4, 16), (5, -55), (6, -76), (6, 37),
];

impl Tiff<'_> {
    /// Whether a directory holds data of this kind, in the one size that is known.
    pub(super) fn is_radc(&self, directory: &Directory) -> bool {
        let number = |tag| self.number(directory, tag);
        number(tag::COMPRESSION) == Some(RADC)
            && number(tag::WIDTH).zip(number(tag::HEIGHT)) == Some(NAMED)
            && self.extents(directory).len() == 1
    }

    /// Follows the one strip.
    pub(super) fn check_radc(&self, directory: &Directory) -> Result<(), Flaw> {
        let extents = self.extents(directory);
        let Some((start, data)) =
            extents.first().and_then(|extent| Some((extent.start, self.bytes.get(extent.clone())?)))
        else {
            return Ok(());
        };
        let rational = directory.entries.iter().find(|entry| entry.0 == BITS_PER_PIXEL);
        let fine = rational.and_then(|entry| self.u32(entry.3)) == Some(FINE);
        walk(data, if fine { 6 } else { 5 }).map_err(|(what, at, share)| Flaw {
            error: DecodeError::malformed(what, (start + at) as u64),
            sound_until: Some(share),
        })
    }
}

type Wrong = (&'static str, usize, f32);

/// `literal`: bits of a sample that is not predicted.
fn walk(data: &[u8], literal: u32) -> Result<(), Wrong> {
    let mut bits = Bits::new(data, false);
    let trees = trees();
    for row in (0..CODED.1).step_by(4) {
        let share = row as f32 / CODED.1 as f32;
        let wrong = |what, bits: &Bits<'_>| (what, bits.used(), share);
        let multipliers = [bits.take(6), bits.take(6), bits.take(6)];
        if multipliers.contains(&0) {
            return Err(wrong("a band of rows multiplied by zero", &bits));
        }
        // Green twice.
        for _ in 0..4 {
            if line(&mut bits, &trees, literal).is_none() {
                return Err(wrong("a code that leads out of its row", &bits));
            }
        }
        if bits.used() > data.len() + SLACK {
            return Err(wrong("the sensor data ends before its last row", &bits));
        }
    }
    if bits.used() + SLACK < data.len() {
        return Err(("the sensor data goes on behind its last row", bits.used(), 0.0));
    }
    Ok(())
}

/// One row of half width, in blocks of two columns and two rows.
fn line(bits: &mut Bits<'_>, trees: &[Table], literal: u32) -> Option<()> {
    let mut columns = CODED.0 / 2;
    let mut tree = 1;
    let read = |bits: &mut Bits<'_>, tree: usize| trees.get(tree).map(|table| read(bits, table));
    while columns > 0 {
        tree = usize::try_from(read(bits, tree)?).ok()?;
        if tree > 0 {
            columns = columns.checked_sub(2)?;
            for _ in 0..4 {
                if tree == 8 {
                    bits.take(literal);
                } else {
                    read(bits, tree + 10)?;
                }
            }
            continue;
        }
        loop {
            let repeats = if columns > 2 { read(bits, 9)? + 1 } else { 1 };
            for repeat in 0..repeats.min(8) {
                if columns > 0 {
                    columns = columns.checked_sub(2)?;
                    if repeat & 1 == 1 {
                        read(bits, 10)?;
                    }
                }
            }
            if repeats != 9 {
                break;
            }
        }
    }
    Some(())
}

/// Length and symbol by the next eight bits.
type Table = [(u8, i8); 256];

fn trees() -> Vec<Table> {
    let filled: Vec<(u8, i8)> =
        CODES.iter().flat_map(|&(length, symbol)| vec![(length, symbol); 256 >> length]).collect();
    filled.chunks_exact(256).filter_map(|chunk| chunk.try_into().ok()).collect()
}

fn read(bits: &mut Bits<'_>, table: &Table) -> i8 {
    let (length, symbol) = table.get(bits.peek(8) as usize).copied().unwrap_or((1, 0));
    bits.take(length.into());
    symbol
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bands of rows in which every code is the one of all zeros: 768 bits a row of half width.
    fn zeros() -> Vec<u8> {
        let band = format!("{}{}", "000001".repeat(3), "0".repeat(4 * 768));
        let bits = band.repeat(CODED.1 / 4);
        let byte = |chunk: &[u8]| chunk.iter().fold(0u8, |value, bit| value << 1 | (bit & 1));
        bits.as_bytes().chunks(8).map(byte).collect()
    }

    #[test]
    fn every_code_leads_to_the_last_row() {
        let sound = zeros();
        assert_eq!(walk(&sound, 5), Ok(()));
        let part = |range: std::ops::Range<usize>| sound.get(range).unwrap_or_default();
        let lost = [part(0..4096), part(4608..sound.len())].concat();
        assert!(walk(&lost, 5).is_err());
        let doubled = [part(0..4096), part(3584..sound.len())].concat();
        assert!(walk(&doubled, 5).is_err());
        for len in (0..sound.len() - SLACK - 8).step_by(999) {
            assert!(walk(part(0..len), 5).is_err(), "{len}");
        }
    }
}
