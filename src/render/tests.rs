//! What comes out, decoded again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests"
)]
#![allow(unsafe_code, reason = "decodes with the C libraries that the encoders come from")]

use super::*;
use crate::media::{ColorModel, Samples};
use crate::model::Area;

const SQUARE: PixelSize = PixelSize::new(16, 16);

/// A flat picture of this colour without any metadata.
fn flat(model: ColorModel, pixel: &[u8]) -> Pixels {
    picture(SQUARE, model, Samples::U8(pixel.repeat(SQUARE.pixels() as usize)), 8)
}

fn flat16(model: ColorModel, pixel: &[u16]) -> Pixels {
    picture(SQUARE, model, Samples::U16(pixel.repeat(SQUARE.pixels() as usize)), 16)
}

pub(super) fn picture(size: PixelSize, model: ColorModel, samples: Samples, bits_per_sample: u8) -> Pixels {
    Pixels { bits_per_sample, ..Pixels::new(size, model, samples) }
}

fn output(format: ImageFormat, size: u32, quality: u8) -> OutputSettings {
    OutputSettings { format, size, quality, progressive: false }
}

fn job(role: Role, output: OutputSettings) -> RenderJob {
    let outputs = vec![RenderSpec { role, output, view: View::Whole }];
    RenderJob {
        outputs,
        preview_size: 1440,
        colorspace: Colorspace::P3,
        thumbhash: false,
        linear_light: false,
        prefer_embedded: false,
        tone_map: ToneMap::Hable,
    }
}

fn usual_job() -> RenderJob {
    RenderJob::new(&ImageSettings::default(), &[Role::Preview, Role::Thumbnail], true)
}

/// The preview as JPEG of the best quality.
fn jpeg(pixels: Pixels) -> Vec<u8> {
    let job = job(Role::Preview, output(ImageFormat::Jpeg, 1440, 100));
    render(pixels, &job).unwrap().pictures.remove(0).bytes
}

pub(super) fn decode_jpeg(file: &[u8]) -> (PixelSize, Vec<u8>) {
    use turbojpeg_sys as tj;
    unsafe {
        let handle = tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS as i32);
        assert_eq!(tj::tj3DecompressHeader(handle, file.as_ptr(), file.len() as tj::size_t), 0);
        let get = |parameter: tj::TJPARAM| tj::tj3Get(handle, parameter as i32) as u32;
        let size = PixelSize::new(get(tj::TJPARAM_TJPARAM_JPEGWIDTH), get(tj::TJPARAM_TJPARAM_JPEGHEIGHT));
        let mut rgb = vec![0; size.pixels() as usize * 3];
        let length = file.len() as tj::size_t;
        assert_eq!(
            tj::tj3Decompress8(handle, file.as_ptr(), length, rgb.as_mut_ptr(), 0, tj::TJPF_TJPF_RGB),
            0
        );
        tj::tj3Destroy(handle);
        (size, rgb)
    }
}

fn decode_webp(file: &[u8]) -> (PixelSize, Vec<u8>) {
    let (mut width, mut height) = (0, 0);
    unsafe {
        let data = libwebp_sys::WebPDecodeRGBA(file.as_ptr(), file.len(), &raw mut width, &raw mut height);
        assert!(!data.is_null());
        let rgba = std::slice::from_raw_parts(data, (width * height * 4) as usize).to_vec();
        libwebp_sys::WebPFree(data.cast());
        (PixelSize::new(width as u32, height as u32), rgba)
    }
}

/// The segments before the scan: marker and payload.
fn segments(file: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut at, mut found) = (2, Vec::new());
    while file[at + 1] != 0xda {
        let length = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        found.push((file[at + 1], &file[at + 4..at + 2 + length]));
        at += 2 + length;
    }
    found
}

fn profile_of(jpeg: &[u8]) -> &[u8] {
    segments(jpeg)[0].1.strip_prefix(b"ICC_PROFILE\0\x01\x01").unwrap()
}

fn middle(rgb: &[u8]) -> [u8; 3] {
    let at = (8 * 16 + 8) * 3;
    [rgb[at], rgb[at + 1], rgb[at + 2]]
}

#[track_caller]
fn assert_colour(pixels: Pixels, space: Colorspace, wanted: [u8; 3], tolerance: u8) {
    let file = jpeg(pixels);
    assert_eq!(profile_of(&file), profile::icc(space), "attached profile");
    let (size, rgb) = decode_jpeg(&file);
    assert_eq!(size, SQUARE);
    let found = middle(&rgb);
    let near = found.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= tolerance);
    assert!(near, "found {found:?}, wanted {wanted:?}");
}

fn with_icc(mut pixels: Pixels, icc: &[u8]) -> Pixels {
    pixels.icc = Some(icc.to_vec());
    pixels
}

/// A gradient with detail, so that sizes and orientations show.
fn gradient(width: u32, height: u32) -> Pixels {
    let samples = (0..height)
        .flat_map(|y| {
            (0..width)
                .flat_map(move |x| [(x * 255 / width) as u8, (y * 255 / height) as u8, ((x ^ y) & 63) as u8])
        })
        .collect();
    picture(PixelSize::new(width, height), ColorModel::Rgb, Samples::U8(samples), 8)
}

#[test]
fn a_jpeg_has_immichs_segments() {
    let preview = |quality, progressive| {
        let settings = OutputSettings { progressive, ..output(ImageFormat::Jpeg, 1440, quality) };
        render(gradient(300, 200), &job(Role::Preview, settings)).unwrap().pictures.remove(0).bytes
    };
    let markers = |file: &[u8]| segments(file).iter().map(|s| s.0).collect::<Vec<_>>();
    let sampling = |file: &[u8]| {
        let frame = segments(file).into_iter().find(|s| s.0 == 0xc0 || s.0 == 0xc2).unwrap();
        (frame.0, [frame.1[7], frame.1[10], frame.1[13]])
    };
    let file = preview(80, false);
    // profile, quantisation tables, frame, Huffman tables: no JFIF, no EXIF, no comment
    assert_eq!(markers(&file), [0xe2, 0xdb, 0xdb, 0xc0, 0xc4, 0xc4, 0xc4, 0xc4]);
    assert_eq!(segments(&file)[0].1.len() + 2, 496);
    assert_eq!(sampling(&file), (0xc0, [0x11, 0x11, 0x11]));
    assert_eq!(sampling(&preview(79, false)), (0xc0, [0x22, 0x11, 0x11]));
    assert_eq!(sampling(&preview(80, true)), (0xc2, [0x11, 0x11, 0x11]));
    assert!(preview(60, false).len() < file.len());
}

#[test]
fn a_webp_has_immichs_chunks() {
    let chunks = |file: &[u8]| {
        assert_eq!(&file[..4], b"RIFF");
        assert_eq!(u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize + 8, file.len());
        let (mut at, mut names) = (12, Vec::new());
        while at < file.len() {
            names.push(String::from_utf8(file[at..at + 4].to_vec()).unwrap());
            let length = u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap()) as usize;
            at += 8 + length + length % 2;
        }
        names
    };
    let job = job(Role::Thumbnail, output(ImageFormat::Webp, 250, 80));
    let opaque = render(gradient(301, 277), &job).unwrap().pictures.remove(0).bytes;
    assert_eq!(chunks(&opaque), ["VP8X", "ICCP", "VP8 "]);
    assert_eq!(&opaque[38..518], profile::icc(Colorspace::Srgb));
    assert_eq!(decode_webp(&opaque).0, PixelSize::new(272, 250));

    let half = flat(ColorModel::Rgba, &[120, 60, 200, 128]);
    let made = render(half, &job).unwrap();
    assert!(made.transparent);
    let file = &made.pictures[0].bytes;
    assert_eq!(chunks(file), ["VP8X", "ICCP", "ALPH", "VP8 "]);
    let (_, rgba) = decode_webp(file);
    assert!(rgba[0].abs_diff(120) <= 3 && rgba[2].abs_diff(200) <= 3 && rgba[3] == 128, "{:?}", &rgba[..4]);
}

#[test]
fn alpha_goes_on_black_in_jpeg() {
    assert_colour(flat(ColorModel::Rgba, &[120, 60, 200, 128]), Colorspace::Srgb, [60, 30, 100], 2);
    assert_colour(flat(ColorModel::GrayAlpha, &[200, 128]), Colorspace::Srgb, [100, 100, 100], 2);
    assert_colour(flat16(ColorModel::Rgba, &[30840, 15420, 51400, 32896]), Colorspace::P3, [60, 30, 100], 2);
}

#[test]
fn samples_without_a_profile_are_kept() {
    assert_colour(flat(ColorModel::Rgb, &[200, 100, 50]), Colorspace::Srgb, [200, 100, 50], 2);
    assert_colour(flat16(ColorModel::Rgb, &[51400, 25700, 12850]), Colorspace::P3, [200, 100, 50], 2);
    assert_colour(flat(ColorModel::Gray, &[64]), Colorspace::Srgb, [64; 3], 1);
    assert_colour(flat16(ColorModel::Gray, &[16448]), Colorspace::P3, [64; 3], 1);
    let uncalibrated =
        Pixels { exif_colorspace: Some("Uncalibrated".into()), ..flat(ColorModel::Rgb, &[0, 255, 0]) };
    assert_colour(uncalibrated, Colorspace::P3, [0, 255, 0], 2);
}

#[test]
fn display_p3_keeps_its_samples() {
    let p3 = profile::icc(Colorspace::P3);
    assert_colour(with_icc(flat(ColorModel::Rgb, &[0, 255, 0]), p3), Colorspace::P3, [0, 255, 0], 2);
    assert_colour(with_icc(flat16(ColorModel::Rgb, &[65535, 0, 0]), p3), Colorspace::P3, [255, 0, 0], 2);
    // EXIF says sRGB: converted, with the colours clipped that sRGB cannot show (figures of libvips)
    let claimed = |pixel: &[u8]| Pixels {
        exif_colorspace: Some("sRGB".into()),
        ..with_icc(flat(ColorModel::Rgb, pixel), p3)
    };
    assert_colour(claimed(&[200, 100, 50]), Colorspace::Srgb, [215, 93, 32], 2);
    assert_colour(claimed(&[0, 255, 0]), Colorspace::Srgb, [0, 255, 0], 2);
    assert_colour(claimed(&[128, 128, 128]), Colorspace::Srgb, [128, 128, 128], 1);
    // Immich does not know of a profile in JPEG XL: it is obeyed, and decides nothing
    let unseen = Pixels {
        icc_unseen: true,
        bits_per_sample: 0,
        ..with_icc(flat(ColorModel::Rgb, &[200, 100, 50]), p3)
    };
    assert_colour(unseen, Colorspace::Srgb, [215, 93, 32], 2);
    // the administrator chose sRGB for everything
    let job = RenderJob {
        colorspace: Colorspace::Srgb,
        ..job(Role::Preview, output(ImageFormat::Jpeg, 1440, 100))
    };
    let made = render(with_icc(flat(ColorModel::Rgb, &[200, 100, 50]), p3), &job).unwrap();
    assert_eq!(profile_of(&made.pictures[0].bytes), profile::icc(Colorspace::Srgb));
    let found = middle(&decode_jpeg(&made.pictures[0].bytes).1);
    assert!(found[0].abs_diff(215) <= 2 && found[2].abs_diff(32) <= 2, "{found:?}");
}

#[test]
fn other_rgb_profiles_become_display_p3() {
    let adobe = moxcms::ColorProfile::new_adobe_rgb().encode().unwrap();
    // figures of libvips
    for (from, to) in
        [([0, 255, 0], [0, 250, 45]), ([255, 0, 0], [255, 61, 41]), ([200, 100, 50], [211, 107, 58])]
    {
        assert_colour(with_icc(flat(ColorModel::Rgb, &from), &adobe), Colorspace::P3, to, 3);
        let wide = from.map(|v: u8| u16::from(v) * 257);
        assert_colour(with_icc(flat16(ColorModel::Rgb, &wide), &adobe), Colorspace::P3, to, 3);
        let with_alpha = [from[0], from[1], from[2], 255];
        assert_colour(with_icc(flat(ColorModel::Rgba, &with_alpha), &adobe), Colorspace::P3, to, 3);
    }
    // an RGB profile on a grey picture counts, a grey one does not
    let mut linear = moxcms::ColorProfile::new_display_p3();
    linear.cicp = None;
    for curve in [&mut linear.red_trc, &mut linear.green_trc, &mut linear.blue_trc] {
        *curve = Some(moxcms::ToneReprCurve::Lut(vec![]));
    }
    let linear = linear.encode().unwrap();
    assert_colour(with_icc(flat(ColorModel::Gray, &[64]), &linear), Colorspace::P3, [137; 3], 2);
    let grey = moxcms::ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    let mut pixels = with_icc(flat(ColorModel::Gray, &[64]), &grey);
    pixels.exif_colorspace = Some("sRGB".into());
    assert_colour(pixels, Colorspace::Srgb, [64; 3], 1);
}

#[test]
fn profiles_of_no_use_count_as_srgb() {
    let whole = profile::icc(Colorspace::P3);
    for end in [0, 3, 100, 131, 200, 300, 479] {
        let pixels = Pixels {
            exif_colorspace: Some("sRGB".into()),
            ..with_icc(flat(ColorModel::Rgb, &[200, 100, 50]), &whole[..end])
        };
        assert_colour(pixels, Colorspace::Srgb, [200, 100, 50], 2);
    }
    // "sP3C" is still readable, so the output is Display P3: sRGB is converted into it (figures of libvips)
    let mut broken = whole.to_vec();
    broken[0x184..].fill(0xee);
    assert_colour(
        with_icc(flat(ColorModel::Rgb, &[200, 100, 50]), &broken),
        Colorspace::P3,
        [187, 105, 61],
        2,
    );
    // a CMYK profile on an RGB picture
    let cmyk = with_icc(flat(ColorModel::Rgb, &[200, 100, 50]), profile::default_cmyk());
    assert_colour(cmyk, Colorspace::P3, [187, 105, 61], 2);
}

#[test]
fn damaged_profiles_do_no_harm() {
    let whole = moxcms::ColorProfile::new_adobe_rgb().encode().unwrap();
    let mut renderer = Renderer::new();
    let job = job(Role::Thumbnail, output(ImageFormat::Webp, 250, 80));
    for (i, profile) in [whole.as_slice(), profile::default_cmyk()].into_iter().enumerate() {
        let pixel: &[u8] = if i == 0 { &[1, 2, 3] } else { &[1, 2, 3, 4] };
        let model = if i == 0 { ColorModel::Rgb } else { ColorModel::Cmyk };
        for at in (0..profile.len()).step_by(if i == 0 { 7 } else { 1409 }) {
            let mut damaged = profile.to_vec();
            damaged[at] ^= 0xff;
            assert!(renderer.render(with_icc(flat(model, pixel), &damaged), &job).is_ok(), "byte {at}");
        }
    }
}

#[test]
fn cmyk() {
    // without a profile (figures of libvips)
    let table = [
        ([0, 0, 0, 0], [255, 255, 255]),
        ([255, 0, 0, 0], [0, 155, 228]),
        ([0, 255, 0, 0], [234, 23, 133]),
        ([0, 0, 255, 0], [255, 240, 0]),
        ([0, 0, 0, 255], [40, 35, 43]),
        ([255, 255, 255, 255], [33, 34, 43]),
        ([100, 50, 20, 10], [144, 167, 197]),
        ([30, 200, 90, 60], [170, 75, 102]),
    ];
    for (inks, wanted) in table {
        assert_colour(flat(ColorModel::Cmyk, &inks), Colorspace::Srgb, wanted, 4);
        let wide = Pixels {
            exif_colorspace: Some("sRGB".into()),
            ..flat16(ColorModel::Cmyk, &inks.map(|ink: u8| u16::from(ink) * 257))
        };
        assert_colour(wide, Colorspace::Srgb, wanted, 4);
    }
    // with its own that differs from sRGB: through sRGB, then to Display P3
    let own = |inks: &[u8]| with_icc(flat(ColorModel::Cmyk, inks), profile::default_cmyk());
    assert_colour(own(&[255, 0, 0, 0]), Colorspace::P3, [68, 153, 223], 4);
    assert_colour(own(&[255, 255, 255, 255]), Colorspace::P3, [32, 33, 43], 4);
    assert_colour(own(&[100, 50, 20, 10]), Colorspace::P3, [148, 167, 194], 4);
    // with one that cannot be meant
    let mut odd = with_icc(flat(ColorModel::Cmyk, &[255, 0, 0, 0]), profile::icc(Colorspace::Srgb));
    assert_colour(odd.clone(), Colorspace::Srgb, [0, 155, 228], 4);
    odd.icc = Some(vec![1; 300]);
    assert_colour(odd, Colorspace::Srgb, [0, 155, 228], 4);
}

#[test]
fn sizes_and_orientations() {
    for exif in 1..=8 {
        let mut pixels = gradient(4001, 2999);
        pixels.orientation = Orientation::from_exif(exif).unwrap();
        let made = render(pixels, &usual_job()).unwrap();
        let turned = |width, height| {
            let size = PixelSize::new(width, height);
            if exif >= 5 { size.transposed() } else { size }
        };
        let [preview, thumbnail] = made.pictures.as_slice() else { panic!("two pictures") };
        assert_eq!(preview.size, turned(1921, 1440));
        assert_eq!(thumbnail.size, turned(334, 250));
        let (size, rgb) = decode_jpeg(&preview.bytes);
        assert_eq!(size, preview.size);
        assert_eq!(decode_webp(&thumbnail.bytes).0, thumbnail.size);
        // where the stored top left corner (dark in red and green) went
        let at = |right: bool, bottom: bool| {
            let x = if right { size.width - 30 } else { 30 };
            let y = if bottom { size.height - 30 } else { 30 };
            let i = (y * size.width + x) as usize * 3;
            rgb[i] < 40 && rgb[i + 1] < 40
        };
        let corners = [at(false, false), at(true, false), at(true, true), at(false, true)];
        let wanted = [0, 1, 2, 3, 0, 1, 2, 3][exif as usize - 1];
        assert_eq!(corners.iter().position(|&dark| dark), Some(wanted), "orientation {exif}");
        let length = made.thumbhash.unwrap().len();
        assert!((17..=25).contains(&length));
    }
}

#[test]
fn odd_shapes() {
    for (width, height, preview, thumbnail) in [
        (1, 1, (1, 1), (1, 1)),
        (3, 1, (3, 1), (3, 1)),
        (1, 700, (1, 700), (1, 700)),
        (6000, 251, (6000, 251), (5976, 250)),
        (300, 9000, (300, 9000), (250, 7500)),
    ] {
        let made = render(gradient(width, height), &usual_job()).unwrap();
        assert_eq!(made.pictures[0].size, PixelSize::new(preview.0, preview.1));
        assert_eq!(made.pictures[1].size, PixelSize::new(thumbnail.0, thumbnail.1));
        assert_eq!(decode_jpeg(&made.pictures[0].bytes).0, made.pictures[0].size);
        assert_eq!(decode_webp(&made.pictures[1].bytes).0, made.pictures[1].size);
    }
}

#[test]
fn reduced_decodes_give_the_same_sizes() {
    let mut pixels = gradient(2001, 1500);
    pixels.full_size = PixelSize::new(4001, 2999);
    let made = render(pixels, &usual_job()).unwrap();
    assert_eq!(made.pictures[0].size, PixelSize::new(1921, 1440));
    assert_eq!(made.pictures[1].size, PixelSize::new(334, 250));
    let mut small = gradient(1000, 750);
    small.full_size = PixelSize::new(4000, 3000);
    let error = render(small, &usual_job()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "input: decoded at 1000x750, which is too small for a picture of 1920x1440"
    );
}

#[test]
fn fullsize_is_the_whole_picture() {
    let settings = ImageSettings::default();
    let job = RenderJob::new(&settings, &[Role::Fullsize, Role::Preview, Role::Thumbnail], true);
    let made = render(gradient(2300, 1600), &job).unwrap();
    let sizes: Vec<_> = made.pictures.iter().map(|p| (p.role, p.size.width, p.size.height)).collect();
    assert_eq!(
        sizes,
        [(Role::Fullsize, 2300, 1600), (Role::Preview, 2070, 1440), (Role::Thumbnail, 359, 250)]
    );
}

#[test]
fn video_frames_have_even_sides_and_no_profile() {
    let mut frame = gradient(1279, 719);
    frame.video_frame = Some(Light::Ordinary);
    let made = render(frame, &usual_job()).unwrap();
    let [preview, thumbnail] = made.pictures.as_slice() else { panic!("two pictures") };
    assert_eq!(preview.size, PixelSize::new(2562, 1440));
    assert_eq!(thumbnail.size, PixelSize::new(444, 250));
    assert!(segments(&preview.bytes).iter().all(|s| !(0xe0..=0xef).contains(&s.0)));
    assert_eq!(&thumbnail.bytes[12..16], b"VP8 ");
    let mut transparent = flat(ColorModel::Rgba, &[255, 255, 255, 0]);
    transparent.video_frame = Some(Light::Ordinary);
    let made = render(transparent, &usual_job()).unwrap();
    assert!(!made.transparent);
    assert_eq!(middle(&decode_jpeg(&made.pictures[0].bytes).1), [255; 3]);
}

#[test]
fn what_cannot_be_made_is_said() {
    let fails = |pixels: Pixels, format, quality| {
        render(pixels, &job(Role::Preview, output(format, 1440, quality))).unwrap_err().to_string()
    };
    let panorama = || gradient(17000, 2);
    assert!(
        fails(panorama(), ImageFormat::Webp, 80)
            .starts_with("webp: 17000x2 is larger than the format allows (16383")
    );
    assert!(render(panorama(), &job(Role::Preview, output(ImageFormat::Jpeg, 1440, 80))).is_ok());
    assert!(fails(gradient(65501, 1), ImageFormat::Jpeg, 80).starts_with("jpeg: 65501x1 is larger"));
    assert_eq!(fails(gradient(2, 2), ImageFormat::Webp, 0), "webp: quality 0 is not in 1 to 100");
    assert_eq!(fails(gradient(2, 2), ImageFormat::Jpeg, 101), "jpeg: quality 101 is not in 1 to 100");
    let mut short = gradient(20, 20);
    short.samples = Samples::U8(vec![0; 7]);
    assert_eq!(fails(short, ImageFormat::Jpeg, 80), "input: 20x20 Rgb needs 1200 samples, found 7");
    let empty = picture(PixelSize::new(0, 5), ColorModel::Rgb, Samples::U8(vec![]), 8);
    assert_eq!(fails(empty, ImageFormat::Jpeg, 80), "input: a picture of 0x5 pixels");
    // a tall GIF with an odd side would be blown up without end
    let mut strip = gradient(1, 60000);
    strip.video_frame = Some(Light::Ordinary);
    assert!(fails(strip, ImageFormat::Jpeg, 80).starts_with("jpeg: 1440x86400000 is larger"));
}

#[test]
fn the_same_pixels_give_the_same_bytes_from_a_used_renderer() {
    let mut renderer = Renderer::new();
    let adobe = moxcms::ColorProfile::new_adobe_rgb().encode().unwrap();
    let first = renderer.render(with_icc(gradient(1700, 1500), &adobe), &usual_job()).unwrap();
    renderer.render(flat(ColorModel::Rgba, &[1, 2, 3, 4]), &usual_job()).unwrap();
    renderer.render(with_icc(flat(ColorModel::Cmyk, &[9, 2, 3, 4]), &adobe), &usual_job()).unwrap();
    let second = renderer.render(with_icc(gradient(1700, 1500), &adobe), &usual_job()).unwrap();
    assert_eq!(first, second);
    assert_eq!(first, render(with_icc(gradient(1700, 1500), &adobe), &usual_job()).unwrap());
}

/// Every pixel another colour: columns in red, rows in green.
fn chequer(width: u32, height: u32) -> Pixels {
    let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8 * 4, y as u8 * 4, 100]));
    picture(PixelSize::new(width, height), ColorModel::Rgb, Samples::U8(pixels.collect()), 8)
}

fn parts(pixels: Pixels, specs: Vec<RenderSpec>, thumbhash: bool) -> RenderOutput {
    let job =
        RenderJob { outputs: specs, thumbhash, ..RenderJob::new(&ImageSettings::default(), &[], false) };
    assert!(job.needs_full_size());
    render(pixels, &job).unwrap()
}

#[test]
fn a_face_is_the_same_whichever_way_its_original_is_stored() {
    let settings = ImageSettings {
        thumbnail: OutputSettings { quality: 100, ..ImageSettings::default().thumbnail },
        ..ImageSettings::default()
    };
    let found = FaceBox::new((30, 25), (4, 5), (9, 13)).unwrap();
    let upright = chequer(60, 50);
    for exif in 1..=8 {
        // turned back: 6 and 8 undo each other, the others themselves
        let orientation = Orientation::from_exif(exif).unwrap();
        let back = match exif {
            6 => 8,
            8 => 6,
            other => other,
        };
        let Samples::U8(samples) = upright.samples.clone() else { panic!() };
        let stored = super::upright(
            Picture { size: upright.size, alpha: false, samples },
            Orientation::from_exif(back).unwrap(),
        );
        let mut pixels = picture(stored.size, ColorModel::Rgb, Samples::U8(stored.samples), 8);
        pixels.orientation = orientation;
        let made = parts(pixels, vec![RenderSpec::face(&settings, found)], false);
        assert!(made.refused.is_empty() && made.thumbhash.is_none());
        let face = &made.pictures[0];
        assert_eq!(
            (face.role, face.view, face.size),
            (Role::Person, View::Face(found), PixelSize::new(16, 16))
        );
        let (size, rgb) = decode_jpeg(&face.bytes);
        assert_eq!(size, face.size);
        // the square is at 5,10: half of its side is 8.8, less what is beyond a whole pixel
        for (x, y) in [(0, 0), (15, 0), (0, 15), (15, 15), (7, 9)] {
            let at = (y * 16 + x) * 3;
            let wanted = [(5 + x) * 4, (10 + y) * 4, 100].map(|value| value as i32);
            for (found, wanted) in rgb[at..at + 3].iter().zip(wanted) {
                assert!((i32::from(*found) - wanted).abs() <= 4, "orientation {exif} at {x},{y}");
            }
        }
        assert_eq!(profile_of(&face.bytes), profile::icc(Colorspace::P3));
    }
}

#[test]
fn an_edited_set_is_cropped_scaled_and_turned() {
    let crop = Area { left: 10, top: 4, size: PixelSize::new(40, 30) };
    let edits = Edits { crop: Some(crop), turn: Orientation::from_exif(6).unwrap() };
    let spec = |role, size, format| RenderSpec {
        role,
        output: output(format, size, 100),
        view: View::Edited(edits),
    };
    let specs = vec![
        spec(Role::Fullsize, 0, ImageFormat::Jpeg),
        spec(Role::Preview, 1440, ImageFormat::Jpeg),
        spec(Role::Thumbnail, 15, ImageFormat::Webp),
    ];
    let made = parts(chequer(60, 50), specs.clone(), true);
    let sizes: Vec<_> = made.pictures.iter().map(|made| (made.role, made.size)).collect();
    let (large, small) = (PixelSize::new(30, 40), PixelSize::new(15, 20));
    assert_eq!(sizes, [(Role::Fullsize, large), (Role::Preview, large), (Role::Thumbnail, small)]);
    let (_, rgb) = decode_jpeg(&made.pictures[0].bytes);
    assert_eq!(made.pictures[0].bytes, made.pictures[1].bytes);
    for (x, y) in [(2, 0), (29, 0), (2, 39), (29, 39), (12, 17)] {
        let at = (y * 30 + x) * 3;
        let wanted = [(10 + y) * 4, (4 + 30 - x) * 4, 100].map(|value| value as i32);
        for (found, wanted) in rgb[at..at + 3].iter().zip(wanted) {
            assert!((i32::from(*found) - wanted).abs() <= 8, "{rgb:?} at {x},{y}");
        }
    }
    assert!(rgb.chunks(90).all(|row| row[0] < 40), "the first column is black");
    assert_eq!(decode_webp(&made.pictures[2].bytes).0, small);
    assert!(made.edited_thumbhash.is_some() && made.edited_thumbhash != made.thumbhash);

    // a crop beyond the picture costs nothing else
    let beyond = Edits { crop: Some(Area { left: 30, ..crop }), ..edits };
    let mut specs = RenderJob::new(&ImageSettings::default(), &[Role::Preview], false).outputs;
    specs.push(RenderSpec { view: View::Edited(beyond), ..specs[0] });
    let made = parts(chequer(60, 50), specs, false);
    assert_eq!((made.pictures.len(), made.refused.len()), (1, 1));
    assert_eq!(made.pictures[0].view, View::Whole);
    let what = made.refused[0].error.to_string();
    assert!(what.contains("40x30 pixels at 30,4 are not inside a picture of 60x50"), "{what}");
}

#[test]
fn what_needs_full_resolution_can_be_left_out() {
    let settings = ImageSettings::default();
    let mut job = RenderJob::new(&settings, &[Role::Preview, Role::Fullsize, Role::Thumbnail], true);
    let found = FaceBox::new((30, 25), (4, 5), (9, 13)).unwrap();
    job.outputs.push(RenderSpec::face(&settings, found));
    let (rest, large) = job.without_full_size();
    let roles = |specs: &[RenderSpec]| specs.iter().map(|spec| spec.role).collect::<Vec<_>>();
    assert_eq!(roles(&rest.outputs), [Role::Preview, Role::Thumbnail]);
    assert_eq!(roles(&large), [Role::Fullsize, Role::Person]);
    assert!(job.needs_full_size() && !rest.needs_full_size() && rest.thumbhash);
}
