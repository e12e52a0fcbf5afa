//! Which rows make pictures known in which era of the schema, as statements.
//!
//! | era | key | set | also |
//! |---|---|---|---|
//! | E1 | asset, type in `asset_files` | path | thumbhash where it is null; the times of both jobs |
//! | E2, E3 | asset, type in `asset_file` | path | thumbhash; the times of both jobs where there are such columns |
//! | with `isEdited` | asset, type, edited | path, and the flags that there are columns for | the same |
//! | E4 to E6 | the same | the same | thumbhash; a row of `asset_job_status` |
//!
//! Nothing else is ever written: no checksum, no path or size of an original, no row of a sidecar or transcode.

use std::collections::BTreeSet;

use super::statement::{Statement, Value};
use super::{NewFile, Rows};
use crate::immich::schema::{self, Era, Tables};
use crate::model::{AssetId, Role};

/// The columns of each unique index, by table.
pub(super) type UniqueKeys = BTreeSet<(String, BTreeSet<String>)>;

/// What of a known schema bears on registering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub era: Era,
    /// Name of the table of assets.
    pub asset: &'static str,
    /// Name of the table of their files.
    pub file: &'static str,
    pub edited: bool,
    progressive: bool,
    transparent: bool,
    /// Whether a unique index holds the key of a file together, so that it can be upserted.
    file_is_unique: bool,
    jobs: Jobs,
    /// When an asset is in the trash, as an SQL condition on its row.
    pub trashed: String,
}

/// The table of job states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jobs {
    /// Nothing of it is written.
    Untouched,
    /// Both times of the picture jobs are set.
    Dated,
    /// A row has to be there.
    Present,
}

impl Shape {
    /// The shape of exactly one known era; the error says why nothing may be written.
    pub fn of(tables: &Tables, unique: &UniqueKeys) -> Result<Self, String> {
        let state = schema::recognise(tables)?;
        let era = state
            .era
            .filter(|_| state.writable())
            .ok_or_else(|| format!("it is not laid out as Immich's own ({})", state.problems.join("; ")))?;
        if era == Era::E0 {
            return Err(
                "it is of the time before Immich kept generated files in a table of their own (era E0), for \
                        which no way of registering is known; update Immich"
                    .to_owned(),
            );
        }
        let (asset, file) = if era == Era::E1 { ("assets", "asset_files") } else { ("asset", "asset_file") };
        let has = |table: &str, column: &str| tables.get(table).is_some_and(|found| found.contains(column));
        for (table, column) in [(asset, "ownerId"), (asset, "checksum"), (asset, "thumbhash"), (file, "id")]
            .into_iter()
            .chain(["assetId", "type", "path"].map(|column| (file, column)))
        {
            if !has(table, column) {
                return Err(format!("table \"{table}\" has no column \"{column}\""));
            }
        }
        let edited = has(file, "isEdited");
        let jobs = "asset_job_status";
        let jobs = if has(jobs, "previewAt") && has(jobs, "thumbnailAt") && era < Era::E4 {
            Jobs::Dated
        } else if era >= Era::E4 && has(jobs, "assetId") {
            Jobs::Present
        } else {
            Jobs::Untouched
        };
        let key = ["assetId", "type"].into_iter().chain(edited.then_some("isEdited"));
        let conditions = [
            has(asset, "deletedAt").then_some("\"deletedAt\" IS NOT NULL"),
            has(asset, "status").then_some("coalesce(status::text IN ('trashed', 'deleted'), false)"),
        ];
        let trashed: Vec<&str> = conditions.into_iter().flatten().collect();
        Ok(Self {
            era,
            asset,
            file,
            edited,
            progressive: has(file, "isProgressive"),
            transparent: has(file, "isTransparent"),
            file_is_unique: unique.contains(&(file.to_owned(), key.map(str::to_owned).collect())),
            jobs,
            trashed: if trashed.is_empty() { "false".to_owned() } else { trashed.join(" OR ") },
        })
    }

    /// Tables that are written, with the privileges needed for that.
    pub fn privileges(&self) -> Vec<(&'static str, &'static str)> {
        let mut needed = vec![(self.asset, "UPDATE"), (self.file, "INSERT"), (self.file, "UPDATE")];
        if self.jobs != Jobs::Untouched {
            needed.push(("asset_job_status", "INSERT"));
            needed.push(("asset_job_status", "UPDATE"));
        }
        needed
    }

    /// The statements that register the pictures of one asset.
    pub fn statements(&self, asset: AssetId, rows: &Rows) -> Result<Vec<Statement>, String> {
        let mut statements = Vec::new();
        for file in &rows.files {
            statements.extend(self.name(asset, file)?);
        }
        if let Some(thumbhash) = &rows.thumbhash {
            // The oldest table has its thumbhash filled in only; later ones follow the pixels.
            let when = if self.era == Era::E1 {
                "thumbhash IS NULL"
            } else {
                "thumbhash IS DISTINCT FROM $2::bytea"
            };
            statements.push(Statement {
                text: format!(
                    "UPDATE public.{} SET thumbhash = $2::bytea WHERE id = $1::uuid AND {when}",
                    self.asset
                ),
                values: vec![Value::Id(asset), Value::Bytes(thumbhash.clone())],
            });
        }
        let text = match self.jobs {
            Jobs::Dated => {
                "INSERT INTO public.asset_job_status (\"assetId\", \"previewAt\", \"thumbnailAt\") \
                 VALUES ($1::uuid, now(), now()) ON CONFLICT (\"assetId\") \
                 DO UPDATE SET \"previewAt\" = EXCLUDED.\"previewAt\", \"thumbnailAt\" = EXCLUDED.\"thumbnailAt\""
            }
            Jobs::Present => {
                "INSERT INTO public.asset_job_status (\"assetId\") VALUES ($1::uuid) ON CONFLICT (\"assetId\") DO NOTHING"
            }
            Jobs::Untouched => return Ok(statements),
        };
        if !rows.files.is_empty() {
            statements.push(Statement { text: text.to_owned(), values: vec![Value::Id(asset)] });
        }
        Ok(statements)
    }

    /// Names one file: the row of this type gets its path, or is made.
    fn name(&self, asset: AssetId, file: &NewFile) -> Result<Vec<Statement>, String> {
        let kind = match file.role {
            Role::Preview | Role::Thumbnail | Role::Fullsize => file.role.as_str(),
            other => return Err(format!("rows of files of role {other} are never written")),
        };
        if file.edited && !self.edited {
            return Err("this version of Immich keeps no edited sets".to_owned());
        }
        let path = file.path.to_str().ok_or("its path is not valid UTF-8, which a row cannot hold")?;
        let mut values = vec![Value::Id(asset), Value::Text(kind.to_owned()), Value::Text(path.to_owned())];
        let mut columns = vec!["\"assetId\"", "type", "path"];
        let mut places = vec!["$1::uuid".to_owned(), "$2".to_owned(), "$3".to_owned()];
        let mut key = "\"assetId\" = $1::uuid AND type = $2".to_owned();
        let mut set = vec!["path"];
        for (there, column, flag) in [
            (self.edited, "\"isEdited\"", file.edited),
            (self.progressive, "\"isProgressive\"", file.progressive),
            (self.transparent, "\"isTransparent\"", file.transparent),
        ] {
            if !there {
                continue;
            }
            values.push(Value::Flag(flag));
            columns.push(column);
            places.push(format!("${}", values.len()));
            if column == "\"isEdited\"" {
                key = format!("{key} AND {column} = ${}", values.len());
            } else {
                set.push(column);
            }
        }
        let table = self.file;
        let (columns_text, places_text) = (columns.join(", "), places.join(", "));
        if self.file_is_unique {
            let conflict = if self.edited { "\"assetId\", type, \"isEdited\"" } else { "\"assetId\", type" };
            let set: Vec<String> = set.iter().map(|column| format!("{column} = EXCLUDED.{column}")).collect();
            let text = format!(
                "INSERT INTO public.{table} ({columns_text}) VALUES ({places_text}) \
                 ON CONFLICT ({conflict}) DO UPDATE SET {}",
                set.join(", ")
            );
            return Ok(vec![Statement { text, values }]);
        }
        let place = |column: &str| columns.iter().position(|other| *other == column).map_or(0, |at| at + 1);
        let set: Vec<String> = set.iter().map(|column| format!("{column} = ${}", place(column))).collect();
        let update = format!("UPDATE public.{table} SET {} WHERE {key}", set.join(", "));
        let insert = format!(
            "INSERT INTO public.{table} ({columns_text}) SELECT {places_text} \
             WHERE NOT EXISTS (SELECT 1 FROM public.{table} WHERE {key})"
        );
        Ok(vec![Statement { text: update, values: values.clone() }, Statement { text: insert, values }])
    }

    /// The statement that gives a person another face crop.
    pub fn face(&self, person: AssetId, owner: AssetId, before: &str, path: &str) -> Statement {
        let id = if self.era == Era::E6 { "\"personGroupId\"" } else { "id" };
        Statement {
            text: format!(
                "UPDATE public.person SET \"thumbnailPath\" = $4 WHERE {id} = $1::uuid AND \"ownerId\" = $2::uuid \
                 AND \"thumbnailPath\" = $3"
            ),
            values: vec![
                Value::Id(person),
                Value::Id(owner),
                Value::Text(before.to_owned()),
                Value::Text(path.to_owned()),
            ],
        }
    }
}
