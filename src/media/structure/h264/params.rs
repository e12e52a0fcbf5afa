//! Sequence and picture parameter sets (H.264 7.3.2.1.1, 7.3.2.2): what the syntax of slices depends on.

use super::super::coding::bits::Bits;

/// Macroblocks along a side: level 6.2 has 1055, others are for pictures of one's own.
const MAX_SIDE: u32 = 4096;
/// Macroblocks of a picture: level 6.2 allows 139 264.
const MAX_BLOCKS: u32 = 1 << 19;

/// A sequence parameter set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sps {
    /// Slices may come in any order, and pictures twice (annex A.2.1, A.2.3).
    pub(super) any_order: bool,
    /// `ChromaArrayType`: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub(super) chroma: u32,
    pub(super) separate_planes: bool,
    pub(super) bit_depth_luma: u32,
    pub(super) bit_depth_chroma: u32,
    pub(super) log2_frame_num: u32,
    pub(super) order_type: u32,
    pub(super) log2_order_lsb: u32,
    pub(super) order_always_zero: bool,
    /// Macroblocks in a row.
    pub(super) columns: u32,
    /// Rows of macroblocks in a frame.
    pub(super) rows: u32,
    pub(super) frames_only: bool,
    pub(super) adaptive: bool,
    pub(super) direct_8x8: bool,
}

impl Sps {
    /// Reads the payload of an SPS, with its id. `None`: cut, or values without a meaning.
    pub(super) fn read(rbsp: &[u8]) -> Option<(u32, Self)> {
        let mut bits = Bits::new(rbsp, 1);
        let bits = &mut bits;
        let profile = bits.number(8)?;
        bits.skip(16)?;
        let id = bits.ue_to(31)?;
        let mut sps = Self {
            any_order: matches!(profile, 66 | 88),
            chroma: 1,
            bit_depth_luma: 8,
            bit_depth_chroma: 8,
            ..Self::default()
        };
        if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 134 | 135 | 138 | 139) {
            sps.high_profile(bits)?;
        }
        sps.log2_frame_num = bits.ue_to(12)? + 4;
        sps.order_type = bits.ue_to(2)?;
        match sps.order_type {
            0 => sps.log2_order_lsb = bits.ue_to(12)? + 4,
            1 => {
                sps.order_always_zero = bits.flag()?;
                bits.se()?;
                bits.se()?;
                for _ in 0..bits.ue_to(255)? {
                    bits.se()?;
                }
            }
            _ => {}
        }
        bits.ue()?;
        bits.skip(1)?;
        sps.columns = bits.ue_to(MAX_SIDE - 1)? + 1;
        let units = bits.ue_to(MAX_SIDE - 1)? + 1;
        sps.frames_only = bits.flag()?;
        sps.rows = if sps.frames_only { units } else { units * 2 };
        sps.adaptive = !sps.frames_only && bits.flag()?;
        sps.direct_8x8 = bits.flag()?;
        (sps.columns * sps.rows <= MAX_BLOCKS).then_some((id, sps))
    }

    fn high_profile(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        self.chroma = bits.ue_to(3)?;
        if self.chroma == 3 {
            self.separate_planes = bits.flag()?;
        }
        let lists = if self.chroma == 3 { 12 } else { 8 };
        if self.separate_planes {
            self.chroma = 0;
        }
        self.bit_depth_luma = bits.ue_to(6)? + 8;
        self.bit_depth_chroma = bits.ue_to(6)? + 8;
        bits.skip(1)?;
        if bits.flag()? {
            for list in 0..lists {
                if bits.flag()? {
                    scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Some(())
    }
}

/// 7.3.2.1.1.1, only to get behind it.
fn scaling_list(bits: &mut Bits<'_>, len: u32) -> Option<()> {
    let mut last = 8i32;
    for _ in 0..len {
        let next = last.checked_add(bits.se()?)?.rem_euclid(256);
        if next == 0 {
            break;
        }
        last = next;
    }
    Some(())
}

/// A picture parameter set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pps {
    pub(super) sps: u32,
    pub(super) arithmetic: bool,
    pub(super) bottom_order: bool,
    /// Slice groups: macroblocks in another order (FMO).
    pub(super) groups: bool,
    /// Default numbers of references in both lists.
    pub(super) references: [u32; 2],
    pub(super) weighted: bool,
    pub(super) weighted_bi: u32,
    pub(super) init_qp: i32,
    pub(super) deblocking_control: bool,
    pub(super) redundant: bool,
    pub(super) transform_8x8: bool,
}

impl Pps {
    /// Reads the payload of a PPS, with its id. `None`: cut, or values without a meaning.
    pub(super) fn read(rbsp: &[u8]) -> Option<(u32, Self)> {
        let mut bits = Bits::new(rbsp, 1);
        let bits = &mut bits;
        let id = bits.ue_to(255)?;
        let mut pps = Self { sps: bits.ue_to(31)?, ..Self::default() };
        pps.arithmetic = bits.flag()?;
        pps.bottom_order = bits.flag()?;
        pps.groups = bits.ue_to(7)? > 0;
        if pps.groups {
            return Some((id, pps));
        }
        pps.references = [bits.ue_to(31)? + 1, bits.ue_to(31)? + 1];
        pps.weighted = bits.flag()?;
        pps.weighted_bi = bits.number(2)?;
        pps.init_qp = 26 + bits.se()?;
        bits.se()?;
        bits.se()?;
        pps.deblocking_control = bits.flag()?;
        bits.skip(1)?;
        pps.redundant = bits.flag()?;
        // more_rbsp_data(): something stands before the last bit that is set.
        let stop = last_bit(rbsp)?;
        if bits.position() < stop {
            pps.transform_8x8 = bits.flag()?;
        }
        Some((id, pps))
    }
}

/// Where the stop bit of a payload is, in bits.
pub(super) fn last_bit(rbsp: &[u8]) -> Option<usize> {
    let last = rbsp.iter().rposition(|&byte| byte != 0)?;
    let zeros = rbsp.get(last)?.trailing_zeros() as usize;
    Some(last * 8 + 7 - zeros)
}
