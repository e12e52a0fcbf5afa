//! The macroblocks of one slice (H.264 7.3.4, 7.3.5): every syntax element is read, nothing is reconstructed.

use super::around::{Around, Beside, Block, Head};
use super::coding::{Coding, Patterns, Residue, Stop, Walk};
use super::params::{Pps, Sps};
use super::slice::{Header, Kind};

/// The walk of one slice. Macroblocks of other slices do not matter to it (6.4.8).
pub(super) struct Slice<'w, C> {
    sps: &'w Sps,
    pps: &'w Pps,
    header: &'w Header,
    coding: C,
    /// The macroblocks above, then those of this row, by column; two where pairs are coded.
    line: Vec<[Block; 2]>,
    /// The upper one of the current pair.
    upper: Block,
    /// The current macroblock.
    current: Block,
    around: Around,
    qp_changed: bool,
    /// Address of the current macroblock.
    pub(super) address: u32,
}

/// How an inter macroblock is divided: which lists each part uses, where and how large it is.
#[derive(Clone, Copy)]
struct Part {
    lists: [bool; 2],
    /// First block of 4 x 4 samples, and blocks across and down.
    place: usize,
    across: usize,
    down: usize,
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

    fn read_transform(&mut self) -> Walk<()> {
        let is_set = |head: Head| head.transform_8x8;
        let increment = usize::from(self.around.left.is_some_and(is_set))
            + usize::from(self.around.above.is_some_and(is_set));
        self.current.transform_8x8 = self.coding.transform_flag(increment)?;
        Ok(())
    }

    fn read_pattern(&mut self) -> Walk<()> {
        let around = Patterns {
            left: self.around.left_pattern,
            above: self.around.above_pattern,
            left_chroma: self.around.left.map_or(0, |head| head.chroma_pattern()),
            above_chroma: self.around.above.map_or(0, |head| head.chroma_pattern()),
            has_chroma: matches!(self.sps.chroma, 1 | 2),
            is_intra_parts: self.current.intra_parts,
        };
        self.current.pattern = self.coding.pattern(&around)?;
        Ok(())
    }

    /// P and B macroblocks that are not skipped (7.3.5.1, 7.3.5.2).
    fn inter(&mut self, kind: u32) -> Walk<()> {
        let is_b = self.header.kind == Kind::B;
        // Whether 8 x 8 transforms would fit all parts.
        let is_wide = match (is_b, kind) {
            (true, 0) => {
                self.current.direct = true;
                self.sps.direct_8x8
            }
            (true, 22) | (false, 3 | 4) => self.quarters(!is_b && kind == 4)?,
            _ => self.parts(kind)?,
        };
        self.read_pattern()?;
        if self.current.pattern & 15 != 0 && self.pps.transform_8x8 && is_wide {
            self.read_transform()?;
        }
        self.residual(false)
    }

    /// One part, or two.
    fn parts(&mut self, kind: u32) -> Walk<bool> {
        const L0: [bool; 2] = [true, false];
        const L1: [bool; 2] = [false, true];
        const BI: [bool; 2] = [true, true];
        let (lists, upright) = if self.header.kind == Kind::P {
            ([L0, L0], kind == 2)
        } else {
            let lists = match kind {
                1 | 4 | 5 => [L0, L0],
                2 | 6 | 7 => [L1, L1],
                8 | 9 => [L0, L1],
                10 | 11 => [L1, L0],
                12 | 13 => [L0, BI],
                14 | 15 => [L1, BI],
                16 | 17 => [BI, L0],
                18 | 19 => [BI, L1],
                _ => [BI, BI],
            };
            (lists, kind % 2 == 1)
        };
        let is_one = kind == 0 || (self.header.kind == Kind::B && kind < 4);
        let part = |index: usize, lists| match (is_one, upright) {
            (true, _) => Part { lists, place: 0, across: 4, down: 4 },
            (_, true) => Part { lists, place: index * 2, across: 2, down: 4 },
            _ => Part { lists, place: index * 8, across: 4, down: 2 },
        };
        let parts = [part(0, lists[0]), part(1, lists[1])];
        let parts = parts.get(..if is_one { 1 } else { 2 }).unwrap_or_default();
        for list in 0..2 {
            for part in parts {
                self.reference(part, list)?;
            }
        }
        for list in 0..2 {
            for part in parts {
                self.motion(part, list)?;
            }
        }
        Ok(true)
    }

    /// Four parts of 8 x 8 samples that are divided further; gives whether none is.
    fn quarters(&mut self, first_only: bool) -> Walk<bool> {
        let mut parts: [(Part, usize, bool); 4] =
            [0, 2, 8, 10].map(|place| (Part { lists: [false; 2], place, across: 2, down: 2 }, 1, false));
        let mut is_wide = true;
        for (part, count, direct) in &mut parts {
            let kind = self.coding.sub_type(self.header.kind)?;
            if self.header.kind == Kind::P {
                part.lists = [true, false];
                (part.across, part.down, *count) = shape(kind);
            } else if kind == 0 {
                *direct = true;
                is_wide &= self.sps.direct_8x8;
                continue;
            } else {
                part.lists = match kind {
                    1 | 4 | 5 | 10 => [true, false],
                    2 | 6 | 7 | 11 => [false, true],
                    _ => [true, true],
                };
                (part.across, part.down, *count) = shape(match kind {
                    1..=3 => 0,
                    4 | 6 | 8 => 1,
                    5 | 7 | 9 => 2,
                    _ => 3,
                });
            }
            is_wide &= *count == 1;
        }
        for list in 0..2 {
            for (part, ..) in &parts {
                let whole = Part { across: 2, down: 2, ..*part };
                if !first_only {
                    self.reference(&whole, list)?;
                }
            }
        }
        for list in 0..2 {
            for (part, count, _) in &parts {
                for index in 0..*count {
                    let step = match (part.across, part.down) {
                        (2, _) => index * 4,
                        (_, 2) => index,
                        _ => index % 2 + index / 2 * 4,
                    };
                    self.motion(&Part { place: part.place + step, ..*part }, list)?;
                }
            }
        }
        Ok(is_wide)
    }

    fn reference(&mut self, part: &Part, list: usize) -> Walk<()> {
        if !part.lists.get(list).is_some_and(|&used| used) {
            return Ok(());
        }
        let count = self.header.references.get(list).copied().unwrap_or(0);
        let count = if self.header.pairs && self.current.field { count * 2 } else { count };
        let (column, row) = (part.place % 4 / 2, part.place / 8);
        let quarter = |place: usize| {
            self.current.references.get(list).and_then(|list| list.get(place)).is_some_and(|&index| index > 0)
        };
        let edge = |edges: &[[bool; 2]; 2], at: usize| {
            edges.get(list).and_then(|edge| edge.get(at)).is_some_and(|&over| over)
        };
        let left = if column > 0 { quarter(row * 2) } else { edge(&self.around.left_references, row) };
        let above = if row > 0 { quarter(column) } else { edge(&self.around.above_references, column) };
        let value = if count > 1 {
            self.coding.reference(count, usize::from(left) + 2 * usize::from(above))?
        } else {
            0
        };
        let value = u8::try_from(value).unwrap_or(u8::MAX);
        for (index, slot) in self.current.references.get_mut(list).into_iter().flatten().enumerate() {
            let (x, y) = (index % 2, index / 2);
            if (column..column + part.across.div_ceil(2)).contains(&x)
                && (row..row + part.down.div_ceil(2)).contains(&y)
            {
                *slot = value;
            }
        }
        Ok(())
    }

    fn motion(&mut self, part: &Part, list: usize) -> Walk<()> {
        /// Quarters of samples: vectors reach 2048 samples to both sides at most, some levels more.
        const MOST: u32 = 1 << 17;
        if !part.lists.get(list).is_some_and(|&used| used) {
            return Ok(());
        }
        let (column, row) = (part.place % 4, part.place / 4);
        let inside = |place: usize| {
            self.current.motion.get(list).and_then(|list| list.get(place)).copied().unwrap_or_default()
        };
        let edge = |edges: &[[[u8; 2]; 4]; 2], at: usize| {
            edges.get(list).and_then(|edge| edge.get(at)).copied().unwrap_or_default()
        };
        let left = if column > 0 { inside(part.place - 1) } else { edge(&self.around.left_motion, row) };
        let above = if row > 0 { inside(part.place - 4) } else { edge(&self.around.above_motion, column) };
        let mut value = [0; 2];
        for (component, ((slot, left), above)) in value.iter_mut().zip(left).zip(above).enumerate() {
            let magnitude = self.coding.motion(component, u32::from(left) + u32::from(above))?;
            if magnitude > MOST {
                return Err(Stop("a motion vector that reaches further than it can"));
            }
            *slot = u8::try_from(magnitude).unwrap_or(u8::MAX);
        }
        for (index, slot) in self.current.motion.get_mut(list).into_iter().flatten().enumerate() {
            let (x, y) = (index % 4, index / 4);
            if (column..column + part.across).contains(&x) && (row..row + part.down).contains(&y) {
                *slot = value;
            }
        }
        Ok(())
    }

    /// `mb_qp_delta` and all blocks of coefficients (7.3.5.3).
    fn residual(&mut self, is_whole: bool) -> Walk<()> {
        if self.current.pattern == 0 && !is_whole {
            self.qp_changed = false;
            return Ok(());
        }
        let delta = self.coding.qp_delta(self.qp_changed)?;
        self.qp_changed = delta != 0;
        let half = 3 * (i32::try_from(self.sps.bit_depth_luma).unwrap_or(8) - 8);
        if !(-26 - half..=25 + half).contains(&delta) {
            return Err(Stop("quantisation changes by more than it can"));
        }
        self.luma(0, is_whole)?;
        match self.sps.chroma {
            0 => Ok(()),
            3 => {
                self.luma(1, is_whole)?;
                self.luma(2, is_whole)
            }
            chroma => self.chroma(chroma),
        }
    }

    /// `residual_luma` (7.3.5.3.2) of one plane.
    fn luma(&mut self, plane: usize, is_whole: bool) -> Walk<()> {
        let first = [0, 6, 10].get(plane).copied().unwrap_or(0);
        if is_whole {
            let count = self.dc_block(plane, first, 16)?;
            self.current.dc |= u8::from(count > 0) << plane;
        }
        for quarter in 0..4 {
            if self.current.pattern >> quarter & 1 == 0 {
                continue;
            }
            let (column, row) = (quarter % 2 * 2, quarter / 2 * 2);
            if self.current.transform_8x8 && self.pps.arithmetic {
                let category = [5, 9, 13].get(plane).copied().unwrap_or(5);
                let count = self.block_at(plane, category, 64, column, row)?;
                for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    self.keep(plane, column + x, row + y, count);
                }
                continue;
            }
            for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let (category, most) = if is_whole { (first + 1, 15) } else { (first + 2, 16) };
                let count = self.block_at(plane, category, most, column + x, row + y)?;
                self.keep(plane, column + x, row + y, count);
            }
        }
        Ok(())
    }

    /// Chroma of 4:2:0 and 4:2:2.
    fn chroma(&mut self, chroma: u32) -> Walk<()> {
        const DC: usize = 3;
        const AC: usize = 4;
        let pattern = self.current.pattern >> 4;
        if pattern != 0 {
            for plane in 1..3 {
                let count = self.dc_block(plane, DC, if chroma == 1 { 4 } else { 8 })?;
                self.current.dc |= u8::from(count > 0) << plane;
            }
        }
        if pattern == 2 {
            for plane in 1..3 {
                for index in 0..if chroma == 1 { 4 } else { 8 } {
                    let count = self.block_at(plane, AC, 15, index % 2, index / 2)?;
                    self.keep(plane, index % 2, index / 2, count);
                }
            }
        }
        Ok(())
    }

    /// A block of DC coefficients. Arithmetic coding asks the neighbours' DC blocks, other coding the counts of blocks.
    fn dc_block(&mut self, plane: usize, category: usize, most: usize) -> Walk<u8> {
        let (left, above) = if self.pps.arithmetic {
            let coded = |head: Head| head.dc >> plane & 1;
            (self.around.left.map(coded), self.around.above.map(coded))
        } else {
            self.sides(plane, 0, 0)
        };
        self.coding.residue(&Residue {
            category,
            most,
            left,
            above,
            intra: self.current.intra,
            field: self.current.field,
            has_flag: true,
        })
    }

    fn block_at(
        &mut self,
        plane: usize,
        category: usize,
        most: usize,
        column: usize,
        row: usize,
    ) -> Walk<u8> {
        let (mut left, mut above) = self.sides(plane, column, row);
        if most == 64 {
            // 9.3.3.1.1.9: these ask blocks of their own size only.
            if column == 0 && self.around.left_small.get(row / 2).is_some_and(|&small| small) {
                left = Some(0);
            }
            if row == 0 && self.around.above_small {
                above = Some(0);
            }
        }
        self.coding.residue(&Residue {
            category,
            most,
            left,
            above,
            intra: self.current.intra,
            field: self.current.field,
            has_flag: most < 64 || self.sps.chroma == 3,
        })
    }

    /// Coefficients in the blocks to the left and above.
    fn sides(&self, plane: usize, column: usize, row: usize) -> (Option<u8>, Option<u8>) {
        let inside = |column: usize, row: usize| {
            self.current.counts.get(plane).and_then(|counts| counts.get(row * 4 + column)).copied()
        };
        let edge = |edges: &[[u8; 4]; 3], at: usize| edges.get(plane).and_then(|edge| edge.get(at)).copied();
        let left = if column > 0 {
            inside(column - 1, row)
        } else {
            self.around.left.and_then(|_| edge(&self.around.left_counts, row))
        };
        let above = if row > 0 {
            inside(column, row - 1)
        } else {
            self.around.above.and_then(|_| edge(&self.around.above_counts, column))
        };
        (left, above)
    }

    fn keep(&mut self, plane: usize, column: usize, row: usize, count: u8) {
        if let Some(slot) =
            self.current.counts.get_mut(plane).and_then(|counts| counts.get_mut(row * 4 + column))
        {
            *slot = count;
        }
    }
}

/// Blocks across and down in each part of a quarter, and how many parts (tables 7-17, 7-18).
const fn shape(kind: u32) -> (usize, usize, usize) {
    match kind {
        0 => (2, 2, 1),
        1 => (2, 1, 2),
        2 => (1, 2, 2),
        _ => (1, 1, 4),
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
