//! Decoders that may take long look at the clock themselves.

use std::time::{Duration, Instant};

use crate::media::Limits;
use crate::model::DecodeError;

/// The point in time at which looking at the file ends.
#[derive(Clone, Copy)]
pub struct Deadline {
    at: Instant,
    seconds: u64,
}

impl Deadline {
    /// So long from now as the limits say.
    pub fn of(limits: &Limits) -> Self {
        Self { at: Instant::now() + Duration::from_secs(limits.max_seconds), seconds: limits.max_seconds }
    }

    /// An error once it is passed.
    pub fn check(self) -> Result<(), DecodeError> {
        if self.passed() { Err(self.missed()) } else { Ok(()) }
    }

    /// What that is called.
    pub const fn missed(self) -> DecodeError {
        DecodeError::TimedOut { seconds: self.seconds }
    }

    /// Whether it is.
    pub fn passed(self) -> bool {
        Instant::now() >= self.at
    }
}
