//! H.264 and HEVC network abstraction layer units (ITU-T H.264 7.3.1 and 7.4.1, H.265 7.3.1 and 7.4.2).

use super::super::bmff::be16;
use super::{Bits, Flaw, entropy};

/// Encoders and multiplexers pad a unit with so many zero bytes at most. What zeroes a disk sector covers more, or the
/// length of the unit behind.
const MAX_PADDING: usize = 256;

/// Which of the two standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// H.264.
    Avc,
    /// HEVC.
    Hevc,
}

/// Units that each stand behind their length (ISO/IEC 14496-15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {
    pub(super) family: Family,
    length_size: usize,
    /// All slices are coded arithmetically (CABAC).
    arithmetic: bool,
    /// The decoder configuration record.
    pub(super) record: Vec<u8>,
}

impl Framing {
    /// From a decoder configuration record (`avcC`, `hvcC`).
    pub fn from_record(family: Family, record: &[u8]) -> Option<Self> {
        let flags = *match family {
            Family::Avc => record.get(4)?,
            Family::Hevc => record.get(21)?,
        };
        // Some writers of Matroska put start codes there instead.
        let length_size = usize::from(flags & 3) + 1;
        let arithmetic = family == Family::Hevc || all_cabac(record);
        (record.first() == Some(&1) && length_size != 3).then(|| Self {
            family,
            length_size,
            arithmetic,
            record: record.to_vec(),
        })
    }

    /// The units of a sample that was checked, and where each begins.
    pub(super) fn units<'s>(&self, sample: &'s [u8]) -> impl Iterator<Item = (usize, &'s [u8])> {
        let length_size = self.length_size;
        let mut at = 0;
        std::iter::from_fn(move || {
            let prefix = sample.get(at..at + length_size)?;
            let size = prefix.iter().fold(0usize, |size, &byte| size << 8 | usize::from(byte));
            let start = at + length_size;
            at = start.checked_add(size)?;
            Some((start, sample.get(start..at)?))
        })
    }

    fn check_unit(&self, unit: &[u8], pictures: &mut Pictures) -> Result<(), Flaw> {
        let is_slice = check_unit(self.family, unit, pictures)?;
        if is_slice && self.arithmetic { entropy::check(unit) } else { Ok(()) }
    }

    /// The units must fill the sample exactly.
    pub(super) fn check(&self, sample: &[u8]) -> Result<(), Flaw> {
        let mut at = 0;
        let mut pictures = Pictures::default();
        while let Some(rest) = sample.get(at..).filter(|rest| !rest.is_empty()) {
            if at > 0 && rest.len() <= MAX_PADDING && rest.iter().all(|&byte| byte == 0) {
                return Ok(());
            }
            let Some(prefix) = rest.get(..self.length_size) else {
                return Err(Flaw::new(at, "no room for the length of a unit"));
            };
            let size = prefix.iter().fold(0usize, |size, &byte| size << 8 | usize::from(byte));
            let start = at + self.length_size;
            let end = start.checked_add(size);
            let Some(unit) = end.and_then(|end| sample.get(start..end)) else {
                let what = format!("unit of {size} bytes does not fit the sample of {} bytes", sample.len());
                return Err(Flaw::new(at, what));
            };
            // Some multiplexers write a unit without a byte, which decoders skip; two of them are zeroed data.
            if unit.is_empty() && sample.get(start..).is_some_and(|rest| rest.starts_with(&[0; 4])) {
                return Err(Flaw::new(at, "zero bytes where a unit must begin"));
            }
            if !unit.is_empty() {
                self.check_unit(unit, &mut pictures).map_err(|flaw| Flaw { at: start + flaw.at, ..flaw })?;
            }
            at = start + size;
        }
        Ok(())
    }
}

/// Units behind start codes. What lies before the first start code belongs to a unit of the sample before: packets of a
/// transport stream may begin anywhere.
pub(super) fn check_annex_b(family: Family, sample: &[u8]) -> Result<(), Flaw> {
    let mut pictures = Pictures { slices: 1 };
    for (start, unit) in annex_b_units(sample) {
        check_unit(family, unit, &mut pictures).map_err(|flaw| Flaw { at: start + flaw.at, ..flaw })?;
    }
    Ok(())
}

/// The units behind start codes that are not empty, and where each begins.
pub(super) fn annex_b_units(sample: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let starts: Vec<usize> = memchr::memmem::find_iter(sample, b"\0\0\x01").map(|at| at + 3).collect();
    let ends: Vec<usize> = starts.iter().skip(1).map(|next| next - 3).chain([sample.len()]).collect();
    starts.into_iter().zip(ends).filter_map(|(start, end)| {
        let unit = sample.get(start..end)?;
        // Zero bytes before a start code belong to the byte stream, any number of them.
        let zeros = unit.iter().rev().take_while(|&&byte| byte == 0).count();
        unit.get(..unit.len() - zeros).filter(|unit| !unit.is_empty()).map(|unit| (start, unit))
    })
}

/// What was seen of the sample's pictures.
#[derive(Default)]
struct Pictures {
    /// Number of slices of the base layer.
    slices: u32,
}

/// Gives whether the unit is a slice.
fn check_unit(family: Family, unit: &[u8], pictures: &mut Pictures) -> Result<bool, Flaw> {
    let first = unit.first().copied().unwrap_or(0);
    if first & 0x80 != 0 {
        return Err(Flaw::new(0, "the first bit of a unit is set"));
    }
    let is_slice = match family {
        Family::Avc => {
            let kind = first & 31;
            if matches!(kind, 1 | 2 | 5) {
                check_avc_slice(kind, unit)?;
            }
            matches!(kind, 1..=5)
        }
        Family::Hevc => {
            let kind = first >> 1;
            let Some(&second) = unit.get(1) else {
                return Err(Flaw::new(0, "a unit is shorter than its header"));
            };
            let temporal_id_plus1 = second & 7;
            if temporal_id_plus1 == 0 {
                return Err(Flaw::new(1, "a unit has no temporal layer"));
            }
            let is_slice = matches!(kind, 0..=9 | 16..=21);
            if is_slice && first & 1 == 0 && second >> 3 == 0 {
                check_hevc_slice(kind, unit, pictures)?;
            }
            is_slice
        }
    };
    // Emulation prevention; only in slices, since user data of sloppy writers is none of our business.
    match impossible_bytes(unit, MAX_PADDING).filter(|_| is_slice) {
        Some(at) => Err(Flaw::new(at, "bytes that cannot occur inside a slice")),
        None => Ok(is_slice),
    }
}

/// Whether all picture parameter sets of an `avcC` record choose CABAC (ITU-T H.264 7.3.2.2).
fn all_cabac(record: &[u8]) -> bool {
    let mut at = 5;
    let mut take = |is_picture: bool| -> Option<bool> {
        let count = *record.get(at)? & if is_picture { 255 } else { 31 };
        at += 1;
        let mut all = count > 0;
        for _ in 0..count {
            let size = usize::from(be16(record, at)?);
            let unit = record.get(at + 2..at + 2 + size)?;
            at += 2 + size;
            let head = unescaped(unit.get(1..)?);
            let mut bits = Bits::new(&head);
            bits.golomb()?;
            bits.golomb()?;
            all &= bits.bit()?;
        }
        Some(all)
    };
    take(false).and_then(|_| take(true)).unwrap_or(false)
}

/// The head of a slice header (ITU-T H.264 7.3.3).
fn check_avc_slice(kind: u8, unit: &[u8]) -> Result<(), Flaw> {
    let head = unescaped(unit.get(1..).unwrap_or_default());
    let mut bits = Bits::new(&head);
    let fields = (|| Some((bits.golomb()?, bits.golomb()?, bits.golomb()?)))();
    match fields {
        // Level 6.2 allows 139 264 macroblocks; an IDR picture has only I and SI slices.
        Some((first, slice, set))
            if first < 140_000 && slice <= 9 && set <= 255 && (kind != 5 || matches!(slice % 5, 2 | 4)) =>
        {
            Ok(())
        }
        _ => Err(Flaw::new(1, "impossible slice header")),
    }
}

/// The head of a slice segment header (ITU-T H.265 7.3.6.1).
fn check_hevc_slice(kind: u8, unit: &[u8], pictures: &mut Pictures) -> Result<(), Flaw> {
    let head = unescaped(unit.get(2..).unwrap_or_default());
    let mut bits = Bits::new(&head);
    let fields = (|| {
        let is_first = bits.bit()?;
        if (16..=23).contains(&kind) {
            bits.bit()?;
        }
        Some((is_first, bits.golomb()?))
    })();
    let Some((is_first, 0..=63)) = fields else {
        return Err(Flaw::new(2, "impossible slice header"));
    };
    if pictures.slices == 0 && !is_first {
        return Err(Flaw::new(2, "the first slice of a picture does not begin it"));
    }
    pictures.slices += 1;
    Ok(())
}

/// The first bytes of a unit without emulation prevention.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    let mut zeros = 0;
    for &byte in bytes.iter().take(32) {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Where a byte triple stands that emulation prevention makes impossible (H.264 7.4.1, H.265 7.4.2). Up to `padding` zero
/// bytes at the end are excepted.
pub fn impossible_bytes(unit: &[u8], padding: usize) -> Option<usize> {
    let zeros = unit.iter().rev().take_while(|&&byte| byte == 0).count();
    let kept = if zeros <= padding { unit.len() - zeros } else { unit.len() };
    let unit = unit.get(..kept)?;
    memchr::memmem::find_iter(unit, b"\0\0")
        .find(|&place| unit.get(place + 2).is_some_and(|&third| third < 3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const FOUR: Framing =
        Framing { family: Family::Avc, length_size: 4, arithmetic: true, record: Vec::new() };

    fn sample(units: &[&[u8]]) -> Vec<u8> {
        units
            .iter()
            .flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes()[..], unit].concat())
            .collect()
    }

    /// An access unit delimiter and an intra slice: first macroblock 0, slice type 7, parameter set 0.
    const UNITS: [&[u8]; 2] = [&[0x09, 0x10], &[0x65, 0x88, 0x80, 0x40, 0x55, 0x66, 0x77, 0x80]];

    #[test]
    fn units_fill_the_sample() {
        let mut bytes = sample(&UNITS);
        assert_eq!(FOUR.check(&bytes), Ok(()));
        bytes.extend([0; 8]);
        assert_eq!(FOUR.check(&bytes), Ok(()), "padded");
        bytes.push(1);
        assert!(FOUR.check(&bytes).is_err());
        let cut = sample(&UNITS);
        assert!(FOUR.check(&cut[..cut.len() - 1]).is_err());
    }

    #[test]
    fn zeroed_sectors_show_everywhere() {
        let noise: Vec<u8> = (0..4000u32).map(|n| u8::try_from(n * 7 % 251).unwrap() | 1).collect();
        let slice = [&[0x65, 0x88, 0x80, 0x40][..], &noise, &[0x80]].concat();
        let sound = sample(&[&slice, &slice, &slice]);
        assert_eq!(FOUR.check(&sound), Ok(()));
        for at in (0..sound.len() - 512).step_by(64) {
            let mut zeroed = sound.clone();
            zeroed[at..at + 512].fill(0);
            assert!(FOUR.check(&zeroed).is_err(), "{at}");
        }
    }

    #[test]
    fn hevc_pictures_begin_with_their_first_slice() {
        let framing = Framing { family: Family::Hevc, ..FOUR };
        assert_eq!(framing.check(&sample(&[&[0x26, 0x01, 0xAF, 0x55, 0x80]])), Ok(()));
        assert!(framing.check(&sample(&[&[0x26, 0x01, 0x2F, 0x55, 0x80]])).is_err());
        assert!(framing.check(&sample(&[&[0x26, 0x00, 0xAF, 0x55, 0x80]])).is_err(), "temporal layer");
    }

    #[test]
    fn start_codes_frame_units() {
        let stream = [&b"\0\0\0\x01\x09\x10\0\0\x01"[..], UNITS[1], &[0; 400]].concat();
        assert_eq!(check_annex_b(Family::Avc, &stream), Ok(()));
        let zeroed = [&b"\0\0\x01"[..], UNITS[1], &[0; 400], &[7]].concat();
        assert!(check_annex_b(Family::Avc, &zeroed).is_err());
    }

    #[test]
    fn zeros_inside_a_unit_are_impossible_padding_is_not() {
        assert_eq!(impossible_bytes(b"\x26\x01\xaf\0\0\0\0\x55", MAX_PADDING), Some(3));
        assert_eq!(impossible_bytes(b"\x26\x01\xaf\0\0\x03\0\0\x03\x01\x80", MAX_PADDING), None);
        assert_eq!(impossible_bytes(b"\x26\x01\xaf\x80\0\0\0\0\0\0", MAX_PADDING), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            let _ = FOUR.check(&bytes);
            let _ = check_annex_b(Family::Hevc, &bytes);
        }

        #[test]
        fn a_changed_length_is_noticed(bit in 0usize..32) {
            let mut bytes = sample(&UNITS);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(FOUR.check(&bytes).is_err());
        }
    }
}
