//! Rows of every era before and after they are registered, in a real PostgreSQL: only what may change does, and what
//! was changed by somebody else, is locked or unknown is left alone.
//!
//! Needs a throw-away server whose address is in `PHOTOFSCK_TEST_PG`; `scripts/with-postgres` starts one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use photofsck::immich::records::{PostgresSource, RecordSource, Records};
use photofsck::immich::register::{
    Answer, Before, NewFile, Registrar as _, Request, Rows, SqlRegistrar, Wish,
};
use photofsck::immich::schema::Era;
use photofsck::model::{AssetId, Role};
use sqlx::{Connection as _, Executor as _, PgConnection};

#[path = "common/postgres.rs"]
mod postgres;
#[path = "common/rows.rs"]
mod rows;

use postgres::{database, password, runtime, server, sql};
use rows::{Change, changes, everything};

const ERAS: [Era; 6] = [Era::E1, Era::E2, Era::E3, Era::E4, Era::E5, Era::E6];
const HASH: [u8; 21] = [0x5a; 21];

/// A new database of an era with the facts that all eras share.
fn library(server: &str, name: &str, era: Era) -> String {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/schemas/rows.sql");
    database(server, name, era, &std::fs::read_to_string(rows).unwrap())
}

fn live(url: &str) -> Records {
    PostgresSource::new(url).unwrap().load(&mut |_| ()).unwrap()
}

fn id(number: u8) -> AssetId {
    format!("c{number}000000-0000-4000-8000-00000000000{number}").parse().unwrap()
}

fn tables(era: Era) -> (&'static str, &'static str) {
    if era == Era::E1 { ("assets", "asset_files") } else { ("asset", "asset_file") }
}

fn path(number: u8, role: Role) -> String {
    let ending = if role == Role::Thumbnail { "webp" } else { "jpeg" };
    format!("/data/thumbs/u/c{number}/00/{}_{role}.{ending}", id(number))
}

/// Rows for these files of an asset, as it is now.
fn request(records: &Records, number: u8, roles: &[Role], thumbhash: bool) -> Request {
    let asset = records.index.find_asset(id(number)).unwrap();
    let file = |role: &Role| NewFile {
        role: *role,
        edited: false,
        path: path(number, *role).into(),
        progressive: *role == Role::Preview,
        transparent: number == 1,
    };
    Request {
        id: id(number),
        owner: records.index.asset(asset).owner,
        wish: Wish::Rows(Rows {
            files: roles.iter().map(file).collect(),
            thumbhash: thumbhash.then(|| HASH.to_vec()),
            before: Before::of(&records.index, asset),
        }),
    }
}

const BOTH: [Role; 2] = [Role::Preview, Role::Thumbnail];

#[test]
fn only_the_allowed_columns_of_the_allowed_rows_change() {
    let Some(server) = server() else { return };
    for era in ERAS {
        let url = library(&server, "registered", era);
        let (asset, file) = tables(era);
        // 1 has neither row and no job state, 2 has no preview, 3 keeps its rows and gets a new thumbhash.
        sql(&url, &format!("DELETE FROM {file} WHERE \"assetId\" = '{}'", id(1)));
        sql(&url, &format!("DELETE FROM asset_job_status WHERE \"assetId\" = '{}'", id(1)));
        sql(&url, &format!("DELETE FROM {file} WHERE \"assetId\" = '{}' AND type = 'preview'", id(2)));
        let records = live(&url);
        let before = everything(&url);
        let mut registrar = SqlRegistrar::open(&url).unwrap();
        let batch = [
            request(&records, 1, &BOTH, true),
            request(&records, 2, &[Role::Preview], true),
            request(&records, 3, &[], true),
        ];
        let shown: Vec<String> = batch.iter().map(|request| registrar.show(request).unwrap()).collect();
        assert_eq!(everything(&url), before, "{era}: showing changes nothing");
        let answers = registrar.submit(&batch);
        assert_eq!(answers, vec![Answer::Done(String::new()); 3], "{era}");
        let after = everything(&url);

        let mut expected = Vec::new();
        for (number, role) in [(1, Role::Preview), (1, Role::Thumbnail), (2, Role::Preview)] {
            let mut facts = vec![
                ("assetId", format!("{:?}", id(number).to_string())),
                ("path", format!("{:?}", path(number, role))),
                ("type", format!("{:?}", role.as_str())),
            ];
            if era >= Era::E4 {
                facts.push(("isEdited", "false".to_owned()));
                facts.push(("isProgressive", (role == Role::Preview).to_string()));
            }
            if era >= Era::E5 {
                facts.push(("isTransparent", (number == 1).to_string()));
            }
            expected.push(Change::added(file, &facts));
        }
        let touched = ["updatedAt", "updateId"];
        for number in [1, 2, 3] {
            // The oldest fills in only; asset 1 has a thumbhash already.
            if era > Era::E1 || number != 1 {
                let columns = ["thumbhash"].into_iter().chain(touched);
                expected.push(Change::changed(asset, &id(number).to_string(), columns));
            }
        }
        match era {
            Era::E1 | Era::E2 => {
                expected.push(Change::added(
                    "asset_job_status",
                    &[("assetId", format!("{:?}", id(1).to_string()))],
                ));
                let columns = ["previewAt", "thumbnailAt"];
                expected.push(Change::changed("asset_job_status", &id(2).to_string(), columns));
            }
            Era::E0 | Era::E3 => {}
            Era::E4 | Era::E5 | Era::E6 => {
                expected.push(Change::added(
                    "asset_job_status",
                    &[("assetId", format!("{:?}", id(1).to_string()))],
                ));
            }
        }
        expected.sort();
        let found = changes(&before, &after);
        assert!(Change::all_fit(&expected, &found), "{era}: expected {expected:#?}\nfound {found:#?}");
        let found = live(&url);
        let one = found.index.asset(found.index.find_asset(id(1)).unwrap());
        assert_eq!(one.thumbhash == Some(&HASH[..]), era > Era::E1, "{era}");

        // The very statements that were shown do the same.
        let again = library(&server, "registered", era);
        sql(&again, &format!("DELETE FROM {file} WHERE \"assetId\" = '{}'", id(1)));
        sql(&again, &format!("DELETE FROM asset_job_status WHERE \"assetId\" = '{}'", id(1)));
        sql(&again, &format!("DELETE FROM {file} WHERE \"assetId\" = '{}' AND type = 'preview'", id(2)));
        let before = everything(&again);
        sql(&again, &shown.join("; "));
        let found = changes(&before, &everything(&again));
        assert!(
            Change::all_fit(&expected, &found),
            "{era}, as shown: expected {expected:#?}\nfound {found:#?}"
        );
        // And once more changes no path.
        sql(&again, &shown.join("; "));
        let found = changes(&before, &everything(&again));
        assert!(
            found.iter().all(|change| expected.iter().any(|known| known.is_about(change))),
            "{era}: {found:#?}"
        );
    }
}

#[test]
fn a_table_without_its_unique_constraint_gets_the_same_rows() {
    let Some(server) = server() else { return };
    let url = library(&server, "loose", Era::E5);
    sql(&url, "ALTER TABLE asset_file DROP CONSTRAINT \"asset_file_assetId_type_isEdited_uq\"");
    sql(&url, &format!("DELETE FROM asset_file WHERE \"assetId\" = '{}' AND type = 'preview'", id(2)));
    let records = live(&url);
    let before = everything(&url);
    let answers = SqlRegistrar::open(&url).unwrap().submit(&[request(&records, 2, &BOTH, false)]);
    assert_eq!(answers, [Answer::Done(String::new())]);
    let tables: Vec<(String, bool)> = changes(&before, &everything(&url))
        .iter()
        .map(|change| (change.table.clone(), change.is_new()))
        .collect();
    assert_eq!(tables, [("asset_file".to_owned(), true), ("asset_file".to_owned(), false)]);
}

#[test]
fn what_changed_since_the_scan_is_left_alone() {
    let Some(server) = server() else { return };
    let url = library(&server, "changed", Era::E5);
    let changes_of = [
        ("UPDATE asset SET thumbhash = '\\x01' WHERE id = '{}'", "thumbhash"),
        ("UPDATE asset SET \"originalPath\" = '/data/moved.jpg' WHERE id = '{}'", "moved"),
        (
            "UPDATE asset SET checksum = '\\x0909090909090909090909090909090909090909' WHERE id = '{}'",
            "checksum",
        ),
        ("UPDATE asset SET \"ownerId\" = gen_random_uuid() WHERE id = '{}'", "owner"),
        ("UPDATE asset SET \"deletedAt\" = now() WHERE id = '{}'", "trash"),
        ("UPDATE asset_file SET path = path || '.new' WHERE \"assetId\" = '{}' AND type = 'preview'", "rows"),
        ("DELETE FROM asset_file WHERE \"assetId\" = '{}' AND type = 'thumbnail'", "rows"),
        ("INSERT INTO asset_file (\"assetId\", type, path) VALUES ('{}', 'fullsize', '/x')", "rows"),
        ("DELETE FROM asset WHERE id = '{}'", "deleted"),
    ];
    for (change, words) in changes_of {
        let url2 = library(&server, "changed", Era::E5);
        assert_eq!(url, url2);
        let records = live(&url);
        let batch = [request(&records, 1, &BOTH, true), request(&records, 2, &BOTH, true)];
        let mut registrar = SqlRegistrar::open(&url).unwrap();
        sql(&url, &change.replace("{}", &id(1).to_string()));
        let before = everything(&url);
        let answers = registrar.submit(&batch);
        let Answer::Skipped(why) = &answers[0] else { panic!("{change}: {answers:?}") };
        assert!(why.contains(words) && why.contains("run repair again"), "{change}: {why}");
        assert_eq!(answers[1], Answer::Done(String::new()));
        let found = changes(&before, &everything(&url));
        let one = id(1).to_string();
        assert!(!found.is_empty() && found.iter().all(|change| !change.text().contains(&one)), "{found:#?}");
    }
}

#[test]
fn a_lock_of_another_session_fails_soon_and_changes_nothing() {
    let Some(server) = server() else { return };
    let url = library(&server, "locked", Era::E6);
    let records = live(&url);
    let batch = [request(&records, 1, &BOTH, true), request(&records, 2, &BOTH, true)];
    let mut registrar = SqlRegistrar::open(&url).unwrap();
    let before = everything(&url);
    for lock in [
        format!("BEGIN; SELECT 1 FROM asset WHERE id = '{}' FOR UPDATE", id(2)),
        "BEGIN; LOCK TABLE asset_file IN ACCESS EXCLUSIVE MODE".to_owned(),
    ] {
        let runtime = runtime();
        let mut other = runtime.block_on(PgConnection::connect(&url)).unwrap();
        runtime.block_on(other.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(lock)))).unwrap();
        let start = Instant::now();
        let answers = registrar.submit(&batch);
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        for answer in &answers {
            let Answer::Failed(why) = answer else { panic!("{answers:?}") };
            assert!(why.contains("another session holds a lock") && why.contains("unregistered"), "{why}");
        }
        runtime.block_on(async {
            other.execute("ROLLBACK").await.unwrap();
            other.close().await.unwrap();
        });
        assert_eq!(everything(&url), before);
    }
    assert_eq!(
        registrar.submit(&batch),
        vec![Answer::Done(String::new()); 2],
        "a lock is no reason to give up"
    );
}

#[test]
fn a_database_that_goes_away_is_told_once_and_not_tried_again() {
    let Some(server) = server() else { return };
    let url = library(&server, "leaving", Era::E5);
    let records = live(&url);
    let batch = [request(&records, 1, &BOTH, true)];
    // In the middle of a transaction: the server ends the session that waits for a lock.
    let mut registrar = SqlRegistrar::open(&url).unwrap();
    let before = everything(&url);
    let runtime = runtime();
    let mut other = runtime.block_on(PgConnection::connect(&url)).unwrap();
    runtime.block_on(other.execute("BEGIN; LOCK TABLE asset IN ACCESS EXCLUSIVE MODE")).unwrap();
    let killer = std::thread::spawn({
        let server = format!("{server}/postgres");
        move || {
            let kill = "DO $$ BEGIN FOR n IN 1..400 LOOP IF (SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                        WHERE datname = 'leaving' AND wait_event_type = 'Lock') > 0 THEN RETURN; END IF; \
                        PERFORM pg_sleep(0.02); PERFORM pg_stat_clear_snapshot(); END LOOP; RAISE 'nobody waited'; END $$";
            sql(&server, kill);
        }
    });
    let answers = registrar.submit(&batch);
    killer.join().unwrap();
    let Answer::Failed(why) = &answers[0] else { panic!("{answers:?}") };
    assert!(why.contains("lost the database") && why.contains("unregistered"), "{why}");
    runtime.block_on(async {
        other.execute("ROLLBACK").await.unwrap();
        other.close().await.unwrap();
    });
    assert_eq!(everything(&url), before);
    let answers = registrar.submit(&batch);
    assert!(
        matches!(&answers[0], Answer::Skipped(why) if why.contains("nothing more is registered")),
        "{answers:?}"
    );

    // Before a transaction: it is gone.
    let mut registrar = SqlRegistrar::open(&url).unwrap();
    sql(&format!("{server}/postgres"), "DROP DATABASE leaving WITH (FORCE)");
    let answers = registrar.submit(&batch);
    assert!(matches!(&answers[0], Answer::Failed(why) if why.contains("does not exist")), "{answers:?}");
}

#[test]
fn unknown_schemas_and_readers_are_refused_before_anything_is_written() {
    let Some(server) = server() else { return };
    let secret = password(&server);
    let url = library(&server, "stranger", Era::E4);
    for (change, back, words) in [
        (
            "ALTER TABLE asset ADD \"physicalOriginalFileId\" uuid",
            "ALTER TABLE asset DROP \"physicalOriginalFileId\"",
            "physicalOriginalFileId",
        ),
        (
            "CREATE SCHEMA immich_fork; CREATE TABLE immich_fork.t (id int)",
            "DROP SCHEMA immich_fork CASCADE",
            "immich_fork",
        ),
        ("ALTER TABLE asset_file ADD bucket text", "ALTER TABLE asset_file DROP bucket", "bucket"),
    ] {
        sql(&url, change);
        let error = SqlRegistrar::open(&url).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("nothing was changed"), "{error}");
        assert!(!error.contains(&secret));
        sql(&url, back);
    }
    // One that changes while the run goes on.
    let records = live(&url);
    let mut registrar = SqlRegistrar::open(&url).unwrap();
    sql(&url, "ALTER TABLE asset_file ADD \"isTransparent\" bool NOT NULL DEFAULT false");
    let before = everything(&url);
    let answers = registrar.submit(&[request(&records, 1, &BOTH, true)]);
    assert!(matches!(&answers[0], Answer::Failed(why) if why.contains("was Immich updated")), "{answers:?}");
    assert_eq!(everything(&url), before);

    let old = library(&server, "oldest", Era::E0);
    let error = SqlRegistrar::open(&old).unwrap_err().to_string();
    assert!(error.contains("era E0") && error.contains("update Immich"), "{error}");

    let host = server.split_once('@').unwrap().1;
    sql(
        &url,
        "DROP ROLE IF EXISTS onlooker; CREATE ROLE onlooker LOGIN PASSWORD 'onlooker-secret'; \
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker",
    );
    let reader = format!("postgres://onlooker:onlooker-secret@{host}/stranger");
    let error = SqlRegistrar::open(&reader).unwrap_err().to_string();
    assert!(error.contains("no UPDATE privilege") && !error.contains("-secret"), "{error}");
    sql(&url, "DROP OWNED BY onlooker; DROP ROLE onlooker");
}

#[test]
fn a_face_gets_an_empty_path_only_if_its_row_is_as_it_was() {
    let Some(server) = server() else { return };
    for era in ERAS {
        let url = library(&server, "faces", era);
        let records = live(&url);
        let face = records.index.files().find(|file| records.index.file(*file).role == Role::Person).unwrap();
        let before_path = records.index.record_path(face);
        let owner: AssetId = "a0000000-0000-4000-8000-000000000001".parse().unwrap();
        let person: AssetId = "d0000000-0000-4000-8000-000000000001".parse().unwrap();
        let ask = |before: &Path| Request {
            id: person,
            owner,
            wish: Wish::Face { before: before.to_owned(), path: "".into() },
        };
        let mut registrar = SqlRegistrar::open(&url).unwrap();
        let before = everything(&url);
        let answers = registrar.submit(&[ask(Path::new("/elsewhere.jpeg"))]);
        assert!(matches!(&answers[0], Answer::Skipped(why) if why.contains("changed")), "{answers:?}");
        assert_eq!(everything(&url), before);
        assert_eq!(registrar.submit(&[ask(&before_path)]), [Answer::Done(String::new())]);
        let found = changes(&before, &everything(&url));
        assert_eq!(found, [Change::changed("person", &person.to_string(), ["thumbnailPath"])], "{era}");
    }
}

#[test]
fn what_only_jobs_can_do_is_not_written() {
    let Some(server) = server() else { return };
    let url = library(&server, "jobs", Era::E5);
    let before = everything(&url);
    let mut registrar = SqlRegistrar::open(&url).unwrap();
    let owner = AssetId([1; 16]);
    let batch = [
        Request { id: id(6), owner, wish: Wish::Transcode },
        Request { id: id(8), owner, wish: Wish::Remake { row_lacks: false } },
    ];
    for answer in registrar.submit(&batch) {
        assert!(matches!(&answer, Answer::Skipped(why) if why.contains("--register api")), "{answer:?}");
    }
    assert_eq!(everything(&url), before);
}
