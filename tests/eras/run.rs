//! Runs of the program on one library, and what they told.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Map, Value};

use crate::library::EraLibrary;

pub struct Run<'a> {
    library: &'a EraLibrary,
    secret: String,
}

impl<'a> Run<'a> {
    /// Runs that must never tell `secret`.
    pub fn new(library: &'a EraLibrary, secret: &str) -> Self {
        Self { library, secret: secret.to_owned() }
    }

    fn plain(&self, command: &str) -> Command {
        let mut run = Command::new(env!("CARGO_BIN_EXE_photofsck"));
        run.arg(command).args(["--progress", "never", "--color", "never", "--state"]);
        run.env_remove("PHOTOFSCK_TEST_PG").env_remove("PHOTOFSCK_TEST_PG_SOCKET");
        run.arg(self.library.at("state")).arg("--json").arg(self.library.at("out.ndjson"));
        run
    }

    pub fn command(&self, command: &str, options: &[&str]) -> Command {
        let mut run = self.plain(command);
        run.arg("--media").arg(self.library.at("media"));
        run.arg("--map").arg(format!("/mnt/nas={}", self.library.at("external").display()));
        run.args(options);
        run
    }

    pub fn go(&self, command: &str, db: &str, options: &[&str]) -> Told {
        self.read(&self.command(command, options).args(["--db", db]).output().unwrap())
    }

    /// A check that knows only what these options tell.
    pub fn check(&self, options: &[&str]) -> Told {
        self.read(&self.plain("check").args(options).output().unwrap())
    }

    /// What a run told, nowhere with the secret.
    pub fn read(&self, output: &Output) -> Told {
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let json = fs::read_to_string(self.library.at("out.ndjson")).unwrap();
        assert!(!text.contains("is set, and there is no such option"), "{text}");
        assert!(!text.contains(&self.secret), "the password is in the text");
        assert!(!json.contains(&self.secret), "the password is in the NDJSON");
        for entry in walkdir::WalkDir::new(self.library.at("state")).into_iter().filter_map(Result::ok) {
            if entry.file_type().is_file() {
                let bytes = fs::read(entry.path()).unwrap();
                let found = memchr::memmem::find(&bytes, self.secret.as_bytes());
                assert_eq!(found, None, "the password is in {}", entry.path().display());
            }
        }
        let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told = Told {
            lines,
            exit: output.status.code().unwrap_or(-1),
            text,
            root: format!("{}/", self.library.folder.path().display()),
        };
        if let Some(summary) = told.of_type("summary").last() {
            let number = |key: &str| summary[key].as_u64().unwrap();
            assert_eq!(
                number("walked"),
                number("checked") + number("skipped") + number("errors"),
                "{summary}"
            );
            assert_eq!(summary["exit"], told.exit, "{summary}");
        }
        told
    }
}

pub struct Told {
    lines: Vec<Value>,
    pub exit: i32,
    /// Standard output and error.
    pub text: String,
    root: String,
}

impl Told {
    fn of_type(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }

    pub fn run(&self) -> &Value {
        self.of_type("run").next().unwrap_or_else(|| panic!("no run: {}", self.text))
    }

    pub fn source(&self) -> &str {
        self.run()["records"]["source"].as_str().unwrap()
    }

    fn relative(&self, text: &str) -> String {
        text.replace(&self.root, "")
    }

    fn path(&self, value: &Value) -> String {
        value.as_str().map_or_else(|| "-".to_owned(), |path| self.relative(path))
    }

    /// Findings as text, sorted; numbers, hashes and versions of decoders left out.
    pub fn findings(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .of_type("finding")
            .map(|finding| {
                let word = |key: &str| finding[key].as_str().unwrap_or("-").to_owned();
                format!(
                    "{} {} {}\n  record {}, asset {}\n  {}\n  -> {}",
                    word("code"),
                    word("severity"),
                    self.path(&finding["path"]),
                    self.path(&finding["record_path"]),
                    word("asset"),
                    self.relative(&Value::Object(plain(&finding["evidence"])).to_string()),
                    word("advice"),
                )
            })
            .collect();
        lines.sort();
        lines
    }

    pub fn codes(&self) -> Vec<String> {
        let mut codes: Vec<_> =
            self.of_type("finding").map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
        codes.sort();
        codes
    }

    pub fn verdicts(&self) -> String {
        self.of_type("summary").last().unwrap_or_else(|| panic!("no summary: {}", self.text))["verdicts"]
            .to_string()
    }

    /// Era, map and the lines that a person reads first.
    pub fn head(&self) -> String {
        let run = self.run();
        let map: Vec<String> = run["map"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                let guessed = if entry["guessed"] == true { ", guessed" } else { "" };
                format!("{} = {}{guessed}", entry["container"].as_str().unwrap(), self.path(&entry["host"]))
            })
            .collect();
        let first: Vec<&str> = self.text.lines().take_while(|line| !line.is_empty()).collect();
        let records = &run["records"];
        format!(
            "{} with {} assets\n{}\n{}",
            records["era"].as_str().unwrap(),
            records["assets"],
            map.join("\n"),
            first.join("\n")
        )
    }

    /// Repairs with this status: action and path, sorted.
    pub fn repairs(&self, status: &str) -> Vec<String> {
        let repairs = self.of_type("repair").filter(|repair| repair["status"] == status);
        let mut lines: Vec<_> = repairs
            .map(|repair| format!("{} {}", repair["action"].as_str().unwrap(), self.path(&repair["path"])))
            .collect();
        lines.sort();
        lines
    }

    pub fn all_repairs(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .of_type("repair")
            .map(|repair| {
                let word = |key: &str| repair[key].as_str().unwrap_or("-").to_owned();
                let path = self.path(&repair["path"]);
                format!("{} {} {path} ({})", word("status"), word("action"), self.relative(&word("reason")))
            })
            .collect();
        lines.sort();
        lines
    }
}

/// Evidence without what depends on versions of encoders and decoders.
fn plain(evidence: &Value) -> Map<String, Value> {
    let hidden =
        |key: &str, value: &Value| value.is_number() || key.ends_with("sha1") || key == "by" || key == "seen";
    let evidence = evidence.as_object().cloned().unwrap_or_default();
    evidence
        .into_iter()
        // Depends on the file system that the test runs on.
        .filter(|(key, _)| key != "second_read")
        .map(|(key, value)| if hidden(&key, &value) { (key, Value::from("...")) } else { (key, value) })
        .collect()
}
