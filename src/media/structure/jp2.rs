//! JPEG 2000 boxes and codestream markers (ISO/IEC 15444-1 annexes A and I): are all tile-parts there? And [`inspect`]: do
//! their packets and codewords fit?

mod coding;
mod header;
mod inspect;
mod mq;
mod packets;
mod passes;
mod tile;

pub use inspect::{Found, inspect};
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::media::Source;
use crate::model::{DecodeError, PixelSize};

use super::bmff::{self, be16, be32};

const SOC: u16 = 0xFF4F;
const SIZ: u16 = 0xFF51;
const SOT: u16 = 0xFF90;
const EOC: u16 = 0xFFD9;
/// The standard allows 65535 tiles with 255 parts each.
const MAX_TILE_PARTS: u32 = 65_535 * 255;
/// Zeros before an end that is not marked.
const ZEROS: usize = 1024;

/// What the main header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Size of the picture.
    pub size: PixelSize,
    /// Number of components.
    pub components: u16,
    /// The deepest component.
    pub bits: u8,
    /// Number of tiles.
    pub tiles: u64,
    /// All tiles are there, only the end marker is not.
    pub lacks_end: bool,
    /// Where the codestream is, in bytes of the file.
    pub codestream: Range<u64>,
}

/// Finds the codestream, reads its main header and follows the tile-parts to the end.
pub fn walk(source: &Source<'_>) -> Result<Header, DecodeError> {
    let (start, end) = codestream(source)?;
    let (mut header, first) = main_header(source, start, end)?;
    header.codestream = start..end;
    tile_parts(source, first, end, &mut header)?;
    Ok(header)
}

/// The main header alone.
pub fn header(source: &Source<'_>) -> Result<Header, DecodeError> {
    let (start, end) = codestream(source)?;
    main_header(source, start, end).map(|(header, _)| header)
}

fn codestream(source: &Source<'_>) -> Result<(u64, u64), DecodeError> {
    if marker(source, 0)? == Some(SOC) {
        return Ok((0, source.len()));
    }
    for found in bmff::top_level(source) {
        let found = found?;
        if &found.kind == b"jp2c" {
            return Ok((found.content, found.end));
        }
    }
    Err(DecodeError::malformed("no codestream box ('jp2c')", None))
}

fn read<const N: usize>(source: &Source<'_>, at: u64) -> Result<Option<[u8; N]>, DecodeError> {
    let mut bytes = [0; N];
    let count = source.read_at(at, &mut bytes).map_err(|error| DecodeError::io(&error, Some(at)))?;
    Ok((count == N).then_some(bytes))
}

fn marker(source: &Source<'_>, at: u64) -> Result<Option<u16>, DecodeError> {
    Ok(read::<2>(source, at)?.map(u16::from_be_bytes))
}

fn cut(what: &str, at: u64, end: u64) -> DecodeError {
    DecodeError::Truncated { what: what.into(), offset: Some(at), expected: None, found: Some(end) }
}

/// The header, and where the first tile-part starts.
fn main_header(source: &Source<'_>, start: u64, end: u64) -> Result<(Header, u64), DecodeError> {
    if marker(source, start)? != Some(SOC) {
        return Err(DecodeError::malformed("the codestream does not begin with SOC", start));
    }
    let mut header = None;
    let mut at = start + 2;
    loop {
        let Some(head) = read::<4>(source, at)?.filter(|_| at + 4 <= end) else {
            return Err(cut("the codestream ends inside its main header", at, end));
        };
        let code = be16(&head, 0).unwrap_or(0);
        if code == SOT {
            return header
                .map(|header| (header, at))
                .ok_or_else(|| DecodeError::malformed("no SIZ marker", at));
        }
        if code < 0xFF00 {
            return Err(DecodeError::malformed(format!("{code:04x} where a marker must be"), at));
        }
        if code == SIZ {
            header = Some(read_siz(source, at)?);
        }
        let len = be16(&head, 2).unwrap_or(0);
        if len < 2 {
            return Err(DecodeError::malformed("marker segment without a length", at));
        }
        at += 2 + u64::from(len);
    }
}

fn read_siz(source: &Source<'_>, at: u64) -> Result<Header, DecodeError> {
    let Some(bytes) = read::<40>(source, at)? else { return Err(DecodeError::truncated("SIZ marker", at)) };
    let field = |place: usize| be32(&bytes, place).unwrap_or(0);
    let components = be16(&bytes, 38).unwrap_or(0);
    let (x, y, x0, y0) = (field(6), field(10), field(14), field(18));
    let (tile_x, tile_y, tile_x0, tile_y0) = (field(22), field(26), field(30), field(34));
    let sound = x > x0
        && y > y0
        && tile_x > 0
        && tile_y > 0
        && tile_x0 <= x0
        && tile_y0 <= y0
        && (1..=16_384).contains(&components);
    if !sound {
        return Err(DecodeError::malformed("sizes in the SIZ marker contradict each other", at));
    }
    let mut precisions = vec![0; usize::from(components) * 3];
    let count =
        source.read_at(at + 40, &mut precisions).map_err(|error| DecodeError::io(&error, Some(at)))?;
    if count < precisions.len() {
        return Err(DecodeError::truncated("SIZ marker", at));
    }
    let bits = precisions.iter().step_by(3).map(|precision| (precision & 0x7F) + 1).max().unwrap_or(8);
    let tiles = u64::from(x - tile_x0).div_ceil(u64::from(tile_x))
        * u64::from(y - tile_y0).div_ceil(u64::from(tile_y));
    let size = PixelSize::new(x - x0, y - y0);
    Ok(Header { size, components, bits, tiles, ..Header::default() })
}

/// Whether the tile-parts end in more zeros than there are packets without content at the end of a picture.
fn ends_in_zeros(source: &Source<'_>, first: u64, end: u64) -> Result<bool, DecodeError> {
    let Some(start) = end.checked_sub(ZEROS as u64).filter(|&start| start > first) else { return Ok(false) };
    Ok(read::<ZEROS>(source, start)?.is_some_and(|tail| tail.iter().all(|&byte| byte == 0)))
}

fn tile_parts(source: &Source<'_>, first: u64, end: u64, header: &mut Header) -> Result<(), DecodeError> {
    let mut at = first;
    let mut ended = false;
    let mut first_parts = 0u64;
    for _ in 0..MAX_TILE_PARTS {
        let code = marker(source, at)?.filter(|_| at + 2 <= end);
        match code {
            Some(SOT) => {}
            Some(EOC) => {
                ended = true;
                break;
            }
            None => {
                header.lacks_end = true;
                break;
            }
            // Padding behind the last tile-part is no damage as long as nothing is missing.
            Some(_) if first_parts >= header.tiles => {
                header.lacks_end = true;
                break;
            }
            Some(code) => {
                return Err(DecodeError::malformed(format!("{code:04x} where a tile-part must begin"), at));
            }
        }
        let Some(sot) = read::<12>(source, at)?.filter(|_| at + 12 <= end) else {
            return Err(cut("the file ends inside a tile-part header", at, end));
        };
        let (tile, len) = (be16(&sot, 4).unwrap_or(0), u64::from(be32(&sot, 6).unwrap_or(0)));
        if u64::from(tile) >= header.tiles {
            let what = format!("tile-part of tile {tile}, but there are only {} tiles", header.tiles);
            return Err(DecodeError::malformed(what, at));
        }
        first_parts += u64::from(sot.get(10) == Some(&0));
        if len == 0 {
            // The last tile-part may run to the end of the codestream.
            let tail = end.saturating_sub(2);
            header.lacks_end = marker(source, tail)? != Some(EOC);
            break;
        }
        if len < 14 {
            return Err(DecodeError::malformed("tile-part shorter than its header", at));
        }
        if at + len > end {
            return Err(DecodeError::Truncated {
                what: format!("tile-part of tile {tile}"),
                offset: Some(at),
                expected: Some(at + len),
                found: Some(end),
            });
        }
        at += len;
    }
    if header.lacks_end && ends_in_zeros(source, first, at)? {
        return Err(cut("nothing but zeros at the end of the last tile-part", at, end));
    }
    if first_parts < header.tiles {
        let what = format!("{first_parts} of {} tiles are there", header.tiles);
        if ended {
            // Written so: nothing shows that tiles were lost.
            return Err(DecodeError::unsupported(what));
        }
        return Err(cut(&what, at, end));
    }
    Ok(())
}
