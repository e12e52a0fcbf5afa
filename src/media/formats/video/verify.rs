//! Reading a video to its end: every packet, and the keyframes or all frames.

use ffmpeg_next::codec::discard::Discard;
use ffmpeg_next::frame::decode_error::DecodeError as FrameError;
use ffmpeg_next::{Error, Packet, decoder, frame};

use crate::media::Limits;
use crate::model::{DecodeError, Depth, MediaFormat};

use super::input::Session;

/// After so many places that the demuxer had to step over, reading on tells nothing new.
const MAX_STEPS: u32 = 1000;

/// What reading told.
#[derive(Default)]
pub(super) struct Outcome {
    /// Packets of the main stream.
    pub packets: u64,
    /// Frames that came out of the decoder.
    pub frames: u64,
    /// The first damage.
    pub damage: Option<DecodeError>,
    /// The first oddity that is no proof.
    pub oddity: Option<DecodeError>,
}

impl Outcome {
    fn accuse(&mut self, error: DecodeError) {
        self.damage.get_or_insert(error);
    }
}

/// Demuxes everything and decodes what the depth asks for.
pub(super) fn read_all(
    session: &mut Session<'_>,
    format: MediaFormat,
    depth: Depth,
    limits: &Limits,
) -> Result<Outcome, DecodeError> {
    let check = decoder::Check::CRC | decoder::Check::BITSTREAM | decoder::Check::BUFFER;
    let skip = if depth == Depth::Full { Discard::Default } else { Discard::NonKey };
    let decoder = session.decoder(check, skip, limits)?;
    let mut reading = Reading { decoder, outcome: Outcome::default(), first_key: None, depth };
    // Broadcasts begin and end anywhere and lose packets on the air; a broken packet there is no damage of the file.
    let lossy = matches!(format, MediaFormat::MpegTs | MediaFormat::MpegPs);
    let mut steps = 0;
    loop {
        match session.packet() {
            Ok(Some(packet)) => {
                if packet.is_corrupt() {
                    let at = u64::try_from(packet.position()).ok();
                    reading.broken_packet(&packet, at, lossy);
                }
                if packet.stream() == session.stream {
                    reading.outcome.packets += 1;
                    reading.decode(&packet, session)?;
                }
            }
            Ok(None) => break,
            Err(error @ DecodeError::Malformed { .. }) => {
                if lossy {
                    reading.outcome.oddity.get_or_insert(error);
                } else {
                    reading.outcome.accuse(error);
                }
                steps += 1;
                if steps > MAX_STEPS {
                    break;
                }
            }
            Err(error) => return Err(error),
        }
    }
    if depth == Depth::Full {
        reading.drain(session)?;
    }
    Ok(reading.outcome)
}

struct Reading {
    decoder: decoder::Video,
    outcome: Outcome,
    /// Presentation time of the first keyframe; what is shown before it may lack references.
    first_key: Option<i64>,
    depth: Depth,
}

impl Reading {
    fn broken_packet(&mut self, packet: &Packet, at: Option<u64>, lossy: bool) {
        let what = format!("packet of stream {} is incomplete", packet.stream());
        if lossy {
            self.outcome.oddity.get_or_insert(DecodeError::malformed(what, at));
        } else {
            self.outcome.accuse(DecodeError::truncated(what, at));
        }
    }

    fn decode(&mut self, packet: &Packet, session: &Session<'_>) -> Result<(), DecodeError> {
        if packet.is_key() && self.first_key.is_none() {
            self.first_key = Some(packet.pts().or(packet.dts()).unwrap_or(i64::MIN));
        }
        if self.depth == Depth::Full {
            return self.send(packet, session);
        }
        if packet.is_key() {
            self.send(packet, session)?;
            // Each keyframe by itself: what the frames between would have left behind must not be missed.
            self.drain(session)?;
            self.decoder.flush();
        }
        Ok(())
    }

    fn send(&mut self, packet: &Packet, session: &Session<'_>) -> Result<(), DecodeError> {
        if packet.size() == 0 {
            return Ok(());
        }
        let at = u64::try_from(packet.position()).ok();
        match self.decoder.send_packet(packet) {
            Ok(()) => self.receive(at, session),
            Err(Error::Eof) => Ok(()),
            Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => {
                self.receive(at, session)?;
                let again = self.decoder.send_packet(packet);
                self.refused(again.err(), at, session)?;
                self.receive(at, session)
            }
            Err(error) => self.refused(Some(error), at, session),
        }
    }

    /// A packet that the decoder does not take.
    fn refused(
        &mut self,
        error: Option<Error>,
        at: Option<u64>,
        session: &Session<'_>,
    ) -> Result<(), DecodeError> {
        match error {
            None => Ok(()),
            Some(Error::InvalidData) => {
                if self.first_key.is_some() {
                    self.outcome.accuse(DecodeError::malformed("a packet does not decode", at));
                }
                Ok(())
            }
            Some(other) => Err(session.words(other)),
        }
    }

    fn receive(&mut self, at: Option<u64>, session: &Session<'_>) -> Result<(), DecodeError> {
        loop {
            session.deadline().check()?;
            let mut frame = frame::Video::empty();
            match self.decoder.receive_frame(&mut frame) {
                Ok(()) => self.judge(&frame, at),
                Err(Error::Eof) => return Ok(()),
                Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => return Ok(()),
                Err(error) => return self.refused(Some(error), at, session),
            }
        }
    }

    fn drain(&mut self, session: &Session<'_>) -> Result<(), DecodeError> {
        match self.decoder.send_eof() {
            Ok(()) | Err(Error::Eof) => self.receive(None, session),
            Err(error) => self.refused(Some(error), None, session),
        }
    }

    fn judge(&mut self, frame: &frame::Video, at: Option<u64>) {
        self.outcome.frames += 1;
        let flags = frame.decode_error_flags();
        if flags.is_empty() {
            return;
        }
        let early = frame.timestamp().zip(self.first_key).is_some_and(|(shown, key)| shown < key);
        // Frames that lack a reference are normal around cuts and open groups of pictures.
        if early || self.first_key.is_none() || flags == FrameError::MISSING_REFERENCE {
            self.outcome.oddity.get_or_insert(DecodeError::malformed("a frame lacks what it refers to", at));
        } else {
            self.outcome.accuse(DecodeError::malformed("a frame decodes with errors", at));
        }
    }
}
