//! From sensor data to pixels.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rawler::imgop::Rect;
use rawler::imgop::develop::{Intermediate, RawDevelop};
use rawler::imgop::sensor::SensorType;
use rawler::rawimage::{BlackLevel, RawPhotometricInterpretation, WhiteLevel};
use rawler::{RawImage, RawImageData};

use crate::media::{ColorModel, Pixels, Samples};
use crate::model::{DecodeError, Orientation, PixelSize};

use super::super::Target;
use super::noted::Noted;
use super::{crashed, shown, side};

pub(super) fn pixels(mut image: RawImage, target: Target, noted: Noted) -> Result<Pixels, DecodeError> {
    let full = shown(&image);
    image.crop_area = None;
    let full_size = PixelSize::new(side(full.d.w), side(full.d.h));
    let small_enough = matches!(target, Target::AtLeast(wanted) if full_size.short_side() / 2 >= wanted);
    let developed = catch_unwind(AssertUnwindSafe(|| {
        let image = if small_enough { bin(image, full) } else { image };
        RawDevelop::default().develop_intermediate(&image)
    }));
    let developed = match developed {
        Ok(Ok(developed)) => developed,
        Ok(Err(error)) => return Err(DecodeError::unsupported(format!("rawler: {error}"))),
        Err(panic) => return Err(crashed(panic.as_ref())),
    };
    let size = PixelSize::new(side(developed.dim().w), side(developed.dim().h));
    let (model, samples) = match developed {
        Intermediate::Monochrome(plane) => {
            (ColorModel::Gray, plane.data.iter().map(|&value| to_u16(value)).collect())
        }
        Intermediate::ThreeColor(rgb) => {
            (ColorModel::Rgb, rgb.data.iter().flatten().map(|&value| to_u16(value)).collect())
        }
        Intermediate::FourColor(_) => return Err(DecodeError::unsupported("a sensor with four colours")),
    };
    Ok(Pixels {
        full_size,
        orientation: noted.orientation.unwrap_or(Orientation::UPRIGHT),
        exif_colorspace: noted.colorspace,
        bits_per_sample: noted.bits,
        ..Pixels::new(size, model, Samples::U16(samples))
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the type")]
fn to_u16(value: f32) -> u16 {
    (value.clamp(0.0, 1.0) * 65_535.0 + 0.5) as u16
}

/// Makes one RGB pixel of each 2 by 2 cells of a Bayer sensor, black level taken off, cropped to what is shown.
/// Other sensors come back as they are.
fn bin(mut image: RawImage, area: Rect) -> RawImage {
    let RawPhotometricInterpretation::Cfa(config) = &image.photometric else { return image };
    let RawImageData::Integer(cells) = &image.data else { return image };
    if config.sensor != SensorType::Bayer || !config.cfa.is_rgb() || image.cpp != 1 {
        return image;
    }
    let (black, white) = (image.blacklevel.as_bayer_array(), image.whitelevel.as_bayer_array());
    let cfa = config.cfa.clone();
    let width = area.d.w / 2;
    let mut binned: Vec<u16> = Vec::with_capacity(width * (area.d.h / 2) * 3);
    for y in (area.p.y..area.p.y + area.d.h / 2 * 2).step_by(2) {
        for x in (area.p.x..area.p.x + width * 2).step_by(2) {
            let mut sums = [(0.0f32, 0.0f32); 3];
            for (row, column) in [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)] {
                let value = f32::from(cells.get(row * image.width + column).copied().unwrap_or(0));
                let place = row % 2 * 2 + column % 2;
                let (Some(&black), Some(&white)) = (black.get(place), white.get(place)) else { continue };
                if let Some((sum, count)) = sums.get_mut(cfa.color_at(row, column)) {
                    *sum += (value - black) / (white - black).max(1.0);
                    *count += 1.0;
                }
            }
            binned.extend(sums.map(|(sum, count)| to_u16(sum / count.max(1.0))));
        }
    }
    if !is_plausible(image.wb_coeffs) {
        image.wb_coeffs = grey_world(&binned);
    }
    image.height = area.d.h / 2;
    image.width = width;
    image.cpp = 3;
    image.data = RawImageData::Integer(binned);
    image.photometric = RawPhotometricInterpretation::LinearRaw;
    image.blacklevel = BlackLevel::zero(1, 1, 3);
    image.whitelevel = WhiteLevel::new([65_535; 3]);
    image.active_area = None;
    image.crop_area = None;
    image
}

/// No light is so red or blue that a channel must be raised more than this over another.
const MAX_GAIN: f32 = 10.0;

/// Whether a white balance can be a camera's. rawler misreads that of some Nikons.
fn is_plausible([red, green, blue, _]: [f32; 4]) -> bool {
    let (least, most) = (red.min(green).min(blue), red.max(green).max(blue));
    red.is_nan() || (least > 0.0 && most / least <= MAX_GAIN)
}

/// The white balance that makes the mean of all pixels grey.
fn grey_world(rgb: &[u16]) -> [f32; 4] {
    let mut sums = [1u64; 3];
    for pixel in rgb.chunks_exact(3) {
        sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u64::from(value));
    }
    let [red, green, blue] = sums.map(|sum| sum as f32);
    [green / red, 1.0, green / blue, f32::NAN]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_white_balance_is_replaced() {
        assert!(is_plausible([2.1, 1.0, 1.6, f32::NAN]));
        assert!(!is_plausible([24.7, 1.0, 26.3, f32::NAN]));
        let [red, green, blue, _] = grey_world(&[100, 200, 50, 100, 200, 50]);
        assert!((red - 2.0).abs() < 0.02 && (green - 1.0).abs() < 0.02 && (blue - 4.0).abs() < 0.1);
    }
}
