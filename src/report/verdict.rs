//! The first line of a summary: what a worried person wants to know before anything else.

use std::fmt::Write as _;

use super::summary::{Outcome, Summary};
use super::words::{bytes, count, counted, counted_files, list, sentence};
use crate::model::{
    Code, Comparison, RepairAction, RepairStatus, Role, RunInfo, Severity, SkipReason, Verdict, What,
};

/// How the first line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// All is well.
    Good,
    /// Something should be looked at, nothing irreplaceable is known to be lost.
    Uneasy,
    /// Something irreplaceable is damaged or missing, or the run could not be done.
    Bad,
}

/// The first line, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    /// How it is meant.
    pub mood: Mood,
    /// One sentence.
    pub first: String,
    /// More sentences, a line each.
    pub rest: Vec<String>,
}

/// Says what a run found.
pub fn headline(summary: &Summary, run: &RunInfo, command: &str) -> Headline {
    let (mut mood, mut first, mut rest) = match command {
        "verify" => files(summary),
        "render" => pictures(summary),
        "undo" => put_back(summary),
        _ => library(summary, run, command),
    };
    if let Some((manifest, sentence)) = summary.comparison.as_ref().map(compared) {
        rest.insert(0, sentence);
        mood = worse(mood, manifest);
    }
    match &summary.outcome {
        Outcome::Complete => {}
        Outcome::TimeLimit | Outcome::ByteLimit => {
            let limit = if summary.outcome == Outcome::TimeLimit { "time limit" } else { "limit of bytes" };
            rest.push(format!(
                "Stopped at the {limit}{}; the next run goes on from here.",
                not_reached(summary)
            ));
            first = format!("So far: {first}");
        }
        Outcome::Cancelled => {
            rest.push(format!(
                "Stopped by a signal{}; what was found until then is valid.",
                not_reached(summary)
            ));
            first = format!("So far: {first}");
            mood = worse(mood, Mood::Uneasy);
        }
        Outcome::Open => {
            first = format!("The {command} has no end on record: it was killed, or is still going on.");
            rest = vec!["What it had found until then is told below.".to_owned()];
            mood = worse(mood, Mood::Uneasy);
        }
        Outcome::Failed(message) | Outcome::Refused(message) => {
            let looked = summary.tally.checked + summary.tally.errors > 0;
            let what = if looked { "finished" } else { "done" };
            let found =
                std::mem::replace(&mut first, format!("The {command} could not be {what}: {message}"));
            rest.clear();
            if looked {
                rest.push(format!("Until then: {found}"));
            } else {
                rest.push("Nothing is said about your files: they were not looked at.".to_owned());
            }
            mood = Mood::Bad;
        }
    }
    for error in &summary.report_errors {
        rest.push(sentence(error));
        mood = worse(mood, Mood::Uneasy);
    }
    if summary.has_baseline() && summary.known > 0 {
        rest.push(format!(
            "{} known from the baseline.",
            counted(summary.known, "finding is", "findings are")
        ));
    }
    Headline { mood, first, rest }
}

/// How the library differs from a manifest, in a sentence.
fn compared(told: &Comparison) -> (Mood, String) {
    let of = format!("the manifest of {}", told.made_at);
    let files = format!("{} ({})", counted(told.files, "file", "files"), bytes(told.bytes));
    let (mood, mut text) = if told.is_identical() {
        (Mood::Good, format!("Complete and identical with {of}: {files}"))
    } else {
        let parts = [
            (told.lost, "lost"),
            (told.changed, "changed"),
            (told.renamed, "under another name"),
            (told.differs, "with another owner, other permissions or as links"),
            (told.collided, "that share a file with another name"),
            (told.uncompared, "not compared: no hash of them is known"),
        ];
        let parts = parts.iter().filter(|(number, _)| *number > 0);
        let parts: Vec<_> = parts.map(|(number, what)| format!("{} {what}", count(*number))).collect();
        let (same, parts) = (count(told.identical), parts.join(", "));
        (Mood::Uneasy, format!("NOT complete and identical with {of}: of {files} {same} identical, {parts}"))
    };
    if told.added > 0 {
        let _ = write!(text, "; {} since", counted(told.added, "file added", "files added"));
    }
    (mood, format!("{text}."))
}

fn worse(one: Mood, other: Mood) -> Mood {
    if one as u8 >= other as u8 { one } else { other }
}

fn not_reached(summary: &Summary) -> String {
    match summary.tally.skipped.get(&SkipReason::NotReached) {
        Some(&number) if number > 0 => format!(" with {} still to look at", counted(number, "file", "files")),
        _ => String::new(),
    }
}

fn library(summary: &Summary, run: &RunInfo, command: &str) -> (Mood, String, Vec<String>) {
    let mut rest = Vec::new();
    let (mut mood, first) = originals(summary, run);
    rest.extend(brought_back(summary));
    let (generated_mood, sentences) = generated(summary, command);
    rest.extend(sentences);
    mood = worse(mood, generated_mood);
    let minor: Vec<String> = [Role::Sidecar, Role::Profile]
        .into_iter()
        .filter_map(|role| {
            let number = problems(summary, role);
            (number > 0).then(|| counted_files(role, number))
        })
        .collect();
    if !minor.is_empty() {
        rest.push(format!("Something is wrong with {}.", list(&minor)));
        mood = worse(mood, Mood::Uneasy);
    }
    let run_errors = summary
        .by_severity
        .iter()
        .filter(|((severity, code), _)| *severity == Severity::Error && matches!(code, Code::Run(_)))
        .map(|(_, number)| number)
        .sum::<u64>();
    if run_errors > 0 {
        rest.push("The run as a whole has a problem too: see the errors below.".to_owned());
        mood = worse(mood, Mood::Uneasy);
    }
    (mood, first, rest)
}

/// Originals that came back, and files that went.
fn brought_back(summary: &Summary) -> Option<String> {
    let number = |action| summary.done.get(&action).copied().unwrap_or(0);
    let back = number(RepairAction::Restore) + number(RepairAction::Relink);
    let saved = number(RepairAction::Salvage);
    let moved = number(RepairAction::Quarantine);
    let mut parts = Vec::new();
    if back > 0 {
        parts.push(format!("{} back in place", counted(back, "original is", "originals are")));
    }
    if saved > 0 {
        parts.push(format!("{} of lost ones copied out", counted(saved, "picture was", "pictures were")));
    }
    if moved > 0 {
        let were = counted(moved, "untracked file was", "untracked files were");
        parts.push(format!("{were} moved to quarantine"));
    }
    (!parts.is_empty()).then(|| format!("{}.", sentence(&list(&parts))))
}

/// Findings about files of a role that are problems (warning or error) and that no repair resolved.
fn problems(summary: &Summary, role: Role) -> u64 {
    What::ALL
        .into_iter()
        .flat_map(|what| {
            [Severity::Warning, Severity::Error].map(|severity| (severity, Code::File(role, what)))
        })
        .map(|(severity, code)| summary.standing(severity, code))
        .sum()
}

fn originals(summary: &Summary, run: &RunInfo) -> (Mood, String) {
    let standing = |severity, what| summary.standing(severity, Code::File(Role::Original, what));
    let missing = standing(Severity::Error, What::Missing);
    let unreadable = standing(Severity::Error, What::Unreadable);
    let changed_or_worse =
        [What::Empty, What::Truncated, What::Malformed, What::ChecksumMismatch, What::Changed]
            .into_iter()
            .map(|what| standing(Severity::Error, what))
            .sum::<u64>();
    // One damaged file may have several findings; the verdicts count each file once.
    let damaged = match summary.files(Role::Original, Verdict::Damaged) {
        0 => changed_or_worse,
        files => files.min(changed_or_worse),
    };
    let mut bad = Vec::new();
    for (number, is, are) in [
        (damaged, "is damaged", "are damaged"),
        (missing, "is missing", "are missing"),
        (unreadable, "cannot be read", "cannot be read"),
    ] {
        if number > 0 {
            let what = if bad.is_empty() { counted(number, "original", "originals") } else { count(number) };
            bad.push(format!("{what} {}", if number == 1 { is } else { are }));
        }
    }
    if !bad.is_empty() {
        return (Mood::Bad, format!("{}.", list(&bad)));
    }
    if !summary.scope.originals {
        return (Mood::Good, "Originals were not looked at: --only leaves them out.".to_owned());
    }
    let closed = summary.standing_any(What::Unreadable, [Role::Unknown]);
    if closed > 0 {
        let text = format!(
            "No original is known to be damaged, but {} could not be opened, and what is there is not known.",
            counted(closed, "file or folder", "files or folders")
        );
        return (Mood::Uneasy, text);
    }
    let unverifiable = standing(Severity::Warning, What::Unverifiable);
    if unverifiable > 0 {
        let text =
            format!("No original is known to be damaged, but {} could not be verified.", count(unverifiable));
        return (Mood::Uneasy, text);
    }
    let how = soundness(summary, run);
    let came_in_broken = [What::Empty, What::Truncated, What::Malformed]
        .map(|what| standing(Severity::Warning, what))
        .iter()
        .sum::<u64>();
    if came_in_broken > 0 {
        let text = format!(
            "No original was damaged here: {how}; {} broken and as Immich took {} in.",
            if came_in_broken == 1 { "1 is".to_owned() } else { format!("{} are", count(came_in_broken)) },
            if came_in_broken == 1 { "it" } else { "them" },
        );
        return (Mood::Uneasy, text);
    }
    match how.as_str() {
        "" if summary.idle => {
            let text = "Nothing was due, so nothing was looked at; the last run had found nothing wrong.";
            (Mood::Good, text.to_owned())
        }
        "" if summary.tally.walked == 0 => {
            (Mood::Uneasy, "There is nothing here: not one file was found.".to_owned())
        }
        "" => (Mood::Good, "No original was looked at.".to_owned()),
        how => (Mood::Good, format!("Your originals are fine: {how}.")),
    }
}

/// What makes us say that originals are fine; empty when none was looked at.
fn soundness(summary: &Summary, run: &RunInfo) -> String {
    let mut parts = Vec::new();
    let verified = summary.files(Role::Original, Verdict::Verified);
    let decodable = summary.files(Role::Original, Verdict::Decodable);
    let before = summary.tally.skipped.get(&SkipReason::VerifiedBefore).copied().unwrap_or(0);
    if verified > 0 {
        let text =
            if verified == 1 { "1 matches its recorded checksum" } else { "match their recorded checksums" };
        parts.push(if verified == 1 { text.to_owned() } else { format!("{} {text}", count(verified)) });
    }
    if decodable > 0 {
        parts.push(format!(
            "{} {} completely",
            count(decodable),
            if decodable == 1 { "decodes" } else { "decode" }
        ));
    }
    if before > 0 {
        parts.push(format!("{} verified before and unchanged", counted(before, "file was", "files were")));
    }
    let mut text = list(&parts);
    if summary.scope.quick && summary.tally.checked > 0 {
        "none is missing, empty or cut short (a quick look: contents were not decoded)".clone_into(&mut text);
    }
    let no_records = run.records.as_ref().is_none_or(|records| records.source.starts_with("none"));
    if no_records && !text.is_empty() {
        text = if summary.scope.quick {
            "none is empty or cut short (a quick look without records: missing files cannot be told)"
                .to_owned()
        } else {
            format!("{text} (without records nobody can say whether some are missing)")
        };
    }
    text
}

/// Previews and the like: what was made again, what is still wrong.
fn generated(summary: &Summary, command: &str) -> (Mood, Vec<String>) {
    const ROLES: [Role; 5] = [Role::Preview, Role::Thumbnail, Role::Fullsize, Role::Person, Role::Video];
    let mut sentences = Vec::new();
    let done = summary.repairs(RepairStatus::Done);
    let made: Vec<String> = ROLES
        .into_iter()
        .filter_map(|role| summary.made.get(&role).map(|&number| counted_files(role, number)))
        .collect();
    if !made.is_empty() {
        let verb = if summary.made.values().sum::<u64>() == 1 { "was" } else { "were" };
        sentences.push(format!("{} {verb} made again.", list(&made)));
    }
    let numbers = ROLES.map(|role| (role, problems(summary, role)));
    let total: u64 = numbers.iter().map(|(_, number)| number).sum();
    let left: Vec<String> = numbers
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(role, number)| counted_files(role, number))
        .collect();
    let planned = summary.repairs(RepairStatus::Planned);
    if left.is_empty() {
        if planned > 0 {
            sentences.push(format!(
                "{} planned; nothing was written (--dry-run).",
                counted(planned, "repair is", "repairs are")
            ));
        }
        return (Mood::Good, sentences);
    }
    let verb = if total == 1 { "is" } else { "are" };
    let next = match command {
        "check" => "; `photofsck repair` makes again what it can".to_owned(),
        _ if planned > 0 => {
            format!(
                "; {} planned, nothing was written (--dry-run)",
                counted(planned, "repair is", "repairs are")
            )
        }
        _ => "; why is told below".to_owned(),
    };
    let still = if done > 0 { " still" } else { "" };
    sentences
        .push(format!("{} {verb}{still} missing, broken or not registered{next}.", sentence(&list(&left))));
    (Mood::Uneasy, sentences)
}

/// The first line of `verify`.
fn files(summary: &Summary) -> (Mood, String, Vec<String>) {
    let number = |verdict| summary.tally.verdicts.get(&verdict).copied().unwrap_or(0);
    let damaged = number(Verdict::Damaged);
    // Not by verdicts: with --quick, every file whose contents were left alone is unverifiable.
    let unverifiable = summary.standing_any(What::Unverifiable, Role::ALL)
        + summary.standing_any(What::Unreadable, Role::ALL);
    let total = summary.tally.checked + summary.tally.errors;
    let mut parts = Vec::new();
    if damaged > 0 {
        parts.push(if damaged == 1 {
            "1 is damaged".to_owned()
        } else {
            format!("{} are damaged", count(damaged))
        });
    }
    if unverifiable > 0 {
        parts.push(format!("{} could not be verified", count(unverifiable)));
    }
    let of = counted(total, "file", "files");
    if !parts.is_empty() {
        let sound = total.saturating_sub(damaged).saturating_sub(unverifiable);
        let others = if sound == 1 { "1 is".to_owned() } else { format!("{} are", count(sound)) };
        let mood = if damaged > 0 { Mood::Bad } else { Mood::Uneasy };
        return (mood, format!("Of {of}, {}; {others} fine.", list(&parts)), Vec::new());
    }
    let first = match (total, summary.scope.quick) {
        (0, _) => return (Mood::Uneasy, "There was no file to verify.".to_owned(), Vec::new()),
        (_, true) => {
            format!("Nothing is wrong with the structure of {of} (a quick look: contents were not decoded).")
        }
        (1, false) => "The file is fine: it decodes completely.".to_owned(),
        (_, false) => format!("All {of} are fine: they decode completely."),
    };
    (Mood::Good, first, Vec::new())
}

/// The first line of `render`.
fn pictures(summary: &Summary) -> (Mood, String, Vec<String>) {
    let total = summary.tally.checked + summary.tally.errors;
    let of = counted(total, "original", "originals");
    if summary.rendered == total && summary.left.from(Severity::Warning) == 0 {
        return (Mood::Good, format!("Pictures of {of} were made."), Vec::new());
    }
    let made = count(summary.rendered);
    (
        Mood::Uneasy,
        format!("Pictures were made of {made} of {of}; what is wrong with the others is told below."),
        Vec::new(),
    )
}

/// The first line of `undo`.
fn put_back(summary: &Summary) -> (Mood, String, Vec<String>) {
    let number = |status| summary.repairs(status);
    let (back, planned) = (number(RepairStatus::Done), number(RepairStatus::Planned));
    let mut parts = Vec::new();
    if back > 0 {
        parts.push(format!("{} put back", counted(back, "file was", "files were")));
    }
    if planned > 0 {
        let be = counted(planned, "file would be", "files would be");
        parts.push(format!("{be} put back; nothing was written (--dry-run)"));
    }
    let left = number(RepairStatus::Failed);
    if left > 0 {
        parts.push(format!("{} not: why is told below", counted(left, "file was", "files were")));
        return (Mood::Uneasy, format!("{}.", sentence(&list(&parts))), Vec::new());
    }
    if parts.is_empty() {
        return (
            Mood::Good,
            "There was nothing to put back: everything is where it was.".to_owned(),
            Vec::new(),
        );
    }
    (Mood::Good, format!("{}.", sentence(&list(&parts))), Vec::new())
}
