//! What the walk of a sequential scan leaves behind for a second look: DC coefficients, and where rows of units begin.

use super::bits::{Bits, Mark};
use super::seam;
use super::sequential::Part;
use super::shift::{self, Rows, Shift};
use super::tables::Steps;

/// Zig-zag places of the coefficients that make the rows of a block differ.
const UPRIGHT: [usize; 8] = [0, 2, 3, 9, 10, 20, 21, 35];
/// What each of them adds to the mean of the first row of samples (A.3.3).
const FIRST_ROW: [f32; 8] = [0.125, 0.173_380, 0.163_320, 0.146_984, 0.125, 0.098_212, 0.067_650, 0.034_487];

/// How the units of a scan lie.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Units across and down.
    pub units: (usize, usize),
    /// Units between restart markers, 0 for none.
    pub interval: usize,
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

/// What the first and the last row of samples of a block are on average.
#[derive(Clone, Copy)]
struct Edges {
    first: f32,
    last: f32,
}

impl Edges {
    fn of(block: &[i32; 64], steps: &Steps) -> Self {
        let (mut even, mut odd) = (0.0, 0.0);
        for (number, (&place, weight)) in UPRIGHT.iter().zip(FIRST_ROW).enumerate() {
            let value = block.get(place).map_or(0, |value| *value) as f32;
            let value = value * steps.get(place).map_or(0.0, |&step| f32::from(step)) * weight;
            *(if number % 2 == 0 { &mut even } else { &mut odd }) += value;
        }
        Self { first: even + odd, last: even - odd }
    }
}

impl Trail {
    pub const fn new(layout: Layout) -> Self {
        Self { layout, column: 0, starts: Vec::new() }
    }

    /// To be called before each unit.
    #[inline]
    pub fn begin_unit(&mut self, bits: &Bits<'_>, parts: &[Part<'_>]) {
        if self.column == 0 {
            self.begin_row(bits, parts);
        }
        self.column += 1;
        if self.column == self.layout.units.0 {
            self.column = 0;
        }
    }

    /// Forgets what is behind so many units.
    pub fn rewind(&mut self, units: usize) {
        let (across, _) = self.layout.units;
        self.starts.truncate(units.div_ceil(across.max(1)));
        self.column = units % across.max(1);
    }

    /// Whether the lower part of the picture is moved to the left by so many units, which then lack at its end.
    pub fn displaced(&self, parts: &[Part<'_>], by: usize) -> bool {
        let (across, down) = self.layout.units;
        let levels: Vec<_> = parts
            .iter()
            .filter_map(|part| {
                let [step, ..] = *part.range.steps()?;
                Some((part.levels.as_slice(), f32::from(step) / 8.0 / part.columns as f32))
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

    /// Looks for a unit from which on all that follows is brighter, darker or otherwise coloured; gives it with its offset in
    /// the data.
    pub fn shift(&self, data: &[u8], parts: &mut [Part<'_>]) -> Option<(Shift, usize)> {
        let (across, down) = self.layout.units;
        if across < shift::ACROSS || down < shift::DOWN || self.starts.len() != down {
            return None;
        }
        let (mut suspects, mut finest) = (Vec::new(), Vec::new());
        for part in parts.iter() {
            let [step, ..] = *part.range.steps()?;
            let step = f32::from(step) / 8.0;
            let level = part.columns as f32 / step;
            suspects.extend(shift::suspects(&part.levels, across, level));
            finest.push(step);
        }
        let mut seen = Rows::new(across, down, finest);
        let found = shift::strongest(suspects).into_iter().find_map(|suspect| {
            for row in shift::rows_around(suspect.unit / across, down) {
                if !seen.has(row) {
                    seen.set(row, self.row(data, parts, row)?);
                }
            }
            shift::judge(&seen, suspect)
        })?;
        let place = self.starts.get(found.unit / across).map(|start| Bits::resume(data, start.mark).place());
        Some((found, place.unwrap_or(0)))
    }

    /// Decodes one row of units: of each part, the edges of each unit.
    fn row(&self, data: &[u8], parts: &mut [Part<'_>], row: usize) -> Option<Vec<shift::Edges>> {
        let start = self.starts.get(row)?;
        let (across, _) = self.layout.units;
        let mut bits = Bits::resume(data, start.mark);
        for (part, last) in parts.iter_mut().zip(start.last) {
            part.last = last;
        }
        let mut edges = vec![Vec::with_capacity(across); parts.len()];
        for unit in row * across..(row + 1) * across {
            let interval = self.layout.interval;
            if interval > 0 && unit % interval == 0 && unit > row * across {
                let number = u8::try_from((unit / interval - 1) % 8).unwrap_or(0);
                bits.restart(number).ok()?;
                for part in parts.iter_mut() {
                    part.last = 0;
                }
            }
            for (part, edges) in parts.iter_mut().zip(&mut edges) {
                edges.push(part.edges(&mut bits)?);
            }
        }
        Some(edges)
    }
}

impl Part<'_> {
    /// The edges of this part of one unit.
    fn edges(&mut self, bits: &mut Bits<'_>) -> Option<(f32, f32)> {
        let columns = self.columns;
        let steps = self.range.steps()?;
        let (mut first, mut last) = (0.0, 0.0);
        for number in 0..self.blocks {
            let mut block = self.values(bits).ok()?;
            let [dc, ..] = &mut block;
            self.last += *dc;
            *dc = self.last;
            let edges = Edges::of(&block, steps);
            if number < columns {
                first += edges.first;
            }
            if number + columns >= self.blocks {
                last += edges.last;
            }
        }
        Some((first / columns as f32, last / columns as f32))
    }
}
