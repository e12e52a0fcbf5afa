//! Paths as bytes. They are escaped only where a person reads them.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base64::Engine as _;
use serde::ser::SerializeMap;

/// A path with its lossless JSON form: `path` always, `path_bytes` (base64) when it is not UTF-8.
pub struct PathText<'a>(pub &'a Path);

impl PathText<'_> {
    /// Writes `key`, and `key` + `_bytes` when the path is not valid UTF-8.
    pub fn serialize_into<M: SerializeMap>(&self, key: &str, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry(key, &self.0.to_string_lossy())?;
        if self.0.to_str().is_none() {
            let bytes = base64::engine::general_purpose::STANDARD.encode(self.0.as_os_str().as_bytes());
            map.serialize_entry(&format!("{key}_bytes"), &bytes)?;
        }
        Ok(())
    }
}

/// The path as a person may safely see it: control, bidirectional and zero-width characters and invalid
/// UTF-8 are written as `\xNN` or `\u{NNNN}`; everything else stays.
pub fn display_path(path: &Path) -> String {
    escape(path.as_os_str())
}

fn escape(text: &OsStr) -> String {
    let mut out = String::with_capacity(text.len());
    for chunk in text.as_bytes().utf8_chunks() {
        for ch in chunk.valid().chars() {
            match ch {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                _ if is_deceptive(ch) => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(ch));
                }
                _ => out.push(ch),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Characters that change what a terminal shows elsewhere: controls, bidirectional overrides, zero-width.
fn is_deceptive(ch: char) -> bool {
    ch.is_control()
        || matches!(ch, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_defused() {
        let name = OsStr::from_bytes(b"a\x1b]52;c;x\x07\n\xffb\xe2\x80\xaegpj");
        assert_eq!(escape(name), "a\\u{1b}]52;c;x\\u{7}\\n\\xffb\\u{202e}gpj");
        assert_eq!(display_path(Path::new("Ferien/Überlingen 2024.jpg")), "Ferien/Überlingen 2024.jpg");
    }
}
