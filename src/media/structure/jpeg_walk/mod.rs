//! A strict walk of the Huffman-coded data of JPEG pictures: sequential, progressive (ITU-T T.81 annexes F and G) and
//! lossless (annex H). It makes no pixels: it follows codes, and wants every scan to end exactly where its last unit does.
//!
//! Decoders for display forgive much of what is checked here. Forgiven here are up to
//! [`SPARE_BYTES`](super::jpeg::SPARE_BYTES) bytes before a marker and any padding bits, which sound files of some cameras
//! have. For sequential pictures the walk takes several coefficients with each look-up, and costs less than half of the
//! cheapest decoding: verdicts without pixels need nothing else.
//!
//! Use [`walk`] for files, [`walk_stream`] for strips, tiles and previews inside other files.

mod band;
mod bits;
mod contrast;
mod dc;
mod edges;
mod first;
mod gathered;
mod geometry;
mod kept;
mod levels;
mod look;
mod lossless;
mod padding;
mod part;
mod refining;
mod samples;
mod seam;
mod sector;
mod select;
mod sequential;
mod shape;
mod shift;
mod slots;
mod standard;
mod stretch;
mod supply;
mod suspect;
mod tables;
mod tear;
#[cfg(test)]
mod tests;
mod trail;
mod walker;
mod waves;

use super::jpeg::{self, Outline};
use crate::model::DecodeError;
use bits::Bits;
pub use kept::bytes as bytes_kept;
use padding::Padding;
pub use sector::lost_sector;
use walker::Walker;

/// What the walk says.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Every scan is exactly right.
    Sound,
    /// A kind of JPEG that this walk does not follow: nothing is known.
    NotFollowed(&'static str),
    /// Wrong: what, and where.
    Wrong(Flaw),
}

/// What is wrong with a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Flaw {
    /// With the offset from the start of the bytes that were walked.
    pub error: DecodeError,
    /// Share of the picture's height, from the top, that was coded before it (0 to 1), where that can be told.
    pub sound_until: Option<f32>,
}

/// Walks all scans of a picture whose outline is known.
///
/// Also follows what there is of a picture whose outline has a problem, to tell how far it is sound: the answer is then about
/// the scans before the problem.
pub fn walk(bytes: &[u8], outline: &Outline) -> Answer {
    Walker::new(outline, bytes.len())
        .map_or_else(Answer::NotFollowed, |mut walker| walker.answer(bytes, outline))
}

/// Walks all scans of a picture, and gives the coefficients of the units to whoever makes pixels of them, in the same pass.
///
/// That is done for pictures of 8 bits, sequential ones whose data comes in one scan, and progressive ones: `pull` is called once, and
/// asks for one unit after another. What it does not ask for is walked all the same. Others are walked only; `pull` is not called.
pub fn walk_and_supply<'a>(bytes: &[u8], outline: &'a Outline, pull: Pull<'a>) -> Answer {
    Walker::new(outline, bytes.len()).map_or_else(Answer::NotFollowed, |mut walker| {
        walker.pull = Some(pull);
        walker.answer(bytes, outline)
    })
}

/// Who wants the coefficients of a picture.
pub struct Pull<'a> {
    /// Of progressive pictures, frequencies across and down of the components with the finest sampling that are looked at, of others
    /// so many more as they are sampled more coarsely; 0 if none are. Of sequential ones all are given.
    pub heard: usize,
    /// Asks for one unit after another.
    pub take: &'a mut dyn FnMut(&mut dyn Units),
}

/// Coefficients of a picture, unit by unit.
pub trait Units {
    /// Fills the blocks of the next unit, which come zeroed, with quantised coefficients in natural order (rows of eight). `false`
    /// where there are no more, or where the data is wrong.
    fn next(&mut self, blocks: &mut [[i16; 64]]) -> bool;

    /// The quantisation table of a component (0 is the frame's first), in natural order; `None` where the file has none.
    fn steps(&self, component: usize) -> Option<[u16; 64]>;
}

/// Walks one JPEG stream inside another file: a strip or tile of TIFF, DNG or another raw format, a preview.
///
/// `tables` is an abbreviated stream with tables only (TIFF's JPEGTables, tag 347), used where `bytes` does not bring its own.
/// All that [`walk`] follows is followed, lossless JPEG (SOF3) too, with 2 to 16 bits per sample. Bytes behind the EOI marker
/// are ignored, and a missing one is no flaw when all data is there. Makers' formats that only look like lossless JPEG
/// (Hasselblad's, with pairs of interleaved codes) give a wrong answer: know the maker.
pub fn walk_stream(tables: Option<&[u8]>, bytes: &[u8]) -> Answer {
    let outline = jpeg::walk(bytes);
    let answer = match Walker::new(&outline, bytes.len()) {
        Err(why) => Answer::NotFollowed(why),
        Ok(mut walker) => {
            walker.abbreviated = true;
            if let Some(tables) = tables {
                walker.take_tables(tables);
            }
            walker.answer(bytes, &outline)
        }
    };
    match (answer, outline.problem) {
        (Answer::Wrong(flaw), _) => Answer::Wrong(flaw),
        (_, Some(error)) if error.damage().is_some() => Answer::Wrong(Flaw { error, sound_until: None }),
        (answer, _) => answer,
    }
}

/// What can go wrong inside a unit; the scan gives it a place.
enum Slip {
    /// The data of the segment is used up.
    Ended,
    /// A code that does not exist, or that cannot be here.
    Wrong(&'static str),
}

impl Slip {
    const PAST_BLOCK: Self = Self::Wrong("a coefficient past the end of its block");
    const PAST_BAND: Self = Self::Wrong("a coefficient past the end of its band");
}

/// How the units of a scan are coded.
trait Coding {
    /// Whether units are so long that what reads as some is not just any bits.
    const TELLING: bool;

    /// Forgets what restart markers make forget. Also called at the end of the scan.
    fn restart(&mut self) -> Result<(), Slip>;

    /// Follows one unit (MCU).
    fn unit(&mut self, bits: &mut Bits<'_>) -> Result<(), Slip>;

    /// Follows some units, at least one and at most so many; gives how many, and with an error how many of them were right.
    fn units(&mut self, bits: &mut Bits<'_>, most: usize) -> Result<usize, (usize, Slip)> {
        let _ = most;
        self.unit(bits).map(|()| 1).map_err(|slip| (0, slip))
    }

    /// Whether the last unit began where there was no data left, and is no more than one of many empty ones.
    fn starved(&self) -> bool {
        false
    }

    /// Forgets what was noted behind so many units.
    fn rewind(&mut self, _units: usize) {}

    /// Whether the picture, up to its end, shows what belongs so many units before.
    fn displaced(&self, _by: usize) -> bool {
        false
    }
}

/// Follows all units of a scan and the restart markers between them; gives the number of the unit that is wrong.
fn follow<C: Coding>(
    bits: &mut Bits<'_>,
    coding: &mut C,
    units: usize,
    interval: usize,
) -> Result<(), (usize, Slip)> {
    let mut way = Way::new(units, interval);
    while way.goes_on() {
        let units = coding.units(bits, way.end - way.done);
        way.step(bits, coding, units)?;
    }
    Ok(())
}

/// How far a scan was followed.
struct Way {
    units: usize,
    interval: usize,
    done: usize,
    /// The unit before which the next restart marker stands, or the end.
    end: usize,
    /// Number of that marker.
    number: u8,
    padding: Padding,
}

impl Way {
    fn new(units: usize, interval: usize) -> Self {
        let interval = if interval == 0 { units } else { interval };
        Self { units, interval, done: 0, end: interval.min(units), number: 0, padding: Padding::default() }
    }

    const fn goes_on(&self) -> bool {
        self.done < self.units
    }

    /// After each unit, or several: what came of them, and what has to be behind them.
    #[inline]
    fn step<C: Coding>(
        &mut self,
        bits: &mut Bits<'_>,
        coding: &mut C,
        units: Result<usize, (usize, Slip)>,
    ) -> Result<(), (usize, Slip)> {
        // What was read past the end of the data is no code.
        if bits.exhausted() || units.is_err() && bits.nearly_exhausted() {
            let right = units.map_or_else(|(right, _)| right, |_| 0);
            return Err((self.done + right, Slip::Ended));
        }
        self.done += units.map_err(|(right, slip)| (self.done + right, slip))?;
        if self.done == self.end { self.turn(bits, coding) } else { Ok(()) }
    }

    /// At the end of an interval.
    #[inline(never)]
    fn turn<C: Coding>(&mut self, bits: &mut Bits<'_>, coding: &mut C) -> Result<(), (usize, Slip)> {
        let done = self.done;
        if C::TELLING && surplus(*bits, coding, done) {
            return Err((done, Slip::Wrong("more units than the picture has")));
        }
        self.padding.note(*bits, done);
        coding.restart().map_err(|slip| (done, slip))?;
        if self.goes_on() {
            bits.restart(self.number).map_err(|slip| (done, slip))?;
            self.number = (self.number + 1) % 8;
            self.end = self.units.min(done.saturating_add(self.interval));
        } else if let Some((unit, place)) = self.padding.broken() {
            *bits = bits.back_to(place);
            return Err((unit, Slip::Wrong("padding unlike that before the other markers")));
        }
        Ok(())
    }
}

/// Whether units go on up to the next marker: some before were read as more than they were, or came twice.
///
/// The data behind the last unit of `done` has to be nothing but whole units with padding of ones. Spare bytes of cameras do not
/// look so; they stand behind a byte that is padded. Where the last unit may be padded too, the picture has to tell.
fn surplus<C: Coding>(mut bits: Bits<'_>, coding: &mut C, done: usize) -> bool {
    bits.refill();
    let even = bits.padding_is_even();
    let more = if bits.at_marker() { None } else { further_units(bits, coding) };
    coding.rewind(done);
    more.is_some_and(|more| !even || coding.displaced(more))
}

/// How many units there are up to the next marker, if there is nothing else.
fn further_units<C: Coding>(mut bits: Bits<'_>, coding: &mut C) -> Option<usize> {
    let mut count = 0;
    while !bits.at_marker() {
        coding.unit(&mut bits).ok()?;
        if bits.exhausted() {
            return None;
        }
        bits.refill();
        count += 1;
    }
    bits.padding_is_ones().then_some(count)
}
