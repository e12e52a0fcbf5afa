//! `doctor`: its answers, told as they come.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{DoctorArgs, OutputArgs, WhenArg};
use super::layers::Environment;
use super::{alike, failure, register, signals, usage};
use crate::doctor::{Case, DoctorConfig, examine, first};
use crate::engine::{Cancel, MapRule};
use crate::immich::register::ApiAddress;
use crate::model::display_path;
use crate::report::ndjson::{Answer, AnswerStatus, Ndjson, RunLine};
use crate::report::{ExitStatus, Options, Target, Verbosity, doctor as page, print, tell, text};

/// `photofsck doctor`
#[derive(Debug)]
pub struct DoctorAction {
    /// What is examined.
    pub config: DoctorConfig,
    /// How it is told.
    pub options: Options,
}

/// What the arguments ask for.
pub fn resolve(args: &DoctorArgs, environment: &Environment) -> Result<DoctorAction, String> {
    let DoctorArgs { library, server, json, general } = args;
    let address = |option: &str, url: &Option<String>| {
        let parsed = url.as_deref().map(ApiAddress::parse).transpose();
        parsed.map_err(|error| format!("{option}: {error}"))
    };
    // Commands are copied to other places than this folder, and mounts are known by whole paths.
    let whole =
        |path: &Path| std::path::absolute(path).map_err(|error| format!("{}: {error}", display_path(path)));
    let rules = alike::map(&library.map)?.into_iter();
    let config = DoctorConfig {
        media: library.media.as_deref().map(whole).transpose()?,
        compose: library.compose.as_deref().map(whole).transpose()?,
        db: alike::db(library.db.as_deref())?,
        map: rules
            .map(|rule| Ok(MapRule { host: whole(&rule.host)?, ..rule }))
            .collect::<Result<_, String>>()?,
        sockets: sockets(environment)?,
        api: address("--api-url", &server.api_url)?,
        key: register::key(server.api_key_file.as_deref(), environment)?,
        public: address("--public-url", &server.public_url)?,
    };
    let output = OutputArgs { json: json.clone(), progress: Some(WhenArg::Never) };
    Ok(DoctorAction { config, options: alike::options("doctor", &output, general) })
}

/// Where Docker or Podman listen: what `DOCKER_HOST` names, else the usual places.
fn sockets(environment: &Environment) -> Result<Vec<PathBuf>, String> {
    if let Some(host) = environment.get("DOCKER_HOST") {
        let path = host.to_str().and_then(|host| host.strip_prefix("unix://"));
        let path = path.ok_or_else(|| {
            format!("DOCKER_HOST: expected unix:///path/of/a/socket, found {:?}", host.to_string_lossy())
        })?;
        return Ok(vec![PathBuf::from(path)]);
    }
    let own = environment.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = own
        .into_iter()
        .flat_map(|folder| ["docker.sock", "podman/podman.sock"].map(|name| folder.join(name)));
    Ok(["/var/run/docker.sock", "/run/podman/podman.sock"]
        .into_iter()
        .map(PathBuf::from)
        .chain(own)
        .collect())
}

/// Examines and tells.
pub fn run(action: DoctorAction) -> ExitStatus {
    let DoctorAction { config, options } = action;
    let cancel = Cancel::new();
    if let Err(error) = signals::listen(&cancel) {
        return failure(&format!("signal handlers: {error}"));
    }
    let mut json = match options.json.clone().map(Ndjson::open).transpose() {
        Ok(json) => json,
        Err(message) => return usage(&message),
    };
    let case = match Case::open(config, &cancel) {
        Ok(case) => Arc::new(case),
        Err(message) => return usage(&message),
    };
    if let Some(json) = &mut json {
        json.line(&RunLine(&case.info()));
    }
    // What is for people goes elsewhere when the lines go to standard output.
    let to_stderr = options.json == Some(Target::Stdout);
    let mut told = |answer: &Answer| {
        if let Some(json) = &mut json {
            json.line(answer);
            json.flush();
        }
        if let Some(text) = page::answer(answer, options.verbosity) {
            print(&text, options.color, to_stderr);
        }
    };
    let answers = examine(&case, &cancel, &mut told);
    print(
        &page::last(&answers, first(&answers), options.verbosity == Verbosity::Quiet),
        options.color,
        to_stderr,
    );
    let mut status = status(&answers);
    if let Some((message, gone)) = json.and_then(|json| json.error()) {
        tell(&text::error_line(&message), options.color);
        if !gone {
            status |= ExitStatus::FAILED;
        }
    }
    if cancel.is_requested() {
        status |= ExitStatus::CANCELLED;
    }
    status
}

/// Problems are left; or nothing at all could be found out.
fn status(answers: &[Answer]) -> ExitStatus {
    if answers.iter().any(|answer| answer.status == AnswerStatus::Problem) {
        ExitStatus::LEFT
    } else if !answers.is_empty() && answers.iter().all(|answer| answer.status == AnswerStatus::CannotTell) {
        ExitStatus::FAILED
    } else {
        ExitStatus::CLEAN
    }
}
