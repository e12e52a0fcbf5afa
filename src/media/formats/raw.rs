//! Camera raws through rawler: geometry of strips and tiles first, then the sensor data.
//!
//! Pictures are developed from sensor data binned 2 by 2 when that is large enough, which takes a fraction of the time
//! and memory of full interpolation.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rawler::decoders::RawDecodeParams;
use rawler::imgop::Rect;
use rawler::imgop::develop::{Intermediate, RawDevelop};
use rawler::imgop::sensor::SensorType;
use rawler::rawimage::{BlackLevel, RawPhotometricInterpretation, WhiteLevel};
use rawler::rawsource::RawSource;
use rawler::{RawImage, RawImageData, RawlerError};

use crate::media::retag::retag;
use crate::media::structure::jpeg_walk::Flaw;
use crate::media::structure::raw::{self, Tiff};
use crate::media::structure::{bmff, mp4};
use crate::media::{ColorModel, Limits, Pixels, Samples, Source, exif, magic};
use crate::model::{DecodeError, DecoderId, Depth, MediaFormat, Orientation, PixelSize};

use super::jpeg::Jpeg;
use super::{Examined, Format, FormatSpec, Target, decoder_id, own_check, within_limits};

/// All camera raws.
pub struct Raw;

static SPECS: [FormatSpec; 1] = [FormatSpec {
    format: MediaFormat::Raw,
    name: "camera raw",
    extensions: &[
        "3fr", "ari", "arw", "cap", "cin", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "k25",
        "kdc", "mrw", "nef", "nrw", "orf", "ori", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw",
        "x3f", "gpr",
    ],
    recognised_by: "the makers' magic numbers; TIFF structure with a DNG version, sensor data, or a raw's name and a camera's",
    proves: "every strip, tile and preview lies inside the file; JPEG data, lossless too, is right to its end; Sony's blocks keep to their limits; Canon's CRW and Kodak's DC50 codes end with their data; no disk sector breaks uncompressed data; the sensor data decodes",
    blind_to: "other wrong samples in uncompressed data; damage inside the makers' other codes (NEF, RW2, ORF, CR3, X3F) that the decoder accepts, but for zeroed sectors of the TIFF-based ones",
    preview: true,
}];

/// Which family's structure it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Tiff,
    Cr3,
    Raf,
    Mrw,
    Crw,
    X3f,
    Arri,
}

fn family(head: &[u8]) -> Option<Family> {
    if bmff::brands(head).first() == Some(b"crx ") {
        return Some(Family::Cr3);
    }
    let starts = |bytes: &[u8]| head.starts_with(bytes);
    if starts(b"FUJIFILMCCD-RAW ") {
        Some(Family::Raf)
    } else if starts(b"\0MRM") {
        Some(Family::Mrw)
    } else if starts(b"FOVb") {
        Some(Family::X3f)
    } else if magic::has(head, 6, b"HEAPCCDR") {
        Some(Family::Crw)
    } else if starts(b"ARRI") {
        Some(Family::Arri)
    } else {
        Tiff::new(head).map(|_| Family::Tiff)
    }
}

impl Format for Raw {
    fn specs(&self) -> &'static [FormatSpec] {
        &SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("rawler", "0.8")
    }

    fn recognise(&self, head: &[u8], source: &Source<'_>) -> Option<MediaFormat> {
        let found = family(head)?;
        if found != Family::Tiff {
            return Some(MediaFormat::Raw);
        }
        let own_magic = !matches!(head.get(2..4), Some([b'*', 0] | [0, b'*']));
        if own_magic
            || magic::has(head, 8, b"CR")
            || magic::has(head, 8, b"IIII")
            || magic::has(head, 8, b"MMMM")
        {
            return Some(MediaFormat::Raw);
        }
        let beginning = beginning(source);
        let tiff = Tiff::new(&beginning)?;
        let named = self.specs().iter().any(|spec| spec.extensions.contains(&source.extension));
        (tiff.is_raw() || (named && tiff.has_make())).then_some(MediaFormat::Raw)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, target: Target) -> u64 {
        let size = Tiff::new(&beginning(source)).map_or_else(PixelSize::default, |tiff| tiff.largest());
        // Where the size is not told in a directory: sensor data is seldom packed below half a byte per pixel.
        let pixels = if size.pixels() > 0 { size.pixels() } else { source.len().saturating_mul(2) };
        memory(pixels, target).saturating_add(source.len())
    }

    fn examine(
        &self,
        _format: MediaFormat,
        source: &Source<'_>,
        depth: Depth,
        target: Target,
        limits: &Limits,
    ) -> Examined {
        let mut examined = Examined::by(self.decoder());
        if let Err(problem) = examine(source, depth, target, limits, &mut examined) {
            examined.problem = Some(problem);
        }
        examined
    }
}

/// The whole file when it is in memory, else where its directories usually are.
fn beginning<'a>(source: &Source<'a>) -> Cow<'a, [u8]> {
    if let Some(bytes) = source.bytes() {
        return Cow::Borrowed(bytes);
    }
    let mut head = vec![0; usize::try_from(source.len()).unwrap_or(usize::MAX).min(1 << 20)];
    let count = source.read_at(0, &mut head).unwrap_or(0);
    head.truncate(count);
    Cow::Owned(head)
}

/// Sensor data twice as it is read; for pictures, floats of all channels on top.
fn memory(pixels: u64, target: Target) -> u64 {
    let per_pixel = match target {
        Target::None => 6,
        Target::AtLeast(_) => 18,
        Target::Full => 48,
    };
    pixels.saturating_mul(per_pixel).saturating_add(64 << 20)
}

fn examine(
    source: &Source<'_>,
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let bytes = source.load(limits)?;
    let found = family(&bytes).ok_or_else(|| DecodeError::unsupported("unknown raw"))?;
    if let Err(problem) = check(found, source, &bytes) {
        examined.accuser = Some(own_check("raw walk"));
        return Err(problem);
    }
    let described = described(found, source, &bytes);
    let tiff = described.as_deref().and_then(Tiff::new);
    examined.orientation = tiff.as_ref().and_then(Tiff::orientation).unwrap_or(Orientation::UPRIGHT);
    if depth == Depth::Structure && target == Target::None {
        let size = tiff.as_ref().map(Tiff::largest).filter(|size| size.pixels() > 0);
        examined.size =
            size.map(|size| if examined.orientation.transposes() { size.transposed() } else { size });
        return Ok(());
    }
    if let Err(Flaw { error, sound_until }) = check_data(found, &bytes) {
        examined.accuser = Some(own_check("raw data walk"));
        examined.sound_until = sound_until;
        return Err(error);
    }
    let image = decode(&bytes)?;
    let full = shown(&image);
    let size = PixelSize::new(side(full.d.w), side(full.d.h));
    examined.size = Some(if examined.orientation.transposes() { size.transposed() } else { size });
    within_limits(size, memory(size.pixels(), target), limits)?;
    // Coded without loss, a pixel takes a bit or more: rawler fills in what is not there.
    if found == Family::Crw && source.len() < size.pixels() / 16 {
        return Err(DecodeError::truncated(
            format!("{} pixels in {} bytes", size.pixels(), source.len()),
            None,
        ));
    }
    if target != Target::None {
        let facts = described.as_deref().map(exif::read).unwrap_or_default();
        examined.pixels = Some(pixels(image, target, examined.orientation, &facts)?);
    }
    Ok(())
}

fn side(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn check(found: Family, source: &Source<'_>, bytes: &[u8]) -> Result<(), DecodeError> {
    match found {
        Family::Tiff => Tiff::new(bytes).map_or(Ok(()), |tiff| tiff.check()),
        Family::Cr3 => mp4::walk(source).map(|_| ()),
        Family::Raf => raw::check_raf(bytes),
        Family::Mrw => raw::check_mrw(bytes),
        Family::Crw => raw::check_crw(bytes),
        Family::X3f => raw::check_x3f(bytes),
        Family::Arri => Ok(()),
    }
}

/// Follows the data that the structure names.
fn check_data(found: Family, bytes: &[u8]) -> Result<(), Flaw> {
    match found {
        Family::Tiff => Tiff::new(bytes).map_or(Ok(()), |tiff| tiff.check_data()),
        Family::Raf => raw::check_raf_data(bytes),
        Family::Mrw => raw::check_mrw_data(bytes),
        Family::Crw => raw::check_crw_data(bytes),
        Family::Cr3 | Family::X3f | Family::Arri => Ok(()),
    }
}

/// The TIFF structure that holds orientation and EXIF.
fn described<'b>(found: Family, source: &Source<'_>, bytes: &'b [u8]) -> Option<Cow<'b, [u8]>> {
    match found {
        Family::Tiff => Some(Cow::Borrowed(bytes)),
        Family::Mrw => raw::mrw_tiff(bytes).map(Cow::Borrowed),
        Family::Raf => {
            let jpeg = raw::raf_jpeg(bytes)?;
            let start = memchr::memmem::find(jpeg.get(..64)?, b"Exif\0\0")? + 6;
            jpeg.get(start..).map(Cow::Borrowed)
        }
        Family::Cr3 => {
            let moov = bmff::top_level(source).flatten().find(|found| &found.kind == b"moov")?;
            let canon = moov.child(source, 0, *b"uuid")?;
            canon.child(source, 16, *b"CMT1")?.read(source, 16 << 20).map(Cow::Owned)
        }
        Family::Crw | Family::X3f | Family::Arri => None,
    }
}

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
    let mut examined = Jpeg.examine(MediaFormat::Jpeg, &inside, Depth::Full, target, limits);
    let mut pixels = examined.pixels.take().filter(|_| examined.problem.is_none())?;
    let described = described(found, source, &bytes);
    if let Some(orientation) = described.as_deref().and_then(Tiff::new).as_ref().and_then(Tiff::orientation) {
        pixels.orientation = orientation;
    }
    let facts = described.as_deref().map(exif::read).unwrap_or_default();
    pixels.bits_per_sample = bits(&facts);
    pixels.exif_colorspace = facts.colorspace;
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
    let described = described(found, source, &bytes);
    let orientation = described.as_deref().and_then(Tiff::new).as_ref().and_then(Tiff::orientation);
    let facts = described.as_deref().map(exif::read).unwrap_or_default();
    let file = retag(jpeg, orientation, facts.colorspace.as_deref())?;
    let size = jpeg_size(jpeg)?;
    let turned = orientation.is_some_and(Orientation::transposes);
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
    let candidates: Vec<&[u8]> = match found {
        Family::Tiff => Tiff::new(bytes)?.jpegs(),
        Family::Raf => raw::raf_jpeg(bytes).into_iter().collect(),
        Family::Mrw => raw::mrw_tiff(bytes).and_then(Tiff::new)?.jpegs(),
        Family::Cr3 => {
            raw::cr3_jpegs(source, bytes).into_iter().filter_map(|range| bytes.get(range)).collect()
        }
        Family::Crw | Family::X3f | Family::Arri => return None,
    };
    let sized = candidates.into_iter().filter_map(|jpeg| Some((jpeg_size(jpeg)?, jpeg)));
    let (size, jpeg) = sized.max_by_key(|(size, _)| size.pixels())?;
    (size.short_side() >= min_short_side).then_some(jpeg)
}

/// Bits of a sample as the raw notes them.
fn bits(facts: &exif::Facts) -> u8 {
    facts.bits_per_sample.and_then(|bits| u8::try_from(bits).ok()).unwrap_or(16)
}

/// Size from the frame header; lossless frames (sensor data) do not count.
fn jpeg_size(jpeg: &[u8]) -> Option<PixelSize> {
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

/// rawler's errors say little about the bytes: the structure was sound by our own walk, and many cameras and
/// variants are unknown to it. So nothing it says is damage.
fn decode(bytes: &[u8]) -> Result<RawImage, DecodeError> {
    let source = RawSource::new_from_shared_vec(Arc::new(bytes.to_vec()));
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        rawler::get_decoder(&source)?.raw_image(&source, &RawDecodeParams::default(), false)
    }));
    match decoded {
        Ok(Ok(image)) => Ok(image),
        Ok(Err(RawlerError::Unsupported { what, model, make, .. })) => {
            Err(DecodeError::unsupported(format!("rawler: {what} ({} {})", make.trim(), model.trim())))
        }
        Ok(Err(error)) => Err(DecodeError::unsupported(format!("rawler: {error}"))),
        Err(panic) => Err(crashed(panic.as_ref())),
    }
}

fn crashed(panic: &(dyn std::any::Any + Send)) -> DecodeError {
    let words =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    DecodeError::Crashed { what: format!("rawler: {}", words.unwrap_or("panic")) }
}

/// The part of the sensor that is shown.
fn shown(image: &RawImage) -> Rect {
    image.crop_area.or(image.active_area).unwrap_or_else(|| {
        Rect::new_with_points(
            rawler::imgop::Point::new(0, 0),
            rawler::imgop::Point::new(image.width, image.height),
        )
    })
}

fn pixels(
    image: RawImage,
    target: Target,
    orientation: Orientation,
    facts: &exif::Facts,
) -> Result<Pixels, DecodeError> {
    let full = shown(&image);
    let full_size = PixelSize::new(side(full.d.w), side(full.d.h));
    let small_enough = matches!(target, Target::AtLeast(wanted) if full_size.short_side() / 2 >= wanted);
    let developed = catch_unwind(AssertUnwindSafe(|| {
        let image = if small_enough { bin(image, full) } else { image };
        RawDevelop::default().develop_intermediate(&image)
    }));
    let developed = match developed {
        Ok(Ok(developed)) => developed,
        Ok(Err(error)) => return Err(DecodeError::unsupported(format!("rawler: {error}"))),
        Err(panic) => return Err(crashed(panic.as_ref())),
    };
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
    Ok(Pixels {
        size,
        full_size,
        model,
        samples: Samples::U16(samples),
        orientation,
        icc: None,
        exif_colorspace: facts.colorspace.clone(),
        bits_per_sample: bits(facts),
        panorama: None,
        video_frame: false,
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the type")]
fn to_u16(value: f32) -> u16 {
    (value.clamp(0.0, 1.0) * 65_535.0 + 0.5) as u16
}

/// Makes one RGB pixel of each 2 by 2 cells of a Bayer sensor, black level taken off, cropped to what is shown.
/// Other sensors come back as they are.
fn bin(mut image: RawImage, area: Rect) -> RawImage {
    let RawPhotometricInterpretation::Cfa(config) = &image.photometric else { return image };
    let RawImageData::Integer(cells) = &image.data else { return image };
    if config.sensor != SensorType::Bayer || !config.cfa.is_rgb() || image.cpp != 1 {
        return image;
    }
    let (black, white) = (image.blacklevel.as_bayer_array(), image.whitelevel.as_bayer_array());
    let cfa = config.cfa.clone();
    let width = area.d.w / 2;
    let mut binned: Vec<u16> = Vec::with_capacity(width * (area.d.h / 2) * 3);
    for y in (area.p.y..area.p.y + area.d.h / 2 * 2).step_by(2) {
        for x in (area.p.x..area.p.x + width * 2).step_by(2) {
            let mut sums = [(0.0f32, 0.0f32); 3];
            for (row, column) in [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)] {
                let value = f32::from(cells.get(row * image.width + column).copied().unwrap_or(0));
                let place = row % 2 * 2 + column % 2;
                let (Some(&black), Some(&white)) = (black.get(place), white.get(place)) else { continue };
                if let Some((sum, count)) = sums.get_mut(cfa.color_at(row, column)) {
                    *sum += (value - black) / (white - black).max(1.0);
                    *count += 1.0;
                }
            }
            binned.extend(sums.map(|(sum, count)| to_u16(sum / count.max(1.0))));
        }
    }
    if !is_plausible(image.wb_coeffs) {
        image.wb_coeffs = grey_world(&binned);
    }
    image.height = area.d.h / 2;
    image.width = width;
    image.cpp = 3;
    image.data = RawImageData::Integer(binned);
    image.photometric = RawPhotometricInterpretation::LinearRaw;
    image.blacklevel = BlackLevel::zero(1, 1, 3);
    image.whitelevel = WhiteLevel::new([65_535; 3]);
    image.active_area = None;
    image.crop_area = None;
    image
}

/// No light is so red or blue that a channel must be raised more than this over another.
const MAX_GAIN: f32 = 10.0;

/// Whether a white balance can be a camera's. rawler misreads that of some Nikons.
fn is_plausible([red, green, blue, _]: [f32; 4]) -> bool {
    let (least, most) = (red.min(green).min(blue), red.max(green).max(blue));
    red.is_nan() || (least > 0.0 && most / least <= MAX_GAIN)
}

/// The white balance that makes the mean of all pixels grey.
fn grey_world(rgb: &[u16]) -> [f32; 4] {
    let mut sums = [1u64; 3];
    for pixel in rgb.chunks_exact(3) {
        sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u64::from(value));
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
        let [red, green, blue, _] = grey_world(&[100, 200, 50, 100, 200, 50]);
        assert!((red - 2.0).abs() < 0.02 && (green - 1.0).abs() < 0.02 && (blue - 4.0).abs() < 0.1);
    }

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
