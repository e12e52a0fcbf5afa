//! A child that is killed in the middle of its work: this test program once more, running one of its tests.
#![allow(clippy::unwrap_used, reason = "a failed test should panic")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Starts the test `child` with these variables set, waits for a line that begins with `ready`, and kills it `after`
/// that. Gives that line and those printed later.
pub fn kill_child(child: &str, variables: &[(&str, &Path)], ready: &str, after: Duration) -> Vec<String> {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", child, "--nocapture", "--test-threads=1"])
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let first = lines.find(|line| line.starts_with(ready)).unwrap_or_else(|| panic!("{child} did not begin"));
    std::thread::sleep(after);
    process.kill().unwrap();
    let status = process.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "{child} ended by itself");
    std::iter::once(first).chain(lines).collect()
}

/// The same moment for the same number, anywhere up to `most`.
pub fn moment(number: u64, most: Duration) -> Duration {
    most.mul_f64(f64::from(blake3::hash(&number.to_le_bytes()).as_bytes()[0]) / 255.0)
}
