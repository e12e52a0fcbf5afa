//! The catalog's thread: the only place where SQL runs.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::Connection as _;

use super::db::{Access, Db};
use super::error::CatalogError;

/// Requests that may wait; whoever sends more waits too.
const WAITING: usize = 1024;
/// What is told waits at most this long for its batch to fill.
const PATIENCE: Duration = Duration::from_secs(1);

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

impl Db {
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
}
