//! `repair --register` with the real program: rows and files before and after, dry runs, kills, and Immich's API.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use photofsck::immich::schema::Era;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::fake_immich::{FakeImmich, Generation, KEY};
use crate::library::{EraLibrary, id};
use crate::postgres::{gzip, password, pg_dump, runtime, server, sql};
use crate::rows::{Change, changes, everything};
use crate::run::{Run, Told};
use crate::{compose, originals, port};

const OWNERS: [&str; 2] = ["a0000000-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-000000000002"];
const NO_BACKUP: [&str; 3] = ["--register", "sql", "--yes-without-backup"];

fn tables(era: Era) -> (&'static str, &'static str) {
    if era == Era::E1 { ("assets", "asset_files") } else { ("asset", "asset_file") }
}

/// A library where asset 1 has lost both rows and files, and asset 8 the row of its preview.
fn library(server: &str, name: &str, era: Era) -> EraLibrary {
    let library = EraLibrary::new(server, name, era);
    let (_, file) = tables(era);
    sql(&library.url, &format!("DELETE FROM {file} WHERE \"assetId\" = '{}' AND type <> 'sidecar'", id(1)));
    for path in pictures(&library, 1) {
        fs::remove_file(path).unwrap();
    }
    library
}

/// The pictures of an asset that are on the disk.
fn pictures(library: &EraLibrary, n: u8) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(library.at("media/thumbs")).into_iter().filter_map(Result::ok);
    let files = walk.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    let mut files: Vec<_> =
        files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&id(n))).collect();
    files.sort();
    files
}

fn registered(told: &Told, status: &str) -> usize {
    told.repairs(status).iter().filter(|line| line.starts_with("register ")).count()
}

#[test]
fn rows_appear_for_exactly_the_files_that_had_none() {
    let Some(server) = server() else { return };
    for era in [Era::E1, Era::E2, Era::E3, Era::E4, Era::E5, Era::E6] {
        let library = library(&server, "rows", era);
        let run = Run::new(&library, &password(&server));
        let (asset, file) = tables(era);
        let files_before = originals(&library);
        let before = everything(&library.url);

        let planned = run.go("repair", &library.url, &["--register", "sql", "--dry-run"]);
        assert_eq!(everything(&library.url), before, "{era}: a dry run writes nothing");
        assert_eq!(pictures(&library, 1), Vec::<PathBuf>::new());
        let shown = planned.all_repairs().join("\n");
        for words in [format!("INSERT INTO public.{file}"), id(8), "_preview.jpeg".to_owned()] {
            assert!(shown.contains(&words), "{era}: {words} is not shown: {shown}");
        }
        let refused = run.go("repair", &library.url, &["--register", "sql"]);
        assert_eq!(refused.exit, 8, "{}", refused.text);
        assert!(refused.text.contains("--yes-without-backup"), "{}", refused.text);
        assert_eq!(everything(&library.url), before);

        let told = run.go("repair", &library.url, &NO_BACKUP);
        assert_eq!(registered(&told, "failed"), 0, "{}", told.text);
        assert_eq!(registered(&told, "done"), registered(&planned, "planned"), "{}", told.text);
        assert_eq!(originals(&library), files_before, "{era}: an original was changed");
        assert_eq!(pictures(&library, 1).len(), 2);
        let found = changes(&before, &everything(&library.url));
        // Rows of 1 and 8; thumbhashes of those and of what was broken in sight (3, 4, and 8's asset); the lost face.
        let new: Vec<_> = found.iter().filter(|change| change.is_new() && change.table == file).collect();
        assert_eq!(new.len(), 3, "{era}: {found:#?}");
        let prefix = if era == Era::E1 { "upload/thumbs/" } else { "/data/thumbs/" };
        let end = format!("{}_preview.jpeg", id(1));
        assert!(
            new.iter().any(|change| change.text().contains(&end) && change.text().contains(prefix)),
            "{new:#?}"
        );
        for change in &found {
            let fits = match change.table.as_str() {
                table if table == file => change.is_new(),
                table if table == asset => [1, 3, 4, 8].into_iter().any(|n| {
                    let columns = ["thumbhash", "updatedAt", "updateId"];
                    *change == Change::changed(asset, &id(n), columns)
                }),
                "asset_job_status" => [1, 8].into_iter().any(|n| change.text().contains(&id(n))),
                "person" => change.text().contains("thumbnailPath") && !change.is_new(),
                _ => false,
            };
            assert!(fits, "{era}: {change:?}");
        }

        let again = run.go("repair", &library.url, &[&NO_BACKUP[..], &["--max-age", "0"]].concat());
        let nothing = again.repairs("done");
        assert_eq!(nothing, Vec::<String>::new(), "{era}: the second run finds nothing to do");
        assert!(!again.codes().contains(&"preview.unregistered".to_owned()), "{:?}", again.codes());
    }
}

#[test]
fn without_a_database_and_without_a_known_schema_it_is_refused() {
    let Some(server) = server() else { return };
    let library = library(&server, "refusals", Era::E4);
    let run = Run::new(&library, &password(&server));
    let dump = library.at("dump.sql");
    fs::write(&dump, pg_dump(&library.url, &[])).unwrap();
    for db in [dump.to_str().unwrap(), "none"] {
        let output = run.command("repair", &NO_BACKUP).args(["--db", db]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(16), "{text}");
        assert!(text.contains("expected --db postgres://"), "{text}");
    }
    let told = run.go("repair", "auto", &NO_BACKUP);
    assert_eq!(told.exit, 16, "{}", told.text);
    assert!(told.text.contains("needs the live database"), "{}", told.text);

    let before = everything(&library.url);
    sql(&library.url, "ALTER TABLE asset ADD encrypted bool");
    let told = run.go("repair", &library.url, &NO_BACKUP);
    assert_eq!(told.exit, 8, "{}", told.text);
    assert!(told.text.contains("encrypted") && told.text.contains("nothing was changed"), "{}", told.text);
    assert_eq!(told.repairs("done"), Vec::<String>::new());
    sql(&library.url, "ALTER TABLE asset DROP encrypted");
    assert_eq!(everything(&library.url), before);

    let old = EraLibrary::new(&server, "refusals0", Era::E0);
    let told = Run::new(&old, &password(&server)).go("repair", &old.url, &NO_BACKUP);
    assert_eq!(told.exit, 8, "{}", told.text);
    assert!(told.text.contains("era E0"), "{}", told.text);
}

#[test]
fn a_recent_dump_and_an_address_from_compose_are_enough() {
    let Some(server) = server() else { return };
    let library = library(&server, "backed", Era::E5);
    let run = Run::new(&library, &password(&server));
    let folder = compose(&library, &server, port(&server));
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S");
    let name = format!("media/backups/immich-db-backup-{now}-v3.0.1-pg15.18.sql.gz");
    fs::write(library.at(&name), gzip(&pg_dump(&library.url, &[]))).unwrap();
    let options = ["--compose", folder.to_str().unwrap(), "--register", "sql"];
    let told = run.read(&run.command("repair", &options).output().unwrap());
    assert!(registered(&told, "done") >= 3, "{}", told.text);
    assert!(told.text.contains("a dump to go back to"), "{}", told.text);
}

/// Counts the rows that are written, and holds the session at the one whose number is in the database's setting; of new rows of
/// files once more when they are committed.
const HOLD: &str = "CREATE SCHEMA killing; CREATE SEQUENCE killing.rows; \
    CREATE FUNCTION killing.hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF nextval('killing.rows') = coalesce(nullif(current_setting('killing.row', true), ''), '0')::int THEN \
            PERFORM pg_sleep(25); END IF; RETURN NULL; END $$; \
    CREATE TRIGGER hold AFTER INSERT OR UPDATE ON asset FOR EACH ROW EXECUTE FUNCTION killing.hold(); \
    CREATE TRIGGER hold AFTER INSERT OR UPDATE ON asset_job_status FOR EACH ROW EXECUTE FUNCTION killing.hold(); \
    CREATE TRIGGER hold AFTER INSERT OR UPDATE ON person FOR EACH ROW EXECUTE FUNCTION killing.hold(); \
    CREATE TRIGGER hold AFTER INSERT OR UPDATE ON asset_file FOR EACH ROW EXECUTE FUNCTION killing.hold(); \
    CREATE CONSTRAINT TRIGGER hold_commit AFTER INSERT OR UPDATE ON asset_file DEFERRABLE INITIALLY DEFERRED \
        FOR EACH ROW EXECUTE FUNCTION killing.hold()";
/// Points at which a run is killed; the first and the last are among them.
const KILLS: i64 = 6;
/// A thumbhash of none of the pictures here.
const STRANGE: &str = "d507121d0467878f77578748878797875878909508";

/// One number out of a database.
async fn number(connection: &mut PgConnection, query: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_one(connection).await.unwrap()
}

/// Another library with the same files and rows.
fn copy(library: &EraLibrary, server: &str, name: &str) -> EraLibrary {
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-a").arg(library.at(".")).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let admin = format!("{server}/postgres");
    let from = library.url.rsplit_once('/').unwrap().1;
    sql(&admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    sql(&admin, &format!("CREATE DATABASE {name} TEMPLATE {from}"));
    EraLibrary { folder, url: format!("{server}/{name}") }
}

/// All rows without what is another with every run.
fn settled(url: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for (table, found) in everything(url) {
        for mut row in found.into_values() {
            row.retain(|column, _| !matches!(column.as_str(), "createdAt" | "updatedAt" | "updateId"));
            if table == "asset_file" {
                row.remove("id");
            }
            rows.push(format!("{table} {}", serde_json::Value::Object(row)));
        }
    }
    rows.sort();
    rows
}

/// Starts a repair, kills it where it writes its `point`th row, and has the server notice that.
fn killed_at(library: &EraLibrary, run: &Run<'_>, point: i64) {
    let name = library.url.rsplit_once('/').unwrap().1.to_owned();
    let here = format!("FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()");
    sql(&library.url, &format!("ALTER DATABASE {name} SET killing.row = '{point}'"));
    let mut command = run.command("repair", &NO_BACKUP);
    command.args(["--db", &library.url]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    runtime().block_on(async {
        let mut watching = PgConnection::connect(&library.url).await.unwrap();
        let end = Instant::now() + Duration::from_mins(4);
        while number(&mut watching, &format!("SELECT count(*) {here} AND wait_event = 'PgSleep'")).await == 0
        {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it wrote row {point}");
            assert!(Instant::now() < end, "it never came to row {point}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        number(&mut watching, &format!("SELECT count(pg_terminate_backend(pid)) {here}")).await;
        while number(&mut watching, &format!("SELECT count(*) {here}")).await > 0 {
            assert!(Instant::now() < end, "the session does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    sql(&library.url, &format!("ALTER DATABASE {name} RESET killing.row"));
}

#[test]
fn killed_at_any_row_nothing_is_lost_and_the_next_run_ends_clean() {
    let Some(server) = server() else { return };
    let library = library(&server, "killed", Era::E6);
    sql(&library.url, HOLD);
    // Of these the broken preview is in sight: its row stays as it is, and a kill leaves the old thumbhash beside the new file.
    let broken = format!("'{}', '{}'", id(3), id(4));
    sql(&library.url, &format!("UPDATE asset SET thumbhash = '\\x{STRANGE}' WHERE id IN ({broken})"));
    sql(&library.url, "ALTER SEQUENCE killing.rows RESTART");
    let before = everything(&library.url);

    let whole = copy(&library, &server, "unkilled");
    let told = Run::new(&whole, &password(&server)).go("repair", &whole.url, &NO_BACKUP);
    assert_eq!(registered(&told, "failed"), 0, "{}", told.text);
    let wanted = settled(&whole.url);
    assert!(!wanted.join("").contains(STRANGE));
    let written = runtime().block_on(async {
        let mut connection = PgConnection::connect(&whole.url).await.unwrap();
        number(&mut connection, "SELECT last_value FROM killing.rows").await
    });
    assert!(written >= KILLS, "only {written} rows");

    for kill in 0..KILLS {
        let point = 1 + kill * (written - 1) / (KILLS - 1);
        let library = copy(&library, &server, "killedthere");
        let files_before = originals(&library);
        let run = Run::new(&library, &password(&server));
        killed_at(&library, &run, point);
        assert_eq!(everything(&library.url), before, "row {point}: half a batch is in the database");
        assert_eq!(pictures(&library, 1).len(), 2, "row {point}: files come first");
        let told = run.go("repair", &library.url, &NO_BACKUP);
        assert_eq!(registered(&told, "failed"), 0, "row {point}: {}", told.text);
        assert_eq!(settled(&library.url), wanted, "row {point}");
        assert_eq!(originals(&library), files_before, "row {point}");
        let again = run.go("repair", &library.url, &[&NO_BACKUP[..], &["--max-age", "0"]].concat());
        assert_eq!(again.repairs("done"), Vec::<String>::new(), "row {point}");
    }
}

#[test]
fn a_locked_batch_is_told_and_what_was_made_is_registered_later() {
    let Some(server) = server() else { return };
    let library = library(&server, "lockedrun", Era::E5);
    let run = Run::new(&library, &password(&server));
    let before = everything(&library.url);
    let runtime = runtime();
    let mut other = runtime.block_on(PgConnection::connect(&library.url)).unwrap();
    let lock = format!("BEGIN; SELECT 1 FROM asset WHERE id = '{}' FOR UPDATE", id(1));
    runtime.block_on(other.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(lock)))).unwrap();
    let told = run.go("repair", &library.url, &NO_BACKUP);
    runtime.block_on(async {
        other.execute("ROLLBACK").await.unwrap();
        other.close().await.unwrap();
    });
    assert!(registered(&told, "failed") >= 3 && registered(&told, "done") == 0, "{}", told.text);
    assert!(told.text.contains("another session holds a lock"), "{}", told.text);
    assert_eq!(told.exit & 4, 4, "{}", told.text);
    assert_eq!(everything(&library.url), before);
    assert_eq!(pictures(&library, 1).len(), 2);
    let told = run.go("repair", &library.url, &NO_BACKUP);
    assert!(registered(&told, "done") >= 3, "{}", told.text);
}

#[test]
fn with_the_api_immich_is_asked_for_what_only_it_can_do() {
    let Some(server) = server() else { return };
    let library = library(&server, "asked", Era::E4);
    let run = Run::new(&library, KEY);
    let dump = library.at("dump.sql");
    fs::write(&dump, pg_dump(&library.url, &[])).unwrap();
    let before = everything(&library.url);
    let owners: Vec<_> = (1..=19).map(|n| (id(n), OWNERS[usize::from(n % 2)].to_owned())).collect();
    let immich = FakeImmich::start(Generation::New, OWNERS[1], &owners);
    let key = library.at("key");
    fs::write(&key, format!("{KEY}\n")).unwrap();
    let options =
        ["--register", "api", "--api-url", &immich.address, "--api-key-file", key.to_str().unwrap()];
    let planned = run.go("repair", dump.to_str().unwrap(), &[&options[..], &["--dry-run"]].concat());
    assert_eq!(immich.jobs(), []);
    assert!(planned.all_repairs().join("\n").contains("regenerate-thumbnail"), "{}", planned.text);
    let told = run.go("repair", dump.to_str().unwrap(), &options);
    let jobs: Vec<_> = immich.jobs().into_iter().map(|(_, name, ids)| (name, ids)).collect();
    assert_eq!(
        jobs,
        [("regenerate-thumbnail".to_owned(), vec![id(1)]), ("transcode-video".to_owned(), vec![id(13)])],
        "{}",
        told.text
    );
    let skipped: Vec<_> =
        told.all_repairs().into_iter().filter(|line| line.starts_with("skipped register")).collect();
    // Preview of 8, and the face that is not known.
    assert!(
        skipped.iter().any(|line| line.contains(&id(8)) && line.contains("a key of that user")),
        "{skipped:?}"
    );
    let done = told.repairs("done");
    assert!(
        done.iter().any(|line| line.contains(&id(14)) && line.contains("_edited")),
        "plain edits: {done:?}"
    );
    assert!(told.repairs("done").iter().any(|line| line.starts_with("regenerate ")), "rule 0 goes first");
    assert!(
        !told.repairs("done").iter().any(|line| line.starts_with("regenerate ") && line.contains(&id(1)))
    );
    assert_eq!(told.exit & 4, 4, "asked is not there yet");
    assert_eq!(everything(&library.url), before);

    let wrong = run
        .command("repair", &["--register", "api", "--api-url", &immich.address])
        .args(["--db", dump.to_str().unwrap()])
        .env("PHOTOFSCK_API_KEY", "wr0ng")
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&wrong.stdout), String::from_utf8_lossy(&wrong.stderr));
    assert_eq!(wrong.status.code(), Some(8), "{text}");
    assert!(text.contains("does not know the API key") && !text.contains("wr0ng"), "{text}");
}
