//! What the walk of a sequential scan leaves behind for a second look: DC coefficients, and where rows of units begin.

use std::ops::Range;

use super::bits::{Bits, Mark};
use super::edges::{Edge, Edges, Rows};
use super::part::Part;
use super::seam;
use super::sector::SECTOR;
use super::shift::{self, Shift};
use super::suspect::{self, Suspect};
use super::tear;
use super::waves::{Column, UPRIGHT, Waves};

/// Rows below a tear that are looked at for an edge that goes on, and how many times more than usual units differ there.
const BELOW: usize = 6;
const CORNER: i32 = 6;

/// How the units of a scan lie.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Where the data of the scan begins in the file.
    pub at: usize,
    /// Units across and down.
    pub units: (usize, usize),
    /// Units between restart markers, 0 for none.
    pub interval: usize,
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

/// Where a row of units begins.
struct Start {
    mark: Mark,
    /// The DC predictions.
    last: [i32; 4],
}

/// The trail of one scan.
pub struct Trail {
    layout: Layout,
    column: usize,
    starts: Vec<Start>,
}

/// What was looked at closely.
struct Seen {
    rows: Rows,
    /// Units in whose data a sector begins.
    sectors: Vec<usize>,
}

impl Trail {
    pub const fn new(layout: Layout) -> Self {
        Self { layout, column: 0, starts: Vec::new() }
    }

    /// To be called before each unit, or before several of one row.
    #[inline]
    pub fn begin_units(&mut self, units: usize, bits: &Bits<'_>, parts: &[Part<'_>]) {
        if self.column == 0 {
            self.begin_row(bits, parts);
        }
        self.column += units;
        if self.column == self.layout.units.0 {
            self.column = 0;
        }
    }

    /// Forgets that those were begun.
    pub fn take_back(&mut self, units: usize) {
        let behind = if self.column == 0 { self.layout.units.0 } else { self.column };
        self.column = behind.saturating_sub(units);
        if self.column == 0 {
            self.starts.pop();
        }
    }

    /// How many units the row still has.
    pub const fn left_in_row(&self) -> usize {
        self.layout.units.0 - self.column
    }

    /// Forgets what is behind so many units.
    pub fn rewind(&mut self, units: usize) {
        let (across, _) = self.layout.units;
        self.starts.truncate(units.div_ceil(across.max(1)));
        self.column = units % across.max(1);
    }

    /// Whether the lower part of the picture is moved to the right by so many units, which are then left over at its end.
    pub fn displaced(&self, parts: &[Part<'_>], by: usize) -> bool {
        let (across, down) = self.layout.units;
        let levels: Vec<_> = parts
            .iter()
            .filter_map(|part| {
                let [step, ..] = *part.range.steps()?;
                Some((&part.levels, f32::from(step) / 8.0 / part.columns as f32))
            })
            .collect();
        let whole =
            self.layout.interval == 0 && levels.iter().all(|(levels, _)| levels.len() == across * down);
        whole && seam::moved(&levels, across, by)
    }

    #[inline(never)]
    fn begin_row(&mut self, bits: &Bits<'_>, parts: &[Part<'_>]) {
        let mut last = [0; 4];
        for (last, part) in last.iter_mut().zip(parts) {
            *last = part.last;
        }
        self.starts.push(Start { mark: bits.mark(), last });
    }

    /// Looks for a unit from which on all that follows is brighter, darker or otherwise coloured, or at another place.
    pub fn break_in(&self, data: &[u8], parts: &mut [Part<'_>]) -> Option<Break> {
        let (across, down) = self.layout.units;
        if across < shift::ACROSS || down < shift::DOWN || self.starts.len() != down {
            return None;
        }
        let (mut suspects, mut of_rows) = (Vec::new(), Vec::new());
        let (mut finest, mut differences) = (Vec::new(), Vec::new());
        for part in parts.iter() {
            let [step, ..] = *part.range.steps()?;
            let steps = part.levels.steps(across);
            let level = i32::from(step) * tear::LEVEL / 8 / i32::try_from(part.columns).unwrap_or(1);
            tear::add(&mut differences, &steps, level);
            let step = f32::from(step) / 8.0;
            let level = part.columns as f32 / step;
            if self.layout.interval > 0 {
                let ends = |row: usize| self.lasting(row) == 1;
                of_rows.extend(suspect::suspects_of_rows(&steps, across, level, ends));
            }
            suspects.extend(suspect::suspects(steps, across, level));
            finest.push(step);
        }
        let mut seen = Seen { rows: Rows::new(across, down, finest), sectors: Vec::new() };
        suspects.retain(|suspect| self.lasting(suspect.unit() / across) > 1);
        let suspects = [of_rows, suspects].map(suspect::strongest).concat();
        if let Some(shift) = self.shifted(data, parts, suspects, &mut seen) {
            return Some(self.found(data, shift.unit, Some(shift)));
        }
        let unit = self.torn(data, parts, &differences, &mut seen)?;
        Some(self.found(data, unit, None))
    }

    /// For how many rows, it included, a change lasts at most that begins in this one: the next restart marker ends it. What ends inside of
    /// a row is not asked for.
    const fn lasting(&self, row: usize) -> usize {
        let (across, interval) = (self.layout.units.0, self.layout.interval);
        if interval == 0 || !interval.is_multiple_of(across) {
            return usize::MAX;
        }
        let rows = interval / across;
        rows - row % rows
    }

    /// Where the level changes.
    fn shifted(
        &self,
        data: &[u8],
        parts: &mut [Part<'_>],
        suspects: Vec<Suspect>,
        seen: &mut Seen,
    ) -> Option<Shift> {
        for suspect in suspects {
            let unit = suspect.unit();
            let lasting = self.lasting(unit / self.layout.units.0);
            self.see(data, parts, self.first_rows(unit, lasting), seen)?;
            if !shift::is_likely(&seen.rows, suspect, lasting) {
                continue;
            }
            self.see(data, parts, self.all_rows(unit), seen)?;
            let found = shift::judge(&seen.rows, suspect, lasting);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Where the picture does not go on.
    fn torn(
        &self,
        data: &[u8],
        parts: &mut [Part<'_>],
        differences: &[i32],
        seen: &mut Seen,
    ) -> Option<usize> {
        let across = self.layout.units.0;
        let mut suspects = Vec::new();
        for unit in tear::suspects(differences, across) {
            self.see(data, parts, self.first_rows(unit, usize::MAX), seen)?;
            let (alone, one_of_two) = tear::likely(&seen.rows, unit);
            if one_of_two {
                suspects.push((unit, alone));
            }
        }
        // A tear that is not clear enough alone counts together with another one, of other rows.
        let pairs = suspects.len() > 1;
        let mut half: Option<usize> = None;
        for (unit, _) in suspects.into_iter().filter(|&(_, alone)| alone || pairs) {
            self.see(data, parts, self.all_rows(unit), seen)?;
            let torn = tear::judge(&seen.rows, unit, &seen.sectors);
            let Some(torn) = torn.filter(|tear| !self.is_corner(parts, tear.unit)) else { continue };
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

    /// Decodes those of these rows that were not seen yet.
    fn see(&self, data: &[u8], parts: &mut [Part<'_>], rows: Range<usize>, seen: &mut Seen) -> Option<()> {
        for row in rows {
            if !seen.rows.has(row) {
                seen.rows.set(row, self.row(data, parts, row, &mut seen.sectors)?);
            }
        }
        Some(())
    }

    fn found(&self, data: &[u8], unit: usize, shift: Option<Shift>) -> Break {
        let start = self.starts.get(unit / self.layout.units.0.max(1));
        Break { unit, shift, place: start.map_or(0, |start| Bits::resume(data, start.mark).place()) }
    }

    /// Whether something that stands below a unit has an edge at its left: pictures that lie side by side on a page.
    fn is_corner(&self, parts: &[Part<'_>], unit: usize) -> bool {
        let (across, down) = self.layout.units;
        let (row, column) = (unit / across, unit % across);
        let step = |unit: usize| -> i32 {
            let level = |part: &Part<'_>, unit: usize| part.levels.top(unit);
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

    /// Decodes one row of units: of each part, the edges of each unit. Adds the units in whose data a sector of the file begins.
    fn row(
        &self,
        data: &[u8],
        parts: &mut [Part<'_>],
        row: usize,
        sectors: &mut Vec<usize>,
    ) -> Option<Vec<Edges>> {
        let mut edges = Vec::with_capacity(parts.len());
        for part in parts.iter() {
            edges.push((Waves::new(part.range.steps()?), Vec::with_capacity(self.layout.units.0)));
        }
        let mut unit = row * self.layout.units.0;
        let sector = |bits: &Bits<'_>| (self.layout.at + bits.place()) / SECTOR;
        self.units(data, parts, row, |bits, parts| {
            let before = sector(bits);
            parts.iter_mut().zip(&mut edges).try_for_each(|(part, (waves, edges))| {
                edges.push(part.edges(bits, waves)?);
                Some(())
            })?;
            if sector(bits) > before {
                sectors.push(unit);
            }
            unit += 1;
            Some(())
        })?;
        Some(edges.into_iter().map(|(_, edges)| edges).collect())
    }

    /// Goes once more through a row of units.
    fn units(
        &self,
        data: &[u8],
        parts: &mut [Part<'_>],
        row: usize,
        mut each: impl FnMut(&mut Bits<'_>, &mut [Part<'_>]) -> Option<()>,
    ) -> Option<()> {
        let start = self.starts.get(row)?;
        let (across, _) = self.layout.units;
        let mut bits = Bits::resume(data, start.mark);
        for (part, last) in parts.iter_mut().zip(start.last) {
            part.last = last;
        }
        for unit in row * across..(row + 1) * across {
            let interval = self.layout.interval;
            if interval > 0 && unit % interval == 0 && unit > row * across {
                let number = u8::try_from((unit / interval - 1) % 8).unwrap_or(0);
                bits.restart(number).ok()?;
                for part in parts.iter_mut() {
                    part.last = 0;
                }
            }
            each(&mut bits, parts)?;
        }
        Some(())
    }
}

impl Part<'_> {
    /// The edges of this part of one unit.
    fn edges(&mut self, shared: &mut Bits<'_>, waves: &Waves) -> Option<Edge> {
        // A copy of its own, which stays in registers.
        let (mut bits, mut last) = (*shared, self.last);
        bits.top_up();
        let (mut top, mut bottom) = (Column::default(), Column::default());
        for number in 0..self.blocks {
            let mut block = [0; 16];
            self.coefficients(&mut bits, &mut last, &UPRIGHT, &mut block).ok()?;
            if number < self.columns {
                top.add(&block);
            }
            if number + self.columns >= self.blocks {
                bottom.add(&block);
            }
        }
        (*shared, self.last) = (bits, last);
        Some(waves.edge(&top, &bottom, self.columns))
    }
}
