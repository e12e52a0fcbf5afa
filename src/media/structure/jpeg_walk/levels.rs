//! How bright the units of a component are: their DC coefficients.

use std::ops::Range;

/// Sums of the DC coefficients of one component, unit by unit: over the blocks at the top of each, and over those at the bottom. Those of
/// pictures of 8 bits fit; others are not looked at.
#[derive(Default)]
pub struct Levels {
    tops: Vec<i16>,
    bottoms: Vec<i16>,
}

/// Which blocks of a unit are those of a component.
pub struct Place {
    /// Of all components.
    pub in_unit: usize,
    /// In rows.
    pub blocks: Range<usize>,
    /// How many lie side by side.
    pub columns: usize,
}

impl Levels {
    pub fn with_capacity(units: usize) -> Self {
        Self { tops: Vec::with_capacity(units), bottoms: Vec::with_capacity(units) }
    }

    #[inline]
    pub fn push(&mut self, (top, bottom): (i32, i32)) {
        self.tops.push(saturated(top));
        self.bottoms.push(saturated(bottom));
    }

    /// Adds those of several units, by the DC coefficients of all blocks in them.
    pub fn extend(&mut self, units: &[i16], place: &Place) {
        let units = units.chunks_exact(place.in_unit);
        let Range { start, end } = place.blocks.clone();
        let before = self.tops.len();
        match place.columns {
            1 if end - start == 1 => {
                self.tops.extend(units.map(|unit| at(unit, start)));
                self.bottoms.extend_from_slice(self.tops.get(before..).unwrap_or_default());
            }
            // The usual 4:2:0, in one way that the compiler knows.
            2 => {
                let sum = |unit: &[i16], first: usize| at(unit, first).saturating_add(at(unit, first + 1));
                self.tops.extend(units.clone().map(|unit| sum(unit, start)));
                self.bottoms.extend(units.map(|unit| sum(unit, end - 2)));
            }
            columns => {
                let sum = |unit: &[i16], first: usize| {
                    (first..first + columns).fold(0i16, |sum, block| sum.saturating_add(at(unit, block)))
                };
                self.tops.extend(units.clone().map(|unit| sum(unit, start)));
                self.bottoms.extend(units.map(|unit| sum(unit, end - columns)));
            }
        }
    }

    pub fn truncate(&mut self, units: usize) {
        self.tops.truncate(units);
        self.bottoms.truncate(units);
    }

    pub const fn len(&self) -> usize {
        self.tops.len()
    }

    /// Those at the top of a unit; 0 where there is none.
    pub fn top(&self, unit: usize) -> i32 {
        self.tops.get(unit).map_or(0, |&top| top.into())
    }

    /// By how much the tops of units differ from the bottoms of those above: from the second row of so many units on.
    pub fn steps(&self, across: usize) -> Vec<i16> {
        let below = self.tops.get(across..).unwrap_or_default();
        let mut steps = vec![0; below.len()];
        for ((step, below), above) in steps.iter_mut().zip(below).zip(&self.bottoms) {
            *step = below.saturating_sub(*above);
        }
        steps
    }
}

#[cfg(test)]
impl FromIterator<(i32, i32)> for Levels {
    fn from_iter<I: IntoIterator<Item = (i32, i32)>>(units: I) -> Self {
        let mut levels = Self::default();
        units.into_iter().for_each(|unit| levels.push(unit));
        levels
    }
}

fn at(unit: &[i16], block: usize) -> i16 {
    unit.get(block).copied().unwrap_or(0)
}

/// No coefficient of 8-bit samples that is in range is longer, nor is the sum of four.
#[inline]
pub fn saturated(value: i32) -> i16 {
    i16::try_from(value).unwrap_or(if value < 0 { i16::MIN } else { i16::MAX })
}
