//! Runs the real program: every help text, the usual errors, and the pages it prints.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

#[test]
fn commands_say_what_they_always_said() {
    trycmd::TestCases::new()
        .env("HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", "/nonexistent")
        .case("tests/cmd/*.trycmd");
}

#[test]
fn completions_and_man_pages_are_made() {
    let pages: [(&[&str], &str); 5] = [
        (&["completions", "bash"], "_photofsck"),
        (&["completions", "zsh"], "#compdef photofsck"),
        (&["completions", "fish"], "complete -c photofsck"),
        (&["man"], ".TH photofsck 1"),
        (&["man", "check"], ".TH photofsck-check 1"),
    ];
    for (arguments, expected) in pages {
        let output = photofsck(arguments).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(expected), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = photofsck(&["man"]).stdout(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stdout.take());
    let status = child.wait().expect("it ends");
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}

fn photofsck(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_photofsck"));
    command.args(arguments).env("HOME", "/nonexistent").stderr(Stdio::inherit());
    command
}
