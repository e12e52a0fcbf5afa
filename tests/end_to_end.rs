//! The main job from outside: the demo library with its planted faults, checked, repaired and checked again
//! by the real program. Needs python3 with Pillow and ffmpeg, as the demo does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A library made once for all tests (each is a process of its own); every test works on a copy.
fn template() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/make_demo.py");
    let version = blake3::hash(&fs::read(&script).unwrap()).to_hex();
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(base).unwrap();
    let folder = base.join(format!("demo-{}", &version[..16]));
    let lock = fs::File::create(base.join("demo.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    if folder.join("planted.tsv").exists() {
        return Some(folder);
    }
    // The system's Python has Debian's Pillow; another one on the path may have none.
    for python in ["/usr/bin/python3", "python3"] {
        let _ = fs::remove_dir_all(&folder);
        let made = Command::new(python).arg(&script).arg("--out").arg(&folder).output();
        if made.is_ok_and(|output| output.status.success()) {
            return Some(folder);
        }
    }
    eprintln!("NOT RUN: the demo library could not be made (python3, Pillow, ffmpeg)");
    assert!(std::env::var_os("CI").is_none(), "the demo library has to be there in CI");
    None
}

struct Library {
    folder: tempfile::TempDir,
    planted: Vec<(String, String, PathBuf)>,
}

impl Library {
    fn new() -> Option<Self> {
        let from = template()?;
        let folder = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        let planted = fs::read_to_string(from.join("planted.tsv")).unwrap();
        let planted = planted.lines().skip(1).map(|line| {
            let mut fields = line.splitn(3, '\t').map(str::to_owned);
            let (fault, role, path) =
                (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
            (fault, role, folder.path().join(Path::new(&path).strip_prefix(&from).unwrap()))
        });
        let planted = planted.collect();
        Some(Self { folder, planted })
    }

    fn at(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn command(&self, command: &str) -> Command {
        let mut run = Command::new(env!("CARGO_BIN_EXE_photofsck"));
        run.arg(command)
            .args(["--progress", "never", "--media"])
            .arg(self.at("media"))
            .arg("--map")
            .arg(format!("/mnt/photos={}", self.at("external").display()))
            .arg("--state")
            .arg(self.at("state"))
            .args(["--json"])
            .arg(self.at("out.ndjson"));
        run
    }

    fn run(&self, command: &str, options: &[&str]) -> Told {
        let output = self.command(command).args(options).output().unwrap();
        Told::read(&self.at("out.ndjson"), &output)
    }

    /// Hashes of everything that no repair may touch.
    fn originals(&self) -> BTreeMap<PathBuf, blake3::Hash> {
        let mut found = BTreeMap::new();
        for folder in ["media/upload", "media/library", "media/encoded-video", "media/profile", "external"] {
            for entry in walkdir::WalkDir::new(self.at(folder)) {
                let entry = entry.unwrap();
                if entry.file_type().is_file() {
                    found.insert(entry.path().to_owned(), blake3::hash(&fs::read(entry.path()).unwrap()));
                }
            }
        }
        assert!(found.len() > 60, "only {} originals", found.len());
        found
    }
}

struct Told {
    lines: Vec<Value>,
    exit: i32,
    text: String,
}

impl Told {
    fn read(ndjson: &Path, output: &Output) -> Self {
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let json = fs::read_to_string(ndjson).unwrap_or_default();
        let lines = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { lines, exit: output.status.code().unwrap_or(-1), text }
    }

    fn of_type(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }

    fn summary(&self) -> &Value {
        self.of_type("summary").last().unwrap_or_else(|| panic!("no summary: {}", self.text))
    }

    /// Codes by path.
    fn codes(&self) -> BTreeMap<PathBuf, BTreeSet<String>> {
        let mut codes: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
        for finding in self.of_type("finding") {
            let path = PathBuf::from(finding["path"].as_str().unwrap_or_default());
            codes.entry(path).or_default().insert(finding["code"].as_str().unwrap().to_owned());
        }
        codes
    }

    fn assert_accounts(&self) {
        let summary = self.summary();
        let number = |key: &str| summary[key].as_u64().unwrap();
        assert_eq!(number("walked"), number("checked") + number("skipped") + number("errors"), "{summary}");
    }
}

#[test]
fn every_planted_fault_is_found_and_nothing_else_is_accused() {
    let Some(library) = Library::new() else { return };
    let told = library.run("check", &["--items"]);
    assert_eq!(told.exit, 4, "{}", told.text);
    told.assert_accounts();
    let codes = told.codes();
    for (fault, role, path) in &library.planted {
        let found = codes.get(path).unwrap_or_else(|| panic!("nothing found: {fault}: {}", path.display()));
        assert!(found.iter().any(|code| code.starts_with(role.as_str())), "{fault}: {found:?}");
    }
    let planted: BTreeSet<_> = library.planted.iter().map(|(_, _, path)| path.clone()).collect();
    for (path, codes) in &codes {
        let accused = codes.iter().any(|code| !code.starts_with("records."));
        assert!(!accused || planted.contains(path), "sound, and accused of {codes:?}: {}", path.display());
    }
    assert_eq!(told.of_type("item").count() as u64, told.summary()["checked"].as_u64().unwrap());
}

#[test]
fn a_second_check_says_the_same_of_what_it_need_not_look_at() {
    let Some(library) = Library::new() else { return };
    let first = library.run("check", &[]);
    let second = library.run("check", &[]);
    second.assert_accounts();
    assert_eq!(second.codes(), first.codes());
    let checked = |told: &Told| told.summary()["checked"].as_u64().unwrap();
    let (first, second) = (checked(&first), checked(&second));
    assert!(second < first / 2, "{second} of {first} looked at again");
}

#[test]
fn repair_makes_again_what_can_be_made_and_touches_no_original() {
    let Some(library) = Library::new() else { return };
    let before = library.originals();
    let told = library.run("repair", &[]);
    assert_eq!(told.exit, 5, "{}", told.text);
    told.assert_accounts();
    assert_eq!(library.originals(), before, "an original was changed");

    let repairable = |fault: &str| {
        ["preview ", "thumbnail ", "person "].iter().any(|role| fault.starts_with(role))
            && !fault.contains("row gone")
            && !fault.contains("no asset")
    };
    let done: BTreeSet<_> = told
        .of_type("repair")
        .filter(|repair| repair["status"] == "done")
        .map(|repair| PathBuf::from(repair["path"].as_str().unwrap()))
        .collect();
    for (fault, _, path) in library.planted.iter().filter(|(fault, ..)| repairable(fault)) {
        assert!(done.contains(path), "not repaired: {fault}: {}", path.display());
        assert!(fs::metadata(path).unwrap().len() > 500);
    }
    let last_copies: Vec<_> = told
        .of_type("repair")
        .filter(|repair| repair["status"] == "skipped" && repair["role"] != "video")
        .collect();
    assert_eq!(last_copies.len(), 1, "{last_copies:?}");

    // The second run has nothing to do, and says the same of what is left.
    let again = library.run("repair", &["--max-age", "0"]);
    assert_eq!(again.exit, 4, "{}", again.text);
    assert_eq!(again.of_type("repair").filter(|repair| repair["status"] == "done").count(), 0);
    let accused: BTreeSet<_> = again.codes().into_keys().collect();
    assert!(done.iter().all(|path| !accused.contains(path)), "still wrong after repair");
    let temporary = walkdir::WalkDir::new(library.at("media")).into_iter().filter_map(Result::ok);
    let temporary = temporary.filter(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"));
    assert_eq!(temporary.count(), 0);
}

#[test]
fn dry_run_changes_nothing_and_plans_what_repair_does() {
    let Some(library) = Library::new() else { return };
    let everything = || {
        let mut found = BTreeMap::new();
        for entry in walkdir::WalkDir::new(library.at("media")) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                found.insert(entry.path().to_owned(), fs::read(entry.path()).unwrap());
            }
        }
        found
    };
    let before = everything();
    let planned = library.run("repair", &["--dry-run"]);
    assert_eq!(planned.exit, 4);
    assert!(everything() == before, "a dry run wrote something");
    let paths = |told: &Told, status: &str| -> BTreeSet<String> {
        let repairs = told.of_type("repair").filter(|repair| repair["status"] == status);
        repairs.map(|repair| repair["path"].as_str().unwrap().to_owned()).collect()
    };
    let planned = paths(&planned, "planned");
    assert!(planned.len() > 15, "{planned:?}");
    assert_eq!(planned, paths(&library.run("repair", &[]), "done"));
}

#[test]
fn quick_sees_what_needs_no_decoding() {
    let Some(library) = Library::new() else { return };
    let told = library.run("check", &["--quick"]);
    told.assert_accounts();
    let codes = told.codes();
    let seen = |name: &str| {
        library
            .planted
            .iter()
            .filter(|(fault, ..)| fault.contains(name))
            .all(|(.., path)| codes.contains_key(path))
    };
    for fault in ["gone", "empty", "error page", "no record names"] {
        assert!(seen(fault), "--quick misses {fault:?}");
    }
}

#[test]
fn nothing_changed_means_nothing_is_read_again() {
    let Some(library) = Library::new() else { return };
    let first = library.run("check", &[]);
    let second = library.run("check", &[]);
    let read = |told: &Told| told.summary()["bytes_read"].as_u64().unwrap();
    assert!(read(&second) < read(&first) / 4, "{} of {}", read(&second), read(&first));
    assert_eq!(first.codes(), second.codes(), "the second run tells the same");
    second.assert_accounts();
}

#[test]
fn two_runs_at_once_on_one_catalog_are_refused() {
    let Some(library) = Library::new() else { return };
    let start = || {
        let mut run = Command::new(env!("CARGO_BIN_EXE_photofsck"));
        run.args(["check", "--progress", "never", "--media"]).arg(library.at("media"));
        run.arg("--state").arg(library.at("state")).stdout(Stdio::piped()).stderr(Stdio::piped());
        run.spawn().unwrap()
    };
    let runs = [start(), start()].map(|run| run.wait_with_output().unwrap());
    let refused: Vec<_> = runs.iter().filter(|output| output.status.code() == Some(8)).collect();
    assert_eq!(refused.len(), 1, "exactly one of two runs is refused: {runs:?}");
    let message = String::from_utf8_lossy(&refused[0].stderr).into_owned()
        + &String::from_utf8_lossy(&refused[0].stdout);
    assert!(message.contains("another run"), "{message}");
}

#[test]
fn wrong_mounts_stop_the_run_before_anything_is_called_missing() {
    let Some(library) = Library::new() else { return };
    let marker = library.at("media/upload/.immich");
    fs::remove_file(&marker).unwrap();
    let told = library.run("check", &[]);
    assert_eq!(told.exit, 8, "{}", told.text);
    assert!(told.text.contains("upload"), "{}", told.text);
    assert_eq!(
        told.of_type("finding").filter(|finding| finding["code"] == "mount.marker-missing").count(),
        1
    );
    assert_eq!(told.of_type("finding").filter(|finding| finding["code"] == "original.missing").count(), 0);

    fs::write(&marker, "0").unwrap();
    for entry in fs::read_dir(library.at("media/upload")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    let told = library.run("check", &[]);
    assert_eq!(told.exit, 8, "{}", told.text);
    assert!(told.text.contains("--allow-mass-missing"), "{}", told.text);
    assert_eq!(told.of_type("finding").filter(|finding| finding["code"] == "original.missing").count(), 0);
    let told = library.run("check", &["--allow-mass-missing", "--quick"]);
    assert_eq!(told.exit, 4, "{}", told.text);
    assert!(told.of_type("finding").filter(|finding| finding["code"] == "original.missing").count() > 30);
}

#[test]
fn a_signal_ends_the_run_orderly() {
    let Some(library) = Library::new() else { return };
    let mut child = library.command("repair").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    let status = child.wait().unwrap();
    // A fast machine may have finished.
    assert!(matches!(status.code(), Some(code) if code & 32 != 0 || code == 5), "{status}");
    let output = Output { status, stdout: Vec::new(), stderr: Vec::new() };
    Told::read(&library.at("out.ndjson"), &output).assert_accounts();
}

#[test]
fn killed_repairs_leave_no_half_file() {
    let Some(library) = Library::new() else { return };
    let before = library.originals();
    for round in 0..12u64 {
        let mut child =
            library.command("repair").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300 + round * 150));
        let _ = child.kill();
        let _ = child.wait();
    }
    assert_eq!(library.originals(), before, "an original was changed");
    let told = library.run("repair", &["--max-age", "0"]);
    assert!(matches!(told.exit, 4 | 5), "{}", told.text);
    told.assert_accounts();
    let last = library.run("check", &["--max-age", "0"]);
    for (fault, _, path) in library.planted.iter().filter(|(fault, ..)| fault.starts_with("preview gone")) {
        assert!(!last.codes().contains_key(path), "{fault} is still wrong: {:?}", last.codes().get(path));
    }
    let left = walkdir::WalkDir::new(library.at("media")).into_iter().filter_map(Result::ok);
    assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().ends_with(".tmp")).count(), 0);
}

#[test]
fn without_records_nothing_is_claimed_about_presence() {
    let Some(library) = Library::new() else { return };
    let told = library.run("check", &["--db", "none"]);
    told.assert_accounts();
    for finding in told.of_type("finding") {
        let code = finding["code"].as_str().unwrap();
        assert!(!["missing", "untracked", "unregistered"].iter().any(|what| code.ends_with(what)), "{code}");
    }
    assert!(told.of_type("finding").count() > 5);
}

#[test]
fn shards_are_disjoint_and_complete() {
    let Some(library) = Library::new() else { return };
    let whole = library.run("check", &["--quick", "--items"]);
    let mut together = BTreeSet::new();
    let mut checked = 0;
    for shard in ["1/3", "2/3", "3/3"] {
        let part = library.run("check", &["--quick", "--items", "--shard", shard]);
        part.assert_accounts();
        checked += part.of_type("item").count();
        together.extend(part.of_type("item").map(|item| item["path"].as_str().unwrap().to_owned()));
    }
    let all: BTreeSet<_> =
        whole.of_type("item").map(|item| item["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(checked, together.len(), "shards overlap");
    assert_eq!(all, together);
}

#[test]
fn the_readme_shows_what_the_demo_says() {
    let Some(library) = Library::new() else { return };
    let output = library.command("repair").output().unwrap();
    let told = Told::read(&library.at("out.ndjson"), &output);
    if told.of_type("run").next().unwrap()["records"]["assets"] != 68 {
        eprintln!("NOT COMPARED: the demo library lacks formats that this machine cannot encode");
        return;
    }
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let example = readme.split("$ photofsck repair --media demo/media").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = words(&told.text);
    // Paths, sizes and times differ from run to run.
    let stable = |line: &&str| {
        ["were made", "are damaged", "Something", "done ", "error ", "Accounting", "confined"]
            .iter()
            .any(|part| line.contains(part))
    };
    let mut compared = 0;
    for line in example.lines().filter(stable) {
        let line = words(line.split(" (").next().unwrap());
        assert!(said.contains(&line), "the README says {line:?}; the program says:\n{}", told.text);
        compared += 1;
    }
    assert!(compared >= 7, "only {compared} lines of the README were compared");
}

#[test]
fn the_page_shows_what_people_know_assets_by_and_a_later_one_shows_the_same() {
    let Some(library) = Library::new() else { return };
    let (checked, repaired, later) =
        (library.at("check.html"), library.at("repair.html"), library.at("later.html"));
    let told = library.run("check", &["--html", checked.to_str().unwrap()]);
    assert_eq!(told.exit, 4, "{}", told.text);
    let page = fs::read_to_string(&checked).unwrap();
    for words in [
        "<h1><span class=\"sign\" aria-hidden=\"true\">✕</span>8 originals are damaged and 1 is missing.</h1>",
        "<bdi>IMG_0006.jpg</bdi>",
        "<bdi>Anna</bdi>",
        "<bdi>Holidays, Lake Constance</bdi>",
        "<bdi>2024-05-02 12:15</bdi>",
        "<bdi>FUJIFILM X-T5</bdi>",
        "thumbnail: what is left; lower 31 % lost",
        "preview, as found; lower 51 % lost",
    ] {
        assert!(page.contains(words), "{words} is not in the page");
    }
    assert!(!page.contains("made again</figcaption>") && !page.contains("http-equiv=\"refresh\""));
    let told = library.run("repair", &["--html", repaired.to_str().unwrap()]);
    assert_eq!(told.exit, 5, "{}", told.text);
    let page = fs::read_to_string(&repaired).unwrap();
    // Of a pair: what was found, or a tile that says why there is nothing, and what was made.
    for words in
        ["<div class=\"tile\">missing</div>", "preview, as found; lower 51 % lost", "preview, made again"]
    {
        assert!(page.contains(words), "{words} is not in the page");
    }
    assert!(page.matches("data:image/webp;base64,UklGR").count() > 20, "few pictures");
    let output = Command::new(env!("CARGO_BIN_EXE_photofsck"))
        .args(["report", "--state"])
        .arg(library.at("state"))
        .arg("--html")
        .arg(&later)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(without_ages(&fs::read_to_string(&later).unwrap()), without_ages(&page));
    // Names and pictures are no part of what scripts are given.
    let json = Command::new(env!("CARGO_BIN_EXE_photofsck"))
        .args(["report", "--json", "-", "--state"])
        .arg(library.at("state"))
        .output()
        .unwrap();
    let json = String::from_utf8(json.stdout).unwrap();
    assert!(
        json.contains("\"type\":\"finding\"")
            && !json.contains("\"type\":\"picture\"")
            && !json.contains("\"type\":\"asset\"")
    );
}

/// A page without what is told by the clock.
fn without_ages(page: &str) -> String {
    let lines = page.replace("<dt>", "\n<dt>");
    let told =
        lines.lines().filter(|line| !["<dt>Records", "<dt>Time"].iter().any(|timed| line.starts_with(timed)));
    told.collect::<Vec<_>>().join("\n")
}
