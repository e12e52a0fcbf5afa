//! Whether the lower part of a picture is moved sideways: units were lost, so that what belongs to the left end of each row
//! stands at the right end of the row above.
//!
//! Where the picture is as it should be, the ends of two successive rows have nothing to do with each other, and neighbours in a
//! row are alike. Where it is moved, the last unit of a row and the first of the next one are neighbours of the scene, and what had
//! been its two sides meet in the middle of a row.

/// How many rows have to be moved, and how many above have not to be.
const ROWS: usize = 6;
/// How many times farther apart units are that do not belong together.
const TIMES: f32 = 3.0;
/// Levels by which they differ at least.
const LEAST: f32 = 4.0;

/// Whether everything from some row on is moved to the left by so many units. Of each component: sums of DC coefficients for each
/// unit, and what makes levels of them.
pub fn moved(components: &[(&[(i32, i32)], f32)], across: usize, by: usize) -> bool {
    if by == 0 || by + 1 >= across {
        return false;
    }
    let apart = |one: usize, other: usize| -> f32 {
        let of = |levels: &[(i32, i32)], unit: usize| levels.get(unit).map_or(0, |level| level.0);
        components
            .iter()
            .map(|(levels, step)| (of(levels, one) - of(levels, other)).abs() as f32 * step)
            .sum()
    };
    let rows = components.first().map_or(0, |(levels, _)| levels.len() / across);
    // Where the two sides of the scene meet if it is moved, and if it is not.
    let pairs: Vec<(f32, f32)> = (1..rows)
        .map(|row| {
            let (first, seam) = (row * across, row * across - by);
            (apart(seam, seam - 1), apart(first, first - 1))
        })
        .collect();
    let differs = |(meeting, other): (f32, f32), rows: usize| meeting > TIMES * other + LEAST * rows as f32;
    let sum =
        |pairs: &[(f32, f32)]| pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    (ROWS..=pairs.len().saturating_sub(ROWS)).any(|split| {
        let (above, below) = pairs.split_at(split);
        let near = above.get(above.len().saturating_sub(below.len().max(ROWS))..).unwrap_or_default();
        let (unmoved, moved) = (sum(near), sum(below));
        differs((unmoved.1, unmoved.0), near.len()) && differs(moved, below.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: usize = 40;
    const HIGH: usize = 30;

    /// A scene moved to the left by so many units from a row on.
    fn picture(scene: fn(usize) -> i32, from: usize, by: usize) -> Vec<(i32, i32)> {
        let level = |unit: usize| scene(unit % WIDE) + i32::try_from(unit * 7919 % 5).unwrap_or(0);
        let end = WIDE * HIGH;
        (0..end)
            .map(|unit| level(if unit >= from * WIDE { unit + by } else { unit }))
            .map(|sum| (sum, sum))
            .collect()
    }

    fn is_moved(levels: &[(i32, i32)], by: usize) -> bool {
        moved(&[(levels, 1.0)], WIDE, by)
    }

    #[test]
    fn the_two_sides_of_a_scene_meet_where_it_is_moved() {
        let scene = |x: usize| i32::try_from(x).unwrap_or(0) * 3;
        for by in [1, 3, 20] {
            assert!(is_moved(&picture(scene, 12, by), by), "{by}");
            assert!(!is_moved(&picture(scene, 12, by), by + 1), "{by}");
            assert!(!is_moved(&picture(scene, 12, 0), by), "{by}");
        }
        assert!(!is_moved(&picture(scene, 3, 1), 1));
        assert!(!is_moved(&picture(scene, 12, 0), 0));
        assert!(!is_moved(&picture(scene, 12, 0), WIDE));
    }

    #[test]
    fn scenes_whose_sides_are_alike_tell_nothing() {
        let flat = |_: usize| 90;
        let pole = |x: usize| if x >= 39 { 200 } else { 20 };
        assert!(!is_moved(&picture(flat, 12, 1), 1));
        assert!(!is_moved(&picture(pole, 12, 0), 1));
    }
}
