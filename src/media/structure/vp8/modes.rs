//! What the first partition says of each macroblock (RFC 6386 section 19.3).

use super::boolean::BoolDecoder;
use super::header::Header;
use super::tables::BLOCK_MODES;

// Prediction modes in the order of the tree; those of whole macroblocks stand for the block mode of the same kind.
const DC: u8 = 0;
const TM: u8 = 1;
const VE: u8 = 2;
const HE: u8 = 3;

/// One macroblock.
pub struct Macroblock {
    /// Predicted as a whole, with the first coefficients of its blocks in a Y2 block.
    pub has_y2: bool,
    /// Has no coefficients.
    pub skipped: bool,
}

/// Reads the macroblock; `above` and `left` are the modes of the blocks around it, then its own.
pub fn macroblock(
    reader: &mut BoolDecoder<'_>,
    header: &Header,
    above: &mut [u8; 4],
    left: &mut [u8; 4],
) -> Macroblock {
    let mut bits = *reader;
    if let Some([root, low, high]) = header.segments {
        let second = if bits.get(root) { high } else { low };
        bits.get(second);
    }
    let skipped = header.skip.is_some_and(|probability| bits.get(probability));
    let has_y2 = bits.get(145);
    if has_y2 {
        let mode = if bits.get(156) {
            if bits.get(128) { TM } else { HE }
        } else if bits.get(163) {
            VE
        } else {
            DC
        };
        *above = [mode; 4];
        *left = [mode; 4];
    } else {
        for left in left {
            for above in above.iter_mut() {
                let mode = block_mode(&mut bits, *above, *left);
                *above = mode;
                *left = mode;
            }
        }
    }
    // The mode of chroma.
    if bits.get(142) && bits.get(114) {
        bits.get(183);
    }
    *reader = bits;
    Macroblock { has_y2, skipped }
}

fn block_mode(bits: &mut BoolDecoder<'_>, above: u8, left: u8) -> u8 {
    let trees = BLOCK_MODES.get(usize::from(above));
    let Some(p) = trees.and_then(|trees| trees.get(usize::from(left))) else { return DC };
    if !bits.get(p[0]) {
        DC
    } else if !bits.get(p[1]) {
        TM
    } else if !bits.get(p[2]) {
        VE
    } else if !bits.get(p[3]) {
        if bits.get(p[4]) { 4 + u8::from(bits.get(p[5])) } else { HE }
    } else if !bits.get(p[6]) {
        6
    } else if !bits.get(p[7]) {
        7
    } else {
        8 + u8::from(bits.get(p[8]))
    }
}
