//! Recognition, and everything at once.

use photofsck::media::formats::jpeg::turbo;
use photofsck::media::structure::jpeg;
use photofsck::media::structure::jpeg_walk::{self as walker, Answer};
use photofsck::media::{self, Limits, Samples, Source, Target};
use photofsck::model::Depth;

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

/// A full examination with whatever decoder is responsible. A panic of a decoder of others is the worker's to
/// catch and no finding here; a crash is one worth telling its authors.
pub fn examine(data: &[u8]) {
    let source = Source::new(&NOWHERE, data.len() as u64, Some(data), "");
    let Some((family, format)) = media::probe(&source) else { return };
    let limits = Limits { max_pixels: 4_000_000, max_memory: 256 << 20, max_seconds: 10 };
    if family.estimate(format, &source, Target::AtLeast(250)) > limits.max_memory {
        return;
    }
    let examined = family.examine(format, &source, Depth::Full, Target::AtLeast(250), &limits);
    if let Some(pixels) = examined.pixels {
        let expected = pixels.size.pixels() * pixels.model.channels() as u64;
        let samples = match &pixels.samples {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => samples.len(),
        };
        assert_eq!(samples as u64, expected, "size, model and samples agree");
    }
}
