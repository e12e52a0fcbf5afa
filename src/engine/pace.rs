//! How gently a run reads: so many bytes a second, so many in all, so long, and not while the machine is busy or hot.
//!
//! The rate is kept over time: files are let through as their bytes are earned, and the worker that reads one spreads its
//! bytes over that time (`Job::rate`). Bytes of files are counted once, however often a decoder goes back to them: the second
//! time they come from the page cache.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::end::StoppedBy;
use super::machine;

/// How often a waiting thread looks whether it should stop.
const LOOK: Duration = Duration::from_millis(100);
/// How often the machine is asked how it is.
const ASK: Duration = Duration::from_secs(2);

/// What a run may take from its machine; everything that is `None` has no limit.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Pace {
    /// Bytes a second (`--max-rate`), at least 1.
    pub rate: Option<u64>,
    /// Bytes in all (`--max-bytes`); the run then ends orderly, and the next goes on.
    pub bytes: Option<u64>,
    /// Load average over a minute (`--max-load`) above which nothing new is begun.
    pub load: Option<f64>,
    /// Degrees Celsius of the hottest sensor above which nothing new is begun.
    pub degrees: Option<f64>,
}

/// Holds the threads of one run to its pace.
pub struct Governor {
    pace: Pace,
    deadline: Option<Instant>,
    /// When the next byte is earned.
    earned: Mutex<Instant>,
    read: AtomicU64,
    rested: AtomicU64,
    mood: Mutex<Option<(Instant, bool)>>,
}

impl Governor {
    /// The run begins now, and takes nothing new after the deadline.
    pub fn new(pace: Pace, deadline: Option<Instant>) -> Self {
        Self {
            pace,
            deadline,
            earned: Mutex::new(Instant::now()),
            read: AtomicU64::new(0),
            rested: AtomicU64::new(0),
            mood: Mutex::new(None),
        }
    }

    /// For runs that are as fast as they can be.
    pub fn unbound() -> Self {
        Self::new(Pace::default(), None)
    }

    /// Bytes a second at which one file may be read.
    pub const fn rate(&self) -> Option<u64> {
        self.pace.rate
    }

    /// Which limit says that nothing new is to be begun.
    pub fn over(&self) -> Option<StoppedBy> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Some(StoppedBy::TimeLimit);
        }
        let all = self.pace.bytes.is_some_and(|most| self.read.load(Ordering::Relaxed) >= most);
        all.then_some(StoppedBy::ByteLimit)
    }

    /// To be called before a file of so many bytes is read: waits until they are earned, or until the run is to stop.
    pub fn before(&self, bytes: u64, cancel: &Cancel) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
        let Some(rate) = self.pace.rate else { return };
        let turn = {
            let mut earned = self.earned.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*earned).max(Instant::now());
            *earned = turn + Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
            turn
        };
        let left = || turn.saturating_duration_since(Instant::now());
        while !left().is_zero()
            && !cancel.is_requested()
            && self.deadline.is_none_or(|end| Instant::now() < end)
        {
            std::thread::sleep(left().min(LOOK));
        }
    }

    /// To be called before anything new is begun: waits while the machine is too busy or too hot, or until the run is to stop.
    pub fn rest(&self, cancel: &Cancel) {
        if self.pace.load.is_none() && self.pace.degrees.is_none() {
            return;
        }
        let began = Instant::now();
        while !cancel.is_requested() && self.over().is_none() && self.is_too_much() {
            std::thread::sleep(LOOK);
        }
        let rested = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.rested.fetch_max(rested, Ordering::Relaxed);
    }

    /// What to tell at the end of a run that was held up.
    pub fn note(&self) -> Option<String> {
        let longest = Duration::from_millis(self.rested.load(Ordering::Relaxed)).as_secs();
        (longest > 0).then(|| {
            format!(
                "paused because the machine was busy or hot (--max-load), for up to {longest} s at a time"
            )
        })
    }

    /// Asks the machine, at most every [`ASK`].
    fn is_too_much(&self) -> bool {
        let mut mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        match *mood {
            Some((asked, answer)) if asked.elapsed() < ASK => answer,
            _ => {
                let above = |limit: Option<f64>, found: Option<f64>| {
                    limit.zip(found).is_some_and(|(limit, found)| found > limit)
                };
                let answer = above(self.pace.load, machine::load(Path::new("/proc")))
                    || above(self.pace.degrees, machine::temperature(Path::new("/sys")));
                *mood = Some((Instant::now(), answer));
                answer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_limits_nobody_waits() {
        let governor = Governor::unbound();
        governor.before(u64::MAX / 2, &Cancel::new());
        governor.rest(&Cancel::new());
        assert!(governor.over().is_none() && governor.note().is_none());
    }

    #[test]
    fn bytes_are_used_up_by_the_file_that_crosses_the_line() {
        let governor = Governor::new(Pace { bytes: Some(100), ..Pace::default() }, None);
        governor.before(99, &Cancel::new());
        assert_eq!(governor.over(), None);
        governor.before(50, &Cancel::new());
        assert_eq!(governor.over(), Some(StoppedBy::ByteLimit));
    }

    #[test]
    fn bytes_have_to_be_earned() {
        let cancel = Cancel::new();
        let end = Instant::now() + Duration::from_millis(600);
        let governor = Governor::new(Pace { rate: Some(1000), ..Pace::default() }, Some(end));
        governor.before(200, &cancel);
        let began = Instant::now();
        governor.before(1_000_000, &cancel);
        assert!(began.elapsed() >= Duration::from_millis(100));
        // A thousand seconds are owed now: the end of the run comes first.
        governor.before(1, &cancel);
        assert!(Instant::now() >= end && began.elapsed() < Duration::from_secs(500));
        assert_eq!(governor.over(), Some(StoppedBy::TimeLimit));
    }

    #[test]
    fn a_machine_that_is_always_too_busy_is_left_alone_until_the_end() {
        let end = Instant::now() + Duration::from_millis(1200);
        let governor = Governor::new(Pace { load: Some(-1.0), ..Pace::default() }, Some(end));
        governor.rest(&Cancel::new());
        assert!(Instant::now() >= end);
        assert!(governor.note().is_some());
    }
}
