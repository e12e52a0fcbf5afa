//! What is done about an original that is damaged or missing: it comes back from where its bytes still are, or the
//! best picture of it is saved.

use super::{Desk, Outcome, Turn};
use crate::engine::crew::Halt;
use crate::engine::gallery::Gallery;
use crate::engine::ground::Ground;
use crate::engine::look::Look;
use crate::engine::reconcile::units::{AssetUnit, UnitFile};
use crate::engine::setup;
use crate::engine::whereabouts::{Found, Wanted};
use crate::model::{
    Code, Depth, Event, Finding, RepairAction, RepairEvent, RepairStatus, Role, Severity, Verdict, What,
    display_path, shell_word,
};
use crate::repair::original::{self, Lost};
use crate::repair::plan::{AssetPlan, AssetState, GeneratedState, OriginalState, Source};
use crate::repair::salvage::Survivor;

/// What became of a lost original.
enum Rescue {
    /// It is as lost as before.
    None,
    /// A dry run: it would be back.
    Planned,
    /// It is back.
    Done,
}

impl Desk<'_> {
    /// Says of a missing original where its bytes are, if they are in the library.
    pub(super) fn say_where(&self, unit: &AssetUnit, finding: &mut Finding) {
        let is_loss =
            finding.code == Code::File(Role::Original, What::Missing) && finding.severity > Severity::Info;
        // Nothing is read whole by a quick look.
        if !is_loss || (self.depth == Depth::Structure && self.repair.is_none()) {
            return;
        }
        let Some(path) = unit.original.as_ref().and_then(|file| file.path.as_deref()) else { return };
        let view = self.records.index.asset(unit.asset);
        let Some(source) = self.whereabouts.in_library(&Wanted { view: &view, path }) else { return };
        let evidence = std::mem::take(&mut finding.evidence);
        finding.evidence = evidence.with("found_at", source.path.to_string_lossy());
        finding.advice = format!(
            "its bytes are at {}: photofsck repair --relink moves them back, or do it by hand: {}",
            display_path(&source.path),
            original::move_command(&source.path, path)
        );
    }

    /// The state of a lost original after everything has been tried that was asked for. `damaged`: the look at the
    /// file that is there.
    pub(super) fn rescue(
        &self,
        turn: &mut Turn<'_, '_>,
        (unit, file): (&AssetUnit, &UnitFile),
        hoped: &AssetPlan,
        (gallery, look): (&mut Gallery<'_>, &mut Option<Look>),
        lost: OriginalState,
    ) -> Result<OriginalState, Halt> {
        let seeks = self.repair.as_ref().is_some_and(|repairs| !repairs.dry_run && repairs.rescue.relink);
        let seeks = seeks || (self.repair.is_some() && self.whereabouts.has_backups());
        let before = if seeks { self.as_lost(turn, unit, file)? } else { None };
        match self.bring_back(unit, file, look.as_ref()) {
            Rescue::None => Ok(lost),
            Rescue::Planned => {
                *look = None;
                Ok(OriginalState::Sound)
            }
            Rescue::Done => {
                let mut expected = self.expectation(unit, file, gallery);
                expected.depth = expected.depth.max(Depth::Keyframes);
                let told = match hoped.render_job(Source::Original, &self.records.image) {
                    Some(job) => turn.examiner.look_and_make(&expected, &job)?,
                    None => turn.examiner.look(&expected, None)?,
                };
                let Outcome::Looked(told) = self.tell(turn, &expected, told, false, true)? else {
                    return Ok(OriginalState::Missing);
                };
                gallery.original(&expected, &told);
                let state = match told.judgement.verdict {
                    Verdict::Verified | Verdict::Decodable => OriginalState::Sound,
                    Verdict::Damaged => OriginalState::Damaged(told.judgement.reason.clone()),
                    Verdict::Unverifiable => OriginalState::Unverifiable(told.judgement.reason.clone()),
                };
                *look = Some(*told);
                self.as_restored(turn, unit, file, before)?;
                Ok(state)
            }
        }
    }

    fn bring_back(&self, unit: &AssetUnit, file: &UnitFile, damaged: Option<&Look>) -> Rescue {
        let Some(repairs) = self.repair.as_ref() else { return Rescue::None };
        self.mind_the_ground(repairs);
        let rescue = &repairs.rescue;
        let view = self.records.index.asset(unit.asset);
        let Some(path) = file.path.as_deref().filter(|_| file.selected && !view.offline) else {
            return Rescue::None;
        };
        if !rescue.relink && !self.whereabouts.has_backups() {
            return Rescue::None;
        }
        let tell = |event| self.sink.send(Event::Repair(event));
        let mut lost = Lost { asset: unit.id, path: path.to_owned(), damaged: None };
        if let Some(reason) = repairs.stopped.get() {
            tell(original::not_tried(RepairAction::Restore, &lost, reason.clone()));
            return Rescue::None;
        }
        if let Some(look) = damaged {
            match state_of(self.ground, path, look) {
                Ok(state) => lost.damaged = Some(state),
                Err(reason) => {
                    tell(original::not_tried(RepairAction::Restore, &lost, reason));
                    return Rescue::None;
                }
            }
        }
        let wanted = Wanted { view: &view, path };
        let stray = self.whereabouts.in_library(&wanted).filter(|_| rescue.relink);
        let found = match stray {
            Some(source) => Some(Found::Proved(source)),
            None if self.whereabouts.has_backups() => self.whereabouts.in_backups(&wanted),
            None => return Rescue::None,
        };
        let source = match found {
            Some(Found::Proved(source)) => source,
            Some(Found::Likely(likely)) => {
                let reason = format!(
                    "no checksum of its content is recorded, so nothing proves that {} is it: compare by hand, \
                     then cp -n --preserve=timestamps {} {}",
                    display_path(&likely),
                    shell_word(&likely),
                    shell_word(path)
                );
                tell(original::not_tried(RepairAction::Restore, &lost, reason));
                return Rescue::None;
            }
            None => {
                let reason = if view.checksum.is_some() {
                    "no file below --originals-from has its recorded bytes"
                } else {
                    "no checksum of its content is recorded, and no file below --originals-from has its name and size"
                };
                tell(original::not_tried(RepairAction::Restore, &lost, reason.to_owned()));
                return Rescue::None;
            }
        };
        let brought = original::bring_back(repairs.store, rescue.quarantine, &lost, &source, &setup::now());
        if brought.stop {
            let _ = repairs.stopped.set(brought.event.reason.clone());
        }
        let planned = brought.event.status == RepairStatus::Planned;
        tell(brought.event);
        match (brought.back, planned) {
            (false, _) => Rescue::None,
            (true, true) => Rescue::Planned,
            (true, false) => Rescue::Done,
        }
    }

    /// Notes an asset whose pictures may be the last of it, and saves the best of them if that was asked for.
    pub(super) fn last_copies(&self, unit: &AssetUnit, state: &AssetState) {
        let Some(repairs) = &self.repair else { return };
        if state.original == OriginalState::Sound {
            return;
        }
        repairs.rescue.note_unsound(unit.id);
        let lost = matches!(state.original, OriginalState::Damaged(_) | OriginalState::Missing);
        let Some(salvage) = repairs.rescue.salvage.filter(|_| lost && repairs.stopped.get().is_none()) else {
            return;
        };
        let view = self.records.index.asset(unit.asset);
        if view.offline {
            // Its disk is away, as the records say: nothing is lost by that.
            return;
        }
        for (file, sound) in survivors(unit, &state.files) {
            let Some(path) = &file.path else { continue };
            let Ok((opened, _)) = self.ground.open(path, true) else { continue };
            let survivor = Survivor {
                asset: unit.id,
                owner: unit.owner,
                name: view.name,
                role: file.role,
                sound,
                file: &opened,
                path,
            };
            let event = |path, status, reason, bytes| RepairEvent {
                action: RepairAction::Salvage,
                role: file.role,
                path,
                asset: Some(unit.id),
                status,
                reason,
                bytes,
            };
            let told = match salvage.save(repairs.store, &survivor) {
                Ok((Some(done), to)) => {
                    let quality = if sound { "" } else { ", the best there is, though not sound" };
                    let reason = format!("from {}{quality}", display_path(path));
                    event(to, done.status, reason, Some(done.bytes))
                }
                Ok((None, to)) => event(to, RepairStatus::Skipped, "copied out before".to_owned(), None),
                Err(error) => {
                    if error.stops_repair() {
                        let _ = repairs.stopped.set(error.to_string());
                    }
                    event(path.clone(), error.status(), error.to_string(), None)
                }
            };
            self.sink.send(Event::Repair(told));
            return;
        }
    }
}

/// State and bytes of the damaged file that a look has told about.
fn state_of(
    ground: &Ground,
    path: &std::path::Path,
    look: &Look,
) -> Result<(crate::model::FileIdentity, crate::repair::store::Content), String> {
    let unreadable = |error: &dyn std::fmt::Display| {
        format!("what is left of it cannot be read, so it cannot be kept, and it is not replaced: {error}")
    };
    let (file, state) = ground.open(path, true).map_err(|error| unreadable(&error))?;
    if look.identity.is_some_and(|seen| !state.unchanged_since(&seen)) {
        return Err("it changed while it was looked at: run again".to_owned());
    }
    let content = ground.content(path, &file).map_err(|error| unreadable(&error))?;
    Ok((state, content))
}

/// Pictures of a unit that show its original, the best first: sound ones before others, the unedited before the
/// edited, large before small.
fn survivors<'u>(unit: &'u AssetUnit, looked: &[GeneratedState]) -> Vec<(&'u UnitFile, bool)> {
    const BEST: [Role; 4] = [Role::Video, Role::Fullsize, Role::Preview, Role::Thumbnail];
    let mut found: Vec<(bool, bool, usize, &UnitFile)> = unit
        .files
        .iter()
        .filter(|file| file.is_present())
        .filter_map(|file| {
            let rank = BEST.iter().position(|role| *role == file.role)?;
            let state = looked.iter().find(|state| Some(&state.path) == file.path.as_ref());
            let wrong = state.and_then(|state| state.wrong);
            let useless =
                matches!(wrong, Some(What::Empty | What::Missing | What::Unreadable | What::WrongContent));
            let sound = state.is_some() && wrong.is_none();
            (!useless).then_some((!sound, file.edited, rank, file))
        })
        .collect();
    found.sort_by_key(|(unsound, edited, rank, _)| (*unsound, *edited, *rank));
    found.into_iter().map(|(unsound, _, _, file)| (file, !unsound)).collect()
}
