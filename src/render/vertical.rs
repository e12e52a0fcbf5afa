//! The vertical half of reducing 8-bit samples: rows of the result as weighted sums of rows of the source.
//!
//! The weights are those that `fast_image_resize` computes. Products keep sixteen bits, seven of them behind the
//! point, so that twice as many samples fit into a vector as sums of 32 bits would leave.
#![allow(
    unsafe_code,
    reason = "the macro calls the version for vector instructions that it found the processor to have"
)]

use multiversion::multiversion;

use super::kernel::{RADIUS, lanczos3};
use crate::media::lanes::all_weighted;

/// Bits behind the point of a sum.
const FRACTION: u32 = 7;
/// A weight of one.
const ONE: f64 = 32_768.0;
/// Samples that are summed side by side.
const BLOCK: usize = 64;

/// For each row of the result, the rows of the source that it is made of, and their weights.
pub struct Vertical {
    /// Per row of the result: the first row of the source, and where its weights begin.
    rows: Vec<(usize, usize)>,
    weights: Vec<i16>,
}

impl Vertical {
    /// For `to` rows that show the source from `top` on, `height` of its rows, of which there are `from`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of rows; floats saturate"
    )]
    pub fn new(from: usize, (top, height): (f64, f64), to: usize) -> Self {
        let scale = height / to.max(1) as f64;
        let stretch = scale.max(1.0);
        let mut this = Self { rows: Vec::with_capacity(to), weights: Vec::new() };
        let mut exact: Vec<f64> = Vec::new();
        for row in 0..to {
            let middle = top + (row as f64 + 0.5) * scale;
            let first = (middle - RADIUS * stretch).floor().max(0.0) as usize;
            let end = ((middle + RADIUS * stretch).ceil().max(0.0) as usize).min(from);
            exact.clear();
            exact.extend((first..end).map(|at| lanczos3((at as f64 + 0.5 - middle) / stretch)));
            this.rows.push((first, this.weights.len()));
            this.push(&exact);
        }
        this
    }

    /// Adds the weights of one row: whole numbers with the sum of one.
    #[allow(clippy::cast_possible_truncation, reason = "at most one in sixteen bits")]
    fn push(&mut self, exact: &[f64]) {
        let sum: f64 = exact.iter().sum();
        let from = self.weights.len();
        self.weights.extend(exact.iter().map(|weight| (weight / sum * ONE).round().min(ONE - 1.0) as i16));
        let weights = self.weights.get_mut(from..).unwrap_or_default();
        let lacking = ONE as i32 - weights.iter().map(|&weight| i32::from(weight)).sum::<i32>();
        if let Some(largest) = weights.iter_mut().max() {
            *largest = largest.saturating_add(lacking as i16);
        }
    }

    /// The rows of the source that a row of the result is made of.
    pub fn sources(&self, row: usize) -> std::ops::Range<usize> {
        let (first, _) = self.rows.get(row).copied().unwrap_or_default();
        first..first + self.weights(row).len()
    }

    /// Makes a row of the result of its sources, rows of as many bytes that begin with the first of [`Self::sources`].
    pub fn reduce(&self, row: usize, sources: &[u8], out: &mut [u8]) {
        sum(sources, self.weights(row), out);
    }

    fn weights(&self, row: usize) -> &[i16] {
        let at = |row: usize| self.rows.get(row).map_or(self.weights.len(), |&(_, at)| at);
        self.weights.get(at(row)..at(row + 1)).unwrap_or_default()
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn sum(sources: &[u8], weights: &[i16], out: &mut [u8]) {
    let pitch = out.len();
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    for (number, block) in blocks.iter_mut().enumerate() {
        *block = sum_of(sources, weights, pitch, number * BLOCK);
    }
    let from = pitch - rest.len();
    for (number, sample) in rest.iter_mut().enumerate() {
        [*sample] = sum_of(sources, weights, pitch, from + number);
    }
}

/// Sums of so many samples side by side, `from` bytes into each row.
#[allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped, or the upper half of a product"
)]
fn sum_of<const SAMPLES: usize>(sources: &[u8], weights: &[i16], pitch: usize, from: usize) -> [u8; SAMPLES] {
    let mut sums = [0_i16; SAMPLES];
    for (source, &weight) in sources.chunks_exact(pitch).zip(weights) {
        let Some(samples) = source.get(from..).and_then(|samples| samples.first_chunk::<SAMPLES>()) else {
            break;
        };
        for (sum, product) in sums.iter_mut().zip(all_weighted(weight, samples)) {
            *sum = sum.saturating_add(product);
        }
    }
    // Half a level, and what was cut off: half of the last bit of each product.
    let half = (1 << (FRACTION - 1)) + i16::try_from(weights.len() / 2).unwrap_or(0);
    sums.map(|sum| ((sum.saturating_add(half) >> FRACTION) + 128).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "tests"
    )]

    use super::*;

    /// The sums in floating point.
    fn exact(from: usize, shown: (f64, f64), to: usize, row: usize, column: &[u8]) -> f64 {
        let scale = shown.1 / to as f64;
        let middle = shown.0 + (row as f64 + 0.5) * scale;
        let weight = |at: usize| lanczos3((at as f64 + 0.5 - middle) / scale.max(1.0));
        let (sum, all) = (0..from)
            .fold((0.0, 0.0), |(sum, all), at| (sum + weight(at) * f64::from(column[at]), all + weight(at)));
        (sum / all).clamp(0.0, 255.0)
    }

    #[test]
    fn sums_are_those_of_the_weights() {
        let width = 3 * 71;
        for (from, shown, to) in
            [(300, (0.0, 300.0), 229), (300, (0.0, 300.0), 40), (97, (2.5, 92.0), 91), (50, (0.0, 50.0), 1)]
        {
            let vertical = Vertical::new(from, shown, to);
            let sample = |row: usize, at: usize| (((row * 7919 + at * 104_729) * 2_654_435_761) >> 13) as u8;
            let source: Vec<u8> = (0..from * width).map(|at| sample(at / width, at % width)).collect();
            let mut worst: f64 = 0.0;
            for row in 0..to {
                let mut out = vec![0; width];
                let sources = vertical.sources(row);
                vertical.reduce(row, &source[sources.start * width..sources.end * width], &mut out);
                for at in 0..width {
                    let column: Vec<u8> = (0..from).map(|row| source[row * width + at]).collect();
                    worst = worst.max((exact(from, shown, to, row, &column) - f64::from(out[at])).abs());
                }
            }
            assert!(worst < 0.75, "{from} to {to}: {worst}");
        }
    }

    #[test]
    fn flat_rows_stay_flat() {
        for to in [1, 7, 80, 99, 100] {
            let vertical = Vertical::new(100, (0.0, 100.0), to);
            for level in [0, 1, 100, 254, 255] {
                let source = vec![level; 100 * 65];
                for row in 0..to {
                    let mut out = vec![7; 65];
                    let sources = vertical.sources(row);
                    vertical.reduce(row, &source[sources.start * 65..sources.end * 65], &mut out);
                    assert!(out.iter().all(|&sample| sample == level), "{level} in {to}: {out:?}");
                }
            }
        }
    }
}
