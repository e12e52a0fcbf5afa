//! Slice headers (H.264 7.3.3).

use super::super::coding::bits::Bits;
use super::params::{Pps, Sps};

/// How the macroblocks of a slice are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    P,
    B,
    I,
}

/// A header as far as the slice data depends on it.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Address of the first macroblock; of the first pair's upper one where frame and field pairs mix.
    pub(super) first: u32,
    pub(super) kind: Kind,
    /// A field of its own.
    pub(super) field: bool,
    /// Pairs of macroblocks are coded as frame or field each (MBAFF).
    pub(super) pairs: bool,
    /// Rows of macroblocks in the picture, which may be a field.
    pub(super) rows: u32,
    /// References that may be named, in both lists.
    pub(super) references: [u32; 2],
    pub(super) qp: i32,
    /// Which probabilities arithmetic coding begins with: 0 for I slices, else `cabac_init_idc` + 1.
    pub(super) probabilities: usize,
    /// Bits before the slice data.
    pub(super) data: usize,
}

/// Why a header was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It ends inside, or holds values without a meaning.
    Wrong,
    /// What the walk does not follow.
    Beyond(&'static str),
}

/// `slice_pic_parameter_set_id`.
pub(super) fn parameter_set(rbsp: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(rbsp, 1);
    bits.ue()?;
    bits.ue()?;
    bits.ue_to(255)
}

impl Header {
    /// Reads the header of a unit with these `nal_unit_type` and `nal_ref_idc`.
    pub(super) fn read(rbsp: &[u8], unit: u8, reference: u8, sps: &Sps, pps: &Pps) -> Result<Self, Refusal> {
        let mut bits = Bits::new(rbsp, 1);
        let header = read(&mut bits, unit, reference, sps, pps).ok_or(Refusal::Wrong)??;
        let depth = 6 * (i32::try_from(sps.bit_depth_luma).unwrap_or(8) - 8);
        if !(-depth..=51).contains(&header.qp) || header.first >= sps.columns * header.rows {
            return Err(Refusal::Wrong);
        }
        Ok(header)
    }
}

fn read(
    bits: &mut Bits<'_>,
    unit: u8,
    reference: u8,
    sps: &Sps,
    pps: &Pps,
) -> Option<Result<Header, Refusal>> {
    const IDR: u8 = 5;
    let first = bits.ue_to(1 << 20)?;
    let kind = match bits.ue_to(9)? % 5 {
        0 => Kind::P,
        1 => Kind::B,
        2 => Kind::I,
        _ => return Some(Err(Refusal::Beyond("switching slices"))),
    };
    bits.ue()?;
    if sps.separate_planes {
        bits.skip(2)?;
    }
    bits.skip(sps.log2_frame_num as usize)?;
    let field = !sps.frames_only && bits.flag()?;
    if field {
        bits.skip(1)?;
    }
    if unit == IDR {
        bits.ue_to(65535)?;
    }
    if sps.order_type == 0 {
        bits.skip(sps.log2_order_lsb as usize)?;
        if pps.bottom_order && !field {
            bits.se()?;
        }
    } else if sps.order_type == 1 && !sps.order_always_zero {
        bits.se()?;
        if pps.bottom_order && !field {
            bits.se()?;
        }
    }
    if pps.redundant && bits.ue_to(127)? > 0 {
        return Some(Err(Refusal::Beyond("redundant pictures")));
    }
    let mut references = pps.references;
    if kind == Kind::B {
        bits.skip(1)?;
    }
    if kind != Kind::I {
        if bits.flag()? {
            references[0] = bits.ue_to(31)? + 1;
            if kind == Kind::B {
                references[1] = bits.ue_to(31)? + 1;
            }
        }
        for _ in 0..if kind == Kind::B { 2 } else { 1 } {
            modification(bits)?;
        }
        if (pps.weighted && kind == Kind::P) || (pps.weighted_bi == 1 && kind == Kind::B) {
            weights(bits, sps, kind, references)?;
        }
    }
    if reference != 0 {
        marking(bits, unit == IDR)?;
    }
    let probabilities = if pps.arithmetic && kind != Kind::I { bits.ue_to(2)? as usize + 1 } else { 0 };
    let qp = pps.init_qp.checked_add(bits.se()?)?;
    if pps.deblocking_control && bits.ue_to(2)? != 1 {
        bits.se().filter(|offset| (-6..=6).contains(offset))?;
        bits.se().filter(|offset| (-6..=6).contains(offset))?;
    }
    let pairs = sps.adaptive && !field;
    Some(Ok(Header {
        first: if pairs { first * 2 } else { first },
        kind,
        field,
        pairs,
        rows: if field { sps.rows / 2 } else { sps.rows },
        references,
        qp,
        probabilities,
        data: bits.position(),
    }))
}

/// `ref_pic_list_modification` of one list (7.3.3.1).
fn modification(bits: &mut Bits<'_>) -> Option<()> {
    const MOST: u32 = 66;
    if !bits.flag()? {
        return Some(());
    }
    for _ in 0..MOST {
        if bits.ue_to(3)? == 3 {
            return Some(());
        }
        bits.ue()?;
    }
    None
}

/// `pred_weight_table` (7.3.3.2).
fn weights(bits: &mut Bits<'_>, sps: &Sps, kind: Kind, references: [u32; 2]) -> Option<()> {
    bits.ue_to(7)?;
    if sps.chroma != 0 {
        bits.ue_to(7)?;
    }
    let lists = if kind == Kind::B { 2 } else { 1 };
    for count in references.into_iter().take(lists) {
        for _ in 0..count {
            for values in [2, 4] {
                if (values == 2 || sps.chroma != 0) && bits.flag()? {
                    for _ in 0..values {
                        bits.se().filter(|weight| (-128..=127).contains(weight))?;
                    }
                }
            }
        }
    }
    Some(())
}

/// `dec_ref_pic_marking` (7.3.3.3).
fn marking(bits: &mut Bits<'_>, is_idr: bool) -> Option<()> {
    const MOST: u32 = 66;
    if is_idr {
        return bits.skip(2);
    }
    if !bits.flag()? {
        return Some(());
    }
    for _ in 0..MOST {
        let operation = bits.ue_to(6)?;
        if operation == 0 {
            return Some(());
        }
        for _ in 0..[0, 1, 1, 2, 1, 0, 1].get(operation as usize).copied().unwrap_or(0) {
            bits.ue()?;
        }
    }
    None
}

/// `slice_type`, which stands in the first bytes.
pub(super) fn kind(rbsp: &[u8]) -> Option<Kind> {
    let mut bits = Bits::new(rbsp, 1);
    bits.ue()?;
    match bits.ue_to(9)? % 5 {
        0 => Some(Kind::P),
        1 => Some(Kind::B),
        2 => Some(Kind::I),
        _ => None,
    }
}
