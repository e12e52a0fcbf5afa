//! Blocks of sequential pictures (ITU-T T.81 F.2.2): DC and all AC coefficients together.

use super::bits::{Bits, magnitude};
use super::geometry::Layout;
use super::levels::saturated;
use super::part::Part;
use super::samples::ZIGZAG;
use super::stretch::Stretches;
use super::tables::{Coefficient, Coefficients};
use super::trail::Trail;
use super::{Coding, Slip};

/// A scan of one or more components.
pub struct Sequential<'t> {
    pub parts: Vec<Part<'t>>,
    pub trail: Trail,
    /// The fast way over many units.
    stretches: Option<Stretches<'t>>,
    /// So many units are to be followed one by one.
    apart: usize,
}

impl<'t> Sequential<'t> {
    pub fn new(parts: Vec<Part<'t>>, layout: Layout) -> Self {
        let stretches = Stretches::new(&parts);
        Self { parts, trail: Trail::new(layout), stretches, apart: 0 }
    }
}

impl Coding for Sequential<'_> {
    const TELLING: bool = true;

    fn restart(&mut self) -> Result<(), Slip> {
        for part in &mut self.parts {
            part.last = 0;
        }
        Ok(())
    }

    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        self.unit_into(bits, &mut [])
    }

    fn units(&mut self, bits: &mut Bits<'_>, most: usize) -> Result<usize, (usize, Slip)> {
        let units = self.trail.left_in_row().min(most);
        if self.apart == 0
            && let Some(stretches) = &mut self.stretches
        {
            self.trail.begin_units(units, bits, &self.parts);
            if let Some(behind) = stretches.follow(bits, &mut self.parts, units) {
                *bits = behind;
                return Ok(units);
            }
            self.trail.take_back(units);
            self.apart = units;
        }
        self.apart = self.apart.saturating_sub(1);
        self.unit(bits).map(|()| 1).map_err(|slip| (0, slip))
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

impl Sequential<'_> {
    /// Follows one unit and writes its coefficients down, in natural order: into blocks that come zeroed. Whoever brings fewer than there
    /// are does not look at the others.
    #[allow(clippy::inline_always, reason = "a part of the loop over all units")]
    #[inline(always)]
    pub fn unit_into(&mut self, shared: &mut Bits<'_>, blocks: &mut [[i16; 64]]) -> Result<(), Slip> {
        self.trail.begin_units(1, shared, &self.parts);
        // A copy of its own, which stays in registers.
        let (mut bits, mut blocks) = (*shared, blocks.iter_mut());
        bits.top_up();
        // A closure would take the bits out of those.
        let result = 'unit: {
            for part in &mut self.parts {
                let (mut top, mut bottom) = (0, 0);
                for number in 0..part.blocks {
                    let mut spare;
                    let block = if let Some(block) = blocks.next() {
                        block
                    } else {
                        spare = [0; 64];
                        &mut spare
                    };
                    if let Err(slip) = part.block_into(&mut bits, block) {
                        break 'unit Err(slip);
                    }
                    if number < part.columns {
                        top += part.last;
                    }
                    if number + part.columns >= part.blocks {
                        bottom += part.last;
                    }
                }
                part.levels.push((top, bottom));
            }
            Ok(())
        };
        *shared = bits;
        result
    }
}

impl Part<'_> {
    // What follows looks at the next bits before it fetches more, so that nothing waits for those. There are always enough for a look,
    // which is 12 bits at most: nothing takes more than 44 of the 56 and more that there are after each time.

    /// Follows the codes of a block and writes its coefficients down.
    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    fn block_into(&mut self, bits: &mut Bits<'_>, block: &mut [i16; 64]) -> Result<(), Slip> {
        let mut last = self.last;
        let loud = self.coefficients(bits, &mut last, &ZIGZAG, block);
        self.last = last;
        if loud? { self.possible(block) } else { Ok(()) }
    }

    /// Follows the codes of a block and writes its coefficients down: into a block that comes zeroed, each of them, counted in zig-zag
    /// order, at its own of these places. Tells whether one is so large that the samples are worth a look.
    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    pub fn coefficients<const N: usize>(
        &self,
        bits: &mut Bits<'_>,
        last: &mut i32,
        places: &[u8; 64],
        block: &mut [i16; N],
    ) -> Result<bool, Slip> {
        self.dc(bits, last)?;
        put(block, places, 0, saturated(*last));
        let values = self.values.get_or_init(|| Coefficients::new(self.ac, self.range.fast_size));
        let (mut index, mut loud) = (1u32, false);
        while index < 64 {
            let next = values.next(bits);
            bits.top_up();
            if write(next, (block, places), bits, &mut index) {
                // There are enough for one more.
                let _ = index < 64 && write(values.next(bits), (block, places), bits, &mut index);
                continue;
            }
            let coefficient = self.coefficient(*bits, index)?;
            *bits = coefficient.bits;
            if coefficient.next <= 64 && coefficient.value != 0 {
                put(block, places, coefficient.next - 1, coefficient.value);
            }
            index = coefficient.next;
            loud |= coefficient.loud;
        }
        Ok(loud)
    }

    /// Reads the DC coefficient.
    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    fn dc(&self, bits: &mut Bits<'_>, last: &mut i32) -> Result<(), Slip> {
        let (difference, taken) = self.differences.next(bits);
        bits.top_up();
        if taken > 0 {
            bits.skip(taken);
            self.range.add_dc(last, difference, 0)
        } else {
            // A copy, since the call would keep the bits out of registers.
            let mut own = *bits;
            let read = self.range.read_dc(&mut own, self.dc, last, 0);
            *bits = own;
            read
        }
    }

    /// A DC difference, whatever it is, and the bits behind it.
    #[inline(never)]
    pub fn difference<'b>(&self, mut bits: Bits<'b>) -> Option<(i32, Bits<'b>)> {
        let difference = self.range.read_difference(&mut bits, self.dc).ok()?;
        bits.top_up();
        Some((difference, bits))
    }

    /// One symbol and its value, whatever they are.
    #[inline(never)]
    pub fn coefficient<'b>(&self, mut bits: Bits<'b>, index: u32) -> Result<One<'b>, Slip> {
        let symbol = self.ac.symbol(&mut bits)?;
        let (zeros, size) = (u32::from(symbol >> 4), symbol & 15);
        let nothing = |next| Ok(One { bits, next, value: 0, loud: false });
        match symbol {
            0x00 => return nothing(64),
            0xF0 if index + 16 <= 64 => return nothing(index + 16),
            0xF0 => return Err(Slip::PAST_BLOCK),
            _ if size == 0 => return Err(Slip::Wrong("a code that sequential pictures do not have")),
            _ => {}
        }
        let index = index + zeros;
        if index > 63 {
            return Err(Slip::PAST_BLOCK);
        }
        let value = saturated(magnitude(bits.peek(size.into()), size.into()));
        let loud = self.range.read_ac(&mut bits, index, size, 0)?;
        Ok(One { bits, next: index + 1, value, loud })
    }

    /// Goes once more through a block whose codes are right, for its samples. The DC coefficient of the block before was `last`.
    #[cold]
    pub fn samples(&self, mut bits: Bits<'_>, mut last: i32) -> Result<(), Slip> {
        let mut block = [0; 64];
        bits.top_up();
        self.coefficients(&mut bits, &mut last, &ZIGZAG, &mut block)?;
        self.possible(&block)
    }

    fn possible(&self, block: &[i16; 64]) -> Result<(), Slip> {
        if self.range.possible(block) { Ok(()) } else { Err(Slip::Wrong("samples out of range")) }
    }
}

/// What one symbol of a block said.
pub struct One<'b> {
    /// The bits behind it.
    pub bits: Bits<'b>,
    /// Index of the coefficient behind it, 64 at the end of the block.
    pub next: u32,
    /// The coefficient before that one, or 0.
    pub value: i16,
    /// It is so large that the samples of the block are worth a look.
    pub loud: bool,
}

/// Writes down what one look-up tells, if it is enough; 64 is behind the end of the block.
#[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
#[inline(always)]
fn write<const N: usize>(
    next: Coefficient,
    (block, places): (&mut [i16; N], &[u8; 64]),
    bits: &mut Bits<'_>,
    index: &mut u32,
) -> bool {
    let at = *index + u32::from(next.zeros);
    if next.bits == 0 || at >= 64 {
        let ends = next.ends();
        if ends {
            bits.skip(next.bits.into());
            *index = 64;
        }
        return ends;
    }
    put(block, places, at, next.value);
    let second = at + 1 + u32::from(next.between);
    if second < 64 {
        // Where none is known, a zero over a zero.
        put(block, places, second, next.second);
        bits.skip(next.both.into());
        *index = second + u32::from(next.second != 0);
    } else if next.ends_then() && at < 63 {
        bits.skip(next.both.into());
        *index = 64;
    } else {
        bits.skip(next.bits.into());
        *index = at + 1;
    }
    true
}

#[inline]
fn put<const N: usize>(block: &mut [i16; N], places: &[u8; 64], at: u32, value: i16) {
    // The remainders spare checks: `at` is below 64, and places are below N.
    let place = places.get(at as usize % 64).and_then(|&place| block.get_mut(usize::from(place) % N));
    if let Some(place) = place {
        *place = value;
    }
}

#[cfg(test)]
mod tests;
