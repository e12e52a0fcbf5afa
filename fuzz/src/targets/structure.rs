//! The walkers of `media::structure`, and their neighbours that need no decoder.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::LazyLock;

use photofsck::media::panorama::{self, Panorama};
use photofsck::media::structure::{
    av1, bmff, ebml, gif, heif, hevc, jp2, jpeg, jpeg_walk, mp4, png, raw, streams, tiff, webp, xml,
};
use photofsck::media::{Source, exif, quick};
use photofsck::model::DecodeError;

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
        answer(gif::read(data, frame, true));
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

/// Units behind start codes.
pub fn hevc(data: &[u8]) {
    let starts: Vec<usize> =
        data.windows(3).enumerate().filter(|(_, code)| code == b"\0\0\x01").map(|(at, _)| at + 3).collect();
    let mut sets = hevc::ParameterSets::of_configuration(data);
    let mut units = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(data.len(), |next| next - 3);
        // Start codes may share zeros.
        let unit = data.get(start..end).unwrap_or_default();
        sets.add(unit);
        units.push(unit);
    }
    let _ = hevc::walk_intra(&sets, &units);
}

/// The pictures of the unit tests.
pub fn hevc_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../testdata/hevc/plain.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/wavefronts.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/slices.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/full.hevc").to_vec(),
        include_bytes!("../../../testdata/hevc/lossless.hevc").to_vec(),
    ]
}

pub fn jp2(data: &[u8]) {
    answer(jp2::walk(&source(data)));
    answer(jp2::header(&source(data)));
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
    let mut crw = b"II\x1a\0\0\0HEAPCCDR\x02\0\x01\0".to_vec();
    crw.resize(64, 5);
    crw.extend(b"\x01\0\x05\x20\x10\0\0\0\x1a\0\0\0\x26\0\0\0");
    let mut x3f = b"FOVb\0\0\x02\0".to_vec();
    x3f.resize(64, 1);
    x3f.extend(
        b"SECi\0\0\x02\0\0\0\0\0\0\0\0\0\x40\0\0\0\x20\0\0\0SECd\0\0\x02\0\x01\0\0\0\x40\0\0\0\x18\0\0\0IMA2",
    );
    x3f.extend(88u32.to_le_bytes());
    vec![raf, mrw, crw, x3f]
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

pub fn xml(data: &[u8]) {
    answer(xml::check(data));
}
