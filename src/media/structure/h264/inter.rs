//! Macroblocks that are predicted from other pictures (H.264 7.3.5.1, 7.3.5.2).

use super::coding::{Coding, Stop, Walk};
use super::slice::Kind;
use super::slice_data::Slice;

/// How an inter macroblock is divided: which lists each part uses, where and how large it is.
#[derive(Clone, Copy)]
struct Part {
    lists: [bool; 2],
    /// First block of 4 x 4 samples, and blocks across and down.
    place: usize,
    across: usize,
    down: usize,
}

impl<C: Coding> Slice<'_, C> {
    /// P and B macroblocks that are not skipped (7.3.5.1, 7.3.5.2).
    pub(super) fn inter(&mut self, kind: u32) -> Walk<()> {
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
