//! Containers that are a row of chunks: AVI, ASF (WMV), FLV, MPEG program and transport streams, MXF. Is every chunk where
//! the one before says, and whole?

mod asf;
mod avi;
mod flv;
mod mxf;
mod program;
mod transport;

use crate::media::Source;
use crate::model::DecodeError;

pub use asf::walk as walk_asf;
pub use avi::walk as walk_avi;
pub use flv::walk as walk_flv;
pub use mxf::walk as walk_mxf;
pub use program::walk as walk_program;
pub use transport::{packet as ts_packet, walk as walk_transport};

/// Asked now and then whether to go on.
pub type Pulse<'p> = &'p mut dyn FnMut() -> Result<(), DecodeError>;

/// What is wrong, or odd without proving anything.
pub type Answer = Result<Vec<DecodeError>, DecodeError>;

/// More chunks than this are no real film.
const MAX_CHUNKS: u32 = 50_000_000;
/// Chunks larger than this are not looked into, to bound memory.
const MAX_CHUNK: u64 = 32 << 20;
/// Up to so many bytes behind the last chunk are a trailer that somebody appended, not film that was overwritten.
const MAX_TRAILER: u64 = 2048;

fn read<const N: usize>(source: &Source<'_>, at: u64) -> Result<Option<[u8; N]>, DecodeError> {
    let mut bytes = [0; N];
    let count = source.read_at(at, &mut bytes).map_err(|error| DecodeError::io(&error, Some(at)))?;
    Ok((count == N).then_some(bytes))
}

/// Reads what is known to lie inside the file.
fn load(source: &Source<'_>, at: u64, len: u64, buffer: &mut Vec<u8>) -> Result<(), DecodeError> {
    buffer.resize(usize::try_from(len).unwrap_or(0), 0);
    let count = source.read_at(at, buffer).map_err(|error| DecodeError::io(&error, Some(at)))?;
    if count == buffer.len() {
        Ok(())
    } else {
        Err(DecodeError::truncated("the file became shorter", Some(at)))
    }
}

/// Says that something else stands where a chunk must begin: damage, or a trailer if it is short.
fn no_chunk(source: &Source<'_>, at: u64, what: &str) -> Answer {
    let error = DecodeError::malformed(what, at);
    if at > 0 && source.len().saturating_sub(at) <= MAX_TRAILER { Ok(vec![error]) } else { Err(error) }
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn cut(what: impl Into<String>, at: u64, end: u64, source: &Source<'_>) -> DecodeError {
    DecodeError::Truncated {
        what: what.into(),
        offset: Some(at),
        expected: Some(end),
        found: Some(source.len()),
    }
}

#[cfg(test)]
pub(super) mod testing {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::File;

    use super::*;

    /// Lets a walker look at bytes.
    pub fn with(bytes: &[u8], walk: impl Fn(&Source<'_>, Pulse<'_>) -> Answer) -> Answer {
        let file = File::open("/dev/null").unwrap();
        walk(&Source::new(&file, bytes.len() as u64, Some(bytes), ""), &mut || Ok(()))
    }
}
