//! MP4 and QuickTime: do all samples that the tables name lie inside the file?
//!
//! ISO/IEC 14496-12 8.5 to 8.7. End of file is no error to demuxers, so this is the exact test for a cut-off film.

use crate::media::Source;
use crate::model::{DecodeError, PixelSize};

use super::bmff::{self, Bmff, be16, be32, be64};

/// Sample tables larger than this belong to no real film (tens of millions of samples).
const MAX_TABLE: u64 = 256 << 20;

/// What the boxes say.
#[derive(Debug, Default)]
pub struct Layout {
    /// The largest picture of any track, as stored.
    pub largest: PixelSize,
    /// Samples named by the tables of all tracks.
    pub samples: u64,
    /// What lies behind the last box that could be read, harmless.
    pub trailing: Option<DecodeError>,
}

/// Walks the boxes and follows every sample table.
pub fn walk(source: &Source<'_>) -> Result<Layout, DecodeError> {
    let mut layout = Layout::default();
    let (mut has_moov, mut has_data) = (false, false);
    let mut cut = None;
    for found in bmff::top_level(source) {
        match found {
            Ok(found) => match &found.kind {
                b"moov" => {
                    walk_moov(source, &found, &mut layout)?;
                    has_moov = true;
                }
                b"mdat" | b"moof" => has_data = true,
                _ => {}
            },
            Err(error @ DecodeError::Io { .. }) => return Err(error),
            Err(error) => cut = Some(error),
        }
    }
    match cut {
        Some(error) if has_moov && has_data && !is_media(&error) => layout.trailing = Some(error),
        Some(error) => return Err(error),
        None => {}
    }
    if has_moov {
        return Ok(layout);
    }
    let what = if has_data {
        "no index ('moov'): cut off, or the recording was never finished"
    } else {
        "no index ('moov')"
    };
    Err(DecodeError::Truncated { what: what.into(), offset: None, expected: None, found: Some(source.len()) })
}

/// Whether a box of film data is the one that could not be read whole.
fn is_media(error: &DecodeError) -> bool {
    matches!(error, DecodeError::Truncated { what, .. } if what.contains("'mdat'") || what.contains("'moof'"))
}

fn walk_moov(source: &Source<'_>, moov: &Bmff, layout: &mut Layout) -> Result<(), DecodeError> {
    for found in moov.children(source, 0) {
        let found = found?;
        if &found.kind == b"trak" {
            walk_track(source, &found, layout)?;
        }
    }
    Ok(())
}

fn walk_track(source: &Source<'_>, track: &Bmff, layout: &mut Layout) -> Result<(), DecodeError> {
    let Some(media) = track.child(source, 0, *b"mdia") else { return Ok(()) };
    let Some(information) = media.child(source, 0, *b"minf") else { return Ok(()) };
    let Some(table) = information.child(source, 0, *b"stbl") else { return Ok(()) };
    if let Some(description) = table.child(source, 0, *b"stsd") {
        read_size(source, &description, layout);
    }
    if is_external(source, &information) {
        return Ok(());
    }
    let read = |kind: &bmff::Kind| -> Result<Option<(u64, Vec<u8>)>, DecodeError> {
        let Some(found) = table.child(source, 0, *kind) else { return Ok(None) };
        if found.length() > MAX_TABLE {
            return Err(DecodeError::limit(
                format!("table '{}' of {} bytes", found.name(), found.length()),
                format!("{MAX_TABLE} bytes"),
            ));
        }
        let bytes = found
            .read(source, MAX_TABLE)
            .ok_or_else(|| DecodeError::truncated(format!("table '{}'", found.name()), found.start))?;
        Ok(Some((found.start, bytes)))
    };
    let (wide, chunks) = match (read(b"stco")?, read(b"co64")?) {
        (Some(chunks), _) => (false, chunks),
        (None, Some(chunks)) => (true, chunks),
        (None, None) => return Ok(()),
    };
    let Some(runs) = read(b"stsc")? else { return Ok(()) };
    let sizes = match (read(b"stsz")?, read(b"stz2")?) {
        (Some((_, bytes)), _) => Sizes::from_stsz(bytes),
        (None, Some((_, bytes))) => Sizes::from_stz2(bytes),
        (None, None) => None,
    };
    let Some(mut sizes) = sizes else { return Ok(()) };
    layout.samples = layout.samples.saturating_add(u64::from(sizes.count));
    check_chunks(source, wide, &chunks, &runs.1, &mut sizes)
}

/// Follows chunk by chunk; the last byte of the last sample must be there.
fn check_chunks(
    source: &Source<'_>,
    wide: bool,
    (start, chunks): &(u64, Vec<u8>),
    runs: &[u8],
    sizes: &mut Sizes,
) -> Result<(), DecodeError> {
    let width = if wide { 8 } else { 4 };
    let count = be32(chunks, 4).unwrap_or(0) as usize;
    let entries = chunks.get(8..).unwrap_or_default();
    if entries.len() / width < count {
        return Err(DecodeError::malformed(
            format!("chunk table of {count} entries is shorter than that"),
            *start,
        ));
    }
    let mut runs = runs.get(8..).unwrap_or_default().chunks_exact(12).peekable();
    let mut per_chunk = 0;
    for (index, entry) in entries.chunks_exact(width).take(count).enumerate() {
        while let Some(run) =
            runs.next_if(|run| be32(run, 0).is_some_and(|first| first as usize <= index + 1))
        {
            per_chunk = be32(run, 4).unwrap_or(0);
        }
        let offset = if wide { be64(entry, 0) } else { be32(entry, 0).map(u64::from) }.unwrap_or(0);
        let bytes = sizes.take(per_chunk);
        let end = offset.saturating_add(bytes);
        if bytes > 0 && end > source.len() {
            return Err(DecodeError::Truncated {
                what: format!("samples of chunk {} lie at {offset} with {bytes} bytes", index + 1),
                offset: Some(offset),
                expected: Some(end),
                found: Some(source.len()),
            });
        }
    }
    Ok(())
}

/// Sample sizes, taken from the front.
struct Sizes {
    same: u32,
    count: u32,
    at: u32,
    /// Bits of one entry where they are not all the same.
    bits: u8,
    table: Vec<u8>,
}

impl Sizes {
    fn from_stsz(table: Vec<u8>) -> Option<Self> {
        let (same, count) = (be32(&table, 4)?, be32(&table, 8)?);
        Some(Self { same, count, at: 0, bits: 32, table })
    }

    fn from_stz2(table: Vec<u8>) -> Option<Self> {
        let (bits, count) = (*table.get(7)?, be32(&table, 8)?);
        Some(Self { same: 0, count, at: 0, bits, table })
    }

    /// The bytes of the next `count` samples.
    fn take(&mut self, count: u32) -> u64 {
        let count = count.min(self.count - self.at);
        let first = self.at as usize;
        self.at += count;
        if self.same != 0 {
            return u64::from(self.same) * u64::from(count);
        }
        let entry = |index: usize| -> Option<u64> {
            match self.bits {
                32 => be32(&self.table, 12 + index * 4).map(u64::from),
                16 => be16(&self.table, 12 + index * 2).map(u64::from),
                8 => self.table.get(12 + index).copied().map(u64::from),
                4 => self
                    .table
                    .get(12 + index / 2)
                    .map(|&pair| u64::from(if index.is_multiple_of(2) { pair >> 4 } else { pair & 15 })),
                _ => None,
            }
        };
        // Ends with the table, however many entries it claims.
        (first..first + count as usize).map_while(entry).sum()
    }
}

/// The largest visual sample entry: 24 bytes of fields before the width.
fn read_size(source: &Source<'_>, description: &Bmff, layout: &mut Layout) {
    for entry in description.children(source, 8).flatten() {
        let head = Bmff { end: entry.end.min(entry.content + 28), ..entry };
        let Some(bytes) = head.read(source, 28) else { continue };
        if let (Some(width), Some(height)) = (be16(&bytes, 24), be16(&bytes, 26)) {
            let size = PixelSize::new(width.into(), height.into());
            if size.pixels() > layout.largest.pixels() {
                layout.largest = size;
            }
        }
    }
}

/// Whether the samples are in another file: the first data reference lacks the flag "in this file".
fn is_external(source: &Source<'_>, information: &Bmff) -> bool {
    let reference = information
        .child(source, 0, *b"dinf")
        .and_then(|found| found.child(source, 0, *b"dref"))
        .and_then(|found| found.children(source, 8).flatten().next());
    let Some(reference) = reference else { return false };
    let head = Bmff { end: reference.end.min(reference.content + 4), ..reference };
    head.read(source, 4).and_then(|bytes| be32(&bytes, 0)).is_some_and(|flags| flags & 1 == 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::trivially_copy_pass_by_ref, reason = "box names read best as b\"moov\"")]
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::File;

    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(content.len() + 8).unwrap().to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.extend(content);
        bytes
    }

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// One track of two chunks with two samples each at the given places.
    fn film([first, second]: [u32; 2]) -> Vec<u8> {
        let tables = [
            boxed(b"stsc", &numbers(&[0, 1, 1, 2, 1])),
            boxed(b"stsz", &numbers(&[0, 0, 4, 10, 10, 10, 10])),
            boxed(b"stco", &numbers(&[0, 2, first, second])),
        ];
        let track = boxed(b"trak", &boxed(b"mdia", &boxed(b"minf", &boxed(b"stbl", &tables.concat()))));
        [boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"moov", &track), boxed(b"mdat", &[1; 40])].concat()
    }

    fn look(bytes: &[u8]) -> Result<Layout, DecodeError> {
        let file = File::open("/dev/null").unwrap();
        walk(&Source::new(&file, bytes.len() as u64, Some(bytes), "mp4"))
    }

    #[test]
    fn samples_must_lie_inside_the_file() {
        let len = u32::try_from(film([0; 2]).len()).unwrap();
        assert_eq!(look(&film([len - 40, len - 20])).unwrap().samples, 4);
        let beyond = look(&film([len - 40, len - 19])).unwrap_err();
        let DecodeError::Truncated { expected, found, .. } = beyond else { unreachable!("{beyond}") };
        assert_eq!((expected, found), (Some(u64::from(len) + 1), Some(u64::from(len))));
    }

    #[test]
    fn cut_anywhere_is_noticed() {
        let len = u32::try_from(film([0; 2]).len()).unwrap();
        let film = film([len - 40, len - 20]);
        for cut in 0..film.len() {
            assert!(look(film.get(..cut).unwrap()).is_err(), "{cut}");
        }
        assert!(look(&[film, b"trailer that is no box".to_vec()].concat()).is_ok());
    }
}
