//! Records of every era from a real PostgreSQL: live, and as the dumps that its own tools write.
//!
//! Needs a throw-away server whose address is in `PHOTOFSCK_TEST_PG`; `scripts/with-postgres` starts one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use photofsck::immich::records::{
    AssetIdx, AssetKind, AssetView, Direct, DumpSource, Edit, FileOwner, PostgresSource, RecordError,
    RecordSource, Records, details_from_database, details_from_dump, read_dump,
};
use photofsck::immich::schema::Era;
use photofsck::model::{Area, AssetId, FaceBox, Orientation, PixelSize, Role, display_path};

#[path = "common/postgres.rs"]
mod postgres;

use postgres::{database, gzip, output, password, pg_dump, pg_dumpall, server, sql};

const ERAS: [Era; 7] = [Era::E0, Era::E1, Era::E2, Era::E3, Era::E4, Era::E5, Era::E6];

/// A new database of an era with the facts that all eras share.
fn library(server: &str, name: &str, era: Era) -> String {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/schemas/rows.sql");
    database(server, name, era, &std::fs::read_to_string(rows).unwrap())
}

fn live(url: &str) -> Result<Records, RecordError> {
    PostgresSource::new(url)?.load(&mut |_| ())
}

fn dumped(text: &[u8]) -> Result<Records, RecordError> {
    read_dump(text, "out.sql", "dump out.sql".to_owned(), &mut |_| ())
}

/// Everything in the records, in an order of its own.
fn everything(records: &Records) -> Vec<String> {
    let index = &records.index;
    let mut lines: Vec<String> = index
        .assets()
        .map(|idx| {
            let view = index.asset(idx);
            let video = view.live_video.map(|video| index.asset(video).id);
            format!("{:?} {video:?}", without_numbers(view))
        })
        .collect();
    lines.extend(index.files().map(|idx| {
        let file = index.file(idx);
        let owner = match file.owner {
            FileOwner::Asset(asset) => index.asset(asset).id,
            FileOwner::Person(person) => index.person(person).unwrap().id,
            FileOwner::User(user) => index.user(user).unwrap(),
        };
        format!("{} {} {} {owner}", display_path(&index.record_path(idx)), file.role, file.edited)
    }));
    lines.sort();
    let Records {
        schema,
        image,
        media_location,
        mount_flags,
        libraries,
        users,
        edits,
        moves,
        server_version,
        ..
    } = records;
    lines.push(format!("{schema:?} {image:?} {media_location:?} {mount_flags:?} {libraries:?} {users:?} {edits} {moves:?} {server_version:?}"));
    lines
}

/// A view without the numbers that depend on the order of rows.
fn without_numbers(view: AssetView<'_>) -> AssetView<'_> {
    AssetView { idx: AssetIdx(0), live_video: None, ..view }
}

fn id(number: u8) -> AssetId {
    format!("c{number}000000-0000-4000-8000-00000000000{number}").parse().unwrap()
}

fn expect_facts(records: &Records, era: Era) {
    assert_eq!(records.schema.era, Some(era), "{:?}", records.schema);
    assert_eq!(records.schema.problems, Vec::<String>::new());
    assert!(records.schema.writable());
    assert_eq!((records.info.era.clone(), records.info.assets), (era.to_string(), 8));
    let index = &records.index;
    let asset = |number| index.asset(index.find_asset(id(number)).unwrap());
    let paths = |number| -> Vec<(Role, bool, PathBuf)> {
        let files = index.files_of(asset(number).idx).map(|idx| (index.file(idx), index.record_path(idx)));
        files.map(|(file, path)| (file.role, file.edited, path)).collect()
    };
    let data = if era <= Era::E1 { "upload" } else { "/data" };
    let plain = asset(1);
    assert_eq!((plain.kind, plain.size, plain.name), (AssetKind::Image, Some(1001), &b"IMG_1.jpg"[..]));
    assert_eq!((plain.checksum, plain.orientation.unwrap().exif()), (Some([1; 20]), 6));
    assert_eq!(plain.thumbhash.unwrap().len(), 17);
    let thumbs = format!("{data}/thumbs/a0000000-0000-4000-8000-000000000001/c1/00/{}", id(1));
    assert_eq!(
        paths(1),
        [
            (Role::Original, false, format!("{data}/library/admin/2024/2024-05-05/IMG_1.jpg").into()),
            (Role::Preview, false, format!("{thumbs}_preview.jpeg").into()),
            (Role::Thumbnail, false, format!("{thumbs}_thumbnail.webp").into()),
        ]
    );
    assert_eq!(asset(2).name, "Ferien\t1\\2\nÜberlingen.HEIC".as_bytes());
    assert_eq!((asset(2).size, asset(2).orientation.unwrap().exif()), (Some(5_000_000_000), 6));
    assert!(asset(3).archived && asset(3).live_video == Some(asset(4).idx));
    assert!(asset(4).hidden && asset(4).motion_part && asset(4).checksum == Some([4; 20]));
    assert_eq!(paths(4).len(), 1);
    let external = asset(5);
    assert!(external.external && external.equirectangular && external.library.is_some());
    assert_eq!((external.checksum, external.path_checksum), (None, Some([5; 20])));
    let film = asset(6);
    assert!(film.trashed && !film.offline && film.kind == AssetKind::Video);
    let roles: Vec<Role> = paths(6).iter().map(|(role, ..)| *role).collect();
    assert_eq!(roles, [Role::Original, Role::Preview, Role::Thumbnail, Role::Video, Role::Sidecar]);
    assert!(asset(7).offline && asset(7).trashed);
    assert_eq!(asset(8).locked, era >= Era::E2);
    assert_eq!(paths(8).iter().filter(|(_, edited, _)| *edited).count(), if era >= Era::E4 { 3 } else { 0 });
    assert_eq!((asset(8).edited, records.edits), if era >= Era::E4 { (true, 3) } else { (false, 0) });

    let count = |role| index.files().filter(|&file| index.file(file).role == role).count();
    assert_eq!((count(Role::Person), count(Role::Profile)), (3, 1));
    let portraits: Vec<_> = index
        .portraits_of(plain.idx)
        .map(|(person, file)| (index.person(person).unwrap().face.unwrap().place, file.is_some()))
        .collect();
    let place = |from, to| FaceBox::new((1920, 1440), from, to).unwrap();
    assert_eq!(portraits, [(place((600, 400), (800, 700)), true), (place((0, 1300), (90, 1440)), false)]);
    assert_eq!(index.portraits_of(asset(2).idx).count(), 0);
    let edits: Vec<_> = index.edits_of(asset(8).idx).collect();
    let turn = |exif| Edit::Turn(Orientation::from_exif(exif).unwrap());
    let crop = Edit::Crop(Area { left: 10, top: 20, size: PixelSize::new(300, 200) });
    assert_eq!(edits, if era >= Era::E4 { vec![crop, turn(6), turn(4)] } else { vec![] });
    assert_eq!(records.media_location.as_deref(), Some(Path::new("/data")));
    assert_eq!((records.image.preview.size, records.image.preview.quality), (1920, 80));
    assert!(records.notes.iter().any(|note| note.contains("quality is \"best\"")), "{:?}", records.notes);
    assert_eq!(records.mount_flags.get("thumbs"), Some(&true));
    assert_eq!(records.mount_flags.get("profile"), Some(&false));
    assert_eq!(records.libraries.len(), 1);
    assert_eq!(
        records.libraries[0].import_paths,
        [Path::new("/mnt/nas"), Path::new("/mnt/with space, comma and \"quotes\" \\ ")]
    );
    assert_eq!(records.libraries[0].exclusion_patterns, ["**/raw/**"]);
    assert_eq!(records.users.len(), 2);
    assert_eq!(
        records.users.iter().filter_map(|user| user.storage_label.as_deref()).collect::<Vec<_>>(),
        ["admin"]
    );
    assert_eq!(records.moves.len(), 1);
    assert_eq!(records.server_version.as_deref(), Some("9.9.9"));
    assert_eq!(records.incomplete, None);
}

#[test]
fn all_homes_agree_in_every_era() {
    let Some(server) = server() else { return };
    for era in ERAS {
        let url = library(&server, "immich", era);
        let records = live(&url).unwrap();
        expect_facts(&records, era);
        assert!(records.as_of.is_some());
        let expected = everything(&records);
        let plain = pg_dump(&url, &["--clean", "--if-exists"]);
        // Other tests make and drop theirs at the same time.
        let cluster = pg_dumpall(&server, &["[^i]*"]);
        for (what, text) in [
            ("plain", plain.clone()),
            ("gzip", gzip(&plain)),
            ("data only", pg_dump(&url, &["--data-only"])),
            ("cluster", cluster.clone()),
            ("cluster, gzip", gzip(&cluster)),
        ] {
            let records = dumped(&text).unwrap_or_else(|error| panic!("{era} {what}: {error}"));
            assert_eq!(records.incomplete, None, "{era} {what}");
            assert_eq!(everything(&records), expected, "{era} {what}");
        }
    }
}

/// Only the newest and one of the oldest: tables and columns of albums were renamed once between them.
#[test]
fn database_and_dump_tell_the_same_of_albums_dates_and_cameras() {
    let Some(server) = server() else { return };
    for (era, name, [asset, exif, album, link], [album_id, asset_id]) in [
        (
            Era::E1,
            "details_old",
            ["assets", "exif", "albums", "albums_assets_assets"],
            ["albumsId", "assetsId"],
        ),
        (Era::E6, "details_new", ["asset", "asset_exif", "album", "album_asset"], ["albumId", "assetId"]),
    ] {
        let url = library(&server, name, era);
        let records = live(&url).unwrap();
        let ids: Vec<AssetId> = records.index.assets().map(|idx| records.index.asset(idx).id).collect();
        let (known, plain, other) = (ids[0], ids[1], ids[2]);
        sql(
            &url,
            &format!(
                "CREATE TABLE {album} (id uuid PRIMARY KEY, \"albumName\" varchar, \"deletedAt\" timestamptz); \
                 CREATE TABLE {link} (\"{album_id}\" uuid, \"{asset_id}\" uuid); \
                 INSERT INTO {album} VALUES ('{other}', E'Meer\\t& \\\\ Strand', NULL), ('{plain}', 'gone', now()); \
                 INSERT INTO {link} VALUES ('{other}', '{known}'), ('{plain}', '{known}'), ('{other}', '{other}'); \
                 ALTER TABLE {asset} ADD COLUMN IF NOT EXISTS \"localDateTime\" timestamptz; \
                 UPDATE {asset} SET \"localDateTime\" = '2024-05-01 10:15:30.5+00'; \
                 ALTER TABLE {exif} ADD COLUMN model varchar; \
                 UPDATE {exif} SET make = 'Apple', model = 'iPhone 12' WHERE \"assetId\" = '{known}'"
            ),
        );
        let wanted = BTreeSet::from([known, plain]);
        let asked = details_from_database(&url, &wanted).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), gzip(&pg_dump(&url, &[]))).unwrap();
        assert_eq!(details_from_dump(&Direct, file.path(), &wanted).unwrap(), asked, "{era}");
        assert_eq!(asked[&known].albums, ["Meer\t& \\ Strand"]);
        assert_eq!(asked[&known].taken.as_deref(), Some("2024-05-01 10:15"));
        assert_eq!(asked[&known].device.as_deref(), Some("Apple iPhone 12"));
        assert!(asked[&plain].albums.is_empty() && !asked.contains_key(&other));
    }
}

#[test]
fn a_cut_dump_is_always_incomplete() {
    let Some(server) = server() else { return };
    let text = pg_dump(&library(&server, "cut", Era::E1), &[]);
    let tail = b"-- PostgreSQL database dump complete";
    let end = text.windows(tail.len()).position(|window| window == tail).unwrap() + tail.len();
    let mut cuts = 0;
    for cut in (0..end).step_by(397).chain(end - 3..end) {
        let records = dumped(&text[..cut]).unwrap_or_else(|error| panic!("{cut}: {error}"));
        assert!(records.incomplete.is_some(), "{cut}");
        cuts += 1;
    }
    let packed = gzip(&text);
    for cut in (2..packed.len()).step_by(211).chain(packed.len() - 9..packed.len()) {
        let records = dumped(&packed[..cut]).unwrap_or_else(|error| panic!("{cut}: {error}"));
        assert!(records.incomplete.is_some(), "{cut}");
        cuts += 1;
    }
    assert!(cuts > 100, "{cuts}");
}

#[test]
fn other_formats_are_named_with_the_command_that_helps() {
    let Some(server) = server() else { return };
    let url = library(&server, "formats", Era::E4);
    let folder = tempfile::tempdir().unwrap();
    for format in ["custom", "tar", "directory"] {
        let path = folder.path().join(format);
        pg_dump(&url, &[&format!("--format={format}"), &format!("--file={}", path.display())]);
        let error = DumpSource::file(&path).load(&mut |_| ()).unwrap_err().to_string();
        let command = format!("pg_restore -f out.sql {}", path.display());
        assert!(error.contains(&command), "{error}");
        // The command does help.
        let out = folder.path().join(format!("{format}.sql"));
        output(Command::new("pg_restore").arg("-f").arg(&out).arg(&path));
        let records = DumpSource::file(&out).load(&mut |_| ()).unwrap();
        assert_eq!((records.index.asset_count(), records.incomplete), (8, None));
        assert!(records.as_of.is_some());
    }
    let error = dumped(&pg_dump(&url, &["--inserts"])).unwrap_err().to_string();
    assert!(error.contains("INSERT"), "{error}");
}

#[test]
fn what_keeps_from_reading_is_told_without_the_password() {
    let Some(server) = server() else { return };
    let secret = password(&server);
    let url = library(&server, "refused", Era::E4);
    sql(
        &url,
        "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'reader-secret'; GRANT SELECT ON asset TO reader",
    );
    let host = server.split_once('@').unwrap().1;
    let cases = [
        (url.replace(&secret, "wrong-secret"), "refuses the login"),
        (format!("{server}/nowhere"), "refuses the login"),
        (format!("{server}/postgres"), "looked for a table"),
        (format!("{url}?sslmode=require"), "TLS"),
        (format!("postgres://reader:reader-secret@{host}/refused"), "permission denied"),
        (format!("postgres://u:{secret}@127.0.0.1:1/x"), "cannot connect"),
    ];
    for (url, words) in cases {
        let error = live(&url).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(words), "{text}");
        assert!(!text.contains(&secret) && !text.contains("-secret"), "{text}");
    }
    sql(&url, "DROP OWNED BY reader; DROP ROLE reader");
    if let Ok(socket) = std::env::var("PHOTOFSCK_TEST_PG_SOCKET") {
        let port = host.rsplit_once(':').unwrap().1;
        let url = format!("postgres://photofsck:{secret}@{}:{port}/refused", socket.replace('/', "%2F"));
        assert_eq!(live(&url).unwrap().index.asset_count(), 8);
    }
}

#[test]
fn a_database_that_goes_away_is_told() {
    let Some(server) = server() else { return };
    let url = library(&server, "lost", Era::E4);
    sql(
        &url,
        "INSERT INTO asset_file (path, type, \"assetId\") SELECT repeat('x', 200) || n, 'preview', gen_random_uuid() FROM generate_series(1, 200000) n",
    );
    let mut source = PostgresSource::new(&url).unwrap();
    let mut told = false;
    let error = source
        .load(&mut |_| {
            if !told {
                told = true;
                let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'lost' AND application_name = 'photofsck'";
                let server = server.clone();
                std::thread::spawn(move || sql(&format!("{server}/postgres"), kill)).join().unwrap();
            }
        })
        .unwrap_err();
    assert!(error.may_pass());
    let RecordError::Lost { table, rows, .. } = &error else { panic!("{error:?}") };
    assert_eq!(table, "asset_file");
    assert!(*rows >= 8192 && *rows < 200_008, "{rows}");
}

/// A way to the server on which the first connection ends in the middle of a table.
fn way_that_breaks_once(server: &str) -> u16 {
    let address = server.rsplit_once('@').unwrap().1.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (client, far) = (client.unwrap(), TcpStream::connect(&address).unwrap());
            let (mut to_server, mut from_client) = (far.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
            let most = if number == 0 { 1 << 20 } else { u64::MAX };
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut (&far).take(most), &mut &client);
                let _ = (client.shutdown(Shutdown::Both), far.shutdown(Shutdown::Both));
            });
        }
    });
    port
}

#[test]
fn a_run_reads_a_database_again_that_went_away() {
    let Some(server) = server() else { return };
    let url = library(&server, "restarted", Era::E4);
    sql(
        &url,
        "INSERT INTO asset_file (path, type, \"assetId\") SELECT repeat('x', 200) || n, 'preview', gen_random_uuid() FROM generate_series(1, 20000) n",
    );
    let (login, _) = server.rsplit_once('@').unwrap();
    let broken = format!("{login}@127.0.0.1:{}/restarted?sslmode=disable", way_that_breaks_once(&server));
    let folder = tempfile::tempdir().unwrap();
    let run = |url: &str| {
        let mut run = Command::new(env!("CARGO_BIN_EXE_photofsck"));
        run.args(["check", "--quick", "--progress", "never", "--color", "never", "--db", url, "--media"]);
        run.arg(folder.path()).arg("--state").arg(folder.path().join("state"));
        let told = run.output().unwrap();
        let text = [told.stdout, told.stderr].concat();
        (told.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (status, told) = run(&broken);
    assert!(told.contains("the records were asked for again: lost the database at"), "{told}");
    assert!(told.contains("while reading asset_file"), "{told}");
    // And comes to the same as one that was never disturbed.
    assert_eq!(status, run(&url).0, "{told}");
    let gone = format!("{login}@127.0.0.1:1/restarted");
    assert_eq!(run(&gone).0, Some(8), "nobody waits for a database that was never there");
}

#[test]
fn forks_and_mixtures_are_read_and_never_written() {
    let Some(server) = server() else { return };
    let url = library(&server, "fork", Era::E4);
    for (change, back, words) in [
        (
            "ALTER TABLE asset ADD \"physicalOriginalFileId\" uuid",
            "ALTER TABLE asset DROP \"physicalOriginalFileId\"",
            "physicalOriginalFileId",
        ),
        (
            "CREATE SCHEMA immich_fork; CREATE TABLE immich_fork.t (id int)",
            "DROP SCHEMA immich_fork CASCADE",
            "immich_fork",
        ),
        (
            "ALTER TABLE asset DROP \"deviceAssetId\"",
            "ALTER TABLE asset ADD \"deviceAssetId\" varchar",
            "integrity_report",
        ),
        (
            "UPDATE asset SET checksum = checksum || '\\x000102030405060708090a0b'::bytea",
            "SELECT 1",
            "32 bytes",
        ),
    ] {
        sql(&url, change);
        for records in [live(&url).unwrap(), dumped(&pg_dump(&url, &[])).unwrap()] {
            assert_eq!(records.index.asset_count(), 8);
            assert!(!records.schema.writable());
            assert_eq!(records.info.era, "unknown");
            let problems = records.schema.problems.join("; ");
            assert!(problems.contains(words), "{problems}");
        }
        sql(&url, back);
    }
}
