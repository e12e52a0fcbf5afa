#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "tests"
)]

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;

const WIDTH: u32 = 40;
const HEIGHT: u32 = 24;
const ROWS: u32 = 10;

/// A little-endian grey picture of three strips, the last one shorter.
fn file(compression: u32, bits: u32, strips: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"II*\0\0\0\0\0".to_vec();
    let mut places = Vec::new();
    for strip in strips {
        places.push((out.len() as u32, strip.len() as u32));
        out.extend(strip);
    }
    let mut list = |values: Vec<u32>| {
        let at = out.len() as u32;
        out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        at
    };
    // A single value stands in the entry itself.
    let (offsets, lengths) = match places[..] {
        [only] => only,
        _ => (
            list(places.iter().map(|place| place.0).collect()),
            list(places.iter().map(|place| place.1).collect()),
        ),
    };
    let count = strips.len() as u32;
    let entries = [
        (256u16, 1u32, WIDTH),
        (257, 1, HEIGHT),
        (258, 1, bits),
        (259, 1, compression),
        (262, 1, 1),
        (273, count, offsets),
        (278, 1, ROWS),
        (279, count, lengths),
    ];
    let at = out.len() as u32;
    out[4..8].copy_from_slice(&at.to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    for (tag, count, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(4u16.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend([0; 4]);
    out
}

/// The rows of the strips, so many bytes each.
fn rows(row_bytes: u32) -> Vec<Vec<u8>> {
    [10, 10, 4].iter().map(|rows| (0..rows * row_bytes).map(|at| (at * 7 % 251) as u8).collect()).collect()
}

fn answer(bytes: &[u8]) -> Answer {
    let outline = walk(bytes);
    assert_eq!(outline.problem, None);
    walk_page(bytes, &outline.pages[0], |_, _| {})
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// PackBits of literal runs alone.
fn pack(data: &[u8]) -> Vec<u8> {
    data.chunks(100).flat_map(|run| std::iter::once(run.len() as u8 - 1).chain(run.iter().copied())).collect()
}

/// LZW of nine-bit codes: a clear code comes before the table grows too large for them.
fn lzw(data: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    for run in data.chunks(200) {
        codes.push(256u32);
        codes.extend(run.iter().map(|&byte| u32::from(byte)));
    }
    codes.push(257);
    let bits: Vec<bool> =
        codes.iter().flat_map(|code| (0..9).rev().map(move |bit| code >> bit & 1 == 1)).collect();
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0u8, |sum, (at, &bit)| sum | u8::from(bit) << (7 - at)))
        .collect()
}

type Coder = fn(&[u8]) -> Vec<u8>;
const CODERS: [(u32, Coder); 4] = [(1, <[u8]>::to_vec), (5, lzw), (8, deflate), (32_773, pack)];

#[test]
fn strips_that_give_what_their_rows_need_are_sound() {
    for (compression, coder) in CODERS {
        for (bits, row_bytes) in [(8, WIDTH), (12, WIDTH * 3 / 2), (1, WIDTH / 8), (24, WIDTH * 3)] {
            let strips: Vec<_> = rows(row_bytes).iter().map(|strip| coder(strip)).collect();
            assert_eq!(answer(&file(compression, bits, &strips)), Answer::Sound, "{compression} {bits}");
        }
    }
}

#[test]
fn a_last_strip_filled_up_is_sound() {
    for (compression, coder) in CODERS {
        let mut strips = rows(WIDTH);
        strips[2].resize((ROWS * WIDTH) as usize, 0);
        let strips: Vec<_> = strips.iter().map(|strip| coder(strip)).collect();
        assert_eq!(answer(&file(compression, 8, &strips)), Answer::Sound, "{compression}");
    }
}

#[test]
fn a_strip_of_too_few_or_too_many_bytes_is_wrong_and_told_by_row() {
    for (compression, coder) in CODERS {
        for change in [-1isize, 1] {
            let mut strips = rows(WIDTH);
            let len = strips[1].len().checked_add_signed(change * WIDTH as isize).unwrap();
            strips[1].resize(len, 1);
            let strips: Vec<_> = strips.iter().map(|strip| coder(strip)).collect();
            let answer = answer(&file(compression, 8, &strips));
            if compression == 1 && change > 0 {
                assert_eq!(answer, Answer::Sound, "longer counts are harmless");
                continue;
            }
            let Answer::Wrong(wrong) = answer else { panic!("{compression} {change}: {answer:?}") };
            assert!((10..=20).contains(&wrong.row.unwrap()), "{compression} {change}: {wrong:?}");
        }
    }
}

#[test]
fn what_is_so_in_all_strips_is_a_habit() {
    let strips: Vec<_> = rows(WIDTH).iter().map(|strip| pack(&[&strip[..], &[7; 500]].concat())).collect();
    assert!(matches!(answer(&file(32_773, 8, &strips)), Answer::NotFollowed(_)));
}

#[test]
fn fewer_strips_than_rows_need_are_wrong() {
    assert!(matches!(answer(&file(1, 8, &rows(WIDTH)[..2])), Answer::Wrong(Wrong { row: Some(20), .. })));
}

#[test]
fn group_4_rows_end_at_the_width() {
    // Three white rows of vertical mode 0 each, and the end code.
    let mut bytes = file(4, 1, &[vec![0b1110_0000, 0b0000_0001, 0, 0b0001_0000]]);
    let directory = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let height = directory + 2 + 12 + 8;
    bytes[height] = 3;
    assert_eq!(answer(&bytes), Answer::Sound);
    bytes[8] = 0b1100_0001;
    assert!(matches!(answer(&bytes), Answer::Wrong(_)));
}

#[test]
fn a_lost_end_of_a_palette_picture_is_found() {
    // Rows of 40 bytes are too short for the search for blocks; those of a palette are no numbers.
    let whole = [vec![9; 400], vec![8; 400], vec![7; 160]];
    let mut bytes = [file(1, 8, &whole), vec![0; 4096]].concat();
    let page = Page { photometric: 3, ..walk(&bytes).pages[0].clone() };
    assert_eq!(foreign_block(&bytes, &page, false), None);
    bytes[8 + 500..].fill(0);
    let wrong = foreign_block(&bytes, &page, false);
    assert!(matches!(wrong, Some(Wrong { row: Some(12), .. })), "{wrong:?}");
}

#[test]
fn loops_of_directories_end() {
    let mut bytes = file(1, 8, &rows(WIDTH));
    let at = bytes.len() - 4;
    let directory: [u8; 4] = bytes[4..8].try_into().unwrap();
    bytes[at..].copy_from_slice(&directory);
    assert!(matches!(walk(&bytes).problem, Some(DecodeError::Malformed { .. })));
}

proptest! {
    #[test]
    fn no_change_makes_the_walk_panic(
        which in 0..CODERS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (compression, coder) = CODERS[which];
        let strips: Vec<_> = rows(WIDTH).iter().map(|strip| coder(strip)).collect();
        let mut bytes = file(compression, 8, &strips);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let outline = walk(&bytes);
        for page in outline.pages.iter().filter(|page| page.size.pixels() < 1 << 20) {
            let _ = walk_page(&bytes, page, |_, _| {});
            let _ = foreign_block(&bytes, page, outline.big_endian);
        }
    }

    #[test]
    fn every_cut_of_a_coded_strip_is_noticed(which in 1..CODERS.len(), cut in any::<prop::sample::Index>()) {
        let (compression, coder) = CODERS[which];
        let mut strips: Vec<_> = rows(WIDTH).iter().map(|strip| coder(strip)).collect();
        // What stands behind the rows (checksum, end code) is not missed.
        let len = cut.index(strips[1].len() - 6) + 1;
        strips[1].truncate(len);
        let answer = answer(&file(compression, 8, &strips));
        prop_assert!(matches!(answer, Answer::Wrong(_)), "{:?}", answer);
    }
}
