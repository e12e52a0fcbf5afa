//! Camera raws through rawler: geometry of strips and tiles first, then the sensor data.
//!
//! Pictures are developed from sensor data binned 2 by 2 when that is large enough, which takes a fraction of the time
//! and memory of full interpolation.

mod develop;
mod embedded;
mod likeness;
mod noted;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rawler::decoders::RawDecodeParams;
use rawler::imgop::Rect;
use rawler::rawsource::RawSource;
use rawler::{RawImage, RawlerError};

use crate::media::structure::jpeg_walk::Flaw;
use crate::media::structure::raw::{self, Tiff};
use crate::media::structure::{bmff, mp4};
use crate::media::{Limits, Source, magic};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation, PixelSize};

use likeness::Likeness;
use noted::Noted;

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, own_check, within_limits};

pub use embedded::{embedded_file, embedded_picture};

/// The check that needs a preview.
const LIKENESS: &str = "raw against preview";

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
    proves: "every strip, tile and preview lies inside the file; JPEG data, lossless too, is right to its end; Sony's blocks keep to their limits; Canon's CRW and Kodak's DC50 codes end with their data; no disk sector breaks uncompressed data; the sensor data decodes, and no band of it differs from what the camera's preview shows there",
    blind_to: "a few wrong rows of uncompressed data, or of the makers' other codes (NEF, RW2, ORF, CR3, X3F) that the decoder accepts, but for zeroed sectors of the TIFF-based ones; without a preview of the same shape in the file, more of them",
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

    fn examine(&self, _format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let Wanted { depth, target, limits, .. } = wanted;
        let mut examined = Examined::by(self.decoder());
        if let Err(problem) = examine(source, depth, target, limits, &mut examined) {
            examined.problem = Some(problem);
        }
        examined
    }
}

/// How much of a file that is not in memory is read for its directories, at its beginning and where the first one is.
const STRETCH: usize = 1 << 20;
/// Files beyond this size have their directories at the beginning, or are not recognised.
const FARTHEST: usize = 1 << 31;

/// The whole file when it is in memory, else the stretches where its directories usually are.
fn beginning<'a>(source: &Source<'a>) -> Cow<'a, [u8]> {
    if let Some(bytes) = source.bytes() {
        return Cow::Borrowed(bytes);
    }
    let length = usize::try_from(source.len()).unwrap_or(usize::MAX);
    let mut known = vec![0; length.min(STRETCH)];
    let count = source.read_at(0, &mut known).unwrap_or(0);
    known.truncate(count);
    let first = Tiff::new(&known).map_or(0, |tiff| tiff.first());
    let end = first.saturating_add(STRETCH).min(length);
    if first >= count && first < end && end <= FARTHEST {
        // What lies between is never touched, and takes no memory.
        let mut spread = vec![0; end];
        if let Some(head) = spread.get_mut(..count) {
            head.copy_from_slice(&known);
        }
        let read = spread.get_mut(first..).and_then(|place| source.read_at(first as u64, place).ok());
        spread.truncate(first.saturating_add(read.unwrap_or(0)));
        known = spread;
    }
    Cow::Owned(known)
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
    let noted = Noted::of(found, source, &bytes);
    examined.orientation = noted.orientation.unwrap_or(Orientation::UPRIGHT);
    if depth == Depth::Structure && target == Target::None {
        let size = Some(noted.largest).filter(|size| size.pixels() > 0);
        examined.size =
            size.map(|size| if examined.orientation.transposes() { size.transposed() } else { size });
        return Ok(());
    }
    if let Err(Flaw { error, sound_until }) = check_data(found, &bytes) {
        examined.accuser = Some(own_check("raw data walk"));
        examined.sound_until = sound_until.filter(|_| rows_are_rows(examined.orientation));
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
    let verdict = hold_against_previews(found, source, &bytes, &image, limits, examined);
    if target != Target::None {
        examined.pixels = Some(develop::pixels(image, target, noted)?);
    }
    verdict
}

/// Rows as stored are rows as shown where the picture is upright, mirrored or not.
fn rows_are_rows(orientation: Orientation) -> bool {
    matches!(orientation.exif(), 1 | 2)
}

/// The sensor data against the camera's own previews.
fn hold_against_previews(
    found: Family,
    source: &Source<'_>,
    bytes: &[u8],
    image: &RawImage,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let previews = embedded::candidates(found, source, bytes);
    match likeness::likeness(image, framed(image), &previews, limits) {
        Likeness::Fine => Ok(()),
        Likeness::Doubtful => {
            let error = DecodeError::malformed("sensor data and embedded preview do not look alike", None);
            examined.faults.push(Fault { error, by: own_check(LIKENESS) });
            Ok(())
        }
        Likeness::Broken { from, to } => {
            examined.accuser = Some(own_check(LIKENESS));
            examined.sound_until = Some(from).filter(|_| rows_are_rows(examined.orientation));
            let what = format!(
                "sensor data between {:.0} and {:.0} % of the height is not what the embedded preview shows there",
                from * 100.0,
                to * 100.0
            );
            Err(DecodeError::malformed(what, None))
        }
    }
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

/// The part of the sensor that the camera's own pictures show.
fn framed(image: &RawImage) -> Rect {
    image.crop_area.unwrap_or_else(|| shown(image))
}

/// The part of the sensor that is shown: all of it that sees light. LibRaw, which develops for Immich, leaves no border away.
fn shown(image: &RawImage) -> Rect {
    image.active_area.unwrap_or_else(|| {
        Rect::new_with_points(
            rawler::imgop::Point::new(0, 0),
            rawler::imgop::Point::new(image.width, image.height),
        )
    })
}
