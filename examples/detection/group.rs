//! The rows of the table, what is promised for each, and how a file finds its row.

/// A row of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    Jpeg,
    JpegHard,
    Png,
    Gif,
    Webp,
    Heic,
    Avif,
    Jxl,
    TiffPacked,
    TiffPlain,
    RawPacked,
    RawPlain,
    Mp4,
    Mov,
    Matroska,
    Bmp,
    Psd,
    Jp2,
    OtherVideo,
}

impl Group {
    pub const ALL: [Self; 19] = [
        Self::Jpeg,
        Self::JpegHard,
        Self::Png,
        Self::Gif,
        Self::Webp,
        Self::Heic,
        Self::Avif,
        Self::Jxl,
        Self::TiffPacked,
        Self::TiffPlain,
        Self::RawPacked,
        Self::RawPlain,
        Self::Mp4,
        Self::Mov,
        Self::Matroska,
        Self::Bmp,
        Self::Psd,
        Self::Jp2,
        Self::OtherVideo,
    ];

    /// The word for `--formats` and for file names.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::JpegHard => "jpeg-hard",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Heic => "heic",
            Self::Avif => "avif",
            Self::Jxl => "jxl",
            Self::TiffPacked => "tiff-packed",
            Self::TiffPlain => "tiff-plain",
            Self::RawPacked => "raw-packed",
            Self::RawPlain => "raw-plain",
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::Matroska => "matroska",
            Self::Bmp => "bmp",
            Self::Psd => "psd",
            Self::Jp2 => "jp2",
            Self::OtherVideo => "video-other",
        }
    }

    /// The name in tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::JpegHard => "JPEG, hard set",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::Webp => "WebP",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
            Self::Jxl => "JPEG XL",
            Self::TiffPacked => "TIFF, compressed",
            Self::TiffPlain => "TIFF, uncompressed",
            Self::RawPacked => "RAW, compressed",
            Self::RawPlain => "RAW, uncompressed",
            Self::Mp4 => "MP4",
            Self::Mov => "MOV",
            Self::Matroska => "MKV, WebM",
            Self::Bmp => "BMP",
            Self::Psd => "PSD",
            Self::Jp2 => "JPEG 2000",
            Self::OtherVideo => "AVI, MPEG, 3GP",
        }
    }

    /// The share of visibly damaged files that has to be found, in percent; none is promised for formats that can tell nothing.
    /// For videos, with every frame decoded.
    pub const fn floor(self) -> Option<f64> {
        match self {
            Self::Png | Self::Gif => Some(100.0),
            Self::Jpeg | Self::Avif | Self::Jxl => Some(99.0),
            Self::JpegHard => Some(98.5),
            Self::Mp4 | Self::Mov => Some(98.0),
            Self::TiffPacked => Some(97.0),
            Self::Webp | Self::RawPacked => Some(95.0),
            Self::Matroska => Some(93.0),
            Self::Heic => Some(90.0),
            Self::TiffPlain | Self::RawPlain => Some(80.0),
            Self::Bmp | Self::Psd | Self::Jp2 | Self::OtherVideo => None,
        }
    }

    /// The same with `--video structure`.
    pub const fn structure_floor(self) -> Option<f64> {
        if matches!(self, Self::Mp4 | Self::Mov) { Some(90.0) } else { None }
    }

    /// Whether there are frames to decode or to leave.
    pub const fn is_video(self) -> bool {
        matches!(self, Self::Mp4 | Self::Mov | Self::Matroska | Self::OtherVideo)
    }

    /// Whether files of this row may have this extension; rows that nothing is drawn for have none.
    pub fn may_end_in(self, extension: &str) -> bool {
        match self {
            Self::Jpeg | Self::JpegHard => extension == "jpg",
            Self::Matroska => matches!(extension, "mkv" | "webm"),
            _ => extension == self.key(),
        }
    }

    /// The row of a file, by its content; the extension only tells camera raws from other TIFF. `None`: not measured.
    pub fn of(bytes: &[u8], extension: &str) -> Option<Self> {
        let at =
            |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        let raw = RAW_EXTENSIONS.contains(&extension);
        Some(match () {
            () if at(0, b"\xff\xd8\xff") => Self::Jpeg,
            () if at(0, b"\x89PNG") => Self::Png,
            () if at(0, b"GIF8") => Self::Gif,
            () if at(0, b"RIFF") && at(8, b"WEBP") => Self::Webp,
            () if at(0, b"RIFF") && at(8, b"AVI ") => Self::OtherVideo,
            () if at(0, b"\xff\x0a") || at(4, b"JXL ") => Self::Jxl,
            () if at(4, b"jP  ") || at(0, b"\xff\x4f\xff\x51") => Self::Jp2,
            () if at(4, b"ftyp") => Self::of_brand(bytes)?,
            () if at(4, b"moov") || at(4, b"wide") || at(4, b"mdat") => Self::Mov,
            () if at(0, b"\x1a\x45\xdf\xa3") => Self::Matroska,
            () if at(0, b"BM") && extension == "bmp" => Self::Bmp,
            () if at(0, b"8BPS") => Self::Psd,
            () if at(0, b"\0\0\x01\xba") || at(0, b"G") && at(188, b"G") => Self::OtherVideo,
            () if at(0, b"II*\0") || at(0, b"MM\0*") => match (raw, tiff_is_packed(bytes)) {
                (true, true) => Self::RawPacked,
                (true, false) => Self::RawPlain,
                (false, true) => Self::TiffPacked,
                (false, false) => Self::TiffPlain,
            },
            // Minolta and the plain dumps of old Kodaks hold samples as they are.
            () if at(0, b"\0MRM") || extension == "raw" => Self::RawPlain,
            () if raw => Self::RawPacked,
            () => return None,
        })
    }

    /// ISO/IEC 14496-12, 4.3: major and compatible brands.
    fn of_brand(bytes: &[u8]) -> Option<Self> {
        let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let brands: Vec<&[u8]> = bytes.get(8..size.min(bytes.len()))?.chunks_exact(4).collect();
        let has = |brand: &[u8]| brands.contains(&brand);
        Some(match brands.first()? {
            major if *major == b"crx " => Self::RawPacked,
            major if *major == b"qt  " => Self::Mov,
            _ if has(b"avif") || has(b"avis") => Self::Avif,
            major
                if matches!(*major, b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1") =>
            {
                Self::Heic
            }
            major if major.starts_with(b"3gp") => Self::OtherVideo,
            _ => Self::Mp4,
        })
    }
}

const RAW_EXTENSIONS: [&str; 16] = [
    "dng", "nef", "cr2", "cr3", "crw", "arw", "rw2", "raf", "orf", "pef", "mrw", "gpr", "kdc", "iiq", "raw",
    "srw",
];

/// Whether the largest picture of a TIFF is compressed (tag 259 of the directory with the largest sides). Panasonic and
/// Nikon say so in codes of their own, which are none of 1.
fn tiff_is_packed(bytes: &[u8]) -> bool {
    let little = bytes.starts_with(b"II");
    let number = |at: usize, len: usize| -> Option<usize> {
        let mut four = [0; 4];
        let field = bytes.get(at..at.checked_add(len)?)?;
        if little {
            four[..len].copy_from_slice(field);
        } else {
            four[4 - len..].copy_from_slice(field);
        }
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize)
    };
    let mut directories: Vec<usize> = number(4, 4).into_iter().collect();
    let (mut largest, mut packed) = (0, false);
    for turn in 0..32 {
        let Some(&directory) = directories.get(turn) else { break };
        let Some(count) = number(directory, 2) else { continue };
        let (mut area, mut compression) = (1, 1);
        for entry in (0..count).map(|index| directory + 2 + 12 * index) {
            let (Some(tag), Some(kind), Some(values)) =
                (number(entry, 2), number(entry + 2, 2), number(entry + 4, 4))
            else {
                break;
            };
            let short = if kind == 3 { 2 } else { 4 };
            let value = number(entry + 8, short).unwrap_or(0);
            match tag {
                0x0100 | 0x0101 => area *= value.max(1),
                0x0103 => compression = value,
                0x014a if values == 1 => directories.push(value),
                0x014a => {
                    directories.extend((0..values.min(8)).filter_map(|index| number(value + 4 * index, 4)));
                }
                _ => {}
            }
        }
        if area > largest {
            (largest, packed) = (area, compression != 1);
        }
        let next = number(directory + 2 + 12 * count, 4).unwrap_or(0);
        if next > 0 {
            directories.push(next);
        }
    }
    packed
}
