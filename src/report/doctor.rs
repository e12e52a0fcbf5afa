//! `doctor` for people: one paragraph for each answer, and at the end what to do first.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::ndjson::{Answer, AnswerStatus};
use super::reporter::width;
use super::{Verbosity, words};

/// Columns before the text.
const INDENT: usize = 27;

/// One answer; with `-q` only problems are told.
pub fn answer(answer: &Answer, verbosity: Verbosity) -> Option<String> {
    if verbosity == Verbosity::Quiet && answer.status != AnswerStatus::Problem {
        return None;
    }
    let (word, style) = match answer.status {
        AnswerStatus::Ok => ("ok", AnsiColor::Green.on_default()),
        AnswerStatus::Problem => ("PROBLEM", AnsiColor::Red.on_default().bold()),
        AnswerStatus::CannotTell => ("cannot tell", Style::new().dimmed()),
    };
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{style}{word:<13}{style:#}{:<14}{}",
        answer.step,
        words::wrap(&answer.evidence, width(), INDENT)
    );
    for remedy in remedies(&answer.remedy) {
        let _ = writeln!(out, "{:INDENT$}-> {}", "", words::wrap(remedy, width(), INDENT + 3));
    }
    Some(out)
}

/// `(1) this; (2) that` one by one; a single remedy has no number.
fn remedies(text: &str) -> Vec<&str> {
    let Some(mut rest) = text.strip_prefix("(1) ") else {
        return if text.is_empty() { Vec::new() } else { vec![text] };
    };
    let mut found = Vec::new();
    for number in 2.. {
        let Some((one, behind)) = rest.split_once(&format!("; ({number}) ")) else { break };
        found.push(one);
        rest = behind;
    }
    found.push(rest);
    found
}

/// The last lines: how many problems, and the one to mend first.
pub fn last(answers: &[Answer], first: Option<&Answer>, quiet: bool) -> String {
    let number =
        |status: AnswerStatus| answers.iter().filter(|answer| answer.status == status).count() as u64;
    let (problems, unknown) = (number(AnswerStatus::Problem), number(AnswerStatus::CannotTell));
    let mut out = String::from(if quiet { "" } else { "\n" });
    let unknown = match unknown {
        0 => String::new(),
        _ => format!("; {} could not be answered", words::counted(unknown, "question", "questions")),
    };
    match first {
        None if answers.is_empty() => out.push_str("Nothing was examined.\n"),
        None => {
            let _ = writeln!(out, "No problem was found{unknown}.");
        }
        Some(first) => {
            let _ = writeln!(out, "{}{unknown}.", words::counted(problems, "problem", "problems"));
            let remedy = remedies(&first.remedy).first().copied().unwrap_or_default();
            let line = format!("Do this first ({}): {remedy}", first.step);
            let _ = writeln!(out, "{}", words::wrap(&line, width(), 4));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(status: AnswerStatus, remedy: &str) -> Answer {
        Answer {
            step: "mounts".to_owned(),
            status,
            evidence: "what was seen".to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    #[test]
    fn the_last_line_says_what_to_do_first() {
        let answers = [one(AnswerStatus::Problem, "mount it"), one(AnswerStatus::CannotTell, "")];
        let expected = "\n1 problem; 1 question could not be answered.\nDo this first (mounts): mount it\n";
        assert_eq!(last(&answers, answers.first(), false), expected);
        assert_eq!(last(&[one(AnswerStatus::Ok, "")], None, true), "No problem was found.\n");
    }

    #[test]
    fn several_remedies_are_told_one_by_one() {
        assert_eq!(
            remedies("(1) mount it (now); (2) chown; then look; (3) wait"),
            ["mount it (now)", "chown; then look", "wait"]
        );
        assert_eq!(remedies("mount it"), ["mount it"]);
        let both = one(AnswerStatus::Problem, "(1) mount it; (2) wait");
        assert!(
            last(std::slice::from_ref(&both), Some(&both), true)
                .ends_with("Do this first (mounts): mount it\n")
        );
    }

    #[test]
    fn quiet_tells_problems_only() {
        assert_eq!(answer(&one(AnswerStatus::Ok, ""), Verbosity::Quiet), None);
        let text = answer(&one(AnswerStatus::Problem, "mount it"), Verbosity::Quiet).unwrap_or_default();
        assert!(text.contains("what was seen\n") && text.contains("-> mount it"), "{text}");
    }
}
