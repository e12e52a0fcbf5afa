//! VP8 frames of a film, one after the other: what a frame does not say anew holds from the frames before (RFC 6386 sections
//! 9.6 to 9.11, 16 and 19).

use crate::model::DecodeError;

use super::boolean::{BoolDecoder, End};
use super::header::{byte, read_tokens, segmentation};
use super::motion::{Bounds, CONTEXTS, Context, Motion, UPDATES};
use super::tables::{TOKENS, TokenProbabilities};
use super::tokens::{self, Edge, Trees};
use super::{HEADER_LEN, partitions, reader};

/// Modes of blocks in frames that are predicted (section 16.2).
const BLOCK: [u8; 9] = [120, 90, 79, 133, 87, 85, 80, 111, 151];

/// What holds on from frame to frame.
#[derive(Clone)]
struct Probabilities {
    tokens: TokenProbabilities,
    luma: [u8; 4],
    chroma: [u8; 3],
    motion: [Context; 2],
}

impl Default for Probabilities {
    fn default() -> Self {
        Self { tokens: TOKENS, luma: [112, 86, 140, 37], chroma: [162, 101, 204], motion: CONTEXTS }
    }
}

/// The walk through a film.
#[derive(Clone, Default)]
pub struct Film {
    /// Macroblocks in a row and in a column, since the last key frame that was walked.
    size: Option<(usize, usize)>,
    lasting: Probabilities,
}

impl std::fmt::Debug for Film {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Film").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Film {
    /// A frame was left out: those behind it cannot be followed up to the next key frame.
    pub fn lose(&mut self) {
        self.size = None;
    }

    /// Macroblocks of a frame that can be followed: a key frame, or any behind one.
    pub fn blocks(&self, frame: &[u8]) -> Option<usize> {
        if let &[tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..] = frame
            && tag & 1 == 0
        {
            let side = |low, high| usize::from(u16::from_le_bytes([low, high]) & 0x3FFF).div_ceil(16);
            return Some(side(w0, w1) * side(h0, h1));
        }
        self.size.map(|(columns, rows)| columns * rows)
    }

    /// Walks the next frame. `None`: it cannot be followed, since a key frame is lacking.
    pub fn walk(&mut self, frame: &[u8]) -> Option<Result<(), DecodeError>> {
        let is_key = frame.first().is_some_and(|tag| tag & 1 == 0);
        let answer = if is_key {
            let answer = super::walk_key_frame(frame);
            let side = |at: usize| {
                let [low, high] = [at, at + 1].map(|at| frame.get(at).copied().unwrap_or(0));
                usize::from(u16::from_le_bytes([low, high]) & 0x3FFF).div_ceil(16)
            };
            self.size = Some((side(6), side(8)));
            self.lasting = Probabilities::default();
            self.remember(frame);
            answer
        } else {
            let (columns, rows) = self.size?;
            self.predicted(frame, columns, rows)
        };
        if answer.is_err() {
            self.lose();
        }
        Some(answer)
    }

    /// What a key frame says for those behind it (section 19.2).
    fn remember(&mut self, frame: &[u8]) {
        let mut bits = BoolDecoder::new(frame.get(HEADER_LEN..).unwrap_or_default());
        let _colour_space_and_clamping = bits.literal(2);
        segmentation(&mut bits);
        common(&mut bits);
        let lasts = bits.flag();
        if lasts {
            read_tokens(&mut bits, &mut self.lasting.tokens);
        }
    }

    fn predicted(&mut self, frame: &[u8], columns: usize, rows: usize) -> Result<(), DecodeError> {
        const TAG: usize = 3;
        let wrong = |what: &str, at: usize| DecodeError::malformed(what, at as u64);
        let (Some(&[a, b, c]), Some(data)) = (frame.first_chunk::<TAG>(), frame.get(TAG..)) else {
            return Err(wrong("a VP8 frame is shorter than its tag", 0));
        };
        let first_len = (u32::from_le_bytes([a, b, c, 0]) >> 5) as usize;
        let first =
            data.get(..first_len).ok_or_else(|| wrong("the first partition is longer than the frame", 0))?;
        let mut bits = BoolDecoder::new(first);
        let mut header = Predicted::read(&mut bits, &self.lasting);
        let ranges = partitions(frame, TAG + first_len, header.partitions, true)
            .ok_or_else(|| wrong("the partitions do not fill the frame", TAG + first_len))?;
        let mut readers: Vec<BoolDecoder<'_>> = ranges.iter().map(|range| reader(frame, range)).collect();
        let trees = Trees::new(&header.now.tokens);
        let mut above = vec![(Edge::default(), Motion::default()); columns];
        for row in 0..rows {
            let part = row & (readers.len() - 1);
            let Some(tokens) = readers.get_mut(part) else { break };
            let (mut left, mut beside, mut corner) = (Edge::default(), Motion::default(), Motion::default());
            for (column, (above, over)) in above.iter_mut().enumerate() {
                let bounds = Bounds::of(row, column, rows, columns);
                let found = header.macroblock(&mut bits, [over, &beside, &corner], bounds);
                (corner, beside) = (*over, found.motion);
                *over = found.motion;
                if found.skipped {
                    above.clear(found.has_y2);
                    left.clear(found.has_y2);
                } else if tokens::macroblock(tokens, &trees, found.has_y2, above, &mut left).is_err() {
                    return Err(wrong("a coefficient is larger than any can be", 0));
                }
                if bits.overrun() || tokens.overrun() {
                    return Err(wrong("the data ends before the last macroblock", frame.len()));
                }
            }
        }
        let all = std::iter::once(&bits).chain(&readers).map(BoolDecoder::end);
        for end in all {
            match end {
                End::Fits => {}
                End::TooShort => return Err(wrong("the data ends before the last macroblock", frame.len())),
                End::TooLong => return Err(wrong("data is left over behind the last macroblock", 0)),
                End::OutOfStep => return Err(wrong("a partition does not end where its encoder ended", 0)),
            }
        }
        if header.lasts {
            std::mem::swap(&mut self.lasting, &mut header.now);
        }
        Ok(())
    }
}

/// Loop filter, partitions and quantisation (sections 9.3 to 9.6); gives the number of partitions.
fn common(bits: &mut BoolDecoder<'_>) -> usize {
    let _filter_kind_level_sharpness = bits.literal(10);
    if bits.flag() && bits.flag() {
        (0..8).for_each(|_| bits.skip_optional(6));
    }
    let partitions = 1 << bits.literal(2);
    let _quantizer = bits.literal(7);
    (0..5).for_each(|_| bits.skip_optional(4));
    partitions
}

/// The header of a frame that is predicted.
struct Predicted {
    segments: Option<[u8; 3]>,
    partitions: usize,
    /// Of which frames vectors point the other way.
    inverted: [bool; 4],
    /// Whether the probabilities hold for the frames behind too.
    lasts: bool,
    now: Probabilities,
    skip: Option<u8>,
    inter: u8,
    last: u8,
    golden: u8,
}

/// What the first partition says of a macroblock.
struct Macroblock {
    motion: Motion,
    has_y2: bool,
    skipped: bool,
}

impl Predicted {
    fn read(bits: &mut BoolDecoder<'_>, before: &Probabilities) -> Self {
        let segments = segmentation(bits);
        let partitions = common(bits);
        let [golden, alternative] = [bits.flag(), bits.flag()];
        for refreshed in [golden, alternative] {
            if !refreshed {
                let _copied = bits.literal(2);
            }
        }
        let inverted = [false, false, bits.flag(), bits.flag()];
        let lasts = bits.flag();
        let _refresh_last = bits.flag();
        let mut now = before.clone();
        read_tokens(bits, &mut now.tokens);
        let skip = bits.flag().then(|| byte(bits));
        let [inter, last, golden] = [byte(bits), byte(bits), byte(bits)];
        if bits.flag() {
            now.luma = now.luma.map(|_| byte(bits));
        }
        if bits.flag() {
            now.chroma = now.chroma.map(|_| byte(bits));
        }
        let all = now.motion.as_flattened_mut().iter_mut();
        for (probability, update) in all.zip(UPDATES.as_flattened()) {
            if bits.get(*update) {
                let value = u8::try_from(bits.literal(7)).unwrap_or(127);
                *probability = if value == 0 { 1 } else { value << 1 };
            }
        }
        Self { segments, partitions, inverted, lasts, now, skip, inter, last, golden }
    }

    fn macroblock(
        &self,
        bits: &mut BoolDecoder<'_>,
        around: super::motion::Neighbours<'_>,
        bounds: Bounds,
    ) -> Macroblock {
        if let Some([root, low, high]) = self.segments {
            let second = if bits.get(root) { high } else { low };
            bits.get(second);
        }
        let skipped = self.skip.is_some_and(|probability| bits.get(probability));
        if bits.get(self.inter) {
            let reference = if bits.get(self.last) { 2 + u8::from(bits.get(self.golden)) } else { 1 };
            let motion = Motion::read(bits, reference, around, self.inverted, bounds, &self.now.motion);
            return Macroblock { motion, has_y2: !motion.is_split(), skipped };
        }
        let [p0, p1, p2, p3] = self.now.luma;
        let is_parts = bits.get(p0) && {
            if bits.get(p1) {
                bits.get(p3)
            } else {
                bits.get(p2);
                false
            }
        };
        if is_parts {
            (0..16).for_each(|_| block_mode(bits));
        }
        let [c0, c1, c2] = self.now.chroma;
        if bits.get(c0) && bits.get(c1) {
            bits.get(c2);
        }
        Macroblock { motion: Motion::default(), has_y2: !is_parts, skipped }
    }
}

/// Section 11.2's tree of block modes.
fn block_mode(bits: &mut BoolDecoder<'_>) {
    let p = BLOCK;
    if !bits.get(p[0]) || !bits.get(p[1]) || !bits.get(p[2]) {
        return;
    }
    if !bits.get(p[3]) {
        if bits.get(p[4]) {
            bits.get(p[5]);
        }
    } else if bits.get(p[6]) && bits.get(p[7]) {
        bits.get(p[8]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    /// The frames of `testdata/vp8/film.ivf`: behind a header of 32 bytes, each has one of 12 that begins with its length.
    fn frames() -> Vec<Vec<u8>> {
        let mut rest = &include_bytes!("../../../../testdata/vp8/film.ivf")[32..];
        let mut frames = Vec::new();
        while let Some((head, behind)) = rest.split_first_chunk::<12>() {
            let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            frames.push(behind[..len].to_vec());
            rest = &behind[len..];
        }
        frames
    }

    fn is_sound(frames: &[Vec<u8>]) -> bool {
        let mut film = Film::default();
        frames.iter().all(|frame| film.walk(frame).is_none_or(|answer| answer.is_ok()))
    }

    #[test]
    fn every_frame_is_sound_to_its_last_bit() {
        let frames = frames();
        assert!(frames.len() >= 8 && frames.iter().filter(|frame| frame[0] & 1 == 1).count() >= 6);
        let mut film = Film::default();
        for (at, frame) in frames.iter().enumerate() {
            assert_eq!(film.blocks(frame), Some(12));
            assert_eq!(film.walk(frame), Some(Ok(())), "frame {at}");
        }
    }

    #[test]
    fn changes_and_cuts_are_noticed() {
        let frames = frames();
        let (mut changed, mut noticed) = (0, 0);
        for index in 1..frames.len() {
            for at in (3..frames[index].len()).step_by(3) {
                let mut other = frames.clone();
                other[index][at] ^= 0x55;
                changed += 1;
                noticed += usize::from(!is_sound(&other));
            }
            let mut cut = frames.clone();
            let half = cut[index].len() / 2;
            cut[index].truncate(half);
            assert!(!is_sound(&cut), "frame {index}");
        }
        assert!(noticed * 100 >= changed * 90, "{noticed} of {changed}");
    }

    #[test]
    fn without_a_key_frame_nothing_is_said() {
        let frames = frames();
        let mut film = Film::default();
        assert_eq!((film.blocks(&frames[1]), film.walk(&frames[1])), (None, None));
        assert_eq!(film.walk(&frames[0]), Some(Ok(())));
        film.lose();
        assert_eq!(film.walk(&frames[1]), None);
    }
}
