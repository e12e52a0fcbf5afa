//! How much visible damage photofsck finds, and whether it accuses anything sound: over damaged copies of real and of drawn
//! files, beside the checkers that are installed.
//!
//!     cargo build --release && cargo run --release --example detection -- --peers
//!
//! Progress goes to standard error, the result as Markdown to standard output; the exit status is 1 when a promise is broken.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a program for the people who work on this one"
)]

#[path = "../../tests/damage/mod.rs"]
mod damage;

mod cases;
mod draw;
mod group;
mod labels;
mod made;
mod page;
mod peers;
mod product;
mod sources;
mod store;
mod table;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use cases::{Measured, Settings};
use damage::Operator;
use group::Group;
use made::Encoders;
use product::{Product, Verdict};
use sources::Source;
use store::Store;
use table::Good;

/// Measures how much visible damage is found.
#[derive(Debug, Parser)]
pub struct Options {
    /// Folder of sound files: with a manifest.tsv like the corpus', or any [default: the corpus, if it is found]
    #[arg(long)]
    corpus: Vec<PathBuf>,
    /// Real files of each format and seed
    #[arg(long, default_value_t = 6)]
    sources: usize,
    /// Which files are chosen, and what happens to them; several are measured together
    #[arg(long, default_values_t = [1])]
    seed: Vec<u64>,
    /// Only these, separated by commas
    #[arg(long, value_delimiter = ',')]
    formats: Vec<String>,
    /// Only these ways of damage, separated by commas
    #[arg(long, value_delimiter = ',')]
    operators: Vec<String>,
    /// Blocks of every size for every source, not each kind in one size
    #[arg(long)]
    all_sizes: bool,
    /// Repetitions of every operator
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Ask the other checkers that are installed about the copies of the first seed
    #[arg(long)]
    peers: bool,
    /// Drawn files only through encoders that are part of the project
    #[arg(long)]
    own_encoders: bool,
    /// No drawn files
    #[arg(long)]
    real_only: bool,
    /// Do not verify the whole corpus of sound files
    #[arg(long)]
    no_good: bool,
    /// Write docs/detection.md
    #[arg(long)]
    write: bool,
    /// A sentence for the page about the files that were taken
    #[arg(long)]
    note: Option<String>,
    /// Keep the damaged copies and all answers: the next run takes from there what the same programs said of the same copies
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Folder for lists of what was missed and what was accused, one for each format
    #[arg(long)]
    misses: Option<PathBuf>,
    /// How many files are looked at at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// The program [default: the one built with this example]
    #[arg(long)]
    program: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every promise is kept.
fn run(options: &Options) -> Result<bool, String> {
    let program = options.program.clone().map_or_else(built_program, Ok)?;
    let product = Product::at(program, options.jobs)?;
    let groups = wanted(&options.formats)?;
    let corpora =
        if options.corpus.is_empty() { found_corpus().into_iter().collect() } else { options.corpus.clone() };
    if corpora.is_empty() {
        eprintln!("no corpus found: only drawn files (name one with --corpus or PHOTOFSCK_CORPUS)");
    }
    let mut sources = Vec::new();
    for &seed in &options.seed {
        sources.extend(sources_of(options, &corpora, &groups, seed, &product));
    }

    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let settings = Settings {
        operators: wanted_operators(&options.operators)?,
        all_sizes: options.all_sizes,
        rounds: options.rounds,
        peers: options.peers.then(|| options.seed.first().copied()).flatten(),
        jobs: options.jobs,
        folder: options.keep.clone().unwrap_or_else(|| scratch.path().to_owned()),
        keep: options.keep.is_some(),
    };
    let store = Store::open(options.keep.as_deref());
    let mut measured = Measured::default();
    for &group in &groups {
        if sources.iter().any(|source| source.group == group) {
            cases::measure(group, &sources, &settings, &product, &store, &mut measured)?;
        }
        if let Some(folder) = &options.misses {
            write_misses(folder, group, &measured)?;
        }
    }
    let good = if options.no_good { None } else { verify_good(&corpora, &product)? };
    let page = page::page(options, &product, &measured, good.as_ref());
    println!("{page}");
    if options.write {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/detection.md");
        std::fs::write(&path, &page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let kept = table::promises(&measured).iter().all(table::Promise::kept)
        && table::accused(&measured).is_empty()
        && measured.left_out.iter().all(|left| !left.accused)
        && good.is_none_or(|good| good.accused.is_empty());
    Ok(kept)
}

/// The files for one seed. The hard set has other files than the main one.
fn sources_of(
    options: &Options,
    corpora: &[PathBuf],
    groups: &[Group],
    seed: u64,
    product: &Product,
) -> Vec<Source> {
    let encoders = if options.own_encoders { Encoders::Own } else { Encoders::Installed };
    let mut sources = sources::choose(corpora, groups, options.sources, seed);
    let rendered = sources::rendered(&sources, groups, 2, product);
    sources.extend(rendered);
    if !options.real_only {
        sources.extend(made::drawn(groups, seed, product, encoders));
    }
    if groups.contains(&Group::JpegHard) {
        let other = seed + cases::HARD_SEED;
        let mut hard = sources::choose(corpora, &[Group::Jpeg], options.sources * 4, other);
        hard.retain(|source| sources.iter().all(|used| used.name != source.name));
        hard.truncate(options.sources * 2);
        if !options.real_only {
            hard.extend(made::drawn(&[Group::Jpeg], other, product, encoders));
        }
        sources.extend(hard.into_iter().map(|source| Source { group: Group::JpegHard, ..source }));
    }
    sources
}

fn wanted(names: &[String]) -> Result<Vec<Group>, String> {
    if names.is_empty() {
        return Ok(Group::ALL.to_vec());
    }
    names
        .iter()
        .map(|name| {
            let keys: Vec<&str> = Group::ALL.iter().map(|group| group.key()).collect();
            let found = Group::ALL.into_iter().find(|group| group.key() == name);
            found.ok_or_else(|| format!("no format {name}; there are {}", keys.join(", ")))
        })
        .collect()
}

fn wanted_operators(names: &[String]) -> Result<Vec<Operator>, String> {
    let found = |name: &String| Operator::all().into_iter().find(|operator| operator.name() == *name);
    names.iter().map(|name| found(name).ok_or_else(|| format!("no operator {name}"))).collect()
}

/// Cargo builds examples into a folder below that of the programs.
fn built_program() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = own.ancestors().nth(2).ok_or("this program lies nowhere")?;
    Ok(folder.join("photofsck"))
}

/// Where tests look for it too.
fn found_corpus() -> Option<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("PHOTOFSCK_CORPUS").map(PathBuf::from);
    let places = [project.join("../shared/corpus"), project.join("../../shared/corpus")];
    named.into_iter().chain(places).find(|folder| folder.join("manifest.tsv").is_file())
}

/// The whole corpus of sound files.
fn verify_good(corpora: &[PathBuf], product: &Product) -> Result<Option<Good>, String> {
    let mut good = Good { files: 0, accused: Vec::new(), unverifiable: 0 };
    for corpus in corpora.iter().filter(|corpus| corpus.join("good").is_dir()) {
        eprintln!("verifying all sound files of {}", corpus.display());
        let answers = product.verify(&corpus.join("good"), None)?;
        for path in sources::all_good(corpus) {
            let answer = answers.get(&path).cloned().unwrap_or_default();
            good.files += 1;
            match answer.verdict {
                Verdict::Sound => {}
                Verdict::Damaged => {
                    let name = path.strip_prefix(corpus).unwrap_or(&path).display().to_string();
                    good.accused.push((name, answer.reason));
                }
                Verdict::Unverifiable | Verdict::Silent => good.unverifiable += 1,
            }
        }
    }
    Ok((good.files > 0).then_some(good))
}

fn write_misses(folder: &Path, group: Group, measured: &Measured) -> Result<(), String> {
    let path = folder.join(format!("{}.txt", group.key()));
    let text = table::misses(measured, group);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}
