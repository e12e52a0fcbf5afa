//! Making known to Immich what a run has made: gathered from all threads, sent in batches, told one by one.
//!
//! Files are in place before they come here. What cannot be registered stays a file without a row, which the next run
//! finds and registers.

use std::sync::{Mutex, PoisonError};

use crate::immich::register::{Answer, Registrar, Request};
use crate::model::{Event, EventSink, Finding, RepairEvent, RepairStatus};

/// Where requests to Immich go.
pub struct Announcer<'a> {
    line: Mutex<Line>,
    dry_run: bool,
    sink: &'a dyn EventSink,
}

struct Line {
    registrar: Box<dyn Registrar>,
    waiting: Vec<Pending>,
}

/// A request and what to tell of it.
pub struct Pending {
    /// What is asked.
    pub request: Request,
    /// One for each file concerned; status and reason are filled in when the answer is there.
    pub events: Vec<RepairEvent>,
    /// What is wrong as long as it is not done and was not told before.
    pub otherwise: Vec<Finding>,
}

impl<'a> Announcer<'a> {
    /// Sends through `registrar`, or with `dry_run` only shows what would be sent.
    pub fn new(registrar: Box<dyn Registrar>, dry_run: bool, sink: &'a dyn EventSink) -> Self {
        Self { line: Mutex::new(Line { registrar, waiting: Vec::new() }), dry_run, sink }
    }

    /// Takes a request. Those before it may be sent now, on this thread.
    pub fn add(&self, pending: Pending) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if self.dry_run {
            let (status, reason) = match line.registrar.show(&pending.request) {
                Ok(shown) => (RepairStatus::Planned, shown),
                Err(why) => (RepairStatus::Skipped, why),
            };
            return self.tell(pending, status, &reason);
        }
        line.waiting.push(pending);
        if line.waiting.len() >= line.registrar.batch() {
            self.send(&mut line);
        }
    }

    /// Sends what still waits: files that were made are made known even when the run was asked to stop.
    pub fn finish(&self) {
        self.send(&mut self.line.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn send(&self, line: &mut Line) {
        let waiting = std::mem::take(&mut line.waiting);
        if waiting.is_empty() {
            return;
        }
        let requests: Vec<Request> = waiting.iter().map(|pending| pending.request.clone()).collect();
        let answers = line.registrar.submit(&requests);
        let none = || Answer::Failed("no answer came for it".to_owned());
        let answers = answers.into_iter().chain(std::iter::repeat_with(none));
        for (pending, answer) in waiting.into_iter().zip(answers) {
            let (status, reason) = match answer {
                Answer::Done(note) => (RepairStatus::Done, note),
                Answer::Skipped(why) => (RepairStatus::Skipped, why),
                Answer::Failed(why) => (RepairStatus::Failed, why),
            };
            self.tell(pending, status, &reason);
        }
    }

    fn tell(&self, pending: Pending, status: RepairStatus, reason: &str) {
        for (number, mut event) in pending.events.into_iter().enumerate() {
            event.status = status;
            // What would be sent is shown once for all files of one asset.
            event.reason = match (status, number) {
                (RepairStatus::Planned, 1..) => "together with the asset's other files".to_owned(),
                _ => reason.to_owned(),
            };
            self.sink.send(Event::Repair(event));
        }
        if matches!(status, RepairStatus::Failed | RepairStatus::Skipped) {
            for finding in pending.otherwise {
                self.sink.send(Event::Finding(Box::new(finding)));
            }
        }
    }
}
