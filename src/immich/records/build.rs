//! Fills a [`RecordIndex`] from rows in any order: files may come before their assets.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use super::faces::Faces;
use super::index::{AssetRow, DirRow, EditRow, FileRow, NONE, NameForm, Portrait, RecordIndex, Shape, flag};
use super::names::{NameParts, PathParts};
use super::slots::{IndexFull, Slots};
use super::views::{AssetIdx, AssetKind, Edit, Person};
use crate::model::{AssetId, FaceBox, Role};

/// A row of the asset table, as far as it matters here.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the fields of AssetView say it")]
pub struct AssetInput<'a> {
    pub id: AssetId,
    pub owner: AssetId,
    pub library: Option<AssetId>,
    pub kind: AssetKind,
    pub external: bool,
    pub hidden: bool,
    pub locked: bool,
    pub archived: bool,
    pub trashed: bool,
    pub offline: bool,
    pub edited: bool,
    pub live_video: Option<AssetId>,
    /// With whether it is one of the content.
    pub checksum: Option<([u8; 20], bool)>,
    pub thumbhash: Option<&'a [u8]>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub name: &'a [u8],
    /// Empty = none.
    pub original_path: &'a [u8],
}

/// A row of the metadata table.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the fields of AssetView say it")]
pub struct ExifInput {
    pub size: Option<u64>,
    /// 1 to 8.
    pub orientation: Option<u8>,
    pub equirectangular: bool,
}

/// Fills a [`RecordIndex`].
#[derive(Debug, Default)]
pub struct IndexBuilder {
    index: RecordIndex,
    ending_numbers: HashMap<Box<[u8]>, u16>,
    shape_numbers: HashMap<Shape, u32>,
    dir_slots: Slots,
    id_numbers: HashMap<AssetId, u16>,
    last_dir: u32,
    faces: Faces,
}

/// Endings longer than this are kept with their names: they are unlikely to be shared.
const MAX_ENDING: usize = 24;

impl IndexBuilder {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of asset rows so far.
    pub fn asset_count(&self) -> u32 {
        self.index.asset_rows
    }

    /// Adds an asset and its original. A second row with the same id is ignored.
    pub fn asset(&mut self, input: &AssetInput<'_>) -> Result<AssetIdx, IndexFull> {
        let number = self.intern_asset(input.id)?;
        let owner = self.intern_id(input.owner)?;
        let library = input.library.map_or(Ok(u16::MAX), |library| self.intern_id(library))?;
        let live_video = input.live_video.map_or(Ok(NONE), |video| self.intern_asset(video))?;
        if let Some(video) = self.index.assets.get_mut(live_video as usize) {
            video.flags |= flag::MOTION_PART;
        }
        let text = self.index.arena.push(input.thumbhash.unwrap_or_default())?;
        let name_at = self.index.arena.push(input.name)?;
        let Some(row) = self.index.assets.get_mut(number as usize) else { return Err(IndexFull("assets")) };
        if row.flags & flag::HAS_ROW != 0 {
            return Ok(AssetIdx(number));
        }
        row.owner = owner;
        row.library = library;
        row.live_video = live_video;
        row.text = text;
        row.checksum = input.checksum.unwrap_or_default().0;
        row.width = input.width.and_then(|width| u16::try_from(width).ok()).unwrap_or(0);
        row.height = input.height.and_then(|height| u16::try_from(height).ok()).unwrap_or(0);
        row.flags |= asset_flags(input);
        self.index.asset_rows += 1;
        self.file(
            Role::Original,
            false,
            number,
            Some(input.id),
            input.original_path,
            Some((name_at, input.name)),
        )?;
        Ok(AssetIdx(number))
    }

    /// Adds the metadata of an asset.
    pub fn exif(&mut self, asset: AssetId, input: ExifInput) -> Result<(), IndexFull> {
        let number = self.intern_asset(asset)?;
        let Some(row) = self.index.assets.get_mut(number as usize) else { return Err(IndexFull("assets")) };
        row.flags |= flag::HAS_EXIF | if input.equirectangular { flag::EQUIRECTANGULAR } else { 0 };
        row.orientation = input.orientation.unwrap_or(0);
        if let Some(size) = input.size.filter(|&size| size < (1 << 48) - 1) {
            row.size_low = u32::try_from(size & u64::from(u32::MAX)).unwrap_or(u32::MAX);
            row.size_high = u16::try_from(size >> 32).unwrap_or(u16::MAX);
        }
        Ok(())
    }

    /// Adds one of the edits of an asset, with its place among them.
    pub fn edit(&mut self, asset: AssetId, sequence: i32, edit: Edit) -> Result<(), IndexFull> {
        let number = self.intern_asset(asset)?;
        if let Some(row) = self.index.assets.get_mut(number as usize) {
            row.flags |= flag::EDITED;
        }
        self.index.edits.push(EditRow { asset: number, sequence, edit });
        Ok(())
    }

    /// Adds a file of an asset that is not its original. An empty path is none.
    pub fn asset_file(
        &mut self,
        asset: AssetId,
        role: Role,
        edited: bool,
        path: &[u8],
    ) -> Result<(), IndexFull> {
        let number = self.intern_asset(asset)?;
        self.file(role, edited, number, Some(asset), path, None)
    }

    /// Adds a person with its face crop and the id of the face that it shows. An empty path is none.
    pub fn person(
        &mut self,
        id: AssetId,
        owner: AssetId,
        face: Option<AssetId>,
        thumbnail_path: &[u8],
    ) -> Result<(), IndexFull> {
        let number = next_number(self.index.persons.len(), "persons")?;
        let person = Person { id, owner, face: None };
        self.index.persons.push(person);
        if let Some(face) = face {
            self.faces.want(face, number);
        }
        self.file(Role::Person, false, number, Some(person.id), thumbnail_path, None)
    }

    /// Adds a face in a picture of an asset. Only those that persons show are kept in the end.
    pub fn face(&mut self, id: AssetId, asset: AssetId, place: FaceBox) -> Result<(), IndexFull> {
        let asset = self.intern_asset(asset)?;
        self.faces.see(id, asset, place);
        Ok(())
    }

    /// Adds a user's profile image. An empty path is none.
    pub fn profile(&mut self, user: AssetId, path: &[u8]) -> Result<(), IndexFull> {
        if path.is_empty() {
            return Ok(());
        }
        let number = u32::try_from(self.index.users.len()).map_err(|_| IndexFull("users"))?;
        self.index.users.push(user);
        self.file(Role::Profile, false, number, Some(user), path, None)
    }

    /// The finished index.
    pub fn finish(self) -> RecordIndex {
        let Self { mut index, faces, .. } = self;
        faces.settle(|person, face| {
            let known =
                index.assets.get(face.asset.0 as usize).is_some_and(|row| row.flags & flag::HAS_ROW != 0);
            if let Some(person) = index.persons.get_mut(person as usize).filter(|_| known) {
                person.face = Some(face);
            }
        });
        let rank = |row: &FileRow| {
            let shape = index.shapes.get(row.shape as usize);
            let role = shape.map_or(Role::Unknown, |shape| shape.role);
            let foreign = matches!(role, Role::Person | Role::Profile);
            (foreign, row.owner, role, shape.is_some_and(|shape| shape.edited))
        };
        index.files.sort_unstable_by_key(rank);
        let asset_files = index.files.partition_point(|row| !rank(row).0);
        let mut next = 0;
        for (number, row) in (0u32..).zip(&mut index.assets) {
            row.first_file = u32::try_from(next).unwrap_or(u32::MAX);
            let rest = index.files.get(next..asset_files).unwrap_or_default();
            next += rest.iter().take_while(|file| file.owner == number).count();
        }
        index.asset_files = u32::try_from(asset_files).unwrap_or(u32::MAX);
        index.portraits = portraits(&index);
        index.edits.sort_by_key(|row| (row.asset, row.sequence));
        index.assets.shrink_to_fit();
        index.files.shrink_to_fit();
        index.shapes.shrink_to_fit();
        index.dirs.shrink_to_fit();
        index.arena.shrink();
        index
    }

    fn file(
        &mut self,
        role: Role,
        edited: bool,
        owner: u32,
        owner_id: Option<AssetId>,
        path: &[u8],
        known_name: Option<(u32, &[u8])>,
    ) -> Result<(), IndexFull> {
        if path.is_empty() {
            return Ok(());
        }
        let parts = PathParts::of(path);
        let dir = self.intern_dir(parts.base)?;
        let name = NameParts::of(parts.name);
        let ending = name.id.and_then(|_| self.intern_ending(name.rest));
        let (form, at) = match (name.id, ending) {
            (Some(id), Some(_)) if Some(id) == owner_id => (NameForm::OwnerId, NONE),
            (Some(id), Some(_)) => (NameForm::OtherId, self.index.arena.push(&id.0)?),
            _ => match known_name.filter(|(_, known)| *known == parts.name) {
                Some((at, _)) => (NameForm::Bytes, at),
                None => (NameForm::Bytes, self.index.arena.push(parts.name)?),
            },
        };
        let shape =
            Shape { dir, ending: ending.unwrap_or(u16::MAX), role, form, edited, nested: parts.nested };
        let shape = self.intern_shape(shape)?;
        if self.index.files.len() >= NONE as usize {
            return Err(IndexFull("files"));
        }
        if let Some(row) = self.index.dirs.get_mut(dir as usize) {
            row.files += 1;
            row.originals += u32::from(role == Role::Original);
        }
        self.index.files.push(FileRow { owner, shape, name: at });
        Ok(())
    }

    fn intern_asset(&mut self, id: AssetId) -> Result<u32, IndexFull> {
        let index = &mut self.index;
        let hash = index.hasher.hash_one(id);
        if let Some(number) = index
            .asset_slots
            .find(hash, |row| index.assets.get(row as usize).is_some_and(|row| row.id == id.0))
        {
            return Ok(number);
        }
        let number = next_number(index.assets.len(), "assets")?;
        index.assets.push(AssetRow { id: id.0, ..AssetRow::EMPTY });
        let (assets, hasher) = (&index.assets, &index.hasher);
        index.asset_slots.insert(hash, number, |row| {
            assets.get(row as usize).map_or(0, |row| hasher.hash_one(AssetId(row.id)))
        });
        Ok(number)
    }

    fn intern_dir(&mut self, path: &[u8]) -> Result<u32, IndexFull> {
        if !self.index.dirs.is_empty() && self.index.dir_bytes(self.last_dir) == path {
            return Ok(self.last_dir);
        }
        let index = &mut self.index;
        let hash = index.hasher.hash_one(path);
        let number = if let Some(number) = self.dir_slots.find(hash, |row| index.dir_bytes(row) == path) {
            number
        } else {
            let number = next_number(index.dirs.len(), "folders")?;
            let at = index.arena.push(path)?;
            index.dirs.push(DirRow { path: at, files: 0, originals: 0 });
            let index = &self.index;
            self.dir_slots.insert(hash, number, |row| index.hasher.hash_one(index.dir_bytes(row)));
            number
        };
        self.last_dir = number;
        Ok(number)
    }

    fn intern_shape(&mut self, shape: Shape) -> Result<u32, IndexFull> {
        if let Some(&number) = self.shape_numbers.get(&shape) {
            return Ok(number);
        }
        let number = next_number(self.index.shapes.len(), "folders")?;
        self.index.shapes.push(shape);
        self.shape_numbers.insert(shape, number);
        Ok(number)
    }

    fn intern_ending(&mut self, ending: &[u8]) -> Option<u16> {
        if let Some(&number) = self.ending_numbers.get(ending) {
            return Some(number);
        }
        let number = u16::try_from(self.index.endings.len()).ok().filter(|&number| number < u16::MAX)?;
        if ending.len() > MAX_ENDING {
            return None;
        }
        self.index.endings.push(ending.into());
        self.ending_numbers.insert(ending.into(), number);
        Some(number)
    }

    fn intern_id(&mut self, id: AssetId) -> Result<u16, IndexFull> {
        if let Some(&number) = self.id_numbers.get(&id) {
            return Ok(number);
        }
        let number = u16::try_from(self.index.ids.len())
            .ok()
            .filter(|&number| number < u16::MAX)
            .ok_or(IndexFull("users and libraries"))?;
        self.index.ids.push(id);
        self.id_numbers.insert(id, number);
        Ok(number)
    }
}

/// The persons with a face, by the asset that it is in.
fn portraits(index: &RecordIndex) -> Vec<Portrait> {
    let foreign =
        (index.asset_files..).zip(index.files.get(index.asset_files as usize..).unwrap_or_default());
    let files: HashMap<u32, u32> = foreign
        .filter(|(_, row)| {
            index.shapes.get(row.shape as usize).is_some_and(|shape| shape.role == Role::Person)
        })
        .map(|(file, row)| (row.owner, file))
        .collect();
    let faces = (0_u32..).zip(&index.persons).filter_map(|(number, person)| Some((number, person.face?)));
    let mut portraits: Vec<Portrait> = faces
        .map(|(person, face)| Portrait {
            asset: face.asset.0,
            person,
            file: files.get(&person).copied().unwrap_or(NONE),
        })
        .collect();
    portraits.sort_unstable_by_key(|portrait| (portrait.asset, portrait.person));
    portraits
}

fn asset_flags(input: &AssetInput<'_>) -> u16 {
    let bits = [
        (true, flag::HAS_ROW),
        (input.external, flag::EXTERNAL),
        (input.hidden, flag::HIDDEN),
        (input.locked, flag::LOCKED),
        (input.archived, flag::ARCHIVED),
        (input.trashed, flag::TRASHED),
        (input.offline, flag::OFFLINE),
        (input.edited, flag::EDITED),
        (input.checksum.is_some(), flag::CHECKSUM),
        (input.checksum.is_some_and(|(_, of_content)| of_content), flag::CHECKSUM_OF_CONTENT),
    ];
    let set = bits.iter().filter(|(on, _)| *on).fold(0, |all, (_, bit)| all | bit);
    set | input.kind.bits() << flag::KIND_SHIFT
}

fn next_number(len: usize, what: &'static str) -> Result<u32, IndexFull> {
    u32::try_from(len).ok().filter(|&number| number != NONE).ok_or(IndexFull(what))
}
