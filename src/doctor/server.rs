//! Does Immich's own address answer, and with which version?

use serde_json::Value;

use super::case::Case;
use super::opinion::{Opinion, cannot_tell, shown};
use super::web::{Fetched, Unreached, Web, Why};
use crate::immich::register::ApiAddress;
use crate::report::ndjson::Answer;

pub const WHAT: [&str; 3] = [
    "Does Immich itself answer, without any proxy, and is it the version that its container and database say?",
    "/api/server/version at Immich's own address",
    "--api-url, or a published port in the compose file or container",
];

/// Immich's own address: the one given, else where the compose file or the container publishes its port.
pub fn address(case: &Case) -> Result<ApiAddress, String> {
    if let Some(address) = &case.config.api {
        return Ok(address.clone());
    }
    let published = case
        .server()
        .and_then(|server| server.web.clone())
        .or_else(|| case.known_compose().and_then(|compose| compose.web.clone()));
    let published = published.ok_or("Immich's own address is not known: give --api-url http://HOST:2283")?;
    ApiAddress::parse(&published)
}

/// The answer to the first path that is one of this version's.
pub fn either(web: &Web, paths: [&str; 2]) -> Result<Fetched, Unreached> {
    let [new, old] = paths;
    let fetched = web.get(new)?;
    if fetched.status == 404 { web.get(old) } else { Ok(fetched) }
}

pub fn answer(case: &Case) -> Answer {
    let address = match address(case) {
        Ok(address) => address,
        Err(why) => return cannot_tell("server", why),
    };
    let web = Web::new(&address, None);
    let told = either(&web, ["/server/version", "/server-info/version"]);
    let container = case.server().map(|server| server.version.clone()).filter(|version| !version.is_empty());
    judge(web.base(), told, container.as_deref(), case.records.server_version.as_deref())
}

fn judge(
    base: &str,
    told: Result<Fetched, Unreached>,
    container: Option<&str>,
    recorded: Option<&str>,
) -> Answer {
    let mut opinion = Opinion::default();
    let fetched = match told {
        Ok(fetched) => fetched,
        Err(unreached) => {
            let remedy = match unreached.why {
                Why::Name => "give the address with an IP number",
                Why::Tls => "Immich itself speaks plain HTTP: give --api-url http://HOST:2283",
                Why::Slow => "the server is overloaded or starts: see machine, logs and database",
                Why::Refused | Why::Other => {
                    "is immich_server up (docker compose ps), and is its port published (2283:2283)? See containers and logs"
                }
            };
            opinion.problem(format!("{base}: {}", shown(&unreached.words, 200)), remedy);
            return opinion.answer("server");
        }
    };
    let json: Value = serde_json::from_slice(&fetched.body).unwrap_or_default();
    let part = |name: &str| json.get(name).and_then(Value::as_u64);
    let (Some(major), Some(minor), patch) = (part("major"), part("minor"), part("patch").unwrap_or(0)) else {
        let what = if fetched.is_page() { "with a web page" } else { "without a version" };
        opinion.problem(
            format!("{base} answers {} {what}", fetched.status),
            "that is not Immich, or it is starting or in maintenance mode: open it in a browser and see logs",
        );
        return opinion.answer("server");
    };
    let version = format!("{major}.{minor}.{patch}");
    for (other, what) in
        [(container, "its container's image is of"), (recorded, "the records were last used by")]
    {
        if let Some(other) = other.map(|other| other.trim_start_matches('v'))
            && other != version
        {
            opinion.saw(format!("{what} {}", shown(other, 20)));
        }
    }
    opinion.saw(format!("Immich {version} answers at {base}"));
    opinion.answer("server")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};

    fn told(status: u16, body: &str) -> Answer {
        let fetched = Fetched { status, body: body.as_bytes().to_vec(), ..Fetched::default() };
        judge("http://immich:2283/api", Ok(fetched), Some("2.3.1"), Some("v2.3.1"))
    }

    #[test]
    fn answers_are_told_apart() {
        fine(&told(200, r#"{"major":2,"minor":3,"patch":1}"#), "Immich 2.3.1 answers");
        fine(&told(200, r#"{"major":2,"minor":4,"patch":0}"#), "its container's image is of 2.3.1");
        problem(&told(200, "<!doctype html><title>Login"), "with a web page", "not Immich");
        problem(&told(503, ""), "answers 503 without a version", "starting");
        let refused = Unreached { why: Why::Refused, words: "nothing listens there".to_owned() };
        problem(&judge("http://x", Err(refused), None, None), "nothing listens", "docker compose ps");
    }
}
