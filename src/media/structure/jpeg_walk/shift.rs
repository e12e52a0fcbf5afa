//! Whether the DC prediction went wrong: a damaged code that leaves valid codes behind it makes all blocks that follow brighter,
//! darker or otherwise coloured, by the same amount, up to the end of the scan.
//!
//! In the picture that is a step between rows of units with a jog: it runs along the top of one row from the damaged unit to the
//! right edge, and along the top of the next row from the left edge to below that unit. Nothing that can be seen makes such a step:
//! a horizon has no jog, a tilted one no two level parts, and objects are not equally much brighter than their surroundings
//! all along. Drawings may have such steps, so pictures without grain are left alone.
//!
//! What is looked at are differences between the rows of samples on both sides of the boundary between two rows of units, each
//! averaged over the width of a unit. All values are levels of 8-bit samples.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "levels, steps and counts are small numbers, and floats saturate"
)]

use std::ops::Range;

use super::contrast::Contrasts;
use super::edges::Rows;

/// Fewer units in a row, or rows, tell too little.
pub const ACROSS: usize = 16;
pub const DOWN: usize = 4;

/// The least change of level that is looked for: smaller ones are hardly visible.
const LEAST: f32 = 3.0;
/// How far, in deviations of medians, the step has to be clear of all that is beside it. Among ten thousand sound pictures
/// (photographs, drawings and screenshots, scaled, turned and cut to other grids) none is accused.
const CERTAIN: f32 = 6.0;
/// The same where there are few units in a row.
const CERTAIN_IN_NARROW: f32 = 20.0;
const NARROW: usize = 32;
/// How many times more a step may vary along its way than the picture does beside it.
const UNEVEN: f32 = 2.0;
/// How many times larger a step has to be than what the rows of samples next to it add to it: edges that are enlarged or
/// photographed are soft.
const SHARP: f32 = 3.0;
/// How much of that the longer part of a step has by itself, at least: it is most of the step, and nothing is judged by it.
const LIKELY: f32 = 0.67;
/// The largest share of units that continue exactly; drawings have more.
pub const FLAT: f32 = 0.3;
/// So many times the deviation of a median is a change of level of whole blocks uncertain, for one unit.
const DOUBT: f32 = 4.0;
/// Stretches of fewer units have no middle value that means much.
pub const SHORTEST: usize = 4;
/// Units before a jog that a hit may have spoilt.
pub const SPOILT: usize = 3;
/// Units beside the place of highest contrast where the step may begin: what the hit itself spoils stands out more.
const NEAR: usize = 5;
/// How far stretches of a step may overlap with others, as a share of the step, when whole blocks are compared.
const MERIT: f32 = -0.75;
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
}

/// A change of level that is not in what was encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// The first unit that is certainly wrong.
    pub unit: usize,
    /// Which component of the scan changes most, and by how much.
    pub part: usize,
    pub levels: f32,
    /// How clear it is.
    pub score: f32,
}

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

/// Which differences belong to a step that begins at a unit, and which ones before and behind are to be without it.
#[derive(Clone)]
struct Parts {
    before: Range<usize>,
    inside: Range<usize>,
    behind: Range<usize>,
}

impl Parts {
    /// Of differences from `start` to `end`.
    fn of(unit: usize, across: usize, start: usize, end: usize) -> Self {
        Self {
            before: unit.saturating_sub(across).max(start)..unit,
            inside: unit..unit + across,
            behind: (unit + across).min(end)..(unit + 2 * across).min(end),
        }
    }

    /// Stretches of so many units of the step.
    fn along(&self, length: usize) -> impl Iterator<Item = Range<usize>> {
        forth(self.inside.clone(), length).chain(back(self.inside.clone(), length))
    }

    /// Those of the others.
    fn beside(&self, length: usize) -> impl Iterator<Item = Range<usize>> {
        back(self.before.clone(), length).chain(forth(self.behind.clone(), length))
    }
}

/// Stretches from the start of a range on.
fn forth(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    (1..=range.len() / length).map(move |number| {
        let end = range.start + number * length;
        end - length..end
    })
}

/// Stretches from the end of a range on, backwards.
fn back(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    (1..=range.len() / length).map(move |number| {
        let start = range.end - number * length;
        start..start + length
    })
}

/// Where a step may begin in one component, by how much each unit from the second row on differs from the one above. There are `across` in
/// a row; so many make a level of samples. A quick look, by means of whole blocks.
pub fn suspects(mut steps: Vec<i16>, across: usize, level: f32) -> Vec<Suspect> {
    let mut sizes: Vec<u16> = some(&steps).map(|step| step.unsigned_abs()).collect();
    let middle = sizes.len() / 2;
    let typical = if sizes.is_empty() { 0 } else { *sizes.select_nth_unstable(middle).1 };
    let clip = i16::try_from(u32::from(typical).max(level as u32).clamp(1, 1 << 12) * 6).unwrap_or(i16::MAX);
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
        let parts = Parts::of(unit, self.across, self.across, end);
        let sum = |part: Range<usize>| sign * self.contrasts.sum(&part);
        self.inside.clear();
        self.inside.extend(parts.along(length).map(sum));
        self.outside.clear();
        self.outside.extend(parts.beside(length).map(|part| -sum(part)));
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

/// Of a step that begins at a unit the part that is in one row: along the top of which row of units, and of which of those.
pub fn longer_part(unit: usize, across: usize) -> (usize, Range<usize>) {
    let (row, column) = (unit / across, unit % across);
    if column < across / 2 { (row, column..across) } else { (row + 1, 0..column) }
}

/// A first look at the longer part of a step: whether there is one that is about as high and as sharp as [`judge`] asks for. Most
/// suspects end here, for two rows of units instead of five.
pub fn is_likely(rows: &Rows, suspect: Suspect) -> bool {
    let (row, columns) = longer_part(suspect.unit, rows.across());
    let row = row..row + 1;
    let height = |values: &[f32]| median(&mut values.get(columns.clone()).unwrap_or_default().to_vec()).abs();
    (0..rows.parts()).any(|part| {
        let step = height(&rows.differences(part, row.clone()));
        let ramps = || rows.ramps(part, &row).iter().map(|ramps| height(ramps)).fold(0.0, f32::max);
        step >= LIKELY * LEAST && step >= LIKELY * SHARP * ramps()
    })
}

/// The rows of units that [`judge`] has to know for a suspect in `row`.
pub fn rows_around(row: usize, down: usize) -> Range<usize> {
    row.saturating_sub(2)..(row + 3).min(down)
}

/// The rows of units along whose tops a step that begins in `row` can be seen.
pub fn rows_from(row: usize, down: usize) -> Option<Range<usize>> {
    (row > 0 && row + 1 < down).then(|| row.saturating_sub(1).max(1)..(row + 3).min(down))
}

/// The differences around a suspect: a sequence for each component.
struct Field {
    across: usize,
    /// The unit of the first difference.
    start: usize,
    parts: Vec<Vec<f32>>,
    /// How softly: the differences that come behind and before.
    ramps: Vec<[Vec<f32>; 2]>,
    /// How whole blocks differ.
    rises: Vec<Vec<f32>>,
    /// Less noise than this is not believed.
    floors: Vec<f32>,
}

/// A close look: the clearest step that begins near the suspect, in its row, if it is clear enough.
pub fn judge(rows: &Rows, suspect: Suspect) -> Option<Shift> {
    let across = rows.across();
    let row = suspect.unit / across;
    let known = rows_from(row, rows.down())?;
    let start = known.start * across;
    let parts: Vec<_> = (0..rows.parts()).map(|part| rows.differences(part, known.clone())).collect();
    if parts.iter().any(|part| part.len() != known.len() * across) {
        return None;
    }
    let floors = rows.steps().iter().map(|step| (step / 2.0).max(0.5)).collect();
    let ramps = (0..rows.parts()).map(|part| rows.ramps(part, &known)).collect();
    let rises = (0..rows.parts()).map(|part| rows.rises(part, known.clone())).collect();
    let field = Field { across, start, parts, ramps, rises, floors };
    let near = across / 8;
    // A jog near the ends of a row does not show.
    let from = suspect.unit.saturating_sub(near).max(row * across + SHORTEST);
    let to = (suspect.unit + near).min(row * across + across - SHORTEST);
    let least = if across < NARROW { CERTAIN_IN_NARROW } else { CERTAIN };
    let shifts = field.clear_ones(from..to + 1, least);
    shifts.into_iter().filter(|shift| shift.score >= least).max_by(|a, b| a.score.total_cmp(&b.score))
}

impl Field {
    /// For each component, the steps where the contrast is highest, and if they are not clear enough, those beside.
    fn clear_ones(&self, units: Range<usize>, least: f32) -> Vec<Shift> {
        let mut shifts = Vec::new();
        for part in &self.parts {
            let sums = Sums::new(part.iter().copied());
            let contrast = |unit: usize| {
                let parts = Parts::of(unit - self.start, self.across, 0, part.len());
                (sums.mean(parts.inside) - f32::midpoint(sums.mean(parts.before), sums.mean(parts.behind)))
                    .abs()
            };
            let highest = units.clone().max_by(|&a, &b| contrast(a).total_cmp(&contrast(b)));
            let Some(best) = highest else { continue };
            let near = |by: usize| best.saturating_sub(by).max(units.start)..(best + by + 1).min(units.end);
            let clearest = |unit: usize| self.clearest(unit - self.start);
            let mut found: Vec<Shift> = near(1).filter_map(clearest).collect();
            if !found.is_empty() && found.iter().all(|shift| shift.score < least) {
                found.extend(near(NEAR).filter(|unit| !near(1).contains(unit)).filter_map(clearest));
            }
            shifts.extend(found);
        }
        shifts
    }

    /// The clearest step that begins at this place: of all components together, or of one.
    fn clearest(&self, at: usize) -> Option<Shift> {
        let end = self.parts.first().map_or(0, Vec::len);
        let parts = Parts::of(at, self.across, 0, end);
        let steps: Vec<Step> = self.parts.iter().map(|part| Step::of(part, &parts)).collect();
        let heights = steps.iter().map(|step| step.height);
        let (part, levels) = heights.enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        // What costs little comes first.
        if levels.abs() < LEAST {
            return None;
        }
        let ramps = self.ramps.get(part).into_iter().flatten();
        let ramp = ramps.map(|ramps| Step::of(ramps, &parts).height.abs()).fold(0.0, f32::max);
        if levels.abs() < SHARP * ramp || !self.lasts(part, levels, &parts) || self.flat(&parts) {
            return None;
        }
        let steps: Vec<(f32, f32)> = steps
            .into_iter()
            .zip(&self.floors)
            .map(|(step, &floor)| (step.height, step.noise().max(floor)))
            .collect();
        let alone = (0..steps.len()).map(Some).filter(|_| steps.len() > 1);
        let score = std::iter::once(None)
            .chain(alone)
            .map(|only| self.score(&steps, only, &parts, at))
            .fold(f32::MIN, f32::max);
        Some(Shift { unit: self.start + at, part, levels, score })
    }

    /// Whether whole blocks may be as far apart as their edges: behind a line that is drawn they are not.
    fn lasts(&self, part: usize, levels: f32, parts: &Parts) -> bool {
        let rises = self.rises.get(part).map(|rises| Step::of(rises, parts));
        let (rise, noise) = rises.map_or((0.0, 0.0), |rises| (rises.height, rises.noise()));
        let doubt = DOUBT * noise / (self.across as f32).sqrt();
        levels.signum() * rise + doubt >= levels.abs() / 2.0
    }

    /// Whether too many units of the first component continue exactly.
    fn flat(&self, parts: &Parts) -> bool {
        let Some(first) = self.parts.first() else { return true };
        let of = |range: &Range<usize>| first.get(range.clone()).unwrap_or_default();
        let level = median(&mut of(&parts.inside).to_vec());
        let equal =
            |values: &[f32], level: f32| values.iter().filter(|&&value| (value - level).abs() < 0.05).count();
        let exact =
            equal(of(&parts.inside), level) + equal(of(&parts.before), 0.0) + equal(of(&parts.behind), 0.0);
        let all = parts.inside.len() + parts.before.len() + parts.behind.len();
        exact as f32 > FLAT * all as f32
    }

    /// How far every stretch of the step is clear of every stretch beside it, in deviations of a median.
    fn score(&self, steps: &[(f32, f32)], only: Option<usize>, parts: &Parts, at: usize) -> f32 {
        // Components weigh as much as they tell; the noise of the sum is 1.
        let chosen = |part: usize| only.is_none_or(|only| only == part);
        let weight = |part: usize, (step, noise): (f32, f32)| if chosen(part) { step / noise } else { 0.0 };
        let weights: Vec<f32> = steps.iter().enumerate().map(|(part, &step)| weight(part, step)).collect();
        let whole = weights.iter().map(|weight| weight * weight).sum::<f32>().sqrt().max(0.01);
        let end = self.parts.first().map_or(0, Vec::len);
        let mut sum = vec![0.0; end];
        for ((part, weight), (_, noise)) in self.parts.iter().zip(weights).zip(steps) {
            for (sum, value) in sum.iter_mut().zip(part) {
                *sum += value * weight / (noise * whole);
            }
        }
        let length = (self.across / 6).max(SHORTEST);
        let (mut inside, mut outside): (Vec<_>, Vec<_>) =
            (parts.along(length).collect(), parts.beside(length).collect());
        // What is beside the jog in the same row, however short, but for what the hit itself spoils.
        let column = (self.start + at) % self.across;
        let (left, right) = (column.min(length), (self.across - column).min(length));
        let spoilt = SPOILT.min(left.saturating_sub(1));
        inside.extend([at..at + right, at + self.across - left..at + self.across - spoilt]);
        outside.extend([
            at.saturating_sub(left)..at.saturating_sub(spoilt),
            (at + self.across).min(end)..(at + self.across + right).min(end),
        ]);
        let middles = |ranges: Vec<Range<usize>>| {
            let some = ranges.into_iter().filter_map(|range| sum.get(range)).filter(|part| !part.is_empty());
            some.map(|part| median(&mut part.to_vec())).collect::<Vec<f32>>()
        };
        let extent = |values: Vec<f32>| {
            values.iter().fold((f32::MAX, f32::MIN), |(low, high), &value| (low.min(value), high.max(value)))
        };
        let (step, beside) = (extent(middles(inside)), extent(middles(outside)));
        // The step is as even as what is beside it: two pictures on one page are not.
        if step.1 - step.0 > UNEVEN * (beside.1 - beside.0) + 2.0 {
            return f32::MIN;
        }
        (step.0 - beside.1) * (length.min(20) as f32).sqrt()
    }
}

/// The step of one component: the medians of the differences along it and of those beside it.
struct Step {
    /// By how much they differ.
    height: f32,
    /// All differences, less the median of their side.
    deviations: Vec<f32>,
}

impl Step {
    fn of(values: &[f32], parts: &Parts) -> Self {
        let of = |range: &Range<usize>| values.get(range.clone()).unwrap_or_default();
        let mut deviations = of(&parts.inside).to_vec();
        let along = deviations.len();
        deviations.extend_from_slice(of(&parts.before));
        deviations.extend_from_slice(of(&parts.behind));
        let (inside, outside) = deviations.split_at_mut(along);
        let (high, low) = (median(inside), median(outside));
        for value in inside {
            *value -= high;
        }
        for value in outside {
            *value -= low;
        }
        Self { height: high - low, deviations }
    }

    /// The median of the deviations.
    fn noise(mut self) -> f32 {
        self.deviations.iter_mut().for_each(|value| *value = value.abs());
        median(&mut self.deviations)
    }
}

/// The upper one of the middle values; 0 of none.
fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::super::edges::Edge;
    use super::super::levels::Levels;
    use super::*;

    const WIDE: usize = 60;
    const HIGH: usize = 12;

    /// Noise from -1 to 1.
    fn noise(seed: usize) -> f32 {
        let bits = (seed.wrapping_add(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((bits ^ bits >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// The clearest step in a picture of one component whose units have this brightness, with noise.
    fn look(brightness: impl Fn(usize, usize) -> f32, grain: f32) -> Option<Shift> {
        let value = |unit: usize| brightness(unit % WIDE, unit / WIDE) + grain * noise(unit);
        let levels: Levels = (0..WIDE * HIGH).map(|unit| (value(unit) as i32, value(unit) as i32)).collect();
        let mut rows = Rows::new(WIDE, HIGH, vec![1.0]);
        for row in 0..HIGH {
            let edges = (0..WIDE).map(|column| Edge::flat(value(row * WIDE + column)));
            rows.set(row, vec![edges.collect()]);
        }
        let all = strongest(suspects(levels.steps(WIDE), WIDE, 1.0));
        let found = all.iter().find_map(|suspect| judge(&rows, *suspect));
        let likely = all.into_iter().filter(|suspect| is_likely(&rows, *suspect));
        let short = likely.into_iter().find_map(|suspect| judge(&rows, suspect));
        assert_eq!(short, found, "the first look finds no less");
        found
    }

    /// The ground of all pictures: brighter to the right and below.
    fn ground(x: usize, y: usize) -> f32 {
        100.0 + x as f32 / 4.0 + y as f32
    }

    #[test]
    fn all_units_from_one_on_are_off() {
        for (from, by) in
            [(5 * WIDE + 20, 25.0), (7 * WIDE + 50, -12.0), (WIDE + 9, 12.0), (10 * WIDE + 30, 15.0)]
        {
            let off = |x, y| ground(x, y) + if y * WIDE + x >= from { by } else { 0.0 };
            let shift = look(off, 2.0).unwrap_or_else(|| panic!("{from} {by}"));
            assert!(
                shift.unit.abs_diff(from) <= 1 && (shift.levels - by).abs() < 3.0,
                "{shift:?} for {from}"
            );
        }
    }

    type Scene = fn(usize, usize) -> bool;

    #[test]
    fn what_pictures_show_is_no_shift() {
        let brighter = |yes: bool| if yes { 40.0 } else { 0.0 };
        let scenes: [(&str, Scene); 7] = [
            ("nothing", |_, _| false),
            ("a horizon", |_, y| y >= 6),
            ("a tilted horizon", |x, y| 10 * y >= 55 + x / 6),
            ("a steep roof", |x, y| 6 * y >= x),
            ("a banner", |x, y| (4..6).contains(&y) && x >= 20),
            ("bars of a film", |_, y| !(2..10).contains(&y)),
            ("two pictures side by side", |x, y| y >= 5 && x > 30 || y >= 8 && x < 28),
        ];
        for (name, scene) in scenes {
            let shift = look(|x, y| ground(x, y) + brighter(scene(x, y)), 2.0);
            assert_eq!(shift, None, "{name}");
        }
    }

    /// A line along the way that a step would take, two samples high, at the top of its units.
    #[test]
    fn a_line_with_a_jog_is_no_shift() {
        let from = 5 * WIDE + 20;
        for (height, found) in [(0.25, false), (1.0, true)] {
            let mut rows = Rows::new(WIDE, HIGH, vec![1.0]);
            for row in 0..HIGH {
                let edges = (0..WIDE).map(|column| {
                    let unit = row * WIDE + column;
                    let level = ground(column, row) + 2.0 * noise(unit);
                    let lower = level - if height < 1.0 || unit < from { 0.0 } else { 60.0 };
                    let drawn = if height < 1.0 { (from..from + WIDE).contains(&unit) } else { unit >= from };
                    let upper = level - if drawn { 60.0 } else { 0.0 };
                    let mean = level + (upper - level) * height;
                    Edge { first: upper, second: upper, before_last: lower, last: lower, upper: mean, lower }
                });
                rows.set(row, vec![edges.collect()]);
            }
            let suspect = Suspect { unit: from, merit: 1.0, contrast: 1.0 };
            assert_eq!(judge(&rows, suspect).is_some(), found, "{height}");
        }
    }

    #[test]
    fn drawings_and_small_changes_are_left_alone() {
        let off = |by: f32| move |x, y| 100.0 + if y * WIDE + x >= 5 * WIDE + 20 { by } else { 0.0 };
        assert_eq!(look(off(40.0), 0.0), None);
        assert_eq!(look(off(2.0), 1.0), None);
        // No step is clear of so much noise.
        assert_eq!(look(off(10.0), 60.0), None);
    }
}
