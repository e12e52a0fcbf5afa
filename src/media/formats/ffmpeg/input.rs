//! Opening a video that is only a descriptor or a buffer: FFmpeg reads through [`Source::read_at`].

#![allow(
    unsafe_code,
    reason = "the reader that FFmpeg owns must not name the source's lifetime; some fields have no safe accessor"
)]

use std::io::{self, Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, Once, PoisonError};

use ffmpeg_next::codec::packet::side_data::Type as SideDataType;
use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::{Dictionary, Error, Packet, codec, decoder, ffi, format, log, media};

use crate::media::{Limits, Source};
use crate::model::{DecodeError, MediaFormat, Orientation, PixelSize};

use super::messages;
use crate::media::formats::deadline::Deadline;

/// How far the demuxer may look before it must know the streams, in bytes and microseconds.
const PROBE_SIZE: &str = "10000000";
const ANALYZE_MICROSECONDS: &str = "10000000";

/// The least that FFmpeg takes for the first of these.
const PROBE_SIZE_LEAST: &str = "2048";

/// Blocks of this size are asked from the file.
const BLOCK: usize = 64 << 10;

/// Silences FFmpeg, which would write to standard error, and prepares its tables. Cheap after the first time.
pub(super) fn init() {
    static READY: Once = Once::new();
    READY.call_once(|| {
        // Cannot fail in the FFmpeg versions supported; older ones registered their codecs here.
        let _ = ffmpeg_next::init();
        log::set_level(log::Level::Quiet);
        messages::listen();
    });
}

/// The one demuxer that may read this format: the content was recognised before.
const fn demuxers(format: MediaFormat) -> &'static str {
    match format {
        MediaFormat::Mp4 | MediaFormat::Mov | MediaFormat::Heic | MediaFormat::Avif => {
            "mov,mp4,m4a,3gp,3g2,mj2"
        }
        MediaFormat::Matroska => "matroska,webm",
        MediaFormat::Avi => "avi",
        MediaFormat::MpegTs => "mpegts",
        MediaFormat::MpegPs => "mpeg,mpegvideo",
        MediaFormat::Asf => "asf,asf_o",
        MediaFormat::Flv => "flv",
        MediaFormat::Mxf => "mxf",
        MediaFormat::Gif => "gif",
        _ => "none",
    }
}

/// What the system said when a read failed, kept beside FFmpeg's own error.
type Trouble = Arc<Mutex<Option<DecodeError>>>;

struct Reader {
    source: &'static Source<'static>,
    at: u64,
    trouble: Trouble,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source.read_at(self.at, buffer) {
            Ok(count) => {
                self.at += count as u64;
                Ok(count)
            }
            Err(error) => {
                let problem = DecodeError::io(&error, Some(self.at));
                self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
                Err(error)
            }
        }
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// An open video and its main stream.
pub(super) struct Session<'s> {
    input: Input,
    /// Index of the main video stream.
    pub stream: usize,
    trouble: Trouble,
    deadline: Deadline,
    _source: PhantomData<&'s ()>,
}

impl Drop for Session<'_> {
    /// Empty, but with it the compiler insists that the source outlives the session.
    fn drop(&mut self) {}
}

/// What the main stream's header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// As stored.
    pub size: PixelSize,
    /// How to turn it upright.
    pub orientation: Orientation,
}

impl<'s> Session<'s> {
    /// Opens the demuxer, decodes as much as it needs to know the streams and chooses the main one.
    pub(super) fn open(
        source: &'s Source<'_>,
        format: MediaFormat,
        deadline: Deadline,
    ) -> Result<Self, DecodeError> {
        Self::with(source, format, deadline, &[("probesize", PROBE_SIZE)])
    }

    /// The same without decoding anything where the container says how large the pictures are: what a first keyframe would tell
    /// besides costs as much as any other.
    pub(super) fn open_undecoded(
        source: &'s Source<'_>,
        format: MediaFormat,
        deadline: Deadline,
    ) -> Result<Self, DecodeError> {
        if matches!(format, MediaFormat::Mp4 | MediaFormat::Mov | MediaFormat::Matroska) {
            let options = [("probesize", PROBE_SIZE_LEAST), ("codec_whitelist", "none")];
            let session = Self::with(source, format, deadline, &options)?;
            if session.shape().is_some() {
                return Ok(session);
            }
        }
        Self::open(source, format, deadline)
    }

    fn with(
        source: &'s Source<'_>,
        format: MediaFormat,
        deadline: Deadline,
        looking: &[(&str, &str)],
    ) -> Result<Self, DecodeError> {
        init();
        let trouble = Trouble::default();
        // SAFETY: only the lifetimes change. The reader lives in the format context of this session, and is only read
        // through the session or decoders made from it, which borrow it; the session cannot outlive the source.
        let borrowed: &'static Source<'static> =
            unsafe { std::mem::transmute::<&Source<'_>, &Source<'_>>(source) };
        let reader = Reader { source: borrowed, at: 0, trouble: Arc::clone(&trouble) };
        let in_words = |error| in_our_words(error, &trouble, deadline);
        let io = StreamIo::from_read_seek_with_capacity(reader, BLOCK).map_err(in_words)?;
        let mut options = Dictionary::new();
        options.set("format_whitelist", demuxers(format));
        options.set("protocol_whitelist", "none");
        for (name, value) in looking {
            options.set(name, value);
        }
        options.set("analyzeduration", ANALYZE_MICROSECONDS);
        options.set("max_streams", "200");
        let stop = move || deadline.passed();
        let input =
            format::input_from_stream_with_interrupt(io, None, Some(options), stop).map_err(in_words)?;
        let stream = main_stream(&input)?;
        Ok(Self { input, stream, trouble, deadline, _source: PhantomData })
    }

    /// The next packet of any stream; `None` at the end.
    ///
    /// Damage that the demuxer could step over is [`DecodeError::Malformed`], after which reading may go on.
    pub(super) fn packet(&mut self) -> Result<Option<Packet>, DecodeError> {
        self.deadline.check()?;
        let mut packet = Packet::empty();
        match packet.read(&mut self.input) {
            Ok(()) => Ok(Some(packet)),
            Err(Error::Eof) => self.trouble().map_or(Ok(None), Err),
            Err(error) => Err(in_our_words(error, &self.trouble, self.deadline)),
        }
    }

    /// A decoder of the main stream with one thread.
    pub(super) fn decoder(
        &self,
        check: decoder::Check,
        skip: codec::discard::Discard,
        limits: &Limits,
    ) -> Result<decoder::Video, DecodeError> {
        let stream =
            self.input.stream(self.stream).ok_or_else(|| DecodeError::unsupported("no video stream"))?;
        let parameters = stream.parameters();
        let id = parameters.id();
        let codec = strict_decoder(id)
            .or_else(|| decoder::find(id))
            .ok_or_else(|| DecodeError::unsupported(format!("no decoder for {id:?} here")))?;
        let in_words = |error| match in_our_words(error, &self.trouble, self.deadline) {
            // A decoder that does not open has not seen any data yet.
            error @ (DecodeError::Malformed { .. } | DecodeError::Truncated { .. }) => {
                DecodeError::unsupported(format!("{id:?}: {error}"))
            }
            error => error,
        };
        let mut context = codec::context::Context::from_parameters(parameters).map_err(in_words)?;
        context.set_threading(codec::threading::Config::count(1));
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(stream.time_base());
        decoder.check(check);
        decoder.skip_frame(skip);
        let mut options = Dictionary::new();
        options.set("max_pixels", &limits.max_pixels.min(i32::MAX as u64).to_string());
        decoder.open_as_with(codec, options).and_then(decoder::Opened::video).map_err(in_words)
    }

    /// Indices of the sound tracks.
    pub(super) fn sounds(&self) -> impl Iterator<Item = usize> + use<> {
        let sounds: Vec<usize> = self
            .input
            .streams()
            .filter(|stream| stream.parameters().medium() == media::Type::Audio)
            .map(|stream| stream.index())
            .collect();
        sounds.into_iter()
    }

    /// A decoder of a sound track; none if there is none here, or it does not open.
    pub(super) fn sound_decoder(&self, stream: usize, check: decoder::Check) -> Option<decoder::Audio> {
        let stream = self.input.stream(stream)?;
        let parameters = stream.parameters();
        let codec = decoder::find(parameters.id())?;
        let mut context = codec::context::Context::from_parameters(parameters).ok()?;
        context.set_threading(codec::threading::Config::count(1));
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(stream.time_base());
        decoder.check(check);
        decoder.open_as(codec).and_then(decoder::Opened::audio).ok()
    }

    /// Seconds of one time unit of a stream.
    pub(super) fn time_base(&self, stream: usize) -> Option<f64> {
        self.input.stream(stream).map(|stream| f64::from(stream.time_base()))
    }

    /// Size and orientation from the container and codec headers.
    pub(super) fn shape(&self) -> Option<Shape> {
        let stream = self.input.stream(self.stream)?;
        let parameters = stream.parameters();
        // SAFETY: the parameters live as long as `parameters`, and are plain numbers.
        let (width, height) = unsafe { ((*parameters.as_ptr()).width, (*parameters.as_ptr()).height) };
        let size = PixelSize::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?);
        let matrix = stream.side_data().find(|data| data.kind() == SideDataType::DisplayMatrix);
        let orientation = matrix.and_then(|data| orientation(data.data())).unwrap_or(Orientation::UPRIGHT);
        (size.pixels() > 0).then_some(Shape { size, orientation })
    }

    /// Time base and start of the main stream, both as FFmpeg counts, and the frame rate it guesses.
    pub(super) fn clock(&self) -> Option<Clock> {
        let stream = self.input.stream(self.stream)?;
        // SAFETY: the context is open as long as the session; a plain number is read.
        let start = unsafe { (*self.input.as_ptr()).start_time };
        let time_base = stream.time_base();
        let offset = if start == ffi::AV_NOPTS_VALUE {
            0
        } else {
            // SAFETY: a pure function of numbers.
            unsafe { ffi::av_rescale_q(start, ffi::AVRational { num: 1, den: 1_000_000 }, time_base.into()) }
        };
        Some(Clock { time_base, offset, rate: stream.avg_frame_rate() })
    }

    /// A read error that FFmpeg took for the end of the file.
    fn trouble(&self) -> Option<DecodeError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// An error of a decoder made from this session.
    pub(super) fn words(&self, error: Error) -> DecodeError {
        in_our_words(error, &self.trouble, self.deadline)
    }
}

/// How the main stream counts time.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub time_base: ffmpeg_next::Rational,
    /// When the file starts, in units of the time base.
    pub offset: i64,
    pub rate: ffmpeg_next::Rational,
}

impl Clock {
    /// How long a frame lasts at the guessed rate, in units of the time base; 0 when there is no guess.
    pub(super) fn frame_duration(self) -> i64 {
        let seconds_per_unit = f64::from(self.time_base);
        let rate = f64::from(self.rate);
        if seconds_per_unit > 0.0 && rate > 0.0 {
            #[allow(clippy::cast_possible_truncation, reason = "saturates")]
            let units = (1.0 / rate / seconds_per_unit) as i64;
            units
        } else {
            0
        }
    }
}

/// The best video stream that is no attached picture.
fn main_stream(input: &Input) -> Result<usize, DecodeError> {
    let is_video = |stream: &format::stream::Stream<'_>| {
        stream.parameters().medium() == media::Type::Video
            && !stream.disposition().contains(Disposition::ATTACHED_PIC)
    };
    let best = input
        .streams()
        .best(media::Type::Video)
        .filter(|stream| is_video(stream))
        .map(|stream| stream.index());
    best.or_else(|| input.streams().find(is_video).map(|stream| stream.index()))
        .ok_or_else(|| DecodeError::unsupported("no video stream"))
}

/// The decoder of Google's own library, where FFmpeg has it: FFmpeg's for VP8 and VP9 let frames pass that were hit in the midst.
fn strict_decoder(id: codec::Id) -> Option<ffmpeg_next::Codec> {
    match id {
        codec::Id::VP8 => decoder::find_by_name("libvpx"),
        codec::Id::VP9 => decoder::find_by_name("libvpx-vp9"),
        _ => None,
    }
}

fn in_our_words(error: Error, trouble: &Trouble, deadline: Deadline) -> DecodeError {
    if let Some(problem) = trouble.lock().unwrap_or_else(PoisonError::into_inner).clone() {
        return problem;
    }
    match error {
        Error::Exit => deadline.missed(),
        Error::InvalidData => DecodeError::malformed("FFmpeg: invalid data", None),
        Error::Eof => DecodeError::truncated("FFmpeg: end of file", None),
        Error::Other { errno } if errno == ffmpeg_next::error::ENOMEM => {
            DecodeError::limit("FFmpeg: out of memory", "memory")
        }
        other => DecodeError::unsupported(format!("FFmpeg: {other}")),
    }
}

/// The orientation that a display matrix asks for: nine 32-bit numbers, 16.16 fixed point, row by row.
///
/// Only quarter turns and mirrors are known to containers of cameras; others are left alone, as Immich does.
fn orientation(matrix: &[u8]) -> Option<Orientation> {
    let number = |index: usize| -> Option<i32> {
        Some(i32::from_ne_bytes(matrix.get(index * 4..index * 4 + 4)?.try_into().ok()?).signum())
    };
    let exif = match (number(0)?, number(1)?, number(3)?, number(4)?) {
        (1, 0, 0, 1) => 1,
        (-1, 0, 0, 1) => 2,
        (-1, 0, 0, -1) => 3,
        (1, 0, 0, -1) => 4,
        (0, 1, 1, 0) => 5,
        (0, 1, -1, 0) => 6,
        (0, -1, -1, 0) => 7,
        (0, -1, 1, 0) => 8,
        _ => return None,
    };
    Orientation::from_exif(exif)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn matrix(numbers: [i32; 4]) -> Vec<u8> {
        let [a, b, c, d] = numbers.map(|number| number << 16);
        [a, b, 0, c, d, 0, 0, 0, 1 << 30].iter().flat_map(|number: &i32| number.to_ne_bytes()).collect()
    }

    #[test]
    fn phones_turn_by_quarters() {
        let exif = |numbers| orientation(&matrix(numbers)).map(Orientation::exif);
        assert_eq!(exif([1, 0, 0, 1]), Some(1));
        // QuickTime's matrix of a portrait phone film: rotate by 90 degrees clockwise.
        assert_eq!(exif([0, 1, -1, 0]), Some(6));
        assert_eq!(exif([-1, 0, 0, -1]), Some(3));
        assert_eq!(exif([0, -1, 1, 0]), Some(8));
        assert_eq!(orientation(&[0; 8]), None);
    }
}
