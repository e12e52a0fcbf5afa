//! Picking with AVX2.
#![allow(unsafe_code, reason = "instructions that a processor may lack, and reading by address")]
#![allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_or_si256, _mm256_set_m128i, _mm256_set1_epi16, _mm256_shuffle_epi8,
    _mm256_xor_si256,
};

use super::Horizontal;
use super::pick::{Group, Pick, WINDOW};
use crate::media::lanes::Avx2;

/// All rows.
pub fn reduce(processor: Avx2, horizontal: &Horizontal, rows: &[u8], out: &mut [u8]) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(processor: Avx2, horizontal: &Horizontal, rows: &[u8], out: &mut [u8]) {
        horizontal.all(processor, rows, out);
    }
    // SAFETY: the processor has it.
    unsafe { with_avx2(processor, horizontal, rows, out) }
}

impl Pick for Avx2 {
    #[inline(always)]
    unsafe fn pick<const WIDE: bool>(self, row: &[u8], offset: usize, group: &Group) -> __m256i {
        // SAFETY: the processor has it, and the caller promises the bytes: two windows, and as many behind them if wide.
        unsafe {
            let row = row.as_ptr().add(offset);
            let mut picked = _mm256_shuffle_epi8(windows(row, group.from), bytemuck::cast(group.near));
            if WIDE {
                let far =
                    _mm256_shuffle_epi8(windows(row.add(WINDOW), group.from), bytemuck::cast(group.far));
                picked = _mm256_or_si256(picked, far);
            }
            _mm256_xor_si256(picked, _mm256_set1_epi16(i16::MIN))
        }
    }
}

/// A window in each half.
///
/// # Safety
///
/// The processor has AVX2, and there are as many bytes in each of them.
#[inline(always)]
unsafe fn windows(row: *const u8, [low, high]: [usize; 2]) -> __m256i {
    // SAFETY: promised by the caller.
    unsafe {
        let [low, high] = [_mm_loadu_si128(row.add(low).cast()), _mm_loadu_si128(row.add(high).cast())];
        _mm256_set_m128i(high, low)
    }
}
