//! Does the address that people use give the same as Immich itself? What differs names the fault of what is in between.

mod judge;
#[cfg(test)]
mod tests;

use super::case::Case;
use super::opinion::cannot_tell;
use super::sample::{Sample, State};
use super::server;
use super::web::{Fetched, Unreached, Web};
use crate::immich::register::ApiAddress;
use crate::model::{AssetId, Role};
use crate::report::ndjson::Answer;

pub const WHAT: [&str; 3] = [
    "Does the reverse proxy pass on what Immich answers: pictures, uploads, WebSockets?",
    "a ping and one thumbnail, fetched directly and through the public address: status, type, bytes, headers; an upload that is \
     announced and not sent; the upgrade of /api/socket.io to a WebSocket",
    "--public-url; with --api-url and an API key it compares pictures",
];

/// An answer, or why there is none.
type Told = Result<Fetched, Unreached>;

/// The same thing fetched twice.
#[derive(Clone, Debug)]
struct Pair {
    /// From Immich itself, if its address is known.
    direct: Option<Told>,
    /// Through the public address.
    public: Told,
}

/// Everything that was fetched.
#[derive(Clone, Debug)]
struct Facts {
    /// The public address.
    public: String,
    ping: Pair,
    /// A thumbnail, with the key.
    picture: Result<Pair, String>,
    socket: Pair,
    /// The smallest announced upload that was refused for its size, in bytes.
    refused: Option<(u64, Fetched)>,
}

/// Uploads that are announced: above the default of nginx, above that of Cloudflare, a film.
const UPLOADS: [u64; 3] = [2 << 20, 150 << 20, 2 << 30];

/// A WebSocket's beginning: RFC 6455, with its own example of a key.
const UPGRADE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

pub fn answer(case: &Case) -> Answer {
    let Some(address) = &case.config.public else {
        return cannot_tell("proxy", "the address that people use was not given (--public-url)");
    };
    let direct = server::address(case).ok().filter(|direct| direct.to_string() != address.to_string());
    judge::judge(&fetch(case, address, direct.as_ref()))
}

fn fetch(case: &Case, address: &ApiAddress, direct: Option<&ApiAddress>) -> Facts {
    let key = case.config.key.as_ref();
    let public = Web::new(address, key);
    let direct = direct.map(|direct| Web::new(direct, key));
    let pair = |path: &str, headers: &[(&str, &str)]| Pair {
        direct: direct.as_ref().map(|web| web.get_with(path, headers)),
        public: public.get_with(path, headers),
    };
    let ping = pair("/server/ping", &[]);
    // A proxy that does not answer at all would have to be waited for once more for each question.
    let answers = ping.public.is_ok();
    let picture = if !answers {
        Err("nothing answers there".to_owned())
    } else if !public.has_key() {
        Err("there is no API key that may be sent there".to_owned())
    } else {
        let asset = direct.as_ref().map_or_else(|| owned(&public, case), |web| owned(web, case));
        asset.map(|id| pair(&format!("/assets/{id}/thumbnail?size=thumbnail"), &[]))
    };
    let refused = UPLOADS.into_iter().filter(|_| answers).find_map(|bytes| {
        let told = public.announce("/server/ping", bytes)?;
        (told.status == 413).then_some((bytes, told))
    });
    Facts {
        public: address.to_string(),
        socket: if answers { pair("/socket.io/?EIO=4&transport=websocket", &UPGRADE) } else { ping.clone() },
        ping,
        picture,
        refused,
    }
}

/// An asset of the key's user: one whose thumbnail is broken, else any.
fn owned(web: &Web, case: &Case) -> Result<AssetId, String> {
    let told = server::either(web, ["/users/me", "/user/me"]).map_err(|unreached| unreached.words)?;
    let json: serde_json::Value = serde_json::from_slice(&told.body).unwrap_or_default();
    let user = json.get("id").and_then(serde_json::Value::as_str).and_then(|id| id.parse::<AssetId>().ok());
    let user =
        user.ok_or_else(|| format!("Immich does not say whose the API key is (status {})", told.status))?;
    choose(case.sample(), user).ok_or_else(|| "no sampled asset belongs to the API key's user".to_owned())
}

fn choose(sample: &Sample, user: AssetId) -> Option<AssetId> {
    let thumbnails = || sample.files.iter().filter(|file| file.role == Role::Thumbnail && file.owner == user);
    let sound = thumbnails().find(|file| file.state.is_sound());
    let broken = thumbnails().find(|file| matches!(file.state, State::Empty | State::Foreign(_)));
    sound.or(broken).or_else(|| thumbnails().next()).map(|file| file.asset)
}
