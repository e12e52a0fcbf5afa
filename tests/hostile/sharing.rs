//! Files whose index names the same bytes again and again: small, and endless to whoever reads all that is named.
#![allow(clippy::trivially_copy_pass_by_ref, reason = "box names read best as b\"moov\"")]

use super::bombs::{Bomb, SOUND, seed};

/// A film and a picture.
pub fn all() -> Vec<Bomb> {
    vec![
        Bomb { name: "shared-samples.mp4", bytes: film(), verdicts: SOUND },
        Bomb { name: "shared-items.heic", bytes: picture(), verdicts: SOUND },
    ]
}

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len() + 8).unwrap();
    [&len.to_be_bytes()[..], kind, content].concat()
}

/// The first box of this kind in a file, whole.
fn cut_out<'b>(bytes: &'b [u8], kind: &[u8; 4]) -> &'b [u8] {
    let at = bytes.windows(4).position(|window| window == kind).expect("the box is there") - 4;
    let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    &bytes[at..at + len]
}

fn words(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    values.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// 200 000 samples in the places of two.
fn film() -> Vec<u8> {
    const SAMPLES: u32 = 200_000;
    const SIZE: u32 = 60_000;
    let seed = seed("mp4/h264.mp4");
    // A unit of supplemental information behind its length.
    let sample = [&words([SIZE - 4])[..], &[6], &vec![0x55; SIZE as usize - 5]].concat();
    let ftyp = boxed(b"ftyp", b"isom\0\0\0\0isom");
    let mdat = boxed(b"mdat", &[&sample[..], &sample].concat());
    let first = u32::try_from(ftyp.len() + 8).unwrap();
    let places = (0..SAMPLES).map(|index| first + index % 2 * SIZE);
    let table = [
        cut_out(&seed, b"stsd").to_vec(),
        boxed(b"stts", &words([0, 1, SAMPLES, 1])),
        boxed(b"stsc", &words([0, 1, 1, 1, 1])),
        boxed(b"stsz", &words([0, SIZE, SAMPLES])),
        boxed(b"stco", &words([0, SAMPLES].into_iter().chain(places))),
    ];
    let information =
        [cut_out(&seed, b"vmhd"), cut_out(&seed, b"dinf"), &boxed(b"stbl", &table.concat())].concat();
    let media = [cut_out(&seed, b"mdhd"), cut_out(&seed, b"hdlr"), &boxed(b"minf", &information)].concat();
    let track = [cut_out(&seed, b"tkhd"), &boxed(b"mdia", &media)].concat();
    let movie = [cut_out(&seed, b"mvhd"), &boxed(b"trak", &track)].concat();
    [ftyp, mdat, boxed(b"moov", &movie)].concat()
}

/// 60 000 items that are the same picture, cut in two at other places.
fn picture() -> Vec<u8> {
    const ITEMS: u16 = 60_000;
    let seed = seed("heif/hevc.heic");
    let data = &cut_out(&seed, b"mdat")[8..];
    let len = u32::try_from(data.len()).unwrap();
    let properties = cut_out(&seed, b"ipco");
    let count = properties[8..]
        .windows(4)
        .filter(|kind| [b"hvcC", b"ispe"].contains(&&[kind[0], kind[1], kind[2], kind[3]]));
    let count = u8::try_from(count.count()).unwrap();
    let ftyp = boxed(b"ftyp", b"heic\0\0\0\0heicmif1");
    let mdat = boxed(b"mdat", data);
    let start = u32::try_from(ftyp.len() + 8).unwrap();
    let (mut infos, mut places, mut owns) = (Vec::new(), Vec::new(), Vec::new());
    for id in 1..=ITEMS {
        let name = id.to_be_bytes();
        infos.extend(boxed(b"infe", &[&[2, 0, 0, 0][..], &name, &[0, 0], b"hvc1\0"].concat()));
        let middle = 1 + u32::from(id) % (len - 1);
        places.extend(
            [&name[..], &[0, 0, 0, 2], &words([start, middle, start + middle, len - middle])].concat(),
        );
        owns.extend([&name[..], &[count], &(1..=count).collect::<Vec<u8>>()].concat());
    }
    let many = ITEMS.to_be_bytes();
    let meta = [
        vec![0; 4],
        cut_out(&seed, b"hdlr").to_vec(),
        boxed(b"pitm", &[0, 0, 0, 0, 0, 1]),
        boxed(b"iloc", &[&[0, 0, 0, 0, 0x44, 0][..], &many, &places].concat()),
        boxed(b"iinf", &[&[0; 4][..], &many, &infos].concat()),
        boxed(
            b"iprp",
            &[properties, &boxed(b"ipma", &[&words([0, ITEMS.into()])[..], &owns].concat())].concat(),
        ),
    ];
    [ftyp, mdat, boxed(b"meta", &meta.concat())].concat()
}
