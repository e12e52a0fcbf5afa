//! The bits of a word that are set, by their number: in the way that suits the processor at hand.

#[cfg(target_arch = "x86_64")]
mod bmi2;

use std::hint::select_unpredictable;

/// A way to find them.
pub trait Select: Copy {
    /// The one that has so many below it, alone: 0 where there is none. The number is below 16.
    fn nth(self, word: u64, number: u8) -> u64;

    /// Puts the lowest bits of a number, one after another, to the places that are set in a word, from the lowest on.
    fn spread(self, number: u64, word: u64) -> u64;
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
    #[allow(clippy::inline_always, reason = "a part of loops over all blocks")]
    #[inline(always)]
    fn nth(self, word: u64, number: u8) -> u64 {
        // Mostly there are few below: without a branch for each.
        let less = |word: u64| word & word.wrapping_sub(1);
        let (one, two) = (less(word), less(less(word)));
        let three = less(two);
        let even = select_unpredictable(number & 2 == 0, word, two);
        let odd = select_unpredictable(number & 2 == 0, one, three);
        let mut left = select_unpredictable(number & 1 == 0, even, odd);
        for _ in 0..number >> 2 {
            left = less(less(less(less(left))));
        }
        left & left.wrapping_neg()
    }

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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What all ways say.
    struct Nth(u64, u8);

    impl Job for Nth {
        type Answer = u64;

        fn run(self, select: impl Select) -> u64 {
            select.nth(self.0, self.1)
        }
    }

    proptest! {
        #[test]
        fn all_ways_find_the_same_bits(word: u64, thin: u64, number in 0u8..16) {
            let word = word & thin;
            let set = (0..64).map(|at| 1 << at).filter(|bit| word & bit != 0);
            let expected = set.into_iter().nth(number.into()).unwrap_or(0);
            prop_assert_eq!(Plain.nth(word, number), expected);
            prop_assert_eq!(with_best(Nth(word, number)), expected);
        }
    }
}
