//! In which order a run works: what is new, changed or broken comes first, then what was sound the longest time ago. A run that
//! ends early has then done what is most worth doing, and the next one goes on where it stopped.

use crate::immich::records::AssetIdx;

use super::loose::LooseIdx;
use super::reconcile::Reconciler;
use super::unit::Work;

/// Something to look at, without what making it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Asset(AssetIdx),
    Loose(LooseIdx),
}

/// Everything to be done in its order.
pub struct Order<'r, 'a> {
    reconciler: &'r Reconciler<'a>,
    /// Never looked at.
    first: Vec<Place>,
    /// The oldest first.
    last: Vec<Place>,
    /// Walked entries of assets that need nothing.
    pub settled: u64,
}

impl<'r, 'a> Order<'r, 'a> {
    /// Sorts all assets and loose files that the choice takes.
    pub fn of(reconciler: &'r Reconciler<'a>) -> Self {
        let mut settled = 0;
        let mut due = Vec::new();
        for asset in reconciler.assets() {
            match reconciler.settled(asset) {
                Some(entries) => settled += entries,
                None => due.push((reconciler.last_look(asset), Place::Asset(asset))),
            }
        }
        due.extend(reconciler.loose_days().map(|(day, loose)| (day, Place::Loose(loose))));
        due.sort_by_key(|(day, _)| *day);
        let known = due.partition_point(|(day, _)| *day == 0);
        let places = |part: &[(u16, Place)]| part.iter().map(|(_, place)| *place).collect();
        let (first, last) = due.split_at(known);
        Self { reconciler, first: places(first), last: places(last), settled }
    }

    /// All of it; faces and avatars, which are few, between the new and the old.
    pub fn works(&self) -> impl Iterator<Item = Work> + Send + use<'_, 'r, 'a> {
        let work = |place: &Place| match *place {
            Place::Asset(asset) => Some(Work::Asset(asset)),
            Place::Loose(loose) => Some(Work::Loose(Box::new(self.reconciler.loose_at(loose)?))),
        };
        let singles = self.reconciler.singles().map(|single| Work::Single(Box::new(single)));
        self.first.iter().filter_map(work).chain(singles).chain(self.last.iter().filter_map(work))
    }
}
