//! Pictures that the project draws itself: a landscape with noise, so that encoders have something to do.

use super::damage::Rng;

/// 8-bit RGB, rows without padding.
pub struct Drawing {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// The same picture for the same seed.
pub fn landscape(seed: u64, width: usize, height: usize) -> Drawing {
    let mut rng = Rng::new(seed, &["landscape"]);
    let mut byte = |from: usize, to: usize| rng.within(&(from..to)) as f64;
    let sky = [byte(30, 120), byte(60, 140), byte(150, 230)];
    let horizon = [byte(190, 255), byte(150, 210), byte(110, 180)];
    let ridges: Vec<[f64; 6]> = (0..4)
        .map(|layer| {
            let base = 0.45 + 0.14 * f64::from(layer);
            [base, byte(3, 9), byte(11, 29), byte(60, 170), byte(80, 180), byte(40, 140)]
        })
        .collect();
    let (sun_x, sun_y) = (byte(10, 90) / 100.0, byte(8, 30) / 100.0);
    let phase = byte(0, 600) / 100.0;
    let mut noise = Rng::new(seed, &["noise"]);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f64 / width as f64, y as f64 / height as f64);
            let mut colour: [f64; 3] = std::array::from_fn(|c| sky[c] + (horizon[c] - sky[c]) * v);
            if (u - sun_x).hypot((v - sun_y) * height as f64 / width as f64) < 0.06 {
                colour = [255.0, 242.0, 190.0];
            }
            for [base, slow, fast, red, green, blue] in &ridges {
                let edge =
                    base + 0.05 * (u * slow + phase).sin() + 0.015 * (u * fast * 2.0 + phase * 3.0).sin();
                if v > edge {
                    // Grass and rock: a pattern that does not repeat with the blocks of any codec.
                    let grain = 14.0 * ((u * 97.3 + v * 41.7).sin() * (v * 131.1 - u * 17.9).cos());
                    colour =
                        [red + grain, green + grain, blue + grain].map(|value| value * (1.25 - 0.55 * v));
                }
            }
            let bits = noise.next();
            for (c, value) in colour.iter().enumerate() {
                let grain = ((bits >> (16 * c)) & 15) as f64 - 7.5;
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
                rgb.push((value + grain * 0.8).clamp(0.0, 255.0) as u8);
            }
        }
    }
    Drawing { width, height, rgb }
}

impl Drawing {
    /// As PNG, with the usual filters.
    pub fn png(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let (width, height) = self.sides();
        let mut encoder = png::Encoder::new(&mut out, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_filter(png::Filter::Adaptive);
        let mut writer = encoder.write_header().expect("a fitting header");
        writer.write_image_data(&self.rgb).expect("fitting samples");
        writer.finish().expect("memory can be written");
        out
    }

    /// As GIF: so many frames, each moved a little.
    pub fn gif(&self, frames: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let (width, height) = self.sides();
        let side = |length: u32| u16::try_from(length).expect("a small picture");
        let (width, height) = (side(width), side(height));
        let mut encoder = gif::Encoder::new(&mut out, width, height, &[]).expect("memory can be written");
        for index in 0..frames {
            let mut moved = self.rgb.clone();
            moved.rotate_left(index * 9);
            let mut frame = gif::Frame::from_rgb_speed(width, height, &moved, 20);
            frame.delay = 10;
            encoder.write_frame(&frame).expect("memory can be written");
        }
        drop(encoder);
        out
    }

    /// As TIFF.
    pub fn tiff(&self, compression: tiff::encoder::Compression) -> Vec<u8> {
        let mut out = std::io::Cursor::new(Vec::new());
        let (width, height) = self.sides();
        let encoder = tiff::encoder::TiffEncoder::new(&mut out).expect("memory can be written");
        encoder
            .with_compression(compression)
            .write_image::<tiff::encoder::colortype::RGB8>(width, height, &self.rgb)
            .expect("fitting samples");
        out.into_inner()
    }

    /// As a camera raw: DNG 1.4, uncompressed 16-bit samples of a Bayer pattern (RGGB), one strip; the preview is a JPEG.
    pub fn dng(&self, preview: Option<&[u8]>) -> Vec<u8> {
        let (width, height) = self.sides();
        let samples: Vec<u8> = (0..self.width * self.height)
            .flat_map(|index| {
                let (x, y) = (index % self.width, index / self.width);
                let channel = (x % 2) + (y % 2);
                let value = f64::from(self.rgb[3 * index + channel]) / 255.0;
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 4095")]
                ((4095.0 * value.powf(2.2)) as u16).to_le_bytes()
            })
            .collect();
        let short = |value: u16| (3_u16, 1, value.to_le_bytes().to_vec());
        let long = |value: u32| (4_u16, 1, value.to_le_bytes().to_vec());
        let text = |value: &str| (2_u16, value.len() + 1, [value.as_bytes(), b"\0"].concat());
        let bytes = |values: [u8; 4]| (1_u16, 4, values.to_vec());
        let fractions = |kind: u16, values: &[i32]| {
            let body =
                values.iter().flat_map(|value| [value.to_le_bytes(), 10_000_i32.to_le_bytes()].concat());
            (kind, values.len(), body.collect::<Vec<u8>>())
        };
        // From XYZ (D65) to linear sRGB.
        let matrix = [32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570];
        let fields = [
            (0x00fe, long(0)),
            (0x0100, long(width)),
            (0x0101, long(height)),
            (0x0102, short(16)),
            (0x0103, short(1)),
            (0x0106, short(32803)),
            (0x010f, text("Drawn")),
            (0x0110, text("Landscape")),
            (0x0111, long(8)),
            (0x0112, short(1)),
            (0x0115, short(1)),
            (0x0116, long(height)),
            (0x0117, long(u32::try_from(samples.len()).expect("a small picture"))),
            (0x828d, (3, 2, vec![2, 0, 2, 0])),
            (0x828e, bytes([0, 1, 1, 2])),
            (0xc612, bytes([1, 4, 0, 0])),
            (0xc613, bytes([1, 1, 0, 0])),
            (0xc614, text("Drawn Landscape")),
            (0xc61d, short(4095)),
            (0xc621, fractions(10, &matrix)),
            (0xc628, fractions(5, &[10_000, 10_000, 10_000])),
            (0xc65a, short(21)),
        ];
        let preview = preview.unwrap_or_default();
        let offset = |at: usize| u32::try_from(at).expect("a small picture");
        let of_preview = [
            (0x00fe, long(1)),
            (0x0103, short(7)),
            (0x0106, short(6)),
            (0x0111, long(offset(8 + samples.len()))),
            (0x0117, long(offset(preview.len()))),
        ];
        let first = 8 + samples.len() + preview.len().next_multiple_of(2);
        let (mut directory, end) = directory(first, &fields);
        let mut out = [b"II*\0".as_slice(), &offset(first).to_le_bytes(), &samples, preview].concat();
        out.resize(first, 0);
        if !preview.is_empty() {
            let link = 2 + 12 * fields.len();
            directory[link..link + 4].copy_from_slice(&offset(end).to_le_bytes());
        }
        out.extend(directory);
        if !preview.is_empty() {
            out.extend(self::directory(end, &of_preview).0);
        }
        out
    }

    fn sides(&self) -> (u32, u32) {
        let side = |length: usize| u32::try_from(length).expect("a small picture");
        (side(self.width), side(self.height))
    }
}

/// A tag, its type, the number of values and their bytes.
type Field = (u16, (u16, usize, Vec<u8>));

/// A TIFF directory that begins at `start`, the values behind it, and where those end.
fn directory(start: usize, fields: &[Field]) -> (Vec<u8>, usize) {
    let number = |at: usize| u32::try_from(at).expect("a small picture").to_le_bytes();
    let mut beyond = start + 2 + 12 * fields.len() + 4;
    let mut out = u16::try_from(fields.len()).expect("a few fields").to_le_bytes().to_vec();
    let mut values = Vec::new();
    for (tag, (kind, count, value)) in fields {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(number(*count));
        let mut value = value.clone();
        value.resize(value.len().max(4).next_multiple_of(2), 0);
        if value.len() > 4 {
            out.extend(number(beyond));
            beyond += value.len();
            values.extend(value);
        } else {
            out.extend(value);
        }
    }
    out.extend([0; 4]);
    out.extend(values);
    (out, beyond)
}
