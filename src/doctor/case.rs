//! What all steps look at: the compose file, the containers, the records and the path map, read once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;

use super::DoctorConfig;
use super::docker::{Container, Docker, Part};
use super::sample::Sample;
use crate::engine::ground::Ground;
use crate::engine::ground::deadline::{Late, within};
use crate::engine::{Cancel, Db, MapRule, inventory, now, run_id, sources};
use crate::immich::compose::{self, Compose, Secret};
use crate::immich::layout::Folder;
use crate::immich::mounts::folder_on_host;
use crate::immich::paths::{PathMap, STANDARD_LOCATIONS};
use crate::immich::records::{Home, Records};
use crate::model::{Event, EventSink, RunInfo};

/// How long a folder may take to say what is in it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A folder that pictures are in.
#[derive(Clone, Debug)]
pub struct Place {
    /// `upload`, `thumbs` and so on; `None` for an external library's folder.
    pub folder: Option<Folder>,
    /// Here.
    pub path: PathBuf,
    /// Whether it can be looked into.
    pub reach: Reach,
}

impl Place {
    /// As an administrator calls it.
    pub fn name(&self) -> String {
        let path = crate::model::display_path(&self.path);
        if self.folder.is_some() { path } else { format!("external library {path}") }
    }
}

/// Whether a folder can be looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It can.
    Open,
    /// It did not answer in time: every further look would hang.
    Hangs,
    /// The system's error number and words.
    Closed(Option<i32>, String),
}

/// Containers, and where they were asked for.
#[derive(Debug)]
pub struct Fleet {
    /// The socket.
    pub docker: Docker,
    /// Those of Immich.
    pub containers: Vec<Container>,
    /// How many containers there are in all.
    pub total: usize,
}

impl Fleet {
    /// The container of Immich's server; of several the one whose port is published.
    pub fn server(&self) -> Option<&Container> {
        let servers = || self.containers.iter().filter(|container| container.part == Some(Part::Server));
        servers().find(|server| server.web.is_some()).or_else(|| servers().next())
    }
}

/// Everything that was found before the first question.
#[derive(Debug)]
pub struct Case {
    /// What was asked for.
    pub config: DoctorConfig,
    /// The compose file, if a folder was named, or why it tells nothing.
    pub compose: Option<Result<Compose, String>>,
    /// The containers, or why they cannot be asked.
    pub fleet: Result<Fleet, String>,
    /// The media location on this host, and how it was found.
    pub media: Option<(PathBuf, &'static str)>,
    /// The records; [`Home::None`] when there are none.
    pub records: Records,
    /// Address of the live database, where one is known; whether it answers or not.
    pub database: Option<Secret>,
    /// Why the records that were asked for are not there.
    pub refused: Option<String>,
    /// What was passed over on the way to the records.
    pub notes: Vec<String>,
    /// Container paths to paths here.
    pub map: PathMap,
    /// The folders that pictures are in.
    pub places: Vec<Place>,
    /// The moment of the examination.
    pub now: Timestamp,
    sample: OnceLock<Sample>,
}

struct Silent;

impl EventSink for Silent {
    fn send(&self, _event: Event) {}
}

impl Case {
    /// Reads what there is. What is not there is a finding of some step, not an error.
    ///
    /// # Errors
    /// A rule of `--map` that contradicts another.
    pub fn open(config: DoctorConfig, cancel: &Cancel) -> Result<Self, String> {
        let compose = config
            .compose
            .as_deref()
            .map(|dir| compose::read_compose(dir).map_err(|error| error.to_string()));
        let fleet = Docker::find(&config.sockets).and_then(|docker| {
            let (containers, total) = docker.containers()?;
            Ok(Fleet { docker, containers, total })
        });
        let known = compose.as_ref().and_then(|compose| compose.as_ref().ok());
        let server = fleet.as_ref().ok().and_then(Fleet::server);
        let media = media(&config, known, server);
        let rules = rules(known, server);
        let database = match &config.db {
            Db::Url(url) => Some(Secret::new(url.clone())),
            _ => known.and_then(|compose| compose.database.clone()),
        };
        let mut case = Self {
            fleet,
            media,
            records: Records::default(),
            database,
            refused: None,
            notes: Vec::new(),
            map: PathMap::default(),
            places: Vec::new(),
            now: Timestamp::now(),
            sample: OnceLock::new(),
            compose,
            config,
        };
        case.read_records(cancel);
        case.map_folders(&rules, cancel)?;
        Ok(case)
    }

    /// The records that were asked for, else those of the newest dump, so that there is something to compare with.
    fn read_records(&mut self, cancel: &Cancel) {
        let media = self.media.as_ref().map(|(media, _)| media.clone()).unwrap_or_default();
        let compose = self.compose.as_ref().and_then(|compose| compose.as_ref().ok());
        let answers = reach(&media.join(Folder::Backups.as_str()), cancel) != Reach::Hangs;
        let ground = &Ground::here(PATIENCE, cancel);
        let mut first = match &self.config.db {
            Db::Auto if !answers => Err("the folder of the dumps does not answer".to_owned()),
            db => sources::load(db, compose, &media, ground, (&Silent, cancel))
                .map_err(|refused| refused.error.to_string()),
        };
        if let Err(why) = &first {
            self.refused = Some(why.clone());
            if answers && !matches!(self.config.db, Db::Auto | Db::None) {
                first = sources::load(&Db::Auto, None, &media, ground, (&Silent, cancel))
                    .map_err(|refused| refused.error.to_string());
            }
        }
        if let Ok(loaded) = first {
            (self.records, self.notes) = (loaded.records, loaded.notes);
        }
    }

    fn map_folders(&mut self, rules: &[MapRule], cancel: &Cancel) -> Result<(), String> {
        let media = self.media.as_ref().map(|(media, _)| media.clone());
        let map = inventory::build_map(&self.records, media.as_deref(), &self.config.map, rules);
        self.map = map.map_err(|error| error.to_string())?;
        let map = &self.map;
        self.records.index.resolve(|record| map.to_host(record));
        let location = self.records.media_location.as_deref();
        let own = Folder::ALL.into_iter().filter_map(|folder| {
            Some((Some(folder), folder_on_host(folder, media.as_deref()?, map, location)))
        });
        let imports = self.records.libraries.iter().flat_map(|library| &library.import_paths);
        let external = imports.filter_map(|import| Some((None, map.to_host(import)?)));
        let mut places: Vec<Place> = Vec::new();
        for (folder, path) in own.chain(external) {
            if !places.iter().any(|place| place.path == path) {
                let reach = reach(&path, cancel);
                places.push(Place { folder, path, reach });
            }
        }
        self.places = places;
        Ok(())
    }

    /// The first line of the report.
    pub fn info(&self) -> RunInfo {
        RunInfo {
            run_id: run_id(self.now),
            started_at: now(),
            command: "doctor".to_owned(),
            media: self.media.as_ref().map(|(media, _)| media.clone()),
            records: (self.records.home != Home::None).then(|| self.records.info.clone()),
            map: self.map.entries(),
            notes: self.notes.clone(),
            idle: false,
        }
    }

    /// The compose file, if there is one that can be read.
    pub fn known_compose(&self) -> Option<&Compose> {
        self.compose.as_ref()?.as_ref().ok()
    }

    /// The server's container, if containers can be asked.
    pub fn server(&self) -> Option<&Container> {
        self.fleet.as_ref().ok()?.server()
    }

    /// Whether records are there to compare with.
    pub fn has_records(&self) -> bool {
        self.records.home != Home::None
    }

    /// Whether a look at this path would hang.
    pub fn hangs(&self, path: &Path) -> bool {
        self.places.iter().any(|place| place.reach == Reach::Hangs && path.starts_with(&place.path))
    }

    /// Some assets and their files, looked at once.
    pub fn sample(&self) -> &Sample {
        self.sample.get_or_init(|| Sample::take(&self.records, &|path| self.hangs(path)))
    }
}

/// The folder given, else that of the compose file, else what the server's container has mounted at its media location.
fn media(
    config: &DoctorConfig,
    compose: Option<&Compose>,
    server: Option<&Container>,
) -> Option<(PathBuf, &'static str)> {
    if let Some(media) = &config.media {
        return Some((media.clone(), "--media"));
    }
    if let Some(compose) = compose {
        return Some((compose.media.clone(), "the compose file"));
    }
    let server = server?;
    let standard = STANDARD_LOCATIONS.iter().filter(|known| known.starts_with('/')).copied();
    let named = Some(server.media_location.as_str()).filter(|named| !named.is_empty());
    let mount = named
        .into_iter()
        .chain(standard)
        .find_map(|target| server.mounts.iter().find(|mount| mount.target == Path::new(target)))?;
    Some((mount.source.clone(), "the server's container"))
}

/// What the server sees where: by its compose file, and by what its container has.
fn rules(compose: Option<&Compose>, server: Option<&Container>) -> Vec<MapRule> {
    let mut rules = compose.map(|compose| compose.rules.clone()).unwrap_or_default();
    for mount in server.into_iter().flat_map(|server| &server.mounts) {
        if !rules.iter().any(|rule| rule.container == mount.target) && !mount.target.starts_with("/etc") {
            rules.push(MapRule { container: mount.target.clone(), host: mount.source.clone() });
        }
    }
    rules
}

/// Looks into a folder, but not for ever.
fn reach(path: &Path, cancel: &Cancel) -> Reach {
    let own = path.to_path_buf();
    let look = move || fs::read_dir(own).and_then(|mut entries| entries.next().transpose().map(|_| ()));
    match within(PATIENCE, cancel, look) {
        Ok(Ok(())) => Reach::Open,
        Ok(Err(error)) => closed(&error),
        Err(Late::Hangs(_) | Late::Ended) => Reach::Hangs,
    }
}

fn closed(error: &io::Error) -> Reach {
    Reach::Closed(error.raw_os_error(), error.to_string())
}
