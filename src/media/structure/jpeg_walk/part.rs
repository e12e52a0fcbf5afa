//! What a sequential scan needs of each of its components.

use super::shift::Levels;
use super::tables::{Coefficients, Differences, Huffman, Range, Runs};

/// One component of a sequential scan.
pub struct Part<'t> {
    /// Blocks of each unit.
    pub blocks: usize,
    /// How many of them lie side by side.
    pub columns: usize,
    pub dc: &'t Huffman,
    /// The fast way through `dc`.
    pub differences: &'t Differences,
    pub ac: &'t Huffman,
    /// The fast ways through `ac`, without values and with them.
    pub runs: &'t Runs,
    pub coefficients: &'t Coefficients,
    pub range: &'t Range,
    /// The DC coefficient of the block before.
    pub last: i32,
    pub levels: Levels,
}
