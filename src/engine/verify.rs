//! `verify`: any files and folders, without Immich. `render`: the pictures of given originals.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use walkdir::{DirEntry, WalkDir};

use crate::catalog::Catalog;
use crate::immich::layout::{MediaClass, class_of};
use crate::model::{
    Code, DecodeError, Depth, Event, EventSink, Evidence, Finding, ImageSettings, ItemReport, Role,
    SkipReason, Stage, Verdict, What, display_path,
};
use crate::render::{RenderJob, RenderOutput};

use crate::worker::WorkerFailure;

use super::cancel::Cancel;
use super::config::{RenderConfig, VerifyConfig};
use super::crew::{Crew, Halt};
use super::end::{RunEnd, RunError};
use super::ground::{Ground, PATIENCE, Stuck};
use super::judge::{self, Expectation};
use super::ledger::{Earlier, Ledger, unusable};
use super::look::{self, Examiner, Look};
use super::pace::Governor;
use super::setup::{self, Station};

/// Runs `verify`. With a catalog (`--state`) every file is still read, what is learnt is kept, and a file that
/// changed silently since the last time is told.
pub fn verify(
    config: &VerifyConfig,
    catalog: Option<&Catalog>,
    sink: &dyn EventSink,
    cancel: &Cancel,
) -> Result<RunEnd, RunError> {
    let station = Station::new(config.resources)?;
    sink.send(Event::Run(setup::run_info("verify", &station, cancel)?));
    let depth = if config.quick { Depth::Structure } else { config.video };
    let ground = Ground::here(PATIENCE, cancel);
    let ledger = catalog.map(|catalog| -> Result<_, RunError> {
        let decoders = station.decoders(catalog, cancel)?;
        let now = Timestamp::now();
        let gap = setup::gap(&catalog.runs().unwrap_or_default(), now);
        let now = catalog.advance(now.as_second(), gap).map_err(|error| unusable(&error))?;
        Ok(Ledger::new(catalog, depth, (now, Duration::ZERO), decoders).on(&ground))
    });
    let ledger = ledger.transpose()?;
    sink.send(Event::Stage { stage: Stage::Verify, items: None, bytes: None });
    let feed = entries(&config.paths, &ground, sink);
    let work = |examiner: &mut Examiner<'_>, path: &PathBuf| -> Result<(), Halt> {
        let mut expected = Expectation::unrecorded(path, Role::Unknown, depth);
        // The catalog knows files by their absolute path, the person by the one that was named.
        let known = Expectation {
            path: std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            ..expected.clone()
        };
        if let Some(ledger) = &ledger
            && let Earlier::Due { last_sound } = ledger.ask(&known).inspect_err(|_| not_reached(sink))?
        {
            expected.last_sound = last_sound;
        }
        let look = answered(examiner.look(&expected, None), &expected, cancel);
        let look = look.inspect_err(|_| not_reached(sink))?;
        if let Some(ledger) = &ledger {
            ledger.note(&known, &look).inspect_err(|_| not_reached(sink))?;
        }
        let item = if look.is_gone() { gone(path) } else { look.item(&expected) };
        send_item(sink, item, look.judgement.findings);
        Ok(())
    };
    let ahead = |examiner: &mut Examiner<'_>, paths: &[PathBuf]| -> Result<(), Halt> {
        let expected: Vec<_> =
            paths.iter().map(|path| Expectation::unrecorded(path, Role::Unknown, depth)).collect();
        Ok(examiner.look_ahead(&expected)?)
    };
    let governor = Governor::unbound();
    station
        .crew((cancel, &ground), &governor, setup::BOTH_HASHES)
        .run(feed, ahead, work, |_| not_reached(sink))
}

/// Every file that was named has its item, also one on a share that is known to hang.
fn answered(
    look: Result<Look, WorkerFailure>,
    expected: &Expectation,
    cancel: &Cancel,
) -> Result<Look, WorkerFailure> {
    match look {
        Err(WorkerFailure::Cancelled) if !cancel.is_requested() => Ok(look::unanswered(expected)),
        other => other,
    }
}

/// Runs `render`.
pub fn render(config: &RenderConfig, sink: &dyn EventSink, cancel: &Cancel) -> Result<RunEnd, RunError> {
    let station = Station::new(config.resources)?;
    fs::create_dir_all(&config.out).map_err(|error| {
        RunError::io(format!("cannot make the folder {}: {error}", display_path(&config.out)))
    })?;
    sink.send(Event::Run(setup::run_info("render", &station, cancel)?));
    sink.send(Event::Stage { stage: Stage::Verify, items: Some(config.files.len() as u64), bytes: None });
    sink.send(Event::Walked(config.files.len() as u64));
    let names = Names::default();
    let usual = RenderJob::new(&config.settings, &[Role::Preview, Role::Thumbnail], true);
    let with_fullsize =
        RenderJob::new(&config.settings, &[Role::Preview, Role::Thumbnail, Role::Fullsize], true);
    let feed: Vec<(PathBuf, OsString)> =
        config.files.iter().map(|path| (path.clone(), names.unique(path))).collect();
    let (governor, ground) = (Governor::unbound(), Ground::here(PATIENCE, cancel));
    let crew: Crew<'_> = station.crew((cancel, &ground), &governor, setup::BOTH_HASHES);
    let work = |examiner: &mut Examiner<'_>, (path, name): &(PathBuf, OsString)| -> Result<(), Halt> {
        let expected = Expectation::unrecorded(path, Role::Original, Depth::Keyframes);
        let job = if wants_fullsize(path, &config.settings) { &with_fullsize } else { &usual };
        let look = answered(examiner.look_and_make(&expected, job), &expected, cancel);
        let mut look = look.inspect_err(|_| not_reached(sink))?;
        let made = look.take_rendered();
        let mut item = if look.is_gone() { gone(path) } else { look.item(&expected) };
        let mut findings = std::mem::take(&mut look.judgement.findings);
        match made {
            Some(Ok(output)) => {
                if let Some(refused) = output.refused.first() {
                    item.reason = format!("no {} picture: {}", refused.role, refused.error);
                }
                write_out(&config.out, name, &config.settings, output, &mut item)
                    .inspect_err(|_| not_reached(sink))?;
            }
            Some(Err(error)) => {
                let told = judge::judge_failure(&expected, &DecodeError::unsupported(error.to_string()));
                item.reason = told.reason;
                findings.extend(told.findings);
            }
            None => {}
        }
        send_item(sink, item, findings);
        Ok(())
    };
    crew.run(feed.into_iter(), |_, _| Ok(()), work, |_| not_reached(sink))
}

fn send_item(sink: &dyn EventSink, mut item: ItemReport, findings: Vec<Finding>) {
    item.codes = findings.iter().map(|finding| finding.code).collect();
    sink.send(Event::Checked(Box::new(item)));
    for finding in findings {
        sink.send(Event::Finding(Box::new(finding)));
    }
}

fn not_reached(sink: &dyn EventSink) {
    sink.send(Event::Skipped { reason: SkipReason::NotReached, count: 1 });
}

/// A file that was named or walked and is not there any more.
fn gone(path: &Path) -> ItemReport {
    let mut item = ItemReport::new(path.to_owned(), Role::Unknown);
    item.verdict = Some(Verdict::Unverifiable);
    "the file went away before it was read".clone_into(&mut item.reason);
    item
}

/// Every file below the named paths; what is met and is no file is told to `sink` at once.
fn entries<'a>(
    paths: &'a [PathBuf],
    ground: &'a Ground,
    sink: &'a dyn EventSink,
) -> impl Iterator<Item = PathBuf> + Send + 'a {
    paths.iter().flat_map(move |path| {
        let answers = ground.try_out(path).map_err(|stuck| std::io::Error::other(stuck.to_string()));
        let there = answers.and_then(|()| ground.stat(path, true));
        let found: Box<dyn Iterator<Item = PathBuf> + Send> = match there {
            Ok(metadata) if metadata.is_dir() => Box::new(below(path, ground, sink)),
            // Whatever else was named is answered by an item, be it a FIFO.
            Ok(metadata) if metadata.is_file() => {
                sink.send(Event::Walked(1));
                Box::new(std::iter::once(path.clone()))
            }
            Ok(metadata) => {
                named_but_no_file(path, kind_of(&metadata), sink);
                Box::new(std::iter::empty())
            }
            Err(error) => {
                named_but_unreadable(path, &error, ground, sink);
                Box::new(std::iter::empty())
            }
        };
        found
    })
}

fn below<'a>(
    root: &'a Path,
    ground: &'a Ground,
    sink: &'a dyn EventSink,
) -> impl Iterator<Item = PathBuf> + Send + 'a {
    walked(root, ground).filter_map(move |entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(finding) => {
                sink.send(Event::Walked(1));
                sink.send(Event::EntryError(finding));
                return None;
            }
        };
        if entry.file_type().is_dir() {
            return None;
        }
        sink.send(Event::Walked(1));
        let regular = entry.file_type().is_file()
            || (entry.file_type().is_symlink()
                && ground.stat(entry.path(), true).is_ok_and(|target| target.is_file()));
        if !regular {
            sink.send(Event::Skipped { reason: SkipReason::NotAFile, count: 1 });
            return None;
        }
        Some(entry.into_path())
    })
}

/// What a walk meets, or why it cannot: a share that hangs ends it.
fn walked<'a>(
    root: &'a Path,
    ground: &'a Ground,
) -> impl Iterator<Item = Result<DirEntry, Box<Finding>>> + Send + 'a {
    // The root itself may be a link; links below are not followed into folders, so there are no loops.
    let mut walk = Some(WalkDir::new(root).follow_root_links(true).sort_by_file_name().into_iter());
    std::iter::from_fn(move || {
        let mut steps = walk.take()?;
        match ground.ask(root, move |_| (steps.next(), steps)) {
            Ok((entry, steps)) => {
                walk = Some(steps);
                Some(entry?.map_err(|error| Box::new(walk_error(root, &error))))
            }
            Err(Stuck::Cancelled) => None,
            Err(stuck) => {
                let finding = Finding::new(Code::File(Role::Unknown, What::Unreadable)).at(root);
                let evidence = Evidence::new().with("seen", stuck.to_string());
                Some(Err(Box::new(finding.seen(evidence).advise("look after the share, then verify again"))))
            }
        }
    })
}

fn named_but_no_file(path: &Path, kind: &str, sink: &dyn EventSink) {
    sink.send(Event::Walked(1));
    let expected = Expectation::unrecorded(path, Role::Unknown, Depth::Structure);
    let told =
        judge::judge_failure(&expected, &DecodeError::unsupported(format!("not a regular file but {kind}")));
    let mut item = ItemReport::new(path.to_owned(), Role::Unknown);
    item.verdict = Some(told.verdict);
    item.reason = told.reason;
    send_item(sink, item, told.findings);
}

fn named_but_unreadable(path: &Path, error: &std::io::Error, ground: &Ground, sink: &dyn EventSink) {
    sink.send(Event::Walked(1));
    let expected = Expectation::unrecorded(path, Role::Unknown, Depth::Structure);
    let broken_link = ground.stat(path, false).is_ok_and(|metadata| metadata.is_symlink());
    let problem = if broken_link && error.kind() == std::io::ErrorKind::NotFound {
        DecodeError::unsupported("a symbolic link that leads nowhere")
    } else {
        DecodeError::io(error, None)
    };
    let told = judge::judge_failure(&expected, &problem);
    let mut item = ItemReport::new(path.to_owned(), Role::Unknown);
    item.verdict = Some(told.verdict);
    item.reason = told.reason;
    send_item(sink, item, told.findings);
}

/// A folder or entry that the walk could not read.
fn walk_error(root: &Path, error: &walkdir::Error) -> Finding {
    let mut evidence = Evidence::new().with("seen", error.to_string());
    if let Some(errno) = error.io_error().and_then(std::io::Error::raw_os_error) {
        evidence = evidence.with("errno", errno);
    }
    Finding::new(Code::File(Role::Unknown, What::Unreadable))
        .at(error.path().unwrap_or(root))
        .seen(evidence)
        .advise("let photofsck read it: run as the user that owns the files, or as root")
}

fn kind_of(metadata: &fs::Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// File names below `--out`: the original's own name, numbered when two originals share it.
#[derive(Default)]
struct Names(Mutex<HashMap<OsString, u32>>);

impl Names {
    fn unique(&self, path: &Path) -> OsString {
        let name = path.file_name().map_or_else(|| OsString::from("unnamed"), OsString::from);
        let mut seen = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = seen.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            return name;
        }
        let mut numbered = name;
        numbered.push(format!("+{}", *count - 1));
        numbered
    }
}

/// Whether Immich would make a full-size picture: where that is switched on, of what browsers do not show.
fn wants_fullsize(path: &Path, settings: &ImageSettings) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    settings.fullsize_enabled && matches!(class_of(name), Some(MediaClass::OtherImage | MediaClass::Raw))
}

fn write_out(
    out: &Path,
    name: &OsString,
    settings: &ImageSettings,
    output: RenderOutput,
    item: &mut ItemReport,
) -> Result<(), RunError> {
    for picture in &output.pictures {
        let (suffix, format) = match picture.role {
            Role::Preview => ("preview", settings.preview.format),
            Role::Fullsize => ("fullsize", settings.fullsize.format),
            _ => ("thumbnail", settings.thumbnail.format),
        };
        let mut file_name = name.clone();
        file_name.push(format!("_{suffix}.{}", format.extension()));
        let path = out.join(file_name);
        write_whole(&path, &picture.bytes)
            .map_err(|error| RunError::io(format!("cannot write {}: {error}", display_path(&path))))?;
        match picture.role {
            Role::Preview => item.preview = Some(path),
            Role::Fullsize => item.fullsize = Some(path),
            _ => item.thumbnail = Some(path),
        }
    }
    item.thumbhash = output.thumbhash;
    Ok(())
}

/// Writes beside and renames, so that an interrupted run leaves no half picture.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut staged = tempfile::Builder::new().prefix(".photofsck-").tempfile_in(folder)?;
    staged.write_all(bytes)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    staged.as_file().set_permissions(mode)?;
    staged.as_file().sync_all()?;
    staged.persist(path)?;
    Ok(())
}
