//! Match rules: bytes that must stand at fixed places of a file's beginning.

use crate::model::DecodeError;

use super::source::Source;

/// How many bytes of a file's beginning the match rules see.
pub const HEAD_LEN: usize = 4096;

/// Bytes at a fixed place.
#[derive(Clone, Copy, Debug)]
pub struct Magic {
    /// Offset from the start of the file.
    pub at: usize,
    /// What must stand there.
    pub bytes: &'static [u8],
}

/// Parts that must all fit.
pub type Signature = &'static [Magic];

/// Whether one of the signatures fits.
pub fn any(head: &[u8], signatures: &[Signature]) -> bool {
    signatures.iter().any(|parts| parts.iter().all(|part| has(head, part.at, part.bytes)))
}

/// Whether `bytes` stand at offset `at`.
pub fn has(head: &[u8], at: usize, bytes: &[u8]) -> bool {
    head.get(at..).is_some_and(|rest| rest.starts_with(bytes))
}

/// The first bytes of the file, at most [`HEAD_LEN`].
pub fn head(source: &Source<'_>) -> Result<Vec<u8>, DecodeError> {
    let mut head = vec![0; HEAD_LEN];
    let count = source.read_at(0, &mut head).map_err(|error| DecodeError::io(&error, Some(0)))?;
    head.truncate(count);
    Ok(head)
}
