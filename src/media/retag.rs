//! Setting EXIF tags of a finished JPEG, as ExifTool does it for Immich.
//!
//! Everything else in the file stays as it is. A tag that is there is overwritten; for one that is not, its directory is
//! written anew behind the rest of the block, since offsets in EXIF are counted from the beginning.

use crate::model::Orientation;

const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const START_OF_SCAN: u8 = 0xda;
const EXIF: &[u8] = b"Exif\0\0";
/// A big-endian block with an empty directory.
const EMPTY: &[u8] = b"MM\0\x2a\0\0\0\x08\0\0\0\0\0\0";
/// Where a block points to its first directory.
const FIRST: usize = 4;
/// Longest payload of a segment.
const MAX_SEGMENT: usize = 65_533;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const ORIENTATION: u16 = 0x0112;
const EXIF_DIRECTORY: u16 = 0x8769;
const COLOR_SPACE: u16 = 0xA001;

/// A copy of a JPEG with these values of Orientation and ColorSpace. `colorspace` is in ExifTool's words; words that name no
/// value are left out, as ExifTool leaves them. `None` when the file's own metadata cannot be changed.
pub fn retag(jpeg: &[u8], orientation: Option<Orientation>, colorspace: Option<&str>) -> Option<Vec<u8>> {
    let colorspace = colorspace.and_then(color_space);
    if orientation.is_none() && colorspace.is_none() {
        return Some(jpeg.to_vec());
    }
    let place = Place::of(jpeg)?;
    let mut block = Block::new(place.block.and_then(|(from, to)| jpeg.get(from..to)).unwrap_or(EMPTY))?;
    if let Some(orientation) = orientation {
        block.set(FIRST, ORIENTATION, SHORT, u32::from(orientation.exif()))?;
    }
    if let Some(value) = colorspace {
        if block.find(FIRST, EXIF_DIRECTORY).is_none() {
            let at = block.append_empty()?;
            block.set(FIRST, EXIF_DIRECTORY, LONG, at)?;
        }
        let pointer = block.find(FIRST, EXIF_DIRECTORY)?.checked_add(8)?;
        block.set(pointer, COLOR_SPACE, SHORT, value)?;
    }
    let payload = EXIF.len() + block.bytes.len();
    let length = u16::try_from(payload.checked_add(2).filter(|_| payload <= MAX_SEGMENT)?).ok()?;
    let mut out = Vec::with_capacity(jpeg.len() + payload);
    out.extend_from_slice(jpeg.get(..place.from)?);
    out.extend_from_slice(&[0xff, APP1]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(EXIF);
    out.extend_from_slice(&block.bytes);
    out.extend_from_slice(jpeg.get(place.to..)?);
    Some(out)
}

/// The value that ExifTool's words stand for.
fn color_space(words: &str) -> Option<u32> {
    Some(match words {
        "sRGB" => 1,
        "Adobe RGB" => 2,
        "Wide Gamut RGB" => 0xFFFD,
        "ICC Profile" => 0xFFFE,
        "Uncalibrated" => 0xFFFF,
        _ => return None,
    })
}

/// The segment with EXIF, or the empty place where it belongs.
struct Place {
    from: usize,
    to: usize,
    /// The block inside.
    block: Option<(usize, usize)>,
}

impl Place {
    fn of(jpeg: &[u8]) -> Option<Self> {
        if !jpeg.starts_with(b"\xff\xd8\xff") {
            return None;
        }
        let (mut at, mut free) = (2_usize, 2_usize);
        loop {
            let &[0xff, marker, high, low] = jpeg.get(at..)?.first_chunk::<4>()? else { return None };
            let end = at.checked_add(2 + usize::from(u16::from_be_bytes([high, low])))?;
            let inside = at.checked_add(4)?;
            let payload = jpeg.get(inside..end)?;
            match marker {
                APP1 if payload.starts_with(EXIF) => {
                    return Some(Self { from: at, to: end, block: Some((inside + EXIF.len(), end)) });
                }
                // EXIF comes first, but JFIF before it.
                APP0 if at == free => free = end,
                START_OF_SCAN => return Some(Self { from: free, to: free, block: None }),
                _ => {}
            }
            at = end;
        }
    }
}

/// A TIFF structure that is being changed.
struct Block {
    bytes: Vec<u8>,
    big_endian: bool,
}

impl Block {
    fn new(bytes: &[u8]) -> Option<Self> {
        let big_endian = match bytes.get(..4)? {
            b"II\x2a\0" => false,
            b"MM\0\x2a" => true,
            _ => return None,
        };
        Some(Self { bytes: bytes.to_vec(), big_endian })
    }

    fn number(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn bytes_of(&self, value: u32) -> [u8; 4] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn shorts_of(&self, value: u16) -> [u8; 2] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    /// Where the entry of a tag is in the directory that `pointer` leads to.
    fn find(&self, pointer: usize, tag: u16) -> Option<usize> {
        let directory = self.number(pointer)? as usize;
        let count = usize::from(self.short(directory)?);
        (0..count)
            .filter_map(|entry| directory.checked_add(2 + 12 * entry))
            .find(|&at| self.short(at) == Some(tag))
    }

    /// An entry with one number.
    fn entry(&self, tag: u16, kind: u16, value: u32) -> Vec<u8> {
        let value = match u16::try_from(value) {
            // Left in its four bytes, whichever the order.
            Ok(short) if kind == SHORT => [self.shorts_of(short), [0; 2]].concat(),
            _ => self.bytes_of(value).to_vec(),
        };
        [&self.shorts_of(tag)[..], &self.shorts_of(kind), &self.bytes_of(1), &value].concat()
    }

    /// Sets a tag in the directory that `pointer` leads to.
    fn set(&mut self, pointer: usize, tag: u16, kind: u16, value: u32) -> Option<()> {
        let entry = self.entry(tag, kind, value);
        if let Some(at) = self.find(pointer, tag) {
            self.bytes.get_mut(at..at.checked_add(12)?)?.copy_from_slice(&entry);
            return Some(());
        }
        let directory = self.number(pointer)? as usize;
        let count = self.short(directory)?;
        let end = directory.checked_add(2 + 12 * usize::from(count))?;
        let entries = self.bytes.get(directory.checked_add(2)?..end)?;
        // By tag, as the standard wants it.
        let before = entries.chunks_exact(12).take_while(|entry| {
            let number = entry
                .first_chunk()
                .map(|tag| if self.big_endian { u16::from_be_bytes(*tag) } else { u16::from_le_bytes(*tag) });
            number.is_some_and(|number| number < tag)
        });
        let (low, high) = entries.split_at_checked(12 * before.count())?;
        let next = self.bytes.get(end..end.checked_add(4)?).unwrap_or(&[0; 4]);
        let anew = [&self.shorts_of(count.checked_add(1)?)[..], low, &entry, high, next].concat();
        let at = self.append(&anew)?;
        let place = self.bytes_of(at);
        self.bytes.get_mut(pointer..pointer.checked_add(4)?)?.copy_from_slice(&place);
        Some(())
    }

    /// An empty directory.
    fn append_empty(&mut self) -> Option<u32> {
        self.append(&[0; 6])
    }

    fn append(&mut self, what: &[u8]) -> Option<u32> {
        if self.bytes.len() % 2 == 1 {
            self.bytes.push(0);
        }
        let at = u32::try_from(self.bytes.len()).ok()?;
        self.bytes.extend_from_slice(what);
        (self.bytes.len() <= MAX_SEGMENT).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::media::exif;

    const QUANTISATION: &[u8] = b"\xff\xdb\0\x04ab";
    const SCAN: &[u8] = b"\xff\xda\0\x04cdpixels\xff\xd9";

    fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len() + 2).unwrap();
        [&[0xff, marker][..], &length.to_be_bytes(), payload].concat()
    }

    fn file(segments: &[&[u8]]) -> Vec<u8> {
        [b"\xff\xd8", &segments.concat()[..], QUANTISATION, SCAN].concat()
    }

    fn facts(jpeg: &[u8]) -> exif::Facts {
        let at = memchr::memmem::find(jpeg, EXIF).unwrap();
        let length = usize::from(u16::from_be_bytes(*jpeg.get(at - 2..).unwrap().first_chunk().unwrap()));
        exif::read(jpeg.get(at..at - 2 + length).unwrap())
    }

    fn turned(exif: u32) -> Option<Orientation> {
        Orientation::from_exif(exif)
    }

    #[test]
    fn tags_are_set_where_there_was_nothing() {
        let jfif = segment(APP0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0");
        for (before, place) in [(vec![], 2), (vec![&jfif[..]], 2 + jfif.len())] {
            let plain = file(&before);
            let made = retag(&plain, turned(6), Some("Uncalibrated")).unwrap();
            let found = facts(&made);
            assert_eq!((found.orientation, found.colorspace.as_deref()), (turned(6), Some("Uncalibrated")));
            assert_eq!(made.get(..place), plain.get(..place));
            assert_eq!(made.get(place..place + 2), Some(&[0xff, APP1][..]));
            assert!(made.ends_with(&[QUANTISATION, SCAN].concat()));
            // once more changes nothing but the values
            let again = retag(&made, turned(3), Some("sRGB")).unwrap();
            assert_eq!(again.len(), made.len());
            assert_eq!(
                (facts(&again).orientation, facts(&again).colorspace.as_deref()),
                (turned(3), Some("sRGB"))
            );
        }
    }

    /// A directory with Make (an offset into the block) and what else is given, in one byte order.
    fn block(big_endian: bool, orientation: Option<u16>) -> Vec<u8> {
        let empty = if big_endian { EMPTY.to_vec() } else { b"II\x2a\0\x08\0\0\0\0\0\0\0\0\0".to_vec() };
        let mut block = Block::new(&empty).unwrap();
        let text = block.append(b"Maker of cameras\0").unwrap();
        block.set(FIRST, 0x010f, LONG, text).unwrap();
        if let Some(value) = orientation {
            block.set(FIRST, ORIENTATION, SHORT, value.into()).unwrap();
        }
        block.bytes
    }

    #[test]
    fn the_cameras_own_tags_stay() {
        for big_endian in [false, true] {
            for orientation in [None, Some(1)] {
                let before = block(big_endian, orientation);
                let xmp = segment(APP1, b"http://ns.adobe.com/xap/1.0/\0<x/>");
                let plain = file(&[&xmp, &segment(APP1, &[EXIF, &before].concat())]);
                let made = retag(&plain, turned(8), Some("Adobe RGB")).unwrap();
                let found = facts(&made);
                assert_eq!((found.orientation, found.colorspace.as_deref()), (turned(8), Some("Adobe RGB")));
                assert!(memchr::memmem::find(&made, b"Maker of cameras").is_some());
                let after = Block::new(made.get(2 + xmp.len() + 4 + EXIF.len()..).unwrap()).unwrap();
                let make = after.find(FIRST, 0x010f).unwrap();
                assert_eq!(after.number(make + 8), Some(14), "where its text was and is");
                assert_eq!(made.get(..2 + xmp.len()), plain.get(..2 + xmp.len()));
            }
        }
    }

    #[test]
    fn what_cannot_be_changed_is_refused_and_words_without_a_value_are_left_out() {
        let plain = file(&[]);
        assert_eq!(retag(&plain, None, Some("Unknown (7)")), Some(plain.clone()));
        assert_eq!(retag(b"\x89PNG", turned(6), None), None);
        assert_eq!(retag(&file(&[&segment(APP1, &[EXIF, b"nonsense"].concat())]), turned(6), None), None);
        let full = [EXIF, &block(true, None), &vec![0; 65_400]].concat();
        assert_eq!(retag(&file(&[&segment(APP1, &full)]), turned(6), Some("sRGB")), None);
        let whole = file(&[&segment(APP1, &[EXIF, &block(false, Some(3))].concat())]);
        for end in 0..whole.len() {
            let _ = retag(whole.get(..end).unwrap(), turned(6), Some("sRGB"));
        }
    }
}
