//! Eight units at once: the same arithmetic for each, in numbers that lie side by side.
#![allow(
    unsafe_code,
    reason = "the macro calls the version for vector instructions that it found the processor to have"
)]
#![allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]
#![allow(clippy::indexing_slicing, reason = "vectors of fixed length, and loops over all of it")]

use multiversion::multiversion;

use super::Plane;
use super::waves::{MOST, Waves};
use crate::media::structure::jpeg_walk::Units;

/// Units that are worked on together.
pub const UNITS: usize = 8;

/// Bytes of a row that may be written behind its pixels.
pub const SLACK: usize = 12;

/// One number of each unit.
type Lanes = [f32; UNITS];
/// Such numbers in a row or a column.
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
    /// A row of a unit: bytes of red, green and blue, four in a word.
    row: Vec<[u32; UNITS]>,
}

impl<'p> Batch<'p> {
    pub fn new(planes: &'p [Plane], unit: (usize, usize)) -> Self {
        let blocks: usize = planes.iter().map(Plane::count).sum();
        let scratch = Scratch {
            grids: [[[[0.0; UNITS]; MOST]; 8]; 2],
            samples: vec![vec![[0.0; UNITS]; unit.0 * unit.1]; planes.len()],
            row: vec![[0; UNITS]; unit.0.div_ceil(4) * 3],
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
    pub fn put(&mut self, count: usize, from: usize, pitch: usize, strip: &mut [u8]) {
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
                evaluate(plane, blocks, &mut self.scratch.grids, place, self.unit.0);
            }
            first += plane.count();
        }
        let rows = strip.chunks_exact_mut(pitch).filter_map(|row| row.get_mut(from..));
        match self.scratch.samples.as_slice() {
            [luma] => {
                for (samples, row) in luma.chunks_exact(self.unit.0).zip(rows) {
                    grey(samples, count, row);
                }
            }
            [luma, blue, red] => {
                let planes = luma.chunks_exact(self.unit.0).zip(blue.chunks_exact(self.unit.0));
                for (((luma, blue), red), row) in planes.zip(red.chunks_exact(self.unit.0)).zip(rows) {
                    coloured(luma, blue, red, &mut self.scratch.row);
                    lay_out(&self.scratch.row, count, 3 * self.unit.0, row);
                }
            }
            _ => {}
        }
    }
}

/// Evaluates one block of each unit: puts rows of samples into a grid that has `pitch` of them in a row.
#[multiversion(targets("x86_64+avx2"))]
fn evaluate(
    plane: &Plane,
    blocks: [&[i16; 64]; UNITS],
    scratch: &mut [Grid; 2],
    out: &mut [Lanes],
    pitch: usize,
) {
    let (columns, rows) = extent(blocks);
    let (columns, rows) = (columns.min(plane.across.heard), rows.min(plane.down.heard));
    let [given, half] = scratch;
    for (row, line) in given.iter_mut().enumerate().take(rows) {
        for (column, lanes) in line.iter_mut().enumerate().take(columns) {
            let at = row * 8 + column;
            let step = plane.steps[at % 64];
            let values = side_by_side(blocks.map(|block| block[at % 64]));
            for unit in 0..UNITS {
                lanes[unit] = f32::from(values[unit]) * step;
            }
        }
    }
    let given = given.get(..rows).unwrap_or_default();
    let half = half.get_mut(..columns).unwrap_or_default();
    along(&plane.down, given, half.iter_mut().map(|line| line.as_mut_slice()));
    along(&plane.across, half, out.chunks_mut(pitch).take(plane.down.places));
}

/// Numbers of 16 bits in one vector: else each of them is made a float alone.
#[inline(always)]
fn side_by_side(values: [i16; UNITS]) -> [i16; UNITS] {
    let [a, b, c, d, e, f, g, h] = values.map(|value| u64::from(value.cast_unsigned()));
    let (low, high) = (a | b << 16 | c << 32 | d << 48, e | f << 16 | g << 32 | h << 48);
    let both = u128::from(low) | u128::from(high) << 64;
    std::array::from_fn(|unit| (both >> (16 * unit)) as u16 as i16)
}

/// How many columns and rows of coefficients are not all zero, at least one.
#[inline(always)]
fn extent(blocks: [&[i16; 64]; UNITS]) -> (usize, usize) {
    let mut any = NOTHING;
    for block in blocks {
        for (any, value) in any.iter_mut().zip(block) {
            *any |= value;
        }
    }
    let (rows, _) = any.as_chunks::<8>();
    let mut across = [0; 8];
    let mut high = 1;
    for (number, row) in rows.iter().enumerate() {
        let mut all = 0;
        for (across, value) in across.iter_mut().zip(row) {
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
fn along<'l>(waves: &Waves, given: &[Line], lines: impl Iterator<Item = &'l mut [Lanes]>) {
    match waves.places {
        1 => spread::<1>(waves, given, lines),
        2 => spread::<2>(waves, given, lines),
        3 => spread::<3>(waves, given, lines),
        4 => spread::<4>(waves, given, lines),
        5 => spread::<5>(waves, given, lines),
        6 => spread::<6>(waves, given, lines),
        7 => spread::<7>(waves, given, lines),
        8 => spread::<8>(waves, given, lines),
        10 => spread::<10>(waves, given, lines),
        12 => spread::<12>(waves, given, lines),
        14 => spread::<14>(waves, given, lines),
        16 => spread::<16>(waves, given, lines),
        _ => {}
    }
}

#[inline(always)]
fn spread<'l, const PLACES: usize>(
    waves: &Waves,
    given: &[Line],
    lines: impl Iterator<Item = &'l mut [Lanes]>,
) {
    for (at, line) in lines.enumerate() {
        if let Some(line) = line.first_chunk_mut() {
            spread_one::<PLACES>(waves, given, at, line);
        }
    }
}

#[inline(always)]
fn spread_one<const PLACES: usize>(waves: &Waves, given: &[Line], at: usize, out: &mut [Lanes; PLACES]) {
    let half = PLACES.div_ceil(2);
    let (mut even, mut odd) = ([[0.0; UNITS]; MOST / 2], [[0.0; UNITS]; MOST / 2]);
    let (pairs, last) = given.as_chunks::<2>();
    let (factors, _) = waves.values.as_chunks::<2>();
    for (lines, factors) in pairs.iter().zip(factors) {
        let [first, second] = lines.each_ref().map(|line| &line[at % MOST]);
        for place in 0..half {
            add(&mut even[place], factors[0][place], first);
            add(&mut odd[place], factors[1][place], second);
        }
    }
    if let ([last], Some([factors, _])) = (last, factors.get(pairs.len())) {
        let last = &last[at % MOST];
        for place in 0..half {
            add(&mut even[place], factors[place], last);
        }
    }
    for place in 0..half {
        let (mut sum, mut difference) = (even[place], even[place]);
        add(&mut sum, 1.0, &odd[place]);
        add(&mut difference, -1.0, &odd[place]);
        out[PLACES - 1 - place] = difference;
        out[place] = sum;
    }
}

#[inline(always)]
fn add(sum: &mut Lanes, factor: f32, value: &Lanes) {
    for lane in 0..UNITS {
        sum[lane] += factor * value[lane];
    }
}

/// Makes red, green and blue of a row (ITU-T T.871, 7), four pixels in each three words, the first byte lowest.
#[multiversion(targets("x86_64+avx2"))]
fn coloured(luma: &[Lanes], blue: &[Lanes], red: &[Lanes], row: &mut [[u32; UNITS]]) {
    let pixels = luma.chunks(4).zip(blue.chunks(4)).zip(red.chunks(4));
    for (((luma, blue), red), words) in pixels.zip(row.as_chunks_mut::<3>().0) {
        let mut pixels = [[0; UNITS]; 4];
        for (((luma, blue), red), pixel) in luma.iter().zip(blue).zip(red).zip(&mut pixels) {
            for unit in 0..UNITS {
                let (y, cb, cr) = (luma[unit], blue[unit], red[unit]);
                let (r, g, b) = (y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb);
                pixel[unit] = level(r) | level(g) << 8 | level(b) << 16;
            }
        }
        let [first, second, third] = words;
        let [p, q, r, s] = pixels;
        for unit in 0..UNITS {
            first[unit] = p[unit] | q[unit] << 24;
            second[unit] = q[unit] >> 8 | r[unit] << 16;
            third[unit] = r[unit] >> 16 | s[unit] << 8;
        }
    }
}

/// Writes the words of the first units one after another, each over what the last word of the one before has too much.
fn lay_out(words: &[[u32; UNITS]], count: usize, length: usize, row: &mut [u8]) {
    for unit in 0..count {
        let Some(place) = row.get_mut(unit * length..unit * length + 4 * words.len()) else { return };
        for (place, word) in place.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *place = word[unit % UNITS].to_le_bytes();
        }
    }
}

/// The same for pictures without colours.
#[allow(clippy::cast_possible_truncation, reason = "a level is a byte")]
fn grey(luma: &[Lanes], count: usize, row: &mut [u8]) {
    for (unit, row) in row.chunks_mut(luma.len()).enumerate().take(count) {
        for (place, y) in row.iter_mut().zip(luma) {
            *place = level(y.get(unit).copied().unwrap_or_default()) as u8;
        }
    }
}

/// The level, 0 to 255, that lies next to a sample centred at 0.
#[inline(always)]
fn level(sample: f32) -> u32 {
    /// Numbers from here on are whole: their lowest bits are those of an integer.
    const WHOLE: f32 = 8_388_608.0;
    let sample = sample + 128.0;
    let sample = if sample > 0.0 { sample } else { 0.0 };
    let sample = if sample < 255.0 { sample } else { 255.0 };
    (sample + WHOLE).to_bits() & 0xFF
}
