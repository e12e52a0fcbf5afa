//! Every path that the records name, in little memory, with the facts about its asset.
//!
//! An asset costs about 70 bytes plus its thumbhash and name, a file 12 bytes plus its part of one hash table:
//! - what many files share (folder, role, ending of the name, kind of name) is stored once, as their *shape*;
//! - names that are the asset's id and an ending need no bytes of their own, names that are another UUID need 16;
//! - Immich's `ab/cd` folders are not stored, since the name repeats them;
//! - an original that is still called as the user called it shares the bytes of that name.

use std::ffi::OsStr;
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::names::{NameParts, split_nest, write_nest};
use super::seen::Seen;
use super::slots::{Arena, Probe, Slots};
use super::views::{
    AssetIdx, AssetKind, AssetView, DirId, DirView, Edit, FileIdx, FileOwner, FileView, HostDirId, Person,
    PersonIdx, UserIdx,
};
use crate::model::{AssetId, Orientation, Role};

pub(super) const NONE: u32 = u32::MAX;

/// Bits of [`AssetRow::flags`].
pub(super) mod flag {
    pub const HAS_ROW: u16 = 1;
    pub const EXTERNAL: u16 = 1 << 1;
    pub const HIDDEN: u16 = 1 << 2;
    pub const LOCKED: u16 = 1 << 3;
    pub const ARCHIVED: u16 = 1 << 4;
    pub const TRASHED: u16 = 1 << 5;
    pub const OFFLINE: u16 = 1 << 6;
    pub const EDITED: u16 = 1 << 7;
    pub const MOTION_PART: u16 = 1 << 8;
    pub const CHECKSUM: u16 = 1 << 9;
    pub const CHECKSUM_OF_CONTENT: u16 = 1 << 10;
    pub const EQUIRECTANGULAR: u16 = 1 << 11;
    pub const HAS_EXIF: u16 = 1 << 12;
    pub const KIND_SHIFT: u16 = 13;
}

/// One asset; 64 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct AssetRow {
    pub id: [u8; 16],
    pub checksum: [u8; 20],
    pub size_low: u32,
    pub size_high: u16,
    pub owner: u16,
    pub library: u16,
    pub flags: u16,
    pub width: u16,
    pub height: u16,
    pub first_file: u32,
    pub text: u32,
    pub live_video: u32,
    pub orientation: u8,
}

/// One recorded path; 12 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileRow {
    /// Number of the asset, person or user, by the role of the shape.
    pub owner: u32,
    pub shape: u32,
    /// Where the name is: unused for [`NameForm::OwnerId`], else an offset in the arena.
    pub name: u32,
}

/// A person whose thumbnail shows a face in an asset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portrait {
    pub asset: u32,
    pub person: u32,
    /// Its thumbnail, or `NONE`.
    pub file: u32,
}

/// One edit.
#[derive(Clone, Copy, Debug)]
pub(super) struct EditRow {
    pub asset: u32,
    pub sequence: i32,
    pub edit: Edit,
}

/// How the name of a file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum NameForm {
    /// The owner's id, then the shape's ending.
    OwnerId,
    /// Another UUID (16 bytes in the arena), then the shape's ending.
    OtherId,
    /// Bytes in the arena.
    Bytes,
}

/// What many files share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub dir: u32,
    pub ending: u16,
    pub role: Role,
    pub form: NameForm,
    pub edited: bool,
    pub nested: bool,
}

/// One recorded folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct DirRow {
    /// Its bytes with the closing slash, in the arena.
    pub path: u32,
    pub files: u32,
    pub originals: u32,
}

/// Every path that the records name; made by [`super::IndexBuilder`].
#[derive(Debug, Default)]
pub struct RecordIndex {
    pub(super) hasher: RandomState,
    pub(super) arena: Arena,
    pub(super) assets: Vec<AssetRow>,
    pub(super) asset_slots: Slots,
    pub(super) asset_rows: u32,
    /// Files of assets first, in the order of the assets; then those of persons and users.
    pub(super) files: Vec<FileRow>,
    pub(super) asset_files: u32,
    pub(super) shapes: Vec<Shape>,
    pub(super) endings: Vec<Box<[u8]>>,
    pub(super) dirs: Vec<DirRow>,
    /// Ids of owners and libraries.
    pub(super) ids: Vec<AssetId>,
    pub(super) persons: Vec<Person>,
    pub(super) users: Vec<AssetId>,
    /// By asset.
    pub(super) portraits: Vec<Portrait>,
    /// By asset, then in their order.
    pub(super) edits: Vec<EditRow>,
    host: HostDirs,
}

/// The recorded folders on this host.
#[derive(Debug, Default)]
struct HostDirs {
    arena: Arena,
    /// Offsets of the paths in the arena, by host folder number.
    paths: Vec<u32>,
    slots: Slots,
    /// Host folder of each recorded folder, or `NONE`.
    of_dir: Vec<u32>,
    /// Files by host folder and name.
    file_slots: Slots,
}

impl RecordIndex {
    /// Number of asset rows.
    pub fn asset_count(&self) -> u32 {
        self.asset_rows
    }

    /// Number of recorded paths.
    pub fn file_count(&self) -> u32 {
        u32::try_from(self.files.len()).unwrap_or(u32::MAX)
    }

    /// All assets.
    pub fn assets(&self) -> impl Iterator<Item = AssetIdx> + '_ {
        (0u32..).zip(&self.assets).filter(|(_, row)| row.flags & flag::HAS_ROW != 0).map(|(n, _)| AssetIdx(n))
    }

    /// The asset with this id.
    pub fn find_asset(&self, id: AssetId) -> Option<AssetIdx> {
        let found = self.asset_slots.find(self.hasher.hash_one(id), |row| self.asset_id(row) == Some(id))?;
        self.assets.get(found as usize).filter(|row| row.flags & flag::HAS_ROW != 0).map(|_| AssetIdx(found))
    }

    /// What the records say about an asset; numbers come from this index.
    pub fn asset(&self, idx: AssetIdx) -> AssetView<'_> {
        let row = self.assets.get(idx.0 as usize).copied().unwrap_or(AssetRow::EMPTY);
        let is = |bit: u16| row.flags & bit != 0;
        let (thumbhash, name) = self.asset_text(row.text);
        let checksum = |of_content| {
            (is(flag::CHECKSUM) && is(flag::CHECKSUM_OF_CONTENT) == of_content).then_some(row.checksum)
        };
        AssetView {
            idx,
            id: AssetId(row.id),
            owner: self.ids.get(usize::from(row.owner)).copied().unwrap_or_default(),
            library: self.ids.get(usize::from(row.library)).copied(),
            kind: AssetKind::from_bits(row.flags >> flag::KIND_SHIFT),
            external: is(flag::EXTERNAL),
            hidden: is(flag::HIDDEN),
            locked: is(flag::LOCKED),
            archived: is(flag::ARCHIVED),
            trashed: is(flag::TRASHED),
            offline: is(flag::OFFLINE),
            edited: is(flag::EDITED),
            motion_part: is(flag::MOTION_PART),
            live_video: (row.live_video != NONE).then_some(AssetIdx(row.live_video)),
            checksum: checksum(true),
            path_checksum: checksum(false),
            size: row.size(),
            thumbhash: (!thumbhash.is_empty()).then_some(thumbhash),
            width: (row.width != 0).then_some(u32::from(row.width)),
            height: (row.height != 0).then_some(u32::from(row.height)),
            orientation: Orientation::from_exif(u32::from(row.orientation)),
            equirectangular: is(flag::EQUIRECTANGULAR),
            has_exif: is(flag::HAS_EXIF),
            name,
        }
    }

    /// The paths recorded for an asset, by role: the original first.
    pub fn files_of(&self, AssetIdx(asset): AssetIdx) -> impl Iterator<Item = FileIdx> + use<> {
        let first = self.assets.get(asset as usize).map_or(0, |row| row.first_file);
        let end = self.assets.get(asset as usize + 1).map_or(self.asset_files, |row| row.first_file);
        (first..end).map(FileIdx)
    }

    /// All recorded paths.
    pub fn files(&self) -> impl Iterator<Item = FileIdx> + use<> {
        (0..self.file_count()).map(FileIdx)
    }

    /// One recorded path, without its text; numbers come from this index.
    pub fn file(&self, idx: FileIdx) -> FileView {
        let (row, shape) = self.row(idx);
        let owner = match shape.role {
            Role::Person => FileOwner::Person(PersonIdx(row.owner)),
            Role::Profile => FileOwner::User(UserIdx(row.owner)),
            _ => FileOwner::Asset(AssetIdx(row.owner)),
        };
        let asset = match owner {
            FileOwner::Asset(asset) => Some(asset),
            FileOwner::Person(_) | FileOwner::User(_) => None,
        };
        let (role, edited, nested) = (shape.role, shape.edited, shape.nested);
        FileView { role, edited, owner, asset, dir: DirId(shape.dir), nested }
    }

    /// A person.
    pub fn person(&self, PersonIdx(person): PersonIdx) -> Option<Person> {
        self.persons.get(person as usize).copied()
    }

    /// The persons whose thumbnails show a face in an asset, with the thumbnails that are recorded.
    pub fn portraits_of(
        &self,
        AssetIdx(asset): AssetIdx,
    ) -> impl Iterator<Item = (PersonIdx, Option<FileIdx>)> + '_ {
        let first = self.portraits.partition_point(|portrait| portrait.asset < asset);
        let rest = self.portraits.iter().skip(first).take_while(move |portrait| portrait.asset == asset);
        rest.map(|portrait| {
            (PersonIdx(portrait.person), (portrait.file != NONE).then_some(FileIdx(portrait.file)))
        })
    }

    /// A user's edits of an asset, in their order.
    pub fn edits_of(&self, AssetIdx(asset): AssetIdx) -> impl Iterator<Item = Edit> + '_ {
        let first = self.edits.partition_point(|row| row.asset < asset);
        self.edits.iter().skip(first).take_while(move |row| row.asset == asset).map(|row| row.edit)
    }

    /// The id of a user who has a profile image.
    pub fn user(&self, UserIdx(user): UserIdx) -> Option<AssetId> {
        self.users.get(user as usize).copied()
    }

    /// The path exactly as recorded.
    pub fn record_path(&self, idx: FileIdx) -> PathBuf {
        let (row, shape) = self.row(idx);
        let dir = self.dir_bytes(shape.dir);
        let mut out = Vec::with_capacity(dir.len() + 64);
        out.extend_from_slice(dir);
        self.write_below(row, shape, &mut out);
        to_path(out)
    }

    /// The name of the file, as recorded.
    pub fn file_name(&self, idx: FileIdx) -> Vec<u8> {
        let (row, shape) = self.row(idx);
        let mut out = Vec::with_capacity(64);
        self.name(row, shape).write(&mut out);
        out
    }

    /// All recorded folders, with the number of files in each.
    pub fn dirs(&self) -> impl Iterator<Item = DirView> + '_ {
        (0u32..).zip(&self.dirs).map(|(number, row)| DirView {
            id: DirId(number),
            path: to_path(without_slash(self.dir_bytes(number)).to_vec()),
            files: row.files,
            originals: row.originals,
        })
    }

    /// Finds the recorded folders on this host, each once, by `to_host`; `None` = not on this host. Calling it
    /// again replaces what was found before. Files nested as `ab/cd` go with the folder two levels above.
    pub fn resolve(&mut self, mut to_host: impl FnMut(&Path) -> Option<PathBuf>) {
        let mut host = HostDirs::default();
        for number in 0..u32::try_from(self.dirs.len()).unwrap_or(u32::MAX) {
            let dir = without_slash(self.dir_bytes(number));
            let found = to_host(Path::new(OsStr::from_bytes(dir)));
            let number = found.and_then(|path| host.intern(&self.hasher, &normal(&path)));
            host.of_dir.push(number.unwrap_or(NONE));
        }
        host.arena.shrink();
        self.host = host;
        let mut slots = Slots::for_rows(self.files.len());
        for idx in self.files() {
            if let Some(hash) = self.file_hash(idx) {
                slots.insert(hash, idx.0, |_| 0);
            }
        }
        self.host.file_slots = slots;
    }

    /// Where a recorded path is on this host; `None` when its folder is not, or before [`Self::resolve`].
    pub fn host_path(&self, idx: FileIdx) -> Option<PathBuf> {
        let (row, shape) = self.row(idx);
        let dir = self.host.path(*self.host.of_dir.get(shape.dir as usize)?)?;
        let mut out = Vec::with_capacity(dir.len() + 64);
        out.extend_from_slice(dir);
        if !dir.ends_with(b"/") {
            out.push(b'/');
        }
        self.write_below(row, shape, &mut out);
        Some(to_path(out))
    }

    /// The host folder of a recorded folder.
    pub fn host_dir(&self, DirId(dir): DirId) -> Option<PathBuf> {
        let path = self.host.path(*self.host.of_dir.get(dir as usize)?)?;
        Some(to_path(path.to_vec()))
    }

    /// The host folder as [`Self::lookup`] wants it; `None` when the records expect nothing in it.
    pub fn lookup_dir(&self, host_dir: &Path) -> Option<HostDirId> {
        let path = normal(host_dir);
        let literal = self.host.find(&self.hasher, &path);
        let nested =
            split_nest(&path).and_then(|(base, nest)| Some((self.host.find(&self.hasher, base)?, nest)));
        if literal.is_none() && nested.is_none() {
            return None;
        }
        let (base, nest) = nested.unwrap_or((NONE, [0; 4]));
        Some(HostDirId { literal: literal.unwrap_or(NONE), base, nest })
    }

    /// The recorded paths that lead to the file `name` in a host folder; usually one, but rows may share a file.
    pub fn lookup<'a>(&'a self, dir: HostDirId, name: &'a [u8]) -> impl Iterator<Item = FileIdx> + 'a {
        let parts = NameParts::of(name);
        let probe = move |host_dir: u32, nested: bool| -> Option<Probe<'a>> {
            let hash = self.hasher.hash_one((host_dir, nested, parts));
            (host_dir != NONE).then(|| self.host.file_slots.probe(hash))
        };
        let matching = move |host_dir: u32, nested: bool| {
            probe(host_dir, nested).into_iter().flatten().map(FileIdx).filter(move |&idx| {
                let (row, shape) = self.row(idx);
                shape.nested == nested
                    && self.host.of_dir.get(shape.dir as usize) == Some(&host_dir)
                    && self.name(row, shape) == parts
            })
        };
        let base = if parts.nest() == Some(dir.nest) { dir.base } else { NONE };
        matching(dir.literal, false).chain(matching(base, true))
    }

    /// Room for one mark per file.
    pub fn new_seen(&self) -> Seen {
        Seen::new(self.file_count())
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.arena.heap_bytes()
            + self.assets.capacity() * size_of::<AssetRow>()
            + self.asset_slots.heap_bytes()
            + self.files.capacity() * size_of::<FileRow>()
            + self.shapes.capacity() * size_of::<Shape>()
            + self.endings.iter().map(|ending| ending.len() + size_of::<Box<[u8]>>()).sum::<usize>()
            + self.dirs.capacity() * size_of::<DirRow>()
            + (self.ids.capacity() + self.users.capacity()) * size_of::<AssetId>()
            + self.persons.capacity() * size_of::<Person>()
            + self.portraits.capacity() * size_of::<Portrait>()
            + self.edits.capacity() * size_of::<EditRow>()
            + self.host.heap_bytes()
    }

    pub(super) fn asset_id(&self, row: u32) -> Option<AssetId> {
        self.assets.get(row as usize).map(|row| AssetId(row.id))
    }

    fn row(&self, FileIdx(file): FileIdx) -> (FileRow, Shape) {
        let row = self.files.get(file as usize).copied().unwrap_or(FileRow::EMPTY);
        (row, self.shapes.get(row.shape as usize).copied().unwrap_or(Shape::EMPTY))
    }

    /// Thumbhash and name stored at `text`.
    fn asset_text(&self, text: u32) -> (&[u8], &[u8]) {
        if text == NONE {
            return (b"", b"");
        }
        let (thumbhash, behind) = self.arena.get(text);
        (thumbhash, self.arena.get(behind).0)
    }

    pub(super) fn dir_bytes(&self, dir: u32) -> &[u8] {
        self.dirs.get(dir as usize).map_or(b"", |row| self.arena.get(row.path).0)
    }

    fn name(&self, row: FileRow, shape: Shape) -> NameParts<'_> {
        let ending = || self.endings.get(usize::from(shape.ending)).map_or(&b""[..], |ending| ending);
        match shape.form {
            NameForm::OwnerId => NameParts { id: self.owner_id(row, shape), rest: ending() },
            NameForm::OtherId => {
                let id = self.arena.get(row.name).0.first_chunk().copied().map(AssetId);
                NameParts { id, rest: ending() }
            }
            NameForm::Bytes => NameParts::of(self.arena.get(row.name).0),
        }
    }

    fn owner_id(&self, row: FileRow, shape: Shape) -> Option<AssetId> {
        match shape.role {
            Role::Person => self.persons.get(row.owner as usize).map(|person| person.id),
            Role::Profile => self.users.get(row.owner as usize).copied(),
            _ => self.asset_id(row.owner),
        }
    }

    /// Appends the nested folders, if any, and the name.
    fn write_below(&self, row: FileRow, shape: Shape, out: &mut Vec<u8>) {
        let name = self.name(row, shape);
        if let Some(nest) = name.nest().filter(|_| shape.nested) {
            write_nest(out, nest);
        }
        name.write(out);
    }

    fn file_hash(&self, idx: FileIdx) -> Option<u64> {
        let (row, shape) = self.row(idx);
        let host_dir = *self.host.of_dir.get(shape.dir as usize)?;
        (host_dir != NONE).then(|| self.hasher.hash_one((host_dir, shape.nested, self.name(row, shape))))
    }
}

impl HostDirs {
    fn path(&self, number: u32) -> Option<&[u8]> {
        self.paths.get(number as usize).map(|&offset| self.arena.get(offset).0)
    }

    fn find(&self, hasher: &RandomState, path: &[u8]) -> Option<u32> {
        self.slots.find(hasher.hash_one(path), |number| self.path(number) == Some(path))
    }

    fn intern(&mut self, hasher: &RandomState, path: &[u8]) -> Option<u32> {
        if let Some(number) = self.find(hasher, path) {
            return Some(number);
        }
        let number = u32::try_from(self.paths.len()).ok()?;
        self.paths.push(self.arena.push(path).ok()?);
        let (paths, arena) = (&self.paths, &self.arena);
        self.slots.insert(hasher.hash_one(path), number, |row| {
            hasher.hash_one(paths.get(row as usize).map_or(&b""[..], |&offset| arena.get(offset).0))
        });
        Some(number)
    }

    fn heap_bytes(&self) -> usize {
        self.arena.heap_bytes()
            + (self.paths.capacity() + self.of_dir.capacity()) * size_of::<u32>()
            + self.slots.heap_bytes()
            + self.file_slots.heap_bytes()
    }
}

impl AssetRow {
    pub(super) const EMPTY: Self = Self {
        id: [0; 16],
        checksum: [0; 20],
        size_low: u32::MAX,
        size_high: u16::MAX,
        owner: u16::MAX,
        library: u16::MAX,
        flags: 0,
        width: 0,
        height: 0,
        first_file: 0,
        text: NONE,
        live_video: NONE,
        orientation: 0,
    };

    /// The recorded size; 48 bits of it are kept, all of them set = none.
    fn size(&self) -> Option<u64> {
        let size = u64::from(self.size_high) << 32 | u64::from(self.size_low);
        (size != (1 << 48) - 1).then_some(size)
    }
}

impl FileRow {
    const EMPTY: Self = Self { owner: NONE, shape: NONE, name: NONE };
}

impl Shape {
    const EMPTY: Self = Self {
        dir: NONE,
        ending: u16::MAX,
        role: Role::Unknown,
        form: NameForm::Bytes,
        edited: false,
        nested: false,
    };
}

/// Components joined by single slashes, without `.` and closing slash.
fn normal(path: &Path) -> Vec<u8> {
    path.components().collect::<PathBuf>().into_os_string().into_vec()
}

fn without_slash(dir: &[u8]) -> &[u8] {
    match dir.strip_suffix(b"/") {
        Some(rest) if !rest.is_empty() => rest,
        _ => dir,
    }
}

fn to_path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests;
