//! Socket.IO over Engine.IO: the protocol of node-chat-server's express.io branch, for socket.io-client
//! 1.x and 2.x (Engine.IO 3) and 3.x and 4.x (Engine.IO 4).

mod encode;
pub mod engine;
mod packet;
pub(crate) mod payload;
mod transport;

use std::borrow::Cow;

use tungstenite::protocol::frame::coding::CloseCode;

use super::{Decoded, Outgoing, Request, Wake};
use crate::Millis;
use crate::chat::command::CommandError;
use crate::chat::event::Event;
use crate::chat::id::Role;

pub use encode::encode;
use engine::Revision;
use packet::{EventPacket, Packet};

/// How often a ping goes out: from the client in Engine.IO 3, from the server in Engine.IO 4.
const PING_INTERVAL: Millis = 25_000;

/// The packets with which a session says its last, or nothing at all.
pub const CLOSE: &str = "1";
pub const NOOP: &str = "6";

/// The event by which an error comes to a client that asked for no acknowledgement. Not `error`, which
/// some client versions reserve, and which throws if it has no listener.
pub const ERROR_EVENT: &str = "chat:error";

/// How a client stands to the default namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namespace {
    /// The client has not connected yet, and may send nothing else before it does. Socket.IO 5 (Engine.IO 4) only.
    Unconnected,
    /// In Engine.IO 3 from the beginning.
    Connected,
    /// The client has disconnected from the namespace. Its session goes on.
    Disconnected,
}

/// One client's session.
#[derive(Debug)]
pub struct SocketIo {
    revision: Revision,
    namespace: Namespace,
    /// Binary attachments to come that belong to a packet which was refused or is not expected.
    attachments: usize,
    /// When the server's next ping is due; Engine.IO 4 only.
    next_ping: Millis,
    /// What makes the session's id unguessable.
    secret: u64,
}

/// What is needed to answer a packet.
#[derive(Debug)]
pub struct ReplyContext<'a> {
    /// The namespace with a comma behind it; nothing for the default one.
    namespace: Cow<'static, str>,
    event: &'a str,
    ack: Option<&'a str>,
}

impl SocketIo {
    /// A session that begins now.
    pub fn new(revision: Revision, secret: u64, now: Millis) -> SocketIo {
        let next_ping = now + PING_INTERVAL;
        let namespace = match revision {
            Revision::V3 => Namespace::Connected,
            Revision::V4 => Namespace::Unconnected,
        };
        SocketIo { revision, namespace, attachments: 0, next_ping, secret }
    }

    /// The revision of Engine.IO that the client speaks.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What makes the session's id unguessable.
    pub fn secret(&self) -> u64 {
        self.secret
    }

    /// Opens the session: `0{…}`, and in Engine.IO 3 the default namespace unasked.
    pub fn open(&self, sid: &str, upgrades: &[&str], max_payload: usize, out: &mut Outgoing) {
        out(&["0", &self.revision.open_packet(sid, upgrades, max_payload)]);
        if self.revision == Revision::V3 {
            out(&["40"]);
        }
    }

    /// See [`super::Protocol::decode`].
    pub fn decode<'a>(&mut self, text: &'a str, out: &mut Outgoing) -> Decoded<'a> {
        let Some((kind, rest)) = text.split_at_checked(1) else {
            return Decoded::Close(CloseCode::Invalid, "not an Engine.IO packet");
        };
        match kind {
            "4" => self.packet(rest, out),
            "2" => {
                out(&["3", rest]);
                Decoded::Done
            }
            // Pong, upgrade and noop: that something came is all that they say here.
            "3" | "5" | "6" => Decoded::Done,
            "1" => Decoded::Close(CloseCode::Normal, ""),
            "b" => self.binary(),
            _ => Decoded::Close(CloseCode::Invalid, "not an Engine.IO packet"),
        }
    }

    /// Binary data: passed over if it belongs to a packet that was refused.
    pub fn binary(&mut self) -> Decoded<'static> {
        if self.attachments == 0 {
            return Decoded::Close(CloseCode::Unsupported, "text only");
        }
        self.attachments -= 1;
        Decoded::Done
    }

    /// See [`super::Protocol::answer`].
    pub fn answer(
        &mut self,
        context: ReplyContext<'_>,
        result: Result<(), CommandError>,
        out: &mut Outgoing,
    ) {
        let namespace = &*context.namespace;
        match (context.ack, result) {
            (Some(id), Ok(())) => out(&["43", namespace, id, r#"[{"status":"ok"}]"#]),
            (Some(id), Err(refusal)) => {
                out(&["43", namespace, id, r#"[{"status":"error","reason":""#, refusal.reason(), "\"}]"]);
            }
            (None, Ok(())) => {}
            (None, Err(refusal)) => out(&[
                "42",
                namespace,
                "[\"",
                ERROR_EVENT,
                "\",{\"event\":",
                context.event,
                ",\"reason\":\"",
                refusal.reason(),
                "\"}]",
            ]),
        }
    }

    /// See [`super::Protocol::wake`].
    pub fn wake(&mut self, heard: Millis, now: Millis, out: &mut Outgoing) -> Wake {
        let timeout = self.revision.ping_timeout();
        let pinged = self.next_ping - PING_INTERVAL;
        // The time to answer begins with the ping, which is late if the process did not run meanwhile.
        let deadline = match self.revision {
            Revision::V3 => heard + PING_INTERVAL + timeout,
            Revision::V4 if pinged > heard => pinged + timeout,
            Revision::V4 if self.next_ping > now => return Wake::At(self.next_ping),
            Revision::V4 => {
                out(&["2"]);
                self.next_ping = now + PING_INTERVAL;
                now + timeout
            }
        };
        if deadline > now { Wake::At(deadline) } else { Wake::Close(CloseCode::Away, "ping timeout") }
    }

    /// See [`super::Protocol::wants`]. `ready` is for the teacher alone, as in node-chat-server.
    pub fn wants(&self, event: &Event<'_>) -> bool {
        self.is_connected() && !matches!(event, Event::ChatReady { to: Role::Student, .. })
    }

    fn is_connected(&self) -> bool {
        self.namespace == Namespace::Connected
    }

    fn packet<'a>(&mut self, text: &'a str, out: &mut Outgoing) -> Decoded<'a> {
        let Some(packet) = Packet::parse(text) else {
            return Decoded::Close(CloseCode::Invalid, "not a Socket.IO packet");
        };
        // The attachments of a packet follow it without anything in between.
        if self.attachments > 0 {
            return Decoded::Close(CloseCode::Invalid, "binary attachment missing");
        }
        match packet {
            Packet::Connect { namespace } => self.connect(namespace, out),
            // Socket.IO 5: a server that does not receive a CONNECT packet first closes the connection.
            _ if self.namespace == Namespace::Unconnected => {
                Decoded::Close(CloseCode::Protocol, "first packet is not CONNECT")
            }
            Packet::Disconnect { namespace: "/" } => {
                self.namespace = Namespace::Disconnected;
                Decoded::Leave
            }
            Packet::Event(event) => self.event(event, out),
            Packet::BinaryEvent { event, attachments } => {
                self.attachments = attachments;
                self.answer(context(&event), Err(CommandError::BinaryData), out);
                Decoded::Refused(CommandError::BinaryData)
            }
            Packet::BinaryAck { attachments } => {
                self.attachments = attachments;
                Decoded::Done
            }
            Packet::Disconnect { .. } | Packet::Other => Decoded::Done,
        }
    }

    fn connect(&mut self, namespace: &str, out: &mut Outgoing) -> Decoded<'static> {
        if namespace != "/" {
            let error = self.revision.invalid_namespace();
            out(&["44", &prefix(namespace), error]);
            return Decoded::Refused(CommandError::UnmatchedTopic);
        }
        self.namespace = Namespace::Connected;
        match self.revision {
            Revision::V3 => out(&["40"]),
            // Clients show this id to each other, so it is not the one that opens the session.
            Revision::V4 => {
                out(&["40{\"sid\":\"", &format!("{:016x}", engine::public_id(self.secret)), "\"}"]);
            }
        }
        Decoded::Done
    }

    fn event<'a>(&mut self, packet: EventPacket<'a>, out: &mut Outgoing) -> Decoded<'a> {
        let context = context(&packet);
        let command = if packet.namespace != "/" || !self.is_connected() {
            Err(CommandError::NotConnected)
        } else if packet.is("ping") {
            out(&["42[\"pong\"]"]);
            if context.ack.is_some() {
                self.answer(context, Ok(()), out);
            }
            return Decoded::Done;
        } else {
            packet.command()
        };
        match command {
            Ok((first, command)) => {
                let context = super::ReplyContext::SocketIo(context);
                Decoded::Request(Request { first: first.into_iter().collect(), command, context })
            }
            Err(refusal) => {
                self.answer(context, Err(refusal), out);
                Decoded::Refused(refusal)
            }
        }
    }
}

fn context<'a>(packet: &EventPacket<'a>) -> ReplyContext<'a> {
    ReplyContext { namespace: prefix(packet.namespace), event: packet.name, ack: packet.ack }
}

/// A namespace as it stands in a packet: the default one does not.
fn prefix(namespace: &str) -> Cow<'static, str> {
    if namespace == "/" { Cow::Borrowed("") } else { Cow::Owned(format!("{namespace},")) }
}
