//! The assets that came last and first, without keeping when each of a million came.

use std::collections::BTreeSet;

use crate::model::AssetId;

/// So many are kept at either end.
const KEPT: usize = 48;

/// Collects both ends in the order of the rows' own moments.
#[derive(Debug, Default)]
pub(super) struct Ends {
    newest: BTreeSet<(Vec<u8>, AssetId)>,
    oldest: BTreeSet<(Vec<u8>, AssetId)>,
}

impl Ends {
    /// `created` is a moment as PostgreSQL writes it. All rows of one home are written in one time zone, so their
    /// texts sort as the moments do; the hour in which a clock is set back is near enough.
    pub fn take(&mut self, created: &[u8], id: AssetId) {
        let newer = self.newest.first().is_none_or(|(least, _)| created > least.as_slice());
        if newer || self.newest.len() < KEPT {
            self.newest.insert((created.to_vec(), id));
            if self.newest.len() > KEPT {
                self.newest.pop_first();
            }
        }
        let older = self.oldest.last().is_none_or(|(most, _)| created < most.as_slice());
        if older || self.oldest.len() < KEPT {
            self.oldest.insert((created.to_vec(), id));
            if self.oldest.len() > KEPT {
                self.oldest.pop_last();
            }
        }
    }

    /// The newest first, and the oldest first.
    pub fn finish(self) -> (Vec<AssetId>, Vec<AssetId>) {
        let newest = self.newest.into_iter().rev().map(|(_, id)| id).collect();
        (newest, self.oldest.into_iter().map(|(_, id)| id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_kept_and_no_more() {
        let mut ends = Ends::default();
        for number in (0..200u8).rev() {
            ends.take(format!("2026-01-01 00:{number:03}").as_bytes(), AssetId([number; 16]));
        }
        let (newest, oldest) = ends.finish();
        let numbers = |ids: &[AssetId]| ids.iter().map(|id| id.0[0]).collect::<Vec<_>>();
        assert_eq!(numbers(&newest), (152..200).rev().collect::<Vec<_>>());
        assert_eq!(numbers(&oldest), (0..48).collect::<Vec<_>>());
    }
}
