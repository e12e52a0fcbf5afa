//! What the index tells about assets, files and folders: small values, without the text of paths.

use std::path::PathBuf;

use crate::model::{Area, AssetId, FaceBox, Orientation, Role};

/// Number of an asset in a [`RecordIndex`](super::RecordIndex).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetIdx(pub u32);

/// Number of a recorded path in a [`RecordIndex`](super::RecordIndex), whatever its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileIdx(pub u32);

/// Number of a recorded folder. Files nested as `ab/cd` below it count as its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DirId(pub u32);

/// Number of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonIdx(pub u32);

/// Number of a user who has a profile image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserIdx(pub u32);

/// A folder of this host in which the records expect files; from [`RecordIndex::lookup_dir`](super::RecordIndex::lookup_dir).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostDirId {
    /// The folder itself, or `NONE`.
    pub(super) literal: u32,
    /// The folder two levels above, or `NONE`, when this one is `ab/cd` below it.
    pub(super) base: u32,
    /// These four characters.
    pub(super) nest: [u8; 4],
}

/// What Immich takes an asset for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum AssetKind {
    /// A still picture.
    Image,
    /// A video.
    Video,
    /// Sound; gets no previews.
    Audio,
    /// Anything else; gets no previews.
    #[default]
    Other,
}

/// To whom a recorded path belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileOwner {
    /// An asset's original or one of its generated files.
    Asset(AssetIdx),
    /// A person's face crop.
    Person(PersonIdx),
    /// A user's profile image.
    User(UserIdx),
}

/// One recorded path, without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileView {
    /// What it is for.
    pub role: Role,
    /// Whether it belongs to the edited set of its asset.
    pub edited: bool,
    /// To whom it belongs.
    pub owner: FileOwner,
    /// The asset, if it belongs to one.
    pub asset: Option<AssetIdx>,
    /// The recorded folder, or the one two levels above for a nested file.
    pub dir: DirId,
    /// Whether the file lies in `ab/cd/` below that folder.
    pub nested: bool,
}

/// What the records say about one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetView<'a> {
    /// Its number.
    pub idx: AssetIdx,
    /// Its id.
    pub id: AssetId,
    /// The user who owns it.
    pub owner: AssetId,
    /// The external library it belongs to; extracted motion videos of external stills have one too.
    pub library: Option<AssetId>,
    /// What Immich takes it for.
    pub kind: AssetKind,
    /// Imported from an external library: Immich does not own the file.
    pub external: bool,
    /// Visibility `hidden`: the motion part of a live photo, needs no generated files.
    pub hidden: bool,
    /// Visibility `locked`.
    pub locked: bool,
    /// Visibility `archive`.
    pub archived: bool,
    /// In the trash, being deleted, or offline: `deletedAt` is set or the status is not `active`.
    pub trashed: bool,
    /// Immich could not reach the external file at its last scan.
    pub offline: bool,
    /// Has edits, so an edited set of generated files belongs to it.
    pub edited: bool,
    /// Some still names it as its motion part.
    pub motion_part: bool,
    /// The motion part of this live photo.
    pub live_video: Option<AssetIdx>,
    /// SHA-1 of the file's bytes; `None` where the recorded checksum is not one of the content.
    pub checksum: Option<[u8; 20]>,
    /// SHA-1 of `path:` and the recorded path, as external assets have it. Says nothing about bytes.
    pub path_checksum: Option<[u8; 20]>,
    /// Recorded size of the original in bytes.
    pub size: Option<u64>,
    /// Recorded thumbhash.
    pub thumbhash: Option<&'a [u8]>,
    /// Recorded width after orientation and edits; `None` above 65535 as well.
    pub width: Option<u32>,
    /// Recorded height after orientation and edits; `None` above 65535 as well.
    pub height: Option<u32>,
    /// Recorded EXIF orientation.
    pub orientation: Option<Orientation>,
    /// Recorded as a 360 degree picture (`EQUIRECTANGULAR`), for which Immich makes a full-size picture.
    pub equirectangular: bool,
    /// Has a metadata row; without one Immich makes no previews.
    pub has_exif: bool,
    /// The user's own file name; the name on disk may be unrelated.
    pub name: &'a [u8],
}

/// A recorded folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirView {
    /// Its number.
    pub id: DirId,
    /// As recorded, without a closing slash; empty for names without a folder.
    pub path: PathBuf,
    /// Files in it, nested ones included.
    pub files: u32,
    /// Originals among them.
    pub originals: u32,
}

/// A person and the user whose people it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The person's id; from Immich 3.2 on that of its group.
    pub id: AssetId,
    /// The owner.
    pub owner: AssetId,
    /// The face that its thumbnail shows; `None` when none is chosen, or the records hold no box of it.
    pub face: Option<Face>,
}

/// A face in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// The picture.
    pub asset: AssetIdx,
    /// Where in it.
    pub place: FaceBox,
}

/// One of a user's edits of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Keep this part of the upright original.
    Crop(Area),
    /// Turn it by a multiple of 90 degrees, or mirror it.
    Turn(Orientation),
    /// Anything else.
    Other,
}

impl AssetKind {
    pub(super) const fn bits(self) -> u16 {
        match self {
            Self::Image => 0,
            Self::Video => 1,
            Self::Audio => 2,
            Self::Other => 3,
        }
    }

    pub(super) const fn from_bits(bits: u16) -> Self {
        match bits {
            0 => Self::Image,
            1 => Self::Video,
            2 => Self::Audio,
            _ => Self::Other,
        }
    }
}
