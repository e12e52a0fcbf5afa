//! Uncompressed pages as rows in the file, for the search for foreign blocks.

use std::ops::Range;

use super::ends::lost_end;
use super::floats::foreign_numbers;
use super::layout::Layout;
use super::{Page, Wrong};
use crate::media::structure::holes::{Field, Hole, LINE_ENDS, Sample, has_converted_line_ends, left_of};
use crate::model::DecodeError;

/// Looks for blocks of other content in the rows of an uncompressed page.
pub fn foreign_block(bytes: &[u8], page: &Page, big_endian: bool) -> Option<Wrong> {
    if page.compression == 1 && has_converted_line_ends(bytes) {
        return Some(Wrong { error: DecodeError::malformed(LINE_ENDS, None), row: None });
    }
    if let Some(at) = lost_end(bytes, page) {
        let what = "nothing but zeros from inside the metadata up to the end";
        return Some(Wrong { error: DecodeError::malformed(what, at as u64), row: None });
    }
    if let Some(Hole { at, what }) = foreign_numbers(bytes, page, big_endian) {
        return Some(Wrong { error: DecodeError::malformed(what, at as u64), row: None });
    }
    let (unit, sample) = sample(page, big_endian)?;
    let layout = Layout::of(page).ok()?;
    let mut rows: Option<(Range<usize>, u32, usize)> = None;
    for (index, extent) in page.extents.iter().enumerate() {
        let Some(chunk) = layout.chunk(page, index) else { break };
        let start = usize::try_from(extent.start).ok()?;
        let range = start..start.checked_add(chunk.due.least)?;
        let row = chunk.row_bytes;
        // Strips that follow each other are one field, unless another channel begins.
        let joined = match &mut rows {
            Some((whole, ..)) if whole.end == start && page.tile.is_none() && chunk.row > 0 => {
                whole.end = range.end;
                true
            }
            _ => false,
        };
        if !joined {
            let before = rows.replace((range, chunk.row, row));
            if let Some(wrong) = before.and_then(|rows| search(bytes, rows, unit, sample, page)) {
                return Some(wrong);
            }
        }
    }
    search(bytes, rows?, unit, sample, page)
}

fn search(
    bytes: &[u8],
    (range, first, row): (Range<usize>, u32, usize),
    unit: usize,
    sample: Sample,
    page: &Page,
) -> Option<Wrong> {
    let start = range.start;
    // Neighbours of one colour stand two rows apart on a sensor with a mosaic.
    let above = if page.photometric == 32_803 { row.checked_mul(2)? } else { row };
    let period = match page.photometric {
        32_803 => 2,
        _ if page.planar => 1,
        _ => page.samples as usize,
    };
    let left = left_of(unit, page.first_bits(), period);
    let field = Field { bytes, range, above, row, unit, left, sample, phase: 0 };
    let Hole { at, what } = field.hole()?;
    let row = u32::try_from((at - start) / row.max(1)).unwrap_or(u32::MAX).saturating_add(first);
    Some(Wrong { error: DecodeError::malformed(what, at as u64), row: Some(row.min(page.size.height)) })
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
