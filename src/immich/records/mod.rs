//! What should exist: the records of Immich behind one interface, whichever of three homes they come from.
//!
//! The live database and a dump feed the same row reader, since both speak PostgreSQL's COPY text; see
//! [`RecordSource`]. Everything is read once, as a stream, into a compact [`RecordIndex`].

mod backups;
mod build;
mod copy;
mod details;
mod dump;
mod dump_name;
mod edits;
mod ends;
mod faces;
mod files;
mod index;
mod lines;
mod load;
mod names;
mod postgres;
mod seen;
mod slots;
mod sniff;
mod views;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use backups::{NewestDump, find_newest_dump, recent_complete_dump};
pub use build::{AssetInput, ExifInput, IndexBuilder};
pub use details::{Details, from_database as details_from_database, from_dump as details_from_dump};
pub use dump::{DumpSource, read as read_dump};
pub use files::{Direct, Files, Opened};
pub use index::RecordIndex;
use jiff::Timestamp;
pub use postgres::PostgresSource;
pub use seen::Seen;
pub use slots::IndexFull;
pub use views::{
    AssetIdx, AssetKind, AssetView, DirId, DirView, Edit, Face, FileIdx, FileOwner, FileView, HostDirId,
    Person, PersonIdx, UserIdx,
};

use super::schema::SchemaState;
use crate::model::{AssetId, ImageSettings, RecordsInfo};

/// Which kind of home the records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Home {
    /// No records: files only.
    #[default]
    None,
    /// A running database.
    Postgres,
    /// A dump of it.
    Dump,
}

/// Everything that was read from one home.
#[derive(Debug, Default)]
pub struct Records {
    /// The kind of home; nothing may be claimed about presence when it is [`Home::None`].
    pub home: Home,
    /// The same for the first line of a run.
    pub info: RecordsInfo,
    /// The era of the schema, and whether it is safe to write to.
    pub schema: SchemaState,
    /// All recorded paths and assets.
    pub index: RecordIndex,
    /// Immich's image settings, with its defaults filled in.
    pub image: ImageSettings,
    /// Where Immich believes its media location to be, inside its container.
    pub media_location: Option<PathBuf>,
    /// For each folder of the media location (`upload`, `thumbs`, ...) whether Immich has written its marker.
    pub mount_flags: BTreeMap<String, bool>,
    /// External libraries that are not deleted.
    pub libraries: Vec<Library>,
    /// All users.
    pub users: Vec<User>,
    /// Number of rows in the table of edits.
    pub edits: u64,
    /// Moves of files that Immich did not finish: the file may be at either path.
    pub moves: Vec<InterruptedMove>,
    /// Version of the server that started last against this database.
    pub server_version: Option<String>,
    /// Some assets that are not trashed and came last into Immich, the newest first.
    pub newest: Vec<AssetId>,
    /// Some that came first, the oldest first.
    pub oldest: Vec<AssetId>,
    /// The moment that the records describe.
    pub as_of: Option<Timestamp>,
    /// The earliest moment that they may describe: names of dumps tell the time in a zone that they do not tell.
    pub earliest: Option<Timestamp>,
    /// Why rows may be missing; only a dump can be incomplete.
    pub incomplete: Option<Incomplete>,
    /// Odd things that were met and tolerated, for people.
    pub notes: Vec<String>,
}

impl Records {
    /// Says which moment the records describe.
    pub(super) fn set_as_of(&mut self, as_of: Option<Timestamp>) {
        self.as_of = as_of;
        self.earliest = as_of;
        self.info.as_of = as_of.map(|time| time.to_string());
    }
}

/// An external library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// Its id.
    pub id: AssetId,
    /// Its owner.
    pub owner: AssetId,
    /// Its name.
    pub name: String,
    /// Folders inside the container that it takes files from.
    pub import_paths: Vec<PathBuf>,
    /// Glob patterns that it leaves out.
    pub exclusion_patterns: Vec<String>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: AssetId,
    /// The user's name.
    pub name: String,
    /// Name of the user's folder under `library/`, if it is not the id.
    pub storage_label: Option<String>,
    /// Recorded path of the profile image.
    pub profile_image: Option<PathBuf>,
}

/// A move of a file that Immich began and did not finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterruptedMove {
    /// The asset or person.
    pub entity: AssetId,
    /// Immich's word for what was moved: `original`, `preview`, ...
    pub path_type: String,
    /// Where it was.
    pub old_path: PathBuf,
    /// Where it should be.
    pub new_path: PathBuf,
}

/// Why a dump is incomplete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// What is missing.
    pub reason: String,
    /// How far it could be read, in bytes of the uncompressed dump.
    pub offset: u64,
}

/// Why no records could be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The database does not answer.
    #[error(
        "cannot connect to the database at {address}: {reason}; check that it runs and that this address and port \
         are reachable from here, or give a dump with --db FILE"
    )]
    Connect {
        /// Address without a password.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The database is there and cannot be used at this moment.
    #[error("the database at {address} takes no connections now: {reason}; run again in a minute")]
    Busy {
        /// Address without a password.
        address: String,
        /// What the server says.
        reason: String,
    },
    /// The database refuses the user or password.
    #[error("the database at {address} refuses the login: {reason}; check user, password and database name")]
    Login {
        /// Address without a password.
        address: String,
        /// What the server says.
        reason: String,
    },
    /// The address cannot be understood.
    #[error(
        "the database address is not usable: {reason}; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    Address {
        /// What is wrong with it, without the password.
        reason: String,
    },
    /// No Immich here.
    #[error("{origin} is not an Immich database: {reason}")]
    NotImmich {
        /// Address without a password, or the file.
        origin: String,
        /// Which tables and columns were looked for, and what is there instead.
        reason: String,
    },
    /// The connection ended, or a query failed, while rows were read.
    #[error("lost the database at {address} while reading {table}, after {rows} rows: {reason}; run again")]
    Lost {
        /// Address without a password.
        address: String,
        /// The table that was being read.
        table: String,
        /// Rows read before.
        rows: u64,
        /// What happened.
        reason: String,
        /// The connection ended; else it was the query that failed.
        gone: bool,
    },
    /// The dump cannot be opened or read.
    #[error("cannot read the dump {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What happened.
        source: std::io::Error,
    },
    /// The dump is of a kind that cannot be read as text.
    #[error("{path} {what}; make a readable dump with: {remedy}")]
    Format {
        /// The file.
        path: String,
        /// What it is.
        what: String,
        /// The command that makes it readable.
        remedy: String,
    },
    /// A row that cannot be right.
    #[error("{origin}: {what} at byte {offset}; the dump is damaged, make a new one")]
    Malformed {
        /// The file.
        origin: String,
        /// What is wrong.
        what: String,
        /// Where, in bytes of the uncompressed dump.
        offset: u64,
    },
    /// The index is full.
    #[error(transparent)]
    Full(#[from] IndexFull),
}

impl RecordError {
    /// Whether the database was there, and may be so again in a minute, as when it is restarted.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Lost { gone: true, .. })
    }
}

/// A home of records.
pub trait RecordSource {
    /// Reads everything. `progress` is told the number of rows read so far, every few thousand.
    fn load(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Records, RecordError>;

    /// What it is, for people; never a password.
    fn describe(&self) -> String;
}

/// No records: files only.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecords;

impl RecordSource for NoRecords {
    fn load(&mut self, _progress: &mut dyn FnMut(u64)) -> Result<Records, RecordError> {
        let info = RecordsInfo { source: self.describe(), ..RecordsInfo::default() };
        Ok(Records { info, ..Records::default() })
    }

    fn describe(&self) -> String {
        "none".to_owned()
    }
}
