//! Figures of `bench`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One figure, with how it came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "measure")]
pub struct Measure {
    /// What was measured, for example `decode.jpeg`.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// How, on what.
    pub detail: Map<String, Value>,
}

impl Measure {
    /// A figure without details.
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self { name: name.into(), value, unit: unit.to_owned(), detail: Map::new() }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }

    /// Whether a larger figure is better: rates are, times and sizes are not; `None` where there is no better.
    pub fn more_is_better(&self) -> Option<bool> {
        match self.unit.as_str() {
            "MB/s" | "MP/s" | "files/s" | "reads/s" | "x" => Some(true),
            "ms" | "s" => Some(false),
            _ => None,
        }
    }
}
