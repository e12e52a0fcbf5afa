//! A server that answers as Immich's API is documented to, in three generations of its paths: who may do what is
//! checked for every asset, and one that is not allowed fails the whole request.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

pub const KEY: &str = "k3y-of-the-user-0123456789";

/// Which paths are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// v1.100
    Old,
    /// v1.121 to 2.2
    Middle,
    /// 3.2
    New,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// This status and body for these paths.
    Answer {
        path: &'static str,
        status: u16,
        kind: &'static str,
        body: String,
    },
    /// A redirect to there.
    Redirect(String),
    /// So long before each answer.
    Slow(Duration),
    /// The connection ends without an answer.
    Hangup,
}

/// Method, path and body of a request.
pub type Seen = (String, String, Value);

#[derive(Clone)]
struct World {
    generation: Generation,
    user: String,
    owners: Arc<BTreeMap<String, String>>,
    trouble: Arc<Mutex<Trouble>>,
    queues: Arc<Mutex<Value>>,
    thumbnail: Arc<Mutex<String>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub struct FakeImmich {
    pub address: String,
    world: World,
}

impl FakeImmich {
    /// A server whose key belongs to `user`; `owners` tells whose the assets are.
    pub fn start(generation: Generation, user: &str, owners: &[(String, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let world = World {
            generation,
            user: user.to_owned(),
            owners: Arc::new(owners.iter().cloned().collect()),
            trouble: Arc::new(Mutex::new(Trouble::None)),
            queues: Arc::new(Mutex::new(idle())),
            thumbnail: Arc::new(Mutex::new("RIFF....WEBPVP8 a thumbnail".to_owned())),
            seen: Arc::default(),
        };
        let serving = world.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let world = serving.clone();
                std::thread::spawn(move || world.serve(stream));
            }
        });
        Self { address, world }
    }

    pub fn trouble(&self, trouble: Trouble) {
        *self.world.trouble.lock().unwrap() = trouble;
    }

    /// What it says of its queues.
    pub fn queues(&self, queues: Value) {
        *self.world.queues.lock().unwrap() = queues;
    }

    /// The bytes of every thumbnail.
    pub fn thumbnail(&self, bytes: &str) {
        bytes.clone_into(&mut self.world.thumbnail.lock().unwrap());
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.world.seen.lock().unwrap().clone()
    }

    /// The requests for jobs: path, name and assets.
    pub fn jobs(&self) -> Vec<(String, String, Vec<String>)> {
        let posts = self.seen().into_iter().filter(|(method, ..)| method == "POST");
        posts
            .map(|(_, path, body)| {
                let ids = body["assetIds"].as_array().unwrap().iter();
                let ids = ids.map(|id| id.as_str().unwrap().to_owned()).collect();
                (path, body["name"].as_str().unwrap().to_owned(), ids)
            })
            .collect()
    }
}

/// One queue at rest, as versions since 2.4 tell of it.
fn idle() -> Value {
    let counts = json!({ "active": 0, "completed": 0, "failed": 0, "delayed": 0, "waiting": 0, "paused": 0 });
    json!([{ "name": "thumbnailGeneration", "isPaused": false, "statistics": counts }])
}

impl World {
    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.is_empty() {
            return;
        }
        let mut parts = line.split(' ');
        let (method, path) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
        let (mut length, mut key, mut upgrade) = (0usize, String::new(), false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let Some((name, value)) = header.trim().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "upgrade" => upgrade = value.trim() == "websocket",
                "x-api-key" => value.trim().clone_into(&mut key),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        self.seen.lock().unwrap().push((method.clone(), path.clone(), body.clone()));
        let trouble = self.trouble.lock().unwrap().clone();
        let (status, kind, text) = match trouble {
            Trouble::Hangup => return,
            Trouble::Redirect(to) => {
                let answer = format!(
                    "HTTP/1.1 301 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes());
                return;
            }
            Trouble::Answer { path: only, status, kind, body } if path.contains(only) => (status, kind, body),
            Trouble::Slow(time) => {
                std::thread::sleep(time);
                self.answer(&method, &path, &key, &body)
            }
            _ => self.answer(&method, &path, &key, &body),
        };
        if path.starts_with("/api/socket.io/") && upgrade && status == 200 {
            let _ = stream.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n",
            );
            return;
        }
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            text.len()
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes()));
    }

    fn answer(&self, method: &str, path: &str, key: &str, body: &Value) -> (u16, &'static str, String) {
        let json =
            |status: u16, value: &Value| (status, "application/json; charset=utf-8", value.to_string());
        let error = |status: u16, message: &str| {
            json(status, &json!({ "message": message, "error": "X", "statusCode": status }))
        };
        let (version, me, jobs) = match self.generation {
            Generation::Old => ("/api/server-info/version", "/api/user/me", "/api/asset/jobs"),
            _ => ("/api/server/version", "/api/users/me", "/api/assets/jobs"),
        };
        if !path.starts_with("/api/") {
            return (
                200,
                "text/html",
                "<!doctype html><html><head><title>Immich</title></head></html>".to_owned(),
            );
        }
        if (method, path) == ("GET", version) {
            return match self.generation {
                Generation::Old => json(200, &json!({ "major": 1, "minor": 100, "patch": 0 })),
                Generation::Middle => json(200, &json!({ "major": 1, "minor": 121, "patch": 0 })),
                Generation::New => {
                    json(200, &json!({ "major": 3, "minor": 2, "patch": 0, "prerelease": null }))
                }
            };
        }
        if (method, path) == ("GET", "/api/server/ping") {
            return json(200, &json!({ "res": "pong" }));
        }
        if path.starts_with("/api/socket.io/") {
            return (200, "text/plain", "0{}".to_owned());
        }
        let queues = if self.generation == Generation::New { "/api/queues" } else { "/api/jobs" };
        let picture = path.starts_with("/api/assets/") && path.contains("/thumbnail");
        let known = [("GET", me), ("POST", jobs), ("GET", queues)].contains(&(method, path)) || picture;
        if !known {
            return error(404, &format!("Cannot {method} {path}"));
        }
        if key != KEY {
            return error(401, "Invalid API key");
        }
        if picture {
            return (200, "image/webp", self.thumbnail.lock().unwrap().clone());
        }
        if path == queues {
            return json(200, &self.queues.lock().unwrap());
        }
        if method == "GET" {
            return json(200, &json!({ "id": self.user, "name": "Anna", "email": "anna@example.org" }));
        }
        let names = ["regenerate-thumbnail", "refresh-metadata", "refresh-faces", "transcode-video"];
        if !body["name"].as_str().is_some_and(|name| names.contains(&name)) {
            return error(400, "name must be one of the following values");
        }
        let ids: Vec<&str> =
            body["assetIds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let own = |id: &&str| self.owners.get(*id) == Some(&self.user);
        if ids.is_empty() || !ids.iter().all(own) {
            return error(400, "Not found or no asset.update access");
        }
        (204, "", String::new())
    }
}
