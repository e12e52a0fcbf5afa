//! The first scan of a band (ITU-T T.81 G.1.2.2).

use super::Slip;
use super::band::{Band, Blocks};
use super::bits::{Bits, magnitude};
use super::kept::Block;
use super::levels::saturated;
use super::select::Select;
use super::tables::Coefficients;

/// With look-ups of its codes.
pub struct First<'t>(pub &'t Coefficients);

impl Blocks for First<'_> {
    fn passes(&self, _: u64) -> bool {
        true
    }

    #[allow(clippy::inline_always, reason = "else the bits do not stay in registers")]
    #[inline(always)]
    fn block(
        &self,
        band: &mut Band<'_>,
        bits: &mut Bits<'_>,
        (mut nonzero, kept): (u64, &mut Block<'_>),
        _: impl Select,
    ) -> Result<u64, Slip> {
        let mut index = band.from;
        while index <= band.to {
            bits.refill();
            let next = self.0.next(bits);
            let at = index + u32::from(next.zeros);
            if next.bits > 0 && at <= band.to {
                bits.skip(next.bits.into());
                // Sixteen zeros have no value.
                nonzero |= u64::from(next.value != 0) << at;
                kept.set(at, next.value << band.shift);
                index = at + 1;
                continue;
            }
            if next.ends() {
                bits.skip(next.bits.into());
                break;
            }
            let symbol = band.table.symbol(bits)?;
            let (zeros, size) = (symbol >> 4, symbol & 15);
            if size == 0 && zeros < 15 {
                band.begin_run(bits, zeros);
                break;
            }
            index += u32::from(zeros);
            if size == 0 && index <= band.to {
                index += 1;
                continue;
            }
            if index > band.to {
                return Err(Slip::PAST_BAND);
            }
            let value = magnitude(bits.peek(size.into()), size.into());
            band.range.read_ac(bits, index, size, band.shift)?;
            kept.set(index, saturated(value << band.shift));
            nonzero |= 1 << index;
            index += 1;
        }
        Ok(nonzero)
    }
}
