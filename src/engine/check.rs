//! `check` and `repair`: records, map, guards, walk, and then the work on every unit.

mod guards;
mod idle;
mod places;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::catalog::{Catalog, Reading};
use crate::immich::compose::{self, Compose, Secret};
use crate::immich::mounts;
use crate::immich::paths::PathMap;
use crate::immich::records::{self, Records};
use crate::immich::register::{ApiRegistrar, Registrar, SqlRegistrar};
use crate::model::{Coverage, Depth, Event, EventSink, Finding, Role, RunInfo, SkipReason, Stage};
use crate::repair::plan::Way;
use crate::repair::quarantine::leftovers;
use crate::repair::space;
use crate::repair::store::{Area, DiskStore, DryRunStore, FileStore};

use super::against::Against;
use super::announce::Announcer;
use super::beyond::{self, Beside, Rescue};
use super::cancel::Cancel;
use super::choice::Choice;
use super::concerned::{Concerned, Home};
use super::config::{CheckConfig, Register, RepairConfig};
use super::end::{RunEnd, RunError, StoppedBy};
use super::ground::deadline::beat;
use super::ground::{Ground, Patient};
use super::inventory::{self, Census, Holdings, Inventory, Presence};
use super::ledger::{Ledger, unusable};
use super::order::Order;
use super::pace::Governor;
use super::reconcile::Reconciler;
use super::roots::Roots;
use super::scan::{self, Entry, Walked};
use super::setup::{self, Station};
use super::sources::{self, Loaded, Refused};
use super::unit::{self, Desk, Exhibition, Known, Repairs};
use super::untracked::Untracked;
use super::whereabouts::Whereabouts;
use places::{aside, is_recorded_original, movable_folders, original_folders, thumbs_folder};

const DAY: Duration = Duration::from_hours(24);

/// Runs `check`.
pub fn check(
    config: &CheckConfig,
    catalog: &Catalog,
    sink: &dyn EventSink,
    cancel: &Cancel,
) -> Result<RunEnd, RunError> {
    let concerned = &Concerned::new(sink);
    Run { config, repair: None, catalog, sink: concerned, concerned, cancel }.go("check")
}

/// Runs `repair`.
pub fn repair(
    config: &RepairConfig,
    catalog: &Catalog,
    sink: &dyn EventSink,
    cancel: &Cancel,
) -> Result<RunEnd, RunError> {
    let concerned = &Concerned::new(sink);
    Run { config: &config.check, repair: Some(config), catalog, sink: concerned, concerned, cancel }
        .go("repair")
}

struct Run<'a> {
    config: &'a CheckConfig,
    repair: Option<&'a RepairConfig>,
    catalog: &'a Catalog,
    sink: &'a dyn EventSink,
    /// The same; it knows which assets were told of.
    concerned: &'a Concerned<'a>,
    cancel: &'a Cancel,
}

/// What a run works on, once everything is known that comes before the walk.
struct Library<'g> {
    media: PathBuf,
    records: Arc<Records>,
    map: PathMap,
    /// Where more is recorded of an asset.
    home: Home,
    /// The database, if a compose file tells where it is.
    address: Option<Secret>,
    beside: Beside,
    asked_at: Timestamp,
    /// Time from run to run.
    gap: Duration,
    governor: Governor,
    ground: &'g Ground,
}

impl Run<'_> {
    fn go(&self, command: &str) -> Result<RunEnd, RunError> {
        let governor =
            Governor::new(self.config.pace, self.config.time_limit.map(|limit| Instant::now() + limit));
        let compose = self.compose()?;
        let media = self.media(compose.as_ref())?;
        let ground = &Ground::here(self.config.patience, self.cancel);
        self.try_out(command, &media, ground)?;
        let station = Station::new(self.config.resources)?;
        let asked_at = Timestamp::now();
        let gap = setup::gap(&self.catalog.runs().unwrap_or_default(), self.config.now);
        let mut notes = if self.config.quick && self.repair.is_none() {
            Vec::new()
        } else {
            station.notes(self.cancel)?
        };
        let ledger = self.ledger(&station, (gap, ground), &mut notes)?;
        // The catalog's thread reads while this one loads the records.
        let reading = ledger.as_ref().map(Ledger::read_trusted).transpose()?;
        let loaded =
            sources::load(&self.config.db, compose.as_ref(), &media, ground, (self.sink, self.cancel));
        let Loaded { mut records, notes: passed_over, database, dump } = match loaded {
            Ok(loaded) => loaded,
            Err(refused) => return Err(self.without_records(command, &media, refused)),
        };
        let rules = compose.as_ref().map_or(&[][..], |compose| &compose.rules);
        let map = inventory::build_map(&records, Some(&media), &self.config.map, rules)
            .map_err(|error| RunError::usage(error.to_string()))?;
        records.index.resolve(|record| map.to_host(record));
        let address = compose.as_ref().and_then(|compose| compose.database.clone());
        let mut all = passed_over;
        all.extend(compose.map(|compose| compose.notes).unwrap_or_default());
        all.extend(records.notes.iter().cloned());
        all.extend(notes);
        let idle = self.nothing_due(ledger.as_ref(), &records, &media)?;
        all.extend(idle.iter().map(|(why, _)| why.clone()));
        let info = self.info(command, &media, (&records, &map), all);
        self.sink.send(Event::Run(RunInfo { idle: idle.is_some(), ..info }));
        if let Some((_, bytes)) = idle {
            let max_age = self.config.max_age;
            self.sink.send(Event::Coverage(Coverage { bytes, max_age, gap }));
            return Ok(RunEnd::default());
        }
        self.guard(&media, (&records, &map), ground)?;
        let registrar = self.registrar(&records, database.as_ref())?;
        let beside = match self.repair {
            Some(repair) => {
                self.beside_answers(repair, ground)?;
                let (beside, notes) = beyond::check(repair, (&media, ground), &records, &map)?;
                for note in notes {
                    self.sink.send(Event::Note(note));
                }
                beside
            }
            None => Beside::default(),
        };
        let (records, home) = (Arc::new(records), Home::of(database, dump));
        let library = Library { media, records, map, home, address, beside, asked_at, gap, governor, ground };
        let end = self.look_at_library(&library, &station, (ledger.as_ref(), reading), registrar)?;
        self.hold_against(&library, end)?;
        self.introduce(&library, ground);
        self.heard_from_all(ground).map(|()| end)
    }

    /// Tells what people know the assets by that something is wrong with.
    fn introduce(&self, library: &Library<'_>, ground: &Ground) {
        let gone = Home::Gone;
        let home = if self.cancel.is_requested() { &gone } else { &library.home };
        if let Err(error) = self.concerned.introduce(&library.records, home, ground) {
            self.sink.send(Event::Note(format!("albums, dates and cameras are not known: {error}")));
        }
    }

    /// The first line of a run.
    fn info(
        &self,
        command: &str,
        media: &Path,
        (records, map): (&Records, &PathMap),
        notes: Vec<String>,
    ) -> RunInfo {
        RunInfo {
            run_id: setup::run_id(self.config.now),
            started_at: setup::moment(self.config.now),
            command: command.to_owned(),
            media: Some(media.to_owned()),
            records: Some(records.info.clone()),
            map: map.entries(),
            notes,
            idle: false,
        }
    }

    /// Compares with the manifest, once everything was looked at.
    fn hold_against(&self, library: &Library<'_>, end: RunEnd) -> Result<(), RunError> {
        let Some(file) = &self.config.against else { return Ok(()) };
        if !end.complete() || !library.ground.silent().is_empty() {
            let why = "stopped early: nothing was compared with the manifest; run again to go on";
            self.sink.send(Event::Note(why.to_owned()));
            return Ok(());
        }
        self.catalog.flush().map_err(|error| unusable(&error))?;
        let Library { media, map, records, ground, .. } = library;
        let (catalog, sink, cancel) = (self.catalog, self.sink, self.cancel);
        Against { file, media, map, records, catalog, sink, ground, cancel }
            .run()
            .or_else(|error| self.stand(ground.gone()).and(Err(error)))
    }

    /// What earlier runs know, and a later one will; a quick run neither asks nor tells.
    fn ledger<'s: 'g, 'g>(
        &'s self,
        station: &Station,
        (gap, ground): (Duration, &'g Ground),
        notes: &mut Vec<String>,
    ) -> Result<Option<Ledger<'g>>, RunError> {
        if self.config.quick {
            return Ok(None);
        }
        let decoders = station.decoders(self.catalog, self.cancel)?;
        let wall = self.config.now.as_second();
        let now = self.catalog.advance(wall, gap).map_err(|error| unusable(&error))?;
        if now.abs_diff(wall) > DAY.as_secs()
            && let Ok(instead) = Timestamp::from_second(now)
        {
            notes.push(format!(
                "the clock says {}, which does not follow on the run before: ages count as if it were {}",
                setup::moment(self.config.now),
                setup::moment(instead)
            ));
        }
        let ages = (now, self.config.max_age);
        Ok(Some(Ledger::new(self.catalog, self.depth(), ages, decoders).on(ground)))
    }

    fn depth(&self) -> Depth {
        if self.config.quick { Depth::Structure } else { self.config.video }
    }

    /// The way in which new files are made known, ready to be used; refused before anything is written.
    fn registrar(
        &self,
        records: &Records,
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
                Box::new(
                    SqlRegistrar::open(url.expose()).map_err(|error| RunError::records(error.to_string()))?,
                )
            }
            Register::Api { address, key } => {
                if records.home == records::Home::None {
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

    /// The first line of a run of which nothing else is known.
    fn bare_info(&self, command: &str, media: &Path) -> RunInfo {
        RunInfo {
            run_id: setup::run_id(self.config.now),
            started_at: setup::moment(self.config.now),
            command: command.to_owned(),
            media: Some(media.to_owned()),
            ..RunInfo::default()
        }
    }

    /// The first line of a run that ends before it has begun, and its finding.
    fn without_records(&self, command: &str, media: &Path, refused: Refused) -> RunError {
        self.sink.send(Event::Run(self.bare_info(command, media)));
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
        let media = std::path::absolute(&media);
        media.map(setup::without_detours).map_err(|error| RunError::usage(format!("--media: {error}")))
    }

    fn look_at_library(
        &self,
        library: &Library<'_>,
        station: &Station,
        (ledger, reading): (Option<&Ledger<'_>>, Option<Reading<'_>>),
        registrar: Option<Box<dyn Registrar>>,
    ) -> Result<RunEnd, RunError> {
        let Library { media, records, map, .. } = library;
        let hangs = |folder: &Path| library.ground.hangs(folder);
        let roots = Roots::plan(Some(media), map, records, &hangs);
        for note in &roots.notes {
            self.sink.send(Event::Note(note.clone()));
        }
        roots.list().iter().for_each(|root| library.ground.hold(&root.path));
        let (holdings, census, walked, temporaries) = self.walk(library, &roots, reading, station)?;
        self.stand(library.ground.look())?;
        if walked.cancelled {
            self.not_reached(walked.files);
            return Ok(RunEnd { stopped_by: StoppedBy::Signal });
        }
        self.tell_silent(library.ground);
        if let Some(error) = census.guard(self.config.allow_mass_missing) {
            return Err(self.stop(&[error]));
        }
        for finding in mounts::unmapped_findings(&census.unmapped).into_iter().chain(holdings.stale()) {
            self.finding(finding);
        }
        let choice = Choice { only: self.config.only.clone(), shard: self.config.shard };
        let reconciler = Reconciler::new(&holdings, map, &choice, library.ground);
        for (reason, count) in reconciler.left_out() {
            self.sink.send(Event::Skipped { reason, count });
        }
        if !self.config.quick && choice.only.is_all() && choice.shard.is_whole() {
            let (bytes, max_age, gap) = (holdings.bytes(), self.config.max_age, library.gap);
            self.sink.send(Event::Coverage(Coverage { bytes, max_age, gap }));
        }
        let (items, bytes) = (Some(walked.files), Some(holdings.due_bytes()));
        self.sink.send(Event::Stage { stage: Stage::Verify, items, bytes });
        let whereabouts = {
            let until = (library.ground, self.cancel);
            Whereabouts::new(&reconciler, &holdings, &library.beside.trees, until)
        };
        let store = self.store(library)?;
        let Some(store) = store.as_deref() else {
            return self.work_on_units(library, (&reconciler, &whereabouts), None, (station, ledger));
        };
        self.clear(store, library, temporaries);
        self.tell_low_space(library, &holdings);
        let (quarantine, salvage) = aside(library)?;
        let relink = self.repair.is_some_and(|repair| repair.relink);
        let rescue = Rescue::new(relink, quarantine.as_ref(), salvage.as_ref());
        let announcer = registrar.map(|registrar| Announcer::new(registrar, self.is_dry_run(), self.sink));
        let known = Known {
            way: self.way(),
            thumbs: thumbs_folder(media, records, map),
            announcer: announcer.as_ref(),
        };
        let writing = Some((store, &rescue, known));
        let end = self.work_on_units(library, (&reconciler, &whereabouts), writing, (station, ledger));
        if let Some(announcer) = &announcer {
            announcer.finish();
        }
        let end = end?;
        for note in whereabouts.notes() {
            self.sink.send(Event::Note(note));
        }
        let untracked = self.repair.is_some_and(|repair| repair.quarantine_untracked);
        let Some(quarantine) = quarantine.as_ref().filter(|_| untracked) else { return Ok(end) };
        if end.stopped_by != StoppedBy::Nothing {
            self.sink.send(Event::Note("stopped early: no untracked file was moved".to_owned()));
            return Ok(end);
        }
        if census.uploads_mapped < census.uploads {
            return Err(RunError::guard(
                "--quarantine-untracked: not every recorded path leads somewhere on this host, so a file may be \
                 recorded under another name; give the --map that path.unmapped asks for. Nothing was moved",
            ));
        }
        self.stand(library.ground.look())?;
        Untracked {
            ground: library.ground,
            records,
            again: &|| self.records_again(library),
            map,
            reconciler: &reconciler,
            whereabouts: &whereabouts,
            rescue: &rescue,
            quarantine,
            store,
            folders: &movable_folders(library),
            asked_at: library.asked_at,
            sink: self.sink,
            cancel: self.cancel,
        }
        .run()?;
        let stopped_by = if self.cancel.is_requested() { StoppedBy::Signal } else { StoppedBy::Nothing };
        Ok(RunEnd { stopped_by })
    }

    /// The records as they are now, mapped to this host.
    fn records_again(&self, library: &Library<'_>) -> Result<Records, RunError> {
        let mut records =
            sources::again(&self.config.db, library.address.as_ref(), (self.sink, self.cancel))?;
        records.index.resolve(|record| library.map.to_host(record));
        Ok(records)
    }

    /// Walks everything and holds it against the records. Entries that are no files are told at once.
    fn walk<'r>(
        &self,
        library: &'r Library<'_>,
        roots: &Roots,
        reading: Option<Reading<'_>>,
        station: &Station,
    ) -> Result<(Holdings<'r>, Census, Walked, Vec<PathBuf>), RunError> {
        let Library { records, map, ground, .. } = library;
        self.sink.send(Event::Stage { stage: Stage::Walk, items: None, bytes: None });
        let trusted = reading.map(|reading| reading.wait().map_err(|error| unusable(&error))).transpose()?;
        let inventory = Inventory::new(records, map).trusting(trusted);
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
        let walked = threads.install(|| scan::scan(roots, &records.index, (ground, self.cancel), &take));
        self.sink.send(Event::Walked(walked.walked));
        self.sink.send(Event::Progress { stage: Stage::Walk, items: walked.walked, bytes: walked.bytes });
        for (&reason, &count) in &walked.skipped {
            self.sink.send(Event::Skipped { reason, count });
        }
        let (holdings, census) = threads.install(|| inventory.settle(ground));
        Ok((holdings, census, walked, temporaries.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The store that repairs go through; `None` for a check.
    fn store(&self, library: &Library<'_>) -> Result<Option<Box<dyn FileStore>>, RunError> {
        let Some(repair) = self.repair else { return Ok(None) };
        let Library { media, records, map, beside, ground, .. } = library;
        // The walk may have taken hours.
        self.beside_answers(repair, ground)?;
        let folder = thumbs_folder(media, records, map);
        if ground.hangs(&folder) {
            return Err(self.stop(&ground.silent()));
        }
        let thumbs = match folder.strip_prefix(media) {
            Ok(below) if !folder.is_dir() => Area::new(media, below),
            // There already: a link to another disk is the admin's own arrangement.
            _ => Area::new(folder, ""),
        };
        let mut areas = vec![thumbs];
        areas.extend(original_folders(library).into_iter().map(Area::originals));
        areas.extend(beside.quarantine.iter().chain(&beside.salvage).map(|folder| Area::aside(folder)));
        let index = Arc::clone(records);
        let is_original = move |path: &Path| is_recorded_original(&index, path);
        let disk = DiskStore::open(setup::random(), &areas, is_original)
            .map_err(|error| RunError::io(format!("cannot prepare to write: {error}")))?;
        let disk = disk.telling(beat);
        Ok(Some(if repair.dry_run {
            Box::new(Patient::new(DryRunStore::new(disk), library.ground))
        } else {
            Box::new(Patient::new(disk, library.ground))
        }))
    }

    /// `space.low`: what is known to be missing needs more room than there is. The store says so again when it is
    /// really full; nothing half written stays either way.
    fn tell_low_space(&self, library: &Library<'_>, holdings: &Holdings<'_>) {
        let Library { media, records, map, ground, .. } = library;
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
        let own = folder.clone();
        if let Ok(Ok(Some(finding))) = ground.ask(&folder, move |_| space::low(&own, needed)) {
            self.finding(finding);
        }
    }

    /// Removes what a killed run of ours left behind.
    fn clear(&self, store: &dyn FileStore, library: &Library<'_>, mut temporaries: Vec<PathBuf>) {
        for folder in library.beside.quarantine.iter().chain(&library.beside.salvage) {
            let own = folder.clone();
            temporaries.extend(library.ground.ask(folder, move |_| leftovers(&own)).unwrap_or_default());
        }
        for event in store.clear_temporaries(&temporaries) {
            self.sink.send(Event::Repair(event));
        }
    }

    fn work_on_units(
        &self,
        library: &Library<'_>,
        (reconciler, whereabouts): (&Reconciler<'_>, &Whereabouts<'_>),
        writing: Option<(&dyn FileStore, &Rescue<'_>, Known<'_>)>,
        (station, ledger): (&Station, Option<&Ledger<'_>>),
    ) -> Result<RunEnd, RunError> {
        let stopped = OnceLock::new();
        let desk = Desk {
            records: &library.records,
            reconciler,
            ledger,
            whereabouts,
            depth: self.depth(),
            ground: library.ground,
            repair: writing.map(|(store, rescue, known)| Repairs {
                store,
                dry_run: self.is_dry_run(),
                rescue,
                stopped: &stopped,
                known,
            }),
            exhibition: Exhibition::default(),
            sink: self.sink,
        };
        let order = Order::of(reconciler);
        if order.settled > 0 {
            unit::verified_before(self.sink, order.settled);
        }
        let end = station.crew((self.cancel, library.ground), &library.governor, setup::BOTH_HASHES).run(
            order.works(),
            |examiner, works| desk.look_ahead(examiner, works),
            |examiner, work| desk.work(examiner, work),
            |work| desk.left_over(work),
        );
        if let Some(note) = library.governor.note() {
            self.sink.send(Event::Note(note));
        }
        self.stand(library.ground.gone())?;
        end
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
