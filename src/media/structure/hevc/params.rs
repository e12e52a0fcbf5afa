//! Sequence and picture parameter sets (H.265 7.3.2.2, 7.3.2.3): what the syntax of slices depends on.

use super::super::coding::bits::Bits;

/// Luma samples along a side of a picture: level 6.2 has 16 888, others are for pictures of one's own.
const MAX_SIDE: u32 = 1 << 17;

/// A sequence parameter set.
#[derive(Clone, Debug, Default)]
pub(super) struct Sps {
    /// `ChromaArrayType`: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub(super) chroma: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bit_depth_luma: u32,
    pub(super) bit_depth_chroma: u32,
    pub(super) log2_poc_lsb: u32,
    pub(super) log2_min_cb: u32,
    pub(super) log2_ctb: u32,
    pub(super) log2_min_tb: u32,
    pub(super) log2_max_tb: u32,
    pub(super) max_depth_inter: u32,
    pub(super) max_depth_intra: u32,
    /// Asymmetric partitions.
    pub(super) asymmetric: bool,
    pub(super) sao: bool,
    pub(super) pcm: Option<Pcm>,
    /// Short-term reference picture sets.
    pub(super) short_term: Vec<ReferenceSet>,
    /// Long-term reference pictures, where they are allowed: whether each may be used by the current picture.
    pub(super) long_term: Option<Vec<bool>>,
    pub(super) temporal_mvp: bool,
    pub(super) transform_skip_context: bool,
    pub(super) implicit_rdpcm: bool,
    pub(super) explicit_rdpcm: bool,
    pub(super) persistent_rice: bool,
    /// A tool that the walk does not follow.
    pub(super) beyond: Option<&'static str>,
}

/// Blocks of uncoded samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcm {
    pub(super) bits_luma: u32,
    pub(super) bits_chroma: u32,
    pub(super) log2_min: u32,
    pub(super) log2_max: u32,
}

impl Sps {
    /// Reads the payload of an SPS, with its id. `None`: cut, or values without a meaning.
    pub(super) fn read(rbsp: &[u8]) -> Option<(u32, Self)> {
        let mut bits = Bits::new(rbsp, 2);
        let bits = &mut bits;
        let mut sps = Self::default();
        bits.skip(4)?;
        let sub_layers = bits.number(3)?;
        bits.skip(1)?;
        profile_tier_level(bits, sub_layers)?;
        let id = bits.ue_to(15)?;
        sps.chroma = bits.ue_to(3)?;
        if sps.chroma == 3 && bits.flag()? {
            sps.beyond = Some("colour planes coded apart");
        }
        sps.width = bits.ue_to(MAX_SIDE).filter(|&side| side > 0)?;
        sps.height = bits.ue_to(MAX_SIDE).filter(|&side| side > 0)?;
        if bits.flag()? {
            window(bits)?;
        }
        sps.bit_depth_luma = bits.ue_to(8)? + 8;
        sps.bit_depth_chroma = bits.ue_to(8)? + 8;
        sps.log2_poc_lsb = bits.ue_to(12)? + 4;
        let first = if bits.flag()? { 0 } else { sub_layers };
        for _ in (first..=sub_layers).flat_map(|_| 0..3) {
            bits.ue()?;
        }
        sps.log2_min_cb = bits.ue_to(3)? + 3;
        sps.log2_ctb = (sps.log2_min_cb + bits.ue_to(3)?).clamp(0, 7);
        sps.log2_min_tb = bits.ue_to(3)? + 2;
        sps.log2_max_tb = sps.log2_min_tb + bits.ue_to(3)?;
        if !(4..=6).contains(&sps.log2_ctb)
            || sps.log2_min_tb >= sps.log2_min_cb
            || sps.log2_max_tb > sps.log2_ctb.min(5)
        {
            return None;
        }
        sps.max_depth_inter = bits.ue_to(4)?;
        sps.max_depth_intra = bits.ue_to(4)?;
        if bits.flag()? && bits.flag()? {
            scaling_lists(bits)?;
        }
        sps.asymmetric = bits.flag()?;
        sps.sao = bits.flag()?;
        if bits.flag()? {
            let (bits_luma, bits_chroma) = (bits.number(4)? + 1, bits.number(4)? + 1);
            let log2_min = bits.ue_to(2)? + 3;
            let log2_max = log2_min + bits.ue_to(2)?;
            bits.skip(1)?;
            sps.pcm = Some(Pcm { bits_luma, bits_chroma, log2_min, log2_max });
        }
        let count = bits.ue_to(64)?;
        for index in 0..count {
            let set = short_term_set(bits, index, count, &sps.short_term)?;
            sps.short_term.push(set);
        }
        if bits.flag()? {
            let used = (0..bits.ue_to(32)?).map(|_| Some(bits.number(sps.log2_poc_lsb + 1)? & 1 == 1));
            sps.long_term = Some(used.collect::<Option<_>>()?);
        }
        sps.temporal_mvp = bits.flag()?;
        bits.skip(1)?;
        if bits.flag()? {
            usability(bits, sub_layers)?;
        }
        if bits.flag()? {
            sps.extensions(bits)?;
        }
        Some((id, sps))
    }

    fn extensions(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let [range, multilayer, three_d, screen] = [bits.flag()?, bits.flag()?, bits.flag()?, bits.flag()?];
        bits.skip(4)?;
        if range {
            bits.skip(1)?;
            self.transform_skip_context = bits.flag()?;
            self.implicit_rdpcm = bits.flag()?;
            self.explicit_rdpcm = bits.flag()?;
            if bits.flag()? {
                self.beyond = Some("extended precision");
            }
            bits.skip(2)?;
            self.persistent_rice = bits.flag()?;
            if bits.flag()? {
                self.beyond = Some("aligned bypass bins");
            }
        }
        if multilayer {
            bits.skip(1)?;
        }
        if three_d {
            self.beyond = Some("3D extension");
        }
        if screen {
            self.beyond = Some("screen content coding");
        }
        Some(())
    }

    /// Coding tree blocks in a row and in a column.
    pub(super) fn in_ctbs(&self) -> (u32, u32) {
        (self.width.div_ceil(1 << self.log2_ctb), self.height.div_ceil(1 << self.log2_ctb))
    }
}

/// A picture parameter set.
#[derive(Clone, Debug, Default)]
pub(super) struct Pps {
    pub(super) sps: u32,
    pub(super) dependent_segments: bool,
    pub(super) output_flag: bool,
    pub(super) extra_bits: usize,
    pub(super) sign_hiding: bool,
    pub(super) contexts_flag: bool,
    /// Default numbers of references in both lists.
    pub(super) references: [u32; 2],
    pub(super) lists_modified: bool,
    pub(super) weighted: bool,
    pub(super) weighted_bi: bool,
    pub(super) init_qp: i32,
    pub(super) transform_skip: bool,
    /// `diff_cu_qp_delta_depth`, where quantisation changes inside a slice.
    pub(super) qp_delta_depth: Option<u32>,
    pub(super) slice_chroma_qp: bool,
    pub(super) transquant_bypass: bool,
    pub(super) tiles: Option<Tiles>,
    pub(super) wavefronts: bool,
    pub(super) filter_across_slices: bool,
    pub(super) deblocking_override: bool,
    pub(super) deblocking_disabled: bool,
    pub(super) header_extension: bool,
    pub(super) log2_max_transform_skip: u32,
    pub(super) cross_component: bool,
    /// `diff_cu_chroma_qp_offset_depth` and `chroma_qp_offset_list_len_minus1`.
    pub(super) chroma_qp_lists: Option<(u32, u32)>,
    /// A tool that the walk does not follow.
    pub(super) beyond: Option<&'static str>,
}

/// Columns and rows of tiles.
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    pub(super) columns: u32,
    pub(super) rows: u32,
    /// Widths and heights of all but the last, in coding tree blocks, unless they are even.
    pub(super) sizes: Option<(Vec<u32>, Vec<u32>)>,
}

impl Pps {
    /// Reads the payload of a PPS, with its id. `None`: cut, or values without a meaning.
    pub(super) fn read(rbsp: &[u8]) -> Option<(u32, Self)> {
        let mut bits = Bits::new(rbsp, 2);
        let bits = &mut bits;
        let id = bits.ue_to(63)?;
        let mut pps = Self { sps: bits.ue_to(15)?, log2_max_transform_skip: 2, ..Self::default() };
        pps.dependent_segments = bits.flag()?;
        pps.output_flag = bits.flag()?;
        pps.extra_bits = bits.number(3)? as usize;
        pps.sign_hiding = bits.flag()?;
        pps.contexts_flag = bits.flag()?;
        pps.references = [bits.ue_to(14)? + 1, bits.ue_to(14)? + 1];
        pps.init_qp = 26 + bits.se()?;
        bits.skip(1)?;
        pps.transform_skip = bits.flag()?;
        pps.qp_delta_depth = if bits.flag()? { Some(bits.ue_to(3)?) } else { None };
        bits.se()?;
        bits.se()?;
        pps.slice_chroma_qp = bits.flag()?;
        (pps.weighted, pps.weighted_bi) = (bits.flag()?, bits.flag()?);
        pps.transquant_bypass = bits.flag()?;
        let tiles = bits.flag()?;
        pps.wavefronts = bits.flag()?;
        if tiles {
            pps.tiles = Some(Tiles::read(bits)?);
        }
        pps.filter_across_slices = bits.flag()?;
        if bits.flag()? {
            pps.deblocking_override = bits.flag()?;
            pps.deblocking_disabled = bits.flag()?;
            if !pps.deblocking_disabled {
                bits.se()?;
                bits.se()?;
            }
        }
        if bits.flag()? {
            scaling_lists(bits)?;
        }
        pps.lists_modified = bits.flag()?;
        bits.ue()?;
        pps.header_extension = bits.flag()?;
        if bits.flag()? {
            pps.extensions(bits)?;
        }
        Some((id, pps))
    }

    fn extensions(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let [range, _multilayer, three_d, screen] = [bits.flag()?, bits.flag()?, bits.flag()?, bits.flag()?];
        bits.skip(4)?;
        if range {
            if self.transform_skip {
                self.log2_max_transform_skip = bits.ue_to(3)? + 2;
            }
            self.cross_component = bits.flag()?;
            if bits.flag()? {
                let (depth, len) = (bits.ue_to(3)?, bits.ue_to(5)?);
                for _ in 0..=len {
                    bits.se()?;
                    bits.se()?;
                }
                self.chroma_qp_lists = Some((depth, len));
            }
        }
        if three_d {
            self.beyond = Some("3D extension");
        }
        if screen {
            self.beyond = Some("screen content coding");
        }
        Some(())
    }
}

impl Tiles {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let (columns, rows) = (bits.ue_to(1 << 10)? + 1, bits.ue_to(1 << 10)? + 1);
        let sizes = if bits.flag()? {
            None
        } else {
            let mut sizes = |count: u32| -> Option<Vec<u32>> {
                (1..count).map(|_| bits.ue_to(MAX_SIDE).map(|size| size + 1)).collect()
            };
            Some((sizes(columns)?, sizes(rows)?))
        };
        bits.skip(1)?;
        Some(Self { columns, rows, sizes })
    }
}

/// 7.3.3.
fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    const PROFILE: usize = 88;
    bits.skip(PROFILE + 8)?;
    if sub_layers == 0 {
        return Some(());
    }
    let mut len = 0;
    for layer in 0..8 {
        let present = [bits.flag()?, bits.flag()?];
        if layer < sub_layers {
            len += if present == [true, true] {
                PROFILE + 8
            } else if present == [true, false] {
                PROFILE
            } else if present == [false, true] {
                8
            } else {
                0
            };
        }
    }
    bits.skip(len)
}

fn window(bits: &mut Bits<'_>) -> Option<()> {
    (0..4).try_for_each(|_| bits.ue().map(|_| ()))
}

/// 7.3.4.
fn scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if bits.flag()? {
                if size > 1 {
                    bits.se()?;
                }
                for _ in 0..64.min(1 << (4 + 2 * size)) {
                    bits.se()?;
                }
            } else {
                bits.ue()?;
            }
        }
    }
    Some(())
}

/// Short-term reference pictures: delta POCs, negative ones first, nearest first, and whether the current picture may use
/// each.
pub(super) type ReferenceSet = Vec<(i32, bool)>;

/// 7.3.7 and 7.4.8: a short-term reference picture set.
pub(super) fn short_term_set(
    bits: &mut Bits<'_>,
    index: u32,
    count: u32,
    earlier: &[ReferenceSet],
) -> Option<ReferenceSet> {
    const MOST: u32 = 16;
    let mut set = Vec::new();
    if index != 0 && bits.flag()? {
        let back = if index == count { bits.ue()?.checked_add(1)? } else { 1 };
        let reference = earlier.get(usize::try_from(index.checked_sub(back)?).ok()?)?;
        let negative = bits.flag()?;
        let delta = i32::try_from(bits.ue_to(1 << 15)?).ok()? + 1;
        let delta = if negative { -delta } else { delta };
        for base in reference.iter().map(|&(poc, _)| poc).chain([0]) {
            let used = bits.flag()?;
            let kept = used || bits.flag()?;
            if kept && base + delta != 0 {
                set.push((base + delta, used));
            }
        }
        set.sort_by_key(|&(poc, _): &(i32, bool)| (poc > 0, poc.abs()));
        return (set.len() <= MOST as usize).then_some(set);
    }
    let (negative, positive) = (bits.ue_to(MOST)?, bits.ue_to(MOST)?);
    for (many, sign) in [(negative, -1), (positive, 1)] {
        let mut poc = 0;
        for _ in 0..many {
            poc += i32::try_from(bits.ue_to(1 << 15)?).ok()? + 1;
            set.push((sign * poc, bits.flag()?));
        }
    }
    Some(set)
}

/// E.2.1: video usability information, only to get behind it.
fn usability(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    if bits.flag()? && bits.number(8)? == 255 {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?;
    }
    if bits.flag()? {
        bits.skip(4)?;
        if bits.flag()? {
            bits.skip(24)?;
        }
    }
    if bits.flag()? {
        bits.ue()?;
        bits.ue()?;
    }
    bits.skip(3)?;
    if bits.flag()? {
        window(bits)?;
    }
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            bits.ue()?;
        }
        if bits.flag()? {
            hypothetical_decoder(bits, sub_layers)?;
        }
    }
    if bits.flag()? {
        bits.skip(3)?;
        for _ in 0..5 {
            bits.ue()?;
        }
    }
    Some(())
}

/// E.2.2.
fn hypothetical_decoder(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    let present = [bits.flag()?, bits.flag()?];
    let mut sub_pictures = false;
    if present != [false, false] {
        sub_pictures = bits.flag()?;
        bits.skip(if sub_pictures { 19 } else { 0 })?;
        bits.skip(if sub_pictures { 12 } else { 8 })?;
        bits.skip(15)?;
    }
    for _ in 0..=sub_layers {
        let fixed = bits.flag()? || bits.flag()?;
        let low_delay = if fixed {
            bits.ue()?;
            false
        } else {
            bits.flag()?
        };
        let count = if low_delay { 0 } else { bits.ue_to(31)? };
        for _ in present.iter().filter(|&&present| present).flat_map(|_| 0..=count) {
            for _ in 0..if sub_pictures { 4 } else { 2 } {
                bits.ue()?;
            }
            bits.skip(1)?;
        }
    }
    Some(())
}
