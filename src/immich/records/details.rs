//! What people know assets by beside their names: albums, the moment they were taken, the camera.
//!
//! Only a report asks for these, and only of the few assets that something is wrong with. So they are no part of the
//! index: they are fetched when the run knows whose they are, by id from a database, by a second read of a dump.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::copy::{self, CopyHeader};
use super::lines::{Lines, Skipped};
use super::{Files, RecordError, dump};
use crate::immich::database::{self, Database, in_time, quoted, words};
use crate::model::{AssetId, display_path};

/// Ids in one query.
const BATCH: usize = 1000;

/// What is recorded of one asset.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Details {
    /// Names of the albums it is in, in the order of the alphabet.
    pub albums: Vec<String>,
    /// When it was taken, on the clock of that place: `2024-05-01 10:00`.
    pub taken: Option<String>,
    /// Maker and model of the camera.
    pub device: Option<String>,
}

/// The tables that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Asset,
    Exif,
    Album,
    Link,
}

impl Table {
    /// In any era.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "asset" | "assets" => Self::Asset,
            "asset_exif" | "exif" => Self::Exif,
            "album" | "albums" => Self::Album,
            "album_asset" | "albums_assets_assets" => Self::Link,
            _ => return None,
        })
    }

    /// Its columns, each under every name that it has had; the first is the id that rows are chosen by.
    const fn columns(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Asset => &[&["id"], &["localDateTime", "fileCreatedAt"]],
            Self::Exif => &[&["assetId"], &["make"], &["model"]],
            Self::Album => &[&["id"], &["albumName"], &["deletedAt"]],
            Self::Link => &[&["assetId", "assetsId"], &["albumId", "albumsId"]],
        }
    }

    /// Where its columns are among those of a table; `None` without the id.
    fn places(self, columns: &[impl AsRef<str>]) -> Option<Vec<Option<usize>>> {
        let find = |names: &&[&str]| {
            names.iter().find_map(|name| columns.iter().position(|column| column.as_ref() == *name))
        };
        let places: Vec<_> = self.columns().iter().map(find).collect();
        places.first()?.is_some().then_some(places)
    }
}

/// Gathers rows of whatever order.
struct Gathering<'a> {
    wanted: &'a BTreeSet<AssetId>,
    found: HashMap<AssetId, Details>,
    /// Asset and album.
    links: Vec<(AssetId, AssetId)>,
    albums: HashMap<AssetId, String>,
}

impl<'a> Gathering<'a> {
    fn new(wanted: &'a BTreeSet<AssetId>) -> Self {
        Self { wanted, found: HashMap::new(), links: Vec::new(), albums: HashMap::new() }
    }

    /// Takes the fields of one row, in the order of [`Table::columns`].
    fn take(&mut self, table: Table, fields: &[Option<Cow<'_, str>>]) {
        let field =
            |place: usize| fields.get(place).and_then(Option::as_deref).filter(|text| !text.is_empty());
        let Some(id) = field(0).and_then(|text| AssetId::parse(text.as_bytes())) else { return };
        if table == Table::Album {
            if let (Some(name), None) = (field(1), field(2)) {
                self.albums.insert(id, name.to_owned());
            }
            return;
        }
        if !self.wanted.contains(&id) {
            return;
        }
        match table {
            Table::Link => {
                self.links.extend(
                    field(1).and_then(|text| AssetId::parse(text.as_bytes())).map(|album| (id, album)),
                );
            }
            Table::Asset => self.found.entry(id).or_default().taken = field(1).map(minute),
            Table::Exif => self.found.entry(id).or_default().device = device(field(1), field(2)),
            Table::Album => {}
        }
    }

    fn finish(mut self) -> HashMap<AssetId, Details> {
        for (asset, album) in &self.links {
            if let Some(name) = self.albums.get(album) {
                self.found.entry(*asset).or_default().albums.push(name.clone());
            }
        }
        self.found.values_mut().for_each(|details| details.albums.sort());
        self.found
    }
}

/// `2024-05-01 10:00` of `2024-05-01 10:00:00.123+00`: the wall clock, which Immich keeps as if it were UTC.
fn minute(text: &str) -> String {
    text.get(..16).unwrap_or(text).replace('T', " ")
}

/// Maker and model; many cameras repeat their maker in the model.
fn device(make: Option<&str>, model: Option<&str>) -> Option<String> {
    let (make, model) = (make.map(str::trim), model.map(str::trim));
    Some(match (make, model) {
        (Some(make), Some(model)) => {
            let first = make.split(' ').next().unwrap_or(make);
            if model.to_lowercase().starts_with(&first.to_lowercase()) {
                model.to_owned()
            } else {
                format!("{make} {model}")
            }
        }
        (one, other) => one.or(other)?.to_owned(),
    })
}

/// Reads a dump once more for the assets that are wanted.
///
/// # Errors
/// It cannot be read. Where it ends too early, what came before is given.
pub fn from_dump(
    files: &dyn Files,
    path: &Path,
    wanted: &BTreeSet<AssetId>,
) -> Result<HashMap<AssetId, Details>, RecordError> {
    let unreadable = |source| RecordError::Read { path: display_path(path), source };
    let stream = dump::plain(files.open_whole(path).map_err(unreadable)?.stream).map_err(unreadable)?;
    let (mut lines, mut gathering) = (Lines::new(stream), Gathering::new(wanted));
    // What breaks off was told when it was read for the first time.
    while let Ok(Some(line)) = lines.line() {
        let Some(header) = CopyHeader::parse(line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes)) else {
            continue;
        };
        let table = Table::named(&header.qualified());
        let Some((table, places)) = table.and_then(|table| Some((table, table.places(&header.columns)?)))
        else {
            match lines.skip_rows() {
                Ok(Skipped::AtEnd) => continue,
                Ok(Skipped::StreamEnded) | Err(_) => break,
            }
        };
        while let Ok(Some(row)) = lines.line() {
            let row = row.bytes.strip_suffix(b"\r").unwrap_or(row.bytes);
            if row == b"\\." {
                break;
            }
            gathering.take(table, &fields(row, &places));
        }
    }
    Ok(gathering.finish())
}

/// The wanted fields of a row of COPY text.
fn fields<'a>(row: &'a [u8], places: &[Option<usize>]) -> Vec<Option<Cow<'a, str>>> {
    let all: Vec<&[u8]> = row.split(|&byte| byte == b'\t').collect();
    let field = |place: &Option<usize>| {
        Some(match copy::text(all.get((*place)?)?)? {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    };
    places.iter().map(field).collect()
}

/// Asks a running database for the assets that are wanted.
///
/// # Errors
/// It does not answer, or not what it should.
pub fn from_database(
    url: &str,
    wanted: &BTreeSet<AssetId>,
) -> Result<HashMap<AssetId, Details>, RecordError> {
    let database = Database::new(url)?;
    let lost = |reason: String| RecordError::Connect { address: database.address(), reason };
    let asked = async {
        let mut connection = database.connect().await?;
        let found = ask(&mut connection, wanted).await.map_err(lost)?;
        // It has only read; how it ends does not matter.
        let _ = in_time(connection.close()).await;
        Ok(found)
    };
    database::block_on(asked).unwrap_or_else(|error| Err(lost(error.to_string())))
}

async fn ask(
    connection: &mut PgConnection,
    wanted: &BTreeSet<AssetId>,
) -> Result<HashMap<AssetId, Details>, String> {
    in_time(sqlx::raw_sql("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'").execute(&mut *connection)).await?;
    let mut gathering = Gathering::new(wanted);
    let ids: Vec<AssetId> = wanted.iter().copied().collect();
    let tables = database::tables(connection).await?;
    // Albums last: those that are wanted are known by then.
    for wanted in [Table::Asset, Table::Exif, Table::Link, Table::Album] {
        let found = tables.iter().find(|(name, _)| Table::named(name) == Some(wanted));
        let Some((name, columns)) = found else { continue };
        let Some(places) = wanted.places(columns) else { continue };
        let ids = match wanted {
            Table::Album => &gathering
                .links
                .iter()
                .map(|(_, album)| *album)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            _ => &ids,
        };
        for ids in ids.chunks(BATCH) {
            let query = query(name, columns, &places, ids);
            for row in in_time(sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut *connection)).await? {
                let field = |place| row.try_get::<Option<String>, _>(place).map_err(|error| words(&error));
                let fields = (0..places.len()).map(|place| Ok(field(place)?.map(Cow::Owned)));
                gathering.take(wanted, &fields.collect::<Result<Vec<_>, String>>()?);
            }
        }
    }
    Ok(gathering.finish())
}

/// Everything as text, as COPY would give it. Ids are hexadecimal: nothing in them has to be quoted.
fn query(table: &str, columns: &[String], places: &[Option<usize>], ids: &[AssetId]) -> String {
    let column = |place: &Option<usize>| place.and_then(|place| columns.get(place)).map(|name| quoted(name));
    let list: Vec<String> = places
        .iter()
        .map(|place| column(place).map_or("NULL::text".to_owned(), |name| format!("{name}::text")))
        .collect();
    let id = places.first().and_then(column).unwrap_or_default();
    let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    format!("SELECT {} FROM public.{} WHERE {id} IN ({})", list.join(", "), quoted(table), ids.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::Direct;
    use super::*;

    const A: &str = "0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b";
    const B: &str = "1d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b";

    /// What is told of asset A in a dump of these tables; B is not wanted.
    fn of_a(tables: &str) -> Details {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("--\n-- PostgreSQL database dump\n--\n{tables}")).unwrap();
        let wanted = BTreeSet::from([A.parse().unwrap()]);
        let found = from_dump(&Direct, file.path(), &wanted).unwrap();
        assert!(found.keys().all(|id| wanted.contains(id)));
        found.into_values().next().unwrap_or_default()
    }

    #[test]
    fn a_dump_tells_album_date_and_device() {
        let told = of_a(&format!(
            "COPY public.album (id, \"albumName\", \"deletedAt\") FROM stdin;\n{B}\tSommer\\t<b>\t\\N\n{A}\tgone\t2026-01-01\n\\.\n\
             COPY public.album_asset (\"albumId\", \"assetId\") FROM stdin;\n{B}\t{A}\n{A}\t{A}\n{B}\t{B}\n\\.\n\
             COPY public.asset (id, \"fileCreatedAt\", \"localDateTime\") FROM stdin;\n{A}\t2024-05-01 08:00:00+00\t2024-05-01 10:00:00.5+00\n{B}\tx\ty\n\\.\n\
             COPY public.noise (id) FROM stdin;\n1\n\\.\n\
             COPY public.asset_exif (\"assetId\", make, model) FROM stdin;\n{A}\tApple\tiPhone 12\n\\.\n"
        ));
        assert_eq!(told.albums, ["Sommer\t<b>"]);
        assert_eq!(told.taken.as_deref(), Some("2024-05-01 10:00"));
        assert_eq!(told.device.as_deref(), Some("Apple iPhone 12"));
    }

    #[test]
    fn older_names_of_tables_and_columns_are_known_and_a_torn_dump_gives_what_it_has() {
        let told = of_a(&format!(
            "COPY public.albums (id, \"albumName\") FROM stdin;\n{B}\tWinter\n\\.\n\
             COPY public.albums_assets_assets (\"albumsId\", \"assetsId\") FROM stdin;\n{B}\t{A}\n\\.\n\
             COPY public.exif (\"assetId\", make, model) FROM stdin;\n{A}\t\\N\tPixel 9\n"
        ));
        assert_eq!(
            (told.albums, told.device, told.taken),
            (vec!["Winter".to_owned()], Some("Pixel 9".to_owned()), None)
        );
    }

    #[test]
    fn devices_name_their_maker_once() {
        assert_eq!(device(Some("Canon"), Some("Canon EOS 5D")).as_deref(), Some("Canon EOS 5D"));
        assert_eq!(device(Some("NIKON CORPORATION"), Some("NIKON D90")).as_deref(), Some("NIKON D90"));
        assert_eq!(device(Some("Leica"), None).as_deref(), Some("Leica"));
        assert_eq!(device(None, None), None);
    }

    #[test]
    fn only_columns_that_exist_are_asked_for() {
        let columns = ["assetId".to_owned(), "model".to_owned()];
        let places = Table::Exif.places(&columns).unwrap();
        let text = query("asset_exif", &columns, &places, &[A.parse().unwrap()]);
        assert_eq!(
            text,
            format!(
                "SELECT \"assetId\"::text, NULL::text, \"model\"::text FROM public.\"asset_exif\" WHERE \"assetId\" IN ('{A}')"
            )
        );
        assert_eq!(Table::Asset.places(&columns), None);
    }
}
