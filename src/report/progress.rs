//! How far a run is: bars on a terminal, a sign of life every minute elsewhere.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::words::{bytes, count, duration};
use super::{Verbosity, When};
use crate::model::Stage;

/// Between two signs of life where there is no terminal.
const QUIET: Duration = Duration::from_mins(1);
/// The same with `--progress always`.
const TALKATIVE: Duration = Duration::from_secs(10);

const COUNTED: &str = "{prefix:<9} {human_pos:>9}                        {elapsed}  {msg}";
const MEASURED: &str = "{prefix:<9} {human_pos:>9}/{human_len} {wide_bar} {msg}";

/// What has happened in one stage.
#[derive(Clone, Copy, Debug)]
struct Counter {
    stage: Stage,
    started: Instant,
    items: u64,
    of_items: Option<u64>,
    bytes: u64,
    of_bytes: Option<u64>,
}

impl Counter {
    fn new(stage: Stage) -> Self {
        Self { stage, started: Instant::now(), items: 0, of_items: None, bytes: 0, of_bytes: None }
    }

    /// Bytes, rate and time left, as far as they are known.
    fn detail(&self, elapsed: f64) -> String {
        let mut text = String::new();
        if self.bytes > 0 {
            let _ = write!(text, "{}", bytes(self.bytes));
            if elapsed >= 1.0 {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
                let rate = (self.bytes as f64 / elapsed) as u64;
                let _ = write!(text, ", {}/s", bytes(rate));
            }
        }
        if let Some(left) = self.seconds_left(elapsed) {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}about {} left", duration(left));
        }
        text
    }

    /// By bytes where they are known: a video takes longer than a thumbnail.
    fn seconds_left(&self, elapsed: f64) -> Option<f64> {
        let (done, of) = match (self.of_bytes, self.of_items) {
            (Some(of), _) if of > 0 => (self.bytes, of),
            (_, Some(of)) if of > 0 => (self.items, of),
            _ => return None,
        };
        if done == 0 || elapsed < 2.0 {
            return None;
        }
        Some(of.saturating_sub(done) as f64 / done as f64 * elapsed)
    }

    fn sign_of_life(&self, elapsed: f64) -> String {
        let mut line = format!("{}: {}", verb(self.stage), count(self.items));
        if let Some(of) = self.of_items {
            let _ = write!(line, " of {}", count(of));
        }
        line.push_str(unit(self.stage));
        let detail = self.detail(elapsed);
        if !detail.is_empty() {
            let _ = write!(line, ", {detail}");
        }
        line
    }
}

const fn verb(stage: Stage) -> &'static str {
    match stage {
        Stage::Records => "reading the records",
        Stage::Walk => "walking",
        Stage::Verify => "verifying",
    }
}

const fn prefix(stage: Stage) -> &'static str {
    match stage {
        Stage::Records => "records",
        Stage::Walk => "walk",
        Stage::Verify => "verify",
    }
}

const fn unit(stage: Stage) -> &'static str {
    match stage {
        Stage::Records => " rows",
        Stage::Walk | Stage::Verify => " files",
    }
}

/// Shows progress on standard error, or does not.
pub struct Progress {
    bars: Option<MultiProgress>,
    shown: Vec<(Counter, ProgressBar)>,
    /// Between signs of life, where they are wanted.
    every: Option<Duration>,
    spoke: Instant,
    redrawn: Instant,
}

impl Progress {
    /// Bars where standard error is a terminal, signs of life elsewhere, nothing when told to be quiet.
    pub fn new(when: When, verbosity: Verbosity) -> Self {
        let wanted = match when {
            When::Never => false,
            When::Always => true,
            When::Auto => verbosity != Verbosity::Quiet,
        };
        let terminal = std::io::stderr().is_terminal();
        let every = if when == When::Always { TALKATIVE } else { QUIET };
        let now = Instant::now();
        Self {
            bars: (wanted && terminal).then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())),
            shown: Vec::new(),
            every: (wanted && !terminal).then_some(every),
            spoke: now,
            redrawn: now,
        }
    }

    /// A stage begins, or more is known about it.
    pub fn stage(&mut self, stage: Stage, items: Option<u64>, bytes: Option<u64>) {
        let (counter, bar) = self.entry(stage);
        counter.of_items = items.or(counter.of_items);
        counter.of_bytes = bytes.or(counter.of_bytes);
        if let Some(items) = counter.of_items {
            bar.set_length(items);
            if let Ok(style) = ProgressStyle::with_template(MEASURED) {
                bar.set_style(style);
            }
        }
    }

    /// So many more items and bytes.
    pub fn advance(&mut self, stage: Stage, items: u64, bytes: u64) {
        let redraw = self.redrawn.elapsed() >= Duration::from_millis(200);
        let (counter, bar) = self.entry(stage);
        counter.items += items;
        counter.bytes += bytes;
        bar.inc(items);
        if redraw {
            bar.set_message(counter.detail(counter.started.elapsed().as_secs_f64()));
            self.redrawn = Instant::now();
        }
    }

    fn entry(&mut self, stage: Stage) -> (&mut Counter, &mut ProgressBar) {
        let place = self.shown.iter().position(|(counter, _)| counter.stage == stage).unwrap_or_else(|| {
            let bar = match &self.bars {
                Some(bars) => bars.add(ProgressBar::new_spinner()),
                None => ProgressBar::hidden(),
            };
            if let Ok(style) = ProgressStyle::with_template(COUNTED) {
                bar.set_style(style);
            }
            bar.set_prefix(prefix(stage));
            self.shown.push((Counter::new(stage), bar));
            self.shown.len() - 1
        });
        #[allow(clippy::indexing_slicing, reason = "the place was just found or made")]
        let (counter, bar) = &mut self.shown[place];
        (counter, bar)
    }

    /// Called every second: redraws, and gives a sign of life when it is due.
    pub fn tick(&mut self) -> Option<String> {
        for (_, bar) in &self.shown {
            bar.tick();
        }
        let every = self.every?;
        if self.spoke.elapsed() < every {
            return None;
        }
        self.spoke = Instant::now();
        let (counter, _) = self.shown.last()?;
        Some(counter.sign_of_life(counter.started.elapsed().as_secs_f64()))
    }

    /// Prints without the bars getting in the way.
    pub fn suspend(&self, print: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    /// Takes the bars away.
    pub fn finish(&mut self) {
        for (_, bar) in self.shown.drain(..) {
            bar.finish_and_clear();
        }
        self.every = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_life_says_how_far_and_how_long() {
        let mut counter = Counter::new(Stage::Verify);
        counter.items = 1200;
        counter.of_items = Some(5000);
        counter.bytes = 10 << 30;
        counter.of_bytes = Some(40 << 30);
        assert_eq!(
            counter.sign_of_life(100.0),
            "verifying: 1,200 of 5,000 files, 10 GiB, 102 MiB/s, about 5 min 0 s left"
        );
        assert_eq!(Counter::new(Stage::Walk).sign_of_life(0.0), "walking: 0 files");
    }
}
