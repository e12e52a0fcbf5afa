//! Tables of H.265: arithmetic decoding (9.3.4.3), initial contexts of intra slices (9.3.2.2), scans (6.5).

/// Context indices, one after the other in [`INIT`].
pub(super) mod ctx {
    pub(in super::super) const SAO_MERGE: u8 = 0;
    pub(in super::super) const SAO_TYPE: u8 = 1;
    pub(in super::super) const SPLIT_CU: u8 = 2;
    pub(in super::super) const TRANSQUANT_BYPASS: u8 = 5;
    pub(in super::super) const PART_MODE: u8 = 6;
    pub(in super::super) const PREV_INTRA: u8 = 7;
    pub(in super::super) const INTRA_CHROMA: u8 = 8;
    pub(in super::super) const SPLIT_TRANSFORM: u8 = 9;
    pub(in super::super) const CBF_LUMA: u8 = 12;
    pub(in super::super) const CBF_CHROMA: u8 = 14;
    pub(in super::super) const QP_DELTA: u8 = 19;
    pub(in super::super) const TRANSFORM_SKIP: u8 = 21;
    pub(in super::super) const LAST_X: u8 = 23;
    pub(in super::super) const LAST_Y: u8 = 41;
    pub(in super::super) const CODED_SUB_BLOCK: u8 = 59;
    pub(in super::super) const SIGNIFICANT: u8 = 63;
    pub(in super::super) const GREATER_1: u8 = 107;
    pub(in super::super) const GREATER_2: u8 = 131;
    pub(in super::super) const RES_SCALE: u8 = 137;
    pub(in super::super) const RES_SIGN: u8 = 145;
    pub(in super::super) const CHROMA_QP_FLAG: u8 = 147;
    pub(in super::super) const CHROMA_QP_INDEX: u8 = 148;
}

pub(super) const CONTEXTS: usize = 149;

/// `initValue` for `initType` 0 (tables 9-5 to 9-37).
#[rustfmt::skip]
pub(super) static INIT: [u8; CONTEXTS] = [
    153, // sao_merge_left_flag, sao_merge_up_flag
    200, // sao_type_idx_luma, sao_type_idx_chroma
    139, 141, 157, // split_cu_flag
    154, // cu_transquant_bypass_flag
    184, // part_mode
    184, // prev_intra_luma_pred_flag
    63, // intra_chroma_pred_mode
    153, 138, 138, // split_transform_flag
    111, 141, // cbf_luma
    94, 138, 182, 154, 154, // cbf_cb, cbf_cr
    154, 154, // cu_qp_delta_abs
    139, 139, // transform_skip_flag, luma and chroma
    // last_sig_coeff_x_prefix
    110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63,
    // last_sig_coeff_y_prefix
    110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63,
    91, 171, 134, 141, // coded_sub_block_flag
    // sig_coeff_flag: 27 of luma, 15 of chroma, then those of blocks without a transform
    111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125, 107,
    125, 141, 179, 153, 125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111,
    141, 111,
    // coeff_abs_level_greater1_flag
    140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140, 227, 122, 197,
    138, 153, 136, 167, 152, 152, // coeff_abs_level_greater2_flag
    154, 154, 154, 154, 154, 154, 154, 154, // log2_res_scale_abs_plus1
    154, 154, // res_scale_sign_flag
    154, // cu_chroma_qp_offset_flag
    154, // cu_chroma_qp_offset_idx
];

/// Table 9-46, `rangeTabLps`.
#[rustfmt::skip]
const RANGE_LPS: [[u8; 4]; 64] = [
    [128, 176, 208, 240], [128, 167, 197, 227], [128, 158, 187, 216], [123, 150, 178, 205], [116, 142, 169, 195],
    [111, 135, 160, 185], [105, 128, 152, 175], [100, 122, 144, 166], [95, 116, 137, 158], [90, 110, 130, 150],
    [85, 104, 123, 142], [81, 99, 117, 135], [77, 94, 111, 128], [73, 89, 105, 122], [69, 85, 100, 116],
    [66, 80, 95, 110], [62, 76, 90, 104], [59, 72, 86, 99], [56, 69, 81, 94], [53, 65, 77, 89],
    [51, 62, 73, 85], [48, 59, 69, 80], [46, 56, 66, 76], [43, 53, 63, 72], [41, 50, 59, 69],
    [39, 48, 56, 65], [37, 45, 54, 62], [35, 43, 51, 59], [33, 41, 48, 56], [32, 39, 46, 53],
    [30, 37, 43, 50], [29, 35, 41, 48], [27, 33, 39, 45], [26, 31, 37, 43], [24, 30, 35, 41],
    [23, 28, 33, 39], [22, 27, 32, 37], [21, 26, 30, 35], [20, 24, 29, 33], [19, 23, 27, 31],
    [18, 22, 26, 30], [17, 21, 25, 28], [16, 20, 23, 27], [15, 19, 22, 25], [14, 18, 21, 24],
    [14, 17, 20, 23], [13, 16, 19, 22], [12, 15, 18, 21], [12, 14, 17, 20], [11, 14, 16, 19],
    [11, 13, 15, 18], [10, 12, 15, 17], [10, 12, 14, 16], [9, 11, 13, 15], [9, 11, 12, 14],
    [8, 10, 12, 14], [8, 9, 11, 13], [7, 9, 11, 12], [7, 9, 10, 12], [7, 8, 10, 11],
    [6, 8, 9, 11], [6, 7, 9, 10], [6, 7, 8, 9], [2, 2, 2, 2],
];

/// Table 9-47, `transIdxLps`.
#[rustfmt::skip]
const TRANS_LPS: [u8; 64] = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
    24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37,
    37, 38, 38, 63,
];

/// [`RANGE_LPS`] by packed state and `qRangeIdx`.
pub(super) static LPS: [u8; 512] = lps();
/// The packed state after the most probable symbol.
pub(super) static NEXT_MPS: [u8; 128] = next_mps();
/// The packed state after the other one.
pub(super) static NEXT_LPS: [u8; 128] = next_lps();

#[allow(clippy::indexing_slicing, reason = "runs in the compiler")]
const fn lps() -> [u8; 512] {
    let mut table = [0; 512];
    let mut index = 0;
    while index < 512 {
        table[index] = RANGE_LPS[index >> 3][index & 3];
        index += 1;
    }
    table
}

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "runs in the compiler")]
const fn next_mps() -> [u8; 128] {
    let mut table = [0; 128];
    let mut index = 0;
    while index < 128 {
        table[index] = if index >> 1 >= 62 { index as u8 } else { index as u8 + 2 };
        index += 1;
    }
    table
}

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "runs in the compiler")]
const fn next_lps() -> [u8; 128] {
    let mut table = [0; 128];
    let mut index = 0;
    while index < 128 {
        let symbol = if index < 2 { index as u8 ^ 1 } else { index as u8 & 1 };
        table[index] = TRANS_LPS[index >> 1] << 1 | symbol;
        index += 1;
    }
    table
}

/// Positions of a square block in scan order and back: up-right diagonal, horizontal, vertical (6.5.3 to 6.5.5).
pub(super) struct Scan {
    /// `y << 3 | x` by index.
    pub(super) place: [u8; 64],
    /// Index by `y << 3 | x`.
    pub(super) index: [u8; 64],
}

/// By `scanIdx` and the logarithm of the side, 0 to 3.
pub(super) static SCANS: [[Scan; 4]; 3] = [
    [scan(0, 0), scan(0, 1), scan(0, 2), scan(0, 3)],
    [scan(1, 0), scan(1, 1), scan(1, 2), scan(1, 3)],
    [scan(2, 0), scan(2, 1), scan(2, 2), scan(2, 3)],
];

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "runs in the compiler")]
const fn scan(kind: u8, log2: u32) -> Scan {
    let side = 1usize << log2;
    let mut scan = Scan { place: [0; 64], index: [0; 64] };
    let mut count = 0;
    let (mut line, lines) = (0, if kind == 0 { 2 * side - 1 } else { side });
    while line < lines {
        let mut step = 0;
        while step < side {
            let (x, y) = match kind {
                0 => (step, line.wrapping_sub(step)),
                1 => (step, line),
                _ => (line, step),
            };
            if x < side && y < side {
                scan.place[count] = (y << 3 | x) as u8;
                scan.index[y << 3 | x] = count as u8;
                count += 1;
            }
            step += 1;
        }
        line += 1;
    }
    scan
}

/// `sigCtx` inside a sub-block (9.3.4.2.5) by `prevCsbf` and `yP << 2 | xP`.
#[rustfmt::skip]
pub(super) static SIG_CTX: [[u8; 16]; 4] = [
    [2, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    [2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    [2, 1, 0, 0, 2, 1, 0, 0, 2, 1, 0, 0, 2, 1, 0, 0],
    [2; 16],
];

/// `ctxIdxMap` (table 9-50), for blocks of 4 x 4.
pub(super) static SIG_CTX_4: [u8; 16] = [0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 8];

/// Table 8-3: the chroma mode of 4:2:2 by the mode it would have otherwise.
#[rustfmt::skip]
pub(super) static MODE_422: [u8; 35] = [
    0, 1, 2, 2, 2, 2, 3, 5, 7, 8, 10, 11, 13, 15, 16, 18, 19, 20, 21, 22, 23, 23, 24, 24, 25, 25, 26, 27, 27, 28, 28,
    29, 29, 30, 31,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_visit_every_place_once() {
        for (kind, sizes) in SCANS.iter().enumerate() {
            for (log2, scan) in sizes.iter().enumerate() {
                let mut seen: Vec<u8> = scan.place.iter().copied().take(1 << (2 * log2)).collect();
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen.len(), 1 << (2 * log2), "scan {kind} of {log2}");
            }
        }
        // 6.5.3: the diagonal goes up and to the right.
        assert_eq!(
            SCANS.first().and_then(|sizes| sizes.get(2)).map(|scan| scan.place.first_chunk()),
            Some(Some(&[0, 8, 1, 16, 9, 2, 24, 17, 10, 3]))
        );
    }
}
