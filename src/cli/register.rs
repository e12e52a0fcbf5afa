//! `--register`, `--api-url` and the key: what fits together, and where the key comes from.

use std::io::Read as _;
use std::path::Path;

use super::args::WriteArgs;
use super::layers::Environment;
use crate::engine::{CheckConfig, Db, Register};
use crate::immich::compose::Secret;
use crate::immich::register::ApiAddress;
use crate::model::display_path;

/// The variable that holds the key.
const KEY: &str = "PHOTOFSCK_API_KEY";

/// Longer files hold no key.
const MAX_KEY: u64 = 4096;

/// Resolves how new files are made known.
pub fn resolve(args: &WriteArgs, environment: &Environment) -> Result<Register, String> {
    let register = match args.register.as_deref() {
        None | Some("none") => Register::None,
        Some("sql") => Register::Sql,
        Some("api") => {
            let url = args.api_url.as_deref().ok_or(
                "--register api: expected --api-url URL too, Immich's address such as http://192.168.1.5:2283",
            )?;
            let address = ApiAddress::parse(url).map_err(|error| format!("--api-url: {error}"))?;
            let key = key(args.api_key_file.as_deref(), environment)?;
            let key = key.ok_or_else(|| {
                format!(
                    "--register api: expected an API key in {KEY} or --api-key-file FILE; make one in Immich under Account \
                     Settings, API Keys"
                )
            })?;
            return Ok(Register::Api { address, key });
        }
        Some(other) => return Err(format!("--register: expected none, sql or api, found {other:?}")),
    };
    for (given, option) in
        [(args.api_url.is_some(), "--api-url"), (args.api_key_file.is_some(), "--api-key-file")]
    {
        if given {
            return Err(format!("{option} is for --register api: expected that too"));
        }
    }
    Ok(register)
}

/// Refuses what cannot work with the chosen records.
pub fn fits(register: &Register, check: &CheckConfig) -> Result<(), String> {
    match (register, &check.db) {
        (Register::Sql, Db::None | Db::File(_) | Db::Stdin) => Err(
            "--register sql writes rows of the live database: expected --db postgres://USER:PASSWORD@HOST:PORT/DATABASE, \
             or --compose DIR where its address is known"
                .to_owned(),
        ),
        (Register::Api { .. }, Db::None) => Err(
            "--register api needs to know whose the files are: expected --db with the database or a dump, or auto"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// The key, from the file if one is named, else from its variable if that is set.
pub fn key(file: Option<&Path>, environment: &Environment) -> Result<Option<Secret>, String> {
    let (text, origin) = match (file, environment.get(KEY)) {
        (Some(path), _) => {
            let origin = format!("--api-key-file {}", display_path(path));
            let mut text = String::new();
            let read =
                std::fs::File::open(path).and_then(|file| file.take(MAX_KEY).read_to_string(&mut text));
            read.map_err(|error| format!("{origin}: {error}"))?;
            (text, origin)
        }
        (None, Some(text)) => (text.to_string_lossy().into_owned(), KEY.to_owned()),
        (None, None) => return Ok(None),
    };
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{origin}: expected one line with an API key, found something else"));
    }
    Ok(Some(Secret::new(text)))
}
