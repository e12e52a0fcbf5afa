//! The parent's side: workers that are started when needed, watched, replaced, and asked twice.
//!
//! A file whose worker dies, hangs or grows past its grant is tried once more in a fresh worker while nothing else
//! runs, with all the memory there is; only then it is reported. That way neither load nor a neighbour can
//! cost a file its verdict.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::process::{Process, Trouble, Watch};
use super::protocol::{self, Job, MediaReport, Reply, Request, clip};
use super::wire::MAX_REPLY;
use crate::model::{DecodeError, DecoderId, Role};

/// What one item may hold without asking, bytes: files up to a few megabytes and pictures decoded at a small scale.
pub const ALLOWANCE: u64 = 32 << 20;
/// What an idle worker holds beside that, bytes: its libraries' private pages and its stacks.
pub const IDLE: u64 = 24 << 20;
/// Estimates are of decoders; libraries, stacks and the allocator's own loss come on top.
const SLACK: u64 = 32 << 20;
/// A worker that stays this much larger than it started is replaced.
const IDLE_GROWTH: u64 = 48 << 20;
/// How often the size of an idle worker is looked at when no item asked for memory.
const LOOK_EVERY: u32 = 32;
/// A program that starts says so within this time, even on a small board under load.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// Reading this many bytes may take a second more.
const SLOW_DISK: u64 = 4 << 20;
/// Longest answer without a full-size picture in it.
const SMALL_REPLY: usize = 32 << 20;
/// A worker that asks for memory more often than this for one file is not asking.
const MAX_NEEDS: u32 = 8;
/// Last words when the process limit is reached: of Rust's allocator, and of an exception in C++ that nobody caught.
const OUT_OF_MEMORY: [&str; 2] = ["memory allocation of", "std::bad_alloc"];
/// The name of the worker program.
const PROGRAM: &str = "photofsck-worker";

/// How workers are run.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The worker program; `None`: `PHOTOFSCK_WORKER`, else the one beside this program.
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

/// Memory that was granted; given back when dropped.
pub trait Permit {}

/// Why memory was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryDenied {
    /// More than there will ever be.
    TooLarge {
        /// The most that can be granted, bytes.
        ceiling: u64,
    },
    /// The run is being stopped.
    Cancelled,
}

/// Who grants memory for items in flight.
pub trait MemoryGrant: Sync {
    /// Waits until there is room for this many bytes.
    fn acquire(&self, bytes: u64, cancel: &AtomicBool) -> Result<Box<dyn Permit + '_>, MemoryDenied>;

    /// The most that can be granted, bytes.
    fn ceiling(&self) -> u64;
}

/// Grants everything up to a ceiling, to everybody at once.
#[derive(Clone, Copy, Debug)]
pub struct Unlimited(pub u64);

impl Permit for () {}

impl MemoryGrant for Unlimited {
    fn acquire(&self, bytes: u64, _cancel: &AtomicBool) -> Result<Box<dyn Permit + '_>, MemoryDenied> {
        if bytes > self.0 { Err(MemoryDenied::TooLarge { ceiling: self.0 }) } else { Ok(Box::new(())) }
    }

    fn ceiling(&self) -> u64 {
        self.0
    }
}

/// Why there is no report. These are about this machine or this run, never about the file.
#[derive(Debug, thiserror::Error)]
pub enum WorkerFailure {
    /// The worker program is not there.
    #[error("the program {PROGRAM} was not found; looked for {}; it is installed together with photofsck", .searched.display())]
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
    /// Decoders of the last worker started.
    pub decoders: Vec<DecoderId>,
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
                lingering: Mutex::default(),
            }),
        })
    }

    /// A worker for the calling thread. Its process is started by the first item.
    pub fn worker(&self) -> Worker {
        Worker { shared: Arc::clone(&self.shared), process: None, items: 0, thread: PhantomData }
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

    fn lingering(&self) -> MutexGuard<'_, Vec<Child>> {
        self.lingering.lock().unwrap_or_else(PoisonError::into_inner)
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
        for child in self.lingering().iter_mut() {
            let _ = child.try_wait();
        }
    }
}

/// One worker process at a time, for one thread.
///
/// It stays with the thread that made it: the system ends a worker when the thread that started it ends.
pub struct Worker {
    shared: Arc<Shared>,
    process: Option<Process>,
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
        let seconds = deadline_seconds(file, job);
        let mut item = Item { file, job, memory, cancel, seconds, known: None };
        let first = {
            let _together = shared.alone.read().unwrap_or_else(PoisonError::into_inner);
            self.attempt(&mut item, false)
        };
        match first {
            Ok(report) => return Ok(report),
            Err(Failed::Run(failure)) => return Err(failure),
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
            self.process = Some(start(&self.shared, cancel)?);
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
        self.start(item.cancel).map_err(Failed::Run)?;
        let Some(process) = self.process.as_mut() else { return Err(Trouble::Died.into()) };
        let result = item.converse(process, &mut room, alone);
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

    /// Replaces a worker that is old, has stayed large, or caught a panic: what that left behind is not trusted.
    fn after_item(&mut self, asked: bool, report: &MediaReport) {
        self.items += 1;
        let look = asked || self.items.is_multiple_of(LOOK_EVERY);
        let large = look && self.process.as_ref().is_some_and(|process| process.growth() > IDLE_GROWTH);
        let shaken = matches!(report.problem, Some(DecodeError::Crashed { .. }));
        if large || shaken || self.items >= self.shared.config.max_items {
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
            Trouble::Died | Trouble::Cancelled => {
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

/// One file on its way through a worker.
struct Item<'a> {
    file: &'a File,
    job: &'a Job,
    memory: &'a dyn MemoryGrant,
    cancel: &'a AtomicBool,
    seconds: u64,
    known: Option<MediaReport>,
}

/// Memory held for an item.
struct Room<'a> {
    permit: Option<Box<dyn Permit + 'a>>,
    held: u64,
    asked: bool,
}

impl<'a> Room<'a> {
    fn take(item: &Item<'a>, bytes: u64) -> Result<Self, Failed> {
        match item.memory.acquire(bytes, item.cancel) {
            Ok(permit) => Ok(Self { permit: Some(permit), held: bytes, asked: false }),
            Err(MemoryDenied::Cancelled) => Err(Trouble::Cancelled.into()),
            Err(MemoryDenied::TooLarge { ceiling }) => Self::take_all(item, ceiling),
        }
    }

    /// The whole budget is smaller than what every item starts with: items then run one at a time with all of it.
    fn take_all(item: &Item<'a>, ceiling: u64) -> Result<Self, Failed> {
        match item.memory.acquire(ceiling, item.cancel) {
            Ok(permit) => Ok(Self { permit: Some(permit), held: ceiling, asked: false }),
            Err(_) => Err(Trouble::Cancelled.into()),
        }
    }

    /// Exchanges what is held for more. The worker holds next to nothing while it asks, so what it had is given back
    /// first: two that wait for more can never wait for each other.
    fn enlarge(&mut self, item: &Item<'a>, bytes: u64) -> Result<Request, Failed> {
        self.asked = true;
        if bytes <= self.held {
            return Ok(Request::Granted);
        }
        let before = self.held;
        self.permit = None;
        match item.memory.acquire(bytes, item.cancel) {
            Ok(permit) => {
                (self.permit, self.held) = (Some(permit), bytes);
                Ok(Request::Granted)
            }
            Err(MemoryDenied::Cancelled) => Err(Trouble::Cancelled.into()),
            Err(MemoryDenied::TooLarge { ceiling }) => {
                *self = Self { asked: true, ..Self::take(item, before)? };
                Ok(Request::Refused { ceiling })
            }
        }
    }
}

impl<'a> Item<'a> {
    /// Sends the job, answers what the worker asks, and takes its report.
    fn converse(
        &mut self,
        process: &mut Process,
        room: &mut Room<'a>,
        announce: bool,
    ) -> Result<MediaReport, Failed> {
        let mut watch = Watch {
            deadline: Instant::now() + Duration::from_secs(self.seconds),
            memory: room.held.saturating_add(SLACK),
            cancel: self.cancel,
        };
        let request = Request::Examine { job: self.job.clone(), announce };
        process.begin();
        process.send(&request, Some(self.file.as_fd()), &watch)?;
        let mut needs = 0;
        loop {
            match process.receive::<Reply>(reply_limit(self.job), &watch)? {
                Reply::Done(mut report) => {
                    sane(&report, self.job).map_err(Trouble::Broken)?;
                    report.clip();
                    return Ok(*report);
                }
                Reply::Known(mut report) => {
                    sane(&report, self.job).map_err(Trouble::Broken)?;
                    report.clip();
                    self.known = Some(*report);
                }
                Reply::Need { bytes } if needs < MAX_NEEDS => {
                    needs += 1;
                    let asked = Instant::now();
                    let answer = room.enlarge(self, bytes)?;
                    watch.deadline += asked.elapsed();
                    watch.memory = room.held.saturating_add(SLACK);
                    process.send(&answer, None, &watch)?;
                }
                other => {
                    let mut what = format!("{other:?}");
                    clip(&mut what);
                    return Err(Trouble::Broken(format!("{what} at the wrong time")).into());
                }
            }
        }
    }
}

/// Starts a process and hears who it is.
fn start(shared: &Shared, cancel: &AtomicBool) -> Result<Process, WorkerFailure> {
    let began = Instant::now();
    let program = &shared.program;
    let refused = |what: String| WorkerFailure::Start { program: program.clone(), what };
    let arguments = [
        format!("--parent={}", std::process::id()),
        format!("--memory={}", shared.config.memory),
        format!("--allowance={}", shared.config.allowance),
    ];
    let mut process = Process::start(program, &arguments).map_err(|error| refused(error.to_string()))?;
    let watch = Watch { deadline: began + START_PATIENCE, memory: u64::MAX, cancel };
    let failure = match process.receive::<Reply>(SMALL_REPLY, &watch) {
        Ok(Reply::Hello { version: protocol::VERSION, protections, lacking, decoders }) => {
            process.mark_start();
            let mut stats = shared.stats();
            stats.started += 1;
            stats.start_micros += u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            (stats.protections, stats.lacking, stats.decoders) = (protections, lacking, decoders);
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
        Err(Trouble::Hung) => format!("nothing heard of it for {} s", START_PATIENCE.as_secs()),
        Err(Trouble::Grown { bytes }) => format!("it took {bytes} bytes"),
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

/// Seconds of wall clock that a file may take: the limit, and time to read it from a slow disk.
fn deadline_seconds(file: &File, job: &Job) -> u64 {
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    job.limits.max_seconds.saturating_add(length / SLOW_DISK)
}

fn reply_limit(job: &Job) -> usize {
    let full =
        job.render.iter().flat_map(|render| &render.outputs).any(|output| output.role == Role::Fullsize);
    if full { MAX_REPLY } else { SMALL_REPLY }
}

/// Whether a report can be an answer to this job. What it claims about the picture is judged elsewhere.
fn sane(report: &MediaReport, job: &Job) -> Result<(), String> {
    if report.id != job.id {
        return Err(format!("an answer to job {} instead of {}", report.id, job.id));
    }
    if (report.sha1.is_some() && !job.hashes.sha1) || (report.blake3.is_some() && !job.hashes.blake3) {
        return Err("a hash that nobody asked for".into());
    }
    if report.sound_until.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err(format!("{:?} of the height sound", report.sound_until));
    }
    match (&report.rendered, &job.render) {
        (Some(_), None) => Err("pictures that nobody asked for".into()),
        (Some(Ok(made)), Some(wanted)) => {
            let asked = |role, view| wanted.outputs.iter().any(|spec| spec.role == role && spec.view == view);
            let hashes = made.thumbhash.iter().chain(&made.edited_thumbhash);
            let strange = made.pictures.len() + made.refused.len() > wanted.outputs.len()
                || made.pictures.iter().any(|picture| !asked(picture.role, picture.view))
                || made.refused.iter().any(|refused| !asked(refused.role, refused.view))
                || hashes.into_iter().any(|hash| hash.len() > 32 || !wanted.thumbhash);
            if strange { Err("other pictures than those asked for".into()) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}
