//! Files and folders made by somebody who means harm, looked at by the real programs: every entry is accounted for, nothing
//! sound is accused, nothing is called fine that was not looked at, and the run stays within its memory and ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod bombs;
#[cfg(feature = "faulty-decoder")]
mod crash;
mod library;
mod run;
mod sharing;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bombs::{Bomb, SOUND, seed};
use run::verify;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// The smallest budget that a small board would give.
const BUDGET: u64 = 300 << 20;

/// Verifies them all in one run and holds it to what may be said of each.
fn judged(bombs: &[Bomb], budget: u64) {
    let folder = tempfile::tempdir().unwrap();
    for bomb in bombs {
        fs::write(folder.path().join(bomb.name), &bomb.bytes).unwrap();
    }
    let told = verify(&[folder.path()], budget);
    told.assert_accounts(bombs.len(), 0, 0);
    assert_eq!(told.exit, 4, "{}", told.text);
    let mut wrong: Vec<String> = Vec::new();
    for bomb in bombs {
        let item = told.item(&folder.path().join(bomb.name));
        let (verdict, reason) =
            (item["verdict"].as_str().unwrap(), item["reason"].as_str().unwrap_or_default());
        let shown: String = reason.chars().take(140).collect();
        eprintln!("{:28} {verdict:13} {:>6} ms  {shown}", bomb.name, item["ms"]);
        if !bomb.verdicts.contains(&verdict) {
            wrong.push(format!("{} is {verdict} ({reason}), right would be {:?}", bomb.name, bomb.verdicts));
        }
        if reason.contains("ran longer") {
            wrong.push(format!("{} is not judged in time: {reason}", bomb.name));
        }
        if verdict == "unverifiable" && reason.is_empty() {
            wrong.push(format!("{} is unverifiable for no reason", bomb.name));
        }
        if reason.contains("panic") && reason.contains(" at src/") {
            wrong.push(format!("{} makes our own code panic: {reason}", bomb.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bombs_are_judged_within_the_budget() {
    judged(&bombs::media(), BUDGET);
}

#[test]
fn bytes_that_are_named_again_and_again_are_not_read_each_time() {
    judged(&sharing::all(), BUDGET);
}

#[test]
fn texts_that_explode_are_judged_within_the_budget() {
    // Drawings are assumed to be as large as a large preview.
    judged(&bombs::texts(), 1 << 30);
}

#[test]
fn giants_that_are_mostly_holes_cost_neither_time_nor_memory() {
    let folder = tempfile::tempdir().unwrap();
    let sparse = |name: &str, head: &[u8], length: u64| {
        let path = folder.path().join(name);
        fs::write(&path, head).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).is_ok()
    };
    let movie = seed("mp4/h264.mp4");
    let mut open = movie.clone();
    open.extend(b"\0\0\0\x01mdat\0\0\0\xff\0\0\0\0");
    let files: [(&str, &[u8]); 7] = [
        ("nothing.jpg", b""),
        ("nothing.mp4", b""),
        ("nothing.dng", b""),
        ("picture.jpg", &seed("jpeg/baseline.jpg")),
        ("picture.dng", &seed("raw/drawn.dng")),
        ("movie.mp4", &movie),
        ("data.mp4", &open),
    ];
    if !files.iter().all(|(name, head)| sparse(name, head, 1 << 40)) {
        eprintln!("NOT RUN: this file system has no sparse files of 1 TiB");
        return;
    }
    let told = verify(&[folder.path()], BUDGET);
    told.assert_accounts(files.len(), 0, 0);
    for (name, _) in files {
        let item = told.item(&folder.path().join(name));
        eprintln!("{name}: {} ({}) in {} ms", item["verdict"], item["reason"], item["ms"]);
        assert_ne!(item["verdict"], "decodable", "{name}");
        assert!(!item["reason"].as_str().unwrap_or_default().is_empty(), "{name}");
    }
}

/// What is no file but has the name of one.
fn plant_oddities(folder: &Path) -> (usize, usize) {
    let at = |name: &str| folder.join(name);
    mknodat(CWD, at("fifo.jpg"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    drop(UnixListener::bind(at("socket.jpg")).unwrap());
    symlink("loop-b.jpg", at("loop-a.jpg")).unwrap();
    symlink("loop-a.jpg", at("loop-b.jpg")).unwrap();
    symlink("itself.jpg", at("itself.jpg")).unwrap();
    symlink("nowhere.jpg", at("dangling.jpg")).unwrap();
    symlink(".", at("here.jpg")).unwrap();
    symlink("..", at("above")).unwrap();
    symlink("/dev/zero", at("zero.jpg")).unwrap();
    symlink("/proc/self/mem", at("memory.jpg")).unwrap();
    let mut skipped = 9;
    let device = rustix::fs::makedev(1, 5);
    if mknodat(CWD, at("device.jpg"), FileType::CharacterDevice, Mode::RUSR, device).is_ok() {
        skipped += 1;
    } else {
        eprintln!("NOT RUN: no device node can be made here (not root)");
    }
    (skipped, 1)
}

#[test]
fn what_is_no_file_is_skipped_and_no_link_leads_in_circles() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (skipped, links) = plant_oddities(folder.path());
    fs::create_dir(at("folder.jpg")).unwrap();
    fs::write(at("folder.jpg/inside.jpg"), seed("jpeg/gray.jpg")).unwrap();
    fs::write(outside.path().join("out.png"), seed("png/rgb.png")).unwrap();
    symlink(outside.path().join("out.png"), at("link.png")).unwrap();
    symlink(outside.path(), at("link-to-folder")).unwrap();
    fs::write(at("one.gif"), seed("gif/still.gif")).unwrap();
    fs::hard_link(at("one.gif"), at("two.gif")).unwrap();
    // /proc/self/mem is a file to the system, an empty one.
    let told = verify(&[folder.path()], BUDGET);
    told.assert_accounts(4 + links, skipped + 1, 0);
    for name in ["folder.jpg/inside.jpg", "link.png", "one.gif", "two.gif"] {
        assert_eq!(told.verdict(&at(name)), "decodable", "{name}");
    }
    assert_ne!(told.verdict(&at("memory.jpg")), "decodable");

    let named: Vec<PathBuf> =
        ["fifo.jpg", "socket.jpg", "loop-a.jpg", "dangling.jpg", "zero.jpg", "gone.jpg"].map(at).into();
    let paths: Vec<&Path> = named.iter().map(PathBuf::as_path).collect();
    let told = verify(&paths, BUDGET);
    told.assert_accounts(named.len(), 0, 0);
    for path in paths {
        assert_eq!(told.verdict(path), "unverifiable", "{}", path.display());
        assert!(!told.item(path)["reason"].as_str().unwrap_or_default().is_empty());
    }
}

#[test]
fn names_of_any_bytes_and_any_length() {
    let folder = tempfile::tempdir().unwrap();
    let picture = seed("jpeg/gray.jpg");
    let names: [&[u8]; 8] = [
        b"new\nline.jpg",
        b"not\xffutf\xc3.jpg",
        "\u{1f4f7}\u{202e}gpj.exe.jpg".as_bytes(),
        b"\x1b[2J\x1b]0;title\x07.jpg",
        b"--help.jpg",
        b" .jpg",
        b"{\"type\":\"item\"}.jpg",
        &[b'n'; 251],
    ];
    let mut paths: Vec<PathBuf> = names
        .iter()
        .map(|name| {
            let longest = [*name, b".jpg"].concat();
            folder.path().join(OsStr::from_bytes(if name.len() == 251 { &longest } else { name }))
        })
        .collect();
    // As long as the system takes it.
    let mut deep = folder.path().to_owned();
    while deep.as_os_str().len() + 201 < 4000 {
        deep.push("d".repeat(200));
    }
    fs::create_dir_all(&deep).unwrap();
    paths.push(deep.join("deep.jpg"));
    for path in &paths {
        fs::write(path, &picture).unwrap();
    }
    let told = verify(&[folder.path()], BUDGET);
    told.assert_accounts(paths.len(), 0, 0);
    assert_eq!(told.exit, 0, "{}", told.text);
    assert!(
        !told.text.contains(['\x1b', '\u{202e}', '\x07']),
        "nothing steers the terminal: {:?}",
        told.text
    );
    let strange = told.lines.iter().filter(|line| line.get("path_bytes").is_some()).count();
    assert_eq!(strange, 1, "one name is no UTF-8");

    // Longer than the system takes it: can be made step by step, not be opened by its path.
    let mut at = File::open(&deep).unwrap();
    for _ in 0..3 {
        let name = OsString::from("e".repeat(200));
        rustix::fs::mkdirat(&at, &name, Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        at = File::from(rustix::fs::openat(&at, &name, flags, Mode::empty()).unwrap());
    }
    let told = verify(&[folder.path()], BUDGET);
    assert_eq!(
        told.number("walked"),
        told.number("checked") + told.number("skipped") + told.number("errors")
    );
    assert_eq!(told.number("checked"), paths.len() as u64);
    assert_eq!(told.number("errors"), 1, "the folder that cannot be looked into is told: {}", told.text);
    // The deep folders cannot be removed by their path either.
    let removed = std::process::Command::new("rm").arg("-rf").arg(folder.path()).status().unwrap();
    assert!(removed.success());
}

#[test]
fn what_may_not_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("closed.jpg");
    let inner = folder.path().join("closed");
    fs::write(&file, seed("jpeg/gray.jpg")).unwrap();
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("hidden.jpg"), b"x").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&file).is_ok() {
        eprintln!("NOT RUN: root may read everything");
        return;
    }
    let told = verify(&[folder.path()], BUDGET);
    told.assert_accounts(1, 0, 1);
    assert_eq!(told.verdict(&file), "unverifiable");
    assert!(told.codes().contains(&"unknown.unreadable".to_owned()), "{}", told.text);
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
}

/// Runs `disturb` again and again while the folder is verified three times.
fn disturbed(folder: &Path, files: usize, mut disturb: impl FnMut(u64) + Send) -> Vec<run::Told> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = 0;
            while !stop.load(Ordering::Relaxed) {
                disturb(turn);
                turn += 1;
            }
        });
        let all = (0..3)
            .map(|_| {
                let told = verify(&[folder], BUDGET);
                told.assert_accounts(files, 0, 0);
                told
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        all
    })
}

/// A sound picture with so much behind it that reading it takes a while.
fn long_picture() -> Vec<u8> {
    let mut bytes = seed("jpeg/gray.jpg");
    bytes.resize(24 << 20, 0x55);
    bytes
}

#[test]
fn a_file_that_shrinks_or_grows_while_it_is_read_is_not_accused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moving.jpg");
    let bytes = long_picture();
    fs::write(&path, &bytes).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let full = bytes.len() as u64;
    // What stands before the changed end is sound at any moment.
    for told in disturbed(folder.path(), 1, |turn| file.set_len(full - turn * 4099 % (8 << 20)).unwrap()) {
        let item = told.item(&path);
        let verdict = item["verdict"].as_str().unwrap();
        assert!(SOUND.contains(&verdict), "{item}");
        if verdict == "unverifiable" {
            assert!(item["reason"].as_str().unwrap_or_default().contains("changed"), "{item}");
        }
    }
}

#[test]
fn a_file_that_loses_everything_while_it_is_read_crashes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moving.jpg");
    let bytes = long_picture();
    fs::write(&path, &bytes).unwrap();
    for told in disturbed(folder.path(), 1, |turn| {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(if turn % 2 == 0 { 0 } else { bytes.len() as u64 }).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(3));
    }) {
        let item = told.item(&path);
        assert_ne!(item["verdict"], "decodable", "its beginning is gone: {item}");
        assert!(!item["reason"].as_str().unwrap_or_default().contains("crash"), "{item}");
    }
}

#[test]
fn a_file_that_is_replaced_by_another_is_one_of_the_two() {
    let folder = tempfile::tempdir().unwrap();
    let aside = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
    let path = folder.path().join("replaced.jpg");
    let (one, two) = (long_picture(), seed("jpeg/progressive.jpg"));
    fs::write(&path, &one).unwrap();
    for told in disturbed(folder.path(), 1, |turn| {
        let fresh = aside.path().join("fresh");
        fs::write(&fresh, if turn % 2 == 0 { &two } else { &one }).unwrap();
        fs::rename(&fresh, &path).unwrap();
    }) {
        assert_eq!(told.verdict(&path), "decodable");
    }
}
