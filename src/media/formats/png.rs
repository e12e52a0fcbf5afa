//! PNG and APNG.
//!
//! Our own walk proves every checksum and every compressed stream; the `png` crate makes the pixels.

use std::io::Cursor;

use png::{BitDepth, ColorType, Transformations};

use crate::media::panorama::Panorama;
use crate::media::structure::png::{self as structure, Header, Outline};
use crate::media::{ColorModel, Limits, Pixels, Samples, Source, exif};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, within_limits};

/// The family.
pub struct Png;

static SPECS: &[FormatSpec] = &[FormatSpec {
    format: MediaFormat::Png,
    name: "PNG, APNG",
    extensions: &["png", "apng"],
    recognised_by: "signature of eight bytes",
    proves: "every chunk's checksum; every compressed stream, of all frames, ends with its checksum and gives all rows",
    blind_to: "nothing inside the chunks; bytes after IEND",
    preview: true,
}];

impl Format for Png {
    fn specs(&self) -> &'static [FormatSpec] {
        SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("png", "0.18")
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        head.starts_with(structure::SIGNATURE).then_some(MediaFormat::Png)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, target: Target) -> u64 {
        let mut head = [0; 33];
        let count = source.read_at(0, &mut head).unwrap_or(0);
        structure::walk(head.get(..count).unwrap_or_default())
            .header
            .map_or(1 << 20, |header| needs(header, target))
    }

    fn examine(&self, _format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let Wanted { depth, target, limits, .. } = wanted;
        let mut examined = Examined::by(self.decoder());
        let result =
            source.load(limits).and_then(|bytes| examine(&bytes, depth, target, limits, &mut examined));
        examined.problem = result.err();
        examined
    }
}

/// Bytes that decoding holds: none worth counting without pixels; for 16 bits the samples twice while they are put in order.
fn needs(header: Header, target: Target) -> u64 {
    let row = u64::from(header.size.width) * 8 * 2;
    if target == Target::None {
        return row + (1 << 20);
    }
    let bytes_per_pixel = if header.depth == 16 { 4 * 2 * 2 } else { 4 };
    header.size.pixels().saturating_mul(bytes_per_pixel) + row + (1 << 20)
}

fn examine(
    bytes: &[u8],
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let mut outline = structure::walk(bytes);
    let facts = outline.exif.clone().and_then(|range| bytes.get(range)).map(exif::read).unwrap_or_default();
    examined.orientation = facts.orientation.unwrap_or(Orientation::UPRIGHT);
    if let Some(header) = outline.header {
        let size = header.size;
        examined.size = Some(if examined.orientation.transposes() { size.transposed() } else { size });
    }
    let problem = check(bytes, &mut outline, depth, target, limits).err();
    let by = examined.decoder.clone();
    examined.faults.extend(outline.oddities.drain(..).map(|error| Fault { error, by: by.clone() }));
    let fits = problem.as_ref().is_none_or(|problem| problem.damage().is_some());
    if target != Target::None && depth != Depth::Structure && fits && !outline.apple {
        match decode(bytes, examined.orientation, facts.colorspace) {
            Ok(mut pixels) => {
                let xmp = outline.xmp.clone().and_then(|range| bytes.get(range));
                pixels.panorama = xmp.and_then(Panorama::read);
                examined.pixels = Some(pixels);
            }
            Err(error) if problem.is_none() => return Err(error),
            Err(_) => {}
        }
    }
    problem.map_or(Ok(()), Err)
}

fn check(
    bytes: &[u8],
    outline: &mut Outline,
    depth: Depth,
    target: Target,
    limits: &Limits,
) -> Result<(), DecodeError> {
    if let Some(header) = outline.header {
        within_limits(header.size, needs(header, target), limits)?;
    }
    if let Some(problem) = outline.problem.take() {
        return Err(problem);
    }
    if outline.apple {
        return Err(DecodeError::unsupported("Apple's own PNG variant (CgBI)"));
    }
    if depth == Depth::Structure { Ok(()) } else { outline.inflate_all(bytes) }
}

fn decode(
    bytes: &[u8],
    orientation: Orientation,
    exif_colorspace: Option<String>,
) -> Result<Pixels, DecodeError> {
    let failed = |error: png::DecodingError| match error {
        png::DecodingError::LimitsExceeded => DecodeError::limit("a PNG picture", "memory"),
        error => DecodeError::malformed(error.to_string(), None),
    };
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_limits(png::Limits { bytes: usize::MAX });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(failed)?;
    let length = reader.output_buffer_size().ok_or_else(|| DecodeError::limit("a PNG picture", "memory"))?;
    let mut buffer = vec![0; length];
    let frame = reader.next_frame(&mut buffer).map_err(failed)?;
    buffer.truncate(frame.buffer_size());
    let info = reader.info();
    let size = crate::model::PixelSize::new(info.width, info.height);
    let model = match frame.color_type {
        ColorType::Grayscale => ColorModel::Gray,
        ColorType::GrayscaleAlpha => ColorModel::GrayAlpha,
        ColorType::Rgb | ColorType::Indexed => ColorModel::Rgb,
        ColorType::Rgba => ColorModel::Rgba,
    };
    let samples = if frame.bit_depth == BitDepth::Sixteen {
        let pairs = buffer.chunks_exact(2);
        Samples::U16(pairs.map(|pair| pair.try_into().map_or(0, u16::from_be_bytes)).collect())
    } else {
        Samples::U8(buffer)
    };
    Ok(Pixels {
        orientation,
        icc: info.icc_profile.as_deref().map(<[u8]>::to_vec),
        exif_colorspace,
        bits_per_sample: info.bit_depth as u8,
        ..Pixels::new(size, model, samples)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::super::testing::{examine_bytes, noise, prefixes};
    use super::*;

    pub fn encode(width: u32, height: u32, color: ColorType, depth: BitDepth) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        let bytes = width as usize * height as usize * color.samples() * (depth as usize / 8);
        encoder.write_header().unwrap().write_image_data(&noise(bytes)).unwrap();
        out
    }

    #[test]
    fn eight_and_sixteen_bits() {
        let bytes = encode(31, 17, ColorType::Rgb, BitDepth::Eight);
        let pixels = examine_bytes(&Png, &bytes, Target::Full).unwrap();
        assert_eq!((pixels.model, pixels.bits_per_sample), (ColorModel::Rgb, 8));
        assert_eq!(pixels.samples, Samples::U8(noise(31 * 17 * 3)));

        let bytes = encode(5, 4, ColorType::GrayscaleAlpha, BitDepth::Sixteen);
        let pixels = examine_bytes(&Png, &bytes, Target::Full).unwrap();
        let Samples::U16(samples) = &pixels.samples else { panic!("16 bits were lost") };
        assert_eq!(samples[0].to_be_bytes(), noise(2)[..]);
    }

    #[test]
    fn no_prefix_is_sound() {
        let bytes = encode(40, 30, ColorType::Rgba, BitDepth::Eight);
        prefixes(&Png, &bytes, bytes.len());
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let bytes = encode(20, 20, ColorType::Rgb, BitDepth::Eight);
        for at in 8..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(examine_bytes(&Png, &damaged, Target::None).is_err(), "byte {at}");
        }
    }

    #[test]
    fn bytes_after_the_end_are_harmless() {
        let mut bytes = encode(20, 20, ColorType::Rgb, BitDepth::Eight);
        bytes.extend(b"trailing");
        assert!(examine_bytes(&Png, &bytes, Target::Full).is_ok());
    }

    #[test]
    fn a_bomb_meets_the_limit() {
        let mut bytes = encode(8, 8, ColorType::Rgb, BitDepth::Eight);
        bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let error = examine_bytes(&Png, &bytes, Target::Full).unwrap_err();
        assert!(matches!(error, DecodeError::LimitExceeded { .. }), "{error:?}");
    }
}
