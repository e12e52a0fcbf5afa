//! Where a damaged catalog goes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::CatalogError;

/// What follows the name of a database that was put aside. One is kept: they are large.
const ASIDE: &str = ".damaged";

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Moves a database and what belongs to it out of the way; answers where it is then.
pub(super) fn put_aside(path: &Path) -> Result<PathBuf, CatalogError> {
    let aside = beside(path, ASIDE);
    for ending in ["", "-wal", "-shm"] {
        let (from, to) = (beside(path, ending), beside(&aside, ending));
        let moved = match std::fs::rename(&from, &to) {
            // An older one would be taken for this one's.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::remove_file(&to).or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
            }
            other => other,
        };
        moved.map_err(|error| CatalogError::from_io(&from, &error))?;
    }
    Ok(aside)
}
