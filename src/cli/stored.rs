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
use crate::report::{Baseline, ExitStatus, Replay, Target, Verbosity, csv, print, words};

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
    let mut stored = Stored { catalog: &catalog, run: &run, page: false };
    if let Some(target) = &action.options.json {
        to_target(target, "--json", |out| stored.each(&mut |line| writeln!(out, "{line}")))?;
    }
    if let Some(target) = &action.csv {
        to_target(target, "--csv", |out| {
            csv::head(out)?;
            stored.each_finding(&mut |finding| csv::row(out, finding))
        })?;
    }
    let verbosity = action.options.verbosity;
    let comparison =
        since.as_ref().map(|since| Change::between(&catalog, since, &run, verbosity)).transpose();
    let comparison = comparison.map_err(|error| error.to_string())?;
    let (known, compared) = comparison.unzip();
    stored.page = action.html.is_some();
    let mut replay = Replay::new(verbosity, known);
    stored
        .each(&mut |line| replay.line(line).map(drop).map_err(io::Error::other))
        .map_err(|error| error.to_string())?;
    replay.close();
    if let Some(target) = &action.html {
        let page = replay.sheet(&history(&catalog, Some(&run))?, action.options.state.as_deref());
        to_target(target, "--html", |out| out.write_all(page.as_bytes()))?;
    }
    let to_stdout = [action.options.json.as_ref(), action.csv.as_ref(), action.html.as_ref()];
    if !to_stdout.contains(&Some(&Target::Stdout)) {
        print(&(compared.unwrap_or_default() + &replay.page()), action.options.color, false);
    }
    Ok(ExitStatus::CLEAN)
}

/// The lines of a run in the catalog. They are read anew for each purpose: of a library that lost everything there are millions.
struct Stored<'a> {
    catalog: &'a Catalog,
    run: &'a RunRecord,
    /// With what only a page shows.
    page: bool,
}

impl Stored<'_> {
    /// The run's NDJSON: its first line, findings and repairs, its last line where it came to an end.
    fn each(&self, take: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        take(&self.run.header)?;
        let mut done = Ok(());
        let each = |line: RunLine| {
            if done.is_ok() && (self.page || matches!(line.kind, LineKind::Finding | LineKind::Repair)) {
                done = take(&line.text);
            }
        };
        self.catalog.run_lines(&self.run.run_id, each).map_err(|error| io::Error::other(told(error)))?;
        done?;
        self.run.end.as_ref().map_or(Ok(()), |end| take(&end.summary))
    }

    fn each_finding(&self, take: &mut dyn FnMut(&Finding) -> io::Result<()>) -> io::Result<()> {
        let mut replay = Replay::new(Verbosity::Normal, None);
        self.each(&mut |line| match replay.line(line).map_err(io::Error::other)? {
            Some(finding) => take(&finding),
            None => Ok(()),
        })
    }

    /// The findings as a baseline.
    fn known(&self) -> io::Result<Baseline> {
        let mut known = Baseline::default();
        self.each_finding(&mut |finding| {
            known.add(finding);
            Ok(())
        })?;
        Ok(known)
    }
}

/// Findings that one run has and another has not: how many, and the first of them by name.
#[derive(Default)]
struct Change {
    number: u64,
    first: Vec<String>,
}

impl Change {
    /// The findings of the earlier run, and in words what is new, gone and standing since.
    fn between(
        catalog: &Catalog,
        since: &RunRecord,
        run: &RunRecord,
        verbosity: Verbosity,
    ) -> io::Result<(Baseline, String)> {
        let (before, now) =
            (Stored { catalog, run: since, page: false }, Stored { catalog, run, page: false });
        let most = if verbosity == Verbosity::Verbose { usize::MAX } else { 20 };
        let (old, current) = (before.known()?, now.known()?);
        let (new, all) = Self::of(&now, &old, most)?;
        let (gone, _) = Self::of(&before, &current, most)?;
        let mut text = format!(
            "Since run {} of {}: {} new, {} gone, {} standing.\n",
            since.run_id,
            since.started_at,
            words::counted(new.number, "finding", "findings"),
            words::count(gone.number),
            words::count(all - new.number),
        );
        for (word, change) in [("new ", &new), ("gone", &gone)] {
            change.first.iter().for_each(|line| text.extend(["  ", word, " ", line, "\n"]));
            let more = change.number - change.first.len() as u64;
            if more > 0 {
                let _ = writeln!(text, "  {word} and {more} more; -v lists every one");
            }
        }
        text.push('\n');
        Ok((old, text))
    }

    /// Of the findings of a run those that are not known, and how many there are in all.
    fn of(run: &Stored<'_>, known: &Baseline, most: usize) -> io::Result<(Self, u64)> {
        let (mut change, mut all) = (Self::default(), 0);
        run.each_finding(&mut |finding| {
            all += 1;
            if !known.knows(finding) {
                change.number += 1;
                if change.first.len() < most {
                    let path = finding.path.as_deref().or(finding.record_path.as_deref());
                    let code: Code = finding.code;
                    change.first.push(format!("{code} {}", path.map(display_path).unwrap_or_default()));
                }
            }
            Ok(())
        })?;
        Ok((change, all))
    }
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
