//! Coefficients that are kept while the scans of a progressive picture go by, for whoever makes pixels of them afterwards, and for a
//! second look.

use bytemuck::allocation::try_zeroed_slice_box;

use super::Units;
use super::geometry::{Geometry, Plane};
use super::samples::{Steps, ZIGZAG, natural};
use super::slots::Slots;
use super::waves::Upright;
use crate::media::structure::jpeg::{Component, Frame};

/// How many upright coefficients are kept: the last one adds next to nothing to edges, and comes long after the others.
const UPRIGHTS: usize = 7;

/// Coefficients of a block that are changed together.
const LANES: usize = 8;

/// What is kept of one component.
pub struct Kept {
    /// Where in the values of its block each coefficient is: those for pixels in natural order, then further upright ones.
    slots: Slots,
    /// The places of the upright ones, lowest frequency first.
    uprights: [u8; UPRIGHTS],
    /// How many are kept for pixels, and how many of those in a row.
    count: usize,
    across: usize,
    /// From one block to the next.
    stride: usize,
    /// Block by block, in rows with padding. The places of the DC coefficients are left out.
    values: Box<[i16]>,
    /// The DC coefficients. They come in scans of their own, which go faster where those lie close together.
    dc: Box<[i16]>,
    steps: Steps,
}

/// The kept coefficients of one block; by default none.
#[derive(Default)]
pub struct Block<'k> {
    slots: Option<&'k Slots>,
    values: &'k mut [i16],
}

impl Block<'_> {
    /// The bits of all coefficients up to the last one that is kept.
    #[inline]
    pub fn all(&self) -> u64 {
        self.slots.map_or(0, Slots::all)
    }

    /// Sets a coefficient, if it is kept.
    #[inline]
    pub fn set(&mut self, index: u32, value: i16) {
        let slot = self.slots.map_or(usize::MAX, |slots| slots.of(index));
        if let Some(place) = self.values.get_mut(slot) {
            *place = value;
        }
    }

    /// Adds to the magnitudes of coefficients that are not zero. Nothing but nonsense overflows.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "some bits after others")]
    pub fn enlarge(&mut self, set: u64, by: i16) {
        const BITS: [u16; LANES] = [1, 2, 4, 8, 16, 32, 64, 128];
        let mut set = self.slots.map_or(0, |slots| slots.of_set(set));
        for values in self.values.as_chunks_mut::<LANES>().0 {
            for (value, bit) in values.iter_mut().zip(BITS) {
                let by = if set as u16 & bit != 0 { by } else { 0 };
                let sign = *value >> 15;
                *value = value.wrapping_add((by ^ sign).wrapping_sub(sign));
            }
            set >>= LANES;
        }
    }
}

/// Frequencies across and down that are kept of a component for pixels, where so many are wanted of those with the finest sampling.
pub fn frequencies(frame: &Frame, component: Component, wanted: usize) -> Option<(usize, usize)> {
    let (h, v) = frame.finest();
    let own = |finest: u8, factor: u8| Some((wanted * usize::from(finest.checked_div(factor)?)).min(8));
    Some((own(h, component.h)?, own(v, component.v)?))
}

/// From one block to the next, of so many that are kept.
const fn stride(kept: usize) -> usize {
    // One place is shared by those that are not.
    let shared = (kept < 64) as usize;
    (kept + shared).next_multiple_of(LANES)
}

/// How many bytes are kept of a picture where so many frequencies are wanted.
pub fn bytes(frame: &Frame, wanted: usize) -> u64 {
    let of_plane = |plane: &Plane| {
        let (across, down) = frequencies(frame, plane.component, wanted)?;
        let further = UPRIGHTS.saturating_sub(if across > 0 { down } else { 0 });
        let block = (stride(across * down + further) + 1) * size_of::<i16>();
        plane.padded.0.checked_mul(plane.padded.1)?.checked_mul(block)
    };
    let geometry = Geometry::new(frame, frame.size.height);
    let all = geometry.planes.iter().map(of_plane).try_fold(0, |sum: usize, bytes| sum.checked_add(bytes?));
    all.map_or(u64::MAX, |bytes| bytes as u64)
}

impl Kept {
    /// For the upright coefficients, and those of so many frequencies across and down, at most 8; `None` where there is no memory.
    pub fn new(plane: &Plane, (across, down): (usize, usize), steps: &Steps) -> Option<Self> {
        let count = across * down;
        let of_pixels = |column: usize, row: usize| column < across && row < down;
        let (mut uprights, mut kept) = ([0; UPRIGHTS], count);
        for (row, place) in uprights.iter_mut().enumerate() {
            let slot = if of_pixels(0, row) { row * across } else { kept };
            kept += usize::from(slot == kept);
            *place = u8::try_from(slot).ok()?;
        }
        let slots = Slots::new(kept, |index| {
            let place = ZIGZAG.get(index)?;
            let (column, row) = (usize::from(place % 8), usize::from(place / 8));
            match column {
                _ if of_pixels(column, row) => u8::try_from(row * across + column).ok(),
                0 => uprights.get(row).copied(),
                _ => None,
            }
        })?;
        let stride = stride(kept);
        let blocks = plane.padded.0.checked_mul(plane.padded.1)?;
        let values = try_zeroed_slice_box(blocks.checked_mul(stride)?).ok()?;
        let dc = try_zeroed_slice_box(blocks).ok()?;
        Some(Self { slots, uprights, count, across, stride, values, dc, steps: *steps })
    }

    /// What is kept of a block.
    #[inline]
    pub fn block(&mut self, block: usize) -> Block<'_> {
        let places = block * self.stride..(block + 1) * self.stride;
        let values = self.values.get_mut(places).unwrap_or_default();
        Block { slots: Some(&self.slots), values }
    }

    /// The upright coefficients of a block.
    pub fn upright(&self, block: usize) -> Upright {
        let from = block * self.stride;
        let values = self.values.get(from..from + self.stride).unwrap_or_default();
        let mut upright = [0; 16];
        for (value, &place) in upright.iter_mut().zip(&self.uprights) {
            *value = values.get(usize::from(place)).copied().unwrap_or(0);
        }
        let [dc, ..] = &mut upright;
        *dc = self.dc(block);
        upright
    }

    /// Its DC coefficient.
    pub fn dc(&self, block: usize) -> i16 {
        self.dc.get(block).copied().unwrap_or(0)
    }

    /// The same, to be changed.
    #[inline]
    pub fn dc_mut(&mut self, block: usize) -> Option<&mut i16> {
        self.dc.get_mut(block)
    }

    /// The quantisation table.
    pub const fn steps(&self) -> &Steps {
        &self.steps
    }

    fn write(&self, block: usize, to: &mut [i16; 64]) {
        let from = block * self.stride;
        let values = self.values.get(from..from + self.count).unwrap_or_default();
        match self.across {
            1 => rows::<1>(values, to),
            2 => rows::<2>(values, to),
            3 => rows::<3>(values, to),
            4 => rows::<4>(values, to),
            5 => rows::<5>(values, to),
            6 => rows::<6>(values, to),
            7 => rows::<7>(values, to),
            8 => rows::<8>(values, to),
            _ => {}
        }
        let [dc, ..] = to;
        *dc = self.dc(block);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use proptest::prelude::*;

    use super::*;
    use crate::model::PixelSize;

    proptest! {
        /// One after another, coefficients are what they are together.
        #[test]
        fn sets_of_coefficients_are_enlarged(
            numbers in prop::collection::vec((1i16..300).prop_flat_map(|number| prop::sample::select(vec![number, -number])), 63),
            set: u64,
            heard in 0usize..9,
            by in 1i16..64,
        ) {
            let component = Component { id: 1, h: 1, v: 1, table: 0 };
            let plane = Plane { component, padded: (2, 1), alone: (2, 1) };
            let mut kept = Kept::new(&plane, (heard, heard), &[1; 64]).unwrap();
            let mut block = kept.block(1);
            for (index, &number) in (1..64).zip(&numbers) {
                block.set(index, number);
            }
            block.enlarge(set & block.all(), by);
            let (upright, mut natural) = (kept.upright(1), [0; 64]);
            kept.write(1, &mut natural);
            for (index, (&place, &number)) in ZIGZAG.iter().zip(std::iter::once(&0).chain(&numbers)).enumerate() {
                let larger = index > 0 && set >> index & 1 == 1;
                let expected = if larger { number + by * number.signum() } else { number };
                let (column, row) = (usize::from(place % 8), usize::from(place / 8));
                if heard > 0 && column < heard && row < heard {
                    prop_assert_eq!(natural[usize::from(place)], expected);
                }
                if column == 0 && row < UPRIGHTS {
                    prop_assert_eq!(upright[row], expected);
                }
            }
            prop_assert_eq!(kept.upright(0), [0; 16]);
        }

        #[test]
        fn what_is_kept_takes_as_much_as_was_told(
            (width, height) in (1u32..200, 1u32..200),
            factors in prop::collection::vec((1u8..3, 1u8..3), 1..4),
            wanted in 0usize..9,
        ) {
            let component = |(h, v)| Component { id: 1, h, v, table: 0 };
            let components = factors.into_iter().map(component).collect();
            let size = PixelSize::new(width, height);
            let frame = Frame { marker: 0xC2, precision: 8, size, components };
            let of_plane = |plane: &Plane| {
                let frequencies = frequencies(&frame, plane.component, wanted).unwrap();
                let kept = Kept::new(plane, frequencies, &[1; 64]).unwrap();
                size_of_val(&*kept.values) + size_of_val(&*kept.dc)
            };
            let planes = Geometry::new(&frame, height).planes;
            let all = planes.iter().map(of_plane).sum::<usize>();
            prop_assert_eq!(bytes(&frame, wanted), all as u64);
        }
    }
}
