//! Files that no record names.

use super::Reconciler;
use crate::engine::loose::{Loose, LooseIdx};
use crate::model::{Code, Evidence, Finding, Role, What};

impl Reconciler<'_> {
    /// Files without a record that the choice takes, but those that belong to units.
    pub fn loose(&self) -> impl Iterator<Item = Loose> + '_ {
        self.loose_days().filter_map(|(_, idx)| self.loose_at(idx))
    }

    /// The same by number, with the day of the last look at each (see `LooseFiles::day`).
    pub fn loose_days(&self) -> impl Iterator<Item = (u16, LooseIdx)> + '_ {
        let files = self.holdings.loose();
        files
            .indices()
            .filter(|idx| !self.claimed.contains_key(idx) && self.choice.only.contains(files.role(*idx)))
            .map(|idx| (files.day(idx), idx))
    }

    /// One of them; `None` for one that belongs to another shard.
    pub fn loose_at(&self, idx: LooseIdx) -> Option<Loose> {
        self.holdings.loose().get(idx).filter(|loose| self.choice.takes_path(&loose.path))
    }

    /// `untracked`, for a file without a record. `None` without records.
    pub fn loose_finding(&self, loose: &Loose) -> Option<Finding> {
        if !self.holdings.claims_presence() {
            return None;
        }
        let mut evidence = Evidence::new().with("size", loose.size);
        if loose.external {
            evidence = evidence.with("external", true);
        }
        let advice = match loose.role {
            Role::Original if loose.external => "scan the external library in Immich to take it in",
            Role::Original => "no row names it: upload it again if it is wanted, keep it until that is clear",
            role if role.is_generated() => "a leftover: no row names it, Immich would make it again",
            _ => "no row names it",
        };
        let finding = Finding::new(Code::File(loose.role, What::Untracked)).at(loose.path.clone());
        Some(finding.seen(evidence).advise(advice))
    }
}
