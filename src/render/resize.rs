//! Resizing with the Lanczos3 kernel on gamma-encoded samples, as libvips does by default.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions};

use super::RenderError;
use super::raster::{Picture, Raster, sample_count};
use crate::media::{ColorModel, Samples};
use crate::model::PixelSize;

/// Scratch memory above this is given back after a picture; most pictures stay below.
const KEPT_SCRATCH: usize = 48 << 20;

/// Resizes pictures, with scratch memory that is kept from one to the next.
#[derive(Debug, Default)]
pub struct Resizer {
    inner: fast_image_resize::Resizer,
}

impl Resizer {
    /// The picture at another size; colours are weighted by alpha where there is one.
    pub fn raster(&mut self, source: &Raster, size: PixelSize) -> Result<Raster, RenderError> {
        let (model, count) = (source.model(), sample_count(size, source.model())?);
        let samples = match source.samples() {
            Samples::U8(_) => {
                let mut samples = vec![0_u8; count];
                self.resize(
                    source.bytes(),
                    source.size(),
                    pixel_type(model, false),
                    model.has_alpha(),
                    size,
                    &mut samples,
                )?;
                Samples::U8(samples)
            }
            Samples::U16(_) => {
                let mut samples = vec![0_u16; count];
                let bytes = bytemuck::cast_slice_mut(&mut samples);
                self.resize(
                    source.bytes(),
                    source.size(),
                    pixel_type(model, true),
                    model.has_alpha(),
                    size,
                    bytes,
                )?;
                Samples::U16(samples)
            }
        };
        Raster::new(size, model, samples)
    }

    /// The same for a finished picture.
    pub fn picture(&mut self, source: &Picture, size: PixelSize) -> Result<Picture, RenderError> {
        let model = source.model();
        let mut samples = vec![0_u8; sample_count(size, model)?];
        self.resize(
            &source.samples,
            source.size,
            pixel_type(model, false),
            source.alpha,
            size,
            &mut samples,
        )?;
        Ok(Picture { size, alpha: source.alpha, samples })
    }

    fn resize(
        &mut self,
        source: &[u8],
        from: PixelSize,
        pixel: PixelType,
        alpha: bool,
        to: PixelSize,
        target: &mut [u8],
    ) -> Result<(), RenderError> {
        let failed = |error: &dyn std::fmt::Display| {
            let what = format!("{}x{} to {}x{}: {error}", from.width, from.height, to.width, to.height);
            RenderError::new("resize", what)
        };
        let source = ImageRef::new(from.width, from.height, source, pixel).map_err(|e| failed(&e))?;
        let mut target = Image::from_slice_u8(to.width, to.height, target, pixel).map_err(|e| failed(&e))?;
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(alpha);
        self.inner.resize(&source, &mut target, &options).map_err(|e| failed(&e))?;
        if self.inner.size_of_internal_buffers() > KEPT_SCRATCH {
            self.inner.reset_internal_buffers();
        }
        Ok(())
    }
}

fn pixel_type(model: ColorModel, wide: bool) -> PixelType {
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
            let wide = resizer.raster(&Raster::new(from, model, Samples::U16(samples)).unwrap(), to).unwrap();
            let Samples::U16(wide) = wide.samples().clone() else { panic!("depth changed") };
            assert_eq!(wide.len(), 40 * 13 * model.channels());
            for (i, &v) in wide.iter().enumerate() {
                assert!(
                    v.abs_diff(pixel[i % pixel.len()]) <= 2,
                    "{model:?}: {v} for {}",
                    pixel[i % pixel.len()]
                );
            }
            let narrow = resizer.raster(&Raster::new(from, model, Samples::U8(narrow)).unwrap(), to).unwrap();
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
        let small = Resizer::default().picture(&picture, PixelSize::new(9, 9)).unwrap();
        for pixel in small.samples.chunks(4) {
            assert!(pixel[3] == 0 || (pixel[0] > 250 && pixel[1] < 5), "{pixel:?}");
        }
    }

    #[test]
    fn single_pixel_sides() {
        let mut resizer = Resizer::default();
        for (from, to) in [((5000, 1), (100, 1)), ((1, 5000), (1, 100)), ((1, 1), (1, 1)), ((7, 3), (1, 1))] {
            let size = PixelSize::new(from.0, from.1);
            let samples = vec![77; (from.0 * from.1 * 3) as usize];
            let made = resizer
                .picture(&Picture { size, alpha: false, samples }, PixelSize::new(to.0, to.1))
                .unwrap();
            assert!(made.samples.iter().all(|&v| v == 77));
        }
    }
}
