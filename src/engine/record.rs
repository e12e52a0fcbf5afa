//! The record of a run in the catalog, made while its events pass by.
//!
//! Small pictures are part of it: most findings stand for many nights, and the catalog keeps the same line once.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::end::{RunEnd, RunError, RunErrorKind, StoppedBy};
use crate::catalog::{self, Catalog, CatalogError, LineKind, RunLine, RunStart};
use crate::model::{AssetFacts, Event, EventSink, Finding, RepairEvent, RunInfo, SmallPicture, display_path};
use crate::report::ndjson::{self, AssetLine, FindingLine, PictureLine, RepairLine, SummaryLine};
use crate::report::{Outcome, Policy, Scope, Summary};

/// Writes a run's findings, repairs and summary to the catalog and hands every event on.
pub struct Record<'a> {
    sink: &'a dyn EventSink,
    catalog: &'a Catalog,
    summary: Mutex<Summary>,
    started: Instant,
    /// Set at the first failure, which has been told, and for a run that is none: then nothing more is recorded.
    broken: Mutex<bool>,
}

impl<'a> Record<'a> {
    /// A record that begins with the next [`Event::Run`].
    pub fn new(sink: &'a dyn EventSink, catalog: &'a Catalog, policy: Policy, scope: Scope) -> Self {
        Self {
            sink,
            catalog,
            summary: Mutex::new(Summary::new(policy, scope)),
            started: Instant::now(),
            broken: Mutex::new(false),
        }
    }

    /// Ends the record.
    pub fn finish(self, result: &Result<RunEnd, RunError>) {
        if let Some(aside) = self.catalog.put_aside() {
            self.sink.send(Event::Note(format!(
                "the catalog was damaged: it is kept as {}, and a new one was begun, so everything is verified again",
                display_path(aside)
            )));
        }
        let mut summary = self.summary.into_inner().unwrap_or_else(PoisonError::into_inner);
        summary.close(outcome(result), self.started.elapsed().as_secs_f64());
        let end = catalog::RunEnd {
            finished_at: jiff::Timestamp::now().to_string(),
            summary: ndjson::to_text(&SummaryLine(&summary)),
            exit: i32::from(summary.exit().code()),
            complete: summary.complete(),
        };
        let broken = self.broken.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !broken && let Err(error) = self.catalog.finish_run(end) {
            self.sink.send(unrecorded(&error));
        }
    }

    fn write(&self, write: impl FnOnce(&Catalog) -> Result<(), CatalogError>) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if *broken {
            return;
        }
        if let Err(error) = write(self.catalog) {
            *broken = true;
            self.sink.send(unrecorded(&error));
        }
    }
}

impl EventSink for Record<'_> {
    fn send(&self, event: Event) {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).take(&event);
        match &event {
            // It found nothing, and would hide what the run before it found.
            Event::Run(run) if run.idle => *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = true,
            Event::Run(run) => self.write(|catalog| catalog.begin_run(start(run))),
            Event::Finding(finding) | Event::EntryError(finding) => {
                self.write(|catalog| catalog.add_line(finding_line(finding)));
            }
            Event::Repair(repair) => self.write(|catalog| catalog.add_line(repair_line(repair))),
            Event::Asset(facts) => self.write(|catalog| catalog.add_line(asset_line(facts))),
            Event::Picture(picture) => self.write(|catalog| catalog.add_line(picture_line(picture))),
            _ => {}
        }
        self.sink.send(event);
    }

    fn wants_items(&self) -> bool {
        self.sink.wants_items()
    }

    fn wants_page(&self) -> bool {
        self.sink.wants_page()
    }
}

/// How a run's end is told.
pub fn outcome(result: &Result<RunEnd, RunError>) -> Outcome {
    match result {
        Ok(end) => match end.stopped_by {
            StoppedBy::Nothing => Outcome::Complete,
            StoppedBy::TimeLimit => Outcome::TimeLimit,
            StoppedBy::ByteLimit => Outcome::ByteLimit,
            StoppedBy::Signal => Outcome::Cancelled,
        },
        Err(error) if error.kind == RunErrorKind::Usage => Outcome::Refused(error.message.clone()),
        Err(error) => Outcome::Failed(error.message.clone()),
    }
}

fn unrecorded(error: &CatalogError) -> Event {
    Event::Note(format!("photofsck report will not know all of this run: {error}"))
}

fn start(run: &RunInfo) -> RunStart {
    RunStart {
        run_id: run.run_id.clone(),
        started_at: run.started_at.clone(),
        command: run.command.clone(),
        header: ndjson::to_text(&ndjson::RunLine(run)),
    }
}

fn finding_line(finding: &Finding) -> RunLine {
    RunLine {
        kind: LineKind::Finding,
        code: finding.code.to_string(),
        severity: finding.severity.to_string(),
        path: finding.path.clone(),
        text: ndjson::to_text(&FindingLine(finding)),
    }
}

fn repair_line(repair: &RepairEvent) -> RunLine {
    RunLine {
        kind: LineKind::Repair,
        code: repair.action.to_string(),
        severity: repair.status.to_string(),
        path: Some(repair.path.clone()),
        text: ndjson::to_text(&RepairLine(repair)),
    }
}

fn asset_line(facts: &AssetFacts) -> RunLine {
    RunLine {
        kind: LineKind::Asset,
        code: String::new(),
        severity: String::new(),
        path: None,
        text: ndjson::to_text(&AssetLine(facts)),
    }
}

fn picture_line(picture: &SmallPicture) -> RunLine {
    RunLine {
        kind: LineKind::Picture,
        code: picture.role.to_string(),
        severity: picture.shows.as_str().to_owned(),
        path: None,
        text: ndjson::to_text(&PictureLine(picture)),
    }
}
