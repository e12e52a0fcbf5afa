//! Some assets and what their files are like: the newest, the oldest, some between, some of external libraries.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::immich::records::{AssetIdx, AssetKind, AssetView, Records};
use crate::media::quick;
use crate::model::{AssetId, MediaFormat, Role};

/// Assets in each group.
const GROUP: usize = 40;

/// Why an asset was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Came last into Immich.
    Newest,
    /// Came first.
    Oldest,
    /// Any other upload.
    Between,
    /// Its original lies in an external library.
    External,
}

/// What a file is like, by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there and begins as such a file does.
    Sound,
    /// It is there and has no bytes.
    Empty,
    /// It is there and does not begin as a picture; what it begins as.
    Foreign(String),
    /// The records name it and it is not there.
    Missing,
    /// The records name none, though Immich needs one.
    NeverMade,
    /// No rule of the path map leads there.
    Unmapped,
    /// The system refuses to open it: its error number and words.
    Closed(Option<i32>, String),
    /// Looking at it would hang.
    Unreachable,
}

impl State {
    /// Whether Immich can show it.
    pub fn is_sound(&self) -> bool {
        *self == Self::Sound
    }

    /// Whether anything is known about it.
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Unmapped | Self::Unreachable)
    }
}

/// One file of one asset.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// The asset.
    pub asset: AssetId,
    /// Whose it is.
    pub owner: AssetId,
    /// Why it was chosen.
    pub group: Group,
    /// What it is for.
    pub role: Role,
    /// Where it is here, as far as that is known.
    pub path: Option<PathBuf>,
    /// What it is like.
    pub state: State,
}

/// Files of chosen assets.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Originals, previews and thumbnails.
    pub files: Vec<Sampled>,
    /// How many assets they belong to.
    pub assets: usize,
}

impl Sample {
    /// Chooses assets and looks at their files, but not where `hangs` says that the look would never end.
    pub fn take(records: &Records, hangs: &dyn Fn(&Path) -> bool) -> Self {
        let mut sample = Self::default();
        for (idx, group) in choose(records) {
            sample.assets += 1;
            let asset = records.index.asset(idx);
            for &role in wanted(&asset) {
                let file = records.index.files_of(idx).find(|file| {
                    let view = records.index.file(*file);
                    view.role == role && !view.edited
                });
                let path = file.and_then(|file| records.index.host_path(file));
                let state = match (&file, &path) {
                    (None, _) => State::NeverMade,
                    (Some(_), None) => State::Unmapped,
                    (Some(_), Some(path)) if hangs(path) => State::Unreachable,
                    (Some(_), Some(path)) => look(path, role != Role::Original),
                };
                sample.files.push(Sampled { asset: asset.id, owner: asset.owner, group, role, path, state });
            }
        }
        sample
    }
}

/// What Immich shows of an asset.
fn wanted(asset: &AssetView<'_>) -> &'static [Role] {
    let pictures = !asset.hidden && matches!(asset.kind, AssetKind::Image | AssetKind::Video);
    if pictures { &[Role::Original, Role::Preview, Role::Thumbnail] } else { &[Role::Original] }
}

fn choose(records: &Records) -> Vec<(AssetIdx, Group)> {
    let index = &records.index;
    let mut chosen: BTreeSet<AssetIdx> = BTreeSet::new();
    let mut found = Vec::new();
    let live = |idx: AssetIdx| {
        let asset = index.asset(idx);
        !asset.trashed && !asset.offline
    };
    let external = |idx: AssetIdx| index.asset(idx).external;
    for (ids, group) in [(&records.newest, Group::Newest), (&records.oldest, Group::Oldest)] {
        let ends = ids.iter().filter_map(|id| index.find_asset(*id));
        let ends = ends.filter(|idx| live(*idx) && !external(*idx)).take(GROUP);
        found.extend(ends.filter(|idx| chosen.insert(*idx)).map(|idx| (idx, group)));
    }
    for (of, group) in [(false, Group::Between), (true, Group::External)] {
        let all = || index.assets().filter(|idx| live(*idx) && external(*idx) == of && !chosen.contains(idx));
        let every = all().count().div_ceil(GROUP).max(1);
        found.extend(all().step_by(every).map(|idx| (idx, group)));
    }
    found
}

/// Opens the file and reads its first bytes; `generated` files are always pictures of a known kind.
fn look(path: &Path, generated: bool) -> State {
    match head(path) {
        Ok((0, _)) => State::Empty,
        Ok((_, head)) if generated => match quick::recognise(&head) {
            MediaFormat::Jpeg | MediaFormat::Webp => State::Sound,
            _ => State::Foreign(beginning(&head)),
        },
        Ok((_, head)) if head.iter().all(|&byte| byte == 0) => State::Foreign(beginning(&head)),
        Ok(_) => State::Sound,
        Err(error) if error.kind() == io::ErrorKind::NotFound => State::Missing,
        Err(error) => State::Closed(error.raw_os_error(), error.to_string()),
    }
}

fn head(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    let size = fs::metadata(path)?;
    if !size.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut head = Vec::new();
    File::open(path)?.take(64).read_to_end(&mut head)?;
    Ok((size.len(), head))
}

/// What a file begins as, in words.
fn beginning(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    if head.iter().all(|&byte| byte == 0) {
        "zero bytes".to_owned()
    } else if ["<!doctype", "<html"].iter().any(|page| text.starts_with(page)) {
        "a web page".to_owned()
    } else if text.starts_with("version https://git-lfs") {
        "a pointer of git-lfs".to_owned()
    } else {
        "something that is neither JPEG nor WebP".to_owned()
    }
}
