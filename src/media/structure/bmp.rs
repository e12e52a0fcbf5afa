//! Run lengths of BMP, read code by code; rows as they are: see [`Plain`].
//!
//! Run lengths ("Bitmap Compression" of the Windows SDK, the same in OS/2): pairs of bytes, a count and a value; after a zero, 0 ends the row, 1 the
//! bitmap, 2 moves on, 3 and more announce so many values as they are, filled up to a word. Rows and bitmaps may end early: what is
//! left out is transparent. So data is wrong only if it contradicts itself.

mod rows;

use crate::model::{DecodeError, PixelSize};
pub use rows::Plain;

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
}
