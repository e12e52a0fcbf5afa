//! The folder where files go that have to make room, with a manifest from which they come back.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::manifest::{Entry, FILES, Line, MANIFEST, Manifest, Why, kept_name};
use super::store::{Committed, Content, FileStore, Moving, StoreError};
use crate::model::{AssetId, FileIdentity, Role, is_own_temporary, shell_word};

/// A quarantine folder that a run puts files into.
pub struct Quarantine {
    folder: PathBuf,
    next: AtomicU64,
    /// Said once, before the first file.
    opened: std::sync::Mutex<Option<Line>>,
}

/// A file that has to make room.
#[derive(Clone, Copy, Debug)]
pub struct Stray<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// The state of it that was looked at.
    pub state: FileIdentity,
    /// Its bytes.
    pub content: Content,
    /// What it is for.
    pub role: Role,
    /// The asset it belongs to.
    pub asset: Option<AssetId>,
}

impl Quarantine {
    /// The folder `folder`, which may not be there yet; files may be put back below `below`.
    pub fn open(folder: &Path, below: Vec<PathBuf>, now: &str) -> io::Result<Self> {
        let manifest = match File::open(folder.join(MANIFEST)) {
            Ok(file) => Manifest::read(BufReader::new(file))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Manifest::default(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            folder: folder.to_owned(),
            next: AtomicU64::new(manifest.next()),
            opened: std::sync::Mutex::new(Some(Line::Opened { at: now.to_owned(), below })),
        })
    }

    /// Keeps the bytes of an original that is about to be replaced by one with the hash `by`. Answers with its
    /// state afterwards and the place where they are kept.
    pub fn keep(
        &self,
        store: &dyn FileStore,
        stray: &Stray<'_>,
        by: [u8; 20],
        now: &str,
    ) -> Result<(FileIdentity, PathBuf), StoreError> {
        let to = self.announce(store, stray, Why::Replaced, Some(by), now)?;
        Ok((store.keep(&moving(stray, &to))?, to))
    }

    /// Moves a file here that no record names. Answers with the place where it is then.
    pub fn take(
        &self,
        store: &dyn FileStore,
        stray: &Stray<'_>,
        now: &str,
    ) -> Result<(Committed, PathBuf), StoreError> {
        let to = self.announce(store, stray, Why::Untracked, None, now)?;
        Ok((store.shift(&moving(stray, &to))?, to))
    }

    /// Writes the line of a file before the file moves.
    fn announce(
        &self,
        store: &dyn FileStore,
        stray: &Stray<'_>,
        why: Why,
        replaced_by: Option<[u8; 20]>,
        now: &str,
    ) -> Result<PathBuf, StoreError> {
        let manifest = self.folder.join(MANIFEST);
        let mut opened = self.opened.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(line) = opened.as_ref() {
            store.append(&manifest, &line.to_bytes())?;
            *opened = None;
        }
        drop(opened);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let kept = kept_name(number, stray.path);
        let to = self.folder.join(FILES).join(&kept);
        let entry = Entry {
            number,
            at: now.to_owned(),
            why,
            path: stray.path.to_owned(),
            kept,
            content: stray.content,
            replaced_by,
            role: stray.role,
            asset: stray.asset,
        };
        store.append(&manifest, &Line::Kept(entry).to_bytes())?;
        Ok(to)
    }

    /// How to take back what goes here.
    pub fn way_back(&self) -> String {
        format!("photofsck undo {}", shell_word(&self.folder))
    }
}

fn moving<'a>(stray: &Stray<'a>, to: &'a Path) -> Moving<'a> {
    Moving { from: stray.path, state: stray.state, to, content: stray.content, seen: None }
}

/// Temporary files that a killed run left among files put aside in `folder`.
pub fn leftovers(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .max_depth(2)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file() && is_own_temporary(entry.file_name()))
        .map(walkdir::DirEntry::into_path)
        .collect()
}
