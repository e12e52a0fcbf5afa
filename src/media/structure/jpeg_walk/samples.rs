//! Whether an encoder can have made a block: the samples that it gives against the range of its precision.

use std::sync::LazyLock;

/// A quantisation table, in zig-zag order unless something else is said.
pub type Steps = [u16; 64];

/// Natural place of each coefficient in zig-zag order (figure A.6).
#[rustfmt::skip]
pub const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A table with its numbers in natural order.
pub fn natural(table: &Steps) -> Steps {
    let mut natural = [0; 64];
    for (&value, &place) in table.iter().zip(&ZIGZAG) {
        if let Some(cell) = natural.get_mut(usize::from(place)) {
            *cell = value;
        }
    }
    natural
}

/// Samples of one dimension for each coefficient (A.3.3).
static COSINES: LazyLock<[[f32; 8]; 8]> = LazyLock::new(|| {
    std::array::from_fn(|frequency| {
        std::array::from_fn(|place| {
            let scale = if frequency == 0 { 0.125_f32.sqrt() } else { 0.5 };
            let angle = (2 * place + 1) as f32 * frequency as f32 * std::f32::consts::PI / 16.0;
            scale * angle.cos()
        })
    })
});

/// The highest sample of each coefficient in one dimension, rounded up.
const HIGHEST: [f32; 8] = [0.353_56, 0.490_4, 0.490_4, 0.490_4, 0.490_4, 0.490_4, 0.490_4, 0.490_4];

/// Encoders that smooth the edges of clipped areas go so many levels beyond the range on purpose, of 128.
const OVERSHOOT: f32 = 31.0;

/// The blocks that there can be of a quantisation table.
pub struct Blocks {
    /// The steps, in natural order.
    steps: [[f32; 8]; 8],
    /// No sample is farther from the middle.
    limit: f32,
    /// All steps together, squared.
    allowed: f32,
}

impl Blocks {
    /// For samples that reach so far on both sides of their middle.
    pub fn new(steps: &Steps, half: f32) -> Self {
        let mut rows = [[0.0; 8]; 8];
        for (cell, step) in rows.iter_mut().flatten().zip(natural(steps)) {
            *cell = f32::from(step);
        }
        let [first, ..] = *steps;
        let limit = half + (2.0 * f32::from(first)).min(OVERSHOOT * half / 128.0);
        Self { steps: rows, limit, allowed: steps.iter().map(|&step| f32::from(step).powi(2)).sum() }
    }

    /// Whether quantisation alone can have moved a block (quantised, in natural order) so far out of the range of its samples.
    ///
    /// The samples that were encoded are inside. The transform keeps distances, and no coefficient moves more than one step (half
    /// of one where it is rounded): so the decoded block is not farther from the range than the length of all steps together.
    pub fn has(&self, quantised: &[i16; 64]) -> bool {
        let mut block = self.steps;
        for (cell, &value) in block.iter_mut().flatten().zip(quantised) {
            *cell *= f32::from(value);
        }
        // No sample is larger than all waves together where each is highest.
        let heights: f32 = block.iter().zip(HIGHEST).map(|(row, down)| down * highest(row)).sum();
        if heights <= self.limit {
            return true;
        }
        let samples = transform(&block);
        let beyond = |sample: &f32| (sample.abs() - self.limit).max(0.0).powi(2);
        samples.iter().flatten().map(beyond).sum::<f32>() <= self.allowed
    }
}

fn highest(row: &[f32; 8]) -> f32 {
    row.iter().zip(HIGHEST).map(|(value, across)| across * value.abs()).sum()
}

/// Back to samples: columns, then rows.
fn transform(block: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let cosines = &*COSINES;
    let (mut columns, mut out) = ([[0.0; 8]; 8], [[0.0; 8]; 8]);
    for (row, wave) in block.iter().zip(cosines).filter(|(row, _)| row.iter().any(|&cell| cell != 0.0)) {
        for (target, height) in columns.iter_mut().zip(wave) {
            add(target, row, *height);
        }
    }
    for (target, row) in out.iter_mut().zip(&columns) {
        for (coefficient, wave) in row.iter().zip(cosines) {
            add(target, wave, *coefficient);
        }
    }
    out
}

#[inline]
fn add(target: &mut [f32; 8], values: &[f32; 8], times: f32) {
    for (cell, value) in target.iter_mut().zip(values) {
        *cell += value * times;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn full_range_is_possible_and_more_is_not() {
        let steps = [2; 64];
        let possible = |dc: i16, ac: i16, steps: &Steps| {
            let mut block = [0; 64];
            (block[0], block[1]) = (dc, ac);
            Blocks::new(steps, 128.0).has(&block)
        };
        // White, black, and an edge between them.
        assert!(possible(508, 0, &steps));
        assert!(possible(-512, 0, &steps));
        assert!(possible(0, 350, &steps));
        // A strong edge in white.
        assert!(!possible(500, 200, &steps));
        // With coarse steps one cannot know.
        assert!(possible(10, 4, &[100; 64]));
    }

    #[test]
    fn the_transform_keeps_distances() {
        let mut block = [[0.0; 8]; 8];
        (block[0][0], block[1][3], block[7][7]) = (100.0, -40.0, 9.0);
        let samples = transform(&block);
        let power = |block: [[f32; 8]; 8]| block.iter().flatten().map(|value| value * value).sum::<f32>();
        assert!((power(samples) / power(block) - 1.0).abs() < 1e-4);
    }
}
