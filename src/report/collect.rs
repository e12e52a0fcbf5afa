//! What is kept of a run for its summary: counts and a few examples, however long the run.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::model::{Code, Event, Finding, RepairAction, RepairEvent, RepairStatus, Role, RunInfo, Severity};

/// Examples kept for each kind of finding.
const EXAMPLES: usize = 5;
/// Kinds of repairs told apart by their reason; further reasons are counted together.
const REASONS: usize = 40;
/// Notes kept.
const NOTES: usize = 200;

/// All findings of one code and severity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// Of these, how many the baseline does not know.
    pub new: u64,
    /// The first few in the order of their paths.
    pub examples: Vec<Finding>,
}

/// What tells repairs apart in the summary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepairKind {
    /// Their outcome.
    pub status: RepairStatus,
    /// What was to be done.
    pub action: RepairAction,
    /// To files of this role.
    pub role: Role,
    /// Why it came out like this.
    pub reason: String,
}

/// All repairs of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairGroup {
    /// How many.
    pub count: u64,
    /// Bytes written, or to be written.
    pub bytes: u64,
    /// The first few in the order of their paths; where each has its own reason, with it.
    pub examples: Vec<(PathBuf, String)>,
}

impl RepairKind {
    /// Whether files were taken from one place to another, which is told of each.
    pub const fn moves(&self) -> bool {
        matches!(self.status, RepairStatus::Done | RepairStatus::Planned)
            && matches!(
                self.action,
                RepairAction::Restore
                    | RepairAction::Relink
                    | RepairAction::Quarantine
                    | RepairAction::Salvage
                    | RepairAction::Undo
            )
    }
}

/// The material of the summary.
#[derive(Debug, Default)]
pub struct Collected {
    /// About the run.
    pub run: RunInfo,
    /// Findings, errors first.
    pub findings: BTreeMap<(Reverse<Severity>, Code), Group>,
    /// Repairs.
    pub repairs: BTreeMap<RepairKind, RepairGroup>,
    /// Notes of the run.
    pub notes: Vec<String>,
    /// Notes beyond those that are kept.
    pub more_notes: u64,
}

impl Collected {
    /// Keeps what the summary needs of an event. `known`: whether the baseline knows the finding in it.
    pub fn take(&mut self, event: &Event, known: bool) {
        match event {
            Event::Run(run) => self.run.clone_from(run),
            Event::Finding(finding) | Event::EntryError(finding) => self.take_finding(finding, known),
            Event::Repair(repair) => self.take_repair(repair),
            Event::Note(_) if self.notes.len() >= NOTES => self.more_notes += 1,
            Event::Note(note) => self.notes.push(note.clone()),
            _ => {}
        }
    }

    fn take_finding(&mut self, finding: &Finding, known: bool) {
        let group = self.findings.entry((Reverse(finding.severity), finding.code)).or_default();
        group.count += 1;
        group.new += u64::from(!known);
        keep_smallest(&mut group.examples, finding, |a, b| {
            (&a.path, &a.record_path).cmp(&(&b.path, &b.record_path))
        });
    }

    fn take_repair(&mut self, repair: &RepairEvent) {
        let mut kind = RepairKind {
            status: repair.status,
            action: repair.action,
            role: repair.role,
            reason: repair.reason.clone(),
        };
        let how = if kind.moves() { std::mem::take(&mut kind.reason) } else { String::new() };
        if self.repairs.len() >= REASONS && !self.repairs.contains_key(&kind) {
            let more = match (repair.action, repair.status) {
                (RepairAction::Register, RepairStatus::Planned) => {
                    "further ones; --json FILE has each in full"
                }
                _ => "various reasons",
            };
            more.clone_into(&mut kind.reason);
        }
        if repair.status == RepairStatus::Done {
            self.forget_example(repair);
        }
        let group = self.repairs.entry(kind).or_default();
        group.count += 1;
        group.bytes += repair.bytes.unwrap_or(0);
        keep_smallest(&mut group.examples, &(repair.path.clone(), how), Ord::cmp);
    }
}

impl Collected {
    /// What has been repaired is no example of what is wrong.
    fn forget_example(&mut self, repair: &RepairEvent) {
        for group in self.findings.values_mut() {
            group.examples.retain(|finding| finding.path.as_ref() != Some(&repair.path));
        }
    }
}

/// Keeps the few smallest: threads finish in any order, and the summary is the same each time.
fn keep_smallest<T: Clone>(kept: &mut Vec<T>, item: &T, order: impl Fn(&T, &T) -> Ordering) {
    let place = kept.partition_point(|other| order(other, item).is_le());
    if place < EXAMPLES {
        kept.insert(place, item.clone());
        kept.truncate(EXAMPLES);
    }
}
