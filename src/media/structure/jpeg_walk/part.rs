//! What a sequential scan needs of each of its components.

use std::cell::OnceCell;

use super::levels::Levels;
use super::tables::{Begins, Coefficients, Differences, Huffman, Range, Runs};

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
    /// The fast ways over blocks: their begin, and what follows.
    pub begins: &'t Begins,
    pub runs: &'t Runs,
    /// The fast way through `ac` for whoever wants values.
    pub values: OnceCell<Box<Coefficients>>,
    pub range: &'t Range,
    /// The DC coefficient of the block before.
    pub last: i32,
    pub levels: Levels,
}
