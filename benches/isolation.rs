//! What it costs that files are decoded in processes of their own: the same whole job in a worker and in this process, in turn.
//!
//!     cargo bench --bench isolation -- [FILE...]         FILES=48 PAIRS=9
//!
//! Prints CPU seconds (user and system) of both and the median of the ratios; at most 1.03 is asked. The start of the worker counts,
//! once for each batch of FILES pictures. With PROFILE=1 the job is done in this process alone, once, for a profiler to look at. Without
//! files the largest camera JPEGs of the corpus beside the repository are taken.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench program"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use photofsck::engine::budget::allowance;
use photofsck::media::hash::read_whole;
use photofsck::media::{Hasher, Limits, Source, Target, Wanted, probe};
use photofsck::model::{Depth, ImageSettings, Role};
use photofsck::render::{RenderJob, Renderer};
use photofsck::worker::{HashWish, Job, PoolConfig, Unlimited, WorkerPool};
use rustix::process::{WaitOptions, waitpid};

/// User and system time of this process and of those children that have ended.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("proc");
    let fields: Vec<u64> =
        text.rsplit(')').next().unwrap_or("").split_whitespace().map(|n| n.parse().unwrap_or(0)).collect();
    // utime, stime, cutime, cstime: proc_pid_stat(5), fields 14 to 17.
    let ticks: u64 = fields.get(11..15).unwrap_or_default().iter().sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
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

/// Bytes of pictures that were made.
fn in_worker(files: &[PathBuf]) -> usize {
    // As in a run of one worker that may have a gibibyte.
    let mut config = PoolConfig::new(1 << 30);
    config.allowance = allowance(config.memory, 1);
    config.program = Some(env!("CARGO_BIN_EXE_photofsck-worker").into());
    let pool = WorkerPool::new(config).expect("workers");
    let mut worker = pool.worker();
    let mut made = 0;
    for path in files {
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
        let report =
            worker.examine(&file, &job, &Unlimited(1 << 30), &AtomicBool::new(false)).expect("a report");
        let output = report.rendered.expect("pictures").expect("pictures");
        made += output.pictures.iter().map(|picture| picture.bytes.len()).sum::<usize>();
    }
    drop(worker);
    drop(pool);
    // The time of a child counts once it was waited for.
    while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
    made
}

fn in_process(files: &[PathBuf]) -> usize {
    let (job, limits) = (job(), Limits::default());
    let mut renderer = Renderer::new();
    let mut buffer = Vec::new();
    let mut made = 0;
    for path in files {
        let file = File::open(path).expect("a file");
        let length = file.metadata().expect("a file").len();
        let mut hasher = Hasher::new(true, true);
        read_whole(&file, length, &mut buffer, &mut hasher).expect("bytes");
        std::hint::black_box(hasher.finish());
        let source = Source::new(&file, length, Some(&buffer), "jpg");
        let (family, format) = probe(&source).expect("a picture");
        let mut reducer = renderer.reducer(&job);
        let mut wanted = Wanted::new(Depth::Keyframes, Target::AtLeast(1440), &limits);
        wanted.reduce = Some(&mut reducer);
        let examined = family.examine(format, &source, wanted);
        let output = renderer.render(examined.pixels.expect("pixels"), &job).expect("pictures");
        made += output.pictures.iter().map(|picture| picture.bytes.len()).sum::<usize>();
    }
    made
}

fn main() {
    let setting =
        |name: &str, default: usize| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (count, pairs) = (setting("FILES", 48), setting("PAIRS", 9));
    let mut files: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    if files.is_empty() {
        files = largest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/good/jpeg"));
    }
    if files.is_empty() {
        println!("no files: name some JPEG files");
        return;
    }
    let files: Vec<PathBuf> = files.iter().cycle().take(count).cloned().collect();
    if std::env::var_os("PROFILE").is_some() {
        println!("{} bytes of pictures", in_process(&files));
        return;
    }
    assert_eq!(in_worker(&files), in_process(&files), "both sides make the same pictures");
    let mut ratios = Vec::new();
    for pair in 0..pairs {
        let timed = |work: &dyn Fn(&[PathBuf]) -> usize| {
            let before = cpu();
            work(&files);
            cpu().saturating_sub(before).as_secs_f64()
        };
        let (worker, own) = if pair % 2 == 0 {
            let worker = timed(&in_worker);
            (worker, timed(&in_process))
        } else {
            let own = timed(&in_process);
            (timed(&in_worker), own)
        };
        println!("worker {worker:.2} s, one process {own:.2} s, ratio {:.3}", worker / own);
        ratios.push(worker / own);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
    let verdict = if median <= 1.03 { "kept" } else { "MISSED" };
    println!("{} files, median ratio {median:.3}; at most 1.03 is asked: {verdict}", files.len());
}
