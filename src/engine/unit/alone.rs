//! The work on files that belong to no asset.

use std::path::Path;

use super::{Desk, Outcome, Turn, wrong_with};
use crate::engine::crew::Halt;
use crate::engine::inventory::{Presence, is_absent};
use crate::engine::judge::Expectation;
use crate::engine::loose::Loose;
use crate::engine::reconcile::{FACELESS_ADVICE, Single};
use crate::model::{ItemReport, Role, Verdict, What};

impl Desk<'_> {
    /// An avatar, or a person without a known face.
    pub(super) fn single(&self, turn: &mut Turn<'_, '_>, single: &Single) -> Result<(), Halt> {
        if let Some(finding) = self.reconciler.single_finding(single) {
            self.finding(finding);
        }
        let file = &single.file;
        let mut wrong = (file.presence == Presence::Missing).then_some(What::Missing);
        if let (true, Some(path)) = (file.is_present(), &file.path) {
            turn.obstacle = (file.role == Role::Person).then_some(FACELESS_ADVICE);
            wrong = match self.look_due(turn, &self.lone(path, file), file)? {
                Outcome::Looked(look) => wrong_with(&look),
                Outcome::Trusted { .. } => None,
                Outcome::Gone => Some(What::Missing),
            };
        }
        self.faceless(single, wrong);
        Ok(())
    }

    /// A file that no record names.
    pub(super) fn loose(&self, turn: &mut Turn<'_, '_>, loose: &Loose) -> Result<(), Halt> {
        let is_gone = |path: &Path| self.ground.stat(path, true).is_err_and(|error| is_absent(&error));
        if self.whereabouts.is_claimed(&loose.path) && is_gone(&loose.path) {
            let mut item = ItemReport::new(loose.path.clone(), loose.role);
            "moved to where the records name it".clone_into(&mut item.reason);
            self.checked(turn, item);
            return Ok(());
        }
        let untracked = self.reconciler.loose_finding(loose);
        if loose.role == Role::Unknown {
            let mut item = ItemReport::new(loose.path.clone(), loose.role);
            item.bytes = loose.size;
            item.verdict = Some(Verdict::Unverifiable);
            "its path tells no role; only its presence was noted".clone_into(&mut item.reason);
            item.codes.extend(untracked.iter().map(|finding| finding.code));
            self.checked(turn, item);
        } else if loose.fresh {
            self.verified_before(turn, true);
        } else {
            let mut expected = Expectation::unrecorded(&loose.path, loose.role, self.depth);
            // Nobody is shown a generated file that no record names.
            expected.lowered = untracked.is_some();
            turn.obstacle = untracked.is_some().then_some("no record names it, so nobody is shown it");
            let looked = self.look(turn, &expected, true, true);
            self.release(turn);
            looked?;
        }
        if let Some(finding) = untracked {
            self.finding(finding);
        }
        Ok(())
    }
}
