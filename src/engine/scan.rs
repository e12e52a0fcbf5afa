//! The walk: every entry of every folder that matters, once, in parallel, with the records that name it.
//!
//! Folders are work items of the current rayon pool, so the work balances itself whatever the tree's shape; one
//! descriptor is open for each thread. Names are read in large blocks and never copied one by one. Links to
//! folders are followed only where a root itself is one; nothing else leaves the trees that were asked for.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use super::Cancel;
use super::ground::deadline::Pulse;
use super::ground::{Ground, Place, Stuck, is_departure};
use super::roots::{Root, Roots};
use crate::immich::layout::{self, FileMeaning, Meaning};
use crate::immich::records::{FileIdx, RecordIndex};
use crate::model::{
    Code, Evidence, FileIdentity, Finding, Role, Severity, SkipReason, What, is_own_temporary,
};

/// Bytes of directory entries read at once.
const BLOCK: usize = 32 << 10;

/// One walked entry that is not a folder, or a folder that could not be looked into.
#[derive(Debug)]
pub enum Entry<'a> {
    /// A regular file, or a link to one.
    File(Found<'a>),
    /// Not looked at.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// The folder it is in.
        dir: &'a Path,
        /// Its name.
        name: &'a OsStr,
    },
    /// An entry that could not be looked at, with the records that name it. Counts as walked.
    Error {
        /// What happened.
        finding: Finding,
        /// Records that name it.
        records: &'a [FileIdx],
    },
    /// A folder that could not be looked into. Folders do not count as walked.
    Folder(Finding),
}

/// A file that the walk found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The folder it is in.
    pub dir: &'a Path,
    /// Its name.
    pub name: &'a OsStr,
    /// Size, times and inode, of the target when it is a link.
    pub identity: FileIdentity,
    /// Reached through a link.
    pub link: bool,
    /// The records that name it: usually one, but rows may share a file.
    pub records: &'a [FileIdx],
    /// What its path tells, when no record names it. Files of external libraries tell only by extension.
    pub meaning: Option<FileMeaning<'a>>,
    /// In an external library, outside the media location.
    pub external: bool,
}

impl Found<'_> {
    /// The path of the file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(self.name)
    }
}

/// What a walk has met. `walked = files + skipped + errors`, always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Entries that are not folders.
    pub walked: u64,
    /// Files handed on.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Entries skipped, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Entries that could not be looked at.
    pub errors: u64,
    /// Folders looked into.
    pub folders: u64,
    /// Folders that could not be looked into.
    pub folder_errors: u64,
    /// The walk was cancelled, or what it stands on went away: there is more.
    pub cancelled: bool,
}

impl Walked {
    /// Whether the counts add up.
    pub fn balances(&self) -> bool {
        self.walked == self.files + self.skipped.values().sum::<u64>() + self.errors
    }

    fn add(&mut self, other: &Self) {
        self.walked += other.walked;
        self.files += other.files;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.folders += other.folders;
        self.folder_errors += other.folder_errors;
        self.cancelled |= other.cancelled;
        for (reason, count) in &other.skipped {
            *self.skipped.entry(*reason).or_default() += count;
        }
    }
}

/// Walks all roots and hands every entry to `sink`, from several threads at once. Runs in the current rayon
/// pool. `index` must be resolved to this host. Ends early when a folder of `ground` is gone.
pub fn scan(
    roots: &Roots,
    index: &RecordIndex,
    (ground, cancel): (&Ground, &Cancel),
    sink: &(dyn Fn(Entry<'_>) + Sync),
) -> Walked {
    let walk = Walk { roots, index, ground, cancel, sink, total: Mutex::new(Walked::default()) };
    rayon::scope(|scope| {
        for root in roots.list() {
            scope.spawn(|scope| walk.folder(scope, root, &root.path, Above::default()));
        }
    });
    walk.total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

struct Walk<'a> {
    roots: &'a Roots,
    index: &'a RecordIndex,
    ground: &'a Ground,
    cancel: &'a Cancel,
    sink: &'a (dyn Fn(Entry<'_>) + Sync),
    total: Mutex<Walked>,
}

/// What a folder has from the one that it is in.
#[derive(Clone, Copy, Default)]
struct Above {
    /// Hidden, or below a hidden one.
    hidden: bool,
    /// What that is on; `None` for a root.
    device: Option<u64>,
}

/// What is true for all entries of one folder.
struct Folder<'a> {
    root: &'a Root,
    path: &'a Path,
    /// Below a hidden folder: external libraries do not take files from there.
    hidden: bool,
}

impl Folder<'_> {
    /// Whether it is the top of its tree.
    fn is_top(&self) -> bool {
        self.path == self.root.path
    }

    /// A folder in it, with whether that is hidden.
    fn child(&self, name: &OsStr) -> (OsString, bool) {
        (name.to_owned(), self.hidden || name.as_bytes().starts_with(b"."))
    }
}

impl<'a> Walk<'a> {
    fn folder<'s>(&'s self, scope: &rayon::Scope<'s>, root: &'s Root, path: &Path, above: Above)
    where
        'a: 's,
    {
        let mut count = Walked::default();
        if self.cancel.is_requested() || self.ground.gone().is_some() {
            count.cancelled = true;
        } else {
            let folder = Folder { root, path, hidden: above.hidden };
            let read = if self.ground.may_hang(path) {
                self.read_far(&folder, above, &mut count)
            } else {
                self.read_near(&folder, above, &mut count)
            };
            match read {
                Ok((children, device)) => {
                    for (name, hidden) in children {
                        let child = path.join(name);
                        if !self.roots.contains(&child) {
                            let above = Above { hidden, device };
                            scope.spawn(move |scope| self.folder(scope, root, &child, above));
                        }
                    }
                }
                // Gone since its name was read.
                Err(Errno::NOENT) if path != root.path => {}
                Err(errno) if self.is_gone(errno) => count.cancelled = true,
                Err(errno) => {
                    count.folder_errors += 1;
                    (self.sink)(Entry::Folder(unreadable_folder(path, errno)));
                }
            }
        }
        self.total.lock().unwrap_or_else(PoisonError::into_inner).add(&count);
    }

    /// Where a file system is mounted in a tree, it is part of what the run stands on.
    fn stand_on(&self, path: &Path, place: Option<Place>, above: Above) {
        if let (Some(place), Some(above)) = (place, above.device)
            && above != place.0
        {
            self.ground.hold_as(path, place);
        }
    }

    /// Whether an error is that of a folder of the run that went away.
    fn is_gone(&self, errno: Errno) -> bool {
        is_departure(errno) && self.ground.look().is_some()
    }

    /// Hands on all entries and returns the folders among them, with whether they are hidden, and the folder's device.
    fn read_near(&self, folder: &Folder<'_>, above: Above, count: &mut Walked) -> Result<Read, Errno> {
        let descriptor = open_folder(folder.path, folder.is_top())?;
        count.folders += 1;
        let place = place_of(&descriptor);
        self.stand_on(folder.path, place, above);
        let mut state = Entries::new(self, folder);
        let mut children = Vec::new();
        let end = each_entry(&descriptor, &mut |name, kind| {
            if state.entry(name, kind, count) {
                children.push(folder.child(name));
            }
        });
        self.end(folder, end, count);
        Ok((children, place.map(|place| place.0)))
    }

    /// The same of a folder on a share: all of it is read before any of it is handed on.
    fn read_far(&self, folder: &Folder<'_>, above: Above, count: &mut Walked) -> Result<Read, Errno> {
        let (path, top) = (folder.path.to_path_buf(), folder.is_top());
        let listing = match self.ground.ask(folder.path, move |pulse| Listing::of(&path, top, pulse)) {
            Ok(listing) => listing?,
            Err(stuck) => {
                // What hangs is told once for all of it.
                count.folder_errors += u64::from(stuck != Stuck::Cancelled);
                count.cancelled |= stuck == Stuck::Cancelled;
                return Ok((Vec::new(), None));
            }
        };
        count.folders += 1;
        self.stand_on(folder.path, listing.place, above);
        let mut state = Entries::new(self, folder);
        let mut children = Vec::new();
        for (name, kind) in listing.entries {
            if state.entry(&name, kind, count) {
                children.push(folder.child(&name));
            }
        }
        self.end(folder, listing.end, count);
        Ok((children, listing.place.map(|place| place.0)))
    }

    /// Tells if the entries of a folder ended with an error.
    fn end(&self, folder: &Folder<'_>, end: Result<(), Errno>, count: &mut Walked) {
        match end {
            Ok(()) => {}
            Err(errno) if self.is_gone(errno) => count.cancelled = true,
            Err(errno) => {
                count.folder_errors += 1;
                (self.sink)(Entry::Folder(unreadable_folder(folder.path, errno)));
            }
        }
    }
}

/// Names of the folders in a folder, with whether they are hidden, and its device.
type Read = (Vec<(OsString, bool)>, Option<u64>);

/// A folder on a share.
struct Listing {
    place: Option<Place>,
    entries: Vec<(OsString, Kind)>,
    end: Result<(), Errno>,
}

impl Listing {
    fn of(path: &Path, top: bool, pulse: &Pulse) -> Result<Self, Errno> {
        let descriptor = open_folder(path, top)?;
        let place = place_of(&descriptor);
        let mut entries = Vec::new();
        let end = each_entry(&descriptor, &mut |name, kind| {
            pulse.beat();
            entries.push((name.to_owned(), kind));
        });
        Ok(Self { place, entries, end })
    }
}

/// Calls `each` with the entries of a folder and what they are.
fn each_entry(descriptor: &OwnedFd, each: &mut dyn FnMut(&OsStr, Kind)) -> Result<(), Errno> {
    let mut block: Vec<u8> = Vec::with_capacity(BLOCK);
    let mut names = RawDir::new(descriptor.as_fd(), block.spare_capacity_mut());
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            each(name, kind(descriptor, name, entry.file_type()));
        }
    }
    Ok(())
}

/// What an entry turns out to be.
#[derive(Clone, Copy)]
enum Kind {
    Folder,
    File { identity: FileIdentity, link: bool },
    Other,
    Failed(Errno),
}

fn kind(descriptor: &OwnedFd, name: &OsStr, file_type: FileType) -> Kind {
    let stat = |flags| rustix::fs::statat(descriptor, name, flags);
    match file_type {
        FileType::Directory => Kind::Folder,
        FileType::RegularFile | FileType::Unknown => match stat(AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => match FileType::from_raw_mode(found.st_mode) {
                FileType::RegularFile => Kind::File { identity: identity(&found), link: false },
                FileType::Unknown => Kind::Other,
                other => kind(descriptor, name, other),
            },
            Err(errno) => Kind::Failed(errno),
        },
        FileType::Symlink => match stat(AtFlags::empty()) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile => {
                Kind::File { identity: identity(&found), link: true }
            }
            // A link to a folder, a broken one, or one that leads in a circle.
            Ok(_) | Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => Kind::Other,
            Err(errno) => Kind::Failed(errno),
        },
        _ => Kind::Other,
    }
}

/// The entries of one folder, with buffers that they share.
struct Entries<'w> {
    walk: &'w Walk<'w>,
    folder: &'w Folder<'w>,
    recorded: Option<crate::immich::records::HostDirId>,
    records: Vec<FileIdx>,
    /// Path relative to the media location, up to and with the last slash; `None` outside of it.
    relative: Option<Vec<u8>>,
    relative_dir: usize,
}

impl<'w> Entries<'w> {
    fn new(walk: &'w Walk<'w>, folder: &'w Folder<'w>) -> Self {
        let relative = folder.root.relative(folder.path);
        Self {
            walk,
            folder,
            recorded: walk.index.lookup_dir(folder.path),
            records: Vec::new(),
            relative_dir: relative.as_ref().map_or(0, Vec::len),
            relative,
        }
    }

    /// Deals with one entry; true for a folder to walk.
    fn entry(&mut self, name: &OsStr, kind: Kind, count: &mut Walked) -> bool {
        if matches!(kind, Kind::Folder) {
            return true;
        }
        if matches!(kind, Kind::Failed(errno) if self.walk.is_gone(errno)) {
            count.cancelled = true;
            return false;
        }
        // A link that is a root of its own is walked there.
        if matches!(kind, Kind::Other) && self.walk.roots.contains(&self.folder.path.join(name)) {
            return false;
        }
        count.walked += 1;
        self.records.clear();
        if let Some(dir) = self.recorded {
            self.records.extend(self.walk.index.lookup(dir, name.as_bytes()));
        }
        match kind {
            Kind::Folder => {}
            Kind::Other => self.skip(SkipReason::NotAFile, name, count),
            Kind::Failed(errno) => {
                count.errors += 1;
                let finding = self.unreadable(name, errno);
                (self.walk.sink)(Entry::Error { finding, records: &self.records });
            }
            Kind::File { identity, link } => self.file(name, identity, link, count),
        }
        false
    }

    fn file(&mut self, name: &OsStr, identity: FileIdentity, link: bool, count: &mut Walked) {
        let (dir, external) = (self.folder.path, self.relative.is_none());
        let meaning = if self.records.is_empty() {
            match meaning(self.folder, &mut self.relative, self.relative_dir, name) {
                Ok(meaning) => Some(meaning),
                Err(reason) => return self.skip(reason, name, count),
            }
        } else {
            None
        };
        count.files += 1;
        count.bytes += identity.size;
        let records = &self.records;
        (self.walk.sink)(Entry::File(Found { dir, name, identity, link, records, meaning, external }));
    }

    fn skip(&self, reason: SkipReason, name: &OsStr, count: &mut Walked) {
        *count.skipped.entry(reason).or_default() += 1;
        (self.walk.sink)(Entry::Skipped { reason, dir: self.folder.path, name });
    }

    fn unreadable(&mut self, name: &OsStr, errno: Errno) -> Finding {
        let path = self.folder.path.join(name);
        let first = self.records.first().copied();
        let role = match first {
            Some(file) => self.walk.index.file(file).role,
            None => meaning(self.folder, &mut self.relative, self.relative_dir, name)
                .map_or(Role::Unknown, |meaning| meaning.role),
        };
        let mut finding = Finding::new(Code::File(role, What::Unreadable))
            .at(path)
            .seen(errno_evidence(errno))
            .advise(unreadable_advice(errno));
        if let Some(file) = first {
            finding.record_path = Some(self.walk.index.record_path(file));
            finding.asset = self.walk.index.file(file).asset.map(|asset| self.walk.index.asset(asset).id);
        }
        finding
    }
}

/// What the path of a file without records tells, or why it is not looked at. `relative` is the buffer with
/// the folder's path below the media location, `kept` bytes of it.
fn meaning<'r>(
    folder: &Folder<'_>,
    relative: &'r mut Option<Vec<u8>>,
    kept: usize,
    name: &OsStr,
) -> Result<FileMeaning<'r>, SkipReason> {
    if let Some(relative) = relative {
        relative.truncate(kept);
        relative.extend_from_slice(name.as_bytes());
        return match layout::meaning(relative) {
            Meaning::Marker(_) => Err(SkipReason::Marker),
            Meaning::Backup => Err(SkipReason::Backup),
            Meaning::OwnTemporary => Err(SkipReason::OwnTemporary),
            Meaning::File(file) => Ok(file),
        };
    }
    if is_own_temporary(name) {
        return Err(SkipReason::OwnTemporary);
    }
    let name = name.as_bytes();
    if folder.hidden || name.starts_with(b".") || folder.root.excludes(folder.path, name) {
        return Err(SkipReason::NotMedia);
    }
    FileMeaning::by_extension(name).ok_or(SkipReason::NotMedia)
}

fn open_folder(path: &Path, root: bool) -> Result<OwnedFd, Errno> {
    let follow = if root { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
    rustix::fs::open(path, flags, Mode::empty())
}

fn unreadable_folder(path: &Path, errno: Errno) -> Finding {
    let mut finding = Finding::new(Code::File(Role::Unknown, What::Unreadable))
        .at(path)
        .seen(errno_evidence(errno).with("folder", true))
        .advise(unreadable_advice(errno));
    // The file system's own folder, which only root may read.
    if path.file_name().is_some_and(|name| name == "lost+found") && errno == Errno::ACCESS {
        finding.severity = Severity::Info;
        return finding
            .advise("nothing of Immich's is in there; run as root to see what a file system check saved");
    }
    finding
}

pub(super) fn errno_evidence(errno: Errno) -> Evidence {
    let error = io::Error::from(errno);
    Evidence::new().with("errno", errno.raw_os_error()).with("reason", error.to_string())
}

pub(super) fn unreadable_advice(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS | Errno::PERM => "run as a user who may read it, or mend owner and mode",
        Errno::IO | Errno::UCLEAN | Errno::BADMSG => {
            "the disk or its connection fails: look at the kernel log and the disk's SMART values, and secure a backup now"
        }
        Errno::STALE | Errno::TIMEDOUT | Errno::NOTCONN | Errno::HOSTDOWN => {
            "the network storage does not answer: check the mount and run again"
        }
        _ => "find out why the system refuses it, then run again",
    }
}

#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_fallible_conversions,
    reason = "the types differ by architecture"
)]
fn identity(stat: &Stat) -> FileIdentity {
    let time = |seconds: i64, nanoseconds: u64| {
        seconds.saturating_mul(1_000_000_000).saturating_add(i64::try_from(nanoseconds).unwrap_or(0))
    };
    let number = |value: i128| u64::try_from(value).unwrap_or(0);
    FileIdentity {
        device: number(stat.st_dev.into()),
        inode: number(stat.st_ino.into()),
        size: number(stat.st_size.into()),
        mtime_ns: time(stat.st_mtime.into(), number(stat.st_mtime_nsec.into())),
        ctime_ns: time(stat.st_ctime.into(), number(stat.st_ctime_nsec.into())),
    }
}

fn place_of(descriptor: &OwnedFd) -> Option<Place> {
    let identity = identity(&rustix::fs::fstat(descriptor).ok()?);
    Some((identity.device, identity.inode))
}
