//! What is looked at together: an asset with all its files.

use std::path::PathBuf;

use crate::engine::fresh::Kept;
use crate::engine::inventory::Presence;
use crate::immich::records::{AssetIdx, FileIdx};
use crate::model::{AssetId, FaceBox, Role};

/// One file of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    /// Its row; `None` for a generated file that is there without one.
    pub record: Option<FileIdx>,
    /// What it is for.
    pub role: Role,
    /// Part of the set that shows the edited picture.
    pub edited: bool,
    /// Whose face it shows, and where that is in the asset.
    pub portrait: Option<Portrait>,
    /// Where it is here, or should be; `None` when the map leads nowhere.
    pub path: Option<PathBuf>,
    /// The path in the records; for a file without a row the one it would have.
    pub record_path: Option<PathBuf>,
    /// Whether it is there.
    pub presence: Presence,
    /// Whether a walked entry is accounted for with it. Rows may share a file, and some files are reached
    /// only by their rows: those are looked at and not counted.
    pub counted: bool,
    /// Whether `--only` takes its role; the original of a unit is there in any case.
    pub selected: bool,
    /// What is known of it, if it is as an earlier run had left it and needs no look; `None` = it has to be asked about.
    pub fresh: Option<Kept>,
}

/// A person, and the face that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portrait {
    /// The person.
    pub person: AssetId,
    /// Its face.
    pub face: FaceBox,
}

impl UnitFile {
    /// Whether it is there to be looked at.
    pub fn is_present(&self) -> bool {
        self.presence == Presence::Present
    }
}

/// An asset with all its files.
#[derive(Clone, Debug)]
pub struct AssetUnit {
    /// Its number in the index.
    pub asset: AssetIdx,
    /// Its id.
    pub id: AssetId,
    /// Whose it is.
    pub owner: AssetId,
    /// In the trash, offline, or hidden: what is wrong with its generated files matters little.
    pub lowered: bool,
    /// The original, if the records name one.
    pub original: Option<UnitFile>,
    /// Generated files and sidecars: those with rows, persons whose faces are in it, then those that could be registered.
    pub files: Vec<UnitFile>,
    /// What Immich needs and has neither as row nor as file: role and whether of the edited set.
    pub wanted: Vec<(Role, bool)>,
    /// Persons whose faces are in it and for whom Immich has recorded no thumbnail.
    pub unpictured: Vec<AssetId>,
}
