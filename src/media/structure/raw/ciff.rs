//! Canon CRW: the CIFF heap (Canon, "CIFF Specification on Image Data File" 1.0), and the sensor data inside.

use std::ops::Range;

use super::bits::{Bits, Codes, Tree};
use super::inside;
use crate::media::structure::bmff::{be16, be32};
use crate::media::structure::jpeg_walk::Flaw;
use crate::model::DecodeError;

/// Heaps inside heaps.
const MAX_DEPTH: usize = 8;
/// Entries of one directory.
const MAX_ENTRIES: usize = 512;
const SENSOR_DATA: u16 = 0x2005;
const PREVIEW: u16 = 0x2007;
const SENSOR_INFO: u16 = 0x1031;
const DECODER_TABLE: u16 = 0x1835;
/// Where the coded data, or the two lowest bits of all pixels before it, and the space before those begin.
const BEGIN: usize = 540;
const LOW_BITS: usize = 26;
/// Bytes behind the last pixel.
const SLACK: usize = 16;

fn little(bytes: &[u8], at: usize) -> Option<usize> {
    be32(bytes, at).map(|value| value.swap_bytes() as usize)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    be16(bytes, at).map(u16::swap_bytes)
}

/// The directory stands at the end; its entries lie before it.
pub fn check_crw(bytes: &[u8]) -> Result<(), DecodeError> {
    let start = little(bytes, 2).unwrap_or(0);
    let last = bytes.len().saturating_sub(4);
    let lost = || DecodeError::truncated("the directory at the end is not there", Some(bytes.len() as u64));
    let heap = bytes.len().checked_sub(start).ok_or_else(lost)?;
    let directory =
        little(bytes, last).filter(|&offset| offset.saturating_add(6) <= heap).ok_or_else(lost)?;
    let at = start + directory;
    let count = usize::from(short(bytes, at).unwrap_or(0));
    inside(bytes, "directory", at, 2 + count * 10)?;
    let kinds = (0..count).filter_map(|index| short(bytes, at + 2 + index * 10));
    if kinds.into_iter().all(|kind| kind != SENSOR_DATA) {
        return Err(DecodeError::malformed("no sensor data in the directory at the end", at as u64));
    }
    for index in 0..count {
        let place = at + 2 + index * 10;
        let kind = short(bytes, place).unwrap_or(0);
        let (len, offset) = (little(bytes, place + 2).unwrap_or(0), little(bytes, place + 6).unwrap_or(0));
        if is_in_heap(kind) && offset.saturating_add(len) > heap {
            return Err(DecodeError::malformed(
                format!("entry {kind:04X} lies outside the file"),
                place as u64,
            ));
        }
    }
    Ok(())
}

/// The two highest bits say that the value stands in the entry itself.
const fn is_in_heap(kind: u16) -> bool {
    kind & 0xC000 == 0
}

/// Every value of a heap and of those inside it.
fn entries(bytes: &[u8], heap: &Range<usize>, depth: usize, found: &mut Vec<(u16, Range<usize>)>) {
    let Some(at) = heap.end.checked_sub(4).and_then(|last| little(bytes, last)).map(|at| at + heap.start)
    else {
        return;
    };
    let count = usize::from(short(bytes, at).unwrap_or(0));
    if at >= heap.end || count > MAX_ENTRIES {
        return;
    }
    for place in (0..count).map(|index| at + 2 + index * 10) {
        let (Some(kind), Some(len), Some(offset)) =
            (short(bytes, place), little(bytes, place + 2), little(bytes, place + 6))
        else {
            return;
        };
        let start = heap.start.saturating_add(offset);
        let range = start..start.saturating_add(len);
        if !is_in_heap(kind) || range.end > heap.end {
            continue;
        }
        if matches!(kind & 0x3800, 0x2800 | 0x3000) && depth < MAX_DEPTH {
            entries(bytes, &range, depth + 1, found);
        } else {
            found.push((kind, range));
        }
    }
}

/// The preview, `JpgFromRaw` by its common name.
pub fn crw_jpeg(bytes: &[u8]) -> Option<&[u8]> {
    let mut found = Vec::new();
    entries(bytes, &(little(bytes, 2).unwrap_or(0)..bytes.len()), 0, &mut found);
    let (_, range) = found.into_iter().find(|entry| entry.0 == PREVIEW)?;
    bytes.get(range).filter(|data| data.starts_with(b"\xff\xd8\xff"))
}

/// Follows the sensor data to its last pixel, and the preview.
pub fn check_crw_data(bytes: &[u8]) -> Result<(), Flaw> {
    super::data::check_line_ends(bytes)?;
    let mut found = Vec::new();
    entries(bytes, &(little(bytes, 2).unwrap_or(0)..bytes.len()), 0, &mut found);
    let entry = |kind: u16| found.iter().find(|entry| entry.0 == kind).map(|entry| entry.1.clone());
    let preview = entry(PREVIEW).and_then(|range| Some((range.start, bytes.get(range)?)));
    if let Some((start, data)) = preview.filter(|(_, data)| data.starts_with(b"\xff\xd8")) {
        super::data::check_jpeg_data(data, start)?;
    }
    let (Some(sensor), Some(info), Some(table)) =
        (entry(SENSOR_DATA), entry(SENSOR_INFO), entry(DECODER_TABLE))
    else {
        return Ok(());
    };
    let side = |at: usize| short(bytes, info.start.saturating_add(at)).map_or(0, usize::from);
    let (width, height) = (side(2), side(4));
    let trees = little(bytes, table.start).and_then(|table| Some((FIRST.get(table)?, OTHERS.get(table)?)));
    let (Some((first, others)), true) = (trees, width >= 8 && width.is_multiple_of(2)) else { return Ok(()) };
    // A pixel takes more than a bit.
    if width * height / 8 > sensor.len() {
        return Ok(());
    }
    let low_bits = if has_low_bits(bytes) { width * height / 4 } else { 0 };
    let start = BEGIN + low_bits;
    let Some(data) = bytes.get(start..sensor.end).filter(|_| sensor.start == LOW_BITS) else { return Ok(()) };
    walk(data, width, height, &Codes::new(first), &Codes::new(others)).map_err(|(what, at, share)| Flaw {
        error: DecodeError::malformed(what, (start + at) as u64),
        sound_until: Some(share),
    })
}

/// Some cameras store the two lowest bits of 12 apart, before the coded data (dcraw's test): where there are none, coded
/// data stands here, in which every FF has a zero behind it.
fn has_low_bits(bytes: &[u8]) -> bool {
    let head = bytes.get(BEGIN..0x4000).unwrap_or_default();
    let mut coded = false;
    for pair in head.windows(2).filter(|pair| pair.first() == Some(&0xFF)) {
        if pair.last() != Some(&0) {
            return true;
        }
        coded = true;
    }
    !coded
}

type Wrong = (&'static str, usize, f32);

/// Blocks of 64 differences; no pixel has more than 10 bits, and all end with the data.
fn walk(data: &[u8], width: usize, height: usize, first: &Codes, others: &Codes) -> Result<(), Wrong> {
    let mut bits = Bits::new(data, true);
    let (mut carry, mut base, mut pixel) = (0i32, [512i32; 2], 0usize);
    let blocks = width * height / 64;
    for block in 0..blocks {
        let wrong = |what, bits: &Bits<'_>| (what, bits.used(), block as f32 / blocks as f32);
        let mut differences = [0i32; 64];
        let mut place = 0;
        while place < 64 {
            let codes = if place == 0 { first } else { others };
            let Some(leaf) = codes.read(&mut bits) else { return Err(wrong("a code that cannot be", &bits)) };
            if leaf == 0 && place > 0 {
                break;
            }
            if leaf != 0xFF {
                place += usize::from(leaf >> 4);
                let difference = bits.signed(u32::from(leaf & 15));
                if let Some(slot) = differences.get_mut(place).filter(|_| leaf & 15 > 0) {
                    *slot = difference;
                }
            }
            place += 1;
        }
        let [first_difference, ..] = &mut differences;
        carry = carry.saturating_add(*first_difference);
        *first_difference = carry;
        for pair in differences.chunks_exact(2) {
            if pixel.is_multiple_of(width) {
                base = [512; 2];
            }
            pixel += 2;
            for (base, difference) in base.iter_mut().zip(pair) {
                *base = base.saturating_add(*difference);
            }
            if base.iter().any(|value| !(0..1024).contains(value)) {
                return Err(wrong("a pixel of more than its 10 bits", &bits));
            }
        }
        if bits.used() > data.len() + SLACK {
            return Err(wrong("the sensor data ends before its last pixel", &bits));
        }
    }
    if bits.used() + SLACK < data.len() {
        return Err(("the sensor data goes on behind its last pixel", bits.used(), 0.0));
    }
    Ok(())
}

const FIRST: [Tree; 3] = [
    (
        [0, 1, 4, 2, 3, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x04, 0x03, 0x05, 0x06, 0x02, 0x07, 0x01, 0x08, 0x09, 0x00, 0x0a, 0x0b, 0xff],
    ),
    (
        [0, 2, 2, 3, 1, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0],
        &[0x03, 0x02, 0x04, 0x01, 0x05, 0x00, 0x06, 0x07, 0x09, 0x08, 0x0a, 0x0b, 0xff],
    ),
    (
        [0, 0, 6, 3, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x06, 0x05, 0x07, 0x04, 0x08, 0x03, 0x09, 0x02, 0x00, 0x0a, 0x01, 0x0b, 0xff],
    ),
];

const OTHERS: [Tree; 3] = [
    (
        [0, 2, 2, 2, 1, 4, 2, 1, 2, 5, 1, 1, 0, 0, 0, 139],
        &[
            0x03, 0x04, 0x02, 0x05, 0x01, 0x06, 0x07, 0x08, 0x12, 0x13, 0x11, 0x14, 0x09, 0x15, 0x22, 0x00,
            0x21, 0x16, 0x0a, 0xf0, 0x23, 0x17, 0x24, 0x31, 0x32, 0x18, 0x19, 0x33, 0x25, 0x41, 0x34, 0x42,
            0x35, 0x51, 0x36, 0x37, 0x38, 0x29, 0x79, 0x26, 0x1a, 0x39, 0x56, 0x57, 0x28, 0x27, 0x52, 0x55,
            0x58, 0x43, 0x76, 0x59, 0x77, 0x54, 0x61, 0xf9, 0x71, 0x78, 0x75, 0x96, 0x97, 0x49, 0xb7, 0x53,
            0xd7, 0x74, 0xb6, 0x98, 0x47, 0x48, 0x95, 0x69, 0x99, 0x91, 0xfa, 0xb8, 0x68, 0xb5, 0xb9, 0xd6,
            0xf7, 0xd8, 0x67, 0x46, 0x45, 0x94, 0x89, 0xf8, 0x81, 0xd5, 0xf6, 0xb4, 0x88, 0xb1, 0x2a, 0x44,
            0x72, 0xd9, 0x87, 0x66, 0xd4, 0xf5, 0x3a, 0xa7, 0x73, 0xa9, 0xa8, 0x86, 0x62, 0xc7, 0x65, 0xc8,
            0xc9, 0xa1, 0xf4, 0xd1, 0xe9, 0x5a, 0x92, 0x85, 0xa6, 0xe7, 0x93, 0xe8, 0xc1, 0xc6, 0x7a, 0x64,
            0xe1, 0x4a, 0x6a, 0xe6, 0xb3, 0xf1, 0xd3, 0xa5, 0x8a, 0xb2, 0x9a, 0xba, 0x84, 0xa4, 0x63, 0xe5,
            0xc5, 0xf3, 0xd2, 0xc4, 0x82, 0xaa, 0xda, 0xe4, 0xf2, 0xca, 0x83, 0xa3, 0xa2, 0xc3, 0xea, 0xc2,
            0xe2, 0xe3,
        ],
    ),
    (
        [0, 2, 2, 1, 4, 1, 4, 1, 3, 3, 1, 0, 0, 0, 0, 140],
        &[
            0x02, 0x03, 0x01, 0x04, 0x05, 0x12, 0x11, 0x06, 0x13, 0x07, 0x08, 0x14, 0x22, 0x09, 0x21, 0x00,
            0x23, 0x15, 0x31, 0x32, 0x0a, 0x16, 0xf0, 0x24, 0x33, 0x41, 0x42, 0x19, 0x17, 0x25, 0x18, 0x51,
            0x34, 0x43, 0x52, 0x29, 0x35, 0x61, 0x39, 0x71, 0x62, 0x36, 0x53, 0x26, 0x38, 0x1a, 0x37, 0x81,
            0x27, 0x91, 0x79, 0x55, 0x45, 0x28, 0x72, 0x59, 0xa1, 0xb1, 0x44, 0x69, 0x54, 0x58, 0xd1, 0xfa,
            0x57, 0xe1, 0xf1, 0xb9, 0x49, 0x47, 0x63, 0x6a, 0xf9, 0x56, 0x46, 0xa8, 0x2a, 0x4a, 0x78, 0x99,
            0x3a, 0x75, 0x74, 0x86, 0x65, 0xc1, 0x76, 0xb6, 0x96, 0xd6, 0x89, 0x85, 0xc9, 0xf5, 0x95, 0xb4,
            0xc7, 0xf7, 0x8a, 0x97, 0xb8, 0x73, 0xb7, 0xd8, 0xd9, 0x87, 0xa7, 0x7a, 0x48, 0x82, 0x84, 0xea,
            0xf4, 0xa6, 0xc5, 0x5a, 0x94, 0xa4, 0xc6, 0x92, 0xc3, 0x68, 0xb5, 0xc8, 0xe4, 0xe5, 0xe6, 0xe9,
            0xa2, 0xa3, 0xe3, 0xc2, 0x66, 0x67, 0x93, 0xaa, 0xd4, 0xd5, 0xe7, 0xf8, 0x88, 0x9a, 0xd7, 0x77,
            0xc4, 0x64, 0xe2, 0x98, 0xa5, 0xca, 0xda, 0xe8, 0xf3, 0xf6, 0xa9, 0xb2, 0xb3, 0xf2, 0xd2, 0x83,
            0xba, 0xd3,
        ],
    ),
    (
        [0, 0, 6, 2, 1, 3, 3, 2, 5, 1, 2, 2, 8, 10, 0, 117],
        &[
            0x04, 0x05, 0x03, 0x06, 0x02, 0x07, 0x01, 0x08, 0x09, 0x12, 0x13, 0x14, 0x11, 0x15, 0x0a, 0x16,
            0x17, 0xf0, 0x00, 0x22, 0x21, 0x18, 0x23, 0x19, 0x24, 0x32, 0x31, 0x25, 0x33, 0x38, 0x37, 0x34,
            0x35, 0x36, 0x39, 0x79, 0x57, 0x58, 0x59, 0x28, 0x56, 0x78, 0x27, 0x41, 0x29, 0x77, 0x26, 0x42,
            0x76, 0x99, 0x1a, 0x55, 0x98, 0x97, 0xf9, 0x48, 0x54, 0x96, 0x89, 0x47, 0xb7, 0x49, 0xfa, 0x75,
            0x68, 0xb6, 0x67, 0x69, 0xb9, 0xb8, 0xd8, 0x52, 0xd7, 0x88, 0xb5, 0x74, 0x51, 0x46, 0xd9, 0xf8,
            0x3a, 0xd6, 0x87, 0x45, 0x7a, 0x95, 0xd5, 0xf6, 0x86, 0xb4, 0xa9, 0x94, 0x53, 0x2a, 0xa8, 0x43,
            0xf5, 0xf7, 0xd4, 0x66, 0xa7, 0x5a, 0x44, 0x8a, 0xc9, 0xe8, 0xc8, 0xe7, 0x9a, 0x6a, 0x73, 0x4a,
            0x61, 0xc7, 0xf4, 0xc6, 0x65, 0xe9, 0x72, 0xe6, 0x71, 0x91, 0x93, 0xa6, 0xda, 0x92, 0x85, 0x62,
            0xf3, 0xc5, 0xb2, 0xa4, 0x84, 0xba, 0x64, 0xa5, 0xb3, 0xd2, 0x81, 0xe5, 0xd3, 0xaa, 0xc4, 0xca,
            0xf2, 0xb1, 0xe4, 0xd1, 0x83, 0x63, 0xea, 0xc3, 0xe2, 0x82, 0xf1, 0xa3, 0xc2, 0xa1, 0xc1, 0xe3,
            0xa2, 0xe1,
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of a symbol, as text of bits.
    fn code((counts, symbols): &Tree, wanted: u8) -> String {
        let (mut code, mut index) = (0usize, 0);
        for (length, &count) in (1..).zip(counts) {
            for _ in 0..count {
                if symbols.get(index) == Some(&wanted) {
                    return format!("{code:0length$b}");
                }
                code += 1;
                index += 1;
            }
            code <<= 1;
        }
        panic!("no such symbol")
    }

    fn packed(bits: &str) -> Vec<u8> {
        let byte = |chunk: &[u8]| {
            let value = chunk.iter().fold(0u8, |value, bit| value << 1 | (bit & 1));
            value << (8 - chunk.len())
        };
        let bytes = bits.as_bytes().chunks(8).map(byte);
        bytes.flat_map(|byte| if byte == 0xFF { vec![0xFF, 0] } else { vec![byte] }).collect()
    }

    /// Blocks of 64 pixels in a row, each with one difference of this many bits of ones.
    fn coded(table: usize, blocks: usize, size: u8) -> Vec<u8> {
        let (first, others) = (FIRST.get(table), OTHERS.get(table));
        let (Some(first), Some(others)) = (first, others) else { return Vec::new() };
        let block = [code(first, size), "1".repeat(size.into()), code(others, 0)].concat();
        packed(&block.repeat(blocks))
    }

    fn follow(data: &[u8], table: usize) -> Result<(), Wrong> {
        let (Some(first), Some(others)) = (FIRST.get(table), OTHERS.get(table)) else { return Ok(()) };
        walk(data, 64, 256, &Codes::new(first), &Codes::new(others))
    }

    #[test]
    fn data_of_every_table_is_followed_to_its_last_pixel() {
        for table in 0..3 {
            let sound = coded(table, 256, 0);
            assert_eq!(follow(&sound, table), Ok(()), "{table}");
            assert!(follow(sound.get(..sound.len() / 2).unwrap_or_default(), table).is_err());
            let long = [sound.as_slice(), &sound].concat();
            assert!(follow(&long, table).is_err_and(|wrong| wrong.0.contains("goes on")), "{table}");
        }
    }

    #[test]
    fn pixels_keep_to_ten_bits() {
        // Each block adds 1 to the first difference of the next; rows begin at 512 again.
        assert_eq!(follow(&coded(0, 256, 1), 0), Ok(()));
        assert!(follow(&coded(0, 256, 3), 0).is_err_and(|wrong| wrong.0.contains("10 bits")));
    }

    #[test]
    fn hostile_heaps_end() {
        // A directory of directories that hold themselves.
        let mut bytes = b"II\x1a\0\0\0HEAPCCDR".to_vec();
        bytes.resize(64, 0);
        bytes.extend([2, 0, 0, 0x30, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0x30, 100, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(64u32.to_le_bytes());
        assert!(check_crw(&bytes).is_err());
        for len in 0..bytes.len() {
            let _ = (check_crw(bytes.get(..len).unwrap_or_default()), check_crw_data(&bytes).is_ok());
        }
    }
}
