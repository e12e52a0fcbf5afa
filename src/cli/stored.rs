//! Earlier runs, shown again, and the catalog they are kept in.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use jiff::Timestamp;

use super::failure;
use super::resolve::{ReportAction, StateAction, StateWhat};
use crate::catalog::{Catalog, CatalogError, LineKind, Overview, RETAINED_RUNS, RunLine, RunRecord};
use crate::model::{Code, Finding, display_path};
use crate::report::html::{History, PastRun};
use crate::report::{Baseline, ExitStatus, Replay, Target, Verbosity, print, words};

/// Files that no run has looked at for so long are forgotten by `state prune`.
const FORGET_AFTER_DAYS: i64 = 365;

/// Shows a run again.
pub fn report(action: &ReportAction) -> ExitStatus {
    match try_report(action) {
        Ok(status) => status,
        Err(message) => failure(&message),
    }
}

fn try_report(action: &ReportAction) -> Result<ExitStatus, String> {
    let catalog = open(&action.state)?;
    let run = find(&catalog, action.run.as_deref())?;
    let since = match action.since.as_deref() {
        Some(word) if word.eq_ignore_ascii_case("last") => Some(one_before(&catalog, &run)?),
        id => id.map(|id| find(&catalog, Some(id))).transpose()?,
    };
    let before = since.as_ref().map(|run| findings(&catalog, run)).transpose()?;
    if let Some(target) = &action.options.json {
        let lines = lines(&catalog, &run)?;
        to_target(target, "--json", |out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))?;
    }
    let mut replay = Replay::new(action.options.verbosity, before.as_ref().map(Baseline::of));
    let mut found = Vec::new();
    let kept = if action.html.is_some() { every_line(&catalog, &run)? } else { lines(&catalog, &run)? };
    for line in kept {
        if let Some(finding) = replay.line(&line)? {
            found.push(finding);
        }
    }
    replay.close();
    if let Some(target) = &action.html {
        let page = replay.sheet(&history(&catalog, Some(&run))?);
        to_target(target, "--html", |out| out.write_all(page.as_bytes()))?;
    }
    if let Some(target) = &action.csv {
        to_target(target, "--csv", |out| crate::report::csv::write(out, &found))?;
    }
    let to_stdout = [action.options.json.as_ref(), action.csv.as_ref(), action.html.as_ref()];
    if to_stdout.contains(&Some(&Target::Stdout)) {
        return Ok(ExitStatus::CLEAN);
    }
    let mut page = String::new();
    if let (Some(since), Some(before)) = (&since, &before) {
        page.push_str(&comparison(since, before, &found, action.options.verbosity));
    }
    page.push_str(&replay.page());
    print(&page, action.options.color, false);
    Ok(ExitStatus::CLEAN)
}

/// What is new, gone and standing since an earlier run.
fn comparison(since: &RunRecord, before: &[Finding], now: &[Finding], verbosity: Verbosity) -> String {
    let (old, current) = (Baseline::of(before), Baseline::of(now));
    let new: Vec<&Finding> = now.iter().filter(|finding| !old.knows(finding)).collect();
    let gone: Vec<&Finding> = before.iter().filter(|finding| !current.knows(finding)).collect();
    let mut text = format!(
        "Since run {} of {}: {} new, {} gone, {} standing.\n",
        since.run_id,
        since.started_at,
        words::counted(new.len() as u64, "finding", "findings"),
        words::count(gone.len() as u64),
        words::count((now.len() - new.len()) as u64),
    );
    let listed = if verbosity == Verbosity::Verbose { usize::MAX } else { 20 };
    for (word, findings) in [("new ", &new), ("gone", &gone)] {
        for finding in findings.iter().take(listed) {
            let path = finding.path.as_deref().or(finding.record_path.as_deref());
            let code: Code = finding.code;
            let _ = writeln!(text, "  {word} {code} {}", path.map(display_path).unwrap_or_default());
        }
        if findings.len() > listed {
            let _ = writeln!(text, "  {word} and {} more; -v lists every one", findings.len() - listed);
        }
    }
    text.push('\n');
    text
}

fn open(state: &Path) -> Result<Catalog, String> {
    Catalog::open_read_only(state).map_err(told)
}

#[allow(clippy::needless_pass_by_value, reason = "fits map_err")]
fn told(error: CatalogError) -> String {
    error.to_string()
}

/// The run with this id, or the beginning of one; the newest when there is none given.
fn find(catalog: &Catalog, id: Option<&str>) -> Result<RunRecord, String> {
    let runs = catalog.runs().map_err(told)?;
    let Some(id) = id else {
        return runs
            .into_iter()
            .next()
            .ok_or_else(|| "no run of check or repair is on record yet".to_owned());
    };
    if let Some(run) = catalog.run(id).map_err(told)? {
        return Ok(run);
    }
    let known: Vec<String> =
        runs.iter().take(10).map(|run| format!("{} ({})", run.run_id, run.started_at)).collect();
    Err(format!(
        "no run, or more than one, has an id that begins with {id:?}; the latest are {}",
        words::list(&known)
    ))
}

/// The run before this one.
fn one_before(catalog: &Catalog, run: &RunRecord) -> Result<RunRecord, String> {
    let runs = catalog.runs().map_err(told)?.into_iter();
    let older = runs.skip_while(|known| known.run_id != run.run_id).nth(1);
    older.ok_or_else(|| format!("--since last: no run before {} is on record", run.run_id))
}

/// The run's NDJSON: its first line, findings and repairs, its last line where it came to an end.
fn lines(catalog: &Catalog, run: &RunRecord) -> Result<Vec<String>, String> {
    chosen(catalog, run, |kind| matches!(kind, LineKind::Finding | LineKind::Repair))
}

/// The same with what only a page shows.
fn every_line(catalog: &Catalog, run: &RunRecord) -> Result<Vec<String>, String> {
    chosen(catalog, run, |_| true)
}

fn chosen(
    catalog: &Catalog,
    run: &RunRecord,
    choice: impl Fn(LineKind) -> bool,
) -> Result<Vec<String>, String> {
    let mut lines = vec![run.header.clone()];
    let each = |line: RunLine| lines.extend(choice(line.kind).then_some(line.text));
    catalog.run_lines(&run.run_id, each).map_err(told)?;
    lines.extend(run.end.as_ref().map(|end| end.summary.clone()));
    Ok(lines)
}

/// What the catalog adds to a page: when files were verified last, as it is now, and the runs up to this one.
pub fn history(catalog: &Catalog, run: Option<&RunRecord>) -> Result<History, String> {
    let days = catalog.coverage().map_err(told)?;
    let newest = catalog.runs().map_err(told)?;
    let until = newest.into_iter().skip_while(|past| run.is_some_and(|run| run.run_id != past.run_id));
    let past = |record: RunRecord| {
        let RunRecord { start, end } = record;
        let past = PastRun {
            id: start.run_id,
            started_at: start.started_at,
            command: start.command,
            ..PastRun::default()
        };
        match end {
            Some(end) => PastRun { exit: Some(end.exit), ..past.counted(&end.summary) },
            None => past,
        }
    };
    let mut runs: Vec<PastRun> = until.map(past).collect();
    runs.reverse();
    Ok(History { days, runs })
}

fn findings(catalog: &Catalog, run: &RunRecord) -> Result<Vec<Finding>, String> {
    let mut replay = Replay::new(Verbosity::Normal, None);
    let mut found = Vec::new();
    for line in lines(catalog, run)? {
        found.extend(replay.line(&line)?);
    }
    Ok(found)
}

/// Writes to a file or standard output. Who closed standard output has read enough.
fn to_target(
    target: &Target,
    option: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), String> {
    let result = match target {
        Target::Stdout => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out).and_then(|()| out.flush())
        }
        Target::File(path) => File::create(path).and_then(|file| {
            let mut out = BufWriter::new(file);
            write(&mut out).and_then(|()| out.flush())
        }),
    };
    let name = match target {
        Target::Stdout => "standard output".to_owned(),
        Target::File(path) => display_path(path),
    };
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("{option} to {name}: {error}"))
        }
        _ => Ok(()),
    }
}

/// Looks after the catalog.
pub fn state(action: &StateAction) -> ExitStatus {
    match try_state(action) {
        Ok(Some(text)) => {
            print(&text, action.color, false);
            ExitStatus::CLEAN
        }
        Ok(None) => ExitStatus::CLEAN,
        Err(message) => failure(&message),
    }
}

/// Does it and gives what is to be told.
fn try_state(action: &StateAction) -> Result<Option<String>, String> {
    let folder = &action.state;
    match &action.what {
        StateWhat::Show => {
            let catalog = open(folder)?;
            let overview = catalog.overview().map_err(told)?;
            let runs = catalog.runs().map_err(told)?;
            Ok(Some(show(folder, &overview, &runs)))
        }
        StateWhat::Export(target) => {
            let catalog = open(folder)?;
            let mut count = 0;
            to_target(target, "export", |mut out| {
                count = catalog.export(&mut out).map_err(|error| io::Error::other(error.to_string()))?;
                Ok(())
            })?;
            let files = words::counted(count, "file", "files");
            Ok((*target != Target::Stdout).then(|| format!("The manifest holds {files}.\n")))
        }
        StateWhat::Prune => {
            let catalog = Catalog::open(folder, "state prune").map_err(told)?;
            // Not by a wall clock that is decades ahead: that would forget everything.
            let now = Timestamp::now().as_second();
            let now = catalog.latest().map_err(told)?.map_or(now, |latest| now.min(latest));
            let limit = now - FORGET_AFTER_DAYS * 86_400;
            let pruned = catalog.prune(limit, RETAINED_RUNS).map_err(told)?;
            Ok(Some(format!(
                "Forgot {} that no run has verified for a year, and {}.\n",
                words::counted(pruned.files, "file", "files"),
                words::counted(pruned.runs, "old run", "old runs")
            )))
        }
        StateWhat::Rebase { old, new } => {
            let catalog = Catalog::open(folder, "state rebase").map_err(told)?;
            let moved = catalog.rebase(old, new).map_err(told)?;
            Ok(Some(format!(
                "{} known below {} are now known below {}.\n",
                words::counted(moved, "file", "files"),
                display_path(old),
                display_path(new)
            )))
        }
    }
}

fn show(folder: &Path, overview: &Overview, runs: &[RunRecord]) -> String {
    let moment = |seconds: Option<i64>| {
        seconds
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .map_or("never".to_owned(), |then| then.to_string())
    };
    let mut text = format!(
        "Catalog    {} ({})\nFiles      {} in {}, {}\n",
        display_path(&folder.join(crate::catalog::FILE_NAME)),
        words::bytes(overview.database_bytes),
        words::count(overview.files),
        words::counted(overview.folders, "folder", "folders"),
        words::bytes(overview.bytes)
    );
    for (verdict, count) in &overview.verdicts {
        let _ = writeln!(text, "           {} {verdict}", words::count(*count));
    }
    let _ =
        writeln!(text, "Verified   oldest {}, newest {}", moment(overview.oldest), moment(overview.newest));
    for run in runs {
        let end = match &run.end {
            Some(end) if end.complete => format!("complete, exit {}", end.exit),
            Some(end) => format!("not complete, exit {}", end.exit),
            None => "killed, or still going on".to_owned(),
        };
        let _ = writeln!(text, "Run        {} {} {}: {end}", run.run_id, run.started_at, run.command);
    }
    text
}
