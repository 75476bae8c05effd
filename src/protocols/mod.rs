//! Wire text to commands, events to wire text: one file a protocol, and the enum over them.
//!
//! A message goes through in three steps, so that nothing is borrowed while the chat works on it:
//! [`Protocol::decode`] reads it, the chat carries out its commands, [`Protocol::answer`] tells the sender
//! what became of it.

mod answer;
pub mod bayeux;
mod json;
pub mod phoenix;
pub mod socket_io;

use serde::Serialize;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::Millis;
use crate::chat::command::{Command, CommandError};
use crate::chat::event::Event;
use crate::endpoint::Endpoint;
use crate::http::request::Request as HttpRequest;
use crate::http::response::Response;
use crate::http::routes::ChatRoute;

pub use answer::{AnswerForm, BodyForm};
use bayeux::Bayeux;
pub use bayeux::LIFETIME as SHARED_SOCKET_TIMEOUT;
use phoenix::Phoenix;
use socket_io::SocketIo;

/// A protocol and its transport, as metrics name them.
pub type Kind = (&'static str, &'static str);

/// All kinds of clients.
pub const KINDS: [Kind; 5] = [
    ("phoenix", "websocket"),
    ("socket.io", "websocket"),
    ("socket.io", "polling"),
    (SHARED_SOCKET_PROTOCOL, "websocket"),
    ("bayeux", "polling"),
];

/// The protocol whose sessions share a WebSocket and outlive it.
pub const SHARED_SOCKET_PROTOCOL: &str = "bayeux";

/// Takes one outgoing message, as the parts that make up its text.
pub type Outgoing<'a> = dyn FnMut(&[&str]) + 'a;

/// A client's protocol, with the state that the protocol keeps for it.
#[derive(Debug)]
pub enum Protocol {
    Phoenix(Phoenix),
    SocketIo(SocketIo),
    Bayeux(Bayeux),
}

/// A request or frame of which a part is carried out in a later turn.
#[derive(Debug)]
pub enum Pending {
    Batch(bayeux::batch::PendingBatch),
    Payload(socket_io::payload::PendingPayload),
}

/// What a protocol made of a message.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// Something to carry out, and the context to answer it with.
    Request(Request<'a>),
    /// The client subscribes to the server's figures, or unsubscribes. That always succeeds.
    WatchFigures(bool, ReplyContext<'a>),
    /// Nothing is left to do: it was answered on the spot.
    Done,
    /// It was no request that can be carried out; the sender has been told why.
    Refused(CommandError),
    /// The client's users leave, and the client stays.
    Leave,
    /// The client leaves, or what came was no message of this protocol: the connection is to be closed.
    Close(CloseCode, &'static str),
}

/// What a protocol wants when it was woken.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake {
    /// To be woken again at this time.
    At(Millis),
    /// That what it holds is sent, and to be woken again.
    Answer,
    /// The client has been silent for too long: the connection is to be closed.
    Close(CloseCode, &'static str),
}

/// Commands in the order in which to carry them out, up to the first that is refused.
#[derive(Debug)]
pub struct Request<'a> {
    /// What has to happen first: a rejoin as another user is a leave and a join.
    pub first: Vec<Command<'a>>,
    pub command: Command<'a>,
    pub context: ReplyContext<'a>,
}

/// What a protocol needs to answer a request.
#[derive(Debug)]
pub enum ReplyContext<'a> {
    Phoenix(phoenix::ReplyContext<'a>),
    SocketIo(socket_io::ReplyContext<'a>),
    Bayeux(bayeux::ReplyContext<'a>),
}

/// Clients of one encoding get the same text for the same event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Phoenix(phoenix::Version),
    SocketIo,
    Bayeux,
}

impl Protocol {
    /// Reads one text message. What can be answered without the chat goes to `out`.
    pub fn decode<'a>(&mut self, text: &'a str, out: &mut Outgoing) -> Decoded<'a> {
        match self {
            Protocol::Phoenix(phoenix) => phoenix.decode(text, out),
            Protocol::SocketIo(socket_io) => socket_io.decode(text, out),
            // Its messages come in batches that may be of several clients: see [`Bayeux::receive`].
            Protocol::Bayeux(_) => Decoded::Done,
        }
    }

    /// Reads one binary message, of which no protocol has a use.
    pub fn binary(&mut self) -> Decoded<'static> {
        match self {
            Protocol::Phoenix(_) => Decoded::Close(CloseCode::Unsupported, "text only"),
            Protocol::SocketIo(socket_io) => socket_io.binary(),
            Protocol::Bayeux(_) => Decoded::Done,
        }
    }

    /// Tells the sender of a request what became of it.
    pub fn answer(
        &mut self,
        context: ReplyContext<'_>,
        result: Result<(), CommandError>,
        out: &mut Outgoing,
    ) {
        match (self, context) {
            (Protocol::Phoenix(phoenix), ReplyContext::Phoenix(context)) => {
                phoenix.answer(context, result, out)
            }
            (Protocol::SocketIo(socket_io), ReplyContext::SocketIo(context)) => {
                socket_io.answer(context, result, out)
            }
            (Protocol::Bayeux(bayeux), ReplyContext::Bayeux(context)) => bayeux.answer(context, result, out),
            // A context goes back to the client whose message it came from.
            _ => {}
        }
    }

    /// Does what the protocol does by the clock. `heard` is when the client was last heard of.
    pub fn wake(&mut self, heard: Millis, now: Millis, out: &mut Outgoing) -> Wake {
        match self {
            Protocol::Phoenix(phoenix) => phoenix.wake(heard, now),
            Protocol::SocketIo(socket_io) => socket_io.wake(heard, now, out),
            Protocol::Bayeux(bayeux) => bayeux.wake(heard, now),
        }
    }

    /// Puts messages together to the body that answers a poll.
    pub fn payload<'a>(&mut self, messages: impl Iterator<Item = &'a str>) -> String {
        match self {
            // Its clients do not poll.
            Protocol::Phoenix(_) => String::new(),
            Protocol::SocketIo(socket_io) => socket_io.revision().encode_payload(messages),
            Protocol::Bayeux(bayeux) => bayeux.payload(messages),
        }
    }

    /// Milliseconds since the next answer was due, if it is late: the process was stopped meanwhile.
    pub fn lateness(&self, now: Millis) -> Millis {
        match self {
            Protocol::Bayeux(bayeux) => bayeux.lateness(now),
            Protocol::Phoenix(_) | Protocol::SocketIo(_) => 0,
        }
    }

    /// Whether its sessions outlive the connection of a held request.
    pub fn outlives_connection(&self) -> bool {
        matches!(self, Protocol::Bayeux(_))
    }

    /// The name by which the session's requests find it, if there is a table of such names: a Bayeux clientId.
    pub fn session_name(&self) -> Option<&str> {
        match self {
            Protocol::Bayeux(bayeux) => Some(bayeux.id()),
            Protocol::Phoenix(_) | Protocol::SocketIo(_) => None,
        }
    }

    /// Drops what the protocol itself keeps until it can be sent: there is no connection to send it over.
    pub fn release_held(&mut self) {
        if let Protocol::Bayeux(bayeux) = self {
            bayeux.release_held_connect();
        }
    }

    /// Bytes of what the protocol itself keeps until it can be sent.
    pub fn held_bytes(&self) -> usize {
        match self {
            Protocol::Bayeux(bayeux) => bayeux.held_bytes().unwrap_or_default(),
            Protocol::Phoenix(_) | Protocol::SocketIo(_) => 0,
        }
    }

    /// Bytes of what the protocol keeps for as long as the client wants it: Bayeux subscriptions. Phoenix has no more
    /// topics than its client has users and chats.
    pub fn session_state(&self) -> usize {
        match self {
            Protocol::Bayeux(bayeux) => bayeux.subscription_memory(),
            Protocol::Phoenix(_) | Protocol::SocketIo(_) => 0,
        }
    }

    /// The last message to a polling client whose session ends for this reason, if there is one. As in
    /// engine.io, a client that has closed its session itself is only to have its poll answered.
    pub fn farewell(&self, code: CloseCode) -> Option<&'static str> {
        match self {
            Protocol::SocketIo(_) if code == CloseCode::Normal => Some(socket_io::NOOP),
            Protocol::SocketIo(_) => Some(socket_io::CLOSE),
            Protocol::Phoenix(_) | Protocol::Bayeux(_) => None,
        }
    }

    /// Whether this client has subscribed to what the event belongs to.
    pub fn wants(&self, event: &Event<'_>) -> bool {
        match self {
            Protocol::Phoenix(phoenix) => phoenix.wants(event),
            Protocol::SocketIo(socket_io) => socket_io.wants(event),
            Protocol::Bayeux(bayeux) => bayeux.wants(event),
        }
    }

    /// The encoding in which this client gets an event that goes to several; `None` if it has not subscribed to it.
    pub fn encoding_for(&self, event: &Event<'_>) -> Option<Encoding> {
        self.wants(event).then(|| self.encoding())
    }

    /// Writes an event to this client if it has subscribed to what the event belongs to. False if the client has
    /// not joined that and can still do so, which only Phoenix has: in Socket.IO there is nothing to join, and
    /// in Bayeux a subscription is to what is published after it.
    pub fn deliver(&mut self, event: &Event<'_>, out: &mut Outgoing) -> bool {
        match self {
            Protocol::Phoenix(phoenix) => phoenix.deliver(event, out),
            Protocol::SocketIo(socket_io) => {
                if socket_io.wants(event) {
                    socket_io::encode(event, out);
                }
                true
            }
            Protocol::Bayeux(bayeux) => {
                if bayeux.wants(event) {
                    bayeux::encode(event, out);
                }
                bayeux.on_delivered(event);
                true
            }
        }
    }

    /// The encoding in which this client gets the server's figures; `None` if it has not subscribed to them.
    pub fn encoding_for_figures(&self) -> Option<Encoding> {
        match self {
            Protocol::Phoenix(phoenix) if phoenix.watches_figures() => Some(self.encoding()),
            _ => None,
        }
    }

    /// The protocol's name.
    pub fn name(&self) -> &'static str {
        match self {
            Protocol::Phoenix(_) => "phoenix",
            Protocol::SocketIo(_) => "socket.io",
            Protocol::Bayeux(_) => "bayeux",
        }
    }

    /// What the client's texts have in common with those of other clients.
    fn encoding(&self) -> Encoding {
        match self {
            Protocol::Phoenix(phoenix) => Encoding::Phoenix(phoenix.version()),
            Protocol::SocketIo(_) => Encoding::SocketIo,
            Protocol::Bayeux(_) => Encoding::Bayeux,
        }
    }
}

impl ReplyContext<'_> {
    /// Whether the sender of a request gets an answer with this result.
    pub fn is_answered(&self, result: Result<(), CommandError>) -> bool {
        match self {
            ReplyContext::Phoenix(context) => result.is_err() || context.is_answered_if_ok(),
            ReplyContext::SocketIo(_) | ReplyContext::Bayeux(_) => true,
        }
    }
}

impl Pending {
    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        match self {
            Pending::Batch(batch) => batch.memory(),
            Pending::Payload(payload) => payload.memory(),
        }
    }
}

impl Endpoint {
    /// Serves a request for a protocol's route. `None` if the response is held, or the connection is a WebSocket now.
    pub(crate) fn serve(
        &mut self,
        slot: u32,
        request: &HttpRequest<'_>,
        route: ChatRoute,
    ) -> Option<Response> {
        match route {
            ChatRoute::Phoenix => self.upgrade_phoenix(slot, request).err(),
            ChatRoute::SocketIo => self.socket_io(slot, request),
            ChatRoute::Bayeux => self.bayeux(slot, request),
        }
    }

    /// The head of a request has come, and its body has not.
    pub(crate) fn begin_request(&mut self, slot: u32, request: &HttpRequest<'_>, route: ChatRoute) {
        if route == ChatRoute::SocketIo {
            self.begin_post(slot, request);
        }
    }

    /// Goes on with what a connection began in an earlier turn. Returns the rest.
    pub(crate) fn continue_request(&mut self, slot: u32, pending: Pending) -> Option<Pending> {
        match pending {
            Pending::Batch(batch) => self.continue_batch(slot, batch).map(Pending::Batch),
            Pending::Payload(payload) => self.continue_payload(slot, payload).map(Pending::Payload),
        }
    }

    /// A text message over a WebSocket that several sessions share.
    pub(crate) fn shared_text(&mut self, slot: u32, text: &str) {
        self.bayeux_frame(slot, text);
    }
}

impl Encoding {
    /// Writes the server's figures. Only Phoenix has a topic for them.
    pub fn figures(self, figures: &impl Serialize, out: &mut Outgoing) {
        if let Encoding::Phoenix(version) = self {
            phoenix::encode_figures(version, figures, out);
        }
    }

    /// Writes an event that goes to several clients as this encoding says it. Phoenix has broadcasts for that.
    pub fn broadcast(self, event: &Event<'_>, out: &mut Outgoing) {
        match self {
            Encoding::Phoenix(version) => phoenix::broadcast(version, event, out),
            Encoding::SocketIo => socket_io::encode(event, out),
            Encoding::Bayeux => bayeux::encode(event, out),
        }
    }
}
