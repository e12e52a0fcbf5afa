//! What is read about a library: paths, dumps, settings, compose folders, the configuration file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use photofsck::cli::layers::{self, Environment};
use photofsck::immich::compose::read_compose;
use photofsck::immich::layout;
use photofsck::immich::paths::MapRule;
use photofsck::immich::records::read_dump;
use photofsck::immich::settings::parse_image_config;
use photofsck::model::display_path;
use photofsck::repair::manifest::{Line, Manifest};

/// A folder of this thread's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("photofsck-fuzz-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn write(&self, name: &str, data: &[u8]) {
        std::fs::write(self.0.join(name), data).expect("a temporary file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

thread_local! {
    static FOLDER: Folder = Folder::new();
}

/// The compose file and `.env` in one, apart at the first NUL. What an `env_file` or a path in it names may
/// be looked for, so the folder is one where nothing is.
pub fn compose(data: &[u8]) {
    let middle = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (file, variables) = data.split_at(middle);
    FOLDER.with(|folder| {
        folder.write("compose.yaml", file);
        folder.write(".env", variables.strip_prefix(b"\0").unwrap_or_default());
        match read_compose(&folder.0) {
            Ok(compose) => {
                let shown = compose.database.as_ref().map(|secret| format!("{secret:?}"));
                assert!(
                    shown.is_none_or(|text| text.starts_with("postgres") || text == "a database address")
                );
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

pub fn configuration(data: &[u8]) {
    FOLDER.with(|folder| {
        folder.write("config.toml", data);
        let mut argv: Vec<OsString> = ["photofsck", "check", "--config"].map(OsString::from).into();
        argv.push(folder.0.join("config.toml").into());
        let _ = layers::parse(argv, &Environment::default());
    });
}

/// A dump is read to an answer, and what was indexed can be asked for.
pub fn dump(data: &[u8]) {
    let Ok(records) = read_dump(data, "fuzz", "dump fuzz".to_owned(), &mut |_| {}) else { return };
    for asset in records.index.assets() {
        let _ = records.index.asset(asset);
        for file in records.index.files_of(asset) {
            assert!(!records.index.record_path(file).as_os_str().is_empty());
        }
    }
}

/// Any relative path through the path grammar.
pub fn layout(data: &[u8]) {
    let _ = layout::meaning(data);
    let _ = layout::class_of(data);
    let _ = layout::is_profile_image(data);
    let shown = display_path(&layout::path_of(data));
    assert!(!shown.contains(['\n', '\x1b']), "one line, and nothing that steers a terminal");
}

/// Any manifest of a quarantine folder. What it says of paths is checked before it is used.
pub fn manifest(data: &[u8]) {
    use std::path::Component;
    let Ok(manifest) = Manifest::read(data) else { return };
    for entry in &manifest.entries {
        let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        assert!(entry.path.is_absolute() && entry.path.components().all(plain), "{}", entry.path.display());
        assert!(!entry.kept.contains('/') && !entry.kept.starts_with('.'), "{:?}", entry.kept);
        let line = Line::Kept(entry.clone());
        assert_eq!(Line::parse(&line.to_bytes()), Some(line));
    }
}

pub fn map_rule(data: &[u8]) {
    let _ = MapRule::parse(OsStr::from_bytes(data));
}

pub fn settings(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse_image_config(text);
    }
}
