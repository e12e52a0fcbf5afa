//! The rows of samples along the boundaries between rows of units, each averaged over the width of a unit: levels of 8-bit samples.

use std::ops::Range;

/// Brightness of the two uppermost and the two lowest rows of samples of a unit, and of its uppermost and lowest blocks.
#[derive(Clone, Copy)]
pub struct Edge {
    pub first: f32,
    pub second: f32,
    pub before_last: f32,
    pub last: f32,
    pub upper: f32,
    pub lower: f32,
}

#[cfg(test)]
impl Edge {
    /// Of a unit that is the same all over.
    pub const fn flat(level: f32) -> Self {
        Self { first: level, second: level, before_last: level, last: level, upper: level, lower: level }
    }
}

/// Those of each unit of a row, of one component.
pub type Edges = Vec<Edge>;

/// What is known of the upper and lower edges of units.
pub struct Rows {
    across: usize,
    /// Per component: the step of a DC coefficient.
    steps: Vec<f32>,
    /// Per row and component, where known.
    edges: Vec<Option<Vec<Edges>>>,
}

impl Rows {
    pub fn new(across: usize, down: usize, steps: Vec<f32>) -> Self {
        Self { across, steps, edges: vec![None; down] }
    }

    pub fn has(&self, row: usize) -> bool {
        self.edges.get(row).is_some_and(Option::is_some)
    }

    /// Per component, the first and the last row of samples of each unit.
    pub fn set(&mut self, row: usize, edges: Vec<Edges>) {
        if let Some(place) = self.edges.get_mut(row) {
            *place = Some(edges);
        }
    }

    pub const fn across(&self) -> usize {
        self.across
    }

    pub const fn down(&self) -> usize {
        self.edges.len()
    }

    /// Per component, the step of a DC coefficient, in levels.
    pub fn steps(&self) -> &[f32] {
        &self.steps
    }

    /// How many components there are.
    pub const fn parts(&self) -> usize {
        self.steps.len()
    }

    /// The differences along the tops of these rows of units, in one sequence.
    pub fn differences(&self, part: usize, rows: Range<usize>) -> Vec<f32> {
        self.along(part, rows, |above, below| below.first - above.last)
    }

    /// The rows of samples above those, in one sequence.
    pub fn above(&self, part: usize, rows: Range<usize>) -> Vec<f32> {
        self.along(part, rows, |above, _| above.last)
    }

    /// What the next rows of samples add to that, on both sides.
    pub fn ramps(&self, part: usize, rows: &Range<usize>) -> [Vec<f32>; 2] {
        [
            self.along(part, rows.clone(), |_, below| below.second - below.first),
            self.along(part, rows.clone(), |above, _| above.last - above.before_last),
        ]
    }

    /// By how much whole blocks differ.
    pub fn rises(&self, part: usize, rows: Range<usize>) -> Vec<f32> {
        self.along(part, rows, |above, below| below.upper - above.lower)
    }

    /// By how much samples differ there, less so many times what they do beside it.
    pub fn tears(&self, part: usize, rows: Range<usize>, soft: f32) -> Vec<f32> {
        self.along(part, rows, |above, below| {
            let beside = (below.second - below.first).abs().max((above.last - above.before_last).abs());
            ((below.first - above.last).abs() - soft * beside).max(0.0)
        })
    }

    fn along(&self, part: usize, rows: Range<usize>, difference: impl Fn(&Edge, &Edge) -> f32) -> Vec<f32> {
        let edges = |row: usize| self.edges.get(row).and_then(Option::as_ref).and_then(|row| row.get(part));
        let mut all = Vec::with_capacity(rows.len() * self.across);
        for (above, below) in rows.filter_map(|row| Some((edges(row - 1)?, edges(row)?))) {
            all.extend(above.iter().zip(below).map(|(above, below)| difference(above, below)));
        }
        all
    }
}
