//! The coefficients of one transform block (H.265 7.3.8.11), read and forgotten.

use super::super::coding::engine::AHEAD;
use super::tables::{SCANS, SIG_CTX, SIG_CTX_4, ctx};
use super::tree::{Stop, Tree, Unit, Walk};

/// The largest magnitude of a coefficient, `CoeffMinY` (7.4.9.11).
const MAX_LEVEL: u32 = 1 << 15;

/// The longest prefix of a level.
const LONGEST: u32 = 19;
/// Levels of a sub-block that have a flag for "above 1".
const FLAGS: u32 = 8;
/// The context behind such a flag by the one before it and the flag.
const NEXT_CONTEXT: [u8; 8] = [0, 0, 2, 0, 3, 0, 3, 0];

/// What stays the same for all sub-blocks of one block.
struct Block {
    log2: u32,
    chroma: bool,
    /// 0 diagonal, 1 horizontal, 2 vertical.
    scan: usize,
    /// Nothing is transformed: skipped or lossless.
    untransformed: bool,
    /// A sign may be hidden in the parity of the levels.
    hides_signs: bool,
}

impl Tree<'_, '_> {
    /// Reads a block with sides of `1 << log2` samples; `mode` is its intra prediction mode.
    pub(super) fn residual(&mut self, unit: &Unit, log2: u32, chroma: bool, mode: u8) -> Walk<()> {
        let skipped = self.pps.transform_skip
            && !unit.bypass
            && log2 <= self.pps.log2_max_transform_skip
            && self.cabac.bin(ctx::TRANSFORM_SKIP + u8::from(chroma));
        let explicit = unit.inter && self.sps.explicit_rdpcm && (skipped || unit.bypass) && {
            let is_set = self.cabac.bin(ctx::EXPLICIT_RDPCM + u8::from(chroma));
            if is_set {
                self.cabac.bin(ctx::EXPLICIT_RDPCM_DIRECTION + u8::from(chroma));
            }
            is_set
        };
        let scan = if unit.inter {
            0
        } else if log2 == 2 || (log2 == 3 && (!chroma || self.sps.chroma == 3)) {
            match mode {
                6..=14 => 2,
                22..=30 => 1,
                _ => 0,
            }
        } else {
            0
        };
        let straight =
            explicit || (!unit.inter && self.sps.implicit_rdpcm && skipped && matches!(mode, 10 | 26));
        let block = Block {
            log2,
            chroma,
            scan,
            untransformed: skipped || unit.bypass,
            hides_signs: self.pps.sign_hiding && !unit.bypass && !straight,
        };
        self.coefficients(&block)
    }

    fn coefficients(&mut self, block: &Block) -> Walk<()> {
        let (x, y) = self.last_position(block);
        let scans = SCANS.get(block.scan);
        let (Some(inner), Some(outer)) = (
            scans.and_then(|scans| scans.get(2)),
            scans.and_then(|scans| scans.get(block.log2 as usize - 2)),
        ) else {
            return Ok(());
        };
        let place = |x: usize, y: usize| (y << 3 | x) & 63;
        let last_block = outer.index.get(place(x >> 2, y >> 2)).copied().unwrap_or(0);
        let last_inside = inner.index.get(place(x & 3, y & 3)).copied().unwrap_or(0);
        let side = 1u8 << (block.log2 - 2);
        let mut coded = 0u64;
        let mut greater_1 = 1;
        for index in (0..=last_block).rev() {
            let corner = outer.place.get(usize::from(index)).copied().unwrap_or(0);
            let (x, y) = (corner & 7, corner >> 3);
            let right = x + 1 < side && coded >> ((corner + 1) & 63) & 1 == 1;
            let below = y + 1 < side && coded >> ((corner + 8) & 63) & 1 == 1;
            let is_inferred = index == last_block || index == 0;
            let context = ctx::CODED_SUB_BLOCK + u8::from(right || below) + if block.chroma { 2 } else { 0 };
            if !is_inferred && !self.cabac.bin(context) {
                continue;
            }
            coded |= 1 << corner;
            let pattern = usize::from(right) | usize::from(below) << 1;
            let from = if index == last_block { last_inside } else { 16 };
            let found = self.significant(block, corner, pattern, from, !is_inferred);
            if found.count > 0 {
                self.levels(block, &found, index == 0, index == last_block, &mut greater_1)?;
            }
        }
        Ok(())
    }

    /// Column and row of the last coefficient.
    fn last_position(&mut self, block: &Block) -> (usize, usize) {
        let (offset, shift) = if block.chroma {
            (15, block.log2 - 2)
        } else {
            (3 * (block.log2 - 2) + ((block.log2 - 1) >> 2), (block.log2 + 1) >> 2)
        };
        let most = 2 * block.log2 - 1;
        let mut prefix = |first: u8| {
            let mut bins = 0;
            while bins < most && self.cabac.bin(first + u8::try_from(offset + (bins >> shift)).unwrap_or(0)) {
                bins += 1;
            }
            bins
        };
        let (x, y) = (prefix(ctx::LAST_X), prefix(ctx::LAST_Y));
        let mut whole = |prefix: u32| {
            if prefix < 4 {
                return prefix as usize;
            }
            let len = (prefix >> 1) - 1;
            ((2 + (prefix & 1)) << len) as usize + self.cabac.bypasses(len) as usize
        };
        let (x, y) = (whole(x), whole(y));
        if block.scan == 2 { (y, x) } else { (x, y) }
    }

    /// `sig_coeff_flag` of one sub-block. `from` is the place of the last coefficient of the block in scan order,
    /// 16 where it lies in another sub-block; `must` says that there is a coefficient, else it is not coded.
    fn significant(&mut self, block: &Block, corner: u8, pattern: usize, from: u8, must: bool) -> Found {
        let mut found = Found { places: [0; 16], count: 0 };
        if from < 16 {
            found.push(from);
        }
        let first = ctx::SIGNIFICANT + if block.chroma { 27 } else { 0 };
        let single = self.sps.transform_skip_context && block.untransformed;
        let (table, base) = if single {
            (None, if block.chroma { 16 } else { 42 })
        } else if block.log2 == 2 {
            (Some(&SIG_CTX_4), 0)
        } else {
            let base = match (block.chroma, block.log2) {
                (true, 3) => 9,
                (true, _) => 12,
                (false, log2) => {
                    let inner = if corner == 0 { 0 } else { 3 };
                    inner
                        + match (log2, block.scan) {
                            (3, 0) => 9,
                            (3, _) => 15,
                            _ => 21,
                        }
                }
            };
            (SIG_CTX.get(pattern), base)
        };
        let scan = SCANS.get(block.scan).and_then(|scans| scans.get(2));
        for index in (1..from).rev() {
            let place = scan.and_then(|scan| scan.place.get(usize::from(index))).copied().unwrap_or(0);
            let place = place >> 1 & 0b1100 | place & 0b11;
            let context = table.and_then(|table| table.get(usize::from(place))).copied().unwrap_or(0);
            found.push_if(self.cabac.flag(first + base + context), index);
        }
        if from == 0 {
            return found;
        }
        // The first place has a context of its own, and is not coded where it alone is left.
        let context = if single {
            base
        } else if corner == 0 {
            0
        } else {
            base + table.and_then(|table| table.first()).copied().unwrap_or(0)
        };
        if (must && found.count == 0) || self.cabac.bin(first + context) {
            found.push(0);
        }
        found
    }

    /// Levels and signs of one sub-block.
    fn levels(
        &mut self,
        block: &Block,
        found: &Found,
        is_first: bool,
        is_last: bool,
        greater_1: &mut u8,
    ) -> Walk<()> {
        let mut set = if is_first || block.chroma { 0 } else { 2 };
        if !is_last && *greater_1 == 0 {
            set += 1;
        }
        let chroma = u8::from(block.chroma);
        let mut context = 1;
        let count = u32::from(found.count);
        // Levels above 1, by their order.
        let mut above = 0u32;
        for index in 0..count.min(FLAGS) {
            let is_above = self.cabac.flag(ctx::GREATER_1 + set * 4 + context + chroma * 16);
            above |= u32::from(is_above) << index;
            context = NEXT_CONTEXT.get(usize::from(context << 1 | u8::from(is_above))).copied().unwrap_or(0);
        }
        *greater_1 = context;
        let second = above & above.wrapping_neg();
        // Of levels whose flags say no more than "as much as can be told" the rest follows, of those without flags too.
        let mut open = above | u32::MAX << FLAGS & ((1 << count) - 1);
        if second != 0 {
            let is_more = self.cabac.bin(ctx::GREATER_2 + set + chroma * 4);
            open &= if is_more { u32::MAX } else { !second };
        }
        let span = found.places.first().zip(found.places.get((count as usize).saturating_sub(1)));
        let hidden = block.hides_signs && span.is_some_and(|(last, first)| last - first > 3);
        self.cabac.bypasses(count - u32::from(hidden));
        let statistics = usize::from(!block.chroma) << 1 | usize::from(block.untransformed);
        let mut rice = self.rice(statistics);
        let mut is_first = true;
        while open != 0 {
            let lowest = open & open.wrapping_neg();
            open &= open - 1;
            let base = match lowest {
                _ if lowest == second => 3,
                _ if lowest >= 1 << FLAGS => 1,
                _ => 2,
            };
            let more = self.remaining(rice)?;
            let level = base + more;
            if level > MAX_LEVEL {
                return Err(Stop::Wrong("coefficient of more than 16 bits"));
            }
            if level > 3 << rice {
                rice = if self.sps.persistent_rice { rice + 1 } else { (rice + 1).min(4) };
            }
            if is_first && self.sps.persistent_rice {
                self.adapt(statistics, more);
            }
            is_first = false;
        }
        Ok(())
    }

    /// The Rice parameter at the start of a sub-block (9.3.3.11).
    fn rice(&self, statistics: usize) -> u32 {
        if !self.sps.persistent_rice {
            return 0;
        }
        self.cabac.contexts.rice.get(statistics).copied().map_or(0, |value| u32::from(value / 4))
    }

    /// `StatCoeff` after the first remaining level of a sub-block (9.3.3.11).
    fn adapt(&mut self, statistics: usize, more: u32) {
        let Some(value) = self.cabac.contexts.rice.get_mut(statistics) else { return };
        if more >= 3 << (*value / 4) {
            *value = value.saturating_add(1);
        } else if 2 * more < 1 << (*value / 4) && *value > 0 {
            *value -= 1;
        }
    }

    /// `coeff_abs_level_remaining` (9.3.3.11).
    fn remaining(&mut self, rice: u32) -> Walk<u32> {
        const LONG: Stop = Stop::Wrong("coefficient of more than 16 bits");
        let parts = |prefix: u32| match prefix {
            0..=3 => (prefix << rice, rice),
            _ => (((1 << (prefix - 3)) + 2) << rice, prefix - 3 + rice),
        };
        let bins = self.cabac.peek_bypasses();
        let mut prefix = (!(bins << (u32::BITS - AHEAD))).leading_zeros();
        let (start, len) = parts(prefix);
        let all = prefix + 1 + len;
        if all <= AHEAD {
            let bins = bins >> (AHEAD - all);
            self.cabac.take_bypasses(all, bins);
            return Ok(start + (bins & ((1 << len) - 1)));
        }
        self.cabac.bypasses(prefix);
        while self.cabac.bypass() {
            prefix += 1;
            if prefix > LONGEST {
                return Err(LONG);
            }
        }
        let (start, len) = parts(prefix);
        if len > 16 {
            return Err(LONG);
        }
        Ok(start + self.cabac.bypasses(len))
    }
}

/// Places of the coefficients of a sub-block in scan order, the last one first.
struct Found {
    places: [u8; 16],
    count: u8,
}

impl Found {
    /// The same without a branch.
    fn push_if(&mut self, is_there: bool, place: u8) {
        if let Some(slot) = self.places.get_mut(usize::from(self.count)) {
            *slot = place;
        }
        self.count += u8::from(is_there);
    }

    fn push(&mut self, place: u8) {
        if let Some(slot) = self.places.get_mut(usize::from(self.count)) {
            *slot = place;
            self.count += 1;
        }
    }
}
