//! Blocks of sequential pictures (ITU-T T.81 F.2.2): DC and all AC coefficients together.

use super::bits::{Bits, magnitude};
use super::part::Part;
use super::samples::ZIGZAG;
use super::tables::{Coefficient, Run, saturated};
use super::trail::Trail;
use super::{Coding, Slip};

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
        self.follow(bits, Passing)
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
    /// Follows one unit and writes its coefficients down: into blocks that come zeroed, in natural order.
    #[allow(clippy::inline_always, reason = "a part of the loop over all units")]
    #[inline(always)]
    pub fn unit_into(&mut self, bits: &mut Bits<'_>, blocks: &mut [[i16; 64]]) -> Result<(), Slip> {
        self.follow(bits, Writing(blocks.iter_mut()))
    }

    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn follow<F: Follow>(&mut self, shared: &mut Bits<'_>, mut way: F) -> Result<(), Slip> {
        self.trail.begin_unit(shared, &self.parts);
        // A copy of its own, which stays in registers.
        let mut bits = *shared;
        bits.top_up();
        let result = match self.parts.as_mut_slice() {
            // The usual 4:2:0.
            [y, cb, cr] if F::SHORT && [y.blocks, y.columns, cb.blocks, cr.blocks] == [4, 2, 1, 1] => way
                .four(y, &mut bits)
                .and_then(|()| way.one(cb, &mut bits))
                .and_then(|()| way.one(cr, &mut bits)),
            parts => parts.iter_mut().try_for_each(|part| way.some(part, &mut bits)),
        };
        *shared = bits;
        result
    }
}

/// What is done with each block.
trait Follow {
    /// It is so short that units are written out. The ends of loops over blocks could not be foreseen, among so many branches that
    /// depend on the data.
    const SHORT: bool;

    fn block(&mut self, part: &mut Part<'_>, bits: &mut Bits<'_>) -> Result<(), Slip>;

    /// The blocks of one part of a unit, and their levels.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn some(&mut self, part: &mut Part<'_>, bits: &mut Bits<'_>) -> Result<(), Slip> {
        let (mut top, mut bottom) = (0, 0);
        for number in 0..part.blocks {
            self.block(part, bits)?;
            if number < part.columns {
                top += part.last;
            }
            if number + part.columns >= part.blocks {
                bottom += part.last;
            }
        }
        part.levels.push((top, bottom));
        Ok(())
    }

    /// The same for a single one.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn one(&mut self, part: &mut Part<'_>, bits: &mut Bits<'_>) -> Result<(), Slip> {
        self.block(part, bits)?;
        part.levels.push((part.last, part.last));
        Ok(())
    }

    /// The same for two rows of two.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn four(&mut self, part: &mut Part<'_>, bits: &mut Bits<'_>) -> Result<(), Slip> {
        self.block(part, bits)?;
        let mut top = part.last;
        self.block(part, bits)?;
        top += part.last;
        self.block(part, bits)?;
        let mut bottom = part.last;
        self.block(part, bits)?;
        bottom += part.last;
        part.levels.push((top, bottom));
        Ok(())
    }
}

/// Its codes are passed over.
struct Passing;

impl Follow for Passing {
    const SHORT: bool = true;

    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn block(&mut self, part: &mut Part<'_>, bits: &mut Bits<'_>) -> Result<(), Slip> {
        let before = bits.mark();
        if part.codes(bits)? { part.samples(bits.back_to(before)) } else { Ok(()) }
    }
}

/// Its coefficients are written down.
struct Writing<'a>(std::slice::IterMut<'a, [i16; 64]>);

impl Follow for Writing<'_> {
    const SHORT: bool = false;

    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn block(&mut self, part: &mut Part<'_>, bits: &mut Bits<'_>) -> Result<(), Slip> {
        // Whoever asks for fewer blocks than there are does not look at them.
        self.0.next().map_or(Ok(()), |block| part.block_into(bits, block))
    }
}

impl Part<'_> {
    // What follows looks at the next bits before it fetches more, so that nothing waits for those. There are always enough for a look,
    // which is 12 bits at most: nothing takes more than 44 of the 56 and more that there are after each time.

    /// Follows the codes of a block and writes its coefficients down.
    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    fn block_into(&mut self, bits: &mut Bits<'_>, block: &mut [i16; 64]) -> Result<(), Slip> {
        let before = bits.mark();
        self.dc(bits)?;
        let [dc, ..] = block;
        *dc = saturated(self.last);
        let (mut index, mut loud) = (1u32, false);
        while index < 64 {
            let next = self.coefficients.next(bits);
            bits.top_up();
            if write(next, block, bits, &mut index) {
                // There are enough for one more.
                let _ = index < 64 && write(self.coefficients.next(bits), block, bits, &mut index);
                continue;
            }
            let coefficient = self.coefficient(*bits, index)?;
            *bits = coefficient.bits;
            if coefficient.next <= 64 && coefficient.value != 0 {
                put(block, coefficient.next - 1, coefficient.value);
            }
            index = coefficient.next;
            loud |= coefficient.loud;
        }
        if loud { self.samples(bits.back_to(before)) } else { Ok(()) }
    }

    /// Reads the DC coefficient.
    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    fn dc(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip> {
        let (difference, taken) = self.differences.next(bits);
        bits.top_up();
        if taken > 0 {
            bits.skip(taken);
            self.range.add_dc(&mut self.last, difference, 0)
        } else {
            // A copy, since the call would keep the bits out of registers.
            let mut own = *bits;
            let read = self.range.read_dc(&mut own, self.dc, &mut self.last, 0);
            *bits = own;
            read
        }
    }

    /// Follows the codes of a block; tells whether a coefficient is so large that its samples are worth a look.
    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers: a quarter slower")]
    #[inline(always)]
    fn codes(&mut self, bits: &mut Bits<'_>) -> Result<bool, Slip> {
        self.dc(bits)?;
        let (mut index, mut loud) = (1, false);
        while index < 64 {
            let run = self.runs.next(bits);
            bits.top_up();
            // No run takes more than 22 bits: a code that ends in the window, and its number.
            if Self::pass(run, bits, &mut index) {
                let _ = index < 64 && Self::pass(self.runs.next(bits), bits, &mut index);
                continue;
            }
            if let Some((symbol, length)) = self.ac.short(bits) {
                let (at, size) = (index + u32::from(symbol >> 4), symbol & 15);
                if size > 0 && at < 64 && self.range.is_quiet(at as usize, size) {
                    bits.skip(length + u32::from(size));
                    index = at + 1;
                    continue;
                }
            }
            let coefficient = self.coefficient(*bits, index)?;
            *bits = coefficient.bits;
            index = coefficient.next;
            loud |= coefficient.loud;
        }
        Ok(loud)
    }

    /// Passes over some coefficients if one look-up is enough for them; 64 is behind the end of the block.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    const fn pass(run: Run, bits: &mut Bits<'_>, index: &mut u32) -> bool {
        let next = *index + run.passed();
        // What begins behind the last coefficient belongs to the next block; what is not known passes it.
        let passed = next <= 64;
        if passed {
            bits.skip(run.bits());
            *index = if run.ends() { 64 } else { next };
        }
        passed
    }

    /// One symbol and its value, whatever they are.
    #[inline(never)]
    fn coefficient<'b>(&self, mut bits: Bits<'b>, index: u32) -> Result<One<'b>, Slip> {
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

    /// Goes once more through a block whose codes are right, for its values.
    #[cold]
    fn samples(&self, mut bits: Bits<'_>) -> Result<(), Slip> {
        let mut block = self.values(&mut bits)?;
        let [dc, ..] = &mut block;
        *dc = self.last;
        if self.range.possible(&block) { Ok(()) } else { Err(Slip::Wrong("samples out of range")) }
    }

    /// The quantised values of a block in zig-zag order, DC as a difference.
    fn values(&self, bits: &mut Bits<'_>) -> Result<[i32; 64], Slip> {
        let mut block = [0; 64];
        let dc = self.heard(bits, u64::MAX, |index, value| {
            if let Some(place) = block.get_mut(index as usize) {
                *place = value;
            }
        })?;
        let [first, ..] = &mut block;
        *first = dc;
        Ok(block)
    }

    /// Goes once more through a block whose codes are right. Gives the DC difference, and hands over the quantised AC coefficients of
    /// some zig-zag places, a bit each; others may come too.
    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    pub fn heard(
        &self,
        shared: &mut Bits<'_>,
        wanted: u64,
        mut each: impl FnMut(u32, i32),
    ) -> Result<i32, Slip> {
        let mut bits = *shared;
        bits.top_up();
        let (mut dc, taken) = self.differences.next(&bits);
        if taken > 0 {
            bits.skip(taken);
        } else {
            let size = self.dc.symbol(&mut bits)?;
            dc = bits.signed(size.into());
        }
        let mut index = 1;
        while index < 64 {
            bits.top_up();
            if wanted >> index & 1 == 0 {
                let run = self.runs.next(&bits);
                // As many as there are up to the next one that is wanted.
                if index + run.passed() <= 64 && run.passed() <= (wanted >> index).trailing_zeros() {
                    bits.skip(run.bits());
                    index = if run.ends() { 64 } else { index + run.passed() };
                    continue;
                }
            }
            let next = self.coefficients.next(&bits);
            let (zeros, value) = if next.bits > 0 {
                bits.skip(next.bits.into());
                (next.zeros, next.value.into())
            } else {
                let symbol = self.ac.symbol(&mut bits)?;
                (if symbol == 0 { 64 } else { symbol >> 4 }, bits.signed(u32::from(symbol & 15)))
            };
            index += u32::from(zeros);
            if index < 64 {
                each(index, value);
            }
            index += 1;
        }
        *shared = bits;
        Ok(dc)
    }
}

/// What one symbol of a block said.
struct One<'b> {
    /// The bits behind it.
    bits: Bits<'b>,
    /// Index of the coefficient behind it, 64 at the end of the block.
    next: u32,
    /// The coefficient before that one, or 0.
    value: i16,
    /// It is so large that the samples of the block are worth a look.
    loud: bool,
}

/// Writes down what one look-up tells, if it is enough; 64 is behind the end of the block.
#[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
#[inline(always)]
fn write(next: Coefficient, block: &mut [i16; 64], bits: &mut Bits<'_>, index: &mut u32) -> bool {
    let at = *index + u32::from(next.zeros);
    if next.bits == 0 || at >= 64 {
        let ends = next.ends();
        if ends {
            bits.skip(next.bits.into());
            *index = 64;
        }
        return ends;
    }
    put(block, at, next.value);
    let second = at + 1 + u32::from(next.between);
    if second < 64 {
        // Where none is known, a zero over a zero.
        put(block, second, next.second);
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
fn put(block: &mut [i16; 64], at: u32, value: i16) {
    // The masks spare checks: `at` is below 64.
    let place = ZIGZAG.get(at as usize % 64).and_then(|&place| block.get_mut(usize::from(place) % 64));
    if let Some(place) = place {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::super::tables::{Coefficients, Differences, Huffman, Range, Runs};
    use super::*;

    /// Codes of two bits (three), three and four bits for these symbols.
    fn table(symbols: [u8; 5]) -> Box<Huffman> {
        let mut counts = [0; 16];
        counts[1..4].copy_from_slice(&[3, 1, 1]);
        Huffman::new(&counts, &symbols).unwrap()
    }

    #[test]
    fn blocks_are_the_same_one_coefficient_or_two_at_a_time() {
        let dc = table([0, 1, 2, 3, 4]);
        // Blocks that end soon, and blocks that are mostly full, behind which a difference may look like the end of a block.
        for symbols in [[0x01, 0x00, 0x12, 0x21, 0xF0], [0x01, 0x02, 0x01, 0x11, 0x00]] {
            let ac = table(symbols);
            let range = Range::new(Some(&[1; 64]), 8);
            let mut part = Part {
                blocks: 1,
                columns: 1,
                dc: &dc,
                differences: &Differences::new(&dc),
                ac: &ac,
                runs: &Runs::new(&ac, 2),
                coefficients: &Coefficients::new(&ac, 2),
                range: &range,
                last: 0,
                levels: Vec::new(),
            };
            let mut state = 1_u32;
            let data: Vec<u8> = (0..1 << 16)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8 & 0xF7
                })
                .collect();
            let (mut full, mut blocks, mut bits) = (0, 0, Bits::new(&data));
            while bits.place() + 300 < data.len() {
                let (start, mut alone) = (bits, bits);
                let (mut block, mut wanted) = ([0; 64], [0; 64]);
                part.last = 0;
                if part.block_into(&mut bits, &mut block).is_err() {
                    bits = start;
                    bits.refill();
                    bits.skip(1);
                    continue;
                }
                let dc = part.heard(&mut alone, u64::MAX, |at, value| put(&mut wanted, at, saturated(value)));
                put(&mut wanted, 0, saturated(dc.ok().unwrap()));
                assert_eq!(block, wanted, "block {blocks}");
                bits.refill();
                alone.refill();
                assert_eq!((bits.place(), bits.peek(16)), (alone.place(), alone.peek(16)), "block {blocks}");
                full += usize::from(wanted[63] != 0);
                blocks += 1;
            }
            assert!(blocks > 500 && (full > 100) == (symbols[1] != 0), "{full} of {blocks}");
        }
    }
}
