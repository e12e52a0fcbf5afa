//! Registering by rows: one short transaction for each batch, with the rows read again under lock before they change.
//!
//! The connection is another than the one that read the records, and is made anew for each batch: hours may lie
//! between two of them. Each time the schema is looked at again, since Immich may have been updated meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use sqlx::{Connection as _, PgConnection, Row as _};

use super::shape::{Shape, UniqueKeys};
use super::{Answer, Before, RegisterError, Registrar, Request, Wish};
use crate::immich::database::{self, Database, block_on, in_time, words};
use crate::model::{AssetId, Role};

/// Assets that share one transaction.
const BATCH: usize = 100;

/// Short waits: Immich may be at work on the same rows, and must not wait for us either.
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '30s'; \
    SET LOCAL idle_in_transaction_session_timeout = '1min'";

/// The columns of every unique index on the tables that are written; partial ones and expressions do not count.
const UNIQUE: &str = "SELECT c.relname::text, i.indexrelid::text, a.attname::text FROM pg_catalog.pg_index i \
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey::smallint[]) \
    WHERE n.nspname = 'public' AND c.relname IN ('asset_file', 'asset_files') AND i.indisunique AND i.indisvalid \
    AND i.indpred IS NULL AND i.indexprs IS NULL";

/// Makes files known by rows of a live database.
#[derive(Debug)]
pub struct SqlRegistrar {
    database: Database,
    shape: Shape,
    /// Why nothing more is tried.
    stopped: Option<String>,
}

impl SqlRegistrar {
    /// Looks whether rows can be written there: a known schema, the privileges, no replica. Writes nothing.
    ///
    /// # Errors
    /// Why nothing can be registered, and what to do.
    pub fn open(url: &str) -> Result<Self, RegisterError> {
        let database = Database::new(url).map_err(|error| RegisterError(error.to_string()))?;
        let shape = block_on(look(&database)).unwrap_or_else(|error| Err(error.to_string()));
        let shape = shape.map_err(|why| {
            RegisterError(format!(
                "--register sql: nothing can be registered in the database at {}: {why}; nothing was changed",
                database.address()
            ))
        })?;
        Ok(Self { database, shape, stopped: None })
    }

    /// What happens around the statements of every batch.
    fn frame(&self) -> String {
        format!(
            "{BEGIN}; {}; {}; <statements>; COMMIT",
            asset_query(&self.shape).replace("$1", "<the batch's assets>"),
            file_query(&self.shape).replace("$1", "<the batch's assets>")
        )
    }

    async fn send(&self, batch: &[Request]) -> Result<Vec<Answer>, Trouble> {
        let connect = self.database.connect().await;
        let mut connection = connect.map_err(|error| Trouble::Lost(error.to_string()))?;
        let shape = shape_of(&mut connection).await.map_err(Trouble::Lost)?;
        if shape != self.shape {
            return Err(Trouble::Lost(
                "its tables changed while the run went on: was Immich updated? Run repair again".to_owned(),
            ));
        }
        let answers = self.transact(&mut connection, batch).await;
        // Without its COMMIT the transaction is rolled back; how the connection ends does not matter.
        let _ = in_time(connection.close()).await;
        answers
    }

    async fn transact(
        &self,
        connection: &mut PgConnection,
        batch: &[Request],
    ) -> Result<Vec<Answer>, Trouble> {
        ask(sqlx::raw_sql(BEGIN).execute(&mut *connection)).await?;
        let ids: Vec<String> = batch
            .iter()
            .filter(|request| matches!(request.wish, Wish::Rows(_)))
            .map(|request| request.id.to_string())
            .collect();
        let now = if ids.is_empty() { BTreeMap::new() } else { self.read_again(connection, &ids).await? };
        let mut answers = Vec::new();
        for request in batch {
            answers.push(match &request.wish {
                Wish::Rows(rows) => match changed(now.get(&request.id), request.owner, &rows.before) {
                    Some(what) => Answer::Skipped(format!(
                        "{what} since the library was scanned: left alone, run repair again"
                    )),
                    None => match self.shape.statements(request.id, rows) {
                        Ok(statements) => {
                            for statement in statements {
                                ask(statement.execute(connection)).await?;
                            }
                            Answer::Done(String::new())
                        }
                        Err(why) => Answer::Skipped(why),
                    },
                },
                Wish::Face { before, path } => match self.face(request, before, path) {
                    Ok(statement) if ask(statement.execute(connection)).await? == 0 => Answer::Skipped(
                        "its row changed since the library was scanned: left alone, run repair again"
                            .to_owned(),
                    ),
                    Ok(_) => Answer::Done(String::new()),
                    Err(why) => Answer::Skipped(why),
                },
                Wish::Remake { .. } | Wish::Transcode => Answer::Skipped(ONLY_API.to_owned()),
            });
        }
        ask(sqlx::raw_sql("COMMIT").execute(connection)).await.map_err(Trouble::in_commit)?;
        Ok(answers)
    }

    fn face(
        &self,
        request: &Request,
        before: &std::path::Path,
        path: &std::path::Path,
    ) -> Result<super::statement::Statement, String> {
        match (before.to_str(), path.to_str()) {
            (Some(before), Some(path)) => Ok(self.shape.face(request.id, request.owner, before, path)),
            _ => Err("its path is not valid UTF-8, which a row cannot hold".to_owned()),
        }
    }

    /// The rows as they are now, locked until the transaction ends.
    async fn read_again(
        &self,
        connection: &mut PgConnection,
        ids: &[String],
    ) -> Result<BTreeMap<AssetId, (AssetId, Before)>, Trouble> {
        let query = asset_query(&self.shape);
        let assets = sqlx::query(sqlx::AssertSqlSafe(query)).bind(ids);
        let assets = ask(assets.fetch_all(&mut *connection)).await?;
        let query = file_query(&self.shape);
        let files = ask(sqlx::query(sqlx::AssertSqlSafe(query)).bind(ids).fetch_all(connection)).await?;
        let mut now = BTreeMap::new();
        for row in &assets {
            let (id, owner) = (column::<String>(row, 0)?, column::<Option<String>>(row, 1)?);
            let Ok(id) = id.parse::<AssetId>() else { continue };
            let before = Before {
                original: column::<Option<String>>(row, 2)?
                    .filter(|path| !path.is_empty())
                    .map(PathBuf::from),
                checksum: column::<Option<Vec<u8>>>(row, 3)?.and_then(|sum| sum.try_into().ok()),
                thumbhash: column::<Option<Vec<u8>>>(row, 4)?.filter(|hash| !hash.is_empty()),
                trashed: column(row, 5)?,
                pictures: Vec::new(),
            };
            let owner = owner.and_then(|owner| owner.parse().ok()).unwrap_or_default();
            now.insert(id, (owner, before));
        }
        for row in &files {
            let (id, kind) = (column::<String>(row, 0)?, column::<String>(row, 1)?);
            let (path, edited) = (column::<String>(row, 2)?, column::<bool>(row, 3)?);
            let role = match kind.as_str() {
                "preview" => Role::Preview,
                "thumbnail" => Role::Thumbnail,
                _ => Role::Fullsize,
            };
            let asset = id.parse::<AssetId>().ok().and_then(|id| now.get_mut(&id));
            if let Some((_, before)) = asset.filter(|_| !path.is_empty()) {
                before.pictures.push((role, edited, PathBuf::from(path)));
            }
        }
        for (_, before) in now.values_mut() {
            before.pictures.sort();
        }
        Ok(now)
    }
}

const ONLY_API: &str = "Immich's own jobs make it: ask for it with --register api";

impl Registrar for SqlRegistrar {
    fn notes(&self, in_full: bool) -> Vec<String> {
        let place = format!(
            "new files are registered in the database at {} (era {}), in batches of at most {BATCH} assets",
            self.database.address(),
            self.shape.era
        );
        let frame = in_full.then(|| format!("each batch is sent as: {}", self.frame()));
        std::iter::once(place).chain(frame).collect()
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn show(&self, request: &Request) -> Result<String, String> {
        let statements = match &request.wish {
            Wish::Rows(rows) => self.shape.statements(request.id, rows)?,
            Wish::Face { before, path } => vec![self.face(request, before, path)?],
            Wish::Remake { .. } | Wish::Transcode => return Err(ONLY_API.to_owned()),
        };
        Ok(statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    fn submit(&mut self, batch: &[Request]) -> Vec<Answer> {
        let all = |answer: Answer| vec![answer; batch.len()];
        if let Some(why) = &self.stopped {
            return all(Answer::Skipped(format!("nothing more is registered in this run: {why}")));
        }
        let sent = block_on(self.send(batch)).unwrap_or_else(|error| Err(Trouble::Lost(error.to_string())));
        match sent {
            Ok(answers) => answers,
            Err(Trouble::Batch(why)) => all(Answer::Failed(format!("{why}; {LATER}"))),
            Err(Trouble::Lost(why)) => {
                let why = format!("{why}; {LATER}");
                self.stopped = Some(why.clone());
                all(Answer::Failed(why))
            }
        }
    }
}

const LATER: &str = "files that were made stay where they are, unregistered, and the next run registers them";

/// Why a batch failed.
enum Trouble {
    /// Another one may succeed.
    Batch(String),
    /// None will in this run.
    Lost(String),
}

impl Trouble {
    fn in_commit(self) -> Self {
        let told = |why: String| format!("{why} (while committing: the rows may be there or not)");
        match self {
            Self::Batch(why) => Self::Batch(told(why)),
            Self::Lost(why) => Self::Lost(told(why)),
        }
    }

    fn of(error: &sqlx::Error) -> Self {
        let said = words(error);
        match database::code(error).as_deref() {
            Some("55P03") => Self::Batch(format!(
                "another session holds a lock on these rows for more than 2 s ({said}), so nothing of this batch was \
                 registered: is Immich at work on them? Pause its thumbnail queue and run repair again"
            )),
            Some("40P01" | "40001" | "57014") => Self::Batch(format!(
                "the database ended the transaction ({said}): nothing of this batch was registered"
            )),
            Some("42501") => Self::Lost(format!(
                "the database user may not do that ({said}): give --db the user that Immich itself uses"
            )),
            Some("25006") => {
                Self::Lost(format!("the database is read-only ({said}): give --db the primary server"))
            }
            // Connection, shutdown, no room: the next batch would meet the same.
            Some(code) if ["08", "53", "57", "58", "XX"].iter().any(|class| code.starts_with(class)) => {
                Self::Lost(format!("lost the database: {said}"))
            }
            Some(code) => Self::Batch(format!(
                "the database refused it ({code}: {said}): nothing of this batch was registered"
            )),
            None => Self::Lost(format!("lost the database: {said}")),
        }
    }
}

/// Waits for an answer, but not for ever.
async fn ask<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Trouble> {
    match tokio::time::timeout(database::SILENCE, answer).await {
        Ok(answer) => answer.map_err(|error| Trouble::of(&error)),
        Err(_) => Err(Trouble::Lost(format!("lost the database: {}", database::silent()))),
    }
}

fn column<'r, T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
    row: &'r sqlx::postgres::PgRow,
    place: usize,
) -> Result<T, Trouble> {
    row.try_get(place).map_err(|error| Trouble::Batch(format!("unexpected rows: {error}")))
}

/// The locks keep Immich from naming files of these assets meanwhile: a new row of theirs has to look at the asset's.
fn asset_query(shape: &Shape) -> String {
    format!(
        "SELECT id::text, \"ownerId\"::text, \"originalPath\"::text, checksum, thumbhash, ({}) FROM public.{} \
         WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE",
        shape.trashed, shape.asset
    )
}

fn file_query(shape: &Shape) -> String {
    let edited = if shape.edited { "\"isEdited\"" } else { "false" };
    format!(
        "SELECT \"assetId\"::text, type::text, path::text, {edited} FROM public.{} WHERE \"assetId\" = ANY($1::uuid[]) \
         AND type IN ('preview', 'thumbnail', 'fullsize') ORDER BY id FOR UPDATE",
        shape.file
    )
}

/// What is other now than at the scan.
fn changed(now: Option<&(AssetId, Before)>, owner: AssetId, then: &Before) -> Option<&'static str> {
    let Some((owner_now, now)) = now else { return Some("Immich deleted the asset") };
    let same_path = |a: &Option<PathBuf>, b: &Option<PathBuf>| {
        a.as_ref().map(|path| path.as_os_str().as_bytes())
            == b.as_ref().map(|path| path.as_os_str().as_bytes())
    };
    if *owner_now != owner {
        Some("the owner of the asset changed")
    } else if !same_path(&now.original, &then.original) {
        Some("the original was moved")
    } else if now.checksum != then.checksum {
        Some("the recorded checksum of the original changed")
    } else if now.trashed != then.trashed {
        Some("the asset was moved to the trash or out of it")
    } else if now.pictures != then.pictures {
        Some("the rows of its pictures changed")
    } else if now.thumbhash != then.thumbhash {
        Some("its thumbhash changed")
    } else {
        None
    }
}

/// The shape of the database, and whether this user may write what is to be written.
async fn look(database: &Database) -> Result<Shape, String> {
    let mut connection = database.connect().await.map_err(|error| error.to_string())?;
    let shape = shape_of(&mut connection).await?;
    for (table, privilege) in shape.privileges() {
        let query = format!(
            "SELECT pg_catalog.has_table_privilege('public.{}', '{privilege}'), pg_catalog.pg_is_in_recovery()",
            database::quoted(table)
        );
        let row = in_time(sqlx::raw_sql(sqlx::AssertSqlSafe(query)).fetch_one(&mut connection)).await?;
        let truth = |place: usize| row.try_get::<bool, _>(place).map_err(|error| words(&error));
        if truth(1)? {
            return Err("it is a read-only replica: give --db the primary server".to_owned());
        }
        if !truth(0)? {
            let user = database.user();
            return Err(format!(
                "user {user:?} has no {privilege} privilege on table \"{table}\": give --db the user that Immich itself uses"
            ));
        }
    }
    let _ = in_time(connection.close()).await;
    Ok(shape)
}

async fn shape_of(connection: &mut PgConnection) -> Result<Shape, String> {
    let tables = database::by_name(database::tables(connection).await?);
    let rows = in_time(sqlx::raw_sql(UNIQUE).fetch_all(connection)).await?;
    let mut keys: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let text = |place: usize| row.try_get::<String, _>(place).map_err(|error| words(&error));
        keys.entry((text(0)?, text(1)?)).or_default().insert(text(2)?);
    }
    let unique: UniqueKeys = keys.into_iter().map(|((table, _), columns)| (table, columns)).collect();
    Shape::of(&tables, &unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_difference_that_matters_is_seen() {
        let owner = AssetId([1; 16]);
        let then = Before {
            original: Some("/data/a.jpg".into()),
            checksum: Some([7; 20]),
            thumbhash: Some(vec![1, 2]),
            trashed: false,
            pictures: vec![(Role::Preview, false, "/data/p.jpeg".into())],
        };
        let now = |change: &dyn Fn(&mut Before)| {
            let mut now = then.clone();
            change(&mut now);
            changed(Some(&(owner, now)), owner, &then)
        };
        assert_eq!(now(&|_| ()), None);
        assert_eq!(changed(None, owner, &then), Some("Immich deleted the asset"));
        assert!(changed(Some(&(AssetId([2; 16]), then.clone())), owner, &then).is_some());
        assert!(now(&|now| now.original = Some("/data/b.jpg".into())).is_some());
        assert!(now(&|now| now.original = Some("/data//a.jpg".into())).is_some());
        assert!(now(&|now| now.checksum = None).is_some());
        assert!(now(&|now| now.thumbhash = None).is_some());
        assert!(now(&|now| now.trashed = true).is_some());
        assert!(now(&|now| now.pictures.clear()).is_some());
        assert!(now(&|now| now.pictures.push((Role::Thumbnail, false, "/data/t.webp".into()))).is_some());
    }
}
