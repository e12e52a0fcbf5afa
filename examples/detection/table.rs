//! What was measured, as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::cases::{Case, Measured};
use super::damage::{Label, Operator};
use super::group::Group;
use super::product::{Answer, Verdict};

/// One promise and whether it was kept.
pub struct Promise {
    pub what: String,
    pub found: usize,
    pub of: usize,
    /// Percent that have to be found.
    pub floor: f64,
}

impl Promise {
    fn rate(&self) -> f64 {
        if self.of == 0 { 100.0 } else { 100.0 * self.found as f64 / self.of as f64 }
    }

    /// Whether it was kept.
    pub fn kept(&self) -> bool {
        self.rate() >= self.floor
    }
}

/// What was found in a corpus of sound files.
pub struct Good {
    pub files: usize,
    /// Path and reason.
    pub accused: Vec<(String, String)>,
    pub unverifiable: usize,
}

fn damaged(answer: &Answer) -> bool {
    answer.verdict == Verdict::Damaged
}

fn must(case: &Case) -> bool {
    case.label == Label::Must
}

/// Caught and all of the visible damage among these cases.
fn caught<'a>(cases: impl Iterator<Item = &'a Case>) -> (usize, usize) {
    cases
        .filter(|case| must(case))
        .fold((0, 0), |(found, of), case| (found + usize::from(damaged(&case.answer)), of + 1))
}

/// Every promise, in the order of the formats.
pub fn promises(measured: &Measured) -> Vec<Promise> {
    let of = |group: Group| measured.cases.iter().filter(move |case| case.group == group);
    let mut promises = Vec::new();
    for group in Group::ALL.into_iter().filter(|group| of(*group).any(must)) {
        let title = group.title();
        if let Some(floor) = group.floor() {
            let (found, of) = caught(of(group));
            let depth = if group.is_video() { ", every frame decoded" } else { "" };
            promises.push(Promise { what: format!("{title}{depth}"), found, of, floor });
        }
        if let Some(floor) = group.structure_floor() {
            let all: Vec<_> =
                of(group).filter(|case| must(case)).filter_map(|case| case.structure.as_ref()).collect();
            let found = all.iter().filter(|answer| damaged(answer)).count();
            promises.push(Promise { what: format!("{title}, structure alone"), found, of: all.len(), floor });
        }
        if group == Group::Jpeg {
            let flips = measured.cases.iter().filter(|case| {
                matches!(case.group, Group::Jpeg | Group::JpegHard) && case.operator == Operator::BitFlip
            });
            let (found, of) = caught(flips);
            promises.push(Promise { what: "JPEG, visible bit flips".into(), found, of, floor: 90.0 });
        }
    }
    let (found, of) = caught(measured.cases.iter().filter(|case| case.operator.is_cut()));
    promises.push(Promise {
        what: "Truncations and zero tails, all formats".into(),
        found,
        of,
        floor: 100.0,
    });
    promises
}

/// Harmless cases that were called damaged.
pub fn accused(measured: &Measured) -> Vec<&Case> {
    let flagged = |case: &&Case| {
        [Some(&case.answer), case.keyframes.as_ref(), case.structure.as_ref()]
            .into_iter()
            .flatten()
            .any(damaged)
    };
    measured.cases.iter().filter(|case| case.label == Label::MustNot).filter(flagged).collect()
}

/// The main table: promises, then what must never happen.
pub fn main_table(measured: &Measured, good: Option<&Good>) -> String {
    let mut out =
        String::from("| promise | visibly damaged | found | rate | floor | |\n|---|---|---|---|---|---|\n");
    for promise in promises(measured) {
        let Promise { what, found, of, floor } = &promise;
        let result = if promise.kept() { "pass" } else { "**FAIL**" };
        let _ = writeln!(out, "| {what} | {of} | {found} | {:.1} % | {floor} % | {result} |", promise.rate());
    }
    let drawable: Vec<&str> =
        measured.cases.iter().filter(|case| case.drawable).map(|case| case.source.as_str()).collect();
    if !drawable.is_empty() {
        let copies = drawable.len();
        let sources = BTreeSet::from_iter(drawable).into_iter().collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            out,
            "\nNot among these: copies that somebody could have drawn as they are (see the labels), {copies}, of {sources}."
        );
    }
    let harmless = measured.cases.iter().filter(|case| case.label == Label::MustNot).count();
    let flagged = accused(measured).len();
    out.push_str(
        "\n| must not be called damaged | files | called damaged | unverifiable | |\n|---|---|---|---|---|\n",
    );
    let result = |bad: usize| if bad == 0 { "pass" } else { "**FAIL**" };
    let unsure = measured
        .cases
        .iter()
        .filter(|case| case.label == Label::MustNot && case.answer.verdict == Verdict::Unverifiable)
        .count();
    let _ = writeln!(out, "| harmless oddities | {harmless} | {flagged} | {unsure} | {} |", result(flagged));
    let sources: usize = measured.sources.values().sum();
    let left = measured.left_out.len();
    let accused = measured.left_out.iter().filter(|left| left.accused).count();
    let unsure = measured.left_out.iter().filter(|left| !left.accused).count();
    let _ = writeln!(out, "| sources | {} | {accused} | {unsure} | {} |", sources + left, result(accused));
    if let Some(good) = good {
        let (files, accused) = (good.files, good.accused.len());
        let _ = writeln!(
            out,
            "| all sound files of the corpus | {files} | {accused} | {} | {} |",
            good.unverifiable,
            result(accused)
        );
    }
    out
}

/// One line a format: cases, and every answer to them.
pub fn formats_table(measured: &Measured) -> String {
    let mut out = String::from(
        "| format | sources | visibly damaged | found | of real files alone | unverifiable | called sound | hardly visible | of these flagged | \
         harmless | flagged | other name or picture | flagged | labels by |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for group in measured.sources.keys() {
        let origins: Vec<String> = measured
            .origins
            .iter()
            .filter(|((of, _), _)| of == group)
            .map(|((_, origin), sources)| format!("{sources} {}", origin.word()))
            .collect();
        let of = |label: Label| {
            measured.cases.iter().filter(move |case| case.group == *group && case.label == label)
        };
        let count =
            |label: Label, verdict: Verdict| of(label).filter(|case| case.answer.verdict == verdict).count();
        let (found, visible) =
            caught(measured.cases.iter().filter(|case| case.group == *group && !case.drawn));
        let real = if visible == 0 {
            "-".to_owned()
        } else {
            format!("{found} / {visible} ({:.1} %)", 100.0 * found as f64 / visible as f64)
        };
        let judges: Vec<String> = measured
            .judges
            .iter()
            .filter(|((of, _), _)| of == group)
            .map(|((_, judge), sources)| format!("{judge} ({sources})"))
            .collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {real} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            group.title(),
            origins.join(", "),
            of(Label::Must).count(),
            count(Label::Must, Verdict::Damaged),
            count(Label::Must, Verdict::Unverifiable) + count(Label::Must, Verdict::Silent),
            count(Label::Must, Verdict::Sound),
            of(Label::May).count(),
            count(Label::May, Verdict::Damaged),
            of(Label::MustNot).count(),
            count(Label::MustNot, Verdict::Damaged),
            of(Label::Reference).count(),
            count(Label::Reference, Verdict::Damaged),
            judges.join(", "),
        );
    }
    out
}

/// The columns for one group: a name, and for a case whether it is flagged (`None`: not asked).
type Column<'a> = (&'a str, Box<dyn Fn(&Case) -> Option<bool> + 'a>);

fn columns(measured: &Measured, group: Group) -> Vec<Column<'_>> {
    let mut columns: Vec<Column<'_>> = Vec::new();
    if group.is_video() {
        columns.push(("photofsck --video full", Box::new(|case| Some(damaged(&case.answer)))));
        columns.push(("photofsck", Box::new(|case| case.keyframes.as_ref().map(damaged))));
        columns.push(("photofsck --video structure", Box::new(|case| case.structure.as_ref().map(damaged))));
    } else {
        columns.push(("photofsck", Box::new(|case| Some(damaged(&case.answer)))));
    }
    for (index, peer) in measured.peers.get(&group).into_iter().flatten().enumerate() {
        columns.push((peer.name, Box::new(move |case| *case.peers.get(index)?)));
    }
    columns
}

/// photofsck beside the other programs, for each format.
pub fn peers_table(measured: &Measured) -> String {
    let mut out = String::from(
        "| format | checker | found / visibly damaged | rate | harmless flagged |\n|---|---|---|---|---|\n",
    );
    for &group in measured.sources.keys() {
        for (name, flags) in columns(measured, group) {
            let count = |label: Label| {
                let asked = measured.cases.iter().filter(|case| case.group == group && case.label == label);
                asked
                    .filter_map(&flags)
                    .fold((0_usize, 0_usize), |(yes, all), flag| (yes + usize::from(flag), all + 1))
            };
            let (found, of) = count(Label::Must);
            let (flagged, harmless) = count(Label::MustNot);
            let rate =
                if of == 0 { "-".to_owned() } else { format!("{:.1} %", 100.0 * found as f64 / of as f64) };
            let _ = writeln!(
                out,
                "| {} | {name} | {found} / {of} | {rate} | {flagged} / {harmless} |",
                group.title()
            );
        }
        for absent in measured.absent.get(&group).into_iter().flatten() {
            let _ = writeln!(out, "| {} | {absent} | not installed | - | - |", group.title());
        }
    }
    out
}

/// For each format, what was found of each operator; bold where something was missed or accused.
pub fn operator_tables(measured: &Measured) -> String {
    let mut out = String::new();
    let order: BTreeMap<String, usize> =
        Operator::all().into_iter().enumerate().map(|(index, operator)| (operator.name(), index)).collect();
    for &group in measured.sources.keys() {
        let columns = columns(measured, group);
        let cases: Vec<&Case> = measured.cases.iter().filter(|case| case.group == group).collect();
        let operators: BTreeSet<(usize, String)> = cases
            .iter()
            .filter(|case| matches!(case.label, Label::Must | Label::MustNot))
            .map(|case| (order[&case.operator.name()], case.operator.name()))
            .collect();
        if operators.is_empty() {
            continue;
        }
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let _ = writeln!(out, "\n### {}\n\n| operator | cases | {} |", group.title(), names.join(" | "));
        let _ = writeln!(out, "|---|---|{}", "---|".repeat(names.len()));
        for (_, operator) in &operators {
            for (label, word) in [(Label::Must, ""), (Label::MustNot, ", must not be flagged")] {
                let of: Vec<&&Case> = cases
                    .iter()
                    .filter(|case| case.operator.name() == *operator && case.label == label)
                    .collect();
                if of.is_empty() {
                    continue;
                }
                let cells: Vec<String> =
                    columns.iter().map(|(_, flags)| cell(&of, flags.as_ref(), label)).collect();
                let _ = writeln!(out, "| {operator}{word} | {} | {} |", of.len(), cells.join(" | "));
            }
        }
    }
    out
}

fn cell(cases: &[&&Case], flags: &dyn Fn(&Case) -> Option<bool>, label: Label) -> String {
    let asked: Vec<bool> = cases.iter().filter_map(|case| flags(case)).collect();
    if asked.is_empty() {
        return "-".to_owned();
    }
    let flagged = asked.iter().filter(|flag| **flag).count();
    let right = if label == Label::Must { asked.len() } else { 0 };
    let text =
        if asked.len() == cases.len() { flagged.to_string() } else { format!("{flagged}/{}", asked.len()) };
    if flagged == right { text } else { format!("**{text}**") }
}

/// What an engineer wants to look at: missed damage, accused sound files.
pub fn misses(measured: &Measured, group: Group) -> String {
    let mut out = String::new();
    let line = |case: &Case, what: &str, answer: &Answer| {
        let psnr = case.difference;
        let (source, operator, seed, round) = (&case.source, case.operator.name(), case.seed, case.round);
        let path = case.path.display();
        format!(
            "{what}\t{operator}\t{source}\tseed {seed} round {round}\t{psnr}\t{:?} {}\t{path}\n",
            answer.verdict, answer.reason
        )
    };
    for case in measured.cases.iter().filter(|case| case.group == group) {
        let structure = case.structure.as_ref();
        match case.label {
            Label::Must if !damaged(&case.answer) => out += &line(case, "missed", &case.answer),
            Label::Must => {
                if let Some(answer) = structure.filter(|answer| !damaged(answer)) {
                    out += &line(case, "missed by structure alone", answer);
                }
            }
            Label::MustNot => {
                let depths = [Some(&case.answer), case.keyframes.as_ref(), structure];
                let accused = depths.into_iter().flatten().filter(|answer| damaged(answer));
                out.extend(accused.map(|answer| line(case, "ACCUSED", answer)));
                if case.answer.verdict == Verdict::Unverifiable {
                    out += &line(case, "harmless, unverifiable", &case.answer);
                }
            }
            _ => {}
        }
    }
    for left in measured.left_out.iter().filter(|left| left.group == group) {
        let what = if left.accused { "ACCUSED source" } else { "source left out" };
        let _ = writeln!(out, "{what}\t{}\t{}", left.source, left.why);
    }
    out
}
