//! libwebp's incremental decoder, wrapped so that the rest of the program stays safe.
#![allow(unsafe_code, reason = "calls into C")]

use std::marker::PhantomData;

use libwebp_sys as ffi;
use libwebp_sys::VP8StatusCode as Status;

/// Version of the library, as it says itself.
pub fn version() -> String {
    // SAFETY: no preconditions.
    let version = unsafe { ffi::WebPGetDecoderVersion() };
    format!("{}.{}.{}", version >> 16 & 255, version >> 8 & 255, version & 255)
}

/// What the decoder says after some data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The picture is complete.
    Done,
    /// More data is needed.
    Hungry,
    /// The data is wrong.
    Wrong,
    /// A feature that the library does not have.
    Unsupported,
    /// No memory.
    Memory,
}

/// A decoder that writes into a buffer of the caller.
pub struct Decoder<'a> {
    handle: *mut ffi::WebPIDecoder,
    data: &'a [u8],
    seen: usize,
    output: PhantomData<&'a mut [u8]>,
}

impl<'a> Decoder<'a> {
    /// Decodes `data` (a whole file, or the chunks of one frame) into `output`: rows of `width` pixels of 4 bytes RGBA, or of
    /// 3 bytes RGB without `alpha`. `None` when the buffer does not fit or there is no memory.
    pub fn new(
        data: &'a [u8],
        output: &'a mut [u8],
        width: usize,
        height: usize,
        alpha: bool,
    ) -> Option<Self> {
        let stride = width.checked_mul(if alpha { 4 } else { 3 })?;
        if stride.checked_mul(height)? != output.len() {
            return None;
        }
        let stride = i32::try_from(stride).ok()?;
        let mode = if alpha { ffi::WEBP_CSP_MODE::MODE_RGBA } else { ffi::WEBP_CSP_MODE::MODE_RGB };
        // SAFETY: pointer and length are those of a live slice that is borrowed for as long as the decoder lives; the
        // library checks the picture's size against length and stride before it writes.
        let handle = unsafe { ffi::WebPINewRGB(mode, output.as_mut_ptr(), output.len(), stride) };
        (!handle.is_null()).then_some(Self { handle, data, seen: 0, output: PhantomData })
    }

    /// Lets the decoder see the first `count` bytes of the data.
    pub fn feed(&mut self, count: usize) -> Progress {
        let count = count.clamp(self.seen, self.data.len());
        self.seen = count;
        // SAFETY: the handle is live; the pointer is the same at every call and `count` bytes behind it are readable.
        let status = unsafe { ffi::WebPIUpdate(self.handle, self.data.as_ptr(), count) };
        match status {
            Status::VP8_STATUS_OK => Progress::Done,
            Status::VP8_STATUS_SUSPENDED | Status::VP8_STATUS_NOT_ENOUGH_DATA => Progress::Hungry,
            Status::VP8_STATUS_OUT_OF_MEMORY => Progress::Memory,
            Status::VP8_STATUS_UNSUPPORTED_FEATURE => Progress::Unsupported,
            _ => Progress::Wrong,
        }
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from `WebPINewRGB` and is not used again.
        unsafe { ffi::WebPIDelete(self.handle) };
    }
}
