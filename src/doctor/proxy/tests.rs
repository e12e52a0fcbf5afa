use super::judge::judge;
use super::*;
use crate::doctor::sample::Group;
use crate::doctor::testing::{fine, problem, sampled};
use crate::doctor::web::Why;

fn fetched(status: u16, headers: &[(&str, &str)], body: &str) -> Fetched {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fetched { status, headers, body: body.as_bytes().to_vec(), cut: false }
}

fn picture() -> Fetched {
    fetched(200, &[("content-type", "image/webp"), ("etag", "a")], "RIFF....WEBP")
}

fn pair(direct: Fetched, public: Fetched) -> Pair {
    Pair { direct: Some(Ok(direct)), public: Ok(public) }
}

fn sound() -> Facts {
    let pong = || fetched(200, &[("server", "nginx")], "{\"res\":\"pong\"}");
    let switched = || fetched(101, &[], "");
    Facts {
        public: "https://photos.example.org/api".to_owned(),
        ping: pair(pong(), pong()),
        picture: Ok(pair(picture(), picture())),
        socket: pair(switched(), switched()),
        refused: None,
    }
}

fn told(public: Fetched) -> Answer {
    judge(&Facts { picture: Ok(pair(picture(), public)), ..sound() })
}

#[test]
fn a_proxy_that_passes_everything_on() {
    fine(&judge(&sound()), "a thumbnail is the same both ways (image/webp, 12 B); WebSockets pass");
}

#[test]
fn each_status_names_its_fault() {
    for (status, remedy) in [
        (401, "login of its own"),
        (403, "rules by country"),
        (404, "root of a name"),
        (429, "rate limit"),
        (500, "log of the reverse proxy"),
        (502, "localhost is the container itself"),
        (503, "health check"),
        (504, "proxy_read_timeout"),
    ] {
        problem(&told(fetched(status, &[], "")), &format!("status {status}"), remedy);
    }
}

#[test]
fn what_comes_with_status_200_is_looked_into() {
    let kind = ("content-type", "image/webp");
    problem(
        &told(fetched(200, &[("content-type", "text/html")], "<html>")),
        "a web page is answered",
        "login page",
    );
    problem(
        &told(fetched(200, &[kind, ("x-cache", "HIT")], "old")),
        "an old copy of a thumbnail (x-cache: HIT)",
        "cache",
    );
    problem(&told(fetched(200, &[kind, ("age", "77")], "old")), "age: 77 seconds", "cache");
    problem(&told(fetched(200, &[kind, ("etag", "b")], "other")), "ETag a and b", "recompresses");
    let renamed =
        Fetched { headers: vec![("content-type".to_owned(), "text/plain".to_owned())], ..picture() };
    problem(&told(renamed), "the type of a thumbnail \"text/plain\" of \"image/webp\"", "Content-Type");
    problem(&told(Fetched { cut: true, ..picture() }), "ends before its announced length", "proxy_temp_path");
}

#[test]
fn redirects_are_told_apart() {
    let to = |location: &str| told(fetched(302, &[("location", location)], ""));
    problem(&to("http://photos.example.org/api/x"), "mixed content", "X-Forwarded-Proto");
    problem(
        &to("https://auth.example.org/login?rd=x"),
        "leads to https://auth.example.org",
        "login of its own",
    );
    problem(&to("https://other.example.org/"), "leads to", "give the address");
}

#[test]
fn what_immich_itself_fails_at_is_not_the_proxys_fault() {
    let lost = fetched(404, &[], "{}");
    let answer = judge(&Facts { picture: Ok(pair(lost.clone(), lost.clone())), ..sound() });
    problem(&answer, "status 404 both ways", "photofsck repair");
    let cached = Fetched { headers: vec![("x-cache".to_owned(), "HIT".to_owned())], ..picture() };
    let answer = judge(&Facts { picture: Ok(pair(lost, cached)), ..sound() });
    problem(&answer, "an old copy of a thumbnail", "photofsck repair");
}

#[test]
fn sockets_uploads_and_silence() {
    let socket = pair(fetched(101, &[], ""), fetched(400, &[], ""));
    problem(&judge(&Facts { socket, ..sound() }), "status 400 instead of 101", "proxy_set_header Upgrade");
    let refused = Some((150 << 20, fetched(413, &[("cf-ray", "1")], "")));
    problem(
        &judge(&Facts { refused, ..sound() }),
        "150 MiB is refused by Cloudflare",
        "client_max_body_size",
    );
    for (why, remedy) in
        [(Why::Name, "DNS"), (Why::Refused, "start the reverse proxy"), (Why::Tls, "certificate")]
    {
        let ping = Pair { direct: None, public: Err(Unreached { why, words: "it does not".to_owned() }) };
        problem(&judge(&Facts { ping, ..sound() }), "it does not", remedy);
    }
    let ping = pair(fetched(200, &[], "pong"), fetched(200, &[], "hello"));
    problem(&judge(&Facts { ping, ..sound() }), "is not Immich", "host rule");
}

#[test]
fn a_thumbnail_of_the_keys_user_is_chosen() {
    let sample =
        |state: State| Sample { files: vec![sampled(7, Group::Newest, Role::Thumbnail, state)], assets: 1 };
    assert_eq!(choose(&sample(State::Missing), AssetId([0xee; 16])), Some(AssetId([7; 16])));
    assert_eq!(choose(&sample(State::Sound), AssetId([1; 16])), None);
}
