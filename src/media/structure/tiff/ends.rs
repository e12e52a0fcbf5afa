//! Ends of files that were lost, where pictures alone cannot tell.
//!
//! Zeros in uncompressed samples may be black. But zeros that go on up to the end of the file may begin inside something that never
//! has any: an XMP packet, which is a text, or the tags of a colour profile, each of which begins with its kind (ICC.1, 9.2).

use std::ops::Range;

use super::Page;

/// Zeros at the end of a file that nobody writes by habit.
const LONG: usize = 4096;
/// Zeros of them in a text.
const TEXT: usize = 64;
/// Tags of a profile that are looked at.
const TAGS: usize = 200;

/// Where zeros begin that go on to the end of the file and took the end of the metadata of a page with them.
pub fn lost_end(bytes: &[u8], page: &Page) -> Option<usize> {
    let zeros = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
    let start = bytes.len() - zeros;
    let lost = |range: &Range<usize>| range.start < start && start < range.end;
    let text = page.xmp.as_ref().is_some_and(|range| lost(range) && is_torn(bytes, range, start));
    let profile = page.icc.as_ref().is_some_and(|range| lost(range) && lacks_tags(bytes, range, start));
    (zeros >= LONG && zeros < bytes.len() && (text || profile)).then_some(start)
}

/// Whether a packet is opened, not closed, and ends in zeros.
fn is_torn(bytes: &[u8], range: &Range<usize>, start: usize) -> bool {
    let text = bytes.get(range.start..start).unwrap_or_default();
    let has = |words: &[u8]| memchr::memmem::find(text, words).is_some();
    let open = |begin: &[u8], end: &[u8]| has(begin) && !has(end);
    range.end - start >= TEXT
        && (open(b"<x:xmpmeta", b"</x:xmpmeta") || open(b"<?xpacket begin", b"<?xpacket end"))
}

/// Whether a tag of a profile begins in the zeros.
fn lacks_tags(bytes: &[u8], range: &Range<usize>, start: usize) -> bool {
    let profile = bytes.get(range.clone()).unwrap_or_default();
    let u32_at = |at: usize| {
        let four = profile.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(four)).ok()
    };
    let is_profile =
        profile.get(36..40) == Some(b"acsp") && u32_at(0).is_some_and(|size| size <= profile.len());
    // The table of tags itself has to be whole.
    let Some(count) = u32_at(128).filter(|&count| is_profile && count <= TAGS) else { return false };
    let table = range.start + 132 + count * 12;
    table <= start
        && (0..count).any(|tag| {
            let at = 132 + tag * 12;
            let (Some(offset), Some(size)) = (u32_at(at + 4), u32_at(at + 8)) else { return false };
            let inside = offset.checked_add(size).is_some_and(|end| end <= profile.len());
            size >= 8 && inside && range.start + offset >= start
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    /// A packet and a profile, and a picture of zeros behind them.
    fn file(xmp: &str, profile: &[u8]) -> (Vec<u8>, Page) {
        let bytes = [&b"II*\0"[..], xmp.as_bytes(), profile, &[0; LONG]].concat();
        let (text, end) = (4..4 + xmp.len(), 4 + xmp.len() + profile.len());
        let (xmp, icc) = (Some(text.clone()), Some(text.end..end));
        (bytes, Page { icc, xmp, ..Page::default() })
    }

    fn packet() -> String {
        format!("<x:xmpmeta>{}</x:xmpmeta>", "text ".repeat(100))
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

    #[test]
    fn black_pictures_behind_whole_metadata_are_left_alone() {
        let (bytes, page) = file(&packet(), &profile());
        assert_eq!(lost_end(&bytes, &page), None);
        // The last tag may end in zeros, and a text be filled up with them.
        let mut profile = profile();
        profile[296..].fill(0);
        let (bytes, page) = file(&packet(), &profile);
        assert_eq!(lost_end(&bytes, &page), None);
        let (bytes, page) = file(&(packet() + &"\0".repeat(200)), &[]);
        assert_eq!(lost_end(&bytes, &page), None);
    }

    #[test]
    fn zeros_from_inside_metadata_to_the_end_are_found() {
        let padding = format!("<?xpacket begin='' ?>{}{}", packet(), " ".repeat(200));
        let (mut bytes, page) = file(&padding, &[]);
        let length = bytes.len();
        bytes[length - LONG - 100..].fill(0);
        assert!(lost_end(&bytes, &page).is_some());
        let (mut bytes, page) = file(&packet(), &profile());
        let length = bytes.len();
        for lost in [LONG + 150, LONG + 500] {
            bytes[length - lost..].fill(0);
            assert!(lost_end(&bytes, &page).is_some(), "{lost}");
        }
    }
}
