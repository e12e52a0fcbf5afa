//! Walks through the entropy-coded data of a track's frames, to the last bit of each slice.
//!
//! Framing tells where slices begin; whether one ends where its blocks end tells whether its bytes are those that were
//! written. No sum guards it, so the encoder's word stands against ours: the track's own frames have to show that the walk
//! understands them, by more sound ones than flawed ones, before a flaw counts.

use super::super::{h264, hevc, vp8};
use super::nal::{Family, Framing};
use super::{Codec, Flaw};

/// Bytes and blocks of one track that are walked: some 15 million a second and core in arithmetic coding, thrice as many
/// in codes of variable length. The walk shall not take longer than reading a film does.
const MOST: u64 = 32 << 20;
/// What is kept of them for frames that need no other frame, on which all others build.
const FOR_INTRA: u64 = 16 << 20;

/// The walk through one track.
#[derive(Debug)]
pub struct CodedData {
    kind: Kind,
    left: u64,
    sound: u64,
    flawed: u64,
    first: Option<(u64, String)>,
}

#[derive(Debug)]
enum Kind {
    Avc(Framing, h264::ParameterSets),
    Hevc(Framing, hevc::ParameterSets),
    Vp8,
}

impl CodedData {
    /// `None`: nothing is known of the inside of this codec's frames.
    pub fn of(codec: &Codec) -> Option<Self> {
        let kind = match codec {
            Codec::Nal(framing) => match framing.family {
                Family::Avc => {
                    Kind::Avc(framing.clone(), h264::ParameterSets::of_configuration(&framing.record))
                }
                Family::Hevc => {
                    Kind::Hevc(framing.clone(), hevc::ParameterSets::of_configuration(&framing.record))
                }
            },
            Codec::Vp8 => Kind::Vp8,
            _ => return None,
        };
        Some(Self { kind, left: MOST, sound: 0, flawed: 0, first: None })
    }

    /// Walks a whole sample whose framing is right, at offset `at` of the file; `place` names it for people.
    pub fn walk(&mut self, sample: &[u8], at: u64, place: impl Fn() -> String) {
        let (sound, flaw) = match &mut self.kind {
            Kind::Avc(framing, sets) => walk_avc(framing, sets, sample, &mut self.left),
            Kind::Hevc(framing, sets) => walk_hevc(framing, sets, sample, &mut self.left),
            Kind::Vp8 => walk_vp8(sample, &mut self.left),
        };
        self.sound += sound;
        if let Some(flaw) = flaw {
            self.flawed += 1;
            self.first.get_or_insert_with(|| {
                (at.saturating_add(flaw.at as u64), format!("{}: {}", place(), flaw.what))
            });
        }
    }

    /// The first flaw, if flaws count in this track: its offset in the file, and where and what in words.
    pub fn flaw(self) -> Option<(u64, String)> {
        self.first.filter(|_| self.sound >= self.flawed)
    }
}

/// Sound parts and the first flaw.
type Seen = (u64, Option<Flaw>);

/// Whether `len` bytes may still be walked; they are taken off.
fn affordable(left: &mut u64, len: usize, intra: bool) -> bool {
    let Some(rest) = left.checked_sub(len as u64).filter(|&rest| intra || rest >= FOR_INTRA) else {
        return false;
    };
    *left = rest;
    true
}

/// Takes off the macroblocks or coding tree blocks that were walked: those that are skipped take time, but no bytes.
fn charge(left: &mut u64, blocks: u32) {
    *left = left.saturating_sub(blocks.into());
}

fn walk_avc(framing: &Framing, sets: &mut h264::ParameterSets, sample: &[u8], left: &mut u64) -> Seen {
    let mut sound = 0;
    let mut flaw = None;
    // Where the next slice must begin, as long as all before were walked.
    let mut next = Some(0);
    let mut last = 0;
    for (start, unit) in framing.units(sample) {
        match unit.first().copied().unwrap_or(0) & 31 {
            7 | 8 => sets.add(unit),
            1 | 5 => {
                if !affordable(left, unit.len(), h264::is_intra(unit)) {
                    next = None;
                    continue;
                }
                match h264::walk_slice(sets, unit) {
                    h264::Answer::Sound(extent) => {
                        charge(left, extent.to - extent.from);
                        let expected = next.filter(|&from| from != extent.from && extent.in_order);
                        if let Some(from) = expected {
                            let what = format!("a slice begins at macroblock {}, {from} is next", extent.from);
                            flaw.get_or_insert(Flaw::new(start, what));
                        } else {
                            sound += 1;
                        }
                        // Behind a picture, its second field may follow.
                        next = next.map(|_| if extent.to == extent.all { 0 } else { extent.to });
                    }
                    h264::Answer::NotFollowed(_) => next = None,
                    h264::Answer::Damaged { what, offset } => {
                        charge(left, sets.largest());
                        flaw.get_or_insert(Flaw::new(start + offset, what));
                        next = None;
                    }
                }
                last = start;
            }
            // Parts of slices, and the base of pictures of several views.
            2..=4 => next = None,
            _ => {}
        }
    }
    if let Some(at) = next.filter(|&at| at > 0 && flaw.is_none()) {
        flaw = Some(Flaw::new(last, format!("the slices end at macroblock {at}, before their picture does")));
    }
    (sound, flaw)
}

fn walk_hevc(framing: &Framing, sets: &mut hevc::ParameterSets, sample: &[u8], left: &mut u64) -> Seen {
    let units: Vec<(usize, &[u8])> = framing.units(sample).collect();
    let kind = |unit: &[u8]| unit.first().copied().unwrap_or(0) >> 1 & 63;
    let intra = units.iter().any(|(_, unit)| matches!(kind(unit), 16..=21));
    let parts: Vec<&[u8]> = units.iter().map(|&(_, unit)| unit).collect();
    let answer = if affordable(left, sample.len(), intra) {
        charge(left, sets.largest());
        hevc::walk(sets, &parts)
    } else {
        hevc::Answer::NotFollowed(String::new())
    };
    for unit in parts {
        sets.add(unit);
    }
    match answer {
        hevc::Answer::Sound => (1, None),
        hevc::Answer::NotFollowed(_) => (0, None),
        hevc::Answer::Damaged(damage) => {
            let start = units.get(damage.unit).map_or(0, |&(start, _)| start);
            (0, Some(Flaw::new(start + damage.offset, damage.what)))
        }
    }
}

fn walk_vp8(sample: &[u8], left: &mut u64) -> Seen {
    let is_key = sample.first().is_some_and(|tag| tag & 1 == 0);
    if !is_key || !affordable(left, sample.len(), true) {
        return (0, None);
    }
    // Sides in samples, 14 bits each (RFC 6386 9.1).
    let side = |at: usize| {
        let [low, high] = [at, at + 1].map(|at| u32::from(sample.get(at).copied().unwrap_or(0)));
        (low | (high & 63) << 8).div_ceil(16)
    };
    charge(left, side(6) * side(8));
    match vp8::walk_key_frame(sample) {
        Ok(()) => (1, None),
        Err(error) => {
            let at = error.offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
            (0, Some(Flaw::new(at, error.to_string())))
        }
    }
}
