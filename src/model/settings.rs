//! Immich's image settings, as far as generated pictures depend on them.

use serde::{Deserialize, Serialize};

/// The formats Immich can be told to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// JPEG; file extension `jpeg`.
    Jpeg,
    /// Lossy WebP; file extension `webp`.
    Webp,
}

impl ImageFormat {
    /// The file extension, which equals the word in Immich's configuration.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }
}

/// The colour space given to pictures that are not sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colorspace {
    /// sRGB.
    Srgb,
    /// Display P3.
    P3,
}

/// How HDR films are made fit for ordinary screens: Immich's `ffmpeg.tonemap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToneMap {
    /// Much of the dark, little of the bright.
    #[default]
    Hable,
    /// Dark parts as they are, the bright ones rolled off.
    Mobius,
    /// Everything darker, evenly.
    Reinhard,
    /// Codes are shown as they are.
    Disabled,
}

/// Settings of one kind of generated picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSettings {
    /// Encoding.
    pub format: ImageFormat,
    /// Length of the shorter side in pixels; pictures are never enlarged.
    pub size: u32,
    /// Encoder quality, 1 to 100; 80 and above means 4:4:4 in JPEG.
    pub quality: u8,
    /// Progressive JPEG; ignored for WebP.
    pub progressive: bool,
}

/// Immich's `image` configuration, and what its `ffmpeg` says of pictures of films, with its defaults filled in (`immich.md` 4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageSettings {
    /// The large picture.
    pub preview: OutputSettings,
    /// The small picture.
    pub thumbnail: OutputSettings,
    /// The full-resolution picture; its `size` is unused.
    pub fullsize: OutputSettings,
    /// Whether full-resolution pictures are made at all.
    pub fullsize_enabled: bool,
    /// Colour space of pictures that are not sRGB.
    pub colorspace: Colorspace,
    /// Whether RAW files are shown by their embedded preview.
    pub extract_embedded: bool,
    /// Whether pictures are reduced in linear light; no setting of Immich's, but what servers newer than 3.1 do.
    pub linear_light: bool,
    /// How HDR films are shown.
    pub tone_map: ToneMap,
}

impl Default for ImageSettings {
    fn default() -> Self {
        let jpeg = OutputSettings { format: ImageFormat::Jpeg, size: 1440, quality: 80, progressive: false };
        Self {
            preview: jpeg,
            thumbnail: OutputSettings { format: ImageFormat::Webp, size: 250, ..jpeg },
            fullsize: OutputSettings { size: 0, ..jpeg },
            fullsize_enabled: false,
            colorspace: Colorspace::P3,
            extract_embedded: false,
            linear_light: false,
            tone_map: ToneMap::Hable,
        }
    }
}
