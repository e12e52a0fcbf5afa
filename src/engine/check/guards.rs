//! What a run refuses to go on with: wrong mounts, folders that went away, shares that hang.

use std::path::Path;

use super::Run;
use crate::engine::config::{Db, RepairConfig};
use crate::engine::end::RunError;
use crate::engine::ground::Ground;
use crate::engine::inventory;
use crate::immich::layout::Folder;
use crate::immich::mounts::{self, GuardError};
use crate::immich::paths::PathMap;
use crate::immich::records::Records;
use crate::model::Event;

impl Run<'_> {
    /// The guards that need no walk.
    pub(super) fn guard(
        &self,
        media: &Path,
        (records, map): (&Records, &PathMap),
        ground: &Ground,
    ) -> Result<(), RunError> {
        let location = records.media_location.as_deref();
        let mut folders: Vec<_> = map.hosts().into_iter().map(Path::to_path_buf).collect();
        folders.extend(Folder::ALL.map(|folder| mounts::folder_on_host(folder, media, map, location)));
        let hangs = |folder: &Path| ground.hangs(folder);
        let any_hangs = folders.iter().filter(|folder| hangs(folder)).count() > 0;
        if hangs(media) {
            // One of its folders was the first to hang: there is nothing to go on with.
            return Err(self.stop(&ground.silent()));
        }
        let mut violations = mounts::check_mounts(media, map, location, &records.mount_flags, &hangs);
        if !self.config.allow_mass_missing {
            violations.extend(inventory::check_imports(records, map, &hangs));
        }
        if any_hangs && self.repair.is_some_and(|repair| !repair.dry_run) {
            // Nothing is written as long as not all of the library can be seen.
            violations.extend(ground.silent());
        }
        if violations.is_empty() { Ok(()) } else { Err(self.stop(&violations)) }
    }

    /// Fails if a folder of the run is known to be gone.
    pub(super) fn stand(&self, gone: Option<&GuardError>) -> Result<(), RunError> {
        gone.map_or(Ok(()), |gone| Err(self.stop(std::slice::from_ref(gone))))
    }

    /// What a run comes to at its end: one that could not see everything has not been finished.
    pub(super) fn heard_from_all(&self, ground: &Ground) -> Result<(), RunError> {
        self.tell_silent(ground);
        match &ground.silent()[..] {
            [] => Ok(()),
            silent => Err(RunError::guard(in_words(silent))),
        }
    }

    /// Tells the guards' findings and ends the run before anything is called missing.
    pub(super) fn stop(&self, violations: &[GuardError]) -> RunError {
        for finding in violations.iter().filter_map(GuardError::finding) {
            self.finding(finding);
        }
        RunError::guard(in_words(violations))
    }

    /// Whether the media location and its dumps answer: without them there is no run.
    pub(super) fn try_out(&self, command: &str, media: &Path, ground: &Ground) -> Result<(), RunError> {
        let backups = media.join(Folder::Backups.as_str());
        let needed = [Some(media), (self.config.db == Db::Auto).then_some(&*backups)];
        if needed.into_iter().flatten().any(|folder| ground.hangs(folder)) {
            let silent = ground.silent();
            self.sink.send(Event::Run(self.bare_info(command, media)));
            return Err(self.stop(&silent));
        }
        Ok(())
    }

    /// Whether the folders beside the library answer that a repair reads from or writes to.
    pub(super) fn beside_answers(&self, repair: &RepairConfig, ground: &Ground) -> Result<(), RunError> {
        let beside = repair.originals_from.iter().chain(&repair.quarantine).chain(&repair.salvage);
        let silent = beside.filter(|folder| ground.hangs(folder)).count() > 0;
        if silent { Err(self.stop(&ground.silent())) } else { Ok(()) }
    }

    /// Tells which shares hang.
    pub(super) fn tell_silent(&self, ground: &Ground) {
        for finding in ground.newly_silent().iter().filter_map(GuardError::finding) {
            self.finding(finding);
        }
    }
}

fn in_words(violations: &[GuardError]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
