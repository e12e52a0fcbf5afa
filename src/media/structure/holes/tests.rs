//! The search for foreign blocks, both ways.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;

const ROW: usize = 1801;

fn noise(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 33
}

/// A soft gradient with a little noise, as a camera's sky.
fn picture(rows: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_9ABC_DEF1;
    (0..rows * ROW)
        .map(|at| (60 + at % ROW * 60 / ROW + at / ROW / 2) as u8 + (noise(&mut state) % 5) as u8)
        .collect()
}

fn hole(bytes: &[u8], phase: usize) -> Option<Hole> {
    let field = Field {
        bytes,
        range: 8..bytes.len(),
        above: ROW,
        row: ROW,
        unit: 1,
        left: 1,
        sample: Sample::High(8),
        phase,
    };
    field.hole()
}

#[test]
fn a_sound_picture_has_no_hole_at_any_phase() {
    let bytes = picture(120);
    assert!((0..GRID).step_by(37).all(|phase| hole(&bytes, phase).is_none()));
}

#[test]
fn blocks_on_the_grid_are_found_and_others_are_the_pictures() {
    let sound = picture(120);
    for value in [Some(0), Some(0xFF), None] {
        for len in [1024usize, 4096, 16_384] {
            // Neither end near the end of a row.
            let at = GRID * 101;
            let mut state = 77;
            let mut wrong = sound.clone();
            wrong[at..at + len].fill_with(|| value.unwrap_or_else(|| (noise(&mut state) & 0xFF) as u8));
            assert_eq!(hole(&wrong, 0).map(|hole| hole.at), Some(at), "{value:?} {len}");
            assert_eq!(hole(&wrong, 100), None, "{value:?} {len}");
        }
    }
}

#[test]
fn black_areas_borders_and_lines_are_content() {
    let sound = picture(120);
    let mut black = sound.clone();
    // A black box, a black border below, a black line.
    for row in 30..60 {
        black[row * ROW + 300..row * ROW + 1100].fill(0);
    }
    black[100 * ROW + 8..].fill(0);
    black[80 * ROW + 8..81 * ROW + 8].fill(0);
    assert!((0..GRID).all(|phase| hole(&black, phase).is_none()));
    assert_eq!(hole(&vec![0; 64 * ROW], 0), None);
}

#[test]
fn a_tail_of_zeros_that_begins_inside_a_row_is_found() {
    let mut bytes = picture(120);
    let cut = 70 * ROW + 700;
    bytes[cut..].fill(0);
    assert!(hole(&bytes, 0).is_some());
}

#[test]
fn converted_line_ends_are_told_from_binary_data() {
    let mut state = 5;
    let binary: Vec<u8> = (0..100_000).map(|_| (noise(&mut state) & 0xFF) as u8).collect();
    assert!(!has_converted_line_ends(&binary));
    let converted: Vec<u8> =
        binary.iter().flat_map(|&byte| if byte == b'\n' { vec![b'\r', b'\n'] } else { vec![byte] }).collect();
    assert!(has_converted_line_ends(&converted));
    assert!(!has_converted_line_ends(&b"\r\n".repeat(500)));
}

#[test]
fn noise_and_copies_on_the_grid_are_found_in_narrow_pictures_too() {
    // Rows of 301 bytes are shorter than a block.
    let mut state = 0x1234_5678_9ABC_DEF1;
    let sound: Vec<u8> = (0..200usize * 301)
        .map(|at| (60 + at % 301 * 60 / 301 + at / 301 / 2) as u8 + (noise(&mut state) % 5) as u8)
        .collect();
    let search = |bytes: &[u8], phase: usize| {
        let range = 8..bytes.len();
        Field { bytes, range, above: 301, row: 301, unit: 1, left: 1, sample: Sample::High(8), phase }.hole()
    };
    assert!((0..GRID).step_by(37).all(|phase| search(&sound, phase).is_none()));
    let mut noisy = sound.clone();
    noisy[20_480..22_016].fill_with(|| (noise(&mut state) & 0xFF) as u8);
    assert_eq!(search(&noisy, 0).map(|hole| hole.at), Some(20_480));
    assert_eq!(search(&noisy, 100), None);
    for len in [512, 4096] {
        let mut copied = sound.clone();
        copied.copy_within(8192..8192 + len, 40_960);
        let hole = search(&copied, 0).map(|hole| hole.at);
        assert!(
            hole.is_some_and(|at| [8192, 40_960].iter().any(|&place| (place..=place + len).contains(&at))),
            "{len}"
        );
        assert_eq!(search(&copied, 100), None);
    }
    // What repeats itself again and again is a pattern; so is a row that is there twice.
    let pattern: Vec<u8> = sound.iter().copied().take(1536).collect::<Vec<_>>().repeat(40);
    assert_eq!(search(&pattern, 0), None);
}

#[test]
fn the_sample_at_the_left_is_of_the_same_colour() {
    assert_eq!([left_of(1, 8, 3), left_of(2, 16, 3), left_of(3, 12, 3)], [3, 6, 9]);
    // Mosaics of two colours a row.
    assert_eq!([left_of(3, 12, 2), left_of(7, 14, 2), left_of(5, 10, 2), left_of(2, 16, 2)], [3, 7, 5, 4]);
}
