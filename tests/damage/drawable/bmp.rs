//! Zero tails of uncompressed BMP files.

/// Hundredths of the bytes above that are zero too, at least.
const SHARE: usize = 5;

/// Whether a copy whose end is zeros is, byte for byte, a picture that somebody could have drawn.
///
/// That can be so where nothing in a file depends on what it shows: in an uncompressed BMP. The zeros have to begin with a row, or before
/// it as part of the picture, and to be of a colour that the rows before have as well. Nothing but a record of the file tells then.
pub fn is_drawable(sound: &[u8], copy: &[u8]) -> bool {
    let Some(rows) = Rows::of(copy) else { return false };
    let Some(changed) = sound.iter().zip(copy).position(|(sound, copy)| sound != copy) else { return false };
    let zeros = copy.len() - copy.iter().rev().take_while(|&&byte| byte == 0).count();
    if sound.len() != copy.len() || changed < rows.start {
        return false;
    }
    let row = rows.start + (changed - rows.start) / rows.length * rows.length;
    let above = &copy[rows.start..row];
    let same = above.split(|&byte| byte == 0).count() - 1;
    zeros <= row && same * 100 >= above.len() * SHARE && !above.is_empty()
}

/// Where the rows of an uncompressed BMP are.
struct Rows {
    start: usize,
    /// Bytes of one.
    length: usize,
}

impl Rows {
    fn of(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize);
        // A header of 40 bytes or more, without compression: BI_RGB, or BI_BITFIELDS, which tells where the colours are.
        let plain = bytes.starts_with(b"BM") && word(14)? >= 40 && matches!(word(30)?, 0 | 3);
        let bits = word(18)?.checked_mul(word(28)? & 0xFFFF)?;
        let length = bits.div_ceil(32) * 4;
        let start = word(10)?;
        (plain && length > 0 && start < bytes.len()).then_some(Self { start, length })
    }
}
