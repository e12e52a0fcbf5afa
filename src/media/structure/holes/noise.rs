//! Rule 5: sectors of noise.
//!
//! In a picture nearly every sample is like the one above it or like the one at its left, across an edge too. In bytes that
//! are no picture (compressed or encrypted data, a page of another file) seven of ten are unlike both. A block of such noise
//! is foreign where it begins and ends with sectors, while all around it is quiet: noise that a picture has (a patch of a
//! test chart) goes on in the row above or below.

use super::{Field, GRID, Hole, Sample};

/// A difference is noise from this part of the full range on.
const WILD: u64 = 12;
/// Part of the different values of random data that noise must have.
const EVEN: f64 = 0.92;
/// Samples at each side of an edge.
const EDGE: usize = 48;
/// A picture that has more such blocks is made so.
const MOST: usize = 4;

/// Stretches of noise, standing out or not, of a picture that is worth the search.
const MOST_STRETCHES: usize = 64;

impl Field<'_> {
    /// A block of noise between two sectors.
    pub(super) fn noise(&self) -> Option<Hole> {
        if self.left == 0 || !self.left.is_multiple_of(self.unit) || self.left >= self.row {
            return None;
        }
        let (mut found, mut stretches) = (Vec::new(), 0);
        let mut at = self.first_boundary();
        while at + GRID <= self.range.end {
            let mut end = at;
            while end + GRID <= self.range.end && self.is_noise(end) {
                end += GRID;
            }
            stretches += usize::from(end > at);
            if stretches > MOST_STRETCHES {
                return None;
            }
            if end > at && at > self.range.start && self.stands_out(at, end) {
                found.push(at);
            }
            at = end.max(at + GRID);
        }
        let at = *found.first().filter(|_| found.len() <= MOST)?;
        Some(Hole { at, what: "a block of noise between two sectors" })
    }

    fn is_noise(&self, at: usize) -> bool {
        let samples = self.index(at)..(at + GRID - self.range.start) / self.unit;
        let (wild, count) = (self.wild(samples.start, samples.len()), samples.len());
        wild * 5 >= count * 3 && count > 0 && self.is_even(samples)
    }

    /// Whether nearly as many upper bytes are there as in random data.
    fn is_even(&self, samples: std::ops::Range<usize>) -> bool {
        let shift = match self.sample {
            Sample::High(bits) => bits.saturating_sub(8),
            Sample::Little | Sample::Big => 8,
        };
        let mut seen = [false; 256];
        for index in samples.clone() {
            if let Some(seen) = seen.get_mut(usize::from(self.value(index) >> shift)) {
                *seen = true;
            }
        }
        let different = seen.iter().filter(|&&seen| seen).count() as f64;
        different >= EVEN * 256.0 * (1.0 - (samples.len() as f64 / -256.0).exp())
    }

    /// Whether noise begins and ends here, and the rows above and below are quiet.
    fn stands_out(&self, at: usize, end: usize) -> bool {
        let (from, to, span) = (self.index(at), (end - self.range.start) / self.unit, self.span());
        let inside = EDGE.min((to - from) / 2);
        let noisy = |from: usize, count: usize| self.wild(from, count) * 2 >= count;
        let quiet = |from: usize, count: usize| self.wild(from, count) * 4 <= count;
        // Few samples: those of a sharp picture may have a quarter by chance.
        let calm = |from: usize| self.wild(from, EDGE) * 5 <= EDGE * 2;
        // The row before, and one more for its own row above.
        if from < span * 2 + EDGE || !noisy(from, inside) || !calm(from - EDGE) {
            return false;
        }
        if !quiet(from - span, span) || !noisy(to - inside, inside) {
            return false;
        }
        // The first samples behind the block have it at their left.
        let behind = to + self.left / self.unit + 1;
        behind + span <= self.samples() && calm(behind) && quiet(behind, span)
    }

    /// Samples unlike both the one above and the one at the left.
    fn wild(&self, from: usize, count: usize) -> usize {
        let full = match self.sample {
            Sample::High(bits) => 1u64 << bits.min(16),
            Sample::Little | Sample::Big => 1 << 16,
        };
        let (span, left) = (self.span(), self.left / self.unit);
        let unlike = |index: usize, other: usize| {
            u64::from(self.value(index).abs_diff(self.value(other))) * WILD >= full
        };
        (from..from + count)
            .filter(|&index| index >= span && unlike(index, index - left) && unlike(index, index - span))
            .count()
    }
}
