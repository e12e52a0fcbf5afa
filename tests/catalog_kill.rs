//! A run that is killed at any moment leaves a valid catalog that holds everything it had written.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

#[path = "common/kill.rs"]
mod kill;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kill::{kill_child, moment};
use photofsck::catalog::{Catalog, Knowledge, LineKind, RunLine, RunStart};
use photofsck::model::{Depth, FileIdentity, MediaFormat, Verdict};

/// Set for the child only: its state folder.
const STATE: &str = "PHOTOFSCK_TEST_KILL_STATE";
const KILLS: u64 = 30;

fn knowledge(number: u64) -> Knowledge {
    Knowledge {
        identity: FileIdentity { size: number, ..FileIdentity::default() },
        format: MediaFormat::Png,
        size: None,
        verdict: Verdict::Decodable,
        damage: None,
        reason: String::new(),
        sha1: None,
        blake3: Some(*blake3::hash(&number.to_le_bytes()).as_bytes()),
        decoder: None,
        depth: Depth::Full,
        verified_at: 1,
    }
}

fn file(run: u64, number: u64) -> PathBuf {
    PathBuf::from(format!("/m/{run}/{}/{number}.png", number % 50))
}

/// The child: records until it is killed, and says what is safe. Without the variable it is an empty test.
#[test]
fn child_records_until_it_is_killed() {
    let Some(state) = std::env::var_os(STATE).map(PathBuf::from) else { return };
    let catalog = Catalog::open(&state, "check").unwrap();
    let run = u64::from(std::process::id());
    catalog
        .begin_run(RunStart {
            run_id: format!("{run:016x}"),
            started_at: String::new(),
            command: "check".into(),
            header: String::new(),
        })
        .unwrap();
    println!("\nrun {run}");
    for number in 1.. {
        catalog.record(&file(run, number), knowledge(number)).unwrap();
        let line = RunLine {
            kind: LineKind::Finding,
            code: "original.missing".into(),
            severity: "error".into(),
            path: Some(file(run, number)),
            text: number.to_string(),
        };
        catalog.add_line(line).unwrap();
        if number % 100 == 0 {
            catalog.flush().unwrap();
            println!("safe {number}");
        }
    }
}

/// Runs a child, kills it, and returns its run and how many results it had called safe.
fn killed_run(state: &Path, kill: u64) -> (u64, u64) {
    let after = moment(kill, Duration::from_micros(76_500));
    let lines = kill_child("child_records_until_it_is_killed", &[(STATE, state)], "run ", after);
    let number = |begin: &str| lines.iter().rev().find_map(|line| line.strip_prefix(begin)?.parse().ok());
    (number("run ").unwrap(), number("safe ").unwrap_or(0))
}

#[test]
fn killed_at_random_moments_the_catalog_is_valid_and_keeps_what_was_written() {
    let state = tempfile::tempdir().unwrap();
    let mut all = 0;
    for kill in 0..KILLS {
        let (run, safe) = killed_run(state.path(), kill);
        // The lock went with the process.
        let catalog = Catalog::open(state.path(), "check").unwrap();
        for number in 1..=safe {
            let known = catalog.previous(&file(run, number)).unwrap();
            assert_eq!(known, Some(knowledge(number)), "run {run}, {number} of {safe}");
        }
        let record = catalog.run(&format!("{run:016x}")).unwrap().unwrap();
        assert_eq!(record.end, None);
        let mut lines = Vec::new();
        catalog.run_lines(&record.run_id, |line| lines.push(line.text)).unwrap();
        assert!(lines.len() as u64 >= safe);
        assert!(lines.iter().zip(1u64..).all(|(text, number)| *text == number.to_string()));
        all += safe;
    }
    assert!(all > 100 * KILLS, "only {all} results were written in {KILLS} runs");
    println!("{KILLS} kills, {all} results safe and found again");
}
