//! One look at one file, and telling what came of it: item, findings, catalog, and the count of walked entries.

use super::{Desk, Outcome, Turn};
use crate::engine::crew::Halt;
use crate::engine::end::RunError;
use crate::engine::fresh::Kept;
use crate::engine::judge::Expectation;
use crate::engine::ledger::Earlier;
use crate::engine::look::{self, Look};
use crate::engine::reconcile::units::UnitFile;
use crate::model::{
    Code, Event, EventSink, Evidence, Finding, ItemReport, Role, Severity, SkipReason, Stage, What,
};

impl Desk<'_> {
    /// Looks at a file of a unit, or one that stands alone, unless the walk has shown that it need not.
    pub(super) fn look_due(
        &self,
        turn: &mut Turn<'_, '_>,
        expected: &Expectation,
        file: &UnitFile,
    ) -> Result<Outcome, Halt> {
        let counted = file.counted && file.selected;
        if let Some(Kept { size }) = file.fresh {
            self.verified_before(turn, counted);
            return Ok(Outcome::Trusted { size, known: None });
        }
        self.look(turn, expected, counted, file.selected)
    }

    /// Looks at a file unless an earlier run makes that unnecessary, tells, and notes it.
    pub(super) fn look(
        &self,
        turn: &mut Turn<'_, '_>,
        expected: &Expectation,
        counted: bool,
        selected: bool,
    ) -> Result<Outcome, Halt> {
        let Some(ledger) = self.ledger else {
            let look = look::look_quickly_on(self.ground, expected)?;
            return self.tell(turn, expected, look, counted, selected);
        };
        let mut expected = expected.clone();
        match ledger.ask(&expected)? {
            Earlier::Trusted(known) => {
                self.verified_before(turn, counted);
                return Ok(Outcome::Trusted { size: known.size, known: Some(Box::new(known)) });
            }
            Earlier::Due { last_sound } => expected.last_sound = last_sound,
        }
        let look = turn.examiner.look(&expected, None)?;
        self.tell(turn, &expected, look, counted, selected)
    }

    /// Accounts for a file that needs no look.
    pub(super) fn verified_before(&self, turn: &mut Turn<'_, '_>, counted: bool) {
        if counted {
            turn.told += 1;
            verified_before(self.sink, 1);
        }
    }

    /// Tells what a look told: item, findings, catalog.
    pub(super) fn tell(
        &self,
        turn: &mut Turn<'_, '_>,
        expected: &Expectation,
        look: Look,
        counted: bool,
        selected: bool,
    ) -> Result<Outcome, Halt> {
        let gone = look.is_gone();
        self.stand(gone || look.could_not_read())?;
        let mut item = look.item(expected);
        let mut findings = look.judgement.findings.clone();
        if gone {
            let finding = went_away(expected);
            item.codes.push(finding.code);
            item.reason.clone_from(&finding.advice);
            findings.push(finding);
        }
        if counted {
            self.checked(turn, item);
        }
        for finding in findings.into_iter().filter(|_| selected) {
            self.hold(turn, finding);
        }
        if gone {
            return Ok(Outcome::Gone);
        }
        if let Some(ledger) = self.ledger {
            ledger.note(expected, &look)?;
        }
        Ok(Outcome::Looked(Box::new(look)))
    }

    /// Fails when a folder of the run went away: then nothing is said of the files in it.
    fn stand(&self, in_doubt: bool) -> Result<(), Halt> {
        match if in_doubt { self.ground.look() } else { self.ground.look_now_and_then() } {
            Some(gone) => Err(Halt::Failed(RunError::guard(gone.to_string()))),
            None => Ok(()),
        }
    }

    /// Accounts for one walked entry.
    pub(super) fn checked(&self, turn: &mut Turn<'_, '_>, item: ItemReport) {
        turn.told += 1;
        if self.sink.wants_items() {
            turn.items.push(item);
            return;
        }
        *turn.checked.files.entry((item.role, item.verdict)).or_default() += 1;
        if item.role == Role::Original {
            *turn.checked.formats.entry((item.format, item.verdict)).or_default() += 1;
        }
        turn.checked.bytes += item.bytes;
        turn.checked.bytes_read += item.bytes_read;
    }

    pub(super) fn finding(&self, finding: Finding) {
        self.sink.send(Event::Finding(Box::new(finding)));
    }

    /// Keeps a finding about a generated picture back until [`Self::release`]; tells any other.
    pub(super) fn hold(&self, turn: &mut Turn<'_, '_>, finding: Finding) {
        match finding.code {
            Code::File(Role::Preview | Role::Thumbnail | Role::Fullsize | Role::Person, _) => {
                turn.held.push(finding);
            }
            _ => self.finding(finding),
        }
    }

    /// Tells of a file what was found after its own look.
    pub(super) fn tell_late(&self, turn: &mut Turn<'_, '_>, finding: Finding) {
        if let Some(item) = turn.items.iter_mut().find(|item| finding.path.as_ref() == Some(&item.path)) {
            item.codes.push(finding.code);
        }
        self.hold(turn, finding);
    }

    /// Tells what was held, with advice that fits the original.
    pub(super) fn release(&self, turn: &mut Turn<'_, '_>) {
        for item in turn.items.drain(..) {
            self.sink.send(Event::Checked(Box::new(item)));
        }
        for mut finding in turn.held.drain(..) {
            let apart = turn.faces_apart && finding.code.role() == Some(Role::Person);
            if let Some(obstacle) = turn.obstacle.filter(|_| !apart) {
                advise(&mut finding, obstacle);
            }
            self.finding(finding);
        }
    }
}

/// Tells of files that need no look. Their bytes are no part of what is to be read.
pub fn verified_before(sink: &dyn EventSink, count: u64) {
    sink.send(Event::Progress { stage: Stage::Verify, items: count, bytes: 0 });
    sink.send(Event::Skipped { reason: SkipReason::VerifiedBefore, count });
}

/// Another advice for a picture that would have to be made again.
pub(super) fn advise(finding: &mut Finding, advice: &str) {
    let Code::File(_, what) = finding.code else { return };
    let again = matches!(what, What::Missing | What::Empty | What::Truncated | What::Malformed)
        || (matches!(what, What::WrongContent | What::WrongSize) && finding.severity > Severity::Info);
    if again {
        advice.clone_into(&mut finding.advice);
    }
}

/// The walk saw it, and now it is not there.
fn went_away(expected: &Expectation) -> Finding {
    let mut finding = Finding::new(Code::File(expected.role, What::Missing))
        .at(expected.path.clone())
        .seen(Evidence::new().with("during_the_run", true))
        .advise("it went away while the run went on: run again");
    finding.record_path.clone_from(&expected.record_path);
    finding.asset = expected.asset;
    finding
}
