//! Pixels, by libjpeg-turbo, at the scale that the pictures need.

use super::turbo::{Complaint, Decompressor, Layout};
use crate::media::formats::Target;
use crate::media::structure::jpeg::{Frame, Outline};
use crate::media::structure::jpeg_walk::Units;
use crate::media::{ColorModel, Coming, Limits, Pixels, Reduce, Samples, Whole};
use crate::model::{DecodeError, Orientation, PixelSize};

/// A reduced scale is taken only if it leaves this many times the wanted short side: sharper scales cost too much fidelity.
const MARGIN: f64 = 1.25;
/// What the library holds besides coefficients and output: tables, row buffers per column.
const ROW_BUFFERS: u64 = 64;

/// A picture that the walk follows, and what is wanted of it.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    pub bytes: &'a [u8],
    pub outline: &'a Outline,
    pub orientation: Orientation,
    pub target: Target,
    pub limits: &'a Limits,
}

/// Decodes it. A complaint means that the library found something odd, and went on.
///
/// With `units` the walk supplies the coefficients. With `reduce` the pixels may be what that made of them.
pub fn decode(
    picture: Picture<'_>,
    units: Option<&mut dyn Units>,
    reduce: Option<&mut dyn Reduce>,
) -> Result<(Pixels, Option<Complaint>), DecodeError> {
    let Picture { bytes, outline, orientation, target, limits } = picture;
    // Whatever lies behind the picture is not the decoder's business.
    let picture = bytes.get(..outline.end.unwrap_or(bytes.len())).unwrap_or(bytes);
    let (mut decompressor, _) = Decompressor::new(picture, limits).map_err(refused)?;
    let header = decompressor.header();
    let side = u32::try_from(header.width.min(header.height)).unwrap_or(u32::MAX);
    decompressor.scale_down(denominator(side, target));
    let size = |(width, height): (usize, usize)| {
        PixelSize::new(u32::try_from(width).unwrap_or(u32::MAX), u32::try_from(height).unwrap_or(u32::MAX))
    };
    let full_size = size((header.width, header.height));
    let model = match header.layout {
        Layout::Gray => ColorModel::Gray,
        Layout::Rgb => ColorModel::Rgb,
        Layout::Cmyk => ColorModel::Cmyk,
    };
    let coming = Coming { size: size(decompressor.output()), full_size, model, orientation };
    // Inks that are stored the other way round are turned first.
    let reduce = reduce.filter(|_| model != ColorModel::Cmyk);
    let reduce = reduce.and_then(|reduce| reduce.begin(&coming).then_some(reduce));
    let (size, mut samples, complaint) = if let Some(reduce) = reduce {
        let complaint = decompressor.decode(units, reduce).map_err(refused)?;
        let (size, samples) = reduce.finish().ok_or_else(incomplete)?;
        (size, samples, complaint)
    } else {
        let (columns, rows) = decompressor.output();
        let mut whole = Whole::new(columns * header.layout.channels(), rows).ok_or_else(no_memory)?;
        let complaint = decompressor.decode(units, &mut whole).map_err(refused)?;
        (coming.size, whole.finish().ok_or_else(incomplete)?, complaint)
    };
    if model == ColorModel::Cmyk && outline.adobe(bytes) {
        for sample in &mut samples {
            *sample = 255 - *sample;
        }
    }
    let pixels = Pixels { full_size, orientation, ..Pixels::new(size, model, Samples::U8(samples)) };
    Ok((pixels, complaint))
}

fn no_memory() -> DecodeError {
    DecodeError::limit("the pixels of a JPEG", "memory")
}

/// The library had another idea of the size than the walk, or ran out of units that it did not need.
fn incomplete() -> DecodeError {
    DecodeError::unsupported("libjpeg-turbo: not all rows of the picture")
}

/// What an error of libjpeg-turbo means for a picture whose every code was followed to its end: nothing about the bytes.
#[allow(clippy::needless_pass_by_value, reason = "maps errors")]
fn refused(complaint: Complaint) -> DecodeError {
    let limits = ["Insufficient memory", "Memory limit", "Image is too large", "Backing store", "scans"];
    if limits.iter().any(|part| complaint.text.contains(part)) {
        return DecodeError::limit(complaint.text, "what one picture may take");
    }
    DecodeError::unsupported(format!("libjpeg-turbo: {}", complaint.text))
}

/// The smallest power-of-two scale that serves the target. All scales read all of the data.
pub fn denominator(short_side: u32, target: Target) -> usize {
    let wanted = match target {
        Target::None => return 8,
        Target::Full => return 1,
        Target::AtLeast(side) => f64::from(side) * MARGIN,
    };
    let fits = |denominator: &u32| f64::from(short_side.div_ceil(*denominator)) >= wanted;
    [8, 4, 2].into_iter().find(fits).map_or(1, |denominator| denominator as usize)
}

/// Bytes that decoding holds: of files whose data comes in several scans all coefficients (2 bytes), the output or, where that can be
/// `reduced` on the way, a strip and the result; row buffers.
pub fn needs(frame: &Frame, interleaved: bool, target: Target, reduced: bool) -> u64 {
    /// What a reducer holds of the rows that it was given.
    const STRIP: u64 = 8 << 20;
    let denominator = denominator(frame.size.short_side(), target) as u64;
    let columns = u64::from(frame.size.width).div_ceil(denominator);
    let rows = u64::from(frame.size.height).div_ceil(denominator);
    let channels = frame.components.len() as u64;
    let coefficients = if frame.progressive() || !interleaved { frame.samples() * 2 } else { 0 };
    let buffers = u64::from(frame.size.width) * channels * ROW_BUFFERS + (1 << 20);
    let whole = columns * rows * channels;
    let output = match target {
        // Inks are not reduced on the way.
        Target::AtLeast(side) if reduced && channels <= 3 => {
            let (short, side) = (columns.min(rows).max(1), u64::from(side));
            let result = side.saturating_mul(side).saturating_mul(columns.max(rows)) / short * channels;
            // Strips have some rows at least, however long those are.
            whole.min(result.saturating_add(STRIP).saturating_add(columns * channels * 96))
        }
        _ => whole,
    };
    output + coefficients + buffers
}
