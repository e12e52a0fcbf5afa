//! The command line: what was asked for, and who does it.

mod alike;
pub mod args;
mod bench;
mod doctor;
mod execute;
mod help;
pub mod layers;
mod pages;
mod ping;
mod register;
mod resolve;
mod signals;
mod stored;
#[cfg(test)]
mod tests;
mod units;

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::report::{ExitStatus, When, tell, text};
use layers::{Environment, Stop};
use resolve::Action;

/// Runs the program with these arguments, the program's name first.
pub fn run(argv: Vec<OsString>) -> ExitStatus {
    let environment = Environment::of_process();
    let parsed = match layers::parse(argv, &environment) {
        Ok(parsed) => parsed,
        Err(stop) => return explain(stop),
    };
    for warning in &parsed.warnings {
        tell(&text::error_line(warning), When::Auto);
    }
    match resolve::resolve(parsed.cli, &environment) {
        Err(message) => usage(&message),
        Ok(Action::Run(run)) => execute::run(*run),
        Ok(Action::Bench(action)) => bench::run(&action),
        Ok(Action::Doctor(action)) => doctor::run(*action),
        Ok(Action::Report(action)) => stored::report(&action),
        Ok(Action::State(action)) => stored::state(&action),
        Ok(Action::Completions(shell)) => pages::completions(shell),
        Ok(Action::Man(command)) => pages::man(command.as_deref()),
    }
}

/// Tells a usage error.
fn usage(message: &str) -> ExitStatus {
    tell(&text::error_line(message), When::Auto);
    ExitStatus::USAGE
}

/// Tells a failure that is no usage error.
fn failure(message: &str) -> ExitStatus {
    tell(&text::error_line(message), When::Auto);
    ExitStatus::FAILED
}

fn explain(stop: Stop) -> ExitStatus {
    match stop {
        Stop::Usage(message) => usage(&message),
        Stop::Clap(error, origin) => {
            // Who closed the stream does not want it.
            let _ = error.print();
            if let Some(origin) = origin {
                tell(&text::error_line(&format!("the value comes from {origin}")), When::Auto);
            }
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitStatus::CLEAN,
                _ => ExitStatus::USAGE,
            }
        }
    }
}
