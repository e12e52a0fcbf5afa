//! One small library with a fault of every kind, laid out and recorded as each era of Immich did.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use photofsck::immich::schema::Era;
use photofsck::model::{Area, Edits, Orientation, PixelSize};
use sha1::{Digest as _, Sha1};

use crate::pictures::{Generated, edited, generate, jpeg, png, video};
use crate::postgres;

const OWNERS: [&str; 2] = ["a0000000-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-000000000002"];
const LIBRARY: &str = "b0000000-0000-4000-8000-000000000001";
/// Container path of the external library.
const NAS: &str = "/mnt/nas";
const FOLDERS: [&str; 6] = ["upload", "library", "thumbs", "encoded-video", "profile", "backups"];
const XMP: &[u8] = b"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/>";

/// An asset before it is written down. Its files are sound; faults come later.
struct Asset {
    n: u8,
    name: &'static str,
    path: String,
    data: Vec<u8>,
    /// Columns of the facts beside the plain ones.
    more: Vec<(&'static str, String)>,
}

impl Asset {
    fn is(&self, column: &str) -> bool {
        self.more.iter().any(|(name, _)| *name == column)
    }
}

/// A library on disk and in a database.
pub struct EraLibrary {
    pub folder: tempfile::TempDir,
    pub url: String,
}

impl EraLibrary {
    /// Makes the library of an era; its records are in the database `name`.
    pub fn new(server: &str, name: &str, era: Era) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut making = Making { root: folder.path(), era, facts: String::new(), recorded: BTreeMap::new() };
        making.make();
        let facts = making.facts;
        let url = postgres::database(server, name, era, &facts);
        Self { folder, url }
    }

    pub fn at(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }
}

pub fn id(n: u8) -> String {
    format!("c{n:03}0000-0000-4000-8000-{n:012}")
}

fn owner(n: u8) -> &'static str {
    OWNERS[usize::from(n % 2)]
}

struct Making<'a> {
    root: &'a Path,
    era: Era,
    facts: String,
    /// Container paths of the generated files, by asset and type.
    recorded: BTreeMap<(u8, String), String>,
}

impl Making<'_> {
    fn make(&mut self) {
        for folder in FOLDERS {
            fs::create_dir_all(self.root.join("media").join(folder)).unwrap();
        }
        fs::create_dir_all(self.root.join("external")).unwrap();
        let assets = self.assets();
        for asset in &assets {
            self.write(&asset.path, &asset.data);
            self.record(asset);
        }
        let shown: Vec<_> = assets.iter().filter(|asset| !asset.is("shown")).collect();
        let paths: Vec<_> = shown.iter().map(|asset| self.host(&asset.path)).collect();
        let scratch = tempfile::tempdir().unwrap();
        let mut generated = generate(&paths, scratch.path());
        for (asset, path) in shown.iter().zip(&paths) {
            self.generated(asset, &generated.remove(path).unwrap());
        }
        self.rest();
        self.faults();
        self.metadata();
    }

    /// Where records place what lies in the media location. Before absolute paths, the eras' tables drop `/data`
    /// from what is written here; libraries that came through that change hold both spellings.
    fn prefix(&self, n: u8) -> &'static str {
        match self.era {
            Era::E2 | Era::E3 if n.is_multiple_of(3) => "/usr/src/app/upload",
            _ => "/data",
        }
    }

    fn host(&self, record: &str) -> PathBuf {
        let media = self.root.join("media");
        let below = |prefix: &str| record.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        match (below(NAS), below("/data"), below("/usr/src/app/upload")) {
            (Some(rest), ..) => self.root.join("external").join(rest),
            (_, Some(rest), _) | (_, _, Some(rest)) => media.join(rest),
            _ => panic!("{record}"),
        }
    }

    fn write(&self, record: &str, data: &[u8]) {
        let path = self.host(record);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }

    fn assets(&self) -> Vec<Asset> {
        let upload = |n: u8, suffix: &str| {
            let file = format!("f{n:03}0000-1111-4111-8111-{n:012}");
            format!("{}/upload/{}/{}/{}/{file}{suffix}", self.prefix(n), owner(n), &file[..2], &file[2..4])
        };
        let plain = |n: u8, name: &'static str, path: String| Asset {
            n,
            name,
            path,
            data: jpeg(n),
            more: Vec::new(),
        };
        let uploaded = |n: u8, name: &'static str| plain(n, name, upload(n, ".jpg"));
        let template = |n: u8, name: &'static str| {
            plain(n, name, format!("{}/library/admin/2024/2024-05-05/{name}", self.prefix(n)))
        };
        let with = |mut asset: Asset, more: &[(&'static str, &str)]| {
            asset.more.extend(more.iter().map(|(column, value)| (*column, (*value).to_owned())));
            asset
        };
        let external = [("external", "true"), ("library", LIBRARY)];
        let scratch = tempfile::tempdir().unwrap();
        let film = video(scratch.path());
        let motion = format!("{}/encoded-video/{}/c0/12/{}-MP.mp4", self.prefix(12), owner(12), id(12));
        vec![
            uploaded(1, "sound.jpg"),
            template(2, "preview gone.jpg"),
            uploaded(3, "preview empty, thumbnail gone.jpg"),
            uploaded(4, "preview cut off.jpg"),
            uploaded(5, "original cut off, preview gone.jpg"),
            uploaded(6, "other bytes than recorded.jpg"),
            template(7, "original gone.jpg"),
            uploaded(8, "preview without a row.jpg"),
            with(plain(9, "thumbnail gone.jpg", format!("{NAS}/2019/thumbnail gone.jpg")), &external),
            with(
                with(plain(10, "offline.jpg", format!("{NAS}/offline.jpg")), &external),
                &[("offline", "true"), ("deleted", "true")],
            ),
            with(uploaded(11, "live.jpg"), &[("video", &id(12))]),
            Asset { data: film.clone(), ..with(plain(12, "live.mp4", motion), &[("shown", "hidden")]) },
            Asset { data: film, ..plain(13, "film.mp4", upload(13, ".mp4")) },
            with(uploaded(14, "edited.jpg"), &[("edited", "true")]),
            with(
                uploaded(15, "in the trash, thumbnail gone.jpg"),
                &[("deleted", "true"), ("status", "trashed")],
            ),
            Asset { data: png(16), ..plain(16, "screenshot.png", upload(16, ".png")) },
            uploaded(17, "names of the era before.jpg"),
            Asset { data: png(18), ..plain(18, "a png called jpg.jpg", upload(18, ".jpg")) },
            with(plain(19, "external cut off.jpg", format!("{NAS}/2019/external cut off.jpg")), &external),
        ]
    }

    /// The asset's own row.
    fn record(&mut self, asset: &Asset) {
        // Immich's checksum of external files is that of their path.
        let checksum = if asset.is("external") {
            Sha1::digest(format!("path:{}", asset.path))
        } else {
            Sha1::digest(&asset.data)
        };
        let hex: String = checksum.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let kind = if matches!(asset.n, 12 | 13) { "VIDEO" } else { "IMAGE" };
        let (mut columns, mut values) = (String::new(), String::new());
        for (column, value) in &asset.more {
            let _ = write!(columns, ", {column}");
            let _ = write!(values, ", '{value}'");
        }
        let _ = writeln!(
            self.facts,
            "INSERT INTO facts.assets (id, owner, type, path, name, checksum, size{columns}) VALUES \
             ('{}', '{}', '{kind}', '{}', '{}', '\\x{hex}', {}{values});",
            id(asset.n),
            owner(asset.n),
            asset.path,
            asset.name,
            asset.data.len()
        );
    }

    /// How the era names generated files; some assets keep the names of the era before.
    fn name(&self, n: u8, kind: &str, extension: &str) -> String {
        let older = n == 17;
        let join = match self.era {
            Era::E0 | Era::E1 if older => "",
            Era::E0 => "",
            Era::E1 | Era::E2 | Era::E3 => "-",
            Era::E4 | Era::E5 | Era::E6 if older => "-",
            Era::E4 | Era::E5 | Era::E6 => "_",
        };
        let kind = if join.is_empty() { "" } else { kind };
        format!("{}{join}{kind}.{extension}", id(n))
    }

    fn thumbs(&self, n: u8, name: &str) -> String {
        format!("{}/thumbs/{}/{}/{}/{name}", self.prefix(n), owner(n), &name[..2], &name[2..4])
    }

    fn file(&mut self, n: u8, kind: &str, edited: bool, path: &str, data: &[u8]) {
        self.write(path, data);
        let _ = writeln!(
            self.facts,
            "INSERT INTO facts.files VALUES ('{}', '{kind}', {edited}, '{path}');",
            id(n)
        );
        let edited = if edited { " edited" } else { "" };
        self.recorded.insert((n, format!("{kind}{edited}")), path.to_owned());
    }

    fn generated(&mut self, asset: &Asset, made: &Generated) {
        let n = asset.n;
        for (kind, extension, data) in
            [("preview", "jpeg", &made.preview), ("thumbnail", "webp", &made.thumbnail)]
        {
            let path = self.thumbs(n, &self.name(n, kind, extension));
            self.file(n, kind, false, &path, data);
        }
        if n == 16 && self.era >= Era::E1 {
            let path = self.thumbs(n, &self.name(n, "fullsize", "jpeg"));
            self.file(n, "fullsize", false, &path, &jpeg(n));
        }
        if asset.is("edited") && self.era >= Era::E4 {
            let crop = Area { left: 30, top: 20, size: PixelSize::new(300, 200) };
            let edits = Edits { crop: Some(crop), turn: Orientation::from_exif(6).unwrap() };
            for (kind, data) in edited(n, edits) {
                let path = self.thumbs(n, &format!("{}_{kind}_edited.jpeg", id(n)));
                self.file(n, kind, true, &path, &data);
            }
            let _ = writeln!(
                self.facts,
                r#"INSERT INTO facts.edits VALUES ('{0}', 1, 'rotate', '{{"angle": 90}}'),
                ('{0}', 0, 'crop', '{{"x": 30, "y": 20.4, "width": 299.5, "height": 200}}');"#,
                id(n)
            );
        }
        if n == 13 {
            let path = format!("{}/encoded-video/{}/c0/13/{}.mp4", self.prefix(n), owner(n), id(n));
            self.file(n, "encoded_video", false, &path, &asset.data);
        }
        if matches!(n, 1 | 2) {
            self.file(n, "sidecar", false, &format!("{}.xmp", asset.path), XMP);
        }
    }

    /// Persons, profile images, and files that no row names.
    fn rest(&mut self) {
        // The face of the third is in a video, that of the fourth is not known, that of the fifth in a damaged picture.
        let faces = [
            (1, "1,{360,270,60,40,160,150}"),
            (2, "1,{360,270,200,40,460,150}"),
            (3, "13,{320,240,100,60,200,180}"),
            (4, ""),
            (5, "5,{360,270,60,40,160,150}"),
        ];
        for (n, face) in faces {
            let person = format!("d{n:03}0000-0000-4000-8000-{n:012}");
            // The first versions did not nest them.
            let path = if self.era == Era::E0 {
                format!("/data/thumbs/{}/{person}.jpeg", OWNERS[0])
            } else {
                format!("/data/thumbs/{}/d0/0{n}/{person}.jpeg", OWNERS[0])
            };
            self.write(&path, &jpeg(100 + n));
            let mut chosen = "NULL".to_owned();
            if let Some((asset, place)) = face.split_once(',') {
                let asset = id(asset.parse().unwrap());
                chosen = format!("'e{n:03}0000-0000-4000-8000-{n:012}'");
                let _ = writeln!(
                    self.facts,
                    "INSERT INTO facts.faces VALUES ({chosen}, '{asset}', '{person}', '{place}');"
                );
            }
            let _ = writeln!(
                self.facts,
                "INSERT INTO facts.persons VALUES ('{person}', '{}', '{path}', {chosen});",
                OWNERS[0]
            );
            self.recorded.insert((100 + n, "person".to_owned()), path);
        }
        for (n, label) in [(0, "'admin'"), (1, "NULL")] {
            let owner = OWNERS[n];
            let path = format!("/data/profile/{owner}/e000000{n}-1111-4111-8111-111111111111.jpg");
            self.write(&path, &jpeg(110));
            let _ = writeln!(self.facts, "INSERT INTO facts.users VALUES ('{owner}', {label}, '{path}');");
            self.recorded.insert((u8::try_from(n).unwrap(), "profile".to_owned()), path);
        }
        let stray = format!("/data/upload/{}/f0/99/f0990000-1111-4111-8111-111111111111.jpg", OWNERS[0]);
        self.write(&stray, &jpeg(99));
        self.write(&self.thumbs(1, "c9990000-0000-4000-8000-000000000999_thumbnail.webp"), b"not a picture");
        let _ = writeln!(
            self.facts,
            "INSERT INTO facts.libraries VALUES ('{LIBRARY}', '{}', 'NAS', '{{{NAS}}}', '{{}}', NULL);",
            OWNERS[0]
        );
    }

    fn generated_host(&self, n: u8, kind: &str) -> PathBuf {
        self.host(&self.recorded[&(n, kind.to_owned())])
    }

    fn faults(&mut self) {
        let originals = self.assets();
        let original =
            |n: u8| originals.iter().find(|asset| asset.n == n).map(|asset| self.host(&asset.path)).unwrap();
        let cut = |path: PathBuf| {
            let data = fs::read(&path).unwrap();
            fs::write(path, &data[..data.len() / 2]).unwrap();
        };
        cut(original(5));
        cut(original(19));
        fs::write(original(6), jpeg(66)).unwrap();
        fs::remove_file(original(7)).unwrap();
        fs::remove_file(original(10)).unwrap();

        cut(self.generated_host(4, "preview"));
        fs::write(self.generated_host(3, "preview"), b"").unwrap();
        let mut gone = vec![(2, "preview"), (5, "preview"), (13, "preview")];
        gone.extend([(3, "thumbnail"), (9, "thumbnail"), (15, "thumbnail"), (17, "thumbnail")]);
        gone.extend([(13, "encoded_video"), (1, "sidecar"), (102, "person"), (1, "profile")]);
        gone.extend([(104, "person"), (105, "person")]);
        cut(self.generated_host(103, "person"));
        if self.era >= Era::E1 {
            gone.push((16, "fullsize"));
        }
        if self.era >= Era::E4 {
            gone.push((14, "preview edited"));
        }
        for (n, kind) in gone {
            fs::remove_file(self.generated_host(n, kind)).unwrap();
        }
        let _ =
            writeln!(self.facts, "DELETE FROM facts.files WHERE asset = '{}' AND type = 'preview';", id(8));
    }

    fn metadata(&mut self) {
        let mut rows = vec![("system-config", r#"{"image": {"preview": {"quality": 82}}}"#.to_owned())];
        if self.era >= Era::E1 {
            for folder in FOLDERS {
                fs::write(self.root.join("media").join(folder).join(".immich"), "1767225600000").unwrap();
            }
            let checks = FOLDERS.map(|folder| format!("\"{folder}\": true")).join(", ");
            rows.push(("system-flags", format!("{{\"mountChecks\": {{{checks}}}}}")));
        }
        if self.era >= Era::E2 {
            rows.push(("MediaLocation", r#"{"location": "/data"}"#.to_owned()));
        }
        for (key, value) in rows {
            let _ = writeln!(self.facts, "INSERT INTO public.system_metadata VALUES ('{key}', '{value}');");
        }
    }
}
