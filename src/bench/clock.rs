//! How long something takes, told by its median.

use std::time::{Duration, Instant};

use crate::engine::Cancel;

/// Spent on one stage.
const SPAN: Duration = Duration::from_millis(1200);
/// Turns that tell a median.
const LEAST: usize = 3;

/// The median of seconds that one turn takes, and the number of turns. At least one turn is made, cancelled or not.
pub fn median<E>(cancel: &Cancel, mut turn: impl FnMut() -> Result<(), E>) -> Result<(f64, usize), E> {
    median_with(cancel, || (), |()| turn())
}

/// The same where each turn needs something that is made before the clock starts.
pub fn median_with<I, E>(
    cancel: &Cancel,
    mut prepare: impl FnMut() -> I,
    mut turn: impl FnMut(I) -> Result<(), E>,
) -> Result<(f64, usize), E> {
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || !cancel.is_requested() && (times.len() < LEAST || begin.elapsed() < SPAN) {
        let input = prepare();
        let start = Instant::now();
        turn(input)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok((times.get(times.len() / 2).copied().unwrap_or(f64::NAN), times.len()))
}
