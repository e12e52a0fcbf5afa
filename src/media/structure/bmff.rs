//! Boxes of the ISO base media file format (ISO/IEC 14496-12): HEIF, AVIF, JPEG XL, JPEG 2000, CR3, MP4 and MOV.
//!
//! Reads headers only, wherever they are in the file; never trusts a size or a count.

use crate::media::Source;
use crate::model::DecodeError;

/// A box's four-character code.
pub type Kind = [u8; 4];

/// One box: where it is and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bmff {
    /// Its four-character code.
    pub kind: Kind,
    /// Where its header starts, in bytes from the start of the file.
    pub start: u64,
    /// Where its content starts.
    pub content: u64,
    /// Just behind its last byte. May lie behind the end of what holds it: see [`Children`].
    pub end: u64,
}

impl Bmff {
    /// Length of the content.
    pub const fn length(&self) -> u64 {
        self.end.saturating_sub(self.content)
    }

    /// Its code as text.
    pub fn name(&self) -> String {
        name(self.kind)
    }

    /// The boxes inside, `skip` bytes into the content (4 for a full box's version and flags).
    pub fn children<'s, 'a>(&self, source: &'s Source<'a>, skip: u64) -> Children<'s, 'a> {
        Children { source, at: self.content.saturating_add(skip), end: self.end, left: MAX_BOXES }
    }

    /// The first box of this kind inside.
    pub fn child(&self, source: &Source<'_>, skip: u64, kind: Kind) -> Option<Self> {
        self.children(source, skip).flatten().find(|found| found.kind == kind)
    }

    /// The content, if it is no longer than `limit` bytes and all there.
    pub fn read(&self, source: &Source<'_>, limit: u64) -> Option<Vec<u8>> {
        let len = self.length();
        if len > limit {
            return None;
        }
        let mut content = vec![0; usize::try_from(len).ok()?];
        let count = source.read_at(self.content, &mut content).ok()?;
        (count == content.len()).then_some(content)
    }
}

/// A four-character code as text, with unprintable bytes escaped.
pub fn name(kind: Kind) -> String {
    kind.escape_ascii().to_string()
}

/// More boxes than this in one place are no real file.
const MAX_BOXES: u32 = 100_000;

/// Boxes in a row. Ends quietly at the end of the range, also when fewer than 8 bytes are left.
///
/// A box that reaches behind the range is given as an error: [`DecodeError::Truncated`] when it also
/// reaches behind the file, otherwise [`DecodeError::Malformed`].
pub struct Children<'s, 'a> {
    source: &'s Source<'a>,
    at: u64,
    end: u64,
    left: u32,
}

/// The boxes of the whole file.
pub fn top_level<'s, 'a>(source: &'s Source<'a>) -> Children<'s, 'a> {
    Children { source, at: 0, end: source.len(), left: MAX_BOXES }
}

impl Iterator for Children<'_, '_> {
    type Item = Result<Bmff, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at.checked_add(8).is_none_or(|header_end| header_end > self.end) {
            return None;
        }
        let start = self.at;
        let found = self.header(start);
        self.at = match &found {
            Ok(found) => found.end,
            Err(_) => self.end,
        };
        if self.left == 0 {
            self.at = self.end;
            return Some(Err(DecodeError::limit("boxes side by side", MAX_BOXES.to_string())));
        }
        self.left -= 1;
        Some(found)
    }
}

impl Children<'_, '_> {
    /// Where the next box would start.
    pub const fn position(&self) -> u64 {
        self.at
    }

    fn header(&self, start: u64) -> Result<Bmff, DecodeError> {
        let mut head = [0u8; 16];
        let count =
            self.source.read_at(start, &mut head).map_err(|error| DecodeError::io(&error, Some(start)))?;
        let (Some(size), Some(kind)) = (be32(&head, 0), kind_at(&head, 4)) else {
            return Err(DecodeError::truncated("box header", start));
        };
        let (header_len, size) = match size {
            0 => (8, self.end - start),
            1 if count < 16 => return Err(DecodeError::truncated("box header", start)),
            1 => (16, be64(&head, 8).unwrap_or(0)),
            size => (8, u64::from(size)),
        };
        if size < header_len {
            let what = format!("box '{}' of {size} bytes is shorter than its header", name(kind));
            return Err(DecodeError::malformed(what, start));
        }
        let end = start.saturating_add(size);
        if end > self.source.len() {
            return Err(DecodeError::Truncated {
                what: format!("box '{}' reaches behind the end of the file", name(kind)),
                offset: Some(start),
                expected: Some(end),
                found: Some(self.source.len()),
            });
        }
        if end > self.end {
            let what = format!("box '{}' of {size} bytes reaches behind the box that holds it", name(kind));
            return Err(DecodeError::malformed(what, start));
        }
        Ok(Bmff { kind, start, content: start + header_len, end })
    }
}

fn kind_at(bytes: &[u8], at: usize) -> Option<Kind> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok()
}

/// A big-endian 16-bit number.
pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// A big-endian 32-bit number.
pub fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A big-endian 64-bit number.
pub fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Major and compatible brands of a file type box at the start of `head`, or none.
pub fn brands(head: &[u8]) -> Vec<Kind> {
    let Some(size) = be32(head, 0).and_then(|size| usize::try_from(size).ok()) else { return Vec::new() };
    if head.get(4..8) != Some(b"ftyp") {
        return Vec::new();
    }
    let size = size.clamp(8, head.len());
    let body = head.get(8..size).unwrap_or_default();
    let mut brands: Vec<Kind> = body.chunks_exact(4).filter_map(|chunk| chunk.try_into().ok()).collect();
    if brands.len() > 1 {
        brands.remove(1); // the minor version
    }
    brands
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::fs::File;

    use super::*;

    fn walk(bytes: &[u8]) -> Vec<Result<Bmff, DecodeError>> {
        let file = File::open("/dev/null").unwrap();
        let source = Source::new(&file, bytes.len() as u64, Some(bytes), "");
        top_level(&source).collect()
    }

    #[test]
    fn sizes_of_all_three_kinds() {
        let mut bytes = b"\0\0\0\x0cabcd1234".to_vec();
        bytes.extend(b"\0\0\0\x01wide\0\0\0\0\0\0\0\x12xx");
        bytes.extend(b"\0\0\0\0restand so on");
        let boxes: Vec<Bmff> = walk(&bytes).into_iter().map(Result::unwrap).collect();
        assert_eq!(boxes.iter().map(Bmff::name).collect::<Vec<_>>(), ["abcd", "wide", "rest"]);
        assert_eq!(boxes.iter().map(Bmff::length).collect::<Vec<_>>(), [4, 2, 9]);
    }

    #[test]
    fn behind_the_end_is_truncated_with_both_lengths() {
        let found = walk(b"\0\0\0\x20mdat12345678");
        assert!(matches!(
            found.as_slice(),
            [Err(DecodeError::Truncated { expected: Some(32), found: Some(16), offset: Some(0), .. })]
        ));
    }

    #[test]
    fn shorter_than_its_header_is_malformed() {
        assert!(matches!(walk(b"\0\0\0\x04mdat12345678").as_slice(), [Err(DecodeError::Malformed { .. })]));
    }

    #[test]
    fn brands_without_the_minor_version() {
        assert_eq!(brands(b"\0\0\0\x14ftypheic\0\0\0\0mif1"), [*b"heic", *b"mif1"]);
        assert!(brands(b"RIFF").is_empty());
    }
}
