//! The child's side: one file after the other, read once, hashed while hot, decoded, rendered, answered.
//!
//! Runs on one thread. Knows no path: the file comes as an open descriptor. Whatever happens on a file ends up in
//! its report; only the loss of the parent ends the loop.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, UNIX_EPOCH};

use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;

use super::direct;
use super::looks::looks_like;
use super::parent::{Parent, Stop};
use super::protocol::{self, Job, MediaReport, Reply, Request};
use super::sandbox::Protections;
use super::sys;
use super::wire::WireError;
use crate::media::formats::{films, raw};
use crate::media::{
    self, Format, Hasher, Leave, Pixels, REGISTRY, Source, Target, Wanted, hash, magic, probe,
};
use crate::model::{DecodeError, DecoderId, Depth, ImageFormat, MediaFormat, PixelSize, Role};
use crate::render::{RenderError, RenderJob, RenderOutput, Rendered, Renderer, View};

/// Files up to this length are read at once, before it is known what they are.
const SMALL: u64 = 1 << 20;
/// A read buffer up to this size is kept for the next file.
const KEEP: usize = 8 << 20;
/// What encoders hold, bytes.
const ENCODER: u64 = 8 << 20;

/// What the parent says on the command line.
struct Arguments {
    parent: i32,
    memory: u64,
    allowance: u64,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Option<Self> {
        let (mut parent, mut memory, mut allowance) = (None, None, None);
        for argument in arguments {
            match argument.split_once('=')? {
                ("--parent", value) => parent = value.parse().ok(),
                ("--memory", value) => memory = value.parse().ok(),
                ("--allowance", value) => allowance = value.parse().ok(),
                _ => return None,
            }
        }
        Some(Self { parent: parent?, memory: memory?, allowance: allowance? })
    }
}

/// The whole life of a worker process.
pub fn main() -> ExitCode {
    let stdin = io::stdin();
    let from_parent = matches!(socket_domain(&stdin), Ok(AddressFamily::UNIX));
    let (true, Some(arguments)) = (from_parent, Arguments::parse(std::env::args().skip(1))) else {
        return not_alone();
    };
    sys::close_from(3);
    let mut protections = Protections::default();
    protections.die_with_parent(arguments.parent);
    catch_messages();
    stay_until_told();
    let decoders = prepare();
    let parent = Parent::new(stdin.as_fd(), arguments.allowance);
    protections.close(arguments.memory);
    let mut server = Server { parent, buffer: Vec::new(), renderer: Renderer::new() };
    match server.run(protections, decoders) {
        // The parent is gone or has no more work.
        Ok(()) | Err(WireError::Closed) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string()),
    }
}

/// Lets the decoders load what they take from files, while that is still allowed, and says which they are.
fn prepare() -> Vec<DecoderId> {
    let ready = |family: &&dyn Format| {
        family.prepare();
        family.decoder()
    };
    REGISTRY.iter().filter(|family| family.ready()).map(ready).collect()
}

/// A service manager that stops the run signals all its processes at once: the parent decides when workers go.
fn stay_until_told() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // Without it the worker dies a little early, and its file is asked for again.
        let _ = signal_hook::flag::register(signal, Arc::default());
    }
}

#[allow(clippy::print_stderr, reason = "the parent keeps what a worker says on standard error")]
fn complain(what: &str) -> ExitCode {
    eprintln!("{what}");
    ExitCode::FAILURE
}

/// For the curious who start the program by hand.
#[allow(clippy::print_stderr, reason = "a person started this")]
fn not_alone() -> ExitCode {
    eprintln!(
        "photofsck-worker {} decodes files for photofsck, which starts it when needed. It does nothing by itself: run `photofsck --help`.",
        env!("CARGO_PKG_VERSION")
    );
    ExitCode::from(16)
}

/// The first panic since it was last asked for.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Panics are part of a report, not something to print.
fn catch_messages() {
    panic::set_hook(Box::new(|info| {
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(|place| {
            // Only the crate and below: where it was built is nobody's business.
            let parts: Vec<&str> = place.file().rsplit('/').take(4).collect();
            let parts: Vec<&str> = parts.into_iter().rev().collect();
            format!(" at {}:{}", parts.join("/"), place.line())
        });
        let mut first = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| format!("panic: {what}{}", place.unwrap_or_default()));
    }));
}

fn take_panic() -> DecodeError {
    let what = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    DecodeError::Crashed { what: what.unwrap_or_else(|| "panic".into()) }
}

/// What stays from file to file.
struct Server<'a> {
    parent: Parent<'a>,
    buffer: Vec<u8>,
    renderer: Renderer,
}

impl Server<'_> {
    fn run(&mut self, protections: Protections, decoders: Vec<DecoderId>) -> Result<(), WireError> {
        let Protections { taken, lacking } = protections;
        self.parent.send(&Reply::Hello {
            version: protocol::VERSION,
            protections: taken,
            lacking,
            decoders,
        })?;
        loop {
            let reply = match self.parent.receive()? {
                Request::Examine { job, announce } => {
                    // By itself a file is put off only for what is not in this program.
                    self.report(&job, true, announce)?
                        .map_or(Reply::NeedsFilms, |report| Reply::Done(Box::new(report)))
                }
                Request::Batch(jobs) => {
                    let reports: Result<_, _> =
                        jobs.iter().map(|job| self.report(job, false, false)).collect();
                    Reply::Batch(reports?)
                }
                Request::Granted | Request::Refused { .. } => {
                    return Err(WireError::Garbage("an answer to nothing".into()));
                }
            };
            self.parent.send(&reply)?;
            self.tidy();
        }
    }

    /// Everything about the next file; whatever goes wrong with it is in the report. `None` for a file that needs FFmpeg where
    /// that is not, and one of a batch that has to come by itself.
    fn report(&mut self, job: &Job, alone: bool, announce: bool) -> Result<Option<MediaReport>, WireError> {
        let file = &self.parent.file(alone)?;
        let began = Instant::now();
        let mut report = MediaReport::new(job.id);
        let mut buffer = std::mem::take(&mut self.buffer);
        let looked = panic::catch_unwind(AssertUnwindSafe(|| {
            self.look(file, job, announce, &mut buffer, &mut report)
        }));
        self.buffer = buffer;
        match looked {
            Ok(Ok(())) => {}
            Ok(Err(Stop::Problem(problem))) => {
                report.problem = Some(direct::locate(file, report.bytes, problem));
            }
            Ok(Err(Stop::NotInBatch | Stop::NeedsFilms)) => return Ok(None),
            Ok(Err(Stop::Wire(error))) => return Err(error),
            Err(_) => report.problem = Some(take_panic()),
        }
        report.micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Some(report))
    }

    fn look(
        &mut self,
        file: &File,
        job: &Job,
        announce: bool,
        buffer: &mut Vec<u8>,
        report: &mut MediaReport,
    ) -> Result<(), Stop> {
        // What a file before has missed does not concern this one.
        films::missed();
        let before = Stamp::of(file)?;
        let length = before.length;
        report.bytes = length;
        let mut reading = Reading { file, before, job, whole: false };
        buffer.clear();
        if job.direct {
            // Such a descriptor takes no other reads: everything is fetched before anything is asked of it.
            self.parent.ask(length)?;
            reading.whole(buffer, report)?;
            report.direct = true;
        } else if length <= SMALL {
            reading.whole(buffer, report)?;
        }
        let source = reading.source(buffer);
        let found = recognise(&source);
        report.promised = promised(&job.extension, found.as_ref().map(|(_, format)| *format));
        let Some((family, format)) = found else {
            reading.hash_only(report)?;
            report.looks_like = describe(&source)?;
            return Err(probe::unrecognised(&source).into());
        };
        if !family.ready() {
            return Err(Stop::NeedsFilms);
        }
        report.format = format;
        report.decoder = Some(family.decoder());
        let target = target(job);
        let need = reading.need(family, format, target, &source);
        if let Err(refused) = self.parent.ask(need) {
            // The hashes need no memory, and they may be all that is wanted.
            reading.hash_only(report)?;
            return Err(refused);
        }
        if reading.wants_all(format) {
            reading.whole(buffer, report)?;
        } else {
            reading.hash_only(report)?;
        }
        if announce {
            self.parent.send(&Reply::Known(Box::new(report.clone())))?;
        }
        let source = reading.source(buffer);
        let embedded = embedded(format, &source, target, job);
        let target = if embedded.is_some() { Target::None } else { target };
        let mut wanted = Wanted::new(job.depth, target, &job.limits);
        let mut reducer = job.render.as_ref().map(|render| self.renderer.reducer(render));
        if let Some(reducer) = reducer.as_mut().filter(|_| target != Target::None) {
            wanted.reduce = Some(reducer);
        }
        let mut leave = Asking { parent: &mut self.parent, reading: &reading, format, target, stop: None };
        wanted.leave = Some(&mut leave);
        let mut examined = family.examine(format, &source, wanted);
        leave.stop.map_or(Ok(()), Err)?;
        let camera = embedded.as_ref().and_then(|_| cameras_own(&source, job));
        examined.pixels = examined.pixels.or(embedded);
        // What a decoder says of a file that changed under it means nothing.
        reading.before.same(file)?;
        if films::missed() {
            return Err(Stop::NeedsFilms);
        }
        self.conclude(examined, camera, job, report);
        Ok(())
    }

    /// Gives back what a large file needed.
    fn tidy(&mut self) {
        if self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
        if self.parent.has_asked() {
            self.renderer = Renderer::new();
            sys::give_back_memory();
        }
    }

    /// Takes over what the decoder says and makes the pictures.
    fn conclude(
        &mut self,
        examined: media::Examined,
        camera: Option<Rendered>,
        job: &Job,
        report: &mut MediaReport,
    ) {
        report.decoder = Some(examined.decoder);
        report.size = examined.size.filter(|size| *size != PixelSize::default());
        report.orientation = examined.orientation;
        report.problem = examined.problem;
        report.accuser = examined.accuser;
        report.faults = examined.faults;
        report.sound_until =
            examined.sound_until.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0));
        let Some(render_job) = &job.render else { return };
        let damaged = report.problem.as_ref().map(|problem| problem.damage().is_some());
        report.rendered = match (damaged, examined.pixels) {
            (None, Some(pixels)) => Some(self.render_with(pixels, render_job, camera)),
            (Some(true), Some(pixels)) if job.render_damaged => Some(self.render(pixels, render_job)),
            (None, None) => Some(Err(RenderError {
                step: "decode".into(),
                what: format!("no picture can be made of this {} file", report.format),
            })),
            (Some(_), _) => None,
        };
    }

    /// The pictures of a job, one of which is there already.
    fn render_with(
        &mut self,
        pixels: Pixels,
        job: &RenderJob,
        there: Option<Rendered>,
    ) -> Result<RenderOutput, RenderError> {
        let Some(there) = there else { return self.render(pixels, job) };
        let mut rest = job.clone();
        rest.outputs.retain(|spec| (spec.role, spec.view) != (there.role, there.view));
        let mut made = self.render(pixels, &rest)?;
        made.pictures.push(there);
        Ok(made)
    }

    /// A panic while rendering says nothing about the original, which is sound by then.
    fn render(&mut self, pixels: Pixels, job: &RenderJob) -> Result<RenderOutput, RenderError> {
        let renderer = &mut self.renderer;
        panic::catch_unwind(AssertUnwindSafe(|| renderer.render(pixels, job))).unwrap_or_else(|_| {
            self.renderer = Renderer::new();
            Err(RenderError { step: "render".into(), what: take_panic().to_string() })
        })
    }
}

/// One file while its bytes are fetched.
struct Reading<'a> {
    file: &'a File,
    before: Stamp,
    job: &'a Job,
    /// Whether all bytes are in the buffer.
    whole: bool,
}

impl<'a> Reading<'a> {
    fn source<'b>(&self, buffer: &'b [u8]) -> Source<'b>
    where
        'a: 'b,
    {
        Source::new(self.file, self.before.length, self.whole.then_some(buffer), &self.job.extension)
    }

    /// Reads everything into the buffer and hashes it on the way, once.
    fn whole(&mut self, buffer: &mut Vec<u8>, report: &mut MediaReport) -> Result<(), Stop> {
        if self.whole {
            return Ok(());
        }
        let mut hasher = self.hasher();
        if self.job.direct {
            direct::read_whole(self.file, self.before.length, buffer, &mut hasher)?;
        } else {
            hash::read_whole(self.file, self.before.length, buffer, &mut hasher)?;
        }
        self.whole = true;
        self.take(hasher.finish(), report)
    }

    fn hasher(&self) -> Hasher {
        Hasher::new(self.job.hashes.sha1, self.job.hashes.blake3).paced(self.job.rate)
    }

    /// Hashes the file without keeping it, if hashes are wanted and not there yet.
    fn hash_only(&self, report: &mut MediaReport) -> Result<(), Stop> {
        let wanted = self.job.hashes;
        if self.whole || !(wanted.sha1 || wanted.blake3) {
            return Ok(());
        }
        self.take(hash::of_file(self.file, self.hasher())?, report)
    }

    fn take(&self, digests: media::Digests, report: &mut MediaReport) -> Result<(), Stop> {
        report.bytes_read = digests.bytes;
        if digests.bytes != self.before.length {
            return Err(changed(self.before.length, digests.bytes).into());
        }
        self.before.same(self.file)?;
        (report.sha1, report.blake3) = (digests.sha1, digests.blake3);
        Ok(())
    }

    /// Whether the file is to be in memory as a whole: stills that are decoded or hashed anyway.
    fn wants_all(&self, format: MediaFormat) -> bool {
        let wanted = self.job.hashes;
        let needed =
            self.job.depth > Depth::Structure || self.job.render.is_some() || wanted.sha1 || wanted.blake3;
        !format.is_video() && needed && self.before.length <= self.job.limits.max_memory
    }

    /// Whether pictures of an edited set are wanted.
    fn edits(&self) -> bool {
        let mut specs = self.job.render.iter().flat_map(|render| &render.outputs);
        specs.any(|spec| matches!(spec.view, View::Edited(_)))
    }

    /// Bytes that looking at this file will hold at most.
    fn need(&self, family: &dyn Format, format: MediaFormat, target: Target, source: &Source<'_>) -> u64 {
        let estimate = family.estimate(format, source, target);
        self.in_all(estimate, family.reduced(source, target), format, target)
    }

    /// What decoding takes, together with the file and what is made of the pixels, which may be reduced on the way.
    fn in_all(&self, decoding: u64, reduced: Option<u64>, format: MediaFormat, target: Target) -> u64 {
        let kept = self.kept(format);
        match reduced {
            // What decoding held besides is free by the time of the second copy, converted or turned.
            Some(picture) => decoding.max(self.copies(picture).saturating_add(ENCODER)).saturating_add(kept),
            None => self.with_pictures(decoding, target).saturating_add(kept),
        }
    }

    /// A picture of so many bytes and what is made of it at the same time: a converted or turned one, or the coefficients of a
    /// progressive one.
    fn copies(&self, picture: u64) -> u64 {
        let mut outputs = self.job.render.iter().flat_map(|render| &render.outputs);
        picture.saturating_mul(if outputs.any(|spec| spec.output.progressive) { 3 } else { 2 })
    }

    /// Bytes of the file itself: decoders of stills load all of it if it was not loaded for them.
    fn kept(&self, format: MediaFormat) -> u64 {
        let fits = self.before.length <= self.job.limits.max_memory;
        if fits && !format.is_video() { self.before.length } else { 0 }
    }

    /// What decoding takes and rendering holds on top of it, of pixels as they are decoded.
    fn with_pictures(&self, decoding: u64, target: Target) -> u64 {
        let rendering = match target {
            Target::None => 0,
            // Four copies with four channels at preview size (turned, converted, reduced), twice as long as high, and
            // rows on their way from the decoder's size to it.
            Target::AtLeast(side) => {
                let copies = u64::from(side).saturating_mul(u64::from(side)).saturating_mul(4 * 4 * 2);
                copies.saturating_add(decoding / 4).saturating_add(ENCODER)
            }
            // The picture once more, turned or converted; an edited set is made of a copy of its own, linear light of wide samples.
            Target::Full => {
                let linear = self.job.render.as_ref().is_some_and(|render| render.linear_light);
                let copies = if linear || self.edits() { 3 } else { 1 };
                decoding.saturating_mul(copies).saturating_add(ENCODER)
            }
        };
        decoding.saturating_add(rendering)
    }
}

/// Asks for memory in the midst of an examination.
struct Asking<'s, 'a> {
    parent: &'s mut Parent<'a>,
    reading: &'s Reading<'s>,
    format: MediaFormat,
    target: Target,
    /// Why there will be no report, if there will be none.
    stop: Option<Stop>,
}

impl Leave for Asking<'_, '_> {
    fn hold(&mut self, decoding: u64, reduced: Option<u64>) -> Result<(), DecodeError> {
        match self.parent.ask(self.reading.in_all(decoding, reduced, self.format, self.target)) {
            Ok(()) => Ok(()),
            Err(Stop::Problem(problem)) => Err(problem),
            Err(stop) => {
                self.stop = Some(stop);
                Err(DecodeError::limit("a file that takes more memory", "what there is for it"))
            }
        }
    }
}

/// Length and time of a file: if they stay, its bytes did.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: u128,
}

impl Stamp {
    fn of(file: &File) -> Result<Self, DecodeError> {
        let metadata = file.metadata().map_err(|error| DecodeError::io(&error, None))?;
        if !metadata.is_file() {
            return Err(DecodeError::Io { what: "not a regular file".into(), errno: None, offset: None });
        }
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self { length: metadata.len(), modified: modified.map_or(0, |since| since.as_nanos()) })
    }

    fn same(self, file: &File) -> Result<(), DecodeError> {
        let now = Self::of(file)?;
        if now == self { Ok(()) } else { Err(changed(self.length, now.length)) }
    }
}

fn changed(before: u64, after: u64) -> DecodeError {
    let what = if before == after {
        "the file was changed while it was being read".to_owned()
    } else {
        format!("the file was changed while it was being read: {before} bytes at first, {after} later")
    };
    DecodeError::Io { what, errno: None, offset: None }
}

fn recognise(source: &Source<'_>) -> Option<(&'static dyn Format, MediaFormat)> {
    #[cfg(feature = "faulty-decoder")]
    if let Some(found) = super::faulty::recognise(source) {
        return Some(found);
    }
    media::probe(source)
}

/// What the extension promises: the format found if it is one of those, else the first.
fn promised(extension: &str, found: Option<MediaFormat>) -> Option<MediaFormat> {
    let mut first = None;
    for format in probe::promised(extension) {
        if Some(format) == found {
            return found;
        }
        first = first.or(Some(format));
    }
    first
}

fn describe(source: &Source<'_>) -> Result<Option<String>, DecodeError> {
    let head = magic::head(source)?;
    Ok(looks_like(&head, head.len() as u64 == source.len()))
}

/// The camera's own picture inside a raw, where that is wanted and there is a large one.
fn embedded(format: MediaFormat, source: &Source<'_>, target: Target, job: &Job) -> Option<Pixels> {
    let render = job.render.as_ref().filter(|render| render.prefer_embedded && format == MediaFormat::Raw)?;
    raw::embedded_picture(source, render.preview_size, target, &job.limits)
}

/// The full-size picture of a raw that is shown by the camera's own picture inside: that file itself.
fn cameras_own(source: &Source<'_>, job: &Job) -> Option<Rendered> {
    let render = job.render.as_ref()?;
    let wanted =
        render.outputs.iter().find(|spec| (spec.role, spec.view) == (Role::Fullsize, View::Whole))?;
    if wanted.output.format != ImageFormat::Jpeg {
        return None;
    }
    let (bytes, size) = raw::embedded_file(source, render.preview_size, &job.limits)?;
    Some(Rendered { role: wanted.role, view: wanted.view, size, bytes })
}

fn target(job: &Job) -> Target {
    let Some(render) = &job.render else { return Target::None };
    if render.needs_full_size() {
        return Target::Full;
    }
    let largest = render.outputs.iter().map(|output| output.output.size).max().unwrap_or(0);
    Target::AtLeast(largest.max(render.preview_size))
}
