//! Encoding of generated pictures. Neither format carries EXIF, orientation or a JFIF header, as Immich's do not.

mod jpeg;
mod webp;
mod xmp;

use std::borrow::Cow;

use super::RenderError;
use super::raster::Picture;
use crate::media::panorama::Panorama;
use crate::model::{ImageFormat, OutputSettings, PixelSize};

/// Chroma resolution of JPEG output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// 4:4:4
    Full,
    /// 4:2:0
    Quarter,
}

impl Chroma {
    /// Immich's rule for stills.
    pub fn of_quality(quality: u8) -> Self {
        if quality >= 80 { Self::Full } else { Self::Quarter }
    }
}

/// Refuses what the format cannot hold; asked before memory is spent on the pixels.
pub fn check(size: PixelSize, settings: OutputSettings) -> Result<(), RenderError> {
    let (name, limit) = match settings.format {
        ImageFormat::Jpeg => ("jpeg", jpeg::MAX_SIDE),
        ImageFormat::Webp => ("webp", webp::MAX_SIDE),
    };
    if size.width > limit || size.height > limit {
        let what = format!(
            "{}x{} is larger than the format allows ({limit} pixels a side); Immich cannot make this picture either",
            size.width, size.height
        );
        return Err(RenderError::new(name, what));
    }
    if !(1..=100).contains(&settings.quality) {
        return Err(RenderError::new(name, format!("quality {} is not in 1 to 100", settings.quality)));
    }
    Ok(())
}

/// What goes into the file beside the picture.
#[derive(Clone, Copy, Default)]
pub struct Attached<'a> {
    /// ICC profile.
    pub icc: Option<&'a [u8]>,
    /// Written as an XMP packet.
    pub panorama: Option<&'a Panorama>,
}

/// Encodes a picture.
pub fn encode(
    picture: &Picture,
    settings: OutputSettings,
    chroma: Chroma,
    attached: Attached<'_>,
) -> Result<Vec<u8>, RenderError> {
    let size = picture.size;
    check(size, settings)?;
    if picture.samples.len() as u64 != size.pixels() * picture.channels() as u64 || picture.samples.is_empty()
    {
        return Err(RenderError::new("encode", "samples do not fit the size"));
    }
    let xmp = attached.panorama.map(xmp::packet);
    match settings.format {
        ImageFormat::Jpeg => {
            let rgb =
                if picture.alpha { Cow::Owned(picture.on_black()) } else { Cow::Borrowed(&picture.samples) };
            let mut file =
                jpeg::encode(&rgb, size, settings.quality, chroma, settings.progressive, attached.icc)?;
            if let Some(xmp) = xmp {
                jpeg::insert_xmp(&mut file, &xmp)?;
            }
            Ok(file)
        }
        ImageFormat::Webp => webp::encode(picture, settings.quality, attached.icc, xmp.as_deref()),
    }
}
