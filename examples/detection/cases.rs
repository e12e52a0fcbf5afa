//! Damaged copies on disk, labelled, judged by the product and by its peers.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::damage::{Difference, Label, Nature, Operator, Rng, Sound, is_drawable};
use super::group::Group;
use super::labels::Reference;
use super::peers::{self, Peer};
use super::product::{Answer, Product, Verdict};
use super::sources::{Origin, Source};
use super::store::Store;
use super::tools;

/// One damaged or odd copy, and what was said of it.
pub struct Case {
    pub group: Group,
    pub source: String,
    /// A copy of a drawn file, not of a real one.
    pub drawn: bool,
    pub operator: Operator,
    pub seed: u64,
    pub round: u32,
    pub path: PathBuf,
    pub difference: Difference,
    pub label: Label,
    /// A damaged copy that somebody could have drawn as it is.
    pub drawable: bool,
    /// At the default depth; for videos, every frame.
    pub answer: Answer,
    /// Videos: with their keyframes alone, and with no frame decoded.
    pub keyframes: Option<Answer>,
    pub structure: Option<Answer>,
    /// Of each peer of the group, whether it flags the copy; `None` where it flags the sound file too.
    pub peers: Vec<Option<bool>>,
}

/// A source that gives no cases, and why.
pub struct LeftOut {
    pub group: Group,
    pub source: String,
    pub why: String,
    /// A sound file that the product calls damaged.
    pub accused: bool,
}

/// Everything about one run of the measure.
#[derive(Default)]
pub struct Measured {
    pub cases: Vec<Case>,
    pub left_out: Vec<LeftOut>,
    /// Sources of each group that gave cases.
    pub sources: BTreeMap<Group, usize>,
    /// The same, by where they come from.
    pub origins: BTreeMap<(Group, Origin), usize>,
    /// Peers of each group.
    pub peers: BTreeMap<Group, Vec<Peer>>,
    pub absent: BTreeMap<Group, Vec<&'static str>>,
    /// Which decoder gave the labels, and of how many sources.
    pub judges: BTreeMap<(Group, &'static str), usize>,
}

/// What is added to the seed of the hard set.
pub const HARD_SEED: u64 = 1000;

/// How to measure.
pub struct Settings {
    /// Only these, in every size; all when empty.
    pub operators: Vec<Operator>,
    /// Every damaged block in every size, not in one.
    pub all_sizes: bool,
    pub rounds: u32,
    /// Ask other programs about the copies of this seed.
    pub peers: Option<u64>,
    pub jobs: usize,
    /// Where the copies lie while they are looked at.
    pub folder: PathBuf,
    /// Whether they stay there.
    pub keep: bool,
}

/// Measures one group and adds to what is measured. A failure of the product is one of the measure.
pub fn measure(
    group: Group,
    sources: &[Source],
    settings: &Settings,
    product: &Product,
    store: &Store,
    measured: &mut Measured,
) -> Result<(), String> {
    let folder = settings.folder.join(group.key());
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("sound")).map_err(|error| format!("{}: {error}", folder.display()))?;
    let of_group: Vec<&Source> = sources.iter().filter(|source| source.group == group).collect();
    let fit = fit_sources(group, &of_group, &folder, settings, product, measured)?;
    measured.sources.insert(group, fit.len());
    let (peers, absent) = if settings.peers.is_some() { peers::installed(group) } else { Default::default() };

    let mut cases = Vec::new();
    for (index, (source, reference)) in fit.iter().enumerate() {
        *measured.judges.entry((group, reference.decoder())).or_default() += 1;
        *measured.origins.entry((group, source.origin)).or_default() += 1;
        // Blocks of another file turn up, and another picture as a whole.
        let twin = fit.get((index + 1) % fit.len()).filter(|(twin, _)| twin.name != source.name);
        let donor = match twin {
            Some((twin, _)) => twin.bytes.clone(),
            None => Rng::new(0, &["donor", &source.name]).bytes(1 << 20),
        };
        let sound =
            Sound::new(&source.name, &source.bytes, &donor, twin.map(|(twin, _)| twin.bytes.as_slice()));
        let seed = source.seed;
        let todo = operators(source, settings);
        let key = blake3::hash(&source.bytes).to_hex();
        let made = tools::in_parallel(settings.jobs, &todo, |&(operator, round)| {
            let bytes = operator.apply(&sound, seed, round)?;
            let path = folder.join(file_name(source, operator, seed, round));
            fs::write(&path, &bytes).expect("the folder can be written");
            let drawable = is_drawable(&source.bytes, &bytes);
            let key = format!("{key}.{}.{}", blake3::hash(&bytes).to_hex(), reference.decoder());
            let difference = if operator.nature() == Nature::Reference {
                Difference::Shape
            } else {
                store
                    .get(&key, || reference.compare(group, &path).to_string())
                    .parse()
                    .unwrap_or(Difference::Shape)
            };
            Some(Case {
                group,
                source: source.name.clone(),
                drawn: source.origin == Origin::Drawn,
                operator,
                seed,
                round,
                path,
                difference,
                label: if drawable { Label::Reference } else { Label::of(operator.nature(), difference) },
                drawable,
                answer: Answer::default(),
                keyframes: None,
                structure: None,
                peers: Vec::new(),
            })
        });
        cases.extend(made.into_iter().flatten());
        eprintln!("{}: {} of {} sources, {} cases", group.key(), index + 1, fit.len(), cases.len());
    }
    fs::remove_dir_all(folder.join("sound")).map_err(|error| error.to_string())?;
    ask_product(group, &folder, product, store, &mut cases)?;
    let asked = cases
        .iter_mut()
        .filter(|case| settings.peers.is_some_and(|seed| case.seed % HARD_SEED == seed % HARD_SEED));
    ask_peers(&peers, &fit, &folder, settings.jobs, store, asked.collect());
    measured.peers.insert(group, peers);
    measured.absent.insert(group, absent);
    measured.cases.extend(cases);
    if !settings.keep {
        let _ = fs::remove_dir_all(&folder);
    }
    Ok(())
}

/// The sources that can be judged: a label decoder shows them, and the product calls them sound.
fn fit_sources<'a>(
    group: Group,
    sources: &[&'a Source],
    folder: &Path,
    settings: &Settings,
    product: &Product,
    measured: &mut Measured,
) -> Result<Vec<(&'a Source, Reference)>, String> {
    let sound = folder.join("sound");
    let path = |source: &Source| sound.join(format!("{}.{}", source.name, source.extension));
    for source in sources {
        fs::write(path(source), &source.bytes).map_err(|error| error.to_string())?;
    }
    let answers = product.verify(&sound, group.is_video().then_some("full"))?;
    let references = tools::in_parallel(settings.jobs, sources, |source| Reference::of(group, &path(source)));
    let mut fit = Vec::new();
    for (&source, reference) in sources.iter().zip(references) {
        let answer = answers.get(&path(source)).cloned().unwrap_or_default();
        let why = match (answer.verdict, reference) {
            (Verdict::Sound, Some(reference)) => {
                fit.push((source, reference));
                continue;
            }
            (Verdict::Sound, None) => "no installed decoder shows it".to_owned(),
            (_, _) => answer.reason,
        };
        let accused = answer.verdict == Verdict::Damaged;
        measured.left_out.push(LeftOut { group, source: source.name.clone(), why, accused });
    }
    Ok(fit)
}

/// The operators for a source, with their repetitions.
fn operators(source: &Source, settings: &Settings) -> Vec<(Operator, u32)> {
    let hard = source.group == Group::JpegHard;
    let rounds = if hard { 3 } else { settings.rounds };
    let of_round = |round: u32| {
        if hard {
            Operator::hard()
        } else if settings.all_sizes || !settings.operators.is_empty() {
            Operator::all()
        } else {
            Operator::each_kind(&source.name, source.bytes.len(), source.seed, round)
        }
    };
    (0..rounds)
        .flat_map(|round| of_round(round).into_iter().map(move |operator| (operator, round)))
        .filter(|(operator, _)| settings.operators.is_empty() || settings.operators.contains(operator))
        .collect()
}

fn file_name(source: &Source, operator: Operator, seed: u64, round: u32) -> String {
    let extension = match (operator, source.extension.as_str()) {
        (Operator::WrongExtension, "png") => "jpg",
        (Operator::WrongExtension, _) => "png",
        (_, extension) => extension,
    };
    format!("{}__{}__s{seed}r{round}.{extension}", source.name, operator.name())
}

fn ask_product(
    group: Group,
    folder: &Path,
    product: &Product,
    store: &Store,
    cases: &mut [Case],
) -> Result<(), String> {
    let depths: &[Option<&str>] =
        if group.is_video() { &[Some("full"), Some("keyframes"), Some("structure")] } else { &[None] };
    for (index, &depth) in depths.iter().enumerate() {
        let key =
            |case: &Case| format!("{}.{}.{}", copy_key(&case.path), product.id(), depth.unwrap_or("still"));
        let keys: Vec<String> = cases.iter().map(key).collect();
        let all_known = keys.iter().all(|key| store.known(key).is_some());
        let mut answers = if all_known { HashMap::new() } else { product.verify(folder, depth)? };
        for (case, key) in cases.iter_mut().zip(&keys) {
            let new = answers.remove(&case.path).unwrap_or_default();
            let answer = Answer::from(store.get(key, || new.to_string()).as_str());
            match index {
                0 => case.answer = answer,
                1 => case.keyframes = Some(answer),
                _ => case.structure = Some(answer),
            }
        }
    }
    Ok(())
}

/// The same for the same bytes under a name with the same extension.
fn copy_key(path: &Path) -> String {
    let hash = fs::read(path).map(|bytes| blake3::hash(&bytes).to_hex());
    hash.map(|hash| format!("{hash}.{}", path.extension().unwrap_or_default().display())).unwrap_or_default()
}

fn ask_peers(
    peers: &[Peer],
    fit: &[(&Source, Reference)],
    folder: &Path,
    jobs: usize,
    store: &Store,
    cases: Vec<&mut Case>,
) {
    if peers.is_empty() {
        return;
    }
    eprintln!("asking {} other programs about {} files", peers.len(), cases.len());
    let usable: HashMap<&str, Vec<bool>> = fit
        .iter()
        .map(|(source, _)| {
            let path = folder.join(format!("{}.{}", source.name, source.extension));
            fs::write(&path, &source.bytes).expect("the folder can be written");
            let usable = peers.iter().map(|&peer| !flags(peer, &path, store)).collect();
            let _ = fs::remove_file(path);
            (source.name.as_str(), usable)
        })
        .collect();
    let answers = tools::in_parallel(jobs, &cases, |case| {
        let usable = usable.get(case.source.as_str());
        peers
            .iter()
            .enumerate()
            .map(|(index, peer)| {
                usable.is_some_and(|usable| usable[index]).then(|| flags(*peer, &case.path, store))
            })
            .collect()
    });
    for (case, answers) in cases.into_iter().zip(answers) {
        case.peers = answers;
    }
}

fn flags(peer: Peer, path: &Path, store: &Store) -> bool {
    let key = format!("{}.{}", copy_key(path), peer.name);
    store.get(&key, || if peer.flags(path) { "flagged" } else { "fine" }.to_owned()) == "flagged"
}
