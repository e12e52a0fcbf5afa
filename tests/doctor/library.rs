//! A small library with a dump, whose files begin as pictures do, and a run of the real program on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;

pub const USER: &str = "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee";

/// The asset with this number; its files are nested in `nn/nn`.
pub fn asset(number: usize) -> String {
    format!("{number:02x}{number:02x}0000-0000-4000-8000-000000000000")
}

pub struct Library {
    pub folder: tempfile::TempDir,
}

impl Library {
    /// `assets` uploads, each with a preview and a thumbnail, and a dump of an hour ago.
    pub fn new(assets: usize) -> Self {
        let library = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["upload", "library", "thumbs", "encoded-video", "profile", "backups"] {
            fs::create_dir_all(library.media().join(name)).unwrap();
            fs::write(library.media().join(name).join(".immich"), "1").unwrap();
        }
        for number in 0..assets {
            library.write(&original(number), b"\xff\xd8\xff original");
            library.write(&picture(number, "preview.jpeg"), b"\xff\xd8\xff preview");
            library.write(&picture(number, "thumbnail.webp"), b"RIFF....WEBPVP8 ");
        }
        library.write("backups/mine.sql", dump(assets).as_bytes());
        library
    }

    pub fn media(&self) -> PathBuf {
        self.folder.path().join("media")
    }

    pub fn write(&self, relative: &str, bytes: &[u8]) {
        let path = self.media().join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A compose folder whose server sees the media location at /data, with these lines more.
    pub fn compose(&self, service: &str) -> PathBuf {
        let folder = self.folder.path().join("compose");
        fs::create_dir_all(&folder).unwrap();
        let media = self.media();
        let text = format!(
            "services:\n  immich-server:\n    image: ghcr.io/immich-app/immich-server:v3.0.1\n    volumes:\n      \
             - {}:/data\n{service}",
            media.display()
        );
        fs::write(folder.join("docker-compose.yml"), text).unwrap();
        folder
    }

    /// Runs `doctor` with a home of its own and without Docker.
    pub fn doctor(&self, options: &[&str]) -> Told {
        self.doctor_with(options, &[])
    }

    pub fn doctor_with(&self, options: &[&str], environment: &[(&str, &str)]) -> Told {
        let out = tempfile::tempdir().unwrap();
        let json = out.path().join("out.ndjson");
        let mut run = Command::new(env!("CARGO_BIN_EXE_photofsck"));
        run.arg("doctor").arg("--json").arg(&json).args(options);
        run.env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
            .envs(environment.iter().copied());
        let output = run.output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let lines = fs::read_to_string(&json).unwrap_or_default();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Told { exit: output.status.code().unwrap(), text, lines }
    }

    /// Every file and folder with its size, times and mode.
    pub fn state(&self) -> BTreeMap<PathBuf, (u64, SystemTime, u32)> {
        use std::os::unix::fs::MetadataExt as _;
        let entries = walkdir::WalkDir::new(self.folder.path()).into_iter().map(Result::unwrap);
        entries
            .map(|entry| {
                let metadata = entry.metadata().unwrap();
                (entry.into_path(), (metadata.len(), metadata.modified().unwrap(), metadata.mode()))
            })
            .collect()
    }
}

pub fn original(number: usize) -> String {
    format!("upload/{USER}/{number:02x}/{number:02x}/{}.jpg", asset(number))
}

pub fn picture(number: usize, what: &str) -> String {
    format!("thumbs/{USER}/{number:02x}/{number:02x}/{}_{what}", asset(number))
}

/// What `pg_dump` would write of such a library, as far as anybody reads it.
fn dump(assets: usize) -> String {
    let mut out = String::from("-- PostgreSQL database dump\n");
    let mut table = |head: &str, rows: Vec<String>| {
        let _ = writeln!(out, "COPY public.{head} FROM stdin;");
        for row in rows {
            out.push_str(&row);
            out.push('\n');
        }
        out.push_str("\\.\n");
    };
    let row = |number: usize| {
        let path = original(number);
        let day = 1 + number % 28;
        format!(
            "{}\t{USER}\tIMAGE\t/data/{path}\tIMG.JPG\t\\\\x{}\tsha1\tf\tf\ttimeline\t\\N\tactive\t2026-01-{day:02} 10:00:{number:02}+00",
            asset(number),
            "00".repeat(20)
        )
    };
    table(
        "asset (id, \"ownerId\", type, \"originalPath\", \"originalFileName\", checksum, \"checksumAlgorithm\", \"isExternal\", \
         \"isOffline\", visibility, \"deletedAt\", status, \"createdAt\")",
        (0..assets).map(row).collect(),
    );
    let files = (0..assets).flat_map(|number| {
        [("preview", "preview.jpeg"), ("thumbnail", "thumbnail.webp")]
            .map(|(kind, name)| format!("{}\t{kind}\t/data/{}\tf", asset(number), picture(number, name)))
    });
    table("asset_file (\"assetId\", type, path, \"isEdited\")", files.collect());
    table("integrity_report (id)", Vec::new());
    table("person (id, \"ownerId\", \"thumbnailPath\")", Vec::new());
    let flags = "{\"mountChecks\": {\"thumbs\": true, \"upload\": true}}";
    table(
        "system_metadata (key, value)",
        vec![format!("system-flags\t{flags}"), "MediaLocation\t{\"location\": \"/data\"}".to_owned()],
    );
    table(
        "version_history (id, \"createdAt\", version)",
        vec!["1\t2026-01-01 00:00:00+00\t3.0.1".to_owned()],
    );
    out.push_str("-- PostgreSQL database dump complete\n");
    out
}

/// What a run told.
pub struct Told {
    pub exit: i32,
    pub text: String,
    pub lines: Vec<Value>,
}

impl Told {
    fn answer(&self, step: &str) -> &Value {
        let found = self.lines.iter().find(|line| line["step"] == step);
        found.unwrap_or_else(|| panic!("no answer to {step}:\n{}", self.text))
    }

    fn is(&self, step: &str, status: &str, evidence: &str, remedy: &str) {
        let answer = self.answer(step);
        let part = |name: &str| answer[name].as_str().unwrap();
        let fits = part("status") == status
            && part("evidence").contains(evidence)
            && part("remedy").contains(remedy);
        assert!(fits, "expected {status}, {evidence:?}, {remedy:?}, found {answer:#}");
    }

    pub fn problem(&self, step: &str, evidence: &str, remedy: &str) {
        self.is(step, "problem", evidence, remedy);
    }

    pub fn fine(&self, step: &str, evidence: &str) {
        self.is(step, "ok", evidence, "");
    }

    pub fn unknown(&self, step: &str, because: &str) {
        self.is(step, "cannot-tell", because, "");
    }
}
