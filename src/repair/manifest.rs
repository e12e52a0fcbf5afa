//! The manifest of a quarantine folder: one JSON object a line, each on the disk before the move that it announces.
//!
//! `quarantine` lines say below which folders files may be put back, `kept` lines where a file was and where it is
//! kept, `undone` lines that it is back. A line that a killed run left half written announces nothing that was
//! done, so it is passed over. The manifest is data from outside: paths out of it are checked before use.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufRead};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::store::Content;
use crate::model::{AssetId, PathText, Role};

/// Name of the manifest in its folder.
pub const MANIFEST: &str = "manifest.ndjson";
/// Folder of the kept files, beside the manifest.
pub const FILES: &str = "files";
/// Longer lines are none of ours: a path has 4096 bytes, in JSON at most six times as many.
const LONGEST: u64 = 128 << 10;

/// Why a file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// A damaged original that a sound one took the place of.
    Replaced,
    /// No record named it.
    Untracked,
    /// It took the place of a damaged original, which has been put back since.
    SetAside,
}

/// One kept file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the folder, from 1.
    pub number: u64,
    /// When the line was written, RFC 3339.
    pub at: String,
    /// Why it is kept.
    pub why: Why,
    /// Where it was: an absolute path.
    pub path: PathBuf,
    /// Where it is kept: a name below [`FILES`].
    pub kept: String,
    /// Its bytes.
    pub content: Content,
    /// SHA-1 of what took its place.
    pub replaced_by: Option<[u8; 20]>,
    /// What it was for.
    pub role: Role,
    /// The asset it belongs to.
    pub asset: Option<AssetId>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A run begins to use the folder; files may be put back below these folders.
    Opened {
        /// When, RFC 3339.
        at: String,
        /// Absolute paths.
        below: Vec<PathBuf>,
    },
    /// A file is about to be moved here.
    Kept(Entry),
    /// The file with this number is back where it was.
    Undone {
        /// When, RFC 3339.
        at: String,
        /// Which one.
        number: u64,
    },
}

impl Line {
    /// The line without its newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A map of strings and numbers can always be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a line; `None` for what is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let number = || value.get("number")?.as_u64().filter(|number| *number > 0);
        let at = text("at")?;
        match value.get("type")?.as_str()? {
            "quarantine" => {
                let below = value.get("below")?.as_array()?.iter().map(|below| path_in(below, "path"));
                Some(Self::Opened { at, below: below.collect::<Option<_>>()? })
            }
            "kept" => {
                let kept = text("kept")?;
                is_plain_name(&kept).then_some(())?;
                Some(Self::Kept(Entry {
                    number: number()?,
                    at,
                    why: Why::deserialize(value.get("why")?).ok()?,
                    path: path_in(&value, "path")?,
                    kept,
                    content: Content {
                        size: value.get("size")?.as_u64()?,
                        sha1: from_hex(value.get("sha1")?.as_str()?)?,
                    },
                    replaced_by: match value.get("replaced_by") {
                        None | Some(Value::Null) => None,
                        Some(hex) => Some(from_hex(hex.as_str()?)?),
                    },
                    role: Role::deserialize(value.get("role")?).ok()?,
                    asset: match value.get("asset") {
                        None | Some(Value::Null) => None,
                        Some(id) => Some(AssetId::parse(id.as_str()?.as_bytes())?),
                    },
                }))
            }
            "undone" => Some(Self::Undone { at, number: number()? }),
            _ => None,
        }
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Opened { at, below } => {
                map.serialize_entry("type", "quarantine")?;
                map.serialize_entry("at", at)?;
                let below: Vec<Folder<'_>> = below.iter().map(|path| Folder(path)).collect();
                map.serialize_entry("below", &below)?;
            }
            Self::Kept(entry) => {
                map.serialize_entry("type", "kept")?;
                map.serialize_entry("number", &entry.number)?;
                map.serialize_entry("at", &entry.at)?;
                map.serialize_entry("why", &entry.why)?;
                PathText(&entry.path).serialize_into("path", &mut map)?;
                map.serialize_entry("kept", &entry.kept)?;
                map.serialize_entry("size", &entry.content.size)?;
                map.serialize_entry("sha1", &to_hex(&entry.content.sha1))?;
                map.serialize_entry("replaced_by", &entry.replaced_by.as_ref().map(to_hex))?;
                map.serialize_entry("role", &entry.role)?;
                map.serialize_entry("asset", &entry.asset)?;
            }
            Self::Undone { at, number } => {
                map.serialize_entry("type", "undone")?;
                map.serialize_entry("number", number)?;
                map.serialize_entry("at", at)?;
            }
        }
        map.end()
    }
}

struct Folder<'a>(&'a Path);

impl Serialize for Folder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        PathText(self.0).serialize_into("path", &mut map)?;
        map.end()
    }
}

/// What a manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Kept files in the order of their lines.
    pub entries: Vec<Entry>,
    /// Numbers of those that are back.
    pub undone: BTreeSet<u64>,
    /// Folders below which files may be put back.
    pub below: Vec<PathBuf>,
    /// Lines that could not be read, by number from 1.
    pub unread: Vec<u64>,
}

impl Manifest {
    /// Reads all lines.
    pub fn read(mut lines: impl BufRead) -> io::Result<Self> {
        let mut manifest = Self::default();
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            let read = io::Read::take(&mut lines, LONGEST).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                break;
            }
            // The rest of a line that is too long is read as lines of its own, none of which is one.
            let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            match Line::parse(line) {
                _ if line.is_empty() => {}
                None => manifest.unread.push(number),
                Some(Line::Kept(entry)) => manifest.entries.push(entry),
                Some(Line::Undone { number, .. }) => {
                    manifest.undone.insert(number);
                }
                Some(Line::Opened { below, .. }) => {
                    for path in below {
                        if !manifest.below.contains(&path) {
                            manifest.below.push(path);
                        }
                    }
                }
            }
        }
        Ok(manifest)
    }

    /// The number for the next file.
    pub fn next(&self) -> u64 {
        self.entries.iter().map(|entry| entry.number).max().unwrap_or(0).saturating_add(1)
    }
}

/// A name for a kept file that is safe on every file system and still tells people what it was.
pub fn kept_name(number: u64, path: &Path) -> String {
    format!("{number:06}-{}", plain_name(&path.file_name().unwrap_or_default().to_string_lossy()))
}

/// A file name of letters, digits and a few signs, 80 characters at most; the extension stays.
pub fn plain_name(name: &str) -> String {
    const LONGEST_NAME: usize = 80;
    let plain = |ch: char| if ch.is_ascii_alphanumeric() || "._-+".contains(ch) { ch } else { '_' };
    let name: Vec<char> = name.chars().map(plain).collect();
    name.get(name.len().saturating_sub(LONGEST_NAME)..).unwrap_or_default().iter().collect()
}

/// Whether a name out of a manifest leads to a file directly below [`FILES`].
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(only)), None) if only == name)
        && !name.starts_with('.')
}

/// An absolute path without `..`, in either of its spellings.
fn path_in(value: &Value, key: &str) -> Option<PathBuf> {
    let path = match value.get(format!("{key}_bytes")) {
        Some(bytes) => PathBuf::from(OsString::from_vec(STANDARD.decode(bytes.as_str()?).ok()?)),
        None => PathBuf::from(value.get(key)?.as_str()?),
    };
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    (plain && path.is_absolute()).then_some(path)
}

/// A hash in hexadecimal.
pub fn to_hex(hash: &[u8; 20]) -> String {
    super::store::hex(hash)
}

fn from_hex(text: &str) -> Option<[u8; 20]> {
    let mut hash = [0; 20];
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (slot, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *slot = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u64, path: PathBuf) -> Entry {
        Entry {
            number,
            at: "2026-01-02T03:04:05Z".to_owned(),
            why: Why::Replaced,
            kept: kept_name(number, &path),
            path,
            content: Content { size: 7, sha1: [0xab; 20] },
            replaced_by: Some([1; 20]),
            role: Role::Original,
            asset: Some(AssetId([3; 16])),
        }
    }

    proptest! {
        #[test]
        fn lines_read_back_whatever_the_name(name in proptest::collection::vec(1u8..=255, 1..60), number in 1u64..) {
            prop_assume!(!name.contains(&b'/') && name != b"." && name != b"..");
            let path = Path::new("/m").join(OsString::from_vec(name));
            let lines = [
                Line::Kept(entry(number, path.clone())),
                Line::Opened { at: "t".into(), below: vec![path.clone(), "/x".into()] },
                Line::Undone { at: "t".into(), number },
            ];
            for line in lines {
                let bytes = line.to_bytes();
                prop_assert!(!bytes.contains(&b'\n'));
                prop_assert_eq!(Line::parse(&bytes), Some(line));
            }
        }

        #[test]
        fn cut_lines_are_none(cut in 0usize..200) {
            let bytes = Line::Kept(entry(1, "/m/a.jpg".into())).to_bytes();
            prop_assume!(cut < bytes.len());
            prop_assert_eq!(Line::parse(&bytes[..cut]), None);
        }

        #[test]
        fn anything_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Manifest::read(&bytes[..]).unwrap();
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let good = String::from_utf8(Line::Kept(entry(1, "/m/a.jpg".into())).to_bytes()).unwrap();
        assert!(Line::parse(good.as_bytes()).is_some());
        for (from, to) in [
            ("\"/m/a.jpg\"", "\"/m/../etc/passwd\""),
            ("\"/m/a.jpg\"", "\"m/a.jpg\""),
            ("000001-a.jpg", "../000001-a.jpg"),
            ("000001-a.jpg", "/etc/passwd"),
            ("000001-a.jpg", ".."),
            ("000001-a.jpg", ""),
            ("\"number\":1", "\"number\":0"),
            ("abab", "abxx"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert_eq!(Line::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_torn_line_is_passed_over_and_numbers_go_on() {
        let mut text = Line::Kept(entry(4, "/m/a.jpg".into())).to_bytes();
        text.extend_from_slice(b"\n{\"type\":\"kept\",\"numb\n\n");
        text.extend_from_slice(&Line::Undone { at: "t".into(), number: 4 }.to_bytes());
        let manifest = Manifest::read(&text[..]).unwrap();
        assert_eq!((manifest.entries.len(), &manifest.undone), (1, &[4].into()));
        assert_eq!((manifest.unread.as_slice(), manifest.next()), (&[2][..], 5));
    }

    #[test]
    fn kept_names_are_plain_and_tell_what_it_was() {
        let names = ["IMG 1/ü.jpg", "a\n\u{202e}.HEIC", ".immich", "x"];
        let kept = names.map(|name| kept_name(7, Path::new("/m").join(name.replace('/', "")).as_path()));
        assert_eq!(kept, ["000007-IMG_1_.jpg", "000007-a__.HEIC", "000007-.immich", "000007-x"]);
        assert!(kept_name(1, Path::new(&"y".repeat(250))).len() < 100);
    }
}
