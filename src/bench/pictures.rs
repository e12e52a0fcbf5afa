//! Whole files through workers, as a run does it: hashed, verified, and pictures made of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::engine::open::open_read;
use crate::engine::{Cancel, RunError, Station};
use crate::media::Limits;
use crate::model::{Depth, ImageSettings, Measure, Role};
use crate::render::RenderJob;
use crate::worker::{HashWish, Job, MediaReport, Worker, WorkerFailure};

use super::clock;
use super::library::{Kind, Library};
use super::stages;

/// Spent on each kind of file, and on all of them with all workers.
const SPAN: Duration = Duration::from_millis(1500);
const TOGETHER: Duration = Duration::from_secs(5);

/// How long files of a kind take one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Files measured, their bytes and seconds.
    pub files: u64,
    /// See `files`.
    pub bytes: u64,
    /// See `files`.
    pub seconds: f64,
    /// Sum of the squares of what each file's seconds are off from the mean pace.
    pub squares: f64,
    /// Files that gave no clean answer.
    pub unclean: u64,
}

impl Pace {
    fn of(looks: &[(u64, f64)], unclean: u64) -> Self {
        let bytes: u64 = looks.iter().map(|look| look.0).sum();
        let seconds: f64 = looks.iter().map(|look| look.1).sum();
        let pace = seconds / (bytes.max(1)) as f64;
        let squares = looks.iter().map(|&(bytes, seconds)| (seconds - pace * bytes as f64).powi(2)).sum();
        Self { files: looks.len() as u64, bytes, seconds, squares, unclean }
    }

    /// Seconds for so many bytes, and their standard error (of the ratio estimator).
    pub fn seconds_for(&self, bytes: u64) -> (f64, f64) {
        let factor = bytes as f64 / self.bytes.max(1) as f64;
        let count = self.files as f64;
        let error = if self.files > 1 { (self.squares * count / (count - 1.0)).sqrt() } else { self.seconds };
        (self.seconds * factor, error * factor)
    }
}

/// The paces of all kinds.
#[derive(Clone, Debug, Default)]
pub struct Paces {
    /// Verified and hashed.
    pub verify: BTreeMap<Kind, Pace>,
    /// The same and pictures made, of originals.
    pub render: BTreeMap<Kind, Pace>,
    /// How many times more all workers do than one, and how many they are.
    pub speedup: Option<(f64, usize)>,
}

impl Paces {
    /// The figures.
    pub fn measures(&self) -> Vec<Measure> {
        let rows = |what: &'static str, paces: &BTreeMap<Kind, Pace>| -> Vec<Measure> {
            let row = |(kind, pace): (&Kind, &Pace)| {
                let ms = pace.seconds * 1000.0 / pace.files.max(1) as f64;
                Measure::new(format!("{what}.{}.{}", kind.role, kind.format), ms, "ms")
                    .with("files", pace.files)
                    .with("mb_per_s", (pace.bytes as f64 / pace.seconds.max(1e-9) / 1e5).round() / 10.0)
                    .with("not_clean", pace.unclean)
            };
            paces.iter().map(row).collect()
        };
        let mut all = rows("verify", &self.verify);
        all.extend(rows("render", &self.render));
        all.extend(
            self.speedup.map(|(times, workers)| {
                Measure::new("parallel.speedup", times, "x").with("workers", workers)
            }),
        );
        all
    }
}

fn job(extension: &str, depth: Depth, render: Option<RenderJob>) -> Job {
    Job {
        id: 1,
        extension: extension.to_owned(),
        depth,
        hashes: HashWish { sha1: true, blake3: true },
        render,
        render_damaged: false,
        direct: false,
        rate: None,
        patience: None,
        limits: Limits::default(),
    }
}

fn pictures() -> RenderJob {
    RenderJob::new(&ImageSettings::default(), &[Role::Preview, Role::Thumbnail], true)
}

fn failed(failure: &WorkerFailure) -> RunError {
    RunError::io(failure.to_string())
}

/// The drawn picture, verified and rendered, isolation included.
pub fn drawn(station: &Station, cancel: &Cancel) -> Result<Vec<Measure>, RunError> {
    let mut worker = station.pool.worker();
    let flag = cancel.flag();
    worker.start(&flag).map_err(|failure| failed(&failure))?;
    let bytes = stages::drawn_jpeg()?;
    let mut found = Vec::new();
    for (name, render) in [("verify.drawn", None), ("render.drawn", Some(pictures()))] {
        let job = job("jpg", Depth::Keyframes, render);
        let (seconds, turns) = clock::median(cancel, || {
            worker
                .examine_bytes(&bytes, &job, &station.budget, &flag)
                .map(drop)
                .map_err(|failure| failed(&failure))
        })?;
        found
            .push(Measure::new(name, seconds * 1000.0, "ms").with("bytes", bytes.len()).with("turns", turns));
    }
    Ok(found)
}

/// The library's own files: each kind with one worker, then all kinds with all workers.
pub fn library(library: &Library, station: &Station, cancel: &Cancel) -> Result<Paces, RunError> {
    let mut paces = Paces::default();
    let mut worker = station.pool.worker();
    for (kind, group) in &library.groups {
        if cancel.is_requested() {
            return Ok(paces);
        }
        paces.verify.insert(kind.clone(), pace(&mut worker, station, cancel, &group.sample, None)?);
        if kind.is_original() {
            let render = pace(&mut worker, station, cancel, &group.sample, Some(&pictures()))?;
            paces.render.insert(kind.clone(), render);
        }
    }
    paces.verify.retain(|_, pace| pace.files > 0);
    paces.render.retain(|_, pace| pace.files > 0);
    if station.jobs > 1 && !cancel.is_requested() {
        paces.speedup = together(library, station, cancel)?.map(|times| (times, station.jobs));
    }
    Ok(paces)
}

/// Looks at one file that is in the page cache.
fn look(
    worker: &mut Worker,
    station: &Station,
    cancel: &Cancel,
    path: &Path,
    render: Option<&RenderJob>,
) -> Result<Option<(u64, f64, MediaReport)>, RunError> {
    let Ok((file, identity)) = open_read(path) else { return Ok(None) };
    warm(&file);
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let job = job(&extension, Depth::Keyframes, render.cloned());
    let start = Instant::now();
    match worker.examine(&file, &job, &station.budget, &cancel.flag()) {
        Ok(report) => Ok(Some((identity.size, start.elapsed().as_secs_f64(), report))),
        Err(WorkerFailure::Cancelled) => Ok(None),
        Err(failure) => Err(failed(&failure)),
    }
}

/// Brings a file into the page cache: storage is measured by itself.
fn warm(file: &File) {
    let mut reader = file;
    let _ = std::io::copy(&mut reader, &mut std::io::sink());
}

fn pace(
    worker: &mut Worker,
    station: &Station,
    cancel: &Cancel,
    sample: &[std::path::PathBuf],
    render: Option<&RenderJob>,
) -> Result<Pace, RunError> {
    let begin = Instant::now();
    let (mut looks, mut unclean) = (Vec::new(), 0);
    for path in sample {
        if cancel.is_requested() || !looks.is_empty() && begin.elapsed() > SPAN {
            break;
        }
        if let Some((bytes, seconds, report)) = look(worker, station, cancel, path, render)? {
            looks.push((bytes, seconds));
            unclean += u64::from(report.problem.is_some());
        }
    }
    Ok(Pace::of(&looks, unclean))
}

/// How many times more all workers do together than one does, on the same files.
fn together(library: &Library, station: &Station, cancel: &Cancel) -> Result<Option<f64>, RunError> {
    let files: Vec<&Path> = library
        .groups
        .values()
        .flat_map(|group| group.sample.iter().map(std::path::PathBuf::as_path))
        .collect();
    let run = |workers: usize| -> Result<f64, RunError> {
        let next = AtomicUsize::new(0);
        let begin = Instant::now();
        let done = std::thread::scope(|scope| {
            let work = || -> Result<f64, RunError> {
                let mut worker = station.pool.worker();
                worker.start(&cancel.flag()).map_err(|failure| failed(&failure))?;
                let mut bytes = 0.0;
                while begin.elapsed() < TOGETHER && !cancel.is_requested() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = files.get(number % files.len().max(1)) else { break };
                    bytes +=
                        look(&mut worker, station, cancel, path, None)?.map_or(0.0, |look| look.0 as f64);
                }
                Ok(bytes)
            };
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let sums = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err(RunError::io("a measuring thread panicked")))
            });
            sums.sum::<Result<f64, RunError>>()
        })?;
        Ok(done / begin.elapsed().as_secs_f64().max(1e-9))
    };
    let (one, all) = (run(1)?, run(station.jobs)?);
    Ok((one > 0.0 && all > 0.0).then_some(all / one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_tells_seconds_for_bytes_and_how_sure_it_is() {
        let even = Pace::of(&[(100, 1.0), (200, 2.0), (300, 3.0)], 0);
        let (seconds, error) = even.seconds_for(6000);
        assert!((seconds - 60.0).abs() < 1e-9 && error < 1e-6, "{seconds} {error}");
        let uneven = Pace::of(&[(100, 0.5), (100, 1.5)], 0);
        let (seconds, error) = uneven.seconds_for(2000);
        assert!((seconds - 20.0).abs() < 1e-9 && error > 5.0, "{seconds} {error}");
        let (_, error) = Pace::of(&[(100, 1.0)], 0).seconds_for(100);
        assert!((error - 1.0).abs() < 1e-9, "one file tells little: {error}");
    }
}
