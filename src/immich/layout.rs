//! The grammar of paths below Immich's media location, read and written.
//!
//! Reading: a relative path -> what the file is for, whose it is and which row it belongs to.
//! Writing: role, owner, id and format -> the path that a current Immich would use. Rows win over this
//! grammar wherever there is a row: older servers used other names, and Immich renames files only when an
//! administrator asks for it, so every style below is met in healthy libraries.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::model::{AssetId, ImageFormat, Role, is_own_temporary};

/// The six folders below the media location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Folder {
    /// Originals as they were uploaded.
    Upload,
    /// Originals that the storage template moved.
    Library,
    /// Previews, thumbnails, full-size pictures and faces.
    Thumbs,
    /// Transcodes, and the motion parts that were cut out of stills (these are originals).
    EncodedVideo,
    /// Avatars.
    Profile,
    /// Database dumps.
    Backups,
}

impl Folder {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Upload, Self::Library, Self::Thumbs, Self::EncodedVideo, Self::Profile, Self::Backups];

    /// Its name on disk and in the `mountChecks` of `system-flags`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Library => "library",
            Self::Thumbs => "thumbs",
            Self::EncodedVideo => "encoded-video",
            Self::Profile => "profile",
            Self::Backups => "backups",
        }
    }

    /// The folder of that name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|folder| folder.as_str().as_bytes() == name)
    }
}

/// Name of the file that Immich keeps in each folder to notice a missing mount.
pub const MARKER: &str = ".immich";

/// How a generated file is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// `<id>_preview.jpeg`: current.
    Underscore,
    /// `<id>-preview.jpeg`: about 2024 to the first 2.x releases.
    Hyphen,
    /// `<id>.jpeg`, `<id>.webp`: older; faces are always named like this.
    Bare,
}

/// Whose folder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner<'a> {
    /// A user id.
    User(AssetId),
    /// A storage label, only below `library/`.
    Label(&'a [u8]),
}

/// What a path below the media location means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// `<folder>/.immich`.
    Marker(Folder),
    /// Anything in `backups/`.
    Backup,
    /// A temporary file that a killed run of ours left behind.
    OwnTemporary,
    /// A file with a role, which is [`Role::Unknown`] where the path does not tell.
    File(FileMeaning<'a>),
}

/// What the path of a file tells about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMeaning<'a> {
    /// What it is for. A bare `<id>.jpeg` is called a face; see [`Self::or_preview`].
    pub role: Role,
    /// Whose it is.
    pub owner: Option<Owner<'a>>,
    /// The asset (generated files, transcodes, motion parts) or person (faces) in the name. Uploaded
    /// originals and sidecars carry a *file* id that appears in no row: it is not told here.
    pub id: Option<AssetId>,
    /// Part of the set that shows the edited picture.
    pub edited: bool,
    /// How a generated file is named.
    pub style: Option<Style>,
    /// Format by extension of a generated picture.
    pub format: Option<ImageFormat>,
    /// The original of a hidden motion video, cut out of a still by Immich.
    pub motion: bool,
}

impl FileMeaning<'_> {
    const UNKNOWN: Self = Self {
        role: Role::Unknown,
        owner: None,
        id: None,
        edited: false,
        style: None,
        format: None,
        motion: false,
    };

    /// What the extension alone tells, outside the media location; `None` for what Immich does not know.
    pub fn by_extension(name: &[u8]) -> Option<Self> {
        let role = match class_of(name)? {
            MediaClass::Sidecar => Role::Sidecar,
            _ => Role::Original,
        };
        Some(Self { role, ..Self::UNKNOWN })
    }

    /// Whether `<id>.jpeg` may as well be an old-style preview: only rows know whether the id is a
    /// person's or an asset's.
    pub fn or_preview(&self) -> bool {
        self.role == Role::Person
    }
}

/// Reads a path relative to the media location.
pub fn meaning(relative: &[u8]) -> Meaning<'_> {
    let (first, rest) = split_first(relative);
    let name = file_name(relative);
    if is_own_temporary(OsStr::from_bytes(name)) {
        return Meaning::OwnTemporary;
    }
    let (Some(folder), Some(rest)) = (Folder::from_name(first), rest) else {
        return Meaning::File(FileMeaning::UNKNOWN);
    };
    if rest == MARKER.as_bytes() {
        return Meaning::Marker(folder);
    }
    let (user, below) = split_first(rest);
    let owner = AssetId::parse(user).map(Owner::User);
    let Some(below) = below else {
        return if folder == Folder::Backups { Meaning::Backup } else { Meaning::File(FileMeaning::UNKNOWN) };
    };
    let file = match folder {
        Folder::Backups => return Meaning::Backup,
        Folder::Upload => original(name, owner),
        Folder::Library => original(name, owner.or(Some(Owner::Label(user)))),
        Folder::Profile => profile(name, below, owner),
        Folder::Thumbs => generated(name, below, owner),
        Folder::EncodedVideo => encoded(name, below, owner),
    };
    Meaning::File(file)
}

fn original<'a>(name: &[u8], owner: Option<Owner<'a>>) -> FileMeaning<'a> {
    let role = match class_of(name) {
        Some(MediaClass::Sidecar) => Role::Sidecar,
        Some(_) => Role::Original,
        None => Role::Unknown,
    };
    FileMeaning { role, owner, ..FileMeaning::UNKNOWN }
}

fn profile<'a>(name: &[u8], below: &[u8], owner: Option<Owner<'a>>) -> FileMeaning<'a> {
    let known = owner.is_some() && below == name && is_profile_image(name);
    let role = if known { Role::Profile } else { Role::Unknown };
    FileMeaning { role, owner, ..FileMeaning::UNKNOWN }
}

fn generated<'a>(name: &[u8], below: &[u8], owner: Option<Owner<'a>>) -> FileMeaning<'a> {
    let unknown = FileMeaning { owner, ..FileMeaning::UNKNOWN };
    let nested = is_nested(below, name);
    let Some((id, tail)) = split_id(name) else { return unknown };
    let Some((stem, format)) = image_tail(tail) else { return unknown };
    if owner.is_none() || !(nested || below == name) {
        return unknown;
    }
    if stem.is_empty() {
        let role = match format {
            ImageFormat::Jpeg => Role::Person,
            ImageFormat::Webp => Role::Thumbnail,
        };
        return FileMeaning { role, id: Some(id), style: Some(Style::Bare), format: Some(format), ..unknown };
    }
    let (style, words) = match stem.split_first() {
        Some((b'_', words)) => (Style::Underscore, words),
        Some((b'-', words)) => (Style::Hyphen, words),
        _ => return unknown,
    };
    let (word, edited) = match words.strip_suffix(b"_edited") {
        Some(word) if style == Style::Underscore => (word, true),
        _ => (words, false),
    };
    let Some(role) = GENERATED.into_iter().find(|role| role.as_str().as_bytes() == word) else {
        return unknown;
    };
    if !nested {
        return unknown;
    }
    FileMeaning { role, id: Some(id), edited, style: Some(style), format: Some(format), ..unknown }
}

fn encoded<'a>(name: &[u8], below: &[u8], owner: Option<Owner<'a>>) -> FileMeaning<'a> {
    let unknown = FileMeaning { owner, ..FileMeaning::UNKNOWN };
    let Some((id, tail)) = split_id(name).filter(|_| owner.is_some() && is_nested(below, name)) else {
        return unknown;
    };
    match tail {
        b".mp4" => FileMeaning { role: Role::Video, id: Some(id), ..unknown },
        b"-MP.mp4" => FileMeaning { role: Role::Original, id: Some(id), motion: true, ..unknown },
        _ => unknown,
    }
}

/// The pictures that carry their role in their name.
const GENERATED: [Role; 3] = [Role::Preview, Role::Thumbnail, Role::Fullsize];

/// A generated file: everything its path is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Preview, thumbnail, full-size picture, face or transcode.
    pub role: Role,
    /// The user whose asset or person it is.
    pub owner: AssetId,
    /// The asset, or the person of a face.
    pub id: AssetId,
    /// Part of the set that shows the edited picture.
    pub edited: bool,
    /// Format of a picture; transcodes are always `.mp4`.
    pub format: ImageFormat,
}

impl Generated {
    /// The path, relative to the media location, that a current Immich gives it. `None` for roles that
    /// Immich does not generate.
    pub fn path(&self) -> Option<PathBuf> {
        self.path_in(Style::Underscore)
    }

    /// The path in one of the naming styles. Edited sets exist only in the current one; faces and
    /// transcodes are named alike in all.
    pub fn path_in(&self, style: Style) -> Option<PathBuf> {
        let id = self.id.to_string();
        let extension = self.format.extension();
        let (folder, name) = match self.role {
            Role::Video => (Folder::EncodedVideo, format!("{id}.mp4")),
            Role::Person => (Folder::Thumbs, format!("{id}.{extension}")),
            Role::Preview | Role::Thumbnail | Role::Fullsize => {
                let role = self.role.as_str();
                let name = match (style, self.edited) {
                    (Style::Underscore, false) => format!("{id}_{role}.{extension}"),
                    (Style::Underscore, true) => format!("{id}_{role}_edited.{extension}"),
                    (Style::Hyphen, false) => format!("{id}-{role}.{extension}"),
                    (Style::Bare, false) if self.role != Role::Fullsize => format!("{id}.{extension}"),
                    _ => return None,
                };
                (Folder::Thumbs, name)
            }
            Role::Original | Role::Sidecar | Role::Profile | Role::Unknown => return None,
        };
        let mut path = PathBuf::from(folder.as_str());
        path.push(self.owner.to_string());
        path.push(id.get(0..2)?);
        path.push(id.get(2..4)?);
        path.push(name);
        Some(path)
    }
}

/// What Immich takes a file for, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaClass {
    /// Shown by browsers as it is.
    WebImage,
    /// A picture that browsers do not show.
    OtherImage,
    /// A camera raw file; Immich counts Photoshop files here.
    Raw,
    /// A video.
    Video,
    /// Metadata beside an original.
    Sidecar,
}

/// Every extension Immich knows, lower case, with its class.
pub const EXTENSIONS: &[(&str, MediaClass)] = {
    use MediaClass::{OtherImage, Raw, Sidecar, Video, WebImage};
    &[
        ("3fr", Raw),
        ("3gp", Video),
        ("3gpp", Video),
        ("ari", Raw),
        ("arw", Raw),
        ("avi", Video),
        ("avif", WebImage),
        ("bmp", WebImage),
        ("cap", Raw),
        ("cin", Raw),
        ("cr2", Raw),
        ("cr3", Raw),
        ("crw", Raw),
        ("dcr", Raw),
        ("dng", Raw),
        ("erf", Raw),
        ("fff", Raw),
        ("flv", Video),
        ("gif", WebImage),
        ("heic", OtherImage),
        ("heif", OtherImage),
        ("hif", OtherImage),
        ("iiq", Raw),
        ("insp", OtherImage),
        ("insv", Video),
        ("jp2", OtherImage),
        ("jpe", OtherImage),
        ("jpeg", WebImage),
        ("jpg", WebImage),
        ("jxl", OtherImage),
        ("k25", Raw),
        ("kdc", Raw),
        ("m2t", Video),
        ("m2ts", Video),
        ("m4v", Video),
        ("mkv", Video),
        ("mov", Video),
        ("mp4", Video),
        ("mpe", Video),
        ("mpeg", Video),
        ("mpg", Video),
        ("mpo", OtherImage),
        ("mrw", Raw),
        ("mts", Video),
        ("mxf", Video),
        ("nef", Raw),
        ("nrw", Raw),
        ("orf", Raw),
        ("ori", Raw),
        ("pef", Raw),
        ("png", WebImage),
        ("psd", Raw),
        ("raf", Raw),
        ("raw", Raw),
        ("rw2", Raw),
        ("rwl", Raw),
        ("sr2", Raw),
        ("srf", Raw),
        ("srw", Raw),
        ("svg", OtherImage),
        ("tif", OtherImage),
        ("tiff", OtherImage),
        ("ts", Video),
        ("vob", Video),
        ("webm", Video),
        ("webp", WebImage),
        ("wmv", Video),
        ("x3f", Raw),
        ("xmp", Sidecar),
    ]
};

/// The extensions of originals, in lower case without the dot.
pub fn original_extensions() -> impl Iterator<Item = &'static str> {
    EXTENSIONS.iter().filter(|(_, class)| *class != MediaClass::Sidecar).map(|(extension, _)| *extension)
}

/// The class of a file name, by its extension in any case; `None` for what Immich does not know.
pub fn class_of(name: &[u8]) -> Option<MediaClass> {
    let mut lower = [0u8; 4];
    let extension = lower_extension(name, &mut lower)?;
    let found = EXTENSIONS.binary_search_by(|(known, _)| known.as_bytes().cmp(extension)).ok()?;
    EXTENSIONS.get(found).map(|(_, class)| *class)
}

/// Whether Immich takes the file for an avatar.
pub fn is_profile_image(name: &[u8]) -> bool {
    let mut lower = [0u8; 4];
    let Some(extension) = lower_extension(name, &mut lower) else { return false };
    [&b"avif"[..], b"dng", b"heic", b"heif", b"jpeg", b"jpg", b"png", b"webp", b"svg"].contains(&extension)
}

fn lower_extension<'a>(name: &[u8], buffer: &'a mut [u8; 4]) -> Option<&'a [u8]> {
    let dot = memchr::memrchr(b'.', name)?;
    let extension = name.get(dot + 1..)?;
    let target = buffer.get_mut(..extension.len())?;
    target.copy_from_slice(extension);
    target.make_ascii_lowercase();
    Some(target)
}

/// The extension of a generated picture and what stands before it.
fn image_tail(tail: &[u8]) -> Option<(&[u8], ImageFormat)> {
    [ImageFormat::Jpeg, ImageFormat::Webp].into_iter().find_map(|format| {
        let stem = tail.strip_suffix(format.extension().as_bytes())?.strip_suffix(b".")?;
        Some((stem, format))
    })
}

fn split_id(name: &[u8]) -> Option<(AssetId, &[u8])> {
    let (id, tail) = name.split_at_checked(36)?;
    Some((AssetId::parse(id)?, tail))
}

/// Whether `below` is `xx/yy/name` with the first four characters of the name.
fn is_nested(below: &[u8], name: &[u8]) -> bool {
    let (Some(first), Some(second)) = (name.get(..2), name.get(2..4)) else { return false };
    below.strip_suffix(name).is_some_and(|folders| *folders == [first, b"/", second, b"/"].concat())
}

fn split_first(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'/', path) {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..)),
        None => (path, None),
    }
}

fn file_name(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', path).and_then(|slash| path.get(slash + 1..)).unwrap_or(path)
}

/// A path from bytes of the records or of a directory entry.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test should panic")]
    use proptest::prelude::*;

    use super::*;
    use crate::model::own_temporary_name;

    const USER: &str = "9a1b2c3d-0000-4000-8000-00000000000f";
    const ASSET: &str = "0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b";

    fn read(path: &str) -> Meaning<'_> {
        meaning(path.as_bytes())
    }

    fn file(path: &str) -> FileMeaning<'_> {
        match read(path) {
            Meaning::File(file) => file,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn the_table_is_sorted_and_lower_case() {
        assert!(EXTENSIONS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(EXTENSIONS.iter().all(|(e, _)| e.len() <= 4 && *e == e.to_lowercase()));
        assert_eq!(class_of(b"IMG_0001.HEIC"), Some(MediaClass::OtherImage));
        assert_eq!(class_of(b"a.b.PsD"), Some(MediaClass::Raw));
        assert_eq!(class_of(b"jpg"), None);
        assert_eq!(class_of(b"movie.mp4.part"), None);
    }

    #[test]
    fn every_style_of_generated_names_is_read() {
        let nested = format!("thumbs/{USER}/0d/5b/{ASSET}");
        let asset = AssetId::parse(ASSET.as_bytes());
        for (tail, role, style, edited) in [
            ("_preview.jpeg", Role::Preview, Style::Underscore, false),
            ("_thumbnail.webp", Role::Thumbnail, Style::Underscore, false),
            ("_fullsize.webp", Role::Fullsize, Style::Underscore, false),
            ("_preview_edited.jpeg", Role::Preview, Style::Underscore, true),
            ("-preview.jpeg", Role::Preview, Style::Hyphen, false),
            ("-thumbnail.jpeg", Role::Thumbnail, Style::Hyphen, false),
            (".webp", Role::Thumbnail, Style::Bare, false),
            (".jpeg", Role::Person, Style::Bare, false),
        ] {
            let path = format!("{nested}{tail}");
            let found = file(&path);
            assert_eq!((found.role, found.id, found.style, found.edited), (role, asset, Some(style), edited));
        }
        assert_eq!(file(&format!("thumbs/{USER}/{ASSET}.jpeg")).role, Role::Person);
        for tail in ["-preview_edited.jpeg", "_preview.jpg", "_preview.jpeg.tmp", "_poster.jpeg"] {
            assert_eq!(file(&format!("{nested}{tail}")).role, Role::Unknown, "{tail}");
        }
        assert_eq!(file(&format!("thumbs/{USER}/aa/bb/{ASSET}_preview.jpeg")).role, Role::Unknown);
    }

    #[test]
    fn originals_and_their_company() {
        let motion = format!("encoded-video/{USER}/0d/5b/{ASSET}-MP.mp4");
        assert!(file(&motion).motion);
        assert_eq!(file(&motion).role, Role::Original);
        assert_eq!(file(&format!("encoded-video/{USER}/0d/5b/{ASSET}.mp4")).role, Role::Video);
        assert_eq!(file(&format!("upload/{USER}/0d/5b/{ASSET}.CR3")).role, Role::Original);
        assert_eq!(file(&format!("upload/{USER}/0d/5b/{ASSET}.xmp")).role, Role::Sidecar);
        assert_eq!(file(&format!("upload/{USER}/0d/5b/{ASSET}.doc")).role, Role::Unknown);
        let template = "library/anna/2024/2024-05-06/a\nb.jpg";
        assert_eq!(file(template).owner, Some(Owner::Label(b"anna")));
        assert_eq!(file(&format!("profile/{USER}/{ASSET}.png")).role, Role::Profile);
        assert_eq!(read("backups/immich-db-backup-1.sql.gz"), Meaning::Backup);
        assert_eq!(read("thumbs/.immich"), Meaning::Marker(Folder::Thumbs));
        assert_eq!(read("backups/.immich"), Meaning::Marker(Folder::Backups));
        assert_eq!(file("IMG_1.jpg").role, Role::Unknown);
        assert_eq!(file("postgres/base/1").role, Role::Unknown);
    }

    #[test]
    fn our_own_temporary_files_are_recognised_anywhere() {
        let path = format!("thumbs/{USER}/0d/5b/{}", own_temporary_name(7, 0));
        assert_eq!(read(&path), Meaning::OwnTemporary);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            owner in any::<[u8; 16]>(), id in any::<[u8; 16]>(), edited in any::<bool>(),
            webp in any::<bool>(), role in 0usize..5, style in 0usize..3,
        ) {
            let role = [Role::Preview, Role::Thumbnail, Role::Fullsize, Role::Person, Role::Video][role];
            let style = [Style::Underscore, Style::Hyphen, Style::Bare][style];
            let format = if webp { ImageFormat::Webp } else { ImageFormat::Jpeg };
            let wanted = Generated { role, owner: AssetId(owner), id: AssetId(id), edited, format };
            if let Some(path) = wanted.path_in(style) {
                let Meaning::File(found) = meaning(path.as_os_str().as_bytes()) else { panic!("{path:?}") };
                prop_assert_eq!(found.id, Some(wanted.id));
                prop_assert_eq!(found.owner, Some(Owner::User(wanted.owner)));
                let bare = matches!(style, Style::Bare) || role == Role::Person;
                if !bare {
                    prop_assert_eq!(found.role, role);
                    if role != Role::Video {
                        prop_assert_eq!((found.edited, found.format, found.style), (edited, Some(format), Some(style)));
                    }
                }
            }
        }

        #[test]
        fn anything_can_be_read(path in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = meaning(&path);
            let _ = class_of(&path);
        }
    }
}
