//! A small board: four workers on 1 GiB of memory, with everything large at once. Needs python3 with Pillow, ffmpeg and heif-enc.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is a failed test; what was seen is printed for whoever runs it"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// What the board has, and what is left to decoding.
const BOARD: u64 = 1 << 30;
const BUDGET: &str = "640M";
/// What `testdata/make_large.py` makes.
const FILES: usize = 8;

/// A control group with the board's memory, where this machine lets us make one.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Self> {
        let folder = PathBuf::from(format!("/sys/fs/cgroup/photofsck-pi-{}", std::process::id()));
        std::fs::create_dir(&folder).ok()?;
        let group = Self(folder);
        std::fs::write(group.0.join("memory.max"), BOARD.to_string()).ok()?;
        // Where there is no swap there is no such file.
        let _ = std::fs::write(group.0.join("memory.swap.max"), "0");
        Some(group)
    }

    fn take(&self, child: &Child) -> Option<()> {
        std::fs::write(self.0.join("cgroup.procs"), child.id().to_string()).ok()
    }

    fn killed(&self) -> String {
        let events = std::fs::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        events.lines().filter(|line| line.starts_with("oom_kill")).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Bytes that a process and all its children hold; pages that they share count once.
fn held(root: u32) -> u64 {
    let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parents.entry(parent.unwrap_or(0)).or_default().push(id);
    }
    let (mut sum, mut left) = (0, vec![root]);
    while let Some(id) = left.pop() {
        left.extend(parents.get(&id).into_iter().flatten());
        let rollup = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        sum += line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10;
    }
    sum
}

fn make(folder: &Path) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/make_large.py");
    ["/usr/bin/python3", "python3"].into_iter().any(|python| {
        let made = Command::new(python).arg(&script).arg("--out").arg(folder).output();
        made.is_ok_and(|made| made.status.success())
    })
}

#[test]
fn four_workers_on_one_gibibyte_finish_large_files() {
    let scratch = tempfile::tempdir().unwrap();
    let (files, out) = (scratch.path().join("files"), scratch.path().join("out"));
    if !make(&files) {
        eprintln!("NOT RUN: the pictures could not be made (python3, Pillow, ffmpeg, heif-enc)");
        return;
    }
    let lines = scratch.path().join("lines.ndjson");
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), FILES);
    let group = Group::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_photofsck"));
    command.arg("render").args(&names).arg("--out").arg(&out).args(["--jobs", "4", "--memory", BUDGET]);
    command.arg("--json").arg(&lines).args(["--progress", "never", "-q"]).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let bounded = group.as_ref().and_then(|group| group.take(&child)).is_some();
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        peak = peak.max(held(child.id()));
        std::thread::sleep(Duration::from_millis(20));
    };
    let limit = if bounded {
        "in a control group"
    } else {
        "NOT in a control group, which this machine does not allow"
    };
    eprintln!("{} MiB at most, {limit}", peak >> 20);
    assert!(status.success(), "{status}; {}", group.map(|group| group.killed()).unwrap_or_default());
    let text = std::fs::read_to_string(&lines).unwrap();
    let items: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["type"] == "item")
        .collect();
    assert_eq!(items.len(), FILES);
    for item in &items {
        assert_eq!(item["verdict"], "decodable", "{item}");
        assert!(item["preview"].is_string(), "{item}");
    }
    assert!(peak < BOARD, "{} MiB", peak >> 20);
}
