//! MPEG transport streams: a sync byte at every packet's place, and the pictures inside (ISO/IEC 13818-1 2.4.3).
//!
//! Broadcasts lose packets on the air: gaps in the continuity counters and packets that the receiver marked as wrong are no
//! damage of the file, nor is what they tear. A sync byte that is missing is: receivers write whole packets only.

use std::collections::BTreeMap;

use crate::media::Source;
use crate::model::DecodeError;

use super::super::bmff::be16;
use super::super::codec::{Codec, CodedData, nal};
use super::{Answer, MAX_TRAILER, Pulse};

const SYNC: u8 = 0x47;
const PACKET: usize = 188;
/// Packets that are read at once.
const BATCH: usize = 512;
/// More elementary streams than this are not followed.
const MAX_STREAMS: usize = 16;
/// Units larger than this are not looked into, to bound memory.
const MAX_UNIT: usize = 4 << 20;

/// Length of one packet that begins here: bare, with a time stamp before (Blu-ray, AVCHD), or with error correction
/// behind.
pub fn packet(head: &[u8]) -> Option<usize> {
    [(188, 0), (192, 4), (204, 0)].into_iter().find_map(|(len, first)| {
        let places = (first..head.len()).step_by(len).take(8);
        let count = places.clone().count();
        (count >= 3 && places.into_iter().all(|at| head.get(at) == Some(&SYNC))).then_some(len)
    })
}

/// Packet after packet to the end of the file; with `samples` the pictures are looked into.
pub fn walk(source: &Source<'_>, samples: bool, pulse: Pulse<'_>) -> Answer {
    let mut head = [0; 2048];
    let count = source.read_at(0, &mut head).map_err(|error| DecodeError::io(&error, Some(0)))?;
    let Some(len) = packet(head.get(..count).unwrap_or_default()) else { return Ok(Vec::new()) };
    let first = if len == 192 { 4 } else { 0 };
    let mut streams = Streams { samples, ..Streams::default() };
    let mut odd = Vec::new();
    let mut buffer = vec![0; BATCH * len];
    let mut at = 0;
    while at < source.len() {
        pulse()?;
        let count = source.read_at(at, &mut buffer).map_err(|error| DecodeError::io(&error, Some(at)))?;
        let read = buffer.get(..count).unwrap_or_default();
        for (index, packet) in read.chunks(len).enumerate() {
            let place = at + (index * len) as u64;
            let left = source.len() - place;
            if packet.get(first).is_some_and(|&byte| byte != SYNC) {
                let error = DecodeError::malformed("no sync byte where a packet must begin", place);
                if left > MAX_TRAILER {
                    return Err(error);
                }
                odd.push(error);
                return Ok(odd);
            }
            if packet.len() < len && left < len as u64 {
                // Error correction at the very end, or what is left of a time stamp, is not needed.
                if packet.len() <= first || packet.len() >= first + PACKET {
                    continue;
                }
                return Err(DecodeError::Truncated {
                    what: "the last packet".into(),
                    offset: Some(place),
                    expected: Some(place + len as u64),
                    found: Some(source.len()),
                });
            }
            let Some(packet) = packet.get(first..first + PACKET) else { continue };
            streams.packet(packet, place)?;
        }
        if count == 0 {
            break;
        }
        at += count as u64;
    }
    if streams.gaps > 0 {
        let what = format!("packets are lacking in {} places", streams.gaps);
        odd.push(DecodeError::malformed(what, streams.first_gap));
        return Ok(odd);
    }
    let mut coded = streams.followed.into_values().filter_map(|stream| stream.coded);
    match coded.find_map(CodedData::flaw) {
        Some((at, what)) => Err(DecodeError::malformed(what, at)),
        None => Ok(odd),
    }
}

/// One elementary stream.
struct Stream {
    codec: Codec,
    /// The walk through its pictures, and the data that wait for it until it is known that they end with a unit.
    coded: Option<CodedData>,
    waiting: Option<(Vec<u8>, u64)>,
    counter: Option<u8>,
    /// The packetised data since the last start.
    unit: Vec<u8>,
    start: u64,
    /// Whether the unit began, and nothing of it was lost.
    whole: bool,
}

#[derive(Default)]
struct Streams {
    samples: bool,
    /// Packet identifiers of program maps.
    maps: Vec<u16>,
    followed: BTreeMap<u16, Stream>,
    gaps: u64,
    first_gap: Option<u64>,
}

impl Streams {
    fn packet(&mut self, packet: &[u8], place: u64) -> Result<(), DecodeError> {
        let &[_, high, low, control, ..] = packet else { return Ok(()) };
        let id = u16::from(high & 31) << 8 | u16::from(low);
        let (wrong, starts) = (high & 0x80 != 0, high & 0x40 != 0);
        let (scrambled, counter) = (control & 0xC0 != 0, control & 15);
        let mut payload = packet.get(4..).unwrap_or_default();
        let mut may_jump = false;
        if control & 0x20 != 0 {
            let len = usize::from(payload.first().copied().unwrap_or(0));
            may_jump = len > 0 && payload.get(1).is_some_and(|flags| flags & 0x80 != 0);
            payload = payload.get(1 + len..).unwrap_or_default();
        }
        if id == 0 && starts && !wrong {
            self.maps = program_maps(payload);
        } else if self.maps.contains(&id) && starts && !wrong {
            self.map(payload);
        }
        let Some(stream) = self.followed.get_mut(&id) else { return Ok(()) };
        if control & 0x10 == 0 {
            return Ok(());
        }
        // A packet may be sent twice.
        if stream.counter == Some(counter) && !may_jump {
            return Ok(());
        }
        let follows = stream.counter.is_none_or(|last| (last + 1) & 15 == counter) || may_jump;
        stream.counter = Some(counter);
        if !follows {
            self.gaps += 1;
            self.first_gap.get_or_insert(place);
        }
        if !follows || wrong || scrambled || may_jump {
            stream.whole = false;
        }
        if starts {
            stream.check()?;
            stream.follow();
            stream.unit.clear();
            (stream.whole, stream.start) = (!wrong && !scrambled, place);
        }
        if self.samples && stream.whole && stream.unit.len() + PACKET <= MAX_UNIT {
            stream.unit.extend_from_slice(payload);
        } else {
            stream.whole = false;
        }
        Ok(())
    }

    /// A program map section (2.4.4.8): types and packet identifiers of the streams.
    fn map(&mut self, payload: &[u8]) {
        let Some(section) = section(payload, 2) else { return };
        let skipped = usize::from(be16(section, 10).unwrap_or(0) & 0x0FFF);
        let mut rest = section.get(12 + skipped..section.len().saturating_sub(4)).unwrap_or_default();
        while let &[kind, high, low, info_high, info_low, ref behind @ ..] = rest {
            let id = u16::from(high & 31) << 8 | u16::from(low);
            let codec = match kind {
                0x1B => Codec::AnnexB(nal::Family::Avc),
                0x24 => Codec::AnnexB(nal::Family::Hevc),
                0x01 | 0x02 | 0x10 => Codec::Mpeg2,
                _ => Codec::Opaque,
            };
            if self.followed.len() < MAX_STREAMS && codec.is_followed() {
                self.followed.entry(id).or_insert_with(|| Stream {
                    coded: CodedData::of(&codec),
                    codec,
                    waiting: None,
                    counter: None,
                    unit: Vec::new(),
                    start: 0,
                    whole: false,
                });
            }
            let info = usize::from(info_high & 15) << 8 | usize::from(info_low);
            rest = behind.get(info..).unwrap_or_default();
        }
    }
}

impl Stream {
    /// Looks into a unit that came whole: a packetised elementary stream packet (2.4.3.6).
    fn check(&self) -> Result<(), DecodeError> {
        if !self.whole || self.unit.is_empty() {
            return Ok(());
        }
        let &[0, 0, 1, _, _, _, _, _, header, ..] = self.unit.as_slice() else {
            return Err(DecodeError::malformed(
                "a packet of an elementary stream has no start code",
                self.start,
            ));
        };
        // Scrambled here instead of in the transport packets.
        if self.unit.get(6).is_some_and(|flags| flags >> 4 & 3 != 0) {
            return Ok(());
        }
        let data = self.unit.get(9 + usize::from(header)..).unwrap_or_default();
        self.codec
            .check(data)
            .map_err(|flaw| DecodeError::malformed(format!("a picture: {}", flaw.what), self.start))
    }

    /// Walks the unit before, if this one shows by a start code that nothing of it is lacking.
    fn follow(&mut self) {
        let waiting = self.waiting.take();
        let Some(coded) = self.coded.as_mut().filter(|_| self.whole) else { return };
        let header = usize::from(self.unit.get(8).copied().unwrap_or(0));
        let data = self.unit.get(9 + header..).unwrap_or_default();
        let is_plain = self.unit.get(6).is_some_and(|flags| flags & 0x30 == 0);
        if !is_plain || !(data.starts_with(b"\0\0\x01") || data.starts_with(b"\0\0\0\x01")) {
            return;
        }
        if let Some((before, at)) = waiting {
            coded.walk(&before, at, || "a picture".into());
        }
        self.waiting = Some((data.to_vec(), self.start));
    }
}

/// Packet identifiers of the program maps, from a program association section (2.4.4.3).
fn program_maps(payload: &[u8]) -> Vec<u16> {
    let Some(section) = section(payload, 0) else { return Vec::new() };
    let entries = section.get(8..section.len().saturating_sub(4)).unwrap_or_default();
    entries
        .chunks_exact(4)
        .filter(|entry| be16(entry, 0).unwrap_or(0) != 0)
        .filter_map(|entry| Some(be16(entry, 2)? & 0x1FFF))
        .take(MAX_STREAMS)
        .collect()
}

/// A section of this table that lies whole in one packet's payload.
fn section(payload: &[u8], table: u8) -> Option<&[u8]> {
    let start = 1 + usize::from(*payload.first()?);
    let section = payload.get(start..)?;
    let len = usize::from(be16(section, 1)? & 0x0FFF) + 3;
    (section.first() == Some(&table)).then(|| section.get(..len))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::super::testing::with;
    use super::*;

    fn film(packets: usize) -> Vec<u8> {
        let mut bytes = vec![0xFF; PACKET * packets];
        for packet in bytes.chunks_mut(PACKET) {
            packet[..4].copy_from_slice(&[SYNC, 0x1F, 0xFF, 0x10]);
        }
        bytes
    }

    fn look(bytes: &[u8]) -> Answer {
        with(bytes, |source, pulse| walk(source, true, pulse))
    }

    #[test]
    fn transport_packets_are_told_by_their_sync_bytes() {
        let mut head = film(4);
        assert_eq!(packet(&head), Some(188));
        assert_eq!(packet(&head.split_off(1)), None);
    }

    #[test]
    fn every_packet_has_its_sync_byte() {
        let sound = film(1200);
        assert_eq!(look(&sound), Ok(Vec::new()));
        let mut zeroed = sound.clone();
        zeroed[100_000..104_096].fill(0);
        assert!(look(&zeroed).is_err());
        assert!(matches!(look(&sound[..sound.len() - 50]), Err(DecodeError::Truncated { .. })));
        assert_eq!(look(&[&sound[..], b"text behind"].concat()).unwrap().len(), 1);
    }

    /// A map of one H.264 stream, two pictures, and another packet to close the second.
    fn pictures() -> Vec<u8> {
        let packet = |id: u16, starts: bool, counter: u8, content: &[u8]| {
            let [high, low] = (id | if starts { 0x4000 } else { 0 }).to_be_bytes();
            let stuffing = 183 - content.len();
            let mut bytes = vec![SYNC, high, low, 0x30 | counter, u8::try_from(stuffing).unwrap()];
            bytes.push(0);
            bytes.resize(5 + stuffing, 0xFF);
            bytes.extend(content);
            bytes
        };
        let association = [&[0, 0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE1, 0][..], &[0; 4]].concat();
        let map =
            [&[0, 2, 0xB0, 18, 0, 1, 0xC1, 0, 0, 0xE2, 0, 0xF0, 0, 0x1B, 0xE2, 0, 0xF0, 0][..], &[0; 4]]
                .concat();
        let picture =
            [&b"\0\0\x01\xe0\0\0\x80\0\0"[..], b"\0\0\x01\x65\x88\x80\x40\x55\x66\x77\x80"].concat();
        [
            packet(0, true, 0, &association),
            packet(0x100, true, 0, &map),
            packet(0x200, true, 0, &picture),
            packet(0x200, true, 1, &picture),
            packet(0x200, true, 2, &picture),
        ]
        .concat()
    }

    #[test]
    fn pictures_are_looked_into_unless_packets_are_lacking() {
        let sound = pictures();
        assert_eq!(look(&sound), Ok(Vec::new()));
        let place = 4 * PACKET - 3;
        let mut wrong = sound.clone();
        wrong[place - 5..place].copy_from_slice(&[0x65, 0, 0, 0, 7]);
        assert!(look(&wrong).is_err());
        let lost = [&wrong[..3 * PACKET], &wrong[4 * PACKET..]].concat();
        assert_eq!(look(&lost).unwrap().len(), 1, "a gap is no damage");
    }
}
