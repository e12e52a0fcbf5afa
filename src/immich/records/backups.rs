//! The newest complete dump among those that Immich makes every night, to be read or only to be there.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;

use super::dump_name::time_in_name;
use super::{DumpSource, Files, RecordSource as _, Records};
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
pub fn find_newest_dump(files: &dyn Files, media: &Path, progress: &mut dyn FnMut(u64)) -> NewestDump {
    let mut found = NewestDump::default();
    let folder = media.join("backups");
    let mut candidates = match candidates(files, &folder, &mut found.skipped) {
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
        match DumpSource::file(&path).through(files).load(progress) {
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

/// The newest complete dump in `folder` that is younger than `since`; otherwise what was passed over and why. The
/// whole file is read, and nothing of it is kept.
pub fn recent_complete_dump(
    files: &dyn Files,
    folder: &Path,
    since: Timestamp,
) -> Result<PathBuf, Vec<String>> {
    let mut skipped = Vec::new();
    let mut candidates = match candidates(files, folder, &mut skipped) {
        Ok(candidates) => candidates,
        Err(error) => return Err(vec![format!("{}: {error}", display_path(folder))]),
    };
    candidates.sort();
    while let Some((time, path)) = candidates.pop() {
        let shown = display_path(&path);
        if time.is_none_or(|time| time < since) {
            let age = time.map_or_else(|| "of unknown age".to_owned(), |time| format!("of {time}"));
            skipped.push(format!("the newest dump that is left, {shown}, is {age}"));
            break;
        }
        match is_complete(files, &path) {
            Ok(true) => return Ok(path),
            Ok(false) => skipped.push(format!("the dump {shown} is not a complete one of Immich's")),
            Err(error) => skipped.push(format!("the dump {shown} cannot be read: {error}")),
        }
    }
    Err(skipped)
}

/// Whether a dump holds a table of assets and the line that its tool writes last.
fn is_complete(files: &dyn Files, path: &Path) -> std::io::Result<bool> {
    let mut raw = BufReader::with_capacity(256 << 10, files.open_whole(path)?.stream);
    if raw.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        ends_well(MultiGzDecoder::new(raw))
    } else {
        ends_well(raw)
    }
}

fn ends_well(mut text: impl Read) -> std::io::Result<bool> {
    const ENDS: [&[u8]; 2] =
        [b"-- PostgreSQL database dump complete", b"-- PostgreSQL database cluster dump complete"];
    const TABLES: [&[u8]; 2] = [b"COPY public.asset (", b"COPY public.assets ("];
    /// What is looked for may lie across two blocks, and little follows the last line.
    const OVERLAP: usize = 256;
    let mut block = vec![0; 256 << 10];
    let (mut window, mut assets) = (Vec::new(), false);
    let mut cluster = None;
    loop {
        let read = match text.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        };
        let kept = window.len().saturating_sub(OVERLAP);
        window.drain(..kept);
        window.extend_from_slice(block.get(..read).unwrap_or_default());
        let holds = |what: &[u8]| memchr::memmem::find(&window, what).is_some();
        cluster.get_or_insert_with(|| holds(b"-- PostgreSQL database cluster dump"));
        assets |= TABLES.iter().any(|table| holds(table));
    }
    let tail = window.get(window.len().saturating_sub(OVERLAP)..).unwrap_or_default();
    let end = ENDS.get(usize::from(cluster == Some(true))).copied().unwrap_or_default();
    Ok(assets && memchr::memmem::find(tail, end).is_some())
}

fn candidates(
    files: &dyn Files,
    folder: &Path,
    skipped: &mut Vec<String>,
) -> std::io::Result<Vec<(Option<Timestamp>, PathBuf)>> {
    let mut candidates = Vec::new();
    for (path, modified) in files.list(folder)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|last| last == "tmp") {
            skipped.push(format!("skipped the dump {}: it was never finished", display_path(&path)));
        } else if is_dump_name(&name) {
            let modified = || Timestamp::try_from(modified?).ok();
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
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::Direct;
    use super::*;

    const WHOLE: &str = "--\n-- PostgreSQL database dump\n--\nCOPY public.asset (id) FROM stdin;\n\\.\n\n\
                         --\n-- PostgreSQL database dump complete\n--\n\n";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn only_a_recent_and_complete_dump_counts() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let since: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        let found = || recent_complete_dump(&Direct, folder.path(), since);
        assert!(recent_complete_dump(&Direct, &folder.path().join("none"), since).is_err());
        assert_eq!(found(), Err(Vec::new()));

        let whole = gzip(WHOLE.as_bytes());
        put("immich-db-backup-20260101T020000-v2.sql.gz", &whole);
        assert!(found().unwrap_err().join(" ").contains("2026-01-01"));
        put("immich-db-backup-20260114T020000-v2.sql.gz", &whole[..whole.len() / 2]);
        put("immich-db-backup-20260113T020000-v2.sql", b"-- PostgreSQL database dump complete\n");
        put("immich-db-backup-20260115T020000-v2.sql.gz.tmp", &whole);
        let words = found().unwrap_err().join("\n");
        assert!(words.contains("20260114") && words.contains("20260113"), "{words}");
        put("immich-db-backup-20260112T020000-v2.sql.gz", &whole);
        assert!(found().unwrap().ends_with("immich-db-backup-20260112T020000-v2.sql.gz"));
    }

    #[test]
    fn long_dumps_and_those_of_whole_clusters_are_read_to_their_ends() {
        let rows = "1\n".repeat(400_000);
        let long = WHOLE.replace("stdin;\n", &format!("stdin;\n{rows}"));
        assert!(ends_well(long.as_bytes()).unwrap());
        let cluster = format!("--\n-- PostgreSQL database cluster dump\n--\n{long}");
        assert!(!ends_well(cluster.as_bytes()).unwrap());
        let cluster = format!("{cluster}--\n-- PostgreSQL database cluster dump complete\n--\n");
        assert!(ends_well(cluster.as_bytes()).unwrap());
        assert!(!ends_well(&b"-- PostgreSQL database dump complete\n"[..]).unwrap());
    }
}
