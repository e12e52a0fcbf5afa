//! Writing where a call may never come back.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Ground;
use super::shares::{Shares, Stuck};
use crate::model::{FileIdentity, RepairEvent};
use crate::repair::store::{
    Committed, Content, Copying, FileStore, Moving, StagedFile, StoreError, content_of,
};

/// A store whose every call is waited for so long and no longer, where it may hang. A call that was given up may still come to
/// its end: what it puts in place then is whole, as always.
pub struct Patient {
    store: Arc<dyn FileStore>,
    shares: Arc<Shares>,
}

impl Patient {
    /// The store, on this ground.
    pub fn new(store: impl FileStore + 'static, ground: &Ground) -> Self {
        Self { store: Arc::new(store), shares: Arc::clone(&ground.shares) }
    }

    fn ask<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&dyn FileStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.store);
        self.shares.ask(path, move |_| work(&*store)).unwrap_or_else(|stuck| Err(silent(path, &stuck)))
    }

    /// Of two paths the one on which a call may hang.
    fn doubtful<'p>(&self, moving: &Moving<'p>) -> &'p Path {
        if self.shares.may_hang(moving.from) { moving.from } else { moving.to }
    }

    fn moving<T: Send + 'static>(
        &self,
        moving: &Moving<'_>,
        work: impl FnOnce(&dyn FileStore, &Moving<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (from, to) = (moving.from.to_owned(), moving.to.to_owned());
        let (state, content, seen) = (moving.state, moving.content, moving.seen);
        self.ask(self.doubtful(moving), move |store| {
            work(store, &Moving { from: &from, state, to: &to, content, seen })
        })
    }
}

fn silent(path: &Path, stuck: &Stuck) -> StoreError {
    StoreError::Silent { path: path.to_owned(), words: stuck.to_string() }
}

impl FileStore for Patient {
    fn check(&self, target: &Path) -> Result<(), StoreError> {
        let own = target.to_owned();
        self.ask(target, move |store| store.check(&own))
    }

    fn begin(&self, target: &Path) -> Result<Box<dyn StagedFile>, StoreError> {
        let own = target.to_owned();
        let staged = self.ask(target, move |store| store.begin(&own))?;
        if !self.shares.may_hang(target) {
            return Ok(staged);
        }
        let file = Arc::new(Mutex::new(Some(staged)));
        Ok(Box::new(Staged { file, target: target.to_owned(), shares: Arc::clone(&self.shares) }))
    }

    fn clear_temporaries(&self, found: &[PathBuf]) -> Vec<RepairEvent> {
        // One that cannot be asked about stays for another run.
        let one = |path: &PathBuf| {
            let own = path.clone();
            self.ask(path, move |store| Ok(store.clear_temporaries(&[own]))).unwrap_or_default()
        };
        found.iter().flat_map(one).collect()
    }

    fn copy(&self, copying: &Copying<'_>) -> Result<Committed, StoreError> {
        let from = copying.from.try_clone().map_err(|error| StoreError::unreadable(copying.origin, error))?;
        let (origin, to) = (copying.origin.to_owned(), copying.to.to_owned());
        let (content, seen) = (copying.content, copying.seen);
        let doubtful = if self.shares.may_hang(copying.origin) { copying.origin } else { copying.to };
        self.ask(doubtful, move |store| {
            store.copy(&Copying { from: &from, origin: &origin, to: &to, content, seen })
        })
    }

    fn shift(&self, moving: &Moving<'_>) -> Result<Committed, StoreError> {
        self.moving(moving, |store, moving| store.shift(moving))
    }

    fn keep(&self, moving: &Moving<'_>) -> Result<FileIdentity, StoreError> {
        self.moving(moving, |store, moving| store.keep(moving))
    }

    fn append(&self, file: &Path, line: &[u8]) -> Result<(), StoreError> {
        let (own, line) = (file.to_owned(), line.to_owned());
        self.ask(file, move |store| store.append(&own, &line))
    }

    fn content(&self, file: &File, path: &Path) -> Result<Content, StoreError> {
        let unreadable = |error| StoreError::unreadable(path, error);
        let file = file.try_clone().map_err(unreadable)?;
        let content = self.shares.ask(path, move |pulse| content_of(&file, || pulse.beat()));
        content.map_err(|stuck| silent(path, &stuck))?.map_err(unreadable)
    }

    fn there(&self, path: &Path) -> Result<Option<Content>, StoreError> {
        let own = path.to_owned();
        self.ask(path, move |store| store.there(&own))
    }
}

/// A file that is being written where a call may hang. A call that does so takes it along.
struct Staged {
    file: Arc<Mutex<Option<Box<dyn StagedFile>>>>,
    target: PathBuf,
    shares: Arc<Shares>,
}

impl Staged {
    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Option<Box<dyn StagedFile>>) -> Option<Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.file);
        let answer = self.shares.ask(&self.target, move |_| {
            let mut staged = place.lock().unwrap_or_else(PoisonError::into_inner).take();
            let answer = work(&mut staged);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = staged;
            answer
        });
        match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(StoreError::Silent {
                path: self.target.clone(),
                words: "a call before this one has not come back".to_owned(),
            }),
            Err(stuck) => Err(silent(&self.target, &stuck)),
        }
    }
}

impl StagedFile for Staged {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let bytes = bytes.to_owned();
        self.ask(move |staged| Some(staged.as_mut()?.write(&bytes)))
    }

    fn seal(&mut self) -> Result<File, StoreError> {
        self.ask(|staged| Some(staged.as_mut()?.seal()))
    }

    fn commit(self: Box<Self>, seen: Option<FileIdentity>) -> Result<Committed, StoreError> {
        self.ask(move |staged| Some(staged.take()?.commit(seen)))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What was begun is removed, which may hang as well.
        let removed = self.ask(|staged| {
            drop(staged.take());
            Some(Ok(()))
        });
        if removed.is_err() {
            // It stays, and the next run finds it by its name: nobody waits for this file any more.
            let left = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
            std::mem::forget(left);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test should panic")]

    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::engine::Cancel;
    use crate::engine::ground::mounted::table;
    use crate::model::RepairStatus;
    use crate::repair::store::{Area, DiskStore};

    /// Hangs in the call with this name until it is told to go on.
    struct Hanging {
        store: DiskStore,
        call: &'static str,
        wait: Arc<Mutex<mpsc::Receiver<()>>>,
    }

    impl Hanging {
        fn pass(&self, call: &str) {
            if call == self.call {
                let _ = self.wait.lock().unwrap().recv();
            }
        }
    }

    struct HangingFile {
        staged: Box<dyn StagedFile>,
        call: &'static str,
        wait: Arc<Mutex<mpsc::Receiver<()>>>,
    }

    impl HangingFile {
        fn pass(&self, call: &str) {
            if call == self.call {
                let _ = self.wait.lock().unwrap().recv();
            }
        }
    }

    impl StagedFile for HangingFile {
        fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
            self.pass("write");
            self.staged.write(bytes)
        }

        fn seal(&mut self) -> Result<File, StoreError> {
            self.pass("seal");
            self.staged.seal()
        }

        fn commit(self: Box<Self>, seen: Option<FileIdentity>) -> Result<Committed, StoreError> {
            self.pass("commit");
            self.staged.commit(seen)
        }
    }

    impl FileStore for Hanging {
        fn check(&self, target: &Path) -> Result<(), StoreError> {
            self.pass("check");
            self.store.check(target)
        }

        fn begin(&self, target: &Path) -> Result<Box<dyn StagedFile>, StoreError> {
            self.pass("begin");
            let staged = self.store.begin(target)?;
            Ok(Box::new(HangingFile { staged, call: self.call, wait: Arc::clone(&self.wait) }))
        }

        fn clear_temporaries(&self, found: &[PathBuf]) -> Vec<RepairEvent> {
            self.store.clear_temporaries(found)
        }

        fn copy(&self, copying: &Copying<'_>) -> Result<Committed, StoreError> {
            self.pass("copy");
            self.store.copy(copying)
        }

        fn shift(&self, moving: &Moving<'_>) -> Result<Committed, StoreError> {
            self.pass("shift");
            self.store.shift(moving)
        }

        fn keep(&self, moving: &Moving<'_>) -> Result<FileIdentity, StoreError> {
            self.pass("keep");
            self.store.keep(moving)
        }

        fn append(&self, file: &Path, line: &[u8]) -> Result<(), StoreError> {
            self.pass("append");
            self.store.append(file, line)
        }

        fn there(&self, path: &Path) -> Result<Option<Content>, StoreError> {
            self.pass("there");
            self.store.there(path)
        }
    }

    struct Lab {
        folder: tempfile::TempDir,
        ground: Ground,
        patient: Patient,
        release: mpsc::Sender<()>,
    }

    fn lab(call: &'static str) -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("nas/thumbs")).unwrap();
        std::fs::create_dir_all(real.join("nas/aside")).unwrap();
        let point = real.display();
        let text =
            format!("1 0 8:2 / / rw - ext4 /dev/sda rw\n2 1 0:4 / {point}/nas rw - nfs4 server:/p rw\n");
        // The calls that do answer may take their time: a busy machine is no dead share.
        let patience = if call == "nothing" { Duration::from_mins(2) } else { Duration::from_secs(3) };
        let ground = Ground::on(table(&text), patience, &Cancel::new());
        let areas = [Area::new(real.join("nas"), "thumbs"), Area::aside(&real.join("nas/aside"))];
        let store = DiskStore::open(1, &areas, |_| false).unwrap();
        let (release, wait) = mpsc::channel();
        let store = Hanging { store, call, wait: Arc::new(Mutex::new(wait)) };
        let patient = Patient::new(store, &ground);
        Lab { folder, ground, patient, release }
    }

    impl Lab {
        fn at(&self, below: &str) -> PathBuf {
            self.folder.path().canonicalize().unwrap().join("nas").join(below)
        }

        fn picture(&self) -> Result<Committed, StoreError> {
            let mut staged = self.patient.begin(&self.at("thumbs/a.jpeg"))?;
            staged.write(b"a picture")?;
            drop(staged.seal()?);
            staged.commit(None)
        }
    }

    #[test]
    fn what_answers_is_written_as_ever() {
        let lab = lab("nothing");
        assert_eq!(lab.picture().unwrap().status, RepairStatus::Done);
        assert_eq!(std::fs::read(lab.at("thumbs/a.jpeg")).unwrap(), b"a picture");
        assert!(!lab.ground.has_hung());
        // What is given up leaves nothing behind.
        drop(lab.patient.begin(&lab.at("thumbs/b.jpeg")).unwrap());
        assert_eq!(std::fs::read_dir(lab.at("thumbs")).unwrap().count(), 1);
    }

    #[test]
    fn every_call_that_hangs_is_given_up_and_stops_the_writing() {
        for call in ["begin", "write", "seal", "commit"] {
            let lab = lab(call);
            let error = lab.picture().unwrap_err();
            assert!(matches!(error, StoreError::Silent { .. }) && error.stops_repair(), "{call}: {error}");
            assert!(error.to_string().contains("nfs4 at"), "{error}");
            assert!(lab.ground.has_hung());
            lab.release.send(()).unwrap();
            // The call that was given up ends well: half a file never gets the name.
            let target = lab.at("thumbs/a.jpeg");
            let until = Instant::now() + Duration::from_secs(10);
            let there = loop {
                let there = std::fs::read(&target).ok();
                if there.is_some() == (call == "commit") || Instant::now() > until {
                    break there;
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            assert_eq!(there.as_deref(), (call == "commit").then_some(&b"a picture"[..]), "{call}");
        }
    }

    #[test]
    fn whether_something_is_there_is_not_waited_for_for_ever() {
        let lab = lab("there");
        let copy = lab.at("aside/picture.jpeg");
        std::fs::write(&copy, b"of an earlier run").unwrap();
        let told = lab.patient.there(&copy);
        assert!(matches!(&told, Err(error @ StoreError::Silent { .. }) if error.stops_repair()), "{told:?}");
        let lab = self::lab("nothing");
        std::fs::write(lab.at("aside/picture.jpeg"), b"of an earlier run").unwrap();
        assert_eq!(lab.patient.there(&lab.at("aside/picture.jpeg")).unwrap().unwrap().size, 17);
        assert_eq!(lab.patient.there(&lab.at("aside")).unwrap(), None, "a folder is no copy");
        assert_eq!(lab.patient.there(&lab.at("aside/other.jpeg")).unwrap(), None);
    }

    #[test]
    fn moves_copies_and_journals_are_given_up_too() {
        let line = lab("append");
        assert!(matches!(
            line.patient.append(&line.at("aside/manifest"), b"a line"),
            Err(StoreError::Silent { .. })
        ));
        for call in ["shift", "keep", "copy"] {
            let lab = lab(call);
            let from = lab.at("thumbs/stray.jpeg");
            std::fs::write(&from, b"stray").unwrap();
            let file = File::open(&from).unwrap();
            let state = FileIdentity::from(&file.metadata().unwrap());
            let content = lab.patient.content(&file, &from).unwrap();
            let to = lab.at("aside/stray.jpeg");
            let moving = Moving { from: &from, state, to: &to, content, seen: None };
            let failed = match call {
                "shift" => lab.patient.shift(&moving).map(drop),
                "keep" => lab.patient.keep(&moving).map(drop),
                _ => {
                    let copying = Copying { from: &file, origin: &from, to: &to, content, seen: None };
                    lab.patient.copy(&copying).map(drop)
                }
            };
            assert!(matches!(failed, Err(StoreError::Silent { .. })), "{call}");
            assert!(from.exists());
        }
    }
}
