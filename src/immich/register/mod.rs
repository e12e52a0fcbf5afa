//! Making new files known to Immich, behind one interface: by rows of its database ([`SqlRegistrar`]), or by asking
//! its server to make the files itself ([`ApiRegistrar`]).
//!
//! A file that is written anew where its row names it needs none of this. Everything here is about one asset (or
//! person) at a time; requests go out in batches and each gets its own answer.

mod api;
mod http;
mod shape;
mod sql;
mod statement;

use std::path::PathBuf;

pub use api::{ApiAddress, ApiRegistrar};
pub use sql::SqlRegistrar;

use super::records::{AssetIdx, RecordIndex};
use crate::model::{AssetId, Role};

/// Something that cannot be registered in at all: nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RegisterError(pub String);

/// What Immich has to learn of one asset or person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The asset, or the person of a face.
    pub id: AssetId,
    /// The user whose it is.
    pub owner: AssetId,
    /// What.
    pub wish: Wish,
}

/// What is wanted of Immich.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Rows that name pictures which are in place.
    Rows(Rows),
    /// Immich is to make all pictures of the asset again.
    Remake {
        /// Whether a row lacks, so that Immich's job for missing thumbnails finds the asset too.
        row_lacks: bool,
    },
    /// Immich is to transcode the video again.
    Transcode,
    /// Another path for a person's face crop; an empty one makes Immich's job for missing thumbnails make it.
    Face {
        /// What the row named at the scan.
        before: PathBuf,
        /// What it is to name.
        path: PathBuf,
    },
}

/// New rows of one asset.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rows {
    /// The files to name; none where only the thumbhash is new.
    pub files: Vec<NewFile>,
    /// The thumbhash of the new pixels; `None` = leave it.
    pub thumbhash: Option<Vec<u8>>,
    /// What the records said when the library was scanned: rows that differ now are left alone.
    pub before: Before,
}

/// One picture that a row is to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Preview, thumbnail or fullsize.
    pub role: Role,
    /// Part of the set that shows the edited picture.
    pub edited: bool,
    /// As Immich sees it, inside its container.
    pub path: PathBuf,
    /// A progressive JPEG.
    pub progressive: bool,
    /// The original has an alpha channel.
    pub transparent: bool,
}

/// An asset's rows at the time of the scan, as far as they bear on its pictures.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Before {
    /// Path of the original.
    pub original: Option<PathBuf>,
    /// Checksum, of content or path; `None` also where it is not 20 bytes long.
    pub checksum: Option<[u8; 20]>,
    /// Thumbhash.
    pub thumbhash: Option<Vec<u8>>,
    /// In the trash or offline.
    pub trashed: bool,
    /// Rows of previews, thumbnails and full-size pictures: role, edited, path. In order.
    pub pictures: Vec<(Role, bool, PathBuf)>,
}

impl Before {
    /// What the index says of an asset.
    pub fn of(index: &RecordIndex, asset: AssetIdx) -> Self {
        let view = index.asset(asset);
        let mut before = Self {
            checksum: view.checksum.or(view.path_checksum),
            thumbhash: view.thumbhash.map(<[u8]>::to_vec),
            trashed: view.trashed,
            ..Self::default()
        };
        for file in index.files_of(asset) {
            let view = index.file(file);
            match view.role {
                Role::Original => before.original = Some(index.record_path(file)),
                Role::Preview | Role::Thumbnail | Role::Fullsize => {
                    before.pictures.push((view.role, view.edited, index.record_path(file)));
                }
                _ => {}
            }
        }
        before.pictures.sort();
        before
    }
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in the records, or in Immich's queue; what there is to add.
    Done(String),
    /// Not tried, with the reason and what to do.
    Skipped(String),
    /// Tried and not done; nothing was changed.
    Failed(String),
}

/// A way of making files known to Immich.
pub trait Registrar: Send {
    /// Where and as whom, and with `in_full` what is sent around the requests, as [`Self::show`] shows these.
    fn notes(&self, in_full: bool) -> Vec<String>;

    /// How many requests go out together at most.
    fn batch(&self) -> usize;

    /// Exactly what would be sent for one request; else why nothing would.
    fn show(&self, request: &Request) -> Result<String, String>;

    /// Sends requests together and gives one answer for each, in their order.
    fn submit(&mut self, batch: &[Request]) -> Vec<Answer>;
}
