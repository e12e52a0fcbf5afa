//! What the catalog adds: when files were verified last, and the runs on record.

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use crate::model::{Code, CoveredDay, Severity};
use crate::report::words::{bytes, count, counted};

/// Days that have a column of their own.
const DAYS: i64 = 30;
const DAY: i64 = 86_400;

/// What the catalog knows beside the run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Files by the day of their last verification, the oldest first.
    pub days: Vec<CoveredDay>,
    /// Runs on record, the oldest first.
    pub runs: Vec<PastRun>,
}

/// One run on record.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PastRun {
    /// Its id.
    pub id: String,
    /// RFC 3339.
    pub started_at: String,
    /// `check` or `repair`.
    pub command: String,
    /// Exit status; `None` when it was killed or is still going on.
    pub exit: Option<i32>,
    /// Files looked at.
    pub checked: u64,
    /// Findings whose code is a warning or an error.
    pub problems: u64,
}

impl PastRun {
    /// The same with what its `summary` line counts.
    #[must_use]
    pub fn counted(mut self, summary: &str) -> Self {
        let summary: Value = serde_json::from_str(summary).unwrap_or_default();
        self.checked = summary.get("checked").and_then(Value::as_u64).unwrap_or(0);
        let findings = summary.get("findings").and_then(Value::as_object).into_iter().flatten();
        let problem = |code: &str| Code::parse(code).is_some_and(|code| code.severity() > Severity::Info);
        self.problems =
            findings.filter(|(code, _)| problem(code)).filter_map(|(_, number)| number.as_u64()).sum();
        self
    }
}

/// The time line; `promise`: days within which every byte is read again. Nothing where there is no catalog.
pub fn timeline(history: &History, promise: Option<u64>, now: Timestamp) -> Markup {
    let files: u64 = history.days.iter().map(|day| day.files).sum();
    html! {
        @if files > 0 || history.runs.len() > 1 {
            section.card aria-labelledby="coverage" {
                h2 #coverage { "Coverage over time" }
                @if let Some(days) = promise {
                    p { "Every byte is read again within " (counted(days, "day", "days")) " at this pace." }
                }
                @if files > 0 { (covered(&history.days, files, now)) }
                @if history.runs.len() > 1 { (runs(&history.runs)) }
            }
        }
    }
}

fn covered(days: &[CoveredDay], files: u64, now: Timestamp) -> Markup {
    let today = now.as_second().div_euclid(DAY);
    let ago = |day: &CoveredDay| (today - day.day).max(0);
    let mut columns = vec![0u64; usize::try_from(DAYS).unwrap_or(0)];
    let mut older = 0;
    for day in days {
        match usize::try_from(DAYS - 1 - ago(day)).ok().and_then(|place| columns.get_mut(place)) {
            Some(column) => *column += day.files,
            None => older += day.files,
        }
    }
    let size: u64 = days.iter().map(|day| day.bytes).sum();
    let oldest = days.first().map_or(0, ago);
    let within = match oldest {
        0 => "today".to_owned(),
        days => format!("within the last {} days", count((days + 1).unsigned_abs())),
    };
    let late = if older > 0 {
        format!(", {} of them more than {DAYS} days ago", count(older))
    } else {
        String::new()
    };
    let words = format!(
        "The catalog knows {} ({}). Each was read as a whole {within}{late}.",
        counted(files, "file", "files"),
        bytes(size),
    );
    let most = columns.iter().copied().chain([older]).max().unwrap_or(1).max(1);
    let label = format!("Files by the day of their last verification, {DAYS} days to today, as told above");
    html! {
        p { (words) }
        figure {
            svg.columns viewBox="0 0 320 64" preserveAspectRatio="none" role="img" aria-label=(label) {
                line.axis x1="0" y1="63.5" x2="320" y2="63.5" {}
                (column(0, older, most, "older", &format!("{} before that", count(older))))
                @for (place, (day, number)) in (2..).zip((today - DAYS + 1..).zip(&columns)) {
                    @let title = format!("{}: {}", date(day), counted(*number, "file", "files"));
                    (column(place, *number, most, "fresh", &title))
                }
            }
            figcaption.axis { span { "earlier" } span { (date(today - DAYS + 1)) } span { "today" } }
        }
    }
}

/// One column of the chart, ten units wide.
fn column(place: u32, number: u64, most: u64, class: &str, title: &str) -> Markup {
    let height = if number == 0 { 0.0 } else { (number as f64 * 60.0 / most as f64).max(2.0) };
    html! {
        @if number > 0 {
            rect.(class) x=(place * 10 + 1) width="8" y=(format!("{:.1}", 63.0 - height)) height=(format!("{height:.1}")) {
                title { (title) }
            }
        }
    }
}

fn date(day: i64) -> String {
    Timestamp::from_second(day * DAY).map(|day| day.strftime("%d %b").to_string()).unwrap_or_default()
}

fn runs(runs: &[PastRun]) -> Markup {
    html! {
        details {
            summary { (counted(runs.len() as u64, "run", "runs")) " on record" }
            table.runs {
                thead {
                    tr {
                        th scope="col" { "Started" }
                        th scope="col" { "Command" }
                        th.number scope="col" { "Files looked at" }
                        th.number scope="col" { "Problems found" }
                        th scope="col" { "Ended" }
                    }
                }
                tbody {
                    @for run in runs.iter().rev() {
                        tr {
                            th scope="row" { (moment(&run.started_at)) }
                            td { (run.command) }
                            td.number { (count(run.checked)) }
                            td.number { (count(run.problems)) }
                            td { (run.exit.map_or("killed, or still going on".to_owned(), |exit| format!("exit {exit}"))) }
                        }
                    }
                }
            }
        }
    }
}

/// An RFC 3339 moment as people read it; itself where it cannot be read.
pub fn moment(text: &str) -> String {
    let moment = text.parse::<Timestamp>();
    moment.map_or_else(|_| text.to_owned(), |moment| moment.strftime("%d %b %Y, %H:%M UTC").to_string())
}
