//! Oddities that real files have and that change no pixel.

use super::kind::find;
use super::{Kind, Rng, Sound, jpeg};

/// Something unusual, but harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Zero bytes behind the end.
    AppendedZeros,
    /// Text behind the end.
    AppendedText,
    /// A whole JPEG behind the end.
    AppendedJpeg,
    /// A video behind the end: a motion photo.
    AppendedVideo,
    /// Up to 64 spare bytes before the end of a JPEG, as some cameras write them.
    JpegSpareBytes,
    /// The same before any marker that ends entropy-coded data (restart markers, the segments between scans).
    JpegSpareBytesInside,
    /// Fill bytes (T.81, B.1.1.2) before a segment.
    JpegFill,
    /// Fill bytes before the end of a JPEG.
    JpegFillAtEnd,
    /// A comment and an unknown application segment.
    JpegSegments,
    /// Another orientation.
    ExifOrientation,
    /// EXIF data with unknown types, impossible counts and offsets outside.
    ExifOdd,
    /// EXIF data that are no EXIF data.
    ExifNoise,
    /// A text chunk before the picture data.
    PngText,
    /// A text chunk before IEND.
    PngTextAtEnd,
    /// A chunk that nobody knows (ancillary, private, safe to copy).
    PngUnknown,
    /// A chunk that nobody knows behind the picture data, and RIFF's size made right.
    RiffUnknown,
    /// A chunk of zeros behind the picture data.
    RiffJunk,
    /// A comment in a GIF.
    GifComment,
    /// A `free` box behind all others.
    BoxFree,
    /// A `uuid` box behind all others.
    BoxUuid,
    /// A Void element behind all others.
    MatroskaVoid,
    /// Null packets (PID 0x1FFF) behind all others.
    TsNull,
}

impl Oddity {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::AppendedZeros,
        Self::AppendedText,
        Self::AppendedJpeg,
        Self::AppendedVideo,
        Self::JpegSpareBytes,
        Self::JpegSpareBytesInside,
        Self::JpegFill,
        Self::JpegFillAtEnd,
        Self::JpegSegments,
        Self::ExifOrientation,
        Self::ExifOdd,
        Self::ExifNoise,
        Self::PngText,
        Self::PngTextAtEnd,
        Self::PngUnknown,
        Self::RiffUnknown,
        Self::RiffJunk,
        Self::GifComment,
        Self::BoxFree,
        Self::BoxUuid,
        Self::MatroskaVoid,
        Self::TsNull,
    ];

    /// Its name in tables and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppendedZeros => "ok-append-zeros",
            Self::AppendedText => "ok-append-text",
            Self::AppendedJpeg => "ok-append-jpeg",
            Self::AppendedVideo => "ok-append-video",
            Self::JpegSpareBytes => "ok-jpeg-spare",
            Self::JpegSpareBytesInside => "ok-jpeg-spare-inside",
            Self::JpegFill => "ok-jpeg-fill",
            Self::JpegFillAtEnd => "ok-jpeg-fill-end",
            Self::JpegSegments => "ok-jpeg-segments",
            Self::ExifOrientation => "ok-exif-orientation",
            Self::ExifOdd => "ok-exif-odd",
            Self::ExifNoise => "ok-exif-noise",
            Self::PngText => "ok-png-text",
            Self::PngTextAtEnd => "ok-png-text-end",
            Self::PngUnknown => "ok-png-unknown",
            Self::RiffUnknown => "ok-riff-unknown",
            Self::RiffJunk => "ok-riff-junk",
            Self::GifComment => "ok-gif-comment",
            Self::BoxFree => "ok-box-free",
            Self::BoxUuid => "ok-box-uuid",
            Self::MatroskaVoid => "ok-void",
            Self::TsNull => "ok-ts-null",
        }
    }

    /// The odd file; `None` for formats that cannot have this.
    pub fn apply(self, sound: &Sound<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
        let bytes = sound.bytes;
        let boxes = matches!(sound.kind, Kind::Boxes | Kind::BoxedCodestream);
        match self {
            Self::AppendedZeros => Some([bytes, &vec![0; 1 + rng.below(2048)]].concat()),
            Self::AppendedText => Some([bytes, b"\nwritten by a sync client that meant well\n"].concat()),
            // Inside boxes, a stray file is read as boxes: see BoxFree and BoxUuid.
            Self::AppendedJpeg => (!boxes).then(|| [bytes, &small_jpeg()].concat()),
            Self::AppendedVideo => appended_video(sound, rng),
            Self::JpegSpareBytes
            | Self::JpegSpareBytesInside
            | Self::JpegFill
            | Self::JpegFillAtEnd
            | Self::JpegSegments => odd_jpeg(self, bytes, rng),
            Self::ExifOrientation => orientation(sound, rng),
            Self::ExifOdd => with_exif(sound, &odd_exif()),
            Self::ExifNoise => with_exif(sound, &rng.bytes(64)),
            Self::PngText | Self::PngTextAtEnd | Self::PngUnknown => odd_png(self, sound, rng),
            Self::RiffUnknown => with_riff_chunk(sound, *b"zzzz", &rng.bytes(33)),
            Self::RiffJunk => with_riff_chunk(sound, *b"JUNK", &[0; 600]),
            Self::GifComment => {
                let trailer = bytes.len().checked_sub(1)?;
                let fits = sound.kind == Kind::Gif && bytes[trailer] == 0x3b;
                fits.then(|| inserted(bytes, trailer, b"\x21\xfe\x05hello\0"))
            }
            Self::BoxFree => boxes.then(|| [bytes, &boxed(*b"free", &[0; 1000])].concat()),
            Self::BoxUuid => boxes.then(|| [bytes, &boxed(*b"uuid", &rng.bytes(80))].concat()),
            Self::MatroskaVoid => {
                let void = [b"\xec\x42\x00".as_slice(), &[0; 512]].concat();
                (sound.kind == Kind::Matroska).then(|| [bytes, &void].concat())
            }
            Self::TsNull => (sound.kind == Kind::MpegTs).then(|| {
                let packet = [b"\x47\x1f\xff\x10".as_slice(), &[0xff; 184]].concat();
                [bytes, &packet.repeat(4)].concat()
            }),
        }
    }
}

/// A motion photo: behind a JPEG the video itself, behind HEIC a box `mpvd` that holds it (Google's Motion Photo format).
fn appended_video(sound: &Sound<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    let video = [
        boxed(*b"ftyp", b"isom\0\0\x02\0isommp41"),
        boxed(*b"mdat", &rng.bytes(3000)),
        boxed(*b"moov", &boxed(*b"mvhd", &[0; 100])),
    ]
    .concat();
    match sound.kind {
        Kind::Jpeg | Kind::Png | Kind::Gif | Kind::Riff => Some([sound.bytes, &video].concat()),
        Kind::Boxes if !matches!(sound.bytes.get(8..12), Some(b"isom" | b"qt  " | b"mp42" | b"crx ")) => {
            Some([sound.bytes, &boxed(*b"mpvd", &video)].concat())
        }
        _ => None,
    }
}

fn odd_jpeg(oddity: Oddity, bytes: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
    if Kind::of(bytes) != Kind::Jpeg {
        return None;
    }
    let layout = jpeg::Layout::of(bytes)?;
    Some(match oddity {
        Oddity::JpegSpareBytes => inserted(bytes, before_fill(bytes, layout.end), &spare(rng)),
        Oddity::JpegSpareBytesInside => {
            let inside: Vec<usize> = layout.breaks.iter().copied().filter(|&at| at != layout.end).collect();
            let at = *inside.get(rng.below(inside.len()))?;
            inserted(bytes, before_fill(bytes, at), &spare(rng))
        }
        Oddity::JpegFill => {
            let at = *layout.headers.get(rng.below(layout.headers.len()))?;
            let fill = vec![0xff; 1 + rng.below(16)];
            inserted(bytes, at, &fill)
        }
        Oddity::JpegFillAtEnd => {
            let fill = vec![0xff; 1 + rng.below(16)];
            inserted(bytes, layout.end, &fill)
        }
        Oddity::JpegSegments => {
            // Behind APP0 and APP1, which some readers expect first.
            let at = layout.headers.iter().copied().find(|&at| !matches!(bytes[at + 1], 0xe0 | 0xe1))?;
            let comment = segment(0xfe, "Grüße ÿØÿÙ".as_bytes());
            inserted(bytes, at, &[comment, segment(0xeb, &rng.bytes(70))].concat())
        }
        _ => return None,
    })
}

/// Before the fill bytes of a marker: with those, what is inserted would begin with one.
fn before_fill(bytes: &[u8], marker: usize) -> usize {
    marker - bytes[..marker].iter().rev().take_while(|&&byte| byte == 0xff).count()
}

/// Up to 64 bytes that are no markers.
fn spare(rng: &mut Rng) -> Vec<u8> {
    let len = 1 + rng.below(64);
    rng.bytes(len).into_iter().map(|byte| if byte == 0xff { 0x7f } else { byte }).collect()
}

fn orientation(sound: &Sound<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    let range = jpeg::Layout::of(sound.bytes).filter(|_| sound.kind == Kind::Jpeg)?.exif?;
    let (value, little) = jpeg::orientation(sound.bytes.get(range.clone())?)?;
    let at = range.start + value + usize::from(!little);
    let mut out = sound.bytes.to_vec();
    let old = *out.get(at)?;
    *out.get_mut(at)? = (2..=8).filter(|&new| new != old).nth(rng.below(6))?;
    Some(out)
}

/// One directory: an unknown type, an impossible count, an offset outside, and no end of the chain.
fn odd_exif() -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x03\0".to_vec();
    for (tag, kind, count, value) in
        [(0x010f_u16, 99_u16, 1_u32, 7_u32), (0x0110, 2, u32::MAX, 0xffff_fff0), (0x8769, 4, 1, 0x7fff_0000)]
    {
        tiff.extend(tag.to_le_bytes());
        tiff.extend(kind.to_le_bytes());
        tiff.extend(count.to_le_bytes());
        tiff.extend(value.to_le_bytes());
    }
    tiff.extend(0x00ff_ffff_u32.to_le_bytes());
    tiff
}

/// EXIF data put where the format has them, in a file that had none.
fn with_exif(sound: &Sound<'_>, tiff: &[u8]) -> Option<Vec<u8>> {
    match sound.kind {
        Kind::Jpeg => {
            let layout = jpeg::Layout::of(sound.bytes)?;
            let body = [b"Exif\0\0".as_slice(), tiff].concat();
            layout.exif.is_none().then(|| inserted(sound.bytes, 2, &segment(0xe1, &body)))
        }
        Kind::Png if find(sound.bytes, b"eXIf").is_none() => {
            Some(inserted(sound.bytes, PNG_AFTER_IHDR, &chunk(*b"eXIf", tiff)))
        }
        _ => None,
    }
}

/// Signature and IHDR.
const PNG_AFTER_IHDR: usize = 8 + 25;

fn odd_png(oddity: Oddity, sound: &Sound<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    if sound.kind != Kind::Png {
        return None;
    }
    let end = find(sound.bytes, b"\0\0\0\0IEND")?;
    Some(match oddity {
        Oddity::PngText => inserted(sound.bytes, PNG_AFTER_IHDR, &chunk(*b"tEXt", b"Comment\0added later")),
        Oddity::PngTextAtEnd => inserted(sound.bytes, end, &chunk(*b"tEXt", b"Software\0a good tool")),
        _ => inserted(sound.bytes, end, &chunk(*b"prVt", &rng.bytes(100))),
    })
}

fn with_riff_chunk(sound: &Sound<'_>, name: [u8; 4], body: &[u8]) -> Option<Vec<u8>> {
    let size = u32::from_le_bytes(sound.bytes.get(4..8)?.try_into().ok()?) as usize;
    let exact = sound.kind == Kind::Riff && size + 8 == sound.bytes.len() && size.is_multiple_of(2);
    exact.then(|| {
        let mut out = sound.bytes.to_vec();
        out.extend(name);
        out.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        out.extend(body);
        out.resize(out.len().next_multiple_of(2), 0);
        let size = u32::try_from(out.len() - 8).unwrap().to_le_bytes();
        out[4..8].copy_from_slice(&size);
        out
    })
}

fn inserted(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    [&bytes[..at], new, &bytes[at..]].concat()
}

fn segment(code: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xff, code], len.as_slice(), body].concat()
}

fn boxed(name: [u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    [size.as_slice(), &name, body].concat()
}

/// A PNG chunk with its CRC (PNG, third edition, 5.3).
fn chunk(name: [u8; 4], body: &[u8]) -> Vec<u8> {
    let counted = [name.as_slice(), body].concat();
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [len.as_slice(), &counted, &crc32(&counted).to_be_bytes()].concat()
}

/// ISO 3309, as PNG uses it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// One grey block of 8 x 8: quantisation, frame, two Huffman tables of one code each, a scan of two bits.
fn small_jpeg() -> Vec<u8> {
    let table = |class: u8| segment(0xc4, &[[class, 1].as_slice(), &[0; 15], &[0]].concat());
    [
        vec![0xff, 0xd8],
        segment(0xdb, &[[0].as_slice(), &[1; 64]].concat()),
        segment(0xc0, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]),
        table(0x00),
        table(0x10),
        segment(0xda, &[1, 1, 0, 0, 63, 0]),
        vec![0x3f, 0xff, 0xd9],
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_jpeg_is_one() {
        let jpeg = small_jpeg();
        assert!(jpeg::Layout::of(&jpeg).is_some_and(|layout| layout.end + 2 == jpeg.len()));
    }

    #[test]
    fn crc_of_iend() {
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
    }
}
