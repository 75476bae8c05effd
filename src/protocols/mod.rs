//! Wire text to commands, events to wire text: one file a protocol, and the enum over them.
//!
//! A message goes through in three steps, so that nothing is borrowed while the chat works on it:
//! [`Protocol::decode`] reads it, the app carries out its commands, [`Protocol::answer`] tells the sender
//! what became of it.

pub mod phoenix;

use tungstenite::protocol::frame::coding::CloseCode;

use crate::command::{Command, Refusal};
use crate::event::Event;
use crate::models::Millis;

use phoenix::Phoenix;

/// Takes one outgoing message, as the parts that make up its text.
pub type Outgoing<'a> = dyn FnMut(&[&str]) + 'a;

/// A client's protocol, with the state that the protocol keeps for it.
#[derive(Debug)]
pub enum Protocol {
    Phoenix(Phoenix),
}

/// What a protocol made of a message.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// Something to carry out, and the ticket to answer it with.
    Request(Request<'a>),
    /// Nothing is left to do: it was answered on the spot.
    Done,
    /// It was no request that can be carried out; the sender has been told why.
    Refused(Refusal),
    /// It was no message of this protocol: the connection is to be closed.
    Close(CloseCode, &'static str),
}

/// What a protocol wants when it was woken.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake {
    /// To be woken again at this time.
    At(Millis),
    /// The client has been silent for too long: the connection is to be closed.
    Close(CloseCode, &'static str),
}

/// Commands in the order in which to carry them out, up to the first that is refused.
#[derive(Debug)]
pub struct Request<'a> {
    /// What has to happen first: a rejoin as somebody else is a leave and a join.
    pub first: Option<Command<'a>>,
    pub command: Command<'a>,
    pub ticket: Ticket<'a>,
}

/// What a protocol needs to answer a request.
#[derive(Debug)]
pub enum Ticket<'a> {
    Phoenix(phoenix::Ticket<'a>),
}

/// Clients of one dialect get the same text for the same event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Phoenix(phoenix::Version),
}

impl Protocol {
    /// Reads one text message. What can be answered without the app goes to `out`.
    pub fn decode<'a>(&mut self, text: &'a str, out: &mut Outgoing) -> Decoded<'a> {
        match self {
            Protocol::Phoenix(phoenix) => phoenix.decode(text, out),
        }
    }

    /// Tells the sender of a request what became of it.
    pub fn answer(&mut self, ticket: Ticket<'_>, result: Result<(), Refusal>, out: &mut Outgoing) {
        match (self, ticket) {
            (Protocol::Phoenix(phoenix), Ticket::Phoenix(ticket)) => phoenix.answer(ticket, result, out),
        }
    }

    /// Does what the protocol does by the clock. `heard` is when the client was last heard of.
    pub fn wake(&mut self, heard: Millis, now: Millis, _out: &mut Outgoing) -> Wake {
        match self {
            Protocol::Phoenix(phoenix) => phoenix.wake(heard, now),
        }
    }

    /// Whether this client has subscribed to what the event belongs to.
    pub fn wants(&self, event: &Event<'_>) -> bool {
        match self {
            Protocol::Phoenix(phoenix) => phoenix.wants(event),
        }
    }

    /// What the client's texts have in common with those of other clients.
    pub fn dialect(&self) -> Dialect {
        match self {
            Protocol::Phoenix(phoenix) => Dialect::Phoenix(phoenix.version()),
        }
    }
}

impl Dialect {
    /// Writes an event as this dialect says it.
    pub fn encode(self, event: &Event<'_>, out: &mut Outgoing) {
        match self {
            Dialect::Phoenix(version) => phoenix::encode(version, event, out),
        }
    }
}
