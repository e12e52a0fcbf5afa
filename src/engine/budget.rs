//! One ceiling for everything that is decoded at the same time.
//!
//! Every item holds a permit for what it may take. Permits are given strictly in the order in which they were asked
//! for: while a large item waits at the head of the queue nobody overtakes it, so room gathers until it fits, and
//! small items never starve it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::machine::Machine;
use crate::worker::pool::{ALLOWANCE, IDLE};
use crate::worker::{MemoryDenied, MemoryGrant, Permit};

/// How soon a waiting item notices that the run is to stop.
const TICK: Duration = Duration::from_millis(50);
/// Less than this makes no sense: one worker with one ordinary photo.
pub const LEAST: u64 = 64 << 20;

/// The most that an item may hold without asking, bytes: a large photo and its pictures. More would not make anything faster.
const MOST_UNASKED: u64 = 96 << 20;

/// What an item may hold without asking, bytes. A worker that asked gives its memory back after the file, which costs time: where
/// memory is plenty, ordinary photos need not ask.
pub fn allowance(capacity: u64, workers: usize) -> u64 {
    (capacity / 8 / workers.max(1) as u64).clamp(ALLOWANCE, MOST_UNASKED)
}

/// The ceiling, and what is held below it.
#[derive(Debug)]
pub struct MemoryBudget {
    capacity: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    peak: u64,
    next: u64,
    queue: VecDeque<u64>,
}

impl MemoryBudget {
    /// A ceiling of so many bytes for so many workers. What idle workers take is put aside at once.
    pub fn new(ceiling: u64, workers: usize) -> Self {
        let idle = IDLE.saturating_mul(workers as u64);
        let capacity = ceiling.saturating_sub(idle).max(ALLOWANCE);
        Self { capacity, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The most that items may hold together, and so the most for one item, bytes.
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// What is held now, bytes.
    pub fn used(&self) -> u64 {
        self.state().used
    }

    /// The most that was ever held at once, bytes.
    pub fn peak(&self) -> u64 {
        self.state().peak
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryGrant for MemoryBudget {
    fn acquire(&self, bytes: u64, cancel: &AtomicBool) -> Result<Box<dyn Permit + '_>, MemoryDenied> {
        if bytes > self.capacity {
            return Err(MemoryDenied::TooLarge { ceiling: self.capacity });
        }
        let mut state = self.state();
        let ticket = state.next;
        state.next += 1;
        state.queue.push_back(ticket);
        loop {
            let first = state.queue.front() == Some(&ticket);
            if first && state.used.saturating_add(bytes) <= self.capacity {
                state.queue.pop_front();
                state.used += bytes;
                state.peak = state.peak.max(state.used);
                drop(state);
                // The next one may fit as well.
                self.changed.notify_all();
                return Ok(Box::new(Held { budget: self, bytes }));
            }
            if cancel.load(Ordering::Relaxed) {
                state.queue.retain(|&waiting| waiting != ticket);
                drop(state);
                self.changed.notify_all();
                return Err(MemoryDenied::Cancelled);
            }
            state = self.changed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn ceiling(&self) -> u64 {
        self.capacity
    }
}

/// A share of the budget, given back when dropped.
struct Held<'a> {
    budget: &'a MemoryBudget,
    bytes: u64,
}

impl Permit for Held<'_> {}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.state().used -= self.bytes;
        self.budget.changed.notify_all();
    }
}

/// The ceiling when none is named, bytes: half of the memory there is, and not more than three quarters of what
/// is free now, since the photo server usually lives on the same machine.
pub fn default_budget(machine: &Machine) -> u64 {
    let free = machine.available / 4 * 3;
    (machine.memory / 2).min(free).max(LEAST)
}

/// How many workers when none are named: one per processor, and no more than can do ordinary photos with half
/// of the ceiling, so that there is room for a large one.
pub fn default_jobs(machine: &Machine, ceiling: u64) -> usize {
    let fitting = usize::try_from(ceiling / 2 / (IDLE + ALLOWANCE)).unwrap_or(usize::MAX);
    machine.processors.min(fitting).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::sync::mpsc;

    use super::*;

    const MIB: u64 = 1 << 20;
    static GO_ON: AtomicBool = AtomicBool::new(false);

    /// Room for `mebibytes` of items.
    fn budget(mebibytes: u64) -> MemoryBudget {
        MemoryBudget::new(mebibytes * MIB, 0)
    }

    fn until(what: &str, mut done: impl FnMut() -> bool) {
        for _ in 0..2000 {
            if done() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{what}");
    }

    #[test]
    fn permits_come_back() {
        let budget = budget(100);
        let first = budget.acquire(60 * MIB, &GO_ON).unwrap();
        let second = budget.acquire(40 * MIB, &GO_ON).unwrap();
        assert_eq!(budget.used(), 100 * MIB);
        drop((first, second));
        assert_eq!((budget.used(), budget.peak()), (0, 100 * MIB));
    }

    #[test]
    fn more_than_everything_is_refused_at_once() {
        let budget = budget(100);
        let refused = budget.acquire(101 * MIB, &GO_ON).err();
        assert_eq!(refused, Some(MemoryDenied::TooLarge { ceiling: 100 * MIB }));
    }

    #[test]
    fn idle_workers_are_put_aside_but_one_item_always_fits() {
        assert_eq!(MemoryBudget::new(1024 * MIB, 4).capacity(), 1024 * MIB - 4 * IDLE);
        assert_eq!(MemoryBudget::new(MIB, 4).capacity(), ALLOWANCE);
        assert_eq!(allowance(512 * MIB, 4), ALLOWANCE);
        assert_eq!(allowance(2048 * MIB, 4), 64 * MIB);
        assert_eq!(allowance(1 << 40, 2), MOST_UNASKED);
    }

    #[test]
    fn nobody_overtakes_a_large_item() {
        let budget = budget(100);
        let holding = budget.acquire(30 * MIB, &GO_ON).unwrap();
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            let (budget, big, small) = (&budget, tell.clone(), tell);
            scope.spawn(move || {
                let _permit = budget.acquire(100 * MIB, &GO_ON).unwrap();
                big.send(("large", budget.used())).unwrap();
            });
            until("the large one waits", || budget.state().queue.len() == 1);
            scope.spawn(move || {
                let _permit = budget.acquire(MIB, &GO_ON).unwrap();
                small.send(("small", 0)).unwrap();
            });
            until("the small one waits", || budget.state().queue.len() == 2);
            assert!(
                told.recv_timeout(Duration::from_millis(150)).is_err(),
                "there is room, but it is not its turn"
            );
            drop(holding);
            assert_eq!(told.recv().unwrap(), ("large", 100 * MIB));
            assert_eq!(told.recv().unwrap().0, "small");
        });
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn cancelling_frees_the_place_in_the_queue() {
        let budget = budget(100);
        let holding = budget.acquire(80 * MIB, &GO_ON).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let large = scope.spawn(|| budget.acquire(90 * MIB, &stop).err());
            until("it waits", || budget.state().queue.len() == 1);
            let small = scope.spawn(|| budget.acquire(10 * MIB, &GO_ON).is_ok());
            until("both wait", || budget.state().queue.len() == 2);
            stop.store(true, Ordering::Relaxed);
            assert_eq!(large.join().unwrap(), Some(MemoryDenied::Cancelled));
            assert!(small.join().unwrap());
        });
        drop(holding);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn many_threads_never_hold_more_than_there_is() {
        let budget = budget(64);
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let budget = &budget;
                scope.spawn(move || {
                    for round in 0..200u64 {
                        let bytes = (thread * 31 + round * 17) % 64 * MIB + 1;
                        let permit = budget.acquire(bytes, &GO_ON).unwrap();
                        assert!(budget.used() <= budget.capacity());
                        drop(permit);
                    }
                });
            }
        });
        assert!(budget.peak() <= budget.capacity());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn defaults_suit_small_and_large_machines() {
        let machine = |memory: u64, available: u64, processors| Machine {
            memory: memory * MIB,
            available: available * MIB,
            processors,
        };
        let pi = machine(1850, 1600, 4);
        assert_eq!(default_budget(&pi), 925 * MIB);
        assert_eq!(default_jobs(&pi, default_budget(&pi)), 4);
        let busy = machine(1850, 400, 4);
        assert_eq!(default_budget(&busy), 300 * MIB);
        assert_eq!(default_jobs(&busy, default_budget(&busy)), 2);
        let tiny = machine(200, 50, 4);
        assert_eq!((default_budget(&tiny), default_jobs(&tiny, LEAST)), (LEAST, 1));
        let server = machine(65536, 60000, 16);
        assert_eq!(
            (default_budget(&server), default_jobs(&server, default_budget(&server))),
            (32768 * MIB, 16)
        );
    }
}
