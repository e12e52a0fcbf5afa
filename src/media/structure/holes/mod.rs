//! Foreign blocks in uncompressed pictures.
//!
//! Nothing in uncompressed samples can be malformed. But what a disk or a copy loses or mixes up are whole sectors: blocks
//! that begin and end at multiples of [`GRID`] bytes of the file, wherever that is in the picture. A row of a picture
//! resembles the row above; a block that does not belong there breaks this from one sample to the next, at a place that
//! means nothing to the picture, and right up to another such place.
//!
//! **Derivation.** With `e(i) = |v(i) - v(i above)|`, three things are asked of a sector boundary `s` before it is called
//! the edge of a foreign block, all with margins of a factor of `JUMP`:
//!
//! 1. at `s` itself, `e` jumps: it is small for the last `FINE` samples before and large for the first behind, and the
//!    picture has no edge of its own at that column in the row beside the block;
//! 2. along the whole first row of the block, `e` is large against the same columns of the row before, in at least three
//!    of four windows, while in the row before the block it is so in one of five at most;
//! 3. the same upside down at the end, where the block is shorter than a row: there it is a feature one row high, and both
//!    ends must be right. Where it is longer, its first row runs from `s` to the same column one row below: no object of a
//!    picture has such an edge, so one end is enough.
//!
//! Rules 2 and 3 ask the picture to have some texture (noise) nearby: drawings, whose lines may well follow round numbers,
//! are left alone. How often pictures fulfil the rules by chance was measured by shifting the grid through other phases
//! than the disk's: see `docs/tiff-raw.md`.
//!
//! Rules 5 and 6 are about noise and about blocks that are there twice: see their modules.
//!
//! Runs of one value (zeros, FF) have rule 4: the run itself must begin and end within `SLACK` bytes of the grid, or reach
//! the end of the data, while the rows above and below clearly hold something else there.

use std::ops::Range;

use super::tail::LOST_TAIL;

mod noise;
mod repeats;

/// Sectors of disks.
pub const GRID: usize = 512;
/// Samples at each side of an edge.
const FINE: usize = 24;
/// Samples of a window along a row.
const WINDOW: usize = 48;
/// How much larger differences to the row above must be than the usual ones.
const JUMP: u64 = 3;
/// The same for the few samples nearest to an edge, and for whole windows.
const STEP: u64 = 2;
/// Windows between an edge and the end of a row.
const MARGIN: usize = 2;
/// Samples of a row below which there are too few to know an edge by.
const NARROW: usize = 256;
/// Bytes by which a run of zeros may be longer than the block: dark samples beside it.
const SLACK: usize = 8;
/// Line ends, and carriage returns alone, that are no chance.
const LINES: usize = 64;
/// A run that reaches the end of the data, and begins anywhere.
const LONG: usize = 4096;

/// Bytes from a sample to the one like it at its left, for samples of so many bits in units of so many bytes: `period` is after
/// how many samples the same colour comes again.
pub const fn left_of(unit: usize, bits: u32, period: usize) -> usize {
    let colour = bits as usize * period;
    let (mut bytes, limit) = (unit, unit * 64);
    while bytes < limit && (colour == 0 || !(bytes * 8).is_multiple_of(colour)) {
        bytes += unit;
    }
    bytes
}

/// What [`has_converted_line_ends`] means.
pub const LINE_ENDS: &str =
    "every line feed has a carriage return before it, as after a transfer in text mode";

/// How one number is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// The first so many bits, at most 16, of every `unit` bytes, the highest first.
    High(u8),
    /// Two bytes, low one first.
    Little,
    /// Two bytes, high one first.
    Big,
}

/// Uncompressed rows, one behind the other.
#[derive(Clone, Debug)]
pub struct Field<'b> {
    /// The whole file.
    pub bytes: &'b [u8],
    /// Where the rows stand.
    pub range: Range<usize>,
    /// Bytes from a sample to the one like it above: one row, or two on sensors with a colour mosaic.
    pub above: usize,
    /// Bytes of one row.
    pub row: usize,
    /// Bytes from sample to sample.
    pub unit: usize,
    /// Bytes from a sample to the one like it at its left.
    pub left: usize,
    /// How they are read.
    pub sample: Sample,
    /// Where the grid stands; 0 but in tests.
    pub phase: usize,
}

/// A block that does not belong where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Where it begins in the file.
    pub at: usize,
    /// What is seen.
    pub what: &'static str,
}

impl Field<'_> {
    /// The first foreign block.
    pub fn hole(&self) -> Option<Hole> {
        let fits = self.unit > 0 && self.row >= self.unit && self.above >= self.row;
        let fits = fits && self.above.is_multiple_of(self.unit) && self.row.is_multiple_of(self.unit);
        if !fits || self.bytes.get(self.range.clone()).is_none() || self.len() < self.above.saturating_mul(4)
        {
            return None;
        }
        let first = self.first_boundary();
        for boundary in (first..self.range.end).step_by(GRID) {
            if let Some(hole) = self.run_at(boundary).or_else(|| self.edge_at(boundary)) {
                return Some(hole);
            }
        }
        self.tail().or_else(|| self.noise()).or_else(|| self.repeated())
    }

    fn len(&self) -> usize {
        self.range.len()
    }

    fn first_boundary(&self) -> usize {
        (self.range.start + GRID - self.phase).next_multiple_of(GRID) + self.phase - GRID
    }

    /// Samples in the field.
    fn samples(&self) -> usize {
        self.len() / self.unit
    }

    /// Samples from one to the one above it.
    fn span(&self) -> usize {
        self.above / self.unit
    }

    fn value(&self, index: usize) -> u16 {
        let at = self.range.start + index * self.unit;
        let byte = |at: usize| self.bytes.get(at).copied().unwrap_or(0);
        match self.sample {
            Sample::High(8) => byte(at).into(),
            Sample::High(bits) => {
                u16::from_be_bytes([byte(at), byte(at + 1)]) >> (16 - u32::from(bits.min(16)))
            }
            Sample::Little => u16::from_le_bytes([byte(at), byte(at + 1)]),
            Sample::Big => u16::from_be_bytes([byte(at), byte(at + 1)]),
        }
    }

    /// What counts as no difference at all.
    const fn floor(&self) -> u64 {
        match self.sample {
            Sample::High(0..=9) => 1,
            Sample::High(_) => 4,
            Sample::Little | Sample::Big => 8,
        }
    }

    /// Sum of the differences between `count` samples and those `above` of them.
    fn roughness(&self, from: usize, count: usize) -> u64 {
        let span = self.span();
        (from..from + count)
            .map(|index| u64::from(self.value(index).abs_diff(self.value(index.saturating_sub(span)))))
            .sum()
    }

    /// The first whole sample behind a place of the file.
    fn index(&self, at: usize) -> usize {
        (at - self.range.start).div_ceil(self.unit)
    }

    /// Bytes at both ends of a row where the picture may have edges of its own: in small pictures all is small.
    fn margin(&self) -> usize {
        (MARGIN * WINDOW * self.unit).min(self.row / 8)
    }

    /// Whether a boundary is so near to the end of a row that the picture itself may have an edge there.
    fn near_row_end(&self, at: usize) -> bool {
        let column = (at - self.range.start) % self.row;
        let margin = self.margin();
        column < margin || column + margin > self.row
    }

    /// Rule 2 for a stretch of samples. Where it goes over the end of a row, each part must be right by itself: lines that
    /// a picture has end with the row.
    fn all(&self, samples: Range<usize>, side: Side, right: fn(Share) -> bool) -> bool {
        let row = self.row / self.unit;
        let mut from = samples.start;
        while from < samples.end {
            let to = ((from / row + 1) * row).min(samples.end);
            if !right(self.share(from..to, side)) {
                return false;
            }
            from = to;
        }
        true
    }

    /// Rules 1 to 3 at a sector boundary.
    fn edge_at(&self, boundary: usize) -> Option<Hole> {
        let too_narrow = self.row < NARROW * self.unit;
        if boundary <= self.range.start || too_narrow || self.near_row_end(boundary) {
            return None;
        }
        let (at, span, end) = (self.index(boundary), self.span(), self.samples());
        // Two rows before, for what is usual there.
        if at >= span * 2 + FINE && at + FINE <= end && self.jumps(at, Side::Begin) {
            let stop = (at + span).min(end);
            if self.all(at..stop, Side::Begin, Share::is_foreign)
                && stop - at >= span
                && self.all(at - span..at, Side::Begin, Share::is_sound)
            {
                return Some(Hole { at: boundary, what: "a block of other content that begins at a sector" });
            }
            if let Some(hole) = self.short_block(boundary, at) {
                return Some(hole);
            }
        }
        if at >= span + FINE && at + span * 2 + FINE <= end && self.jumps(at, Side::End) {
            let start = at - span;
            if self.all(start..at, Side::End, Share::is_foreign)
                && self.all(at..at + span, Side::End, Share::is_sound)
            {
                return Some(Hole { at: boundary, what: "a block of other content that ends at a sector" });
            }
        }
        None
    }

    /// A block shorter than a row: both its ends are edges, and all around is sound.
    fn short_block(&self, boundary: usize, at: usize) -> Option<Hole> {
        let (span, end) = (self.span(), self.samples());
        let sector = self.index(boundary + GRID);
        // A block of other content is so from its first sector on; asked first, for the search costs much.
        if sector + span * 2 + FINE > end || !self.share(at..sector, Side::Begin).may_be_foreign() {
            return None;
        }
        for stop in (boundary + GRID..boundary + self.above).step_by(GRID) {
            let to = self.index(stop);
            if to + span * 2 + FINE > end {
                return None;
            }
            if self.near_row_end(stop) || !self.jumps(to, Side::End) {
                continue;
            }
            let foreign = self.all(at..to, Side::Begin, Share::is_foreign)
                && self.all(at..to, Side::End, Share::is_foreign);
            let sound = self.all(at - span..at, Side::Begin, Share::is_sound)
                && self.all(to..at + span, Side::Begin, Share::is_sound)
                && self.all(to..to + span, Side::End, Share::is_sound)
                && self.all(to - span..at, Side::End, Share::is_sound);
            if foreign && sound {
                return Some(Hole { at: boundary, what: "a block of other content between two sectors" });
            }
        }
        None
    }

    /// Rule 1.
    fn jumps(&self, at: usize, side: Side) -> bool {
        let span = self.span();
        let (inside, outside) = match side {
            Side::Begin => (at, at - FINE),
            Side::End => (at + span - FINE, at + span),
        };
        let near = FINE / 4;
        let (nearest_inside, nearest_outside) = match side {
            Side::Begin => (at, at - near),
            Side::End => (at + span - near, at + span),
        };
        let jump = |inside: usize, outside: usize, count: usize, times: u64| {
            self.roughness(inside, count)
                > times * (self.roughness(outside, count) + self.floor() * count as u64)
        };
        jump(inside, outside, FINE, JUMP)
            && jump(nearest_inside, nearest_outside, near, STEP)
            && !self.has_own_edge(at, side)
    }

    /// Whether the sound row beside the block has an edge at the same column: then it is one of the picture's.
    fn has_own_edge(&self, at: usize, side: Side) -> bool {
        let span = self.span();
        let (beside, inside) = match side {
            Side::Begin => (at - span, at),
            Side::End => (at + span, at + span - FINE),
        };
        let sum = |from: usize| (from..from + FINE).map(|index| u64::from(self.value(index))).sum::<u64>();
        sum(beside).abs_diff(sum(beside - FINE)) * 2 > self.roughness(inside, FINE)
    }

    /// Rule 2: windows along the samples that differ more than usual from those above (or below).
    fn share(&self, samples: Range<usize>, side: Side) -> Share {
        let span = self.span();
        let mut share = Share::default();
        for from in samples.clone().step_by(WINDOW) {
            let count = WINDOW.min(samples.end - from);
            // Seen from below, the difference between a row and the next is that row's.
            let (own, usual) = match side {
                Side::Begin => (from, from - span),
                Side::End => (from + span, from + span * 2),
            };
            let (own, usual) = (self.roughness(own, count), self.roughness(usual, count));
            let floor = self.floor() * count as u64;
            share.windows += 1;
            share.rough += usize::from(own > STEP * (usual + floor));
            share.alive += usize::from(usual * 4 >= count as u64);
        }
        share
    }

    /// Rule 4: a run of zeros or ones that begins at a boundary.
    fn run_at(&self, boundary: usize) -> Option<Hole> {
        let value = *self.bytes.get(boundary)?;
        if !matches!(value, 0 | 0xFF) || self.bytes.get(boundary + GRID - 1) != Some(&value) {
            return None;
        }
        let inside = self.bytes.get(boundary..self.range.end)?;
        let before = self.bytes.get(self.range.start..boundary)?;
        let back = before.iter().rev().take_while(|&&byte| byte == value).count();
        if back > SLACK || before.len() < self.above {
            return None;
        }
        let len = inside.iter().take_while(|&&byte| byte == value).count();
        let at_end = len == inside.len();
        let block = if at_end { len } else { len / GRID * GRID };
        if block < GRID || (at_end && len < LONG) || (!at_end && len - block > SLACK) {
            return None;
        }
        // A line of the picture goes from one end of a row to the other.
        if self.near_row_end(boundary) && (at_end || self.near_row_end(boundary + block)) {
            return None;
        }
        let at = self.index(boundary);
        let to = (boundary + block - self.range.start) / self.unit;
        let (span, count) = (self.span(), (to - at).min(self.span()));
        let above = self.is_other(at - span, count, value);
        let below = at_end || (to + span <= self.samples() && self.is_other(to + span - count, count, value));
        let what = if value == 0 {
            "a block of zeros between two sectors"
        } else {
            "a block of FF between two sectors"
        };
        (above && below).then_some(Hole { at: boundary, what })
    }

    /// Zeros up to the end that begin anywhere inside a row.
    fn tail(&self) -> Option<Hole> {
        let data = self.bytes.get(self.range.clone())?;
        let value = *data.last()?;
        let len = data.iter().rev().take_while(|&&byte| byte == value).count();
        let start = self.range.end - len;
        // What is lost at the end of a file takes what stands behind the samples with it.
        let behind = self.bytes.get(self.range.end..).unwrap_or_default();
        let run = len + if behind.iter().all(|&byte| byte == value) { behind.len() } else { 0 };
        if !matches!(value, 0 | 0xFF) || run < LONG || data.len() - len < self.above * 2 {
            return None;
        }
        let at = self.index(start);
        let column = (start - self.range.start) % self.row;
        let inside = column > SLACK * self.unit && column + SLACK * self.unit < self.row;
        let count = self.span().min(len / self.unit);
        let torn = inside && self.is_other(at - self.span(), count, value);
        torn.then_some(Hole { at: start, what: LOST_TAIL })
    }

    /// Whether samples clearly hold something else than one byte again and again, and have some texture.
    fn is_other(&self, from: usize, count: usize, value: u8) -> bool {
        let flat = match self.sample {
            Sample::High(bits) => u16::from_be_bytes([value, value]) >> (16 - u32::from(bits.min(16))),
            Sample::Little | Sample::Big => u16::from_be_bytes([value, value]),
        };
        let clear = self.floor() * 4;
        let is_clear = |index: usize| u64::from(self.value(index).abs_diff(flat)) > clear;
        // One channel is enough: colour differences are near zero in most pictures.
        let channels = (self.left / self.unit).clamp(1, 4);
        let other = (0..channels).any(|channel| {
            let all = (from + channel..from + count).step_by(channels);
            let length = all.len();
            length > 0 && all.filter(|&index| is_clear(index)).count() * 10 >= length * 9
        });
        let changes =
            (from + 1..from + count).filter(|&index| self.value(index) != self.value(index - 1)).count();
        other && changes * 2 >= count
    }
}

/// Whether a file went through a conversion of line ends: no line feed is without a carriage return, though some of those
/// stand alone. Binary data has both everywhere.
pub fn has_converted_line_ends(bytes: &[u8]) -> bool {
    let mut returns = bytes.first().map_or(0usize, |&byte| usize::from(byte == b'\r'));
    let mut feeds = 0usize;
    for at in memchr::memchr2_iter(b'\r', b'\n', bytes).filter(|&at| at > 0) {
        if bytes.get(at) == Some(&b'\r') {
            returns += 1;
        } else if bytes.get(at - 1) == Some(&b'\r') {
            feeds += 1;
        } else {
            return false;
        }
    }
    feeds >= LINES && returns >= feeds + LINES
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Against the row above.
    Begin,
    /// Against the row below.
    End,
}

/// Windows of a stretch of samples.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    windows: usize,
    /// Far more different from their neighbours than those are from theirs.
    rough: usize,
    /// With any difference around: not drawn.
    alive: usize,
}

impl Share {
    const fn is_foreign(self) -> bool {
        self.windows > 0 && self.rough * 4 >= self.windows * 3 && self.alive * 2 >= self.windows
    }

    const fn may_be_foreign(self) -> bool {
        self.rough * 2 >= self.windows
    }

    const fn is_sound(self) -> bool {
        self.rough * 5 <= self.windows + 4
    }
}

#[cfg(test)]
mod tests;
