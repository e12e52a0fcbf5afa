//! Parts of uncompressed rows of BMP that came back as zeros or FF. What is no picture tells: rows are filled up to four bytes,
//! and palettes may be shorter than indexes are. Or they begin in the middle of a row below one that has nothing of the kind.

use std::ops::Range;

use crate::media::structure::holes::GRID;

/// Bytes of one value at the end that are worth a look.
const TAIL: usize = 512;
/// Rows on either side of the begin of the tail that have a habit.
const HABIT: usize = 8;
/// Both ends of a row, as a share of it, where a picture may have an edge or a margin of its own.
const MARGIN: usize = 8;
/// One byte of so many may have the value in question, beside those that fill up a row.
const RARE: usize = 50;
/// One byte of so many at least differs from the one before it where there is a picture.
const LIVELY: usize = 4;

/// Uncompressed rows.
pub struct Plain<'b> {
    /// The whole file.
    pub bytes: &'b [u8],
    /// Where the rows are.
    pub range: Range<usize>,
    /// Bytes of one, filled up.
    pub row: usize,
    /// Bits of a pixel.
    pub bits: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Colours of the palette; `None` without one, or where it is not certain.
    pub colours: Option<usize>,
}

impl Plain<'_> {
    /// Where one value begins that goes on to the end and cannot be what was written there: an index that no other pixel has,
    /// for the palette has no such colour, or what fills up rows in another way than in all rows before.
    pub fn lost_end(&self) -> Option<usize> {
        let data = self.bytes.get(self.range.clone())?;
        let value = *data.last().filter(|value| matches!(value, 0 | 0xFF))?;
        let length = data.iter().rev().take_while(|&&byte| byte == value).count();
        let start = data.len() - length;
        let rows = data.chunks_exact(self.row.max(1));
        let lost = length >= TAIL
            && start > 0
            && (value == 0xFF && self.leaves_palette(rows.clone(), start)
                || self.breaks_habit(rows, start, value));
        lost.then(|| self.range.start + start)
    }

    /// Where zeros or FF begin that a picture can hardly have: from one sector of a disk to another, or from anywhere to the end. They
    /// begin far from both ends of a row, where a picture has no edge that goes on through all that follows, and the rows above
    /// and below them have next to nothing of that value.
    pub fn lost_block(&self) -> Option<usize> {
        let Range { start, end } = self.range.clone();
        let mut boundaries = (start.next_multiple_of(GRID)..end).step_by(GRID);
        let block = |at: usize| {
            let (value, to) = self.run(at)?;
            let whole = to == end || (to - at).is_multiple_of(GRID);
            (whole && self.is_foreign(at..to, value)).then_some(at)
        };
        boundaries.find_map(block).or_else(|| {
            let data = self.bytes.get(self.range.clone())?;
            let value = *data.last()?;
            let at = end - data.iter().rev().take_while(|&&byte| byte == value).count();
            (matches!(value, 0 | 0xFF) && at > start && self.is_foreign(at..end, value)).then_some(at)
        })
    }

    /// The value of a run of zeros or FF that begins here, and where it ends.
    fn run(&self, at: usize) -> Option<(u8, usize)> {
        let data = self.bytes.get(self.range.start..self.range.end)?;
        let (before, inside) = data.split_at_checked(at.checked_sub(self.range.start)?)?;
        let value = *inside.first().filter(|value| matches!(value, 0 | 0xFF))?;
        let begins = before.last().is_some_and(|&byte| byte != value);
        begins.then(|| (value, at + inside.iter().take_while(|&&byte| byte == value).count()))
    }

    /// Whether a run is long, begins inside a row, and is between others.
    fn is_foreign(&self, run: Range<usize>, value: u8) -> bool {
        let column = (run.start - self.range.start) % self.row.max(1);
        let margin = self.row / MARGIN;
        let inside = column > margin && column + margin < self.row;
        let above = run.start.checked_sub(self.row).is_some_and(|at| self.is_picture(at..run.start, value));
        let below = run.end == self.range.end || self.is_picture(run.end..run.end + self.row, value);
        run.len() >= TAIL.max(self.row * 2) && inside && above && below
    }

    /// Whether there is anything but this value.
    fn is_picture(&self, part: Range<usize>, value: u8) -> bool {
        let within = part.start >= self.range.start && part.end <= self.range.end;
        let Some(bytes) = self.bytes.get(part).filter(|_| within) else { return false };
        let equal = memchr::memchr_iter(value, bytes).count();
        let changes = bytes.windows(2).filter(|pair| pair.first() != pair.last()).count();
        equal <= bytes.len() / RARE + 3 && changes * LIVELY >= bytes.len()
    }

    /// Whether ones are no colour, and all indexes before the tail are one.
    fn leaves_palette<'r>(&self, rows: impl Iterator<Item = &'r [u8]>, start: usize) -> bool {
        let most = match self.bits {
            2 | 4 | 8 => (1usize << self.bits) - 1,
            _ => return false,
        };
        let Some(colours) = self.colours.filter(|colours| (1..=most).contains(colours)) else { return false };
        let in_byte = 8 / self.bits;
        let pixels = |row: &[u8]| -> bool {
            let indexes = row.iter().flat_map(|&byte| {
                (1..=in_byte).map(move |place| usize::from(byte) >> (8 - place * self.bits) & most)
            });
            indexes.take(self.width).all(|index| index < colours)
        };
        // The byte in which the tail begins may be half of it.
        let before = |(number, row): (usize, &'r [u8])| {
            row.get(..start.saturating_sub(1).saturating_sub(number * self.row).min(row.len()))
        };
        rows.enumerate().filter_map(before).all(pixels)
    }

    /// Whether all rows before the tail are filled up with another value.
    fn breaks_habit<'r>(&self, rows: impl Iterator<Item = &'r [u8]>, start: usize, value: u8) -> bool {
        let used = (self.width * self.bits).div_ceil(8);
        let (mut habit, mut before, mut behind) = (None, 0, 0);
        for (number, row) in rows.enumerate() {
            let Some(&[first, ref rest @ ..]) = row.get(used..) else { return false };
            if number * self.row >= start {
                behind += 1;
            } else if (number + 1) * self.row <= start {
                if first == value
                    || rest.iter().any(|&byte| byte != first)
                    || habit.is_some_and(|habit| habit != first)
                {
                    return false;
                }
                habit = Some(first);
                before += 1;
            }
        }
        before >= HABIT && behind >= HABIT
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    const ROW: usize = 64;
    const START: usize = 30;

    /// 60 rows of 61 pixels of 8 bits with indexes below 200, filled up with a value.
    fn rows(filled: u8) -> Vec<u8> {
        let pixel = |at: usize| if at % ROW < 61 { u8::try_from(at * 7 % 200).unwrap_or(0) } else { filled };
        [vec![1; START], (0..60 * ROW).map(pixel).collect()].concat()
    }

    fn look(bytes: &[u8], colours: Option<usize>) -> Option<usize> {
        Plain { bytes, range: START..bytes.len(), row: ROW, bits: 8, width: 61, colours }.lost_end()
    }

    #[test]
    fn indexes_that_the_palette_has_not_are_no_picture() {
        let mut lost = rows(0xFF);
        let start = START + 40 * ROW;
        lost[start - 3..].fill(0xFF);
        assert_eq!(look(&rows(0xFF), Some(200)), None);
        assert_eq!(look(&lost, Some(200)), Some(start - 3));
        assert_eq!(look(&lost, Some(256)), None);
        assert_eq!(look(&lost, None), None);
        // Where others are beyond the palette too.
        lost[START + 5] = 230;
        assert_eq!(look(&lost, Some(200)), None);
        // Few of them.
        let mut few = rows(0xFF);
        few[START + 55 * ROW..].fill(0xFF);
        assert_eq!(look(&few, Some(200)), None);
    }

    #[test]
    fn blocks_that_begin_inside_a_row_are_no_picture() {
        let sound: Vec<u8> = (0..200 * ROW).map(|at| u8::try_from(at * 7 % 200 + 1).unwrap_or(0)).collect();
        let block = |bytes: &[u8]| {
            let range = START..bytes.len();
            Plain { bytes, range, row: ROW, bits: 8, width: 64, colours: None }.lost_block()
        };
        let with = |range: Range<usize>, value: u8| {
            let mut bytes = [vec![1; START], sound.clone()].concat();
            bytes[range].fill(value);
            block(&bytes)
        };
        let end = START + sound.len();
        assert_eq!(with(0..0, 0), None);
        for value in [0, 0xFF] {
            assert_eq!(with(4096..8192, value), Some(4096));
            assert_eq!(with(5000..end, value), Some(5000));
            // Where no sector begins or ends, and what begins with a row.
            assert_eq!(with(4106..8192, value), None);
            assert_eq!(with(4096..8190, value), None);
            assert_eq!(with(START + 80 * ROW..end, value), None);
        }
        assert_eq!(with(5000..end, 7), None);
        // An area that is wide enough to be seen in the row above.
        let mut area = [vec![1; START], sound.clone()].concat();
        area[5000 - ROW / 4..5000].fill(0);
        area[5000..].fill(0);
        assert_eq!(block(&area), Some(5000 - ROW / 4));
        area[5000 - ROW - ROW / 4..5000 - ROW / 2].fill(0);
        assert_eq!(block(&area), None);
    }

    #[test]
    fn halves_of_bytes_are_indexes() {
        let mut bytes: Vec<u8> = (0..4096usize).map(|at| [0x12, 0x98, 0x70][at % 3]).collect();
        bytes[2000..].fill(0xFF);
        bytes[1999] = 0x1F;
        let look = |colours| {
            Plain { bytes: &bytes, range: 0..4096, row: 64, bits: 4, width: 128, colours }.lost_end()
        };
        assert_eq!(look(Some(10)), Some(2000));
        assert_eq!(look(Some(8)), None);
        assert_eq!(look(Some(16)), None);
    }

    #[test]
    fn rows_that_are_filled_up_in_another_way_were_lost() {
        for (filled, value) in [(0, 0xFF), (0xFF, 0), (7, 0xFF)] {
            for row in [10, 40] {
                let mut lost = rows(filled);
                lost[START + row * ROW..].fill(value);
                assert_eq!(look(&lost, None), Some(START + row * ROW), "{filled} {value}");
            }
            // Too few rows, and a writer without a habit.
            let mut few = rows(filled);
            few[START + 55 * ROW..].fill(value);
            assert_eq!(look(&few, None), None);
            let mut any = rows(filled);
            any[START + 3 * ROW + 62] = 99;
            any[START + 40 * ROW..].fill(value);
            assert_eq!(look(&any, None), None);
        }
        // The picture's own black or white area.
        for filled in [0, 0xFF] {
            let mut area = rows(filled);
            area[START + 40 * ROW..].fill(filled);
            assert_eq!(look(&area, None), None);
        }
    }
}
