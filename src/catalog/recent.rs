//! The folders asked about lately, so that a walk through a folder costs one question and not one a file.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::knowledge::{Folder, Knowledge};

/// Files and folders kept: some megabytes.
const KEPT: usize = 20_000;
/// Files of one folder; a folder with more is asked file by file.
pub(super) const FILES: usize = 2000;

/// What is kept of one folder.
enum Kept {
    /// Everything that is known.
    All(Folder),
    /// Too much.
    Large,
}

/// Folders asked about lately, the oldest first out.
#[derive(Default)]
pub(super) struct Recent {
    folders: HashMap<PathBuf, Kept>,
    order: VecDeque<PathBuf>,
    weight: usize,
}

/// What can be said without asking.
pub(super) enum Answer {
    /// All there is to say.
    Known(Option<Knowledge>),
    /// The folder is too large to be kept: ask for the file.
    AskForFile,
    /// Ask for the folder.
    AskForFolder,
}

impl Recent {
    pub(super) fn answer(&self, folder: &Path, name: &OsStr) -> Answer {
        match self.folders.get(folder) {
            Some(Kept::All(files)) => Answer::Known(files.previous(name).cloned()),
            Some(Kept::Large) => Answer::AskForFile,
            None => Answer::AskForFolder,
        }
    }

    /// Keeps what is known about a folder; `None` = too much.
    pub(super) fn keep(&mut self, folder: &Path, files: Option<Folder>) {
        let weight = |kept: &Kept| match kept {
            Kept::All(files) => 1 + files.len(),
            Kept::Large => 1,
        };
        let kept = files.map_or(Kept::Large, Kept::All);
        self.weight += weight(&kept);
        while self.weight > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.weight -= self.folders.remove(&oldest).as_ref().map_or(0, weight);
        }
        self.order.push_back(folder.to_owned());
        self.folders.insert(folder.to_owned(), kept);
    }

    /// Something new is known.
    pub(super) fn update(&mut self, folder: &Path, name: &OsStr, knowledge: &Knowledge) {
        if let Some(Kept::All(files)) = self.folders.get_mut(folder) {
            let before = files.files.insert(name.to_owned(), knowledge.clone());
            self.weight += usize::from(before.is_none());
        }
    }

    /// Forgets everything: rows have been removed or moved.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
