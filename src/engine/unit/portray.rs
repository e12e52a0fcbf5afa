//! Small pictures for the report: what is wrong as it was found, what was made instead, what is left of lost originals.
//!
//! All of them are encoded by a worker: nothing that a page shows are bytes that were merely found.

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{Desk, Turn};
use crate::engine::crew::Halt;
use crate::engine::look::{Look, Portrait};
use crate::engine::reconcile::units::{AssetUnit, UnitFile};
use crate::immich::records::AssetKind;
use crate::model::{Event, Role, Shows, SmallPicture, What};
use crate::repair::plan::{AssetState, GeneratedState, OriginalState, PlannedRepair};

/// Assets with a lost original of which pictures are kept, and as many others.
const ASSETS: u32 = 100;
/// Bytes of all pictures of a run.
const BYTES: u64 = 4 << 20;
/// A larger one, such as that of a panorama, is left out.
const LARGEST: usize = 64 << 10;
/// Roles in the order in which they show most in a small picture at least cost.
const CHEAPEST: [Role; 3] = [Role::Thumbnail, Role::Preview, Role::Fullsize];

/// How many pictures the run has made so far.
#[derive(Debug, Default)]
pub struct Exhibition {
    lost: AtomicU32,
    others: AtomicU32,
    bytes: AtomicU64,
}

impl Exhibition {
    /// Whether there is room for one more asset.
    fn admits(&self, lost: bool) -> bool {
        let count = if lost { &self.lost } else { &self.others };
        self.bytes.load(Ordering::Relaxed) < BYTES && count.fetch_add(1, Ordering::Relaxed) < ASSETS
    }
}

/// A unit of which pictures are made.
pub(super) struct Sitter {
    /// The original is damaged or missing.
    lost: bool,
    /// The generated file of which there may be a picture before and one after.
    wrong: Option<(Role, std::path::PathBuf)>,
}

impl Desk<'_> {
    /// Shows what is wrong with a unit as it was found; gives what has to be known to show what becomes of it.
    pub(super) fn as_found(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        state: &AssetState,
        look: Option<&Look>,
    ) -> Result<Option<Sitter>, Halt> {
        let lost = matches!(state.original, OriginalState::Damaged(_) | OriginalState::Missing);
        let wrong = state.files.iter().filter(|file| file.wrong.is_some());
        let wrong = wrong.min_by_key(|file| {
            [Role::Preview, Role::Thumbnail].iter().position(|role| *role == file.role).unwrap_or(2)
        });
        // A quick run has nothing decoded, and whoever is not shown the asset needs no picture of it.
        if self.ledger.is_none()
            || unit.lowered
            || !(lost || wrong.is_some())
            || !self.exhibition.admits(lost)
        {
            return Ok(None);
        }
        let damage = look.and_then(|look| look.report.as_ref()).and_then(|report| report.sound_until);
        let damaged = matches!(state.original, OriginalState::Damaged(_));
        let lost_part = damage.filter(|_| damaged).map_or(0, lost_percent);
        let mut shown = false;
        for (role, path) in survivors(unit, state) {
            if !shown {
                shown = self.show(turn, unit, (role, path), (Shows::Left, lost_part))?;
            }
        }
        let is_still = self.records.index.asset(unit.asset).kind == AssetKind::Image;
        let original =
            unit.original.as_ref().filter(|file| file.is_present() && damaged && is_still && !shown);
        if let Some(path) = original.and_then(|file| file.path.as_deref()) {
            self.show(turn, unit, (Role::Original, path), (Shows::Found, lost_part))?;
        }
        let shows_something = |file: &&GeneratedState| {
            !matches!(file.wrong, Some(What::Missing | What::Empty | What::Unreadable))
        };
        if let Some(file) = wrong.filter(shows_something) {
            self.show(turn, unit, (file.role, &file.path), (Shows::Found, 0))?;
        }
        Ok(Some(Sitter { lost, wrong: wrong.map(|file| (file.role, file.path.clone())) }))
    }

    /// Shows what was made of a unit that was shown before.
    pub(super) fn as_made(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        sitter: &Sitter,
        made: &[&PlannedRepair],
    ) -> Result<(), Halt> {
        let Some((role, path)) = sitter.wrong.as_ref().filter(|_| !sitter.lost) else { return Ok(()) };
        if made.iter().any(|repair| repair.path == *path) {
            self.show(turn, unit, (*role, path), (Shows::Made, 0))?;
        }
        Ok(())
    }

    /// A small picture of a damaged original before anything takes its place.
    pub(super) fn as_lost(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        file: &UnitFile,
    ) -> Result<Option<Portrait>, Halt> {
        let path = file.path.as_deref().filter(|_| file.is_present() && self.exhibits_original(unit));
        path.map_or(Ok(None), |path| Ok(turn.examiner.portray(path)?))
    }

    /// Shows an original that is back, beside what had been there.
    pub(super) fn as_restored(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        file: &UnitFile,
        before: Option<Portrait>,
    ) -> Result<(), Halt> {
        let Some(path) = file.path.as_deref() else { return Ok(()) };
        if !self.exhibits_original(unit) || !self.exhibition.admits(true) {
            return Ok(());
        }
        if let Some(before) = before {
            self.hang(unit, Role::Original, before, (Shows::Found, 0));
        }
        self.show(turn, unit, (Role::Original, path), (Shows::Made, 0))?;
        Ok(())
    }

    /// Whether small pictures of an original are of use: a quick run has nothing decoded, films take long.
    fn exhibits_original(&self, unit: &AssetUnit) -> bool {
        let is_still = self.records.index.asset(unit.asset).kind == AssetKind::Image;
        is_still && self.ledger.is_some() && !unit.lowered
    }

    /// Shows a file; tells whether there was something to show.
    fn show(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        (role, path): (Role, &Path),
        (shows, lost): (Shows, u8),
    ) -> Result<bool, Halt> {
        let portrait = turn.examiner.portray(path)?;
        Ok(portrait.is_some_and(|portrait| self.hang(unit, role, portrait, (shows, lost))))
    }

    fn hang(&self, unit: &AssetUnit, role: Role, portrait: Portrait, (shows, lost): (Shows, u8)) -> bool {
        let (size, webp) = (portrait.picture.size, portrait.picture.bytes);
        if webp.len() > LARGEST || (shows != Shows::Found && !portrait.sound) {
            return false;
        }
        let length = webp.len() as u64;
        if self.exhibition.bytes.fetch_add(length, Ordering::Relaxed) + length > BYTES {
            return false;
        }
        // Of a file with something wrong its own damage is shown.
        let own = portrait.sound_until.filter(|_| shows == Shows::Found).map_or(0, lost_percent);
        let picture = SmallPicture { asset: unit.id, role, shows, size, lost: lost.max(own), webp };
        self.sink.send(Event::Picture(Box::new(picture)));
        true
    }
}

/// Pictures of a unit that may show its original, the cheapest first: also those that `--only` leaves out.
fn survivors<'u>(unit: &'u AssetUnit, state: &AssetState) -> Vec<(Role, &'u Path)> {
    let wrong = |path: &Path| state.files.iter().any(|file| file.wrong.is_some() && file.path == path);
    let files = CHEAPEST.iter().flat_map(|role| unit.files.iter().filter(move |file| file.role == *role));
    let files = files.filter(|file| file.is_present() && !file.edited);
    files
        .filter_map(|file| Some((file.role, file.path.as_deref()?)))
        .filter(|(_, path)| !wrong(path))
        .collect()
}

/// What is lost when so much of the height, from the top, is sound: percent, as the evidence has it, but never nothing.
fn lost_percent(sound_until: f32) -> u8 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    let percent = ((1.0 - sound_until.clamp(0.0, 1.0)) * 100.0).round() as u8;
    percent.max(u8::from(sound_until < 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_originals_have_room_whatever_else_is_wrong() {
        let exhibition = Exhibition::default();
        let others = (0..3 * ASSETS).filter(|_| exhibition.admits(false)).count();
        let lost = (0..3 * ASSETS).filter(|_| exhibition.admits(true)).count();
        assert_eq!((others, lost), (ASSETS as usize, ASSETS as usize));
        assert!(!Exhibition { bytes: AtomicU64::new(BYTES), ..Exhibition::default() }.admits(true));
    }

    #[test]
    fn what_is_lost_is_never_nothing() {
        assert_eq!([0.0, 0.4, 0.999, 1.0, 7.0].map(lost_percent), [100, 60, 1, 0, 0]);
    }
}
