//! The scripts that measure start, and say what they would measure. What they measure decides no test.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::path::Path;
use std::process::Command;

#[test]
fn bench_peers_names_its_rows_and_what_is_asked() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bench-peers");
    let output = Command::new(script).arg("--list").output().expect("the script starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in ["render", "render-cores", "verify-jpeg", "verify-thumbnails", "memory-raw"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert!(text.lines().all(|line| line.contains("at least") || line.contains("at most")), "{text}");
}

#[test]
fn bench_peers_refuses_rows_that_it_does_not_have() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bench-peers");
    let output =
        Command::new(script).args(["--list", "--rows", "nosuch"]).output().expect("the script starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nosuch"));
}
