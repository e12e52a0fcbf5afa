//! The horizontal half of reducing 8-bit samples: columns of the result as weighted sums of columns of the source.
//!
//! Sixteen samples of the result are summed side by side, pixel by pixel of their sources. Samples that stand side by side have their
//! sources near each other, and all in step: what picks the first ones out of a few bytes of the row picks the next ones out of the
//! bytes one pixel behind.
#![allow(unsafe_code, reason = "bytes are picked without asking each time whether they are there")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pick;

use super::weights::{self, FRACTION, Weights};
#[cfg(target_arch = "x86_64")]
use crate::media::lanes::Avx2;
use crate::media::lanes::{Lanes, USUAL};
use pick::{GROUP, Group, Pick, WINDOW};

/// Rows that share the loading of weights.
const ROWS: usize = 4;

/// For each sample of a row of the result, the samples of the source that it is made of, and their weights.
pub struct Horizontal {
    /// Bytes of a pixel.
    step: usize,
    /// Pixels of the source of each sample: as many for all, what is too much weighs nothing.
    taps: usize,
    groups: Vec<Group>,
    /// Of each group, as many as there are taps.
    weights: Vec<Lanes>,
    /// Some groups pick from twice as many bytes.
    is_wide: bool,
    /// Bytes of a row of the source, and those behind it that are read and weigh nothing.
    pitch: usize,
    slack: usize,
    /// Bytes of a row of the result.
    line: usize,
}

impl Horizontal {
    /// For `to` pixels of `step` bytes that show the source from `left` on, `width` of its pixels, of which there are `from`.
    /// None where the result has few, or the sources of neighbours are far from each other.
    pub fn new(step: usize, from: usize, shown: (f64, f64), to: usize) -> Option<Self> {
        let weights = Weights::new(from, shown, to);
        let taps = (0..to).map(|pixel| weights.of(pixel).len()).max()?;
        let (pitch, line) = (from.checked_mul(step)?, to.checked_mul(step)?);
        let last = line.checked_sub(GROUP)?;
        let (groups, weights_of_groups) = (Vec::new(), Vec::new());
        let mut this =
            Self { step, taps, groups, weights: weights_of_groups, is_wide: false, pitch, slack: 0, line };
        // The last one with some that are made already.
        for start in (0..last).step_by(GROUP).chain([last]) {
            let sources: [usize; GROUP] = std::array::from_fn(|at| {
                let sample = start + at;
                weights.sources(sample / step).start * step + sample % step
            });
            this.groups.push(Group::new(start, sources)?);
            this.weights.extend((0..taps).map(|tap| {
                Lanes(std::array::from_fn(|at| {
                    weights.of((start + at) / step).get(tap).copied().unwrap_or(0)
                }))
            }));
        }
        this.is_wide = this.groups.iter().any(Group::is_wide);
        let reach = this.groups.iter().map(|group| this.reach(group)).max()?;
        this.slack = reach.saturating_sub(pitch);
        Some(this)
    }

    /// How many bytes of a row, and behind it, a group is made of.
    fn reach(&self, group: &Group) -> usize {
        let [a, b] = group.from;
        a.max(b) + (self.taps - 1) * self.step + if self.is_wide { 2 * WINDOW } else { WINDOW }
    }

    /// Bytes that rows have to be followed by.
    pub const fn slack(&self) -> usize {
        self.slack
    }

    /// Makes rows of the result of as many rows of the source, which [`Self::slack`] follows. None if they are not as many.
    pub fn reduce(&self, rows: &[u8], out: &mut [u8]) -> Option<()> {
        let count = rows.len().checked_sub(self.slack)?.checked_div(self.pitch)?;
        if count * self.pitch + self.slack != rows.len() || count * self.line != out.len() {
            return None;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(processor) = Avx2::found() {
            avx2::reduce(processor, self, rows, out);
            return Some(());
        }
        self.all(USUAL, rows, out);
        Some(())
    }

    /// All rows, some at a time.
    #[allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]
    #[inline(always)]
    fn all(&self, processor: impl Pick, rows: &[u8], out: &mut [u8]) {
        if self.is_wide {
            self.all_from::<true>(processor, rows, out);
        } else {
            self.all_from::<false>(processor, rows, out);
        }
    }

    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn all_from<const WIDE: bool>(&self, processor: impl Pick, mut rows: &[u8], out: &mut [u8]) {
        let mut several = out.chunks_exact_mut(self.line * ROWS);
        for lines in &mut several {
            self.some::<WIDE, ROWS>(processor, rows, lines);
            rows = rows.get(self.pitch * ROWS..).unwrap_or_default();
        }
        for line in several.into_remainder().chunks_exact_mut(self.line) {
            self.some::<WIDE, 1>(processor, rows, line);
            rows = rows.get(self.pitch..).unwrap_or_default();
        }
    }

    /// The first rows, so many.
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn some<const WIDE: bool, const COUNT: usize>(&self, processor: impl Pick, rows: &[u8], out: &mut [u8]) {
        let half = weights::half(self.taps);
        for (group, weights) in self.groups.iter().zip(self.weights.chunks_exact(self.taps)) {
            let reach = self.reach(group);
            let windows: [&[u8]; COUNT] = std::array::from_fn(|row| {
                rows.get(row * self.pitch..).and_then(|row| row.get(..reach)).unwrap_or_default()
            });
            if windows.iter().any(|window| window.len() < reach) {
                return;
            }
            let mut sums = [processor.all(half); COUNT];
            for (tap, weights) in weights.iter().enumerate() {
                let weights = processor.load(weights);
                for (sum, window) in sums.iter_mut().zip(windows) {
                    // SAFETY: the bytes of the last tap end with the window.
                    let picked = unsafe { processor.pick::<WIDE>(window, tap * self.step, group) };
                    *sum = processor.plus(*sum, processor.products(picked, weights));
                }
            }
            for (line, sum) in out.chunks_exact_mut(self.line).zip(sums) {
                if let Some(place) = line.get_mut(group.to..).and_then(|line| line.first_chunk_mut::<GROUP>())
                {
                    *place = processor.samples::<FRACTION>(sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "tests"
    )]

    use super::super::kernel::lanczos3;
    use super::*;
    use crate::media::lanes::Plain;

    /// A sample of the result in floating point.
    fn exact(row: &[u8], step: usize, (left, width): (f64, f64), to: usize, at: usize) -> f64 {
        let scale = width / to as f64;
        let middle = left + ((at / step) as f64 + 0.5) * scale;
        let (mut sum, mut all) = (0.0, 0.0);
        for (pixel, samples) in row.chunks_exact(step).enumerate() {
            let weight = lanczos3((pixel as f64 + 0.5 - middle) / scale.max(1.0));
            sum += weight * f64::from(samples[at % step]);
            all += weight;
        }
        (sum / all).clamp(0.0, 255.0)
    }

    #[test]
    fn sums_are_those_of_the_weights() {
        // As wide, a little wider, with far sources, with parts that are not shown; seven rows are some at a time and some alone.
        let sizes =
            [(60, 0.0, 60), (64, 0.0, 61), (311, 1.5, 223), (311, 0.0, 183), (311, 0.0, 147), (200, 0.0, 58)];
        for (step, (from, left, to)) in [1, 3, 4].into_iter().flat_map(|step| sizes.map(|size| (step, size)))
        {
            let shown = (left, from as f64 - 2.0 * left);
            let horizontal = Horizontal::new(step, from, shown, to).unwrap();
            let pitch = from * step;
            let mut rows: Vec<u8> =
                (0..7 * pitch).map(|at| ((at * 104_729 * 2_654_435_761) >> 13) as u8).collect();
            // What is behind the rows weighs nothing.
            rows.resize(7 * pitch + horizontal.slack(), 255);
            let mut out = vec![0; 7 * to * step];
            horizontal.reduce(&rows, &mut out).unwrap();
            for (row, line) in rows.chunks_exact(pitch).zip(out.chunks_exact(to * step)) {
                for (at, &sample) in line.iter().enumerate() {
                    let off = (exact(row, step, shown, to, at) - f64::from(sample)).abs();
                    assert!(off < 0.8, "{from} to {to} of {step}, {at}: {off}");
                }
            }
            let mut plain = vec![0; out.len()];
            horizontal.all(Plain, &rows, &mut plain);
            assert_eq!(plain, out, "{from} to {to} of {step}");
            assert_eq!(horizontal.reduce(&rows[1..], &mut out), None);
        }
    }

    #[test]
    fn what_is_too_narrow_or_too_far_is_left_to_others() {
        assert!(Horizontal::new(1, 100, (0.0, 100.0), 15).is_none());
        assert!(Horizontal::new(3, 1000, (0.0, 1000.0), 200).is_none());
        assert!(Horizontal::new(3, 0, (0.0, 0.0), 0).is_none());
    }
}
