//! Scans of AC coefficients of progressive pictures (ITU-T T.81 G.1.2.2 and G.1.2.3): a band of them, or a bit of each, of one component.

use super::bits::Bits;
use super::kept::{Block, Kept};
use super::select::{Job, Select, with_best};
use super::tables::{Huffman, Range};
use super::{Coding, Slip};

/// Blocks of a long run of empty ones.
const LONG: u32 = 32;

/// What such a scan codes of each block.
pub struct Band<'t> {
    pub table: &'t Huffman,
    pub range: &'t Range,
    /// The band, both ends included.
    pub from: u32,
    pub to: u32,
    /// Bits that later scans add.
    pub shift: u8,
    /// Blocks that follow without new coefficients, this one included.
    run: u32,
    /// How many there were in the last run of such.
    ran: u32,
}

impl<'t> Band<'t> {
    pub const fn new(table: &'t Huffman, range: &'t Range, (from, to): (u32, u32), shift: u8) -> Self {
        Self { table, range, from, to, shift, run: 0, ran: 0 }
    }

    /// Whether a run of blocks without new coefficients goes on.
    pub const fn runs(&self) -> bool {
        self.run > 0
    }

    /// Reads how long a run is that begins with this block.
    pub fn begin_run(&mut self, bits: &mut Bits<'_>, exponent: u8) {
        self.ran = (1 << exponent) + bits.take(exponent.into());
        self.run = self.ran;
    }
}

/// How a block is coded.
pub trait Blocks {
    /// Whether nothing is coded for a block, in a run of empty ones, that has these coefficients.
    fn passes(&self, nonzero: u64) -> bool;

    /// Follows the codes of a block; gives which coefficients are not zero then.
    fn block(
        &self,
        band: &mut Band<'_>,
        bits: &mut Bits<'_>,
        found: (u64, &mut Block<'_>),
        select: impl Select,
    ) -> Result<u64, Slip>;
}

/// A scan, with what was coded of the component before.
pub struct Ac<'t, B> {
    blocks: B,
    band: Band<'t>,
    /// Which coefficients of each block are not zero, in rows of `stride` blocks, `across` of them coded.
    nonzero: &'t mut [u64],
    kept: Option<&'t mut Kept>,
    stride: usize,
    across: usize,
    /// The next block.
    column: usize,
    row: usize,
    /// There was nothing but padding left behind a long run of empty blocks.
    starved: bool,
}

impl<'t, B: Blocks> Ac<'t, B> {
    /// Of a component whose rows have so many blocks, and so many of them coded.
    pub const fn new(
        blocks: B,
        band: Band<'t>,
        nonzero: &'t mut [u64],
        kept: Option<&'t mut Kept>,
        (stride, across): (usize, usize),
    ) -> Self {
        Self { blocks, band, nonzero, kept, stride, across, column: 0, row: 0, starved: false }
    }
}

impl<B: Blocks> Coding for Ac<'_, B> {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        if self.band.runs() {
            return Err(Slip::Wrong("a run of empty blocks past its end"));
        }
        Ok(())
    }

    fn starved(&self) -> bool {
        self.starved
    }

    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        self.units(bits, 1).map(|_| ()).map_err(|(_, slip)| slip)
    }

    fn units(&mut self, bits: &mut Bits<'_>, most: usize) -> Result<usize, (usize, Slip)> {
        let units = most.min(self.across - self.column);
        let result = with_best(Row { ac: self, bits, units });
        self.column += units;
        if self.column == self.across {
            self.column = 0;
            self.row += 1;
        }
        result
    }
}

/// So many blocks of a row.
struct Row<'r, 't, 'b, B> {
    ac: &'r mut Ac<'t, B>,
    bits: &'r mut Bits<'b>,
    units: usize,
}

impl<B: Blocks> Job for Row<'_, '_, '_, B> {
    /// How many there are; those before the one that is wrong.
    type Answer = Result<usize, (usize, Slip)>;

    #[allow(clippy::inline_always, reason = "to be compiled for each way")]
    #[inline(always)]
    fn run(self, select: impl Select) -> Self::Answer {
        let Ac { blocks, band, nonzero, kept, starved, .. } = self.ac;
        // A copy of its own, which stays in registers.
        let mut bits = *self.bits;
        let first = self.ac.row * self.ac.stride + self.ac.column;
        let row = nonzero.get_mut(first..first + self.units).unwrap_or_default();
        let (mut done, mut result) = (0, Ok(()));
        for (place, nonzero) in (first..).zip(row) {
            if !(band.runs() && blocks.passes(*nonzero)) {
                bits.top_up();
                let mut kept = kept.as_mut().map_or_else(Block::default, |kept| kept.block(place));
                match blocks.block(band, &mut bits, (*nonzero, &mut kept), select) {
                    Ok(found) if !bits.exhausted() => *nonzero = found,
                    Ok(_) => result = Err(Slip::Ended),
                    Err(slip) => result = Err(slip),
                }
                if result.is_err() {
                    break;
                }
            }
            done += 1;
            if band.runs() {
                band.run -= 1;
                if band.run == 0 && band.ran >= LONG {
                    bits.refill();
                    *starved = bits.at_marker() && bits.padding_is_ones();
                }
            }
        }
        *self.bits = bits;
        result.map(|()| done).map_err(|slip| (done, slip))
    }
}
