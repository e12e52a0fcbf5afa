use std::collections::BTreeSet;

use super::*;

/// Put together like a JPEG with EXIF and one restart; nothing that decodes.
fn jpeg_like(len: usize) -> Vec<u8> {
    let mut bytes =
        b"\xff\xd8\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
            .to_vec();
    bytes.extend(b"\xff\xda\0\x02");
    let scan: Vec<u8> =
        Rng::new(1, &["scan"]).bytes(len).iter().map(|&byte| if byte == 0xff { 1 } else { byte }).collect();
    bytes.extend(&scan[..len / 2]);
    bytes.extend(b"\xff\xd0");
    bytes.extend(&scan[len / 2..]);
    bytes.extend(b"\xff\xd9");
    bytes
}

fn png_like(len: usize) -> Vec<u8> {
    let mut bytes =
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0....\0\0\0\0IDAT".to_vec();
    bytes.extend(Rng::new(2, &["png"]).bytes(len));
    bytes.extend(b"....\0\0\0\0IEND\xae\x42\x60\x82");
    bytes
}

fn riff_like(len: usize) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WEBPVP8 ".to_vec();
    bytes.extend(Rng::new(3, &["riff"]).bytes(len));
    let size = u32::try_from(bytes.len() - 8).unwrap().to_le_bytes();
    bytes[4..8].copy_from_slice(&size);
    bytes
}

#[test]
fn every_operator_changes_bytes_and_is_the_same_twice() {
    let donor = Rng::new(9, &["donor"]).bytes(300_000);
    let twin = jpeg_like(1000);
    let mut applied = BTreeSet::new();
    for bytes in [
        jpeg_like(400_000),
        b"\xff\xd8\xff\xda\0\x02scan\xff\xd9".to_vec(),
        png_like(400_000),
        riff_like(400_000),
        [b"GIF89a".as_slice(), &donor, b"\x3b"].concat(),
        [b"\0\0\0\x10ftypheic\0\0\0\0\0\x04\x93\xe8mdat".as_slice(), &donor].concat(),
        [b"\x1a\x45\xdf\xa3".as_slice(), &donor].concat(),
        b"G".repeat(188 * 40),
    ] {
        let sound = Sound::new("source", &bytes, &donor, Some(&twin));
        for operator in Operator::all() {
            for seed in [1, 2] {
                let Some(copy) = operator.apply(&sound, seed, 0) else { continue };
                assert!(operator == Operator::WrongExtension || copy != bytes, "{}", operator.name());
                assert_eq!(Some(copy), operator.apply(&sound, seed, 0), "{}", operator.name());
                applied.insert(operator.name());
            }
        }
    }
    let all: BTreeSet<String> = Operator::all().into_iter().map(Operator::name).collect();
    assert_eq!(all.len(), Operator::all().len(), "names are unique");
    assert_eq!(applied, all, "every operator applies to something");
}

#[test]
fn seeds_rounds_and_sources_differ() {
    let (bytes, donor) = (jpeg_like(200_000), jpeg_like(100_000));
    let sound = Sound::new("a", &bytes, &donor, None);
    let other = Sound::new("b", &bytes, &donor, None);
    let flip = Operator::BitFlip;
    let copies: BTreeSet<Vec<u8>> = [
        flip.apply(&sound, 1, 0),
        flip.apply(&sound, 2, 0),
        flip.apply(&sound, 1, 1),
        flip.apply(&other, 1, 0),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert_eq!(copies.len(), 4);
}

#[test]
fn blocks_are_aligned_and_change_nothing_else() {
    let (bytes, donor) = (jpeg_like(300_000), vec![7; 100_000]);
    let sound = Sound::new("a", &bytes, &donor, None);
    for size in BLOCK_SIZES {
        for round in 0..8 {
            let zeroed = Operator::Block(Block::Zero, size).apply(&sound, 5, round).unwrap();
            let first = (0..bytes.len()).find(|&at| zeroed[at] != bytes[at]).unwrap();
            let last = (0..bytes.len()).rfind(|&at| zeroed[at] != bytes[at]).unwrap();
            assert!(last - first < size, "{first} to {last}");
            let block = first / 512 * 512;
            assert!(last < block + size, "{first} to {last} begins a sector");
            let lost = Operator::Block(Block::Lost, size).apply(&sound, 5, round).unwrap();
            assert_eq!(lost.len() + size, bytes.len());
            let doubled = Operator::Block(Block::Doubled, size).apply(&sound, 5, round).unwrap();
            assert_eq!(doubled.len(), bytes.len() + size);
            let mut swapped = Operator::Block(Block::Swapped, size).apply(&sound, 5, round).unwrap();
            let mut sorted = bytes.clone();
            swapped.sort_unstable();
            sorted.sort_unstable();
            assert_eq!(swapped, sorted, "swapping loses nothing");
        }
    }
}

#[test]
fn a_bit_flip_is_one_bit() {
    let bytes = png_like(5000);
    let sound = Sound::new("a", &bytes, &bytes, None);
    for round in 0..100 {
        let flipped = Operator::BitFlip.apply(&sound, 3, round).unwrap();
        let bits: u32 = bytes.iter().zip(&flipped).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!(bits, 1);
    }
}

#[test]
fn oddities_keep_the_picture_data() {
    let bytes = jpeg_like(5000);
    let sound = Sound::new("a", &bytes, &bytes, None);
    let layout = jpeg::Layout::of(&bytes).unwrap();
    let first_scan = &bytes[layout.scan..layout.breaks[0]];
    for oddity in Oddity::ALL {
        let Some(odd) = Operator::Odd(oddity).apply(&sound, 1, 0) else { continue };
        assert!(odd.windows(first_scan.len()).any(|window| window == first_scan), "{}", oddity.name());
        assert!(jpeg::Layout::of(&odd).is_some(), "{}", oddity.name());
    }
    let turned = Operator::Odd(Oddity::ExifOrientation).apply(&sound, 1, 0).unwrap();
    let value = layout.exif.unwrap().start + 18;
    assert!(turned[value] != 6 && (1..=8).contains(&turned[value]));
}

#[test]
fn riff_keeps_its_size_right() {
    let bytes = riff_like(1000);
    let sound = Sound::new("a", &bytes, &bytes, None);
    for oddity in [Oddity::RiffUnknown, Oddity::RiffJunk] {
        let odd = Operator::Odd(oddity).apply(&sound, 1, 0).unwrap();
        assert_eq!(u32::from_le_bytes(odd[4..8].try_into().unwrap()) as usize + 8, odd.len());
    }
}

#[test]
fn labels() {
    use Difference::{Psnr, Shape, Undecodable};
    for (nature, difference, label) in [
        (Nature::Damage, Undecodable, Label::Must),
        (Nature::Damage, Shape, Label::Must),
        (Nature::Damage, Psnr(39.9), Label::Must),
        (Nature::Damage, Psnr(40.0), Label::May),
        (Nature::Damage, Psnr(f64::INFINITY), Label::May),
        (Nature::Harmless, Psnr(f64::INFINITY), Label::MustNot),
        (Nature::Harmless, Psnr(60.0), Label::May),
        (Nature::Harmless, Undecodable, Label::May),
        (Nature::Reference, Psnr(f64::INFINITY), Label::Reference),
    ] {
        assert_eq!(Label::of(nature, difference), label, "{nature:?} {difference:?}");
    }
}

#[test]
fn zeros_that_begin_with_a_row_may_have_been_drawn() {
    // 20 rows of 18 pixels and two bytes that fill them up, a third of each zero, behind 54 bytes of headers.
    let mut sound = vec![1; 54 + 400];
    sound[..2].copy_from_slice(b"BM");
    for (at, value) in [(10, 54u32), (14, 40), (18, 18), (22, 20), (26, 8 << 16 | 1), (30, 0)] {
        sound[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    sound[54..].chunks_mut(20).for_each(|row| row[13..].fill(0));
    let cut = |from: usize, end: usize| {
        let mut copy = sound.clone();
        copy[from..].fill(0);
        copy.truncate(end);
        is_drawable(&sound, &copy)
    };
    let row = |row: usize| 54 + row * 20;
    assert!(cut(row(12), sound.len()) && cut(row(12) - 7, sound.len()));
    // A row that is torn, a file that is shorter, nothing above, and headers.
    assert!(!cut(row(12) + 4, sound.len()) && !cut(row(12), sound.len() - 1));
    assert!(!cut(row(0), sound.len()) && !cut(0, sound.len()));
    // A colour that the picture has not.
    let mut light = sound.clone();
    light[54..].fill(9);
    let mut copy = light.clone();
    copy[row(12)..].fill(0);
    assert!(!is_drawable(&light, &copy));
    // Run lengths.
    let mut packed = sound.clone();
    packed[30] = 1;
    let mut copy = packed.clone();
    copy[row(12)..].fill(0);
    assert!(!is_drawable(&packed, &copy));
}

#[test]
fn other_colours_and_codes_may_have_been_drawn() {
    let (wide, high) = (90, 60);
    let sound = gif(wide, high);
    let table = 13..13 + 768;
    let changed = |places: std::ops::Range<usize>, by: u8| {
        let mut copy = sound.clone();
        copy[places].iter_mut().for_each(|byte| *byte ^= by);
        is_drawable(&sound, &copy)
    };
    assert!(changed(table.clone(), 0x55) && changed(100..101, 1));
    // Nothing, the size of the screen, colours and what is before them, and another format.
    assert!(!changed(100..101, 0) && !changed(6..7, 1) && !changed(12..14, 1) && !changed(0..1, 1));
    assert!(!is_drawable(&sound, &sound[..sound.len() - 1]));
    // Of the codes that give as many pixels most could have been written, some could not; most give other pixels.
    // Behind the frame's header, the size of codes and the length of the first block.
    let start = table.end + sound[table.end..].iter().position(|&byte| byte == b',').unwrap() + 12;
    let (mut drawable, mut all) = (0, 0);
    for at in (start..sound.len() - 4).step_by(3) {
        all += 1;
        drawable += usize::from(changed(at..at + 1, 4));
    }
    assert!(drawable > all / 50 && drawable < all / 2, "{drawable} of {all}");
    // Lengths of blocks are no codes.
    assert!(!changed(start - 1..start, 1));
}

/// A picture in 256 colours with some noise.
fn gif(wide: u16, high: u16) -> Vec<u8> {
    let mut file = Vec::new();
    let palette: Vec<u8> = (0..=255).flat_map(|value| [value; 3]).collect();
    let mut encoder = gif::Encoder::new(&mut file, wide, high, &palette).unwrap();
    let mut rng = Rng::new(1, &["gif"]);
    let noise = rng.bytes(usize::from(wide) * usize::from(high));
    let pixels: Vec<u8> =
        (0..).zip(noise).map(|(at, noise): (u32, u8)| u8::try_from(at / 90).unwrap() + (noise & 3)).collect();
    encoder.write_frame(&gif::Frame::from_indexed_pixels(wide, high, pixels, None)).unwrap();
    drop(encoder);
    file
}

#[test]
fn kinds_by_content() {
    assert_eq!(Kind::of(&jpeg_like(10)), Kind::Jpeg);
    assert_eq!(Kind::of(&riff_like(10)), Kind::Riff);
    assert_eq!(Kind::of(b"\0\0\0\x18ftypheic"), Kind::Boxes);
    assert_eq!(Kind::of(b"\0\0\0\x0cJXL \r\n\x87\n"), Kind::BoxedCodestream);
    assert_eq!(Kind::of(b""), Kind::Other);
}

#[test]
fn differences_are_read_as_they_are_written() {
    for difference in
        [Difference::Undecodable, Difference::Shape, Difference::Psnr(39.9), Difference::Psnr(f64::INFINITY)]
    {
        assert_eq!(difference.to_string().parse(), Ok(difference));
    }
    assert!("unheard of".parse::<Difference>().is_err());
}

#[test]
fn each_kind_of_block_once_in_a_size_that_fits() {
    let blocks = |len: usize, seed: u64| -> Vec<(Block, usize)> {
        let all = Operator::each_kind("source", len, seed, 0).into_iter();
        all.filter_map(
            |operator| if let Operator::Block(block, size) = operator { Some((block, size)) } else { None },
        )
        .collect()
    };
    assert_eq!(blocks(1 << 20, 1).len(), 8);
    assert_eq!(blocks(1 << 20, 1), blocks(1 << 20, 1));
    assert_ne!(blocks(1 << 20, 1), blocks(1 << 20, 2));
    assert!(blocks(9000, 1).iter().all(|(_, size)| *size <= 4096));
    let all = Operator::all().into_iter().filter(|operator| !matches!(operator, Operator::Block(..)));
    assert_eq!(Operator::each_kind("source", 5000, 3, 1).len(), all.count() + 8);
}
