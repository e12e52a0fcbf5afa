//! Which generated files of an asset may be made again: a pure decision on facts.
//!
//! The rules, in this order: nothing is done to what is fine; nothing is made from an original that is not
//! sound, because the old picture may be the last copy; only files whose record names path and format are
//! made, so that Immich finds them without any change to its database (other ways of `--register` widen
//! this); what Immich itself makes from more than the original (face crops, transcodes, edited sets) is
//! left to Immich.

use std::path::{Path, PathBuf};

use crate::model::{
    AssetId, FileIdentity, ImageFormat, ImageSettings, OutputSettings, RepairAction, RepairEvent,
    RepairStatus, Role, What,
};
use crate::render::{RenderJob, RenderSpec};

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
    /// Belongs to the edited set of the asset.
    pub edited: bool,
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
    /// Role, format, size and quality of the picture.
    pub spec: RenderSpec,
    /// What is wrong with the file that is there, or that it is missing.
    pub because: What,
    /// The file that the picture replaces; `None` = there was none.
    pub seen: Option<FileIdentity>,
}

/// What is to be done about one asset.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AssetPlan {
    /// To be made, in the order of the asset's files.
    pub repairs: Vec<PlannedRepair>,
    /// What is wrong and stays so, with the reason.
    pub skipped: Vec<RepairEvent>,
}

impl AssetPlan {
    /// The pictures to make, in the order of `repairs`; `None` when there are none.
    pub fn render_job(&self, settings: &ImageSettings) -> Option<RenderJob> {
        if self.repairs.is_empty() {
            return None;
        }
        let outputs = self.repairs.iter().map(|repair| repair.spec).collect();
        Some(RenderJob { outputs, ..RenderJob::new(settings, &[], false) })
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
                because: wrong,
                seen: file.seen,
            }),
            Err(reason) => plan.skipped.push(RepairEvent {
                action: RepairAction::Regenerate,
                role: file.role,
                path: file.path.clone(),
                asset: Some(state.asset),
                status: RepairStatus::Skipped,
                reason,
                bytes: None,
            }),
        }
    }
    plan
}

/// The picture to make, or why none is made.
fn decide(
    state: &AssetState,
    file: &GeneratedState,
    wrong: What,
    settings: &ImageSettings,
) -> Result<RenderSpec, String> {
    let output = output_settings(file.role, settings)?;
    if state.hidden {
        return Err("belongs to a hidden motion video, which needs no pictures".into());
    }
    if file.edited {
        return Err("made from the asset's edits; left to Immich's own job".into());
    }
    repairable(wrong)?;
    sound(&state.original, file.seen.is_some())?;
    match file.row {
        Row::Names => {}
        Row::Absent => {
            return Err("no record names it: needs --register sql or --register api".into());
        }
        Row::Unmapped => {
            return Err(
                "its record's path leads nowhere on this host: a --map CONTAINER=HOST is lacking".into()
            );
        }
    }
    let format = format_of(&file.path)?;
    Ok(RenderSpec { role: file.role, output: OutputSettings { format, ..output } })
}

fn output_settings(role: Role, settings: &ImageSettings) -> Result<OutputSettings, String> {
    match role {
        Role::Preview => Ok(settings.preview),
        Role::Thumbnail => Ok(settings.thumbnail),
        Role::Fullsize => Ok(settings.fullsize),
        Role::Person => {
            Err("a face crop; left to Immich's own job (Administration, Jobs, Generate Thumbnails)".into())
        }
        Role::Video => {
            Err("a transcode; left to Immich's own job (Administration, Jobs, Transcode Videos)".into())
        }
        Role::Original | Role::Sidecar | Role::Profile | Role::Unknown => {
            Err("not a file that can be made again".into())
        }
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

    fn file(role: Role, name: &str, wrong: What) -> GeneratedState {
        let seen = (wrong != What::Missing).then(FileIdentity::default);
        let path = PathBuf::from(format!("/media/thumbs/u/ab/cd/{name}"));
        GeneratedState { role, edited: false, path, row: Row::Names, wrong: Some(wrong), seen }
    }

    fn asset(original: OriginalState, files: Vec<GeneratedState>) -> AssetState {
        AssetState { asset: AssetId([7; 16]), hidden: false, original, files }
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
        let job = plan.render_job(&ImageSettings::default()).unwrap();
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

    #[test]
    fn every_other_case_is_skipped_with_its_reason() {
        assert!(only_reason(|state| state.files[0].row = Row::Absent).contains("--register"));
        assert!(only_reason(|state| state.files[0].row = Row::Unmapped).contains("--map"));
        assert!(only_reason(|state| state.files[0].edited = true).contains("edits"));
        assert!(only_reason(|state| state.files[0].role = Role::Person).contains("face"));
        assert!(only_reason(|state| state.files[0].role = Role::Video).contains("transcode"));
        assert!(only_reason(|state| state.hidden = true).contains("hidden"));
        assert!(only_reason(|state| state.files[0].path = "/m/a.png".into()).contains(".webp"));
        assert!(only_reason(|state| state.files[0].wrong = Some(What::Unverifiable)).contains("judged"));
        assert!(only_reason(|state| state.files[0].wrong = Some(What::Unregistered)).contains("--register"));
        assert!(only_reason(|state| state.files[0].role = Role::Original).contains("not a file"));
    }
}
