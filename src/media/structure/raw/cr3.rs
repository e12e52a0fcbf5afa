//! The pictures inside Canon's CR3: the camera's own JPEG is a track like the sensor data, a smaller one has a box of its own.

use std::ops::Range;

use crate::media::Source;
use crate::media::structure::bmff::{self, Bmff, be32, be64};

/// Tables longer than this belong to a film.
const MAX_TABLE: u64 = 1 << 16;
/// Canon's box with the preview.
const PREVIEW_UUID: [u8; 16] =
    [0xEA, 0xF4, 0x2B, 0x5E, 0x1C, 0x98, 0x4B, 0x88, 0xB9, 0xFB, 0xB7, 0xDC, 0x40, 0x6E, 0x4D, 0x16];
/// How far into that box the JPEG begins at most.
const PREVIEW_HEAD: u64 = 64;

/// Where the JPEGs are, those of the tracks first; each begins as a JPEG does.
pub fn cr3_jpegs(source: &Source<'_>, bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for top in bmff::top_level(source).flatten() {
        match &top.kind {
            b"moov" => {
                let tracks = top.children(source, 0).flatten().filter(|inner| &inner.kind == b"trak");
                found.extend(tracks.filter_map(|track| first_sample(source, &track)));
            }
            b"uuid" => found.extend(preview(&top, bytes)),
            _ => {}
        }
    }
    found.retain(|range| bytes.get(range.clone()).is_some_and(|data| data.starts_with(b"\xff\xd8\xff")));
    found
}

/// Where the first sample of a track is.
fn first_sample(source: &Source<'_>, track: &Bmff) -> Option<Range<usize>> {
    let inner = |holder: Bmff, kind| holder.child(source, 0, kind);
    let table = inner(inner(inner(*track, *b"mdia")?, *b"minf")?, *b"stbl")?;
    let read = |kind| table.child(source, 0, kind)?.read(source, MAX_TABLE);
    let start = read(*b"co64").and_then(|offsets| be64(&offsets, 8));
    let start = start.or_else(|| be32(&read(*b"stco")?, 8).map(u64::from))?;
    let sizes = read(*b"stsz")?;
    let length = be32(&sizes, 4).filter(|&length| length > 0).or_else(|| be32(&sizes, 12))?;
    span(start, length.into())
}

fn preview(top: &Bmff, bytes: &[u8]) -> Option<Range<usize>> {
    let whole = span(top.content, top.length())?;
    let content = bytes.get(whole.clone())?.strip_prefix(&PREVIEW_UUID)?;
    let head = content.get(..content.len().min(usize::try_from(PREVIEW_HEAD).ok()?))?;
    memchr::memmem::find(head, b"PRVW")?;
    let at = memchr::memmem::find(head, b"\xff\xd8\xff")?;
    Some(whole.end - content.len() + at..whole.end)
}

fn span(start: u64, length: u64) -> Option<Range<usize>> {
    Some(usize::try_from(start).ok()?..usize::try_from(start.checked_add(length)?).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn boxed(kind: [u8; 4], content: &[&[u8]]) -> Vec<u8> {
        let body = content.concat();
        let length = u32::try_from(body.len() + 8).unwrap();
        [&length.to_be_bytes()[..], &kind, &body].concat()
    }

    fn file(first: u64) -> Vec<u8> {
        let jpeg = b"\xff\xd8\xff\xc0 the camera's picture \xff\xd9";
        let offsets = boxed(*b"co64", &[&[0; 4], &1u32.to_be_bytes(), &first.to_be_bytes()]);
        let length = u32::try_from(jpeg.len()).unwrap();
        let sizes = boxed(*b"stsz", &[&[0; 4], &length.to_be_bytes(), &1u32.to_be_bytes()]);
        let track = boxed(
            *b"trak",
            &[&boxed(*b"mdia", &[&boxed(*b"minf", &[&boxed(*b"stbl", &[&offsets, &sizes])])])],
        );
        let small = boxed(*b"PRVW", &[&[0; 16], b"\xff\xd8\xff a small one"]);
        let head = [
            boxed(*b"ftyp", &[b"crx \0\0\0\x01crx isom"]),
            boxed(*b"moov", &[&track]),
            boxed(*b"uuid", &[&PREVIEW_UUID, &[0; 8], &small]),
        ]
        .concat();
        [head, boxed(*b"mdat", &[jpeg])].concat()
    }

    #[test]
    fn the_track_comes_before_the_preview() {
        let start = memchr::memmem::find(&file(0), b"\xff\xd8\xff\xc0").unwrap();
        let bytes = file(start as u64);
        let spool = tempfile::tempfile().unwrap();
        let source = Source::new(&spool, bytes.len() as u64, Some(&bytes), "cr3");
        let found: Vec<&[u8]> =
            cr3_jpegs(&source, &bytes).into_iter().map(|range| bytes.get(range).unwrap()).collect();
        assert_eq!(
            found,
            [&b"\xff\xd8\xff\xc0 the camera's picture \xff\xd9"[..], b"\xff\xd8\xff a small one"]
        );
        for end in 0..bytes.len() {
            let cut = bytes.get(..end).unwrap();
            let _ = cr3_jpegs(&Source::new(&spool, cut.len() as u64, Some(cut), "cr3"), cut);
        }
    }
}
