//! Is there a recent, complete dump of the database?

use std::fs;
use std::path::Path;

use jiff::{Span, Timestamp};

use super::case::{Case, PATIENCE, Reach};
use super::opinion::{Opinion, cannot_tell, shown};
use crate::engine::Cancel;
use crate::engine::ground::Ground;
use crate::immich::layout::Folder;
use crate::immich::records::{Files, recent_complete_dump};
use crate::model::display_path;
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Is there a complete dump of the database of the last two days?",
    "the dumps in backups/, read to their last line",
    "nothing",
];

pub fn answer(case: &Case) -> Answer {
    let Some(place) = case.places.iter().find(|place| place.folder == Some(Folder::Backups)) else {
        return cannot_tell("backups", "the media location is not known");
    };
    match &place.reach {
        Reach::Hangs => {
            return cannot_tell("backups", format!("{} does not answer (see mounts)", place.name()));
        }
        Reach::Closed(errno, why) if *errno != Some(libc::ENOENT) => {
            return cannot_tell("backups", format!("{}: {why}", place.name()));
        }
        _ => {}
    }
    look(&Ground::here(PATIENCE, &Cancel::new()), &place.path, case.now)
}

fn look(files: &dyn Files, folder: &Path, now: Timestamp) -> Answer {
    const REMEDY: &str = "Administration, Settings, Backup Settings: switch the nightly dump on; Administration, Jobs, Create \
                          job, Create Database Backup makes one now. A dump holds no pictures: back up upload and library too";
    let mut opinion = Opinion::default();
    let since = now.checked_sub(Span::new().hours(48)).unwrap_or(now);
    match recent_complete_dump(files, folder, since) {
        Ok(path) => {
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            opinion.saw(format!(
                "{} is complete, {}; it holds no pictures: upload and library have to be backed up beside it",
                display_path(&path),
                words::bytes(bytes)
            ));
        }
        Err(why) if why.is_empty() => {
            opinion.problem(format!("no dump is in {}", display_path(folder)), REMEDY);
        }
        Err(why) => opinion.problem(
            format!("no complete dump of the last two days: {}", shown(&why.join("; "), 500)),
            format!("{REMEDY}. If dumps stop half-way, see space and logs"),
        ),
    }
    opinion.answer("backups")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};
    use crate::immich::records::Direct;

    #[test]
    fn recent_old_and_cut_dumps() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let now = Timestamp::now();
        problem(&look(&Direct, folder.path(), now), "no dump is in", "Create Database Backup");
        problem(&look(&Direct, &folder.path().join("none"), now), "No such file", "Create Database Backup");
        let whole = "-- PostgreSQL database dump\nCOPY public.asset (id) FROM stdin;\n\\.\n-- PostgreSQL database dump complete\n";
        let path = folder.path().join("mine.sql");
        fs::write(&path, &whole[..60])?;
        problem(&look(&Direct, folder.path(), now), "is not a complete one", "half-way");
        fs::write(&path, whole)?;
        fine(&look(&Direct, folder.path(), now), "mine.sql is complete");
        let later = now.checked_add(Span::new().hours(100)).unwrap_or(now);
        problem(
            &look(&Direct, folder.path(), later),
            "the newest dump that is left",
            "Create Database Backup",
        );
        Ok(())
    }
}
