//! Which journals a store has open.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Mutex;

/// The journals that are open, each locked for this run.
#[derive(Debug, Default)]
pub(super) struct Journals(pub(super) Mutex<Vec<(PathBuf, File)>>);
