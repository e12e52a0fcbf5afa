//! The newest complete dump among those that Immich makes every night.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::dump_name::time_in_name;
use super::{Records, dump};
use crate::model::display_path;

/// What was found in the folder of dumps.
#[derive(Debug, Default)]
pub struct NewestDump {
    /// The newest complete dump, read.
    pub records: Option<Records>,
    /// Its file.
    pub path: Option<PathBuf>,
    /// What was passed over, with the reason.
    pub skipped: Vec<String>,
}

/// Reads the newest complete dump in `<media>/backups`. Newest is what its name says, else its modification time.
pub fn find_newest_dump(media: &Path, progress: &mut dyn FnMut(u64)) -> NewestDump {
    let mut found = NewestDump::default();
    let folder = media.join("backups");
    let mut candidates = match candidates(&folder, &mut found.skipped) {
        Ok(candidates) => candidates,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return found,
        Err(error) => {
            found.skipped.push(format!("cannot look for dumps in {}: {error}", display_path(&folder)));
            return found;
        }
    };
    candidates.sort();
    while let Some((_, path)) = candidates.pop() {
        let shown = display_path(&path);
        match dump::load_file(&path, progress) {
            Ok(Records { incomplete: Some(incomplete), .. }) => {
                found.skipped.push(format!("skipped the dump {shown}: incomplete, {}", incomplete.reason));
            }
            Ok(records) => {
                found.records = Some(records);
                found.path = Some(path);
                break;
            }
            Err(error) => found.skipped.push(format!("skipped the dump {shown}: {error}")),
        }
    }
    found
}

fn candidates(
    folder: &Path,
    skipped: &mut Vec<String>,
) -> std::io::Result<Vec<(Option<Timestamp>, PathBuf)>> {
    let mut candidates = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|last| last == "tmp") {
            skipped.push(format!("skipped the dump {}: it was never finished", display_path(&path)));
        } else if is_dump_name(&name) && path.is_file() {
            let modified = || Timestamp::try_from(path.metadata().ok()?.modified().ok()?).ok();
            candidates.push((time_in_name(&path).or_else(modified), path));
        }
    }
    Ok(candidates)
}

/// Names in lower case, as Immich and everybody else writes them.
fn is_dump_name(name: &str) -> bool {
    [".sql", ".sql.gz"].iter().any(|ending| name.ends_with(ending))
}
