//! How the database itself is: version, extensions, how far its migrations are. Read only, a few rows.

use sqlx::{Connection as _, PgConnection, Row as _};

use super::database::{self, Database, in_time};
use super::records::RecordError;

/// What a database says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Its address without a password.
    pub address: String,
    /// PostgreSQL's version, such as `14.10 (Debian 14.10-1.pgdg120+1)`.
    pub version: String,
    /// The same as a number: 140010.
    pub number: u32,
    /// Names and versions of the extensions in it.
    pub extensions: Vec<(String, String)>,
    /// Extensions that are in it and whose files the server no longer has in that version, with what it has instead.
    pub unavailable: Vec<(String, String)>,
    /// Migrations that have run: how many, and the name of the last. `None` when there is no table of them.
    pub migrations: Option<(u64, String)>,
    /// Versions of Immich that have started against it, the newest first, with the moment.
    pub history: Vec<(String, String)>,
    /// Whether it may be written to: a server that recovers, or a copy of another, may not.
    pub read_only: bool,
    /// Bytes on its disk.
    pub bytes: u64,
}

const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '20s'; SET LOCAL TimeZone = 'UTC'";
const OWN: &str = "SELECT current_setting('server_version'), current_setting('server_version_num'), \
    pg_is_in_recovery()::text, pg_database_size(current_database())::text";
const EXTENSIONS: &str = "SELECT e.extname::text, e.extversion, \
    EXISTS (SELECT FROM pg_available_extension_versions v WHERE v.name = e.extname AND v.version = e.extversion)::text, \
    coalesce((SELECT a.default_version FROM pg_available_extensions a WHERE a.name = e.extname), '') \
    FROM pg_extension e ORDER BY 1";
const TABLES: &str = "SELECT coalesce(to_regclass('public.kysely_migrations')::text, ''), \
    coalesce(to_regclass('public.version_history')::text, '')";
const MIGRATIONS: &str = "SELECT count(*)::text, coalesce(max(name)::text, '') FROM public.kysely_migrations";
const HISTORY: &str = "SELECT version::text, to_char(\"createdAt\", 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM public.version_history \
    ORDER BY \"createdAt\" DESC LIMIT 5";

/// Asks the database at a `postgres://` URL.
///
/// # Errors
/// It cannot be reached, refuses the login, or ends the connection. Never with a password in it.
pub fn vitals(url: &str) -> Result<Vitals, RecordError> {
    let database = Database::new(url)?;
    let address = database.address();
    let lost = |reason: String| RecordError::Lost {
        address: address.clone(),
        table: "its version and extensions".to_owned(),
        rows: 0,
        reason,
        gone: false,
    };
    let asked = database::block_on(async {
        let mut connection = database.connect().await?;
        let vitals = ask(&mut connection).await.map_err(lost)?;
        // Nothing was written; how the connection ends does not matter.
        let _ = in_time(connection.close()).await;
        Ok(Vitals { address: address.clone(), ..vitals })
    });
    asked.unwrap_or_else(|error| {
        Err(RecordError::Connect { address: address.clone(), reason: error.to_string() })
    })
}

async fn ask(connection: &mut PgConnection) -> Result<Vitals, String> {
    in_time(sqlx::raw_sql(BEGIN).execute(&mut *connection)).await?;
    let own = rows(connection, OWN).await?;
    let mut vitals = Vitals::default();
    if let Some([version, number, recovering, bytes]) = own.first().and_then(|row| row.first_chunk()) {
        vitals.version.clone_from(version);
        vitals.number = number.parse().unwrap_or(0);
        vitals.read_only = recovering == "true";
        vitals.bytes = bytes.parse().unwrap_or(0);
    }
    for row in rows(connection, EXTENSIONS).await? {
        let [name, version, here, instead] = row.first_chunk().cloned().unwrap_or_default();
        if here != "true" {
            vitals.unavailable.push((format!("{name} {version}"), instead));
        }
        vitals.extensions.push((name, version));
    }
    let tables = rows(connection, TABLES).await?;
    let is_there =
        |place: usize| tables.first().and_then(|row| row.get(place)).is_some_and(|name| !name.is_empty());
    if is_there(0) {
        let found = rows(connection, MIGRATIONS).await?;
        let [count, last] = found.first().and_then(|row| row.first_chunk()).cloned().unwrap_or_default();
        vitals.migrations = Some((count.parse().unwrap_or(0), last));
    }
    if is_there(1) {
        let found = rows(connection, HISTORY).await?.into_iter();
        vitals.history =
            found.filter_map(|row| row.first_chunk().cloned().map(|[version, at]| (version, at))).collect();
    }
    Ok(vitals)
}

/// All rows of a query whose columns are texts.
async fn rows(connection: &mut PgConnection, query: &'static str) -> Result<Vec<Vec<String>>, String> {
    let rows = in_time(sqlx::raw_sql(query).fetch_all(connection)).await?;
    let texts = |row: &sqlx::postgres::PgRow| {
        (0..row.len()).map(|place| row.try_get::<String, _>(place).unwrap_or_default()).collect()
    };
    Ok(rows.iter().map(texts).collect())
}
