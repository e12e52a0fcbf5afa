//! Resizing in linear light, as Immich does from some version after 3.1 on: small bright things keep their brightness.

use super::RenderError;
use super::raster::{Picture, Raster};
use super::resize::{Fit, Resizer};
use crate::media::Samples;
use crate::model::PixelSize;

/// The picture at another size, mixed in light and not in codes. Both output colour spaces have the curve of sRGB
/// (IEC 61966-2-1); alpha is linear already.
pub fn resize(
    resizer: &mut Resizer,
    source: &Picture,
    size: PixelSize,
    fit: Fit,
) -> Result<Picture, RenderError> {
    let light: Vec<u16> = (0..=255_u8).map(to_light).collect();
    let alpha = source.alpha;
    let is_alpha = |at: usize| alpha && at % 4 == 3;
    let spread = |(at, &sample): (usize, &u8)| {
        if is_alpha(at) {
            u16::from(sample) * 257
        } else {
            light.get(usize::from(sample)).copied().unwrap_or(0)
        }
    };
    let wide = source.samples.iter().enumerate().map(spread).collect();
    let wide = Raster::new(source.size, source.model(), Samples::U16(wide))?;
    let small = resizer.raster(&wide, size, fit)?;
    drop(wide);
    let Samples::U16(values) = small.samples() else {
        return Err(RenderError::new("resize", "the depth changed"));
    };
    let codes: Vec<u8> = (0..=u16::MAX).map(to_code).collect();
    let narrow = |(at, &value): (usize, &u16)| {
        if is_alpha(at) {
            value.to_be_bytes()[0]
        } else {
            codes.get(usize::from(value)).copied().unwrap_or(u8::MAX)
        }
    };
    let samples = values.iter().enumerate().map(narrow).collect();
    Ok(Picture { size, alpha, samples })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 65535")]
fn to_light(code: u8) -> u16 {
    let code = f32::from(code) / 255.0;
    let light = if code <= 0.040_45 { code / 12.92 } else { ((code + 0.055) / 1.055).powf(2.4) };
    (light * 65_535.0).round() as u16
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 255")]
fn to_code(light: u16) -> u8 {
    let light = f32::from(light) / 65_535.0;
    let code = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (code * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn every_code_comes_back() {
        for code in 0..=255 {
            assert_eq!(to_code(to_light(code)), code);
        }
    }

    #[test]
    fn half_of_the_light_is_188() {
        for alpha in [false, true] {
            let pixel = |on: bool| if on { [255; 4] } else { [0, 0, 0, 255] };
            let channels = if alpha { 4 } else { 3 };
            let samples: Vec<u8> = (0..64 * 64)
                .flat_map(|at| pixel((at / 64 + at) % 2 == 0).into_iter().take(channels))
                .collect();
            let board = Picture { size: PixelSize::new(64, 64), alpha, samples };
            let small = resize(&mut Resizer::default(), &board, PixelSize::new(8, 8), Fit::Outside).unwrap();
            let middle = small.samples[(4 * 8 + 4) * channels];
            assert!(middle.abs_diff(188) <= 1, "{middle}");
        }
    }
}
