//! Syntax elements in arithmetic coding (H.264 9.3).

use super::super::coding::engine::{Engine, State};
use super::coding::{Coding, Patterns, Residue, Stop, Walk};
use super::slice::Kind;
use super::tables::{CONTEXTS, LAST_8X8, RESIDUALS, SIGNIFICANT_8X8, states};

/// First contexts (table 9-34).
mod ctx {
    pub(super) const TYPE_I: usize = 3;
    pub(super) const SKIP_P: usize = 11;
    pub(super) const TYPE_P: usize = 14;
    pub(super) const INTRA_IN_P: usize = 17;
    pub(super) const SUB_P: usize = 21;
    pub(super) const SKIP_B: usize = 24;
    pub(super) const TYPE_B: usize = 27;
    pub(super) const INTRA_IN_B: usize = 32;
    pub(super) const SUB_B: usize = 36;
    pub(super) const SUB_B_REST: usize = 39;
    pub(super) const MVD: [usize; 2] = [40, 47];
    pub(super) const REFERENCE: usize = 54;
    pub(super) const QP_DELTA: usize = 60;
    pub(super) const CHROMA_MODE: usize = 64;
    pub(super) const PREDICTED: usize = 68;
    pub(super) const MODE: usize = 69;
    pub(super) const FIELD: usize = 70;
    pub(super) const LUMA_PATTERN: usize = 73;
    pub(super) const CHROMA_PATTERN: usize = 77;
    pub(super) const TRANSFORM: usize = 399;
}

/// The arithmetic decoder of one slice.
pub(super) struct Cabac<'b> {
    bytes: &'b [u8],
    engine: Engine<'b>,
    states: [State; CONTEXTS],
}

impl<'b> Cabac<'b> {
    /// Begins at the byte `from`.
    pub(super) fn new(bytes: &'b [u8], from: usize, probabilities: usize, qp: i32) -> Self {
        Self { bytes, engine: Engine::new(bytes, from), states: states(probabilities, qp) }
    }

    #[inline]
    fn bin(&mut self, index: usize) -> bool {
        self.states.get_mut(index).is_some_and(|state| self.engine.bin(state))
    }

    #[inline]
    fn bit(&mut self, index: usize) -> u32 {
        u32::from(self.bin(index))
    }

    /// Unary, up to `most`.
    fn unary(&mut self, index: usize, most: u32) -> u32 {
        let mut value = 0;
        while value < most && self.bin(index) {
            value += 1;
        }
        value
    }

    /// Types of intra macroblocks, from `I_NxN` (0) to `I_PCM` (25); the first bin is read, `at` has the others.
    fn intra_type(&mut self, at: usize, in_intra_slice: bool) -> u32 {
        if self.engine.terminate() {
            return 25;
        }
        let step = usize::from(in_intra_slice);
        let mut kind = 1 + 12 * self.bit(at);
        if self.bin(at + 1) {
            kind += 4 + 4 * self.bit(at + 1 + step);
        }
        kind += 2 * self.bit(at + 2 + step);
        kind + self.bit(at + 2 + 2 * step)
    }

    fn type_p(&mut self) -> u32 {
        if self.bin(ctx::TYPE_P) {
            if !self.bin(ctx::INTRA_IN_P) {
                return 5;
            }
            return 5 + self.intra_type(ctx::INTRA_IN_P + 1, false);
        }
        if self.bin(ctx::TYPE_P + 1) { 2 - self.bit(ctx::TYPE_P + 3) } else { 3 * self.bit(ctx::TYPE_P + 2) }
    }

    fn type_b(&mut self, increment: usize) -> u32 {
        const REST: usize = ctx::TYPE_B + 5;
        if !self.bin(ctx::TYPE_B + increment) {
            return 0;
        }
        if !self.bin(ctx::TYPE_B + 3) {
            return 1 + self.bit(REST);
        }
        let mut bits = self.bit(ctx::TYPE_B + 4);
        for _ in 0..3 {
            bits = bits << 1 | self.bit(REST);
        }
        match bits {
            0..8 => bits + 3,
            13 => {
                if !self.bin(ctx::INTRA_IN_B) {
                    return 23;
                }
                23 + self.intra_type(ctx::INTRA_IN_B + 1, false)
            }
            14 => 11,
            15 => 22,
            _ => (bits << 1 | self.bit(REST)) - 4,
        }
    }

    /// Which coefficients are there (7.3.5.3.3), and how large they are; gives how many.
    fn coefficients(&mut self, block: &Residue) -> Walk<u32> {
        let Some(contexts) = RESIDUALS.get(block.category) else { return Ok(0) };
        let field = usize::from(block.field);
        let (significant, last) = (contexts.significant.get(field), contexts.last.get(field));
        let (Some(&significant), Some(&last)) = (significant, last) else { return Ok(0) };
        // In registers, as long as it takes.
        let mut engine = self.engine.clone();
        let count = {
            let (before, behind) = self.states.split_at_mut(last);
            let significant = before.get_mut(significant..).unwrap_or_default();
            match SIGNIFICANT_8X8.get(field).filter(|_| block.most == 64) {
                Some(increments) => significance(&mut engine, significant, behind, block.most, |index| {
                    (increments.get(index).copied().unwrap_or(0), LAST_8X8.get(index).copied().unwrap_or(0))
                }),
                None if block.category == CHROMA_DC => {
                    let most = u8::try_from(block.most).unwrap_or(4);
                    significance(&mut engine, significant, behind, block.most, |index| {
                        let place = u8::try_from(index).map_or(2, |index| (index * 4 / most).min(2));
                        (place, place)
                    })
                }
                None => significance(&mut engine, significant, behind, block.most, |index| {
                    let place = u8::try_from(index).unwrap_or(15);
                    (place, place)
                }),
            }
        };
        let most = if block.category == CHROMA_DC { 3 } else { 4 };
        let outcome = match self.states.get_mut(contexts.level..).and_then(<[State]>::first_chunk_mut) {
            Some(states) => levels(&mut engine, states, count, most),
            None => Ok(()),
        };
        self.engine = engine;
        outcome.map(|()| count)
    }
}

/// Exponential Golomb code of bypass bins (9.3.2.5).
fn golomb(engine: &mut Engine<'_>, order: u32) -> Walk<u32> {
    let mut order = order;
    let mut value = 0u32;
    while engine.bypass() {
        value += 1 << order;
        order += 1;
        if order > 20 {
            return Err(Stop("a number that is larger than it can be"));
        }
    }
    Ok(value + engine.bypasses(order))
}

/// How many of `most` coefficients are there. `contexts` gives their contexts by the place of a coefficient.
#[inline]
fn significance(
    engine: &mut Engine<'_>,
    significant: &mut [State],
    last: &mut [State],
    most: usize,
    contexts: impl Fn(usize) -> (u8, u8),
) -> u32 {
    let significant = significant.first_chunk_mut::<PLACES>();
    let (Some(significant), Some(last)) = (significant, last.first_chunk_mut::<PLACES>()) else { return 0 };
    let mut count = 0;
    for index in 0..most - 1 {
        let (one, two) = contexts(index);
        let slots = (significant.get_mut(usize::from(one)), last.get_mut(usize::from(two)));
        let (Some(significant), Some(last)) = slots else { break };
        if engine.bin(significant) {
            count += 1;
            if engine.bin(last) {
                return count;
            }
        }
    }
    count + 1
}

/// `coeff_abs_level_minus1` and the sign of so many coefficients; `most` limits the contexts of large ones.
#[inline]
fn levels(engine: &mut Engine<'_>, states: &mut [State; 10], count: u32, most: usize) -> Walk<()> {
    let (small, large) = states.split_at_mut(5);
    let (mut ones, mut larger) = (1, 0);
    for _ in 0..count {
        let first = if larger == 0 { ones } else { 0 };
        let Some(slot) = small.get_mut(first) else { break };
        if engine.bin(slot) {
            let Some(slot) = large.get_mut(larger.min(most)) else { break };
            let mut rest = 0;
            while rest < 13 && engine.bin(slot) {
                rest += 1;
            }
            if rest == 13 {
                golomb(engine, 0)?;
            }
            larger += 1;
        } else {
            ones = (ones + 1).min(4);
        }
        engine.bypass();
    }
    Ok(())
}

const CHROMA_DC: usize = 3;
/// A block's coefficients have no more contexts for each flag.
const PLACES: usize = 15;

impl Coding for Cabac<'_> {
    fn position(&self) -> usize {
        self.engine.position()
    }

    fn check(&self) -> Walk<()> {
        if self.engine.is_behind_end() {
            Err(Stop("the slice's data ends inside a macroblock"))
        } else {
            Ok(())
        }
    }

    fn skip_flag(&mut self, kind: Kind, increment: usize) -> bool {
        self.bin(increment + if kind == Kind::B { ctx::SKIP_B } else { ctx::SKIP_P })
    }

    fn field_flag(&mut self, increment: usize) -> Walk<bool> {
        Ok(self.bin(ctx::FIELD + increment))
    }

    fn block_type(&mut self, kind: Kind, increment: usize) -> Walk<u32> {
        Ok(match kind {
            Kind::P => self.type_p(),
            Kind::B => self.type_b(increment),
            Kind::I if self.bin(ctx::TYPE_I + increment) => self.intra_type(ctx::TYPE_I + 3, true),
            Kind::I => 0,
        })
    }

    fn sub_type(&mut self, kind: Kind) -> Walk<u32> {
        if kind == Kind::P {
            return Ok(if self.bin(ctx::SUB_P) {
                0
            } else if !self.bin(ctx::SUB_P + 1) {
                1
            } else if self.bin(ctx::SUB_P + 2) {
                2
            } else {
                3
            });
        }
        if !self.bin(ctx::SUB_B) {
            return Ok(0);
        }
        if !self.bin(ctx::SUB_B + 1) {
            return Ok(1 + self.bit(ctx::SUB_B_REST));
        }
        let mut kind = 3;
        if self.bin(ctx::SUB_B + 2) {
            if self.bin(ctx::SUB_B_REST) {
                return Ok(11 + self.bit(ctx::SUB_B_REST));
            }
            kind += 4;
        }
        kind += 2 * self.bit(ctx::SUB_B_REST);
        Ok(kind + self.bit(ctx::SUB_B_REST))
    }

    fn transform_flag(&mut self, increment: usize) -> Walk<bool> {
        Ok(self.bin(ctx::TRANSFORM + increment))
    }

    fn intra_mode(&mut self) -> Walk<()> {
        if !self.bin(ctx::PREDICTED) {
            for _ in 0..3 {
                self.bin(ctx::MODE);
            }
        }
        Ok(())
    }

    fn chroma_mode(&mut self, increment: usize) -> Walk<u32> {
        if !self.bin(ctx::CHROMA_MODE + increment) {
            return Ok(0);
        }
        Ok(1 + self.unary(ctx::CHROMA_MODE + 3, 2))
    }

    fn reference(&mut self, count: u32, increment: usize) -> Walk<u32> {
        let (mut value, mut context) = (0, increment);
        while self.bin(ctx::REFERENCE + context) {
            value += 1;
            context = (context >> 2) + 4;
            if value >= count {
                return Err(Stop("a reference that is not in the list"));
            }
        }
        Ok(value)
    }

    fn motion(&mut self, component: usize, sum: u32) -> Walk<u32> {
        let base = ctx::MVD.get(component).copied().unwrap_or(0);
        if !self.bin(base + usize::from(sum > 2) + usize::from(sum > 32)) {
            return Ok(0);
        }
        let (mut value, mut context) = (1, base + 3);
        while value < 9 && self.bin(context) {
            context += usize::from(value < 4);
            value += 1;
        }
        if value >= 9 {
            value += golomb(&mut self.engine, 3)?;
        }
        self.engine.bypass();
        Ok(value)
    }

    fn pattern(&mut self, around: Patterns) -> Walk<u8> {
        let mut luma = 0u8;
        for block in 0..4u8 {
            let beside =
                if block & 1 == 1 { luma >> (block - 1) & 1 } else { around.left >> (block + 1) & 1 };
            let above =
                if block & 2 == 2 { luma >> (block - 2) & 1 } else { around.above >> (block + 2) & 1 };
            let context = ctx::LUMA_PATTERN + usize::from(beside == 0) + 2 * usize::from(above == 0);
            luma |= u8::from(self.bin(context)) << block;
        }
        if !around.has_chroma {
            return Ok(luma);
        }
        let (left, above) = (around.left_chroma, around.above_chroma);
        let context = ctx::CHROMA_PATTERN;
        if !self.bin(context + usize::from(left != 0) + 2 * usize::from(above != 0)) {
            return Ok(luma);
        }
        let both = self.bin(context + 4 + usize::from(left == 2) + 2 * usize::from(above == 2));
        Ok(luma | if both { 0x20 } else { 0x10 })
    }

    fn qp_delta(&mut self, changed_before: bool) -> Walk<i32> {
        const MOST: i32 = 2 * 88;
        let mut value = 0;
        let mut context = usize::from(changed_before);
        while self.bin(ctx::QP_DELTA + context) {
            context = 2 + (context >> 1);
            value += 1;
            if value > MOST {
                return Err(Stop("quantisation changes by more than it can"));
            }
        }
        Ok(if value & 1 == 1 { (value + 1) / 2 } else { -(value / 2) })
    }

    fn residue(&mut self, block: &Residue) -> Walk<u8> {
        if block.has_flag {
            let is_coded = |count: Option<u8>| count.map_or(block.intra, |count| count != 0);
            let increment = usize::from(is_coded(block.left)) + 2 * usize::from(is_coded(block.above));
            let coded = RESIDUALS.get(block.category).map_or(0, |contexts| contexts.coded);
            if !self.bin(coded + increment) {
                return Ok(0);
            }
        }
        let count = self.coefficients(block)?;
        Ok(u8::try_from(count).unwrap_or(64))
    }

    fn samples(&mut self, bits: usize) -> Walk<()> {
        let from = self.engine.position().div_ceil(8);
        self.engine.start(from.saturating_add(bits.div_ceil(8)));
        self.check()
    }

    fn ends(&mut self) -> Walk<bool> {
        if !self.engine.terminate() {
            return Ok(false);
        }
        let end = self.engine.stopped_end().ok_or(Stop("the slice ends without a stop bit"))?;
        if self.bytes.get(end..).unwrap_or_default().iter().any(|&byte| byte != 0) {
            return Err(Stop("bytes are left behind the slice's last macroblock"));
        }
        Ok(true)
    }
}
