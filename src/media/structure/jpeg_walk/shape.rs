//! Along which boundaries between units a change of level shows that begins at some unit, and beside which there is to be none.

use std::ops::Range;

/// Fewest units that have a middle value that means much.
pub const SHORTEST: usize = 4;
/// Units before a jog that a hit may have spoilt.
pub const SPOILT: usize = 3;

/// Which of a sequence of differences belong to a step, and which ones before and behind are to be without it.
#[derive(Clone)]
pub struct Shape {
    pub before: Range<usize>,
    pub inside: Range<usize>,
    pub behind: Range<usize>,
    /// How many units there are at the jog where the step begins: right of it, which belong to the step, and left of it.
    begin: [usize; 2],
    /// The same where it ends: those of the step, and the others.
    end: [usize; 2],
    /// Whether it is those of the step that stand left of the jog there.
    ends_left: bool,
}

impl Shape {
    /// Of a step that begins with the difference of this unit, is a row of `across` long, and lasts: the sequence has the differences from
    /// `start` to `end`, row after row.
    pub fn lasting(unit: usize, across: usize, start: usize, end: usize) -> Self {
        let column = unit % across;
        Self {
            before: unit.saturating_sub(across).max(start)..unit,
            inside: unit..unit + across,
            behind: (unit + across).min(end)..(unit + 2 * across).min(end),
            begin: [across - column, column],
            end: [column, across - column],
            ends_left: true,
        }
    }

    /// Of a change that ends with the row that it begins in: of one row the differences to the row above, and behind them, backwards,
    /// those to the row below.
    pub const fn of_row(column: usize, across: usize) -> Self {
        let (inside, all) = (across.saturating_sub(column), 2 * across);
        Self {
            before: 0..column,
            inside: column..all - column,
            behind: all - column..all,
            begin: [inside, column],
            end: [inside, column],
            ends_left: false,
        }
    }

    /// Stretches of so many units of the step.
    pub fn along(&self, length: usize) -> impl Iterator<Item = Range<usize>> {
        forth(self.inside.clone(), length).chain(back(self.inside.clone(), length))
    }

    /// Those of the others.
    pub fn beside(&self, length: usize) -> impl Iterator<Item = Range<usize>> {
        back(self.before.clone(), length).chain(forth(self.behind.clone(), length))
    }

    /// What is at the jogs, at most so many units, however few there are: of the step, and beside it.
    pub fn at_jogs(&self, length: usize) -> [[Range<usize>; 2]; 2] {
        let Range { start, end } = self.inside.clone();
        let [[right, left], [last, next]] =
            [self.begin, self.end].map(|jog| jog.map(|units| units.min(length)));
        let spoilt =
            |units: usize, is_left: bool| if is_left { SPOILT.min(units.saturating_sub(1)) } else { 0 };
        let behind = |units: usize| (end + units).min(self.behind.end);
        [
            [start..start + right, end - last..end - spoilt(last, self.ends_left)],
            [
                start.saturating_sub(left)..start.saturating_sub(spoilt(left, true)),
                behind(spoilt(next, !self.ends_left))..behind(next),
            ],
        ]
    }
}

/// Stretches from the start of a range on.
fn forth(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    (1..=range.len() / length).map(move |number| {
        let end = range.start + number * length;
        end - length..end
    })
}

/// Stretches from the end of a range on, backwards.
fn back(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    (1..=range.len() / length).map(move |number| {
        let start = range.end - number * length;
        start..start + length
    })
}
