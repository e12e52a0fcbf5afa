//! Pictures between the steps of rendering.

use super::RenderError;
use crate::media::{ColorModel, Pixels, Samples};
use crate::model::PixelSize;

/// Interleaved samples of known size and meaning. The constructor guarantees that neither side is zero and that there are exactly
/// as many samples as that takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    size: PixelSize,
    model: ColorModel,
    samples: Samples,
}

impl Raster {
    /// Checks that the samples are as many as size and model say.
    pub fn new(size: PixelSize, model: ColorModel, samples: Samples) -> Result<Self, RenderError> {
        let expected = sample_count(size, model)?;
        let found = match &samples {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => samples.len(),
        };
        if found != expected {
            let what =
                format!("{}x{} {model:?} needs {expected} samples, found {found}", size.width, size.height);
            return Err(RenderError::new("input", what));
        }
        Ok(Self { size, model, samples })
    }

    /// Columns and rows.
    pub fn size(&self) -> PixelSize {
        self.size
    }

    /// Meaning of the channels.
    pub fn model(&self) -> ColorModel {
        self.model
    }

    /// The samples, row by row.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The samples without their size.
    pub fn into_samples(self) -> Samples {
        self.samples
    }

    /// The samples as bytes in native order.
    pub fn bytes(&self) -> &[u8] {
        match &self.samples {
            Samples::U8(samples) => samples,
            Samples::U16(samples) => bytemuck::cast_slice(samples),
        }
    }
}

impl TryFrom<Pixels> for Raster {
    type Error = RenderError;

    fn try_from(pixels: Pixels) -> Result<Self, RenderError> {
        Self::new(pixels.size, pixels.model, pixels.samples)
    }
}

/// 8-bit RGB or RGBA, ready to be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Columns and rows, upright.
    pub size: PixelSize,
    /// Whether each pixel has a fourth sample, straight alpha.
    pub alpha: bool,
    /// 3 or 4 bytes a pixel.
    pub samples: Vec<u8>,
}

impl Picture {
    /// Bytes a pixel.
    pub fn channels(&self) -> usize {
        if self.alpha { 4 } else { 3 }
    }

    /// The meaning of the channels.
    pub fn model(&self) -> ColorModel {
        if self.alpha { ColorModel::Rgba } else { ColorModel::Rgb }
    }

    /// Without alpha, blended with black: what Immich does for JPEG.
    pub fn on_black(&self) -> Vec<u8> {
        let mut opaque = Vec::with_capacity(self.samples.len() / 4 * 3);
        let (pixels, _) = self.samples.as_chunks::<4>();
        for &[red, green, blue, alpha] in pixels {
            opaque.extend([red, green, blue].map(|sample| blend_black(sample, alpha)));
        }
        opaque
    }

    /// Without alpha, the colours as they are: what FFmpeg does with video frames.
    pub fn without_alpha(self) -> Self {
        if !self.alpha {
            return self;
        }
        let (pixels, _) = self.samples.as_chunks::<4>();
        let samples = pixels.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]).collect();
        Self { size: self.size, alpha: false, samples }
    }
}

/// Number of samples, where that is a sensible number.
pub fn sample_count(size: PixelSize, model: ColorModel) -> Result<usize, RenderError> {
    if size.width == 0 || size.height == 0 {
        return Err(RenderError::new("input", format!("a picture of {}x{} pixels", size.width, size.height)));
    }
    usize::try_from(size.pixels()).ok().and_then(|pixels| pixels.checked_mul(model.channels())).ok_or_else(
        || {
            RenderError::new(
                "input",
                format!("{}x{} pixels are more than this machine can address", size.width, size.height),
            )
        },
    )
}

fn blend_black(sample: u8, alpha: u8) -> u8 {
    let product = u16::from(sample) * u16::from(alpha);
    #[allow(clippy::cast_possible_truncation, reason = "at most 255")]
    {
        ((product + 127) / 255) as u8
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn samples_must_fit_the_size() {
        let three = PixelSize::new(3, 1);
        assert!(Raster::new(three, ColorModel::Rgb, Samples::U8(vec![0; 9])).is_ok());
        let error = Raster::new(three, ColorModel::Rgb, Samples::U8(vec![0; 8])).unwrap_err();
        assert_eq!(error.to_string(), "input: 3x1 Rgb needs 9 samples, found 8");
        assert!(Raster::new(PixelSize::new(0, 4), ColorModel::Gray, Samples::U8(vec![])).is_err());
        let huge = PixelSize::new(u32::MAX, u32::MAX);
        assert!(Raster::new(huge, ColorModel::Cmyk, Samples::U16(vec![])).is_err());
    }

    #[test]
    fn alpha_on_black() {
        let picture = Picture {
            size: PixelSize::new(3, 1),
            alpha: true,
            samples: vec![120, 60, 200, 128, 120, 60, 200, 255, 120, 60, 200, 0],
        };
        assert_eq!(picture.on_black(), [60, 30, 100, 120, 60, 200, 0, 0, 0]);
        assert_eq!(picture.without_alpha().samples, [120, 60, 200, 120, 60, 200, 120, 60, 200]);
    }
}
