//! The header of a key frame, as far as it says how to read the rest (RFC 6386 sections 9.2 to 9.11, 19.2).

use super::boolean::BoolDecoder;
use super::tables::{TOKEN_UPDATES, TOKENS, TokenProbabilities};
use super::tokens::Trees;

/// What the walk needs of it.
pub struct Header {
    /// Probabilities of the tree of segments, where macroblocks name their segment.
    pub segments: Option<[u8; 3]>,
    /// Number of partitions with coefficients: 1, 2, 4 or 8.
    pub partitions: usize,
    /// Probability that a macroblock has coefficients, where macroblocks say so.
    pub skip: Option<u8>,
    /// How coefficients are coded.
    pub trees: Trees,
}

impl Header {
    /// Reads the header of a key frame from the beginning of its first partition.
    pub fn read(bits: &mut BoolDecoder<'_>) -> Self {
        let _colour_space = bits.flag();
        let _clamping = bits.flag();
        let segments = segmentation(bits);
        let _filter_kind_level_sharpness = bits.literal(10);
        if bits.flag() && bits.flag() {
            (0..8).for_each(|_| bits.skip_optional(6));
        }
        let partitions = 1 << bits.literal(2);
        let _quantizer = bits.literal(7);
        (0..5).for_each(|_| bits.skip_optional(4));
        let _refresh_probabilities = bits.flag();
        let mut tokens = TOKENS;
        read_tokens(bits, &mut tokens);
        let skip = bits.flag().then(|| byte(bits));
        Self { segments, partitions, skip, trees: Trees::new(&tokens) }
    }
}

/// The probabilities of the tree of segments, where macroblocks name theirs.
pub fn segmentation(bits: &mut BoolDecoder<'_>) -> Option<[u8; 3]> {
    if !bits.flag() {
        return None;
    }
    let map = bits.flag();
    if bits.flag() {
        let _absolute = bits.flag();
        (0..4).for_each(|_| bits.skip_optional(7));
        (0..4).for_each(|_| bits.skip_optional(6));
    }
    map.then(|| [(); 3].map(|()| if bits.flag() { byte(bits) } else { 255 }))
}

/// The probabilities of coefficients that change (section 13.4).
pub fn read_tokens(bits: &mut BoolDecoder<'_>, tokens: &mut TokenProbabilities) {
    let pairs = tokens.as_flattened_mut().as_flattened_mut().as_flattened_mut().iter_mut();
    for (token, update) in pairs.zip(TOKEN_UPDATES.as_flattened().as_flattened().as_flattened()) {
        if bits.get(*update) {
            *token = byte(bits);
        }
    }
}

/// A number of eight bits.
pub fn byte(bits: &mut BoolDecoder<'_>) -> u8 {
    u8::try_from(bits.literal(8)).unwrap_or(u8::MAX)
}
