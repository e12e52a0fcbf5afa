//! Recognition, and everything at once.

use photofsck::media::formats::jpeg::turbo;
use photofsck::media::structure::jpeg;
use photofsck::media::structure::jpeg_walk::{self as walker, Answer};
use photofsck::media::{self, Limits, Samples, Source, Target, Wanted};
use photofsck::model::{Depth, MediaFormat};

use super::structure::NOWHERE;

/// Recognition and the estimate from the header: what is done before memory is granted.
pub fn probe(data: &[u8]) {
    for extension in ["", "jpg", "dng", "svg", "ts"] {
        let source = Source::new(&NOWHERE, data.len() as u64, Some(data), extension);
        match media::probe(&source) {
            Some((family, format)) => {
                let _ = family.estimate(format, &source, Target::AtLeast(250));
            }
            None => drop(media::probe::unrecognised(&source)),
        }
    }
}

/// The walk against libjpeg-turbo: what the walk calls sound, the decoder must not complain about.
pub fn jpeg_walk(data: &[u8]) {
    let outline = jpeg::walk(data);
    let Some(picture) = outline.end.and_then(|end| data.get(..end)) else { return };
    if outline.problem.is_none() && walker::walk(data, &outline) == Answer::Sound {
        assert_eq!(turbo::entropy_complaint(picture), None, "the walk calls it sound");
    }
}

/// The walks of WebP pictures against libwebp: the verdict is the same, whether pixels are wanted or not. The first byte tells
/// what the rest is: a whole file, or the contents of a picture's chunk behind its header.
pub fn webp_walk(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let bytes = webp_file(*kind, data);
    let source = Source::new(&NOWHERE, bytes.len() as u64, Some(&bytes), "");
    let Some((family, MediaFormat::Webp)) = media::probe(&source) else { return };
    let limits = Limits { max_pixels: 1 << 20, max_memory: 64 << 20, max_seconds: 10 };
    let walked = family.examine(MediaFormat::Webp, &source, Wanted::new(Depth::Full, Target::None, &limits));
    let decoded = family.examine(MediaFormat::Webp, &source, Wanted::new(Depth::Full, Target::Full, &limits));
    assert_eq!(walked.problem, decoded.problem, "the walk decides, whether pixels are wanted or not");
}

fn webp_file(kind: u8, data: &[u8]) -> Vec<u8> {
    let picture = match kind % 4 {
        1 => riff_chunk(b"VP8 ", &[&[0x10, 2, 0, 0x9D, 1, 0x2A, 33, 0, 20, 0][..], data].concat()),
        2 => riff_chunk(b"VP8 ", data),
        3 => riff_chunk(b"VP8L", &[&[0x2F, 31, 0, 4, 0][..], data].concat()),
        _ => return data.to_vec(),
    };
    riff_chunk(b"RIFF", &[&b"WEBP"[..], &picture].concat())
}

fn riff_chunk(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut chunk = [kind, &length.to_le_bytes(), body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A full examination with whatever decoder is responsible. A panic of a decoder of others is the worker's to
/// catch and no finding here; a crash is one worth telling its authors.
pub fn examine(data: &[u8]) {
    photofsck::media::formats::with_ffmpeg();
    let source = Source::new(&NOWHERE, data.len() as u64, Some(data), "");
    let Some((family, format)) = media::probe(&source) else { return };
    let limits = Limits { max_pixels: 4_000_000, max_memory: 256 << 20, max_seconds: 10 };
    if family.estimate(format, &source, Target::AtLeast(250)) > limits.max_memory {
        return;
    }
    let examined = family.examine(format, &source, Wanted::new(Depth::Full, Target::AtLeast(250), &limits));
    if let Some(pixels) = examined.pixels {
        let expected = pixels.size.pixels() * pixels.model.channels() as u64;
        let samples = match &pixels.samples {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => samples.len(),
        };
        assert_eq!(samples as u64, expected, "size, model and samples agree");
    }
}
