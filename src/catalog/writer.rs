//! The catalog's thread: the only place where SQL runs.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::runtime::{Builder, Runtime};

use super::error::CatalogError;
use super::files::FileBatch;
use super::renew;
use super::runs::RunBatch;
use super::schema;

/// Requests that may wait; whoever sends more waits too.
const WAITING: usize = 1024;
/// What is told waits at most this long for its batch to fill.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a reader waits for a writer's lock inside SQLite.
const BUSY: Duration = Duration::from_secs(10);

/// Whether the database may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

type Request = Box<dyn FnOnce(&mut Db) + Send>;

/// The handle of the thread.
pub(super) struct Writer {
    path: PathBuf,
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<OnceLock<CatalogError>>,
    aside: Arc<OnceLock<PathBuf>>,
}

impl Writer {
    /// Opens the database on a new thread and waits until that has succeeded or failed.
    pub(super) fn start(path: &Path, access: Access) -> Result<Self, CatalogError> {
        if access == Access::Read && !path.exists() {
            return Err(CatalogError::Absent { path: path.to_owned() });
        }
        let (failure, aside) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let (requests, incoming) = sync_channel::<Request>(WAITING);
        let (ready, opened) = sync_channel(1);
        let (database, noted) = (path.to_owned(), (Arc::clone(&failure), Arc::clone(&aside)));
        let thread = std::thread::Builder::new()
            .name("catalog".to_owned())
            .spawn(move || match Db::open(database, access, noted) {
                Ok(db) => {
                    let _ = ready.send(Ok(()));
                    db.serve(&incoming);
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            })
            .map_err(|error| CatalogError::from_io(path, &error))?;
        let writer =
            Self { path: path.to_owned(), requests: Some(requests), thread: Some(thread), failure, aside };
        opened.recv().unwrap_or_else(|_| Err(writer.gone()))?;
        Ok(writer)
    }

    /// Where a damaged database was put in whose place there is a new one.
    pub(super) fn aside(&self) -> Option<&Path> {
        self.aside.get().map(PathBuf::as_path)
    }

    /// Sends something to do and does not wait for it.
    pub(super) fn tell(
        &self,
        what: impl FnOnce(&mut Db) -> Result<(), CatalogError> + Send + 'static,
    ) -> Result<(), CatalogError> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        self.send(Box::new(move |db| {
            if let Err(error) = what(db) {
                db.note(error);
            }
        }))
    }

    /// Sends a question and waits for the answer. What was told before is written first.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Db) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.look(move |db| db.flush().and_then(|()| what(db)))
    }

    /// The same without writing first, for questions that look at what waits too.
    pub(super) fn look<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Db) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.begin(what)?.wait()
    }

    /// The same without waiting yet.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Db) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<Asked<'_, T>, CatalogError> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        let (reply, answer) = sync_channel(1);
        self.send(Box::new(move |db| {
            // Fails when nobody waits any more: the asking thread is gone.
            let answer = what(db);
            if let Err(error) = &answer {
                db.renew(error);
            }
            let _ = reply.send(answer);
        }))?;
        Ok(Asked { writer: self, answer })
    }

    fn send(&self, request: Request) -> Result<(), CatalogError> {
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(request).is_ok());
        if sent { Ok(()) } else { Err(self.gone()) }
    }

    /// Why the thread does not answer.
    fn gone(&self) -> CatalogError {
        self.failure.get().cloned().unwrap_or_else(|| CatalogError::Other {
            path: self.path.clone(),
            what: "the thread of the catalog has ended unexpectedly".to_owned(),
        })
    }
}

/// A question that is being answered.
pub(super) struct Asked<'a, T> {
    writer: &'a Writer,
    answer: Receiver<Result<T, CatalogError>>,
}

impl<T> Asked<'_, T> {
    /// Waits for the answer.
    pub(super) fn wait(&self) -> Result<T, CatalogError> {
        self.answer.recv().unwrap_or_else(|_| Err(self.writer.gone()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; nothing is left to do.
            let _ = thread.join();
        }
    }
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
    fn open(path: PathBuf, access: Access, (failure, aside): Noted) -> Result<Self, CatalogError> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| CatalogError::from_io(&path, &error))?;
        let connection = match Self::connect(&runtime, &path, access) {
            Err(CatalogError::Damaged { .. }) if access == Access::Write => {
                let _ = aside.set(renew::put_aside(&path)?);
                Self::connect(&runtime, &path, access)?
            }
            other => other?,
        };
        let (files, run) = (FileBatch::default(), RunBatch::default());
        Ok(Self { path, runtime, connection, files, run, access, aside, failure })
    }

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

    fn serve(mut self, requests: &Receiver<Request>) {
        loop {
            match requests.recv_timeout(PATIENCE) {
                Ok(request) => request(&mut self),
                Err(RecvTimeoutError::Timeout) => self.flush_or_note(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.flush_or_note();
        // Waits until the file is closed, before the lock is given back. It is written already.
        let _ = self.runtime.block_on(self.connection.close());
    }

    /// Writes what is waiting.
    pub(super) fn flush(&mut self) -> Result<(), CatalogError> {
        self.flush_files()?;
        self.flush_lines()
    }

    fn flush_or_note(&mut self) {
        if let Err(error) = self.flush() {
            self.note(error);
        }
    }

    /// Keeps the first failure for everybody who calls later, unless it is mended at once.
    fn note(&mut self, error: CatalogError) {
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
