//! How a library differs from a manifest of it.

use serde::{Deserialize, Serialize};

/// Files of a manifest, by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Comparison {
    /// When the manifest was made.
    pub made_at: String,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// At their place, with the same bytes, owner and permissions.
    pub identical: u64,
    /// Nowhere in the library.
    pub lost: u64,
    /// At their place with other bytes.
    pub changed: u64,
    /// In the library under another name.
    pub renamed: u64,
    /// With the same bytes, and another owner, other permissions, or as a symbolic link.
    pub differs: u64,
    /// Under a name that leads to the same file as another one.
    pub collided: u64,
    /// At their place, but neither run nor manifest tells a hash of them.
    pub uncompared: u64,
    /// Files of the library that are not in the manifest.
    pub added: u64,
}

impl Comparison {
    /// Whether everything is as it was; files that have been added do not matter.
    pub const fn is_identical(&self) -> bool {
        self.identical == self.files
    }
}
