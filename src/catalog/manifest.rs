//! The manifest of `state export`: every known file with its hashes, owner and permissions, to compare with after a move.
//!
//! NDJSON: a `manifest` line that says where the library was, then a `file` line for each file that was there, by folder and name.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serializer as _};
use serde_json::Value;

use super::knowledge::Knowledge;
use super::runs::RunRecord;
use crate::model::{PathText, display_path};

/// Raised when older programs could misread what is written.
const VERSION: u64 = 1;

/// Where the library was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// When the manifest was made, RFC 3339.
    pub made_at: String,
    /// The media location then.
    pub media: Option<PathBuf>,
    /// Path prefixes of the records and the folders that they were then.
    pub map: Vec<(PathBuf, PathBuf)>,
}

/// Owner and permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Permission bits.
    pub mode: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Rights {
    /// Those of a file.
    pub fn of(metadata: &Metadata) -> Self {
        Self { mode: metadata.mode() & 0o7777, uid: metadata.uid(), gid: metadata.gid() }
    }
}

impl std::fmt::Display for Rights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o} {}:{}", self.mode, self.uid, self.gid)
    }
}

/// One file as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it was.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// BLAKE3, in hexadecimal digits.
    pub blake3: Option<String>,
    /// Owner and permissions; manifests of older programs do not tell.
    pub rights: Option<Rights>,
}

/// Writes the first line. Where the library is is what the newest run with a media location says. Gives whether it is there: then a
/// file that is not was removed.
pub(super) fn write_origin(out: &mut dyn Write, runs: &[RunRecord]) -> io::Result<bool> {
    let headers = runs.iter().filter_map(|run| serde_json::from_str::<Value>(&run.header).ok());
    let newest = headers.into_iter().find(|header| header.get("media").is_some_and(Value::is_string));
    let of = |key: &str| newest.as_ref().and_then(|header| header.get(key)).cloned().unwrap_or(Value::Null);
    let line = serde_json::json!({
        "type": "manifest",
        "version": VERSION,
        "made_at": format!("{:.0}", jiff::Timestamp::now()),
        "media": of("media"),
        "media_bytes": of("media_bytes"),
        "map": of("map"),
    });
    writeln!(out, "{line}")?;
    let media = newest.as_ref().and_then(|header| header.get("media")?.as_str()).map(Path::new);
    Ok(media.is_some_and(|media| std::fs::read_dir(media).is_ok_and(|mut entries| entries.next().is_some())))
}

/// Writes the line of a file, unless it was removed from a library that is `there`; gives whether it did.
pub(super) fn write_entry(
    out: &mut dyn Write,
    path: &Path,
    known: &Knowledge,
    there: bool,
) -> io::Result<bool> {
    let rights = std::fs::symlink_metadata(path).ok().map(|metadata| Rights::of(&metadata));
    if there && rights.is_none() {
        return Ok(false);
    }
    let mut line = Vec::with_capacity(320);
    let mut json = serde_json::Serializer::new(&mut line);
    let mut map = json.serialize_map(None)?;
    map.serialize_entry("type", "file")?;
    PathText(path).serialize_into("path", &mut map)?;
    map.serialize_entry("size", &known.identity.size)?;
    map.serialize_entry("sha1", &known.sha1.as_ref().map(|hash| hex(hash)))?;
    map.serialize_entry("blake3", &known.blake3.as_ref().map(|hash| hex(hash)))?;
    map.serialize_entry("verdict", &known.verdict)?;
    let verified_at = jiff::Timestamp::from_second(known.verified_at).ok().map(|time| time.to_string());
    map.serialize_entry("verified_at", &verified_at)?;
    if let Some(Rights { mode, uid, gid }) = rights {
        map.serialize_entry("mode", &mode)?;
        map.serialize_entry("uid", &uid)?;
        map.serialize_entry("gid", &gid)?;
    }
    map.end()?;
    line.push(b'\n');
    out.write_all(&line)?;
    Ok(true)
}

/// Lower-case hexadecimal digits.
pub fn hex(hash: &[u8]) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::with_capacity(hash.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One line as it is read.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    version: Option<u64>,
    made_at: Option<String>,
    media: Option<String>,
    media_bytes: Option<String>,
    map: Option<Vec<Rule>>,
    path: Option<String>,
    path_bytes: Option<String>,
    size: Option<u64>,
    blake3: Option<String>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Deserialize)]
struct Rule {
    container: String,
    container_bytes: Option<String>,
    host: String,
    host_bytes: Option<String>,
}

/// A manifest that is being read.
pub struct Manifest {
    /// Where the library was.
    pub origin: Origin,
    name: String,
    lines: io::Lines<BufReader<File>>,
    number: usize,
    /// A first line that was a file already.
    ahead: Option<Entry>,
}

impl Manifest {
    /// Opens a manifest and reads its first line.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn open(path: &Path) -> Result<Self, String> {
        let name = display_path(path);
        let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
        let lines = BufReader::new(file).lines();
        let mut manifest = Self { origin: Origin::default(), name, lines, number: 0, ahead: None };
        let first = manifest.line()?;
        let Some(first) = first else {
            return Err(format!(
                "{}: expected a manifest of `photofsck state export`, found no line",
                manifest.name
            ));
        };
        match first.kind.as_str() {
            "manifest" if first.version.is_none_or(|version| version > VERSION) => Err(format!(
                "{}: this manifest is of a newer photofsck, which this one cannot read",
                manifest.name
            )),
            "manifest" => {
                let rules = first.map.unwrap_or_default().into_iter().map(|rule| {
                    Ok((
                        restored(rule.container, rule.container_bytes)?,
                        restored(rule.host, rule.host_bytes)?,
                    ))
                });
                manifest.origin = Origin {
                    made_at: first.made_at.unwrap_or_default(),
                    media: first.media.map(|media| restored(media, first.media_bytes)).transpose()?,
                    map: rules.collect::<Result<_, String>>()?,
                };
                Ok(manifest)
            }
            _ => {
                manifest.ahead = manifest.entry(first)?;
                Ok(manifest)
            }
        }
    }

    fn line(&mut self) -> Result<Option<Line>, String> {
        let Some(text) = self.lines.next() else { return Ok(None) };
        self.number += 1;
        let wrong = |what: String| format!("{}, line {}: {what}", self.name, self.number);
        let text = text.map_err(|error| wrong(error.to_string()))?;
        let line = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("expected a line of `photofsck state export`: {error}")))?;
        Ok(Some(line))
    }

    fn entry(&self, line: Line) -> Result<Option<Entry>, String> {
        if line.kind != "file" {
            return Ok(None);
        }
        let (Some(path), Some(size)) = (line.path, line.size) else {
            return Err(format!("{}, line {}: expected path and size of a file", self.name, self.number));
        };
        let rights = match (line.mode, line.uid, line.gid) {
            (Some(mode), Some(uid), Some(gid)) => Some(Rights { mode, uid, gid }),
            _ => None,
        };
        Ok(Some(Entry { path: restored(path, line.path_bytes)?, size, blake3: line.blake3, rights }))
    }

    /// The next file; lines of kinds that are not known are passed over.
    ///
    /// # Errors
    /// What is wrong with a line, which one, and what was expected.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, String> {
        if let Some(entry) = self.ahead.take() {
            return Ok(Some(entry));
        }
        while let Some(line) = self.line()? {
            if let Some(entry) = self.entry(line)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

fn restored(text: String, bytes: Option<String>) -> Result<PathBuf, String> {
    let Some(bytes) = bytes else { return Ok(PathBuf::from(text)) };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(bytes)
        .map_err(|error| format!("the bytes of the path {text:?} are not base64: {error}"))?;
    Ok(PathBuf::from(OsStr::from_bytes(&bytes)))
}
