//! The macroblocks of one slice (H.264 7.3.4, 7.3.5): every syntax element is read, nothing is reconstructed.

use super::around::{Around, Beside, Block, Head};
use super::coding::{Coding, Patterns, Stop, Walk};
use super::params::{Pps, Sps};
use super::slice::{Header, Kind};

/// The walk of one slice. Macroblocks of other slices do not matter to it (6.4.8).
pub(super) struct Slice<'w, C> {
    pub(super) sps: &'w Sps,
    pub(super) pps: &'w Pps,
    pub(super) header: &'w Header,
    pub(super) coding: C,
    /// The macroblocks above, then those of this row, by column; two where pairs are coded.
    line: Vec<[Block; 2]>,
    /// The upper one of the current pair.
    upper: Block,
    /// The current macroblock.
    pub(super) current: Block,
    pub(super) around: Around,
    pub(super) qp_changed: bool,
    /// Address of the current macroblock.
    pub(super) address: u32,
}

impl<'w, C: Coding> Slice<'w, C> {
    pub(super) fn new(sps: &'w Sps, pps: &'w Pps, header: &'w Header, coding: C) -> Self {
        Self {
            sps,
            pps,
            header,
            coding,
            line: vec![<[Block; 2]>::default(); sps.columns as usize],
            upper: Block::default(),
            current: Block::default(),
            around: Around::default(),
            qp_changed: false,
            address: header.first,
        }
    }

    /// Bits taken.
    pub(super) fn position(&self) -> usize {
        self.coding.position()
    }

    /// Reads to the end of the slice.
    pub(super) fn walk(&mut self) -> Walk<()> {
        let blocks = self.sps.columns * self.header.rows;
        loop {
            if self.address >= blocks {
                return Err(Stop("the slice goes on behind the picture's last macroblock"));
            }
            let ended = if self.header.pairs { self.pair()? } else { self.single()? };
            if ended {
                return Ok(());
            }
        }
    }

    fn single(&mut self) -> Walk<bool> {
        self.begin(self.header.field);
        let increment = self.skip_increment();
        if self.header.kind != Kind::I && self.coding.skip_flag(self.header.kind, increment) {
            self.skip();
        } else {
            self.block()?;
        }
        self.finish();
        self.coding.check()?;
        self.coding.ends()
    }

    /// Two macroblocks, one above the other as frames or as fields (7.3.4, 7.4.4).
    fn pair(&mut self) -> Walk<bool> {
        let inferred = self.inferred_field();
        let mut field = None;
        let mut upper_skipped = false;
        for lower in [false, true] {
            self.begin(field.unwrap_or(inferred));
            let increment = self.skip_increment();
            if self.header.kind != Kind::I && self.coding.skip_flag(self.header.kind, increment) {
                self.skip();
                upper_skipped = !lower;
            } else {
                if field.is_none() {
                    let coded = self.field_increment();
                    let coded = self.coding.field_flag(coded)?;
                    field = Some(coded);
                    // The upper one was skipped and waited for this.
                    self.upper.field = coded;
                    self.begin(coded);
                }
                self.block()?;
            }
            if lower && upper_skipped {
                self.upper.field = field.unwrap_or(inferred);
            }
            self.finish();
            self.coding.check()?;
            // Arithmetic coding asks only behind a pair; a run of skipped ones may end a slice nowhere else.
            if lower || !self.pps.arithmetic {
                let ended = self.coding.ends()?;
                if ended && !lower {
                    return Err(Stop("the slice ends inside a pair of macroblocks"));
                }
                if ended {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The row and column of the current macroblock, or pair.
    const fn column(&self) -> usize {
        let index = if self.header.pairs { self.address / 2 } else { self.address };
        (index % self.sps.columns) as usize
    }

    /// Whether the macroblock or pair to the left, and the one above, is of this slice.
    const fn is_there(&self) -> (bool, bool) {
        let scale = if self.header.pairs { 2 } else { 1 };
        let (index, first) = (self.address / scale, self.header.first / scale);
        let left = !index.is_multiple_of(self.sps.columns) && index > first;
        (left, index >= first + self.sps.columns)
    }

    fn inferred_field(&self) -> bool {
        let at = self.column();
        match self.is_there() {
            (true, _) => self.line.get(at.wrapping_sub(1)).is_some_and(|pair| pair[0].field),
            (_, true) => self.line.get(at).is_some_and(|pair| pair[0].field),
            _ => false,
        }
    }

    fn field_increment(&self) -> usize {
        let at = self.column();
        let (left, above) = self.is_there();
        let is_field = |there: bool, at: usize| there && self.line.get(at).is_some_and(|pair| pair[0].field);
        usize::from(is_field(left, at.wrapping_sub(1))) + usize::from(is_field(above, at))
    }

    /// Begins the current macroblock and looks around (6.4.12).
    fn begin(&mut self, field: bool) {
        self.current = Block { field, ..Block::default() };
        let at = self.column();
        let (is_left, is_above) = self.is_there();
        let left = self.line.get(at.wrapping_sub(1)).filter(|_| is_left);
        let above = self.line.get(at).filter(|_| is_above);
        let chroma = self.sps.chroma;
        self.around = if self.header.pairs {
            let is_lower = self.address % 2 == 1;
            let left = left.map(|pair| beside(pair, field, is_lower));
            // Table 6-4, yN below 0.
            let above = match (field, is_lower) {
                (false, true) => Some(&self.upper),
                (true, false) => above.map(|pair| if pair[0].field { &pair[0] } else { &pair[1] }),
                _ => above.map(|pair| &pair[1]),
            };
            Around::of(left, above, field, chroma)
        } else {
            let left = left.map(|pair| [0, 1, 2, 3].map(|row| (&pair[0], row)));
            Around::of(left, above.map(|pair| &pair[0]), field, chroma)
        };
    }

    /// Keeps the current macroblock for those behind it.
    fn finish(&mut self) {
        let at = self.column();
        let block = std::mem::take(&mut self.current);
        if self.header.pairs && self.address.is_multiple_of(2) {
            self.upper = block;
        } else if let Some(place) = self.line.get_mut(at) {
            *place = if self.header.pairs {
                [std::mem::take(&mut self.upper), block]
            } else {
                [block, Block::default()]
            };
        }
        self.address += 1;
    }

    fn skip(&mut self) {
        self.current.skipped = true;
        self.current.direct = self.header.kind == Kind::B;
        self.qp_changed = false;
    }

    fn skip_increment(&self) -> usize {
        let coded = |head: Option<Head>| usize::from(head.is_some_and(|head| !head.skipped));
        coded(self.around.left) + coded(self.around.above)
    }

    /// `macroblock_layer` (7.3.5).
    fn block(&mut self) -> Walk<()> {
        let kind = self.header.kind;
        let other = |head: Head| match kind {
            Kind::I => !head.intra_parts,
            _ => !head.direct,
        };
        let increment = usize::from(self.around.left.is_some_and(other))
            + usize::from(self.around.above.is_some_and(other));
        let coded = self.coding.block_type(kind, increment)?;
        let first_intra = match kind {
            Kind::I => 0,
            Kind::P => 5,
            Kind::B => 23,
        };
        match coded.checked_sub(first_intra) {
            Some(0) => self.intra_parts(),
            Some(25) => self.samples(),
            Some(intra) => self.intra_whole(intra),
            None => self.inter(coded),
        }
    }

    fn samples(&mut self) -> Walk<()> {
        let chroma: u32 = match self.sps.chroma {
            0 => 0,
            1 => 128,
            2 => 256,
            _ => 512,
        };
        let bits = 256 * self.sps.bit_depth_luma + chroma * self.sps.bit_depth_chroma;
        self.coding.samples(bits as usize)?;
        let block = &mut self.current;
        (block.samples, block.intra, block.pattern, block.dc) = (true, true, 0x2F, 7);
        block.counts = [[16; 16]; 3];
        self.qp_changed = false;
        Ok(())
    }

    fn intra_parts(&mut self) -> Walk<()> {
        (self.current.intra, self.current.intra_parts) = (true, true);
        if self.pps.transform_8x8 {
            self.read_transform()?;
        }
        for _ in 0..if self.current.transform_8x8 { 4 } else { 16 } {
            self.coding.intra_mode()?;
        }
        self.chroma_mode()?;
        self.read_pattern()?;
        self.residual(false)
    }

    /// `Intra_16x16`, whose type tells the pattern (table 7-11).
    fn intra_whole(&mut self, kind: u32) -> Walk<()> {
        self.current.intra = true;
        self.chroma_mode()?;
        let chroma = u8::try_from((kind - 1) / 4 % 3).unwrap_or(0);
        self.current.pattern = chroma << 4 | if kind > 12 { 15 } else { 0 };
        self.residual(true)
    }

    fn chroma_mode(&mut self) -> Walk<()> {
        if !matches!(self.sps.chroma, 1 | 2) {
            return Ok(());
        }
        let is_set = |head: Head| head.chroma_mode != 0;
        let increment = usize::from(self.around.left.is_some_and(is_set))
            + usize::from(self.around.above.is_some_and(is_set));
        self.current.chroma_mode = u8::try_from(self.coding.chroma_mode(increment)?).unwrap_or(0);
        Ok(())
    }

    pub(super) fn read_transform(&mut self) -> Walk<()> {
        let is_set = |head: Head| head.transform_8x8;
        let increment = usize::from(self.around.left.is_some_and(is_set))
            + usize::from(self.around.above.is_some_and(is_set));
        self.current.transform_8x8 = self.coding.transform_flag(increment)?;
        Ok(())
    }

    pub(super) fn read_pattern(&mut self) -> Walk<()> {
        let around = Patterns {
            left: self.around.left_pattern,
            above: self.around.above_pattern,
            left_chroma: self.around.left.map_or(0, Head::chroma_pattern),
            above_chroma: self.around.above.map_or(0, Head::chroma_pattern),
            has_chroma: matches!(self.sps.chroma, 1 | 2),
            is_intra_parts: self.current.intra_parts,
        };
        self.current.pattern = self.coding.pattern(around)?;
        Ok(())
    }
}

/// The macroblocks to the left, for each row of blocks (table 6-4, xN below 0).
fn beside(pair: &[Block; 2], field: bool, is_lower: bool) -> Beside<'_> {
    let own = usize::from(is_lower);
    let at = |index: usize, row: usize| (if index == 0 { &pair[0] } else { &pair[1] }, row);
    match (field, pair[0].field) {
        (false, true) => [0, 0, 1, 1].map(|row| at(0, row + own * 2)),
        (true, false) => [at(0, 0), at(0, 2), at(1, 0), at(1, 2)],
        _ => [0, 1, 2, 3].map(|row| at(own, row)),
    }
}
