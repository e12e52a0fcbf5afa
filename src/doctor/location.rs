//! Is this the media location that Immich wrote to, and does every path of the records lead somewhere here?

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::case::{Case, Reach};
use super::opinion::{Opinion, cannot_tell};
use crate::engine::inventory::check_imports;
use crate::immich::mounts::{GuardError, check_mounts};
use crate::immich::paths::Unmapped;
use crate::model::{MapEntry, display_path};
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Is this the folder that Immich writes to, and do the paths of the records lead here?",
    "Immich's folders, their .immich markers against those that the records know of, the path map",
    "nothing; with records it says more",
];

/// What was found.
struct Facts<'a> {
    media: PathBuf,
    found_by: &'a str,
    guards: Vec<GuardError>,
    /// Immich's folders that are there.
    folders: Vec<&'static str>,
    unmapped: Unmapped,
    map: Vec<MapEntry>,
    records: bool,
}

pub fn answer(case: &Case) -> Answer {
    let Some((media, found_by)) = &case.media else {
        return cannot_tell(
            "location",
            "neither --media nor --compose nor the server's container says where it is",
        );
    };
    if case.hangs(media) || case.places.iter().any(|place| place.reach == Reach::Hangs) {
        return cannot_tell("location", "a folder does not answer (see mounts)");
    }
    let location = case.records.media_location.as_deref();
    let mut guards = check_mounts(media, &case.map, location, &case.records.mount_flags, &|_| false);
    guards.extend(check_imports(&case.records, &case.map, &|_| false));
    let mut unmapped = Unmapped::default();
    let imports: Vec<Vec<u8>> = case
        .records
        .libraries
        .iter()
        .flat_map(|library| &library.import_paths)
        .map(|path| path.as_os_str().as_bytes().to_vec())
        .collect();
    for dir in case.records.index.dirs() {
        if !case.map.maps(dir.path.as_os_str().as_bytes()) {
            unmapped.add(dir.path.as_os_str().as_bytes(), false, &imports);
        }
    }
    let there = case.places.iter().filter(|place| place.reach == Reach::Open);
    judge(&Facts {
        media: media.clone(),
        found_by,
        guards,
        folders: there.filter_map(|place| place.folder).map(crate::immich::layout::Folder::as_str).collect(),
        unmapped,
        map: case.map.entries(),
        records: case.has_records(),
    })
}

fn judge(facts: &Facts<'_>) -> Answer {
    let mut opinion = Opinion::default();
    for guard in &facts.guards {
        if let GuardError::Empty { path } = guard {
            opinion.problem(
                format!("{}: the media location is empty", display_path(path)),
                "mount its disk there, or correct --media (UPLOAD_LOCATION in .env)",
            );
            continue;
        }
        let words = guard.to_string();
        // The first part says what is wrong, the rest what to do.
        match words.split_once("; ") {
            Some((what, remedy)) => opinion.problem(what, remedy),
            None => opinion.problem(words, "mount the right disk, or correct --media"),
        }
    }
    for (prefix, group) in facts.unmapped.groups() {
        let prefix = display_path(&prefix);
        opinion.problem(
            format!(
                "paths of the records below {prefix} lead nowhere here, for example the folder {}",
                display_path(&crate::immich::layout::path_of(&group.example))
            ),
            format!("say where they are on this host: --map {prefix}=FOLDER"),
        );
    }
    if facts.guards.is_empty() {
        opinion.saw(format!(
            "{} (from {}) holds {}",
            display_path(&facts.media),
            facts.found_by,
            words::list(&facts.folders.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        ));
        let map: Vec<String> = facts
            .map
            .iter()
            .map(|rule| format!("{} = {}", display_path(&rule.container), display_path(&rule.host)))
            .collect();
        if !map.is_empty() {
            opinion.saw(format!("path map {}", map.join(", ")));
        }
        if !facts.records {
            opinion.doubt("without records nothing says which markers and paths should be there");
        }
    }
    opinion.answer("location")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};
    use crate::immich::layout::Folder;

    fn facts(guards: Vec<GuardError>) -> Facts<'static> {
        Facts {
            media: "/srv/immich".into(),
            found_by: "--media",
            guards,
            folders: vec!["upload", "thumbs"],
            unmapped: Unmapped::default(),
            map: vec![MapEntry { container: "/data".into(), host: "/srv/immich".into(), guessed: true }],
            records: true,
        }
    }

    #[test]
    fn markers_and_unmapped_paths_are_told_with_their_remedies() {
        fine(&judge(&facts(Vec::new())), "holds upload and thumbs; path map /data = /srv/immich");
        let marker = "/srv/immich/thumbs/.immich".into();
        let answer =
            judge(&facts(vec![GuardError::MarkerMissing { folder: Folder::Thumbs, marker, reason: None }]));
        problem(&answer, "/srv/immich/thumbs/.immich", "mount the right disk at /srv/immich/thumbs");
        let answer = judge(&facts(vec![GuardError::Empty { path: "/srv/immich".into() }]));
        problem(&answer, "the media location is empty", "mount its disk there");
        let mut facts = facts(Vec::new());
        facts.unmapped.add(b"/films/1999", false, &[b"/films".to_vec()]);
        problem(&judge(&facts), "below /films lead nowhere", "--map /films=FOLDER");
    }
}
