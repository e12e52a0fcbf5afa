//! The verification of JPEG files by the walk beside `jpeginfo -c`, which decodes them.
//!
//!     cargo bench --bench jpeg_walk -- FILE...           PASSES=20
//!
//! Both read every file so many times, in turn; prints CPU seconds of both and their ratio. The promise is 0.55. Without files
//! the largest JPEGs of the corpus beside the repository are taken.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench program"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use photofsck::media::structure::jpeg;
use photofsck::media::structure::jpeg_walk::{self, Answer};

/// User and system time of a shell command that ends with `times`: its last line is about the children.
fn cpu_of(command: &mut Command) -> Duration {
    let output = command.output().expect("sh runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    last.split_whitespace().map(minutes).sum()
}

/// `0m1.234s` as the shell writes it.
fn minutes(text: &str) -> Duration {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap_or(("0", "0"));
    Duration::from_secs_f64(
        minutes.parse::<f64>().unwrap_or(0.0) * 60.0 + seconds.parse::<f64>().unwrap_or(0.0),
    )
}

/// Nanoseconds that this thread was on a processor.
fn own_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap())
}

fn largest(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<(u64, PathBuf)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().and_then(|entry| Some((entry.metadata().ok()?.len(), entry.path()))))
        .collect();
    files.sort();
    files.into_iter().rev().map(|(_, path)| path).take(2).collect()
}

fn main() {
    let passes: usize = std::env::var("PASSES").ok().and_then(|value| value.parse().ok()).unwrap_or(20);
    let mut files: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    if files.is_empty() {
        files = largest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/good/jpeg"));
    }
    if files.is_empty() || Command::new("jpeginfo").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("NOT RUN: needs JPEG files and jpeginfo");
        return;
    }
    let (mut ours, mut theirs, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    for _ in 0..passes {
        let start = own_cpu();
        for file in &files {
            let data = std::fs::read(file).unwrap();
            let outline = jpeg::walk(&data);
            let answer = jpeg_walk::walk(&data, &outline);
            assert!(answer == Answer::Sound, "{}: {answer:?}", file.display());
            bytes += data.len();
        }
        ours += own_cpu().saturating_sub(start);
        theirs += cpu_of(
            Command::new("bash")
                .arg("-c")
                .arg("jpeginfo -q -c \"$@\" > /dev/null; times")
                .arg("sh")
                .args(&files),
        );
    }
    let (walk, peer) = (ours.as_secs_f64(), theirs.as_secs_f64());
    let speed = bytes as f64 / walk / 1e6;
    println!(
        "walk {walk:.2} s ({speed:.0} MB/s), jpeginfo -c {peer:.2} s, ratio {:.2} (promise 0.55)",
        walk / peer
    );
}
