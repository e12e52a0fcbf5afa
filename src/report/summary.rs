//! The one place that counts. Exit status and every total that is shown come from here.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use super::baseline::Baseline;
use super::exit::ExitStatus;
use crate::model::{
    AssetId, Code, Comparison, Coverage, Event, Finding, MediaFormat, RepairAction, RepairEvent,
    RepairStatus, Role, Severity, Tally, Verdict, What,
};

/// What raises the exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Problems of this severity and above count as left.
    pub fail_on: Severity,
    /// Findings that were there before, if the user told.
    pub baseline: Option<Baseline>,
    /// Whether only findings that the baseline does not know count.
    pub fail_on_new: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { fail_on: Severity::Warning, baseline: None, fail_on_new: false }
    }
}

/// What of a run bears on how its counts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Contents are left alone (`--quick`).
    pub quick: bool,
    /// Originals are among what is looked at (`--only`).
    pub originals: bool,
    /// Repairs may come, so findings must be matched with them.
    pub repairing: bool,
    /// What is made known to Immich is only asked of it (`--register api`): its job has still to do it.
    pub asking: bool,
}

impl Default for Scope {
    fn default() -> Self {
        Self { quick: false, originals: true, repairing: false, asking: false }
    }
}

/// How a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Everything that was asked for was looked at.
    #[default]
    Complete,
    /// The time limit came first. Not an error.
    TimeLimit,
    /// So did the limit of bytes. Not an error.
    ByteLimit,
    /// A signal came first.
    Cancelled,
    /// No end of it is on record: it was killed, or is still going on.
    Open,
    /// It could not be done or finished.
    Failed(String),
    /// It was asked for something impossible.
    Refused(String),
}

impl Outcome {
    /// The word used in NDJSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::TimeLimit => "time-limit",
            Self::ByteLimit => "byte-limit",
            Self::Cancelled => "cancelled",
            Self::Open => "open",
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
        }
    }
}

/// Number of findings, by severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BySeverity {
    /// [`Severity::Info`]
    pub info: u64,
    /// [`Severity::Warning`]
    pub warning: u64,
    /// [`Severity::Error`]
    pub error: u64,
}

impl BySeverity {
    fn slot(&mut self, severity: Severity) -> &mut u64 {
        match severity {
            Severity::Info => &mut self.info,
            Severity::Warning => &mut self.warning,
            Severity::Error => &mut self.error,
        }
    }

    /// Number of findings of this severity and above.
    pub const fn from(self, severity: Severity) -> u64 {
        match severity {
            Severity::Info => self.info + self.warning + self.error,
            Severity::Warning => self.warning + self.error,
            Severity::Error => self.error,
        }
    }
}

/// What a run found, counted.
#[derive(Debug, Default)]
pub struct Summary {
    /// The counters.
    pub tally: Tally,
    /// Files looked at, by role and verdict (`None`: presence only).
    pub checked_by_role: BTreeMap<(Role, Option<Verdict>), u64>,
    /// Originals looked at, by format and verdict.
    pub formats: BTreeMap<(MediaFormat, Option<Verdict>), u64>,
    /// Originals of which `render` made pictures.
    pub rendered: u64,
    /// Generated files that were made again, by role.
    pub made: BTreeMap<Role, u64>,
    /// What was done beside that, by action.
    pub done: BTreeMap<RepairAction, u64>,
    /// Findings, by code and severity: the severity depends on the asset too.
    pub by_severity: BTreeMap<(Severity, Code), u64>,
    /// Findings that the baseline knows.
    pub known: u64,
    /// Findings that neither a repair resolved nor (with `--fail-on-new`) the baseline knows.
    pub left: BySeverity,
    /// The same of findings about the run as a whole.
    pub left_of_run: BySeverity,
    /// Findings that a repair resolved.
    pub resolved: u64,
    /// Of these, by severity and code.
    pub resolved_codes: BTreeMap<(Severity, Code), u64>,
    /// How the run ended.
    pub outcome: Outcome,
    /// Its duration.
    pub seconds: f64,
    /// Days within which every byte is read again at this pace, where that can be told.
    pub coverage_days: Option<u64>,
    coverage: Option<Coverage>,
    /// How the library differs from a manifest, where it was held against one.
    pub comparison: Option<Comparison>,
    /// Nothing was due, so nothing was looked at.
    pub idle: bool,
    /// What went wrong with the reports themselves; each makes the run unfinished.
    pub report_errors: Vec<String>,
    /// What bears on how the counts are read.
    pub scope: Scope,
    policy: Policy,
    /// Findings that a repair may still resolve, by hash of their path. Only kept while repairing.
    open: Option<Open>,
}

/// Findings that a repair may still resolve: sixteen bytes for each, since a lost `thumbs/` folder gives millions.
#[derive(Debug, Default)]
struct Open(HashMap<u64, (Severity, Code)>);

impl Open {
    /// The first finding about a path is kept under the path's hash, each further one under the next number.
    fn add(&mut self, path: &Path, severity: Severity, code: Code) {
        self.add_under(hash(path), severity, code);
    }

    /// The same for a finding without a path: Immich needs a file of this role and has none.
    fn add_needed(&mut self, asset: AssetId, role: Role, severity: Severity, code: Code) {
        self.add_under(hash(&(asset, role)), severity, code);
    }

    /// Takes out one such finding.
    fn remove_needed(&mut self, asset: AssetId, role: Role) -> Option<(Severity, Code)> {
        let first = hash(&(asset, role));
        let mut last = first;
        while self.0.contains_key(&last.wrapping_add(1)) {
            last = last.wrapping_add(1);
        }
        // The one at the end, so that those before it are still found.
        self.0.contains_key(&first).then(|| self.0.remove(&last)).flatten()
    }

    fn add_under(&mut self, mut key: u64, severity: Severity, code: Code) {
        while self.0.contains_key(&key) {
            key = key.wrapping_add(1);
        }
        self.0.insert(key, (severity, code));
    }

    /// Takes out all findings about a path.
    fn remove(&mut self, path: &Path) -> Vec<(Severity, Code)> {
        let mut key = hash(path);
        let mut found = Vec::new();
        while let Some(finding) = self.0.remove(&key) {
            found.push(finding);
            key = key.wrapping_add(1);
        }
        found
    }
}

impl Summary {
    /// Nothing counted yet.
    pub fn new(policy: Policy, scope: Scope) -> Self {
        Self { policy, scope, open: scope.repairing.then(Open::default), ..Self::default() }
    }

    /// Counts one event. Nothing else counts anything.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Walked(count) => self.tally.walked += count,
            Event::Checked(item) => {
                self.tally.checked += 1;
                self.tally.bytes_read += item.bytes_read;
                self.rendered += u64::from(item.preview.is_some());
                self.count_files(item.role, item.verdict, 1);
                if item.role == Role::Original {
                    *self.formats.entry((item.format, item.verdict)).or_default() += 1;
                }
            }
            Event::CheckedMany(checked) => {
                self.tally.checked += checked.count();
                self.tally.bytes_read += checked.bytes_read;
                for (&(role, verdict), &count) in &checked.files {
                    self.count_files(role, verdict, count);
                }
                for (&format, &count) in &checked.formats {
                    *self.formats.entry(format).or_default() += count;
                }
            }
            Event::Skipped { reason, count } => *self.tally.skipped.entry(*reason).or_default() += count,
            Event::EntryError(finding) => {
                self.tally.errors += 1;
                self.take_finding(finding);
            }
            Event::Finding(finding) => self.take_finding(finding),
            Event::Repair(repair) => self.take_repair(repair),
            Event::Coverage(coverage) => self.coverage = Some(*coverage),
            Event::Compared(comparison) => self.comparison = Some(comparison.clone()),
            Event::Run(run) => self.idle |= run.idle,
            Event::Stage { .. }
            | Event::Progress { .. }
            | Event::Note(_)
            | Event::Asset(_)
            | Event::Picture(_) => {}
        }
    }

    fn count_files(&mut self, role: Role, verdict: Option<Verdict>, count: u64) {
        if let Some(verdict) = verdict {
            *self.tally.verdicts.entry(verdict).or_default() += count;
        }
        *self.checked_by_role.entry((role, verdict)).or_default() += count;
    }

    fn take_finding(&mut self, finding: &Finding) {
        *self.tally.findings.entry(finding.code).or_default() += 1;
        *self.by_severity.entry((finding.severity, finding.code)).or_default() += 1;
        if self.is_known(finding) {
            self.known += 1;
            if self.policy.fail_on_new {
                return;
            }
        }
        if matches!(finding.code, Code::Run(_)) {
            *self.left_of_run.slot(finding.severity) += 1;
            return;
        }
        *self.left.slot(finding.severity) += 1;
        let Some(open) = &mut self.open else { return };
        match (&finding.path, finding.asset, finding.code) {
            (Some(path), ..) => open.add(path, finding.severity, finding.code),
            (None, Some(asset), Code::File(role, What::Missing)) => {
                open.add_needed(asset, role, finding.severity, finding.code);
            }
            _ => {}
        }
    }

    fn take_repair(&mut self, repair: &RepairEvent) {
        *self.tally.repairs.entry(repair.status).or_default() += 1;
        if repair.status != RepairStatus::Done {
            return;
        }
        if repair.action == RepairAction::Regenerate {
            *self.made.entry(repair.role).or_default() += 1;
        } else {
            *self.done.entry(repair.action).or_default() += 1;
        }
        if repair.action == RepairAction::Register && self.scope.asking {
            return;
        }
        let Some(open) = &mut self.open else { return };
        let mut resolved = Vec::new();
        for (severity, code) in open.remove(&repair.path) {
            if resolves(repair.action, code) {
                resolved.push((severity, code));
            } else {
                open.add(&repair.path, severity, code);
            }
        }
        // A file that Immich needs and had neither as row nor on disk is there when both are.
        if let (RepairAction::Register, Some(asset)) = (repair.action, repair.asset) {
            resolved.extend(open.remove_needed(asset, repair.role));
        }
        for (severity, code) in resolved {
            let slot = self.left.slot(severity);
            *slot = slot.saturating_sub(1);
            self.resolved += 1;
            *self.resolved_codes.entry((severity, code)).or_default() += 1;
        }
    }

    /// Whether the baseline knows the finding.
    pub fn is_known(&self, finding: &Finding) -> bool {
        self.policy.baseline.as_ref().is_some_and(|baseline| baseline.knows(finding))
    }

    /// Whether there is a baseline to compare with.
    pub const fn has_baseline(&self) -> bool {
        self.policy.baseline.is_some()
    }

    /// A run that a signal stopped says nothing about the next ones.
    fn promise(&self) -> Option<u64> {
        let complete = match self.outcome {
            Outcome::Complete => true,
            Outcome::TimeLimit | Outcome::ByteLimit => false,
            Outcome::Cancelled | Outcome::Open | Outcome::Failed(_) | Outcome::Refused(_) => return None,
        };
        self.coverage?.days(complete, self.tally.bytes_read)
    }

    /// Number of skipped entries, whatever the reason.
    pub fn skipped(&self) -> u64 {
        self.tally.skipped.values().sum()
    }

    /// `walked - (checked + skipped + errors)`: zero, or something was lost on the way.
    pub fn unaccounted(&self) -> i128 {
        let accounted =
            u128::from(self.tally.checked) + u128::from(self.skipped()) + u128::from(self.tally.errors);
        i128::from(self.tally.walked) - i128::try_from(accounted).unwrap_or(i128::MAX)
    }

    /// Ends the counting: how the run ended, how long it took, whether the accounting holds.
    ///
    /// A run that failed in the middle cannot say what it had still to look at; every other run can, so entries
    /// that are unaccounted for then are a fault of ours and make the run one that did not finish.
    pub fn close(&mut self, outcome: Outcome, seconds: f64) {
        self.outcome = outcome;
        self.seconds = seconds;
        self.coverage_days = self.promise();
        let unaccounted = self.unaccounted();
        if unaccounted == 0 {
            return;
        }
        if let (Outcome::Failed(_) | Outcome::Refused(_), Ok(rest)) =
            (&self.outcome, u64::try_from(unaccounted))
        {
            *self.tally.skipped.entry(crate::model::SkipReason::NotReached).or_default() += rest;
            return;
        }
        self.report_errors.push(format!(
            "the accounting does not add up: {} walked, but {} checked + {} skipped + {} errors; please report this",
            self.tally.walked,
            self.tally.checked,
            self.skipped(),
            self.tally.errors
        ));
    }

    /// Whether everything that was asked for was looked at and told.
    pub fn complete(&self) -> bool {
        self.outcome == Outcome::Complete && self.report_errors.is_empty()
    }

    /// Why the run could not be done or finished, if it could not.
    pub fn failure(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Failed(message) | Outcome::Refused(message) => Some(message),
            _ => self.report_errors.first().map(String::as_str),
        }
    }

    /// Findings of this code and severity that no repair resolved. Those that the baseline knows count too.
    pub fn standing(&self, severity: Severity, code: Code) -> u64 {
        let found = self.by_severity.get(&(severity, code)).copied().unwrap_or(0);
        found.saturating_sub(self.resolved_codes.get(&(severity, code)).copied().unwrap_or(0))
    }

    /// Findings of this kind about files of any of these roles, whatever their severity, that no repair resolved.
    pub fn standing_any(&self, what: What, roles: impl IntoIterator<Item = Role>) -> u64 {
        let severities = [Severity::Info, Severity::Warning, Severity::Error];
        roles
            .into_iter()
            .flat_map(|role| severities.map(|severity| self.standing(severity, Code::File(role, what))))
            .sum()
    }

    /// Files of this role with this verdict.
    pub fn files(&self, role: Role, verdict: Verdict) -> u64 {
        self.checked_by_role.get(&(role, Some(verdict))).copied().unwrap_or(0)
    }

    /// Repairs with this outcome.
    pub fn repairs(&self, status: RepairStatus) -> u64 {
        self.tally.repairs.get(&status).copied().unwrap_or(0)
    }

    /// The exit status, from nothing but what was counted.
    pub fn exit(&self) -> ExitStatus {
        let mut status = ExitStatus::CLEAN;
        if self.repairs(RepairStatus::Done) > 0 {
            status |= ExitStatus::REPAIRED;
        }
        let unfinished = self.repairs(RepairStatus::Planned) + self.repairs(RepairStatus::Failed) > 0;
        // What ended the run is told by its own bit.
        let ended_by_it = matches!(self.outcome, Outcome::Failed(_) | Outcome::Refused(_));
        let of_run = if ended_by_it { 0 } else { self.left_of_run.from(self.policy.fail_on) };
        if self.left.from(self.policy.fail_on) + of_run > 0
            || (unfinished && self.policy.fail_on <= Severity::Warning)
        {
            status |= ExitStatus::LEFT;
        }
        status |= match self.outcome {
            Outcome::Complete | Outcome::TimeLimit | Outcome::ByteLimit => ExitStatus::CLEAN,
            Outcome::Cancelled | Outcome::Open => ExitStatus::CANCELLED,
            Outcome::Failed(_) => ExitStatus::FAILED,
            Outcome::Refused(_) => ExitStatus::USAGE,
        };
        if !self.report_errors.is_empty() {
            status |= ExitStatus::FAILED;
        }
        status
    }
}

/// Whether an action that is done makes a finding about the same path untrue. A file that is there and sound but
/// not in the records is helped by nothing but a record.
pub(super) const fn resolves(action: RepairAction, code: Code) -> bool {
    let Code::File(_, what) = code else { return false };
    match action {
        RepairAction::Regenerate | RepairAction::Restore | RepairAction::Relink => {
            !matches!(what, What::Unregistered | What::Untracked | What::Differs)
        }
        RepairAction::Quarantine => matches!(what, What::Untracked),
        RepairAction::Register => matches!(what, What::Unregistered),
        RepairAction::ClearTemporary | RepairAction::Salvage | RepairAction::Undo => false,
    }
}

fn hash(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
