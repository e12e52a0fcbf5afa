//! Assets about which nothing is to be done or said: all their files are as an earlier run had left them, none is
//! lacking, and their sizes fit each other.

use super::Reconciler;
use crate::engine::fresh::Kept;
use crate::engine::sizes::{self, Shape};
use crate::immich::records::AssetIdx;
use crate::model::Role;

impl Reconciler<'_> {
    /// For the order of work, of an asset that is not settled: the day since 1970 of the oldest look that is to be repeated; 0 if
    /// any of its files is new, changed, was not sound or is not there, or if nothing is known to be too old.
    pub fn last_look(&self, asset: AssetIdx) -> u16 {
        let index = &self.holdings.records.index;
        let portraits = index.portraits_of(asset).filter_map(|(_, file)| file);
        let mut oldest = None;
        for file in index.files_of(asset).chain(portraits) {
            match (self.holdings.fresh(file), self.holdings.aged(file)) {
                (Some(_), _) => {}
                (None, Some(day)) => oldest = Some(oldest.map_or(day, |oldest: u16| oldest.min(day))),
                (None, None) => return 0,
            }
        }
        oldest.unwrap_or(0)
    }

    /// How many walked entries an asset accounts for that needs no look; `None` for every other. Says nothing that
    /// the work on its unit would not say, only without making one.
    pub fn settled(&self, asset: AssetIdx) -> Option<u64> {
        let records = self.holdings.records;
        let index = &records.index;
        let view = index.asset(asset);
        let (mut entries, mut original, mut pictures) = (0, None, Vec::new());
        let portraits = index.portraits_of(asset).filter_map(|(_, file)| file);
        for file in index.files_of(asset).chain(portraits) {
            let row = index.file(file);
            if !self.choice.only.contains(row.role) {
                // An original is looked at beside its pictures, whatever was chosen.
                if row.role == Role::Original {
                    return None;
                }
                continue;
            }
            let Kept { size } = self.holdings.fresh(file)?;
            entries += u64::from(self.holdings.counted(file));
            if row.role == Role::Original && original.is_none() {
                original = Some(size);
            } else if let Some(made) = size.filter(|_| row.role.is_generated()) {
                pictures.push((row.role, row.edited, made));
            }
        }
        if let Some(original) = original? {
            let shape = Shape::of(&view, original);
            let misfit = |(role, edited, made)| sizes::misfit(shape, role, edited, made, &records.image);
            if pictures.into_iter().any(|picture| misfit(picture).is_some()) {
                return None;
            }
        }
        let whole = self.unpictured(&view).next().is_none() && !self.lacks_any(&view);
        whole.then_some(entries)
    }
}
