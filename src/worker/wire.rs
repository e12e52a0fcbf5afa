//! Frames on the socket between parent and worker: a length (4 bytes, little endian), then one message in
//! postcard's encoding. Descriptors travel with the first byte of their frame.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest frame from parent to worker.
pub const MAX_REQUEST: usize = 64 << 10;
/// Longest frame from worker to parent: full-size pictures of very large originals are in it.
pub const MAX_REPLY: usize = 256 << 20;
/// Most descriptors beside one frame.
pub const MAX_FILES: usize = 16;
/// Bytes before the message.
const HEADER: usize = 4;
/// Read at once; most messages fit.
const PIECE: usize = 16 << 10;
/// A buffer that grew beyond this for one message is given back.
const KEEP: usize = 1 << 20;

/// What is wrong with a frame.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side is gone.
    #[error("the other side closed the connection")]
    Closed,
    /// The frame is longer than its direction allows.
    #[error("a message of {length} bytes, the limit is {limit}")]
    TooLong {
        /// What the header says.
        length: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// The bytes are no message of ours.
    #[error("a message that cannot be read: {0}")]
    Garbage(String),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for WireError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::PIPE | Errno::CONNRESET => Self::Closed,
            other => Self::Io(other.into()),
        }
    }
}

/// One message as a frame.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, WireError> {
    let mut frame = postcard::to_extend(message, vec![0; HEADER])
        .map_err(|error| WireError::Garbage(error.to_string()))?;
    let length = frame.len() - HEADER;
    let header = u32::try_from(length)
        .map_err(|_| WireError::TooLong { length, limit: u32::MAX as usize })?
        .to_le_bytes();
    for (to, from) in frame.iter_mut().zip(header) {
        *to = from;
    }
    Ok(frame)
}

/// The message of a frame without its header; all bytes must belong to it.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(WireError::Garbage(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(WireError::Garbage(error.to_string())),
    }
}

/// Sends a whole frame. `wait` is called when a socket that does not block has no room; its error ends the sending.
pub fn send<E: From<WireError>>(
    socket: BorrowedFd<'_>,
    frame: &[u8],
    files: &[BorrowedFd<'_>],
    mut wait: impl FnMut(PollFlags) -> Result<(), E>,
) -> Result<(), E> {
    let mut sent = 0;
    while let Some(rest) = frame.get(sent..).filter(|rest| !rest.is_empty()) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if sent == 0 && !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
            return Err(WireError::Garbage("more descriptors than go beside a message".into()).into());
        }
        match sendmsg(socket, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL) {
            Ok(count) => sent += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(PollFlags::OUT)?,
            Err(errno) => return Err(WireError::from(errno).into()),
        }
    }
    Ok(())
}

/// What has arrived and was not yet taken.
#[derive(Default)]
pub struct Inbox {
    data: Vec<u8>,
    files: VecDeque<OwnedFd>,
}

impl Inbox {
    /// The next of the descriptors that came with messages.
    pub fn take_file(&mut self) -> Option<OwnedFd> {
        self.files.pop_front()
    }

    /// The next message. Memory is taken as bytes arrive, never on the word of the header. `wait` is called when a socket
    /// that does not block has nothing; its error ends the receiving.
    pub fn receive<T: DeserializeOwned, E: From<WireError>>(
        &mut self,
        socket: BorrowedFd<'_>,
        limit: usize,
        mut wait: impl FnMut(PollFlags) -> Result<(), E>,
    ) -> Result<T, E> {
        loop {
            if let Some(message) = self.complete(limit)? {
                return Ok(message);
            }
            match self.read_piece(socket) {
                Ok(0) => return Err(WireError::Closed.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait(PollFlags::IN)?,
                Err(errno) => return Err(WireError::from(errno).into()),
            }
        }
    }

    /// The first message, if all of it is here.
    fn complete<T: DeserializeOwned>(&mut self, limit: usize) -> Result<Option<T>, WireError> {
        let Some(&header) = self.data.first_chunk::<HEADER>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
        if length > limit {
            return Err(WireError::TooLong { length, limit });
        }
        let end = HEADER.saturating_add(length);
        let Some(body) = self.data.get(HEADER..end) else { return Ok(None) };
        let message = decode(body)?;
        self.data.drain(..end);
        if self.data.is_empty() && self.data.capacity() > KEEP {
            self.data = Vec::new();
        }
        Ok(Some(message))
    }

    fn read_piece(&mut self, socket: BorrowedFd<'_>) -> Result<usize, Errno> {
        let start = self.data.len();
        self.data.resize(start + PIECE.max(start / 2), 0);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut target = [IoSliceMut::new(self.data.get_mut(start..).unwrap_or_default())];
        let result = recvmsg(socket.as_fd(), &mut target, &mut control, RecvFlags::CMSG_CLOEXEC);
        self.data.truncate(start + result.as_ref().map_or(0, |message| message.bytes));
        let count = result?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files);
            }
        }
        // The latest are kept: whoever sends more than belong to a message does not fill our table of open files.
        let surplus = self.files.len().saturating_sub(MAX_FILES);
        self.files.drain(..surplus);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::super::protocol::{MediaReport, Reply, Request};
    use super::*;

    fn never(_: PollFlags) -> Result<(), WireError> {
        panic!("a blocking socket never asks to wait")
    }

    #[test]
    fn messages_and_a_descriptor_arrive() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"inside").unwrap();
        let first = encode(&Request::Granted).unwrap();
        let second = encode(&Request::Refused { ceiling: 7 }).unwrap();
        send(ours.as_fd(), &first, &[file.as_fd()], never).unwrap();
        send(ours.as_fd(), &second, &[], never).unwrap();
        drop(ours);
        let mut inbox = Inbox::default();
        let request: Request = inbox.receive(theirs.as_fd(), MAX_REQUEST, never).unwrap();
        assert_eq!(request, Request::Granted);
        let mut passed = std::fs::File::from(inbox.take_file().unwrap());
        std::io::Seek::rewind(&mut passed).unwrap();
        let mut text = String::new();
        passed.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        let request: Request = inbox.receive(theirs.as_fd(), MAX_REQUEST, never).unwrap();
        assert_eq!(request, Request::Refused { ceiling: 7 });
        assert!(inbox.take_file().is_none());
        let closed = inbox.receive::<Request, WireError>(theirs.as_fd(), MAX_REQUEST, never);
        assert!(matches!(closed, Err(WireError::Closed)));
    }

    #[test]
    fn several_descriptors_keep_their_order_and_their_number_is_bounded() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let numbered = |number: u8| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&[number]).unwrap();
            file
        };
        let files: Vec<_> = (0..20).map(numbered).collect();
        let descriptors: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let frame = encode(&Request::Granted).unwrap();
        assert!(send(ours.as_fd(), &frame, &descriptors, never).is_err(), "more than go beside one message");
        for part in descriptors.chunks(10) {
            send(ours.as_fd(), &frame, part, never).unwrap();
        }
        let mut inbox = Inbox::default();
        for _ in 0..2 {
            let _: Request = inbox.receive(theirs.as_fd(), MAX_REQUEST, never).unwrap();
        }
        let mut seen = Vec::new();
        while let Some(file) = inbox.take_file() {
            let mut byte = [0];
            std::os::unix::fs::FileExt::read_at(&std::fs::File::from(file), &mut byte, 0).unwrap();
            seen.push(byte[0]);
        }
        assert_eq!(seen, (4..20).collect::<Vec<u8>>(), "the last {MAX_FILES} in their order");
    }

    #[test]
    fn large_messages_come_in_pieces() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut report = MediaReport::new(3);
        report.looks_like = Some("x".repeat(3_000_000));
        let reply = Reply::Done(Box::new(report));
        let frame = encode(&reply).unwrap();
        let sender = std::thread::spawn(move || send(ours.as_fd(), &frame, &[], never));
        let mut inbox = Inbox::default();
        let received: Reply = inbox.receive(theirs.as_fd(), MAX_REPLY, never).unwrap();
        assert!(received == reply);
        assert!(inbox.data.capacity() <= KEEP);
        sender.join().unwrap().unwrap();
    }

    #[test]
    fn a_giant_length_takes_no_memory() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&[0xff; 8]).unwrap();
        let mut inbox = Inbox::default();
        let refused = inbox.receive::<Reply, WireError>(theirs.as_fd(), MAX_REPLY, never);
        assert!(matches!(refused, Err(WireError::TooLong { .. })));
        assert!(inbox.data.capacity() <= KEEP);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode::<Reply>(&bytes);
            let _ = decode::<Request>(&bytes);
            let mut inbox = Inbox { data: bytes, ..Inbox::default() };
            while let Ok(Some(_)) = inbox.complete::<Reply>(MAX_REPLY) {}
        }

        #[test]
        fn damaged_messages_never_panic(at in 0usize..200, value: u8, id: u64, cut in 0usize..200) {
            let mut report = MediaReport::new(id);
            report.sha1 = Some([7; 20]);
            report.looks_like = Some("text".into());
            let mut frame = encode(&Reply::Done(Box::new(report))).unwrap();
            let last = frame.len() - 1;
            frame[at.min(last)] = value;
            frame.truncate(frame.len() - cut.min(last));
            let mut inbox = Inbox { data: frame, ..Inbox::default() };
            let _ = inbox.complete::<Reply>(MAX_REPLY);
        }
    }
}
