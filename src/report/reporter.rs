//! Takes every event of a run once and hands it to everybody who tells something.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anstream::AutoStream;

use super::collect::Collected;
use super::html::{self, Gathered, History, Sheet};
use super::ndjson::{FindingLine, ItemLine, Ndjson, RepairLine, RunLine, SummaryLine, Target};
use super::progress::Progress;
use super::summary::{Outcome, Summary};
use super::text::{self, Page};
use super::{ExitStatus, Options, Verbosity, When, metrics};
use crate::model::{Event, EventSink, RunInfo, Stage, display_path, shell_word};

/// A run that is over and told.
#[derive(Debug)]
pub struct Finished {
    /// What was counted.
    pub summary: Summary,
    /// What the process ends with.
    pub status: ExitStatus,
    /// The text for people, without styles.
    pub text: String,
}

/// The sink of a run's events.
pub struct Reporter {
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
    started: Instant,
    /// Whether somebody reads `item` lines.
    items: bool,
    /// Whether a page is wanted.
    page: bool,
}

struct Shared {
    state: Mutex<State>,
    stop: Mutex<bool>,
    wake: Condvar,
}

struct State {
    options: Options,
    summary: Summary,
    collected: Collected,
    /// What the page shows, if one is wanted.
    gathered: Option<Gathered>,
    history: History,
    oldest: Option<i64>,
    ndjson: Option<Ndjson>,
    progress: Progress,
}

impl Reporter {
    /// Opens everything that will be written, so that a wrong path is told before the run begins.
    ///
    /// # Errors
    /// A file cannot be made; the message names the option and the file.
    pub fn new(options: Options) -> Result<Self, String> {
        let ndjson = options.json.clone().map(Ndjson::open).transpose()?;
        for (option, path) in [("--html", &options.html), ("--metrics", &options.metrics)] {
            let folder = path.as_deref().and_then(std::path::Path::parent);
            if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
                return Err(format!("{option}: there is no folder {}", display_path(folder)));
            }
        }
        let progress = Progress::new(options.progress, options.verbosity);
        Ok(Self::with(options, ndjson, progress))
    }

    fn with(options: Options, ndjson: Option<Ndjson>, progress: Progress) -> Self {
        let summary = Summary::new(options.policy.clone(), options.scope);
        let (items, page) = (options.items && ndjson.is_some(), options.html.is_some());
        let gathered = page.then(Gathered::default);
        let (collected, history) = (Collected::default(), History::default());
        let state = State { options, summary, collected, gathered, history, oldest: None, ndjson, progress };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), stop: Mutex::new(false), wake: Condvar::new() });
        let for_ticker = Arc::clone(&shared);
        // Without this thread the bars merely move less often.
        let ticker = std::thread::Builder::new().name("ticker".into()).spawn(move || for_ticker.tick()).ok();
        Self { shared, ticker, started: Instant::now(), items, page }
    }

    /// Takes what the catalog adds to the page.
    pub fn remember(&self, history: History) {
        self.shared.lock().history = history;
    }

    /// Whether metrics are to be written.
    pub fn wants_metrics(&self) -> bool {
        self.shared.lock().options.metrics.is_some()
    }

    /// Takes what the catalog adds to the metrics: when the file was verified that waits longest, in seconds since 1970.
    pub fn remember_oldest(&self, oldest: Option<i64>) {
        self.shared.lock().oldest = oldest;
    }

    /// Ends the run: writes what is still to be written and tells people the result.
    pub fn finish(mut self, outcome: Outcome) -> Finished {
        self.stop_ticker();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        state.close(outcome, self.started.elapsed().as_secs_f64());
        let text = state.page();
        let to_stderr = state.options.json == Some(Target::Stdout);
        print(&text, state.options.color, to_stderr);
        let summary = std::mem::take(&mut state.summary);
        Finished { status: summary.exit(), summary, text: anstream::adapter::strip_str(&text).to_string() }
    }

    fn stop_ticker(&mut self) {
        *self.shared.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.stop_ticker();
        let mut state = self.shared.lock();
        state.progress.finish();
        if let Some(ndjson) = &mut state.ndjson {
            ndjson.flush();
        }
    }
}

impl EventSink for Reporter {
    fn send(&self, event: Event) {
        self.shared.lock().take(&event);
    }

    fn wants_items(&self) -> bool {
        self.items
    }

    fn wants_page(&self) -> bool {
        self.page
    }
}

impl Shared {
    /// A thread that panicked elsewhere must not keep the others from telling what they found.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stop {
            (stop, _) =
                self.wake.wait_timeout(stop, Duration::from_secs(1)).unwrap_or_else(PoisonError::into_inner);
            if *stop {
                return;
            }
            let mut state = self.lock();
            if let Some(ndjson) = &mut state.ndjson {
                ndjson.flush_old();
            }
            if let Some(line) = state.progress.tick() {
                tell(&format!("photofsck {}: {line}", state.options.command), state.options.color);
            }
        }
    }
}

impl State {
    fn take(&mut self, event: &Event) {
        self.summary.take(event);
        let known = match event {
            Event::Finding(finding) | Event::EntryError(finding) => self.summary.is_known(finding),
            _ => false,
        };
        self.collected.take(event, known);
        if let Some(gathered) = &mut self.gathered {
            gathered.take(event, known);
        }
        self.write_line(event);
        match event {
            Event::Stage { stage, items, bytes } => self.progress.stage(*stage, *items, *bytes),
            Event::Progress { stage, items, bytes } => self.progress.advance(*stage, *items, *bytes),
            Event::Checked(item) => {
                self.progress.advance(Stage::Verify, 1, item.bytes);
                if self.options.verbosity == Verbosity::Verbose {
                    for hint in &item.hints {
                        self.tell(&format!("{}: {hint}", display_path(&item.path)));
                    }
                }
            }
            Event::CheckedMany(checked) => {
                self.progress.advance(Stage::Verify, checked.count(), checked.bytes);
            }
            Event::Run(run) => self.announce(run),
            Event::Note(note) => self.say(note),
            Event::Finding(finding) | Event::EntryError(finding)
                if self.options.verbosity == Verbosity::Verbose =>
            {
                self.tell(&text::finding_line(finding));
            }
            _ => {}
        }
    }

    /// One line among the progress.
    fn tell(&self, line: &str) {
        let to_stderr = self.options.json == Some(Target::Stdout);
        self.progress.suspend(|| print(&format!("{line}\n"), self.options.color, to_stderr));
    }

    fn write_line(&mut self, event: &Event) {
        let Some(ndjson) = &mut self.ndjson else { return };
        match event {
            Event::Run(run) => {
                ndjson.line(&RunLine(run));
                ndjson.flush();
            }
            Event::Checked(item) if self.options.items => {
                ndjson.line(&ItemLine { item, rendered: self.options.command == "render" });
            }
            Event::Finding(finding) | Event::EntryError(finding) => ndjson.line(&FindingLine(finding)),
            Event::Repair(repair) => ndjson.line(&RepairLine(repair)),
            _ => {}
        }
    }

    /// What a person wants to know while the run goes on: which records, which map.
    fn announce(&self, run: &RunInfo) {
        if let Some(media) = &run.media {
            self.say(&format!("media location {}", display_path(media)));
        }
        if let Some(records) = &run.records {
            self.say(&format!("records: {}", records.source));
        }
        for entry in run.map.iter().filter(|entry| entry.guessed) {
            self.say(&format!(
                "guessed --map {}={}",
                display_path(&entry.container),
                display_path(&entry.host)
            ));
        }
        for note in &run.notes {
            self.say(note);
        }
    }

    /// A line on standard error, unless nobody wants to see the run go on.
    fn say(&self, line: &str) {
        if self.options.verbosity != Verbosity::Quiet && self.options.progress != When::Never {
            self.progress.suspend(|| tell(line, self.options.color));
        }
    }

    /// Writes all reports. An error of one makes the run unfinished, and the later ones and the text tell it.
    fn close(&mut self, outcome: Outcome, seconds: f64) {
        self.progress.finish();
        self.summary.close(outcome, seconds);
        if let Some(path) = self.options.metrics.clone()
            && let Err(error) = metrics::write(&path, &self.summary, self.oldest)
        {
            self.summary.report_errors.push(error);
        }
        if let Some(path) = self.options.html.clone()
            && let Err(error) = html::write(&path, &self.sheet())
        {
            self.summary.report_errors.push(error);
        }
        let Some(ndjson) = &mut self.ndjson else { return };
        ndjson.line(&SummaryLine(&self.summary));
        ndjson.flush();
        match ndjson.error() {
            Some((message, true)) => self.collected.notes.push(message),
            Some((message, false)) => self.summary.report_errors.push(message),
            None => {}
        }
    }

    /// The page; without rows if nobody wanted one when the run began.
    fn sheet(&self) -> String {
        Sheet {
            summary: &self.summary,
            collected: &self.collected,
            gathered: self.gathered.as_ref().unwrap_or(&Gathered::default()),
            history: &self.history,
            command: self.options.command,
            state: self.options.state.as_deref(),
            now: jiff::Timestamp::now(),
        }
        .render()
    }

    fn page(&self) -> String {
        Page {
            summary: &self.summary,
            collected: &self.collected,
            command: self.options.command,
            verbosity: self.options.verbosity,
            files: written(&self.options),
            again: Some(again(&self.options)),
            width: width(),
            now: jiff::Timestamp::now(),
        }
        .render()
    }
}

/// The files that hold more than the text.
/// The command that shows runs again.
fn again(options: &Options) -> String {
    let state = options.state.as_ref().map(|state| format!(" --state {}", shell_word(state)));
    format!("photofsck report{}", state.unwrap_or_default())
}

fn written(options: &Options) -> Vec<(&'static str, String)> {
    let mut files = Vec::new();
    if let Some(Target::File(path)) = &options.json {
        files.push(("Full report", display_path(path)));
    }
    if let Some(path) = &options.html {
        files.push(("Page", display_path(path)));
    }
    if let Some(path) = &options.metrics {
        files.push(("Metrics", display_path(path)));
    }
    files
}

/// Columns to write for: the terminal's, within what is comfortable to read.
pub fn width() -> usize {
    let columns = terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0));
    columns.clamp(40, 120)
}

/// Which styles a stream gets.
pub const fn color_choice(when: When) -> anstream::ColorChoice {
    match when {
        When::Auto => anstream::ColorChoice::Auto,
        When::Always => anstream::ColorChoice::Always,
        When::Never => anstream::ColorChoice::Never,
    }
}

/// Prints styled text. Who closed the stream does not want it: that is no error.
pub fn print(text: &str, color: When, to_stderr: bool) {
    let choice = color_choice(color);
    let _ = if to_stderr {
        AutoStream::new(std::io::stderr().lock(), choice).write_all(text.as_bytes())
    } else {
        let mut out = AutoStream::new(std::io::stdout().lock(), choice);
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    };
}

/// Prints one line on standard error.
pub fn tell(line: &str, color: When) {
    print(&format!("{line}\n"), color, true);
}
