//! TIFF and BigTIFF files (TIFF 6.0, and the BigTIFF design): their directories, and the data of every strip and tile.

mod data;
mod due;
mod ends;
mod fax;
mod fields;
mod floats;
mod layout;
mod lzw;
#[cfg(test)]
mod tests;
mod unpack;

use std::collections::BTreeSet;
use std::ops::Range;

use crate::model::{DecodeError, PixelSize};

pub use data::{Answer, Wrong, walk_page};
pub use fields::{foreign_block, packing};
pub use layout::{Chunk, Layout};

/// More pages, entries and strips than files have.
const MAX_PAGES: usize = 10_000;
const MAX_ENTRIES: u64 = 10_000;
const MAX_STRIPS: u64 = 4_000_000;
const MAX_SUBS: u64 = 256;

/// One directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Where the directory stands.
    pub at: u64,
    /// A sub-directory (tag 330): a smaller or other picture of the page that names it.
    pub sub: bool,
    /// Size of its picture; 0 where the directory has none.
    pub size: PixelSize,
    /// Size of its tiles, where it has tiles.
    pub tile: Option<PixelSize>,
    /// Rows of a strip; 0 where it is not told.
    pub rows_per_strip: u32,
    /// Compression scheme.
    pub compression: u32,
    /// What the samples mean.
    pub photometric: u32,
    /// The first ExtraSamples value: 1 is alpha multiplied into the colours, 2 is alpha.
    pub extra_sample: Option<u32>,
    /// Bits of every sample; empty stands for one of one bit.
    bits: Vec<u32>,
    /// Samples per pixel.
    pub samples: u32,
    /// 1 unsigned, 2 signed, 3 floating point.
    pub sample_format: u32,
    /// 2: differences of neighbours, 3: the same for floating point.
    pub predictor: u32,
    /// Every channel has strips of its own.
    pub planar: bool,
    /// 2: the lowest bit of each byte comes first.
    pub fill_order: u32,
    /// T4Options or T6Options.
    pub fax_options: u32,
    /// The fax machine notes that rows were lost.
    pub bad_fax_lines: bool,
    /// YCbCrSubSampling, across and down.
    pub subsampling: Option<[u32; 2]>,
    /// YCbCrCoefficients, the shares of red, green and blue in luma: numerators and denominators.
    pub luma_shares: Option<[[u32; 2]; 3]>,
    /// Strips or tiles.
    pub extents: Vec<Range<u64>>,
    /// The file leaves the lengths out: `extents` are as long as can be.
    pub open_ended: bool,
    /// Tables that all JPEG strips share.
    pub jpeg_tables: Option<Range<usize>>,
    /// ICC profile.
    pub icc: Option<Range<usize>>,
    /// XMP packet.
    pub xmp: Option<Range<usize>>,
    /// Photoshop's resources.
    pub resources: Option<Range<usize>>,
    /// The colour table, as 16-bit values.
    pub palette: Vec<u16>,
}

/// The outline of a file.
#[derive(Debug, Default)]
pub struct Outline {
    /// Pages in order, each followed by its sub-directories.
    pub pages: Vec<Page>,
    /// The byte order is big-endian.
    pub big_endian: bool,
    /// The first thing that is wrong.
    pub problem: Option<DecodeError>,
    /// The page and the first row that it spoils, where that can be told.
    pub spoilt: Option<(usize, u32)>,
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

    /// The entry at a place of a directory.
    fn entry(&self, place: u64) -> Result<Entry, DecodeError> {
        let short = |at| self.need(at, 2, "a directory").map(|value| u16::try_from(value).unwrap_or(0));
        let (tag, kind) = (short(place)?, short(place.saturating_add(2))?);
        let count = self.need(place.saturating_add(4), self.width(), "a directory")?;
        let value = place.saturating_add(4 + self.width() as u64);
        let fits = count.saturating_mul(kind_width(kind) as u64) <= self.width() as u64;
        let at = if fits { value } else { self.need(value, self.width(), "a directory")? };
        Ok(Entry { tag, kind, count, at })
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
        let place = |index: u64| entry.at.saturating_add(index * width as u64);
        (0..entry.count).map(|index| self.need(place(index), width, what)).collect()
    }

    /// The values of an entry of a known type must lie inside the file, whoever's tag it is.
    fn holds(&self, entry: &Entry) -> Result<(), DecodeError> {
        let known = matches!(entry.kind, 1..=13 | 16..=18);
        let end = entry.at.saturating_add(entry.count.saturating_mul(kind_width(entry.kind) as u64));
        if known && end > self.bytes.len() as u64 {
            return Err(self.ended(&format!("the value of tag {}", entry.tag), entry.at, end));
        }
        Ok(())
    }

    /// Where the bytes of an entry stand.
    fn range(&self, entry: &Entry) -> Option<Range<usize>> {
        let at = usize::try_from(entry.at).ok()?;
        let range = at..at.checked_add(usize::try_from(entry.count).ok()?)?;
        self.bytes.get(range.clone()).map(|_| range)
    }

    /// The first three fractions of an entry.
    fn fractions(&self, entry: &Entry) -> Option<[[u32; 2]; 3]> {
        let part = |index: u64| u32::try_from(self.number(entry.at.saturating_add(4 * index), 4)?).ok();
        let all = [[part(0)?, part(1)?], [part(2)?, part(3)?], [part(4)?, part(5)?]];
        (entry.kind == 5 && entry.count >= 3).then_some(all)
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
        self.big_endian = big_endian;
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
            next = self.page(&reader, next, false, &mut seen)?;
        }
        self.inside(bytes.len() as u64)?;
        if self.pages.iter().all(|page| page.size.pixels() == 0 || page.extents.is_empty()) {
            return Err(DecodeError::malformed("no picture in any directory", 4));
        }
        Ok(())
    }

    /// Reads one directory and its sub-directories; gives the offset of the next.
    fn page(
        &mut self,
        reader: &Reader<'_>,
        at: u64,
        sub: bool,
        seen: &mut BTreeSet<u64>,
    ) -> Result<u64, DecodeError> {
        let (count_width, entry_width) = if reader.wide { (8, 20) } else { (2, 12) };
        let count = reader.need(at, count_width, "a directory")?;
        if count == 0 || count > MAX_ENTRIES {
            return Err(DecodeError::malformed(format!("a directory of {count} entries"), at));
        }
        let first = at.saturating_add(count_width as u64);
        let mut page = Page { at, sub, compression: 1, samples: 1, sample_format: 1, ..Page::default() };
        let (mut offsets, mut lengths, mut subs) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..count {
            let entry = reader.entry(first.saturating_add(index * entry_width))?;
            reader.holds(&entry)?;
            match entry.tag {
                273 | 324 => offsets = reader.values(&entry, "strip offsets")?,
                279 | 325 => lengths = reader.values(&entry, "strip lengths")?,
                // Broken ones are found when they are read.
                330 if !sub && entry.count <= MAX_SUBS => subs = reader.values(&entry, "sub-directories")?,
                _ => page.take(reader, &entry),
            }
        }
        page.name_extents(offsets, lengths, reader.bytes.len() as u64)?;
        page.complete_bits();
        self.pages.push(page);
        for at in subs.into_iter().filter(|&at| at > 0) {
            if seen.insert(at) {
                self.page(reader, at, true, seen)?;
            }
        }
        reader.need(first.saturating_add(count * entry_width), reader.width(), "a directory")
    }

    /// Every strip and tile must lie inside the file.
    fn inside(&mut self, end: u64) -> Result<(), DecodeError> {
        for (place, page) in self.pages.iter().enumerate() {
            // A length of 0 is a strip or tile that was left out.
            let beyond = |extent: &Range<u64>| extent.end > extent.start && extent.end > end;
            let Some(index) = page.extents.iter().position(beyond).filter(|_| !page.open_ended) else {
                continue;
            };
            let row =
                Layout::of(page).ok().and_then(|layout| layout.chunk(page, index)).map(|chunk| chunk.row);
            self.spoilt = row.map(|row| (place, row));
            let extent = page.extents.get(index).cloned().unwrap_or_default();
            return Err(DecodeError::Truncated {
                what: "a strip or tile".into(),
                offset: Some(extent.start),
                expected: Some(extent.end),
                found: Some(end),
            });
        }
        Ok(())
    }
}

impl Page {
    /// Bits of every sample.
    pub fn bits(&self) -> &[u32] {
        if self.bits.is_empty() { &[1] } else { &self.bits }
    }

    /// Bits of the first sample.
    pub fn first_bits(&self) -> u32 {
        self.bits().first().copied().unwrap_or(1)
    }

    /// Across and down, where YCbCr samples are packed in blocks. JPEG has its own way.
    pub fn packed_subsampling(&self) -> Option<[u32; 2]> {
        let packed =
            self.photometric == 6 && !self.planar && self.samples == 3 && !matches!(self.compression, 6 | 7);
        let [across, down] = self.subsampling.unwrap_or([2, 2]);
        (packed
            && self.bits() == [8; 3]
            && matches!((across, down), (1 | 2 | 4, 1 | 2 | 4))
            && (across, down) != (1, 1))
            .then_some([across, down])
    }

    /// Whether there is a picture.
    pub fn has_picture(&self) -> bool {
        self.size.pixels() > 0 && !self.extents.is_empty()
    }

    fn name_extents(&mut self, offsets: Vec<u64>, lengths: Vec<u64>, end: u64) -> Result<(), DecodeError> {
        if lengths.is_empty() {
            // Old writers leave the lengths out of uncompressed files.
            self.open_ended = true;
            self.extents.extend(offsets.into_iter().map(|offset| offset..end.max(offset)));
            return Ok(());
        }
        if !offsets.is_empty() && offsets.len() != lengths.len() {
            let what = format!("{} strip offsets, {} lengths", offsets.len(), lengths.len());
            return Err(DecodeError::malformed(what, self.at));
        }
        let pairs = offsets.into_iter().zip(lengths);
        self.extents.extend(pairs.map(|(offset, length)| offset..offset.saturating_add(length)));
        Ok(())
    }

    /// Writers name the bits of the first sample alone, or of too many.
    fn complete_bits(&mut self) {
        let first = self.first_bits();
        self.bits.resize(self.samples.max(1) as usize, first);
    }

    fn take(&mut self, reader: &Reader<'_>, entry: &Entry) {
        if entry.tag == 529 {
            self.luma_shares = reader.fractions(entry);
            return;
        }
        let Some(first) = reader.first(entry) else { return };
        let small = |most: u64| -> Vec<u32> {
            let values = if entry.count <= most { reader.values(entry, "a tag").ok() } else { None };
            values.unwrap_or_default().into_iter().filter_map(|value| u32::try_from(value).ok()).collect()
        };
        match entry.tag {
            256 => self.size.width = first,
            257 => self.size.height = first,
            258 => self.bits = small(1 << 16),
            259 => self.compression = first,
            262 => self.photometric = first,
            266 => self.fill_order = first,
            277 => self.samples = first.min(1 << 16),
            278 => self.rows_per_strip = first,
            284 => self.planar = first == 2,
            292 | 293 => self.fax_options = first,
            317 => self.predictor = first,
            320 => {
                let values = small(3 << 16).into_iter();
                self.palette = values.filter_map(|value| u16::try_from(value).ok()).collect();
            }
            322 => self.tile.get_or_insert_default().width = first,
            323 => self.tile.get_or_insert_default().height = first,
            326 => self.bad_fax_lines |= first > 0,
            338 => self.extra_sample = Some(first),
            339 => self.sample_format = first,
            347 => self.jpeg_tables = reader.range(entry),
            530 => {
                if let [across, down] = small(2)[..] {
                    self.subsampling = Some([across, down]);
                }
            }
            34377 => self.resources = reader.range(entry),
            34675 => self.icc = reader.range(entry),
            700 => self.xmp = reader.range(entry),
            _ => {}
        }
    }
}
