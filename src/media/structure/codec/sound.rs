//! Sound: what can be told of a packet without decoding it.

use super::Flaw;

/// AAC (ISO/IEC 14496-3 4.4.2.1): a frame ends with the element END, three bits that are 1. Zero bytes only are none.
pub(super) fn check_aac(sample: &[u8]) -> Result<(), Flaw> {
    if sample.len() >= 16 && sample.iter().all(|&byte| byte == 0) {
        return Err(Flaw::new(0, "an AAC frame of zero bytes only"));
    }
    Ok(())
}

/// Opus (RFC 6716 3.2): lengths inside a packet; no frame is longer than 1275 bytes, no packet than 120 ms.
pub(super) fn check_opus(sample: &[u8]) -> Result<(), Flaw> {
    if packing(sample).is_none() {
        return Err(Flaw::new(0, "an Opus packet breaks its own lengths"));
    }
    Ok(())
}

fn packing(packet: &[u8]) -> Option<()> {
    const LONGEST: usize = 1275;
    let (&toc, rest) = packet.split_first()?;
    let fits = |len: usize| (len <= LONGEST).then_some(());
    match toc & 3 {
        0 => fits(rest.len()),
        1 => (rest.len() % 2 == 0).then(|| fits(rest.len() / 2))?,
        2 => {
            let (first, rest) = frame_length(rest)?;
            fits(first)?;
            fits(rest.len().checked_sub(first)?)
        }
        _ => {
            let (&count, mut rest) = rest.split_first()?;
            let frames = usize::from(count & 63);
            if !(1..=48).contains(&frames) {
                return None;
            }
            let mut padding = 0usize;
            if count & 0x40 != 0 {
                loop {
                    let (&byte, behind) = rest.split_first()?;
                    rest = behind;
                    padding += if byte == 255 { 254 } else { usize::from(byte) };
                    if byte != 255 {
                        break;
                    }
                }
            }
            if count & 0x80 == 0 {
                let left = rest.len().checked_sub(padding)?;
                return (left % frames == 0).then(|| fits(left / frames))?;
            }
            let mut sum = 0;
            for _ in 1..frames {
                let (len, behind) = frame_length(rest)?;
                fits(len)?;
                (sum, rest) = (sum + len, behind);
            }
            fits(rest.len().checked_sub(padding)?.checked_sub(sum)?)
        }
    }
}

/// A length of one or two bytes (RFC 6716 3.2.1).
fn frame_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [first @ 0..=251, ref rest @ ..] => Some((usize::from(first), rest)),
        [first, second, ref rest @ ..] => Some((usize::from(second) * 4 + usize::from(first), rest)),
        _ => None,
    }
}

/// FLAC (RFC 9639 9.1 and 9.3): sync code in front, CRC-16 of the whole frame behind.
pub(super) fn check_flac(sample: &[u8]) -> Result<(), Flaw> {
    let Some((frame, stored)) = sample.split_last_chunk::<2>() else {
        return Err(Flaw::new(0, "a FLAC frame is too short"));
    };
    if !matches!(frame, [0xFF, 0xF8 | 0xF9, ..]) {
        return Err(Flaw::new(0, "a FLAC frame does not begin with its sync code"));
    }
    let sum =
        frame.iter().fold(0u16, |sum, &byte| {
            (0..8).fold(sum ^ u16::from(byte) << 8, |sum, _| {
                if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x8005 }
            })
        });
    if sum == u16::from_be_bytes(*stored) {
        Ok(())
    } else {
        Err(Flaw::new(0, "CRC-16 of a FLAC frame does not fit"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn opus_packets_of_all_four_kinds() {
        assert_eq!(check_opus(&[0xFC, 1, 2, 3]), Ok(()));
        assert_eq!(check_opus(&[0xFD, 1, 2, 3, 4]), Ok(()));
        assert!(check_opus(&[0xFD, 1, 2, 3]).is_err());
        assert_eq!(check_opus(&[0xFE, 2, 1, 2, 3]), Ok(()));
        assert!(check_opus(&[0xFE, 9, 1, 2, 3]).is_err());
        assert_eq!(check_opus(&[0xFF, 0x43, 2, 1, 2, 3, 0, 0]), Ok(()), "three frames and two padding bytes");
        assert_eq!(check_opus(&[0xFF, 0x82, 2, 1, 2, 3, 4]), Ok(()), "lengths of all but the last");
        assert!(check_opus(&[0xFF, 0x00]).is_err(), "no frames");
    }

    #[test]
    fn flac_frames_carry_their_sum() {
        // CRC-16 of the polynomial 0x8005 over the four bytes in front.
        let frame = [0xFF, 0xF8, 0x69, 0x18];
        let sums: Vec<[u8; 2]> = (0..=u16::MAX)
            .map(u16::to_be_bytes)
            .filter(|sum| check_flac(&[&frame[..], sum].concat()).is_ok())
            .collect();
        assert_eq!(sums.len(), 1);
    }

    #[test]
    fn silence_of_zero_bytes_is_no_aac() {
        assert!(check_aac(&[0; 64]).is_err());
        assert_eq!(check_aac(&[0x21, 0x10, 0x04, 0x60, 0x8C, 0x1C]), Ok(()));
    }

    proptest! {
        #[test]
        fn any_packet_is_judged(bytes: Vec<u8>) {
            let _ = check_opus(&bytes);
            let _ = check_flac(&bytes);
        }
    }
}
