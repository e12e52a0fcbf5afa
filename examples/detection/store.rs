//! What other programs said of a copy in an earlier run: asking them is most of the work, and they do not change.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

/// Answers by key; kept in a file when there is a folder for it.
pub struct Store {
    known: HashMap<String, String>,
    file: Option<Mutex<fs::File>>,
}

impl Store {
    /// Reads what is in `folder`, and adds to it.
    pub fn open(folder: Option<&Path>) -> Self {
        if let Some(folder) = folder {
            let _ = fs::create_dir_all(folder);
        }
        let path = folder.map(|folder| folder.join("answers.tsv"));
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let known = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let file = path.and_then(|path| fs::OpenOptions::new().create(true).append(true).open(path).ok());
        Self { known, file: file.map(Mutex::new) }
    }

    /// The known answer.
    pub fn known(&self, key: &str) -> Option<&str> {
        self.known.get(key).map(String::as_str)
    }

    /// The known answer, else the new one, which is known from then on.
    pub fn get(&self, key: &str, ask: impl FnOnce() -> String) -> String {
        if let Some(known) = self.known.get(key) {
            return known.clone();
        }
        let answer = ask();
        if let Some(file) = &self.file {
            let mut file = file.lock().expect("no panic while writing");
            let _ = writeln!(file, "{key}\t{answer}");
        }
        answer
    }
}
