//! Encoded pictures, sound and damaged.
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
use super::decode::denominator;
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
