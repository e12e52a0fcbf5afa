//! A repair that is killed at any moment leaves a whole file at every final name, and the next run clears
//! what it left beside them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

#[path = "common/kill.rs"]
mod kill;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kill::{kill_child, moment};
use photofsck::model::{FileIdentity, RepairStatus, is_own_temporary};
use photofsck::repair::store::{Area, DiskStore, FileStore};

/// Set for the child only: the folder it repairs in.
const FOLDER: &str = "PHOTOFSCK_TEST_KILL_FOLDER";
const KILLS: u64 = 50;
const TARGETS: u64 = 4;

fn target(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("thumbs/user/{number:02x}/cd/asset_preview.jpeg"))
}

/// A file whose bytes tell whether all of them are there: a seed and what follows from it.
fn whole_file(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; 60_000 + usize::try_from(seed % 7).unwrap() * 30_000];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    reader.fill(&mut bytes[8..]);
    bytes
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes.get(..8).is_some_and(|seed| whole_file(u64::from_le_bytes(seed.try_into().unwrap())) == bytes)
}

fn store(folder: &Path, run: u64) -> DiskStore {
    DiskStore::open(run, &[Area::new(folder, "thumbs")], |_| false).unwrap()
}

/// The child: repairs until it is killed. Without the variable it is an empty test.
#[test]
fn child_repairs_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let run = u64::from(std::process::id());
    let store = store(&folder, run);
    println!("\nrepairing");
    for round in 0.. {
        let target = target(&folder, round % TARGETS);
        let seen = fs::symlink_metadata(&target).ok().as_ref().map(FileIdentity::from);
        let mut staged = store.begin(&target).unwrap();
        for piece in whole_file(run << 20 | round).chunks(4096) {
            staged.write(piece).unwrap();
        }
        staged.seal().unwrap();
        staged.commit(seen).unwrap();
        if round % 5 == 4 {
            // Folders that have to be made again are part of it.
            fs::remove_dir_all(target.parent().unwrap().parent().unwrap()).unwrap();
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

#[test]
fn killed_at_random_moments_no_half_file_is_left_at_a_final_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("thumbs")).unwrap();
    let (mut whole, mut cleared) = (0, 0);
    for kill in 0..KILLS {
        let after = moment(kill, Duration::from_micros(30_600));
        kill_child("child_repairs_until_it_is_killed", &[(FOLDER, folder)], "repairing", after);

        let (temporaries, finals): (Vec<_>, Vec<_>) =
            files(folder).into_iter().partition(|path| is_own_temporary(path.file_name().unwrap()));
        for path in &finals {
            assert!(is_whole(&fs::read(path).unwrap()), "half a file at {}", path.display());
            whole += 1;
        }
        for event in store(folder, kill).clear_temporaries(&temporaries) {
            assert_eq!(event.status, RepairStatus::Done, "{}", event.reason);
            cleared += 1;
        }
        assert!(files(folder).iter().all(|path| !is_own_temporary(path.file_name().unwrap())));
    }
    assert!(whole > KILLS / 2, "only {whole} whole files were seen: the child did not get far");
    assert!(cleared > 0, "no kill hit a repair in flight");
    println!("{KILLS} kills, {whole} whole files, {cleared} leftovers cleared");
}
