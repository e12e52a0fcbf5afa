//! A damaged catalog is no reason not to look at pictures: it is put aside, and a new one begun. What it knew is found out again.

use sqlx::{Connection as _, SqliteConnection};

use super::aside::put_aside;
use super::db::{Access, Db};
use super::error::CatalogError;

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
