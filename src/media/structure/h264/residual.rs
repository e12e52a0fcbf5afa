//! The blocks of coefficients of a macroblock (H.264 7.3.5.3).

use super::around::Head;
use super::coding::{Coding, Residue, Stop, Walk};
use super::slice_data::Slice;

impl<C: Coding> Slice<'_, C> {
    /// `mb_qp_delta` and all blocks of coefficients (7.3.5.3).
    pub(super) fn residual(&mut self, is_whole: bool) -> Walk<()> {
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
