//! `bench`: the measures, told as they come.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{failure, signals};
use crate::bench::{BenchConfig, bench};
use crate::engine::Cancel;
use crate::model::{Measure, RunInfo, display_path};
use crate::report::ndjson::{RunLine, to_text};
use crate::report::{ExitStatus, Target, Verbosity, bench as page, print, tell};

/// `photofsck bench`
#[derive(Debug)]
pub struct BenchAction {
    /// What is measured.
    pub config: BenchConfig,
    /// Where the result is kept.
    pub out: Option<PathBuf>,
    /// An earlier result to compare with.
    pub against: Option<PathBuf>,
    /// How it is told.
    pub options: crate::report::Options,
}

/// Measures, tells and keeps the result.
pub fn run(action: &BenchAction) -> ExitStatus {
    match try_run(action) {
        Ok(status) => status,
        Err(message) => failure(&message),
    }
}

fn try_run(action: &BenchAction) -> Result<ExitStatus, String> {
    let earlier = action.against.as_deref().map(read).transpose()?;
    let cancel = Cancel::new();
    signals::listen(&cancel).map_err(|error| format!("signal handlers: {error}"))?;
    let options = &action.options;
    let talkative = options.verbosity != Verbosity::Quiet && options.json != Some(Target::Stdout);
    let mut progress = |measure: &Measure| {
        if talkative {
            tell(&format!("measured {}", measure.name), options.color);
        }
    };
    let started = RunInfo {
        run_id: crate::engine::run_id(jiff::Timestamp::now()),
        started_at: crate::engine::now(),
        command: "bench".to_owned(),
        media: action.config.media.clone(),
        ..RunInfo::default()
    };
    let measures = bench(&action.config, &cancel, &mut progress).map_err(|error| error.to_string())?;
    let lines: Vec<String> =
        std::iter::once(to_text(&RunLine(&started))).chain(measures.iter().map(to_text)).collect();
    for (option, target) in
        [("--json", options.json.clone()), ("--out", action.out.clone().map(Target::File))]
    {
        if let Some(target) = target {
            write(&target, &lines).map_err(|error| format!("{option} {}: {error}", name(&target)))?;
        }
    }
    if options.json != Some(Target::Stdout) {
        print(&page::page(&measures, earlier.as_ref()), options.color, false);
    }
    Ok(if cancel.is_requested() { ExitStatus::CANCELLED } else { ExitStatus::CLEAN })
}

fn read(path: &Path) -> Result<BTreeMap<String, Measure>, String> {
    let what = |error: &dyn std::fmt::Display| {
        format!(
            "--against {}: {error}; expected a file that `photofsck bench --out FILE` wrote",
            display_path(path)
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| what(&error))?;
    page::read(&text).map_err(|error| what(&error))
}

fn name(target: &Target) -> String {
    match target {
        Target::Stdout => "standard output".to_owned(),
        Target::File(path) => display_path(path),
    }
}

fn write(target: &Target, lines: &[String]) -> io::Result<()> {
    let mut out: Box<dyn Write> = match target {
        Target::Stdout => Box::new(io::stdout().lock()),
        Target::File(path) => Box::new(BufWriter::new(File::create(path)?)),
    };
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}
