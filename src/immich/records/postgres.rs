//! Records from a running database: one read-only transaction in which every table is seen as of one moment.
//!
//! Tables are fetched by `COPY ... TO STDOUT`, which streams the very text that a dump holds: enums and columns
//! that differ between eras need no types, and rows are read by the same code. Only columns that exist and are
//! wanted are asked for. This is the only asynchronous code about records; its runtime lives within one call.

use std::fmt;
use std::future::poll_fn;
use std::time::Duration;

use futures_core::Stream as _;
use jiff::Timestamp;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::load::{Kind, Loader, Plan, RowError};
use super::{Home, RecordError, RecordSource, Records};
use crate::immich::database::{self, Database, SILENCE, in_time, quoted, silent, words};

/// One moment for all tables, no locks that disturb Immich, and values written as in a dump.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL bytea_output = 'hex'; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; \
    SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '30min'";

const NOW: &str = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";

/// How long a server that failed may take to show that it is there.
const ALIVE: Duration = Duration::from_secs(5);

/// A running database.
pub struct PostgresSource {
    database: Database,
}

impl PostgresSource {
    /// From a `postgres://` URL. The error never repeats the URL, which may hold a password.
    pub fn new(url: &str) -> Result<Self, RecordError> {
        Ok(Self { database: Database::new(url)? })
    }

    fn address(&self) -> String {
        self.database.address()
    }

    async fn read(&self, progress: &mut dyn FnMut(u64)) -> Result<Records, RecordError> {
        let mut connection = self.database.connect().await?;
        let mut read = self.read_all(&mut connection, progress).await;
        if let Err(RecordError::Lost { gone, .. }) = &mut read {
            let alive = tokio::time::timeout(ALIVE, connection.ping()).await;
            *gone = !matches!(alive, Ok(Ok(())));
        }
        // The transaction has only read; how it ends does not matter.
        let _ = tokio::time::timeout(ALIVE, connection.close()).await;
        read
    }

    async fn read_all(
        &self,
        connection: &mut PgConnection,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Records, RecordError> {
        let mut session =
            Session { address: self.address(), table: "the list of tables".to_owned(), rows: 0 };
        let mut loader = Loader::default();
        let begun = in_time(sqlx::raw_sql(BEGIN).execute(&mut *connection)).await;
        begun.map_err(|reason| session.lost(reason))?;
        let as_of = session.as_of(connection).await?;
        let mut tables = database::tables(connection).await.map_err(|reason| session.lost(reason))?;
        // Assets first, so that the index meets them in the order of the table.
        tables.sort_by_key(|(name, _)| (Kind::named(name) != Some(Kind::Asset), name.clone()));
        let shows = |(name, columns): &(String, Vec<String>)| {
            name == "person" && columns.iter().any(|column| column == "faceAssetId")
        };
        let faces = tables.iter().any(shows);
        for (name, columns) in tables {
            if Kind::named(&name) == Some(Kind::Face) && !faces {
                continue;
            }
            if let Some(plan) = loader.table(&name, &columns) {
                let wanted: Vec<&String> =
                    columns.iter().filter(|column| plan.kind.columns().contains(&column.as_str())).collect();
                let plan = Plan::new(plan.kind, &name, &wanted);
                session.table.clone_from(&name);
                session.copy(connection, &mut loader, &plan, &wanted, progress).await?;
            }
        }
        let source = self.describe();
        let mut records = loader.finish(Home::Postgres, source).map_err(|reason| RecordError::NotImmich {
            origin: format!("the database at {}", self.address()),
            reason,
        })?;
        records.set_as_of(as_of);
        Ok(records)
    }
}

impl RecordSource for PostgresSource {
    fn load(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Records, RecordError> {
        database::block_on(self.read(progress)).unwrap_or_else(|error| {
            Err(RecordError::Connect { address: self.address(), reason: error.to_string() })
        })
    }

    fn describe(&self) -> String {
        self.address()
    }
}

impl fmt::Debug for PostgresSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresSource").field(&self.address()).finish()
    }
}

/// What is being read, for errors.
struct Session {
    address: String,
    table: String,
    rows: u64,
}

impl Session {
    fn lost(&self, reason: String) -> RecordError {
        let (address, table) = (self.address.clone(), self.table.clone());
        RecordError::Lost { address, table, rows: self.rows, reason, gone: false }
    }

    async fn as_of(&self, connection: &mut PgConnection) -> Result<Option<Timestamp>, RecordError> {
        let row =
            in_time(sqlx::raw_sql(NOW).fetch_one(connection)).await.map_err(|reason| self.lost(reason))?;
        Ok(row.try_get::<String, _>(0).ok().and_then(|text| text.parse().ok()))
    }

    async fn copy(
        &mut self,
        connection: &mut PgConnection,
        loader: &mut Loader,
        plan: &Plan,
        columns: &[&String],
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RecordError> {
        let list: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        let (table, rows) = (quoted(&self.table), wanted(plan.kind));
        let query = format!("COPY (SELECT {} FROM public.{table}{rows}) TO STDOUT", list.join(", "));
        let stream = in_time(connection.copy_out_raw(&query)).await.map_err(|reason| self.lost(reason))?;
        let mut stream = std::pin::pin!(stream);
        let mut rest: Vec<u8> = Vec::new();
        loop {
            let next = poll_fn(|context| stream.as_mut().poll_next(context));
            let piece = match tokio::time::timeout(SILENCE, next).await {
                Ok(None) => break,
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => return Err(self.lost(words(&error))),
                Err(_) => return Err(self.lost(silent())),
            };
            // A piece is one row, though the protocol does not promise it.
            let mut text = &piece[..];
            while let Some(end) = memchr::memchr(b'\n', text) {
                let (line, behind) = text.split_at_checked(end).unwrap_or_default();
                text = behind.get(1..).unwrap_or_default();
                if rest.is_empty() {
                    self.row(loader, plan, line, progress)?;
                } else {
                    rest.extend_from_slice(line);
                    self.row(loader, plan, &rest, progress)?;
                    rest.clear();
                }
            }
            rest.extend_from_slice(text);
        }
        Ok(())
    }

    fn row(
        &mut self,
        loader: &mut Loader,
        plan: &Plan,
        line: &[u8],
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RecordError> {
        loader.row(plan, line).map_err(|error| match error {
            RowError::Wrong(what) => {
                RecordError::NotImmich { origin: format!("the database at {}", self.address), reason: what }
            }
            RowError::Full(full) => RecordError::Full(full),
        })?;
        self.rows += 1;
        if self.rows.is_multiple_of(8192) {
            progress(self.rows);
        }
        Ok(())
    }
}

/// Which rows of a table are asked for: of faces, of which there are many, those that persons show.
const fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Face => " WHERE id IN (SELECT \"faceAssetId\" FROM public.person)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_password_is_never_shown() {
        let source =
            PostgresSource::new("postgres://photos:s3cret@db.example:5433/immich?sslmode=disable").unwrap();
        assert_eq!(source.describe(), "postgres://photos@db.example:5433/immich");
        assert!(!format!("{source:?}").contains("s3cret"));
        for url in
            ["postgres://u:s3cret@host:nonsense/db", "mysql://u:s3cret@host/db", "postgres://u:s3cret@[::/db"]
        {
            let error = PostgresSource::new(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn sockets_are_named() {
        let source = PostgresSource::new("postgres://immich@%2Frun%2Fpostgresql/immich").unwrap();
        assert_eq!(source.describe(), "postgres://immich@/immich?host=/run/postgresql");
    }

    #[test]
    fn nobody_there_is_said() {
        let mut source = PostgresSource::new("postgres://u:s3cret@127.0.0.1:1/immich").unwrap();
        let error = source.load(&mut |_| ()).unwrap_err();
        assert!(matches!(error, RecordError::Connect { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
