//! Picking with NEON.
#![allow(
    unsafe_code,
    reason = "instructions that the language does not take for granted, and reading by address"
)]

use std::arch::aarch64::{
    uint8x16_t, vdupq_n_u16, veorq_u16, vld1q_u8, vorrq_u8, vqtbl1q_u8, vreinterpretq_u16_u8,
};

use super::pick::{GROUP, Group, Pick, WINDOW};
use crate::media::lanes::Neon;

impl Pick for Neon {
    #[allow(clippy::inline_always, reason = "else it is called for a few instructions")]
    #[inline(always)]
    unsafe fn pick<const WIDE: bool>(self, row: &[u8], offset: usize, group: &Group) -> Self::Vector {
        // SAFETY: all 64-bit ARM processors that this is built for have NEON, and the caller promises the bytes: a window for each half,
        // and as many bytes behind it if wide.
        unsafe {
            let half = |half: usize, from: usize| {
                let window = |behind: usize| vld1q_u8(row.as_ptr().add(from + offset + behind));
                let places = |places: &[u8; 2 * GROUP]| vld1q_u8(places.as_ptr().add(half * GROUP));
                let mut picked: uint8x16_t = vqtbl1q_u8(window(0), places(&group.near));
                if WIDE {
                    picked = vorrq_u8(picked, vqtbl1q_u8(window(WINDOW), places(&group.far)));
                }
                bytemuck::cast(veorq_u16(vreinterpretq_u16_u8(picked), vdupq_n_u16(0x8000)))
            };
            [half(0, group.from[0]), half(1, group.from[1])]
        }
    }
}
