//! Scans of DC coefficients of progressive pictures (ITU-T T.81 G.1.2.1): of all components together, or of some.

use super::bits::Bits;
use super::kept::{Kept, Places};
use super::levels::saturated;
use super::tables::{Differences, Huffman, Range};
use super::{Coding, Slip};

/// One component of such a scan.
pub struct Part<'t> {
    /// Blocks of each unit, at most 16.
    pub blocks: u32,
    /// What is kept of it, and where its blocks lie.
    pub kept: Option<(&'t mut Kept, Places)>,
}

impl Part<'_> {
    /// Changes the coefficients of a unit, block by block.
    #[allow(clippy::inline_always, reason = "a part of the loop over all units")]
    #[inline(always)]
    fn change(&mut self, mut each: impl FnMut(u32, &mut i16) -> Result<(), Slip>) -> Result<(), Slip> {
        for number in 0..self.blocks {
            let kept = self.kept.as_mut().and_then(|(kept, places)| kept.dc_mut(places.of(number as usize)));
            each(number, kept.unwrap_or(&mut 0))?;
        }
        if let Some((_, places)) = &mut self.kept {
            places.go_on();
        }
        Ok(())
    }
}

/// How the DC coefficients of a component are coded.
pub struct Code<'t> {
    pub table: &'t Huffman,
    /// The fast way through it.
    pub differences: &'t Differences,
    pub range: &'t Range,
    /// The DC coefficient of the block before.
    pub last: i32,
}

/// A first scan, behind which `shift` bits are lacking.
pub struct FirstDc<'t> {
    pub parts: Vec<(Code<'t>, Part<'t>)>,
    pub shift: u8,
    pub rows: RowPlaces,
}

/// Where rows of units begin in the data.
pub struct RowPlaces {
    across: usize,
    column: usize,
    places: Vec<usize>,
}

impl RowPlaces {
    /// Of so many units each.
    pub const fn new(across: usize) -> Self {
        Self { across, column: 0, places: Vec::new() }
    }

    /// To be called before each unit.
    #[inline]
    fn begin_unit(&mut self, bits: &Bits<'_>) {
        if self.column == 0 {
            self.places.push(bits.place());
            self.column = self.across;
        }
        self.column -= 1;
    }

    pub fn all(self) -> Vec<usize> {
        self.places
    }
}

impl Coding for FirstDc<'_> {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        for (code, _) in &mut self.parts {
            code.last = 0;
        }
        Ok(())
    }

    #[inline]
    fn unit(&mut self, shared: &mut Bits<'_>) -> Result<(), Slip> {
        self.rows.begin_unit(shared);
        // A copy of its own, which stays in registers.
        let mut bits = *shared;
        let shift = self.shift;
        let result = self.parts.iter_mut().try_for_each(|(code, part)| {
            part.change(|_, dc| {
                code.read(&mut bits, shift)?;
                *dc = saturated(code.last << shift);
                Ok(())
            })
        });
        *shared = bits;
        result
    }
}

impl Code<'_> {
    /// Reads the next one.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn read(&mut self, bits: &mut Bits<'_>, shift: u8) -> Result<(), Slip> {
        bits.refill();
        let (difference, taken) = self.differences.next(bits);
        if taken > 0 {
            bits.skip(taken);
            return self.range.add_dc(&mut self.last, difference, shift);
        }
        // A copy, since the call would keep the bits out of registers.
        let mut own = *bits;
        let read = self.range.read_dc(&mut own, self.table, &mut self.last, shift);
        *bits = own;
        read
    }
}

/// A later scan: one bit for each block.
pub struct MoreDc<'t> {
    pub parts: Vec<Part<'t>>,
    pub shift: u8,
}

impl Coding for MoreDc<'_> {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        Ok(())
    }

    #[inline]
    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        for part in &mut self.parts {
            bits.refill();
            let (blocks, shift) = (part.blocks, self.shift);
            let more = bits.take(blocks);
            part.change(|number, dc| {
                // The first block's on top.
                *dc |= ((more >> (blocks - 1 - number) & 1) as i16) << shift;
                Ok(())
            })?;
        }
        Ok(())
    }
}
