//! Requests as a browser makes them, to Immich itself and to the address that people use: whatever is answered is looked at,
//! no redirect is followed, and the key is sent only where [`ApiAddress::guard`] allows it.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body, SendBody};

use crate::immich::compose::Secret;
use crate::immich::register::ApiAddress;
use crate::web;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long to wait for a whole answer. Proxies give up after 60 seconds at the latest: longer than that, so that theirs is seen.
const ANSWER: Duration = Duration::from_secs(65);

/// Thumbnails are smaller.
const MAX_BYTES: u64 = 4 << 20;

/// What was answered, whatever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most some megabytes of it.
    pub body: Vec<u8>,
    /// Whether the body ended before its announced length.
    pub cut: bool,
}

impl Fetched {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// Whether it is a page for browsers.
    pub fn is_page(&self) -> bool {
        let head = self.body.get(..self.body.len().min(64)).unwrap_or_default();
        let head = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
        self.header("content-type").contains("html")
            || head.starts_with("<!doctype html")
            || head.starts_with("<html")
    }
}

/// Why nothing was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The name has no address.
    Name,
    /// Nothing listens there.
    Refused,
    /// No answer in time.
    Slow,
    /// The certificate, or no encryption at all.
    Tls,
    /// Anything else.
    Other,
}

/// No answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// Of which kind.
    pub why: Why,
    /// In words.
    pub words: String,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// One address, asked without and with a key.
#[derive(Debug)]
pub struct Web {
    base: String,
    agent: Agent,
    key: Option<Secret>,
}

impl Web {
    /// Asks nothing yet. A key that may not be sent there is left out.
    pub fn new(address: &ApiAddress, key: Option<&Secret>) -> Self {
        let key = key.filter(|_| address.guard().is_ok()).cloned();
        Self { base: address.to_string(), agent: web::agent(CONNECT, ANSWER), key }
    }

    /// Where it asks.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether it has a key to show.
    pub const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Gets a path below `/api`.
    pub fn get(&self, path: &str) -> Result<Fetched, Unreached> {
        self.get_with(path, &[])
    }

    /// The same with more headers.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Fetched, Unreached> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key.expose());
        }
        self.fetched(request.call())
    }

    /// Announces an upload of so many bytes and sends none of them: what limits uploads refuses it by its announcement.
    /// `None` when nothing refuses it.
    pub fn announce(&self, path: &str, bytes: u64) -> Option<Fetched> {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("expect", "100-continue")
            .header("content-type", "application/octet-stream")
            .header("content-length", bytes.to_string());
        self.fetched(request.send(SendBody::from_reader(&mut Nothing))).ok()
    }

    fn fetched(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Fetched, Unreached> {
        let mut response = answer.map_err(|error| unreached(&error))?;
        let texts = response.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            // A server that repeats what it was sent must not have the key shown.
            let value =
                self.key.as_ref().map_or_else(|| value.to_string(), |key| value.replace(key.expose(), "***"));
            (name.as_str().to_owned(), value)
        });
        let mut fetched =
            Fetched { status: response.status().as_u16(), headers: texts.collect(), ..Fetched::default() };
        if fetched.status != 101 {
            let mut reader = response.body_mut().as_reader().take(MAX_BYTES);
            fetched.cut = reader.read_to_end(&mut fetched.body).is_err();
        }
        Ok(fetched)
    }
}

/// A body that is never sent.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("nothing is sent"))
    }
}

fn unreached(error: &ureq::Error) -> Unreached {
    let (why, words) = match error {
        ureq::Error::Timeout(_) => (Why::Slow, format!("no answer within {} seconds", ANSWER.as_secs())),
        ureq::Error::HostNotFound => (Why::Name, "the name has no address here".to_owned()),
        ureq::Error::ConnectionFailed => (Why::Refused, "no connection".to_owned()),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            (Why::Refused, "nothing listens there".to_owned())
        }
        ureq::Error::Io(error)
            if error.kind() == io::ErrorKind::InvalidData || error.to_string().contains("certificate") =>
        {
            (Why::Tls, error.to_string())
        }
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => (Why::Tls, error.to_string()),
        other => (Why::Other, other.to_string()),
    };
    Unreached { why, words }
}
