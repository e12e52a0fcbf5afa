//! A second decoder for coded items: FFmpeg's own for HEVC, libaom for AV1.
//!
//! libheif and the decoders behind it refuse sound pictures now and then, and dav1d paints over what is wrong in AV1
//! tiles. libaom holds every tile to its end: behind the last symbol stand the trailing bit and zeros only (AV1
//! specification 8.2.4).

use ffmpeg_next::{Dictionary, Error, Packet, codec, decoder, frame};

use crate::media::formats::video;
use crate::media::structure::bmff;
use crate::model::{DecodeError, DecoderId};

/// What the second decoder says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    /// It decodes the item and finds nothing wrong.
    Sound,
    /// It says that the data is invalid.
    Refused(DecoderId),
    /// It is not there, or stopped for a reason of its own.
    None,
}

/// Pictures that take more than this to decode, about 100 megapixels, get no second opinion.
const MOST_MEMORY: u64 = 1 << 30;

/// Decodes one item's `stream`, which needs about `memory` bytes.
pub(super) fn opinion(kind: bmff::Kind, stream: &[u8], memory: u64) -> Opinion {
    video::input::init();
    let (codec, name) = match &kind {
        b"hvc1" | b"hev1" => (decoder::find(codec::Id::HEVC), "FFmpeg hevc"),
        b"av01" => (decoder::find_by_name("libaom-av1"), "FFmpeg libaom-av1"),
        _ => return Opinion::None,
    };
    let Some(codec) = codec else { return Opinion::None };
    // FFmpeg calls libaom's want of memory invalid data: see first that there is some, and ask about no giants.
    if memory > MOST_MEMORY {
        return Opinion::None;
    }
    let mut room: Vec<u8> = Vec::new();
    if usize::try_from(memory).is_ok_and(|memory| room.try_reserve_exact(memory).is_err()) {
        return Opinion::None;
    }
    drop(room);
    match decode(codec, stream) {
        Ok(0) => Opinion::None,
        Ok(_) => Opinion::Sound,
        Err(Error::InvalidData) => Opinion::Refused(video::ffmpeg_id(name)),
        Err(_) => Opinion::None,
    }
}

/// How many frames come out.
fn decode(codec: ffmpeg_next::Codec, stream: &[u8]) -> Result<u32, Error> {
    let mut context = codec::context::Context::new_with_codec(codec);
    context.set_threading(codec::threading::Config::count(1));
    let mut decoder = context.decoder();
    decoder.check(
        decoder::Check::CRC | decoder::Check::BITSTREAM | decoder::Check::BUFFER | decoder::Check::EXPLODE,
    );
    let mut decoder = decoder.open_as_with(codec, Dictionary::new()).and_then(decoder::Opened::video)?;
    decoder.send_packet(&Packet::copy(stream))?;
    decoder.send_eof()?;
    let mut frames = 0;
    loop {
        let mut frame = frame::Video::empty();
        match decoder.receive_frame(&mut frame) {
            Ok(()) => frames += 1,
            Err(Error::Eof) => return Ok(frames),
            Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => return Ok(frames),
            Err(error) => return Err(error),
        }
    }
}

/// What `error` of libheif is worth, after what the walk and the second decoder said about the items shown.
pub(super) fn weigh(
    error: DecodeError,
    walked: bool,
    opinions: impl Iterator<Item = Opinion>,
) -> DecodeError {
    if error.damage().is_none() {
        return error;
    }
    if walked {
        return DecodeError::unsupported(format!(
            "libheif: {error}; yet every HEVC slice is sound to its last bit"
        ));
    }
    let opinions: Vec<Opinion> = opinions.collect();
    if opinions.iter().any(|opinion| matches!(opinion, Opinion::Refused(_))) {
        return error;
    }
    let second = if opinions.contains(&Opinion::None) || opinions.is_empty() {
        "no second decoder confirms it"
    } else {
        "FFmpeg decodes it"
    };
    DecodeError::unsupported(format!("libheif: {error}; {second}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libheif_alone_accuses_nobody() {
        let error = || DecodeError::malformed("bad", None);
        let damaged =
            |walked, opinions: Vec<Opinion>| weigh(error(), walked, opinions.into_iter()).damage().is_some();
        let refused = || Opinion::Refused(video::ffmpeg_id("FFmpeg hevc"));
        assert!(!damaged(true, vec![refused()]));
        assert!(!damaged(false, vec![]));
        assert!(!damaged(false, vec![Opinion::Sound, Opinion::None]));
        assert!(damaged(false, vec![Opinion::Sound, refused()]));
        let limit = DecodeError::limit("memory", "1");
        assert_eq!(weigh(limit.clone(), false, [refused()].into_iter()), limit);
    }
}
