//! Files in the database.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use serde::de::value::Error as WordError;
use serde::de::{Deserialize, IntoDeserializer};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, SqliteConnection};

use super::batch::FileBatch;
use super::bytes;
use super::db::Db;
use super::error::CatalogError;
use super::knowledge::{Folder, Knowledge};
use crate::model::{DamageClass, DecoderId, Depth, FileIdentity, PixelSize};

/// Results that are written in one transaction.
const BATCH: usize = 512;
/// Rows of one statement: most of the cost of a row is that of a statement.
const ROWS: usize = 32;
/// Ids of folders kept in memory.
const KEPT_FOLDERS: usize = 8192;

const COLUMNS: &str = "folder, name, device, inode, size, mtime_ns, ctime_ns, format, width, height, verdict, \
                       damage, reason, sha1, blake3, decoder, depth, verified_at";
const ONE_ROW: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

static UPSERT_MANY: LazyLock<Arc<str>> = LazyLock::new(|| upsert(ROWS));
static UPSERT_ONE: LazyLock<Arc<str>> = LazyLock::new(|| upsert(1));

fn upsert(rows: usize) -> Arc<str> {
    let rows = vec![ONE_ROW; rows].join(",");
    format!("INSERT OR REPLACE INTO file ({COLUMNS}) VALUES {rows}").into()
}

/// Folder and name of a path. The root folder has no name and is no file.
pub(super) fn split(path: &Path) -> (&Path, &OsStr) {
    (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default())
}

impl Db {
    pub(super) fn record(&mut self, path: PathBuf, knowledge: Knowledge) -> Result<(), CatalogError> {
        self.files.waiting.push((path, knowledge));
        if self.files.waiting.len() >= BATCH { self.flush_files() } else { Ok(()) }
    }

    pub(super) fn flush_files(&mut self) -> Result<(), CatalogError> {
        if self.files.waiting.is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.files);
        let files = std::mem::take(&mut batch.waiting);
        self.transaction(async |connection| write(connection, &mut batch, &files).await)?;
        // Not after a failure: ids made in a transaction that was rolled back are void.
        self.files = batch;
        Ok(())
    }

    /// Ids may point to rows that are gone.
    pub(super) fn forget_ids(&mut self) {
        self.files.folders.clear();
        self.files.decoders.clear();
    }

    pub(super) fn file(&mut self, folder: &Path, name: &OsStr) -> Result<Option<Knowledge>, CatalogError> {
        let waiting = self.files.waiting.iter().rev().find(|(path, _)| split(path) == (folder, name));
        if let Some((_, known)) = waiting {
            return Ok(Some(known.clone()));
        }
        let row = self.query(async |connection| {
            sqlx::query(
                "SELECT file.*, decoder.name AS decoder_name, decoder.version AS decoder_version \
                 FROM folder JOIN file ON file.folder = folder.id LEFT JOIN decoder ON decoder.id = file.decoder \
                 WHERE folder.path = ? AND file.name = ?",
            )
            .bind(bytes(folder.as_os_str()))
            .bind(bytes(name))
            .fetch_optional(connection)
            .await
        })?;
        Ok(row.as_ref().and_then(knowledge))
    }

    /// What is known about a folder, unless more than `most` files of it are in the database.
    pub(super) fn folder(
        &mut self,
        folder: &Path,
        most: Option<usize>,
    ) -> Result<Option<Folder>, CatalogError> {
        // SQLite takes a negative limit for none.
        let limit = most.and_then(|most| i64::try_from(most).ok()).map_or(-1, |most| most + 1);
        let rows = self.query(async |connection| {
            sqlx::query(
                "SELECT file.*, decoder.name AS decoder_name, decoder.version AS decoder_version \
                 FROM folder JOIN file ON file.folder = folder.id LEFT JOIN decoder ON decoder.id = file.decoder \
                 WHERE folder.path = ? LIMIT ?",
            )
            .bind(bytes(folder.as_os_str()))
            .bind(limit)
            .fetch_all(connection)
            .await
        })?;
        if most.is_some_and(|most| rows.len() > most) {
            return Ok(None);
        }
        let named = |row: &SqliteRow| {
            let name = OsString::from_vec(row.try_get("name").ok()?);
            Some((name, knowledge(row)?))
        };
        let mut files: HashMap<_, _> = rows.iter().filter_map(named).collect();
        let near = |path: &Path| bytes(path.as_os_str()).starts_with(bytes(folder.as_os_str()));
        for (path, known) in self.files.waiting.iter().filter(|(path, _)| near(path)) {
            let (at, name) = split(path);
            if at == folder {
                files.insert(name.to_owned(), known.clone());
            }
        }
        Ok(Some(Folder { files }))
    }

    /// All folders that hold files, ordered by path.
    pub(super) fn folders(&mut self) -> Result<Vec<PathBuf>, CatalogError> {
        let paths: Vec<Vec<u8>> = self.query(async |connection| {
            sqlx::query_scalar(
                "SELECT path FROM folder WHERE EXISTS (SELECT 1 FROM file WHERE folder = folder.id) ORDER BY path",
            )
            .fetch_all(connection)
            .await
        })?;
        Ok(paths.into_iter().map(|path| PathBuf::from(OsString::from_vec(path))).collect())
    }
}

impl FileBatch {
    async fn folder(&mut self, connection: &mut SqliteConnection, path: &[u8]) -> Result<i64, sqlx::Error> {
        if let Some(id) = self.folders.get(path) {
            return Ok(*id);
        }
        if self.folders.len() >= KEPT_FOLDERS {
            self.folders.clear();
        }
        let id = folder_id(connection, path).await?;
        self.folders.insert(path.to_vec(), id);
        Ok(id)
    }

    async fn decoder(
        &mut self,
        connection: &mut SqliteConnection,
        decoder: &DecoderId,
    ) -> Result<i64, sqlx::Error> {
        if let Some(id) = self.decoders.get(decoder) {
            return Ok(*id);
        }
        let id = decoder_id(connection, decoder).await?;
        self.decoders.insert(decoder.clone(), id);
        Ok(id)
    }
}

async fn write(
    connection: &mut SqliteConnection,
    batch: &mut FileBatch,
    files: &[(PathBuf, Knowledge)],
) -> Result<(), sqlx::Error> {
    let mut rows = Vec::with_capacity(files.len());
    for file in files {
        let (path, known) = file;
        let folder = batch.folder(connection, bytes(split(path).0.as_os_str())).await?;
        let decoder = match &known.decoder {
            Some(decoder) => Some(batch.decoder(connection, decoder).await?),
            None => None,
        };
        rows.push((file, (folder, decoder)));
    }
    let chunks = rows.chunks_exact(ROWS);
    for row in chunks.remainder() {
        let query = sqlx::query(AssertSqlSafe(UPSERT_ONE.clone()));
        bind(query, row).execute(&mut *connection).await?;
    }
    for chunk in chunks {
        let query = sqlx::query(AssertSqlSafe(UPSERT_MANY.clone()));
        chunk.iter().fold(query, bind).execute(&mut *connection).await?;
    }
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

fn bind<'q>(query: Query<'q>, row: &(&(PathBuf, Knowledge), (i64, Option<i64>))) -> Query<'q> {
    let ((path, known), (folder, decoder)) = row;
    query
        .bind(*folder)
        .bind(bytes(split(path).1).to_vec())
        .bind(known.identity.device.cast_signed())
        .bind(known.identity.inode.cast_signed())
        .bind(known.identity.size.cast_signed())
        .bind(known.identity.mtime_ns)
        .bind(known.identity.ctime_ns)
        .bind(known.format.as_str())
        .bind(known.size.map(|size| size.width))
        .bind(known.size.map(|size| size.height))
        .bind(known.verdict.as_str())
        .bind(known.damage.map(damage_word))
        .bind(known.reason.clone())
        .bind(known.sha1.map(Vec::from))
        .bind(known.blake3.map(Vec::from))
        .bind(*decoder)
        .bind(depth_word(known.depth))
        .bind(known.verified_at)
}

pub(super) async fn folder_id(connection: &mut SqliteConnection, path: &[u8]) -> Result<i64, sqlx::Error> {
    let found = sqlx::query_scalar("SELECT id FROM folder WHERE path = ?").bind(path);
    if let Some(id) = found.fetch_optional(&mut *connection).await? {
        return Ok(id);
    }
    let new = sqlx::query_scalar("INSERT INTO folder (path) VALUES (?) RETURNING id").bind(path);
    new.fetch_one(connection).await
}

async fn decoder_id(connection: &mut SqliteConnection, decoder: &DecoderId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "INSERT INTO decoder (name, version) VALUES (?, ?) \
         ON CONFLICT DO UPDATE SET name = excluded.name RETURNING id",
    )
    .bind(&decoder.name)
    .bind(&decoder.version)
    .fetch_one(connection)
    .await
}

/// Reads a row. A row with a word that this version does not know is as good as none: the file is looked
/// at again.
fn knowledge(row: &SqliteRow) -> Option<Knowledge> {
    let number = |name| row.try_get::<i64, _>(name).ok();
    let text = |name| row.try_get::<Option<String>, _>(name).ok().flatten();
    let hash = |name| row.try_get::<Option<Vec<u8>>, _>(name).ok().flatten();
    let side = |name| row.try_get::<Option<u32>, _>(name).ok().flatten();
    let identity = FileIdentity {
        device: number("device")?.cast_unsigned(),
        inode: number("inode")?.cast_unsigned(),
        size: number("size")?.cast_unsigned(),
        mtime_ns: number("mtime_ns")?,
        ctime_ns: number("ctime_ns")?,
    };
    let damage = match text("damage") {
        None => None,
        Some(damage) => Some(word(&damage)?),
    };
    Some(Knowledge {
        identity,
        format: word(&text("format")?)?,
        size: side("width").zip(side("height")).map(|(width, height)| PixelSize { width, height }),
        verdict: word(&text("verdict")?)?,
        damage,
        reason: text("reason")?,
        sha1: hash("sha1").and_then(|hash| hash.try_into().ok()),
        blake3: hash("blake3").and_then(|hash| hash.try_into().ok()),
        decoder: text("decoder_name")
            .zip(text("decoder_version"))
            .map(|(name, version)| DecoderId { name, version }),
        depth: word(&text("depth")?)?,
        verified_at: number("verified_at")?,
    })
}

/// Reads one of the model's words.
pub(super) fn word<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    T::deserialize(IntoDeserializer::<WordError>::into_deserializer(text)).ok()
}

pub(super) const fn depth_word(depth: Depth) -> &'static str {
    match depth {
        Depth::Structure => "structure",
        Depth::Samples => "samples",
        Depth::Keyframes => "keyframes",
        Depth::Full => "full",
    }
}

const fn damage_word(damage: DamageClass) -> &'static str {
    match damage {
        DamageClass::Truncated => "truncated",
        DamageClass::Malformed => "malformed",
    }
}
