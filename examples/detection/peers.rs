//! Other people's checkers, as they are installed here.

use std::path::Path;

use super::group::Group;
use super::tools;

/// One way of asking another program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its name in tables.
    pub name: &'static str,
    program: &'static str,
    /// Before the file.
    options: &'static [&'static str],
    /// Behind the file.
    after: &'static [&'static str],
    /// Appended to the file's name (libvips takes its options there).
    suffix: &'static str,
    /// Extension of the file that it writes and that is thrown away; empty when it writes none.
    out: &'static str,
    /// Whether a message counts, or only the exit status.
    messages: bool,
    /// The option that makes it tell its version.
    version: &'static str,
}

const fn peer(
    name: &'static str,
    program: &'static str,
    options: &'static [&'static str],
    after: &'static [&'static str],
    messages: bool,
) -> Peer {
    Peer { name, program, options, after, suffix: "", out: "", messages, version: "-version" }
}

const JPEGINFO: Peer =
    Peer { version: "--version", ..peer("jpeginfo -c", "jpeginfo", &["-c", "-q"], &[], false) };
const DJPEG: Peer =
    peer("djpeg, any warning", "djpeg", &["-fast", "-scale", "1/8", "-outfile", "/dev/null"], &[], true);
const MAGICK: Peer =
    peer("ImageMagick -regard-warnings", "convert", &["-regard-warnings"], &["null:"], false);
const VIPS: Peer = Peer {
    suffix: "[fail-on=warning]",
    version: "--version",
    ..peer("vips, fail-on warning", "vips", &["avg"], &[], false)
};
const PNGCHECK: Peer = Peer { version: "-h", ..peer("pngcheck", "pngcheck", &["-q"], &[], false) };
const FFMPEG: Peer =
    peer("ffmpeg -v error", "ffmpeg", &["-v", "error", "-i"], &["-map", "0", "-f", "null", "-"], true);
const FFMPEG_CODE: Peer =
    peer("ffmpeg, exit status", "ffmpeg", &["-v", "quiet", "-i"], &["-map", "0", "-f", "null", "-"], false);
const FFMPEG_EXPLODE: Peer = peer(
    "ffmpeg -xerror, explode",
    "ffmpeg",
    &["-v", "error", "-xerror", "-err_detect", "crccheck+bitstream+buffer+explode", "-i"],
    &["-map", "0", "-f", "null", "-"],
    true,
);
const HEIF: Peer =
    Peer { out: "y4m", version: "--version", ..peer("heif-convert", "heif-convert", &[], &[], false) };
const AVIFDEC: Peer =
    Peer { out: "y4m", version: "--version", ..peer("avifdec", "avifdec", &[], &[], false) };
const DWEBP: Peer = peer("dwebp", "dwebp", &["-quiet"], &["-o", "/dev/null"], false);
const DJXL: Peer =
    Peer { out: "ppm", version: "--version", ..peer("djxl", "djxl", &["--quiet"], &[], false) };
const DCRAW: Peer = peer("dcraw_emu", "dcraw_emu", &["-h", "-Z", "-"], &[], true);

/// What may be asked about a format.
const fn of(group: Group) -> &'static [Peer] {
    match group {
        Group::Jpeg | Group::JpegHard => &[JPEGINFO, DJPEG, MAGICK, VIPS, FFMPEG],
        Group::Png => &[PNGCHECK, MAGICK, VIPS, FFMPEG],
        Group::Gif | Group::TiffPacked | Group::TiffPlain | Group::Jp2 => &[MAGICK, VIPS, FFMPEG],
        Group::Webp => &[DWEBP, MAGICK, VIPS, FFMPEG],
        Group::Heic => &[HEIF, VIPS],
        Group::Avif => &[AVIFDEC, VIPS, FFMPEG],
        Group::Jxl => &[DJXL],
        Group::RawPacked | Group::RawPlain => &[DCRAW],
        Group::Mp4 | Group::Mov | Group::Matroska | Group::OtherVideo => {
            &[FFMPEG_CODE, FFMPEG, FFMPEG_EXPLODE]
        }
        Group::Bmp | Group::Psd => &[MAGICK],
    }
}

/// The installed ones, and the names of the absent ones.
pub fn installed(group: Group) -> (Vec<Peer>, Vec<&'static str>) {
    let (there, absent): (Vec<Peer>, Vec<Peer>) =
        of(group).iter().copied().partition(|peer| tools::find(peer.program).is_some());
    (there, absent.into_iter().map(|peer| peer.name).collect())
}

impl Peer {
    /// Whether it finds something wrong with a file.
    pub fn flags(self, path: &Path) -> bool {
        let mut file = path.as_os_str().to_owned();
        file.push(self.suffix);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let output = tools::run(self.program, |command| {
            command.args(self.options).arg(&file).args(self.after);
            if !self.out.is_empty() {
                command.arg(folder.path().join("out").with_extension(self.out));
            }
        });
        output.is_some_and(|output| !output.status.success() || self.messages && !output.stderr.is_empty())
    }

    /// Program and version, for the page.
    pub fn told_version(self) -> Option<(&'static str, String)> {
        Some((self.program, tools::version(self.program, self.version)?))
    }
}
