//! What needs FFmpeg, behind an interface: its hundred and more libraries take longer to load than a photo takes to look at, and
//! more memory than most. Programs that have it [`install`] it; in others a file that needs it is noted ([`missed`]) for one that has.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::media::structure::bmff;
use crate::media::{Limits, Pixels, Source};
use crate::model::{DecodeError, DecoderId, MediaFormat, PixelSize};

use super::{Examined, Target, Wanted};

/// What a second decoder says of a coded item.
#[derive(Debug, PartialEq, Eq)]
pub enum Opinion {
    /// It decodes the item and finds nothing wrong.
    Sound,
    /// It says that the data is invalid.
    Refused(DecoderId),
    /// It is not there, or stopped for a reason of its own.
    None,
}

/// A decoded picture whose chroma has half as many samples both ways (4:2:0), of 8 bits that use their full range.
pub struct Planes<'a> {
    /// Of luma.
    pub size: PixelSize,
    /// Y, Cb and Cr: samples, and how many of them lie between the beginnings of two rows.
    pub planes: [(&'a [u8], usize); 3],
    /// What Y, Cb and Cr are made of: the number of the matrix (ITU-T H.273, 8.3).
    pub matrix: u16,
}

/// A film to decode, whose container was walked.
pub struct Film<'a, 'w> {
    /// Its container.
    pub format: MediaFormat,
    /// Its bytes.
    pub source: &'a Source<'a>,
    /// What is wanted of it.
    pub wanted: &'a Wanted<'w>,
    /// Packets are known to be lacking: what decoders complain about is then no damage.
    pub forgiving: bool,
}

/// FFmpeg, as the formats see it.
pub trait Films: Sync {
    /// Prepares its tables and silences it.
    fn prepare(&self);

    /// One of its decoders, with the version of libavcodec.
    fn id(&self, name: &str) -> DecoderId;

    /// An upper bound for the bytes that looking at a film holds.
    fn estimate(&self, format: MediaFormat, source: &Source<'_>, target: Target) -> u64;

    /// Demuxes a film to its end, decodes what the depth asks for, and the frame that stands for it.
    fn examine(&self, film: &Film<'_, '_>, examined: &mut Examined) -> Result<(), DecodeError>;

    /// The frame that Immich would show, at its native size, upright, as RGB.
    fn shown_frame(
        &self,
        source: &Source<'_>,
        format: MediaFormat,
        limits: &Limits,
    ) -> Result<Pixels, DecodeError>;

    /// Decodes one HEVC or AV1 item of a still picture, which needs about `memory` bytes.
    fn opinion(&self, kind: bmff::Kind, stream: &[u8], memory: u64) -> Opinion;

    /// Decodes HEVC pictures that depend on no other, one by one, and has each taken, as long as the taker wants more. `None` where one of
    /// them does not decode without complaint, or is of another kind than [`Planes`].
    fn stills(
        &self,
        streams: &mut dyn Iterator<Item = Vec<u8>>,
        taker: &mut dyn FnMut(&Planes<'_>) -> Option<()>,
    ) -> Option<()>;
}

static INSTALLED: OnceLock<&'static dyn Films> = OnceLock::new();
static MISSED: AtomicBool = AtomicBool::new(false);

/// From now on films are decoded by this. The first one stays.
pub fn install(films: &'static dyn Films) {
    let _ = INSTALLED.set(films);
}

/// Who decodes films in this program.
pub fn installed() -> Option<&'static dyn Films> {
    #[cfg(test)]
    install(&super::ffmpeg::Ffmpeg);
    INSTALLED.get().copied()
}

/// The same, for a file that needs it: that it is not there is remembered.
pub(super) fn needed() -> Option<&'static dyn Films> {
    let films = installed();
    if films.is_none() {
        MISSED.store(true, Ordering::Relaxed);
    }
    films
}

/// Whether a file has needed what is not there, since the last time somebody asked: whatever was said about it means nothing.
pub fn missed() -> bool {
    MISSED.swap(false, Ordering::Relaxed)
}
