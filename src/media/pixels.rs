//! Decoded pictures.

use crate::model::{Orientation, PixelSize};

use super::panorama::Panorama;

/// What the channels of a picture mean, in memory order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorModel {
    /// One channel.
    Gray,
    /// Grey and straight (not premultiplied) alpha.
    GrayAlpha,
    /// Three channels.
    Rgb,
    /// RGB and straight (not premultiplied) alpha.
    Rgba,
    /// Four ink channels, 0 = no ink (Adobe's inverted files are put right by the decoder).
    Cmyk,
}

impl ColorModel {
    /// Samples per pixel.
    pub const fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    /// Whether the last channel is alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Self::GrayAlpha | Self::Rgba)
    }
}

/// Interleaved samples, rows without padding: `width * height * channels` of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Samples {
    /// 8 bits, 0 to 255.
    U8(Vec<u8>),
    /// 16 bits, the whole range 0 to 65535 whatever the file's own depth.
    U16(Vec<u16>),
}

/// How the samples of a video stand for light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// As in ordinary pictures.
    Ordinary,
    /// For a high dynamic range.
    Hdr {
        /// From codes to light.
        curve: Curve,
        /// The primaries are those of ITU-R BT.2020, not of BT.709.
        wide_primaries: bool,
    },
}

/// A transfer curve for a high dynamic range (ITU-R BT.2100).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// SMPTE ST 2084.
    Pq,
    /// ARIB STD-B67.
    Hlg,
}

/// One decoded picture, stored as the file stores it: `orientation` is still to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Size of `samples`.
    pub size: PixelSize,
    /// Size of the picture in the file, before any scaling by the decoder; not oriented.
    pub full_size: PixelSize,
    /// Meaning of the channels.
    pub model: ColorModel,
    /// The samples.
    pub samples: Samples,
    /// How to turn it upright.
    pub orientation: Orientation,
    /// Embedded ICC profile, unchecked.
    pub icc: Option<Vec<u8>>,
    /// Whether the profile lies where ExifTool does not look, whom Immich asks: then it does not decide the space of the output.
    pub icc_unseen: bool,
    /// EXIF ColorSpace as ExifTool words it (`sRGB`, `Uncalibrated`, `Adobe RGB` ...), where the file has it.
    pub exif_colorspace: Option<String>,
    /// Bits per sample in the file, as ExifTool tells them and Immich takes them; 0 if nothing is told.
    pub bits_per_sample: u8,
    /// What makes it a sphere to look around in, where it is one.
    pub panorama: Option<Panorama>,
    /// Of a frame of a video, how its light is coded: Immich makes such pictures by other rules.
    pub video_frame: Option<Light>,
}

impl Pixels {
    /// A whole picture, upright, of which its file says nothing more: of 8 bits per sample, without a profile.
    pub const fn new(size: PixelSize, model: ColorModel, samples: Samples) -> Self {
        Self {
            size,
            full_size: size,
            model,
            samples,
            orientation: Orientation::UPRIGHT,
            icc: None,
            icc_unseen: false,
            exif_colorspace: None,
            bits_per_sample: 8,
            panorama: None,
            video_frame: None,
        }
    }

    /// Bytes held by the samples.
    pub fn bytes(&self) -> usize {
        match &self.samples {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => samples.len() * 2,
        }
    }

    /// Size after `orientation` is applied.
    pub fn oriented_full_size(&self) -> PixelSize {
        if self.orientation.transposes() { self.full_size.transposed() } else { self.full_size }
    }
}
