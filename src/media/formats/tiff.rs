//! TIFF and BigTIFF.
//!
//! All directories are checked by our own walk: every strip and tile must lie inside the file and unpack to exactly what
//! its rows need. The `tiff` crate makes the pixels of the first page, the one that Immich shows; what it cannot show is
//! put together from the walk. A picture that only cannot be shown is sound.

mod convert;
mod raster;
mod ycbcr;

use std::io::{Cursor, ErrorKind};

use tiff::decoder::{Decoder, DecodingResult};
use tiff::{ColorType, TiffError};

use raster::Raster;

use crate::media::panorama::Panorama;
use crate::media::structure::tiff::{self as structure, Answer, Layout, Outline, Page, Wrong};
use crate::media::{ColorModel, Limits, Pixels, Samples, Source, exif};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation, PixelSize};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, own_check, within_limits};

/// The family.
pub struct Tiff;

static SPECS: &[FormatSpec] = &[FormatSpec {
    format: MediaFormat::Tiff,
    name: "TIFF, BigTIFF",
    extensions: &["tif", "tiff"],
    recognised_by: "byte order mark and version 42 or 43, and no camera raw format",
    proves: "every strip and tile of all pages lies inside the file and unpacks to exactly what its rows need; no block that begins and ends with disk sectors breaks the picture of uncompressed ones, and no lost end the picture or its metadata",
    blind_to: "other wrong samples in uncompressed strips; ZSTD, LZMA and WebP data of later pages",
    preview: true,
}];

impl Format for Tiff {
    fn specs(&self) -> &'static [FormatSpec] {
        SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("tiff", "0.11")
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        structure::recognise(head).then_some(MediaFormat::Tiff)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, _target: Target) -> u64 {
        // The directory often stands at the end of the file, so the walk needs all of it.
        match source.bytes() {
            Some(bytes) => needs(&structure::walk(bytes)),
            // 16 bytes a pixel, and at least a bit of the file for each.
            None => source.len().saturating_mul(8).max(64 << 20),
        }
    }

    fn examine(&self, _format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let Wanted { depth, target, limits, .. } = wanted;
        let mut examined = Examined::by(self.decoder());
        let result =
            source.load(limits).and_then(|bytes| examine(&bytes, depth, target, limits, &mut examined));
        examined.problem = result.err();
        examined
    }
}

/// The decoded samples of the first page and the converted ones beside them, and the largest strip of all pages, packed
/// and unpacked.
fn needs(outline: &Outline) -> u64 {
    let picture = outline.pages.first().map_or(0, |page| {
        let samples = u64::from(page.samples.clamp(1, 64));
        let decoded = samples * u64::from(page.first_bits().clamp(8, 64)).div_ceil(8);
        page.size.pixels().saturating_mul(decoded * 2 + samples.max(3) * 2)
    });
    let strip = outline.pages.iter().map(strip).max().unwrap_or(0);
    picture.saturating_add(strip).saturating_add(4 << 20)
}

/// The largest strip or tile of a page, packed and unpacked.
fn strip(page: &Page) -> u64 {
    let packed = page.extents.iter().map(|extent| extent.end - extent.start).max().unwrap_or(0);
    let unpacked = Layout::of(page).ok().and_then(|layout| layout.chunk(page, 0));
    packed.saturating_add(unpacked.map_or(0, |chunk| chunk.due.most as u64))
}

fn examine(
    bytes: &[u8],
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let outline: Outline = structure::walk(bytes);
    let facts = exif::read(bytes);
    examined.orientation = facts.orientation.unwrap_or(Orientation::UPRIGHT);
    let first = outline.pages.first();
    if let Some(size) = first.map(|page| page.size).filter(|size| size.pixels() > 0) {
        examined.size = Some(if examined.orientation.transposes() { size.transposed() } else { size });
    }
    if let Some(problem) = &outline.problem {
        examined.accuser = Some(own_check("TIFF walk"));
        if let Some((page, row)) = outline.spoilt {
            spoil(examined, &outline, page, Some(row));
        }
        return Err(problem.clone());
    }
    let Some(page) = first.filter(|_| depth != Depth::Structure) else { return Ok(()) };
    within_limits(page.size, needs(&outline), limits)?;
    let wanted = target != Target::None;
    let mut raster = if wanted && !matches!(page.compression, 6 | 7) {
        Raster::new(page, outline.big_endian).ok()
    } else {
        None
    };
    let followed = walk_pages(bytes, &outline, &mut raster, examined)?;
    let shown = if wanted || !followed { Some(shown(bytes, page, limits, wanted)) } else { None };
    let (model, samples) = match (shown, raster) {
        (None | Some(Ok(None)), _) => return Ok(()),
        (Some(Ok(Some(shown))), _) => shown,
        (Some(Err(_)), Some(raster)) if followed => raster.finish(),
        // Sound all the same: that it cannot be shown says nothing about the bytes.
        (Some(Err(error)), None) if followed => {
            examined.faults.push(Fault { error, by: examined.decoder.clone() });
            return Ok(());
        }
        (Some(Err(error)), _) => return Err(error),
    };
    examined.pixels = Some(Pixels {
        orientation: examined.orientation,
        icc: page.icc.clone().and_then(|range| bytes.get(range)).map(<[u8]>::to_vec),
        exif_colorspace: facts.colorspace,
        bits_per_sample: u8::try_from(page.first_bits()).unwrap_or(u8::MAX),
        panorama: page.xmp.clone().and_then(|range| bytes.get(range)).and_then(Panorama::read),
        ..Pixels::new(page.size, model, samples)
    });
    Ok(())
}

/// Walks the data of all pages, and fills the picture of the first. Tells whether that of the first could be followed.
fn walk_pages(
    bytes: &[u8],
    outline: &Outline,
    raster: &mut Option<Raster<'_>>,
    examined: &mut Examined,
) -> Result<bool, DecodeError> {
    let mut followed = outline.pages.first().is_some_and(Page::has_picture);
    for (index, page) in outline.pages.iter().enumerate().filter(|(_, page)| page.has_picture()) {
        let answer = structure::walk_page(bytes, page, |chunk, unpacked| {
            if let Some(raster) = raster.as_mut().filter(|_| index == 0) {
                raster.place(chunk, unpacked);
            }
        });
        match answer {
            Answer::Sound => {
                if let Some(Wrong { error, row }) = structure::foreign_block(bytes, page, outline.big_endian)
                {
                    examined.accuser = Some(own_check("search for foreign blocks"));
                    spoil(examined, outline, index, row);
                    return Err(error);
                }
            }
            Answer::NotFollowed(_) if index == 0 => followed = false,
            Answer::NotFollowed(why) => examined.faults.push(Fault {
                error: DecodeError::unsupported(format!("page {}: {why}", index + 1)),
                by: own_check("TIFF walk"),
            }),
            Answer::Wrong(Wrong { error, row }) => {
                examined.accuser = Some(own_check("TIFF walk"));
                spoil(examined, outline, index, row);
                return Err(error);
            }
        }
    }
    Ok(followed)
}

/// Notes how much of the picture is sound. What is wrong with a later page leaves the first whole.
fn spoil(examined: &mut Examined, outline: &Outline, page: usize, row: Option<u32>) {
    let height = outline.pages.first().map_or(0, |page| page.size.height);
    if let Some(row) = row.filter(|_| page == 0 && height > 0) {
        examined.sound_until = Some(row.min(height) as f32 / height as f32);
    }
}

/// What the crate makes of the first page; no picture where none is wanted.
fn shown(
    bytes: &[u8],
    page: &Page,
    limits: &Limits,
    wanted: bool,
) -> Result<Option<(ColorModel, Samples)>, DecodeError> {
    let (color, samples) = decode_or_panic(bytes, limits)?;
    if wanted { convert::to_samples(page, color, samples).map(Some) } else { Ok(None) }
}

/// Decodes the first page. The crate asserts things that odd files break: that says nothing about the bytes.
fn decode_or_panic(bytes: &[u8], limits: &Limits) -> Result<(ColorType, DecodingResult), DecodeError> {
    std::panic::catch_unwind(|| decode(bytes, limits)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().copied().map(str::to_owned);
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(DecodeError::Crashed { what: format!("the tiff decoder gave up: {said}") })
    })
}

/// Decodes the first page.
fn decode(bytes: &[u8], limits: &Limits) -> Result<(ColorType, DecodingResult), DecodeError> {
    let mut allowed = tiff::decoder::Limits::default();
    let memory = usize::try_from(limits.max_memory).unwrap_or(usize::MAX);
    allowed.decoding_buffer_size = memory;
    allowed.intermediate_buffer_size = memory;
    allowed.ifd_value_size = memory.min(64 << 20);
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(refused)?.with_limits(allowed);
    let color = decoder.colortype().map_err(refused)?;
    let mut result = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut result).map_err(refused)?;
    if result.as_buffer(0).as_bytes().len() < layout.complete_len {
        return Err(DecodeError::limit("all planes of a TIFF picture", "memory"));
    }
    let size = decoder.dimensions().map_err(refused)?;
    if PixelSize::new(size.0, size.1).pixels() == 0 {
        return Err(DecodeError::malformed("a picture without pixels", None));
    }
    Ok((color, result))
}

/// The crate's errors. The geometry was sound: data that ends early is wrong inside its strip.
fn refused(error: TiffError) -> DecodeError {
    let text = error.to_string();
    match error {
        TiffError::UnsupportedError(_) | TiffError::UsageError(_) => DecodeError::unsupported(text),
        TiffError::LimitsExceeded => DecodeError::limit(text, "memory"),
        TiffError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::malformed("a strip or tile ends before its rows are complete", None)
        }
        // The JPEG decoder inside refuses sides beyond 16384.
        TiffError::FormatError(_) if text.contains(" limit ") => DecodeError::unsupported(text),
        TiffError::IoError(_) | TiffError::FormatError(_) | TiffError::IntSizeError => {
            DecodeError::malformed(text, None)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use tiff::encoder::{TiffEncoder, colortype};

    use super::super::testing::{examine_bytes, noise, prefixes};
    use super::*;
    use crate::media::{ColorModel, Samples};

    fn rgb(lzw: bool) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let kind =
            if lzw { tiff::encoder::Compression::Lzw } else { tiff::encoder::Compression::Uncompressed };
        TiffEncoder::new(&mut out)
            .unwrap()
            .with_compression(kind)
            .write_image::<colortype::RGB8>(23, 11, &noise(23 * 11 * 3))
            .unwrap();
        out.into_inner()
    }

    #[test]
    fn pixels_come_back() {
        for lzw in [false, true] {
            let pixels = examine_bytes(&Tiff, &rgb(lzw), Target::Full).unwrap();
            assert_eq!((pixels.model, pixels.samples), (ColorModel::Rgb, Samples::U8(noise(23 * 11 * 3))));
        }
    }

    #[test]
    fn sixteen_bits_and_floats() {
        let mut out = Cursor::new(Vec::new());
        let samples: Vec<u16> = (0..77u16).map(|n| n * 800).collect();
        TiffEncoder::new(&mut out).unwrap().write_image::<colortype::Gray16>(11, 7, &samples).unwrap();
        let pixels = examine_bytes(&Tiff, out.get_ref(), Target::Full).unwrap();
        assert_eq!(pixels.samples, Samples::U16(samples));

        let mut out = Cursor::new(Vec::new());
        let samples = [0.0f32, 127.5, 300.0, 64.0];
        TiffEncoder::new(&mut out).unwrap().write_image::<colortype::Gray32Float>(2, 2, &samples).unwrap();
        let pixels = examine_bytes(&Tiff, out.get_ref(), Target::Full).unwrap();
        assert_eq!(pixels.samples, Samples::U16([0, 127, 255, 64].map(|level: u16| level * 257).to_vec()));

        let mut out = Cursor::new(Vec::new());
        TiffEncoder::new(&mut out)
            .unwrap()
            .write_image::<colortype::RGB32Float>(1, 1, &[0.5, -1.0, 2.0])
            .unwrap();
        let pixels = examine_bytes(&Tiff, out.get_ref(), Target::Full).unwrap();
        // Half of the light is 188 of 255: figure of libvips.
        assert_eq!(pixels.samples, Samples::U16(vec![48_192, 0, 65_535]));
    }

    #[test]
    fn no_prefix_is_sound() {
        for lzw in [false, true] {
            let bytes = rgb(lzw);
            prefixes(&Tiff, &bytes, bytes.len() - 8);
        }
    }
}
