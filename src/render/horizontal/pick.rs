//! Picking the sources of samples out of a row.
#![allow(
    unsafe_code,
    reason = "those that have instructions for it read without asking whether the bytes are there"
)]

use crate::media::lanes::{LANES, Lanes, Plain, Processor};

/// Samples that are summed side by side.
pub const GROUP: usize = LANES;
/// Of these, samples that are picked out of the same bytes, and how many bytes that are, or twice as many.
const HALF: usize = 8;
pub const WINDOW: usize = 16;
/// Where nothing is picked.
const NONE: u8 = 0x80;

/// Samples of the result that are made at once, and where their sources are.
pub struct Group {
    /// The first one in a row of the result.
    pub to: usize,
    /// Where the bytes of each half begin in a row of the source, for the first of their pixels.
    pub from: [usize; 2],
    /// Which of these bytes is picked for the upper half of which place of sixteen bits.
    pub near: [u8; 2 * GROUP],
    /// And which of the bytes behind these.
    pub far: [u8; 2 * GROUP],
}

impl Group {
    /// For samples from `to` on of the result that have their first sources at these bytes of a row. None if those are too far from
    /// each other.
    pub fn new(to: usize, sources: [usize; GROUP]) -> Option<Self> {
        let mut this = Self { to, from: [0; 2], near: [NONE; 2 * GROUP], far: [NONE; 2 * GROUP] };
        let places = this.near.chunks_exact_mut(2 * HALF).zip(this.far.chunks_exact_mut(2 * HALF));
        for ((sources, from), (near, far)) in sources.chunks_exact(HALF).zip(&mut this.from).zip(places) {
            *from = sources.iter().copied().min()?;
            let pairs = near.chunks_exact_mut(2).zip(far.chunks_exact_mut(2));
            for (source, (near, far)) in sources.iter().zip(pairs) {
                match u8::try_from(source - *from).ok()? {
                    place @ 0..16 => near.copy_from_slice(&[NONE, place]),
                    place @ 16..32 => far.copy_from_slice(&[NONE, place - 16]),
                    _ => return None,
                }
            }
        }
        Some(this)
    }

    /// Some of its first sources are among the bytes behind.
    pub fn is_wide(&self) -> bool {
        self.far.iter().any(|&place| place != NONE)
    }
}

/// How a processor picks.
pub trait Pick: Processor {
    /// The samples whose sources are `offset` bytes behind the first ones of a group, in the upper half of sixteen bits, centred at
    /// zero; of [`WINDOW`] bytes for each half, or twice as many.
    ///
    /// # Safety
    ///
    /// The row has so many bytes from each `group.from` and the offset on.
    unsafe fn pick<const WIDE: bool>(self, row: &[u8], offset: usize, group: &Group) -> Self::Vector;
}

impl Pick for Plain {
    unsafe fn pick<const WIDE: bool>(self, row: &[u8], offset: usize, group: &Group) -> Lanes {
        Lanes(std::array::from_fn(|at| {
            let from = offset + if at < HALF { group.from[0] } else { group.from[1] };
            let of = |places: &[u8; 2 * GROUP], behind: usize| {
                let place = places.get(2 * at + 1).copied().filter(|&place| place != NONE)?;
                row.get(from + behind + usize::from(place)).copied()
            };
            let sample = of(&group.near, 0).or_else(|| of(&group.far, WINDOW)).unwrap_or(0);
            i16::from_le_bytes([0, sample ^ 0x80])
        }))
    }
}
