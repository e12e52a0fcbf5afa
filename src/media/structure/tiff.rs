//! The directories of TIFF and BigTIFF files (TIFF 6.0, and the BigTIFF design): where the pictures' data stands.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::model::{DecodeError, PixelSize};

/// More pages, entries and strips than files have.
const MAX_PAGES: usize = 10_000;
const MAX_ENTRIES: u64 = 10_000;
const MAX_STRIPS: u64 = 4_000_000;

/// One directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Where the directory stands.
    pub at: u64,
    /// Size of its picture; 0 where the directory has none.
    pub size: PixelSize,
    /// Compression scheme.
    pub compression: u32,
    /// The first ExtraSamples value: 1 is alpha multiplied into the colours, 2 is alpha.
    pub extra_sample: Option<u32>,
    /// Bits of the first sample.
    pub bits: u32,
    /// Samples per pixel.
    pub samples: u32,
    /// Every channel has strips of its own.
    pub planar: bool,
    /// Strips or tiles.
    pub extents: Vec<Range<u64>>,
    /// ICC profile.
    pub icc: Option<Range<usize>>,
    /// The colour table, as 16-bit values.
    pub palette: Vec<u16>,
}

/// The outline of a file.
#[derive(Debug, Default)]
pub struct Outline {
    /// Pages in order.
    pub pages: Vec<Page>,
    /// The first thing that is wrong.
    pub problem: Option<DecodeError>,
}

/// Whether the file begins as TIFF or BigTIFF do.
pub fn recognise(head: &[u8]) -> bool {
    matches!(head.get(..4), Some(b"II\x2a\0" | b"MM\0\x2a" | b"II\x2b\0" | b"MM\0\x2b"))
}

/// Walks the chain of directories and checks that everything they name lies inside the file.
pub fn walk(bytes: &[u8]) -> Outline {
    let mut outline = Outline::default();
    if let Err(error) = outline.fill(bytes) {
        outline.problem = Some(error);
    }
    outline
}

struct Reader<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    /// Offsets of 8 bytes.
    wide: bool,
}

/// One entry of a directory.
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where the values stand.
    at: u64,
}

impl Reader<'_> {
    /// An unsigned value of `width` bytes.
    fn number(&self, at: u64, width: usize) -> Option<u64> {
        let start = usize::try_from(at).ok()?;
        let raw = self.bytes.get(start..start.checked_add(width)?)?;
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.big_endian { raw.iter().fold(0, fold) } else { raw.iter().rev().fold(0, fold) })
    }

    fn need(&self, at: u64, width: usize, what: &str) -> Result<u64, DecodeError> {
        self.number(at, width).ok_or_else(|| self.ended(what, at, at.saturating_add(width as u64)))
    }

    fn ended(&self, what: &str, at: u64, expected: u64) -> DecodeError {
        DecodeError::Truncated {
            what: what.into(),
            offset: Some(at),
            expected: Some(expected),
            found: Some(self.bytes.len() as u64),
        }
    }

    const fn width(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// The integer values of an entry.
    fn values(&self, entry: &Entry, what: &str) -> Result<Vec<u64>, DecodeError> {
        let width = kind_width(entry.kind);
        if entry.count > MAX_STRIPS {
            return Err(DecodeError::limit(
                format!("{} values of {what}", entry.count),
                format!("{MAX_STRIPS}"),
            ));
        }
        (0..entry.count).map(|index| self.need(entry.at + index * width as u64, width, what)).collect()
    }

    fn first(&self, entry: &Entry) -> Option<u32> {
        u32::try_from(self.number(entry.at, kind_width(entry.kind))?).ok()
    }
}

/// Bytes of one value of a type (TIFF 6.0 section 2; 13, 16 to 18 are later ones).
const fn kind_width(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}

impl Outline {
    fn fill(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let big_endian = bytes.starts_with(b"MM");
        let wide = matches!(bytes.get(..4), Some(b"II\x2b\0" | b"MM\0\x2b"));
        let reader = Reader { bytes, big_endian, wide };
        let mut next = reader.need(if wide { 8 } else { 4 }, reader.width(), "the header")?;
        let mut seen = BTreeSet::new();
        while next != 0 {
            if !seen.insert(next) {
                return Err(DecodeError::malformed("a directory that follows itself", next));
            }
            if self.pages.len() >= MAX_PAGES {
                return Err(DecodeError::limit("pages of one TIFF", format!("{MAX_PAGES} pages")));
            }
            next = self.page(&reader, next)?;
        }
        if self.pages.iter().all(|page| page.size.pixels() == 0 || page.extents.is_empty()) {
            return Err(DecodeError::malformed("no picture in any directory", 4));
        }
        Ok(())
    }

    /// Reads one directory; gives the offset of the next.
    fn page(&mut self, reader: &Reader<'_>, at: u64) -> Result<u64, DecodeError> {
        let (count_width, entry_width) = if reader.wide { (8, 20) } else { (2, 12) };
        let count = reader.need(at, count_width, "a directory")?;
        if count == 0 || count > MAX_ENTRIES {
            return Err(DecodeError::malformed(format!("a directory of {count} entries"), at));
        }
        let first = at + count_width as u64;
        let mut page = Page { at, compression: 1, bits: 1, samples: 1, ..Page::default() };
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        for index in 0..count {
            let place = first + index * entry_width;
            let tag = u16::try_from(reader.need(place, 2, "a directory")?).unwrap_or(0);
            let kind = u16::try_from(reader.need(place + 2, 2, "a directory")?).unwrap_or(0);
            let count = reader.need(place + 4, reader.width(), "a directory")?;
            let value = place + 4 + reader.width() as u64;
            let fits = count.saturating_mul(kind_width(kind) as u64) <= reader.width() as u64;
            let at = if fits { value } else { reader.need(value, reader.width(), "a directory")? };
            let entry = Entry { tag, kind, count, at };
            match entry.tag {
                273 | 324 => offsets = reader.values(&entry, "strip offsets")?,
                279 | 325 => lengths = reader.values(&entry, "strip lengths")?,
                _ => page.take(reader, &entry),
            }
        }
        let end = reader.bytes.len() as u64;
        for (&offset, &length) in offsets.iter().zip(&lengths) {
            let stop = offset.saturating_add(length);
            // A length of 0 is a strip or tile that was left out.
            if length > 0 && stop > end {
                return Err(reader.ended("a strip or tile", offset, stop));
            }
            page.extents.push(offset..stop);
        }
        if !offsets.is_empty() && !lengths.is_empty() && offsets.len() != lengths.len() {
            let what = format!("{} strip offsets, {} lengths", offsets.len(), lengths.len());
            return Err(DecodeError::malformed(what, at));
        }
        if lengths.is_empty() {
            // Old writers leave the lengths out of uncompressed files.
            page.extents.extend(offsets.iter().map(|&offset| offset..end.max(offset)));
        }
        self.pages.push(page);
        reader.need(first + count * entry_width, reader.width(), "a directory")
    }
}

impl Page {
    fn take(&mut self, reader: &Reader<'_>, entry: &Entry) {
        let Some(first) = reader.first(entry) else { return };
        match entry.tag {
            256 => self.size.width = first,
            257 => self.size.height = first,
            258 => self.bits = first,
            259 => self.compression = first,
            277 => self.samples = first,
            320 if entry.count <= 3 << 16 => {
                let values = reader.values(entry, "the colour table").unwrap_or_default();
                self.palette = values.into_iter().filter_map(|value| u16::try_from(value).ok()).collect();
            }
            284 => self.planar = first == 2,
            338 => self.extra_sample = Some(first),
            34675 => {
                let range = usize::try_from(entry.at).ok().zip(usize::try_from(entry.count).ok());
                self.icc = range.and_then(|(at, count)| {
                    let range = at..at.checked_add(count)?;
                    reader.bytes.get(range.clone()).map(|_| range)
                });
            }
            _ => {}
        }
    }
}
