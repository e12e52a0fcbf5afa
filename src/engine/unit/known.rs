//! Making the files of a unit known to Immich: which rows it gets, or what is asked for.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Desk, Known, Repairs};
use crate::engine::announce::Pending;
use crate::engine::reconcile::Single;
use crate::engine::reconcile::units::AssetUnit;
use crate::immich::layout::{Folder, Generated, Meaning, Owner, meaning};
use crate::immich::records::{AssetKind, FileOwner};
use crate::immich::register::{Before, NewFile, Request, Rows, Wish};
use crate::media::structure::jpeg;
use crate::model::{
    AssetId, Code, Event, Finding, ImageFormat, MediaFormat, RepairAction, RepairEvent, RepairStatus, Role,
    What,
};
use crate::render::View;
use crate::repair::plan::{self, AssetPlan, GeneratedState, Job, PlannedRepair, Row, Way};

/// What the worker told of the original beside the pictures.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The thumbhash, if it was asked for and the original is sound.
    pub thumbhash: Option<Vec<u8>>,
    /// It has an alpha channel.
    pub transparent: bool,
}

/// Larger files are no previews.
const MAX_PICTURE: u64 = 256 << 20;

impl Desk<'_> {
    /// Files that Immich needs and has neither as row nor as file, where it would put them: to be made when they can be
    /// made known.
    pub(super) fn wanted(&self, unit: &AssetUnit) -> Vec<GeneratedState> {
        let Some(known) = self.known().filter(|known| known.way != Way::None) else { return Vec::new() };
        let settings = &self.records.image;
        let wanted = unit.wanted.iter().filter(|(role, _)| self.reconciler.selects(*role));
        wanted
            .filter_map(|&(role, edited)| {
                let format = match role {
                    Role::Preview => settings.preview.format,
                    Role::Thumbnail => settings.thumbnail.format,
                    _ => settings.fullsize.format,
                };
                let path = Generated { role, owner: unit.owner, id: unit.id, edited, format }.path()?;
                let path = known.thumbs.join(path.strip_prefix(Folder::Thumbs.as_str()).ok()?);
                let (row, wrong) = (Row::Absent, Some(What::Missing));
                Some(GeneratedState { role, edited, shows: Ok(View::Whole), path, row, wrong, seen: None })
            })
            .collect()
    }

    pub(super) fn known(&self) -> Option<&Known<'_>> {
        self.repair.as_ref().map(|repairs| &repairs.known)
    }

    /// How new files are made known.
    pub(super) fn way(&self) -> Way {
        self.known().map_or(Way::None, |known| known.way)
    }

    /// Whether a file is a JPEG that comes in passes.
    fn is_progressive(&self, path: &Path) -> bool {
        let Ok((file, _)) = self.ground.open(path, true) else { return false };
        let bytes = self.ground.ask(path, move |_| {
            let mut bytes = Vec::new();
            file.take(MAX_PICTURE).read_to_end(&mut bytes).map(|_| bytes)
        });
        let bytes = bytes.ok().and_then(Result::ok).unwrap_or_default();
        jpeg::walk(&bytes).frame.is_some_and(|frame| frame.progressive())
    }

    /// Sends off what the plan asks of Immich, and rows for the files that are in place now.
    pub(super) fn make_known(
        &self,
        repairs: &Repairs<'_>,
        unit: &AssetUnit,
        plan: &AssetPlan,
        made: &[&PlannedRepair],
        seen: &Seen,
    ) {
        let Some(announcer) = repairs.known.announcer else { return };
        for job in [Job::Remake, Job::Transcode] {
            let asks: Vec<_> = plan.asks.iter().filter(|ask| ask.job == job).collect();
            if asks.is_empty() {
                continue;
            }
            let row_lacks = asks.iter().any(|ask| !ask.named);
            let wish = match job {
                Job::Remake => Wish::Remake { row_lacks },
                Job::Transcode => Wish::Transcode,
            };
            announcer.add(Pending {
                request: Request { id: unit.id, owner: unit.owner, wish },
                events: asks.iter().map(|ask| event(unit.id, ask.role, &ask.path)).collect(),
                otherwise: Vec::new(),
            });
        }
        if repairs.known.way == Way::Sql {
            self.make_rows(repairs, unit, plan, made, seen);
        }
    }

    fn make_rows(
        &self,
        repairs: &Repairs<'_>,
        unit: &AssetUnit,
        plan: &AssetPlan,
        made: &[&PlannedRepair],
        seen: &Seen,
    ) {
        let Some(announcer) = repairs.known.announcer else { return };
        let view = self.records.index.asset(unit.asset);
        let transparent = seen.transparent && view.kind == AssetKind::Image && may_be_transparent(view.name);
        let (mut rows, mut events, mut otherwise) = (Rows::default(), Vec::new(), Vec::new());
        let new = made.iter().filter(|repair| !repair.named);
        let new = new.map(|repair| (repair.spec.role, repair.path.as_path(), self.made_progressive(repair)));
        let as_they_are = plan.rows.iter();
        let as_they_are =
            as_they_are.map(|row| (row.role, row.path.as_path(), self.is_progressive(&row.path)));
        for (role, path, progressive) in new.chain(as_they_are) {
            let event = event(unit.id, role, path);
            match self.recordable(repairs, unit.owner, path) {
                Ok(path) => {
                    rows.files.push(NewFile { role, edited: false, path, progressive, transparent });
                    events.push(event);
                }
                Err(reason) => {
                    let skipped = RepairEvent { status: RepairStatus::Skipped, reason, ..event };
                    self.sink.send(Event::Repair(skipped));
                }
            }
        }
        let was_broken = |repair: &&&PlannedRepair| repair.because != What::Missing;
        let broken = made.iter().filter(|repair| !repair.named).filter(was_broken);
        otherwise.extend(broken.map(|repair| unregistered(unit, repair)));
        let edited = is_edited(unit, view.edited);
        let hashed = |repair: &PlannedRepair| match repair.spec.view {
            View::Whole => !edited,
            View::Edited(_) => edited,
            View::Face(_) => false,
        };
        let replaced = made.iter().filter(|repair| repair.named && hashed(repair)).find(was_broken);
        let new = made.iter().any(|repair| !repair.named) || view.thumbhash.is_none();
        if replaced.is_some() || plan.unlike.is_some() || (new && !rows.files.is_empty() && !edited) {
            rows.thumbhash = seen.thumbhash.clone().filter(|new| view.thumbhash != Some(new.as_slice()));
        }
        if rows.files.is_empty() {
            if rows.thumbhash.is_none() {
                return;
            }
            let replaced = replaced.map(|repair| event(unit.id, repair.spec.role, &repair.path));
            let unlike = plan.unlike.iter().map(|row| event(unit.id, row.role, &row.path));
            events.extend(replaced.into_iter().chain(unlike).take(1));
        }
        rows.before = Before::of(&self.records.index, unit.asset);
        let request = Request { id: unit.id, owner: unit.owner, wish: Wish::Rows(rows) };
        announcer.add(Pending { request, events, otherwise });
    }

    /// As Immich sets its flag: by the setting, and never for WebP.
    fn made_progressive(&self, repair: &PlannedRepair) -> bool {
        let settings = &self.records.image;
        let output = match repair.spec.role {
            Role::Preview => settings.preview,
            Role::Thumbnail => settings.thumbnail,
            _ => settings.fullsize,
        };
        repair.spec.output.format == ImageFormat::Jpeg && output.progressive
    }

    /// How a row names a file of this host; else why it must not.
    fn recordable(&self, repairs: &Repairs<'_>, owner: AssetId, path: &Path) -> Result<PathBuf, String> {
        let below = path.strip_prefix(&repairs.known.thumbs).ok();
        let below = below.map(|below| Path::new(Folder::Thumbs.as_str()).join(below));
        let whose = below.as_deref().and_then(|below| {
            use std::os::unix::ffi::OsStrExt as _;
            match meaning(below.as_os_str().as_bytes()) {
                Meaning::File(file) => file.owner,
                _ => None,
            }
        });
        if whose != Some(Owner::User(owner)) {
            return Err(
                "it does not lie in the folder of the asset's owner, so no row is made for it".to_owned()
            );
        }
        self.reconciler
            .to_record(path)
            .ok_or_else(|| "no --map leads to its folder, so it is not known how Immich sees it".to_owned())
    }

    /// What is to be said or done about a person whose thumbnail is wrong and whose face is not known.
    pub(super) fn faceless(&self, single: &Single, wrong: Option<What>) {
        let (Some(wrong), Role::Person, Some(repairs)) = (wrong, single.file.role, &self.repair) else {
            return;
        };
        if self.face_known(repairs, single, wrong).is_none()
            && let Some(path) = &single.file.path
        {
            self.sink.send(Event::Repair(plan::faceless(path.clone())));
        }
    }

    /// A face whose file is gone: with an empty path Immich's job for missing thumbnails makes it again.
    fn face_known(&self, repairs: &Repairs<'_>, single: &Single, wrong: What) -> Option<()> {
        let announcer = repairs.known.announcer.filter(|_| repairs.known.way != Way::None)?;
        // What is left of a damaged one may be the best there is.
        let gone = matches!(wrong, What::Missing | What::Empty);
        let record = single.file.record.filter(|_| gone)?;
        let FileOwner::Person(person) = self.records.index.file(record).owner else { return None };
        let person = self.records.index.person(person)?;
        let path = single.file.path.clone().or_else(|| single.file.record_path.clone()).unwrap_or_default();
        let before = self.records.index.record_path(record);
        announcer.add(Pending {
            request: Request {
                id: person.id,
                owner: person.owner,
                wish: Wish::Face { before, path: PathBuf::new() },
            },
            events: vec![RepairEvent { asset: None, ..event(person.id, Role::Person, &path) }],
            otherwise: Vec::new(),
        });
        Some(())
    }
}

/// Whether what people see of the asset is its edited set, whose thumbhash wins.
pub(super) fn is_edited(unit: &AssetUnit, edited: bool) -> bool {
    edited || unit.files.iter().any(|file| file.edited)
}

/// Whether name and bytes of a file agree; Immich goes by the name.
pub(super) fn is_well_named(path: &Path, format: MediaFormat) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        Some("jpeg" | "jpg") => format == MediaFormat::Jpeg,
        Some("webp") => format == MediaFormat::Webp,
        _ => false,
    }
}

/// The extensions for which Immich looks for an alpha channel; GIF goes the way of videos.
fn may_be_transparent(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 11] =
        [b"avif", b"bmp", b"heic", b"heif", b"hif", b"jxl", b"png", b"svg", b"tif", b"tiff", b"webp"];
    let extension = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default().to_ascii_lowercase();
    NAMES.contains(&extension.as_slice())
}

fn event(asset: AssetId, role: Role, path: &Path) -> RepairEvent {
    RepairEvent {
        action: RepairAction::Register,
        role,
        path: path.to_owned(),
        asset: Some(asset),
        status: RepairStatus::Planned,
        reason: String::new(),
        bytes: None,
    }
}

/// A file that was broken and had no row is whole now and still has none.
fn unregistered(unit: &AssetUnit, repair: &PlannedRepair) -> Finding {
    let mut finding = Finding::new(Code::File(repair.spec.role, What::Unregistered)).at(repair.path.clone());
    finding.asset = Some(unit.id);
    finding.advise("the file was made again, Immich does not know it: run repair --register again")
}
