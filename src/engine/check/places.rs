//! The folders of a library on this host, and what is in which of them.

use std::io;
use std::path::{Path, PathBuf};

use super::Library;
use crate::engine::beyond::Beside;
use crate::engine::end::RunError;
use crate::engine::ground::Stuck;
use crate::engine::setup;
use crate::immich::layout::Folder;
use crate::immich::mounts;
use crate::immich::paths::PathMap;
use crate::immich::records::Records;
use crate::model::{Role, display_path};
use crate::repair::quarantine::Quarantine;
use crate::repair::salvage::Salvage;

/// Where generated pictures are on this host.
pub(super) fn thumbs_folder(media: &Path, records: &Records, map: &PathMap) -> PathBuf {
    mounts::folder_on_host(Folder::Thumbs, media, map, records.media_location.as_deref())
}

/// The folders that files are put into which have to make room, and that pictures are saved in.
pub(super) fn aside(library: &Library<'_>) -> Result<(Option<Quarantine>, Option<Salvage>), RunError> {
    let Beside { quarantine, salvage, .. } = &library.beside;
    let fail = |folder: &Path, error: io::Error| {
        RunError::io(format!("{}: cannot read its manifest: {error}", display_path(folder)))
    };
    let below = original_folders(library);
    let quarantine = quarantine.clone().map(|folder| {
        let own = folder.clone();
        let opened = library.ground.ask(&folder, move |_| Quarantine::open(&own, below, &setup::now()));
        heard(opened).map_err(|error| fail(&folder, error))
    });
    let salvage = salvage.clone().map(|folder| {
        let own = folder.clone();
        let opened = library.ground.ask(&folder, move |_| Salvage::open(&own));
        heard(opened).map_err(|error| fail(&folder, error))
    });
    Ok((quarantine.transpose()?, salvage.transpose()?))
}

fn heard<T>(answer: Result<io::Result<T>, Stuck>) -> io::Result<T> {
    answer.unwrap_or_else(|stuck| Err(io::Error::other(stuck.to_string())))
}

/// Where originals may be: the media location, its folders that live elsewhere, and every folder of the map. Which
/// of their files are originals the records tell.
pub(super) fn original_folders(library: &Library<'_>) -> Vec<PathBuf> {
    let Library { media, records, map, ground, .. } = library;
    let location = records.media_location.as_deref();
    let mut folders = vec![media.clone()];
    folders.extend(map.hosts().into_iter().map(Path::to_owned));
    // A folder that is a link would not be entered from above.
    folders.extend(Folder::ALL.map(|folder| mounts::folder_on_host(folder, media, map, location)));
    folders.extend(Folder::ALL.map(|folder| media.join(folder.as_str())));
    folders.retain(|folder| {
        let own = folder.clone();
        ground.ask(folder, move |_| std::fs::read_dir(own).is_ok()).unwrap_or(false)
    });
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// The folders out of which files may be moved that no record names.
pub(super) fn movable_folders(library: &Library<'_>) -> Vec<(PathBuf, &'static str)> {
    let Library { media, records, map, .. } = library;
    let location = records.media_location.as_deref();
    [Folder::Upload, Folder::Library, Folder::Thumbs, Folder::EncodedVideo]
        .into_iter()
        .flat_map(|folder| {
            let mapped = mounts::folder_on_host(folder, media, map, location);
            [(media.join(folder.as_str()), folder.as_str()), (mapped, folder.as_str())]
        })
        .collect()
}

/// Whether some row calls the file an original, whatever else it is.
pub(super) fn is_recorded_original(records: &Records, path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return true };
    let Some(folder) = records.index.lookup_dir(folder) else { return false };
    records.index.lookup(folder, name.as_bytes()).any(|file| records.index.file(file).role == Role::Original)
}
