//! Where the bytes of a lost original are: at another place of the library, where an unfinished move or a hand has
//! left them, or in a backup tree. Candidates are found by size and name; only a checksum that matches proves one.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::immich::records::AssetView;
use crate::model::{FileIdentity, Role};
use crate::repair::original::Source;
use crate::repair::store::{Content, content_of};

use super::cancel::Cancel;
use super::inventory::Holdings;
use super::loose::{Loose, LooseFiles, LooseIdx};
use super::open;
use super::reconcile::Reconciler;

/// Looks for lost originals. Nothing is read before the first question.
pub struct Whereabouts<'a> {
    reconciler: &'a Reconciler<'a>,
    holdings: &'a Holdings<'a>,
    trees: &'a [PathBuf],
    cancel: &'a Cancel,
    strays: OnceLock<BySize>,
    backups: OnceLock<Backups>,
    hashes: Mutex<HashMap<PathBuf, (FileIdentity, Content)>>,
    claimed: Mutex<HashSet<PathBuf>>,
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

/// Numbers of files, sorted by their size.
type BySize = Vec<(u64, LooseIdx)>;

#[derive(Default)]
struct Backups {
    files: LooseFiles,
    by_size: BySize,
    notes: Vec<String>,
}

impl<'a> Whereabouts<'a> {
    /// For what a walk has found, and these backup trees.
    pub fn new(
        reconciler: &'a Reconciler<'a>,
        holdings: &'a Holdings<'a>,
        trees: &'a [PathBuf],
        cancel: &'a Cancel,
    ) -> Self {
        Self {
            reconciler,
            holdings,
            trees,
            cancel,
            strays: OnceLock::new(),
            backups: OnceLock::new(),
            hashes: Mutex::default(),
            claimed: Mutex::default(),
        }
    }

    /// Whether there are backup trees at all.
    pub fn has_backups(&self) -> bool {
        !self.trees.is_empty()
    }

    /// What a person should know about the backup trees.
    pub fn notes(&self) -> &[String] {
        self.backups.get().map_or(&[], |backups| &backups.notes)
    }

    /// Whether a file that no record names holds the bytes of a lost original.
    pub fn is_claimed(&self, path: &Path) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// The original among the files that no record names.
    pub fn in_library(&self, wanted: &Wanted<'_>) -> Option<Source> {
        let checksum = wanted.view.checksum?;
        let loose = self.holdings.loose();
        let strays = self.strays.get_or_init(|| by_size(loose));
        let of_size = wanted.view.size.map_or(&[][..], |size| with_size(strays, size));
        // Without a recorded size names have to do.
        let by_name = loose.indices().filter(|_| wanted.view.size.is_none());
        let candidates = of_size
            .iter()
            .map(|(_, idx)| *idx)
            .chain(by_name)
            .filter_map(|idx| loose.get(idx))
            .filter(|stray| !stray.external && matches!(stray.role, Role::Original | Role::Unknown))
            .filter(|stray| wanted.view.size.is_some() || wanted.is_named_like(&stray.path))
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
        let of_size = wanted.view.size.map_or(&[][..], |size| with_size(&backups.by_size, size));
        let mut candidates: Vec<Loose> =
            of_size.iter().filter_map(|(_, idx)| backups.files.get(*idx)).collect();
        candidates.sort_by_cached_key(|file| !wanted.is_named_like(&file.path));
        let Some(checksum) = wanted.view.checksum else {
            let likely = candidates.into_iter().find(|file| wanted.is_named_like(&file.path))?;
            return Some(Found::Likely(likely.path));
        };
        let named = backups
            .files
            .indices()
            .filter_map(|idx| backups.files.get(idx))
            .filter(|file| Some(file.size) != wanted.view.size && wanted.is_named_like(&file.path));
        candidates
            .into_iter()
            .chain(named)
            .filter(|file| file.path != wanted.path)
            .find_map(|file| self.proved(file.path, checksum, false))
            .map(Found::Proved)
    }

    /// The file as a source, if its bytes have this checksum. Each file is read once in a run.
    fn proved(&self, path: PathBuf, checksum: [u8; 20], stray: bool) -> Option<Source> {
        // A link is never followed: what it leads to may be another copy of nothing but a name.
        let there = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
        let (file, state) = open::open_read(&path).ok()?;
        if FileIdentity::from(&there) != state || self.cancel.is_requested() {
            return None;
        }
        let known = self.hashes.lock().unwrap_or_else(PoisonError::into_inner).get(&path).copied();
        let content = match known.filter(|(then, _)| then.unchanged_since(&state)) {
            Some((_, content)) => content,
            None => {
                let content = content_of(&file).ok()?;
                let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
                hashes.insert(path.clone(), (state, content));
                content
            }
        };
        (content.sha1 == checksum).then_some(Source { file, path, state, content, stray })
    }

    /// Lists the backup trees. Links are not followed: a tree may lead out of itself, or in circles.
    fn walk(&self) -> Backups {
        let mut backups = Backups::default();
        let mut unread = 0u64;
        for tree in self.trees {
            for entry in walkdir::WalkDir::new(tree).follow_links(false) {
                if self.cancel.is_requested() {
                    return backups;
                }
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        unread += 1;
                        if unread == 1 {
                            backups.notes.push(format!("not all of the backup could be listed: {error}"));
                        }
                        continue;
                    }
                };
                let size = match entry.metadata() {
                    Ok(metadata) if metadata.is_file() => metadata.len(),
                    _ => continue,
                };
                let dir = entry.path().parent().unwrap_or(tree);
                backups.files.push(dir, entry.file_name(), Role::Unknown, size, false);
            }
        }
        backups.by_size = by_size(&backups.files);
        backups
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

fn by_size(files: &LooseFiles) -> BySize {
    let mut sizes: BySize = files.indices().filter_map(|idx| Some((files.get(idx)?.size, idx))).collect();
    sizes.sort_unstable_by_key(|(size, idx)| (*size, idx.0));
    sizes
}

fn with_size(sizes: &BySize, size: u64) -> &[(u64, LooseIdx)] {
    let first = sizes.partition_point(|(other, _)| *other < size);
    let end = sizes.partition_point(|(other, _)| *other <= size);
    sizes.get(first..end).unwrap_or_default()
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
