//! Precedence, usage errors, and what arguments become.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layers::{self, Environment, Stop};
use super::resolve::{Action, Run, resolve};
use crate::engine::{Config, Db, Selection};
use crate::model::{Depth, Role, Severity};
use crate::report::{Target, Verbosity};

fn environment(variables: &[(&str, &str)]) -> Environment {
    let mut all = vec![("HOME", "/home/nobody-at-all")];
    all.extend_from_slice(variables);
    Environment {
        variables: all.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        system_config: None,
        root: false,
    }
}

/// The run that a command line asks for, or the text of the usage error.
fn ask(arguments: &[&str], environment: &Environment) -> Result<Run, String> {
    let argv = std::iter::once("photofsck").chain(arguments.iter().copied()).map(OsString::from).collect();
    let parsed = layers::parse(argv, environment).map_err(|stop| match stop {
        Stop::Usage(message) => message,
        Stop::Clap(error, origin) => format!("{error}{}", origin.unwrap_or_default()),
    })?;
    match resolve(parsed.cli, environment)? {
        Action::Run(run) => Ok(*run),
        other => Err(format!("not a run: {other:?}")),
    }
}

fn max_age(arguments: &[&str], environment: &Environment) -> Duration {
    match ask(arguments, environment).unwrap().config {
        Config::Check(config) => config.max_age,
        other => panic!("not a check: {other:?}"),
    }
}

const DAY: u64 = 86_400;

#[test]
fn flag_before_variable_before_file_before_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "media = \"/media\"\nmax-age = \"5d\"\nquiet = true\n[repair]\nmax-age = \"4d\"\n")
        .unwrap();
    let named = file.to_str().unwrap();
    let bare = environment(&[]);
    let with = environment(&[("PHOTOFSCK_MAX_AGE", "6d")]);
    let days = |days: u64| Duration::from_secs(days * DAY);
    assert_eq!(max_age(&["check", "--media", "/m"], &bare), days(30));
    assert_eq!(max_age(&["check", "--config", named], &bare), days(5));
    assert_eq!(max_age(&["check", "--config", named], &with), days(6));
    assert_eq!(max_age(&["check", "--config", named, "--max-age", "7d"], &with), days(7));
    let by_variable = environment(&[("PHOTOFSCK_CONFIG", named)]);
    assert_eq!(max_age(&["check"], &by_variable), days(5));
    let run = ask(&["repair", "--config", named, "-v"], &bare).unwrap();
    assert_eq!(run.options.verbosity, Verbosity::Verbose, "a flag overrules what it conflicts with");
    assert!(matches!(run.config, Config::Repair(config) if config.check.max_age == days(4)));
}

#[test]
fn the_users_file_is_found_and_stronger_than_the_systems() {
    let folder = tempfile::tempdir().unwrap();
    let user = folder.path().join("photofsck/config.toml");
    let system = folder.path().join("system.toml");
    std::fs::create_dir_all(user.parent().unwrap()).unwrap();
    std::fs::write(&user, "max-age = \"2d\"\n").unwrap();
    std::fs::write(&system, "max-age = \"3d\"\nmedia = \"/media\"\nmap = [\"/a=/b\", \"/c=/d\"]\njobs = 2\n")
        .unwrap();
    let mut environment = environment(&[("XDG_CONFIG_HOME", folder.path().to_str().unwrap())]);
    environment.system_config = Some(system);
    let Config::Check(config) = ask(&["check"], &environment).unwrap().config else { panic!("not a check") };
    assert_eq!(config.max_age, Duration::from_secs(2 * DAY));
    assert_eq!(config.media.as_deref(), Some(Path::new("/media")));
    assert_eq!(config.map.len(), 2);
    assert_eq!(config.resources.jobs.map(usize::from), Some(2));
}

#[test]
fn what_is_wrong_in_a_layer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let with = |text: &str| {
        std::fs::write(&file, text).unwrap();
        ask(&["check", "--media", "/m", "--config", file.to_str().unwrap()], &environment(&[])).unwrap_err()
    };
    let unknown = with("max_age = \"5d\"\n");
    assert!(unknown.contains("unknown key \"max_age\": the option is spelt \"max-age\""), "{unknown}");
    assert!(with("[repair]\nbogus = 1\n").contains("unknown key \"bogus\""));
    assert!(with("quick = 3\n").contains("quick: expected true or false, found integer"));
    assert!(
        with("media = [\"/a\"]\nmax-age = [\"5d\"]\n")
            .contains("max-age: expected a text or a number, found array")
    );
    assert!(with("max-age = ").contains("is not TOML"));
    let value = with("max-age = \"soon\"\n");
    assert!(value.contains("invalid value 'soon'") && value.ends_with("c.toml"), "{value}");
    let variable = ask(&["check", "--media", "/m"], &environment(&[("PHOTOFSCK_MAX_AGE", "5")])).unwrap_err();
    assert!(variable.ends_with("PHOTOFSCK_MAX_AGE"), "{variable}");
    let flag = ask(&["check", "--media", "/m"], &environment(&[("PHOTOFSCK_QUICK", "maybe")])).unwrap_err();
    assert_eq!(flag, "PHOTOFSCK_QUICK: expected true or false, found \"maybe\"");
}

#[test]
fn a_variable_that_is_no_option_is_warned_about() {
    let environment =
        environment(&[("PHOTOFSCK_MAXAGE", "5d"), ("PHOTOFSCK_LOG", "debug"), ("PHOTOFSCK_MEDIA", "/m")]);
    let parsed = layers::parse(vec!["photofsck".into(), "check".into()], &environment).unwrap();
    assert_eq!(parsed.warnings, ["PHOTOFSCK_MAXAGE is set, and there is no such option: it changes nothing"]);
}

#[test]
fn arguments_become_a_configuration() {
    let arguments = [
        "check",
        "--media",
        "/m",
        "--db",
        "postgres://u:p@h/immich",
        "--map",
        "/usr/src/app/upload=/m",
        "--only",
        "originals,previews",
        "--quick",
        "--shard",
        "2/7",
        "--time-limit",
        "8h",
        "--json",
        "-",
        "--items",
        "--fail-on",
        "error",
        "--memory",
        "512M",
        "--jobs",
        "3",
        "--video",
        "full",
        "--state",
        "/s",
    ];
    let run = ask(&arguments, &environment(&[])).unwrap();
    let Config::Check(config) = run.config else { panic!("not a check") };
    assert_eq!(config.db, Db::Url("postgres://u:p@h/immich".into()));
    assert_eq!(config.only, Selection::Only(vec![Role::Original, Role::Preview]));
    assert_eq!((config.shard.index, config.shard.count), (2, 7));
    assert_eq!(config.time_limit, Some(Duration::from_hours(8)));
    assert_eq!(config.resources.memory, Some(512 << 20));
    assert_eq!((config.video, config.quick, config.items), (Depth::Full, true, true));
    assert_eq!(config.state, PathBuf::from("/s"));
    assert_eq!(run.options.json, Some(Target::Stdout));
    assert_eq!(run.options.policy.fail_on, Severity::Error);
}

#[test]
fn the_catalog_has_a_place() {
    let state =
        |environment: &Environment| match ask(&["check", "--media", "/m"], environment).unwrap().config {
            Config::Check(config) => config.state,
            other => panic!("not a check: {other:?}"),
        };
    assert_eq!(state(&environment(&[])), Path::new("/home/nobody-at-all/.local/state/photofsck"));
    assert_eq!(state(&environment(&[("STATE_DIRECTORY", "/var/lib/x")])), Path::new("/var/lib/x"));
    assert_eq!(state(&environment(&[("PHOTOFSCK_STATE", "/y"), ("STATE_DIRECTORY", "/x")])), Path::new("/y"));
}

#[test]
fn databases_are_told_apart() {
    let db = |text: &str| {
        ask(&["check", "--media", "/m", "--db", text], &environment(&[])).map(|run| match run.config {
            Config::Check(config) => config.db,
            other => panic!("not a check: {other:?}"),
        })
    };
    assert_eq!(db("auto"), Ok(Db::Auto));
    assert_eq!(db("none"), Ok(Db::None));
    assert_eq!(db("-"), Ok(Db::Stdin));
    assert_eq!(db("/nas/backup.sql.gz"), Ok(Db::File("/nas/backup.sql.gz".into())));
    assert_eq!(db("backup.sql.gz"), Ok(Db::File(std::path::absolute("backup.sql.gz").unwrap())));
    assert!(db("mysql://h/immich").unwrap_err().contains("postgres://"));
}

#[test]
fn a_page_goes_to_a_file_and_of_an_earlier_run_anywhere() {
    let check = |file: &str| ask(&["check", "--media", "/m", "--html", file], &environment(&[]));
    assert_eq!(check("page.html").unwrap().options.html, Some("page.html".into()));
    assert!(check("-").unwrap_err().contains("expected a file"));
}

#[test]
fn options_that_go_together_are_taken() {
    for allowed in [
        &[
            "check",
            "--media",
            "/m",
            "--io",
            "normal",
            "--max-rate",
            "1M",
            "--max-bytes",
            "1G",
            "--max-load",
            "2,80C",
        ][..],
        &["repair", "--media", "/m", "--register", "none"],
        &["repair", "--media", "/m", "--register", "sql"],
    ] {
        assert!(ask(allowed, &environment(&[])).is_ok(), "{allowed:?}");
    }
}

#[test]
fn what_registers_gets_all_it_needs_and_the_key_is_not_shown() {
    type Case<'a> = (Vec<&'a str>, &'a [(&'a str, &'a str)], &'a str);
    let repair = |options: &[&str], variables: &[(&str, &str)]| {
        let arguments: Vec<&str> = ["repair", "--media", "/m"].iter().chain(options).copied().collect();
        ask(&arguments, &environment(variables))
    };
    let key = [("PHOTOFSCK_API_KEY", "s3cret-key")];
    let api = ["--register", "api", "--api-url", "http://10.0.0.5:2283"];
    let action = repair(&api, &key).unwrap();
    assert!(!format!("{action:?}").contains("s3cret-key"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let file = file.to_str().unwrap();
    std::fs::write(file, "s3cret-key\n").unwrap();
    assert!(repair(&[&api[..], &["--api-key-file", file]].concat(), &[]).is_ok());
    std::fs::write(file, "two words of s3cret").unwrap();
    let refused: [Case<'_>; 9] = [
        (vec!["--register", "files"], &[], "expected none, sql or api"),
        (vec!["--register", "api"], &key, "expected --api-url"),
        (api.to_vec(), &[], "PHOTOFSCK_API_KEY or --api-key-file"),
        (vec!["--register", "api", "--api-url", "immich"], &key, "expected an address"),
        ([&api[..], &["--api-key-file", file]].concat(), &[], "expected one line with an API key"),
        ([&api[..], &["--api-key-file", "/nothing/there"]].concat(), &[], "/nothing/there"),
        ([&api[..], &["--db", "none"]].concat(), &key, "whose the files are"),
        (vec!["--register", "sql", "--db", "x.sql"], &[], "expected --db postgres://"),
        (vec!["--api-url", "http://10.0.0.5:2283"], &[], "is for --register api"),
    ];
    for (options, variables, words) in refused {
        let error = repair(&options, variables).unwrap_err();
        assert!(error.contains(words) && !error.contains("s3cret"), "{options:?}: {error}");
    }
}

#[test]
fn moves_to_quarantine_ask_for_all_they_need() {
    let base = ["repair", "--media", "/m", "--quarantine-untracked"];
    for (options, words) in [
        (&[][..], "expected --quarantine"),
        (&["--quarantine", "/q", "--quick"], "without --quick"),
        (&["--quarantine", "/q", "--shard", "1/2"], "--shard"),
        (&["--quarantine", "/q", "--db", "none"], "expected records"),
    ] {
        let arguments: Vec<&str> = base.iter().chain(options).copied().collect();
        let error = ask(&arguments, &environment(&[])).unwrap_err();
        assert!(error.contains(words), "{options:?}: {error}");
    }
    let arguments: Vec<&str> = base.iter().chain(&["--quarantine", "/q"]).copied().collect();
    assert!(ask(&arguments, &environment(&[])).is_ok());
}
