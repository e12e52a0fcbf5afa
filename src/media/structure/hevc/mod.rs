//! HEVC pictures (ITU-T H.265): a complete parse of slices without reconstruction.
//!
//! Arithmetic coding has no marks inside a slice, so a decoder that meets wrong bytes paints on to the last block and
//! says nothing. But a sound slice ends at one bit only: its `end_of_slice_segment_flag` comes after its last block,
//! the bit read last is the stop bit, and only zeros stand behind (7.3.2.9, 9.3.2.5). From wrong bytes on, the parse
//! is out of step, and it does not get back to that bit by chance.
//!
//! Parsing depends on no other picture: I, P and B slices alike.
//!
//! ```ignore
//! let sets = ParameterSets::of_configuration(hvcc)?;      // content of `hvcC`, or:
//! sets.add(unit);                                         // SPS and PPS units one by one
//! match hevc::walk(&sets, &units) {                 // all NAL units of one access unit, without lengths
//!     Answer::Sound => {}                                 // every slice ends where its blocks end
//!     Answer::NotFollowed(why) => {}                      // says nothing about the bytes
//!     Answer::Damaged(damage) => {}                       // no encoder writes this
//! }
//! ```

mod cabac;
mod inter;
mod params;
mod picture;
mod residual;
mod slice;
mod tables;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;

use super::bmff::be16;
use super::coding::bits::Rbsp;
use params::{Pps, Sps};
use picture::Picture;
use slice::{Segment, Wrong};

/// What the walk of a picture says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All slices end where their blocks end, and they cover the picture.
    Sound,
    /// Something that the walk does not follow; nothing is said about the bytes.
    NotFollowed(String),
    /// What no encoder writes.
    Damaged(Damage),
}

/// Where a picture is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What was noticed.
    pub what: String,
    /// In which of the NAL units.
    pub unit: usize,
    /// Where in that unit it was noticed, in bytes as stored. What is wrong stands there or before.
    pub offset: usize,
    /// Luma samples from the top that the walk read soundly to the end of a slice, row or tile.
    pub sound_rows: u32,
    /// Luma samples of the picture's height, 0 where not known.
    pub rows: u32,
}

/// Sequence and picture parameter sets by their ids.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    sequence: BTreeMap<u32, Sps>,
    picture: BTreeMap<u32, Pps>,
}

const SPS: u8 = 33;
const PPS: u8 = 34;

impl ParameterSets {
    /// The sets in an HEVC decoder configuration record (ISO/IEC 14496-15 8.3.3), the content of `hvcC`.
    pub fn of_configuration(record: &[u8]) -> Self {
        let mut sets = Self::default();
        for unit in configuration_units(record) {
            sets.add(unit);
        }
        sets
    }

    /// Takes a NAL unit if it is a parameter set that can be read. An unreadable set removes the one of old.
    pub fn add(&mut self, unit: &[u8]) {
        let Some(header) = Header::of(unit).filter(|header| header.layer == 0) else { return };
        if header.kind != SPS && header.kind != PPS {
            return;
        }
        let rbsp = Rbsp::of(unit);
        if header.kind == SPS {
            self.sequence.extend(Sps::read(&rbsp.bytes));
        } else {
            self.picture.extend(Pps::read(&rbsp.bytes));
        }
    }

    /// Coding tree blocks of the largest picture.
    pub fn largest(&self) -> u32 {
        let blocks = |sps: &Sps| {
            let (columns, rows) = sps.in_ctbs();
            columns.saturating_mul(rows)
        };
        self.sequence.values().map(blocks).max().unwrap_or(0)
    }

    /// Width and height of the pictures as coded, if there is one sequence parameter set only.
    pub fn coded_size(&self) -> Option<(u32, u32)> {
        let mut sets = self.sequence.values();
        sets.next().filter(|_| sets.next().is_none()).map(|sps| (sps.width, sps.height))
    }
}

/// The NAL units of a configuration record, as far as they are there.
pub fn configuration_units(record: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut at = 23;
    for _ in 0..record.get(22).copied().unwrap_or(0) {
        let Some(count) = be16(record, at + 1) else { break };
        at += 3;
        for _ in 0..count {
            let Some(unit) = be16(record, at).and_then(|len| record.get(at + 2..at + 2 + usize::from(len)))
            else {
                return units;
            };
            at += 2 + unit.len();
            units.push(unit);
        }
    }
    units
}

/// 7.3.1.2.
#[derive(Clone, Copy)]
struct Header {
    kind: u8,
    layer: u8,
    is_legal: bool,
}

impl Header {
    fn of(unit: &[u8]) -> Option<Self> {
        let [first, second] = *unit.first_chunk::<2>()?;
        Some(Self {
            kind: first >> 1 & 63,
            layer: (first & 1) << 5 | second >> 3,
            is_legal: first & 0x80 == 0 && second & 7 != 0,
        })
    }
}

/// Walks the NAL units of one picture (or of several), without length fields and start codes.
pub fn walk(sets: &ParameterSets, units: &[&[u8]]) -> Answer {
    let mut walk = PictureWalk { sets: sets.clone(), picture: None, not_followed: None, pictures: 0 };
    for (index, unit) in units.iter().enumerate() {
        if let Err(mut damage) = walk.unit(unit) {
            damage.unit = index;
            return Answer::Damaged(damage);
        }
    }
    if let Err(mut damage) = walk.finish() {
        damage.unit = units.len().saturating_sub(1);
        damage.offset = units.last().map_or(0, |unit| unit.len());
        return Answer::Damaged(damage);
    }
    match walk.not_followed {
        Some(why) => Answer::NotFollowed(why),
        None if walk.pictures == 0 => Answer::NotFollowed("no picture among the units".into()),
        None => Answer::Sound,
    }
}

struct PictureWalk {
    sets: ParameterSets,
    picture: Option<Picture>,
    not_followed: Option<String>,
    pictures: u32,
}

impl PictureWalk {
    fn unit(&mut self, unit: &[u8]) -> Result<(), Damage> {
        let damage =
            |what: &str, offset| Damage { what: what.into(), unit: 0, offset, sound_rows: 0, rows: 0 };
        let header = Header::of(unit)
            .filter(|header| header.is_legal)
            .ok_or_else(|| damage("NAL unit with an impossible header", 0))?;
        if header.layer != 0 {
            return Ok(());
        }
        match header.kind {
            SPS | PPS => self.sets.add(unit),
            0..=9 | 16..=23 if self.not_followed.is_none() => self.slice(unit, header.kind)?,
            _ => {}
        }
        Ok(())
    }

    fn slice(&mut self, unit: &[u8], kind: u8) -> Result<(), Damage> {
        let damage =
            |what: &str, sound_rows, rows| Damage { what: what.into(), unit: 0, offset: 2, sound_rows, rows };
        let rbsp = Rbsp::of(unit);
        let (is_first, id) = slice::opening(&rbsp.bytes, kind)
            .ok_or_else(|| damage("slice header without a meaning", 0, 0))?;
        if is_first {
            self.finish()?;
            match self.begin(id) {
                Ok(picture) => self.picture = Some(picture),
                Err(why) => {
                    self.not_followed = Some(why.into());
                    return Ok(());
                }
            }
            self.pictures += 1;
        }
        let Some(picture) = self.picture.as_mut() else {
            return Err(damage("slice of a picture that did not begin", 0, 0));
        };
        let (sound_rows, rows) = (picture.rows_read(), picture.sps().height);
        let read = Segment::read(&rbsp.bytes, kind, picture.sps(), picture.pps(), picture.last.as_ref());
        let segment = match read {
            Ok(segment) => segment,
            Err(Wrong(what)) => return Err(damage(what, sound_rows, rows)),
        };
        let oddity = picture.segment(&rbsp, &segment).map_err(|failure| Damage {
            what: failure.what,
            unit: 0,
            offset: rbsp.stored(failure.at).min(unit.len()),
            sound_rows: failure.rows_before,
            rows,
        })?;
        if let Some(oddity) = oddity {
            self.not_followed = Some(oddity.into());
        }
        picture.last = Some(segment);
        Ok(())
    }

    /// A picture with the parameter sets that its first slice names.
    fn begin(&self, id: u32) -> Result<Picture, &'static str> {
        let pps = self.sets.picture.get(&id).ok_or("picture parameter set that is not there or not read")?;
        let sps =
            self.sets.sequence.get(&pps.sps).ok_or("sequence parameter set that is not there or not read")?;
        if let Some(beyond) = sps.beyond.or(pps.beyond) {
            return Err(beyond);
        }
        Picture::new(sps.clone(), pps.clone()).ok_or("tiles that do not fit the picture")
    }

    /// Behind the last slice of a picture.
    fn finish(&mut self) -> Result<(), Damage> {
        let Some(picture) = self.picture.take() else { return Ok(()) };
        match picture.missing() {
            Some(what) if self.not_followed.is_none() => Err(Damage {
                what,
                unit: 0,
                offset: 0,
                sound_rows: picture.rows_read(),
                rows: picture.sps().height,
            }),
            _ => Ok(()),
        }
    }
}
