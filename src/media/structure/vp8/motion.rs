//! Motion vectors of macroblocks and their parts (RFC 6386 sections 16.3, 17 and 18.1, 20.11): decoded, since probabilities
//! depend on the neighbours'.

use super::boolean::BoolDecoder;

/// Row and column, in eighths of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vector {
    row: i32,
    column: i32,
}

/// What neighbours ask about a macroblock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Motion {
    /// 0: intra. 1 to 3: predicted from the last, golden or alternative frame.
    pub reference: u8,
    split: bool,
    /// Of the whole, or of its last part.
    vector: Vector,
    parts: [Vector; 16],
}

/// How one component is coded: short or long, sign, tree of short ones, bits of long ones.
pub type Context = [u8; 19];

pub const CONTEXTS: [Context; 2] = [
    [162, 128, 225, 146, 172, 147, 214, 39, 156, 128, 129, 132, 75, 145, 178, 206, 239, 254, 254],
    [164, 128, 204, 170, 119, 235, 140, 230, 228, 128, 130, 130, 74, 148, 180, 203, 236, 254, 254],
];

pub const UPDATES: [Context; 2] = [
    [237, 246, 253, 253, 254, 254, 254, 254, 254, 254, 254, 254, 254, 254, 250, 250, 252, 254, 254],
    [231, 243, 245, 253, 254, 254, 254, 254, 254, 254, 254, 254, 254, 254, 251, 251, 254, 254, 254],
];

/// By how many neighbours say so (section 16.3).
const MODES: [[u8; 4]; 6] = [
    [7, 1, 1, 143],
    [14, 18, 14, 107],
    [135, 64, 57, 68],
    [60, 56, 128, 65],
    [159, 134, 128, 34],
    [234, 188, 128, 28],
];

/// Of the vector of one part, by those to the left and above.
const PARTS: [[u8; 3]; 5] = [[147, 136, 18], [106, 145, 1], [179, 121, 1], [223, 1, 34], [208, 1, 1]];

/// The four sides within which neighbours' vectors are kept.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub rows: [i32; 2],
    pub columns: [i32; 2],
}

impl Bounds {
    /// Of the macroblock at `row` and `column` in a picture of `rows` and `columns`: one macroblock beyond the picture.
    pub fn of(row: usize, column: usize, rows: usize, columns: usize) -> Self {
        let side = |at: usize, len: usize| {
            let eighths = |count: usize| i32::try_from(count << 7).unwrap_or(i32::MAX);
            [-eighths(at + 1), eighths(len - at)]
        };
        Self { rows: side(row, rows), columns: side(column, columns) }
    }

    fn keep(self, vector: Vector) -> Vector {
        Vector {
            row: vector.row.clamp(self.rows[0], self.rows[1]),
            column: vector.column.clamp(self.columns[0], self.columns[1]),
        }
    }
}

/// The macroblocks above, to the left, and above to the left.
pub type Neighbours<'m> = [&'m Motion; 3];

impl Motion {
    /// Reads the vectors of a macroblock that is predicted from `reference`; `inverted` tells of which frames vectors point
    /// the other way.
    pub fn read(
        bits: &mut BoolDecoder<'_>,
        reference: u8,
        around: Neighbours<'_>,
        inverted: [bool; 4],
        bounds: Bounds,
        contexts: &[Context; 2],
    ) -> Self {
        let (near, counts) = near(reference, around, inverted);
        let [best, nearest, nearby] = near.map(|vector| bounds.keep(vector));
        let probability = |index: usize| {
            let count = counts.get(index).copied().unwrap_or(0);
            MODES.get(count).and_then(|modes| modes.get(index)).copied().unwrap_or(128)
        };
        let mut motion = Self { reference, ..Self::default() };
        motion.vector = if !bits.get(probability(0)) {
            Vector::default()
        } else if !bits.get(probability(1)) {
            nearest
        } else if !bits.get(probability(2)) {
            nearby
        } else if !bits.get(probability(3)) {
            vector(bits, best, contexts)
        } else {
            motion.split = true;
            motion.read_parts(bits, around, best, contexts);
            motion.parts[15]
        };
        if !motion.split {
            motion.parts = [motion.vector; 16];
        }
        motion
    }

    /// Whether its parts have vectors of their own.
    pub const fn is_split(&self) -> bool {
        self.split
    }

    fn read_parts(
        &mut self,
        bits: &mut BoolDecoder<'_>,
        [above, left, _]: Neighbours<'_>,
        best: Vector,
        contexts: &[Context; 2],
    ) {
        // Blocks across and down in each part.
        let (across, down) = if !bits.get(110) {
            (1, 1)
        } else if !bits.get(111) {
            (2, 2)
        } else if bits.get(150) {
            (2, 4)
        } else {
            (4, 2)
        };
        for first in (0..16).filter(|first| first % 4 % across == 0 && first / 4 % down == 0) {
            let at = |parts: &[Vector; 16], place: usize| parts.get(place).copied().unwrap_or_default();
            let beside = if first % 4 > 0 { at(&self.parts, first - 1) } else { at(&left.parts, first + 3) };
            let over = if first > 3 { at(&self.parts, first - 4) } else { at(&above.parts, first + 12) };
            let none = Vector::default();
            let context = match (beside == over, over == none, beside == none) {
                (true, true, _) => 4,
                (true, ..) => 3,
                (_, true, _) => 2,
                (.., true) => 1,
                _ => 0,
            };
            let [p0, p1, p2] = PARTS.get(context).copied().unwrap_or([128; 3]);
            let own = if !bits.get(p0) {
                beside
            } else if !bits.get(p1) {
                over
            } else if !bits.get(p2) {
                none
            } else {
                vector(bits, best, contexts)
            };
            for row in 0..down {
                for column in 0..across {
                    if let Some(part) = self.parts.get_mut(first + row * 4 + column) {
                        *part = own;
                    }
                }
            }
        }
    }
}

/// The best, nearest and near vector, and how many neighbours speak for each mode (section 18.3's `find_near_mvs`).
fn near(reference: u8, around: Neighbours<'_>, inverted: [bool; 4]) -> ([Vector; 3], [usize; 4]) {
    let is_inverted = |of: u8| inverted.get(usize::from(of)).copied().unwrap_or(false);
    let mut vectors = [Vector::default(); 4];
    let mut counts = [0; 4];
    let mut last = 0;
    for (motion, weight) in around.into_iter().zip([2, 2, 1]).filter(|(motion, _)| motion.reference != 0) {
        let mut vector = motion.vector;
        if vector == Vector::default() {
            counts[0] += weight;
            continue;
        }
        if is_inverted(motion.reference) != is_inverted(reference) {
            vector = Vector { row: -vector.row, column: -vector.column };
        }
        if last == 0 || vectors.get(last) != Some(&vector) {
            last += 1;
        }
        if let (Some(slot), Some(count)) = (vectors.get_mut(last), counts.get_mut(last)) {
            *slot = vector;
            *count += weight;
        }
    }
    if counts[3] > 0 && vectors[3] == vectors[1] {
        counts[1] += 1;
    }
    let [above, left, corner] = around.map(|motion| usize::from(motion.split));
    counts[3] = (above + left) * 2 + corner;
    if counts[2] > counts[1] {
        counts.swap(1, 2);
        vectors.swap(1, 2);
    }
    if counts[1] >= counts[0] {
        vectors[0] = vectors[1];
    }
    ([vectors[0], vectors[1], vectors[2]], counts)
}

/// A vector as the difference to `best`.
fn vector(bits: &mut BoolDecoder<'_>, best: Vector, contexts: &[Context; 2]) -> Vector {
    let row = component(bits, &contexts[0]) * 2;
    let column = component(bits, &contexts[1]) * 2;
    Vector { row: best.row + row, column: best.column + column }
}

/// Section 17.2.
fn component(bits: &mut BoolDecoder<'_>, context: &Context) -> i32 {
    const SHORT: usize = 2;
    const LONG: usize = 9;
    let p = |index: usize| context.get(index).copied().unwrap_or(128);
    let mut value = 0;
    if bits.get(p(0)) {
        for bit in [0, 1, 2, 9, 8, 7, 6, 5, 4] {
            value += i32::from(bits.get(p(LONG + bit))) << bit;
        }
        // A long one without the bits above would be short without this one.
        if value & 0xFFF0 == 0 || bits.get(p(LONG + 3)) {
            value += 8;
        }
    } else {
        let high = bits.get(p(SHORT));
        let middle = bits.get(p(SHORT + if high { 4 } else { 1 }));
        let low = match (high, middle) {
            (false, false) => 2,
            (false, true) => 3,
            (true, false) => 5,
            (true, true) => 6,
        };
        value = i32::from(high) << 2 | i32::from(middle) << 1 | i32::from(bits.get(p(SHORT + low)));
    }
    if value != 0 && bits.get(p(1)) { -value } else { value }
}
