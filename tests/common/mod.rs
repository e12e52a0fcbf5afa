//! Small Immich libraries in temporary folders: files on disk, rows in an index, and what a check says of them
//! before it looks at any bytes.

#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use photofsck::engine::choice::Choice;
use photofsck::engine::ground::Ground;
use photofsck::engine::inventory::{Census, Inventory, build_map, check_imports};
use photofsck::engine::reconcile::Reconciler;
use photofsck::engine::roots::Roots;
use photofsck::engine::scan::{Entry, Walked, scan};
use photofsck::engine::{Cancel, MapRule};
use photofsck::immich::layout::{Folder, Generated};
use photofsck::immich::mounts::{GuardError, check_mounts, unmapped_findings};
use photofsck::immich::records::{
    AssetInput, AssetKind, ExifInput, Home, IndexBuilder, InterruptedMove, Library, Records,
};
use photofsck::model::{AssetId, Finding, ImageFormat, Role, SkipReason, display_path};
use serde_json::{Value, json};

/// The id whose bytes are all `n`: its files are nested in `nn/nn`.
pub fn id(n: u8) -> AssetId {
    AssetId([n; 16])
}

/// The user whom all assets belong to.
pub const USER: u8 = 0xee;

/// An IMAGE asset of [`USER`], uploaded, with a content checksum.
pub fn image(n: u8) -> AssetInput<'static> {
    AssetInput {
        id: id(n),
        owner: id(USER),
        kind: AssetKind::Image,
        checksum: Some(([n; 20], true)),
        name: b"IMG_0001.JPG",
        ..AssetInput::default()
    }
}

/// A library that is being built.
pub struct TestLibrary {
    /// Holds everything; the media location is `media` in it.
    pub dir: tempfile::TempDir,
    /// The rows.
    pub rows: IndexBuilder,
    /// Everything else that the records say.
    pub records: Records,
    /// `--map`.
    pub map: Vec<MapRule>,
    /// `--only` and `--shard`.
    pub choice: Choice,
    /// What it is on.
    pub ground: Ground,
}

/// What a check says.
pub struct Outcome {
    /// Guards that stop the run before the walk.
    pub mounts: Vec<GuardError>,
    /// Guard that stops it after the walk.
    pub guard: Option<GuardError>,
    pub walked: Walked,
    pub census: Census,
    pub findings: Vec<Finding>,
    /// Paths of files that belong to the units of assets or stand alone, and are there.
    pub present: Vec<PathBuf>,
    /// Walked files that the choice leaves out.
    pub left_out: u64,
    root: PathBuf,
}

impl TestLibrary {
    /// A media location with Immich's folders and nothing in them, and no rows. Rows spell it `/data`.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in Folder::ALL {
            std::fs::create_dir_all(dir.path().join("media").join(folder.as_str())).unwrap();
        }
        let records =
            Records { home: Home::Dump, media_location: Some("/data".into()), ..Records::default() };
        Self {
            dir,
            rows: IndexBuilder::new(),
            records,
            map: Vec::new(),
            choice: Choice::default(),
            ground: Ground::default(),
        }
    }

    pub fn media(&self) -> PathBuf {
        self.dir.path().join("media")
    }

    /// Writes a file; `path` is relative to the whole library's folder.
    pub fn file(&self, path: impl AsRef<OsStr>, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(path.as_ref());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The path of an uploaded original below the media location.
    pub fn upload_path(n: u8, extension: &str) -> String {
        let (user, file) = (id(USER), id(n));
        format!("upload/{user}/{n:02x}/{n:02x}/{file}{extension}")
    }

    /// The current path of a generated file below the media location.
    pub fn generated_path(role: Role, n: u8, edited: bool) -> String {
        let format = if role == Role::Thumbnail { ImageFormat::Webp } else { ImageFormat::Jpeg };
        let generated = Generated { role, owner: id(USER), id: id(n), edited, format };
        generated.path().unwrap().to_str().unwrap().to_owned()
    }

    /// A row and its metadata row.
    pub fn asset(&mut self, input: &AssetInput<'_>, size: u64) {
        self.rows.asset(input).unwrap();
        self.rows.exif(input.id, ExifInput { size: Some(size), ..ExifInput::default() }).unwrap();
    }

    /// A healthy uploaded image: original, preview and thumbnail, rows and files. Rows begin with `prefix`.
    pub fn healthy(&mut self, n: u8, prefix: &str) {
        let original = Self::upload_path(n, ".jpg");
        self.file(format!("media/{original}"), b"original");
        self.asset(&AssetInput { original_path: format!("{prefix}/{original}").as_bytes(), ..image(n) }, 8);
        for role in [Role::Preview, Role::Thumbnail] {
            let path = Self::generated_path(role, n, false);
            self.file(format!("media/{path}"), b"picture");
            self.row(n, role, false, &format!("{prefix}/{path}"));
        }
    }

    /// A row of a file of an asset.
    pub fn row(&mut self, n: u8, role: Role, edited: bool, path: &str) {
        self.rows.asset_file(id(n), role, edited, path.as_bytes()).unwrap();
    }

    pub fn person(&mut self, n: u8, path: &str) {
        self.rows.person(id(n), id(USER), None, path.as_bytes()).unwrap();
    }

    pub fn library(&mut self, import: &str, exclusions: &[&str]) {
        self.records.libraries.push(Library {
            id: id(0xfd),
            owner: id(USER),
            name: "external".to_owned(),
            import_paths: vec![import.into()],
            exclusion_patterns: exclusions.iter().map(|&pattern| pattern.to_owned()).collect(),
        });
    }

    pub fn interrupted_move(&mut self, n: u8, old: &str, new: &str) {
        self.records.moves.push(InterruptedMove {
            entity: id(n),
            path_type: "original".to_owned(),
            old_path: old.into(),
            new_path: new.into(),
        });
    }

    pub fn map(&mut self, container: &str, host: impl Into<PathBuf>) {
        self.map.push(MapRule { container: container.into(), host: host.into() });
    }

    /// Runs everything that comes before the first look at bytes.
    pub fn check(self) -> Outcome {
        let media = self.media();
        self.check_at(&media)
    }

    /// The same, with the media location called `media`.
    pub fn check_at(self, media: &Path) -> Outcome {
        let Self { dir, rows, mut records, map, choice, ground } = self;
        records.index = rows.finish();
        let map = build_map(&records, Some(media), &map, &[]).unwrap();
        records.index.resolve(|path| map.to_host(path));
        let mut mounts =
            check_mounts(media, &map, records.media_location.as_deref(), &records.mount_flags, &|_| false);
        mounts.extend(check_imports(&records, &map, &|_| false));
        let roots = Roots::plan(Some(media), &map, &records, &|_| false);

        let inventory = Inventory::new(&records, &map);
        let told = Mutex::new(Vec::new());
        let walked = scan(&roots, &records.index, (&ground, &Cancel::new()), &|entry| {
            inventory.take(&entry);
            if let Entry::Error { finding, .. } | Entry::Folder(finding) = entry {
                told.lock().unwrap().push(finding);
            }
        });
        assert!(walked.balances(), "{walked:?}");
        let (holdings, census) = inventory.settle(&ground);
        let guard = census.guard(false);

        let reconciler = Reconciler::new(&holdings, &map, &choice, &ground);
        let mut findings = told.into_inner().unwrap();
        findings.extend(unmapped_findings(&census.unmapped));
        findings.extend(holdings.stale());
        let mut present = Vec::new();
        let mut accounted = 0u64;
        for unit in reconciler.units() {
            findings.extend(reconciler.unit_findings(&unit));
            for file in unit.original.iter().chain(&unit.files).filter(|file| file.selected) {
                accounted += u64::from(file.counted);
                present.extend(file.path.clone().filter(|_| file.is_present()));
            }
        }
        for single in reconciler.singles() {
            findings.extend(reconciler.single_finding(&single));
            accounted += u64::from(single.file.counted);
            present.extend(single.file.path.clone().filter(|_| single.file.is_present()));
        }
        for loose in reconciler.loose() {
            findings.extend(reconciler.loose_finding(&loose));
            accounted += 1;
        }
        let left_out = reconciler.left_out().values().sum::<u64>();
        assert_eq!(accounted + left_out, walked.files, "every walked file has one home: {walked:?}");
        present.sort();
        let root = dir.path().to_path_buf();
        drop(dir);
        Outcome { mounts, guard, walked, census, findings, present, left_out, root }
    }
}

impl Outcome {
    /// The findings as JSON, sorted, paths relative to the library's folder.
    pub fn json(&self) -> Value {
        let mut lines: Vec<(String, Value)> = self
            .findings
            .iter()
            .map(|finding| {
                let value = self.relative(&json!({
                    "code": finding.code.to_string(),
                    "severity": finding.severity.as_str(),
                    "path": finding.path.as_deref().map(display_path),
                    "record_path": finding.record_path.as_deref().map(display_path),
                    "asset": finding.asset.map(|asset| asset.to_string()[..4].to_owned()),
                    "evidence": finding.evidence.0,
                    "advice": finding.advice,
                }));
                (value.to_string(), value)
            })
            .collect();
        lines.sort_by(|a, b| a.0.cmp(&b.0));
        Value::Array(lines.into_iter().map(|(_, value)| value).collect())
    }

    /// Only the codes with their severities, sorted.
    pub fn codes(&self) -> Vec<String> {
        let mut codes: Vec<_> =
            self.findings.iter().map(|finding| format!("{} {}", finding.code, finding.severity)).collect();
        codes.sort();
        codes
    }

    pub fn skipped(&self, reason: SkipReason) -> u64 {
        self.walked.skipped.get(&reason).copied().unwrap_or(0)
    }

    fn relative(&self, value: &Value) -> Value {
        let root = format!("{}/", self.root.display());
        let text = value.to_string().replace(&root, "").replace(&id(USER).to_string(), "USER");
        let text = (0..=255).fold(text, |text, n| text.replace(&id(n).to_string(), &format!("<{n:02x}>")));
        serde_json::from_str(&text).unwrap()
    }
}

/// A name that is not valid UTF-8, with a newline and a tab.
pub fn hostile_name() -> &'static OsStr {
    OsStr::from_bytes(b"a\n\tb\xff.jpg")
}
