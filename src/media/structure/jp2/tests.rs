#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic is a failed test")]

use super::coding::Codestream;
use super::header::{Bits, TagTree, Wrong};
use super::{inspect, packets, tile};

/// Every progression, layers, tiles, tile-parts, precincts, offsets, components of other sizes, all modes of code-blocks.
const FILES: [(&str, &[u8]); 6] = [
    ("layers", include_bytes!("../../../../testdata/jp2/layers.j2k")),
    ("tiles", include_bytes!("../../../../testdata/jp2/tiles.j2k")),
    ("apart", include_bytes!("../../../../testdata/jp2/apart.j2k")),
    ("resolutions", include_bytes!("../../../../testdata/jp2/resolutions.j2k")),
    ("modes", include_bytes!("../../../../testdata/jp2/modes.j2k")),
    ("bypass", include_bytes!("../../../../testdata/jp2/bypass.j2k")),
];

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

fn is_found(bytes: &[u8]) -> bool {
    inspect(bytes, 0..bytes.len()).is_some()
}

/// Where the packets of the first tile-part begin.
fn first_packet(bytes: &[u8]) -> usize {
    Codestream::read(bytes, 0..bytes.len()).unwrap().data[&0].parts[0].start
}

#[test]
fn the_last_packet_ends_with_its_tile() {
    for (name, bytes) in FILES {
        let stream = Codestream::read(bytes, 0..bytes.len()).unwrap();
        assert!(stream.ended, "{name}");
        for (&number, data) in &stream.data {
            let joined: Vec<u8> =
                data.parts.iter().flat_map(|part| bytes[part.clone()].iter().copied()).collect();
            let precincts = tile::precincts(&stream, number, data, 100_000).unwrap();
            let walk = packets::walk(&joined, &precincts, stream.order(data).unwrap());
            let end = (walk.wrong, walk.short, walk.end);
            assert_eq!(end, (None, false, joined.len()), "{name}, tile {number}");
        }
        assert!(inspect(bytes, 0..bytes.len()).is_none(), "{name}");
    }
}

#[test]
fn lost_blocks_are_found() {
    for (name, bytes) in FILES {
        let (start, length) = (first_packet(bytes), bytes.len());
        let mut found = [0; 2];
        for part in 0..16 {
            let at = start + (length - start - 200) * part / 16;
            for (found, block) in found.iter_mut().zip([vec![0; 200], noise(200)]) {
                let mut damaged = bytes.to_vec();
                damaged[at..at + 200].copy_from_slice(&block);
                *found += usize::from(is_found(&damaged));
            }
        }
        // Codewords that end with each pass are short. Begins of tile-parts are found by others.
        let least = if matches!(name, "modes" | "bypass" | "tiles") { 8 } else { 13 };
        assert!(found.iter().all(|&found| found >= least), "{name}: {found:?} of 16");
    }
}

#[test]
fn what_cannot_be_in_a_codeword_is_found() {
    for (name, bytes) in FILES {
        let start = first_packet(bytes);
        let mut damaged = bytes.to_vec();
        damaged[start + 300..start + 500].fill(0xFF);
        assert!(is_found(&damaged), "{name}");
    }
}

#[test]
fn packets_that_were_cut_off_are_found() {
    for (name, bytes) in FILES.iter().filter(|(name, _)| *name != "tiles") {
        // The last tile-part goes on to the end, as some writers say.
        let mut open = bytes.to_vec();
        let last = memchr::memmem::rfind(&open, b"\xFF\x90\0\x0A").unwrap();
        open[last + 6..last + 10].fill(0);
        assert!(!is_found(&open), "{name}");
        let behind = [open.clone(), b"something else behind the codestream".to_vec()].concat();
        assert!(!is_found(&behind), "{name}");
        open.truncate(open.len() - 400);
        assert!(is_found(&open), "{name}");
    }
}

#[test]
fn other_parts_of_the_standard_are_left_alone() {
    let (_, bytes) = FILES[0];
    let mut damaged = bytes.to_vec();
    let start = first_packet(bytes);
    damaged[start + 300..start + 500].fill(0xFF);
    // Capabilities of SIZ; packed packet headers before SOT.
    let mut extended = damaged.clone();
    extended[6] |= 0x80;
    assert!(!is_found(&extended));
    let sot = memchr::memmem::find(&damaged, b"\xFF\x90\0\x0A").unwrap();
    damaged.splice(sot..sot, *b"\xFF\x60\0\x03\0");
    assert!(!is_found(&damaged));
}

#[test]
fn bits_are_stuffed() {
    let mut bits = Bits::new(&[0xFF, 0x7F, 0x80], 0);
    assert_eq!(bits.number(15), Ok(0x7FFF));
    assert_eq!(bits.bit(), Ok(true));
    assert_eq!(bits.end(), Ok(3));
    // One more byte belongs to a header that ends with FF.
    let mut bits = Bits::new(&[0xFF, 0x00], 0);
    assert_eq!(bits.number(8), Ok(0xFF));
    assert_eq!(bits.end(), Ok(2));
    let mut bits = Bits::new(&[0xFF, 0x80], 0);
    assert_eq!(bits.number(9), Err(Wrong::Stuffing));
    assert_eq!(Bits::new(&[], 0).bit(), Err(Wrong::Ends));
}

/// The example of B.10.2: the numbers 1, 3, 2, 3, ... of a grid of six by three.
#[test]
fn trees_tell_the_numbers_of_the_standard() {
    // q3(0,0) = 1: 01111, q3(1,0) = 3: 001, q3(2,0) = 2: 101.
    let mut bits = Bits::new(&[0b0111_1001, 0b1010_0000], 0);
    let mut tree = TagTree::new((6, 3));
    let mut number = |column| tree.below((column, 0), 80, &mut bits).unwrap();
    assert_eq!([number(0), number(1), number(2)], [Some(1), Some(3), Some(2)]);
}
