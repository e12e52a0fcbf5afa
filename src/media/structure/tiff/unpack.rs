//! The compressed data of one strip or tile, strictly unpacked to the length that its rows need.

use flate2::{Decompress, FlushDecompress, Status};

use super::due::{Due, Slip};
use super::layout::Chunk;
use super::{Page, fax, lzw};
use crate::media::structure::bmff::be16;
use crate::media::structure::jpeg_walk::{self, Answer, Flaw};
use crate::model::DecodeError;

/// Unpacks a strip or tile into `out`, which may hold less than is due only beside an error.
///
/// JPEG data is only followed, not unpacked: `tables` are those that all strips share.
pub fn unpack(
    page: &Page,
    chunk: &Chunk,
    data: &[u8],
    tables: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), Slip> {
    out.clear();
    let turned: Vec<u8>;
    let data = if page.fill_order == 2 && !matches!(page.compression, 1 | 6 | 7) {
        turned = data.iter().map(|byte| byte.reverse_bits()).collect();
        &turned
    } else {
        data
    };
    let fax = |scheme, out: &mut Vec<u8>| {
        if page.bits() != [1] {
            return Err(Slip::NotFollowed("CCITT data of more than one bit".into()));
        }
        if page.bad_fax_lines {
            return Err(Slip::NotFollowed("a fax that notes rows lost on the line".into()));
        }
        fax::unpack(data, scheme, chunk.size.width, chunk.rows, out)
    };
    match page.compression {
        1 => plain(data, &chunk.due, out),
        2 => fax(fax::Scheme::Rows, out),
        // Bit 1: parts of rows may be uncompressed.
        3 if page.fax_options & 2 == 0 => {
            fax(if page.fax_options & 1 == 1 { fax::Scheme::Group3Mixed } else { fax::Scheme::Group3 }, out)
        }
        4 if page.fax_options & 2 == 0 => fax(fax::Scheme::Group4, out),
        5 => lzw::unpack(data, &chunk.due, out),
        7 => jpeg_stream(page, chunk, data, tables),
        8 | 32_946 => inflate(data, &chunk.due, out),
        32_773 => pack_bits(data, &chunk.due, out),
        other => Err(Slip::NotFollowed(format!("TIFF compression {other}"))),
    }
}

fn plain(data: &[u8], due: &Due, out: &mut Vec<u8>) -> Result<(), Slip> {
    out.extend_from_slice(data.get(..due.most.min(data.len())).unwrap_or_default());
    if out.len() < due.least { Err(Slip::short(data.len())) } else { Ok(()) }
}

/// TIFF 6.0 section 9.
fn pack_bits(data: &[u8], due: &Due, out: &mut Vec<u8>) -> Result<(), Slip> {
    let mut rest = data;
    let at = |rest: &[u8]| data.len() - rest.len();
    while let Some((&control, behind)) = rest.split_first() {
        // An even length, or a last byte that means nothing.
        if out.len() >= due.least && rest.len() <= 2 {
            break;
        }
        rest = match control {
            0..=127 => {
                let len = usize::from(control) + 1;
                let run = behind.get(..len).ok_or_else(|| Slip::short(data.len()))?;
                out.extend_from_slice(run);
                behind.get(len..).unwrap_or_default()
            }
            128 => behind,
            129.. => {
                let (&value, behind) = behind.split_first().ok_or_else(|| Slip::short(data.len()))?;
                out.resize(out.len() + 257 - usize::from(control), value);
                behind
            }
        };
        if out.len() > due.most {
            return Err(Slip::surplus(at(rest)));
        }
    }
    if out.len() < due.least { Err(Slip::short(at(rest))) } else { Ok(()) }
}

/// zlib data (TIFF Technical Note of 2002), with its checksum where the strip holds it.
fn inflate(data: &[u8], due: &Due, out: &mut Vec<u8>) -> Result<(), Slip> {
    let mut inflater = Decompress::new(true);
    let place = |inflater: &Decompress| usize::try_from(inflater.total_in()).unwrap_or(0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let (read, made) = (inflater.total_in(), inflater.total_out());
        let rest = data.get(place(&inflater)..).unwrap_or_default();
        let status = inflater
            .decompress(rest, &mut buffer, FlushDecompress::None)
            .map_err(|error| Slip::wrong(format!("zlib data: {error}"), place(&inflater)))?;
        let count = usize::try_from(inflater.total_out() - made).unwrap_or(0);
        out.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if out.len() > due.most {
            return Err(Slip::surplus(place(&inflater)));
        }
        let stuck = inflater.total_in() == read && count == 0;
        if status == Status::StreamEnd || stuck {
            break;
        }
    }
    if out.len() < due.least { Err(Slip::short(place(&inflater))) } else { Ok(()) }
}

/// A JPEG stream of its own (TIFF Technical Note 2), whose picture covers the strip or tile.
fn jpeg_stream(page: &Page, chunk: &Chunk, data: &[u8], tables: Option<&[u8]>) -> Result<(), Slip> {
    // One channel a stream: nobody but test suites writes it, and what its readers forgive is not known.
    if page.planar {
        return Err(Slip::NotFollowed("JPEG streams of single channels".into()));
    }
    match jpeg_walk::walk_stream(tables, data) {
        Answer::Sound => {}
        Answer::NotFollowed(why) => return Err(Slip::NotFollowed(format!("JPEG: {why}"))),
        Answer::Wrong(Flaw { error, sound_until }) => {
            let at = error.offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
            let what = match error {
                DecodeError::Malformed { what, .. } | DecodeError::Truncated { what, .. } => what,
                other => return Err(Slip::NotFollowed(other.to_string())),
            };
            return Err(Slip::Wrong {
                what: format!("JPEG data: {what}"),
                at,
                habit: false,
                sound: sound_until,
            });
        }
    }
    // Strips at the end may be cut or whole.
    match frame_size(data) {
        Some((width, height)) if u32::from(width) < chunk.size.width || u32::from(height) < chunk.rows => {
            Err(Slip::Wrong {
                what: format!("a JPEG picture of {width} x {height} in a strip or tile of more"),
                at: 0,
                habit: true,
                sound: None,
            })
        }
        _ => Ok(()),
    }
}

/// Width and height in the frame header. A height of 0 is told elsewhere.
fn frame_size(jpeg: &[u8]) -> Option<(u16, u16)> {
    let mut at = 2usize;
    loop {
        match be16(jpeg, at)? {
            0xFFC0..=0xFFC3 => {
                let (height, width) = (be16(jpeg, at.checked_add(5)?)?, be16(jpeg, at.checked_add(7)?)?);
                return Some((width, height)).filter(|_| height > 0);
            }
            0..=0xFEFF | 0xFFDA | 0xFFD9 => return None,
            0xFFFF => at = at.checked_add(1)?,
            _ => at = at.checked_add(2 + usize::from(be16(jpeg, at.checked_add(2)?)?))?,
        }
    }
}
