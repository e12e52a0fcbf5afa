//! What can be said about the bytes of one file.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Formats told apart by content, never by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the formats' own")]
pub enum MediaFormat {
    Jpeg,
    Png,
    Gif,
    Webp,
    Bmp,
    Tiff,
    Heic,
    Avif,
    Jxl,
    Jp2,
    Psd,
    Svg,
    /// A camera raw format, recognised by structure; the family is in the evidence.
    Raw,
    Mp4,
    Mov,
    Matroska,
    Avi,
    MpegTs,
    MpegPs,
    Asf,
    Flv,
    Mxf,
    /// An XMP sidecar.
    Xmp,
    /// Recognised as none of the above.
    Unknown,
}

impl MediaFormat {
    /// The word used in NDJSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Heic => "heic",
            Self::Avif => "avif",
            Self::Jxl => "jxl",
            Self::Jp2 => "jp2",
            Self::Psd => "psd",
            Self::Svg => "svg",
            Self::Raw => "raw",
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::Matroska => "matroska",
            Self::Avi => "avi",
            Self::MpegTs => "mpegts",
            Self::MpegPs => "mpegps",
            Self::Asf => "asf",
            Self::Flv => "flv",
            Self::Mxf => "mxf",
            Self::Xmp => "xmp",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the file is played rather than shown.
    pub const fn is_video(self) -> bool {
        matches!(
            self,
            Self::Mp4
                | Self::Mov
                | Self::Matroska
                | Self::Avi
                | Self::MpegTs
                | Self::MpegPs
                | Self::Asf
                | Self::Flv
                | Self::Mxf
        )
    }
}

impl fmt::Display for MediaFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct PixelSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl PixelSize {
    /// A size of `width` columns and `height` rows.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// The length of the shorter side.
    pub fn short_side(self) -> u32 {
        self.width.min(self.height)
    }

    /// Number of pixels; cannot overflow.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Width and height exchanged.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self { width: self.height, height: self.width }
    }
}

/// EXIF orientation (EXIF 2.32, tag 0x0112), 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Orientation(u8);

impl Default for Orientation {
    fn default() -> Self {
        Self(1)
    }
}

impl Orientation {
    /// Stored upright.
    pub const UPRIGHT: Self = Self(1);

    /// Values outside 1 to 8 are no orientation.
    pub const fn from_exif(value: u32) -> Option<Self> {
        match value {
            #[allow(clippy::cast_possible_truncation, reason = "1 to 8")]
            1..=8 => Some(Self(value as u8)),
            _ => None,
        }
    }

    /// The EXIF value.
    pub const fn exif(self) -> u8 {
        self.0
    }

    /// Whether showing the picture exchanges its sides.
    pub const fn transposes(self) -> bool {
        self.0 >= 5
    }
}

/// How thoroughly a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// Header and structure only (`--quick`).
    Structure,
    /// Whole stills; of videos the framing of every sample, without decoding (`--video structure`).
    Samples,
    /// Everything that decodes at reasonable cost: whole stills, the keyframes of videos.
    Keyframes,
    /// Every frame of every video too.
    Full,
}

impl Depth {
    /// All of them, the least thorough first.
    pub const ALL: [Self; 4] = [Self::Structure, Self::Samples, Self::Keyframes, Self::Full];
}

/// Which decoder or check spoke, with its version: verdicts of another version are not taken over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DecoderId {
    /// For example `libjpeg-turbo`.
    pub name: String,
    /// For example `3.1.0`.
    pub version: String,
}

impl fmt::Display for DecoderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The two ways in which bytes can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DamageClass {
    /// Ends too early.
    Truncated,
    /// Wrong inside.
    Malformed,
}

/// Why a file could not be decoded to its end. The classes never mix: only the first two say
/// anything about the bytes, the others say something about us or the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DecodeError {
    /// The data ends before the format says it does.
    #[error("ends too early: {what}")]
    Truncated {
        /// What was being read.
        what: String,
        /// Where, in bytes from the start of the file.
        offset: Option<u64>,
        /// How many bytes the structure asks for in all, where it says so.
        expected: Option<u64>,
        /// How many bytes there are.
        found: Option<u64>,
    },
    /// The data contradicts its format.
    #[error("malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
        /// Where, in bytes from the start of the file.
        offset: Option<u64>,
    },
    /// A feature that this build cannot decode. Says nothing about the bytes.
    #[error("unsupported: {what}")]
    Unsupported {
        /// The feature.
        what: String,
    },
    /// Larger than a limit of ours. Says nothing about the bytes.
    #[error("over the limit of {limit}: {what}")]
    LimitExceeded {
        /// What was asked for.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// The operating system could not deliver the bytes.
    #[error("read error: {what}")]
    Io {
        /// The system's words.
        what: String,
        /// The error number, when there is one.
        errno: Option<i32>,
        /// Where, in bytes from the start of the file.
        offset: Option<u64>,
    },
    /// The decoder died on this file, twice.
    #[error("decoder crashed: {what}")]
    Crashed {
        /// Signal or panic message, and the end of its standard error.
        what: String,
    },
    /// The decoder did not finish in time, twice.
    #[error("decoder ran longer than {seconds} s")]
    TimedOut {
        /// The deadline that passed.
        seconds: u64,
    },
}

impl DecodeError {
    /// Malformed data at a known offset.
    pub fn malformed(what: impl Into<String>, offset: impl Into<Option<u64>>) -> Self {
        Self::Malformed { what: what.into(), offset: offset.into() }
    }

    /// Data that ends too early, sizes unknown.
    pub fn truncated(what: impl Into<String>, offset: impl Into<Option<u64>>) -> Self {
        Self::Truncated { what: what.into(), offset: offset.into(), expected: None, found: None }
    }

    /// A feature this build cannot decode.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    /// Over one of our limits.
    pub fn limit(what: impl Into<String>, limit: impl Into<String>) -> Self {
        Self::LimitExceeded { what: what.into(), limit: limit.into() }
    }

    /// An I/O error with what the system said.
    pub fn io(error: &std::io::Error, offset: Option<u64>) -> Self {
        Self::Io { what: error.to_string(), errno: error.raw_os_error(), offset }
    }

    /// Whether this is evidence about the bytes, and which.
    pub const fn damage(&self) -> Option<DamageClass> {
        match self {
            Self::Truncated { .. } => Some(DamageClass::Truncated),
            Self::Malformed { .. } => Some(DamageClass::Malformed),
            _ => None,
        }
    }

    /// Its texts, to be cut.
    pub fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::Truncated { what, .. }
            | Self::Malformed { what, .. }
            | Self::Unsupported { what }
            | Self::Io { what, .. }
            | Self::Crashed { what } => vec![what],
            Self::LimitExceeded { what, limit } => vec![what, limit],
            Self::TimedOut { .. } => Vec::new(),
        }
    }

    /// The offset where it happened, when it is known.
    pub const fn offset(&self) -> Option<u64> {
        match self {
            Self::Truncated { offset, .. } | Self::Malformed { offset, .. } | Self::Io { offset, .. } => {
                *offset
            }
            _ => None,
        }
    }
}

/// A fault that does not stop decoding, told beside the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What happened.
    pub error: DecodeError,
    /// Who says so.
    pub by: DecoderId,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (by {})", self.error, self.by)
    }
}

/// The one-word answer about a file. See `docs/formats.md` for what each depth proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The bytes match a checksum that was recorded for them.
    Verified,
    /// No recorded checksum; the whole file decodes strictly and its structure is sound.
    Decodable,
    /// The bytes are wrong.
    Damaged,
    /// Nothing can be said; always with a reason.
    Unverifiable,
}

impl Verdict {
    /// All verdicts, best first.
    pub const ALL: [Self; 4] = [Self::Verified, Self::Decodable, Self::Damaged, Self::Unverifiable];

    /// The word used in NDJSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Decodable => "decodable",
            Self::Damaged => "damaged",
            Self::Unverifiable => "unverifiable",
        }
    }

    /// Whether a picture made from this original can be trusted.
    pub const fn is_sound(self) -> bool {
        matches!(self, Self::Verified | Self::Decodable)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
