//! Originals that come back, files that make room and come back too, last pictures that are saved: by the real
//! program, on small libraries with one fault each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod library;
#[path = "../eras/pictures.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod pictures;
#[path = "../common/postgres.rs"]
mod postgres;
mod untracked;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use library::{Kind, Library, picture, upload};
use pictures::jpeg;

#[test]
fn lost_originals_come_back_with_their_pictures_and_undo_takes_them_back() {
    let mut library = Library::new(4);
    let damaged = library.asset(2, &upload(2), &Kind::default());
    let missing = library.asset(3, "library/anna/2024/IMG 3.jpg", &Kind::default());
    let mismatched = library.asset(4, &upload(4), &Kind { size: Some(7), ..Kind::default() });
    let cut = jpeg(2)[..4000].to_vec();
    fs::write(&damaged, &cut).unwrap();
    fs::remove_dir_all(library.media("library/anna")).unwrap();
    fs::remove_file(&mismatched).unwrap();
    for (n, role) in [(2, "preview"), (3, "thumbnail")] {
        fs::remove_file(library.media(picture(n, role))).unwrap();
    }
    // Named as nobody would expect; by name alone, since the recorded size is wrong; another file of the right size.
    library.put(OsStr::from_bytes(b"backup/deep/a\n\xff"), &jpeg(2));
    library.put("backup/old/IMG 3+1.jpg", &jpeg(3));
    library.put(format!("backup/{}", upload(4)), &jpeg(4));
    let mut wrong = jpeg(3);
    wrong[5000] ^= 1;
    library.put("backup/IMG 3.jpg", &wrong);
    library.dump_now();
    let before = library.tree();

    let options = ["--originals-from", "@/backup", "--quarantine", "@/q"];
    let dry = library.repair(&[&options[..], &["--dry-run"]].concat());
    assert_eq!((dry.exit, dry.count("restore planned")), (4, 3), "{}", dry.text);
    assert!(dry.repair_of(&missing).1.contains("from ") && dry.repair_of(&missing).1.contains("IMG 3+1.jpg"));
    assert_eq!(dry.count("regenerate planned"), 2, "{}", dry.text);
    assert_eq!(library.tree(), before, "a dry run writes nothing");

    // Without a quarantine folder the damaged file stays.
    let told = library.repair(&options[..2]);
    assert_eq!(told.exit, 5, "{}", told.text);
    assert_eq!(told.repair_of(&damaged).0, "restore skipped");
    assert!(told.repair_of(&damaged).1.contains("--quarantine"), "{}", told.text);
    assert_eq!(fs::read(&damaged).unwrap(), cut);
    assert_eq!((fs::read(&missing).unwrap(), fs::read(&mismatched).unwrap()), (jpeg(3), jpeg(4)));
    assert!(library.media(picture(3, "thumbnail")).exists(), "made in the same run: {}", told.text);

    let told = library.repair(&[&options[..], &["--html", "@/page.html"]].concat());
    assert_eq!((told.exit, told.count("restore done")), (1, 1), "{}", told.text);
    let page = fs::read_to_string(library.at("page.html")).unwrap();
    for caption in ["original, as found; lower", "original, restored", "preview, made again"] {
        assert_eq!(page.matches(&format!("<figcaption>{caption}")).count(), 1, "{caption}");
    }
    assert!(told.text.contains("1 original is back in place"), "{}", told.text);
    assert_eq!(fs::read(&damaged).unwrap(), jpeg(2));
    let made = fs::read(library.media(picture(2, "preview"))).unwrap();
    assert_eq!(made, library.picture_bytes(2, "preview"), "made in the same run");
    let kept = library.at("q/files/000001-d0020000-0000-4000-8000-000000000002.jpg");
    assert_eq!(fs::read(&kept).unwrap(), cut);
    assert!(told.repair_of(&damaged).1.contains("photofsck undo "), "{}", told.text);
    let again = library.repair(&options);
    assert_eq!(again.exit, 0, "{}", again.text);

    let undone = library.undo("q");
    assert_eq!((undone.exit, undone.count("undo done")), (1, 1), "{}", undone.text);
    assert_eq!(fs::read(&damaged).unwrap(), cut);
    assert!(!kept.exists());
    let aside = library.at("q/files/000002-d0020000-0000-4000-8000-000000000002.jpg");
    assert_eq!(fs::read(aside).unwrap(), jpeg(2), "nothing is thrown away");
    let undone = library.undo("q");
    assert_eq!((undone.exit, undone.count("undo skipped")), (0, 1), "{}", undone.text);
    let told = library.repair(&options);
    assert_eq!((told.exit, fs::read(&damaged).unwrap()), (1, jpeg(2)), "{}", told.text);
}

#[test]
fn undo_does_not_overwrite_what_has_appeared() {
    let mut library = Library::new(2);
    let damaged = library.asset(2, &upload(2), &Kind::default());
    fs::write(&damaged, b"not a picture").unwrap();
    library.put("backup/2.jpg", &jpeg(2));
    library.dump_now();
    let told = library.repair(&["--originals-from", "@/backup", "--quarantine", "@/q"]);
    assert_eq!(told.exit, 1, "{}", told.text);
    fs::write(&damaged, b"something else").unwrap();
    let undone = library.undo("q");
    assert_eq!((undone.exit, undone.count("undo failed")), (4, 1), "{}", undone.text);
    assert!(undone.repair_of(&damaged).1.contains("something else"), "{}", undone.text);
    assert_eq!(fs::read(&damaged).unwrap(), b"something else");
    fs::remove_file(&damaged).unwrap();
    let kept = fs::read_dir(library.at("q/files")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&kept).unwrap();
    fs::write(&kept, b"rotten").unwrap();
    let undone = library.undo("q");
    assert_eq!((undone.exit, damaged.exists()), (4, false), "{}", undone.text);
    fs::write(&kept, bytes).unwrap();
    assert_eq!(library.undo("q").exit, 1);
    assert_eq!(fs::read(&damaged).unwrap(), b"not a picture");
    assert_eq!(library.undo("state").exit, 16);
}

#[test]
fn links_and_lies_in_a_backup_bring_nothing_back() {
    let mut library = Library::new(2);
    let missing = library.asset(2, &upload(2), &Kind::default());
    fs::remove_file(&missing).unwrap();
    let outside = library.put("elsewhere/2.jpg", &jpeg(2));
    symlink(&outside, library.at("backup/2.jpg")).unwrap();
    symlink(library.at("elsewhere"), library.at("backup/folder")).unwrap();
    symlink(library.at("backup"), library.at("backup/loop")).unwrap();
    let mut wrong = jpeg(2);
    let last = wrong.len() - 3;
    wrong[last] ^= 4;
    library.put("backup/wrong.jpg", &wrong);
    fs::remove_dir_all(library.at("originals")).unwrap();
    library.dump_now();
    let told = library.repair(&["--originals-from", "@/backup", "--originals-from", "@/external"]);
    assert_eq!(told.exit, 4, "{}", told.text);
    assert_eq!(told.repair_of(&missing).0, "restore skipped");
    assert!(told.repair_of(&missing).1.contains("no file below --originals-from"), "{}", told.text);
    assert!(!missing.exists());
}

#[test]
fn without_a_recorded_checksum_a_candidate_is_only_offered() {
    let mut library = Library::new(3);
    library.import();
    let missing = library.asset(2, "trip/a b.jpg", &Kind { external: true, ..Kind::default() });
    library.asset(3, "trip/c.jpg", &Kind { external: true, ..Kind::default() });
    fs::remove_file(&missing).unwrap();
    let likely = library.put("backup/a b.jpg", &jpeg(2));
    library.dump_now();
    let told = library.repair(&["--originals-from", "@/backup"]);
    assert_eq!(told.exit, 4, "{}", told.text);
    let (what, why) = told.repair_of(&missing);
    assert_eq!(what, "restore skipped");
    let command = format!("cp -n --preserve=timestamps '{}' '{}'", likely.display(), missing.display());
    assert!(why.contains(&command), "{why}");
    assert!(!missing.exists());
}

#[test]
fn originals_of_interrupted_moves_are_found_and_put_where_the_records_name_them() {
    let mut library = Library::new(5);
    let kind = Kind { pictures: false, ..Kind::default() };
    // Moved, and the row still names the old place; moved to a name with +1; never moved although the row says so.
    let moved = library.asset(2, &upload(2), &kind);
    library.move_row(2, &upload(2), "library/anna/2024/two.jpg");
    let numbered = library.asset(3, "library/anna/2024/three.jpg", &kind);
    let stayed = library.asset(4, "library/anna/2024/four.jpg", &kind);
    let damaged = library.asset(5, "library/anna/2024/five.jpg", &kind);
    let places = [
        (moved.clone(), library.media("library/anna/2024/two.jpg")),
        (numbered.clone(), library.media("library/anna/2024/three+1.jpg")),
        (stayed.clone(), library.media(upload(4))),
        (damaged.clone(), library.media(upload(5))),
    ];
    for (from, to) in &places {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(from, to).unwrap();
    }
    fs::write(&damaged, b"").unwrap();
    library.dump_now();
    let checked = library.run("check", &["--allow-mass-missing"]);
    assert_eq!(checked.exit, 4, "{}", checked.text);
    for (from, to) in &places[..3] {
        let advice = checked.finding("original.missing", from)["advice"].as_str().unwrap().to_owned();
        let command = format!("mv -n {} {}", to.display(), from.display());
        assert!(advice.contains("--relink") && advice.contains(&command), "{advice}");
    }
    let told = library.repair(&["--relink", "--allow-mass-missing"]);
    assert_eq!((told.exit, told.count("relink done")), (5, 3), "{}", told.text);
    assert!(told.repair_of(&damaged).1.contains("--quarantine"), "{}", told.text);
    let told = library.repair(&["--relink", "--quarantine", "@/q"]);
    assert_eq!((told.exit, told.count("relink done")), (1, 1), "{}", told.text);
    for (n, (from, to)) in (2u8..).zip(&places) {
        assert_eq!(fs::read(from).unwrap(), jpeg(n));
        assert!(!to.exists(), "{}", to.display());
    }
    let checked = library.run("check", &["--max-age", "0"]);
    assert_eq!(checked.exit, 0, "{}", checked.text);
}

#[test]
fn the_best_picture_of_a_lost_original_is_saved_and_never_overwritten() {
    let mut library = Library::new(4);
    let damaged = library.asset(2, "library/anna/Übersee 2.jpg", &Kind::default());
    let missing = library.asset(3, &upload(3), &Kind::default());
    let gone = library.asset(4, &upload(4), &Kind::default());
    fs::write(&damaged, &jpeg(2)[..3000]).unwrap();
    fs::remove_file(missing).unwrap();
    fs::remove_file(gone).unwrap();
    // A sound thumbnail is better than half a preview; half a preview is better than nothing.
    let half = library.picture_bytes(3, "preview")[..2000].to_vec();
    fs::write(library.media(picture(3, "preview")), &half).unwrap();
    let cut = library.picture_bytes(4, "preview")[..2000].to_vec();
    fs::write(library.media(picture(4, "preview")), &cut).unwrap();
    fs::remove_file(library.media(picture(4, "thumbnail"))).unwrap();
    library.dump_now();
    let told = library.repair(&["--salvage", "@/saved", "--allow-mass-missing"]);
    assert_eq!((told.exit, told.count("salvage done")), (5, 3), "{}", told.text);
    assert_eq!(fs::read(library.media(picture(3, "preview"))).unwrap(), half);
    assert_eq!(fs::read(library.media(picture(4, "preview"))).unwrap(), cut);
    let manifest = fs::read_to_string(library.at("saved/manifest.ndjson")).unwrap();
    let saved: Vec<serde_json::Value> =
        manifest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |n: u8| saved.iter().find(|line| line["asset"] == library::id(n)).unwrap();
    let bytes = |n: u8| fs::read(library.at("saved").join(of(n)["file"].as_str().unwrap())).unwrap();
    assert_eq!((&of(2)["role"], &of(2)["name"]), (&"preview".into(), &"Übersee 2.jpg".into()));
    assert_eq!(of(2)["owner"], library::USER);
    assert_eq!((&of(3)["role"], &of(4)["sound"]), (&"thumbnail".into(), &false.into()));
    assert_eq!(bytes(2), library.picture_bytes(2, "preview"));
    assert_eq!(bytes(3), library.picture_bytes(3, "thumbnail"));
    assert_eq!(bytes(4), cut);
    let again = library.repair(&["--salvage", "@/saved", "--allow-mass-missing"]);
    assert_eq!((again.exit, again.count("salvage skipped")), (4, 3), "{}", again.text);
    assert_eq!(fs::read_to_string(library.at("saved/manifest.ndjson")).unwrap(), manifest);
}

#[test]
fn writing_beyond_thumbs_asks_for_a_recent_dump_and_for_folders_of_their_own() {
    let mut library = Library::new(2);
    let missing = library.asset(2, &upload(2), &Kind::default());
    fs::remove_file(&missing).unwrap();
    library.put("backup/2.jpg", &jpeg(2));
    library.dump_now();
    let name = fs::read_dir(library.media("backups")).unwrap().next().unwrap().unwrap().path();
    let old = library.media("backups/immich-db-backup-20200101T020000-v1.sql");
    fs::rename(name, old).unwrap();
    let before = library.tree();
    let from = ["--originals-from", "@/backup"];
    let told = library.repair(&from);
    assert_eq!(told.exit, 8, "{}", told.text);
    assert!(told.text.contains("--yes-without-backup"), "{}", told.text);
    let dry = library.repair(&[&from[..], &["--dry-run"]].concat());
    assert_eq!((dry.exit, dry.count("restore planned")), (4, 1), "{}", dry.text);
    for (options, words) in [
        (&["--quarantine", "@/media/q"][..], "overlaps"),
        (&["--quarantine", "@"], "overlaps"),
        (&["--salvage", "@/media/thumbs/s"], "overlaps"),
        (&["--salvage", "@/backup/s", "--originals-from", "@/backup"], "overlaps"),
        (&["--salvage", "@/x", "--quarantine", "@/x"], "two folders"),
        (&["--quarantine", "@/no/such/q"], "make it first"),
        (&["--originals-from", "@/nowhere"], "No such file"),
        (&["--quarantine-untracked"], "expected --quarantine"),
        (&["--quarantine-untracked", "--quarantine", "@/q", "--quick"], "without --quick"),
        (&["--quarantine-untracked", "--quarantine", "@/q", "--db", "none"], "expected records"),
    ] {
        let told = library.repair(options);
        assert_eq!(told.exit, 16, "{options:?}: {}", told.text);
        assert!(told.text.contains(words), "{options:?}: {}", told.text);
    }
    assert_eq!(library.tree(), before);
    let told = library.repair(&[&from[..], &["--yes-without-backup"]].concat());
    assert_eq!((told.exit, fs::read(&missing).unwrap()), (1, jpeg(2)), "{}", told.text);
}
