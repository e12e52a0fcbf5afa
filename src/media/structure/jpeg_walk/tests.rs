//! Pictures written by a tiny encoder: lossless ones, since no crate of ours writes them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a panic is a failed test"
)]

use super::*;

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xFF, marker];
    out.extend((body.len() as u16 + 2).to_be_bytes());
    out.extend(body);
    out
}

/// A table with a code of eight bits for each category from 0 to 16.
fn table() -> Vec<u8> {
    let mut body = vec![0];
    let mut counts = [0u8; 16];
    counts[7] = 17;
    body.extend(counts);
    body.extend(0..=16);
    segment(0xC4, &body)
}

struct Writer {
    out: Vec<u8>,
    held: u32,
    count: u32,
}

impl Writer {
    fn put(&mut self, value: u32, bits: u32) {
        for bit in (0..bits).rev() {
            self.held = self.held << 1 | value >> bit & 1;
            self.count += 1;
            if self.count == 8 {
                self.out.push(self.held as u8);
                if self.held as u8 == 0xFF {
                    self.out.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    fn flush(&mut self) {
        while self.count > 0 {
            self.put(1, 1);
        }
    }

    fn difference(&mut self, difference: i32) {
        let size = 32 - difference.unsigned_abs().leading_zeros();
        self.put(size, 8);
        if size < 16 {
            let raw = if difference < 0 { difference - 1 } else { difference };
            self.put(raw.cast_unsigned() & ((1 << size) - 1), size);
        }
    }
}

/// What a lossless picture is written with.
#[derive(Clone, Copy)]
struct Kind {
    precision: u8,
    predictor: u8,
    components: usize,
    /// Rows between restart markers, 0 for none.
    restart_rows: usize,
}

const WIDTH: usize = 37;
const HEIGHT: usize = 20;

/// Noise around a ramp, in the whole range of the precision.
fn sample(kind: Kind, x: usize, y: usize, c: usize) -> i32 {
    let noise = ((x * 7919 + y * 104_729 + c * 1_299_709) * 2_654_435_761) >> 7;
    (((x + y) << (kind.precision - 6)) + noise % (1 << (kind.precision - 3))) as i32
}

fn encode(kind: Kind, with_tables: bool) -> Vec<u8> {
    let mut out = vec![0xFF, 0xD8];
    if with_tables {
        out.extend(table());
    }
    let mut frame = vec![kind.precision, 0, HEIGHT as u8, 0, WIDTH as u8, kind.components as u8];
    let mut scan = vec![kind.components as u8];
    for id in 0..kind.components as u8 {
        frame.extend([id, 0x11, 0]);
        scan.extend([id, 0]);
    }
    scan.extend([kind.predictor, 0, 0]);
    out.extend(segment(0xC3, &frame));
    if kind.restart_rows > 0 {
        out.extend(segment(0xDD, &((kind.restart_rows * WIDTH) as u16).to_be_bytes()));
    }
    out.extend(segment(0xDA, &scan));
    let mut writer = Writer { out, held: 0, count: 0 };
    let mut markers = 0;
    for y in 0..HEIGHT {
        let fresh = y == 0 || kind.restart_rows > 0 && y % kind.restart_rows == 0;
        if fresh && y > 0 {
            writer.flush();
            writer.out.extend([0xFF, 0xD0 + markers % 8]);
            markers += 1;
        }
        for x in 0..WIDTH {
            for c in 0..kind.components {
                let at = |dx: usize, dy: usize| sample(kind, x - dx, y - dy, c);
                let prediction = match (x, fresh) {
                    (0, true) => 1 << (kind.precision - 1),
                    (0, false) => at(0, 1),
                    (_, true) => at(1, 0),
                    _ => match kind.predictor {
                        1 => at(1, 0),
                        2 => at(0, 1),
                        3 => at(1, 1),
                        4 => at(1, 0) + at(0, 1) - at(1, 1),
                        5 => at(1, 0) + ((at(0, 1) - at(1, 1)) >> 1),
                        6 => at(0, 1) + ((at(1, 0) - at(1, 1)) >> 1),
                        _ => (at(1, 0) + at(0, 1)) >> 1,
                    },
                };
                // Modulo 65536, as the category 16 wants it.
                let difference = (at(0, 0) - prediction) & 0xFFFF;
                writer.difference(if difference > 32768 { difference - 65536 } else { difference });
            }
        }
    }
    writer.flush();
    let mut out = writer.out;
    out.extend([0xFF, 0xD9]);
    out
}

fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for predictor in 1..=7 {
        for (precision, components, restart_rows) in [(14, 1, 0), (12, 2, 3), (8, 3, 1), (16, 4, 0)] {
            kinds.push(Kind { precision, predictor, components, restart_rows });
        }
    }
    kinds
}

#[test]
fn lossless_pictures_are_followed_to_their_end() {
    for kind in kinds() {
        let bytes = encode(kind, true);
        assert_eq!(
            walk_stream(None, &bytes),
            Answer::Sound,
            "predictor {}, {} bits",
            kind.predictor,
            kind.precision
        );
        // Only the marker is missing: all samples are there.
        assert_eq!(walk_stream(None, &bytes[..bytes.len() - 2]), Answer::Sound);
    }
}

#[test]
fn tables_may_come_from_elsewhere() {
    let tables = [vec![0xFF, 0xD8], table(), vec![0xFF, 0xD9]].concat();
    let bytes = encode(kinds()[0], false);
    assert_eq!(walk_stream(Some(&tables), &bytes), Answer::Sound);
    assert!(matches!(walk_stream(None, &bytes), Answer::NotFollowed(_)));
}

#[test]
fn cut_lossless_pictures_tell_how_far_they_go() {
    for kind in kinds() {
        let bytes = encode(kind, true);
        let Answer::Wrong(flaw) = walk_stream(None, &bytes[..bytes.len() / 2]) else { panic!() };
        assert!(matches!(flaw.error, DecodeError::Truncated { .. }), "{:?}", flaw.error);
        assert!((0.3..0.6).contains(&flaw.sound_until.unwrap()), "{flaw:?}");
    }
}

#[test]
fn many_flipped_bits_of_lossless_pictures_are_noticed() {
    let bytes = encode(Kind { precision: 14, predictor: 1, components: 1, restart_rows: 0 }, true);
    let start = jpeg::walk(&bytes).scans[0].data.start;
    let noticed = (start..bytes.len() - 2)
        .filter(|&at| {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            matches!(walk_stream(None, &wrong), Answer::Wrong(_))
        })
        .count();
    assert!(noticed * 5 > (bytes.len() - start) * 2, "{noticed} of {}", bytes.len() - start);
}

#[test]
fn categories_of_16_with_and_without_bits_behind_them() {
    // Two samples of 16 bits: a difference of 32768 from the middle, then none.
    for extra in [0, 16] {
        let mut out = vec![0xFF, 0xD8];
        out.extend(table());
        out.extend(segment(0xC3, &[16, 0, 1, 0, 2, 1, 0, 0x11, 0]));
        out.extend(segment(0xDA, &[1, 0, 0, 1, 0, 0]));
        let mut writer = Writer { out, held: 0, count: 0 };
        writer.put(16, 8);
        writer.put(0x8000, extra);
        writer.put(0, 8);
        writer.flush();
        writer.out.extend([0xFF, 0xD9]);
        assert_eq!(walk_stream(None, &writer.out), Answer::Sound, "{extra}");
    }
}
