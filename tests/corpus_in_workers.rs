//! Real files, good and bad, through sandboxed workers: nothing hangs, nothing kills a worker twice, memory stays below the
//! ceiling, and the same file gives the same answer from any worker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a panic is a failed test; what was seen is printed for whoever runs it"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use photofsck::engine::budget::MemoryBudget;
use photofsck::media::Limits;
use photofsck::model::{DecodeError, Depth, ImageSettings, Role};
use photofsck::render::RenderJob;
use photofsck::worker::{HashWish, Job, MediaReport, PoolConfig, WorkerPool};

const CEILING: u64 = 1500 << 20;

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = std::env::var_os("PHOTOFSCK_CORPUS").map_or(beside, PathBuf::from);
    if folder.join("manifest.tsv").is_file() {
        return Some(folder);
    }
    eprintln!("NOT RUN: no corpus at {}; name one with PHOTOFSCK_CORPUS", folder.display());
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let wanted = std::env::var("PHOTOFSCK_CORPUS_ONLY").unwrap_or_default();
    let mut found: Vec<PathBuf> = ["good", "bad"]
        .into_iter()
        .flat_map(|part| walkdir::WalkDir::new(folder.join(part)))
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.to_string_lossy().contains(&wanted))
        .collect();
    found.sort_unstable();
    found
}

fn job(id: u64, path: &Path) -> Job {
    let settings = ImageSettings::default();
    Job {
        id,
        extension: path.extension().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default(),
        depth: Depth::Keyframes,
        hashes: HashWish { sha1: true, blake3: true },
        render: Some(RenderJob::new(&settings, &[Role::Preview, Role::Thumbnail], true)),
        render_damaged: false,
        direct: false,
        rate: None,
        patience: None,
        limits: Limits { max_seconds: 120, ..Limits::default() },
    }
}

/// Memory of all processes that this one started, bytes; pages that they share count once.
fn resident_children() -> u64 {
    let own = std::process::id().to_string();
    let mut sum = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(own.as_str()) {
            let text = std::fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kibibytes: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            sum += kibibytes.unwrap_or(0) << 10;
        }
    }
    sum
}

/// How many files the manifest says are sound, of all formats and also those that no family recognises, and which of them are
/// called damaged.
fn accused(folder: &Path, reports: &BTreeMap<PathBuf, MediaReport>) -> (usize, Vec<String>) {
    let manifest = std::fs::read_to_string(folder.join("manifest.tsv")).unwrap();
    let mut lines = manifest.lines().map(|line| line.split('\t').collect::<Vec<&str>>());
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|cell| *cell == name).unwrap();
    let (path, expected) = (column("path"), column("expected"));
    let sound: Vec<_> = lines
        .filter(|cells| cells.get(expected) == Some(&"ok"))
        .filter_map(|cells| reports.get_key_value(&folder.join(cells.get(path)?)))
        .collect();
    let accused = sound.iter().filter_map(|(path, report)| {
        let problem = report.problem.as_ref()?;
        problem.damage().map(|_| format!("{}: {problem}", path.display()))
    });
    (sound.len(), accused.collect())
}

#[test]
fn the_corpus_goes_through_workers() {
    let Some(folder) = corpus() else { return };
    let files = files(&folder);
    let budget = MemoryBudget::new(CEILING, 2);
    let mut config = PoolConfig::new(budget.capacity());
    config.program = Some(env!("CARGO_BIN_EXE_photofsck-worker").into());
    let pool = WorkerPool::new(config).unwrap();
    let (cancel, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let next = AtomicUsize::new(0);
    let reports: Mutex<BTreeMap<PathBuf, MediaReport>> = Mutex::default();
    let peak = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(resident_children());
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            peak
        });
        let jobs: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut worker = pool.worker();
                    while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let file = File::open(path).unwrap();
                        let report = worker.examine(&file, &job(7, path), &budget, &cancel).unwrap();
                        reports.lock().unwrap().insert(path.clone(), report);
                    }
                })
            })
            .collect();
        for job in jobs {
            job.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    });
    let reports = reports.into_inner().unwrap();
    assert_eq!(reports.len(), files.len());
    assert!(files.len() > 1000 || std::env::var_os("PHOTOFSCK_CORPUS_ONLY").is_some(), "{}", files.len());
    let (sound, accused) = accused(&folder, &reports);
    assert_eq!(accused, Vec::<String>::new(), "sound files called damaged, of {sound}");
    assert!(sound > 1000 || std::env::var_os("PHOTOFSCK_CORPUS_ONLY").is_some(), "only {sound} sound files");
    let mut unsettled = Vec::new();
    for (path, report) in &reports {
        assert_eq!(report.bytes, path.metadata().unwrap().len(), "{}", path.display());
        assert!(report.sha1.is_some() || report.bytes == 0, "{}", path.display());
        // A panic that was caught costs the file its verdict; a worker that died would be counted below.
        if let Some(DecodeError::TimedOut { .. }) = report.problem {
            unsettled.push(format!("{}: {:?}", path.display(), report.problem));
        }
    }
    let stats = pool.stats();
    let micros: u64 = reports.values().map(|report| report.micros).sum();
    eprintln!(
        "{} files, {} s in workers, peak {} MiB under {} MiB, {stats:?}",
        files.len(),
        micros / 1_000_000,
        peak >> 20,
        CEILING >> 20
    );
    if let Some(log) = std::env::var_os("PHOTOFSCK_CORPUS_LOG") {
        let lines: Vec<String> = reports
            .iter()
            .map(|(path, report)| {
                let made = report
                    .rendered
                    .as_ref()
                    .map(|made| made.as_ref().map(|_| "made").map_err(ToString::to_string));
                format!(
                    "{}\t{}\t{:?}\t{made:?}\t{}\n",
                    path.display(),
                    report.format,
                    report.problem,
                    report.micros
                )
            })
            .collect();
        std::fs::write(log, lines.concat()).unwrap();
    }
    assert!(unsettled.is_empty(), "{}", unsettled.join("\n"));
    assert_eq!((stats.crashed, stats.timed_out), (0, 0));
    assert!(peak <= CEILING, "{} MiB", peak >> 20);
}
