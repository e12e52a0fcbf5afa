//! What the walk has found, held against the records: marks for recorded files, a list of the others.
//!
//! Fed from several threads while the walk runs, then settled: a recorded file that the walk has not met is
//! looked for at its path, so that one behind a link to a folder, or in a folder that may not be listed, is
//! never called missing.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::fresh::{Fresh, Kept};
use super::ground::Ground;
use super::loose::{LooseFiles, LooseIdx};
use super::scan::{Entry, Found};
use crate::catalog::{Known, Trusted};
use crate::immich::layout::{FileMeaning, Style};
use crate::immich::mounts::{GuardError, check_mapped, check_mass_missing, import_trouble};
use crate::immich::paths::{MapError, MapInputs, MapRule, PathMap, PrefixCount, Unmapped};
use crate::immich::records::{AssetIdx, AssetKind, AssetView, FileIdx, Home, RecordIndex, Records, Seen};
use crate::model::{Code, Evidence, Finding, Role, RunCode};

/// The path map for these records: rules of a person, of a compose file, and guesses.
pub fn build_map(
    records: &Records,
    media: Option<&Path>,
    user: &[MapRule],
    compose: &[MapRule],
) -> Result<PathMap, MapError> {
    use std::os::unix::ffi::OsStrExt;
    let mut prefixes = PrefixCount::default();
    for dir in records.index.dirs() {
        prefixes.add(dir.path.as_os_str().as_bytes(), u64::from(dir.files));
    }
    PathMap::build(&MapInputs {
        media,
        user,
        compose,
        location: records.media_location.as_ref().map(|location| location.as_os_str().as_bytes()),
        prefixes: &prefixes.finish(),
        imports: &imports(records),
    })
}

fn imports(records: &Records) -> Vec<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let paths = records.libraries.iter().flat_map(|library| &library.import_paths);
    paths.map(|path| path.as_os_str().as_bytes().to_vec()).collect()
}

/// The guard of external libraries: an import path that leads to an empty or unreadable folder although the
/// records expect files there. The index must be resolved. `hangs`: of which folder nothing can be said. `--allow-mass-missing` lets these pass.
pub fn check_imports(records: &Records, map: &PathMap, hangs: &dyn Fn(&Path) -> bool) -> Vec<GuardError> {
    let mut errors = Vec::new();
    for import in records.libraries.iter().flat_map(|library| &library.import_paths) {
        let Some(path) = map.to_host(import) else { continue };
        if hangs(&path) {
            continue;
        }
        let Some(reason) = import_trouble(&path) else { continue };
        let index = &records.index;
        let live = |asset: &AssetIdx| {
            let view = index.asset(*asset);
            !view.trashed && !view.offline
        };
        let originals = index.assets().filter(live).flat_map(|asset| index.files_of(asset));
        let expected = originals
            .filter(|file| index.file(*file).role == Role::Original)
            .filter(|file| index.host_path(*file).is_some_and(|host| host.starts_with(&path)))
            .count() as u64;
        if expected > 0 {
            errors.push(GuardError::ImportEmpty { path, import: import.clone(), expected, reason });
        }
    }
    errors
}

/// Whether a recorded file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It is.
    Present,
    /// It is not.
    Missing,
    /// The system does not tell; a finding about it was made while walking if `told`.
    Unreadable {
        /// Whether a finding was made.
        told: bool,
    },
    /// The map leads nowhere.
    Unmapped,
}

/// Originals counted, and what could not be mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Originals that should be there: neither offline nor trashed, and mapped.
    pub expected: u64,
    /// Those of them that are not.
    pub missing: u64,
    /// One of these.
    pub example: Option<PathBuf>,
    /// Originals that Immich stores itself.
    pub uploads: u64,
    /// Those of them that have a place here.
    pub uploads_mapped: u64,
    /// Files found at their recorded path although the walk had not met them.
    pub beside_the_walk: u64,
    /// Paths that lead nowhere here.
    pub unmapped: Unmapped,
}

impl Census {
    /// The guards that need the walk: nothing mapped, mass missing.
    pub fn guard(&self, allow_mass_missing: bool) -> Option<GuardError> {
        check_mapped(self.uploads, self.uploads_mapped, &self.unmapped).or_else(|| {
            let missing = check_mass_missing(self.missing, self.expected, self.example.clone());
            missing.filter(|_| !allow_mass_missing)
        })
    }
}

/// What the walk finds, while it goes on.
#[derive(Debug)]
pub struct Inventory<'a> {
    records: &'a Records,
    map: &'a PathMap,
    trusted: Option<Trusted>,
    marks: Marks,
    /// Bytes of all files.
    bytes: AtomicU64,
    /// Bytes of those that have to be looked at.
    due: AtomicU64,
    rest: Mutex<Rest>,
}

/// What the walk has found, once it is over.
#[derive(Debug)]
pub struct Holdings<'a> {
    pub(super) records: &'a Records,
    marks: Marks,
    bytes: u64,
    due: u64,
    rest: Rest,
}

#[derive(Debug)]
struct Marks {
    /// There.
    seen: Seen,
    /// There, but its entry belongs to another row of the same file, or to no walked entry.
    uncounted: Seen,
    /// Could not be looked at; told while walking.
    told: Seen,
    /// Could not be looked at; found out afterwards.
    refused: Seen,
    /// There, as an earlier run had left it.
    fresh: Fresh,
}

#[derive(Debug, Default)]
struct Rest {
    loose: LooseFiles,
    /// Generated files without a row, by what row they could be.
    unregistered: HashMap<(AssetIdx, Role, bool), LooseIdx>,
    /// Files without a row that are newer than the records.
    newer: u64,
    newest_ns: i64,
}

impl<'a> Inventory<'a> {
    /// Nothing found yet. The index must be resolved with `map`.
    pub fn new(records: &'a Records, map: &'a PathMap) -> Self {
        let seen = || records.index.new_seen();
        let fresh = Fresh::default();
        let marks = Marks { seen: seen(), uncounted: seen(), told: seen(), refused: seen(), fresh };
        let (bytes, due) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { records, map, trusted: None, marks, bytes, due, rest: Mutex::default() }
    }

    /// The same, with what earlier runs know of the files.
    #[must_use]
    pub fn trusting(mut self, trusted: Option<Trusted>) -> Self {
        self.trusted = trusted.filter(|trusted| !trusted.is_empty());
        if self.trusted.is_some() {
            self.marks.fresh = Fresh::new(self.records.index.file_count());
        }
        self
    }

    /// Takes what the walk hands on; from several threads at once.
    pub fn take(&self, entry: &Entry<'_>) {
        match entry {
            Entry::File(found) => {
                let known = self.trusted.as_ref();
                let known = known.and_then(|trusted| trusted.ask(found.dir, found.name, &found.identity));
                let fresh = matches!(known, Some(Known::Holds(_)));
                self.bytes.fetch_add(found.identity.size, Ordering::Relaxed);
                if !fresh {
                    self.due.fetch_add(found.identity.size, Ordering::Relaxed);
                }
                match found.records.split_first() {
                    Some((first, others)) => {
                        self.take_recorded(*first, known);
                        for other in others {
                            self.take_recorded(*other, known);
                            self.marks.uncounted.mark(*other);
                        }
                    }
                    None => self.take_loose(found, known),
                }
            }
            Entry::Error { records, .. } => {
                for record in *records {
                    self.marks.told.mark(*record);
                }
            }
            Entry::Skipped { .. } | Entry::Folder(_) => {}
        }
    }

    fn take_recorded(&self, file: FileIdx, known: Option<Known>) {
        self.marks.seen.mark(file);
        let known = match known {
            None => return,
            Some(Known::Aged { day }) => return self.marks.fresh.mark_aged(file, day),
            Some(Known::Holds(known)) => known,
        };
        let view = self.records.index.file(file);
        let original = view.asset.filter(|_| view.role == Role::Original);
        let checksum = original.and_then(|asset| self.records.index.asset(asset).checksum);
        // As `Ledger::ask`: sound bytes may be others than the records mean.
        if checksum.is_none_or(|recorded| known.had(&recorded)) {
            self.marks.fresh.mark(file, known.size);
        }
    }

    fn take_loose(&self, found: &Found<'_>, known: Option<Known>) {
        let meaning = found.meaning;
        let row =
            meaning.filter(|_| self.records.home != Home::None).and_then(|meaning| self.could_be(&meaning));
        let role =
            row.map(|(_, role, _)| role).or(meaning.map(|meaning| meaning.role)).unwrap_or(Role::Unknown);
        // A file that a mount hides from Immich could not be registered where it is.
        let row = row.filter(|_| self.map.to_record(found.dir).is_some());
        let newer = self.records.as_of.is_some_and(|as_of| {
            const HOUR: i128 = 3_600_000_000_000;
            !found.external && i128::from(found.identity.mtime_ns) > as_of.as_nanosecond() + HOUR
        });
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if newer && role != Role::Unknown {
            rest.newer += 1;
            rest.newest_ns = rest.newest_ns.max(found.identity.mtime_ns);
        }
        let idx = rest.loose.push(found.dir, found.name, role, found.identity.size, found.external);
        match (idx, known) {
            (Some(idx), Some(Known::Holds(_))) => rest.loose.mark_fresh(idx),
            (Some(idx), Some(Known::Aged { day })) => rest.loose.mark_aged(idx, day),
            _ => {}
        }
        if let (Some(row), Some(idx)) = (row, idx) {
            let current = meaning.and_then(|meaning| meaning.style) == Some(Style::Underscore);
            if current || !rest.unregistered.contains_key(&row) {
                rest.unregistered.insert(row, idx);
            }
        }
    }

    /// The row that a generated file without one could have: its asset is known, needs it, and has no other.
    fn could_be(&self, meaning: &FileMeaning<'_>) -> Option<(AssetIdx, Role, bool)> {
        let asset = self.records.index.find_asset(meaning.id?)?;
        let role = if meaning.or_preview() { Role::Preview } else { meaning.role };
        let view = self.records.index.asset(asset);
        let fits = match role {
            Role::Preview | Role::Thumbnail | Role::Fullsize => gets_pictures(&view),
            Role::Video => view.kind == AssetKind::Video,
            _ => false,
        };
        let edited = meaning.edited;
        (fits && !has_row(&self.records.index, asset, role, edited)).then_some((asset, role, edited))
    }

    /// Ends the walk: looks for the recorded files that it has not met, and counts originals. Runs in the
    /// current rayon pool.
    pub fn settle(self, ground: &Ground) -> (Holdings<'a>, Census) {
        let rest = self.rest.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (bytes, due) = (self.bytes.into_inner(), self.due.into_inner());
        let holdings = Holdings { records: self.records, marks: self.marks, bytes, due, rest };
        let census = if holdings.claims_presence() { holdings.census(ground) } else { Census::default() };
        (holdings, census)
    }
}

impl Holdings<'_> {
    /// Whether anything may be claimed about presence.
    pub fn claims_presence(&self) -> bool {
        self.records.home != Home::None
    }

    fn census(&self, ground: &Ground) -> Census {
        let index = &self.records.index;
        let imports = imports(self.records);
        let chunks: Vec<u32> = (0..index.file_count()).step_by(4096).collect();
        let parts = chunks.into_par_iter().map(|first| {
            let end = first.saturating_add(4096).min(index.file_count());
            let mut census = Census::default();
            for file in (first..end).map(FileIdx) {
                self.settle_file(file, &imports, ground, &mut census);
            }
            census
        });
        let mut total = Census::default();
        for part in parts.collect::<Vec<_>>() {
            total.expected += part.expected;
            total.missing += part.missing;
            total.uploads += part.uploads;
            total.uploads_mapped += part.uploads_mapped;
            total.beside_the_walk += part.beside_the_walk;
            total.example = total.example.or(part.example);
            total.unmapped.merge(part.unmapped);
        }
        total
    }

    fn settle_file(&self, file: FileIdx, imports: &[Vec<u8>], ground: &Ground, census: &mut Census) {
        use std::os::unix::ffi::OsStrExt;
        let index = &self.records.index;
        let view = index.file(file);
        let asset = view.asset.map(|asset| index.asset(asset));
        let resting = asset.is_some_and(|asset| asset.trashed || asset.offline);
        let upload = view.role == Role::Original && asset.is_some_and(|asset| !asset.external);
        census.uploads += u64::from(upload);
        let mapped = self.marks.seen.contains(file)
            || self.marks.told.contains(file)
            || index.host_path(file).is_some();
        if !mapped {
            census.unmapped.add(index.record_path(file).as_os_str().as_bytes(), resting, imports);
            return;
        }
        census.uploads_mapped += u64::from(upload);
        if !self.marks.seen.contains(file) && !self.marks.told.contains(file) {
            self.look_for(file, ground, census);
        }
        if view.role == Role::Original && !resting {
            census.expected += 1;
            if self.presence(file) == Presence::Missing {
                census.missing += 1;
                if census.example.is_none() {
                    census.example = index.host_path(file);
                }
            }
        }
    }

    fn look_for(&self, file: FileIdx, ground: &Ground, census: &mut Census) {
        let Some(path) = self.records.index.host_path(file) else { return };
        let own = path.clone();
        let Ok(found) = ground.ask(&path, move |_| std::fs::metadata(own)) else {
            // That its share hangs is told once for all of them.
            self.marks.told.mark(file);
            return;
        };
        match found {
            Ok(metadata) if metadata.is_file() && metadata.nlink() > 0 => {
                self.marks.seen.mark(file);
                self.marks.uncounted.mark(file);
                census.beside_the_walk += 1;
            }
            Ok(_) => {}
            Err(error) if is_absent(&error) => {}
            Err(_) => {
                self.marks.refused.mark(file);
            }
        }
    }

    /// Whether a recorded file is there.
    pub fn presence(&self, file: FileIdx) -> Presence {
        if self.marks.seen.contains(file) {
            Presence::Present
        } else if self.marks.told.contains(file) {
            Presence::Unreadable { told: true }
        } else if self.marks.refused.contains(file) {
            Presence::Unreadable { told: false }
        } else if self.records.index.host_dir(self.records.index.file(file).dir).is_none() {
            Presence::Unmapped
        } else {
            Presence::Missing
        }
    }

    /// Whether a walked entry is accounted for with this row: of several rows that share a file only one, and
    /// none for a file that the walk has not met.
    pub fn counted(&self, file: FileIdx) -> bool {
        self.marks.seen.contains(file) && !self.marks.uncounted.contains(file)
    }

    /// What is known of a recorded file that is as an earlier run had left it; `None` for one that may be due.
    pub fn fresh(&self, file: FileIdx) -> Option<Kept> {
        self.marks.fresh.get(file)
    }

    /// When a recorded file that may be due was last sound, in days since 1970; `None` for one that is new or has changed.
    pub fn aged(&self, file: FileIdx) -> Option<u16> {
        self.marks.fresh.aged(file)
    }

    /// Bytes of all walked files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the walked files that have to be looked at, as far as the walk can tell.
    pub fn due_bytes(&self) -> u64 {
        self.due
    }

    /// The files without a record.
    pub fn loose(&self) -> &LooseFiles {
        &self.rest.loose
    }

    /// The generated file without a row that could be this one's.
    pub(super) fn unregistered(&self, asset: AssetIdx, role: Role, edited: bool) -> Option<LooseIdx> {
        self.rest.unregistered.get(&(asset, role, edited)).copied()
    }

    /// The loose files that belong to the units of assets, by number.
    pub(super) fn claimed(&self) -> HashMap<LooseIdx, AssetIdx> {
        self.rest.unregistered.iter().map(|(row, idx)| (*idx, row.0)).collect()
    }

    /// `records.stale`: files without a record that are younger than the records, the newest by more than a day.
    /// Times of modification are compared, which backups and moves keep.
    pub fn stale(&self) -> Option<Finding> {
        const DAY: i128 = 86_400_000_000_000;
        let as_of = self.records.as_of?;
        let Rest { newer, newest_ns, .. } = self.rest;
        if newer == 0 || i128::from(newest_ns) <= as_of.as_nanosecond() + DAY {
            return None;
        }
        let newest = jiff::Timestamp::from_nanosecond(newest_ns.into()).ok()?;
        let evidence = Evidence::new()
            .with("as_of", as_of.to_string())
            .with("newest", newest.to_string())
            .with("files", newer);
        let advice = "what came after the records were written is called untracked: use the live database or a fresh dump";
        Some(Finding::new(Code::Run(RunCode::RecordsStale)).seen(evidence).advise(advice))
    }
}

/// Whether the system says for certain that nothing is at a path.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether Immich makes pictures of an asset at all.
pub(super) fn gets_pictures(asset: &AssetView<'_>) -> bool {
    !asset.hidden && matches!(asset.kind, AssetKind::Image | AssetKind::Video)
}

pub(super) fn has_row(index: &RecordIndex, asset: AssetIdx, role: Role, edited: bool) -> bool {
    index.files_of(asset).map(|file| index.file(file)).any(|file| file.role == role && file.edited == edited)
}
