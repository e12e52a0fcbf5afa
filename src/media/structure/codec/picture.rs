//! Codecs whose samples are pictures of their own: motion JPEG and Apple ProRes.

use super::super::bmff::{be16, be32};
use super::super::{jpeg, jpeg_walk};
use super::Flaw;
use crate::model::DecodeError;

/// A JPEG picture, or two: the fields of an interlaced one. What follows the last EOI is padding.
pub(super) fn check_jpeg(sample: &[u8]) -> Result<(), Flaw> {
    if !sample.starts_with(b"\xFF\xD8") {
        return Err(Flaw::new(0, "no SOI marker at the begin of a picture"));
    }
    let outline = jpeg::walk(sample);
    let said = |error: &DecodeError| {
        Flaw::new(error.offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0), error.to_string())
    };
    if let Some(problem) = outline.problem.as_ref().filter(|problem| problem.damage().is_some()) {
        return Err(said(problem));
    }
    // Motion JPEG may leave out its Huffman tables: then the standard ones hold, which the walk does not know.
    if !outline.segments.iter().any(|segment| segment.marker == 0xC4) {
        return Ok(());
    }
    match jpeg_walk::walk(sample, &outline) {
        jpeg_walk::Answer::Wrong(flaw) if flaw.error.damage().is_some() => Err(said(&flaw.error)),
        _ => Ok(()),
    }
}

/// A ProRes frame (SMPTE RDD 36): its size, then one or two pictures whose slice tables tell all sizes.
pub(super) fn check_prores(sample: &[u8]) -> Result<(), Flaw> {
    let size = be32(sample, 0).unwrap_or(0) as usize;
    if sample.get(4..8) != Some(b"icpf") {
        return Err(Flaw::new(4, "a frame does not begin with its identifier"));
    }
    // Writers may pad a frame; encrypted or foreign ones would not carry the identifier.
    let Some(frame) = sample.get(8..size) else {
        let what = format!("frame of {size} bytes in a sample of {} bytes", sample.len());
        return Err(Flaw::new(0, what));
    };
    let header = usize::from(be16(frame, 0).unwrap_or(0));
    let interlaced = frame.get(12).is_some_and(|flags| flags >> 2 & 3 != 0);
    let mut at = header;
    for _ in 0..=u8::from(interlaced) {
        let Some(picture) = frame.get(at..).filter(|picture| !picture.is_empty() && header >= 20) else {
            return Err(Flaw::new(8, "a frame has no room for its pictures"));
        };
        at += check_prores_picture(picture).map_err(|flaw| Flaw { at: flaw.at + at + 8, ..flaw })?;
    }
    Ok(())
}

/// Gives the length of the picture.
fn check_prores_picture(picture: &[u8]) -> Result<usize, Flaw> {
    let header = usize::from(picture.first().copied().unwrap_or(0) >> 3);
    let size = be32(picture, 1).unwrap_or(0) as usize;
    let slices = usize::from(be16(picture, 5).unwrap_or(0));
    let table = header..header + slices * 2;
    let (Some(table), Some(_)) = (picture.get(table.clone()), picture.get(table.end..size)) else {
        return Err(Flaw::new(
            0,
            format!("picture of {size} bytes with {slices} slices does not fit its frame"),
        ));
    };
    let mut at = header + slices * 2;
    for entry in table.chunks_exact(2) {
        let end = at + usize::from(be16(entry, 0).unwrap_or(0));
        let Some(slice) = picture.get(at..end).filter(|_| header >= 8 && end <= size) else {
            return Err(Flaw::new(header, "the slices do not fit their picture"));
        };
        if !is_prores_slice(slice) {
            return Err(Flaw::new(at, "impossible slice header"));
        }
        at = end;
    }
    Ok(size)
}

/// Header of 6 or 8 bytes, quantisation from 1 to 224, luma and first chroma inside the slice.
fn is_prores_slice(slice: &[u8]) -> bool {
    let header = usize::from(slice.first().copied().unwrap_or(0) >> 3);
    let size = |at| usize::from(be16(slice, at).unwrap_or(0));
    (6..=16).contains(&header)
        && slice.get(1).is_some_and(|scale| (1..=224).contains(scale))
        && header + size(2) + size(4) <= slice.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn prores() -> Vec<u8> {
        let mut frame = vec![0; 20];
        frame[1] = 20;
        let picture = [
            0x40,
            0,
            0,
            0,
            8 + 4 + 15,
            0,
            2,
            0,
            0,
            8,
            0,
            7,
            0x30,
            4,
            0,
            1,
            0,
            1,
            9,
            9,
            0x30,
            4,
            0,
            0,
            0,
            1,
            9,
        ];
        frame.extend(picture);
        let size = u32::try_from(frame.len() + 8).unwrap_or(0).to_be_bytes();
        [&size[..], b"icpf", &frame].concat()
    }

    #[test]
    fn prores_slices_fill_their_picture() {
        let sound = prores();
        assert_eq!(check_prores(&sound), Ok(()));
        assert!(check_prores(&sound[..sound.len() - 1]).is_err());
        let mut long = sound;
        long[8 + 20 + 8] = 1;
        assert!(check_prores(&long).is_err(), "a slice of more than its picture");
        let mut zeroed = prores();
        zeroed[8 + 20 + 12..].fill(0);
        assert!(check_prores(&zeroed).is_err(), "slices without header");
    }

    #[test]
    fn a_picture_must_end() {
        assert!(check_jpeg(b"\xFF\xD8\xFF\xFE\0\x04ab").is_err());
        assert!(check_jpeg(&[0; 100]).is_err());
    }
}
