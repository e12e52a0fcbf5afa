//! Blocks of progressive pictures (ITU-T T.81 annex G): some coefficients, or some bits of them, in each scan.

use super::bits::Bits;
use super::tables::{Huffman, Range};
use super::{Coding, Slip};

/// One component of a scan of DC coefficients.
pub struct DcPart<'t> {
    /// Blocks of each unit.
    pub blocks: usize,
    pub table: &'t Huffman,
    pub range: &'t Range,
    /// The DC coefficient of the block before.
    pub last: i32,
}

/// A first scan of DC coefficients (G.1.2.1), which lack `shift` bits after it.
pub struct FirstDc<'t> {
    pub parts: Vec<DcPart<'t>>,
    pub shift: u8,
}

impl Coding for FirstDc<'_> {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        for part in &mut self.parts {
            part.last = 0;
        }
        Ok(())
    }

    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        for part in &mut self.parts {
            for _ in 0..part.blocks {
                bits.refill();
                part.range.read_dc(bits, part.table, &mut part.last, self.shift)?;
            }
        }
        Ok(())
    }
}

/// A later scan of DC coefficients: one bit for each block.
pub struct MoreDc {
    /// Blocks of each unit.
    pub blocks: u32,
}

impl Coding for MoreDc {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        Ok(())
    }

    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        bits.pass_over(self.blocks);
        Ok(())
    }
}

/// A scan of AC coefficients of one component, first or refining (G.1.2.2 and G.1.2.3).
pub struct Ac<'t> {
    pub table: &'t Huffman,
    pub range: &'t Range,
    /// The band, both ends included.
    pub from: u32,
    pub to: u32,
    /// Bits that later scans add.
    pub shift: u8,
    pub refining: bool,
    /// Blocks that follow without new coefficients.
    pub run: u32,
    /// Which coefficients of each block are not zero, in rows of `stride` blocks, `across` of them coded.
    pub nonzero: &'t mut [u64],
    pub stride: usize,
    pub across: usize,
    /// The next block.
    pub column: usize,
    pub row: usize,
    /// There was nothing but padding left for the last one.
    pub starved: bool,
}

impl Coding for Ac<'_> {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        if self.run > 0 {
            return Err(Slip::Wrong("a run of empty blocks past its end"));
        }
        Ok(())
    }

    fn starved(&self) -> bool {
        self.starved
    }

    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        bits.refill();
        self.starved = self.run == 0 && bits.at_marker() && bits.padding_is_ones();
        let place = self.row * self.stride + self.column;
        self.column += 1;
        if self.column == self.across {
            self.column = 0;
            self.row += 1;
        }
        let nonzero = self.nonzero.get(place).copied().unwrap_or(0);
        let found = if self.refining { self.refine(bits, nonzero) } else { self.first(bits, nonzero) }?;
        if let Some(nonzero) = self.nonzero.get_mut(place) {
            *nonzero = found;
        }
        Ok(())
    }
}

impl Ac<'_> {
    /// The length of a run of blocks without further coefficients, this one included.
    fn end_of_band(bits: &mut Bits<'_>, exponent: u8) -> u32 {
        (1 << exponent) + bits.take(exponent.into())
    }

    fn first(&mut self, bits: &mut Bits<'_>, mut nonzero: u64) -> Result<u64, Slip> {
        if self.run > 0 {
            self.run -= 1;
            return Ok(nonzero);
        }
        let mut index = self.from;
        while index <= self.to {
            bits.refill();
            let symbol = self.table.symbol(bits)?;
            let (zeros, size) = (symbol >> 4, symbol & 15);
            if size == 0 && zeros < 15 {
                self.run = Self::end_of_band(bits, zeros) - 1;
                break;
            }
            index += u32::from(zeros);
            if size == 0 && index <= self.to {
                index += 1;
                continue;
            }
            if index > self.to {
                return Err(Slip::PAST_BAND);
            }
            self.range.read_ac(bits, index, size, self.shift)?;
            nonzero |= 1 << index;
            index += 1;
        }
        Ok(nonzero)
    }

    fn refine(&mut self, bits: &mut Bits<'_>, mut nonzero: u64) -> Result<u64, Slip> {
        let mut index = self.from;
        while self.run == 0 && index <= self.to {
            bits.refill();
            let symbol = self.table.symbol(bits)?;
            let (mut zeros, size) = (symbol >> 4, symbol & 15);
            match size {
                0 if zeros < 15 => {
                    self.run = Self::end_of_band(bits, zeros);
                    break;
                }
                0 => {}
                1 => bits.skip(1),
                _ => return Err(Slip::Wrong("a refinement of more than one bit")),
            }
            // Coefficients that are there already have a bit each; the new one comes after so many zeros.
            let mut corrections = 0;
            while index <= self.to {
                if nonzero >> index & 1 == 1 {
                    corrections += 1;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                index += 1;
            }
            bits.pass_over(corrections);
            if index > self.to {
                return Err(Slip::PAST_BAND);
            }
            nonzero |= u64::from(size) << index;
            index += 1;
        }
        if self.run > 0 {
            self.run -= 1;
            bits.pass_over((nonzero & band(index, self.to)).count_ones());
        }
        Ok(nonzero)
    }
}

/// The bits of the coefficients from one index to another, both included.
const fn band(from: u32, to: u32) -> u64 {
    if from > to { 0 } else { u64::MAX << from & u64::MAX >> (63 - to) }
}
