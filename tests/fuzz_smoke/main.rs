//! A bounded run of every fuzz target on inputs made from seeds, and all findings of the past once more.
//!
//! Bounded by counts, so that it says the same on every machine. `docs/fuzzing.md` tells what the variables do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is a failed test"
)]

#[path = "../../fuzz/src/lib.rs"]
mod fuzzing;
mod memory;
mod mutate;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use fuzzing::{TARGETS, Target};
use mutate::Mutator;

/// Longest input that is made.
const LONGEST: usize = 64 << 10;
/// Only a hang is stopped by it.
const PATIENCE: Duration = Duration::from_mins(15);
/// So many findings of one target are enough for one run.
const ENOUGH: usize = 5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// A number from the environment, for longer runs.
fn wish(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Files of a folder in a fixed order; none when there is no folder.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = (target.made)();
    for name in target.seeds {
        let found = files(&folder().join("seeds").join(name));
        assert!(!found.is_empty(), "fuzz/seeds/{name} holds no seed");
        seeds.extend(found.into_iter().map(|(_, bytes)| bytes));
    }
    if let Some(corpus) = std::env::var_os("PHOTOFSCK_FUZZ_CORPUS") {
        let corpus = Path::new(&corpus).join(target.name);
        fs::create_dir_all(&corpus).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), seed).unwrap();
        }
        seeds.extend(files(&corpus).into_iter().map(|(_, bytes)| bytes));
    }
    seeds
}

/// Runs one input and says what was wrong.
fn try_one(target: &Target, input: &[u8]) -> Result<(), String> {
    let before = memory::begin();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let peak = memory::peak_since(before);
    let allowed = input.len().saturating_mul(target.memory_factor).saturating_add(target.memory_base);
    match result {
        Err(_) => Err("it panics (see above)".to_owned()),
        Ok(()) if peak > allowed => {
            Err(format!("it holds {peak} bytes for an input of {}, the ceiling is {allowed}", input.len()))
        }
        Ok(()) => Ok(()),
    }
}

/// Keeps an input that found something and says where.
fn keep(target: &Target, input: &[u8]) -> String {
    let folder = folder().join("artifacts").join(target.name);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("smoke-{:016x}", mutate::digest(input)));
    fs::write(&path, input).unwrap();
    path.display().to_string()
}

/// Ends the program when a target hangs: a loop cannot be stopped in any other way.
fn watched(name: &str, work: impl FnOnce()) {
    let (done, ended) = channel::<()>();
    let name = name.to_owned();
    let watch = std::thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!(
                "{name} hangs: run it with PHOTOFSCK_FUZZ_TRACE=1, fuzz/artifacts/{name}/now is the input"
            );
            std::process::abort();
        }
    });
    work();
    drop(done);
    watch.join().unwrap();
}

fn smoke(name: &str) {
    let target = fuzzing::target(name);
    let trace = std::env::var_os("PHOTOFSCK_FUZZ_TRACE").is_some();
    let mut found: Vec<String> = Vec::new();
    let mut told = |input: &[u8], origin: &str| {
        if trace {
            fs::create_dir_all(folder().join("artifacts").join(target.name)).unwrap();
            fs::write(folder().join("artifacts").join(target.name).join("now"), input).unwrap();
        }
        if let Err(what) = try_one(target, input) {
            found.push(format!("{origin}: {what}: {}", keep(target, input)));
        }
        found.len() < ENOUGH
    };
    watched(name, || {
        for (path, input) in files(&folder().join("regressions").join(name)) {
            told(&input, &path.display().to_string());
        }
        let seeds = seeds(target);
        for seed in &seeds {
            told(seed, "a seed as it is");
        }
        let mut mutator = Mutator::new(wish("PHOTOFSCK_FUZZ_SEED", 1), LONGEST);
        let rounds = u64::from(target.rounds) * wish("PHOTOFSCK_FUZZ_FACTOR", 1);
        for round in 0..rounds {
            let input = mutator.change(&seeds);
            if !told(&input, &format!("round {round}")) {
                break;
            }
        }
    });
    assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
}

macro_rules! smoke_tests {
    ($($name:ident)*) => {
        $(#[test] fn $name() { smoke(stringify!($name)); })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

smoke_tests! {
    bmp compose configuration dump ebml examine exif gif h264 heif hevc jp2 jpeg jpeg_walk layout manifest map_rule mp4 panorama
    png probe quick raw settings streams tiff vp8 webp webp_walk wire_reply wire_request xml
}

#[test]
fn every_target_is_tested_and_can_be_fuzzed() {
    let listed: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(listed, TESTED.iter().copied().collect(), "smoke_tests! lists every row of TARGETS");
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for name in &listed {
        let program = folder().join(format!("fuzz_targets/{name}.rs"));
        let text = fs::read_to_string(&program).unwrap_or_else(|_| panic!("{} is there", program.display()));
        assert!(text.contains(&format!("target(\"{name}\")")), "{name} fuzzes itself");
        assert!(manifest.contains(&format!("fuzz_targets/{name}.rs")), "{name} stands in fuzz/Cargo.toml");
    }
    for (path, _) in files(&folder().join("fuzz_targets")) {
        assert!(listed.contains(path.file_stem().unwrap().to_str().unwrap()), "{}", path.display());
    }
    for entry in fs::read_dir(folder().join("regressions")).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_type().unwrap().is_dir() {
            continue;
        }
        assert!(listed.contains(entry.file_name().to_str().unwrap()), "{:?} is a target", entry.path());
    }
}

#[test]
fn what_a_target_holds_is_counted() {
    fn greedy(data: &[u8]) {
        assert_eq!(vec![1u8; data.len() << 20].len(), data.len() << 20);
    }
    let target = Target { name: "greedy", run: greedy, memory_base: 1 << 20, ..*fuzzing::target("xml") };
    assert_eq!(try_one(&target, b""), Ok(()));
    assert!(try_one(&target, b"12").unwrap_err().contains("ceiling"));
}
