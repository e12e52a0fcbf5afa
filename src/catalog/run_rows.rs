//! Runs and their lines in the database.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::batch::RunBatch;
use super::bytes;
use super::db::Db;
use super::error::CatalogError;
use super::runs::{LineKind, RETAINED_RUNS, RunEnd, RunLine, RunRecord, RunStart};

/// Lines that are written in one transaction.
const BATCH: usize = 256;
/// Lines of one answer.
const PAGE: i64 = 1000;
/// Rows of one statement.
const ROWS: usize = 16;

static LINES_MANY: LazyLock<Arc<str>> = LazyLock::new(|| insert_lines(ROWS));
static LINES_ONE: LazyLock<Arc<str>> = LazyLock::new(|| insert_lines(1));
static LINKS_MANY: LazyLock<Arc<str>> = LazyLock::new(|| insert_links(ROWS));
static LINKS_ONE: LazyLock<Arc<str>> = LazyLock::new(|| insert_links(1));

fn insert_lines(rows: usize) -> Arc<str> {
    let rows = vec!["(?,?,?,?,?,?)"; rows].join(",");
    format!("INSERT OR IGNORE INTO line (hash, kind, code, severity, path, text) VALUES {rows}").into()
}

fn insert_links(rows: usize) -> Arc<str> {
    let rows = vec!["(?,?,?)"; rows].join(",");
    format!(
        "INSERT INTO run_line (run, sequence, line) SELECT new.column1, new.column2, line.id \
         FROM (VALUES {rows}) AS new JOIN line ON line.hash = new.column3"
    )
    .into()
}

impl Db {
    pub(super) fn begin_run(&mut self, start: &RunStart) -> Result<(), CatalogError> {
        let id = self.query(async |connection| {
            sqlx::query_scalar(
                "INSERT INTO run (run_id, started_at, command, header) VALUES (?, ?, ?, ?) RETURNING id",
            )
            .bind(&start.run_id)
            .bind(&start.started_at)
            .bind(&start.command)
            .bind(&start.header)
            .fetch_one(connection)
            .await
        })?;
        self.run = RunBatch { run: Some(id), start: Some(start.clone()), ..RunBatch::default() };
        Ok(())
    }

    /// Begins the run in hand once more, in another database.
    pub(super) fn run_again(&mut self) -> Result<(), CatalogError> {
        let start = self.run.start.clone();
        self.run = RunBatch::default();
        start.map_or(Ok(()), |start| self.begin_run(&start))
    }

    pub(super) fn add_line(&mut self, line: RunLine) -> Result<(), CatalogError> {
        self.run.waiting.push(line);
        if self.run.waiting.len() >= BATCH { self.flush_lines() } else { Ok(()) }
    }

    pub(super) fn flush_lines(&mut self) -> Result<(), CatalogError> {
        let lines = std::mem::take(&mut self.run.waiting);
        if lines.is_empty() {
            return Ok(());
        }
        let run = self.run_in_hand()?;
        let first = self.run.next;
        self.transaction(async |connection| write(connection, run, first, &lines).await)?;
        self.run.next += i64::try_from(lines.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    fn run_in_hand(&self) -> Result<i64, CatalogError> {
        self.run.run.ok_or_else(|| CatalogError::Other {
            path: self.path.clone(),
            what: "no run was begun".to_owned(),
        })
    }

    pub(super) fn finish_run(&mut self, end: &RunEnd) -> Result<(), CatalogError> {
        let run = self.run_in_hand()?;
        self.query(async |connection| {
            sqlx::query("UPDATE run SET finished_at = ?, summary = ?, exit = ?, complete = ? WHERE id = ?")
                .bind(&end.finished_at)
                .bind(&end.summary)
                .bind(end.exit)
                .bind(end.complete)
                .bind(run)
                .execute(connection)
                .await
        })?;
        self.run = RunBatch::default();
        self.forget_runs(RETAINED_RUNS)?;
        Ok(())
    }

    /// Forgets all but the newest `keep` runs and the texts that no other run needs.
    pub(super) fn forget_runs(&mut self, keep: u32) -> Result<u64, CatalogError> {
        self.transaction(async |connection| {
            sqlx::query(
                "DELETE FROM run_line WHERE run NOT IN (SELECT id FROM run ORDER BY id DESC LIMIT ?)",
            )
            .bind(keep)
            .execute(&mut *connection)
            .await?;
            let gone =
                sqlx::query("DELETE FROM run WHERE id NOT IN (SELECT id FROM run ORDER BY id DESC LIMIT ?)")
                    .bind(keep)
                    .execute(&mut *connection)
                    .await?
                    .rows_affected();
            if gone > 0 {
                sqlx::query("DELETE FROM line WHERE id NOT IN (SELECT line FROM run_line)")
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(gone)
        })
    }

    pub(super) fn runs(&mut self) -> Result<Vec<RunRecord>, CatalogError> {
        let rows = self.query(async |connection| {
            sqlx::query("SELECT * FROM run ORDER BY id DESC").fetch_all(connection).await
        })?;
        rows.iter().map(record).collect::<Result<_, _>>().map_err(|error| self.sql(&error))
    }

    pub(super) fn run_lines(
        &mut self,
        run_id: &str,
        after: i64,
    ) -> Result<Vec<(i64, RunLine)>, CatalogError> {
        let rows = self.query(async |connection| {
            sqlx::query(
                "SELECT run_line.sequence, line.* FROM run JOIN run_line ON run_line.run = run.id \
                 JOIN line ON line.id = run_line.line WHERE run.run_id = ? AND run_line.sequence > ? \
                 ORDER BY run_line.sequence LIMIT ?",
            )
            .bind(run_id)
            .bind(after)
            .bind(PAGE)
            .fetch_all(connection)
            .await
        })?;
        rows.iter().map(line).collect::<Result<_, _>>().map_err(|error| self.sql(&error))
    }

    fn sql(&self, error: &sqlx::Error) -> CatalogError {
        CatalogError::from_sql(&self.path, error)
    }
}

async fn write(
    connection: &mut SqliteConnection,
    run: i64,
    first: i64,
    lines: &[RunLine],
) -> Result<(), sqlx::Error> {
    let hashed: Vec<_> = (first..).zip(lines).map(|(sequence, line)| (sequence, hash(line), line)).collect();
    for rows in hashed.chunks(ROWS) {
        let whole = rows.len() == ROWS;
        let size = if whole { ROWS } else { 1 };
        let sql = if whole { &LINES_MANY } else { &LINES_ONE };
        for rows in rows.chunks(size) {
            let query =
                rows.iter().fold(sqlx::query(AssertSqlSafe(Arc::clone(sql))), |query, (_, hash, line)| {
                    query
                        .bind(hash.as_slice())
                        .bind(line.kind.as_str())
                        .bind(&line.code)
                        .bind(&line.severity)
                        .bind(line.path.as_ref().map(|path| bytes(path.as_os_str())))
                        .bind(&line.text)
                });
            query.execute(&mut *connection).await?;
        }
        let sql = if whole { &LINKS_MANY } else { &LINKS_ONE };
        for rows in rows.chunks(size) {
            let query = rows
                .iter()
                .fold(sqlx::query(AssertSqlSafe(Arc::clone(sql))), |query, (sequence, hash, _)| {
                    query.bind(run).bind(*sequence).bind(hash.as_slice())
                });
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Stands for a line's whole content.
fn hash(line: &RunLine) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let path = line.path.as_ref().map(|path| bytes(path.as_os_str())).unwrap_or_default();
    for part in [line.kind.as_str().as_bytes(), line.code.as_bytes(), line.severity.as_bytes(), path] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut out = [0; 16];
    hasher.update(line.text.as_bytes()).finalize_xof().fill(&mut out);
    out
}

fn record(row: &SqliteRow) -> Result<RunRecord, sqlx::Error> {
    let start = RunStart {
        run_id: row.try_get("run_id")?,
        started_at: row.try_get("started_at")?,
        command: row.try_get("command")?,
        header: row.try_get("header")?,
    };
    let finished: Option<String> = row.try_get("finished_at")?;
    let end = match finished {
        None => None,
        Some(finished_at) => Some(RunEnd {
            finished_at,
            summary: row.try_get("summary")?,
            exit: row.try_get("exit")?,
            complete: row.try_get("complete")?,
        }),
    };
    Ok(RunRecord { start, end })
}

fn line(row: &SqliteRow) -> Result<(i64, RunLine), sqlx::Error> {
    let path: Option<Vec<u8>> = row.try_get("path")?;
    let kind: String = row.try_get("kind")?;
    let line = RunLine {
        kind: LineKind::parse(&kind),
        code: row.try_get("code")?,
        severity: row.try_get("severity")?,
        path: path.map(|path| PathBuf::from(OsString::from_vec(path))),
        text: row.try_get("text")?,
    };
    Ok((row.try_get("sequence")?, line))
}
