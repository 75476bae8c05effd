//! What a user sends and receives, in the terms of its protocol.

use std::collections::BTreeMap;

use mio_chat_server::Millis;
use mio_chat_server::chat::id::Role;
use mio_chat_server::protocols::phoenix::Version;
use mio_chat_server::protocols::socket_io::engine::Revision;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{bayeux, phoenix, socket_io};

/// A protocol and its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Phoenix(Version),
    SocketIo(Revision),
    /// Polling, and perhaps a WebSocket later.
    SocketIoPolling(Revision),
    Bayeux(BayeuxTransport),
}

/// How Bayeux messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BayeuxTransport {
    WebSocket,
    /// Long-polling by POST.
    Post,
    /// Callback-polling (JSONP).
    Script,
}

impl Kind {
    pub const ALL: [Kind; 9] = [
        Kind::Phoenix(Version::V1),
        Kind::Phoenix(Version::V2),
        Kind::SocketIo(Revision::V3),
        Kind::SocketIo(Revision::V4),
        Kind::SocketIoPolling(Revision::V3),
        Kind::SocketIoPolling(Revision::V4),
        Kind::Bayeux(BayeuxTransport::WebSocket),
        Kind::Bayeux(BayeuxTransport::Post),
        Kind::Bayeux(BayeuxTransport::Script),
    ];

    /// Where to ask for the WebSocket that it begins with, if it does.
    pub fn socket_target(self) -> Option<&'static str> {
        match self {
            Kind::Phoenix(Version::V1) => Some("/ws?vsn=1.0.0"),
            Kind::Phoenix(Version::V2) => Some("/ws/websocket?vsn=2.0.0"),
            Kind::SocketIo(Revision::V3) => Some("/socket.io/?EIO=3&transport=websocket"),
            Kind::SocketIo(Revision::V4) => Some("/socket.io/?EIO=4&transport=websocket"),
            Kind::Bayeux(BayeuxTransport::WebSocket) => Some("/faye"),
            Kind::SocketIoPolling(_) | Kind::Bayeux(_) => None,
        }
    }

    pub fn is_bayeux(self) -> bool {
        matches!(self, Kind::Bayeux(_))
    }

    pub fn is_phoenix(self) -> bool {
        matches!(self, Kind::Phoenix(_))
    }

    /// How long a client that is gone may keep its WebSocket, if it has its session to itself: the timeouts of the
    /// protocol and `--idle-timeout`.
    pub fn longest_silence(self) -> Option<Millis> {
        match self {
            Kind::Phoenix(_) => Some(60_000),
            Kind::SocketIo(Revision::V3) | Kind::SocketIoPolling(Revision::V3) => Some(25_000 + 60_000),
            Kind::SocketIo(Revision::V4) | Kind::SocketIoPolling(Revision::V4) => Some(25_000 + 20_000),
            Kind::Bayeux(_) => None,
        }
    }

    /// How often the client sends a heartbeat unasked, if it does.
    pub fn heartbeat_interval(self) -> Option<Millis> {
        match self {
            Kind::Phoenix(_) => Some(30_000),
            Kind::SocketIo(Revision::V3) | Kind::SocketIoPolling(Revision::V3) => Some(25_000),
            _ => None,
        }
    }
}

/// What a message from the server means.
#[derive(Debug)]
pub enum Received {
    /// The session is open: the user may come on line.
    Opened,
    /// Bayeux: the user is subscribed to the chats that begin, and may come on line.
    Subscribed,
    /// The user is on line.
    Connected,
    Refused {
        chat: Option<Uuid>,
        reason: String,
    },
    NewChat(Uuid),
    /// Phoenix: a chat's topic is joined.
    Joined(Uuid),
    Ready(Uuid),
    Message(Uuid, String),
    Terminated(Uuid),
    Status {
        waiting: u64,
    },
    /// This is to be sent at once.
    Answer(String),
    /// The session has ended.
    Closed,
    Nothing,
}

/// One user's end of its protocol.
#[derive(Debug)]
pub struct Wire {
    pub kind: Kind,
    pub role: Role,
    /// The user's id as JSON: a number or a string.
    pub id: String,
    /// The reference or acknowledgement that was used last.
    pub reference: u32,
    /// Phoenix: the reference of the join, by topic.
    pub join_refs: BTreeMap<String, u32>,
    /// Bayeux: the session's id, and whether it goes over a WebSocket.
    pub client_id: String,
    pub is_socket: bool,
}

impl Wire {
    pub fn new(kind: Kind, role: Role, id: String) -> Wire {
        let (client_id, is_socket) = (String::new(), kind.socket_target().is_some());
        Wire { kind, role, id, reference: 0, join_refs: BTreeMap::new(), client_id, is_socket }
    }

    /// The id without JSON's quotes.
    pub fn id_text(&self) -> &str {
        self.id.trim_matches('"')
    }

    /// The first texts over a connection, if the client is the one that begins.
    pub fn begin(&mut self) -> Vec<String> {
        match self.kind {
            Kind::Phoenix(_) => vec![self.connect()],
            Kind::Bayeux(BayeuxTransport::WebSocket) => vec![bayeux::handshake()],
            // Over polling the handshake is the transport's first request.
            _ => Vec::new(),
        }
    }

    /// The session is open: the user comes on line, over Bayeux after it has subscribed.
    pub fn opened(&mut self) -> Vec<String> {
        if !self.kind.is_bayeux() {
            return vec![self.connect()];
        }
        let subscribe = bayeux::subscribe(&self.client_id, &bayeux::presence_channels(self));
        let connect = self.is_socket.then(|| bayeux::connect(&self.client_id, "websocket"));
        connect.into_iter().chain([subscribe]).collect()
    }

    /// The user comes on line; over Socket.IO and Bayeux a student is ready by that.
    pub fn connect(&mut self) -> String {
        let (id, role) = (&self.id, self.role.name());
        let payload = format!(r#"{{"userId":{id},"role":"{role}"}}"#);
        match self.kind {
            Kind::Phoenix(_) => self.phoenix(&self.presence_topic(), "phx_join", &payload),
            Kind::Bayeux(_) => self.publish(&format!("/presence/{role}/connect"), &payload),
            _ => self.socket_io(&format!("presence:{role}:connect"), &payload, true),
        }
    }

    /// The student waits for a chat.
    pub fn ready(&mut self) -> String {
        if !self.kind.is_phoenix() {
            return self.connect();
        }
        let payload = format!(r#"{{"userId":{}}}"#, self.id);
        self.phoenix(&self.presence_topic(), "student:ready", &payload)
    }

    /// The teacher takes the next student.
    pub fn claim(&mut self) -> String {
        let payload = format!(r#"{{"teacherId":{}}}"#, self.id);
        match self.kind {
            Kind::Phoenix(_) => self.phoenix("presence:teachers", "claim:student", &payload),
            Kind::Bayeux(_) => self.publish("/presence/claim_student", &payload),
            _ => self.socket_io("presence:claim_student", &payload, false),
        }
    }

    /// The user enters a chat; over Phoenix it joins the topic first, over Bayeux it subscribes.
    pub fn enter(&mut self, chat: Uuid) -> Vec<String> {
        let (id, role) = (&self.id, self.role.name());
        let payload = format!(r#"{{"chatId":"{chat}","userId":{id},"role":"{role}"}}"#);
        match self.kind {
            Kind::Phoenix(_) => vec![self.phoenix(&format!("chats:{chat}"), "phx_join", &payload)],
            Kind::Bayeux(_) => {
                let subscribe = bayeux::subscribe(&self.client_id, &bayeux::chat_channels(self, chat));
                vec![subscribe, self.publish(&format!("/chat/{chat}/{role}/joined"), &payload)]
            }
            _ => vec![self.socket_io(&format!("chat:{role}:joined"), &payload, false)],
        }
    }

    /// The topic is joined: the user is in the chat.
    pub fn joined(&mut self, chat: Uuid) -> String {
        let event = format!("{}:joined", self.role.name());
        self.phoenix(&format!("chats:{chat}"), &event, "{}")
    }

    /// The user sends a message, which has to name the chat for Socket.IO.
    pub fn message(&mut self, chat: Uuid, payload: &str) -> String {
        let role = self.role.name();
        match self.kind {
            Kind::Phoenix(_) => self.phoenix(&format!("chats:{chat}"), &format!("{role}:send"), payload),
            Kind::Bayeux(_) => self.publish(&format!("/chat/{chat}/{role}/send"), payload),
            _ => self.socket_io(&format!("chat:{role}:send"), payload, false),
        }
    }

    /// The user ends a chat.
    pub fn terminate(&mut self, chat: Uuid) -> String {
        let role = self.role.name();
        let payload = format!(r#"{{"chatId":"{chat}","message":"bye"}}"#);
        match self.kind {
            Kind::Phoenix(_) => self.phoenix(&format!("chats:{chat}"), "chat:terminate", "{}"),
            Kind::Bayeux(_) => self.publish(&format!("/chat/{chat}/{role}/terminate"), &payload),
            _ => self.socket_io(&format!("chat:{role}:terminate"), &payload, false),
        }
    }

    /// The user leaves the topic of a chat that is over.
    pub fn leave_chat(&mut self, chat: Uuid) -> Option<String> {
        let topic = format!("chats:{chat}");
        let text = self.kind.is_phoenix().then(|| self.phoenix(&topic, "phx_leave", "{}"));
        self.join_refs.remove(&topic);
        text
    }

    /// The user goes off line.
    pub fn leave(&mut self) -> String {
        let payload = format!(r#"{{"userId":{},"role":"student"}}"#, self.id);
        match (self.kind, self.role) {
            (Kind::Phoenix(_), _) => self.phoenix(&self.presence_topic(), "phx_leave", "{}"),
            (Kind::Bayeux(_), Role::Teacher) => bayeux::disconnect(&self.client_id),
            (Kind::Bayeux(_), Role::Student) => self.publish("/presence/student/disconnect", &payload),
            (_, Role::Teacher) => "41".into(),
            (_, Role::Student) => self.socket_io("presence:student:disconnect", &payload, true),
        }
    }

    /// Says that the client is there; over Bayeux its connects do.
    pub fn heartbeat(&mut self) -> String {
        match self.kind {
            Kind::Phoenix(_) => self.phoenix("phoenix", "heartbeat", "{}"),
            Kind::Bayeux(_) => bayeux::connect(&self.client_id, "websocket"),
            _ => "2".into(),
        }
    }

    /// What a message from the server means; panics if it means nothing, or is for another user.
    pub fn receive(&mut self, text: &str) -> Received {
        match self.kind {
            Kind::Phoenix(version) => phoenix::receive(self, version, text),
            Kind::SocketIo(revision) | Kind::SocketIoPolling(revision) => {
                socket_io::receive(self, revision, text)
            }
            Kind::Bayeux(_) => bayeux::receive(self, text),
        }
    }

    pub fn presence_topic(&self) -> String {
        match self.role {
            Role::Teacher => "presence:teachers".into(),
            Role::Student => format!("presence:student:{}", self.id_text()),
        }
    }

    fn phoenix(&mut self, topic: &str, event: &str, payload: &str) -> String {
        phoenix::frame(self, topic, event, payload)
    }

    fn publish(&self, channel: &str, data: &str) -> String {
        bayeux::publish(&self.client_id, channel, data)
    }

    fn socket_io(&mut self, event: &str, data: &str, wants_ack: bool) -> String {
        self.reference += 1;
        let ack = if wants_ack { self.reference.to_string() } else { String::new() };
        format!(r#"42{ack}["{event}",{data}]"#)
    }
}

impl Received {
    /// What an event means that Socket.IO and Bayeux name alike, by the parts of its name: a status, or one in a chat.
    pub fn shared(wire: &Wire, name: &[&str], data: &RawValue) -> Option<Received> {
        let role = wire.role.name();
        let chat = |id: &str| id.parse().expect("a chat's id");
        Some(match *name {
            ["presence", "status"] => Received::Status { waiting: phoenix::waiting(data) },
            ["chat", id, "ready"] => Received::Ready(chat(id)),
            ["chat", id, to, "receive"] if to == role => Received::Message(chat(id), data.get().into()),
            ["chat", id, to, "terminated"] if to == role => Received::Terminated(chat(id)),
            _ => return None,
        })
    }
}
