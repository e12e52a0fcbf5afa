#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::File;

use super::*;

/// A document of `planes` uncompressed or packed, without layers.
fn document(mode: u16, depth: u16, channels: u16, [width, height]: [u32; 2], tail: &[u8]) -> Vec<u8> {
    let mut bytes = b"8BPS\0\x01\0\0\0\0\0\0".to_vec();
    bytes.extend(channels.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend(depth.to_be_bytes());
    bytes.extend(mode.to_be_bytes());
    bytes.extend([0; 12]);
    bytes.extend(tail);
    bytes
}

fn look(bytes: &[u8]) -> Examined {
    let file = File::open("/dev/null").unwrap();
    let source = Source::new(&file, bytes.len() as u64, Some(bytes), "psd");
    Psd.examine(MediaFormat::Psd, &source, Wanted::new(Depth::Full, Target::Full, &Limits::default()))
}

#[test]
fn planes_become_pixels() {
    let bytes = document(3, 8, 3, [2, 1], &[0, 0, 1, 2, 3, 4, 5, 6]);
    let pixels = look(&bytes).pixels.unwrap();
    assert_eq!(pixels.samples, Samples::U8(vec![1, 3, 5, 2, 4, 6]));
    assert_eq!(pixels.model, ColorModel::Rgb);
}

#[test]
fn spot_colours_are_shown_as_light() {
    let shown = |channels, tail: &[u8]| look(&document(7, 8, channels, [2, 1], tail)).pixels.unwrap();
    let one = shown(1, &[0, 0, 1, 2]);
    assert_eq!((one.model, one.samples), (ColorModel::Gray, Samples::U8(vec![1, 2])));
    let two = shown(2, &[0, 0, 1, 2, 3, 4]);
    assert_eq!((two.model, two.samples), (ColorModel::Rgb, Samples::U8(vec![1, 3, 255, 2, 4, 255])));
    let four = shown(4, &[0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((four.model, four.samples), (ColorModel::Rgb, Samples::U8(vec![1, 3, 5, 2, 4, 6])));
}

#[test]
fn packed_rows_must_have_their_exact_length() {
    let sound = document(1, 8, 1, [4, 1], &[0, 1, 0, 2, 0xFD, 9]);
    assert_eq!(look(&sound).pixels.unwrap().samples, Samples::U8(vec![9; 4]));
    let wrong = document(1, 8, 1, [4, 1], &[0, 1, 0, 2, 0xFC, 9]);
    assert!(matches!(look(&wrong).problem, Some(DecodeError::Malformed { .. })));
}

#[test]
fn every_cut_is_noticed() {
    let bytes = document(4, 16, 4, [2, 2], &[&[0, 0][..], &[7; 32]].concat());
    assert_eq!(look(&bytes).problem, None);
    for len in 0..bytes.len() {
        let problem = look(bytes.get(..len).unwrap()).problem;
        assert!(matches!(problem, Some(DecodeError::Truncated { .. })), "{len}: {problem:?}");
    }
}

#[test]
fn hostile_sizes_are_refused_before_memory_is_taken() {
    let bytes = document(3, 8, 3, [30_000, 30_000], &[0, 0]);
    let file = File::open("/dev/null").unwrap();
    let source = Source::new(&file, bytes.len() as u64, Some(&bytes), "psd");
    let limits = Limits { max_memory: 1 << 30, ..Limits::default() };
    let examined = Psd.examine(MediaFormat::Psd, &source, Wanted::new(Depth::Full, Target::Full, &limits));
    assert!(matches!(examined.problem, Some(DecodeError::LimitExceeded { .. })));
    assert_eq!(
        look(&document(3, 8, 3, [30_001, 1], &[])).problem.unwrap().damage(),
        Some(crate::model::DamageClass::Malformed)
    );
}
