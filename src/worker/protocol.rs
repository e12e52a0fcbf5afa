//! What parent and worker say to each other.
//!
//! The worker opens with [`Reply::Hello`]. The parent sends [`Request::Examine`] with the open file beside it
//! (`SCM_RIGHTS`); the worker asks for memory with [`Reply::Need`] when the file needs more than its base
//! allowance, waits for [`Request::Granted`], and ends with [`Reply::Done`], or with [`Reply::NeedsFilms`]. Small files, such as thumbnails, go in
//! one [`Request::Batch`], answered by one [`Reply::Batch`]. Nothing a worker says is trusted: sizes are bounded
//! before reading.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::media::Limits;
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation, PixelSize};
use crate::render::{RenderError, RenderJob, RenderOutput};

/// Raised with every change of these types; parent and worker of different versions refuse each other.
pub const VERSION: u32 = 5;
/// Bytes of a text in a report: the last words of a decoder fit.
const MAX_TEXT: usize = 4000;
/// Oddities in a report.
const MAX_FAULTS: usize = 100;

/// Which hashes of the whole file are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HashWish {
    /// SHA-1, Immich's checksum.
    pub sha1: bool,
    /// BLAKE3, the catalog's.
    pub blake3: bool,
}

/// Look at one file. The descriptor travels beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Comes back in the report.
    pub id: u64,
    /// Extension of the name, lower case, a hint only.
    pub extension: String,
    /// How thoroughly.
    pub depth: Depth,
    /// Which hashes.
    pub hashes: HashWish,
    /// Pictures to make if the file decodes.
    pub render: Option<RenderJob>,
    /// Make the pictures even if the file is damaged (never for repair; Immich's own lenient mode).
    pub render_damaged: bool,
    /// The descriptor bypasses the page cache (`O_DIRECT`): everything is read at once, in whole blocks.
    pub direct: bool,
    /// Bytes a second at which it may be read; `None` = as fast as it comes.
    pub rate: Option<u64>,
    /// What it may cost.
    pub limits: Limits,
    /// Of a file on a share: so long may the worker sleep, which is what a read that never ends looks like. Watched by the parent.
    #[serde(skip)]
    pub patience: Option<Duration>,
}

/// From parent to worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A file to look at.
    Examine {
        /// What is wanted.
        job: Job,
        /// Send [`Reply::Known`] before decoding: the second try of a file that broke a worker.
        announce: bool,
    },
    /// Small files to look at one after the other; their descriptors travel beside it in the same order.
    Batch(Vec<Job>),
    /// The memory asked for may be used now.
    Granted,
    /// The memory asked for will never be there.
    Refused {
        /// The ceiling, in bytes.
        ceiling: u64,
    },
}

/// From worker to parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// Sent once after start: who is there and which protections took.
    Hello {
        /// [`VERSION`] of the worker.
        version: u32,
        /// For example `seccomp`, `landlock`, `no_new_privs`, `rlimits`.
        protections: Vec<String>,
        /// Protections that did not take, each with the reason.
        lacking: Vec<String>,
        /// Decoders of this program with their versions.
        decoders: Vec<DecoderId>,
    },
    /// The file in hand needs this much memory in all.
    Need {
        /// Bytes, whole file buffer included.
        bytes: u64,
    },
    /// The file in hand needs FFmpeg, which this program has not: nothing is said about it.
    NeedsFilms,
    /// What is known before a decoder is let at the bytes: format and hashes. Should the decoder die, this remains.
    Known(Box<MediaReport>),
    /// The answer.
    Done(Box<MediaReport>),
    /// The answers to a batch, in its order; `None` for a file that needs more than the allowance, or FFmpeg, which has to
    /// be asked for by itself.
    Batch(Vec<Option<MediaReport>>),
}

/// Everything one look at one file told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MediaReport {
    /// The job's id.
    pub id: u64,
    /// What the bytes are.
    pub format: MediaFormat,
    /// What the extension of the name promises.
    pub promised: Option<MediaFormat>,
    /// For content of no known format: what its beginning looks like (`all zero bytes`, `HTML text` ...),
    /// where that is plain.
    pub looks_like: Option<String>,
    /// Who decoded; absent when no decoder was asked (unknown format, read error).
    pub decoder: Option<DecoderId>,
    /// Oriented size in pixels.
    pub size: Option<PixelSize>,
    /// How to turn it upright.
    pub orientation: Orientation,
    /// The first thing that is wrong or impossible; `None` = sound at the depth asked for.
    pub problem: Option<DecodeError>,
    /// Who says so, where it is a check of ours and not the decoder.
    pub accuser: Option<DecoderId>,
    /// Oddities that are no damage.
    pub faults: Vec<Fault>,
    /// Share of the height, from the top, that is sound.
    pub sound_until: Option<f32>,
    /// Length of the file as read.
    pub bytes: u64,
    /// Bytes read from it.
    pub bytes_read: u64,
    /// The bytes came past the page cache, as [`Job::direct`] asked.
    pub direct: bool,
    /// SHA-1 of the whole file.
    pub sha1: Option<[u8; 20]>,
    /// BLAKE3 of the whole file.
    pub blake3: Option<[u8; 32]>,
    /// The pictures made, or why not; `None` when none were asked for or the file is not sound.
    pub rendered: Option<Result<RenderOutput, RenderError>>,
    /// Time in the worker, microseconds.
    pub micros: u64,
}

/// Cuts a text to `MAX_TEXT` bytes.
pub fn clip(text: &mut String) {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('\u{2026}');
    }
}

impl MediaReport {
    /// Nothing known yet.
    pub const fn new(id: u64) -> Self {
        Self {
            id,
            format: MediaFormat::Unknown,
            promised: None,
            looks_like: None,
            decoder: None,
            size: None,
            orientation: Orientation::UPRIGHT,
            problem: None,
            accuser: None,
            faults: Vec::new(),
            sound_until: None,
            bytes: 0,
            bytes_read: 0,
            direct: false,
            sha1: None,
            blake3: None,
            rendered: None,
            micros: 0,
        }
    }

    /// Cuts texts to a length that a person reads, and oddities to a number: a worker that a file has taken over
    /// may send megabytes of them.
    pub fn clip(&mut self) {
        for id in self.decoder.iter_mut().chain(&mut self.accuser) {
            clip(&mut id.name);
            clip(&mut id.version);
        }
        self.looks_like.iter_mut().for_each(clip);
        self.faults.truncate(MAX_FAULTS);
        for fault in &mut self.faults {
            clip(&mut fault.by.name);
            clip(&mut fault.by.version);
            fault.error.texts().into_iter().for_each(clip);
        }
        self.problem.iter_mut().flat_map(DecodeError::texts).for_each(clip);
        let refused = match &mut self.rendered {
            Some(Ok(made)) => made.refused.iter_mut().map(|refused| &mut refused.error).collect(),
            Some(Err(error)) => vec![error],
            None => Vec::new(),
        };
        for error in refused {
            clip(&mut error.step);
            clip(&mut error.what);
        }
    }

    /// Nothing known but why.
    pub fn failed(id: u64, problem: DecodeError) -> Self {
        Self { problem: Some(problem), ..Self::new(id) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn what_a_worker_says_is_cut_to_what_a_person_reads() {
        let long = "\u{e4}".repeat(1 << 20);
        let by = DecoderId { name: long.clone(), version: long.clone() };
        let error = DecodeError::malformed(long.clone(), 1);
        let mut report = MediaReport {
            looks_like: Some(long.clone()),
            decoder: Some(by.clone()),
            problem: Some(DecodeError::limit(long.clone(), long)),
            faults: vec![Fault { error, by }; 1000],
            ..MediaReport::new(1)
        };
        report.clip();
        assert!(postcard::to_allocvec(&report).unwrap().len() < 2 << 20);
        assert_eq!(report.faults.len(), MAX_FAULTS);
        let mut short = "as it is".to_owned();
        clip(&mut short);
        assert_eq!(short, "as it is");
    }
}
