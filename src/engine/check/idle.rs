//! `--only-due`: when nothing is due the library is not touched, so that disks that sleep go on sleeping.
//!
//! The records say which files there should be, the catalog when each was last verified. Neither knows what has happened to the
//! files since: that is found out when the next of them is due.

use std::path::Path;

use super::Run;
use crate::catalog::RunRecord;
use crate::engine::end::RunError;
use crate::engine::ledger::Ledger;
use crate::immich::records::{Home, Records};
use crate::model::{Code, Severity, SkipReason};

impl Run<'_> {
    /// Why nothing has to be looked at, and the bytes of all files; `None` if something has to. The index must be resolved.
    pub(super) fn nothing_due(
        &self,
        ledger: Option<&Ledger<'_>>,
        records: &Records,
        media: &Path,
    ) -> Result<Option<(String, u64)>, RunError> {
        let Some(ledger) = ledger.filter(|_| self.config.only_due) else { return Ok(None) };
        let runs = self.catalog.runs().unwrap_or_default();
        let of_this = |run: &&RunRecord| is_of(run, media);
        let Some(last) = runs.iter().find(of_this).filter(|run| was_clean(run)) else {
            return Ok(None);
        };
        let held = ledger.held()?;
        if records.home == Home::None {
            // What no record names is known from the looks before, if they were at all of it.
            let known = held.due == 0
                && held.bytes > 0
                && runs.iter().filter(of_this).find(|run| looked(run)).is_some_and(was_whole);
            let said = || format!("{}; {NO_RECORDS}", said(&last.start.started_at));
            return Ok(known.then(|| (said(), held.bytes)));
        }
        let index = &records.index;
        let due = index.files().any(|file| {
            let view = index.file(file);
            let offline = view.asset.is_some_and(|asset| index.asset(asset).offline);
            let wanted = !offline && self.config.only.contains(view.role);
            wanted
                && index.host_path(file).is_none_or(|path| {
                    let (folder, name) = (path.parent(), path.file_name());
                    !folder.zip(name).is_some_and(|(folder, name)| held.holds(folder, name))
                })
        });
        Ok((!due).then(|| (said(&last.start.started_at), held.bytes)))
    }
}

/// What that means where nothing but the catalog tells which files there are.
const NO_RECORDS: &str = "without records nothing tells of files that are new since then: they are looked at when one that is known is due";

fn said(last: &str) -> String {
    format!(
        "nothing is due, so nothing was looked at, no folder either (--only-due); the last look was on {last}, and found nothing \
         wrong"
    )
}

/// Whether a run was one over this library.
fn is_of(run: &RunRecord, media: &Path) -> bool {
    let header: serde_json::Value = serde_json::from_str(&run.start.header).unwrap_or_default();
    matches!(run.start.command.as_str(), "check" | "repair")
        && header.get("media").and_then(serde_json::Value::as_str) == media.to_str()
}

/// Whether a run looked at the library: one that found nothing due did not.
fn looked(run: &RunRecord) -> bool {
    let header: serde_json::Value = serde_json::from_str(&run.start.header).unwrap_or_default();
    header.get("idle").and_then(serde_json::Value::as_bool) != Some(true)
}

/// Whether a run looked at every kind of file, and at no shard alone.
fn was_whole(run: &RunRecord) -> bool {
    let summary = run.end.as_ref().and_then(|end| serde_json::from_str(&end.summary).ok());
    let summary: serde_json::Value = summary.unwrap_or_default();
    let skipped = summary.get("skipped_reasons").and_then(serde_json::Value::as_object);
    let parts = [SkipReason::NotSelected, SkipReason::OtherShard];
    let none = |count: Option<&serde_json::Value>| count.is_none_or(|count| *count == 0);
    skipped.is_some_and(|reasons| parts.iter().all(|part| none(reasons.get(part.as_str()))))
}

/// Whether a run came to its end and found nothing that should be told again.
fn was_clean(run: &RunRecord) -> bool {
    let Some(end) = run.end.as_ref().filter(|end| end.complete && end.exit == 0) else { return false };
    let summary: serde_json::Value = serde_json::from_str(&end.summary).unwrap_or_default();
    let codes = summary.get("findings").and_then(serde_json::Value::as_object);
    codes.is_some_and(|codes| {
        codes.keys().all(|code| Code::parse(code).is_some_and(|code| code.severity() == Severity::Info))
    })
}
