//! Camera raws: does everything that the directories name lie inside the file?
//!
//! Decoders of raws fill what is missing with nothing and report success, so this is the test for cut-off files.

use std::ops::Range;

use crate::model::{DecodeError, Orientation, PixelSize};

use super::bmff::{be16, be32};

mod bits;
mod ciff;
mod cr3;
mod data;
mod kodak;

pub use ciff::{check_crw, check_crw_data, crw_jpeg};
pub use cr3::cr3_jpegs;
pub use data::{check_mrw_data, check_raf_data};

/// Directories of one file; cameras write fewer than twenty.
const MAX_DIRECTORIES: usize = 256;
/// Strips or tiles of one picture.
const MAX_EXTENTS: usize = 1 << 20;
/// A JPEG's end marker may be followed by this much padding.
const MAX_PADDING: usize = 4096;

/// The directories of a TIFF structure, in either byte order and under any maker's magic number.
pub struct Tiff<'b> {
    bytes: &'b [u8],
    big_endian: bool,
}

/// One directory's entries, as far as they matter.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    at: usize,
    /// Tag, type, count, and where the values are.
    entries: Vec<(u16, u16, usize, usize)>,
}

/// Tags of TIFF 6.0, TIFF/EP, DNG and the makers.
mod tag {
    pub const SUBFILE_TYPE: u16 = 0xFE;
    pub const WIDTH: u16 = 0x100;
    pub const HEIGHT: u16 = 0x101;
    pub const BITS: u16 = 0x102;
    pub const COMPRESSION: u16 = 0x103;
    pub const PHOTOMETRIC: u16 = 0x106;
    pub const MAKE: u16 = 0x10F;
    pub const STRIP_OFFSETS: u16 = 0x111;
    pub const ORIENTATION: u16 = 0x112;
    pub const SAMPLES: u16 = 0x115;
    pub const STRIP_BYTES: u16 = 0x117;
    pub const TILE_OFFSETS: u16 = 0x144;
    pub const TILE_BYTES: u16 = 0x145;
    pub const SUB_DIRECTORIES: u16 = 0x14A;
    pub const JPEG_OFFSET: u16 = 0x201;
    pub const JPEG_BYTES: u16 = 0x202;
    pub const EXIF: u16 = 0x8769;
    pub const COLOR_SPACE: u16 = 0xA001;
    pub const DNG_VERSION: u16 = 0xC612;
    pub const CANON_SLICES: u16 = 0xC640;
    /// Panasonic: where the sensor data begins.
    pub const PANASONIC_RAW: u16 = 0x118;
    /// Panasonic: an embedded JPEG as the value itself.
    pub const PANASONIC_JPEG: [u16; 2] = [0x127, 0x2E];
}

/// Bytes of one value of a type (TIFF 6.0 section 2).
const fn width_of(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => 1,
    }
}

impl<'b> Tiff<'b> {
    /// A TIFF structure that begins at the first byte.
    pub fn new(bytes: &'b [u8]) -> Option<Self> {
        let big_endian = match bytes.get(..4)? {
            [b'I', b'I', b'*' | b'U', 0] | b"IIRO" | b"IIRS" => false,
            [b'M', b'M', 0, b'*'] | b"MMOR" => true,
            _ => return None,
        };
        Some(Self { bytes, big_endian })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let value = be16(self.bytes, at)?;
        Some(if self.big_endian { value } else { value.swap_bytes() })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let value = be32(self.bytes, at)?;
        Some(if self.big_endian { value } else { value.swap_bytes() })
    }

    /// The directory at an offset, and the offset of the next one.
    fn directory(&self, at: usize) -> Option<(Directory, usize)> {
        let count = usize::from(self.u16(at)?);
        let mut found = Directory { at, entries: Vec::with_capacity(count.min(512)) };
        for index in 0..count {
            let place = at.checked_add(2 + index * 12)?;
            let (tag, kind, values) = (self.u16(place)?, self.u16(place + 2)?, self.u32(place + 4)? as usize);
            let inside = values.saturating_mul(width_of(kind)) <= 4;
            let start = if inside { place + 8 } else { self.u32(place + 8)? as usize };
            found.entries.push((tag, kind, values, start));
        }
        let next = self.u32(at.checked_add(2 + count * 12)?).unwrap_or(0) as usize;
        Some((found, next))
    }

    /// All directories: the chain, sub-directories and EXIF. A directory that lies behind the end is an error.
    pub fn directories(&self) -> Result<Vec<Directory>, DecodeError> {
        let mut wanted = vec![self.first()];
        let mut found: Vec<Directory> = Vec::new();
        while let Some(at) = wanted.pop() {
            if at == 0 || found.iter().any(|directory| directory.at == at) {
                continue;
            }
            if found.len() == MAX_DIRECTORIES {
                return Err(DecodeError::limit("directories", MAX_DIRECTORIES.to_string()));
            }
            let (directory, next) =
                self.directory(at).ok_or_else(|| self.behind("a directory", at, at.saturating_add(2)))?;
            wanted.push(next);
            wanted.extend(self.numbers(&directory, tag::SUB_DIRECTORIES));
            wanted.extend(self.numbers(&directory, tag::EXIF));
            found.push(directory);
        }
        Ok(found)
    }

    fn behind(&self, what: &str, at: usize, end: usize) -> DecodeError {
        DecodeError::Truncated {
            what: what.into(),
            offset: Some(at as u64),
            expected: Some(end as u64),
            found: Some(self.bytes.len() as u64),
        }
    }

    /// The values of a tag as numbers; empty when it is not there or lies behind the end.
    fn numbers(&self, directory: &Directory, wanted: u16) -> Vec<usize> {
        let Some(&(_, kind, count, start)) = directory.entries.iter().find(|entry| entry.0 == wanted) else {
            return Vec::new();
        };
        let number = |index: usize| match kind {
            1 | 7 => self.bytes.get(start.checked_add(index)?).map(|&byte| usize::from(byte)),
            3 => self.u16(start.checked_add(index * 2)?).map(usize::from),
            4 | 13 => self.u32(start.checked_add(index * 4)?).map(|value| value as usize),
            _ => None,
        };
        (0..count.min(MAX_EXTENTS)).map_while(number).collect()
    }

    fn number(&self, directory: &Directory, wanted: u16) -> Option<usize> {
        self.numbers(directory, wanted).first().copied()
    }

    /// Strips, tiles and embedded JPEGs of a directory.
    fn extents(&self, directory: &Directory) -> Vec<Range<usize>> {
        let pairs = [
            (tag::STRIP_OFFSETS, tag::STRIP_BYTES),
            (tag::TILE_OFFSETS, tag::TILE_BYTES),
            (tag::JPEG_OFFSET, tag::JPEG_BYTES),
        ];
        let mut extents = Vec::new();
        for (offsets, lengths) in pairs {
            let offsets = self.numbers(directory, offsets);
            let lengths = self.numbers(directory, lengths);
            // All ones: some makers say "elsewhere" so.
            let pairs = offsets
                .into_iter()
                .zip(lengths)
                .filter(|&(offset, length)| offset != 0xFFFF_FFFF && length > 0);
            extents.extend(pairs.map(|(offset, length)| offset..offset.saturating_add(length)));
        }
        extents
    }

    /// Everything named must lie inside the file, and what is coded as JPEG must begin and end as one.
    pub fn check(&self) -> Result<(), DecodeError> {
        for directory in self.directories()? {
            for &(tag, kind, count, start) in &directory.entries {
                let end = start.saturating_add(count.saturating_mul(width_of(kind)));
                if matches!(kind, 1..=13) && end > self.bytes.len() {
                    return Err(self.behind(&format!("the value of tag {tag}"), start, end));
                }
            }
            let jpeg = matches!(self.number(&directory, tag::COMPRESSION), Some(6 | 7));
            let sensor =
                self.holds_sensor_data(&directory) || self.number(&directory, tag::CANON_SLICES).is_some();
            for extent in self.extents(&directory) {
                let Some(data) = self.bytes.get(extent.clone()) else {
                    let what = format!("a strip, tile or preview of {} bytes", extent.len());
                    return Err(self.behind(&what, extent.start, extent.end));
                };
                // Canon calls a small uncompressed picture JPEG, so only sensor data must begin as one.
                if jpeg && (sensor || data.starts_with(b"\xff\xd8")) {
                    check_jpeg(data, extent.start)?;
                }
            }
        }
        Ok(())
    }

    /// Whether this is a camera raw: DNG, or sensor data in some directory.
    pub fn is_raw(&self) -> bool {
        let Ok(directories) = self.directories() else { return self.is_raw_by_first() };
        directories.iter().any(|directory| self.holds_sensor_data(directory)) || self.is_raw_by_first()
    }

    fn is_raw_by_first(&self) -> bool {
        let first = self.directory(self.first());
        first.is_some_and(|(first, _)| first.entries.iter().any(|entry| entry.0 == tag::DNG_VERSION))
    }

    /// Colour filter array or linear raw; or a compression that only one maker's raws have.
    fn holds_sensor_data(&self, directory: &Directory) -> bool {
        matches!(self.number(directory, tag::PHOTOMETRIC), Some(32_803 | 34_892))
            || matches!(
                self.number(directory, tag::COMPRESSION),
                Some(32_767 | 32_770 | 34_713 | 65_000 | 65_535)
            )
    }

    /// Where the first directory is.
    pub fn first(&self) -> usize {
        self.u32(4).unwrap_or(0) as usize
    }

    /// Whether a camera's name is given.
    pub fn has_make(&self) -> bool {
        let first = self.directory(self.first());
        first.is_some_and(|(first, _)| first.entries.iter().any(|entry| entry.0 == tag::MAKE))
    }

    /// Orientation of the first directory.
    pub fn orientation(&self) -> Option<Orientation> {
        let (first, _) = self.directory(self.u32(4)? as usize)?;
        Orientation::from_exif(u32::try_from(self.number(&first, tag::ORIENTATION)?).ok()?)
    }

    /// EXIF ColorSpace.
    pub fn color_space(&self) -> Option<u32> {
        let noted = self.directories().ok()?.iter().find_map(|found| self.number(found, tag::COLOR_SPACE));
        u32::try_from(noted?).ok()
    }

    /// Bits of a sample as ExifTool tells them, and so Immich: of the picture at full resolution (NewSubfileType 0, which
    /// previews have not), else of the first that notes any.
    pub fn bits_per_sample(&self) -> Option<usize> {
        let directories = self.directories().ok()?;
        let full = directories.iter().filter(|found| self.number(found, tag::SUBFILE_TYPE) == Some(0));
        full.chain(&directories).find_map(|found| self.number(found, tag::BITS))
    }

    /// The largest picture of all directories.
    pub fn largest(&self) -> PixelSize {
        let sizes = self.directories().unwrap_or_default().into_iter().filter_map(|directory| {
            let side = |wanted| u32::try_from(self.number(&directory, wanted)?).ok();
            Some(PixelSize::new(side(tag::WIDTH)?, side(tag::HEIGHT)?))
        });
        sizes.max_by_key(|size| size.pixels()).unwrap_or_default()
    }

    /// Whole JPEG files inside.
    pub fn jpegs(&self) -> Vec<&'b [u8]> {
        let mut found = Vec::new();
        for directory in self.directories().unwrap_or_default() {
            let extents = self.extents(&directory);
            if let [only] = extents.as_slice() {
                found.extend(self.bytes.get(only.clone()));
            } else {
                found.extend(extents.last().and_then(|last| self.bytes.get(last.clone())));
            }
            let values = directory.entries.iter().filter(|entry| tag::PANASONIC_JPEG.contains(&entry.0));
            found.extend(
                values.filter_map(|&(_, _, count, start)| self.bytes.get(start..start.checked_add(count)?)),
            );
        }
        found.retain(|data| data.starts_with(b"\xff\xd8\xff"));
        found
    }
}

fn check_jpeg(data: &[u8], start: usize) -> Result<(), DecodeError> {
    if !data.starts_with(b"\xff\xd8") {
        return Err(DecodeError::malformed("JPEG data that does not begin as such", start as u64));
    }
    let tail = data.get(data.len().saturating_sub(MAX_PADDING)..).unwrap_or_default();
    if memchr::memmem::rfind(tail, b"\xff\xd9").is_none() {
        return Err(DecodeError::malformed("JPEG data without an end marker", (start + data.len()) as u64));
    }
    Ok(())
}

fn inside(bytes: &[u8], what: &str, offset: usize, len: usize) -> Result<(), DecodeError> {
    let end = offset.saturating_add(len);
    if end <= bytes.len() {
        return Ok(());
    }
    Err(DecodeError::Truncated {
        what: what.into(),
        offset: Some(offset as u64),
        expected: Some(end as u64),
        found: Some(bytes.len() as u64),
    })
}

fn field(bytes: &[u8], at: usize) -> usize {
    be32(bytes, at).unwrap_or(0) as usize
}

/// Fuji RAF: preview, header and sensor data named at fixed places.
pub fn check_raf(bytes: &[u8]) -> Result<(), DecodeError> {
    inside(bytes, "header", 0, 108)?;
    for (what, at) in [("preview", 84), ("sensor header", 92), ("sensor data", 100)] {
        inside(bytes, what, field(bytes, at), field(bytes, at + 4))?;
    }
    Ok(())
}

/// The embedded JPEG of a RAF file.
pub fn raf_jpeg(bytes: &[u8]) -> Option<&[u8]> {
    let start = field(bytes, 84);
    bytes.get(start..start.checked_add(field(bytes, 88))?).filter(|data| data.starts_with(b"\xff\xd8\xff"))
}

/// Minolta MRW: the header block tells the sensor's size and bits.
pub fn check_mrw(bytes: &[u8]) -> Result<(), DecodeError> {
    let data = field(bytes, 4).saturating_add(8);
    inside(bytes, "header", 0, data)?;
    if bytes.get(8..12) != Some(b"\0PRD") {
        return Ok(());
    }
    let (height, width) = (be16(bytes, 24).unwrap_or(0), be16(bytes, 26).unwrap_or(0));
    let bits = usize::from(bytes.get(32).copied().unwrap_or(0));
    inside(bytes, "sensor data", data, usize::from(height) * usize::from(width) * bits / 8)
}

/// The TIFF structure inside an MRW file.
pub fn mrw_tiff(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 8;
    let end = field(bytes, 4) + 8;
    while at + 8 <= end {
        let len = field(bytes, at + 4);
        if bytes.get(at..at + 4)? == b"\0TTW" {
            return bytes.get(at + 8..(at + 8).checked_add(len)?);
        }
        at = (at + 8).checked_add(len)?;
    }
    None
}

/// Sigma X3F: the last four bytes point at the directory, whose sections lie before it.
pub fn check_x3f(bytes: &[u8]) -> Result<(), DecodeError> {
    let little = |at: usize| be32(bytes, at).map_or(0, |value| value.swap_bytes() as usize);
    let at = little(bytes.len().saturating_sub(4));
    if bytes.get(at..at.saturating_add(4)) != Some(b"SECd") {
        return Err(DecodeError::truncated(
            "the directory at the end is not there",
            Some(bytes.len() as u64),
        ));
    }
    let count = little(at + 8);
    inside(bytes, "directory", at, count.saturating_mul(12).saturating_add(12))?;
    for index in 0..count {
        let place = at + 12 + index * 12;
        inside(bytes, "section", little(place), little(place + 4))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A little-endian TIFF with one directory of these entries (type LONG), and 22 bytes of data at 100.
    fn tiff(entries: &[(u16, u32)]) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        bytes.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
        for (tag, value) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend([4, 0, 1, 0, 0, 0]);
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend([0; 4]);
        bytes.resize(100, 0);
        bytes.extend(b"\xff\xd8\xff\xc3 sensor data\0\0\xff\xd9\0\0");
        bytes
    }

    fn check(bytes: &[u8]) -> Result<(), DecodeError> {
        Tiff::new(bytes).unwrap().check()
    }

    #[test]
    fn strips_must_lie_inside_the_file() {
        let strips = [(tag::PHOTOMETRIC, 32_803), (tag::STRIP_OFFSETS, 100), (tag::STRIP_BYTES, 20)];
        assert_eq!(check(&tiff(&strips)), Ok(()));
        assert!(Tiff::new(&tiff(&strips)).unwrap().is_raw());
        let beyond = [(tag::STRIP_OFFSETS, 100), (tag::STRIP_BYTES, 23)];
        assert!(matches!(
            check(&tiff(&beyond)),
            Err(DecodeError::Truncated { expected: Some(123), found: Some(122), .. })
        ));
    }

    #[test]
    fn depth_is_that_of_the_picture_at_full_resolution() {
        // The first directory holds a preview, the one at 8 + 2 + 4 * 12 + 4 the sensor data.
        let both = |first, second| {
            let directory = |entries: &[(u16, u32)]| {
                tiff(entries).get(8..2 + 8 + 12 * entries.len() + 4).unwrap().to_vec()
            };
            let chain = [
                (tag::SUBFILE_TYPE, first),
                (tag::BITS, 8),
                (tag::COLOR_SPACE, 1),
                (tag::SUB_DIRECTORIES, 62),
            ];
            let below = directory(&[(tag::SUBFILE_TYPE, second), (tag::BITS, 14)]);
            [&b"II*\0\x08\0\0\0"[..], &directory(&chain), &below].concat()
        };
        for (first, second, bits) in [(1, 0, 14), (0, 1, 8), (1, 1, 8)] {
            let bytes = both(first, second);
            let tiff = Tiff::new(&bytes).unwrap();
            assert_eq!(
                (tiff.bits_per_sample(), tiff.color_space()),
                (Some(bits), Some(1)),
                "{first} {second}"
            );
        }
        let bytes = tiff(&[(tag::WIDTH, 1)]);
        assert_eq!(Tiff::new(&bytes).unwrap().bits_per_sample(), None);
        assert_eq!(Tiff::new(&bytes).unwrap().color_space(), None);
    }

    #[test]
    fn jpeg_strips_must_begin_and_end_as_jpeg() {
        let strips = |offset, bytes| {
            tiff(&[
                (tag::PHOTOMETRIC, 32_803),
                (tag::COMPRESSION, 7),
                (tag::STRIP_OFFSETS, offset),
                (tag::STRIP_BYTES, bytes),
            ])
        };
        assert_eq!(check(&strips(100, 20)), Ok(()));
        assert!(matches!(check(&strips(100, 16)), Err(DecodeError::Malformed { .. })));
        assert!(matches!(check(&strips(102, 18)), Err(DecodeError::Malformed { .. })));
    }

    #[test]
    fn loops_and_hostile_counts_end() {
        let mut looping = tiff(&[(tag::SUB_DIRECTORIES, 8)]);
        assert_eq!(check(&looping), Ok(()));
        looping.truncate(9);
        assert!(matches!(check(&looping), Err(DecodeError::Truncated { .. })));
        for len in 0..looping.len() {
            let _ = Tiff::new(looping.get(..len).unwrap()).map(|tiff| tiff.check());
            let _ = (check_crw(&looping), check_x3f(&looping), check_mrw(&looping), check_raf(&looping));
        }
    }
}
