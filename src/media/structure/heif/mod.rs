//! The structure of HEIF and AVIF files (ISO/IEC 23008-12): does everything the index names lie inside the file?
//!
//! Costs a few small reads. What the items hold is looked at by [`pictures`].

mod index;
mod mosaic;
mod pictures;

use crate::media::Source;
use crate::model::{DecodeError, PixelSize};

use super::bmff::{self, Bmff, be32};
use index::read_index;

pub use index::{Index, Item};
pub use mosaic::Mosaic;
pub use pictures::{Pictures, pictures, plain_stream};

/// What the index says.
#[derive(Debug, Default)]
pub struct Layout {
    /// Items, their properties and references.
    pub index: Index,
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
    let index = Index::read(source, meta)?;
    layout.has_items |= !index.items.is_empty();
    for item in &index.items {
        check_extents(source, item)?;
        let bytes = item.extents.iter().fold(0u64, |sum, (_, len)| sum.saturating_add(*len));
        layout.largest_item = layout.largest_item.max(bytes);
    }
    for property in &index.properties {
        read_property(source, property, layout)?;
    }
    layout.item_types = index.items.iter().map(|item| item.kind).collect();
    layout.item_types.sort_unstable();
    layout.item_types.dedup();
    layout.index = index;
    Ok(())
}

fn check_extents(source: &Source<'_>, item: &Item) -> Result<(), DecodeError> {
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

fn read_property(source: &Source<'_>, property: &Bmff, layout: &mut Layout) -> Result<(), DecodeError> {
    let head = Bmff { end: property.end.min(property.content + 64), ..*property };
    match &property.kind {
        b"ispe" => {
            if let Some(size) = spatial_extents(source, property)?
                && size.pixels() > layout.largest.pixels()
            {
                layout.largest = size;
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
        }
        b"clap" => layout.has_crop = true,
        _ => {}
    }
    Ok(())
}

/// What an `ispe` property says.
fn spatial_extents(source: &Source<'_>, property: &Bmff) -> Result<Option<PixelSize>, DecodeError> {
    let head = Bmff { end: property.end.min(property.content + 12), ..*property };
    let bytes = read_index(source, &head)?;
    Ok(be32(&bytes, 4).zip(be32(&bytes, 8)).map(|(width, height)| PixelSize::new(width, height)))
}
