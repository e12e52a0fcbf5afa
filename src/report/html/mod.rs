//! One self-contained page: it loads nothing, opens from a mail, and can be read on a phone.
//!
//! A pure function from what was counted and gathered to text. Everything from outside is escaped by construction (maud), and
//! defused as in a terminal before that. The page's own policy forbids everything but its one style, its one script and pictures
//! inside it. Without the script the verdict, the steps, the figures and the first rows are there all the same.

mod figures;
mod gather;
mod next;
mod rows;
#[cfg(test)]
mod tests;
mod timeline;

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

pub use gather::{Gathered, MOST_ROWS};
pub use timeline::{History, PastRun};

use super::collect::Collected;
use super::summary::Summary;
use super::text::skip_words;
use super::verdict::{Headline, Mood, headline};
use super::words::{age, bytes, count, counted, duration};
use crate::model::display_path;
use timeline::moment;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Everything that a page is made from.
pub struct Sheet<'a> {
    /// The counts.
    pub summary: &'a Summary,
    /// The run and its notes.
    pub collected: &'a Collected,
    /// The rows.
    pub gathered: &'a Gathered,
    /// What the catalog adds.
    pub history: &'a History,
    /// `check` or `repair`.
    pub command: &'a str,
    /// The catalog, if it is not where it is looked for without `--state`.
    pub state: Option<&'a Path>,
    /// The moment from which ages are told.
    pub now: Timestamp,
}

impl Sheet<'_> {
    /// The page.
    pub fn render(&self) -> String {
        let head = headline(self.summary, &self.collected.run, self.command);
        let policy = format!(
            "default-src 'none'; img-src data:; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
            digest(STYLE),
            digest(SCRIPT)
        );
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { "photofsck: " (head.first) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#findings" { "Skip to the findings" }
                    (self.verdict(&head))
                    main {
                        (self.steps())
                        (figures::figures(self.summary))
                        (timeline::timeline(self.history, self.summary.coverage_days, self.now))
                        (rows::rows(self.gathered, self.summary))
                        (self.about())
                    }
                    footer {
                        p {
                            "photofsck " (env!("CARGO_PKG_VERSION"))
                            ". This page is one file: it loads nothing and sends nothing."
                        }
                    }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }

    /// The verdict in one sentence, and what follows from it.
    fn verdict(&self, head: &Headline) -> Markup {
        let (class, sign) = match head.mood {
            Mood::Good => ("good", "✓"),
            Mood::Uneasy => ("uneasy", "!"),
            Mood::Bad => ("bad", "✕"),
        };
        let run = &self.collected.run;
        html! {
            header.verdict.(class) {
                div.inner {
                    p.run { "photofsck " (self.command) " · " (moment(&run.started_at)) }
                    h1 { span.sign aria-hidden="true" { (sign) } (head.first) }
                    @for line in &head.rest { p { (with_code(line)) } }
                    nav aria-label="Parts of this page" {
                        ul.ways {
                            li { a href="#steps" { "What to do next" } }
                            li { a href="#figures" { "In figures" } }
                            li { a href="#findings" { "Findings, one by one" } }
                            li { a href="#about" { "About this run" } }
                        }
                    }
                }
            }
        }
    }

    fn steps(&self) -> Markup {
        let steps = next::steps(self.summary, (&self.collected.run, self.state), self.gathered, self.command);
        html! {
            section.card aria-labelledby="steps" {
                h2 #steps { "What to do next" }
                ol.steps {
                    @for step in steps {
                        li {
                            p { (step.what) }
                            @if let Some(command) = step.command {
                                div.command { pre { code { (words(&command)) } } button.copy type="button" { "Copy" } }
                            }
                        }
                    }
                }
            }
        }
    }

    /// How it is known: the accounting, the records, the map, the notes.
    fn about(&self) -> Markup {
        let (run, tally) = (&self.collected.run, &self.summary.tally);
        let mut lines: Vec<(&str, String)> = Vec::new();
        let skipped = tally.skipped.iter().filter(|(_, number)| **number > 0);
        lines.extend(skipped.map(|(&reason, &number)| {
            ("Not looked at", format!("{} {}", count(number), skip_words(reason)))
        }));
        lines.push((
            "Accounting",
            format!(
                "{} walked = {} checked + {} skipped + {} errors",
                count(tally.walked),
                count(tally.checked),
                count(self.summary.skipped()),
                count(tally.errors)
            ),
        ));
        lines.extend(run.media.iter().map(|media| ("Media", display_path(media))));
        if let Some(records) = &run.records {
            let as_of = records.as_of.as_deref().map(|moment| {
                let age = age(moment, self.now).map(|age| format!(" ({age})")).unwrap_or_default();
                format!(", as of {}{age}", timeline::moment(moment))
            });
            let assets = counted(records.assets, "asset", "assets");
            lines.push(("Records", format!("{}, {assets}{}", records.source, as_of.unwrap_or_default())));
        }
        lines.extend(run.map.iter().map(|entry| {
            let guessed = if entry.guessed { " (guessed)" } else { "" };
            (
                "Path map",
                format!("{} = {}{guessed}", display_path(&entry.container), display_path(&entry.host)),
            )
        }));
        lines.extend(
            run.notes.iter().chain(&self.collected.notes).map(|note| ("Note", display_path(Path::new(note)))),
        );
        lines.push(("Time", format!("{}, {} read", duration(self.summary.seconds), bytes(tally.bytes_read))));
        lines.push(("Exit status", self.summary.exit().code().to_string()));
        if !run.run_id.is_empty() {
            lines.push(("Run", run.run_id.clone()));
        }
        html! {
            section.card aria-labelledby="about" {
                h2 #about { "About this run" }
                dl.about { @for (label, words) in lines { div { dt { (label) } dd { (words) } } } }
            }
        }
    }
}

/// A sentence in which names of commands stand between backticks.
fn with_code(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A command that is broken between its words, not at the hyphens in them.
fn words(command: &str) -> Markup {
    html! {
        @for (number, word) in command.split(' ').enumerate() {
            @if number > 0 { " " }
            span { (word) }
        }
    }
}

/// Stands for an inline style or script in the page's policy (CSP level 2, hash sources).
fn digest(text: &str) -> String {
    format!("sha256-{}", base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text)))
}

/// Writes a page beside its place and renames it, so that nobody opens half of one.
///
/// # Errors
/// It cannot be written; the message names the option and the file.
pub fn write(path: &Path, page: &str) -> Result<(), String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let put = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(page.as_bytes())?;
        // As any file that a program writes: a page is there to be shown.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path).map_err(|error| error.error)
    };
    put().map(drop).map_err(|error| format!("--html {}: {error}", display_path(path)))
}
