//! libjpeg-turbo's TurboJPEG 3 interface, wrapped so that the rest of the program stays safe.
#![allow(unsafe_code, reason = "calls into C")]
#![allow(clippy::cast_possible_wrap, reason = "the library's constants are small")]

use std::ffi::CStr;

use turbojpeg_sys as ffi;

use crate::media::Limits;
use crate::media::structure::jpeg::{self, SPARE_BYTES};

/// Version of the library that turbojpeg-sys builds; the library has no call that tells it.
pub const VERSION: &str = "3.1.0";
/// More scans than encoders write; each costs a pass over all coefficients.
const SCAN_LIMIT: i32 = 500;

/// Layout of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One channel.
    Gray,
    /// Three channels.
    Rgb,
    /// Four channels as the file stores them.
    Cmyk,
}

impl Layout {
    /// Samples per pixel.
    pub const fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }

    const fn code(self) -> i32 {
        match self {
            Self::Gray => ffi::TJPF_TJPF_GRAY,
            Self::Rgb => ffi::TJPF_TJPF_RGB,
            Self::Cmyk => ffi::TJPF_TJPF_CMYK,
        }
    }
}

/// What the library said. After a warning there is a picture nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Decoding could not go on.
    pub fatal: bool,
    /// The first message.
    pub text: String,
}

/// Facts of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The natural layout of the samples.
    pub layout: Layout,
}

/// A decompressor with the header of one picture read.
pub struct Decompressor<'a> {
    handle: ffi::tjhandle,
    bytes: &'a [u8],
    header: Header,
    scale: usize,
}

impl<'a> Decompressor<'a> {
    /// Reads the header. A warning about the header is kept aside in the second part.
    pub fn new(bytes: &'a [u8], limits: &Limits) -> Result<(Self, Option<Complaint>), Complaint> {
        // SAFETY: no preconditions; null is checked below.
        let handle = unsafe { ffi::tj3Init(ffi::TJINIT_TJINIT_DECOMPRESS as i32) };
        if handle.is_null() {
            return Err(Complaint { fatal: true, text: "Insufficient memory".into() });
        }
        let header = Header { width: 0, height: 0, layout: Layout::Rgb };
        let mut this = Self { handle, bytes, header, scale: 1 };
        this.set(ffi::TJPARAM_TJPARAM_SCANLIMIT, SCAN_LIMIT);
        this.set(ffi::TJPARAM_TJPARAM_MAXMEMORY, clamp(limits.max_memory.div_ceil(1 << 20)));
        this.set(ffi::TJPARAM_TJPARAM_MAXPIXELS, clamp(limits.max_pixels));
        this.set(ffi::TJPARAM_TJPARAM_SAVEMARKERS, 0);
        // SAFETY: the pointer and the length are those of a live slice.
        let status = unsafe { ffi::tj3DecompressHeader(this.handle, bytes.as_ptr(), length(bytes)) };
        let complaint = this.complaint(status);
        let colors = this.get(ffi::TJPARAM_TJPARAM_COLORSPACE);
        this.header = Header {
            width: usize::try_from(this.get(ffi::TJPARAM_TJPARAM_JPEGWIDTH)).unwrap_or(0),
            height: usize::try_from(this.get(ffi::TJPARAM_TJPARAM_JPEGHEIGHT)).unwrap_or(0),
            layout: match u32::try_from(colors) {
                Ok(ffi::TJCS_TJCS_GRAY) => Layout::Gray,
                Ok(ffi::TJCS_TJCS_CMYK | ffi::TJCS_TJCS_YCCK) => Layout::Cmyk,
                _ => Layout::Rgb,
            },
        };
        match complaint {
            Some(complaint) if complaint.fatal => Err(complaint),
            complaint if this.header.width > 0 && this.header.height > 0 => Ok((this, complaint)),
            complaint => Err(complaint
                .unwrap_or_else(|| Complaint { fatal: true, text: "no picture in the header".into() })),
        }
    }

    /// The header.
    pub const fn header(&self) -> Header {
        self.header
    }

    /// Decodes at 1/`denominator` of the size (1, 2, 4 or 8) from now on.
    pub fn scale_down(&mut self, denominator: usize) {
        if !matches!(denominator, 1 | 2 | 4 | 8) {
            return;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "1 to 8")]
        let factor = ffi::tjscalingfactor { num: 1, denom: denominator as i32 };
        // SAFETY: the handle is live; the value is plain data.
        if unsafe { ffi::tj3SetScalingFactor(self.handle, factor) } == 0 {
            self.scale = denominator;
        }
    }

    /// Columns and rows that decoding will give.
    pub const fn output(&self) -> (usize, usize) {
        (self.header.width.div_ceil(self.scale), self.header.height.div_ceil(self.scale))
    }

    /// Decodes a picture of 8 bits per sample. The buffer is zeroed where the data did not reach.
    pub fn decode(&mut self) -> Result<(Vec<u8>, Option<Complaint>), Complaint> {
        let (columns, rows) = self.output();
        let pitch = columns * self.header.layout.channels();
        let refuse = || Complaint { fatal: true, text: "Insufficient memory".into() };
        let size = pitch.checked_mul(rows).ok_or_else(refuse)?;
        let row = i32::try_from(pitch).map_err(|_| refuse())?;
        // Zeroed by the system, not written once more; the size is within the limits.
        let mut buffer = vec![0; size];
        // SAFETY: the input is a live slice; the output holds `rows * pitch` samples, which is what the library writes for this
        // scale and layout with `pitch` samples per row.
        let status = unsafe {
            ffi::tj3Decompress8(
                self.handle,
                self.bytes.as_ptr(),
                length(self.bytes),
                buffer.as_mut_ptr(),
                row,
                self.header.layout.code(),
            )
        };
        self.finish(status).map(|complaint| (buffer, complaint))
    }

    fn finish(&self, status: i32) -> Result<Option<Complaint>, Complaint> {
        match self.complaint(status) {
            Some(complaint) if complaint.fatal => Err(complaint),
            complaint => Ok(complaint),
        }
    }

    fn complaint(&self, status: i32) -> Option<Complaint> {
        if status == 0 {
            return None;
        }
        // SAFETY: the handle is live; the library returns a NUL-terminated string that lives until the next call.
        let (code, text) =
            unsafe { (ffi::tj3GetErrorCode(self.handle), CStr::from_ptr(ffi::tj3GetErrorStr(self.handle))) };
        let fatal = u32::try_from(code) != Ok(ffi::TJERR_TJERR_WARNING);
        Some(Complaint { fatal, text: text.to_string_lossy().into_owned() })
    }

    fn set(&mut self, parameter: ffi::TJPARAM, value: i32) {
        // SAFETY: the handle is live; unknown values are refused by the library.
        unsafe { ffi::tj3Set(self.handle, parameter as i32, value) };
    }

    fn get(&self, parameter: ffi::TJPARAM) -> i32 {
        // SAFETY: the handle is live.
        unsafe { ffi::tj3Get(self.handle, parameter as i32) }
    }
}

impl Drop for Decompressor<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from `tj3Init` and is not used again.
        unsafe { ffi::tj3Destroy(self.handle) };
    }
}

/// What libjpeg-turbo has to say against the entropy-coded data of a picture: the oracle of tests and of fuzzing.
///
/// Not counted are errors about other things, warnings about headers, spare bytes between header segments, where wrong lengths
/// leave them, up to as many before other markers as the walk allows, and a run of empty blocks that ends a block early, which
/// one encoder writes.
pub fn entropy_complaint(bytes: &[u8]) -> Option<String> {
    let limits = Limits { max_pixels: 1 << 24, max_memory: 1 << 28, max_seconds: 20 };
    let (mut decompressor, _) = Decompressor::new(bytes, &limits).ok()?;
    let (_, complaint) = decompressor.decode().ok()?;
    let text = complaint.filter(|complaint| !complaint.fatal)?.text;
    let spare = text.split_whitespace().find_map(|word| word.parse::<usize>().ok());
    let outline = jpeg::walk(bytes);
    let in_header = outline.spare.iter().any(|&(_, count)| count > SPARE_BYTES);
    let few = in_header || spare.is_some_and(|count| count <= SPARE_BYTES);
    let allowed = text.contains("extraneous bytes") && few;
    let progressive = matches!(outline.frame, Some(frame) if frame.progressive());
    let counted_short = progressive && text.contains("premature end of data segment");
    let against = ["Corrupt JPEG data", "Premature end"].iter().any(|part| text.contains(part));
    (against && !allowed && !counted_short).then_some(text)
}

fn clamp(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// The bindings' own width of `size_t`, which is that of a pointer.
fn length(bytes: &[u8]) -> ffi::size_t {
    bytes.len() as ffi::size_t
}
