//! What can go wrong with the catalog, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::model::display_path;

/// The catalog cannot be used. Nothing here touches pictures; a run can go on without a catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// Another run has it.
    #[error(
        "another run ({holder}) uses the catalog in {}; wait for it, or use --state DIR for a separate one",
        display_path(folder)
    )]
    InUse {
        /// The state folder.
        folder: PathBuf,
        /// Process id, start and command of the other run.
        holder: String,
    },
    /// Made by a later version of photofsck.
    #[error(
        "{}: made by a newer photofsck (schema {found}, this one knows up to {known}); use the newer \
         program, or --state DIR for a separate catalog",
        display_path(path)
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A database of another program.
    #[error("{}: not a catalog of photofsck; use --state DIR with another folder", display_path(path))]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error(
        "{}: the catalog is damaged ({what}); move this file and those with -wal and -shm behind their \
         name away: the next run begins a new one and verifies everything again",
        display_path(path)
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        what: String,
    },
    /// The disk is full.
    #[error("{}: no space left for the catalog; free some, or use --state DIR", display_path(path))]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// Not allowed, or read-only.
    #[error(
        "{}: the catalog cannot be written ({what}); use --state DIR with a folder that can",
        display_path(path)
    )]
    NotWritable {
        /// The database or folder.
        path: PathBuf,
        /// The system's words.
        what: String,
    },
    /// There is none (only when opened for looking).
    #[error(
        "{}: there is no catalog yet; a run of check or repair makes one, --state DIR names another",
        display_path(path)
    )]
    Absent {
        /// The database.
        path: PathBuf,
    },
    /// Something else.
    #[error("{}: {what}", display_path(path))]
    Other {
        /// The database or folder.
        path: PathBuf,
        /// The system's or SQLite's words.
        what: String,
    },
    /// The manifest could not be written.
    #[error("cannot write the manifest: {0}")]
    Export(String),
}

impl CatalogError {
    pub(super) fn from_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        let what = error.to_string();
        match Errno::from_io_error(error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full { path },
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Self::NotWritable { path, what },
            _ => Self::Other { path, what },
        }
    }

    pub(super) fn from_sql(path: &Path, error: &sqlx::Error) -> Self {
        let code = match error {
            sqlx::Error::Database(database) => {
                database.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0)
            }
            _ => 0,
        };
        Self::from_code(path, code, error.to_string())
    }

    /// By SQLite's primary result codes (<https://sqlite.org/rescode.html>).
    pub(super) fn from_code(path: &Path, code: u32, what: String) -> Self {
        let path = path.to_owned();
        match code & 0xff {
            // CORRUPT, NOTADB
            11 | 26 => Self::Damaged { path, what },
            // FULL
            13 => Self::Full { path },
            // PERM, READONLY, CANTOPEN
            3 | 8 | 14 => Self::NotWritable { path, what },
            _ => Self::Other { path, what },
        }
    }
}
