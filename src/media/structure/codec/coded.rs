//! Walks through the entropy-coded data of a track's frames, to the last bit of each slice.
//!
//! Framing tells where slices begin; whether one ends where its blocks end tells whether its bytes are those that were
//! written. No sum guards it, so the encoder's word stands against ours: where several frames of one kind are flawed, as many
//! sound ones of that kind have to show that the walk understands this encoder before a flaw counts.

use std::collections::BTreeMap;

use super::super::{h264, hevc, vp8};
use super::nal::{Family, Framing, annex_b_units};
use super::{Codec, Flaw};

/// What may be walked of one track, in bytes and blocks: some 15 million a second and core in arithmetic coding, thrice as many
/// in codes of variable length. Frames that need no other frame, on which all others build:
const FOR_INTRA: u64 = 16 << 20;
/// All others.
const FOR_INTER: u64 = 16 << 20;
/// Of these a film's begin is walked whole, and then one part in so many: what covers that many frames is met, less may be missed. The
/// walk shall cost less than decoding the film (row `verify-video` of the benchmarks).
const AT_ONCE: u64 = 3 << 20;
const SHARE: u64 = 4;

/// The walk through one track.
#[derive(Debug)]
pub struct CodedData {
    kind: Kind,
    allowance: Allowance,
    tallies: BTreeMap<Coding, Tally>,
}

#[derive(Debug)]
enum Kind {
    Avc(Option<Framing>, h264::ParameterSets),
    Hevc(Framing, hevc::ParameterSets),
    Vp8(Box<vp8::Film>),
}

/// What was walked and what came by, in bytes and blocks.
#[derive(Debug, Default)]
struct Allowance {
    intra: u64,
    inter: u64,
    /// Of frames that need others, walked or not.
    seen: u64,
}

impl Allowance {
    /// Whether a frame of so many bytes and blocks is walked; it is counted.
    fn covers(&mut self, bytes: usize, blocks: u32, intra: bool) -> bool {
        let cost = (bytes as u64).saturating_add(blocks.into());
        let (walked, most) = if intra {
            (&mut self.intra, FOR_INTRA)
        } else {
            self.seen = self.seen.saturating_add(cost);
            (&mut self.inter, FOR_INTER.min(AT_ONCE + self.seen / SHARE))
        };
        let after = walked.saturating_add(cost);
        if after > most {
            return false;
        }
        *walked = after;
        true
    }
}

/// Frames and slices that encoders may code each in their own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Coding {
    Avc(Option<h264::Coding>),
    /// Of a picture that needs no other one, or of others.
    Hevc(bool),
    /// Key frames, or others.
    Vp8(bool),
}

/// What was seen of one kind.
#[derive(Debug, Default)]
struct Tally {
    sound: u64,
    flawed: u64,
    /// The first flaw: its offset in the file, and where and what in words.
    first: Option<(u64, String)>,
}

impl CodedData {
    /// `None`: nothing is known of the inside of this codec's frames.
    pub fn of(codec: &Codec) -> Option<Self> {
        let kind = match codec {
            Codec::Nal(framing) => match framing.family {
                Family::Avc => {
                    let sets = h264::ParameterSets::of_configuration(&framing.record);
                    Kind::Avc(Some(framing.clone()), sets)
                }
                Family::Hevc => {
                    Kind::Hevc(framing.clone(), hevc::ParameterSets::of_configuration(&framing.record))
                }
            },
            Codec::AnnexB(Family::Avc) => Kind::Avc(None, h264::ParameterSets::default()),
            Codec::Vp8 => Kind::Vp8(Box::default()),
            _ => return None,
        };
        Some(Self { kind, allowance: Allowance::default(), tallies: BTreeMap::new() })
    }

    /// Walks a whole sample whose framing is right, at offset `at` of the file; `place` names it for people.
    pub fn walk(&mut self, sample: &[u8], at: u64, place: impl Fn() -> String) {
        let mut seen = Seen { allowance: &mut self.allowance, parts: Vec::new() };
        match &mut self.kind {
            Kind::Avc(Some(framing), sets) => {
                seen.walk_avc(framing.units(sample), sample.len(), sets, Some(0));
            }
            // Packets of streams need not hold whole pictures.
            Kind::Avc(None, sets) => seen.walk_avc(annex_b_units(sample), sample.len(), sets, None),
            Kind::Hevc(framing, sets) => seen.walk_hevc(framing, sets, sample),
            Kind::Vp8(film) => seen.walk_vp8(film, sample),
        }
        for (coding, flaw) in seen.parts {
            let tally = self.tallies.entry(coding).or_default();
            match flaw {
                None => tally.sound += 1,
                Some(flaw) => {
                    tally.flawed += 1;
                    tally.first.get_or_insert_with(|| {
                        (at.saturating_add(flaw.at as u64), format!("{}: {}", place(), flaw.what))
                    });
                }
            }
        }
    }

    /// The first flaw that counts: its offset in the file, and where and what in words.
    pub fn flaw(self) -> Option<(u64, String)> {
        let counts = |tally: &Tally| tally.sound + 1 >= tally.flawed;
        self.tallies.into_values().filter(counts).filter_map(|tally| tally.first).min_by_key(|(at, _)| *at)
    }
}

/// What a sample shows.
struct Seen<'l> {
    allowance: &'l mut Allowance,
    /// Its slices or pictures; `None`: sound.
    parts: Vec<(Coding, Option<Flaw>)>,
}

impl Seen<'_> {
    /// Walks a sample of `len` bytes. `next` is where the next slice must begin, as long as all before were walked.
    fn walk_avc<'s>(
        &mut self,
        units: impl Iterator<Item = (usize, &'s [u8])>,
        len: usize,
        sets: &mut h264::ParameterSets,
        mut next: Option<u32>,
    ) {
        let mut last = None;
        let mut covered = None;
        for (start, unit) in units {
            match unit.first().copied().unwrap_or(0) & 31 {
                7 | 8 => sets.add(unit),
                1 | 5
                    if *covered.get_or_insert_with(|| {
                        self.allowance.covers(len, sets.largest(), h264::is_intra(unit))
                    }) =>
                {
                    let (coding, behind) = self.slice(sets, start, unit, next);
                    last = coding.map(|coding| (coding, start)).or(last);
                    next = behind;
                }
                // Not walked, or parts of slices.
                1..=5 => next = None,
                _ => {}
            }
        }
        if let (Some(at @ 1..), Some((coding, start))) = (next, last) {
            let what = format!("the slices end at macroblock {at}, before their picture does");
            self.parts.push((coding, Some(Flaw::new(start, what))));
        }
    }

    /// Gives the kind of a slice that was followed, and where the next one must begin, where that is known.
    fn slice(
        &mut self,
        sets: &h264::ParameterSets,
        start: usize,
        unit: &[u8],
        next: Option<u32>,
    ) -> (Option<Coding>, Option<u32>) {
        let (coding, flaw, behind) = match h264::walk_slice(sets, unit) {
            h264::Answer::NotFollowed(_) => return (None, None),
            h264::Answer::Sound(extent) => {
                let wrong = next.filter(|&from| from != extent.from && extent.in_order);
                let flaw = wrong.map(|from| {
                    let what = format!("a slice begins at macroblock {}, {from} is next", extent.from);
                    Flaw::new(start, what)
                });
                // Behind a picture, its second field may follow.
                let behind = if extent.to == extent.all { 0 } else { extent.to };
                (Some(extent.coding), flaw, next.filter(|_| extent.in_order).map(|_| behind))
            }
            h264::Answer::Damaged { what, offset, coding } => {
                (coding, Some(Flaw::new(start + offset, what)), None)
            }
        };
        self.parts.push((Coding::Avc(coding), flaw));
        (Some(Coding::Avc(coding)), behind)
    }

    fn walk_hevc(&mut self, framing: &Framing, sets: &mut hevc::ParameterSets, sample: &[u8]) {
        let units: Vec<(usize, &[u8])> = framing.units(sample).collect();
        let kind = |unit: &[u8]| unit.first().copied().unwrap_or(0) >> 1 & 63;
        let intra = units.iter().any(|(_, unit)| matches!(kind(unit), 16..=21));
        let parts: Vec<&[u8]> = units.iter().map(|&(_, unit)| unit).collect();
        if self.allowance.covers(sample.len(), sets.largest(), intra) {
            match hevc::walk(sets, &parts) {
                hevc::Answer::Sound => self.parts.push((Coding::Hevc(intra), None)),
                hevc::Answer::NotFollowed(_) => {}
                hevc::Answer::Damaged(damage) => {
                    let start = units.get(damage.unit).map_or(0, |&(start, _)| start);
                    let flaw = Flaw::new(start + damage.offset, damage.what);
                    self.parts.push((Coding::Hevc(intra), Some(flaw)));
                }
            }
        }
        for unit in parts {
            sets.add(unit);
        }
    }

    /// Frames build on what those before said of probabilities.
    fn walk_vp8(&mut self, film: &mut vp8::Film, sample: &[u8]) {
        let is_key = sample.first().is_some_and(|tag| tag & 1 == 0);
        let blocks = film.blocks(sample).map(|blocks| u32::try_from(blocks).unwrap_or(u32::MAX));
        if !blocks.is_some_and(|blocks| self.allowance.covers(sample.len(), blocks, is_key)) {
            film.lose();
            return;
        }
        let Some(answer) = film.walk(sample) else { return };
        let flaw = answer.err().map(|error| {
            let at = error.offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
            Flaw::new(at, error.to_string())
        });
        self.parts.push((Coding::Vp8(is_key), flaw));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    const FILM: &[u8] = include_bytes!("../../../../testdata/h264/cavlc.264");

    /// The configuration record and the frames of a film of two slices each, every unit behind its length.
    fn film() -> (Codec, Vec<Vec<u8>>) {
        let starts: Vec<usize> = memchr::memmem::find_iter(FILM, b"\0\0\x01").map(|at| at + 3).collect();
        let ends = starts.iter().skip(1).map(|next| next - 3).chain([FILM.len()]);
        let units = starts.iter().zip(ends).map(|(&start, end)| {
            let unit = &FILM[start..end];
            unit.strip_suffix(b"\0").unwrap_or(unit)
        });
        let (mut record, mut slices) = (vec![1, 66, 0, 10, 0xFF], Vec::new());
        for unit in units {
            let len = u16::try_from(unit.len()).unwrap().to_be_bytes();
            match unit[0] & 31 {
                7 | 8 => record.extend([&[1], &len[..], unit].concat()),
                _ => slices.push([&[0, 0], &len[..], unit].concat()),
            }
        }
        let codec = Codec::Nal(Framing::from_record(Family::Avc, &record).unwrap());
        (codec, slices.chunks(2).map(<[Vec<u8>]>::concat).collect())
    }

    fn look(codec: &Codec, frames: &[Vec<u8>]) -> Option<(u64, String)> {
        let mut coded = CodedData::of(codec).unwrap();
        for (at, frame) in frames.iter().enumerate() {
            assert_eq!(codec.check(frame), Ok(()));
            coded.walk(frame, at as u64 * 10_000, || format!("frame {at}"));
        }
        coded.flaw()
    }

    #[test]
    fn of_long_films_a_part_is_walked_everywhere() {
        let (mut allowance, frame, blocks) = (Allowance::default(), 32 << 10, 8 << 10);
        let each = u64::from(blocks) + frame as u64;
        let mut walked: Vec<bool> =
            (0..1200).map(|at| allowance.covers(frame, blocks, at % 30 == 0)).collect();
        assert!(walked.iter().step_by(30).all(|&walked| walked), "keyframes");
        let whole = usize::try_from((AT_ONCE * SHARE / (SHARE - 1)) / each).unwrap();
        assert!(walked[..whole].iter().all(|&walked| walked), "the begin");
        assert!(walked[whole + 60..].windows(30).all(|window| window.iter().any(|&walked| walked)));
        let others = |walked: &[bool]| walked.iter().filter(|&&walked| walked).count();
        assert!(others(&walked[900..]) < 100);
        // And no more than that, however long it is.
        walked.extend((0..10_000).map(|_| allowance.covers(frame, blocks, false)));
        assert_eq!(others(&walked[11_000..]), 0);
        assert!(allowance.inter <= FOR_INTER && allowance.intra <= FOR_INTRA);
    }

    #[test]
    fn a_flaw_is_told_with_its_place() {
        let (codec, mut frames) = film();
        assert_eq!((frames.len(), look(&codec, &frames)), (4, None));
        let middle = 4 + usize::from(frames[0][3]) / 2;
        frames[0][middle..middle + 4].copy_from_slice(b"\x55\xAA\x55\xAA");
        let (at, what) = look(&codec, &frames).unwrap();
        assert!((1..=frames[0].len() as u64).contains(&at));
        assert!(what.starts_with("frame 0: "), "{what}");
    }

    #[test]
    fn pictures_end_with_their_last_macroblock() {
        let (codec, mut frames) = film();
        let first = 4 + usize::from(u16::from_be_bytes([frames[1][2], frames[1][3]]));
        frames[1].truncate(first);
        assert!(look(&codec, &frames).unwrap().1.contains("before their picture does"));
    }

    #[test]
    fn an_encoder_that_is_not_understood_is_not_accused() {
        let (codec, mut frames) = film();
        // Bytes behind the last macroblock of every slice.
        for frame in &mut frames {
            let (mut at, mut longer) = (0, Vec::new());
            while at < frame.len() {
                let len = usize::from(u16::from_be_bytes([frame[at + 2], frame[at + 3]]));
                let unit = &frame[at + 4..at + 4 + len];
                longer.extend(
                    [&u32::try_from(len + 2).unwrap().to_be_bytes()[..], unit, &[0x55, 0x80]].concat(),
                );
                at += 4 + len;
            }
            *frame = longer;
        }
        assert_eq!(look(&codec, &frames), None);
    }
}
