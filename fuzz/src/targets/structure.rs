//! The walkers of `media::structure`, and their neighbours that need no decoder.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::LazyLock;

use photofsck::media::panorama::{self, Panorama};
use photofsck::media::retag::retag;
use photofsck::media::structure::bmp::{Plain, Runs};
use photofsck::media::structure::tail::{Rows, metadata::Blank};
use photofsck::media::structure::{
    av1, bmff, ebml, gif, h264, heif, hevc, jp2, jpeg, jpeg_walk, mp4, png, raw, streams, tiff, vp8, webp,
    xml,
};
use photofsck::media::{Source, exif, quick};
use photofsck::model::{DecodeError, Orientation, PixelSize};

/// What a source reads from when a walker goes past the bytes that it was given: nothing.
pub static NOWHERE: LazyLock<File> = LazyLock::new(|| File::open("/dev/null").expect("/dev/null opens"));

fn source(data: &[u8]) -> Source<'_> {
    Source::new(&NOWHERE, data.len() as u64, Some(data), "")
}

/// What a walker says has to be printable, and about the bytes or a limit, never about the system.
fn answer<T>(result: Result<T, DecodeError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(DecodeError::Io { what, .. }) => panic!("no system was asked, yet it is said: {what}"),
        Err(error) => {
            assert!(error.to_string().len() < 4096, "a message that nobody reads");
            None
        }
    }
}

pub fn ebml(data: &[u8]) {
    answer(ebml::walk(&source(data), true, &mut || Ok(())));
}

pub fn exif(data: &[u8]) {
    let _ = exif::read(data);
    // The same bytes as the block of a picture whose tags are set.
    let jpeg = in_a_jpeg(data);
    if let Some(made) = retag(&jpeg, Orientation::from_exif(6), Some("sRGB")) {
        assert!(made.len() <= jpeg.len() + 65_536, "as long as a segment");
    }
    let _ = retag(data, Orientation::from_exif(6), None);
}

fn in_a_jpeg(block: &[u8]) -> Vec<u8> {
    let payload = [b"Exif\0\0", block.strip_prefix(b"Exif\0\0").unwrap_or(block)].concat();
    let payload = payload.get(..60_000).unwrap_or(&payload);
    let length = u16::try_from(payload.len() + 2).expect("cut to a segment").to_be_bytes();
    [b"\xff\xd8\xff\xe1", &length[..], payload, b"\xff\xda\0\x02\xff\xd9"].concat()
}

/// A block as it stands in a JPEG, with the marker word before it.
pub fn exif_seeds() -> Vec<Vec<u8>> {
    let mut block = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec();
    block.extend(
        b"\x87\x69\0\x04\0\0\0\x01\0\0\0\x26\0\0\0\0\0\x01\xa0\x01\0\x03\0\0\0\x01\0\x01\0\0\0\0\0\0",
    );
    vec![block]
}

pub fn panorama(data: &[u8]) {
    let Some(found) = Panorama::read(data) else { return };
    assert!(found.tags.iter().all(|(name, value)| name.len() <= 64 && value.len() <= 128));
}

/// A sphere with its properties as attributes and as elements.
pub fn panorama_seeds() -> Vec<Vec<u8>> {
    let packet = format!(
        r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
        xmlns:G="{}" G:ProjectionType="equirectangular"><G:FullPanoWidthPixels>80</G:FullPanoWidthPixels></rdf:Description></rdf:RDF></x:xmpmeta>"#,
        panorama::NAMESPACE
    );
    vec![packet.into_bytes()]
}

pub fn gif(data: &[u8]) {
    let outline = gif::walk(data);
    // As many as the family reads one after the other would make a slow target.
    for frame in outline.frames.iter().take(8) {
        answer(gif::read(data, frame, true, &mut gif::Greed::default()));
    }
}

pub fn heif(data: &[u8]) {
    let source = source(data);
    if let Some(layout) = answer(heif::walk(&source)) {
        answer(heif::pictures(&source, &layout.index, true));
        for item in &layout.index.items {
            answer(heif::plain_stream(&source, &layout.index, item.id));
        }
    }
    let _ = av1::walk(data);
}

/// Units behind start codes, which may share zeros.
fn units(data: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        data.windows(3).enumerate().filter(|(_, code)| code == b"\0\0\x01").map(|(at, _)| at + 3).collect();
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([data.len()]);
    starts.iter().zip(ends).map(|(&start, end)| data.get(start..end).unwrap_or_default()).collect()
}

pub fn h264(data: &[u8]) {
    let mut sets = h264::ParameterSets::of_configuration(data);
    for unit in units(data) {
        sets.add(unit);
        let _ = h264::is_intra(unit);
        let _ = h264::walk_slice(&sets, unit);
    }
}

/// The streams of the unit tests.
pub fn h264_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../testdata/h264/cabac.264").to_vec(),
        include_bytes!("../../../testdata/h264/cavlc.264").to_vec(),
        include_bytes!("../../../testdata/h264/pairs.264").to_vec(),
        include_bytes!("../../../testdata/h264/pairs-cavlc.264").to_vec(),
        include_bytes!("../../../testdata/h264/full.264").to_vec(),
        include_bytes!("../../../testdata/h264/lossless.264").to_vec(),
    ]
}

pub fn hevc(data: &[u8]) {
    let mut sets = hevc::ParameterSets::of_configuration(data);
    let units = units(data);
    for unit in &units {
        sets.add(unit);
    }
    let _ = hevc::walk(&sets, &units);
}

/// The pictures of the unit tests.
pub fn hevc_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../testdata/hevc/plain.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/wavefronts.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/slices.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/full.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/lossless.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/predicted.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/predicted-full.hevc").to_vec(),
    ]
}

pub fn jp2(data: &[u8]) {
    let range = answer(jp2::walk(&source(data))).map(|header| header.codestream);
    answer(jp2::header(&source(data)));
    // Packets are looked at where tile-parts are all there; here also where they are not.
    let place = |at: u64| usize::try_from(at).unwrap();
    let range = range.map_or(0..data.len(), |range| place(range.start)..place(range.end));
    if let Some(found) = jp2::inspect(data, range) {
        answer(Err::<(), _>(found.error));
    }
}

/// Codestreams in all ways that code-blocks and packets come in.
pub fn jp2_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../testdata/jp2/layers.j2k").to_vec(),
        include_bytes!("../../../testdata/jp2/tiles.j2k").to_vec(),
        include_bytes!("../../../testdata/jp2/apart.j2k").to_vec(),
        include_bytes!("../../../testdata/jp2/resolutions.j2k").to_vec(),
        include_bytes!("../../../testdata/jp2/modes.j2k").to_vec(),
        include_bytes!("../../../testdata/jp2/bypass.j2k").to_vec(),
    ]
}

/// Run lengths, rows, and metadata before lost ends, after four bytes of size, kind and length.
pub fn bmp(data: &[u8]) {
    let Some((&[width, height, kind, stored], bytes)) = data.split_first_chunk() else { return };
    let size = PixelSize::new(width.into(), height.into());
    let (nibbles, unit) = (kind & 1 == 1, usize::from(kind >> 1 & 7));
    answer(
        Runs { bytes, start: usize::from(kind >> 4), stored: usize::from(stored) * 8, nibbles, size }.check(),
    );
    let row = usize::from(width) * unit;
    let range = 0..row * usize::from(height);
    let _ = Rows { bytes, range: range.clone(), row, unit }.lost_tail();
    let (width, bits) = (usize::from(width).saturating_sub(usize::from(stored & 3)), unit * 2);
    let _ = Plain { bytes, range, row, bits, width, colours: Some(kind.into()) }.lost_end();
    if let Some(blank) = Blank::of(bytes) {
        let range = usize::from(kind)..bytes.len() - usize::from(stored) % bytes.len();
        let _ = (blank.tear_packet(&range), blank.tear_profile(&range), blank.tear_resources(&range));
    }
}

/// Rows of a few run lengths, flat rows that end in zeros, and a resource that does.
pub fn bmp_seeds() -> Vec<Vec<u8>> {
    let rows: Vec<u8> = (0..20).flat_map(|y| [8, y, 0, 5, y, 1, 2, 3, 4, 0, 7, 9, 0, 0]).collect();
    let flat = [vec![7; 2_010], vec![0; 4_990]].concat();
    let resource = [b"8BIM\x04\x0f\0\0\0\0\x02\0".as_slice(), &[5; 100], &[0; 1_000]].concat();
    vec![
        [&[20, 20, 0, 36], &rows[..], &[0, 2, 0, 0, 0, 1]].concat(),
        [&[70, 100, 2, 0], &flat[..]].concat(),
        [&[1, 1, 0, 0], &resource[..]].concat(),
    ]
}

pub fn jpeg(data: &[u8]) {
    let outline = jpeg::walk(data);
    let _ = outline.icc(data);
    let _ = outline.adobe(data);
    if let Some(block) = outline.exif(data) {
        let _ = exif::read(block);
    }
    for picture in outline.further_pictures(data) {
        // The file may end before it.
        let inside = usize::try_from(picture.start).ok().zip(usize::try_from(picture.end).ok());
        let further = inside.and_then(|(start, end)| data.get(start..end));
        if let Some(further) = further.filter(|further| further.len() < data.len()) {
            let _ = jpeg_walk::walk(further, &jpeg::walk(further));
        }
    }
    let _ = jpeg_walk::walk(data, &outline);
    let _ = jpeg_walk::walk_stream(None, data);
}

pub fn mp4(data: &[u8]) {
    if let Some(layout) = answer(mp4::walk(&source(data))) {
        answer(layout.check_samples(&source(data), &mut || Ok(())));
    }
    let _ = bmff::brands(data);
    for found in bmff::top_level(&source(data)).flatten() {
        assert!(found.start < found.end && found.end <= data.len() as u64);
    }
}

pub fn png(data: &[u8]) {
    let mut outline = png::walk(data);
    answer(outline.inflate_all(data));
}

pub fn quick(data: &[u8]) {
    let _ = quick::recognise(data);
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).and_then(|()| file.rewind()).expect("the file is written");
    for ends_exactly in [false, true] {
        quick::look(&file, data.len() as u64, ends_exactly).expect("the file is read");
    }
}

pub fn raw(data: &[u8]) {
    answer(raw::check_raf(data));
    answer(raw::check_mrw(data));
    answer(raw::check_crw(data));
    answer(raw::check_x3f(data));
    let _ = (raw::raf_jpeg(data), raw::check_mrw_data(data), raw::check_raf_data(data));
    let _ = raw::check_crw_data(data);
    let _ = raw::cr3_jpegs(&source(data), data);
    let inner = raw::mrw_tiff(data).and_then(raw::Tiff::new);
    for tiff in raw::Tiff::new(data).into_iter().chain(inner) {
        answer(tiff.check());
        let _ = tiff.check_data();
        answer(tiff.directories());
        let _ = (tiff.is_raw(), tiff.has_make(), tiff.orientation(), tiff.largest(), tiff.jpegs());
    }
}

/// The beginnings of families that no free program writes.
pub fn raw_seeds() -> Vec<Vec<u8>> {
    let mut raf = b"FUJIFILMCCD-RAW 0201FF000000X-T".to_vec();
    raf.resize(84, 0);
    for number in [160u32, 64, 224, 64, 288, 64] {
        raf.extend(number.to_be_bytes());
    }
    raf.resize(352, 7);
    let mut mrw = b"\0MRM\0\0\0\x60\0PRD\0\0\0\x18".to_vec();
    mrw.extend([3; 24]);
    mrw.extend(b"\0TTW\0\0\0\x20MM\0*\0\0\0\x08\0\x01\x01\0\0\x04\0\0\0\x01\0\0\0\x40\0\0\0\0");
    mrw.resize(400, 9);
    let crw = crw_seed();
    let mut x3f = b"FOVb\0\0\x02\0".to_vec();
    x3f.resize(64, 1);
    x3f.extend(
        b"SECi\0\0\x02\0\0\0\0\0\0\0\0\0\x40\0\0\0\x20\0\0\0SECd\0\0\x02\0\x01\0\0\0\x40\0\0\0\x18\0\0\0IMA2",
    );
    x3f.extend(88u32.to_le_bytes());
    vec![raf, mrw, crw, x3f, radc_seed()]
}

/// A heap of 64 by 16 coded pixels, what the sensor is, and which tables code it.
fn crw_seed() -> Vec<u8> {
    let word = |number: usize| u32::try_from(number).unwrap_or(0).to_le_bytes();
    let mut crw = b"II\x1a\0\0\0HEAPCCDR\x02\0\x01\0".to_vec();
    crw.resize(796, 0x55);
    crw.extend([0x9A, 0xC4, 0x31, 0x07].repeat(30));
    let sensor = crw.len() - 26;
    crw.extend([34u8, 0, 64, 0, 16, 0, 1, 0]);
    crw.extend([0; 8]);
    let directory = crw.len() - 26;
    crw.extend([3u8, 0]);
    for (kind, len, offset) in [(0x2005u16, sensor, 0), (0x1031, 8, sensor), (0x1835, 8, sensor + 8)] {
        crw.extend(kind.to_le_bytes());
        crw.extend(word(len));
        crw.extend(word(offset));
    }
    crw.extend(word(directory));
    crw
}

/// A directory with Kodak's run adaptive code.
fn radc_seed() -> Vec<u8> {
    let entries = [(0x100u16, 756u32), (0x101, 504), (0x103, 32_867), (0x111, 80), (0x117, 320)];
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    tiff.extend([5, 0]);
    for (tag, value) in entries {
        tiff.extend(tag.to_le_bytes());
        tiff.extend([4, 0, 1, 0, 0, 0]);
        tiff.extend(value.to_le_bytes());
    }
    tiff.extend([0; 4]);
    tiff.resize(80, 0);
    // Multipliers of 1, then codes of zeros.
    tiff.extend([0x04, 0x10, 0x40]);
    tiff.resize(400, 0);
    tiff
}

pub fn streams(data: &[u8]) {
    let on = &mut || Ok(());
    answer(streams::walk_avi(&source(data), true, on));
    answer(streams::walk_asf(&source(data), on));
    answer(streams::walk_flv(&source(data), true, on));
    answer(streams::walk_mxf(&source(data), on));
    answer(streams::walk_program(&source(data), on));
    answer(streams::walk_transport(&source(data), true, on));
    let _ = streams::ts_packet(data);
}

pub fn tiff(data: &[u8]) {
    let _ = tiff::recognise(data);
    let outline = tiff::walk(data);
    // The program refuses pictures beyond its memory before it walks them.
    let small = |page: &&tiff::Page| {
        page.size.pixels() < 1 << 20
            && page.tile.is_none_or(|tile| tile.pixels() < 1 << 20)
            && page.samples <= 16
            && page.bits().iter().all(|&bits| bits <= 64)
    };
    for page in outline.pages.iter().filter(small) {
        let _ = tiff::walk_page(data, page, |_, _| {});
        let _ = tiff::foreign_block(data, page, outline.big_endian);
    }
}

pub fn webp(data: &[u8]) {
    let _ = webp::walk(data);
    let _ = webp::canvas(data);
}

/// Frames of one film, each behind its length in twelve bytes, as an IVF file has them behind its header.
pub fn vp8(data: &[u8]) {
    let mut film = vp8::Film::default();
    let mut rest = data;
    while let Some((&[a, b, ..], behind)) = rest.split_first_chunk::<12>() {
        let (frame, next) = behind.split_at(behind.len().min(u16::from_le_bytes([a, b]).into()));
        let _ = film.blocks(frame);
        let _ = film.walk(frame);
        rest = next;
    }
}

/// The film of the unit tests.
pub fn vp8_seeds() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../../testdata/vp8/film.ivf").get(32..).unwrap_or_default().to_vec()]
}

pub fn xml(data: &[u8]) {
    answer(xml::check(data));
}
