//! Whether the DC prediction went wrong: a damaged code that leaves valid codes behind it makes all blocks that follow brighter,
//! darker or otherwise coloured, by the same amount, up to the end of the scan.
//!
//! In the picture that is a step between rows of units with a jog: it runs along the top of one row from the damaged unit to the
//! right edge, and along the top of the next row from the left edge to below that unit. Nothing that can be seen makes such a step:
//! a horizon has no jog, a tilted one no two level parts, and objects are not equally much brighter than their surroundings
//! all along. Drawings may have such steps, so pictures without grain are left alone.
//!
//! Near the ends of a row the jog does not show. There the step is believed where the picture goes on below it, as it does below no
//! horizon. Up to a restart marker, at most: where one ends each row, what is off is a stripe, from a unit to the end of its row.
//!
//! What is looked at are differences between the rows of samples on both sides of the boundary between two rows of units, each
//! averaged over the width of a unit. All values are levels of 8-bit samples.

use std::ops::Range;

use super::contrast::Sums;
use super::edges::Rows;
use super::shape::{SHORTEST, Shape};
use super::suspect::{LEAST, Suspect, rest};

/// Fewer units in a row, or rows, tell too little.
pub const ACROSS: usize = 16;
pub const DOWN: usize = 4;

/// How far, in deviations of medians, the step has to be clear of all that is beside it. Among ten thousand sound pictures
/// (photographs, drawings and screenshots, scaled, turned and cut to other grids) none is accused.
const CERTAIN: f32 = 6.0;
/// The same of a step that begins or ends so near the ends of a row that there is no jog to be seen.
const CERTAIN_WITHOUT_JOG: f32 = 30.0;
/// The same of a change that ends with its row. Sound pictures have up to 7 (2072 photographs, drawings and screenshots, cut to
/// other grids, with restart markers behind every row and every other one).
const CERTAIN_OF_ROW: f32 = 12.0;
/// The same where there are few units in a row.
const CERTAIN_IN_NARROW: f32 = 20.0;
const NARROW: usize = 32;
/// How many times more a step may vary along its way than the picture does beside it.
const UNEVEN: f32 = 2.0;
/// How many times larger a step has to be than what the rows of samples next to it add to it: edges that are enlarged or
/// photographed are soft.
const SHARP: f32 = 3.0;
/// How many times farther apart neighbours have to be than the differences below them, where there is no jog.
const CONTINUES: f32 = 1.5;
/// How much of that the longer part of a step has by itself, at least: it is most of the step, and nothing is judged by it.
const LIKELY: f32 = 0.67;
/// The largest share of units that continue exactly; drawings have more.
pub const FLAT: f32 = 0.3;
/// So many times the deviation of a median is a change of level of whole blocks uncertain, for one unit.
const DOUBT: f32 = 4.0;
/// Units beside the place of highest contrast where the step may begin: what the hit itself spoils stands out more.
const NEAR: usize = 5;

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

/// Of a step that begins at a unit the part that is in one row: along the top of which row of units, and of which of those.
pub fn longer_part(unit: usize, across: usize) -> (usize, Range<usize>) {
    let (row, column) = (unit / across, unit % across);
    if column < across / 2 { (row, column..across) } else { (row + 1, 0..column) }
}

/// The same of one that lasts for so many rows; what ends with its row is all in that.
pub fn first_look(unit: usize, across: usize, lasting: usize) -> (usize, Range<usize>) {
    if lasting == 1 { (unit / across, unit % across..across) } else { longer_part(unit, across) }
}

/// A first look at the longer part of a step: whether there is one that is about as high and as sharp as [`judge`] asks for. Most
/// suspects end here, for two rows of units instead of five.
pub fn is_likely(rows: &Rows, suspect: Suspect, lasting: usize) -> bool {
    let across = rows.across();
    let (row, columns) = first_look(suspect.unit(), across, lasting);
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
    /// Whether the change ends with its row, see [`Shape::of_row`].
    of_row: bool,
    /// Behind which difference there is nothing to compare with.
    end: usize,
    parts: Vec<Vec<f32>>,
    /// How softly: the differences that come behind and before.
    ramps: Vec<[Vec<f32>; 2]>,
    /// How whole blocks differ.
    rises: Vec<Vec<f32>>,
    /// The samples above the differences of the first component.
    above: Vec<f32>,
    /// Less noise than this is not believed.
    floors: Vec<f32>,
}

/// A close look: the clearest step that begins near the suspect, in its row, if it is clear enough. So many rows, its own included, it can
/// last at most.
pub fn judge(rows: &Rows, suspect: Suspect, lasting: usize) -> Option<Shift> {
    let across = rows.across();
    let row = suspect.unit() / across;
    let field = Field::new(rows, row, lasting)?;
    let (near, first) = (across / 8, row * across);
    let last = first + across - if field.of_row { rest(across) } else { 1 };
    let from = suspect.unit().saturating_sub(near).max(if field.of_row { first + SHORTEST } else { first });
    let shifts = field.clear_ones(from..(suspect.unit() + near).min(last) + 1, field.least(suspect.unit()));
    shifts
        .into_iter()
        .filter(|shift| shift.score >= field.least(shift.unit))
        .max_by(|a, b| a.score.total_cmp(&b.score))
}

/// Those of the second row with the other sign, as they are to the row above it, and backwards.
fn there_and_back(mut differences: Vec<f32>, across: usize) -> Vec<f32> {
    if let Some(below) = differences.get_mut(across..) {
        below.reverse();
        for difference in below {
            *difference = -*difference;
        }
    }
    differences
}

impl Field {
    fn new(rows: &Rows, row: usize, lasting: usize) -> Option<Self> {
        let (across, of_row) = (rows.across(), lasting == 1);
        let known = rows_from(row, rows.down())?;
        let (start, known) = if of_row { (row, row..row + 2) } else { (known.start, known) };
        let order =
            |differences: Vec<f32>| if of_row { there_and_back(differences, across) } else { differences };
        let of_parts =
            |of: &dyn Fn(usize) -> Vec<f32>| (0..rows.parts()).map(|part| order(of(part))).collect();
        let parts: Vec<_> = of_parts(&|part| rows.differences(part, known.clone()));
        if parts.iter().any(|part| part.len() != known.len() * across) {
            return None;
        }
        Some(Self {
            across,
            start: start * across,
            of_row,
            end: known.end.min(row.saturating_add(lasting)).saturating_sub(start) * across,
            parts,
            ramps: (0..rows.parts()).map(|part| rows.ramps(part, &known).map(order)).collect(),
            rises: of_parts(&|part| rows.rises(part, known.clone())),
            above: rows.above(0, known.clone()),
            floors: rows.steps().iter().map(|step| (step / 2.0).max(0.5)).collect(),
        })
    }

    /// Whether a step that begins at this unit has a jog that can be seen: those near the ends of a row cannot.
    const fn has_jog(&self, unit: usize) -> bool {
        let column = unit % self.across;
        SHORTEST <= column && column <= self.across - SHORTEST
    }

    /// How clear a step has to be that begins at a unit.
    const fn least(&self, unit: usize) -> f32 {
        match self.across {
            ..NARROW if self.has_jog(unit) => CERTAIN_IN_NARROW,
            ..NARROW => f32::INFINITY,
            _ if !self.has_jog(unit) => CERTAIN_WITHOUT_JOG,
            _ if self.of_row => CERTAIN_OF_ROW,
            _ => CERTAIN,
        }
    }

    /// The shape of a step that begins with this difference.
    fn shape(&self, at: usize) -> Shape {
        if self.of_row {
            Shape::of_row(at, self.across)
        } else {
            Shape::lasting(at, self.across, 0, self.end)
        }
    }

    /// For each component, the steps where the contrast is highest, and if they are not clear enough, those beside.
    fn clear_ones(&self, units: Range<usize>, least: f32) -> Vec<Shift> {
        let mut shifts = Vec::new();
        for part in &self.parts {
            let sums = Sums::new(part.iter().copied());
            let contrast = |unit: usize| {
                let shape = self.shape(unit - self.start);
                (sums.mean(shape.inside) - f32::midpoint(sums.mean(shape.before), sums.mean(shape.behind)))
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
        let shape = self.shape(at);
        let steps: Vec<Step> = self.parts.iter().map(|part| Step::of(part, &shape)).collect();
        let heights = steps.iter().map(|step| step.height);
        let (part, levels) = heights.enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        // What costs little comes first.
        if levels.abs() < LEAST {
            return None;
        }
        let ramps = self.ramps.get(part).into_iter().flatten();
        let ramp = ramps.map(|ramps| Step::of(ramps, &shape).height.abs()).fold(0.0, f32::max);
        if levels.abs() < SHARP * ramp || !self.lasts(part, levels, &shape) || self.flat(&shape) {
            return None;
        }
        if !self.has_jog(at) && !self.continues(&shape) {
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
            .map(|only| self.score(&steps, only, &shape))
            .fold(f32::MIN, f32::max);
        Some(Shift { unit: self.start + at, part, levels, score })
    }

    /// Whether whole blocks may be as far apart as their edges: behind a line that is drawn they are not.
    fn lasts(&self, part: usize, levels: f32, shape: &Shape) -> bool {
        let rises = self.rises.get(part).map(|rises| Step::of(rises, shape));
        let (rise, noise) = rises.map_or((0.0, 0.0), |rises| (rises.height, rises.noise()));
        let doubt = DOUBT * noise / (shape.inside.len() as f32).sqrt();
        levels.signum() * rise + doubt >= levels.abs() / 2.0
    }

    /// Whether what is above the step goes on below it: neighbours there are as far apart. Above and below a horizon, or the edge of another
    /// picture, they are not, or there is nothing to tell.
    fn continues(&self, shape: &Shape) -> bool {
        let apart = |values: Option<&Vec<f32>>| {
            let values = values.and_then(|values| values.get(shape.inside.clone())).unwrap_or_default();
            let neighbours = values.iter().zip(values.iter().skip(1));
            median(&mut neighbours.map(|(one, other)| (one - other).abs()).collect::<Vec<f32>>())
        };
        apart(Some(&self.above)) >= CONTINUES * apart(self.parts.first())
    }

    /// Whether too many units of the first component continue exactly.
    fn flat(&self, shape: &Shape) -> bool {
        let Some(first) = self.parts.first() else { return true };
        let of = |range: &Range<usize>| first.get(range.clone()).unwrap_or_default();
        let level = median(&mut of(&shape.inside).to_vec());
        let equal =
            |values: &[f32], level: f32| values.iter().filter(|&&value| (value - level).abs() < 0.05).count();
        let exact =
            equal(of(&shape.inside), level) + equal(of(&shape.before), 0.0) + equal(of(&shape.behind), 0.0);
        let all = shape.inside.len() + shape.before.len() + shape.behind.len();
        exact as f32 > FLAT * all as f32
    }

    /// How far every stretch of the step is clear of every stretch beside it, in deviations of a median.
    fn score(&self, steps: &[(f32, f32)], only: Option<usize>, shape: &Shape) -> f32 {
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
            (shape.along(length).collect(), shape.beside(length).collect());
        let [near, others] = shape.at_jogs(length);
        inside.extend(near);
        outside.extend(others);
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
    fn of(values: &[f32], shape: &Shape) -> Self {
        let of = |range: &Range<usize>| values.get(range.clone()).unwrap_or_default();
        let mut deviations = of(&shape.inside).to_vec();
        let along = deviations.len();
        deviations.extend_from_slice(of(&shape.before));
        deviations.extend_from_slice(of(&shape.behind));
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
    #![allow(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a panic is a failed test, and levels are small"
    )]

    use super::super::edges::Edge;
    use super::super::levels::Levels;
    use super::super::suspect::{strongest, suspects, suspects_of_rows};
    use super::*;

    const WIDE: usize = 60;
    const HIGH: usize = 12;

    /// Noise from -1 to 1.
    fn noise(seed: usize) -> f32 {
        let bits = (seed.wrapping_add(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((bits ^ bits >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// A picture of one component whose units have this brightness, with noise.
    fn picture(brightness: impl Fn(usize, usize) -> f32, grain: f32) -> (Vec<i16>, Rows) {
        let value = |unit: usize| brightness(unit % WIDE, unit / WIDE) + grain * noise(unit);
        let levels: Levels = (0..WIDE * HIGH).map(|unit| (value(unit) as i32, value(unit) as i32)).collect();
        let mut rows = Rows::new(WIDE, HIGH, vec![1.0]);
        for row in 0..HIGH {
            let edges = (0..WIDE).map(|column| Edge::flat(value(row * WIDE + column)));
            rows.set(row, vec![edges.collect()]);
        }
        (levels.steps(WIDE), rows)
    }

    /// The first clear step at one of these, which may last for so many rows.
    fn first(rows: &Rows, suspects: Vec<Suspect>, lasting: usize) -> Option<Shift> {
        let all = strongest(suspects);
        let found = all.iter().find_map(|suspect| judge(rows, *suspect, lasting));
        let likely = all.into_iter().filter(|suspect| is_likely(rows, *suspect, lasting));
        let short = likely.into_iter().find_map(|suspect| judge(rows, suspect, lasting));
        assert_eq!(short, found, "the first look finds no less");
        found
    }

    /// The clearest step in such a picture.
    fn look(brightness: impl Fn(usize, usize) -> f32, grain: f32) -> Option<Shift> {
        let (steps, rows) = picture(brightness, grain);
        first(&rows, suspects(steps, WIDE, 1.0), usize::MAX)
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

    #[test]
    fn a_step_without_jog_is_found_where_the_picture_goes_on_below_it() {
        let rough = |x: usize, y: usize| ground(x, y) + 30.0 * noise(x);
        let off = |y: usize| if y >= 6 { 25.0 } else { 0.0 };
        let shift = look(|x, y| rough(x, y) + off(y), 2.0);
        assert!(shift.as_ref().is_some_and(|shift| shift.unit == 6 * WIDE), "{shift:?}");
        let other = |x: usize, y: usize| if y >= 6 { rough(x + 7, y) } else { rough(x, y) };
        assert_eq!(look(|x, y| other(x, y) + off(y), 2.0), None);
    }

    #[test]
    fn what_is_off_up_to_the_end_of_a_row_is_found_where_a_marker_is() {
        let look = |brightness: &dyn Fn(usize, usize) -> f32| {
            let (steps, rows) = picture(brightness, 2.0);
            first(&rows, suspects_of_rows(&steps, WIDE, 1.0, |_| true), 1)
        };
        for (x0, y0) in [(20, 5), (5, 2), (44, 9)] {
            let off = |x, y| ground(x, y) + if y == y0 && x >= x0 { 25.0 } else { 0.0 };
            let shift = look(&off).unwrap_or_else(|| panic!("{x0} {y0}"));
            assert!(
                shift.unit.abs_diff(y0 * WIDE + x0) <= 1 && (shift.levels - 25.0).abs() < 3.0,
                "{shift:?}"
            );
            // All that follows, too few units, and a banner.
            assert_eq!(look(&|x, y| ground(x, y) + if y >= y0 { 25.0 } else { 0.0 }), None);
            assert_eq!(look(&|x, y| ground(x, y) + if y == y0 && x >= 52 { 25.0 } else { 0.0 }), None);
            assert_eq!(look(&|x, y| ground(x, y) + if y / 2 == 2 && x >= x0 { 25.0 } else { 0.0 }), None);
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
            let suspect = Suspect::at(from);
            assert_eq!(judge(&rows, suspect, usize::MAX).is_some(), found, "{height}");
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
