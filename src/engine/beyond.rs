//! What `repair` may do beyond making pictures again, and what has to be right before it does.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Access, AtFlags, StatVfsMountFlags};

use crate::immich::layout::Folder;
use crate::immich::mounts;
use crate::immich::paths::PathMap;
use crate::immich::records::{self, Home, Records};
use crate::model::{AssetId, display_path};
use crate::repair::quarantine::Quarantine;
use crate::repair::salvage::Salvage;

use super::config::RepairConfig;
use super::end::RunError;
use super::ground::Ground;

/// A dump is recent for so long: Immich makes one every night, and one may be missed.
const RECENT: SignedDuration = SignedDuration::from_hours(48);

/// What is done about lost originals, and what is known of them.
#[derive(Default)]
pub struct Rescue<'a> {
    /// Move lost originals that are in the library to where the records name them.
    pub relink: bool,
    /// Where damaged files go.
    pub quarantine: Option<&'a Quarantine>,
    /// Where the best pictures of lost originals go.
    pub salvage: Option<&'a Salvage>,
    unsound: Mutex<HashSet<AssetId>>,
}

impl<'a> Rescue<'a> {
    /// Nothing known yet.
    pub fn new(relink: bool, quarantine: Option<&'a Quarantine>, salvage: Option<&'a Salvage>) -> Self {
        Self { relink, quarantine, salvage, unsound: Mutex::default() }
    }

    /// Notes that the original of an asset was not found sound in this run.
    pub fn note_unsound(&self, asset: AssetId) {
        self.unsound.lock().unwrap_or_else(PoisonError::into_inner).insert(asset);
    }

    /// Whether that was noted.
    pub fn is_unsound(&self, asset: AssetId) -> bool {
        self.unsound.lock().unwrap_or_else(PoisonError::into_inner).contains(&asset)
    }
}

/// The folders of a run that lie beside the library, with links resolved.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// `--originals-from`
    pub trees: Vec<PathBuf>,
    /// `--quarantine`
    pub quarantine: Option<PathBuf>,
    /// `--salvage`
    pub salvage: Option<PathBuf>,
}

/// Checks everything that was asked for beyond pictures. The notes are for people.
pub fn check(
    config: &RepairConfig,
    (media, ground): (&Path, &Ground),
    records: &Records,
    map: &PathMap,
) -> Result<(Beside, Vec<String>), RunError> {
    let beside = folders(config, media, map)?;
    let mut notes = Vec::new();
    if config.quarantine_untracked && records.home == Home::None {
        return Err(RunError::guard(
            "--quarantine-untracked: there are no records, so nothing tells which files are untracked; give --db",
        ));
    }
    if !config.dry_run {
        let aside = beside.quarantine.iter().chain(&beside.salvage);
        aside.into_iter().try_for_each(|folder| writable(folder))?;
    }
    if config.goes_beyond() {
        let backups = mounts::folder_on_host(Folder::Backups, media, map, records.media_location.as_deref());
        notes.push(backup(ground, &backups, config)?);
    }
    Ok((beside, notes))
}

/// The guard before any write to the library beyond `thumbs/`: a recent complete dump of the database.
fn backup(ground: &Ground, folder: &Path, config: &RepairConfig) -> Result<String, RunError> {
    let since = Timestamp::now().saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
    let passed_over = match records::recent_complete_dump(ground, folder, since) {
        Ok(dump) => return Ok(format!("a dump to go back to: {}", display_path(&dump))),
        Err(passed_over) => passed_over,
    };
    let mut words = format!(
        "there is no complete dump of the database in {} that is younger than {} hours",
        display_path(folder),
        RECENT.as_hours()
    );
    if !passed_over.is_empty() {
        words = format!("{words} ({})", passed_over.join("; "));
    }
    if config.yes_without_backup {
        return Ok(format!("{words}; going on without one (--yes-without-backup)"));
    }
    if config.dry_run {
        return Ok(format!("{words}; a run that writes will ask for --yes-without-backup"));
    }
    Err(RunError::guard(format!(
        "{words}, and this run may write beyond thumbs/: have Immich make one (Administration, Jobs, Create job, \
         Create database dump), or go on without one by --yes-without-backup"
    )))
}

/// Resolves the folders and refuses those that are in each other's way.
fn folders(config: &RepairConfig, media: &Path, map: &PathMap) -> Result<Beside, RunError> {
    let mut beside = Beside::default();
    for tree in &config.originals_from {
        let real = fs::canonicalize(tree)
            .and_then(
                |real| if real.is_dir() { Ok(real) } else { Err(std::io::ErrorKind::NotADirectory.into()) },
            )
            .map_err(|error| RunError::usage(format!("--originals-from {}: {error}", display_path(tree))))?;
        beside.trees.push(real);
    }
    let resolve = |option: &str, folder: &Option<PathBuf>| {
        let real = folder.as_deref().map(resolved).transpose();
        real.map_err(|error| RunError::usage(format!("{option}: {error}")))
    };
    beside.quarantine = resolve("--quarantine", &config.quarantine)?;
    beside.salvage = resolve("--salvage", &config.salvage)?;
    let library: Vec<PathBuf> = std::iter::once(media)
        .chain(map.hosts())
        .map(|folder| fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()))
        .collect();
    let aside = [("--quarantine", &beside.quarantine), ("--salvage", &beside.salvage)];
    for (option, folder) in aside {
        let Some(folder) = folder else { continue };
        let refuse = |what: &str, other: &Path| {
            RunError::usage(format!(
                "{option} {}: expected a folder of its own, but {what} {} overlaps it",
                display_path(folder),
                display_path(other)
            ))
        };
        if let Some(other) = library.iter().find(|other| overlap(folder, other)) {
            return Err(refuse("the library at", other));
        }
        if let Some(other) = beside.trees.iter().find(|other| overlap(folder, other)) {
            return Err(refuse("the backup at", other));
        }
    }
    match (&beside.quarantine, &beside.salvage) {
        (Some(quarantine), Some(salvage)) if overlap(quarantine, salvage) => Err(RunError::usage(
            "--quarantine and --salvage: expected two folders, none of them inside the other",
        )),
        _ => Ok(beside),
    }
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// A folder that may not be there yet, below one that is.
fn resolved(folder: &Path) -> Result<PathBuf, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", display_path(folder));
    match fs::canonicalize(folder) {
        Ok(real) if real.is_dir() => return Ok(real),
        Ok(_) => return Err(format!("{}: expected a folder", display_path(folder))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail(error)),
    }
    let absolute = std::path::absolute(folder).map_err(fail)?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(format!("{}: expected a folder", display_path(folder)));
    };
    if fs::symlink_metadata(&absolute).is_ok() {
        return Err(format!("{}: a link that leads nowhere", display_path(folder)));
    }
    let parent = fs::canonicalize(parent)
        .map_err(|error| format!("{}: {error}; make it first", display_path(parent)))?;
    Ok(parent.join(name))
}

/// Whether files can be written to a folder, or to the one that it will be made in.
fn writable(folder: &Path) -> Result<(), RunError> {
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(folder);
    let fail = |reason: &str| Err(RunError::io(format!("cannot write to {}: {reason}", display_path(there))));
    match rustix::fs::statvfs(there) {
        Ok(stat) if stat.f_flag.contains(StatVfsMountFlags::RDONLY) => {
            return fail("its file system is mounted read-only");
        }
        Ok(_) => {}
        Err(errno) => return fail(&std::io::Error::from(errno).to_string()),
    }
    match rustix::fs::accessat(rustix::fs::CWD, there, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => Ok(()),
        Err(errno) => fail(&std::io::Error::from(errno).to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn folders_that_are_not_there_yet_are_resolved_and_others_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", root.join("broken")).unwrap();
        fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        fs::write(root.join("file"), b"").unwrap();
        assert_eq!(resolved(&root.join("new")).unwrap(), root.join("new"));
        assert_eq!(resolved(&root.join("link")).unwrap(), root.join("real"));
        assert_eq!(resolved(&root.join("link/new")).unwrap(), root.join("real/new"));
        for bad in ["broken", "file", "none/new"] {
            assert!(resolved(&root.join(bad)).is_err(), "{bad}");
        }
        assert!(overlap(Path::new("/a/b"), Path::new("/a")) && overlap(Path::new("/a"), Path::new("/a/b")));
        assert!(!overlap(Path::new("/a/bc"), Path::new("/a/b")));
    }
}
