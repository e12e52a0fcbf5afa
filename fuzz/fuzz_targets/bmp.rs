#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (photofsck_fuzz::target("bmp").run)(data));
