//! The sample tables of one track (ISO/IEC 14496-12 8.6 and 8.7).

use crate::model::DecodeError;

use super::super::bmff::{be16, be32, be64};

/// A table's entries as they stand in the file, behind the count.
#[derive(Debug, Default)]
struct Entries {
    bytes: Vec<u8>,
    count: usize,
}

/// Where chunks are and which samples they hold.
#[derive(Debug, Default)]
pub struct Tables {
    sizes: Sizes,
    chunks: Entries,
    /// Chunk offsets take eight bytes.
    wide: bool,
    runs: Entries,
    times: Entries,
}

/// Raw boxes, each with the place where it starts in the file.
pub struct Boxes {
    /// `stsz` or `stz2`.
    pub sizes: Vec<u8>,
    /// Whether the sizes are those of `stz2`.
    pub compact: bool,
    /// `stco` or `co64`.
    pub chunks: Vec<u8>,
    /// Whether the offsets are those of `co64`.
    pub wide: bool,
    /// `stsc`.
    pub runs: Vec<u8>,
    /// `stts`.
    pub times: Vec<u8>,
    /// Where the table of chunks starts in the file.
    pub start: u64,
}

/// One chunk: samples side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Counted from 1, as the tables do.
    pub number: usize,
    /// Where its first sample starts in the file.
    pub offset: u64,
    /// The first sample, counted from 0.
    pub first: u32,
    /// How many samples.
    pub samples: u32,
    /// Index of the sample entry, counted from 1.
    pub description: u32,
}

impl Tables {
    /// Takes the boxes; a table that claims more entries than it has is wrong.
    pub fn new(boxes: Boxes) -> Result<Self, DecodeError> {
        let start = boxes.start;
        let entries = |bytes: Vec<u8>, width: usize, name: &str| {
            let count = be32(&bytes, 4).unwrap_or(0) as usize;
            if bytes.len().saturating_sub(8) / width < count {
                return Err(DecodeError::malformed(
                    format!("table '{name}' of {count} entries is shorter than that"),
                    start,
                ));
            }
            Ok(Entries { bytes, count })
        };
        Ok(Self {
            sizes: Sizes::new(boxes.sizes, boxes.compact, start)?,
            chunks: entries(
                boxes.chunks,
                if boxes.wide { 8 } else { 4 },
                if boxes.wide { "co64" } else { "stco" },
            )?,
            wide: boxes.wide,
            runs: entries(boxes.runs, 12, "stsc")?,
            times: entries(boxes.times, 8, "stts")?,
        })
    }

    /// Number of samples.
    pub const fn samples(&self) -> u32 {
        self.sizes.count
    }

    /// The size of a sample, counted from 0; 0 behind the last.
    pub fn size(&self, sample: u32) -> u64 {
        self.sizes.get(sample)
    }

    /// The bytes of a run of samples.
    pub fn bytes(&self, first: u32, count: u32) -> u64 {
        if self.sizes.same != 0 {
            return u64::from(self.sizes.same) * u64::from(count);
        }
        (first..first.saturating_add(count)).map(|sample| self.size(sample)).fold(0, u64::saturating_add)
    }

    /// The chunks in order, up to the last sample.
    pub fn chunks(&self) -> Chunks<'_> {
        Chunks { tables: self, index: 0, run: 0, per_chunk: 0, description: 1, sample: 0 }
    }

    /// What the tables say about each other, where they do not agree. No proof of damage: players cope, and some
    /// writers are careless.
    pub fn disagreement(&self) -> Option<String> {
        let timed: u64 =
            Self::entries(&self.times, 8).map(|entry| u64::from(be32(entry, 0).unwrap_or(0))).sum();
        if timed != u64::from(self.samples()) {
            return Some(format!("table 'stts' has times for {timed} samples of {}", self.samples()));
        }
        let held: u64 = self.chunks().map(|chunk| u64::from(chunk.samples)).sum();
        (held != u64::from(self.samples()))
            .then(|| format!("the chunks hold {held} samples of {}", self.samples()))
    }

    /// When a sample is decoded, in units of the track's time scale.
    pub fn time(&self, sample: u32) -> u64 {
        let mut left = sample;
        let mut time = 0u64;
        for entry in Self::entries(&self.times, 8) {
            let (count, each) = (be32(entry, 0).unwrap_or(0), be32(entry, 4).unwrap_or(0));
            let taken = count.min(left);
            time = time.saturating_add(u64::from(taken) * u64::from(each));
            left -= taken;
            if left == 0 {
                break;
            }
        }
        time
    }

    fn entries(table: &Entries, width: usize) -> impl Iterator<Item = &[u8]> {
        table.bytes.get(8..).unwrap_or_default().chunks_exact(width).take(table.count)
    }

    fn offset(&self, index: usize) -> Option<u64> {
        if self.wide {
            be64(&self.chunks.bytes, 8 + index * 8)
        } else {
            be32(&self.chunks.bytes, 8 + index * 4).map(u64::from)
        }
    }

    /// First chunk, samples per chunk, sample entry.
    fn run(&self, index: usize) -> Option<[u32; 3]> {
        let at = 8 + index * 12;
        let field = |at| be32(&self.runs.bytes, at);
        (index < self.runs.count).then(|| Some([field(at)?, field(at + 4)?, field(at + 8)?]))?
    }
}

/// See [`Tables::chunks`].
#[derive(Clone)]
pub struct Chunks<'t> {
    tables: &'t Tables,
    index: usize,
    run: usize,
    per_chunk: u32,
    description: u32,
    sample: u32,
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        if self.index >= self.tables.chunks.count {
            return None;
        }
        let number = self.index + 1;
        while let Some([first, samples, description]) = self.tables.run(self.run)
            && first as usize <= number
        {
            (self.per_chunk, self.description) = (samples, description);
            self.run += 1;
        }
        let samples = self.per_chunk.min(self.tables.samples() - self.sample);
        let chunk = Chunk {
            number,
            offset: self.tables.offset(self.index)?,
            first: self.sample,
            samples,
            description: self.description,
        };
        self.sample += samples;
        self.index += 1;
        Some(chunk)
    }
}

/// Sample sizes: all the same, or a table.
#[derive(Debug, Default)]
struct Sizes {
    same: u32,
    count: u32,
    /// Bits of one entry.
    bits: u8,
    table: Vec<u8>,
}

impl Sizes {
    fn new(table: Vec<u8>, compact: bool, start: u64) -> Result<Self, DecodeError> {
        let short = || DecodeError::malformed("the table of sample sizes is shorter than it says", start);
        let count = be32(&table, 8).ok_or_else(short)?;
        let (same, bits) = if compact {
            (0, table.get(7).copied().unwrap_or(0))
        } else {
            (be32(&table, 4).unwrap_or(0), 32)
        };
        let room = (table.len() as u64 - 12) * 8;
        if same == 0 && (!matches!(bits, 4 | 8 | 16 | 32) || u64::from(count) * u64::from(bits) > room) {
            return Err(short());
        }
        Ok(Self { same, count, bits, table })
    }

    fn get(&self, sample: u32) -> u64 {
        if sample >= self.count {
            return 0;
        }
        if self.same != 0 {
            return u64::from(self.same);
        }
        let index = sample as usize;
        match self.bits {
            32 => be32(&self.table, 12 + index * 4).map(u64::from),
            16 => be16(&self.table, 12 + index * 2).map(u64::from),
            8 => self.table.get(12 + index).copied().map(u64::from),
            _ => self
                .table
                .get(12 + index / 2)
                .map(|&pair| u64::from(if index.is_multiple_of(2) { pair >> 4 } else { pair & 15 })),
        }
        .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn tables() -> Boxes {
        Boxes {
            sizes: numbers(&[0, 0, 5, 10, 20, 30, 40, 50]),
            compact: false,
            chunks: numbers(&[0, 3, 100, 200, 300]),
            wide: false,
            runs: numbers(&[0, 2, 1, 2, 1, 3, 1, 1]),
            times: numbers(&[0, 2, 2, 10, 3, 20]),
            start: 0,
        }
    }

    #[test]
    fn chunks_hold_what_the_runs_say() {
        let tables = Tables::new(tables()).unwrap();
        let chunks: Vec<(u64, u32, u32, u64)> = tables
            .chunks()
            .map(|c| (c.offset, c.first, c.samples, tables.bytes(c.first, c.samples)))
            .collect();
        assert_eq!(chunks, [(100, 0, 2, 30), (200, 2, 2, 70), (300, 4, 1, 50)]);
        assert_eq!(tables.disagreement(), None);
        assert_eq!([0, 1, 2, 4].map(|sample| tables.time(sample)), [0, 10, 20, 60]);
    }

    #[test]
    fn a_count_beyond_the_table_is_wrong() {
        let mut boxes = tables();
        boxes.sizes = numbers(&[0, 0, 6, 10, 20, 30, 40, 50]);
        assert!(Tables::new(boxes).is_err());
        let mut boxes = tables();
        boxes.chunks = numbers(&[0, u32::MAX, 100]);
        assert!(Tables::new(boxes).is_err());
    }

    #[test]
    fn tables_that_disagree_are_told() {
        let mut boxes = tables();
        boxes.times = numbers(&[0, 1, 4, 10]);
        assert!(Tables::new(boxes).unwrap().disagreement().unwrap().contains("stts"));
    }

    #[test]
    fn compact_sizes_of_four_bits() {
        let mut boxes = tables();
        boxes.sizes = [numbers(&[0, 4, 3]), vec![0x12, 0x30]].concat();
        boxes.compact = true;
        let tables = Tables::new(boxes).unwrap();
        assert_eq!([0, 1, 2, 3].map(|sample| tables.size(sample)), [1, 2, 3, 0]);
    }
}
