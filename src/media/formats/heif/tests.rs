#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "a panic is a failed test"
)]

use std::path::{Path, PathBuf};

use super::*;
use crate::media::Leave;
use crate::media::formats::films::{Film, Films, Planes};
use crate::model::Orientation;

const LIMITS: Limits = Limits { max_pixels: 1 << 26, max_memory: 1 << 31, max_seconds: 60 };

/// The primary picture, by tiles where `by_tiles` and it is such a one, else by libheif.
fn pixels(bytes: &[u8], by_tiles: bool) -> Option<Pixels> {
    let file = std::fs::File::open("/dev/null").unwrap();
    let source = Source::new(&file, bytes.len() as u64, Some(bytes), "heic");
    let layout = heif::walk(&source).unwrap();
    let mosaic = mosaic(&source, &layout).unwrap();
    if by_tiles && mosaic.is_none() {
        return None;
    }
    let mut examined = Examined::by(Heif.decoder());
    let mut wanted = Wanted::new(Depth::Full, Target::Full, &LIMITS);
    match libheif(&source, &layout, mosaic.filter(|_| by_tiles), &mut wanted, &mut examined) {
        Ok(()) => examined.pixels,
        // More than a test should take.
        Err(DecodeError::LimitExceeded { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Samples as they are shown.
fn upright(pixels: &Pixels) -> (PixelSize, Vec<u8>) {
    let Samples::U8(samples) = &pixels.samples else { panic!("not 8 bits") };
    let stored = pixels.size;
    let size = if pixels.orientation.transposes() { stored.transposed() } else { stored };
    let (right, bottom) = (stored.width as usize - 1, stored.height as usize - 1);
    let mut out = Vec::with_capacity(samples.len());
    for y in 0..size.height as usize {
        for x in 0..size.width as usize {
            let (column, row) = match pixels.orientation.exif() {
                3 => (right - x, bottom - y),
                6 => (y, bottom - x),
                8 => (right - y, x),
                _ => (x, y),
            };
            out.extend_from_slice(&samples[(row * stored.width as usize + column) * 3..][..3]);
        }
    }
    (size, out)
}

/// Whether both ways give the same picture: `None` where there is one way only.
fn agree(path: &Path) -> Option<bool> {
    let bytes = std::fs::read(path).unwrap();
    let tiles = pixels(&bytes, true).filter(|pixels| pixels.model == ColorModel::Rgb)?;
    let whole = pixels(&bytes, false)?;
    assert_eq!((&tiles.icc, tiles.bits_per_sample), (&whole.icc, whole.bits_per_sample));
    let ((size, tiles), (other, whole)) = (upright(&tiles), upright(&whole));
    Some(size == other && tiles.iter().zip(&whole).all(|(one, two)| one.abs_diff(*two) <= 1))
}

#[test]
fn tiles_give_what_libheif_gives() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let drawn = ["plain", "irot-1", "irot-2", "irot-3"];
    for name in drawn {
        let path = here.join(format!("testdata/edges/{name}.heic"));
        assert_eq!(agree(&path), Some(true), "{name}");
    }
    for name in ["imir-0", "irot-1-imir-0", "ten-bits"] {
        let path = here.join(format!("testdata/edges/{name}.heic"));
        assert_eq!(agree(&path), None, "{name} is no such picture");
    }
}

#[test]
fn tiles_of_cameras_give_what_libheif_gives() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("PHOTOFSCK_CORPUS").map(PathBuf::from);
    let folders = named.into_iter().chain([here.join("../shared/corpus")]);
    let Some(folder) = folders.map(|corpus| corpus.join("good/heic")).find(|folder| folder.is_dir()) else {
        eprintln!("NOT RUN: no corpus of real files here (PHOTOFSCK_CORPUS)");
        return;
    };
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let told: Vec<_> = files.map(|path| (agree(&path), path)).collect();
    let wrong: Vec<_> = told.iter().filter(|(agrees, _)| *agrees == Some(false)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let count = told.iter().filter(|(agrees, _)| *agrees == Some(true)).count();
    assert!(count >= 12 && told.len() >= 80, "{count} of {}", told.len());
}

/// Grants up to so much, and remembers the most that was asked for.
struct Grudging {
    ceiling: u64,
    most: u64,
}

impl Leave for Grudging {
    fn hold(&mut self, bytes: u64, _reduced: Option<u64>) -> Result<(), DecodeError> {
        self.most = self.most.max(bytes);
        if bytes <= self.ceiling { Ok(()) } else { Err(DecodeError::limit("this", "that")) }
    }
}

#[test]
fn memory_for_libheif_is_asked_for_where_it_has_to_decode() {
    let look = |name: &str, target: Target, ceiling: u64| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/edges").join(name);
        let bytes = std::fs::read(path).unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let source = Source::new(&file, bytes.len() as u64, Some(&bytes), "heic");
        let layout = heif::walk(&source).unwrap();
        let mut leave = Grudging { ceiling, most: 0 };
        let mut wanted = Wanted::new(Depth::Full, target, &LIMITS);
        wanted.leave = Some(&mut leave);
        let examined = Heif.examine(MediaFormat::Heic, &source, wanted);
        let estimate = Heif.estimate(MediaFormat::Heic, &source, target);
        assert_eq!(estimate < memory(&layout, &source), name == "plain.heic", "{name}: {estimate}");
        (leave.most == memory(&layout, &source), examined.problem, examined.pixels.is_some())
    };
    let plenty = u64::MAX;
    assert_eq!(look("plain.heic", Target::Full, 0), (false, None, true), "tiles need none");
    assert_eq!(look("plain.heic", Target::None, 0), (false, None, false), "the walk needs none");
    assert_eq!(look("imir-0.heic", Target::Full, plenty), (true, None, true));
    let (asked, problem, pixels) = look("imir-0.heic", Target::Full, 0);
    assert!(asked && !pixels && matches!(problem, Some(DecodeError::LimitExceeded { .. })), "{problem:?}");
}

/// Gives the same grey ramps for tile after tile; the numbers tell which.
struct Drawn {
    tile: PixelSize,
    matrix: u16,
    count: usize,
}

impl Films for Drawn {
    fn prepare(&self) {}

    fn id(&self, name: &str) -> DecoderId {
        decoder_id(name, "0")
    }

    fn estimate(&self, _: MediaFormat, _: &Source<'_>, _: Target) -> u64 {
        0
    }

    fn examine(&self, _: &Film<'_, '_>, _: &mut Examined) -> Result<(), DecodeError> {
        Err(DecodeError::unsupported("no films here"))
    }

    fn shown_frame(&self, _: &Source<'_>, _: MediaFormat, _: &Limits) -> Result<Pixels, DecodeError> {
        Err(DecodeError::unsupported("no films here"))
    }

    fn opinion(&self, _: bmff::Kind, _: &[u8], _: u64) -> Opinion {
        Opinion::None
    }

    fn stills(
        &self,
        streams: &mut dyn Iterator<Item = Vec<u8>>,
        taker: &mut dyn FnMut(&Planes<'_>) -> Option<()>,
    ) -> Option<()> {
        const PITCH: usize = 20;
        let (width, height) = (self.tile.width as usize, self.tile.height as usize);
        for number in 0..self.count {
            streams.next()?;
            let luma: Vec<u8> = (0..PITCH * height)
                .map(
                    |at| if at % PITCH < width { (number * 40 + at % PITCH + at / PITCH) as u8 } else { 255 },
                )
                .collect();
            let chroma = vec![128; PITCH * height.div_ceil(2)];
            let planes = [(luma.as_slice(), PITCH), (&chroma, PITCH), (&chroma, PITCH)];
            taker(&Planes { size: self.tile, planes, matrix: self.matrix })?;
        }
        Some(())
    }
}

/// What [`Drawn`] gives for a picture of so many tiles, whose container names a matrix.
fn drawn(size: PixelSize, (columns, rows): (usize, usize), told: u16, films: &Drawn) -> Option<Pixels> {
    let bytes =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/edges/plain.heic")).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let source = Source::new(&file, bytes.len() as u64, Some(&bytes), "heic");
    let layout = heif::walk(&source).unwrap();
    let items = vec![layout.index.primary.unwrap(); columns * rows];
    let mosaic = Mosaic { size, tile: films.tile, columns, items, orientation: Orientation::UPRIGHT };
    tiles::decode(&source, &layout.index, &mosaic, told, films, None)
}

#[test]
fn tiles_lie_side_by_side_and_end_with_the_picture() {
    let tile = PixelSize::new(16, 8);
    let size = PixelSize::new(41, 13);
    let films = |matrix, count| Drawn { tile, matrix, count };
    let pixels = drawn(size, (3, 2), 2, &films(6, 6)).unwrap();
    let Samples::U8(samples) = pixels.samples else { panic!("not 8 bits") };
    assert_eq!((pixels.size, samples.len()), (size, 41 * 13 * 3));
    for (at, pixel) in samples.as_chunks::<3>().0.iter().enumerate() {
        let (x, y) = (at % 41, at / 41);
        let wanted = (x / 16 + 3 * (y / 8)) * 40 + x % 16 + y % 8;
        assert_eq!(pixel, &[wanted as u8; 3], "{x}, {y}");
    }
    // A tile is lacking; they do not reach the edge; one row of them would not be seen.
    assert_eq!(drawn(size, (3, 2), 2, &films(6, 5)), None);
    assert_eq!(drawn(PixelSize::new(49, 13), (3, 2), 2, &films(6, 6)), None);
    assert_eq!(drawn(PixelSize::new(41, 8), (3, 2), 2, &films(6, 6)), None);
    // Container and stream differ, or tell of what is not made of luma and two differences.
    assert_eq!(drawn(size, (3, 2), 1, &films(6, 6)), None);
    assert_eq!(drawn(size, (3, 2), 0, &films(2, 6)), None);
    assert!(drawn(size, (3, 2), 5, &films(6, 6)).is_some());
    // Chroma samples would belong to two tiles.
    let odd = Drawn { tile: PixelSize::new(15, 8), matrix: 6, count: 6 };
    assert_eq!(drawn(size, (3, 2), 2, &odd), None);
}
