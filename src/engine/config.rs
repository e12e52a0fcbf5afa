//! What a run is asked to do: plain data, every option resolved, no word about where it came from.
//!
//! The command line fills these (flag, environment, file, default) and finds every usage error while it does so;
//! whoever reads them may rely on them being consistent.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

pub use super::pace::Pace;
use crate::immich::compose::Secret;
pub use crate::immich::paths::MapRule;
use crate::immich::register::ApiAddress;
use crate::model::{Depth, ImageSettings, Role};
use crate::report::Policy;

/// One run of one command.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// `photofsck check`
    Check(CheckConfig),
    /// `photofsck repair`
    Repair(RepairConfig),
    /// `photofsck verify`
    Verify(VerifyConfig),
    /// `photofsck render`
    Render(RenderConfig),
    /// `photofsck undo`
    Undo(UndoConfig),
}

impl Config {
    /// The command's name, as in the `run` line.
    pub const fn command(&self) -> &'static str {
        match self {
            Self::Check(_) => "check",
            Self::Repair(_) => "repair",
            Self::Verify(_) => "verify",
            Self::Render(_) => "render",
            Self::Undo(_) => "undo",
        }
    }
}

/// What the machine may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Resources {
    /// Number of workers; `None` = as many as the machine and its cgroup suggest.
    pub jobs: Option<NonZeroUsize>,
    /// One ceiling in bytes for all decoding together; `None` = from RAM and cgroup.
    pub memory: Option<u64>,
}

/// Where the records come from (`--db`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Db {
    /// The database if its address is known and it answers, else the newest complete dump, else none.
    #[default]
    Auto,
    /// Files only.
    None,
    /// A `postgres://` URL. May hold a password: never print it.
    Url(String),
    /// A dump file.
    File(PathBuf),
    /// A dump on standard input.
    Stdin,
}

/// The roles to look at (`--only`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Selection {
    /// Everything, files of unknown role included.
    #[default]
    All,
    /// These and nothing else.
    Only(Vec<Role>),
}

impl Selection {
    /// Whether files of this role are looked at.
    pub fn contains(&self, role: Role) -> bool {
        match self {
            Self::All => true,
            Self::Only(roles) => roles.contains(&role),
        }
    }

    /// Whether everything is looked at.
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

/// One of several disjoint parts of a library (`--shard K/N`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1 to `count`.
    pub index: u32,
    /// How many parts there are; at least 1.
    pub count: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 1, count: 1 }
    }
}

impl Shard {
    /// Whether the whole library is one part.
    pub const fn is_whole(self) -> bool {
        self.count == 1
    }

    /// Whether the item with this hash (of something that never changes, such as its asset id) belongs to the part.
    pub fn contains(self, hash: u64) -> bool {
        hash % u64::from(self.count) == u64::from(self.index - 1)
    }
}

/// `photofsck check`, and what `repair` shares with it.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckConfig {
    /// Immich's media location on this host; `None` = from `compose`, which is then given.
    pub media: Option<PathBuf>,
    /// The folder with `docker-compose.yml` and `.env`.
    pub compose: Option<PathBuf>,
    /// Where the records come from.
    pub db: Db,
    /// Path prefixes given by the user, in their order.
    pub map: Vec<MapRule>,
    /// The moment of the run, from which ages count.
    pub now: Timestamp,
    /// Which roles.
    pub only: Selection,
    /// Presence, size, header and structure only.
    pub quick: bool,
    /// How thoroughly videos are looked at when not `quick`: [`Depth::Samples`], `Keyframes` or `Full`.
    pub video: Depth,
    /// The folder of the catalog; made when it is not there.
    pub state: PathBuf,
    /// Trust a verification of an unchanged file that is younger than this; zero = verify everything now.
    pub max_age: Duration,
    /// Touch nothing of the library when nothing is due.
    pub only_due: bool,
    /// Stop orderly after this long.
    pub time_limit: Option<Duration>,
    /// A manifest of `state export` that the library is held against at the end; only of runs over everything.
    pub against: Option<PathBuf>,
    /// How gently the machine is used.
    pub pace: Pace,
    /// How long a share may let a call wait before it is taken for one that hangs.
    pub patience: Duration,
    /// Which part of the library.
    pub shard: Shard,
    /// Go on although more than half of the originals are missing.
    pub allow_mass_missing: bool,
    /// Whether an `item` is wanted for every file: then nothing may be counted without one.
    pub items: bool,
    /// What raises the exit status, for the record of the run.
    pub policy: Policy,
    /// What the machine may give.
    pub resources: Resources,
}

/// `photofsck repair`.
#[derive(Clone, Debug, PartialEq)]
pub struct RepairConfig {
    /// The check that comes first.
    pub check: CheckConfig,
    /// Plan and tell, write nothing.
    pub dry_run: bool,
    /// How new files are made known to Immich.
    pub register: Register,
    /// Write beyond `thumbs/` although no recent complete dump is in `backups/`.
    pub yes_without_backup: bool,
    /// Backup trees that lost originals are looked for in.
    pub originals_from: Vec<PathBuf>,
    /// Move lost originals that are in the library to where the records name them.
    pub relink: bool,
    /// Where files go that have to make room; given with `quarantine_untracked`.
    pub quarantine: Option<PathBuf>,
    /// Move files there that no record names.
    pub quarantine_untracked: bool,
    /// Where the best pictures of lost originals are copied to.
    pub salvage: Option<PathBuf>,
}

impl RepairConfig {
    /// Whether something may be written beyond generated pictures: other files of the library, or rows.
    pub const fn goes_beyond(&self) -> bool {
        let rows = matches!(self.register, Register::Sql);
        rows || !self.originals_from.is_empty() || self.relink || self.quarantine_untracked
    }
}

/// `photofsck undo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoConfig {
    /// The quarantine folder.
    pub folder: PathBuf,
    /// Tell what would be put back, write nothing.
    pub dry_run: bool,
}

/// How new files are made known to Immich (`--register`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Register {
    /// Not at all: only files whose path the records name are made.
    #[default]
    None,
    /// By rows of its database.
    Sql,
    /// By its API.
    Api {
        /// Where it is.
        address: ApiAddress,
        /// The key. Never print it.
        key: Secret,
    },
}

/// `photofsck verify`.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyConfig {
    /// Files and folders, at least one.
    pub paths: Vec<PathBuf>,
    /// Header and structure only.
    pub quick: bool,
    /// How thoroughly videos are looked at when not `quick`.
    pub video: Depth,
    /// The folder of the catalog, if one is to be kept.
    pub state: Option<PathBuf>,
    /// What the machine may give.
    pub resources: Resources,
}

/// `photofsck render`.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderConfig {
    /// Originals, at least one.
    pub files: Vec<PathBuf>,
    /// Where the pictures go; made when it is not there.
    pub out: PathBuf,
    /// Immich's image settings, its defaults filled in.
    pub settings: ImageSettings,
    /// What the machine may give.
    pub resources: Resources,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_disjoint_and_complete() {
        for hash in 0..1000u64 {
            let owners = (1..=7).filter(|&index| Shard { index, count: 7 }.contains(hash)).count();
            assert_eq!(owners, 1, "hash {hash}");
        }
        assert!(Shard::default().contains(u64::MAX));
    }
}
