//! The pictures of one asset beside each other: gathered while its files are looked at, judged when all are known.

use crate::immich::records::AssetView;
use crate::media::formats::own_check;
use crate::model::{Code, Colorspace, Evidence, Finding, ImageSettings, PixelSize, Role, Severity, What};
use crate::render::Impression;

use super::content::{self, Apart, Opinion, Original, Picture, Scene};
use super::judge::{self, Comparison, Expectation};
use super::look::Look;
use super::reconcile::units::AssetUnit;
use super::sizes::{self, Misfit, Shape};

/// What is known of the pictures of one unit.
pub struct Gallery<'a> {
    view: &'a AssetView<'a>,
    settings: &'a ImageSettings,
    /// The asset or one of its files is edited.
    edited: bool,
    scene: Scene,
    pictures: Vec<Exhibit>,
    original: Option<(Expectation, Option<PixelSize>)>,
}

/// One generated picture.
struct Exhibit {
    /// Its number among the files of the unit.
    number: usize,
    expected: Expectation,
    edited: bool,
    size: Option<PixelSize>,
    /// Its number in the scene.
    shown: Option<usize>,
    /// The look itself, to be taken back from what later runs may trust.
    look: Option<Box<Look>>,
}

/// Something that the comparison found.
pub struct Told {
    /// The number of the generated file; `None` = the original.
    pub number: Option<usize>,
    /// What is wrong.
    pub finding: Finding,
    /// Which of it calls for a repair.
    pub wrong: Option<What>,
}

impl<'a> Gallery<'a> {
    /// An empty one.
    pub fn new(unit: &AssetUnit, view: &'a AssetView<'a>, settings: &'a ImageSettings) -> Self {
        let edited = view.edited || unit.files.iter().any(|file| file.edited);
        let recorded = view.thumbhash.and_then(Impression::of);
        let scene = Scene { recorded, edited, ..Scene::default() };
        Self { view, settings, edited, scene, pictures: Vec::new(), original: None }
    }

    /// How a file of the unit is to be compared.
    pub fn comparison(&self, role: Role, edited: bool) -> Option<Comparison> {
        let recorded = self.view.thumbhash.filter(|_| edited == self.edited).map(<[u8]>::to_vec);
        match role {
            // Of a generated picture the colours are taken as they are.
            Role::Preview | Role::Thumbnail | Role::Fullsize => {
                Some(Comparison { recorded, always: true, colorspace: Colorspace::P3 })
            }
            Role::Original if content::may_testify(self.view) => {
                let always = self.is_disputed() || (self.view.checksum.is_none() && recorded.is_some());
                Some(Comparison { recorded, always, colorspace: self.settings.colorspace })
            }
            _ => None,
        }
    }

    /// Takes in a generated picture, `number` among the unit's files, that was looked at now.
    pub fn hang(&mut self, number: usize, edited: bool, expected: Expectation, look: Box<Look>) {
        if !matches!(expected.role, Role::Preview | Role::Thumbnail | Role::Fullsize) {
            return;
        }
        let sound = look.judgement.verdict.is_sound();
        let report = look.report.as_ref().filter(|_| sound);
        let size = report.and_then(|report| report.size);
        let shown = report.and_then(judge::shown).map(|shows| {
            self.scene.pictures.push(Picture { edited, shows });
            self.scene.pictures.len() - 1
        });
        self.pictures.push(Exhibit { number, expected, edited, size, shown, look: Some(look) });
    }

    /// Takes in one that an earlier run found sound: only its size is known.
    pub fn hang_trusted(
        &mut self,
        number: usize,
        edited: bool,
        expected: Expectation,
        size: Option<PixelSize>,
    ) {
        self.pictures.push(Exhibit { number, expected, edited, size, shown: None, look: None });
    }

    /// Takes in the original.
    pub fn original(&mut self, expected: &Expectation, look: &Look) {
        let report = look.report.as_ref().filter(|report| report.problem.is_none());
        let size = report.and_then(|report| report.size);
        self.original = Some((expected.clone(), size));
        let Some(report) = report.filter(|report| content::is_witness(report.format)) else { return };
        // Without a checksum, or with one that does not match, its bytes may be anything's.
        let settled = expected.checksum.is_some() && report.sha1.is_some();
        let as_recorded = expected.checksum.is_none() || expected.checksum == report.sha1;
        let shows = judge::shown(report).filter(|_| as_recorded && content::may_testify(self.view));
        self.scene.original = shows.map(|shows| Original { shows, settled });
    }

    /// The same for one that an earlier run found sound.
    pub fn original_trusted(&mut self, expected: &Expectation, size: Option<PixelSize>) {
        self.original = Some((expected.clone(), size));
    }

    /// Whether the original has to be asked who is right.
    pub fn is_disputed(&self) -> bool {
        self.scene.is_disputed()
    }

    /// The numbers of files that may turn out to show something else.
    pub fn suspects(&self) -> Vec<usize> {
        let suspects: Vec<_> = self.scene.suspects().collect();
        let numbers = self.pictures.iter();
        numbers
            .filter(|one| one.shown.is_some_and(|shown| suspects.contains(&shown)))
            .map(|one| one.number)
            .collect()
    }

    /// The looks that a later run must not rely on, since they tell only together with others.
    pub fn looks(&self) -> impl Iterator<Item = (&Expectation, &Look)> {
        self.pictures.iter().filter_map(|one| Some((&one.expected, one.look.as_deref()?)))
    }

    /// The same for the original, if it was looked at now.
    pub fn original_look<'b>(
        &'b self,
        look: Option<&'b Look>,
    ) -> impl Iterator<Item = (&'b Expectation, &'b Look)> {
        self.original.as_ref().map(|(expected, _)| expected).zip(look).into_iter()
    }

    /// Whether the thumbhash in the records is of another picture, while the original and its pictures agree.
    pub fn outdates_records(&self) -> bool {
        matches!(self.scene.opinions().original, Opinion::Stale(_))
    }

    /// Everything that is wrong with what the files show.
    pub fn contents(&self) -> Vec<Told> {
        let opinions = self.scene.opinions();
        let mut told = Vec::new();
        let mut stale = false;
        if let Some((expected, _)) = &self.original
            && let Some(finding) = original_finding(expected, opinions.original)
        {
            stale = matches!(opinions.original, Opinion::Stale(_));
            told.push(Told { number: None, finding, wrong: None });
        }
        for one in &self.pictures {
            let opinion = one.shown.and_then(|shown| opinions.pictures.get(shown)).copied();
            let Some(opinion) = opinion else { continue };
            // One line about the records is enough for all of an asset's files.
            if matches!(opinion, Opinion::Stale(_)) && std::mem::replace(&mut stale, true) {
                continue;
            }
            if let Some(finding) = picture_finding(&one.expected, opinion) {
                let wrong = opinion.accuses().then_some(What::WrongContent);
                told.push(Told { number: Some(one.number), finding, wrong });
            }
        }
        told
    }

    /// Everything that is wrong with their sizes.
    pub fn sizes(&self) -> Vec<Told> {
        let Some((_, Some(original))) = self.original else { return Vec::new() };
        let shape = Shape::of(self.view, original);
        let misfits = self.pictures.iter().filter_map(|one| {
            let made = one.size?;
            let misfit = sizes::misfit(shape, one.expected.role, one.edited, made, self.settings)?;
            let wrong = matches!(misfit, Misfit::Impossible(_)).then_some(What::WrongSize);
            let finding = size_finding(&one.expected, misfit, made, original);
            Some(Told { number: Some(one.number), finding, wrong })
        });
        misfits.collect()
    }
}

fn evidence(seen: String, apart: Apart) -> Evidence {
    let mut evidence =
        Evidence::new().with("seen", seen).with("by", own_check("thumbhash comparison").to_string());
    if let Some(distance) = apart.records {
        evidence = evidence.with("thumbhash_distance", content::rounded(distance));
    }
    if let Some(distance) = apart.original {
        evidence = evidence.with("distance_to_original", content::rounded(distance));
    }
    evidence
}

fn picture_finding(expected: &Expectation, opinion: Opinion) -> Option<Finding> {
    let (severity, evidence, advice) = match opinion {
        Opinion::Fits => return None,
        Opinion::Other(apart) => {
            let whose = if apart.original.is_some() { "of its original" } else { "that the records know" };
            let seen = format!("sound, but not the picture {whose}");
            (Severity::Warning, evidence(seen, apart), "photofsck repair makes it again from the original")
        }
        Opinion::Partly(apart) => (
            Severity::Info,
            evidence("a part of it is not as the records and its other sizes have it".to_owned(), apart),
            "look at it; if a part is grey or torn, delete the file and run photofsck repair",
        ),
        Opinion::Stale(apart) => (
            Severity::Info,
            evidence("the files agree, the thumbhash in the records is of another picture".to_owned(), apart),
            STALE_ADVICE,
        ),
        Opinion::Unclear(apart) => (
            Severity::Info,
            evidence(
                "not the picture of its original as we see that, nor the recorded one".to_owned(),
                apart,
            ),
            "look at it beside its original; if it is another picture, delete the file and run photofsck repair",
        ),
    };
    Some(finding(expected, What::WrongContent, severity, evidence, advice))
}

const STALE_ADVICE: &str = "nothing is lost: only the placeholder is of another picture; photofsck repair --register sql mends it, as does Immich's job for all thumbnails";

fn original_finding(expected: &Expectation, opinion: Opinion) -> Option<Finding> {
    let (severity, evidence, advice) = match opinion {
        Opinion::Other(apart) => (
            Severity::Warning,
            evidence("sound, but not the picture that Immich took in".to_owned(), apart),
            "if it was replaced or edited on purpose, let Immich scan the library again; else restore it from a backup",
        ),
        Opinion::Stale(apart) => (
            Severity::Info,
            evidence("the files agree, the thumbhash in the records is of another picture".to_owned(), apart),
            STALE_ADVICE,
        ),
        Opinion::Fits | Opinion::Partly(_) | Opinion::Unclear(_) => return None,
    };
    Some(finding(expected, What::WrongContent, severity, evidence, advice))
}

fn size_finding(expected: &Expectation, misfit: Misfit, made: PixelSize, original: PixelSize) -> Finding {
    let text = |size: PixelSize| format!("{}x{}", size.width, size.height);
    let evidence = Evidence::new()
        .with("by", own_check("size comparison").to_string())
        .with("pixels", text(made))
        .with("original_pixels", text(original));
    let (severity, evidence, advice) = match misfit {
        Misfit::Impossible(why) => (
            Severity::Warning,
            evidence.with("seen", format!("{} of an original of {}: {why}", text(made), text(original))),
            "photofsck repair makes it again from the original",
        ),
        Misfit::OtherSetting(side) => (
            Severity::Info,
            evidence
                .with(
                    "seen",
                    format!("its shorter side is {}, by the present setting {side}", made.short_side()),
                )
                .with("shorter_side_by_setting", side),
            "made under another setting; Immich's job for all thumbnails would make it anew",
        ),
    };
    finding(expected, What::WrongSize, severity, evidence, advice)
}

fn finding(
    expected: &Expectation,
    what: What,
    severity: Severity,
    evidence: Evidence,
    advice: &str,
) -> Finding {
    let mut finding =
        Finding::new(Code::File(expected.role, what)).at(expected.path.clone()).seen(evidence).advise(advice);
    finding.severity =
        if expected.lowered && expected.role.is_generated() { Severity::Info } else { severity };
    finding.record_path.clone_from(&expected.record_path);
    finding.asset = expected.asset;
    finding
}
