//! With BMI2, which has an instruction for it.
#![allow(unsafe_code, reason = "instructions that a processor may lack")]
#![allow(clippy::inline_always, reason = "else not compiled for the instructions of its caller")]

use std::arch::x86_64::_pdep_u64;

use super::{Job, Select};

/// A processor that has it, and what came with it.
#[derive(Clone, Copy)]
pub struct Bmi2(());

impl Bmi2 {
    /// If the processor at hand is one.
    #[inline(always)]
    pub fn found() -> Option<Self> {
        let found = is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        found.then_some(Self(()))
    }

    /// Gets something done with it.
    pub fn get_done<J: Job>(self, job: J) -> J::Answer {
        #[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
        fn with_bmi2<J: Job>(processor: Bmi2, job: J) -> J::Answer {
            job.run(processor)
        }
        // SAFETY: `found` alone makes a value of this type.
        unsafe { with_bmi2(self, job) }
    }
}

impl Select for Bmi2 {
    #[inline(always)]
    fn spread(self, number: u64, word: u64) -> u64 {
        // SAFETY: as above.
        unsafe { _pdep_u64(number, word) }
    }
}
