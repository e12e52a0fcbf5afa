//! HEVC pictures of stills, one by one, for their samples.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Dictionary, Packet, codec, color, decoder, frame};

use crate::media::formats::films::Planes;
use crate::model::PixelSize;

/// See [`Films::stills`](crate::media::formats::films::Films::stills).
pub fn decode(
    streams: &mut dyn Iterator<Item = Vec<u8>>,
    taker: &mut dyn FnMut(&Planes<'_>) -> Option<()>,
) -> Option<()> {
    super::input::init();
    let mut decoder = open()?;
    for stream in streams {
        decoder.send_packet(&Packet::copy(&stream)).ok()?;
        // A picture stays with the decoder until it knows that none comes before it.
        decoder.send_eof().ok()?;
        let mut frame = frame::Video::empty();
        decoder.receive_frame(&mut frame).ok()?;
        taker(&planes(&frame)?)?;
        decoder.flush();
    }
    Some(())
}

fn open() -> Option<decoder::Video> {
    let codec = decoder::find(codec::Id::HEVC)?;
    let mut context = codec::context::Context::new_with_codec(codec);
    context.set_threading(codec::threading::Config::count(1));
    let mut decoder = context.decoder();
    decoder.check(
        decoder::Check::CRC | decoder::Check::BITSTREAM | decoder::Check::BUFFER | decoder::Check::EXPLODE,
    );
    decoder.open_as_with(codec, Dictionary::new()).and_then(decoder::Opened::video).ok()
}

fn planes(frame: &frame::Video) -> Option<Planes<'_>> {
    let full = frame.format() == Pixel::YUVJ420P
        || (frame.format() == Pixel::YUV420P && frame.color_range() == color::Range::JPEG);
    if !full || frame.is_corrupt() {
        return None;
    }
    let matrix = match frame.color_space() {
        color::Space::BT709 => 1,
        color::Space::Unspecified => 2,
        color::Space::BT470BG => 5,
        color::Space::SMPTE170M => 6,
        color::Space::BT2020NCL => 9,
        _ => return None,
    };
    let plane = |number| (frame.data(number), frame.stride(number));
    let size = PixelSize::new(frame.width(), frame.height());
    Some(Planes { size, planes: [plane(0), plane(1), plane(2)], matrix })
}
