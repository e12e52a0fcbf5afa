//! What a run tells while it goes on. The engine sends these; the reporters write them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::asset::Role;
use super::comparison::Comparison;
use super::coverage::Coverage;
use super::finding::{Code, Finding};
use super::media::{MediaFormat, PixelSize, Verdict};
use super::picture::{AssetFacts, SmallPicture};
use super::repair::RepairEvent;

/// The first line of a run.
#[derive(Clone, Debug, Default)]
pub struct RunInfo {
    /// Unique id of the run.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// `check`, `repair`, `verify` or `render`.
    pub command: String,
    /// The media location on this host.
    pub media: Option<PathBuf>,
    /// Where the records come from.
    pub records: Option<RecordsInfo>,
    /// The path map in force, longest container prefix first.
    pub map: Vec<MapEntry>,
    /// Things to tell before anything else: which protections took, why this dump was taken, and so on.
    pub notes: Vec<String>,
    /// Nothing is due, so nothing is looked at: no run to compare others with.
    pub idle: bool,
}

/// Where the records come from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RecordsInfo {
    /// `postgres`, `dump` or `none`, with the address or file where there is one; never a password.
    pub source: String,
    /// `E0` to `E6`, or `unknown`; empty without records.
    pub era: String,
    /// Number of asset rows.
    pub assets: u64,
    /// The moment the records describe, RFC 3339, where it is known.
    pub as_of: Option<String>,
}

/// One rule of the path map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapEntry {
    /// Prefix of paths in the records.
    pub container: PathBuf,
    /// The folder on this host.
    pub host: PathBuf,
    /// Whether we guessed it.
    pub guessed: bool,
}

/// Why a walked entry was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// Immich's own `.immich` marker.
    Marker,
    /// A database dump in `backups/`.
    Backup,
    /// Not a regular file: FIFO, socket, device, broken link.
    NotAFile,
    /// A role that `--only` leaves out.
    NotSelected,
    /// Belongs to another `--shard`.
    OtherShard,
    /// A temporary file of ours.
    OwnTemporary,
    /// Verified before, unchanged, younger than `--max-age`.
    VerifiedBefore,
    /// The run ended (time limit or signal) before its turn.
    NotReached,
    /// Not a file Immich would know: outside its formats, met in an external library.
    NotMedia,
}

impl SkipReason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Marker,
        Self::Backup,
        Self::NotAFile,
        Self::NotSelected,
        Self::OtherShard,
        Self::OwnTemporary,
        Self::VerifiedBefore,
        Self::NotReached,
        Self::NotMedia,
    ];

    /// Words for the summary and the `skipped` object.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Marker => "marker",
            Self::Backup => "backup",
            Self::NotAFile => "not-a-file",
            Self::NotSelected => "not-selected",
            Self::OtherShard => "other-shard",
            Self::OwnTemporary => "own-temporary",
            Self::VerifiedBefore => "verified-before",
            Self::NotReached => "not-reached",
            Self::NotMedia => "not-media",
        }
    }
}

/// Everything that is said about one walked or named file: an `item` line.
#[derive(Clone, Debug)]
pub struct ItemReport {
    /// The file.
    pub path: PathBuf,
    /// Its role.
    pub role: Role,
    /// What the bytes are.
    pub format: MediaFormat,
    /// The answer; `None` when only presence was asked (`--quick` on a format without structure check,
    /// files that are accounted for and not decoded).
    pub verdict: Option<Verdict>,
    /// Why, where the verdict needs it.
    pub reason: String,
    /// Codes of the findings about it.
    pub codes: Vec<Code>,
    /// Oddities that are no damage, and who saw them.
    pub hints: Vec<String>,
    /// Oriented size in pixels.
    pub size: Option<PixelSize>,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Bytes read for it.
    pub bytes_read: u64,
    /// SHA-1 of the whole file.
    pub sha1: Option<[u8; 20]>,
    /// BLAKE3 of the whole file.
    pub blake3: Option<[u8; 32]>,
    /// Time spent on it.
    pub ms: u64,
    /// `render` only: the files written.
    pub preview: Option<PathBuf>,
    /// `render` only.
    pub thumbnail: Option<PathBuf>,
    /// `render` only, and only where the settings ask for it.
    pub fullsize: Option<PathBuf>,
    /// `render` only.
    pub thumbhash: Option<Vec<u8>>,
}

impl ItemReport {
    /// A report about `path` of which nothing is known yet.
    pub fn new(path: PathBuf, role: Role) -> Self {
        Self {
            path,
            role,
            format: MediaFormat::Unknown,
            verdict: None,
            reason: String::new(),
            codes: Vec::new(),
            hints: Vec::new(),
            size: None,
            bytes: 0,
            bytes_read: 0,
            sha1: None,
            blake3: None,
            ms: 0,
            preview: None,
            thumbnail: None,
            fullsize: None,
            thumbhash: None,
        }
    }
}

/// The parts of a run that progress is shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Reading the records.
    Records,
    /// Walking the folders.
    Walk,
    /// Verifying and repairing.
    Verify,
}

/// What the engine tells the reporters. One `Entry*` event for every walked directory entry.
#[derive(Debug)]
pub enum Event {
    /// The run begins: everything about it is known.
    Run(RunInfo),
    /// A stage begins, with its expected number of items and bytes where they are known.
    Stage {
        /// Which.
        stage: Stage,
        /// Items to come.
        items: Option<u64>,
        /// Bytes to come.
        bytes: Option<u64>,
    },
    /// Progress within a stage: so many more items and bytes. `Checked` and `CheckedMany` are progress in
    /// themselves.
    Progress {
        /// Which.
        stage: Stage,
        /// Items since the last event.
        items: u64,
        /// Bytes since the last event.
        bytes: u64,
    },
    /// The walk met so many more entries that are not folders (`verify`, `render`: so many more files or named
    /// paths). Counted on its own, so that the accounting at the end is a real check: each of them must also
    /// arrive as `Checked`, `CheckedMany`, `Skipped` or `EntryError`.
    Walked(u64),
    /// A walked entry was looked at.
    Checked(Box<ItemReport>),
    /// Walked entries were looked at, and nobody wants to hear of each ([`EventSink::wants_items`]).
    CheckedMany(CheckedCount),
    /// Walked entries were skipped.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// How many.
        count: u64,
    },
    /// A walked entry could not be looked at; the finding says why.
    EntryError(Box<Finding>),
    /// Something is wrong.
    Finding(Box<Finding>),
    /// A repair was planned, done, skipped or failed.
    Repair(RepairEvent),
    /// Something to tell a person that is not a finding.
    Note(String),
    /// What the run works through, for the promise at its end.
    Coverage(Coverage),
    /// How the library differs from the manifest that it was held against.
    Compared(Comparison),
    /// What people know an asset by that something is wrong with.
    Asset(Box<AssetFacts>),
    /// A small picture of an asset that something is wrong with.
    Picture(Box<SmallPicture>),
}

/// Walked entries that were looked at, counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedCount {
    /// How many, by role and verdict (`None`: presence only).
    pub files: BTreeMap<(Role, Option<Verdict>), u64>,
    /// Originals among them, by format and verdict.
    pub formats: BTreeMap<(MediaFormat, Option<Verdict>), u64>,
    /// Their length in bytes.
    pub bytes: u64,
    /// Bytes read for them.
    pub bytes_read: u64,
}

impl CheckedCount {
    /// How many there are, whatever their role and verdict.
    pub fn count(&self) -> u64 {
        self.files.values().sum()
    }
}

/// Files that were verified last on the same day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoveredDay {
    /// Days since 1970, UTC.
    pub day: i64,
    /// How many.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
}

/// Where events go. Implementations take events from several threads.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn send(&self, event: Event);

    /// Whether every file that was looked at is to be told by an [`Event::Checked`] of its own.
    fn wants_items(&self) -> bool {
        true
    }

    /// Whether what people know assets by is worth reading a dump of the records once more.
    fn wants_page(&self) -> bool {
        false
    }
}

/// The counters of a run. Only the one function in `report::summary` writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries met by the walk, or named.
    pub walked: u64,
    /// Walked or named entries looked at.
    pub checked: u64,
    /// Walked entries skipped, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Walked entries that could not be looked at.
    pub errors: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Files by verdict.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Findings by code.
    pub findings: BTreeMap<Code, u64>,
    /// Repairs by outcome.
    pub repairs: BTreeMap<super::repair::RepairStatus, u64>,
}
