//! libjpeg-turbo as rows, wrapped so that the rest of the program stays safe. `rows.c` is the other side.
#![allow(unsafe_code, reason = "calls into C")]

use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

// Brings the library itself into the program.
use turbojpeg_sys as _;

use crate::media::structure::jpeg::{self, SPARE_BYTES};
use crate::media::structure::jpeg_walk::Units;
use crate::media::{Limits, Rows, Whole};

/// Version of the library that turbojpeg-sys builds; the library has no call that tells it.
pub const VERSION: &str = "3.1.0";
/// More scans than encoders write; each costs a pass over all coefficients.
const SCAN_LIMIT: c_int = 500;

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
}

/// What the library said. After a warning there is a picture nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Decoding could not go on.
    pub fatal: bool,
    /// The first message.
    pub text: String,
}

impl Complaint {
    fn fatal(text: impl Into<String>) -> Self {
        Self { fatal: true, text: text.into() }
    }
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
    /// Whether the components are Y, Cb and Cr.
    pub ycc: bool,
}

/// What is behind the pointer is C's business.
#[repr(C)]
struct Library {
    _private: [u8; 0],
}

type Supply = unsafe extern "C" fn(*mut c_void, *mut i16, usize) -> c_int;

unsafe extern "C" {
    fn photofsck_jpeg_open(scan_limit: c_int, max_memory: c_long) -> *mut Library;
    fn photofsck_jpeg_close(library: *mut Library);
    fn photofsck_jpeg_text(library: *const Library) -> *const c_char;
    fn photofsck_jpeg_header(
        library: *mut Library,
        bytes: *const c_uchar,
        length: usize,
        width: *mut u32,
        height: *mut u32,
        channels: *mut c_int,
        ycc: *mut c_int,
    ) -> c_int;
    fn photofsck_jpeg_start(
        library: *mut Library,
        denominator: c_uint,
        channels: c_int,
        units: Option<Supply>,
        context: *mut c_void,
    ) -> c_int;
    fn photofsck_jpeg_rows(library: *mut Library, buffer: *mut c_uchar, pitch: usize, most: c_int) -> c_int;
}

/// A decompressor with the header of one picture read.
pub struct Decompressor<'a> {
    library: NonNull<Library>,
    header: Header,
    scale: usize,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Decompressor<'a> {
    /// Reads the header. A warning about the header is kept aside in the second part.
    pub fn new(bytes: &'a [u8], limits: &Limits) -> Result<(Self, Option<Complaint>), Complaint> {
        let memory = c_long::try_from(limits.max_memory).unwrap_or(c_long::MAX);
        // SAFETY: no preconditions; null is checked.
        let library = NonNull::new(unsafe { photofsck_jpeg_open(SCAN_LIMIT, memory) });
        let library = library.ok_or_else(|| Complaint::fatal("Insufficient memory"))?;
        let header = Header { width: 0, height: 0, layout: Layout::Rgb, ycc: false };
        let mut this = Self { library, header, scale: 1, bytes: PhantomData };
        let (mut width, mut height, mut channels, mut ycc) = (0, 0, 0, 0);
        // SAFETY: the handle is live; the bytes outlive it, as the lifetime of `Self` says; the places are live.
        let read = unsafe {
            let (bytes, length) = (bytes.as_ptr(), bytes.len());
            photofsck_jpeg_header(
                library.as_ptr(),
                bytes,
                length,
                &raw mut width,
                &raw mut height,
                &raw mut channels,
                &raw mut ycc,
            )
        };
        if read == 0 {
            return Err(this.failed());
        }
        if u64::from(width) * u64::from(height) > limits.max_pixels {
            return Err(Complaint::fatal("Image is too large"));
        }
        this.header = Header {
            width: usize::try_from(width).unwrap_or(usize::MAX),
            height: usize::try_from(height).unwrap_or(usize::MAX),
            layout: match channels {
                1 => Layout::Gray,
                4 => Layout::Cmyk,
                _ => Layout::Rgb,
            },
            ycc: ycc != 0,
        };
        let complaint = this.complaint();
        Ok((this, complaint))
    }

    /// The header.
    pub const fn header(&self) -> Header {
        self.header
    }

    /// Decodes at 1/`denominator` of the size (1, 2, 4 or 8) from now on.
    pub fn scale_down(&mut self, denominator: usize) {
        if matches!(denominator, 1 | 2 | 4 | 8) {
            self.scale = denominator;
        }
    }

    /// Columns and rows that decoding will give.
    pub const fn output(&self) -> (usize, usize) {
        (self.header.width.div_ceil(self.scale), self.header.height.div_ceil(self.scale))
    }

    /// Decodes a picture of 8 bits per sample, as many rows at once as there is room for.
    ///
    /// With `units` those supply the coefficients, which have to be of one scan; decoding ends early where they do.
    pub fn decode(
        self,
        mut units: Option<&mut dyn Units>,
        rows: &mut dyn Rows,
    ) -> Result<Option<Complaint>, Complaint> {
        let channels = self.header.layout.channels();
        let pitch =
            self.output().0.checked_mul(channels).ok_or_else(|| Complaint::fatal("Image is too large"))?;
        let (supply, context): (Option<Supply>, _) = match &mut units {
            Some(units) => (Some(supply), std::ptr::from_mut(units).cast()),
            None => (None, std::ptr::null_mut()),
        };
        let (library, channels) = (self.library.as_ptr(), c_int::try_from(channels).unwrap_or(3));
        let scale = c_uint::try_from(self.scale).unwrap_or(1);
        // SAFETY: the handle and its bytes are live; the context is what `supply` takes it for, and outlives all calls below, which
        // are the only ones that use it.
        if unsafe { photofsck_jpeg_start(library, scale, channels, supply, context) } == 0 {
            return Err(self.failed());
        }
        loop {
            let room = rows.room();
            let most = c_int::try_from(room.len() / pitch.max(1)).unwrap_or(c_int::MAX);
            // SAFETY: the room holds `most` rows of `pitch` bytes, which is what rows of this scale and layout have.
            let read = unsafe { photofsck_jpeg_rows(library, room.as_mut_ptr(), pitch, most) };
            match usize::try_from(read) {
                Ok(0) => return Ok(self.complaint()),
                Ok(read) => rows.came(read),
                Err(_) => return Err(self.failed()),
            }
        }
    }

    fn text(&self) -> String {
        // SAFETY: the handle is live; its text is NUL-terminated and is copied at once.
        let text = unsafe { CStr::from_ptr(photofsck_jpeg_text(self.library.as_ptr())) };
        text.to_string_lossy().into_owned()
    }

    fn complaint(&self) -> Option<Complaint> {
        Some(self.text()).filter(|text| !text.is_empty()).map(|text| Complaint { fatal: false, text })
    }

    fn failed(&self) -> Complaint {
        Complaint::fatal(self.text())
    }
}

impl Drop for Decompressor<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from `photofsck_jpeg_open` and is not used again.
        unsafe { photofsck_jpeg_close(self.library.as_ptr()) };
    }
}

/// Called by the library for each unit.
unsafe extern "C" fn supply(context: *mut c_void, blocks: *mut i16, count: usize) -> c_int {
    // SAFETY: the context is the reference that `Decompressor::rows` passed, which nobody else uses meanwhile; the blocks are so
    // many in a row, of 64 coefficients each.
    let (units, blocks) = unsafe {
        let units = &mut *context.cast::<&mut dyn Units>();
        (units, std::slice::from_raw_parts_mut(blocks.cast::<[i16; 64]>(), count))
    };
    c_int::from(units.next(blocks))
}

/// What libjpeg-turbo has to say against the entropy-coded data of a picture: the oracle of tests and of fuzzing.
///
/// Not counted are errors about other things, warnings about headers, spare bytes between header segments, where wrong lengths
/// leave them, up to as many before other markers as the walk allows, and a run of empty blocks that ends a block early, which
/// one encoder writes.
pub fn entropy_complaint(bytes: &[u8]) -> Option<String> {
    let limits = Limits { max_pixels: 1 << 24, max_memory: 1 << 28, max_seconds: 20 };
    let (decompressor, _) = Decompressor::new(bytes, &limits).ok()?;
    let (columns, height) = decompressor.output();
    let mut whole = Whole::new(columns * decompressor.header().layout.channels(), height)?;
    let complaint = decompressor.decode(None, &mut whole).ok()?;
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
