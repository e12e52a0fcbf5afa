//! Blocks of progressive pictures (ITU-T T.81 annex G): some coefficients, or some bits of them, in each scan.

use super::bits::{Bits, magnitude};
use super::kept::{Block, Kept, Places};
use super::tables::{Coefficients, Huffman, Range, saturated};
use super::{Coding, Slip};

/// One component of a scan of DC coefficients.
pub struct FirstPart<'t> {
    /// Blocks of each unit.
    pub blocks: usize,
    pub table: &'t Huffman,
    pub range: &'t Range,
    /// The DC coefficient of the block before.
    pub last: i32,
    /// What is kept of it, and where its blocks lie.
    pub kept: Option<(&'t mut Kept, Places)>,
}

/// A first scan of DC coefficients (G.1.2.1), which lack `shift` bits after it.
pub struct FirstDc<'t> {
    pub parts: Vec<FirstPart<'t>>,
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
            for number in 0..part.blocks {
                bits.refill();
                part.range.read_dc(bits, part.table, &mut part.last, self.shift)?;
                if let Some((kept, places)) = &mut part.kept {
                    kept.block(places.of(number)).set(0, saturated(part.last << self.shift));
                }
            }
            if let Some((_, places)) = &mut part.kept {
                places.go_on();
            }
        }
        Ok(())
    }
}

/// One component of a later scan of DC coefficients.
pub struct MorePart<'t> {
    /// Blocks of each unit, at most 16.
    pub blocks: u32,
    /// What is kept of it, and where its blocks lie.
    pub kept: Option<(&'t mut Kept, Places)>,
}

/// A later scan of DC coefficients: one bit for each block.
pub struct MoreDc<'t> {
    pub parts: Vec<MorePart<'t>>,
    pub shift: u8,
}

impl Coding for MoreDc<'_> {
    const TELLING: bool = false;

    fn restart(&mut self) -> Result<(), Slip> {
        Ok(())
    }

    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        for part in &mut self.parts {
            bits.refill();
            let more = bits.take(part.blocks);
            let Some((kept, places)) = &mut part.kept else { continue };
            for (number, bit) in (0..part.blocks).rev().enumerate() {
                kept.block(places.of(number)).refine_dc(more >> bit & 1 == 1, self.shift);
            }
            places.go_on();
        }
        Ok(())
    }
}

/// A scan of AC coefficients of one component, first or refining (G.1.2.2 and G.1.2.3).
pub struct Ac<'t> {
    pub table: &'t Huffman,
    /// The fast way through it, for first scans.
    pub coefficients: &'t Coefficients,
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
    pub kept: Option<&'t mut Kept>,
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

    #[inline]
    fn unit(&mut self, shared: &mut Bits<'_>) -> Result<(), Slip> {
        // A copy of its own, which stays in registers.
        let mut bits = *shared;
        bits.refill();
        self.starved = self.run == 0 && bits.at_marker() && bits.padding_is_ones();
        let place = self.row * self.stride + self.column;
        self.column += 1;
        if self.column == self.across {
            self.column = 0;
            self.row += 1;
        }
        let nonzero = self.nonzero.get(place).copied().unwrap_or(0);
        let corrected = self.refining && nonzero & band(self.from, self.to) != 0;
        let found = if self.run > 0 && !corrected {
            self.run -= 1;
            Ok(nonzero)
        } else if self.refining {
            self.refine(&mut bits, place, nonzero)
        } else {
            self.first(&mut bits, place, nonzero)
        };
        *shared = bits;
        if let Some(nonzero) = self.nonzero.get_mut(place) {
            *nonzero = found?;
        }
        Ok(())
    }
}

impl Ac<'_> {
    /// The length of a run of blocks without further coefficients, this one included.
    fn end_of_band(bits: &mut Bits<'_>, exponent: u8) -> u32 {
        (1 << exponent) + bits.take(exponent.into())
    }

    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    fn first(&mut self, bits: &mut Bits<'_>, place: usize, mut nonzero: u64) -> Result<u64, Slip> {
        let mut kept = self.kept.as_mut().map(|kept| kept.block(place));
        let mut index = self.from;
        while index <= self.to {
            bits.refill();
            let next = self.coefficients.next(bits);
            let at = index + u32::from(next.zeros);
            if next.bits > 0 && at <= self.to {
                bits.skip(next.bits.into());
                // Sixteen zeros have no value.
                nonzero |= u64::from(next.value != 0) << at;
                if let Some(kept) = &mut kept {
                    kept.set(at, next.value << self.shift);
                }
                index = at + 1;
                continue;
            }
            if next.ends() {
                bits.skip(next.bits.into());
                break;
            }
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
            let value = magnitude(bits.peek(size.into()), size.into());
            self.range.read_ac(bits, index, size, self.shift)?;
            if let Some(kept) = &mut kept {
                kept.set(index, saturated(value << self.shift));
            }
            nonzero |= 1 << index;
            index += 1;
        }
        Ok(nonzero)
    }

    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn refine(&mut self, bits: &mut Bits<'_>, place: usize, mut nonzero: u64) -> Result<u64, Slip> {
        let mut kept = self.kept.as_mut().map(|kept| kept.block(place));
        let (before, all) = (nonzero, band(self.from, self.to));
        let mut index = self.from;
        while self.run == 0 && index <= self.to {
            bits.refill();
            let symbol = self.table.symbol(bits)?;
            let (zeros, size) = (symbol >> 4, symbol & 15);
            let mut new = 0;
            match size {
                0 if zeros < 15 => {
                    self.run = Self::end_of_band(bits, zeros);
                    break;
                }
                0 => {}
                1 => new = if bits.take(1) == 1 { 1 << self.shift } else { -1 << self.shift },
                _ => return Err(Slip::Wrong("a refinement of more than one bit")),
            }
            // The new one comes after so many zeros.
            let rest = all & u64::MAX << index;
            let mut free = !nonzero & rest;
            // Mostly there are few: without a branch for each.
            let next = |free: u64| free & free.wrapping_sub(1);
            let few = [free, next(free), next(next(free)), next(next(next(free)))];
            free = few.get(usize::from(zeros & 3)).copied().unwrap_or(0);
            for _ in 0..zeros >> 2 {
                free = next(next(next(next(free))));
            }
            index = if free == 0 { self.to + 1 } else { free.trailing_zeros() };
            let passed = rest & u64::MAX >> (64 - index);
            *bits = correct(*bits, kept.as_mut(), before & passed, self.shift);
            if index > self.to {
                return Err(Slip::PAST_BAND);
            }
            if let (Some(kept), 1) = (kept.as_mut(), size) {
                kept.set(index, new);
            }
            nonzero |= u64::from(size) << index;
            index += 1;
        }
        if self.run > 0 {
            self.run -= 1;
            *bits = correct(*bits, kept.as_mut(), before & band(index, self.to), self.shift);
        }
        Ok(nonzero)
    }
}

/// Coefficients that are there already have a bit each.
#[allow(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn correct<'b>(mut bits: Bits<'b>, kept: Option<&mut Block<'_>>, there: u64, shift: u8) -> Bits<'b> {
    let Some(kept) = kept else {
        bits.pass_over(there.count_ones());
        return bits;
    };
    let heard = there & band(0, kept.last());
    let mut left = heard;
    while left != 0 {
        bits.refill();
        let count = left.count_ones().min(32);
        let mut more = bits.take(count) << (32 - count);
        for _ in 0..count {
            kept.enlarge(left.trailing_zeros(), more >> 31 == 1, shift);
            left &= left - 1;
            more <<= 1;
        }
    }
    bits.pass_over((there & !heard).count_ones());
    bits
}

/// The bits of the coefficients from one index to another, both included.
const fn band(from: u32, to: u32) -> u64 {
    if from > to { 0 } else { u64::MAX << from & u64::MAX >> (63 - to) }
}
