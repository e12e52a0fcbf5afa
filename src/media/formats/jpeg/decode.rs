//! Pixels, by libjpeg-turbo, at the scale that the pictures need.

use super::turbo::{Complaint, Decompressor, Layout};
use crate::media::formats::Target;
use crate::media::structure::jpeg::{Frame, Outline};
use crate::media::{ColorModel, Limits, Pixels, Samples};
use crate::model::{DecodeError, Orientation, PixelSize};

/// A reduced scale is taken only if it leaves this many times the wanted short side: sharper scales cost too much fidelity.
const MARGIN: f64 = 1.25;
/// What the library holds besides coefficients and output: tables, row buffers per column.
const ROW_BUFFERS: u64 = 64;

/// Decodes a picture that the walk follows. A complaint means that the library found something odd, and went on.
pub fn decode(
    bytes: &[u8],
    outline: &Outline,
    target: Target,
    limits: &Limits,
) -> Result<(Pixels, Option<Complaint>), DecodeError> {
    // Whatever lies behind the picture is not the decoder's business.
    let picture = bytes.get(..outline.end.unwrap_or(bytes.len())).unwrap_or(bytes);
    let (mut decompressor, _) = Decompressor::new(picture, limits).map_err(refused)?;
    let header = decompressor.header();
    let side = u32::try_from(header.width.min(header.height)).unwrap_or(u32::MAX);
    decompressor.scale_down(denominator(side, target));
    let (columns, rows) = decompressor.output();
    let (mut samples, complaint) = decompressor.decode().map_err(refused)?;
    if header.layout == Layout::Cmyk && outline.adobe(bytes) {
        for sample in &mut samples {
            *sample = 255 - *sample;
        }
    }
    let size = |width: usize, height: usize| {
        PixelSize::new(u32::try_from(width).unwrap_or(u32::MAX), u32::try_from(height).unwrap_or(u32::MAX))
    };
    let pixels = Pixels {
        size: size(columns, rows),
        full_size: size(header.width, header.height),
        model: match header.layout {
            Layout::Gray => ColorModel::Gray,
            Layout::Rgb => ColorModel::Rgb,
            Layout::Cmyk => ColorModel::Cmyk,
        },
        samples: Samples::U8(samples),
        orientation: Orientation::UPRIGHT,
        icc: None,
        icc_unseen: false,
        exif_colorspace: None,
        bits_per_sample: 8,
        panorama: None,
        video_frame: None,
    };
    Ok((pixels, complaint))
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

/// Bytes that decoding holds: of files whose data comes in several scans all coefficients (2 bytes), the output, row buffers.
pub fn needs(frame: &Frame, interleaved: bool, target: Target) -> u64 {
    let denominator = denominator(frame.size.short_side(), target) as u64;
    let columns = u64::from(frame.size.width).div_ceil(denominator);
    let rows = u64::from(frame.size.height).div_ceil(denominator);
    let channels = frame.components.len() as u64;
    let coefficients = if frame.progressive() || !interleaved { frame.samples() * 2 } else { 0 };
    let buffers = u64::from(frame.size.width) * channels * ROW_BUFFERS + (1 << 20);
    columns * rows * channels + coefficients + buffers
}
