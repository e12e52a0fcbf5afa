//! What both ways of entropy coding can read.

use super::slice::Kind;

/// Why the walk of a slice stops: what no encoder writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop(pub(super) &'static str);

pub(super) type Walk<T> = Result<T, Stop>;

/// `CodedBlockPatternLuma` and `CodedBlockPatternChroma` around; what is not there counts as coded luma.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patterns {
    /// Bits 1 and 3 are the blocks to the left.
    pub(super) left: u8,
    /// Bits 2 and 3 are the blocks above.
    pub(super) above: u8,
    pub(super) left_chroma: u8,
    pub(super) above_chroma: u8,
    pub(super) has_chroma: bool,
    /// The macroblock's type is `I_NxN`.
    pub(super) is_intra_parts: bool,
}

/// A block of coefficients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Residue {
    /// `ctxBlockCat` (table 9-42).
    pub(super) category: usize,
    /// How many coefficients it can have.
    pub(super) most: usize,
    /// How many are in the block to the left and above; `None` where none is available.
    pub(super) left: Option<u8>,
    pub(super) above: Option<u8>,
    pub(super) intra: bool,
    pub(super) field: bool,
    /// `coded_block_flag` is there in arithmetic coding.
    pub(super) has_flag: bool,
}

/// Reads the syntax elements of macroblocks. `increment` is `ctxIdxInc`, which only arithmetic coding uses.
pub(super) trait Coding {
    /// Bits taken.
    fn position(&self) -> usize;
    /// Whether all that was taken was there.
    fn check(&self) -> Walk<()>;
    /// `mb_skip_flag`, or that `mb_skip_run` is not over.
    fn skip_flag(&mut self, kind: Kind, increment: usize) -> bool;
    /// `mb_field_decoding_flag`.
    fn field_flag(&mut self, increment: usize) -> Walk<bool>;
    /// `mb_type` as numbered in tables 7-11, 7-13 and 7-14.
    fn block_type(&mut self, kind: Kind, increment: usize) -> Walk<u32>;
    /// `sub_mb_type`.
    fn sub_type(&mut self, kind: Kind) -> Walk<u32>;
    /// `transform_size_8x8_flag`.
    fn transform_flag(&mut self, increment: usize) -> Walk<bool>;
    /// `prev_intra4x4_pred_mode_flag` and `rem_intra4x4_pred_mode`, or those of 8 x 8.
    fn intra_mode(&mut self) -> Walk<()>;
    /// `intra_chroma_pred_mode`.
    fn chroma_mode(&mut self, increment: usize) -> Walk<u32>;
    /// `ref_idx` into a list of `count`.
    fn reference(&mut self, count: u32, increment: usize) -> Walk<u32>;
    /// The magnitude of one component of `mvd`; `sum` is that of the neighbours'.
    fn motion(&mut self, component: usize, sum: u32) -> Walk<u32>;
    /// `coded_block_pattern`: luma in the lower four bits, chroma above.
    fn pattern(&mut self, around: Patterns) -> Walk<u8>;
    /// `mb_qp_delta`.
    fn qp_delta(&mut self, changed_before: bool) -> Walk<i32>;
    /// A block; gives how many coefficients are not zero.
    fn residue(&mut self, block: &Residue) -> Walk<u8>;
    /// `bits` bits of samples, from the next byte on.
    fn samples(&mut self, bits: usize) -> Walk<()>;
    /// Whether the slice is over; it must end as slices do.
    fn ends(&mut self) -> Walk<bool>;
}
