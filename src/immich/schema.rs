//! Recognising Immich's database schema by its tables and columns, never by a version.
//!
//! Upgraded installations can be between two versions, and forks exist. What is not exactly one known era is
//! read as far as it goes, and never written to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The eras of the schema, from the oldest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Era {
    /// Paths of generated files are columns of `assets`.
    E0,
    /// `assets` and `asset_files`.
    E1,
    /// `asset` and `asset_file`; sidecar and transcode paths are columns of `asset`.
    E2,
    /// The sidecar is a row of `asset_file`.
    E3,
    /// The transcode too, and the kind of checksum is recorded (v2.7).
    E4,
    /// v3: no device ids, with Immich's own integrity reports.
    E5,
    /// v3.2: persons have no id of their own.
    E6,
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The columns of each table that was seen.
pub type Tables = BTreeMap<String, BTreeSet<String>>;

/// What is known about a schema.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SchemaState {
    /// The era, or the nearest one; `None` without records.
    pub era: Option<Era>,
    /// What does not fit that era: a fork, a mixture, something newer. Empty for a known schema.
    pub problems: Vec<String>,
}

impl SchemaState {
    /// Whether rows may be written: only to exactly one known era.
    pub fn writable(&self) -> bool {
        self.era.is_some() && self.problems.is_empty()
    }

    /// The era in words: `E0` to `E6`, `unknown`, or empty without records.
    pub fn label(&self) -> String {
        match self.era {
            Some(era) if self.problems.is_empty() => era.to_string(),
            Some(_) => "unknown".to_owned(),
            None => String::new(),
        }
    }
}

/// Recognises the era. The error names what was looked for and what is there.
pub fn recognise(tables: &Tables) -> Result<SchemaState, String> {
    let has = |table: &str, column: &str| tables.get(table).is_some_and(|columns| columns.contains(column));
    let singular = tables.contains_key("asset");
    if !singular && !tables.contains_key("assets") {
        return Err(format!("looked for a table \"asset\" or \"assets\", found {}", list(tables.keys())));
    }
    let (asset, asset_file) = if singular { ("asset", "asset_file") } else { ("assets", "asset_files") };
    for needed in ["id", "originalPath"] {
        if !has(asset, needed) {
            let found = list(tables.get(asset).into_iter().flatten());
            return Err(format!("table \"{asset}\" has no column \"{needed}\" but {found}"));
        }
    }
    let era = if singular {
        singular_era(&has, tables)
    } else if tables.contains_key("asset_files") {
        Era::E1
    } else {
        Era::E0
    };
    let mut problems = foreign(tables, asset, asset_file);
    problems.extend(mixture(tables, era, &has));
    Ok(SchemaState { era: Some(era), problems })
}

fn singular_era(has: &impl Fn(&str, &str) -> bool, tables: &Tables) -> Era {
    if has("asset", "sidecarPath") {
        Era::E2
    } else if has("asset", "encodedVideoPath") {
        Era::E3
    } else if has("person", "personGroupId") {
        Era::E6
    } else if !has("asset", "deviceAssetId") || tables.contains_key("integrity_report") {
        Era::E5
    } else {
        Era::E4
    }
}

/// What a fork or a newer version added.
fn foreign(tables: &Tables, asset: &str, asset_file: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (table, known) in [(asset, ASSET_COLUMNS), (asset_file, FILE_COLUMNS)] {
        let unknown: Vec<&String> = tables
            .get(table)
            .into_iter()
            .flatten()
            .filter(|column| !known.contains(&column.as_str()))
            .collect();
        if !unknown.is_empty() {
            problems.push(format!(
                "table \"{table}\" has columns that Immich's known versions do not have: {}",
                list(unknown)
            ));
        }
    }
    problems.extend(
        tables
            .keys()
            .filter_map(|table| table.split_once('.'))
            .find(|(schema, _)| *schema == "immich_fork")
            .map(|(schema, _)| format!("schema \"{schema}\" belongs to a fork of Immich")),
    );
    problems
}

/// What contradicts the era.
fn mixture(tables: &Tables, era: Era, has: &impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    let mut expect = |fits: bool, what: &str| {
        if !fits {
            problems.push(format!("looks like era {era}, but {what}"));
        }
    };
    let both = tables.contains_key("asset") && tables.contains_key("assets");
    expect(!both, "both \"asset\" and \"assets\" exist");
    match era {
        Era::E0 => {
            let paths = has("assets", "previewPath") || has("assets", "resizePath");
            expect(paths, "\"assets\" has neither \"previewPath\" nor \"resizePath\"");
        }
        Era::E1 => {
            let shown = has("assets", "isVisible") || has("assets", "visibility");
            expect(shown, "\"assets\" has neither \"isVisible\" nor \"visibility\"");
        }
        Era::E2 => expect(has("asset", "encodedVideoPath"), "\"asset\" has no \"encodedVideoPath\""),
        Era::E3 => expect(has("asset", "deviceAssetId"), "\"asset\" has no \"deviceAssetId\""),
        Era::E4 | Era::E5 | Era::E6 => {
            expect(has("asset", "checksumAlgorithm"), "\"asset\" has no \"checksumAlgorithm\"");
        }
    }
    if era >= Era::E5 {
        expect(!has("asset", "deviceAssetId"), "\"asset\" has \"deviceAssetId\"");
        expect(tables.contains_key("integrity_report"), "there is no table \"integrity_report\"");
    }
    if era >= Era::E2 {
        expect(tables.contains_key("asset_file"), "there is no table \"asset_file\"");
    }
    if era == Era::E6 {
        expect(!has("person", "id"), "\"person\" has both \"id\" and \"personGroupId\"");
        expect(tables.contains_key("person_group"), "there is no table \"person_group\"");
    } else {
        expect(!has("person", "personGroupId"), "\"person\" has \"personGroupId\"");
    }
    problems
}

fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let mut names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    let more = names.len().saturating_sub(12);
    names.truncate(12);
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}

/// Columns of the asset table in any era.
const ASSET_COLUMNS: &[&str] = &[
    "id",
    "deviceAssetId",
    "deviceId",
    "ownerId",
    "userId",
    "type",
    "mimeType",
    "originalPath",
    "originalFileName",
    "resizePath",
    "webpPath",
    "previewPath",
    "thumbnailPath",
    "encodedVideoPath",
    "sidecarPath",
    "thumbhash",
    "checksum",
    "checksumAlgorithm",
    "fileCreatedAt",
    "fileModifiedAt",
    "localDateTime",
    "createdAt",
    "updatedAt",
    "deletedAt",
    "updateId",
    "isFavorite",
    "isArchived",
    "isVisible",
    "visibility",
    "isReadOnly",
    "isExternal",
    "isOffline",
    "isEdited",
    "duration",
    "livePhotoVideoId",
    "libraryId",
    "stackId",
    "stackParentId",
    "duplicateId",
    "status",
    "width",
    "height",
];

/// Columns of the file table in any era.
const FILE_COLUMNS: &[&str] = &[
    "id",
    "assetId",
    "createdAt",
    "updatedAt",
    "type",
    "path",
    "updateId",
    "updatedId",
    "isEdited",
    "isProgressive",
    "isTransparent",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn tables(list: &[(&str, &str)]) -> Tables {
        list.iter()
            .map(|(table, columns)| ((*table).to_owned(), columns.split(' ').map(str::to_owned).collect()))
            .collect()
    }

    #[test]
    fn each_era_by_its_columns() {
        let old = "id originalPath ownerId isVisible";
        let device = "id originalPath deviceAssetId";
        for (era, list) in [
            (Era::E0, &[("assets", "id originalPath resizePath webpPath")][..]),
            (Era::E1, &[("assets", old), ("asset_files", "assetId type path")]),
            (Era::E2, &[("asset", "id originalPath sidecarPath encodedVideoPath"), ("asset_file", "path")]),
            (Era::E3, &[("asset", "id originalPath encodedVideoPath deviceAssetId"), ("asset_file", "path")]),
            (Era::E4, &[("asset", &format!("{device} checksumAlgorithm")), ("asset_file", "path")]),
            (
                Era::E5,
                &[
                    ("asset", "id originalPath checksumAlgorithm"),
                    ("asset_file", "path"),
                    ("integrity_report", "id"),
                    ("person", "id"),
                ],
            ),
            (
                Era::E6,
                &[
                    ("asset", "id originalPath checksumAlgorithm"),
                    ("asset_file", "path"),
                    ("integrity_report", "id"),
                    ("person", "ownerId personGroupId"),
                    ("person_group", "id"),
                ],
            ),
        ] {
            let state = recognise(&tables(list)).unwrap();
            assert_eq!((state.era, state.problems), (Some(era), vec![]));
        }
    }

    #[test]
    fn what_fits_no_era_is_named_and_not_writable() {
        for (list, words) in [
            (
                &[
                    ("asset", "id originalPath checksumAlgorithm encrypted"),
                    ("asset_file", "path"),
                    ("integrity_report", "id"),
                ][..],
                "encrypted",
            ),
            (&[("asset", "id originalPath deviceAssetId"), ("asset_file", "path")], "checksumAlgorithm"),
            (&[("asset", "id originalPath sidecarPath"), ("asset_file", "path")], "encodedVideoPath"),
            (
                &[
                    ("assets", "id originalPath resizePath"),
                    ("asset", "id originalPath sidecarPath encodedVideoPath"),
                    ("asset_file", "path"),
                ],
                "both",
            ),
            (&[("assets", "id originalPath")], "previewPath"),
        ] {
            let state = recognise(&tables(list)).unwrap();
            assert!(!state.writable() && state.label() == "unknown");
            assert!(state.problems.iter().any(|problem| problem.contains(words)), "{:?}", state.problems);
        }
        let error = recognise(&tables(&[("chair", "id")])).unwrap_err();
        assert!(error.contains("\"asset\" or \"assets\", found chair"), "{error}");
        assert!(
            recognise(&tables(&[("assets", "id name")])).unwrap_err().contains("no column \"originalPath\"")
        );
        assert!(!SchemaState::default().writable());
    }
}
