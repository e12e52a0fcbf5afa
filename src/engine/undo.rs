//! `undo`: puts back what a quarantine folder holds.

use std::fs;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use crate::model::{Event, EventSink, FileIdentity, RunInfo, display_path};
use crate::repair::manifest::{Line, MANIFEST, Manifest};
use crate::repair::quarantine::leftovers;
use crate::repair::store::{Area, DiskStore, DryRunStore, FileStore};
use crate::repair::undo::Undo;

use super::cancel::Cancel;
use super::config::UndoConfig;
use super::end::{RunEnd, RunError, StoppedBy};
use super::ground::deadline::beat;
use super::ground::{Ground, PATIENCE, Patient, Stuck};
use super::open::OpenError;
use super::setup;

/// Runs `undo`.
pub fn undo(config: &UndoConfig, sink: &dyn EventSink, cancel: &Cancel) -> Result<RunEnd, RunError> {
    let ground = &Ground::here(PATIENCE, cancel);
    let silent = |stuck: Stuck| RunError::guard(format!("nothing was put back: {stuck}"));
    ground.try_out(&config.folder).map_err(silent)?;
    let folder = fs::canonicalize(&config.folder)
        .map_err(|error| RunError::usage(format!("{}: {error}", display_path(&config.folder))))?;
    let path = folder.join(MANIFEST);
    let manifest = match File::open(&path) {
        Ok(file) => Manifest::read(BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RunError::usage(format!(
                "{} has no {MANIFEST}: expected a folder that was given as --quarantine",
                display_path(&folder)
            )));
        }
        Err(error) => Err(error),
    };
    let manifest = manifest.map_err(|error| RunError::io(format!("{}: {error}", display_path(&path))))?;
    let now = setup::now();
    sink.send(Event::Run(RunInfo {
        run_id: setup::run_id(jiff::Timestamp::now()),
        started_at: now.clone(),
        command: "undo".to_owned(),
        notes: notes(&manifest, &path),
        ..RunInfo::default()
    }));
    manifest.below.iter().try_for_each(|below| ground.try_out(below)).map_err(silent)?;
    let below = manifest.below.iter().filter(|below| below.is_dir()).map(Area::originals);
    let areas: Vec<Area> = std::iter::once(Area::aside(&folder)).chain(below).collect();
    // Whatever was taken away may come back to its place: the manifest says where that is.
    let disk = DiskStore::open(setup::random(), &areas, |_| true)
        .map_err(|error| RunError::io(format!("cannot prepare to put files back: {error}")))?;
    let disk = disk.telling(beat);
    let store = if config.dry_run {
        Patient::new(DryRunStore::new(disk), ground)
    } else {
        Patient::new(disk, ground)
    };
    if !manifest.entries.is_empty() {
        // Also takes the lock: two runs at once would be in each other's way.
        let line = Line::Opened { at: now.clone(), below: Vec::new() };
        store.append(&path, &line.to_bytes()).map_err(|error| RunError::io(error.to_string()))?;
    }
    for event in store.clear_temporaries(&leftovers(&folder)) {
        sink.send(Event::Repair(event));
    }
    let undo = Undo {
        store: &store,
        folder: &folder,
        manifest: &manifest,
        open: &|path| open(ground, path),
        now: &now,
    };
    undo.run(&|event| sink.send(Event::Repair(event)), &|| cancel.is_requested());
    let stopped_by = if cancel.is_requested() { StoppedBy::Signal } else { StoppedBy::Nothing };
    Ok(RunEnd { stopped_by })
}

fn notes(manifest: &Manifest, path: &Path) -> Vec<String> {
    let mut notes: Vec<String> = manifest
        .below
        .iter()
        .filter(|below| !below.is_dir())
        .map(|below| format!("{} is not there: mount it to have its files put back", display_path(below)))
        .collect();
    if let Some(first) = manifest.unread.first() {
        notes.push(format!(
            "{} of {} cannot be read and were passed over, the first is line {first}: what they announced was \
             never done, if a run was killed",
            match manifest.unread.len() {
                1 => "1 line".to_owned(),
                number => format!("{number} lines"),
            },
            display_path(path)
        ));
    }
    notes
}

/// Opens a regular file, following no link.
fn open(ground: &Ground, path: &Path) -> Result<Option<(File, FileIdentity)>, String> {
    match ground.stat(path, false) {
        Ok(there) if there.is_file() => {}
        Ok(_) => return Err(format!("{} is a link or no regular file", display_path(path))),
        Err(error) if super::inventory::is_absent(&error) => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", display_path(path))),
    }
    match ground.open(path, false) {
        Ok(opened) => Ok(Some(opened)),
        Err(OpenError::NotFound) => Ok(None),
        Err(error) => Err(format!("{}: {error}", display_path(path))),
    }
}
