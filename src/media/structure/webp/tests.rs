//! The walks against libwebp: what it encodes is sound at every setting, what it refuses is wrong, and what it lets pass
//! after damage is mostly wrong too.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::trivially_copy_pass_by_ref,
    unsafe_code,
    reason = "encodes with C; a panic is a failed test"
)]

use libwebp_sys::{
    WebPConfig, WebPDecodeRGBA, WebPEncode, WebPFree, WebPMemoryWrite, WebPMemoryWriter,
    WebPMemoryWriterClear, WebPMemoryWriterInit, WebPPicture, WebPPictureFree, WebPPictureImportRGBA,
};
use proptest::prelude::*;

use super::*;

/// A generator that is the same everywhere.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}

/// Slopes with some noise, as photos have them.
fn photo(width: usize, height: usize, grain: usize, alpha: bool) -> Vec<u8> {
    let mut noise = Noise(0x2545_F491_4F6C_DD1D);
    let pixels = (0..width * height).flat_map(|place| {
        let (x, y) = (place % width, place / width);
        let shade = [x * 3 + y, x + y * 2, 400 + y - x.min(y), if alpha { x * 5 } else { 255 }];
        shade.map(|value| (value % 510).min(510 - value % 510))
    });
    let grainy = |(place, value): (usize, usize)| {
        let grain = if place % 4 == 3 { 0 } else { noise.below(grain + 1) };
        (value + grain).min(255) as u8
    };
    pixels.enumerate().map(grainy).collect()
}

fn encode(width: usize, height: usize, rgba: &[u8], set: impl Fn(&mut WebPConfig)) -> Vec<u8> {
    let mut config = WebPConfig::new().unwrap();
    set(&mut config);
    let mut picture = WebPPicture::new().unwrap();
    picture.use_argb = config.lossless;
    picture.width = width as i32;
    picture.height = height as i32;
    // SAFETY: all zero is a valid value before the library initialises it.
    let mut writer: WebPMemoryWriter = unsafe { std::mem::zeroed() };
    // SAFETY: the input holds `height` rows of `width` pixels of 4 bytes, the writer outlives the picture that points to
    // it, and the output is copied before both are freed, once.
    unsafe {
        WebPMemoryWriterInit(&raw mut writer);
        picture.writer = Some(WebPMemoryWrite);
        picture.custom_ptr = (&raw mut writer).cast();
        assert_ne!(WebPPictureImportRGBA(&raw mut picture, rgba.as_ptr(), width as i32 * 4), 0);
        assert_ne!(WebPEncode(&raw const config, &raw mut picture), 0, "{:?}", picture.error_code);
        let bytes = std::slice::from_raw_parts(writer.mem, writer.size).to_vec();
        WebPMemoryWriterClear(&raw mut writer);
        WebPPictureFree(&raw mut picture);
        bytes
    }
}

fn lossy(config: &mut WebPConfig) {
    config.quality = 80.0;
}

fn lossless(config: &mut WebPConfig) {
    config.lossless = 1;
}

/// Only the quick methods of libwebp write several partitions.
fn partitioned(config: &mut WebPConfig) {
    config.partitions = 3;
    config.method = 1;
}

/// What our walks say.
fn problem(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(b"RIFF") || bytes.get(8..12) != Some(b"WEBP") {
        return Some("not recognised".into());
    }
    let outline = walk(bytes);
    let flaw = outline.pictures.iter().find_map(|picture| picture.walk(bytes).err());
    outline.problem.or(flaw.map(|(_, flaw)| flaw.error)).map(|error| error.to_string())
}

fn libwebp_decodes(bytes: &[u8]) -> bool {
    let (mut width, mut height) = (0, 0);
    // SAFETY: pointer and length are those of a live slice; the output is freed once.
    unsafe {
        let pixels = WebPDecodeRGBA(bytes.as_ptr(), bytes.len(), &raw mut width, &raw mut height);
        WebPFree(pixels.cast());
        !pixels.is_null()
    }
}

/// A chunk with its padding.
fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = [kind, &u32::try_from(body.len()).unwrap().to_le_bytes()[..], body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A file of these chunks.
fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"RIFF", &[&b"WEBP"[..], &chunks.concat()].concat())
}

/// Contents of the picture's chunk, and its kind.
fn payload(bytes: &[u8]) -> (Vec<u8>, &'static [u8; 4]) {
    let picture = &walk(bytes).pictures[0];
    (bytes[picture.payload.clone()].to_vec(), if picture.lossless { b"VP8L" } else { b"VP8 " })
}

#[test]
fn whatever_the_encoder_is_told_its_pictures_are_sound() {
    let mut noise = Noise(7);
    for round in 0..160 {
        let (width, height) = (1 + noise.below(70), 1 + noise.below(70));
        let rgba = photo(width, height, noise.below(80), round % 3 == 0);
        let mut pick = |limit| noise.below(limit) as i32;
        let (quality, method, partitions, segments) = (pick(101), pick(7), pick(4), 1 + pick(4));
        let (filter, kind, passes, limit) = (pick(101), pick(2), 1 + pick(3), pick(101));
        let (compression, filtering, alpha, near) = (pick(2), pick(3), pick(101), 100 - pick(2) * 50);
        let bytes = encode(width, height, &rgba, |config| {
            config.lossless = i32::from(round % 4 == 1);
            config.quality = quality as f32;
            config.method = method;
            config.partitions = partitions;
            config.segments = segments;
            config.filter_strength = filter;
            config.filter_type = kind;
            config.pass = passes;
            config.partition_limit = limit;
            config.alpha_compression = compression;
            config.alpha_filtering = filtering;
            config.alpha_quality = alpha;
            config.near_lossless = near;
        });
        assert_eq!(problem(&bytes), None, "{width} x {height}, round {round}");
    }
}

#[test]
fn no_data_that_ends_early_is_sound() {
    let rgba = photo(40, 30, 30, true);
    for set in [lossy, lossless] {
        let bytes = encode(40, 30, &rgba, set);
        let (data, kind) = payload(&bytes);
        // Encoders may leave three bytes that say nothing.
        for length in 0..data.len() - 3 {
            let cut = file(&[chunk(kind, &data[..length])]);
            assert!(problem(&cut).is_some(), "{length} of {} bytes", data.len());
        }
    }
}

#[test]
fn data_left_over_is_noticed() {
    let rgba = photo(40, 30, 30, false);
    for set in [lossy, lossless] {
        let (data, kind) = payload(&encode(40, 30, &rgba, set));
        for more in [&[0; 16][..], &[0x55; 4], &[0xFF; 300]] {
            let longer = file(&[chunk(kind, &[&data[..], more].concat())]);
            assert!(problem(&longer).is_some(), "{} bytes more", more.len());
        }
    }
}

/// Shares of changes that are noticed: bits, and blocks of 64 bytes.
fn noticed(set: fn(&mut WebPConfig), header: usize) -> (usize, usize) {
    let bytes = encode(96, 96, &photo(96, 96, 40, false), set);
    let picture = walk(&bytes).pictures[0].payload.clone();
    let mut noise = Noise(11);
    let mut caught = (0, 0);
    for _ in 0..1000 {
        let mut copy = bytes.clone();
        let at = picture.start + header + noise.below(picture.len() - header - 4);
        copy[at] ^= 1 << noise.below(8);
        caught.0 += usize::from(problem(&copy).is_some());
        let mut copy = bytes.clone();
        let at = picture.start + header + noise.below(picture.len() - header - 64);
        copy[at..at + 64].fill_with(|| noise.below(256) as u8);
        caught.1 += usize::from(problem(&copy).is_some());
    }
    caught
}

#[test]
fn lossy_pictures_hide_no_damage() {
    let (bits, blocks) = noticed(lossy, 10);
    // A sign, or a number in the header, can change alone where the interval is a power of two wide.
    assert!(bits >= 980 && blocks >= 998, "{bits} bits, {blocks} blocks of 1000");
}

#[test]
fn lossless_pictures_hide_little() {
    let (bits, blocks) = noticed(lossless, 5);
    // The codes of noise are nearly all of one length.
    assert!(bits >= 50 && blocks >= 500, "{bits} bits, {blocks} blocks of 1000");
}

#[test]
fn sound_rows_are_counted() {
    let rgba = photo(64, 640, 40, false);
    for set in [lossy, lossless] {
        let bytes = encode(64, 640, &rgba, set);
        // Cut in the middle.
        let cut = walk(&bytes[..bytes.len() / 2]).cut.unwrap();
        let share = cut.walk(&bytes[..bytes.len() / 2]).unwrap_err().1.sound_until.unwrap();
        assert!((0.3..0.7).contains(&share), "{share}");
        // Zeros from the middle on.
        let mut zeros = bytes.clone();
        zeros[bytes.len() / 2..].fill(0);
        let share = walk(&zeros).pictures[0].walk(&zeros).unwrap_err().1.sound_until.unwrap();
        assert!((0.3..0.7).contains(&share), "{share}");
    }
}

#[test]
fn partitions_have_to_fill_the_frame() {
    let bytes = encode(64, 256, &photo(64, 256, 40, false), partitioned);
    let (mut data, kind) = payload(&bytes);
    let sizes = 10 + (u32::from_le_bytes([data[0], data[1], data[2], 0]) >> 5) as usize;
    data[sizes] ^= 1;
    assert!(problem(&file(&[chunk(kind, &data)])).is_some());
    data[sizes] ^= 1;
    data[sizes + 2] = 0xFF;
    assert!(problem(&file(&[chunk(kind, &data)])).unwrap().contains("fill the frame"));
}

#[test]
fn raw_alpha_has_the_size_of_the_picture() {
    let bytes = encode(31, 17, &photo(31, 17, 40, true), |config| config.alpha_compression = 0);
    let outline = walk(&bytes);
    let alpha = outline.pictures[0].alpha.clone().unwrap();
    let head = bytes[12..alpha.start - 8].to_vec();
    let rest = bytes[outline.pictures[0].payload.start - 8..].to_vec();
    let with = |alpha: &[u8]| problem(&file(&[head.clone(), chunk(b"ALPH", alpha), rest.clone()]));
    let alpha = bytes[alpha].to_vec();
    assert_eq!(alpha.len(), 1 + 31 * 17);
    assert_eq!(with(&alpha), None);
    assert!(with(&alpha[..alpha.len() - 1]).is_some());
    assert!(with(&[&alpha[..], &[0; 4]].concat()).is_some());
    assert!(with(&[&[0x80], &alpha[1..]].concat()).is_some(), "reserved bits");
    assert!(with(&[]).is_some());
}

#[test]
fn frames_of_animations_are_walked_and_stay_on_the_canvas() {
    let (data, kind) = payload(&encode(20, 10, &photo(20, 10, 40, false), lossy));
    let animation = |left: u8, width: u8, data: &[u8]| {
        let canvas = [2, 0, 0, 0, 29, 0, 0, 9, 0, 0];
        let place = [left / 2, 0, 0, 0, 0, 0, width - 1, 0, 0, 9, 0, 0, 100, 0, 0, 0];
        let frame = chunk(b"ANMF", &[&place[..], &chunk(kind, data)].concat());
        problem(&file(&[chunk(b"VP8X", &canvas), chunk(b"ANIM", &[0; 6]), frame]))
    };
    assert_eq!(animation(10, 20, &data), None);
    assert!(animation(12, 20, &data).unwrap().contains("outside the canvas"));
    assert!(animation(10, 18, &data).unwrap().contains("differ in size"));
    let mut wrong = data.clone();
    wrong[data.len() / 2] ^= 0x10;
    assert!(animation(10, 20, &wrong).is_some());
}

#[test]
fn a_frame_that_is_not_to_be_shown_is_no_picture() {
    let mut bytes = encode(20, 10, &photo(20, 10, 40, false), lossy);
    bytes[20] ^= 0x10;
    assert!(!libwebp_decodes(&bytes));
    assert!(problem(&bytes).is_some());
}

/// A sound file of every kind.
fn samples() -> Vec<Vec<u8>> {
    let rgba = photo(36, 40, 40, true);
    vec![
        encode(36, 40, &photo(36, 40, 40, false), lossy),
        encode(36, 40, &rgba, lossy),
        encode(36, 40, &rgba, |config| config.alpha_compression = 0),
        encode(36, 40, &rgba, lossless),
        encode(36, 40, &photo(36, 40, 0, false), lossless),
        encode(36, 80, &photo(36, 80, 60, false), partitioned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_libwebp_refuses_is_wrong(
        sample in 0..6usize,
        changes in prop::collection::vec((0.0..1.0f64, any::<u8>(), 1..40usize), 1..4),
        random in any::<bool>(),
    ) {
        thread_local!(static SAMPLES: Vec<Vec<u8>> = samples());
        let mut bytes = SAMPLES.with(|samples| samples[sample].clone());
        for (place, value, length) in changes {
            // Headers as often as all the rest.
            let place = if place < 0.5 { place * 120.0 } else { (place * 2.0 - 1.0) * bytes.len() as f64 };
            let mut noise = Noise(u64::from(value) + 1);
            for byte in bytes.iter_mut().skip(place as usize).take(length) {
                *byte = if random { noise.below(256) as u8 } else { byte.wrapping_add(value) };
            }
        }
        if !libwebp_decodes(&bytes) {
            prop_assert!(problem(&bytes).is_some());
        }
    }

    #[test]
    fn any_data_are_walked_without_panic(
        kind in 0..3usize,
        data in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let header: &[u8] = [&[0x10, 2, 0, 0x9D, 1, 0x2A, 33, 0, 20, 0][..], &[0x2F, 31, 0, 4, 0], &[]][kind];
        let kind = [b"VP8 ", b"VP8L", b"VP8L"][kind];
        let bytes = file(&[chunk(kind, &[header, &data].concat())]);
        if !libwebp_decodes(&bytes) {
            prop_assert!(problem(&bytes).is_some());
        }
    }
}
