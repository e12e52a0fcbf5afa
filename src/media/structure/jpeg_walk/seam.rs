//! Whether the lower part of a picture is moved sideways: a code that is wrong was read as more units than it was, or data came twice, so
//! that all units behind it stand farther to the right, and those at the right end of a row at the left end of the next one.
//!
//! Where the picture is as it should be, the ends of two successive rows have nothing to do with each other, and neighbours in a
//! row are alike. Where it is moved, the last unit of a row and the first of the next one are neighbours of the scene, and what had
//! been its two sides meet inside of a row.
//!
//! This is asked only where the data has as many units too many: in sound pictures spare bytes hardly ever look so.

use super::levels::Levels;

/// How many rows have to be moved, and how many above have not to be.
const ROWS: usize = 6;
/// How many times farther apart units are that do not belong together.
const TIMES: f32 = 1.5;
/// The same where the scene above does not tell.
const OBVIOUS: f32 = 4.0;
/// Levels by which they differ at least.
const LEAST: f32 = 4.0;
/// In which share of the rows they do.
const SHARE: f32 = 0.7;

/// Whether everything from some row on is moved to the right by so many units, and perhaps by rows. Of each component: sums of DC
/// coefficients for each unit, and what makes levels of them.
pub fn moved(components: &[(&Levels, f32)], across: usize, by: usize) -> bool {
    let Some(by) = by.checked_rem(across).filter(|&by| by > 0) else { return false };
    let apart = |one: usize, other: usize| -> f32 {
        components
            .iter()
            .map(|(levels, step)| levels.top(one).abs_diff(levels.top(other)) as f32 * step)
            .sum()
    };
    let rows = components.first().map_or(0, |(levels, _)| levels.len() / across);
    // Where the two sides of the scene meet if it is moved, and if it is not.
    let pairs: Vec<(f32, f32)> = (1..rows)
        .map(|row| {
            let (first, seam) = (row * across, row * across + by);
            (apart(seam, seam - 1), apart(first, first - 1))
        })
        .collect();
    (ROWS..=pairs.len().saturating_sub(ROWS)).any(|split| {
        let (above, below) = pairs.split_at(split);
        let near = above.get(above.len().saturating_sub(below.len().max(ROWS))..).unwrap_or_default();
        let below = Apart::of(below.iter().copied());
        let above = Apart::of(near.iter().map(|&(meeting, other)| (other, meeting)));
        // Scenes whose sides are alike, such as a sky, do not show that they are not moved.
        below.is_clear(TIMES) && above.is_clear(TIMES) || below.is_clear(OBVIOUS) && above.is_even()
    })
}

/// How far units are apart in some rows, at two places.
struct Apart {
    rows: f32,
    /// Sums over the rows.
    one: f32,
    other: f32,
    /// Rows where it is the first one that is larger.
    larger: f32,
}

impl Apart {
    fn of(pairs: impl ExactSizeIterator<Item = (f32, f32)>) -> Self {
        let mut apart = Self { rows: pairs.len() as f32, one: 0.0, other: 0.0, larger: 0.0 };
        for (one, other) in pairs {
            apart.one += one;
            apart.other += other;
            apart.larger += if one > other { 1.0 } else { 0.0 };
        }
        apart
    }

    /// Whether it is clearly the first ones that are larger, so many times.
    fn is_clear(&self, times: f32) -> bool {
        self.larger >= SHARE * self.rows && self.one > times * self.other + LEAST * self.rows
    }

    /// Whether nothing is far apart.
    fn is_even(&self) -> bool {
        self.one.max(self.other) < LEAST * self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: usize = 40;
    const HIGH: usize = 30;

    /// A scene moved to the right by so many units from a row on.
    fn picture(scene: fn(usize) -> i32, from: usize, by: usize) -> Levels {
        let level = |unit: usize| scene(unit % WIDE) + i32::try_from(unit * 7919 % 3).unwrap_or(0);
        let end = WIDE * HIGH;
        (0..end)
            .map(|unit| level(if unit >= from * WIDE { unit - by } else { unit }))
            .map(|sum| (sum, sum))
            .collect()
    }

    fn is_moved(levels: &Levels, by: usize) -> bool {
        moved(&[(levels, 1.0)], WIDE, by)
    }

    #[test]
    fn the_two_sides_of_a_scene_meet_where_it_is_moved() {
        let scene = |x: usize| i32::try_from(x).unwrap_or(0) * 3;
        for by in [1, 3, 20, WIDE + 1, 2 * WIDE - 1] {
            assert!(is_moved(&picture(scene, 12, by), by), "{by}");
            assert!(!is_moved(&picture(scene, 12, by), by + 1), "{by}");
            assert!(!is_moved(&picture(scene, 12, 0), by), "{by}");
        }
        assert!(!is_moved(&picture(scene, 3, 1), 1));
        assert!(!is_moved(&picture(scene, 12, 0), 0));
        assert!(!is_moved(&picture(scene, 12, 0), WIDE));
    }

    #[test]
    fn what_stands_below_a_sky_is_moved_too() {
        let scene =
            |unit: usize| if unit < 10 * WIDE { 90 } else { i32::try_from(unit % WIDE).unwrap_or(0) * 3 };
        let place = |unit: usize| if unit < 12 * WIDE { unit } else { unit - 2 };
        let levels: Levels =
            (0..WIDE * HIGH).map(|unit| scene(place(unit))).map(|level| (level, level)).collect();
        assert!(is_moved(&levels, 2));
        assert!(!is_moved(&levels, 1));
    }

    #[test]
    fn scenes_whose_sides_are_alike_tell_nothing() {
        let flat = |_: usize| 90;
        let pole = |x: usize| if x >= 39 { 200 } else { 20 };
        assert!(!is_moved(&picture(flat, 12, 1), 1));
        assert!(!is_moved(&picture(pole, 12, 0), 1));
        // Nor does a frame.
        let frame = |x: usize| if (1..39).contains(&x) { 200 } else { 20 };
        assert!(!is_moved(&picture(frame, 12, 0), 1));
    }
}
