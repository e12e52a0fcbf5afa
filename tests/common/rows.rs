//! All rows of a database, and what differs between two moments.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::postgres::runtime;

/// Rows by table and key.
pub type Rows = BTreeMap<String, BTreeMap<String, Map<String, Value>>>;

/// Every row of every table of the schema `public`.
pub fn everything(url: &str) -> Rows {
    runtime().block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let names = "SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = 'public' AND relkind = 'r' AND relname NOT LIKE '%noise' ORDER BY 1";
        let mut all = Rows::new();
        for name in sqlx::raw_sql(names).fetch_all(&mut connection).await.unwrap() {
            let table: String = name.get(0);
            let query = format!("SELECT to_jsonb(t)::text FROM public.\"{table}\" t");
            let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(query)).fetch_all(&mut connection).await.unwrap();
            let rows = rows.iter().map(|row| {
                let row: Map<String, Value> = serde_json::from_str(row.get::<&str, _>(0)).unwrap();
                let key = ["id", "personGroupId", "assetId", "key"].iter().find_map(|key| row.get(*key));
                (key.and_then(Value::as_str).unwrap().to_owned(), row)
            });
            let rows: Vec<_> = rows.collect();
            let count = rows.len();
            let rows: BTreeMap<_, _> = rows.into_iter().collect();
            assert_eq!(rows.len(), count, "{table}: keys are not unique");
            all.insert(table, rows);
        }
        connection.close().await.unwrap();
        all
    })
}

/// One row that is new, gone or other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub table: String,
    /// Key of a row that was there before.
    key: Option<String>,
    /// Columns that differ; of a new row with their values.
    columns: BTreeMap<String, String>,
    gone: bool,
}

impl Change {
    /// A new row with at least these values.
    pub fn added(table: &str, facts: &[(&str, String)]) -> Self {
        let columns = facts.iter().map(|(column, value)| ((*column).to_owned(), value.clone())).collect();
        Self { table: table.to_owned(), key: None, columns, gone: false }
    }

    /// A row that differs in exactly these columns.
    pub fn changed<'c>(table: &str, key: &str, columns: impl IntoIterator<Item = &'c str>) -> Self {
        let columns = columns.into_iter().map(|column| (column.to_owned(), String::new())).collect();
        Self { table: table.to_owned(), key: Some(key.to_owned()), columns, gone: false }
    }

    pub fn is_new(&self) -> bool {
        self.key.is_none() && !self.gone
    }

    pub fn text(&self) -> String {
        format!("{self:?}")
    }

    /// Whether another change is of this kind: the same row, or a new one with the same values.
    fn fits(&self, found: &Self) -> bool {
        if self.is_new() {
            let same = |(column, value): (&String, &String)| found.columns.get(column) == Some(value);
            found.is_new() && self.table == found.table && self.columns.iter().all(same)
        } else {
            self == found
        }
    }

    /// Whether another change is about the same row, or both are about new ones of a table.
    pub fn is_about(&self, other: &Self) -> bool {
        self.table == other.table && self.key == other.key && self.gone == other.gone
    }

    /// Whether the changes found are those expected, each once.
    pub fn all_fit(expected: &[Self], found: &[Self]) -> bool {
        let mut left: Vec<&Self> = found.iter().collect();
        let all = expected.iter().all(|wanted| {
            let place = left.iter().position(|found| wanted.fits(found));
            place.map(|place| left.remove(place)).is_some()
        });
        all && left.is_empty()
    }
}

/// Everything that differs.
pub fn changes(before: &Rows, after: &Rows) -> Vec<Change> {
    let mut found = Vec::new();
    for (table, now) in after {
        let then = &before[table];
        let keys: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        for key in keys {
            match (then.get(key), now.get(key)) {
                (Some(then), Some(now)) if then != now => {
                    let other = now.keys().filter(|column| then.get(*column) != now.get(*column));
                    found.push(Change::changed(table, key, other.map(String::as_str)));
                }
                (None, Some(now)) => {
                    let facts: Vec<_> =
                        now.iter().map(|(column, value)| (column.as_str(), value.to_string())).collect();
                    found.push(Change::added(table, &facts));
                }
                (Some(_), None) => found.push(Change {
                    table: table.clone(),
                    key: Some(key.clone()),
                    columns: BTreeMap::new(),
                    gone: true,
                }),
                _ => {}
            }
        }
    }
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    found.sort();
    found
}
