//! One coding tree unit (H.265 7.3.8.2 to 7.3.8.12): every syntax element is read, nothing is reconstructed.

use super::cabac::Cabac;
use super::params::{Pps, Sps};
use super::slice::{Kind, Segment};
use super::tables::{MODE_422, ctx};

/// Why the walk of a slice stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// What no encoder writes.
    Wrong(&'static str),
}

pub(super) type Walk<T> = Result<T, Stop>;

const PLANAR: u8 = 0;
const DC: u8 = 1;
const HORIZONTAL: u8 = 10;
const VERTICAL: u8 = 26;

/// A line of small values beside or above what is being read; places outside read as 0.
#[derive(Clone, Debug)]
pub(super) struct Line(Vec<u8>);

impl Line {
    pub(super) fn new(len: usize) -> Self {
        Self(vec![0; len])
    }

    fn at(&self, place: usize) -> u8 {
        self.0.get(place).copied().unwrap_or(0)
    }

    fn fill(&mut self, from: usize, len: usize, value: u8) {
        let end = from.saturating_add(len).min(self.0.len());
        if let Some(places) = self.0.get_mut(from..end) {
            places.fill(value);
        }
    }
}

/// What the neighbours of a block say, in units of 4 samples.
#[derive(Debug)]
pub(super) struct Neighbours {
    /// `CtDepth` above, over the whole width, and to the left, by row in the coding tree block.
    depth_above: Line,
    depth_left: Line,
    /// `cu_skip_flag`, likewise.
    skip_above: Line,
    skip_left: Line,
    /// `IntraPredModeY` above, by column in the coding tree block, and to the left.
    mode_above: Line,
    mode_left: Line,
}

impl Neighbours {
    pub(super) fn new(width: u32) -> Self {
        Self {
            depth_above: Line::new(width.div_ceil(4) as usize),
            depth_left: Line::new(16),
            skip_above: Line::new(width.div_ceil(4) as usize),
            skip_left: Line::new(16),
            mode_above: Line::new(16),
            mode_left: Line::new(16),
        }
    }
}

/// Reads coding tree units of one slice segment.
pub(super) struct Tree<'w, 'b> {
    pub(super) sps: &'w Sps,
    pub(super) pps: &'w Pps,
    pub(super) segment: &'w Segment,
    pub(super) cabac: Cabac<'b>,
    pub(super) around: &'w mut Neighbours,
    /// Whether the block to the left and the one above are of this slice and tile.
    left: bool,
    up: bool,
    /// Corner of the coding tree block.
    x: u32,
    y: u32,
    is_qp_delta_coded: bool,
    is_chroma_qp_offset_coded: bool,
}

/// What a coding unit tells its transform units.
pub(super) struct Unit {
    pub(super) bypass: bool,
    /// Predicted from other pictures.
    pub(super) inter: bool,
    /// `IntraSplitFlag`.
    parts: bool,
    /// `interSplitFlag`.
    split: bool,
    luma: [u8; 4],
    chroma: [u8; 4],
    /// `intra_chroma_pred_mode` is 4.
    derived: [bool; 4],
}

impl Unit {
    /// Of a unit that is predicted from other pictures; `split` is `interSplitFlag`.
    pub(super) const fn inter(bypass: bool, split: bool) -> Self {
        Self { bypass, inter: true, parts: false, split, luma: [DC; 4], chroma: [DC; 4], derived: [false; 4] }
    }
}

/// A block of the transform tree.
#[derive(Clone, Copy)]
pub(super) struct Transform {
    log2: u32,
    depth: u32,
    /// Which fourth of its parent it is.
    index: usize,
    /// Which prediction block of the coding unit it lies in.
    part: usize,
    /// Coded block flags of chroma: two bits each, the upper and the lower block of 4:2:2.
    cb: u8,
    cr: u8,
}

impl Transform {
    /// The whole coding unit.
    pub(super) const fn root(log2: u32) -> Self {
        Self { log2, depth: 0, index: 0, part: 0, cb: 3, cr: 3 }
    }
}

impl<'w, 'b> Tree<'w, 'b> {
    pub(super) const fn new(
        sps: &'w Sps,
        pps: &'w Pps,
        segment: &'w Segment,
        cabac: Cabac<'b>,
        around: &'w mut Neighbours,
    ) -> Self {
        Self {
            sps,
            pps,
            segment,
            cabac,
            around,
            left: false,
            up: false,
            x: 0,
            y: 0,
            is_qp_delta_coded: false,
            is_chroma_qp_offset_coded: false,
        }
    }

    /// The unit in column `column` and row `row`; `left` and `up` tell whether those neighbours are available.
    pub(super) fn unit(&mut self, column: u32, row: u32, left: bool, up: bool) -> Walk<()> {
        (self.x, self.y) = (column << self.sps.log2_ctb, row << self.sps.log2_ctb);
        (self.left, self.up) = (left, up);
        if self.segment.sao_luma || self.segment.sao_chroma {
            self.sao();
        }
        self.quadtree(0, 0, self.sps.log2_ctb, 0)
    }

    /// 7.3.8.3.
    fn sao(&mut self) {
        if (self.left && self.cabac.bin(ctx::SAO_MERGE)) || (self.up && self.cabac.bin(ctx::SAO_MERGE)) {
            return;
        }
        let mut kind = 0;
        for component in 0..if self.sps.chroma == 0 { 1 } else { 3 } {
            let (coded, bit_depth) = match component {
                0 => (self.segment.sao_luma, self.sps.bit_depth_luma),
                _ => (self.segment.sao_chroma, self.sps.bit_depth_chroma),
            };
            if !coded {
                continue;
            }
            if component != 2 {
                kind = if self.cabac.bin(ctx::SAO_TYPE) { 1 + u8::from(self.cabac.bypass()) } else { 0 };
            }
            if kind == 0 {
                continue;
            }
            let most = (1 << (bit_depth.min(10) - 5)) - 1;
            let mut signs = 0;
            for _ in 0..4 {
                let mut offset = 0;
                while offset < most && self.cabac.bypass() {
                    offset += 1;
                }
                signs += u32::from(offset != 0);
            }
            if kind == 1 {
                self.cabac.bypasses(signs + 5);
            } else if component != 2 {
                self.cabac.bypasses(2);
            }
        }
    }

    /// 7.3.8.4. `x` and `y` count from the corner of the coding tree block.
    fn quadtree(&mut self, x: u32, y: u32, log2: u32, depth: u8) -> Walk<()> {
        let size = 1 << log2;
        let fits = self.x + x + size <= self.sps.width && self.y + y + size <= self.sps.height;
        let split = if fits && log2 > self.sps.log2_min_cb {
            let left = (x > 0 || self.left) && self.around.depth_left.at((y / 4) as usize) > depth;
            let up = (y > 0 || self.up) && self.around.depth_above.at(((self.x + x) / 4) as usize) > depth;
            self.cabac.bin(ctx::SPLIT_CU + u8::from(left) + u8::from(up))
        } else {
            log2 > self.sps.log2_min_cb
        };
        if self.pps.qp_delta_depth.is_some_and(|depth| log2 + depth >= self.sps.log2_ctb) {
            self.is_qp_delta_coded = false;
        }
        if let Some((depth, _)) = self.pps.chroma_qp_lists
            && self.segment.chroma_qp_offset
            && log2 + depth >= self.sps.log2_ctb
        {
            self.is_chroma_qp_offset_coded = false;
        }
        if !split {
            return self.coding_unit(x, y, log2, depth);
        }
        let half = size / 2;
        for (right, down) in [(0, 0), (half, 0), (0, half), (half, half)] {
            let (x, y) = (x + right, y + down);
            if self.x + x < self.sps.width && self.y + y < self.sps.height {
                self.quadtree(x, y, log2 - 1, depth + 1)?;
            }
        }
        Ok(())
    }

    /// 7.3.8.5.
    fn coding_unit(&mut self, x: u32, y: u32, log2: u32, depth: u8) -> Walk<()> {
        let (column, row, len) = ((x / 4) as usize, (y / 4) as usize, 1usize << (log2 - 2));
        let across = (self.x / 4) as usize + column;
        self.around.depth_left.fill(row, len, depth);
        self.around.depth_above.fill(across, len, depth);
        let bypass = self.pps.transquant_bypass && self.cabac.bin(ctx::TRANSQUANT_BYPASS);
        let may_be_inter = self.segment.kind != Kind::I;
        if may_be_inter {
            let left = (x > 0 || self.left) && self.around.skip_left.at(row) == 1;
            let up = (y > 0 || self.up) && self.around.skip_above.at(across) == 1;
            let skipped = self.cabac.bin(ctx::CU_SKIP + u8::from(left) + u8::from(up));
            self.around.skip_left.fill(row, len, skipped.into());
            self.around.skip_above.fill(across, len, skipped.into());
            if skipped {
                self.merge_index();
                self.around.mode_left.fill(row, len, DC);
                self.around.mode_above.fill(column, len, DC);
                return Ok(());
            }
            if !self.cabac.bin(ctx::PRED_MODE) {
                self.around.mode_left.fill(row, len, DC);
                self.around.mode_above.fill(column, len, DC);
                return self.inter_unit(log2, depth, bypass);
            }
        }
        let parts = log2 == self.sps.log2_min_cb && !self.cabac.bin(ctx::PART_MODE);
        if let Some(pcm) = self.sps.pcm
            && !parts
            && (pcm.log2_min..=pcm.log2_max).contains(&log2)
            && self.cabac.terminate()
        {
            self.around.mode_left.fill(row, len, DC);
            self.around.mode_above.fill(column, len, DC);
            return self.samples(log2, pcm.bits_luma, pcm.bits_chroma);
        }
        let unit = self.prediction(column, row, len, bypass, parts);
        self.transform_tree(&unit, Transform::root(log2))
    }

    /// `pcm_sample` (7.3.8.7): bits without arithmetic coding, behind which that begins anew.
    fn samples(&mut self, log2: u32, bits_luma: u32, bits_chroma: u32) -> Walk<()> {
        let samples = 1usize << (2 * log2);
        let chroma = match self.sps.chroma {
            0 => 0,
            1 => samples / 2,
            2 => samples,
            _ => samples * 2,
        };
        let bits = samples * bits_luma as usize + chroma * bits_chroma as usize;
        let from = self.cabac.position().div_ceil(8);
        self.cabac.start(from.saturating_add(bits.div_ceil(8)));
        if self.cabac.is_behind_end() {
            return Err(Stop::Wrong("samples reach behind the end of the slice"));
        }
        Ok(())
    }

    /// The intra prediction modes of one coding unit (8.4.2, 8.4.3), which decide how coefficients are scanned.
    fn prediction(&mut self, column: usize, row: usize, len: usize, bypass: bool, parts: bool) -> Unit {
        let count = if parts { 4 } else { 1 };
        let mut in_list = [false; 4];
        for flag in in_list.iter_mut().take(count) {
            *flag = self.cabac.bin(ctx::PREV_INTRA);
        }
        let mut luma = [DC; 4];
        let side = if parts { len / 2 } else { len };
        for (index, (mode, in_list)) in luma.iter_mut().zip(in_list).take(count).enumerate() {
            let (column, row) = (column + (index & 1) * side, row + (index >> 1) * side);
            *mode = self.luma_mode(column, row, in_list);
            self.around.mode_left.fill(row, side, *mode);
            self.around.mode_above.fill(column, side, *mode);
        }
        if !parts {
            luma = [luma[0]; 4];
        }
        let mut unit =
            Unit { bypass, inter: false, parts, split: false, luma, chroma: [DC; 4], derived: [false; 4] };
        let chroma_count = match self.sps.chroma {
            0 => 0,
            3 => count,
            _ => 1,
        };
        for index in 0..chroma_count {
            let coded = if self.cabac.bin(ctx::INTRA_CHROMA) { self.cabac.bypasses(2) } else { 4 };
            let luma = unit.luma.get(index).copied().unwrap_or(DC);
            let wanted = match coded {
                0 => PLANAR,
                1 => VERTICAL,
                2 => HORIZONTAL,
                3 => DC,
                _ => luma,
            };
            let mode = if coded != 4 && wanted == luma { 34 } else { wanted };
            let mode = if self.sps.chroma == 2 {
                MODE_422.get(usize::from(mode)).copied().unwrap_or(DC)
            } else {
                mode
            };
            if let (Some(chroma), Some(derived)) = (unit.chroma.get_mut(index), unit.derived.get_mut(index)) {
                (*chroma, *derived) = (mode, coded == 4);
            }
        }
        if chroma_count == 1 {
            (unit.chroma, unit.derived) = ([unit.chroma[0]; 4], [unit.derived[0]; 4]);
        }
        unit
    }

    fn luma_mode(&mut self, column: usize, row: usize, in_list: bool) -> u8 {
        let left = if column > 0 || self.left { self.around.mode_left.at(row) } else { DC };
        // Modes above are not kept beyond the coding tree block.
        let up = if row > 0 { self.around.mode_above.at(column) } else { DC };
        let mut list = if left == up {
            if left < 2 {
                [PLANAR, DC, VERTICAL]
            } else {
                [left, 2 + (left + 29) % 32, 2 + (left - 2 + 1) % 32]
            }
        } else {
            let third = [PLANAR, DC, VERTICAL].into_iter().find(|&mode| mode != left && mode != up);
            [left, up, third.unwrap_or(VERTICAL)]
        };
        if in_list {
            let [first, second, third] = list;
            return match (self.cabac.bypass(), first) {
                (false, first) => first,
                (true, _) => {
                    if self.cabac.bypass() {
                        third
                    } else {
                        second
                    }
                }
            };
        }
        let mut mode = self.cabac.bypasses(5).to_le_bytes()[0];
        list.sort_unstable();
        for candidate in list {
            mode += u8::from(mode >= candidate);
        }
        mode
    }

    /// 7.3.8.8.
    pub(super) fn transform_tree(&mut self, unit: &Unit, at: Transform) -> Walk<()> {
        let Transform { log2, depth, .. } = at;
        let chroma = self.sps.chroma;
        let max_depth = if unit.inter {
            self.sps.max_depth_inter
        } else {
            self.sps.max_depth_intra + u32::from(unit.parts)
        };
        let forced = (unit.parts || unit.split) && depth == 0;
        let may_split =
            log2 <= self.sps.log2_max_tb && log2 > self.sps.log2_min_tb && depth < max_depth && !forced;
        let split = if may_split {
            self.cabac.bin(ctx::SPLIT_TRANSFORM + u8::try_from(5 - log2).unwrap_or(0))
        } else {
            log2 > self.sps.log2_max_tb || forced
        };
        let (mut cb, mut cr) = (at.cb, at.cr);
        if chroma == 3 || (log2 > 2 && chroma != 0) {
            let both = chroma == 2 && (!split || log2 == 3);
            cb = self.chroma_flags(cb != 0, depth, both);
            cr = self.chroma_flags(cr != 0, depth, both);
        } else if chroma == 0 || depth == 0 {
            (cb, cr) = (0, 0);
        }
        if split {
            for index in 0..4 {
                let part = if unit.parts && depth == 0 { index } else { at.part };
                self.transform_tree(
                    unit,
                    Transform { log2: log2 - 1, depth: depth + 1, index, part, cb, cr },
                )?;
            }
            return Ok(());
        }
        let is_coded = !unit.inter || depth > 0 || cb != 0 || cr != 0;
        let luma = !is_coded || self.cabac.bin(ctx::CBF_LUMA + u8::from(depth == 0));
        self.transform_unit(unit, Transform { cb, cr, ..at }, luma)
    }

    fn chroma_flags(&mut self, parent: bool, depth: u32, both: bool) -> u8 {
        if !parent {
            return 0;
        }
        let context = ctx::CBF_CHROMA + u8::try_from(depth.min(4)).unwrap_or(0);
        let first = self.cabac.bin(context);
        let second = both && self.cabac.bin(context);
        u8::from(first) | u8::from(second) << 1
    }

    /// 7.3.8.10.
    fn transform_unit(&mut self, unit: &Unit, at: Transform, luma: bool) -> Walk<()> {
        let has_chroma = at.cb != 0 || at.cr != 0;
        if !luma && !has_chroma {
            return Ok(());
        }
        self.quantisation(unit, has_chroma)?;
        let mode = unit.luma.get(at.part).copied().unwrap_or(DC);
        if luma {
            self.residual(unit, at.log2, false, mode)?;
        }
        let chroma_mode = unit.chroma.get(at.part).copied().unwrap_or(DC);
        let chroma_log2 = if self.sps.chroma == 3 {
            at.log2
        } else if at.log2 > 2 {
            at.log2 - 1
        } else if at.index == 3 {
            // Four luma blocks of 4 x 4 share one of chroma.
            2
        } else {
            return Ok(());
        };
        let cross = self.pps.cross_component
            && self.sps.chroma == 3
            && luma
            && (unit.inter || unit.derived.get(at.part).copied().unwrap_or(false));
        for (component, flags) in [(0, at.cb), (1, at.cr)] {
            if cross {
                self.cross_component(component);
            }
            for block in [1, 2] {
                if flags & block != 0 {
                    self.residual(unit, chroma_log2, true, chroma_mode)?;
                }
            }
        }
        Ok(())
    }

    /// `delta_qp` and `chroma_qp_offset` (7.3.8.14).
    fn quantisation(&mut self, unit: &Unit, has_chroma: bool) -> Walk<()> {
        const FAR: Stop = Stop::Wrong("quantisation changes by more than it can");
        if self.pps.qp_delta_depth.is_some() && !self.is_qp_delta_coded {
            self.is_qp_delta_coded = true;
            let mut delta = 0;
            while delta < 5 && self.cabac.bin(ctx::QP_DELTA + u8::from(delta > 0)) {
                delta += 1;
            }
            if delta == 5 {
                delta += self.golomb(0).filter(|&more| more < 64).ok_or(FAR)?;
            }
            let is_negative = delta > 0 && self.cabac.bypass();
            let half = 3 * (self.sps.bit_depth_luma - 8);
            if delta > half + if is_negative { 26 } else { 25 } {
                return Err(FAR);
            }
        }
        if self.segment.chroma_qp_offset
            && has_chroma
            && !unit.bypass
            && !self.is_chroma_qp_offset_coded
            && let Some((_, last)) = self.pps.chroma_qp_lists
        {
            self.is_chroma_qp_offset_coded = true;
            if self.cabac.bin(ctx::CHROMA_QP_FLAG) {
                let mut index = 0;
                while index < last && self.cabac.bin(ctx::CHROMA_QP_INDEX) {
                    index += 1;
                }
            }
        }
        Ok(())
    }

    /// Exponential Golomb code of bypass bins (9.3.3.5).
    pub(super) fn golomb(&mut self, order: u32) -> Option<u32> {
        let mut order = order;
        let mut value = 0u32;
        while self.cabac.bypass() {
            value = value.checked_add(1 << order)?;
            order += 1;
            if order > 16 {
                return None;
            }
        }
        value.checked_add(self.cabac.bypasses(order))
    }

    /// `cross_comp_pred` (7.3.8.12).
    fn cross_component(&mut self, component: u8) {
        let mut scale = 0;
        while scale < 4 && self.cabac.bin(ctx::RES_SCALE + 4 * component + scale) {
            scale += 1;
        }
        if scale != 0 {
            self.cabac.bin(ctx::RES_SIGN + component);
        }
    }
}
