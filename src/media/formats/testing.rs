//! What the tests of all families share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a panic is a failed test"
)]

use crate::media::{Limits, Pixels, Source, Target};
use crate::model::{DecodeError, Depth};

use super::{Format, Wanted};

/// Bytes that no compressor makes small, the same each time.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

/// Recognises and examines at full depth. Without a wish for pixels the answer is an empty picture.
pub fn examine_bytes(family: &dyn Format, bytes: &[u8], target: Target) -> Result<Pixels, DecodeError> {
    let file = std::fs::File::open("/dev/null").unwrap();
    let source = Source::new(&file, bytes.len() as u64, Some(bytes), "");
    let head = bytes.get(..bytes.len().min(4096)).unwrap();
    let Some(format) = family.recognise(head, &source) else {
        return Err(DecodeError::unsupported("not recognised"));
    };
    let limits = Limits { max_pixels: 1 << 24, max_memory: 1 << 28, max_seconds: 20 };
    let estimate = family.estimate(format, &source, target);
    let examined = family.examine(format, &source, Wanted::new(Depth::Full, target, &limits));
    if let Some(pixels) = &examined.pixels {
        assert!(estimate >= pixels.bytes() as u64, "estimate {estimate} for {} bytes", pixels.bytes());
        let samples = pixels.size.pixels() as usize * pixels.model.channels();
        let width = pixels.bytes() / samples;
        assert!(
            width * samples == pixels.bytes() && (1..=2).contains(&width),
            "samples do not fill the size"
        );
    }
    match (examined.problem, examined.pixels) {
        (Some(problem), _) => Err(problem),
        (None, Some(pixels)) => Ok(pixels),
        (None, None) => {
            assert_eq!(target, Target::None, "sound, but no pixels");
            Ok(empty())
        }
    }
}

/// Cuts the file everywhere before `end`: nothing may panic, and no cut file may be sound.
pub fn prefixes(family: &dyn Format, bytes: &[u8], end: usize) {
    for length in 0..end {
        let answer = examine_bytes(family, bytes.get(..length).unwrap(), Target::None);
        assert!(answer.is_err(), "sound after {length} of {} bytes", bytes.len());
    }
}

fn empty() -> Pixels {
    Pixels::new(
        crate::model::PixelSize::default(),
        crate::media::ColorModel::Gray,
        crate::media::Samples::U8(Vec::new()),
    )
}
