//! What the differences mean.

use super::{Facts, Pair, Told};
use crate::doctor::opinion::{Opinion, shown};
use crate::doctor::web::{Fetched, Unreached, Why};
use crate::report::ndjson::Answer;
use crate::report::words;

/// The page that shows how each proxy is set up.
const PAGE: &str = "docs.immich.app/administration/reverse-proxy";

pub(super) fn judge(facts: &Facts) -> Answer {
    let mut opinion = Opinion::default();
    let plain = facts.public.starts_with("http://");
    match &facts.ping.public {
        Err(unreached) => {
            let (what, remedy) = out_of_reach(unreached);
            opinion.problem(format!("{}: {what}", facts.public), remedy);
            return opinion.answer("proxy");
        }
        Ok(public) => {
            let what = "the ping";
            if let Some(fault) =
                fault(public, plain, direct(&facts.ping).is_some_and(|direct| direct.status == 200))
            {
                opinion.problem(format!("{what}: {}", fault.0), fault.1);
            } else if !public.body.windows(4).any(|window| window == b"pong") {
                opinion.problem(
                    format!("{} answers {} and is not Immich", facts.public, public.status),
                    "the name leads to another service: give the proxy a host rule for this name that leads to Immich",
                );
            }
        }
    }
    match &facts.picture {
        Err(why) => opinion.doubt(format!("no thumbnail was compared: {why}")),
        Ok(pair) => picture(pair, plain, &mut opinion),
    }
    uploads(facts, &mut opinion);
    socket(&facts.socket, &mut opinion);
    if let Some(proxy) = facts.ping.public.as_ref().ok().and_then(proxy) {
        opinion.saw(format!("{} is served by {proxy}", facts.public));
    } else {
        opinion.saw(format!("{} answers", facts.public));
    }
    opinion.answer("proxy")
}

fn direct(pair: &Pair) -> Option<&Fetched> {
    pair.direct.as_ref()?.as_ref().ok()
}

fn out_of_reach(unreached: &Unreached) -> (String, &'static str) {
    let words = shown(&unreached.words, 200);
    match unreached.why {
        Why::Name => (words, "make a DNS record for this name, or give the address that people really use"),
        Why::Refused => {
            (words, "start the reverse proxy, and forward its port (80 and 443) in router and firewall")
        }
        Why::Slow => (
            words,
            "a firewall swallows it, or the proxy waits for a server that does not answer: see its log",
        ),
        Why::Tls => (
            format!("encryption fails: {words}"),
            "the certificate has to be valid for this name and not expired, with its whole chain; is the port really HTTPS?",
        ),
        Why::Other => (words, "see the log of the reverse proxy"),
    }
}

/// Who answered, where it can be told from what it says of itself.
fn proxy(fetched: &Fetched) -> Option<String> {
    if !fetched.header("cf-ray").is_empty() {
        return Some("Cloudflare".to_owned());
    }
    [fetched.header("server"), fetched.header("via")]
        .into_iter()
        .find(|told| !told.is_empty())
        .map(|told| shown(told, 40))
}

/// What a status other than Immich's own means, and what to do. `sound`: Immich itself answers well.
fn fault(public: &Fetched, plain: bool, sound: bool) -> Option<(String, String)> {
    let by = proxy(public).map(|proxy| format!(" ({proxy})")).unwrap_or_default();
    let status = public.status;
    let problem =
        |what: &str, remedy: &str| Some((format!("status {status}{by}: {what}"), remedy.to_owned()));
    match status {
        300..=399 => Some(redirect(public, plain, &by)),
        401 if sound => problem(
            "a login is asked for that Immich does not ask for",
            "the proxy has a login of its own, or drops the header x-api-key: let /api through, the apps cannot pass such a login",
        ),
        403 if sound => problem(
            "it is forbidden, and not by Immich",
            "look for rules by country, address or agent in the proxy, its firewall or Cloudflare's, and let /api through",
        ),
        404 if sound => problem(
            "it is not found, and Immich has it",
            "Immich has to be at the root of a name of its own: take path prefixes and rewrites out of the proxy",
        ),
        413 => problem("it is too large", UPLOAD),
        429 if sound => problem(
            "too many requests",
            "a timeline asks for hundreds of thumbnails at once: raise or drop the proxy's rate limit for /api",
        ),
        502 => problem(
            "the proxy does not reach Immich",
            "its upstream has to be http:// and an address and port where Immich answers from where the proxy runs: in a container \
             localhost is the container itself",
        ),
        503 => problem(
            "the proxy has no server to ask",
            "is Immich up? See containers; then the proxy's own health check",
        ),
        504 => problem(
            "the proxy waits for Immich in vain",
            "is Immich up and not overloaded (see server and machine)? nginx: proxy_read_timeout 600s",
        ),
        500.. if sound => problem(
            "the proxy itself fails",
            "see the log of the reverse proxy; for nginx often its disk is full or its temporary folder closed to it",
        ),
        520.. => problem(
            "Cloudflare does not reach the proxy",
            "see Cloudflare's page for this status, and the tunnel's log",
        ),
        200..=299 if public.is_page() => problem(
            "a web page is answered instead",
            "a login page or another service is in front of /api: let /api through to Immich",
        ),
        _ => None,
    }
}

const UPLOAD: &str = "raise the limit: nginx client_max_body_size 50000M, Apache LimitRequestBody 0, Traefik's buffering \
                      maxRequestBodyBytes; Cloudflare's cannot be raised on its smaller plans, so that apps should use the local \
                      address at home";

fn redirect(public: &Fetched, plain: bool, by: &str) -> (String, String) {
    let to = public.header("location");
    let status = public.status;
    if !plain && to.starts_with("http://") {
        return (
            format!(
                "status {status}{by}: it leads from https:// back to {}: browsers block such mixed content",
                shown(to, 120)
            ),
            format!("pass on X-Forwarded-Proto, and redirect http to https in one place only ({PAGE})"),
        );
    }
    let upgrade = plain && to.starts_with("https://");
    let login = ["login", "auth", "sso", "oauth"].iter().any(|word| to.to_ascii_lowercase().contains(word));
    let remedy = if login {
        "the proxy has a login of its own in front of /api: let /api through, the apps cannot pass it"
    } else if upgrade {
        "give the https:// address here and in the apps: a redirect loses the key and the picture"
    } else {
        "give the address that it leads to, here and in the apps"
    };
    (format!("status {status}{by}: it leads to {}", shown(to, 120)), remedy.to_owned())
}

fn picture(pair: &Pair, plain: bool, opinion: &mut Opinion) {
    let public = match &pair.public {
        Ok(public) => public,
        Err(unreached) => {
            let (what, remedy) = out_of_reach(unreached);
            opinion.problem(format!("a thumbnail through the proxy: {what}"), remedy);
            return;
        }
    };
    let own = direct(pair);
    if let Some(own) = own.filter(|own| own.status != 200) {
        let (status, same) = (own.status, own.status == public.status);
        let who = if same { "both ways" } else { "by Immich itself" };
        let (what, remedy) = match status {
            401 | 403 => {
                ("the API key may not see it", "give a key of that user with the permission asset.view")
            }
            404 | 500 => (
                "Immich does not have the file",
                "the proxy is not at fault: photofsck repair makes the picture again (see symptom)",
            ),
            _ => ("Immich does not deliver it", "the proxy is not at fault: see server and logs"),
        };
        opinion.problem(format!("a thumbnail is answered with status {status} {who}: {what}"), remedy);
        if same || public.status != 200 {
            return;
        }
    }
    if let Some((what, remedy)) = fault(public, plain, own.is_none_or(|own| own.status == 200)) {
        opinion.problem(format!("a thumbnail through the proxy: {what}"), remedy);
        return;
    }
    if public.cut {
        opinion.problem(
            "a thumbnail through the proxy ends before its announced length",
            "see the proxy's log: nginx says so when it may not write its temporary files (proxy_temp_path), or its disk is full",
        );
        return;
    }
    match own {
        None if public.status == 200 => opinion.saw("a thumbnail comes through the proxy"),
        None => opinion.doubt(format!("a thumbnail through the proxy has status {}", public.status)),
        Some(own) => compare(own, public, opinion),
    }
}

/// Both are pictures with status 200, unless Immich fails and the proxy still has an old copy.
fn compare(own: &Fetched, public: &Fetched, opinion: &mut Opinion) {
    let kind = |fetched: &Fetched| shown(fetched.header("content-type"), 60);
    if own.body == public.body && own.status == public.status {
        if kind(own) == kind(public) {
            opinion.saw(format!(
                "a thumbnail is the same both ways ({}, {})",
                kind(own),
                words::bytes(own.body.len() as u64)
            ));
        } else {
            opinion.problem(
                format!("the proxy makes the type of a thumbnail {:?} of {:?}", kind(public), kind(own)),
                "take away what sets Content-Type in the proxy: browsers do not show a picture of another type",
            );
        }
        return;
    }
    let cached = ["x-cache", "x-cache-status", "cf-cache-status", "x-proxy-cache"]
        .into_iter()
        .map(|name| (name, public.header(name)))
        .find(|(_, value)| value.to_ascii_lowercase().contains("hit"));
    let age = public.header("age").parse::<u64>().ok().filter(|age| *age > 0);
    let how = match (cached, age) {
        (Some((name, value)), _) => Some(format!("{name}: {}", shown(value, 20))),
        (None, Some(age)) => Some(format!("age: {age} seconds")),
        (None, None) => None,
    };
    let tags = [own, public].map(|fetched| shown(fetched.header("etag"), 40));
    let other_tag = tags.iter().all(|tag| !tag.is_empty()) && tags.first() != tags.last();
    if let Some(how) = how {
        opinion.problem(
            format!("the proxy gives an old copy of a thumbnail ({how})"),
            "empty the proxy's cache and let it cache nothing below /api: what Immich sends is private (Cache-Control)",
        );
    } else {
        let tags = if other_tag { format!(", ETag {} and {}", tags[0], tags[1]) } else { String::new() };
        opinion.problem(
            format!(
                "a thumbnail is another through the proxy: {} instead of {}{tags}",
                words::bytes(public.body.len() as u64),
                words::bytes(own.body.len() as u64)
            ),
            "the proxy caches or recompresses pictures (Cloudflare Polish, mod_pagespeed), or leads to another Immich: switch \
             that off for /api",
        );
    }
}

fn uploads(facts: &Facts, opinion: &mut Opinion) {
    if let Some((bytes, told)) = &facts.refused {
        let by = proxy(told).map(|proxy| format!(" by {proxy}")).unwrap_or_default();
        opinion.problem(format!("an upload of {} is refused{by} (status 413)", words::bytes(*bytes)), UPLOAD);
    }
}

fn socket(pair: &Pair, opinion: &mut Opinion) {
    let switched = |told: &Told| told.as_ref().is_ok_and(|told| told.status == 101);
    if switched(&pair.public) {
        opinion.saw("WebSockets pass");
        return;
    }
    let told = match &pair.public {
        Ok(public) => format!("status {}", public.status),
        Err(unreached) => shown(&unreached.words, 100),
    };
    match &pair.direct {
        Some(own) if switched(own) => opinion.problem(
            format!("WebSockets do not pass the proxy ({told} instead of 101): the page does not learn of new pictures"),
            format!(
                "nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; \
                 Nginx Proxy Manager: Websockets Support ({PAGE})"
            ),
        ),
        Some(Ok(own)) => opinion.doubt(format!("Immich itself opens no WebSocket (status {})", own.status)),
        Some(Err(unreached)) => opinion.doubt(format!("Immich itself was not reached for a WebSocket: {unreached}")),
        None => opinion.doubt(format!("a WebSocket through the proxy has {told}, and Immich's own address is not known")),
    }
}
