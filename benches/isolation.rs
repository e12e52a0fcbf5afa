//! What it costs that files are decoded in processes of their own: the same whole job in a worker and in this process, in turn.
//!
//!     cargo bench --bench isolation -- [FILE...]         PAIRS=24
//!
//! As in a run, one worker serves all. Every picture is made PAIRS times by both, one directly after the other, so that other work
//! on the machine slows both, and both have the same settings of the allocator. Prints CPU milliseconds (user and system; of the
//! worker's side those of both processes), medians of each picture, and the median of the ratios of all pairs with the share that
//! starting the worker adds; at most 1.03 is asked. With PROFILE=1 the job is done in this process alone, once, for a profiler to
//! look at. Without files the largest camera JPEGs of the corpus beside the repository are taken.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench program"
)]

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use photofsck::engine::budget::allowance;
use photofsck::media::hash::read_whole;
use photofsck::media::{Hasher, Limits, Source, Target, Wanted, probe};
use photofsck::model::{Depth, ImageSettings, Role};
use photofsck::render::{RenderJob, RenderOutput, Renderer};
use photofsck::worker::{HashWish, Job, PoolConfig, Unlimited, Worker, WorkerPool};

/// CPU time of a process of one thread: the first number of its schedstat, nanoseconds.
fn of(process: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).expect("its CPU time");
    Duration::from_nanos(text.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number"))
}

/// CPU time of this process, which has one thread too.
fn own() -> Duration {
    // The number is brought up to date when the thread pauses.
    std::thread::yield_now();
    of(std::process::id())
}

fn largest(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<(u64, PathBuf)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().and_then(|entry| Some((entry.metadata().ok()?.len(), entry.path()))))
        .filter(|(length, _)| *length < 8 << 20)
        .collect();
    files.sort();
    files.into_iter().rev().map(|(_, path)| path).take(6).collect()
}

fn job() -> RenderJob {
    RenderJob::new(&ImageSettings::default(), &[Role::Preview, Role::Thumbnail], true)
}

/// What a run of one job may have, bytes.
const MEMORY: u64 = 1 << 30;

/// Workers as in such a run.
fn workers() -> WorkerPool {
    let mut config = PoolConfig::new(MEMORY);
    config.allowance = allowance(MEMORY, 1);
    config.program = Some(env!("CARGO_BIN_EXE_photofsck-worker").into());
    WorkerPool::new(config).expect("workers")
}

/// Bytes of pictures that were made.
fn in_worker(worker: &mut Worker, path: &Path) -> usize {
    let job = Job {
        id: 1,
        extension: "jpg".to_owned(),
        depth: Depth::Keyframes,
        hashes: HashWish { sha1: true, blake3: true },
        render: Some(job()),
        render_damaged: false,
        direct: false,
        rate: None,
        patience: None,
        limits: Limits::default(),
    };
    let file = File::open(path).expect("a file");
    let report = worker.examine(&file, &job, &Unlimited(1 << 30), &AtomicBool::new(false)).expect("a report");
    size(&report.rendered.expect("pictures").expect("pictures"))
}

/// The same here.
fn in_process(renderer: &mut Renderer, buffer: &mut Vec<u8>, path: &Path) -> usize {
    let (job, limits) = (job(), Limits::default());
    let file = File::open(path).expect("a file");
    let length = file.metadata().expect("a file").len();
    let mut hasher = Hasher::new(true, true);
    read_whole(&file, length, buffer, &mut hasher).expect("bytes");
    std::hint::black_box(hasher.finish());
    let source = Source::new(&file, length, Some(buffer), "jpg");
    let (family, format) = probe(&source).expect("a picture");
    let mut reducer = renderer.reducer(&job);
    let mut wanted = Wanted::new(Depth::Keyframes, Target::AtLeast(1440), &limits);
    wanted.reduce = Some(&mut reducer);
    let examined = family.examine(format, &source, wanted);
    size(&renderer.render(examined.pixels.expect("pixels"), &job).expect("pictures"))
}

fn size(output: &RenderOutput) -> usize {
    output.pictures.iter().map(|picture| picture.bytes.len()).sum()
}

/// Starts this program once more with the allocator set up as in workers: otherwise allocators would be compared.
fn with_settings_of_workers() {
    let settings = photofsck::worker::allocator(allowance(MEMORY, 1));
    if settings.iter().any(|(name, value)| std::env::var(name).as_ref() != Ok(value)) {
        let program = std::env::current_exe().expect("this program");
        let failed = Command::new(program).args(std::env::args_os().skip(1)).envs(settings).exec();
        panic!("could not start anew: {failed}");
    }
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

fn main() {
    with_settings_of_workers();
    let pairs: usize = std::env::var("PAIRS").ok().and_then(|v| v.parse().ok()).unwrap_or(24);
    let mut files: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    if files.is_empty() {
        files = largest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/good/jpeg"));
    }
    if files.is_empty() {
        println!("no files: name some JPEG files");
        return;
    }
    let (mut renderer, mut buffer) = (Renderer::new(), Vec::new());
    if std::env::var_os("PROFILE").is_some() {
        let made: usize = files.iter().map(|path| in_process(&mut renderer, &mut buffer, path)).sum();
        println!("{made} bytes of pictures");
        return;
    }
    let before = own();
    let pool = workers();
    let mut worker = pool.worker();
    worker.start(&AtomicBool::new(false)).expect("a worker");
    let process = worker.process_id().expect("a worker");
    let start = own().saturating_sub(before) + of(process);
    let (mut ratios, mut times, mut whole) = (Vec::new(), vec![[const { Vec::new() }; 2]; files.len()], 0.0);
    for pair in 0..pairs {
        for (path, times) in files.iter().zip(&mut times) {
            let mut isolated = || {
                let before = own() + of(process);
                let made = in_worker(&mut worker, path);
                ((own() + of(process)).saturating_sub(before).as_secs_f64(), made)
            };
            let mut alone = || {
                let before = own();
                let made = in_process(&mut renderer, &mut buffer, path);
                (own().saturating_sub(before).as_secs_f64(), made)
            };
            let ((there, made), (here, same)) = if pair % 2 == 0 {
                let there = isolated();
                (there, alone())
            } else {
                let here = alone();
                (isolated(), here)
            };
            assert_eq!(made, same, "both sides make the same pictures");
            assert_eq!(worker.process_id(), Some(process), "one worker did it all");
            ratios.push(there / here);
            whole += here;
            let [theirs, ours] = times;
            theirs.push(there);
            ours.push(here);
        }
    }
    for (path, [there, here]) in files.iter().zip(&mut times) {
        let (there, here) = (median(there) * 1e3, median(here) * 1e3);
        println!("worker {there:.1} ms, one process {here:.1} ms, {}", path.display());
    }
    let start = start.as_secs_f64();
    println!("starting the worker: {:.0} ms, {:.4} of the work", start * 1e3, start / whole);
    let ratio = median(&mut ratios) + start / whole;
    let verdict = if ratio <= 1.03 { "kept" } else { "MISSED" };
    println!("{} pairs, median ratio {ratio:.3}; at most 1.03 is asked: {verdict}", ratios.len());
}
