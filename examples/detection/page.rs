//! docs/detection.md: method, versions, tables, limits, and how to repeat it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Options;
use super::cases::Measured;
use super::labels;
use super::product::Product;
use super::table::{self, Good};
use super::tools;

const METHOD: &str = "\
## Method

- **Sources**: for each format and seed a choice of sound files of a corpus, as many cameras and programs as it has; files that the
  project draws itself through the encoders that are linked or installed; and previews and thumbnails as Immich makes them, by
  photofsck's own renderer. The corpus is not part of the project; without one the drawn files are measured alone.
- **Damage** (`tests/damage`): truncations; zeroed, 0xFF, random, foreign, swapped, lost, doubled and overwritten blocks of
  512 bytes, 4, 16 and 64 KiB, aligned, of each kind one for each source, in a size that the seed chooses; zero and 0xFF tails; one flipped bit; 16 random bytes; line ends converted both ways; an HTML
  page; all zero; empty; hit headers; EXIF zeroed or random. Seven hits of eight are inside the picture data, one is anywhere.
- **Harmless**: appended zeros, text, pictures, videos; spare bytes before JPEG markers, fill bytes, comments; odd EXIF and another
  orientation; text and unknown chunks in PNG; unknown RIFF chunks; comments in GIF; `free` and `uuid` boxes; Void elements; null packets.
- **Labels** come from decoded pixels, by installed decoders that show what they can: not decodable, other size, other number of
  frames or a peak signal to noise ratio below 40 dB (worst frame) is visible damage and has to be found; above it either answer
  will do. A harmless copy counts when its pixels are the same; it must not be called damaged.
- A copy that is **byte for byte what somebody could have drawn** (`tests/damage/drawable`) is told by a record alone, as another picture
  under the same name is: such copies are counted there, and how many there are is said below the table. Zero tails of an uncompressed BMP
  that begin with a row, in a colour that the rows above have too; other colours in the tables of a GIF, and other codes that give as many
  pixels and are those that the textbook's encoder writes for them.
- **Verdicts** are those of the real program, `photofsck verify`, without records, checksums or database. Only `damaged` counts as
  found; `unverifiable` is counted apart. Videos: `--video full` unless said otherwise.
- The **hard set** are small changes inside the entropy-coded data of other JPEGs, with another seed: bit flips, 16 random bytes, and
  zeroed, foreign, swapped and doubled blocks of 512 bytes and 4 KiB, three of each.
- Other checkers are asked about the copies of the first seed only: the time for both goes into processes that start.
- A checker gets no cases from a sound file that it flags. A sound file that photofsck cannot judge gives no cases either; it
  is in the line \"sources\".
";

const LIMITS: &str = "\
## Limits of this measure

- A rate of 100 % over 50 cases still allows 6 % misses (95 % bound). Cases of one source are not independent.
- The ratio is taken over the whole picture: tiny local damage can stay above 40 dB and is then in neither count. Of videos only the
  picture is compared, at 640 pixels width; damage in sound or in tracks of data is \"hardly visible\" here.
- Label decoders are strict in places (PNG and JPEG XL): then damage counts as visible that another viewer would show unharmed. Some
  share a library with photofsck (libjpeg-turbo, libwebp, libheif, FFmpeg), though not its version.
- Real decay hits large files in proportion to their size; here most hits are in the picture data and headers are hit on purpose.
- Files of the corpus were at hand while the checks were written. Drawn files, and seeds that were not used then, are the better evidence.
";

/// The whole page.
pub fn page(options: &Options, product: &Product, measured: &Measured, good: Option<&Good>) -> String {
    let mut out = String::from("# How much damage is found\n\n");
    let seeds: Vec<String> = options.seed.iter().map(u64::to_string).collect();
    let _ = writeln!(
        out,
        "Written by `cargo run --release --example detection`; do not edit. {}, {} cases, seeds {}.\n",
        product.version(),
        measured.cases.len(),
        seeds.join(" and "),
    );
    if let Some(note) = &options.note {
        let _ = writeln!(out, "{note}\n");
    }
    out.push_str(&table::main_table(measured, good));
    if let Some(good) = good.filter(|good| !good.accused.is_empty()) {
        out.push_str("\nCalled damaged, but sound:\n\n");
        for (path, reason) in &good.accused {
            let _ = writeln!(out, "- {path}: {reason}");
        }
    }
    out.push_str("\n## By format\n\n");
    out.push_str(&table::formats_table(measured));
    if options.peers {
        out.push_str("\n## Beside other checkers\n\n");
        out.push_str(&table::peers_table(measured));
    }
    out.push('\n');
    out.push_str(METHOD);
    out.push_str("\n## By operator\n\nFound of the visibly damaged cases; bold where it is not all, or where something harmless is flagged.\n");
    out.push_str(&table::operator_tables(measured));
    out.push('\n');
    out.push_str(LIMITS);
    out.push_str("\n## Versions\n\n");
    for (program, version) in versions(measured) {
        let _ = writeln!(out, "- {program}: {version}");
    }
    let _ = writeln!(out, "\n## Again\n\n```\ncargo build --release\n{}\n```", command(options));
    out.push_str(
        "\n`--keep DIR` keeps the damaged copies, `--misses DIR` lists what was missed, `--formats jpeg,webp` measures only these, \
         `--corpus DIR` takes other sound files. The exit status is 1 when a promise is broken.\n",
    );
    out
}

fn versions(measured: &Measured) -> BTreeMap<&'static str, String> {
    let mut versions = BTreeMap::new();
    for peer in measured.peers.values().flatten() {
        versions.extend(peer.told_version());
    }
    for (group, judge) in measured.judges.keys() {
        debug_assert!(labels::decoders(*group).contains(judge));
        let option = match *judge {
            "heif-convert" | "avifdec" | "djxl" => "--version",
            _ => "-version",
        };
        versions.entry(judge).or_insert_with(|| tools::version(judge, option).unwrap_or_default());
    }
    versions
}

/// The command that gives the same again; folders are those of whoever repeats it.
fn command(options: &Options) -> String {
    let mut words = vec![format!("cargo run --release --example detection -- --sources {}", options.sources)];
    words.extend(options.seed.iter().map(|seed| format!("--seed {seed}")));
    if options.rounds != 1 {
        words.push(format!("--rounds {}", options.rounds));
    }
    if !options.formats.is_empty() {
        words.push(format!("--formats {}", options.formats.join(",")));
    }
    if options.all_sizes {
        words.push("--all-sizes".to_owned());
    }
    if options.peers {
        words.push("--peers".to_owned());
    }
    words.push("--write".to_owned());
    words.join(" ")
}
