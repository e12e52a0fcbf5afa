//! What a file is by its first bytes, and where its picture data lie.

use std::ops::Range;

use super::jpeg;

/// Families that are put together alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Jpeg,
    Png,
    Gif,
    /// WebP and AVI.
    Riff,
    /// TIFF and the camera raws built on it.
    Tiff,
    /// HEIC, AVIF, MP4, QuickTime, CR3.
    Boxes,
    /// JPEG XL and JPEG 2000 in boxes.
    BoxedCodestream,
    Matroska,
    MpegTs,
    /// Anything else.
    Other,
}

impl Kind {
    /// By content alone.
    pub fn of(bytes: &[u8]) -> Self {
        let at =
            |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        if at(0, b"\xff\xd8\xff") {
            Self::Jpeg
        } else if at(0, b"\x89PNG\r\n\x1a\n") {
            Self::Png
        } else if at(0, b"GIF8") {
            Self::Gif
        } else if at(0, b"RIFF") {
            Self::Riff
        } else if at(0, b"II*\0") || at(0, b"MM\0*") || at(0, b"II+\0") || at(0, b"MM\0+") {
            Self::Tiff
        } else if at(4, b"ftyp") || at(4, b"moov") || at(4, b"mdat") || at(4, b"wide") {
            Self::Boxes
        } else if at(0, b"\0\0\0\x0cJXL ") || at(0, b"\0\0\0\x0cjP  ") {
            Self::BoxedCodestream
        } else if at(0, b"\x1a\x45\xdf\xa3") {
            Self::Matroska
        } else if at(0, b"G") && at(188, b"G") && at(376, b"G") {
            Self::MpegTs
        } else {
            Self::Other
        }
    }

    /// Where the picture data lie, roughly: behind the header, before the trailer.
    pub fn payload(self, bytes: &[u8]) -> Range<usize> {
        let len = bytes.len();
        let start = match self {
            Self::Jpeg => jpeg::Layout::of(bytes).map(|layout| layout.scan),
            Self::Png => find(bytes, b"IDAT").map(|at| at + 4),
            Self::Matroska => find(bytes, b"\x1f\x43\xb6\x75"),
            Self::Boxes => return media_data(bytes).unwrap_or(len.min(16)..len),
            Self::Gif => Some(32),
            Self::Riff | Self::Tiff | Self::BoxedCodestream | Self::MpegTs | Self::Other => None,
        };
        let end = match self {
            Self::Jpeg => jpeg::Layout::of(bytes).map_or(len, |layout| layout.end),
            _ => len,
        };
        let start = start.unwrap_or(64).min(len);
        start..end.max(start)
    }
}

/// Where `needle` first stands.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// The largest `mdat` box (ISO/IEC 14496-12, 8.1.1) at top level.
fn media_data(bytes: &[u8]) -> Option<Range<usize>> {
    let mut best: Option<Range<usize>> = None;
    let mut at = 0usize;
    while let Some(head) = bytes.get(at..at + 8) {
        let size = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        let (header, size) = match size {
            0 => (8, bytes.len() - at),
            1 => {
                let large = bytes.get(at + 8..at + 16)?;
                (16, usize::try_from(u64::from_be_bytes(large.try_into().unwrap())).ok()?)
            }
            size => (8, size),
        };
        if size < header {
            break;
        }
        let body = (at + header).min(bytes.len())..at.saturating_add(size).min(bytes.len());
        if &head[4..] == b"mdat" && best.as_ref().is_none_or(|best| best.len() < body.len()) {
            best = Some(body);
        }
        at = at.saturating_add(size);
    }
    best.filter(|body| body.len() > 32)
}
