//! Resizing with the Lanczos3 kernel on gamma-encoded samples, as libvips does by default.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{Filter, FilterType, PixelType, ResizeAlg, ResizeOptions};

use super::RenderError;
use super::kernel::{RADIUS, lanczos3};
use super::lower;
use super::raster::{Picture, Raster, sample_count};
use crate::media::{ColorModel, Samples};
use crate::model::PixelSize;

/// Scratch memory above this is given back after a picture; most pictures stay below.
const KEPT_SCRATCH: usize = 48 << 20;

/// How a picture is brought to another size. libvips scales both axes by the same factor, that of the side which comes out
/// exact; of the other side, rounded to whole pixels, the result then shows a little more or less than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The shorter side is exact.
    Outside,
    /// The longer side is exact.
    Inside,
    /// Each axis has its own factor: FFmpeg's way.
    Fill,
}

impl Fit {
    /// Width and height of the part of the source that the result shows, centred, possibly beyond its edges.
    pub(super) fn shown(self, from: PixelSize, to: PixelSize) -> (f64, f64) {
        let [width, height, columns, rows] = [from.width, from.height, to.width, to.height].map(f64::from);
        let factor = match (self, width <= height) {
            (Self::Outside, true) | (Self::Inside, false) => width / columns,
            (Self::Outside, false) | (Self::Inside, true) => height / rows,
            (Self::Fill, _) => return (width, height),
        };
        let side = |length: f64, found: f64| {
            let beyond = (length * factor - found).abs();
            // More than rounding is a side that would come out below one pixel; less is the exact side.
            if beyond > factor * 0.75 || beyond < 1e-6 * found { found } else { length * factor }
        };
        (side(columns, width), side(rows, height))
    }
}

/// Resizes pictures, with scratch memory that is kept from one to the next.
#[derive(Debug)]
pub struct Resizer {
    inner: fast_image_resize::Resizer,
    filter: FilterType,
}

impl Default for Resizer {
    fn default() -> Self {
        let filter =
            Filter::new("Lanczos3", lanczos3, RADIUS).map_or(FilterType::Lanczos3, FilterType::Custom);
        Self { inner: fast_image_resize::Resizer::default(), filter }
    }
}

impl Resizer {
    /// The picture at another size; colours are weighted by alpha where there is one.
    pub fn raster(&mut self, source: &Raster, size: PixelSize, fit: Fit) -> Result<Raster, RenderError> {
        let (model, count) = (source.model(), sample_count(size, source.model())?);
        let wide = matches!(source.samples(), Samples::U16(_));
        let step = Step { pixel: pixel_type(model, wide), alpha: model.has_alpha(), fit };
        let samples = if wide {
            let mut samples = vec![0_u16; count];
            let bytes = bytemuck::cast_slice_mut(&mut samples);
            self.resize(step, (source.bytes(), source.size()), (bytes, size))?;
            Samples::U16(samples)
        } else {
            let mut samples = vec![0_u8; count];
            self.resize(step, (source.bytes(), source.size()), (&mut samples, size))?;
            Samples::U8(samples)
        };
        Raster::new(size, model, samples)
    }

    /// The same for a finished picture.
    pub fn picture(&mut self, source: &Picture, size: PixelSize, fit: Fit) -> Result<Picture, RenderError> {
        let model = source.model();
        let mut samples = vec![0_u8; sample_count(size, model)?];
        let step = Step { pixel: pixel_type(model, false), alpha: source.alpha, fit };
        if source.alpha || lower::block(source.size.height as usize, size.height as usize) < 2 {
            self.resize(step, (&source.samples, source.size), (&mut samples, size))?;
        } else {
            self.lowered(step, (&source.samples, source.size), (&mut samples, size))?;
        }
        Ok(Picture { size, alpha: source.alpha, samples })
    }

    fn resize(
        &mut self,
        step: Step,
        (source, from): Given<'_>,
        (target, to): Room<'_>,
    ) -> Result<(), RenderError> {
        let (width, height) = step.fit.shown(from, to);
        let (beyond_x, beyond_y) = (width - f64::from(from.width), height - f64::from(from.height));
        if step.alpha || (beyond_x <= 0.0 && beyond_y <= 0.0) {
            let (width, height) = (width.min(from.width.into()), height.min(from.height.into()));
            self.part(step, (source, from), (target, to), (width, height))?;
        } else if beyond_x > 0.0 {
            self.beyond_columns(step, (source, from), (target, to), width)?;
        } else {
            self.beyond_rows(step, (source, from), (target, to), height)?;
        }
        if self.inner.size_of_internal_buffers() > KEPT_SCRATCH {
            self.inner.reset_internal_buffers();
        }
        Ok(())
    }

    /// Rows first, in blocks, and then columns.
    fn lowered(
        &mut self,
        step: Step,
        (source, from): Given<'_>,
        (target, to): Room<'_>,
    ) -> Result<(), RenderError> {
        let (width, height) = step.fit.shown(from, to);
        let (left, top) = ((f64::from(from.width) - width) / 2.0, (f64::from(from.height) - height) / 2.0);
        let pitch = from.width as usize * step.pixel.size();
        let lines = lower::lower(source, pitch, (top, height), to.height as usize);
        let lines = lines.ok_or_else(|| RenderError::new("resize", "samples do not fit the size"))?;
        let low = PixelSize::new(from.width, to.height);
        self.columns(step, (&lines, low), (target, to), (left, width))
    }

    /// Scales rows of the right number to these columns, possibly beyond their ends.
    fn columns(
        &mut self,
        step: Step,
        (lines, from): Given<'_>,
        (target, to): Room<'_>,
        (left, width): (f64, f64),
    ) -> Result<(), RenderError> {
        let extra = repeats(width, from.width);
        if extra == 0 {
            return self.region(step, (lines, from), (target, to), (left, 0.0, width, from.height.into()));
        }
        let padded = PixelSize::new(from.width.saturating_add(2 * extra), from.height);
        let mut wider = Scratch::with_columns_repeated((lines, from), padded, step.pixel)?;
        let region = (left + f64::from(extra), 0.0, width, from.height.into());
        self.region(step, (wider.bytes(), padded), (target, to), region)
    }

    /// Rows first, then columns from a copy with its outer columns repeated.
    fn beyond_columns(
        &mut self,
        step: Step,
        (source, from): Given<'_>,
        (target, to): Room<'_>,
        width: f64,
    ) -> Result<(), RenderError> {
        let low = PixelSize::new(from.width, to.height);
        let mut rows = Scratch::new(low, step.pixel)?;
        self.part(step, (source, from), (rows.bytes(), low), from_whole(from))?;
        let left = (f64::from(from.width) - width) / 2.0;
        self.columns(step, (rows.bytes(), low), (target, to), (left, width))
    }

    /// Columns first, between repeated outer rows.
    fn beyond_rows(
        &mut self,
        step: Step,
        (source, from): Given<'_>,
        (target, to): Room<'_>,
        height: f64,
    ) -> Result<(), RenderError> {
        let extra = repeats(height, from.height);
        let padded = PixelSize::new(to.width, from.height.saturating_add(2 * extra));
        let mut higher = Scratch::new(padded, step.pixel)?;
        let low = PixelSize::new(to.width, from.height);
        let line = to.width as usize * step.pixel.size();
        let (above, rest) = higher.bytes().split_at_mut(extra as usize * line);
        let (middle, below) = rest.split_at_mut(from.height as usize * line);
        self.part(step, (source, from), (middle, low), from_whole(from))?;
        repeat(above, middle.split_at(line).0);
        repeat(below, middle.split_at(middle.len() - line).1);
        self.part(step, (higher.bytes(), padded), (target, to), (to.width.into(), height))
    }

    /// Scales the centred part of this width and height.
    fn part(
        &mut self,
        step: Step,
        (source, from): Given<'_>,
        (target, to): Room<'_>,
        (width, height): (f64, f64),
    ) -> Result<(), RenderError> {
        let (left, top) = ((f64::from(from.width) - width) / 2.0, (f64::from(from.height) - height) / 2.0);
        self.region(step, (source, from), (target, to), (left, top, width, height))
    }

    /// Scales the part at these columns and rows, of this width and height.
    pub(super) fn region(
        &mut self,
        step: Step,
        (source, from): Given<'_>,
        (target, to): Room<'_>,
        (left, top, width, height): (f64, f64, f64, f64),
    ) -> Result<(), RenderError> {
        let failed = |error: &dyn std::fmt::Display| {
            let what = format!("{}x{} to {}x{}: {error}", from.width, from.height, to.width, to.height);
            RenderError::new("resize", what)
        };
        let source = ImageRef::new(from.width, from.height, source, step.pixel).map_err(|e| failed(&e))?;
        let mut target =
            Image::from_slice_u8(to.width, to.height, target, step.pixel).map_err(|e| failed(&e))?;
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(self.filter))
            .crop(left, top, width, height)
            .use_alpha(step.alpha);
        self.inner.resize(&source, &mut target, &options).map_err(|e| failed(&e))
    }
}

/// Rows without padding, and their size.
type Given<'a> = (&'a [u8], PixelSize);
/// Room for such rows.
type Room<'a> = (&'a mut [u8], PixelSize);

/// What stays the same through the steps of one resize.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub pixel: PixelType,
    pub alpha: bool,
    pub fit: Fit,
}

/// Bytes that are aligned for 16-bit samples.
pub(super) struct Scratch {
    samples: Vec<u16>,
    length: usize,
}

impl Scratch {
    fn new(size: PixelSize, pixel: PixelType) -> Result<Self, RenderError> {
        let bytes = usize::try_from(size.pixels()).ok().and_then(|pixels| pixels.checked_mul(pixel.size()));
        let length = bytes.ok_or_else(|| RenderError::new("resize", "larger than memory"))?;
        Ok(Self { samples: vec![0; length.div_ceil(2)], length })
    }

    /// A copy with the outer columns repeated, as often on both sides.
    pub fn with_columns_repeated(
        (rows, from): Given<'_>,
        padded: PixelSize,
        pixel: PixelType,
    ) -> Result<Self, RenderError> {
        let mut wider = Self::new(padded, pixel)?;
        let pixel = pixel.size();
        let extra = padded.width.saturating_sub(from.width) as usize / 2 * pixel;
        let (line, wide_line) = (from.width as usize * pixel, padded.width as usize * pixel);
        for (row, wide) in rows.chunks_exact(line).zip(wider.bytes().chunks_exact_mut(wide_line)) {
            let (left, rest) = wide.split_at_mut(extra);
            let (middle, right) = rest.split_at_mut(line);
            middle.copy_from_slice(row);
            repeat(left, row.split_at(pixel).0);
            repeat(right, row.split_at(line - pixel).1);
        }
        Ok(wider)
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.samples).split_at_mut(self.length).0
    }
}

/// Fills `places` with copies of `what`.
pub(super) fn repeat(places: &mut [u8], what: &[u8]) {
    places.chunks_exact_mut(what.len()).for_each(|place| place.copy_from_slice(what));
}

fn from_whole(size: PixelSize) -> (f64, f64) {
    (size.width.into(), size.height.into())
}

/// How often the outermost line is repeated on each side so that there are `shown` of them.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few lines; saturates")]
pub(super) fn repeats(shown: f64, found: u32) -> u32 {
    ((shown - f64::from(found)) / 2.0).ceil() as u32
}

pub(super) const fn pixel_type(model: ColorModel, wide: bool) -> PixelType {
    match (model, wide) {
        (ColorModel::Gray, false) => PixelType::U8,
        (ColorModel::GrayAlpha, false) => PixelType::U8x2,
        (ColorModel::Rgb, false) => PixelType::U8x3,
        (ColorModel::Rgba | ColorModel::Cmyk, false) => PixelType::U8x4,
        (ColorModel::Gray, true) => PixelType::U16,
        (ColorModel::GrayAlpha, true) => PixelType::U16x2,
        (ColorModel::Rgb, true) => PixelType::U16x3,
        (ColorModel::Rgba | ColorModel::Cmyk, true) => PixelType::U16x4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]
    use super::*;

    const MODELS: [ColorModel; 5] =
        [ColorModel::Gray, ColorModel::GrayAlpha, ColorModel::Rgb, ColorModel::Rgba, ColorModel::Cmyk];

    #[test]
    fn flat_pictures_stay_flat_in_every_model_and_depth() {
        let mut resizer = Resizer::default();
        let (from, to) = (PixelSize::new(301, 97), PixelSize::new(40, 13));
        for model in MODELS {
            let pixel: Vec<u16> =
                [51000_u16, 20000, 300, 65535].iter().copied().take(model.channels()).collect();
            let samples = pixel.repeat(301 * 97);
            let narrow = samples.iter().map(|&v| (v >> 8) as u8).collect();
            let wide = Raster::new(from, model, Samples::U16(samples)).unwrap();
            let wide = resizer.raster(&wide, to, Fit::Outside).unwrap();
            let Samples::U16(wide) = wide.samples().clone() else { panic!("depth changed") };
            assert_eq!(wide.len(), 40 * 13 * model.channels());
            for (i, &v) in wide.iter().enumerate() {
                assert!(
                    v.abs_diff(pixel[i % pixel.len()]) <= 2,
                    "{model:?}: {v} for {}",
                    pixel[i % pixel.len()]
                );
            }
            let narrow = Raster::new(from, model, Samples::U8(narrow)).unwrap();
            let narrow = resizer.raster(&narrow, to, Fit::Inside).unwrap();
            let Samples::U8(narrow) = narrow.samples() else { panic!("depth changed") };
            for (i, &v) in narrow.iter().enumerate() {
                // a grey of low alpha loses precision; everything else is exact
                assert!(v.abs_diff((pixel[i % pixel.len()] >> 8) as u8) <= 2, "{model:?}");
            }
        }
    }

    #[test]
    fn transparent_pixels_do_not_bleed_their_colour() {
        // left half opaque red, right half transparent green
        let row: Vec<u8> =
            (0..64).flat_map(|x| if x < 32 { [255, 0, 0, 255] } else { [0, 255, 0, 0] }).collect();
        let picture = Picture { size: PixelSize::new(64, 64), alpha: true, samples: row.repeat(64) };
        let small = Resizer::default().picture(&picture, PixelSize::new(9, 9), Fit::Outside).unwrap();
        for pixel in small.samples.chunks(4) {
            assert!(pixel[3] == 0 || (pixel[0] > 250 && pixel[1] < 5), "{pixel:?}");
        }
    }

    /// Every 64-bit ARM has NEON.
    #[cfg(target_arch = "aarch64")]
    #[test]
    fn neon_is_taken() {
        let taken = Resizer::default().inner.cpu_extensions();
        assert_eq!(taken, fast_image_resize::CpuExtensions::Neon);
    }

    #[test]
    fn single_pixel_sides() {
        let mut resizer = Resizer::default();
        for (from, to) in [((5000, 1), (100, 1)), ((1, 5000), (1, 100)), ((1, 1), (1, 1)), ((7, 3), (1, 1))] {
            let size = PixelSize::new(from.0, from.1);
            let samples = vec![77; (from.0 * from.1 * 3) as usize];
            let made = resizer
                .picture(&Picture { size, alpha: false, samples }, PixelSize::new(to.0, to.1), Fit::Inside)
                .unwrap();
            assert!(made.samples.iter().all(|&v| v == 77));
        }
    }

    #[test]
    fn both_axes_have_one_factor() {
        // a ramp over 38 lines that come out as 9.5, so 10: the factor is 4, and the middle stays the middle
        for turned in [false, true] {
            let (long, short) = (38_u32, 20_u32);
            let size = if turned { PixelSize::new(short, long) } else { PixelSize::new(long, short) };
            let samples = (0..size.height)
                .flat_map(|y| (0..size.width).map(move |x| if turned { y } else { x }))
                .flat_map(|at| [(at * 5) as u8; 3])
                .collect();
            let to = if turned { PixelSize::new(5, 10) } else { PixelSize::new(10, 5) };
            let picture = Picture { size, alpha: false, samples };
            let made = Resizer::default().picture(&picture, to, Fit::Outside).unwrap();
            let value = |at: usize| made.samples[if turned { (at * 5 + 2) * 3 } else { (20 + at) * 3 }];
            for at in 2..8_usize {
                // centre of the result's pixel in the source: 4 * (at - 4.5) from the middle, 18.5
                let wanted = (18.5 + 4.0 * (at as f64 - 4.5)) * 5.0;
                assert!(
                    (f64::from(value(at)) - wanted).abs() <= 1.5,
                    "{turned} {at}: {} {wanted}",
                    value(at)
                );
            }
        }
    }
}
