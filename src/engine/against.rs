//! `--against`: holds a library that was moved, and has just been verified, against the manifest of what it was.
//!
//! Where a file is now follows from where it was: the media location then is the media location now, and folders of external
//! libraries are found by the path that the records have for them.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization as _;

use super::cancel::Cancel;
use super::end::RunError;
use super::ground::Ground;
use crate::catalog::{Catalog, Manifest, ManifestEntry, Rights, hex};
use crate::immich::layout::{self, FileMeaning, Meaning};
use crate::immich::paths::PathMap;
use crate::immich::records::{FileView, Records};
use crate::model::{
    Code, Comparison, Event, EventSink, Evidence, FileIdentity, Finding, Role, What, display_path,
};

/// What a comparison needs to know of the run before it.
pub struct Against<'a> {
    /// The manifest.
    pub file: &'a Path,
    /// The media location now.
    pub media: &'a Path,
    /// Where the records' paths are now.
    pub map: &'a PathMap,
    /// The records: what they name has been told as missing, and what they have a checksum of as other bytes.
    pub records: &'a Records,
    /// What the run, or an earlier one, found.
    pub catalog: &'a Catalog,
    /// Who is told.
    pub sink: &'a dyn EventSink,
    /// What the library stands on.
    pub ground: &'a Ground,
    /// When to stop.
    pub cancel: &'a Cancel,
}

/// A file that is not where it should be.
struct Lost {
    entry: ManifestEntry,
    expected: PathBuf,
    found: Option<PathBuf>,
}

impl Against<'_> {
    /// Compares every file and tells what differs.
    ///
    /// # Errors
    /// A manifest that cannot be read, a catalog that fails.
    pub fn run(&self) -> Result<(), RunError> {
        let unreadable = |error: String| RunError::usage(format!("--against {error}"));
        let mut manifest = Manifest::open(self.file).map_err(unreadable)?;
        let rules = self.rules(&manifest);
        let mut told = Comparison { made_at: manifest.origin.made_at.clone(), ..Comparison::default() };
        let (mut seen, mut lost, mut inodes) = (HashSet::new(), Vec::new(), HashSet::new());
        while let Some(entry) = manifest.next_entry().map_err(unreadable)? {
            if self.cancel.is_requested() {
                self.sink
                    .send(Event::Note("stopped: not all files were compared with the manifest".to_owned()));
                return Ok(());
            }
            told.files += 1;
            told.bytes += entry.size;
            let expected = moved(&rules, &entry.path);
            seen.insert(key(&expected));
            match self.there(&expected)? {
                Some(metadata) if is_taken(&metadata, &mut inodes) => {
                    self.tell_collision(&entry, &expected, &mut told);
                }
                Some(metadata) => self.compare(&entry, &expected, &metadata, &mut told)?,
                None => lost.push(Lost { entry, expected, found: None }),
            }
        }
        if let Some(gone) = self.ground.look() {
            return Err(RunError::guard(gone.to_string()));
        }
        self.look_for(&mut lost, &seen, &mut told)?;
        if let Some(silent) = self.ground.silent().first() {
            return Err(RunError::guard(format!("not all files were compared with the manifest: {silent}")));
        }
        for lost in &lost {
            self.tell_lost(lost, &mut told);
        }
        self.sink.send(Event::Compared(told));
        Ok(())
    }

    /// Prefixes then and now, the longest first.
    fn rules(&self, manifest: &Manifest) -> Vec<(PathBuf, PathBuf)> {
        let origin = &manifest.origin;
        let mut rules: Vec<_> = origin
            .map
            .iter()
            .filter_map(|(record, host)| Some((host.clone(), self.map.to_host(record)?)))
            .collect();
        rules.extend(origin.media.iter().map(|media| (media.clone(), self.media.to_owned())));
        rules.sort_by_key(|(then, _)| std::cmp::Reverse(then.as_os_str().len()));
        rules
    }

    /// What is at a place.
    fn there(&self, path: &Path) -> Result<Option<Metadata>, RunError> {
        let own = path.to_owned();
        let there = self.ground.ask(path, move |_| std::fs::symlink_metadata(own).ok());
        there.map_err(|stuck| RunError::guard(format!("not all files were compared: {stuck}")))
    }

    fn exists(&self, path: &Path) -> bool {
        let own = path.to_owned();
        self.ground.ask(path, move |_| own.exists()).unwrap_or(false)
    }

    fn compare(
        &self,
        entry: &ManifestEntry,
        path: &Path,
        metadata: &Metadata,
        told: &mut Comparison,
    ) -> Result<(), RunError> {
        if metadata.is_symlink() {
            told.differs += 1;
            let own = path.to_owned();
            let target = self.ground.ask(path, move |_| std::fs::read_link(own));
            let target = target.ok().and_then(Result::ok).unwrap_or_default();
            let evidence =
                self.evidence(entry).with("now", format!("a symbolic link to {}", display_path(&target)));
            self.tell(
                What::Differs,
                path,
                evidence,
                "a copy that follows links (cp -L, rsync -L) keeps files files",
            );
            return Ok(());
        }
        let known = self.catalog.previous(path).map_err(|error| RunError::catalog(error.to_string()))?;
        let now = FileIdentity::from(metadata);
        let known = known.filter(|known| now.unchanged_since(&known.identity));
        let hash = known.and_then(|known| known.blake3).map(|hash| hex(&hash));
        let same = match (&entry.blake3, &hash) {
            _ if now.size != entry.size => false,
            (Some(then), Some(now)) => then == now,
            _ => {
                told.uncompared += 1;
                return Ok(());
            }
        };
        if !same {
            told.changed += 1;
            if self.has_checksum(path) {
                return Ok(());
            }
            let mut evidence =
                self.evidence(entry).with("bytes_then", entry.size).with("bytes_now", now.size);
            let stored = metadata.blocks().saturating_mul(512);
            if stored < now.size {
                evidence = evidence.with("bytes_stored", stored);
            }
            if let Some(at) = self.zeros(path) {
                evidence = evidence.with("zeros_from", at);
            }
            self.tell(
                What::ChecksumMismatch,
                path,
                evidence,
                "copy this file again from where it was, and check once more",
            );
            return Ok(());
        }
        match entry.rights.filter(|then| *then != Rights::of(metadata)) {
            None => told.identical += 1,
            Some(then) => {
                told.differs += 1;
                let now = Rights::of(metadata).to_string();
                let evidence = self.evidence(entry).with("then", then.to_string()).with("now", now);
                self.tell(What::Differs, path, evidence, "copy owner and permissions too (rsync -a as root), or set them to those of the container's user");
            }
        }
        Ok(())
    }

    /// Counts what has been added, and finds lost files among it: by their bytes, or by a name that differs in case or Unicode
    /// normalisation only.
    fn look_for(
        &self,
        lost: &mut [Lost],
        seen: &HashSet<u64>,
        told: &mut Comparison,
    ) -> Result<(), RunError> {
        let mut by_bytes: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, lost) in lost.iter().enumerate() {
            if let Some(hash) = &lost.entry.blake3 {
                by_bytes.entry(hash.clone()).or_default().push(number);
            }
        }
        let mut roots: Vec<&Path> = self.map.hosts();
        roots.push(self.media);
        let mut each = |path: &Path, blake3: Option<[u8; 32]>| {
            if seen.contains(&key(path))
                || !roots.iter().any(|root| path.starts_with(root))
                || !self.exists(path)
            {
                return;
            }
            told.added += 1;
            let candidates = blake3.and_then(|hash| by_bytes.get(&hex(&hash)));
            let free = candidates
                .into_iter()
                .flatten()
                .find(|number| lost.get(**number).is_some_and(|lost| lost.found.is_none()));
            if let Some(lost) = free.and_then(|number| lost.get_mut(*number)) {
                lost.found = Some(path.to_owned());
            }
        };
        self.catalog.each(&mut each).map_err(|error| RunError::catalog(error.to_string()))
    }

    /// Where the first sector-aligned block of zeros begins, as a copy onto a full or dying disk leaves it. Such blocks are rare in
    /// pictures and films.
    fn zeros(&self, path: &Path) -> Option<u64> {
        const BLOCK: usize = 4096;
        let mut file = self.ground.open(path, true).ok()?.0;
        let found = self.ground.ask(path, move |pulse| {
            let mut block = vec![0; BLOCK];
            for number in 0.. {
                pulse.beat();
                file.read_exact(&mut block).ok()?;
                if block.iter().all(|&byte| byte == 0) {
                    return Some(number * BLOCK as u64);
                }
            }
            None
        });
        found.ok().flatten()
    }

    /// Two names of the manifest are one file here, which has the bytes of one of them.
    fn tell_collision(&self, entry: &ManifestEntry, path: &Path, told: &mut Comparison) {
        told.collided += 1;
        let evidence =
            self.evidence(entry).with("name", "leads to the same file as another name of the manifest");
        let advice = "the file system takes names for one that differ in upper and lower case or in Unicode normalisation \
                      only: copy to one that tells them apart, such as ext4 or xfs";
        self.tell(What::Differs, path, evidence, advice);
    }

    fn tell_lost(&self, lost: &Lost, told: &mut Comparison) {
        let evidence = self.evidence(&lost.entry).with("bytes_then", lost.entry.size);
        let Some(found) = &lost.found else {
            told.lost += 1;
            if !self.is_recorded(&lost.expected) {
                self.tell(What::Missing, &lost.expected, evidence, "copy this file again from where it was");
            }
            return;
        };
        told.renamed += 1;
        told.added = told.added.saturating_sub(1);
        let evidence = evidence
            .with("found_at", display_path(found))
            .with("name", kind_of_rename(&lost.expected, found));
        let advice =
            "the same bytes are there under another name: rename it back, Immich's records name the old one";
        self.tell(What::Differs, &lost.expected, evidence, advice);
    }

    fn is_recorded(&self, path: &Path) -> bool {
        self.rows(path).next().is_some()
    }

    fn has_checksum(&self, path: &Path) -> bool {
        let index = &self.records.index;
        let checksum =
            |row: FileView| index.asset(row.asset?).checksum.filter(|_| row.role == Role::Original);
        self.rows(path).any(|row| checksum(row).is_some())
    }

    /// The rows that name a file.
    fn rows<'p>(&'p self, path: &'p Path) -> impl Iterator<Item = FileView> + 'p {
        let index = &self.records.index;
        let folder = path.parent().and_then(|folder| index.lookup_dir(folder));
        let name = path.file_name().unwrap_or_default().as_bytes();
        folder.into_iter().flat_map(move |folder| index.lookup(folder, name)).map(|row| index.file(row))
    }

    fn evidence(&self, entry: &ManifestEntry) -> Evidence {
        Evidence::new().with("manifest", display_path(self.file)).with("was_at", display_path(&entry.path))
    }

    fn tell(&self, what: What, path: &Path, evidence: Evidence, advice: &str) {
        let mut finding = Finding::new(Code::File(self.role(path), what)).at(path.to_owned());
        finding.evidence = evidence;
        advice.clone_into(&mut finding.advice);
        self.sink.send(Event::Finding(Box::new(finding)));
    }

    /// What the path tells.
    fn role(&self, path: &Path) -> Role {
        if let Ok(below) = path.strip_prefix(self.media) {
            return match layout::meaning(below.as_os_str().as_bytes()) {
                Meaning::File(file) => file.role,
                _ => Role::Unknown,
            };
        }
        let name = path.file_name().unwrap_or_default();
        FileMeaning::by_extension(name.as_bytes()).map_or(Role::Unknown, |file| file.role)
    }
}

/// Where a file is now by the first rule that fits.
fn moved(rules: &[(PathBuf, PathBuf)], path: &Path) -> PathBuf {
    let found = rules.iter().find_map(|(then, now)| Some(now.join(path.strip_prefix(then).ok()?)));
    found.unwrap_or_else(|| path.to_owned())
}

/// Whether a file that has one name is there under another one already.
fn is_taken(metadata: &Metadata, inodes: &mut HashSet<u64>) -> bool {
    let mut hasher = DefaultHasher::new();
    (metadata.dev(), metadata.ino()).hash(&mut hasher);
    metadata.is_file() && metadata.nlink() == 1 && !inodes.insert(hasher.finish())
}

fn key(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.as_os_str().as_bytes().hash(&mut hasher);
    hasher.finish()
}

/// How a name came to be another, in words.
fn kind_of_rename(then: &Path, now: &Path) -> &'static str {
    let text = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (then, now) = (text(then), text(now));
    if then == now {
        "in another folder"
    } else if then.to_lowercase() == now.to_lowercase() {
        "differs in upper and lower case"
    } else if composed(&then) == composed(&now) {
        "differs in Unicode normalisation"
    } else {
        "another name"
    }
}

fn composed(name: &str) -> String {
    name.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_move_by_the_longest_prefix() {
        let rules = [("/old/media/library", "/new/library"), ("/old/media", "/m")];
        let rules = rules.map(|(then, now)| (PathBuf::from(then), PathBuf::from(now)));
        for (then, now) in [
            ("/old/media/upload/a.jpg", "/m/upload/a.jpg"),
            ("/old/media/library/a.jpg", "/new/library/a.jpg"),
            ("/old/mediaeval/a.jpg", "/old/mediaeval/a.jpg"),
        ] {
            assert_eq!(moved(&rules, Path::new(then)), Path::new(now));
        }
    }

    #[test]
    fn kinds_of_renames() {
        let kind = |then: &str, now: &str| kind_of_rename(Path::new(then), Path::new(now));
        assert_eq!(kind("/a/x.jpg", "/b/x.jpg"), "in another folder");
        assert_eq!(kind("/a/X.JPG", "/a/x.jpg"), "differs in upper and lower case");
        assert_eq!(kind("/a/caf\u{e9}.jpg", "/a/cafe\u{301}.jpg"), "differs in Unicode normalisation");
        assert_eq!(kind("/a/x.jpg", "/a/y.jpg"), "another name");
    }
}
