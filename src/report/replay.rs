//! A run told again from its NDJSON lines.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::collect::Collected;
use super::html::{Gathered, History, Sheet};
use super::reporter::width;
use super::summary::{Outcome, Policy, Scope, Summary};
use super::text::Page;
use super::{Baseline, Verbosity};
use crate::model::{
    Event, Evidence, Finding, MapEntry, RecordsInfo, RepairEvent, RunInfo, SkipReason, Verdict,
};

/// A run that is read back line by line, and then shown as it was.
#[derive(Default)]
pub struct Replay {
    summary: Summary,
    collected: Collected,
    gathered: Gathered,
    /// Findings, one text line each, where every one is wanted.
    pub listed: Vec<String>,
    verbosity: Verbosity,
    ended: bool,
}

impl Replay {
    /// Nothing read yet. With a baseline, findings that it knows are told apart.
    pub fn new(verbosity: Verbosity, baseline: Option<Baseline>) -> Self {
        let policy = Policy { baseline, ..Policy::default() };
        let scope = Scope { repairing: true, ..Scope::default() };
        Self { summary: Summary::new(policy, scope), verbosity, ..Self::default() }
    }

    /// Takes one line and gives the finding in it, if it is one. Lines of other types are passed over.
    ///
    /// # Errors
    /// The line is not what `--json` writes.
    pub fn line(&mut self, text: &str) -> Result<Option<Finding>, String> {
        let value: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("not a line of a report: {error}"))?;
        let event = match value.get("type").and_then(Value::as_str) {
            Some("run") => Event::Run(run(&value)),
            Some("finding") => Event::Finding(Box::new(finding(&value)?)),
            Some("repair") => Event::Repair(repair(&value)?),
            Some("asset") => Event::Asset(whole(value)?),
            Some("picture") => Event::Picture(whole(value)?),
            Some("summary") => {
                self.restore(&value);
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let known = matches!(&event, Event::Finding(finding) if self.summary.is_known(finding));
        self.summary.take(&event);
        self.collected.take(&event, known);
        self.gathered.take(&event, known);
        let Event::Finding(finding) = event else { return Ok(None) };
        if self.verbosity == Verbosity::Verbose {
            self.listed.push(super::text::finding_line(&finding));
        }
        Ok(Some(*finding))
    }

    /// The counts that no single line tells.
    fn restore(&mut self, value: &Map<String, Value>) {
        let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
        let flag = |key: &str, default| value.get(key).and_then(Value::as_bool).unwrap_or(default);
        let tally = &mut self.summary.tally;
        tally.walked = number("walked");
        tally.checked = number("checked");
        tally.errors = number("errors");
        tally.bytes_read = number("bytes_read");
        tally.verdicts = field(value, "verdicts").unwrap_or_default();
        let reasons: BTreeMap<String, u64> = field(value, "skipped_reasons").unwrap_or_default();
        for reason in SkipReason::ALL {
            if let Some(&count) = reasons.get(reason.as_str()) {
                tally.skipped.insert(reason, count);
            }
        }
        self.summary.checked_by_role = by_verdict(value, "roles");
        self.summary.formats = by_verdict(value, "formats");
        self.summary.scope.quick = flag("quick", false);
        self.summary.scope.originals = flag("originals", true);
        self.summary.seconds = value.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
        self.summary.comparison = field(value, "comparison");
        self.summary.coverage_days = value.get("coverage_days").and_then(Value::as_u64);
        let error = || text(value, "error");
        self.summary.outcome = match value.get("ended").and_then(Value::as_str) {
            Some("time-limit") => Outcome::TimeLimit,
            Some("byte-limit") => Outcome::ByteLimit,
            Some("cancelled") => Outcome::Cancelled,
            Some("failed") => Outcome::Failed(error()),
            Some("refused") => Outcome::Refused(error()),
            _ => Outcome::Complete,
        };
        self.ended = true;
    }

    /// Ends the reading.
    pub fn close(&mut self) {
        if !self.ended {
            self.summary.outcome = Outcome::Open;
            self.ended = true;
        }
    }

    /// The page, as at the end of the run. `state`: the catalog, if it is not at its usual place.
    pub fn sheet(&self, history: &History, state: Option<&Path>) -> String {
        Sheet {
            summary: &self.summary,
            collected: &self.collected,
            gathered: &self.gathered,
            history,
            command: &self.collected.run.command,
            state,
            now: jiff::Timestamp::now(),
        }
        .render()
    }

    /// The text for people, as at the end of the run.
    pub fn page(&self) -> String {
        let page = Page {
            summary: &self.summary,
            collected: &self.collected,
            command: &self.collected.run.command,
            verbosity: self.verbosity,
            files: Vec::new(),
            again: None,
            width: width(),
            now: jiff::Timestamp::now(),
        };
        let mut out = self.listed.iter().fold(String::new(), |out, line| out + line + "\n");
        out.push_str(&page.render());
        out
    }
}

/// A line that is one value.
fn whole<T: DeserializeOwned>(value: Map<String, Value>) -> Result<Box<T>, String> {
    serde_json::from_value(Value::Object(value))
        .map(Box::new)
        .map_err(|error| format!("not a line of a report: {error}"))
}

/// Counts by kind and verdict.
fn by_verdict<K: DeserializeOwned + Ord + Copy>(
    value: &Map<String, Value>,
    key: &str,
) -> BTreeMap<(K, Option<Verdict>), u64> {
    let kinds: BTreeMap<K, BTreeMap<String, u64>> = field(value, key).unwrap_or_default();
    let verdict = |word: &str| Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == word);
    let counts =
        kinds.into_iter().flat_map(|(kind, counts)| counts.into_iter().map(move |count| (kind, count)));
    counts.map(|(kind, (word, count))| ((kind, verdict(&word)), count)).collect()
}

fn field<T: DeserializeOwned>(value: &Map<String, Value>, key: &str) -> Option<T> {
    T::deserialize(value.get(key)?).ok()
}

fn text(value: &Map<String, Value>, key: &str) -> String {
    field(value, key).unwrap_or_default()
}

/// A path from its lossless form where there is one.
fn path(value: &Map<String, Value>, key: &str) -> Option<PathBuf> {
    if let Some(bytes) = field::<String>(value, &format!("{key}_bytes"))
        && let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(bytes)
    {
        return Some(PathBuf::from(OsStr::from_bytes(&bytes)));
    }
    field::<String>(value, key).map(PathBuf::from)
}

fn run(value: &Map<String, Value>) -> RunInfo {
    let records = value.get("records").and_then(Value::as_object).map(|records| RecordsInfo {
        source: text(records, "source"),
        era: text(records, "era"),
        assets: field(records, "assets").unwrap_or(0),
        as_of: field(records, "as_of"),
    });
    let entry = |entry: &Value| {
        let entry = entry.as_object()?;
        Some(MapEntry {
            container: path(entry, "container")?,
            host: path(entry, "host")?,
            guessed: field(entry, "guessed").unwrap_or(false),
        })
    };
    let map = value.get("map").and_then(Value::as_array);
    RunInfo {
        run_id: text(value, "run_id"),
        started_at: text(value, "started_at"),
        command: text(value, "command"),
        media: path(value, "media"),
        records,
        map: map.into_iter().flatten().filter_map(entry).collect(),
        notes: field(value, "notes").unwrap_or_default(),
        idle: field(value, "idle").unwrap_or(false),
    }
}

fn finding(value: &Map<String, Value>) -> Result<Finding, String> {
    let code = field(value, "code").ok_or("a finding without a code that this version knows")?;
    Ok(Finding {
        severity: field(value, "severity").ok_or("a finding without severity")?,
        path: path(value, "path"),
        record_path: path(value, "record_path"),
        asset: field(value, "asset"),
        evidence: field::<Evidence>(value, "evidence").unwrap_or_default(),
        advice: text(value, "advice"),
        ..Finding::new(code)
    })
}

fn repair(value: &Map<String, Value>) -> Result<RepairEvent, String> {
    let lacking = |what: &str| format!("a repair without {what} that this version knows");
    Ok(RepairEvent {
        action: field(value, "action").ok_or_else(|| lacking("an action"))?,
        role: field(value, "role").ok_or_else(|| lacking("a role"))?,
        path: path(value, "path").ok_or_else(|| lacking("a path"))?,
        asset: field(value, "asset"),
        status: field(value, "status").ok_or_else(|| lacking("a status"))?,
        reason: text(value, "reason"),
        bytes: field(value, "bytes"),
    })
}
