//! What the tests of several steps need.
#![allow(clippy::panic, reason = "a failed test should panic")]

use super::sample::{Group, Sampled, State};
use crate::model::{AssetId, Role};
use crate::report::ndjson::{Answer, AnswerStatus};

/// A file of the asset with this number.
pub fn sampled(asset: u8, group: Group, role: Role, state: State) -> Sampled {
    Sampled {
        asset: AssetId([asset; 16]),
        owner: AssetId([0xee; 16]),
        group,
        role,
        path: (state != State::NeverMade).then(|| format!("/media/{role}/{asset}").into()),
        state,
    }
}

/// Asserts that the answer is a problem whose evidence and remedy contain these words.
pub fn problem(answer: &Answer, evidence: &str, remedy: &str) {
    assert_eq!(answer.status, AnswerStatus::Problem, "{answer:#?}");
    assert!(answer.evidence.contains(evidence), "{evidence:?} is not in {answer:#?}");
    assert!(answer.remedy.contains(remedy), "{remedy:?} is not in {answer:#?}");
}

/// Asserts that there is an answer without a problem whose evidence contains these words.
pub fn fine(answer: &Answer, evidence: &str) {
    assert_eq!(answer.status, AnswerStatus::Ok, "{answer:#?}");
    assert!(answer.evidence.contains(evidence), "{evidence:?} is not in {answer:#?}");
}

/// Asserts that nothing can be told, for this reason.
pub fn unknown(answer: &Answer, because: &str) {
    assert_eq!(answer.status, AnswerStatus::CannotTell, "{answer:#?}");
    assert!(answer.evidence.starts_with("because ") && answer.evidence.contains(because), "{answer:#?}");
}
