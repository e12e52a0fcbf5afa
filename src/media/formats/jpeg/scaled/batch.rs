//! Sixteen units at once: the same arithmetic for each, in numbers of 16 bits that lie side by side.
//!
//! Four of the bits are behind the point, to which products are rounded.
#![allow(
    unsafe_code,
    reason = "calls the version for vector instructions that it found the processor to have"
)]
#![allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]
#![allow(clippy::indexing_slicing, reason = "vectors of fixed length, and loops over all of it")]

use super::Plane;
use super::waves::{MOST, Waves};
#[cfg(target_arch = "x86_64")]
use crate::media::lanes::Avx2;
use crate::media::lanes::{LANES, Lanes, Processor, USUAL};
use crate::media::structure::jpeg_walk::Units;

/// Units that are worked on together.
pub const UNITS: usize = LANES;
/// Bytes of a row of a unit that are written at once, and bytes of a row that may be written behind its pixels.
const PIECE: usize = 16;
pub const SLACK: usize = PIECE;
/// Bits behind the point.
pub const FRACTION: i32 = 4;

/// Numbers of each unit, in a row or a column.
type Line = [Lanes; MOST];
type Grid = [Line; 8];

const NOTHING: [i16; 64] = [0; 64];

/// Units that lie side by side.
pub struct Batch<'p> {
    planes: &'p [Plane],
    /// Pixels of a unit across and down.
    unit: (usize, usize),
    /// Coefficients, unit by unit.
    blocks: Vec<[i16; 64]>,
    scratch: Scratch,
}

/// What is made of them on the way.
struct Scratch {
    /// Of a block: rows of its coefficients; columns of these, evaluated in one dimension.
    grids: [Grid; 2],
    /// Per component, rows of a unit without padding.
    samples: Vec<Vec<Lanes>>,
    /// A row of a unit: the channels of each pixel; and of each unit, sixteen bytes of that.
    levels: Vec<[u8; UNITS]>,
    pieces: Vec<[[u8; PIECE]; UNITS]>,
}

impl<'p> Batch<'p> {
    pub fn new(planes: &'p [Plane], unit: (usize, usize)) -> Self {
        let blocks: usize = planes.iter().map(Plane::count).sum();
        let scratch = Scratch {
            grids: [[[Lanes::all(0); MOST]; 8]; 2],
            samples: vec![vec![Lanes::all(0); unit.0 * unit.1]; planes.len()],
            levels: vec![[0; UNITS]; (planes.len() * unit.0).next_multiple_of(PIECE)],
            pieces: vec![[[0; PIECE]; UNITS]; (planes.len() * unit.0).div_ceil(PIECE)],
        };
        Self { planes, unit, blocks: vec![NOTHING; blocks * UNITS], scratch }
    }

    /// Asks for the next units; `false` where there are not so many.
    pub fn fill(&mut self, count: usize, units: &mut dyn Units) -> bool {
        let each = self.blocks.len() / UNITS;
        self.blocks.chunks_exact_mut(each.max(1)).take(count).all(|blocks| {
            blocks.fill(NOTHING);
            units.next(blocks)
        })
    }

    /// Puts the pixels of the first `count` units into a strip with rows of `pitch` bytes, from this byte of each row on.
    // Apart from the walk, as there.
    #[inline(never)]
    pub fn put(&mut self, count: usize, from: usize, pitch: usize, strip: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(processor) = Avx2::found() {
            #[target_feature(enable = "avx2")]
            fn with_avx2(
                batch: &mut Batch,
                processor: Avx2,
                count: usize,
                from: usize,
                pitch: usize,
                strip: &mut [u8],
            ) {
                batch.put_with(processor, count, from, pitch, strip);
            }
            // SAFETY: the processor has it.
            return unsafe { with_avx2(self, processor, count, from, pitch, strip) };
        }
        self.put_with(USUAL, count, from, pitch, strip);
    }

    #[inline(always)]
    fn put_with(
        &mut self,
        processor: impl Processor,
        count: usize,
        from: usize,
        pitch: usize,
        strip: &mut [u8],
    ) {
        let each = self.blocks.len() / UNITS;
        let mut first = 0;
        for (plane, samples) in self.planes.iter().zip(&mut self.scratch.samples) {
            for number in 0..plane.count() {
                let blocks = std::array::from_fn(|unit| {
                    self.blocks.get(unit * each + first + number).unwrap_or(&NOTHING)
                });
                let (column, row) = (number % plane.blocks.0, number / plane.blocks.0);
                let at = row * plane.down.places * self.unit.0 + column * plane.across.places;
                let place = samples.get_mut(at..).unwrap_or_default();
                evaluate(processor, plane, blocks, &mut self.scratch.grids, place, self.unit.0);
            }
            first += plane.count();
        }
        let (across, channels) = (self.unit.0, self.planes.len());
        let Scratch { samples, levels, pieces, .. } = &mut self.scratch;
        let rows = strip.chunks_exact_mut(pitch).filter_map(|row| row.get_mut(from..));
        for (number, row) in rows.enumerate() {
            let line = number * across..(number + 1) * across;
            match samples.as_slice() {
                [luma] => grey(processor, luma.get(line).unwrap_or_default(), levels),
                [luma, blue, red] => {
                    let [luma, blue, red] =
                        [luma, blue, red].map(|plane| plane.get(line.clone()).unwrap_or_default());
                    coloured(processor, luma, blue, red, levels);
                }
                _ => return,
            }
            for (piece, levels) in pieces.iter_mut().zip(levels.as_chunks().0) {
                *piece = processor.turned_bytes(levels);
            }
            lay_out(pieces, count, channels * across, row);
        }
    }
}

/// Evaluates one block of each unit: puts rows of samples into a grid that has `pitch` of them in a row.
#[inline(always)]
fn evaluate(
    processor: impl Processor,
    plane: &Plane,
    blocks: [&[i16; 64]; UNITS],
    scratch: &mut [Grid; 2],
    out: &mut [Lanes],
    pitch: usize,
) {
    let (columns, rows) = extent(blocks, (plane.across.heard, plane.down.heard));
    let [given, half] = scratch;
    let lines = given.iter_mut().zip(plane.steps.as_chunks::<8>().0).enumerate().take(rows);
    for (row, (line, steps)) in lines {
        let mut sources = [&[0; 8]; UNITS];
        for (source, block) in sources.iter_mut().zip(blocks) {
            *source = &block.as_chunks::<8>().0[row];
        }
        let turned = processor.turned(sources);
        for ((lanes, values), &step) in line.iter_mut().zip(turned).zip(steps).take(columns) {
            *lanes = processor.store(processor.times(values, processor.all(step)));
        }
    }
    let given = given.get(..rows).unwrap_or_default();
    let half = half.get_mut(..columns).unwrap_or_default();
    along(processor, &plane.down, given, half.iter_mut().map(Line::as_mut_slice));
    along(processor, &plane.across, half, out.chunks_mut(pitch).take(plane.down.places));
}

/// How many columns and rows of coefficients are not all zero, at least one, of those that are heard.
#[inline(always)]
fn extent(blocks: [&[i16; 64]; UNITS], heard: (usize, usize)) -> (usize, usize) {
    let mut any = NOTHING;
    for block in blocks {
        for (any, value) in any.iter_mut().zip(block) {
            *any |= value;
        }
    }
    let (rows, _) = any.as_chunks::<8>();
    let mut across = [0; 8];
    let mut high = 1;
    for (number, row) in rows.iter().enumerate().take(heard.1) {
        let mut all = 0;
        for (across, value) in across.iter_mut().zip(row).take(heard.0) {
            *across |= value;
            all |= value;
        }
        if all != 0 {
            high = number + 1;
        }
    }
    (across.iter().rposition(|&value| value != 0).map_or(1, |last| last + 1), high)
}

/// Evaluates coefficients of one dimension at all places: those at the first place of each line given into the first line, and so on.
#[inline(always)]
fn along<'l>(
    processor: impl Processor,
    waves: &Waves,
    given: &[Line],
    lines: impl Iterator<Item = &'l mut [Lanes]>,
) {
    match waves.places {
        1 => spread::<1, 1>(processor, waves, given, lines),
        2 => spread::<2, 1>(processor, waves, given, lines),
        3 => spread::<3, 2>(processor, waves, given, lines),
        4 => spread::<4, 2>(processor, waves, given, lines),
        5 => spread::<5, 3>(processor, waves, given, lines),
        6 => spread::<6, 3>(processor, waves, given, lines),
        7 => spread::<7, 1>(processor, waves, given, lines),
        8 => spread::<8, 1>(processor, waves, given, lines),
        10 => spread::<10, 5>(processor, waves, given, lines),
        12 => spread::<12, 3>(processor, waves, given, lines),
        14 => spread::<14, 1>(processor, waves, given, lines),
        16 => spread::<16, 1>(processor, waves, given, lines),
        _ => {}
    }
}

/// `GROUP` places of one half at once, and those opposite: as many as the compiler keeps in vectors, which was tried.
#[inline(always)]
fn spread<'l, const PLACES: usize, const GROUP: usize>(
    processor: impl Processor,
    waves: &Waves,
    given: &[Line],
    lines: impl Iterator<Item = &'l mut [Lanes]>,
) {
    for (at, line) in lines.enumerate() {
        let Some(line) = line.first_chunk_mut::<PLACES>() else { continue };
        for from in (0..PLACES.div_ceil(2)).step_by(GROUP) {
            let (even, odd) = sums::<_, GROUP>(processor, waves, given, at % MOST, from);
            for number in 0..GROUP {
                let (even, odd, place) = (even[number], odd[number], from + number);
                if place < PLACES.div_ceil(2) {
                    line[PLACES - 1 - place] = processor.store(processor.minus(even, odd));
                    line[place] = processor.store(processor.plus(even, odd));
                }
            }
        }
    }
}

/// What coefficients with even numbers give at some places, and what others do.
#[inline(always)]
fn sums<P: Processor, const GROUP: usize>(
    processor: P,
    waves: &Waves,
    given: &[Line],
    at: usize,
    from: usize,
) -> ([P::Vector; GROUP], [P::Vector; GROUP]) {
    let (mut even, mut odd) = ([processor.all(0); GROUP], [processor.all(0); GROUP]);
    let (pairs, last) = given.as_chunks::<2>();
    let (factors, _) = waves.values.as_chunks::<2>();
    for ([first, second], [a, b]) in pairs.iter().zip(factors) {
        let (first, second) = (processor.load(&first[at]), processor.load(&second[at]));
        for number in 0..GROUP {
            let place = (from + number) % (MOST / 2);
            even[number] = processor.plus(even[number], processor.scaled(processor.load(&a[place]), first));
            odd[number] = processor.plus(odd[number], processor.scaled(processor.load(&b[place]), second));
        }
    }
    if let ([last], Some([factors, _])) = (last, factors.get(pairs.len())) {
        let last = processor.load(&last[at]);
        for number in 0..GROUP {
            let factor = processor.load(&factors[(from + number) % (MOST / 2)]);
            even[number] = processor.plus(even[number], processor.scaled(factor, last));
        }
    }
    (even, odd)
}

/// Makes red, green and blue of each pixel of a row (ITU-T T.871, 7).
#[inline(always)]
fn coloured<P: Processor>(
    processor: P,
    luma: &[Lanes],
    blue: &[Lanes],
    red: &[Lanes],
    levels: &mut [[u8; UNITS]],
) {
    let places = levels.as_chunks_mut::<3>().0;
    for (((luma, blue), red), [r, g, b]) in luma.iter().zip(blue).zip(red).zip(places) {
        // 1.402 cr, 0.344136 cb + 0.714136 cr, 1.772 cb: what is above a half is added as a whole.
        let (cb, cr) = (processor.load(blue), processor.load(red));
        let y = processor.plus(processor.load(luma), processor.all(HALF));
        let more_red = processor.scaled(processor.all(13_173), cr);
        let (green, less_red) =
            (processor.scaled(processor.all(-11_277), cb), processor.scaled(processor.all(9_367), cr));
        let less_blue = processor.scaled(processor.all(7_471), cb);
        *r = processor.samples::<FRACTION>(processor.plus(processor.plus(y, cr), more_red));
        *g = processor
            .samples::<FRACTION>(processor.plus(processor.plus(processor.minus(y, cr), green), less_red));
        *b = processor
            .samples::<FRACTION>(processor.minus(processor.plus(processor.plus(y, cb), cb), less_blue));
    }
}

/// Writes the pieces of the first units one after another, each over what the last piece of the one before has too much.
#[inline(always)]
fn lay_out(pieces: &[[[u8; PIECE]; UNITS]], count: usize, length: usize, row: &mut [u8]) {
    for unit in 0..count {
        let place = row.get_mut(unit * length..).unwrap_or_default();
        for (place, pieces) in place.as_chunks_mut::<PIECE>().0.iter_mut().zip(pieces) {
            *place = pieces[unit % UNITS];
        }
    }
}

/// The same for pictures without colours.
#[inline(always)]
fn grey(processor: impl Processor, luma: &[Lanes], levels: &mut [[u8; UNITS]]) {
    for (luma, level) in luma.iter().zip(levels) {
        let y = processor.plus(processor.load(luma), processor.all(HALF));
        *level = processor.samples::<FRACTION>(y);
    }
}

/// Half a level.
const HALF: i16 = 1 << (FRACTION - 1);
