//! H.264 (ITU-T H.264): a complete parse of slices without reconstruction.
//!
//! Neither arithmetic coding nor codes of variable length have marks inside a slice, so a decoder that meets wrong bytes
//! paints on and says nothing, or hides what it lacks. But a sound slice ends at one bit only: behind its last
//! macroblock come the stop bit and zeros (7.3.2.8, 7.3.2.11). From wrong bytes on, the parse is out of step, and it does
//! not get back to that bit by chance. Parsing depends on nothing outside the slice but the parameter sets (6.4.8).
//!
//! Progressive and interlaced pictures, fields and pairs (MBAFF), I, P and B slices of all profiles with one layer.
//! Not followed: data partitioning, slice groups, redundant pictures, switching slices, further layers and views.

mod around;
mod cabac;
mod cavlc;
mod coding;
mod inter;
mod params;
mod residual;
mod slice;
mod slice_data;
mod tables;
#[cfg(test)]
mod tests;
mod vlc;

use std::collections::BTreeMap;

use super::bmff::be16;
use super::coding::bits::Rbsp;
use cabac::Cabac;
use cavlc::Cavlc;
use params::{Pps, Sps};
use slice::{Header, Kind, Refusal};
use slice_data::Slice;

/// What the walk of a slice says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It ends where its macroblocks end.
    Sound(Extent),
    /// Something that the walk does not follow; nothing is said about the bytes.
    NotFollowed(&'static str),
    /// What no encoder writes.
    Damaged {
        /// What was noticed.
        what: String,
        /// Where in the unit it was noticed, in bytes as stored. What is wrong stands there or before.
        offset: usize,
        /// The kind of slice, as far as its header could be read.
        coding: Option<Coding>,
    },
}

/// The kinds of slices that encoders may code each in their own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coding {
    kind: Kind,
    field: bool,
    pairs: bool,
}

/// Which macroblocks of its picture a slice has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first one's address.
    pub from: u32,
    /// The address behind the last one.
    pub to: u32,
    /// Macroblocks of the whole picture, which may be a field.
    pub all: u32,
    /// The kind of slice.
    pub coding: Coding,
    /// Slices of the picture come one after the other (all profiles but Baseline and Extended).
    pub in_order: bool,
}

/// Sequence and picture parameter sets by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    sequence: BTreeMap<u32, Sps>,
    picture: BTreeMap<u32, Pps>,
}

const SPS: u8 = 7;
const PPS: u8 = 8;

impl ParameterSets {
    /// The sets in an AVC decoder configuration record (ISO/IEC 14496-15 5.3.3), the content of `avcC`.
    pub fn of_configuration(record: &[u8]) -> Self {
        let mut sets = Self::default();
        let mut at = 5;
        for mask in [31, 255] {
            let count = record.get(at).copied().unwrap_or(0) & mask;
            at += 1;
            for _ in 0..count {
                let Some(size) = be16(record, at).map(usize::from) else { return sets };
                sets.add(record.get(at + 2..at + 2 + size).unwrap_or_default());
                at += 2 + size;
            }
        }
        sets
    }

    /// Macroblocks of the largest picture.
    pub fn largest(&self) -> u32 {
        self.sequence.values().map(|sps| sps.columns * sps.rows).max().unwrap_or(0)
    }

    /// Takes a NAL unit if it is a parameter set that can be read. An unreadable set makes all of its kind unknown.
    pub fn add(&mut self, unit: &[u8]) {
        let kind = unit.first().copied().unwrap_or(0) & 31;
        if kind == SPS {
            match Sps::read(&Rbsp::of(unit).bytes) {
                Some((id, set)) => drop(self.sequence.insert(id, set)),
                None => self.sequence.clear(),
            }
        } else if kind == PPS {
            match Pps::read(&Rbsp::of(unit).bytes) {
                Some((id, set)) => drop(self.picture.insert(id, set)),
                None => self.picture.clear(),
            }
        }
    }
}

/// Whether a NAL unit is a slice that needs no other picture: of an IDR picture, or of type I.
pub fn is_intra(unit: &[u8]) -> bool {
    let kind = unit.first().copied().unwrap_or(0) & 31;
    // The slice type stands within the first few bytes.
    let head = Rbsp::of(unit.get(..unit.len().min(16)).unwrap_or_default());
    kind == 5 || (kind == 1 && slice::kind(&head.bytes) == Some(Kind::I))
}

/// Walks one slice: a NAL unit of type 1 or 5, without length and start code.
pub fn walk_slice(sets: &ParameterSets, unit: &[u8]) -> Answer {
    let wrong = |what: &str, offset: usize| Answer::Damaged {
        what: what.into(),
        offset: offset.min(unit.len()),
        coding: None,
    };
    let first = unit.first().copied().unwrap_or(0);
    if !matches!(first & 31, 1 | 5) {
        return Answer::NotFollowed("no slice of the base view in one part");
    }
    let rbsp = Rbsp::of(unit);
    let Some(id) = slice::parameter_set(&rbsp.bytes) else {
        return wrong("slice header without a meaning", 1);
    };
    let Some(pps) = sets.picture.get(&id) else {
        return Answer::NotFollowed("picture parameter set that is not there or not read");
    };
    let Some(sps) = sets.sequence.get(&pps.sps) else {
        return Answer::NotFollowed("sequence parameter set that is not there or not read");
    };
    if pps.groups {
        return Answer::NotFollowed("slice groups");
    }
    let header = match Header::read(&rbsp.bytes, first & 31, first >> 5 & 3, sps, pps) {
        Ok(header) => header,
        Err(Refusal::Beyond(what)) => return Answer::NotFollowed(what),
        Err(Refusal::Wrong) => return wrong("slice header without a meaning", 1),
    };
    let (outcome, address, position) = if pps.arithmetic {
        let from = header.data.div_ceil(8);
        let mut slice =
            Slice::new(sps, pps, &header, Cabac::new(&rbsp.bytes, from, header.probabilities, header.qp));
        (slice.walk(), slice.address, slice.position())
    } else {
        let Some(coding) = Cavlc::new(&rbsp.bytes, header.data) else {
            return wrong("slice without a stop bit", unit.len());
        };
        let mut slice = Slice::new(sps, pps, &header, coding);
        (slice.walk(), slice.address, slice.position())
    };
    let all = sps.columns * header.rows;
    let coding = Coding { kind: header.kind, field: header.field, pairs: header.pairs };
    match outcome {
        Ok(()) => {
            Answer::Sound(Extent { from: header.first, to: address, all, coding, in_order: !sps.any_order })
        }
        Err(coding::Stop(what)) => Answer::Damaged {
            what: format!("{what} (macroblock {address} of {all})"),
            offset: rbsp.stored(position / 8).min(unit.len()),
            coding: Some(coding),
        },
    }
}
