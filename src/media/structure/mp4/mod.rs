//! MP4 and QuickTime: are all samples that the tables name inside the file, and is each of them framed as its codec
//! demands?
//!
//! ISO/IEC 14496-12 8.5 to 8.8. End of file is no error to demuxers, so this is the exact test for a cut-off film.

mod fragments;
mod tables;
mod track;

use crate::media::Source;
use crate::model::{DecodeError, PixelSize};

use super::bmff::{self, Bmff};
use super::codec::{Codec, CodedData};
use fragments::{Defaults, Run};
use tables::Chunks;
use track::{Track, find, tiles};

/// Samples larger than this are not looked into, to bound memory.
const MAX_SAMPLE: u64 = 32 << 20;
/// Sample tables of all tracks together larger than this belong to no real film (tens of millions of samples).
const MAX_TABLES: u64 = 64 << 20;
/// Samples that share bytes are read no more than so many times the file.
const MAX_SHARING: u64 = 4;
/// More tracks than this belong to no real film.
const MAX_TRACKS: usize = 200;

/// What the boxes say.
#[derive(Debug, Default)]
pub struct Layout {
    /// The largest picture of any track, as stored.
    pub largest: PixelSize,
    /// Samples named by the tables of all tracks.
    pub samples: u64,
    /// What lies behind the last box that could be read, or tables that do not agree: no proof of damage.
    pub oddities: Vec<DecodeError>,
    tracks: Vec<Track>,
    fragments: Vec<Bmff>,
    defaults: Vec<Defaults>,
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
                    layout.movie(source, &found)?;
                    has_moov = true;
                }
                b"moof" => {
                    layout.fragments.push(found);
                    has_data = true;
                }
                b"mdat" => has_data = true,
                _ => {}
            },
            Err(error @ DecodeError::Io { .. }) => return Err(error),
            Err(error) => cut = Some(error),
        }
    }
    match cut {
        Some(error) if has_moov && has_data && !is_media(&error) => {
            let from = error.offset().unwrap_or(0);
            if let Some(at) = layout.fragments.last().and_then(|_| find_fragment(source, from)) {
                let what = format!("no box, but fragments go on at {at}");
                return Err(DecodeError::malformed(what, from));
            }
            layout.oddities.push(error);
        }
        Some(error) => return Err(error),
        None => {}
    }
    if has_moov {
        layout.follow_fragments(source)?;
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

/// Where a fragment begins behind `from`.
fn find_fragment(source: &Source<'_>, from: u64) -> Option<u64> {
    let mut at = from;
    let mut block = vec![0; 1 << 16];
    loop {
        let count = source.read_at(at, &mut block).ok()?;
        let bytes = block.get(..count)?;
        // The header box comes first in a fragment, always with 16 bytes.
        if let Some(found) = memchr::memmem::find(bytes, b"moof\0\0\0\x10mfhd") {
            return Some(at + found as u64);
        }
        if count < 16 || at >= source.len() {
            return None;
        }
        at += (count - 12).max(1) as u64;
    }
}

impl Layout {
    fn movie(&mut self, source: &Source<'_>, moov: &Bmff) -> Result<(), DecodeError> {
        let parts = tiles(source, moov)?;
        let mut room = MAX_TABLES;
        if let Some(extends) = find(&parts, *b"mvex") {
            self.defaults = fragments::defaults(source, extends)?;
        }
        for found in parts.iter().filter(|found| &found.kind == b"trak").take(MAX_TRACKS) {
            let track = Track::read(source, found, &mut room)?;
            if track.size.pixels() > self.largest.pixels() {
                self.largest = track.size;
            }
            if let Some(tables) = &track.tables {
                self.samples = self.samples.saturating_add(tables.samples().into());
                if let Some(what) = tables.disagreement() {
                    let what = format!("track {}: {what}", track.id);
                    self.oddities.push(DecodeError::malformed(what, found.start));
                }
                for chunk in tables.chunks() {
                    let bytes = tables.bytes(chunk.first, chunk.samples);
                    let what = || format!("samples of chunk {} of track {}", chunk.number, track.id);
                    inside(source, what, chunk.offset, bytes)?;
                }
            }
            self.tracks.push(track);
        }
        Ok(())
    }

    /// The runs of all fragments lie inside the file.
    fn follow_fragments(&mut self, source: &Source<'_>) -> Result<(), DecodeError> {
        for moof in &self.fragments {
            for run in fragments::runs(source, moof, &self.defaults)? {
                let bytes = run.samples.iter().map(|&(size, _)| u64::from(size)).fold(0, u64::saturating_add);
                let what = || format!("samples of a fragment of track {}", run.track);
                inside(source, what, run.offset, bytes)?;
                self.samples = self.samples.saturating_add(run.samples.len() as u64);
            }
        }
        Ok(())
    }

    /// Reads all samples whose framing is known, as they lie in the file, and checks it. `pulse` is asked before each
    /// chunk whether to go on.
    pub fn check_samples(
        &self,
        source: &Source<'_>,
        pulse: &mut dyn FnMut() -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut reader = SampleReader::new(source);
        let mut coded: Vec<Coded> = self.tracks.iter().map(Coded::of).collect();
        let mut heads: Vec<(&Track, &mut Coded, std::iter::Peekable<Chunks<'_>>)> = self
            .tracks
            .iter()
            .zip(&mut coded)
            .filter(|(track, _)| track.codecs.iter().any(Codec::is_followed))
            .filter_map(|(track, coded)| Some((track, coded, track.tables.as_ref()?.chunks().peekable())))
            .collect();
        // Chunks of all tracks in the order of the file.
        loop {
            let next = heads
                .iter_mut()
                .filter_map(|(track, coded, chunks)| Some((chunks.peek()?.offset, &**track, coded, chunks)))
                .min_by_key(|(offset, ..)| *offset);
            let Some((_, track, coded, chunks)) = next else { break };
            let (Some(chunk), Some(tables)) = (chunks.next(), track.tables.as_ref()) else { break };
            let mut at = chunk.offset;
            for sample in chunk.first..chunk.first.saturating_add(chunk.samples) {
                pulse()?;
                let size = tables.size(sample);
                let place = || format!("track {} at {:.2} s", track.id, track.seconds(tables.time(sample)));
                let codec = track.codec(chunk.description);
                reader.check(codec, coded.at(chunk.description), at, size, place)?;
                at = at.saturating_add(size);
            }
        }
        for moof in &self.fragments {
            for run in fragments::runs(source, moof, &self.defaults)? {
                pulse()?;
                self.check_run(&run, &mut coded, &mut reader)?;
            }
        }
        coded.into_iter().flat_map(|coded| coded.0).try_for_each(|coded| {
            let flaw = coded.and_then(CodedData::flaw);
            flaw.map_or(Ok(()), |(at, what)| Err(DecodeError::malformed(what, at)))
        })
    }

    fn check_run(
        &self,
        run: &Run,
        coded: &mut [Coded],
        reader: &mut SampleReader<'_, '_>,
    ) -> Result<(), DecodeError> {
        let mut tracks = self.tracks.iter().zip(coded);
        let Some((track, coded)) = tracks.find(|(track, _)| track.id == run.track) else { return Ok(()) };
        let description = run.description.max(1);
        let codec = track.codec(description);
        let mut at = run.offset;
        for &(size, _) in &run.samples {
            let size = u64::from(size);
            let place = || format!("track {} in a fragment", track.id);
            reader.check(codec, coded.at(description), at, size, place)?;
            at = at.saturating_add(size);
        }
        Ok(())
    }
}

/// Samples must lie inside the file.
fn inside(
    source: &Source<'_>,
    what: impl Fn() -> String,
    offset: u64,
    bytes: u64,
) -> Result<(), DecodeError> {
    let end = offset.saturating_add(bytes);
    if bytes == 0 || end <= source.len() {
        return Ok(());
    }
    Err(DecodeError::Truncated {
        what: format!("{} lie at {offset} with {bytes} bytes", what()),
        offset: Some(offset),
        expected: Some(end),
        found: Some(source.len()),
    })
}

/// The walks through the frames of one track, by sample entry.
struct Coded(Vec<Option<CodedData>>);

impl Coded {
    fn of(track: &Track) -> Self {
        Self(track.codecs.iter().map(CodedData::of).collect())
    }

    /// Of a sample entry, counted from 1.
    fn at(&mut self, description: u32) -> Option<&mut CodedData> {
        self.0.get_mut((description as usize).saturating_sub(1))?.as_mut()
    }
}

struct SampleReader<'s, 'a> {
    source: &'s Source<'a>,
    buffer: Vec<u8>,
    /// Bytes that may still be read.
    room: u64,
    /// Where the sample before was, and how long: pictures that stand still may name the same bytes again and again.
    before: (u64, u64),
}

impl<'s, 'a> SampleReader<'s, 'a> {
    const fn new(source: &'s Source<'a>) -> Self {
        let room = source.len().saturating_mul(MAX_SHARING).saturating_add(1 << 20);
        Self { source, buffer: Vec::new(), room, before: (0, 0) }
    }

    fn check(
        &mut self,
        codec: &Codec,
        coded: Option<&mut CodedData>,
        at: u64,
        size: u64,
        place: impl Fn() -> String,
    ) -> Result<(), DecodeError> {
        if !codec.is_followed() || size > MAX_SAMPLE || self.before == (at, size) {
            return Ok(());
        }
        self.before = (at, size);
        self.room = self.room.checked_sub(size).ok_or_else(|| {
            DecodeError::limit("samples that share their bytes", format!("{MAX_SHARING} times the file"))
        })?;
        self.buffer.resize(usize::try_from(size).unwrap_or(0), 0);
        let count =
            self.source.read_at(at, &mut self.buffer).map_err(|error| DecodeError::io(&error, Some(at)))?;
        if count < self.buffer.len() {
            return Err(DecodeError::truncated(format!("sample of {}", place()), Some(at)));
        }
        codec.check(&self.buffer).map_err(|flaw| {
            let offset = at.saturating_add(flaw.at as u64);
            DecodeError::malformed(format!("sample of {}: {}", place(), flaw.what), offset)
        })?;
        if let Some(coded) = coded {
            coded.walk(&self.buffer, at, || format!("sample of {}", place()));
        }
        Ok(())
    }
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
            boxed(b"stts", &numbers(&[0, 1, 4, 1])),
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
