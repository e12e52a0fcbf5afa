//! Sectors of a disk that came back as zeros inside entropy-coded data. Zeros can be valid codes, and then only their place tells.

use std::ops::Range;

/// Bytes of a sector.
pub const SECTOR: usize = 512;
/// Zeros of the picture's own on either side.
const SLACK: usize = 2;

/// Where zeros begin that fill whole sectors of the file, and nothing more than these, in the middle of `scan`.
///
/// Encoders write long runs of zeros for flat areas (some drawings have one); that one begins and ends where
/// sectors do happens by chance once in 30 000.
pub fn lost_sector(bytes: &[u8], scan: Range<usize>) -> Option<usize> {
    let data = bytes.get(..scan.end)?;
    let mut at = scan.start.next_multiple_of(SECTOR);
    while let Some(sector) = data.get(at..at.saturating_add(SECTOR)) {
        if sector.iter().any(|&byte| byte != 0) {
            at += SECTOR;
            continue;
        }
        let before = data.get(scan.start..at)?.iter().rev().take_while(|&&byte| byte == 0).count();
        let end = at + data.get(at..)?.iter().take_while(|&&byte| byte == 0).count();
        if before <= SLACK && end % SECTOR <= SLACK && end < scan.end {
            return Some(at);
        }
        at = end.next_multiple_of(SECTOR);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_zeros(zeros: Range<usize>) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..8192_u32).map(|n| 1 + n.wrapping_mul(37).to_le_bytes()[0] / 2).collect();
        if let Some(hit) = bytes.get_mut(zeros) {
            hit.fill(0);
        }
        bytes
    }

    #[test]
    fn zeros_that_fill_sectors_are_no_codes() {
        for (zeros, found) in [
            (1024..1536, Some(1024)),
            (1022..1538, Some(1024)),
            (2048..6144, Some(2048)),
            (1020..1536, None),
            (1024..1540, None),
            (1000..1600, None),
            (1100..1500, None),
            // The end of the data is another matter.
            (7168..8192, None),
        ] {
            assert_eq!(lost_sector(&with_zeros(zeros.clone()), 600..8192), found, "{zeros:?}");
        }
        assert_eq!(lost_sector(&with_zeros(1024..1536), 600..900), None);
        assert_eq!(lost_sector(&[0; 100], 0..8192), None);
    }

    #[test]
    fn a_later_run_is_found_behind_one_that_is_the_pictures_own() {
        let mut bytes = with_zeros(700..2000);
        if let Some(hit) = bytes.get_mut(4096..4608) {
            hit.fill(0);
        }
        assert_eq!(lost_sector(&bytes, 600..8192), Some(4096));
    }
}
