//! From sensor data to pixels.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rawler::cfa::CFA;
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

/// Rows of binned pixels that are developed together: a whole picture takes several times its size, in floating point.
const STRIP: usize = 64;

pub(super) fn pixels(mut image: RawImage, target: Target, noted: Noted) -> Result<Pixels, DecodeError> {
    let full = shown(&image);
    image.crop_area = None;
    let full_size = PixelSize::new(side(full.d.w), side(full.d.h));
    let small_enough = matches!(target, Target::AtLeast(wanted) if full_size.short_side() / 2 >= wanted);
    let developed = catch_unwind(AssertUnwindSafe(|| {
        let binned = if small_enough { Binned::new(&mut image, full) } else { None };
        match binned {
            Some(binned) => binned.develop(),
            None => develop(&image),
        }
    }));
    let Developed { size, model, samples } = match developed {
        Ok(developed) => developed?,
        Err(panic) => return Err(crashed(panic.as_ref())),
    };
    Ok(Pixels {
        full_size,
        orientation: noted.orientation.unwrap_or(Orientation::UPRIGHT),
        exif_colorspace: noted.colorspace,
        bits_per_sample: noted.bits,
        ..Pixels::new(size, model, Samples::U16(samples))
    })
}

/// Finished pixels.
struct Developed {
    size: PixelSize,
    model: ColorModel,
    samples: Vec<u16>,
}

/// Has rawler develop a picture.
fn develop(image: &RawImage) -> Result<Developed, DecodeError> {
    let developed = RawDevelop::default()
        .develop_intermediate(image)
        .map_err(|error| DecodeError::unsupported(format!("rawler: {error}")))?;
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
    Ok(Developed { size, model, samples })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the type")]
fn to_u16(value: f32) -> u16 {
    (value.clamp(0.0, 1.0) * 65_535.0 + 0.5) as u16
}

/// One RGB pixel of each 2 by 2 cells of a Bayer sensor, black level taken off, cropped to what is shown.
struct Binned {
    cells: Vec<u16>,
    /// Cells in a row.
    pitch: usize,
    cfa: CFA,
    /// By place in a square of cells.
    black: [f32; 4],
    white: [f32; 4],
    area: Rect,
    /// All about the picture but its pixels.
    image: RawImage,
}

impl Binned {
    /// Takes the cells out of the picture; `None` for other sensors.
    fn new(image: &mut RawImage, area: Rect) -> Option<Self> {
        let RawPhotometricInterpretation::Cfa(config) = &image.photometric else { return None };
        if config.sensor != SensorType::Bayer || !config.cfa.is_rgb() || image.cpp != 1 {
            return None;
        }
        if image.fuji_rotation_width.is_some() {
            return None;
        }
        let RawImageData::Integer(cells) = &mut image.data else { return None };
        let cells = std::mem::take(cells);
        let mut binned = Self {
            cells,
            pitch: image.width,
            cfa: config.cfa.clone(),
            black: image.blacklevel.as_bayer_array(),
            white: image.whitelevel.as_bayer_array(),
            area,
            image: image.clone(),
        };
        if !is_plausible(image.wb_coeffs) {
            binned.image.wb_coeffs = grey_world(binned.rows(0..binned.size().1));
        }
        Some(binned)
    }

    /// Pixels across and down.
    const fn size(&self) -> (usize, usize) {
        (self.area.d.w / 2, self.area.d.h / 2)
    }

    fn pixel(&self, column: usize, row: usize) -> [u16; 3] {
        let (x, y) = (self.area.p.x + column * 2, self.area.p.y + row * 2);
        let mut sums = [(0.0f32, 0.0f32); 3];
        for (row, column) in [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)] {
            let value = f32::from(self.cells.get(row * self.pitch + column).copied().unwrap_or(0));
            let place = row % 2 * 2 + column % 2;
            let (Some(&black), Some(&white)) = (self.black.get(place), self.white.get(place)) else {
                continue;
            };
            if let Some((sum, count)) = sums.get_mut(self.cfa.color_at(row, column)) {
                *sum += (value - black) / (white - black).max(1.0);
                *count += 1.0;
            }
        }
        sums.map(|(sum, count)| to_u16(sum / count.max(1.0)))
    }

    fn rows(&self, rows: Range<usize>) -> impl Iterator<Item = [u16; 3]> {
        let columns = self.size().0;
        rows.flat_map(move |row| (0..columns).map(move |column| self.pixel(column, row)))
    }

    /// Has rawler develop all of it, strip by strip: what it does to whole pixels it does to each alone.
    fn develop(&self) -> Result<Developed, DecodeError> {
        let (columns, rows) = self.size();
        let mut samples = Vec::new();
        let memory = || DecodeError::limit("the pixels of a raw", "memory");
        samples.try_reserve_exact(columns * rows * 3).map_err(|_| memory())?;
        for first in (0..rows).step_by(STRIP) {
            let rows = first..rows.min(first + STRIP);
            samples.extend(develop(&self.strip(rows))?.samples);
        }
        Ok(Developed { size: PixelSize::new(side(columns), side(rows)), model: ColorModel::Rgb, samples })
    }

    /// Some rows as a picture of their own.
    fn strip(&self, rows: Range<usize>) -> RawImage {
        RawImage {
            width: self.size().0,
            height: rows.len(),
            cpp: 3,
            data: RawImageData::Integer(self.rows(rows).flatten().collect()),
            photometric: RawPhotometricInterpretation::LinearRaw,
            blacklevel: BlackLevel::zero(1, 1, 3),
            whitelevel: WhiteLevel::new([65_535; 3]),
            active_area: None,
            crop_area: None,
            ..self.image.clone()
        }
    }
}

/// No light is so red or blue that a channel must be raised more than this over another.
const MAX_GAIN: f32 = 10.0;

/// Whether a white balance can be a camera's. rawler misreads that of some Nikons.
fn is_plausible([red, green, blue, _]: [f32; 4]) -> bool {
    let (least, most) = (red.min(green).min(blue), red.max(green).max(blue));
    red.is_nan() || (least > 0.0 && most / least <= MAX_GAIN)
}

/// The white balance that makes the mean of all pixels grey.
fn grey_world(pixels: impl Iterator<Item = [u16; 3]>) -> [f32; 4] {
    let mut sums = [1u64; 3];
    for pixel in pixels {
        sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(value));
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
        let [red, green, blue, _] = grey_world([[100, 200, 50]; 2].into_iter());
        assert!((red - 2.0).abs() < 0.02 && (green - 1.0).abs() < 0.02 && (blue - 4.0).abs() < 0.1);
    }
}
