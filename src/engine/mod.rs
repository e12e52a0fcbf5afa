//! What decides: walk, reconcile, schedule, judge, run.
