//! The file systems that a run stands on: whether they are still the ones of its beginning, and whether they answer.
//!
//! When a disk is unmounted in the middle of a run, each of its files seems to be gone. So before anything is called missing or
//! unreadable, each folder that the run began with is looked at: one that is on another device now, that is another folder, or
//! that is not there any more, ends the run. A share that hangs costs the files on it, and the run goes on elsewhere.

pub mod deadline;
mod dumps;
mod handle;
pub mod mounted;
mod patient;
mod shares;

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::cancel::Cancel;
use super::open::{self, OpenError};
use crate::immich::mounts::GuardError;
use crate::model::FileIdentity;
use crate::repair::store::{Content, content_of};
use deadline::Pulse;
pub use handle::Handle;
use mounted::Mount;
pub use patient::Patient;
use shares::Shares;
pub use shares::Stuck;

/// How long a share may take for one call, unless another time is asked for: a disk behind it may have to start.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Device and inode.
pub type Place = (u64, u64);

/// Says what a folder is.
type Look = dyn Fn(&Path) -> io::Result<Place> + Send + Sync;

/// The folders are looked at so often while nothing is wrong.
const NOW_AND_THEN: Duration = Duration::from_secs(2);

/// What the folders of a run are on.
pub struct Ground {
    look: Arc<Look>,
    held: Mutex<Vec<(PathBuf, Place)>>,
    gone: OnceLock<GuardError>,
    looked: Mutex<Instant>,
    shares: Arc<Shares>,
}

impl Default for Ground {
    fn default() -> Self {
        Self::new(|path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())))
    }
}

impl Ground {
    /// With another way to learn what a folder is, and without shares.
    pub fn new(look: impl Fn(&Path) -> io::Result<Place> + Send + Sync + 'static) -> Self {
        let (held, gone, shares) = (Mutex::default(), OnceLock::new(), Arc::default());
        Self { look: Arc::new(look), held, gone, looked: Mutex::new(Instant::now()), shares }
    }

    /// That of this machine. A share that lets a call wait for longer than `patience` hangs.
    pub fn here(patience: Duration, cancel: &Cancel) -> Self {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self::on(mounted::table(&table), patience, cancel)
    }

    /// With these mounts.
    pub fn on(mounts: Vec<Mount>, patience: Duration, cancel: &Cancel) -> Self {
        Self { shares: Arc::new(Shares::new(mounts, patience, cancel.clone())), ..Self::default() }
    }

    /// Whether a call on this path may hang.
    pub fn may_hang(&self, path: &Path) -> bool {
        self.shares.may_hang(path)
    }

    /// How long a call on this path may take; `None` where it cannot hang.
    pub fn patience(&self, path: &Path) -> Option<Duration> {
        self.may_hang(path).then(|| self.shares.patience())
    }

    /// Makes a call on a path: here, or where it may hang, in a thread that is left behind when it does. Work of several calls
    /// gives a sign between them.
    pub fn ask<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Pulse) -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        self.shares.ask(path, work)
    }

    /// Makes calls that may end on any file system of this machine, and gives signs between them. The error says that one hangs.
    pub fn anywhere<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Pulse) -> T + Send + 'static,
    ) -> Result<T, String> {
        self.shares.anywhere(work).map_err(|late| late.to_string())
    }

    /// Opens a regular file; a link is followed only with `links`.
    pub fn open(&self, path: &Path, links: bool) -> Result<(File, FileIdentity), OpenError> {
        let own = path.to_path_buf();
        let opened =
            self.ask(path, move |_| if links { open::open_read(&own) } else { open::open_no_link(&own) });
        opened.unwrap_or_else(|stuck| Err(OpenError::Hangs(stuck.to_string())))
    }

    /// What the system says of a path; a link is followed only with `links`. A share that hangs gives an error without a number.
    pub fn stat(&self, path: &Path, links: bool) -> io::Result<Metadata> {
        let own = path.to_path_buf();
        let told = self.ask(path, move |_| if links { fs::metadata(own) } else { fs::symlink_metadata(own) });
        told.unwrap_or_else(|stuck| Err(io::Error::other(stuck.to_string())))
    }

    /// Size and SHA-1 of an open file; its path tells what it is on.
    pub fn content(&self, path: &Path, file: &File) -> Result<Content, OpenError> {
        let file = file.try_clone()?;
        let content = self.ask(path, move |pulse| content_of(&file, || pulse.beat()));
        content.unwrap_or_else(|stuck| Err(io::Error::other(stuck.to_string()))).map_err(OpenError::Io)
    }

    /// Looks into a folder, if it is on a share, to know whether that answers.
    pub fn try_out(&self, folder: &Path) -> Result<(), Stuck> {
        let folder = &std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        self.shares.follow(folder);
        if !self.may_hang(folder) {
            return Ok(());
        }
        let own = folder.clone();
        self.ask(folder, move |pulse| {
            let entries = fs::read_dir(own);
            pulse.beat();
            // Whatever comes is an answer.
            let _ = entries.map(|mut entries| entries.next());
        })
    }

    /// Whether a folder is on a share that hangs.
    pub fn hangs(&self, folder: &Path) -> bool {
        self.try_out(folder).is_err()
    }

    /// Whether a share has hung. Cheap.
    pub fn has_hung(&self) -> bool {
        self.shares.has_hung()
    }

    /// The shares that have hung since this was asked last.
    pub fn newly_silent(&self) -> Vec<GuardError> {
        self.shares.silent(false)
    }

    /// The shares that have hung.
    pub fn silent(&self) -> Vec<GuardError> {
        self.shares.silent(true)
    }

    /// Remembers what a folder is, if it is there.
    pub fn hold(&self, folder: &Path) {
        if let Some(Ok(place)) = self.place(folder) {
            self.hold_as(folder, place);
        }
    }

    fn place(&self, folder: &Path) -> Option<io::Result<Place>> {
        let (look, own) = (Arc::clone(&self.look), folder.to_path_buf());
        self.ask(folder, move |_| look(&own)).ok()
    }

    /// The same for a folder of which that is known already.
    pub fn hold_as(&self, folder: &Path, place: Place) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push((folder.to_path_buf(), place));
    }

    /// What was found to be gone so far. Cheap.
    pub fn gone(&self) -> Option<&GuardError> {
        self.gone.get()
    }

    /// Looks at every folder once more; what is gone stays so.
    pub fn look(&self) -> Option<&GuardError> {
        if self.gone.get().is_none() {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(gone) = held.iter().find_map(|(folder, place)| self.trouble(folder, *place)) {
                self.gone.get_or_init(|| gone);
            }
        }
        self.gone.get()
    }

    /// The same, but not oftener than is of use.
    pub fn look_now_and_then(&self) -> Option<&GuardError> {
        let due = self.looked.try_lock().is_ok_and(|mut looked| {
            let due = looked.elapsed() >= NOW_AND_THEN;
            if due {
                *looked = Instant::now();
            }
            due
        });
        if due { self.look() } else { self.gone() }
    }

    fn trouble(&self, folder: &Path, place: Place) -> Option<GuardError> {
        // One that hangs is not gone.
        let reason = match self.place(folder)? {
            Ok(now) if now == place => return None,
            Ok((device, _)) if device == place.0 => {
                "another folder is there than at the beginning of the run".to_owned()
            }
            Ok(_) => "it is on another file system than at the beginning of the run".to_owned(),
            Err(error) if Errno::from_io_error(&error).is_some_and(is_departure) => {
                format!("it cannot be reached any more ({error})")
            }
            Err(_) => return None,
        };
        Some(GuardError::Gone { path: folder.to_path_buf(), reason })
    }
}

/// Whether a file or folder that answers so may have been unmounted, or its disk pulled out.
pub fn is_departure(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::NOTCONN
            | Errno::STALE
            | Errno::IO
            | Errno::NODEV
            | Errno::NXIO
            | Errno::SHUTDOWN
            | Errno::CONNABORTED
            | Errno::HOSTDOWN
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test should panic")]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Devices that a test sets; 0 is an error with this number.
    fn ground(errno: Errno) -> (Ground, Arc<AtomicU64>) {
        let device = Arc::new(AtomicU64::new(77));
        let shared = Arc::clone(&device);
        let look = move |path: &Path| match shared.load(Ordering::Relaxed) {
            _ if path.starts_with("/elsewhere") => Ok((3, 3)),
            0 => Err(errno.into()),
            place => Ok((place / 10, place)),
        };
        (Ground::new(look), device)
    }

    #[test]
    fn a_folder_on_another_device_or_on_none_is_gone() {
        for (now, errno, words) in [
            (99, Errno::PERM, "another file system"),
            (78, Errno::PERM, "another folder"),
            (0, Errno::NOENT, "No such file"),
            (0, Errno::NOTCONN, "not connected"),
            (0, Errno::IO, "os error 5"),
        ] {
            let (ground, device) = ground(errno);
            ground.hold(Path::new("/elsewhere"));
            ground.hold(Path::new("/srv/immich/upload"));
            assert!(ground.look().is_none());
            device.store(now, Ordering::Relaxed);
            assert!(ground.gone().is_none(), "nobody has looked yet");
            let told = ground.look().unwrap().to_string();
            assert!(told.contains("/srv/immich/upload") && told.contains(words), "{told}");
            device.store(77, Ordering::Relaxed);
            assert!(
                ground.look().is_some() && ground.gone().is_some(),
                "what was gone in between is not trusted"
            );
        }
    }

    #[test]
    fn rights_that_were_taken_away_are_no_unmounted_disk() {
        let (ground, device) = ground(Errno::ACCESS);
        ground.hold(Path::new("/srv/immich"));
        device.store(0, Ordering::Relaxed);
        assert!(ground.look().is_none());
        // What was not there at the beginning is nobody's ground.
        let (ground, device) = self::ground(Errno::NOENT);
        device.store(0, Ordering::Relaxed);
        ground.hold(Path::new("/srv/immich"));
        assert!(ground.look().is_none());
    }
}
