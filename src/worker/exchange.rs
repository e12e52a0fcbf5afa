//! One exchange with a worker: jobs go there, requests for memory are answered, reports come back and are checked.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::memory::{MemoryDenied, MemoryGrant, Permit};
use super::process::{Process, Trouble, Watch};
use super::protocol::{Job, MediaReport, Reply, Request, clip};
use super::wire::MAX_REPLY;
use crate::model::{DecodeError, Role};

/// Estimates are of decoders; libraries, stacks and the allocator's own loss come on top.
const SLACK: u64 = 32 << 20;
/// Reading this many bytes may take a second more.
const SLOW_DISK: u64 = 4 << 20;
/// Small files take milliseconds each. One that takes longer gets its full time by itself.
const BATCH_PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer without a full-size picture in it.
pub const SMALL_REPLY: usize = 32 << 20;
/// A worker that asks for memory more often than this for one file is not asking.
const MAX_NEEDS: u32 = 8;

/// One file on its way through a worker.
pub struct Item<'a> {
    /// The file, open.
    pub file: &'a File,
    /// What is wanted of it.
    pub job: &'a Job,
    /// Who grants memory for it.
    pub memory: &'a dyn MemoryGrant,
    /// Set when the run is to stop.
    pub cancel: &'a AtomicBool,
    /// How long one try may take.
    pub seconds: u64,
    /// What a worker told before it let a decoder at the bytes.
    pub known: Option<MediaReport>,
}

/// Memory held for an item.
pub struct Room<'a> {
    permit: Option<Box<dyn Permit + 'a>>,
    held: u64,
    /// Whether the worker asked for more than every item gets.
    pub asked: bool,
}

impl<'a> Room<'a> {
    /// Waits until there is room for this many bytes, or for all there are.
    pub fn take(item: &Item<'a>, bytes: u64) -> Result<Self, Trouble> {
        match item.memory.acquire(bytes, item.cancel) {
            Ok(permit) => Ok(Self { permit: Some(permit), held: bytes, asked: false }),
            Err(MemoryDenied::Cancelled) => Err(Trouble::Cancelled),
            Err(MemoryDenied::TooLarge { ceiling }) => Self::take_all(item, ceiling),
        }
    }

    /// The whole budget is smaller than what every item starts with: items then run one at a time with all of it.
    fn take_all(item: &Item<'a>, ceiling: u64) -> Result<Self, Trouble> {
        match item.memory.acquire(ceiling, item.cancel) {
            Ok(permit) => Ok(Self { permit: Some(permit), held: ceiling, asked: false }),
            Err(_) => Err(Trouble::Cancelled),
        }
    }

    /// Exchanges what is held for more. The worker holds next to nothing while it asks, so what it had is given back
    /// first: two that wait for more can never wait for each other.
    fn enlarge(&mut self, item: &Item<'a>, bytes: u64) -> Result<Request, Trouble> {
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
            Err(MemoryDenied::Cancelled) => Err(Trouble::Cancelled),
            Err(MemoryDenied::TooLarge { ceiling }) => {
                *self = Self { asked: true, ..Self::take(item, before)? };
                Ok(Request::Refused { ceiling })
            }
        }
    }
}

/// Sends jobs together and takes the reports. When a decoder panicked none of them counts.
pub fn batch(
    process: &mut Process,
    files: &[(&File, Job)],
    allowance: u64,
    cancel: &AtomicBool,
) -> Result<Vec<Option<MediaReport>>, Trouble> {
    let watch = Watch {
        deadline: Instant::now() + BATCH_PATIENCE,
        memory: allowance.saturating_add(SLACK),
        patience: None,
        cancel,
    };
    let descriptors: Vec<_> = files.iter().map(|(file, _)| file.as_fd()).collect();
    process.begin();
    process.send(
        &Request::Batch(files.iter().map(|(_, job)| job.clone()).collect()),
        &descriptors,
        &watch,
    )?;
    let mut reports = match process.receive::<Reply>(SMALL_REPLY, &watch)? {
        Reply::Batch(reports) if reports.len() == files.len() => reports,
        _ => return Err(Trouble::Broken("not the answers to a batch".into())),
    };
    for (report, (_, job)) in reports.iter_mut().zip(files) {
        let Some(report) = report.as_mut() else { continue };
        sane(report, job).map_err(Trouble::Broken)?;
        report.clip();
        if matches!(report.problem, Some(DecodeError::Crashed { .. })) {
            return Err(Trouble::Broken("a decoder panicked".into()));
        }
    }
    Ok(reports)
}

impl<'a> Item<'a> {
    /// Sends the job, answers what the worker asks, and takes its report.
    pub fn converse(
        &mut self,
        process: &mut Process,
        room: &mut Room<'a>,
        announce: bool,
    ) -> Result<MediaReport, Trouble> {
        let mut watch = Watch {
            deadline: Instant::now() + Duration::from_secs(self.seconds),
            memory: room.held.saturating_add(SLACK),
            // One that reads slowly on purpose sleeps between its reads.
            patience: self.job.patience.filter(|_| self.job.rate.is_none()),
            cancel: self.cancel,
        };
        let request = Request::Examine { job: self.job.clone(), announce };
        process.begin();
        process.send(&request, &[self.file.as_fd()], &watch)?;
        let mut needs = 0;
        loop {
            match process.receive::<Reply>(reply_limit(self.job), &watch)? {
                Reply::Done(mut report) => {
                    sane(&report, self.job).map_err(Trouble::Broken)?;
                    report.clip();
                    return Ok(*report);
                }
                Reply::NeedsFilms => return Err(Trouble::NeedsFilms),
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
                    process.send(&answer, &[], &watch)?;
                }
                other => {
                    let mut what = format!("{other:?}");
                    clip(&mut what);
                    return Err(Trouble::Broken(format!("{what} at the wrong time")));
                }
            }
        }
    }
}

/// Seconds of wall clock that a file may take: the limit, and time to read it from a slow disk, or as slowly as is wanted.
pub fn deadline_seconds(file: &File, job: &Job) -> u64 {
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let wanted = job.rate.map_or(0, |rate| length / rate.max(1));
    job.limits.max_seconds.saturating_add(length / SLOW_DISK).saturating_add(wanted)
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
