//! The work on one unit: its generated files, its original, and what can be made again.

mod alone;
mod known;
mod mend;
mod portray;
mod rescue;
mod tell;

use std::path::{Path, PathBuf};

use crate::catalog::Knowledge;
use crate::immich::records::{AssetIdx, AssetKind, AssetView, Records};
use crate::model::{
    CheckedCount, Code, Depth, Event, EventSink, Finding, ItemReport, MediaFormat, PixelSize, Role, Severity,
    SkipReason, Verdict, What,
};
use crate::repair::plan::{self, AssetPlan, AssetState, GeneratedState, OriginalState, Row, Source, Way};
use crate::repair::store::FileStore;

use super::announce::Announcer;
use super::beyond::Rescue;
use super::crew::Halt;
use super::gallery::{Gallery, Told};
use super::ground::Ground;
use super::inventory::Presence;
use super::judge::Expectation;
use super::ledger::{Earlier, Ledger};
use super::look::{Examiner, Look};
use super::loose::Loose;
use super::reconcile::units::{AssetUnit, UnitFile};
use super::reconcile::{Reconciler, Single, unregistered_finding};
use super::views;
use super::whereabouts::Whereabouts;
pub use portray::Exhibition;
use tell::advise;
pub use tell::verified_before;

/// What the work on every unit needs.
pub struct Desk<'a> {
    /// The records.
    pub records: &'a Records,
    /// Findings that need no bytes.
    pub reconciler: &'a Reconciler<'a>,
    /// What earlier runs know; `None` with `--quick`.
    pub ledger: Option<&'a Ledger<'a>>,
    /// Where the bytes of lost originals are.
    pub whereabouts: &'a Whereabouts<'a>,
    /// How thoroughly.
    pub depth: Depth,
    /// What all of it stands on.
    pub ground: &'a Ground,
    /// Where repairs go; `None` = check only.
    pub repair: Option<Repairs<'a>>,
    /// The small pictures that were made so far.
    pub exhibition: Exhibition,
    /// Who is told.
    pub sink: &'a dyn EventSink,
}

/// How repairs are made.
pub struct Repairs<'a> {
    /// The only writer.
    pub store: &'a dyn FileStore,
    /// Plan only.
    pub dry_run: bool,
    /// What may be done beyond pictures.
    pub rescue: &'a Rescue<'a>,
    /// Set when the store refuses everything from now on, with the reason.
    pub stopped: &'a std::sync::OnceLock<String>,
    /// How Immich gets to know new files.
    pub known: Known<'a>,
}

impl Repairs<'_> {
    /// Whether pictures are made for this plan: a dry run needs what is told of the original only where it shows
    /// statements.
    fn renders(&self, plan: &AssetPlan) -> bool {
        !self.dry_run || plan.thumbhash
    }
}

/// How Immich gets to know new files.
pub struct Known<'a> {
    /// By rows, by asking, or not at all.
    pub way: Way,
    /// Where generated pictures are on this host.
    pub thumbs: PathBuf,
    /// Where requests go; `None` when there are none.
    pub announcer: Option<&'a Announcer<'a>>,
}

/// One thing to work on.
pub enum Work {
    /// An asset with all its files.
    Asset(AssetIdx),
    /// A face or an avatar.
    Single(Box<Single>),
    /// A file without a record.
    Loose(Box<Loose>),
}

/// The work of one thread on one thing.
struct Turn<'a, 'b> {
    examiner: &'a mut Examiner<'b>,
    /// Walked entries accounted for so far.
    told: u64,
    /// Those of them that nobody wants to hear of one by one.
    checked: CheckedCount,
    /// What is told of the files of an asset when all of them have been compared.
    items: Vec<ItemReport>,
    /// Findings about generated pictures: what to do about them depends on the original, which is looked at last.
    held: Vec<Finding>,
    /// Why `repair` cannot make this unit's pictures again, as advice.
    obstacle: Option<&'static str>,
    /// Faces are made from the preview, whatever is wrong with the original.
    faces_apart: bool,
}

/// What became of one file.
enum Outcome {
    /// Looked at now.
    Looked(Box<Look>),
    /// Sound in an earlier run, unchanged since.
    Trusted {
        /// Its size in pixels, where it has one.
        size: Option<PixelSize>,
        /// Everything else, if the catalog was asked about this file alone.
        known: Option<Box<Knowledge>>,
    },
    /// Not there any more.
    Gone,
}

impl Desk<'_> {
    /// Does everything about one thing. What it could not come to is told as not reached.
    pub fn work(&self, examiner: &mut Examiner<'_>, work: &Work) -> Result<(), Halt> {
        let mut turn = Turn {
            examiner,
            told: 0,
            checked: CheckedCount::default(),
            items: Vec::new(),
            held: Vec::new(),
            obstacle: None,
            faces_apart: false,
        };
        let (entries, done) = match work {
            Work::Asset(asset) => {
                let unit = self.reconciler.unit(*asset);
                let done = self.unit(&mut turn, &unit);
                (entries_of(&unit), done)
            }
            Work::Single(single) => {
                let done = self.single(&mut turn, single);
                (u64::from(single.file.counted && single.file.is_present()), done)
            }
            Work::Loose(loose) => (1, self.loose(&mut turn, loose)),
        };
        self.release(&mut turn);
        if !turn.checked.files.is_empty() {
            self.sink.send(Event::CheckedMany(turn.checked));
        }
        self.settle(entries, turn.told, done)
    }

    /// Has the worker look at the small generated files of several things together, before it is their turn.
    pub fn look_ahead(&self, examiner: &mut Examiner<'_>, works: &[Work]) -> Result<(), Halt> {
        let Some(ledger) = self.ledger else { return Ok(()) };
        let mut due = Vec::new();
        for expected in works.iter().flat_map(|work| self.generated_expectations(work)) {
            if let Earlier::Due { .. } = ledger.ask(&expected)? {
                due.push(expected);
            }
        }
        Ok(examiner.look_ahead(&due)?)
    }

    /// What is expected of the generated files that a piece of work begins with.
    fn generated_expectations(&self, work: &Work) -> Vec<Expectation> {
        match work {
            Work::Asset(asset) => {
                let unit = self.reconciler.unit(*asset);
                let view = self.records.index.asset(*asset);
                let gallery = Gallery::new(&unit, &view, &self.records.image);
                let files = unit.files.iter();
                files
                    .filter(|file| file.selected && file.is_present() && file.role.is_generated())
                    .filter(|file| file.fresh.is_none())
                    .map(|file| self.expectation(&unit, file, &gallery))
                    .collect()
            }
            Work::Single(single) if single.file.is_present() && single.file.fresh.is_none() => {
                single.file.path.iter().map(|path| self.lone(path, &single.file)).collect()
            }
            Work::Loose(loose) if loose.role.is_generated() && !loose.fresh => {
                vec![Expectation::unrecorded(&loose.path, loose.role, self.depth)]
            }
            Work::Single(_) | Work::Loose(_) => Vec::new(),
        }
    }

    /// What is expected of a file that stands alone.
    fn lone(&self, path: &Path, file: &UnitFile) -> Expectation {
        let mut expected = Expectation::unrecorded(path, file.role, self.depth);
        expected.record_path.clone_from(&file.record_path);
        expected
    }

    /// Tells how many walked entries belong to something that the run did not come to.
    pub fn left_over(&self, work: &Work) {
        let entries = match work {
            Work::Asset(asset) => entries_of(&self.reconciler.unit(*asset)),
            Work::Single(single) => u64::from(single.file.counted && single.file.is_present()),
            Work::Loose(_) => 1,
        };
        let _ = self.settle(entries, 0, Err(Halt::Cancelled));
    }

    fn settle(&self, entries: u64, told: u64, done: Result<(), Halt>) -> Result<(), Halt> {
        let count = entries.saturating_sub(told);
        if done.is_err() && count > 0 {
            self.sink.send(Event::Skipped { reason: SkipReason::NotReached, count });
        }
        done
    }

    fn unit(&self, turn: &mut Turn<'_, '_>, unit: &AssetUnit) -> Result<(), Halt> {
        let view = self.records.index.asset(unit.asset);
        for mut finding in self.reconciler.unit_findings(unit) {
            self.say_where(unit, &mut finding);
            self.hold(turn, finding);
        }
        let looked = self.files(turn, unit, &view);
        self.release(turn);
        let (state, look) = looked?;
        let sitter = self.as_found(turn, unit, &state, look.as_ref())?;
        self.last_copies(unit, &state);
        self.repair(turn, unit, &state, (look, sitter))
    }

    /// Looks at all files of a unit, at the original last: pictures are made while it is decoded.
    fn files(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        view: &AssetView<'_>,
    ) -> Result<(AssetState, Option<Look>), Halt> {
        let mut gallery = Gallery::new(unit, view, &self.records.image);
        turn.faces_apart = view.kind == AssetKind::Video;
        let mut state = AssetState {
            asset: unit.id,
            hidden: view.hidden,
            still: still_of(unit, view),
            edited: known::is_edited(unit, view.edited),
            outdated: false,
            fullsize: self.reconciler.fullsize_is_made(view),
            metadata: view.has_exif,
            original: OriginalState::Sound,
            files: Vec::new(),
        };
        for file in unit.files.iter().filter(|file| file.selected) {
            let number = state.files.len();
            state.files.extend(self.generated(turn, unit, file, (number, &mut gallery))?);
        }
        state.files.extend(self.wanted(unit));
        let settings = &self.records.image;
        let plan = |state: &AssetState| match self.repair {
            Some(_) => plan::plan(state, settings, self.way()),
            None => AssetPlan::default(),
        };
        let hoped = plan(&suspecting(&state, &gallery.suspects()));
        let mut look = None;
        state.original = self.original(turn, unit, &hoped, &mut gallery, &mut look)?;
        self.compare(turn, &gallery, look.as_ref(), &mut state)?;
        let settled = plan(&state);
        if !settled.is_within(&hoped) {
            self.look_for_more(turn, unit, &gallery, &settled, &mut look)?;
        }
        match state.original {
            OriginalState::Damaged(_) => {
                turn.obstacle =
                    Some("its original is damaged, so it cannot be made again: restore that first");
            }
            OriginalState::Missing => {
                turn.obstacle = Some("its original is not there either: restore that first");
            }
            OriginalState::Sound | OriginalState::NotChecked | OriginalState::Unverifiable(_) => {}
        }
        Ok((state, look))
    }

    /// Holds the pictures of a unit against each other, the original and the records, and tells what does not fit.
    fn compare(
        &self,
        turn: &mut Turn<'_, '_>,
        gallery: &Gallery<'_>,
        original: Option<&Look>,
        state: &mut AssetState,
    ) -> Result<(), Halt> {
        let contents = gallery.contents();
        if let (Some(ledger), false) = (self.ledger, contents.is_empty()) {
            const WHY: &str = "sound by itself; what it shows does not fit the other files or the records";
            for (expected, look) in gallery.looks().chain(gallery.original_look(original)) {
                ledger.distrust(expected, look, WHY)?;
            }
        }
        state.outdated = gallery.outdates_records();
        for Told { number, finding, wrong } in contents.into_iter().chain(gallery.sizes()) {
            let file = number.and_then(|number| state.files.get_mut(number));
            if let Some(wrong) = wrong
                && let Some(file) = file
            {
                file.wrong.get_or_insert(wrong);
                if let (None, Some(ledger)) = (file.seen, self.ledger) {
                    file.seen = ledger.identity(&file.path)?;
                }
            } else if number.is_none() && finding.severity > Severity::Info {
                // Whatever is made of it would not be what the records mean.
                state.original =
                    OriginalState::Damaged("it is not the picture that Immich took in".to_owned());
            }
            self.tell_late(turn, finding);
        }
        Ok(())
    }

    /// What turned out to be wrong only beside the original is made from a second look at it.
    fn look_for_more(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        gallery: &Gallery<'_>,
        plan: &AssetPlan,
        look: &mut Option<Look>,
    ) -> Result<(), Halt> {
        let renders = self.repair.as_ref().is_some_and(|repairs| repairs.renders(plan));
        let Some(file) = unit.original.as_ref().filter(|file| file.is_present() && renders) else {
            return Ok(());
        };
        let mut expected = self.expectation(unit, file, gallery);
        expected.depth = expected.depth.max(Depth::Keyframes);
        if let Some(job) = plan.render_job(Source::Original, &self.records.image) {
            *look = Some(turn.examiner.look_and_make(&expected, &job)?);
        }
        Ok(())
    }

    /// Looks at one file of a unit that is not its original, and says what a repair has to know of it.
    fn generated(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        file: &UnitFile,
        (number, gallery): (usize, &mut Gallery<'_>),
    ) -> Result<Option<GeneratedState>, Halt> {
        let row = match (file.record, &file.path) {
            (None, _) => Row::Absent,
            (Some(_), None) => Row::Unmapped,
            (Some(_), Some(_)) => Row::Names,
        };
        let Some(path) = file.path.clone().or_else(|| file.record_path.clone()) else { return Ok(None) };
        let asset = self.records.index.asset(unit.asset);
        let shows = views::shown(&self.records.index, &asset, file, &self.records.image);
        let (role, edited) = (file.role, file.edited);
        let mut state = GeneratedState { role, edited, shows, path, row, wrong: None, seen: None };
        match file.presence {
            Presence::Present => {
                let expected = self.expectation(unit, file, gallery);
                let before = turn.held.len();
                match self.look_due(turn, &expected, file)? {
                    Outcome::Gone => state.wrong = Some(What::Missing),
                    Outcome::Trusted { size, known } => {
                        state.seen = known.as_ref().map(|known| known.identity);
                        let format = known.map_or(MediaFormat::Unknown, |known| known.format);
                        self.doubt_without_row(&mut state, true, format);
                        gallery.hang_trusted(number, file.edited, expected, size);
                        self.sound(unit, file);
                    }
                    Outcome::Looked(look) => {
                        state.seen = look.identity;
                        state.wrong = wrong_with(&look);
                        let format =
                            look.report.as_ref().map_or(MediaFormat::Unknown, |report| report.format);
                        self.doubt_without_row(&mut state, look.judgement.verdict.is_sound(), format);
                        if look.judgement.verdict.is_sound() || self.quickly_sound(&look) {
                            self.sound(unit, file);
                        }
                        gallery.hang(number, file.edited, expected, look);
                    }
                }
                if let Err(advice) = shows {
                    turn.held.iter_mut().skip(before).for_each(|finding| advise(finding, advice));
                }
            }
            Presence::Missing | Presence::Unmapped => state.wrong = Some(What::Missing),
            Presence::Unreadable { .. } => state.wrong = Some(What::Unreadable),
        }
        Ok(file.role.is_generated().then_some(state))
    }

    /// A file is made known only if it was decoded whole and is what its name says.
    fn doubt_without_row(&self, state: &mut GeneratedState, sound: bool, format: MediaFormat) {
        let picture = matches!(state.role, Role::Preview | Role::Thumbnail | Role::Fullsize);
        if state.row != Row::Absent || self.way() == Way::None || !picture {
            return;
        }
        if !sound {
            state.wrong.get_or_insert(What::Unverifiable);
        } else if !known::is_well_named(&state.path, format) {
            state.wrong.get_or_insert(What::WrongFormat);
        }
    }

    /// As far as `--quick` can tell.
    fn quickly_sound(&self, look: &Look) -> bool {
        self.depth == Depth::Structure && look.judgement.findings.is_empty()
    }

    /// A sound generated file without a row is something Immich does not know.
    fn sound(&self, unit: &AssetUnit, file: &UnitFile) {
        if file.record.is_none() && file.role.is_generated() {
            self.finding(unregistered_finding(unit, file));
        }
    }

    /// Looks at the original if it is due or if pictures are to be made of it.
    fn original(
        &self,
        turn: &mut Turn<'_, '_>,
        unit: &AssetUnit,
        hoped: &AssetPlan,
        gallery: &mut Gallery<'_>,
        look: &mut Option<Look>,
    ) -> Result<OriginalState, Halt> {
        let Some(file) = &unit.original else { return Ok(OriginalState::Missing) };
        let renders = self.repair.as_ref().is_some_and(|repairs| repairs.renders(hoped));
        let job = hoped.render_job(Source::Original, &self.records.image).filter(|_| renders);
        let needed = hoped.needs_original();
        match file.presence {
            Presence::Present => {}
            Presence::Missing => {
                let lost = OriginalState::Missing;
                return self.rescue(turn, (unit, file), hoped, (gallery, look), lost);
            }
            Presence::Unmapped => {
                turn.obstacle = Some("its original cannot be reached here: give the --map that is lacking");
                return Ok(OriginalState::Unverifiable("no --map reaches its path".to_owned()));
            }
            Presence::Unreadable { .. } => {
                return Ok(OriginalState::Unverifiable("it cannot be read".to_owned()));
            }
        }
        let disputed = gallery.is_disputed();
        if !file.selected && !needed && !disputed {
            return Ok(OriginalState::NotChecked);
        }
        let mut expected = self.expectation(unit, file, gallery);
        let counted = file.counted && file.selected;
        if needed {
            // Pictures are made of what was decoded whole, whatever the run's own depth is.
            expected.depth = expected.depth.max(Depth::Keyframes);
        }
        let outcome = if let Some(job) = &job {
            let told = turn.examiner.look_and_make(&expected, job)?;
            self.tell(turn, &expected, told, counted, file.selected)?
        } else if disputed || (needed && self.depth == Depth::Structure) {
            let told = turn.examiner.look(&expected, None)?;
            self.tell(turn, &expected, told, counted, file.selected)?
        } else {
            self.look_due(turn, &expected, file)?
        };
        Ok(match outcome {
            Outcome::Gone => OriginalState::Missing,
            Outcome::Trusted { size, .. } => {
                gallery.original_trusted(&expected, size);
                OriginalState::Sound
            }
            Outcome::Looked(told) => {
                gallery.original(&expected, &told);
                let state = match told.judgement.verdict {
                    Verdict::Verified | Verdict::Decodable => OriginalState::Sound,
                    Verdict::Damaged => OriginalState::Damaged(told.judgement.reason.clone()),
                    Verdict::Unverifiable => OriginalState::Unverifiable(told.judgement.reason.clone()),
                };
                *look = Some(*told);
                if matches!(state, OriginalState::Damaged(_)) {
                    return self.rescue(turn, (unit, file), hoped, (gallery, look), state);
                }
                state
            }
        })
    }

    fn expectation(&self, unit: &AssetUnit, file: &UnitFile, gallery: &Gallery<'_>) -> Expectation {
        let view = self.records.index.asset(unit.asset);
        let path = file.path.as_deref().unwrap_or(Path::new(""));
        let mut expected = Expectation::unrecorded(path, file.role, self.depth);
        expected.record_path.clone_from(&file.record_path);
        expected.asset = Some(unit.id);
        // A person is shown whatever becomes of the picture that its face was found in.
        expected.lowered = unit.lowered && file.role != Role::Person;
        if file.role == Role::Original {
            expected.checksum = view.checksum;
            expected.recorded_size = view.size.filter(|_| view.checksum.is_some());
        }
        if self.depth > Depth::Structure {
            expected.shows = gallery.comparison(file.role, file.edited);
        }
        expected
    }
}

/// What faces of a video are cut out of.
fn still_of(unit: &AssetUnit, view: &AssetView<'_>) -> Option<PathBuf> {
    let mut previews = unit.files.iter().filter(|file| file.role == Role::Preview && !file.edited);
    // One that this run does not look at is made no more than it is now.
    let preview = previews.find(|file| file.selected || file.is_present());
    let place = preview.and_then(|file| file.path.clone()).unwrap_or_default();
    (view.kind == AssetKind::Video).then_some(place)
}

/// The unit's state if everything that is suspected turns out to be wrong.
fn suspecting(state: &AssetState, suspects: &[usize]) -> AssetState {
    let mut state = state.clone();
    for (_, file) in state.files.iter_mut().enumerate().filter(|(number, _)| suspects.contains(number)) {
        file.wrong.get_or_insert(What::WrongContent);
    }
    state
}

/// Walked entries that are accounted for with a unit.
fn entries_of(unit: &AssetUnit) -> u64 {
    let files = unit.original.iter().chain(&unit.files);
    files.filter(|file| file.counted && file.selected && file.is_present()).count() as u64
}

/// What is wrong with a generated file that was looked at, in the order in which a person would say it.
fn wrong_with(look: &Look) -> Option<What> {
    const GRAVE: [What; 7] = [
        What::Empty,
        What::Truncated,
        What::Malformed,
        What::ChecksumMismatch,
        What::Changed,
        What::Unreadable,
        What::Unverifiable,
    ];
    GRAVE.into_iter().find(|what| {
        look.judgement
            .findings
            .iter()
            .any(|finding| matches!(finding.code, Code::File(_, seen) if seen == *what))
    })
}
