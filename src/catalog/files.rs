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

use super::bytes;
use super::error::CatalogError;
use super::knowledge::{Folder, Knowledge};
use super::writer::Db;
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

/// What is waiting to be written, and the ids already known.
#[derive(Default)]
pub(super) struct FileBatch {
    waiting: Vec<(PathBuf, Knowledge)>,
    folders: HashMap<Vec<u8>, i64>,
    decoders: HashMap<DecoderId, i64>,
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
        let written = self.transaction(async |connection| write(connection, &mut batch).await);
        // Ids made in a transaction that was rolled back are void.
        if written.is_ok() {
            batch.waiting.clear();
            self.files = batch;
        }
        written
    }

    /// Ids may point to rows that are gone.
    pub(super) fn forget_ids(&mut self) {
        self.files.folders.clear();
        self.files.decoders.clear();
    }

    pub(super) fn file(&mut self, folder: &Path, name: &OsStr) -> Result<Option<Knowledge>, CatalogError> {
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

    pub(super) fn folder(&mut self, folder: &Path) -> Result<Folder, CatalogError> {
        let rows = self.query(async |connection| {
            sqlx::query(
                "SELECT file.*, decoder.name AS decoder_name, decoder.version AS decoder_version \
                 FROM folder JOIN file ON file.folder = folder.id LEFT JOIN decoder ON decoder.id = file.decoder \
                 WHERE folder.path = ?",
            )
            .bind(bytes(folder.as_os_str()))
            .fetch_all(connection)
            .await
        })?;
        let named = |row: &SqliteRow| {
            let name = OsString::from_vec(row.try_get("name").ok()?);
            Some((name, knowledge(row)?))
        };
        Ok(Folder { files: rows.iter().filter_map(named).collect() })
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

async fn write(connection: &mut SqliteConnection, batch: &mut FileBatch) -> Result<(), sqlx::Error> {
    if batch.folders.len() > KEPT_FOLDERS {
        batch.folders.clear();
    }
    let mut ids = Vec::with_capacity(batch.waiting.len());
    for (path, known) in &batch.waiting {
        let folder = bytes(split(path).0.as_os_str());
        let folder = match batch.folders.get(folder) {
            Some(id) => *id,
            None => {
                let id = folder_id(connection, folder).await?;
                batch.folders.insert(folder.to_vec(), id);
                id
            }
        };
        let decoder = match &known.decoder {
            None => None,
            Some(decoder) => Some(match batch.decoders.get(decoder) {
                Some(id) => *id,
                None => {
                    let id = decoder_id(connection, decoder).await?;
                    batch.decoders.insert(decoder.clone(), id);
                    id
                }
            }),
        };
        ids.push((folder, decoder));
    }
    let rows: Vec<_> = batch.waiting.iter().zip(ids).collect();
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
fn word<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    T::deserialize(IntoDeserializer::<WordError>::into_deserializer(text)).ok()
}

const fn depth_word(depth: Depth) -> &'static str {
    match depth {
        Depth::Structure => "structure",
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
