//! The summary for people: the verdict first, then what is wrong, errors before everything else, then how it is known.

use std::cmp::Reverse;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde_json::Value;

use super::collect::{Collected, Group, RepairGroup, RepairKind};
use super::summary::Summary;
use super::verdict::{Headline, Mood, headline};
use super::words::{age, bytes, count, counted, counted_files, duration, wrap};
use super::{Verbosity, advice};
use crate::model::{Code, Finding, RepairAction, RepairStatus, Severity, SkipReason, display_path};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();

/// Evidence that is worth its place beside a sentence that says what was seen; `-v` shows the rest.
const TELLING: [&str; 5] = ["as_recorded", "by", "damaged_part", "errno", "offset"];

/// Column where the values of the last block begin.
const LABEL: usize = 13;

/// Everything the text is made from.
pub struct Page<'a> {
    /// The counts.
    pub summary: &'a Summary,
    /// Examples and notes.
    pub collected: &'a Collected,
    /// `check`, `repair`, `verify` or `render`.
    pub command: &'a str,
    /// How much is wanted.
    pub verbosity: Verbosity,
    /// Files that hold more, with what they are.
    pub files: Vec<(&'static str, String)>,
    /// The command that shows runs again, where that is worth telling.
    pub again: Option<String>,
    /// Columns of the terminal.
    pub width: usize,
    /// The moment from which ages are told.
    pub now: Timestamp,
}

impl Page<'_> {
    /// The whole text, with ANSI styles; the stream it is printed to takes them out where they do not belong.
    pub fn render(&self) -> String {
        let head = headline(self.summary, &self.collected.run, self.command);
        let mut out = String::new();
        self.head(&mut out, &head);
        let quiet = self.verbosity == Verbosity::Quiet;
        for (&(Reverse(severity), code), group) in &self.collected.findings {
            if !quiet || severity == Severity::Error {
                self.group(&mut out, severity, code, group);
            }
        }
        if !quiet {
            self.repairs(&mut out);
            self.foot(&mut out);
        }
        out
    }

    fn head(&self, out: &mut String, head: &Headline) {
        let style = match head.mood {
            Mood::Good => GREEN,
            Mood::Uneasy => YELLOW,
            Mood::Bad => RED,
        };
        let _ = writeln!(out, "{style}{}{style:#}", head.first);
        for line in &head.rest {
            let _ = writeln!(out, "{}", wrap(line, self.width, 0));
        }
    }

    fn group(&self, out: &mut String, severity: Severity, code: Code, group: &Group) {
        let style = match severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
            Severity::Info => BOLD,
        };
        let standing = self.summary.standing(severity, code).min(group.count);
        let resolved = group.count - standing;
        let mut notes = String::new();
        if resolved > 0 {
            let _ = write!(
                notes,
                ", {} repaired",
                if resolved == group.count { "all".to_owned() } else { count(resolved) }
            );
        }
        if self.summary.has_baseline() {
            let _ = write!(notes, ", {} new", count(group.new));
        }
        let meaning = advice::meaning(code);
        let line = format!("{} {}{notes}: {meaning}", count(group.count), files_or_times(code, group.count));
        let _ = writeln!(
            out,
            "\n{style}{severity}{style:#} {BOLD}{code}{BOLD:#}  {}",
            wrap(&line, self.width, 4)
        );
        if standing == 0 {
            return;
        }
        if self.verbosity == Verbosity::Verbose {
            let _ = writeln!(out, "    {DIM}each is listed above{DIM:#}");
        } else {
            for example in &group.examples {
                self.example(out, example);
            }
            let more = standing.saturating_sub(group.examples.len() as u64);
            if more > 0 {
                let _ = writeln!(out, "    {DIM}and {} more; -v lists every one{DIM:#}", count(more));
            }
        }
        for advice in group_advice(code, group) {
            let _ = writeln!(out, "    -> {}", wrap(advice, self.width, 7));
        }
    }

    fn example(&self, out: &mut String, finding: &Finding) {
        if let Some(name) = finding_name(finding) {
            let _ = writeln!(out, "    {name}");
        }
        let seen = evidence(finding, false);
        if !seen.is_empty() {
            let _ = writeln!(out, "      {DIM}{}{DIM:#}", wrap(&seen, self.width, 6));
        }
    }

    fn repairs(&self, out: &mut String) {
        if self.collected.repairs.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n{BOLD}Repairs{BOLD:#}");
        for (kind, group) in &self.collected.repairs {
            let style = match kind.status {
                RepairStatus::Done => GREEN,
                RepairStatus::Failed => RED,
                RepairStatus::Planned | RepairStatus::Skipped => YELLOW,
            };
            let _ = writeln!(
                out,
                "    {style}{}{style:#} {}",
                kind.status,
                wrap(&repair_words(kind, group), self.width, 4)
            );
            let named = kind.status == RepairStatus::Failed || kind.moves();
            if named || self.verbosity == Verbosity::Verbose {
                for (path, how) in &group.examples {
                    let _ = writeln!(out, "      {}", display_path(path));
                    if !how.is_empty() {
                        let how = display_path(std::path::Path::new(how));
                        let _ = writeln!(out, "        {DIM}{}{DIM:#}", wrap(&how, self.width, 8));
                    }
                }
                let more = group.count.saturating_sub(group.examples.len() as u64);
                if more > 0 && kind.moves() {
                    let _ =
                        writeln!(out, "      {DIM}and {} more; --json lists every one{DIM:#}", count(more));
                }
            }
        }
    }

    fn foot(&self, out: &mut String) {
        out.push('\n');
        let skipped = self
            .summary
            .tally
            .skipped
            .iter()
            .filter(|(_, number)| **number > 0)
            .map(|(&reason, &number)| format!("{} {}", count(number), skip_words(reason)))
            .collect::<Vec<_>>()
            .join("; ");
        self.label(out, "Not looked at", &skipped);
        let tally = &self.summary.tally;
        self.label(
            out,
            "Accounting",
            &format!(
                "{} walked = {} checked + {} skipped + {} errors",
                count(tally.walked),
                count(tally.checked),
                count(self.summary.skipped()),
                count(tally.errors)
            ),
        );
        if let Some(days) = self.summary.coverage_days {
            let within = counted(days, "day", "days");
            self.label(out, "Coverage", &format!("every byte is read again within {within} at this pace"));
        }
        let run = &self.collected.run;
        if let Some(media) = &run.media {
            self.label(out, "Media", &display_path(media));
        }
        self.records(out);
        for entry in &run.map {
            let guessed = if entry.guessed { " (guessed)" } else { "" };
            self.label(
                out,
                "Path map",
                &format!("{} = {}{guessed}", display_path(&entry.container), display_path(&entry.host)),
            );
        }
        for note in run.notes.iter().chain(&self.collected.notes) {
            self.label(out, "Note", note);
        }
        if self.collected.more_notes > 0 {
            self.label(out, "Note", &format!("and {} more notes", count(self.collected.more_notes)));
        }
        self.label(out, "Time", &self.time());
        for (name, what) in self.elsewhere() {
            self.label(out, name, &what);
        }
    }

    fn records(&self, out: &mut String) {
        let Some(records) = &self.collected.run.records else { return };
        let mut text = records.source.clone();
        if !records.era.is_empty() {
            let _ = write!(text, ", schema {}, {}", records.era, counted(records.assets, "asset", "assets"));
        }
        if let Some(moment) = &records.as_of {
            let _ = write!(text, ", as of {moment}");
            if let Some(age) = age(moment, self.now) {
                let _ = write!(text, " ({age})");
            }
        }
        self.label(out, "Records", &text);
    }

    fn time(&self) -> String {
        let seconds = self.summary.seconds;
        let read = self.summary.tally.bytes_read;
        let mut text = format!("{}, {} read", duration(seconds), bytes(read));
        if seconds >= 1.0 && read > 0 {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
            let rate = (read as f64 / seconds) as u64;
            let _ = write!(text, " ({}/s)", bytes(rate));
        }
        text
    }

    /// Where to look next.
    fn elsewhere(&self) -> Vec<(&'static str, String)> {
        let mut lines = self.files.clone();
        let run = &self.collected.run.run_id;
        if matches!(self.command, "check" | "repair")
            && !run.is_empty()
            && !self.summary.tally.findings.is_empty()
        {
            lines.extend(self.again.iter().map(|again| ("Look again", format!("{again} {run}"))));
        }
        lines
    }

    /// One line of the last block; nothing when there is nothing to say.
    fn label(&self, out: &mut String, name: &str, text: &str) {
        if !text.is_empty() {
            let _ = writeln!(out, "{DIM}{name:<LABEL$}{DIM:#} {}", wrap(text, self.width, LABEL + 1));
        }
    }
}

/// One finding on a line of its own, for `-v`.
pub fn finding_line(finding: &Finding) -> String {
    let style = match finding.severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
        Severity::Info => DIM,
    };
    let mut line = format!("{style}{}{style:#} {}", finding.severity, finding.code);
    if let Some(name) = finding_name(finding) {
        let _ = write!(line, " {name}");
    }
    let seen = evidence(finding, true);
    if !seen.is_empty() {
        let _ = write!(line, " {DIM}{seen}{DIM:#}");
    }
    line
}

/// What people know the file by: its path here, else as the records spell it, else the asset.
fn finding_name(finding: &Finding) -> Option<String> {
    match (&finding.path, &finding.record_path, &finding.asset) {
        (Some(path), ..) => Some(display_path(path)),
        (None, Some(path), _) => Some(format!("{} (as the records spell it)", display_path(path))),
        (None, None, Some(asset)) => Some(format!("asset {asset}")),
        _ => None,
    }
}

/// Evidence in words: what was seen first, then the other values by name. Long hashes only when asked for.
pub(super) fn evidence(finding: &Finding, all: bool) -> String {
    let mut parts = Vec::new();
    let told = finding.evidence.get("seen");
    parts.extend(told.map(plain));
    for (key, value) in &finding.evidence.0 {
        match (key.as_str(), value) {
            ("registered", Value::Bool(true)) if !all => continue,
            ("registered", Value::Bool(false)) => {
                parts.push("the records name none".to_owned());
                continue;
            }
            ("at_path", Value::String(there)) if there == "nothing" => continue,
            ("at_path", there) => {
                parts.push(format!("in its place is {}", plain(there)));
                continue;
            }
            _ => {}
        }
        let hash = key.contains("sha1") || key.contains("blake3");
        let telling = told.is_none() || TELLING.contains(&key.as_str());
        if key != "seen" && (all || (telling && !hash)) {
            let key = key.replace('_', " ");
            parts.push(match value {
                Value::Bool(true) => key,
                Value::Bool(false) => format!("{key}: no"),
                value => format!("{key} {}", plain(value)),
            });
        }
    }
    parts.join(", ")
}

/// A value without JSON's quotes, defused like a path: evidence may quote the file's own bytes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => display_path(std::path::Path::new(text)),
        other => other.to_string(),
    }
}

/// The advice of the examples, each once; the code's own where they have none.
fn group_advice(code: Code, group: &Group) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    for example in &group.examples {
        let text = if example.advice.is_empty() { advice::what_to_do(code) } else { example.advice.as_str() };
        if !text.is_empty() && !lines.contains(&text) {
            lines.push(text);
        }
    }
    lines
}

const fn files_or_times(code: Code, number: u64) -> &'static str {
    match (code, number) {
        (Code::File(..), 1) => "file",
        (Code::File(..), _) => "files",
        (Code::Run(_), 1) => "time",
        (Code::Run(_), _) => "times",
    }
}

pub(super) fn repair_words(kind: &RepairKind, group: &RepairGroup) -> String {
    let number = group.count;
    let files = || counted_files(kind.role, number);
    let plain = |one, many| counted(number, one, many);
    let (what, done) = match kind.action {
        RepairAction::Regenerate => match kind.status {
            RepairStatus::Done | RepairStatus::Planned => (files(), "made again from the original"),
            RepairStatus::Failed | RepairStatus::Skipped => (files(), "made again"),
        },
        RepairAction::ClearTemporary => {
            (plain("temporary file of an earlier run", "temporary files of earlier runs"), "removed")
        }
        RepairAction::Register => (files(), "made known to Immich"),
        RepairAction::Restore => (files(), "restored from a backup"),
        RepairAction::Relink if number == 1 => (files(), "moved to where the records name it"),
        RepairAction::Relink => (files(), "moved to where the records name them"),
        RepairAction::Quarantine => (plain("file", "files"), "moved to quarantine"),
        RepairAction::Salvage if number == 1 => (format!("{} of a lost original", files()), "copied out"),
        RepairAction::Salvage => (format!("{} of lost originals", files()), "copied out"),
        RepairAction::Undo => (plain("file", "files"), "put back"),
    };
    let mut text = match kind.status {
        RepairStatus::Done => format!("{what} {done}"),
        RepairStatus::Planned => format!("{what} to be {done}"),
        RepairStatus::Failed | RepairStatus::Skipped => format!("{what} not {done}"),
    };
    if group.bytes > 0 {
        let _ = write!(text, " ({})", bytes(group.bytes));
    }
    if !kind.reason.is_empty() {
        let _ = write!(text, ": {}", display_path(std::path::Path::new(&kind.reason)));
    }
    text
}

/// Why entries were not looked at, in words.
pub const fn skip_words(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Marker => ".immich markers",
        SkipReason::Backup => "database backups",
        SkipReason::NotAFile => "that are no regular files (sockets, devices, broken links)",
        SkipReason::NotSelected => "left out by --only",
        SkipReason::OtherShard => "of another --shard",
        SkipReason::OwnTemporary => "temporary files of photofsck",
        SkipReason::VerifiedBefore => "verified before and unchanged (--max-age)",
        SkipReason::NotReached => "not reached before the run ended",
        SkipReason::NotMedia => "that Immich would not import",
    }
}

/// An error of the program itself, as it is told on standard error.
pub fn error_line(message: &str) -> String {
    format!("{RED}photofsck:{RED:#} {message}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;

    #[test]
    fn repairs_are_told_in_plain_words() {
        use RepairAction::{
            ClearTemporary, Quarantine, Regenerate, Register, Relink, Restore, Salvage, Undo,
        };
        use RepairStatus::{Done, Failed, Planned, Skipped};
        for (action, role, status, number, words) in [
            (Regenerate, Role::Person, Done, 1, "1 face picture made again from the original"),
            (Regenerate, Role::Person, Planned, 2, "2 face pictures to be made again from the original"),
            (Regenerate, Role::Fullsize, Failed, 1, "1 full-size picture not made again"),
            (Register, Role::Thumbnail, Skipped, 1200, "1,200 thumbnails not made known to Immich"),
            (Restore, Role::Original, Done, 3, "3 originals restored from a backup"),
            (Relink, Role::Original, Done, 2, "2 originals moved to where the records name them"),
            (Salvage, Role::Preview, Done, 2, "2 previews of lost originals copied out"),
            (Quarantine, Role::Unknown, Planned, 1, "1 file to be moved to quarantine"),
            (ClearTemporary, Role::Unknown, Done, 1, "1 temporary file of an earlier run removed"),
            (Undo, Role::Original, Failed, 2, "2 files not put back"),
        ] {
            let kind = RepairKind { status, action, role, reason: String::new() };
            let group = RepairGroup { count: number, ..RepairGroup::default() };
            assert_eq!(repair_words(&kind, &group), words);
        }
    }
}
