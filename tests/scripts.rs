//! The scripts that measure, and those for arm64, start, and say what they would do. What they measure decides no test.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

fn run(script: &str, arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
    Command::new(script).args(arguments).output().expect("the script starts")
}

#[test]
fn bench_peers_names_its_rows_and_what_is_asked() {
    let output = run("bench-peers", &["--list"]);
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
    let output = run("bench-peers", &["--list", "--rows", "nosuch"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nosuch"));
}

#[test]
fn the_scripts_for_arm64_say_what_they_do() {
    for script in ["build-arm64", "test-arm64", "count-arm64"] {
        let output = run(script, &["--help"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(&format!("scripts/{script}")), "{text}");
        assert!(!text.contains('#') && !text.contains("set -e"), "{text}");
    }
}

#[test]
fn the_scripts_for_arm64_refuse_what_they_do_not_know() {
    for (script, arguments) in [
        ("build-arm64", &["--nosuch"][..]),
        ("count-arm64", &[]),
        ("count-arm64", &["a.jpg", "b.jpg"]),
        ("arm64/emulated", &[]),
    ] {
        let output = run(script, arguments);
        assert_eq!(output.status.code(), Some(2), "{script} {arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("scripts/{script}")));
        assert!(output.stdout.is_empty());
    }
}
