//! Asking Immich's API for jobs, against a server that answers as documented: three generations of paths, ownership,
//! and everything that goes wrong at night.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::{Duration, Instant};

use photofsck::immich::compose::Secret;
use photofsck::immich::register::{Answer, ApiAddress, ApiRegistrar, Registrar as _, Request, Rows, Wish};
use photofsck::model::AssetId;

#[path = "common/fake_immich.rs"]
mod fake_immich;

use fake_immich::{FakeImmich, Generation, KEY, Trouble};

const ALL: [Generation; 3] = [Generation::Old, Generation::Middle, Generation::New];

fn me() -> AssetId {
    AssetId([0xaa; 16])
}

fn other() -> AssetId {
    AssetId([0xbb; 16])
}

fn asset(n: u8) -> AssetId {
    AssetId([n; 16])
}

/// A server with assets 1 to 9 of the key's user and 10 to 12 of another.
fn server(generation: Generation) -> FakeImmich {
    let owners: Vec<_> =
        (1..=12).map(|n| (asset(n).to_string(), if n < 10 { me() } else { other() }.to_string())).collect();
    FakeImmich::start(generation, &me().to_string(), &owners)
}

fn open(address: &str, key: &str) -> Result<ApiRegistrar, String> {
    let address = ApiAddress::parse(address).unwrap();
    ApiRegistrar::open(address, Secret::new(key)).map_err(|error| error.to_string())
}

fn remake(n: u8) -> Request {
    Request {
        id: asset(n),
        owner: if n < 10 { me() } else { other() },
        wish: Wish::Remake { row_lacks: false },
    }
}

fn transcode(n: u8) -> Request {
    Request { wish: Wish::Transcode, ..remake(n) }
}

fn is_done(answer: &Answer) -> bool {
    matches!(answer, Answer::Done(_))
}

#[test]
fn every_generation_is_asked_at_its_own_paths() {
    for generation in ALL {
        let server = server(generation);
        for address in [server.address.clone(), format!("{}/api/", server.address)] {
            let mut registrar = open(&address, KEY).unwrap();
            let asked = server.jobs().len();
            let shown = registrar.show(&remake(1)).unwrap();
            assert!(
                shown.starts_with("POST http://127.0.0.1:") && shown.contains("regenerate-thumbnail"),
                "{shown}"
            );
            assert_eq!(server.jobs().len(), asked, "showing asks nothing");
            let answers = registrar.submit(&[remake(1), transcode(2), remake(3)]);
            assert!(answers.iter().all(is_done), "{generation:?}: {answers:?}");
            let jobs = server.jobs().split_off(asked);
            let path = if generation == Generation::Old { "/api/asset/jobs" } else { "/api/assets/jobs" };
            let ids = |of: &[u8]| of.iter().map(|n| asset(*n).to_string()).collect::<Vec<_>>();
            assert_eq!(
                jobs,
                [
                    (path.to_owned(), "regenerate-thumbnail".to_owned(), ids(&[1, 3])),
                    (path.to_owned(), "transcode-video".to_owned(), ids(&[2])),
                ]
            );
            let note = registrar.notes(true).join(" ");
            assert!(note.contains("Anna") && !note.contains(KEY), "{note}");
        }
        for (_, path, body) in server.seen() {
            assert!(!path.contains("delete") && !body.to_string().contains("delete"), "{path} {body}");
        }
    }
}

#[test]
fn assets_of_others_are_never_sent_and_the_remedy_is_told() {
    let server = server(Generation::New);
    let mut registrar = open(&server.address, KEY).unwrap();
    let lacking = Request { wish: Wish::Remake { row_lacks: true }, ..remake(11) };
    let batch = [remake(1), remake(10), lacking.clone(), transcode(12), remake(2)];
    let answers = registrar.submit(&batch);
    assert!(is_done(&answers[0]) && is_done(&answers[4]));
    let remedy = |answer: &Answer| match answer {
        Answer::Skipped(why) => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(remedy(&answers[1]).contains("a key of that user") && remedy(&answers[1]).contains("asset_file"));
    assert!(remedy(&answers[2]).contains("Generate Thumbnails, Missing"));
    assert!(!remedy(&answers[2]).contains("delete"));
    assert!(remedy(&answers[3]).contains("Transcode Videos"));
    assert_eq!(registrar.show(&lacking), Err(remedy(&answers[2])));
    let sent: Vec<String> = server.jobs().into_iter().flat_map(|(.., ids)| ids).collect();
    assert_eq!(sent, [asset(1).to_string(), asset(2).to_string()]);
}

#[test]
fn an_asset_that_the_server_refuses_does_not_keep_the_others() {
    let server = server(Generation::Middle);
    let mut registrar = open(&server.address, KEY).unwrap();
    // Recorded as the user's, unknown to the server: deleted meanwhile.
    let gone = Request { id: asset(77), ..remake(1) };
    let mut batch: Vec<Request> = (1..=9).map(remake).collect();
    batch.insert(4, gone);
    let answers = registrar.submit(&batch);
    for (place, answer) in answers.iter().enumerate() {
        match answer {
            Answer::Failed(why) if place == 4 => assert!(why.contains("deleted meanwhile"), "{why}"),
            answer => assert!(is_done(answer) && place != 4, "{place}: {answer:?}"),
        }
    }
}

#[test]
fn what_the_api_cannot_do_is_said() {
    let server = server(Generation::New);
    let mut registrar = open(&server.address, KEY).unwrap();
    let face = Request { wish: Wish::Face { before: "/f".into(), path: "".into() }, ..remake(1) };
    let rows = Request { wish: Wish::Rows(Rows::default()), ..remake(1) };
    let answers = registrar.submit(&[face, rows]);
    assert!(matches!(&answers[0], Answer::Skipped(why) if why.contains("feature photo")), "{answers:?}");
    assert!(matches!(&answers[1], Answer::Skipped(why) if why.contains("--register sql")), "{answers:?}");
    assert_eq!(server.jobs(), []);
}

fn answering(server: &FakeImmich, path: &'static str, status: u16, kind: &'static str, body: &str) {
    server.trouble(Trouble::Answer { path, status, kind, body: body.to_owned() });
}

#[test]
fn what_goes_wrong_at_the_start_is_explained_without_the_key() {
    let server = server(Generation::New);
    let page = "<html><head><title>Sign in</title></head></html>";
    let cases: [(&str, u16, &'static str, String, &[&str]); 9] = [
        (
            "/server/version",
            200,
            "text/html",
            page.to_owned(),
            &["web page titled \"Sign in\"", "http://HOST:2283"],
        ),
        ("/server/version", 502, "text/html", "<h1>Bad Gateway</h1>".to_owned(), &["is Immich running?"]),
        ("/users/me", 403, "text/html", page.to_owned(), &["login of its own"]),
        (
            "/users/me",
            403,
            "application/json",
            r#"{"message":"Missing required permission: user.read"}"#.to_owned(),
            &["Missing required permission", "asset.update"],
        ),
        (
            "/users/me",
            500,
            "application/json",
            r#"{"message":"Internal server error"}"#.to_owned(),
            &["fails with 500", "log"],
        ),
        ("/users/me", 503, "application/json", "{}".to_owned(), &["starting, updating or down"]),
        (
            "/users/me",
            401,
            "application/json",
            format!(r#"{{"message":"Invalid API key {KEY}"}}"#),
            &["API Keys", "***"],
        ),
        ("/server/version", 200, "application/json", "{}".to_owned(), &["without a version"]),
        ("/server/version", 200, "application/json", "x".repeat(2 << 20), &["no answer of Immich's API"]),
    ];
    for (path, status, kind, body, words) in cases {
        let path: &'static str = if path == "/users/me" { "/users/me" } else { "/server/version" };
        answering(&server, path, status, kind, &body);
        let error = open(&server.address, KEY).unwrap_err();
        for word in words {
            assert!(error.contains(word), "{path} {status}: {word:?} is not in {error}");
        }
        assert!(error.contains("nothing was changed") && !error.contains(KEY), "{error}");
    }
    server.trouble(Trouble::None);
    let error = open(&server.address, "another-key").unwrap_err();
    assert!(error.contains("does not know the API key") && !error.contains("another-key"), "{error}");
    server.trouble(Trouble::Redirect("https://login.example.org/auth".to_owned()));
    let error = open(&server.address, KEY).unwrap_err();
    assert!(
        error.contains("https://login.example.org/auth") && error.contains("past the login page"),
        "{error}"
    );
    server.trouble(Trouble::Hangup);
    assert!(open(&server.address, KEY).is_err());
    let error = open("http://127.0.0.1:1", KEY).unwrap_err();
    assert!(error.contains("nothing listens") && error.contains("2283"), "{error}");
    let error = open("http://nowhere.invalid:2283", KEY).unwrap_err();
    assert!(error.contains("nowhere.invalid"), "{error}");
    let error = open(&server.address.replace("http://", "https://"), KEY).unwrap_err();
    assert!(error.contains("nothing was changed"), "{error}");
    assert_eq!(server.jobs(), []);
}

#[test]
fn trouble_in_the_middle_ends_asking_and_not_the_run() {
    for (status, words) in
        [(500, "fails with 500"), (503, "down"), (401, "does not know the API key"), (403, "permissions")]
    {
        let server = server(Generation::New);
        let mut registrar = open(&server.address, KEY).unwrap();
        answering(&server, "/assets/jobs", status, "application/json", "{}");
        let answers = registrar.submit(&[remake(1), remake(2)]);
        for answer in &answers {
            assert!(matches!(answer, Answer::Failed(why) if why.contains(words)), "{status}: {answers:?}");
        }
        let asked = server.jobs().len();
        let answers = registrar.submit(&[remake(3)]);
        assert!(
            matches!(&answers[0], Answer::Skipped(why) if why.contains("nothing more is asked")),
            "{answers:?}"
        );
        assert_eq!(server.jobs().len(), asked);
    }
}

#[test]
fn a_slow_server_is_waited_for() {
    let server = server(Generation::New);
    server.trouble(Trouble::Slow(Duration::from_millis(700)));
    let start = Instant::now();
    let mut registrar = open(&server.address, KEY).unwrap();
    assert!(registrar.submit(&[remake(1)]).iter().all(is_done));
    assert!(start.elapsed() > Duration::from_secs(2));
}
