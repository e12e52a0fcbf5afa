//! VP8 and VP9 frames: their headers, and the sizes they tell.

use super::{Bits, Flaw};

/// A VP8 frame (RFC 6386 9.1): frame tag, start code of key frames, first partition inside the frame.
pub(super) fn check_vp8(sample: &[u8]) -> Result<(), Flaw> {
    let &[low, middle, high, ref rest @ ..] = sample else {
        return Err(Flaw::new(0, "a frame is shorter than its tag"));
    };
    let tag = u32::from_le_bytes([low, middle, high, 0]);
    if tag >> 1 & 7 > 3 {
        return Err(Flaw::new(0, "unknown version"));
    }
    let mut data = rest;
    if tag & 1 == 0 {
        let Some(behind) = rest.strip_prefix(b"\x9d\x01\x2a").and_then(|rest| rest.get(4..)) else {
            return Err(Flaw::new(3, "a key frame does not begin with its start code"));
        };
        data = behind;
    }
    let first = (tag >> 5) as usize;
    if first > data.len() {
        let what = format!("first partition of {first} bytes in a frame of {} bytes", sample.len());
        return Err(Flaw::new(0, what));
    }
    Ok(())
}

/// A VP9 frame, or several of them with an index behind (VP9 bitstream specification, annex B).
pub(super) fn check_vp9(sample: &[u8]) -> Result<(), Flaw> {
    let mut at = 0usize;
    for size in superframe(sample)? {
        let frame = at.checked_add(size).and_then(|end| sample.get(at..end)).unwrap_or_default();
        if !frame.is_empty() {
            check_vp9_frame(frame).map_err(|what| Flaw::new(at, what))?;
        }
        at = at.saturating_add(size);
    }
    Ok(())
}

/// Sizes of the frames inside.
fn superframe(sample: &[u8]) -> Result<Vec<usize>, Flaw> {
    let last = sample.last().copied().unwrap_or(0);
    let (count, width) = (usize::from(last & 7) + 1, usize::from(last >> 3 & 3) + 1);
    let index_len = 2 + count * width;
    let index = sample.len().checked_sub(index_len).and_then(|start| sample.get(start..));
    let Some(index) = index.filter(|index| last & 0xE0 == 0xC0 && index.first() == Some(&last)) else {
        return Ok(vec![sample.len()]);
    };
    let sizes: Vec<usize> = index
        .get(1..index_len - 1)
        .unwrap_or_default()
        .chunks_exact(width)
        .map(|size| size.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte)))
        .collect();
    let room = sample.len() - index_len;
    if sizes.iter().sum::<usize>() > room {
        return Err(Flaw::new(room, "the frames of a superframe do not fit it"));
    }
    Ok(sizes)
}

/// The begin of the uncompressed header (6.2).
fn check_vp9_frame(frame: &[u8]) -> Result<(), &'static str> {
    let mut bits = Bits::new(frame);
    header(&mut bits).unwrap_or(Err("a frame is shorter than its header"))
}

fn header(bits: &mut Bits<'_>) -> Option<Result<(), &'static str>> {
    if bits.take(2)? != 2 {
        return Some(Err("no frame marker"));
    }
    let profile = u32::from(bits.bit()?) + 2 * u32::from(bits.bit()?);
    if profile == 3 && bits.bit()? {
        return Some(Err("unknown profile"));
    }
    let show_existing = bits.bit()?;
    if show_existing {
        return Some(Ok(()));
    }
    let inter = bits.bit()?;
    bits.take(2)?;
    if !inter && bits.take(24)? != 0x49_83_42 {
        return Some(Err("a key frame does not begin with its sync code"));
    }
    Some(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vp8_key_frames_carry_a_start_code() {
        let mut frame = vec![0x50, 0x01, 0x00, 0x9d, 0x01, 0x2a, 8, 0, 8, 0];
        frame.extend([7; 10]);
        assert_eq!(check_vp8(&frame), Ok(()));
        frame.pop();
        assert!(check_vp8(&frame).is_err(), "first partition of 10 bytes");
        assert!(check_vp8(&[0; 512]).is_err());
    }

    #[test]
    fn vp9_superframes_fit() {
        let key = [0x82, 0x49, 0x83, 0x42, 0, 0];
        assert_eq!(check_vp9(&key), Ok(()));
        let index = [0xC1, 6, 1, 0xC1];
        let both = [&key[..], &[0x86], &index].concat();
        assert_eq!(check_vp9(&both), Ok(()));
        let wrong = [&key[..], &[0x86], &[0xC1, 6, 2, 0xC1]].concat();
        assert!(check_vp9(&wrong).is_err());
        assert!(check_vp9(&[0; 512]).is_err());
    }
}
