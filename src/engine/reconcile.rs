//! What should exist held against what does: units of work for verification and repair, and every finding that
//! needs no look at the bytes. Pure but for one `stat` of a file that refused itself before.
//!
//! An asset with all its files is one [`AssetUnit`], so that its original is read once for everything. Faces,
//! avatars and files without a record follow one by one. Severities follow the rules of the contract: a trashed
//! or offline asset lowers what is wrong with its generated files to info, and an original that the records
//! themselves call offline is missing with severity info.

mod settled;
mod strays;
pub mod units;

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::choice::Choice;
use super::ground::Ground;
use super::inventory::{Holdings, Presence, gets_pictures, has_row, is_absent};
use super::loose::{Loose, LooseIdx};
use super::scan::{errno_evidence, unreadable_advice};
use super::views;
use crate::immich::layout::{MediaClass, class_of};
use crate::immich::paths::PathMap;
use crate::immich::records::{AssetIdx, AssetKind, AssetView, FileIdx, FileOwner, PersonIdx};
use crate::model::{AssetId, Code, Evidence, Finding, Role, Severity, SkipReason, What};
use units::{AssetUnit, Portrait, UnitFile};

/// A file that stands alone: a person without a known face, an avatar.
#[derive(Clone, Debug)]
pub struct Single {
    /// The file.
    pub file: UnitFile,
    /// The person or user.
    pub id: AssetId,
}

/// Makes units and findings.
pub struct Reconciler<'a> {
    holdings: &'a Holdings<'a>,
    map: &'a PathMap,
    choice: &'a Choice,
    ground: &'a Ground,
    claimed: HashMap<LooseIdx, AssetIdx>,
    /// Moves of originals that Immich did not finish: both paths, by asset.
    moves: HashMap<AssetId, [PathBuf; 2]>,
}

impl<'a> Reconciler<'a> {
    /// For what a walk has found.
    pub fn new(holdings: &'a Holdings<'a>, map: &'a PathMap, choice: &'a Choice, ground: &'a Ground) -> Self {
        let moves = holdings.records.moves.iter().filter(|entry| entry.path_type == "original");
        let moves =
            moves.map(|entry| (entry.entity, [entry.old_path.clone(), entry.new_path.clone()])).collect();
        Self { holdings, map, choice, ground, claimed: holdings.claimed(), moves }
    }

    /// All assets that the choice takes, in the order of the index.
    pub fn assets(&self) -> impl Iterator<Item = AssetIdx> + '_ {
        let index = &self.holdings.records.index;
        index.assets().filter(|asset| self.choice.takes_id(index.asset(*asset).id))
    }

    /// The units of all assets that the choice takes, in the order of the index.
    pub fn units(&self) -> impl Iterator<Item = AssetUnit> + '_ {
        self.assets().map(|asset| self.unit(asset))
    }

    /// How many units there are.
    pub fn unit_count(&self) -> u64 {
        let index = &self.holdings.records.index;
        index.assets().filter(|asset| self.choice.takes_id(index.asset(*asset).id)).count() as u64
    }

    /// One asset with its files.
    pub fn unit(&self, asset: AssetIdx) -> AssetUnit {
        let index = &self.holdings.records.index;
        let view = index.asset(asset);
        let mut unit = AssetUnit {
            asset,
            id: view.id,
            owner: view.owner,
            lowered: is_lowered(&view),
            original: None,
            files: Vec::new(),
            wanted: Vec::new(),
            unpictured: Vec::new(),
        };
        for file in index.files_of(asset) {
            let file = self.recorded(file);
            if file.role == Role::Original && unit.original.is_none() {
                unit.original = Some(file);
            } else {
                unit.files.push(file);
            }
        }
        let portraits = index.portraits_of(asset).filter_map(|(_, file)| file);
        unit.files.extend(portraits.map(|file| self.recorded(file)));
        unit.unpictured.extend(self.unpictured(&view));
        for (role, edited) in self.without_rows(&view) {
            if let Some(loose) =
                self.holdings.unregistered(asset, role, edited).and_then(|idx| self.holdings.loose().get(idx))
            {
                unit.files.push(self.without_row(loose, edited));
            } else if self.needs(&view, role, edited) {
                unit.wanted.push((role, edited));
            }
        }
        unit
    }

    /// The kinds of generated files that an asset has no row for.
    fn without_rows(&self, view: &AssetView<'_>) -> impl Iterator<Item = (Role, bool)> + use<'_> {
        const ROLES: [Role; 4] = [Role::Preview, Role::Thumbnail, Role::Fullsize, Role::Video];
        let (index, asset) = (&self.holdings.records.index, view.idx);
        let kinds = ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]);
        kinds.filter(move |&(role, edited)| !has_row(index, asset, role, edited))
    }

    /// Whether a file of an asset is there without a row, or Immich needs one and has neither.
    fn lacks_any(&self, view: &AssetView<'_>) -> bool {
        self.without_rows(view).any(|(role, edited)| {
            self.holdings.unregistered(view.idx, role, edited).is_some() || self.needs(view, role, edited)
        })
    }

    /// Persons whose faces are in an asset and for whom Immich has recorded no thumbnail, though it should.
    fn unpictured(&self, view: &AssetView<'_>) -> impl Iterator<Item = AssetId> + '_ {
        let index = &self.holdings.records.index;
        let live = !view.trashed && !view.offline && self.holdings.claims_presence();
        let portraits = index.portraits_of(view.idx).filter(move |(_, file)| live && file.is_none());
        portraits.filter_map(|(person, _)| Some(index.person(person)?.id))
    }

    /// Whether Immich needs a generated file of this kind, so that having no row for it is a fault. Assets in
    /// the trash are not queued for one; full-size pictures are needed only of originals that browsers cannot
    /// show, and only while the settings ask for them.
    fn needs(&self, asset: &AssetView<'_>, role: Role, edited: bool) -> bool {
        let live =
            gets_pictures(asset) && !asset.trashed && !asset.offline && self.holdings.claims_presence();
        let edits = asset.edited && asset.kind == AssetKind::Image;
        match role {
            Role::Preview | Role::Thumbnail => live && (!edited || edits),
            Role::Fullsize if edited => live && edits,
            Role::Fullsize => live && self.fullsize_is_made(asset),
            _ => false,
        }
    }

    /// Whether Immich makes a full-size picture of an original: of those that browsers do not show, by the name of the file,
    /// while the settings ask for it, and of 360 degree pictures always.
    pub fn fullsize_is_made(&self, asset: &AssetView<'_>) -> bool {
        let index = &self.holdings.records.index;
        let original = index.files_of(asset.idx).find(|file| index.file(*file).role == Role::Original);
        let class = original.and_then(|file| class_of(&index.file_name(file)));
        let shown = matches!(class, Some(MediaClass::OtherImage | MediaClass::Raw));
        let asked = self.holdings.records.image.fullsize_enabled || asset.equirectangular;
        asked && shown && asset.kind == AssetKind::Image
    }

    /// Whether files of this role are looked at.
    pub fn selects(&self, role: Role) -> bool {
        self.choice.only.contains(role)
    }

    /// How a new row would spell a path of this host.
    pub fn to_record(&self, host: &Path) -> Option<PathBuf> {
        self.map.to_record(host)
    }

    fn recorded(&self, file: FileIdx) -> UnitFile {
        let index = &self.holdings.records.index;
        let view = index.file(file);
        let portrait = match view.owner {
            FileOwner::Person(person) => self.portrait(person),
            FileOwner::Asset(_) | FileOwner::User(_) => None,
        };
        UnitFile {
            record: Some(file),
            role: view.role,
            edited: view.edited,
            portrait,
            path: index.host_path(file),
            record_path: Some(index.record_path(file)),
            presence: self.holdings.presence(file),
            counted: self.holdings.counted(file),
            selected: self.choice.only.contains(view.role),
            fresh: self.holdings.fresh(file),
        }
    }

    fn portrait(&self, person: PersonIdx) -> Option<Portrait> {
        let person = self.holdings.records.index.person(person)?;
        Some(Portrait { person: person.id, face: person.face?.place })
    }

    fn without_row(&self, loose: Loose, edited: bool) -> UnitFile {
        UnitFile {
            record: None,
            role: loose.role,
            edited,
            portrait: None,
            record_path: self.map.to_record(&loose.path),
            path: Some(loose.path),
            presence: Presence::Present,
            counted: true,
            selected: self.choice.only.contains(loose.role),
            fresh: None,
        }
    }

    /// Avatars, and persons whose faces are not known, that the choice takes.
    pub fn singles(&self) -> impl Iterator<Item = Single> + '_ {
        let index = &self.holdings.records.index;
        index.files().filter_map(move |file| {
            let role = index.file(file).role;
            let id = self.single_id(file)?;
            (self.unit_of(file).is_none() && self.choice.takes_id(id) && self.choice.only.contains(role))
                .then(|| Single { file: self.recorded(file), id })
        })
    }

    fn single_id(&self, file: FileIdx) -> Option<AssetId> {
        let index = &self.holdings.records.index;
        match index.file(file).owner {
            FileOwner::Asset(_) => None,
            FileOwner::Person(person) => index.person(person).map(|person| person.id),
            FileOwner::User(user) => index.user(user),
        }
    }

    /// The asset whose unit takes a file: its own, or that in which a person's face is.
    fn unit_of(&self, file: FileIdx) -> Option<AssetIdx> {
        let index = &self.holdings.records.index;
        match index.file(file).owner {
            FileOwner::Asset(asset) => Some(asset),
            FileOwner::Person(person) => Some(index.person(person)?.face?.asset),
            FileOwner::User(_) => None,
        }
    }

    /// Walked entries that the choice leaves out, by reason: those that neither units nor singles nor loose
    /// files account for. Files of a unit that are not `selected` are among them.
    pub fn left_out(&self) -> BTreeMap<SkipReason, u64> {
        let mut counts = BTreeMap::new();
        if self.choice.shard.is_whole() && self.choice.only.is_all() {
            return counts;
        }
        let mut count = |reason: Option<SkipReason>| {
            if let Some(reason) = reason {
                *counts.entry(reason).or_default() += 1;
            }
        };
        let index = &self.holdings.records.index;
        for file in index.files().filter(|file| self.holdings.counted(*file)) {
            let view = index.file(file);
            let id = self.unit_of(file).map(|asset| index.asset(asset).id).or_else(|| self.single_id(file));
            count(self.choice.refuses(id.is_none_or(|id| self.choice.takes_id(id)), view.role));
        }
        let files = self.holdings.loose();
        for idx in files.indices() {
            let in_shard = match self.claimed.get(&idx) {
                Some(asset) => self.choice.takes_id(index.asset(*asset).id),
                None => files.get(idx).is_none_or(|loose| self.choice.takes_path(&loose.path)),
            };
            count(self.choice.refuses(in_shard, files.role(idx)));
        }
        counts
    }

    /// The findings of a unit that need no look at the bytes: missing files, files that refuse themselves, and
    /// what Immich needs and never had.
    pub fn unit_findings(&self, unit: &AssetUnit) -> Vec<Finding> {
        let view = self.holdings.records.index.asset(unit.asset);
        let mut findings = Vec::new();
        if !self.holdings.claims_presence() {
            return findings;
        }
        if let Some(original) = unit.original.as_ref().filter(|original| original.selected) {
            findings.extend(self.original_finding(&view, original));
        }
        let source = unit.original.as_ref().is_some_and(UnitFile::is_present);
        let records = self.holdings.records;
        for file in unit.files.iter().filter(|file| file.selected) {
            let left = views::shown(&records.index, &view, file, &records.image).err();
            findings.extend(self.file_finding(&view, file, source, left));
        }
        for person in unit.unpictured.iter().filter(|_| self.choice.only.contains(Role::Person)) {
            let mut finding = Finding::new(Code::File(Role::Person, What::Missing));
            finding.asset = Some(view.id);
            let evidence = Evidence::new().with("registered", false).with("person", person.to_string());
            findings.push(finding.seen(evidence).advise("run Immich's job for missing thumbnails"));
        }
        for &(role, edited) in unit.wanted.iter().filter(|(role, _)| self.choice.only.contains(*role)) {
            findings.push(never_made(&view, role, edited, source, records.image.fullsize_enabled));
        }
        findings
    }

    fn original_finding(&self, view: &AssetView<'_>, file: &UnitFile) -> Option<Finding> {
        if file.presence != Presence::Missing {
            return self.refused(Some(view.id), file);
        }
        let mut finding = about(Some(view.id), file, What::Missing);
        let mut evidence = Evidence::new().with("name", String::from_utf8_lossy(view.name));
        for (key, set) in [
            ("offline", view.offline),
            ("trashed", view.trashed),
            ("hidden", view.hidden),
            ("external", view.external),
        ] {
            if set {
                evidence = evidence.with(key, true);
            }
        }
        if let Some(size) = view.size {
            evidence = evidence.with("recorded_size", size);
        }
        finding.advice = if view.offline {
            finding.severity = Severity::Info;
            "the records call it offline already: mount its disk and scan the library again".to_owned()
        } else if view.motion_part {
            "the motion part of a live photo: restore it from a backup, or let Immich extract it again"
                .to_owned()
        } else if view.external {
            "is the disk of this external library mounted? Otherwise restore the file from a backup"
                .to_owned()
        } else {
            "restore it from a backup; until then keep its preview, it may be the last copy".to_owned()
        };
        if let Some(found) = self.moved(view.id, file) {
            finding.advice = format!(
                "Immich did not finish moving it: it is at {}; run Immich's storage template migration",
                crate::model::display_path(&found)
            );
            evidence = evidence.with("found_at", found.to_string_lossy());
        }
        finding.evidence = evidence.with("at_path", self.what_is_there(file));
        Some(finding)
    }

    /// The other path of an interrupted move, if the file is there.
    fn moved(&self, asset: AssetId, file: &UnitFile) -> Option<PathBuf> {
        let is_file = |host: &PathBuf| self.ground.stat(host, true).is_ok_and(|there| there.is_file());
        self.other_places(asset).filter(|host| Some(host) != file.path.as_ref()).find(is_file)
    }

    /// Both places of an interrupted move of an original, but those at which a record names some file.
    pub fn other_places(&self, asset: AssetId) -> impl Iterator<Item = PathBuf> {
        let index = &self.holdings.records.index;
        let is_recorded = move |path: &Path| {
            let folder = path.parent().and_then(|folder| index.lookup_dir(folder));
            let name = path.file_name().unwrap_or_default().as_bytes();
            folder.is_some_and(|folder| index.lookup(folder, name).next().is_some())
        };
        let hosts = self.moves.get(&asset).into_iter().flatten().filter_map(|path| self.map.to_host(path));
        hosts.filter(move |host| !is_recorded(host))
    }

    /// The findings about an avatar, or a person without a known face, that need no look at the bytes.
    pub fn single_finding(&self, single: &Single) -> Option<Finding> {
        if !self.holdings.claims_presence() {
            return None;
        }
        let file = &single.file;
        if file.presence != Presence::Missing {
            return self.refused(None, file);
        }
        let mut finding = about(None, file, What::Missing);
        let owner = if file.role == Role::Person { "person" } else { "user" };
        finding.evidence =
            Evidence::new().with(owner, single.id.to_string()).with("at_path", self.what_is_there(file));
        let advice = match file.role {
            Role::Person => FACELESS_ADVICE,
            _ => "let the user choose a profile picture again, or restore it from a backup",
        };
        advice.clone_into(&mut finding.advice);
        Some(finding)
    }

    /// About a recorded file that is not an original: missing or unreadable.
    ///
    /// `left` says why only Immich can make it again.
    fn file_finding(
        &self,
        view: &AssetView<'_>,
        file: &UnitFile,
        source: bool,
        left: Option<&'static str>,
    ) -> Option<Finding> {
        let mut finding = match file.presence {
            Presence::Missing => about(Some(view.id), file, What::Missing),
            _ => self.refused(Some(view.id), file)?,
        };
        if file.presence == Presence::Missing {
            finding.evidence = set_evidence(Evidence::new().with("registered", true), file.edited)
                .with("at_path", self.what_is_there(file));
            if let Some(portrait) = file.portrait {
                finding.evidence =
                    std::mem::take(&mut finding.evidence).with("person", portrait.person.to_string());
            }
            let advice = match file.role {
                Role::Sidecar => "restore it from a backup: it holds what was written about the picture",
                Role::Video => "let Immich transcode it again: jobs, transcode videos, missing",
                Role::Person if view.kind == AssetKind::Video => {
                    "run photofsck repair: it is made again from the preview of the video"
                }
                _ if left.is_some() => left.unwrap_or_default(),
                _ if source => "run photofsck repair: it is made again from its original",
                _ => "its original is not there either: restore that first",
            };
            advice.clone_into(&mut finding.advice);
        }
        if file.role.is_generated() && file.role != Role::Person && is_lowered(view) {
            finding.severity = Severity::Info;
        }
        Some(finding)
    }

    /// `unreadable`, with what the system says now, for a file that nobody has told of yet.
    fn refused(&self, asset: Option<AssetId>, file: &UnitFile) -> Option<Finding> {
        if file.presence != (Presence::Unreadable { told: false }) {
            return None;
        }
        let error = self.ground.stat(file.path.as_deref()?, true).err()?;
        let errno = Errno::from_io_error(&error)?;
        let finding = about(asset, file, What::Unreadable);
        Some(finding.seen(errno_evidence(errno)).advise(unreadable_advice(errno)))
    }

    /// What is at the path of a missing file: mostly nothing.
    fn what_is_there(&self, file: &UnitFile) -> &'static str {
        match file.path.as_ref().map(|path| self.ground.stat(path, false)) {
            Some(Ok(there)) if there.is_dir() => "a folder",
            Some(Ok(there)) if there.is_symlink() => "a link that leads to no file",
            Some(Ok(_)) => "no regular file",
            Some(Err(error)) if !is_absent(&error) => "unknown",
            None | Some(Err(_)) => "nothing",
        }
    }
}

/// Whether nobody misses the generated files of an asset. Hidden motion parts need none; where old servers made
/// some, nobody sees them.
fn is_lowered(view: &AssetView<'_>) -> bool {
    view.trashed || view.offline || view.hidden
}

/// What to do about a person's thumbnail while the records hold no face for it.
pub const FACELESS_ADVICE: &str =
    "the records hold no face to make it from: choose the person's feature photo in Immich again";

/// `unregistered`: for a file without a row (`record` is `None`) that was looked at and is sound.
pub fn unregistered_finding(unit: &AssetUnit, file: &UnitFile) -> Finding {
    let mut finding = about(Some(unit.id), file, What::Unregistered);
    finding = finding
        .seen(set_evidence(Evidence::new(), file.edited))
        .advise("the file is sound, Immich does not know it: photofsck repair --register sql makes it known, or Immich's job for missing thumbnails makes it anew");
    if unit.lowered {
        finding.severity = Severity::Info;
    }
    finding
}

/// `missing` with `registered: false`: Immich needs it and has none.
fn never_made(
    view: &AssetView<'_>,
    role: Role,
    edited: bool,
    source: bool,
    fullsize_enabled: bool,
) -> Finding {
    let mut finding = Finding::new(Code::File(role, What::Missing));
    finding.asset = Some(view.id);
    let name = String::from_utf8_lossy(view.name);
    finding.evidence = set_evidence(Evidence::new().with("registered", false).with("name", name), edited);
    if role == Role::Fullsize && !edited && !fullsize_enabled {
        // Made when the picture is next looked at; versions before full-size pictures left none.
        finding.severity = Severity::Info;
    }
    finding.advice = if !view.has_exif {
        "Immich has no metadata of it, so it makes no pictures: run its metadata extraction for missing ones"
            .to_owned()
    } else if edited {
        "let Immich make the edited set: run its job for missing thumbnails".to_owned()
    } else if role == Role::Fullsize && view.equirectangular {
        "refresh the thumbnails of this picture in Immich: its job for missing ones does not look for this one"
            .to_owned()
    } else if source {
        "run Immich's job for missing thumbnails, or photofsck repair --register sql".to_owned()
    } else {
        "its original is not there either: restore that first".to_owned()
    };
    finding
}

fn about(asset: Option<AssetId>, file: &UnitFile, what: What) -> Finding {
    let mut finding = Finding::new(Code::File(file.role, what));
    finding.path.clone_from(&file.path);
    finding.record_path.clone_from(&file.record_path);
    finding.asset = asset;
    finding
}

fn set_evidence(evidence: Evidence, edited: bool) -> Evidence {
    if edited { evidence.with("edited", true) } else { evidence }
}
