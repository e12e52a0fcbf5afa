//! What was verified when, and what earlier runs found: one SQLite file in the state folder.
//!
//! One catalog serves any number of media locations, external libraries and verified folders: it knows
//! files by their absolute path on this host, as bytes. One run at a time uses it, which an advisory lock
//! guards; readers of old reports need no lock. Losing the catalog loses no picture: the next run verifies
//! everything anew.
//!
//! All SQL runs on one thread of the catalog's own. Results are told to it through a bounded channel and
//! written in batches, one transaction each; a run that is killed loses at most the last second of them and
//! leaves a valid file, since SQLite writes ahead. The database syncs at checkpoints only: a power cut may
//! take back the last transactions, never tear one. A file that is damaged all the same is put aside, and a new one begun.

mod aside;
mod batch;
mod bulk;
mod clock;
mod db;
mod error;
mod files;
mod held;
mod knowledge;
mod lock;
mod manifest;
mod raw;
mod recent;
mod renew;
mod run_rows;
mod runs;
mod schema;
mod state;
mod trusted;
mod writer;

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::{CoveredDay, DecoderId, FileIdentity};

pub use error::CatalogError;
pub use held::Held;
pub use knowledge::{Folder, Knowledge, Wish};
pub use manifest::{Entry as ManifestEntry, Manifest, Rights, hex};
pub use runs::{LineKind, RETAINED_RUNS, RunEnd, RunLine, RunRecord, RunStart};
pub use state::{Overview, Pruned};
pub use trusted::{Known, Remembered, Trusted};

use db::{Access, Db};
use lock::RunLock;
use recent::{Answer, Recent};
use writer::{Asked, Writer};

/// The database's file name in the state folder.
pub const FILE_NAME: &str = "catalog.sqlite";

/// The folder where the catalog is kept unless `--state` names another: `$XDG_STATE_HOME/photofsck`, for
/// root `/var/lib/photofsck`, else `~/.local/state/photofsck`. `None` when there is no home folder either.
pub fn default_state_dir(variable: impl Fn(&str) -> Option<OsString>, root: bool) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(state) = folder("XDG_STATE_HOME") {
        return Some(state.join("photofsck"));
    }
    if root {
        return Some(PathBuf::from("/var/lib/photofsck"));
    }
    folder("HOME").map(|home| home.join(".local/state/photofsck"))
}

/// What a run may trust, while it is being read.
pub struct Reading<'a> {
    asked: Asked<'a, Trusted>,
    catalog: &'a Catalog,
    stop: Arc<AtomicBool>,
}

impl Reading<'_> {
    /// Waits until all of it is there.
    pub fn wait(self) -> Result<Trusted, CatalogError> {
        match self.asked.wait() {
            // Nothing is known any more.
            Err(CatalogError::Damaged { .. }) if self.catalog.put_aside().is_some() => Ok(Trusted::default()),
            other => other,
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// An open catalog. Shared by reference between threads.
pub struct Catalog {
    // Dropped in this order: everything is written before the lock is given back.
    writer: Writer,
    _lock: Option<RunLock>,
    // Held while the thread is asked or told about files, so that it never lags behind; the thread itself
    // never takes it.
    recent: Mutex<Recent>,
}

impl Catalog {
    /// Opens the catalog in `state_dir` for a run of `command`, making folder and file when they are not
    /// there. Fails with [`CatalogError::InUse`] while another run has it.
    pub fn open(state_dir: &Path, command: &str) -> Result<Self, CatalogError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state_dir)
            .map_err(|error| CatalogError::from_io(state_dir, &error))?;
        let lock = RunLock::take(state_dir, command)?;
        let writer = Writer::start(&state_dir.join(FILE_NAME), Access::Write)?;
        Ok(Self { writer, _lock: Some(lock), recent: Mutex::default() })
    }

    /// Where a damaged catalog was put, in whose place there is a new one now.
    pub fn put_aside(&self) -> Option<&Path> {
        self.writer.aside()
    }

    /// Asks once more if there is a new catalog because of the first time.
    fn twice<T>(&self, ask: impl Fn() -> Result<T, CatalogError>) -> Result<T, CatalogError> {
        match ask() {
            Err(CatalogError::Damaged { .. }) if self.put_aside().is_some() => ask(),
            other => other,
        }
    }

    /// Opens it for looking only, also while a run uses it.
    pub fn open_read_only(state_dir: &Path) -> Result<Self, CatalogError> {
        let writer = Writer::start(&state_dir.join(FILE_NAME), Access::Read)?;
        Ok(Self { writer, _lock: None, recent: Mutex::default() })
    }

    /// The time of a run that begins when the wall clock says `wall` (seconds since 1970), by which ages count: `wall`, unless
    /// that clock has jumped since the latest run. `gap`: the usual time from run to run.
    pub fn advance(&self, wall: i64, gap: Duration) -> Result<i64, CatalogError> {
        self.twice(|| self.writer.ask(move |db| db.advance(wall, gap)))
    }

    /// The time of the latest run, as [`Catalog::advance`] gave it.
    pub fn latest(&self) -> Result<Option<i64>, CatalogError> {
        self.writer.ask(Db::latest)
    }

    /// Notes what was learned about a file. Returns at once; a failure of the database shows at this or a
    /// later call, and from then on nothing more is noted.
    pub fn record(&self, path: &Path, knowledge: Knowledge) -> Result<(), CatalogError> {
        let (folder, name) = files::split(path);
        let mut recent = self.recent();
        recent.update(folder, name, &knowledge);
        let path = path.to_owned();
        self.writer.tell(move |db| db.record(path, knowledge))
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known about the file, whether it still holds or not. Cheap when files are asked about folder
    /// by folder.
    pub fn previous(&self, path: &Path) -> Result<Option<Knowledge>, CatalogError> {
        let (folder, name) = files::split(path);
        let mut recent = self.recent();
        if matches!(recent.answer(folder, name), Answer::AskForFolder) {
            let files = self.twice(|| {
                let asked = folder.to_owned();
                self.writer.look(move |db| db.folder(&asked, Some(recent::FILES)))
            })?;
            recent.keep(folder, files);
        }
        if let Answer::Known(known) = recent.answer(folder, name) {
            return Ok(known);
        }
        self.twice(|| {
            let (folder, name) = (folder.to_owned(), name.to_owned());
            self.writer.look(move |db| db.file(&folder, &name))
        })
    }

    /// What is known about a file if that makes looking at it again unnecessary; see [`Knowledge::holds`].
    pub fn trusted(
        &self,
        path: &Path,
        identity: &FileIdentity,
        wish: &Wish,
    ) -> Result<Option<Knowledge>, CatalogError> {
        Ok(self.previous(path)?.filter(|known| known.holds(identity, wish)))
    }

    /// Begins to read everything that was sound, for a run that will ask about most of its files. Dropping what
    /// is returned ends that.
    pub fn read_trusted(&self, wish: &Wish) -> Result<Reading<'_>, CatalogError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (wish, stopped) = (wish.clone(), Arc::clone(&stop));
        let asked = self.writer.begin(move |db| db.flush().and_then(|()| db.trusted(&wish, &stopped)))?;
        Ok(Reading { asked, stop, catalog: self })
    }

    /// The files of which nothing is due. Reads all that is known.
    pub fn held(&self, wish: &Wish) -> Result<Held, CatalogError> {
        self.twice(|| {
            let wish = wish.clone();
            self.writer.ask(move |db| db.held(&wish))
        })
    }

    /// What is known about all files of one folder, in one question.
    pub fn folder(&self, folder: &Path) -> Result<Folder, CatalogError> {
        let folder = folder.to_owned();
        Ok(self.writer.ask(move |db| db.folder(&folder, None))?.unwrap_or_default())
    }

    /// Begins the record of a run. Lines may be added until [`Catalog::finish_run`].
    pub fn begin_run(&self, start: RunStart) -> Result<(), CatalogError> {
        let start = Arc::new(start);
        self.twice(|| {
            let start = Arc::clone(&start);
            self.writer.ask(move |db| db.begin_run(&start))
        })
    }

    /// Adds something to the run that was begun last. Returns at once, as `record` does.
    pub fn add_line(&self, line: RunLine) -> Result<(), CatalogError> {
        self.writer.tell(move |db| db.add_line(line))
    }

    /// Ends the record of the run and forgets the oldest runs beyond [`RETAINED_RUNS`].
    pub fn finish_run(&self, end: RunEnd) -> Result<(), CatalogError> {
        let end = Arc::new(end);
        self.twice(|| {
            let end = Arc::clone(&end);
            self.writer.ask(move |db| db.finish_run(&end))
        })
    }

    /// The runs on record, the newest first.
    pub fn runs(&self) -> Result<Vec<RunRecord>, CatalogError> {
        self.twice(|| self.writer.ask(Db::runs))
    }

    /// The run whose id begins with `id`; `None` when there is none or more than one.
    pub fn run(&self, id: &str) -> Result<Option<RunRecord>, CatalogError> {
        let runs = self.runs()?;
        if let Some(exact) = runs.iter().position(|run| run.run_id == id) {
            return Ok(runs.into_iter().nth(exact));
        }
        let mut matching = runs.into_iter().filter(|run| !id.is_empty() && run.run_id.starts_with(id));
        let first = matching.next();
        Ok(if matching.next().is_none() { first } else { None })
    }

    /// Gives every line of a run to `each`, in the order in which they came.
    pub fn run_lines(&self, run_id: &str, mut each: impl FnMut(RunLine)) -> Result<(), CatalogError> {
        let mut after = -1;
        loop {
            let run_id = run_id.to_owned();
            let page = self.writer.ask(move |db| db.run_lines(&run_id, after))?;
            let Some(last) = page.last().map(|(sequence, _)| *sequence) else { return Ok(()) };
            after = last;
            for (_, line) in page {
                each(line);
            }
        }
    }

    /// How many files were verified last on which day, the oldest first.
    pub fn coverage(&self) -> Result<Vec<CoveredDay>, CatalogError> {
        self.writer.ask(Db::coverage)
    }

    /// The decoders that have given verdicts.
    pub fn decoders(&self) -> Result<Vec<DecoderId>, CatalogError> {
        self.writer.ask(Db::decoders)
    }

    /// Numbers for `state show`.
    pub fn overview(&self) -> Result<Overview, CatalogError> {
        self.writer.ask(Db::overview)
    }

    /// Writes the manifest: where the library is, then one line for every known file, ordered by folder and name; files that
    /// were removed are left out. Returns how many files.
    pub fn export(&self, out: &mut dyn Write) -> Result<u64, CatalogError> {
        let failed = |error: std::io::Error| CatalogError::Export(error.to_string());
        let there = manifest::write_origin(out, &self.runs()?).map_err(failed)?;
        let mut count = 0;
        for folder in self.writer.ask(Db::folders)? {
            for (name, known) in self.folder(&folder)?.sorted() {
                count +=
                    u64::from(manifest::write_entry(out, &folder.join(name), known, there).map_err(failed)?);
            }
        }
        Ok(count)
    }

    /// Calls `each` with the path and the BLAKE3 of every known file.
    pub fn each(&self, each: &mut dyn FnMut(&Path, Option<[u8; 32]>)) -> Result<(), CatalogError> {
        for folder in self.writer.ask(Db::folders)? {
            for (name, known) in self.folder(&folder)?.sorted() {
                each(&folder.join(name), known.blake3);
            }
        }
        Ok(())
    }

    /// Forgets files last verified before `verified_before` (seconds since 1970) and all but the newest
    /// `keep_runs` runs, and gives the room back. Files that are still there are verified anew long before
    /// a sensible limit; what is forgotten this way is gone.
    pub fn prune(&self, verified_before: i64, keep_runs: u32) -> Result<Pruned, CatalogError> {
        self.recent().clear();
        self.writer.ask(move |db| db.prune(verified_before, keep_runs))
    }

    /// Moves everything known below `old` to `new`. What is already known at the new place wins. Returns
    /// the number of files moved.
    pub fn rebase(&self, old: &Path, new: &Path) -> Result<u64, CatalogError> {
        self.recent().clear();
        let (old, new) = (old.to_owned(), new.to_owned());
        self.writer.ask(move |db| db.rebase(&old, &new))
    }

    /// Writes what is still waiting.
    pub fn flush(&self) -> Result<(), CatalogError> {
        self.writer.ask(Db::flush)
    }
}

/// The bytes of a path component or path.
fn bytes(text: &OsStr) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(text)
}

#[cfg(test)]
mod tests;
