//! Which generated files of an asset may be made again: a pure decision on facts.
//!
//! The rules, in this order: nothing is done to what is fine; nothing is made from an original that is not
//! sound, because the old picture may be the last copy; files whose record names path and format are made
//! where they are named, so that Immich finds them without any change to its database; files without a row
//! are made and get one (`--register sql`), or Immich is asked for them (`--register api`), or nothing;
//! transcodes, and pictures of which the records tell too little, are left to Immich, or asked of it.

use std::path::{Path, PathBuf};

use crate::model::{
    AssetId, FileIdentity, ImageFormat, ImageSettings, OutputSettings, RepairAction, RepairEvent,
    RepairStatus, Role, What,
};
use crate::render::{RenderJob, RenderSpec, View};

/// What is known about the original that pictures would be made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginalState {
    /// Verified or decodable, in this run or in a trusted earlier one.
    Sound,
    /// Its bytes are wrong; the reason.
    Damaged(String),
    /// Not there.
    Missing,
    /// Nothing can be said about it; the reason.
    Unverifiable(String),
    /// Not looked at: left out by an option or the end of the run.
    NotChecked,
}

/// How new files become known to Immich (`--register`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Way {
    /// Not at all: only files that a row names are made.
    #[default]
    None,
    /// By rows of its database.
    Sql,
    /// Immich is asked to make them.
    Api,
}

/// What Immich can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    /// All pictures of an asset again.
    Remake,
    /// The transcode of a video again.
    Transcode,
}

/// What the records say about the path of a generated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// A row names it.
    Names,
    /// There is no row; the path is the one Immich would choose, or where the file was found.
    Absent,
    /// A row names a path that leads nowhere on this host.
    Unmapped,
}

/// One generated file: found, missing, or found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedState {
    /// Its role.
    pub role: Role,
    /// Belongs to the edited set of the asset.
    pub edited: bool,
    /// What it shows of its asset, or why that cannot be shown here.
    pub shows: Result<View, &'static str>,
    /// On this host; for an unmapped row as the records spell it.
    pub path: PathBuf,
    /// Where the path comes from.
    pub row: Row,
    /// What is wrong with it; `None` = fine.
    pub wrong: Option<What>,
    /// The file that was seen; `None` = there was none.
    pub seen: Option<FileIdentity>,
}

/// Everything the decision about one asset needs. Trashed and archived assets are repaired like others:
/// Immich shows their pictures too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetState {
    /// The asset.
    pub asset: AssetId,
    /// A hidden motion video: Immich neither makes nor shows pictures of it.
    pub hidden: bool,
    /// Faces are cut out of this file instead of the original: a video's preview; empty when there is none.
    pub still: Option<PathBuf>,
    /// An edited picture: what people see, and the thumbhash, is of its edited set.
    pub edited: bool,
    /// The thumbhash in the records is of another picture, while the original and the pictures agree.
    pub outdated: bool,
    /// Immich makes a full-size picture of it.
    pub fullsize: bool,
    /// Immich has metadata of it, without which its own jobs make nothing.
    pub metadata: bool,
    /// Its original.
    pub original: OriginalState,
    /// Its generated files, fine ones too.
    pub files: Vec<GeneratedState>,
}

/// A picture to make and where to put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRepair {
    /// The asset.
    pub asset: AssetId,
    /// The file on this host.
    pub path: PathBuf,
    /// Role, format, size, quality and part of the picture.
    pub spec: RenderSpec,
    /// What it is made from.
    pub source: Source,
    /// What is wrong with the file that is there, or that it is missing.
    pub because: What,
    /// The file that the picture replaces; `None` = there was none.
    pub seen: Option<FileIdentity>,
    /// Whether a row names it already.
    pub named: bool,
}

/// What a picture is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The original.
    Original,
    /// [`AssetState::still`], after it was made again itself.
    Still,
}

/// A sound file that a row is to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRow {
    /// Its role.
    pub role: Role,
    /// The file on this host.
    pub path: PathBuf,
}

/// A file that Immich is to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedAsk {
    /// Its role.
    pub role: Role,
    /// The file on this host, as far as it is known where it will be.
    pub path: PathBuf,
    /// What is asked for.
    pub job: Job,
    /// Whether a row names it already.
    pub named: bool,
}

/// What is to be done about one asset.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AssetPlan {
    /// To be made, in the order of the asset's files.
    pub repairs: Vec<PlannedRepair>,
    /// To be named by rows as they are.
    pub rows: Vec<PlannedRow>,
    /// To be asked of Immich.
    pub asks: Vec<PlannedAsk>,
    /// Whether the thumbhash of the original is needed, to be registered.
    pub thumbhash: bool,
    /// A sound picture, named by a row, to which the thumbhash in the records does not belong.
    pub unlike: Option<PlannedRow>,
    /// What is wrong and stays so, with the reason.
    pub skipped: Vec<RepairEvent>,
}

impl AssetPlan {
    /// The pictures to make from one source, in the order of `repairs`; `None` when there is nothing to make.
    pub fn render_job(&self, source: Source, settings: &ImageSettings) -> Option<RenderJob> {
        let outputs: Vec<_> = self.from(source).map(|repair| repair.spec).collect();
        let thumbhash = self.thumbhash && source == Source::Original;
        let wanted = thumbhash || !outputs.is_empty();
        wanted.then(|| RenderJob { outputs, ..RenderJob::new(settings, &[], thumbhash) })
    }

    /// The repairs that are made from one source.
    pub fn from(&self, source: Source) -> impl Iterator<Item = &PlannedRepair> {
        self.repairs.iter().filter(move |repair| repair.source == source)
    }

    /// Whether it has to be known that the original is sound.
    pub fn needs_original(&self) -> bool {
        self.from(Source::Original).next().is_some() || !self.asks.is_empty() || self.thumbhash
    }

    /// Whether everything that this plan makes of the original is hoped for in the other.
    pub fn is_within(&self, hoped: &Self) -> bool {
        self.from(Source::Original).all(|repair| hoped.repairs.contains(repair))
            && self.thumbhash <= hoped.thumbhash
    }

    /// Bytes that the repairs will take at most, roughly; fullsize pictures are as large as the original.
    pub fn estimate(&self, original_bytes: u64) -> u64 {
        let one = |repair: &PlannedRepair| match repair.spec.role {
            Role::Fullsize => original_bytes.max(1 << 20),
            _ => super::space::estimate(&repair.spec.output),
        };
        self.repairs.iter().map(one).fold(0, u64::saturating_add)
    }
}

/// Decides about one asset.
pub fn plan(state: &AssetState, settings: &ImageSettings, way: Way) -> AssetPlan {
    let mut plan = AssetPlan::default();
    for file in &state.files {
        let step = match file.wrong {
            Some(wrong) => decide(state, file, wrong, settings, way).map(Some),
            None => name_as_it_is(state, file, way),
        };
        let (role, path, named) = (file.role, file.path.clone(), file.row == Row::Names);
        match step {
            Ok(None) => {}
            Ok(Some(Step::Make(spec, because))) => plan.repairs.push(PlannedRepair {
                asset: state.asset,
                path,
                spec,
                source: source(state, file),
                because,
                seen: file.seen,
                named,
            }),
            Ok(Some(Step::Name)) => plan.rows.push(PlannedRow { role, path }),
            Ok(Some(Step::Ask(job))) => plan.asks.push(PlannedAsk { role, path, job, named }),
            Err(reason) => plan.skipped.push(skipped(role, path, Some(state.asset), reason)),
        }
    }
    // Clients keep what they fetched under the old thumbhash: a broken picture stays in sight until it changes.
    let hashed = |repair: &PlannedRepair| match repair.spec.view {
        View::Whole => !state.edited,
        View::Edited(_) => true,
        View::Face(_) => false,
    };
    let replaces = |repair: &PlannedRepair| repair.because != What::Missing && hashed(repair);
    let new = |repair: &PlannedRepair| !repair.named || replaces(repair);
    plan.unlike = unlike(state).filter(|_| way == Way::Sql);
    let known = !plan.rows.is_empty() || plan.unlike.is_some() || plan.repairs.iter().any(new);
    plan.thumbhash = way == Way::Sql && known;
    plan
}

/// The picture that the records' thumbhash should be of: what a run leaves that was killed after it had made the picture again.
fn unlike(state: &AssetState) -> Option<PlannedRow> {
    let whole = |file: &&GeneratedState| {
        let picture = matches!(file.role, Role::Preview | Role::Thumbnail);
        picture && !file.edited && file.row == Row::Names && file.wrong.is_none()
    };
    let wanted = state.outdated && !state.edited && !state.hidden && state.original == OriginalState::Sound;
    let file = state.files.iter().find(whole).filter(|_| wanted)?;
    Some(PlannedRow { role: file.role, path: file.path.clone() })
}

/// What is to be told of a person's thumbnail that is wrong while the records hold no face for it.
pub fn faceless(path: PathBuf) -> RepairEvent {
    skipped(Role::Person, path, None, format!("the records hold no face to make it from; {FACELESS_REMEDY}"))
}

/// How Immich comes to make a person's thumbnail again: it looks for those whose path is empty only.
const FACELESS_REMEDY: &str = "choose the person's feature photo again, or empty its thumbnailPath in the database and run Immich's job for missing thumbnails";

fn skipped(role: Role, path: PathBuf, asset: Option<AssetId>, reason: String) -> RepairEvent {
    RepairEvent {
        action: RepairAction::Regenerate,
        role,
        path,
        asset,
        status: RepairStatus::Skipped,
        reason,
        bytes: None,
    }
}

fn source(state: &AssetState, file: &GeneratedState) -> Source {
    let still = file.role == Role::Person && state.still.is_some();
    if still { Source::Still } else { Source::Original }
}

/// What is done about one file.
enum Step {
    /// It is made, because of what is wrong with it.
    Make(RenderSpec, What),
    /// It gets a row.
    Name,
    /// Immich makes it.
    Ask(Job),
}

/// The picture to make, or why none is made.
fn decide(
    state: &AssetState,
    file: &GeneratedState,
    wrong: What,
    settings: &ImageSettings,
    way: Way,
) -> Result<Step, String> {
    let picture = matches!(file.role, Role::Preview | Role::Thumbnail | Role::Fullsize);
    if state.hidden && picture {
        return Err("belongs to a hidden motion video, which needs no pictures".into());
    }
    repairable(wrong)?;
    let lost = matches!(state.original, OriginalState::Damaged(_) | OriginalState::Missing);
    if let (Err(why), false) = (file.shows, lost || way == Way::Api) {
        return Err(why.into());
    }
    match source(state, file) {
        Source::Original => sound(&state.original, file.seen.is_some())?,
        Source::Still => still(state, settings, way)?,
    }
    let view = match file.shows {
        Ok(view) => view,
        Err(_) if way == Way::Api && file.role == Role::Video => return ask(state, Job::Transcode),
        Err(_) if way == Way::Api => return ask(state, Job::Remake),
        Err(why) => return Err(why.into()),
    };
    let spec = spec(file.role, view, settings)?;
    match (file.row, way) {
        (Row::Unmapped, _) => {
            return Err(
                "its record's path leads nowhere on this host: a --map CONTAINER=HOST is lacking".into()
            );
        }
        (Row::Absent, Way::None) => {
            return Err("no record names it: needs --register sql or --register api".into());
        }
        (Row::Absent, _) if file.role == Role::Fullsize && !file.edited && !state.fullsize => {
            return Err("no record names it, and Immich makes no full-size picture of this original".into());
        }
        (Row::Absent, Way::Api) => return ask(state, Job::Remake),
        (Row::Absent, Way::Sql) if file.edited => {
            return Err("part of an edited set without its row; left to Immich's own job".into());
        }
        (Row::Names, _) | (Row::Absent, Way::Sql) => {}
    }
    match format_of(&file.path) {
        Ok(format) if file.role == Role::Person && format != spec.output.format => {
            Err("Immich makes persons' thumbnails as .jpeg, its record names another".into())
        }
        Ok(format) => {
            let output = OutputSettings { format, ..spec.output };
            Ok(Step::Make(RenderSpec { output, ..spec }, wrong))
        }
        Err(_) if way == Way::Api && picture => ask(state, Job::Remake),
        Err(why) => Err(why),
    }
}

/// The picture by the settings, in the format of the settings.
fn spec(role: Role, view: View, settings: &ImageSettings) -> Result<RenderSpec, String> {
    let output = match (role, view) {
        (Role::Preview, _) => settings.preview,
        (Role::Thumbnail, _) => settings.thumbnail,
        (Role::Fullsize, _) => settings.fullsize,
        (Role::Person, View::Face(face)) => return Ok(RenderSpec::face(settings, face)),
        _ => return Err("not a file that can be made again".into()),
    };
    Ok(RenderSpec { role, output, view })
}

/// Whether the preview that faces of a video are cut out of is sound, or will be.
fn still(state: &AssetState, settings: &ImageSettings, way: Way) -> Result<(), String> {
    if state.still.as_ref().is_some_and(|still| still.as_os_str().is_empty()) {
        return Err("it is cut out of the video's preview, and there is none".into());
    }
    let preview = state.files.iter().find(|file| Some(&file.path) == state.still.as_ref());
    let Some((preview, wrong)) = preview.and_then(|preview| Some((preview, preview.wrong?))) else {
        return Ok(());
    };
    match decide(state, preview, wrong, settings, way) {
        Ok(Step::Make(..)) => Ok(()),
        Ok(Step::Name | Step::Ask(_)) => {
            Err("it is cut out of the video's preview, which Immich is to make first".into())
        }
        Err(why) => Err(format!("it is cut out of the video's preview, and that is not made: {why}")),
    }
}

/// A sound file that no row names gets one.
fn name_as_it_is(state: &AssetState, file: &GeneratedState, way: Way) -> Result<Option<Step>, String> {
    if file.row != Row::Absent || way == Way::None || state.hidden {
        return Ok(None);
    }
    if file.role == Role::Fullsize && !file.edited && !state.fullsize {
        return Err("no record names it, and Immich makes no full-size picture of this original".into());
    }
    if way == Way::Api {
        sound(&state.original, true)?;
        let job = if file.role == Role::Video { Job::Transcode } else { Job::Remake };
        return ask(state, job).map(Some);
    }
    match file.role {
        _ if file.edited => Err("part of an edited set without its row; left to Immich's own job".into()),
        Role::Preview | Role::Thumbnail | Role::Fullsize => Ok(Some(Step::Name)),
        _ => Err("no record names it; rows of transcodes are left to Immich's own job".into()),
    }
}

fn ask(state: &AssetState, job: Job) -> Result<Step, String> {
    if state.metadata {
        return Ok(Step::Ask(job));
    }
    Err("Immich has no metadata of it, and its job makes nothing without: run Administration, Jobs, Extract Metadata, \
         Missing first"
        .into())
}

/// Whether writing the file anew mends what is wrong with it.
fn repairable(wrong: What) -> Result<(), String> {
    match wrong {
        What::Missing
        | What::Empty
        | What::Truncated
        | What::Malformed
        | What::ChecksumMismatch
        | What::Changed
        | What::WrongContent
        | What::WrongFormat
        | What::WrongSize => Ok(()),
        What::Unreadable => {
            Err("cannot be read; mend the permission or the disk first, then run repair again".into())
        }
        What::Unverifiable => Err("could not be judged, so it stays as it is".into()),
        What::PassedOnRetry => Err("sound on the second read; look for the cause of the first".into()),
        What::Unregistered => {
            Err("the file is sound, its record is lacking: needs --register sql or --register api".into())
        }
        What::Untracked => Err("no record names it; it is left alone".into()),
        What::Differs => Err("its bytes are right; the manifest tells what is not".into()),
    }
}

/// Whether pictures may be made from the original.
fn sound(original: &OriginalState, old_picture: bool) -> Result<(), String> {
    let why = match original {
        OriginalState::Sound => return Ok(()),
        OriginalState::Damaged(reason) => format!("the original is damaged ({reason})"),
        OriginalState::Missing => "the original is missing".to_owned(),
        OriginalState::Unverifiable(reason) => format!("the original cannot be verified ({reason})"),
        OriginalState::NotChecked => "the original was not looked at in this run".to_owned(),
    };
    let rest = if old_picture {
        "the old picture may be the last copy and stays"
    } else {
        "nothing to make it from"
    };
    Err(format!("{why}; {rest}"))
}

/// The format that the record's path asks for. Immich tells it by the extension alone.
fn format_of(path: &Path) -> Result<ImageFormat, String> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        Some("jpeg" | "jpg") => Ok(ImageFormat::Jpeg),
        Some("webp") => Ok(ImageFormat::Webp),
        _ => Err("its record names neither .jpeg nor .webp, so its format is not known".into()),
    }
}

#[cfg(test)]
mod tests;
