//! How gently a run treats the machine, and who is told of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::zombie_processes,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

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
        Self { folder, media, dump }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, options: &[&str]) -> (Output, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_photofsck"))
            .args(["check", "--progress", "never", "--json", "-", "--jobs", "1", "--media"])
            .arg(&self.media)
            .arg("--db")
            .arg(&self.dump)
            .arg("--state")
            .arg(self.at("state"))
            .args(options)
            .env_remove("PHOTOFSCK_IO")
            .env("PHOTOFSCK_WORKER", env!("CARGO_BIN_EXE_photofsck-worker"))
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout.clone()).unwrap();
        let summary = lines.lines().last().map_or(Value::Null, |line| serde_json::from_str(line).unwrap());
        (output, summary)
    }
}

/// Takes this many requests, answers each with a status, and gives paths and bodies.
fn monitor(requests: usize, status: &'static str) -> (String, JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ping/0c1a", listener.local_addr().unwrap());
    let told = std::thread::spawn(move || {
        let mut told = Vec::new();
        for _ in 0..requests {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
            reader.read_line(&mut first).unwrap();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
                    length = number.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            (&stream).write_all(answer.as_bytes()).unwrap();
            told.push((first.trim().to_owned(), String::from_utf8(body).unwrap()));
        }
        told
    });
    (url, told)
}

#[test]
fn a_monitor_hears_of_beginning_and_end() {
    let library = Library::new();
    let (url, told) = monitor(2, "200 OK");
    let (output, summary) = library.run(&["--ping", &url]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut told = told.join().unwrap();
    // The beginning is told beside the run, which may be over sooner.
    told.sort();
    assert_eq!(told[1].0, "POST /ping/0c1a/start HTTP/1.1");
    assert_eq!(told[0].0, "POST /ping/0c1a/0 HTTP/1.1");
    assert_eq!(serde_json::from_str::<Value>(&told[0].1).unwrap(), summary);
    // With damage the status is another.
    let victim = walkdir::WalkDir::new(library.media.join("upload"))
        .into_iter()
        .flatten()
        .find(|entry| entry.path().extension().is_some_and(|extension| extension == "jpg"));
    fs::write(victim.unwrap().path(), b"\xff\xd8\xff").unwrap();
    let (url, told) = monitor(2, "204 No Content");
    library.run(&["--ping", &url]);
    assert!(told.join().unwrap().iter().any(|(line, _)| line == "POST /ping/0c1a/4 HTTP/1.1"));
}

#[test]
fn a_monitor_that_is_not_there_fails_no_run_and_stays_secret() {
    let library = Library::new();
    let (url, told) = monitor(4, "500 Internal Server Error");
    let (output, summary) = library.run(&["--ping", &url]);
    assert_eq!((output.status.code(), &summary["exit"]), (Some(0), &Value::from(0)));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("was not told") && said.contains("500") && !said.contains("0c1a"), "{said}");
    // The beginning once, the end three times.
    assert_eq!(told.join().unwrap().iter().filter(|(line, _)| line.contains("/0 ")).count(), 3);
    let (output, _) = library.run(&["--ping", "monitor.example"]);
    assert_eq!(output.status.code(), Some(16));
}

#[test]
fn bytes_are_spread_over_time_and_nights() {
    let library = Library::new();
    let (_, all) = library.run(&["--max-age", "0"]);
    let bytes = all["bytes_read"].as_u64().unwrap();
    // Half of it: what is over the line is left to the next run.
    let half = (bytes / 2).to_string();
    let state = library.at("state").display().to_string();
    fs::remove_dir_all(&state).unwrap();
    let (output, first) = library.run(&["--max-bytes", &half]);
    assert_eq!((output.status.code(), first["ended"].as_str()), (Some(0), Some("byte-limit")));
    assert!(first["skipped_reasons"]["not-reached"].as_u64().unwrap() > 0, "{first}");
    let (_, second) = library.run(&[]);
    assert_eq!(second["ended"], "complete");
    let read = |summary: &Value| summary["bytes_read"].as_u64().unwrap();
    assert_eq!(read(&first) + read(&second), bytes, "nothing was read twice");
    // Two seconds' worth; the last file of all may come without waiting.
    let began = Instant::now();
    let (_, slow) = library.run(&["--max-age", "0", "--max-rate", &format!("{}/s", bytes / 2)]);
    assert_eq!(read(&slow), bytes);
    assert!(began.elapsed() > Duration::from_secs(1));
    let (output, _) = library.run(&["--max-rate", "0"]);
    assert_eq!(output.status.code(), Some(16));
}

#[test]
fn nobody_on_the_terminal_means_the_lowest_priority() {
    let library = Library::new();
    let niceness = |options: &[&str]| {
        let told = library.at("nice");
        let command = format!("cat > /dev/null; nice > '{}'", told.display());
        let options = [&["--notify-command", &command], options].concat();
        library.run(&options);
        fs::read_to_string(told).unwrap().trim().parse::<i32>().unwrap()
    };
    let usual = niceness(&["--io", "normal"]);
    assert_eq!((niceness(&[]), niceness(&["--io", "idle"])), (19, 19));
    assert!(usual <= 19);
}

/// A picture of three megabytes of noise.
fn bitmap(seed: u32) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    let mut number = |value: u32| bytes.extend(value.to_le_bytes());
    [54 + 3_000_000, 0, 54, 40, 1000, 1000, 1 | 24 << 16, 0, 3_000_000, 0, 0, 0, 0]
        .into_iter()
        .for_each(&mut number);
    let mut noise = seed;
    bytes.extend((0..3_000_000).map(|_| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    }));
    bytes
}

/// Bytes of a file that the kernel has in memory, by util-linux; `None` without that.
fn in_memory(path: &Path) -> Option<u64> {
    let told =
        Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES"]).arg(path).output();
    Some(String::from_utf8(told.ok()?.stdout).unwrap().trim().parse().unwrap())
}

#[test]
fn what_was_not_in_memory_does_not_stay_there() {
    // A disk, which a folder for temporary files may not be.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let [cold, warm] = ["cold.bmp", "warm.bmp"].map(|name| folder.path().join(name));
    for (path, seed) in [(&cold, 1), (&warm, 2)] {
        fs::write(path, bitmap(seed)).unwrap();
        fs::File::open(path).unwrap().sync_all().unwrap();
    }
    let file = fs::File::open(&cold).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let before = in_memory(&warm);
    if in_memory(&cold) != Some(0) || before == Some(0) {
        eprintln!("NOT TESTED HERE: no fincore, or the file system does not let go of what it has in memory");
        return;
    }
    let run = Command::new(env!("CARGO_BIN_EXE_photofsck"))
        .args(["verify", "--progress", "never", "--json", "-"])
        .arg(folder.path())
        .env("PHOTOFSCK_WORKER", env!("CARGO_BIN_EXE_photofsck-worker"))
        .output()
        .unwrap();
    let told = String::from_utf8(run.stdout).unwrap();
    assert_eq!(told.matches("\"verdict\":\"decodable\"").count(), 2, "{told}");
    assert_eq!(
        (in_memory(&cold), in_memory(&warm)),
        (Some(0), before),
        "of what was cold, and of what was there"
    );
}

#[test]
fn what_is_not_due_is_not_opened() {
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    let library = Library::new();
    assert_eq!(library.run(&[]).1["checked"], 3 * ASSETS);
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    let folders = walkdir::WalkDir::new(&library.media).into_iter().flatten();
    let mut watched = 0;
    for folder in folders.filter(|entry| entry.file_type().is_dir()) {
        inotify::add_watch(&watch, folder.path(), WatchFlags::OPEN | WatchFlags::ACCESS).unwrap();
        watched += 1;
    }
    assert!(watched > ASSETS);
    let opened = || {
        let mut buffer = vec![std::mem::MaybeUninit::uninit(); 64 << 10];
        let mut events = inotify::Reader::new(&watch, &mut buffer);
        let (mut files, mut folders) = (0u64, 0u64);
        while let Ok(event) = events.next() {
            *if event.events().contains(ReadFlags::ISDIR) { &mut folders } else { &mut files } += 1;
        }
        (files, folders)
    };
    let (_, again) = library.run(&[]);
    assert_eq!((&again["checked"], &again["walked"]), (&0.into(), &(3 * ASSETS).into()));
    let (files, folders) = opened();
    assert!(files == 0 && folders > ASSETS, "{files} files were opened, {folders} folders");
    library.run(&["--max-age", "0"]);
    assert!(opened().0 >= 3 * ASSETS, "it would be seen");
    assert_eq!(library.run(&["--only-due"]).1["walked"], 0);
    assert_eq!(opened(), (0, 0));
}

#[test]
fn when_nothing_is_due_the_library_sleeps() {
    let mut library = Library::new();
    let only_due = |library: &Library, more: &[&str]| library.run(&[&["--only-due"], more].concat());
    let (output, first) = only_due(&library, &[]);
    assert_eq!((output.status.code(), &first["walked"]), (Some(0), &(3 * ASSETS).into()), "all of it is due");
    // Whoever looked for it now would not find it.
    fs::rename(&library.media, library.at("asleep")).unwrap();
    let (output, idle) = only_due(&library, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), &idle["walked"], &idle["complete"]),
        (Some(0), &0.into(), &true.into())
    );
    assert!(said.starts_with("Nothing was due") && said.matches("nothing is due").count() == 1, "{said}");
    assert_eq!(idle["idle"], true);
    let lines = String::from_utf8(output.stdout).unwrap();
    let run: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&run["type"], &run["idle"]), (&"run".into(), &true.into()));
    assert!(run["notes"].to_string().contains("nothing is due"), "{run}");
    // What is due wakes it, and what is new.
    assert_eq!(only_due(&library, &["--max-age", "0"]).0.status.code(), Some(8));
    fs::rename(library.at("asleep"), &library.media).unwrap();
    library.run(&[]);
    let more = tempfile::tempdir().unwrap();
    let old = std::mem::replace(&mut library.dump, library::build(more.path(), ASSETS + 1, library::sound).1);
    let (output, woken) = only_due(&library, &[]);
    assert_eq!((output.status.code(), &woken["walked"]), (Some(4), &(3 * ASSETS).into()));
    // As long as something is wrong it is told every night, also when nothing is due.
    library.dump = old;
    assert_eq!(only_due(&library, &[]).1["walked"], 3 * ASSETS);
    assert_eq!(only_due(&library, &[]).1["walked"], 0);
    for refused in [&["--quick"][..], &["--against", "x"]] {
        assert_eq!(only_due(&library, refused).0.status.code(), Some(16));
    }
}

#[test]
fn without_records_new_files_wait_for_a_known_one_that_is_due() {
    let mut library = Library::new();
    library.dump = PathBuf::from("none");
    let walked = |library: &Library, options: &[&str]| library.run(options).1["walked"].clone();
    library.run(&["--only", "previews"]);
    assert_eq!(walked(&library, &["--only-due"]), 3 * ASSETS, "a part of it is not all of it");
    let (output, idle) = library.run(&["--only-due"]);
    assert_eq!(idle["walked"], 0);
    // As wide as it is, the text is broken into lines.
    let said: Vec<_> = std::str::from_utf8(&output.stderr).unwrap().split_whitespace().collect();
    let said = said.join(" ");
    assert!(said.contains("without records nothing tells of files that are new"), "{said}");
    let known = walkdir::WalkDir::new(library.media.join("upload")).into_iter().flatten();
    let known = known.map(walkdir::DirEntry::into_path).find(|path| path.is_file()).unwrap();
    fs::copy(&known, known.with_file_name("new.jpg")).unwrap();
    assert_eq!(walked(&library, &["--only-due"]), 0);
    // An idle run stands in between.
    assert_eq!(walked(&library, &["--only-due", "--max-age", "0"]), 3 * ASSETS + 1);
}
