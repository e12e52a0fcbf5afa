//! Products of 16-bit numbers side by side, each of which is one instruction of the processors that matter.
//!
//! Compilers find the instructions of x86-64 in the arithmetic; those of 64-bit ARM have to be named.
#![allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]

/// The product of a number and a factor that counts in 1/32768, rounded. Not both are -32768.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "no factor is as large as one")]
pub fn rounded(factor: i16, value: i16) -> i16 {
    ((((i32::from(factor) * i32::from(value)) >> 14) + 1) >> 1) as i16
}

/// What a sample, centred at zero, adds with a weight that counts in 1/32768: with seven bits behind the point, rounded down.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the upper half of a product")]
pub fn weighted(weight: i16, sample: u8) -> i16 {
    let centred = i16::from_le_bytes([0, sample ^ 0x80]);
    ((i32::from(centred) * i32::from(weight)) >> 16) as i16
}

#[cfg(not(target_arch = "aarch64"))]
pub use portable::{all_rounded, all_weighted};

#[cfg(target_arch = "aarch64")]
pub use neon::{all_rounded, all_weighted};

#[cfg(not(target_arch = "aarch64"))]
mod portable {
    use super::{rounded, weighted};

    /// [`rounded`] of each.
    #[inline(always)]
    pub fn all_rounded<const COUNT: usize>(factor: i16, values: &[i16; COUNT]) -> [i16; COUNT] {
        values.map(|value| rounded(factor, value))
    }

    /// [`weighted`] of each.
    #[inline(always)]
    pub fn all_weighted<const COUNT: usize>(weight: i16, samples: &[u8; COUNT]) -> [i16; COUNT] {
        samples.map(|sample| weighted(weight, sample))
    }
}

#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, reason = "instructions of NEON, which the language does not take for granted")]
mod neon {
    use std::arch::aarch64::{
        int16x8_t, uint8x8_t, vdup_n_u8, veor_u8, vqdmulhq_n_s16, vqrdmulhq_n_s16, vreinterpret_s8_u8,
        vshll_n_s8,
    };

    use super::{rounded, weighted};

    /// [`rounded`] of each.
    #[inline(always)]
    pub fn all_rounded<const COUNT: usize>(factor: i16, values: &[i16; COUNT]) -> [i16; COUNT] {
        let mut products = [0; COUNT];
        let ((eights, rest), (places, left)) = (values.as_chunks::<8>(), products.as_chunks_mut::<8>());
        for (place, &eight) in places.iter_mut().zip(eights) {
            let values: int16x8_t = bytemuck::cast(eight);
            // SAFETY: all 64-bit ARM processors that this is built for have NEON.
            *place = bytemuck::cast(unsafe { vqrdmulhq_n_s16(values, factor) });
        }
        for (place, &value) in left.iter_mut().zip(rest) {
            *place = rounded(factor, value);
        }
        products
    }

    /// [`weighted`] of each.
    #[inline(always)]
    pub fn all_weighted<const COUNT: usize>(weight: i16, samples: &[u8; COUNT]) -> [i16; COUNT] {
        let mut products = [0; COUNT];
        let ((eights, rest), (places, left)) = (samples.as_chunks::<8>(), products.as_chunks_mut::<8>());
        for (place, &eight) in places.iter_mut().zip(eights) {
            let samples: uint8x8_t = bytemuck::cast(eight);
            // SAFETY: as above. The instruction doubles the product, so the sample is taken half as large as in `weighted`.
            *place = bytemuck::cast(unsafe {
                let centred = vreinterpret_s8_u8(veor_u8(samples, vdup_n_u8(0x80)));
                vqdmulhq_n_s16(vshll_n_s8::<7>(centred), weight)
            });
        }
        for (place, &sample) in left.iter_mut().zip(rest) {
            *place = weighted(weight, sample);
        }
        products
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_by_side_they_are_as_alone() {
        let factors = [-32_767, -32_766, -20_001, -3, -1, 0, 1, 2, 77, 16_384, 30_000, 32_767];
        for from in (i16::MIN..=i16::MAX - 19).step_by(19) {
            let values: [i16; 19] = std::array::from_fn(|at| from + i16::try_from(at).unwrap_or(0));
            for factor in factors {
                assert_eq!(all_rounded(factor, &values), values.map(|value| rounded(factor, value)));
            }
        }
        let samples: [u8; 256] = std::array::from_fn(|at| u8::try_from(at).unwrap_or(0));
        for weight in (i16::MIN..=i16::MAX).step_by(7) {
            assert_eq!(all_weighted(weight, &samples), samples.map(|sample| weighted(weight, sample)));
        }
    }

    #[test]
    fn products_are_rounded() {
        assert_eq!((rounded(16_384, 3), rounded(16_384, -3), rounded(16_383, 1)), (2, -1, 0));
        assert_eq!((weighted(16_384, 255), weighted(16_384, 0), weighted(-1, 129)), (8_128, -8_192, -1));
    }
}
