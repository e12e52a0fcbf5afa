//! Films: the container and the framing of every frame by walkers of ours, then keyframes or all frames through FFmpeg.

use crate::media::structure::{bmff, ebml, mp4, streams};
use crate::media::{Source, magic};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, PixelSize};

use super::deadline::Deadline;
use super::films::{self, Film};
use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id, own_check};

/// All containers that FFmpeg opens for us.
pub struct Video;

const PROVES: &str = "the container is whole, every frame has the framing that its codec demands, keyframes decode (all frames and the sound \
     with `--video full`); in MP4, QuickTime and Matroska, slices of H.264 and HEVC and frames of VP8 end at the bit where their blocks \
     end, in transport streams those of H.264 (keyframes up to 16 MiB; of the others the first 4 MiB and a quarter of what follows, up \
     to 16 MiB)";
const BLIND: &str = "wrong bytes that leave a frame as long as it was, such as some single flipped bits; in frames of long films that are not walked and in \
     other codecs, wrong bytes inside a frame that still decodes, and between keyframes unless all frames are decoded (`--video full`)";

const fn row(
    format: MediaFormat,
    name: &'static str,
    extensions: &'static [&'static str],
    recognised_by: &'static str,
) -> FormatSpec {
    FormatSpec { format, name, extensions, recognised_by, proves: PROVES, blind_to: BLIND, preview: true }
}

static SPECS: [FormatSpec; 9] = [
    row(MediaFormat::Mp4, "MP4, 3GP, M4V, INSV", &["mp4", "m4v", "3gp", "3gpp", "insv"], "file type box"),
    row(MediaFormat::Mov, "QuickTime", &["mov"], "file type box with brand `qt`, or a QuickTime box first"),
    row(MediaFormat::Matroska, "Matroska, WebM", &["mkv", "webm"], "EBML header"),
    row(MediaFormat::Avi, "AVI", &["avi"], "RIFF with AVI"),
    row(
        MediaFormat::MpegTs,
        "MPEG transport stream",
        &["mts", "m2ts", "m2t", "ts"],
        "sync bytes every 188, 192 or 204 bytes",
    ),
    row(
        MediaFormat::MpegPs,
        "MPEG program stream, VOB",
        &["mpg", "mpeg", "mpe", "vob"],
        "pack or sequence start code",
    ),
    row(MediaFormat::Asf, "WMV, ASF", &["wmv", "asf"], "ASF header object"),
    row(MediaFormat::Flv, "Flash video", &["flv"], "FLV"),
    row(MediaFormat::Mxf, "MXF", &["mxf"], "partition pack key within the first 4 KiB"),
];

const ASF_HEADER: &[u8] = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
const MXF_PARTITION: &[u8] = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02";

impl Format for Video {
    fn specs(&self) -> &'static [FormatSpec] {
        &SPECS
    }

    fn decoder(&self) -> DecoderId {
        const NAME: &str = "FFmpeg libavcodec";
        films::installed().map_or_else(|| decoder_id(NAME, "not loaded"), |films| films.id(NAME))
    }

    fn ready(&self) -> bool {
        films::installed().is_some()
    }

    fn prepare(&self) {
        if let Some(films) = films::installed() {
            films.prepare();
        }
    }

    fn recognise(&self, head: &[u8], source: &Source<'_>) -> Option<MediaFormat> {
        if let Some(found) = recognise_bmff(head) {
            return Some(found);
        }
        let starts = |bytes: &[u8]| head.starts_with(bytes);
        if starts(b"\x1a\x45\xdf\xa3") {
            Some(MediaFormat::Matroska)
        } else if starts(b"RIFF") && magic::has(head, 8, b"AVI ") {
            Some(MediaFormat::Avi)
        } else if starts(ASF_HEADER) {
            Some(MediaFormat::Asf)
        } else if starts(b"FLV\x01") {
            Some(MediaFormat::Flv)
        } else if starts(b"\0\0\x01\xba") || starts(b"\0\0\x01\xb3") {
            Some(MediaFormat::MpegPs)
        } else if streams::ts_packet(head).is_some() {
            Some(MediaFormat::MpegTs)
        } else if memchr::memmem::find(head, MXF_PARTITION).is_some()
            && (head.starts_with(MXF_PARTITION) || source.extension == "mxf")
        {
            Some(MediaFormat::Mxf)
        } else {
            None
        }
    }

    fn estimate(&self, format: MediaFormat, source: &Source<'_>, target: Target) -> u64 {
        films::needed().map_or(0, |films| films.estimate(format, source, target))
    }

    fn examine(&self, format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let mut examined = Examined::by(self.decoder());
        if let Err(problem) = examine(format, source, &wanted, &mut examined) {
            examined.problem = Some(problem);
        }
        examined
    }
}

fn recognise_bmff(head: &[u8]) -> Option<MediaFormat> {
    let brands = bmff::brands(head);
    if let Some(major) = brands.first() {
        return match major {
            b"qt  " => Some(MediaFormat::Mov),
            b"crx " | b"jxl " | b"jp2 " | b"jpx " => None,
            _ => Some(MediaFormat::Mp4),
        };
    }
    match (bmff::be32(head, 0)?, head.get(4..8)?) {
        (8.. | 0 | 1, b"moov" | b"mdat" | b"pnot") | (8.., b"wide" | b"free" | b"skip") => {
            Some(MediaFormat::Mov)
        }
        (8.., b"styp" | b"moof" | b"sidx") => Some(MediaFormat::Mp4),
        _ => None,
    }
}

/// Frames in flight, in bytes. 16-bit samples at full chroma are the worst case; references are only kept when
/// all frames are decoded; the filters keep 12 RGB frames and a few.
pub(super) fn memory(size: PixelSize, depth: Depth, target: Target) -> u64 {
    let decoding = if depth == Depth::Full { 12 } else { 4 } * 3;
    let choosing = if target == Target::None { 0 } else { choosing_memory(size) };
    size.pixels().saturating_mul(decoding).saturating_add(choosing).saturating_add(96 << 20)
}

/// Bytes that choosing the shown frame holds at most.
pub(super) fn choosing_memory(size: PixelSize) -> u64 {
    size.pixels().saturating_mul(17 * 3)
}

/// Walks the container; with `samples` down into the frames. Gives what is odd, but no proof of damage.
fn walk(
    format: MediaFormat,
    source: &Source<'_>,
    samples: bool,
    pulse: &mut dyn FnMut() -> Result<(), DecodeError>,
) -> streams::Answer {
    match format {
        MediaFormat::Mp4 | MediaFormat::Mov => {
            let layout = mp4::walk(source)?;
            if samples {
                layout.check_samples(source, pulse)?;
            }
            Ok(layout.oddities)
        }
        MediaFormat::Matroska => {
            ebml::walk(source, samples, pulse).map(|layout| layout.trailing.into_iter().collect())
        }
        MediaFormat::Avi => streams::walk_avi(source, samples, pulse),
        MediaFormat::Flv => streams::walk_flv(source, samples, pulse),
        MediaFormat::Asf if samples => streams::walk_asf(source, pulse),
        MediaFormat::MpegTs if samples => streams::walk_transport(source, true, pulse),
        MediaFormat::MpegPs if samples => streams::walk_program(source, pulse),
        MediaFormat::Mxf if samples => streams::walk_mxf(source, pulse),
        _ => Ok(Vec::new()),
    }
}

/// What our walk of this container is called in evidence.
const fn check_name(format: MediaFormat) -> &'static str {
    match format {
        MediaFormat::Mp4 | MediaFormat::Mov => "MP4 walk",
        MediaFormat::Matroska => "Matroska walk",
        MediaFormat::Avi => "AVI walk",
        MediaFormat::MpegTs => "transport stream walk",
        MediaFormat::MpegPs => "program stream walk",
        MediaFormat::Asf => "ASF walk",
        MediaFormat::Flv => "FLV walk",
        _ => "MXF walk",
    }
}

/// Oddities that are told of one file.
const MAX_FAULTS: usize = 8;

fn examine(
    format: MediaFormat,
    source: &Source<'_>,
    wanted: &Wanted<'_>,
    examined: &mut Examined,
) -> Result<(), DecodeError> {
    let deadline = Deadline::of(wanted.limits);
    let odd = match walk(format, source, wanted.depth != Depth::Structure, &mut || deadline.check()) {
        Ok(odd) => odd,
        Err(error) => {
            examined.accuser = error.damage().map(|_| own_check(check_name(format)));
            return Err(error);
        }
    };
    let by = own_check(check_name(format));
    // What a transport stream finds odd are packets that never came: decoders then complain with good reason.
    let forgiving = format == MediaFormat::MpegTs && !odd.is_empty();
    examined.faults.extend(odd.into_iter().take(MAX_FAULTS).map(|error| Fault { error, by: by.clone() }));
    let Some(films) = films::needed() else {
        return Err(DecodeError::unsupported("films, in this program"));
    };
    films.examine(&Film { format, source, wanted, forgiving }, examined)
}
