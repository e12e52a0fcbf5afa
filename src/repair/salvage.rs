//! Copies of the best pictures that survive of originals that nobody can bring back.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::manifest::{MANIFEST, plain_name, to_hex};
use super::store::{Committed, Content, Copying, FileStore, StoreError};
use crate::model::{AssetId, RepairStatus, Role};

/// A folder of salvaged pictures. Its manifest has a line for each: asset, owner, the user's name of the file, what
/// was copied, from where, size and SHA-1.
pub struct Salvage {
    folder: PathBuf,
    /// Names that the manifest tells of.
    told: Mutex<HashSet<String>>,
}

/// A picture worth saving.
#[derive(Debug)]
pub struct Survivor<'a> {
    /// The asset whose original is lost.
    pub asset: AssetId,
    /// Whose it is.
    pub owner: AssetId,
    /// What the user called the original.
    pub name: &'a [u8],
    /// What the picture is.
    pub role: Role,
    /// Whether it was found sound.
    pub sound: bool,
    /// Open for reading.
    pub file: &'a File,
    /// Where it is.
    pub path: &'a Path,
}

impl Salvage {
    /// The folder `folder`, which may not be there yet.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut told = HashSet::new();
        match File::open(folder.join(MANIFEST)) {
            Ok(file) => {
                for line in BufReader::new(file).split(b'\n') {
                    let name = serde_json::from_slice::<Value>(&line?)
                        .ok()
                        .and_then(|line| line.get("file")?.as_str().map(str::to_owned));
                    told.extend(name);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { folder: folder.to_owned(), told: Mutex::new(told) })
    }

    /// Copies a picture out; nothing to do (`None`) when an earlier run has done so. Answers with the copy's path.
    pub fn save(
        &self,
        store: &dyn FileStore,
        survivor: &Survivor<'_>,
    ) -> Result<(Option<Committed>, PathBuf), StoreError> {
        let content = store.content(survivor.file, survivor.path)?;
        let name = copy_name(survivor);
        let to = self.folder.join(&name);
        let committed = match store.there(&to)? {
            Some(there) if there == content => None,
            // What is there of another time is not ours to replace: the copy gets a name with its hash.
            Some(_) => return self.copy(store, survivor, content, &with_hash(&name, content)),
            None => Some(write(store, survivor, content, &to)?),
        };
        self.tell(store, survivor, content, &name, committed.as_ref())?;
        Ok((committed, to))
    }

    fn copy(
        &self,
        store: &dyn FileStore,
        survivor: &Survivor<'_>,
        content: Content,
        name: &str,
    ) -> Result<(Option<Committed>, PathBuf), StoreError> {
        let to = self.folder.join(name);
        let committed = match write(store, survivor, content, &to) {
            Ok(committed) => Some(committed),
            Err(StoreError::ChangedMeanwhile { .. }) => None,
            Err(error) => return Err(error),
        };
        self.tell(store, survivor, content, name, committed.as_ref())?;
        Ok((committed, to))
    }

    /// Notes a copy, unless the manifest tells of it.
    fn tell(
        &self,
        store: &dyn FileStore,
        survivor: &Survivor<'_>,
        content: Content,
        name: &str,
        committed: Option<&Committed>,
    ) -> Result<(), StoreError> {
        if committed.is_some_and(|committed| committed.status == RepairStatus::Planned)
            || !self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
        {
            return Ok(());
        }
        let line = json!({
            "type": "salvaged",
            "file": name,
            "asset": survivor.asset.to_string(),
            "owner": survivor.owner.to_string(),
            "name": String::from_utf8_lossy(survivor.name),
            "role": survivor.role.as_str(),
            "sound": survivor.sound,
            "from": survivor.path.to_string_lossy(),
            "size": content.size,
            "sha1": to_hex(&content.sha1),
        });
        store.append(&self.folder.join(MANIFEST), line.to_string().as_bytes())
    }
}

fn write(
    store: &dyn FileStore,
    survivor: &Survivor<'_>,
    content: Content,
    to: &Path,
) -> Result<Committed, StoreError> {
    store.copy(&Copying { from: survivor.file, origin: survivor.path, to, content, seen: None })
}

/// `<owner>/<the user's name without extension>_<asset>_<role>.<extension>`
fn copy_name(survivor: &Survivor<'_>) -> String {
    let name = String::from_utf8_lossy(survivor.name);
    let stem =
        plain_name(Path::new(name.as_ref()).file_stem().unwrap_or_default().to_string_lossy().as_ref());
    let extension = survivor.path.extension().map(|extension| plain_name(&extension.to_string_lossy()));
    let dot = if extension.is_some() { "." } else { "" };
    format!(
        "{}/{stem}_{}_{}{dot}{}",
        survivor.owner,
        survivor.asset,
        survivor.role,
        extension.unwrap_or_default()
    )
}

fn with_hash(name: &str, content: Content) -> String {
    let hash: String = to_hex(&content.sha1).chars().take(8).collect();
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}_{hash}.{extension}"),
        None => format!("{name}_{hash}"),
    }
}
