//! Coefficients that are kept while the scans of a progressive picture go by, for whoever makes pixels of them afterwards, and for a
//! second look.

use super::Units;
use super::geometry::{Geometry, Plane};
use super::samples::{Steps, ZIGZAG, natural};
use super::waves::Upright;

/// How many upright coefficients are kept: the last one adds next to nothing to edges, and comes long after the others.
const UPRIGHTS: usize = 7;

/// What is kept of one component.
pub struct Kept {
    /// Per coefficient in zig-zag order, its place among the kept ones of its block: those for pixels in natural order, then further
    /// upright ones. Those that are not kept share one place behind them: to write there costs less than to ask whether.
    slots: [u8; 64],
    /// The last of them in zig-zag order.
    last: u32,
    /// The places of the upright ones, lowest frequency first.
    uprights: [u8; UPRIGHTS],
    /// How many are kept for pixels, and how many of those in a row.
    count: usize,
    across: usize,
    /// From one block to the next.
    stride: usize,
    /// Block by block, in rows with padding, with the place behind each.
    values: Vec<i16>,
    steps: Steps,
}

/// The kept coefficients of one block; by default none.
pub struct Block<'k> {
    slots: &'k [u8; 64],
    last: u32,
    values: &'k mut [i16],
}

impl Default for Block<'_> {
    fn default() -> Self {
        Self { slots: &[0; 64], last: 0, values: &mut [] }
    }
}

impl Block<'_> {
    /// The zig-zag place behind which none is kept.
    pub const fn last(&self) -> u32 {
        self.last
    }

    /// A coefficient, or what nobody looks at.
    #[inline]
    fn at(&mut self, index: u32) -> Option<&mut i16> {
        let slot = self.slots.get(index as usize % 64)?;
        self.values.get_mut(usize::from(*slot))
    }

    /// Sets a coefficient, if it is kept.
    #[inline]
    pub fn set(&mut self, index: u32, value: i16) {
        if let Some(place) = self.at(index) {
            *place = value;
        }
    }

    /// Adds to the magnitude of a coefficient that is not zero. Nothing but nonsense overflows.
    #[inline]
    pub fn enlarge(&mut self, index: u32, by: i16) {
        if let Some(value) = self.at(index) {
            let sign = *value >> 15;
            *value = value.wrapping_add((by ^ sign).wrapping_sub(sign));
        }
    }
}

impl Kept {
    /// For the upright coefficients, and those of so many frequencies across and down; `None` where there is no memory.
    pub fn new(plane: &Plane, heard: (usize, usize), steps: &Steps) -> Option<Self> {
        let (across, down) = (heard.0.min(8), heard.1.min(8));
        let count = across * down;
        let of_pixels = |column: usize, row: usize| column < across && row < down;
        let (mut uprights, mut kept) = ([0; UPRIGHTS], count);
        for (row, place) in uprights.iter_mut().enumerate() {
            let slot = if of_pixels(0, row) { row * across } else { kept };
            kept += usize::from(slot == kept);
            *place = u8::try_from(slot).ok()?;
        }
        let mut slots = [u8::try_from(kept).ok()?; 64];
        let mut last = 0;
        for ((index, slot), &place) in (0..).zip(&mut slots).zip(&ZIGZAG) {
            let (column, row) = (usize::from(place % 8), usize::from(place / 8));
            let own = match column {
                _ if of_pixels(column, row) => u8::try_from(row * across + column).ok(),
                0 => uprights.get(row).copied(),
                _ => None,
            };
            if let Some(own) = own {
                (*slot, last) = (own, index);
            }
        }
        let stride = kept + 1;
        let length = plane.padded.0.checked_mul(plane.padded.1)?.checked_mul(stride)?;
        let mut values = Vec::new();
        values.try_reserve_exact(length).ok()?;
        values.resize(length, 0);
        Some(Self { slots, last, uprights, count, across, stride, values, steps: *steps })
    }

    /// What is kept of a block.
    #[inline]
    pub fn block(&mut self, block: usize) -> Block<'_> {
        let places = block * self.stride..(block + 1) * self.stride;
        let values = self.values.get_mut(places).unwrap_or_default();
        Block { slots: &self.slots, last: self.last, values }
    }

    /// The upright coefficients of a block.
    pub fn upright(&self, block: usize) -> Upright {
        let from = block * self.stride;
        let values = self.values.get(from..from + self.stride).unwrap_or_default();
        let mut upright = [0; 16];
        for (value, &place) in upright.iter_mut().zip(&self.uprights) {
            *value = values.get(usize::from(place)).copied().unwrap_or(0);
        }
        upright
    }

    /// Its DC coefficient.
    pub fn dc(&self, block: usize) -> i16 {
        self.values.get(block * self.stride).copied().unwrap_or(0)
    }

    /// The same, to be changed.
    #[inline]
    pub fn dc_mut(&mut self, block: usize) -> Option<&mut i16> {
        self.values.get_mut(block * self.stride)
    }

    /// The quantisation table.
    pub const fn steps(&self) -> &Steps {
        &self.steps
    }

    fn write(&self, block: usize, to: &mut [i16; 64]) {
        let from = block * self.stride;
        let values = self.values.get(from..from + self.count).unwrap_or_default();
        match self.across {
            0 => {}
            4 => rows::<4>(values, to),
            8 => rows::<8>(values, to),
            across => {
                for (row, values) in to.chunks_exact_mut(8).zip(values.chunks_exact(across)) {
                    row.iter_mut().zip(values).for_each(|(cell, &value)| *cell = value);
                }
            }
        }
    }
}

/// Puts rows of so many values to the beginnings of rows of eight.
fn rows<const ACROSS: usize>(values: &[i16], to: &mut [i16; 64]) {
    for (row, values) in to.as_chunks_mut::<8>().0.iter_mut().zip(values.as_chunks::<ACROSS>().0) {
        if let Some(place) = row.first_chunk_mut() {
            *place = *values;
        }
    }
}

/// Where the blocks of a scan lie in rows with padding, unit by unit.
#[derive(Clone)]
pub struct Places {
    /// Units in a row of the scan.
    across: usize,
    /// From one unit to the next, and from the end of a row of units to the next row, in blocks.
    step: usize,
    turn: usize,
    /// Of each block of a unit, from the first one.
    offsets: Vec<usize>,
    /// The next unit: its first block, and its column.
    first: usize,
    column: usize,
}

impl Places {
    /// Of a component in a scan that has so many units in a row and this many of its blocks in each; `None` if that is nothing.
    pub fn new(plane: &Plane, across: usize, unit: (usize, usize)) -> Option<Self> {
        let stride = plane.padded.0;
        let turn = (stride * unit.1).checked_sub(across * unit.0)?;
        let offsets = (0..unit.0 * unit.1).map(|block| block / unit.0 * stride + block % unit.0).collect();
        Some(Self { across, step: unit.0, turn, offsets, first: 0, column: 0 })
    }

    /// The place of a block of the unit.
    #[inline]
    pub fn of(&self, block: usize) -> usize {
        self.first + self.offsets.get(block).copied().unwrap_or(0)
    }

    /// How many blocks a unit has.
    pub const fn in_unit(&self) -> usize {
        self.offsets.len()
    }

    /// Goes to a unit.
    pub fn go_to(&mut self, unit: usize) {
        let row = unit.checked_div(self.across).unwrap_or(0);
        self.column = unit - row * self.across;
        self.first = unit * self.step + row * self.turn;
    }

    /// Goes to the next unit.
    #[inline]
    pub const fn go_on(&mut self) {
        self.first += self.step;
        self.column += 1;
        if self.column == self.across {
            self.column = 0;
            self.first += self.turn;
        }
    }
}

/// Gives kept coefficients away, unit by unit.
pub struct Store<'k> {
    parts: Vec<(&'k Kept, Places)>,
    /// Units that are left.
    left: usize,
}

impl<'k> Store<'k> {
    /// Of all components of a picture.
    pub fn new(geometry: &Geometry, kept: &'k [Kept]) -> Option<Self> {
        // The only component of a picture is not interleaved: its units are single blocks (A.2.2).
        let alone = kept.len() == 1;
        let mut units = geometry.units;
        let mut parts = Vec::new();
        for (plane, kept) in geometry.planes.iter().zip(kept) {
            let (h, v) = (usize::from(plane.component.h), usize::from(plane.component.v));
            if alone {
                units = plane.alone;
            }
            parts.push((kept, Places::new(plane, units.0, if alone { (1, 1) } else { (h, v) })?));
        }
        Some(Self { parts, left: units.0 * units.1 })
    }
}

impl Units for Store<'_> {
    fn next(&mut self, blocks: &mut [[i16; 64]]) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let mut blocks = blocks.iter_mut();
        for (kept, places) in &mut self.parts {
            for number in 0..places.in_unit() {
                let Some(block) = blocks.next() else { return false };
                kept.write(places.of(number), block);
            }
            places.go_on();
        }
        true
    }

    fn steps(&self, component: usize) -> Option<[u16; 64]> {
        self.parts.get(component).map(|(kept, _)| natural(&kept.steps))
    }
}
