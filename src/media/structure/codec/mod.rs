//! What one sample (MP4) or block (Matroska) must look like inside, told without decoding.
//!
//! Each codec frames its data in some way that damage breaks: length-prefixed units, sizes of tiles and slices, start
//! codes. A codec that is not known here, or whose configuration cannot be read, is [`Codec::Opaque`]: nothing is said.

mod av1;
mod coded;
mod entropy;
mod mpeg4;
pub mod nal;
mod picture;
mod sound;
mod vpx;

use super::bmff::Kind;

pub use coded::CodedData;

/// What is wrong inside a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where, in bytes from the sample's first.
    pub at: usize,
    /// In words.
    pub what: String,
}

impl Flaw {
    fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

/// How the samples of one track are framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264 or HEVC units, each behind its length.
    Nal(nal::Framing),
    /// H.264 or HEVC units behind start codes (ITU-T H.264 annex B), as in AVI and transport streams.
    AnnexB(nal::Family),
    /// AV1 open bitstream units.
    Av1,
    /// VP8 frames.
    Vp8,
    /// VP9 frames and superframes.
    Vp9,
    /// JPEG pictures.
    Jpeg,
    /// Apple ProRes frames.
    ProRes,
    /// MPEG-4 part 2 pictures.
    Mpeg4,
    /// Parts of an MPEG-1, MPEG-2 or MPEG-4 part 2 stream that begin anywhere.
    Mpeg2,
    /// AAC without headers.
    Aac,
    /// Opus packets.
    Opus,
    /// Free lossless audio frames.
    Flac,
    /// Not known here.
    Opaque,
}

impl Codec {
    /// From a sample entry of MP4 or QuickTime; `property` gives the contents of a box inside it.
    pub fn of_sample_entry(kind: Kind, property: impl Fn(&Kind) -> Option<Vec<u8>>) -> Self {
        let framed = |record: &Kind, family| {
            property(record)
                .and_then(|record| nal::Framing::from_record(family, &record))
                .map_or(Self::Opaque, Self::Nal)
        };
        match &kind {
            b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => framed(b"avcC", nal::Family::Avc),
            b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => framed(b"hvcC", nal::Family::Hevc),
            b"av01" => Self::Av1,
            b"vp08" => Self::Vp8,
            b"vp09" => Self::Vp9,
            b"jpeg" | b"mjpa" => Self::Jpeg,
            b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => Self::ProRes,
            b"mp4v" => match property(b"esds").as_deref().and_then(object_type) {
                Some(0x20) => Self::Mpeg4,
                Some(0x6C) => Self::Jpeg,
                _ => Self::Opaque,
            },
            b"mp4a" => match property(b"esds").as_deref().and_then(object_type) {
                Some(0x40 | 0x66..=0x68) => Self::Aac,
                _ => Self::Opaque,
            },
            // Several streams in one packet are framed in another way (RFC 7845 5.1.1).
            b"Opus" => match property(b"dOps").as_deref().and_then(|record| record.get(10)) {
                Some(0) => Self::Opus,
                _ => Self::Opaque,
            },
            b"fLaC" => Self::Flac,
            _ => Self::Opaque,
        }
    }

    /// From the codec name and the private data of a Matroska track.
    pub fn of_matroska(name: &[u8], private: &[u8]) -> Self {
        let framed = |family| nal::Framing::from_record(family, private).map_or(Self::Opaque, Self::Nal);
        match name {
            b"V_MPEG4/ISO/AVC" => framed(nal::Family::Avc),
            b"V_MPEGH/ISO/HEVC" => framed(nal::Family::Hevc),
            b"V_AV1" => Self::Av1,
            b"V_VP8" => Self::Vp8,
            b"V_VP9" => Self::Vp9,
            b"V_MJPEG" => Self::Jpeg,
            b"V_MPEG4/ISO/ASP" | b"V_MPEG4/ISO/SP" => Self::Mpeg4,
            b"A_OPUS" if private.get(18) == Some(&0) => Self::Opus,
            b"A_FLAC" => Self::Flac,
            _ if name.starts_with(b"A_AAC") => Self::Aac,
            _ => Self::Opaque,
        }
    }

    /// From the four-character code of an AVI stream.
    pub fn of_fourcc(code: Kind) -> Self {
        match &code.map(|byte| byte.to_ascii_uppercase()) {
            b"MJPG" | b"AVRN" | b"JPEG" => Self::Jpeg,
            b"H264" | b"X264" | b"AVC1" | b"DAVC" => Self::AnnexB(nal::Family::Avc),
            b"HEVC" | b"H265" | b"HVC1" | b"HEV1" => Self::AnnexB(nal::Family::Hevc),
            b"XVID" | b"DIVX" | b"DX50" | b"FMP4" | b"MP4V" | b"MP4S" | b"3IV2" => Self::Mpeg4,
            b"VP80" => Self::Vp8,
            b"VP90" => Self::Vp9,
            b"AV01" => Self::Av1,
            _ => Self::Opaque,
        }
    }

    /// Whether looking inside the samples tells anything.
    pub const fn is_followed(&self) -> bool {
        !matches!(self, Self::Opaque)
    }

    /// Checks one whole sample.
    pub fn check(&self, sample: &[u8]) -> Result<(), Flaw> {
        // Players repeat the frame before; recorders use it for dropped frames.
        if sample.is_empty() {
            return Ok(());
        }
        match self {
            Self::Nal(framing) => framing.check(sample),
            Self::AnnexB(family) => nal::check_annex_b(*family, sample),
            Self::Av1 => av1::check(sample).and_then(|()| entropy::check(sample)),
            Self::Vp8 => vpx::check_vp8(sample).and_then(|()| entropy::check(sample)),
            Self::Vp9 => vpx::check_vp9(sample).and_then(|()| entropy::check(sample)),
            Self::Jpeg => picture::check_jpeg(sample),
            Self::ProRes => picture::check_prores(sample),
            Self::Mpeg4 => mpeg4::check(sample),
            Self::Mpeg2 => mpeg4::check_zeros(sample),
            Self::Aac => sound::check_aac(sample),
            Self::Opus => sound::check_opus(sample),
            Self::Flac => sound::check_flac(sample),
            Self::Opaque => Ok(()),
        }
    }
}

/// The object type of the decoder configuration inside an elementary stream descriptor (ISO/IEC 14496-1 7.2.6), given
/// as the content of an `esds` box.
fn object_type(esds: &[u8]) -> Option<u8> {
    let mut rest = descriptor(esds.get(4..)?, 3)?;
    let flags = *rest.get(2)?;
    rest = rest.get(3..)?;
    if flags & 0x80 != 0 {
        rest = rest.get(2..)?;
    }
    if flags & 0x40 != 0 {
        let len = usize::from(*rest.first()?);
        rest = rest.get(len + 1..)?;
    }
    if flags & 0x20 != 0 {
        rest = rest.get(2..)?;
    }
    descriptor(rest, 4)?.first().copied()
}

/// The content of the descriptor with this tag, which must come first.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (&found, mut rest) = bytes.split_first()?;
    // The length takes up to four bytes of seven bits each.
    for _ in 0..4 {
        let (&byte, behind) = rest.split_first()?;
        rest = behind;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (found == tag).then_some(rest)
}

/// Bits of a header, most significant first.
pub(super) struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Bits<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0u32, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    /// An unsigned Exp-Golomb code (ITU-T H.264 9.1).
    pub(super) fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some(u32::try_from((1u64 << zeros) - 1 + u64::from(self.take(zeros)?)).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn codes_of_sample_entries() {
        let esds = b"\0\0\0\0\x03\x80\x80\x80\x22\0\x01\0\x04\x80\x80\x80\x14\x40\x15";
        assert_eq!(object_type(esds), Some(0x40));
        let codec = Codec::of_sample_entry(*b"mp4a", |kind| (kind == b"esds").then(|| esds.to_vec()));
        assert_eq!(codec, Codec::Aac);
        assert_eq!(Codec::of_sample_entry(*b"avc1", |_| None), Codec::Opaque, "no record, no framing");
        assert_eq!(Codec::of_sample_entry(*b"encv", |_| None), Codec::Opaque, "encrypted");
    }

    #[test]
    fn exp_golomb_codes() {
        // 1, 010, 011, 00100 and eight zero bits.
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0000, 0]);
        assert_eq!(
            [bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()].map(Option::unwrap),
            [0, 1, 2, 3]
        );
        assert_eq!(bits.golomb(), None);
    }
}
