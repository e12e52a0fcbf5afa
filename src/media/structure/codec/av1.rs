//! AV1 temporal units: open bitstream units in a row (AV1 bitstream specification, 5.3 and 5.9.1).

use super::Flaw;

/// The units must fill the sample; only the last may come without a size. Every sample shows a frame (AV1 in ISO base media
/// files, 2.4): one of units that are passed over, as zeros are, was something else.
pub(super) fn check(sample: &[u8]) -> Result<(), Flaw> {
    let mut at = 0;
    let mut frame = sample.is_empty();
    while let Some(&header) = sample.get(at) {
        let start = at;
        if header & 0x80 != 0 {
            return Err(Flaw::new(at, "the first bit of a unit is set"));
        }
        at += 1 + usize::from(header >> 2 & 1);
        let kind = header >> 3 & 15;
        frame |= matches!(kind, 3 | 4 | 6 | 7);
        if header & 2 == 0 {
            break;
        }
        let Some((size, len)) = leb128(sample.get(at..).unwrap_or_default()) else {
            return Err(Flaw::new(start, "the size of a unit cannot be read"));
        };
        let content = at + len;
        let end = usize::try_from(size).ok().and_then(|size| content.checked_add(size));
        let Some(unit) = end.and_then(|end| sample.get(content..end)) else {
            let what = format!("unit of {size} bytes does not fit the sample of {} bytes", sample.len());
            return Err(Flaw::new(start, what));
        };
        check_unit(kind, unit).map_err(|what| Flaw::new(start, what))?;
        at = content + unit.len();
    }
    if frame { Ok(()) } else { Err(Flaw::new(0, "a sample without a frame")) }
}

/// Sequence headers (1), frame headers (3, 7) and tile groups (4, 6) are never empty; temporal delimiters (2) are.
fn check_unit(kind: u8, unit: &[u8]) -> Result<(), &'static str> {
    match kind {
        2 if !unit.is_empty() => Err("a temporal delimiter has contents"),
        1 | 3 | 4 | 6 | 7 if unit.is_empty() => Err("a unit has no contents"),
        // Trailing bits: a one and zeros (5.3.4). Tile data has none.
        1 | 3 | 7 if unit.last() == Some(&0) && unit.iter().all(|&byte| byte == 0) => {
            Err("a header has zero bytes only")
        }
        _ => Ok(()),
    }
}

/// A little-endian base 128 number of at most eight bytes, and its length (4.10.5).
fn leb128(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fill_the_sample() {
        let sound = [0x12, 0, 0x0A, 2, 0x55, 0x80, 0x32, 3, 1, 2, 3];
        assert_eq!(check(&sound), Ok(()));
        for cut in [1, 3, 4, 7, 10] {
            assert!(check(sound.get(..cut).unwrap_or_default()).is_err(), "{cut}");
        }
        assert_eq!(check(&[0x30, 1, 2, 3]), Ok(()), "the last without a size");
        assert!(check(&[0; 40]).is_err() && check(&[0x12, 0]).is_err(), "no frame");
    }
}
