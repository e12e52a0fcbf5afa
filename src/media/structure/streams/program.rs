//! MPEG program streams: packs and packets (ISO/IEC 11172-1 2.4.3, ISO/IEC 13818-1 2.5.3).

use crate::media::Source;
use crate::model::DecodeError;

use super::super::bmff::be16;
use super::{Answer, MAX_CHUNKS, Pulse, cut, no_chunk, read};

/// Zero bytes between packets; image files of discs have empty sectors.
const MAX_GAP: usize = 4096;

/// Packet after packet. A bare video stream (no packs) has no sizes to follow and is not judged.
pub fn walk(source: &Source<'_>, pulse: Pulse<'_>) -> Answer {
    let mut at = 0;
    for count in 0..MAX_CHUNKS {
        if count % 256 == 0 {
            pulse()?;
        }
        let Some(head) = read::<6>(source, at)? else { break };
        let [0, 0, 1, kind, high, low] = head else {
            match gap(source, at)? {
                Some(behind) => at = behind,
                None => return no_chunk(source, at, "no packet where one must begin"),
            }
            continue;
        };
        at = match kind {
            0xB3 if at == 0 => return Ok(Vec::new()),
            0xB9 => at + 4,
            // MPEG-2 packs begin with the bits 01 and end with stuffing, MPEG-1 packs with 0010.
            0xBA if high >> 6 == 1 => {
                let stuffing = read::<14>(source, at)?.and_then(|pack| pack.last().copied()).unwrap_or(0) & 7;
                at + 14 + u64::from(stuffing)
            }
            0xBA if high >> 4 == 2 => at + 12,
            0xBB..=0xFF => {
                let size = u64::from(be16(&[high, low], 0).unwrap_or(0));
                let end = at + 6 + size;
                if end > source.len() {
                    return Err(cut(format!("packet of {size} bytes"), at, end, source));
                }
                end
            }
            _ => return no_chunk(source, at, "no packet where one must begin"),
        };
        if at > source.len() {
            return Err(DecodeError::truncated("pack header", Some(source.len())));
        }
    }
    Ok(Vec::new())
}

/// Where the next start code begins behind zero bytes; none if something else lies there, or too many of them.
fn gap(source: &Source<'_>, at: u64) -> Result<Option<u64>, DecodeError> {
    let mut bytes = [0; MAX_GAP];
    let count = source.read_at(at, &mut bytes).map_err(|error| DecodeError::io(&error, Some(at)))?;
    let bytes = bytes.get(..count).unwrap_or_default();
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    Ok((zeros > 2 && bytes.get(zeros) == Some(&1)).then(|| at + zeros as u64 - 2))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::super::testing::with;
    use super::*;

    #[test]
    fn packets_follow_each_other() {
        let pack = b"\0\0\x01\xba\x44\0\x04\0\x04\x01\0\0\x03\xf8";
        let packet = b"\0\0\x01\xe0\0\x05abcde";
        let film = [&pack[..], packet, packet, &[0; 7], pack, packet, b"\0\0\x01\xb9"].concat();
        assert_eq!(with(&film, walk), Ok(Vec::new()));
        assert!(matches!(with(&film[..film.len() - 5], walk), Err(DecodeError::Truncated { .. })));
        assert!(with(&[&pack[..], packet, &[9; 3000], packet].concat(), walk).is_err());
        assert!(with(&[&film[..], b"text behind"].concat(), walk).is_ok());
        assert!(with(&[&film[..], &[0; 4096]].concat(), walk).is_err());
    }
}
