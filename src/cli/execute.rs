//! A run of the engine from start to end: signals, reports, exit status.

use std::ffi::OsStr;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::args::LogFormat;
use super::ping::PingUrl;
use super::resolve::{Run, Watchers};
use super::signals::listen;
use super::{failure, stored, usage};
use crate::catalog::Catalog;
use crate::engine::record::Record;
use crate::engine::{self, Cancel, Config, RunEnd, RunError, record};
use crate::model::{Event, EventSink};
use crate::report::ndjson::{self, SummaryLine};
use crate::report::{ExitStatus, Policy, Reporter, Scope, Summary, tell, text};

/// Runs the engine and tells what came of it.
pub fn run(run: Run) -> ExitStatus {
    start_log(run.log);
    let color = run.options.color;
    let complain = |message: &str| tell(&text::error_line(message), color);
    // Threads and processes that are started later inherit it.
    if run.step_back.unwrap_or_else(|| !std::io::stderr().is_terminal()) {
        let refused = engine::step_back();
        if run.step_back.is_some() && !refused.is_empty() {
            complain(&format!("--io idle: the system refuses {}", refused.join("; ")));
        }
    }
    let cancel = Cancel::new();
    if let Err(error) = listen(&cancel) {
        return failure(&format!("signal handlers: {error}"));
    }
    let recorded = (run.options.policy.clone(), run.options.scope);
    let reporter = match Reporter::new(run.options) {
        Ok(reporter) => reporter,
        Err(message) => return usage(&message),
    };
    let Watchers { notify, ping } = run.watchers;
    let begun = ping.as_ref().map(PingUrl::start);
    let outcome = record::outcome(&engine(&run.config, &reporter, recorded, &cancel));
    let finished = reporter.finish(outcome);
    let summary = summary_line(&finished.summary);
    let told = notify.map(|command| notify_command(&command, &summary));
    let begun = begun.map(|begun| begun.join().unwrap_or(Ok(())));
    let ended = ping.map(|url| url.end(finished.status.code(), &summary));
    for message in [told, begun, ended].into_iter().flatten().filter_map(Result::err) {
        complain(&message);
    }
    finished.status
}

/// The one place where the engine is called.
fn engine(
    config: &Config,
    sink: &Reporter,
    recorded: (Policy, Scope),
    cancel: &Cancel,
) -> Result<RunEnd, RunError> {
    let open = |state: &Path| {
        Catalog::open(state, config.command()).map_err(|error| RunError::catalog(error.to_string()))
    };
    let with_catalog = |state: &Path, run: &dyn Fn(&Catalog, &dyn EventSink) -> Result<RunEnd, RunError>| {
        let catalog = open(state)?;
        let record = Record::new(sink, &catalog, recorded.0, recorded.1);
        let result = run(&catalog, &record);
        record.finish(&result);
        if sink.wants_metrics()
            && let Ok(overview) = catalog.overview()
        {
            sink.remember_oldest(overview.oldest);
        }
        if sink.wants_page() {
            match stored::history(&catalog, None) {
                Ok(history) => sink.remember(history),
                Err(error) => sink.send(Event::Note(format!("the page lacks its time line: {error}"))),
            }
        }
        result
    };
    match config {
        Config::Verify(config) => match &config.state {
            Some(state) => {
                with_catalog(state, &|catalog, sink| engine::verify(config, Some(catalog), sink, cancel))
            }
            None => engine::verify(config, None, sink, cancel),
        },
        Config::Render(config) => engine::render(config, sink, cancel),
        Config::Undo(config) => engine::undo(config, sink, cancel),
        Config::Check(config) => {
            with_catalog(&config.state, &|catalog, sink| engine::check(config, catalog, sink, cancel))
        }
        Config::Repair(config) => {
            with_catalog(&config.check.state, &|catalog, sink| engine::repair(config, catalog, sink, cancel))
        }
    }
}

/// Log lines go to standard error; `PHOTOFSCK_LOG` says which.
fn start_log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("PHOTOFSCK_LOG")
        .with_default_directive(tracing_subscriber::filter::LevelFilter::WARN.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only if there is a logger already.
    let _ = match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// The summary as a line of NDJSON.
fn summary_line(summary: &Summary) -> Vec<u8> {
    let mut json = ndjson::to_text(&SummaryLine(summary)).into_bytes();
    json.push(b'\n');
    json
}

/// Runs a shell command with the summary on its standard input. What it does never changes the exit status.
fn notify_command(command: &OsStr, summary: &[u8]) -> Result<(), String> {
    let shown = command.to_string_lossy();
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("--notify-command {shown:?}: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input is none the worse for it.
        let _ = stdin.write_all(summary);
    }
    let status = child.wait().map_err(|error| format!("--notify-command {shown:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("--notify-command {shown:?} ended with {status}")) }
}
