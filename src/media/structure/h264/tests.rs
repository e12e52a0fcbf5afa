//! The walk over small films of x264 (`testdata/h264`), whole, cut and changed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

const FILMS: [(&str, &[u8]); 6] = [
    ("cabac", include_bytes!("../../../../testdata/h264/cabac.264")),
    ("cavlc", include_bytes!("../../../../testdata/h264/cavlc.264")),
    ("pairs", include_bytes!("../../../../testdata/h264/pairs.264")),
    ("pairs-cavlc", include_bytes!("../../../../testdata/h264/pairs-cavlc.264")),
    ("full", include_bytes!("../../../../testdata/h264/full.264")),
    ("lossless", include_bytes!("../../../../testdata/h264/lossless.264")),
];

/// The parameter sets and slices between start codes.
fn units(stream: &[u8]) -> (ParameterSets, Vec<Vec<u8>>) {
    let starts: Vec<usize> = memchr::memmem::find_iter(stream, b"\0\0\x01").map(|at| at + 3).collect();
    let mut sets = ParameterSets::default();
    let mut slices = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(stream.len(), |next| next - 3);
        let unit = stream[start..end].strip_suffix(b"\0").unwrap_or(&stream[start..end]);
        if matches!(unit[0] & 31, 1 | 5) { slices.push(unit.to_vec()) } else { sets.add(unit) }
    }
    (sets, slices)
}

const fn is_sound(answer: &Answer) -> bool {
    matches!(answer, Answer::Sound(_))
}

const fn is_damaged(answer: &Answer) -> bool {
    matches!(answer, Answer::Damaged { .. })
}

#[test]
fn slices_are_sound_to_their_last_bit_and_cover_their_pictures() {
    for (name, stream) in FILMS {
        let (sets, slices) = units(stream);
        assert!(slices.len() >= 2 && slices.iter().filter(|slice| !is_intra(slice)).count() >= 1, "{name}");
        let mut next = 0;
        for slice in &slices {
            let Answer::Sound(extent) = walk_slice(&sets, slice) else {
                panic!("{name}: {:?}", walk_slice(&sets, slice))
            };
            assert_eq!(extent.from, next, "{name}");
            assert!(extent.in_order && extent.all <= sets.largest());
            next = if extent.to == extent.all { 0 } else { extent.to };
            // cabac_zero_words and trailing zeros
            assert!(is_sound(&walk_slice(&sets, &[slice, &b"\0\0\x03\0\0\x03"[..]].concat())), "{name}");
        }
        assert_eq!(next, 0, "{name}");
    }
}

#[test]
fn no_cut_slice_is_whole() {
    for (name, stream) in FILMS {
        let (sets, slices) = units(stream);
        for slice in &slices {
            for len in 1..slice.len() {
                // By chance, it may end behind a macroblock, but not behind its last.
                let answer = walk_slice(&sets, &slice[..len]);
                assert_ne!(answer, walk_slice(&sets, slice), "{name}: {len} of {}", slice.len());
            }
        }
    }
}

#[test]
fn nearly_every_changed_byte_is_noticed() {
    for (name, stream) in FILMS {
        let (sets, slices) = units(stream);
        let (mut changed, mut noticed) = (0, 0);
        for slice in &slices {
            let told = walk_slice(&sets, slice);
            for at in 1..slice.len() {
                for mask in [0x10, 0xFF] {
                    let mut other = slice.clone();
                    other[at] ^= mask;
                    changed += 1;
                    noticed += usize::from(walk_slice(&sets, &other) != told);
                }
            }
        }
        // Of some bits the length of the code does not depend: signs, modes, levels of lossless blocks.
        let least = match name {
            "cavlc" | "pairs-cavlc" => 70,
            // Most of its macroblocks are samples without coding.
            "lossless" => 60,
            _ => 90,
        };
        assert!(noticed * 100 >= changed * least, "{name}: {noticed} of {changed}");
    }
}

#[test]
fn what_is_behind_the_last_macroblock_is_damage() {
    for (name, stream) in FILMS {
        let (sets, slices) = units(stream);
        let longer = [&slices[0][..], &[0x55, 0x80]].concat();
        assert!(is_damaged(&walk_slice(&sets, &longer)), "{name}");
    }
}

#[test]
fn what_is_not_followed_is_not_judged() {
    let (sets, slices) = units(FILMS[0].1);
    assert!(matches!(walk_slice(&ParameterSets::default(), &slices[0]), Answer::NotFollowed(_)));
    let mut partition = slices[0].clone();
    partition[0] = partition[0] & 0xE0 | 2;
    assert!(matches!(walk_slice(&sets, &partition), Answer::NotFollowed(_)));
    assert!(matches!(walk_slice(&sets, &[]), Answer::NotFollowed(_)));
}

proptest! {
    #[test]
    fn parameter_sets_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 2..60), at in 0usize..40, mask: u8) {
        let mut sets = ParameterSets::of_configuration(&bytes);
        for kind in [SPS, PPS] {
            sets.add(&[&[kind], &bytes[..]].concat());
        }
        let mut stream = FILMS[2].1.to_vec();
        stream[4 + at] ^= mask;
        let (sets, slices) = units(&stream);
        for slice in &slices {
            let _ = walk_slice(&sets, slice);
        }
    }

    #[test]
    fn slices_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0usize..6, kept in 1usize..12) {
        let (sets, slices) = units(FILMS[which].1);
        let mut unit = slices[0][..kept.min(slices[0].len())].to_vec();
        unit.extend(bytes);
        let _ = walk_slice(&sets, &unit);
    }
}
