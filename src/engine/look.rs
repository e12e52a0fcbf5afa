//! One look at one file: open it, have a worker read it, read it again before accusing it, judge.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::media::{Limits, quick};
use crate::model::{
    Colorspace, DecodeError, Depth, FileIdentity, ImageFormat, ItemReport, MediaFormat, OutputSettings, Role,
    Verdict,
};
use crate::render::{Refused, RenderError, RenderJob, RenderOutput, RenderSpec, Rendered, View};
use crate::worker::{HashWish, Job, MediaReport, MemoryGrant, Worker, WorkerFailure, WorkerPool, wire};

/// Files up to this length, bytes, are looked at several in one exchange with a worker: what generated pictures have.
const SMALL: u64 = 1 << 20;
/// Longer files are not read past the page cache: a worker would hold them whole for that.
const DIRECT_AT_MOST: u64 = 256 << 20;

/// Which way the bytes of a look came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As any program reads.
    Usual,
    /// Past the page cache.
    Direct,
    /// From the disk, since the page cache was told to forget the file, and did.
    Dropped,
    /// The page cache was told to forget the file; whether it did is not known.
    Asked,
    /// From the page cache again: the file system keeps everything there.
    Cached,
}

impl Way {
    /// In evidence.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Usual => "as usual",
            Self::Direct => "fresh, past the page cache (O_DIRECT)",
            Self::Dropped => "fresh, page cache dropped",
            Self::Asked => "page cache asked to forget the file",
            Self::Cached => "same page cache: the file system keeps it",
        }
    }
}

use super::cancel::Cancel;
use super::ground::{Ground, Handle, Stuck};
use super::judge::{self, Expectation, Judgement};
use super::open::{self, OpenError};
use super::pace::Governor;
use super::page_cache;

/// What one look told.
#[derive(Debug)]
pub struct Look {
    /// The answer.
    pub judgement: Judgement,
    /// What the worker said; `None` when the file could not be opened.
    pub report: Option<MediaReport>,
    /// The state of the file that was read.
    pub identity: Option<FileIdentity>,
    /// Time it took, waiting included.
    pub elapsed: Duration,
}

impl Look {
    /// The pictures that were made, taken out; `None` when none were asked for or the file is not sound.
    pub fn take_rendered(&mut self) -> Option<Result<RenderOutput, RenderError>> {
        let sound = self.judgement.verdict.is_sound();
        self.report.as_mut()?.rendered.take().filter(|_| sound)
    }

    /// The `item` line.
    pub fn item(&self, expected: &Expectation) -> ItemReport {
        let mut item = ItemReport::new(expected.path.clone(), expected.role);
        item.verdict = Some(self.judgement.verdict);
        item.reason.clone_from(&self.judgement.reason);
        item.codes = self.judgement.findings.iter().map(|finding| finding.code).collect();
        item.bytes = self.identity.map_or(0, |identity| identity.size);
        item.ms = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        if let Some(report) = &self.report {
            item.format = report.format;
            item.hints = report.faults.iter().map(ToString::to_string).collect();
            item.size = report.size;
            item.bytes = report.bytes;
            item.bytes_read = report.bytes_read;
            item.sha1 = report.sha1;
            item.blake3 = report.blake3;
        }
        item
    }

    /// Notes in the evidence how the second read went.
    fn tell_second_read(&mut self, words: &str) {
        for finding in &mut self.judgement.findings {
            if finding.code.role().is_some() {
                finding.evidence = std::mem::take(&mut finding.evidence).with("second_read", words);
            }
        }
    }

    /// Whether the system, and not the bytes, kept something from being said.
    pub fn could_not_read(&self) -> bool {
        let problem = self.report.as_ref().map(|report| &report.problem);
        problem.is_none_or(|problem| matches!(problem, Some(DecodeError::Io { .. })))
    }

    /// Whether the walk saw a file that is no longer there.
    pub fn is_gone(&self) -> bool {
        self.report.is_none() && self.identity.is_none() && self.judgement.reason.is_empty()
    }
}

/// Looks at files with one worker. Stays with the thread that made it.
pub struct Examiner<'a> {
    worker: Worker,
    memory: &'a dyn MemoryGrant,
    cancel: &'a Cancel,
    ground: &'a Ground,
    governor: &'a Governor,
    limits: Limits,
    hashes: HashWish,
    next_id: u64,
    ahead: HashMap<PathBuf, Ahead>,
}

/// A small picture of a file.
pub struct Portrait {
    /// A WebP.
    pub picture: Rendered,
    /// Nothing is wrong with the file.
    pub sound: bool,
    /// Share of the height, from the top, that is sound; `None` where that is not known.
    pub sound_until: Option<f32>,
}

/// Shorter side of a small picture: sharp in a tile of half that size on a phone.
const PORTRAIT_SIZE: u32 = 200;
const PORTRAIT_QUALITY: u8 = 70;

/// Makes a small picture of whatever shows something.
fn portrait_job() -> RenderJob {
    let output = OutputSettings {
        format: ImageFormat::Webp,
        size: PORTRAIT_SIZE,
        quality: PORTRAIT_QUALITY,
        progressive: false,
    };
    let small = RenderSpec { role: Role::Thumbnail, output, view: View::Whole };
    RenderJob {
        outputs: vec![small],
        preview_size: PORTRAIT_SIZE,
        thumbhash: false,
        prefer_embedded: true,
        ..RenderJob::impression(Colorspace::Srgb)
    }
}

/// What an examiner works with.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Where workers come from.
    pub pool: &'a WorkerPool,
    /// Who grants memory.
    pub memory: &'a dyn MemoryGrant,
    /// Who stops it.
    pub cancel: &'a Cancel,
    /// What the files are on.
    pub ground: &'a Ground,
    /// How fast, and how much of it all.
    pub governor: &'a Governor,
    /// Hashes wanted of every file.
    pub hashes: HashWish,
}

/// A file that is open.
struct Opened {
    file: Handle,
    identity: FileIdentity,
    /// Of a giant that is nearly all hole: how much of it is stored.
    hollow: Option<u64>,
    /// The kernel had nothing of it in memory.
    cold: bool,
}

impl Opened {
    fn at(path: &Path, shared: bool) -> Result<Self, OpenError> {
        let (file, identity) = open::open_read(path)?;
        let file = Handle::new(file, shared);
        let hollow = open::hollow(&file, identity.size);
        let cold = page_cache::is_cached(&file, identity.size) == Some(false);
        Ok(Self { file, identity, hollow, cold })
    }

    /// Leaves the memory of the machine to the data of others: what was not there before does not stay.
    fn done(&self) {
        if self.cold {
            page_cache::forget_cached(&self.file);
        }
    }
}

/// What a worker said of a small file before it was this file's turn.
struct Ahead {
    file: Handle,
    identity: FileIdentity,
    job: Job,
    report: MediaReport,
}

impl<'a> Examiner<'a> {
    /// An examiner with a worker of its own.
    pub fn new(means: &Means<'a>) -> Self {
        let Means { pool, memory, cancel, ground, governor, hashes } = *means;
        let limits = Limits { max_memory: memory.ceiling(), ..Limits::default() };
        let worker = pool.worker();
        Self { worker, memory, cancel, ground, governor, limits, hashes, next_id: 0, ahead: HashMap::new() }
    }

    /// Has the worker look at the small ones of these files, several in one exchange; what it says is kept for [`Self::look`].
    /// What was kept before is forgotten.
    pub fn look_ahead(&mut self, expected: &[Expectation]) -> Result<(), WorkerFailure> {
        self.ahead.clear();
        let mut opened = Vec::new();
        for expected in expected {
            if let Ok(file @ Opened { hollow: None, .. }) = self.open(&expected.path)?
                && (1..=SMALL).contains(&file.identity.size)
            {
                opened.push((expected, file, self.job(expected, None, None)));
            }
        }
        for part in opened.chunks(wire::MAX_FILES).filter(|part| part.len() > 1) {
            self.governor.before(part.iter().map(|(_, file, _)| file.identity.size).sum(), self.cancel);
            let batch: Vec<_> = part.iter().map(|(_, opened, job)| (&*opened.file, job.clone())).collect();
            let reports = self.worker.examine_batch(&batch, self.memory, &self.cancel.flag())?;
            for ((expected, opened, job), report) in part.iter().zip(reports) {
                opened.done();
                if let (Some(report), Ok(file)) = (report, opened.file.again()) {
                    let ahead = Ahead { file, identity: opened.identity, job: job.clone(), report };
                    self.ahead.insert(expected.path.clone(), ahead);
                }
            }
        }
        Ok(())
    }

    /// Looks at the file that `expected` names, and makes pictures of it if it is sound.
    ///
    /// Evidence against the bytes is confirmed by a second, fresh read before it counts. Errors are about
    /// this machine or this run, never about the file.
    pub fn look(
        &mut self,
        expected: &Expectation,
        render: Option<&RenderJob>,
    ) -> Result<Look, WorkerFailure> {
        let mut first = self.look_once(expected, render)?;
        if !first.judgement.accuses() || first.report.as_ref().is_some_and(|report| report.bytes == 0) {
            return Ok(first);
        }
        let (mut second, way) = self.look_again(expected, render)?;
        if !second.judgement.accuses() && !second.judgement.verdict.is_sound() {
            first.elapsed += second.elapsed;
            first.tell_second_read(&format!("{}: {}", way.as_str(), second.judgement.reason));
            return Ok(first);
        }
        second.elapsed += first.elapsed;
        if second.judgement.accuses() {
            second.tell_second_read(way.as_str());
        } else {
            let told = judge::passed_on_retry(expected, &first.judgement, way.as_str());
            second.judgement.findings.push(told);
        }
        Ok(second)
    }

    /// Looks at an original while its pictures are made. Where full resolution takes more memory than there is, the pictures that
    /// do without are made, and the original is judged as a check judges it.
    pub fn look_and_make(&mut self, expected: &Expectation, job: &RenderJob) -> Result<Look, WorkerFailure> {
        let look = self.look(expected, Some(job))?;
        let problem = look.report.as_ref().and_then(|report| report.problem.as_ref());
        let limit = problem.filter(|problem| matches!(problem, DecodeError::LimitExceeded { .. }));
        let Some(limit) = limit.filter(|_| job.needs_full_size()) else { return Ok(look) };
        let error = RenderError { step: "full resolution".to_owned(), what: limit.to_string() };
        let (rest, large) = job.without_full_size();
        if rest.needs_full_size() {
            return Ok(look);
        }
        let light = (rest.thumbhash || !rest.outputs.is_empty()).then_some(&rest);
        let mut look = self.look(expected, light)?;
        if let Some(report) = look.report.as_mut().filter(|report| report.problem.is_none())
            && let Ok(made) = report.rendered.get_or_insert_with(|| Ok(RenderOutput::default()))
        {
            let refused =
                |spec: RenderSpec| Refused { role: spec.role, view: spec.view, error: error.clone() };
            made.refused.extend(large.into_iter().map(refused));
        }
        Ok(look)
    }

    /// A second look, at bytes that come from the disk where that can be had.
    fn look_again(
        &mut self,
        expected: &Expectation,
        render: Option<&RenderJob>,
    ) -> Result<(Look, Way), WorkerFailure> {
        let start = Instant::now();
        let (file, identity) = match self.open(&expected.path)? {
            Ok(opened) => (opened.file, opened.identity),
            Err(error) => return Ok((not_opened(expected, &error, start), Way::Usual)),
        };
        page_cache::forget_cached(&file);
        let own = expected.path.clone();
        // The worker holds all of it, beside what decoding takes.
        if identity.size <= DIRECT_AT_MOST.min(self.limits.max_memory / 4)
            && let Ok(Some(direct)) =
                self.ground.ask(&expected.path, move |_| open::open_direct(&own, &identity))
        {
            let direct = Handle::new(direct, self.ground.may_hang(&expected.path));
            let opened = (&*direct, identity);
            let look = self.look_at(expected, render, opened, Some(Way::Direct), start)?;
            if look.report.as_ref().is_some_and(|report| report.direct) {
                return Ok((look, Way::Direct));
            }
        }
        let own = file.again().ok();
        let asked = self.ground.ask(&expected.path, move |_| page_cache::is_cached(own?, identity.size));
        let way = match asked.ok().flatten() {
            Some(true) => Way::Cached,
            Some(false) => Way::Dropped,
            None => Way::Asked,
        };
        Ok((self.look_at(expected, render, (&*file, identity), Some(way), start)?, way))
    }

    /// A small picture of a file as far as it decodes, whatever is wrong with it; `None` when nothing can be shown of it.
    pub fn portray(&mut self, path: &Path) -> Result<Option<Portrait>, WorkerFailure> {
        let Ok(Opened { file, identity, hollow: None, .. }) = self.open(path)? else { return Ok(None) };
        if identity.size == 0 {
            return Ok(None);
        }
        let mut job = self.plain_job(&extension_of(path), Depth::Keyframes);
        job.hashes = HashWish::default();
        job.render = Some(portrait_job());
        job.render_damaged = true;
        let report = self.worker.examine(&file, &job, self.memory, &self.cancel.flag())?;
        let Some(Ok(made)) = report.rendered else { return Ok(None) };
        let picture = made.pictures.into_iter().next();
        let (sound, sound_until) = (report.problem.is_none(), report.sound_until);
        Ok(picture.map(|picture| Portrait { picture, sound, sound_until }))
    }

    /// Whether a picture that was just written decodes and has the size it should have.
    pub fn confirm(&mut self, file: &File, made: &Rendered) -> Result<Result<(), String>, WorkerFailure> {
        let mut job = self.plain_job(made.role.as_str(), Depth::Keyframes);
        job.hashes = HashWish::default();
        let report = self.worker.examine(file, &job, self.memory, &self.cancel.flag())?;
        Ok(match report.problem {
            Some(problem) => Err(format!("what was written does not decode: {problem}")),
            None if report.bytes != made.bytes.len() as u64 => {
                Err(format!("{} bytes were written, {} are there", made.bytes.len(), report.bytes))
            }
            None if report.size.is_some_and(|size| size != made.size) => {
                Err(format!("expected {:?}, what was written is {:?}", made.size, report.size))
            }
            None => Ok(()),
        })
    }

    fn look_once(
        &mut self,
        expected: &Expectation,
        render: Option<&RenderJob>,
    ) -> Result<Look, WorkerFailure> {
        let start = Instant::now();
        if let Some(ahead) = self.ahead.remove(&expected.path) {
            let job = self.job(expected, render, None);
            if (Job { id: job.id, ..ahead.job }) == job {
                let elapsed = Duration::from_micros(ahead.report.micros);
                return Ok(told(expected, (&*ahead.file, ahead.identity), ahead.report, elapsed));
            }
        }
        match self.open(&expected.path)? {
            Ok(Opened { identity, hollow: Some(stored), .. }) => {
                Ok(hollow(expected, identity, stored, start))
            }
            Ok(opened) => {
                let file = (&*opened.file, opened.identity);
                let look = self.look_at(expected, render, file, None, start);
                opened.done();
                look
            }
            Err(error) => Ok(not_opened(expected, &error, start)),
        }
    }

    /// Opens a file. One on a share that is known to hang is left for another time.
    fn open(&self, path: &Path) -> Result<Result<Opened, OpenError>, WorkerFailure> {
        let (own, shared) = (path.to_path_buf(), self.ground.may_hang(path));
        match self.ground.ask(path, move |_| Opened::at(&own, shared)) {
            Ok(opened) => Ok(opened),
            Err(Stuck::Hangs { words, asked: true }) => Ok(Err(OpenError::Hangs(words))),
            Err(Stuck::Hangs { .. } | Stuck::Cancelled) => Err(WorkerFailure::Cancelled),
        }
    }

    /// Has a worker look at an open file; `second` is the way of a second read.
    fn look_at(
        &mut self,
        expected: &Expectation,
        render: Option<&RenderJob>,
        (file, identity): (&File, FileIdentity),
        second: Option<Way>,
        start: Instant,
    ) -> Result<Look, WorkerFailure> {
        let job = self.job(expected, render, second);
        self.governor.before(identity.size, self.cancel);
        let patience = self.ground.patience(&expected.path);
        let job = Job { patience, ..job };
        let mut report = self.worker.examine(file, &job, self.memory, &self.cancel.flag())?;
        if let (Some(DecodeError::TimedOut { seconds }), Some(_)) = (&report.problem, patience) {
            // Was it the file that took so long, or the share?
            if let Err(error @ OpenError::Hangs(_)) = self.open(&expected.path)? {
                return Ok(not_opened(expected, &error, start));
            }
            let slept = *seconds;
            if slept < self.limits.max_seconds {
                // A disk behind the share may have had to start.
                report = self.worker.examine(file, &job, self.memory, &self.cancel.flag())?;
                if matches!(report.problem, Some(DecodeError::TimedOut { seconds }) if seconds == slept) {
                    let words =
                        format!("its share answers, but a read did not come back within {slept} s, twice");
                    return Ok(not_opened(expected, &OpenError::Hangs(words), start));
                }
            }
        }
        Ok(told(expected, (file, identity), report, start.elapsed()))
    }

    /// What a worker is to do with a file.
    fn job(&mut self, expected: &Expectation, render: Option<&RenderJob>, second: Option<Way>) -> Job {
        let mut job = self.plain_job(&extension_of(&expected.path), expected.depth);
        job.direct = second == Some(Way::Direct);
        job.render = render.cloned();
        if let Some(shows) = expected.shows.as_ref().filter(|shows| shows.always || second.is_some()) {
            // Of a damaged file what can be seen of it is evidence too.
            job.render_damaged = job.render.is_none();
            let render = job.render.get_or_insert_with(|| RenderJob::impression(shows.colorspace));
            render.thumbhash = true;
        }
        job
    }

    fn plain_job(&mut self, extension: &str, depth: Depth) -> Job {
        self.next_id += 1;
        Job {
            id: self.next_id,
            extension: extension.to_owned(),
            depth,
            hashes: self.hashes,
            render: None,
            render_damaged: false,
            direct: false,
            rate: self.governor.rate(),
            limits: self.limits,
            patience: None,
        }
    }
}

/// What a report means for a file, unless that changed meanwhile.
fn told(
    expected: &Expectation,
    (file, identity): (&File, FileIdentity),
    mut report: MediaReport,
    elapsed: Duration,
) -> Look {
    if report.problem.is_some() && !same_state(file, &identity) {
        report.problem = Some(DecodeError::Io {
            what: "the file changed while it was being read".to_owned(),
            errno: None,
            offset: None,
        });
    }
    let judgement = judge::judge(expected, &report);
    Look { judgement, report: Some(report), identity: Some(identity), elapsed }
}

/// Of a file on a share that is known to hang.
pub fn unanswered(expected: &Expectation) -> Look {
    let words = "its share does not answer".to_owned();
    not_opened(expected, &OpenError::Hangs(words), Instant::now())
}

/// What a quick look tells, unless its share hangs.
pub fn look_quickly_on(ground: &Ground, expected: &Expectation) -> Result<Look, WorkerFailure> {
    let (start, own) = (Instant::now(), expected.clone());
    match ground.ask(&expected.path, move |_| look_quickly(&own)) {
        Ok(look) => Ok(look),
        Err(Stuck::Hangs { words, asked: true }) => Ok(not_opened(expected, &OpenError::Hangs(words), start)),
        Err(Stuck::Hangs { .. } | Stuck::Cancelled) => Err(WorkerFailure::Cancelled),
    }
}

/// `--quick`: looks at first and last bytes and stated sizes, in this process.
fn look_quickly(expected: &Expectation) -> Look {
    let start = Instant::now();
    let (file, identity) = match open::open_read(&expected.path) {
        Ok(opened) => opened,
        Err(error) => return not_opened(expected, &error, start),
    };
    let mut report = MediaReport::new(0);
    report.bytes = identity.size;
    report.promised = quick::promised(&extension_of(&expected.path));
    if identity.size > 0 {
        match quick::look(&file, identity.size, expected.role.is_generated()) {
            Ok(seen) => {
                report.format = seen.format;
                report.problem = seen.problem;
                if seen.format == MediaFormat::Unknown && report.problem.is_none() {
                    report.problem = unknown_beginning(expected, report.promised);
                }
            }
            Err(error) => report.problem = Some(DecodeError::io(&error, None)),
        }
    }
    Look {
        judgement: judge::judge(expected, &report),
        report: Some(report),
        identity: Some(identity),
        elapsed: start.elapsed(),
    }
}

/// A quick look knows few formats by their beginning; only names that promise one of those are contradicted.
fn unknown_beginning(expected: &Expectation, promised: Option<MediaFormat>) -> Option<DecodeError> {
    let promised = promised.filter(|_| expected.role != crate::model::Role::Sidecar)?;
    Some(DecodeError::malformed(
        format!("named like {promised}, and the signature of {promised} is not there"),
        0,
    ))
}

/// A giant that is nearly all hole is not read.
fn hollow(expected: &Expectation, identity: FileIdentity, stored: u64, start: Instant) -> Look {
    let problem = DecodeError::unsupported(format!(
        "nearly all of it is a hole: {} bytes long, {stored} of them stored",
        identity.size
    ));
    let mut report = MediaReport::failed(0, problem);
    report.bytes = identity.size;
    Look {
        judgement: judge::judge(expected, &report),
        report: Some(report),
        identity: Some(identity),
        elapsed: start.elapsed(),
    }
}

fn not_opened(expected: &Expectation, error: &OpenError, start: Instant) -> Look {
    let judgement = match error {
        // Told as missing by whoever knows whether it should be there.
        OpenError::NotFound => {
            Judgement { verdict: Verdict::Unverifiable, reason: String::new(), findings: Vec::new() }
        }
        other => judge::judge_failure(expected, &other.to_decode_error()),
    };
    Look { judgement, report: None, identity: None, elapsed: start.elapsed() }
}

/// Whether the open file is still in the state in which it was opened.
fn same_state(file: &File, identity: &FileIdentity) -> bool {
    file.metadata().is_ok_and(|metadata| {
        let now = FileIdentity::from(&metadata);
        now.size == identity.size && now.mtime_ns == identity.mtime_ns
    })
}

/// The extension in lower case without the dot; empty when there is none.
pub fn extension_of(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default()
}
