//! JPEG, with MPO and INSP, which are JPEG files with something behind them.
//!
//! libjpeg-turbo decodes; marker structure and entropy-coded data are checked by walks of our own. Where the walk does not
//! follow (arithmetic, lossless, 12 bits), the library's warnings are the evidence of damage, except those that sound
//! files of real cameras cause.

mod turbo;

use crate::media::magic::{self, Magic, Signature};
use crate::media::structure::jpeg::{self as structure, Outline};
use crate::media::structure::jpeg_scan::{self, Answer};
use crate::media::{ColorModel, Limits, Pixels, Samples, Source, exif};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation, PixelSize};

use super::{Examined, Format, FormatSpec, Target, decoder_id, within_limits};
use turbo::{Complaint, Decompressor, Layout};

/// A reduced scale is taken only if it leaves this many times the wanted short side: sharper scales cost too much fidelity.
const MARGIN: f64 = 1.25;
/// What the library holds besides coefficients and output: tables, row buffers per column.
const ROW_BUFFERS: u64 = 64;

/// Headers with large profiles and previews are longer than the probe's head; a megabyte holds nearly all of them.
const HEADERS: usize = 1 << 20;

/// The family.
pub struct Jpeg;

const SIGNATURES: &[Signature] = &[&[Magic { at: 0, bytes: &[0xFF, 0xD8, 0xFF] }]];

static SPECS: &[FormatSpec] = &[FormatSpec {
    format: MediaFormat::Jpeg,
    name: "JPEG, MPO, INSP",
    extensions: &["jpg", "jpeg", "jpe", "jfif", "mpo", "insp"],
    recognised_by: "SOI marker and a second marker (ff d8 ff)",
    proves: "marker structure sound up to EOI; every scan has only codes that can be and ends exactly with its last unit, in every picture of a multi-picture index",
    blind_to: "damage that leaves valid codes in place, such as some single flipped bits; bytes after EOI",
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
        let mut read = Vec::new();
        let head = source.bytes().unwrap_or_else(|| {
            read.resize(HEADERS, 0);
            let count = source.read_at(0, &mut read).unwrap_or(0);
            read.get(..count).unwrap_or_default()
        });
        needs(&structure::walk(head.get(..HEADERS).unwrap_or(head)), target)
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
        let result =
            source.load(limits).and_then(|bytes| examine(&bytes, depth, target, limits, &mut examined));
        examined.problem = result.err();
        examined
    }
}

/// Four channels sampled in a way that no encoder is known to write (all alike, or Y and K alike and Cb and Cr alike):
/// what decoders make of such a file says nothing certain about its bytes.
fn odd_four_channels(outline: &Outline) -> bool {
    let factors = outline.frame.iter().flat_map(|frame| frame.components.iter().map(|c| (c.h, c.v)));
    matches!(factors.collect::<Vec<_>>().as_slice(), [first, second, third, fourth] if first != fourth || second != third)
}

fn examine(
    bytes: &[u8],
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let mut outline = structure::walk(bytes);
    if outline.problem.is_some() && odd_four_channels(&outline) {
        outline.problem = Some(DecodeError::unsupported("a four-channel JPEG with unusual sampling"));
    }
    let facts = outline.exif(bytes).map(exif::read).unwrap_or_default();
    examined.orientation = facts.orientation.unwrap_or(Orientation::UPRIGHT);
    if let Some(frame) = &outline.frame {
        let size = frame.size;
        examined.size = Some(if examined.orientation.transposes() { size.transposed() } else { size });
    }
    note_spare_bytes(&outline, examined);
    if depth == Depth::Structure {
        return check_structure(&outline, bytes);
    }
    let decoded = decode(bytes, &outline, target, limits, examined);
    let pixels = match decoded {
        Ok(pixels) => pixels,
        // The structure knows better where it went wrong.
        Err(error) => return Err(outline.problem.filter(|_| error.damage().is_some()).unwrap_or(error)),
    };
    if target != Target::None {
        examined.pixels = pixels.map(|pixels| Pixels {
            orientation: examined.orientation,
            icc: outline.icc(bytes),
            exif_colorspace: facts.colorspace,
            ..pixels
        });
    }
    if let Some(problem) = examined.problem.take() {
        return Err(outline.problem.unwrap_or(problem));
    }
    check_structure(&outline, bytes)?;
    further_pictures(bytes, &outline, limits, examined)
}

/// The structure's own verdict. Decoders that Immich uses refuse a file without an EOI marker too.
fn check_structure(outline: &Outline, bytes: &[u8]) -> Result<(), DecodeError> {
    if let Some(problem) = &outline.problem {
        return Err(problem.clone());
    }
    if outline.end.is_none() {
        return Err(DecodeError::truncated("the EOI marker is missing", bytes.len() as u64));
    }
    Ok(())
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

/// Decodes the first picture. Damage found goes to `examined.problem`, so that the pixels are there beside it.
fn decode(
    bytes: &[u8],
    outline: &Outline,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<Option<Pixels>, DecodeError> {
    if let Some(frame) = &outline.frame {
        if frame.size.height == 0 {
            return Err(DecodeError::unsupported("a JPEG whose height comes after the scan (DNL marker)"));
        }
        within_limits(frame.size, needs(outline, target), limits)?;
    }
    // Whatever lies behind the picture is not the decoder's business.
    let picture = bytes.get(..outline.end.unwrap_or(bytes.len())).unwrap_or(bytes);
    let (pixels, complaint) = decode_once(picture, target, limits).map_err(|complaint| fatal(&complaint))?;
    match (jpeg_scan::walk(bytes, outline), complaint) {
        (Answer::Wrong(error), _) => examined.problem = Some(error),
        // The walk has followed every code to the end of every scan: what the library dislikes is around them.
        (Answer::Sound, Some(complaint)) => note(examined, DecodeError::malformed(complaint.text, None)),
        (Answer::NotFollowed(_), Some(complaint)) => match judge(&complaint.text) {
            Judgement::Oddity => note(examined, DecodeError::malformed(complaint.text, None)),
            Judgement::Damage => examined.problem = Some(DecodeError::malformed(complaint.text, None)),
            Judgement::Ended => {
                let what = "the file ends inside the picture data or before its EOI marker";
                examined.problem = Some(DecodeError::truncated(what, bytes.len() as u64));
            }
        },
        (_, None) => {}
    }
    Ok(Some(pixels))
}

type Decoded = (Pixels, Option<Complaint>);

fn decode_once(bytes: &[u8], target: Target, limits: &Limits) -> Result<Decoded, Complaint> {
    let (mut decompressor, _) = Decompressor::new(bytes, limits)?;
    let header = decompressor.header();
    let side = u32::try_from(header.width.min(header.height)).unwrap_or(u32::MAX);
    decompressor.scale_down(denominator(side, target));
    let (columns, rows) = decompressor.output();
    let adobe = header.layout == Layout::Cmyk && structure::walk(bytes).adobe(bytes);
    let (samples, complaint) = if header.precision <= 8 {
        let (mut samples, complaint) = decompressor.decode8()?;
        stretch8(&mut samples, header.precision);
        if adobe {
            for sample in &mut samples {
                *sample = 255 - *sample;
            }
        }
        (Samples::U8(samples), complaint)
    } else {
        let (mut samples, complaint) = decompressor.decode16()?;
        stretch16(&mut samples, header.precision);
        if adobe {
            for sample in &mut samples {
                *sample = 65535 - *sample;
            }
        }
        (Samples::U16(samples), complaint)
    };
    let size = |width: usize, height: usize| {
        PixelSize::new(u32::try_from(width).unwrap_or(u32::MAX), u32::try_from(height).unwrap_or(u32::MAX))
    };
    let pixels = Pixels {
        size: size(columns, rows),
        full_size: size(header.width, header.height),
        model: match header.layout {
            Layout::Gray => ColorModel::Gray,
            Layout::Rgb => ColorModel::Rgb,
            Layout::Cmyk => ColorModel::Cmyk,
        },
        samples,
        orientation: Orientation::UPRIGHT,
        icc: None,
        exif_colorspace: None,
        bits_per_sample: header.precision,
        video_frame: false,
    };
    Ok((pixels, complaint))
}

/// Samples of fewer than 8 bits to the whole range.
fn stretch8(samples: &mut [u8], precision: u8) {
    if (2..8).contains(&precision) {
        let max = (1u32 << precision) - 1;
        for sample in samples {
            *sample = u8::try_from(u32::from(*sample).min(max) * 255 / max).unwrap_or(u8::MAX);
        }
    }
}

/// Samples of 9 to 15 bits to the whole range.
fn stretch16(samples: &mut [u16], precision: u8) {
    if (9..16).contains(&precision) {
        let max = (1u32 << precision) - 1;
        for sample in samples {
            *sample = u16::try_from(u32::from(*sample).min(max) * 65535 / max).unwrap_or(u16::MAX);
        }
    }
}

/// The smallest power-of-two scale that serves the target. All scales read all of the data.
fn denominator(short_side: u32, target: Target) -> usize {
    let wanted = match target {
        Target::None => return 8,
        Target::Full => return 1,
        Target::AtLeast(side) => f64::from(side) * MARGIN,
    };
    let fits = |denominator: &u32| f64::from(short_side.div_ceil(*denominator)) >= wanted;
    [8, 4, 2].into_iter().find(fits).map_or(1, |denominator| denominator as usize)
}

/// Bytes that decoding holds: of files whose data comes in several scans all coefficients (2 bytes, and a bit in our walk), the
/// output, row buffers.
fn needs(outline: &Outline, target: Target) -> u64 {
    let Some(frame) = &outline.frame else { return 64 << 20 };
    let denominator = if frame.lossless() { 1 } else { denominator(frame.size.short_side(), target) as u64 };
    let columns = u64::from(frame.size.width).div_ceil(denominator);
    let rows = u64::from(frame.size.height).div_ceil(denominator);
    let channels = frame.components.len() as u64;
    let bytes_per_sample = if frame.precision > 8 { 2 } else { 1 };
    let coefficients = if frame.progressive() || !outline.interleaved {
        frame.samples() * 2 + frame.samples() / 8
    } else {
        0
    };
    let buffers = u64::from(frame.size.width) * channels * ROW_BUFFERS + (1 << 20);
    columns * rows * channels * bytes_per_sample + coefficients + buffers
}

enum Judgement {
    /// Real cameras and editors write it; the picture is whole.
    Oddity,
    /// The data is wrong.
    Damage,
    /// The library ran out of bytes.
    Ended,
}

/// What a warning of libjpeg-turbo means (its texts are in jerror.h).
fn judge(text: &str) -> Judgement {
    if text.contains("Premature end of JPEG file") {
        return Judgement::Ended;
    }
    if text.contains("extraneous bytes before marker") {
        let count = text.split_whitespace().find_map(|word| word.parse::<usize>().ok()).unwrap_or(usize::MAX);
        return if count <= structure::SPARE_BYTES { Judgement::Oddity } else { Judgement::Damage };
    }
    let harmless = ["JFIF revision", "ICC marker", "Adobe color transform", "Invalid SOS parameters"];
    if harmless.iter().any(|part| text.contains(part)) { Judgement::Oddity } else { Judgement::Damage }
}

/// What an error of libjpeg-turbo means.
fn fatal(complaint: &Complaint) -> DecodeError {
    let text = &complaint.text;
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if has(&["Insufficient memory", "Memory limit", "Image is too large", "Backing store", "scans"]) {
        return DecodeError::limit(text.clone(), "what one picture may take");
    }
    if has(&["nsupported", "not supported", "not implemented", "incompatible", "Maximum supported"]) {
        return DecodeError::unsupported(text.clone());
    }
    if has(&["Premature end", "Input file read error"]) {
        return DecodeError::truncated(text.clone(), None);
    }
    DecodeError::malformed(text.clone(), None)
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
            note(
                examined,
                DecodeError::malformed(
                    format!("the index names picture {number}, which is not there"),
                    range.start,
                ),
            );
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
        let mut other = Examined::by(examined.decoder.clone());
        let inner = structure::walk(picture);
        let result = decode(picture, &inner, Target::None, limits, &mut other).map(|_| ());
        let problem = result.err().or(other.problem).or(inner.problem);
        if let Some(problem) = problem.filter(|problem| problem.damage().is_some()) {
            return Err(DecodeError::malformed(
                format!("picture {number} of the multi-picture index: {problem}"),
                range.start,
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        unsafe_code,
        reason = "encodes with C; a panic is a failed test"
    )]

    use turbojpeg_sys as ffi;

    use super::super::testing::{examine_bytes, noise, prefixes};
    use super::*;

    /// A smooth picture with some noise, so that all kinds of codes occur.
    fn picture(width: usize, height: usize) -> Vec<u8> {
        let grain = noise(width * height * 3);
        (0..width * height * 3)
            .map(|n| {
                let (x, y) = (n / 3 % width, n / 3 / width);
                ((x * 3 + y * 2 + n % 3 * 40) % 200 + usize::from(grain[n]) / 8) as u8
            })
            .collect()
    }

    fn encode(width: usize, height: usize, settings: &[(ffi::TJPARAM, i32)]) -> Vec<u8> {
        let samples = picture(width, height);
        // SAFETY: the input holds `height` rows of `width` RGB pixels; the output is copied and freed once.
        unsafe {
            let handle = ffi::tj3Init(ffi::TJINIT_TJINIT_COMPRESS as i32);
            for &(parameter, value) in
                [(ffi::TJPARAM_TJPARAM_QUALITY, 85), (ffi::TJPARAM_TJPARAM_SUBSAMP, 2)].iter().chain(settings)
            {
                assert_eq!(ffi::tj3Set(handle, parameter as i32, value), 0);
            }
            let (mut out, mut length) = (std::ptr::null_mut(), 0);
            let status = ffi::tj3Compress8(
                handle,
                samples.as_ptr(),
                width as i32,
                0,
                height as i32,
                ffi::TJPF_TJPF_RGB,
                &raw mut out,
                &raw mut length,
            );
            assert_eq!(status, 0);
            let bytes = std::slice::from_raw_parts(out, length as usize).to_vec();
            ffi::tj3Free(out.cast());
            ffi::tj3Destroy(handle);
            bytes
        }
    }

    fn kinds() -> [Vec<u8>; 4] {
        let progressive = (ffi::TJPARAM_TJPARAM_PROGRESSIVE, 1);
        let restarts = (ffi::TJPARAM_TJPARAM_RESTARTBLOCKS, 3);
        let full_chroma = (ffi::TJPARAM_TJPARAM_SUBSAMP, 0);
        [
            encode(75, 53, &[]),
            encode(75, 53, &[progressive]),
            encode(75, 53, &[restarts, full_chroma]),
            encode(75, 53, &[progressive, restarts]),
        ]
    }

    #[test]
    fn all_kinds_are_sound_and_followed_to_their_end() {
        for bytes in kinds() {
            let outline = structure::walk(&bytes);
            assert_eq!(jpeg_scan::walk(&bytes, &outline), Answer::Sound);
            let pixels = examine_bytes(&Jpeg, &bytes, Target::Full).unwrap();
            assert_eq!((pixels.size, pixels.model), (PixelSize::new(75, 53), ColorModel::Rgb));
        }
    }

    #[test]
    fn no_prefix_is_sound() {
        for bytes in kinds() {
            prefixes(&Jpeg, &bytes, bytes.len());
        }
    }

    #[test]
    fn reduced_scales_keep_a_margin() {
        assert_eq!(denominator(3000, Target::AtLeast(1440)), 1);
        assert_eq!(denominator(3600, Target::AtLeast(1440)), 2);
        assert_eq!(denominator(3000, Target::AtLeast(250)), 8);
        let bytes = encode(400, 200, &[]);
        let pixels = examine_bytes(&Jpeg, &bytes, Target::AtLeast(40)).unwrap();
        assert_eq!((pixels.size, pixels.full_size), (PixelSize::new(100, 50), PixelSize::new(400, 200)));
    }

    #[test]
    fn lost_blocks_are_noticed_although_the_end_is_there() {
        for (kind, bytes) in kinds().into_iter().enumerate() {
            let middle = bytes.len() * 2 / 3;
            let mut lost = bytes.clone();
            lost.drain(middle..middle + 150);
            let answer = examine_bytes(&Jpeg, &lost, Target::None);
            assert!(
                answer.is_err(),
                "kind {kind}, {} bytes, SOS at {:?}",
                bytes.len(),
                structure::walk(&bytes).scans
            );
            let mut foreign = bytes;
            foreign[middle..middle + 300].copy_from_slice(&noise(300));
            assert!(examine_bytes(&Jpeg, &foreign, Target::None).is_err());
        }
    }

    #[test]
    fn spare_bytes_before_a_marker_are_no_damage_but_many_are() {
        for bytes in kinds() {
            let end = bytes.len() - 2;
            for (count, sound) in [(1, true), (9, true), (200, false)] {
                let mut padded = bytes.clone();
                padded.splice(end..end, std::iter::repeat_n(0x55, count));
                assert_eq!(examine_bytes(&Jpeg, &padded, Target::None).is_ok(), sound, "{count}");
            }
        }
    }

    #[test]
    fn a_trailer_is_harmless() {
        for mut bytes in kinds() {
            bytes.extend(b"....ftypmp42 a motion photo");
            assert!(examine_bytes(&Jpeg, &bytes, Target::AtLeast(20)).is_ok());
        }
    }
}
