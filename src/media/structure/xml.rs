//! Whether XML is well-formed (XML 1.0, fifth edition) as far as damage can be told by it: markup closed, elements
//! nested, one root, legal characters. Entities and names are not looked into.

use std::borrow::Cow;

use crate::model::DecodeError;

/// Elements deeper than this are no metadata.
const MAX_DEPTH: usize = 1000;
/// Characters of a name that are quoted.
const SHOWN: usize = 60;

/// Checks a whole document, in UTF-8 or UTF-16 with a byte order mark.
pub fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    let text = decode(bytes)?;
    // Padding with zero bytes behind the document is left by some writers; anywhere else a zero is damage.
    let text = text.trim_end_matches('\0');
    if text.trim().is_empty() {
        return Err(DecodeError::truncated("no element in the document", 0));
    }
    let mut walker = Walker { text, at: 0, open: Vec::new(), root: false };
    walker.walk()
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    let units = |from: fn([u8; 2]) -> u16| -> Result<Cow<'_, str>, DecodeError> {
        let pairs = bytes.get(2..).unwrap_or_default().chunks_exact(2);
        let units =
            pairs.map(|pair| from([pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0)]));
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .map(Cow::Owned)
            .map_err(|_| DecodeError::malformed("text that is no UTF-16", None))
    };
    match bytes {
        [0xFF, 0xFE, ..] => units(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => units(u16::from_be_bytes),
        _ => {
            let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            match std::str::from_utf8(text) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                // Cut inside a character.
                Err(error) if error.error_len().is_none() => {
                    Err(DecodeError::truncated("the text", bytes.len() as u64))
                }
                // Another encoding may have been declared; its markup is plain ASCII all the same.
                Err(_) if declares_encoding(text) => {
                    Ok(Cow::Owned(text.iter().map(|&byte| byte as char).collect()))
                }
                Err(error) => {
                    Err(DecodeError::malformed("text that is no UTF-8", error.valid_up_to() as u64))
                }
            }
        }
    }
}

/// Whether the XML declaration names an encoding other than UTF-8.
pub fn declares_encoding(text: &[u8]) -> bool {
    let head = text.get(..text.len().min(200)).unwrap_or_default().to_ascii_lowercase();
    memchr::memmem::find(&head, b"encoding=").is_some() && memchr::memmem::find(&head, b"utf-8").is_none()
}

struct Walker<'a> {
    text: &'a str,
    at: usize,
    open: Vec<&'a str>,
    root: bool,
}

impl<'a> Walker<'a> {
    fn walk(&mut self) -> Result<(), DecodeError> {
        while let Some(found) = self.rest().find('<') {
            self.content(found)?;
            self.at += found;
            let rest = self.rest();
            if rest.starts_with("<!--") {
                self.skip_past("-->", "a comment")?;
            } else if rest.starts_with("<![CDATA[") {
                self.skip_past("]]>", "a CDATA section")?;
            } else if rest.starts_with("<?") {
                self.skip_past("?>", "a processing instruction")?;
            } else if rest.starts_with("<!") {
                self.skip_past(">", "a declaration")?;
            } else {
                self.tag()?;
            }
        }
        self.content(self.rest().len())?;
        match self.open.last() {
            Some(name) => {
                let what = format!("element {} is not closed", shown(name));
                Err(DecodeError::truncated(what, self.text.len() as u64))
            }
            None if !self.root => Err(DecodeError::truncated("no element in the document", 0)),
            None => Ok(()),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Text between markup.
    fn content(&self, length: usize) -> Result<(), DecodeError> {
        let text = self.rest().get(..length).unwrap_or_default();
        legal(text, self.at)?;
        if self.open.is_empty()
            && !text.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}').is_empty()
        {
            return Err(DecodeError::malformed("text outside of the root element", self.at as u64));
        }
        Ok(())
    }

    fn skip_past(&mut self, end: &str, what: &str) -> Result<(), DecodeError> {
        let Some(found) = self.rest().find(end) else {
            return Err(DecodeError::truncated(format!("{what} is not closed"), self.text.len() as u64));
        };
        legal(self.rest().get(..found).unwrap_or_default(), self.at)?;
        self.at += found + end.len();
        Ok(())
    }

    fn tag(&mut self) -> Result<(), DecodeError> {
        let rest = self.rest();
        let mut quote = None;
        let end = rest.char_indices().skip(1).find(|&(_, c)| match (quote, c) {
            (None, '"' | '\'') => {
                quote = Some(c);
                false
            }
            (Some(open), c) if open == c => {
                quote = None;
                false
            }
            (None, '>') => true,
            _ => false,
        });
        let Some((end, _)) = end else {
            return Err(DecodeError::truncated("a tag is not closed", self.text.len() as u64));
        };
        let inside = rest.get(1..end).unwrap_or_default();
        legal(inside, self.at)?;
        let at = self.at as u64;
        let name =
            |text: &'a str| text.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        if let Some(closing) = inside.strip_prefix('/') {
            let closing = name(closing);
            if self.open.pop() != Some(closing) {
                let what = format!("</{}> closes nothing that is open", shown(closing));
                return Err(DecodeError::malformed(what, at));
            }
        } else {
            let opening = name(inside);
            if !opening.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == ':') {
                return Err(DecodeError::malformed("a tag without a name", at));
            }
            if self.open.is_empty() && self.root {
                return Err(DecodeError::malformed("a second root element", at));
            }
            self.root = true;
            if !inside.ends_with('/') {
                self.open.push(opening);
            }
            if self.open.len() > MAX_DEPTH {
                return Err(DecodeError::limit("nested elements", format!("{MAX_DEPTH} levels")));
            }
        }
        self.at += end + 1;
        Ok(())
    }
}

/// A name as it is quoted in a report: what is broken may call half the file a name.
fn shown(name: &str) -> &str {
    name.char_indices().nth(SHOWN).map_or(name, |(end, _)| name.get(..end).unwrap_or_default())
}

/// Control characters do not occur in XML.
fn legal(text: &str, at: usize) -> Result<(), DecodeError> {
    match text.find(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{7F}'..='\u{9F}')) {
        Some(found) => Err(DecodeError::malformed("a character that XML does not have", (at + found) as u64)),
        None => Ok(()),
    }
}
