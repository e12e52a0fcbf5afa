//! What the `state` commands need: numbers, the manifest, forgetting, moving.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::{Row as _, SqliteConnection};

use super::bytes;
use super::db::Db;
use super::error::CatalogError;
use super::files::folder_id;
use crate::model::{CoveredDay, DecoderId};

/// Numbers about a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Overview {
    /// Files known.
    pub files: u64,
    /// Their folders.
    pub folders: u64,
    /// Their bytes in all.
    pub bytes: u64,
    /// Files by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// When the file that waits longest was verified, seconds since 1970.
    pub oldest: Option<i64>,
    /// When the last one was.
    pub newest: Option<i64>,
    /// Runs on record.
    pub runs: u64,
    /// Length of the database in bytes.
    pub database_bytes: u64,
}

/// What `prune` has forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Files.
    pub files: u64,
    /// Runs.
    pub runs: u64,
}

impl Db {
    pub(super) fn overview(&mut self) -> Result<Overview, CatalogError> {
        let mut overview = self.query(count)?;
        overview.database_bytes = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        Ok(overview)
    }

    pub(super) fn coverage(&mut self) -> Result<Vec<CoveredDay>, CatalogError> {
        self.query(coverage)
    }

    pub(super) fn decoders(&mut self) -> Result<Vec<DecoderId>, CatalogError> {
        self.query(async |connection| {
            let rows = sqlx::query_as::<_, (String, String)>("SELECT name, version FROM decoder")
                .fetch_all(connection)
                .await?;
            Ok(rows.into_iter().map(|(name, version)| DecoderId { name, version }).collect())
        })
    }

    pub(super) fn prune(&mut self, verified_before: i64, keep_runs: u32) -> Result<Pruned, CatalogError> {
        let runs = self.forget_runs(keep_runs)?;
        let files = self.transaction(async |connection| {
            let gone = sqlx::query("DELETE FROM file WHERE verified_at < ?")
                .bind(verified_before)
                .execute(&mut *connection)
                .await?
                .rows_affected();
            drop_empty_folders(connection).await?;
            Ok(gone)
        })?;
        self.forget_ids();
        self.query(async |connection| {
            sqlx::raw_sql("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await
        })?;
        Ok(Pruned { files, runs })
    }

    pub(super) fn rebase(&mut self, old: &Path, new: &Path) -> Result<u64, CatalogError> {
        // Trailing slashes and the like are no part of a prefix.
        let clean = |path: &Path| bytes(path.components().as_path().as_os_str()).to_vec();
        let (old, new) = (clean(old), clean(new));
        let moved = self.transaction(async |connection| rebase(connection, &old, &new).await)?;
        self.forget_ids();
        Ok(moved)
    }
}

async fn coverage(connection: &mut SqliteConnection) -> Result<Vec<CoveredDay>, sqlx::Error> {
    let days = "SELECT verified_at / 86400 AS day, count(*) AS files, sum(size) AS bytes FROM file GROUP BY day ORDER BY day";
    let rows = sqlx::query(days).fetch_all(connection).await?;
    let day = |row: &sqlx::sqlite::SqliteRow| {
        let number = |name| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
        Ok(CoveredDay { day: row.try_get("day")?, files: number("files")?, bytes: number("bytes")? })
    };
    rows.iter().map(day).collect()
}

async fn count(connection: &mut SqliteConnection) -> Result<Overview, sqlx::Error> {
    let all = sqlx::query(
        "SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes, min(verified_at) AS oldest, \
         max(verified_at) AS newest, (SELECT count(*) FROM folder) AS folders, \
         (SELECT count(*) FROM run) AS runs FROM file",
    )
    .fetch_one(&mut *connection)
    .await?;
    let number = |name| all.try_get::<i64, _>(name).map(i64::cast_unsigned);
    let verdicts = sqlx::query("SELECT verdict, count(*) AS files FROM file GROUP BY verdict")
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("verdict")?, row.try_get::<i64, _>("files")?.cast_unsigned())))
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(Overview {
        files: number("files")?,
        folders: number("folders")?,
        bytes: number("bytes")?,
        verdicts,
        oldest: all.try_get("oldest")?,
        newest: all.try_get("newest")?,
        runs: number("runs")?,
        database_bytes: 0,
    })
}

async fn drop_empty_folders(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM folder WHERE NOT EXISTS (SELECT 1 FROM file WHERE folder = folder.id)")
        .execute(connection)
        .await?;
    Ok(())
}

async fn rebase(connection: &mut SqliteConnection, old: &[u8], new: &[u8]) -> Result<u64, sqlx::Error> {
    let rows = sqlx::query("SELECT id, path FROM folder").fetch_all(&mut *connection).await?;
    let mut folders = rows
        .iter()
        .map(|row| Ok((row.try_get("id")?, row.try_get("path")?)))
        .collect::<Result<Vec<(i64, Vec<u8>)>, sqlx::Error>>()?;
    // When one prefix lies below the other, a folder must have left before the next one takes its place.
    folders.sort_by_key(|(_, path)| path.len());
    if new.len() > old.len() {
        folders.reverse();
    }
    let new = new.strip_suffix(b"/").unwrap_or(new);
    let mut moved = 0;
    for (id, path) in folders {
        let Some(rest) = below(&path, old) else { continue };
        let target = match (rest.is_empty(), new.is_empty()) {
            (true, true) => b"/".to_vec(),
            (true, false) => new.to_vec(),
            (false, _) => [new, b"/", rest].concat(),
        };
        let to = folder_id(connection, &target).await?;
        if to == id {
            continue;
        }
        // What is known at the new place is younger: it stays, and the old row goes.
        let files = sqlx::query("UPDATE OR IGNORE file SET folder = ? WHERE folder = ?")
            .bind(to)
            .bind(id)
            .execute(&mut *connection)
            .await?;
        moved += files.rows_affected();
        sqlx::query("DELETE FROM file WHERE folder = ?").bind(id).execute(&mut *connection).await?;
    }
    drop_empty_folders(connection).await?;
    Ok(moved)
}

/// What of `path` lies below `prefix`, component by component.
fn below<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    let rest = path.strip_prefix(prefix)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}
