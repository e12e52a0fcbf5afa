//! Sixteen units at once: the same arithmetic for each, in numbers of 16 bits that lie side by side.
//!
//! Four of the bits are behind the point, to which products are rounded.
#![allow(
    unsafe_code,
    reason = "the macro calls the version for vector instructions that it found the processor to have"
)]
#![allow(clippy::inline_always, reason = "else not compiled for the vector instructions of its caller")]
#![allow(clippy::indexing_slicing, reason = "vectors of fixed length, and loops over all of it")]

use multiversion::multiversion;

use super::Plane;
use super::waves::{MOST, Waves};
use crate::media::lanes::all_rounded;
use crate::media::structure::jpeg_walk::Units;

/// Units that are worked on together.
pub const UNITS: usize = 16;
/// Bytes of a row that may be written behind its pixels.
pub const SLACK: usize = 12;
/// Bits behind the point.
pub const FRACTION: u32 = 4;

/// One number of each unit.
type Lanes = [i16; UNITS];
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
            grids: [[[[0; UNITS]; MOST]; 8]; 2],
            samples: vec![vec![[0; UNITS]; unit.0 * unit.1]; planes.len()],
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
    // Apart from the walk, as there.
    #[inline(never)]
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
    let (columns, rows) = extent(blocks, (plane.across.heard, plane.down.heard));
    let [given, half] = scratch;
    // Eight blocks at a time: more addresses than registers cost more than the second pass.
    for (half, eight) in blocks.as_chunks::<8>().0.iter().enumerate() {
        for (row, line) in given.iter_mut().enumerate().take(rows) {
            for (column, lanes) in line.iter_mut().enumerate().take(columns) {
                let at = (row * 8 + column) % 64;
                let (step, values) = (plane.steps[at], side_by_side(eight.map(|block| block[at])));
                let lanes = &mut lanes.as_chunks_mut::<8>().0[half];
                for unit in 0..8 {
                    lanes[unit] = values[unit].wrapping_mul(step);
                }
            }
        }
    }
    let given = given.get(..rows).unwrap_or_default();
    let half = half.get_mut(..columns).unwrap_or_default();
    along(&plane.down, given, half.iter_mut().map(Line::as_mut_slice));
    along(&plane.across, half, out.chunks_mut(pitch).take(plane.down.places));
}

/// Eight numbers in one vector: else each of them is multiplied alone.
#[inline(always)]
#[allow(clippy::many_single_char_names, reason = "eight numbers")]
fn side_by_side(values: [i16; 8]) -> [i16; 8] {
    let [a, b, c, d, e, f, g, h] = values.map(|value| u128::from(value.cast_unsigned()));
    let low = a | b << 16 | c << 32 | d << 48;
    let high = e | f << 16 | g << 32 | h << 48;
    let bytes = (low | high << 64).to_le_bytes();
    std::array::from_fn(|unit| i16::from_le_bytes([bytes[2 * unit], bytes[2 * unit + 1]]))
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
fn along<'l>(waves: &Waves, given: &[Line], lines: impl Iterator<Item = &'l mut [Lanes]>) {
    match waves.places {
        1 => spread::<1, 1>(waves, given, lines),
        2 => spread::<2, 1>(waves, given, lines),
        3 => spread::<3, 2>(waves, given, lines),
        4 => spread::<4, 2>(waves, given, lines),
        5 => spread::<5, 3>(waves, given, lines),
        6 => spread::<6, 3>(waves, given, lines),
        7 => spread::<7, 1>(waves, given, lines),
        8 => spread::<8, 1>(waves, given, lines),
        10 => spread::<10, 5>(waves, given, lines),
        12 => spread::<12, 3>(waves, given, lines),
        14 => spread::<14, 1>(waves, given, lines),
        16 => spread::<16, 1>(waves, given, lines),
        _ => {}
    }
}

/// `GROUP` places of one half at once, and those opposite: as many as the compiler keeps in vectors, which was tried.
#[inline(always)]
fn spread<'l, const PLACES: usize, const GROUP: usize>(
    waves: &Waves,
    given: &[Line],
    lines: impl Iterator<Item = &'l mut [Lanes]>,
) {
    for (at, line) in lines.enumerate() {
        let Some(line) = line.first_chunk_mut::<PLACES>() else { continue };
        for from in (0..PLACES.div_ceil(2)).step_by(GROUP) {
            let (even, odd) = sums::<GROUP>(waves, given, at % MOST, from);
            for number in 0..GROUP {
                let (even, odd, place) = (even[number], odd[number], from + number);
                if place < PLACES.div_ceil(2) {
                    for unit in 0..UNITS {
                        line[PLACES - 1 - place][unit] = even[unit].saturating_sub(odd[unit]);
                        line[place][unit] = even[unit].saturating_add(odd[unit]);
                    }
                }
            }
        }
    }
}

/// What coefficients with even numbers give at some places, and what others do.
#[inline(always)]
fn sums<const GROUP: usize>(
    waves: &Waves,
    given: &[Line],
    at: usize,
    from: usize,
) -> ([Lanes; GROUP], [Lanes; GROUP]) {
    let (mut even, mut odd) = ([[0; UNITS]; GROUP], [[0; UNITS]; GROUP]);
    let (pairs, last) = given.as_chunks::<2>();
    let (factors, _) = waves.values.as_chunks::<2>();
    for ([first, second], [a, b]) in pairs.iter().zip(factors) {
        for number in 0..GROUP {
            let place = (from + number) % (MOST / 2);
            add_product(&mut even[number], a[place], &first[at]);
            add_product(&mut odd[number], b[place], &second[at]);
        }
    }
    if let ([last], Some([factors, _])) = (last, factors.get(pairs.len())) {
        for number in 0..GROUP {
            add_product(&mut even[number], factors[(from + number) % (MOST / 2)], &last[at]);
        }
    }
    (even, odd)
}

#[inline(always)]
fn add_product(sum: &mut Lanes, factor: i16, value: &Lanes) {
    let products = all_rounded(factor, value);
    for unit in 0..UNITS {
        sum[unit] = sum[unit].saturating_add(products[unit]);
    }
}

/// Makes red, green and blue of a row (ITU-T T.871, 7), four pixels in each three words, the first byte lowest.
#[multiversion(targets("x86_64+avx2"))]
fn coloured(luma: &[Lanes], blue: &[Lanes], red: &[Lanes], row: &mut [[u32; UNITS]]) {
    let pixels = luma.chunks(4).zip(blue.chunks(4)).zip(red.chunks(4));
    for (((luma, blue), red), words) in pixels.zip(row.as_chunks_mut::<3>().0) {
        let mut levels = [[0; UNITS]; 12];
        let (places, _) = levels.as_chunks_mut::<3>();
        for (((luma, blue), red), [r, g, b]) in luma.iter().zip(blue).zip(red).zip(places) {
            // 1.402 cr, 0.344136 cb + 0.714136 cr, 1.772 cb: what is above a half is added as a whole.
            let (more_red, less_red) = (all_rounded(13_173, red), all_rounded(9_367, red));
            let (green, less_blue) = (all_rounded(-11_277, blue), all_rounded(7_471, blue));
            for unit in 0..UNITS {
                let (y, cb, cr) = (luma[unit], blue[unit], red[unit]);
                r[unit] = level(y.saturating_add(cr).saturating_add(more_red[unit]));
                g[unit] =
                    level(y.saturating_sub(cr).saturating_add(green[unit]).saturating_add(less_red[unit]));
                b[unit] = level(y.saturating_add(cb).saturating_add(cb).saturating_sub(less_blue[unit]));
            }
        }
        let (quarters, _) = levels.as_chunks::<4>();
        for (word, [a, b, c, d]) in words.iter_mut().zip(quarters) {
            let (mut low, mut high) = ([0; UNITS], [0; UNITS]);
            for unit in 0..UNITS {
                low[unit] = a[unit] | b[unit] << 8;
                high[unit] = c[unit] | d[unit] << 8;
            }
            for unit in 0..UNITS {
                word[unit] = u32::from(low[unit]) | u32::from(high[unit]) << 16;
            }
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
fn grey(luma: &[Lanes], count: usize, row: &mut [u8]) {
    for (unit, row) in row.chunks_mut(luma.len()).enumerate().take(count) {
        for (place, y) in row.iter_mut().zip(luma) {
            *place = level(y[unit % UNITS]).to_le_bytes()[0];
        }
    }
}

/// The level, 0 to 255, that lies next to a sample centred at 0.
#[inline(always)]
fn level(sample: i16) -> u16 {
    const HALF: i16 = (128 << FRACTION) + (1 << (FRACTION - 1));
    (sample.saturating_add(HALF) >> FRACTION).clamp(0, 255).cast_unsigned()
}
