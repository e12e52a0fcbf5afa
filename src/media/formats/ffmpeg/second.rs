//! Second decoders for coded items: FFmpeg's own for HEVC, libaom for AV1.
//!
//! libaom holds every tile to its end: behind the last symbol stand the trailing bit and zeros only (AV1 specification
//! 8.2.4).

use ffmpeg_next::{Dictionary, Error, Packet, codec, decoder, frame};

use crate::media::formats::films::Opinion;
use crate::media::structure::bmff;

/// Pictures that take more than this to decode, about 100 megapixels, get no second opinion.
const MOST_MEMORY: u64 = 1 << 30;

/// Decodes one item's `stream`, which needs about `memory` bytes.
pub fn opinion(kind: bmff::Kind, stream: &[u8], memory: u64) -> Opinion {
    super::input::init();
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
        Err(Error::InvalidData) => Opinion::Refused(super::id(name)),
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
