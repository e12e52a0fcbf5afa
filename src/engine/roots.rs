//! Which trees are walked: the media location, its folders that live elsewhere, and the import paths of
//! external libraries. Each tree once, however many ways lead to it.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::immich::layout::{Folder, path_of};
use crate::immich::paths::{PathMap, STANDARD_LOCATIONS};
use crate::immich::records::{Library, Records};

/// Tells of which folder nothing can be said because its share does not answer.
type Hangs<'a> = &'a dyn Fn(&Path) -> bool;

/// One tree.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its top folder, which may be a link.
    pub path: PathBuf,
    /// Where it lies below the media location (empty: it is the media location); `None` for a tree of an
    /// external library.
    below_media: Option<Vec<u8>>,
    /// Its path in the container, for the patterns.
    container: PathBuf,
    /// What its library leaves out.
    exclusions: Option<GlobSet>,
}

impl Root {
    /// The path of a folder of this tree relative to the media location, with a slash at its end unless it is
    /// the media location; `None` outside of the media location.
    pub fn relative(&self, folder: &Path) -> Option<Vec<u8>> {
        let mut relative = self.below_media.clone()?;
        let rest = folder.strip_prefix(&self.path).ok()?.as_os_str().as_bytes();
        if !rest.is_empty() && !relative.is_empty() {
            relative.push(b'/');
        }
        relative.extend_from_slice(rest);
        if !relative.is_empty() {
            relative.push(b'/');
        }
        Some(relative)
    }

    /// Whether the patterns of the library leave a file out.
    pub fn excludes(&self, folder: &Path, name: &[u8]) -> bool {
        let Some(exclusions) = &self.exclusions else { return false };
        let below = folder.strip_prefix(&self.path).unwrap_or(folder);
        exclusions.is_match(self.container.join(below).join(path_of(name)))
    }
}

/// The trees of one run.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    list: Vec<Root>,
    /// Their top folders, and other ways to them.
    tops: HashSet<PathBuf>,
    /// Device and inode of the top folders.
    known: HashSet<(u64, u64)>,
    /// Patterns that could not be understood, for people.
    pub notes: Vec<String>,
}

impl Roots {
    /// The trees for this media location, map and records. `map` is built from them. What `hangs` is left out.
    pub fn plan(media: Option<&Path>, map: &PathMap, records: &Records, hangs: Hangs<'_>) -> Self {
        let mut roots = Self::default();
        if let Some(media) = media {
            roots.add(media, Some(Vec::new()), Path::new(""), hangs);
        }
        let locations = locations(media, map, records);
        for location in &locations {
            if let Some(host) = map.to_host(location) {
                roots.add(&host, Some(Vec::new()), location, hangs);
            }
        }
        for entry in map.entries() {
            let below = locations.iter().find_map(|location| entry.container.strip_prefix(location).ok());
            if let Some(below) = below.filter(|below| !below.as_os_str().is_empty()) {
                let below = below.as_os_str().as_bytes().to_vec();
                roots.add(&entry.host, Some(below), &entry.container, hangs);
            }
        }
        if let Some(media) = media {
            for folder in Folder::ALL {
                let path = media.join(folder.as_str());
                if hangs(&path) || path.is_dir() {
                    roots.add(&path, Some(folder.as_str().as_bytes().to_vec()), Path::new(""), hangs);
                }
            }
        }
        for library in &records.libraries {
            roots.add_library(library, map, hangs);
        }
        roots
    }

    /// One tree of no library at all: for tests and for folders that are simply named.
    pub fn single(path: &Path) -> Self {
        let mut roots = Self::default();
        roots.add(path, Some(Vec::new()), Path::new(""), &|_| false);
        roots
    }

    /// All trees.
    pub fn list(&self) -> &[Root] {
        &self.list
    }

    /// Whether a path met while walking is the top of a tree of its own.
    pub fn contains(&self, path: &Path) -> bool {
        self.tops.contains(path)
    }

    fn add_library(&mut self, library: &Library, map: &PathMap, hangs: Hangs<'_>) {
        let exclusions = self.exclusions(library);
        for import in &library.import_paths {
            if let Some(host) = map.to_host(import)
                && self.add(&host, None, import, hangs)
                && let Some(root) = self.list.last_mut()
            {
                root.exclusions.clone_from(&exclusions);
            }
        }
    }

    /// Adds a tree unless it is there already or hangs; tells whether it was added. One that hangs is not entered from above
    /// either.
    fn add(&mut self, path: &Path, below_media: Option<Vec<u8>>, container: &Path, hangs: Hangs<'_>) -> bool {
        if !self.tops.insert(path.to_path_buf()) || hangs(path) {
            return false;
        }
        if let Ok(metadata) = fs::metadata(path)
            && !self.known.insert((metadata.dev(), metadata.ino()))
        {
            return false;
        }
        let (path, container) = (path.to_path_buf(), container.to_path_buf());
        self.list.push(Root { path, below_media, container, exclusions: None });
        true
    }

    fn exclusions(&mut self, library: &Library) -> Option<GlobSet> {
        let mut set = GlobSetBuilder::new();
        for pattern in &library.exclusion_patterns {
            // As Immich matches them: any case, and `*` stays within one folder.
            match GlobBuilder::new(pattern).case_insensitive(true).literal_separator(true).build() {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(error) => self.notes.push(format!(
                    "library {:?}: the exclusion pattern {pattern:?} is not used: {error}",
                    library.name
                )),
            }
        }
        (!library.exclusion_patterns.is_empty()).then(|| set.build().ok()).flatten()
    }
}

/// Every name of the media location in the records: the one Immich remembers, those that the map leads to
/// `media`, and the defaults that the map covers.
fn locations(media: Option<&Path>, map: &PathMap, records: &Records) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = records.media_location.iter().cloned().collect();
    let entries = map.entries();
    found.extend(
        entries
            .iter()
            .filter(|entry| Some(entry.host.as_path()) == media)
            .map(|entry| entry.container.clone()),
    );
    found.extend(
        STANDARD_LOCATIONS.iter().map(PathBuf::from).filter(|location| map.to_host(location).is_some()),
    );
    // The deepest first, so that what is below them is cut off where it should be.
    found.sort_by_key(|location| std::cmp::Reverse(location.as_os_str().len()));
    found.dedup();
    found
}
