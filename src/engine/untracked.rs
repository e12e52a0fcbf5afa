//! `--quarantine-untracked`: files that no record names move away, after everything else is done, and only those of
//! which it is certain at that moment that nobody needs them where they are.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, makedev, statx};

use crate::immich::layout::{Meaning, meaning, original_extensions};
use crate::immich::paths::PathMap;
use crate::immich::records::{FileIdx, Home, Records};
use crate::model::{
    AssetId, Event, EventSink, FileIdentity, RepairAction, RepairEvent, RepairStatus, Role, display_path,
};
use crate::repair::quarantine::{Quarantine, Stray};
use crate::repair::store::FileStore;

use super::beyond::Rescue;
use super::cancel::Cancel;
use super::end::RunError;
use super::ground::Ground;
use super::loose::Loose;
use super::reconcile::Reconciler;
use super::setup;
use super::whereabouts::Whereabouts;

/// Records of a running database are read again after this long: moving to another disk may take hours.
const FRESH: Duration = Duration::from_mins(5);
/// Files moved before it is asked again which files are open.
const BATCH: usize = 64;

/// What the moves need.
pub struct Untracked<'a> {
    /// The records of this run.
    pub records: &'a Records,
    /// Reads the records once more, mapped to this host.
    pub again: &'a dyn Fn() -> Result<Records, RunError>,
    /// Where recorded paths are.
    pub map: &'a PathMap,
    /// Knows the files that no record names.
    pub reconciler: &'a Reconciler<'a>,
    /// Knows which of them hold a lost original.
    pub whereabouts: &'a Whereabouts<'a>,
    /// Knows whose pictures may be the last copies.
    pub rescue: &'a Rescue<'a>,
    /// Where the files go.
    pub quarantine: &'a Quarantine,
    /// The only writer.
    pub store: &'a dyn FileStore,
    /// Folders out of which files may be moved, with their paths below the media location.
    pub folders: &'a [(PathBuf, &'static str)],
    /// When this run began to ask for the records, by the clock of this machine.
    pub asked_at: Timestamp,
    /// Who is told.
    pub sink: &'a dyn EventSink,
    /// What the library stands on.
    pub ground: &'a Ground,
    /// Asks to stop.
    pub cancel: &'a Cancel,
}

/// The records at this moment.
enum Now<'a> {
    Same(&'a Records),
    Fresh(Box<Records>, Instant),
}

impl Now<'_> {
    fn records(&self) -> &Records {
        match self {
            Self::Same(records) => records,
            Self::Fresh(records, _) => records,
        }
    }
}

impl Untracked<'_> {
    /// Moves what may be moved, and tells of everything that no record names what became of it.
    pub fn run(&self) -> Result<(), RunError> {
        let mut now: Option<Now<'_>> = None;
        let mut in_use = Ok(HashSet::new());
        let strays = self.reconciler.loose().filter(|loose| self.reconciler.loose_finding(loose).is_some());
        for (number, loose) in strays.enumerate() {
            if self.cancel.is_requested() {
                return Ok(());
            }
            let stale = match &now {
                None => true,
                Some(Now::Same(_)) => false,
                Some(Now::Fresh(_, at)) => at.elapsed() > FRESH,
            };
            if stale {
                now = Some(self.at_this_moment()?);
            }
            if number % BATCH == 0 {
                in_use = self.ground.anywhere(|pulse| open_files(|| pulse.beat()));
            }
            let Some(now) = &now else { return Ok(()) };
            let (event, stop) = self.one(&loose, now.records(), &in_use);
            let reason = event.reason.clone();
            self.sink.send(Event::Repair(event));
            if stop {
                self.sink.send(Event::Note(format!("no further file was moved to quarantine: {reason}")));
                return Ok(());
            }
        }
        Ok(())
    }

    fn at_this_moment(&self) -> Result<Now<'_>, RunError> {
        match self.records.home {
            Home::Postgres => Ok(Now::Fresh(Box::new((self.again)()?), Instant::now())),
            // A dump says the same however often it is read; what is newer than it stays.
            Home::Dump | Home::None => Ok(Now::Same(self.records)),
        }
    }

    fn one(&self, loose: &Loose, now: &Records, in_use: &InUse) -> (RepairEvent, bool) {
        let event = |status, reason, bytes| RepairEvent {
            action: RepairAction::Quarantine,
            role: loose.role,
            path: loose.path.clone(),
            asset: None,
            status,
            reason,
            bytes,
        };
        let skipped = |why: &str| (event(RepairStatus::Skipped, why.to_owned(), None), false);
        if let Some(why) = self.stays(loose, now) {
            return skipped(why);
        }
        let there = match self.ground.stat(&loose.path, false) {
            Ok(there) if there.is_file() => there,
            Ok(_) => return skipped("a link, or no regular file"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return skipped("already gone"),
            Err(error) => return skipped(&error.to_string()),
        };
        let state = FileIdentity::from(&there);
        if self.is_newer(&state) {
            return skipped("newer than the records, which therefore cannot know it; use the live database");
        }
        match in_use {
            Ok(in_use) if in_use.contains(&(there.dev(), there.ino())) => {
                return skipped("open in another program");
            }
            Ok(_) => {}
            Err(late) => {
                return skipped(&format!(
                    "which files other programs have open cannot be told: one of them is on a file system that hangs ({late})"
                ));
            }
        }
        let content = match self.ground.open(&loose.path, false) {
            Ok((file, opened)) if opened == state => self.ground.content(&loose.path, &file),
            Ok(_) => return skipped("it changed while it was looked at"),
            Err(error) => return skipped(&error.to_string()),
        };
        let content = match content {
            Ok(content) => content,
            Err(error) => return skipped(&format!("cannot be read, so it cannot be kept: {error}")),
        };
        let stray = Stray { path: &loose.path, state, content, role: loose.role, asset: None };
        match self.quarantine.take(self.store, &stray, &setup::now()) {
            Ok((done, place)) => {
                let mut words = vec![format!(
                    "to {}; {} takes it back",
                    display_path(&place),
                    self.quarantine.way_back()
                )];
                words.extend(done.notes);
                (event(done.status, words.join("; "), Some(done.bytes)), false)
            }
            Err(error) => (event(error.status(), error.to_string(), None), error.stops_repair()),
        }
    }

    /// Why a file is not moved, as far as its path and the records tell.
    fn stays(&self, loose: &Loose, now: &Records) -> Option<&'static str> {
        if loose.external {
            return Some("in an external library, which is not Immich's own: scan it instead");
        }
        let Some((folder, below)) = self.folders.iter().find(|(folder, _)| loose.path.starts_with(folder))
        else {
            return Some("in none of the folders upload, library, thumbs and encoded-video");
        };
        let rest = loose.path.strip_prefix(folder).unwrap_or(&loose.path);
        if rest.components().any(|part| part.as_os_str().as_bytes().starts_with(b".")) {
            return Some("hidden");
        }
        let name = loose.path.file_name().unwrap_or_default();
        if looks_temporary(name) {
            return Some("named like a temporary file that somebody is still writing");
        }
        if is_recorded(now, &loose.path) || is_recorded(self.records, &loose.path) {
            return Some("a record names it by now");
        }
        if is_moving(now, self.map, &loose.path) {
            return Some("Immich is moving it, or has not finished to: see --relink");
        }
        if loose.role == Role::Sidecar && has_original(now, &loose.path) {
            return Some("the sidecar of an original that the records name");
        }
        if self.whereabouts.is_claimed(&loose.path) {
            return Some("it holds the bytes of a lost original: see --relink");
        }
        if self.may_be_last(below, rest) {
            return Some(
                "the original of its asset is not known to be sound: this may be the best copy left",
            );
        }
        None
    }

    /// Whether a file may be younger than what the records know.
    fn is_newer(&self, state: &FileIdentity) -> bool {
        let moment = match self.records.home {
            Home::Postgres => self.records.as_of.map(|as_of| asked(self.asked_at, as_of)),
            Home::Dump => self.records.earliest,
            Home::None => None,
        };
        // Uploads carry the time at which the picture was taken: only the change time tells when they came.
        moment.is_none_or(|moment| i128::from(state.mtime_ns.max(state.ctime_ns)) > moment.as_nanosecond())
    }

    /// Whether a generated file belongs to an asset whose original is not known to be sound.
    fn may_be_last(&self, folder: &str, rest: &Path) -> bool {
        let relative = Path::new(folder).join(rest);
        let Meaning::File(told) = meaning(relative.as_os_str().as_bytes()) else { return true };
        let owner: Option<AssetId> = told.id.filter(|_| told.role.is_generated() || told.motion);
        owner.is_some_and(|id| self.rescue.is_unsound(id))
    }
}

/// The moment before which the records know everything, by the clock of this machine. The server tells its own in
/// whole seconds; where its clock goes differently the earlier one counts.
fn asked(here: Timestamp, there: Timestamp) -> Timestamp {
    let apart = there.as_second().saturating_sub(here.as_second());
    if (0..=2).contains(&apart) { here } else { here.min(there) }
}

/// Endings that programs give to files they are still writing.
fn looks_temporary(name: &OsStr) -> bool {
    let name = name.as_bytes().to_ascii_lowercase();
    [&b".tmp"[..], b".temp", b".part", b".partial", b".crdownload", b"_exiftool_tmp", b"~", b".lock"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// The records that name a file.
fn records_of(records: &Records, path: &Path) -> Vec<FileIdx> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let Some(folder) = records.index.lookup_dir(folder) else { return Vec::new() };
    records.index.lookup(folder, name.as_bytes()).collect()
}

fn is_recorded(records: &Records, path: &Path) -> bool {
    !records_of(records, path).is_empty()
}

fn is_moving(records: &Records, map: &PathMap, path: &Path) -> bool {
    let paths = records.moves.iter().flat_map(|entry| [&entry.old_path, &entry.new_path]);
    paths.filter_map(|recorded| map.to_host(recorded)).any(|host| host == path)
}

/// Whether a sidecar lies beside an original: `a.jpg.xmp` or `a.xmp` beside `a.jpg`, whether or not that is there.
fn has_original(records: &Records, sidecar: &Path) -> bool {
    let whole = sidecar.with_extension("");
    if is_recorded(records, &whole) {
        return true;
    }
    let (Some(folder), Some(stem)) = (sidecar.parent(), whole.file_name()) else { return true };
    let Some(_) = records.index.lookup_dir(folder) else { return false };
    original_extensions().flat_map(|extension| [extension.to_owned(), extension.to_uppercase()]).any(
        |extension| {
            let mut name = stem.to_owned();
            name.push(".");
            name.push(extension);
            is_recorded(records, &folder.join(name))
        },
    )
}

/// Device and inode of files that other programs have open, or why that is not known.
type InUse = Result<HashSet<(u64, u64)>, String>;

/// Device and inode of every file that another process of this machine has open, as far as we may see. What the system knows of them
/// is enough: no server of a share is asked. `beat` is called for each of them.
fn open_files(beat: impl Fn()) -> HashSet<(u64, u64)> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let processes = processes.filter(|entry| {
        let name = entry.file_name();
        name.as_bytes().iter().all(u8::is_ascii_digit) && name != OsStr::new(&own)
    });
    processes
        .filter_map(|entry| fs::read_dir(entry.path().join("fd")).ok())
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|link| {
            beat();
            statx(CWD, link.path(), AtFlags::STATX_DONT_SYNC, StatxFlags::BASIC_STATS).ok()
        })
        .filter(|file| FileType::from_raw_mode(file.stx_mode.into()).is_file())
        .map(|file| (makedev(file.stx_dev_major, file.stx_dev_minor), file.stx_ino))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn unfinished_files_are_known_by_their_names() {
        for name in ["a.tmp", "IMG.JPG.part", "a.xmp_exiftool_tmp", "a.jpg~"] {
            assert!(looks_temporary(OsStr::new(name)), "{name}");
        }
        assert!(!looks_temporary(OsStr::new("tmp.jpg")));
    }

    #[test]
    fn files_that_others_have_open_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"x").unwrap();
        let there = fs::metadata(&path).unwrap();
        let key = (there.dev(), there.ino());
        assert!(!open_files(|| ()).contains(&key));
        let file = fs::File::open(&path).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").stdin(file).spawn().unwrap();
        let seen = open_files(|| ()).contains(&key);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen);
    }
}
