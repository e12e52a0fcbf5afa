//! What to do next, in order: what gets worse by waiting first.

use std::path::Path;

use super::gather::Gathered;
use crate::model::{Code, RepairStatus, Role, RunCode, RunInfo, Severity, What, shell_word};
use crate::report::advice;
use crate::report::summary::{Outcome, Summary};
use crate::report::words::{counted, counted_files, list, sentence};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// In a sentence or two.
    pub what: String,
    /// A command that does it, as a shell reads it.
    pub command: Option<String>,
}

impl Step {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), command: None }
    }

    fn by(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

/// What the files of a library that can be made again are for.
const MADE: [Role; 4] = [Role::Preview, Role::Thumbnail, Role::Fullsize, Role::Person];
/// What makes an original one that is lost where it is.
const LOST: [What; 6] =
    [What::Missing, What::Empty, What::Truncated, What::Malformed, What::ChecksumMismatch, What::Changed];

/// An I/O error, as Linux numbers it.
const EIO: u64 = 5;

/// What to do next; never nothing.
pub fn steps(
    summary: &Summary,
    (run, state): (&RunInfo, Option<&Path>),
    gathered: &Gathered,
    command: &str,
) -> Vec<Step> {
    let source = source(run);
    let live = source.filter(|source| source.starts_with("postgres://")).unwrap_or(SOME_DATABASE);
    let (options, live_options) = (options(run, state, source), options(run, state, Some(live)));
    let plan = Plan { summary, gathered, command, options, live_options };
    let parts = [
        plan.the_run(),
        plan.disk(),
        plan.the_move(),
        plan.originals(),
        plan.pictures(),
        plan.rows(),
        plan.others(),
        plan.strays(),
    ];
    let steps: Vec<Step> = parts.into_iter().flatten().collect();
    if steps.is_empty() { vec![plan.nothing()] } else { steps }
}

/// For a reader to fill in: a dump takes no rows.
const SOME_DATABASE: &str = "postgres://USER:PASSWORD@HOST/immich";

/// What `--db` has to say for the same records; `None` if the program finds them by itself.
fn source(run: &RunInfo) -> Option<&str> {
    let source = run.records.as_ref().map(|records| records.source.as_str()).unwrap_or_default();
    let chosen = run.notes.iter().any(|note| note.starts_with("took the newest complete dump"));
    let live = source == "none" || source.starts_with("postgres://");
    let dump = source.strip_prefix("dump ").filter(|path| !chosen && *path != "on standard input");
    dump.or_else(|| live.then_some(source))
}

/// The options by which the same library is found again.
fn options(run: &RunInfo, state: Option<&Path>, db: Option<&str>) -> String {
    let mut words = Vec::new();
    if let Some(media) = &run.media {
        words.extend(["--media".to_owned(), shell_word(media)]);
    }
    words.extend(db.into_iter().flat_map(|db| ["--db".to_owned(), shell_word(Path::new(db))]));
    for entry in run.map.iter().filter(|entry| !entry.guessed) {
        let mut rule = entry.container.clone().into_os_string();
        rule.push("=");
        rule.push(&entry.host);
        words.extend(["--map".to_owned(), shell_word(Path::new(&rule))]);
    }
    words.extend(state.into_iter().flat_map(|state| ["--state".to_owned(), shell_word(state)]));
    words.join(" ")
}

struct Plan<'a> {
    summary: &'a Summary,
    gathered: &'a Gathered,
    command: &'a str,
    options: String,
    /// The same with a running database.
    live_options: String,
}

impl Plan<'_> {
    fn run(&self, command: &str, more: &str) -> String {
        format!("photofsck {command} {} {more}", self.options).trim_end().to_owned()
    }

    /// Findings that are problems and that no repair resolved.
    fn left(&self, role: Role, what: What) -> u64 {
        let code = Code::File(role, what);
        [Severity::Warning, Severity::Error]
            .iter()
            .map(|severity| self.summary.standing(*severity, code))
            .sum()
    }

    fn wrong(&self, role: Role) -> u64 {
        let other = [What::Unregistered, What::Unreadable, What::Unverifiable, What::PassedOnRetry];
        What::ALL.into_iter().filter(|what| !other.contains(what)).map(|what| self.left(role, what)).sum()
    }

    /// Of all roles.
    fn any(&self, what: What) -> u64 {
        Role::ALL.into_iter().map(|role| self.left(role, what)).sum()
    }

    /// What keeps the run itself from being done or finished.
    fn the_run(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Outcome::Failed(_) | Outcome::Refused(_) = self.summary.outcome {
            steps.push(
                Step::new("Mend what ended the run, as told above, and run it again.")
                    .by(self.run(self.command, "")),
            );
        }
        for code in RunCode::ALL {
            if self.summary.by_severity.contains_key(&(code.severity(), Code::Run(code))) {
                let (meaning, advice) = (sentence(code.meaning()), advice::what_to_do(Code::Run(code)));
                steps.push(Step::new(format!("{meaning}: {advice}.")));
            }
        }
        steps
    }

    /// A failing disk comes before everything that would read from it for hours.
    fn disk(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let unreadable = self.any(What::Unreadable);
        let failing = self.gathered.rows().flat_map(|(_, row)| &row.findings).any(|(finding, _)| {
            matches!(finding.code, Code::File(_, What::Unreadable))
                && finding.evidence.get("errno").and_then(serde_json::Value::as_u64) == Some(EIO)
        });
        if failing {
            steps.push(
                Step::new("A disk gives read errors. Look at its health now, and copy off what has no backup before anything else.")
                    .by("sudo smartctl -a /dev/DISK"),
            );
        } else if unreadable > 0 {
            let files = counted(unreadable, "file or folder", "files or folders");
            steps.push(Step::new(format!(
                "Let photofsck read {files}: run it as a user who may, and look at the mount."
            )));
        }
        if self.any(What::PassedOnRetry) > 0 {
            steps.push(Step::new(
                "Something delivered wrong bytes once and right ones the second time: test memory, cables and network.",
            ));
        }
        steps
    }

    /// What was not copied as it was: the old place may be gone tomorrow.
    fn the_move(&self) -> Vec<Step> {
        let comparison = self.summary.comparison.as_ref().filter(|told| !told.is_identical());
        let Some(told) = comparison else { return Vec::new() };
        let copied = [told.lost, told.changed, told.renamed, told.differs, told.collided];
        let number: u64 = copied.iter().sum();
        if number == 0 {
            return Vec::new();
        }
        vec![
            Step::new(format!(
                "Keep the old place, and copy again what did not arrive as it was: {}, each row says how it differs. Then check once more.",
                counted(number, "file", "files")
            ))
            .by(self.run(self.command, "--against /PATH/TO/MANIFEST")),
        ]
    }

    fn originals(&self) -> Vec<Step> {
        let lost: u64 = LOST
            .iter()
            .map(|what| self.summary.standing(Severity::Error, Code::File(Role::Original, *what)))
            .sum();
        if lost == 0 {
            return Vec::new();
        }
        let mut steps = Vec::new();
        let found = self.gathered.rows().flat_map(|(_, row)| &row.findings);
        if found.filter(|(finding, _)| finding.evidence.get("found_at").is_some()).count() > 0 {
            steps.push(
                Step::new("Move the originals back that lie elsewhere in the library.")
                    .by(self.run("repair", "--relink")),
            );
        }
        steps.push(
            Step::new(
                "Bring lost originals back from a backup, before it is overwritten. Only files whose bytes match the \
                 recorded checksum are taken, and the damaged ones are kept.",
            )
            .by(self.run("repair", "--originals-from /PATH/TO/BACKUP --quarantine /PATH/FOR/DAMAGED")),
        );
        steps.push(
            Step::new("Where no backup has them, save the best picture that is left of each.")
                .by(self.run("repair", "--salvage /PATH/FOR/PICTURES")),
        );
        steps
    }

    /// What photofsck can make again, and what it could not.
    fn pictures(&self) -> Vec<Step> {
        if self.summary.scope.quick && self.command == "check" {
            let look = "Have the contents looked into too: a quick look sees only the first and last bytes.";
            return vec![Step::new(look).by(self.run("check", ""))];
        }
        let wrong: Vec<String> = MADE
            .into_iter()
            .map(|role| (role, self.wrong(role)))
            .filter(|(_, number)| *number > 0)
            .map(|(role, number)| counted_files(role, number))
            .collect();
        if wrong.is_empty() {
            return Vec::new();
        }
        let wrong = list(&wrong);
        vec![match self.command {
            "check" => {
                Step::new(format!("Make {wrong} again from their originals.")).by(self.run("repair", ""))
            }
            _ if self.summary.repairs(RepairStatus::Planned) > 0 => {
                Step::new(format!("Write what was only planned: {wrong}.")).by(self.run("repair", ""))
            }
            _ => Step::new(format!("{} could not be made again: each one's row says why.", sentence(&wrong))),
        }]
    }

    fn rows(&self) -> Vec<Step> {
        let unknown = self.any(What::Unregistered);
        if unknown == 0 {
            return Vec::new();
        }
        vec![
            Step::new(format!(
                "Immich does not know of {}: make it known with the live database, or let Immich's nightly job make it again.",
                counted(unknown, "sound file", "sound files")
            ))
            .by(format!("photofsck repair {} --register sql --dry-run", self.live_options)),
        ]
    }

    fn others(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let films = self.wrong(Role::Video);
        if films > 0 {
            let films = counted_files(Role::Video, films);
            steps.push(Step::new(format!(
                "Let Immich make {films} again: Administration, Jobs, Transcode Videos, Missing."
            )));
        }
        for role in [Role::Sidecar, Role::Profile] {
            let number = self.wrong(role);
            if number > 0 {
                let advice = advice::what_to_do(Code::File(role, What::Missing));
                steps.push(Step::new(format!(
                    "Something is wrong with {}: {advice}.",
                    counted_files(role, number)
                )));
            }
        }
        let unknown = self.any(What::Unverifiable);
        if unknown > 0 {
            let files = counted(unknown, "file", "files");
            steps.push(Step::new(format!(
                "Look at {files} by hand: what kept photofsck from an answer is told in the row."
            )));
        }
        steps
    }

    fn strays(&self) -> Vec<Step> {
        let strays = self.summary.standing_any(What::Untracked, Role::ALL);
        if strays == 0 {
            return Vec::new();
        }
        let files = counted(strays, "file", "files");
        vec![
            Step::new(format!(
                "No record names {files}. Nothing has to be done about that; if the records are current, they can be moved away, \
                 and brought back by photofsck undo."
            ))
            .by(self.run("repair", "--quarantine /PATH/FOR/STRAYS --quarantine-untracked --dry-run")),
        ]
    }

    fn nothing(&self) -> Step {
        Step::new("Nothing has to be done. Let it run every night, so that damage is found while a backup still has the file.")
            .by(format!("30 3 * * * {}", self.run("check", "--quiet")))
    }
}
