//! What a report shows of an asset beside its findings: what people know it by, and small pictures of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::asset::{AssetId, Role};
use super::media::PixelSize;

/// What people know an asset by. Empty text is not known.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetFacts {
    /// Which asset.
    pub asset: AssetId,
    /// The user's own file name.
    pub name: String,
    /// Name of the user who owns it.
    pub owner: String,
    /// Names of the albums it is in; `None` = not known.
    pub albums: Option<Vec<String>>,
    /// When it was taken, on the clock of that place: `2024-05-01 10:00`.
    pub taken: String,
    /// The camera or phone.
    pub device: String,
}

/// What a small picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shows {
    /// A file with something wrong, as far as it decodes.
    Found,
    /// The file that was made in its place.
    Made,
    /// The best sound picture of an asset in which something else is wrong.
    Left,
}

impl Shows {
    /// The word in the record of a run.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Made => "made",
            Self::Left => "left",
        }
    }
}

/// A small WebP that a worker has made of a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallPicture {
    /// The asset.
    pub asset: AssetId,
    /// What the file is for.
    pub role: Role,
    /// What it shows.
    pub shows: Shows,
    /// Its own size.
    pub size: PixelSize,
    /// How much of what it shows the damaged file has lost, in percent of the height from the bottom; 0 = nothing, or unknown.
    pub lost: u8,
    /// The encoded picture.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub webp: Vec<u8>,
}

impl fmt::Debug for SmallPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SmallPicture({} {} of {}, {} bytes)",
            self.shows.as_str(),
            self.role,
            self.asset,
            self.webp.len()
        )
    }
}

impl SmallPicture {
    /// The encoded picture as base64.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.webp)
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
