//! ASF: objects with sizes, and data packets that are all of one size (Advanced Systems Format specification 2 and 5).

use crate::media::Source;
use crate::model::DecodeError;

use super::{Answer, MAX_CHUNKS, Pulse, cut, le32, le64, load, read};

const FILE_PROPERTIES: &[u8] = b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65";
const DATA: &[u8] = b"\x36\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
/// Header objects larger than this are not read.
const MAX_HEADER: u64 = 4 << 20;

/// All objects must be there to their ends; live recordings (size 0) are not judged. Every data packet must begin as the
/// first one does.
pub fn walk(source: &Source<'_>, pulse: Pulse<'_>) -> Answer {
    let mut at = 0;
    let mut packet_size = None;
    for _ in 0..MAX_CHUNKS {
        let Some(head) = read::<24>(source, at)? else { return Ok(Vec::new()) };
        let size = le64(&head, 16).unwrap_or(0);
        let is_data = head.starts_with(DATA);
        if size == 0 && at > 0 {
            return Ok(Vec::new());
        }
        if at > 0 && packet_size.is_some() && size < 24 {
            return Ok(vec![DecodeError::malformed("no object where one must begin", at)]);
        }
        if size < 24 {
            return Err(DecodeError::malformed(format!("object of {size} bytes"), at));
        }
        let end = at.saturating_add(size);
        if end > source.len() {
            let error = cut(format!("object of {size} bytes"), at, end, source);
            // What lies behind the data and is no object was appended.
            return if packet_size.is_some() && !is_data { Ok(vec![error]) } else { Err(error) };
        }
        if at == 0 && size <= MAX_HEADER {
            let mut header = Vec::new();
            load(source, at, size, &mut header)?;
            packet_size = fixed_packet_size(&header);
        }
        if let Some(packet) = packet_size.filter(|_| is_data) {
            packets(source, at + 50, end, packet, pulse)?;
        }
        at = end;
    }
    Ok(Vec::new())
}

/// The size of all data packets, if it is the same for all.
fn fixed_packet_size(header: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(header, FILE_PROPERTIES)?;
    let (least, most) = (le32(header, at + 92)?, le32(header, at + 96)?);
    (least == most && least > 16).then_some(u64::from(least))
}

/// Error correction data comes first in a packet: flags that tell two bytes, which are zero (5.2.1).
fn packets(
    source: &Source<'_>,
    start: u64,
    end: u64,
    size: u64,
    pulse: Pulse<'_>,
) -> Result<(), DecodeError> {
    let mut at = start;
    let mut corrected = true;
    while at.saturating_add(size) <= end {
        if ((at - start) / size).is_multiple_of(256) {
            pulse()?;
        }
        let Some(head) = read::<3>(source, at)? else { break };
        let correction = head == [0x82, 0, 0];
        if at == start {
            corrected = correction;
        }
        if corrected && !correction {
            return Err(DecodeError::malformed("no data packet where one must begin", at));
        }
        at += size;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::super::testing::with;
    use super::*;

    fn film() -> Vec<u8> {
        let properties = [
            FILE_PROPERTIES,
            &104u64.to_le_bytes(),
            &[0; 68],
            &100u32.to_le_bytes(),
            &100u32.to_le_bytes(),
            &[0; 4],
        ]
        .concat();
        let header = [&[0x30; 16][..], &(30 + 104u64).to_le_bytes(), &[0; 6], &properties].concat();
        let mut packet = [7; 100];
        packet[..3].copy_from_slice(&[0x82, 0, 0]);
        let data = [DATA, &(50 + 300u64).to_le_bytes(), &[0; 26], &packet.repeat(3)].concat();
        [header, data].concat()
    }

    #[test]
    fn packets_stand_at_their_places() {
        let sound = film();
        assert_eq!(with(&sound, walk), Ok(Vec::new()));
        let mut wrong = sound.clone();
        wrong[134 + 50 + 100] = 0;
        assert!(with(&wrong, walk).is_err());
        assert!(matches!(with(&sound[..sound.len() - 1], walk), Err(DecodeError::Truncated { .. })));
        assert!(with(&[&sound[..], &[0; 40]].concat(), walk).is_ok());
    }
}
