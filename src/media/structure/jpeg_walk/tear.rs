//! Whether the picture is torn: other content stands below some unit and all that follow it, for a whole row of units.
//!
//! Where blocks of a disk changed places, or where a code that is wrong left valid ones behind it, units go on at the wrong place
//! of the picture, or from a wrong level. That leaves an edge between rows of units: along the top of one row from the torn
//! unit to the right end, and along the top of the next row from the left end to below that unit. Before and behind it
//! neighbours go on as they do in pictures. The edge is sharp: the rows of samples on both its sides differ more than those next
//! to them do. What pictures show has no such edge: it would have to follow the grid of units along a whole row, with a jog
//! of one unit, and without a soft sample.
//!
//! Nothing but a page of several pictures, or a drawing, could have one by chance. What a disk mixes up are sectors: so a tear that
//! begins where a sector of the file does, or a few units behind it, where codes are in step again, is believed sooner.
//!
//! Drawings that are made of squares may have one, so pictures without grain are left alone, as for [`super::shift`].

use std::ops::Range;

use super::contrast::{Contrasts, Sums};
use super::edges::Rows;
use super::shape::{SHORTEST, SPOILT};
use super::shift::{FLAT, longer_part, rows_from};
use super::suspect::some;

/// By how many levels rows have to differ.
const LEVELS: [f32; 9] = [2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0];
/// How many times the difference to the next rows counts against that.
const SOFT: f32 = 1.5;
/// How much larger the share of units that differ has to be along the edge than anywhere beside it: where a sector begins, and
/// anywhere. Sound pictures with grain, turned, mirrored and cut to other grids (8786 trials), have up to 0.54.
const AT_SECTOR: f32 = 0.65;
const ANYWHERE: f32 = 0.8;
/// The same for two tears at sectors, such as those above and below what does not belong there. No sound picture, turned, mirrored and
/// cut, has two of 0.3, wherever sectors begin (967 trials).
const IN_PAIRS: f32 = 0.45;
/// Rows of fewer units tell less: there only tears at sectors count that are as clear as that.
const NARROW: usize = 32;
/// Units between the one in whose data a sector begins and the first one behind the tear.
const STEP: usize = 5;
/// How many times more than usual a difference counts in the quick look, by how much (twice, in the usual differences) a row of them
/// has to stand out, and how many places are looked at closely.
const MOST: i32 = 6;
const CLEAR: i32 = 2;
const CLOSE_LOOKS: usize = 4;

/// A level, in differences of mean levels.
pub const LEVEL: i32 = 256;

/// Adds the differences of one component, of which one makes so much.
pub fn add(differences: &mut Vec<i32>, steps: &[i16], level: i32) {
    differences.resize(steps.len(), 0);
    // Longer ones than there are in pictures of 8 bits are not needed.
    let level = i32::from(i16::try_from(level).unwrap_or(i16::MAX));
    for (sum, &step) in differences.iter_mut().zip(steps) {
        *sum += i32::from(step).abs() * level;
    }
}

/// Places where a tear may begin, by differences of mean levels: those of all components together, for each unit from the second
/// row on the one to the unit above.
pub fn suspects(differences: &[i32], across: usize) -> Vec<usize> {
    let mut sizes: Vec<i32> = some(differences).copied().collect();
    let middle = sizes.len() / 2;
    if sizes.is_empty() {
        return Vec::new();
    }
    let usual = (*sizes.select_nth_unstable(middle).1).max(LEVEL);
    // Sums over three rows fit.
    let longest = i32::MAX / 4 / i32::try_from(across.max(1)).unwrap_or(i32::MAX);
    let most = usual.saturating_mul(MOST).min(longest);
    let contrasts = Contrasts::new(differences.iter().map(|&difference| difference.min(most)), across, 0);
    let clear = usual.saturating_mul(CLEAR).saturating_mul(i32::try_from(across).unwrap_or(i32::MAX));
    let mut places: Vec<(usize, i32)> = Vec::new();
    // The highest ones, each far and wide.
    contrasts.beyond(clear, |at, height| match places.last_mut().filter(|last| at - last.0 < across / 4) {
        Some(last) if height > last.1 => *last = (at, height),
        None if height > 0 => places.push((at, height)),
        _ => {}
    });
    places.sort_by_key(|place| std::cmp::Reverse(place.1));
    places.truncate(CLOSE_LOOKS);
    places.into_iter().map(|(at, _)| at + across).collect()
}

/// The places where a tear near a suspect may begin: a jog near the ends of a row does not show.
fn near(suspect: usize, across: usize) -> Range<usize> {
    let near = across / 8;
    let row = suspect / across * across;
    suspect.saturating_sub(near).max(row + SHORTEST)..(suspect + near).min(row + across - SHORTEST) + 1
}

/// Where a picture is torn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tear {
    /// The first unit behind it.
    pub unit: usize,
    /// It is believed without another one.
    pub is_certain: bool,
}

/// A first look at the longer part of a tear: whether as many units differ there as [`judge`] asks for, of a tear alone or of one of two.
pub fn likely(rows: &Rows, suspect: usize) -> (bool, bool) {
    let across = rows.across();
    let (row, columns) = longer_part(suspect, across);
    let parts: Vec<Vec<f32>> = (0..rows.parts()).map(|part| rows.tears(part, row..row + 1, SOFT)).collect();
    let [least, ..] = LEVELS;
    let most = |values: &[f32]| {
        let sums = Sums::new(values.iter().map(|&value| if value > least { 1.0 } else { 0.0 }));
        let columns = near(suspect, across).map(|unit| unit % across).map(|column| {
            let part = if columns.start == 0 { 0..column } else { column..across };
            sums.mean(part)
        });
        columns.fold(0.0, f32::max)
    };
    let share = parts.first().map_or(0.0, |first| most(first)).max(most(&total(&parts)));
    (share >= AT_SECTOR, share >= IN_PAIRS)
}

/// The parts together, value by value.
fn total(parts: &[Vec<f32>]) -> Vec<f32> {
    let count = parts.first().map_or(0, Vec::len);
    (0..count).map(|at| parts.iter().filter_map(|part| part.get(at)).sum()).collect()
}

/// A close look: the tear near a suspect, if there is a clear one. In the data of some units of its row a sector begins.
pub fn judge(rows: &Rows, suspect: usize, sectors: &[usize]) -> Option<Tear> {
    let across = rows.across();
    let known = rows_from(suspect / across, rows.down())?;
    let start = known.start * across;
    let parts: Vec<Vec<f32>> = (0..rows.parts()).map(|part| rows.tears(part, known.clone(), SOFT)).collect();
    let exact = rows.differences(0, known.clone());
    if parts.iter().any(|part| part.len() != known.len() * across) || exact.len() != known.len() * across {
        return None;
    }
    let all = total(&parts);
    let first = parts.first()?;
    let sector = |at: usize| sectors.iter().any(|&sector| (sector..=sector + STEP).contains(&(start + at)));
    let is_certain = |at: usize, share: f32| match (sector(at), across < NARROW) {
        (true, false) => share >= AT_SECTOR,
        (true, true) | (false, false) => share >= ANYWHERE,
        (false, true) => false,
    };
    let is_half = |at: usize, share: f32| share >= IN_PAIRS && sector(at) && across >= NARROW;
    let places = near(suspect, across);
    let places = places.start - start..places.end - start;
    let all_clear = [first, &all].into_iter().flat_map(|values| clear(values, places.clone(), across));
    let believed = all_clear
        .map(|(at, share)| (at, share, is_certain(at, share)))
        .filter(|&(at, share, is_certain)| is_certain || is_half(at, share));
    let (at, _, is_certain) = believed.max_by(|a, b| a.2.cmp(&b.2).then(a.1.total_cmp(&b.1)))?;
    let around = exact.get(at.saturating_sub(across)..(at + 2 * across).min(exact.len()))?;
    let flat = around.iter().filter(|difference| difference.abs() < 0.05).count();
    (flat as f32 <= FLAT * around.len() as f32).then_some(Tear { unit: start + at, is_certain })
}

/// The places where a tear may be clear enough, for each level.
fn clear(values: &[f32], places: Range<usize>, across: usize) -> Vec<(usize, f32)> {
    let of_level = |level: f32| {
        let sums = Sums::new(values.iter().map(|&value| if value > level { 1.0 } else { 0.0 }));
        let shares = places.clone().filter_map(move |at| Some((at, share(&sums, at, across, values.len())?)));
        shares.filter(|&(_, share)| share >= IN_PAIRS)
    };
    LEVELS.into_iter().flat_map(of_level).collect()
}

/// By how much more units differ along both parts of a tear than beside it.
fn share(sums: &Sums, at: usize, across: usize, count: usize) -> Option<f32> {
    if at < across || at + 2 * across > count {
        return None;
    }
    let column = at % across;
    let right = across - column;
    let inside = sums.mean(at..at + right).min(sums.mean(at + right..at + across));
    let beside = [
        at - across..at,
        at + across..at + 2 * across,
        // What is left of the jog in its row, and right of it in the next.
        at - column..at - SPOILT.min(column.saturating_sub(1)),
        at + across..at + across + right,
    ];
    let beside = beside.into_iter().map(|range| sums.mean(range)).fold(0.0, f32::max);
    Some(inside - beside)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation, reason = "levels are small")]

    use super::super::edges::Edge;
    use super::*;

    const WIDE: usize = 60;
    const HIGH: usize = 12;

    /// Whether a picture of one component is torn whose units have this brightness, with noise.
    fn torn(brightness: impl Fn(usize, usize) -> f32, grain: f32) -> Option<usize> {
        let noise = |seed: usize| {
            let bits = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((bits >> 40) % 2001) as f32 / 1000.0 - 1.0
        };
        let value = |unit: usize| brightness(unit % WIDE, unit / WIDE) + grain * noise(unit);
        let level = |unit: usize| (value(unit) * LEVEL as f32).round() as i32;
        let differences: Vec<i32> =
            (WIDE..WIDE * HIGH).map(|unit| (level(unit) - level(unit - WIDE)).abs()).collect();
        let mut rows = Rows::new(WIDE, HIGH, vec![1.0]);
        for row in 0..HIGH {
            let edges = (0..WIDE).map(|column| Edge::flat(value(row * WIDE + column)));
            rows.set(row, vec![edges.collect()]);
        }
        let sectors: Vec<usize> = (0..WIDE * HIGH).collect();
        suspects(&differences, WIDE)
            .into_iter()
            .filter(|suspect| likely(&rows, *suspect).0)
            .find_map(|suspect| judge(&rows, suspect, &sectors).filter(|tear| tear.is_certain))
            .map(|tear| tear.unit)
    }

    fn scene(x: usize, y: usize) -> f32 {
        100.0 + 60.0 * (x as f32 / 9.0).sin() + y as f32 / 2.0
    }

    #[test]
    fn other_content_from_a_unit_on_is_found() {
        for from in [5 * WIDE + 20, 7 * WIDE + 50, 4 * WIDE + 9] {
            let moved = |x: usize, y: usize| {
                let unit = y * WIDE + x;
                if unit < from { scene(x, y) } else { scene((unit + 22) % WIDE, y) }
            };
            let found = torn(moved, 1.0);
            assert!(found.is_some_and(|unit| unit.abs_diff(from) <= 4), "{found:?} for {from}");
        }
    }

    #[test]
    fn what_pictures_show_is_no_tear() {
        type Scene = fn(usize, usize) -> bool;
        let scenes: [(&str, Scene); 6] = [
            ("nothing", |_, _| false),
            ("a horizon", |_, y| y >= 6),
            ("a steep roof", |x, y| 6 * y >= x),
            ("a banner", |x, y| (4..6).contains(&y) && x >= 20),
            ("bars of a film", |_, y| !(2..10).contains(&y)),
            ("stripes", |_, y| y % 2 == 0),
        ];
        for (name, inside) in scenes {
            let found = torn(|x, y| scene(x, y) + if inside(x, y) { 60.0 } else { 0.0 }, 1.0);
            assert_eq!(found, None, "{name}");
        }
        // A drawing of squares.
        let squares = |x: usize, y: usize| if y * WIDE + x >= 5 * WIDE + 20 { 200.0 } else { 20.0 };
        assert_eq!(torn(squares, 0.0), None);
    }
}
