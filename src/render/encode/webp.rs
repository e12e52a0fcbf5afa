//! Lossy WebP through libwebp, in a container with the ICC profile.
#![allow(unsafe_code, reason = "calls the libwebp C API")]

use std::ffi::c_int;
use std::mem::MaybeUninit;

use libwebp_sys as webp;

use crate::model::PixelSize;
use crate::render::RenderError;
use crate::render::raster::Picture;

/// The format's limit (`WEBP_MAX_DIMENSION`).
pub const MAX_SIDE: u32 = 16_383;

/// Speed against size, 0 to 6: libvips' default.
const METHOD: c_int = 4;

/// Flags of the VP8X chunk.
const HAS_ICC: u8 = 0x20;
const HAS_ALPHA: u8 = 0x10;
const HAS_XMP: u8 = 0x04;

/// Encodes the picture; alpha is kept. With a profile the file is VP8X, ICCP, (ALPH,) VP8(, XMP).
pub fn encode(
    picture: &Picture,
    quality: u8,
    icc: Option<&[u8]>,
    xmp: Option<&[u8]>,
) -> Result<Vec<u8>, RenderError> {
    let file = encode_bare(picture, quality)?;
    if icc.is_none() && xmp.is_none() { Ok(file) } else { extended(&file, picture.size, icc, xmp) }
}

fn encode_bare(picture: &Picture, quality: u8) -> Result<Vec<u8>, RenderError> {
    let refused = |what: &str| RenderError::new("webp", what);
    let side = |length: u32| c_int::try_from(length).map_err(|_| refused("side out of range"));
    let (width, height) = (side(picture.size.width)?, side(picture.size.height)?);
    let stride = side(picture.size.width.saturating_mul(if picture.alpha { 4 } else { 3 }))?;
    if picture.samples.len() as u64 != picture.size.pixels() * picture.channels() as u64 {
        return Err(refused("samples do not fit the size"));
    }

    let mut config = webp::WebPConfig::new().map_err(|()| refused("libwebp of another ABI"))?;
    config.quality = f32::from(quality);
    config.method = METHOD;

    let mut input = Input::new(width, height)?;
    let mut output = Output::new();
    input.0.writer = Some(webp::WebPMemoryWrite);
    input.0.custom_ptr = (&raw mut output.0).cast();
    // SAFETY: the samples hold `height` rows of `stride` bytes (checked above); the library copies them.
    let imported = unsafe {
        if picture.alpha {
            webp::WebPPictureImportRGBA(&raw mut input.0, picture.samples.as_ptr(), stride)
        } else {
            webp::WebPPictureImportRGB(&raw mut input.0, picture.samples.as_ptr(), stride)
        }
    };
    if imported == 0 {
        return Err(refused("out of memory"));
    }
    // SAFETY: both structures are initialised, and `output` outlives the call that writes through `custom_ptr`.
    if unsafe { webp::WebPEncode(&raw const config, &raw mut input.0) } == 0 {
        return Err(refused(&format!("{:?}", input.0.error_code)));
    }
    Ok(output.bytes().to_vec())
}

/// libwebp's input picture; freed on drop.
struct Input(webp::WebPPicture);

impl Input {
    fn new(width: c_int, height: c_int) -> Result<Self, RenderError> {
        let mut picture =
            webp::WebPPicture::new().map_err(|()| RenderError::new("webp", "libwebp of another ABI"))?;
        picture.width = width;
        picture.height = height;
        picture.use_argb = 0;
        Ok(Self(picture))
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, freed once.
        unsafe { webp::WebPPictureFree(&raw mut self.0) }
    }
}

/// libwebp's growing output; freed on drop.
struct Output(webp::WebPMemoryWriter);

impl Output {
    fn new() -> Self {
        let mut writer = MaybeUninit::<webp::WebPMemoryWriter>::uninit();
        // SAFETY: initialises the whole structure.
        Self(unsafe {
            webp::WebPMemoryWriterInit(writer.as_mut_ptr());
            writer.assume_init()
        })
    }

    fn bytes(&self) -> &[u8] {
        if self.0.mem.is_null() {
            return &[];
        }
        // SAFETY: the writer has put `size` bytes at `mem`.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, cleared once.
        unsafe { webp::WebPMemoryWriterClear(&raw mut self.0) }
    }
}

/// Puts profile and packet into a file of libwebp's, which has one VP8 chunk or VP8X, ALPH, VP8.
fn extended(
    file: &[u8],
    size: PixelSize,
    icc: Option<&[u8]>,
    xmp: Option<&[u8]>,
) -> Result<Vec<u8>, RenderError> {
    let unexpected = || RenderError::new("webp", "the encoder's file has an unexpected structure");
    let mut chunks = file.get(12..).ok_or_else(unexpected)?;
    let mut flags = if icc.is_some() { HAS_ICC } else { 0 } | if xmp.is_some() { HAS_XMP } else { 0 };
    if chunks.starts_with(b"VP8X") {
        flags |= chunks.get(8).ok_or_else(unexpected)? & HAS_ALPHA;
        chunks = chunks.get(18..).ok_or_else(unexpected)?;
    }
    let side = |length: u32| {
        let [low, middle, high, _] = length.wrapping_sub(1).to_le_bytes();
        [low, middle, high]
    };
    let header = [&[flags, 0, 0, 0][..], &side(size.width), &side(size.height)].concat();
    let mut body = b"WEBP".to_vec();
    push_chunk(&mut body, *b"VP8X", &header)?;
    if let Some(icc) = icc {
        push_chunk(&mut body, *b"ICCP", icc)?;
    }
    body.extend_from_slice(chunks);
    if let Some(xmp) = xmp {
        push_chunk(&mut body, *b"XMP ", xmp)?;
    }
    let mut whole = Vec::with_capacity(body.len() + 8);
    push_chunk(&mut whole, *b"RIFF", &body)?;
    Ok(whole)
}

/// A RIFF chunk: name, length, data, padding to an even length.
fn push_chunk(file: &mut Vec<u8>, name: [u8; 4], data: &[u8]) -> Result<(), RenderError> {
    let length = u32::try_from(data.len()).map_err(|_| RenderError::new("webp", "file larger than 4 GiB"))?;
    file.extend_from_slice(&name);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(data);
    if data.len() % 2 == 1 {
        file.push(0);
    }
    Ok(())
}
