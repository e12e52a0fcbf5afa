//! `check` and `repair`: records, map, guards, walk, and then the work on every unit.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::catalog::Catalog;
use crate::immich::compose::{self, Compose, Secret};
use crate::immich::layout::Folder;
use crate::immich::mounts::{self, GuardError};
use crate::immich::paths::PathMap;
use crate::immich::records::{Home, Records, recent_dump};
use crate::immich::register::{ApiRegistrar, Registrar, SqlRegistrar};
use crate::model::{Depth, Event, EventSink, Finding, Role, RunInfo, SkipReason, Stage, display_path};
use crate::repair::plan::Way;
use crate::repair::space;
use crate::repair::store::{Area, DiskStore, DryRunStore, FileStore};

use super::announce::Announcer;
use super::cancel::Cancel;
use super::choice::Choice;
use super::config::{CheckConfig, Register, RepairConfig};
use super::end::{RunEnd, RunError, StoppedBy};
use super::inventory::{self, Census, Holdings, Inventory, Presence};
use super::ledger::Ledger;
use super::reconcile::Reconciler;
use super::roots::Roots;
use super::scan::{self, Entry, Walked};
use super::setup::{self, Station};
use super::sources::{self, Loaded, Refused};
use super::unit::{Desk, Known, Repairs, Work};

/// Folder below the media location that holds what Immich generates.
const THUMBS: &str = "thumbs";

/// Runs `check`.
pub fn check(
    config: &CheckConfig,
    catalog: &Catalog,
    sink: &dyn EventSink,
    cancel: &Cancel,
) -> Result<RunEnd, RunError> {
    Run { config, repair: None, catalog, sink, cancel }.go("check")
}

/// Runs `repair`.
pub fn repair(
    config: &RepairConfig,
    catalog: &Catalog,
    sink: &dyn EventSink,
    cancel: &Cancel,
) -> Result<RunEnd, RunError> {
    Run { config: &config.check, repair: Some(config), catalog, sink, cancel }.go("repair")
}

struct Run<'a> {
    config: &'a CheckConfig,
    repair: Option<&'a RepairConfig>,
    catalog: &'a Catalog,
    sink: &'a dyn EventSink,
    cancel: &'a Cancel,
}

impl Run<'_> {
    fn go(&self, command: &str) -> Result<RunEnd, RunError> {
        let deadline = self.config.time_limit.map(|limit| Instant::now() + limit);
        let compose = self.compose()?;
        let media = self.media(compose.as_ref())?;
        let station = Station::new(self.config.resources)?;
        let loaded = sources::load(&self.config.db, compose.as_ref(), &media, self.sink);
        let Loaded { mut records, notes, database } = match loaded {
            Ok(loaded) => loaded,
            Err(refused) => return Err(self.without_records(command, &media, refused)),
        };
        let rules = compose.as_ref().map_or(&[][..], |compose| &compose.rules);
        let map = inventory::build_map(&records, Some(&media), &self.config.map, rules)
            .map_err(|error| RunError::usage(error.to_string()))?;
        records.index.resolve(|record| map.to_host(record));
        self.sink.send(Event::Run(self.info(command, &media, &records, &map, &station, compose, notes)?));
        let location = records.media_location.as_deref();
        let mut violations = mounts::check_mounts(&media, &map, location, &records.mount_flags);
        if !self.config.allow_mass_missing {
            violations.extend(inventory::check_imports(&records, &map));
        }
        if !violations.is_empty() {
            return Err(self.stop(&violations));
        }
        let registrar = self.registrar(&media, &records, &map, database.as_ref())?;
        self.look_at_library(&media, &Arc::new(records), &map, &station, deadline, registrar)
    }

    /// The way in which new files are made known, ready to be used; refused before anything is written.
    fn registrar(
        &self,
        media: &Path,
        records: &Records,
        map: &PathMap,
        database: Option<&Secret>,
    ) -> Result<Option<Box<dyn Registrar>>, RunError> {
        let Some(repair) = self.repair else { return Ok(None) };
        let source = &records.info.source;
        let registrar: Box<dyn Registrar> = match &repair.register {
            Register::None => return Ok(None),
            Register::Sql => {
                let Some(url) = database else {
                    return Err(RunError::usage(format!(
                        "--register sql writes rows, so it needs the live database, and the records of this run are \
                         from {source}: give --db postgres://USER:PASSWORD@HOST:PORT/DATABASE"
                    )));
                };
                if !records.schema.writable() {
                    return Err(RunError::records(format!(
                        "--register sql: the database is not laid out as Immich's own ({}): nothing is registered in it, \
                         nothing was changed; leave --register out, or use --register api",
                        records.schema.problems.join("; ")
                    )));
                }
                self.backup_guard(media, records, map, repair)?;
                Box::new(
                    SqlRegistrar::open(url.expose()).map_err(|error| RunError::records(error.to_string()))?,
                )
            }
            Register::Api { address, key } => {
                if records.home == Home::None {
                    return Err(RunError::usage(
                        "--register api needs to know whose the files are: give the database or a dump with --db",
                    ));
                }
                let opened = ApiRegistrar::open(address.clone(), key.clone());
                Box::new(opened.map_err(|error| RunError::records(error.to_string()))?)
            }
        };
        for note in registrar.notes(self.is_dry_run()) {
            self.sink.send(Event::Note(note));
        }
        Ok(Some(registrar))
    }

    /// Whether a recent complete dump is there to go back to, before anything beyond `thumbs/` is written.
    fn backup_guard(
        &self,
        media: &Path,
        records: &Records,
        map: &PathMap,
        repair: &RepairConfig,
    ) -> Result<(), RunError> {
        let folder = mounts::folder_on_host(Folder::Backups, media, map, records.media_location.as_deref());
        match recent_dump(&folder, jiff::Timestamp::now()) {
            Ok(path) => {
                self.sink.send(Event::Note(format!("a dump to go back to: {}", display_path(&path))));
                Ok(())
            }
            Err(why) if repair.yes_without_backup || repair.dry_run => {
                self.sink.send(Event::Note(format!("there is no dump to go back to: {why}")));
                Ok(())
            }
            Err(why) => Err(RunError::guard(format!(
                "there is no dump of the database to go back to: {why}; have Immich make one (Administration, Jobs, Create \
                 job, Create database dump), or say --yes-without-backup; nothing was changed"
            ))),
        }
    }

    /// The first line of a run that ends before it has begun, and its finding.
    fn without_records(&self, command: &str, media: &Path, refused: Refused) -> RunError {
        self.sink.send(Event::Run(RunInfo {
            run_id: setup::run_id(),
            started_at: setup::now(),
            command: command.to_owned(),
            media: Some(media.to_owned()),
            ..RunInfo::default()
        }));
        if let Some(finding) = refused.finding {
            self.finding(*finding);
        }
        refused.error
    }

    fn compose(&self) -> Result<Option<Compose>, RunError> {
        let read =
            |dir: &PathBuf| compose::read_compose(dir).map_err(|error| RunError::usage(error.to_string()));
        self.config.compose.as_ref().map(read).transpose()
    }

    fn media(&self, compose: Option<&Compose>) -> Result<PathBuf, RunError> {
        let media = self.config.media.clone().or_else(|| compose.map(|compose| compose.media.clone()));
        let media = media.ok_or_else(|| {
            RunError::usage(
                "where is the library? Give --media DIR, or --compose DIR with Immich's compose file",
            )
        })?;
        std::path::absolute(&media).map_err(|error| RunError::usage(format!("--media: {error}")))
    }

    /// Tells the guards' findings and ends the run before anything is called missing.
    fn stop(&self, violations: &[GuardError]) -> RunError {
        for finding in violations.iter().filter_map(GuardError::finding) {
            self.finding(finding);
        }
        RunError::guard(violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[allow(clippy::too_many_arguments, reason = "everything that the first line tells")]
    fn info(
        &self,
        command: &str,
        media: &Path,
        records: &Records,
        map: &PathMap,
        station: &Station,
        compose: Option<Compose>,
        notes: Vec<String>,
    ) -> Result<RunInfo, RunError> {
        let mut all = notes;
        all.extend(compose.map(|compose| compose.notes).unwrap_or_default());
        all.extend(records.notes.iter().cloned());
        if !self.config.quick || self.repair.is_some() {
            all.extend(station.notes(self.cancel)?);
        }
        Ok(RunInfo {
            run_id: setup::run_id(),
            started_at: setup::now(),
            command: command.to_owned(),
            media: Some(media.to_owned()),
            records: Some(records.info.clone()),
            map: map.entries(),
            notes: all,
        })
    }

    fn look_at_library(
        &self,
        media: &Path,
        records: &Arc<Records>,
        map: &PathMap,
        station: &Station,
        deadline: Option<Instant>,
        registrar: Option<Box<dyn Registrar>>,
    ) -> Result<RunEnd, RunError> {
        let roots = Roots::plan(Some(media), map, records);
        for note in &roots.notes {
            self.sink.send(Event::Note(note.clone()));
        }
        let (holdings, census, walked, temporaries) = self.walk(records, &roots, map, station)?;
        if walked.cancelled {
            self.not_reached(walked.files);
            return Ok(RunEnd { stopped_by: StoppedBy::Signal });
        }
        if let Some(error) = census.guard(self.config.allow_mass_missing) {
            return Err(self.stop(&[error]));
        }
        for finding in mounts::unmapped_findings(&census.unmapped).into_iter().chain(holdings.stale()) {
            self.finding(finding);
        }
        let choice = Choice { only: self.config.only.clone(), shard: self.config.shard };
        let reconciler = Reconciler::new(&holdings, map, &choice);
        for (reason, count) in reconciler.left_out() {
            self.sink.send(Event::Skipped { reason, count });
        }
        let store = self.store(media, records, map)?;
        if let Some(store) = &store {
            self.clear(store.as_ref(), &temporaries);
            self.tell_low_space(media, records, &holdings, map);
        }
        let announcer = registrar.map(|registrar| Announcer::new(registrar, self.is_dry_run(), self.sink));
        let known = Known {
            way: self.way(),
            thumbs: thumbs_folder(media, records, map),
            announcer: announcer.as_ref(),
        };
        let repairs = store.as_deref().map(|store| (store, known));
        let end = self.work_on_units(records, &reconciler, &walked, repairs, station, deadline);
        if let Some(announcer) = &announcer {
            announcer.finish();
        }
        end
    }

    /// Walks everything and holds it against the records. Entries that are no files are told at once.
    fn walk<'r>(
        &self,
        records: &'r Records,
        roots: &Roots,
        map: &'r PathMap,
        station: &Station,
    ) -> Result<(Holdings<'r>, Census, Walked, Vec<PathBuf>), RunError> {
        self.sink.send(Event::Stage { stage: Stage::Walk, items: None, bytes: None });
        let inventory = Inventory::new(records, map);
        let temporaries = Mutex::new(Vec::new());
        let take = |entry: Entry<'_>| {
            inventory.take(&entry);
            match entry {
                Entry::File(_) => {}
                Entry::Skipped { reason, dir, name } => {
                    if reason == SkipReason::OwnTemporary {
                        temporaries.lock().unwrap_or_else(PoisonError::into_inner).push(dir.join(name));
                    }
                }
                Entry::Error { finding, .. } => self.sink.send(Event::EntryError(Box::new(finding))),
                Entry::Folder(finding) => self.finding(finding),
            }
        };
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(station.jobs)
            .build()
            .map_err(|error| RunError::io(format!("cannot start threads for the walk: {error}")))?;
        let walked = threads.install(|| scan::scan(roots, &records.index, self.cancel, &take));
        self.sink.send(Event::Walked(walked.walked));
        self.sink.send(Event::Progress { stage: Stage::Walk, items: walked.walked, bytes: walked.bytes });
        for (&reason, &count) in &walked.skipped {
            self.sink.send(Event::Skipped { reason, count });
        }
        let (holdings, census) = threads.install(|| inventory.settle());
        Ok((holdings, census, walked, temporaries.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The store that repairs go through; `None` for a check.
    fn store(
        &self,
        media: &Path,
        records: &Arc<Records>,
        map: &PathMap,
    ) -> Result<Option<Box<dyn FileStore>>, RunError> {
        let Some(repair) = self.repair else { return Ok(None) };
        let folder = thumbs_folder(media, records, map);
        let area = match folder.strip_prefix(media) {
            Ok(below) if !folder.is_dir() => Area::new(media, below),
            // There already: a link to another disk is the admin's own arrangement.
            _ => Area::new(folder, ""),
        };
        let index = Arc::clone(records);
        let is_original = move |path: &Path| is_recorded_original(&index, path);
        let disk = DiskStore::open(random(), &[area], is_original)
            .map_err(|error| RunError::io(format!("cannot prepare to write below {THUMBS}: {error}")))?;
        Ok(Some(if repair.dry_run { Box::new(DryRunStore::new(disk)) } else { Box::new(disk) }))
    }

    /// `space.low`: what is known to be missing needs more room than there is. The store says so again when it is
    /// really full; nothing half written stays either way.
    fn tell_low_space(&self, media: &Path, records: &Records, holdings: &Holdings<'_>, map: &PathMap) {
        let index = &records.index;
        let needed = index
            .files()
            .filter(|file| holdings.presence(*file) == Presence::Missing)
            .filter_map(|file| match index.file(file).role {
                Role::Preview => Some(space::estimate(&records.image.preview)),
                Role::Thumbnail | Role::Person => Some(space::estimate(&records.image.thumbnail)),
                _ => None,
            })
            .fold(0, u64::saturating_add);
        let folder = thumbs_folder(media, records, map);
        if let Ok(Some(finding)) = space::low(&folder, needed) {
            self.finding(finding);
        }
    }

    /// Removes what a killed run of ours left behind.
    fn clear(&self, store: &dyn FileStore, temporaries: &[PathBuf]) {
        for event in store.clear_temporaries(temporaries) {
            self.sink.send(Event::Repair(event));
        }
    }

    fn work_on_units(
        &self,
        records: &Records,
        reconciler: &Reconciler<'_>,
        walked: &Walked,
        repairs: Option<(&dyn FileStore, Known<'_>)>,
        station: &Station,
        deadline: Option<Instant>,
    ) -> Result<RunEnd, RunError> {
        let stopped = OnceLock::new();
        let depth = if self.config.quick { Depth::Structure } else { self.config.video };
        let decoders = station.pool.stats().decoders;
        let ledger =
            (!self.config.quick).then(|| Ledger::new(self.catalog, depth, self.config.max_age, decoders));
        let desk = Desk {
            records,
            reconciler,
            ledger,
            depth,
            repair: repairs.map(|(store, known)| Repairs {
                store,
                dry_run: self.is_dry_run(),
                stopped: &stopped,
                known,
            }),
            sink: self.sink,
        };
        let (items, bytes) = (Some(walked.files), Some(walked.bytes));
        self.sink.send(Event::Stage { stage: Stage::Verify, items, bytes });
        let units = reconciler.assets().map(Work::Asset);
        let singles = reconciler.singles().map(|single| Work::Single(Box::new(single)));
        let loose = reconciler.loose().map(|loose| Work::Loose(Box::new(loose)));
        station.crew(self.cancel, deadline, setup::BOTH_HASHES).run(
            units.chain(singles).chain(loose),
            |examiner, works| desk.look_ahead(examiner, works),
            |examiner, work| desk.work(examiner, work),
            |work| desk.left_over(work),
        )
    }

    fn is_dry_run(&self) -> bool {
        self.repair.is_some_and(|repair| repair.dry_run)
    }

    fn way(&self) -> Way {
        match self.repair.map(|repair| &repair.register) {
            None | Some(Register::None) => Way::None,
            Some(Register::Sql) => Way::Sql,
            Some(Register::Api { .. }) => Way::Api,
        }
    }

    fn not_reached(&self, count: u64) {
        self.sink.send(Event::Skipped { reason: SkipReason::NotReached, count });
    }

    fn finding(&self, finding: Finding) {
        self.sink.send(Event::Finding(Box::new(finding)));
    }
}

/// Where generated pictures are on this host.
fn thumbs_folder(media: &Path, records: &Records, map: &PathMap) -> PathBuf {
    mounts::folder_on_host(Folder::Thumbs, media, map, records.media_location.as_deref())
}

/// Whether some row calls the file an original, whatever else it is.
fn is_recorded_original(records: &Records, path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return true };
    let Some(folder) = records.index.lookup_dir(folder) else { return false };
    records.index.lookup(folder, name.as_bytes()).any(|file| records.index.file(file).role == Role::Original)
}

/// A number that no other run has: the clock and the process together.
fn random() -> u64 {
    let clock = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_nanos();
    #[allow(clippy::cast_possible_truncation, reason = "the lower half changes fastest")]
    let clock = clock as u64;
    clock.rotate_left(20) ^ u64::from(std::process::id())
}
