//! Where the coefficients of a block are kept, of those that are.

#![allow(clippy::cast_possible_truncation, reason = "some bits of a word")]

/// Slots of coefficients.
pub struct Slots {
    /// Per coefficient in zig-zag order. Those that are not kept share one behind the others: to write there costs less than to ask whether.
    of: [u8; 64],
    /// The slots of the kept ones of a set, by the bytes of its lower and its upper half.
    low: Box<[[u64; 256]; 4]>,
    high: Box<[[u64; 256]; 4]>,
    /// The bits of all up to the last one that is kept.
    all: u64,
}

impl Slots {
    /// With so many kept, at most 64, each told its own by its place in zig-zag order.
    pub fn new(kept: usize, slot: impl Fn(usize) -> Option<u8>) -> Option<Self> {
        let (mut of, mut all) = ([u8::try_from(kept).ok()?; 64], 0);
        let (mut low, mut high) = (Box::new([[0; 256]; 4]), Box::new([[0; 256]; 4]));
        for (index, of) in of.iter_mut().enumerate() {
            let Some(own) = slot(index) else { continue };
            *of = own;
            all = u64::MAX >> (63 - index);
            let Some(of_bytes) = low.iter_mut().chain(high.iter_mut()).nth(index / 8) else { continue };
            for (byte, slots) in of_bytes.iter_mut().enumerate() {
                *slots |= u64::from(byte >> (index % 8) & 1 == 1) << own;
            }
        }
        Some(Self { of, low, high, all })
    }

    /// The one of a coefficient.
    #[inline]
    pub fn of(&self, index: u32) -> usize {
        self.of.get(index as usize % 64).map_or(0, |&slot| slot.into())
    }

    /// Those of the kept ones of a set.
    #[inline]
    pub fn of_set(&self, set: u64) -> u64 {
        let of_half = |half: &[[u64; 256]; 4], set: u32| {
            let of_byte =
                |(slots, byte): (&[u64; 256], u8)| slots.get(usize::from(byte)).copied().unwrap_or(0);
            half.iter().zip(set.to_le_bytes()).map(of_byte).fold(0, |all, slots| all | slots)
        };
        let low = of_half(&self.low, set as u32);
        // Mostly there are none.
        if set >> 32 == 0 { low } else { low | of_half(&self.high, (set >> 32) as u32) }
    }

    /// The bits of all coefficients up to the last one that is kept.
    pub const fn all(&self) -> u64 {
        self.all
    }
}
