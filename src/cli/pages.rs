//! Shell completions and man pages, made from the same definition as `--help`.

use std::io::Write;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;
use super::{failure, usage};
use crate::report::ExitStatus;

/// Prints completions.
pub fn completions(shell: Shell) -> ExitStatus {
    let mut page = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "photofsck", &mut page);
    put(&page)
}

/// Prints the man page of the program, or that of one of its commands.
pub fn man(name: Option<&str>) -> ExitStatus {
    let mut program = Cli::command();
    program.build();
    let page = match name.map(|name| (name, program.find_subcommand(name))) {
        None => render(program),
        Some((name, Some(command))) => {
            let title = format!("photofsck-{name}");
            render(command.clone().name(title.clone()).display_name(title))
        }
        Some((name, None)) => {
            let names: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
            return usage(&format!("man: expected one of {}, found {name:?}", names.join(", ")));
        }
    };
    match page {
        Ok(page) => put(&page),
        Err(error) => failure(&format!("the man page could not be made: {error}")),
    }
}

fn render(command: Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
}

/// Writes a page to standard output. Who closed it early has read enough.
fn put(page: &[u8]) -> ExitStatus {
    let mut out = std::io::stdout().lock();
    match out.write_all(page).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            failure(&format!("standard output: {error}"))
        }
        _ => ExitStatus::CLEAN,
    }
}
