//! Blocks of sequential pictures (ITU-T T.81 F.2.2): DC and all AC coefficients together.

use super::bits::Bits;
use super::shift::Levels;
use super::tables::{Huffman, Range, Runs};
use super::trail::Trail;
use super::{Coding, Slip};

/// One component of a sequential scan.
pub struct Part<'t> {
    /// Blocks of each unit.
    pub blocks: usize,
    /// How many of them lie side by side.
    pub columns: usize,
    pub dc: &'t Huffman,
    pub ac: &'t Huffman,
    /// The fast way through `ac`.
    pub runs: &'t Runs,
    pub range: &'t Range,
    /// The DC coefficient of the block before.
    pub last: i32,
    /// A coefficient of the block is so large that its samples are worth a look.
    pub loud: bool,
    pub levels: Levels,
}

/// A scan of one or more components.
pub struct Sequential<'t> {
    pub parts: Vec<Part<'t>>,
    pub trail: Trail,
}

impl Coding for Sequential<'_> {
    const TELLING: bool = true;

    fn restart(&mut self) -> Result<(), Slip> {
        for part in &mut self.parts {
            part.last = 0;
        }
        Ok(())
    }

    #[inline]
    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        self.trail.begin_unit(bits, &self.parts);
        for part in &mut self.parts {
            let (mut top, mut bottom) = (0, 0);
            let lowest = part.blocks - part.columns;
            for number in 0..part.blocks {
                part.block(bits)?;
                top += if number < part.columns { part.last } else { 0 };
                bottom += if number >= lowest { part.last } else { 0 };
            }
            part.levels.push((top, bottom));
        }
        Ok(())
    }

    fn rewind(&mut self, units: usize) {
        self.trail.rewind(units);
        for part in &mut self.parts {
            part.levels.truncate(units);
        }
    }

    fn displaced(&self, by: usize) -> bool {
        self.trail.displaced(&self.parts, by)
    }
}

impl Part<'_> {
    #[inline]
    fn block(&mut self, shared: &mut Bits<'_>) -> Result<(), Slip> {
        // A copy of its own, which stays in registers.
        let mut bits = *shared;
        let mut result = self.codes(&mut bits);
        if self.loud {
            self.loud = false;
            result = result.and_then(|()| self.samples(*shared));
        }
        *shared = bits;
        result
    }

    /// Follows the codes of a block.
    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers: a quarter slower")]
    #[inline(always)]
    fn codes(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        bits.refill();
        self.range.read_dc(bits, self.dc, &mut self.last, 0)?;
        let mut index = 1;
        while index < 64 {
            bits.refill();
            let run = self.runs.next(bits);
            let next = index + run.passed();
            // What begins behind the last coefficient belongs to the next block.
            if run.known() && next + run.ends() <= 64 {
                bits.skip(run.bits());
                if run.ends() == 1 {
                    break;
                }
                index = next;
            } else {
                (*bits, index) = self.coefficient(*bits, index)?;
            }
        }
        Ok(())
    }

    /// One symbol and its value; gives the index of the coefficient behind it, 64 at the end of the block.
    fn coefficient<'b>(&mut self, mut bits: Bits<'b>, index: u32) -> Result<(Bits<'b>, u32), Slip> {
        let symbol = self.ac.symbol(&mut bits)?;
        let (zeros, size) = (u32::from(symbol >> 4), symbol & 15);
        match symbol {
            0x00 => return Ok((bits, 64)),
            0xF0 if index + 16 <= 64 => return Ok((bits, index + 16)),
            0xF0 => return Err(Slip::PAST_BLOCK),
            _ if size == 0 => return Err(Slip::Wrong("a code that sequential pictures do not have")),
            _ => {}
        }
        let index = index + zeros;
        if index > 63 {
            return Err(Slip::PAST_BLOCK);
        }
        self.loud |= self.range.read_ac(&mut bits, index, size, 0)?;
        Ok((bits, index + 1))
    }

    /// Goes once more through a block whose codes are right, for its values.
    #[cold]
    fn samples(&self, mut bits: Bits<'_>) -> Result<(), Slip> {
        let mut block = self.values(&mut bits)?;
        let [dc, ..] = &mut block;
        *dc = self.last;
        if self.range.possible(&block) { Ok(()) } else { Err(Slip::Wrong("samples out of range")) }
    }

    /// The quantised values of a block in zig-zag order, DC as a difference.
    pub fn values(&self, bits: &mut Bits<'_>) -> Result<[i32; 64], Slip> {
        let mut block = [0; 64];
        bits.refill();
        let size = self.dc.symbol(bits)?;
        let [dc, ..] = &mut block;
        *dc = bits.signed(size.into());
        let mut index = 1usize;
        while index < 64 {
            bits.refill();
            let symbol = self.ac.symbol(bits)?;
            index += usize::from(symbol >> 4);
            match (symbol, block.get_mut(index)) {
                (0, _) => break,
                (_, Some(value)) => *value = bits.signed(u32::from(symbol & 15)),
                _ => {}
            }
            index += 1;
        }
        Ok(block)
    }
}
