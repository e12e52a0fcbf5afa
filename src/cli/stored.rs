//! Earlier runs and the catalog.

use super::failure;
use super::resolve::{ReportAction, StateAction};
use crate::report::ExitStatus;

/// Shows a run again.
pub fn report(action: ReportAction) -> ExitStatus {
    let _ = action;
    failure("not connected")
}

/// Looks after the catalog.
pub fn state(action: &StateAction) -> ExitStatus {
    let _ = action;
    failure("not connected")
}
