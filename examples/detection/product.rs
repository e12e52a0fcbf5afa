//! The real program, as users run it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Where the built programs are.
pub struct Product {
    binary: PathBuf,
    jobs: usize,
    /// Hash of the programs: what one build said, another need not.
    id: String,
}

/// What it said of one file.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub verdict: Verdict,
    pub reason: String,
}

/// As in the report; nothing said is an answer too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    Sound,
    Damaged,
    Unverifiable,
    #[default]
    Silent,
}

impl Product {
    /// The program at `binary`, with its workers beside it.
    pub fn at(binary: PathBuf, jobs: usize) -> Result<Self, String> {
        let programs = || {
            let workers = ["photofsck-worker", "photofsck-worker-films"];
            std::iter::once(binary.clone()).chain(workers.map(|name| binary.with_file_name(name)))
        };
        for program in programs() {
            if !program.is_file() {
                return Err(format!("{} is not there: run cargo build (--release) first", program.display()));
            }
        }
        let mut hasher = blake3::Hasher::new();
        for program in programs() {
            let bytes = std::fs::read(&program).map_err(|error| format!("{}: {error}", program.display()))?;
            hasher.update(&bytes);
        }
        let id = hasher.finalize().to_hex()[..16].to_owned();
        Ok(Self { binary, jobs, id })
    }

    /// Tells builds apart.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its version.
    pub fn version(&self) -> String {
        let output = Command::new(&self.binary).arg("--version").output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }

    /// Verifies a folder and gives the answer for each file below it.
    pub fn verify(&self, folder: &Path, video: Option<&str>) -> Result<HashMap<PathBuf, Answer>, String> {
        let mut command = Command::new(&self.binary);
        command.args(["verify", "--progress", "never", "--json", "-", "--jobs", &self.jobs.to_string()]);
        if let Some(depth) = video {
            command.args(["--video", depth]);
        }
        let output = command
            .arg(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("photofsck: {error}"))?;
        let mut answers = HashMap::new();
        let mut complete = false;
        for line in output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let value: Value = serde_json::from_slice(line).map_err(|error| format!("NDJSON: {error}"))?;
            let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
            match text("type") {
                "item" => {
                    let verdict = match text("verdict") {
                        "verified" | "decodable" => Verdict::Sound,
                        "damaged" => Verdict::Damaged,
                        "unverifiable" => Verdict::Unverifiable,
                        _ => Verdict::Silent,
                    };
                    answers
                        .insert(text("path").into(), Answer { verdict, reason: text("reason").to_owned() });
                }
                "summary" => complete = value.get("complete").and_then(Value::as_bool).unwrap_or(false),
                _ => {}
            }
        }
        if !complete {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(format!("photofsck verify {} did not finish: {words}", folder.display()));
        }
        Ok(answers)
    }

    /// Preview and thumbnail of a picture.
    pub fn render(&self, input: &Path, folder: &Path) -> Vec<(String, &'static str, Vec<u8>)> {
        let out = folder.join("rendered");
        let _ = std::fs::remove_dir_all(&out);
        let mut command = Command::new(&self.binary);
        command.args(["render", "--progress", "never", "--out"]).arg(&out).arg(input);
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let mut made = Vec::new();
        for entry in std::fs::read_dir(&out).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            let name = match path.extension().and_then(|name| name.to_str()) {
                Some("jpeg" | "jpg") => ("preview", "jpeg"),
                Some("webp") => ("thumbnail", "webp"),
                _ => continue,
            };
            made.extend(std::fs::read(&path).ok().map(|bytes| (name.0.to_owned(), name.1, bytes)));
        }
        made.sort_by(|a, b| a.0.cmp(&b.0));
        made
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = match self.verdict {
            Verdict::Sound => "sound",
            Verdict::Damaged => "damaged",
            Verdict::Unverifiable => "unverifiable",
            Verdict::Silent => "silent",
        };
        write!(f, "{verdict} {}", self.reason.replace(['\t', '\n', '\r'], " "))
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        let (verdict, reason) = text.split_once(' ').unwrap_or((text, ""));
        let verdict = match verdict {
            "sound" => Verdict::Sound,
            "damaged" => Verdict::Damaged,
            "unverifiable" => Verdict::Unverifiable,
            _ => Verdict::Silent,
        };
        Self { verdict, reason: reason.to_owned() }
    }
}
