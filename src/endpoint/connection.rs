//! One connection: what it is in the middle of, and what waits to be written to it.

use core::net::IpAddr;

use super::input::InputBuffer;
use crate::Millis;
use crate::chat::id::ClientId;
use crate::http::reader::RequestReader;
use crate::http::response::{Response, Status};
use crate::memory::Share;
use crate::protocols::bayeux::batch::PendingBatch;
use crate::protocols::socket_io::engine;
use crate::protocols::socket_io::payload::PendingPayload;
use crate::websocket::FrameReader;

/// Output at which a connection's own input is left unread until some of it is gone: so many pipelined
/// requests or heartbeats are answered at once, and the rest waits in the sender's kernel.
pub const HIGH_WATER: usize = 64 * 1024;

/// What a connection is in the middle of.
#[derive(Debug)]
pub enum State {
    /// HTTP requests, one after the other.
    Http,
    /// A request that is held until there is something to answer it with.
    Held(Box<HeldRequest>),
    /// A WebSocket that its client tries before it leaves off polling.
    Probe(ClientId, FrameReader),
    /// The frames of a client.
    WebSocket(ClientId, FrameReader),
    /// Batches of messages of clients that outlive it, and the client whose deliveries go this way.
    Bayeux(Option<ClientId>, FrameReader),
    /// Messages that go back as they come.
    Echo(FrameReader),
    /// Saying good-bye: what waits is written, then the write side is shut, and what still comes is
    /// dropped until the peer closes too. A plain close would reset the connection if input was unread,
    /// and take the last words with it.
    Closing,
}

/// A request or frame of which a part is carried out in a later turn.
#[derive(Debug)]
pub enum Pending {
    Batch(PendingBatch),
    Payload(PendingPayload),
}

impl Pending {
    fn memory(&self) -> usize {
        match self {
            Pending::Batch(batch) => batch.memory(),
            Pending::Payload(payload) => payload.memory(),
        }
    }
}

/// Whose request is held, and in what form its answer is due.
#[derive(Debug)]
pub struct HeldRequest {
    pub client: ClientId,
    pub form: AnswerForm,
}

/// What the answer to a poll depends on besides what it says.
#[derive(Debug)]
pub struct AnswerForm {
    pub keep_alive: bool,
    /// The origin of the page that asks, which is let in by name.
    pub origin: Option<Box<str>>,
    pub body: BodyForm,
}

/// What the body of an answer is wrapped in.
#[derive(Debug)]
pub enum BodyForm {
    /// An Engine.IO payload.
    Payload,
    /// An Engine.IO payload in a call of the function with this index in the page's `___eio`: JSONP.
    PayloadScript(u32),
    Json,
    /// JSON in a call of this function: JSONP.
    Script(Box<str>),
}

impl AnswerForm {
    /// Bytes of memory of what the request has brought: the origin, and the name of a function.
    pub fn memory(&self) -> usize {
        let callback = if let BodyForm::Script(name) = &self.body { name.len() } else { 0 };
        self.origin.as_ref().map_or(0, |origin| origin.len()) + callback
    }

    /// The response with this body.
    pub fn response(&self, body: String) -> Response {
        self.body.response(body).with_cors(self.origin.as_deref())
    }
}

impl BodyForm {
    /// The response with this body, for pages of the server's own origin.
    pub fn response(&self, body: String) -> Response {
        match self {
            BodyForm::Payload => Response::text(body).uncached(),
            BodyForm::PayloadScript(index) => Response::javascript(engine::call(*index, &body)).uncached(),
            BodyForm::Json => Response::json(Status::OK, body.into_bytes()).uncached(),
            BodyForm::Script(callback) => Response::script(callback, &body).uncached(),
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// The peer's address; of a WebSocket behind a trusted proxy, the address of the proxy's client.
    pub address: IpAddr,
    /// Tells this connection from the earlier ones that had the same slot.
    pub generation: u32,
    pub state: State,
    /// When the wait began that the deadline ends: for a request, or for the peer's close.
    pub since: Millis,
    /// Requests or frames that have not come whole or wait for a later turn. Holds no memory when empty.
    pub inbound: InputBuffer,
    /// How far the request is read that has not come whole.
    pub reader: Option<Box<RequestReader>>,
    /// The next request has come whole and asks for a costly response. The input is paused until it is the
    /// connection's turn to get that.
    pub awaits_costly: bool,
    /// What of a request or frame waits for a later turn.
    pub pending: Option<Box<Pending>>,
    /// What waits to be written. Holds no memory when empty.
    pub outbound: Vec<u8>,
    /// Bytes of that which are, at the most, of the last HTTP response.
    pub last_response: usize,
    /// The memory of all that, of the reader and of a request that is held, as it was counted last.
    pub share: Share,
    /// The last write would have blocked: wait for the edge.
    pub is_blocked: bool,
    /// It was so at the write before, or has been since.
    pub was_blocked: bool,
    /// In the list of those to be written to.
    pub is_dirty: bool,
    /// There may be input that no new edge will tell of. It is in the list of those to be read again then,
    /// unless it is paused: what ends the pause puts it there.
    pub is_unread: bool,
    /// In that list.
    pub is_in_unread: bool,
    /// It sent much when it was last read: the others are read before it.
    pub is_heavy: bool,
    /// The peer has shut its side, and all that it sent before is read.
    pub is_eof: bool,
    /// An event says that the peer has shut its side or reset the connection. What it sent before may be unread.
    pub has_ended: bool,
    /// Why it ends, once it does: the first reason counts.
    pub ending: Option<&'static str>,
    /// No longer a part of anything: the slot is freed at the end of the turn.
    pub is_closed: bool,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(address: IpAddr, generation: u32, share: Share, now: Millis) -> Connection {
        Connection {
            address,
            generation,
            state: State::Http,
            since: now,
            inbound: InputBuffer::default(),
            reader: None,
            awaits_costly: false,
            pending: None,
            outbound: Vec::new(),
            last_response: 0,
            share,
            is_blocked: false,
            was_blocked: false,
            is_dirty: false,
            is_unread: false,
            is_in_unread: false,
            is_heavy: false,
            is_eof: false,
            has_ended: false,
            ending: None,
            is_closed: false,
        }
    }

    /// Counts the memory that the connection holds now.
    pub fn count_memory(&mut self) {
        let reader = match &self.state {
            State::WebSocket(_, reader) | State::Bayeux(_, reader) => reader.memory(),
            State::Probe(_, reader) | State::Echo(reader) => reader.memory(),
            State::Http | State::Held(_) | State::Closing => {
                self.reader.as_ref().map_or(0, |reader| reader.memory())
            }
        };
        let form = if let State::Held(held_request) = &self.state { held_request.form.memory() } else { 0 };
        let pending = self.pending.as_ref().map_or(0, |pending| pending.memory());
        self.share.set(self.inbound.memory() + self.outbound.capacity() + reader + form + pending);
    }

    /// Whether its input has to wait: until some of its output is gone, the request that is held is answered, or
    /// it is the connection's turn to get a costly response.
    pub fn is_paused(&self) -> bool {
        let is_waiting = matches!(self.state, State::Held(_)) && self.inbound.len() >= HIGH_WATER;
        is_waiting || self.awaits_costly || self.outbound.len() >= HIGH_WATER
    }

    /// Whether HTTP requests have come, or may have, that are not answered and not held.
    pub fn is_answering(&self) -> bool {
        let has_request = self.pending.is_some() || self.awaits_costly || self.is_unread;
        has_request && matches!(self.state, State::Http)
    }

    /// Whether a request is held for a peer that is gone. Its input may have to wait, so that no read would tell, and
    /// an answer would be lost.
    pub fn is_held_in_vain(&self) -> bool {
        self.has_ended && matches!(self.state, State::Held(_))
    }
}
