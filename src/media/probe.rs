//! Recognising formats by content.
//!
//! The first family of the registry whose match rules fit is the answer. The extension never proves anything; families whose
//! members look alike (camera raws built on TIFF) may use it to choose between members that all fit.

use crate::model::{DecodeError, MediaFormat};

use super::formats::{Format, REGISTRY};
use super::magic::{has, head};
use super::source::Source;

/// Which family the bytes belong to, and which of its formats they are. `None`: none that we know (or
/// the file cannot be read: whoever reads it next is told why).
pub fn probe(source: &Source<'_>) -> Option<(&'static dyn Format, MediaFormat)> {
    let head = head(source).ok()?;
    REGISTRY.iter().find_map(|family| Some((*family, family.recognise(&head, source)?)))
}

/// The formats that an extension (lower case, no dot) promises, in registry order; empty for extensions that promise
/// nothing we know.
pub fn promised(extension: &str) -> impl Iterator<Item = MediaFormat> {
    REGISTRY
        .iter()
        .flat_map(|family| family.specs())
        .filter(move |spec| spec.extensions.contains(&extension))
        .map(|spec| spec.format)
}

/// Whether a name with this extension (lower case, no dot) is right for these bytes. Names that promise nothing are never wrong.
pub fn name_agrees(extension: &str, found: MediaFormat) -> bool {
    let mut formats = promised(extension).peekable();
    formats.peek().is_none() || formats.any(|format| format == found)
}

/// What to say of a file that [`probe`] does not know: damage only where the name promises a format whose beginning is fixed.
pub fn unrecognised(source: &Source<'_>) -> DecodeError {
    if source.is_empty() {
        return DecodeError::Truncated {
            what: "the file is empty".into(),
            offset: Some(0),
            expected: None,
            found: Some(0),
        };
    }
    let head = match head(source) {
        Ok(head) => head,
        Err(error) => return error,
    };
    if head.iter().all(|&byte| byte == 0) {
        return DecodeError::malformed("the file begins with zero bytes only", 0);
    }
    let begins: String = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let promises: Vec<MediaFormat> = promised(source.extension).collect();
    // Whatever the name, nothing that is shown begins as a page of the web does.
    if !promises.is_empty() && is_web_page(&head) {
        return DecodeError::malformed("the content is a web page", 0);
    }
    let fixed = !promises.is_empty()
        && (promises.iter().copied().all(begins_alike) || SIGNED_RAWS.contains(&source.extension));
    if fixed && !has(&head, 4, b"ftyp") {
        let names: Vec<&str> = promises.iter().map(|format| format.as_str()).collect();
        return DecodeError::malformed(
            format!(
                "the name promises {}, the content begins with {begins}, which is no format known here",
                names.join(" or ")
            ),
            0,
        );
    }
    DecodeError::unsupported(format!("no format known here begins with {begins}"))
}

/// HTML, as servers send it in place of a file.
fn is_web_page(head: &[u8]) -> bool {
    let begin = head.trim_ascii_start();
    ["<!doctype html", "<html"]
        .iter()
        .any(|tag| begin.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag.as_bytes())))
}

/// Names of camera raws that have one beginning each: TIFF with its variants, or a signature of the maker's. `raw` and others
/// have been used for bare dumps of sensors.
const SIGNED_RAWS: [&str; 25] = [
    "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "gpr", "iiq", "kdc", "mrw", "nef", "nrw",
    "orf", "ori", "pef", "raf", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
];

/// Whether every file of the format begins with the same few bytes.
const fn begins_alike(format: MediaFormat) -> bool {
    use MediaFormat as F;
    matches!(
        format,
        F::Jpeg
            | F::Png
            | F::Gif
            | F::Webp
            | F::Bmp
            | F::Tiff
            | F::Heic
            | F::Avif
            | F::Jxl
            | F::Jp2
            | F::Psd
            | F::Matroska
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a panic is a failed test")]

    use std::fs::File;

    use super::*;

    fn said(bytes: &[u8], extension: &str) -> DecodeError {
        let nothing = File::open("/dev/null").expect("it opens");
        unrecognised(&Source::new(&nothing, bytes.len() as u64, Some(bytes), extension))
    }

    #[test]
    fn a_web_page_under_the_name_of_any_picture_is_damage() {
        let page = b"\n<!doctype HTML>\n<html><body>502 Bad Gateway</body></html>";
        for extension in ["jpg", "raw", "kdc", "mov"] {
            assert!(said(page, extension).damage().is_some(), "{extension}");
        }
        assert!(said(page, "unheard").damage().is_none());
    }

    #[test]
    fn raws_with_one_beginning_are_told_from_dumps() {
        let noise = [0x5A, 0x13, 0x77, 0x91].repeat(32);
        assert!(said(&noise, "nef").damage().is_some());
        assert!(said(&noise, "raw").damage().is_none());
    }
}
