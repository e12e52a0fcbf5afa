//! Coefficients of a macroblock, without their values (RFC 6386 section 13).

use super::boolean::BoolDecoder;
use super::tables::{BANDS, TokenProbabilities, TokenTree};

/// The token trees of a kind of block, by place in zig-zag order and number of neighbours with coefficients.
type Places = [[TokenTree; 3]; 16];

/// The largest magnitude that the largest category of values stands for (section 13.2).
const MAX_MAGNITUDE: u32 = 2048;

/// Probabilities of the extra bits of the categories 3 to 6 (section 13.2).
const CATEGORIES: [&[u8]; 4] = [
    &[173, 148, 140],
    &[176, 155, 140, 135],
    &[180, 157, 141, 134, 130],
    &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129],
];

/// The trees of one frame.
pub struct Trees {
    luma_after_y2: Places,
    y2: Places,
    chroma: Places,
    luma: Places,
}

impl Trees {
    pub fn new([luma_after_y2, y2, chroma, luma]: &TokenProbabilities) -> Self {
        let places = |bands: &[[TokenTree; 3]; 8]| {
            let mut places = [[[0; 11]; 3]; 16];
            for (place, band) in places.iter_mut().zip(BANDS) {
                *place = bands.get(band).copied().unwrap_or_default();
            }
            places
        };
        Self {
            luma_after_y2: places(luma_after_y2),
            y2: places(y2),
            chroma: places(chroma),
            luma: places(luma),
        }
    }
}

/// Which blocks at the edge of a macroblock have coefficients (section 13.3).
#[derive(Clone, Copy, Default)]
pub struct Edge {
    luma: [bool; 4],
    chroma: [[bool; 2]; 2],
    y2: bool,
}

impl Edge {
    /// After a macroblock without coefficients; the mark of a Y2 block outlives macroblocks that have none.
    pub fn clear(&mut self, has_y2: bool) {
        *self = Self { y2: self.y2 && !has_y2, ..Self::default() };
    }
}

/// A value that cannot be.
pub struct TooLarge;

/// Reads the coefficients of a macroblock below `above` and right of `left`.
pub fn macroblock(
    reader: &mut BoolDecoder<'_>,
    trees: &Trees,
    has_y2: bool,
    above: &mut Edge,
    left: &mut Edge,
) -> Result<(), TooLarge> {
    let luma = if has_y2 {
        let some = block(reader, &trees.y2, above.y2, left.y2)?;
        above.y2 = some;
        left.y2 = some;
        // The first coefficient of each block is in Y2.
        trees.luma_after_y2.get(1..).unwrap_or_default()
    } else {
        &trees.luma
    };
    plane(reader, luma, &mut above.luma, &mut left.luma)?;
    for (above, left) in above.chroma.iter_mut().zip(&mut left.chroma) {
        plane(reader, &trees.chroma, above, left)?;
    }
    Ok(())
}

fn plane(
    reader: &mut BoolDecoder<'_>,
    places: &[[TokenTree; 3]],
    above: &mut [bool],
    left: &mut [bool],
) -> Result<(), TooLarge> {
    for left in left {
        for above in above.iter_mut() {
            let some = block(reader, places, *above, *left)?;
            *above = some;
            *left = some;
        }
    }
    Ok(())
}

/// Reads one block; whether it has any coefficient coded.
fn block(
    reader: &mut BoolDecoder<'_>,
    places: &[[TokenTree; 3]],
    above: bool,
    left: bool,
) -> Result<bool, TooLarge> {
    let mut places = places.iter();
    let Some([none, one, both]) = places.next() else { return Ok(false) };
    let mut tree = match (above, left) {
        (false, false) => none,
        (true, true) => both,
        _ => one,
    };
    // A copy lives in registers.
    let mut bits = *reader;
    let mut some = false;
    'block: while bits.get(tree[0]) {
        some = true;
        while !bits.get(tree[1]) {
            let Some([after_zero, ..]) = places.next() else { break 'block };
            tree = after_zero;
        }
        let large = bits.get(tree[2]);
        if large {
            value(&mut bits, tree)?;
        }
        // The sign.
        bits.skip_flag();
        let Some([_, after_one, after_large]) = places.next() else { break };
        tree = if large { after_large } else { after_one };
    }
    *reader = bits;
    Ok(some)
}

/// The rest of a value above 1.
#[inline]
fn value(bits: &mut BoolDecoder<'_>, tree: &TokenTree) -> Result<(), TooLarge> {
    if !bits.get(tree[3]) {
        if bits.get(tree[4]) {
            // 3 or 4; without, 2.
            bits.get(tree[5]);
        }
    } else if !bits.get(tree[6]) {
        if bits.get(tree[7]) {
            bits.get(165);
            bits.get(145);
        } else {
            bits.get(159);
        }
    } else {
        let high = bits.get(tree[8]);
        let low = bits.get(if high { tree[10] } else { tree[9] });
        let category = usize::from(high) << 1 | usize::from(low);
        let extra = CATEGORIES.get(category).copied().unwrap_or_default();
        let value = extra.iter().fold(0, |value, p| value << 1 | u32::from(bits.get(*p)));
        if value + 3 + (8 << category) > MAX_MAGNITUDE {
            return Err(TooLarge);
        }
    }
    Ok(())
}
