#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]
#![allow(clippy::cast_possible_truncation, reason = "small numbers")]

mod damage_tests;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::runs::LineKind;
use super::*;
use crate::model::{DamageClass, DecoderId, Depth, MediaFormat, PixelSize, Verdict};

const NOW: i64 = 1_790_000_000;

fn decoder(version: &str) -> DecoderId {
    DecoderId { name: "libjpeg-turbo".into(), version: version.into() }
}

fn knowledge(number: u8) -> Knowledge {
    Knowledge {
        identity: FileIdentity {
            device: 64_768,
            inode: u64::MAX - u64::from(number),
            size: 3_000_000_000 + u64::from(number),
            mtime_ns: 1_700_000_000_123_456_789,
            ctime_ns: -1,
        },
        format: MediaFormat::Jpeg,
        size: Some(PixelSize::new(4000, 3000)),
        verdict: Verdict::Decodable,
        damage: None,
        reason: String::new(),
        sha1: Some([number; 20]),
        blake3: Some([number; 32]),
        decoder: Some(decoder("3.1.0")),
        depth: Depth::Keyframes,
        verified_at: NOW - 100,
    }
}

fn wish() -> Wish {
    Wish { depth: Depth::Keyframes, now: NOW, max_age: 1000, decoders: vec![decoder("3.1.0")] }
}

fn odd_path() -> PathBuf {
    Path::new("/media/upload/a\nb").join(OsStr::from_bytes(b"\xff\xfe \t.jpg"))
}

#[test]
fn what_was_recorded_comes_back_also_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Knowledge {
        format: MediaFormat::Unknown,
        size: None,
        verdict: Verdict::Damaged,
        damage: Some(DamageClass::Truncated),
        reason: "ends too early".into(),
        sha1: None,
        blake3: None,
        decoder: None,
        depth: Depth::Structure,
        ..knowledge(2)
    };
    let neighbour = odd_path().with_file_name("other.jpg");
    {
        let catalog = Catalog::open(folder.path(), "check").unwrap();
        catalog.record(&odd_path(), knowledge(9)).unwrap();
        catalog.record(&odd_path(), knowledge(1)).unwrap();
        catalog.record(&neighbour, broken.clone()).unwrap();
        assert_eq!(catalog.previous(&odd_path()).unwrap(), Some(knowledge(1)));
    }
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    assert_eq!(catalog.previous(&odd_path()).unwrap(), Some(knowledge(1)));
    assert_eq!(catalog.previous(Path::new("/media/upload/other.jpg")).unwrap(), None);
    let files = catalog.folder(odd_path().parent().unwrap()).unwrap();
    assert_eq!((files.len(), files.is_empty()), (2, false));
    assert_eq!(files.previous(OsStr::new("other.jpg")), Some(&broken));
    let name = odd_path();
    let name = name.file_name().unwrap();
    assert!(files.trusted(name, &knowledge(1).identity, &wish()).is_some());
    assert!(files.trusted(OsStr::new("other.jpg"), &broken.identity, &wish()).is_none());
    assert!(catalog.folder(Path::new("/elsewhere")).unwrap().is_empty());
    let (known, wish) = (knowledge(1), wish());
    assert_eq!(catalog.trusted(&odd_path(), &known.identity, &wish).unwrap(), Some(known));
}

#[test]
fn only_sound_unchanged_young_and_thorough_knowledge_holds() {
    let known = knowledge(1);
    let identity = known.identity;
    assert!(known.holds(&identity, &wish()));
    assert!(known.holds(&FileIdentity { device: 1, ..identity }, &wish()), "devices are renumbered");
    for changed in [
        FileIdentity { inode: 1, ..identity },
        FileIdentity { size: 1, ..identity },
        FileIdentity { mtime_ns: 1, ..identity },
        FileIdentity { ctime_ns: 1, ..identity },
    ] {
        assert!(!known.holds(&changed, &wish()), "{changed:?}");
    }
    for verdict in [Verdict::Damaged, Verdict::Unverifiable] {
        assert!(!Knowledge { verdict, ..known.clone() }.holds(&identity, &wish()));
    }
    assert!(!known.holds(&identity, &Wish { depth: Depth::Full, ..wish() }));
    assert!(known.holds(&identity, &Wish { depth: Depth::Structure, ..wish() }));
    assert!(!known.holds(&identity, &Wish { max_age: 100, ..wish() }), "exactly as old as allowed");
    assert!(!known.holds(&identity, &Wish { max_age: 0, ..wish() }));
    assert!(!known.holds(&identity, &Wish { now: NOW - 200, ..wish() }), "verified in the future");
    assert!(!known.holds(&identity, &Wish { decoders: vec![decoder("3.2.0")], ..wish() }));
    assert!(Knowledge { decoder: None, ..known }.holds(&identity, &Wish { decoders: vec![], ..wish() }));
}

/// Knowledge of every kind that decides, by the name of its file.
fn all_kinds() -> Vec<(String, Knowledge)> {
    let known = knowledge(1);
    let mut kinds = Vec::new();
    for verdict in Verdict::ALL {
        for depth in Depth::ALL {
            kinds.push(Knowledge { verdict, depth, ..known.clone() });
        }
    }
    for verified_at in [NOW + 1, NOW, NOW - 999, NOW - 1000, NOW - 1001] {
        kinds.push(Knowledge { verified_at, ..known.clone() });
    }
    let other = DecoderId { name: "libwebp".into(), version: "3.1.0".into() };
    for decoder in [None, Some(decoder("3.2.0")), Some(other)] {
        kinds.push(Knowledge { decoder, ..known.clone() });
    }
    kinds.push(Knowledge { sha1: None, size: None, ..known.clone() });
    kinds.push(Knowledge { size: Some(PixelSize::new(65_535, 1)), ..known });
    kinds.into_iter().enumerate().map(|(number, known)| (format!("{number}.jpg"), known)).collect()
}

#[test]
fn what_is_read_at_once_is_what_holds_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    let media = Path::new("/media/upload");
    let kinds = all_kinds();
    for (name, known) in &kinds {
        catalog.record(&media.join(name), known.clone()).unwrap();
    }
    let wishes = [
        wish(),
        Wish { depth: Depth::Full, ..wish() },
        Wish { depth: Depth::Structure, ..wish() },
        Wish { max_age: 0, ..wish() },
        Wish { max_age: u64::MAX, ..wish() },
        Wish { now: i64::MIN, ..wish() },
        Wish { decoders: vec![], ..wish() },
        Wish { decoders: vec![decoder("3.2.0"), decoder("3.1.0")], ..wish() },
    ];
    let mut held = Vec::new();
    for wish in &wishes {
        let trusted = catalog.read_trusted(wish).unwrap().wait().unwrap();
        for (name, known) in &kinds {
            let found = trusted.find(media, OsStr::new(name), &known.identity);
            assert_eq!(found.is_some(), known.holds(&known.identity, wish), "{known:?} {wish:?}");
            let Some(found) = found else { continue };
            assert_eq!(found.size, known.size);
            assert_eq!(found.had(&[1; 20]), known.sha1.is_some());
            assert!(!found.had(&[2; 20]) && !found.had(&[0; 20]));
        }
        held.push(trusted.held());
    }
    let some = |number: usize| held[number] > 0;
    assert!(
        some(0) && some(1) && some(2) && !some(3) && some(4) && !some(5) && some(6) && some(7),
        "{held:?}"
    );
}

#[test]
fn what_has_changed_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    let wide = Knowledge { size: Some(PixelSize::new(65_536, 1)), ..knowledge(2) };
    for number in 0..1000u32 {
        let identity = FileIdentity { inode: number.into(), ..knowledge(1).identity };
        let path = PathBuf::from(format!("/m/{}/{number}.jpg", number % 7));
        catalog.record(&path, Knowledge { identity, ..knowledge(1) }).unwrap();
    }
    catalog.record(&odd_path(), knowledge(1)).unwrap();
    catalog.record(&odd_path().with_file_name("wide.jpg"), wide.clone()).unwrap();
    let trusted = catalog.read_trusted(&wish()).unwrap().wait().unwrap();
    assert_eq!(trusted.held(), 1001, "all but the wide one");
    let (at, name) = (odd_path(), odd_path());
    let (at, name) = (at.parent().unwrap(), name.file_name().unwrap());
    let identity = knowledge(1).identity;
    assert!(trusted.find(at, name, &identity).is_some());
    assert!(
        trusted.find(at, name, &FileIdentity { device: 1, ..identity }).is_some(),
        "devices are renumbered"
    );
    for changed in [
        FileIdentity { inode: 1, ..identity },
        FileIdentity { size: 1, ..identity },
        FileIdentity { mtime_ns: 1, ..identity },
        FileIdentity { ctime_ns: 1, ..identity },
    ] {
        assert_eq!(trusted.find(at, name, &changed), None, "{changed:?}");
    }
    assert_eq!(trusted.find(at, OsStr::new("wide.jpg"), &wide.identity), None);
    assert_eq!(trusted.find(at, OsStr::new("other.jpg"), &identity), None);
    assert_eq!(trusted.find(Path::new("/elsewhere"), name, &identity), None);
    for number in 0..1000u32 {
        let identity = FileIdentity { inode: number.into(), ..identity };
        let folder = PathBuf::from(format!("/m/{}", number % 7));
        let found = trusted.find(&folder, OsStr::new(&format!("{number}.jpg")), &identity);
        assert!(found.is_some(), "{number}");
    }
    assert_eq!(Trusted::default().find(at, name, &identity), None);
}

#[test]
fn rows_of_a_newer_program_are_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    let columns = ["format", "verdict", "depth", "damage"];
    for column in columns {
        catalog.record(&Path::new("/m").join(column), knowledge(1)).unwrap();
    }
    for column in columns {
        let sql = format!("UPDATE file SET {column} = 'unheard of' WHERE name = CAST('{column}' AS BLOB)");
        let change = async move |connection: &mut sqlx::SqliteConnection| {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.map(|done| done.rows_affected())
        };
        assert_eq!(catalog.writer.ask(move |db| db.query(change)).unwrap(), 1);
    }
    let trusted = catalog.read_trusted(&wish()).unwrap().wait().unwrap();
    for column in columns {
        assert_eq!(catalog.previous(&Path::new("/m").join(column)).unwrap(), None, "{column}");
        assert_eq!(
            trusted.find(Path::new("/m"), OsStr::new(column), &knowledge(1).identity),
            None,
            "{column}"
        );
    }
}

#[test]
fn other_bytes_under_the_same_size_and_time_are_noticed() {
    let known = knowledge(1);
    let identity = FileIdentity { ctime_ns: 5, device: 5, ..known.identity };
    assert!(known.is_contradicted_by(&identity, &[9; 32]));
    assert!(!known.is_contradicted_by(&identity, &[1; 32]));
    assert!(!known.is_contradicted_by(&FileIdentity { mtime_ns: 5, ..identity }, &[9; 32]));
    assert!(!Knowledge { blake3: None, ..known }.is_contradicted_by(&identity, &[9; 32]));
}

#[test]
fn one_run_at_a_time_and_readers_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Catalog::open_read_only(folder.path()), Err(CatalogError::Absent { .. })));
    let first = Catalog::open(folder.path(), "photofsck check --media /m").unwrap();
    let Err(error) = Catalog::open(folder.path(), "check") else { panic!("two runs at once") };
    let text = error.to_string();
    assert!(matches!(error, CatalogError::InUse { .. }), "{text}");
    for part in
        [&format!("pid {}", std::process::id()), "started 20", "photofsck check --media /m", "--state DIR"]
    {
        assert!(text.contains(part), "{text}");
    }
    first.record(&odd_path(), knowledge(1)).unwrap();
    first.flush().unwrap();
    let reader = Catalog::open_read_only(folder.path()).unwrap();
    assert_eq!(reader.previous(&odd_path()).unwrap(), Some(knowledge(1)));
    reader.record(&odd_path(), knowledge(2)).unwrap();
    assert!(matches!(reader.flush(), Err(CatalogError::NotWritable { .. })));
    drop(first);
    Catalog::open(folder.path(), "check").unwrap();
}

fn open_error(folder: &Path) -> CatalogError {
    match Catalog::open(folder, "check") {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn databases_that_are_not_ours_are_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);

    let change = |sql: &'static str| {
        let catalog = Catalog::open(folder.path(), "check").unwrap();
        let run = async move |connection: &mut sqlx::SqliteConnection| {
            sqlx::raw_sql(sql).execute(connection).await.map(|_| ())
        };
        catalog.writer.ask(move |db| db.query(run)).unwrap();
    };
    change("PRAGMA user_version = 4711");
    let error = open_error(folder.path());
    assert!(matches!(error, CatalogError::Newer { found: 4711, known: 2, .. }), "{error}");
    fs::remove_file(&file).unwrap();
    change("PRAGMA application_id = 1");
    assert!(matches!(open_error(folder.path()), CatalogError::Foreign { .. }));
    fs::remove_file(&file).unwrap();
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = open_error(&file.join("state"));
    assert!(error.to_string().contains("file/state"), "{error}");
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere but into the kernel's own file systems.
        let error = open_error(Path::new("/sys/kernel/photofsck"));
        assert!(matches!(error, CatalogError::NotWritable { .. }), "{error:?}");
    } else {
        let closed = folder.path().join("closed");
        fs::DirBuilder::new().mode(0o500).create(&closed).unwrap();
        assert!(matches!(open_error(&closed), CatalogError::NotWritable { .. }));
    }
}

#[test]
fn a_full_disk_is_told_and_what_was_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    catalog.record(Path::new("/m/first.jpg"), knowledge(1)).unwrap();
    catalog.flush().unwrap();
    let limit = async |connection: &mut sqlx::SqliteConnection| {
        sqlx::raw_sql("PRAGMA max_page_count = 40").execute(connection).await.map(|_| ())
    };
    catalog.writer.ask(move |db| db.query(limit)).unwrap();
    let error = (0..100_000u32)
        .find_map(|number| {
            let path = PathBuf::from(format!("/m/{number}/a.jpg"));
            catalog.record(&path, knowledge(3)).err()
        })
        .unwrap();
    assert!(matches!(error, CatalogError::Full { .. }), "{error}");
    assert!(error.to_string().contains("no space left"));
    assert!(matches!(catalog.flush(), Err(CatalogError::Full { .. })), "the failure stands");
    drop(catalog);
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    assert_eq!(catalog.previous(Path::new("/m/first.jpg")).unwrap(), Some(knowledge(1)));
}

#[test]
fn answers_are_the_same_for_small_folders_large_ones_and_many() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    let large = |number: usize| PathBuf::from(format!("/large/{number}.jpg"));
    for number in 0..recent::FILES + 10 {
        catalog.record(&large(number), knowledge((number % 250) as u8)).unwrap();
    }
    assert_eq!(catalog.previous(&large(7)).unwrap(), Some(knowledge(7)));
    catalog.record(&large(7), knowledge(99)).unwrap();
    assert_eq!(catalog.previous(&large(7)).unwrap(), Some(knowledge(99)), "while it waits to be written");
    assert_eq!(catalog.folder(Path::new("/large")).unwrap().len(), recent::FILES + 10);
    catalog.record(Path::new("/new/a.jpg"), knowledge(5)).unwrap();
    let new = |name: &str| catalog.previous(&Path::new("/new").join(name)).unwrap();
    assert_eq!((new("a.jpg"), new("b.jpg")), (Some(knowledge(5)), None), "while it waits to be written");
    for round in 0..3u8 {
        for number in 0..150u8 {
            let path = PathBuf::from(format!("/small/{number}/a.jpg"));
            let before = (round > 0).then(|| knowledge(number + round - 1));
            assert_eq!(catalog.previous(&path).unwrap(), before);
            catalog.record(&path, knowledge(number + round)).unwrap();
            assert_eq!(catalog.previous(&path).unwrap(), Some(knowledge(number + round)));
            assert_eq!(catalog.previous(&path.with_file_name("b.jpg")).unwrap(), None);
        }
    }
}

fn start(number: u32) -> RunStart {
    RunStart {
        run_id: format!("{number:016x}"),
        started_at: "2026-11-21T22:00:00Z".into(),
        command: "check".into(),
        header: r#"{"type":"run"}"#.into(),
    }
}

fn end() -> RunEnd {
    RunEnd {
        finished_at: "2026-11-21T23:00:00Z".into(),
        summary: r#"{"type":"summary"}"#.into(),
        exit: 4,
        complete: true,
    }
}

fn finding(number: usize) -> RunLine {
    RunLine {
        kind: if number.is_multiple_of(7) { LineKind::Repair } else { LineKind::Finding },
        code: "preview.missing".into(),
        severity: "warning".into(),
        path: (!number.is_multiple_of(3)).then(odd_path),
        text: format!(r#"{{"type":"finding","number":{number}}}"#),
    }
}

fn count(catalog: &Catalog, sql: &'static str) -> i64 {
    let one = async move |connection: &mut sqlx::SqliteConnection| {
        sqlx::query_scalar(sql).fetch_one(connection).await
    };
    catalog.writer.ask(move |db| db.query(one)).unwrap()
}

#[test]
fn a_finished_run_can_be_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    assert_eq!(catalog.runs().unwrap(), []);
    for number in [0xa1, 0xa2] {
        catalog.begin_run(start(number)).unwrap();
        for line in (0..2500).map(finding) {
            catalog.add_line(line).unwrap();
        }
        // The same line twice in one run is two lines.
        catalog.add_line(finding(5)).unwrap();
        if number == 0xa1 {
            catalog.finish_run(end()).unwrap();
        }
    }
    drop(catalog);
    let catalog = Catalog::open_read_only(folder.path()).unwrap();
    let runs = catalog.runs().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!((&runs[0].start, &runs[0].end), (&start(0xa2), &None), "it was not finished");
    assert_eq!((&runs[1].start, &runs[1].end), (&start(0xa1), &Some(end())));
    let mut lines = Vec::new();
    catalog.run_lines(&runs[0].run_id, |line| lines.push(line)).unwrap();
    let expected: Vec<_> = (0..2500).chain([5]).map(finding).collect();
    assert!(lines == expected, "{} lines", lines.len());
    assert_eq!(count(&catalog, "SELECT count(*) FROM line"), 2500, "standing findings are kept once");
    assert_eq!(catalog.run("00000000000000a1").unwrap().unwrap().run_id, "00000000000000a1");
    assert_eq!(catalog.run("0000").unwrap(), None, "two runs begin so");
    assert_eq!(catalog.run("").unwrap(), None);
}

#[test]
fn old_runs_are_forgotten_with_what_only_they_found() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    for number in 0..RETAINED_RUNS + 5 {
        catalog.begin_run(start(number)).unwrap();
        catalog.add_line(finding(0)).unwrap();
        catalog.add_line(finding(1000 + number as usize)).unwrap();
        catalog.finish_run(end()).unwrap();
    }
    let runs = catalog.runs().unwrap();
    assert_eq!(runs.len(), RETAINED_RUNS as usize);
    assert_eq!(runs.last().unwrap().run_id, start(5).run_id);
    assert_eq!(count(&catalog, "SELECT count(*) FROM line"), i64::from(RETAINED_RUNS) + 1);
    let pruned = catalog.prune(0, 2).unwrap();
    assert_eq!(pruned, Pruned { files: 0, runs: u64::from(RETAINED_RUNS) - 2 });
    assert_eq!(count(&catalog, "SELECT count(*) FROM run_line"), 4);
    assert!(matches!(
        catalog.add_line(finding(1)).and_then(|()| catalog.flush()),
        Err(CatalogError::Other { .. })
    ));
}

#[test]
fn state_is_shown_exported_and_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "state").unwrap();
    assert_eq!(catalog.overview().unwrap().files, 0);
    let old = Knowledge { verified_at: 5, verdict: Verdict::Verified, sha1: None, ..knowledge(2) };
    catalog.record(&odd_path(), knowledge(1)).unwrap();
    catalog.record(Path::new("/a/b.jpg"), old).unwrap();
    let overview = catalog.overview().unwrap();
    assert_eq!((overview.files, overview.folders, overview.runs), (2, 2, 0));
    assert_eq!(overview.bytes, 6_000_000_003);
    assert_eq!((overview.oldest, overview.newest), (Some(5), Some(NOW - 100)));
    assert_eq!(
        overview.verdicts.into_iter().collect::<Vec<_>>(),
        [("decodable".into(), 1), ("verified".into(), 1)]
    );
    let mut manifest = Vec::new();
    assert_eq!(catalog.export(&mut manifest).unwrap(), 2);
    let manifest = String::from_utf8(manifest).unwrap();
    let (origin, files) = manifest.split_once('\n').unwrap();
    assert!(origin.contains("\"type\":\"manifest\""), "{origin}");
    insta::assert_snapshot!(files);
    assert_eq!(catalog.prune(6, 30).unwrap(), Pruned { files: 1, runs: 0 });
    assert_eq!(catalog.overview().unwrap().folders, 1);
    catalog.record(Path::new("/a/b.jpg"), knowledge(2)).unwrap();
    assert_eq!(catalog.previous(Path::new("/a/b.jpg")).unwrap(), Some(knowledge(2)));
}

#[test]
fn roots_can_move_also_into_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "state").unwrap();
    let is_at = |path: &str, number: u8| {
        assert_eq!(catalog.previous(Path::new(path)).unwrap(), Some(knowledge(number)), "{path}");
    };
    for (path, number) in
        [("/a/x.jpg", 1), ("/a/b/x.jpg", 2), ("/ab/x.jpg", 3), ("/n/x.jpg", 4), ("/n/b/y.jpg", 5)]
    {
        catalog.record(Path::new(path), knowledge(number)).unwrap();
    }
    assert_eq!(catalog.rebase(Path::new("/a/"), Path::new("/a/b")).unwrap(), 2);
    is_at("/a/b/x.jpg", 1);
    is_at("/a/b/b/x.jpg", 2);
    is_at("/ab/x.jpg", 3);
    assert_eq!(catalog.previous(Path::new("/a/x.jpg")).unwrap(), None);
    assert_eq!(catalog.rebase(Path::new("/a/b"), Path::new("/a")).unwrap(), 2);
    is_at("/a/x.jpg", 1);
    is_at("/a/b/x.jpg", 2);
    assert_eq!(catalog.rebase(Path::new("/a"), Path::new("/n")).unwrap(), 1, "one was known there");
    is_at("/n/x.jpg", 4);
    is_at("/n/b/x.jpg", 2);
    is_at("/n/b/y.jpg", 5);
    assert_eq!(catalog.rebase(Path::new("/n"), Path::new("/")).unwrap(), 3);
    is_at("/x.jpg", 4);
    is_at("/b/y.jpg", 5);
    assert_eq!(catalog.rebase(Path::new("/nowhere"), Path::new("/m")).unwrap(), 0);
    assert_eq!(catalog.overview().unwrap().files, 4);
}

#[test]
fn the_state_folder_follows_the_environment() {
    let at = |variables: &[(&str, &str)], root| {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        default_state_dir(find, root)
    };
    let xdg = [("XDG_STATE_HOME", "/s"), ("HOME", "/h")];
    assert_eq!(at(&xdg, false), Some("/s/photofsck".into()));
    assert_eq!(
        at(&[("XDG_STATE_HOME", "relative"), ("HOME", "/h")], false),
        Some("/h/.local/state/photofsck".into())
    );
    assert_eq!(at(&[("HOME", "/root")], true), Some("/var/lib/photofsck".into()));
    assert_eq!(at(&[], false), None);
}

/// Prints the rates; fails only when batches have stopped working altogether.
#[test]
fn results_are_written_in_batches() {
    const FILES: u32 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    let path = |number: u32| {
        PathBuf::from(format!("/m/upload/{:02x}/{:02x}/{number}.jpg", number % 16, number % 256))
    };
    let begun = Instant::now();
    for number in 0..FILES {
        catalog.record(&path(number), knowledge(1)).unwrap();
    }
    catalog.flush().unwrap();
    let written = begun.elapsed();
    let begun = Instant::now();
    // In the order of a walk.
    for folder in 0..256 {
        for number in (folder..FILES).step_by(256) {
            assert!(catalog.previous(&path(number)).unwrap().is_some());
        }
    }
    let asked = begun.elapsed();
    let begun = Instant::now();
    let mut found = 0;
    for number in 0..256 {
        found += catalog.folder(path(number).parent().unwrap()).unwrap().len();
    }
    let read = begun.elapsed();
    assert_eq!(found, FILES as usize);
    let rate = |elapsed: std::time::Duration| f64::from(FILES) / elapsed.as_secs_f64();
    println!(
        "in a second {:.0} records written, {:.0} asked for, {:.0} read by folder",
        rate(written),
        rate(asked),
        rate(read)
    );
    assert!(rate(written) > 1000.0, "{written:?} for {FILES} records");
}
