//! What is kept of a run for its page: everything about the assets that it shows, however long the run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use crate::model::{
    AssetFacts, AssetId, Event, Finding, RepairAction, RepairEvent, RepairStatus, Severity, SmallPicture,
};
use crate::report::summary::resolves;

/// Rows of a page: beyond them it would no longer open from a mail. Errors come before everything else.
pub const MOST_ROWS: usize = 5000;
/// Findings of one row; an asset has a handful of files.
const MOST_FINDINGS: usize = 30;

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The run as a whole.
    Run,
    /// An asset with all its files.
    Asset(AssetId),
    /// A file that belongs to no asset.
    File(PathBuf),
}

/// What is to be shown of one asset, or of one file.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What is wrong, each with whether the baseline does not know it.
    pub findings: Vec<(Finding, bool)>,
    /// What was done.
    pub repairs: Vec<RepairEvent>,
    /// What people know it by.
    pub facts: Option<AssetFacts>,
    /// Small pictures.
    pub pictures: Vec<SmallPicture>,
}

/// How much a row asks of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Something that cannot be made again is wrong.
    Error,
    /// Something generated is wrong.
    Warning,
    /// What was wrong has been repaired.
    Repaired,
    /// Worth knowing.
    Info,
}

impl Grade {
    /// All of them, the gravest first.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warning, Self::Repaired, Self::Info];

    /// The word for classes and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Repaired => "repaired",
            Self::Info => "info",
        }
    }
}

impl Row {
    /// Whether a repair has made the finding untrue. `asking`: what is made known is only asked of Immich.
    pub fn is_resolved(&self, finding: &Finding, asking: bool) -> bool {
        let done = self.repairs.iter().filter(|repair| repair.status == RepairStatus::Done);
        done.filter(|repair| !(asking && repair.action == RepairAction::Register)).any(
            |repair| match &finding.path {
                Some(path) => *path == repair.path && resolves(repair.action, finding.code),
                None => repair.action == RepairAction::Register && finding.code.role() == Some(repair.role),
            },
        )
    }

    /// How much it asks of its reader.
    pub fn grade(&self, asking: bool) -> Grade {
        let standing = self.findings.iter().filter(|(finding, _)| !self.is_resolved(finding, asking));
        let worst = standing.map(|(finding, _)| finding.severity).max();
        let failed = self.repairs.iter().any(|repair| repair.status == RepairStatus::Failed);
        let resolved = self
            .findings
            .iter()
            .any(|(finding, _)| finding.severity > Severity::Info && self.is_resolved(finding, asking));
        match worst {
            Some(Severity::Error) => Grade::Error,
            Some(Severity::Warning) => Grade::Warning,
            _ if failed => Grade::Warning,
            _ if resolved => Grade::Repaired,
            None if self.repairs.iter().any(|repair| repair.status == RepairStatus::Done) => Grade::Repaired,
            Some(Severity::Info) | None => Grade::Info,
        }
    }

    fn severity(&self) -> Severity {
        self.findings.iter().map(|(finding, _)| finding.severity).max().unwrap_or(Severity::Info)
    }
}

/// The rows of a page.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    rows: HashMap<Subject, Row>,
    /// The same rows, the gravest first: who has to go is at the end.
    order: BTreeSet<(Reverse<Severity>, Subject)>,
    /// The row of a file that a finding has named, for repairs of it.
    places: BTreeMap<PathBuf, Subject>,
}

impl Gathered {
    /// Keeps what the page needs of an event. `known`: whether the baseline knows the finding in it.
    pub fn take(&mut self, event: &Event, known: bool) {
        match event {
            Event::Finding(finding) | Event::EntryError(finding) => self.take_finding(finding, known),
            Event::Repair(repair) => self.take_repair(repair),
            Event::Asset(facts) => {
                if let Some(row) = self.rows.get_mut(&Subject::Asset(facts.asset)) {
                    row.facts = Some((**facts).clone());
                }
            }
            Event::Picture(picture) => {
                if let Some(row) = self.rows.get_mut(&Subject::Asset(picture.asset)) {
                    row.pictures.push((**picture).clone());
                }
            }
            _ => {}
        }
    }

    /// All rows with what each is about, in no order.
    pub fn rows(&self) -> impl Iterator<Item = (&Subject, &Row)> {
        self.rows.iter()
    }

    fn take_finding(&mut self, finding: &Finding, known: bool) {
        let subject = subject(finding);
        self.put(subject.clone(), |row| {
            if row.findings.len() < MOST_FINDINGS {
                row.findings.push((finding.clone(), !known));
            }
        });
        if let (Some(path), true) = (&finding.path, self.rows.contains_key(&subject)) {
            self.places.insert(path.clone(), subject);
        }
    }

    fn take_repair(&mut self, repair: &RepairEvent) {
        // What our own killed runs left behind is nobody's asset.
        if repair.action == RepairAction::ClearTemporary {
            return;
        }
        let asset = repair.asset.map(Subject::Asset);
        let there = self.places.get(&repair.path).cloned();
        let subject = there.or(asset).unwrap_or_else(|| Subject::File(repair.path.clone()));
        self.put(subject, |row| {
            if row.repairs.len() < MOST_FINDINGS {
                row.repairs.push(repair.clone());
            }
        });
    }

    /// Changes a row, which is made if there is room for it or if it is graver than another.
    fn put(&mut self, subject: Subject, change: impl FnOnce(&mut Row)) {
        let row = self.rows.entry(subject.clone()).or_default();
        let before = row.severity();
        change(row);
        let after = row.severity();
        self.order.remove(&(Reverse(before), subject.clone()));
        self.order.insert((Reverse(after), subject));
        if self.rows.len() > MOST_ROWS
            && let Some((_, last)) = self.order.pop_last()
            && let Some(row) = self.rows.remove(&last)
        {
            for path in row.findings.into_iter().filter_map(|(finding, _)| finding.path) {
                self.places.remove(&path);
            }
        }
    }
}

/// What a finding is about.
fn subject(finding: &Finding) -> Subject {
    match (finding.asset, finding.path.as_ref().or(finding.record_path.as_ref())) {
        (Some(asset), _) => Subject::Asset(asset),
        (None, Some(path)) if finding.code.role().is_some() => Subject::File(path.clone()),
        _ => Subject::Run,
    }
}
