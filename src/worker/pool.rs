//! The parent's side: workers that are started when needed, watched, replaced, and asked twice.
//!
//! A file whose worker dies, hangs or grows past its grant is tried once more in a fresh worker while nothing else
//! runs, with all the memory there is; only then it is reported. That way neither load nor a neighbour can
//! cost a file its verdict.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::exchange::{self, Item, Room, SMALL_REPLY};
use super::memory::{MemoryDenied, MemoryGrant};
use super::process::{Process, Trouble, Watch};
use super::protocol::{self, Job, MediaReport, Reply};
use super::wire;
use crate::model::{DecodeError, DecoderId};

/// What one item may hold without asking, bytes: files up to a few megabytes and pictures decoded at a small scale.
pub const ALLOWANCE: u64 = 32 << 20;
/// What an idle worker holds beside that, bytes: its libraries' private pages and its stacks.
pub const IDLE: u64 = 24 << 20;
/// A worker that stays this much larger than it started, besides what it keeps for the next item, is replaced.
const IDLE_GROWTH: u64 = 48 << 20;
/// How often the size of an idle worker is looked at when no item asked for memory.
const LOOK_EVERY: u32 = 32;
/// A program that starts says so within this time, even on a small board under load.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// Last words when the process limit is reached: of Rust's allocator, and of an exception in C++ that nobody caught.
const OUT_OF_MEMORY: [&str; 2] = ["memory allocation of", "std::bad_alloc"];
/// The name of the worker program.
const PROGRAM: &str = "photofsck-worker";
/// What follows it in the name of the one that has FFmpeg.
const FILMS: &str = "-films";

/// How workers are run.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The worker program; `None`: `PHOTOFSCK_WORKER`, else the one beside this program. The one with FFmpeg lies beside it.
    pub program: Option<PathBuf>,
    /// The most that one file may ever be granted, bytes; the system's own limits are set somewhat above it.
    pub memory: u64,
    /// What an item may hold without asking, bytes.
    pub allowance: u64,
    /// A worker is replaced after so many items.
    pub max_items: u32,
}

impl PoolConfig {
    /// Workers under this ceiling of bytes for one file.
    pub const fn new(memory: u64) -> Self {
        Self { program: None, memory, allowance: ALLOWANCE, max_items: 5000 }
    }
}

/// Why there is no report. These are about this machine or this run, never about the file.
#[derive(Debug, thiserror::Error)]
pub enum WorkerFailure {
    /// The worker program is not there.
    #[error("a program of photofsck's was not found; looked for {}; it is installed together with photofsck", .searched.display())]
    NotFound {
        /// Where it should be.
        searched: PathBuf,
    },
    /// The worker program does not start.
    #[error("{} does not start: {what}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's words or its own.
        what: String,
    },
    /// The worker program belongs to another photofsck.
    #[error("{} speaks version {found} of the protocol, this program version {}; install both from the same release", .program.display(), protocol::VERSION)]
    OtherVersion {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The system refused something that does not concern the file.
    #[error("cannot prepare a file for its worker: {0}")]
    System(#[from] io::Error),
    /// The run is being stopped.
    #[error("stopped")]
    Cancelled,
}

/// What workers went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Processes started.
    pub started: u64,
    /// Wall time of all starts together, microseconds.
    pub start_micros: u64,
    /// Died or broke the protocol.
    pub crashed: u64,
    /// Killed at their deadline.
    pub timed_out: u64,
    /// Killed for their size.
    pub grown: u64,
    /// Items that a second try saved.
    pub saved: u64,
    /// Replaced in good health, for their age or size.
    pub retired: u64,
    /// Protections that took in the last worker started.
    pub protections: Vec<String>,
    /// Protections that did not, each with the reason.
    pub lacking: Vec<String>,
    /// Decoders of the workers that were started.
    pub decoders: Vec<DecoderId>,
}

impl PoolStats {
    /// Adds what a worker said when it started.
    fn welcome(&mut self, protections: Vec<String>, lacking: Vec<String>, decoders: Vec<DecoderId>) {
        self.started += 1;
        (self.protections, self.lacking) = (protections, lacking);
        self.decoders.retain(|known| decoders.iter().all(|new| new.name != known.name));
        self.decoders.extend(decoders);
    }
}

/// Where workers come from. Clones are the same pool.
#[derive(Clone)]
pub struct WorkerPool {
    shared: Arc<Shared>,
}

struct Shared {
    config: PoolConfig,
    program: PathBuf,
    /// Read by every item in flight, written by the second try of one.
    alone: RwLock<()>,
    stats: Mutex<PoolStats>,
    /// One that was started to be asked who it is: the first worker that has to start has it.
    spare: Mutex<Option<Process>>,
    /// Killed, but not yet let go by the system.
    lingering: Mutex<Vec<Child>>,
}

impl WorkerPool {
    /// Finds the worker program; starts nothing yet.
    pub fn new(config: PoolConfig) -> Result<Self, WorkerFailure> {
        let program = find_program(config.program.as_deref())?;
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                program,
                alone: RwLock::new(()),
                stats: Mutex::default(),
                spare: Mutex::default(),
                lingering: Mutex::default(),
            }),
        })
    }

    /// A worker for the calling thread. Its process is started by the first item.
    pub fn worker(&self) -> Worker {
        Worker {
            shared: Arc::clone(&self.shared),
            process: None,
            films: false,
            items: 0,
            thread: PhantomData,
        }
    }

    /// A worker that has FFmpeg from the beginning.
    pub fn worker_for_films(&self) -> Worker {
        let mut worker = self.worker();
        worker.films = true;
        worker
    }

    /// Starts a worker to know who it is. It is kept for the first one that has to start; the calling thread has to outlive that,
    /// since the system ends a worker with the thread that started it.
    pub fn start_one(&self, cancel: &AtomicBool) -> Result<(), WorkerFailure> {
        let mut worker = self.worker();
        worker.start(cancel)?;
        *self.shared.spare() = worker.process.take();
        Ok(())
    }

    /// What happened so far.
    pub fn stats(&self) -> PoolStats {
        self.shared.stats().clone()
    }
}

impl Shared {
    fn stats(&self) -> MutexGuard<'_, PoolStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spare(&self) -> MutexGuard<'_, Option<Process>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lingering(&self) -> MutexGuard<'_, Vec<Child>> {
        self.lingering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program with FFmpeg, beside the other.
    fn program_for_films(&self) -> Result<PathBuf, WorkerFailure> {
        let mut name = self.program.file_name().unwrap_or_default().to_owned();
        name.push(FILMS);
        let program = self.program.with_file_name(name);
        if program.is_file() { Ok(program) } else { Err(WorkerFailure::NotFound { searched: program }) }
    }

    /// Ends a process and says how it ended.
    fn end(&self, process: Process) -> String {
        let (words, left) = process.end();
        let mut lingering = self.lingering();
        lingering.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        lingering.extend(left);
        words
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let spare = self.spare().take();
        if let Some(process) = spare {
            self.end(process);
        }
        for child in self.lingering().iter_mut() {
            let _ = child.try_wait();
        }
    }
}

/// One worker process at a time, for one thread.
///
/// It stays with the thread that made it: the system ends a process when the thread that started it ends.
pub struct Worker {
    shared: Arc<Shared>,
    process: Option<Process>,
    /// Whether it has FFmpeg, or is to have it when it starts: once there was a film, there will be more.
    films: bool,
    items: u32,
    thread: PhantomData<*const ()>,
}

/// Why one try gave no report.
enum Failed {
    /// The worker is at fault, or the file.
    Trouble(Trouble),
    /// Nobody is.
    Run(WorkerFailure),
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Cancelled => Self::Run(WorkerFailure::Cancelled),
            other => Self::Trouble(other),
        }
    }
}

impl Worker {
    /// Looks at one file. The answer is about the file; an error is not.
    ///
    /// Blocks until memory is granted and the worker has answered, at most until the deadline that `job.limits` and
    /// the file's length give, twice. When `cancel` is set it returns within a moment.
    pub fn examine(
        &mut self,
        file: &File,
        job: &Job,
        memory: &dyn MemoryGrant,
        cancel: &AtomicBool,
    ) -> Result<MediaReport, WorkerFailure> {
        let shared = Arc::clone(&self.shared);
        let seconds = exchange::deadline_seconds(file, job);
        let mut item = Item { file, job, memory, cancel, seconds, known: None };
        let first = {
            let _together = shared.alone.read().unwrap_or_else(PoisonError::into_inner);
            self.attempt(&mut item, false)
        };
        match first {
            Ok(report) => return Ok(report),
            Err(Failed::Run(failure)) => return Err(failure),
            Err(Failed::Trouble(trouble @ Trouble::Asleep { .. })) => {
                // It is not the file: another try would sleep too.
                let problem = Some(self.conclude(trouble, &item));
                return Ok(MediaReport { problem, ..MediaReport::new(job.id) });
            }
            Err(Failed::Trouble(trouble)) => drop(self.conclude(trouble, &item)),
        }
        let _alone = shared.alone.write().unwrap_or_else(PoisonError::into_inner);
        match self.attempt(&mut item, true) {
            Ok(report) => {
                shared.stats().saved += 1;
                Ok(report)
            }
            Err(Failed::Run(failure)) => Err(failure),
            Err(Failed::Trouble(trouble)) => {
                let problem = self.conclude(trouble, &item);
                let known = item.known.take().unwrap_or_else(|| MediaReport::new(job.id));
                Ok(MediaReport { problem: Some(problem), rendered: None, ..known })
            }
        }
    }

    /// Looks at small files in one exchange, which for a thumbnail is a good part of the cost. `None` where a file has to
    /// be looked at by itself: it needs more memory than the allowance, or one of them was too much for the worker.
    ///
    /// Only the first [`wire::MAX_FILES`] files are taken.
    pub fn examine_batch(
        &mut self,
        files: &[(&File, Job)],
        memory: &dyn MemoryGrant,
        cancel: &AtomicBool,
    ) -> Result<Vec<Option<MediaReport>>, WorkerFailure> {
        let shared = Arc::clone(&self.shared);
        let taken = files.get(..wire::MAX_FILES).unwrap_or(files);
        let _together = shared.alone.read().unwrap_or_else(PoisonError::into_inner);
        let permit = match memory.acquire(shared.config.allowance, cancel) {
            Ok(permit) => permit,
            Err(MemoryDenied::Cancelled) => return Err(WorkerFailure::Cancelled),
            Err(MemoryDenied::TooLarge { .. }) => return Ok(vec![None; files.len()]),
        };
        self.start(cancel)?;
        let answered = match self.process.as_mut() {
            Some(process) => exchange::batch(process, taken, shared.config.allowance, cancel),
            None => Err(Trouble::Died),
        };
        drop(permit);
        match answered {
            Ok(mut reports) => {
                self.after_batch(&reports);
                reports.resize(files.len(), None);
                Ok(reports)
            }
            Err(Trouble::Cancelled) => {
                self.retire();
                Err(WorkerFailure::Cancelled)
            }
            // Which of them it was shows when each comes by itself.
            Err(_) => {
                self.retire();
                Ok(vec![None; files.len()])
            }
        }
    }

    /// Looks at bytes in memory, such as a picture just made, as if they were a file.
    pub fn examine_bytes(
        &mut self,
        bytes: &[u8],
        job: &Job,
        memory: &dyn MemoryGrant,
        cancel: &AtomicBool,
    ) -> Result<MediaReport, WorkerFailure> {
        let made = rustix::fs::memfd_create("picture", rustix::fs::MemfdFlags::CLOEXEC);
        let mut file = File::from(made.map_err(io::Error::from)?);
        file.write_all(bytes)?;
        self.examine(&file, job, memory, cancel)
    }

    /// Starts the process now, for who wants to know that it works, or what it can.
    pub fn start(&mut self, cancel: &AtomicBool) -> Result<(), WorkerFailure> {
        if self.process.is_none() {
            let spare = if self.films { None } else { self.shared.spare().take() };
            self.process = Some(spare.map_or_else(|| start(&self.shared, self.films, cancel), Ok)?);
            self.items = 0;
        }
        Ok(())
    }

    /// Id of the process, if one runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    fn attempt(&mut self, item: &mut Item<'_>, alone: bool) -> Result<MediaReport, Failed> {
        let held = if alone { item.memory.ceiling() } else { self.shared.config.allowance };
        let mut room = Room::take(item, held)?;
        if alone {
            self.retire();
        }
        let mut talked = self.talk(item, &mut room, alone);
        if matches!(talked, Err(Failed::Trouble(Trouble::NeedsFilms))) && !self.films {
            self.retire();
            self.films = true;
            talked = self.talk(item, &mut room, alone);
        }
        let result = talked;
        let asked = room.asked;
        drop(room);
        if matches!(result, Err(Failed::Run(_))) {
            self.retire();
        }
        if let Ok(report) = &result {
            self.after_item(asked, report);
        }
        result
    }

    fn talk<'a>(
        &mut self,
        item: &mut Item<'a>,
        room: &mut Room<'a>,
        announce: bool,
    ) -> Result<MediaReport, Failed> {
        self.start(item.cancel).map_err(Failed::Run)?;
        let Some(process) = self.process.as_mut() else { return Err(Trouble::Died.into()) };
        item.converse(process, room, announce).map_err(Failed::from)
    }

    /// Replaces a worker that is old, has stayed large, or caught a panic: what that left behind is not trusted.
    fn after_item(&mut self, asked: bool, report: &MediaReport) {
        self.items += 1;
        let look = asked || self.items.is_multiple_of(LOOK_EVERY);
        let most = self.shared.config.allowance.saturating_add(IDLE_GROWTH);
        let large = look && self.process.as_ref().is_some_and(|process| process.growth() > most);
        let shaken = matches!(report.problem, Some(DecodeError::Crashed { .. }));
        if large || shaken || self.items >= self.shared.config.max_items {
            self.retire();
            self.shared.stats().retired += 1;
        }
    }

    fn after_batch(&mut self, reports: &[Option<MediaReport>]) {
        self.items = self.items.saturating_add(u32::try_from(reports.len()).unwrap_or(u32::MAX));
        if self.items >= self.shared.config.max_items {
            self.retire();
            self.shared.stats().retired += 1;
        }
    }

    fn retire(&mut self) {
        if let Some(process) = self.process.take() {
            self.shared.end(process);
        }
    }

    /// Ends the process that made trouble and says what that means for the file.
    fn conclude(&mut self, trouble: Trouble, item: &Item<'_>) -> DecodeError {
        let ending = self.process.take().map(|process| self.shared.end(process)).unwrap_or_default();
        let mut stats = self.shared.stats();
        match trouble {
            Trouble::Hung => {
                stats.timed_out += 1;
                DecodeError::TimedOut { seconds: item.seconds }
            }
            Trouble::Asleep { patience } => {
                stats.timed_out += 1;
                DecodeError::TimedOut { seconds: patience.as_secs() }
            }
            Trouble::Grown { bytes } => {
                stats.grown += 1;
                DecodeError::limit(
                    format!("decoding it took more than {} MiB", bytes >> 20),
                    format!("{} MiB for one file (--memory)", item.memory.ceiling() >> 20),
                )
            }
            _ if OUT_OF_MEMORY.iter().any(|words| ending.contains(words)) => {
                stats.grown += 1;
                DecodeError::limit(
                    format!("decoding it needs more memory than a worker may have ({ending})"),
                    format!("{} MiB for one file (--memory)", item.memory.ceiling() >> 20),
                )
            }
            Trouble::Broken(what) => {
                stats.crashed += 1;
                DecodeError::Crashed { what: format!("the worker sent nonsense: {what}; {ending}") }
            }
            Trouble::Died | Trouble::Cancelled | Trouble::NeedsFilms => {
                stats.crashed += 1;
                DecodeError::Crashed { what: ending }
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.retire();
    }
}

/// Starts a process and hears who it is.
fn start(shared: &Shared, films: bool, cancel: &AtomicBool) -> Result<Process, WorkerFailure> {
    let began = Instant::now();
    let program = &if films { shared.program_for_films()? } else { shared.program.clone() };
    let refused = |what: String| WorkerFailure::Start { program: program.clone(), what };
    let arguments = [
        format!("--parent={}", std::process::id()),
        format!("--memory={}", shared.config.memory),
        format!("--allowance={}", shared.config.allowance),
    ];
    let mut process = Process::start(program, &arguments, shared.config.allowance)
        .map_err(|error| refused(error.to_string()))?;
    let watch = Watch { deadline: began + START_PATIENCE, memory: u64::MAX, patience: None, cancel };
    let failure = match process.receive::<Reply>(SMALL_REPLY, &watch) {
        Ok(Reply::Hello { version: protocol::VERSION, protections, lacking, decoders }) => {
            process.mark_start();
            let mut stats = shared.stats();
            stats.welcome(protections, lacking, decoders);
            stats.start_micros += u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            return Ok(process);
        }
        Ok(Reply::Hello { version, .. }) => {
            shared.end(process);
            return Err(WorkerFailure::OtherVersion { program: program.clone(), found: version });
        }
        Err(Trouble::Cancelled) => {
            shared.end(process);
            return Err(WorkerFailure::Cancelled);
        }
        Ok(other) => format!("it began with {other:?}"),
        Err(Trouble::Died) => "it ended".to_owned(),
        Err(Trouble::Hung | Trouble::Asleep { .. }) => {
            format!("nothing heard of it for {} s", START_PATIENCE.as_secs())
        }
        Err(Trouble::Grown { bytes }) => format!("it took {bytes} bytes"),
        Err(Trouble::NeedsFilms) => "it began with no greeting".to_owned(),
        Err(Trouble::Broken(what)) => {
            format!("it does not speak our protocol ({what}); is it of another release?")
        }
    };
    let ending = shared.end(process);
    Err(refused(format!("{failure}; {ending}")))
}

fn find_program(wish: Option<&Path>) -> Result<PathBuf, WorkerFailure> {
    let named = wish.map(Path::to_path_buf).or_else(|| env::var_os("PHOTOFSCK_WORKER").map(PathBuf::from));
    let candidate = match named {
        Some(path) => path,
        None => env::current_exe()?.with_file_name(PROGRAM),
    };
    let found = candidate.canonicalize().ok().filter(|path| path.is_file());
    found.ok_or(WorkerFailure::NotFound { searched: candidate })
}
