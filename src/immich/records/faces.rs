//! Which face stands for which person.
//!
//! A dump tells the faces before it tells which of them persons have chosen, and there are far more faces than persons. So
//! faces wait in a compact form until all rows are in.

use std::hash::{BuildHasher, RandomState};

use super::views::{AssetIdx, Face};
use crate::model::{AssetId, FaceBox};

/// Faces in one piece of memory: growing never copies what is there.
const PIECE: usize = 1 << 14;

/// One face; 24 bytes.
#[derive(Debug)]
struct Seen {
    /// Hash of its id.
    key: u64,
    asset: u32,
    place: FaceBox,
}

/// Faces and the persons that they may stand for.
#[derive(Debug, Default)]
pub(super) struct Faces {
    hasher: RandomState,
    seen: Vec<Vec<Seen>>,
    /// Hash of the face, number of the person.
    wanted: Vec<(u64, u32)>,
}

impl Faces {
    /// A face in a picture.
    pub fn see(&mut self, id: AssetId, asset: u32, place: FaceBox) {
        let face = Seen { key: self.hasher.hash_one(id), asset, place };
        match self.seen.last_mut().filter(|piece| piece.len() < PIECE) {
            Some(piece) => piece.push(face),
            None => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(face);
                self.seen.push(piece);
            }
        }
    }

    /// A person's own choice.
    pub fn want(&mut self, id: AssetId, person: u32) {
        self.wanted.push((self.hasher.hash_one(id), person));
    }

    /// Tells each person's face.
    pub fn settle(mut self, mut tell: impl FnMut(u32, Face)) {
        self.wanted.sort_unstable();
        for face in self.seen.into_iter().flatten() {
            let first = self.wanted.partition_point(|(key, _)| *key < face.key);
            let persons = self.wanted.iter().skip(first).take_while(|(key, _)| *key == face.key);
            for (_, person) in persons {
                tell(*person, Face { asset: AssetIdx(face.asset), place: face.place });
            }
        }
    }
}
