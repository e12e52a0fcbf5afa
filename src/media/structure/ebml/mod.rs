//! Matroska and WebM: elements inside their parents, the CRC-32 elements that some writers add, and the frames inside the
//! blocks (RFC 8794, RFC 9559).

mod tracks;

use flate2::Crc;

use crate::media::Source;
use crate::model::DecodeError;

const EBML: u64 = 0x1A45_DFA3;
const SEGMENT: u64 = 0x1853_8067;
const CLUSTER: u64 = 0x1F43_B675;
const CRC_32: u64 = 0xBF;
/// Children of the segment: seek head, info, tracks, cluster, cues, attachments, chapters, tags, void, CRC-32.
const LEVEL_1: [u64; 10] = [
    0x114D_9B74,
    0x1549_A966,
    0x1654_AE6B,
    CLUSTER,
    0x1C53_BB6B,
    0x1941_A469,
    0x1043_A770,
    0x1254_C367,
    0xEC,
    CRC_32,
];
/// Elements larger than this are not checked against their CRC-32, to bound memory.
const MAX_CHECKED: u64 = 64 << 20;
/// Descriptions of tracks larger than this are not read.
const MAX_TRACKS: u64 = 16 << 20;
/// Blocks larger than this are not looked into, to bound memory.
const MAX_BLOCK: u64 = 32 << 20;
const TRACKS: u64 = 0x1654_AE6B;
const SIMPLE_BLOCK: u64 = 0xA3;
const BLOCK_GROUP: u64 = 0xA0;
const BLOCK: u64 = 0xA1;
/// Children of a cluster: time, silent tracks, position, size of the one before, blocks, void, CRC-32.
const IN_CLUSTER: [u64; 9] = [0xE7, 0x5854, 0xA7, 0xAB, SIMPLE_BLOCK, BLOCK_GROUP, 0xAF, 0xEC, CRC_32];
/// More elements than this in one file are no real film.
const MAX_ELEMENTS: u32 = 50_000_000;

struct Element {
    id: u64,
    start: u64,
    content: u64,
    /// `None`: the writer did not know; it ends where something begins that cannot be inside.
    end: Option<u64>,
}

/// What the elements say.
#[derive(Debug, Default)]
pub struct Layout {
    /// Number of clusters.
    pub clusters: u64,
    /// Elements whose CRC-32 fits.
    pub checked: u64,
    /// Bytes behind the segment that are no element, harmless.
    pub trailing: Option<DecodeError>,
}

/// Walks the whole file down to the blocks; with `samples` also reads what is in them and checks the framing of each
/// frame. `pulse` is asked before each cluster whether to go on.
pub fn walk(
    source: &Source<'_>,
    samples: bool,
    pulse: &mut dyn FnMut() -> Result<(), DecodeError>,
) -> Result<Layout, DecodeError> {
    let mut walker = Walker {
        source,
        layout: Layout::default(),
        left: MAX_ELEMENTS,
        samples,
        tracks: Vec::new(),
        buffer: Vec::new(),
        pulse,
    };
    let mut at = 0;
    let mut has_segment = false;
    while at < source.len() {
        let element = match walker.element(at, source.len()) {
            Ok(element) => element,
            Err(error @ (DecodeError::Malformed { .. } | DecodeError::Truncated { .. })) if has_segment => {
                walker.layout.trailing = Some(error);
                break;
            }
            Err(error) => return Err(error),
        };
        if element.id == SEGMENT {
            has_segment = true;
            walker.segment(&element)?;
        } else if element.id != EBML && at == 0 {
            return Err(DecodeError::malformed("no EBML header", 0));
        }
        at = element.end.unwrap_or(source.len());
    }
    if !has_segment {
        return Err(DecodeError::truncated("no segment", Some(source.len())));
    }
    match walker.tracks.into_iter().find_map(tracks::Track::flaw) {
        Some((at, what)) => Err(DecodeError::malformed(what, at)),
        None => Ok(walker.layout),
    }
}

struct Walker<'s, 'a> {
    source: &'s Source<'a>,
    layout: Layout,
    left: u32,
    samples: bool,
    tracks: Vec<tracks::Track>,
    buffer: Vec<u8>,
    pulse: &'s mut dyn FnMut() -> Result<(), DecodeError>,
}

impl Walker<'_, '_> {
    fn element(&mut self, at: u64, parent_end: u64) -> Result<Element, DecodeError> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| DecodeError::limit("elements", MAX_ELEMENTS.to_string()))?;
        let mut head = [0u8; 12];
        let count = self.source.read_at(at, &mut head).map_err(|error| DecodeError::io(&error, Some(at)))?;
        let head = head.get(..count).unwrap_or_default();
        let cut = || DecodeError::truncated("element header", Some(at));
        let wrong = || DecodeError::malformed("no element where one must begin", at);
        let (id, id_len) = number(head, 4, false).ok_or_else(|| if count < 4 { cut() } else { wrong() })?;
        let rest = head.get(id_len..).unwrap_or_default();
        let (size, size_len) =
            number(rest, 8, true).ok_or_else(|| if count < 12 { cut() } else { wrong() })?;
        let content = at + (id_len + size_len) as u64;
        let unknown = size == (1u64 << (7 * size_len)) - 1;
        let end = (!unknown).then(|| content.saturating_add(size));
        if let Some(end) = end.filter(|&end| end > parent_end) {
            let what = format!("element {id:X} of {size} bytes");
            return Err(if end > self.source.len() {
                DecodeError::Truncated {
                    what,
                    offset: Some(at),
                    expected: Some(end),
                    found: Some(self.source.len()),
                }
            } else {
                DecodeError::malformed(format!("{what} reaches behind the element that holds it"), at)
            });
        }
        Ok(Element { id, start: at, content, end })
    }

    fn segment(&mut self, segment: &Element) -> Result<(), DecodeError> {
        let end = segment.end.unwrap_or(self.source.len());
        let mut at = segment.content;
        while at < end {
            let element = self.element(at, end)?;
            if !LEVEL_1.contains(&element.id) {
                return Err(DecodeError::malformed(
                    format!("element {:X} cannot be in a segment", element.id),
                    at,
                ));
            }
            if element.id == TRACKS && self.load(&element, MAX_TRACKS)? {
                self.tracks = tracks::read(&self.buffer);
            }
            at = if element.id == CLUSTER {
                (self.pulse)()?;
                self.layout.clusters += 1;
                self.cluster(&element, end)?
            } else {
                element.end.ok_or_else(|| DecodeError::malformed("element without an end", at))?
            };
            if element.end.is_some() {
                self.check_sum(&element)?;
            }
        }
        Ok(())
    }

    /// Steps over the blocks; gives where the cluster ends.
    fn cluster(&mut self, cluster: &Element, segment_end: u64) -> Result<u64, DecodeError> {
        let end = cluster.end.unwrap_or(segment_end);
        let mut at = cluster.content;
        while at < end {
            let element = self.element(at, end)?;
            if cluster.end.is_none() && LEVEL_1.contains(&element.id) && !matches!(element.id, 0xEC | CRC_32)
            {
                return Ok(at);
            }
            if !IN_CLUSTER.contains(&element.id) {
                let what = format!("element {:X} cannot be in a cluster", element.id);
                return Err(DecodeError::malformed(what, at));
            }
            let behind = element.end.ok_or_else(|| DecodeError::malformed("element without an end", at))?;
            match element.id {
                SIMPLE_BLOCK => self.block(&element)?,
                BLOCK_GROUP => self.block_group(&element, behind)?,
                _ => {}
            }
            at = behind;
        }
        Ok(end)
    }

    fn block_group(&mut self, group: &Element, end: u64) -> Result<(), DecodeError> {
        let mut at = group.content;
        while at < end {
            let element = self.element(at, end)?;
            if element.id == BLOCK {
                self.block(&element)?;
            }
            at = element.end.ok_or_else(|| DecodeError::malformed("element without an end", at))?;
        }
        Ok(())
    }

    fn block(&mut self, block: &Element) -> Result<(), DecodeError> {
        if !self.samples || !self.load(block, MAX_BLOCK)? {
            return Ok(());
        }
        tracks::check_block(&self.buffer, block.content, &mut self.tracks)
            .map_err(|flaw| DecodeError::malformed(flaw.what, block.content + flaw.at as u64))
    }

    /// Reads an element's content into the buffer, if it is no longer than `limit`.
    fn load(&mut self, element: &Element, limit: u64) -> Result<bool, DecodeError> {
        let len = element.end.map_or(u64::MAX, |end| end - element.content);
        if len > limit {
            return Ok(false);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(usize::try_from(len).unwrap_or(0), 0);
        let read = self.read(element.content, &mut buffer);
        self.buffer = buffer;
        read.map(|()| true)
    }

    /// A CRC-32 element comes first and covers everything behind it in its parent.
    fn check_sum(&mut self, parent: &Element) -> Result<(), DecodeError> {
        let Some(end) = parent.end else { return Ok(()) };
        if end - parent.content < 6 || end - parent.content > MAX_CHECKED {
            return Ok(());
        }
        let mut head = [0u8; 6];
        self.read(parent.content, &mut head)?;
        let [0xBF, 0x84, stored @ ..] = head else { return Ok(()) };
        let mut sum = Crc::new();
        let mut at = parent.content + 6;
        let mut block = vec![0u8; 1 << 16];
        while at < end {
            let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(block.len());
            let part = block.get_mut(..len).unwrap_or_default();
            self.read(at, part)?;
            sum.update(part);
            at += len as u64;
        }
        if sum.sum() != u32::from_le_bytes(stored) {
            return Err(DecodeError::malformed(
                format!("CRC-32 of element {:X} does not fit", parent.id),
                parent.start,
            ));
        }
        self.layout.checked += 1;
        Ok(())
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), DecodeError> {
        let count = self.source.read_at(at, buffer).map_err(|error| DecodeError::io(&error, Some(at)))?;
        if count == buffer.len() {
            Ok(())
        } else {
            Err(DecodeError::truncated("the file became shorter", Some(at)))
        }
    }
}

/// A number whose length is told by its leading zero bits; with the marker bit taken off for sizes.
fn number(bytes: &[u8], longest: u32, is_size: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = first.leading_zeros() + 1;
    if len > longest {
        return None;
    }
    let len = len as usize;
    let value = bytes.get(..len)?.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    Some((if is_size { value & ((1u64 << (7 * len)) - 1) } else { value }, len))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::File;

    use super::*;

    fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        let mut bytes = id.to_vec();
        bytes.push(0x40 | u8::try_from(content.len() >> 8).unwrap());
        bytes.push(u8::try_from(content.len() & 255).unwrap());
        bytes.extend(content);
        bytes
    }

    fn film() -> Vec<u8> {
        let block = element(&[0xA3], &[0x81, 2, 3, 0, 5]);
        let mut sum = Crc::new();
        sum.update(&block);
        let checked = [&[0xBF, 0x84][..], &sum.sum().to_le_bytes(), &block].concat();
        let cluster = element(&[0x1F, 0x43, 0xB6, 0x75], &checked);
        [element(&[0x1A, 0x45, 0xDF, 0xA3], b"x"), element(&[0x18, 0x53, 0x80, 0x67], &cluster)].concat()
    }

    fn look(bytes: &[u8]) -> Result<Layout, DecodeError> {
        let file = File::open("/dev/null").unwrap();
        walk(&Source::new(&file, bytes.len() as u64, Some(bytes), "mkv"), true, &mut || Ok(()))
    }

    #[test]
    fn sums_are_checked() {
        let sound = look(&film()).unwrap();
        assert_eq!((sound.clusters, sound.checked), (1, 1));
        let mut damaged = film();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(matches!(look(&damaged), Err(DecodeError::Malformed { .. })));
    }

    #[test]
    fn cut_anywhere_is_noticed() {
        let film = film();
        for cut in 1..film.len() {
            assert!(matches!(look(film.get(..cut).unwrap()), Err(DecodeError::Truncated { .. })), "{cut}");
        }
    }
}
