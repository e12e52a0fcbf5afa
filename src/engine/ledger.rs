//! What earlier runs know about a file, and what this one adds.

use std::path::Path;
use std::time::Duration;

use crate::catalog::{Catalog, CatalogError, Held, Knowledge, Reading, Wish};
use crate::model::{DecoderId, Depth, FileIdentity, Verdict};

use super::end::RunError;
use super::ground::Ground;
use super::judge::Expectation;
use super::look::Look;

/// The catalog as one run sees it.
pub struct Ledger<'a> {
    catalog: &'a Catalog,
    wish: Wish,
    ground: Option<&'a Ground>,
}

/// What the catalog says before a file is opened.
pub enum Earlier {
    /// It was sound, is unchanged, and that is recent enough.
    Trusted(Knowledge),
    /// It has to be looked at. The hash is that of the last sound state, if the file claims to be unchanged.
    Due {
        /// BLAKE3 of the last sound state.
        last_sound: Option<[u8; 32]>,
    },
}

impl<'a> Ledger<'a> {
    /// Trusts verdicts of these decoders, at this depth, that are now younger than `max_age`.
    pub fn new(
        catalog: &'a Catalog,
        depth: Depth,
        (now, max_age): (i64, Duration),
        decoders: Vec<DecoderId>,
    ) -> Self {
        Self { catalog, ground: None, wish: Wish { depth, now, max_age: max_age.as_secs(), decoders } }
    }

    /// With what the files are on: where that may hang, it is asked with care.
    #[must_use]
    pub fn on(mut self, ground: &'a Ground) -> Self {
        self.ground = Some(ground);
        self
    }

    fn identity_of(&self, path: &Path) -> Option<FileIdentity> {
        let own = path.to_path_buf();
        match self.ground {
            Some(ground) => ground.ask(path, move |_| identity_of(&own)).ok()?,
            None => identity_of(&own),
        }
    }

    /// Begins to read all that may be trusted, for the walk.
    pub fn read_trusted(&self) -> Result<Reading<'a>, RunError> {
        self.catalog.read_trusted(&self.wish).map_err(|error| unusable(&error))
    }

    /// The files of which nothing is due.
    pub fn held(&self) -> Result<Held, RunError> {
        self.catalog.held(&self.wish).map_err(|error| unusable(&error))
    }

    /// Whether a file has to be looked at. Does not open it.
    pub fn ask(&self, expected: &Expectation) -> Result<Earlier, RunError> {
        let Some(known) = self.catalog.previous(&expected.path).map_err(|error| unusable(&error))? else {
            return Ok(Earlier::Due { last_sound: None });
        };
        let Some(identity) = self.identity_of(&expected.path) else {
            return Ok(Earlier::Due { last_sound: None });
        };
        let as_recorded = expected.checksum.is_none_or(|recorded| known.sha1 == Some(recorded));
        if as_recorded && known.holds(&identity, &self.wish) {
            return Ok(Earlier::Trusted(known));
        }
        let claims_unchanged = known.verdict.is_sound() && identity.seems_unchanged_since(&known.identity);
        Ok(Earlier::Due { last_sound: known.blake3.filter(|_| claims_unchanged) })
    }

    /// The state in which a file was last looked at.
    pub fn identity(&self, path: &Path) -> Result<Option<FileIdentity>, RunError> {
        let known = self.catalog.previous(path).map_err(|error| unusable(&error))?;
        Ok(known.map(|known| known.identity))
    }

    /// Notes that a file is sound, and that it has to be looked at again all the same: `why`.
    pub fn distrust(&self, expected: &Expectation, look: &Look, why: &str) -> Result<(), RunError> {
        if !look.judgement.verdict.is_sound() {
            return Ok(());
        }
        self.write(expected, look, Verdict::Unverifiable, why)
    }

    /// Notes what one look told. Nothing is noted of a file that could not be opened.
    pub fn note(&self, expected: &Expectation, look: &Look) -> Result<(), RunError> {
        self.write(expected, look, look.judgement.verdict, &look.judgement.reason)
    }

    fn write(
        &self,
        expected: &Expectation,
        look: &Look,
        verdict: Verdict,
        why: &str,
    ) -> Result<(), RunError> {
        let (Some(report), Some(identity)) = (&look.report, look.identity) else { return Ok(()) };
        let knowledge = Knowledge {
            identity,
            format: report.format,
            size: report.size,
            verdict,
            damage: report
                .problem
                .as_ref()
                .filter(|_| verdict == Verdict::Damaged)
                .and_then(crate::model::DecodeError::damage),
            reason: why.to_owned(),
            sha1: report.sha1,
            blake3: report.blake3,
            decoder: report.decoder.clone(),
            depth: expected.depth,
            verified_at: self.wish.now,
        };
        self.catalog.record(&expected.path, knowledge).map_err(|error| unusable(&error))
    }
}

fn identity_of(path: &Path) -> Option<FileIdentity> {
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(FileIdentity::from(&metadata))
}

pub(super) fn unusable(error: &CatalogError) -> RunError {
    RunError::catalog(error.to_string())
}
