//! From the sample types of TIFF to ours.

use tiff::ColorType;
use tiff::decoder::DecodingResult;

use crate::media::structure::tiff::Page;
use crate::media::{ColorModel, Samples};
use crate::model::DecodeError;

use super::ycbcr::Ycbcr;

/// The samples of a decoded page, in our order and range.
pub fn to_samples(
    page: &Page,
    color: ColorType,
    decoded: DecodingResult,
) -> Result<(ColorModel, Samples), DecodeError> {
    let channels = match color {
        ColorType::Gray(_) | ColorType::Palette(_) => 1,
        ColorType::GrayA(_) | ColorType::Multiband { num_samples: 2, .. } => 2,
        ColorType::RGB(_) | ColorType::YCbCr(_) => 3,
        ColorType::RGBA(_) | ColorType::CMYK(_) => 4,
        other => return Err(DecodeError::unsupported(format!("TIFF pictures of kind {other:?}"))),
    };
    let (width, height) = (page.size.width as usize, page.size.height as usize);
    let count = width * height * channels;
    let bits = u32::from(color.bit_depth());
    if let ColorType::Palette(_) = color {
        let indices = if bits == 8 { bytes_of(decoded)? } else { unpack_raw(decoded, width, height, bits)? };
        return Ok((ColorModel::Rgb, Samples::U8(paint(page, &indices)?)));
    }
    let samples = if matches!(bits, 8 | 16 | 32 | 64) {
        full_width(decoded, color)
    } else {
        let raw = unpack(decoded, width * channels, height, bits);
        let max = u64::from((1u32 << bits.min(31)) - 1);
        Samples::U16(raw.into_iter().map(|value| scale(u64::from(value), max)).collect())
    };
    let samples = planes_to_pixels(samples, page, channels);
    let length = match &samples {
        Samples::U8(samples) => samples.len(),
        Samples::U16(samples) => samples.len(),
    };
    if length != count {
        return Err(DecodeError::unsupported(format!(
            "a TIFF picture of {length} samples where {count} are due"
        )));
    }
    Ok(match (color, samples) {
        (ColorType::YCbCr(_), Samples::U8(mut samples)) => {
            Ycbcr::of(page).paint(&mut samples);
            (ColorModel::Rgb, Samples::U8(samples))
        }
        (ColorType::YCbCr(_), _) => return Err(DecodeError::unsupported("YCbCr of more than 8 bits")),
        (ColorType::GrayA(_) | ColorType::Multiband { .. }, samples) => {
            (ColorModel::GrayAlpha, straight(page, samples, 2))
        }
        (ColorType::RGBA(_), samples) => (ColorModel::Rgba, straight(page, samples, 4)),
        (ColorType::RGB(_), samples) => (ColorModel::Rgb, samples),
        (ColorType::CMYK(_), samples) => (ColorModel::Cmyk, samples),
        (_, samples) => (ColorModel::Gray, samples),
    })
}

fn scale(value: u64, max: u64) -> u16 {
    let scaled = (u128::from(value) * 65535 + u128::from(max) / 2) / u128::from(max.max(1));
    u16::try_from(scaled).unwrap_or(u16::MAX)
}

/// Samples of 8, 16, 32 or 64 bits. Signed ones are moved up by half of their range; those of 8 bits are taken for unsigned, as
/// ImageMagick takes them, which reads TIFF for Immich.
fn full_width(decoded: DecodingResult, color: ColorType) -> Samples {
    use DecodingResult as D;
    match decoded {
        D::U8(samples) => Samples::U8(samples),
        D::U16(samples) => Samples::U16(samples),
        D::U32(samples) => {
            Samples::U16(samples.into_iter().map(|s| scale(s.into(), u32::MAX.into())).collect())
        }
        D::U64(samples) => Samples::U16(samples.into_iter().map(|s| scale(s, u64::MAX)).collect()),
        D::I8(samples) => Samples::U8(samples.into_iter().map(i8::cast_unsigned).collect()),
        D::I16(samples) => Samples::U16(samples.into_iter().map(|s| s.cast_unsigned() ^ 0x8000).collect()),
        D::I32(samples) => {
            let moved = samples.into_iter().map(|s| s.cast_unsigned() ^ 0x8000_0000);
            Samples::U16(moved.map(|s| scale(s.into(), u32::MAX.into())).collect())
        }
        D::I64(samples) => {
            let moved = samples.into_iter().map(|s| s.cast_unsigned() ^ 1 << 63);
            Samples::U16(moved.map(|s| scale(s, u64::MAX)).collect())
        }
        D::F16(samples) => {
            floats(&samples.into_iter().map(|s| f64::from(s.to_f32())).collect::<Vec<_>>(), color)
        }
        D::F32(samples) => floats(&samples.into_iter().map(f64::from).collect::<Vec<_>>(), color),
        D::F64(samples) => floats(&samples, color),
    }
}

/// Floating point samples, as libvips takes them: colours are linear light from 0 to 1 (scRGB) and get the curve of sRGB
/// (IEC 61966-2-1), grey counts from 0 to 255, and what lies outside is cut. Ink has no such rule: 0 to 1 is the whole range.
fn floats(samples: &[f64], color: ColorType) -> Samples {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 65535; not a number becomes 0"
    )]
    let spread = |s: f64| (s.clamp(0.0, 1.0) * 65535.0).round() as u16;
    let curved =
        |s: f64| spread(if s <= 0.003_130_8 { s * 12.92 } else { 1.055 * s.powf(1.0 / 2.4) - 0.055 });
    let alpha = |at: usize| matches!(color, ColorType::RGBA(_)) && at % 4 == 3;
    match color {
        ColorType::RGB(_) | ColorType::RGBA(_) => {
            let value = |(at, &s): (usize, &f64)| if alpha(at) { spread(s) } else { curved(s) };
            Samples::U16(samples.iter().enumerate().map(value).collect())
        }
        ColorType::CMYK(_) => Samples::U16(samples.iter().map(|&s| spread(s)).collect()),
        _ => Samples::U16(samples.iter().map(|&s| spread(s.floor() / 255.0)).collect()),
    }
}

fn bytes_of(decoded: DecodingResult) -> Result<Vec<u16>, DecodeError> {
    match decoded {
        DecodingResult::U8(samples) => Ok(samples.into_iter().map(u16::from).collect()),
        DecodingResult::U16(samples) => Ok(samples),
        _ => Err(DecodeError::unsupported("a palette picture with such samples")),
    }
}

fn unpack_raw(
    decoded: DecodingResult,
    width: usize,
    height: usize,
    bits: u32,
) -> Result<Vec<u16>, DecodeError> {
    if bits == 16 { bytes_of(decoded) } else { Ok(unpack(decoded, width, height, bits)) }
}

/// Samples of any number of bits below 16: packed, the highest bit first, every row at a whole byte.
fn unpack(mut decoded: DecodingResult, per_row: usize, height: usize, bits: u32) -> Vec<u16> {
    let buffer = decoded.as_buffer(0);
    let bytes = buffer.as_bytes();
    let row_bytes = (per_row * bits as usize).div_ceil(8);
    let mut out = Vec::with_capacity(per_row * height);
    for row in bytes.chunks(row_bytes.max(1)).take(height) {
        let (mut held, mut count) = (0u64, 0u32);
        let mut left = per_row;
        for &byte in row {
            held = held << 8 | u64::from(byte);
            count += 8;
            while count >= bits && left > 0 {
                count -= bits;
                let value = held >> count & ((1 << bits) - 1);
                out.push(u16::try_from(value).unwrap_or(u16::MAX));
                left -= 1;
            }
            held &= (1 << count) - 1;
        }
    }
    out
}

/// The colour table has all reds, then all greens, then all blues.
fn paint(page: &Page, indices: &[u16]) -> Result<Vec<u8>, DecodeError> {
    let colors = page.palette.len() / 3;
    if colors == 0 {
        return Err(DecodeError::malformed("a palette picture without a colour table", page.at));
    }
    let at = |index: usize| page.palette.get(index).map_or(0, |value| value.to_be_bytes()[0]);
    let rgb = |&index: &u16| {
        let index = usize::from(index);
        [at(index), at(index + colors), at(index + 2 * colors)]
    };
    Ok(indices.iter().flat_map(rgb).collect())
}

/// Planar pictures come plane by plane.
fn planes_to_pixels(samples: Samples, page: &Page, channels: usize) -> Samples {
    fn weave<T: Copy + Default>(samples: &[T], channels: usize) -> Vec<T> {
        let plane = samples.len() / channels;
        let mut out = vec![T::default(); plane * channels];
        for (channel, plane) in samples.chunks_exact(plane.max(1)).take(channels).enumerate() {
            for (to, from) in out.iter_mut().skip(channel).step_by(channels).zip(plane) {
                *to = *from;
            }
        }
        out
    }
    if !page.planar || channels == 1 {
        return samples;
    }
    match samples {
        Samples::U8(samples) => Samples::U8(weave(&samples, channels)),
        Samples::U16(samples) => Samples::U16(weave(&samples, channels)),
    }
}

/// Divides colours by alpha where the file stores them multiplied (ExtraSamples 1).
fn straight(page: &Page, samples: Samples, channels: usize) -> Samples {
    fn divide<T: Copy + TryFrom<u32>>(samples: &mut [T], channels: usize, max: u32)
    where
        u32: From<T>,
    {
        for pixel in samples.chunks_exact_mut(channels) {
            let Some((alpha, colors)) = pixel.split_last_mut() else { continue };
            let alpha = u32::from(*alpha);
            for color in colors.iter_mut().filter(|_| alpha > 0 && alpha < max) {
                let value =
                    (u64::from(u32::from(*color)) * u64::from(max) / u64::from(alpha)).min(max.into());
                *color =
                    u32::try_from(value).ok().and_then(|value| T::try_from(value).ok()).unwrap_or(*color);
            }
        }
    }
    if page.extra_sample != Some(1) {
        return samples;
    }
    match samples {
        Samples::U8(mut samples) => {
            divide(&mut samples, channels, 255);
            Samples::U8(samples)
        }
        Samples::U16(mut samples) => {
            divide(&mut samples, channels, 65535);
            Samples::U16(samples)
        }
    }
}
