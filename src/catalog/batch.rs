//! What waits to be written to the catalog.

use std::collections::HashMap;
use std::path::PathBuf;

use super::knowledge::Knowledge;
use super::runs::{RunLine, RunStart};
use crate::model::DecoderId;

/// Files that wait, and the ids already known.
#[derive(Default)]
pub(super) struct FileBatch {
    pub(super) waiting: Vec<(PathBuf, Knowledge)>,
    pub(super) folders: HashMap<Vec<u8>, i64>,
    pub(super) decoders: HashMap<DecoderId, i64>,
}

/// The run in hand and the lines that wait to be written.
#[derive(Default)]
pub(super) struct RunBatch {
    pub(super) run: Option<i64>,
    pub(super) start: Option<RunStart>,
    pub(super) next: i64,
    pub(super) waiting: Vec<RunLine>,
}
