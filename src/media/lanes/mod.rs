//! Arithmetic on 16-bit numbers side by side, each of which is one instruction of the processors that matter.
//!
//! Compilers find these instructions in plain arithmetic now and then, and lose them again for no visible reason. So they
//! are named, once for each kind of processor.
#![allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]
#![allow(clippy::indexing_slicing, reason = "vectors of fixed length, and loops over all of it")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;

/// The processor that is there without asking.
#[cfg(target_arch = "aarch64")]
pub const USUAL: Neon = Neon;
#[cfg(not(target_arch = "aarch64"))]
pub const USUAL: Plain = Plain;

/// Numbers side by side.
pub const LANES: usize = 16;

/// Such numbers in memory, where they are read and written in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(32))]
pub struct Lanes(pub [i16; LANES]);

impl Lanes {
    /// The same number everywhere.
    #[inline(always)]
    pub const fn all(number: i16) -> Self {
        Self([number; LANES])
    }
}

/// What a processor does with them. A value of it is the proof that the processor is the one at hand.
pub trait Processor: Copy {
    /// Where it does it: its registers.
    type Vector: Copy;

    fn load(self, lanes: &Lanes) -> Self::Vector;
    fn store(self, vector: Self::Vector) -> Lanes;
    /// The same number everywhere.
    fn all(self, number: i16) -> Self::Vector;

    /// Sums and differences that stop at the ends of their range.
    fn plus(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn minus(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The lower halves of products.
    fn times(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Products with a factor that counts in 1/32768 and is the same everywhere, rounded. Not both are -32768.
    fn scaled(self, factor: Self::Vector, values: Self::Vector) -> Self::Vector;
    /// The upper halves of products of numbers whose last bit is zero.
    fn products(self, values: Self::Vector, weights: Self::Vector) -> Self::Vector;
    /// What samples, centred at zero, add with a weight that counts in 1/32768: with seven bits behind the point, rounded down.
    fn weighed(self, samples: &[u8; LANES], weight: i16) -> Self::Vector;
    /// Samples, limited to 0 to 255, of numbers centred at zero with so many bits behind the point, rounded down.
    fn samples<const FRACTION: i32>(self, values: Self::Vector) -> [u8; LANES];
    /// Rows of numbers become columns.
    fn turned(self, rows: [&[i16; 8]; LANES]) -> [Self::Vector; 8];
    /// The same for bytes.
    fn turned_bytes(self, rows: &[[u8; LANES]; LANES]) -> [[u8; LANES]; LANES];
}

/// None that more is known of.
#[derive(Clone, Copy)]
#[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "what the other is compared with in tests"))]
pub struct Plain;

impl Plain {
    #[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "as above"))]
    #[inline(always)]
    fn each(a: Lanes, b: Lanes, make: impl Fn(i16, i16) -> i16) -> Lanes {
        Lanes(std::array::from_fn(|at| make(a.0[at], b.0[at])))
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts of products; limited before"
)]
impl Processor for Plain {
    type Vector = Lanes;

    #[inline(always)]
    fn load(self, lanes: &Lanes) -> Lanes {
        *lanes
    }

    #[inline(always)]
    fn store(self, vector: Lanes) -> Lanes {
        vector
    }

    #[inline(always)]
    fn all(self, number: i16) -> Lanes {
        Lanes::all(number)
    }

    #[inline(always)]
    fn plus(self, a: Lanes, b: Lanes) -> Lanes {
        Self::each(a, b, i16::saturating_add)
    }

    #[inline(always)]
    fn minus(self, a: Lanes, b: Lanes) -> Lanes {
        Self::each(a, b, i16::saturating_sub)
    }

    #[inline(always)]
    fn times(self, a: Lanes, b: Lanes) -> Lanes {
        Self::each(a, b, i16::wrapping_mul)
    }

    #[inline(always)]
    fn scaled(self, factor: Lanes, values: Lanes) -> Lanes {
        Self::each(factor, values, |factor, value| {
            ((((i32::from(factor) * i32::from(value)) >> 14) + 1) >> 1) as i16
        })
    }

    #[inline(always)]
    fn products(self, values: Lanes, weights: Lanes) -> Lanes {
        Self::each(values, weights, |value, weight| ((i32::from(value) * i32::from(weight)) >> 16) as i16)
    }

    #[inline(always)]
    fn weighed(self, samples: &[u8; LANES], weight: i16) -> Lanes {
        let centred = Lanes(samples.map(|sample| i16::from_le_bytes([0, sample ^ 0x80])));
        self.products(centred, self.all(weight))
    }

    #[inline(always)]
    fn samples<const FRACTION: i32>(self, values: Lanes) -> [u8; LANES] {
        values.0.map(|value| ((value >> FRACTION) + 128).clamp(0, 255) as u8)
    }

    #[inline(always)]
    fn turned(self, rows: [&[i16; 8]; LANES]) -> [Lanes; 8] {
        std::array::from_fn(|column| Lanes(rows.map(|row| row[column])))
    }

    #[inline(always)]
    fn turned_bytes(self, rows: &[[u8; LANES]; LANES]) -> [[u8; LANES]; LANES] {
        std::array::from_fn(|column| rows.map(|row| row[column]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "any numbers will do"
    )]

    use super::*;

    const ODD: [i16; 12] = [-32_767, -32_766, -20_001, -3, -1, 0, 1, 2, 77, 16_384, 30_000, 32_767];

    /// Numbers with all bits, and the ends of the range.
    fn numbers(seed: usize) -> Lanes {
        Lanes(std::array::from_fn(|at| {
            let mixed = (seed * LANES + at).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            if mixed.is_multiple_of(5) { ODD[(mixed >> 8) % ODD.len()] } else { (mixed >> 40) as u16 as i16 }
        }))
    }

    fn is_as_plain<P: Processor>(processor: P) {
        for seed in 0..2000 {
            let (a, b) = (numbers(2 * seed), numbers(2 * seed + 1));
            let given = |lanes: Lanes| processor.load(&lanes);
            let same =
                |made: P::Vector, plain: Lanes| assert_eq!(processor.store(made), plain, "{a:?} {b:?}");
            same(processor.all(a.0[3]), Plain.all(a.0[3]));
            same(processor.plus(given(a), given(b)), Plain.plus(a, b));
            same(processor.minus(given(a), given(b)), Plain.minus(a, b));
            same(processor.times(given(a), given(b)), Plain.times(a, b));
            let factor = Lanes::all(ODD[seed % ODD.len()]);
            same(processor.scaled(given(factor), given(b)), Plain.scaled(factor, b));
            let even = Lanes(a.0.map(|value| value & !1));
            same(processor.products(given(even), given(b)), Plain.products(even, b));
            let bytes = a.0.map(|value| value as u8);
            same(processor.weighed(&bytes, b.0[0]), Plain.weighed(&bytes, b.0[0]));
            assert_eq!(processor.samples::<7>(given(a)), Plain.samples::<7>(a));
            assert_eq!(processor.samples::<4>(given(a)), Plain.samples::<4>(a));
            let rows: [[i16; 8]; LANES] =
                std::array::from_fn(|row| std::array::from_fn(|at| numbers(seed + row).0[at]));
            let rows = rows.each_ref();
            for (made, plain) in processor.turned(rows).into_iter().zip(Plain.turned(rows)) {
                same(made, plain);
            }
            let bytes: [[u8; LANES]; LANES] =
                std::array::from_fn(|row| numbers(seed * LANES + row).0.map(|value| value as u8));
            assert_eq!(processor.turned_bytes(&bytes), Plain.turned_bytes(&bytes));
        }
    }

    #[test]
    fn processors_do_what_plain_arithmetic_does() {
        is_as_plain(USUAL);
        #[cfg(target_arch = "x86_64")]
        if let Some(processor) = Avx2::found() {
            is_as_plain(processor);
        }
    }

    #[test]
    fn products_are_rounded() {
        let scaled = |factor, value| Plain.scaled(Lanes::all(factor), Lanes::all(value)).0[0];
        assert_eq!((scaled(16_384, 3), scaled(16_384, -3), scaled(16_383, 1)), (2, -1, 0));
        let product = |value, weight| Plain.products(Lanes::all(value), Lanes::all(weight)).0[0];
        assert_eq!(
            (product(0x7f00, 16_384), product(-0x8000, 16_384), product(0x100, -1)),
            (8_128, -8_192, -1)
        );
    }
}
