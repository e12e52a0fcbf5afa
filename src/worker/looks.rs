//! What a file that is no picture looks like: evidence for people, and for the judge.

/// Beginnings of other kinds of files.
const KINDS: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "gzip data"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xfd7zXZ\0", "XZ data"),
    (b"BZh", "bzip2 data"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (b"%PDF-", "a PDF document"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\0\x05\x16\x07", "an AppleDouble file (macOS metadata)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE document (Thumbs.db, old Office)"),
    (b"ID3", "an MP3 audio file"),
    (b"fLaC", "a FLAC audio file"),
];
/// Beginnings of text, in lower case, after white space.
const TEXTS: &[(&str, &str)] = &[
    ("<!doctype html", "HTML text"),
    ("<html", "HTML text"),
    ("<?xml", "XML text"),
    ("<error", "XML text"),
    ("{", "JSON or similar text"),
    ("version https://git-lfs", "a Git LFS pointer"),
    ("%!ps", "PostScript text"),
];
/// Fewer bytes than this are not called text: three letters may begin anything.
const TEXT_LEAST: usize = 16;

/// In words, where it is plain; `whole` says that `head` is the whole file.
pub fn looks_like(head: &[u8], whole: bool) -> Option<String> {
    if head.is_empty() {
        return None;
    }
    if let Some(same) = one_byte(head) {
        let extent = if whole { "all" } else { "begins with" };
        return (head.len() >= TEXT_LEAST || whole).then(|| match same {
            0 => format!("{extent} zero bytes"),
            other => format!("{extent} bytes of 0x{other:02x}"),
        });
    }
    if let Some((_, name)) = KINDS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some((*name).to_owned());
    }
    text(head).map(str::to_owned)
}

/// The byte, when there is only one kind: erased flash is 0xff, a hole is 0.
fn one_byte(head: &[u8]) -> Option<u8> {
    let first = *head.first()?;
    (matches!(first, 0 | 0xff) && head.iter().all(|&byte| byte == first)).then_some(first)
}

fn text(head: &[u8]) -> Option<&'static str> {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character cut by the end of the head.
        Err(error) if head.len() - error.valid_up_to() < 4 => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    if valid.len() < TEXT_LEAST || !valid.chars().all(printable) {
        return None;
    }
    let start: String =
        valid.trim_start_matches('\u{feff}').trim_start().chars().take(32).collect::<String>().to_lowercase();
    Some(TEXTS.iter().find(|(begin, _)| start.starts_with(begin)).map_or("plain text", |(_, name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_cases() {
        let cases: [(&[u8], bool, Option<&str>); 10] = [
            (b"", true, None),
            (&[0; 4096], false, Some("begins with zero bytes")),
            (&[0; 700], true, Some("all zero bytes")),
            (&[0xff; 4096], false, Some("begins with bytes of 0xff")),
            (b"\n <!DOCTYPE html><title>502</title>", true, Some("HTML text")),
            (b"{\"message\": \"not found\"}", true, Some("JSON or similar text")),
            (b"dear diary, today nothing happened", true, Some("plain text")),
            (
                "ein längerer deutscher Satz ü".as_bytes().split_last().map_or(&[], |(_, rest)| rest),
                false,
                Some("plain text"),
            ),
            (b"\x1f\x8b\x08\0\0", true, Some("gzip data")),
            (b"\xde\xad\xbe\xef\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d", true, None),
        ];
        for (head, whole, expected) in cases {
            assert_eq!(looks_like(head, whole).as_deref(), expected, "{:?}", head.get(..8));
        }
    }
}
