//! File systems on which a call may never come back, since a server or a program stands behind them: each call there is made in a
//! thread of its own and waited for so long and no longer.
//!
//! A share that has let one call wait too long hangs: nothing more is asked of it until that call comes back.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::deadline::{self, Late, Pulse};
use super::mounted::{Mount, of};
use crate::engine::Cancel;
use crate::immich::mounts::GuardError;
use crate::model::display_path;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// The share hangs: in words.
    Hangs {
        /// Which share, and for how long it was waited for.
        words: String,
        /// It was asked and waited for; else it was known to hang.
        asked: bool,
    },
    /// The run is to stop.
    Cancelled,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hangs { words, .. } => f.write_str(words),
            Self::Cancelled => f.write_str("the run is to stop"),
        }
    }
}

/// What is known of one share.
#[derive(Debug, Default)]
struct State {
    /// Calls that have been given up and have not come back.
    overdue: AtomicU32,
    /// It has hung at some time in this run.
    hung: AtomicBool,
    told: AtomicBool,
}

/// The shares of this machine.
#[derive(Default)]
pub(super) struct Shares {
    mounts: Vec<Mount>,
    states: Vec<Arc<State>>,
    /// Folders of the run that are links, and where they lead.
    links: Mutex<Vec<(PathBuf, PathBuf)>>,
    patience: Duration,
    cancel: Cancel,
}

/// States of a call: who is first, it or the end of patience?
const RUNNING: u8 = 0;
const BACK: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Longer chains of links lead nowhere.
const LINKS: usize = 16;

impl Shares {
    /// Of these mounts those that may hang; without one of these nothing here costs anything.
    pub(super) fn new(mounts: Vec<Mount>, patience: Duration, cancel: Cancel) -> Self {
        let mounts = if mounts.iter().any(Mount::may_hang) { mounts } else { Vec::new() };
        let states = mounts.iter().map(|_| Arc::default()).collect();
        Self { mounts, states, links: Mutex::default(), patience, cancel }
    }

    /// Follows a folder of the run if it is a link, without a call on what may hang.
    pub(super) fn follow(&self, folder: &Path) {
        if self.mounts.is_empty() {
            return;
        }
        let mut at = folder.to_path_buf();
        for _ in 0..LINKS {
            if self.number(&at).is_some() {
                break;
            }
            let above = at.parent().and_then(|above| above.canonicalize().ok());
            if let (Some(above), Some(name)) = (above, at.file_name()) {
                at = above.join(name);
            }
            match std::fs::read_link(&at) {
                Ok(to) => at = at.parent().unwrap_or(Path::new("/")).join(to),
                Err(_) => break,
            }
        }
        if at != folder {
            self.links.lock().unwrap_or_else(PoisonError::into_inner).push((folder.to_path_buf(), at));
        }
    }

    /// The share that a path is on.
    fn number(&self, path: &Path) -> Option<usize> {
        if self.mounts.is_empty() {
            return None;
        }
        let whole = path.is_relative().then(|| std::path::absolute(path).ok()).flatten();
        let path = whole.as_deref().unwrap_or(path);
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let way = links.iter().filter_map(|(from, to)| Some((from, to.join(path.strip_prefix(from).ok()?))));
        let real = way.max_by_key(|(from, _)| from.components().count()).map(|(_, real)| real);
        drop(links);
        let mount = of(real.as_deref().unwrap_or(path), &self.mounts).filter(|mount| mount.may_hang())?;
        self.mounts.iter().position(|other| std::ptr::eq(other, mount))
    }

    /// Whether a call there may hang.
    pub(super) fn may_hang(&self, path: &Path) -> bool {
        self.number(path).is_some()
    }

    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// Makes a call, and waits for it as long as is right for this path.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Pulse) -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        let share = self.number(path).and_then(|number| self.mounts.get(number).zip(self.states.get(number)));
        let Some((mount, state)) = share else { return Ok(work(&Pulse::default())) };
        let hangs = |asked| Stuck::Hangs { words: self.words(mount), asked };
        if state.overdue.load(Ordering::SeqCst) > 0 {
            return Err(hangs(false));
        }
        let call = Arc::new(AtomicU8::new(RUNNING));
        let (late, own) = (Arc::clone(state), Arc::clone(&call));
        let answer = deadline::step_by_step(self.patience, &self.cancel, move |pulse| {
            let answer = work(pulse);
            if own.swap(BACK, Ordering::SeqCst) == GIVEN_UP {
                late.overdue.fetch_sub(1, Ordering::SeqCst);
            }
            answer
        });
        match answer {
            Ok(answer) => Ok(answer),
            Err(Late::Ended) if self.cancel.is_requested() => Err(Stuck::Cancelled),
            Err(Late::Ended | Late::Hangs(_)) => {
                state.overdue.fetch_add(1, Ordering::SeqCst);
                if call.swap(GIVEN_UP, Ordering::SeqCst) == BACK {
                    state.overdue.fetch_sub(1, Ordering::SeqCst);
                }
                state.hung.store(true, Ordering::SeqCst);
                Err(hangs(true))
            }
        }
    }

    /// Makes calls of which nobody knows what they are on, and waits for each as long as for a share.
    pub(super) fn anywhere<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Pulse) -> T + Send + 'static,
    ) -> Result<T, Late> {
        deadline::step_by_step(self.patience, &self.cancel, work)
    }

    pub(super) fn has_hung(&self) -> bool {
        self.states.iter().any(|state| state.hung.load(Ordering::SeqCst))
    }

    fn words(&self, mount: &Mount) -> String {
        format!("{} does not answer (waited for {} s)", mount.words(), self.patience.as_secs_f32())
    }

    /// The shares that have hung and were not told of yet; of all that have hung with `again`.
    pub(super) fn silent(&self, again: bool) -> Vec<GuardError> {
        let states = self.mounts.iter().zip(&self.states);
        let states = states.filter(|(_, state)| state.hung.load(Ordering::SeqCst));
        states
            .filter(|(_, state)| !state.told.swap(true, Ordering::SeqCst) || again)
            .map(|(mount, _)| GuardError::Silent {
                path: mount.point.clone(),
                reason: format!("{} at {}", mount.kind, display_path(Path::new(&mount.source))),
                waited: self.patience,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test should panic")]

    use std::os::unix::fs::symlink;
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;
    use crate::engine::ground::mounted::table;

    fn shares(point: &Path, patience: Duration) -> Shares {
        let point = point.display();
        let text = format!(
            "1 0 8:2 / / rw - ext4 /dev/sda rw\n2 1 0:4 / {point}/nas rw - nfs4 nas:/p rw\n\
             3 2 8:3 / {point}/nas/local rw - xfs /dev/sdb rw\n"
        );
        Shares::new(table(&text), patience, Cancel::new())
    }

    #[test]
    fn only_what_may_hang_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let shares = shares(folder.path(), Duration::from_secs(20));
        symlink("nas/photos", folder.path().join("library")).unwrap();
        symlink("library", folder.path().join("link")).unwrap();
        shares.follow(&folder.path().join("link"));
        for (path, may) in [
            ("nas", true),
            ("nas/a/b.jpg", true),
            ("nasal", false),
            ("nas/local/a.jpg", false),
            ("link", true),
            ("link/2026/a.jpg", true),
            ("upload", false),
        ] {
            assert_eq!(shares.may_hang(&folder.path().join(path)), may, "{path}");
        }
        let here = std::thread::current().id();
        let thread = |path: &str| shares.ask(&folder.path().join(path), |_| std::thread::current().id());
        assert_eq!(thread("upload"), Ok(here));
        assert!(thread("nas").is_ok_and(|other| other != here));
        assert!(Shares::new(Vec::new(), Duration::ZERO, Cancel::new()).silent(true).is_empty());
    }

    #[test]
    fn a_share_that_hangs_is_left_alone_until_it_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let shares = shares(folder.path(), Duration::from_millis(80));
        let path = folder.path().join("nas/a.jpg");
        let (wake, sleeping) = mpsc::channel::<()>();
        let stuck = shares.ask(&path, move |_| sleeping.recv().is_ok());
        assert!(
            matches!(&stuck, Err(Stuck::Hangs { words, asked: true }) if words.contains("nas:/p")),
            "{stuck:?}"
        );
        let begun = Instant::now();
        for _ in 0..1000 {
            assert!(matches!(shares.ask(&path, |_| ()), Err(Stuck::Hangs { asked: false, .. })));
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits again");
        assert_eq!(shares.ask(&folder.path().join("upload/a.jpg"), |_| 7), Ok(7), "others are not concerned");
        assert_eq!(
            (shares.silent(false).len(), shares.silent(false).len(), shares.silent(true).len()),
            (1, 0, 1)
        );
        wake.send(()).unwrap();
        let back = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            shares.ask(&path, |_| ()).is_ok()
        });
        assert!(back, "it is asked again once the call has come back");
        assert_eq!(shares.silent(true).len(), 1, "that it hung is not forgotten");
    }

    #[test]
    fn a_run_that_is_to_stop_waits_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let shares = shares(folder.path(), Duration::from_mins(1));
        shares.cancel.request();
        let begun = Instant::now();
        let stuck = shares.ask(&folder.path().join("nas"), |_| std::thread::sleep(Duration::from_secs(3)));
        assert_eq!(stuck, Err(Stuck::Cancelled));
        assert!(begun.elapsed() < Duration::from_secs(2) && shares.silent(true).is_empty());
    }
}
