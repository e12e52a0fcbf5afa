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
    pub(in super::super) const CU_SKIP: u8 = 149;
    pub(in super::super) const PRED_MODE: u8 = 152;
    pub(in super::super) const PART_MODE_MORE: u8 = 153;
    pub(in super::super) const MERGE_FLAG: u8 = 156;
    pub(in super::super) const MERGE_INDEX: u8 = 157;
    pub(in super::super) const INTER_PRED: u8 = 158;
    pub(in super::super) const REFERENCE: u8 = 163;
    pub(in super::super) const MVD_GREATER_0: u8 = 165;
    pub(in super::super) const MVD_GREATER_1: u8 = 166;
    pub(in super::super) const MVP_FLAG: u8 = 167;
    pub(in super::super) const ROOT_CBF: u8 = 168;
    pub(in super::super) const EXPLICIT_RDPCM: u8 = 169;
    pub(in super::super) const EXPLICIT_RDPCM_DIRECTION: u8 = 171;
}

pub(super) const CONTEXTS: usize = 173;

/// `initValue` by `initType` (tables 9-5 to 9-37).
#[rustfmt::skip]
pub(super) static INIT: [[u8; CONTEXTS]; 3] = [
    [
        153, // sao_merge_left_flag, sao_merge_up_flag
        200, // sao_type_idx_luma, sao_type_idx_chroma
        139, 141, 157, // split_cu_flag
        154, // cu_transquant_bypass_flag
        184, // part_mode, first bin
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
        125, 141, 179, 153, 125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111, 141, 111,
        // coeff_abs_level_greater1_flag
        140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140, 227,
        122, 197,
        138, 153, 136, 167, 152, 152, // coeff_abs_level_greater2_flag
        154, 154, 154, 154, 154, 154, 154, 154, // log2_res_scale_abs_plus1
        154, 154, // res_scale_sign_flag
        154, // cu_chroma_qp_offset_flag
        154, // cu_chroma_qp_offset_idx
        154, 154, 154, // cu_skip_flag
        154, // pred_mode_flag
        154, 154, 154, // part_mode, other bins
        154, // merge_flag
        154, // merge_idx
        154, 154, 154, 154, 154, // inter_pred_idc
        154, 154, // ref_idx_l0, ref_idx_l1
        154, // abs_mvd_greater0_flag
        154, // abs_mvd_greater1_flag
        154, // mvp_l0_flag, mvp_l1_flag
        154, // rqt_root_cbf
        139, 139, // explicit_rdpcm_flag, luma and chroma
        139, 139, // explicit_rdpcm_dir_flag, luma and chroma
    ],
    [
        153, // sao_merge_left_flag, sao_merge_up_flag
        185, // sao_type_idx_luma, sao_type_idx_chroma
        107, 139, 126, // split_cu_flag
        154, // cu_transquant_bypass_flag
        154, // part_mode, first bin
        154, // prev_intra_luma_pred_flag
        152, // intra_chroma_pred_mode
        124, 138, 94, // split_transform_flag
        153, 111, // cbf_luma
        149, 107, 167, 154, 154, // cbf_cb, cbf_cr
        154, 154, // cu_qp_delta_abs
        139, 139, // transform_skip_flag, luma and chroma
        // last_sig_coeff_x_prefix
        125, 110, 94, 110, 95, 79, 125, 111, 110, 78, 110, 111, 111, 95, 94, 108, 123, 108,
        // last_sig_coeff_y_prefix
        125, 110, 94, 110, 95, 79, 125, 111, 110, 78, 110, 111, 111, 95, 94, 108, 123, 108,
        121, 140, 61, 154, // coded_sub_block_flag
        // sig_coeff_flag: 27 of luma, 15 of chroma, then those of blocks without a transform
        155, 154, 139, 153, 139, 123, 123, 63, 153, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 166,
        183, 140, 136, 153, 154, 170, 153, 123, 123, 107, 121, 107, 121, 167, 151, 183, 140, 151, 183, 140, 140, 140,
        // coeff_abs_level_greater1_flag
        154, 196, 196, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 137, 169, 194, 166, 167, 154, 167,
        137, 182,
        107, 167, 91, 122, 107, 167, // coeff_abs_level_greater2_flag
        154, 154, 154, 154, 154, 154, 154, 154, // log2_res_scale_abs_plus1
        154, 154, // res_scale_sign_flag
        154, // cu_chroma_qp_offset_flag
        154, // cu_chroma_qp_offset_idx
        197, 185, 201, // cu_skip_flag
        149, // pred_mode_flag
        139, 154, 154, // part_mode, other bins
        110, // merge_flag
        122, // merge_idx
        95, 79, 63, 31, 31, // inter_pred_idc
        153, 153, // ref_idx_l0, ref_idx_l1
        140, // abs_mvd_greater0_flag
        198, // abs_mvd_greater1_flag
        168, // mvp_l0_flag, mvp_l1_flag
        79, // rqt_root_cbf
        139, 139, // explicit_rdpcm_flag, luma and chroma
        139, 139, // explicit_rdpcm_dir_flag, luma and chroma
    ],
    [
        153, // sao_merge_left_flag, sao_merge_up_flag
        160, // sao_type_idx_luma, sao_type_idx_chroma
        107, 139, 126, // split_cu_flag
        154, // cu_transquant_bypass_flag
        154, // part_mode, first bin
        183, // prev_intra_luma_pred_flag
        152, // intra_chroma_pred_mode
        224, 167, 122, // split_transform_flag
        153, 111, // cbf_luma
        149, 92, 167, 154, 154, // cbf_cb, cbf_cr
        154, 154, // cu_qp_delta_abs
        139, 139, // transform_skip_flag, luma and chroma
        // last_sig_coeff_x_prefix
        125, 110, 124, 110, 95, 94, 125, 111, 111, 79, 125, 126, 111, 111, 79, 108, 123, 93,
        // last_sig_coeff_y_prefix
        125, 110, 124, 110, 95, 94, 125, 111, 111, 79, 125, 126, 111, 111, 79, 108, 123, 93,
        121, 140, 61, 154, // coded_sub_block_flag
        // sig_coeff_flag: 27 of luma, 15 of chroma, then those of blocks without a transform
        170, 154, 139, 153, 139, 123, 123, 63, 124, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 166,
        183, 140, 136, 153, 154, 170, 153, 138, 138, 122, 121, 122, 121, 167, 151, 183, 140, 151, 183, 140, 140, 140,
        // coeff_abs_level_greater1_flag
        154, 196, 167, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 122, 169, 208, 166, 167, 154, 152,
        167, 182,
        107, 167, 91, 107, 107, 167, // coeff_abs_level_greater2_flag
        154, 154, 154, 154, 154, 154, 154, 154, // log2_res_scale_abs_plus1
        154, 154, // res_scale_sign_flag
        154, // cu_chroma_qp_offset_flag
        154, // cu_chroma_qp_offset_idx
        197, 185, 201, // cu_skip_flag
        134, // pred_mode_flag
        139, 154, 154, // part_mode, other bins
        154, // merge_flag
        137, // merge_idx
        95, 79, 63, 31, 31, // inter_pred_idc
        153, 153, // ref_idx_l0, ref_idx_l1
        169, // abs_mvd_greater0_flag
        198, // abs_mvd_greater1_flag
        168, // mvp_l0_flag, mvp_l1_flag
        79, // rqt_root_cbf
        139, 139, // explicit_rdpcm_flag, luma and chroma
        139, 139, // explicit_rdpcm_dir_flag, luma and chroma
    ],
];

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
