//! Memory for files in flight: who grants it, and when it is given back.

use std::sync::atomic::AtomicBool;

/// Memory that was granted; given back when dropped.
pub trait Permit {}

/// Why memory was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryDenied {
    /// More than there will ever be.
    TooLarge {
        /// The most that can be granted, bytes.
        ceiling: u64,
    },
    /// The run is being stopped.
    Cancelled,
}

/// Who grants memory for items in flight.
pub trait MemoryGrant: Sync {
    /// Waits until there is room for this many bytes.
    fn acquire(&self, bytes: u64, cancel: &AtomicBool) -> Result<Box<dyn Permit + '_>, MemoryDenied>;

    /// The most that can be granted, bytes.
    fn ceiling(&self) -> u64;
}

/// Grants everything up to a ceiling, to everybody at once.
#[derive(Clone, Copy, Debug)]
pub struct Unlimited(pub u64);

impl Permit for () {}

impl MemoryGrant for Unlimited {
    fn acquire(&self, bytes: u64, _cancel: &AtomicBool) -> Result<Box<dyn Permit + '_>, MemoryDenied> {
        if bytes > self.0 { Err(MemoryDenied::TooLarge { ceiling: self.0 }) } else { Ok(Box::new(())) }
    }

    fn ceiling(&self) -> u64 {
        self.0
    }
}
