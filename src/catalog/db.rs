//! The database of the catalog, as its thread sees it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::runtime::{Builder, Runtime};

use super::aside;
use super::batch::{FileBatch, RunBatch};
use super::error::CatalogError;
use super::schema;

/// How long a reader waits for a writer's lock inside SQLite.
const BUSY: Duration = Duration::from_secs(10);

/// Whether the database may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// The database as its thread sees it.
pub(super) struct Db {
    pub(super) path: PathBuf,
    pub(super) runtime: Runtime,
    pub(super) connection: SqliteConnection,
    pub(super) files: FileBatch,
    pub(super) run: RunBatch,
    pub(super) access: Access,
    pub(super) aside: Arc<OnceLock<PathBuf>>,
    failure: Arc<OnceLock<CatalogError>>,
}

/// The first failure, and where a damaged database was put.
type Noted = (Arc<OnceLock<CatalogError>>, Arc<OnceLock<PathBuf>>);

impl Db {
    /// Opens it; a damaged one is put aside, where it may be changed.
    pub(super) fn open(path: PathBuf, access: Access, (failure, aside): Noted) -> Result<Self, CatalogError> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| CatalogError::from_io(&path, &error))?;
        let connection = match Self::connect(&runtime, &path, access) {
            Err(CatalogError::Damaged { .. }) if access == Access::Write => {
                let _ = aside.set(aside::put_aside(&path)?);
                Self::connect(&runtime, &path, access)?
            }
            other => other?,
        };
        let (files, run) = (FileBatch::default(), RunBatch::default());
        Ok(Self { path, runtime, connection, files, run, access, aside, failure })
    }

    /// A connection to a database that is as it should be.
    pub(super) fn connect(
        runtime: &Runtime,
        path: &Path,
        access: Access,
    ) -> Result<SqliteConnection, CatalogError> {
        let write = access == Access::Write;
        let mut options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(!write)
            .create_if_missing(write)
            .busy_timeout(BUSY)
            .statement_cache_capacity(64)
            // Folders are read whole: fewer turns between SQLite's thread and this one.
            .row_buffer_size(1024)
            .disable_statement_logging();
        if write {
            options = options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .pragma("cache_size", "-16384")
                .pragma("journal_size_limit", "67108864");
        }
        runtime.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options)
                .await
                .map_err(|error| CatalogError::from_sql(path, &error))?;
            match schema::prepare(&mut connection, path, write).await {
                Ok(()) => Ok(connection),
                Err(error) => {
                    // Waits until the file is closed: it may be moved now.
                    let _ = connection.close().await;
                    Err(error)
                }
            }
        })
    }

    /// Writes what is waiting.
    pub(super) fn flush(&mut self) -> Result<(), CatalogError> {
        self.flush_files()?;
        self.flush_lines()
    }

    /// The same; a failure is kept for who calls later.
    pub(super) fn flush_or_note(&mut self) {
        if let Err(error) = self.flush() {
            self.note(error);
        }
    }

    /// Keeps the first failure for everybody who calls later, unless it is mended at once.
    pub(super) fn note(&mut self, error: CatalogError) {
        if self.renew(&error) {
            return;
        }
        let _ = self.failure.set(error);
    }

    /// Runs `work` inside one transaction, which is rolled back when it fails.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, CatalogError> {
        let Self { runtime, connection, path, .. } = self;
        runtime
            .block_on(async {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                let result = work(&mut transaction).await?;
                transaction.commit().await?;
                Ok(result)
            })
            .map_err(|error: sqlx::Error| CatalogError::from_sql(path, &error))
    }

    /// Runs `work` outside of a transaction.
    pub(super) fn query<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, CatalogError> {
        let Self { runtime, connection, path, .. } = self;
        runtime
            .block_on(async { work(connection).await })
            .map_err(|error| CatalogError::from_sql(path, &error))
    }
}
