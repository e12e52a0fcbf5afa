//! Libraries with files and a dump, and a real database.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;

use photofsck::immich::schema::Era;

use super::library::{Library, original, picture};
use super::postgres;

#[test]
fn a_sound_library_has_no_problem_and_nothing_is_written() {
    let library = Library::new(10);
    let before = library.state();
    let media = library.media();
    let told = library.doctor(&["--media", media.to_str().unwrap()]);
    assert_eq!(told.exit, 0, "{}", told.text);
    told.fine("symptom", "of 10 assets originals, previews and thumbnails are all there");
    told.fine("location", "path map /data = ");
    told.fine("records", "10 assets from dump");
    told.fine("backups", "mine.sql is complete");
    told.fine("formats", "Immich takes all of 10 files");
    told.unknown("containers", "no Docker or Podman listens here");
    told.unknown("proxy", "--public-url");
    assert_eq!(told.lines[0]["type"], "run");
    assert!(told.lines[1..].iter().all(|line| line["type"] == "answer"), "{:?}", told.lines);
    assert!(told.text.contains("No problem was found"), "{}", told.text);
    assert_eq!(library.state(), before, "doctor wrote something");
}

#[test]
fn the_cause_is_mended_before_the_symptom() {
    let library = Library::new(10);
    fs::rename(library.media().join("thumbs"), library.folder.path().join("elsewhere")).unwrap();
    fs::create_dir(library.media().join("thumbs")).unwrap();
    let before = library.state();
    let told = library.doctor(&["--media", library.media().to_str().unwrap(), "-q"]);
    assert_eq!(told.exit, 4, "{}", told.text);
    told.problem("symptom", "no thumbnails: none of 20", "thumbs is not the one");
    told.problem("location", "/thumbs/.immich", "mount the right disk at ");
    assert!(told.text.contains("Do this first (location): mount the right disk at "), "{}", told.text);
    assert!(!told.text.contains("cannot tell"), "{}", told.text);
    assert_eq!(library.state(), before, "doctor wrote something");
}

#[test]
fn old_and_new_ones_are_told_apart() {
    let library = Library::new(100);
    // The first came first.
    for number in (0..100).filter(|number| number % 28 < 14) {
        fs::remove_file(library.media().join(picture(number, "thumbnail.webp"))).unwrap();
    }
    let told = library.doctor(&["--media", library.media().to_str().unwrap()]);
    told.problem("symptom", "only among the older ones", "photofsck repair makes exactly these again");
    fs::write(library.media().join(original(3)), "").unwrap();
    let told = library.doctor(&["--media", library.media().to_str().unwrap()]);
    told.problem("symptom", "originals are broken", "--originals-from");
}

#[test]
fn a_wrong_map_and_a_wrong_folder_are_named() {
    let library = Library::new(3);
    let media = library.media();
    let nowhere = library.folder.path().join("nowhere");
    let map = format!("/data={}", nowhere.display());
    let told = library.doctor(&["--media", media.to_str().unwrap(), "--map", &map]);
    told.problem("symptom", "no originals: none of 3", "not mounted here");
    let told = library.doctor(&["--media", nowhere.to_str().unwrap()]);
    assert_eq!(told.exit, 4, "{}", told.text);
    told.problem("location", "cannot be read: No such file", "mount it");
    told.problem("records", "there are none", "--db");
    told.unknown("space", "no folder of Immich's can be looked into");
    let told = library.doctor(&["--media", library.folder.path().to_str().unwrap()]);
    told.problem("location", "none of Immich's folders", "did you mean --media");
}

#[test]
fn the_files_that_the_containers_user_may_not_read_are_named_with_the_command() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: only root can give files to others");
        return;
    }
    let library = Library::new(4);
    let compose = library.compose("    user: 1000:1000\n");
    let give = |owner: u32| {
        for entry in walkdir::WalkDir::new(library.media()).into_iter().map(Result::unwrap) {
            chown(entry.path(), Some(owner), Some(owner)).unwrap();
        }
    };
    give(1000);
    let told = library.doctor(&["--compose", compose.to_str().unwrap()]);
    told.fine("permissions", "user 1000:1000, who may use all");
    told.fine("compose", "the server sees /data");
    let closed = library.media().join(original(2));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&closed, Some(0), Some(0)).unwrap();
    let told = library.doctor(&["--compose", compose.to_str().unwrap()]);
    let upload = library.media().join("upload");
    told.problem(
        "permissions",
        &format!(
            "may not read 1 file or folder below {}, for example {} (0:0, mode 600)",
            upload.display(),
            closed.display()
        ),
        &format!("sudo chown -R 1000:1000 {0} && sudo chmod -R u+rwX {0}", upload.display()),
    );
    assert!(!told.text.contains("777"), "{}", told.text);
}

#[test]
fn a_folder_that_is_read_only_is_named() {
    let library = Library::new(2);
    let thumbs = library.media().join("thumbs");
    let script = format!(
        "mount --bind '{0}' '{0}' && mount -o remount,ro,bind '{0}' && exec \"$@\"",
        thumbs.display()
    );
    let out = library.folder.path().join("out.ndjson");
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
        .arg(env!("CARGO_BIN_EXE_photofsck"))
        .args(["doctor", "--media"])
        .arg(library.media())
        .arg("--json")
        .arg(&out)
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if text.is_empty() {
        eprintln!("NOT RUN: no mount can be made here: {stderr}");
        return;
    }
    assert!(text.contains("mounted read-only"), "{text}");
    assert!(text.contains("Do this first (mounts): look into dmesg first"), "{text}");
}

#[test]
fn a_live_database_is_examined_and_a_dead_one_is_a_problem() {
    let library = Library::new(3);
    let media = library.media();
    let dead = "postgres://immich:s3cret@127.0.0.1:1/immich";
    let told = library.doctor(&["--media", media.to_str().unwrap(), "--db", dead]);
    told.problem("database", "Connection refused", "is the container of the database up");
    told.fine("records", "(see database)");
    assert!(!told.text.contains("s3cret"), "{}", told.text);
    let Some(server) = postgres::server() else { return };
    let rows = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/schemas/rows.sql");
    let url = postgres::database(&server, "doctor", Era::E5, &fs::read_to_string(rows).unwrap());
    let told = library.doctor(&["--media", media.to_str().unwrap(), "--db", &url]);
    told.problem("database", "none of the extensions vchord, vector and vectors", "image of Immich's own");
    told.problem("records", "1 move of a file unfinished", "--relink");
    told.problem("records", "8 assets from postgres://", "");
    postgres::sql(
        &url,
        "CREATE TABLE IF NOT EXISTS version_history (id int, \"createdAt\" timestamptz, version text); \
         CREATE TABLE IF NOT EXISTS kysely_migrations (name text, timestamp text); \
         INSERT INTO kysely_migrations VALUES ('1744910873969-InitialMigration', ''); \
         DELETE FROM version_history; \
         INSERT INTO version_history (\"createdAt\", version) VALUES ('2026-01-02', '2.3.1'), ('2026-01-01', '2.4.0')",
    );
    let told = library.doctor(&["--media", media.to_str().unwrap(), "--db", &url]);
    told.problem("database", "Immich 2.3.1 started after a newer one", "cannot go back");
    told.problem("database", "1 migrations, the last 1744910873969-InitialMigration", "");
    let wrong = url.replace(&postgres::password(&server), "wr0ng");
    let told = library.doctor(&["--media", media.to_str().unwrap(), "--db", &wrong]);
    told.problem("database", "refuses the login", "check user, password");
    assert!(!told.text.contains("wr0ng"), "{}", told.text);
}
