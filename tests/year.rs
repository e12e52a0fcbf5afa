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
}

impl EventSink for Ear {
    fn send(&self, event: Event) {
        if let Event::Finding(finding) | Event::EntryError(finding) = &event {
            let path = finding.path.clone().unwrap_or_default();
            self.found.lock().unwrap().push((path, finding.code.to_string()));
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
            time_limit: None,
            against: None,
            pace: Pace { bytes, ..Pace::default() },
            shard: Shard::default(),
            allow_mass_missing: false,
            items: false,
            policy: Policy::default(),
            resources: Resources { jobs: std::num::NonZeroUsize::new(1), memory: Some(256 << 20) },
        };
        let ear = Ear {
            summary: Mutex::new(Summary::new(Policy::default(), Scope::default())),
            found: Mutex::default(),
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

#[test]
fn a_year_of_nights() {
    if std::env::var_os(WORKER).is_none() {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_year_of_nights", "--nocapture"])
            .env(WORKER, env!("CARGO_BIN_EXE_photofsck-worker"))
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut house = House { folder: tempfile::tempdir().unwrap(), runtime, pictures: 0 };
    (0..40).for_each(|_| house.grow());
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
