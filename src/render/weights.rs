//! The weights of a reduction along one axis, whole numbers of sixteen bits.

use super::kernel::{RADIUS, lanczos3};

/// A weight of one.
const ONE: f64 = 32_768.0;
/// Bits behind the point of a sum of products, of centred samples in the upper halves of sixteen bits, of which the upper halves
/// are kept.
pub const FRACTION: i32 = 7;

/// For each place of the result, the places of the source that it is made of, and their weights.
pub struct Weights {
    /// Per place of the result: the first one of the source, and where its weights begin.
    places: Vec<(usize, usize)>,
    weights: Vec<i16>,
}

impl Weights {
    /// For `to` places that show the source from `start` on, `length` of its places, of which there are `from`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of rows or columns; floats saturate"
    )]
    pub fn new(from: usize, (start, length): (f64, f64), to: usize) -> Self {
        let scale = length / to.max(1) as f64;
        let stretch = scale.max(1.0);
        let mut this = Self { places: Vec::with_capacity(to), weights: Vec::new() };
        let mut exact: Vec<f64> = Vec::new();
        for place in 0..to {
            let middle = start + (place as f64 + 0.5) * scale;
            let first = (middle - RADIUS * stretch).floor().max(0.0) as usize;
            let end = ((middle + RADIUS * stretch).ceil().max(0.0) as usize).min(from);
            exact.clear();
            exact.extend((first..end).map(|at| lanczos3((at as f64 + 0.5 - middle) / stretch)));
            this.places.push((first, this.weights.len()));
            this.push(&exact);
        }
        this
    }

    /// Adds the weights of one place: whole numbers with the sum of one.
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

    /// The places of the source that one of the result is made of.
    pub fn sources(&self, place: usize) -> std::ops::Range<usize> {
        let (first, _) = self.places.get(place).copied().unwrap_or_default();
        first..first + self.of(place).len()
    }

    /// Their weights.
    pub fn of(&self, place: usize) -> &[i16] {
        let at = |place: usize| self.places.get(place).map_or(self.weights.len(), |&(_, at)| at);
        self.weights.get(at(place)..at(place + 1)).unwrap_or_default()
    }
}

/// What is added to a sum of so many products: half a level, and what was cut off, half of the last bit of each product.
pub fn half(products: usize) -> i16 {
    (1 << (FRACTION - 1)) + i16::try_from(products / 2).unwrap_or(0)
}
