//! Any relative path through the path grammar; what it says of a generated file has to lead back to the path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photofsck::immich::layout;

fuzz_target!(|data: &[u8]| {
    let _ = layout::meaning(data);
    let _ = layout::class_of(data);
});
