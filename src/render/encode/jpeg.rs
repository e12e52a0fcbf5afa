//! JPEG through libjpeg-turbo.
#![allow(unsafe_code, reason = "calls the TurboJPEG C API")]
#![allow(clippy::cast_possible_wrap, reason = "small constants of the library itself")]

use std::ffi::{CStr, c_int};
use std::ptr;

use turbojpeg_sys as tj;

use super::Chroma;
use crate::model::PixelSize;
use crate::render::RenderError;

/// libjpeg's own limit (`JPEG_MAX_DIMENSION`).
pub const MAX_SIDE: u32 = 65_500;

/// Encodes RGB samples; `rgb` must hold exactly `size` pixels. The first segment is the ICC profile (APP2); there is no JFIF header.
pub fn encode(
    rgb: &[u8],
    size: PixelSize,
    quality: u8,
    chroma: Chroma,
    progressive: bool,
    icc: Option<&[u8]>,
) -> Result<Vec<u8>, RenderError> {
    if rgb.len() as u64 != size.pixels() * 3 {
        return Err(RenderError::new("jpeg", "samples do not fit the size"));
    }
    let side =
        |length: u32| c_int::try_from(length).map_err(|_| RenderError::new("jpeg", "side out of range"));
    let (width, height) = (side(size.width)?, side(size.height)?);
    let encoder = Encoder::new()?;
    let subsampling = match chroma {
        Chroma::Full => tj::TJSAMP_TJSAMP_444,
        Chroma::Quarter => tj::TJSAMP_TJSAMP_420,
    };
    encoder.set(tj::TJPARAM_TJPARAM_QUALITY, c_int::from(quality))?;
    encoder.set(tj::TJPARAM_TJPARAM_SUBSAMP, subsampling)?;
    encoder.set(tj::TJPARAM_TJPARAM_PROGRESSIVE, c_int::from(progressive))?;
    if let Some(icc) = icc {
        encoder.set_icc(icc)?;
    }
    let mut file = encoder.compress(rgb, width, height)?;
    drop_jfif(&mut file);
    Ok(file)
}

/// A TurboJPEG compressor; freed on drop.
struct Encoder(tj::tjhandle);

impl Encoder {
    fn new() -> Result<Self, RenderError> {
        // SAFETY: no preconditions; a null handle is an error.
        let handle = unsafe { tj::tj3Init(tj::TJINIT_TJINIT_COMPRESS as c_int) };
        if handle.is_null() {
            Err(RenderError::new("jpeg", "no compressor (out of memory)"))
        } else {
            Ok(Self(handle))
        }
    }

    fn set(&self, parameter: tj::TJPARAM, value: c_int) -> Result<(), RenderError> {
        // SAFETY: the handle is live; unknown parameters and values are refused by the library.
        let status = unsafe { tj::tj3Set(self.0, parameter as c_int, value) };
        self.check(status)
    }

    fn set_icc(&self, icc: &[u8]) -> Result<(), RenderError> {
        // SAFETY: the pointer is valid for the length given; the library copies the profile.
        let status =
            unsafe { tj::tj3SetICCProfile(self.0, icc.as_ptr().cast_mut(), icc.len() as tj::size_t) };
        self.check(status)
    }

    /// `rgb` must hold `width * height * 3` bytes: checked by the only caller.
    fn compress(&self, rgb: &[u8], width: c_int, height: c_int) -> Result<Vec<u8>, RenderError> {
        let mut output = Output { data: ptr::null_mut(), size: 0 };
        // SAFETY: `rgb` holds all rows (pitch 0 = packed rows); the library allocates the output, which `Output` frees.
        let status = unsafe {
            tj::tj3Compress8(
                self.0,
                rgb.as_ptr(),
                width,
                0,
                height,
                tj::TJPF_TJPF_RGB,
                &raw mut output.data,
                &raw mut output.size,
            )
        };
        self.check(status)?;
        if output.data.is_null() {
            return Err(RenderError::new("jpeg", "no output"));
        }
        let size = usize::try_from(output.size).map_err(|_| RenderError::new("jpeg", "output too large"))?;
        // SAFETY: on success the library has written `size` bytes at `data`.
        Ok(unsafe { std::slice::from_raw_parts(output.data, size) }.to_vec())
    }

    fn check(&self, status: c_int) -> Result<(), RenderError> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the handle is live; the text is a C string inside it, copied before the next call.
        let text = unsafe { CStr::from_ptr(tj::tj3GetErrorStr(self.0)) };
        Err(RenderError::new("jpeg", text.to_string_lossy()))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: created by tj3Init and destroyed once.
        unsafe { tj::tj3Destroy(self.0) }
    }
}

/// Memory allocated by the library; freed on drop.
struct Output {
    data: *mut u8,
    size: tj::size_t,
}

impl Drop for Output {
    fn drop(&mut self) {
        // SAFETY: null, or allocated by TurboJPEG and freed once.
        unsafe { tj::tj3Free(self.data.cast()) }
    }
}

/// Removes the JFIF segment, which TurboJPEG always writes first. Without it three components numbered 1, 2, 3 are YCbCr all the same.
fn drop_jfif(file: &mut Vec<u8>) {
    if let Some(&[0xff, 0xd8, 0xff, 0xe0, high, low]) = file.first_chunk::<6>() {
        let end = 4 + usize::from(u16::from_be_bytes([high, low]));
        if end <= file.len() {
            file.drain(2..end);
        }
    }
}

/// Puts an XMP packet before all other segments (XMP specification part 3, 1.1.3).
pub fn insert_xmp(file: &mut Vec<u8>, packet: &[u8]) -> Result<(), RenderError> {
    const NAME: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
    let length = u16::try_from(2 + NAME.len() + packet.len())
        .map_err(|_| RenderError::new("jpeg", "the panorama's properties do not fit one segment"))?;
    let segment = [&[0xff, 0xe1][..], &length.to_be_bytes(), NAME, packet].concat();
    file.splice(2..2, segment);
    Ok(())
}
