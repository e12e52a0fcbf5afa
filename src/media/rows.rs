//! Pictures that are reduced while they are decoded, so that they are nowhere as a whole.

use super::ColorModel;
use crate::model::{Orientation, PixelSize};

/// A picture of 8 bits per sample that is about to come.
#[derive(Clone, Copy, Debug)]
pub struct Coming {
    /// Its size as it is decoded.
    pub size: PixelSize,
    /// Its size in the file, before any scaling by the decoder; not oriented.
    pub full_size: PixelSize,
    /// Meaning of the channels.
    pub model: ColorModel,
    /// How it will be turned upright.
    pub orientation: Orientation,
}

/// Where rows go, from the top, without padding between them.
pub trait Rows {
    /// Room for the next rows.
    fn room(&mut self) -> &mut [u8];

    /// So many rows were put there, from its beginning.
    fn came(&mut self, rows: usize);
}

/// Takes a picture row by row and reduces it to what is wanted of it.
pub trait Reduce: Rows {
    /// Gets ready for a picture; whatever came before is forgotten. `false` if it is wanted as a whole.
    fn begin(&mut self, picture: &Coming) -> bool;

    /// What became of it: the size and the samples. `None` if rows are lacking, or something failed.
    fn finish(&mut self) -> Option<(PixelSize, Vec<u8>)>;
}

/// Hands rows over one by one, as many at once as there is room for.
pub struct Outlet<'r> {
    rows: &'r mut dyn Rows,
    /// Bytes of a row.
    length: usize,
    /// Rows that are there but not handed over.
    waiting: usize,
}

impl<'r> Outlet<'r> {
    /// For rows of so many bytes.
    pub fn new(rows: &'r mut dyn Rows, length: usize) -> Self {
        Self { rows, length, waiting: 0 }
    }

    /// Where the next row is to be put; `None` where no more is taken.
    pub fn row(&mut self) -> Option<&mut [u8]> {
        if self.rows.room().len() < (self.waiting + 1) * self.length {
            self.flush();
        }
        let from = self.waiting * self.length;
        let row = self.rows.room().get_mut(from..from + self.length)?;
        self.waiting += 1;
        Some(row)
    }

    /// Hands over what is there.
    pub fn flush(&mut self) {
        self.rows.came(std::mem::take(&mut self.waiting));
    }
}

/// A picture as a whole.
pub struct Whole {
    samples: Vec<u8>,
    pitch: usize,
    filled: usize,
}

impl Whole {
    /// For so many rows of so many bytes; `None` where there is not so much memory.
    pub fn new(pitch: usize, rows: usize) -> Option<Self> {
        let size = pitch.checked_mul(rows)?;
        // Zeroed by the system, where that is not one of the pages in use.
        let mut samples = Vec::new();
        samples.try_reserve_exact(size).ok()?;
        samples.resize(size, 0);
        Some(Self { samples, pitch, filled: 0 })
    }

    /// The samples, if all rows came.
    pub fn finish(self) -> Option<Vec<u8>> {
        (self.filled == self.samples.len()).then_some(self.samples)
    }
}

impl Rows for Whole {
    fn room(&mut self) -> &mut [u8] {
        self.samples.get_mut(self.filled..).unwrap_or_default()
    }

    fn came(&mut self, rows: usize) {
        self.filled += rows * self.pitch;
    }
}
