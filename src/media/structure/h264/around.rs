//! What macroblocks remember, and what those to the left and above say (H.264 6.4.9 to 6.4.13).

/// What later macroblocks ask about one.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) skipped: bool,
    /// `mb_type` is `I_NxN`.
    pub(super) intra_parts: bool,
    pub(super) intra: bool,
    /// Samples without coding, `I_PCM`.
    pub(super) samples: bool,
    /// `B_Skip` or `B_Direct_16x16`.
    pub(super) direct: bool,
    /// Of a field pair.
    pub(super) field: bool,
    pub(super) transform_8x8: bool,
    pub(super) chroma_mode: u8,
    /// `CodedBlockPatternLuma`, and `CodedBlockPatternChroma` from bit 4 on.
    pub(super) pattern: u8,
    /// Whether the DC blocks of the three planes have coefficients, one bit each.
    pub(super) dc: u8,
    /// Coefficients of each block of 4 x 4 samples: by plane, row and column. Chroma may use fewer.
    pub(super) counts: [[u8; 16]; 3],
    /// `ref_idx` by list and quarter; 0 where there is none.
    pub(super) references: [[u8; 4]; 2],
    /// Magnitudes of `mvd` by list, block of 4 x 4 samples and component, at most 255.
    pub(super) motion: [[[u8; 2]; 16]; 2],
}

/// The left and the upper neighbour of a macroblock; sides that are not there read as the standard says.
#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    pub(super) left: Option<Head>,
    pub(super) above: Option<Head>,
    /// `CodedBlockPatternLuma`: bits 1 and 3 to the left, 2 and 3 above.
    pub(super) left_pattern: u8,
    pub(super) above_pattern: u8,
    /// Counts by plane and row, or column.
    pub(super) left_counts: [[u8; 4]; 3],
    pub(super) above_counts: [[u8; 4]; 3],
    /// Whether `ref_idx` is over the least one, by list and half.
    pub(super) left_references: [[bool; 2]; 2],
    pub(super) above_references: [[bool; 2]; 2],
    /// Whether there are no 8 x 8 blocks there, by half and above.
    pub(super) left_small: [bool; 2],
    pub(super) above_small: bool,
    pub(super) left_motion: [[[u8; 2]; 4]; 2],
    pub(super) above_motion: [[[u8; 2]; 4]; 2],
}

/// What is asked about the whole neighbour.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "flags of the standard")]
pub(super) struct Head {
    pub(super) skipped: bool,
    pub(super) intra_parts: bool,
    pub(super) direct: bool,
    pub(super) transform_8x8: bool,
    pub(super) chroma_mode: u8,
    pub(super) pattern: u8,
    pub(super) dc: u8,
}

impl Head {
    const fn of(block: &Block) -> Self {
        Self {
            skipped: block.skipped,
            intra_parts: block.intra_parts,
            direct: block.direct,
            transform_8x8: block.transform_8x8,
            chroma_mode: block.chroma_mode,
            pattern: block.pattern,
            dc: block.dc,
        }
    }

    pub(super) const fn chroma_pattern(self) -> u8 {
        self.pattern >> 4
    }
}

/// A macroblock to the left and one of its rows of blocks, for each row of the current one.
pub(super) type Beside<'b> = [(&'b Block, usize); 4];

impl Around {
    /// `field` tells of the current macroblock; `chroma` is `ChromaArrayType`.
    pub(super) fn of(left: Option<Beside<'_>>, above: Option<&Block>, field: bool, chroma: u32) -> Self {
        let mut around = Self { left_pattern: 15, above_pattern: 15, ..Self::default() };
        if let Some(beside) = left {
            around.look_left(&beside, field, chroma);
        }
        if let Some(above) = above {
            around.look_up(above, field, chroma);
        }
        around
    }

    fn look_left(&mut self, beside: &Beside<'_>, field: bool, chroma: u32) {
        self.left = Some(Head::of(beside[0].0));
        self.left_pattern = 0;
        for (plane, counts) in self.left_counts.iter_mut().enumerate() {
            for (row, slot) in counts.iter_mut().enumerate() {
                // Two rows of blocks of chroma 4:2:0 stand beside four of luma.
                let (place, height, column) = match (plane, chroma) {
                    (0, _) | (_, 3) => (row, 1, 3),
                    (_, 2) => (row, 1, 1),
                    _ => (row * 2, 2, 1),
                };
                let Some((block, from)) = beside.get(place) else { continue };
                *slot = count(block, plane, from / height * 4 + column);
            }
        }
        for (half, (block, from)) in beside.iter().step_by(2).enumerate() {
            let quarter = from / 2 * 2 + 1;
            if let Some(slot) = self.left_small.get_mut(half) {
                *slot = is_small(block);
            }
            self.left_pattern |= (block.pattern >> quarter & 1) << (half * 2 + 1);
            for (list, halves) in self.left_references.iter_mut().enumerate() {
                if let Some(slot) = halves.get_mut(half) {
                    *slot = is_over(block, list, quarter, field);
                }
            }
        }
        for (list, rows) in self.left_motion.iter_mut().enumerate() {
            for (slot, (block, from)) in rows.iter_mut().zip(beside) {
                *slot = scaled(block, list, from * 4 + 3, field);
            }
        }
    }

    fn look_up(&mut self, above: &Block, field: bool, chroma: u32) {
        self.above = Some(Head::of(above));
        self.above_pattern = above.pattern & 0b1100;
        self.above_small = is_small(above);
        for (plane, counts) in self.above_counts.iter_mut().enumerate() {
            let last = if plane == 0 || chroma != 1 { 12 } else { 4 };
            for (column, slot) in counts.iter_mut().enumerate() {
                *slot = count(above, plane, last + column);
            }
        }
        for (list, halves) in self.above_references.iter_mut().enumerate() {
            for (half, slot) in halves.iter_mut().enumerate() {
                *slot = is_over(above, list, 2 + half, field);
            }
        }
        for (list, columns) in self.above_motion.iter_mut().enumerate() {
            for (column, slot) in columns.iter_mut().enumerate() {
                *slot = scaled(above, list, 12 + column, field);
            }
        }
    }
}

fn count(block: &Block, plane: usize, place: usize) -> u8 {
    block.counts.get(plane).and_then(|counts| counts.get(place)).copied().unwrap_or(0)
}

const fn is_small(block: &Block) -> bool {
    !block.transform_8x8 && !block.samples
}

/// Whether a neighbour's `ref_idx` counts (9.3.3.1.1.6): frames have half as many as fields.
fn is_over(block: &Block, list: usize, quarter: usize, field: bool) -> bool {
    let reference = block.references.get(list).and_then(|list| list.get(quarter)).copied().unwrap_or(0);
    reference > u8::from(block.field && !field)
}

/// A neighbour's `mvd` as the current macroblock counts it (9.3.3.1.1.7): fields have half as many rows.
fn scaled(block: &Block, list: usize, place: usize, field: bool) -> [u8; 2] {
    let [x, y] = block.motion.get(list).and_then(|list| list.get(place)).copied().unwrap_or_default();
    let y = match (block.field, field) {
        (false, true) => y / 2,
        (true, false) => y.saturating_mul(2),
        _ => y,
    };
    [x, y]
}
