//! Signals that end a run.

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::engine::Cancel;
use crate::report::ExitStatus;

/// The first SIGINT or SIGTERM asks for an orderly end, the second ends the program at once. Nothing is left
/// half written either way.
pub fn listen(cancel: &Cancel) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // Handlers are called in this order, so that the first signal finds the flag not yet set.
        let at_once = i32::from(ExitStatus::CANCELLED.code());
        signal_hook::flag::register_conditional_shutdown(signal, at_once, cancel.flag())?;
        signal_hook::flag::register(signal, cancel.flag())?;
    }
    Ok(())
}
