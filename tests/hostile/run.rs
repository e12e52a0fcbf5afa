//! The program, watched while it runs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Only a run that hangs takes so long.
const PATIENCE: Duration = Duration::from_mins(20);
/// What the front end itself may hold, bytes.
const FRONT_END: u64 = 96 << 20;

/// A worker that grows past what it was granted is noticed at the next look, and killed.
const OVERSHOOT: u64 = 128 << 20;

/// What a run told.
pub struct Told {
    /// The NDJSON report.
    pub lines: Vec<Value>,
    /// What a person sees.
    pub text: String,
    /// Exit status.
    pub exit: i32,
}

/// `photofsck verify` over these paths.
pub fn verify(paths: &[&Path], budget: u64) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_photofsck"));
    command.arg("verify").args(paths);
    watched(command, budget)
}

/// Runs the program under a memory budget with two workers and holds it to that.
pub fn watched(mut command: Command, budget: u64) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.ndjson");
    let output = folder.path().join("output");
    let file = fs::File::create(&output).unwrap();
    let mut child = command
        .env_remove("PHOTOFSCK_LOG")
        .args([
            "--progress",
            "never",
            "--color",
            "never",
            "--jobs",
            "2",
            "--memory",
            &format!("{}M", budget >> 20),
        ])
        .arg("--json")
        .arg(&report)
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let began = Instant::now();
    let (mut front, mut workers) = (0, 0);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("it hangs: {}", fs::read_to_string(&report).unwrap_or_default());
        }
        front = front.max(proportional(child.id()));
        workers = workers.max(children(child.id()).into_iter().map(proportional).sum());
        std::thread::sleep(Duration::from_millis(15));
    };
    eprintln!("front end {} MiB, workers {} MiB at most", front >> 20, workers >> 20);
    assert!(front < FRONT_END, "the front end holds {} MiB", front >> 20);
    assert!(workers < budget + OVERSHOOT, "the workers hold {} MiB of {}", workers >> 20, budget >> 20);
    let text = String::from_utf8_lossy(&fs::read(&output).unwrap()).into_owned();
    let lines = fs::read_to_string(&report).unwrap_or_default();
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    Told { lines, text, exit: status.code().unwrap_or(-1) }
}

/// Memory of a process, bytes; pages that several processes share count in parts.
fn proportional(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kibibytes.unwrap_or(0) << 10
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let lists = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("children")));
    let ids = lists
        .flatten()
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>());
    ids.collect()
}

impl Told {
    fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }

    /// A number of the summary.
    pub fn number(&self, key: &str) -> u64 {
        let summary = self.of_type("summary").last().unwrap_or_else(|| panic!("no summary: {}", self.text));
        summary[key].as_u64().unwrap()
    }

    /// So many files were looked at, so many entries skipped, so many could not be looked at: that is all there was.
    pub fn assert_accounts(&self, checked: usize, skipped: usize, errors: usize) {
        let told = ["walked", "checked", "skipped", "errors"].map(|key| self.number(key));
        let wanted = [checked + skipped + errors, checked, skipped, errors].map(|count| count as u64);
        assert_eq!(told, wanted, "walked, checked, skipped, errors: {}", self.text);
        assert_eq!(self.exit & !4, 0, "the run itself went well: {} {}", self.exit, self.text);
    }

    /// The line about a file.
    pub fn item(&self, path: &Path) -> &Value {
        let path = path.to_string_lossy();
        let mut found = self.of_type("item").filter(|item| item["path"] == *path);
        let item = found.next().unwrap_or_else(|| panic!("no item for {path}: {}", self.text));
        assert!(found.next().is_none(), "{path} is told twice");
        item
    }

    /// The verdict on a file.
    pub fn verdict(&self, path: &Path) -> &str {
        self.item(path)["verdict"].as_str().unwrap()
    }

    /// The codes of all findings.
    pub fn codes(&self) -> Vec<String> {
        self.of_type("finding").map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    }

    /// The first finding about a file.
    pub fn finding(&self, path: &Path) -> &Value {
        let path = path.to_string_lossy();
        self.of_type("finding").find(|finding| finding["path"] == *path).expect("a finding")
    }

    /// Codes of the findings about a file.
    pub fn codes_of(&self, path: &Path) -> Vec<&str> {
        let path = path.to_string_lossy();
        let about = self.of_type("finding").filter(|finding| finding["path"] == *path);
        about.map(|finding| finding["code"].as_str().unwrap()).collect()
    }
}
