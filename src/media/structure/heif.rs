//! The structure of HEIF and AVIF files (ISO/IEC 23008-12): does everything the index names lie inside the file?
//!
//! Costs a few small reads. Also walks the NAL units of HEVC items: inside a unit the byte triples
//! `00 00 00`, `00 00 01` and `00 00 02` cannot occur (H.265 7.4.2), so zeroed blocks show without decoding.

use crate::media::Source;
use crate::model::{DecodeError, PixelSize};

use super::bmff::{self, Bmff, be16, be32, be64};

/// Index boxes larger than this belong to no real picture.
const MAX_INDEX: u64 = 64 << 20;
/// Some encoders pad a unit with this many zero bytes at most (`cabac_zero_words` and alignment).
const MAX_PADDING: usize = 64;

/// What the index says.
#[derive(Debug, Default)]
pub struct Layout {
    /// The largest picture of any item, before rotation.
    pub largest: PixelSize,
    /// More than 8 bits per sample somewhere.
    pub deep: bool,
    /// HEVC with tools beyond the Main profiles (range extensions and later), which not every decoder has.
    pub beyond_main: bool,
    /// Item types that occur, such as `hvc1`, `av01`, `grid`.
    pub item_types: Vec<bmff::Kind>,
    /// There is an index of items at all (an image sequence may come without).
    pub has_items: bool,
    /// There is a track, as in image sequences.
    pub has_track: bool,
    /// The low-overhead index (`mini`), which is not walked.
    pub is_mini: bool,
    /// A picture is to be cropped.
    pub has_crop: bool,
    /// Bytes of the largest item inside the file.
    pub largest_item: u64,
    /// What lies behind the last box that could be read, harmless.
    pub trailing: Option<DecodeError>,
}

struct Item {
    id: u32,
    extents: Vec<(u64, u64)>,
    in_file: bool,
}

/// Reads the index and checks that all of it, and all it points to, is there.
pub fn walk(source: &Source<'_>) -> Result<Layout, DecodeError> {
    let mut layout = Layout::default();
    for found in bmff::top_level(source) {
        match found {
            Ok(found) => match &found.kind {
                b"meta" => walk_meta(source, &found, &mut layout)?,
                b"moov" => layout.has_track = true,
                b"mini" => layout.is_mini = true,
                _ => {}
            },
            // Once the index is there, what cannot be read behind it is a trailer, unless it is picture data.
            Err(error) if layout.has_items && !names_data(&error) => {
                layout.trailing = Some(error);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    if !layout.has_items && !layout.has_track && !layout.is_mini {
        return Err(DecodeError::malformed("no index of items ('meta') and no track ('moov')", None));
    }
    Ok(layout)
}

fn names_data(error: &DecodeError) -> bool {
    matches!(error, DecodeError::Truncated { what, .. } if what.contains("'mdat'"))
        || matches!(error, DecodeError::Io { .. })
}

fn walk_meta(source: &Source<'_>, meta: &Bmff, layout: &mut Layout) -> Result<(), DecodeError> {
    let mut items = Vec::new();
    let mut types = Vec::new();
    let mut nal_length = 4usize;
    for found in meta.children(source, 4) {
        let found = found?;
        match &found.kind {
            b"iloc" => items = read_iloc(source, &found)?,
            b"iinf" => types = read_iinf(source, &found)?,
            b"iprp" => read_properties(source, &found, layout, &mut nal_length)?,
            _ => {}
        }
    }
    layout.has_items |= !types.is_empty() || !items.is_empty();
    for item in &items {
        check_extents(source, item)?;
        let bytes = item.extents.iter().fold(0u64, |sum, (_, len)| sum.saturating_add(*len));
        layout.largest_item = layout.largest_item.max(bytes);
    }
    for (id, kind) in &types {
        if matches!(kind, b"hvc1" | b"hev1") {
            let item = items.iter().find(|item| item.id == *id && item.in_file);
            if let Some(item) = item {
                walk_nals(source, item, nal_length)?;
            }
        }
    }
    layout.item_types.extend(types.into_iter().map(|(_, kind)| kind));
    layout.item_types.sort_unstable();
    layout.item_types.dedup();
    Ok(())
}

fn check_extents(source: &Source<'_>, item: &Item) -> Result<(), DecodeError> {
    if !item.in_file {
        return Ok(());
    }
    for &(offset, len) in &item.extents {
        let end =
            offset.checked_add(len).ok_or_else(|| DecodeError::malformed("item extent overflows", offset))?;
        if end > source.len() {
            return Err(DecodeError::Truncated {
                what: format!("item {} lies at {offset} with {len} bytes", item.id),
                offset: Some(offset),
                expected: Some(end),
                found: Some(source.len()),
            });
        }
    }
    Ok(())
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

fn read_index(source: &Source<'_>, found: &Bmff) -> Result<Vec<u8>, DecodeError> {
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

/// ISO/IEC 14496-12 8.11.3.
fn read_iloc(source: &Source<'_>, found: &Bmff) -> Result<Vec<Item>, DecodeError> {
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
        let extent_count = numbers.take(2)?;
        let mut extents = Vec::new();
        for _ in 0..extent_count {
            numbers.take(index_size)?;
            let offset = numbers.take(offset_size)?;
            let len = numbers.take(length_size)?;
            let offset = base
                .checked_add(offset)
                .ok_or_else(|| DecodeError::malformed("item offset overflows", found.start))?;
            // No length, or no length field: up to the end.
            let len = if len == 0 { source.len().saturating_sub(offset) } else { len };
            extents.push((offset, len));
        }
        items.push(Item { id, extents, in_file: method == 0 && !elsewhere });
    }
    Ok(items)
}

/// ISO/IEC 14496-12 8.11.6: item ids with their types.
fn read_iinf(source: &Source<'_>, found: &Bmff) -> Result<Vec<(u32, bmff::Kind)>, DecodeError> {
    let head = Bmff { end: found.end.min(found.content + 4), ..*found };
    let version = read_index(source, &head)?.first().copied().unwrap_or(0);
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

fn read_properties(
    source: &Source<'_>,
    iprp: &Bmff,
    layout: &mut Layout,
    nal_length: &mut usize,
) -> Result<(), DecodeError> {
    let Some(container) = iprp.child(source, 0, *b"ipco") else { return Ok(()) };
    for property in container.children(source, 0) {
        let property = property?;
        let head = Bmff { end: property.end.min(property.content + 64), ..property };
        match &property.kind {
            b"ispe" => {
                let bytes = read_index(source, &head)?;
                if let (Some(width), Some(height)) = (be32(&bytes, 4), be32(&bytes, 8)) {
                    let size = PixelSize::new(width, height);
                    if size.pixels() > layout.largest.pixels() {
                        layout.largest = size;
                    }
                }
            }
            b"pixi" => {
                let bytes = read_index(source, &head)?;
                layout.deep |= bytes.get(5..).is_some_and(|depths| depths.iter().any(|&depth| depth > 8));
            }
            b"av1C" => {
                layout.deep |= read_index(source, &head)?.get(2).is_some_and(|flags| flags & 0x40 != 0);
            }
            b"hvcC" => {
                let bytes = read_index(source, &head)?;
                layout.deep |= bytes.get(17).is_some_and(|depth| depth & 7 != 0);
                layout.beyond_main |= bytes.get(1).is_some_and(|profile| profile & 31 > 3);
                *nal_length = bytes.get(21).map_or(4, |&flags| usize::from(flags & 3) + 1);
            }
            b"clap" => layout.has_crop = true,
            _ => {}
        }
    }
    Ok(())
}

/// The length-prefixed units of one HEVC item must fill it exactly.
fn walk_nals(source: &Source<'_>, item: &Item, nal_length: usize) -> Result<(), DecodeError> {
    let &[(offset, len)] = item.extents.as_slice() else { return Ok(()) };
    let end = offset.saturating_add(len);
    let mut at = offset;
    let mut unit = Vec::new();
    while at < end {
        let mut prefix = [0u8; 4];
        let got = source
            .read_at(at, prefix.get_mut(4 - nal_length.clamp(1, 4)..).unwrap_or_default())
            .map_err(|error| DecodeError::io(&error, Some(at)))?;
        let size = u64::from(u32::from_be_bytes(prefix));
        let next = at + nal_length as u64 + size;
        if got < nal_length || next > end || size == 0 {
            let what =
                format!("item {}: unit of {size} bytes does not fit into the item's end at {end}", item.id);
            return Err(DecodeError::malformed(what, at));
        }
        unit.resize(usize::try_from(size).unwrap_or(0), 0);
        let start = at + nal_length as u64;
        source.read_at(start, &mut unit).map_err(|error| DecodeError::io(&error, Some(start)))?;
        if let Some(place) = impossible_bytes(&unit) {
            let what = format!("item {}: bytes that cannot occur inside an HEVC unit", item.id);
            return Err(DecodeError::malformed(what, start + place as u64));
        }
        at = next;
    }
    Ok(())
}

/// Where a byte triple stands that emulation prevention makes impossible, padding at the end excepted.
pub fn impossible_bytes(unit: &[u8]) -> Option<usize> {
    let zeros = unit.iter().rev().take_while(|&&byte| byte == 0).count();
    let kept = if zeros <= MAX_PADDING { unit.len() - zeros } else { unit.len() };
    let unit = unit.get(..kept)?;
    memchr::memmem::find_iter(unit, b"\0\0")
        .find(|&place| unit.get(place + 2).is_some_and(|&third| third < 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_inside_a_unit_are_impossible_padding_is_not() {
        assert_eq!(impossible_bytes(b"\x26\x01\xaf\0\0\0\0\x55"), Some(3));
        assert_eq!(impossible_bytes(b"\x26\x01\xaf\0\0\x03\0\0\x03\x01\x80"), None);
        assert_eq!(impossible_bytes(b"\x26\x01\xaf\x80\0\0\0\0\0\0"), None);
        let mut zeroed = b"\x26\x01\xaf".to_vec();
        zeroed.resize(512, 0);
        assert_eq!(impossible_bytes(&zeroed), Some(3));
    }
}
