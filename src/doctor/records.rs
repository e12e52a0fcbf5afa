//! Where do the records come from, how old are they, and what in them is unfinished?

use super::case::Case;
use super::opinion::{Opinion, cannot_tell, shown};
use crate::engine::Db;
use crate::model::display_path;
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Are the records whole and fresh, and did Immich leave moves of files unfinished?",
    "the home of the records, their age, whether a dump is whole, and move_history",
    "a database or a dump",
];

/// An older dump no longer tells what should be there.
const OLD_SECONDS: i64 = 2 * 86_400;

pub fn answer(case: &Case) -> Answer {
    let mut opinion = Opinion::default();
    if !case.has_records() {
        if matches!(case.config.db, Db::None) {
            return cannot_tell("records", "--db none asks for none");
        }
        let why = case.refused.clone().unwrap_or_else(|| case.notes.join("; "));
        opinion.problem(
            format!("there are none: {}", shown(&why, 400)),
            "give the database with --db postgres://..., or a dump with --db FILE",
        );
        return opinion.answer("records");
    }
    let records = &case.records;
    if let Some(incomplete) = &records.incomplete {
        opinion.problem(
            format!("they are incomplete: {}", shown(&incomplete.reason, 200)),
            "name a complete dump, or the database",
        );
    }
    if !records.moves.is_empty() {
        let example = records.moves.first().map(|one| display_path(&one.new_path)).unwrap_or_default();
        opinion.problem(
            format!(
                "Immich left {} unfinished, for example to {example}: each file may be at either path",
                words::counted(records.moves.len() as u64, "move of a file", "moves of files")
            ),
            "Administration, Jobs, Storage Template Migration goes on with them; photofsck repair --relink finds files that are \
             at the other path",
        );
    }
    let age = records.as_of.map(|moment| case.now.duration_since(moment).as_secs());
    let old = age.is_some_and(|seconds| seconds > OLD_SECONDS);
    opinion.saw(format!(
        "{} assets from {}{}, schema {}, of {}{}",
        words::count(records.info.assets),
        records.info.source,
        records.as_of.map(|moment| format!(" as of {moment:.0}")).unwrap_or_default(),
        records.info.era,
        records
            .server_version
            .as_deref()
            .map_or_else(|| "an unknown version".to_owned(), |version| shown(version, 20)),
        if old { "; what came or went since is not in them" } else { "" }
    ));
    if let Some(why) = &case.refused {
        let why = if case.database.is_some() { "see database".to_owned() } else { shown(why, 300) };
        opinion.saw(format!("taken because the records that were asked for cannot be had ({why})"));
    }
    opinion.answer("records")
}
