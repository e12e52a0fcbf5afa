//! Within what time every byte of a library is read again, if runs go on as they do.

use std::time::Duration;

/// What the promise is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Bytes of all files of the library.
    pub bytes: u64,
    /// How long a verification is trusted.
    pub max_age: Duration,
    /// Time from run to run.
    pub gap: Duration,
}

const DAY: u64 = 24 * 60 * 60;

impl Coverage {
    /// Days within which every byte is read again, when each run is as this one: it came to its end or not, and read so many
    /// bytes. `None` where a run that was stopped early read nothing.
    ///
    /// A run that comes to its end reads all that is older than `max_age`: then nothing is older than that and the time to the next
    /// run. One that is stopped goes on with the oldest, so that it comes round once in as many runs as it takes to read all.
    pub fn days(&self, complete: bool, read: u64) -> Option<u64> {
        let gap = self.gap.as_secs().max(1);
        let seconds = if complete {
            self.max_age.as_secs().saturating_add(gap)
        } else {
            let runs = self.bytes.checked_add(read)?.saturating_sub(1).checked_div(read)?.max(1);
            // The last bytes of a round wait for the run after it.
            runs.saturating_add(1).saturating_mul(gap)
        };
        Some(seconds.div_ceil(DAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises() {
        let night = Duration::from_hours(24);
        let coverage = Coverage { bytes: 1000, max_age: 30 * night, gap: night };
        assert_eq!(coverage.days(true, 5), Some(31));
        assert_eq!(coverage.days(true, 0), Some(31), "nothing was due");
        assert_eq!(coverage.days(false, 100), Some(11));
        assert_eq!(coverage.days(false, 5000), Some(2));
        assert_eq!(coverage.days(false, 0), None);
        let hourly = Coverage { gap: Duration::from_hours(1), ..coverage };
        assert_eq!(hourly.days(false, 10), Some(5));
        let empty = Coverage { bytes: 0, ..coverage };
        assert_eq!(empty.days(false, 0), None);
    }
}
