//! The cosines of one dimension.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use crate::media::lanes::Lanes;

/// Most places that eight coefficients are evaluated at.
pub const MOST: usize = 16;

/// What each coefficient of one dimension gives at each place (A.3.3, at other places than eight).
///
/// Places that lie opposite each other share the products: of coefficients with even numbers they have the same, of others the
/// opposite. Only the first half is kept, the middle included.
pub struct Waves {
    /// How many places there are.
    pub places: usize,
    /// Coefficients that are looked at: more than there are places say nothing about these.
    pub heard: usize,
    /// By coefficient, then by place, in units of 1/32768.
    pub values: [[Lanes; MOST / 2]; 8],
}

impl Waves {
    /// For so many places, 1 to [`MOST`].
    #[allow(clippy::cast_possible_truncation, reason = "limited to the type")]
    pub fn new(places: usize) -> Option<Self> {
        if !(1..=MOST).contains(&places) {
            return None;
        }
        let mut values = [[Lanes::all(0); MOST / 2]; 8];
        for (number, values) in values.iter_mut().enumerate() {
            let scale = if number == 0 { FRAC_1_SQRT_2 } else { 1.0 };
            for (place, value) in values.iter_mut().enumerate() {
                let angle = ((2 * place + 1) * number) as f32 * PI / (2 * places) as f32;
                *value = Lanes::all((16_384.0 * scale * angle.cos()).round() as i16);
            }
        }
        Some(Self { places, heard: places.min(8), values })
    }
}
