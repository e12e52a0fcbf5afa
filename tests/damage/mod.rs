//! Damaged copies of files, and copies with harmless oddities: the same for the same source, operator and seed.
//!
//! What a copy is worth as a case is not decided here but by its decoded pixels: see [`Label::of`].
#![allow(dead_code, reason = "each program uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is a failed test"
)]

mod blocks;
mod drawable;
mod harmless;
mod jpeg;
mod kind;
mod rng;
#[cfg(test)]
mod tests;

pub use drawable::is_drawable;
pub use harmless::Oddity;
pub use kind::Kind;
pub use rng::Rng;

/// A sound file from which copies are made.
pub struct Sound<'a> {
    /// Tells this source from others; part of the randomness.
    pub name: &'a str,
    /// The file.
    pub bytes: &'a [u8],
    /// What it is by content.
    pub kind: Kind,
    /// Another file, of any format, whose blocks turn up in this one.
    pub donor: &'a [u8],
    /// Another sound picture of the same format.
    pub twin: Option<&'a [u8]>,
}

impl<'a> Sound<'a> {
    /// A source; its kind is read from its bytes.
    pub fn new(name: &'a str, bytes: &'a [u8], donor: &'a [u8], twin: Option<&'a [u8]>) -> Self {
        Self { name, bytes, kind: Kind::of(bytes), donor, twin }
    }
}

/// What stands in a block afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Zero bytes: a sector that was never written, or a hole.
    Zero,
    /// 0xFF: erased flash.
    Ones,
    /// Random bytes: decayed, or wrongly decrypted.
    Random,
    /// A block of another file: a broken allocation table.
    Foreign,
    /// Changed places with another block of the file.
    Swapped,
    /// Gone; what follows moves up.
    Lost,
    /// There twice; what follows moves down.
    Doubled,
    /// Overwritten by another block of the same file.
    Copied,
}

/// One way to change a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Only so many hundredths are left.
    Truncated(u8),
    /// The last hundred bytes are gone.
    TruncatedLast100,
    /// Ends at a multiple of 512 bytes somewhere in the picture data.
    TruncatedAtSector,
    /// A block of so many bytes, aligned as storage aligns it.
    Block(Block, usize),
    /// The second half is zero.
    ZeroHalf,
    /// The last 4 KiB are zero.
    ZeroLast4k,
    /// The last 4 KiB are 0xFF.
    OnesLast4k,
    /// One bit of the picture data is the other one.
    BitFlip,
    /// Sixteen random bytes in the picture data.
    Random16,
    /// Line feeds became carriage return and line feed: a transfer in text mode.
    CrLf,
    /// Carriage returns before line feeds are gone.
    Lf,
    /// A page that says that something went wrong.
    Html,
    /// As long as before, all zero.
    AllZero,
    /// No bytes.
    Empty,
    /// So many random bytes at the start.
    Head(usize),
    /// EXIF data zeroed.
    ExifZero,
    /// EXIF data random.
    ExifRandom,
    /// Another sound picture under this name.
    OtherPicture,
    /// The right bytes under a name that promises another format.
    WrongExtension,
    /// Something unusual that changes no pixel.
    Odd(Oddity),
}

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Bytes are lost or changed.
    Damage,
    /// Nothing that matters is lost.
    Harmless,
    /// Sound bytes that are not what the name says; no check of the content alone can tell.
    Reference,
}

/// Sizes of damaged blocks.
pub const BLOCK_SIZES: [usize; 4] = [512, 4096, 16_384, 65_536];

const BLOCKS: [Block; 8] = [
    Block::Zero,
    Block::Ones,
    Block::Random,
    Block::Foreign,
    Block::Swapped,
    Block::Lost,
    Block::Doubled,
    Block::Copied,
];

impl Operator {
    /// Every operator, in the order of tables.
    pub fn all() -> Vec<Self> {
        let mut all = vec![
            Self::Truncated(10),
            Self::Truncated(50),
            Self::Truncated(90),
            Self::Truncated(99),
            Self::TruncatedLast100,
            Self::TruncatedAtSector,
        ];
        all.extend(BLOCKS.iter().flat_map(|&block| BLOCK_SIZES.map(|size| Self::Block(block, size))));
        all.extend([
            Self::ZeroHalf,
            Self::ZeroLast4k,
            Self::OnesLast4k,
            Self::BitFlip,
            Self::Random16,
            Self::CrLf,
            Self::Lf,
            Self::Html,
            Self::AllZero,
            Self::Empty,
            Self::Head(16),
            Self::Head(4096),
            Self::ExifZero,
            Self::ExifRandom,
            Self::OtherPicture,
            Self::WrongExtension,
        ]);
        all.extend(Oddity::ALL.map(Self::Odd));
        all
    }

    /// Every operator once for this source, seed and round: of damaged blocks, each kind in one size that fits the file. Other
    /// seeds and rounds take other sizes, so that blocks do not outweigh everything else.
    pub fn each_kind(name: &str, len: usize, seed: u64, round: u32) -> Vec<Self> {
        let fitting = BLOCK_SIZES.iter().filter(|&&size| 2 * size <= len).count();
        let size = |block: Block| {
            let mut rng = Rng::new(seed, &[name, block.name(), &round.to_string()]);
            BLOCK_SIZES[rng.below(fitting)]
        };
        let keep = |operator: &Self| match operator {
            Self::Block(block, wanted) => size(*block) == *wanted,
            _ => true,
        };
        Self::all().into_iter().filter(keep).collect()
    }

    /// The operators that leave the least trace in a JPEG: small and inside the entropy-coded data.
    pub fn hard() -> Vec<Self> {
        let mut hard = vec![Self::BitFlip, Self::Random16];
        for block in [Block::Zero, Block::Foreign, Block::Swapped, Block::Doubled] {
            hard.extend([512, 4096].map(|size| Self::Block(block, size)));
        }
        hard
    }

    /// Its name in tables and file names.
    pub fn name(self) -> String {
        let text = match self {
            Self::Truncated(percent) => return format!("truncated-{percent}"),
            Self::Block(block, size) => {
                let size = if size < 1024 { size.to_string() } else { format!("{}k", size / 1024) };
                return format!("{}-{size}", block.name());
            }
            Self::Head(4096) => "head-4k",
            Self::Head(size) => return format!("head-{size}"),
            Self::TruncatedLast100 => "truncated-last-100",
            Self::TruncatedAtSector => "truncated-sector",
            Self::ZeroHalf => "tail-zero-half",
            Self::ZeroLast4k => "tail-zero-4k",
            Self::OnesLast4k => "tail-ff-4k",
            Self::BitFlip => "bit-flip",
            Self::Random16 => "random-16",
            Self::CrLf => "crlf",
            Self::Lf => "lf",
            Self::Html => "html",
            Self::AllZero => "all-zero",
            Self::Empty => "empty",
            Self::ExifZero => "exif-zero",
            Self::ExifRandom => "exif-random",
            Self::OtherPicture => "other-picture",
            Self::WrongExtension => "wrong-extension",
            Self::Odd(oddity) => oddity.name(),
        };
        text.to_owned()
    }

    /// What kind of change it is.
    pub const fn nature(self) -> Nature {
        match self {
            Self::Odd(_) => Nature::Harmless,
            Self::OtherPicture | Self::WrongExtension => Nature::Reference,
            _ => Nature::Damage,
        }
    }

    /// Whether it cuts the file short or leaves zeros where its end was.
    pub const fn is_cut(self) -> bool {
        matches!(
            self,
            Self::Truncated(_)
                | Self::TruncatedLast100
                | Self::TruncatedAtSector
                | Self::ZeroHalf
                | Self::ZeroLast4k
                | Self::AllZero
                | Self::Empty
        )
    }

    /// The changed file; `None` where it does not apply, or would change nothing. `round` tells repetitions apart.
    pub fn apply(self, sound: &Sound<'_>, seed: u64, round: u32) -> Option<Vec<u8>> {
        let mut rng = Rng::new(seed, &[sound.name, &self.name(), &round.to_string()]);
        if self == Self::WrongExtension {
            return Some(sound.bytes.to_vec());
        }
        let changed = match self {
            Self::Odd(oddity) => oddity.apply(sound, &mut rng),
            Self::OtherPicture => sound.twin.map(<[u8]>::to_vec),
            _ => blocks::damage(self, sound, &mut rng),
        }?;
        (changed != sound.bytes).then_some(changed)
    }
}

impl Block {
    const fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Ones => "ff",
            Self::Random => "random",
            Self::Foreign => "foreign",
            Self::Swapped => "swap",
            Self::Lost => "lost",
            Self::Doubled => "double",
            Self::Copied => "copy",
        }
    }
}

/// How the pixels of a copy compare with those of the sound file, by a decoder that shows what it can.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Difference {
    /// Nothing can be shown.
    Undecodable,
    /// Another size, or another number of frames.
    Shape,
    /// Peak signal to noise ratio of the worst frame, in dB; infinite when all pixels are equal.
    Psnr(f64),
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Undecodable => f.write_str("undecodable"),
            Self::Shape => f.write_str("other size"),
            Self::Psnr(psnr) => write!(f, "{psnr:.1} dB"),
        }
    }
}

impl std::str::FromStr for Difference {
    type Err = std::num::ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "undecodable" => Self::Undecodable,
            "other size" => Self::Shape,
            psnr => Self::Psnr(psnr.trim_end_matches(" dB").parse()?),
        })
    }
}

/// What a check has to say of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// The damage is visible: it has to be found.
    Must,
    /// Changed, but hardly visible: either answer will do.
    May,
    /// Nothing is lost: must not be called damaged.
    MustNot,
    /// Counted apart: a sound file, but another one than it was.
    Reference,
}

impl Label {
    /// Below this ratio, in dB, a difference counts as visible.
    pub const VISIBLE: f64 = 40.0;

    /// The label of a copy.
    pub fn of(nature: Nature, difference: Difference) -> Self {
        match (nature, difference) {
            (Nature::Reference, _) => Self::Reference,
            (Nature::Harmless, Difference::Psnr(psnr)) if psnr.is_infinite() => Self::MustNot,
            // Not harmless after all for the decoder that judges, so nobody is held to it.
            (Nature::Harmless, _) => Self::May,
            (Nature::Damage, Difference::Psnr(psnr)) if psnr >= Self::VISIBLE => Self::May,
            (Nature::Damage, _) => Self::Must,
        }
    }

    /// The word in lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::May => "may",
            Self::MustNot => "must-not",
            Self::Reference => "ref",
        }
    }
}
