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
        if let Some(piece) = self.seen.last_mut().filter(|piece| piece.len() < PIECE) {
            piece.push(face);
        } else {
            let mut piece = Vec::with_capacity(PIECE);
            piece.push(face);
            self.seen.push(piece);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn id(number: u32) -> AssetId {
        let mut bytes = [0; 16];
        bytes.split_at_mut(4).0.copy_from_slice(&number.to_be_bytes());
        AssetId(bytes)
    }

    #[test]
    fn every_person_gets_the_chosen_face_whatever_comes_first() {
        let place =
            |number: u32| FaceBox::new((60_000, 60_000), (i64::from(number), 0), (60_000, 9)).unwrap();
        let mut faces = Faces::default();
        let count = u32::try_from(PIECE).unwrap() * 2 + 5;
        for number in 0..count {
            faces.see(id(number), number / 3, place(number));
            if number % 100 == 0 {
                // Chosen before it is met, and long after; one face may stand for two.
                faces.want(id(number + 50), number);
                faces.want(id(number / 2), number + 1);
            }
        }
        faces.want(id(count + 1), 77);
        let mut told = std::collections::BTreeMap::new();
        faces.settle(|person, face| assert_eq!(told.insert(person, face), None));
        for number in (0..count - 50).step_by(100) {
            for (person, face) in [(number, number + 50), (number + 1, number / 2)] {
                assert_eq!(told.get(&person), Some(&Face { asset: AssetIdx(face / 3), place: place(face) }));
            }
        }
        assert!(!told.contains_key(&77));
        assert_eq!(size_of::<Seen>(), 24, "there may be millions of them");
    }
}
