//! Ends of files that came back as one value, zeros or FF: copies that broke off, sectors that were never written.
//!
//! Compressed data cannot hold them. Uncompressed pictures may well be black, white or transparent at their end, and metadata may
//! be filled up. What tells is where the run begins that goes on to the end: a picture's own area begins where the picture has
//! an edge, a loss anywhere. In the middle of a row of a picture that has no such area, or none with so straight an edge: see
//! [`Rows`]. Inside metadata that has no such bytes: see [`metadata`].
//!
//! A loss that begins with a row, or inside an area that the picture has anyway, leaves a possible picture. Nobody can tell.

pub mod metadata;

use std::ops::Range;

/// Bytes of one value at the end that are no part of the picture; in a small one, as many sectors and such a part of it, if what
/// stands before is a texture.
const TAIL: usize = 4096;
const SHORT_TAIL: usize = 1024;
const SMALL: usize = 4;
/// Pixels at both ends of a row where the picture may have an edge of its own.
const MARGIN: usize = 3;
/// A longer run of pixels of the value elsewhere, as a part of the tail, and the picture uses it for areas.
const PART: usize = 32;
/// Hundredths of the pixels in the row before the tail that are of another colour, and of those above its begin.
const BEFORE: usize = 60;
const BESIDE: usize = 75;
/// Hundredths of neighbours that differ in a texture.
const TEXTURE: usize = 80;
/// Difference in one channel that no edge is soft over.
const CLEAR: u8 = 16;
/// Pixels of a straight edge that ends an object, on each side of the place where the tail begins, and together.
const SIDE: usize = 4;
const STRAIGHT: usize = 48;
/// How many times longer it is than any other level edge of such areas; sound pictures have up to 2.3 (`docs/tiff-raw.md`).
const TIMES: usize = 4;
/// Rows of the tail below such an edge.
const ROWS: usize = 2;

/// What [`Rows::lost_tail`] finds.
pub const LOST_TAIL: &str = "nothing but one value up to the end";
/// What [`metadata`] finds.
pub const TORN_METADATA: &str = "nothing but one value from inside the metadata up to the end";

/// Uncompressed rows, one behind the other.
pub struct Rows<'b> {
    /// The whole file.
    pub bytes: &'b [u8],
    /// Where the rows are.
    pub range: Range<usize>,
    /// Bytes of one.
    pub row: usize,
    /// Bytes of a pixel, or 1 where several pixels are in a byte.
    pub unit: usize,
}

/// Where the tail begins.
struct Cut<'b> {
    /// Value of all bytes from there on.
    value: u8,
    /// What stands before it: whole pixels.
    picture: &'b [u8],
    /// Byte of the row.
    column: usize,
    /// Bytes up to the end of the rows.
    length: usize,
    /// So few bytes that only a texture before them tells that they are none of the picture.
    short: bool,
}

impl<'b> Rows<'b> {
    /// Where zeros (or FF) begin that reach the end of the rows: in the middle of a row, where the picture has no edge of its own.
    ///
    /// An area that a picture has begins at the end of a row, or where the rows before have it too, or step by step over several rows.
    /// So the row above has to be of other content; and either the picture has no other area of that value, or a
    /// tail cuts an object off more straightly than all other edges of such areas are, with a jog at the place where it begins.
    pub fn lost_tail(&self) -> Option<usize> {
        let cut = self.cut()?;
        (self.is_alone(&cut) || self.is_straight(&cut)).then(|| self.range.end - cut.length)
    }

    fn cut(&self) -> Option<Cut<'b>> {
        let data = self.bytes.get(self.range.clone())?;
        let value = *data.last().filter(|&&value| matches!(value, 0 | 0xFF))?;
        let length = data.iter().rev().take_while(|&&byte| byte == value).count();
        // What is lost at the end of a file takes what stands behind the rows with it.
        let behind = self.bytes.get(self.range.end..).unwrap_or_default();
        let run = length + if behind.iter().all(|&byte| byte == value) { behind.len() } else { 0 };
        let short = run < TAIL;
        if short && (length < SHORT_TAIL || length * SMALL < data.len()) || self.unit == 0 {
            return None;
        }
        let start = data.len() - length;
        let column = start.checked_rem(self.row)?;
        let picture = data.get(..start - column % self.unit)?;
        let margin = MARGIN * self.unit;
        let inside = column > margin && column + margin < self.row;
        (inside && picture.len() >= self.row * 3).then_some(Cut { value, picture, column, length, short })
    }

    /// Whether nothing in the picture is like the tail, least of all above its begin.
    fn is_alone(&self, cut: &Cut<'_>) -> bool {
        let value = cut.value;
        let pixels: Vec<bool> =
            cut.picture.chunks_exact(self.unit).map(|pixel| is_blank(pixel, value)).collect();
        let longest = longest(pixels.iter().copied());
        let before = cut.picture.get(cut.picture.len() - self.row..).unwrap_or_default();
        // What stands above the begin of the tail, and up to the end of that row.
        let beside = before.get(..self.row - cut.column).unwrap_or_default();
        longest * PART <= cut.length / self.unit
            && self.is_other(before, value, BEFORE)
            && self.is_other(beside, value, BESIDE)
            && (!cut.short || self.is_texture(before))
    }

    /// Whether hardly two neighbours are alike.
    fn is_texture(&self, bytes: &[u8]) -> bool {
        let pairs = bytes.chunks_exact(self.unit).zip(bytes.chunks_exact(self.unit).skip(1));
        let count = pairs.len();
        count > 0 && pairs.filter(|(one, next)| one != next).count() * 100 >= count * TEXTURE
    }

    /// Whether an object ends along the tail, and nothing else in the picture so straightly.
    fn is_straight(&self, cut: &Cut<'_>) -> bool {
        if cut.length < self.row * ROWS || cut.short {
            return false;
        }
        let rows: Vec<&[u8]> = cut.picture.chunks(self.row).collect();
        let &[.., above, torn] = rows.as_slice() else { return false };
        let pixel = cut.column / self.unit;
        let object = |pixel: &&[u8]| !is_blank(pixel, cut.value);
        let left = torn.chunks_exact(self.unit).rev().take_while(object).count();
        let right = above.chunks_exact(self.unit).skip(pixel).take_while(object).count();
        if left < SIDE || right < SIDE || left + right < STRAIGHT {
            return false;
        }
        let own = [
            torn.get((pixel - left) * self.unit..).unwrap_or_default(),
            above.get(pixel * self.unit..(pixel + right) * self.unit).unwrap_or_default(),
        ];
        let other = self.is_other(&own.concat(), cut.value, BESIDE);
        let edges = rows.windows(2).filter_map(|pair| match pair {
            [above, below] if below.len() == self.row => Some(self.level_edge(above, below, cut.value)),
            _ => None,
        });
        other && (left + right) >= TIMES * edges.max().unwrap_or(0)
    }

    /// The longest edge between two rows where an area of this value ends, or begins.
    fn level_edge(&self, above: &[u8], below: &[u8], value: u8) -> usize {
        let steps = above
            .chunks_exact(self.unit)
            .zip(below.chunks_exact(self.unit))
            .map(|(above, below)| (is_blank(above, value), is_blank(below, value)));
        longest(steps.clone().map(|step| step == (true, false)))
            .max(longest(steps.map(|step| step == (false, true))))
    }

    /// Whether so many hundredths of the pixels are clearly of another colour.
    fn is_other(&self, bytes: &[u8], value: u8, share: usize) -> bool {
        let clear = if self.unit > 2 { CLEAR } else { 0 };
        let other = |pixel: &&[u8]| pixel.iter().any(|byte| byte.abs_diff(value) > clear);
        let pixels = bytes.chunks_exact(self.unit);
        let count = pixels.len();
        count > 0 && pixels.filter(other).count() * 100 >= count * share
    }
}

fn is_blank(pixel: &[u8], value: u8) -> bool {
    pixel.iter().all(|&byte| byte == value)
}

/// The longest run of true.
fn longest(flags: impl Iterator<Item = bool>) -> usize {
    let (mut longest, mut run) = (0, 0);
    for flag in flags {
        run = if flag { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

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

    /// 32 rows of 32 pixels of 3 bytes, textured or in stripes of one colour, with zeros from a byte on.
    fn small(textured: bool, start: usize) -> Vec<u8> {
        let pixel = |at: usize| {
            let value = if textured { at * at % 61 + at % 32 * 3 } else { at / 256 * 7 };
            [u8::try_from(40 + value).unwrap_or(0); 3]
        };
        let mut bytes: Vec<u8> = (0..1024usize).flat_map(pixel).collect();
        bytes[start..].fill(0);
        bytes
    }

    #[test]
    fn small_pictures_need_a_texture_to_tell() {
        for (textured, start, found) in
            [(true, 1500, true), (true, 2000, true), (true, 2500, false), (false, 1500, false)]
        {
            let bytes = small(textured, start);
            let lost = Rows { bytes: &bytes, range: 0..3072, row: 96, unit: 3 }.lost_tail();
            assert_eq!(lost, found.then_some(start), "{textured} {start}");
        }
    }

    /// An object that leaves two fifths of the row before the tail free, and nothing else like it.
    #[test]
    fn a_row_that_is_partly_blank_tells_too() {
        for (blank, found) in [(30, true), (70, false)] {
            let mut lost = rows();
            lost[10_050..].fill(0);
            lost[10_010..10_010 + blank.min(38)].fill(0);
            lost[9_985 - blank.saturating_sub(38)..9_985].fill(0);
            assert_eq!(lost_tail(&lost).is_some(), found, "{blank}");
        }
    }

    #[test]
    fn areas_that_pictures_have_are_left_alone() {
        assert_eq!(lost_tail(&rows()), None);
        // From the end of a row on, or too few.
        for start in [10_000, 9_998, 10_003, 16_050] {
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
        two[3_000..3_400].fill(0);
        two[10_050..].fill(0);
        assert_eq!(lost_tail(&two), None);
    }

    /// An object of 300 rows of 100 pixels of 4 bytes, on nothing: an ellipse, whose edges are transparent.
    fn ellipse() -> Vec<u8> {
        let pixel = |x: i32, y: i32| {
            let far = (x - 50).pow(2) * 9 + (y - 150).pow(2);
            let alpha = u8::try_from((17_000 - far).clamp(0, 2_550) / 10).unwrap_or(0);
            [90, 80, 70, 255].map(|value: u8| value.min(alpha))
        };
        (0..300).flat_map(|y| (0..100).flat_map(move |x| pixel(x, y))).collect()
    }

    #[test]
    fn an_object_that_is_cut_off_is_found() {
        let look = |bytes: &[u8]| Rows { bytes, range: 0..bytes.len(), row: 400, unit: 4 }.lost_tail();
        let whole = ellipse();
        assert_eq!(look(&whole), None);
        for (row, pixel, found) in
            [(150, 40, true), (170, 70, true), (150, 0, false), (150, 2, false), (40, 50, false)]
        {
            let mut lost = whole.clone();
            let start = row * 400 + pixel * 4 + 1;
            lost[start..].fill(0);
            assert_eq!(look(&lost).is_some(), found, "{row} {pixel}");
        }
        // Where the picture has as straight an edge elsewhere.
        let mut flat = whole;
        flat[..60 * 400].fill(0);
        flat[150 * 400 + 161..].fill(0);
        assert_eq!(look(&flat), None);
    }
}
