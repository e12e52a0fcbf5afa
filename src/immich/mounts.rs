//! Guards: is this really the library, or the empty folder under a disk that is not mounted?
//!
//! Immich writes a file `.immich` into each of its folders and remembers in its records that it did. A folder
//! that should have one and has none is a wrong mount; libraries older than these markers have no such records
//! and are normal. Nothing may be called missing before these guards have passed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout::{Folder, MARKER};
use super::paths::{PathMap, Unmapped};
use crate::model::{Code, Evidence, Finding, RunCode, display_path};

/// Why a run must stop before it looks for missing files. The text names the folder and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardError {
    /// The media location cannot be looked into.
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        reason: String,
        /// The system's error number.
        errno: Option<i32>,
    },
    /// The media location holds nothing.
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The media location holds something, but none of Immich's folders.
    NotALibrary {
        /// The folder.
        path: PathBuf,
        /// A folder in it that looks like the media location.
        better: Option<PathBuf>,
    },
    /// The folder of an external library holds nothing, although files should be in it.
    ImportEmpty {
        /// The folder here.
        path: PathBuf,
        /// Its import path in the container.
        import: PathBuf,
        /// Originals that should be in it.
        expected: u64,
        /// What the system says when the folder is not simply empty.
        reason: Option<String>,
    },
    /// A folder that Immich has marked has no marker.
    MarkerMissing {
        /// Which of Immich's folders.
        folder: Folder,
        /// Where the marker should be.
        marker: PathBuf,
        /// What the system says when it is not simply absent.
        reason: Option<String>,
    },
    /// More than half of all originals are missing.
    MassMissing {
        /// Originals that are not there.
        missing: u64,
        /// Originals that should be there.
        expected: u64,
        /// One that is missing.
        example: Option<PathBuf>,
    },
    /// A share does not answer.
    Silent {
        /// Where it is mounted.
        path: PathBuf,
        /// What it is.
        reason: String,
        /// For how long it was waited for.
        waited: std::time::Duration,
    },
    /// A folder that the run began with is not there any more.
    Gone {
        /// The folder.
        path: PathBuf,
        /// What is seen instead.
        reason: String,
    },
    /// Not one uploaded original has a place on this host.
    NothingMapped {
        /// The prefixes that are lacking, most frequent first, each with an example.
        prefixes: Vec<(PathBuf, u64, PathBuf)>,
    },
}

impl std::fmt::Display for GuardError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable { path, reason, .. } => write!(
                f,
                "{}: the media location cannot be read: {reason}; mount it, or run as a user who may read it",
                display_path(path)
            ),
            Self::Empty { path } => write!(
                f,
                "{}: the media location is empty; is its disk mounted? Nothing was called missing",
                display_path(path)
            ),
            Self::NotALibrary { path, better } => {
                write!(
                    f,
                    "{}: none of Immich's folders (upload, library, thumbs, encoded-video, profile, backups) is here",
                    display_path(path)
                )?;
                match better {
                    Some(better) => write!(f, "; did you mean --media {}?", display_path(better)),
                    None => f.write_str("; give the folder that holds them with --media, or mount its disk"),
                }
            }
            Self::ImportEmpty { path, import, expected, reason } => write!(
                f,
                "{}: the folder of the external library {} {}, and {expected} originals should be in it; mount its disk \
                 or correct --map. If they are really gone, go on with --allow-mass-missing",
                display_path(path),
                display_path(import),
                reason.as_deref().unwrap_or("is empty")
            ),
            Self::MarkerMissing { folder, marker, reason } => {
                write!(
                    f,
                    "{}: Immich has marked its folder {:?} with this file, and it is not there",
                    display_path(marker),
                    folder.as_str()
                )?;
                if let Some(reason) = reason {
                    write!(f, " ({reason})")?;
                }
                write!(
                    f,
                    "; mount the right disk at {}. If this is the right folder, create the file as Immich would: \
                     an empty file is enough",
                    display_path(marker.parent().unwrap_or(marker))
                )
            }
            Self::MassMissing { missing, expected, example } => {
                write!(f, "{missing} of {expected} originals are not there")?;
                if let Some(example) = example {
                    write!(f, ", for example {}", display_path(example))?;
                }
                f.write_str(
                    "; more likely a disk is not mounted or --map is wrong than that they are lost. If they are \
                     really gone, go on with --allow-mass-missing",
                )
            }
            Self::Silent { path, reason, waited } => write!(
                f,
                "{}: this share ({reason}) does not answer, {} s were waited for it: is its server up and reachable? Nothing \
                 can be said of the files on it, and nothing was called missing because of it; everything else was looked at",
                display_path(path),
                waited.as_secs_f32()
            ),
            Self::Gone { path, reason } => write!(
                f,
                "{}: {reason}: was it unmounted? The run stopped, and nothing was called missing because of it; what was \
                 looked at until then counts. Mount it and run again",
                display_path(path)
            ),
            Self::NothingMapped { prefixes } => {
                f.write_str("not one uploaded original of the records has a place here; say where with")?;
                for (prefix, count, example) in prefixes.iter().take(3) {
                    write!(
                        f,
                        " --map {}=FOLDER ({count} files, for example {})",
                        display_path(prefix),
                        display_path(example)
                    )?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for GuardError {}

impl GuardError {
    /// The finding for reports; losing more than half of the originals has none of its own.
    pub fn finding(&self) -> Option<Finding> {
        let (code, path, evidence) = match self {
            Self::Unreadable { path, reason, errno } => {
                let evidence = Evidence::new().with("reason", reason.clone()).with("errno", *errno);
                (RunCode::MountEmpty, Some(path), evidence)
            }
            Self::Empty { path } => (RunCode::MountEmpty, Some(path), Evidence::new().with("entries", 0)),
            Self::NotALibrary { path, better } => {
                let better = better.as_ref().map(|path| path.to_string_lossy().into_owned());
                (
                    RunCode::MountEmpty,
                    Some(path),
                    Evidence::new().with("immich_folders", 0).with("instead", better),
                )
            }
            Self::ImportEmpty { path, import, expected, reason } => {
                let evidence = Evidence::new()
                    .with("import_path", import.to_string_lossy())
                    .with("expected", *expected)
                    .with("reason", reason.clone());
                (RunCode::MountEmpty, Some(path), evidence)
            }
            Self::MarkerMissing { folder, marker, reason } => {
                let evidence = Evidence::new().with("folder", folder.as_str()).with("reason", reason.clone());
                (RunCode::MountMarkerMissing, Some(marker), evidence)
            }
            Self::Silent { path, reason, waited } => {
                let evidence =
                    Evidence::new().with("share", reason.clone()).with("waited_seconds", waited.as_secs());
                (RunCode::MountHangs, Some(path), evidence)
            }
            Self::Gone { path, reason } => {
                (RunCode::MountGone, Some(path), Evidence::new().with("reason", reason.clone()))
            }
            Self::NothingMapped { prefixes } => {
                let named: Vec<_> = prefixes.iter().map(|(prefix, ..)| prefix.to_string_lossy()).collect();
                (RunCode::PathUnmapped, None, Evidence::new().with("prefixes", named.join(", ")))
            }
            Self::MassMissing { .. } => return None,
        };
        let mut finding = Finding::new(Code::Run(code)).seen(evidence).advise(self.to_string());
        finding.path = path.cloned();
        Some(finding)
    }
}

/// Where one of Immich's folders is on this host: by the map, which may lead to another disk, else below `media`.
pub fn folder_on_host(folder: Folder, media: &Path, map: &PathMap, location: Option<&Path>) -> PathBuf {
    location
        .and_then(|location| map.to_host(&location.join(folder.as_str())))
        .unwrap_or_else(|| media.join(folder.as_str()))
}

/// Checks the media location and the markers of its folders. `flags` are those of the records: for each folder
/// whether Immich has marked it. `hangs`: of which folder nothing can be said. Every violation is returned; an empty list is a
/// pass.
pub fn check_mounts(
    media: &Path,
    map: &PathMap,
    location: Option<&Path>,
    flags: &BTreeMap<String, bool>,
    hangs: &dyn Fn(&Path) -> bool,
) -> Vec<GuardError> {
    if let Some(error) = check_media(media, map, location, hangs) {
        return vec![error];
    }
    let flagged = |folder: &Folder| flags.get(folder.as_str()).copied().unwrap_or(false);
    Folder::ALL
        .into_iter()
        .filter(flagged)
        .map(|folder| (folder, folder_on_host(folder, media, map, location)))
        .filter(|(_, path)| !hangs(path))
        .filter_map(|(folder, path)| {
            let marker = path.join(MARKER);
            match fs::symlink_metadata(&marker) {
                Ok(_) => None,
                Err(error) => {
                    let reason = (error.kind() != io::ErrorKind::NotFound).then(|| error.to_string());
                    Some(GuardError::MarkerMissing { folder, marker, reason })
                }
            }
        })
        .collect()
}

fn check_media(
    media: &Path,
    map: &PathMap,
    location: Option<&Path>,
    hangs: &dyn Fn(&Path) -> bool,
) -> Option<GuardError> {
    let unreadable = |error: &io::Error| GuardError::Unreadable {
        path: media.to_path_buf(),
        reason: error.to_string(),
        errno: error.raw_os_error(),
    };
    let entries = match fs::read_dir(media) {
        Ok(entries) => entries,
        Err(error) => return Some(unreadable(&error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        match entry {
            // A fresh ext4 file system is not empty, it has this folder.
            Ok(entry) if entry.file_name() == "lost+found" => {}
            Ok(entry) => folders.push(entry.path()),
            Err(error) => return Some(unreadable(&error)),
        }
    }
    let here = |folder: &Folder| {
        let path = folder_on_host(*folder, media, map, location);
        hangs(&path) || path.is_dir()
    };
    if Folder::ALL.iter().any(here) {
        return None;
    }
    if folders.is_empty() {
        return Some(GuardError::Empty { path: media.to_path_buf() });
    }
    folders.sort();
    let is_library = |path: &PathBuf| ["upload", "thumbs"].iter().all(|name| path.join(name).is_dir());
    Some(GuardError::NotALibrary { path: media.to_path_buf(), better: folders.into_iter().find(is_library) })
}

/// Whether the folder of an external library is empty or cannot be read, and how. `None` is a pass.
pub fn import_trouble(host: &Path) -> Option<Option<String>> {
    match fs::read_dir(host) {
        Ok(mut entries) => {
            let used = entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "lost+found"));
            (!used).then_some(None)
        }
        Err(error) => Some(Some(format!("cannot be read ({error})"))),
    }
}

/// More than half of the originals that should be there are not. `expected` and `missing` count neither
/// offline nor trashed assets.
pub fn check_mass_missing(missing: u64, expected: u64, example: Option<PathBuf>) -> Option<GuardError> {
    (missing.saturating_mul(2) > expected).then_some(GuardError::MassMissing { missing, expected, example })
}

/// No upload at all can be mapped: the run would call everything lost. `uploads` and `mapped` count originals
/// that Immich itself stores.
pub fn check_mapped(uploads: u64, mapped: u64, unmapped: &Unmapped) -> Option<GuardError> {
    if uploads == 0 || mapped > 0 {
        return None;
    }
    let mut prefixes: Vec<_> = unmapped
        .groups()
        .map(|(prefix, group)| (prefix, group.files + group.resting, super::layout::path_of(&group.example)))
        .collect();
    prefixes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Some(GuardError::NothingMapped { prefixes })
}

/// The findings for paths that lead nowhere here, one for each prefix.
pub fn unmapped_findings(unmapped: &Unmapped) -> Vec<Finding> {
    unmapped
        .groups()
        .map(|(prefix, group)| {
            let evidence = Evidence::new()
                .with("prefix", prefix.to_string_lossy())
                .with("files", group.files)
                .with("files_offline_or_trashed", group.resting);
            let advice = format!("say where these files are here: --map {}=FOLDER", display_path(&prefix));
            let mut finding = Finding::new(Code::Run(RunCode::PathUnmapped)).seen(evidence).advise(advice);
            finding.record_path = Some(super::layout::path_of(&group.example));
            if group.files == 0 {
                // Immich itself does not reach them either, or they are on their way out.
                finding.severity = crate::model::Severity::Info;
            }
            finding
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test should panic")]
    use super::*;
    use crate::immich::paths::{MapInputs, MapRule};

    fn flags(folders: &[Folder]) -> BTreeMap<String, bool> {
        folders.iter().map(|folder| (folder.as_str().to_owned(), true)).collect()
    }

    fn check(media: &Path, flags: &BTreeMap<String, bool>) -> Vec<GuardError> {
        check_mounts(media, &PathMap::default(), None, flags, &|_| false)
    }

    #[test]
    fn an_unmounted_disk_is_recognised() {
        let dir = tempfile::tempdir().unwrap();
        let none = BTreeMap::new();
        let absent = check(&dir.path().join("nowhere"), &none);
        assert!(matches!(absent[0], GuardError::Unreadable { .. }));
        std::fs::create_dir(dir.path().join("lost+found")).unwrap();
        let empty = check(dir.path(), &none);
        assert!(matches!(empty[..], [GuardError::Empty { .. }]));
        assert_eq!(empty[0].finding().unwrap().code.to_string(), "mount.empty");
    }

    #[test]
    fn the_folder_above_or_another_one_is_recognised() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("library-data/upload")).unwrap();
        std::fs::create_dir_all(dir.path().join("library-data/thumbs")).unwrap();
        let errors = check(dir.path(), &BTreeMap::new());
        assert!(errors[0].to_string().contains("did you mean --media"), "{}", errors[0]);
        assert!(check(&dir.path().join("library-data"), &BTreeMap::new()).is_empty());
    }

    #[test]
    fn flagged_folders_need_their_markers_wherever_they_are() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["upload", "thumbs", "ssd"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        std::fs::write(dir.path().join("upload/.immich"), "1").unwrap();
        std::fs::write(dir.path().join("ssd/.immich"), "1").unwrap();
        let flags = flags(&[Folder::Upload, Folder::Thumbs]);
        let errors = check(dir.path(), &flags);
        assert!(
            matches!(errors[..], [GuardError::MarkerMissing { folder: Folder::Thumbs, .. }]),
            "{errors:?}"
        );
        let rule = MapRule { container: "/data/thumbs".into(), host: dir.path().join("ssd") };
        let map = PathMap::build(&MapInputs { user: &[rule], ..MapInputs::default() }).unwrap();
        assert!(check_mounts(dir.path(), &map, Some(Path::new("/data")), &flags, &|_| false).is_empty());
    }

    #[test]
    fn half_is_not_more_than_half() {
        assert_eq!(check_mass_missing(5, 10, None), None);
        assert!(check_mass_missing(6, 10, None).is_some());
        assert_eq!(check_mass_missing(0, 0, None), None);
        assert!(check_mass_missing(1, 1, None).is_some());
    }

    #[test]
    fn the_lacking_map_is_named() {
        let mut unmapped = Unmapped::default();
        unmapped.add(b"/data/upload/9a1b2c3d-0000-4000-8000-00000000000f/aa/bb/x.jpg", false, &[]);
        assert_eq!(check_mapped(3, 1, &unmapped), None);
        let message = check_mapped(3, 0, &unmapped).unwrap().to_string();
        assert!(message.contains("--map /data=FOLDER"), "{message}");
        assert_eq!(unmapped_findings(&unmapped)[0].code.to_string(), "path.unmapped");
    }
}
