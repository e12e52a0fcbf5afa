//! Flash video: tag after tag (Adobe Flash video file format specification, annex E).

use crate::media::Source;
use crate::model::DecodeError;

use super::super::bmff::be32;
use super::super::codec::Codec;
use super::super::codec::nal::{Family, Framing};
use super::{Answer, MAX_CHUNKS, Pulse, cut, load, no_chunk, read};

/// The length behind each tag must repeat the one before it. With `samples` H.264 frames are looked into.
pub fn walk(source: &Source<'_>, samples: bool, pulse: Pulse<'_>) -> Answer {
    let Some(head) = read::<9>(source, 0)? else {
        return Err(DecodeError::truncated("header", Some(source.len())));
    };
    let mut at = u64::from(be32(&head, 5).unwrap_or(9)) + 4;
    let mut codec = Codec::Opaque;
    let mut buffer = Vec::new();
    for count in 0..MAX_CHUNKS {
        if count % 256 == 0 {
            pulse()?;
        }
        let Some(tag) = read::<11>(source, at)? else {
            return match read::<1>(source, at)? {
                None => Ok(Vec::new()),
                Some([8 | 9 | 18]) => Err(cut("tag header", at, at + 11, source)),
                Some(_) => no_chunk(source, at, "no tag where one must begin"),
            };
        };
        // Sound, video, script; one bit says that the tag is encrypted, the last of a tag's stream number is always 0.
        let kind = tag.first().copied().unwrap_or(0);
        if !matches!(kind & 0xDF, 8 | 9 | 18) || tag.get(8..) != Some(&[0; 3]) {
            return no_chunk(source, at, "no tag where one must begin");
        }
        let size = u64::from(be32(&tag, 0).unwrap_or(0) & 0x00FF_FFFF);
        let end = at + 11 + size;
        if end > source.len() {
            return Err(cut(format!("tag of {size} bytes"), at, end, source));
        }
        if samples && kind == 9 {
            load(source, at + 11, size, &mut buffer)?;
            video(&buffer, &mut codec, at + 11)?;
        }
        let Some(back) = read::<4>(source, end)? else { return Ok(Vec::new()) };
        let back = u64::from(be32(&back, 0).unwrap_or(0));
        if back != 0 && back != size + 11 {
            return Err(DecodeError::malformed("a tag's length is told differently behind it", end));
        }
        at = end + 4;
    }
    Ok(Vec::new())
}

/// A video tag: frame type and codec, then for H.264 the packet type and a time (E.4.3).
fn video(tag: &[u8], codec: &mut Codec, at: u64) -> Result<(), DecodeError> {
    match tag {
        [head, 0, _, _, _, record @ ..] if head & 15 == 7 => {
            *codec = Framing::from_record(Family::Avc, record).map_or(Codec::Opaque, Codec::Nal);
            Ok(())
        }
        [head, 1, _, _, _, frame @ ..] if head & 15 == 7 => codec.check(frame).map_err(|flaw| {
            DecodeError::malformed(format!("video tag: {}", flaw.what), at + 5 + flaw.at as u64)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::testing::with;
    use super::*;

    fn look(bytes: &[u8]) -> Answer {
        with(bytes, |source, pulse| walk(source, true, pulse))
    }

    #[test]
    fn a_cut_tag_is_noticed() {
        let mut flv = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        flv.extend(b"\x09\0\0\x04\0\0\0\0\0\0\0abcd\0\0\0\x0f");
        assert_eq!(look(&flv), Ok(Vec::new()));
        let cut = flv.get(..flv.len() - 6).unwrap();
        assert!(matches!(look(cut), Err(DecodeError::Truncated { .. })));
        assert_eq!(look(&[&flv[..], b"trailing bytes"].concat()).unwrap().len(), 1);
        assert!(look(&[&flv[..], &[0; 4096]].concat()).is_err());
    }
}
