//! The threads of a run: one for each worker process, all fed from one source of items.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::worker::{HashWish, MemoryGrant, WorkerFailure, WorkerPool};

use super::cancel::Cancel;
use super::end::{RunEnd, RunError, StoppedBy};
use super::look::Examiner;

/// What all threads of a run share.
pub struct Crew<'a> {
    /// Where their workers come from.
    pub pool: &'a WorkerPool,
    /// Who grants memory.
    pub memory: &'a dyn MemoryGrant,
    /// Who stops them.
    pub cancel: &'a Cancel,
    /// When to stop taking items.
    pub deadline: Option<Instant>,
    /// Hashes wanted of every file.
    pub hashes: HashWish,
    /// How many threads.
    pub jobs: usize,
}

/// Why one item could not be brought to its end.
#[derive(Debug)]
pub enum Halt {
    /// Somebody asked the run to stop; the item was not looked at.
    Cancelled,
    /// The run as a whole cannot go on.
    Failed(RunError),
}

impl From<WorkerFailure> for Halt {
    fn from(failure: WorkerFailure) -> Self {
        match failure {
            WorkerFailure::Cancelled => Self::Cancelled,
            other => Self::Failed(RunError::io(other.to_string())),
        }
    }
}

impl From<RunError> for Halt {
    fn from(error: RunError) -> Self {
        Self::Failed(error)
    }
}

impl Crew<'_> {
    /// Gives every item of `feed` to `work` on some thread. After a signal or the time limit the rest goes to
    /// `left_over`, so that everything is accounted for; a failure ends the run. An item whose `work` fails is
    /// accounted for by `work` itself.
    pub fn run<T, F, W, L>(&self, feed: F, work: W, left_over: L) -> Result<RunEnd, RunError>
    where
        T: Send,
        F: Iterator<Item = T> + Send,
        W: Fn(&mut Examiner<'_>, &T) -> Result<(), Halt> + Sync,
        L: Fn(&T) + Sync,
    {
        let feed = Mutex::new(feed);
        let next = || feed.lock().unwrap_or_else(PoisonError::into_inner).next();
        let failure: Mutex<Option<RunError>> = Mutex::new(None);
        let (broken, late) = (AtomicBool::new(false), AtomicBool::new(false));
        let stop = || {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                late.store(true, Ordering::Relaxed);
            }
            late.load(Ordering::Relaxed) || broken.load(Ordering::Relaxed) || self.cancel.is_requested()
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    let mut examiner =
                        Examiner::new(self.pool.worker(), self.memory, self.cancel, self.hashes);
                    while !stop() {
                        let Some(item) = next() else { return };
                        match work(&mut examiner, &item) {
                            Ok(()) | Err(Halt::Cancelled) => {}
                            Err(Halt::Failed(error)) => {
                                broken.store(true, Ordering::Relaxed);
                                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            }
                        }
                    }
                });
            }
        });
        while let Some(item) = next() {
            left_over(&item);
        }
        if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let stopped_by = if self.cancel.is_requested() {
            StoppedBy::Signal
        } else if late.load(Ordering::Relaxed) {
            StoppedBy::TimeLimit
        } else {
            StoppedBy::Nothing
        };
        Ok(RunEnd { stopped_by })
    }
}
