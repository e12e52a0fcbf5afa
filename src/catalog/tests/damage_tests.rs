//! Catalogs after a power cut, and on a disk that fails.

use super::*;

#[test]
fn a_damaged_catalog_is_kept_aside_and_a_new_one_serves() {
    let folder = tempfile::tempdir().unwrap();
    let (file, aside) = (folder.path().join(FILE_NAME), folder.path().join("catalog.sqlite.damaged"));
    let serves = |catalog: &Catalog| {
        assert_eq!(catalog.previous(Path::new("/m/3/a.jpg")), Ok(None));
        assert_eq!(catalog.put_aside(), Some(aside.as_path()), "a damaged catalog is evidence, not rubbish");
        catalog.record(Path::new("/m/3/a.jpg"), knowledge(3)).unwrap();
        catalog.add_line(finding(1)).unwrap();
        catalog.finish_run(end()).unwrap();
    };
    let garbage = b"this has never been a database, and is longer than its header would be...".repeat(20);
    fs::write(&file, &garbage).unwrap();
    assert!(matches!(Catalog::open_read_only(folder.path()), Err(CatalogError::Damaged { .. })));
    assert!(file.exists(), "whoever only looks changes nothing");
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    catalog.begin_run(start(1)).unwrap();
    serves(&catalog);
    drop(catalog);
    assert_eq!(fs::read(&aside).unwrap(), garbage);

    // Pages overwritten in the middle, as a failing disk does: found when a run is going on.
    {
        let catalog = Catalog::open(folder.path(), "check").unwrap();
        assert_eq!(catalog.put_aside(), None);
        assert_eq!(catalog.previous(Path::new("/m/3/a.jpg")), Ok(Some(knowledge(3))));
        for number in 0..200u8 {
            catalog.record(&PathBuf::from(format!("/m/{number}/a.jpg")), knowledge(number)).unwrap();
        }
    }
    let mut bytes = fs::read(&file).unwrap();
    let length = bytes.len();
    bytes[8192..length].fill(0x5a);
    fs::write(&file, &bytes).unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    catalog.begin_run(start(2)).unwrap();
    assert!(catalog.read_trusted(&wish()).unwrap().wait().unwrap().is_empty());
    serves(&catalog);
    drop(catalog);
    assert_eq!(fs::read(&aside).unwrap()[8192..], bytes[8192..]);
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    assert_eq!((catalog.put_aside(), catalog.runs().unwrap().len()), (None, 1));
    let mut lines = Vec::new();
    catalog.run_lines(&start(2).run_id, |line| lines.push(line)).unwrap();
    assert_eq!(lines, [finding(1)], "the run in hand went on in the new catalog");
}

/// What a power cut leaves of a catalog: its log ends anywhere, also in what was never synced, or the log was being carried over
/// into the database. Each time it is as it was after one of the steps by which it was written, and never damaged.
#[test]
fn after_a_power_cut_the_catalog_is_as_it_was_at_some_moment() {
    const STEPS: u8 = 12;
    let path = |step: u8| PathBuf::from(format!("/m/{}/{step}.jpg", step % 5));
    let folder = tempfile::tempdir().unwrap();
    let read = |ending: &str| fs::read(folder.path().join(format!("{FILE_NAME}{ending}"))).unwrap();
    let catalog = Catalog::open(folder.path(), "check").unwrap();
    for step in 0..STEPS {
        catalog.record(&path(step), knowledge(step)).unwrap();
        catalog.flush().unwrap();
    }
    let (database, log) = (read(""), read("-wal"));
    drop(catalog);
    let carried_over = read("");
    let page = usize::try_from(u32::from_be_bytes(log[8..12].try_into().unwrap())).unwrap();
    let frame = 24 + page;
    let frames = (log.len() - 32) / frame;
    assert!(frames > usize::from(STEPS), "{frames} frames");

    let cut = tempfile::tempdir().unwrap();
    let steps_in = |database: &[u8], log: &[u8], what: &str| -> u8 {
        let _ = fs::remove_file(cut.path().join("catalog.sqlite-shm"));
        fs::write(cut.path().join(FILE_NAME), database).unwrap();
        fs::write(cut.path().join("catalog.sqlite-wal"), log).unwrap();
        let catalog = Catalog::open(cut.path(), "check").unwrap();
        let known = (0..STEPS).map(|step| catalog.previous(&path(step)).unwrap());
        let known: Vec<_> = known.collect();
        let steps = known.iter().take_while(|known| known.is_some()).count();
        for (step, known) in (0..STEPS).zip(&known) {
            let expected = (usize::from(step) < steps).then(|| knowledge(step));
            assert_eq!(*known, expected, "{what}: step {step} of {steps}");
        }
        assert_eq!(catalog.put_aside(), None, "{what}");
        let sound = async |connection: &mut sqlx::SqliteConnection| {
            sqlx::query_scalar::<_, String>("PRAGMA integrity_check").fetch_one(connection).await
        };
        assert_eq!(catalog.writer.ask(move |db| db.query(sound)).unwrap(), "ok", "{what}");
        catalog.record(Path::new("/m/afterwards.jpg"), knowledge(9)).unwrap();
        catalog.flush().unwrap();
        u8::try_from(steps).unwrap()
    };
    let mut before = 0;
    for number in 0..=frames {
        let end = 32 + number * frame;
        let steps = steps_in(&database, &log[..end], &format!("{number} frames"));
        assert!(steps >= before, "more of the log is never less");
        before = steps;
        for (what, begin) in
            [("half a frame", end + frame / 2), ("a frame's head", end + 24), ("a frame", end)]
        {
            if begin > log.len() {
                continue;
            }
            for byte in [None, Some(0), Some(0xa5)] {
                let mut torn = log.clone();
                match byte {
                    None => torn.truncate(begin),
                    // The file is as long as it was to be; its blocks never came.
                    Some(byte) => torn[begin..].fill(byte),
                }
                assert_eq!(
                    steps_in(&database, &torn, &format!("{number} frames and {what}, {byte:?}")),
                    steps
                );
            }
        }
        if end + frame < log.len() {
            // Later blocks came to the disk, this one did not.
            let mut hole = log.clone();
            hole[end..end + frame].fill(0);
            assert_eq!(steps_in(&database, &hole, &format!("without frame {number}")), steps);
        }
    }
    assert_eq!(before, STEPS);
    // The log is on the disk; of the pages that were being carried over some are, some are not, one is torn.
    for number in 0..carried_over.len() / page {
        let mut mixed = database.clone();
        mixed.resize(carried_over.len().max(mixed.len()), 0);
        let torn = number * page + page / 3;
        mixed[..torn].copy_from_slice(&carried_over[..torn]);
        assert_eq!(steps_in(&mixed, &log, &format!("page {number} torn")), STEPS);
        let mut last = database.clone();
        last.resize(carried_over.len().max(last.len()), 0);
        last[number * page..].copy_from_slice(&carried_over[number * page..]);
        assert_eq!(steps_in(&last, &log, &format!("pages from {number}")), STEPS);
    }
}
