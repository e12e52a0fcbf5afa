//! How far a row of differences stands out from those before and behind it, for each place where one may begin: a quick look at all of
//! a picture.

use std::ops::Range;

/// So many contrasts are computed at once.
const STRIDE: usize = 64;

/// Sums over any range of a sequence.
pub struct Sums(Vec<f64>);

impl Sums {
    pub fn new(values: impl Iterator<Item = f32>) -> Self {
        let mut sum = 0.0;
        Self(
            std::iter::once(0.0)
                .chain(values.map(|value| {
                    sum += f64::from(value);
                    sum
                }))
                .collect(),
        )
    }

    #[allow(clippy::cast_possible_truncation, reason = "a mean of such numbers")]
    pub fn mean(&self, range: Range<usize>) -> f32 {
        let at = |index: usize| self.0.get(index).copied().unwrap_or(0.0);
        ((at(range.end) - at(range.start)) / range.len().max(1) as f64) as f32
    }
}

/// A sequence of differences, so many in a row.
pub struct Contrasts {
    /// Sums of what comes before each place. Those over a few rows fit, whatever the sum from the start is.
    sums: Vec<i32>,
    across: usize,
}

impl Contrasts {
    /// Of these differences, with so many that are 0 before and behind them. No sum over three rows may be longer than 30 bits.
    pub fn new(differences: impl ExactSizeIterator<Item = i32>, across: usize, around: usize) -> Self {
        let mut sums = vec![0; differences.len() + 2 * around + 1];
        let mut sum = 0i32;
        let mut places = sums.get_mut(around + 1..).unwrap_or_default().iter_mut();
        for (difference, place) in differences.zip(&mut places) {
            sum = sum.wrapping_add(difference);
            *place = sum;
        }
        places.into_slice().fill(sum);
        Self { sums, across }
    }

    /// How many differences there are, with those around.
    pub const fn len(&self) -> usize {
        self.sums.len() - 1
    }

    /// The sum of some of them.
    pub fn sum(&self, range: &Range<usize>) -> i32 {
        let at = |index: usize| self.sums.get(index).copied().unwrap_or(0);
        at(range.end).wrapping_sub(at(range.start))
    }

    /// Gives each place from the second row on where a contrast of more than `least` begins, whatever its sign: twice the sum over a row,
    /// less those over the rows before and behind.
    pub fn beyond(&self, least: i32, mut each: impl FnMut(usize, i32)) {
        let mut contrasts = [0; STRIDE];
        for start in (0..(self.len() + 1).saturating_sub(3 * self.across)).step_by(STRIDE) {
            let contrasts = self.from(start, &mut contrasts);
            if contrasts.iter().fold(0, |most, contrast| contrast.abs().max(most)) <= least {
                continue;
            }
            for (place, &contrast) in (start + self.across..).zip(contrasts) {
                if contrast.abs() > least {
                    each(place, contrast);
                }
            }
        }
    }

    /// Those whose row before begins at `start` and later.
    fn from<'a>(&self, start: usize, contrasts: &'a mut [i32; STRIDE]) -> &'a [i32] {
        let at = |rows: usize| self.sums.get(start + rows * self.across..).unwrap_or_default();
        let (a, b, c, d) = (at(0), at(1), at(2), at(3));
        let count = d.len().min(STRIDE);
        for ((((contrast, a), b), c), d) in contrasts.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let (left, right) = (b.wrapping_sub(*a), d.wrapping_sub(*c));
            *contrast = (2 * c.wrapping_sub(*b)).wrapping_sub(left).wrapping_sub(right);
        }
        contrasts.get(..count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_high_contrast_is_given() {
        let across = 7;
        let differences: Vec<i32> = (0..90u32).map(|n| (n * n % 23).cast_signed() - 11).collect();
        for around in [0, across] {
            let mut all = vec![0; around];
            all.extend(&differences);
            all.resize(differences.len() + 2 * around, 0);
            let contrasts = Contrasts::new(differences.iter().copied(), across, around);
            assert_eq!(contrasts.len(), all.len());
            let sum = |row: usize| all.iter().skip(row).take(across).sum::<i32>();
            let contrast = |place: usize| 2 * sum(place) - sum(place - across) - sum(place + across);
            let places = across..=all.len() - 2 * across;
            let expected: Vec<_> =
                places.map(|place| (place, contrast(place))).filter(|(_, high)| high.abs() > 30).collect();
            assert!(expected.len() > 5 && expected.len() < 80, "{}", expected.len());
            let mut found = Vec::new();
            contrasts.beyond(30, |place, contrast| found.push((place, contrast)));
            assert_eq!(found, expected);
            assert_eq!(contrasts.sum(&(around..around + 20)), differences.iter().take(20).sum::<i32>());
        }
    }
}
