//! The camera's own pictures inside a raw.

use crate::media::retag::retag;
use crate::media::structure::bmff;
use crate::media::structure::raw::{self, Tiff};
use crate::media::{Limits, Pixels, Source};
use crate::model::{Depth, MediaFormat, Orientation, PixelSize};

use super::super::jpeg::Jpeg;
use super::super::{Format, Target, Wanted};
use super::noted::Noted;
use super::{Family, family};

/// The camera's own picture inside a raw, decoded, if its shorter side is at least `min_short_side`.
///
/// It is turned as the raw says, whatever it says itself; its colour space and depth are those noted in the raw.
pub fn embedded_picture(
    source: &Source<'_>,
    min_short_side: u32,
    target: Target,
    limits: &Limits,
) -> Option<Pixels> {
    let bytes = source.load(limits).ok()?;
    let found = family(&bytes)?;
    let jpeg = embedded_jpeg(found, source, &bytes, min_short_side)?;
    let inside = Source::new(source.file(), jpeg.len() as u64, Some(jpeg), "jpg");
    let mut examined = Jpeg.examine(MediaFormat::Jpeg, &inside, Wanted::new(Depth::Full, target, limits));
    let mut pixels = examined.pixels.take().filter(|_| examined.problem.is_none())?;
    let noted = Noted::of(found, source, &bytes);
    pixels.orientation = noted.orientation.unwrap_or(pixels.orientation);
    pixels.bits_per_sample = noted.bits;
    pixels.exif_colorspace = noted.colorspace;
    pixels.icc_unseen = true;
    Some(pixels)
}

/// The same picture as the file that it is, turned and named as the raw says, with its size as shown: what Immich takes for the
/// full-size picture. `None` also where its tags cannot be set.
pub fn embedded_file(
    source: &Source<'_>,
    min_short_side: u32,
    limits: &Limits,
) -> Option<(Vec<u8>, PixelSize)> {
    let bytes = source.load(limits).ok()?;
    let found = family(&bytes)?;
    let jpeg = embedded_jpeg(found, source, &bytes, min_short_side)?;
    let noted = Noted::of(found, source, &bytes);
    let file = retag(jpeg, noted.orientation, noted.colorspace.as_deref())?;
    let size = jpeg_size(jpeg)?;
    let turned = noted.orientation.is_some_and(Orientation::transposes);
    Some((file, if turned { size.transposed() } else { size }))
}

/// The largest JPEG inside whose shorter side is at least this long.
///
/// Immich's order of tags (`JpgFromRaw2`, `JpgFromRaw`, `PreviewJXL`, `PreviewImage`) comes to the largest in practice;
/// previews in JPEG XL are not looked for.
fn embedded_jpeg<'b>(
    found: Family,
    source: &Source<'_>,
    bytes: &'b [u8],
    min_short_side: u32,
) -> Option<&'b [u8]> {
    let candidates = candidates(found, source, bytes);
    let sized = candidates.into_iter().filter_map(|jpeg| Some((jpeg_size(jpeg)?, jpeg)));
    let (size, jpeg) = sized.max_by_key(|(size, _)| size.pixels())?;
    (size.short_side() >= min_short_side).then_some(jpeg)
}

/// All JPEGs inside.
pub(super) fn candidates<'b>(found: Family, source: &Source<'_>, bytes: &'b [u8]) -> Vec<&'b [u8]> {
    match found {
        Family::Tiff => Tiff::new(bytes).map(|tiff| tiff.jpegs()).unwrap_or_default(),
        Family::Raf => raw::raf_jpeg(bytes).into_iter().collect(),
        Family::Mrw => raw::mrw_tiff(bytes).and_then(Tiff::new).map(|tiff| tiff.jpegs()).unwrap_or_default(),
        Family::Cr3 => {
            raw::cr3_jpegs(source, bytes).into_iter().filter_map(|range| bytes.get(range)).collect()
        }
        Family::Crw => raw::crw_jpeg(bytes).into_iter().collect(),
        Family::X3f | Family::Arri => Vec::new(),
    }
}

/// Size from the frame header; lossless frames (sensor data) do not count.
pub(super) fn jpeg_size(jpeg: &[u8]) -> Option<PixelSize> {
    let mut at = 2usize;
    loop {
        let code = bmff::be16(jpeg, at)?;
        match code {
            0xFFC0..=0xFFC2 => {
                let (height, width) = (bmff::be16(jpeg, at + 5)?, bmff::be16(jpeg, at + 7)?);
                return Some(PixelSize::new(width.into(), height.into()));
            }
            0xFFC3 | 0xFFDA | 0xFFD9 | 0..0xFF00 => return None,
            _ => at = at.checked_add(2 + usize::from(bmff::be16(jpeg, at + 2)?))?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::exif;

    #[test]
    fn the_cameras_own_picture_is_taken_as_it_is_and_turned_as_the_raw_says() {
        let jpeg = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x1e\0\x28\x01\x01\x11\0\xff\xda\0\x02data\xff\xd9";
        let length = u32::try_from(jpeg.len()).unwrap_or(0);
        let mut raw = b"II\x2a\0\x08\0\0\0\x03\0".to_vec();
        for (tag, value) in [(0x0111_u16, 50), (0x0112, 6), (0x0117, length)] {
            raw.extend(tag.to_le_bytes());
            raw.extend(4_u16.to_le_bytes());
            raw.extend([1, 0, 0, 0]);
            raw.extend(u32::to_le_bytes(value));
        }
        raw.extend([0; 4]);
        raw.extend(jpeg);
        let nowhere = std::fs::File::open("/dev/null").ok();
        let Some(nowhere) = nowhere.as_ref() else { return };
        let source = Source::new(nowhere, raw.len() as u64, Some(&raw), "nef");
        let limits = Limits::default();
        let found = embedded_file(&source, 30, &limits);
        let Some((file, size)) = found else { unreachable!("no JPEG was found") };
        assert_eq!(size, PixelSize::new(30, 40));
        assert!(file.starts_with(b"\xff\xd8\xff\xe1") && file.ends_with(jpeg.get(2..).unwrap_or_default()));
        let block = exif::read(file.get(6..).unwrap_or_default());
        assert_eq!(block.orientation.map(Orientation::exif), Some(6));
        assert_eq!(embedded_file(&source, 31, &limits), None);
    }

    #[test]
    fn embedded_jpegs_tell_their_size() {
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\x01\x02\x03\x04";
        assert_eq!(jpeg_size(jpeg), Some(PixelSize::new(0x304, 0x102)));
        assert_eq!(jpeg_size(b"\xff\xd8\xff\xc3\0\x11\x08\x01\x02\x03\x04"), None);
        assert_eq!(jpeg_size(b"\xff\xd8"), None);
    }
}
