//! The walk over small pictures of x265 (`testdata/hevc`), whole, cut and changed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

const PICTURES: [(&str, &[u8]); 7] = [
    ("plain", include_bytes!("../../../../testdata/hevc/plain.hevc")),
    ("wavefronts", include_bytes!("../../../../testdata/hevc/wavefronts.hevc")),
    ("slices", include_bytes!("../../../../testdata/hevc/slices.hevc")),
    ("full", include_bytes!("../../../../testdata/hevc/full.hevc")),
    ("lossless", include_bytes!("../../../../testdata/hevc/lossless.hevc")),
    ("predicted", include_bytes!("../../../../testdata/hevc/predicted.hevc")),
    ("predicted-full", include_bytes!("../../../../testdata/hevc/predicted-full.hevc")),
];

/// The units between start codes: parameter sets, and slices.
fn units(stream: &[u8]) -> (ParameterSets, Vec<Vec<u8>>) {
    let starts: Vec<usize> = memchr::memmem::find_iter(stream, b"\0\0\x01").map(|at| at + 3).collect();
    let mut sets = ParameterSets::default();
    let mut slices = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(stream.len(), |next| next - 3);
        let unit = stream[start..end].strip_suffix(b"\0").unwrap_or(&stream[start..end]);
        if Header::of(unit).unwrap().kind < 32 { slices.push(unit.to_vec()) } else { sets.add(unit) }
    }
    (sets, slices)
}

fn walk(sets: &ParameterSets, slices: &[Vec<u8>]) -> Answer {
    super::walk(sets, &slices.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn is_damaged(answer: &Answer) -> bool {
    matches!(answer, Answer::Damaged(_))
}

#[test]
fn pictures_are_sound_to_their_last_bit() {
    for (name, stream) in PICTURES {
        let (sets, mut slices) = units(stream);
        assert_eq!(walk(&sets, &slices), Answer::Sound, "{name}");
        // cabac_zero_words
        slices.last_mut().unwrap().extend(b"\0\0\x03\0\0\x03");
        assert_eq!(walk(&sets, &slices), Answer::Sound, "{name} with zero words");
        slices.last_mut().unwrap().push(1);
        assert!(is_damaged(&walk(&sets, &slices)), "{name} with bytes behind");
    }
}

#[test]
fn no_cut_slice_is_sound() {
    for (name, stream) in PICTURES {
        let (sets, slices) = units(stream);
        let last = slices.last().unwrap();
        for len in 0..last.len() {
            let mut cut = slices.clone();
            cut.last_mut().unwrap().truncate(len);
            assert!(is_damaged(&walk(&sets, &cut)), "{name} cut to {len} bytes");
        }
    }
}

#[test]
fn nearly_every_changed_byte_is_noticed() {
    let (mut changed, mut noticed) = (0, 0);
    for (_, stream) in PICTURES {
        let (sets, slices) = units(stream);
        for (index, at) in
            slices.iter().enumerate().flat_map(|(index, slice)| (2..slice.len()).map(move |at| (index, at)))
        {
            for mask in [1, 0x10, 0x80, 0xFF] {
                let mut other = slices.clone();
                other[index][at] ^= mask;
                changed += 1;
                noticed += usize::from(walk(&sets, &other) != Answer::Sound);
            }
        }
    }
    assert!(noticed * 100 >= changed * 95, "{noticed} of {changed}");
}

#[test]
fn slices_cover_the_picture_once() {
    let (sets, slices) = units(PICTURES[2].1);
    let [first, second] = slices.as_slice() else { panic!("two slices") };
    let told = |slices: &[&Vec<u8>]| {
        is_damaged(&walk(&sets, &slices.iter().map(|slice| (*slice).clone()).collect::<Vec<_>>()))
    };
    assert!(!told(&[first, second]));
    assert!(!told(&[first, second, first, second]), "two pictures");
    assert!(told(&[first]));
    assert!(told(&[second]));
    assert!(told(&[second, first]));
    assert!(told(&[first, second, second]));
}

#[test]
fn what_is_sound_above_the_damage_is_told() {
    let (sets, mut slices) = units(PICTURES[2].1);
    let len = slices[1].len();
    slices[1][len / 2] ^= 0xFF;
    let Answer::Damaged(damage) = walk(&sets, &slices) else { panic!("not noticed") };
    assert_eq!((damage.unit, damage.rows), (1, 192));
    assert!(damage.sound_rows >= 64 && damage.sound_rows < 192, "{damage:?}");
}

#[test]
fn without_parameter_sets_nothing_is_said() {
    let (_, slices) = units(PICTURES[0].1);
    assert!(matches!(walk(&ParameterSets::default(), &slices), Answer::NotFollowed(_)));
    assert!(matches!(walk(&ParameterSets::default(), &[]), Answer::NotFollowed(_)));
}

proptest! {
    #[test]
    fn parameter_sets_of_any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 2..80), at in 0usize..45, mask: u8) {
        let mut sets = ParameterSets::of_configuration(&bytes);
        for kind in [SPS, PPS] {
            bytes[0] = kind << 1;
            sets.add(&bytes);
        }
        // Sets of an encoder, changed in one place.
        let (_, stream) = PICTURES[2];
        let mut stream = stream.to_vec();
        stream[3 + at] ^= mask;
        let (sets, slices) = units(&stream);
        let _ = walk(&sets, &slices);
    }

    #[test]
    fn slices_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400), which in 0usize..7, kept in 0usize..12) {
        let (sets, slices) = units(PICTURES[which].1);
        let mut unit = slices[0][..kept.min(slices[0].len())].to_vec();
        unit.extend(bytes);
        prop_assert!(walk(&sets, &[unit]) != Answer::Sound);
    }
}
