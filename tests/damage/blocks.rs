//! The operators that lose or change bytes.

use std::ops::Range;

use super::kind::find;
use super::{Block, Operator, Rng, Sound, jpeg};

/// The damaged file; `None` where the operator does not apply. Operators that apply to nothing but the whole file
/// never give up.
pub fn damage(operator: Operator, sound: &Sound<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    let bytes = sound.bytes;
    let len = bytes.len();
    let out = match operator {
        Operator::Truncated(percent) => bytes[..len * usize::from(percent) / 100].to_vec(),
        Operator::TruncatedLast100 => bytes[..len.checked_sub(100)?].to_vec(),
        Operator::TruncatedAtSector => {
            let at = place(sound, rng, 512)?;
            bytes[..at.start].to_vec()
        }
        Operator::Block(block, size) => change_block(block, size, sound, rng)?,
        Operator::ZeroHalf => filled(bytes, len / 2..len, 0),
        Operator::ZeroLast4k => filled(bytes, len.checked_sub(4096)?..len, 0),
        Operator::OnesLast4k => filled(bytes, len.checked_sub(4096)?..len, 0xff),
        Operator::BitFlip => {
            let at = anywhere(sound, rng);
            let mut out = bytes.to_vec();
            *out.get_mut(at)? ^= 1 << rng.below(8);
            out
        }
        Operator::Random16 => {
            let at = anywhere(sound, rng);
            let noise = rng.bytes(16.min(len.saturating_sub(at)));
            written(bytes, at, &noise)
        }
        Operator::CrLf => with_line_ends(bytes, b"\r\n"),
        Operator::Lf => with_line_ends(bytes, b"\n"),
        Operator::Html => {
            b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body></body></html>\n"
                .to_vec()
        }
        Operator::AllZero => vec![0; len],
        Operator::Empty => Vec::new(),
        Operator::Head(size) => {
            let noise = rng.bytes(size.min(len));
            written(bytes, 0, &noise)
        }
        Operator::ExifZero => filled(bytes, exif(sound)?, 0),
        Operator::ExifRandom => {
            let range = exif(sound)?;
            let noise = rng.bytes(range.len());
            written(bytes, range.start, &noise)
        }
        Operator::OtherPicture | Operator::WrongExtension | Operator::Odd(_) => return None,
    };
    Some(out)
}

fn change_block(block: Block, size: usize, sound: &Sound<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    let bytes = sound.bytes;
    let at = place(sound, rng, size)?;
    let out = match block {
        Block::Zero => filled(bytes, at, 0),
        Block::Ones => filled(bytes, at, 0xff),
        Block::Random => {
            let noise = rng.bytes(at.len());
            written(bytes, at.start, &noise)
        }
        Block::Foreign => {
            let from = rng.below(sound.donor.len().checked_sub(size)?) / 512 * 512;
            written(bytes, at.start, &sound.donor[from..from + size])
        }
        Block::Swapped => {
            let other = elsewhere(sound, rng, size, &at)?;
            let out = written(bytes, at.start, &bytes[other.clone()]);
            written(&out, other.start, &bytes[at])
        }
        Block::Lost => [&bytes[..at.start], &bytes[at.end..]].concat(),
        Block::Doubled => [&bytes[..at.end], &bytes[at.start..]].concat(),
        Block::Copied => {
            let other = elsewhere(sound, rng, size, &at)?;
            written(bytes, at.start, &bytes[other])
        }
    };
    Some(out)
}

/// An aligned block that touches the picture data; one time in eight, anywhere behind the first bytes. Blocks are aligned
/// to their size, at most to the 4 KiB of file systems; in files with no such place, to sectors.
fn place(sound: &Sound<'_>, rng: &mut Rng, size: usize) -> Option<Range<usize>> {
    let len = sound.bytes.len();
    if len < 2 * size {
        return None;
    }
    let payload = if rng.below(8) == 0 { 16..len } else { sound.kind.payload(sound.bytes) };
    // Wholly inside, if possible.
    let inside = payload.start..payload.end.saturating_sub(size).max(payload.start + 1);
    for alignment in [size.min(4096), 512] {
        let first = inside.start.div_ceil(alignment);
        let last = (inside.end - 1) / alignment;
        if first > last {
            continue;
        }
        let start = rng.within(&(first..last + 1)) * alignment;
        if start > 0 && start + size <= len {
            return Some(start..start + size);
        }
    }
    let start = payload.start / 512 * 512;
    (start > 0 && start + size <= len).then(|| start..start + size)
}

/// Another block, which does not overlap the first one.
fn elsewhere(sound: &Sound<'_>, rng: &mut Rng, size: usize, not: &Range<usize>) -> Option<Range<usize>> {
    (0..32)
        .filter_map(|_| place(sound, rng, size))
        .find(|other| other.start >= not.end || other.end <= not.start)
}

/// One byte of the picture data; one time in eight, of the whole file.
fn anywhere(sound: &Sound<'_>, rng: &mut Rng) -> usize {
    let len = sound.bytes.len();
    let payload = sound.kind.payload(sound.bytes);
    if rng.below(8) == 0 || payload.is_empty() { rng.below(len) } else { rng.within(&payload) }
}

fn filled(bytes: &[u8], range: Range<usize>, value: u8) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[range].fill(value);
    out
}

fn written(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[at..at + new.len()].copy_from_slice(new);
    out
}

/// All line ends turned into this one, as programs do that take the file for text.
fn with_line_ends(bytes: &[u8], end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 64);
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'\r' if rest.peek() == Some(&b'\n') => {}
            b'\n' => out.extend(end),
            byte => out.push(byte),
        }
    }
    out
}

/// The EXIF data, or the first 4 KiB from where they begin in containers that do not tell their length near by.
fn exif(sound: &Sound<'_>) -> Option<Range<usize>> {
    if let Some(range) = jpeg::Layout::of(sound.bytes).and_then(|layout| layout.exif) {
        return Some(range);
    }
    let at = find(sound.bytes, b"Exif\0\0").map(|at| at + 6)?;
    Some(at..(at + 4096).min(sound.bytes.len()))
}
