//! One connection: its state, its input and output, and the work lists that it is in.

use core::net::IpAddr;

use super::buffer::Buffer;
use crate::Millis;
use crate::chat::id::ClientId;
use crate::http::reader::RequestReader;
use crate::memory::Share;
use crate::protocols::{AnswerForm, Pending, SHARED_SOCKET_TIMEOUT};
use crate::websocket::FrameReader;

/// Output, in bytes, at which a connection's own input is paused until some of it is written: pipelined requests or
/// heartbeats up to this are answered at once, and the rest waits in the sender's kernel.
pub const HIGH_WATER: usize = 64 * 1024;

/// Bytes of one read from which on a connection is read after those that send less.
const HEAVY_READ: u32 = 8 * 1024;

/// Milliseconds that a request may take to come, and a WebSocket to be tried.
pub(super) const HEAD_TIMEOUT: Millis = 10_000;
/// Milliseconds that a peer without a session may leave its responses unread, or take over a frame.
pub(super) const SEND_TIMEOUT: Millis = 60_000;

/// Names a connection for longer than a turn: a slot may belong to another connection by then, which has
/// another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl ConnectionId {
    /// Index into a table of connections. Another connection may have it later.
    pub fn slot(self) -> u32 {
        self.slot
    }
}

impl From<ConnectionId> for usize {
    fn from(id: ConnectionId) -> usize {
        id.slot as usize | (id.generation as usize) << 32
    }
}

impl From<usize> for ConnectionId {
    fn from(number: usize) -> ConnectionId {
        ConnectionId { slot: number as u32, generation: (number >> 32) as u32 }
    }
}

// The number holds a slot and its generation, 32 bits each.
const _: () = assert!(usize::BITS >= 64);

/// The state of a connection.
#[derive(Debug)]
pub enum State {
    /// HTTP requests, one after the other.
    Http,
    /// The next HTTP request has come whole and asks for a costly response; it waits for its turn.
    AwaitingTurn,
    /// An HTTP request is held until there is something to answer it with.
    Held(Box<HeldRequest>),
    /// Frames.
    WebSocket(Binding, FrameReader),
    /// Ends for this reason: output is written, then the write side is shut, and input is dropped until the peer closes
    /// too. To close while input is unread would reset the connection and lose the output (RFC 9112, 9.6).
    Closing(&'static str),
    /// Has ended, and was counted by its reason. The slot is freed at the end of the turn.
    Closed,
}

/// The sessions that a WebSocket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// One session, which ends with it.
    Owned(ClientId),
    /// One session that polls, and tries the WebSocket before it changes over to it.
    Probe(ClientId),
    /// Any number of sessions, which outlive it. What is delivered to this one goes over it.
    Shared(Option<ClientId>),
    /// None: messages go back to their sender.
    Echo,
}

/// An HTTP request that is held for a session, and how to answer it.
#[derive(Debug)]
pub struct HeldRequest {
    pub client: ClientId,
    pub form: AnswerForm,
}

/// What is known of the input that the kernel holds. Registration is edge-triggered: an event tells only of what comes
/// after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadSide {
    /// There is none; an event will tell of more.
    Drained,
    /// There may be some. The connection is in the list of those to be resumed, unless it is paused: what ends the pause
    /// puts it there.
    Unread,
    /// The same, and behind it the end of the input or a reset, as an event has told.
    Ending,
    /// The peer has shut its side, and all before that is read.
    Ended,
}

/// Whether the kernel takes output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteSide {
    Ready,
    /// The last write was cut short: the next one waits for an event.
    Blocked,
    /// That event has come, and nothing was written since.
    Unblocked,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// The peer's address; of a WebSocket behind a trusted proxy, the address of the proxy's client.
    pub address: IpAddr,
    /// Tells this connection from earlier ones in the same slot.
    pub generation: u32,
    /// Bytes that the last read brought, or [`u32::MAX`] if the connection used up its work for a turn.
    last_read: u32,
    pub state: State,
    pub read_side: ReadSide,
    pub write_side: WriteSide,
    /// Member of the list of those to be resumed.
    pub in_unread: bool,
    /// Member of the list of those to be written to.
    pub in_dirty: bool,
    /// When the current wait began: for a request, for output to be taken, or for the peer's close.
    pub since: Millis,
    /// Requests or frames that have not come whole or wait for a later turn.
    pub input: Buffer,
    /// The parser of a request that has not come whole.
    pub reader: Option<Box<RequestReader>>,
    /// The rest of a request or frame that is carried out over several turns.
    pub pending: Option<Box<Pending>>,
    /// What is to be written.
    pub output: Buffer,
    /// Bytes at the end of the output that belong to the last HTTP response, at most.
    pub last_response: usize,
    /// The memory of all that, as last counted.
    pub share: Share,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(address: IpAddr, generation: u32, share: Share, now: Millis) -> Connection {
        Connection {
            address,
            generation,
            last_read: 0,
            state: State::Http,
            read_side: ReadSide::Drained,
            write_side: WriteSide::Ready,
            in_unread: false,
            in_dirty: false,
            since: now,
            input: Buffer::default(),
            reader: None,
            pending: None,
            output: Buffer::default(),
            last_response: 0,
            share,
        }
    }

    /// Counts the memory that the connection holds now.
    pub fn count_memory(&mut self) {
        let state = match &self.state {
            State::WebSocket(_, reader) => reader.memory(),
            State::Held(held) => held.form.memory(),
            State::Http | State::AwaitingTurn | State::Closing(_) | State::Closed => 0,
        };
        let reader = self.reader.as_ref().map_or(0, |reader| reader.memory());
        let pending = self.pending.as_ref().map_or(0, |pending| pending.memory());
        self.share.set(self.input.memory() + self.output.memory() + state + reader + pending);
    }

    /// Whether its input has to wait: for some of its output to be written, for the request that is held to be answered,
    /// or for its turn to get a costly response.
    pub fn is_paused(&self) -> bool {
        let is_full = |buffer: &Buffer| buffer.len() >= HIGH_WATER;
        is_full(&self.output)
            || match self.state {
                State::Held(_) => is_full(&self.input),
                State::AwaitingTurn => true,
                _ => false,
            }
    }

    /// Whether HTTP requests have come, or may have, that are neither answered nor held.
    pub fn is_answering(&self) -> bool {
        match self.state {
            State::AwaitingTurn => true,
            State::Http => self.pending.is_some() || self.may_have_input(),
            _ => false,
        }
    }

    /// Whether the kernel may hold input of which no event will tell.
    pub fn may_have_input(&self) -> bool {
        matches!(self.read_side, ReadSide::Unread | ReadSide::Ending)
    }

    /// Whether an event told that the peer has shut its side or reset the connection.
    pub fn is_ending(&self) -> bool {
        matches!(self.read_side, ReadSide::Ending | ReadSide::Ended)
    }

    /// Whether a request is held for a peer that has gone. If the input is paused no read would tell, and an answer would
    /// be lost.
    pub fn is_held_in_vain(&self) -> bool {
        self.is_ending() && matches!(self.state, State::Held(_))
    }

    /// Whether it is neither closing nor closed.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closing(_) | State::Closed)
    }

    /// Whether it is closed, and must not be used any more.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Notes that the peer takes its output: it is not too slow. To try a WebSocket has its time, whatever goes over it.
    pub fn note_progress(&mut self, now: Millis) {
        if !matches!(self.state, State::WebSocket(Binding::Probe(_), _)) {
            self.since = now;
        }
    }

    /// When a wait is over, if a peer has `close_timeout` milliseconds to close. The silence of a session is its
    /// protocol's business.
    pub fn deadline(&self, close_timeout: Millis) -> Option<Millis> {
        let is_stuck = self.is_ending() && self.is_paused();
        let timeout = match self.state {
            // No read tells that the peer has gone while it does not take its output.
            State::WebSocket(..) if is_stuck => close_timeout,
            State::Http if self.may_have_input() || !self.output.is_empty() => SEND_TIMEOUT,
            State::Http | State::WebSocket(Binding::Probe(_), _) => HEAD_TIMEOUT,
            State::AwaitingTurn | State::WebSocket(Binding::Echo, _) => SEND_TIMEOUT,
            State::WebSocket(Binding::Shared(None), _) => SHARED_SOCKET_TIMEOUT,
            State::Closing(_) => close_timeout,
            State::WebSocket(Binding::Owned(_) | Binding::Shared(Some(_)), _)
            | State::Held(_)
            | State::Closed => return None,
        };
        Some(self.since + timeout)
    }

    /// Notes how much a read brought, and whether that used up the connection's work for a turn.
    pub fn set_last_read(&mut self, bytes: usize, used_up: bool) {
        self.last_read = if used_up { u32::MAX } else { u32::try_from(bytes).unwrap_or(u32::MAX) };
    }

    /// Whether it sent much when it was last read: others are read before it.
    pub fn is_heavy(&self) -> bool {
        self.last_read >= HEAVY_READ
    }
}
