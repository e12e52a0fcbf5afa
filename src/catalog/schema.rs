//! The tables, and how older catalogs become current ones.
//!
//! A change of the schema is one more migration at the end; those that have been released stay as they are.

use std::path::Path;

use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::error::CatalogError;

/// "phfs": tells our databases from others (<https://sqlite.org/pragma.html#pragma_application_id>).
const APPLICATION_ID: i64 = 0x7068_6673;

/// Migration `n` leads from `user_version` n to n + 1.
const MIGRATIONS: [&str; 2] = [FIRST, CLOCK];

const FIRST: &str = "
    -- Paths are bytes. Folders are kept once; a file is its folder's id and its name.
    CREATE TABLE folder (
        id INTEGER PRIMARY KEY,
        path BLOB NOT NULL UNIQUE
    );
    CREATE TABLE decoder (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        UNIQUE (name, version)
    );
    CREATE TABLE file (
        folder INTEGER NOT NULL REFERENCES folder (id),
        name BLOB NOT NULL,
        device INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        format TEXT NOT NULL,
        width INTEGER,
        height INTEGER,
        verdict TEXT NOT NULL,
        damage TEXT,
        reason TEXT NOT NULL,
        sha1 BLOB,
        blake3 BLOB,
        decoder INTEGER REFERENCES decoder (id),
        depth TEXT NOT NULL,
        verified_at INTEGER NOT NULL,
        PRIMARY KEY (folder, name)
    ) WITHOUT ROWID;
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        started_at TEXT NOT NULL,
        command TEXT NOT NULL,
        header TEXT NOT NULL,
        finished_at TEXT,
        summary TEXT,
        exit INTEGER,
        complete INTEGER NOT NULL DEFAULT 0
    );
    -- What runs found. Most findings stand for many nights: each text is kept once.
    CREATE TABLE line (
        id INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        code TEXT NOT NULL,
        severity TEXT NOT NULL,
        path BLOB,
        text TEXT NOT NULL
    );
    CREATE TABLE run_line (
        run INTEGER NOT NULL REFERENCES run (id),
        sequence INTEGER NOT NULL,
        line INTEGER NOT NULL REFERENCES line (id),
        PRIMARY KEY (run, sequence)
    ) WITHOUT ROWID;
";

/// The time of the latest run, by which ages count.
const CLOCK: &str = "
    CREATE TABLE clock (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        latest INTEGER NOT NULL
    );
    INSERT INTO clock SELECT 0, latest FROM (SELECT max(verified_at) AS latest FROM file) WHERE latest IS NOT NULL;
";

/// The schema version that this program writes.
pub(super) fn current() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Checks whose database it is and of which version; with `write` brings it up to date.
pub(super) async fn prepare(
    connection: &mut SqliteConnection,
    path: &Path,
    write: bool,
) -> Result<(), CatalogError> {
    let sql = |error: sqlx::Error| CatalogError::from_sql(path, &error);
    let found = pragma(connection, "PRAGMA user_version").await.map_err(sql)?;
    let application = pragma(connection, "PRAGMA application_id").await.map_err(sql)?;
    let tables = pragma(connection, "SELECT count(*) FROM sqlite_schema").await.map_err(sql)?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(CatalogError::Foreign { path: path.to_owned() });
    }
    if found > current() {
        return Err(CatalogError::Newer { path: path.to_owned(), found, known: current() });
    }
    if !write {
        return if found == current() { Ok(()) } else { Err(CatalogError::Absent { path: path.to_owned() }) };
    }
    let done = usize::try_from(found).unwrap_or(0);
    for (migration, version) in MIGRATIONS.iter().zip(1i64..).skip(done) {
        migrate(connection, migration, version).await.map_err(sql)?;
    }
    Ok(())
}

async fn pragma(connection: &mut SqliteConnection, query: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query(query).fetch_one(connection).await?.try_get(0)
}

/// One step, whole or not at all.
async fn migrate(
    connection: &mut SqliteConnection,
    migration: &'static str,
    version: i64,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(migration).execute(&mut *transaction).await?;
    let mark = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(&mut *transaction).await?;
    transaction.commit().await
}
