//! Uncompressed pages as rows in the file, for the search for foreign blocks.

use std::ops::Range;

use super::ends::lost_end;
use super::floats::foreign_numbers;
use super::layout::Layout;
use super::{Page, Wrong};
use crate::media::structure::holes::{Field, Hole, LINE_ENDS, Sample, has_converted_line_ends, left_of};
use crate::media::structure::tail::{self, LOST_TAIL, TORN_METADATA};
use crate::model::DecodeError;

/// Looks for blocks of other content in the rows of an uncompressed page.
pub fn foreign_block(bytes: &[u8], page: &Page, big_endian: bool) -> Option<Wrong> {
    if page.compression == 1 && has_converted_line_ends(bytes) {
        return Some(Wrong { error: DecodeError::malformed(LINE_ENDS, None), row: None });
    }
    if let Some(at) = lost_end(bytes, page) {
        return Some(Wrong { error: DecodeError::malformed(TORN_METADATA, at as u64), row: None });
    }
    if let Some(Hole { at, what }) = foreign_numbers(bytes, page, big_endian) {
        return Some(Wrong { error: DecodeError::malformed(what, at as u64), row: None });
    }
    if page.compression != 1 || page.packed_subsampling().is_some() {
        return None;
    }
    let numbers = sample(page, big_endian);
    rows_of(page)?.into_iter().find_map(|rows| {
        let found = numbers.and_then(|numbers| rows.field(bytes, page, numbers).hole());
        let lost = || rows.pixels(bytes, page)?.lost_tail().map(|at| Hole { at, what: LOST_TAIL });
        found.or_else(lost).map(|hole| rows.wrong(page, &hole))
    })
}

/// Rows that follow each other in the file.
struct Rows {
    range: Range<usize>,
    /// The first of them in the picture.
    first: u32,
    /// Bytes of one.
    bytes: usize,
}

/// All rows of an uncompressed page. Strips that follow each other are together, unless another channel begins.
fn rows_of(page: &Page) -> Option<Vec<Rows>> {
    let layout = Layout::of(page).ok()?;
    let mut all: Vec<Rows> = Vec::new();
    for (index, extent) in page.extents.iter().enumerate() {
        let Some(chunk) = layout.chunk(page, index) else { break };
        let start = usize::try_from(extent.start).ok()?;
        let range = start..start.checked_add(chunk.due.least)?;
        match all.last_mut() {
            Some(rows) if rows.range.end == start && page.tile.is_none() && chunk.row > 0 => {
                rows.range.end = range.end;
            }
            _ => all.push(Rows { range, first: chunk.row, bytes: chunk.row_bytes }),
        }
    }
    Some(all)
}

impl Rows {
    /// As numbers whose neighbours are alike.
    fn field<'b>(&self, bytes: &'b [u8], page: &Page, (unit, sample): (usize, Sample)) -> Field<'b> {
        let (range, row) = (self.range.clone(), self.bytes);
        // Neighbours of one colour stand two rows apart on a sensor with a mosaic.
        let (rows, period) = match page.photometric {
            32_803 => (2, 2),
            _ if page.planar => (1, 1),
            _ => (1, page.samples as usize),
        };
        let left = left_of(unit, page.first_bits(), period);
        Field { bytes, range, above: row.saturating_mul(rows), row, unit, left, sample, phase: 0 }
    }

    /// As pixels, where no number is longer than a byte.
    fn pixels<'b>(&self, bytes: &'b [u8], page: &Page) -> Option<tail::Rows<'b>> {
        let bits = page.bits();
        if bits.iter().any(|&bits| bits > 8) {
            return None;
        }
        let pixel: u32 = if page.planar { page.first_bits() } else { bits.iter().sum() };
        let unit = if pixel.is_multiple_of(8) { pixel as usize / 8 } else { 1 };
        Some(tail::Rows { bytes, range: self.range.clone(), row: self.bytes, unit })
    }

    fn wrong(&self, page: &Page, hole: &Hole) -> Wrong {
        let row = hole.at.saturating_sub(self.range.start) / self.bytes.max(1);
        let row = u32::try_from(row).unwrap_or(u32::MAX).saturating_add(self.first);
        let error = DecodeError::malformed(hole.what, hole.at as u64);
        Wrong { error, row: Some(row.min(page.size.height)) }
    }
}

/// How numbers are read from a page that can be searched: integers whose neighbours are alike.
fn sample(page: &Page, big_endian: bool) -> Option<(usize, Sample)> {
    let plain = page.compression == 1
        && !matches!(page.photometric, 3 | 4)
        && page.sample_format != 3
        && page.predictor <= 1
        && page.fill_order != 2
        && page.packed_subsampling().is_none();
    let bits = page.first_bits();
    if !plain || page.bits().iter().any(|&other| other != bits) {
        return None;
    }
    packing(bits, big_endian)
}

/// Bytes from one number to the next, and how one is read. Packed samples begin with their upper bits.
pub fn packing(bits: u32, big_endian: bool) -> Option<(usize, Sample)> {
    match bits {
        8 => Some((1, Sample::High(8))),
        10 => Some((5, Sample::High(10))),
        12 => Some((3, Sample::High(12))),
        14 => Some((7, Sample::High(14))),
        16 if big_endian => Some((2, Sample::Big)),
        16 => Some((2, Sample::Little)),
        _ => None,
    }
}
