//! How a run ended.

/// Why a run stopped before everything was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StoppedBy {
    /// It did not: it ran to its end.
    #[default]
    Nothing,
    /// `--time-limit`; the next run goes on with the oldest. Not an error.
    TimeLimit,
    /// `--max-bytes`; the same.
    ByteLimit,
    /// SIGINT or SIGTERM.
    Signal,
}

/// A run that came to an orderly end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RunEnd {
    /// Why it stopped early, if it did.
    pub stopped_by: StoppedBy,
}

impl RunEnd {
    /// Everything that was asked for was looked at.
    pub const fn complete(self) -> bool {
        matches!(self.stopped_by, StoppedBy::Nothing)
    }
}

/// What kind of thing kept a run from being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunErrorKind {
    /// Wrong or empty mount, mass missing: stopped before anything was called missing.
    Guard,
    /// Records unreadable, incomplete, refused, or lost on the way.
    Records,
    /// Catalog unusable or in use by another run.
    Catalog,
    /// Asked for something impossible that only the run could find out; exit status 16.
    Usage,
    /// The system refused something that the run as a whole needs.
    Io,
}

/// A run that could not be done or finished. Findings and items sent before stay valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// What kind of thing.
    pub kind: RunErrorKind,
    /// What happened, where, what was expected, and what to do.
    pub message: String,
}

impl RunError {
    /// An error of this kind.
    pub fn new(kind: RunErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Wrong or empty mount, mass missing.
    pub fn guard(message: impl Into<String>) -> Self {
        Self::new(RunErrorKind::Guard, message)
    }

    /// Records unusable.
    pub fn records(message: impl Into<String>) -> Self {
        Self::new(RunErrorKind::Records, message)
    }

    /// Catalog unusable.
    pub fn catalog(message: impl Into<String>) -> Self {
        Self::new(RunErrorKind::Catalog, message)
    }

    /// Asked for something impossible.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(RunErrorKind::Usage, message)
    }

    /// The system refused.
    pub fn io(message: impl Into<String>) -> Self {
        Self::new(RunErrorKind::Io, message)
    }
}
