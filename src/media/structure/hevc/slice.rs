//! Slice segment headers (H.265 7.3.6.1).

use super::super::coding::bits::Bits;
use super::params::{Pps, Sps, short_term_set};

/// How the blocks of a slice may be predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    B,
    P,
    #[default]
    I,
}

/// A header as far as the slice data depends on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    /// `slice_segment_address`, in raster scan.
    pub(super) address: u32,
    pub(super) dependent: bool,
    pub(super) kind: Kind,
    /// `initType`: which values contexts begin with.
    pub(super) contexts: usize,
    /// References that may be named, in both lists.
    pub(super) references: [u32; 2],
    /// `MaxNumMergeCand`.
    pub(super) merge_candidates: u32,
    /// `mvd_l1_zero_flag`.
    pub(super) second_is_zero: bool,
    pub(super) sao_luma: bool,
    pub(super) sao_chroma: bool,
    pub(super) qp: i32,
    pub(super) chroma_qp_offset: bool,
    /// Bytes of all substreams but the last, as stored.
    pub(super) entry_points: Vec<u32>,
    /// The byte where the slice data begins.
    pub(super) data: usize,
}

/// What is wrong with a header: it ends inside, or holds values without a meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) &'static str);

const CUT: Wrong = Wrong("slice header without a meaning");

/// The first bits: `first_slice_segment_in_pic_flag` and `slice_pic_parameter_set_id`.
pub(super) fn opening(rbsp: &[u8], kind: u8) -> Option<(bool, u32)> {
    let mut bits = Bits::new(rbsp, 2);
    let first = bits.flag()?;
    if (16..=23).contains(&kind) {
        bits.skip(1)?;
    }
    Some((first, bits.ue_to(63)?))
}

impl Segment {
    /// Reads the whole header. Dependent segments take what they do not say from `before`.
    pub(super) fn read(
        rbsp: &[u8],
        kind: u8,
        sps: &Sps,
        pps: &Pps,
        before: Option<&Self>,
    ) -> Result<Self, Wrong> {
        let mut bits = Bits::new(rbsp, 2);
        let bits = &mut bits;
        let (columns, rows) = sps.in_ctbs();
        let mut address = 0;
        let mut dependent = false;
        let first = bits.flag().ok_or(CUT)?;
        if (16..=23).contains(&kind) {
            bits.flag().ok_or(CUT)?;
        }
        bits.ue().ok_or(CUT)?;
        if !first {
            dependent = pps.dependent_segments && bits.flag().ok_or(CUT)?;
            let ctbs = columns.saturating_mul(rows);
            address = bits.number(u32::BITS - (ctbs - 1).leading_zeros()).ok_or(CUT)?;
            if address == 0 || address >= ctbs {
                return Err(Wrong("slice segment that begins outside the picture"));
            }
        }
        let mut segment = if dependent {
            before.cloned().ok_or(Wrong("dependent slice segment without a slice"))?
        } else {
            Self::default()
        };
        segment.address = address;
        segment.dependent = dependent;
        if !dependent {
            segment.independent(bits, kind, sps, pps)?;
        }
        segment.entry_points.clear();
        if pps.tiles.is_some() || pps.wavefronts {
            segment.read_entry_points(bits, columns, rows).ok_or(CUT)?;
        }
        if pps.header_extension {
            let len = bits.ue_to(256).ok_or(CUT)?;
            bits.skip(len as usize * 8).ok_or(CUT)?;
        }
        // byte_alignment()
        if bits.flag() != Some(true) {
            return Err(Wrong("slice header that does not end where it should"));
        }
        while !bits.position().is_multiple_of(8) {
            if bits.flag() != Some(false) {
                return Err(Wrong("slice header that does not end where it should"));
            }
        }
        segment.data = bits.position() / 8;
        Ok(segment)
    }

    fn independent(&mut self, bits: &mut Bits<'_>, kind: u8, sps: &Sps, pps: &Pps) -> Result<(), Wrong> {
        bits.skip(pps.extra_bits).ok_or(CUT)?;
        match bits.ue().ok_or(CUT)? {
            2 => self.kind = Kind::I,
            0 if !(16..=23).contains(&kind) => self.kind = Kind::B,
            1 if !(16..=23).contains(&kind) => self.kind = Kind::P,
            _ => return Err(Wrong("slice of an impossible type")),
        }
        if pps.output_flag {
            bits.skip(1).ok_or(CUT)?;
        }
        // IDR pictures have no references.
        let (current, temporal) =
            if matches!(kind, 19 | 20) { (0, false) } else { references(bits, sps).ok_or(CUT)? };
        if sps.sao {
            self.sao_luma = bits.flag().ok_or(CUT)?;
            self.sao_chroma = sps.chroma != 0 && bits.flag().ok_or(CUT)?;
        }
        if self.kind != Kind::I {
            self.prediction(bits, sps, pps, current, temporal).ok_or(CUT)?;
        }
        self.quantisation(bits, pps).ok_or(CUT)?;
        let bit_depth_offset = 6 * (i32::try_from(sps.bit_depth_luma).unwrap_or(8) - 8);
        if !(-bit_depth_offset..=51).contains(&self.qp) {
            return Err(Wrong("slice with an impossible quantisation"));
        }
        Ok(())
    }

    /// What P and B slices say of their references; `current` is `NumPicTotalCurr`.
    fn prediction(
        &mut self,
        bits: &mut Bits<'_>,
        sps: &Sps,
        pps: &Pps,
        current: u32,
        temporal: bool,
    ) -> Option<()> {
        let is_b = self.kind == Kind::B;
        self.references = pps.references;
        if bits.flag()? {
            self.references[0] = bits.ue_to(14)? + 1;
            if is_b {
                self.references[1] = bits.ue_to(14)? + 1;
            }
        }
        let lists = if is_b { 2 } else { 1 };
        if pps.lists_modified && current > 1 {
            for count in self.references.into_iter().take(lists) {
                if bits.flag()? {
                    bits.skip((count * ceil_log2(current)) as usize)?;
                }
            }
        }
        self.second_is_zero = is_b && bits.flag()?;
        let swapped = pps.contexts_flag && bits.flag()?;
        self.contexts = if is_b == swapped { 1 } else { 2 };
        if temporal {
            let from_second = is_b && !bits.flag()?;
            if self.references.get(usize::from(from_second)).is_some_and(|&count| count > 1) {
                bits.ue_to(15)?;
            }
        }
        if (pps.weighted && !is_b) || (pps.weighted_bi && is_b) {
            weights(bits, sps, self.references.get(..lists)?)?;
        }
        self.merge_candidates = 5 - bits.ue_to(4)?;
        Some(())
    }

    fn quantisation(&mut self, bits: &mut Bits<'_>, pps: &Pps) -> Option<()> {
        self.qp = pps.init_qp.checked_add(bits.se()?)?;
        if pps.slice_chroma_qp {
            bits.se()?;
            bits.se()?;
        }
        self.chroma_qp_offset = pps.chroma_qp_lists.is_some() && bits.flag()?;
        let mut disabled = pps.deblocking_disabled;
        if pps.deblocking_override && bits.flag()? {
            disabled = bits.flag()?;
            if !disabled {
                bits.se()?;
                bits.se()?;
            }
        }
        if pps.filter_across_slices && (self.sao_luma || self.sao_chroma || !disabled) {
            bits.skip(1)?;
        }
        Some(())
    }

    fn read_entry_points(&mut self, bits: &mut Bits<'_>, columns: u32, rows: u32) -> Option<()> {
        let count = bits.ue_to(columns.saturating_mul(rows))?;
        if count > 0 {
            let len = bits.ue_to(31)? + 1;
            for _ in 0..count {
                self.entry_points.push(bits.number(len)?.checked_add(1)?);
            }
        }
        Some(())
    }
}

const fn ceil_log2(count: u32) -> u32 {
    u32::BITS - count.saturating_sub(1).leading_zeros()
}

/// `pred_weight_table` (7.3.6.3), only to get behind it.
fn weights(bits: &mut Bits<'_>, sps: &Sps, references: &[u32]) -> Option<()> {
    bits.ue_to(7)?;
    if sps.chroma != 0 {
        bits.se()?;
    }
    for &count in references {
        let luma = bits.number(count)?;
        let chroma = if sps.chroma == 0 { 0 } else { bits.number(count)? };
        for index in (0..count).rev() {
            let values = 2 * (luma >> index & 1) + 4 * (chroma >> index & 1);
            (0..values).try_for_each(|_| bits.se().map(|_| ()))?;
        }
    }
    Some(())
}

/// Picture order count and reference picture sets; gives `NumPicTotalCurr` and `slice_temporal_mvp_enabled_flag`.
fn references(bits: &mut Bits<'_>, sps: &Sps) -> Option<(u32, bool)> {
    bits.number(sps.log2_poc_lsb)?;
    let count = u32::try_from(sps.short_term.len()).ok()?;
    let own;
    let set = if bits.flag()? {
        let index = if count > 1 { bits.number(ceil_log2(count))? } else { 0 };
        sps.short_term.get(index as usize)?
    } else {
        own = short_term_set(bits, count, count, &sps.short_term)?;
        &own
    };
    let mut current = set.iter().filter(|(_, used)| *used).count();
    if let Some(in_sps) = &sps.long_term {
        let known = u32::try_from(in_sps.len()).ok()?;
        let from_sps = if known > 0 { bits.ue_to(33)? } else { 0 };
        let own = bits.ue_to(33)?;
        for index in 0..from_sps + own {
            let used = if index < from_sps {
                in_sps.get(bits.number(ceil_log2(known))? as usize).copied()?
            } else {
                bits.number(sps.log2_poc_lsb + 1)? & 1 == 1
            };
            current += usize::from(used);
            if bits.flag()? {
                bits.ue()?;
            }
        }
    }
    let temporal = sps.temporal_mvp && bits.flag()?;
    Some((u32::try_from(current).ok()?, temporal))
}
