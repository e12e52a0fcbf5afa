//! Where the level may change, see [`super::shift`]: a quick look at all of a scan, by means of whole blocks.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "levels and counts are small numbers, and floats saturate"
)]

use std::ops::Range;

use super::contrast::Contrasts;
use super::shape::{SHORTEST, Shape};

/// The least change of level that is looked for: smaller ones are hardly visible.
pub const LEAST: f32 = 3.0;
/// How far stretches of a step may overlap with others, as a share of the step, when whole blocks are compared.
const MERIT: f32 = -0.75;
/// How many times the usual difference counts at most in a quick look.
const CLIP: i32 = 6;
/// How many places of a scan are looked at closely: those where stretches differ most clearly, and the highest steps.
const CLOSE_LOOKS: usize = 3;

/// A place where a step may begin.
#[derive(Clone, Copy, Debug)]
pub struct Suspect {
    unit: usize,
    merit: f32,
    contrast: f32,
}

impl Suspect {
    /// The first unit behind it.
    pub const fn unit(&self) -> usize {
        self.unit
    }

    #[cfg(test)]
    pub const fn at(unit: usize) -> Self {
        Self { unit, merit: 1.0, contrast: 1.0 }
    }
}

/// Where a step may begin in one component, by how much each unit from the second row on differs from the one above. There are `across` in
/// a row; so many make a level of samples. A quick look, by means of whole blocks.
pub fn suspects(mut steps: Vec<i16>, across: usize, level: f32) -> Vec<Suspect> {
    let clip = i16::try_from(usual(&steps, level) * CLIP).unwrap_or(i16::MAX);
    for step in &mut steps {
        *step = (*step).clamp(-clip, clip);
    }
    // Above the first row and below the last one there is no difference.
    let contrasts = Contrasts::new(steps.iter().map(|&step| step.into()), across, across);
    let least = (LEAST * 0.7 * level * 2.0 * across as f32) as i32;
    let near = across / 8;
    // Of each peak the highest place far and wide.
    let mut peaks: Vec<(usize, i32)> = Vec::new();
    contrasts.beyond(least, |unit, contrast| match peaks.last_mut() {
        Some(last) if unit <= last.0 + near => {
            if contrast.abs() > last.1.abs() {
                *last = (unit, contrast);
            }
        }
        _ => peaks.push((unit, contrast)),
    });
    let (inside, outside) = (Vec::new(), Vec::new());
    let mut comparison = Comparison { contrasts: &contrasts, across, level, inside, outside };
    peaks.into_iter().filter_map(|(unit, height)| comparison.suspect(unit, height.signum())).collect()
}

/// Where a change of level may begin that ends with its row, in the rows where it would, by the same: of each row the clearest place.
pub fn suspects_of_rows(
    steps: &[i16],
    across: usize,
    level: f32,
    ends: impl Fn(usize) -> bool,
) -> Vec<Suspect> {
    let most = usual(steps, level).saturating_mul(CLIP);
    let pairs = steps.chunks_exact(across).zip(steps.chunks_exact(across).skip(1));
    let rows = (1..).zip(pairs).filter(|(row, _)| ends(*row));
    let splits = Splits::new(across);
    let suspect = |(row, (above, below)): (usize, (&[i16], &[i16]))| {
        // Twice the changes.
        let changes = above
            .iter()
            .zip(below)
            .map(|(&above, &below)| (i32::from(above) - i32::from(below)).clamp(-most, most));
        let (column, contrast) = splits.clearest(changes)?;
        let contrast = contrast / level;
        let share = column as f32 / across as f32;
        let merit = contrast * (share * (1.0 - share)).sqrt();
        let (unit, contrast) = (row * across + column, contrast / 2.0);
        (contrast >= LEAST / 2.0).then_some(Suspect { unit, merit, contrast })
    };
    rows.filter_map(suspect).collect()
}

/// The ways to split a row of units in two. For each, by how many are in the first part: 1 over the product of how many are in both.
struct Splits(Vec<f64>);

impl Splits {
    fn new(across: usize) -> Self {
        let weight = |column: usize| 1.0 / (column * across.saturating_sub(column)).max(1) as f64;
        Self((0..across).map(weight).collect())
    }

    /// Where the means of both parts of a row differ most clearly, each counted by how many units are in it, and by how much they do there.
    ///
    /// Where `n` units sum up to `t`, and the first `c` of them to `s`, the means are `(t * c - s * n) / (c * (n - c))` apart: so there is
    /// nothing to divide on the way.
    fn clearest(&self, values: impl Iterator<Item = i32> + Clone) -> Option<(usize, f32)> {
        let total: i64 = values.clone().map(i64::from).sum();
        let across = self.0.len();
        let (mut first, mut best, mut clearest) = (0, 0.0, None);
        let columns = SHORTEST..(across + 1).saturating_sub(rest(across));
        for (column, (value, weight)) in values.zip(&self.0).enumerate() {
            if columns.contains(&column) {
                let apart = (total * column as i64 - first * across as i64) as f64;
                let merit = apart * apart * weight;
                if merit >= best {
                    (best, clearest) = (merit, Some((column, (apart * weight).abs() as f32)));
                }
            }
            first += i64::from(value);
        }
        clearest
    }
}

/// How many units at least a change has that ends with its row: fewer are hardly seen, and do not tell enough.
pub const fn rest(across: usize) -> usize {
    across / 4
}

/// The usual difference, at least a level.
fn usual(steps: &[i16], level: f32) -> i32 {
    let mut sizes: Vec<u16> = some(steps).map(|step| step.unsigned_abs()).collect();
    let middle = sizes.len() / 2;
    let typical = if sizes.is_empty() { 0 } else { *sizes.select_nth_unstable(middle).1 };
    u32::from(typical).max(level as u32).clamp(1, 1 << 12).cast_signed()
}

/// One difference of so many tells what is usual.
pub fn some<T>(all: &[T]) -> impl Iterator<Item = &T> {
    (0..all.len() / 17).filter_map(|number| all.get(number * 17))
}

/// Compares means of stretches.
struct Comparison<'c> {
    contrasts: &'c Contrasts,
    across: usize,
    level: f32,
    /// Sums over stretches of the step, and over the others; used again for each place.
    inside: Vec<i32>,
    outside: Vec<i32>,
}

impl Comparison<'_> {
    /// At a place whose contrast has this sign.
    fn suspect(&mut self, unit: usize, sign: i32) -> Option<Suspect> {
        let end = self.contrasts.len().saturating_sub(self.across);
        let length = self.across / 6;
        let shape = Shape::lasting(unit, self.across, self.across, end);
        let sum = |part: Range<usize>| sign * self.contrasts.sum(&part);
        self.inside.clear();
        self.inside.extend(shape.along(length).map(sum));
        self.outside.clear();
        self.outside.extend(shape.beside(length).map(|part| -sum(part)));
        let mean = |sums: &[i32]| sums.iter().sum::<i32>() / sums.len().max(1) as i32;
        let contrast = mean(&self.inside) + mean(&self.outside);
        // The lower quarter against the upper one: objects may hide the step here and there.
        let (lowest, highest) = (quarter(&mut self.inside)?, -quarter(&mut self.outside)?);
        let merit = (lowest - highest) as f32 / contrast.max(1) as f32;
        (merit > MERIT).then_some(Suspect { unit, merit, contrast: contrast as f32 / self.level })
    }
}

/// The value that a quarter of them are below of.
fn quarter(values: &mut [i32]) -> Option<i32> {
    let place = values.len() / 4;
    (place < values.len()).then(|| *values.select_nth_unstable(place).1)
}

/// The most promising ones.
pub fn strongest(mut suspects: Vec<Suspect>) -> Vec<Suspect> {
    suspects.sort_by(|a, b| b.merit.total_cmp(&a.merit));
    let mut rest = suspects.split_off(CLOSE_LOOKS.min(suspects.len()));
    rest.sort_by(|a, b| b.contrast.total_cmp(&a.contrast));
    suspects.extend(rest.into_iter().take(CLOSE_LOOKS));
    suspects
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_split_where_means_differ_most(row in prop::collection::vec(-20_000i32..=20_000, 16..300)) {
            let across = row.len();
            let mean = |values: &[i32]| values.iter().sum::<i32>() as f32 / values.len() as f32;
            let apart = |column: usize| {
                let (first, second) = row.split_at(column);
                (mean(second) - mean(first)).abs()
            };
            let merit = |column: usize| apart(column) * ((column * (across - column)) as f32).sqrt();
            let (column, contrast) = Splits::new(across).clearest(row.iter().copied()).unwrap_or_default();
            let columns = SHORTEST..=across - rest(across);
            prop_assert!(columns.contains(&column));
            prop_assert!((contrast - apart(column)).abs() <= 0.01 + 1e-4 * contrast);
            let most = columns.map(merit).fold(0.0, f32::max);
            prop_assert!(merit(column) >= most * 0.999);
        }
    }
}
