//! Files that want more than they should get: each is written by hand, small, and lies about something.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress};

/// What may be said of a file: the verdicts that are right.
pub type Verdicts = &'static [&'static str];

/// Sound, however large it makes itself.
pub const SOUND: Verdicts = &["decodable", "unverifiable"];
/// Nothing can be said, and it is not called damaged.
pub const UNKNOWABLE: Verdicts = &["unverifiable"];
/// Readers may do without what lies.
pub const ANYTHING: Verdicts = &["decodable", "damaged", "unverifiable"];
/// Broken by any reading of the format.
pub const BROKEN: Verdicts = &["damaged"];
/// Broken, or larger than we look into.
pub const NEVER_FINE: Verdicts = &["damaged", "unverifiable"];

/// A file and what may be said of it.
pub struct Bomb {
    /// File name.
    pub name: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
    /// What may be said.
    pub verdicts: Verdicts,
}

fn bomb(name: &'static str, verdicts: Verdicts, bytes: Vec<u8>) -> Bomb {
    Bomb { name, bytes, verdicts }
}

/// Pictures and films.
pub fn media() -> Vec<Bomb> {
    [pngs(), gifs(), tiffs(), jpegs(), webps(), heifs(), movies(), others()].into_iter().flatten().collect()
}

/// A seed of the fuzz targets: a small sound file.
pub fn seed(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A zlib stream of so many zero bytes, about a thousandth as long.
fn zlib_zeros(mebibytes: usize) -> Vec<u8> {
    let mut block = Vec::with_capacity(64 << 10);
    let mut deflate = Compress::new(Compression::best(), false);
    // Flushed whole, the block stands for itself and may be repeated.
    deflate.compress_vec(&vec![0; 1 << 20], &mut block, FlushCompress::Full).unwrap();
    let mut stream = vec![0x78, 0xda];
    for _ in 0..mebibytes {
        stream.extend(&block);
    }
    stream.extend([3, 0]);
    let sum = u32::try_from((mebibytes << 20) % 65_521).unwrap() << 16 | 1;
    stream.extend(sum.to_be_bytes());
    stream
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length, &kind[..], data, &crc.sum().to_be_bytes()].concat()
}

/// A PNG of one gray channel; `extra` stands between header and data.
fn png(width: u32, height: u32, depth: u8, extra: &[u8], data: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, 0, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n",
        &chunk(*b"IHDR", &header)[..],
        extra,
        &chunk(*b"IDAT", data),
        &chunk(*b"IEND", b""),
    ]
    .concat()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn pngs() -> Vec<Bomb> {
    let small = |extra: &[u8]| png(8, 1, 8, extra, &zlib(&[0; 9]));
    let packed = zlib_zeros(400);
    let profile = chunk(*b"iCCP", &[b"icc\0\0", &packed[..]].concat());
    let text = chunk(*b"zTXt", &[b"Comment\0\0", &packed[..]].concat());
    let xmp = chunk(*b"iTXt", &[b"XML:com.adobe.xmp\0\x01\0\0\0", &packed[..]].concat());
    let many: Vec<u8> = (0..200_000).flat_map(|_| chunk(*b"tEXt", b"a\0b")).collect();
    // 100000 rows of 12501 bytes fill 1193 MiB.
    vec![
        bomb("zeros-without-end.png", NEVER_FINE, png(100_000, 100_000, 1, b"", &zlib_zeros(1193))),
        bomb("giant-and-empty.png", NEVER_FINE, png(i32::MAX as u32, i32::MAX as u32, 8, b"", &zlib(b""))),
        bomb("more-than-it-says.png", ANYTHING, png(8, 1, 8, b"", &zlib_zeros(400))),
        bomb("profile.png", SOUND, small(&profile)),
        bomb("text.png", SOUND, small(&text)),
        bomb("xmp.png", SOUND, small(&xmp)),
        bomb("chunks.png", SOUND, small(&many)),
    ]
}

fn gifs() -> Vec<Bomb> {
    let head = |side: u16| {
        [b"GIF89a", &side.to_le_bytes()[..], &side.to_le_bytes(), &[0x80, 0, 0, 0, 0, 0, 9, 9, 9]].concat()
    };
    let frame = |side: u16| {
        [b",\0\0\0\0", &side.to_le_bytes()[..], &side.to_le_bytes(), &[0, 2, 2, 0x44, 1, 0]].concat()
    };
    let frames =
        |side: u16, each: u16, count: usize| [head(side), frame(each).repeat(count), b";".to_vec()].concat();
    vec![
        bomb("100000-frames.gif", SOUND, frames(1, 1, 100_000)),
        bomb("giant-canvas.gif", SOUND, frames(u16::MAX, 1, 3)),
        bomb("giant-frames.gif", NEVER_FINE, frames(u16::MAX, u16::MAX, 1000)),
    ]
}

/// A little-endian TIFF of one directory: tag, type, count, value.
fn tiff(entries: &[(u16, u16, u32, u32)], next: u32) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(next.to_le_bytes());
    bytes
}

fn tiffs() -> Vec<Bomb> {
    let picture = |side: u32, count: u32, raw: bool| {
        let mut entries = vec![
            (256, 4, 1, side),
            (257, 4, 1, side),
            (258, 3, 1, 8),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, count, 8),
            (277, 3, 1, 1),
            (278, 4, 1, 1),
            (279, 4, count, 8),
        ];
        if raw {
            entries.extend([(271, 2, 4, 0x6f6d_6544), (50706, 1, 4, 0x401)]);
        }
        entries
    };
    // Directories that hold nothing but the place of the next.
    let mut chain = b"II*\0\x08\0\0\0".to_vec();
    for number in 1..=200_000u32 {
        chain.extend([0, 0]);
        chain.extend((8 + number * 6).to_le_bytes());
    }
    let within = [(330u16, 4u16, 1u32, 8u32), (0x8769, 4, 1, 8)];
    vec![
        bomb("itself-next.tif", NEVER_FINE, tiff(&picture(8, 1, false), 8)),
        bomb("itself-within.tif", NEVER_FINE, tiff(&within, 0)),
        bomb("endless-strips.tif", NEVER_FINE, tiff(&picture(1 << 20, u32::MAX, false), 0)),
        bomb("giant.tif", NEVER_FINE, tiff(&picture(u32::MAX, 1, false), 0)),
        bomb("chain.tif", NEVER_FINE, chain.clone()),
        bomb("itself-next.dng", NEVER_FINE, tiff(&picture(8, 1, true), 8)),
        bomb("itself-within.dng", NEVER_FINE, tiff(&[picture(64, 1, true), within.to_vec()].concat(), 0)),
        bomb("endless-strips.dng", NEVER_FINE, tiff(&picture(1 << 20, u32::MAX, true), 0)),
        bomb("giant.dng", NEVER_FINE, tiff(&picture(u32::MAX, 1, true), 0)),
        bomb("chain.nef", NEVER_FINE, chain),
    ]
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], &length[..], data].concat()
}

/// A gray progressive JPEG of `blocks` x `blocks` blocks with one scan of DC and so many of AC, nothing but end-of-band
/// runs: few bytes, and every block has to be visited by every scan.
fn scans(blocks: u16, count: usize) -> Vec<u8> {
    let side = (blocks * 8).to_be_bytes();
    let all = usize::from(blocks) * usize::from(blocks);
    let mut bytes = b"\xff\xd8".to_vec();
    bytes.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    bytes.extend(segment(0xc2, &[&[8][..], &side, &side, &[1, 1, 0x11, 0]].concat()));
    let table = |class: u8, symbol: u8| [&[class, 1][..], &[0; 15], &[symbol]].concat();
    bytes.extend(segment(0xc4, &table(0, 0)));
    bytes.extend(segment(0xc4, &table(0x10, 0xe0)));
    bytes.extend(segment(0xda, &[1, 1, 0, 0, 0, 0]));
    bytes.resize(bytes.len() + all / 8, 0);
    // A run of 16384 blocks takes fifteen zero bits.
    let mut bits = vec![0; all / 16384 * 15 / 8];
    bits.resize(bits.len() + usize::from(all / 16384 * 15 % 8 > 0), 0);
    if let (Some(last), used @ 1..) = (bits.last_mut(), all / 16384 * 15 % 8) {
        *last |= 0xff >> used;
    }
    for _ in 0..count {
        bytes.extend(segment(0xda, &[1, 1, 0, 1, 63, 0]));
        bytes.extend(&bits);
    }
    bytes.extend(b"\xff\xd9");
    bytes
}

fn jpegs() -> Vec<Bomb> {
    let mut giant = seed("jpeg/baseline.jpg");
    let frame = giant.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
    giant[frame + 5..frame + 9].fill(0xff);
    let sound = seed("jpeg/baseline.jpg");
    let segments = [&sound[..2], &segment(0xe1, b"x").repeat(300_000), &sound[2..]].concat();
    let fill = [&sound[..2], &vec![0xff; 4 << 20], &sound[2..]].concat();
    vec![
        bomb("65535x65535.jpg", NEVER_FINE, giant),
        bomb("scans.jpg", NEVER_FINE, scans(256, 3000)),
        bomb("segments.jpg", SOUND, segments),
        bomb("fill-bytes.jpg", SOUND, fill),
    ]
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend(*kind);
        body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        body.extend(*data);
        body.resize(body.len() + data.len() % 2, 0);
    }
    [b"RIFF", &u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
}

fn webps() -> Vec<Bomb> {
    // Width and height less one, no transforms, no cache, one group of five codes with one symbol each: a
    // sound picture of one colour in seven bytes, whatever its size.
    let mut bits: u128 = 0x2f | 16382 << 8 | 16382 << 22;
    for code in 0..5 {
        bits |= 1 << (43 + 4 * code);
    }
    let lossless = bits.to_le_bytes();
    let frame = [&[0; 6][..], &[0xfe, 0x3f, 0, 0xfe, 0x3f, 0, 1, 0, 0, 0], b"VP8L\x08\0\0\0", &lossless[..8]]
        .concat();
    let canvas = [2, 0, 0, 0, 0xfe, 0x3f, 0, 0xfe, 0x3f, 0];
    let mut chunks: Vec<(&[u8; 4], &[u8])> = vec![(b"VP8X", &canvas), (b"ANIM", &[0; 6])];
    chunks.extend(std::iter::repeat_n((b"ANMF", &frame[..]), 1000));
    vec![
        bomb("16383x16383.webp", SOUND, riff(&[(b"VP8L", &lossless[..8])])),
        bomb("16383x16383-frames.webp", NEVER_FINE, riff(&chunks)),
        bomb(
            "lossy-giant.webp",
            NEVER_FINE,
            riff(&[(b"VP8 ", b"\x10\x02\0\x9d\x01\x2a\xff\x3f\xff\x3f\0\0")]),
        ),
    ]
}

/// Puts `new` so many bytes behind the first `kind`.
fn patched(mut bytes: Vec<u8>, kind: &[u8], offset: isize, new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(kind.len()).position(|window| window == kind).expect("the box is there");
    let at = (at + kind.len()).checked_add_signed(offset).unwrap();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

fn heifs() -> Vec<Bomb> {
    let picture = || seed("heif/hevc.heic");
    let grid = || seed("heif/grid.avif");
    vec![
        bomb("endless-places.heic", NEVER_FINE, patched(picture(), b"iloc", 6, &[0xff; 2])),
        bomb("endless-items.heic", ANYTHING, patched(picture(), b"iinf", 4, &[0xff; 2])),
        bomb(
            "giant.heic",
            NEVER_FINE,
            patched(picture(), b"ispe", 4, &[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
        ),
        bomb(
            "endless-tiles.avif",
            NEVER_FINE,
            patched(grid(), &[0, 0, 1, 1, 0, 128, 0, 128], -6, &[0xff; 6]),
        ),
        bomb(
            "nested.heic",
            NEVER_FINE,
            [&b"\0\0\0\x10ftypheic\0\0\0\0"[..], &nested(*b"meta", 100_000)].concat(),
        ),
    ]
}

/// Boxes in boxes, without anything in the innermost.
fn nested(kind: [u8; 4], depth: u32) -> Vec<u8> {
    (0..depth).rev().flat_map(|left| [((left + 1) * 8).to_be_bytes(), kind].concat()).collect()
}

fn movies() -> Vec<Bomb> {
    let movie = || seed("mp4/h264.mp4");
    let ftyp = &b"\0\0\0\x10ftypisom\0\0\0\0"[..];
    let samples = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    let ebml = [&[0x1a, 0x45, 0xdf, 0xa3, 0x87, 0x42, 0x82, 0x84][..], b"webm"].concat();
    let unknown = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let segment = [&[0x18, 0x53, 0x80, 0x67][..], &unknown].concat();
    let cluster = [&[0x1f, 0x43, 0xb6, 0x75][..], &unknown].concat();
    let tags = [&[0x12, 0x54, 0xc3, 0x67][..], &unknown, &[0x73, 0x73], &unknown].concat();
    let tag = [&[0x67, 0xc8][..], &unknown].concat();
    let lie = [&[0x1f, 0x43, 0xb6, 0x75][..], &[0x01, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
    vec![
        bomb("endless-samples.mp4", NEVER_FINE, patched(movie(), b"stsz", 8, &[0xff; 4])),
        bomb("endless-equal-samples.mp4", NEVER_FINE, patched(movie(), b"stsz", 4, &samples)),
        bomb("endless-times.mp4", NEVER_FINE, patched(movie(), b"stts", 4, &[0xff; 4])),
        bomb("endless-run.mp4", ANYTHING, patched(movie(), b"stsc", 12, &[0xff; 4])),
        bomb("nested.mp4", NEVER_FINE, [ftyp, &nested(*b"moov", 100_000)].concat()),
        bomb("side-by-side.mp4", NEVER_FINE, [ftyp, &b"\0\0\0\x08free".repeat(500_000)].concat()),
        bomb("nested-segments.mkv", NEVER_FINE, [ebml.clone(), segment.repeat(50_000)].concat()),
        bomb(
            "nested-clusters.mkv",
            NEVER_FINE,
            [ebml.clone(), segment.clone(), cluster.repeat(50_000)].concat(),
        ),
        bomb(
            "nested-tags.mkv",
            NEVER_FINE,
            [ebml.clone(), segment.clone(), tags, tag.repeat(100_000)].concat(),
        ),
        bomb("lying-size.webm", NEVER_FINE, [ebml, segment, lie].concat()),
        bomb(
            "nested.avi",
            NEVER_FINE,
            [&b"RIFF\xff\xff\xff\x7fAVI "[..], &b"LIST\xff\xff\xff\x7fhdrl".repeat(100_000)].concat(),
        ),
    ]
}

/// SVG and XMP.
pub fn texts() -> Vec<Bomb> {
    let svg = |inside: &str| {
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"40\" height=\"30\">{inside}</svg>").into_bytes()
    };
    let mut laughs = String::from("<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY a \"ha\">");
    for (new, old) in ('b'..='k').zip('a'..='j') {
        laughs.extend(["<!ENTITY ", &new.to_string(), " \"", &format!("&{old};").repeat(10), "\">"]);
    }
    laughs.push_str("]>");
    let laughs = [laughs.as_bytes(), &svg("<text x=\"1\" y=\"9\">&k;</text>")].concat();
    let external = [
        &b"<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>"[..],
        &svg("<text>&a;</text>"),
    ]
    .concat();
    let deep = format!("{}{}", "<g>".repeat(100_000), "</g>".repeat(100_000));
    let uses: Vec<String> = (1..40)
        .map(|n| format!("<g id=\"u{n}\"><use xlink:href=\"#u{0}\"/><use xlink:href=\"#u{0}\"/></g>", n - 1))
        .collect();
    let uses = uses.concat();
    let uses =
        format!("<defs><rect id=\"u0\" width=\"1\" height=\"1\"/>{uses}</defs><use xlink:href=\"#u39\"/>");
    let root = &b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>"[..];
    let xmp = |depth: usize| [root, &b"<x>".repeat(depth), &b"</x>".repeat(depth), b"</x:xmpmeta>"].concat();
    vec![
        bomb("laughs.svg", NEVER_FINE, laughs),
        bomb("external.svg", ANYTHING, external),
        bomb("local-file.svg", SOUND, svg("<image href=\"file:///etc/passwd\" width=\"9\" height=\"9\"/>")),
        bomb(
            "network.svg",
            SOUND,
            svg("<image xlink:href=\"http://127.0.0.1:9/a.png\" width=\"9\" height=\"9\"/>"),
        ),
        bomb("nested.svg", ANYTHING, svg(&deep)),
        bomb("uses.svg", SOUND, svg(&uses)),
        bomb(
            "giant.svg",
            SOUND,
            b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"2000000000\" height=\"2000000000\"/>"
                .to_vec(),
        ),
        bomb("nested.xmp", NEVER_FINE, xmp(1_000_000)),
        bomb("open.xmp", NEVER_FINE, [root, &b"<x>".repeat(1_000_000)].concat()),
        bomb("name.xmp", NEVER_FINE, [root, b"<", &[b'x'; 1 << 20], b"></y>"].concat()),
    ]
}

fn others() -> Vec<Bomb> {
    let mut jp2 = seed("jp2/codestream.j2k");
    jp2[8..16].fill(0x7f);
    vec![
        bomb("giant.j2k", NEVER_FINE, jp2),
        bomb(
            "giant.bmp",
            NEVER_FINE,
            [
                &b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\xff\xff\xff\x7f\xff\xff\xff\x7f\x01\0\x18\0"[..],
                &[0; 40],
            ]
            .concat(),
        ),
        bomb(
            "giant.psd",
            NEVER_FINE,
            [&b"8BPS\0\x01\0\0\0\0\0\0\0\x03\0\x04\x93\xe0\0\x04\x93\xe0\0\x08\0\x03"[..], &[0; 40]].concat(),
        ),
        bomb(
            "nested.jp2",
            NEVER_FINE,
            [&b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 "[..], &nested(*b"jp2h", 100_000)]
                .concat(),
        ),
        bomb("empty.jpg", BROKEN, Vec::new()),
        bomb("zeros.jpg", BROKEN, vec![0; 4096]),
        bomb("noise.xyz", UNKNOWABLE, b"no picture at all".to_vec()),
    ]
}
