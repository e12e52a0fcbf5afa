//! VP8L, the lossless pictures of WebP, to their last pixel, without pixels (RFC 9649 section 3).
//!
//! Prefix codes fall into step again after a change, but not at the same pixel: the number of pixels, the distances that
//! must not reach back before the first, and the end of the data tell.

mod bits;
mod prefix;

use crate::model::DecodeError;

use super::{Flaw, equal_run};
use bits::BitReader;
use prefix::PrefixCode;

/// Zero bytes behind the last pixel that are no offence: a writer of 64-bit words fills the last one.
const MAX_PADDING: usize = 8;
/// Equal bytes in a row that are not part of a sound picture of this many rows or more.
const RUN: usize = 512;
/// Symbols for literals, lengths and distances.
const LITERALS: usize = 256;
const LENGTHS: usize = 24;
const DISTANCES: usize = 40;

/// Walks the data of a VP8L chunk that begins at offset `at` of the file. Where not the `whole` chunk is there, the answer
/// is how far it goes.
pub fn walk(bytes: &[u8], at: u64, whole: bool) -> Result<(), Flaw> {
    let mut walk = Walk::new(bytes, at, whole);
    let header = (walk.bits.read(8), walk.bits.read(14), walk.bits.read(14), walk.bits.read(4));
    let (0x2F, width, height, 0 | 1) = header else {
        return Err(DecodeError::malformed("no VP8L picture", at).into());
    };
    walk.picture(width + 1, height + 1)
}

/// Walks the data of an alpha plane of this size, which begin at offset `at` of the file (section 2.7.1.2).
pub fn walk_alpha(bytes: &[u8], at: u64, width: u32, height: u32) -> Result<(), Flaw> {
    Walk::new(bytes, at, true).picture(width, height)
}

/// What an image is for.
enum Use<'k> {
    /// It is the picture.
    Picture,
    /// Parameters of a transform, which do not say how to read on.
    Transform,
    /// Groups of codes by block: the colours are kept.
    Groups(&'k mut Vec<u32>),
}

/// A problem, still without offset.
enum Stop {
    Wrong(&'static str),
    Ended,
    Memory,
}

struct Walk<'a> {
    bytes: &'a [u8],
    bits: BitReader<'a>,
    at: u64,
    whole: bool,
    /// Rows of the picture itself, and where in the data each begins, as far as the walk came.
    height: u32,
    starts: Vec<u32>,
}

/// The five codes that one pixel needs.
struct Group {
    green: PrefixCode,
    red: PrefixCode,
    blue: PrefixCode,
    alpha: PrefixCode,
    distance: PrefixCode,
}

/// Which group is for which block of pixels.
struct Blocks {
    bits: u32,
    columns: usize,
    groups: Vec<u16>,
}

/// Recently used colours; only kept where colours matter.
struct Cache {
    shift: u32,
    colours: Vec<u32>,
}

impl Cache {
    fn insert(&mut self, colour: u32) {
        // Without a cache, the shift is by all bits.
        let key = colour.wrapping_mul(0x1E35_A7BD).checked_shr(self.shift).unwrap_or(0);
        if let Some(place) = self.colours.get_mut(key as usize) {
            *place = colour;
        }
    }
}

const fn blocks(size: u32, bits: u32) -> u32 {
    size.div_ceil(1 << bits)
}

impl<'a> Walk<'a> {
    const fn new(bytes: &'a [u8], at: u64, whole: bool) -> Self {
        Self { bytes, bits: BitReader::new(bytes), at, whole, height: 0, starts: Vec::new() }
    }

    fn picture(&mut self, width: u32, height: u32) -> Result<(), Flaw> {
        self.height = height;
        let Err(stop) = self.stream(width, height) else { return Ok(()) };
        let offset = self.at + self.bits.bytes().min(self.bytes.len()) as u64;
        let error = match stop {
            Stop::Wrong(what) => DecodeError::malformed(what, offset),
            Stop::Ended if self.whole => {
                DecodeError::malformed("the data ends before the last pixel", offset)
            }
            Stop::Ended => DecodeError::truncated("a lossless picture", offset),
            Stop::Memory => DecodeError::limit("the prefix codes of a lossless picture", "memory"),
        };
        Err(Flaw { error, sound_until: self.sound_until() })
    }

    /// The whole stream (section 3.8.1).
    fn stream(&mut self, width: u32, height: u32) -> Result<(), Stop> {
        let width = self.transforms(width, height)?;
        let memory = width as usize * height as usize * 8 + (2 << 20);
        let cache = self.cache_bits()?;
        let blocks = if self.bits.flag() { Some(self.block_groups(width, height)?) } else { None };
        let groups = self.groups(cache, blocks.as_ref(), memory)?;
        self.pixels((width, height), cache, &groups, blocks.as_ref(), Use::Picture)?;
        if self.whole {
            let rest = self.bits.rest();
            if rest.len() > MAX_PADDING || rest.iter().any(|byte| *byte != 0) {
                return Err(Stop::Wrong("data is left over behind the last pixel"));
            }
        }
        Ok(())
    }

    /// Reads past the transforms; the width in which pixels are stored (section 3.5).
    fn transforms(&mut self, mut width: u32, height: u32) -> Result<u32, Stop> {
        let mut seen = [false; 4];
        while self.bits.flag() {
            let kind = self.bits.read(2);
            match seen.get_mut(kind as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(Stop::Wrong("a transform for the second time")),
            }
            match kind {
                // Prediction; colour.
                0 | 1 => {
                    let bits = self.bits.read(3) + 2;
                    self.sub_image(blocks(width, bits), blocks(height, bits), Use::Transform)?;
                }
                // Subtraction of green.
                2 => {}
                // Palette.
                _ => {
                    let colours = self.bits.read(8) + 1;
                    self.sub_image(colours, 1, Use::Transform)?;
                    let bits = match colours {
                        0..=2 => 3,
                        3..=4 => 2,
                        5..=16 => 1,
                        _ => 0,
                    };
                    width = blocks(width, bits);
                }
            }
            self.enough()?;
        }
        Ok(width)
    }

    fn cache_bits(&mut self) -> Result<u32, Stop> {
        if !self.bits.flag() {
            return Ok(0);
        }
        match self.bits.read(4) {
            bits @ 1..=11 => Ok(bits),
            _ => Err(Stop::Wrong("a colour cache of a size that is not allowed")),
        }
    }

    /// Data of a transform, or of the groups of codes (section 3.7.1).
    fn sub_image(&mut self, width: u32, height: u32, purpose: Use<'_>) -> Result<(), Stop> {
        let cache = self.cache_bits()?;
        let groups = self.groups(cache, None, usize::MAX)?;
        self.pixels((width, height), cache, &groups, None, purpose)?;
        self.enough()
    }

    fn block_groups(&mut self, width: u32, height: u32) -> Result<Blocks, Stop> {
        let bits = self.bits.read(3) + 2;
        let (columns, rows) = (blocks(width, bits), blocks(height, bits));
        let mut pixels = Vec::new();
        self.sub_image(columns, rows, Use::Groups(&mut pixels))?;
        // Red and green.
        let groups = pixels.into_iter().map(|pixel| (pixel >> 8 & 0xFFFF) as u16).collect();
        Ok(Blocks { bits, columns: columns as usize, groups })
    }

    /// The codes of all groups. Those that no block uses are read, not kept.
    fn groups(
        &mut self,
        cache: u32,
        blocks: Option<&Blocks>,
        memory: usize,
    ) -> Result<Vec<Option<Group>>, Stop> {
        let groups = blocks.map_or(&[0][..], |blocks| &blocks.groups);
        let count = groups.iter().max().map_or(1, |last| usize::from(*last) + 1);
        let mut used = vec![false; count];
        for group in groups {
            if let Some(used) = used.get_mut(usize::from(*group)) {
                *used = true;
            }
        }
        let green = LITERALS + LENGTHS + if cache > 0 { 1 << cache } else { 0 };
        let mut held = 0usize;
        let mut kept = Vec::new();
        for used in used {
            let mut code = |alphabet| {
                let code = PrefixCode::read(&mut self.bits, alphabet);
                code.ok_or(Stop::Wrong("a prefix code that is none"))
            };
            let group = Group {
                green: code(green)?,
                red: code(LITERALS)?,
                blue: code(LITERALS)?,
                alpha: code(LITERALS)?,
                distance: code(DISTANCES)?,
            };
            self.enough()?;
            if used {
                held += [&group.green, &group.red, &group.blue, &group.alpha, &group.distance]
                    .iter()
                    .map(|code| code.bytes())
                    .sum::<usize>();
                if held > memory {
                    return Err(Stop::Memory);
                }
            }
            kept.push(used.then_some(group));
        }
        Ok(kept)
    }

    /// Reads all pixels of an image (section 3.6.2). Their colours are only found where they are to be kept.
    fn pixels(
        &mut self,
        (width, height): (u32, u32),
        cache_bits: u32,
        groups: &[Option<Group>],
        blocks: Option<&Blocks>,
        purpose: Use<'_>,
    ) -> Result<(), Stop> {
        let (width, height) = (width as usize, height as usize);
        let total = width * height;
        let (picture, mut keep) = match purpose {
            Use::Picture => (true, None),
            Use::Transform => (false, None),
            Use::Groups(pixels) => (false, Some(pixels)),
        };
        let mut cache = Cache { shift: 32 - cache_bits, colours: Vec::new() };
        if keep.is_some() && cache_bits > 0 {
            cache.colours = vec![0; 1 << cache_bits];
        }
        // A reader of its own lives in registers.
        let mut bits = self.bits;
        let mask = blocks.map_or(usize::MAX, |blocks| (1 << blocks.bits) - 1);
        let (mut done, mut column, mut row) = (0, 0, 0);
        let mut group = None;
        while done < total {
            if column & mask == 0 || group.is_none() {
                let index = blocks.map_or(Some(0), |blocks| {
                    let place = (row >> blocks.bits) * blocks.columns + (column >> blocks.bits);
                    blocks.groups.get(place).map(|group| usize::from(*group))
                });
                group = index.and_then(|index| groups.get(index)).and_then(Option::as_ref);
            }
            let Some(codes) = group else { return Err(Stop::Wrong("a pixel without prefix codes")) };
            let green = usize::from(codes.green.symbol(&mut bits));
            let mut run = 1;
            if green < LITERALS {
                let red = codes.red.symbol_of_filled(&mut bits);
                let blue = codes.blue.symbol(&mut bits);
                let alpha = codes.alpha.symbol_of_filled(&mut bits);
                if let Some(kept) = &mut keep {
                    let colour = u32::from(alpha) << 24 | u32::from(red) << 16 | u32::from(blue);
                    let colour = colour | u32::try_from(green).unwrap_or(0) << 8;
                    kept.push(colour);
                    cache.insert(colour);
                }
            } else if green < LITERALS + LENGTHS {
                run = prefixed(&mut bits, green - LITERALS);
                let symbol = usize::from(codes.distance.symbol(&mut bits));
                let distance = distance(prefixed(&mut bits, symbol), width);
                if distance > done {
                    self.bits = bits;
                    return Err(Stop::Wrong("a copy of pixels from before the first"));
                }
                if run > total - done {
                    self.bits = bits;
                    return Err(Stop::Wrong("more pixels than the picture has"));
                }
                if let Some(kept) = &mut keep {
                    for _ in 0..run {
                        let colour = kept.get(kept.len().wrapping_sub(distance)).copied().unwrap_or_default();
                        kept.push(colour);
                        cache.insert(colour);
                    }
                }
            } else if let Some(kept) = &mut keep {
                let colour = cache.colours.get(green - LITERALS - LENGTHS).copied().unwrap_or_default();
                kept.push(colour);
                cache.insert(colour);
            }
            done += run;
            column += run;
            if column >= width {
                if bits.overrun() {
                    self.bits = bits;
                    return Err(Stop::Ended);
                }
                if picture {
                    let position = u32::try_from(bits.bytes()).unwrap_or(u32::MAX);
                    self.starts.resize(self.starts.len() + column / width, position);
                }
                row += column / width;
                column %= width;
            }
            if column & mask != 0 && run > 1 {
                group = None;
            }
        }
        self.bits = bits;
        self.enough()
    }

    fn enough(&self) -> Result<(), Stop> {
        if self.bits.overrun() { Err(Stop::Ended) } else { Ok(()) }
    }

    /// Where the chunk is cut, all rows that were complete before are sound. Where it is filled with equal bytes from
    /// somewhere on, the rows before that place are. Otherwise, no one can tell.
    fn sound_until(&self) -> Option<f32> {
        let mut sound = self.starts.len();
        if self.whole {
            let run = equal_run(self.bytes, RUN)?;
            sound = self.starts.iter().filter(|end| **end as usize <= run).count();
        }
        Some(sound as f32 / self.height as f32)
    }
}

/// A length or distance of which `symbol` is the prefix (section 3.6.2.2).
#[inline]
fn prefixed(bits: &mut BitReader<'_>, symbol: usize) -> usize {
    if symbol < 4 {
        return symbol + 1;
    }
    let extra = (symbol - 2) >> 1;
    let offset = (2 + (symbol & 1)) << extra;
    offset + bits.read(u32::try_from(extra).unwrap_or(0)) as usize + 1
}

/// Short distances name a pixel near by, in two dimensions (section 3.6.2.2).
fn distance(code: usize, width: usize) -> usize {
    let Some((dx, dy)) = code.checked_sub(1).and_then(|index| NEAR.get(index)) else {
        return code - NEAR.len();
    };
    let distance = width.cast_signed() * isize::from(*dy) + isize::from(*dx);
    distance.max(1).cast_unsigned()
}

/// Columns to the left and rows up, by distance code.
#[rustfmt::skip]
const NEAR: [(i8, i8); 120] = [
    (0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1), (-2, 1),
    (2, 2), (-2, 2), (0, 3), (3, 0), (1, 3), (-1, 3), (3, 1), (-3, 1), (2, 3), (-2, 3),
    (3, 2), (-3, 2), (0, 4), (4, 0), (1, 4), (-1, 4), (4, 1), (-4, 1), (3, 3), (-3, 3),
    (2, 4), (-2, 4), (4, 2), (-4, 2), (0, 5), (3, 4), (-3, 4), (4, 3), (-4, 3), (5, 0),
    (1, 5), (-1, 5), (5, 1), (-5, 1), (2, 5), (-2, 5), (5, 2), (-5, 2), (4, 4), (-4, 4),
    (3, 5), (-3, 5), (5, 3), (-5, 3), (0, 6), (6, 0), (1, 6), (-1, 6), (6, 1), (-6, 1),
    (2, 6), (-2, 6), (6, 2), (-6, 2), (4, 5), (-4, 5), (5, 4), (-5, 4), (3, 6), (-3, 6),
    (6, 3), (-6, 3), (0, 7), (7, 0), (1, 7), (-1, 7), (5, 5), (-5, 5), (7, 1), (-7, 1),
    (4, 6), (-4, 6), (6, 4), (-6, 4), (2, 7), (-2, 7), (7, 2), (-7, 2), (3, 7), (-3, 7),
    (7, 3), (-7, 3), (5, 6), (-5, 6), (6, 5), (-6, 5), (8, 0), (4, 7), (-4, 7), (7, 4),
    (-7, 4), (8, 1), (8, 2), (6, 6), (-6, 6), (8, 3), (5, 7), (-5, 7), (7, 5), (-7, 5),
    (8, 4), (6, 7), (-6, 7), (7, 6), (-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7),
];
