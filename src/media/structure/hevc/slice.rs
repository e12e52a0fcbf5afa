//! Slice segment headers of intra slices (H.265 7.3.6.1).

use super::bits::Bits;
use super::params::{Pps, Sps, short_term_set};

/// A header as far as the slice data depends on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    /// `slice_segment_address`, in raster scan.
    pub(super) address: u32,
    pub(super) dependent: bool,
    pub(super) sao_luma: bool,
    pub(super) sao_chroma: bool,
    pub(super) qp: i32,
    pub(super) chroma_qp_offset: bool,
    /// Bytes of all substreams but the last, as stored.
    pub(super) entry_points: Vec<u32>,
    /// The byte where the slice data begins.
    pub(super) data: usize,
}

/// Why a header was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It ends inside, or holds values without a meaning.
    Wrong(&'static str),
    /// A slice of inter prediction.
    Inter,
}

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
    ) -> Result<Self, Refusal> {
        const CUT: Refusal = Refusal::Wrong("slice header without a meaning");
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
                return Err(Refusal::Wrong("slice segment that begins outside the picture"));
            }
        }
        let mut segment = if dependent {
            before.cloned().ok_or(Refusal::Wrong("dependent slice segment without a slice"))?
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
            return Err(Refusal::Wrong("slice header that does not end where it should"));
        }
        while !bits.position().is_multiple_of(8) {
            if bits.flag() != Some(false) {
                return Err(Refusal::Wrong("slice header that does not end where it should"));
            }
        }
        segment.data = bits.position() / 8;
        Ok(segment)
    }

    fn independent(&mut self, bits: &mut Bits<'_>, kind: u8, sps: &Sps, pps: &Pps) -> Result<(), Refusal> {
        const CUT: Refusal = Refusal::Wrong("slice header without a meaning");
        bits.skip(pps.extra_bits).ok_or(CUT)?;
        match bits.ue().ok_or(CUT)? {
            2 => {}
            0 | 1 if !(16..=23).contains(&kind) => return Err(Refusal::Inter),
            _ => return Err(Refusal::Wrong("slice of an impossible type")),
        }
        if pps.output_flag {
            bits.skip(1).ok_or(CUT)?;
        }
        // IDR pictures have no references.
        if !matches!(kind, 19 | 20) {
            references(bits, sps).ok_or(CUT)?;
        }
        self.quantisation(bits, sps, pps).ok_or(CUT)?;
        let bit_depth_offset = 6 * (i32::try_from(sps.bit_depth_luma).unwrap_or(8) - 8);
        if !(-bit_depth_offset..=51).contains(&self.qp) {
            return Err(Refusal::Wrong("slice with an impossible quantisation"));
        }
        Ok(())
    }

    fn quantisation(&mut self, bits: &mut Bits<'_>, sps: &Sps, pps: &Pps) -> Option<()> {
        if sps.sao {
            self.sao_luma = bits.flag()?;
            self.sao_chroma = sps.chroma != 0 && bits.flag()?;
        }
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

/// Picture order count and reference picture sets, only to get behind them.
fn references(bits: &mut Bits<'_>, sps: &Sps) -> Option<()> {
    let ceil_log2 = |count: u32| u32::BITS - count.saturating_sub(1).leading_zeros();
    bits.number(sps.log2_poc_lsb)?;
    let count = u32::try_from(sps.short_term.len()).ok()?;
    if !bits.flag()? {
        short_term_set(bits, count, count, &sps.short_term)?;
    } else if count > 1 {
        bits.number(ceil_log2(count))?;
    }
    if let Some(in_sps) = sps.long_term {
        let from_sps = if in_sps > 0 { bits.ue_to(33)? } else { 0 };
        let own = bits.ue_to(33)?;
        for index in 0..from_sps + own {
            if index < from_sps {
                bits.number(ceil_log2(in_sps))?;
            } else {
                bits.number(sps.log2_poc_lsb + 1)?;
            }
            if bits.flag()? {
                bits.ue()?;
            }
        }
    }
    if sps.temporal_mvp {
        bits.skip(1)?;
    }
    Some(())
}
