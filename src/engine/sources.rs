//! `--db`: which home the records come from, and what to say about the choice.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::immich::compose::{Compose, Secret};
use crate::immich::records::{
    DumpSource, Files, NoRecords, PostgresSource, RecordError, RecordSource, Records, find_newest_dump,
};
use crate::model::{Code, Event, EventSink, Evidence, Finding, RunCode, Stage};

use super::cancel::Cancel;
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

/// Reads the records that `--db` asks for; dumps by this way to files.
pub fn load(
    db: &Db,
    compose: Option<&Compose>,
    media: &Path,
    files: &dyn Files,
    (sink, cancel): (&dyn EventSink, &Cancel),
) -> Result<Loaded, Refused> {
    sink.send(Event::Stage { stage: Stage::Records, items: None, bytes: None });
    let mut told = 0;
    let mut progress = |rows: u64| {
        sink.send(Event::Progress { stage: Stage::Records, items: rows.saturating_sub(told), bytes: 0 });
        told = told.max(rows);
    };
    match db {
        Db::None => only(NoRecords.load(&mut progress)),
        Db::Url(url) => {
            let mut notes = Vec::new();
            let records = insist((&PAUSES, cancel), &mut notes, || live(url, &mut progress))?;
            Ok(Loaded { records, notes, database: Some(Secret::new(url.clone())), dump: None })
        }
        Db::File(path) => {
            let loaded = complete(DumpSource::file(path).through(files).load(&mut progress))?;
            Ok(Loaded { dump: Some(path.clone()), ..loaded })
        }
        Db::Stdin => complete(DumpSource::stdin().load(&mut progress)),
        Db::Auto => automatic(compose, (media, files), cancel, &mut progress),
    }
}

fn live(url: &str, progress: &mut dyn FnMut(u64)) -> Result<Records, RecordError> {
    PostgresSource::new(url)?.load(progress)
}

/// Before a database that went away is asked again: long enough for one that is restarted.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(40)];

/// Reads records from a database to their end. One that goes away meanwhile, or takes no connections yet, is read again from the
/// beginning; one that was never there is not waited for.
fn insist<T>(
    (pauses, cancel): (&[Duration], &Cancel),
    notes: &mut Vec<String>,
    mut load: impl FnMut() -> Result<T, RecordError>,
) -> Result<T, RecordError> {
    let mut was_there = false;
    let mut pauses = pauses.iter();
    loop {
        let error = match load() {
            Ok(records) => return Ok(records),
            Err(error) => error,
        };
        let first = !was_there;
        was_there |= error.may_pass();
        let waits = was_there && (error.may_pass() || matches!(error, RecordError::Connect { .. }));
        let Some(pause) = pauses.next().filter(|_| waits) else { return Err(error) };
        if first {
            notes.push(format!("the records were asked for again: {error}"));
        }
        let until = Instant::now() + *pause;
        while Instant::now() < until {
            if cancel.is_requested() {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(50).min(*pause));
        }
    }
}

fn only(records: Result<Records, RecordError>) -> Result<Loaded, Refused> {
    Ok(Loaded { records: records?, notes: Vec::new(), database: None, dump: None })
}

/// Reads the records of a running database once more; `address` is that of the compose file.
pub fn again(
    db: &Db,
    address: Option<&Secret>,
    (sink, cancel): (&dyn EventSink, &Cancel),
) -> Result<Records, RunError> {
    sink.send(Event::Stage { stage: Stage::Records, items: None, bytes: None });
    let url = match (db, address) {
        (Db::Url(url), _) => url.as_str(),
        (_, Some(address)) => address.expose(),
        _ => return Err(RunError::records("there is no database to read the records from again")),
    };
    insist((&PAUSES, cancel), &mut Vec::new(), || live(url, &mut |_| ())).map_err(|error| {
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
    (media, files): (&Path, &dyn Files),
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64),
) -> Result<Loaded, Refused> {
    let mut notes = Vec::new();
    if let Some(address) = compose.and_then(|compose| compose.database.as_ref()) {
        match insist((&PAUSES, cancel), &mut notes, || live(address.expose(), progress)) {
            Ok(records) => {
                return Ok(Loaded { records, notes, database: Some(address.clone()), dump: None });
            }
            Err(
                error @ (RecordError::Connect { .. }
                | RecordError::Busy { .. }
                | RecordError::Lost { gone: true, .. }
                | RecordError::Login { .. }),
            ) => {
                notes.push(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let newest = find_newest_dump(files, media, progress);
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: [Duration; 3] = [Duration::from_millis(1); 3];

    fn lost(gone: bool) -> RecordError {
        let (address, table) = ("db".to_owned(), "asset".to_owned());
        RecordError::Lost { address, table, rows: 7, reason: "the server went away".to_owned(), gone }
    }

    fn connect() -> RecordError {
        RecordError::Connect { address: "db".to_owned(), reason: "connection refused".to_owned() }
    }

    /// Gives these errors one after the other, and then the records.
    fn told(errors: Vec<RecordError>) -> (Result<u32, RecordError>, Vec<String>, usize) {
        let (mut notes, mut asked, mut errors) = (Vec::new(), 0, errors.into_iter());
        let records = insist((&SHORT, &Cancel::new()), &mut notes, || {
            asked += 1;
            errors.next().map_or(Ok(1), Err)
        });
        (records, notes, asked)
    }

    #[test]
    fn a_database_that_is_restarted_is_read_again() {
        let (records, notes, asked) = told(vec![lost(true), connect(), connect()]);
        assert!(records.is_ok() && asked == 4, "{asked}");
        assert!(matches!(&notes[..], [note] if note.contains("lost the database at db")), "{notes:?}");
        let busy = RecordError::Busy { address: "db".to_owned(), reason: "starting up".to_owned() };
        assert!(told(vec![busy]).0.is_ok());
    }

    #[test]
    fn one_that_stays_away_or_refuses_is_not_asked_for_ever() {
        for (errors, times) in [
            (vec![lost(true), lost(true), connect(), connect(), connect()], 4),
            (vec![connect()], 1),
            (vec![lost(false)], 1),
            (vec![lost(true), lost(false)], 2),
        ] {
            let (records, _, asked) = told(errors);
            assert!(records.is_err() && asked == times, "{asked} of {times}");
        }
        let cancel = Cancel::new();
        cancel.request();
        let hour = [Duration::from_hours(1)];
        assert!(insist::<()>((&hour, &cancel), &mut Vec::new(), || Err(lost(true))).is_err());
    }
}
