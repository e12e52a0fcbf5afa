//! HTTP to Immich's server: one address, one key, short answers, and everything that can go wrong in words that help.
//!
//! No redirect is followed (it would carry the key elsewhere and turn a POST into a GET), no proxy from the
//! environment is used, and the key is sent without encryption only inside a local network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::Value;
use ureq::http::Uri;

use crate::immich::compose::Secret;
use crate::web;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long to wait for a whole answer.
const ANSWER: Duration = Duration::from_mins(1);

/// Answers are small; longer ones are no answers of Immich.
const MAX_BYTES: u64 = 1 << 20;

/// Where Immich's API is: `http(s)://HOST[:PORT]/api`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAddress {
    base: String,
    host: String,
    port: u16,
    encrypted: bool,
}

impl ApiAddress {
    /// Reads an address as a person gives it, with or without `/api` at its end.
    ///
    /// # Errors
    /// What is wrong with it, without anything that could be a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected an address such as http://192.168.1.5:2283 or https://photos.example.org";
        let text = text.trim();
        if text
            .split("://")
            .nth(1)
            .is_some_and(|rest| rest.split('/').next().is_some_and(|host| host.contains('@')))
        {
            return Err(format!(
                "{EXPECTED}, without user and password: the key comes from a file or PHOTOFSCK_API_KEY"
            ));
        }
        let uri: Uri = text.parse().map_err(|_| format!("{EXPECTED}, found {text:?}"))?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("{EXPECTED}, found {text:?}")),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| format!("{EXPECTED}, found {text:?}"))?.to_owned();
        if uri.query().is_some() || text.contains('#') {
            return Err(format!("{EXPECTED}, without anything behind a ? or #"));
        }
        let path = uri.path().trim_end_matches('/');
        let path = if path.ends_with("/api") { path.to_owned() } else { format!("{path}/api") };
        let place = uri.authority().map_or_else(String::new, ToString::to_string);
        let base = format!("{}://{place}{path}", if encrypted { "https" } else { "http" });
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        Ok(Self { base, host, port, encrypted })
    }

    /// Refuses to send a key in plain text beyond the local network.
    ///
    /// # Errors
    /// Where the address leads, and what to give instead.
    pub fn guard(&self) -> Result<(), String> {
        if self.encrypted {
            return Ok(());
        }
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        // A name that cannot be resolved is told by the first request.
        let Ok(mut found) = (bare, self.port).to_socket_addrs() else { return Ok(()) };
        match found.find(|address| !is_local(address.ip())) {
            Some(address) => Err(format!(
                "{self} leads to {} outside the local network: the key would cross the internet unencrypted; give \
                 the server's https:// address, or its address in the local network",
                address.ip()
            )),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ApiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// Loopback, private, link-local, and the ranges of carrier and overlay networks.
fn is_local(address: IpAddr) -> bool {
    let four = |ip: Ipv4Addr| {
        let shared = matches!(ip.octets(), [100, second, ..] if second & 0xc0 == 64);
        ip.is_loopback() || ip.is_private() || ip.is_link_local() || shared
    };
    let six = |ip: Ipv6Addr| ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local();
    match address {
        IpAddr::V4(ip) => four(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| six(ip), four),
    }
}

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

/// An answer of Immich's, whatever its status.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: u16,
    /// The JSON; `Null` when there is no body.
    pub json: Value,
}

impl Reply {
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What Immich says went wrong.
    pub fn message(&self) -> String {
        let message = self.json.get("message");
        let text = match message {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        };
        short(&text)
    }
}

/// One server and one key.
pub(super) struct Client {
    address: ApiAddress,
    key: Secret,
    agent: ureq::Agent,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.address.base).finish()
    }
}

impl Client {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// When the key must not be sent there.
    pub fn new(address: ApiAddress, key: Secret) -> Result<Self, String> {
        address.guard()?;
        Ok(Self { address, key, agent: web::agent(CONNECT, ANSWER) })
    }

    pub fn address(&self) -> &ApiAddress {
        &self.address
    }

    /// Sends one request. `Err` when no answer of Immich's came: what happened and what to do.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, String> {
        let url = format!("{}{path}", self.address.base);
        let key = self.key.expose();
        let sent = match (method, body) {
            (Method::Get, _) => {
                self.agent.get(&url).header("x-api-key", key).header("accept", "application/json").call()
            }
            (Method::Post, body) => {
                let text = body.map(Value::to_string).unwrap_or_default();
                self.agent
                    .post(&url)
                    .header("x-api-key", key)
                    .header("accept", "application/json")
                    .header("content-type", "application/json")
                    .send(text.as_bytes())
            }
        };
        let told = |what: String| self.without_key(&what);
        let mut response = sent.map_err(|error| told(self.unreached(&error)))?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        if (300..400).contains(&status) {
            let to = header("location");
            return Err(told(format!(
                "{url} redirects to {to:?}, which is not followed, so that the key goes nowhere else: give the final \
                 address with --api-url{}",
                if to.contains("login") || to.contains("auth") {
                    ", past the login page of the proxy in front of Immich"
                } else {
                    ""
                }
            )));
        }
        let kind = header("content-type");
        let bytes = response.body_mut().with_config().limit(MAX_BYTES).read_to_vec();
        let bytes = bytes.map_err(|error| told(self.unreached(&error)))?;
        let text = told(String::from_utf8_lossy(&bytes).into_owned());
        if text.trim().is_empty() {
            return Ok(Reply { status, json: Value::Null });
        }
        match serde_json::from_str(&text) {
            Ok(json) => Ok(Reply { status, json }),
            Err(_) => Err(told(no_json(&url, status, &kind, &text))),
        }
    }

    /// Why no answer came.
    fn unreached(&self, error: &ureq::Error) -> String {
        let address = &self.address;
        match error {
            ureq::Error::Timeout(_) => format!(
                "{address} did not answer within {} seconds: is the server overloaded or a firewall in between?",
                ANSWER.as_secs()
            ),
            ureq::Error::HostNotFound => {
                format!(
                    "the name {:?} is not known here: check --api-url, or give an IP address",
                    address.host
                )
            }
            ureq::Error::ConnectionFailed => format!("{address} cannot be reached: check host and port"),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => format!(
                "nothing listens at {}, port {}: does Immich run, and is the port published (2283 by default)?",
                address.host, address.port
            ),
            ureq::Error::Io(error)
                if error.kind() == std::io::ErrorKind::InvalidData
                    || error.to_string().contains("certificate") =>
            {
                format!(
                    "TLS with {address} fails: {error}; the certificate must be valid for this name and known to this \
                     system (or SSL_CERT_FILE); is it plain HTTP after all?"
                )
            }
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => format!(
                "TLS with {address} fails: {error}; the certificate must be valid for this name and known to this \
                 system (or SSL_CERT_FILE); is it plain HTTP after all?"
            ),
            ureq::Error::BodyExceedsLimit(_) => {
                format!(
                    "{address} answers with more than {MAX_BYTES} bytes: that is no answer of Immich's API"
                )
            }
            other => format!("{address}: {other}"),
        }
    }

    /// Whatever a server writes into its messages.
    fn without_key(&self, text: &str) -> String {
        let key = self.key.expose();
        if key.is_empty() { text.to_owned() } else { text.replace(key, "***") }
    }
}

/// An answer that is no JSON: mostly a page that was meant for a browser.
fn no_json(url: &str, status: u16, kind: &str, text: &str) -> String {
    let page = kind.contains("html") || text.trim_start().starts_with('<');
    let title = title(text).map(|title| format!(" titled {title:?}")).unwrap_or_default();
    match (page, status) {
        (true, 502..=504) => format!(
            "{url} answers {status} with a web page{title}: the proxy in front of Immich does not reach it; is Immich \
             running?"
        ),
        (true, 401 | 403) => format!(
            "{url} answers {status} with a web page{title}: a proxy in front of Immich wants a login of its own; give \
             Immich's address behind it, such as http://HOST:2283"
        ),
        (true, _) => format!(
            "{url} answers {status} with a web page{title} instead of JSON: that is no Immich API; give Immich's own \
             address, such as http://HOST:2283, not that of a login page or another service"
        ),
        (false, _) => format!(
            "{url} answers {status} with {:?} instead of JSON: that is no Immich API, check --api-url",
            short(text)
        ),
    }
}

fn title(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower.get(start..)?.find("</title>")?;
    Some(short(text.get(start..end)?.trim()))
}

/// What a server says, without control characters and not too long.
fn short(text: &str) -> String {
    const MOST: usize = 200;
    let clean: String = text.chars().map(|ch| if ch.is_control() { ' ' } else { ch }).take(MOST).collect();
    if text.chars().count() > MOST { format!("{clean}...") } else { clean }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_give_them() {
        for (given, base) in [
            ("http://192.168.1.5:2283", "http://192.168.1.5:2283/api"),
            ("http://192.168.1.5:2283/", "http://192.168.1.5:2283/api"),
            ("https://photos.example.org/api/", "https://photos.example.org/api"),
            (" http://[::1]:2283/api ", "http://[::1]:2283/api"),
        ] {
            assert_eq!(ApiAddress::parse(given).unwrap().to_string(), base);
        }
        for wrong in
            ["", "immich:2283", "ftp://host/", "http://", "http://host/?x=1", "http://host/#api", "/api"]
        {
            assert!(ApiAddress::parse(wrong).unwrap_err().contains("expected an address"), "{wrong}");
        }
        let error = ApiAddress::parse("http://me:s3cret@host:2283").unwrap_err();
        assert!(error.contains("without user and password") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn keys_stay_in_the_local_network_unless_encrypted() {
        let guarded = |text: &str| ApiAddress::parse(text).unwrap().guard();
        for near in [
            "http://127.0.0.1:1",
            "http://10.1.2.3",
            "http://[::1]:1",
            "http://100.64.0.1",
            "https://1.1.1.1",
        ] {
            assert_eq!(guarded(near), Ok(()), "{near}");
        }
        for far in ["http://1.1.1.1", "http://[2606:4700::1]", "http://100.128.0.1"] {
            assert!(guarded(far).unwrap_err().contains("unencrypted"), "{far}");
        }
    }

    #[test]
    fn pages_for_browsers_are_recognised() {
        let page = "<!doctype html><html><head><title>Sign\nin</title>";
        assert!(no_json("u", 200, "text/html", page).contains("titled \"Sign in\" instead of JSON"));
        assert!(no_json("u", 502, "text/html", page).contains("is Immich running?"));
        assert!(no_json("u", 403, "", page).contains("a login of its own"));
        assert!(no_json("u", 200, "text/plain", "pong").contains("\"pong\" instead of JSON"));
    }
}
