//! Containers that are a row of chunks: AVI, ASF (WMV), FLV. Is the last one whole?

use crate::media::Source;
use crate::model::DecodeError;

use super::bmff::be32;

/// More chunks than this are no real film.
const MAX_CHUNKS: u32 = 50_000_000;

fn read<const N: usize>(source: &Source<'_>, at: u64) -> Result<Option<[u8; N]>, DecodeError> {
    let mut bytes = [0; N];
    let count = source.read_at(at, &mut bytes).map_err(|error| DecodeError::io(&error, Some(at)))?;
    Ok((count == N).then_some(bytes))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn cut(what: String, at: u64, end: u64, source: &Source<'_>) -> DecodeError {
    DecodeError::Truncated { what, offset: Some(at), expected: Some(end), found: Some(source.len()) }
}

/// AVI: the list of film data must be there to its end. Lists of size 0 were never finished by the recorder and are
/// not judged.
pub fn walk_avi(source: &Source<'_>) -> Result<(), DecodeError> {
    let mut at = 0;
    for _ in 0..MAX_CHUNKS {
        let Some(head) = read::<12>(source, at)? else { return Ok(()) };
        let size = u64::from(le32(&head, 4).unwrap_or(0));
        let end = at + 8 + size;
        at = match (head.get(..4), head.get(8..12)) {
            (Some(b"RIFF"), Some(b"AVI " | b"AVIX")) => at + 12,
            (Some(b"LIST"), Some(b"movi")) if size == 0 => return Ok(()),
            (Some(b"LIST"), Some(kind)) => {
                if end > source.len() {
                    return Err(cut(
                        format!("list '{}' of {size} bytes", kind.escape_ascii()),
                        at,
                        end,
                        source,
                    ));
                }
                end.next_multiple_of(2)
            }
            (Some(b"idx1" | b"JUNK"), _) => {
                if end > source.len() {
                    return Err(cut(format!("chunk of {size} bytes"), at, end, source));
                }
                end.next_multiple_of(2)
            }
            // Whatever lies behind the lists is not needed.
            _ => return Ok(()),
        };
    }
    Ok(())
}

/// ASF: the data object's size, as its header object tells it; live recordings (size 0) are not judged.
pub fn walk_asf(source: &Source<'_>) -> Result<(), DecodeError> {
    let mut at = 0;
    for _ in 0..MAX_CHUNKS {
        let Some(head) = read::<24>(source, at)? else { return Ok(()) };
        let size = le64(&head, 16).unwrap_or(0);
        if size == 0 && at > 0 {
            return Ok(());
        }
        if size < 24 {
            return Err(DecodeError::malformed(format!("object of {size} bytes"), at));
        }
        let end = at.saturating_add(size);
        if end > source.len() {
            return Err(cut(format!("object of {size} bytes"), at, end, source));
        }
        at = end;
    }
    Ok(())
}

/// FLV: tag after tag; the length behind each must repeat the one before it.
pub fn walk_flv(source: &Source<'_>) -> Result<(), DecodeError> {
    let Some(head) = read::<9>(source, 0)? else {
        return Err(DecodeError::truncated("header", Some(source.len())));
    };
    let mut at = u64::from(be32(&head, 5).unwrap_or(9)) + 4;
    for _ in 0..MAX_CHUNKS {
        let Some(tag) = read::<11>(source, at)? else {
            return if at >= source.len() {
                Ok(())
            } else {
                Err(cut("tag header".into(), at, at + 11, source))
            };
        };
        let size = u64::from(be32(&tag, 0).unwrap_or(0) & 0x00FF_FFFF);
        let end = at + 11 + size;
        if end > source.len() {
            return Err(cut(format!("tag of {size} bytes"), at, end, source));
        }
        let Some(back) = read::<4>(source, end)? else { return Ok(()) };
        let back = u64::from(be32(&back, 0).unwrap_or(0));
        if back != 0 && back != size + 11 {
            return Err(DecodeError::malformed("a tag's length is told differently behind it", end));
        }
        at = end + 4;
    }
    Ok(())
}

/// Length of one packet of an MPEG transport stream that begins here: bare, with a time stamp before (Blu-ray, AVCHD),
/// or with error correction behind.
pub fn ts_packet(head: &[u8]) -> Option<usize> {
    [(188, 0), (192, 4), (204, 0)].into_iter().find_map(|(len, first)| {
        let places = (first..head.len()).step_by(len).take(8);
        let count = places.clone().count();
        (count >= 3 && places.into_iter().all(|at| head.get(at) == Some(&0x47))).then_some(len)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::File;

    use super::*;

    fn with<T>(bytes: &[u8], look: impl Fn(&Source<'_>) -> T) -> T {
        let file = File::open("/dev/null").unwrap();
        look(&Source::new(&file, bytes.len() as u64, Some(bytes), ""))
    }

    #[test]
    fn a_cut_list_of_film_data_is_noticed() {
        let avi = b"RIFF\x24\0\0\0AVI LIST\x04\0\0\0hdrlLIST\x0c\0\0\0movi00dc\0\0\0\0".to_vec();
        assert_eq!(with(&avi, walk_avi), Ok(()));
        let cut = avi.get(..avi.len() - 1).unwrap();
        assert!(matches!(with(cut, walk_avi), Err(DecodeError::Truncated { .. })));
    }

    #[test]
    fn a_cut_tag_is_noticed() {
        let mut flv = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        flv.extend(b"\x09\0\0\x04\0\0\0\0\0\0\0abcd\0\0\0\x0f");
        assert_eq!(with(&flv, walk_flv), Ok(()));
        let cut = flv.get(..flv.len() - 6).unwrap();
        assert!(matches!(with(cut, walk_flv), Err(DecodeError::Truncated { .. })));
    }

    #[test]
    fn transport_packets_are_told_by_their_sync_bytes() {
        let mut head = vec![0; 188 * 4];
        head.iter_mut().step_by(188).for_each(|byte| *byte = 0x47);
        assert_eq!(ts_packet(&head), Some(188));
        assert_eq!(ts_packet(&head.split_off(1)), None);
    }
}
