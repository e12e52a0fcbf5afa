//! The frame that Immich shows for a video.
//!
//! Same filters in the same order: 12 frames a second from time 0, the most typical of each 12, the first and then the
//! first behind a change of scene (or after 20 quiet batches), the second of the two if there are two. Only frames coded
//! by themselves are looked at, except in MPEG transport streams.
//!
//! Colours are those that Immich's pictures show: FFmpeg hands luma and colour differences to the encoder as they are, of
//! whatever matrix, and every reader of JPEG and WebP takes them for those of ITU-R BT.601. HDR comes as RGB in its own codes, by
//! its own matrix, for the renderer to map (`render/tone.rs`); 8 bits of them, since Immich's filters choose frames of 8 bits too.

#![allow(unsafe_code, reason = "two fields of a filter graph have no safe accessor")]

use ffmpeg_next::codec::discard::Discard;
use ffmpeg_next::color::{Primaries, TransferCharacteristic};
use ffmpeg_next::{Error, color, decoder, ffi, filter, frame};

use crate::media::{ColorModel, Curve, Light, Limits, Pixels, Samples, Source};
use crate::model::{DecodeError, MediaFormat, Orientation, PixelSize};

use super::input::{Clock, Deadline, Session};

/// Frames as they are shown, 12 a second.
const TIMES: &str = "fps=fps=12:start_time=0:eof_action=pass:round=down,";
/// The one to show.
const CHOICE: &str = "thumbnail=12,\
    select='gt(scene,0.1)-eq(prev_selected_n,n)+isnan(prev_selected_n)+gt(n,20)',\
    trim=end_frame=2,\
    reverse,";
/// When none of the filters above lets anything through, the first frame; and of any frame the colours.
const COLOURS: &str = "scale=flags=accurate_rnd+full_chroma_int,format=rgb24";
/// Frames are chosen among such of 8 bits. FFmpeg would dither HDR for that, and tone mapping makes the noise loud.
const ROUNDED: &str = "scale=flags=accurate_rnd+full_chroma_int:sws_dither=none,";

/// The filters for frames of this kind; without choice those for the first frame.
fn filters(choose: bool, light: Light) -> String {
    let rounded = if light == Light::Ordinary { "" } else { ROUNDED };
    if choose { format!("{TIMES}{rounded}{CHOICE}{COLOURS}") } else { format!("{rounded}{COLOURS}") }
}

/// Decodes the frame at its native size, upright, as RGB.
pub fn preview_frame(
    source: &Source<'_>,
    format: MediaFormat,
    limits: &Limits,
) -> Result<Pixels, DecodeError> {
    let deadline = Deadline::of(limits);
    let skip = if format == MediaFormat::MpegTs { Discard::Default } else { Discard::NonIntra };
    // Where no frame is coded by itself (or none is marked so), any frame is better than none.
    for (skip, choice) in [(skip, true), (Discard::Default, true), (Discard::Default, false)] {
        if let Some(pixels) = choose(source, format, (skip, choice), deadline, limits)? {
            return Ok(pixels);
        }
    }
    Err(DecodeError::unsupported("no frame could be decoded"))
}

fn choose(
    source: &Source<'_>,
    format: MediaFormat,
    (skip, choice): (Discard, bool),
    deadline: Deadline,
    limits: &Limits,
) -> Result<Option<Pixels>, DecodeError> {
    let mut session = Session::open(source, format, deadline)?;
    let clock = session.clock().ok_or_else(|| DecodeError::unsupported("no video stream"))?;
    let orientation = session.shape().map_or(Orientation::UPRIGHT, |shape| shape.orientation);
    let decoder = session.decoder(decoder::Check::empty(), skip, limits)?;
    let mut chooser = Chooser {
        decoder,
        graph: None,
        choice,
        clock,
        size: PixelSize::default(),
        light: Light::Ordinary,
        end: 0,
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
    Ok(chosen.and_then(|frame| pixels(&frame, orientation, chooser.light)))
}

struct Chooser {
    decoder: decoder::Video,
    graph: Option<filter::Graph>,
    /// Whether one of the frames is chosen, else the first is taken.
    choice: bool,
    clock: Clock,
    /// Size of the frames that the graph was made for.
    size: PixelSize,
    /// How they are coded.
    light: Light,
    /// When the last frame seen ends, in units of the clock.
    end: i64,
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
                let filters = filters(self.choice, self.light);
                let made = graph(&frame, self.clock, &filters);
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
        let mut chosen = frame::Video::empty();
        graph.get("out")?.sink().frame(&mut chosen).ok()?;
        Some(chosen)
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

/// The frame's samples, turned upright.
fn pixels(frame: &frame::Video, orientation: Orientation, light: Light) -> Option<Pixels> {
    let stored = PixelSize::new(frame.width(), frame.height());
    if frame.planes() != 1 || frame.format() != ffmpeg_next::format::Pixel::RGB24 {
        return None;
    }
    let stride = frame.stride(0);
    let rows: Vec<&[u8]> = frame
        .data(0)
        .chunks(stride.max(1))
        .take(stored.height as usize)
        .filter_map(|row| row.get(..stored.width as usize * 3))
        .collect();
    let size = if orientation.transposes() { stored.transposed() } else { stored };
    let samples = upright(&rows, stored, size, orientation)?;
    Some(Pixels {
        size,
        full_size: size,
        model: ColorModel::Rgb,
        samples: Samples::U8(samples),
        orientation: Orientation::UPRIGHT,
        icc: None,
        exif_colorspace: None,
        bits_per_sample: 8,
        panorama: None,
        video_frame: Some(light),
    })
}

fn upright(rows: &[&[u8]], stored: PixelSize, size: PixelSize, orientation: Orientation) -> Option<Vec<u8>> {
    let (right, bottom) = (stored.width as usize - 1, stored.height as usize - 1);
    let mut out = Vec::with_capacity(usize::try_from(size.pixels()).ok()?.checked_mul(3)?);
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
            out.extend_from_slice(rows.get(row)?.get(column * 3..column * 3 + 3)?);
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
            let bytes = upright(&rows, stored, size, orientation).unwrap();
            bytes.iter().step_by(3).map(|&byte| byte as char).collect::<String>()
        };
        let all: Vec<String> = (1..=8).map(turned).collect();
        assert_eq!(all, ["ABCDEF", "CBAFED", "FEDCBA", "DEFABC", "ADBECF", "DAEBFC", "FCEBDA", "CFBEAD"]);
    }
}
