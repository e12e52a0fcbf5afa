//! MXF: key, length, value (SMPTE ST 377-1 6.3, ST 336).

use crate::media::Source;
use crate::model::DecodeError;

use super::{Answer, MAX_CHUNKS, Pulse, cut, no_chunk, read};

/// All keys registered by SMPTE begin so.
const UNIVERSAL: [u8; 4] = [0x06, 0x0E, 0x2B, 0x34];
/// Bytes that may stand before the first key (6.5).
const MAX_RUN_IN: u64 = 65_536;

/// Key after key to the end of the file.
pub fn walk(source: &Source<'_>, pulse: Pulse<'_>) -> Answer {
    let mut at = run_in(source)?;
    for count in 0..MAX_CHUNKS {
        if count % 256 == 0 {
            pulse()?;
        }
        if at >= source.len() {
            break;
        }
        let Some(head) = read::<17>(source, at)?.filter(|head| head.starts_with(&UNIVERSAL)) else {
            return no_chunk(source, at, "no key where one must begin");
        };
        let Some((len, len_size)) = length(source, at + 16, head.last().copied().unwrap_or(0))? else {
            return Err(DecodeError::malformed("the length of a value cannot be read", at + 16));
        };
        let end = at.saturating_add(16 + len_size).saturating_add(len);
        if end > source.len() {
            return Err(cut(format!("value of {len} bytes"), at, end, source));
        }
        at = end;
    }
    Ok(Vec::new())
}

/// A length of the basic encoding rules, and how many bytes it takes itself: the first byte is it, or counts those behind.
fn length(source: &Source<'_>, at: u64, first: u8) -> Result<Option<(u64, u64)>, DecodeError> {
    if first & 0x80 == 0 {
        return Ok(Some((first.into(), 1)));
    }
    let mut bytes = [0; 8];
    let count = usize::from(first & 0x7F);
    let Some(bytes) = bytes.get_mut(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
    let found = source.read_at(at + 1, bytes).map_err(|error| DecodeError::io(&error, Some(at)))?;
    let len = bytes.iter().fold(0u64, |len, &byte| len << 8 | u64::from(byte));
    Ok((found == count).then_some((len, count as u64 + 1)))
}

fn run_in(source: &Source<'_>) -> Result<u64, DecodeError> {
    let mut head = vec![0; usize::try_from(MAX_RUN_IN.min(source.len())).unwrap_or(0)];
    let count = source.read_at(0, &mut head).map_err(|error| DecodeError::io(&error, Some(0)))?;
    let found = memchr::memmem::find(head.get(..count).unwrap_or_default(), &UNIVERSAL);
    Ok(found.map_or(0, |at| at as u64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::super::testing::with;
    use super::*;

    #[test]
    fn keys_stand_behind_values() {
        let key = [&UNIVERSAL[..], &[1; 12]].concat();
        let film = [&key[..], &[3, 7, 7, 7], &key, &[0x83, 0, 0, 2, 8, 8]].concat();
        assert_eq!(with(&film, walk), Ok(Vec::new()));
        for cut in 17..film.len() {
            assert!(cut == 20 || with(&film[..cut], walk).is_err() || cut < 37, "{cut}");
        }
        let mut wrong = [film.clone(), vec![9; 4000]].concat();
        assert!(with(&wrong, walk).is_err());
        wrong.truncate(film.len() + 30);
        assert_eq!(with(&wrong, walk).map(|odd| odd.len()), Ok(1));
    }
}
