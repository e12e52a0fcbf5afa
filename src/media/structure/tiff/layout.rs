//! How a page is cut into strips or tiles, and how many bytes each must give.

use super::Page;
use super::due::Due;
use crate::model::{DecodeError, PixelSize};

/// One strip or tile of a page, in the order of the file's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Columns, and rows of a whole one.
    pub size: PixelSize,
    /// Where its first pixel stands in the picture.
    pub column: u32,
    /// Its first row in the picture.
    pub row: u32,
    /// Rows that are coded: those in the picture for a strip, all for a tile.
    pub rows: u32,
    /// Which channel it holds, where every channel has its own.
    pub plane: usize,
    /// Bytes of one row; of a block of rows where YCbCr is subsampled.
    pub row_bytes: usize,
    /// Bytes that it must give.
    pub due: Due,
}

/// The grid of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    chunk: PixelSize,
    across: u32,
    down: u32,
    planes: usize,
    tiled: bool,
}

impl Layout {
    /// The grid of a page that has a picture. Wrong where sizes contradict each other.
    pub fn of(page: &Page) -> Result<Self, DecodeError> {
        let PixelSize { width, height } = page.size;
        let (chunk, tiled) = match page.tile {
            Some(tile) if tile.pixels() == 0 => {
                return Err(DecodeError::malformed("tiles without pixels", page.at));
            }
            Some(tile) => (tile, true),
            // Zero rows per strip stand for all.
            None => {
                let rows = if page.rows_per_strip == 0 { height } else { page.rows_per_strip.min(height) };
                (PixelSize::new(width, rows), false)
            }
        };
        if chunk.pixels() == 0 {
            return Err(DecodeError::malformed("a picture without pixels", page.at));
        }
        let planes = if page.planar { page.samples.max(1) as usize } else { 1 };
        let (across, down) = (width.div_ceil(chunk.width), height.div_ceil(chunk.height));
        Ok(Self { chunk, across, down, planes, tiled })
    }

    /// Strips or tiles of the whole picture.
    pub fn count(&self) -> u64 {
        u64::from(self.across) * u64::from(self.down) * self.planes as u64
    }

    /// The strip or tile at a place of the list.
    pub fn chunk(&self, page: &Page, index: usize) -> Option<Chunk> {
        let per_plane = (self.across as usize).checked_mul(self.down as usize)?;
        let (plane, place) = (index.checked_div(per_plane)?, index.checked_rem(per_plane)?);
        if plane >= self.planes {
            return None;
        }
        let column = u32::try_from(place % self.across as usize).ok()?.checked_mul(self.chunk.width)?;
        let row = u32::try_from(place / self.across as usize).ok()?.checked_mul(self.chunk.height)?;
        let rows = if self.tiled {
            self.chunk.height
        } else {
            self.chunk.height.min(page.size.height.saturating_sub(row))
        };
        let shape = Shape::of(page, plane, self.chunk.width)?;
        let due = Due { least: shape.bytes(rows)?, most: shape.bytes(self.chunk.height)? };
        Some(Chunk { size: self.chunk, column, row, rows, plane, row_bytes: shape.unit, due })
    }
}

/// Rows as they are packed.
struct Shape {
    /// Bytes of one unit.
    unit: usize,
    /// Rows of one unit.
    rows: u32,
}

impl Shape {
    fn of(page: &Page, plane: usize, width: u32) -> Option<Self> {
        let bits = page.bits();
        if let Some([across, down]) = page.packed_subsampling() {
            // A block holds all luma samples, then one of each colour (TIFF 6.0 section 21).
            let block = (across as usize * down as usize).checked_add(2)?;
            return Some(Self { unit: (width.div_ceil(across) as usize).checked_mul(block)?, rows: down });
        }
        let per_pixel: u64 = if page.planar {
            u64::from(*bits.get(plane).or(bits.first())?)
        } else {
            bits.iter().map(|&bits| u64::from(bits)).sum()
        };
        let bytes = u64::from(width).checked_mul(per_pixel)?.div_ceil(8);
        Some(Self { unit: usize::try_from(bytes).ok()?, rows: 1 })
    }

    fn bytes(&self, rows: u32) -> Option<usize> {
        self.unit.checked_mul(rows.div_ceil(self.rows) as usize)
    }
}
