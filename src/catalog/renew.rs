//! A damaged catalog is no reason not to look at pictures: it is put aside, and a new one begun. What it knew is found out again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sqlx::{Connection as _, SqliteConnection};

use super::error::CatalogError;
use super::writer::{Access, Db};

/// What follows the name of a database that was put aside. One is kept: they are large.
const ASIDE: &str = ".damaged";

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Moves a database and what belongs to it out of the way; answers where it is then.
pub(super) fn put_aside(path: &Path) -> Result<PathBuf, CatalogError> {
    let aside = beside(path, ASIDE);
    for ending in ["", "-wal", "-shm"] {
        let (from, to) = (beside(path, ending), beside(&aside, ending));
        let moved = match std::fs::rename(&from, &to) {
            // An older one would be taken for this one's.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::remove_file(&to).or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
            }
            other => other,
        };
        moved.map_err(|error| CatalogError::from_io(&from, &error))?;
    }
    Ok(aside)
}

impl Db {
    /// After this error the database is another one, if it was damaged and is not a new one already; answers whether.
    pub(super) fn renew(&mut self, error: &CatalogError) -> bool {
        if !matches!(error, CatalogError::Damaged { .. })
            || self.access != Access::Write
            || self.aside.get().is_some()
        {
            return false;
        }
        self.begin_anew().is_ok()
    }

    fn begin_anew(&mut self) -> Result<(), CatalogError> {
        let Self { runtime, connection, path, .. } = self;
        let sql = |error: sqlx::Error| CatalogError::from_sql(path, &error);
        let nothing = runtime.block_on(SqliteConnection::connect("sqlite::memory:")).map_err(sql)?;
        // Closed before it moves: SQLite removes what belongs to it by name.
        let _ = runtime.block_on(std::mem::replace(connection, nothing).close());
        let aside = put_aside(path)?;
        *connection = Self::connect(runtime, path, self.access)?;
        let _ = self.aside.set(aside);
        self.forget_ids();
        self.run_again()
    }
}
