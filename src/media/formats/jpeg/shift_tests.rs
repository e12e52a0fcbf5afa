//! Damage after which a picture goes on in other colours, and sound pictures that look a little like it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a panic is a failed test"
)]

use turbojpeg_sys as ffi;

use super::super::testing::noise;
use super::tests::compress;
use super::*;

const WIDTH: usize = 640;
const HEIGHT: usize = 480;

/// Draws, with so much grain, and encodes at full and at half chroma.
fn encoded(grain: f32, draw: impl Fn(usize, usize) -> [f32; 3]) -> [Vec<u8>; 2] {
    encoded_with(&[], grain, draw)
}

/// The same with further settings.
fn encoded_with(
    further: &[(ffi::TJPARAM, i32)],
    grain: f32,
    draw: impl Fn(usize, usize) -> [f32; 3],
) -> [Vec<u8>; 2] {
    let noise = noise(WIDTH * HEIGHT * 3);
    let samples: Vec<u8> = (0..WIDTH * HEIGHT * 3)
        .map(|n| {
            let (x, y) = (n / 3 % WIDTH, n / 3 / WIDTH);
            (draw(x, y)[n % 3] + (f32::from(noise[n]) / 127.5 - 1.0) * grain).clamp(0.0, 255.0) as u8
        })
        .collect();
    [0, 2].map(|subsampling| {
        let settings = [(ffi::TJPARAM_TJPARAM_SUBSAMP, subsampling), (ffi::TJPARAM_TJPARAM_QUALITY, 85)];
        compress(&samples, WIDTH, HEIGHT, ffi::TJPF_TJPF_RGB, &[&settings, further].concat())
    })
}

fn answer(bytes: &[u8]) -> Answer {
    jpeg_walk::walk(bytes, &structure::walk(bytes))
}

/// Sky, hills and grass.
fn scene(x: usize, y: usize) -> [f32; 3] {
    let (u, v) = (x as f32, y as f32);
    if v < 200.0 + 30.0 * (u / 70.0).sin() {
        return [80.0 + v / 4.0, 120.0 + v / 5.0, 200.0 - u / 20.0];
    }
    let pattern = 12.0 * (u / 3.1 + v / 7.7).sin() * (v / 5.3 - u / 11.0).cos();
    [70.0 + pattern, 110.0 + pattern - v / 10.0, 60.0 + pattern]
}

#[test]
fn colours_that_stay_off_are_damage() {
    let progressive = encoded_with(&[(ffi::TJPARAM_TJPARAM_PROGRESSIVE, 1)], 6.0, scene);
    for bytes in encoded(6.0, scene).into_iter().chain(progressive) {
        assert_eq!(answer(&bytes), Answer::Sound);
        let scan = structure::walk(&bytes).scans[0].data.clone();
        let (mut shifts, mut shares) = (0, 0);
        for at in (scan.start + scan.len() / 4..scan.end - scan.len() / 4).step_by(97) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            if let Answer::Wrong(flaw) = answer(&wrong)
                && flaw.error.to_string().contains("levels off")
            {
                shifts += 1;
                let share = f64::from(flaw.sound_until.unwrap());
                let hit = (at - scan.start) as f64 / scan.len() as f64;
                shares += usize::from((share - hit).abs() < 0.25);
                let offset = flaw.error.offset().unwrap() as usize;
                assert!(offset.abs_diff(at) < scan.len() / 10, "{offset} for {at}");
            }
        }
        assert!(shifts >= 5 && shares == shifts, "{shares} of {shifts}");
    }
}

#[test]
fn colours_that_are_off_up_to_a_restart_marker_are_damage() {
    for rows in [1, 2] {
        for bytes in encoded_with(&[(ffi::TJPARAM_TJPARAM_RESTARTROWS, rows)], 6.0, scene) {
            assert_eq!(answer(&bytes), Answer::Sound);
            let scan = structure::walk(&bytes).scans[0].data.clone();
            let shifts = (scan.start + scan.len() / 4..scan.end - scan.len() / 4).step_by(61).filter(|&at| {
                let mut wrong = bytes.clone();
                wrong[at] ^= 0x10;
                matches!(answer(&wrong), Answer::Wrong(flaw) if flaw.error.to_string().contains("levels off"))
            });
            let shifts = shifts.count();
            assert!(shifts >= 5, "{shifts} with {rows}");
        }
    }
}

#[test]
fn a_picture_that_does_not_go_on_is_damage() {
    for (column, row) in [(17, 15), (6, 20), (33, 18)] {
        // Units of 16 x 16 samples, 40 in a row: from one of them on, what belongs elsewhere.
        let torn = |x: usize, y: usize| {
            let unit = y / 16 * 40 + x / 16;
            if unit < row * 40 + column { scene(x, y) } else { scene((x + 300) % 640, y - 150) }
        };
        let [_, bytes] = encoded(6.0, torn);
        let Answer::Wrong(flaw) = answer(&bytes) else { panic!("{column} {row}") };
        let share = f64::from(flaw.sound_until.unwrap());
        assert!((share - row as f64 / 30.0).abs() < 0.1, "{share} for row {row}");
    }
}

type Drawing = Box<dyn Fn(usize, usize) -> [f32; 3]>;

#[test]
fn horizons_banners_and_collages_are_no_damage() {
    let sky = [90.0, 140.0, 210.0];
    let sea = [30.0, 60.0, 90.0];
    let choose = move |upper: bool| if upper { sky } else { sea };
    let drawings: Vec<(&str, f32, Drawing)> = vec![
        ("a scene", 6.0, Box::new(scene)),
        ("a horizon between units", 5.0, Box::new(move |_, y| choose(y < 240))),
        ("a horizon", 5.0, Box::new(move |_, y| choose(y < 245))),
        ("a tilted horizon", 5.0, Box::new(move |x, y| choose(y * 40 < 9600 + x))),
        ("a more tilted one", 5.0, Box::new(move |x, y| choose(y * 10 < 2000 + x))),
        ("a banner", 5.0, Box::new(move |x, y| choose(!(160..192).contains(&y) || x < 200))),
        (
            "a film with bars",
            4.0,
            Box::new(|x, y| if (64..416).contains(&y) { scene(x, y) } else { [0.0; 3] }),
        ),
        (
            "a collage",
            5.0,
            Box::new(move |x, y| match (x < 310, x > 330, y) {
                (true, _, 176..) => scene(x * 2, y),
                (_, true, 160..) => scene(x, 480 - y),
                _ => [250.0; 3],
            }),
        ),
        ("tabs", 0.0, Box::new(move |x, y| choose(y < if x < 320 { 176 } else { 160 }))),
        ("a gradient", 0.0, Box::new(|x, y| [x as f32 / 3.0, y as f32 / 2.0, 128.0])),
        ("noise", 120.0, Box::new(|_, _| [128.0; 3])),
        (
            "night",
            3.0,
            Box::new(|x, y| if (x * 7919 + y * 104_729) % 4001 == 0 { [255.0; 3] } else { [4.0; 3] }),
        ),
    ];
    let kinds =
        [vec![], vec![(ffi::TJPARAM_TJPARAM_PROGRESSIVE, 1)], vec![(ffi::TJPARAM_TJPARAM_RESTARTROWS, 1)]];
    for (name, grain, drawing) in drawings {
        for kind in &kinds {
            for bytes in encoded_with(kind, grain, &drawing) {
                assert_eq!(answer(&bytes), Answer::Sound, "{name}");
            }
        }
    }
}

#[test]
fn scans_of_progressive_pictures_end_with_their_padding() {
    let noise = noise(64 * 64 * 3 + 40);
    let mut accused = 0;
    for number in 0..40 {
        let settings = [(ffi::TJPARAM_TJPARAM_PROGRESSIVE, 1)];
        let samples = &noise[number..number + 64 * 64 * 3];
        let bytes = compress(samples, 64, 64, ffi::TJPF_TJPF_RGB, &settings);
        let end = bytes.len() - 2;
        let mut spare = bytes.clone();
        spare.splice(end..end, [1, 2, 3]);
        assert_eq!(answer(&spare), Answer::Sound);
        let mut odd = spare;
        // Where the last byte of data is padded with two ones or more, they become odd.
        odd[end - 1] ^= 1;
        accused += usize::from(answer(&odd) != Answer::Sound);
    }
    assert!(accused > 10, "{accused}");
}
