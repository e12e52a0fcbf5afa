//! The assets that something is wrong with, and what people know them by.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::immich::compose::Secret;
use crate::immich::records::{self, Details, Files, RecordError, Records};
use crate::model::{AssetFacts, AssetId, Event, EventSink, Severity};
use crate::report::html::MOST_ROWS;

/// Where more can be asked about an asset than the index holds.
#[derive(Debug, Default)]
pub enum Home {
    /// Nowhere.
    #[default]
    Gone,
    /// In the database.
    Database(Secret),
    /// In a dump, which has to be read once more as a whole.
    Dump(PathBuf),
}

impl Home {
    /// The database before a dump.
    pub fn of(database: Option<Secret>, dump: Option<PathBuf>) -> Self {
        database.map(Self::Database).or(dump.map(Self::Dump)).unwrap_or_default()
    }
}

/// Hands every event on, and notes of which assets they tell: as many as a page shows, errors before everything else.
pub struct Concerned<'a> {
    sink: &'a dyn EventSink,
    assets: Mutex<Assets>,
}

#[derive(Default)]
struct Assets {
    errors: BTreeSet<AssetId>,
    others: BTreeSet<AssetId>,
}

impl<'a> Concerned<'a> {
    /// Nothing noted yet.
    pub fn new(sink: &'a dyn EventSink) -> Self {
        Self { sink, assets: Mutex::default() }
    }

    fn note(&self, asset: Option<AssetId>, severity: Severity) {
        let Some(asset) = asset else { return };
        let mut assets = self.assets.lock().unwrap_or_else(PoisonError::into_inner);
        let set = if severity == Severity::Error { &mut assets.errors } else { &mut assets.others };
        set.insert(asset);
        // Which ones stay depends on nothing but their ids: threads finish in any order.
        if set.len() > MOST_ROWS {
            set.pop_last();
        }
    }

    fn assets(&self) -> Vec<AssetId> {
        let assets = self.assets.lock().unwrap_or_else(PoisonError::into_inner);
        let others = assets.others.difference(&assets.errors);
        assets.errors.iter().chain(others).copied().take(MOST_ROWS).collect()
    }

    /// Tells what people know the noted assets by.
    ///
    /// # Errors
    /// Albums, dates and cameras could not be had; the rest was told.
    pub fn introduce(&self, records: &Records, home: &Home, files: &dyn Files) -> Result<(), RecordError> {
        let assets = self.assets();
        if assets.is_empty() {
            return Ok(());
        }
        let wanted: BTreeSet<AssetId> = assets.iter().copied().collect();
        let details = match home {
            Home::Gone => Ok(None),
            Home::Database(url) => records::details_from_database(url.expose(), &wanted).map(Some),
            // That can take as long as the records took at first.
            Home::Dump(_) if !self.sink.wants_page() => Ok(None),
            Home::Dump(path) => records::details_from_dump(files, path, &wanted).map(Some),
        };
        let (mut details, failure) = match details {
            Ok(details) => (details, None),
            Err(error) => (None, Some(error)),
        };
        for asset in assets {
            let details = details.as_mut().map(|details| details.remove(&asset).unwrap_or_default());
            let facts = facts(records, asset, details);
            self.sink.send(Event::Asset(Box::new(facts)));
        }
        failure.map_or(Ok(()), Err)
    }
}

impl EventSink for Concerned<'_> {
    fn send(&self, event: Event) {
        match &event {
            Event::Finding(finding) | Event::EntryError(finding) => {
                self.note(finding.asset, finding.severity);
            }
            Event::Repair(repair) => self.note(repair.asset, Severity::Warning),
            _ => {}
        }
        self.sink.send(event);
    }

    fn wants_items(&self) -> bool {
        self.sink.wants_items()
    }

    fn wants_page(&self) -> bool {
        self.sink.wants_page()
    }
}

fn facts(records: &Records, asset: AssetId, details: Option<Details>) -> AssetFacts {
    let view = records.index.find_asset(asset).map(|found| records.index.asset(found));
    let owner = view.and_then(|view| records.users.iter().find(|user| user.id == view.owner));
    let owner = owner.map(|user| match (user.name.as_str(), &user.storage_label) {
        ("", Some(label)) => label.clone(),
        ("", None) => user.id.to_string(),
        (name, _) => name.to_owned(),
    });
    AssetFacts {
        asset,
        name: view
            .map(|view| OsStr::from_bytes(view.name).to_string_lossy().into_owned())
            .unwrap_or_default(),
        owner: owner.unwrap_or_default(),
        taken: details.as_ref().and_then(|details| details.taken.clone()).unwrap_or_default(),
        device: details.as_ref().and_then(|details| details.device.clone()).unwrap_or_default(),
        albums: details.map(|details| details.albums),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::immich::records::Direct;
    use crate::immich::records::{AssetInput, IndexBuilder, User};
    use crate::model::{Code, Finding, Role, What};

    #[derive(Default)]
    struct Told(Mutex<Vec<AssetFacts>>);

    impl EventSink for Told {
        fn send(&self, event: Event) {
            if let Event::Asset(facts) = event {
                self.0.lock().unwrap().push(*facts);
            }
        }
    }

    #[test]
    fn only_assets_with_findings_are_introduced() {
        let (owner, good, bad) = (AssetId([1; 16]), AssetId([2; 16]), AssetId([3; 16]));
        let mut rows = IndexBuilder::new();
        for (id, name) in [(good, "good.jpg"), (bad, "bad <b>.jpg")] {
            rows.asset(&AssetInput { id, owner, name: name.as_bytes(), ..AssetInput::default() }).unwrap();
        }
        let user =
            User { id: owner, name: String::new(), storage_label: Some("anna".into()), profile_image: None };
        let records = Records { index: rows.finish(), users: vec![user], ..Records::default() };
        let told = Told::default();
        let concerned = Concerned::new(&told);
        let mut finding = Finding::new(Code::File(Role::Preview, What::Missing));
        finding.asset = Some(bad);
        concerned.send(Event::Finding(Box::new(finding)));
        concerned.introduce(&records, &Home::Gone, &Direct).unwrap();
        let expected = AssetFacts {
            asset: bad,
            name: "bad <b>.jpg".into(),
            owner: "anna".into(),
            ..AssetFacts::default()
        };
        assert_eq!(*told.0.lock().unwrap(), [expected]);
    }
}
