//! Golden libraries: one fault kind each, and everything that is said about it before any bytes are read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test should panic")]
#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]

mod common;

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use common::{TestLibrary, USER, hostile_name, id, image};
use photofsck::engine::ground::{Ground, mounted};
use photofsck::engine::{Cancel, Selection, Shard};
use photofsck::immich::mounts::GuardError;
use photofsck::immich::records::{AssetInput, AssetKind, Home};
use photofsck::model::{Role, SkipReason};

#[test]
fn a_healthy_library_with_mixed_prefixes_has_no_findings() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.healthy(0x12, "/usr/src/app/upload");
    library.healthy(0x13, "upload");
    library.healthy(0x14, "/photos/immich");
    for folder in ["upload", "thumbs", "library", "profile", "encoded-video", "backups"] {
        library.file(format!("media/{folder}/.immich"), b"1");
        library.records.mount_flags.insert(folder.to_owned(), true);
    }
    library.file("media/backups/immich-db-backup-1.sql.gz", b"x");
    let outcome = library.check();
    assert_eq!(outcome.codes(), Vec::<String>::new());
    assert_eq!(outcome.mounts, []);
    assert_eq!(outcome.guard, None);
    assert_eq!(outcome.walked.files, 12);
    assert_eq!(outcome.skipped(SkipReason::Marker), 6);
    assert_eq!(outcome.skipped(SkipReason::Backup), 1);
    assert_eq!((outcome.census.expected, outcome.census.missing), (4, 0));
}

#[test]
fn a_share_is_walked_as_a_disk_is() {
    let build = |is_share: bool| {
        let mut library = TestLibrary::new();
        library.healthy(0x11, "/data");
        library.healthy(0x12, "/data");
        library.healthy(0x13, "/data");
        std::fs::remove_file(library.media().join(TestLibrary::upload_path(0x12, ".jpg"))).unwrap();
        library.file("media/upload/odd/.hidden/a.jpg", b"x");
        library.file("media/backups/immich-db-backup-1.sql.gz", b"x");
        symlink("nowhere", library.media().join("upload/link.jpg")).unwrap();
        std::fs::write(library.media().join("upload").join(hostile_name()), b"x").unwrap();
        let table = format!("1 0 0:4 / {} rw - nfs4 nas:/photos rw\n", library.dir.path().display());
        if is_share {
            let patience = std::time::Duration::from_secs(30);
            library.ground = Ground::on(mounted::table(&table), patience, &Cancel::new());
            assert!(library.ground.may_hang(&library.media()));
        }
        library.check()
    };
    let (disk, share) = (build(false), build(true));
    assert_eq!(share.walked, disk.walked);
    assert_eq!(share.json(), disk.json());
    let counted = |outcome: &common::Outcome| {
        let census = &outcome.census;
        (census.expected, census.missing, census.uploads, census.beside_the_walk, outcome.left_out)
    };
    assert_eq!(counted(&share), counted(&disk));
    assert!(disk.codes().contains(&"original.missing error".to_owned()), "{:?}", disk.codes());
}

#[test]
fn missing_files_of_every_role() {
    let mut library = TestLibrary::new();
    for n in 0x21..=0x25 {
        library.healthy(n, "/data");
    }
    let gone = |library: &TestLibrary, path: &str| std::fs::remove_file(library.media().join(path)).unwrap();
    gone(&library, &TestLibrary::upload_path(0x21, ".jpg"));
    gone(&library, &TestLibrary::generated_path(Role::Preview, 0x22, false));
    gone(&library, &TestLibrary::generated_path(Role::Thumbnail, 0x22, false));
    library.row(
        0x23,
        Role::Fullsize,
        false,
        &format!("/data/{}", TestLibrary::generated_path(Role::Fullsize, 0x23, false)),
    );
    library.row(0x23, Role::Sidecar, false, &format!("/data/{}.xmp", TestLibrary::upload_path(0x23, ".jpg")));
    library.row(
        0x24,
        Role::Video,
        false,
        &format!("/data/{}", TestLibrary::generated_path(Role::Video, 0x24, false)),
    );
    library.person(0x31, &format!("/data/{}", TestLibrary::generated_path(Role::Person, 0x31, false)));
    library
        .rows
        .profile(id(USER), format!("/data/profile/{}/{}.png", id(USER), id(0x32)).as_bytes())
        .unwrap();
    // A folder where the original should be.
    gone(&library, &TestLibrary::upload_path(0x25, ".jpg"));
    std::fs::create_dir(library.media().join(TestLibrary::upload_path(0x25, ".jpg"))).unwrap();
    insta::assert_json_snapshot!(library.check().json());
}

#[test]
fn trashed_offline_and_hidden_assets() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.healthy(0x12, "/data");
    let asset = |n: u8, path: &str, change: &dyn Fn(&mut AssetInput<'_>), library: &mut TestLibrary| {
        let path = format!("/data/{path}");
        let mut input = AssetInput { original_path: path.as_bytes(), ..image(n) };
        change(&mut input);
        library.asset(&input, 1);
    };
    // Trashed: its previews are gone; that hardly matters.
    let path = TestLibrary::upload_path(0x41, ".jpg");
    library.file(format!("media/{path}"), b"1");
    asset(0x41, &path, &|input| input.trashed = true, &mut library);
    for role in [Role::Preview, Role::Thumbnail] {
        library.row(0x41, role, false, &format!("/data/{}", TestLibrary::generated_path(role, 0x41, false)));
    }
    // Offline: its original is gone, as the records say.
    let offline = |input: &mut AssetInput<'_>| {
        input.external = true;
        input.offline = true;
        input.trashed = true;
    };
    asset(0x42, "external/lost.jpg", &offline, &mut library);
    library.row(
        0x42,
        Role::Preview,
        false,
        &format!("/data/{}", TestLibrary::generated_path(Role::Preview, 0x42, false)),
    );
    // The hidden motion part of a live photo needs nothing but itself.
    let motion = format!("encoded-video/{}/43/43/{}-MP.mp4", id(USER), id(0x43));
    library.file(format!("media/{motion}"), b"1");
    let hidden = |input: &mut AssetInput<'_>| {
        input.hidden = true;
        input.kind = AssetKind::Video;
    };
    asset(0x43, &motion, &hidden, &mut library);
    // So do things that are neither picture nor video.
    library.file("media/library/a/b.bin", b"1");
    asset(0x44, "library/a/b.bin", &|input| input.kind = AssetKind::Other, &mut library);
    insta::assert_json_snapshot!(library.check().json());
}

#[test]
fn generated_files_that_were_never_made_or_never_registered() {
    let mut library = TestLibrary::new();
    let asset = |n: u8, edited: bool, library: &mut TestLibrary| {
        let path = TestLibrary::upload_path(n, ".jpg");
        library.file(format!("media/{path}"), b"1");
        let path = format!("/data/{path}");
        library.asset(&AssetInput { original_path: path.as_bytes(), edited, ..image(n) }, 1);
    };
    asset(0x51, false, &mut library);
    asset(0x52, false, &mut library);
    for role in [Role::Preview, Role::Thumbnail] {
        library.file(format!("media/{}", TestLibrary::generated_path(role, 0x52, false)), b"1");
    }
    asset(0x53, true, &mut library);
    for role in [Role::Preview, Role::Thumbnail] {
        let path = TestLibrary::generated_path(role, 0x53, false);
        library.file(format!("media/{path}"), b"1");
        library.row(0x53, role, false, &format!("/data/{path}"));
    }
    library.file(format!("media/{}", TestLibrary::generated_path(Role::Preview, 0x53, true)), b"1");
    let outcome = library.check();
    insta::assert_json_snapshot!(outcome.json());
    // The files without rows are there to be looked at with their assets.
    let unregistered = outcome.present.iter().filter(|path| path.to_string_lossy().contains("52_")).count();
    assert_eq!(unregistered, 2);
}

#[test]
fn old_names_are_normal_and_leftovers_are_untracked() {
    let mut library = TestLibrary::new();
    let user = id(USER);
    for (n, preview, thumbnail) in [(0x61, "-preview.jpeg", "-thumbnail.webp"), (0x62, ".jpeg", ".webp")] {
        let path = TestLibrary::upload_path(n, ".jpg");
        library.file(format!("media/{path}"), b"1");
        library.asset(&AssetInput { original_path: format!("upload/{path}").as_bytes(), ..image(n) }, 1);
        for (role, tail) in [(Role::Preview, preview), (Role::Thumbnail, thumbnail)] {
            let path = format!("thumbs/{user}/{n:02x}/{n:02x}/{}{tail}", id(n));
            library.file(format!("media/{path}"), b"1");
            library.row(n, role, false, &format!("upload/{path}"));
        }
    }
    // A face from before faces were nested.
    library.file(format!("media/thumbs/{user}/{}.jpeg", id(0x63)), b"1");
    library.person(0x63, &format!("upload/thumbs/{user}/{}.jpeg", id(0x63)));
    // Leftovers: another style of a registered preview, a preview of an unknown asset, an original, a stranger.
    library.file(format!("media/{}", TestLibrary::generated_path(Role::Preview, 0x61, false)), b"12");
    library.file(format!("media/{}", TestLibrary::generated_path(Role::Preview, 0x6f, false)), b"12");
    library.file("media/library/anna/2024/x.HEIC", b"123");
    library.file("media/library/anna/2024/x.HEIC.xmp", b"123");
    library.file("media/notes.txt", b"");
    library.file("media/upload/.photofsck-00000000000000ab-1.tmp", b"");
    let outcome = library.check();
    assert_eq!(outcome.skipped(SkipReason::OwnTemporary), 1);
    insta::assert_json_snapshot!(outcome.json());
}

#[test]
fn names_of_any_bytes() {
    let mut library = TestLibrary::new();
    let mut asset = |n: u8, name: &[u8], there: bool| {
        let path = [b"/data/library/anna/", name].concat();
        library.asset(&AssetInput { original_path: &path, hidden: true, ..image(n) }, 1);
        if there {
            let name = std::ffi::OsStr::from_bytes(name);
            library.file(std::path::Path::new("media/library/anna").join(name), b"1");
        }
    };
    asset(0x71, hostile_name().as_bytes(), true);
    asset(0x72, b"c\n\td\xfe.jpg", false);
    asset(0x73, "\u{202e}gpj.exe\u{301}.jpg".as_bytes(), true);
    library.file(std::path::Path::new("media/library/anna/loose").join(hostile_name()), b"1");
    insta::assert_json_snapshot!(library.check().json());
}

#[test]
fn a_symlinked_root_and_links_inside() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.healthy(0x12, "/data");
    let root = library.dir.path().to_path_buf();
    // The media location is a link, thumbs is a link to another disk, one original and one folder are links.
    std::fs::rename(root.join("media/thumbs"), root.join("ssd")).unwrap();
    symlink("../ssd", root.join("media/thumbs")).unwrap();
    let original = library.media().join(TestLibrary::upload_path(0x11, ".jpg"));
    std::fs::rename(&original, root.join("elsewhere.jpg")).unwrap();
    symlink(root.join("elsewhere.jpg"), &original).unwrap();
    let folder = library.media().join(format!("upload/{}/12", id(USER)));
    std::fs::rename(&folder, root.join("twelve")).unwrap();
    symlink(root.join("twelve"), &folder).unwrap();
    symlink("nowhere", library.media().join("upload/broken.jpg")).unwrap();
    symlink(".", library.media().join("upload/loop")).unwrap();
    symlink("media", root.join("link")).unwrap();
    let outcome = library.check_at(&root.join("link"));
    assert_eq!(outcome.codes(), Vec::<String>::new());
    assert_eq!(outcome.census.beside_the_walk, 1);
    assert_eq!(outcome.walked.files, 5);
    assert_eq!(outcome.skipped(SkipReason::NotAFile), 3);
    assert_eq!(outcome.present.len(), 6);
}

#[test]
fn odd_entries_are_skipped_with_a_reason() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    let media = library.media();
    std::fs::create_dir(media.join("upload/folder.jpg")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(media.join("upload/socket.jpg")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        media.join("upload/fifo.jpg"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let outcome = library.check();
    assert_eq!(outcome.codes(), Vec::<String>::new());
    assert_eq!(outcome.skipped(SkipReason::NotAFile), 2);
    assert_eq!(outcome.walked.walked, 5);
}

#[test]
fn external_libraries() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.healthy(0x12, "/data");
    let nas = library.dir.path().join("nas");
    let external = |n: u8, path: &str, library: &mut TestLibrary| {
        let input = AssetInput {
            external: true,
            library: Some(id(0xfd)),
            hidden: true,
            checksum: Some(([n; 20], false)),
            original_path: path.as_bytes(),
            ..image(n)
        };
        library.asset(&input, 1);
    };
    library.library("/mnt/photos", &["**/Raw/**", "**/*.TMP.jpg"]);
    library.library("/mnt/photos/inner", &[]);
    library.library("/mnt/unknown", &[]);
    library.map("/mnt/photos", &nas);
    external(0x81, "/mnt/photos/a.jpg", &mut library);
    external(0x82, "/mnt/photos/gone.jpg", &mut library);
    external(0x83, "/mnt/unknown/x/y.jpg", &mut library);
    external(0x84, "/mnt/photos/inner/b.jpg", &mut library);
    library.file("nas/a.jpg", b"1");
    library.file("nas/inner/b.jpg", b"1");
    library.file("nas/new.jpg", b"1");
    library.file("nas/raw/a.dng", b"1");
    library.file("nas/x.tmp.jpg", b"1");
    library.file("nas/notes.txt", b"1");
    library.file("nas/.thumbnails/a.jpg", b"1");
    let outcome = library.check();
    assert_eq!(outcome.skipped(SkipReason::NotMedia), 4);
    assert_eq!(outcome.walked.files, 6 + 3);
    insta::assert_json_snapshot!(outcome.json());
}

#[test]
fn rows_may_share_a_file() {
    let mut library = TestLibrary::new();
    library.file("media/library/anna/a.jpg", b"1");
    for n in [0x91, 0x92] {
        let input = AssetInput { original_path: b"/data/library/anna/a.jpg", hidden: true, ..image(n) };
        library.asset(&input, 1);
    }
    let outcome = library.check();
    assert_eq!(outcome.codes(), Vec::<String>::new());
    assert_eq!(outcome.walked.files, 1);
    assert_eq!(outcome.present.len(), 2);
}

#[test]
fn an_unfinished_move_is_followed() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.file("media/library/anna/2024/b.jpg", b"1");
    let input = AssetInput { original_path: b"/data/upload/b.jpg", hidden: true, ..image(0x12) };
    library.asset(&input, 1);
    library.interrupted_move(0x12, "/data/upload/b.jpg", "/data/library/anna/2024/b.jpg");
    insta::assert_json_snapshot!(library.check().json());
}

#[test]
fn wrong_mounts_stop_the_run() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.records.mount_flags.insert("thumbs".to_owned(), true);
    library.records.mount_flags.insert("upload".to_owned(), false);
    let outcome = library.check();
    assert!(matches!(outcome.mounts[..], [GuardError::MarkerMissing { .. }]), "{:?}", outcome.mounts);
    let text = outcome.mounts[0].to_string();
    assert!(text.contains("media/thumbs/.immich") && text.contains("mount the right disk"), "{text}");

    let library = TestLibrary::new();
    let empty = library.dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let outcome = library.check_at(&empty);
    assert!(matches!(outcome.mounts[..], [GuardError::Empty { .. }]));
}

#[test]
fn an_unmounted_external_library_stops_the_run() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.healthy(0x12, "/data");
    std::fs::create_dir(library.dir.path().join("nas")).unwrap();
    library.library("/mnt/photos", &[]);
    library.map("/mnt/photos", library.dir.path().join("nas"));
    let input = AssetInput { original_path: b"/mnt/photos/a.jpg", external: true, ..image(0x13) };
    library.asset(&input, 1);
    let outcome = library.check();
    assert!(
        matches!(outcome.mounts[..], [GuardError::ImportEmpty { expected: 1, .. }]),
        "{:?}",
        outcome.mounts
    );
    let text = outcome.mounts[0].to_string();
    assert!(text.contains("/mnt/photos is empty") && text.contains("--allow-mass-missing"), "{text}");
}

#[test]
fn losing_most_originals_or_the_map_stops_the_run() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    for n in 0x12..=0x13 {
        let path = format!("/data/{}", TestLibrary::upload_path(n, ".jpg"));
        library.asset(&AssetInput { original_path: path.as_bytes(), ..image(n) }, 1);
    }
    // Neither trashed nor offline originals count.
    for n in 0x14..=0x19 {
        let path = format!("/data/{}", TestLibrary::upload_path(n, ".jpg"));
        library.asset(&AssetInput { original_path: path.as_bytes(), trashed: true, ..image(n) }, 1);
    }
    let outcome = library.check();
    assert!(
        matches!(outcome.guard, Some(GuardError::MassMissing { missing: 2, expected: 3, .. })),
        "{:?}",
        outcome.guard
    );
    assert_eq!(outcome.census.guard(true), None);

    let mut library = TestLibrary::new();
    library.healthy(0x11, "/somewhere/else");
    library.map("/somewhere/else", "/nowhere/at/all");
    assert!(matches!(library.check().guard, Some(GuardError::MassMissing { .. })));

    let mut library = TestLibrary::new();
    let input = AssetInput { original_path: b"/lost/a/b/c.jpg", ..image(0x11) };
    library.asset(&input, 1);
    let guard = library.check().guard.unwrap().to_string();
    assert!(guard.contains("--map /lost/a=FOLDER"), "{guard}");
}

#[test]
fn without_records_nothing_is_claimed() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.rows = photofsck::immich::records::IndexBuilder::new();
    library.records.home = Home::None;
    library.records.media_location = None;
    let outcome = library.check();
    assert_eq!(outcome.codes(), Vec::<String>::new());
    assert_eq!((outcome.walked.files, outcome.guard), (3, None));
}

#[test]
fn folders_that_refuse_themselves_are_told_and_their_files_are_not_missing() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.healthy(0x12, "/data");
    let closed = library.media().join(format!("upload/{}/12/12", id(USER)));
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read_dir(&closed).is_ok() {
        eprintln!("not run: this user may read everything");
        return;
    }
    let outcome = library.check();
    let _ = std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755));
    assert_eq!(outcome.codes(), ["original.unreadable error", "unknown.unreadable error"]);
}

#[test]
fn a_path_that_goes_in_circles_is_unreadable_and_not_missing() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.healthy(0x12, "/data");
    let folder = library.media().join(format!("upload/{}/12", id(USER)));
    std::fs::remove_dir_all(&folder).unwrap();
    symlink("12", &folder).unwrap();
    let outcome = library.check();
    assert_eq!(outcome.codes(), ["original.unreadable error"]);
    assert_eq!(outcome.census.missing, 0);
}

#[test]
fn old_records_are_told() {
    let mut library = TestLibrary::new();
    library.healthy(0x11, "/data");
    library.file(format!("media/{}", TestLibrary::upload_path(0x12, ".jpg")), b"1");
    library.records.as_of = Some("2020-01-01T02:00:00Z".parse().unwrap());
    let outcome = library.check();
    assert_eq!(outcome.codes(), ["original.untracked info", "records.stale warning"]);
}

#[test]
fn shards_and_selections_are_disjoint_and_complete() {
    let build = || {
        let mut library = TestLibrary::new();
        for n in 0x10..0x30 {
            library.healthy(n, "/data");
        }
        for n in 0..16 {
            library.file(format!("media/library/anna/{n}.jpg"), b"1");
        }
        library
    };
    let whole = build().check();
    assert_eq!((whole.walked.files, whole.left_out), (112, 0));
    let mut seen = 0;
    for index in 1..=3 {
        let mut library = build();
        library.choice.shard = Shard { index, count: 3 };
        let part = library.check();
        assert_eq!(part.walked.files, 112);
        seen += part.walked.files - part.left_out;
        assert!(part.left_out > 20, "{}", part.left_out);
    }
    assert_eq!(seen, 112);
    let mut library = build();
    library.choice.only = Selection::Only(vec![Role::Preview]);
    let part = library.check();
    assert_eq!(part.walked.files - part.left_out, 32);
    assert_eq!(part.codes(), Vec::<String>::new());
}
