//! Originals and strays that are copied, moved and kept.

use std::fs::File;

use super::*;
use crate::repair::store::{Content, Copying, Moving, content_of};

/// A library, a quarantine folder and a backup, on one file system.
struct House {
    lab: Lab,
}

impl House {
    fn new() -> Self {
        let lab = Lab::new();
        fs::create_dir(lab.path("backup")).unwrap();
        fs::create_dir(lab.path("aside")).unwrap();
        lab.put("backup/a.jpg", NEW);
        Self { lab }
    }

    fn areas(&self) -> [Area; 3] {
        [
            Area::new(self.lab.path("thumbs"), ""),
            Area::originals(self.lab.path("upload")),
            Area::aside(&self.lab.path("aside/q")),
        ]
    }

    fn store(&self) -> DiskStore {
        let upload = self.lab.path("upload");
        let stray = self.lab.path("upload/u/stray.jpg");
        DiskStore::open(0xfeed, &self.areas(), move |path| path.starts_with(&upload) && path != stray)
            .unwrap()
    }

    fn gated(&self, gate: impl Gate + 'static) -> DiskStore {
        let mut store = self.store();
        store.gate = Arc::new(gate);
        store
    }
}

fn content(bytes: &[u8]) -> Content {
    use sha1::Digest as _;
    Content { size: bytes.len() as u64, sha1: sha1::Sha1::digest(bytes).into() }
}

/// What a caller does to bring an original back.
fn bring(house: &House, store: &dyn FileStore) -> Result<Committed, StoreError> {
    let (target, origin) = (house.lab.path("upload/u/a.jpg"), house.lab.path("backup/a.jpg"));
    let damaged = seen(&target);
    let kept = damaged
        .map(|state| {
            let to = house.lab.path("aside/q/files/1-a.jpg");
            let content = content(&fs::read(&target).unwrap());
            store.keep(&Moving { from: &target, state, to: &to, content, seen: None })
        })
        .transpose()?;
    let from = File::open(&origin).unwrap();
    store.copy(&Copying { from: &from, origin: &origin, to: &target, content: content(NEW), seen: kept })
}

fn shift(store: &dyn FileStore, from: &Path, to: &Path) -> Result<Committed, StoreError> {
    let state = seen(from).unwrap();
    let content = content_of(&File::open(from).unwrap(), || ()).unwrap();
    store.shift(&Moving { from, state, to, content, seen: None })
}

#[test]
fn a_damaged_original_is_kept_and_replaced_with_times_and_mode() {
    let house = House::new();
    let target = house.lab.put("upload/u/a.jpg", OLD);
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    let origin = File::options().write(true).open(house.lab.path("backup/a.jpg")).unwrap();
    origin.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_mins(25_000_000)).unwrap();
    let committed = bring(&house, &house.store()).unwrap();
    assert_eq!((committed.status, committed.bytes), (RepairStatus::Done, NEW.len() as u64));
    assert_eq!(fs::read(&target).unwrap(), NEW);
    assert_eq!(fs::read(house.lab.path("aside/q/files/1-a.jpg")).unwrap(), OLD);
    let now = target.metadata().unwrap();
    assert_eq!((now.mode() & 0o777, now.mtime()), (0o640, 1_500_000_000));
    assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn nothing_is_replaced_that_was_not_kept_and_nothing_moves_that_is_recorded() {
    let house = House::new();
    let lab = &house.lab;
    let target = lab.put("upload/u/a.jpg", OLD);
    let stray = lab.put("upload/u/stray.jpg", OLD);
    let picture = lab.put("thumbs/u/ab/cd/x.jpeg", OLD);
    let before = lab.tree();
    let store = house.store();
    let origin = lab.path("backup/a.jpg");
    let from = File::open(&origin).unwrap();
    let copy = |to: &Path| {
        let copying = Copying { from: &from, origin: &origin, to, content: content(NEW), seen: seen(to) };
        refusal(store.copy(&copying).map(drop))
    };
    assert_eq!(copy(&target), Refusal::NotKept);
    assert_eq!(copy(&stray), Refusal::NotAnOriginal);
    assert_eq!(copy(&picture), Refusal::OutsideAreas);
    assert_eq!(copy(&lab.path("backup/b.jpg")), Refusal::OutsideAreas);
    let aside = lab.path("aside/q/files/1");
    assert_eq!(refusal(shift(&store, &target, &aside).map(drop)), Refusal::Original);
    assert_eq!(refusal(shift(&store, &origin, &aside).map(drop)), Refusal::OutsideAreas);
    assert_eq!(refusal(store.append(&lab.path("upload/u/manifest"), b"x")), Refusal::OutsideAreas);
    symlink(&stray, lab.path("upload/u/link.jpg")).unwrap();
    let state = FileIdentity::from(&fs::symlink_metadata(lab.path("upload/u/link.jpg")).unwrap());
    let link = lab.path("upload/u/link.jpg");
    let moving = Moving { from: &link, state, to: &target, content: content(OLD), seen: None };
    assert!(store.shift(&moving).is_err());
    fs::remove_file(&link).unwrap();
    // A picture may still not be made in place of an original.
    assert_eq!(refusal(store.check(&target)), Refusal::Original);
    assert_eq!(refusal(store.check(&stray)), Refusal::OutsideAreas);
    drop(store);
    assert_eq!(lab.tree(), before);
}

#[test]
fn a_source_that_changes_or_lies_puts_nothing_in_place() {
    struct Grow(PathBuf);
    impl Gate for Grow {
        fn pass(&self, step: Step) -> io::Result<()> {
            if step == Step::Sync {
                return Ok(());
            }
            if step == Step::Read {
                use std::io::Write as _;
                File::options().append(true).open(&self.0)?.write_all(b"more")?;
            }
            Ok(())
        }
    }
    let house = House::new();
    let before = house.lab.tree();
    let error = bring(&house, &house.gated(Grow(house.lab.path("backup/a.jpg")))).unwrap_err();
    assert!(matches!(error, StoreError::OtherBytes { .. }), "{error}");
    house.lab.put("backup/a.jpg", NEW);
    assert_eq!(house.lab.tree(), before);
    house.lab.put("backup/a.jpg", &NEW.to_ascii_uppercase());
    let error = bring(&house, &house.store()).unwrap_err();
    assert!(error.to_string().contains("while copying it had"), "{error}");
    house.lab.put("backup/a.jpg", NEW);
    assert_eq!(house.lab.tree(), before);
}

#[test]
fn a_move_takes_the_file_or_leaves_it() {
    let house = House::new();
    let lab = &house.lab;
    let stray = lab.put("upload/u/stray.jpg", OLD);
    let store = house.store();
    let aside = lab.path("aside/q/files/1-stray.jpg");
    assert_eq!(shift(&store, &stray, &aside).unwrap().status, RepairStatus::Done);
    assert!(!stray.exists());
    assert_eq!(fs::read(&aside).unwrap(), OLD);
    lab.put("upload/u/stray.jpg", NEW);
    let error = shift(&store, &stray, &aside).unwrap_err();
    assert!(matches!(error, StoreError::ChangedMeanwhile { .. }), "{error}");
    let state = FileIdentity::default();
    let other = lab.path("aside/q/files/2");
    let moving = Moving { from: &stray, state, to: &other, content: content(NEW), seen: None };
    assert!(matches!(store.shift(&moving), Err(StoreError::ChangedMeanwhile { .. })));
    assert_eq!(fs::read(&stray).unwrap(), NEW);
}

#[test]
fn a_dry_run_refuses_the_same_and_touches_nothing() {
    let house = House::new();
    house.lab.put("upload/u/a.jpg", OLD);
    let stray = house.lab.put("upload/u/stray.jpg", OLD);
    let before = house.lab.tree();
    let dry = DryRunStore::new(house.store());
    assert_eq!(bring(&house, &dry).unwrap().status, RepairStatus::Planned);
    let aside = house.lab.path("aside/q/files/1");
    assert_eq!(shift(&dry, &stray, &aside).unwrap().status, RepairStatus::Planned);
    dry.append(&house.lab.path("aside/q/manifest.ndjson"), b"x").unwrap();
    assert_eq!(refusal(shift(&dry, &house.lab.path("upload/u/a.jpg"), &aside).map(drop)), Refusal::Original);
    drop(dry);
    assert_eq!(house.lab.tree(), before);
}

/// Runs one operation with a fault at every call in turn: whatever happens, the bytes of every file that was there
/// are there still, whole, and a target holds the old file or the new one.
fn fail_everywhere_in(operation: &dyn Fn(&House, &dyn FileStore) -> bool, across: bool) -> usize {
    for at in 0.. {
        let house = House::new();
        let lab = &house.lab;
        let mount = across.then(|| Mounted::new(&lab.path("aside")));
        if mount.as_ref().is_some_and(Option::is_none) {
            return 0;
        }
        let target = lab.put("upload/u/a.jpg", OLD);
        lab.put("upload/u/stray.jpg", b"a stray of its own");
        let calls = Arc::new(AtomicUsize::new(0));
        let store =
            house.gated(FailAt { calls: calls.clone(), at, ever_after: at % 2 == 1, errno: Errno::IO });
        let well = operation(&house, &store);
        drop(store);
        let files: Vec<Vec<u8>> = lab
            .tree()
            .into_iter()
            .filter(|(path, _)| path.is_file() && !is_own_temporary(path.file_name().unwrap()))
            .map(|(_, bytes)| bytes)
            .collect();
        for bytes in [OLD, NEW, b"a stray of its own"] {
            assert!(
                files.iter().any(|file| file == bytes),
                "call {at}: lost {:?}",
                String::from_utf8_lossy(bytes)
            );
        }
        let now = fs::read(&target).unwrap();
        assert!(now == OLD || now == NEW, "call {at}: {:?}", String::from_utf8_lossy(&now));
        if calls.load(Ordering::Relaxed) <= at {
            assert!(well, "call {at} did not fail and yet something did");
            return at;
        }
    }
    unreachable!("the loop ends when no call is left to fail")
}

/// A small file system of its own; nothing where none can be mounted.
struct Mounted(PathBuf);

impl Mounted {
    fn new(at: &Path) -> Option<Self> {
        let mounted = rustix::process::geteuid().is_root()
            && std::process::Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=256k", "photofsck-test"])
                .arg(at)
                .stderr(std::process::Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("no tmpfs can be mounted here: moves to another file system were not tried");
        }
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

fn move_stray(house: &House, store: &dyn FileStore) -> bool {
    let (stray, aside) = (house.lab.path("upload/u/stray.jpg"), house.lab.path("aside/q/files/2-stray.jpg"));
    store.append(&house.lab.path("aside/q/manifest.ndjson"), b"{}").is_ok()
        && shift(store, &stray, &aside).is_ok()
}

#[test]
fn a_fault_at_any_call_loses_nothing() {
    let bring_one = |house: &House, store: &dyn FileStore| bring(house, store).is_ok();
    let calls = fail_everywhere_in(&bring_one, false) + fail_everywhere_in(&move_stray, false);
    assert!(calls > 40, "only {calls} calls were failed");
}

#[test]
fn a_fault_at_any_call_loses_nothing_on_the_way_to_another_file_system() {
    let bring_one = |house: &House, store: &dyn FileStore| bring(house, store).is_ok();
    let calls = fail_everywhere_in(&bring_one, true) + fail_everywhere_in(&move_stray, true);
    assert!(calls == 0 || calls > 60, "only {calls} calls were failed");
}

#[test]
fn a_full_quarantine_leaves_everything_where_it_is() {
    let house = House::new();
    let lab = &house.lab;
    let Some(_mount) = Mounted::new(&lab.path("aside")) else { return };
    let big = vec![7; 400_000];
    let target = lab.put("upload/u/a.jpg", &big);
    let stray = lab.put("upload/u/stray.jpg", &big);
    let before = lab.tree();
    let store = house.store();
    let error = bring(&house, &store).unwrap_err();
    assert_eq!(error.trouble(), Some(Trouble::Full), "{error}");
    let error = shift(&store, &stray, &lab.path("aside/q/files/2")).unwrap_err();
    assert_eq!((error.trouble(), error.stops_repair()), (Some(Trouble::Full), true), "{error}");
    drop(store);
    let mut after = lab.tree();
    after.retain(|path, _| path.is_file());
    let files: BTreeMap<_, _> = before.into_iter().filter(|(path, _)| path.is_file()).collect();
    assert_eq!(after, files);
    assert_eq!(fs::read(target).unwrap(), big);
}

#[test]
fn a_journal_is_locked_and_goes_on_behind_a_torn_line() {
    let house = House::new();
    let journal = house.lab.path("aside/q/manifest.ndjson");
    let first = house.store();
    first.append(&journal, b"one").unwrap();
    first.append(&journal, b"two").unwrap();
    let second = house.store();
    assert!(matches!(second.append(&journal, b"three"), Err(StoreError::InUse { .. })));
    drop(first);
    let torn = [fs::read(&journal).unwrap(), b"thr".to_vec()].concat();
    fs::write(&journal, torn).unwrap();
    second.append(&journal, b"four").unwrap();
    assert_eq!(fs::read(&journal).unwrap(), b"one\ntwo\nthr\nfour\n");
}
