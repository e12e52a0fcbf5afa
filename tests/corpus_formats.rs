//! Real files, good and bad, with known expectations: no sound file may be accused, and damage must be noticed.
//!
//! The corpus is not part of the repository: it is looked for beside it, or where `PHOTOFSCK_CORPUS` says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is a failed test, and a skipped test must say so"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use photofsck::media::probe::{probe, unrecognised};
use photofsck::media::{Limits, Source, Target, Wanted};
use photofsck::model::{DecodeError, Depth, MediaFormat};

/// No file may take longer, on a machine that does ten other things at once.
const SLOWEST: Duration = Duration::from_mins(5);

/// One line of the manifest.
struct Entry {
    path: String,
    folder: String,
    expected: String,
}

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("PHOTOFSCK_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    if folder.join("manifest.tsv").is_file() {
        return Some(folder);
    }
    // A worktree may lie one folder deeper.
    let deeper = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    deeper.join("manifest.tsv").is_file().then_some(deeper)
}

fn entries(root: &Path, folders: &[&str]) -> Vec<Entry> {
    let manifest = std::fs::read_to_string(root.join("manifest.tsv")).unwrap();
    let mut lines = manifest.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let expected = header.iter().position(|name| *name == "expected").unwrap();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let folder = cells[0].split('/').nth(1).unwrap().to_string();
            Entry { path: cells[0].into(), folder, expected: cells[expected].into() }
        })
        .filter(|entry| folders.contains(&entry.folder.as_str()))
        .collect()
}

/// What became of one file.
struct Outcome {
    path: String,
    folder: String,
    expected: String,
    format: MediaFormat,
    problem: Option<DecodeError>,
    took: Duration,
}

fn look(root: &Path, entry: &Entry, target: Target) -> Outcome {
    let path = root.join(&entry.path);
    let bytes = std::fs::read(&path).unwrap();
    let file = File::open(&path).unwrap();
    let extension = path.extension().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let source = Source::new(&file, bytes.len() as u64, Some(&bytes), &extension);
    let limits = Limits { max_pixels: 300_000_000, max_memory: 2 << 30, max_seconds: 60 };
    let started = Instant::now();
    photofsck::media::formats::with_ffmpeg();
    let (format, problem) = match probe(&source) {
        Some((family, format)) => {
            let _ = family.estimate(format, &source, target);
            (format, family.examine(format, &source, Wanted::new(Depth::Keyframes, target, &limits)).problem)
        }
        None => (MediaFormat::Unknown, Some(unrecognised(&source))),
    };
    Outcome {
        path: entry.path.clone(),
        folder: entry.folder.clone(),
        expected: entry.expected.clone(),
        format,
        problem,
        took: started.elapsed(),
    }
}

fn look_at_all(root: &Path, entries: &[Entry], target: Target) -> Vec<Outcome> {
    let queue = Mutex::new(entries.iter());
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(entry) = queue.lock().unwrap().next() else { break };
                    let outcome = look(root, entry, target);
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

/// Looks at every file of the folders and checks: how many were visited, none of the sound ones accused, at least
/// `floor` of the broken ones noticed, none slower than [`SLOWEST`].
fn check(folders: &[&str], visited: usize, floor: usize) {
    let Some(root) = corpus() else {
        eprintln!("NOT RUN: no corpus found; set PHOTOFSCK_CORPUS to its folder");
        return;
    };
    let entries = entries(&root, folders);
    assert_eq!(entries.len(), visited, "files in the manifest for {folders:?}");
    let outcomes = look_at_all(&root, &entries, Target::AtLeast(250));
    assert_eq!(outcomes.len(), visited);

    let mut table: BTreeMap<(String, &str), [usize; 3]> = BTreeMap::new();
    let mut accused = Vec::new();
    let mut noticed = 0;
    for outcome in &outcomes {
        let class = match &outcome.problem {
            None => 0,
            Some(problem) if problem.damage().is_some() => 1,
            Some(_) => 2,
        };
        table.entry((outcome.folder.clone(), &outcome.expected)).or_default()[class] += 1;
        let words = outcome.problem.as_ref().map(ToString::to_string).unwrap_or_default();
        if outcome.expected == "ok" && class != 0 {
            let class = ["", "DAMAGED", "unverifiable"][class];
            eprintln!("ok, but {class}: {} ({}): {words}", outcome.path, outcome.format);
        }
        if outcome.expected == "broken" && class == 0 {
            eprintln!("broken, but sound: {} ({})", outcome.path, outcome.format);
        }
        if std::env::var_os("PHOTOFSCK_CORPUS_ALL").is_some() {
            eprintln!("{}\t{}\t{}\t{words}", outcome.path, outcome.expected, outcome.format);
        }
        if outcome.expected == "ok" && class == 1 {
            accused.push(outcome.path.clone());
        }
        if outcome.expected == "broken" && class != 0 {
            noticed += 1;
        }
        assert!(outcome.took < SLOWEST, "{} took {:?}", outcome.path, outcome.took);
    }
    for ((folder, expected), [sound, damaged, unverifiable]) in &table {
        eprintln!(
            "{folder:6} {expected:24} sound {sound:4}  damaged {damaged:4}  unverifiable {unverifiable:4}"
        );
    }
    assert_eq!(accused, Vec::<String>::new(), "sound files called damaged");
    assert!(noticed >= floor, "{noticed} broken files noticed, {floor} expected");
}

#[test]
fn jpeg() {
    check(&["jpeg", "mpo"], 432, 165);
}

#[test]
fn png() {
    check(&["png"], 343, 54);
}

#[test]
fn gif() {
    check(&["gif"], 47, 18);
}

#[test]
fn webp() {
    check(&["webp"], 78, 27);
}

#[test]
fn bmp() {
    check(&["bmp"], 72, 13);
}

#[test]
fn tiff() {
    // Two whose data is sound are not shown by others: five channels with a predictor, and tiles of an odd subsampling.
    check(&["tiff"], 143, 34);
}
