//! The exit status, as `fsck(8)` has it: bits that are combined by OR.

use std::ops::{BitOr, BitOrAssign};

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ExitStatus(u8);

impl ExitStatus {
    /// Nothing wrong.
    pub const CLEAN: Self = Self(0);
    /// Problems found and repaired.
    pub const REPAIRED: Self = Self(1);
    /// Problems left.
    pub const LEFT: Self = Self(4);
    /// The run itself could not be done or finished.
    pub const FAILED: Self = Self(8);
    /// Wrong use of the command line.
    pub const USAGE: Self = Self(16);
    /// Stopped by a signal.
    pub const CANCELLED: Self = Self(32);

    /// Every bit with its meaning, for `--help` and the man page.
    pub const TABLE: [(Self, &'static str); 6] = [
        (Self::CLEAN, "nothing wrong"),
        (Self::REPAIRED, "problems found and repaired"),
        (Self::LEFT, "problems left (warnings or errors; --fail-on moves the line)"),
        (Self::FAILED, "the run itself could not be done or finished (no media, wrong mount, database lost)"),
        (Self::USAGE, "usage error"),
        (Self::CANCELLED, "cancelled by a signal; stopping at --time-limit is no error"),
    ];

    /// The number for the operating system.
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl BitOr for ExitStatus {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for ExitStatus {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merging_keeps_every_bit(left in 0u8..64, right in 0u8..64) {
            let both = ExitStatus(left) | ExitStatus(right);
            prop_assert_eq!(both, ExitStatus(right) | ExitStatus(left));
            prop_assert_eq!(both.code() & left, left);
            prop_assert_eq!(both.code() & right, right);
            prop_assert_eq!(both | both, both);
        }
    }

    #[test]
    fn repaired_and_left_are_five() {
        assert_eq!((ExitStatus::REPAIRED | ExitStatus::LEFT).code(), 5);
    }
}
