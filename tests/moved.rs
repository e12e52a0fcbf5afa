//! A library is moved, and the manifest of before proves that nothing was lost on the way, or says exactly what was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::zombie_processes,
    reason = "tests"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

#[path = "../benches/library/mod.rs"]
mod library;

const ASSETS: u64 = 12;

struct Move {
    folder: tempfile::TempDir,
    dump: PathBuf,
}

impl Move {
    /// A library that was verified, exported, and copied to another place.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (media, dump) = library::build(folder.path(), ASSETS, library::sound);
        let moved = Self { folder, dump };
        let first = moved.run(&["check", "--media", media.to_str().unwrap()], "before");
        assert_eq!(first.0.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.0.stderr));
        let export = Command::new(env!("CARGO_BIN_EXE_photofsck"))
            .args(["state", "export"])
            .arg(moved.at("manifest.ndjson"))
            .arg("--state")
            .arg(moved.at("before"))
            .output()
            .unwrap();
        assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
        let copied = Command::new("cp").arg("-a").arg(&media).arg(moved.at("new home")).status();
        assert!(copied.unwrap().success());
        moved
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, options: &[&str], state: &str) -> (Output, Vec<Value>) {
        let told = self.at("told.ndjson");
        let output = Command::new(env!("CARGO_BIN_EXE_photofsck"))
            .args(options)
            .args(["--progress", "never", "--io", "normal", "--db"])
            .arg(&self.dump)
            .arg("--state")
            .arg(self.at(state))
            .arg("--json")
            .arg(&told)
            .env("PHOTOFSCK_WORKER", env!("CARGO_BIN_EXE_photofsck-worker"))
            .output()
            .unwrap();
        let text = fs::read_to_string(told).unwrap_or_default();
        (output, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// The check at the new place: its text, exit status, comparison and findings.
    fn check(&self) -> (String, i32, Value, Vec<Value>) {
        let home = self.at("new home");
        let manifest = self.at("manifest.ndjson");
        let options = ["check", "--media", home.to_str().unwrap(), "--against", manifest.to_str().unwrap()];
        let (output, lines) = self.run(&options, "after");
        // As wide as it is, the text is broken into lines.
        let text: Vec<_> = std::str::from_utf8(&output.stdout).unwrap().split_whitespace().collect();
        let text = text.join(" ");
        let comparison = lines.last().unwrap()["comparison"].clone();
        let findings = lines.into_iter().filter(|line| line["type"] == "finding").collect();
        (text, output.status.code().unwrap(), comparison, findings)
    }

    /// The files of the new place in a fixed order.
    fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut files: Vec<_> = walkdir::WalkDir::new(self.at("new home").join(below))
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file() && entry.file_name() != ".immich")
            .map(walkdir::DirEntry::into_path)
            .collect();
        files.sort();
        files
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_faithful_copy_is_complete_and_identical() {
    let moved = Move::new();
    let (text, exit, comparison, findings) = moved.check();
    assert_eq!((exit, findings.len()), (0, 0), "{text}");
    assert!(
        text.contains("Complete and identical with the manifest of") && !text.contains("NOT complete"),
        "{text}"
    );
    assert_eq!(comparison["files"], comparison["identical"]);
    assert!(comparison["files"].as_u64().unwrap() >= ASSETS * 3, "{comparison}");
    // What Immich takes in afterwards does not matter.
    let first = &moved.files("upload")[0];
    fs::copy(first, first.with_file_name("new.jpg")).unwrap();
    let (text, _, comparison, _) = moved.check();
    assert_eq!((&comparison["added"], &comparison["lost"]), (&Value::from(1), &Value::from(0)));
    assert!(text.contains("Complete and identical") && text.contains("1 file added since"), "{text}");
}

#[test]
fn every_difference_is_told() {
    let moved = Move::new();
    let files = moved.files("upload");
    let [gone, flipped, renamed, composed, opened, linked] = &files[..6] else { panic!("{files:?}") };
    let hollow = &moved.files("thumbs")[0];
    fs::remove_file(gone).unwrap();
    flip(flipped);
    fs::rename(renamed, renamed.with_extension("JPG")).unwrap();
    fs::rename(composed, composed.with_file_name("another name.jpg")).unwrap();
    fs::set_permissions(opened, fs::Permissions::from_mode(0o600)).unwrap();
    let aside = moved.at("aside.jpg");
    fs::rename(linked, &aside).unwrap();
    symlink(&aside, linked).unwrap();
    fs::write(hollow, vec![0; 8192]).unwrap();
    let (text, exit, comparison, findings) = moved.check();
    assert_eq!(exit & 4, 4, "{text}");
    let told = |key: &str| comparison[key].as_u64().unwrap();
    let all = ["lost", "changed", "renamed", "differs", "uncompared"].map(told);
    assert_eq!(all, [1, 2, 2, 2, 0], "{text}");
    assert_eq!(told("identical") + all.iter().sum::<u64>(), told("files"));
    assert_eq!(told("added"), 0, "renamed files are not new");
    assert!(text.contains("NOT complete and identical"), "{text}");
    let about = |path: &Path, code: &str| {
        let path = path.to_str().unwrap();
        findings
            .iter()
            .find(|finding| finding["path"] == path && finding["code"] == code)
            .unwrap_or_else(|| panic!("no {code} about {path}: {findings:#?}"))
    };
    about(gone, "original.missing");
    let changed = about(flipped, "original.checksum-mismatch");
    assert_eq!(changed["severity"], "error");
    let role =
        if hollow.extension().is_some_and(|extension| extension == "webp") { "thumbnail" } else { "preview" };
    assert_eq!(about(hollow, &format!("{role}.checksum-mismatch"))["evidence"]["zeros_from"], 0);
    let mismatches = findings.iter().filter(|finding| {
        finding["path"] == flipped.to_str().unwrap() && finding["code"] == "original.checksum-mismatch"
    });
    assert_eq!(mismatches.count(), 1, "what the records have a checksum of is told once");
    let name = &about(renamed, "original.differs")["evidence"]["name"];
    assert_eq!(name, "differs in upper and lower case");
    assert_eq!(about(composed, "original.differs")["evidence"]["name"], "another name");
    let rights = &about(opened, "original.differs")["evidence"];
    assert!(rights["now"].as_str().unwrap().starts_with("0600 "), "{rights}");
    let link = &about(linked, "original.differs")["evidence"]["now"];
    assert!(link.as_str().unwrap().starts_with("a symbolic link to "), "{link}");
}

#[test]
fn names_that_became_one_are_told() {
    let moved = Move::new();
    // What a file system does that does not tell upper and lower case apart: another name leads to the same file.
    symlink("thumbs", moved.at("new home/THUMBS")).unwrap();
    let manifest = fs::read_to_string(moved.at("manifest.ndjson")).unwrap();
    let line = manifest.lines().find(|line| line.contains("/thumbs/")).unwrap();
    let other = line.replace("/thumbs/", "/THUMBS/");
    fs::write(moved.at("manifest.ndjson"), format!("{manifest}{other}\n")).unwrap();
    let (text, exit, comparison, findings) = moved.check();
    assert_eq!((&comparison["collided"], &comparison["changed"]), (&1.into(), &0.into()), "{text}");
    assert_eq!(comparison["identical"].as_u64().unwrap() + 1, comparison["files"].as_u64().unwrap());
    assert!(exit & 4 == 4 && text.contains("1 that share a file with another name"), "{text}");
    let name = &findings[0]["evidence"]["name"];
    assert_eq!(name, "leads to the same file as another name of the manifest", "{findings:#?}");
}

#[test]
fn what_cannot_be_compared_with_is_refused() {
    let moved = Move::new();
    let home = moved.at("new home");
    let home = home.to_str().unwrap();
    let odd = moved.at("odd");
    for (content, words) in [
        ("", "found no line"),
        ("no json\n", "line 1"),
        ("{\"type\":\"manifest\",\"version\":99}\n", "newer photofsck"),
        ("{\"type\":\"manifest\",\"version\":1}\n{\"type\":\"file\"}\n", "line 2"),
    ] {
        fs::write(&odd, content).unwrap();
        let (output, _) = moved.run(&["check", "--media", home, "--against", odd.to_str().unwrap()], "after");
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(16), "{said}");
        assert!(said.contains(words), "{words}: {said}");
    }
    let (output, _) = moved.run(&["check", "--media", home, "--quick", "--against", "x"], "after");
    assert_eq!(output.status.code(), Some(16));
}
