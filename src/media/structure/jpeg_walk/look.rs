//! A second look at a picture all of whose codes are right: whether it is the one that was encoded up to its end.

use std::ops::Range;

use super::edges::{Edges, Rows};
use super::geometry::Layout;
use super::levels::Levels;
use super::shift::{self, Shift};
use super::suspect::{self, Suspect};
use super::tear;

/// Rows below a tear that are looked at for an edge that goes on, and how many times more than usual units differ there.
const BELOW: usize = 6;
const CORNER: i32 = 6;

/// What is looked at.
pub trait Scene {
    fn layout(&self) -> Layout;

    /// Its components; `None` where it is not one to look at.
    fn parts(&self) -> Option<Vec<Sight<'_>>>;

    /// Of each component, the edges of each unit of a row. Adds the units in whose data a sector of the file begins, where that tells
    /// something.
    fn edges(&mut self, row: usize, sectors: &mut Vec<usize>) -> Option<Vec<Edges>>;

    /// About where a row of units is in the data.
    fn place(&self, row: usize) -> usize;
}

/// One component.
pub struct Sight<'s> {
    pub levels: &'s Levels,
    /// The quantisation step of its DC coefficients.
    pub step: u16,
    /// How many of the blocks of a unit lie side by side.
    pub columns: usize,
}

/// A place from which on the picture is not the one that was encoded.
pub struct Break {
    /// The first unit behind it.
    pub unit: usize,
    /// About where it is in the data.
    pub place: usize,
    /// What changes there; `None` where the picture does not go on.
    pub shift: Option<Shift>,
}

/// A look at a scene.
struct Look<'s, S> {
    scene: &'s mut S,
    layout: Layout,
    rows: Rows,
    /// Units in whose data a sector begins.
    sectors: Vec<usize>,
}

/// Looks for a unit from which on all that follows is brighter, darker or otherwise coloured, or at another place.
pub fn break_in(scene: &mut impl Scene) -> Option<Break> {
    let layout = scene.layout();
    let (across, down) = layout.units;
    if across < shift::ACROSS || down < shift::DOWN {
        return None;
    }
    let (mut suspects, mut of_rows) = (Vec::new(), Vec::new());
    let (mut finest, mut differences) = (Vec::new(), Vec::new());
    for part in scene.parts()? {
        let steps = part.levels.steps(across);
        let level = i32::from(part.step) * tear::LEVEL / 8 / i32::try_from(part.columns).unwrap_or(1);
        tear::add(&mut differences, &steps, level);
        let step = f32::from(part.step) / 8.0;
        let level = part.columns as f32 / step;
        if layout.interval > 0 {
            let ends = |row: usize| layout.lasting(row) == 1;
            of_rows.extend(suspect::suspects_of_rows(&steps, across, level, ends));
        }
        suspects.extend(suspect::suspects(steps, across, level));
        finest.push(step);
    }
    suspects.retain(|suspect| layout.lasting(suspect.unit() / across) > 1);
    let suspects = [of_rows, suspects].map(suspect::strongest).concat();
    let mut look = Look { scene, layout, rows: Rows::new(across, down, finest), sectors: Vec::new() };
    let shift = look.shifted(suspects);
    let unit = match &shift {
        Some(shift) => shift.unit,
        None => look.torn(&differences)?,
    };
    Some(Break { unit, shift, place: look.scene.place(unit / across) })
}

impl<S: Scene> Look<'_, S> {
    /// Where the level changes.
    fn shifted(&mut self, suspects: Vec<Suspect>) -> Option<Shift> {
        for suspect in suspects {
            let unit = suspect.unit();
            let lasting = self.layout.lasting(unit / self.layout.units.0);
            self.see(self.first_rows(unit, lasting))?;
            if !shift::is_likely(&self.rows, suspect, lasting) {
                continue;
            }
            self.see(self.all_rows(unit))?;
            let found = shift::judge(&self.rows, suspect, lasting);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Where the picture does not go on.
    fn torn(&mut self, differences: &[i32]) -> Option<usize> {
        let across = self.layout.units.0;
        let mut suspects = Vec::new();
        for unit in tear::suspects(differences, across) {
            self.see(self.first_rows(unit, usize::MAX))?;
            let (alone, one_of_two) = tear::likely(&self.rows, unit);
            if one_of_two {
                suspects.push((unit, alone));
            }
        }
        // A tear that is not clear enough alone counts together with another one, of other rows.
        let pairs = suspects.len() > 1;
        let mut half: Option<usize> = None;
        for (unit, _) in suspects.into_iter().filter(|&(_, alone)| alone || pairs) {
            self.see(self.all_rows(unit))?;
            let torn = tear::judge(&self.rows, unit, &self.sectors);
            let Some(torn) = torn.filter(|tear| !self.is_corner(tear.unit)) else { continue };
            let other = half.filter(|other| torn.is_certain || other.abs_diff(torn.unit) >= 2 * across);
            if torn.is_certain || other.is_some() {
                return Some(other.map_or(torn.unit, |other| other.min(torn.unit)));
            }
            half.get_or_insert(torn.unit);
        }
        None
    }

    /// The rows for a first look at a unit from which on something is wrong for so many rows.
    fn first_rows(&self, unit: usize, lasting: usize) -> Range<usize> {
        let (across, down) = self.layout.units;
        let (row, _) = shift::first_look(unit, across, lasting);
        row.saturating_sub(1)..(row + 1).min(down)
    }

    /// The rows for a close one.
    fn all_rows(&self, unit: usize) -> Range<usize> {
        let (across, down) = self.layout.units;
        shift::rows_around(unit / across, down)
    }

    /// Gets the edges of those of these rows that were not seen yet.
    fn see(&mut self, rows: Range<usize>) -> Option<()> {
        for row in rows {
            if !self.rows.has(row) {
                self.rows.set(row, self.scene.edges(row, &mut self.sectors)?);
            }
        }
        Some(())
    }

    /// Whether something that stands below a unit has an edge at its left: pictures that lie side by side on a page.
    fn is_corner(&self, unit: usize) -> bool {
        let (across, down) = self.layout.units;
        let (row, column) = (unit / across, unit % across);
        let parts = self.scene.parts().unwrap_or_default();
        let step = |unit: usize| -> i32 {
            let level = |part: &Sight<'_>, unit: usize| part.levels.top(unit);
            parts.iter().map(|part| (level(part, unit) - level(part, unit - 1)).abs()).sum()
        };
        let middle = |mut steps: Vec<i32>| {
            let half = steps.len() / 2;
            steps
                .get_mut(..)
                .map_or(0, |steps| if steps.is_empty() { 0 } else { *steps.select_nth_unstable(half).1 })
        };
        let below = row + 2..(row + 2 + BELOW).min(down);
        let usual = middle(
            below.clone().flat_map(|row| (1..across).map(move |x| row * across + x)).map(step).collect(),
        );
        let nearest = |row: usize| {
            (column.max(2) - 1..column + 2).filter(|x| *x < across).map(|x| step(row * across + x)).max()
        };
        let here = middle(below.filter_map(nearest).collect());
        here > CORNER * usual.max(1)
    }
}
