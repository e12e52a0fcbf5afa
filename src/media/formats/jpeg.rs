//! JPEG, with MPO and INSP, which are JPEG files with something behind them.
//!
//! The verdict is that of our own walks of the marker structure and of the entropy-coded data; libjpeg-turbo makes the pixels
//! where they are wanted.

mod decode;
mod scaled;
#[cfg(test)]
mod shift_tests;
#[cfg(test)]
pub(super) mod tests;
pub mod turbo;

use crate::media::magic::{self, Magic, Signature};
use crate::media::panorama::Panorama;
use crate::media::structure::jpeg::{self as structure, Outline};
use crate::media::structure::jpeg_walk::{self, Answer, Flaw, Pull, Units};
use crate::media::{Leave, Limits, Pixels, Reduce, Source, exif};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, own_check, within_limits};
use decode::Picture;

/// Headers with profiles and previews are longer than the probe's head; a megabyte holds nearly all of them, and of most the first part of
/// that.
const HEADERS: usize = 1 << 20;
const FEW: usize = 80 << 10;

/// The family.
pub struct Jpeg;

const SIGNATURES: &[Signature] = &[&[Magic { at: 0, bytes: &[0xFF, 0xD8, 0xFF] }]];

static SPECS: &[FormatSpec] = &[FormatSpec {
    format: MediaFormat::Jpeg,
    name: "JPEG, MPO, INSP",
    extensions: &["jpg", "jpeg", "jpe", "jfif", "mpo", "insp"],
    recognised_by: "SOI marker and a second marker (ff d8 ff)",
    proves: "marker structure sound up to EOI; every scan has only codes and coefficients that can be and ends exactly with its last unit, in every picture of a multi-picture index; in pictures with grain no unit after which all that follows, or all up to a restart marker, is brighter, darker or otherwise coloured, and no place from which on a row of units does not go on with the picture; no restart interval that is padded unlike all others",
    blind_to: "damage that leaves valid codes in place and does not go on, or that changes levels by less than 3; in very small pictures more of it; bytes after EOI",
    preview: true,
}];

impl Format for Jpeg {
    fn specs(&self) -> &'static [FormatSpec] {
        SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("libjpeg-turbo", turbo::VERSION)
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        magic::any(head, SIGNATURES).then_some(MediaFormat::Jpeg)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, target: Target) -> u64 {
        needs_here(&headers(source), target, true)
    }

    fn reduced(&self, source: &Source<'_>, target: Target) -> Option<u64> {
        // Verification reads the headers once.
        if !matches!(target, Target::AtLeast(_)) {
            return None;
        }
        decode::reduced(headers(source).frame.as_ref()?, target)
    }

    fn examine(&self, _format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let mut examined = Examined::by(self.decoder());
        let result = source.load(wanted.limits).and_then(|bytes| examine(&bytes, wanted, &mut examined));
        if let Err(error) = result {
            // Damage is always found by our own walks.
            examined.accuser = error.damage().map(|_| own_check("JPEG walk"));
            examined.problem = Some(error);
        }
        examined
    }
}

fn examine(bytes: &[u8], wanted: Wanted<'_>, examined: &mut Examined) -> Result<(), DecodeError> {
    let Wanted { depth, target, limits, mut reduce, leave } = wanted;
    let outline = structure::walk(bytes);
    let facts = outline.exif(bytes).map(exif::read).unwrap_or_default();
    examined.orientation = facts.orientation.unwrap_or(Orientation::UPRIGHT);
    if let Some(frame) = &outline.frame {
        let size = frame.size;
        examined.size = Some(if examined.orientation.transposes() { size.transposed() } else { size });
    }
    note_spare_bytes(&outline, examined);
    if depth == Depth::Structure {
        return check_structure(bytes, &outline).map_err(|flaw| flaw.error);
    }
    if let Some(frame) = &outline.frame {
        within_limits(frame.size, needs_here(&outline, target, reduce.is_some()), limits)?;
    }
    // Pixels are made in the pass that verifies.
    let mut made = None;
    let picture = Picture { bytes, outline: &outline, orientation: examined.orientation, target, limits };
    let mut take = |units: &mut dyn Units| {
        let reduce = reduce.as_mut().map(|reduce| &mut **reduce as &mut dyn Reduce);
        made = decode::decode(picture, Some(units), reduce).ok();
    };
    let whole = target != Target::None && outline.problem.is_none() && outline.end.is_some();
    let heard = outline.frame.as_ref().map_or(0, |frame| decode::heard(frame, target));
    let pull = whole.then_some(Pull { heard, take: &mut take });
    let verdict = check(bytes, &outline, pull).and_then(|()| check_sectors(bytes, &outline));
    let wanted = target != Target::None
        && verdict.as_ref().map_or_else(|flaw| flaw.error.damage().is_some(), |()| true);
    if wanted {
        let made = made.filter(|_| verdict.is_ok());
        let by_library = || {
            hold_more(picture, reduce.is_some(), leave)?;
            decode::decode(picture, None, reduce)
        };
        match made.map_or_else(by_library, Ok) {
            Ok((pixels, complaint)) => {
                // The walk has followed every code to the end of every scan: what the library dislikes is around them.
                if let Some(complaint) = complaint {
                    note(examined, DecodeError::malformed(complaint.text, None));
                }
                examined.pixels = Some(Pixels {
                    icc: outline.icc(bytes),
                    panorama: outline.xmp(bytes).and_then(Panorama::read),
                    exif_colorspace: facts.colorspace,
                    ..pixels
                });
            }
            Err(error) if verdict.is_ok() => return Err(error),
            Err(_) => {}
        }
    }
    verdict.map_err(|flaw| {
        // Rows as stored are rows as shown where the picture is upright, mirrored or not.
        examined.sound_until = flaw.sound_until.filter(|_| matches!(examined.orientation.exif(), 1 | 2));
        flaw.error
    })?;
    further_pictures(bytes, &outline, limits, examined)
}

/// The pixels of a JPEG inside another file, without any verdict on it.
pub fn picture(bytes: &[u8], target: Target, limits: &Limits) -> Option<Pixels> {
    let outline = structure::walk(bytes);
    within_limits(outline.frame.as_ref()?.size, needs(&outline, target, false), limits).ok()?;
    let picture = Picture { bytes, outline: &outline, orientation: Orientation::UPRIGHT, target, limits };
    decode::decode(picture, None, None).ok().map(|(pixels, _)| pixels)
}

/// The marker structure's own verdict. Decoders that Immich uses refuse a file without an EOI marker too.
fn check_structure(bytes: &[u8], outline: &Outline) -> Result<(), Flaw> {
    let error = match &outline.problem {
        Some(problem) => problem.clone(),
        None if outline.end.is_none() => {
            DecodeError::truncated("the EOI marker is missing", bytes.len() as u64)
        }
        None => return Ok(()),
    };
    Err(Flaw { error, sound_until: None })
}

/// The verdict on one picture: its marker structure and all of its scans, whose coefficients `pull` may ask for.
fn check<'a>(bytes: &[u8], outline: &'a Outline, pull: Option<Pull<'a>>) -> Result<(), Flaw> {
    let unsupported = |what: &str| Err(Flaw { error: DecodeError::unsupported(what), sound_until: None });
    if odd_four_channels(outline) {
        return unsupported("a four-channel JPEG with unusual sampling");
    }
    let answer = match pull {
        Some(pull) => jpeg_walk::walk_and_supply(bytes, outline, pull),
        None => jpeg_walk::walk(bytes, outline),
    };
    if let Answer::Wrong(flaw) = answer {
        return Err(flaw);
    }
    check_structure(bytes, outline)?;
    match (answer, &outline.frame) {
        (Answer::NotFollowed(why), _) => unsupported(&format!("a JPEG with {why}")),
        (_, Some(frame)) if frame.lossless() => unsupported("lossless JPEG"),
        (_, Some(frame)) if frame.precision != 8 => {
            unsupported(&format!("a JPEG with {} bits per sample", frame.precision))
        }
        _ => Ok(()),
    }
}

/// Data that the walk can follow although the disk has lost parts of it.
fn check_sectors(bytes: &[u8], outline: &Outline) -> Result<(), Flaw> {
    let lost = outline.scans.iter().find_map(|scan| jpeg_walk::lost_sector(bytes, scan.data.clone()));
    lost.map_or(Ok(()), |at| {
        let error =
            DecodeError::malformed("zeros that fill whole sectors, as a disk gives them back", at as u64);
        Err(Flaw { error, sound_until: None })
    })
}

/// Four channels sampled in a way that no encoder is known to write (all alike, or Y and K alike and Cb and Cr alike):
/// what decoders make of such a file says nothing certain about its bytes.
fn odd_four_channels(outline: &Outline) -> bool {
    let factors = outline.frame.iter().flat_map(|frame| frame.components.iter().map(|c| (c.h, c.v)));
    matches!(factors.collect::<Vec<_>>().as_slice(), [first, second, third, fourth] if first != fourth || second != third)
}

fn note_spare_bytes(outline: &Outline, examined: &mut Examined) {
    if let Some((offset, count)) = outline.spare.first() {
        let what = format!("{count} spare bytes before a marker");
        note(examined, DecodeError::malformed(what, *offset as u64));
    }
}

fn note(examined: &mut Examined, error: DecodeError) {
    let by = examined.decoder.clone();
    examined.faults.push(Fault { error, by });
}

/// What stands before the picture data.
fn headers(source: &Source<'_>) -> Outline {
    let (mut read, mut outline) = (Vec::new(), Outline::default());
    for length in [FEW, HEADERS] {
        let head = source.bytes().unwrap_or_else(|| {
            let before = read.len();
            read.resize(length, 0);
            let rest = read.get_mut(before..).unwrap_or_default();
            let count = source.read_at(before as u64, rest).unwrap_or(0);
            read.truncate(before + count);
            read.as_slice()
        });
        outline = structure::walk(head.get(..length).unwrap_or(head));
        let sized = outline.frame.as_ref().is_some_and(|frame| frame.size.pixels() > 0);
        if sized && !outline.scans.is_empty() || head.len() < length {
            break;
        }
    }
    outline
}

/// Bytes that the work holds: in our walk some numbers for each block, and of progressive pictures a bit and one upright column of
/// coefficients; and what decoding needs.
fn needs(outline: &Outline, target: Target, reduced: bool) -> u64 {
    let Some(frame) = &outline.frame else { return 64 << 20 };
    let walk = (1 << 20) + if frame.progressive() { frame.samples() / 2 } else { frame.samples() / 4 };
    if target == Target::None {
        walk
    } else {
        walk + decode::needs(frame, outline.interleaved, target, reduced)
    }
}

/// The same where our walk can give the coefficients: of progressive pictures it keeps those that are looked at, the library all.
fn needs_here(outline: &Outline, target: Target, reduced: bool) -> u64 {
    let all = needs(outline, target, reduced);
    let Some(frame) = outline.frame.as_ref().filter(|frame| frame.progressive()) else { return all };
    match decode::heard(frame, target) {
        0 => all,
        heard => {
            // The upright ones are among those that are kept.
            let others = frame.samples() / 4 + decode::coefficients(frame, outline.interleaved);
            all.saturating_sub(others).saturating_add(jpeg_walk::bytes_kept(frame, heard))
        }
    }
}

/// Gets leave for the library, where it holds more than our walk.
fn hold_more(picture: Picture<'_>, reduced: bool, leave: Option<&mut dyn Leave>) -> Result<(), DecodeError> {
    let Picture { outline, target, limits, .. } = picture;
    let all = needs(outline, target, reduced);
    let Some(frame) = outline.frame.as_ref().filter(|_| all > needs_here(outline, target, reduced)) else {
        return Ok(());
    };
    within_limits(frame.size, all, limits)?;
    let result = decode::reduced(frame, target).filter(|_| reduced);
    leave.map_or(Ok(()), |leave| leave.hold(all, result))
}

/// Verifies the other pictures of a multi-picture index, where the index fits the file. Editors that drop those pictures
/// leave the index behind: an entry that does not lead to a picture says nothing.
fn further_pictures(
    bytes: &[u8],
    outline: &Outline,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    for (number, range) in outline.further_pictures(bytes).into_iter().enumerate() {
        let number = number + 2;
        let start = usize::try_from(range.start).unwrap_or(usize::MAX);
        let end = usize::try_from(range.end).unwrap_or(usize::MAX);
        if !magic::has(bytes, start, &[0xFF, 0xD8, 0xFF]) {
            let what = format!("the index names picture {number}, which is not there");
            note(examined, DecodeError::malformed(what, range.start));
            continue;
        }
        let Some(picture) = bytes.get(start..end) else {
            return Err(DecodeError::Truncated {
                what: format!("picture {number} of the multi-picture index"),
                offset: Some(range.start),
                expected: Some(range.end),
                found: Some(bytes.len() as u64),
            });
        };
        let inner = structure::walk(picture);
        if let Some(frame) = &inner.frame {
            within_limits(frame.size, needs(&inner, Target::None, false), limits)?;
        }
        if let Err(flaw) = check(picture, &inner, None)
            && flaw.error.damage().is_some()
        {
            let offset = flaw.error.offset().map_or(range.start, |offset| range.start + offset);
            let what = format!("picture {number} of the multi-picture index: {}", flaw.error);
            return Err(DecodeError::malformed(what, offset));
        }
    }
    Ok(())
}
