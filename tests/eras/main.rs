//! Libraries of every era of Immich through the real program: files on disk, records in a real PostgreSQL and in
//! the dumps of its own tools.
//!
//! Needs a throw-away server whose address is in `PHOTOFSCK_TEST_PG`; `scripts/with-postgres` starts one. Makes one
//! video with the program `ffmpeg`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../common/fake_immich.rs"]
mod fake_immich;
mod library;
mod pictures;
#[path = "../common/postgres.rs"]
mod postgres;
mod register;
#[path = "../common/rows.rs"]
mod rows;
mod run;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use photofsck::immich::schema::Era;
use sqlx::{Connection as _, Executor as _, PgConnection};

use library::EraLibrary;
use postgres::{gzip, password, pg_dump, pg_dumpall, runtime, server, sql};
use run::{Run, Told};

/// Hashes of everything that no repair may touch.
fn originals(library: &EraLibrary) -> BTreeMap<PathBuf, blake3::Hash> {
    let mut found = BTreeMap::new();
    for folder in ["media/upload", "media/library", "media/encoded-video", "media/profile", "external"] {
        for entry in walkdir::WalkDir::new(library.at(folder)) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                found.insert(entry.path().to_owned(), blake3::hash(&fs::read(entry.path()).unwrap()));
            }
        }
    }
    assert!(found.len() >= 20, "only {} originals", found.len());
    found
}

/// What every home of the same records makes of the same library, then what repair makes of it.
fn golden(era: Era) {
    let Some(server) = server() else { return };
    let name = era.to_string().to_lowercase();
    let library = EraLibrary::new(&server, &name, era);
    let run = Run::new(&library, &password(&server));

    let live = run.go("check", &library.url, &[]);
    let plain = pg_dump(&library.url, &["--clean", "--if-exists"]);
    let but = format!("e[^{}]*", &name[1..]);
    let cluster = pg_dumpall(&server, &["[^e]*", &but]);
    for (file, bytes) in
        [("plain.sql", &plain), ("plain.sql.gz", &gzip(&plain)), ("cluster.sql.gz", &gzip(&cluster))]
    {
        let path = library.at(file);
        fs::write(&path, bytes).unwrap();
        let told = run.go("check", path.to_str().unwrap(), &["--max-age", "0"]);
        assert_eq!(told.findings(), live.findings(), "{file}");
        assert_eq!((told.exit, told.verdicts()), (live.exit, live.verdicts()), "{file}");
    }

    let before = originals(&library);
    let planned = run.go("repair", &library.url, &["--dry-run"]);
    let repaired = run.go("repair", &library.url, &[]);
    assert_eq!(planned.repairs("planned"), repaired.repairs("done"));
    assert_eq!(originals(&library), before, "an original was changed");
    let again = run.go("repair", &library.url, &["--max-age", "0"]);
    assert_eq!(originals(&library), before, "an original was changed");
    assert_eq!(again.repairs("done"), Vec::<String>::new());

    let mut told = format!("check: exit {}, {}\n{}\n", live.exit, live.verdicts(), live.head());
    let _ = writeln!(told, "\nfindings:\n{}", live.findings().join("\n"));
    let _ = writeln!(told, "\nrepair: exit {}\n{}", repaired.exit, repaired.all_repairs().join("\n"));
    let _ = writeln!(told, "\nleft: exit {}\n{}", again.exit, again.codes().join("\n"));
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, told);
    });
}

#[test]
fn era_0_with_paths_in_the_rows_of_assets() {
    golden(Era::E0);
}

#[test]
fn era_1_with_relative_paths() {
    golden(Era::E1);
}

#[test]
fn era_2_with_two_prefixes() {
    golden(Era::E2);
}

#[test]
fn era_3_with_sidecars_as_files() {
    golden(Era::E3);
}

#[test]
fn era_4_with_edits() {
    golden(Era::E4);
}

#[test]
fn era_5_without_devices() {
    golden(Era::E5);
}

#[test]
fn era_6_with_persons_in_groups() {
    golden(Era::E6);
}

/// A compose folder of this library whose database listens at `port`.
fn compose(library: &EraLibrary, server: &str, port: &str) -> PathBuf {
    let folder = library.at("compose");
    fs::create_dir_all(&folder).unwrap();
    let database = library.url.rsplit_once('/').unwrap().1;
    fs::write(
        folder.join("docker-compose.yml"),
        format!(
            "services:\n  immich-server:\n    image: ghcr.io/immich-app/immich-server:v3\n    \
             volumes: [\"${{UPLOAD_LOCATION}}:/data\", \"../external:/mnt/nas:ro\"]\n    env_file: [.env]\n  \
             database:\n    image: ghcr.io/immich-app/postgres:14\n    ports: [\"127.0.0.1:{port}:5432\"]\n"
        ),
    )
    .unwrap();
    fs::write(
        folder.join(".env"),
        format!(
            "UPLOAD_LOCATION=../media\nDB_USERNAME=photofsck\nDB_PASSWORD={}\nDB_DATABASE_NAME={database}\n",
            password(server)
        ),
    )
    .unwrap();
    folder
}

fn port(server: &str) -> &str {
    server.rsplit_once(':').unwrap().1
}

#[test]
fn auto_takes_the_database_and_without_it_the_newest_complete_dump() {
    let Some(server) = server() else { return };
    let library = EraLibrary::new(&server, "auto", Era::E5);
    let run = Run::new(&library, &password(&server));
    let backup = |name: &str| library.at("media/backups").join(name);
    let dump = gzip(&pg_dump(&library.url, &[]));
    fs::write(backup("immich-db-backup-20260601T020000-v3.0.1-pg15.18.sql.gz"), &dump).unwrap();
    fs::write(backup("immich-db-backup-20260602T020000-v3.0.1-pg15.18.sql.gz"), &dump[..dump.len() / 2])
        .unwrap();

    let folder = compose(&library, &server, port(&server));
    let told = run.check(&["--quick", "--compose", folder.to_str().unwrap()]);
    assert_eq!(told.exit, 4, "{}", told.text);
    assert!(told.source().starts_with("postgres://"), "{}", told.source());
    assert_eq!(told.run()["map"].as_array().unwrap().len(), 2, "{}", told.run());

    let folder = compose(&library, &server, "1");
    let told = run.check(&["--quick", "--compose", folder.to_str().unwrap()]);
    assert_eq!(told.exit, 4, "{}", told.text);
    assert!(told.source().contains("20260601T020000"), "{}", told.source());
    for words in ["cannot connect", "20260602T020000", "took the newest complete dump"] {
        assert!(told.text.contains(words), "{words}: {}", told.text);
    }
}

#[test]
fn what_cannot_be_read_ends_the_run_before_anything_is_said_of_files() {
    let Some(server) = server() else { return };
    let library = EraLibrary::new(&server, "unread", Era::E4);
    let secret = password(&server);
    let run = Run::new(&library, &secret);
    let host = server.split_once('@').unwrap().1;
    let address = host.rsplit_once(':').unwrap().0;
    let file = |name: &str, bytes: &[u8]| {
        fs::write(library.at(name), bytes).unwrap();
        library.at(name).to_str().unwrap().to_owned()
    };
    let dump = pg_dump(&library.url, &[]);
    let custom = file("custom.dump", &pg_dump(&library.url, &["--format=custom"]));
    let cut = file("cut.sql", &dump[..dump.len() * 2 / 3]);
    let packed = gzip(&dump);
    let cases = [
        (format!("postgres://photofsck:{secret}@{address}:1/unread"), "cannot connect", false),
        (format!("postgres://photofsck:wrong@{host}/unread"), "refuses the login", false),
        (format!("postgres://photofsck:{secret}@{host}/nowhere"), "refuses the login", false),
        (format!("postgres://photofsck:{secret}@{host}/postgres"), "is not an Immich database", false),
        (custom, "pg_restore -f out.sql", false),
        (cut, "is incomplete", true),
        (file("cut.sql.gz", &packed[..packed.len() * 2 / 3]), "is incomplete", true),
        (library.at("nothing.sql").to_str().unwrap().to_owned(), "nothing.sql", false),
    ];
    for (db, words, incomplete) in cases {
        for command in ["check", "repair"] {
            let told = run.go(command, &db, &[]);
            assert_eq!(told.exit, 8, "{words}: {}", told.text);
            assert!(told.text.contains(words), "{words}: {}", told.text);
            let expected = if incomplete { vec!["records.incomplete"] } else { Vec::new() };
            assert_eq!(told.codes(), expected, "{words}: {}", told.text);
        }
    }
}

/// Starts a check that has to wait for a locked table, and calls `then` while it waits.
fn waiting(library: &EraLibrary, run: &Run<'_>, then: impl AsyncFnOnce(&mut PgConnection, u32)) -> Told {
    let database = library.url.rsplit_once('/').unwrap().1;
    let mut child = None;
    runtime().block_on(async {
        let mut locking = PgConnection::connect(&library.url).await.unwrap();
        // What a transaction sees of the others stays as it was at first, so another connection looks at them.
        let mut connection = PgConnection::connect(&library.url).await.unwrap();
        locking.execute("BEGIN; LOCK TABLE person IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let mut command = run.command("check", &["--db", &library.url]);
        let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = started.id();
        child = Some(started);
        let query = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'"
        );
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query.clone()))
                .fetch_one(&mut connection)
                .await
                .unwrap();
            if count > 0 {
                break;
            }
            assert!(Instant::now() < end, "the check never came to the locked table");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        then(&mut connection, pid).await;
    });
    run.read(&child.unwrap().wait_with_output().unwrap())
}

#[test]
fn a_database_that_goes_away_in_the_middle_is_read_again() {
    let Some(server) = server() else { return };
    let library = EraLibrary::new(&server, "away", Era::E5);
    let run = Run::new(&library, &password(&server));
    let told = waiting(&library, &run, async |connection, _| {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'away' AND wait_event_type = 'Lock'";
        connection.execute(kill).await.unwrap();
    });
    assert_eq!(told.exit, 4, "{}", told.text);
    let notes = told.run()["notes"].to_string();
    assert!(notes.contains("the records were asked for again: lost the database at"), "{notes}");
    assert!(notes.contains("reading asset_face"), "{notes}");
    let undisturbed = run.go("check", &library.url, &["--max-age", "0"]);
    assert_eq!(told.findings(), undisturbed.findings());
}

#[test]
fn a_schema_of_a_fork_is_read_as_far_as_it_goes() {
    let Some(server) = server() else { return };
    let library = EraLibrary::new(&server, "forked", Era::E4);
    let run = Run::new(&library, &password(&server));
    let upstream = run.go("check", &library.url, &[]);
    sql(&library.url, "ALTER TABLE asset ADD \"physicalOriginalFileId\" uuid");
    let fork = run.go("check", &library.url, &["--max-age", "0"]);
    assert_eq!(fork.findings(), upstream.findings());
    assert_eq!(fork.run()["records"]["era"], "unknown");
    assert!(fork.text.contains("physicalOriginalFileId"), "{}", fork.text);
    // Files at the paths that rows name can be made again whatever else the fork does.
    let repaired = run.go("repair", &library.url, &["--dry-run"]);
    assert!(!repaired.repairs("planned").is_empty(), "{}", repaired.text);

    sql(&library.url, "ALTER TABLE asset RENAME COLUMN \"originalPath\" TO \"storageKey\"");
    let told = run.go("check", &library.url, &[]);
    assert_eq!(told.exit, 8, "{}", told.text);
    assert!(told.text.contains("originalPath"), "{}", told.text);
}

#[test]
fn paths_that_lead_nowhere_are_named_with_the_rule_that_is_lacking() {
    let Some(server) = server() else { return };
    let library = EraLibrary::new(&server, "unmapped", Era::E5);
    let run = Run::new(&library, &password(&server));
    let media = library.at("media");
    let told = run.check(&["--quick", "--db", &library.url, "--media", media.to_str().unwrap()]);
    assert_eq!(told.exit, 4, "{}", told.text);
    assert!(told.codes().contains(&"path.unmapped".to_owned()), "{}", told.text);
    assert!(told.text.contains("--map /mnt/nas="), "{}", told.text);
    assert!(told.text.contains("its original cannot be reached here"), "{}", told.text);
}
