//! Tells a monitor, in the manner of Healthchecks, that a run begins and how it ended: `URL/start`, then `URL/<exit status>` with
//! the summary as body. A monitor that cannot be reached never fails a run.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::web;

/// How long to wait for a connection, and for a whole answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);
/// How often the end is told until somebody takes it, and the pause between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);

/// The address of a monitor. It is a secret of sorts: who knows it can tell the monitor anything.
#[derive(Clone, PartialEq, Eq)]
pub struct PingUrl {
    base: String,
    /// Scheme and host, for messages.
    shown: String,
}

impl std::fmt::Debug for PingUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PingUrl").field(&self.shown).finish()
    }
}

impl PingUrl {
    /// Reads an address as a person gives it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected =
            "--ping: expected an address such as https://hc-ping.com/UUID, without anything behind a ? or #";
        let text = text.trim();
        let uri: ureq::http::Uri = text.parse().map_err(|_| expected.to_owned())?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let host = uri.host().filter(|host| !host.is_empty());
        let (Some(scheme), Some(host)) = (scheme, host) else { return Err(expected.to_owned()) };
        if uri.query().is_some() || text.contains('#') {
            return Err(expected.to_owned());
        }
        let port = uri.port_u16().map_or_else(String::new, |port| format!(":{port}"));
        Ok(Self { base: text.trim_end_matches('/').to_owned(), shown: format!("{scheme}://{host}{port}") })
    }

    /// Tells the beginning, beside the run.
    pub fn start(&self) -> JoinHandle<Result<(), String>> {
        let url = self.clone();
        std::thread::spawn(move || url.send("start", b""))
    }

    /// Tells the end, a few times if need be.
    pub fn end(&self, exit: u8, summary: &[u8]) -> Result<(), String> {
        let mut told = self.send(&exit.to_string(), summary);
        for _ in 1..TRIES {
            if told.is_ok() {
                break;
            }
            std::thread::sleep(PAUSE);
            told = self.send(&exit.to_string(), summary);
        }
        told
    }

    fn send(&self, what: &str, body: &[u8]) -> Result<(), String> {
        let failed = |why: String| format!("--ping: {} was not told of the run ({what}): {why}", self.shown);
        let sent = web::agent(CONNECT, ANSWER)
            .post(format!("{}/{what}", self.base))
            .header("content-type", "application/json")
            .send(body);
        // The library's words may repeat the address.
        let sent = sent.map_err(|error| failed(error.to_string().replace(&self.base, &self.shown)))?;
        let status = sent.status();
        if status.is_success() { Ok(()) } else { Err(failed(format!("it answered {status}"))) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn addresses() {
        for good in
            ["https://hc-ping.com/0c1a2b3c", "http://127.0.0.1:8000/ping/abc/", " https://x.example/a "]
        {
            let url = PingUrl::parse(good).unwrap();
            assert!(!format!("{url:?}").contains("0c1a2b3c"), "{url:?}");
        }
        for wrong in ["", "hc-ping.com/abc", "ftp://host/abc", "https://host/?a=1", "https://host/#a", "/abc"]
        {
            assert!(PingUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_there_is_told_without_the_path() {
        let url = PingUrl::parse("http://127.0.0.1:9/very-secret").unwrap();
        let error = url.send("start", b"").unwrap_err();
        assert!(error.contains("http://127.0.0.1:9") && !error.contains("very-secret"), "{error}");
    }
}
