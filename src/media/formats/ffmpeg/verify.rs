//! Reading a video to its end: every packet, and the keyframes or all frames; with all frames the sound too.

use std::collections::BTreeMap;

use ffmpeg_next::codec::discard::Discard;
use ffmpeg_next::frame::decode_error::DecodeError as FrameError;
use ffmpeg_next::{Error, Packet, decoder, frame};

use crate::media::Limits;
use crate::model::{DecodeError, Depth, MediaFormat};

use super::input::Session;
use super::messages;

/// After so many places that the demuxer had to step over, reading on tells nothing new.
const MAX_STEPS: u32 = 1000;
/// Sound tracks that are decoded.
const MAX_SOUNDS: usize = 16;

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

/// Demuxes everything and decodes what the depth asks for. With `forgiving` what decoders complain about is no damage:
/// packets are known to be lacking, as in broadcasts.
pub(super) fn read_all(
    session: &mut Session<'_>,
    format: MediaFormat,
    depth: Depth,
    forgiving: bool,
    limits: &Limits,
) -> Result<Outcome, DecodeError> {
    let check = decoder::Check::CRC | decoder::Check::BITSTREAM | decoder::Check::BUFFER;
    let skip = if depth == Depth::Full { Discard::Default } else { Discard::NonKey };
    let decoder = session.decoder(check, skip, limits)?;
    let mut reading = Reading {
        decoder,
        outcome: Outcome::default(),
        first_key: None,
        depth,
        forgiving,
        sounds: BTreeMap::new(),
    };
    if depth == Depth::Full && frames_are_packets(format) {
        for stream in session.sounds().take(MAX_SOUNDS) {
            if let Some(decoder) = session.sound_decoder(stream, check) {
                reading.sounds.insert(stream, Sound { decoder, frames: 0, refusal: None });
            }
        }
    }
    // Broadcasts begin and end anywhere and lose packets on the air; a broken packet there is no damage of the file.
    let lossy = matches!(format, MediaFormat::MpegTs | MediaFormat::MpegPs);
    let mut steps = 0;
    loop {
        match session.packet() {
            Ok(Some(packet)) => {
                if packet.is_corrupt() {
                    reading.broken_packet(&packet, lossy);
                }
                if packet.stream() == session.stream {
                    reading.outcome.packets += 1;
                    reading.decode(&packet, session)?;
                } else {
                    reading.listen(&packet, session)?;
                }
            }
            Ok(None) => break,
            Err(error @ DecodeError::Malformed { .. }) => {
                if lossy {
                    reading.outcome.oddity.get_or_insert(error);
                } else {
                    reading.outcome.damage.get_or_insert(error);
                }
                steps += 1;
                if steps > MAX_STEPS {
                    break;
                }
            }
            Err(error) => return Err(error),
        }
        // The first damage decides; the rest of the film would only cost time.
        if reading.outcome.damage.is_some() {
            return Ok(reading.outcome);
        }
    }
    if depth == Depth::Full {
        reading.drain(session)?;
    }
    Ok(reading.outcome)
}

/// Containers whose packets are exactly what the encoder wrote, each a whole frame.
const fn frames_are_packets(format: MediaFormat) -> bool {
    matches!(format, MediaFormat::Mp4 | MediaFormat::Mov | MediaFormat::Matroska)
}

/// One sound track.
struct Sound {
    decoder: decoder::Audio,
    frames: u64,
    /// A packet that was refused; it counts when one behind it is decoded, since tracks may end anywhere.
    refusal: Option<DecodeError>,
}

struct Reading {
    decoder: decoder::Video,
    outcome: Outcome,
    /// Presentation time of the first keyframe; what is shown before it may lack references.
    first_key: Option<i64>,
    depth: Depth,
    forgiving: bool,
    sounds: BTreeMap<usize, Sound>,
}

/// Where a packet is, for people and in bytes.
#[derive(Clone, Copy)]
struct Place {
    seconds: Option<f64>,
    offset: Option<u64>,
}

impl Place {
    fn of(packet: &Packet, session: &Session<'_>) -> Self {
        let seconds = packet.pts().or(packet.dts()).zip(session.time_base(packet.stream()));
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let seconds = seconds.map(|(time, base)| time as f64 * base);
        Self { seconds, offset: u64::try_from(packet.position()).ok() }
    }

    fn malformed(self, what: &str) -> DecodeError {
        let what =
            self.seconds.map_or_else(|| what.to_owned(), |seconds| format!("{what} at {seconds:.2} s"));
        DecodeError::malformed(what, self.offset)
    }
}

impl Reading {
    fn accuse(&mut self, error: DecodeError) {
        let list = if self.forgiving { &mut self.outcome.oddity } else { &mut self.outcome.damage };
        list.get_or_insert(error);
    }

    fn broken_packet(&mut self, packet: &Packet, lossy: bool) {
        let what = format!("packet of stream {} is incomplete", packet.stream());
        let at = u64::try_from(packet.position()).ok();
        if lossy {
            self.outcome.oddity.get_or_insert(DecodeError::malformed(what, at));
        } else {
            self.accuse(DecodeError::truncated(what, at));
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
        let place = Place::of(packet, session);
        drop(messages::heard());
        let sent = self.decoder.send_packet(packet);
        self.overhear(place);
        match sent {
            Ok(()) => self.receive(place, session),
            Err(Error::Eof) => Ok(()),
            Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => {
                self.receive(place, session)?;
                let again = self.decoder.send_packet(packet);
                self.overhear(place);
                self.refused(again.err(), place, session)?;
                self.receive(place, session)
            }
            Err(error) => self.refused(Some(error), place, session),
        }
    }

    /// What the decoder said about this packet.
    fn overhear(&mut self, place: Place) {
        if let Some(words) = messages::heard().filter(|_| self.first_key.is_some()) {
            self.accuse(place.malformed(&format!("the decoder says '{words}'")));
        }
    }

    /// A packet that the decoder does not take.
    fn refused(
        &mut self,
        error: Option<Error>,
        place: Place,
        session: &Session<'_>,
    ) -> Result<(), DecodeError> {
        match error {
            None => Ok(()),
            Some(Error::InvalidData) => {
                if self.first_key.is_some() {
                    self.accuse(place.malformed("a packet does not decode"));
                }
                Ok(())
            }
            Some(other) => Err(session.words(other)),
        }
    }

    fn receive(&mut self, place: Place, session: &Session<'_>) -> Result<(), DecodeError> {
        loop {
            session.deadline().check()?;
            let mut frame = frame::Video::empty();
            let received = self.decoder.receive_frame(&mut frame);
            self.overhear(place);
            match received {
                Ok(()) => self.judge(&frame, place),
                Err(Error::Eof) => return Ok(()),
                Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => return Ok(()),
                Err(error) => return self.refused(Some(error), place, session),
            }
        }
    }

    fn drain(&mut self, session: &Session<'_>) -> Result<(), DecodeError> {
        let place = Place { seconds: None, offset: None };
        match self.decoder.send_eof() {
            Ok(()) | Err(Error::Eof) => self.receive(place, session),
            Err(error) => self.refused(Some(error), place, session),
        }
    }

    fn judge(&mut self, frame: &frame::Video, place: Place) {
        self.outcome.frames += 1;
        let flags = frame.decode_error_flags();
        if flags.is_empty() {
            return;
        }
        let early = frame.timestamp().zip(self.first_key).is_some_and(|(shown, key)| shown < key);
        // Frames that lack a reference are normal around cuts and open groups of pictures.
        if early || self.first_key.is_none() || flags == FrameError::MISSING_REFERENCE {
            self.outcome.oddity.get_or_insert(place.malformed("a frame lacks what it refers to"));
        } else {
            self.accuse(place.malformed("a frame decodes with errors"));
        }
    }

    /// Decodes sound: a packet that is refused between others that are not is damage.
    fn listen(&mut self, packet: &Packet, session: &Session<'_>) -> Result<(), DecodeError> {
        let Some(sound) = self.sounds.get_mut(&packet.stream()).filter(|_| packet.size() > 0) else {
            return Ok(());
        };
        session.deadline().check()?;
        let place = Place::of(packet, session);
        let mut refused = matches!(sound.decoder.send_packet(packet), Err(Error::InvalidData));
        let mut decoded = false;
        loop {
            let mut frame = frame::Audio::empty();
            match sound.decoder.receive_frame(&mut frame) {
                Ok(()) => decoded = true,
                Err(Error::InvalidData) => {
                    refused = true;
                    break;
                }
                Err(_) => break,
            }
        }
        drop(messages::heard());
        if refused && sound.frames > 0 {
            let what = format!("a packet of sound (stream {}) does not decode", packet.stream());
            sound.refusal.get_or_insert(place.malformed(&what));
        } else if decoded {
            sound.frames += 1;
            if let Some(error) = sound.refusal.take() {
                self.accuse(error);
            }
        }
        Ok(())
    }
}
