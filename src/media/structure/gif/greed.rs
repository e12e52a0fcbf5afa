//! What LZW encoders never write: two codes where there is one for both.
//!
//! An encoder takes the longest run that it has a code for. A run and the first pixel behind it are therefore never a run together
//! that the table has, whatever the picture. A code that was changed puts wrong runs into the table, and lacks the right
//! ones: sooner or later that shows. All is well again with the next table, which a clear code begins.
//!
//! Not all encoders are so strict: some write short runs on purpose, as a habit. So what counts is the exception, in the codes of a
//! single table, where very many others have none. One that is known forgets the 17th successor of every run
//! (weezl, `Tree::append`): that is passed over.

/// Codes that have to be there in tables without such a pair.
const PROOF: usize = 3000;
/// Number of the successor that an encoder forgets, from 0.
const FORGOTTEN: u16 = 16;

/// What is known of the codes of a file.
#[derive(Debug, Default)]
pub struct Greed {
    /// Codes of tables without a pair.
    clean: usize,
    /// Tables with some.
    broken: usize,
    /// Where the first pair is.
    first: Option<usize>,
    /// Of the table at hand.
    codes: usize,
    pairs: usize,
    /// Memory for the next frame: two megabytes are too much to ask for with each of thousands.
    successors: Vec<u16>,
}

impl Greed {
    /// Memory that an earlier frame left.
    pub fn take_successors(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.successors)
    }

    /// A code that is no part of a pair; or one that is, behind a run that had so many successors when it got this one.
    pub fn code(&mut self, pair: Option<u16>, at: usize) {
        if pair.is_some_and(|number| number != FORGOTTEN) {
            self.pairs += 1;
            self.first.get_or_insert(at);
        }
        self.codes += 1;
    }

    /// The end of a frame, and of its last table.
    pub fn end(&mut self, successors: Vec<u16>) {
        self.end_table();
        self.successors = successors;
    }

    /// The end of a table.
    pub fn end_table(&mut self) {
        match std::mem::take(&mut self.pairs) {
            0 => self.clean += self.codes,
            _ => self.broken += 1,
        }
        self.codes = 0;
    }

    /// Where the codes are not those that were written, if that is clear. After all tables have ended.
    pub fn broken_at(&self) -> Option<usize> {
        self.first.filter(|_| self.broken == 1 && self.clean >= PROOF)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a panic is a failed test"
    )]

    use std::collections::HashMap;

    use super::super::{Frame, Pixels, read};
    use super::*;
    use crate::model::{DecodeError, PixelSize};

    const WIDE: usize = 250;
    const HIGH: usize = 200;

    fn frame(data: &[u8]) -> Frame {
        Frame {
            at: 0,
            left: 0,
            top: 0,
            size: PixelSize::new(WIDE as u32, HIGH as u32),
            interlaced: false,
            palette: None,
            transparent: None,
            code_size: 8,
            blocks: vec![0..data.len() / 2, data.len() / 2..data.len()],
        }
    }

    fn dice(state: &mut u32) -> u32 {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *state >> 16
    }

    /// Waves with some noise, in 250 colours.
    fn picture() -> Vec<u8> {
        let mut state = 1;
        let wave = |at: usize| (at % WIDE * 3 / 5 + at / WIDE / 3) as u32;
        (0..WIDE * HIGH).map(|at| (wave(at) + dice(&mut state) % 4) as u8 % 250).collect()
    }

    /// Codes of a picture, by an encoder that passes over one of so many chances to go on with a run.
    fn encode(picture: &[u8], lazy: Option<u32>) -> Vec<u8> {
        let (mut data, mut held, mut count, mut width) = (Vec::new(), 0u32, 0, 9);
        let mut put = |code: u32, width: u32| {
            held |= code << count;
            count += width;
            while count >= 8 {
                data.push(held as u8);
                held >>= 8;
                count -= 8;
            }
        };
        put(256, 9);
        let (mut table, mut next, mut state) = (HashMap::new(), 258, 5);
        let mut run = u32::from(picture[0]);
        for &index in &picture[1..] {
            let tired = lazy.is_some_and(|one_of| dice(&mut state).is_multiple_of(one_of));
            match table.get(&(run, index)) {
                Some(&code) if !tired => run = code,
                _ => {
                    put(run, width);
                    table.insert((run, index), next);
                    width += u32::from(next == 1 << width);
                    next += 1;
                    run = index.into();
                    if next == 4096 {
                        put(256, width.min(12));
                        table.clear();
                        (next, width) = (258, 9);
                    }
                }
            }
        }
        put(run, width);
        put(257, width);
        put(0, 8);
        data
    }

    /// Where codes are found to be others, in data that gives exactly the pixels.
    fn look(data: &[u8]) -> Result<Option<usize>, DecodeError> {
        let mut greed = Greed::default();
        match read(data, &frame(data), false, &mut greed)? {
            Pixels { extra: 0, no_end_code: false, .. } => Ok(greed.broken_at()),
            _ => Err(DecodeError::malformed("other pixels", 0)),
        }
    }

    #[test]
    fn changed_codes_that_give_as_many_pixels_are_found() {
        let sound = encode(&picture(), None);
        assert_eq!(look(&sound), Ok(None));
        let (mut found, mut all, mut state) = (0, 0, 3);
        for _ in 0..600 {
            let mut data = sound.clone();
            let at = dice(&mut state) as usize % data.len();
            data[at] ^= 1 << (dice(&mut state) % 8);
            let Ok(answer) = look(&data) else { continue };
            all += 1;
            found += usize::from(answer.is_some());
            assert!(answer.is_none_or(|place| place + 2 > at), "not before the change");
        }
        assert!(all > 200 && found * 100 > all * 15, "{found} of {all}");
    }

    #[test]
    fn the_habits_of_encoders_are_left_alone() {
        for one_of in [5, 50, 500, 3000] {
            assert_eq!(look(&encode(&picture(), Some(one_of))), Ok(None), "{one_of}");
        }
        // One that forgets.
        let mut file = Vec::new();
        let mut encoder = gif::Encoder::new(&mut file, WIDE as u16, HIGH as u16, &[0; 768]).unwrap();
        encoder
            .write_frame(&gif::Frame::from_indexed_pixels(WIDE as u16, HIGH as u16, picture(), None))
            .unwrap();
        drop(encoder);
        let frames = super::super::walk(&file).frames;
        let mut greed = Greed::default();
        read(&file, &frames[0], false, &mut greed).unwrap();
        assert!(greed.clean > PROOF && greed.broken == 0, "{} codes, {} tables", greed.clean, greed.broken);
    }
}
