//! Pixels, at the scale that the pictures need: by libjpeg-turbo, or straight from the coefficients that the walk gives.

use super::scaled::Scaled;
use super::turbo::{Complaint, Decompressor, Header, Layout};
use crate::media::formats::{Target, preview_bytes};
use crate::media::structure::jpeg::{Frame, Outline};
use crate::media::structure::jpeg_walk::Units;
use crate::media::{ColorModel, Coming, Limits, Pixels, Reduce, Rows, Samples, Whole};
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
/// With `units` the walk supplies the coefficients, as long as it lasts: an error then says nothing of the picture. With `reduce` the pixels may be what that made of them.
pub fn decode(
    picture: Picture<'_>,
    units: Option<&mut dyn Units>,
    reduce: Option<&mut dyn Reduce>,
) -> Result<(Pixels, Option<Complaint>), DecodeError> {
    let Picture { bytes, outline, orientation, target, limits } = picture;
    // Whatever lies behind the picture is not the decoder's business.
    let picture = bytes.get(..outline.end.unwrap_or(bytes.len())).unwrap_or(bytes);
    let source = Source::new(picture, outline, target, units, limits)?;
    let header = source.header;
    let size = |(width, height): (usize, usize)| {
        PixelSize::new(u32::try_from(width).unwrap_or(u32::MAX), u32::try_from(height).unwrap_or(u32::MAX))
    };
    let full_size = size((header.width, header.height));
    let model = match header.layout {
        Layout::Gray => ColorModel::Gray,
        Layout::Rgb => ColorModel::Rgb,
        Layout::Cmyk => ColorModel::Cmyk,
    };
    let coming = Coming { size: size(source.output()), full_size, model, orientation };
    // Inks that are stored the other way round are turned first.
    let reduce = reduce.filter(|_| model != ColorModel::Cmyk);
    let reduce = reduce.and_then(|reduce| reduce.begin(&coming).then_some(reduce));
    let (size, mut samples, complaint) = if let Some(reduce) = reduce {
        let complaint = source.decode(reduce)?;
        let (size, samples) = reduce.finish().ok_or_else(incomplete)?;
        (size, samples, complaint)
    } else {
        let (columns, rows) = source.output();
        let mut whole = Whole::new(columns * header.layout.channels(), rows).ok_or_else(no_memory)?;
        let complaint = source.decode(&mut whole)?;
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

/// Where rows come from.
struct Source<'a, 'u> {
    header: Header,
    units: Option<&'u mut dyn Units>,
    maker: Maker<'a>,
}

enum Maker<'a> {
    Turbo(Decompressor<'a>),
    Ours(Scaled),
}

impl<'a, 'u> Source<'a, 'u> {
    fn new(
        bytes: &'a [u8],
        outline: &Outline,
        target: Target,
        units: Option<&'u mut dyn Units>,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let (mut decompressor, _) = Decompressor::new(bytes, limits).map_err(refused)?;
        let header = decompressor.header();
        let side = u32::try_from(header.width.min(header.height)).unwrap_or(u32::MAX);
        let eighths = eighths(side, target);
        let shown = header.ycc || header.layout == Layout::Gray;
        let frame = outline.frame.as_ref().filter(|_| shown && eighths < 8);
        let ours = frame.zip(units.as_deref()).and_then(|(frame, units)| Scaled::new(frame, eighths, units));
        if let Some(ours) = ours {
            return Ok(Self { header, units, maker: Maker::Ours(ours) });
        }
        // Of progressive pictures the library reads all scans before the first unit.
        if units.is_some() && outline.frame.as_ref().is_some_and(Frame::progressive) {
            return Err(DecodeError::unsupported("a progressive JPEG out of coefficients"));
        }
        decompressor.scale_down(denominator(eighths));
        Ok(Self { header, units, maker: Maker::Turbo(decompressor) })
    }

    /// Columns and rows.
    const fn output(&self) -> (usize, usize) {
        match &self.maker {
            Maker::Turbo(decompressor) => decompressor.output(),
            Maker::Ours(scaled) => scaled.size(),
        }
    }

    fn decode(self, rows: &mut dyn Rows) -> Result<Option<Complaint>, DecodeError> {
        match (self.maker, self.units) {
            (Maker::Turbo(decompressor), units) => decompressor.decode(units, rows).map_err(refused),
            (Maker::Ours(scaled), Some(units)) => {
                scaled.decode(units, rows).ok_or_else(no_memory)?;
                Ok(None)
            }
            (Maker::Ours(_), None) => Err(incomplete()),
        }
    }
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

/// The smallest number of eighths of the size that serves the target. All scales read all of the data.
pub fn eighths(short_side: u32, target: Target) -> usize {
    let wanted = match target {
        Target::None => return 1,
        Target::Full => return 8,
        Target::AtLeast(side) => f64::from(side) * MARGIN,
    };
    let side = |eighths: usize| (u64::from(short_side) * eighths as u64).div_ceil(8) as f64;
    (1..8).find(|&eighths| side(eighths) >= wanted).unwrap_or(8)
}

/// Frequencies of the coefficients of a progressive picture that make its pixels here, as a pull of the walk wants them told.
pub fn heard(frame: &Frame, target: Target) -> usize {
    let eighths = eighths(frame.size.short_side(), target);
    if matches!(frame.components.len(), 1 | 3) && eighths < 8 { eighths } else { 0 }
}

/// The smallest power-of-two scale of so many eighths at least: libjpeg-turbo has vector instructions for those.
const fn denominator(eighths: usize) -> usize {
    8 / eighths.next_power_of_two()
}

/// Bytes of a picture that is reduced on the way, as RGB: inks are not.
pub fn reduced(frame: &Frame, target: Target) -> Option<u64> {
    let Target::AtLeast(side) = target else { return None };
    (frame.components.len() <= 3).then(|| preview_bytes(frame.size, side))
}

/// Bytes of all coefficients, which the library holds where the data comes in several scans.
pub fn coefficients(frame: &Frame, interleaved: bool) -> u64 {
    if frame.progressive() || !interleaved { frame.samples() * 2 } else { 0 }
}

/// Bytes that decoding holds: coefficients, the output or, where that can be reduced on the way, a strip and the result; row buffers.
pub fn needs(frame: &Frame, interleaved: bool, target: Target, can_reduce: bool) -> u64 {
    /// What a reducer holds of the rows that it was given, and rows of it at least: strips, and lines of the result.
    const STRIP: u64 = 1 << 20;
    const ROWS: u64 = 128;
    let denominator = denominator(eighths(frame.size.short_side(), target)) as u64;
    let columns = u64::from(frame.size.width).div_ceil(denominator);
    let rows = u64::from(frame.size.height).div_ceil(denominator);
    let channels = frame.components.len() as u64;
    let buffers = u64::from(frame.size.width) * channels * ROW_BUFFERS + (1 << 20);
    let whole = columns * rows * channels;
    let output = reduced(frame, target).filter(|_| can_reduce).map_or(whole, |result| {
        whole.min(result.saturating_add(STRIP).saturating_add(columns * channels * ROWS))
    });
    output + coefficients(frame, interleaved) + buffers
}
