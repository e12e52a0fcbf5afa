//! PostgreSQL's COPY text format: one row a line, fields parted by tabs, backslash escapes.
//!
//! Dumps are made of it, and a live database speaks it on request, so both are read by the same code.
//! (PostgreSQL manual, COPY, "Text Format".)

use std::borrow::Cow;

/// The line that begins the rows of a table in a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CopyHeader {
    pub schema: String,
    pub table: String,
    pub columns: Vec<String>,
}

impl CopyHeader {
    /// Reads `COPY schema.table (column, "Column") FROM stdin;`.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"COPY ")?.strip_suffix(b" FROM stdin;")?;
        let rest = std::str::from_utf8(rest).ok()?;
        let (schema, rest) = identifier(rest)?;
        let (table, rest) = identifier(rest.strip_prefix('.')?)?;
        let list = rest.trim();
        let mut columns = Vec::new();
        if !list.is_empty() {
            let mut list = list.strip_prefix('(')?.strip_suffix(')')?;
            loop {
                let (column, rest) = identifier(list.trim_start())?;
                columns.push(column);
                match rest.strip_prefix(',') {
                    Some(more) => list = more,
                    None if rest.is_empty() => break,
                    None => return None,
                }
            }
        }
        Some(Self { schema, table, columns })
    }

    /// The table's name as it is used here: tables outside `public` carry their schema.
    pub fn qualified(&self) -> Cow<'_, str> {
        if self.schema == "public" {
            Cow::Borrowed(&self.table)
        } else {
            Cow::Owned(format!("{}.{}", self.schema, self.table))
        }
    }
}

/// An SQL identifier at the front of `text`, and what follows.
pub(super) fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(mut quoted) = text.strip_prefix('"') else {
        let end =
            text.find(|ch: char| !(ch.is_alphanumeric() || ch == '_' || ch == '$')).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        return (!name.is_empty()).then(|| (name.to_owned(), rest));
    };
    let mut name = String::new();
    loop {
        let (part, rest) = quoted.split_once('"')?;
        name.push_str(part);
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                quoted = more;
            }
            None => return Some((name, rest)),
        }
    }
}

/// The text of a field; `None` = NULL.
pub(super) fn text(field: &[u8]) -> Option<Cow<'_, [u8]>> {
    if field == b"\\N" {
        return None;
    }
    let Some(first) = memchr::memchr(b'\\', field) else { return Some(Cow::Borrowed(field)) };
    let (plain, mut rest) = field.split_at_checked(first)?;
    let mut out = Vec::with_capacity(field.len());
    out.extend_from_slice(plain);
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'\\' {
            let (value, behind) = escape(rest);
            out.extend(value);
            rest = behind;
        } else {
            out.push(byte);
        }
    }
    Some(Cow::Owned(out))
}

/// The byte that an escape stands for, and what follows. A backslash at the very end stands for nothing.
fn escape(rest: &[u8]) -> (Option<u8>, &[u8]) {
    let Some((&letter, behind)) = rest.split_first() else { return (None, rest) };
    let value = match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'0'..=b'7' => return digits(rest, 3, 8),
        b'x' if behind.first().is_some_and(u8::is_ascii_hexdigit) => return digits(behind, 2, 16),
        other => other,
    };
    (Some(value), behind)
}

/// Up to `most` digits; the value keeps its low eight bits, as in PostgreSQL.
fn digits(text: &[u8], most: usize, radix: u32) -> (Option<u8>, &[u8]) {
    let (mut value, mut rest, mut taken) = (0u32, text, 0);
    while let Some((&byte, behind)) = rest.split_first().filter(|_| taken < most) {
        let Some(digit) = char::from(byte).to_digit(radix) else { break };
        value = value * radix + digit;
        rest = behind;
        taken += 1;
    }
    (u8::try_from(value & 0xff).ok(), rest)
}

/// Bytes from the text of a `bytea`: `\x` and hexadecimal digits, or the older escape format.
pub(super) fn bytea(text: &[u8]) -> Option<Vec<u8>> {
    if let Some(hex) = text.strip_prefix(b"\\x") {
        let pairs = hex.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return None;
        }
        let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
        return pairs
            .map(|pair| match pair {
                [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
                _ => None,
            })
            .collect();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            out.push(byte);
        } else if let Some(behind) = rest.strip_prefix(b"\\") {
            out.push(b'\\');
            rest = behind;
        } else {
            let octal = rest.first_chunk::<3>()?;
            if !octal.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
                return None;
            }
            let (value, behind) = digits(rest, 3, 8);
            out.push(value?);
            rest = behind;
        }
    }
    Some(out)
}

/// The elements of a one-dimensional array; NULL elements are left out. `None` when it is not one.
pub(super) fn array(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = text.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let mut out = Vec::new();
    if rest.is_empty() {
        return Some(out);
    }
    loop {
        let (element, behind) = if let Some(quoted) = rest.strip_prefix(b"\"") {
            let (element, behind) = quoted_element(quoted)?;
            (Some(element), behind)
        } else {
            let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
            let (element, behind) = rest.split_at_checked(end)?;
            if element.is_empty() || element.iter().any(|byte| matches!(byte, b'{' | b'}' | b'"')) {
                return None;
            }
            ((!element.eq_ignore_ascii_case(b"null")).then(|| element.to_vec()), behind)
        };
        out.extend(element);
        match behind.split_first() {
            None => return Some(out),
            Some((b',', more)) => rest = more,
            Some(_) => return None,
        }
    }
}

/// An element behind its opening quote, and what follows its closing one.
fn quoted_element(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        let (&byte, behind) = rest.split_first()?;
        match byte {
            b'"' => return Some((out, behind)),
            b'\\' => {
                let (&escaped, behind) = behind.split_first()?;
                out.push(escaped);
                rest = behind;
            }
            other => {
                out.push(other);
                rest = behind;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers() {
        let header =
            CopyHeader::parse(b"COPY public.asset (id, \"originalPath\", type) FROM stdin;").unwrap();
        assert_eq!(header.qualified(), "asset");
        assert_eq!(header.columns, ["id", "originalPath", "type"]);
        let header =
            CopyHeader::parse(b"COPY public.\"user\" (\"a \"\"b\"\"\", \", (\") FROM stdin;").unwrap();
        assert_eq!(header.table, "user");
        assert_eq!(header.columns, ["a \"b\"", ", ("]);
        let header = CopyHeader::parse(b"COPY immich_fork.x  FROM stdin;").unwrap();
        assert_eq!((&*header.qualified(), header.columns.len()), ("immich_fork.x", 0));
        for bad in [
            "COPY public.a (b FROM stdin;",
            "COPY a (b) FROM stdin;",
            "COPY public.a (b) TO stdout;",
            "COPY ",
        ] {
            assert_eq!(CopyHeader::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn escapes() {
        for (field, expected) in [
            (&b"a\\tb\\nc\\\\d\\rx"[..], &b"a\tb\nc\\d\rx"[..]),
            (b"\\101\\x41\\x4a!\\7", b"AAJ!\x07"),
            (b"\\q\\x", b"qx"),
            (b"\\", b""),
            (b"\\\\N", b"\\N"),
            (b"", b""),
            (b"\xff\xfe", b"\xff\xfe"),
        ] {
            assert_eq!(text(field).as_deref(), Some(expected), "{field:?}");
        }
        assert_eq!(text(b"\\N"), None);
    }

    #[test]
    fn bytes_and_arrays() {
        assert_eq!(bytea(b"\\x00fFa1").unwrap(), [0, 255, 161]);
        assert_eq!(bytea(b"\\x"), Some(vec![]));
        assert_eq!(bytea(b"\\x0"), None);
        assert_eq!(bytea(b"\\xzz"), None);
        assert_eq!(bytea(b"a\\\\\\000\\377").unwrap(), b"a\\\x00\xff");
        assert_eq!(bytea(b"\\9"), None);
        assert_eq!(array(b"{}").unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(
            array(b"{/mnt/a,\"b c\",NULL,\"q\\\"\\\\\",\"NULL\",\"\"}").unwrap(),
            [&b"/mnt/a"[..], b"b c", b"q\"\\", b"NULL", b""]
        );
        for bad in ["", "{", "{a", "{a,}", "{{a}}", "{\"a}", "{\"a\"b}", "a"] {
            assert_eq!(array(bad.as_bytes()), None, "{bad}");
        }
    }

    /// How PostgreSQL writes a field.
    fn escaped(value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &byte in value {
            match byte {
                b'\\' => out.extend(b"\\\\"),
                b'\n' => out.extend(b"\\n"),
                b'\r' => out.extend(b"\\r"),
                b'\t' => out.extend(b"\\t"),
                8 => out.extend(b"\\b"),
                11 => out.extend(b"\\v"),
                12 => out.extend(b"\\f"),
                other => out.push(other),
            }
        }
        out
    }

    fn array_text(elements: &[Vec<u8>]) -> Vec<u8> {
        let quoted: Vec<Vec<u8>> = elements
            .iter()
            .map(|element| {
                let mut out = vec![b'"'];
                for &byte in element {
                    if matches!(byte, b'"' | b'\\') {
                        out.push(b'\\');
                    }
                    out.push(byte);
                }
                out.push(b'"');
                out
            })
            .collect();
        [&b"{"[..], &quoted.join(&b','), b"}"].concat()
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            let field = escaped(&value);
            prop_assert!(!field.contains(&b'\t') && !field.contains(&b'\n'));
            prop_assert_eq!(text(&field).unwrap().into_owned(), value);
        }

        #[test]
        fn any_array_comes_back(elements in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 0..5)) {
            let field = escaped(&array_text(&elements));
            prop_assert_eq!(array(&text(&field).unwrap()), Some(elements));
        }

        #[test]
        fn nothing_panics(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (text(&value), bytea(&value), array(&value), CopyHeader::parse(&value));
            let line = [&b"COPY public."[..], &value, b" FROM stdin;"].concat();
            let _ = CopyHeader::parse(&line);
        }
    }
}
