//! Everything that is done with FFmpeg.

mod frame;
mod input;
mod messages;
mod second;
mod stills;
mod verify;

use crate::media::structure::bmff;
use crate::media::{Limits, Pixels, Source};
use crate::model::{DecodeError, DecoderId, Depth, Fault, MediaFormat, PixelSize};

use super::deadline::Deadline;
use super::films::{Film, Films, Opinion, Planes};
use super::{Examined, Target, Wanted, decoder_id, video, within_limits};

/// The system's FFmpeg.
pub struct Ffmpeg;

impl Films for Ffmpeg {
    fn prepare(&self) {
        input::init();
    }

    fn id(&self, name: &str) -> DecoderId {
        id(name)
    }

    fn estimate(&self, format: MediaFormat, source: &Source<'_>, target: Target) -> u64 {
        let limits = Limits { max_seconds: 10, ..Limits::default() };
        let session = input::Session::open_undecoded(source, format, Deadline::of(&limits));
        let shape = session.ok().and_then(|session| session.shape());
        video::memory(shape.map_or_else(PixelSize::default, |shape| shape.size), Depth::Full, target)
    }

    fn examine(&self, film: &Film<'_, '_>, examined: &mut Examined) -> Result<(), DecodeError> {
        let &Film { format, source, wanted: &Wanted { depth, target, limits, .. }, forgiving } = film;
        // Decoders of sound may need what only their packets tell.
        let open = if depth == Depth::Full { input::Session::open } else { input::Session::open_undecoded };
        let mut session = open(source, format, Deadline::of(limits))?;
        if let Some(shape) = session.shape() {
            let turned = shape.orientation.transposes();
            examined.size = Some(if turned { shape.size.transposed() } else { shape.size });
            within_limits(shape.size, video::memory(shape.size, depth, target), limits)?;
        }
        if depth > Depth::Samples {
            let outcome = verify::read_all(&mut session, format, depth, forgiving, limits)?;
            let by = examined.decoder.clone();
            examined.faults.extend(outcome.oddity.map(|error| Fault { error, by }));
            if let Some(damage) = outcome.damage {
                return Err(damage);
            }
            if outcome.packets == 0 {
                return Err(DecodeError::truncated("the video stream has no data", None));
            }
        }
        drop(session);
        if target != Target::None {
            let pixels = self.shown_frame(source, format, limits)?;
            examined.size.get_or_insert(pixels.size);
            examined.pixels = Some(pixels);
        }
        Ok(())
    }

    fn shown_frame(
        &self,
        source: &Source<'_>,
        format: MediaFormat,
        limits: &Limits,
    ) -> Result<Pixels, DecodeError> {
        frame::preview_frame(source, format, limits)
    }

    fn opinion(&self, kind: bmff::Kind, stream: &[u8], memory: u64) -> Opinion {
        second::opinion(kind, stream, memory)
    }

    fn stills(
        &self,
        streams: &mut dyn Iterator<Item = Vec<u8>>,
        taker: &mut dyn FnMut(&Planes<'_>) -> Option<()>,
    ) -> Option<()> {
        stills::decode(streams, taker)
    }
}

fn id(name: &str) -> DecoderId {
    let version = ffmpeg_next::codec::version();
    decoder_id(name, &format!("{}.{}.{}", version >> 16, version >> 8 & 255, version & 255))
}
