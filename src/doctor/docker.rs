//! Containers, asked of Docker or Podman over their Unix socket: three kinds of GET in HTTP/1.0, which is answered without
//! chunks and with the end of the connection. Values of environment variables are not kept, they hold passwords.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// How long to wait for each piece of an answer.
const SILENCE: Duration = Duration::from_secs(10);

/// Longer answers are cut off; logs are asked for by their last lines.
const MAX_BYTES: u64 = 8 << 20;

/// Lines of a log that are looked at, of the last days.
const LOG_LINES: u32 = 2000;
const LOG_DAYS: i64 = 7;

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Immich's server, or what was its microservices.
    Server,
    /// Its machine learning.
    MachineLearning,
    /// PostgreSQL.
    Database,
    /// Redis or Valkey.
    Queue,
}

/// A folder of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Here.
    pub source: PathBuf,
    /// There.
    pub target: PathBuf,
    /// Whether the container may write to it.
    pub writable: bool,
}

/// One container of Immich's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// For the API.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it is for; `None` of what is not Immich's.
    pub part: Option<Part>,
    /// The compose project it belongs to.
    pub project: String,
    /// Name and tag of the image.
    pub image: String,
    /// Version by the image's label, else by its tag; empty for tags such as `release`.
    pub version: String,
    /// Docker's word: `running`, `exited`, `restarting`, `created`, `paused`, `dead`.
    pub state: String,
    /// Docker's word for its health check: `healthy`, `unhealthy`, `starting`; empty without one.
    pub health: String,
    /// Status of its last end.
    pub exit_code: i64,
    /// What Docker could not do.
    pub error: String,
    /// Whether the kernel killed it for its memory.
    pub out_of_memory: bool,
    /// Times that it was started again by itself.
    pub restarts: u64,
    /// `user:`, else PUID and PGID; empty for the image's own choice.
    pub user: String,
    /// `IMMICH_MEDIA_LOCATION`, if it is set.
    pub media_location: String,
    /// Its folders.
    pub mounts: Vec<Mount>,
    /// Bytes; 0 = no limit.
    pub memory_limit: u64,
    /// Where the server's port is published on this host.
    pub web: Option<String>,
    /// Whether its log is a terminal's, without frames.
    pub terminal: bool,
}

/// A socket that answers.
#[derive(Clone, Debug)]
pub struct Docker {
    socket: PathBuf,
}

impl Docker {
    /// The first socket that is there. The error says why none is.
    pub fn find(sockets: &[PathBuf]) -> Result<Self, String> {
        let mut why = None;
        for socket in sockets {
            match UnixStream::connect(socket) {
                Ok(_) => return Ok(Self { socket: socket.clone() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    why.get_or_insert_with(|| refused(socket, &error));
                }
            }
        }
        Err(why.unwrap_or_else(|| {
            let places: Vec<_> = sockets.iter().map(|socket| socket.to_string_lossy()).collect();
            format!("no Docker or Podman listens here ({})", places.join(", "))
        }))
    }

    /// The containers that are Immich's, and how many there are in all.
    pub fn containers(&self) -> Result<(Vec<Container>, usize), String> {
        let list = self.json("/containers/json?all=1")?;
        let list = list.as_array().cloned().unwrap_or_default();
        let mut found = Vec::new();
        for entry in &list {
            let id = text(entry, "/Id");
            // What it says of a container is the end of a path: nothing but an id may become one.
            if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                found.push(container(&self.json(&format!("/containers/{id}/json"))?, id));
            }
        }
        let total = found.len();
        Ok((of_immich(found), total))
    }

    /// The last lines of a container's log, of the last days.
    pub fn log(&self, container: &Container, now: i64) -> Result<String, String> {
        let since = now.saturating_sub(LOG_DAYS * 86_400);
        let query = format!("stdout=1&stderr=1&tail={LOG_LINES}&since={since}");
        let body = self.get(&format!("/containers/{}/logs?{query}", container.id))?;
        let body = if container.terminal { body } else { without_frames(&body) };
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn json(&self, path: &str) -> Result<Value, String> {
        let body = self.get(path)?;
        serde_json::from_slice(&body).map_err(|error| format!("{}: {error}", self.socket.display()))
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let told = |error: &io::Error| refused(&self.socket, error);
        let mut stream = UnixStream::connect(&self.socket).map_err(|error| told(&error))?;
        let timeouts =
            stream.set_read_timeout(Some(SILENCE)).and_then(|()| stream.set_write_timeout(Some(SILENCE)));
        timeouts.map_err(|error| told(&error))?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: docker\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(|error| told(&error))?;
        let mut answer = Vec::new();
        stream.take(MAX_BYTES).read_to_end(&mut answer).map_err(|error| told(&error))?;
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").unwrap_or(answer.len());
        let (head, body) = answer.split_at_checked(end).unwrap_or_default();
        let head = String::from_utf8_lossy(head);
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            return Err(format!("{} answers {path} with status {status:?}", self.socket.display()));
        }
        Ok(body.get(4..).unwrap_or_default().to_vec())
    }
}

fn refused(socket: &Path, error: &io::Error) -> String {
    let socket = socket.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                "{socket} is closed to this user: run photofsck as root, or as a member of the group docker"
            )
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("{socket} did not answer within {} seconds", SILENCE.as_secs())
        }
        _ => format!("{socket}: {error}"),
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn container(value: &Value, id: String) -> Container {
    let image = text(value, "/Config/Image");
    let label = |name: &str| {
        let labels = value.pointer("/Config/Labels");
        labels.and_then(|labels| labels.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let environment = value.pointer("/Config/Env").and_then(Value::as_array).into_iter().flatten();
    let environment: Vec<(&str, &str)> =
        environment.filter_map(Value::as_str).filter_map(|pair| pair.split_once('=')).collect();
    let variable = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let flag = |pointer: &str| value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
    let changed = variable("PUID").map(|user| match variable("PGID") {
        Some(group) => format!("{user}:{group}"),
        None => user.to_owned(),
    });
    let user = Some(text(value, "/Config/User")).filter(|user| !user.is_empty()).or(changed);
    Container {
        id,
        name: text(value, "/Name").trim_start_matches('/').to_owned(),
        part: part(&image),
        project: label("com.docker.compose.project"),
        version: version(&label("org.opencontainers.image.version"), &image),
        state: text(value, "/State/Status"),
        health: text(value, "/State/Health/Status"),
        exit_code: value.pointer("/State/ExitCode").and_then(Value::as_i64).unwrap_or(0),
        error: text(value, "/State/Error"),
        out_of_memory: flag("/State/OOMKilled"),
        restarts: number("/RestartCount"),
        user: user.unwrap_or_default(),
        media_location: variable("IMMICH_MEDIA_LOCATION").unwrap_or_default().to_owned(),
        mounts: mounts(value),
        memory_limit: number("/HostConfig/Memory"),
        web: web(value),
        terminal: flag("/Config/Tty"),
        image,
    }
}

fn mounts(value: &Value) -> Vec<Mount> {
    let list = value.pointer("/Mounts").and_then(Value::as_array).into_iter().flatten();
    let mount = |mount: &Value| Mount {
        source: text(mount, "/Source").into(),
        target: text(mount, "/Destination").into(),
        writable: mount.pointer("/RW").and_then(Value::as_bool).unwrap_or(true),
    };
    list.map(mount).filter(|mount| mount.source.is_absolute() && mount.target.is_absolute()).collect()
}

/// Where this host reaches the server; it listens on 2283, and did on 3001 before v1.118.
fn web(value: &Value) -> Option<String> {
    ["2283", "3001"].into_iter().find_map(|port| {
        let binding = value.pointer(&format!("/NetworkSettings/Ports/{port}~1tcp/0"))?;
        let host = match text(binding, "/HostIp").as_str() {
            "" | "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
            six if six.contains(':') => format!("[{six}]"),
            other => other.to_owned(),
        };
        Some(format!("http://{host}:{}", text(binding, "/HostPort")))
    })
}

/// What an image is for, by its name without registry, tag and digest.
fn part(image: &str) -> Option<Part> {
    let name = image.split('@').next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default();
    match name {
        "immich-server" | "immich" | "immich-microservices" => Some(Part::Server),
        "immich-machine-learning" => Some(Part::MachineLearning),
        "redis" | "valkey" => Some(Part::Queue),
        "postgres" | "pgvecto-rs" | "pgvector" | "vchord-postgres" | "postgresql" => Some(Part::Database),
        _ => None,
    }
}

/// `v2.3.1` without its `v`, by the label or the tag; empty for what is no version.
fn version(label: &str, image: &str) -> String {
    let tag = image.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let tag = tag.split_once(':').map_or("", |(_, tag)| tag);
    let is_version = |text: &&str| text.starts_with(|ch: char| ch.is_ascii_digit()) && text.contains('.');
    let bare = |text: &str| text.trim_start_matches('v').to_owned();
    let found = [label, tag].map(bare);
    found.iter().map(String::as_str).find(is_version).unwrap_or_default().to_owned()
}

/// Immich's own containers, and the databases and queues beside them: others have such images too.
fn of_immich(all: Vec<Container>) -> Vec<Container> {
    let own = |container: &&Container| matches!(container.part, Some(Part::Server | Part::MachineLearning));
    let projects: Vec<String> = all
        .iter()
        .filter(own)
        .map(|container| container.project.clone())
        .filter(|name| !name.is_empty())
        .collect();
    let mut found: Vec<Container> = all
        .into_iter()
        .filter(|container| {
            own(&container)
                || container.part.is_some()
                    && (projects.contains(&container.project) || container.name.contains("immich"))
        })
        .collect();
    found.sort_by(|a, b| a.part.cmp(&b.part).then_with(|| a.name.cmp(&b.name)));
    found
}

/// Docker's frames around pieces of a log: one byte for the stream, three of padding, the length, big end first.
fn without_frames(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    while let Some((&[0..=2, 0, 0, 0, a, b, c, d], rest)) = body.split_first_chunk() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let (piece, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        out.extend_from_slice(piece);
        body = behind;
    }
    if out.is_empty() { body.to_vec() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_apart_and_versions_read() {
        for (image, expected) in [
            ("ghcr.io/immich-app/immich-server:v2.3.1", Some(Part::Server)),
            ("localhost:5000/immich-server", Some(Part::Server)),
            ("ghcr.io/imagegenius/immich:latest", Some(Part::Server)),
            ("ghcr.io/immich-app/immich-machine-learning:release-cuda", Some(Part::MachineLearning)),
            ("docker.io/valkey/valkey:8-bookworm@sha256:0123", Some(Part::Queue)),
            ("ghcr.io/immich-app/postgres:14-vectorchord0.4.3", Some(Part::Database)),
            ("docker.io/tensorchord/pgvecto-rs:pg14-v0.2.0", Some(Part::Database)),
            ("nginx", None),
        ] {
            assert_eq!(part(image), expected, "{image}");
        }
        assert_eq!(version("v2.3.1", "x:release"), "2.3.1");
        assert_eq!(version("", "localhost:5000/x/immich-server:v1.135.3@sha256:01"), "1.135.3");
        assert_eq!(version("", "x/immich-server:release"), "");
    }

    #[test]
    fn frames_of_logs_are_taken_off_and_broken_ones_do_no_harm() {
        let framed = b"\x01\0\0\0\0\0\0\x03ab\n\x02\0\0\0\0\0\0\x02c\n";
        assert_eq!(without_frames(framed), b"ab\nc\n");
        assert_eq!(without_frames(b"plain"), b"plain");
        assert_eq!(without_frames(b"\x01\0\0\0\xff\xff\xff\xffab"), b"ab");
    }
}
