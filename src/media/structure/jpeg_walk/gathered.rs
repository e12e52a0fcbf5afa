//! A progressive picture for a second look, when all its scans went by.

use std::ops::Range;

use super::edges::Edges;
use super::geometry::Layout;
use super::kept::{Kept, Places};
use super::levels::Levels;
use super::look::{Scene, Sight};
use super::waves::{Column, Waves};

/// What its scans left behind.
pub struct Gathered<'k> {
    layout: Layout,
    parts: Vec<Part<'k>>,
    /// About where each row of units is in the data of the first scan.
    rows: &'k [usize],
}

/// One component.
struct Part<'k> {
    kept: &'k Kept,
    places: Places,
    /// How many of the blocks of a unit lie side by side.
    columns: usize,
    waves: Waves,
    levels: Levels,
}

impl<'k> Gathered<'k> {
    /// Of components: what is kept of each, where its blocks lie, and how many of a unit lie side by side.
    pub fn new(layout: Layout, parts: Vec<(&'k Kept, Places, usize)>, rows: &'k [usize]) -> Self {
        let units = layout.units.0 * layout.units.1;
        let part = |(kept, mut places, columns): (&'k Kept, Places, usize)| {
            let mut levels = Levels::with_capacity(units);
            for _ in 0..units {
                let sum = |blocks: Range<usize>| {
                    blocks.map(|block| i32::from(kept.dc(places.of(block)))).sum::<i32>()
                };
                let all = places.in_unit();
                levels.push((sum(0..columns), sum(all.saturating_sub(columns)..all)));
                places.go_on();
            }
            Part { kept, places, columns, waves: Waves::new(kept.steps()), levels }
        };
        Self { layout, parts: parts.into_iter().map(part).collect(), rows }
    }
}

impl Scene for Gathered<'_> {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn parts(&self) -> Option<Vec<Sight<'_>>> {
        let sights = self.parts.iter().map(|part| {
            let [step, ..] = *part.kept.steps();
            Sight { levels: &part.levels, step, columns: part.columns }
        });
        Some(sights.collect())
    }

    // Where sectors begin in the data of many scans tells nothing.
    fn edges(&mut self, row: usize, _: &mut Vec<usize>) -> Option<Vec<Edges>> {
        let across = self.layout.units.0;
        let edges = |part: &mut Part<'_>| {
            part.places.go_to(row * across);
            let mut edges = Vec::with_capacity(across);
            for _ in 0..across {
                let (mut top, mut bottom) = (Column::default(), Column::default());
                let all = part.places.in_unit();
                for number in 0..all {
                    let block = part.kept.upright(part.places.of(number));
                    if number < part.columns {
                        top.add(&block);
                    }
                    if number + part.columns >= all {
                        bottom.add(&block);
                    }
                }
                edges.push(part.waves.edge(&top, &bottom, part.columns));
                part.places.go_on();
            }
            edges
        };
        Some(self.parts.iter_mut().map(edges).collect())
    }

    fn place(&self, row: usize) -> usize {
        self.rows.get(row).copied().unwrap_or(0)
    }
}
