//! Counts as tables with bars. Bars are SVG: their lengths are attributes, which need no style of their own.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::model::{Code, Severity, Verdict};
use crate::report::advice;
use crate::report::summary::Summary;
use crate::report::words::{count, list};

/// What a file may be found to be, with its class and its words.
const KINDS: [(Option<Verdict>, &str, &str); 5] = [
    (Some(Verdict::Verified), "verified", "as recorded"),
    (Some(Verdict::Decodable), "decodable", "decodable"),
    (None, "present", "present"),
    (Some(Verdict::Unverifiable), "unverifiable", "cannot be told"),
    (Some(Verdict::Damaged), "damaged", "damaged"),
];

/// The tables of a run; nothing where nothing was counted.
pub fn figures(summary: &Summary) -> Markup {
    let roles = by_kind(
        summary.checked_by_role.iter().map(|(&(role, verdict), &number)| (role.as_str(), verdict, number)),
    );
    let formats = by_kind(
        summary.formats.iter().map(|(&(format, verdict), &number)| (format.as_str(), verdict, number)),
    );
    html! {
        section.card aria-labelledby="figures" {
            h2 #figures { "In figures" }
            @if roles.is_empty() && summary.by_severity.is_empty() {
                p { "Nothing was looked at, and nothing was found." }
            }
            @if !roles.is_empty() {
                ul.legend aria-label="Colours of the bars" {
                    @for (_, class, words) in KINDS { li.key.(class) { (words) } }
                }
            }
            div.tables {
                (verdicts("Files looked at, by role", &roles))
                (verdicts("Originals looked at, by format", &formats))
            }
            (codes(summary))
        }
    }
}

type Counts<'a> = BTreeMap<&'a str, BTreeMap<Option<Verdict>, u64>>;

fn by_kind<'a>(counts: impl Iterator<Item = (&'a str, Option<Verdict>, u64)>) -> Counts<'a> {
    let mut kinds = Counts::new();
    for (kind, verdict, number) in counts.filter(|(.., number)| *number > 0) {
        *kinds.entry(kind).or_default().entry(verdict).or_default() += number;
    }
    kinds
}

/// One table of verdicts, the largest kind first.
fn verdicts(caption: &str, kinds: &Counts<'_>) -> Markup {
    let total = |counts: &BTreeMap<Option<Verdict>, u64>| counts.values().sum::<u64>();
    let mut rows: Vec<_> = kinds.iter().map(|(kind, counts)| (*kind, counts, total(counts))).collect();
    rows.sort_by_key(|(kind, _, total)| (Reverse(*total), *kind));
    let most = rows.first().map_or(1, |(.., total)| (*total).max(1));
    html! {
        @if !rows.is_empty() {
            table {
                caption { (caption) }
                thead { tr { th scope="col" { "Kind" } th.number scope="col" { "Files" } th scope="col" { "Of these" } } }
                tbody {
                    @for (kind, counts, total) in rows {
                        tr {
                            th scope="row" { (kind) }
                            td.number { (count(total)) }
                            td {
                                (bar(parts(counts), most))
                                span.small { (in_words(counts)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn parts(counts: &BTreeMap<Option<Verdict>, u64>) -> impl Iterator<Item = (&'static str, u64)> {
    KINDS.iter().map(|(verdict, class, _)| (*class, counts.get(verdict).copied().unwrap_or(0)))
}

fn in_words(counts: &BTreeMap<Option<Verdict>, u64>) -> String {
    let part = |(verdict, _, words): &(Option<Verdict>, &str, &str)| {
        counts.get(verdict).map(|number| format!("{} {words}", count(*number)))
    };
    list(&KINDS.iter().filter_map(part).collect::<Vec<_>>())
}

fn codes(summary: &Summary) -> Markup {
    let mut rows: Vec<(Severity, Code, u64)> =
        summary.by_severity.iter().map(|(&(severity, code), &number)| (severity, code, number)).collect();
    rows.sort_by_key(|&(severity, code, number)| (Reverse(severity), Reverse(number), code));
    let most = rows.iter().map(|(.., number)| *number).max().unwrap_or(1).max(1);
    html! {
        @if !rows.is_empty() {
            table.codes {
                caption { "Findings, by code" }
                thead {
                    tr {
                        th scope="col" { "Code" }
                        th.number scope="col" { "Found" }
                        th.number scope="col" { "Left" }
                        th scope="col" { "Means" }
                    }
                }
                tbody {
                    @for (severity, code, number) in rows {
                        @let left = summary.standing(severity, code);
                        tr {
                            th scope="row" { span.badge.(severity.as_str()) { (severity) } " " code { (code) } }
                            td.number { (count(number)) }
                            td.number { (count(left)) }
                            td {
                                (bar([(severity.as_str(), left), ("repaired", number - left.min(number))].into_iter(), most))
                                span.small { (advice::meaning(code)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A bar of parts beside each other; `most` fills all of it.
fn bar<'a>(parts: impl Iterator<Item = (&'a str, u64)>, most: u64) -> Markup {
    let mut from = 0.0;
    let mut placed = Vec::new();
    for (class, number) in parts.filter(|(_, number)| *number > 0) {
        // What is there at all can be seen.
        let width = (number as f64 * 100.0 / most as f64).max(0.7);
        placed.push((class, from, width));
        from += width;
    }
    html! {
        svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.track width="100" height="4" {}
            @for (class, x, width) in placed {
                rect.(class) x=(format!("{x:.2}")) width=(format!("{width:.2}")) height="4" {}
            }
        }
    }
}
