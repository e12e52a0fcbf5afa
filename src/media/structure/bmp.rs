//! Rows of BMP: run lengths read code by code, and the end of uncompressed rows.
//!
//! Run lengths ("Bitmap Compression" of the Windows SDK, the same in OS/2): pairs of bytes, a count and a value; after a zero, 0 ends the row, 1 the
//! bitmap, 2 moves on, 3 and more announce so many values as they are, filled up to a word. Rows and bitmaps may end early: what is
//! left out is transparent. So data is wrong only if it contradicts itself.

use std::ops::Range;

use crate::model::{DecodeError, PixelSize};

/// Ends of rows behind the last row that are no padding, while the codes go on, and where they stop.
const BLANKS: usize = 32;
const BLANKS_AT_END: usize = 3;
/// Bytes that may be behind the end of the bitmap.
const PADDING: usize = 16;

const TOO_MANY: &str = "more ends of rows than there are rows";

/// Run lengths of a picture.
pub struct Runs<'b> {
    /// The whole file.
    pub bytes: &'b [u8],
    /// Where the codes begin.
    pub start: usize,
    /// How many bytes of codes there are, as the header says; 0 when it leaves that open.
    pub stored: usize,
    /// Two pixels in a byte.
    pub nibbles: bool,
    /// Size of the picture.
    pub size: PixelSize,
}

/// Where the codes have come to.
#[derive(Default)]
struct Pen {
    x: usize,
    y: usize,
    /// Rows that ended at their last pixel, before it, and behind it.
    exact: usize,
    short: usize,
    over: usize,
    /// Some pixels were jumped over.
    moved: bool,
    /// Ends of rows without a pixel, one behind the other.
    blank: usize,
}

impl Pen {
    fn end_row(&mut self, width: usize) {
        self.exact += usize::from(self.x == width);
        self.short += usize::from(self.x > 0 && self.x < width);
        self.over += usize::from(self.x > width);
        self.blank = if self.x == 0 { self.blank + 1 } else { 0 };
        (self.x, self.y) = (0, self.y + 1);
    }

    /// Ends of rows behind the last row of the picture, if that had no pixel either.
    const fn blanks_behind(&self, height: usize) -> usize {
        let behind = self.y.saturating_sub(height);
        if self.blank > behind { behind } else { 0 }
    }
}

impl Runs<'_> {
    /// Follows the codes to the end of the bitmap.
    pub fn check(&self) -> Result<(), DecodeError> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let (mut pen, mut at) = (Pen::default(), self.start);
        let mut behind = None;
        loop {
            let &[count, value] = self.bytes.get(at..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0, 1]);
            let complete = pen.y >= height || (pen.y + 1 == height && pen.x >= width);
            if at + 2 > self.bytes.len() {
                let too_many = pen.blanks_behind(height) >= BLANKS_AT_END;
                let whole = if too_many { Err(wrong(TOO_MANY, at)) } else { Ok(()) };
                return if complete { whole } else { Err(self.cut(&pen)) };
            }
            let here = at;
            at += 2;
            match (count, value) {
                (0, 0) => {
                    pen.end_row(width);
                    if behind.is_none() && pen.blanks_behind(height) >= BLANKS {
                        return Err(wrong(TOO_MANY, here));
                    }
                    continue;
                }
                (0, 1) => return self.ended(&mut pen, at, behind),
                (0, 2) => {
                    let step = |offset: usize| self.bytes.get(at + offset).copied().map_or(0, usize::from);
                    (pen.x, pen.y, pen.moved) = (pen.x + step(0), pen.y + step(1), true);
                    at += 2;
                }
                (0, plain) => {
                    pen.x += usize::from(plain);
                    let length = if self.nibbles { usize::from(plain).div_ceil(2) } else { plain.into() };
                    at += length.next_multiple_of(2);
                }
                (count, _) => pen.x += usize::from(count),
            }
            if pen.y >= height && behind.is_none() {
                // All is there: what follows may be something else, unless the header counts it in.
                if here + PADDING > self.start.saturating_add(self.stored) {
                    return Ok(());
                }
                behind = Some(here);
            }
        }
    }

    fn cut(&self, pen: &Pen) -> DecodeError {
        let what = format!("the codes end in row {} of {}", pen.y + 1, self.size.height);
        DecodeError::truncated(what, self.bytes.len() as u64)
    }

    /// At the code for the end of the bitmap.
    fn ended(&self, pen: &mut Pen, at: usize, behind: Option<usize>) -> Result<(), DecodeError> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        if pen.x > 0 {
            pen.end_row(width);
        }
        // A picture that was cut by its header alone has more rows, all of them whole.
        if let Some(behind) = behind.filter(|_| pen.exact < pen.y) {
            return Err(wrong("codes behind the last row", behind));
        }
        if pen.over > 0 && pen.short > 0 && !pen.moved && pen.exact > pen.over + pen.short {
            let what = format!("{} rows are too long and {} too short", pen.over, pen.short);
            return Err(DecodeError::malformed(what, self.start as u64));
        }
        let rest = self.start.saturating_add(self.stored).min(self.bytes.len());
        let rest = self.bytes.get(at..rest).unwrap_or_default();
        let flat = rest.windows(2).all(|pair| pair.first() == pair.last());
        if pen.y < height && rest.len() > PADDING && !flat {
            return Err(wrong("the bitmap ends before its last row, and its data goes on", at));
        }
        Ok(())
    }
}

fn wrong(what: &str, at: usize) -> DecodeError {
    DecodeError::malformed(what, at as u64)
}

/// Bytes of one value at the end that are no part of the picture.
const TAIL: usize = 4096;
/// Pixels at both ends of a row where the picture may have an edge of its own.
const MARGIN: usize = 8;
/// More pixels of the value in a row, elsewhere, and the picture uses it for areas: so many, and this part of the tail.
const AREA: usize = 32;
const PART: usize = 64;
/// Difference in one of three channels that no edge is soft over.
const CLEAR: u8 = 16;

/// Uncompressed rows.
pub struct Rows<'b> {
    /// The whole file.
    pub bytes: &'b [u8],
    /// Where the rows are.
    pub range: Range<usize>,
    /// Bytes of one.
    pub row: usize,
    /// Bytes of a pixel, or 1 where several pixels are in a byte. Of four the last may be unused.
    pub unit: usize,
}

impl Rows<'_> {
    /// Where zeros (or FF) begin that reach the end of the rows: in the middle of a row, below a row that has few
    /// of them, in a picture that has no other area of that value, if many pixels.
    ///
    /// An area that a picture has begins at an edge of its own: at the end of a row, or where the rows before have it too, or step by
    /// step over several rows.
    pub fn lost_tail(&self) -> Option<usize> {
        let data = self.bytes.get(self.range.clone())?;
        let value = *data.last().filter(|&&value| matches!(value, 0 | 0xFF))?;
        let tail = data.iter().rev().take_while(|&&byte| byte == value).count();
        // What is lost at the end of a file takes what stands behind the rows with it.
        let behind = self.bytes.get(self.range.end..).unwrap_or_default();
        let run = tail + if behind.iter().all(|&byte| byte == value) { behind.len() } else { 0 };
        if run < TAIL || self.unit == 0 {
            return None;
        }
        let start = data.len() - tail;
        let picture = data.get(..start - start.checked_rem(self.row)? % self.unit)?;
        let (column, margin) = (start.checked_rem(self.row)?, MARGIN * self.unit);
        let inside = column > margin && column + margin < self.row;
        if !inside || picture.len() < self.row * 3 {
            return None;
        }
        let before = picture.get(picture.len() - self.row..)?;
        // What stands above the begin of the tail, and up to the end of that row.
        let beside = before.get(..self.row - column)?;
        let colour = |pixel: &[u8]| pixel.iter().take(3).all(|&byte| byte == value);
        let pixels: Vec<bool> = picture.chunks_exact(self.unit).map(colour).collect();
        let longest = pixels
            .chunk_by(|one, next| one == next)
            .filter(|run| run.first() == Some(&true))
            .map(<[bool]>::len)
            .max();
        let longest = longest.unwrap_or(0);
        let alone = longest <= AREA && longest * PART <= tail / self.unit;
        (alone && self.is_other(before, value) && self.is_other(beside, value)).then(|| self.range.end - tail)
    }

    /// Whether three of four pixels are clearly of another colour.
    fn is_other(&self, bytes: &[u8], value: u8) -> bool {
        let clear = if self.unit > 2 { CLEAR } else { 0 };
        let other = |pixel: &&[u8]| pixel.iter().take(3).any(|byte| byte.abs_diff(value) > clear);
        let pixels = bytes.chunks_exact(self.unit);
        let count = pixels.len();
        count > 0 && pixels.filter(other).count() * 4 >= count * 3
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    const SIZE: PixelSize = PixelSize::new(20, 40);

    fn check(codes: &[u8], stored: usize) -> Result<(), DecodeError> {
        Runs { bytes: codes, start: 0, stored, nibbles: false, size: SIZE }.check()
    }

    fn sound() -> Vec<u8> {
        let row = |y: u8| [8, y, 0, 5, y, 1, 2, 3, 4, 0, 7, 9, 0, 0];
        [(0..40).flat_map(row).collect(), vec![0, 1]].concat()
    }

    #[test]
    fn what_writers_do_is_left_alone() {
        let whole = sound();
        assert_eq!(check(&whole, whole.len()), Ok(()));
        // No end of bitmap, no end of the last row, some padding, text behind.
        for end in [2, 4] {
            let short = &whole[..whole.len() - end];
            assert_eq!(check(short, short.len()), Ok(()));
            assert_eq!(check(&[short, &[0; 4]].concat(), short.len() + 4), Ok(()));
        }
        assert_eq!(check(&[&whole[..whole.len() - 2], b"text behind it".as_slice()].concat(), 0), Ok(()));
        assert_eq!(check(&[whole.clone(), vec![0; 5000]].concat(), 0), Ok(()));
        // Rows that end early, a move to the fifth row, nothing behind it.
        assert_eq!(check(&[3, 1, 0, 0, 0, 0, 0, 2, 4, 3, 5, 5, 0, 1], 14), Ok(()));
        // More rows than the header has, all of them whole.
        let mut more = whole[..whole.len() - 2].repeat(2);
        more.extend([0, 1]);
        assert_eq!(check(&more, more.len()), Ok(()));
        // Every row too long, as a program writes them.
        let long = [[25, 1, 0, 0].repeat(40), vec![0, 1]].concat();
        assert_eq!(check(&long, long.len()), Ok(()));
    }

    #[test]
    fn no_prefix_and_no_lost_end_is_sound() {
        let whole = sound();
        for cut in 0..whole.len() - 4 {
            assert!(check(&whole[..cut], whole.len()).is_err(), "{cut}");
            let mut zeros = whole.clone();
            zeros[cut..].fill(0);
            let last_row = cut > 39 * 14;
            assert!(last_row || check(&zeros, whole.len()).is_err(), "{cut} zeros");
        }
    }

    #[test]
    fn codes_that_contradict_themselves_are_noticed() {
        let whole = sound();
        // The bitmap ends early.
        let mut early = whole.clone();
        early[140..142].copy_from_slice(&[0, 1]);
        assert!(check(&early, early.len()).is_err());
        // One row more, and one of them short.
        let more = [&whole[..280], &[4, 4, 0, 0], &whole[280..]].concat();
        assert!(check(&more, more.len()).is_err());
        // A row too long and a row too short.
        let mut torn = whole;
        torn[140] = 9;
        torn[280] = 7;
        assert!(check(&torn, torn.len()).is_err());
    }

    /// 200 rows of 100 bytes, without zeros.
    fn rows() -> Vec<u8> {
        (0..20_000usize).map(|at| 1 + u8::try_from(at % 100 / 20 + at / 2000).unwrap_or(0)).collect()
    }

    fn lost_tail(bytes: &[u8]) -> Option<usize> {
        Rows { bytes, range: 0..bytes.len(), row: 100, unit: 1 }.lost_tail()
    }

    #[test]
    fn a_lost_end_is_found_where_nothing_else_is_like_it() {
        for value in [0, 0xFF] {
            for start in [10_050, 15_730, 15_888] {
                let mut lost = rows();
                lost[start..].fill(value);
                assert_eq!(lost_tail(&lost), Some(start));
            }
        }
    }

    #[test]
    fn areas_that_pictures_have_are_left_alone() {
        assert_eq!(lost_tail(&rows()), None);
        // From the end of a row on, or too few.
        for start in [10_000, 9_995, 10_004, 16_050] {
            let mut area = rows();
            area[start..].fill(0);
            assert_eq!(lost_tail(&area), None);
        }
        // Where the edge is soft.
        let mut soft = rows();
        for byte in &mut soft {
            *byte += 20;
        }
        soft[9_900..10_050].fill(10);
        soft[10_050..].fill(0);
        let picture = |unit| Rows { bytes: &soft, range: 0..soft.len(), row: 100, unit };
        assert_eq!(picture(4).lost_tail(), None);
        assert_eq!(picture(1).lost_tail(), Some(10_050));
        // Within a frame, under a slope, and with another area of its kind.
        let mut frame = rows();
        for row in frame.chunks_mut(100) {
            row[90..].fill(0);
        }
        frame[10_000..].fill(0);
        assert_eq!(lost_tail(&frame), None);
        let mut slope = rows();
        slope[9_970..10_000].fill(0);
        slope[9_950..9_960].fill(0);
        slope[10_050..].fill(0);
        assert_eq!(lost_tail(&slope), None);
        let mut two = rows();
        two[3_000..3_040].fill(0);
        two[10_050..].fill(0);
        assert_eq!(lost_tail(&two), None);
    }
}
