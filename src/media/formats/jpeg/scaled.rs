//! Pixels at so many eighths of the size, straight from the coefficients of a walk.
//!
//! A block of 8 x 8 coefficients is evaluated at n x n places instead of 8 x 8 (Independent JPEG Group, "scaled inverse DCT"). Chroma
//! that is sampled more coarsely is evaluated at as many more: its planes have not to be enlarged, and are not smoothed, afterwards.
//! libjpeg-turbo does the same, with vector instructions only where n is a power of two; here sixteen units side by side are
//! worked on at once, whatever n is.

mod batch;
#[cfg(test)]
mod tests;
mod waves;

use batch::{Batch, UNITS};
use waves::Waves;

use crate::media::structure::jpeg::Frame;
use crate::media::structure::jpeg_walk::Units;
use crate::media::{Outlet, Rows};

/// Evaluates a picture of one or of three components, Y, Cb and Cr, whose coefficients are in one scan.
pub struct Scaled {
    /// Units across and down.
    units: (usize, usize),
    /// Pixels of each unit across and down.
    unit: (usize, usize),
    /// Pixels of the picture across and down.
    size: (usize, usize),
    planes: Vec<Plane>,
}

/// What evaluating one component takes.
pub struct Plane {
    /// Its blocks in a unit across and down.
    pub blocks: (usize, usize),
    /// What each coefficient is multiplied with, in natural order.
    pub steps: [i16; 64],
    /// Places in a block across and down.
    pub across: Waves,
    pub down: Waves,
}

impl Plane {
    /// Its blocks in a unit.
    const fn count(&self) -> usize {
        self.blocks.0 * self.blocks.1
    }
}

impl Scaled {
    /// At `eighths` (1 to 8) of the size; `None` where this kind of picture is left to others.
    ///
    /// Three components have to be Y, Cb and Cr.
    pub fn new(frame: &Frame, eighths: usize, units: &dyn Units) -> Option<Self> {
        if !matches!(frame.components.len(), 1 | 3) || !(1..=8).contains(&eighths) {
            return None;
        }
        // The only component of a picture is not interleaved: its units are single blocks (A.2.2).
        let alone = frame.components.len() == 1;
        let factors = |(h, v): (u8, u8)| if alone { (1, 1) } else { (usize::from(h), usize::from(v)) };
        let most = factors(frame.finest());
        let mut planes = Vec::new();
        for (number, component) in frame.components.iter().enumerate() {
            let (h, v) = factors((component.h, component.v));
            if h == 0 || v == 0 || !most.0.is_multiple_of(h) || !most.1.is_multiple_of(v) {
                return None;
            }
            let steps = fixed(units.steps(number)?)?;
            let (across, down) = (Waves::new(eighths * most.0 / h)?, Waves::new(eighths * most.1 / v)?);
            planes.push(Plane { blocks: (h, v), steps, across, down });
        }
        let (width, height) = (frame.size.width as usize, frame.size.height as usize);
        let scaled = |length: usize| (length * eighths).div_ceil(8);
        Some(Self {
            units: (width.div_ceil(8 * most.0), height.div_ceil(8 * most.1)),
            unit: (eighths * most.0, eighths * most.1),
            size: (scaled(width), scaled(height)),
            planes,
        })
    }

    /// Pixels across and down.
    pub const fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Makes the rows; ends early where the units do. `None` if a row of units is more than can be counted.
    pub fn decode(&self, units: &mut dyn Units, rows: &mut dyn Rows) -> Option<()> {
        let channels = self.planes.len();
        // Rows are written a few bytes too far.
        let pitch = self.units.0 * self.unit.0 * channels + batch::SLACK;
        let mut strip = vec![0; pitch.checked_mul(self.unit.1)?];
        let mut batch = Batch::new(&self.planes, self.unit);
        let length = self.size.0 * channels;
        let mut outlet = Outlet::new(rows, length);
        let mut left = self.size.1;
        for _ in 0..self.units.1 {
            for from in (0..self.units.0).step_by(UNITS) {
                let count = UNITS.min(self.units.0 - from);
                if !batch.fill(count, units) {
                    outlet.flush();
                    return Some(());
                }
                batch.put(count, from * self.unit.0 * channels, pitch, &mut strip);
            }
            let high = left.min(self.unit.1);
            left -= high;
            for row in strip.chunks_exact(pitch).take(high) {
                let Some(place) = outlet.row() else { return Some(()) };
                place.copy_from_slice(row.get(..length)?);
            }
        }
        outlet.flush();
        Some(())
    }
}

/// Quantisation steps with the bits behind the point that the arithmetic has; `None` where they are so coarse that sums would not fit.
fn fixed(steps: [u16; 64]) -> Option<[i16; 64]> {
    const COARSEST: u16 = 255;
    let step = |step: u16| i16::try_from(step).unwrap_or(0) << batch::FRACTION;
    steps.iter().all(|step| *step <= COARSEST).then(|| steps.map(step))
}
