//! What a power cut at any moment may leave of a repair, on a file system with a journal: bytes that were not synced are old, cut
//! short, zeros or new; names that were not synced are old or new, in the order of their changes or folder by folder.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::BufReader;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;

use super::*;
use crate::model::{AssetId, Role};
use crate::repair::manifest::Manifest;
use crate::repair::original::{self, Lost, Source};
use crate::repair::quarantine::{Quarantine, Stray};
use crate::repair::store::content_of;

/// Device and inode.
type Node = (u64, u64);
type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// Everything below some folders at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
struct Moment {
    folders: BTreeMap<Node, BTreeMap<OsString, Node>>,
    files: BTreeMap<Node, Vec<u8>>,
}

#[derive(Default)]
struct History {
    roots: Vec<(PathBuf, Node)>,
    moments: Vec<Moment>,
    /// The first moment at which a file or folder was on the disk as it is there.
    synced: Vec<(usize, Node)>,
}

/// Remembers what every call of a store changes, and what is synced.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<History>>);

fn node(path: &Path) -> Node {
    let stat = fs::symlink_metadata(path).unwrap();
    (stat.dev(), stat.ino())
}

impl Recorder {
    fn of(roots: &[&Path]) -> Self {
        let recorder = Self::default();
        recorder.0.lock().unwrap().roots =
            roots.iter().map(|root| (root.to_path_buf(), node(root))).collect();
        recorder.0.lock().unwrap().take();
        // What is there at the beginning is on the disk.
        let mut history = recorder.0.lock().unwrap();
        let moment = history.moments[0].clone();
        history.synced = moment.folders.keys().chain(moment.files.keys()).map(|node| (0, *node)).collect();
        drop(history);
        recorder
    }
}

impl Gate for Recorder {
    fn pass(&self, _step: Step) -> io::Result<()> {
        self.0.lock().unwrap().take();
        Ok(())
    }

    fn synced(&self, what: BorrowedFd<'_>) {
        let stat = rustix::fs::fstat(what).unwrap();
        let mut history = self.0.lock().unwrap();
        history.take();
        let now = history.moments.len() - 1;
        history.synced.push((now, (stat.st_dev, stat.st_ino)));
    }
}

impl History {
    fn take(&mut self) {
        let mut moment = Moment::default();
        for (root, _) in &self.roots {
            for entry in walkdir::WalkDir::new(root) {
                let entry = entry.unwrap();
                let here = node(entry.path());
                if entry.file_type().is_dir() {
                    moment.folders.entry(here).or_default();
                } else {
                    moment.files.insert(here, fs::read(entry.path()).unwrap());
                }
                if entry.depth() > 0 {
                    let above = node(entry.path().parent().unwrap());
                    moment.folders.entry(above).or_default().insert(entry.file_name().to_owned(), here);
                }
            }
        }
        if self.moments.last() != Some(&moment) {
            self.moments.push(moment);
        }
    }

    fn last_sync(&self, what: Node, cut: usize) -> Option<usize> {
        self.synced.iter().filter(|(at, node)| *node == what && *at <= cut).map(|(at, _)| *at).max()
    }

    /// All that the disk may hold after a power cut at this moment.
    fn after(&self, cut: usize) -> BTreeSet<Vec<(PathBuf, Vec<u8>)>> {
        let mut trees = BTreeSet::new();
        for names in self.names(cut) {
            let mut found = Vec::new();
            for (root, node) in &self.roots {
                list(&names, root, *node, &mut found);
            }
            let mut all: Vec<Tree> = vec![Tree::new()];
            for (path, node) in found {
                let versions = self.bytes(node, cut);
                all = all
                    .iter()
                    .flat_map(|tree| {
                        versions.iter().map(|bytes| {
                            let mut tree = tree.clone();
                            tree.insert(path.clone(), bytes.clone());
                            tree
                        })
                    })
                    .collect();
            }
            trees.extend(all.into_iter().map(|tree| tree.into_iter().collect()));
        }
        trees
    }

    /// The names that there may be: any end of the journal since the last folder that was synced; or of every folder the state of
    /// its own last sync or that of the cut, as long as nothing that was renamed is lost.
    fn names(&self, cut: usize) -> Vec<BTreeMap<Node, BTreeMap<OsString, Node>>> {
        let is_folder = |node: &Node| self.moments.iter().any(|moment| moment.folders.contains_key(node));
        let journal = self.synced.iter().filter(|(at, node)| *at <= cut && is_folder(node));
        let journal = journal.map(|(at, _)| *at).max().unwrap_or(0);
        let mut found: Vec<_> = (journal..=cut).map(|at| self.moments[at].folders.clone()).collect();
        let now = &self.moments[cut].folders;
        let open: Vec<Node> = now
            .keys()
            .copied()
            .filter(|node| {
                let then = self.last_sync(*node, cut).map(|at| self.moments[at].folders.get(node));
                then.flatten() != now.get(node)
            })
            .collect();
        assert!(open.len() < 8, "too many folders that are not synced");
        for choice in 0..1u32 << open.len() {
            let mut names = now.clone();
            let old = open.iter().enumerate().filter(|(number, _)| choice & 1 << number != 0);
            for (_, node) in old {
                let then = self.last_sync(*node, cut).and_then(|at| self.moments[at].folders.get(node));
                names.insert(*node, then.cloned().unwrap_or_default());
            }
            let linked = |names: &BTreeMap<Node, BTreeMap<OsString, Node>>| -> BTreeSet<Node> {
                names.values().flat_map(BTreeMap::values).copied().collect()
            };
            let always = (0..=cut).map(|at| linked(&self.moments[at].folders));
            let always = always.reduce(|a, b| a.intersection(&b).copied().collect()).unwrap_or_default();
            if always.is_subset(&linked(&names)) {
                found.push(names);
            }
        }
        found
    }

    /// The bytes that a file may have.
    fn bytes(&self, what: Node, cut: usize) -> BTreeSet<Vec<u8>> {
        let since = self.last_sync(what, cut);
        let versions = (since.unwrap_or(0)..=cut).filter_map(|at| self.moments[at].files.get(&what));
        let mut found: BTreeSet<Vec<u8>> = versions.cloned().collect();
        if since.is_none() {
            found.insert(Vec::new());
        }
        if found.len() > 1 {
            let longest = found.iter().max_by_key(|bytes| bytes.len()).cloned().unwrap();
            let sure = since.map_or(0, |at| self.moments[at].files.get(&what).map_or(0, Vec::len));
            let mut zeros = longest.clone();
            zeros.iter_mut().skip(sure).for_each(|byte| *byte = 0);
            found.insert(longest[..sure.midpoint(longest.len())].to_vec());
            found.insert(zeros);
        }
        found
    }
}

fn list(
    names: &BTreeMap<Node, BTreeMap<OsString, Node>>,
    path: &Path,
    node: Node,
    found: &mut Vec<(PathBuf, Node)>,
) {
    match names.get(&node) {
        Some(entries) => entries.iter().for_each(|(name, node)| list(names, &path.join(name), *node, found)),
        None => found.push((path.to_owned(), node)),
    }
}

/// What is wrong with what a power cut left: `sound` says of each final name whether these bytes may be there.
fn faults(history: &History, sound: &dyn Fn(&Tree) -> Result<(), String>) -> (usize, Vec<String>) {
    let (mut looked_at, mut faults) = (0, Vec::new());
    for cut in 0..history.moments.len() {
        for tree in history.after(cut) {
            looked_at += 1;
            let tree: Tree = tree.into_iter().collect();
            let tree = tree.into_iter().filter(|(path, _)| !is_own_temporary(path.file_name().unwrap()));
            if let Err(fault) = sound(&tree.collect()) {
                faults.push(format!("cut at {cut} of {}: {fault}", history.moments.len()));
            }
        }
    }
    (looked_at, faults)
}

/// Nothing is wrong after any cut; and if nothing had been synced, something would be: the simulation can see it.
fn survives(recorder: &Recorder, sound: &dyn Fn(&Tree) -> Result<(), String>) {
    let mut history = recorder.0.lock().unwrap();
    history.take();
    let (looked_at, found) = faults(&history, sound);
    assert!(found.is_empty(), "{} of {looked_at}: {:?}", found.len(), &found[..found.len().min(5)]);
    history.synced.retain(|(at, _)| *at == 0);
    let (looked_at, found) = faults(&history, sound);
    assert!(looked_at > 15 && !found.is_empty(), "{looked_at} trees, and a store that never syncs passes");
}

fn one_of(tree: &Tree, path: &Path, allowed: &[Option<&[u8]>]) -> Result<(), String> {
    let there = tree.get(path).map(Vec::as_slice);
    if allowed.contains(&there) { Ok(()) } else { Err(format!("{} holds {there:?}", path.display())) }
}

#[test]
fn a_picture_is_the_old_or_the_new_one_after_a_power_cut() {
    for (old, target) in [(Some(OLD), "thumbs/u/ab/cd/a.jpeg"), (None, "thumbs/u/12/34/b.webp")] {
        let lab = Lab::new();
        let path = lab.path(target);
        if let Some(old) = old {
            lab.put(target, old);
        }
        let recorder = Recorder::of(&[lab.folder.path()]);
        write(&lab.gated(recorder.clone()), &path, NEW).unwrap();
        // What was told as done stays.
        let mut history = recorder.0.lock().unwrap();
        history.take();
        for tree in history.after(history.moments.len() - 1) {
            let tree: Tree = tree.into_iter().collect();
            assert_eq!(one_of(&tree, &path, &[Some(NEW)]), Ok(()));
        }
        drop(history);
        survives(&recorder, &|tree| one_of(tree, &path, &[old, Some(NEW)]));
    }
}

/// A library, a backup and a quarantine folder, which may be on another file system.
struct Rescue {
    lab: Lab,
    other: Option<tempfile::TempDir>,
}

impl Rescue {
    fn new(other: Option<tempfile::TempDir>) -> Self {
        let lab = Lab::new();
        fs::create_dir(lab.path("backup")).unwrap();
        fs::create_dir(lab.path("aside")).unwrap();
        lab.put("backup/a.jpg", NEW);
        lab.put("upload/u/a.jpg", OLD);
        lab.put("upload/u/stray.jpg", b"a stray");
        Self { lab, other }
    }

    fn aside(&self) -> PathBuf {
        self.other.as_ref().map_or_else(|| self.lab.path("aside/q"), |other| other.path().join("q"))
    }

    fn store(&self, gate: Recorder) -> DiskStore {
        let (upload, stray) = (self.lab.path("upload"), self.lab.path("upload/u/stray.jpg"));
        let areas = [Area::originals(upload.clone()), Area::aside(&self.aside())];
        let is_original = move |path: &Path| path.starts_with(&upload) && path != stray;
        let mut store = DiskStore::open(0xfeed, &areas, is_original).unwrap();
        store.gate = Arc::new(gate);
        store
    }

    fn recorder(&self) -> Recorder {
        let other = self.other.as_ref().map(tempfile::TempDir::path);
        Recorder::of(&other.into_iter().chain([self.lab.folder.path()]).collect::<Vec<_>>())
    }

    fn quarantine(&self) -> Quarantine {
        Quarantine::open(&self.aside(), vec![self.lab.path("upload")], "2026-07-01T00:00:00Z").unwrap()
    }

    /// Every kept file has its line in the manifest, with the bytes that the line says, and no line says more than there was.
    fn is_announced(&self, tree: &Tree) -> Result<(), String> {
        let manifest = tree.get(&self.aside().join("manifest.ndjson")).map_or(&[][..], Vec::as_slice);
        let manifest = Manifest::read(BufReader::new(manifest)).map_err(|error| error.to_string())?;
        let files = self.aside().join("files");
        for (path, bytes) in tree.iter().filter(|(path, _)| path.starts_with(&files)) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let entry = manifest.entries.iter().find(|entry| entry.kept == name);
            let entry =
                entry.ok_or_else(|| format!("{name} is kept, and no line of the manifest says so"))?;
            if entry.content.size != bytes.len() as u64 {
                return Err(format!("{name} is kept with other bytes: {bytes:?}"));
            }
        }
        Ok(())
    }
}

/// One of two folders on two file systems, if this machine has another one.
fn other_file_system() -> Option<tempfile::TempDir> {
    let other = tempfile::tempdir_in("/dev/shm").ok()?;
    let here = tempfile::tempdir().unwrap();
    (node(other.path()).0 != node(here.path()).0).then_some(other)
}

fn on_one_and_two_file_systems(test: impl Fn(&Rescue)) {
    test(&Rescue::new(None));
    match other_file_system() {
        Some(other) => test(&Rescue::new(Some(other))),
        None => eprintln!("NOT TESTED HERE: /dev/shm is no other file system"),
    }
}

#[test]
fn an_original_that_comes_back_loses_nothing_to_a_power_cut() {
    on_one_and_two_file_systems(|rescue| {
        let lab = &rescue.lab;
        let (target, origin) = (lab.path("upload/u/a.jpg"), lab.path("backup/a.jpg"));
        let recorder = rescue.recorder();
        let store = rescue.store(recorder.clone());
        let damaged = content_of(&File::open(&target).unwrap(), || ()).unwrap();
        let lost = Lost {
            asset: AssetId([7; 16]),
            path: target.clone(),
            damaged: Some((seen(&target).unwrap(), damaged)),
        };
        let file = File::open(&origin).unwrap();
        let content = content_of(&file, || ()).unwrap();
        let source =
            Source { file, path: origin.clone(), state: seen(&origin).unwrap(), content, stray: false };
        let quarantine = rescue.quarantine();
        let brought = original::bring_back(&store, Some(&quarantine), &lost, &source, "2026-07-01T00:00:00Z");
        assert!(brought.back, "{:?}", brought.event);
        survives(&recorder, &|tree| {
            one_of(tree, &target, &[Some(OLD), Some(NEW)])?;
            one_of(tree, &origin, &[Some(NEW)])?;
            rescue.is_announced(tree)?;
            let kept = tree.iter().filter(|(path, _)| path.starts_with(rescue.aside().join("files")));
            let is_kept = kept.map(|(_, bytes)| bytes.as_slice()).any(|bytes| bytes == OLD);
            if tree[&target] == OLD || is_kept {
                Ok(())
            } else {
                Err("the damaged bytes are lost".to_owned())
            }
        });
    });
}

#[test]
fn a_stray_is_at_one_of_its_places_after_a_power_cut() {
    on_one_and_two_file_systems(|rescue| {
        let stray = rescue.lab.path("upload/u/stray.jpg");
        let recorder = rescue.recorder();
        let store = rescue.store(recorder.clone());
        let content = content_of(&File::open(&stray).unwrap(), || ()).unwrap();
        let moving =
            Stray { path: &stray, state: seen(&stray).unwrap(), content, role: Role::Original, asset: None };
        let (committed, to) = rescue.quarantine().take(&store, &moving, "2026-07-01T00:00:00Z").unwrap();
        assert_eq!(committed.status, RepairStatus::Done, "{committed:?}");
        assert!(to.exists() && !stray.exists());
        survives(&recorder, &|tree| {
            one_of(tree, &stray, &[Some(b"a stray"), None])?;
            rescue.is_announced(tree)?;
            let places = [&stray, &to].into_iter().filter(|path| tree.contains_key(*path)).count();
            if places > 0 { Ok(()) } else { Err("the stray is lost".to_owned()) }
        });
    });
}
