#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::print_stderr, reason = "a test that cannot run here says so")]

mod power_tests;
mod transfer_tests;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::Errno;

use super::gate::{Gate, Step};
use super::{Area, Committed, DiskStore, DryRunStore, FileStore, Refusal, StoreError, Trouble};
use crate::model::{FileIdentity, RepairStatus, is_own_temporary, own_temporary_name};

const OLD: &[u8] = b"the old picture, broken";
const NEW: &[u8] = b"the new picture, which is longer than the old one so that halves show";

/// Tells whether a refusal is the expected one.
type Expected = fn(&Refusal) -> bool;

/// A small media location.
struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(lab.path("thumbs/u/ab/cd")).unwrap();
        fs::create_dir_all(lab.path("upload/u")).unwrap();
        lab
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn put(&self, below: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(below);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn store(&self) -> DiskStore {
        let original = self.path("thumbs/u/ab/cd/original.jpg");
        let areas = [Area::new(self.folder.path(), "thumbs")];
        DiskStore::open(0xfeed, &areas, move |path| path == original).unwrap()
    }

    fn gated(&self, gate: impl Gate + 'static) -> DiskStore {
        let mut store = self.store();
        store.gate = Arc::new(gate);
        store
    }

    /// Every file and folder below, with its bytes.
    fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        walkdir::WalkDir::new(self.folder.path())
            .into_iter()
            .map(|entry| {
                let entry = entry.unwrap();
                let bytes =
                    if entry.file_type().is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
                (entry.into_path(), bytes)
            })
            .collect()
    }
}

fn seen(path: &Path) -> Option<FileIdentity> {
    fs::symlink_metadata(path).ok().as_ref().map(FileIdentity::from)
}

fn write(store: &dyn FileStore, target: &Path, bytes: &[u8]) -> Result<Committed, StoreError> {
    let seen = seen(target);
    let mut staged = store.begin(target)?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    staged.write(first)?;
    staged.write(second)?;
    let mut written = Vec::new();
    staged.seal()?.read_to_end(&mut written).unwrap();
    assert_eq!(written, bytes);
    staged.commit(seen)
}

fn refusal(result: Result<(), StoreError>) -> Refusal {
    match result {
        Err(StoreError::Refused { why, .. }) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn replaces_a_file_and_keeps_its_mode() {
    let lab = Lab::new();
    let target = lab.put("thumbs/u/ab/cd/a.jpeg", OLD);
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    let committed = write(&lab.store(), &target, NEW).unwrap();
    assert_eq!(
        committed,
        Committed { status: RepairStatus::Done, bytes: NEW.len() as u64, notes: Vec::new() }
    );
    assert_eq!(fs::read(&target).unwrap(), NEW);
    assert_eq!(target.metadata().unwrap().mode() & 0o7777, 0o640);
    assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_new_file_looks_like_its_sibling_and_without_one_like_its_folder() {
    let lab = Lab::new();
    let sibling = lab.put("thumbs/u/ab/cd/b.webp", OLD);
    fs::set_permissions(&sibling, fs::Permissions::from_mode(0o604)).unwrap();
    let target = lab.path("thumbs/u/ab/cd/a.jpeg");
    write(&lab.store(), &target, NEW).unwrap();
    assert_eq!(target.metadata().unwrap().mode() & 0o7777, 0o604);

    fs::set_permissions(lab.path("thumbs/u"), fs::Permissions::from_mode(0o2750)).unwrap();
    let target = lab.path("thumbs/u/12/34/a.jpeg");
    write(&lab.store(), &target, NEW).unwrap();
    assert_eq!(target.metadata().unwrap().mode() & 0o7777, 0o640);
    for folder in ["thumbs/u/12", "thumbs/u/12/34"] {
        assert_eq!(lab.path(folder).metadata().unwrap().mode() & 0o7777, 0o2750, "{folder}");
    }
}

#[test]
fn makes_the_whole_area_when_it_is_gone() {
    let lab = Lab::new();
    fs::remove_dir_all(lab.path("thumbs")).unwrap();
    let target = lab.path("thumbs/u/ab/cd/a.jpeg");
    write(&lab.store(), &target, NEW).unwrap();
    assert_eq!(fs::read(&target).unwrap(), NEW);
}

#[test]
fn owners_follow_and_where_they_cannot_it_is_told() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: the test of owners did not run");
        return;
    }
    let lab = Lab::new();
    let target = lab.put("thumbs/u/ab/cd/a.jpeg", OLD);
    std::os::unix::fs::chown(&target, Some(4242), Some(4343)).unwrap();
    write(&lab.store(), &target, NEW).unwrap();
    let metadata = target.metadata().unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (4242, 4343));

    let store = lab.gated(Shut { step: Step::Own, errno: Errno::PERM });
    let committed = write(&store, &target, OLD).unwrap();
    assert_eq!(committed.status, RepairStatus::Done);
    assert!(committed.notes[0].contains("4242:4343"), "{:?}", committed.notes);
}

#[test]
fn refuses_everything_outside_the_rules_and_touches_nothing() {
    let lab = Lab::new();
    let original = lab.put("thumbs/u/ab/cd/original.jpg", OLD);
    let upload = lab.put("upload/u/a.jpg", OLD);
    symlink(&upload, lab.path("thumbs/u/ab/cd/link.jpeg")).unwrap();
    symlink(lab.path("upload/u"), lab.path("thumbs/u/ef")).unwrap();
    symlink("/nowhere", lab.path("thumbs/u/gone")).unwrap();
    fs::create_dir(lab.path("thumbs/u/ab/cd/folder.jpeg")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        lab.path("thumbs/u/ab/cd/fifo.jpeg"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    lab.put("thumbs/u/file", OLD);
    let before = lab.tree();
    let cases: [(PathBuf, Expected); 11] = [
        (original, |why| *why == Refusal::Original),
        (upload, |why| *why == Refusal::OutsideAreas),
        (lab.path("thumbs"), |why| *why == Refusal::OutsideAreas),
        (lab.path("thumbs/u/../../upload/u/a.jpg"), |why| *why == Refusal::NotPlain),
        (PathBuf::from("/etc/passwd"), |why| *why == Refusal::OutsideAreas),
        (lab.path("thumbs/u/ab/cd/link.jpeg"), |why| *why == Refusal::SymbolicLink),
        (lab.path("thumbs/u/ef/a.jpg"), |why| matches!(why, Refusal::FolderNotReal(_))),
        (lab.path("thumbs/u/gone/a.jpg"), |why| matches!(why, Refusal::FolderNotReal(_))),
        (lab.path("thumbs/u/file/a.jpg"), |why| matches!(why, Refusal::FolderNotReal(_))),
        (lab.path("thumbs/u/ab/cd/folder.jpeg"), |why| *why == Refusal::NotAFile),
        (lab.path("thumbs/u/ab/cd/fifo.jpeg"), |why| *why == Refusal::NotAFile),
    ];
    let store = lab.store();
    for (target, expected) in cases {
        let why = refusal(store.check(&target));
        assert!(expected(&why), "check {}: {why:?}", target.display());
        let why = refusal(store.begin(&target).map(drop));
        assert!(expected(&why), "begin {}: {why:?}", target.display());
    }
    let mut after = lab.tree();
    after.retain(|path, _| before.contains_key(path) || !path.ends_with("fifo.jpeg"));
    assert_eq!(after, before);
}

#[test]
fn what_changed_meanwhile_is_left_alone() {
    let lab = Lab::new();
    let store = lab.store();
    let target = lab.put("thumbs/u/ab/cd/a.jpeg", OLD);
    let before = seen(&target);
    let stage = || {
        let mut staged = store.begin(&target).unwrap();
        staged.write(NEW).unwrap();
        staged.seal().unwrap();
        staged
    };
    let is_changed = |result| matches!(result, Err(StoreError::ChangedMeanwhile { .. }));

    let staged = stage();
    fs::write(&target, b"written by Immich meanwhile").unwrap();
    assert!(is_changed(staged.commit(before)), "changed in place");
    assert_eq!(fs::read(&target).unwrap(), b"written by Immich meanwhile");

    assert!(is_changed(stage().commit(None)), "appeared");
    let before = seen(&target);
    let staged = stage();
    fs::remove_file(&target).unwrap();
    assert!(is_changed(staged.commit(before)), "vanished");
    assert!(!target.exists());
    assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_dropped_leaves_nothing_behind() {
    let lab = Lab::new();
    let before = lab.tree();
    let store = lab.store();
    let mut staged = store.begin(&lab.path("thumbs/v/12/34/a.jpeg")).unwrap();
    staged.write(NEW).unwrap();
    assert_ne!(lab.tree(), before);
    drop(staged);
    assert_eq!(lab.tree(), before);
}

/// Fails every call of one kind.
struct Shut {
    step: Step,
    errno: Errno,
}

impl Gate for Shut {
    fn pass(&self, step: Step) -> io::Result<()> {
        if step == self.step { Err(self.errno.into()) } else { Ok(()) }
    }
}

/// Fails the n-th call, and with `ever_after` all that follow; writes at most seven bytes at a time.
struct FailAt {
    calls: Arc<AtomicUsize>,
    at: usize,
    ever_after: bool,
    errno: Errno,
}

impl Gate for FailAt {
    fn pass(&self, _step: Step) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if call == self.at || (self.ever_after && call > self.at) { Err(self.errno.into()) } else { Ok(()) }
    }

    fn share(&self, wanted: usize) -> usize {
        wanted.min(7)
    }
}

/// Runs one repair with a fault at every call in turn and holds the invariant against the outcome.
fn fail_everywhere(target: &str, old: Option<&[u8]>, ever_after: bool, errno: Errno) -> usize {
    for at in 0.. {
        let lab = Lab::new();
        let path = lab.path(target);
        if let Some(old) = old {
            lab.put(target, old);
        }
        let before = lab.tree();
        let calls = Arc::new(AtomicUsize::new(0));
        let store = lab.gated(FailAt { calls: calls.clone(), at, ever_after, errno });
        let result = write(&store, &path, NEW);
        drop(store);
        let now = fs::read(&path).ok();
        let case = format!("{target}, call {at}, ever after {ever_after}: {result:?}");
        match &result {
            Ok(_) => assert_eq!(now.as_deref(), Some(NEW), "{case}"),
            Err(StoreError::System { .. }) if ever_after => {
                assert_eq!(now.as_deref(), old, "{case}");
                // Nothing could be removed either: the next run sweeps.
                let left: Vec<_> = lab.tree().into_keys().filter(|path| !before.contains_key(path)).collect();
                let temporaries: Vec<_> =
                    left.into_iter().filter(|path| is_own_temporary(path.file_name().unwrap())).collect();
                for event in lab.store().clear_temporaries(&temporaries) {
                    assert_eq!(event.status, RepairStatus::Done, "{case}: {}", event.reason);
                }
                let files = |tree: BTreeMap<PathBuf, Vec<u8>>| -> Vec<PathBuf> {
                    tree.into_keys().filter(|path| path.is_file()).collect()
                };
                assert_eq!(files(lab.tree()), files(before), "{case}");
            }
            Err(StoreError::System { .. }) => {
                assert_eq!(lab.tree(), before, "{case}");
            }
            Err(other) => panic!("{case}: {other}"),
        }
        if calls.load(Ordering::Relaxed) <= at {
            assert!(result.is_ok(), "{case}");
            return at;
        }
    }
    unreachable!("the loop ends when no call is left to fail")
}

#[test]
fn a_fault_at_any_call_leaves_the_old_file_or_the_new_one_and_no_other() {
    let mut calls = 0;
    for ever_after in [false, true] {
        for errno in [Errno::NOSPC, Errno::IO] {
            calls += fail_everywhere("thumbs/u/ab/cd/a.jpeg", Some(OLD), ever_after, errno);
            calls += fail_everywhere("thumbs/u/ab/cd/a.jpeg", None, ever_after, errno);
            calls += fail_everywhere("thumbs/new/12/34/a.jpeg", None, ever_after, errno);
        }
    }
    assert!(calls > 200, "only {calls} calls were failed");
}

#[test]
fn trouble_is_typed_and_says_what_to_do() {
    let lab = Lab::new();
    let target = lab.put("thumbs/u/ab/cd/a.jpeg", OLD);
    let cases = [
        (Errno::NOSPC, Trouble::Full, true, "free some space"),
        (Errno::DQUOT, Trouble::Quota, true, "quota"),
        (Errno::ROFS, Trouble::ReadOnly, true, "read-only"),
        (Errno::IO, Trouble::Device, true, "kernel log"),
        (Errno::ACCESS, Trouble::Permission, false, "as root"),
        (Errno::MFILE, Trouble::Other, false, "run repair again"),
    ];
    for (errno, trouble, stops, words) in cases {
        let store = lab.gated(Shut { step: Step::Write, errno });
        let error = write(&store, &target, NEW).unwrap_err();
        assert_eq!((error.trouble(), error.stops_repair()), (Some(trouble), stops), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("cannot write"), "{error}");
    }
    // A folder that cannot be synced after the rename is told, not taken back.
    let store = lab.gated(Shut { step: Step::SyncFolder, errno: Errno::IO });
    let committed = write(&store, &target, NEW).unwrap();
    assert!(committed.notes[0].contains("could not be synced"));
}

#[test]
fn a_disk_that_fills_up_keeps_the_old_file() {
    let lab = Lab::new();
    let mount = lab.path("thumbs/u");
    let mounted = rustix::process::geteuid().is_root()
        && std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "photofsck-test"])
            .arg(&mount)
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("no tmpfs can be mounted here: the full disk was only simulated (the other tests)");
        return;
    }
    fs::create_dir_all(lab.path("thumbs/u/ab/cd")).unwrap();
    let target = lab.put("thumbs/u/ab/cd/a.jpeg", OLD);
    let before = lab.tree();
    let error = write(&lab.store(), &target, &vec![7; 200_000]).unwrap_err();
    let after = lab.tree();
    let unmounted = std::process::Command::new("umount").arg(&mount).status();
    assert_eq!(error.trouble(), Some(Trouble::Full), "{error}");
    assert_eq!(after, before);
    assert!(unmounted.unwrap().success());
}

#[test]
fn leftovers_are_cleared_and_nothing_else() {
    let lab = Lab::new();
    let store = lab.store();
    let folder = "thumbs/u/ab/cd";
    let left = lab.put(&format!("{folder}/{}", own_temporary_name(1, 2)), b"half");
    let near = lab.put(&format!("{folder}/.photofsck-x-1.tmp"), b"not ours");
    let picture = lab.put(&format!("{folder}/a.jpeg"), OLD);
    let outside = lab.put(&format!("upload/u/{}", own_temporary_name(1, 3)), b"half");
    let link = lab.path(&format!("{folder}/{}", own_temporary_name(1, 4)));
    symlink(&picture, &link).unwrap();
    let gone = lab.path(&format!("{folder}/{}", own_temporary_name(1, 5)));
    let mut staged = store.begin(&lab.path(&format!("{folder}/b.jpeg"))).unwrap();
    staged.write(NEW).unwrap();
    let living = lab.path(&format!("{folder}/{}", own_temporary_name(0xfeed, 0)));
    assert!(living.exists());

    let found = [&left, &near, &picture, &outside, &link, &gone, &living].map(Clone::clone);
    let dry = DryRunStore::new(lab.store());
    let planned: Vec<_> = dry.clear_temporaries(&found).into_iter().map(|event| event.status).collect();
    assert_eq!(planned[0], RepairStatus::Planned);
    assert!(planned[1..].iter().all(|status| *status == RepairStatus::Skipped));
    assert!(left.exists());

    let other_run = lab.store();
    let events = other_run.clear_temporaries(&found);
    let outcome: Vec<_> = events.iter().map(|event| event.status).collect();
    assert_eq!(outcome[0], RepairStatus::Done);
    assert!(outcome[1..].iter().all(|status| *status == RepairStatus::Skipped), "{events:?}");
    assert!(!left.exists());
    assert!(near.exists() && picture.exists() && outside.exists() && living.exists());
    assert!(link.symlink_metadata().is_ok());
    staged.seal().unwrap();
    staged.commit(None).unwrap();
}

#[test]
fn a_dry_run_goes_all_the_way_and_writes_nothing() {
    let lab = Lab::new();
    let target = lab.put("thumbs/u/ab/cd/a.jpeg", OLD);
    let before = lab.tree();
    let store = DryRunStore::new(lab.store());
    for path in [target, lab.path("thumbs/new/12/34/a.jpeg")] {
        let seen = seen(&path);
        let mut staged = store.begin(&path).unwrap();
        staged.write(NEW).unwrap();
        staged.seal().unwrap();
        let committed = staged.commit(seen).unwrap();
        assert_eq!((committed.status, committed.bytes), (RepairStatus::Planned, NEW.len() as u64));
    }
    assert_eq!(refusal(store.begin(Path::new("/etc/passwd")).map(drop)), Refusal::OutsideAreas);
    assert_eq!(lab.tree(), before);
}
