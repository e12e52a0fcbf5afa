//! Labels by decoded pixels: the damaged copy beside the sound file, through installed decoders that show what they can.
//!
//! None of them is ours, but some share a library with us; which one judged is in the table.

use std::path::Path;

use super::damage::Difference;
use super::group::Group;
use super::tools;

/// One picture: rows without padding.
struct Frame {
    width: usize,
    height: usize,
    channels: usize,
    samples: Vec<u8>,
}

/// A sound file, decoded once.
pub struct Reference {
    decoder: &'static str,
    frames: Vec<Frame>,
}

/// The decoders that may judge a format, best first.
pub const fn decoders(group: Group) -> &'static [&'static str] {
    match group {
        Group::Jpeg | Group::JpegHard => &["djpeg", "ffmpeg"],
        Group::Webp | Group::TiffPacked | Group::TiffPlain => &["convert", "ffmpeg"],
        Group::Psd | Group::Bmp => &["convert"],
        Group::Jp2 => &["ffmpeg", "convert"],
        Group::Heic => &["heif-convert"],
        Group::Avif => &["avifdec", "ffmpeg"],
        Group::Jxl => &["djxl"],
        Group::RawPacked | Group::RawPlain => &["dcraw_emu"],
        Group::Png | Group::Gif | Group::Mp4 | Group::Mov | Group::Matroska | Group::OtherVideo => {
            &["ffmpeg"]
        }
    }
}

impl Reference {
    /// Decodes a sound file with the first decoder that can; `None` when none can.
    pub fn of(group: Group, path: &Path) -> Option<Self> {
        decoders(group).iter().find_map(|&decoder| {
            let frames = decode(decoder, group, path);
            (!frames.is_empty()).then_some(Self { decoder, frames })
        })
    }

    /// Which decoder judges.
    pub const fn decoder(&self) -> &'static str {
        self.decoder
    }

    /// How a copy differs.
    pub fn compare(&self, group: Group, path: &Path) -> Difference {
        let frames = decode(self.decoder, group, path);
        if frames.is_empty() {
            return Difference::Undecodable;
        }
        let alike = |a: &Frame, b: &Frame| (a.width, a.height, a.channels) == (b.width, b.height, b.channels);
        if frames.len() != self.frames.len() || !self.frames.iter().zip(&frames).all(|(a, b)| alike(a, b)) {
            return Difference::Shape;
        }
        let worst = self.frames.iter().zip(&frames).map(|(a, b)| psnr(&a.samples, &b.samples));
        Difference::Psnr(worst.fold(f64::INFINITY, f64::min))
    }
}

/// Peak signal to noise ratio of 8-bit samples, in dB.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let squares: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    if squares == 0 {
        return f64::INFINITY;
    }
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares as f64).log10()
}

fn decode(decoder: &str, group: Group, path: &Path) -> Vec<Frame> {
    if std::fs::metadata(path).map_or(true, |metadata| metadata.len() == 0) {
        return Vec::new();
    }
    match decoder {
        "djpeg" => through_pipe(decoder, &["-pnm"], path, &[]),
        "convert" => {
            // Every frame as it is shown; animations are small.
            let limits = ["-limit", "memory", "2GiB", "-limit", "disk", "0"];
            through_pipe(decoder, &limits, path, &["-coalesce", "-depth", "8", "pam:-"])
        }
        "ffmpeg" if group.is_video() => {
            let shown = ["-map", "0:v:0", "-vf", "scale='min(iw,640)':-2", "-fps_mode", "passthrough"];
            let out = ["-f", "image2pipe", "-c:v", "pgm", "-pix_fmt", "gray", "-"];
            through_pipe(decoder, &["-v", "quiet", "-i"], path, &[shown.as_slice(), &out].concat())
        }
        "ffmpeg" => {
            let out =
                ["-fps_mode", "passthrough", "-f", "image2pipe", "-c:v", "pam", "-pix_fmt", "rgba", "-"];
            through_pipe(decoder, &["-v", "quiet", "-i"], path, &out)
        }
        // Half size, no brightening by content (one damaged block would change all pixels), white balance as it is.
        "dcraw_emu" => through_pipe(decoder, &["-h", "-W", "-r", "1", "1", "1", "1", "-Z", "-"], path, &[]),
        "heif-convert" => through_file(decoder, &[], path, "y4m"),
        "avifdec" => through_file(decoder, &["--no-strict"], path, "y4m"),
        "djxl" => through_file(decoder, &["--quiet", "--allow_partial_files"], path, "ppm"),
        _ => Vec::new(),
    }
}

/// What a program writes to its standard output, whatever its exit status: tolerant decoders fail late.
fn through_pipe(decoder: &str, before: &[&str], path: &Path, after: &[&str]) -> Vec<Frame> {
    let output = tools::run(decoder, |command| {
        command.args(before).arg(path).args(after);
    });
    output.map(|output| read_pnm(&output.stdout)).unwrap_or_default()
}

fn through_file(decoder: &str, options: &[&str], path: &Path, extension: &str) -> Vec<Frame> {
    let Ok(folder) = tempfile::tempdir() else { return Vec::new() };
    let out = folder.path().join("out").with_extension(extension);
    let _ = tools::run(decoder, |command| {
        command.args(options).arg(path).arg(&out);
    });
    // Files with several pictures become several files.
    let mut files: Vec<_> = std::fs::read_dir(folder.path())
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let bytes = std::fs::read(file).unwrap_or_default();
        if extension == "y4m" { read_y4m(&bytes) } else { read_pnm(&bytes) }
    };
    files.iter().flat_map(read).collect()
}

/// A sequence of PGM, PPM or PAM pictures with 8 or 16 bits. A picture that ends too early is left out.
fn read_pnm(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((mut frame, wide, rest)) = pnm_header(bytes) {
        let samples = frame.width * frame.height * frame.channels;
        let len = if wide { samples * 2 } else { samples };
        let Some(body) = rest.get(..len) else { break };
        frame.samples = if wide { body.iter().step_by(2).copied().collect() } else { body.to_vec() };
        if frame.channels == 4 || frame.channels == 2 {
            premultiply(&mut frame);
        }
        bytes = rest.get(len..).unwrap_or_default();
        frames.push(frame);
    }
    frames
}

/// What is transparent cannot be seen to be wrong.
fn premultiply(frame: &mut Frame) {
    for pixel in frame.samples.chunks_exact_mut(frame.channels) {
        if let Some((alpha, colours)) = pixel.split_last_mut() {
            for colour in colours {
                *colour = u8::try_from(u16::from(*colour) * u16::from(*alpha) / 255).unwrap_or(u8::MAX);
            }
        }
    }
}

/// The header of one picture, whether its samples have two bytes, and what follows.
fn pnm_header(bytes: &[u8]) -> Option<(Frame, bool, &[u8])> {
    let channels = match bytes.get(..2)? {
        b"P5" => 1,
        b"P6" => 3,
        b"P7" => return pam_header(bytes),
        _ => return None,
    };
    let mut fields = Vec::new();
    let mut at = 2;
    while fields.len() < 3 {
        while bytes.get(at)?.is_ascii_whitespace() {
            at += 1;
        }
        let start = at;
        while !bytes.get(at)?.is_ascii_whitespace() {
            at += 1;
        }
        fields.push(std::str::from_utf8(bytes.get(start..at)?).ok()?.parse::<usize>().ok()?);
    }
    let frame = Frame { width: *fields.first()?, height: *fields.get(1)?, channels, samples: Vec::new() };
    Some((frame, *fields.get(2)? > 255, bytes.get(at + 1..)?))
}

fn pam_header(bytes: &[u8]) -> Option<(Frame, bool, &[u8])> {
    let end = bytes.windows(7).take(400).position(|window| window == b"ENDHDR\n")? + 7;
    let header = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let field = |name: &str| -> Option<usize> {
        header.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let frame = Frame {
        width: field("WIDTH")?,
        height: field("HEIGHT")?,
        channels: field("DEPTH")?,
        samples: Vec::new(),
    };
    Some((frame, field("MAXVAL")? > 255, bytes.get(end..)?))
}

/// YUV4MPEG2: planes as they are, taken for one row of grey samples; 10 and 12 bits are brought to 8.
fn read_y4m(bytes: &[u8]) -> Vec<Frame> {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else { return Vec::new() };
    let header = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let field = |letter: char| header.split(' ').skip(1).find_map(|word| word.strip_prefix(letter));
    let side = |letter: char| field(letter).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let (width, height) = (side('W'), side('H'));
    let colours = field('C').unwrap_or("420");
    let chroma = match colours {
        name if name.starts_with("mono") => 0,
        name if name.starts_with("420") => width.div_ceil(2) * height.div_ceil(2) * 2,
        name if name.starts_with("422") => width.div_ceil(2) * height * 2,
        name if name.starts_with("444alpha") => width * height * 3,
        _ => width * height * 2,
    };
    let bits: u32 = ["p10", "p12", "p16", "mono10", "mono12", "mono16"]
        .iter()
        .find(|suffix| colours.ends_with(*suffix))
        .and_then(|suffix| suffix.trim_start_matches(char::is_alphabetic).parse().ok())
        .unwrap_or(8);
    let samples = width * height + chroma;
    let len = if bits > 8 { samples * 2 } else { samples };
    let mut rest = bytes.get(end + 1..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some(start) = rest.iter().position(|&byte| byte == b'\n').filter(|_| rest.starts_with(b"FRAME"))
    {
        let Some(body) = rest.get(start + 1..start + 1 + len).filter(|body| !body.is_empty()) else { break };
        let narrow = |pair: &[u8]| {
            let value = pair.iter().rev().fold(0_u32, |value, &byte| value << 8 | u32::from(byte));
            u8::try_from(value >> (bits - 8)).unwrap_or(u8::MAX)
        };
        let samples = if bits > 8 { body.chunks_exact(2).map(narrow).collect() } else { body.to_vec() };
        // The sides are kept apart from the samples so that another size is another shape.
        frames.push(Frame { width, height, channels: colours.len(), samples });
        rest = rest.get(start + 1 + len..).unwrap_or_default();
    }
    frames
}
