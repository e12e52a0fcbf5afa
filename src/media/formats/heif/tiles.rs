//! Pictures of HEVC tiles, decoded one by one and handed over row of tiles by row of tiles, so that they are nowhere as a whole.
//!
//! What FFmpeg does not decode without complaint, and whatever is not as phones write it, is left to libheif.

use crate::media::formats::films::{Films, Planes};
use crate::media::formats::preview_bytes;
use crate::media::structure::heif::{self, Index, Mosaic};
use crate::media::{ColorModel, Coming, Outlet, Pixels, Reduce, Rows, Samples, Source, Target, Whole};
use crate::model::PixelSize;

use super::colour::Matrix;

/// The samples of a mosaic, of the size that `reduce` makes of it if there is one. `None` where that is left to libheif.
///
/// `matrix` is what the container says of it (ITU-T H.273, 8.3), 2 if nothing.
pub fn decode(
    source: &Source<'_>,
    index: &Index,
    mosaic: &Mosaic,
    matrix: u16,
    films: &dyn Films,
    reduce: Option<&mut dyn Reduce>,
) -> Option<Pixels> {
    let Mosaic { size, orientation, .. } = *mosaic;
    let coming = Coming { size, full_size: size, model: ColorModel::Rgb, orientation };
    let reduce = reduce.and_then(|reduce| reduce.begin(&coming).then_some(reduce));
    let pitch = (size.width as usize).checked_mul(ColorModel::Rgb.channels())?;
    let put = |rows: &mut dyn Rows| {
        let mut strip = Strip::new(mosaic, matrix, Outlet::new(rows, pitch));
        let mut streams =
            mosaic.items.iter().map_while(|&id| heif::plain_stream(source, index, id).ok().flatten());
        films.stills(&mut streams, &mut |planes| strip.take(planes))?;
        strip.finish()
    };
    let (size, samples) = if let Some(reduce) = reduce {
        put(reduce)?;
        reduce.finish()?
    } else {
        let mut whole = Whole::new(pitch, size.height as usize)?;
        put(&mut whole)?;
        (size, whole.finish()?)
    };
    let pixels = Pixels::new(size, ColorModel::Rgb, Samples::U8(samples));
    Some(Pixels { full_size: coming.size, orientation, ..pixels })
}

/// Bytes that this takes: a tile in the decoder, a row of them, and what is wanted of the picture.
pub fn memory(mosaic: &Mosaic, target: Target) -> u64 {
    /// Of a pixel: frames of one and a half bytes (output, prediction, loop filter), and what is known of blocks.
    const DECODER: u64 = 10;
    /// That a reducer holds.
    const ROWS: u64 = 128;
    let &Mosaic { size, tile, columns, .. } = mosaic;
    let planes = tile.pixels().saturating_mul(columns as u64).saturating_mul(3) / 2;
    let wanted = match target {
        Target::None => 0,
        Target::AtLeast(side) => preview_bytes(size, side).saturating_add(u64::from(size.width) * 3 * ROWS),
        Target::Full => size.pixels().saturating_mul(3),
    };
    tile.pixels()
        .saturating_mul(DECODER)
        .saturating_add(planes)
        .saturating_add(wanted)
        .saturating_add(8 << 20)
}

/// A row of tiles.
struct Strip<'m, 'r> {
    mosaic: &'m Mosaic,
    /// What the container says.
    matrix: u16,
    outlet: Outlet<'r>,
    /// Y, Cb and Cr, as wide as all tiles.
    planes: [Vec<u8>; 3],
    colour: Option<Matrix>,
    /// Tiles that came.
    tiles: usize,
    /// Rows of the picture that were handed over.
    rows: usize,
}

impl<'m, 'r> Strip<'m, 'r> {
    fn new(mosaic: &'m Mosaic, matrix: u16, outlet: Outlet<'r>) -> Self {
        let planes = <[Vec<u8>; 3]>::default();
        Self { mosaic, matrix, outlet, planes, colour: None, tiles: 0, rows: 0 }
    }

    fn take(&mut self, planes: &Planes<'_>) -> Option<()> {
        let tile = self.mosaic.tile;
        if planes.size != tile {
            return None;
        }
        if self.tiles == 0 {
            self.begin(planes)?;
        }
        let column = self.tiles % self.mosaic.columns;
        for (number, ((from, pitch), to)) in planes.planes.into_iter().zip(&mut self.planes).enumerate() {
            let (width, height) = sides(tile, number);
            let lines = to.chunks_exact_mut(width.checked_mul(self.mosaic.columns)?);
            let lines = lines.zip(from.chunks(pitch.max(1)));
            if pitch < width || lines.len() != height {
                return None;
            }
            for (to, from) in lines {
                to.get_mut(column * width..)?.get_mut(..width)?.copy_from_slice(from.get(..width)?);
            }
        }
        self.tiles += 1;
        if column + 1 == self.mosaic.columns { self.hand_over() } else { Some(()) }
    }

    /// By the first tile.
    fn begin(&mut self, planes: &Planes<'_>) -> Option<()> {
        // The container speaks for the stream where that says nothing; where they differ libheif knows what to do.
        let told = [self.matrix, planes.matrix].into_iter().find(|&matrix| matrix != 2).unwrap_or(2);
        if planes.matrix != 2 && Matrix::numbered(told) != Matrix::numbered(planes.matrix) {
            return None;
        }
        self.colour = Some(Matrix::numbered(told)?);
        let Mosaic { tile, size, .. } = *self.mosaic;
        let (columns, rows) = (self.mosaic.columns, self.mosaic.items.len() / self.mosaic.columns.max(1));
        // Tiles reach to the edges, and none lies behind them; chroma samples belong to one of them.
        let fits = |tile: u32, count: usize, side: u32| {
            let (tile, side) = (tile as usize, side as usize);
            let reaches = tile.checked_mul(count).is_some_and(|all| all >= side);
            reaches && tile * (count - 1) < side && (count == 1 || tile.is_multiple_of(2))
        };
        if columns == 0
            || rows == 0
            || !fits(tile.width, columns, size.width)
            || !fits(tile.height, rows, size.height)
        {
            return None;
        }
        for number in 0..3 {
            let (width, height) = sides(tile, number);
            let samples = width.checked_mul(height)?.checked_mul(columns)?;
            *self.planes.get_mut(number)? = vec![0; samples];
        }
        Some(())
    }

    fn hand_over(&mut self) -> Option<()> {
        let Self { mosaic, planes, outlet, rows, .. } = self;
        let (colour, size, tile) = (self.colour?, mosaic.size, mosaic.tile);
        let height = (size.height as usize).checked_sub(*rows)?.min(tile.height as usize);
        let line = |number: usize, row: usize| {
            let pitch = sides(tile, number).0 * mosaic.columns;
            let width = sides(size, number).0;
            planes.get(number)?.get(row * pitch..)?.get(..width)
        };
        for row in 0..height {
            let (luma, chroma) = (line(0, row)?, [line(1, row / 2)?, line(2, row / 2)?]);
            colour.row(luma, chroma, outlet.row()?);
        }
        *rows += height;
        Some(())
    }

    fn finish(mut self) -> Option<()> {
        self.outlet.flush();
        (self.tiles == self.mosaic.items.len()).then_some(())
    }
}

/// Width and height of a plane.
const fn sides(of: PixelSize, number: usize) -> (usize, usize) {
    let (width, height) = (of.width as usize, of.height as usize);
    if number == 0 { (width, height) } else { (width.div_ceil(2), height.div_ceil(2)) }
}
