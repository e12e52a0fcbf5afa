//! A check of a library in which nothing has changed: it opens no file, and what did change is looked at all the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::zombie_processes,
    reason = "tests"
)]

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};

#[path = "../benches/library/mod.rs"]
mod library;

const ASSETS: u64 = 12;

struct Library {
    folder: tempfile::TempDir,
    media: PathBuf,
    dump: PathBuf,
}

impl Library {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (media, dump) = library::build(folder.path(), ASSETS, library::sound);
        let starts = folder.path().join("worker");
        // Counts the workers that are started.
        let script = format!(
            "#!/bin/sh\necho >> \"$0.starts\"\nexec '{}' \"$@\"\n",
            env!("CARGO_BIN_EXE_photofsck-worker")
        );
        fs::write(&starts, script).unwrap();
        fs::set_permissions(&starts, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, media, dump }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One run, its lines, and how many workers it started.
    fn run(&self, options: &[&str]) -> Told {
        let (told, starts) = (self.at("out.ndjson"), self.at("worker.starts"));
        let _ = fs::remove_file(&starts);
        let output = Command::new(env!("CARGO_BIN_EXE_photofsck"))
            .args(options)
            .args(["--progress", "never", "--media"])
            .arg(&self.media)
            .arg("--db")
            .arg(&self.dump)
            .arg("--state")
            .arg(self.at("state"))
            .arg("--json")
            .arg(&told)
            .env("PHOTOFSCK_WORKER", self.at("worker"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines: Vec<Value> = fs::read_to_string(told)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let summary = lines.last().unwrap().clone();
        assert_eq!(summary["type"], "summary", "{text}");
        let findings = lines.into_iter().filter(|line| line["type"] == "finding").collect();
        let workers = fs::read_to_string(starts).map_or(0, |text| text.lines().count());
        Told { summary, findings, workers }
    }

    /// Makes the catalog believe that this decoder's verdicts were given by another version of it.
    fn as_if_upgraded(&self, decoder: &str) {
        let catalog = format!("sqlite://{}", self.at("state/catalog.sqlite").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut catalog = SqliteConnection::connect(&catalog).await.unwrap();
            let older = sqlx::query("UPDATE decoder SET version = 'older' WHERE name = ?").bind(decoder);
            assert_eq!(older.execute(&mut catalog).await.unwrap().rows_affected(), 1, "{decoder}");
            catalog.close().await.unwrap();
        });
    }

    /// The first file below a folder of the media location.
    fn file(&self, folder: &str, ending: &str) -> PathBuf {
        let files = walkdir::WalkDir::new(self.media.join(folder)).sort_by_file_name();
        let mut files = files.into_iter().map(|entry| entry.unwrap().into_path());
        files.find(|path| path.to_string_lossy().ends_with(ending)).unwrap()
    }
}

struct Told {
    summary: Value,
    findings: Vec<Value>,
    workers: usize,
}

impl Told {
    /// Files looked at, and files that an earlier run had verified.
    fn counts(&self) -> (u64, u64) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        (number(&self.summary["checked"]), number(&self.summary["skipped_reasons"]["verified-before"]))
    }

    fn codes(&self) -> Vec<&str> {
        let mut codes: Vec<_> =
            self.findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
        codes.sort_unstable();
        codes
    }
}

/// Notes every file below a folder that anybody opens.
struct Watch {
    descriptor: rustix::fd::OwnedFd,
}

impl Watch {
    fn on(folder: &Path) -> Self {
        let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        for entry in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap) {
            if entry.file_type().is_dir() {
                inotify::add_watch(&descriptor, entry.path(), WatchFlags::OPEN).unwrap();
            }
        }
        Self { descriptor }
    }

    /// The names of the files that were opened since.
    fn opened(&self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = inotify::Reader::new(&self.descriptor, &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = reader.next() {
            assert!(!event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW));
            let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
            names.extend(name.filter(|name| name.contains('.')));
        }
        names
    }
}

#[test]
fn a_check_without_anything_new_opens_no_file() {
    let library = Library::new();
    let first = library.run(&["check"]);
    assert_eq!(first.counts(), (3 * ASSETS, 0), "{}", first.summary);
    assert!(first.findings.is_empty(), "{:?}", first.findings);
    let watch = Watch::on(&library.media);
    let second = library.run(&["check"]);
    assert_eq!(watch.opened(), Vec::<String>::new());
    assert_eq!(second.counts(), (0, 3 * ASSETS), "{}", second.summary);
    assert_eq!((&second.summary["bytes_read"], &second.summary["exit"]), (&0.into(), &0.into()));
    assert_eq!(second.workers, 1, "only to know its decoders and protections");
    // The watch notes what it should.
    library.run(&["check", "--max-age", "0"]);
    let opened = watch.opened();
    assert!(opened.iter().any(|name| name.contains("_thumbnail.")), "{opened:?}");
    let repair = library.run(&["repair", "--dry-run"]);
    assert_eq!(repair.counts(), (0, 3 * ASSETS), "{}", repair.summary);
    assert_eq!(watch.opened(), Vec::<String>::new());
}

#[test]
fn what_changed_is_looked_at_and_nothing_else() {
    let library = Library::new();
    library.run(&["check"]);
    let preview = library.file("thumbs", "_preview.jpeg");
    let bytes = fs::read(&preview).unwrap();
    fs::write(&preview, bytes).unwrap();
    let watch = Watch::on(&library.media);
    let told = library.run(&["check"]);
    assert_eq!(told.counts(), (1, 3 * ASSETS - 1), "{}", told.summary);
    let name = preview.file_name().unwrap().to_string_lossy().into_owned();
    assert!(watch.opened().iter().all(|opened| *opened == name));

    // Other bytes under the same size and time: of a file with a checksum, and of one without.
    for (path, byte) in [(library.file("upload", ".jpg"), 10), (preview, 30)] {
        let mut bytes = fs::read(&path).unwrap();
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        bytes[byte] ^= 1;
        fs::write(&path, bytes).unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    let told = library.run(&["check"]);
    assert_eq!(told.counts(), (2, 3 * ASSETS - 2), "{}", told.summary);
    assert_eq!(told.codes(), ["original.checksum-mismatch", "preview.changed"]);
    // What is damaged is looked at in every run.
    let told = library.run(&["check"]);
    assert_eq!(told.counts(), (2, 3 * ASSETS - 2), "{}", told.summary);
    assert_eq!(told.codes(), ["original.checksum-mismatch"]);

    fs::remove_file(library.file("thumbs", "_thumbnail.webp")).unwrap();
    let told = library.run(&["check", "--only", "thumbnails"]);
    assert_eq!(told.codes(), ["thumbnail.missing"]);
    assert_eq!(told.summary["checked"], 0, "{}", told.summary);
}

#[test]
fn another_version_of_a_decoder_opens_its_own_verdicts_again_and_no_others() {
    let library = Library::new();
    library.run(&["check"]);
    library.as_if_upgraded("libwebp");
    let watch = Watch::on(&library.media);
    let told = library.run(&["check"]);
    assert_eq!(told.counts(), (ASSETS, 2 * ASSETS), "{}", told.summary);
    let opened = watch.opened();
    assert!(opened.iter().all(|name| name.ends_with("_thumbnail.webp")), "{opened:?}");
    library.as_if_upgraded("libjpeg-turbo");
    let told = library.run(&["check"]);
    assert_eq!(told.counts(), (2 * ASSETS, ASSETS), "originals and previews: {}", told.summary);
    assert_eq!(library.run(&["check"]).counts(), (0, 3 * ASSETS), "what the present ones say stands");
}

#[test]
fn a_run_is_compared_with_the_one_before() {
    let library = Library::new();
    let report = |options: &[&str]| {
        let mut report = Command::new(env!("CARGO_BIN_EXE_photofsck"));
        report.args(["report", "--color", "never", "--state"]).arg(library.at("state")).args(options);
        let told = report.output().unwrap();
        (told.status.code(), String::from_utf8([told.stdout, told.stderr].concat()).unwrap())
    };
    library.run(&["check"]);
    let (status, told) = report(&["--since", "last"]);
    assert!(status == Some(8) && told.contains("no run before"), "{told}");
    fs::remove_file(library.file("thumbs", ".jpeg")).unwrap();
    library.run(&["check"]);
    let (status, told) = report(&["--since", "last"]);
    assert!(status == Some(0) && told.contains("1 finding new, 0 gone, 0 standing"), "{told}");
    library.run(&["check"]);
    assert!(report(&["--since", "LAST"]).1.contains("0 findings new, 0 gone, 1 standing"));
}
