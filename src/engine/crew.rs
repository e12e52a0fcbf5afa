//! The threads of a run: one for each worker process, all fed from one source of items.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::end::{RunEnd, RunError, StoppedBy};
use super::look::{Examiner, Means};
use crate::worker::WorkerFailure;

/// Items that a thread takes at a time, so that small files of several can be looked at together.
const HAND: usize = 8;

/// What all threads of a run share.
pub struct Crew<'a> {
    /// What each of them works with.
    pub means: Means<'a>,
    /// How many there are.
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
    /// Gives every item of `feed` to `work` on some thread, a few at a time to `prepare` before. After a signal or the
    /// time limit the rest goes to `left_over`, so that everything is accounted for; a failure ends the run. An item
    /// whose `work` fails is accounted for by `work` itself.
    pub fn run<T, F, P, W, L>(&self, feed: F, prepare: P, work: W, left_over: L) -> Result<RunEnd, RunError>
    where
        T: Send,
        F: Iterator<Item = T> + Send,
        P: Fn(&mut Examiner<'_>, &[T]) -> Result<(), Halt> + Sync,
        W: Fn(&mut Examiner<'_>, &T) -> Result<(), Halt> + Sync,
        L: Fn(&T) + Sync,
    {
        let table = Table::new(feed, self.jobs.max(1));
        let failure: Mutex<Option<RunError>> = Mutex::new(None);
        let broken = AtomicBool::new(false);
        let over: OnceLock<StoppedBy> = OnceLock::new();
        let stop = || {
            if let Some(limit) = self.means.governor.over() {
                over.get_or_init(|| limit);
            }
            over.get().is_some() || broken.load(Ordering::Relaxed) || self.means.cancel.is_requested()
        };
        let heed = |done: Result<(), Halt>| {
            if let Err(Halt::Failed(error)) = done {
                broken.store(true, Ordering::Relaxed);
                lock(&failure).get_or_insert(error);
            }
        };
        let (stop, heed, prepare, work) = (&stop, &heed, &prepare, &work);
        std::thread::scope(|scope| {
            for hand in &table.hands {
                let table = &table;
                scope.spawn(move || {
                    let mut examiner = Examiner::new(&self.means);
                    while !stop() {
                        self.means.governor.rest(self.means.cancel);
                        let next = lock(hand).pop_front();
                        if let Some(item) = next {
                            heed(work(&mut examiner, &item));
                            continue;
                        }
                        let taken = table.take();
                        if taken.is_empty() {
                            let Some(item) = table.steal() else { return };
                            heed(work(&mut examiner, &item));
                            continue;
                        }
                        heed(prepare(&mut examiner, &taken));
                        lock(hand).extend(taken);
                    }
                });
            }
        });
        table.rest().for_each(|item| left_over(&item));
        if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let stopped_by = if self.means.cancel.is_requested() {
            StoppedBy::Signal
        } else {
            over.into_inner().unwrap_or_default()
        };
        Ok(RunEnd { stopped_by })
    }
}

/// What is still to be done: the feed, and what each thread has taken of it.
struct Table<T, F> {
    feed: Mutex<F>,
    hands: Vec<Mutex<VecDeque<T>>>,
}

impl<T, F: Iterator<Item = T>> Table<T, F> {
    fn new(feed: F, threads: usize) -> Self {
        Self { feed: Mutex::new(feed), hands: (0..threads).map(|_| Mutex::default()).collect() }
    }

    /// The next few items.
    fn take(&self) -> Vec<T> {
        lock(&self.feed).by_ref().take(HAND).collect()
    }

    /// The last item in somebody's hand: at the end of a run nobody waits while others have several.
    fn steal(&self) -> Option<T> {
        self.hands.iter().find_map(|hand| lock(hand).pop_back())
    }

    /// All that nobody came to, as it comes.
    fn rest(self) -> impl Iterator<Item = T> {
        let inner = |hand: Mutex<_>| hand.into_inner().unwrap_or_else(PoisonError::into_inner);
        let feed = self.feed.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.hands.into_iter().flat_map(inner).chain(feed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn every_item_is_in_one_hand_or_in_the_rest() {
        let table = Table::new(0..30, 2);
        let mut seen = Vec::new();
        for hand in &table.hands {
            lock(hand).extend(table.take());
        }
        seen.extend(lock(&table.hands[0]).pop_front());
        assert_eq!(table.steal(), Some(7), "the last of the first hand that has any");
        seen.push(7);
        while lock(&table.hands[0]).pop_front().inspect(|item| seen.push(*item)).is_some() {}
        assert_eq!(table.steal(), Some(15));
        seen.push(15);
        seen.extend(table.rest());
        seen.sort_unstable();
        assert_eq!(seen, (0..30).collect::<Vec<_>>());
    }
}
