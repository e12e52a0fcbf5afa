//! Zeros, or FF, that begin inside metadata and go on to the end of the file.
//!
//! In uncompressed samples they may be black and white. But those at the end may begin inside something that never has any: an XMP
//! packet, which is a text; the tags of a colour profile, each of which begins with its kind (ICC.1, 9.2); a chain of Photoshop's
//! resources, each of which begins with a signature (Adobe's file format specification, "Image Resource Blocks").

use std::ops::Range;

use crate::media::structure::bmff::{be16, be32};

/// So many of one value at the end of a file are no habit of a writer: a sector.
const LONG: usize = 512;
/// Of them in a text, and in a chain of resources, which may be filled up.
const TEXT: usize = 64;
/// Bytes of the header of a profile, which is never empty.
const PROFILE: usize = 128;
/// Tags of a profile that are looked at.
const TAGS: usize = 200;
/// Signatures of resources.
const SIGNATURES: [&[u8]; 5] = [b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR"];
/// Resources that hold a profile and a packet.
const ICC: u16 = 1039;
const XMP: u16 = 1060;

/// The zeros at the end of a file, or FF.
#[derive(Clone, Copy, Debug)]
pub struct Blank<'b> {
    bytes: &'b [u8],
    /// Where they begin.
    pub start: usize,
}

impl<'b> Blank<'b> {
    /// Those of a file; `None` where they are few, or all there is.
    pub fn of(bytes: &'b [u8]) -> Option<Self> {
        let value = *bytes.last().filter(|value| matches!(value, 0 | 0xFF))?;
        let count = bytes.iter().rev().take_while(|&&byte| byte == value).count();
        let start = bytes.len() - count;
        (count >= LONG && start > 0).then_some(Self { bytes, start })
    }

    fn begin_inside(&self, range: &Range<usize>) -> bool {
        range.start < self.start && self.start < range.end
    }

    /// Whether a packet is opened, not closed, and ends in them.
    pub fn tear_packet(&self, range: &Range<usize>) -> bool {
        let text = self.bytes.get(range.start..self.start).unwrap_or_default();
        let has = |words: &[u8]| memchr::memmem::find(text, words).is_some();
        let open = |begin: &[u8], end: &[u8]| has(begin) && !has(end);
        self.begin_inside(range)
            && range.end - self.start >= TEXT
            && (open(b"<x:xmpmeta", b"</x:xmpmeta") || open(b"<?xpacket begin", b"<?xpacket end"))
    }

    /// Whether a tag of a profile begins in them, or the profile itself.
    pub fn tear_profile(&self, range: &Range<usize>) -> bool {
        if range.start >= self.start && range.len() >= PROFILE && range.end <= self.bytes.len() {
            return true;
        }
        let profile = self.bytes.get(range.clone()).filter(|_| self.begin_inside(range)).unwrap_or_default();
        let u32_at = |at: usize| be32(profile, at).and_then(|value| usize::try_from(value).ok());
        let is_profile =
            profile.get(36..40) == Some(b"acsp") && u32_at(0).is_some_and(|size| size <= profile.len());
        // The table of tags itself has to be whole.
        let Some(count) = u32_at(128).filter(|&count| is_profile && count <= TAGS) else { return false };
        let table = range.start + 132 + count * 12;
        table <= self.start
            && (0..count).any(|tag| {
                let at = 132 + tag * 12;
                let (Some(offset), Some(size)) = (u32_at(at + 4), u32_at(at + 8)) else { return false };
                let inside = offset.checked_add(size).is_some_and(|end| end <= profile.len());
                size >= 8 && inside && range.start + offset >= self.start
            })
    }

    /// Whether a chain of resources goes on in them, or the packet or profile in one ends there.
    pub fn tear_resources(&self, range: &Range<usize>) -> bool {
        let mut at = range.start;
        if !self.begin_inside(range) || range.end > self.bytes.len() {
            return false;
        }
        while at + 4 <= self.start {
            let Some((id, data)) = resource(self.bytes, at) else { return false };
            if id == XMP && self.tear_packet(&data) || id == ICC && self.tear_profile(&data) {
                return true;
            }
            at = data.start + data.len().next_multiple_of(2);
        }
        at + TEXT <= range.end
    }
}

/// Number and data of the resource at a place.
fn resource(bytes: &[u8], at: usize) -> Option<(u16, Range<usize>)> {
    let signature = bytes.get(at..at.checked_add(4)?)?;
    let id = be16(bytes, at + 4).filter(|_| SIGNATURES.contains(&signature))?;
    let name = (usize::from(*bytes.get(at + 6)?) + 1).next_multiple_of(2);
    let length = usize::try_from(be32(bytes, at + 6 + name)?).ok()?;
    let start = at + 10 + name;
    Some((id, start..start.checked_add(length)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    const VALUES: [u8; 2] = [0, 0xFF];

    /// Something, and a picture of one value behind it.
    fn file(metadata: &[u8], value: u8) -> (Vec<u8>, Range<usize>) {
        let bytes = [&b"II*\0"[..], metadata, &[value; LONG]].concat();
        (bytes, 4..4 + metadata.len())
    }

    fn packet() -> Vec<u8> {
        format!("<x:xmpmeta>{}</x:xmpmeta>", "text ".repeat(100)).into_bytes()
    }

    fn profile() -> Vec<u8> {
        let mut profile = vec![1; 400];
        profile[..4].copy_from_slice(&[0, 0, 1, 144]);
        profile[36..40].copy_from_slice(b"acsp");
        profile[128..132].copy_from_slice(&[0, 0, 0, 2]);
        profile[132..144].copy_from_slice(b"desc\0\0\0\xA0\0\0\0\x20");
        profile[144..156].copy_from_slice(b"wtpt\0\0\x01\x20\0\0\0\x14");
        profile
    }

    fn resources() -> Vec<u8> {
        let one = |id: u16, data: &[u8]| {
            let length = u32::try_from(data.len()).unwrap_or(0).to_be_bytes();
            let padding = &[0][..data.len() % 2];
            [b"8BIM", &id.to_be_bytes()[..], &[0, 0], &length, data, padding].concat()
        };
        [
            one(1005, &[7; 16]),
            one(ICC, &profile()),
            one(XMP, &packet()),
            one(1061, &[9; 15]),
            one(1064, &[0; 12]),
        ]
        .concat()
    }

    type Test = fn(&Blank<'_>, &Range<usize>) -> bool;
    const TESTS: [Test; 3] = [
        |blank, range| blank.tear_packet(range),
        |blank, range| blank.tear_profile(range),
        |blank, range| blank.tear_resources(range),
    ];

    #[test]
    fn black_and_white_pictures_behind_whole_metadata_are_left_alone() {
        for value in VALUES {
            let mut padded = profile();
            padded[296..].fill(value);
            for metadata in [
                packet(),
                profile(),
                resources(),
                // The last tag may end in that value, and a text and a chain be filled up with some.
                padded,
                [packet(), vec![value; 200]].concat(),
                [resources(), vec![value; 40]].concat(),
            ] {
                let (bytes, range) = file(&metadata, value);
                let Some(blank) = Blank::of(&bytes) else { panic!("{value}") };
                for test in TESTS {
                    assert!(!test(&blank, &range));
                }
            }
            assert!(Blank::of(&[value; 2 * LONG]).is_none());
        }
        assert!(Blank::of(&packet()).is_none());
    }

    #[test]
    fn blanks_from_inside_metadata_to_the_end_are_found() {
        let padding = [b"<?xpacket begin='' ?>".to_vec(), packet(), vec![b' '; 200]].concat();
        let cases: [(Vec<u8>, usize, &[usize]); 3] = [
            (padding, 0, &[100, 300]),
            (profile(), 1, &[150, 200, 400, 402]),
            // In a packet, in a signature, in a profile.
            (resources(), 2, &[120, 300, 586, 700]),
        ];
        for (metadata, test, lost) in cases {
            for (&lost, value) in lost.iter().flat_map(|lost| VALUES.map(|value| (lost, value))) {
                let (mut bytes, range) = file(&metadata, value);
                bytes[range.end - lost..].fill(value);
                let Some(blank) = Blank::of(&bytes) else { panic!("{value}") };
                assert!(TESTS[test](&blank, &range), "{test}: {lost} of {value}");
            }
        }
    }
}
