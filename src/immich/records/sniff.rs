//! What is given as a dump and is not one that can be read here: each with the command that makes one.

use std::path::Path;

use super::RecordError;
use crate::model::display_path;

/// Bytes at the front that tell.
pub(super) const HEAD: u64 = 512;

/// The error for content that is not plain SQL, by its first bytes.
pub(super) fn foreign(head: &[u8], name: &str) -> Option<RecordError> {
    let error = |what: &str, remedy: String| {
        Some(RecordError::Format { path: name.to_owned(), what: what.to_owned(), remedy })
    };
    let quoted = quote(name);
    let is_tar = head.get(257..262) == Some(b"ustar");
    if head.starts_with(b"PGDMP") {
        return error("is a dump in PostgreSQL's custom format", format!("pg_restore -f out.sql {quoted}"));
    }
    if is_tar && head.starts_with(b"toc.dat\0") {
        return error("is a dump in PostgreSQL's tar format", format!("pg_restore -f out.sql {quoted}"));
    }
    for (magic, what, tool) in [
        (&b"\x28\xb5\x2f\xfd"[..], "is compressed with zstd", "zstd -dc"),
        (b"\xfd7zXZ\0", "is compressed with xz", "xz -dc"),
        (b"BZh", "is compressed with bzip2", "bzip2 -dc"),
        (b"\x04\x22\x4d\x18", "is compressed with lz4", "lz4 -dc"),
        (b"PK\x03\x04", "is a zip archive", "unzip -p"),
    ] {
        if head.starts_with(magic) {
            return error(what, format!("{tool} {quoted} > out.sql"));
        }
    }
    if is_tar {
        return error("is a tar archive", format!("tar -xOf {quoted} > out.sql"));
    }
    let redump = "pg_dump --clean --if-exists --file=out.sql immich".to_owned();
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return error("is text in UTF-16, as PowerShell's > writes it", redump);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let first = text.iter().position(|byte| !byte.is_ascii_whitespace()).and_then(|at| text.get(at..));
    let known: [&[u8]; 7] = [b"--", b"\\", b"SET ", b"SELECT ", b"COPY ", b"CREATE ", b"INSERT "];
    match first {
        Some(first) if !known.iter().any(|word| begins_alike(first, word)) => {
            error("is not a dump: its first bytes are neither a comment nor SQL", redump)
        }
        _ => None,
    }
}

/// Whether one begins with the other; a file may be cut within its first word.
fn begins_alike(text: &[u8], word: &[u8]) -> bool {
    text.starts_with(word) || word.starts_with(text)
}

/// The error for a folder.
pub(super) fn directory(path: &Path) -> RecordError {
    let name = display_path(path);
    if path.join("toc.dat").exists() {
        let remedy = format!("pg_restore -f out.sql {}", quote(&name));
        return RecordError::Format {
            path: name,
            what: "is a dump in PostgreSQL's directory format".to_owned(),
            remedy,
        };
    }
    let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
    RecordError::Read { path: name, source }
}

/// Refuses rows that are INSERT commands: a dump has them for all tables or for none.
pub(super) fn insert(line: &[u8], name: &str) -> Result<(), RecordError> {
    let is_row =
        line.starts_with(b"INSERT INTO public.") && memchr::memmem::find(line, b" VALUES ").is_some();
    if !is_row {
        return Ok(());
    }
    Err(RecordError::Format {
        path: name.to_owned(),
        what: "writes rows as INSERT commands (pg_dump --inserts)".to_owned(),
        remedy: "pg_dump --clean --if-exists --file=out.sql immich".to_owned(),
    })
}

/// Refuses text in an encoding in which paths would not be the bytes on disk.
pub(super) fn encoding(line: &[u8], name: &str) -> Result<(), RecordError> {
    let Some(encoding) =
        line.strip_prefix(b"SET client_encoding = '").and_then(|rest| rest.strip_suffix(b"';"))
    else {
        return Ok(());
    };
    if matches!(encoding, b"UTF8" | b"SQL_ASCII") {
        return Ok(());
    }
    Err(RecordError::Format {
        path: name.to_owned(),
        what: format!("is written in {}", String::from_utf8_lossy(encoding)),
        remedy: "pg_dump --encoding=UTF8 --clean --if-exists --file=out.sql immich".to_owned(),
    })
}

/// A file name as a shell takes it.
fn quote(name: &str) -> String {
    let plain =
        |ch: char| ch.is_alphanumeric() || matches!(ch, '/' | '.' | '-' | '_' | '+' | ',' | '=' | ':');
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', "'\\''"))
    }
}
