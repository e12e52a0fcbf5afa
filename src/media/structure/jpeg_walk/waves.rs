//! The rows of samples at the edges of a block, by its upright coefficients alone: the means over its width.

use super::edges::Edge;
use super::samples::{Steps, ZIGZAG};

/// What each of the upright coefficients adds to the means of the first two rows of samples (A.3.3).
const FIRST_ROW: [f32; 8] = [0.125, 0.173_380, 0.163_320, 0.146_984, 0.125, 0.098_212, 0.067_650, 0.034_487];
const SECOND_ROW: [f32; 8] =
    [0.125, 0.146_984, 0.067_650, -0.034_487, -0.125, -0.173_380, -0.163_320, -0.098_212];

/// Coefficients of a block of which only the first column is wanted, those that make its rows differ: lowest frequency first. All others
/// share the places behind: to write there costs less than to ask whether.
pub type Upright = [i16; 16];

/// The place of each coefficient in zig-zag order among those.
pub const UPRIGHT: [u8; 64] = {
    let (mut places, mut index) = ([8; 64], 0);
    #[allow(clippy::indexing_slicing, reason = "while the program is built")]
    while index < 64 {
        if ZIGZAG[index].is_multiple_of(8) {
            places[index] = ZIGZAG[index] / 8;
        }
        index += 1;
    }
    places
};

/// The upright coefficients of several blocks together.
#[derive(Clone, Copy, Default)]
pub struct Column([i32; 8]);

impl Column {
    #[inline]
    pub fn add(&mut self, block: &Upright) {
        for (sum, &value) in self.0.iter_mut().zip(block) {
            *sum += i32::from(value);
        }
    }
}

/// What a step of each of the upright coefficients adds to the means of the first two rows of samples of a block.
pub struct Waves {
    first: [f32; 8],
    second: [f32; 8],
}

/// The means of the two rows at an edge of a block.
struct Means {
    outer: f32,
    inner: f32,
}

impl Waves {
    pub fn new(steps: &Steps) -> Self {
        let weigh = |row: [f32; 8]| {
            let mut row = row;
            for (&step, &place) in steps.iter().zip(&UPRIGHT) {
                if let Some(weight) = row.get_mut(usize::from(place)) {
                    *weight *= f32::from(step);
                }
            }
            row
        };
        Self { first: weigh(FIRST_ROW), second: weigh(SECOND_ROW) }
    }

    /// The edges of a unit, by the sums of its uppermost and of its lowest blocks, so many each.
    #[inline]
    pub fn edge(&self, top: &Column, bottom: &Column, blocks: usize) -> Edge {
        let share = 1.0 / blocks as f32;
        let mean = |column: &Column| {
            let ([step, ..], [dc, ..]) = (self.first, column.0);
            step * dc as f32 * share
        };
        let (above, below) = (self.edges(top).0, self.edges(bottom).1);
        Edge {
            first: above.outer * share,
            second: above.inner * share,
            before_last: below.inner * share,
            last: below.outer * share,
            upper: mean(top),
            lower: mean(bottom),
        }
    }

    /// At the upper and the lower edge. Every second wave is the same upside down, the others change their sign.
    #[inline]
    fn edges(&self, column: &Column) -> (Means, Means) {
        let sum = |weights: &[f32; 8]| {
            // Side by side, for the sake of registers that hold four.
            let mut sums = [0.0; 4];
            for (weights, values) in weights.as_chunks::<4>().0.iter().zip(column.0.as_chunks::<4>().0) {
                for ((sum, weight), &value) in sums.iter_mut().zip(weights).zip(values) {
                    *sum += weight * value as f32;
                }
            }
            let [a, b, c, d] = sums;
            (a + c + (b + d), a + c - (b + d))
        };
        let ((first, last), (second, before_last)) = (sum(&self.first), sum(&self.second));
        (Means { outer: first, inner: second }, Means { outer: last, inner: before_last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of each row of samples, by the definition (A.3.3).
    fn rows(steps: &Steps, column: [i16; 8]) -> [f32; 8] {
        std::array::from_fn(|row| {
            let wave = |(frequency, value): (usize, i16)| {
                let place = UPRIGHT.iter().position(|&place| usize::from(place) == frequency).unwrap_or(0);
                let step = steps.get(place).map_or(0.0, |&step| f32::from(step));
                let angle = (2 * row + 1) as f32 * frequency as f32 * std::f32::consts::PI / 16.0;
                let scale = if frequency == 0 { 0.125_f32.sqrt() } else { 0.5 };
                f32::from(value) * step * scale * angle.cos() * 0.125_f32.sqrt()
            };
            (0..).zip(column).map(wave).sum()
        })
    }

    #[test]
    fn edges_are_the_rows_that_the_transform_gives() {
        let steps = std::array::from_fn(|place| u16::try_from(place + 3).unwrap_or(0));
        let of = |values: [i16; 8]| {
            let mut block = [99; 16];
            for (place, value) in block.iter_mut().zip(values) {
                *place = value;
            }
            block
        };
        let (upper, lower) = ([40, -3, 2, 0, -7, 1, 0, 5], [-20, 8, 0, 3, 0, 0, -2, 1]);
        let (mut top, mut bottom) = (Column::default(), Column::default());
        for _ in 0..2 {
            top.add(&of(upper));
            bottom.add(&of(lower));
        }
        let edge = Waves::new(&steps).edge(&top, &bottom, 2);
        let ([first, second, ..], [.., before_last, last]) = (rows(&steps, upper), rows(&steps, lower));
        let found = [edge.first, edge.second, edge.before_last, edge.last];
        for (found, expected) in found.into_iter().zip([first, second, before_last, last]) {
            assert!((found - expected).abs() < 1e-2, "{found} for {expected}");
        }
        assert!((edge.upper - 40.0 * 3.0 / 8.0).abs() < 1e-3, "{}", edge.upper);
        assert!((edge.lower + 20.0 * 3.0 / 8.0).abs() < 1e-3, "{}", edge.lower);
    }
}
