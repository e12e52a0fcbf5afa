//! How dumps are come at: a share that they lie on may never answer, and who knows of that is not here.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file that was opened for reading.
pub struct Opened {
    /// Its bytes.
    pub stream: Box<dyn Read>,
    /// When it was changed last, where the file system tells.
    pub modified: Option<SystemTime>,
}

/// A way to files: straight to them, or one on which each call is waited for no longer than is right.
pub trait Files {
    /// The regular files of a folder, links followed, with the times of their last changes.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&self, folder: &Path) -> io::Result<Vec<(PathBuf, Option<SystemTime>)>>;

    /// Opens a file to read it once from its beginning.
    ///
    /// # Errors
    /// It cannot be read, or is a folder ([`io::ErrorKind::IsADirectory`]).
    fn open_whole(&self, path: &Path) -> io::Result<Opened>;
}

/// Straight to them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

impl Direct {
    /// The file itself, and when it was changed last.
    ///
    /// # Errors
    /// As for [`Files::open_whole`].
    pub fn file(path: &Path) -> io::Result<(std::fs::File, Option<SystemTime>)> {
        let file = std::fs::File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok((file, about.modified().ok()))
    }
}

impl Files for Direct {
    fn list(&self, folder: &Path) -> io::Result<Vec<(PathBuf, Option<SystemTime>)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if let Some(about) = path.metadata().ok().filter(std::fs::Metadata::is_file) {
                files.push((path, about.modified().ok()));
            }
        }
        Ok(files)
    }

    fn open_whole(&self, path: &Path) -> io::Result<Opened> {
        let (file, modified) = Self::file(path)?;
        Ok(Opened { stream: Box::new(file), modified })
    }
}
