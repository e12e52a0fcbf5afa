//! How many units a scan has (ITU-T T.81 A.1 and A.2).

use crate::media::structure::jpeg::{Component, Frame};

/// One component of the frame in data units: blocks, or samples where coding is lossless.
#[derive(Clone, Copy)]
pub struct Plane {
    pub component: Component,
    /// Units across and down with the padding of interleaved scans.
    pub padded: (usize, usize),
    /// Units across and down in a scan of this component alone.
    pub alone: (usize, usize),
}

/// The frame in units.
pub struct Geometry {
    pub planes: Vec<Plane>,
    /// Interleaved units (MCUs) across and down.
    pub units: (usize, usize),
}

impl Geometry {
    pub fn new(frame: &Frame, height: u32) -> Self {
        let side = if frame.lossless() { 1 } else { 8 };
        let (h_max, v_max) = frame.finest();
        let (h_max, v_max) = (usize::from(h_max), usize::from(v_max));
        let (width, height) = (frame.size.width as usize, height as usize);
        let units = (width.div_ceil(side * h_max), height.div_ceil(side * v_max));
        let planes = frame.components.iter().map(|&component| {
            let (h, v) = (usize::from(component.h), usize::from(component.v));
            Plane {
                component,
                padded: (units.0 * h, units.1 * v),
                alone: (
                    (width * h).div_ceil(h_max).div_ceil(side),
                    (height * v).div_ceil(v_max).div_ceil(side),
                ),
            }
        });
        Self { planes: planes.collect(), units }
    }
}

/// How the units of a scan lie.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Where the data of the scan begins in the file.
    pub at: usize,
    /// Units across and down.
    pub units: (usize, usize),
    /// Units between restart markers, 0 for none.
    pub interval: usize,
}

impl Layout {
    /// For how many rows, it included, a change lasts at most that begins in this one: the next restart marker ends it. What ends inside of
    /// a row is not asked for.
    pub const fn lasting(&self, row: usize) -> usize {
        let (across, interval) = (self.units.0, self.interval);
        if interval == 0 || !interval.is_multiple_of(across) {
            return usize::MAX;
        }
        let rows = interval / across;
        rows - row % rows
    }
}
