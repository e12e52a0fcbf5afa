//! Running installed programs with a deadline.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Seconds after which a program is ended.
const DEADLINE: &str = "120";

/// Where a program is, if it is installed.
pub fn find(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    // Distributions' own programs first: what lies in front of them may be a stand-in.
    let system = Path::new("/usr/bin").join(name);
    if system.is_file() {
        return Some(system);
    }
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A program that is ended when it takes too long; `None` when it is not installed.
pub fn command(name: &str) -> Option<Command> {
    let path = find(name)?;
    let mut command = Command::new("timeout");
    command.args(["-k", "5", DEADLINE]).arg(path).stdin(Stdio::null());
    Some(command)
}

/// Runs it and collects everything; `None` when it is not installed.
pub fn run(name: &str, prepare: impl FnOnce(&mut Command)) -> Option<Output> {
    let mut command = command(name)?;
    prepare(&mut command);
    command.output().ok()
}

/// The first line that a program says of its version.
pub fn version(name: &str, option: &str) -> Option<String> {
    let output = run(name, |command| {
        command.arg(option);
    })?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line =
        text.lines().find(|line| line.chars().any(|c| c.is_ascii_digit())).unwrap_or("version unknown");
    let line = line.split(" Copyright").next().unwrap_or(line).split(" https:").next().unwrap_or(line);
    Some(line.trim().chars().take(70).collect())
}

/// Does `work` for every item, two or more at a time; answers are in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(jobs: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = &work;
    let mut answers: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1))
            .map(|_| {
                scope.spawn(|| {
                    let mut own = Vec::new();
                    loop {
                        let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(item) = items.get(index) else { break own };
                        own.push((index, work(item)));
                    }
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("the work does not panic")).collect()
    });
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
