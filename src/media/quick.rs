//! `--quick`: what a few small reads tell about a file. No decoder, no allocation that a file controls, so this
//! runs in the parent, where it costs less than a round trip to a worker.
//!
//! Looks at the first bytes, the last bytes and the sizes that containers state about themselves. A clean
//! answer proves that the file begins and ends as it should, and nothing about what is between.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::model::{DecodeError, MediaFormat};

const HEAD: usize = 64;
const TAIL: usize = 32;
/// Boxes or chunks that are followed before the rest is believed.
const MAX_STEPS: usize = 256;

/// What a quick look tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickLook {
    /// What the first bytes are.
    pub format: MediaFormat,
    /// What is wrong, if anything is.
    pub problem: Option<DecodeError>,
}

/// Looks at the first and last bytes of a file of `size` bytes that is not empty.
///
/// `ends_exactly`: the file was written by a program that leaves nothing behind its end (every generated
/// picture); cameras append to theirs.
pub fn look(file: &File, size: u64, ends_exactly: bool) -> io::Result<QuickLook> {
    let mut head = [0u8; HEAD];
    let got = read_at(file, &mut head, 0)?;
    let head = head.get(..got).unwrap_or_default();
    let format = recognise(head);
    let problem = match format {
        MediaFormat::Jpeg => jpeg(&tail(file, head, size)?, size, ends_exactly),
        MediaFormat::Png => png(&tail(file, head, size)?, ends_exactly),
        MediaFormat::Webp => riff(head, size),
        MediaFormat::Heic | MediaFormat::Avif | MediaFormat::Mp4 | MediaFormat::Mov => boxes(file, size)?,
        MediaFormat::Tiff => tiff(head, size),
        MediaFormat::Unknown if head.iter().all(|&byte| byte == 0) => {
            Some(DecodeError::malformed("the file begins with zero bytes only", 0))
        }
        _ => None,
    };
    Ok(QuickLook { format, problem })
}

/// The format by its first bytes; `Unknown` also for formats that need a longer look.
pub fn recognise(head: &[u8]) -> MediaFormat {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    if at(0, b"\xff\xd8\xff") {
        MediaFormat::Jpeg
    } else if at(0, b"\x89PNG\r\n\x1a\n") {
        MediaFormat::Png
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        MediaFormat::Webp
    } else if at(0, b"RIFF") && at(8, b"AVI ") {
        MediaFormat::Avi
    } else if at(0, b"GIF8") {
        MediaFormat::Gif
    } else if at(0, b"II*\0") || at(0, b"MM\0*") {
        MediaFormat::Tiff
    } else if at(0, b"\x1a\x45\xdf\xa3") {
        MediaFormat::Matroska
    } else if at(0, b"8BPS") {
        MediaFormat::Psd
    } else if at(0, b"\xff\x0a") || at(0, b"\0\0\0\x0cJXL \r\n\x87\n") {
        MediaFormat::Jxl
    } else if at(0, b"\0\0\0\x0cjP  \r\n\x87\n") || at(0, b"\xff\x4f\xff\x51") {
        MediaFormat::Jp2
    } else if at(0, b"BM") {
        MediaFormat::Bmp
    } else if at(4, b"ftyp") {
        match head.get(8..12) {
            Some(b"avif" | b"avis") => MediaFormat::Avif,
            Some(b"heic" | b"heix" | b"mif1" | b"msf1" | b"hevc" | b"heim" | b"heis") => MediaFormat::Heic,
            Some(b"qt  ") => MediaFormat::Mov,
            _ => MediaFormat::Mp4,
        }
    } else {
        MediaFormat::Unknown
    }
}

/// The format that an extension (lower case, no dot) promises, for formats that [`recognise`] is sure of.
pub fn promised(extension: &str) -> Option<MediaFormat> {
    Some(match extension {
        "jpg" | "jpeg" | "jpe" => MediaFormat::Jpeg,
        "png" => MediaFormat::Png,
        "webp" => MediaFormat::Webp,
        "gif" => MediaFormat::Gif,
        "heic" | "heif" | "hif" => MediaFormat::Heic,
        "avif" => MediaFormat::Avif,
        "psd" => MediaFormat::Psd,
        "mkv" | "webm" => MediaFormat::Matroska,
        "avi" => MediaFormat::Avi,
        _ => return None,
    })
}

fn jpeg(tail: &Tail, size: u64, ends_exactly: bool) -> Option<DecodeError> {
    if size < 4 {
        return Some(DecodeError::truncated("a JPEG has at least a start and an end marker", size));
    }
    if tail.as_slice().iter().all(|&byte| byte == 0) {
        return Some(DecodeError::malformed("the end of the file is zero bytes", tail.at));
    }
    // Some encoders pad the end; generated pictures have neither padding nor a trailer.
    if ends_exactly && !tail.as_slice().windows(2).any(|pair| pair == b"\xff\xd9") {
        return Some(DecodeError::truncated("no end marker (EOI) at the end of the file", size));
    }
    None
}

fn png(tail: &Tail, ends_exactly: bool) -> Option<DecodeError> {
    if tail.as_slice().windows(4).any(|word| word == b"IEND") {
        return None;
    }
    (ends_exactly || tail.as_slice().iter().all(|&byte| byte == 0))
        .then(|| DecodeError::truncated("no IEND chunk at the end of the file", tail.at))
}

/// RIFF states its own size.
fn riff(head: &[u8], size: u64) -> Option<DecodeError> {
    let stated = u64::from(u32::from_le_bytes(head.get(4..8)?.try_into().ok()?)) + 8;
    (stated > size).then(|| DecodeError::Truncated {
        what: "the RIFF header states more bytes than there are".into(),
        offset: Some(size),
        expected: Some(stated),
        found: Some(size),
    })
}

/// Follows the boxes at top level; each states its size.
fn boxes(file: &File, size: u64) -> io::Result<Option<DecodeError>> {
    let mut at = 0u64;
    let mut seen_index = false;
    for _ in 0..MAX_STEPS {
        if at >= size {
            break;
        }
        let mut header = [0u8; 16];
        let got = read_at(file, &mut header, at)?;
        let (Some(length), Some(kind)) = (be32(&header, 0), header.get(4..8).filter(|_| got >= 8)) else {
            // A few stray bytes behind the last box are common and harmless.
            return Ok((!seen_index).then(|| DecodeError::truncated("the file ends within a box header", at)));
        };
        let length = match length {
            0 => size - at,
            1 => be64(&header, 8).filter(|_| got >= 16).unwrap_or(0),
            short => u64::from(short),
        };
        if length < 8 {
            // Cameras append data of their own behind the boxes.
            return Ok((!seen_index).then(|| DecodeError::malformed("a box with an impossible length", at)));
        }
        seen_index |= matches!(kind, b"moov" | b"meta" | b"moof");
        let end = at.saturating_add(length);
        if end > size {
            let name = String::from_utf8_lossy(kind).into_owned();
            return Ok(Some(DecodeError::Truncated {
                what: format!("the box {name:?} reaches beyond the end of the file"),
                offset: Some(at),
                expected: Some(end),
                found: Some(size),
            }));
        }
        at = end;
    }
    if at >= size && !seen_index {
        return Ok(Some(DecodeError::truncated(
            "no index box (moov or meta): the recording was not finished",
            size,
        )));
    }
    Ok(None)
}

fn tiff(head: &[u8], size: u64) -> Option<DecodeError> {
    let word: [u8; 4] = head.get(4..8)?.try_into().ok()?;
    let first = if head.starts_with(b"II") { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) };
    (u64::from(first) >= size).then(|| DecodeError::Truncated {
        what: "the first directory lies beyond the end of the file".into(),
        offset: Some(4),
        expected: Some(u64::from(first)),
        found: Some(size),
    })
}

/// The last bytes of a file.
struct Tail {
    bytes: [u8; TAIL],
    len: usize,
    /// Where they begin.
    at: u64,
}

impl Tail {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The end of a file, without another read where `head` holds the file whole.
fn tail(file: &File, head: &[u8], size: u64) -> io::Result<Tail> {
    let at = size.saturating_sub(TAIL as u64);
    let mut bytes = [0u8; TAIL];
    let len = if head.len() as u64 == size {
        let end = head.last_chunk::<TAIL>().map_or(head, |end| end.as_slice());
        bytes.iter_mut().zip(end).for_each(|(to, from)| *to = *from);
        end.len()
    } else {
        read_at(file, &mut bytes, at)?
    };
    Ok(Tail { bytes, len, at })
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::io::Write;

    use super::*;

    fn look_at(bytes: &[u8], exact: bool) -> QuickLook {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        look(&file, bytes.len() as u64, exact).unwrap()
    }

    #[test]
    fn generated_jpeg_without_end_is_truncated_and_a_camera_trailer_is_not() {
        let sound = [b"\xff\xd8\xff\xdb".as_slice(), &[7; 100], b"\xff\xd9"].concat();
        assert_eq!(look_at(&sound, true), QuickLook { format: MediaFormat::Jpeg, problem: None });
        assert!(look_at(&sound[..90], true).problem.is_some());
        let trailer = [sound.as_slice(), &[9; 200]].concat();
        assert_eq!(look_at(&trailer, false).problem, None);
        let zeros = [&sound[..60], &[0; 60]].concat();
        assert!(look_at(&zeros, false).problem.is_some());
    }

    #[test]
    fn containers_that_state_more_than_there_is_are_truncated() {
        let webp = [b"RIFF".as_slice(), &100u32.to_le_bytes(), b"WEBP", &[1; 96]].concat();
        assert_eq!(look_at(&webp, true).problem, None);
        assert!(matches!(look_at(&webp[..80], true).problem, Some(DecodeError::Truncated { .. })));

        let mp4 = [
            b"\0\0\0\x10ftypisom\0\0\0\0".as_slice(),
            b"\0\0\0\x0cmoov\0\0\0\0",
            b"\0\0\0\x20mdat",
            &[5; 24],
        ]
        .concat();
        assert_eq!(look_at(&mp4, false), QuickLook { format: MediaFormat::Mp4, problem: None });
        assert!(look_at(&mp4[..50], false).problem.is_some());
        assert!(look_at(&mp4[..16], false).problem.is_some(), "no index");
    }

    #[test]
    fn every_prefix_of_anything_is_answered() {
        let bytes: Vec<u8> =
            b"\0\0\0\x10ftypheic\0\0\0\0\0\0\0\x01meta\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
        for end in 1..bytes.len() {
            let _ = look_at(&bytes[..end], true);
        }
    }
}
