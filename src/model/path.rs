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

/// A path as a POSIX shell reads it: in single quotes, or as `$'...'` when it holds characters that a person would
/// not see, or bytes that are no text.
pub fn shell_word(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    if bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+,@".contains(byte)) && !bytes.is_empty()
    {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    if path.to_str().is_some_and(|text| text == display_path(path)) {
        return format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"));
    }
    let mut word = String::from("$'");
    for &byte in bytes {
        match byte {
            b'\\' | b'\'' => {
                word.push('\\');
                word.push(char::from(byte));
            }
            b' '..=b'~' => word.push(char::from(byte)),
            _ => {
                let _ = write!(word, "\\x{byte:02x}");
            }
        }
    }
    word.push('\'');
    word
}

/// The name of the `number`-th temporary file of a run: `.photofsck-<run id>-<number>.tmp`.
///
/// `run` is the run's id as a number; it is written in 16 lower-case hexadecimal digits. Repairs write
/// such a file beside their target and rename it when it is complete; only a killed run leaves one behind.
pub fn own_temporary_name(run: u64, number: u64) -> String {
    format!(".photofsck-{run:016x}-{number}.tmp")
}

/// Whether `name` (a file name, no path) is one that [`own_temporary_name`] makes. Nothing else is ever
/// taken for a temporary file of ours, because such files are removed.
pub fn is_own_temporary(name: &OsStr) -> bool {
    fn parts(name: &[u8]) -> Option<(&[u8], &[u8])> {
        let inner = name.strip_prefix(b".photofsck-")?.strip_suffix(b".tmp")?;
        Some((inner.get(..16)?, inner.get(16..)?.strip_prefix(b"-")?))
    }
    parts(name.as_bytes()).is_some_and(|(run, number)| {
        run.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && number.iter().all(u8::is_ascii_digit)
            && (number == b"0" || !number.starts_with(b"0"))
            && std::str::from_utf8(number).is_ok_and(|text| text.parse::<u64>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn own_temporary_names_are_recognised_and_nothing_near_them(run: u64, number: u64, at in 0usize..60) {
            let name = own_temporary_name(run, number);
            prop_assert!(is_own_temporary(OsStr::new(&name)));
            let mut shorter = name.clone();
            if at < shorter.len() {
                let gone = shorter.remove(at);
                // One digit less of the number is still such a name; anything else is not.
                let in_number = at > 27 && at < name.len() - 4 && gone.is_ascii_digit();
                prop_assert!(in_number || !is_own_temporary(OsStr::new(&shorter)), "{shorter}");
            }
            let longer = format!("{name}x");
            prop_assert!(!is_own_temporary(OsStr::new(&longer)));
            let upper = name.to_uppercase();
            prop_assert!(!is_own_temporary(OsStr::new(&upper)));
        }

        #[test]
        fn recognised_names_are_exactly_the_made_ones(name in r"\.photofsck-[0-9a-fA-F]{15,17}-[0-9]{0,21}\.tmp") {
            let made = (|| {
                let inner = name.strip_prefix(".photofsck-")?.strip_suffix(".tmp")?;
                let (run, number) = inner.split_once('-')?;
                Some(own_temporary_name(u64::from_str_radix(run, 16).ok()?, number.parse().ok()?))
            })();
            prop_assert_eq!(is_own_temporary(OsStr::new(&name)), made.as_deref() == Some(name.as_str()));
        }
    }

    #[test]
    fn hostile_names_are_defused() {
        let name = OsStr::from_bytes(b"a\x1b]52;c;x\x07\n\xffb\xe2\x80\xaegpj");
        assert_eq!(escape(name), "a\\u{1b}]52;c;x\\u{7}\\n\\xffb\\u{202e}gpj");
        assert_eq!(display_path(Path::new("Ferien/Überlingen 2024.jpg")), "Ferien/Überlingen 2024.jpg");
    }

    #[test]
    fn a_shell_reads_every_path_back() {
        let names: [&[u8]; 7] =
            [b"/m/a.jpg", b"/m/a b", b"it's", b"a\n\tb\xff.jpg", b"\xc3\xbc \\", b"$(x)`y`", b"\x01f"];
        for name in names {
            let word = shell_word(Path::new(OsStr::from_bytes(name)));
            let shown = Command::new("bash").arg("-c").arg(format!("printf %s {word}")).output().unwrap();
            assert_eq!(shown.stdout, name, "{word}");
        }
        assert_eq!(shell_word(Path::new("/q/files")), "/q/files");
    }
}
