//! Syntax elements in codes of variable length (H.264 9.1 and 9.2).

use super::super::coding::bits::Bits;
use super::coding::{Coding, Patterns, Residue, Stop, Walk};
use super::params::last_bit;
use super::slice::Kind;
use super::tables::PATTERNS;
use super::vlc::{
    COEFF_TOKEN, COEFF_TOKEN_DC, RUN_BEFORE, TOTAL_ZEROS, TOTAL_ZEROS_420, TOTAL_ZEROS_422, Vlc,
};

const CUT: Stop = Stop("the slice's data ends inside a macroblock");
const CHROMA_DC: usize = 3;

/// The bits of one slice.
pub(super) struct Cavlc<'b> {
    bits: Bits<'b>,
    /// Where the stop bit is.
    stop: usize,
    /// What is left of `mb_skip_run`; `None`: the next one is to be read.
    run: Option<u32>,
}

impl<'b> Cavlc<'b> {
    /// Begins at the bit `from`. `None`: there is no stop bit.
    pub(super) fn new(rbsp: &'b [u8], from: usize) -> Option<Self> {
        let mut bits = Bits::new(rbsp, 0);
        bits.skip(from)?;
        Some(Self { bits, stop: last_bit(rbsp)?, run: None })
    }

    fn number(&mut self, most: u32, what: &'static str) -> Walk<u32> {
        self.bits.ue_to(most).ok_or(Stop(what))
    }

    /// `coeff_token` (9.2.1): coefficients, and how many of the last are 1 or -1.
    fn token(&mut self, block: &Residue) -> Walk<(usize, usize)> {
        const WRONG: Stop = Stop("a code that does not exist");
        let read = |table: Option<&Vlc>, bits: &mut Bits<'b>| table.and_then(|table| table.read(bits));
        let value = if block.category == CHROMA_DC {
            read(COEFF_TOKEN_DC.get(usize::from(block.most == 8)), &mut self.bits)
        } else {
            let expected = match (block.left, block.above) {
                (Some(left), Some(above)) => (left + above).div_ceil(2),
                (left, above) => left.or(above).unwrap_or(0),
            };
            match expected {
                0..2 => read(COEFF_TOKEN.first(), &mut self.bits),
                2..4 => read(COEFF_TOKEN.get(1), &mut self.bits),
                4..8 => read(COEFF_TOKEN.get(2), &mut self.bits),
                // Six bits: one less than the coefficients, and the trailing ones; 3 stands for no coefficient.
                _ => self.bits.number(6).map(|code| if code == 3 { 0 } else { code as usize + 4 }),
            }
        };
        let value = value.ok_or(WRONG)?;
        let (count, ones) = (value / 4, value % 4);
        if count > block.most || ones > count { Err(WRONG) } else { Ok((count, ones)) }
    }

    /// Levels (9.2.2).
    fn levels(&mut self, count: usize, ones: usize) -> Walk<()> {
        self.bits.skip(ones).ok_or(CUT)?;
        let mut suffix_len = u32::from(count > 10 && ones < 3);
        for index in ones..count {
            let prefix = self.bits.peek().leading_zeros();
            // 15 for 8 bits; deeper samples and lossless blocks need more.
            if prefix > 25 {
                return Err(Stop("a number that is larger than it can be"));
            }
            self.bits.skip(prefix as usize + 1).ok_or(CUT)?;
            let size = match prefix {
                14 if suffix_len == 0 => 4,
                15.. => prefix - 3,
                _ => suffix_len,
            };
            let suffix = self.bits.number(size).ok_or(CUT)?;
            let mut code = (prefix.min(15) << suffix_len) + suffix;
            if prefix >= 15 && suffix_len == 0 {
                code += 15;
            }
            if prefix >= 16 {
                code += (1 << (prefix - 3)) - 4096;
            }
            if index == ones && ones < 3 {
                code += 2;
            }
            let magnitude = (code + 2) >> 1;
            suffix_len = suffix_len.max(1);
            if magnitude > 3 << (suffix_len - 1) && suffix_len < 6 {
                suffix_len += 1;
            }
        }
        Ok(())
    }

    /// `total_zeros` and `run_before` (9.2.3).
    fn runs(&mut self, block: &Residue, count: usize) -> Walk<()> {
        const WRONG: Stop = Stop("more zeros than the block has room for");
        if count == block.most {
            return Ok(());
        }
        let table = match (block.category, block.most) {
            (CHROMA_DC, 4) => TOTAL_ZEROS_420.get(count - 1),
            (CHROMA_DC, _) => TOTAL_ZEROS_422.get(count - 1),
            _ => TOTAL_ZEROS.get(count - 1),
        };
        let mut zeros = table.and_then(|table| table.read(&mut self.bits)).ok_or(WRONG)?;
        if zeros > block.most - count {
            return Err(WRONG);
        }
        for _ in 1..count {
            if zeros == 0 {
                break;
            }
            let run = RUN_BEFORE.get(zeros.min(7) - 1).and_then(|table| table.read(&mut self.bits));
            zeros = run.and_then(|run| zeros.checked_sub(run)).ok_or(WRONG)?;
        }
        Ok(())
    }
}

impl Coding for Cavlc<'_> {
    fn position(&self) -> usize {
        self.bits.position()
    }

    fn check(&self) -> Walk<()> {
        if self.bits.position() > self.stop { Err(CUT) } else { Ok(()) }
    }

    fn skip_flag(&mut self, _: Kind, _: usize) -> bool {
        let run = self.run.take().or_else(|| self.bits.ue()).unwrap_or(0);
        self.run = run.checked_sub(1);
        run > 0
    }

    fn field_flag(&mut self, _: usize) -> Walk<bool> {
        self.bits.flag().ok_or(CUT)
    }

    fn block_type(&mut self, kind: Kind, _: usize) -> Walk<u32> {
        let most = match kind {
            Kind::P => 30,
            Kind::B => 48,
            Kind::I => 25,
        };
        self.number(most, "a type of macroblock that does not exist")
    }

    fn sub_type(&mut self, kind: Kind) -> Walk<u32> {
        self.number(if kind == Kind::P { 3 } else { 12 }, "a partition that does not exist")
    }

    fn transform_flag(&mut self, _: usize) -> Walk<bool> {
        self.bits.flag().ok_or(CUT)
    }

    fn intra_mode(&mut self) -> Walk<()> {
        if !self.bits.flag().ok_or(CUT)? {
            self.bits.skip(3).ok_or(CUT)?;
        }
        Ok(())
    }

    fn chroma_mode(&mut self, _: usize) -> Walk<u32> {
        self.number(3, "a prediction of chroma that does not exist")
    }

    fn reference(&mut self, count: u32, _: usize) -> Walk<u32> {
        if count == 2 {
            return Ok(u32::from(!self.bits.flag().ok_or(CUT)?));
        }
        self.number(count - 1, "a reference that is not in the list")
    }

    fn motion(&mut self, _: usize, _: u32) -> Walk<u32> {
        self.bits.se().map(i32::unsigned_abs).ok_or(Stop("a motion vector without a meaning"))
    }

    fn pattern(&mut self, around: Patterns) -> Walk<u8> {
        let tables = PATTERNS.get(usize::from(!around.has_chroma));
        let table = tables.and_then(|tables| tables.get(usize::from(!around.is_intra_parts)));
        let code = self.bits.ue_to(47).and_then(|code| table?.get(code as usize).copied());
        code.ok_or(Stop("a pattern of blocks that does not exist"))
    }

    fn qp_delta(&mut self, _: bool) -> Walk<i32> {
        self.bits.se().ok_or(CUT)
    }

    fn residue(&mut self, block: &Residue) -> Walk<u8> {
        let (count, ones) = self.token(block)?;
        if count > 0 {
            self.levels(count, ones)?;
            self.runs(block, count)?;
        }
        Ok(u8::try_from(count).unwrap_or(16))
    }

    fn samples(&mut self, bits: usize) -> Walk<()> {
        let align = self.bits.position().next_multiple_of(8) - self.bits.position();
        self.bits.skip(align.saturating_add(bits)).ok_or(CUT)
    }

    fn ends(&mut self) -> Walk<bool> {
        // A run that is not over goes on with macroblocks that have no bits.
        if self.run.is_some_and(|run| run > 0) {
            return Ok(false);
        }
        self.check()?;
        Ok(self.bits.position() == self.stop)
    }
}
