//! Where the bytes of a lost original are: at another place of the library, where an unfinished move or a hand has
//! left them, or in a backup tree. Candidates are found by size and name; only a checksum that matches proves one.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::immich::records::AssetView;
use crate::model::{FileIdentity, Role, display_path};
use crate::repair::original::Source;
use crate::repair::store::Content;

use super::cancel::Cancel;
use super::ground::deadline::Pulse;
use super::ground::{Ground, Stuck};
use super::inventory::Holdings;
use super::loose::{Loose, LooseFiles, LooseIdx};
use super::open::OpenError;
use super::reconcile::Reconciler;

/// Looks for lost originals. Nothing is read before the first question.
pub struct Whereabouts<'a> {
    reconciler: &'a Reconciler<'a>,
    holdings: &'a Holdings<'a>,
    trees: &'a [PathBuf],
    ground: &'a Ground,
    cancel: &'a Cancel,
    strays: OnceLock<Directory>,
    backups: OnceLock<Backups>,
    hashes: Mutex<HashMap<PathBuf, (FileIdentity, Content)>>,
    claimed: Mutex<HashSet<PathBuf>>,
    /// The first candidate that could not be read.
    unread: Mutex<Option<String>>,
}

/// What is looked for.
pub struct Wanted<'w> {
    /// Its asset.
    pub view: &'w AssetView<'w>,
    /// Where it should be.
    pub path: &'w Path,
}

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// Its bytes are the recorded ones.
    Proved(Source),
    /// Name and size fit; there is no checksum of its content to prove it.
    Likely(PathBuf),
}

/// Numbers of files, sorted by something that is looked for.
type Sorted = Vec<(u64, LooseIdx)>;

/// Files by size and by name.
#[derive(Default)]
struct Directory {
    by_size: Sorted,
    /// By the hash of the plain name: names that only share it are sorted out when they are looked at.
    by_name: Sorted,
}

#[derive(Default)]
struct Backups {
    files: LooseFiles,
    directory: Directory,
    notes: Vec<String>,
}

impl<'a> Whereabouts<'a> {
    /// For what a walk has found, and these backup trees.
    pub fn new(
        reconciler: &'a Reconciler<'a>,
        holdings: &'a Holdings<'a>,
        trees: &'a [PathBuf],
        (ground, cancel): (&'a Ground, &'a Cancel),
    ) -> Self {
        Self {
            reconciler,
            holdings,
            trees,
            ground,
            cancel,
            strays: OnceLock::new(),
            backups: OnceLock::new(),
            hashes: Mutex::default(),
            claimed: Mutex::default(),
            unread: Mutex::default(),
        }
    }

    /// Whether there are backup trees at all.
    pub fn has_backups(&self) -> bool {
        !self.trees.is_empty()
    }

    /// What a person should know about the search.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.backups.get().map(|backups| backups.notes.clone()).unwrap_or_default();
        notes.extend(self.unread.lock().unwrap_or_else(PoisonError::into_inner).clone());
        notes
    }

    /// Whether a file that no record names holds the bytes of a lost original.
    pub fn is_claimed(&self, path: &Path) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// The original among the files that no record names.
    pub fn in_library(&self, wanted: &Wanted<'_>) -> Option<Source> {
        let checksum = wanted.view.checksum?;
        let loose = self.holdings.loose();
        let strays = self.strays.get_or_init(|| Directory::of(loose));
        // The recorded size may be lacking, or that of a file that was damaged when Immich looked at it.
        let of_size = wanted.view.size.map(|size| with(&strays.by_size, size)).unwrap_or_default();
        let candidates = of_size
            .into_iter()
            .chain(wanted.named_in(strays))
            .filter_map(|idx| loose.get(idx))
            .filter(|stray| !stray.external && matches!(stray.role, Role::Original | Role::Unknown))
            .map(|stray| stray.path);
        let mut candidates: Vec<PathBuf> =
            self.reconciler.other_places(wanted.view.id).chain(candidates).collect();
        candidates.sort_by_cached_key(|path| !wanted.is_named_like(path));
        let found = candidates
            .into_iter()
            .filter(|path| path != wanted.path)
            .find_map(|path| self.proved(path, checksum, true))?;
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(found.path.clone());
        Some(found)
    }

    /// The original in the backup trees.
    pub fn in_backups(&self, wanted: &Wanted<'_>) -> Option<Found> {
        let backups = self.backups.get_or_init(|| self.walk());
        let files = |numbers: Vec<LooseIdx>| -> Vec<Loose> {
            numbers.into_iter().filter_map(|idx| backups.files.get(idx)).collect()
        };
        let of_size = wanted.view.size.map(|size| with(&backups.directory.by_size, size));
        let mut candidates = files(of_size.unwrap_or_default());
        candidates.sort_by_cached_key(|file| !wanted.is_named_like(&file.path));
        let Some(checksum) = wanted.view.checksum else {
            let likely = candidates.into_iter().find(|file| wanted.is_named_like(&file.path))?;
            return Some(Found::Likely(likely.path));
        };
        // The recorded size may be that of a file that was damaged when Immich looked at it.
        let named = files(wanted.named_in(&backups.directory));
        candidates
            .into_iter()
            .chain(named)
            .filter(|file| file.path != wanted.path)
            .find_map(|file| self.proved(file.path, checksum, false))
            .map(Found::Proved)
    }

    /// The file as a source, if its bytes have this checksum. Each file is read once in a run.
    fn proved(&self, path: PathBuf, checksum: [u8; 20], stray: bool) -> Option<Source> {
        let trouble = |error: &dyn std::fmt::Display| {
            let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
            unread.get_or_insert_with(|| {
                format!("a file that may be a lost original cannot be read: {}: {error}", display_path(&path))
            });
        };
        // A link is never followed: what it leads to may be another copy of nothing but a name.
        let (file, state) = match self.ground.open(&path, false) {
            Err(OpenError::NotFound | OpenError::NotAFile(_)) => return None,
            other => other.map_err(|error| trouble(&error)).ok()?,
        };
        if self.cancel.is_requested() {
            return None;
        }
        let known = self.hashes.lock().unwrap_or_else(PoisonError::into_inner).get(&path).copied();
        let content = if let Some((_, content)) = known.filter(|(then, _)| then.unchanged_since(&state)) {
            content
        } else {
            let content = self.ground.content(&path, &file).map_err(|error| trouble(&error)).ok()?;
            let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
            hashes.insert(path.clone(), (state, content));
            content
        };
        (content.sha1 == checksum).then_some(Source { file, path, state, content, stray })
    }

    /// Lists the backup trees.
    fn walk(&self) -> Backups {
        let mut backups = Backups::default();
        for tree in self.trees {
            let (own, cancel) = (tree.clone(), self.cancel.clone());
            match self.ground.ask(tree, move |pulse| Listed::of(&own, &cancel, pulse)) {
                Ok(listed) => {
                    backups.notes.extend(listed.note);
                    listed.files.into_iter().for_each(|(dir, name, size)| {
                        backups.files.push(&dir, &name, Role::Unknown, size, false);
                    });
                }
                Err(Stuck::Cancelled) => return backups,
                Err(Stuck::Hangs { words, .. }) => {
                    backups
                        .notes
                        .push(format!("the backup {} was not searched: {words}", display_path(tree)));
                }
            }
        }
        backups.directory = Directory::of(&backups.files);
        backups
    }
}

/// The files of one backup tree.
#[derive(Default)]
struct Listed {
    files: Vec<(Arc<Path>, OsString, u64)>,
    /// What could not be listed.
    note: Option<String>,
}

impl Listed {
    /// Links are not followed: a tree may lead out of itself, or in circles.
    fn of(tree: &Path, cancel: &Cancel, pulse: &Pulse) -> Self {
        let mut listed = Self::default();
        for entry in walkdir::WalkDir::new(tree).follow_links(false) {
            pulse.beat();
            if cancel.is_requested() {
                return listed;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    listed
                        .note
                        .get_or_insert_with(|| format!("not all of the backup could be listed: {error}"));
                    continue;
                }
            };
            let size = match entry.metadata() {
                Ok(metadata) if metadata.is_file() => metadata.len(),
                _ => continue,
            };
            let dir = entry.path().parent().unwrap_or(tree);
            let dir = match listed.files.last() {
                Some((last, ..)) if **last == *dir => Arc::clone(last),
                _ => Arc::from(dir),
            };
            listed.files.push((dir, entry.file_name().to_owned(), size));
        }
        listed
    }
}

impl Wanted<'_> {
    /// Whether a file is called as the records or the user call the original, but for the `+1` that Immich adds
    /// where a name is taken.
    fn is_named_like(&self, path: &Path) -> bool {
        let name = |path: &Path| plain(path.file_name().unwrap_or_default().as_bytes());
        let found = name(path);
        found == name(self.path) || found == plain(self.view.name)
    }

    /// The files that may be called like that.
    fn named_in(&self, directory: &Directory) -> Vec<LooseIdx> {
        let recorded = plain(self.path.file_name().unwrap_or_default().as_bytes());
        let mut found = with(&directory.by_name, hash(&recorded));
        let given = plain(self.view.name);
        if given != recorded {
            found.extend(with(&directory.by_name, hash(&given)));
        }
        found
    }
}

impl Directory {
    fn of(files: &LooseFiles) -> Self {
        let mut directory = Self::default();
        for idx in files.indices() {
            let Some(file) = files.get(idx) else { continue };
            directory.by_size.push((file.size, idx));
            let name = plain(file.path.file_name().unwrap_or_default().as_bytes());
            directory.by_name.push((hash(&name), idx));
        }
        for list in [&mut directory.by_size, &mut directory.by_name] {
            list.sort_unstable_by_key(|(key, idx)| (*key, idx.0));
        }
        directory
    }
}

/// A file name without `+1` before its extension, in lower case.
fn plain(name: &[u8]) -> Vec<u8> {
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0).unwrap_or(name.len());
    let (stem, extension) = name.split_at_checked(dot).unwrap_or((name, b""));
    let digits = stem.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let stem = match stem.split_at_checked(stem.len().saturating_sub(digits)) {
        Some((before, _)) if digits > 0 => before.strip_suffix(b"+").unwrap_or(stem),
        _ => stem,
    };
    [stem, extension].concat().to_ascii_lowercase()
}

fn hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// All files with this key.
fn with(sorted: &Sorted, key: u64) -> Vec<LooseIdx> {
    let first = sorted.partition_point(|(other, _)| *other < key);
    let end = sorted.partition_point(|(other, _)| *other <= key);
    sorted.get(first..end).unwrap_or_default().iter().map(|(_, idx)| *idx).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_names_are_the_same_name() {
        for (name, same) in
            [("IMG_1+1.JPG", "img_1.jpg"), ("a+12.jpg", "a.jpg"), ("2024.jpg", "2024.jpg"), ("a+.x", "a+.x")]
        {
            assert_eq!(plain(name.as_bytes()), plain(same.as_bytes()), "{name}");
        }
        assert_ne!(plain(b"IMG_1.jpg"), plain(b"IMG_2.jpg"));
        assert_ne!(plain(b"a+1.jpg"), plain(b"a.png"));
    }
}
