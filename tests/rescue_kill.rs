//! Restoring, relinking, moving to quarantine and undoing, killed at any moment: no bytes are lost, no half file is
//! at a final name, and what comes next ends clean.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "common/kill.rs"]
mod kill;

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kill::{kill_child, moment};
use photofsck::model::{AssetId, FileIdentity, RepairEvent, RepairStatus, Role, is_own_temporary};
use photofsck::repair::manifest::{MANIFEST, Manifest};
use photofsck::repair::original::{Lost, Source, bring_back};
use photofsck::repair::quarantine::{Quarantine, Stray, leftovers};
use photofsck::repair::store::{Area, Content, DiskStore, FileStore, content_of};
use photofsck::repair::undo::Undo;

/// Set for the child only: the library, and the quarantine folder.
const LIBRARY: &str = "PHOTOFSCK_TEST_KILL_LIBRARY";
const ASIDE: &str = "PHOTOFSCK_TEST_KILL_ASIDE";
const KILLS: u64 = 40;
const FILES: u64 = 4;
const NOW: &str = "2026-01-02T03:04:05Z";

struct Place {
    library: PathBuf,
    aside: PathBuf,
}

/// What a file is, and so which bytes it has.
#[derive(Clone, Copy)]
enum Bytes {
    Sound,
    Damaged,
    Stray,
}

fn bytes(what: Bytes, number: u64) -> Vec<u8> {
    let mut bytes = vec![0; 150_000 + usize::try_from(number).unwrap() * 50_000];
    let seed = [what as u8, u8::try_from(number).unwrap()];
    blake3::Hasher::new().update(&seed).finalize_xof().fill(&mut bytes);
    bytes
}

impl Place {
    fn damaged(&self, number: u64) -> PathBuf {
        self.library.join(format!("media/upload/u/{number}.jpg"))
    }

    fn moved(&self, number: u64) -> PathBuf {
        self.library.join(format!("media/library/u/{number}.jpg"))
    }

    fn moved_to(&self, number: u64) -> PathBuf {
        self.library.join(format!("media/library/strays/moved-{number}.jpg"))
    }

    fn stray(&self, number: u64) -> PathBuf {
        self.library.join(format!("media/library/strays/{number}.jpg"))
    }

    fn backup(&self, number: u64) -> PathBuf {
        self.library.join(format!("backup/{number}.jpg"))
    }

    /// Everything as it is before a repair; what lies aside stays.
    fn prepare(&self) {
        for number in 0..FILES {
            let write = |path: PathBuf, what| {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes(what, number)).unwrap();
            };
            write(self.backup(number), Bytes::Sound);
            write(self.damaged(number), Bytes::Damaged);
            write(self.stray(number), Bytes::Stray);
            write(self.moved_to(number), Bytes::Sound);
            let _ = fs::remove_file(self.moved(number));
        }
        fs::create_dir_all(self.library.join("media/library/u")).unwrap();
    }

    fn store(&self, run: u64, undoing: bool) -> DiskStore {
        let areas = [Area::originals(self.library.join("media")), Area::aside(&self.aside)];
        let strays = self.library.join("media/library/strays");
        DiskStore::open(run, &areas, move |path| undoing || !path.starts_with(&strays)).unwrap()
    }

    /// What `repair` does; gives the events.
    fn repair(&self, run: u64) -> Vec<RepairEvent> {
        let store = self.store(run, false);
        let quarantine = Quarantine::open(&self.aside, vec![self.library.join("media")], NOW).unwrap();
        let mut events = Vec::new();
        for number in 0..FILES {
            let (state, content) = state_of(&self.damaged(number)).unwrap();
            if content != content_of_bytes(&bytes(Bytes::Sound, number)) {
                let lost = Lost {
                    asset: AssetId::default(),
                    path: self.damaged(number),
                    damaged: Some((state, content)),
                };
                let source = source(&self.backup(number), false);
                events.push(bring_back(&store, Some(&quarantine), &lost, &source, NOW).event);
            }
            if let Some((state, content)) = state_of(&self.stray(number)) {
                let path = self.stray(number);
                let stray = Stray { path: &path, state, content, role: Role::Original, asset: None };
                let (done, _) = quarantine.take(&store, &stray, NOW).unwrap();
                assert_eq!(done.status, RepairStatus::Done);
            }
            if !self.moved(number).exists() {
                let lost = Lost { asset: AssetId::default(), path: self.moved(number), damaged: None };
                let source = source(&self.moved_to(number), true);
                events.push(bring_back(&store, Some(&quarantine), &lost, &source, NOW).event);
            }
        }
        events
    }

    fn undo(&self, run: u64) -> Vec<RepairEvent> {
        let store = self.store(run, true);
        let manifest = File::open(self.aside.join(MANIFEST));
        let Ok(manifest) = manifest else { return Vec::new() };
        let manifest = Manifest::read(BufReader::new(manifest)).unwrap();
        let events = RefCell::new(Vec::new());
        let open = |path: &Path| Ok(state_of(path).map(|(state, _)| (File::open(path).unwrap(), state)));
        Undo { store: &store, folder: &self.aside, manifest: &manifest, open: &open, now: NOW }
            .run(&|event| events.borrow_mut().push(event), &|| false);
        events.into_inner()
    }

    fn files(&self) -> Vec<PathBuf> {
        [&self.library, &self.aside]
            .into_iter()
            .flat_map(walkdir::WalkDir::new)
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file() && entry.file_name() != MANIFEST)
            .map(walkdir::DirEntry::into_path)
            .collect()
    }
}

fn content_of_bytes(bytes: &[u8]) -> Content {
    use sha1::Digest as _;
    Content { size: bytes.len() as u64, sha1: sha1::Sha1::digest(bytes).into() }
}

fn state_of(path: &Path) -> Option<(FileIdentity, Content)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((FileIdentity::from(&metadata), content_of(&File::open(path).unwrap(), || ()).unwrap()))
}

fn source(path: &Path, stray: bool) -> Source {
    let (state, content) = state_of(path).unwrap();
    Source { file: File::open(path).unwrap(), path: path.to_owned(), state, content, stray }
}

/// The child: repairs and takes it back until it is killed. Without the variables it is an empty test.
#[test]
fn child_repairs_and_undoes_until_it_is_killed() {
    let (Some(library), Some(aside)) = (std::env::var_os(LIBRARY), std::env::var_os(ASIDE)) else { return };
    let place = Place { library: library.into(), aside: aside.into() };
    println!("\nrepairing");
    loop {
        for event in place.repair(u64::from(std::process::id())).iter().chain(&place.undo(1)) {
            assert!(event.status != RepairStatus::Failed, "{event:?}");
        }
    }
}

/// Kills a child and looks at what it left.
fn kill_once(place: &Place, kill: u64) -> (usize, usize) {
    place.prepare();
    let variables = [(LIBRARY, place.library.as_path()), (ASIDE, place.aside.as_path())];
    let after = moment(kill, Duration::from_micros(382_500));
    kill_child("child_repairs_and_undoes_until_it_is_killed", &variables, "repairing", after);

    let (temporaries, finals): (Vec<_>, Vec<_>) =
        place.files().into_iter().partition(|path| is_own_temporary(path.file_name().unwrap()));
    let known: Vec<Vec<u8>> = [Bytes::Sound, Bytes::Damaged, Bytes::Stray]
        .into_iter()
        .flat_map(|what| (0..FILES).map(move |number| bytes(what, number)))
        .collect();
    let found: Vec<Vec<u8>> = finals.iter().map(|path| fs::read(path).unwrap()).collect();
    for (path, bytes) in finals.iter().zip(&found) {
        assert!(known.contains(bytes), "kill {kill}: half a file at {}", path.display());
    }
    for (number, bytes) in known.iter().enumerate() {
        assert!(found.contains(bytes), "kill {kill}: lost file {number}");
    }
    for number in 0..FILES {
        let there = fs::read(place.damaged(number)).unwrap();
        assert!(
            there == bytes(Bytes::Damaged, number) || there == bytes(Bytes::Sound, number),
            "kill {kill}: an original is not in its place"
        );
        assert!(place.moved(number).exists() || place.moved_to(number).exists(), "kill {kill}");
    }
    (finals.len(), temporaries.len())
}

/// What comes after a kill ends clean, and everything is where it was.
fn second_run(place: &Place, kill: u64) {
    let temporaries: Vec<PathBuf> = place
        .files()
        .into_iter()
        .filter(|path| is_own_temporary(path.file_name().unwrap()))
        .chain(leftovers(&place.aside))
        .collect();
    for event in place.store(kill, false).clear_temporaries(&temporaries) {
        assert!(event.status != RepairStatus::Failed, "{event:?}");
    }
    let events = if kill.is_multiple_of(2) { place.repair(kill) } else { Vec::new() };
    for event in events.iter().chain(&place.undo(kill)).chain(&place.undo(kill)) {
        assert!(event.status != RepairStatus::Failed, "kill {kill}: {event:?}");
    }
    for number in 0..FILES {
        assert_eq!(fs::read(place.damaged(number)).unwrap(), bytes(Bytes::Damaged, number), "kill {kill}");
        assert_eq!(fs::read(place.stray(number)).unwrap(), bytes(Bytes::Stray, number), "kill {kill}");
    }
    assert!(place.files().iter().all(|path| !is_own_temporary(path.file_name().unwrap())));
}

fn kill_many(aside: &Path, library: &Path) -> usize {
    let (mut seen, mut left) = (0, 0);
    fs::create_dir_all(aside).unwrap();
    // Where copies are quick, the moments of one are rarely hit: then more tries are made.
    let mut kill = 0;
    while kill < KILLS || left == 0 && kill < KILLS * 20 {
        // A quarantine folder that has seen some kills, and then a new one.
        let place = Place { library: library.to_owned(), aside: aside.join(format!("q{}", kill / 8)) };
        let (finals, temporaries) = kill_once(&place, kill);
        second_run(&place, kill);
        seen += finals;
        left += temporaries;
        if kill % 8 == 7 {
            fs::remove_dir_all(&place.aside).unwrap();
        }
        kill += 1;
    }
    println!("{kill} kills, {seen} whole files, {left} leftovers cleared");
    left
}

#[test]
fn killed_at_random_moments_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let left = kill_many(&folder.path().join("aside-is-here"), &folder.path().join("library"));
    assert!(left > 0, "no kill hit a copy in flight");
}

#[test]
fn killed_on_the_way_to_another_file_system_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("no /dev/shm here: moves to another file system were not killed");
        return;
    };
    let device = |path: &Path| path.metadata().unwrap().dev();
    if device(folder.path()) == device(other.path()) {
        eprintln!("/dev/shm is no file system of its own: moves to another one were not killed");
        return;
    }
    let left = kill_many(&other.path().join("aside"), &folder.path().join("library"));
    assert!(left > 0, "no kill hit a copy in flight");
}
