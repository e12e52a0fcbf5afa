//! Immich's `docker-compose.yml` and `.env`: the media location, the path map and the database address.
//!
//! Only what the service of the Immich server says is used: its volumes, its environment, and the published
//! port of its database. Variables of the calling shell are not looked at.

mod clean;
mod env;
mod service;

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::clean::clean;
use self::env::{Variables, interpolate, read_env};
use self::service::{list, published, text};
use super::paths::{MapRule, STANDARD_LOCATIONS};

/// File names in the order in which Docker Compose looks for them, each with its override.
const FILES: [(&str, &str); 4] = [
    ("compose.yaml", "compose.override.yaml"),
    ("compose.yml", "compose.override.yml"),
    ("docker-compose.yml", "docker-compose.override.yml"),
    ("docker-compose.yaml", "docker-compose.override.yaml"),
];

/// Larger files are not compose files.
const MAX_BYTES: u64 = 4 << 20;

/// What a compose folder tells.
#[derive(Debug)]
pub struct Compose {
    /// The compose file.
    pub file: PathBuf,
    /// The media location on this host.
    pub media: PathBuf,
    /// The media location in the container.
    pub location: PathBuf,
    /// One rule for every folder of the host that the server sees.
    pub rules: Vec<MapRule>,
    /// The database, when this host can reach it.
    pub database: Option<Secret>,
    /// Whom the server runs as, `USER` or `USER:GROUP`; `None` is the image's own choice, which is root.
    pub user: Option<String>,
    /// Where this host reaches the server, `http://HOST:PORT`.
    pub web: Option<String>,
    /// The folder of this host that the database keeps its files in.
    pub database_folder: Option<PathBuf>,
    /// Things to tell: why the database cannot be reached, which volumes could not be followed.
    pub notes: Vec<String>,
}

/// A database address that may hold a password, or a key: it is never printed whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being printed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole text, for the one who connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Address::parse(&self.0) {
            Some(address) => write!(f, "{}://{}/{}", address.scheme, address.place(), address.database()),
            None => f.write_str("***"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a compose folder tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// No compose file.
    #[error(
        "{dir}: no compose file here (looked for compose.yaml, compose.yml, docker-compose.yml and docker-compose.yaml); name the folder that holds Immich's docker-compose.yml and .env"
    )]
    NotFound {
        /// The folder.
        dir: PathBuf,
    },
    /// The file cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No service looks like an Immich server.
    #[error(
        "{path}: no service named immich-server or with an immich-server image (services: {services}); give --media and --db instead"
    )]
    NoServer {
        /// The file.
        path: PathBuf,
        /// What there is.
        services: String,
    },
    /// The server has no media location on this host.
    #[error("{path}: {reason}; give --media instead")]
    NoMedia {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
}

/// Reads the compose folder `dir`.
pub fn read_compose(dir: &Path) -> Result<Compose, ComposeError> {
    let (file, overriding) = FILES
        .iter()
        .map(|(name, overriding)| (dir.join(name), dir.join(overriding)))
        .find(|(file, _)| file.is_file())
        .ok_or_else(|| ComposeError::NotFound { dir: dir.to_path_buf() })?;
    let env_path = dir.join(".env");
    let variables = if env_path.is_file() { read_env(&read_text(&env_path)?) } else { Variables::new() };
    let mut project = parse(&file, &variables)?;
    if overriding.is_file() {
        overlay(&mut project, parse(&overriding, &variables)?);
    }
    Reader { dir, file: &file, project: &project, notes: Vec::new() }.read()
}

fn read_text(path: &Path) -> Result<String, ComposeError> {
    let unreadable = |reason: String| ComposeError::Unreadable { path: path.to_path_buf(), reason };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(unreadable(format!("{size} bytes are too many for a compose file")));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

fn parse(path: &Path, variables: &Variables) -> Result<Value, ComposeError> {
    let unreadable = |reason: String| ComposeError::Unreadable { path: path.to_path_buf(), reason };
    let text = read_text(path)?;
    let mut value: Value =
        serde_saphyr::from_str(&text).map_err(|error| unreadable(format!("not valid YAML: {error}")))?;
    fill(&mut value, variables).map_err(unreadable)?;
    Ok(value)
}

/// Puts the variables into every text of the tree.
fn fill(value: &mut Value, variables: &Variables) -> Result<(), String> {
    match value {
        Value::String(text) if text.contains('$') => *text = interpolate(text, variables)?,
        Value::Array(list) => list.iter_mut().try_for_each(|entry| fill(entry, variables))?,
        Value::Object(map) => map.values_mut().try_for_each(|entry| fill(entry, variables))?,
        _ => {}
    }
    Ok(())
}

/// Compose merges an override file like this: maps key by key, lists by appending, the rest by replacing.
fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(base), Value::Array(over)) => base.extend(over),
        (base, over) => *base = over,
    }
}

struct Reader<'a> {
    dir: &'a Path,
    file: &'a Path,
    project: &'a Value,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Result<Compose, ComposeError> {
        let server = self.server()?;
        let environment = self.environment(server);
        let rules = self.volumes(server);
        let (location, media) = self.media(&environment, &rules)?;
        let database = self.database(server, &environment);
        Ok(Compose {
            file: self.file.to_path_buf(),
            media,
            location,
            rules,
            database,
            user: service::user(server, &environment),
            web: service::web(server),
            database_folder: self.database_folder(&environment),
            notes: self.notes,
        })
    }

    fn services(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let services = self.project.get("services").and_then(Value::as_object);
        services.into_iter().flatten().map(|(name, service)| (name.as_str(), service))
    }

    fn server(&self) -> Result<&'a Value, ComposeError> {
        let image = |service: &Value| text(service.get("image"));
        self.services()
            .find(|(name, _)| *name == "immich-server")
            .or_else(|| self.services().find(|(_, service)| image(service).contains("immich-server")))
            .or_else(|| self.services().find(|(_, service)| image(service).contains("/immich:")))
            .map(|(_, service)| service)
            .ok_or_else(|| ComposeError::NoServer {
                path: self.file.to_path_buf(),
                services: self.services().map(|(name, _)| name).collect::<Vec<_>>().join(", "),
            })
    }

    /// Variables of the service: its `env_file`s, then its `environment`.
    fn environment(&mut self, service: &Value) -> Variables {
        let mut found = Variables::new();
        for entry in list(service.get("env_file")) {
            let name = entry.as_str().or_else(|| entry.get("path").and_then(Value::as_str));
            let Some(path) = name.map(|name| self.dir.join(name)) else { continue };
            match read_text(&path) {
                Ok(text) => found.extend(read_env(&text)),
                Err(error) => self.notes.push(format!("env_file not used: {error}")),
            }
        }
        match service.get("environment") {
            Some(Value::Object(map)) => {
                found.extend(map.iter().map(|(name, value)| (name.clone(), text(Some(value)))));
            }
            Some(Value::Array(entries)) => {
                let pairs =
                    entries.iter().filter_map(Value::as_str).filter_map(|entry| entry.split_once('='));
                found.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            _ => {}
        }
        found
    }

    fn volumes(&mut self, service: &Value) -> Vec<MapRule> {
        let mut rules: Vec<MapRule> = Vec::new();
        for entry in list(service.get("volumes")) {
            let (source, target) = service::ends(&entry);
            if source.is_empty() || !target.starts_with('/') || is_system(&target) {
                continue;
            }
            let Some(host) = self.host_folder(&source) else {
                self.notes.push(format!(
                    "{target} is the Docker volume {source:?}: its folder is not known here, give --map {target}=FOLDER \
                     (docker volume inspect shows the folder)"
                ));
                continue;
            };
            let container = PathBuf::from(target.trim_end_matches('/'));
            // An override file mounts over the same place by appending.
            rules.retain(|rule| rule.container != container);
            rules.push(MapRule { container, host });
        }
        rules
    }

    /// The folder of a bind mount; named volumes have no known folder.
    fn host_folder(&self, source: &str) -> Option<PathBuf> {
        if source.starts_with('/') {
            return Some(clean(Path::new(source)));
        }
        if let Some(below) = source.strip_prefix("~/") {
            return std::env::home_dir().map(|home| home.join(below));
        }
        let relative =
            source == "." || source == ".." || source.starts_with("./") || source.starts_with("../");
        relative.then(|| clean(&self.dir.join(source.strip_prefix("./").unwrap_or(source))))
    }

    fn media(&self, environment: &Variables, rules: &[MapRule]) -> Result<(PathBuf, PathBuf), ComposeError> {
        let find = |location: &str| {
            let location = Path::new(location);
            rules
                .iter()
                .filter_map(|rule| {
                    let below = location.strip_prefix(&rule.container).ok()?;
                    let host =
                        if below.as_os_str().is_empty() { rule.host.clone() } else { rule.host.join(below) };
                    Some((rule.container.as_os_str().len(), location.to_path_buf(), host))
                })
                .max_by_key(|(length, ..)| *length)
                .map(|(_, location, host)| (location, host))
        };
        let named = environment.get("IMMICH_MEDIA_LOCATION").filter(|location| !location.is_empty());
        let found = match named {
            Some(location) => find(location),
            None => {
                STANDARD_LOCATIONS.iter().filter(|known| known.starts_with('/')).find_map(|known| find(known))
            }
        };
        found.ok_or_else(|| {
            let wanted = named.map_or("/data or /usr/src/app/upload", String::as_str);
            let mut reason = format!("no volume of the Immich server leads to {wanted}");
            if named.is_none() {
                reason.push_str(" (is UPLOAD_LOCATION set in .env?)");
            }
            for note in &self.notes {
                let _ = write!(reason, "; {note}");
            }
            ComposeError::NoMedia { path: self.file.to_path_buf(), reason }
        })
    }

    fn database_folder(&self, environment: &Variables) -> Option<PathBuf> {
        let host = environment.get("DB_HOSTNAME").map_or("database", String::as_str);
        let named =
            |(name, service): &(&str, &Value)| *name == host || text(service.get("container_name")) == host;
        let (_, database) = self.services().find(named)?;
        let volumes = list(database.get("volumes")).into_iter();
        let mut places = volumes.filter_map(|entry| service::source_of(&entry, "/var/lib/postgresql"));
        places.find_map(|source| self.host_folder(&source))
    }

    fn database(&mut self, server: &Value, environment: &Variables) -> Option<Secret> {
        let get = |name: &str| environment.get(name).map(String::as_str).filter(|value| !value.is_empty());
        for name in ["DB_URL_FILE", "DB_PASSWORD_FILE", "DB_USERNAME_FILE", "DB_HOSTNAME_FILE"] {
            if get(name).is_some() {
                self.notes
                    .push(format!("{name} names a secret inside the container: give the database with --db"));
                return None;
            }
        }
        let address = match get("DB_URL") {
            Some(url) => url.to_owned(),
            None => format!(
                "postgres://{}:{}@{}:{}/{}",
                percent(get("DB_USERNAME").unwrap_or("postgres")),
                percent(get("DB_PASSWORD").unwrap_or("postgres")),
                get("DB_HOSTNAME").unwrap_or("database"),
                get("DB_PORT").unwrap_or("5432"),
                percent(get("DB_DATABASE_NAME").unwrap_or("immich")),
            ),
        };
        let Some(parsed) = Address::parse(&address) else {
            self.notes.push("DB_URL is not a postgres:// address: give the database with --db".to_owned());
            return None;
        };
        let host_network = text(server.get("network_mode")) == "host";
        if parsed.host == "host.docker.internal" {
            return Some(Secret(parsed.at("127.0.0.1", parsed.port)));
        }
        let service = self.services().find(|(name, service)| {
            *name == parsed.host || text(service.get("container_name")) == parsed.host
        });
        let Some((name, service)) = service else {
            let local = matches!(parsed.host, "localhost" | "127.0.0.1" | "::1");
            if local && !host_network {
                self.notes.push(
                    "the database is inside the server's own container: publish its port, or give --db"
                        .to_owned(),
                );
                return None;
            }
            if parsed.host == "database" {
                self.notes.push(unreachable_note(parsed.host));
                return None;
            }
            return Some(Secret(address));
        };
        let inside = parsed.port.parse::<u16>().unwrap_or(5432);
        if let Some((host, port)) = published(service, inside) {
            return Some(Secret(parsed.at(&host, &port)));
        }
        let note = unreachable_note(name);
        self.notes.push(note);
        None
    }
}

fn unreachable_note(name: &str) -> String {
    format!(
        "the database service {name:?} publishes no port, so it is only reachable inside Docker; add \
         ports: [\"127.0.0.1:5432:5432\"] to it, or give a dump or an address with --db"
    )
}

/// Mounts that are no folders of photos.
fn is_system(target: &str) -> bool {
    ["/etc/", "/dev/", "/run/", "/var/run/", "/sys/", "/proc/"]
        .iter()
        .any(|prefix| target.starts_with(prefix))
}

/// `scheme://[user[:password]@]host[:port]/database[?options]`
struct Address<'a> {
    scheme: &'a str,
    login: Option<&'a str>,
    host: &'a str,
    port: &'a str,
    tail: &'a str,
}

impl<'a> Address<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        if !matches!(scheme, "postgres" | "postgresql") {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or("5432")),
            None => place.split_once(':').unwrap_or((place, "5432")),
        };
        Some(Self { scheme, login, host, port, tail })
    }

    fn place(&self) -> String {
        bracketed(self.host, self.port)
    }

    /// The database's name without options, which may hold a password too.
    fn database(&self) -> &str {
        self.tail.trim_start_matches('/').split('?').next().unwrap_or_default()
    }

    /// The same database at another place.
    fn at(&self, host: &str, port: &str) -> String {
        let login = self.login.map(|login| format!("{login}@")).unwrap_or_default();
        format!("{}://{login}{}{}", self.scheme, bracketed(host, port), self.tail)
    }
}

fn bracketed(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Percent-encodes what may not stand in the user or password of an address.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test should panic")]
    use super::*;

    const IMMICH: &str = r"
name: immich
services:
  immich-server:
    container_name: immich_server
    image: ghcr.io/immich-app/immich-server:${IMMICH_VERSION:-release}
    volumes:
      - ${UPLOAD_LOCATION}:/data
      - /mnt/ssd/thumbs:/data/thumbs
      - type: bind
        source: ../photos
        target: /external
      - /etc/localtime:/etc/localtime:ro
      - model-cache:/cache
    env_file:
      - .env
    ports:
      - '2283:2283'
    depends_on: [redis, database]
  database:
    container_name: immich_postgres
    image: ghcr.io/immich-app/postgres:14
    environment: &db
      POSTGRES_PASSWORD: ${DB_PASSWORD}
PORTS
volumes:
  model-cache:
";

    fn folder(compose: &str, env: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("docker-compose.yml"), compose).unwrap();
        std::fs::write(dir.path().join(".env"), env).unwrap();
        dir
    }

    const ENV: &str =
        "UPLOAD_LOCATION=./library\nDB_PASSWORD=p@ss/w\nDB_USERNAME=postgres\nDB_DATABASE_NAME=immich\n";

    #[test]
    fn the_standard_file() {
        let dir = folder(&IMMICH.replace("PORTS", "    ports: [\"127.0.0.1:5433:5432\"]"), ENV);
        let compose = read_compose(dir.path()).unwrap();
        assert_eq!(compose.media, dir.path().join("library"));
        assert_eq!(compose.location, Path::new("/data"));
        assert_eq!(compose.web.as_deref(), Some("http://127.0.0.1:2283"));
        let rule = |container: &str| {
            compose
                .rules
                .iter()
                .find(|rule| rule.container == Path::new(container))
                .map(|rule| rule.host.clone())
        };
        assert_eq!(rule("/data/thumbs"), Some(PathBuf::from("/mnt/ssd/thumbs")));
        assert_eq!(rule("/external"), dir.path().parent().map(|parent| parent.join("photos")));
        assert_eq!(rule("/etc/localtime"), None);
        let database = compose.database.clone().unwrap();
        assert_eq!(database.expose(), "postgres://postgres:p%40ss%2Fw@127.0.0.1:5433/immich");
        assert!(!format!("{database} {compose:?}").contains("ss%2F"), "{compose:?}");
        assert_eq!(database.to_string(), "postgres://127.0.0.1:5433/immich");
        assert!(compose.notes.iter().any(|note| note.contains("model-cache")), "{:?}", compose.notes);
    }

    #[test]
    fn a_database_inside_docker_is_told_and_not_tried() {
        let dir = folder(&IMMICH.replace("PORTS", ""), ENV);
        let compose = read_compose(dir.path()).unwrap();
        assert_eq!(compose.database, None);
        assert!(compose.notes.iter().any(|note| note.contains("inside Docker")), "{:?}", compose.notes);
    }

    #[test]
    fn an_address_of_its_own_and_a_custom_location() {
        let compose = "services:\n  photos:\n    image: ghcr.io/immich-app/immich-server:v2\n    environment:\n      \
                       - IMMICH_MEDIA_LOCATION=/photos/immich\n      - DB_URL=postgresql://me:secret@nas.lan:5444/im?sslmode=require\n    \
                       volumes: [\"/tank/photos:/photos:rw\"]\n";
        let dir = folder(compose, "");
        std::fs::write(
            dir.path().join("docker-compose.override.yml"),
            "services: {photos: {volumes: [\"/ssd/thumbs:/photos/immich/thumbs\"]}}\n",
        )
        .unwrap();
        let compose = read_compose(dir.path()).unwrap();
        assert_eq!(compose.media, Path::new("/tank/photos/immich"));
        assert_eq!(compose.rules.len(), 2);
        let database = compose.database.unwrap();
        assert!(database.expose().contains("secret"));
        assert_eq!(database.to_string(), "postgresql://nas.lan:5444/im");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(read_compose(empty.path()), Err(ComposeError::NotFound { .. })));
        let cases = [
            ("services: {web: {image: nginx}}", "", "services: web"),
            ("services: [", "", "not valid YAML"),
            ("services: {immich-server: {volumes: [\"${UPLOAD_LOCATION}:/data\"]}}", "", "UPLOAD_LOCATION"),
            ("services: {immich-server: {volumes: [\"${UPLOAD_LOCATION:?set me}:/data\"]}}", "", "set me"),
            ("services: {immich-server: {volumes: [\"store:/data\"]}}", "", "docker volume inspect"),
        ];
        for (compose, env, word) in cases {
            let dir = folder(compose, env);
            let error = read_compose(dir.path()).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
    }

    #[test]
    fn secrets_in_files_are_not_guessed() {
        let compose = "services:\n  immich-server:\n    volumes: [\"/m:/data\"]\n    environment: {DB_PASSWORD_FILE: /run/secrets/pw}\n";
        let compose = read_compose(folder(compose, "").path()).unwrap();
        assert_eq!(compose.database, None);
        assert!(compose.notes.iter().any(|note| note.contains("DB_PASSWORD_FILE")));
    }
}
