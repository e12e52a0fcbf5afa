//! Files that no record names, with a dump and with a running database.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::library::{self, Kind, Library, USER, insert, picture, upload};
use super::pictures::jpeg;
use super::postgres;

const OPTIONS: [&str; 3] = ["--quarantine", "@/q", "--quarantine-untracked"];

#[test]
fn only_what_nobody_needs_moves_and_undo_brings_it_back() {
    let mut library = Library::new(4);
    let lost = library.asset(2, &upload(2), &Kind::default());
    fs::remove_file(lost).unwrap();
    let elsewhere = library.asset(3, &upload(3), &Kind::default());
    let sidecars = library.asset(4, "library/anna/four.jpg", &Kind { pictures: false, ..Kind::default() });
    let hostile = OsStr::from_bytes(b"media/library/anna/a\n\tb\xff.jpg");
    let moves: Vec<PathBuf> = vec![
        library.put("media/library/anna/2019/old.jpg", b"an old upload"),
        library.put(hostile, b"with a name"),
        library.put(format!("media/{}", picture(99, "preview")), b"of an asset that is gone"),
        library.put(format!("media/{}", picture(1, "preview")).replace("_preview", "-preview"), b"old style"),
        library.put("media/library/anna/2019/old.jpg.xmp", b"its sidecar"),
    ];
    // The bytes of a lost original, found at another place.
    let claimed = library.media("library/anna/three.jpg");
    fs::rename(&elsewhere, &claimed).unwrap();
    let stays: Vec<(PathBuf, &str)> = vec![
        (claimed, "--relink"),
        (library.put("media/library/anna/.hidden.jpg", b"x"), "hidden"),
        (library.put("media/library/.trash/a.jpg", b"x"), "hidden"),
        (library.put("media/upload/u/b.jpg.tmp", b"x"), "temporary"),
        (library.put("media/notes.txt", b"x"), "in none of the folders"),
        (library.put("media/postgres/base/1", b"x"), "in none of the folders"),
        (library.put("media/profile/u/a.jpg", b"x"), "in none of the folders"),
        (sidecars.with_extension("jpg.xmp"), "sidecar"),
        (sidecars.with_extension("xmp"), "sidecar"),
        (
            library.put(format!("media/{}", picture(2, "preview")).replace("_preview", "-preview"), b"x"),
            "best copy",
        ),
    ];
    for (path, _) in &stays[7..9] {
        fs::write(path, b"x").unwrap();
    }
    let link = library.media("library/anna/link.jpg");
    symlink(library.put("elsewhere/x.jpg", &jpeg(1)), &link).unwrap();
    library.dump_now();
    let newer = library.put("media/library/anna/new.jpg", &jpeg(1));
    let mut in_use = library.media("library/anna/2019/in use.jpg");
    fs::rename(library.at("elsewhere/x.jpg"), library.at("elsewhere/y.jpg")).unwrap();
    fs::write(&mut in_use, b"x").unwrap();
    let before = library.tree();

    let dry = library.repair(&[&OPTIONS[..], &["--dry-run", "--allow-mass-missing"]].concat());
    assert_eq!(dry.count("quarantine planned"), moves.len(), "{}", dry.text);
    assert_eq!(library.tree(), before);
    let told = library.repair(&[&OPTIONS[..], &["--allow-mass-missing"]].concat());
    assert_eq!((told.exit, told.count("quarantine done")), (5, moves.len()), "{}", told.text);
    for path in &moves {
        assert!(!path.exists(), "{}", path.display());
        assert_eq!(told.repair_of(path).0, "quarantine done");
    }
    for (path, why) in &stays {
        assert!(path.exists(), "{}", path.display());
        let told = told.repair_of(path);
        assert!(told.0 == "quarantine skipped" && told.1.contains(why), "{}: {told:?}", path.display());
    }
    assert!(told.repair_of(&newer).1.contains("newer than the records"), "{}", told.text);
    assert!(newer.exists() && link.is_symlink());

    let undone = library.undo("q");
    assert_eq!((undone.exit, undone.count("undo done")), (1, moves.len()), "{}", undone.text);
    let mut after = library.tree();
    assert!(after.remove(&library.at("q/manifest.ndjson")).is_some());
    assert_eq!(after, before);
    assert_eq!(library.undo("q").exit, 0);
}

/// Lets the first connection through and asks `then` about later ones: the number of the connection, from 1.
fn proxy(server: String, then: impl Fn(usize) -> bool + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let number = AtomicUsize::new(0);
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let number = number.fetch_add(1, Ordering::Relaxed) + 1;
            if number > 1 && !then(number) {
                continue;
            }
            let mut upstream = TcpStream::connect(&server).unwrap();
            let (mut back, mut forth) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || pump(&mut back, &mut forth));
            std::thread::spawn(move || pump(&mut client, &mut upstream));
        }
    });
    port
}

fn pump(from: &mut TcpStream, to: &mut TcpStream) {
    let mut block = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut block) {
        if to.write_all(&block[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// A database with the records of a library, and its address through a proxy.
fn served(
    library: &Library,
    name: &str,
    then: impl Fn(&str, usize) -> bool + Send + Sync + 'static,
) -> Option<String> {
    let server = postgres::server()?;
    postgres::sql(&format!("{server}/postgres"), &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    postgres::sql(&format!("{server}/postgres"), &format!("CREATE DATABASE {name} TEMPLATE template0"));
    let url = format!("{server}/{name}");
    postgres::sql(&url, &library.sql());
    let (login, address) = server.rsplit_once('@').unwrap();
    let direct = url.clone();
    let port = proxy(address.to_owned(), move |number| then(&direct, number));
    Some(format!("{login}@127.0.0.1:{port}/{name}"))
}

#[test]
fn a_running_database_is_asked_again_before_anything_moves() {
    let library = Library::new(1);
    let old = library.put("media/library/anna/old.jpg", b"nobody's");
    let taken_in = library.put("media/library/anna/new.jpg", b"somebody's");
    library.dump_now();
    let row: Vec<String> = [
        "IMAGE",
        &library::id(9),
        USER,
        "/data/library/anna/new.jpg",
        "new.jpg",
        "\\x00",
        "sha1",
        "f",
        "hidden",
        "\\N",
    ]
    .map(str::to_owned)
    .to_vec();
    // The row comes between the first and the second reading.
    let statement = insert("asset", &row);
    let Some(url) = served(&library, "rescue_again", move |direct, number| {
        if number == 2 {
            postgres::sql(direct, &statement);
        }
        true
    }) else {
        return;
    };
    let told = library.repair(&[&OPTIONS[..], &["--db", &url]].concat());
    // What is in the files is no picture, which is told too.
    assert_eq!((told.exit, told.count("quarantine done")), (5, 1), "{}", told.text);
    assert!(!old.exists() && taken_in.exists(), "{}", told.text);
    assert!(told.repair_of(&taken_in).1.contains("a record names it by now"), "{}", told.text);
}

#[test]
fn a_database_that_goes_away_leaves_every_file_where_it_is() {
    let library = Library::new(1);
    let stray = library.put("media/library/anna/old.jpg", b"nobody's");
    library.dump_now();
    let Some(url) = served(&library, "rescue_gone", |_, _| false) else { return };
    let before = library.tree();
    let told = library.repair(&[&OPTIONS[..], &["--db", &url]].concat());
    assert_eq!(told.exit & !4, 8, "{}", told.text);
    assert!(told.text.contains("could not be read again"), "{}", told.text);
    assert!(stray.exists());
    assert_eq!(library.tree(), before);
}
