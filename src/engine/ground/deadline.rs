//! Work that may never end, such as a system call on a mount whose server is gone: it is waited for so long and no longer.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Cancel;

/// How often a request to stop is looked for.
const TICK: Duration = Duration::from_millis(50);

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// It did not come in this time.
    Hangs(Duration),
    /// The work ended without one, or the program is to stop.
    Ended,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hangs(time) => write!(f, "there was no answer within {} seconds", time.as_secs()),
            Self::Ended => f.write_str("the look at it ended without a result"),
        }
    }
}

/// By which work of several steps shows that it goes on.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// To be called between two steps.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

thread_local! {
    /// That of the work which this thread does.
    static OWN: RefCell<Option<Pulse>> = const { RefCell::new(None) };
}

/// Shows that the work of this thread goes on, whoever waits for it: for code below that knows nothing of waiting.
pub fn beat() {
    OWN.with_borrow(|own| own.iter().for_each(Pulse::beat));
}

/// Does the work in a thread of its own. One that hangs is left behind; it ends with the program.
pub fn within<T: Send + 'static>(
    time: Duration,
    cancel: &Cancel,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Late> {
    step_by_step(time, cancel, |_| work())
}

/// The same for work of several steps, each of which may take that long.
pub fn step_by_step<T: Send + 'static>(
    time: Duration,
    cancel: &Cancel,
    work: impl FnOnce(&Pulse) -> T + Send + 'static,
) -> Result<T, Late> {
    let (done, result) = mpsc::channel();
    let pulse = Pulse::default();
    let own = pulse.clone();
    thread::Builder::new()
        .name("may hang".to_owned())
        .spawn(move || {
            OWN.set(Some(own.clone()));
            // Who waited too long has gone.
            let _ = done.send(work(&own));
        })
        .map_err(|_| Late::Ended)?;
    let (mut seen, mut until) = (0, Instant::now() + time);
    loop {
        match result.recv_timeout(TICK.min(until.saturating_duration_since(Instant::now()))) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Disconnected) => return Err(Late::Ended),
            Err(RecvTimeoutError::Timeout) if cancel.is_requested() => return Err(Late::Ended),
            Err(RecvTimeoutError::Timeout) if pulse.count() != seen => {
                (seen, until) = (pulse.count(), Instant::now() + time);
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() >= until => return Err(Late::Hangs(time)),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_left_behind() {
        let cancel = Cancel::new();
        assert_eq!(within(Duration::from_secs(10), &cancel, || 7), Ok(7));
        let time = Duration::from_millis(60);
        assert_eq!(within(time, &cancel, || thread::sleep(Duration::from_secs(5))), Err(Late::Hangs(time)));
        // All steps take longer than is waited for one, and one takes a tenth of it.
        let whole = Duration::from_millis(1500);
        let steps = move |beat: &dyn Fn()| {
            for _ in 0..12 {
                thread::sleep(whole / 10);
                beat();
            }
        };
        let told = step_by_step(whole, &cancel, move |pulse| steps(&|| pulse.beat()));
        assert_eq!(told, Ok(()), "each step is fast enough");
        assert_eq!(within(whole, &cancel, move || steps(&beat)), Ok(()), "also by code that knows no pulse");
        assert_eq!(within(time, &cancel, move || steps(&|| ())), Err(Late::Hangs(time)));
        cancel.request();
        let started = Instant::now();
        let slow = within(Duration::from_secs(20), &cancel, || thread::sleep(Duration::from_secs(5)));
        assert!(slow == Err(Late::Ended) && started.elapsed() < Duration::from_secs(2));
    }
}
