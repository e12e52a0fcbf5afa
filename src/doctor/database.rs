//! Does the database answer, has it the extensions, and have the migrations run to their end?

use super::case::Case;
use super::opinion::{Opinion, cannot_tell, shown};
use crate::engine::Db;
use crate::immich::vitals::{Vitals, vitals};
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Does the database answer, with the extension for vectors, and have the migrations run to their end?",
    "PostgreSQL's version and extensions, version_history, kysely_migrations, the layout of the tables",
    "--db postgres://... or a compose file whose database publishes a port",
];

/// Immich asks for 14; older ones are no longer maintained by PostgreSQL either.
const LEAST_VERSION: u32 = 140_000;

/// Any one of them: VectorChord, pgvector, and until v2 pgvecto.rs.
const VECTORS: [&str; 3] = ["vchord", "vector", "vectors"];

/// What is held against the database.
#[derive(Default)]
struct Beside {
    /// Version of the server's container, else of the running server.
    server: Option<String>,
    /// What does not fit Immich's tables.
    problems: Vec<String>,
}

pub fn answer(case: &Case) -> Answer {
    let Some(url) = &case.database else {
        let notes: Vec<&str> = case
            .known_compose()
            .into_iter()
            .flat_map(|compose| &compose.notes)
            .filter(|note| note.contains("database"))
            .map(String::as_str)
            .collect();
        let why = match &case.config.db {
            Db::File(_) | Db::Stdin => "--db names a dump",
            _ => "its address is not known: give --db postgres://USER:PASSWORD@HOST:PORT/immich",
        };
        return cannot_tell("database", if notes.is_empty() { why.to_owned() } else { notes.join("; ") });
    };
    let server = case.server().map(|server| server.version.clone()).filter(|version| !version.is_empty());
    let live = case.records.home == crate::immich::records::Home::Postgres;
    let problems = if live { case.records.schema.problems.clone() } else { Vec::new() };
    judge(
        vitals(url.expose()).map_err(|error| error.to_string()),
        &Beside { server, problems },
        case.refused.as_deref(),
    )
}

fn judge(told: Result<Vitals, String>, beside: &Beside, refused: Option<&str>) -> Answer {
    let mut opinion = Opinion::default();
    let vitals = match told {
        Ok(vitals) => vitals,
        Err(why) => {
            let (what, remedy) = why.rsplit_once("; ").unwrap_or((&why, "check that it runs"));
            opinion.problem(
                what,
                format!(
                    "{remedy}; is the container of the database up (docker compose ps; docker logs immich_postgres), and is \
                     its port published?"
                ),
            );
            return opinion.answer("database");
        }
    };
    if let Some(why) = refused {
        opinion.problem(why, "what it says is what stops Immich too: see logs, or restore the newest dump");
    }
    if vitals.number > 0 && vitals.number < LEAST_VERSION {
        opinion.problem(
            format!("PostgreSQL {} is older than the 14 that Immich asks for", shown(&vitals.version, 40)),
            "dump, take the database image of Immich's own compose file with a new folder, restore the dump there",
        );
    }
    if vitals.read_only {
        opinion.problem(
            "the database recovers or follows another one, and takes no writes",
            "wait for its recovery to end (docker logs immich_postgres), or connect Immich to the one that it follows",
        );
    }
    extensions(&vitals, &mut opinion);
    migrations(&vitals, beside, &mut opinion);
    for problem in &beside.problems {
        opinion.problem(
            format!("its tables are not laid out as any known Immich has them: {}", shown(problem, 200)),
            "run one unchanged version of Immich against it; a fork may be meant, and then all is well",
        );
    }
    opinion.saw(format!(
        "PostgreSQL {} at {}, {}",
        shown(&vitals.version, 40),
        vitals.address,
        words::bytes(vitals.bytes)
    ));
    opinion.answer("database")
}

fn extensions(vitals: &Vitals, opinion: &mut Opinion) {
    for (what, instead) in &vitals.unavailable {
        let instead = if instead.is_empty() { "none".to_owned() } else { shown(instead, 20) };
        opinion.problem(
            format!("the extension {} is in the database and its files are not in the server, which has {instead}", shown(what, 40)),
            "use a database image with that version, or a newer one and ALTER EXTENSION ... UPDATE",
        );
    }
    let found: Vec<String> = vitals
        .extensions
        .iter()
        .filter(|(name, _)| VECTORS.contains(&name.as_str()))
        .map(|(name, version)| format!("{} {}", shown(name, 20), shown(version, 20)))
        .collect();
    if found.is_empty() {
        opinion.problem(
            "none of the extensions vchord, vector and vectors is in the database: Immich does not start without",
            "use the database image of Immich's own compose file; a plain PostgreSQL will not do",
        );
    } else {
        opinion.saw(words::list(&found));
    }
}

fn migrations(vitals: &Vitals, beside: &Beside, opinion: &mut Opinion) {
    match &vitals.migrations {
        Some((count, last)) => {
            opinion.saw(format!("{count} migrations, the last {}", shown(last, 80)));
        }
        None => opinion.doubt(
            "there is no table kysely_migrations: Immich is older than v1.132, or has never started here",
        ),
    }
    let Some((version, at)) = vitals.history.first() else {
        opinion.doubt("no version of Immich is noted in version_history");
        return;
    };
    opinion.saw(format!("Immich {} started last, at {at}", shown(version, 20)));
    let newest = vitals.history.iter().filter_map(|(version, _)| numbers(version)).max();
    if let (Some(newest), Some(now)) = (newest, numbers(version))
        && now < newest
    {
        opinion.problem(
            format!("Immich {} started after a newer one: it was put back", shown(version, 20)),
            "Immich cannot go back: run the newest version that has started here, or restore a dump from before",
        );
    }
    if let Some(server) = &beside.server
        && let (Some(server_is), Some(database_is)) = (numbers(server), numbers(version))
        && server_is != database_is
    {
        opinion.problem(
            format!(
                "the server's image is {} and the database was last used by {}: its migrations have not run to their end",
                shown(server, 20),
                shown(version, 20)
            ),
            "look for the migration's error in the server's log (see logs), then docker compose up -d",
        );
    }
}

/// `2.3.1` as numbers.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.trim_start_matches('v').splitn(3, '.');
    let mut next = || parts.next()?.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some([next()?, next()?, next().unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};

    fn sound() -> Vitals {
        Vitals {
            address: "postgres://immich@localhost:5432/immich".to_owned(),
            version: "14.10".to_owned(),
            number: 140_010,
            extensions: vec![("vchord".to_owned(), "0.4.3".to_owned())],
            migrations: Some((42, "1773242919341-Last".to_owned())),
            history: vec![("2.3.1".to_owned(), "2026-01-01T00:00:00Z".to_owned())],
            bytes: 1 << 30,
            ..Vitals::default()
        }
    }

    fn told(vitals: Vitals) -> Answer {
        judge(Ok(vitals), &Beside { server: Some("2.3.1".to_owned()), problems: Vec::new() }, None)
    }

    #[test]
    fn a_sound_database() {
        fine(
            &told(sound()),
            "vchord 0.4.3; 42 migrations, the last 1773242919341-Last; Immich 2.3.1 started last",
        );
    }

    #[test]
    fn each_trouble_has_its_remedy() {
        problem(&told(Vitals { number: 120_000, ..sound() }), "older than the 14", "restore the dump");
        problem(
            &told(Vitals { extensions: Vec::new(), ..sound() }),
            "none of the extensions",
            "database image",
        );
        let unavailable = vec![("vchord 0.4.2".to_owned(), "0.4.1".to_owned())];
        problem(&told(Vitals { unavailable, ..sound() }), "vchord 0.4.2 is in the database", "a newer one");
        problem(&told(Vitals { read_only: true, ..sound() }), "takes no writes", "recovery");
        let at = |version: &str| (version.to_owned(), "2026-01-01T00:00:00Z".to_owned());
        let back = vec![at("2.3.1"), at("2.4.0")];
        problem(&told(Vitals { history: back, ..sound() }), "started after a newer one", "cannot go back");
        let before = vec![at("v2.2.0")];
        problem(&told(Vitals { history: before, ..sound() }), "migrations have not run", "server's log");
        let dead =
            "cannot connect to the database at postgres://x@y:1/z: refused; check that it runs".to_owned();
        problem(
            &judge(Err(dead), &Beside::default(), None),
            "refused",
            "check that it runs; is the container",
        );
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("1.100.0") > numbers("1.99.3"));
        assert_eq!(numbers("v2.3"), Some([2, 3, 0]));
        assert_eq!(numbers("release"), None);
    }
}
