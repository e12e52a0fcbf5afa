//! What is decided about every kind of file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::model::{Edits, FaceBox, Orientation};

fn file(role: Role, name: &str, wrong: What) -> GeneratedState {
    let seen = (wrong != What::Missing).then(FileIdentity::default);
    let path = PathBuf::from(format!("/media/thumbs/u/ab/cd/{name}"));
    let shows = if role == Role::Video { Err("a transcode") } else { Ok(View::Whole) };
    GeneratedState { role, edited: false, shows, path, row: Row::Names, wrong: Some(wrong), seen }
}

fn asset(original: OriginalState, files: Vec<GeneratedState>) -> AssetState {
    AssetState {
        asset: AssetId([7; 16]),
        hidden: false,
        still: None,
        edited: false,
        outdated: false,
        fullsize: false,
        metadata: true,
        original,
        files,
    }
}

fn decided(state: &AssetState) -> AssetPlan {
    plan(state, &ImageSettings::default(), Way::None)
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
        let files =
            vec![file(Role::Preview, "a.jpeg", What::Empty), file(Role::Thumbnail, "a.webp", What::Missing)];
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
    let portrait =
        || GeneratedState { shows: Ok(View::Face(face())), ..file(Role::Person, "p.jpeg", What::Missing) };
    let mut state = asset(OriginalState::Sound, vec![portrait()]);
    state.hidden = true;
    let plan = decided(&state);
    assert_eq!((plan.skipped, plan.repairs.len()), (vec![], 1));
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
    assert!(plan.render_job(Source::Still, &ImageSettings::default()).is_some() && !plan.needs_original());
    let broken = GeneratedState { wrong: Some(What::Empty), ..preview };
    let plan = decided(&video(OriginalState::Sound, broken.clone()));
    assert_eq!((plan.from(Source::Still).count(), plan.from(Source::Original).count()), (1, 1));
    let nowhere = AssetState { still: Some(PathBuf::new()), ..video(OriginalState::Sound, broken.clone()) };
    assert!(decided(&nowhere).skipped[0].reason.contains("there is none"));
    let plan = decided(&video(OriginalState::Missing, broken));
    assert_eq!((plan.repairs, plan.skipped.len()), (vec![], 2));
    assert!(plan.skipped[0].reason.contains("the video's preview"), "{}", plan.skipped[0].reason);
}

#[test]
fn plain_edits_are_made_and_others_left() {
    let edits = Edits { crop: None, turn: Orientation::from_exif(6).unwrap() };
    let edited = |shows| {
        let file = file(Role::Fullsize, "e_edited.jpeg", What::Empty);
        GeneratedState { edited: true, shows, ..file }
    };
    let mut state = asset(OriginalState::Sound, vec![edited(Ok(View::Edited(edits)))]);
    state.edited = true;
    let plan = by(Way::Api, &state);
    assert_eq!((plan.repairs[0].spec.view, plan.asks), (View::Edited(edits), vec![]));
    assert!(by(Way::Sql, &state).thumbhash, "the edited set's hash is the one in the records");
    state.files = vec![edited(Err("a filter"))];
    assert_eq!(decided(&state).skipped[0].reason, "a filter");
    assert_eq!(by(Way::Api, &state).asks[0].job, Job::Remake);
    state.files[0].row = Row::Absent;
    state.files[0].shows = Ok(View::Edited(edits));
    assert!(by(Way::Sql, &state).skipped[0].reason.contains("without its row"));
}

#[test]
fn every_other_case_is_skipped_with_its_reason() {
    assert!(only_reason(|state| state.files[0].row = Row::Absent).contains("--register"));
    assert!(only_reason(|state| state.files[0].row = Row::Unmapped).contains("--map"));
    assert!(
        only_reason(|state| state.files[0] = file(Role::Video, "a.mp4", What::Missing)).contains("transcode")
    );
    assert!(only_reason(|state| state.files[0].role = Role::Person).contains("not a file"));
    let face = |state: &mut AssetState| {
        (state.files[0].role, state.files[0].shows) = (Role::Person, Ok(View::Face(face())));
        state.files[0].path = "/m/a.webp".into();
    };
    assert!(only_reason(face).contains(".jpeg"));
    assert!(only_reason(|state| state.hidden = true).contains("hidden"));
    assert!(only_reason(|state| state.files[0].path = "/m/a.png".into()).contains(".webp"));
    assert!(only_reason(|state| state.files[0].wrong = Some(What::Unverifiable)).contains("judged"));
    assert!(only_reason(|state| state.files[0].wrong = Some(What::Unregistered)).contains("--register"));
    assert!(only_reason(|state| state.files[0].role = Role::Original).contains("not a file"));
}

fn absent(role: Role, name: &str, wrong: Option<What>) -> GeneratedState {
    let there = wrong != Some(What::Missing);
    let seen = there.then(FileIdentity::default);
    GeneratedState { row: Row::Absent, wrong, seen, ..file(role, name, What::Missing) }
}

fn by(way: Way, state: &AssetState) -> AssetPlan {
    plan(state, &ImageSettings::default(), way)
}

#[test]
fn with_sql_files_without_rows_are_made_and_sound_ones_named() {
    let files = vec![
        absent(Role::Preview, "a_preview.jpeg", Some(What::Missing)),
        absent(Role::Thumbnail, "a_thumbnail.webp", None),
        absent(Role::Fullsize, "a_fullsize.jpeg", None),
        absent(Role::Video, "a.mp4", None),
    ];
    let mut state = asset(OriginalState::Sound, files);
    let made = by(Way::Sql, &state);
    assert_eq!((made.repairs.len(), made.rows.len(), made.asks.len()), (1, 1, 0));
    assert!(!made.repairs[0].named && made.thumbhash);
    assert!(made.render_job(Source::Original, &ImageSettings::default()).unwrap().thumbhash);
    assert_eq!(made.skipped.len(), 2);
    assert!(made.skipped[0].reason.contains("full-size") && made.skipped[1].reason.contains("transcodes"));
    state.fullsize = true;
    assert_eq!(by(Way::Sql, &state).rows.len(), 2);
    // What is there is named even when nothing can be made of the original; nothing is made.
    state.original = OriginalState::Missing;
    let named = by(Way::Sql, &state);
    assert_eq!((named.repairs.len(), named.rows.len()), (0, 2));
    let none = decided(&state);
    assert_eq!((none.repairs.len(), none.rows.len(), none.thumbhash), (0, 0, false));
}

#[test]
fn the_thumbhash_follows_only_pixels_that_were_in_sight() {
    let of = |wrong| vec![file(Role::Preview, "a_preview.jpeg", wrong)];
    assert!(!by(Way::Sql, &asset(OriginalState::Sound, of(What::Missing))).thumbhash);
    let mut state = asset(OriginalState::Sound, of(What::Truncated));
    assert!(by(Way::Sql, &state).thumbhash);
    assert!(!by(Way::Api, &state).thumbhash && !by(Way::None, &state).thumbhash);
    state.edited = true;
    assert!(!by(Way::Sql, &state).thumbhash);
}

#[test]
fn a_thumbhash_of_another_picture_is_registered_for_a_whole_one() {
    let whole = GeneratedState { wrong: None, ..file(Role::Preview, "a_preview.jpeg", What::Empty) };
    let mut state = asset(OriginalState::Sound, vec![whole]);
    assert!(!by(Way::Sql, &state).thumbhash);
    state.outdated = true;
    let plan = by(Way::Sql, &state);
    assert!(plan.thumbhash && plan.unlike.is_some() && plan.repairs.is_empty() && plan.rows.is_empty());
    assert!(!by(Way::None, &state).thumbhash && !by(Way::Api, &state).thumbhash);
    for spoil in [
        |state: &mut AssetState| state.edited = true,
        |state: &mut AssetState| state.original = OriginalState::Missing,
        |state: &mut AssetState| state.files.clear(),
    ] {
        let mut state = state.clone();
        spoil(&mut state);
        assert!(!by(Way::Sql, &state).thumbhash);
    }
}

#[test]
fn with_api_immich_is_asked_for_what_a_row_does_not_settle() {
    let edited = GeneratedState {
        edited: true,
        shows: Err("a filter"),
        ..file(Role::Preview, "a_preview_edited.jpeg", What::Empty)
    };
    let files = vec![
        file(Role::Preview, "a_preview.jpeg", What::Missing),
        absent(Role::Thumbnail, "a_thumbnail.webp", Some(What::Missing)),
        absent(Role::Preview, "a-preview.jpeg", None),
        edited,
        file(Role::Video, "a.mp4", What::Truncated),
        file(Role::Person, "p.jpeg", What::Missing),
    ];
    let mut state = asset(OriginalState::Sound, files);
    let asked = by(Way::Api, &state);
    assert_eq!(asked.repairs.len(), 1);
    let jobs: Vec<_> = asked.asks.iter().map(|ask| (ask.role, ask.job, ask.named)).collect();
    assert_eq!(
        jobs,
        [
            (Role::Thumbnail, Job::Remake, false),
            (Role::Preview, Job::Remake, false),
            (Role::Preview, Job::Remake, true),
            (Role::Video, Job::Transcode, true),
        ]
    );
    assert!(asked.needs_original() && asked.skipped.len() == 1);
    state.metadata = false;
    assert_eq!(by(Way::Api, &state).asks, []);
    state.metadata = true;
    state.original = OriginalState::Damaged("ends too early".into());
    let none = by(Way::Api, &state);
    assert_eq!((none.asks.len(), none.repairs.len()), (0, 0), "the last copies are left alone");
    assert_eq!(none.skipped.len(), 6);
}
