//! What a walk found, and how far it was well.

use crate::model::DecodeError;

/// The first thing that is wrong with a picture.
#[derive(Debug, PartialEq)]
pub struct Flaw {
    /// What it is.
    pub error: DecodeError,
    /// Share of the picture's height, counted from the top, that is sound, where that can be told (0 to 1).
    pub sound_until: Option<f32>,
}

impl From<DecodeError> for Flaw {
    fn from(error: DecodeError) -> Self {
        Self { error, sound_until: None }
    }
}

/// Where the first `length` equal bytes in a row begin.
pub fn equal_run(bytes: &[u8], length: usize) -> Option<usize> {
    let mut start = 0;
    bytes.chunk_by(|one, next| one == next).find_map(|run| {
        let here = start;
        start += run.len();
        (run.len() >= length).then_some(here)
    })
}
