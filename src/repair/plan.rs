//! Which generated files of an asset may be made again: a pure decision on facts.
//!
//! The rules, in this order: nothing is done to what is fine; nothing is made from an original that is not
//! sound, because the old picture may be the last copy; only files whose record names path and format are
//! made, so that Immich finds them without any change to its database (other ways of `--register` widen
//! this); transcodes, and pictures of which the records tell too little, are left to Immich's own jobs.

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
    /// Faces are cut out of this file instead of the original: a video's preview.
    pub still: Option<PathBuf>,
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
}

/// What a picture is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The original.
    Original,
    /// [`AssetState::still`], after it was made again itself.
    Still,
}

/// What makes a file again that only Immich can make, by the name that its API has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ImmichJob {
    /// Thumbnails and the edited set of an asset.
    RegenerateThumbnail,
    /// The transcode of a video.
    TranscodeVideo,
}

impl ImmichJob {
    /// The word in Immich's API (`POST /assets/jobs`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegenerateThumbnail => "regenerate-thumbnail",
            Self::TranscodeVideo => "transcode-video",
        }
    }
}

/// What is to be done about one asset.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AssetPlan {
    /// To be made, in the order of the asset's files.
    pub repairs: Vec<PlannedRepair>,
    /// What is wrong and stays so, with the reason.
    pub skipped: Vec<RepairEvent>,
    /// What a job of Immich's own makes again if somebody asks for it; told as skipped otherwise.
    pub asks: Vec<(ImmichJob, RepairEvent)>,
}

impl AssetPlan {
    /// The pictures to make from one source, in the order of `repairs`; `None` when there are none.
    pub fn render_job(&self, source: Source, settings: &ImageSettings) -> Option<RenderJob> {
        let outputs: Vec<_> = self.from(source).map(|repair| repair.spec).collect();
        (!outputs.is_empty()).then(|| RenderJob { outputs, ..RenderJob::new(settings, &[], false) })
    }

    /// The repairs that are made from one source.
    pub fn from(&self, source: Source) -> impl Iterator<Item = &PlannedRepair> {
        self.repairs.iter().filter(move |repair| repair.source == source)
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
pub fn plan(state: &AssetState, settings: &ImageSettings) -> AssetPlan {
    let mut plan = AssetPlan::default();
    for file in &state.files {
        let Some(wrong) = file.wrong else { continue };
        match decide(state, file, wrong, settings) {
            Ok(spec) => plan.repairs.push(PlannedRepair {
                asset: state.asset,
                path: file.path.clone(),
                spec,
                source: source(state, file),
                because: wrong,
                seen: file.seen,
            }),
            Err(Refusal::Stays(reason)) => {
                plan.skipped.push(skipped(file.role, &file.path, Some(state.asset), reason));
            }
            Err(Refusal::Ask(job, reason)) => {
                plan.asks.push((job, skipped(file.role, &file.path, Some(state.asset), reason.to_owned())));
            }
        }
    }
    plan
}

/// What is to be told of a person's thumbnail that is wrong while the records hold no face for it.
pub fn faceless(path: &Path) -> RepairEvent {
    skipped(Role::Person, path, None, format!("the records hold no face to make it from; {FACELESS_REMEDY}"))
}

/// How Immich comes to make a person's thumbnail again: it looks for those whose path is empty only.
pub const FACELESS_REMEDY: &str = "choose the person's feature photo again, or empty its thumbnailPath in the database and run Immich's job for missing thumbnails";

fn skipped(role: Role, path: &Path, asset: Option<AssetId>, reason: String) -> RepairEvent {
    RepairEvent {
        action: RepairAction::Regenerate,
        role,
        path: path.to_owned(),
        asset,
        status: RepairStatus::Skipped,
        reason,
        bytes: None,
    }
}

/// Why no picture is made.
enum Refusal {
    /// It stays as it is, for this reason.
    Stays(String),
    /// A job of Immich's own makes it, and why it is not made here.
    Ask(ImmichJob, &'static str),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Stays(reason)
    }
}

fn source(state: &AssetState, file: &GeneratedState) -> Source {
    let still = file.role == Role::Person && state.still.is_some();
    if still { Source::Still } else { Source::Original }
}

/// The picture to make, or why none is made.
fn decide(
    state: &AssetState,
    file: &GeneratedState,
    wrong: What,
    settings: &ImageSettings,
) -> Result<RenderSpec, Refusal> {
    let hidden = state.hidden && file.role != Role::Person;
    if hidden && matches!(file.role, Role::Preview | Role::Thumbnail | Role::Fullsize) {
        return Err(Refusal::Stays("belongs to a hidden motion video, which needs no pictures".into()));
    }
    repairable(wrong)?;
    let lost = matches!(state.original, OriginalState::Damaged(_) | OriginalState::Missing);
    let view = match file.shows {
        Ok(view) => view,
        Err(why) if lost => {
            sound(&state.original, file.seen.is_some())?;
            return Err(Refusal::Stays(why.into()));
        }
        Err(why) if file.role == Role::Video => return Err(Refusal::Ask(ImmichJob::TranscodeVideo, why)),
        Err(why) => return Err(Refusal::Ask(ImmichJob::RegenerateThumbnail, why)),
    };
    match source(state, file) {
        Source::Original => sound(&state.original, file.seen.is_some())?,
        Source::Still => still(state, settings)?,
    }
    let spec = spec(file.role, view, settings)?;
    match file.row {
        Row::Names => {}
        Row::Absent => {
            return Err(Refusal::Stays("no record names it: needs --register sql or --register api".into()));
        }
        Row::Unmapped => {
            return Err(Refusal::Stays(
                "its record's path leads nowhere on this host: a --map CONTAINER=HOST is lacking".into(),
            ));
        }
    }
    let format = format_of(&file.path)?;
    if file.role == Role::Person && format != spec.output.format {
        return Err(Refusal::Stays(
            "Immich makes persons' thumbnails as .jpeg, its record names another".into(),
        ));
    }
    Ok(RenderSpec { output: OutputSettings { format, ..spec.output }, ..spec })
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
fn still(state: &AssetState, settings: &ImageSettings) -> Result<(), Refusal> {
    let preview = state.files.iter().find(|file| Some(&file.path) == state.still.as_ref());
    let Some((preview, wrong)) = preview.and_then(|preview| Some((preview, preview.wrong?))) else {
        return Ok(());
    };
    match decide(state, preview, wrong, settings) {
        Ok(_) => Ok(()),
        Err(Refusal::Stays(why)) => {
            Err(Refusal::Stays(format!("it is cut out of the video's preview, and that is not made: {why}")))
        }
        Err(ask) => Err(ask),
    }
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::model::{Edits, FaceBox, Orientation};

    fn file(role: Role, name: &str, wrong: What) -> GeneratedState {
        let seen = (wrong != What::Missing).then(FileIdentity::default);
        let path = PathBuf::from(format!("/media/thumbs/u/ab/cd/{name}"));
        GeneratedState { role, shows: Ok(View::Whole), path, row: Row::Names, wrong: Some(wrong), seen }
    }

    fn asset(original: OriginalState, files: Vec<GeneratedState>) -> AssetState {
        AssetState { asset: AssetId([7; 16]), hidden: false, still: None, original, files }
    }

    fn decided(state: &AssetState) -> AssetPlan {
        plan(state, &ImageSettings::default())
    }

    #[test]
    fn missing_and_broken_pictures_of_sound_originals_are_made_in_the_rows_format() {
        let files = vec![
            file(Role::Preview, "a-preview.webp", What::Missing),
            file(Role::Thumbnail, "a.jpeg", What::Truncated),
        ];
        let plan = decided(&asset(OriginalState::Sound, files));
        assert_eq!(plan.skipped, []);
        let outputs: Vec<_> =
            plan.repairs.iter().map(|repair| (repair.spec.output.format, repair.spec.output.size)).collect();
        assert_eq!(outputs, [(ImageFormat::Webp, 1440), (ImageFormat::Jpeg, 250)]);
        assert_eq!(plan.repairs[0].seen, None);
        assert!(plan.repairs[1].seen.is_some());
        let job = plan.render_job(Source::Original, &ImageSettings::default()).unwrap();
        assert_eq!(plan.render_job(Source::Still, &ImageSettings::default()), None);
        assert_eq!((job.outputs.len(), job.preview_size, job.thumbhash), (2, 1440, false));
        assert!(plan.estimate(0) > 500_000);
    }

    #[test]
    fn what_is_fine_is_left_alone() {
        let fine = GeneratedState { wrong: None, ..file(Role::Preview, "a.jpeg", What::Empty) };
        assert_eq!(decided(&asset(OriginalState::Sound, vec![fine.clone()])), AssetPlan::default());
        assert_eq!(decided(&asset(OriginalState::Missing, vec![fine])), AssetPlan::default());
    }

    #[test]
    fn nothing_is_made_from_an_original_that_is_not_sound() {
        for original in [
            OriginalState::Damaged("ends too early".into()),
            OriginalState::Missing,
            OriginalState::Unverifiable("crash".into()),
            OriginalState::NotChecked,
        ] {
            let files = vec![
                file(Role::Preview, "a.jpeg", What::Empty),
                file(Role::Thumbnail, "a.webp", What::Missing),
            ];
            let plan = decided(&asset(original, files));
            assert_eq!(plan.repairs, []);
            assert_eq!(plan.skipped.len(), 2);
            assert!(plan.skipped[0].reason.contains("last copy"), "{}", plan.skipped[0].reason);
            assert!(plan.skipped[1].reason.contains("nothing to make it from"));
        }
    }

    fn only_reason(change: impl FnOnce(&mut AssetState)) -> String {
        let mut state = asset(OriginalState::Sound, vec![file(Role::Preview, "a.jpeg", What::Missing)]);
        change(&mut state);
        let plan = decided(&state);
        assert_eq!(plan.repairs, []);
        assert_eq!(plan.skipped.len(), 1);
        assert_eq!(plan.skipped[0].status, RepairStatus::Skipped);
        plan.skipped[0].reason.clone()
    }

    fn face() -> FaceBox {
        FaceBox::new((1920, 1440), (600, 400), (800, 700)).unwrap()
    }

    #[test]
    fn faces_come_from_the_original_or_from_the_preview_of_a_video() {
        let portrait = || GeneratedState {
            shows: Ok(View::Face(face())),
            ..file(Role::Person, "p.jpeg", What::Missing)
        };
        let mut state = asset(OriginalState::Sound, vec![portrait()]);
        state.hidden = true;
        let plan = decided(&state);
        assert_eq!((plan.skipped, plan.asks, plan.repairs.len()), (vec![], vec![], 1));
        let spec = plan.repairs[0].spec;
        assert_eq!((plan.repairs[0].source, spec.view), (Source::Original, View::Face(face())));
        assert_eq!((spec.output.size, spec.output.quality, spec.output.progressive), (250, 80, false));
        assert_eq!(decided(&asset(OriginalState::Missing, vec![portrait()])).repairs, []);

        // the video itself does not matter, its preview does
        let preview = GeneratedState { wrong: None, ..file(Role::Preview, "v.jpeg", What::Empty) };
        let video = |original, preview: GeneratedState| AssetState {
            still: Some(preview.path.clone()),
            ..asset(original, vec![portrait(), preview])
        };
        let plan = decided(&video(OriginalState::Missing, preview.clone()));
        assert_eq!((plan.repairs.len(), plan.repairs[0].source), (1, Source::Still));
        assert!(plan.render_job(Source::Still, &ImageSettings::default()).is_some());
        let broken = GeneratedState { wrong: Some(What::Empty), ..preview };
        let plan = decided(&video(OriginalState::Sound, broken.clone()));
        assert_eq!(plan.from(Source::Still).count() + plan.from(Source::Original).count(), 2);
        let plan = decided(&video(OriginalState::Missing, broken));
        assert_eq!((plan.repairs, plan.skipped.len()), (vec![], 2));
        assert!(plan.skipped[0].reason.contains("the video's preview"), "{}", plan.skipped[0].reason);
    }

    #[test]
    fn plain_edits_are_made_and_the_rest_is_asked_of_immich() {
        let edits = Edits { crop: None, turn: Orientation::from_exif(6).unwrap() };
        let edited = |shows| GeneratedState { shows, ..file(Role::Fullsize, "e_edited.jpeg", What::Missing) };
        let plan = decided(&asset(OriginalState::Sound, vec![edited(Ok(View::Edited(edits)))]));
        assert_eq!(plan.repairs[0].spec.view, View::Edited(edits));
        let transcode =
            GeneratedState { shows: Err("a transcode"), ..file(Role::Video, "v.mp4", What::Missing) };
        let plan = decided(&asset(OriginalState::Sound, vec![edited(Err("a filter")), transcode.clone()]));
        let asks: Vec<_> =
            plan.asks.iter().map(|(job, event)| (job.as_str(), event.reason.as_str())).collect();
        assert_eq!(asks, [("regenerate-thumbnail", "a filter"), ("transcode-video", "a transcode")]);
        // nobody can make it of nothing
        let plan = decided(&asset(OriginalState::Missing, vec![transcode]));
        assert_eq!((plan.asks.len(), plan.skipped.len()), (0, 1));
    }

    #[test]
    fn every_other_case_is_skipped_with_its_reason() {
        assert!(only_reason(|state| state.files[0].row = Row::Absent).contains("--register"));
        assert!(only_reason(|state| state.files[0].row = Row::Unmapped).contains("--map"));
        let face = |state: &mut AssetState| {
            (state.files[0].role, state.files[0].shows) = (Role::Person, Ok(View::Face(face())));
        };
        assert!(only_reason(|state| state.files[0].role = Role::Person).contains("not a file"));
        assert!(
            only_reason(|state| {
                face(state);
                state.files[0].path = "/m/a.webp".into();
            })
            .contains(".jpeg")
        );
        assert!(only_reason(|state| state.hidden = true).contains("hidden"));
        assert!(only_reason(|state| state.files[0].path = "/m/a.png".into()).contains(".webp"));
        assert!(only_reason(|state| state.files[0].wrong = Some(What::Unverifiable)).contains("judged"));
        assert!(only_reason(|state| state.files[0].wrong = Some(What::Unregistered)).contains("--register"));
        assert!(only_reason(|state| state.files[0].role = Role::Original).contains("not a file"));
    }
}
