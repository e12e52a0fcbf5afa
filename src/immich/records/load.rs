//! Turns rows of Immich's tables into [`Records`], the same for every home and era.
//!
//! A row is a line of COPY text; columns are found by their names, whatever their order. What an era lacks is
//! filled in: flags default to false, the kind of checksum follows from `isExternal`, visibility from
//! `isVisible` and `isArchived`, and path columns of older asset tables become files.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use serde_json::Value;

use super::build::{AssetInput, ExifInput, IndexBuilder};
use super::copy;
use super::edits;
use super::ends::Ends;
use super::slots::IndexFull;
use super::views::AssetKind;
use super::{Home, InterruptedMove, Library, Records, User};
use crate::immich::schema::{self, Tables};
use crate::immich::settings;
use crate::model::{AssetId, FaceBox, RecordsInfo, Role};

/// The tables that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Asset,
    File,
    Exif,
    Person,
    User,
    Library,
    Metadata,
    Move,
    Version,
    Edit,
    Face,
}

impl Kind {
    /// What a table of this name is, in any era, when it has the columns that make it so.
    pub fn of(table: &str, columns: &[impl AsRef<str>]) -> Option<Self> {
        let kind = Self::named(table)?;
        let has = |wanted: &&str| columns.iter().any(|column| column.as_ref() == *wanted);
        kind.needs().iter().all(has).then_some(kind)
    }

    /// What a table of this name should be.
    pub fn named(table: &str) -> Option<Self> {
        Some(match table {
            "asset" | "assets" => Self::Asset,
            "asset_file" | "asset_files" => Self::File,
            "asset_exif" | "exif" => Self::Exif,
            "person" => Self::Person,
            "user" | "users" => Self::User,
            "library" | "libraries" => Self::Library,
            "system_metadata" => Self::Metadata,
            "move_history" => Self::Move,
            "version_history" => Self::Version,
            "asset_edit" => Self::Edit,
            "asset_face" | "asset_faces" => Self::Face,
            _ => return None,
        })
    }

    /// The columns without which a table is not Immich's; other databases have tables of these names too.
    const fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Asset => &["id", "originalPath"],
            Self::File => &["assetId", "type", "path"],
            Self::Exif => &["assetId", "fileSizeInByte"],
            Self::Person => &["ownerId", "thumbnailPath"],
            Self::User => &["id", "profileImagePath"],
            Self::Library => &["id", "importPaths"],
            Self::Metadata => &["key", "value"],
            Self::Move => &["entityId", "oldPath", "newPath"],
            Self::Version => &["createdAt", "version"],
            Self::Edit => &["assetId"],
            Self::Face => &["id", "assetId", "imageWidth", "boundingBoxX1"],
        }
    }

    /// The columns that are read, where they exist. Their places here are the numbers that [`Row`] takes.
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Asset => asset::COLUMNS,
            Self::File => &["assetId", "type", "path", "isEdited"],
            Self::Exif => &["assetId", "fileSizeInByte", "orientation", "projectionType"],
            Self::Person => &["id", "personGroupId", "ownerId", "thumbnailPath", "faceAssetId"],
            Self::User => &["id", "storageLabel", "profileImagePath", "name"],
            Self::Library => &["id", "ownerId", "name", "importPaths", "exclusionPatterns", "deletedAt"],
            Self::Metadata => &["key", "value"],
            Self::Move => &["entityId", "pathType", "oldPath", "newPath"],
            Self::Version => &["createdAt", "version"],
            Self::Edit => &["assetId", "action", "parameters", "sequence"],
            Self::Face => face::COLUMNS,
        }
    }
}

/// Places in [`Kind::columns`] of the asset table.
mod asset {
    macro_rules! columns {
        ($($name:ident = $column:literal),* $(,)?) => {
            #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "one name per column")]
            enum Place { $($name),* }
            $(pub const $name: usize = Place::$name as usize;)*
            pub const COLUMNS: &[&str] = &[$($column),*];
        };
    }
    columns! {
        ID = "id",
        OWNER = "ownerId",
        TYPE = "type",
        ORIGINAL_PATH = "originalPath",
        NAME = "originalFileName",
        CHECKSUM = "checksum",
        ALGORITHM = "checksumAlgorithm",
        EXTERNAL = "isExternal",
        VISIBLE = "isVisible",
        ARCHIVED = "isArchived",
        VISIBILITY = "visibility",
        LIVE_VIDEO = "livePhotoVideoId",
        LIBRARY = "libraryId",
        OFFLINE = "isOffline",
        DELETED_AT = "deletedAt",
        STATUS = "status",
        THUMBHASH = "thumbhash",
        WIDTH = "width",
        HEIGHT = "height",
        EDITED = "isEdited",
        PREVIEW = "previewPath",
        RESIZED = "resizePath",
        THUMBNAIL = "thumbnailPath",
        WEBP = "webpPath",
        SIDECAR = "sidecarPath",
        TRANSCODE = "encodedVideoPath",
        CREATED_AT = "createdAt",
    }
}

/// Places in [`Kind::columns`] of the table of faces.
mod face {
    pub const ID: usize = 0;
    pub const ASSET: usize = 1;
    pub const PERSON: [usize; 2] = [2, 3];
    pub const DELETED_AT: usize = 4;
    pub const NUMBERS: [usize; 6] = [5, 6, 7, 8, 9, 10];
    pub const COLUMNS: &[&str] = &[
        "id",
        "assetId",
        "personId",
        "personGroupId",
        "deletedAt",
        "imageWidth",
        "imageHeight",
        "boundingBoxX1",
        "boundingBoxY1",
        "boundingBoxX2",
        "boundingBoxY2",
    ];
}

const MOST_COLUMNS: usize = asset::COLUMNS.len();

/// How to read the rows of one table in one home.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub kind: Kind,
    table: String,
    /// For each column of the rows its place in [`Kind::columns`], or `SKIP`.
    places: Vec<u8>,
}

const SKIP: u8 = u8::MAX;

impl Plan {
    /// For rows with these columns.
    pub fn new(kind: Kind, table: &str, columns: &[impl AsRef<str>]) -> Self {
        let place = |column: &str| kind.columns().iter().position(|wanted| *wanted == column);
        let places = columns
            .iter()
            .map(|column| place(column.as_ref()).and_then(|place| u8::try_from(place).ok()).unwrap_or(SKIP))
            .collect();
        Self { kind, table: table.to_owned(), places }
    }

    /// Parts a line into its wanted fields. The error says what is wrong with the line.
    fn row<'a>(&self, line: &'a [u8]) -> Result<Row<'a>, String> {
        let mut row = Row { fields: [None; MOST_COLUMNS] };
        let mut places = self.places.iter();
        let mut from = 0;
        for end in memchr::memchr_iter(b'\t', line).chain(std::iter::once(line.len())) {
            let Some(&place) = places.next() else {
                return Err(format!("a row has more than the {} fields of its header", self.places.len()));
            };
            if let Some(slot) = row.fields.get_mut(usize::from(place)) {
                *slot = line.get(from..end);
            }
            from = end + 1;
        }
        match places.len() {
            0 => Ok(row),
            missing => {
                Err(format!("a row has {missing} fields less than the {} of its header", self.places.len()))
            }
        }
    }
}

/// The wanted fields of a row, still escaped.
struct Row<'a> {
    fields: [Option<&'a [u8]>; MOST_COLUMNS],
}

impl<'a> Row<'a> {
    /// The text of a field; `None` = NULL, or the column does not exist.
    fn text(&self, place: usize) -> Option<Cow<'a, [u8]>> {
        copy::text(self.fields.get(place).copied().flatten()?)
    }

    fn bytes(&self, place: usize) -> Cow<'a, [u8]> {
        self.text(place).unwrap_or_default()
    }

    fn string(&self, place: usize) -> Option<String> {
        Some(String::from_utf8_lossy(&self.text(place)?).into_owned())
    }

    /// The field of a boolean as COPY writes it; false when there is none.
    fn is(&self, place: usize) -> bool {
        self.fields.get(place).copied().flatten() == Some(b"t")
    }

    fn has(&self, place: usize) -> bool {
        self.fields.get(place).copied().flatten().is_some_and(|field| field != b"\\N")
    }

    fn id(&self, place: usize) -> Option<AssetId> {
        AssetId::parse(self.fields.get(place).copied().flatten()?)
    }

    fn needed_id(&self, kind: Kind, place: usize) -> Result<AssetId, RowError> {
        self.id(place).ok_or_else(|| {
            let column = kind.columns().get(place).copied().unwrap_or_default();
            let found = self.string(place).map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
            RowError::Wrong(format!("expected a UUID in \"{column}\", found {found}"))
        })
    }

    fn number<T: std::str::FromStr>(&self, place: usize) -> Option<T> {
        std::str::from_utf8(self.fields.get(place).copied().flatten()?).ok()?.parse().ok()
    }

    fn path(&self, place: usize) -> Option<PathBuf> {
        let bytes = self.text(place)?;
        (!bytes.is_empty()).then(|| PathBuf::from(OsString::from_vec(bytes.into_owned())))
    }
}

/// Why a row cannot be taken.
#[derive(Debug)]
pub(super) enum RowError {
    /// What is wrong with it.
    Wrong(String),
    /// There is no room for it.
    Full(IndexFull),
}

impl From<IndexFull> for RowError {
    fn from(full: IndexFull) -> Self {
        Self::Full(full)
    }
}

/// Takes rows in any order and gives [`Records`].
#[derive(Debug, Default)]
pub(super) struct Loader {
    builder: IndexBuilder,
    tables: Tables,
    records: Records,
    newest_version: Option<(String, String)>,
    ends: Ends,
    odd_checksums: u64,
    fork_checksums: u64,
    unknown_files: u64,
    has_assets: bool,
}

impl Loader {
    /// Whether Immich's table of assets has been met.
    pub fn has_assets(&self) -> bool {
        self.has_assets
    }

    /// Asset rows so far.
    pub fn assets(&self) -> u32 {
        self.builder.asset_count()
    }

    /// Tells that a table exists, with its columns; gives the plan for its rows if they are wanted.
    pub fn table(&mut self, name: &str, columns: &[impl AsRef<str>]) -> Option<Plan> {
        let known = columns.iter().map(|column| column.as_ref().to_owned()).collect();
        self.tables.insert(name.to_owned(), known);
        let kind = Kind::of(name, columns)?;
        self.has_assets |= kind == Kind::Asset;
        Some(Plan::new(kind, name, columns))
    }

    /// Takes one row.
    pub fn row(&mut self, plan: &Plan, line: &[u8]) -> Result<(), RowError> {
        let taken = plan.row(line).map_err(RowError::Wrong).and_then(|row| match plan.kind {
            Kind::Asset => self.asset(&row),
            Kind::File => self.file(&row),
            Kind::Exif => self.exif(&row),
            Kind::Person => self.person(&row),
            Kind::User => self.user(&row),
            Kind::Library => self.library(&row),
            Kind::Metadata => {
                self.metadata(&row);
                Ok(())
            }
            Kind::Move => self.interrupted_move(&row),
            Kind::Version => {
                self.version(&row);
                Ok(())
            }
            Kind::Edit => self.edit(&row),
            Kind::Face => self.face(&row),
        });
        taken.map_err(|error| match error {
            RowError::Wrong(what) => RowError::Wrong(format!("table \"{}\": {what}", plan.table)),
            full @ RowError::Full(_) => full,
        })
    }

    /// The records, once all rows are in. The error says why this is no Immich database.
    pub fn finish(mut self, home: Home, source: String) -> Result<Records, String> {
        let mut schema = schema::recognise(&self.tables)?;
        if self.fork_checksums > 0 {
            let count = self.fork_checksums;
            schema
                .problems
                .push(format!("{count} assets have a checksum of 32 bytes, which Immich does not make"));
        }
        if !schema.problems.is_empty() {
            self.records.notes.push(format!(
                "the database is not laid out as Immich's own ({}): what is known of it is read, nothing will be registered in it",
                schema.problems.join("; ")
            ));
        }
        let mut note = |count: u64, what: &str| {
            if count > 0 {
                self.records.notes.push(format!("{count} {what}"));
            }
        };
        note(
            self.odd_checksums,
            "assets have a checksum that is not 20 bytes long; they count as having none",
        );
        note(
            self.unknown_files,
            "files are of a type that is not known here; they are not taken for untracked",
        );
        let index = self.builder.finish();
        self.records.home = home;
        self.records.info =
            RecordsInfo { source, era: schema.label(), assets: u64::from(index.asset_count()), as_of: None };
        self.records.schema = schema;
        self.records.server_version = self.newest_version.map(|(_, version)| version);
        (self.records.newest, self.records.oldest) = self.ends.finish();
        self.records.index = index;
        Ok(self.records)
    }

    fn asset(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let id = row.needed_id(Kind::Asset, asset::ID)?;
        let external = row.is(asset::EXTERNAL);
        let of_content = match row.text(asset::ALGORITHM) {
            Some(algorithm) => &*algorithm == b"sha1",
            None => !external,
        };
        let checksum = row.text(asset::CHECKSUM).and_then(|text| copy::bytea(&text));
        let checksum = self.checksum(checksum.as_deref()).map(|sum| (sum, of_content));
        let thumbhash = row.text(asset::THUMBHASH).and_then(|text| copy::bytea(&text));
        let visibility = row.text(asset::VISIBILITY);
        let visibility = visibility.as_deref();
        let hidden_flag = row.has(asset::VISIBLE) && !row.is(asset::VISIBLE);
        let trashed = row.has(asset::DELETED_AT)
            || row.text(asset::STATUS).is_some_and(|status| matches!(&*status, b"trashed" | b"deleted"));
        let name = row.bytes(asset::NAME);
        let original_path = row.bytes(asset::ORIGINAL_PATH);
        if !trashed && let Some(created) = row.text(asset::CREATED_AT) {
            self.ends.take(&created, id);
        }
        self.builder.asset(&AssetInput {
            id,
            owner: row.id(asset::OWNER).unwrap_or_default(),
            library: row.id(asset::LIBRARY),
            kind: match &*row.bytes(asset::TYPE) {
                b"IMAGE" => AssetKind::Image,
                b"VIDEO" => AssetKind::Video,
                b"AUDIO" => AssetKind::Audio,
                _ => AssetKind::Other,
            },
            external,
            hidden: visibility.map_or(hidden_flag, |visibility| visibility == b"hidden"),
            locked: visibility == Some(b"locked"),
            archived: visibility.map_or(row.is(asset::ARCHIVED), |visibility| visibility == b"archive"),
            trashed,
            offline: row.is(asset::OFFLINE),
            edited: row.is(asset::EDITED),
            live_video: row.id(asset::LIVE_VIDEO),
            checksum,
            thumbhash: thumbhash.as_deref(),
            width: row.number(asset::WIDTH),
            height: row.number(asset::HEIGHT),
            name: &name,
            original_path: &original_path,
        })?;
        for (role, places) in [
            (Role::Preview, &[asset::PREVIEW, asset::RESIZED][..]),
            (Role::Thumbnail, &[asset::THUMBNAIL, asset::WEBP]),
            (Role::Sidecar, &[asset::SIDECAR]),
            (Role::Video, &[asset::TRANSCODE]),
        ] {
            if let Some(path) =
                places.iter().filter_map(|&place| row.text(place)).find(|path| !path.is_empty())
            {
                self.builder.asset_file(id, role, false, &path)?;
            }
        }
        Ok(())
    }

    fn checksum(&mut self, bytes: Option<&[u8]>) -> Option<[u8; 20]> {
        let bytes = bytes?;
        let checksum = <[u8; 20]>::try_from(bytes).ok();
        self.odd_checksums += u64::from(checksum.is_none());
        self.fork_checksums += u64::from(bytes.len() == 32);
        checksum
    }

    fn file(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let id = row.needed_id(Kind::File, 0)?;
        let role = match &*row.bytes(1) {
            b"preview" => Role::Preview,
            b"thumbnail" => Role::Thumbnail,
            b"fullsize" => Role::Fullsize,
            b"sidecar" => Role::Sidecar,
            b"encoded_video" => Role::Video,
            _ => {
                self.unknown_files += 1;
                Role::Unknown
            }
        };
        Ok(self.builder.asset_file(id, role, row.is(3), &row.bytes(2))?)
    }

    fn exif(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let id = row.needed_id(Kind::Exif, 0)?;
        let input = ExifInput {
            size: row.number(1),
            orientation: row.text(2).and_then(|text| orientation(&text)),
            equirectangular: row.text(3).is_some_and(|kind| kind.eq_ignore_ascii_case(b"EQUIRECTANGULAR")),
        };
        Ok(self.builder.exif(id, input)?)
    }

    fn person(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let id = match row.id(0) {
            Some(id) => id,
            None => row.needed_id(Kind::Person, 1)?,
        };
        Ok(self.builder.person(id, row.id(2).unwrap_or_default(), row.id(4), &row.bytes(3))?)
    }

    fn user(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let id = row.needed_id(Kind::User, 0)?;
        let storage_label = row.string(1).filter(|label| !label.is_empty());
        let name = row.string(3).unwrap_or_default();
        self.records.users.push(User { id, name, storage_label, profile_image: row.path(2) });
        Ok(self.builder.profile(id, &row.bytes(2))?)
    }

    fn library(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let id = row.needed_id(Kind::Library, 0)?;
        if row.has(5) {
            return Ok(());
        }
        let list = |place| row.text(place).and_then(|text| copy::array(&text)).unwrap_or_default();
        self.records.libraries.push(Library {
            id,
            owner: row.id(1).unwrap_or_default(),
            name: row.string(2).unwrap_or_default(),
            import_paths: list(3).into_iter().map(|path| PathBuf::from(OsString::from_vec(path))).collect(),
            exclusion_patterns: list(4)
                .iter()
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .collect(),
        });
        Ok(())
    }

    fn metadata(&mut self, row: &Row<'_>) {
        let key = row.string(0).unwrap_or_default();
        if !matches!(key.as_str(), "system-config" | "MediaLocation" | "system-flags") {
            return;
        }
        let value: Value = match serde_json::from_slice(&row.bytes(1)) {
            Ok(value) => value,
            Err(error) => {
                self.records.notes.push(format!("system_metadata \"{key}\" is not JSON ({error}); not used"));
                return;
            }
        };
        match key.as_str() {
            "system-config" => {
                let (image, notes) = settings::from_system_config(&value);
                self.records.image = image;
                self.records.notes.extend(notes);
            }
            "MediaLocation" => {
                let location = value.get("location").and_then(Value::as_str).filter(|text| !text.is_empty());
                self.records.media_location = location.map(PathBuf::from);
            }
            _ => {
                let checks = value.get("mountChecks").and_then(Value::as_object).into_iter().flatten();
                self.records
                    .mount_flags
                    .extend(checks.filter_map(|(folder, set)| Some((folder.clone(), set.as_bool()?))));
            }
        }
    }

    fn interrupted_move(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let entity = row.needed_id(Kind::Move, 0)?;
        if let (Some(old_path), Some(new_path)) = (row.path(2), row.path(3)) {
            let path_type = row.string(1).unwrap_or_default();
            self.records.moves.push(InterruptedMove { entity, path_type, old_path, new_path });
        }
        Ok(())
    }

    /// Times of one dump or session are in one zone and sort as text.
    fn version(&mut self, row: &Row<'_>) {
        let (Some(at), Some(version)) = (row.string(0), row.string(1)) else { return };
        if self.newest_version.as_ref().is_none_or(|(newest, _)| *newest < at) {
            self.newest_version = Some((at, version));
        }
    }

    fn edit(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let id = row.needed_id(Kind::Edit, 0)?;
        self.records.edits += 1;
        let edit = edits::read(&row.bytes(1), &row.bytes(2));
        Ok(self.builder.edit(id, row.number(3).unwrap_or(0), edit)?)
    }

    /// A face that belongs to nobody, or was removed, stands for no person.
    fn face(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let (id, asset) = (row.needed_id(Kind::Face, face::ID)?, row.needed_id(Kind::Face, face::ASSET)?);
        if row.has(face::DELETED_AT) || !face::PERSON.iter().any(|&place| row.has(place)) {
            return Ok(());
        }
        let [Some(width), Some(height), Some(x1), Some(y1), Some(x2), Some(y2)] =
            face::NUMBERS.map(|place| row.number(place))
        else {
            return Ok(());
        };
        match FaceBox::new((width, height), (x1, y1), (x2, y2)) {
            Some(place) => Ok(self.builder.face(id, asset, place)?),
            None => Ok(()),
        }
    }
}

/// EXIF orientation, written as its number or in exiftool's words.
fn orientation(text: &[u8]) -> Option<u8> {
    match text {
        [digit @ b'1'..=b'8'] => Some(digit - b'0'),
        b"Horizontal (normal)" => Some(1),
        b"Mirror horizontal" => Some(2),
        b"Rotate 180" => Some(3),
        b"Mirror vertical" => Some(4),
        b"Mirror horizontal and rotate 270 CW" => Some(5),
        b"Rotate 90 CW" => Some(6),
        b"Mirror horizontal and rotate 90 CW" => Some(7),
        b"Rotate 270 CW" => Some(8),
        _ => None,
    }
}
