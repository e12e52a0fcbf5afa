//! Coding units that are predicted from other pictures (H.265 7.3.8.5, 7.3.8.6, 7.3.8.9).

use super::slice::Kind;
use super::tables::ctx;
use super::tree::{Stop, Transform, Tree, Unit, Walk};

/// A motion vector difference has 16 bits (7.4.9.9).
const MAX_DIFFERENCE: u32 = 1 << 15;

impl Tree<'_, '_> {
    /// A unit with sides of `1 << log2` samples, behind `pred_mode_flag`.
    pub(super) fn inter_unit(&mut self, log2: u32, depth: u8, bypass: bool) -> Walk<()> {
        let side = 1 << log2;
        let (parts, is_whole) = self.partition(log2);
        let mut merged = false;
        for (across, down) in parts.into_iter().flatten() {
            merged = self.prediction_unit(side * across / 4, side * down / 4, depth)?;
        }
        let is_coded = (is_whole && merged) || self.cabac.bin(ctx::ROOT_CBF);
        if !is_coded {
            return Ok(());
        }
        let split = self.sps.max_depth_inter == 0 && !is_whole;
        self.transform_tree(&Unit::inter(bypass, split), Transform::root(log2))
    }

    /// `part_mode` (9.3.3.7): width and height of each part in fourths, and whether there is one only.
    fn partition(&mut self, log2: u32) -> ([Option<(u32, u32)>; 4], bool) {
        const WHOLE: (u32, u32) = (4, 4);
        let two = |first, second| ([Some(first), Some(second), None, None], false);
        if self.cabac.bin(ctx::PART_MODE) {
            return ([Some(WHOLE), None, None, None], true);
        }
        let is_smallest = log2 == self.sps.log2_min_cb;
        let flat = self.cabac.bin(ctx::PART_MODE_MORE);
        if is_smallest {
            return if flat {
                two((4, 2), (4, 2))
            } else if log2 == 3 || self.cabac.bin(ctx::PART_MODE_MORE + 1) {
                two((2, 4), (2, 4))
            } else {
                ([Some((2, 2)); 4], false)
            };
        }
        let (short, long) = if !self.sps.asymmetric || self.cabac.bin(ctx::PART_MODE_MORE + 2) {
            (2, 2)
        } else if self.cabac.bypass() {
            (3, 1)
        } else {
            (1, 3)
        };
        if flat { two((4, short), (4, long)) } else { two((short, 4), (long, 4)) }
    }

    /// `prediction_unit` that is not skipped; gives `merge_flag`.
    fn prediction_unit(&mut self, width: u32, height: u32, depth: u8) -> Walk<bool> {
        if self.cabac.bin(ctx::MERGE_FLAG) {
            self.merge_index();
            return Ok(true);
        }
        let mut lists = [true, false];
        if self.segment.kind == Kind::B {
            if width + height != 12 && self.cabac.bin(ctx::INTER_PRED + depth.min(3)) {
                lists = [true, true];
            } else if self.cabac.bin(ctx::INTER_PRED + 4) {
                lists = [false, true];
            }
        }
        for (list, _) in lists.into_iter().enumerate().filter(|(_, used)| *used) {
            self.reference(list);
            if list == 0 || !self.segment.second_is_zero || lists != [true, true] {
                self.difference()?;
            }
            self.cabac.bin(ctx::MVP_FLAG);
        }
        Ok(false)
    }

    /// `merge_idx`.
    pub(super) fn merge_index(&mut self) {
        let most = self.segment.merge_candidates.saturating_sub(1);
        if most > 0 && self.cabac.bin(ctx::MERGE_INDEX) {
            let mut index = 1;
            while index < most && self.cabac.bypass() {
                index += 1;
            }
        }
    }

    /// `ref_idx_l0` or `ref_idx_l1`.
    fn reference(&mut self, list: usize) {
        let most = self.segment.references.get(list).map_or(0, |count| count.saturating_sub(1));
        let mut index = 0;
        while index < most {
            let more = match index {
                0 => self.cabac.bin(ctx::REFERENCE),
                1 => self.cabac.bin(ctx::REFERENCE + 1),
                _ => self.cabac.bypass(),
            };
            if !more {
                break;
            }
            index += 1;
        }
    }

    /// `mvd_coding`.
    fn difference(&mut self) -> Walk<()> {
        const FAR: Stop = Stop::Wrong("a motion vector that reaches further than it can");
        let some = [self.cabac.bin(ctx::MVD_GREATER_0), self.cabac.bin(ctx::MVD_GREATER_0)];
        let more = some.map(|some| some && self.cabac.bin(ctx::MVD_GREATER_1));
        for (some, more) in some.into_iter().zip(more) {
            if more {
                self.golomb(1).filter(|&rest| rest <= MAX_DIFFERENCE - 2).ok_or(FAR)?;
            }
            if some {
                self.cabac.bypass();
            }
        }
        Ok(())
    }
}
