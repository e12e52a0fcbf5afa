//! What parent and worker send each other: either may have been taken over by a hostile file.

use std::io::Write;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use photofsck::engine::judge::{Expectation, judge};
use photofsck::media::Limits;
use photofsck::model::{
    DecodeError, DecoderId, Depth, FaceBox, Fault, ImageSettings, MediaFormat, PixelSize, Role,
};
use photofsck::render::{Refused, RenderError, RenderJob, RenderOutput, RenderSpec, Rendered, View};
use photofsck::worker::protocol::{HashWish, Job, MediaReport, Reply, Request, VERSION};
use photofsck::worker::wire::{self, Inbox, MAX_REPLY, MAX_REQUEST, WireError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Everything that arrives when `data` is sent by the other side. It is cut off where a socket has no more room.
fn received<T: DeserializeOwned>(data: &[u8], limit: usize) -> Vec<T> {
    let (mut theirs, ours) = UnixStream::pair().expect("a pair of sockets");
    theirs.set_nonblocking(true).expect("a socket that does not block");
    let _ = theirs.write_all(data);
    let _ = theirs.shutdown(Shutdown::Both);
    let mut inbox = Inbox::default();
    let mut messages = Vec::new();
    let wait = |_| Err(WireError::Closed);
    while let Ok(message) = inbox.receive::<T, WireError>(ours.as_fd(), limit, wait) {
        assert!(inbox.take_file().is_none(), "no descriptor was sent");
        messages.push(message);
    }
    messages
}

/// A worker's words, as bytes and as a verdict.
pub fn reply(data: &[u8]) {
    let _ = wire::decode::<Reply>(data);
    for message in received::<Reply>(data, MAX_REPLY) {
        let (Reply::Done(report) | Reply::Known(report)) = message else { continue };
        for role in [Role::Original, Role::Preview, Role::Sidecar] {
            let expected = Expectation::unrecorded(Path::new("/x"), role, Depth::Full);
            let judgement = judge(&expected, &report);
            for finding in judgement.findings {
                let _ = serde_json::to_string(&finding.evidence).expect("evidence is JSON");
            }
        }
    }
}

pub fn request(data: &[u8]) {
    let _ = wire::decode::<Request>(data);
    received::<Request>(data, MAX_REQUEST);
}

fn frames<T: Serialize>(messages: &[T]) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> =
        messages.iter().map(|message| wire::encode(message).expect("a message")).collect();
    frames.push(frames.concat());
    frames
}

fn face() -> FaceBox {
    FaceBox::new((1920, 1440), (600, 400), (800, 700)).expect("a box")
}

pub fn reply_seeds() -> Vec<Vec<u8>> {
    let decoder = DecoderId { name: "png".into(), version: "0.18".into() };
    let full = MediaReport {
        format: MediaFormat::Png,
        promised: Some(MediaFormat::Jpeg),
        looks_like: Some("HTML text".into()),
        decoder: Some(decoder.clone()),
        accuser: Some(decoder.clone()),
        size: Some(PixelSize::new(40, 30)),
        problem: Some(DecodeError::malformed("IDAT", 99)),
        faults: vec![Fault { error: DecodeError::unsupported("odd"), by: decoder.clone() }],
        sound_until: Some(0.5),
        sha1: Some([1; 20]),
        blake3: Some([2; 32]),
        rendered: Some(Ok(RenderOutput {
            pictures: vec![Rendered {
                role: Role::Preview,
                view: View::Whole,
                size: PixelSize::new(4, 3),
                bytes: vec![9; 20],
            }],
            refused: vec![Refused {
                role: Role::Person,
                view: View::Face(face()),
                error: RenderError { step: "crop".into(), what: "nothing".into() },
            }],
            thumbhash: Some(vec![4; 24]),
            edited_thumbhash: Some(vec![5; 24]),
            transparent: false,
        })),
        ..MediaReport::new(7)
    };
    let failed = MediaReport::failed(8, DecodeError::TimedOut { seconds: 5 });
    frames(&[
        Reply::Hello {
            version: VERSION,
            protections: vec!["seccomp".into()],
            lacking: vec!["landlock".into()],
            decoders: vec![decoder],
        },
        Reply::Need { bytes: 1 << 30 },
        Reply::Known(Box::new(failed)),
        Reply::Done(Box::new(full)),
    ])
}

pub fn request_seeds() -> Vec<Vec<u8>> {
    let settings = ImageSettings::default();
    let mut render = RenderJob::new(&settings, &[Role::Preview, Role::Thumbnail], true);
    render.outputs.push(RenderSpec::face(&settings, face()));
    let job = Job {
        id: 7,
        extension: "jpg".into(),
        depth: Depth::Keyframes,
        hashes: HashWish { sha1: true, blake3: false },
        render: Some(render),
        render_damaged: false,
        direct: false,
        rate: None,
        patience: None,
        limits: Limits::default(),
    };
    frames(&[Request::Examine { job, announce: true }, Request::Granted, Request::Refused { ceiling: 3 }])
}
