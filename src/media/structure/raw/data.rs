//! The sensor data and previews of camera raws, as far as they can be followed without developing them.
//!
//! JPEG data, lossless too, is walked to its end. Uncompressed data is searched for foreign blocks. Sony's 16 pixels in 16
//! bytes tell their own largest and smallest value. In other makers' codes only blocks of zeros show.

use std::ops::Range;

use super::{Directory, Tiff, field, tag};
use crate::media::structure::bmff::be16;
use crate::media::structure::holes::{
    Field, GRID, Hole, LINE_ENDS, Sample, has_converted_line_ends, left_of,
};
use crate::media::structure::jpeg_walk::{self, Answer, Flaw};
use crate::media::structure::tiff::packing;
use crate::model::DecodeError;

/// Data shorter than this is no sensor's.
const LEAST: usize = 64 << 10;
/// Zeros that compressed data cannot hold, between two sectors.
const ZEROS: usize = 4096;
/// Zeros that may fill up the end of the data.
const PADDING: usize = 32 << 10;
/// Dark data beside a block of zeros.
const SLACK: usize = 8;
/// Sony's code: bytes of 16 pixels.
const SONY_BLOCK: usize = 16;
/// Impossible blocks before data is called wrong.
const SONY_FAULTS: usize = 4;
/// Sides of previews that are shown to people; smaller ones are hints at most.
const LEAST_PREVIEW: u16 = 480;

impl Tiff<'_> {
    /// Follows the data of all directories.
    pub fn check_data(&self) -> Result<(), Flaw> {
        check_line_ends(self.bytes)?;
        let Ok(directories) = self.directories() else { return Ok(()) };
        // Hasselblad's looks like lossless JPEG and is not.
        let jpeg_is_jpeg = !self.make().starts_with(b"Hasselblad");
        for directory in &directories {
            let sensor =
                self.holds_sensor_data(directory) || self.number(directory, tag::CANON_SLICES).is_some();
            let extents = self.extents(directory);
            let compression = self.number(directory, tag::COMPRESSION).unwrap_or(1);
            if self.is_radc(directory) {
                self.check_radc(directory)?;
                continue;
            }
            let count = extents.len();
            for (index, extent) in extents.iter().enumerate() {
                let data = self.bytes.get(extent.clone()).unwrap_or_default();
                let part = |share: f32| (index as f32 + share) / count.max(1) as f32;
                let of_all =
                    |flaw: Flaw| Flaw { sound_until: flaw.sound_until.filter(|_| sensor).map(part), ..flaw };
                if data.starts_with(b"\xff\xd8") {
                    let followed = jpeg_is_jpeg && (sensor || is_large(data));
                    if followed {
                        check_jpeg_data(data, extent.start).map_err(of_all)?;
                    }
                } else if compression == 32_767 {
                    self.check_sony(directory, extent).map_err(of_all)?;
                } else if compression != 1 {
                    check_zeros(self.bytes, extent).map_err(of_all)?;
                }
            }
            if compression == 1 {
                self.check_rows(directory, &extents)?;
            }
            // Panasonic says where its data begins, and it goes on to the end.
            if let Some(start) = self.number(directory, tag::PANASONIC_RAW).filter(|_| self.is_panasonic()) {
                check_zeros(self.bytes, &(start..self.bytes.len()))?;
            }
        }
        Ok(())
    }

    fn is_panasonic(&self) -> bool {
        self.bytes.get(2) == Some(&b'U')
    }

    fn make(&self) -> &[u8] {
        let first = self.directory(self.u32(4).unwrap_or(0) as usize);
        let entry = first.and_then(|(first, _)| first.entries.into_iter().find(|entry| entry.0 == tag::MAKE));
        entry
            .and_then(|(_, _, count, start)| self.bytes.get(start..start.checked_add(count)?))
            .unwrap_or_default()
    }

    /// Uncompressed strips that follow each other are searched as one.
    fn check_rows(&self, directory: &Directory, extents: &[Range<usize>]) -> Result<(), Flaw> {
        let bits = self.number(directory, tag::BITS).and_then(|bits| u32::try_from(bits).ok()).unwrap_or(0);
        let samples = self.number(directory, tag::SAMPLES).unwrap_or(1);
        let width = self.number(directory, tag::WIDTH).unwrap_or(0);
        let height = self.number(directory, tag::HEIGHT).unwrap_or(0);
        let mosaic = self.number(directory, tag::PHOTOMETRIC) == Some(32_803);
        let row_bits = width.checked_mul(samples).and_then(|count| count.checked_mul(bits as usize));
        let Some((row, (unit, sample))) =
            row_bits.map(|bits| bits.div_ceil(8)).zip(packing(bits, self.big_endian))
        else {
            return Ok(());
        };
        let due = row.saturating_mul(height);
        let (Some(first), Some(last)) = (extents.first(), extents.last()) else { return Ok(()) };
        let together = extents.windows(2).all(|pair| matches!(pair, [a, b] if a.end == b.start));
        if !together || due == 0 || last.end.saturating_sub(first.start) < due {
            return Ok(());
        }
        let range = first.start..first.start.saturating_add(due);
        let (rows, period) = if mosaic { (2, 2) } else { (1, samples) };
        search(self.bytes, range, row, rows, (unit, left_of(unit, bits, period)), sample)
    }

    /// Sony ARW2: every 16 bytes hold the largest and the smallest of 16 pixels, and where they are.
    fn check_sony(&self, directory: &Directory, extent: &Range<usize>) -> Result<(), Flaw> {
        let width = self.number(directory, tag::WIDTH).unwrap_or(0);
        let height = self.number(directory, tag::HEIGHT).unwrap_or(0);
        if width == 0 || !width.is_multiple_of(32) || width.checked_mul(height) != Some(extent.len()) {
            return check_zeros(self.bytes, extent);
        }
        let data = self.bytes.get(extent.clone()).unwrap_or_default();
        let mut faults = Vec::with_capacity(SONY_FAULTS);
        for (index, block) in data.chunks_exact(SONY_BLOCK).enumerate() {
            if is_impossible(block) {
                faults.push(index);
                if faults.len() == SONY_FAULTS {
                    break;
                }
            }
        }
        // Those of one block of a disk stand close together.
        match (faults.first(), faults.get(SONY_FAULTS - 1)) {
            (Some(&first), Some(_)) => {
                let at = extent.start + first * SONY_BLOCK;
                Err(Flaw {
                    error: DecodeError::malformed(
                        "pixels beyond their own largest and smallest value",
                        at as u64,
                    ),
                    sound_until: Some((first * SONY_BLOCK) as f32 / extent.len().max(1) as f32),
                })
            }
            _ => check_zeros(self.bytes, extent),
        }
    }
}

/// The smallest value above the largest, or all ones: the code for a saturated block has differences of 0.
fn is_impossible(block: &[u8]) -> bool {
    let [a, b, c, d, ..] = block else { return false };
    let head = u32::from_le_bytes([*a, *b, *c, *d]);
    let (most, least) = (head & 0x7FF, head >> 11 & 0x7FF);
    least > most || block.iter().all(|&byte| byte == 0xFF)
}

fn search(
    bytes: &[u8],
    range: Range<usize>,
    row: usize,
    rows: usize,
    (unit, left): (usize, usize),
    sample: Sample,
) -> Result<(), Flaw> {
    let (start, len) = (range.start, range.len());
    let field = Field { bytes, range, above: row.saturating_mul(rows), row, unit, left, sample, phase: 0 };
    match field.hole() {
        Some(Hole { at, what }) => Err(Flaw {
            error: DecodeError::malformed(what, at as u64),
            sound_until: Some((at - start) as f32 / len.max(1) as f32),
        }),
        None => Ok(()),
    }
}

/// Whether a JPEG is a preview of a size that is shown.
fn is_large(jpeg: &[u8]) -> bool {
    let mut at = 2usize;
    loop {
        let Some(code) = be16(jpeg, at) else { return false };
        let step = match code {
            0xFFC0..=0xFFC3 => {
                let side = |place: usize| be16(jpeg, at.saturating_add(place)).unwrap_or(0);
                return side(5).min(side(7)) >= LEAST_PREVIEW;
            }
            0..=0xFEFF | 0xFFDA | 0xFFD9 => return false,
            0xFFFF => 1,
            _ => 2 + usize::from(be16(jpeg, at.saturating_add(2)).unwrap_or(0)),
        };
        at = at.saturating_add(step);
    }
}

/// Walks a JPEG inside the file, and gives places from the start of the file.
pub(super) fn check_jpeg_data(data: &[u8], start: usize) -> Result<(), Flaw> {
    let Answer::Wrong(Flaw { error, sound_until }) = jpeg_walk::walk_stream(None, data) else {
        return Ok(());
    };
    let moved = |offset: Option<u64>| offset.map(|offset| offset.saturating_add(start as u64));
    let error = match error {
        DecodeError::Malformed { what, offset } => {
            DecodeError::malformed(format!("JPEG data: {what}"), moved(offset))
        }
        DecodeError::Truncated { what, offset, .. } => {
            DecodeError::malformed(format!("JPEG data ends too early: {what}"), moved(offset))
        }
        // A limit of ours says nothing about the bytes.
        _ => return Ok(()),
    };
    Err(Flaw { error, sound_until })
}

/// Zeros between two sectors, in coded data that never has so many.
fn check_zeros(bytes: &[u8], extent: &Range<usize>) -> Result<(), Flaw> {
    let Some(data) = bytes.get(extent.clone()).filter(|data| data.len() >= LEAST) else { return Ok(()) };
    let first = extent.start.next_multiple_of(GRID) - extent.start;
    let mut at = first;
    while let Some(sector) = data.get(at..at + GRID) {
        if sector.iter().any(|&byte| byte != 0) {
            at += GRID;
            continue;
        }
        let back = data.get(..at).unwrap_or_default().iter().rev().take_while(|&&byte| byte == 0).count();
        let len = data.get(at..).unwrap_or_default().iter().take_while(|&&byte| byte == 0).count();
        let (at_end, block) = (at + len == data.len(), len / GRID * GRID);
        let edged = back <= SLACK && (at_end || len - block <= SLACK);
        if edged && block >= if at_end { PADDING } else { ZEROS } {
            let place = extent.start + at;
            return Err(Flaw {
                error: DecodeError::malformed("a block of zeros between two sectors", place as u64),
                sound_until: Some(at as f32 / data.len() as f32),
            });
        }
        at += block.max(GRID);
    }
    Ok(())
}

pub(super) fn check_line_ends(bytes: &[u8]) -> Result<(), Flaw> {
    if has_converted_line_ends(bytes) {
        return Err(Flaw { error: DecodeError::malformed(LINE_ENDS, None), sound_until: None });
    }
    Ok(())
}

/// Minolta MRW: 12 bits packed, or 16.
pub fn check_mrw_data(bytes: &[u8]) -> Result<(), Flaw> {
    check_line_ends(bytes)?;
    if bytes.get(8..12) != Some(b"\0PRD") {
        return Ok(());
    }
    let start = field(bytes, 4).saturating_add(8);
    let (height, width) =
        (usize::from(be16(bytes, 24).unwrap_or(0)), usize::from(be16(bytes, 26).unwrap_or(0)));
    let bits = u32::from(bytes.get(32).copied().unwrap_or(0));
    let Some((unit, sample)) = packing(bits, true) else { return Ok(()) };
    let row = width * bits as usize / 8;
    search(bytes, start..start.saturating_add(row * height), row, 2, (unit, left_of(unit, bits, 2)), sample)
}

/// Fuji RAF: the preview, and uncompressed 16-bit sensor data.
pub fn check_raf_data(bytes: &[u8]) -> Result<(), Flaw> {
    check_line_ends(bytes)?;
    if let Some(jpeg) = super::raf_jpeg(bytes).filter(|jpeg| is_large(jpeg)) {
        check_jpeg_data(jpeg, field(bytes, 84))?;
    }
    let (section, len) = (field(bytes, 100), field(bytes, 104));
    let Some(tiff) = bytes.get(section..section.saturating_add(len)).and_then(Tiff::new) else {
        return Ok(());
    };
    let Some((first, _)) = tiff.u32(4).and_then(|at| tiff.directory(at as usize)) else { return Ok(()) };
    // Fuji's own tags stand in a directory of their own.
    let sub = tiff.number(&first, 0xF000).and_then(|at| tiff.directory(at)).map_or(first, |(sub, _)| sub);
    let number = |tag| tiff.number(&sub, tag).unwrap_or(0);
    let (width, height, at, count) = (number(0xF001), number(0xF002), number(0xF007), number(0xF008));
    let start = section.saturating_add(at);
    let Some(row) = width.checked_mul(2).filter(|&row| row > 0 && row.checked_mul(height) == Some(count))
    else {
        return check_zeros(bytes, &(start..start.saturating_add(count)));
    };
    // The mosaic of X-Trans sensors repeats after six rows.
    search(bytes, start..start.saturating_add(count), row, 6, (2, 12), Sample::Little)
}
