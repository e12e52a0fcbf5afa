//! What the walk of a sequential scan leaves behind for a second look: DC coefficients, and where rows of units begin.

use super::bits::{Bits, Mark};
use super::edges::{Edge, Edges};
use super::geometry::Layout;
use super::look::{Break, Scene, Sight, break_in};
use super::part::Part;
use super::seam;
use super::sector::SECTOR;
use super::waves::{Column, UPRIGHT, Waves};

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

    /// Looks for a unit from which on the picture is not the one that was encoded.
    pub fn break_in(&self, data: &[u8], parts: &mut [Part<'_>]) -> Option<Break> {
        break_in(&mut Coded { trail: self, data, parts })
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

/// The scan that a trail was left behind of.
struct Coded<'c, 't> {
    trail: &'c Trail,
    data: &'c [u8],
    parts: &'c mut [Part<'t>],
}

impl Scene for Coded<'_, '_> {
    fn layout(&self) -> Layout {
        self.trail.layout
    }

    fn parts(&self) -> Option<Vec<Sight<'_>>> {
        if self.trail.starts.len() != self.trail.layout.units.1 {
            return None;
        }
        let mut sights = Vec::new();
        for part in &*self.parts {
            let [step, ..] = *part.range.steps()?;
            sights.push(Sight { levels: &part.levels, step, columns: part.columns });
        }
        Some(sights)
    }

    fn edges(&mut self, row: usize, sectors: &mut Vec<usize>) -> Option<Vec<Edges>> {
        self.trail.row(self.data, self.parts, row, sectors)
    }

    fn place(&self, row: usize) -> usize {
        self.trail.starts.get(row).map_or(0, |start| Bits::resume(self.data, start.mark).place())
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
