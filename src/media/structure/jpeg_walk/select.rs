//! The bits of a word that are set, by their number: in the way that suits the processor at hand.

#[cfg(target_arch = "x86_64")]
mod bmi2;

use std::hint::select_unpredictable;

/// A way to find them.
pub trait Select: Copy {
    /// Puts the lowest bits of a number, one after another, to the places that are set in a word, from the lowest on.
    fn spread(self, number: u64, word: u64) -> u64;

    /// The same for a number with one bit, which is among the lowest sixteen.
    #[allow(clippy::inline_always, reason = "a part of loops over all blocks")]
    #[inline(always)]
    fn spread_one(self, number: u64, word: u64) -> u64 {
        self.spread(number, word)
    }
}

/// Something that needs them often, to be compiled for each way.
pub trait Job {
    type Answer;

    fn run(self, select: impl Select) -> Self::Answer;
}

/// Gets it done.
#[inline]
pub fn with_best<J: Job>(job: J) -> J::Answer {
    #[cfg(target_arch = "x86_64")]
    if let Some(bmi2) = bmi2::Bmi2::found() {
        return bmi2.get_done(job);
    }
    job.run(Plain)
}

/// With what every processor has.
#[derive(Clone, Copy)]
struct Plain;

impl Select for Plain {
    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn spread(self, mut number: u64, mut word: u64) -> u64 {
        let mut spread = 0;
        while word != 0 {
            let lowest = word & word.wrapping_neg();
            // Which bit comes cannot be foreseen: a branch would cost more.
            spread |= lowest & (number & 1).wrapping_neg();
            number >>= 1;
            word ^= lowest;
        }
        spread
    }

    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn spread_one(self, number: u64, word: u64) -> u64 {
        let below = number.trailing_zeros();
        // Mostly there are few: without a branch for each.
        let less = |word: u64| word & word.wrapping_sub(1);
        let (one, two) = (less(word), less(less(word)));
        let three = less(two);
        let even = select_unpredictable(below & 2 == 0, word, two);
        let odd = select_unpredictable(below & 2 == 0, one, three);
        let mut left = select_unpredictable(below & 1 == 0, even, odd);
        for _ in 0..below >> 2 {
            left = less(less(less(less(left))));
        }
        left & left.wrapping_neg()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the processor at hand says.
    struct Spread(u64, u64);

    impl Job for Spread {
        type Answer = (u64, Option<u64>);

        fn run(self, select: impl Select) -> Self::Answer {
            let Self(number, word) = self;
            let one = number & number.wrapping_neg() & 0xFFFF;
            (select.spread(number, word), (one > 0).then(|| select.spread_one(one, word)))
        }
    }

    proptest! {
        #[test]
        fn all_ways_are_the_same(number: u64, word: u64, thin: u64) {
            let word = word & thin;
            let places: Vec<u64> = (0..64).map(|at| 1 << at).filter(|bit| word & bit != 0).collect();
            let spread = |number: u64| {
                (0..).zip(&places).filter(|(at, _)| number >> at & 1 == 1).map(|(_, place)| place).sum::<u64>()
            };
            let one = number & number.wrapping_neg() & 0xFFFF;
            let expected = (spread(number), (one > 0).then(|| spread(one)));
            prop_assert_eq!(Spread(number, word).run(Plain), expected);
            prop_assert_eq!(with_best(Spread(number, word)), expected);
        }
    }
}
