//! A year of nights in a minute: a library that grows, is edited and rots, checked every night with less reading than it would
//! take to read it all. The clock is that of the run's configuration.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::zombie_processes,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use photofsck::catalog::Catalog;
use photofsck::engine::record::{self, Record};
use photofsck::engine::{self, Cancel, CheckConfig, Db, Pace, Resources, Selection, Shard};
use photofsck::model::{Depth, Event, EventSink};
use photofsck::report::{Policy, Scope, Summary};
use sqlx::Connection as _;

#[path = "../benches/library/mod.rs"]
mod library;

const NIGHTS: i64 = 365;
const DAY: Duration = Duration::from_hours(24);
/// Pictures of so many bytes, spare ones behind the end included.
const SIZE: usize = 4096;
/// What one night may read: a tenth of the library at first.
const NIGHTLY: u64 = 4 * SIZE as u64;

/// Counts, and keeps which file has which finding.
struct Ear {
    summary: Mutex<Summary>,
    found: Mutex<Vec<(PathBuf, String)>>,
    notes: Mutex<Vec<String>>,
}

impl EventSink for Ear {
    fn send(&self, event: Event) {
        if let Event::Finding(finding) | Event::EntryError(finding) = &event {
            let path = finding.path.clone().unwrap_or_default();
            self.found.lock().unwrap().push((path, finding.code.to_string()));
        }
        match &event {
            Event::Note(note) => self.notes.lock().unwrap().push(note.clone()),
            Event::Run(run) => self.notes.lock().unwrap().extend(run.notes.iter().cloned()),
            _ => {}
        }
        self.summary.lock().unwrap().take(&event);
    }

    fn wants_items(&self) -> bool {
        false
    }
}

struct House {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    pictures: u64,
}

impl House {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn picture(&self, number: u64) -> PathBuf {
        self.at(&format!("media/upload/00000000-0000-4000-8000-000000000001/aa/bb/{number:05}.jpg"))
    }

    /// A new picture; the bytes behind its end differ from version to version.
    fn write(&self, number: u64, version: u8) {
        let mut bytes = library::sound(number).original;
        bytes.resize(SIZE, version);
        let path = self.picture(number);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn grow(&mut self) {
        self.write(self.pictures, 1);
        self.pictures += 1;
    }

    /// One bit falls over, behind the picture's end where no decoder looks, and nothing tells of it: size and times are as they were.
    fn rot(&self, number: u64) {
        let path = self.picture(number);
        let before = fs::metadata(&path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[SIZE - 7] ^= 4;
        fs::write(&path, bytes).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(before.modified().unwrap()).unwrap();
        // The time of the last change of an inode cannot be set: what the catalog remembers of it is moved along instead.
        let after = fs::metadata(&path).unwrap();
        let ctime = |of: &fs::Metadata| of.ctime() * 1_000_000_000 + of.ctime_nsec();
        let database = format!("sqlite://{}", self.at("state/catalog.sqlite").display());
        let name = path.file_name().unwrap().as_encoded_bytes().to_vec();
        self.runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect(&database).await.unwrap();
            let done = sqlx::query("UPDATE file SET ctime_ns = ? WHERE name = ? AND ctime_ns = ?")
                .bind(ctime(&after))
                .bind(name)
                .bind(ctime(&before))
                .execute(&mut connection)
                .await
                .unwrap();
            assert_eq!(done.rows_affected(), 1, "the picture was known before it rotted");
            connection.close().await.unwrap();
        });
    }

    fn night(&self, now: Timestamp, bytes: Option<u64>) -> Ear {
        let ear = self.try_night(now, bytes);
        assert!(ear.notes.lock().unwrap().iter().all(|note| !note.contains("clock")));
        ear
    }

    fn try_night(&self, now: Timestamp, bytes: Option<u64>) -> Ear {
        let config = CheckConfig {
            media: Some(self.at("media")),
            compose: None,
            db: Db::None,
            map: Vec::new(),
            now,
            only: Selection::All,
            quick: false,
            video: Depth::Keyframes,
            state: self.at("state"),
            max_age: 20 * DAY,
            only_due: false,
            time_limit: None,
            against: None,
            pace: Pace { bytes, ..Pace::default() },
            patience: photofsck::engine::ground::PATIENCE,
            shard: Shard::default(),
            allow_mass_missing: false,
            items: false,
            policy: Policy::default(),
            resources: Resources { jobs: std::num::NonZeroUsize::new(1), memory: Some(256 << 20) },
        };
        let ear = Ear {
            summary: Mutex::new(Summary::new(Policy::default(), Scope::default())),
            found: Mutex::default(),
            notes: Mutex::default(),
        };
        let catalog = Catalog::open(&config.state, "check").unwrap();
        let noted = Record::new(&ear, &catalog, Policy::default(), Scope::default());
        let result = engine::check(&config, &catalog, &noted, &Cancel::new());
        noted.finish(&result);
        ear.summary.lock().unwrap().close(record::outcome(&result), 0.0);
        assert!(result.is_ok(), "{result:?}");
        ear
    }
}

fn size_of(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Where the engine finds the worker: a variable that only a new process can be given.
const WORKER: &str = "PHOTOFSCK_WORKER";

/// Runs a test in a process of its own that has it; false in that process.
fn elsewhere(test: &str) -> bool {
    if std::env::var_os(WORKER).is_some() {
        return false;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WORKER, env!("CARGO_BIN_EXE_photofsck-worker"))
        .status();
    assert!(status.unwrap().success());
    true
}

fn house(pictures: u64) -> House {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut house = House { folder: tempfile::tempdir().unwrap(), runtime, pictures: 0 };
    (0..pictures).for_each(|_| house.grow());
    house
}

/// What a clock without a battery, or one that hears nonsense, does to what is due: nothing.
#[test]
fn clocks_that_jump_make_neither_everything_due_nor_nothing() {
    if elsewhere("clocks_that_jump_make_neither_everything_due_nor_nothing") {
        return;
    }
    let house = house(10);
    let day = |day: i64| "2026-01-01T02:00:00Z".parse::<Timestamp>().unwrap() + (24 * day).hours();
    let bytes = |now: Timestamp, odd: bool| {
        let ear = house.try_night(now, None);
        let told = ear.notes.lock().unwrap().iter().any(|note| note.contains("the clock says"));
        assert_eq!(told, odd, "{now}");
        let summary = ear.summary.into_inner().unwrap();
        assert!(summary.coverage_days.is_some_and(|days| days <= 40), "{:?}", summary.coverage_days);
        summary.tally.bytes_read
    };
    let all = 10 * SIZE as u64;
    assert_eq!(bytes(day(0), false), all);
    assert_eq!(bytes(day(1), false), 0);
    // Back to the beginning of time, forth by decades, back again, an hour back, and right.
    let epoch: Timestamp = "1970-01-01T00:05:00Z".parse().unwrap();
    for (now, odd) in [
        (epoch, true),
        (epoch + 24.hours(), true),
        (day(41 * 366), true),
        (day(5), false),
        (day(5) - 1.hours(), false),
        (day(6), false),
    ] {
        assert_eq!(bytes(now, odd), 0, "{now}");
    }
    // New pictures of such a night are known afterwards, and due when it is time.
    house.write(0, 9);
    assert_eq!(bytes(day(60 * 366), true), SIZE as u64);
    assert_eq!(bytes(day(8), false), 0);
    assert_eq!(bytes(day(21), false), all - SIZE as u64);
    assert_eq!(bytes(day(28), false), SIZE as u64);
    // Wrong for good: everything is read again all the same, and not every night.
    let read: u64 = (0..25).map(|night| bytes(epoch + (24 * night).hours(), true)).sum();
    assert!((all..=3 * all).contains(&read), "{read} of {all} bytes in 25 nights");
}

#[test]
fn a_year_of_nights() {
    if elsewhere("a_year_of_nights") {
        return;
    }
    let mut house = house(40);
    let begin: Timestamp = "2026-01-01T02:00:00Z".parse().unwrap();
    // Night of the rot and which picture; two of them in one night.
    let rots = [(60, 3), (61, 39), (140, 17), (140, 41), (222, 0), (300, 55)];
    let mut waiting: BTreeMap<PathBuf, (i64, u64)> = BTreeMap::new();
    let (mut found, mut edited, mut sizes, mut most) = (0, 0, Vec::new(), 0);
    for night in 0..NIGHTS {
        if night > 0 && night % 5 == 0 {
            house.grow();
        }
        if night % 9 == 4 {
            // Not one that rots.
            house.write(20 + edited % 10, 2 + u8::try_from(night % 200).unwrap());
            edited += 1;
        }
        for (_, number) in rots.iter().filter(|(when, _)| *when == night) {
            house.rot(*number);
            waiting.insert(house.picture(*number), (night, most));
        }
        let now = begin + (24 * night).hours();
        // The first nights are without limit, as after an installation.
        let ear = house.night(now, (night > 1).then_some(NIGHTLY));
        let summary = ear.summary.into_inner().unwrap();
        assert!(summary.tally.errors == 0 && summary.unaccounted() == 0);
        let days = summary.coverage_days.expect("a promise every night");
        if night > 1 {
            assert!(summary.tally.bytes_read < NIGHTLY + SIZE as u64 * 2, "night {night}");
            most = most.max(days);
        }
        for (path, code) in ear.found.into_inner().unwrap() {
            assert_eq!(code, "original.changed", "night {night}: {}", path.display());
            let (since, promised) = waiting.remove(&path).expect("a false alarm");
            let took = u64::try_from(night - since).unwrap();
            assert!(took <= promised.max(days), "{took} nights, promised {promised} or {days}");
            found += 1;
        }
        if night % 73 == 72 {
            sizes.push(size_of(&house.at("state")));
        }
    }
    assert!(waiting.is_empty(), "never found: {waiting:?}");
    assert_eq!(found, rots.len());
    assert!(most >= 21, "the limit never bound: {most}");
    assert!(sizes.iter().all(|size| *size < 2 << 20), "{sizes:?}");
    let (second, last) = (sizes[1], sizes[sizes.len() - 1]);
    assert!(last < second * 2, "the catalog grows with the nights: {sizes:?}");
}
