//! The walks of WebP pictures against libwebp: what a walk lets pass, libwebp decodes.
#![no_main]

use std::fs::File;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use photofsck::media::{self, Limits, Source, Target};
use photofsck::model::Depth;

static NOWHERE: LazyLock<File> = LazyLock::new(|| File::open("/dev/null").expect("/dev/null opens"));

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("inputs are short");
    let mut chunk = [&kind[..], &length.to_le_bytes(), body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// The first byte tells what the rest is: a whole file, or the contents of a picture's chunk behind its header.
fn file(kind: u8, data: &[u8]) -> Vec<u8> {
    let key_frame = [&[0x10, 2, 0, 0x9D, 1, 0x2A, 33, 0, 20, 0][..], data].concat();
    let picture = match kind % 4 {
        0 => return data.to_vec(),
        1 => chunk(b"VP8 ", &key_frame),
        2 => chunk(b"VP8 ", data),
        _ => chunk(b"VP8L", &[&[0x2F, 31, 0, 4, 0][..], data].concat()),
    };
    chunk(b"RIFF", &[&b"WEBP"[..], &picture].concat())
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let bytes = file(*kind, data);
    let source = Source::new(&NOWHERE, bytes.len() as u64, Some(&bytes), "");
    let Some((family, format)) = media::probe(&source) else { return };
    if format.as_str() != "webp" {
        return;
    }
    let limits = Limits { max_pixels: 1 << 20, max_memory: 64 << 20, max_seconds: 10 };
    let walked = family.examine(format, &source, Depth::Full, Target::None, &limits);
    let decoded = family.examine(format, &source, Depth::Full, Target::Full, &limits);
    assert_eq!(walked.problem, decoded.problem, "the walk decides, whether pixels are wanted or not");
});
