//! One JSON object a line, for scripts. Fields are only ever added.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::summary::Summary;
use crate::model::{
    AssetFacts, Finding, ItemReport, MapEntry, PathText, RecordsInfo, RepairEvent, RunInfo, SmallPicture,
    Verdict,
};

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output; everything for people then goes to standard error.
    Stdout,
    /// A file, written anew.
    File(PathBuf),
}

impl Target {
    fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::File(path) => crate::model::display_path(path),
        }
    }
}

/// Lines are kept back until there are so many bytes of them, or the oldest is [`PATIENCE`] old.
const BUFFER: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_millis(500);

/// Writes whole lines only, so that what is there is readable whenever the run is killed.
pub struct Ndjson {
    target: Target,
    out: Box<dyn Write + Send>,
    buffer: Vec<u8>,
    flushed: Instant,
    /// The first error; nothing is written after it.
    broken: Option<io::Error>,
}

impl Ndjson {
    /// Opens the target before the run begins, so that a wrong path is told at once.
    ///
    /// # Errors
    /// The file cannot be made; the message names it.
    pub fn open(target: Target) -> Result<Self, String> {
        let out: Box<dyn Write + Send> = match &target {
            Target::Stdout => Box::new(io::stdout()),
            Target::File(path) => Box::new(
                File::create(path).map_err(|error| format!("--json {}: {error}", target_name(path)))?,
            ),
        };
        Ok(Self::to(target, out))
    }

    /// Writes to `out` what is called `target`.
    pub fn to(target: Target, out: Box<dyn Write + Send>) -> Self {
        Self { target, out, buffer: Vec::with_capacity(BUFFER), flushed: Instant::now(), broken: None }
    }

    /// Adds one line.
    pub fn line(&mut self, line: &impl Serialize) {
        if self.broken.is_some() {
            return;
        }
        let start = self.buffer.len();
        if let Err(error) = serde_json::to_writer(&mut self.buffer, line) {
            self.buffer.truncate(start);
            self.broken = Some(error.into());
            return;
        }
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER {
            self.flush();
        } else {
            self.flush_old();
        }
    }

    /// Writes what has waited long enough.
    pub fn flush_old(&mut self) {
        if self.flushed.elapsed() >= PATIENCE {
            self.flush();
        }
    }

    /// Writes everything.
    pub fn flush(&mut self) {
        self.flushed = Instant::now();
        if self.broken.is_some() || self.buffer.is_empty() {
            return;
        }
        if let Err(error) = self.out.write_all(&self.buffer).and_then(|()| self.out.flush()) {
            self.broken = Some(error);
        }
        self.buffer.clear();
    }

    /// What went wrong, once: a message, and whether it is only a reader that has gone away.
    pub fn error(&self) -> Option<(String, bool)> {
        let error = self.broken.as_ref()?;
        let gone = error.kind() == ErrorKind::BrokenPipe;
        let rest = if gone {
            "its reader has gone; the run went on without it"
        } else {
            "the report is not complete"
        };
        Some((format!("--json to {}: {error}: {rest}", self.target.name()), gone))
    }
}

fn target_name(path: &Path) -> String {
    crate::model::display_path(path)
}

fn optional_path<M: SerializeMap>(key: &str, path: Option<&PathBuf>, map: &mut M) -> Result<(), M::Error> {
    match path {
        Some(path) => PathText(path).serialize_into(key, map),
        None => map.serialize_entry(key, &()),
    }
}

/// Empty text is `null`: there is nothing to say.
fn text<M: SerializeMap>(key: &str, value: &str, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry(key, &(!value.is_empty()).then_some(value))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A `run` line.
pub struct RunLine<'a>(pub &'a RunInfo);

impl Serialize for RunLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let run = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "run")?;
        map.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        map.serialize_entry("run_id", &run.run_id)?;
        map.serialize_entry("started_at", &run.started_at)?;
        map.serialize_entry("command", &run.command)?;
        optional_path("media", run.media.as_ref(), &mut map)?;
        map.serialize_entry("records", &run.records.as_ref().map(Records))?;
        map.serialize_entry("map", &run.map.iter().map(Rule).collect::<Vec<_>>())?;
        map.serialize_entry("notes", &run.notes)?;
        if run.idle {
            map.serialize_entry("idle", &true)?;
        }
        map.end()
    }
}

struct Records<'a>(&'a RecordsInfo);

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("source", &self.0.source)?;
        text("era", &self.0.era, &mut map)?;
        map.serialize_entry("assets", &self.0.assets)?;
        map.serialize_entry("as_of", &self.0.as_of)?;
        map.end()
    }
}

struct Rule<'a>(&'a MapEntry);

impl Serialize for Rule<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        PathText(&self.0.container).serialize_into("container", &mut map)?;
        PathText(&self.0.host).serialize_into("host", &mut map)?;
        map.serialize_entry("guessed", &self.0.guessed)?;
        map.end()
    }
}

/// An `item` line.
pub struct ItemLine<'a> {
    /// What it tells.
    pub item: &'a ItemReport,
    /// Whether it has the fields that only `render` knows.
    pub rendered: bool,
}

impl Serialize for ItemLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let item = self.item;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "item")?;
        PathText(&item.path).serialize_into("path", &mut map)?;
        map.serialize_entry("role", &item.role)?;
        map.serialize_entry("format", &item.format)?;
        map.serialize_entry("verdict", &item.verdict)?;
        text("reason", &item.reason, &mut map)?;
        map.serialize_entry("codes", &item.codes)?;
        if !item.hints.is_empty() {
            map.serialize_entry("hints", &item.hints)?;
        }
        map.serialize_entry("width", &item.size.map(|size| size.width))?;
        map.serialize_entry("height", &item.size.map(|size| size.height))?;
        map.serialize_entry("bytes", &item.bytes)?;
        map.serialize_entry("sha1", &item.sha1.map(|hash| hex(&hash)))?;
        map.serialize_entry("blake3", &item.blake3.map(|hash| hex(&hash)))?;
        map.serialize_entry("ms", &item.ms)?;
        if self.rendered {
            optional_path("preview", item.preview.as_ref(), &mut map)?;
            optional_path("thumbnail", item.thumbnail.as_ref(), &mut map)?;
            if item.fullsize.is_some() {
                optional_path("fullsize", item.fullsize.as_ref(), &mut map)?;
            }
            let thumbhash =
                item.thumbhash.as_ref().map(|hash| base64::engine::general_purpose::STANDARD.encode(hash));
            map.serialize_entry("thumbhash", &thumbhash)?;
        }
        map.end()
    }
}

/// A `finding` line.
pub struct FindingLine<'a>(pub &'a Finding);

impl Serialize for FindingLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let finding = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "finding")?;
        map.serialize_entry("code", &finding.code)?;
        map.serialize_entry("severity", &finding.severity)?;
        map.serialize_entry("role", &finding.code.role())?;
        optional_path("path", finding.path.as_ref(), &mut map)?;
        optional_path("record_path", finding.record_path.as_ref(), &mut map)?;
        map.serialize_entry("asset", &finding.asset)?;
        map.serialize_entry("evidence", &finding.evidence)?;
        map.serialize_entry("advice", &finding.advice)?;
        map.end()
    }
}

/// A `repair` line.
pub struct RepairLine<'a>(pub &'a RepairEvent);

impl Serialize for RepairLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let repair = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "repair")?;
        map.serialize_entry("action", &repair.action)?;
        map.serialize_entry("role", &repair.role)?;
        PathText(&repair.path).serialize_into("path", &mut map)?;
        map.serialize_entry("asset", &repair.asset)?;
        map.serialize_entry("status", &repair.status)?;
        text("reason", &repair.reason, &mut map)?;
        map.serialize_entry("bytes", &repair.bytes)?;
        map.end()
    }
}

/// A `summary` line: the last one.
pub struct SummaryLine<'a>(pub &'a Summary);

impl Serialize for SummaryLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Summary { tally, seconds, .. } = self.0;
        let words = |reason: &crate::model::SkipReason| reason.as_str();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "summary")?;
        map.serialize_entry("walked", &tally.walked)?;
        map.serialize_entry("checked", &tally.checked)?;
        map.serialize_entry("skipped", &self.0.skipped())?;
        map.serialize_entry("errors", &tally.errors)?;
        map.serialize_entry("bytes_read", &tally.bytes_read)?;
        map.serialize_entry("verdicts", &tally.verdicts)?;
        map.serialize_entry("findings", &tally.findings)?;
        map.serialize_entry("repairs", &tally.repairs)?;
        map.serialize_entry("seconds", &((seconds * 1000.0).round() / 1000.0))?;
        map.serialize_entry("complete", &self.0.complete())?;
        map.serialize_entry("exit", &self.0.exit().code())?;
        let reasons: Map<String, Value> =
            tally.skipped.iter().map(|(reason, count)| (words(reason).to_owned(), (*count).into())).collect();
        map.serialize_entry("skipped_reasons", &reasons)?;
        let roles = self.0.checked_by_role.iter();
        let roles = by_verdict(roles.map(|(&(role, verdict), &number)| (role.as_str(), verdict, number)));
        map.serialize_entry("roles", &roles)?;
        let formats = self.0.formats.iter();
        let formats =
            by_verdict(formats.map(|(&(format, verdict), &number)| (format.as_str(), verdict, number)));
        map.serialize_entry("formats", &formats)?;
        map.serialize_entry("quick", &self.0.scope.quick)?;
        map.serialize_entry("originals", &self.0.scope.originals)?;
        if self.0.idle {
            map.serialize_entry("idle", &true)?;
        }
        map.serialize_entry("ended", self.0.outcome.as_str())?;
        map.serialize_entry("error", &self.0.failure())?;
        map.serialize_entry("coverage_days", &self.0.coverage_days)?;
        if let Some(comparison) = &self.0.comparison {
            map.serialize_entry("comparison", comparison)?;
        }
        map.end()
    }
}

/// Files looked at, by kind and verdict; `null` as a verdict is written `present`.
fn by_verdict<'a>(counts: impl Iterator<Item = (&'a str, Option<Verdict>, u64)>) -> Map<String, Value> {
    let mut kinds = Map::new();
    for (kind, verdict, number) in counts {
        let verdicts = kinds.entry(kind).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(verdicts) = verdicts {
            verdicts.insert(verdict.map_or("present", Verdict::as_str).to_owned(), number.into());
        }
    }
    kinds
}

/// What people know an asset by, in the record of a run.
pub struct AssetLine<'a>(pub &'a AssetFacts);

/// A small picture, in the record of a run.
pub struct PictureLine<'a>(pub &'a SmallPicture);

/// A value with its type before it.
#[derive(Serialize)]
struct Typed<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    value: &'a T,
}

impl Serialize for AssetLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Typed { kind: "asset", value: self.0 }.serialize(serializer)
    }
}

impl Serialize for PictureLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Typed { kind: "picture", value: self.0 }.serialize(serializer)
    }
}

/// One line without its newline, for the record of a run.
pub fn to_text(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

/// Whether a step of `doctor` found a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerStatus {
    /// Nothing wrong here.
    Ok,
    /// Something wrong, with its remedy.
    Problem,
    /// Could not be found out, with the reason.
    CannotTell,
}

/// An `answer` line of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "answer")]
pub struct Answer {
    /// Which step.
    pub step: String,
    /// Its answer.
    pub status: AnswerStatus,
    /// What was seen.
    pub evidence: String,
    /// What to do; empty when there is nothing to do.
    pub remedy: String,
}
