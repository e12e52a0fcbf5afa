//! With AVX2.
#![allow(unsafe_code, reason = "instructions that a processor may lack")]
#![allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]
#![allow(clippy::indexing_slicing, reason = "vectors of fixed length, and loops over all of it")]
#![allow(clippy::many_single_char_names, reason = "rows and columns of a small grid")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_packs_epi16, _mm_set1_epi8, _mm_unpackhi_epi8, _mm_unpacklo_epi8, _mm_xor_si128,
    _mm256_adds_epi16, _mm256_castsi256_si128, _mm256_cvtepu8_epi16, _mm256_extracti128_si256,
    _mm256_mulhi_epi16, _mm256_mulhrs_epi16, _mm256_mullo_epi16, _mm256_set_m128i, _mm256_set1_epi16,
    _mm256_slli_epi16, _mm256_srai_epi16, _mm256_subs_epi16, _mm256_unpackhi_epi16, _mm256_unpackhi_epi32,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi16, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use super::{LANES, Lanes, Processor};

/// A processor that has it.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// If the processor at hand is one.
    #[inline(always)]
    pub fn found() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

// SAFETY of all calls: `found` alone makes a value of this type.
impl Processor for Avx2 {
    type Vector = __m256i;

    #[inline(always)]
    fn load(self, lanes: &Lanes) -> __m256i {
        bytemuck::cast(lanes.0)
    }

    #[inline(always)]
    fn store(self, vector: __m256i) -> Lanes {
        Lanes(bytemuck::cast(vector))
    }

    #[inline(always)]
    fn all(self, number: i16) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_set1_epi16(number) }
    }

    #[inline(always)]
    fn plus(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_adds_epi16(a, b) }
    }

    #[inline(always)]
    fn minus(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_subs_epi16(a, b) }
    }

    #[inline(always)]
    fn times(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_mullo_epi16(a, b) }
    }

    #[inline(always)]
    fn scaled(self, factor: __m256i, values: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_mulhrs_epi16(values, factor) }
    }

    #[inline(always)]
    fn products(self, values: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_mulhi_epi16(values, weights) }
    }

    #[inline(always)]
    fn weighed(self, samples: &[u8; LANES], weight: i16) -> __m256i {
        // SAFETY: see above.
        unsafe {
            let centred = _mm_xor_si128(bytemuck::cast(*samples), _mm_set1_epi8(i8::MIN));
            _mm256_mulhi_epi16(
                _mm256_slli_epi16::<8>(_mm256_cvtepu8_epi16(centred)),
                _mm256_set1_epi16(weight),
            )
        }
    }

    #[inline(always)]
    fn samples<const FRACTION: i32>(self, values: __m256i) -> [u8; LANES] {
        // SAFETY: see above.
        bytemuck::cast(unsafe {
            let whole = _mm256_srai_epi16::<FRACTION>(values);
            let packed = _mm_packs_epi16(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            _mm_xor_si128(packed, _mm_set1_epi8(i8::MIN))
        })
    }

    /// Eight rows in each half of the vectors: pairs of numbers, then pairs of pairs are brought together.
    #[inline(always)]
    fn turned(self, rows: [&[i16; 8]; LANES]) -> [__m256i; 8] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = rows;
        // SAFETY: see above.
        unsafe {
            let [s0, s1, s2, s3] = four([both(a, i), both(b, j), both(c, k), both(d, l)]);
            let [t0, t1, t2, t3] = four([both(e, m), both(f, n), both(g, o), both(h, p)]);
            [
                _mm256_unpacklo_epi64(s0, t0),
                _mm256_unpackhi_epi64(s0, t0),
                _mm256_unpacklo_epi64(s1, t1),
                _mm256_unpackhi_epi64(s1, t1),
                _mm256_unpacklo_epi64(s2, t2),
                _mm256_unpackhi_epi64(s2, t2),
                _mm256_unpacklo_epi64(s3, t3),
                _mm256_unpackhi_epi64(s3, t3),
            ]
        }
    }

    /// Rows are woven with those eight further down, four times.
    #[inline(always)]
    fn turned_bytes(self, rows: &[[u8; LANES]; LANES]) -> [[u8; LANES]; LANES] {
        let mut rows: [__m128i; LANES] = bytemuck::cast(*rows);
        for _ in 0..4 {
            let mut woven = rows;
            for at in 0..8 {
                // SAFETY: see above.
                unsafe {
                    woven[2 * at] = _mm_unpacklo_epi8(rows[at], rows[at + 8]);
                    woven[2 * at + 1] = _mm_unpackhi_epi8(rows[at], rows[at + 8]);
                }
            }
            rows = woven;
        }
        bytemuck::cast(rows)
    }
}

/// Two rows in one vector.
///
/// # Safety
///
/// The processor has AVX2.
#[inline(always)]
unsafe fn both(low: &[i16; 8], high: &[i16; 8]) -> __m256i {
    let (low, high): (__m128i, __m128i) = (bytemuck::cast(*low), bytemuck::cast(*high));
    // SAFETY: promised by the caller.
    unsafe { _mm256_set_m128i(high, low) }
}

/// Of four rows, two columns in each vector.
///
/// # Safety
///
/// The processor has AVX2.
#[inline(always)]
unsafe fn four([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    // SAFETY: promised by the caller.
    unsafe {
        let (first, second) = (_mm256_unpacklo_epi16(a, b), _mm256_unpacklo_epi16(c, d));
        let (third, fourth) = (_mm256_unpackhi_epi16(a, b), _mm256_unpackhi_epi16(c, d));
        [
            _mm256_unpacklo_epi32(first, second),
            _mm256_unpackhi_epi32(first, second),
            _mm256_unpacklo_epi32(third, fourth),
            _mm256_unpackhi_epi32(third, fourth),
        ]
    }
}
