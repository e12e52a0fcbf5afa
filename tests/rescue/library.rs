//! A small library with its records: as a dump in `backups/`, or in a database.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use sha1::{Digest as _, Sha1};

use crate::pictures::{Generated, generate, jpeg};

pub const USER: &str = "a0000000-0000-4000-8000-000000000001";

pub fn id(n: u8) -> String {
    format!("c{n:03}0000-0000-4000-8000-{n:012}")
}

/// The tables and columns of a fifth-era database that are read.
const TABLES: [(&str, &[&str]); 6] = [
    (
        "asset",
        &[
            "type",
            "id",
            "ownerId",
            "originalPath",
            "originalFileName",
            "checksum",
            "checksumAlgorithm",
            "isExternal",
            "visibility",
            "thumbhash",
        ],
    ),
    ("asset_exif", &["assetId", "fileSizeInByte"]),
    ("asset_file", &["assetId", "type", "path", "isEdited"]),
    ("move_history", &["entityId", "pathType", "oldPath", "newPath"]),
    ("integrity_report", &["id"]),
    ("library", &["id", "ownerId", "name", "importPaths", "exclusionPatterns", "deletedAt"]),
];

pub struct Library {
    pub folder: tempfile::TempDir,
    rows: BTreeMap<&'static str, Vec<Vec<String>>>,
    /// Pictures by number.
    made: BTreeMap<u8, Generated>,
}

/// How one asset is recorded.
pub struct Kind {
    pub external: bool,
    pub pictures: bool,
    pub size: Option<usize>,
}

impl Default for Kind {
    fn default() -> Self {
        Self { external: false, pictures: true, size: None }
    }
}

impl Library {
    /// With one sound asset, number 1, and pictures for assets up to `last`.
    pub fn new(last: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["upload", "library", "thumbs", "encoded-video", "profile", "backups"] {
            fs::create_dir_all(folder.path().join("media").join(name)).unwrap();
        }
        for name in ["backup", "external", "originals"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let numbers: Vec<(u8, PathBuf)> = (1..=last)
            .map(|n| {
                let path = folder.path().join(format!("originals/{n}.jpg"));
                fs::write(&path, jpeg(n)).unwrap();
                (n, path)
            })
            .collect();
        let paths: Vec<PathBuf> = numbers.iter().map(|(_, path)| path.clone()).collect();
        let out = folder.path().join("rendered");
        let mut made = generate(&paths, &out);
        let made = numbers.into_iter().map(|(n, path)| (n, made.remove(&path).unwrap())).collect();
        fs::remove_dir_all(out).unwrap();
        let mut library = Self { folder, rows: BTreeMap::new(), made };
        library.asset(1, &upload(1), &Kind::default());
        library
    }

    pub fn at(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub fn media(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.at("media").join(relative)
    }

    pub fn put(&self, relative: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.at(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn row(&mut self, table: &'static str, values: &[&str]) {
        self.rows.entry(table).or_default().push(values.iter().map(|&value| value.to_owned()).collect());
    }

    /// A row of an asset with its sound files. `path` is below the media location or, of an external one, its own.
    pub fn asset(&mut self, n: u8, path: &str, kind: &Kind) -> PathBuf {
        let bytes = jpeg(n);
        let (record, host) = if kind.external {
            (format!("/mnt/nas/{path}"), self.put(format!("external/{path}"), &bytes))
        } else {
            (format!("/data/{path}"), self.put(format!("media/{path}"), &bytes))
        };
        let mut hash = Sha1::new();
        if kind.external {
            hash.update(format!("path:{record}"));
        } else {
            hash.update(&bytes);
        }
        let checksum =
            hash.finalize().iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let (algorithm, external) = if kind.external { ("sha1-path", "t") } else { ("sha1", "f") };
        let hidden = if kind.pictures { "timeline" } else { "hidden" };
        self.row(
            "asset",
            &["IMAGE", &id(n), USER, &record, name, &checksum, algorithm, external, hidden, "\\N"],
        );
        let size = kind.size.unwrap_or(bytes.len()).to_string();
        self.row("asset_exif", &[&id(n), &size]);
        if kind.pictures {
            for role in ["preview", "thumbnail"] {
                let path = picture(n, role);
                self.row("asset_file", &[&id(n), role, &format!("/data/{path}"), "f"]);
                self.put(format!("media/{path}"), self.picture_bytes(n, role));
            }
        }
        host
    }

    pub fn picture_bytes(&self, n: u8, role: &str) -> &[u8] {
        let made = &self.made[&n];
        if role == "preview" { &made.preview } else { &made.thumbnail }
    }

    pub fn move_row(&mut self, n: u8, old: &str, new: &str) {
        self.row("move_history", &[&id(n), "original", &format!("/data/{old}"), &format!("/data/{new}")]);
    }

    pub fn import(&mut self) {
        self.row(
            "library",
            &["b0000000-0000-4000-8000-000000000001", USER, "nas", "{/mnt/nas}", "{}", "\\N"],
        );
    }

    fn dump(&self) -> String {
        let mut text = "--\n-- PostgreSQL database dump\n--\n\n".to_owned();
        for (table, columns) in TABLES {
            let quoted: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
            writeln!(text, "COPY public.{table} ({}) FROM stdin;", quoted.join(", ")).unwrap();
            for row in self.rows.get(table).into_iter().flatten() {
                let fields: Vec<String> = row.iter().map(|value| escaped(value)).collect();
                writeln!(text, "{}", fields.join("\t")).unwrap();
            }
            text.push_str("\\.\n");
        }
        text + "--\n-- PostgreSQL database dump complete\n--\n\n"
    }

    /// Writes the dump that Immich makes every night; what was there before is older than it.
    pub fn dump_now(&self) {
        // Names tell whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S");
        self.put(format!("media/backups/immich-db-backup-{now}-v3.0.1-pg15.sql"), self.dump().as_bytes());
    }

    /// The same records as statements for a database.
    pub fn sql(&self) -> String {
        let mut text = String::new();
        for (table, columns) in TABLES {
            let typed: Vec<String> = columns.iter().map(|column| format!("\"{column}\" text")).collect();
            writeln!(text, "CREATE TABLE public.{table} ({});", typed.join(", ")).unwrap();
            for row in self.rows.get(table).into_iter().flatten() {
                writeln!(text, "{}", insert(table, row)).unwrap();
            }
        }
        text
    }

    pub fn command(&self, command: &str) -> Command {
        let mut run = Command::new(env!("CARGO_BIN_EXE_photofsck"));
        run.arg(command)
            .args(["--progress", "never", "--jobs", "2", "--media"])
            .arg(self.at("media"))
            .arg("--map")
            .arg(format!("/mnt/nas={}", self.at("external").display()))
            .arg("--state")
            .arg(self.at("state"));
        run
    }

    pub fn run(&self, command: &str, options: &[&str]) -> Told {
        let mut run = self.command(command);
        run.args(options);
        Told::of(run, &self.at("out.ndjson"))
    }

    /// `repair` with options whose `@` stands for the folder of the library.
    pub fn repair(&self, options: &[&str]) -> Told {
        let options: Vec<String> = options.iter().map(|option| self.with_folder(option)).collect();
        self.run("repair", &options.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn with_folder(&self, option: &str) -> String {
        match option.strip_prefix('@') {
            Some(below) => format!("{}{below}", self.folder.path().display()),
            None => option.to_owned(),
        }
    }

    pub fn undo(&self, folder: &str) -> Told {
        let mut run = Command::new(env!("CARGO_BIN_EXE_photofsck"));
        run.arg("undo").arg(self.at(folder));
        Told::of(run, &self.at("out.ndjson"))
    }

    /// Every file of the library and beside it, with its bytes; state and reports left out.
    pub fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        walkdir::WalkDir::new(self.folder.path())
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(walkdir::DirEntry::into_path)
            .filter(|path| !path.starts_with(self.at("state")) && !path.ends_with("out.ndjson"))
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    }
}

pub fn insert(table: &str, row: &[String]) -> String {
    let value = |value: &String| {
        if value == "\\N" { "NULL".to_owned() } else { format!("'{}'", value.replace('\'', "''")) }
    };
    format!("INSERT INTO public.{table} VALUES ({});", row.iter().map(value).collect::<Vec<_>>().join(", "))
}

fn escaped(value: &str) -> String {
    if value == "\\N" { value.to_owned() } else { value.replace('\\', "\\\\").replace('\n', "\\n") }
}

pub fn upload(n: u8) -> String {
    format!("upload/{USER}/{n:02x}/00/{}.jpg", id(n).replacen('c', "d", 1))
}

pub fn picture(n: u8, role: &str) -> String {
    let id = id(n);
    let format = if role == "preview" { "jpeg" } else { "webp" };
    format!("thumbs/{USER}/{}/{}/{id}_{role}.{format}", &id[..2], &id[2..4])
}

pub struct Told {
    pub lines: Vec<Value>,
    pub exit: i32,
    pub text: String,
}

impl Told {
    fn of(mut run: Command, json: &Path) -> Self {
        let _ = fs::remove_file(json);
        let output = run.args(["--color", "never", "--json"]).arg(json).output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let lines = fs::read_to_string(json).unwrap_or_default();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { lines, exit: output.status.code().unwrap_or(-1), text }
    }

    /// `action status` of every repair of this file, with the reasons.
    pub fn repairs_of(&self, path: &Path) -> Vec<(String, String)> {
        self.lines
            .iter()
            .filter(|line| line["type"] == "repair" && line["path"] == path.to_string_lossy().as_ref())
            .map(|line| {
                let word = |key: &str| line[key].as_str().unwrap().to_owned();
                (format!("{} {}", word("action"), word("status")), word("reason"))
            })
            .collect()
    }

    /// The one repair of this file.
    pub fn repair_of(&self, path: &Path) -> (String, String) {
        let mut found = self.repairs_of(path);
        assert_eq!(found.len(), 1, "{}: {found:?}\n{}", path.display(), self.text);
        found.remove(0)
    }

    /// How many repairs had this outcome: `action status`.
    pub fn count(&self, what: &str) -> usize {
        let is = |line: &&Value| {
            let word = |key: &str| line[key].as_str().unwrap_or_default();
            line["type"] == "repair" && format!("{} {}", word("action"), word("status")) == what
        };
        self.lines.iter().filter(is).count()
    }

    pub fn finding(&self, code: &str, path: &Path) -> &Value {
        let is = |line: &&Value| {
            line["type"] == "finding"
                && line["code"] == code
                && line["path"] == path.to_string_lossy().as_ref()
        };
        self.lines.iter().find(is).unwrap_or_else(|| panic!("no {code}: {}", self.text))
    }
}
