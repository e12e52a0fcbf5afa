//! Bits of packet headers, and tag trees (ISO/IEC 15444-1 B.10.1 and B.10.2).

/// Bits with a zero stuffed in behind each byte FF.
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte.
    at: usize,
    current: u8,
    /// Bits of `current` that are not read yet.
    left: u8,
}

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The data ends inside it.
    Ends,
    /// Behind FF stands a byte above 7F.
    Stuffing,
    /// A number is larger than can be.
    Number,
}

impl<'a> Bits<'a> {
    /// Reads from a place on.
    pub const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, current: 0, left: 0 }
    }

    fn fill(&mut self) -> Result<(), Wrong> {
        let stuffed = self.current == 0xFF;
        self.current = *self.bytes.get(self.at).ok_or(Wrong::Ends)?;
        if stuffed && self.current & 0x80 != 0 {
            return Err(Wrong::Stuffing);
        }
        self.at += 1;
        self.left = if stuffed { 7 } else { 8 };
        Ok(())
    }

    /// The next bit.
    pub fn bit(&mut self) -> Result<bool, Wrong> {
        if self.left == 0 {
            self.fill()?;
        }
        self.left -= 1;
        Ok(self.current >> self.left & 1 == 1)
    }

    /// The next bits as a number, at most 32 of them.
    pub fn number(&mut self, count: u32) -> Result<u32, Wrong> {
        if count > 32 {
            return Err(Wrong::Number);
        }
        (0..count).try_fold(0, |number, _| Ok(number << 1 | u32::from(self.bit()?)))
    }

    /// Where the header ends.
    pub fn end(mut self) -> Result<usize, Wrong> {
        if self.current == 0xFF {
            self.fill()?;
        }
        Ok(self.at)
    }
}

/// Numbers of a grid that are told bit by bit, those of four neighbours together.
#[derive(Clone, Debug)]
pub struct TagTree {
    /// Columns of each level and its nodes, the leaves first.
    levels: Vec<(usize, Vec<Node>)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The number is this or more.
    least: u32,
    /// It is this.
    known: bool,
}

impl TagTree {
    /// A tree over a grid.
    pub fn new((columns, rows): (u32, u32)) -> Self {
        let mut levels = Vec::new();
        let (mut columns, mut rows) = (columns as usize, rows as usize);
        while columns > 0 && rows > 0 {
            levels.push((columns, vec![Node::default(); columns * rows]));
            if columns == 1 && rows == 1 {
                break;
            }
            (columns, rows) = (columns.div_ceil(2), rows.div_ceil(2));
        }
        Self { levels }
    }

    /// Reads until it is known whether the number of a leaf is below `limit`; the number if it is.
    pub fn below(
        &mut self,
        (column, row): (usize, usize),
        limit: u32,
        bits: &mut Bits<'_>,
    ) -> Result<Option<u32>, Wrong> {
        let (mut least, mut number) = (0, None);
        for (level, (columns, nodes)) in self.levels.iter_mut().enumerate().rev() {
            let place = (row >> level) * *columns + (column >> level);
            let node = nodes.get_mut(place).ok_or(Wrong::Number)?;
            node.least = node.least.max(least);
            while !node.known && node.least < limit {
                if bits.bit()? {
                    node.known = true;
                } else {
                    node.least += 1;
                }
            }
            least = node.least;
            number = (node.known && node.least < limit).then_some(node.least);
        }
        Ok(number)
    }
}
