//! MPEG-1, MPEG-2 and MPEG-4 part 2 pictures: start codes (ISO/IEC 13818-2 5.2.3, ISO/IEC 14496-2 6.2.1).

use super::Flaw;

/// A picture begins with a start code.
pub(super) fn check(sample: &[u8]) -> Result<(), Flaw> {
    // A picture that was left out is coded as a byte or so without a start code by some encoders.
    if sample.len() < 8 {
        return Ok(());
    }
    // Or with the start code of the short header (H.263).
    if !matches!(sample, [0, 0, 1 | 0x80..=0x83, ..] | [0, 0, 0, 1, ..]) {
        return Err(Flaw::new(0, "no start code at the begin of a picture"));
    }
    if sample.starts_with(b"\0\0\x01") { check_zeros(sample) } else { Ok(()) }
}

/// Three zero bytes cannot occur in these streams but as stuffing, which ends with a start code.
pub(super) fn check_zeros(sample: &[u8]) -> Result<(), Flaw> {
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(sample.get(at..).unwrap_or_default(), b"\0\0\0") {
        let start = at + found;
        let zeros = sample.get(start..).unwrap_or_default().iter().take_while(|&&byte| byte == 0).count();
        at = start + zeros;
        match sample.get(at) {
            Some(1) | None => {}
            // What others put there is none of our business.
            Some(_) if in_user_data(sample.get(..start).unwrap_or_default()) => {}
            Some(_) => return Err(Flaw::new(start, "zero bytes that cannot occur inside a picture")),
        }
    }
    Ok(())
}

/// Whether the last start code is one of user data.
fn in_user_data(before: &[u8]) -> bool {
    const USER_DATA: u8 = 0xB2;
    let last = memchr::memmem::rfind(before, b"\0\0\x01").and_then(|at| before.get(at + 3));
    last == Some(&USER_DATA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_begin_with_a_start_code() {
        assert_eq!(check(b"\0\0\x01\xb6\x10\x20\x30\x40\x50"), Ok(()));
        assert_eq!(check(b"\x7f"), Ok(()), "left out");
        assert!(check(&[0; 600]).is_err());
    }

    #[test]
    fn zeros_are_stuffing_before_start_codes_only() {
        assert_eq!(check_zeros(b"abc\0\0\0\0\x01\xb6def\0\0\0"), Ok(()));
        assert!(check_zeros(b"abc\0\0\0\x05").is_err());
        assert_eq!(check_zeros(b"\0\0\x01\xb2caption\0\0\0\x05"), Ok(()), "user data");
    }
}
