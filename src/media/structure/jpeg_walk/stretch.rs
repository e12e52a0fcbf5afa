//! Stretches of a sequential scan: units of one row that are followed in one go.
//!
//! Nearly all data is sound. Here it is followed with as few questions as possible: the first look-up in a block takes AC coefficients
//! together with the DC difference, and what has to be asked after each unit is asked once, behind the last one. Where something is
//! wrong a stretch is as if it had not been followed: whoever goes through it unit by unit tells what, and where.

use super::bits::Bits;
use super::levels::{Place, saturated};
use super::part::Part;
use super::select::{Job, Select, with_best};
use super::tables::{Begins, Run, Runs};

/// Components in a scan, and blocks in a unit, at most (ITU-T T.81 B.2.3).
const MOST_PARTS: usize = 4;
const MOST_BLOCKS: usize = 10;

/// What it takes to follow stretches.
pub struct Stretches<'t> {
    /// The blocks of a unit in their order.
    blocks: [Block<'t>; MOST_BLOCKS],
    /// How many there are.
    in_unit: usize,
    /// The DC coefficients of a stretch, in the same order.
    dc: Vec<i16>,
}

/// One block of each unit.
#[derive(Clone, Copy)]
struct Block<'t> {
    begins: &'t Begins,
    runs: &'t Runs,
    /// Number of its part.
    part: usize,
    /// Number of the block behind it.
    next: usize,
}

impl<'t> Stretches<'t> {
    /// For these parts, which take turns. `None` for larger units than there may be.
    pub fn new(parts: &[Part<'t>]) -> Option<Self> {
        let first = parts.first()?;
        let in_unit = parts.iter().map(|part| part.blocks).sum();
        if parts.len() > MOST_PARTS || in_unit > MOST_BLOCKS {
            return None;
        }
        let mut blocks = [Block { begins: first.begins, runs: first.runs, part: 0, next: 0 }; MOST_BLOCKS];
        let parts = parts.iter().enumerate().flat_map(|part| std::iter::repeat_n(part, part.1.blocks));
        for ((next, block), (part, Part { begins, runs, .. })) in (1..).zip(&mut blocks).zip(parts) {
            *block = Block { begins, runs, part, next: next % in_unit };
        }
        Some(Self { blocks, in_unit, dc: Vec::new() })
    }

    /// Follows so many units; gives the bits behind them. `None` where not all is as it should be; the parts are as before then.
    pub fn follow<'d>(&mut self, bits: &Bits<'d>, parts: &mut [Part<'_>], units: usize) -> Option<Bits<'d>> {
        self.dc.resize(units * self.in_unit, 0);
        let mut last = [0; MOST_PARTS];
        for (last, part) in last.iter_mut().zip(&*parts) {
            *last = part.last;
        }
        let behind = with_best(Pass { stretches: self, bits, parts, last: &mut last })?;
        // Once that was so it stays so.
        if behind.exhausted() {
            return None;
        }
        let mut first = 0;
        for (part, last) in parts.iter_mut().zip(last) {
            part.last = last;
            let blocks = first..first + part.blocks;
            first = blocks.end;
            part.levels.extend(&self.dc, &Place { in_unit: self.in_unit, blocks, columns: part.columns });
        }
        Some(behind)
    }

    /// Passes over all blocks and notes their DC coefficients.
    #[allow(clippy::inline_always, reason = "else not compiled for the instructions of its caller")]
    #[inline(always)]
    fn pass<'d>(
        &mut self,
        bits: &Bits<'d>,
        parts: &[Part<'_>],
        last: &mut [i32; MOST_PARTS],
    ) -> Option<Bits<'d>> {
        // A copy of its own, which stays in registers.
        let (mut bits, mut number) = (*bits, 0);
        for dc in &mut self.dc {
            let block = self.blocks.get(number)?;
            number = block.next;
            let (part, last) = (parts.get(block.part)?, last.get_mut(block.part)?);
            bits.top_up();
            let (start, before) = (bits.mark(), *last);
            let (mut left, mut loud) = (64, false);
            let begin = block.begins.next(&bits);
            if pass(begin.run, &mut bits, &mut left) {
                *last += i32::from(begin.difference);
            } else {
                let difference;
                // What the call below does, for codes that are short: it would take the bits out of registers.
                if let Some((size, length)) = part.dc.short(&bits)
                    && part.range.has_dc_size(size)
                {
                    bits.skip(length);
                    difference = bits.signed(size.into());
                } else {
                    (difference, bits) = part.difference(bits)?;
                }
                *last += difference;
                left = 63;
            }
            if !part.range.has_dc(*last) {
                return None;
            }
            *dc = saturated(*last);
            while left > 0 {
                let run = block.runs.next(&bits);
                bits.top_up();
                if pass(run, &mut bits, &mut left) {
                    // No run takes more than 22 bits: there are enough for one more.
                    let _ = left > 0 && pass(block.runs.next(&bits), &mut bits, &mut left);
                    continue;
                }
                if let Some((symbol, length)) = part.ac.short(&bits) {
                    let (at, size) = (64 - left + u32::from(symbol >> 4), symbol & 15);
                    if size > 0 && at < 64 && part.range.is_quiet(at as usize, size) {
                        bits.skip(length + u32::from(size));
                        left = 63 - at;
                        continue;
                    }
                }
                let coefficient = part.coefficient(bits, 64 - left).ok()?;
                bits = coefficient.bits;
                left = 64 - coefficient.next;
                loud |= coefficient.loud;
            }
            if loud {
                part.samples(bits.back_to(start), before).ok()?;
            }
        }
        Some(bits)
    }
}

/// What [`Stretches::pass`] does, in the instructions that suit the processor at hand: it shifts by numbers that it has just read.
struct Pass<'p, 's, 't, 'd> {
    stretches: &'p mut Stretches<'s>,
    bits: &'p Bits<'d>,
    parts: &'p [Part<'t>],
    last: &'p mut [i32; MOST_PARTS],
}

impl<'d> Job for Pass<'_, '_, '_, 'd> {
    type Answer = Option<Bits<'d>>;

    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn run(self, _: impl Select) -> Option<Bits<'d>> {
        self.stretches.pass(self.bits, self.parts, self.last)
    }
}

/// Passes over some coefficients of those that are left in a block, if one look-up is enough for them.
#[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
#[inline(always)]
const fn pass(run: Run, bits: &mut Bits<'_>, left: &mut u32) -> bool {
    // What begins behind the last coefficient belongs to the next block; what is not known passes it.
    let passed = run.passed() <= *left;
    if passed {
        bits.skip(run.bits());
        *left = if run.ends() { 0 } else { *left - run.passed() };
    }
    passed
}
