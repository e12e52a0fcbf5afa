//! Do the volumes of compose file, containers and records fit each other?

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::case::Case;
use super::docker::Mount;
use super::opinion::{Opinion, cannot_tell, quoted};
use crate::immich::layout::path_of;
use crate::immich::paths::{MapRule, PrefixCount};
use crate::model::display_path;
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Do the volumes of compose file and .env lead where the running container and the records say?",
    "docker-compose.yml, .env, the mounts of the server's container, the prefixes of the paths in the records",
    "--compose, or the socket of Docker or Podman",
];

/// What is held against each other.
#[derive(Debug, Default)]
struct Facts {
    /// Volumes of the compose file, and whether the folder is here.
    planned: Option<Vec<(MapRule, bool)>>,
    /// Mounts of the server's container.
    mounted: Option<Vec<Mount>>,
    /// Prefixes of the media location in the records, with how many files begin so.
    prefixes: Vec<(PathBuf, u64)>,
    /// Import paths of external libraries.
    imports: Vec<PathBuf>,
    /// The media location that Immich remembers.
    location: Option<PathBuf>,
}

pub fn answer(case: &Case) -> Answer {
    if let Some(Err(why)) = &case.compose {
        let mut opinion = Opinion::default();
        opinion.problem(why.clone(), "correct the compose file or name another folder with --compose");
        return opinion.answer("compose");
    }
    let server = case.server();
    if case.compose.is_none() && server.is_none() {
        return cannot_tell(
            "compose",
            "neither a compose folder (--compose) nor the server's container is known",
        );
    }
    let mut prefixes = PrefixCount::default();
    for dir in case.records.index.dirs() {
        prefixes.add(dir.path.as_os_str().as_bytes(), u64::from(dir.files));
    }
    let planned = case.known_compose().map(|compose| {
        let here = |rule: &MapRule| (rule.clone(), case.hangs(&rule.host) || rule.host.exists());
        compose.rules.iter().map(here).collect()
    });
    judge(&Facts {
        planned,
        mounted: server.map(|server| server.mounts.clone()),
        prefixes: prefixes.finish().into_iter().map(|(prefix, files)| (path_of(&prefix), files)).collect(),
        imports: case.records.libraries.iter().flat_map(|library| library.import_paths.clone()).collect(),
        location: case.records.media_location.clone(),
    })
}

fn judge(facts: &Facts) -> Answer {
    let mut opinion = Opinion::default();
    for (rule, here) in facts.planned.iter().flatten() {
        if !here {
            opinion.problem(
                format!("the volume {} leads to {}, which is not there", display_path(&rule.container), display_path(&rule.host)),
                format!(
                    "mount the disk of {}, or correct the volume or UPLOAD_LOCATION: Docker would make an empty folder there",
                    display_path(&rule.host)
                ),
            );
        }
    }
    if let (Some(planned), Some(mounted)) = (&facts.planned, &facts.mounted) {
        differences(planned, mounted, &mut opinion);
    }
    let seen: Vec<PathBuf> = match (&facts.mounted, &facts.planned) {
        (Some(mounted), _) => mounted.iter().map(|mount| mount.target.clone()).collect(),
        (None, Some(planned)) => planned.iter().map(|(rule, _)| rule.container.clone()).collect(),
        (None, None) => Vec::new(),
    };
    prefixes(facts, &seen, &mut opinion);
    if let (Some(mounted), Some(location)) = (&facts.mounted, &facts.location) {
        let holds = mounted.iter().filter(|mount| location.starts_with(&mount.target));
        if let Some(mount) = holds.max_by_key(|mount| mount.target.as_os_str().len())
            && !mount.writable
        {
            opinion.problem(
                format!("the container has {} read-only", display_path(&mount.target)),
                "take :ro off that volume in the compose file, then docker compose up -d",
            );
        }
    }
    if opinion.is_empty() {
        opinion.saw(format!("the server sees {}", list(&seen)));
    }
    opinion.answer("compose")
}

fn list(paths: &[PathBuf]) -> String {
    words::list(&paths.iter().map(|path| display_path(path)).collect::<Vec<_>>())
}

/// A container keeps the volumes that it was made with, whatever the file says since.
fn differences(planned: &[(MapRule, bool)], mounted: &[Mount], opinion: &mut Opinion) {
    let now: BTreeMap<&Path, &Path> =
        mounted.iter().map(|mount| (mount.target.as_path(), mount.source.as_path())).collect();
    for (rule, _) in planned {
        let why = match now.get(rule.container.as_path()) {
            Some(source) if same(source, &rule.host) => continue,
            Some(source) => format!("it has {} there", display_path(source)),
            None => "it has nothing there".to_owned(),
        };
        opinion.problem(
            format!(
                "the compose file puts {} at {}, the running container does not: {why}",
                display_path(&rule.host),
                display_path(&rule.container)
            ),
            "docker compose up -d makes the container anew with the volumes of the file",
        );
    }
}

/// Docker resolves links, the compose file does not.
fn same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Every path in the records has to begin with something that the server sees.
fn prefixes(facts: &Facts, seen: &[PathBuf], opinion: &mut Opinion) {
    let covered = |path: &Path| seen.iter().any(|target| path.starts_with(target));
    let above = |path: &Path| seen.iter().any(|target| target.starts_with(path));
    for (prefix, files) in &facts.prefixes {
        // Until v1.136 paths began with `upload`, below the server's working folder.
        let absolute =
            if prefix.is_absolute() { prefix.clone() } else { Path::new("/usr/src/app").join(prefix) };
        if covered(&absolute) || above(&absolute) {
            continue;
        }
        let to = facts.location.as_deref().unwrap_or(Path::new("/data"));
        opinion.problem(
            format!(
                "{} in the records begin with {}, and the server has nothing there (it sees {})",
                words::counted(*files, "path", "paths"),
                display_path(prefix),
                list(seen)
            ),
            format!(
                "back up the database, then let Immich rewrite them: docker exec -it immich_server immich-admin \
                 change-media-location, from {} to {}; or mount the folder there too",
                quoted(&absolute),
                quoted(to)
            ),
        );
    }
    for import in facts.imports.iter().filter(|import| !covered(import)) {
        opinion.problem(
            format!("the external library {} is not mounted in the server's container", display_path(import)),
            format!(
                "add a volume HOST:{}:ro to immich-server in the compose file, then docker compose up -d",
                quoted(import)
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{fine, problem};

    fn mount(source: &str, target: &str, writable: bool) -> Mount {
        Mount { source: source.into(), target: target.into(), writable }
    }

    fn facts() -> Facts {
        Facts {
            planned: Some(vec![(MapRule { container: "/data".into(), host: "/srv/photos".into() }, true)]),
            mounted: Some(vec![mount("/srv/photos", "/data", true), mount("/mnt/films", "/films", false)]),
            prefixes: vec![("/data".into(), 312)],
            imports: vec!["/films/old".into()],
            location: Some("/data".into()),
        }
    }

    #[test]
    fn what_fits_is_fine() {
        fine(&judge(&facts()), "/data and /films");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let answer = judge(&Facts { mounted: Some(vec![mount("/old", "/data", true)]), ..facts() });
        problem(&answer, "it has /old there", "docker compose up -d");
        problem(&answer, "the external library /films/old", "HOST:/films/old:ro");
        let answer = judge(&Facts { prefixes: vec![("upload".into(), 9), ("/data".into(), 3)], ..facts() });
        problem(&answer, "9 paths in the records begin with upload", "from /usr/src/app/upload to /data");
        let answer = judge(&Facts { mounted: Some(vec![mount("/srv/photos", "/data", false)]), ..facts() });
        problem(&answer, "read-only", ":ro");
        let rule = MapRule { container: "/data".into(), host: "/gone".into() };
        let answer = judge(&Facts { planned: Some(vec![(rule, false)]), mounted: None, ..facts() });
        problem(&answer, "leads to /gone, which is not there", "mount the disk of /gone");
    }
}
