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
    (ROWS..pairs.len().saturating_sub(ROWS) + 1).any(|split| {
        let (above, below) = pairs.split_at(split);
        let near = above.get(above.len().saturating_sub(below.len().max(ROWS))..).unwrap_or_default();
        let (unmoved, moved) = (sum(near), sum(below));
        differs((unmoved.1, unmoved.0), near.len()) && differs(moved, below.len())
    })
}
