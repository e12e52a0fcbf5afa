//! The few facts of EXIF metadata that change how a picture is shown.
//!
//! Reads what can be read and is silent about the rest: broken metadata says nothing about the picture.

use crate::model::Orientation;

/// Tags of EXIF 2.32.
const ORIENTATION: u16 = 0x0112;
const BITS_PER_SAMPLE: u16 = 0x0102;
const EXIF_IFD: u16 = 0x8769;
const COLOR_SPACE: u16 = 0xA001;
/// More entries than any camera writes; a larger count is nonsense.
const MAX_ENTRIES: usize = 4096;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    /// Orientation of the main picture (first directory).
    pub orientation: Option<Orientation>,
    /// ColorSpace in ExifTool's words.
    pub colorspace: Option<String>,
    /// BitsPerSample of the first directory, first channel.
    pub bits_per_sample: Option<u16>,
}

/// Reads a TIFF-structured EXIF block; a leading `Exif\0\0` is skipped.
pub fn read(block: &[u8]) -> Facts {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let mut facts = Facts::default();
    let Some(tiff) = Tiff::new(block) else { return facts };
    let mut exif_ifd = None;
    for (tag, value) in tiff.directory(tiff.first) {
        match tag {
            ORIENTATION => facts.orientation = facts.orientation.or(Orientation::from_exif(value)),
            BITS_PER_SAMPLE => facts.bits_per_sample = u16::try_from(value).ok(),
            EXIF_IFD => exif_ifd = Some(value),
            COLOR_SPACE => facts.colorspace = Some(colorspace_words(value)),
            _ => {}
        }
    }
    for (tag, value) in exif_ifd.into_iter().flat_map(|offset| tiff.directory(offset)) {
        if tag == COLOR_SPACE {
            facts.colorspace = Some(colorspace_words(value));
        }
    }
    facts
}

/// ExifTool's words for ColorSpace, which Immich looks into.
pub fn colorspace_words(value: u32) -> String {
    match value {
        1 => "sRGB".into(),
        2 => "Adobe RGB".into(),
        0xFFFD => "Wide Gamut RGB".into(),
        0xFFFE => "ICC Profile".into(),
        0xFFFF => "Uncalibrated".into(),
        other => format!("Unknown ({other})"),
    }
}

/// A classic TIFF structure in memory.
struct Tiff<'a> {
    block: &'a [u8],
    big_endian: bool,
    first: u32,
}

impl<'a> Tiff<'a> {
    fn new(block: &'a [u8]) -> Option<Self> {
        let big_endian = match block.get(..4)? {
            b"II\x2a\0" => false,
            b"MM\0\x2a" => true,
            _ => return None,
        };
        let mut tiff = Self { block, big_endian, first: 0 };
        tiff.first = tiff.u32(4)?;
        Some(tiff)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.block.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.block.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Tags of one directory with their first value, for the integer types; entries that lie outside are left out.
    fn directory(&self, offset: u32) -> impl Iterator<Item = (u16, u32)> + '_ {
        let start = offset as usize;
        let count = self.u16(start).map_or(0, usize::from).min(MAX_ENTRIES);
        (0..count).map_while(move |index| start.checked_add(2 + index * 12)).filter_map(|at| {
            let tag = self.u16(at)?;
            let kind = self.u16(at + 2)?;
            let values = u64::from(self.u32(at + 4)?);
            let size = match kind {
                1 | 6 | 7 => 1,
                3 | 8 => 2,
                4 | 9 => 4,
                _ => return None,
            };
            if values == 0 {
                return None;
            }
            let at = if values * size <= 4 { at + 8 } else { self.u32(at + 8)? as usize };
            let value = match size {
                1 => u32::from(*self.block.get(at)?),
                2 => u32::from(self.u16(at)?),
                _ => self.u32(at)?,
            };
            Some((tag, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One directory with orientation and a pointer to an EXIF directory with ColorSpace.
    fn block(big_endian: bool, orientation: u16, colorspace: u16) -> Vec<u8> {
        let u16 = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let u32 = |v: u32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut out = Vec::new();
        out.extend(if big_endian { b"MM\0\x2a" } else { b"II\x2a\0" });
        out.extend(u32(8));
        out.extend(u16(2));
        for (tag, kind, value) in [(ORIENTATION, 3, u32::from(orientation)), (EXIF_IFD, 4, 38)] {
            out.extend(u16(tag));
            out.extend(u16(kind));
            out.extend(u32(1));
            if kind == 3 {
                out.extend(u16(u16::try_from(value).unwrap_or(0)));
                out.extend([0, 0]);
            } else {
                out.extend(u32(value));
            }
        }
        out.extend(u32(0));
        out.extend(u16(1));
        out.extend(u16(COLOR_SPACE));
        out.extend(u16(3));
        out.extend(u32(1));
        out.extend(u16(colorspace));
        out.extend([0, 0]);
        out.extend(u32(0));
        out
    }

    #[test]
    fn both_byte_orders_and_the_prefix() {
        for big_endian in [false, true] {
            let mut bytes = block(big_endian, 6, 0xFFFF);
            let facts = read(&bytes);
            assert_eq!(facts.orientation.map(Orientation::exif), Some(6));
            assert_eq!(facts.colorspace.as_deref(), Some("Uncalibrated"));
            bytes.splice(0..0, *b"Exif\0\0");
            assert_eq!(read(&bytes), facts);
        }
    }

    #[test]
    fn nonsense_is_silent() {
        assert_eq!(read(b""), Facts::default());
        assert_eq!(read(b"II\x2a\0\xff\xff\xff\xff"), Facts::default());
        assert_eq!(read(&block(false, 9, 1)).orientation, None);
        let whole = block(true, 3, 1);
        for end in 0..whole.len() {
            let _ = read(whole.get(..end).unwrap_or_default());
        }
    }

    #[test]
    fn words_of_exiftool() {
        assert_eq!(colorspace_words(1), "sRGB");
        assert_eq!(colorspace_words(7), "Unknown (7)");
    }
}
