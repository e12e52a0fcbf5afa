//! `doctor`: why pictures do not show, asked step by step in the order in which an administrator looks.
//!
//! Each step is a file of its own: a small probe gathers facts, a pure function turns them into an [`Answer`]. What needs
//! something that is not there (a socket, a key, records) says so and is no problem. Nothing is written anywhere.
//! Every step runs in a thread of its own with a deadline, so that a mount that hangs costs one answer and not the run.

mod backups;
mod case;
mod compose;
mod containers;
mod database;
mod docker;
mod formats;
mod jobs;
mod location;
mod logs;
mod machine;
mod messages;
mod mounts;
mod opinion;
pub mod page;
mod permissions;
mod proxy;
mod records;
mod sample;
mod server;
mod space;
mod symptom;
#[cfg(test)]
mod testing;
mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use case::Case;

use crate::engine::ground::deadline;
use crate::engine::{Cancel, Db, MapRule};
use crate::immich::compose::Secret;
use crate::immich::register::ApiAddress;
use crate::report::ndjson::{Answer, AnswerStatus};

/// What is examined. Everything is optional; what is not given is looked for, or not answered.
#[derive(Clone, Debug, Default)]
pub struct DoctorConfig {
    /// The media location on this host.
    pub media: Option<PathBuf>,
    /// The folder of the compose file.
    pub compose: Option<PathBuf>,
    /// Where the records come from.
    pub db: Db,
    /// `--map`
    pub map: Vec<MapRule>,
    /// Sockets that Docker or Podman may listen at, the first that is there is asked.
    pub sockets: Vec<PathBuf>,
    /// Immich's own address.
    pub api: Option<ApiAddress>,
    /// A key for it.
    pub key: Option<Secret>,
    /// The address that people use, through the reverse proxy.
    pub public: Option<ApiAddress>,
}

/// One step of the examination.
#[derive(Clone, Copy)]
pub struct Step {
    /// Its name in answers.
    pub name: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// What it looks at.
    pub looks_at: &'static str,
    /// What it needs beside the media location.
    pub needs: &'static str,
    /// Of several problems the one with the smallest number is mended first: it may be the cause of the others.
    rank: u8,
    answer: fn(&Case) -> Answer,
    patience: Duration,
}

const fn step(
    name: &'static str,
    rank: u8,
    answer: fn(&Case) -> Answer,
    [asks, looks_at, needs]: [&'static str; 3],
) -> Step {
    Step { name, asks, looks_at, needs, rank, answer, patience: Duration::from_mins(1) }
}

/// Waits for servers, which have deadlines of their own.
const fn patient(step: Step) -> Step {
    Step { patience: Duration::from_mins(3), ..step }
}

/// Reads a whole dump, walks a part of the library, or asks many things of two servers.
const fn slow(step: Step) -> Step {
    Step { patience: Duration::from_mins(10), ..step }
}

/// All steps in the order in which they are told.
pub const STEPS: [Step; 16] = [
    step("symptom", 90, symptom::answer, symptom::WHAT),
    step("containers", 30, containers::answer, containers::WHAT),
    step("logs", 60, logs::answer, logs::WHAT),
    step("compose", 50, compose::answer, compose::WHAT),
    step("mounts", 0, mounts::answer, mounts::WHAT),
    step("location", 10, location::answer, location::WHAT),
    step("permissions", 40, permissions::answer, permissions::WHAT),
    step("space", 20, space::answer, space::WHAT),
    step("machine", 45, machine::answer, machine::WHAT),
    step("database", 25, database::answer, database::WHAT),
    step("records", 55, records::answer, records::WHAT),
    patient(step("server", 35, server::answer, server::WHAT)),
    patient(step("jobs", 70, jobs::answer, jobs::WHAT)),
    slow(step("proxy", 65, proxy::answer, proxy::WHAT)),
    slow(step("backups", 95, backups::answer, backups::WHAT)),
    slow(step("formats", 99, formats::answer, formats::WHAT)),
];

/// Goes through all steps; each answer is told as soon as it is there. Ends early, with what is known, when cancelled.
pub fn examine(case: &Arc<Case>, cancel: &Cancel, tell: &mut dyn FnMut(&Answer)) -> Vec<Answer> {
    let mut answers = Vec::new();
    for step in STEPS {
        let own = Arc::clone(case);
        let answer = deadline::within(step.patience, cancel, move || (step.answer)(&own));
        if cancel.is_requested() {
            break;
        }
        let answer = answer.unwrap_or_else(|late| opinion::cannot_tell(step.name, late.to_string()));
        tell(&answer);
        answers.push(answer);
    }
    answers
}

/// The problem to mend first.
pub fn first(answers: &[Answer]) -> Option<&Answer> {
    let rank = |answer: &&Answer| STEPS.iter().find(|step| step.name == answer.step).map(|step| step.rank);
    answers.iter().filter(|answer| answer.status == AnswerStatus::Problem).min_by_key(rank)
}
