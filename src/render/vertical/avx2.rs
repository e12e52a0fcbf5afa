//! Sums of rows with AVX2.
//!
//! Bytes become the upper halves of sixteen bits within each half of a vector, and are packed again in the same order: a compiler
//! keeps the order of memory all the way and crosses the halves for it.
#![allow(unsafe_code, reason = "instructions that a processor may lack")]

use std::arch::x86_64::{
    __m256i, _mm256_adds_epi16, _mm256_mulhi_epi16, _mm256_packs_epi16, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_setzero_si256, _mm256_srai_epi16, _mm256_unpackhi_epi8, _mm256_unpacklo_epi8, _mm256_xor_si256,
};

use super::super::weights::{FRACTION, half};
use super::BLOCK;
use crate::media::lanes::Avx2;

/// As [`super::sum`].
pub fn sum(_: Avx2, sources: &[u8], weights: &[i16], out: &mut [u8]) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(sources: &[u8], weights: &[i16], out: &mut [u8]) {
        super::by_blocks(sources, weights, out, |from, pitch| block(sources, weights, pitch, from));
    }
    // SAFETY: the processor has it.
    unsafe { with_avx2(sources, weights, out) }
}

/// Sums of samples side by side, `from` bytes into each row.
#[target_feature(enable = "avx2")]
#[inline]
fn block(sources: &[u8], weights: &[i16], pitch: usize, from: usize) -> [u8; BLOCK] {
    let middle = _mm256_set1_epi8(i8::MIN);
    let mut sums = [[_mm256_set1_epi16(half(weights.len())); 2]; 2];
    for (source, &weight) in sources.chunks_exact(pitch).zip(weights) {
        let Some(samples) = source.get(from..).and_then(|samples| samples.first_chunk::<BLOCK>()) else {
            break;
        };
        let samples: [__m256i; 2] = bytemuck::cast(*samples);
        let weight = _mm256_set1_epi16(weight);
        for (sums, samples) in sums.iter_mut().zip(samples) {
            let samples = _mm256_xor_si256(samples, middle);
            let nothing = _mm256_setzero_si256();
            let halves = [_mm256_unpacklo_epi8(nothing, samples), _mm256_unpackhi_epi8(nothing, samples)];
            for (sum, samples) in sums.iter_mut().zip(halves) {
                *sum = _mm256_adds_epi16(*sum, _mm256_mulhi_epi16(samples, weight));
            }
        }
    }
    // No closures: they would not be compiled for the processor.
    let mut packed = [middle; 2];
    for (packed, [low, high]) in packed.iter_mut().zip(sums) {
        let (low, high) = (_mm256_srai_epi16::<FRACTION>(low), _mm256_srai_epi16::<FRACTION>(high));
        *packed = _mm256_xor_si256(_mm256_packs_epi16(low, high), middle);
    }
    bytemuck::cast(packed)
}
