//! VP8 key frames to their last coefficient, without pixels (RFC 6386).
//!
//! Nothing in a frame is checked by a sum, but every symbol is coded into one number per partition: after any change, the
//! decoder reads other symbols until the end and does not come to it where the encoder did.

mod boolean;
mod film;
mod header;
mod modes;
mod motion;
mod tables;
mod tokens;

use std::ops::Range;

use crate::model::DecodeError;

use super::{Flaw, equal_run};
use boolean::{BoolDecoder, End};
use header::Header;
use tokens::Edge;

pub use film::Film;

/// Frame tag, start code and sizes.
const HEADER_LEN: usize = 10;
/// Equal bytes in a row that no entropy coder writes.
const RUN: usize = 64;

/// Walks the key frame that `bytes` hold, all of them: for frames of videos, of which only those without bit 0 in their
/// first byte are key frames.
///
/// What libvpx and libwebp write passes, as does whatever ends its partitions as section 7.3 does or with zeros. Encoders
/// in hardware were not measured: of a video, whose encoder is not known, let this verdict strengthen the decoder's.
pub fn walk_key_frame(bytes: &[u8]) -> Result<(), DecodeError> {
    walk(bytes, 0, true).map_err(|flaw| flaw.error)
}

/// Walks a key frame that begins at offset `at` of the file. Where not the `whole` frame is there, the answer is how
/// far it goes.
pub fn walk(bytes: &[u8], at: u64, whole: bool) -> Result<(), Flaw> {
    let wrong = |what: &str| Flaw::from(DecodeError::malformed(what, at));
    let Some((&[tag0, tag1, tag2, 0x9D, 0x01, 0x2A, w0, w1, h0, h1], data)) =
        bytes.split_first_chunk::<HEADER_LEN>()
    else {
        return Err(wrong("no VP8 key frame"));
    };
    let tag = u32::from_le_bytes([tag0, tag1, tag2, 0]);
    if tag & 1 != 0 {
        return Err(wrong("no VP8 key frame"));
    }
    if tag >> 1 & 7 > 3 {
        return Err(wrong("a version of VP8 that does not exist"));
    }
    let macroblocks = |low, high| usize::from(u16::from_le_bytes([low, high]) & 0x3FFF).div_ceil(16);
    let (columns, rows) = (macroblocks(w0, w1), macroblocks(h0, h1));
    if columns == 0 || rows == 0 {
        return Err(wrong("a VP8 frame without pixels"));
    }
    let first_len = usize::try_from(tag >> 5).unwrap_or(usize::MAX);
    let first = data.get(..first_len).or((!whole).then_some(data));
    let first = first.ok_or_else(|| wrong("the first partition is longer than the frame"))?;
    let mut bits = BoolDecoder::new(first);
    let header = Header::read(&mut bits);
    let base = first_len.saturating_add(HEADER_LEN);
    let ranges = partitions(bytes, base, header.partitions, whole)
        .ok_or_else(|| wrong("the partitions do not fill the frame"))?;
    let mut walk = Walk {
        header,
        at,
        rows,
        whole,
        readers: ranges.iter().map(|range| reader(bytes, range)).collect(),
        ranges,
        starts: Vec::new(),
    };
    let result = walk.frame(bits, columns);
    result.map_err(|error| Flaw { sound_until: walk.sound_until(bytes), error })
}

fn reader<'a>(bytes: &'a [u8], range: &Range<usize>) -> BoolDecoder<'a> {
    BoolDecoder::new(bytes.get(range.clone()).unwrap_or_default())
}

/// The partitions with coefficients: their sizes, three bytes each but for the last, stand before them (section 9.5).
fn partitions(bytes: &[u8], base: usize, count: usize, whole: bool) -> Option<Vec<Range<usize>>> {
    let cut =
        |end: usize| if whole { (end <= bytes.len()).then_some(end) } else { Some(end.min(bytes.len())) };
    let sizes_end = cut(base.checked_add((count - 1) * 3)?)?;
    let mut start = sizes_end;
    let mut ranges = Vec::with_capacity(count);
    for size in bytes.get(base.min(sizes_end)..sizes_end)?.as_chunks::<3>().0 {
        let &[low, middle, high] = size;
        let end = cut(start.checked_add(u32::from_le_bytes([low, middle, high, 0]) as usize)?)?;
        ranges.push(start..end);
        start = end;
    }
    ranges.resize(count - 1, start..start);
    // Even without a coefficient, the last is not empty.
    (!whole || start < bytes.len()).then(|| ranges.push(start..bytes.len()))?;
    Some(ranges)
}

struct Walk<'a> {
    header: Header,
    at: u64,
    rows: usize,
    whole: bool,
    readers: Vec<BoolDecoder<'a>>,
    ranges: Vec<Range<usize>>,
    /// Where in the frame the coefficients of each row begin, as far as the walk came.
    starts: Vec<usize>,
}

impl Walk<'_> {
    fn frame(&mut self, mut modes: BoolDecoder<'_>, columns: usize) -> Result<(), DecodeError> {
        let mut above = vec![(Edge::default(), [0; 4]); columns];
        for row in 0..self.rows {
            let part = row & (self.readers.len() - 1);
            let (Some(tokens), Some(range)) = (self.readers.get_mut(part), self.ranges.get(part)) else {
                break;
            };
            self.starts.push(range.start + tokens.position());
            let (mut left, mut left_modes) = (Edge::default(), [0; 4]);
            for (above, above_modes) in &mut above {
                let found = modes::macroblock(&mut modes, &self.header, above_modes, &mut left_modes);
                if found.skipped {
                    above.clear(found.has_y2);
                    left.clear(found.has_y2);
                } else if tokens::macroblock(tokens, &self.header.trees, found.has_y2, above, &mut left)
                    .is_err()
                {
                    return Err(self.wrong("a coefficient is larger than any can be", range.start));
                }
                if modes.overrun() {
                    return Err(self.ended("the modes of all macroblocks", range.start));
                }
                if tokens.overrun() {
                    return Err(self.ended("the coefficients of all macroblocks", range.end));
                }
            }
        }
        self.check(modes.end(), "modes", HEADER_LEN)?;
        for (reader, range) in self.readers.iter().zip(&self.ranges) {
            self.check(reader.end(), "coefficients", range.end)?;
        }
        Ok(())
    }

    fn check(&self, end: End, what: &str, offset: usize) -> Result<(), DecodeError> {
        match end {
            End::Fits => Ok(()),
            End::TooShort => Err(self.ended(&format!("the {what}"), offset)),
            End::TooLong => Err(self.wrong(&format!("data is left over behind the {what}"), offset)),
            End::OutOfStep => {
                Err(self.wrong(&format!("the {what} do not end where their encoder ended"), offset))
            }
        }
    }

    fn wrong(&self, what: &str, offset: usize) -> DecodeError {
        DecodeError::malformed(what, self.at + offset as u64)
    }

    fn ended(&self, what: &str, offset: usize) -> DecodeError {
        let what = format!("the data ends before {what}");
        if self.whole {
            self.wrong(&what, offset)
        } else {
            DecodeError::truncated(what, self.at + offset as u64)
        }
    }

    /// Where the frame is cut, all rows that were begun before are sound but for the last. Where it is filled with equal
    /// bytes from somewhere on, the rows before that place are. Otherwise, no one can tell.
    fn sound_until(&self, bytes: &[u8]) -> Option<f32> {
        let sound = if self.whole {
            let run = equal_run(bytes, RUN)?;
            self.starts.iter().filter(|start| **start <= run).count()
        } else {
            self.starts.len()
        };
        Some(sound.saturating_sub(1) as f32 / self.rows as f32)
    }
}
