//! What a raw notes of the picture in it.

use std::borrow::Cow;

use crate::media::structure::bmff;
use crate::media::structure::raw::{self, Tiff};
use crate::media::{Source, exif};
use crate::model::{Orientation, PixelSize};

use super::Family;

/// As ExifTool tells it, whom Immich asks.
pub(super) struct Noted {
    pub orientation: Option<Orientation>,
    /// EXIF ColorSpace in ExifTool's words.
    pub colorspace: Option<String>,
    /// Bits of a sample; 0 where none are noted, which Immich takes for no hint at all.
    pub bits: u8,
    /// The largest picture that a directory tells of.
    pub largest: PixelSize,
}

impl Noted {
    pub(super) fn of(found: Family, source: &Source<'_>, bytes: &[u8]) -> Self {
        let blocks = described(found, source, bytes);
        let tiffs: Vec<Tiff<'_>> = blocks.iter().filter_map(|block| Tiff::new(block)).collect();
        let bits = tiffs.iter().find_map(Tiff::bits_per_sample);
        Self {
            orientation: tiffs.iter().find_map(Tiff::orientation),
            colorspace: tiffs.iter().find_map(Tiff::color_space).map(exif::colorspace_words),
            bits: bits.and_then(|bits| u8::try_from(bits).ok()).unwrap_or(0),
            largest: tiffs.first().map(Tiff::largest).unwrap_or_default(),
        }
    }
}

/// The TIFF structures that hold orientation and EXIF.
fn described<'b>(found: Family, source: &Source<'_>, bytes: &'b [u8]) -> Vec<Cow<'b, [u8]>> {
    match found {
        Family::Tiff => vec![Cow::Borrowed(bytes)],
        Family::Mrw => raw::mrw_tiff(bytes).map(Cow::Borrowed).into_iter().collect(),
        Family::Raf => raf_exif(bytes).map(Cow::Borrowed).into_iter().collect(),
        Family::Cr3 => [*b"CMT1", *b"CMT2"]
            .into_iter()
            .filter_map(|kind| {
                let moov = bmff::top_level(source).flatten().find(|found| &found.kind == b"moov")?;
                let canon = moov.child(source, 0, *b"uuid")?;
                canon.child(source, 16, kind)?.read(source, 16 << 20).map(Cow::Owned)
            })
            .collect(),
        Family::Crw | Family::X3f | Family::Arri => Vec::new(),
    }
}

fn raf_exif(bytes: &[u8]) -> Option<&[u8]> {
    let jpeg = raw::raf_jpeg(bytes)?;
    let start = memchr::memmem::find(jpeg.get(..64)?, b"Exif\0\0")? + 6;
    jpeg.get(start..)
}
