//! The command line: parses, calls the library, ends with the exit status that the summary gives.

use std::panic::catch_unwind;
use std::process::ExitCode;

use photofsck::report::ExitStatus;

fn main() -> ExitCode {
    // The panic's message is already on standard error.
    let status = catch_unwind(|| photofsck::cli::run(std::env::args_os().collect()));
    status.unwrap_or(ExitStatus::FAILED).into()
}
