//! Golden libraries with pictures in them: what they show and how large they are, held against the records by the real program.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a panic is a failed test"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use photofsck::media::{ColorModel, Pixels, Samples};
use photofsck::model::{ImageSettings, OutputSettings, PixelSize, Role};
use photofsck::render::{RenderJob, RenderOutput, render};
use serde_json::Value;
use sha1::{Digest as _, Sha1};

const SIZE: PixelSize = PixelSize { width: 960, height: 720 };
const OWNER: &str = "a0000000-0000-4000-8000-000000000001";
const LIBRARY: &str = "b0000000-0000-4000-8000-000000000001";

/// A picture that no other number has: broad waves of light, as the sky and the ground of photos are.
fn pixels(number: u8, size: PixelSize) -> Pixels {
    let mut samples = Vec::new();
    for y in 0..size.height {
        for x in 0..size.width {
            let (u, v) = (x as f32 / size.width as f32, y as f32 / size.height as f32);
            let turn = f32::from(number) * 1.7;
            let wave = (7.0 * u * turn.sin() + 8.0 * v * turn.cos() + turn).sin() * 0.4 + 0.5;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
            let value = (wave * 255.0) as u8;
            samples.extend([value, value / 2 + number * 9, 255 - value]);
        }
    }
    Pixels::new(size, ColorModel::Rgb, Samples::U8(samples))
}

/// The picture with its lower part grey, as half a JPEG is shown.
fn torn(number: u8) -> Pixels {
    let mut pixels = pixels(number, SIZE);
    if let Samples::U8(samples) = &mut pixels.samples {
        let kept = samples.len() * 7 / 10;
        samples[kept..].fill(128);
    }
    pixels
}

fn made(pixels: Pixels, settings: &ImageSettings) -> RenderOutput {
    let roles = [Role::Preview, Role::Thumbnail, Role::Fullsize];
    render(pixels, &RenderJob::new(settings, &roles, true)).unwrap()
}

fn of(number: u8) -> RenderOutput {
    made(pixels(number, SIZE), &ImageSettings::default())
}

fn picture(made: &RenderOutput, role: Role) -> Vec<u8> {
    made.pictures.iter().find(|picture| picture.role == role).unwrap().bytes.clone()
}

fn original(number: u8) -> Vec<u8> {
    picture(&of(number), Role::Fullsize)
}

fn id(n: u8) -> String {
    format!("c{n:03}0000-0000-4000-8000-{n:012}")
}

/// What differs from a sound, uploaded, unedited asset.
#[derive(Clone, Copy, Default)]
struct Change {
    external: bool,
    edited: bool,
    trashed: bool,
    /// The number of the picture that the records' thumbhash is of; 0 = that of the asset, 255 = none.
    thumbhash: u8,
}

struct Library {
    folder: tempfile::TempDir,
    assets: String,
    exif: String,
    files: String,
}

impl Library {
    /// Two sound assets, so that there is something nobody may accuse.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut library = Self { folder, assets: String::new(), exif: String::new(), files: String::new() };
        library.asset(1, Change::default());
        library.asset(2, Change { external: true, ..Change::default() });
        library
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The asset shows picture `n`; so do its preview and thumbnail.
    fn asset(&mut self, n: u8, change: Change) {
        let bytes = original(n);
        let (path, host) = if change.external {
            (format!("/mnt/nas/{n}.jpg"), format!("external/{n}.jpg"))
        } else {
            let path = format!("library/admin/{n}.jpg");
            (format!("/data/{path}"), format!("media/{path}"))
        };
        self.put(&host, &bytes);
        let checksum =
            if change.external { Sha1::digest(format!("path:{path}")) } else { Sha1::digest(&bytes) };
        let hex = |bytes: &[u8]| {
            bytes.iter().fold("\\\\x".to_owned(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        };
        let hash = match change.thumbhash {
            255 => "\\N".to_owned(),
            0 => hex(&of(n).thumbhash.unwrap()),
            other => hex(&of(other).thumbhash.unwrap()),
        };
        let (algorithm, external, of_library) =
            if change.external { ("sha1-path", "t", LIBRARY) } else { ("sha1", "f", "\\N") };
        let (deleted, status) =
            if change.trashed { ("2026-05-01 10:00:00+00", "trashed") } else { ("\\N", "active") };
        let edited = if change.edited { "t" } else { "f" };
        writeln!(
            self.assets,
            "{}\t{OWNER}\tIMAGE\t{path}\t{}\t{algorithm}\t{external}\t{of_library}\ttimeline\tIMG_{n}.jpg\tf\t{deleted}\t{status}\t{hash}\t{edited}",
            id(n),
            hex(&checksum),
        )
        .unwrap();
        writeln!(self.exif, "{}\t{}", id(n), bytes.len()).unwrap();
        let made = of(n);
        for role in [Role::Preview, Role::Thumbnail] {
            self.generated(n, role, false, &picture(&made, role));
        }
    }

    fn name(n: u8, role: Role, edited: bool) -> String {
        let edited = if edited { "_edited" } else { "" };
        let extension = if role == Role::Thumbnail { "webp" } else { "jpeg" };
        let id = id(n);
        format!("thumbs/{OWNER}/{}/{}/{id}_{role}{edited}.{extension}", &id[..2], &id[2..4])
    }

    fn generated(&mut self, n: u8, role: Role, edited: bool, bytes: &[u8]) {
        let name = Self::name(n, role, edited);
        self.put(&format!("media/{name}"), bytes);
        let flag = if edited { "t" } else { "f" };
        writeln!(self.files, "{}\t{}\t{role}\t/data/{name}\t{flag}\tf\tf", id(100), id(n)).unwrap();
    }

    /// Puts another picture in the place of a generated one.
    fn replace(&self, n: u8, role: Role, made: &RenderOutput) {
        self.put(&format!("media/{}", Self::name(n, role, false)), &picture(made, role));
    }

    fn write_dump(&self) {
        let mut dump = "--\n-- PostgreSQL database dump\n--\n\n".to_owned();
        let mut table = |name: &str, columns: &str, rows: &str| {
            write!(dump, "COPY public.{name} ({columns}) FROM stdin;\n{rows}\\.\n\n").unwrap();
        };
        table(
            "asset",
            r#"id, "ownerId", type, "originalPath", checksum, "checksumAlgorithm", "isExternal", "libraryId", visibility, "originalFileName", "isOffline", "deletedAt", status, thumbhash, "isEdited""#,
            &self.assets,
        );
        table("asset_exif", r#""assetId", "fileSizeInByte""#, &self.exif);
        table(
            "asset_file",
            r#"id, "assetId", type, path, "isEdited", "isProgressive", "isTransparent""#,
            &self.files,
        );
        table("integrity_report", "id, type, path", "");
        let library = format!("{LIBRARY}\tNAS\t{OWNER}\t{{/mnt/nas}}\t{{}}\n");
        table("library", r#"id, name, "ownerId", "importPaths", "exclusionPatterns""#, &library);
        table("person", r#"id, "ownerId", "thumbnailPath""#, "");
        table("system_metadata", "key, value", "MediaLocation\t{\"location\": \"/data\"}\n");
        let user = format!("{OWNER}\ta@example.org\t\\N\t\n");
        table("\"user\"", r#"id, email, "storageLabel", "profileImagePath""#, &user);
        dump.push_str("--\n-- PostgreSQL database dump complete\n--\n\n");
        self.put("dump.sql", dump.as_bytes());
    }

    fn run(&self, command: &str) -> Told {
        self.write_dump();
        let output = Command::new(env!("CARGO_BIN_EXE_photofsck"))
            .arg(command)
            .args(["--progress", "never", "--color", "never", "--items", "--media"])
            .arg(self.at("media"))
            .arg("--map")
            .arg(format!("/mnt/nas={}", self.at("external").display()))
            .arg("--db")
            .arg(self.at("dump.sql"))
            .arg("--state")
            .arg(self.at("state"))
            .arg("--json")
            .arg(self.at("out.ndjson"))
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let json = fs::read_to_string(self.at("out.ndjson")).unwrap_or_else(|_| panic!("{text}"));
        let json = json.replace(&format!("{}/", self.folder.path().display()), "");
        let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told = Told { lines, text };
        let summary = told.of_type("summary").next().unwrap_or_else(|| panic!("{}", told.text));
        let number = |key: &str| summary[key].as_u64().unwrap();
        assert_eq!(number("walked"), number("checked") + number("skipped") + number("errors"), "{summary}");
        told
    }
}

struct Told {
    lines: Vec<Value>,
    text: String,
}

impl Told {
    fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }

    /// Findings without what differs from build to build.
    fn findings(&self) -> Vec<Value> {
        let mut found: Vec<Value> = self.of_type("finding").cloned().collect();
        for finding in &mut found {
            let evidence = finding["evidence"].as_object_mut().unwrap();
            evidence.remove("second_read");
            for key in [
                "by",
                "thumbhash_distance",
                "distance_to_original",
                "found_sha1",
                "recorded_sha1",
                "found_size",
                "recorded_size",
            ] {
                if let Some(value) = evidence.get_mut(key) {
                    *value = Value::from(if key == "by" { "photofsck" } else { "..." });
                }
            }
        }
        found.sort_by_key(ToString::to_string);
        found
    }

    fn codes(&self) -> Vec<String> {
        let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let mut codes: Vec<_> = self
            .of_type("finding")
            .map(|finding| {
                let path = word(finding, "path");
                let name = path.rsplit('/').next().unwrap().split('.').next().unwrap().to_owned();
                format!(
                    "{} {} {}",
                    word(finding, "code"),
                    word(finding, "severity"),
                    name.replace("0000-0000-4000-8000-000000000", "-")
                )
            })
            .collect();
        codes.sort();
        codes
    }

    fn repairs(&self, status: &str) -> usize {
        self.of_type("repair").filter(|repair| repair["status"] == status).count()
    }
}

#[test]
fn a_sound_library_with_every_kind_of_asset_is_not_accused() {
    let mut library = Library::new();
    library.asset(3, Change { thumbhash: 255, ..Change::default() });
    library.asset(4, Change { trashed: true, ..Change::default() });
    // Edited: the thumbhash is of the edited set.
    library.asset(5, Change { edited: true, thumbhash: 6, ..Change::default() });
    let edited = of(6);
    for role in [Role::Preview, Role::Thumbnail, Role::Fullsize] {
        library.generated(5, role, true, &picture(&edited, role));
    }
    assert_eq!(library.run("check").codes(), Vec::<String>::new());
}

#[test]
fn swapped_previews_are_found_and_made_again() {
    let mut library = Library::new();
    library.asset(3, Change::default());
    library.asset(4, Change::default());
    library.replace(3, Role::Preview, &of(4));
    library.replace(4, Role::Preview, &of(3));
    let told = library.run("check");
    insta::assert_json_snapshot!(told.findings());
    let wrong: Vec<_> =
        told.of_type("item").filter(|item| item["codes"][0] == "preview.wrong-content").collect();
    assert_eq!(wrong.len(), 2, "the items name the code too");
    assert!(wrong.iter().all(|item| item["verdict"] == "decodable"));
    // A later run tells the same, although nothing changed.
    assert_eq!(library.run("check").codes(), told.codes());
    let repaired = library.run("repair");
    assert_eq!(repaired.repairs("done"), 2, "{}", repaired.text);
    assert_eq!(library.run("check").codes(), Vec::<String>::new());
}

#[test]
fn pictures_of_a_whole_set_are_found_by_their_original() {
    let mut library = Library::new();
    // Without a thumbhash only the original can tell, and a sibling that agrees with it.
    library.asset(3, Change { thumbhash: 255, ..Change::default() });
    library.replace(3, Role::Thumbnail, &of(4));
    // Preview and thumbnail of another asset: original and records agree.
    library.asset(5, Change::default());
    library.replace(5, Role::Preview, &of(6));
    library.replace(5, Role::Thumbnail, &of(6));
    // What is in the trash matters less.
    library.asset(7, Change { trashed: true, ..Change::default() });
    library.replace(7, Role::Preview, &of(6));
    let told = library.run("check");
    assert_eq!(
        told.codes(),
        [
            "preview.wrong-content info c007-007_preview",
            "preview.wrong-content warning c005-005_preview",
            "thumbnail.wrong-content warning c003-003_thumbnail",
            "thumbnail.wrong-content warning c005-005_thumbnail",
        ]
    );
}

#[test]
fn a_foreign_original_without_a_checksum_is_found_and_nothing_is_made_of_it() {
    let mut library = Library::new();
    library.asset(3, Change { external: true, ..Change::default() });
    library.put("external/3.jpg", &original(4));
    fs::remove_file(library.at(&format!("media/{}", Library::name(3, Role::Thumbnail, false)))).unwrap();
    let told = library.run("check");
    insta::assert_json_snapshot!(told.findings());
    let repaired = library.run("repair");
    assert_eq!((repaired.repairs("done"), repaired.repairs("skipped")), (0, 1), "{}", repaired.text);
    assert_eq!(library.run("check").codes(), told.codes());
}

#[test]
fn a_foreign_original_with_a_checksum_shows_in_the_evidence() {
    let mut library = Library::new();
    library.asset(3, Change::default());
    library.put("media/library/admin/3.jpg", &original(4));
    insta::assert_json_snapshot!(library.run("check").findings());
}

#[test]
fn an_outdated_thumbhash_is_a_hint_about_the_records() {
    let mut library = Library::new();
    library.asset(3, Change { thumbhash: 4, ..Change::default() });
    let told = library.run("check");
    insta::assert_json_snapshot!(told.findings());
    let repaired = library.run("repair");
    assert_eq!(repaired.repairs("done"), 0, "{}", repaired.text);
    assert_eq!(repaired.codes(), told.codes());
}

#[test]
fn a_torn_preview_beside_a_whole_thumbnail_is_noticed() {
    let mut library = Library::new();
    library.asset(3, Change::default());
    library.replace(3, Role::Preview, &made(torn(3), &ImageSettings::default()));
    let codes = library.run("check").codes();
    assert_eq!(codes.len(), 1, "{codes:?}");
    assert!(codes[0].starts_with("preview.wrong-content"), "{codes:?}");
}

#[test]
fn an_edited_set_is_held_against_the_records_and_the_other_one_against_the_original() {
    let mut library = Library::new();
    library.asset(5, Change { edited: true, thumbhash: 6, ..Change::default() });
    let edited = of(6);
    for role in [Role::Preview, Role::Thumbnail, Role::Fullsize] {
        library.generated(5, role, true, &picture(&edited, role));
    }
    library.put(&format!("media/{}", Library::name(5, Role::Preview, true)), &picture(&of(7), Role::Preview));
    library.replace(5, Role::Thumbnail, &of(6));
    let told = library.run("check");
    assert_eq!(
        told.codes(),
        [
            "preview.wrong-content warning c005-005_preview_edited",
            "thumbnail.wrong-content warning c005-005_thumbnail",
        ]
    );
}

#[test]
fn sizes_that_no_setting_makes_are_found_and_others_are_news() {
    let mut library = Library::new();
    for n in 3..=6 {
        library.asset(n, Change::default());
    }
    let settings = ImageSettings::default();
    let with = |size: u32| {
        let preview = OutputSettings { size, ..settings.preview };
        ImageSettings { preview, ..settings }
    };
    // A thumbnail in the place of a preview, a smaller setting, another shape, a larger copy.
    library.replace(3, Role::Preview, &made(pixels(3, SIZE), &with(250)));
    library.replace(4, Role::Preview, &made(pixels(4, SIZE), &with(600)));
    library.replace(5, Role::Preview, &made(pixels(5, PixelSize::new(960, 640)), &settings));
    library.replace(6, Role::Preview, &made(pixels(6, PixelSize::new(1280, 960)), &settings));
    let told = library.run("check");
    insta::assert_json_snapshot!(told.findings());
    assert_eq!(library.run("check").codes(), told.codes(), "sizes are remembered");
    let repaired = library.run("repair");
    assert_eq!(repaired.repairs("done"), 3, "{}", repaired.text);
    assert_eq!(library.run("check").codes(), ["preview.wrong-size info c004-004_preview"]);
}

#[test]
fn the_second_read_is_told() {
    let library = Library::new();
    let path = library.at("external/2.jpg");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let told = library.run("check");
    let finding = told.of_type("finding").next().unwrap();
    assert_eq!(finding["code"], "original.truncated", "{finding}");
    let evidence = &finding["evidence"];
    assert!(evidence["second_read"].as_str().unwrap().contains("cache"), "{evidence}");
    assert!(evidence["thumbhash_distance"].is_number(), "{evidence}");
    for key in ["by", "seen", "offset"] {
        assert!(!evidence[key].is_null(), "{key} is lacking: {evidence}");
    }
}

#[cfg(feature = "faulty-decoder")]
#[test]
fn what_is_fine_on_the_second_read_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bmp");
    fs::write(&path, "PHOTOFSCK-FAULTY:once ").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_photofsck"))
        .args(["verify", "--progress", "never", "--json", "-", "--jobs", "1"])
        .arg(&path)
        .output()
        .unwrap();
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of_type = |kind: &str| lines.iter().find(|line| line["type"] == kind).unwrap();
    assert_eq!(of_type("item")["verdict"], "decodable");
    let finding = of_type("finding");
    assert_eq!(
        (finding["code"].as_str(), finding["severity"].as_str()),
        (Some("unknown.passed-on-retry"), Some("warning"))
    );
    assert_eq!(finding["evidence"]["first_read"], "malformed: wrong the first time");
    assert!(finding["evidence"]["second_read"].as_str().unwrap().contains("cache"));
}
