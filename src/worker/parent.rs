//! The parent as a worker sees it: who gives jobs, takes reports, and grants memory.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::protocol::{Reply, Request};
use super::sys;
use super::wire::{self, Inbox, MAX_REQUEST, WireError};
use crate::model::DecodeError;

/// Why a file was not looked at to its end.
pub enum Stop {
    /// That is its report.
    Problem(DecodeError),
    /// It needs more memory than there is for a file among others.
    NotInBatch,
    /// It needs FFmpeg, which is not there.
    NeedsFilms,
    /// There is nobody to report to.
    Wire(WireError),
}

impl From<DecodeError> for Stop {
    fn from(problem: DecodeError) -> Self {
        Self::Problem(problem)
    }
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// The other end of the socket.
pub struct Parent<'a> {
    socket: BorrowedFd<'a>,
    inbox: Inbox,
    /// What a file may hold without asking, bytes.
    allowance: u64,
    /// What was granted for the file in hand.
    held: u64,
    /// Whether the file in hand came by itself: only then more memory can be asked for.
    alone: bool,
    /// Whether more than the allowance was asked for since [`Parent::has_asked`] was called.
    asked: bool,
}

/// Who hears nothing for so long has nothing to do.
const PAUSE: Duration = Duration::from_millis(200);

fn never_waits(_: PollFlags) -> Result<(), WireError> {
    Err(WireError::Io(io::ErrorKind::WouldBlock.into()))
}

impl<'a> Parent<'a> {
    /// At the other end of a socket, as long as it may still be set up.
    pub fn new(socket: BorrowedFd<'a>, allowance: u64) -> Self {
        // Where that does not work, whoever has nothing to do keeps its memory.
        let _ = set_socket_timeout(socket, Timeout::Recv, Some(PAUSE));
        Self { socket, inbox: Inbox::default(), allowance, held: allowance, alone: true, asked: false }
    }

    pub fn send(&self, reply: &Reply) -> Result<(), WireError> {
        wire::send(self.socket, &wire::encode(reply)?, &[], never_waits)
    }

    /// Waits for the next message. After a while without one, freed memory goes back to the system: others may need it.
    pub fn receive(&mut self) -> Result<Request, WireError> {
        let socket = self.socket;
        self.inbox.receive(socket, MAX_REQUEST, |flags| {
            sys::give_back_memory();
            match poll(&mut [PollFd::from_borrowed_fd(socket, flags)], None) {
                Ok(_) | Err(Errno::INTR) => Ok(()),
                Err(errno) => Err(WireError::from(errno)),
            }
        })
    }

    /// The file of the next job, of those that came `alone` or together.
    pub fn file(&mut self, alone: bool) -> Result<File, WireError> {
        (self.held, self.alone) = (self.allowance, alone);
        let file = self.inbox.take_file();
        file.map(File::from).ok_or_else(|| WireError::Garbage("a job without a file".into()))
    }

    /// Gets leave to hold this many bytes.
    pub fn ask(&mut self, bytes: u64) -> Result<(), Stop> {
        if bytes <= self.held {
            return Ok(());
        }
        if !self.alone {
            return Err(Stop::NotInBatch);
        }
        self.asked = true;
        self.send(&Reply::Need { bytes })?;
        match self.receive()? {
            Request::Granted => {
                self.held = bytes;
                Ok(())
            }
            Request::Refused { ceiling } => Err(DecodeError::limit(
                format!("decoding it takes about {} MiB", bytes.div_ceil(1 << 20)),
                format!("{} MiB for one file (--memory)", ceiling >> 20),
            )
            .into()),
            Request::Examine { .. } | Request::Batch(_) => {
                Err(WireError::Garbage("a job within a job".into()).into())
            }
        }
    }

    /// Whether more than the allowance was asked for since the last call.
    pub fn has_asked(&mut self) -> bool {
        std::mem::take(&mut self.asked)
    }
}
