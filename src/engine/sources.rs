//! `--db`: which home the records come from, and what to say about the choice.

use std::path::{Path, PathBuf};

use crate::immich::compose::{Compose, Secret};
use crate::immich::records::{
    DumpSource, NoRecords, PostgresSource, RecordError, RecordSource, Records, find_newest_dump,
};
use crate::model::{Code, Event, EventSink, Evidence, Finding, RunCode, Stage};

use super::config::Db;
use super::end::RunError;

/// The records, and how they were come by.
pub struct Loaded {
    /// What was read.
    pub records: Records,
    /// For people: what was passed over and why.
    pub notes: Vec<String>,
    /// Address of the live database, if they come from one.
    pub database: Option<Secret>,
    /// The dump, if they come from one that can be read again.
    pub dump: Option<PathBuf>,
}

/// Why there are no records, and the finding that says so, if there is one.
pub struct Refused {
    /// What ends the run.
    pub error: RunError,
    /// To be told after the run's first line.
    pub finding: Option<Box<Finding>>,
}

impl From<RecordError> for Refused {
    fn from(error: RecordError) -> Self {
        Self { error: RunError::records(error.to_string()), finding: None }
    }
}

/// Reads the records that `--db` asks for.
pub fn load(
    db: &Db,
    compose: Option<&Compose>,
    media: &Path,
    sink: &dyn EventSink,
) -> Result<Loaded, Refused> {
    sink.send(Event::Stage { stage: Stage::Records, items: None, bytes: None });
    let mut told = 0;
    let mut progress = |rows: u64| {
        sink.send(Event::Progress { stage: Stage::Records, items: rows.saturating_sub(told), bytes: 0 });
        told = rows;
    };
    match db {
        Db::None => only(NoRecords.load(&mut progress)),
        Db::Url(url) => {
            let loaded = only(PostgresSource::new(url).and_then(|mut source| source.load(&mut progress)))?;
            Ok(Loaded { database: Some(Secret::new(url.clone())), ..loaded })
        }
        Db::File(path) => {
            let loaded = complete(DumpSource::file(path).load(&mut progress))?;
            Ok(Loaded { dump: Some(path.clone()), ..loaded })
        }
        Db::Stdin => complete(DumpSource::stdin().load(&mut progress)),
        Db::Auto => automatic(compose, media, &mut progress),
    }
}

fn only(records: Result<Records, RecordError>) -> Result<Loaded, Refused> {
    Ok(Loaded { records: records?, notes: Vec::new(), database: None, dump: None })
}

/// Reads the records of a running database once more; `address` is that of the compose file.
pub fn again(db: &Db, address: Option<&Secret>, sink: &dyn EventSink) -> Result<Records, RunError> {
    sink.send(Event::Stage { stage: Stage::Records, items: None, bytes: None });
    let source = match (db, address) {
        (Db::Url(url), _) => PostgresSource::new(url),
        (_, Some(address)) => PostgresSource::new(address.expose()),
        _ => return Err(RunError::records("there is no database to read the records from again")),
    };
    source.and_then(|mut source| source.load(&mut |_| ())).map_err(|error| {
        RunError::records(format!("the records could not be read again before files were moved: {error}"))
    })
}

/// A dump that was named has to be whole: half the rows would call half the files untracked.
fn complete(records: Result<Records, RecordError>) -> Result<Loaded, Refused> {
    let loaded = only(records)?;
    let Some(incomplete) = &loaded.records.incomplete else { return Ok(loaded) };
    let source = &loaded.records.info.source;
    let advice = "name a complete dump, or let --db auto choose one";
    let finding = Finding::new(Code::Run(RunCode::RecordsIncomplete))
        .seen(
            Evidence::new()
                .with("source", source.clone())
                .with("reason", incomplete.reason.clone())
                .with("offset", incomplete.offset)
                .with("assets_read", loaded.records.info.assets),
        )
        .advise(advice);
    let error = RunError::records(format!(
        "{source} is incomplete: {} (at byte {} of the uncompressed dump, after {} assets); {advice}",
        incomplete.reason, incomplete.offset, loaded.records.info.assets
    ));
    Err(Refused { error, finding: Some(Box::new(finding)) })
}

/// The database if its address is known and it answers, else the newest complete dump, else none.
fn automatic(
    compose: Option<&Compose>,
    media: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Loaded, Refused> {
    let mut notes = Vec::new();
    if let Some(address) = compose.and_then(|compose| compose.database.as_ref()) {
        match PostgresSource::new(address.expose()).and_then(|mut source| source.load(progress)) {
            Ok(records) => {
                return Ok(Loaded { records, notes, database: Some(address.clone()), dump: None });
            }
            Err(error @ (RecordError::Connect { .. } | RecordError::Login { .. })) => {
                notes.push(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let newest = find_newest_dump(media, progress);
    notes.extend(newest.skipped);
    if let (Some(records), Some(path)) = (newest.records, newest.path) {
        notes.push(format!("took the newest complete dump: {}", crate::model::display_path(&path)));
        return Ok(Loaded { records, notes, database: None, dump: Some(path) });
    }
    notes.push(
        "no database and no complete dump under backups/: files are verified, nothing is said about missing or untracked ones"
            .to_owned(),
    );
    Ok(Loaded { records: NoRecords.load(progress)?, notes, database: None, dump: None })
}
