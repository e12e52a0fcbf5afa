//! The rows: one for each asset, or for each file that belongs to none.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use maud::{Markup, PreEscaped, html};

use super::gather::{Gathered, Grade, Row, Subject};
use crate::model::{
    AssetFacts, Code, Finding, RepairEvent, RepairStatus, Role, Shows, SmallPicture, What, display_path,
};
use crate::report::collect::{RepairGroup, RepairKind};
use crate::report::summary::Summary;
use crate::report::words::counted;
use crate::report::{advice, text};

/// From so many rows on there are pages of rows instead of one list.
const ONE_LIST: usize = 1000;
/// Rows of a page, and those that are shown without a script.
const PAGE: usize = 100;

/// Where all findings are, however many.
const TABLE: PreEscaped<&str> = PreEscaped("<code>photofsck report --csv FILE</code>");

/// A row that is ready to be shown.
struct Shown<'a> {
    subject: &'a Subject,
    row: &'a Row,
    name: String,
    grade: Grade,
}

/// The section of all rows, with what filters them.
pub fn rows(gathered: &Gathered, summary: &Summary) -> Markup {
    let asking = summary.scope.asking;
    let mut shown: Vec<Shown<'_>> = gathered
        .rows()
        .map(|(subject, row)| Shown { subject, row, name: name(subject, row), grade: row.grade(asking) })
        .collect();
    shown.sort_by(|a, b| (a.grade, &a.name, a.subject).cmp(&(b.grade, &b.name, b.subject)));
    let first = if shown.len() < ONE_LIST { shown.len() } else { PAGE };
    let (now, later) = shown.split_at_checked(first).unwrap_or((&shown, &[]));
    html! {
        section aria-labelledby="findings" {
            h2 #findings tabindex="-1" { "Findings, one by one" }
            @if shown.is_empty() {
                p { "Nothing was found." }
            } @else {
                (filters(&shown, summary.has_baseline()))
                p #status role="status" { (counted(shown.len() as u64, "row", "rows")) }
                (more_elsewhere(&shown, summary))
                ul.rows #list { @for row in now { (item(row, asking)) } }
                @if !later.is_empty() {
                    noscript {
                        p {
                            (counted(later.len() as u64, "more row is", "more rows are"))
                            " in this page, which needs a script to be turned over. "
                            (TABLE) " lists every one."
                        }
                    }
                    template #more { @for row in later { (item(row, asking)) } }
                }
                nav #pager aria-label="Pages of findings" hidden {
                    button #previous type="button" { "Previous" }
                    label { "Page " select #page {} }
                    button #next type="button" { "Next" }
                }
            }
        }
    }
}

/// What is said when not everything fits.
fn more_elsewhere(shown: &[Shown<'_>], summary: &Summary) -> Markup {
    let here: u64 = shown.iter().map(|shown| shown.row.findings.len() as u64).sum();
    let all: u64 = summary.tally.findings.values().sum();
    html! {
        @if all > here {
            p {
                (counted(all - here, "further finding has", "further findings have"))
                " no room in this page; " (TABLE) " lists every one."
            }
        }
    }
}

/// Search and filters; they need a script, and are hidden without one.
fn filters(shown: &[Shown<'_>], baseline: bool) -> Markup {
    let findings = || shown.iter().flat_map(|shown| &shown.row.findings);
    let codes: BTreeSet<String> = findings().map(|(finding, _)| finding.code.to_string()).collect();
    let facts = || shown.iter().filter_map(|shown| shown.row.facts.as_ref());
    let owners: BTreeSet<String> =
        facts().map(|facts| plain(&facts.owner)).filter(|owner| !owner.is_empty()).collect();
    let albums: BTreeSet<String> = facts().flat_map(albums_of).collect();
    let grades: BTreeSet<Grade> = shown.iter().map(|shown| shown.grade).collect();
    let grades = grades.into_iter().map(|grade| (grade.as_str().to_owned(), grade_words(grade).to_owned()));
    let alike = |words: BTreeSet<String>| words.into_iter().map(|word| (word.clone(), word)).collect();
    html! {
        form #filters role="search" hidden {
            label {
                span { "Search" }
                input #search type="search" autocomplete="off" spellcheck="false"
                    placeholder="name, album, device, path";
            }
            (choice("grade", "Show", "everything", grades.collect()))
            (choice("code", "Finding", "any", alike(codes)))
            @if owners.len() > 1 { (choice("owner", "Owner", "anybody", alike(owners))) }
            @if !albums.is_empty() { (choice("album", "Album", "any", alike(albums))) }
            @if baseline {
                (choice("news", "Since the baseline", "new and known", vec![("new".to_owned(), "only new".to_owned())]))
            }
            button #clear type="reset" { "Clear" }
        }
    }
}

/// A filter: the value that a row must have, and the words for it.
fn choice(id: &str, label: &str, all: &str, options: Vec<(String, String)>) -> Markup {
    html! {
        label {
            span { (label) }
            select data-filter=(id) {
                option value="" { (all) }
                @for (value, words) in options { option value=(value) { (words) } }
            }
        }
    }
}

const fn grade_words(grade: Grade) -> &'static str {
    match grade {
        Grade::Error => "errors",
        Grade::Warning => "warnings",
        Grade::Repaired => "repaired",
        Grade::Info => "for information",
    }
}

/// Text from outside as a person may safely see it.
fn plain(text: &str) -> String {
    display_path(Path::new(text))
}

/// Names of albums as a person may safely see them.
fn albums_of(facts: &AssetFacts) -> impl Iterator<Item = String> + '_ {
    facts.albums.iter().flatten().map(|album| plain(album))
}

/// What people know the row by.
fn name(subject: &Subject, row: &Row) -> String {
    let known = row.facts.as_ref().map(|facts| facts.name.as_str()).filter(|name| !name.is_empty());
    if let Some(name) = known {
        return plain(name);
    }
    let original = |(finding, _): &&(Finding, bool)| matches!(finding.code, Code::File(Role::Original, _));
    let finding = row.findings.iter().find(original).or(row.findings.first());
    let path = finding.and_then(|(finding, _)| finding.path.as_deref().or(finding.record_path.as_deref()));
    let path = path.or(row.repairs.first().map(|repair| repair.path.as_path()));
    let file = path.and_then(Path::file_name).map(|name| display_path(Path::new(name)));
    match subject {
        Subject::Run => "The run as a whole".to_owned(),
        Subject::Asset(asset) => file.unwrap_or_else(|| format!("asset {asset}")),
        Subject::File(path) => file.unwrap_or_else(|| display_path(path)),
    }
}

fn item(shown: &Shown<'_>, asking: bool) -> Markup {
    let Shown { subject, row, name, grade } = shown;
    let codes: BTreeSet<String> = row.findings.iter().map(|(finding, _)| finding.code.to_string()).collect();
    let facts = row.facts.as_ref();
    let new = row.findings.iter().any(|(_, new)| *new);
    html! {
        li.row.(grade.as_str())
            data-grade=(grade.as_str())
            data-code=(codes.into_iter().collect::<Vec<_>>().join("\n"))
            data-owner=(facts.map(|facts| plain(&facts.owner)).unwrap_or_default())
            data-album=(facts.into_iter().flat_map(albums_of).collect::<Vec<_>>().join("\n"))
            data-news=(if new { "new" } else { "known" }) {
            (pictures(row, name))
            div.body {
                h3 { bdi { (name) } " " span.badge.(grade.as_str()) { (grade.as_str()) } }
                @if let Some(facts) = facts { (facts_line(facts)) }
                ul.findings {
                    @for (finding, _) in &row.findings { (finding_item(finding, row.is_resolved(finding, asking))) }
                }
                (what_now(row, asking))
                @if !row.repairs.is_empty() {
                    ul.repairs { @for repair in &row.repairs { (repair_item(repair)) } }
                }
                (places(subject, row))
            }
        }
    }
}

/// Owner, albums, date and camera.
fn facts_line(facts: &AssetFacts) -> Markup {
    let albums = match &facts.albums {
        None => String::new(),
        Some(albums) if albums.is_empty() => "none".to_owned(),
        Some(albums) => albums.join(", "),
    };
    let lines =
        [("Owner", &facts.owner), ("Album", &albums), ("Taken", &facts.taken), ("Device", &facts.device)];
    html! {
        dl.facts {
            @for (label, value) in lines {
                div { dt { (label) } dd { @if value.is_empty() { "unknown" } @else { bdi { (plain(value)) } } } }
            }
        }
    }
}

fn finding_item(finding: &Finding, resolved: bool) -> Markup {
    let seen = text::evidence(finding, false);
    html! {
        li {
            code { (finding.code) } " " (advice::meaning(finding.code))
            @if resolved { " " span.done { "repaired" } }
            @if !seen.is_empty() { span.seen { (seen) } }
        }
    }
}

/// What to do about all that is left of a row, each once.
fn what_now(row: &Row, asking: bool) -> Markup {
    let left =
        row.findings.iter().map(|(finding, _)| finding).filter(|finding| !row.is_resolved(finding, asking));
    let mut lines: Vec<&str> = Vec::new();
    for finding in left {
        let line = if finding.advice.is_empty() {
            advice::what_to_do(finding.code)
        } else {
            finding.advice.as_str()
        };
        if !line.is_empty() && !lines.contains(&line) {
            lines.push(line);
        }
    }
    html! { @for line in lines { p.advice { "→ " (plain(line)) } } }
}

fn repair_item(repair: &RepairEvent) -> Markup {
    let RepairEvent { status, action, role, reason, bytes, .. } = repair;
    let kind = RepairKind { status: *status, action: *action, role: *role, reason: reason.clone() };
    let group = RepairGroup { count: 1, bytes: bytes.unwrap_or(0), ..RepairGroup::default() };
    let class = if *status == RepairStatus::Done { "done" } else { "seen" };
    html! { li { span.(class) { (status) } " " (text::repair_words(&kind, &group)) } }
}

/// Paths and ids, for who goes there; folded, since they are long.
fn places(subject: &Subject, row: &Row) -> Markup {
    let here = row.findings.iter().filter_map(|(finding, _)| finding.path.as_deref());
    let here: BTreeSet<&Path> = here.chain(row.repairs.iter().map(|repair| repair.path.as_path())).collect();
    let recorded: BTreeSet<&Path> =
        row.findings.iter().filter_map(|(finding, _)| finding.record_path.as_deref()).collect();
    html! {
        details {
            summary { "Where it is" }
            dl.places {
                @if let Subject::Asset(asset) = subject { dt { "Asset" } dd { code { (asset) } } }
                @for (label, paths) in [("Here", here), ("In the records", recorded)] {
                    @if !paths.is_empty() {
                        dt { (label) }
                        @for path in paths { dd { code { (display_path(path)) } } }
                    }
                }
            }
        }
    }
}

fn pictures(row: &Row, name: &str) -> Markup {
    let mut pictures: Vec<&SmallPicture> = row.pictures.iter().collect();
    pictures.sort_by_key(|picture| (picture.shows, picture.role));
    let found = pictures.iter().any(|picture| picture.shows == Shows::Found);
    let made = pictures.iter().any(|picture| picture.shows == Shows::Made);
    html! {
        div.pictures {
            @if pictures.is_empty() || (made && !found) { (tile(row)) }
            @for picture in pictures.iter().filter(|picture| !made || picture.shows != Shows::Left) {
                (picture_figure(picture, row, name))
            }
        }
    }
}

/// Stands for a picture that cannot be shown.
fn tile(row: &Row) -> Markup {
    let what = row.findings.iter().find_map(|(finding, _)| match finding.code {
        Code::File(role, what) => Some((role, what)),
        Code::Run(_) => None,
    });
    html! {
        @if let Some((role, what)) = what {
            figure { div.tile { (what.as_str()) } figcaption { (role) } }
        }
    }
}

fn picture_figure(picture: &SmallPicture, row: &Row, name: &str) -> Markup {
    let gone = |what| {
        matches!(
            what,
            What::Missing
                | What::Empty
                | What::Truncated
                | What::Malformed
                | What::ChecksumMismatch
                | What::Changed
        )
    };
    let lost = row
        .findings
        .iter()
        .any(|(finding, _)| matches!(finding.code, Code::File(Role::Original, what) if gone(what)));
    let role = picture.role;
    let mut caption = match picture.shows {
        Shows::Found => format!("{role}, as found"),
        Shows::Made if role == Role::Original => format!("{role}, restored"),
        Shows::Made => format!("{role}, made again"),
        Shows::Left if lost => format!("{role}: what is left"),
        Shows::Left => format!("{role}, sound"),
    };
    if picture.lost > 0 {
        let _ = write!(caption, "; lower {} % lost", picture.lost);
    }
    let (width, height) = (picture.size.width, picture.size.height);
    let share = u32::from(picture.lost.min(100));
    html! {
        figure {
            div.frame {
                img src={ "data:image/webp;base64," (picture.base64()) } alt=(format!("{name}: {caption}"))
                    width=(width) height=(height) decoding="async";
                @if share > 0 {
                    svg.lost viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                        rect y=(100 - share) width="100" height=(share) {}
                        line x1="0" x2="100" y1=(100 - share) y2=(100 - share) {}
                    }
                }
            }
            figcaption { (caption) }
        }
    }
}
