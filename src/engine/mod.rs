//! What decides: walk, reconcile, schedule, judge, run.

pub mod judge;
