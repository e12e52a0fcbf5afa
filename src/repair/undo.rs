//! Putting back what a quarantine folder holds. What to do about a file follows from what is in the folder and at
//! its old place now, so it does not matter at which moment an earlier run was killed, nor how often this is done.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::manifest::{Entry, FILES, Line, MANIFEST, Manifest, Why, kept_name};
use super::store::{Content, FileStore, Moving, StoreError};
use crate::model::{FileIdentity, RepairAction, RepairEvent, RepairStatus, display_path};

/// Opens a file for reading; `None` when there is none, words when it is no regular file or cannot be read.
pub type OpenFile<'a> = dyn Fn(&Path) -> Result<Option<(File, FileIdentity)>, String> + 'a;

/// One run of `undo`.
pub struct Undo<'a> {
    /// The only writer.
    pub store: &'a dyn FileStore,
    /// The quarantine folder.
    pub folder: &'a Path,
    /// What its manifest says.
    pub manifest: &'a Manifest,
    /// The only way to read files.
    pub open: &'a OpenFile<'a>,
    /// The moment, RFC 3339.
    pub now: &'a str,
}

/// What is at a place.
struct There {
    state: FileIdentity,
    content: Content,
}

/// What became of one file.
enum Became {
    PutBack(RepairStatus, String),
    Nothing(&'static str),
    Refused(String),
}

impl From<StoreError> for Became {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Undo<'_> {
    /// Puts everything back, the last file first, and tells `each`, until `stop` says so.
    pub fn run(&self, each: &dyn Fn(RepairEvent), stop: &dyn Fn() -> bool) {
        let mut next = self.manifest.next();
        for entry in self.manifest.entries.iter().rev().filter(|entry| entry.why != Why::SetAside) {
            if stop() {
                return;
            }
            let (status, reason) = match self.entry(entry, &mut next).unwrap_or_else(|became| became) {
                Became::PutBack(status, reason) => (status, reason),
                Became::Nothing(why) => (RepairStatus::Skipped, why.to_owned()),
                Became::Refused(why) => (RepairStatus::Failed, why),
            };
            each(RepairEvent {
                action: RepairAction::Undo,
                role: entry.role,
                path: entry.path.clone(),
                asset: entry.asset,
                status,
                reason,
                bytes: matches!(status, RepairStatus::Done | RepairStatus::Planned)
                    .then_some(entry.content.size),
            });
        }
    }

    fn entry(&self, entry: &Entry, next: &mut u64) -> Result<Became, Became> {
        let kept = self.folder.join(FILES).join(&entry.kept);
        let here = self.look(&kept)?;
        let there = self.look(&entry.path)?;
        let is_back = there.as_ref().is_some_and(|there| there.content == entry.content);
        let undone = self.manifest.undone.contains(&entry.number);
        let Some(here) = here else {
            return Ok(match (undone, is_back) {
                (true, _) => Became::Nothing("was put back before"),
                (false, true) => Became::Nothing("is where it was: it was never moved, or is back"),
                (false, false) => Became::Refused(format!(
                    "neither here ({}) nor where it was: somebody else has moved it",
                    display_path(&kept)
                )),
            });
        };
        if here.content != entry.content {
            return Ok(Became::Refused(format!(
                "{} does not have the bytes that the manifest tells any more; it stays where it is",
                display_path(&kept)
            )));
        }
        if is_back {
            return Ok(Became::Nothing("is where it was; what is kept of it stays here"));
        }
        let seen = match &there {
            None => None,
            Some(there) if Some(there.content.sha1) == entry.replaced_by => {
                Some(self.set_aside(entry, there, next)?)
            }
            Some(_) => {
                return Ok(Became::Refused(
                    "something else has appeared where it was; move that away first".to_owned(),
                ));
            }
        };
        let moving = Moving { from: &kept, state: here.state, to: &entry.path, content: entry.content, seen };
        let committed = self.store.shift(&moving)?;
        let line = Line::Undone { at: self.now.to_owned(), number: entry.number };
        let mut notes = committed.notes;
        if let Err(error) = self.store.append(&self.folder.join(MANIFEST), &line.to_bytes()) {
            notes.push(format!("it is back, but the manifest does not say so: {error}"));
        }
        notes.insert(0, format!("from {}", display_path(&kept)));
        Ok(Became::PutBack(committed.status, notes.join("; ")))
    }

    /// Keeps what took the place of a file before the file takes its place back.
    fn set_aside(&self, entry: &Entry, there: &There, next: &mut u64) -> Result<FileIdentity, Became> {
        let number = *next;
        *next = next.saturating_add(1);
        let kept = kept_name(number, &entry.path);
        let to: PathBuf = self.folder.join(FILES).join(&kept);
        let line = Line::Kept(Entry {
            number,
            at: self.now.to_owned(),
            why: Why::SetAside,
            path: entry.path.clone(),
            kept,
            content: there.content,
            replaced_by: None,
            role: entry.role,
            asset: entry.asset,
        });
        self.store.append(&self.folder.join(MANIFEST), &line.to_bytes())?;
        let moving =
            Moving { from: &entry.path, state: there.state, to: &to, content: there.content, seen: None };
        Ok(self.store.keep(&moving)?)
    }

    fn look(&self, path: &Path) -> Result<Option<There>, Became> {
        let Some((file, state)) = (self.open)(path).map_err(Became::Refused)? else { return Ok(None) };
        let content = self.store.content(&file, path)?;
        Ok(Some(There { state, content }))
    }
}
