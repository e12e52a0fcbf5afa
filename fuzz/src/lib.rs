//! Every parser of ours as a function from bytes: for cargo-fuzz (`fuzz_targets/`) and for the bounded run in
//! `tests/fuzz_smoke.rs`, which includes this file. `docs/fuzzing.md` tells how both are used.
//!
//! A new target: a function in `targets/`, a row in [`TARGETS`], a file in `fuzz_targets/` with its `[[bin]]` in
//! `Cargo.toml`, and seeds. A test holds these against each other.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a finding")]

#[path = "targets/media.rs"]
mod media;
#[path = "targets/records.rs"]
mod records;
#[path = "targets/structure.rs"]
mod structure;
#[path = "targets/wire.rs"]
mod wire;

/// A parser to be fuzzed.
pub struct Target {
    /// Its name: of the file in `fuzz_targets/` and of the folder of regressions.
    pub name: &'static str,
    /// What is done with the bytes. It may answer anything, but not panic.
    pub run: fn(&[u8]),
    /// Folders of `seeds/` that it starts from.
    pub seeds: &'static [&'static str],
    /// Seeds that are made and not kept as files.
    pub made: fn() -> Vec<Vec<u8>>,
    /// How many changed inputs a smoke run tries.
    pub rounds: u32,
    /// What it may hold at a time: this many bytes for each byte of the input ...
    pub memory_factor: usize,
    /// ... and this many beside.
    pub memory_base: usize,
}

impl Target {
    const fn new(name: &'static str, run: fn(&[u8]), seeds: &'static [&'static str]) -> Self {
        Self { name, run, seeds, made: Vec::new, rounds: 20_000, memory_factor: 64, memory_base: 4 << 20 }
    }

    const fn made(self, made: fn() -> Vec<Vec<u8>>) -> Self {
        Self { made, ..self }
    }

    const fn memory(self, memory_factor: usize, memory_base: usize) -> Self {
        Self { memory_factor, memory_base, ..self }
    }

    const fn rounds(self, rounds: u32) -> Self {
        Self { rounds, ..self }
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target::new("bmp", structure::bmp, &[]).made(structure::bmp_seeds),
    // Frames of films are walked as those of `hevc` and `h264`.
    Target::new("ebml", structure::ebml, &["matroska"]).memory(64, 64 << 20),
    // Decoders of others panic and crash: nothing that a test should stand or fall by.
    Target::new("examine", media::examine, &[]).rounds(0),
    Target::new("exif", structure::exif, &["tiff", "raw"]).made(structure::exif_seeds),
    // A code of a few bits may stand for thousands of pixels.
    Target::new("gif", structure::gif, &["gif"]).memory(4096, 4 << 20),
    Target::new("h264", structure::h264, &[]).made(structure::h264_seeds),
    Target::new("heif", structure::heif, &["heif"]).memory(64, 64 << 20),
    // A few bits may name the largest picture there is.
    Target::new("hevc", structure::hevc, &[]).made(structure::hevc_seeds).memory(64, 64 << 20),
    // Passes cost far more than their bits.
    Target::new("jp2", structure::jp2, &["jp2"])
        .made(structure::jp2_seeds)
        .memory(512, 4 << 20)
        .rounds(3_000),
    // A bit may stand for a block, of which eight bytes are remembered, for each component.
    Target::new("jpeg", structure::jpeg, &["jpeg"]).memory(512, 4 << 20),
    // Decodes too, up to the limit of the oracle.
    Target::new("jpeg_walk", media::jpeg_walk, &["jpeg"]).memory(64, 64 << 20).rounds(5_000),
    Target::new("mp4", structure::mp4, &["mp4", "heif"]).memory(64, 64 << 20),
    Target::new("panorama", structure::panorama, &["xmp"]).made(structure::panorama_seeds),
    Target::new("png", structure::png, &["png"]),
    // FFmpeg and libheif are asked for the size of some; what they hold is bounded by the worker's limits.
    Target::new("probe", media::probe, &["jpeg", "raw", "heif", "mp4", "svg"])
        .memory(64, 256 << 20)
        .rounds(10_000),
    Target::new("quick", structure::quick, &["jpeg", "png", "webp", "tiff", "mp4"]).rounds(4_000),
    Target::new("raw", structure::raw, &["raw", "tiff"]).made(structure::raw_seeds),
    Target::new("streams", structure::streams, &["streams"]),
    Target::new("tiff", structure::tiff, &["tiff"]),
    Target::new("vp8", structure::vp8, &[]).made(structure::vp8_seeds),
    Target::new("webp", structure::webp, &["webp"]),
    // Decodes too, within its limits.
    Target::new("webp_walk", media::webp_walk, &["webp"]).memory(64, 128 << 20).rounds(5_000),
    Target::new("xml", structure::xml, &["svg", "xmp"]),
    Target::new("compose", records::compose, &["compose"]).rounds(1_000),
    Target::new("configuration", records::configuration, &["configuration"]).rounds(100),
    Target::new("dump", records::dump, &["dump"]).rounds(5_000),
    Target::new("layout", records::layout, &["layout"]),
    Target::new("manifest", records::manifest, &["manifest"]).memory(256, 4 << 20),
    Target::new("map_rule", records::map_rule, &["layout"]),
    Target::new("settings", records::settings, &["settings"]),
    Target::new("wire_reply", wire::reply, &[]).made(wire::reply_seeds),
    Target::new("wire_request", wire::request, &[]).made(wire::request_seeds),
];

/// The target of this name.
pub fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).expect("a row in TARGETS")
}
