//! What a library is made of: files by role and format, and some of each to measure with.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use walkdir::WalkDir;

use crate::engine::{Cancel, RunError};
use crate::immich::layout::{Folder, Meaning, MediaClass, class_of, meaning};
use crate::model::{Measure, Role, display_path};

/// Files of each kind to measure with.
const SAMPLE: usize = 24;
/// Longest walk; what is beyond is estimated to be like what was seen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Role and format of files that cost the same for each byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// What they are for.
    pub role: &'static str,
    /// What they are, by their names.
    pub format: String,
}

impl Kind {
    /// Whether previews are made of it.
    pub fn is_original(&self) -> bool {
        self.role == Role::Original.as_str()
    }
}

/// All files of one kind.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Some of them, any one as likely as another.
    pub sample: Vec<PathBuf>,
}

/// The files of a library.
#[derive(Debug)]
pub struct Library {
    /// By kind.
    pub groups: BTreeMap<Kind, Group>,
    /// The walk was cut short.
    pub partly: bool,
    /// Seconds that it took.
    pub seconds: f64,
}

impl Library {
    /// One figure for each kind.
    pub fn measures(&self) -> Vec<Measure> {
        let files: u64 = self.groups.values().map(|group| group.files).sum();
        let walk = Measure::new("walk.library", files as f64 / self.seconds.max(1e-9), "files/s")
            .with("files", files)
            .with("partly", self.partly);
        let each = self.groups.iter().map(|(kind, group)| {
            Measure::new(format!("library.{}.{}", kind.role, kind.format), group.files as f64, "files")
                .with("bytes", group.bytes)
        });
        std::iter::once(walk).chain(each).collect()
    }
}

/// Whether there is a folder to walk, before anybody waits for figures.
pub fn readable(media: &Path) -> Result<(), RunError> {
    std::fs::read_dir(media).map_err(|error| {
        RunError::io(format!("cannot read the media location {}: {error}", display_path(media)))
    })?;
    Ok(())
}

/// Walks the library for at most half a minute.
pub fn survey(media: &Path, cancel: &Cancel) -> Library {
    let begin = Instant::now();
    let is_immichs = [Folder::Upload, Folder::Library, Folder::Thumbs]
        .iter()
        .any(|folder| media.join(folder.as_str()).is_dir());
    let mut groups: BTreeMap<Kind, Group> = BTreeMap::new();
    let mut partly = false;
    let mut chance = 0x9E37_79B9_7F4A_7C15_u64;
    for entry in WalkDir::new(media).follow_root_links(true).into_iter().flatten() {
        if cancel.is_requested() || begin.elapsed() > PATIENCE {
            partly = true;
            break;
        }
        let Some(kind) = entry.file_type().is_file().then(|| kind_of(&entry, media, is_immichs)).flatten()
        else {
            continue;
        };
        let Ok(metadata) = entry.metadata() else { continue };
        let group = groups.entry(kind).or_default();
        group.files += 1;
        group.bytes += metadata.len();
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        keep(group, entry.into_path(), chance >> 33);
    }
    Library { groups, partly, seconds: begin.elapsed().as_secs_f64() }
}

/// Reservoir sampling.
fn keep(group: &mut Group, path: PathBuf, chance: u64) {
    if group.sample.len() < SAMPLE {
        group.sample.push(path);
        return;
    }
    let place = usize::try_from(chance % group.files).unwrap_or(usize::MAX);
    if let Some(old) = group.sample.get_mut(place) {
        *old = path;
    }
}

fn kind_of(entry: &walkdir::DirEntry, media: &Path, is_immichs: bool) -> Option<Kind> {
    let name = entry.file_name().as_bytes();
    let role = if is_immichs {
        let relative = entry.path().strip_prefix(media).ok()?;
        match meaning(relative.as_os_str().as_bytes()) {
            Meaning::File(file) => file.role,
            _ => return None,
        }
    } else {
        Role::Original
    };
    if matches!(role, Role::Unknown | Role::Sidecar) {
        return None;
    }
    Some(Kind { role: role.as_str(), format: format_of(name)? })
}

/// The format that a name promises, raws and videos each taken together.
fn format_of(name: &[u8]) -> Option<String> {
    let class = class_of(name)?;
    let extension = name.rsplit(|&byte| byte == b'.').next()?;
    let extension = String::from_utf8_lossy(extension).to_ascii_lowercase();
    Some(match (class, extension.as_str()) {
        (MediaClass::Sidecar, _) => return None,
        (MediaClass::Video, _) => "video".to_owned(),
        (MediaClass::Raw, "psd") => extension,
        (MediaClass::Raw, _) => "raw".to_owned(),
        (_, "jpg" | "jpe" | "insp" | "mpo") => "jpeg".to_owned(),
        (_, "heif" | "hif") => "heic".to_owned(),
        (_, "tif") => "tiff".to_owned(),
        _ => extension,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_role_and_format() -> std::io::Result<()> {
        let media = tempfile::tempdir()?;
        let user = "11111111-1111-4111-8111-111111111111";
        let id = "22222222-2222-4222-8222-222222222222";
        for (path, bytes) in [
            (format!("upload/{user}/22/22/{id}.JPG"), 10),
            (format!("upload/{user}/22/22/{id}.HIF"), 20),
            (format!("upload/{user}/22/22/{id}.jpg.xmp"), 5),
            (format!("thumbs/{user}/22/22/{id}_preview.jpeg"), 3),
            (format!("thumbs/{user}/22/22/{id}_thumbnail.webp"), 1),
            ("backups/dump.sql.gz".to_owned(), 100),
            ("upload/.immich".to_owned(), 0),
        ] {
            let path = media.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(media.path()))?;
            std::fs::write(path, vec![b'x'; bytes])?;
        }
        let library = survey(media.path(), &Cancel::new());
        let seen: Vec<_> = library
            .groups
            .iter()
            .map(|(kind, group)| {
                (kind.role, kind.format.as_str(), group.files, group.bytes, group.sample.len())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("original", "heic", 1, 20, 1),
                ("original", "jpeg", 1, 10, 1),
                ("preview", "jpeg", 1, 3, 1),
                ("thumbnail", "webp", 1, 1, 1),
            ]
        );
        Ok(())
    }

    #[test]
    fn a_sample_is_drawn_from_all_files() {
        let mut group = Group::default();
        let mut chance = 7u64;
        for number in 0..10_000u64 {
            group.files += 1;
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            keep(&mut group, PathBuf::from(number.to_string()), chance >> 33);
        }
        assert_eq!(group.sample.len(), SAMPLE);
        let late = group.sample.iter().filter(|path| path.to_string_lossy().len() == 4).count();
        assert!(late > SAMPLE / 2, "{:?}", group.sample);
    }
}
