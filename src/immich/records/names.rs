//! How recorded paths are taken apart, so that a million of them fit into memory.
//!
//! Most names begin with a UUID in lower case, and most folders of Immich are `<base>/ab/cd/` with the first four
//! characters of the name. Both are stored as the fact that they are so; everything else is stored as bytes.
//! Taking apart and putting together loses nothing, whatever the bytes are.

use std::fmt::Write as _;

use crate::model::AssetId;

/// A file name, parted behind the UUID that it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NameParts<'a> {
    /// The UUID at the front, when its letters are in lower case.
    pub id: Option<AssetId>,
    /// What follows; the whole name when there is no UUID.
    pub rest: &'a [u8],
}

impl<'a> NameParts<'a> {
    /// Takes a name apart.
    pub fn of(name: &'a [u8]) -> Self {
        name.split_at_checked(36)
            .filter(|(front, _)| !front.iter().any(u8::is_ascii_uppercase))
            .and_then(|(front, rest)| Some(Self { id: Some(AssetId::parse(front)?), rest }))
            .unwrap_or(Self { id: None, rest: name })
    }

    /// Puts the name together.
    pub fn write(&self, out: &mut Vec<u8>) {
        if let Some(id) = self.id {
            let mut text = String::with_capacity(36);
            let _ = write!(text, "{id}");
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(self.rest);
    }

    /// The first four characters, where Immich nests folders by them.
    pub fn nest(&self) -> Option<[u8; 4]> {
        if let Some(AssetId([a, b, ..])) = self.id {
            let digit = |value: u8| b"0123456789abcdef".get(usize::from(value)).copied();
            return Some([digit(a >> 4)?, digit(a & 15)?, digit(b >> 4)?, digit(b & 15)?]);
        }
        self.rest.first_chunk().copied()
    }
}

/// A recorded path in parts: `base` ends with its slash (or is empty), and a nested file lies in
/// `<base>ab/cd/` with `abcd` the beginning of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathParts<'a> {
    pub base: &'a [u8],
    pub nested: bool,
    pub name: &'a [u8],
}

impl<'a> PathParts<'a> {
    /// Takes a path apart.
    pub fn of(path: &'a [u8]) -> Self {
        let behind = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
        let (dir, name) = path.split_at_checked(behind).unwrap_or((b"", path));
        match nested_base(dir, name) {
            Some(base) => Self { base, nested: true, name },
            None => Self { base: dir, nested: false, name },
        }
    }

    /// Puts the path together.
    #[cfg(test)]
    pub fn join(&self) -> Vec<u8> {
        let mut out = self.base.to_vec();
        if let Some(nest) = NameParts::of(self.name).nest().filter(|_| self.nested) {
            write_nest(&mut out, nest);
        }
        out.extend_from_slice(self.name);
        out
    }
}

/// Appends `ab/cd/`.
pub(super) fn write_nest(out: &mut Vec<u8>, [a, b, c, d]: [u8; 4]) {
    out.extend_from_slice(&[a, b, b'/', c, d, b'/']);
}

/// `dir` without its last two levels, if these repeat the beginning of `name`.
fn nested_base<'a>(dir: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let nest @ [a, b, c, d] = *name.first_chunk::<4>()?;
    let base = dir.strip_suffix(&[b'/', a, b, b'/', c, d, b'/'])?;
    if base.is_empty() || !nest.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    dir.get(..=base.len())
}

/// For a folder that may be such a nested one: its base without the closing slash, and the four characters.
pub(super) fn split_nest(dir: &[u8]) -> Option<(&[u8], [u8; 4])> {
    let (base, tail) = dir.split_last_chunk::<6>()?;
    let [b'/', a, b, b'/', c, d] = *tail else { return None };
    let nest = [a, b, c, d];
    (!base.is_empty() && nest.iter().all(u8::is_ascii_alphanumeric)).then_some((base, nest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn immich_paths_share_their_base() {
        let path = b"/data/thumbs/u1/0d/5b/0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b_preview.jpeg";
        let parts = PathParts::of(path);
        assert_eq!(parts.base, b"/data/thumbs/u1/");
        assert!(parts.nested);
        let name = NameParts::of(parts.name);
        assert_eq!(name.rest, b"_preview.jpeg");
        assert_eq!(name.nest(), Some(*b"0d5b"));
        assert_eq!(split_nest(b"/data/thumbs/u1/0d/5b"), Some((&b"/data/thumbs/u1"[..], *b"0d5b")));
    }

    #[test]
    fn what_only_looks_nested_is_kept_as_it_is() {
        for path in [
            &b"/ab/cd/abcd.jpg"[..],
            b"ab/cd/abcd.jpg",
            b"x/../../....",
            b"x/ab/cd/abc",
            b"x/ab/cd/AbCd",
            b"",
            b"/",
            b"//a",
            b"a",
        ] {
            let parts = PathParts::of(path);
            assert!(!parts.nested, "{path:?}");
            assert_eq!(parts.join(), path);
        }
        assert_eq!(NameParts::of(b"0D5BBA40-7b5c-4e6a-9f0e-1c2d3e4f5a6b.jpg").id, None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(path in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(PathParts::of(&path).join(), path.clone());
            let mut name = Vec::new();
            NameParts::of(&path).write(&mut name);
            prop_assert_eq!(name, path);
        }

        #[test]
        fn likely_paths_come_back(path in "(/?[a-c.]{1,3}/)?[0-9a-b]{2}/[0-9a-b]{2}/[0-9a-b]{8}(-[0-9a-b]{4}){3}-[0-9a-bA-B]{12}[-_.a-z]{0,6}") {
            let path = path.into_bytes();
            prop_assert_eq!(PathParts::of(&path).join(), path.clone());
            let parts = PathParts::of(&path);
            let mut name = Vec::new();
            NameParts::of(parts.name).write(&mut name);
            prop_assert_eq!(name, parts.name);
        }
    }
}
