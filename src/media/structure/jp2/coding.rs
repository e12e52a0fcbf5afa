//! What the headers of a codestream say of its packets (ISO/IEC 15444-1 annex A), and where the data of each tile is.
//!
//! Extensions, packed headers and changes of progression are not read: of such a file nothing is said.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::bmff::{be16, be32};
use super::{EOC, SIZ, SOC, SOT};

const COD: u16 = 0xFF52;
const COC: u16 = 0xFF53;
const SOD: u16 = 0xFF93;
/// Markers that leave packets as they are: TLM, PLM, PLT, QCD, QCC, RGN, CRG, COM.
const HARMLESS: [u16; 8] = [0xFF55, 0xFF57, 0xFF58, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF63, 0xFF64];
/// Bits of the capabilities that announce other parts of the standard.
const EXTENDED: u16 = 0xC000;

/// Decomposition and code-blocks of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Number of decompositions.
    pub levels: u8,
    /// Exponents of the width and the height of code-blocks.
    pub block: (u8, u8),
    /// How code-blocks are coded (table A.19).
    pub modes: u8,
    /// Exponents of the width and the height of precincts, of each resolution; empty: as large as can be.
    precincts: Vec<(u8, u8)>,
}

impl Style {
    /// Exponents of the width and the height of the precincts of a resolution.
    pub fn precinct(&self, resolution: u8) -> (u8, u8) {
        self.precincts.get(usize::from(resolution)).copied().unwrap_or((15, 15))
    }

    /// Reads levels, code-blocks and precincts (table A.15); `None` for what the first part of the standard does not have.
    fn read(fields: &[u8], precincts: bool) -> Option<Self> {
        let &[levels, x, y, modes, _transform, ref sizes @ ..] = fields else { return None };
        if levels > 32 || x > 8 || y > 8 || x + y > 8 || modes & 0xC0 != 0 {
            return None;
        }
        let precincts: Vec<(u8, u8)> = if precincts {
            sizes.get(..usize::from(levels) + 1)?.iter().map(|&size| (size & 15, size >> 4)).collect()
        } else {
            Vec::new()
        };
        // A precinct is halved for the sub-bands of all resolutions but the lowest.
        let halved = precincts.iter().skip(1).all(|&(x, y)| x > 0 && y > 0);
        halved.then_some(Self { levels, block: (x + 2, y + 2), modes, precincts })
    }
}

/// What a COD marker says beside the style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The progression (table A.16).
    pub progression: u8,
    /// Number of layers.
    pub layers: u16,
    /// Start of packet markers may be there.
    pub sop: bool,
    /// End of packet header markers are there.
    pub eph: bool,
}

/// The markers of the main header or of a tile.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    order: Option<Order>,
    all: Option<Style>,
    own: BTreeMap<u16, Style>,
}

impl Marks {
    /// Takes in one marker segment; `None` when it makes packets unreadable for us.
    fn take(&mut self, code: u16, content: &[u8], many: bool) -> Option<()> {
        match code {
            COD => {
                let &[flags, progression, l0, l1, _transform, ref style @ ..] = content else { return None };
                let layers = u16::from_be_bytes([l0, l1]);
                let order = Order { progression, layers, sop: flags & 2 != 0, eph: flags & 4 != 0 };
                self.order = (progression <= 4 && layers > 0 && flags & 0xF8 == 0).then_some(order);
                self.order?;
                self.all = Some(Style::read(style, flags & 1 != 0)?);
            }
            COC => {
                let (component, rest) = if many {
                    (be16(content, 0)?, content.get(2..)?)
                } else {
                    (u16::from(*content.first()?), content.get(1..)?)
                };
                let (flags, style) = rest.split_first()?;
                self.own.insert(component, Style::read(style, flags & 1 != 0)?);
            }
            code if HARMLESS.contains(&code) => {}
            _ => return None,
        }
        Some(())
    }
}

/// One tile: its markers and the data of its parts, in order.
#[derive(Clone, Debug, Default)]
pub struct TileData {
    /// What its own headers say.
    marks: Marks,
    /// Where its packets are.
    pub parts: Vec<Range<usize>>,
    /// Its headers have something that is not read.
    pub unread: bool,
}

/// A codestream that can be read packet by packet.
#[derive(Clone, Debug)]
pub struct Codestream {
    /// The right and lower end of the picture on the reference grid, and its beginning.
    pub picture: [u32; 4],
    /// Size of tiles, and where the first begins.
    pub tiles: [u32; 4],
    /// Distances between the samples of each component.
    pub components: Vec<(u32, u32)>,
    marks: Marks,
    /// The tiles that are there.
    pub data: BTreeMap<u16, TileData>,
    /// The codestream ends with its marker, right behind the last tile-part.
    pub ended: bool,
}

impl Codestream {
    /// Reads all headers of the codestream in `range`; `None` for one that the packets of cannot be followed.
    pub fn read(bytes: &[u8], range: Range<usize>) -> Option<Self> {
        let bytes = bytes.get(..range.end)?;
        if be16(bytes, range.start)? != SOC {
            return None;
        }
        let (mut at, mut stream, mut marks) = (range.start + 2, None, Marks::default());
        loop {
            let code = be16(bytes, at)?;
            if code == SOT {
                break;
            }
            let content = bytes.get(at + 4..at + 2 + usize::from(be16(bytes, at + 2)?))?;
            if code == SIZ {
                stream = Some(Self::sized(content)?);
            } else {
                marks.take(code, content, stream.as_ref()?.components.len() > 256)?;
            }
            at += 4 + content.len();
        }
        let mut stream = stream?;
        stream.marks = marks;
        while be16(bytes, at) == Some(SOT) {
            at = stream.tile_part(bytes, at)?;
        }
        stream.ended = be16(bytes, at) == Some(EOC);
        Some(stream)
    }

    fn sized(content: &[u8]) -> Option<Self> {
        if be16(content, 0)? & EXTENDED != 0 {
            return None;
        }
        let four = |at: usize| -> Option<[u32; 4]> {
            Some([
                be32(content, at)?,
                be32(content, at + 4)?,
                be32(content, at + 8)?,
                be32(content, at + 12)?,
            ])
        };
        let (picture, tiles) = (four(2)?, four(18)?);
        let count = usize::from(be16(content, 34)?);
        let triples = content.get(36..36 + count * 3)?;
        let components: Vec<(u32, u32)> = triples
            .chunks_exact(3)
            .filter_map(|triple| match *triple {
                [_, dx, dy] if dx > 0 && dy > 0 => Some((dx.into(), dy.into())),
                _ => None,
            })
            .collect();
        let legal = components.len() == count && count > 0 && tiles.iter().take(2).all(|&side| side > 0);
        legal.then(|| Self {
            picture,
            tiles,
            components,
            marks: Marks::default(),
            data: BTreeMap::new(),
            ended: false,
        })
    }

    /// Reads the header of a tile-part and tells where the next one begins.
    fn tile_part(&mut self, bytes: &[u8], start: usize) -> Option<usize> {
        let (tile, length) = (be16(bytes, start + 4)?, be32(bytes, start + 6)? as usize);
        let end = match length {
            // Up to the end of the codestream.
            0 if bytes.ends_with(&EOC.to_be_bytes()) => bytes.len() - 2,
            0 => bytes.len(),
            length => start + length,
        };
        let many = self.components.len() > 256;
        let data = self.data.entry(tile).or_default();
        let mut at = start + 12;
        loop {
            let code = be16(bytes, at)?;
            if code == SOD {
                break;
            }
            let content = bytes.get(at + 4..at + 2 + usize::from(be16(bytes, at + 2)?))?;
            data.unread |= data.marks.take(code, content, many).is_none();
            at += 4 + content.len();
        }
        bytes.get(at + 2..end)?;
        data.parts.push(at + 2..end);
        Some(end)
    }

    /// In which order the packets of a tile stand.
    pub fn order(&self, tile: &TileData) -> Option<Order> {
        tile.marks.order.or(self.marks.order)
    }

    /// How a component of a tile is coded.
    pub fn style<'a>(&'a self, tile: &'a TileData, component: u16) -> Option<&'a Style> {
        let own = |marks: &'a Marks| marks.own.get(&component);
        own(&tile.marks).or(tile.marks.all.as_ref()).or_else(|| own(&self.marks)).or(self.marks.all.as_ref())
    }
}
