//! Which packets a tile has, in which order, and what code-blocks are in them (ISO/IEC 15444-1 annex B).

use std::ops::Range;

use super::coding::{Codestream, Order, Style, TileData};
use super::passes::Kind;

/// A rectangle, from its first column and row up to before its last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Area {
    x: Range<u32>,
    y: Range<u32>,
}

impl Area {
    const fn is_empty(&self) -> bool {
        self.x.start >= self.x.end || self.y.start >= self.y.end
    }

    fn map(&self, x: impl Fn(u32) -> u32, y: impl Fn(u32) -> u32) -> Self {
        Self { x: x(self.x.start)..x(self.x.end), y: y(self.y.start)..y(self.y.end) }
    }

    fn meet(&self, other: &Self) -> Self {
        let both = |a: &Range<u32>, b: &Range<u32>| a.start.max(b.start)..a.end.min(b.end);
        Self { x: both(&self.x, &other.x), y: both(&self.y, &other.y) }
    }
}

/// `value / 2^exponent`, rounded up.
fn halved(value: u32, exponent: u8) -> u32 {
    let rounded = (u64::from(value) + (1u64 << exponent.min(32)) - 1) >> exponent.min(32);
    u32::try_from(rounded).unwrap_or(u32::MAX)
}

/// One sub-band within a precinct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Columns and rows of code-blocks.
    pub blocks: (u32, u32),
    /// Which neighbours count.
    pub kind: Kind,
    area: Area,
    /// Exponents of the size of code-blocks.
    size: (u8, u8),
}

impl Band {
    /// Width and height of the code-block with this number, counted row by row.
    pub fn block(&self, number: usize) -> (usize, usize) {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let (column, row) = (number % self.blocks.0.max(1), number / self.blocks.0.max(1));
        let side = |range: &Range<u32>, size: u8, number: u32| {
            let start = u64::from((range.start >> size) + number) << size;
            let end = start + (1 << size);
            end.min(range.end.into()).saturating_sub(start.max(range.start.into()))
        };
        let (width, height) = (side(&self.area.x, self.size.0, column), side(&self.area.y, self.size.1, row));
        (usize::try_from(width).unwrap_or(0), usize::try_from(height).unwrap_or(0))
    }
}

/// The place of a precinct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precinct {
    /// Its component.
    pub component: u16,
    /// Its resolution, 0 for the smallest.
    pub resolution: u8,
    /// Its number within the resolution.
    number: u32,
    /// Where it begins on the reference grid.
    corner: (u64, u64),
    /// How its code-blocks are coded.
    pub modes: u8,
    /// One sub-band at the lowest resolution, three elsewhere.
    pub bands: Vec<Band>,
}

impl Precinct {
    /// By what a progression sorts it, layers left aside.
    fn key(&self, progression: u8) -> [u64; 5] {
        let (resolution, component) = (u64::from(self.resolution), u64::from(self.component));
        let (x, y) = self.corner;
        let number = u64::from(self.number);
        match progression {
            0 | 1 => [resolution, component, number, 0, 0],
            2 => [resolution, y, x, component, number],
            3 => [y, x, component, resolution, number],
            _ => [component, y, x, resolution, number],
        }
    }
}

/// The precincts of a tile in the order of their packets, layers left aside; `None` when there are more than `most`, or more
/// code-blocks than that.
pub fn precincts(stream: &Codestream, number: u16, data: &TileData, most: usize) -> Option<Vec<Precinct>> {
    let area = tile_area(stream, number)?;
    let order = stream.order(data)?;
    let (mut found, mut room) = (Vec::new(), most);
    for (component, &(dx, dy)) in (0u16..).zip(&stream.components) {
        let style = stream.style(data, component)?;
        let own = area.map(|x| x.div_ceil(dx), |y| y.div_ceil(dy));
        for resolution in 0..=style.levels {
            let place = Place { component, resolution, style, own: &own, step: (dx, dy), tile: &area };
            place.add(&mut found, &mut room)?;
        }
    }
    found.sort_by_cached_key(|precinct| precinct.key(order.progression));
    Some(found)
}

fn tile_area(stream: &Codestream, number: u16) -> Option<Area> {
    let [x1, y1, x0, y0] = stream.picture;
    let [width, height, left, top] = stream.tiles;
    let columns = x1.checked_sub(left)?.div_ceil(width);
    let (column, row) = (u32::from(number).checked_rem(columns)?, u32::from(number) / columns);
    let side = |first: u32, size: u32, number: u32, begin: u32, end: u32| -> Range<u32> {
        let start = u64::from(first) + u64::from(size) * u64::from(number);
        let cut = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).clamp(begin, end);
        cut(start)..cut(start + u64::from(size))
    };
    (x0 < x1 && y0 < y1)
        .then(|| Area { x: side(left, width, column, x0, x1), y: side(top, height, row, y0, y1) })
}

/// One resolution of a component of a tile.
struct Place<'a> {
    component: u16,
    resolution: u8,
    style: &'a Style,
    /// The tile in samples of the component.
    own: &'a Area,
    /// Distances between samples.
    step: (u32, u32),
    /// The tile on the reference grid.
    tile: &'a Area,
}

impl Place<'_> {
    fn add(&self, found: &mut Vec<Precinct>, room: &mut usize) -> Option<()> {
        let below = self.style.levels - self.resolution;
        let area = self.own.map(|x| halved(x, below), |y| halved(y, below));
        if area.is_empty() {
            return Some(());
        }
        let (px, py) = self.style.precinct(self.resolution);
        let columns = area.x.start >> px..halved(area.x.end, px);
        let rows = area.y.start >> py..halved(area.y.end, py);
        let count = (columns.len() as u64).checked_mul(rows.len() as u64)?;
        *room = room.checked_sub(usize::try_from(count).ok()?)?;
        let mut number = 0;
        for row in rows {
            for column in columns.clone() {
                let bands = self.bands(column, row);
                let blocks: u64 =
                    bands.iter().map(|band| u64::from(band.blocks.0) * u64::from(band.blocks.1)).sum();
                *room = room.checked_sub(usize::try_from(blocks).ok()?)?;
                let grid = |at: u32, size: u8, step: u32, first: u32| {
                    (u64::from(at) << (u32::from(size) + u32::from(below)).min(31))
                        .saturating_mul(step.into())
                        .max(first.into())
                };
                found.push(Precinct {
                    component: self.component,
                    resolution: self.resolution,
                    number,
                    corner: (
                        grid(column, px, self.step.0, self.tile.x.start),
                        grid(row, py, self.step.1, self.tile.y.start),
                    ),
                    modes: self.style.modes,
                    bands,
                });
                number += 1;
            }
        }
        Some(())
    }

    /// The sub-bands of a precinct.
    fn bands(&self, column: u32, row: u32) -> Vec<Band> {
        let (px, py) = self.style.precinct(self.resolution);
        let low = self.resolution == 0;
        let level = if low { self.style.levels } else { self.style.levels - self.resolution + 1 };
        let (px, py) = if low { (px, py) } else { (px - 1, py - 1) };
        let (bx, by) = (self.style.block.0.min(px), self.style.block.1.min(py));
        let kinds: &[(u32, u32, Kind)] = if low {
            &[(0, 0, Kind::Low)]
        } else {
            &[(1, 0, Kind::HighX), (0, 1, Kind::Low), (1, 1, Kind::HighXY)]
        };
        let edge = |at: u32, size: u8| u32::try_from(u64::from(at) << size).unwrap_or(u32::MAX);
        let precinct = Area {
            x: edge(column, px)..edge(column.saturating_add(1), px),
            y: edge(row, py)..edge(row.saturating_add(1), py),
        };
        let band = |&(right, down, kind): &(u32, u32, Kind)| {
            let shifted = |value: u32, high: u32| {
                let offset = if high == 1 { 1u64 << (level - 1).min(32) } else { 0 };
                let value = u64::from(value).saturating_sub(offset);
                halved(u32::try_from(value).unwrap_or(u32::MAX), level)
            };
            let area = self.own.map(|x| shifted(x, right), |y| shifted(y, down)).meet(&precinct);
            let across = |range: &Range<u32>, size: u8| halved(range.end, size) - (range.start >> size);
            let blocks = if area.is_empty() { (0, 0) } else { (across(&area.x, bx), across(&area.y, by)) };
            Band { blocks, kind, area, size: (bx, by) }
        };
        kinds.iter().map(band).collect()
    }
}

/// Visits all packets of a tile as (place in `precincts`, layer), until `each` says no.
pub fn packets(precincts: &[Precinct], order: Order, mut each: impl FnMut(usize, u16) -> bool) {
    let all = |places: Range<usize>, each: &mut dyn FnMut(usize, u16) -> bool| {
        (0..order.layers).all(|layer| places.clone().all(|place| each(place, layer)))
    };
    match order.progression {
        0 => {
            all(0..precincts.len(), &mut each);
        }
        1 => {
            let mut start = 0;
            for group in precincts.chunk_by(|one, next| one.resolution == next.resolution) {
                if !all(start..start + group.len(), &mut each) {
                    return;
                }
                start += group.len();
            }
        }
        _ => {
            (0..precincts.len()).all(|place| (0..order.layers).all(|layer| each(place, layer)));
        }
    }
}
