//! Any bytes as a database dump: read to an answer, and what was indexed can be asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photofsck::immich::records::read_dump;

fuzz_target!(|data: &[u8]| {
    let Ok(records) = read_dump(data, "fuzz", "dump fuzz".to_owned(), &mut |_| {}) else { return };
    for asset in records.index.assets() {
        let _ = records.index.asset(asset);
        for file in records.index.files_of(asset) {
            assert!(!records.index.record_path(file).as_os_str().is_empty());
        }
    }
});
