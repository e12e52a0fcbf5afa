//! What is known about a file, and when that is enough.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use crate::model::{DamageClass, DecoderId, Depth, FileIdentity, MediaFormat, PixelSize, Verdict};

/// What one look at a file told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// The state of the file that was looked at.
    pub identity: FileIdentity,
    /// What the bytes are.
    pub format: MediaFormat,
    /// Oriented size in pixels.
    pub size: Option<PixelSize>,
    /// The answer.
    pub verdict: Verdict,
    /// Truncated or malformed, of a damaged file.
    pub damage: Option<DamageClass>,
    /// Why, where the verdict needs it.
    pub reason: String,
    /// SHA-1 of the whole file.
    pub sha1: Option<[u8; 20]>,
    /// BLAKE3 of the whole file.
    pub blake3: Option<[u8; 32]>,
    /// Who decoded it.
    pub decoder: Option<DecoderId>,
    /// How thoroughly it was looked at.
    pub depth: Depth,
    /// When, in seconds since 1970.
    pub verified_at: i64,
}

/// What a run demands of knowledge to trust it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// At least this thorough.
    pub depth: Depth,
    /// Now, in seconds since 1970.
    pub now: i64,
    /// Younger than this, in seconds; 0 trusts nothing.
    pub max_age: u64,
    /// The decoders of this program with their versions: verdicts of others are not taken over.
    pub decoders: Vec<DecoderId>,
}

impl Knowledge {
    /// Whether the file with this identity now need not be looked at again. Only sound files are trusted,
    /// unchanged, looked at thoroughly and lately enough, by a decoder of the present version. A time in
    /// the future, after a clock was set back, is not trusted.
    pub fn holds(&self, identity: &FileIdentity, wish: &Wish) -> bool {
        let age = wish.now.checked_sub(self.verified_at).and_then(|age| u64::try_from(age).ok());
        self.verdict.is_sound()
            && identity.unchanged_since(&self.identity)
            && self.depth >= wish.depth
            && age.is_some_and(|age| age < wish.max_age)
            && self.decoder.as_ref().is_none_or(|decoder| wish.decoders.contains(decoder))
    }

    /// Whether the bytes are others although size, time and inode claim that they are the same: nobody
    /// meant to change them.
    pub fn is_contradicted_by(&self, identity: &FileIdentity, blake3: &[u8; 32]) -> bool {
        identity.seems_unchanged_since(&self.identity) && self.blake3.is_some_and(|known| known != *blake3)
    }
}

/// What is known about the files of one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    pub(super) files: HashMap<OsString, Knowledge>,
}

impl Folder {
    /// What is known about a file, whether it still holds or not.
    pub fn previous(&self, name: &OsStr) -> Option<&Knowledge> {
        self.files.get(name)
    }

    /// What is known about a file if that makes looking at it again unnecessary.
    pub fn trusted(&self, name: &OsStr, identity: &FileIdentity, wish: &Wish) -> Option<&Knowledge> {
        self.previous(name).filter(|known| known.holds(identity, wish))
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// All files, by name.
    pub fn sorted(&self) -> Vec<(&OsStr, &Knowledge)> {
        let mut all: Vec<_> = self.files.iter().map(|(name, known)| (name.as_os_str(), known)).collect();
        all.sort_by_key(|(name, _)| *name);
        all
    }
}
