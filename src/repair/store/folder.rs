//! Finding a target's folder without following links, and making what is missing of it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::gate::{Gate, Step};
use super::{Area, Holds, Refusal, StoreError};
use crate::model::{FileIdentity, is_own_temporary};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How many entries of a folder are looked at to find a sibling.
const SIBLINGS: usize = 64;

/// An area whose anchor is held open, so that an unmount in the middle of a run cannot turn writes to
/// whatever lies under the mount point.
pub(super) struct HeldArea {
    area: Area,
    anchor: OwnedFd,
}

impl HeldArea {
    pub(super) fn open(area: &Area) -> Result<Self, StoreError> {
        let anchor = fs::openat(CWD, &area.anchor, FOLDER, Mode::empty())
            .map_err(|errno| StoreError::system(&area.anchor, Step::OpenFolder, errno))?;
        Ok(Self { area: area.clone(), anchor })
    }

    /// Splits a target of this area into its folders below the anchor and its name; `None` when it lies
    /// elsewhere.
    fn place<'t>(&self, target: &'t Path) -> Option<(&'t Path, &'t OsStr)> {
        let below = target.strip_prefix(&self.area.anchor).ok()?;
        below.strip_prefix(&self.area.below).ok()?;
        let name = below.file_name()?;
        let folders = below.parent()?;
        folders.starts_with(&self.area.below).then_some((folders, name))
    }
}

/// Where a target is: its area, its folders below the area's anchor, its name.
pub(super) struct Place<'a> {
    area: &'a HeldArea,
    folders: &'a Path,
    pub(super) name: &'a OsStr,
}

impl Place<'_> {
    pub(super) const fn holds(&self) -> Holds {
        self.area.area.holds
    }
}

/// Finds the innermost area of `target`.
pub(super) fn locate<'a>(areas: &'a [HeldArea], target: &'a Path) -> Result<Place<'a>, Refusal> {
    let plain = target.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !plain || target.file_name().is_none() {
        return Err(Refusal::NotPlain);
    }
    areas
        .iter()
        .filter_map(|area| area.place(target).map(|(folders, name)| Place { area, folders, name }))
        .min_by_key(|place| place.folders.components().count())
        .ok_or(Refusal::OutsideAreas)
}

/// A folder that was made for a file, to be removed if the file is not written after all.
pub(super) struct Made {
    parent: OwnedFd,
    name: OsString,
}

impl Made {
    pub(super) fn remove(&self, gate: &dyn Gate) {
        if gate.pass(Step::Remove).is_ok() {
            // Fails when somebody has put something into it meanwhile, which is then right.
            let _ = fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR);
        }
    }
}

/// Opens the target's folder component by component, following no link; `None` when it is not there.
pub(super) fn open(place: &Place<'_>, target: &Path, gate: &dyn Gate) -> Result<Option<OwnedFd>, StoreError> {
    let mut walk = Walk::begin(place, target, gate)?;
    for part in place.folders {
        if !walk.enter(part)? {
            return Ok(None);
        }
    }
    Ok(Some(walk.folder))
}

/// The same, making what is missing. On failure the folders made so far are removed again.
pub(super) fn open_or_make(
    place: &Place<'_>,
    target: &Path,
    gate: &dyn Gate,
) -> Result<(OwnedFd, Vec<Made>), StoreError> {
    let mut made = Vec::new();
    let mut walk = Walk::begin(place, target, gate)?;
    for part in place.folders {
        let step = match walk.enter(part) {
            Ok(true) => Ok(()),
            Ok(false) => walk.make(part, &mut made),
            Err(error) => Err(error),
        };
        if let Err(error) = step {
            made.iter().rev().for_each(|folder: &Made| folder.remove(gate));
            return Err(error);
        }
    }
    Ok((walk.folder, made))
}

struct Walk<'a> {
    gate: &'a dyn Gate,
    target: &'a Path,
    path: PathBuf,
    folder: OwnedFd,
}

impl<'a> Walk<'a> {
    fn begin(place: &Place<'_>, target: &'a Path, gate: &'a dyn Gate) -> Result<Self, StoreError> {
        let path = place.area.area.anchor.clone();
        let folder = gate
            .pass(Step::OpenFolder)
            .and_then(|()| Ok(rustix::io::fcntl_dupfd_cloexec(&place.area.anchor, 0)?))
            .map_err(|error| StoreError::system(target, Step::OpenFolder, error))?;
        Ok(Self { gate, target, path, folder })
    }

    fn enter(&mut self, part: &OsStr) -> Result<bool, StoreError> {
        let opened = self
            .gate
            .pass(Step::OpenFolder)
            .and_then(|()| Ok(fs::openat(&self.folder, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?));
        match opened {
            Ok(folder) => {
                self.path.push(part);
                self.folder = folder;
                Ok(true)
            }
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT) => Ok(false),
                Some(Errno::LOOP | Errno::NOTDIR) => {
                    Err(StoreError::refused(self.target, Refusal::FolderNotReal(self.path.join(part))))
                }
                _ => Err(StoreError::system(self.target, Step::OpenFolder, error)),
            },
        }
    }

    fn make(&mut self, part: &OsStr, made: &mut Vec<Made>) -> Result<(), StoreError> {
        let fail = |step, error: io::Error| StoreError::system(self.target, step, error);
        let parent = attributes(self.folder.as_fd(), self.gate).map_err(|error| fail(Step::Look, error))?;
        let mut created = true;
        self.gate
            .pass(Step::MakeFolder)
            .and_then(|()| match fs::mkdirat(&self.folder, part, Mode::RWXU) {
                Err(Errno::EXIST) => {
                    created = false;
                    Ok(())
                }
                other => Ok(other?),
            })
            .map_err(|error| fail(Step::MakeFolder, error))?;
        let above = rustix::io::fcntl_dupfd_cloexec(&self.folder, 0)
            .map_err(|errno| fail(Step::OpenFolder, errno.into()))?;
        if created {
            made.push(Made { parent: above, name: part.to_owned() });
        }
        if !self.enter(part)? {
            return Err(StoreError::system(self.target, Step::OpenFolder, Errno::NOENT));
        }
        if created {
            let fail = |step, error: io::Error| StoreError::system(self.target, step, error);
            parent.give(self.folder.as_fd(), self.gate).map_err(|(step, error)| fail(step, error))?;
            let above = made.last().map(|folder| folder.parent.as_fd());
            sync_folder(above, self.gate).map_err(|error| fail(Step::SyncFolder, error))?;
        }
        Ok(())
    }
}

/// Syncs a folder; file systems that cannot are not asked twice.
pub(super) fn sync_folder(folder: Option<BorrowedFd<'_>>, gate: &dyn Gate) -> io::Result<()> {
    gate.pass(Step::SyncFolder)?;
    let Some(folder) = folder else { return Ok(()) };
    match fs::fsync(folder) {
        Ok(()) => gate.synced(folder),
        Err(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(())
}

/// State of `name` in `folder`, not following a link; `None` when it is not there.
pub(super) fn look(folder: BorrowedFd<'_>, name: &OsStr, gate: &dyn Gate) -> io::Result<Option<Stat>> {
    gate.pass(Step::Look)?;
    match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether a target may be replaced, by what is there now.
pub(super) fn replaceable(stat: &Stat) -> Result<(), Refusal> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Symlink => Err(Refusal::SymbolicLink),
        _ => Err(Refusal::NotAFile),
    }
}

/// The identity that a `stat` tells.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    trivial_numeric_casts,
    reason = "the fields' types differ between architectures; the kernel's values fit"
)]
pub(super) fn identity(stat: &Stat) -> FileIdentity {
    let nanoseconds = |seconds: i64, part: i64| seconds.saturating_mul(1_000_000_000).saturating_add(part);
    FileIdentity {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size: stat.st_size as u64,
        mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
    }
}

/// Who owns a file and who may do what with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    uid: u32,
    gid: u32,
    /// Permission bits, set-group-id and sticky included.
    mode: u32,
}

impl From<&Stat> for Attributes {
    fn from(stat: &Stat) -> Self {
        Self { uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode & 0o7777 }
    }
}

/// Attributes of an open file or folder.
pub(super) fn attributes(file: BorrowedFd<'_>, gate: &dyn Gate) -> io::Result<Attributes> {
    gate.pass(Step::Look)?;
    Ok(Attributes::from(&fs::fstat(file)?))
}

/// The attributes a new file should have: of the file it replaces, else of a sibling, else of the folder
/// without the right to execute.
pub(super) fn like_siblings(
    folder: BorrowedFd<'_>,
    replaced: Option<&Stat>,
    gate: &dyn Gate,
) -> io::Result<Attributes> {
    let of_file = |stat: &Stat| {
        let found = Attributes::from(stat);
        Attributes { mode: found.mode & 0o777, ..found }
    };
    if let Some(stat) = replaced {
        return Ok(of_file(stat));
    }
    gate.pass(Step::Look)?;
    for entry in fs::Dir::read_from(folder)?.take(SIBLINGS) {
        let entry = entry?;
        let name = std::os::unix::ffi::OsStrExt::from_bytes(entry.file_name().to_bytes());
        if is_own_temporary(name) || name == ".immich" {
            continue;
        }
        if let Ok(stat) = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        {
            return Ok(of_file(&stat));
        }
    }
    let folder = attributes(folder, gate)?;
    Ok(Attributes { mode: folder.mode & 0o666, ..folder })
}

impl Attributes {
    /// Gives these attributes to an open file or folder. An owner that cannot be given (not root, or a
    /// file system without owners) is no error; the answer then says so.
    pub(super) fn give(
        self,
        to: BorrowedFd<'_>,
        gate: &dyn Gate,
    ) -> Result<Option<String>, (Step, io::Error)> {
        let now = attributes(to, gate).map_err(|error| (Step::Look, error))?;
        let mut note = None;
        if (now.uid, now.gid) != (self.uid, self.gid) {
            let (uid, gid) = (fs::Uid::from_raw(self.uid), fs::Gid::from_raw(self.gid));
            let given = gate.pass(Step::Own).and_then(|()| Ok(fs::fchown(to, Some(uid), Some(gid))?));
            if let Err(error) = given {
                if !is_not_ours_to_set(&error) {
                    return Err((Step::Own, error));
                }
                note = Some(format!(
                    "owner stays {}:{} instead of {}:{} ({error}); run as root to keep owners",
                    now.uid, now.gid, self.uid, self.gid
                ));
            }
        }
        if now.mode != self.mode {
            let mode = Mode::from_raw_mode(self.mode);
            let given = gate.pass(Step::Permit).and_then(|()| Ok(fs::fchmod(to, mode)?));
            match given {
                Err(error) if !is_not_ours_to_set(&error) => return Err((Step::Permit, error)),
                Err(error) if note.is_none() => {
                    note = Some(format!("mode stays {:o} instead of {:o} ({error})", now.mode, self.mode));
                }
                _ => {}
            }
        }
        Ok(note)
    }
}

/// Errors of chown and chmod that say "not you" or "not here" rather than "something broke".
fn is_not_ours_to_set(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::NOTSUP | Errno::NOSYS)
    )
}
