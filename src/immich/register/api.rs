//! Registering by Immich's API: its jobs make the files again. Only the documented per-asset jobs are used, for
//! assets of the key's own user: the server refuses a whole batch for one foreign asset.
//!
//! The paths changed with the versions: `/asset/jobs`, `/user/me` and `/server-info/version` until about 1.105,
//! `/assets/jobs`, `/users/me` and `/server/version` since. The version is asked for first; what answers decides.

use serde_json::{Value, json};

pub use super::http::ApiAddress;
use super::http::{Client, Method, Reply};
use super::{Answer, RegisterError, Registrar, Request, Wish};
use crate::immich::compose::Secret;
use crate::model::AssetId;

/// Assets in one request.
const BATCH: usize = 250;

/// Asks Immich's server to make files again.
#[derive(Debug)]
pub struct ApiRegistrar {
    client: Client,
    version: String,
    /// Where jobs are asked for: the likely path, then the other.
    jobs: [&'static str; 2],
    /// The user whose key it is.
    user: AssetId,
    /// For people.
    name: String,
    /// Why nothing more is tried.
    stopped: Option<String>,
}

impl ApiRegistrar {
    /// Asks the server for its version and for the user whose key it is.
    ///
    /// # Errors
    /// What went wrong and what to do; never the key.
    pub fn open(address: ApiAddress, key: Secret) -> Result<Self, RegisterError> {
        Self::ask_first(address, key)
            .map_err(|why| RegisterError(format!("--register api: {why}; nothing was changed")))
    }

    fn ask_first(address: ApiAddress, key: Secret) -> Result<Self, String> {
        let client = Client::new(address, key)?;
        let (version, recent) = version(&client)?;
        let (user, name) = user(&client)?;
        let jobs = if recent { ["/assets/jobs", "/asset/jobs"] } else { ["/asset/jobs", "/assets/jobs"] };
        Ok(Self { client, version, jobs, user, name, stopped: None })
    }

    /// Asks for one kind of job for assets of the user; answers in their order.
    fn ask(&mut self, job: &'static str, ids: &[AssetId]) -> Vec<Answer> {
        if ids.is_empty() {
            return Vec::new();
        }
        if let Some(why) = &self.stopped {
            let why = format!("nothing more is asked of Immich in this run: {why}");
            return vec![Answer::Skipped(why); ids.len()];
        }
        match self.post(job, ids) {
            Ok(()) => {
                vec![
                    Answer::Done(format!("asked of Immich: {job}; it works through its queue on its own"));
                    ids.len()
                ]
            }
            Err(Refusal::Some(_)) if ids.len() > 1 => {
                // One of them is not accepted; the halves tell which.
                let (first, second) = ids.split_at(ids.len() / 2);
                let mut answers = self.ask(job, first);
                answers.extend(self.ask(job, second));
                answers
            }
            Err(Refusal::Some(why)) => vec![Answer::Failed(why)],
            Err(Refusal::All(why)) => {
                self.stopped = Some(why.clone());
                vec![Answer::Failed(why); ids.len()]
            }
        }
    }

    fn post(&mut self, job: &str, ids: &[AssetId]) -> Result<(), Refusal> {
        let body = body(job, ids);
        let [path, other] = self.jobs;
        let mut reply = self.client.call(Method::Post, path, Some(&body)).map_err(Refusal::All)?;
        if is_no_such_path(&reply) {
            reply = self.client.call(Method::Post, other, Some(&body)).map_err(Refusal::All)?;
            if !is_no_such_path(&reply) {
                self.jobs = [other, path];
            }
        }
        let said = reply.message();
        match reply.status {
            200..300 => Ok(()),
            400 => Err(Refusal::Some(format!(
                "Immich refuses it ({said}): the asset was deleted meanwhile, is in the locked folder, or the key's \
                 permissions are too narrow (asset.update)"
            ))),
            _ => Err(Refusal::All(explain(&self.client, path, &reply))),
        }
    }

    /// Why the key's user may not ask for this asset's jobs, and what to do instead.
    fn foreign(&self, request: &Request) -> Option<String> {
        if request.owner == self.user {
            return None;
        }
        let remedy = match &request.wish {
            Wish::Remake { row_lacks: true } => {
                "run repair with a key of that user; or leave it to Immich: Administration, Jobs, Generate \
                 Thumbnails, Missing (every night by itself)"
                    .to_owned()
            }
            Wish::Remake { row_lacks: false } => format!(
                "run repair with a key of that user; or, as administrator, delete the rows of asset {} from asset_file \
                 (types preview and thumbnail) and run Administration, Jobs, Generate Thumbnails, Missing",
                request.id
            ),
            Wish::Transcode => {
                "run repair with a key of that user; or Administration, Jobs, Transcode Videos, All"
                    .to_owned()
            }
            Wish::Rows(_) | Wish::Face { .. } => return None,
        };
        Some(format!(
            "it belongs to user {}, and the key to {} ({}), who may not touch it: {remedy}",
            request.owner, self.name, self.user
        ))
    }

    /// The job that a wish needs; else why there is none.
    fn job(&self, request: &Request) -> Result<&'static str, String> {
        let job = match &request.wish {
            Wish::Remake { .. } => REMAKE,
            Wish::Transcode => TRANSCODE,
            Wish::Rows(_) => return Err("rows are written by --register sql only".to_owned()),
            Wish::Face { .. } => {
                return Err(
                    "Immich's API has no job for one face: choose a feature photo for this person again, or \
                            use --register sql"
                        .to_owned(),
                );
            }
        };
        self.foreign(request).map_or(Ok(job), Err)
    }
}

const REMAKE: &str = "regenerate-thumbnail";
const TRANSCODE: &str = "transcode-video";

impl Registrar for ApiRegistrar {
    fn notes(&self, _in_full: bool) -> Vec<String> {
        vec![format!(
            "new files are asked of Immich {} at {} as user {}, for the assets of that user only",
            self.version,
            self.client.address(),
            self.name
        )]
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn show(&self, request: &Request) -> Result<String, String> {
        let job = self.job(request)?;
        Ok(format!("POST {}{} {}", self.client.address(), self.jobs[0], body(job, &[request.id])))
    }

    fn submit(&mut self, batch: &[Request]) -> Vec<Answer> {
        let wanted: Vec<Result<&'static str, String>> =
            batch.iter().map(|request| self.job(request)).collect();
        let mut answers: Vec<Option<Answer>> =
            wanted.iter().map(|job| job.as_ref().err().cloned().map(Answer::Skipped)).collect();
        for job in [REMAKE, TRANSCODE] {
            let places: Vec<usize> = wanted
                .iter()
                .enumerate()
                .filter(|(_, wanted)| **wanted == Ok(job))
                .map(|(place, _)| place)
                .collect();
            let ids: Vec<AssetId> =
                places.iter().filter_map(|&place| batch.get(place)).map(|request| request.id).collect();
            for (place, answer) in places.into_iter().zip(self.ask(job, &ids)) {
                if let Some(slot) = answers.get_mut(place) {
                    *slot = Some(answer);
                }
            }
        }
        let lost = || Answer::Failed("no answer was kept for it; please report this".to_owned());
        answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect()
    }
}

/// Whom a refusal is about.
enum Refusal {
    /// At least one asset of the request.
    Some(String),
    /// Every further request.
    All(String),
}

fn body(job: &str, ids: &[AssetId]) -> Value {
    json!({ "assetIds": ids.iter().map(ToString::to_string).collect::<Vec<_>>(), "name": job })
}

/// The server's version, and whether it is of the paths since about 1.105.
fn version(client: &Client) -> Result<(String, bool), String> {
    const RECENT: &str = "/server/version";
    const OLD: &str = "/server-info/version";
    let mut path = RECENT;
    let mut reply = client.call(Method::Get, path, None)?;
    if reply.status == 404 {
        path = OLD;
        reply = client.call(Method::Get, path, None)?;
    }
    if !reply.is_ok() {
        return Err(explain(client, path, &reply));
    }
    let part = |name: &str| reply.json.get(name).and_then(Value::as_u64);
    let (Some(major), Some(minor)) = (part("major"), part("minor")) else {
        return Err(format!(
            "{}{path} answers without a version: that is no Immich API, check --api-url",
            client.address()
        ));
    };
    let patch = part("patch").unwrap_or(0);
    Ok((format!("{major}.{minor}.{patch}"), path == RECENT || (major, minor) >= (1, 105)))
}

/// Id and name of the user whose key it is.
fn user(client: &Client) -> Result<(AssetId, String), String> {
    let mut path = "/users/me";
    let mut reply = client.call(Method::Get, path, None)?;
    if is_no_such_path(&reply) {
        path = "/user/me";
        reply = client.call(Method::Get, path, None)?;
    }
    if !reply.is_ok() {
        return Err(explain(client, path, &reply));
    }
    let text = |name: &str| reply.json.get(name).and_then(Value::as_str);
    let id = text("id").and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| format!("{}{path} answers without the id of a user", client.address()))?;
    let name = text("name").or(text("email")).filter(|name| !name.is_empty()).unwrap_or("without a name");
    Ok((id, name.to_owned()))
}

/// 404 of the router, not of a thing that is looked for.
fn is_no_such_path(reply: &Reply) -> bool {
    reply.status == 404 && (reply.json.is_null() || reply.message().starts_with("Cannot "))
}

/// What an answer other than success means and what to do.
fn explain(client: &Client, path: &str, reply: &Reply) -> String {
    let (address, status, said) = (client.address(), reply.status, reply.message());
    let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
    match status {
        401 => format!(
            "Immich does not know the API key{said}: make one in Immich under Account Settings, API Keys, and give it \
             with PHOTOFSCK_API_KEY or --api-key-file"
        ),
        403 => format!(
            "the API key may not use {path}{said}: it needs the permissions user.read and asset.update (and job.create \
             where Immich asks for it)"
        ),
        404 => format!(
            "{address}{path} is not there{said}: is that the address of Immich, and of a version from 1.100 on?"
        ),
        429 => format!("Immich or a proxy limits the rate of requests{said}: run repair again later"),
        502..=504 => format!(
            "{address} answers {status}{said}: Immich is starting, updating or down; run repair again later"
        ),
        500.. => format!(
            "Immich fails with {status} at {path}{said}: look at the server's log, then run repair again"
        ),
        _ => format!("{address}{path} answers {status}{said}, which is not expected"),
    }
}
