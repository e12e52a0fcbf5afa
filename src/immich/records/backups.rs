//! The newest complete dump among those that Immich makes every night.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
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

/// A dump is recent for so long: Immich makes one every night, and one may be missed.
const RECENT_HOURS: i64 = 48;

/// The newest dump in this folder, if it is complete and recent enough to go back to; `folder` is Immich's `backups`.
///
/// # Errors
/// Why there is none.
pub fn recent_dump(folder: &Path, now: Timestamp) -> Result<PathBuf, String> {
    let shown = display_path(folder);
    let mut unfinished = Vec::new();
    let mut candidates =
        candidates(folder, &mut unfinished).map_err(|error| format!("cannot look into {shown}: {error}"))?;
    candidates.sort();
    let mut incomplete = Vec::new();
    while let Some((time, path)) = candidates.pop() {
        let age = time.map(|time| now.as_second().saturating_sub(time.as_second()) / 3600);
        let Some(age) = age.filter(|age| *age <= RECENT_HOURS) else {
            let age = age.map_or_else(|| "of an unknown age".to_owned(), |age| format!("{age} hours old"));
            let shown = display_path(&path);
            incomplete.push(format!("{shown} is {age}, expected at most {RECENT_HOURS} hours"));
            break;
        };
        let shown = display_path(&path);
        match ends_as_it_should(&path) {
            Ok(true) => return Ok(path),
            Ok(false) => incomplete.push(format!("{shown} is {age} hours old and incomplete")),
            Err(error) => incomplete.push(format!("{shown}: {error}")),
        }
    }
    if incomplete.is_empty() {
        return Err(format!("{shown} holds no finished dump"));
    }
    Err(incomplete.join("; "))
}

/// Whether a dump has the last line that its tool writes, at its end.
fn ends_as_it_should(path: &Path) -> io::Result<bool> {
    const TAIL: usize = 4096;
    let mut file = File::open(path)?;
    let mut magic = [0; 2];
    let gzip = file.read(&mut magic)? == 2 && magic == [0x1f, 0x8b];
    let mut tail = Vec::new();
    if gzip {
        file.rewind()?;
        let mut text = MultiGzDecoder::new(io::BufReader::with_capacity(256 << 10, file));
        let mut piece = vec![0; 256 << 10];
        loop {
            match text.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => {
                    tail.extend_from_slice(piece.get(..read).unwrap_or_default());
                    tail.drain(..tail.len().saturating_sub(TAIL));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    } else {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL as u64)))?;
        file.take(TAIL as u64).read_to_end(&mut tail)?;
    }
    let says = |words: &str| memchr::memmem::find(&tail, words.as_bytes()).is_some();
    Ok(says("-- PostgreSQL database dump complete") || says("-- PostgreSQL database cluster dump complete"))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_a_recent_and_complete_dump_is_one_to_go_back_to() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let now: Timestamp = "2026-06-03T12:00:00Z".parse().unwrap();
        assert!(recent_dump(&folder.join("nothing"), now).unwrap_err().contains("cannot look"));
        assert!(recent_dump(folder, now).unwrap_err().contains("holds no finished dump"));
        let name = |day: u8, ending: &str| {
            folder.join(format!("immich-db-backup-202606{day:02}T020000-v3.0.1-pg15.18.{ending}"))
        };
        let whole = format!("{}\n--\n-- PostgreSQL database dump complete\n--\n\n", "row\n".repeat(50_000));
        let gzip = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        std::fs::write(name(1, "sql.gz"), gzip(&whole)).unwrap();
        assert!(recent_dump(folder, now).unwrap_err().contains("58 hours old"));
        std::fs::write(name(2, "sql.gz"), gzip(&whole)).unwrap();
        assert_eq!(recent_dump(folder, now).unwrap(), name(2, "sql.gz"));
        let packed = gzip(&whole);
        std::fs::write(name(3, "sql.gz"), packed.get(..packed.len() / 2).unwrap()).unwrap();
        assert_eq!(recent_dump(folder, now).unwrap(), name(2, "sql.gz"));
        std::fs::remove_file(name(2, "sql.gz")).unwrap();
        let why = recent_dump(folder, now).unwrap_err();
        assert!(why.contains("incomplete") && why.contains("58 hours"), "{why}");
        std::fs::write(name(3, "sql.gz.tmp"), &packed).unwrap();
        std::fs::write(name(3, "sql"), &whole).unwrap();
        assert_eq!(recent_dump(folder, now).unwrap(), name(3, "sql"));
    }
}
