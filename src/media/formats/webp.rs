//! WebP, lossy, lossless, with alpha, animated.
//!
//! Walks of ours read the data of every picture to the last symbol and judge how it ends; they refuse whatever libwebp
//! refuses, and see what it does not. libwebp makes the pixels where they are wanted, and says what it thinks of a picture
//! that a walk finds wrong.

mod ffi;

use crate::media::panorama::Panorama;
use crate::media::structure::webp::{self as structure, Outline, Picture};
use crate::media::{ColorModel, Limits, Pixels, Samples, Source, exif};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation, PixelSize};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, own_check, within_limits};
use ffi::{Decoder, Progress};

/// The family.
pub struct Webp;

static SPECS: &[FormatSpec] = &[FormatSpec {
    format: MediaFormat::Webp,
    name: "WebP",
    extensions: &["webp"],
    recognised_by: "RIFF container of kind WEBP",
    proves: "container sound; the coded data of every frame, alpha included, is complete and ends exactly where its encoder \
             ended, in every partition",
    blind_to: "lossless pictures: damage after which the codes fall into step again at the same pixel, such as single \
               flipped bits; metadata",
    preview: true,
}];

impl Format for Webp {
    fn specs(&self) -> &'static [FormatSpec] {
        SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("libwebp", &ffi::version())
    }

    fn recognise(&self, head: &[u8], _source: &Source<'_>) -> Option<MediaFormat> {
        (head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP")).then_some(MediaFormat::Webp)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, target: Target) -> u64 {
        let mut head = [0; 64];
        let count = source.read_at(0, &mut head).unwrap_or(0);
        // Nothing that can be decoded is larger than 16383 pixels a side.
        structure::canvas(head.get(..count).unwrap_or_default())
            .filter(|canvas| canvas.width <= 16383 && canvas.height <= 16383)
            .map_or(4 << 20, |canvas| needs(canvas, canvas, target))
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

/// The decoder's output, its own copy of a lossless picture or the alpha plane, and the canvas where one is made.
fn needs(canvas: PixelSize, picture: PixelSize, target: Target) -> u64 {
    let canvas = if target == Target::None { 0 } else { canvas.pixels() * 4 };
    canvas + picture.pixels() * 9 + (4 << 20)
}

fn examine(
    bytes: &[u8],
    depth: Depth,
    target: Target,
    limits: &Limits,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let mut outline = structure::walk(bytes);
    let facts = outline.exif.clone().and_then(|range| bytes.get(range)).map(exif::read).unwrap_or_default();
    examined.orientation = facts.orientation.unwrap_or(Orientation::UPRIGHT);
    if outline.canvas.pixels() > 0 {
        let size = outline.canvas;
        examined.size = Some(if examined.orientation.transposes() { size.transposed() } else { size });
    }
    let structural = outline.problem.take();
    if let (Some(_), Some(cut)) = (&structural, &outline.cut) {
        examined.sound_until = cut.walk(bytes).err().and_then(|(_, flaw)| flaw.sound_until);
    }
    if depth == Depth::Structure {
        return structural.map_or(Ok(()), Err);
    }
    within_limits(outline.canvas, 0, limits)?;
    for (number, picture) in outline.pictures.iter().enumerate() {
        within_limits(picture.size, needs(outline.canvas, picture.size, target), limits)?;
        let walked = picture.walk(bytes);
        let wanted = number == 0 && target != Target::None;
        let mut second = None;
        if wanted || walked.is_err() {
            let (samples, alpha, problem) = decode(bytes, picture)?;
            second = problem;
            if wanted {
                let (samples, model) = place(&outline, picture, samples, alpha);
                examined.pixels = Some(Pixels {
                    orientation: examined.orientation,
                    icc: outline.icc.clone().and_then(|range| bytes.get(range)).map(<[u8]>::to_vec),
                    exif_colorspace: facts.colorspace.clone(),
                    panorama: outline.xmp.clone().and_then(|range| bytes.get(range)).and_then(Panorama::read),
                    ..Pixels::new(outline.canvas, model, Samples::U8(samples))
                });
            }
        }
        if let Some(problem) = structural.clone().filter(|_| walked.is_err() || second.is_some()) {
            return Err(problem);
        }
        match (walked, second) {
            // A limit of ours is no evidence: the decoder alone has judged.
            (Err((_, flaw)), problem) if flaw.error.damage().is_none() => problem.map_or(Ok(()), Err)?,
            (Err((check, flaw)), problem) => {
                examined.accuser = Some(own_check(check));
                examined.sound_until = flaw.sound_until.filter(|_| !outline.animated);
                let by = examined.decoder.clone();
                examined.faults.extend(problem.map(|error| Fault { error, by }));
                return Err(flaw.error);
            }
            (Ok(()), Some(problem)) => return Err(problem),
            (Ok(()), None) => {}
        }
    }
    structural.map_or(Ok(()), Err)
}

/// Samples of one picture, whether they have alpha, and what is wrong with the data.
type Decoded = (Vec<u8>, bool, Option<DecodeError>);

fn decode(bytes: &[u8], picture: &Picture) -> Result<Decoded, DecodeError> {
    let data = bytes.get(picture.data.clone()).unwrap_or_default();
    // VP8L tells in its header; the alpha of VP8 is a chunk before it.
    let alpha = if picture.lossless {
        bytes.get(picture.payload.start + 4).is_some_and(|byte| byte & 0x10 != 0)
    } else {
        picture.alpha.is_some()
    };
    let (width, height) = (picture.size.width as usize, picture.size.height as usize);
    let mut samples = vec![0u8; width * height * if alpha { 4 } else { 3 }];
    let memory = || DecodeError::limit("a WebP picture", "memory");
    let mut decoder = Decoder::new(data, &mut samples, width, height, alpha).ok_or_else(memory)?;
    let at = picture.payload.start as u64;
    let problem = match decoder.feed(data.len()) {
        Progress::Done => None,
        Progress::Hungry => Some(DecodeError::malformed("the data ends before the picture is complete", at)),
        Progress::Wrong => Some(DecodeError::malformed("libwebp cannot decode the picture's data", at)),
        Progress::Unsupported => {
            return Err(DecodeError::unsupported("a WebP feature that libwebp does not have"));
        }
        Progress::Memory => return Err(memory()),
    };
    drop(decoder);
    Ok((samples, alpha, problem))
}

/// A picture that fills the canvas as it is, another one put in its place on an empty canvas.
fn place(outline: &Outline, picture: &Picture, samples: Vec<u8>, alpha: bool) -> (Vec<u8>, ColorModel) {
    if picture.size == outline.canvas && picture.left == 0 && picture.top == 0 {
        return (samples, if alpha { ColorModel::Rgba } else { ColorModel::Rgb });
    }
    let (width, height) = (outline.canvas.width as usize, outline.canvas.height as usize);
    let channels = if alpha { 4 } else { 3 };
    let mut canvas = vec![0u8; width * height * 4];
    let rows = samples.chunks_exact(picture.size.width as usize * channels);
    let lines = canvas.chunks_exact_mut(width * 4).skip(picture.top as usize);
    for (line, row) in lines.zip(rows) {
        let places = line.chunks_exact_mut(4).skip(picture.left as usize);
        for (to, from) in places.zip(row.chunks_exact(channels)) {
            if let [r, g, b, rest @ ..] = from {
                to.copy_from_slice(&[*r, *g, *b, rest.first().copied().unwrap_or(255)]);
            }
        }
    }
    (canvas, ColorModel::Rgba)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::cast_sign_loss,
        clippy::indexing_slicing,
        unsafe_code,
        reason = "encodes with C; a panic is a failed test"
    )]

    use super::super::testing::{examine_bytes, noise, prefixes};
    use super::*;

    fn encode(width: i32, height: i32, lossless: bool) -> Vec<u8> {
        let samples = noise((width * height * 4) as usize);
        let mut out = std::ptr::null_mut();
        // SAFETY: the input holds `height` rows of `width` RGBA pixels; the output is copied and freed once.
        unsafe {
            let length = if lossless {
                libwebp_sys::WebPEncodeLosslessRGBA(samples.as_ptr(), width, height, width * 4, &raw mut out)
            } else {
                libwebp_sys::WebPEncodeRGBA(samples.as_ptr(), width, height, width * 4, 80.0, &raw mut out)
            };
            let bytes = std::slice::from_raw_parts(out, length).to_vec();
            libwebp_sys::WebPFree(out.cast());
            bytes
        }
    }

    #[test]
    fn lossless_pixels_come_back() {
        let bytes = encode(33, 21, true);
        let pixels = examine_bytes(&Webp, &bytes, Target::Full).unwrap();
        let Samples::U8(samples) = &pixels.samples else { panic!("8 bits expected") };
        for (ours, original) in samples.chunks_exact(4).zip(noise(33 * 21 * 4).chunks_exact(4)) {
            assert!(ours == original || original[3] == 0);
        }
    }

    #[test]
    fn no_prefix_is_sound() {
        for lossless in [false, true] {
            let bytes = encode(24, 24, lossless);
            prefixes(&Webp, &bytes, bytes.len());
        }
    }

    #[test]
    fn the_first_bytes_tell_the_size() {
        for lossless in [false, true] {
            let bytes = encode(200, 100, lossless);
            assert_eq!(structure::canvas(&bytes[..64]), Some(PixelSize::new(200, 100)));
        }
    }

    #[test]
    fn bytes_after_the_container_are_harmless() {
        let mut bytes = encode(24, 24, false);
        bytes.extend(b"trailing");
        assert!(examine_bytes(&Webp, &bytes, Target::Full).is_ok());
    }

    #[test]
    fn data_left_over_is_noticed() {
        // A second copy of the end of the data, with all sizes put right.
        let mut bytes = encode(64, 64, true);
        let tail = bytes[bytes.len() - 200..].to_vec();
        bytes.extend(tail);
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[4..8].copy_from_slice(&(length - 8).to_le_bytes());
        let chunk = bytes.windows(4).position(|window| window == b"VP8L").unwrap();
        let body = length - u32::try_from(chunk).unwrap() - 8;
        bytes[chunk + 4..chunk + 8].copy_from_slice(&body.to_le_bytes());
        let error = examine_bytes(&Webp, &bytes, Target::None).unwrap_err();
        assert!(error.to_string().contains("left over"), "{error}");
    }
}
