//! Which symptom is it: no thumbnails, no originals, only new ones, only old ones, only external ones?

use super::case::Case;
use super::opinion::{Opinion, cannot_tell};
use super::sample::{Group, Sample, Sampled, State};
use crate::model::{Role, display_path};
use crate::report::ndjson::Answer;

pub const WHAT: [&str; 3] = [
    "What is broken: thumbnails or originals, everywhere, or only among the newest, the oldest or the external ones?",
    "the files of up to 160 assets: the newest, the oldest, some between, some external; their first bytes",
    "records",
];

pub fn answer(case: &Case) -> Answer {
    if !case.has_records() {
        return cannot_tell(
            "symptom",
            "there are no records that say which files should be there (see database)",
        );
    }
    judge(case.sample())
}

/// How many of a kind were looked at, and how many of them cannot be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    known: usize,
    bad: usize,
}

impl Count {
    const fn all_bad(self) -> bool {
        self.known > 0 && self.bad == self.known
    }
}

fn count<'a>(files: impl Iterator<Item = &'a Sampled>) -> Count {
    let mut count = Count::default();
    for file in files.filter(|file| file.state.is_known()) {
        count.known += 1;
        count.bad += usize::from(!file.state.is_sound());
    }
    count
}

const PICTURES: [Role; 2] = [Role::Preview, Role::Thumbnail];

fn judge(sample: &Sample) -> Answer {
    let mut opinion = Opinion::default();
    let of = |roles: &'static [Role]| sample.files.iter().filter(move |file| roles.contains(&file.role));
    let (originals, pictures) = (count(of(&[Role::Original])), count(of(&PICTURES)));
    let unknown = sample.files.iter().filter(|file| !file.state.is_known()).count();
    if unknown > 0 {
        opinion
            .doubt(format!("{unknown} files lie where nothing can be looked at (see mounts and location)"));
    }
    if originals.known + pictures.known == 0 {
        if sample.assets == 0 {
            opinion.doubt("the records name no asset");
        }
        return opinion.answer("symptom");
    }
    if originals.bad + pictures.bad == 0 {
        opinion.saw(format!(
            "of {} assets originals, previews and thumbnails are all there and begin as they should ({}); photofsck check \
             looks at every byte of every one",
            sample.assets,
            groups(sample)
        ));
        return opinion.answer("symptom");
    }
    if originals.bad > 0 {
        let (what, remedy) = originals_words(sample, originals);
        opinion.problem(what, remedy);
    }
    if pictures.bad > 0 {
        let (what, remedy) = pictures_words(sample, pictures);
        opinion.problem(what, remedy);
    }
    opinion.answer("symptom")
}

/// `40 newest, 40 oldest, 12 external`
fn groups(sample: &Sample) -> String {
    let names = [
        (Group::Newest, "newest"),
        (Group::Oldest, "oldest"),
        (Group::Between, "others"),
        (Group::External, "external"),
    ];
    let number = |group: Group| {
        sample.files.iter().filter(|file| file.group == group && file.role == Role::Original).count()
    };
    let parts = names.iter().map(|&(group, name)| (number(group), name)).filter(|(number, _)| *number > 0);
    parts.map(|(number, name)| format!("{number} {name}")).collect::<Vec<_>>().join(", ")
}

/// Where in time and place the bad ones of these roles are; empty when they are everywhere.
fn only(sample: &Sample, roles: &[Role]) -> &'static str {
    let of = |group: Group| {
        count(sample.files.iter().filter(|file| roles.contains(&file.role) && file.group == group))
    };
    let [newest, oldest, between, external] =
        [Group::Newest, Group::Oldest, Group::Between, Group::External].map(of);
    let uploads = newest.bad + oldest.bad + between.bad;
    if uploads == 0 && external.bad > 0 {
        "only those of external libraries"
    } else if newest.bad > 0 && oldest.known > 0 && oldest.bad == 0 && between.bad * 2 <= between.known {
        "only among the newest"
    } else if oldest.bad > 0 && newest.known > 0 && newest.bad == 0 {
        "only among the older ones"
    } else {
        ""
    }
}

/// How the bad files of these roles are bad, with one of them.
fn how(sample: &Sample, roles: &[Role]) -> String {
    let bad: Vec<&Sampled> =
        sample.files.iter().filter(|file| roles.contains(&file.role) && file.state.is_known()).collect();
    let number = |fits: &dyn Fn(&State) -> bool| bad.iter().filter(|file| fits(&file.state)).count();
    let kinds: [(usize, &str); 5] = [
        (number(&|state| *state == State::Missing), "not there"),
        (number(&|state| *state == State::Empty), "empty"),
        (number(&|state| matches!(state, State::Foreign(_))), "something else"),
        (number(&|state| matches!(state, State::Closed(..))), "closed to photofsck"),
        (number(&|state| *state == State::NeverMade), "never made"),
    ];
    let mut words: Vec<String> = kinds
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, kind)| format!("{number} {kind}"))
        .collect();
    let example = bad.iter().find(|file| !file.state.is_sound() && file.path.is_some());
    if let Some(file) = example
        && let Some(path) = &file.path
    {
        let why = match &file.state {
            State::Closed(_, reason) => format!(" ({reason})"),
            State::Foreign(beginning) => format!(" (begins with {beginning})"),
            _ => String::new(),
        };
        words.push(format!("for example {}{why}", display_path(path)));
    }
    words.join(", ")
}

fn originals_words(sample: &Sample, count: Count) -> (String, String) {
    let roles = &[Role::Original];
    let only = only(sample, roles);
    let how = how(sample, roles);
    let what = if count.all_bad() {
        format!("no originals: none of {} can be opened ({how})", count.known)
    } else if only.is_empty() {
        format!("{} of {} originals are broken ({how})", count.bad, count.known)
    } else {
        format!("{} of {} originals are broken, {only} ({how})", count.bad, count.known)
    };
    let remedy = if count.all_bad() {
        "nothing is lost yet: the disk is not mounted here, or not the one that Immich wrote to (see mounts, location and \
         compose)"
    } else if only.contains("external") {
        "mount the disk or share of the external library again (see mounts); Immich marks its files offline meanwhile"
    } else {
        "photofsck check says which ones; photofsck repair --originals-from DIR brings them back from a backup"
    };
    (what, remedy.to_owned())
}

fn pictures_words(sample: &Sample, count: Count) -> (String, String) {
    let only = only(sample, &PICTURES);
    let how = how(sample, &PICTURES);
    let bad = sample.files.iter().filter(|file| PICTURES.contains(&file.role) && !file.state.is_sound());
    let never = bad.filter(|file| file.state == State::NeverMade).count();
    let what = if count.all_bad() {
        format!("no thumbnails: none of {} previews and thumbnails is there ({how})", count.known)
    } else if only.is_empty() {
        format!("{} of {} previews and thumbnails are broken ({how})", count.bad, count.known)
    } else {
        format!("{} of {} previews and thumbnails are broken, {only} ({how})", count.bad, count.known)
    };
    let remedy = if never * 2 > count.bad {
        "Immich has not made them: see jobs, logs and machine; then Administration, Jobs, Generate Thumbnails, Missing"
    } else if count.all_bad() {
        "the folder thumbs is not the one that Immich wrote to, or was not restored (see location and mounts); if it is \
         lost, photofsck repair makes everything in it again"
    } else {
        "photofsck repair makes exactly these again: Immich's own job Missing does not notice them, because their rows are \
         there"
    };
    (what, remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{problem, sampled};
    use crate::report::ndjson::AnswerStatus;

    fn sample(files: Vec<Sampled>) -> Sample {
        let assets = files.iter().filter(|file| file.role == Role::Original).count();
        Sample { files, assets }
    }

    /// Ten assets of each group; `state` tells what a file of this group and role is like.
    fn library(state: impl Fn(Group, Role) -> State) -> Sample {
        let mut files = Vec::new();
        for group in [Group::Newest, Group::Oldest, Group::Between, Group::External] {
            for number in 0..10 {
                for role in [Role::Original, Role::Preview, Role::Thumbnail] {
                    files.push(sampled(number, group, role, state(group, role)));
                }
            }
        }
        sample(files)
    }

    #[test]
    fn a_sound_library_and_an_unknown_one() {
        let answer = judge(&library(|_, _| State::Sound));
        assert_eq!(answer.status, AnswerStatus::Ok, "{answer:?}");
        assert!(answer.evidence.contains("10 newest, 10 oldest, 10 others, 10 external"), "{answer:?}");
        let answer = judge(&library(|_, _| State::Unmapped));
        assert_eq!(answer.status, AnswerStatus::CannotTell, "{answer:?}");
        assert!(judge(&sample(Vec::new())).evidence.contains("no asset"));
    }

    #[test]
    fn each_symptom_has_its_name() {
        let pictures = |role: Role| role != Role::Original;
        let missing = |bad: bool| if bad { State::Missing } else { State::Sound };
        let answer = judge(&library(|_, role| missing(pictures(role))));
        problem(&answer, "no thumbnails: none of 80", "thumbs is not the one that Immich wrote to");
        let answer = judge(&library(|_, role| missing(!pictures(role))));
        problem(&answer, "no originals: none of 40", "nothing is lost yet");
        let answer = judge(&library(|group, _| missing(group == Group::External)));
        problem(&answer, "only those of external libraries", "mount the disk or share");
        let answer = judge(&library(|group, role| missing(pictures(role) && group == Group::Oldest)));
        problem(&answer, "only among the older ones", "photofsck repair makes exactly these again");
        let never = |group, role| {
            if pictures(role) && group == Group::Newest { State::NeverMade } else { State::Sound }
        };
        let answer = judge(&library(never));
        problem(&answer, "only among the newest (20 never made)", "see jobs, logs and machine");
    }

    #[test]
    fn broken_files_are_counted_by_how_they_are_broken() {
        let answer = judge(&sample(vec![
            sampled(1, Group::Newest, Role::Preview, State::Empty),
            sampled(2, Group::Oldest, Role::Preview, State::Sound),
            sampled(2, Group::Oldest, Role::Thumbnail, State::Foreign("a web page".to_owned())),
        ]));
        problem(&answer, "2 of 3 previews and thumbnails are broken (1 empty, 1 something else", "repair");
    }
}
