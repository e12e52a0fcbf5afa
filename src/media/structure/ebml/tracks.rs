//! The tracks of a segment, and the frames inside a block (RFC 9559 5.1.4 and 10).

use super::super::codec::{Codec, CodedData, Flaw};
use super::number;

const TRACK_ENTRY: u64 = 0xAE;
const TRACK_NUMBER: u64 = 0xD7;
const CODEC_ID: u64 = 0x86;
const CODEC_PRIVATE: u64 = 0x63A2;
const CONTENT_ENCODINGS: u64 = 0x6D80;
const CONTENT_ENCODING: u64 = 0x6240;
const CONTENT_COMPRESSION: u64 = 0x5034;
const COMPRESSION_METHOD: u64 = 0x4254;
const COMPRESSION_SETTINGS: u64 = 0x4255;
const CONTENT_ENCRYPTION: u64 = 0x5035;
/// The compression that takes the same bytes off the begin of each frame.
const HEADER_STRIPPING: u8 = 3;

/// How the frames of one track look.
#[derive(Debug)]
pub(super) struct Track {
    number: u64,
    codec: Codec,
    /// The walk through its frames.
    coded: Option<CodedData>,
    /// Bytes that were taken off the begin of each frame.
    stripped: Vec<u8>,
}

impl Track {
    /// What the walk through its frames found.
    pub(super) fn flaw(self) -> Option<(u64, String)> {
        self.coded.and_then(CodedData::flaw)
    }
}

/// All tracks, from the content of a `Tracks` element.
pub(super) fn read(tracks: &[u8]) -> Vec<Track> {
    elements(tracks).filter(|(id, _)| *id == TRACK_ENTRY).filter_map(|(_, entry)| track(entry)).collect()
}

fn track(entry: &[u8]) -> Option<Track> {
    let child = |id| elements(entry).find(|(found, _)| *found == id).map(|(_, content)| content);
    let number = child(TRACK_NUMBER)?.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    let name = child(CODEC_ID).unwrap_or_default();
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut codec = Codec::of_matroska(name, child(CODEC_PRIVATE).unwrap_or_default());
    let mut stripped = Vec::new();
    for (_, encoding) in
        child(CONTENT_ENCODINGS).into_iter().flat_map(elements).filter(|(id, _)| *id == CONTENT_ENCODING)
    {
        match stripping(encoding) {
            Some(bytes) => stripped.extend(bytes),
            None => codec = Codec::Opaque,
        }
    }
    let coded = CodedData::of(&codec);
    Some(Track { number, codec, coded, stripped })
}

/// The bytes that header stripping took off; none for other encodings.
fn stripping(encoding: &[u8]) -> Option<&[u8]> {
    if elements(encoding).any(|(id, _)| id == CONTENT_ENCRYPTION) {
        return None;
    }
    let (_, compression) = elements(encoding).find(|(id, _)| *id == CONTENT_COMPRESSION)?;
    let child = |id| elements(compression).find(|(found, _)| *found == id).map(|(_, content)| content);
    (child(COMPRESSION_METHOD)?.last() == Some(&HEADER_STRIPPING))
        .then(|| child(COMPRESSION_SETTINGS).unwrap_or_default())
}

/// Elements in a row, up to the first that is none.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        let (id, id_len) = number(bytes, 4, false)?;
        let (size, size_len) = number(bytes.get(id_len..)?, 8, true)?;
        let start = id_len + size_len;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        let content = bytes.get(start..end)?;
        bytes = bytes.get(end..)?;
        Some((id, content))
    })
}

/// A block: track number, time, flags, then one frame or several that are laced.
/// It begins at offset `base` of the file.
pub(super) fn check_block(block: &[u8], base: u64, tracks: &mut [Track]) -> Result<(), Flaw> {
    let flaw = |what: String| Flaw { at: 0, what };
    let (number, len) = number(block, 8, true).ok_or_else(|| flaw("a block without track".into()))?;
    let flags = *block.get(len + 2).ok_or_else(|| flaw("a block is shorter than its header".into()))?;
    let is_empty = tracks.is_empty();
    let Some(track) = tracks.iter_mut().find(|track| track.number == number) else {
        // Segments without tracks are not judged here.
        return if is_empty {
            Ok(())
        } else {
            Err(flaw(format!("a block of track {number}, which there is not")))
        };
    };
    let start = len + 3;
    let data = block.get(start..).unwrap_or_default();
    let (mut at, frames) = laced(data, flags >> 1 & 3)
        .ok_or_else(|| flaw("the frames of a laced block do not fit it".into()))?;
    if !track.codec.is_followed() {
        return Ok(());
    }
    for len in frames {
        let frame = data.get(at..at + len).unwrap_or_default();
        let joined;
        let frame = if track.stripped.is_empty() {
            frame
        } else {
            joined = [&track.stripped, frame].concat();
            &joined
        };
        track.codec.check(frame).map_err(|flaw| Flaw {
            at: start + at + flaw.at,
            what: format!("track {number}: {}", flaw.what),
        })?;
        if let Some(coded) = &mut track.coded {
            let base = base.saturating_add((start + at) as u64);
            coded.walk(frame, base.saturating_sub(track.stripped.len() as u64), || format!("track {number}"));
        }
        at += len;
    }
    Ok(())
}

/// Where the first frame begins, and the lengths of all; their sum never exceeds the data.
fn laced(data: &[u8], lacing: u8) -> Option<(usize, Vec<usize>)> {
    if lacing == 0 {
        return Some((0, vec![data.len()]));
    }
    let (&count, mut rest) = data.split_first()?;
    let count = usize::from(count) + 1;
    let mut sizes: Vec<usize> = Vec::with_capacity(count);
    match lacing {
        // Fixed sizes.
        2 => {
            if rest.len() % count != 0 {
                return None;
            }
            sizes.resize(count, rest.len() / count);
        }
        // Xiph: sums of bytes, each up to one below 255.
        1 => {
            for _ in 1..count {
                let mut size = 0;
                loop {
                    let (&byte, behind) = rest.split_first()?;
                    rest = behind;
                    size += usize::from(byte);
                    if byte != 255 {
                        break;
                    }
                }
                sizes.push(size);
            }
            sizes.push(rest.len().checked_sub(sizes.iter().sum())?);
        }
        // EBML: the first size, then differences.
        _ => {
            let mut size = 0i64;
            for index in 1..count {
                let (value, len) = number(rest, 8, true)?;
                rest = rest.get(len..)?;
                let value = i64::try_from(value).ok()?;
                let middle = (1i64 << (7 * len - 1)) - 1;
                size = if index == 1 { value } else { size.checked_add(value - middle)? };
                sizes.push(usize::try_from(size).ok()?);
            }
            let sum = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size))?;
            sizes.push(rest.len().checked_sub(sum)?);
        }
    }
    Some((data.len() - rest.len(), sizes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_kinds_of_lacing() {
        assert_eq!(laced(&[9; 5], 0), Some((0, vec![5])));
        assert_eq!(laced(&[2, 1, 2, 9, 9, 9, 9], 1), Some((3, vec![1, 2, 1])));
        assert_eq!(laced(&[1, 9, 9, 9, 9], 2), Some((1, vec![2, 2])));
        assert_eq!(laced(&[2, 0x82, 0xBE, 9, 9, 9, 9], 3), Some((3, vec![2, 1, 1])));
        assert_eq!(laced(&[1, 9, 9, 9], 2), None);
        assert_eq!(laced(&[1, 7, 9, 9], 1), None);
    }

    #[test]
    fn frames_are_checked_with_what_was_stripped() {
        // Track 1, VP8, header stripping of the first three bytes of a key frame's start code.
        let mut track = Track { number: 1, codec: Codec::Vp8, coded: None, stripped: vec![0x10, 0, 0, 0x9d] };
        let block = [&[0x81, 0, 0, 0][..], &[0x01, 0x2a, 8, 0, 8, 0, 1, 2, 3]].concat();
        assert_eq!(check_block(&block, 0, std::slice::from_mut(&mut track)), Ok(()));
        assert!(check_block(&[0x82, 0, 0, 0, 1], 0, &mut [track]).is_err(), "no such track");
    }

    proptest! {
        #[test]
        fn any_block_is_judged(bytes: Vec<u8>, lacing in 0u8..4) {
            if let Some((head, sizes)) = laced(&bytes, lacing) {
                prop_assert!(head + sizes.iter().sum::<usize>() <= bytes.len());
            }
            let _ = check_block(&bytes, 0, &mut read(&bytes));
        }
    }
}
