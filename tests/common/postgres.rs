//! A throw-away PostgreSQL server (`scripts/with-postgres`), the schemas of all eras, and PostgreSQL's own dump tools.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "tests")]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use photofsck::immich::schema::Era;
use sqlx::{Connection as _, Executor as _, PgConnection};

/// The server's address without a database, or nothing when there is no server.
pub fn server() -> Option<String> {
    let Ok(url) = std::env::var("PHOTOFSCK_TEST_PG") else {
        eprintln!("NOT RUN: no PostgreSQL here; use scripts/with-postgres (PHOTOFSCK_TEST_PG is not set)");
        return None;
    };
    Some(url.rsplit_once('/').unwrap().0.to_owned())
}

pub fn password(server: &str) -> String {
    server.split([':', '@']).nth(2).unwrap().to_owned()
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub fn sql(url: &str, text: &str) {
    runtime().block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned()))).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// A new database of an era, with these facts.
pub fn database(server: &str, name: &str, era: Era, facts: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/schemas");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    sql(&format!("{server}/postgres"), &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    sql(&format!("{server}/postgres"), &format!("CREATE DATABASE {name} TEMPLATE template0"));
    let url = format!("{server}/{name}");
    sql(&url, &read("facts.sql"));
    sql(&url, facts);
    sql(&url, &read(&format!("{}.sql", era.to_string().to_lowercase())));
    sql(&url, "DROP SCHEMA facts CASCADE");
    url
}

pub fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub fn pg_dump(url: &str, options: &[&str]) -> Vec<u8> {
    output(Command::new("pg_dump").args(options).arg(url))
}

/// All databases but those whose names fit one of `but`.
pub fn pg_dumpall(server: &str, but: &[&str]) -> Vec<u8> {
    // It connects to each database anew, and then knows the password from here only.
    let mut all = Command::new("pg_dumpall");
    all.env("PGPASSWORD", password(server)).args(["--clean", "--if-exists"]);
    all.args(but.iter().map(|pattern| format!("--exclude-database={pattern}")));
    output(all.args(["-d", &format!("{server}/postgres")]))
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
