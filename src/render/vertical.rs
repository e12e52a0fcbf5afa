//! The vertical half of reducing 8-bit samples: rows of the result as weighted sums of rows of the source.
//!
//! Products keep sixteen bits, seven of them behind the point, so that twice as many samples fit into a vector as sums of 32
//! bits would leave.
#![allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]

#[cfg(target_arch = "x86_64")]
mod avx2;

use super::weights::{self, FRACTION, Weights};
#[cfg(target_arch = "x86_64")]
use crate::media::lanes::Avx2;
use crate::media::lanes::{LANES, Processor, USUAL};

/// Samples that are summed side by side.
const BLOCK: usize = 64;

/// For each row of the result, the rows of the source that it is made of, and their weights.
pub struct Vertical(Weights);

impl Vertical {
    /// For `to` rows that show the source from `top` on, `height` of its rows, of which there are `from`.
    pub fn new(from: usize, shown: (f64, f64), to: usize) -> Self {
        Self(Weights::new(from, shown, to))
    }

    /// The rows of the source that a row of the result is made of.
    pub fn sources(&self, row: usize) -> std::ops::Range<usize> {
        self.0.sources(row)
    }

    /// Makes a row of the result of its sources, rows of as many bytes that begin with the first of [`Self::sources`].
    pub fn reduce(&self, row: usize, sources: &[u8], out: &mut [u8]) {
        sum(sources, self.0.of(row), out);
    }
}

fn sum(sources: &[u8], weights: &[i16], out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(processor) = Avx2::found() {
        return avx2::sum(processor, sources, weights, out);
    }
    by_blocks(sources, weights, out, |from, pitch| block(USUAL, sources, weights, pitch, from));
}

/// All samples of a row: by blocks, whose first byte and the bytes of a row are handed over.
#[inline(always)]
fn by_blocks(sources: &[u8], weights: &[i16], out: &mut [u8], sums: impl Fn(usize, usize) -> [u8; BLOCK]) {
    let pitch = out.len();
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    for (number, block) in blocks.iter_mut().enumerate() {
        *block = sums(number * BLOCK, pitch);
    }
    if rest.is_empty() {
        return;
    }
    // The last ones with some that are made already, or with some that are not there.
    if let Some(block) = out.last_chunk_mut::<BLOCK>() {
        *block = sums(pitch - BLOCK, pitch);
        return;
    }
    let mut wider = vec![0; weights.len() * BLOCK];
    for (wide, source) in wider.chunks_exact_mut(BLOCK).zip(sources.chunks_exact(pitch)) {
        wide.split_at_mut(pitch).0.copy_from_slice(source);
    }
    let mut block = [0; BLOCK];
    sum(&wider, weights, &mut block);
    out.copy_from_slice(block.split_at(pitch).0);
}

/// Sums of samples side by side, `from` bytes into each row.
#[inline(always)]
fn block(
    processor: impl Processor,
    sources: &[u8],
    weights: &[i16],
    pitch: usize,
    from: usize,
) -> [u8; BLOCK] {
    let mut sums = [processor.all(weights::half(weights.len())); BLOCK / LANES];
    for (source, &weight) in sources.chunks_exact(pitch).zip(weights) {
        let Some(samples) = source.get(from..).and_then(|samples| samples.first_chunk::<BLOCK>()) else {
            break;
        };
        for (sum, samples) in sums.iter_mut().zip(samples.as_chunks::<LANES>().0) {
            *sum = processor.plus(*sum, processor.weighed(samples, weight));
        }
    }
    bytemuck::cast(sums.map(|sum| processor.samples::<FRACTION>(sum)))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "tests"
    )]

    use super::super::kernel::lanczos3;
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
