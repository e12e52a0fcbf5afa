//! Encoded pictures, sound and damaged.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    unsafe_code,
    reason = "encodes with C; a panic is a failed test"
)]

use proptest::prelude::*;
use turbojpeg_sys as ffi;

use super::super::testing::{examine_bytes, noise, prefixes};
use super::decode::eighths;
use super::*;
use crate::media::ColorModel;
use crate::model::PixelSize;

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
    compress(&picture(width, height), width, height, ffi::TJPF_TJPF_RGB, settings)
}

/// Encodes samples of three channels, or four for `TJPF_CMYK`.
pub fn compress(
    samples: &[u8],
    width: usize,
    height: usize,
    layout: i32,
    settings: &[(ffi::TJPARAM, i32)],
) -> Vec<u8> {
    let channels = if layout == ffi::TJPF_TJPF_CMYK { 4 } else { 3 };
    assert_eq!(samples.len(), width * height * channels);
    // SAFETY: the input holds `height` rows of `width` pixels; the output is copied and freed once.
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
            layout,
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
        assert_eq!(jpeg_walk::walk(&bytes, &outline), Answer::Sound);
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
    assert_eq!(eighths(2100, Target::AtLeast(1440)), 7);
    assert_eq!(eighths(3000, Target::AtLeast(1440)), 5);
    assert_eq!(eighths(3600, Target::AtLeast(1440)), 4);
    assert_eq!(eighths(3000, Target::AtLeast(250)), 1);
    assert_eq!(eighths(3000, Target::Full), 8);
    let bytes = encode(400, 200, &[]);
    let pixels = examine_bytes(&Jpeg, &bytes, Target::AtLeast(40)).unwrap();
    assert_eq!((pixels.size, pixels.full_size), (PixelSize::new(100, 50), PixelSize::new(400, 200)));
}

/// Remembers what leave was asked for, and gives it or not.
struct Asked {
    most: Option<u64>,
    given: bool,
}

impl Leave for Asked {
    fn hold(&mut self, bytes: u64, reduced: Option<u64>) -> Result<(), DecodeError> {
        assert!(reduced.is_none(), "nobody reduces here");
        self.most = self.most.max(Some(bytes));
        if self.given { Ok(()) } else { Err(DecodeError::limit("this", "that")) }
    }
}

#[test]
fn memory_for_all_coefficients_is_asked_for_where_the_library_needs_them() {
    let progressive = (ffi::TJPARAM_TJPARAM_PROGRESSIVE, 1);
    let sound = encode(797, 403, &[progressive]);
    let is_scan = |marker: &[u8]| marker == [0xFF, 0xDA];
    let (first, last) =
        (sound.windows(2).position(is_scan).unwrap(), sound.windows(2).rposition(is_scan).unwrap());
    // A scan that repeats what all those before brought.
    let damaged = [&sound[..last], &sound[first..]].concat();
    let look = |bytes: &[u8], given: bool| {
        let file = std::fs::File::open("/dev/null").unwrap();
        let source = Source::new(&file, bytes.len() as u64, Some(bytes), "jpg");
        let limits = Limits { max_pixels: 1 << 26, max_memory: 1 << 31, max_seconds: 60 };
        let target = Target::AtLeast(140);
        let mut leave = Asked { most: None, given };
        let mut wanted = Wanted::new(Depth::Full, target, &limits);
        wanted.leave = Some(&mut leave);
        let examined = Jpeg.examine(MediaFormat::Jpeg, &source, wanted);
        let estimate = Jpeg.estimate(MediaFormat::Jpeg, &source, target);
        let damage = examined.problem.is_some_and(|problem| problem.damage().is_some());
        (leave.most.map(|most| most > estimate), damage, examined.pixels.is_some())
    };
    assert_eq!(look(&sound, false), (None, false, true), "what was kept is enough");
    assert_eq!(look(&damaged, true), (Some(true), true, true), "for the pictures of a damaged one");
    assert_eq!(look(&damaged, false), (Some(true), true, false), "the verdict stands without");
    let once = encode(797, 403, &[]);
    assert_eq!(look(&once, false), (None, false, true), "sequential ones come unit by unit");
}

#[test]
fn coefficients_that_come_in_many_scans_give_the_same_pixels() {
    let progressive = (ffi::TJPARAM_TJPARAM_PROGRESSIVE, 1);
    let restarts = (ffi::TJPARAM_TJPARAM_RESTARTBLOCKS, 3);
    let gray = (ffi::TJPARAM_TJPARAM_SUBSAMP, ffi::TJSAMP_TJSAMP_GRAY);
    let full_chroma = (ffi::TJPARAM_TJPARAM_SUBSAMP, ffi::TJSAMP_TJSAMP_444);
    let wide = (ffi::TJPARAM_TJPARAM_SUBSAMP, ffi::TJSAMP_TJSAMP_422);
    for settings in [&[][..], &[gray], &[full_chroma], &[wide], &[restarts]] {
        let once = encode(397, 203, settings);
        let gradual = encode(397, 203, &[settings, &[progressive]].concat());
        for side in [20, 40, 60, 100, 120, 140] {
            let [once, gradual] =
                [&once, &gradual].map(|bytes| examine_bytes(&Jpeg, bytes, Target::AtLeast(side)).unwrap());
            let reduced = PixelSize::new(once.size.width, once.size.height);
            assert!(reduced.width < 397 && reduced.short_side() >= side, "{reduced:?}");
            assert_eq!(once.size, gradual.size);
            assert!(once.samples == gradual.samples, "{settings:?} at {side}");
        }
    }
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

/// Pictures of all sizes, contents and kinds of coding.
fn any_picture() -> impl Strategy<Value = Vec<u8>> {
    let content = (1usize..70, 1usize..70, 0u8..=255, any::<u64>());
    let coding = (1i32..=100, 0usize..6, any::<bool>(), 0i32..9, any::<bool>());
    (content, coding).prop_map(
        |((width, height, grain, seed), (quality, layout, progressive, restart, optimise))| {
            let subsampling = [0, 1, 2, 3, 4, 0][layout];
            let (format, channels) =
                if layout == 5 { (ffi::TJPF_TJPF_CMYK, 4) } else { (ffi::TJPF_TJPF_RGB, 3) };
            let offset = seed as usize % 1000;
            let noise = noise(width * height * channels + offset);
            let samples: Vec<u8> = (0..width * height * channels)
                .map(|n| {
                    let (x, y) = (n / channels % width, n / channels / width);
                    let ramp = (x * 5 + y * 3 + n % channels * 70) % 256;
                    (ramp * usize::from(255 - grain) / 255
                        + usize::from(noise[n + offset]) * usize::from(grain) / 255) as u8
                })
                .collect();
            let settings = [
                (ffi::TJPARAM_TJPARAM_QUALITY, quality),
                (ffi::TJPARAM_TJPARAM_SUBSAMP, subsampling),
                (ffi::TJPARAM_TJPARAM_PROGRESSIVE, i32::from(progressive)),
                (ffi::TJPARAM_TJPARAM_RESTARTBLOCKS, restart),
                (ffi::TJPARAM_TJPARAM_OPTIMIZE, i32::from(optimise)),
            ];
            compress(&samples, width, height, format, &settings)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_an_encoder_writes_is_sound(bytes in any_picture()) {
        prop_assert_eq!(jpeg_walk::walk(&bytes, &structure::walk(&bytes)), Answer::Sound);
        prop_assert_eq!(turbo::entropy_complaint(&bytes), None);
    }

    #[test]
    fn spare_bytes_before_the_end_change_nothing(bytes in any_picture(), spare in prop::collection::vec(0u8..=254, 1..=64)) {
        let mut padded = bytes;
        let end = padded.len() - 2;
        padded.splice(end..end, spare);
        prop_assert!(examine_bytes(&Jpeg, &padded, Target::None).is_ok());
    }

    #[test]
    fn what_the_decoder_notices_the_walk_notices(
        bytes in any_picture(),
        place in 0.0f64..1.0,
        damage in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let start = structure::walk(&bytes).scans[0].data.start;
        let at = start + ((bytes.len() - 2 - start) as f64 * place) as usize;
        let mut wrong = bytes;
        for (byte, change) in wrong[at..].iter_mut().zip(&damage) {
            *byte ^= change;
        }
        if let Some(complaint) = turbo::entropy_complaint(&wrong) {
            prop_assert!(examine_bytes(&Jpeg, &wrong, Target::None).is_err(), "{}", complaint);
        }
    }
}

/// What is left of the data in the last unit is no excuse: one changed byte of the tables between the scans of a tiny picture
/// made the library complain of a code that the walk took for data that ends early.
#[test]
fn a_wrong_code_in_the_last_unit_is_no_end_of_the_data() {
    let mut complaints = 0;
    for side in [1, 8, 9, 16] {
        let bytes = encode(side, side, &[(ffi::TJPARAM_TJPARAM_PROGRESSIVE, 1)]);
        let start = structure::walk(&bytes).scans[0].data.start;
        for at in start..bytes.len() - 2 {
            let mut wrong = bytes.clone();
            wrong[at] ^= 2;
            if let Some(complaint) = turbo::entropy_complaint(&wrong) {
                complaints += 1;
                let answer = examine_bytes(&Jpeg, &wrong, Target::None);
                assert!(answer.is_err(), "byte {at} of {side} x {side}: {complaint}");
            }
        }
    }
    assert!(complaints > 50, "{complaints}");
}

#[test]
fn damage_tells_from_where_and_by_whom() {
    let mut bytes = encode(320, 400, &[(ffi::TJPARAM_TJPARAM_RESTARTROWS, 1)]);
    let scan = structure::walk(&bytes).scans[0].data.clone();
    let middle = scan.start + scan.len() / 2;
    bytes[middle..middle + 600].copy_from_slice(&noise(600));
    let source = std::fs::File::open("/dev/null").unwrap();
    let source = Source::new(&source, bytes.len() as u64, Some(&bytes), "");
    let limits = Limits { max_pixels: 1 << 24, max_memory: 1 << 28, max_seconds: 20 };
    let examined = Jpeg.examine(MediaFormat::Jpeg, &source, Wanted::new(Depth::Full, Target::None, &limits));
    let offset = examined.problem.unwrap().offset().unwrap() as usize;
    assert!((middle..middle + 1200).contains(&offset), "{offset} for {middle}");
    assert_eq!(examined.accuser.unwrap().name, "photofsck JPEG walk");
    assert!((0.4..0.6).contains(&examined.sound_until.unwrap()), "{:?}", examined.sound_until);
}

#[test]
fn pictures_that_no_viewer_shows_are_unverifiable_unless_cut() {
    let lossless = encode(40, 30, &[(ffi::TJPARAM_TJPARAM_LOSSLESS, 1)]);
    let arithmetic = encode(40, 30, &[(ffi::TJPARAM_TJPARAM_ARITHMETIC, 1)]);
    for bytes in [lossless, arithmetic] {
        let answer = examine_bytes(&Jpeg, &bytes, Target::None);
        assert!(matches!(answer, Err(DecodeError::Unsupported { .. })), "{answer:?}");
        let answer = examine_bytes(&Jpeg, &bytes[..bytes.len() / 2 + 200], Target::None);
        assert!(matches!(answer, Err(DecodeError::Truncated { .. })), "{answer:?}");
    }
}
