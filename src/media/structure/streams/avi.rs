//! AVI: lists and chunks, down to the frames (AVI RIFF file reference; OpenDML AVI extensions).

use crate::media::Source;
use crate::model::DecodeError;

use super::super::codec::Codec;
use super::{Answer, MAX_CHUNK, MAX_CHUNKS, Pulse, cut, le32, load, no_chunk, read};

/// Header lists larger than this are not read.
const MAX_HEADER: u64 = 4 << 20;
/// More streams than this belong to no real film.
const MAX_STREAMS: usize = 100;

/// The lists of film data must be there to their ends and with `samples` filled with chunks whose frames are looked into. Lists of
/// size 0 were never finished by the recorder and are not judged.
pub fn walk(source: &Source<'_>, samples: bool, pulse: Pulse<'_>) -> Answer {
    let mut film = Film { source, codecs: Vec::new(), buffer: Vec::new() };
    let mut at = 0;
    let mut has_film = false;
    for _ in 0..MAX_CHUNKS {
        let Some(head) = read::<12>(source, at)? else { break };
        let size = u64::from(le32(&head, 4).unwrap_or(0));
        let end = at + 8 + size;
        let whole = |what: String| if end > source.len() { Err(cut(what, at, end, source)) } else { Ok(()) };
        at = match (head.get(..4), head.get(8..12)) {
            (Some(b"RIFF"), Some(b"AVI " | b"AVIX")) => at + 12,
            (Some(b"LIST"), Some(b"movi")) if size == 0 => return Ok(Vec::new()),
            (Some(b"LIST"), Some(kind)) => {
                whole(format!("list '{}' of {size} bytes", kind.escape_ascii()))?;
                match kind {
                    b"movi" => {
                        has_film = true;
                        if samples {
                            film.frames(at + 12, end, pulse)?;
                        }
                    }
                    b"hdrl" => film.header(at + 12, end)?,
                    _ => {}
                }
                end.next_multiple_of(2)
            }
            (Some(b"idx1" | b"JUNK"), _) => {
                whole(format!("chunk of {size} bytes"))?;
                end.next_multiple_of(2)
            }
            // Whatever lies behind the lists is not needed.
            _ if has_film => return Ok(Vec::new()),
            // Editors and cameras put chunks of their own before the film.
            (Some(kind), _) if kind.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') => {
                whole(format!("chunk '{}' of {size} bytes", kind.escape_ascii()))?;
                end.next_multiple_of(2)
            }
            _ => return Err(DecodeError::malformed("no chunk where one must begin", at)),
        };
    }
    if has_film {
        Ok(Vec::new())
    } else {
        Err(DecodeError::truncated("no list of film data", Some(source.len())))
    }
}

struct Film<'s, 'a> {
    source: &'s Source<'a>,
    /// Of each stream.
    codecs: Vec<Codec>,
    buffer: Vec<u8>,
}

impl Film<'_, '_> {
    /// The stream formats: `strf` of each stream list holds a bitmap header for video.
    fn header(&mut self, start: u64, end: u64) -> Result<(), DecodeError> {
        // A list shorter than its own name holds nothing.
        let length = end.saturating_sub(start);
        if length > MAX_HEADER {
            return Ok(());
        }
        load(self.source, start, length, &mut self.buffer)?;
        let bytes = std::mem::take(&mut self.buffer);
        self.codecs = chunks(&bytes)
            .filter(|(kind, list)| kind == b"LIST" && list.starts_with(b"strl"))
            .take(MAX_STREAMS)
            .map(|(_, list)| stream_codec(list.get(4..).unwrap_or_default()))
            .collect();
        self.buffer = bytes;
        Ok(())
    }

    fn frames(&mut self, start: u64, end: u64, pulse: Pulse<'_>) -> Result<(), DecodeError> {
        let mut at = start;
        let mut odd = false;
        for count in 0..MAX_CHUNKS {
            if count % 256 == 0 {
                pulse()?;
            }
            let Some(head) = read::<8>(self.source, at)?.filter(|_| at + 8 <= end) else { return Ok(()) };
            let [a, b, c, d, size @ ..] = head;
            let size = u64::from(u32::from_le_bytes(size));
            let is_frame = a.is_ascii_digit()
                && b.is_ascii_digit()
                && c.is_ascii_alphanumeric()
                && d.is_ascii_alphanumeric();
            let is_index = a == b'i' && b == b'x' && c.is_ascii_digit() && d.is_ascii_digit();
            if [a, b, c, d] == *b"LIST" {
                at += 12;
                odd = false;
                continue;
            }
            if !(is_frame || is_index || matches!(&[a, b, c, d], b"JUNK" | b"idx1")) {
                // Some writers do not fill up to an even length.
                if odd {
                    at -= 1;
                    odd = false;
                    continue;
                }
                return no_chunk(self.source, at, "no chunk where one must begin").map(drop);
            }
            let (data, behind) = (at + 8, at + 8 + size);
            if behind > end {
                return Err(if behind > self.source.len() {
                    cut(format!("chunk of {size} bytes"), at, behind, self.source)
                } else {
                    DecodeError::malformed(format!("chunk of {size} bytes reaches behind its list"), at)
                });
            }
            if is_frame && d != b'b' {
                self.frame(usize::from(a - b'0') * 10 + usize::from(b - b'0'), data, size)?;
            }
            odd = size % 2 == 1;
            at = behind.next_multiple_of(2);
        }
        Ok(())
    }

    fn frame(&mut self, stream: usize, at: u64, size: u64) -> Result<(), DecodeError> {
        let Some(codec) = self.codecs.get(stream).filter(|codec| codec.is_followed()) else { return Ok(()) };
        if size > MAX_CHUNK {
            return Ok(());
        }
        load(self.source, at, size, &mut self.buffer)?;
        codec.check(&self.buffer).map_err(|flaw| {
            DecodeError::malformed(format!("frame of stream {stream}: {}", flaw.what), at + flaw.at as u64)
        })
    }
}

fn stream_codec(list: &[u8]) -> Codec {
    let is_video = chunks(list).any(|(kind, content)| kind == b"strh" && content.starts_with(b"vids"));
    let format = chunks(list).find(|(kind, _)| kind == b"strf").map(|(_, content)| content);
    let code = format.and_then(|format| format.get(16..20)).and_then(|code| code.try_into().ok());
    code.filter(|_| is_video).map_or(Codec::Opaque, Codec::of_fourcc)
}

/// Chunks in a row, up to the first that does not fit.
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let kind = bytes.get(..4)?;
        let size = le32(bytes, 4)? as usize;
        let content = bytes.get(8..8usize.checked_add(size)?)?;
        bytes = bytes.get(8 + size.next_multiple_of(2)..).unwrap_or_default();
        Some((kind, content))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::super::testing::with;
    use super::*;

    fn chunk(kind: &[u8], content: &[u8]) -> Vec<u8> {
        let mut bytes = [kind, &u32::try_from(content.len()).unwrap().to_le_bytes(), content].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }

    fn film() -> Vec<u8> {
        let strh = chunk(b"strh", b"vidsXVID");
        let strf = chunk(b"strf", &[&[0; 16][..], b"XVID", &[0; 20]].concat());
        let list = chunk(b"LIST", &[&b"strl"[..], &strh, &strf].concat());
        let header = chunk(b"LIST", &[&b"hdrl"[..], &list].concat());
        let frame = chunk(b"00dc", b"\0\0\x01\xb6\x10\x20\x30\x40\x50");
        let sound = chunk(b"01wb", b"abc");
        let movi = chunk(b"LIST", &[&b"movi"[..], &frame, &sound, &frame].concat());
        chunk(b"RIFF", &[&b"AVI "[..], &header, &movi].concat())
    }

    fn look(bytes: &[u8]) -> Answer {
        with(bytes, |source, pulse| walk(source, true, pulse))
    }

    #[test]
    fn chunks_fill_the_list() {
        let sound = film();
        assert_eq!(look(&sound), Ok(Vec::new()));
        for cut in 0..sound.len() - 1 {
            assert!(look(&sound[..cut]).is_err(), "{cut}");
        }
        assert!(look(&[&sound[..], b"trailer, not a chunk"].concat()).is_ok());
    }

    #[test]
    fn frames_are_looked_into() {
        let mut wrong = film();
        let frame = memchr::memmem::rfind(&wrong, b"00dc").unwrap();
        wrong[frame + 10] = 7;
        assert!(look(&wrong).is_err());
    }

    #[test]
    fn a_list_that_was_never_finished_is_not_judged() {
        let avi = b"RIFF\x24\0\0\0AVI LIST\x04\0\0\0hdrlLIST\0\0\0\0movi00dc\0\0\0\0";
        assert_eq!(look(avi), Ok(Vec::new()));
    }
}
