//! What every run needs before it looks at the first file: workers, memory, a name and a time.

use std::path::{Component, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::catalog::{Catalog, RunRecord};
use crate::model::{DecoderId, RunInfo};
use crate::worker::{HashWish, PoolConfig, WorkerPool};

use super::budget::{self, MemoryBudget};
use super::cancel::Cancel;
use super::config::Resources;
use super::crew::Crew;
use super::end::RunError;
use super::ground::Ground;
use super::ledger::unusable;
use super::look::Means;
use super::machine::Machine;
use super::pace::Governor;

/// Both hashes of every file.
pub const BOTH_HASHES: HashWish = HashWish { sha1: true, blake3: true };

/// Workers and the memory they share.
pub struct Station {
    /// Where workers come from.
    pub pool: WorkerPool,
    /// One ceiling for everything in flight.
    pub budget: MemoryBudget,
    /// How many at once.
    pub jobs: usize,
}

impl Station {
    /// Finds the worker program and divides the machine. Starts nothing.
    pub fn new(resources: Resources) -> Result<Self, RunError> {
        let machine = Machine::here();
        let memory = resources.memory.unwrap_or_else(|| budget::default_budget(&machine));
        let jobs = resources
            .jobs
            .map_or_else(|| budget::default_jobs(&machine, memory), std::num::NonZeroUsize::get);
        let budget = MemoryBudget::new(memory, jobs);
        let capacity = budget.capacity();
        let config = PoolConfig { allowance: budget::allowance(capacity, jobs), ..PoolConfig::new(capacity) };
        let pool = WorkerPool::new(config).map_err(|failure| RunError::io(failure.to_string()))?;
        Ok(Self { pool, budget, jobs })
    }

    /// The threads of a run.
    pub fn crew<'a>(
        &'a self,
        (cancel, ground): (&'a Cancel, &'a Ground),
        governor: &'a Governor,
        hashes: HashWish,
    ) -> Crew<'a> {
        let means = Means { pool: &self.pool, memory: &self.budget, cancel, ground, governor, hashes };
        Crew { means, jobs: self.jobs }
    }

    /// The decoders whose verdicts in the catalog count. That of films says who it is only once it is started, which is done
    /// where it has given some.
    pub fn decoders(&self, catalog: &Catalog, cancel: &Cancel) -> Result<Vec<DecoderId>, RunError> {
        let known = catalog.decoders().map_err(|error| unusable(&error))?;
        let is_there = |decoders: &[DecoderId], name: &str| decoders.iter().any(|there| there.name == name);
        let there = self.pool.stats().decoders;
        if known.iter().any(|decoder| !is_there(&there, &decoder.name)) {
            let started = self.pool.worker_for_films().start(&cancel.flag());
            started.map_err(|failure| RunError::io(failure.to_string()))?;
        }
        Ok(self.pool.stats().decoders)
    }

    /// What to tell about the machine: workers, memory, protections. Starts one worker to know, which then is the first to work.
    pub fn notes(&self, cancel: &Cancel) -> Result<Vec<String>, RunError> {
        self.pool.start_one(&cancel.flag()).map_err(|failure| RunError::io(failure.to_string()))?;
        let stats = self.pool.stats();
        let mut notes = vec![format!(
            "{} worker{}, {} MiB of memory for decoding",
            self.jobs,
            if self.jobs == 1 { "" } else { "s" },
            crate::worker::MemoryGrant::ceiling(&self.budget) >> 20
        )];
        if !stats.protections.is_empty() {
            notes.push(format!("workers are confined by {}", stats.protections.join(", ")));
        }
        if !stats.lacking.is_empty() {
            notes.push(format!("workers run without {}", stats.lacking.join("; ")));
        }
        Ok(notes)
    }
}

/// The first line of a run that needs no Immich.
pub fn run_info(command: &str, station: &Station, cancel: &Cancel) -> Result<RunInfo, RunError> {
    Ok(RunInfo {
        run_id: run_id(Timestamp::now()),
        started_at: now(),
        command: command.to_owned(),
        notes: station.notes(cancel)?,
        ..RunInfo::default()
    })
}

/// The moment, RFC 3339, UTC, whole seconds.
pub fn now() -> String {
    moment(Timestamp::now())
}

/// The same path without `..`: the catalog knows a folder by one name, wherever it is called from.
pub fn without_detours(path: PathBuf) -> PathBuf {
    let parts: Vec<_> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else { return path };
    let (detour, rest) = parts.split_at(last + 1);
    let detour = std::fs::canonicalize(detour.iter().collect::<PathBuf>());
    detour.map_or(path.clone(), |real| rest.iter().fold(real, |path, part| path.join(part)))
}

/// RFC 3339, UTC, whole seconds.
pub fn moment(moment: Timestamp) -> String {
    format!("{moment:.0}")
}

/// A name for a run: sorts by time and is unique on this machine.
pub fn run_id(now: Timestamp) -> String {
    format!("{}-{:x}", now.strftime("%Y%m%dT%H%M%SZ"), std::process::id())
}

/// Time from run to run, from the latest of them, the newest first; a day where there are none. Where the clock has jumped in
/// between, nothing is known.
pub fn gap(runs: &[RunRecord], now: Timestamp) -> Duration {
    const LATEST: usize = 7;
    const DAY: Duration = Duration::from_hours(24);
    const LONGEST: Duration = Duration::from_hours(24 * 366);
    let begun = runs.iter().take(LATEST).filter_map(|run| run.started_at.parse::<Timestamp>().ok());
    let (mut sum, mut count, mut later) = (Duration::ZERO, 0, now);
    for begun in begun {
        let gap = Duration::try_from(later.duration_since(begun)).ok();
        if let Some(gap) = gap.filter(|gap| *gap <= LONGEST) {
            sum = sum.saturating_add(gap);
            count += 1;
        }
        later = begun;
    }
    sum.checked_div(count).filter(|gap| !gap.is_zero()).unwrap_or(DAY)
}

/// A number that no other run has: the clock and the process together.
pub fn random() -> u64 {
    let clock = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_nanos();
    #[allow(clippy::cast_possible_truncation, reason = "the lower half changes fastest")]
    let clock = clock as u64;
    clock.rotate_left(20) ^ u64::from(std::process::id())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_folder_has_one_name_wherever_it_is_called_from() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir_all(root.join("disk/media")).unwrap();
        std::os::unix::fs::symlink("disk/media", root.join("media")).unwrap();
        assert_eq!(
            without_detours(root.join("a/b/../../media")),
            root.join("media"),
            "a link keeps its name"
        );
        assert_eq!(without_detours(root.join("a/b/..")).into_os_string(), root.join("a"));
        assert_eq!(without_detours(root.join("media")), root.join("media"));
        assert_eq!(without_detours("/nowhere/../x".into()), PathBuf::from("/nowhere/../x"));
    }
}
