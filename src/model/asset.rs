//! Assets and the roles that files play for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An Immich row id (asset, user, person): a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct AssetId(pub [u8; 16]);

impl AssetId {
    /// Reads the hyphenated form of 36 hexadecimal characters, any case.
    ///
    /// Returns `None` for everything else; no other UUID notation appears in Immich's paths or rows.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let mut out = [0u8; 16];
        let mut digits = 0usize;
        for (position, &byte) in text.iter().enumerate() {
            if matches!(position, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let value = u8::try_from(char::from(byte).to_digit(16)?).ok()?;
            let slot = out.get_mut(digits / 2)?;
            *slot = (*slot << 4) | value;
            digits += 1;
        }
        Some(Self(out))
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AssetId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes()).ok_or_else(|| format!("not an asset id: {text:?}"))
    }
}

impl Serialize for AssetId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AssetId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The user's own file; never written by photofsck.
    Original,
    /// The large generated picture, 1440 pixels on its shorter side by default.
    Preview,
    /// The small generated picture, 250 pixels on its shorter side by default.
    Thumbnail,
    /// The generated full-resolution picture of an original that browsers cannot show.
    Fullsize,
    /// A face crop.
    Person,
    /// A transcode.
    Video,
    /// An XMP sidecar.
    Sidecar,
    /// A user's avatar.
    Profile,
    /// A file whose path does not tell its role.
    Unknown,
}

impl Role {
    /// All roles, in the order in which they are listed to people.
    pub const ALL: [Self; 9] = [
        Self::Original,
        Self::Preview,
        Self::Thumbnail,
        Self::Fullsize,
        Self::Person,
        Self::Video,
        Self::Sidecar,
        Self::Profile,
        Self::Unknown,
    ];

    /// The word used in codes and NDJSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Preview => "preview",
            Self::Thumbnail => "thumbnail",
            Self::Fullsize => "fullsize",
            Self::Person => "person",
            Self::Video => "video",
            Self::Sidecar => "sidecar",
            Self::Profile => "profile",
            Self::Unknown => "unknown",
        }
    }

    /// Whether Immich made the file and can make it again.
    pub const fn is_generated(self) -> bool {
        matches!(self, Self::Preview | Self::Thumbnail | Self::Fullsize | Self::Person | Self::Video)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn ids_round_trip_and_reject_other_notations() {
        let text = "0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b";
        let id = AssetId::parse(text.as_bytes()).expect("valid");
        assert_eq!(id.to_string(), text);
        assert_eq!(AssetId::parse(text.to_uppercase().as_bytes()), Some(id));
        assert_eq!(AssetId::parse(b"0d5bba407b5c4e6a9f0e1c2d3e4f5a6b"), None);
        assert_eq!(AssetId::parse(b"0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6"), None);
        assert_eq!(AssetId::parse(b"0d5bba40x7b5c-4e6a-9f0e-1c2d3e4f5a6b"), None);
    }
}
