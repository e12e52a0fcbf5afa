//! With NEON, which all 64-bit ARM processors have that this is built for.
#![allow(unsafe_code, reason = "instructions that the language does not take for granted")]
#![allow(clippy::inline_always, reason = "else it is called for one instruction")]
#![allow(clippy::indexing_slicing, reason = "vectors of fixed length, and loops over all of it")]

use std::arch::aarch64::{
    int16x8_t, int32x4_t, uint8x16_t, vdupq_n_s16, vdupq_n_u8, veorq_u8, vget_low_s8, vmulq_s16, vqaddq_s16,
    vqdmulhq_n_s16, vqdmulhq_s16, vqmovn_high_s16, vqmovn_s16, vqrdmulhq_s16, vqsubq_s16,
    vreinterpretq_s8_u8, vreinterpretq_u8_s8, vshll_high_n_s8, vshll_n_s8, vshrq_n_s16, vtrn1q_s16,
    vtrn1q_s32, vtrn2q_s16, vtrn2q_s32, vzip1q_u8, vzip2q_u8,
};

use super::{LANES, Lanes, Processor};

#[derive(Clone, Copy)]
pub struct Neon;

impl Neon {
    #[inline(always)]
    fn both(
        a: [int16x8_t; 2],
        b: [int16x8_t; 2],
        make: impl Fn(int16x8_t, int16x8_t) -> int16x8_t,
    ) -> [int16x8_t; 2] {
        let ([a, c], [b, d]) = (a, b);
        [make(a, b), make(c, d)]
    }
}

// SAFETY of all calls: the processor has it.
impl Processor for Neon {
    type Vector = [int16x8_t; 2];

    #[inline(always)]
    fn load(self, lanes: &Lanes) -> Self::Vector {
        bytemuck::cast(lanes.0)
    }

    #[inline(always)]
    fn store(self, vector: Self::Vector) -> Lanes {
        Lanes(bytemuck::cast(vector))
    }

    #[inline(always)]
    fn all(self, number: i16) -> Self::Vector {
        // SAFETY: see above.
        [unsafe { vdupq_n_s16(number) }; 2]
    }

    #[inline(always)]
    fn plus(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: see above.
        Self::both(a, b, |a, b| unsafe { vqaddq_s16(a, b) })
    }

    #[inline(always)]
    fn minus(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: see above.
        Self::both(a, b, |a, b| unsafe { vqsubq_s16(a, b) })
    }

    #[inline(always)]
    fn times(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: see above.
        Self::both(a, b, |a, b| unsafe { vmulq_s16(a, b) })
    }

    #[inline(always)]
    fn scaled(self, [factor, _]: Self::Vector, values: Self::Vector) -> Self::Vector {
        // SAFETY: see above.
        Self::both(values, [factor; 2], |values, factor| unsafe { vqrdmulhq_s16(values, factor) })
    }

    #[inline(always)]
    fn products(self, values: Self::Vector, weights: Self::Vector) -> Self::Vector {
        // SAFETY: see above. The instruction doubles the products.
        Self::both(values, weights, |values, weights| unsafe {
            vqdmulhq_s16(vshrq_n_s16::<1>(values), weights)
        })
    }

    #[inline(always)]
    fn weighed(self, samples: &[u8; LANES], weight: i16) -> Self::Vector {
        // SAFETY: see above. The instruction doubles the products, so samples are taken half as large.
        unsafe {
            let centred = vreinterpretq_s8_u8(veorq_u8(bytemuck::cast(*samples), vdupq_n_u8(0x80)));
            let (low, high) = (vshll_n_s8::<7>(vget_low_s8(centred)), vshll_high_n_s8::<7>(centred));
            [vqdmulhq_n_s16(low, weight), vqdmulhq_n_s16(high, weight)]
        }
    }

    #[inline(always)]
    fn samples<const FRACTION: i32>(self, [low, high]: Self::Vector) -> [u8; LANES] {
        // SAFETY: see above.
        bytemuck::cast(unsafe {
            let packed = vqmovn_s16(vshrq_n_s16::<FRACTION>(low));
            let packed = vqmovn_high_s16(packed, vshrq_n_s16::<FRACTION>(high));
            veorq_u8(vreinterpretq_u8_s8(packed), vdupq_n_u8(0x80))
        })
    }

    #[inline(always)]
    fn turned(self, rows: [&[i16; 8]; LANES]) -> [Self::Vector; 8] {
        let (low, high) = rows.split_at(8);
        let (low, high) = (eight(low), eight(high));
        std::array::from_fn(|column| [low[column], high[column]])
    }

    /// Rows are woven with those eight further down, four times.
    #[inline(always)]
    fn turned_bytes(self, rows: &[[u8; LANES]; LANES]) -> [[u8; LANES]; LANES] {
        let mut rows: [uint8x16_t; LANES] = bytemuck::cast(*rows);
        for _ in 0..4 {
            let mut woven = rows;
            for at in 0..8 {
                // SAFETY: see above.
                unsafe {
                    woven[2 * at] = vzip1q_u8(rows[at], rows[at + 8]);
                    woven[2 * at + 1] = vzip2q_u8(rows[at], rows[at + 8]);
                }
            }
            rows = woven;
        }
        bytemuck::cast(rows)
    }
}

/// Rows of eight numbers become columns: pairs, then pairs of pairs, change places. What is missing is zero.
#[inline(always)]
fn eight(rows: &[&[i16; 8]]) -> [int16x8_t; 8] {
    let row = |at: usize| -> int16x8_t { bytemuck::cast(rows.get(at).map_or([0; 8], |row| **row)) };
    // SAFETY: see above.
    unsafe {
        let pair = |at: usize| -> [int32x4_t; 2] {
            let (a, b) = (row(at), row(at + 1));
            [bytemuck::cast(vtrn1q_s16(a, b)), bytemuck::cast(vtrn2q_s16(a, b))]
        };
        let four = |at: usize| -> [[u64; 2]; 4] {
            let ([a, b], [c, d]) = (pair(at), pair(at + 2));
            [vtrn1q_s32(a, c), vtrn1q_s32(b, d), vtrn2q_s32(a, c), vtrn2q_s32(b, d)]
                .map(|four| bytemuck::cast(four))
        };
        let (upper, lower) = (four(0), four(4));
        std::array::from_fn(|column| {
            let half = column / 4;
            bytemuck::cast([upper[column % 4][half], lower[column % 4][half]])
        })
    }
}
