//! Any text as an image configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photofsck::immich::settings::parse_image_config;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse_image_config(text);
    }
});
