//! What a step comes to think: what it saw, what is wrong with it, what it could not find out.

use std::path::Path;

use crate::model::display_path;
use crate::report::ndjson::{Answer, AnswerStatus};

/// Collects the parts of one answer.
#[derive(Debug, Default)]
pub struct Opinion {
    seen: Vec<String>,
    problems: Vec<String>,
    remedies: Vec<String>,
    doubts: Vec<String>,
}

impl Opinion {
    /// Something that is as it should be, or worth knowing.
    pub fn saw(&mut self, what: impl Into<String>) {
        self.seen.push(what.into());
    }

    /// Something wrong, and what to do about it.
    pub fn problem(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(what.into());
        let remedy = remedy.into();
        if !self.remedies.contains(&remedy) {
            self.remedies.push(remedy);
        }
    }

    /// Something that could not be found out: the reason, which reads after "because".
    pub fn doubt(&mut self, because: impl Into<String>) {
        self.doubts.push(because.into());
    }

    /// Whether nothing was seen, neither good nor bad.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.problems.is_empty()
    }

    /// The answer: a problem if there is one; else fine if anything was seen; else there is nothing to tell.
    pub fn answer(self, step: &str) -> Answer {
        let status = if !self.problems.is_empty() {
            AnswerStatus::Problem
        } else if self.seen.is_empty() {
            AnswerStatus::CannotTell
        } else {
            AnswerStatus::Ok
        };
        let doubts = self.doubts.join("; ");
        let mut parts = self.problems;
        parts.extend(self.seen);
        match (parts.is_empty(), doubts.is_empty()) {
            (_, true) => {}
            (true, false) => parts.push(format!("because {doubts}")),
            (false, false) => parts.push(format!("not known: {doubts}")),
        }
        let remedy = match self.remedies.as_slice() {
            [only] => only.clone(),
            several => several
                .iter()
                .enumerate()
                .map(|(place, remedy)| format!("({}) {remedy}", place + 1))
                .collect::<Vec<_>>()
                .join("; "),
        };
        Answer { step: step.to_owned(), status, evidence: parts.join("; "), remedy }
    }
}

/// An answer that there is none.
pub fn cannot_tell(step: &str, because: impl Into<String>) -> Answer {
    let mut opinion = Opinion::default();
    opinion.doubt(because);
    opinion.answer(step)
}

/// A text from elsewhere as a person may safely see it, not longer than `most` characters.
pub fn shown(text: &str, most: usize) -> String {
    let text = text.trim();
    let short: String = text.chars().take(most).collect();
    let rest = if short.len() < text.len() { "..." } else { "" };
    format!("{}{rest}", display_path(Path::new(&short)))
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |ch: char| ch.is_alphanumeric() || "/._-+,:@%".contains(ch);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", display_path(path).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_outweighs_what_is_fine_and_what_is_not_known() {
        let mut opinion = Opinion::default();
        opinion.saw("upload is there");
        opinion.doubt("there is no socket");
        opinion.problem("thumbs is empty", "mount it");
        opinion.problem("library is empty", "mount it");
        let answer = opinion.answer("location");
        assert_eq!(answer.status, AnswerStatus::Problem);
        assert_eq!(
            answer.evidence,
            "thumbs is empty; library is empty; upload is there; not known: there is no socket"
        );
        assert_eq!(answer.remedy, "mount it");
        assert_eq!(cannot_tell("jobs", "no key was given").evidence, "because no key was given");
    }

    #[test]
    fn texts_from_elsewhere_are_harmless() {
        assert_eq!(shown(" a\u{1b}[31mb ", 20), "a\\u{1b}[31mb");
        assert_eq!(shown("abcdef", 3), "abc...");
        assert_eq!(quoted(Path::new("/srv/it's here")), r"'/srv/it'\''s here'");
        assert_eq!(quoted(Path::new("/srv/immich")), "/srv/immich");
    }
}
