//! A picture that is HEVC items side by side, or one alone: what phones write.

use crate::media::Source;
use crate::media::structure::bmff::Bmff;
use crate::model::{DecodeError, Orientation, PixelSize};

use super::index::{Index, read_index};
use super::pictures::Grid;
use super::spatial_extents;

/// Where the items of the primary picture belong: each of 8 bits, with chroma of half as many samples both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mosaic {
    /// Of the picture, before it is turned.
    pub size: PixelSize,
    /// Of each item; those at the edges may go beyond the picture.
    pub tile: PixelSize,
    /// Items side by side.
    pub columns: usize,
    /// The items, row by row.
    pub items: Vec<u32>,
    /// How the picture is turned.
    pub orientation: Orientation,
}

impl Mosaic {
    /// The primary picture; `None` where it is anything else, or is mirrored or cropped.
    pub fn of(source: &Source<'_>, index: &Index) -> Result<Option<Self>, DecodeError> {
        let Some(primary) = index.primary.and_then(|id| index.item(id)) else { return Ok(None) };
        let extents = |id: u32| -> Result<Option<PixelSize>, DecodeError> {
            let property = index.property(id, *b"ispe");
            property.map_or(Ok(None), |property| spatial_extents(source, property))
        };
        let (size, columns, items) = match &primary.kind {
            b"hvc1" | b"hev1" => {
                let Some(size) = extents(primary.id)? else { return Ok(None) };
                (size, 1, vec![primary.id])
            }
            b"grid" => {
                let Some(grid) = Grid::read(source, index, primary)? else { return Ok(None) };
                let items: Vec<u32> = index.referred(primary.id, *b"dimg").collect();
                let is_tile = |id: &u32| {
                    let kind = index.item(*id).map(|item| item.kind);
                    matches!(kind.as_ref(), Some(b"hvc1" | b"hev1")) && !is_changed(index, *id)
                };
                if items.len() != grid.columns * grid.rows || !items.iter().all(is_tile) {
                    return Ok(None);
                }
                (grid.size, grid.columns, items)
            }
            _ => return Ok(None),
        };
        let mut records: Vec<_> = items.iter().map(|&id| index.property(id, *b"hvcC")).collect();
        records.dedup();
        for record in records {
            if !record.map_or(Ok(false), |record| is_ordinary(source, record))? {
                return Ok(None);
            }
        }
        let Some(tile) = items.first().map_or(Ok(None), |&id| extents(id))? else { return Ok(None) };
        let orientation = turned(source, index, primary.id)?;
        Ok(orientation.map(|orientation| Self { size, tile, columns, items, orientation }))
    }

    /// Its size as shown.
    pub const fn shown(&self) -> PixelSize {
        if self.orientation.transposes() { self.size.transposed() } else { self.size }
    }
}

/// Whether an item is shown otherwise than it is stored.
fn is_changed(index: &Index, item: u32) -> bool {
    [*b"irot", *b"imir", *b"clap"].iter().any(|&kind| index.property(item, kind).is_some())
}

/// A decoder configuration (ISO/IEC 14496-15 8.3.3) of a Main profile or with range extensions, for 8 bits and 4:2:0.
fn is_ordinary(source: &Source<'_>, record: &Bmff) -> Result<bool, DecodeError> {
    let record = read_index(source, record)?;
    let bits = |at: usize, mask: u8| record.get(at).map(|&byte| byte & mask);
    let known = bits(1, 31).is_some_and(|profile| profile <= 4);
    Ok(known && bits(16, 3) == Some(1) && bits(17, 7) == Some(0) && bits(18, 7) == Some(0))
}

/// Quarter turns (ISO/IEC 23008-12 6.5.10); `None` where the item is changed in another way too.
fn turned(source: &Source<'_>, index: &Index, item: u32) -> Result<Option<Orientation>, DecodeError> {
    if [*b"imir", *b"clap"].iter().any(|&kind| index.property(item, kind).is_some()) {
        return Ok(None);
    }
    let Some(property) = index.property(item, *b"irot") else { return Ok(Some(Orientation::UPRIGHT)) };
    // Against the clock.
    let exif = read_index(source, property)?.first().map(|&angle| match angle & 3 {
        0 => 1,
        1 => 8,
        2 => 3,
        _ => 6,
    });
    Ok(exif.and_then(Orientation::from_exif))
}
