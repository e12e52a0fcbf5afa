//! Which part of a library a run looks at.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Selection, Shard};
use crate::model::{AssetId, Role, SkipReason};

/// Which part of a library a run looks at (`--only`, `--shard`).
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Which roles.
    pub only: Selection,
    /// Which part.
    pub shard: Shard,
}

impl Choice {
    /// Whether an asset, person or user belongs to the part.
    pub fn takes_id(&self, id: AssetId) -> bool {
        self.shard.is_whole() || self.shard.contains(hash_of(&id.0))
    }

    /// Whether a file without a record belongs to the part: decided by its name and its folder's, so that it does
    /// not matter where the library is mounted.
    pub fn takes_path(&self, path: &Path) -> bool {
        if self.shard.is_whole() {
            return true;
        }
        let name =
            |path: Option<&Path>| path.and_then(Path::file_name).unwrap_or_default().as_bytes().to_vec();
        let place = [name(path.parent()), name(Some(path))].join(&b'/');
        self.shard.contains(hash_of(&place))
    }

    /// Why a file is left out, if it is.
    pub(super) fn refuses(&self, in_shard: bool, role: Role) -> Option<SkipReason> {
        if !in_shard {
            Some(SkipReason::OtherShard)
        } else if !self.only.contains(role) {
            Some(SkipReason::NotSelected)
        } else {
            None
        }
    }
}

/// The same on every machine and in every version, so that shards can run in different places.
fn hash_of(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
