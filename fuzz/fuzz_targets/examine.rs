//! Any bytes through recognition, the header estimate and a full examination.
#![no_main]

use std::fs::File;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use photofsck::media::{self, Limits, Source, Target};
use photofsck::model::Depth;

static NOWHERE: LazyLock<File> = LazyLock::new(|| File::open("/dev/null").expect("/dev/null opens"));

fuzz_target!(|data: &[u8]| {
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
            media::Samples::U8(samples) => samples.len(),
            media::Samples::U16(samples) => samples.len(),
        };
        assert_eq!(samples as u64, expected, "size, model and samples agree");
    }
});
