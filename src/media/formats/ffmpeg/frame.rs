//! The frame that Immich shows for a video.
//!
//! Same filters in the same order: 12 frames a second from time 0, the most typical of each 12, the first and then the
//! first behind a change of scene (or after 20 quiet batches), the second of the two if there are two. Only frames coded
//! by themselves are looked at, except in MPEG transport streams.
//!
//! Colours are those that Immich's pictures show: FFmpeg hands luma and colour differences to the encoder as they are, of
//! whatever matrix, and every reader of JPEG and WebP takes them for those of ITU-R BT.601. HDR comes as RGB in its own codes, by
//! its own matrix, for the renderer to map (`render/tone.rs`): the frame is chosen among ones of 8 bits, and then decoded again, to 16.

#![allow(unsafe_code, reason = "two fields of a filter graph have no safe accessor")]

use ffmpeg_next::codec::discard::Discard;
use ffmpeg_next::color::{Primaries, TransferCharacteristic};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Error, color, decoder, ffi, filter, frame};

use crate::media::{ColorModel, Curve, Light, Limits, Pixels, Samples, Source};
use crate::model::{DecodeError, MediaFormat, Orientation, PixelSize};

use super::input::{Clock, Session};
use crate::media::formats::deadline::Deadline;

/// Frames as they are shown, 12 a second.
const TIMES: &str = "fps=fps=12:start_time=0:eof_action=pass:round=down,";
/// The frames between which the choice is made: the last of them is the one to show. Immich has them reversed and takes the first.
const CHOICE: &str = "thumbnail=12,\
    select='gt(scene,0.1)-eq(prev_selected_n,n)+isnan(prev_selected_n)+gt(n,20)',\
    trim=end_frame=2,";
/// How many those are at most.
const MOST_CHOSEN: usize = 2;
/// Of any frame the colours.
const COLOURS: &str = "scale=flags=accurate_rnd+full_chroma_int,format=rgb24";
/// The same of HDR.
const DEEP_COLOURS: &str = "scale=flags=accurate_rnd+full_chroma_int,format=rgb48le";
/// Frames are chosen among such of 8 bits. FFmpeg would dither HDR for that, and then chance has a say.
const ROUNDED: &str = "scale=flags=accurate_rnd+full_chroma_int:sws_dither=none,";

/// Which frame is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// The one to show.
    Chosen,
    /// The first, when the filters let nothing through.
    First,
    /// The one of this time, in twelfths of a second.
    At(i64),
}

impl Wanted {
    /// The filters for frames of this kind.
    fn filters(self, light: Light) -> String {
        match (self, light) {
            (Self::Chosen, Light::Ordinary) => format!("{TIMES}{CHOICE}{COLOURS}"),
            (Self::Chosen, Light::Hdr { .. }) => format!("{TIMES}{ROUNDED}{CHOICE}{COLOURS}"),
            (Self::First, Light::Ordinary) => COLOURS.to_owned(),
            (Self::First, Light::Hdr { .. }) => DEEP_COLOURS.to_owned(),
            (Self::At(time), _) => format!("{TIMES}select='eq(pts,{time})',{DEEP_COLOURS}"),
        }
    }

    /// How many frames come out at most.
    const fn most(self) -> usize {
        if matches!(self, Self::Chosen) { MOST_CHOSEN } else { 1 }
    }
}

/// Decodes the frame at its native size, upright, as RGB.
pub fn preview_frame(
    source: &Source<'_>,
    format: MediaFormat,
    limits: &Limits,
) -> Result<Pixels, DecodeError> {
    let deadline = Deadline::of(limits);
    let take = |skip, wanted| take(source, format, (skip, wanted), deadline, limits);
    let skip = if format == MediaFormat::MpegTs { Discard::Default } else { Discard::NonIntra };
    // Where no frame is coded by itself (or none is marked so), any frame is better than none.
    for (skip, wanted) in
        [(skip, Wanted::Chosen), (Discard::Default, Wanted::Chosen), (Discard::Default, Wanted::First)]
    {
        let Some(taken) = take(skip, wanted)? else { continue };
        let time =
            taken.frame.timestamp().filter(|_| wanted == Wanted::Chosen && taken.light != Light::Ordinary);
        let shown = match time {
            Some(time) => take(skip, Wanted::At(time))?,
            None => Some(taken),
        };
        if let Some(pixels) = shown.and_then(|taken| taken.pixels()) {
            return Ok(pixels);
        }
    }
    Err(DecodeError::unsupported("no frame could be decoded"))
}

/// A frame out of the filters.
struct Taken {
    frame: frame::Video,
    light: Light,
    orientation: Orientation,
}

fn take(
    source: &Source<'_>,
    format: MediaFormat,
    (skip, wanted): (Discard, Wanted),
    deadline: Deadline,
    limits: &Limits,
) -> Result<Option<Taken>, DecodeError> {
    let mut session = Session::open(source, format, deadline)?;
    let clock = session.clock().ok_or_else(|| DecodeError::unsupported("no video stream"))?;
    let orientation = session.shape().map_or(Orientation::UPRIGHT, |shape| shape.orientation);
    let decoder = session.decoder(decoder::Check::empty(), skip, limits)?;
    let mut chooser = Chooser {
        decoder,
        graph: None,
        wanted,
        clock,
        size: PixelSize::default(),
        light: Light::Ordinary,
        end: 0,
        last: None,
        count: 0,
    };
    let chosen = loop {
        match session.packet() {
            Ok(Some(packet)) => {
                if packet.stream() == session.stream
                    && let Some(frame) = chooser.feed(Some(&packet), &session)?
                {
                    break Some(frame);
                }
            }
            Ok(None) => break chooser.feed(None, &session)?,
            Err(DecodeError::Malformed { .. }) => session.deadline().check()?,
            Err(error) => return Err(error),
        }
    };
    Ok(chosen.map(|frame| Taken { frame, light: chooser.light, orientation }))
}

struct Chooser {
    decoder: decoder::Video,
    graph: Option<filter::Graph>,
    wanted: Wanted,
    clock: Clock,
    /// Size of the frames that the graph was made for.
    size: PixelSize,
    /// How they are coded.
    light: Light,
    /// When the last frame seen ends, in units of the clock.
    end: i64,
    /// What came out of the filters last, and how many did.
    last: Option<frame::Video>,
    count: usize,
}

impl Chooser {
    /// Decodes a packet (`None`: the end) and passes its frames on; gives the chosen frame once the filters know it.
    fn feed(
        &mut self,
        packet: Option<&ffmpeg_next::Packet>,
        session: &Session<'_>,
    ) -> Result<Option<frame::Video>, DecodeError> {
        let sent = match packet {
            Some(packet) => self.decoder.send_packet(packet),
            None => self.decoder.send_eof(),
        };
        // Immich's FFmpeg goes on behind packets that do not decode.
        if sent.is_err() && packet.is_some() {
            return Ok(None);
        }
        loop {
            session.deadline().check()?;
            let mut frame = frame::Video::empty();
            if self.decoder.receive_frame(&mut frame).is_err() {
                break;
            }
            let shown = frame.timestamp().map(|time| time - self.clock.offset);
            frame.set_pts(shown);
            let lasts = frame.packet().duration.max(self.clock.frame_duration()).max(1);
            self.end = self.end.max(shown.unwrap_or(0).saturating_add(lasts));
            let size = PixelSize::new(frame.width(), frame.height());
            if self.graph.is_none() {
                self.light = light(&frame);
                let made = graph(&frame, self.clock, &self.wanted.filters(self.light));
                self.graph = Some(made.map_err(|error| session.words(error))?);
                self.size = size;
            }
            if size != self.size {
                continue;
            }
            if self.light == Light::Ordinary && frame.color_space() != color::Space::RGB {
                frame.set_color_space(color::Space::SMPTE170M);
            }
            if let Some(chosen) = self.push(Some(&frame)) {
                return Ok(Some(chosen));
            }
        }
        Ok(if packet.is_none() { self.push(None) } else { None })
    }

    fn push(&mut self, frame: Option<&frame::Video>) -> Option<frame::Video> {
        let graph = self.graph.as_mut()?;
        let mut entry = graph.get("in")?;
        let pushed = match frame {
            Some(frame) => entry.source().add(frame),
            // The frame rate filter drops a last frame whose end it does not know.
            None => entry.source().close(self.end),
        };
        // The filters refuse more once they have made their choice.
        let _ = pushed;
        let mut exit = graph.get("out")?;
        let mut next = frame::Video::empty();
        while exit.sink().frame(&mut next).is_ok() {
            self.last = Some(std::mem::replace(&mut next, frame::Video::empty()));
            self.count += 1;
        }
        if frame.is_none() || self.count >= self.wanted.most() { self.last.take() } else { None }
    }
}

fn graph(frame: &frame::Video, clock: Clock, filters: &str) -> Result<filter::Graph, Error> {
    let mut graph = filter::Graph::new();
    // SAFETY: the graph is new and ours; it frees the string, which comes from FFmpeg's own allocator.
    unsafe {
        (*graph.as_mut_ptr()).scale_sws_opts = ffi::av_strdup(c"flags=accurate_rnd+full_chroma_int".as_ptr());
        (*graph.as_mut_ptr()).nb_threads = 1;
    }
    let aspect = frame.aspect_ratio();
    // SAFETY: the frame is there; a plain number is read.
    let pixel_format = unsafe { (*frame.as_ptr()).format };
    let mut arguments = format!(
        "video_size={}x{}:pix_fmt={pixel_format}:time_base={}/{}:pixel_aspect={}/{}",
        frame.width(),
        frame.height(),
        clock.time_base.numerator(),
        clock.time_base.denominator(),
        aspect.numerator().max(0),
        aspect.denominator().max(1),
    );
    if clock.rate.numerator() > 0 && clock.rate.denominator() > 0 {
        let (frames, seconds) = (clock.rate.numerator(), clock.rate.denominator());
        arguments = format!("{arguments}:frame_rate={frames}/{seconds}");
    }
    let (Some(entry), Some(exit)) = (filter::find("buffer"), filter::find("buffersink")) else {
        return Err(Error::FilterNotFound);
    };
    graph.add(&entry, "in", &arguments)?;
    graph.add(&exit, "out", "")?;
    graph.output("in", 0)?.input("out", 0)?.parse(filters)?;
    graph.validate()?;
    Ok(graph)
}

/// How a frame says that its samples stand for light.
fn light(frame: &frame::Video) -> Light {
    let curve = match frame.color_transfer_characteristic() {
        TransferCharacteristic::SMPTE2084 => Curve::Pq,
        TransferCharacteristic::ARIB_STD_B67 => Curve::Hlg,
        _ => return Light::Ordinary,
    };
    Light::Hdr { curve, wide_primaries: frame.color_primaries() != Primaries::BT709 }
}

impl Taken {
    /// The frame's samples, turned upright.
    fn pixels(&self) -> Option<Pixels> {
        let (frame, orientation) = (&self.frame, self.orientation);
        let stored = PixelSize::new(frame.width(), frame.height());
        let pixel = match frame.format() {
            Pixel::RGB24 => 3,
            Pixel::RGB48LE => 6,
            _ => return None,
        };
        let rows: Vec<&[u8]> = frame
            .data(0)
            .chunks(frame.stride(0).max(1))
            .take(stored.height as usize)
            .filter_map(|row| row.get(..stored.width as usize * pixel))
            .collect();
        let size = if orientation.transposes() { stored.transposed() } else { stored };
        let bytes = upright(&rows, stored, size, orientation, pixel)?;
        let samples = if pixel == 3 {
            Samples::U8(bytes)
        } else {
            Samples::U16(bytes.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect())
        };
        Some(Pixels { video_frame: Some(self.light), ..Pixels::new(size, ColorModel::Rgb, samples) })
    }
}

/// Rows of pixels of so many bytes, turned.
fn upright(
    rows: &[&[u8]],
    stored: PixelSize,
    size: PixelSize,
    orientation: Orientation,
    pixel: usize,
) -> Option<Vec<u8>> {
    let (right, bottom) = (stored.width as usize - 1, stored.height as usize - 1);
    let mut out = Vec::with_capacity(usize::try_from(size.pixels()).ok()?.checked_mul(pixel)?);
    for y in 0..size.height as usize {
        if orientation == Orientation::UPRIGHT {
            out.extend_from_slice(rows.get(y)?);
            continue;
        }
        for x in 0..size.width as usize {
            let (column, row) = match orientation.exif() {
                2 => (right - x, y),
                3 => (right - x, bottom - y),
                4 => (x, bottom - y),
                5 => (y, x),
                6 => (y, bottom - x),
                7 => (right - y, bottom - x),
                8 => (right - y, x),
                _ => (x, y),
            };
            out.extend_from_slice(rows.get(row)?.get(column * pixel..(column + 1) * pixel)?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn quarter_turns() {
        // Stored: A B C above D E F.
        let rows: [&[u8]; 2] = [b"AAABBBCCC", b"DDDEEEFFF"];
        let turned = |exif| {
            let orientation = Orientation::from_exif(exif).unwrap();
            let stored = PixelSize::new(3, 2);
            let size = if orientation.transposes() { stored.transposed() } else { stored };
            let bytes = upright(&rows, stored, size, orientation, 3).unwrap();
            bytes.iter().step_by(3).map(|&byte| byte as char).collect::<String>()
        };
        let all: Vec<String> = (1..=8).map(turned).collect();
        assert_eq!(all, ["ABCDEF", "CBAFED", "FEDCBA", "DEFABC", "ADBECF", "DAEBFC", "FCEBDA", "CFBEAD"]);
    }
}
