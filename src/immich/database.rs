//! A connection to Immich's PostgreSQL: its address without secrets, answers that do not take for ever, errors in words.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, PgConnection, Row as _};

use super::records::RecordError;
use super::schema::Tables;

/// How long to wait for the server to answer at all.
const CONNECT: Duration = Duration::from_secs(15);

/// How long to wait for the next piece of an answer.
pub(super) const SILENCE: Duration = Duration::from_mins(2);

/// Tables and columns. The catalog also tells those that this user may not read: that must be an error, not a gap.
const COLUMNS: &str = "SELECT n.nspname::text, c.relname::text, a.attname::text FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname !~ '^(pg_|information_schema)' \
    ORDER BY n.nspname, c.relname, a.attnum";

/// Where a database is and how to log in there.
#[derive(Clone)]
pub(super) struct Database {
    options: PgConnectOptions,
}

impl Database {
    /// From a `postgres://` URL. The error never repeats the URL, which may hold a password.
    pub fn new(url: &str) -> Result<Self, RecordError> {
        let known = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        if !known {
            let reason = "it does not begin with postgres://".to_owned();
            return Err(RecordError::Address { reason });
        }
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| RecordError::Address { reason: without_secrets(&error.to_string(), url) })?;
        Ok(Self { options: options.application_name("photofsck").disable_statement_logging() })
    }

    /// The address without a password.
    pub fn address(&self) -> String {
        let options = &self.options;
        let (user, database) = (options.get_username(), options.get_database().unwrap_or_default());
        match options.get_socket() {
            Some(socket) => format!("postgres://{user}@/{database}?host={}", socket.display()),
            None => format!("postgres://{user}@{}:{}/{database}", options.get_host(), options.get_port()),
        }
    }

    /// The user who logs in.
    pub fn user(&self) -> &str {
        self.options.get_username()
    }

    /// A new connection.
    pub async fn connect(&self) -> Result<PgConnection, RecordError> {
        let address = self.address();
        match tokio::time::timeout(CONNECT, self.options.connect()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.refused(address, &error)),
            Err(_) => {
                let reason = format!("no answer within {} seconds", CONNECT.as_secs());
                Err(RecordError::Connect { address, reason })
            }
        }
    }

    fn refused(&self, address: String, error: &sqlx::Error) -> RecordError {
        let reason = words(error);
        match code(error).as_deref() {
            // Invalid authorization, no such database, no permission to connect.
            Some(code) if code.starts_with("28") || matches!(code, "3D000" | "42501") => {
                RecordError::Login { address, reason }
            }
            // Shutting down, starting, too many connections.
            Some("57P01" | "57P02" | "57P03" | "53300") => RecordError::Busy { address, reason },
            _ if matches!(error, sqlx::Error::Tls(_)) => {
                let mode = match self.options.get_ssl_mode() {
                    PgSslMode::Require => "require",
                    PgSslMode::VerifyCa => "verify-ca",
                    PgSslMode::VerifyFull => "verify-full",
                    PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => "prefer",
                };
                RecordError::Connect { address, reason: format!("TLS (sslmode={mode}): {reason}") }
            }
            _ => RecordError::Connect { address, reason },
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.address()).finish()
    }
}

/// Runs one piece of work against a database to its end, in a runtime of its own.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}

/// All tables with their columns in physical order; those outside `public` with their schema.
pub(super) async fn tables(connection: &mut PgConnection) -> Result<Vec<(String, Vec<String>)>, String> {
    let rows = in_time(sqlx::raw_sql(COLUMNS).fetch_all(connection)).await?;
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows {
        let text = |place: usize| row.try_get::<String, _>(place).map_err(|error| words(&error));
        let (schema, table, column) = (text(0)?, text(1)?, text(2)?);
        let name = if schema == "public" { table } else { format!("{schema}.{table}") };
        match tables.last_mut().filter(|(last, _)| *last == name) {
            Some((_, columns)) => columns.push(column),
            None => tables.push((name, vec![column])),
        }
    }
    Ok(tables)
}

/// The same as [`super::schema::recognise`] takes them.
pub(super) fn by_name(tables: Vec<(String, Vec<String>)>) -> Tables {
    tables.into_iter().map(|(name, columns)| (name, columns.into_iter().collect::<BTreeSet<_>>())).collect()
}

/// Waits for an answer, but not for ever; the error is in words.
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, String> {
    match tokio::time::timeout(SILENCE, answer).await {
        Ok(answer) => answer.map_err(|error| words(&error)),
        Err(_) => Err(silent()),
    }
}

/// Why an answer did not come.
pub(super) fn silent() -> String {
    format!("the server said nothing for {} seconds", SILENCE.as_secs())
}

/// What happened, without the driver's own preamble.
pub(super) fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The SQLSTATE that the server gave.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// A name as SQL wants it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A message about a URL without anything that the URL says between its scheme and its host.
fn without_secrets(message: &str, url: &str) -> String {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    let login = behind.rsplit_once('@').map_or("", |(login, _)| login);
    let mut clean = message.to_owned();
    for part in [login, login.split_once(':').map_or("", |(_, password)| password)] {
        if !part.is_empty() {
            clean = clean.replace(part, "***");
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_of_messages() {
        assert_eq!(without_secrets("bad p@x in u:p@x", "postgres://u:p@x@host/db"), "bad *** in ***");
    }
}
