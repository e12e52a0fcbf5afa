//! The index of a HEIF file: items, their places, properties and references (ISO/IEC 14496-12 8.11, ISO/IEC 23008-12 6).

use crate::media::Source;
use crate::media::structure::bmff::{self, Bmff, be16, be32, be64};
use crate::model::DecodeError;

/// Index boxes larger than this belong to no real picture.
const MAX_INDEX: u64 = 64 << 20;

/// One item: what it is and where its bytes are.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// Its id.
    pub id: u32,
    /// What it is, such as `hvc1`; zeros where the index does not say.
    pub kind: bmff::Kind,
    /// Places in the file, in order. Empty where the bytes are elsewhere.
    pub extents: Vec<(u64, u64)>,
}

/// A reference from one item to others.
#[derive(Clone, Debug)]
pub struct Reference {
    /// What it means, such as `dimg`.
    pub kind: bmff::Kind,
    /// The item that refers.
    pub from: u32,
    /// The items it refers to, in order.
    pub to: Vec<u32>,
}

/// All that the index says.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// By id, ascending.
    pub items: Vec<Item>,
    /// The picture to be shown.
    pub primary: Option<u32>,
    /// In the order of the file.
    pub references: Vec<Reference>,
    /// Property boxes, in the order of the file.
    pub properties: Vec<Bmff>,
    /// By item, ascending: numbers of its properties, the first one 1.
    associations: Vec<(u32, Vec<u16>)>,
    /// Places in `references` by the item that refers, ascending.
    referring: Vec<(u32, usize)>,
}

impl Index {
    /// Reads the boxes inside `meta`.
    pub fn read(source: &Source<'_>, meta: &Bmff) -> Result<Self, DecodeError> {
        let mut index = Self::default();
        let mut types = Vec::new();
        let mut places = None;
        let mut data = None;
        for found in meta.children(source, 4) {
            let found = named(found?)?;
            match &found.kind {
                b"iloc" => places = Some(found),
                b"iinf" => types = read_iinf(source, &found)?,
                b"iref" => index.references = read_iref(source, &found)?,
                b"idat" => data = Some(found),
                b"pitm" => index.primary = read_pitm(source, &found)?,
                b"iprp" => index.read_properties(source, &found)?,
                _ => {}
            }
        }
        let places =
            places.map_or_else(|| Ok(Vec::new()), |places| read_iloc(source, &places, data.as_ref()))?;
        let mut items: std::collections::BTreeMap<u32, Item> =
            places.into_iter().map(|item| (item.id, item)).collect();
        for (id, kind) in types {
            let item = items.entry(id).or_insert_with(|| Item { id, ..Item::default() });
            item.kind = kind;
        }
        index.items = items.into_values().collect();
        index.associations.sort_by_key(|(id, _)| *id);
        index.referring = index.references.iter().enumerate().map(|(at, found)| (found.from, at)).collect();
        index.referring.sort_unstable();
        Ok(index)
    }

    /// The item with this id.
    pub fn item(&self, id: u32) -> Option<&Item> {
        let at = self.items.binary_search_by_key(&id, |item| item.id).ok()?;
        self.items.get(at)
    }

    /// The first property of this kind that belongs to an item.
    pub fn property(&self, item: u32, kind: bmff::Kind) -> Option<&Bmff> {
        let first = self.associations.partition_point(|(id, _)| *id < item);
        let own = self.associations.iter().skip(first).take_while(|(id, _)| *id == item);
        own.flat_map(|(_, numbers)| numbers)
            .filter_map(|&number| self.properties.get(usize::from(number).checked_sub(1)?))
            .find(|property| property.kind == kind)
    }

    /// What an item refers to with references of this kind.
    pub fn referred(&self, from: u32, kind: bmff::Kind) -> impl Iterator<Item = u32> {
        let first = self.referring.partition_point(|(referring, _)| *referring < from);
        let own = self.referring.iter().skip(first).take_while(move |(referring, _)| *referring == from);
        let own = own.filter_map(|(_, at)| self.references.get(*at));
        own.filter(move |found| found.kind == kind).flat_map(|found| found.to.iter().copied())
    }

    fn read_properties(&mut self, source: &Source<'_>, iprp: &Bmff) -> Result<(), DecodeError> {
        for found in iprp.children(source, 0) {
            let found = named(found?)?;
            match &found.kind {
                b"ipco" => {
                    let properties = found.children(source, 0).map(|found| named(found?));
                    self.properties = properties.collect::<Result<_, _>>()?;
                }
                b"ipma" => self.associations.extend(read_ipma(source, &found)?),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Zeros are what a disk gives back, or a copy that did not end: no box of the index has no name.
fn named(found: Bmff) -> Result<Bmff, DecodeError> {
    if found.kind == [0; 4] {
        return Err(DecodeError::malformed("zeros where a box of the index should be", found.start));
    }
    Ok(found)
}

/// Numbers one after the other, as the item location box holds them.
struct Numbers<'b> {
    bytes: &'b [u8],
    at: usize,
    start: u64,
}

impl Numbers<'_> {
    fn take(&mut self, size: u8) -> Result<u64, DecodeError> {
        let value = match size {
            0 => Some(0),
            1 => self.bytes.get(self.at).copied().map(u64::from),
            2 => be16(self.bytes, self.at).map(u64::from),
            4 => be32(self.bytes, self.at).map(u64::from),
            8 => be64(self.bytes, self.at),
            _ => {
                return Err(DecodeError::malformed(
                    format!("field of {size} bytes in the item index"),
                    self.start,
                ));
            }
        };
        self.at += usize::from(size);
        value.ok_or_else(|| DecodeError::malformed("item index ends inside an entry", self.start))
    }
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(super) fn read_index(source: &Source<'_>, found: &Bmff) -> Result<Vec<u8>, DecodeError> {
    if found.length() > MAX_INDEX {
        return Err(DecodeError::limit(
            format!("box '{}' of {} bytes", found.name(), found.length()),
            format!("{MAX_INDEX} bytes"),
        ));
    }
    found
        .read(source, MAX_INDEX)
        .ok_or_else(|| DecodeError::truncated(format!("box '{}'", found.name()), found.start))
}

/// ISO/IEC 14496-12 8.11.3. `data` is the item data box, in which items may lie too.
fn read_iloc(source: &Source<'_>, found: &Bmff, data: Option<&Bmff>) -> Result<Vec<Item>, DecodeError> {
    let bytes = read_index(source, found)?;
    let mut numbers = Numbers { bytes: &bytes, at: 0, start: found.start };
    let version = numbers.take(1)?;
    numbers.at = 4;
    let sizes = numbers.take(2)?;
    let nibble = |shift: u32| u8::try_from(sizes >> shift & 15).unwrap_or(0);
    let (offset_size, length_size, base_size) = (nibble(12), nibble(8), nibble(4));
    let index_size = if version == 1 || version == 2 { nibble(0) } else { 0 };
    let id_size = if version < 2 { 2 } else { 4 };
    let count = numbers.take(id_size)?;
    let mut items = Vec::new();
    for _ in 0..count {
        let id = small(numbers.take(id_size)?);
        let method = if version == 1 || version == 2 { numbers.take(2)? & 15 } else { 0 };
        let elsewhere = numbers.take(2)? != 0;
        let base = numbers.take(base_size)?;
        let mut extent_count = numbers.take(2)?;
        if offset_size + length_size == 0 {
            // Extents that take no bytes are all the same one.
            extent_count = extent_count.min(1);
        }
        let (first, end) = match (method, data) {
            (1, Some(data)) => (data.content, data.end),
            _ => (0, source.len()),
        };
        let is_here = !elsewhere && (method == 0 || (method == 1 && data.is_some()));
        let mut extents = Vec::new();
        for _ in 0..extent_count {
            numbers.take(index_size)?;
            let offset = numbers.take(offset_size)?;
            let len = numbers.take(length_size)?;
            let offset = base
                .checked_add(offset)
                .and_then(|offset| offset.checked_add(first))
                .ok_or_else(|| DecodeError::malformed("item offset overflows", found.start))?;
            // No length, or no length field: up to the end.
            let len = if len == 0 { end.saturating_sub(offset) } else { len };
            if is_here {
                extents.push((offset, len));
            }
        }
        items.push(Item { id, kind: *b"\0\0\0\0", extents });
    }
    Ok(items)
}

/// ISO/IEC 14496-12 8.11.6: item ids with their types.
fn read_iinf(source: &Source<'_>, found: &Bmff) -> Result<Vec<(u32, bmff::Kind)>, DecodeError> {
    let version = version(source, found)?;
    let mut types = Vec::new();
    for entry in found.children(source, if version == 0 { 6 } else { 8 }) {
        let entry = entry?;
        let head = Bmff { end: entry.end.min(entry.content + 16), ..entry };
        let bytes = read_index(source, &head)?;
        let read = match bytes.first() {
            Some(2) => be16(&bytes, 4).map(u32::from).zip(bytes.get(8..12)),
            Some(3) => be32(&bytes, 4).zip(bytes.get(10..14)),
            _ => None,
        };
        if let Some((id, kind)) = read
            && let Ok(kind) = kind.try_into()
        {
            types.push((id, kind));
        }
    }
    Ok(types)
}

fn version(source: &Source<'_>, found: &Bmff) -> Result<u8, DecodeError> {
    let head = Bmff { end: found.end.min(found.content + 4), ..*found };
    Ok(read_index(source, &head)?.first().copied().unwrap_or(0))
}

/// ISO/IEC 14496-12 8.11.4.
fn read_pitm(source: &Source<'_>, found: &Bmff) -> Result<Option<u32>, DecodeError> {
    let bytes = read_index(source, found)?;
    Ok(match bytes.first() {
        Some(0) => be16(&bytes, 4).map(u32::from),
        _ => be32(&bytes, 4),
    })
}

/// ISO/IEC 14496-12 8.11.12.
fn read_iref(source: &Source<'_>, found: &Bmff) -> Result<Vec<Reference>, DecodeError> {
    let size = if version(source, found)? == 0 { 2 } else { 4 };
    let mut references = Vec::new();
    for entry in found.children(source, 4) {
        let entry = entry?;
        let bytes = read_index(source, &entry)?;
        let mut numbers = Numbers { bytes: &bytes, at: 0, start: entry.start };
        let from = small(numbers.take(size)?);
        let count = numbers.take(2)?;
        let to = (0..count).map(|_| numbers.take(size).map(small)).collect::<Result<_, _>>()?;
        references.push(Reference { kind: entry.kind, from, to });
    }
    Ok(references)
}

/// ISO/IEC 23008-12 9.3.1.
fn read_ipma(source: &Source<'_>, found: &Bmff) -> Result<Vec<(u32, Vec<u16>)>, DecodeError> {
    let bytes = read_index(source, found)?;
    let mut numbers = Numbers { bytes: &bytes, at: 0, start: found.start };
    let head = numbers.take(4)?;
    let (id_size, size) = (if head >> 24 == 0 { 2 } else { 4 }, if head & 1 == 0 { 1 } else { 2 });
    let count = numbers.take(4)?;
    let mut associations = Vec::new();
    for _ in 0..count {
        let item = small(numbers.take(id_size)?);
        let many = numbers.take(1)?;
        let mask = if size == 1 { 0x7F } else { 0x7FFF };
        let properties = (0..many)
            .map(|_| numbers.take(size).map(|number| u16::try_from(number & mask).unwrap_or(0)))
            .collect::<Result<_, _>>()?;
        associations.push((item, properties));
    }
    Ok(associations)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::*;

    /// A box.
    fn of(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 8).unwrap();
        [length.to_be_bytes().as_slice(), &kind, content].concat()
    }

    #[test]
    fn an_index_that_ends_in_zeros_is_damaged() {
        let hdlr = of(*b"hdlr", &[0; 25]);
        let properties = of(*b"ipco", &of(*b"ispe", &[0; 12]));
        let whole = of(*b"meta", &[&[0; 4], hdlr.as_slice(), &of(*b"iprp", &properties)].concat());
        let file = tempfile::tempfile().unwrap();
        let read = |bytes: &[u8]| {
            let source = Source::new(&file, bytes.len() as u64, Some(bytes), "heic");
            let meta = bmff::top_level(&source).next().unwrap().unwrap();
            Index::read(&source, &meta)
        };
        assert_eq!(read(&whole).unwrap().properties.len(), 1);
        // From the box behind `hdlr` on, and from that of the property on.
        for from in [12 + hdlr.len(), whole.len() - 20] {
            let mut lost = whole.clone();
            lost[from..].fill(0);
            let error = read(&lost).err().unwrap();
            assert!(error.damage().is_some(), "{error:?}");
        }
    }
}
