//! What a user says and hears, in the words of its protocol.

use std::collections::BTreeMap;

use mio_chat_server::Millis;
use mio_chat_server::chat::id::Role;
use mio_chat_server::protocols::Protocol;
use mio_chat_server::protocols::phoenix::{Phoenix, Version};
use mio_chat_server::protocols::socket_io::SocketIo;
use mio_chat_server::protocols::socket_io::engine::Revision;
use uuid::Uuid;

use super::{phoenix, socket_io};

/// How long a Phoenix client may be silent here, as `--idle-timeout` has it.
const IDLE_TIMEOUT: Millis = 60_000;

/// A protocol over WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Phoenix(Version),
    SocketIo(Revision),
}

impl Kind {
    pub const ALL: [Kind; 4] = [
        Kind::Phoenix(Version::V1),
        Kind::Phoenix(Version::V2),
        Kind::SocketIo(Revision::V3),
        Kind::SocketIo(Revision::V4),
    ];

    /// The server's side of a client that has just connected, which may have been told something.
    pub fn accept(self, now: Millis, out: &mut impl FnMut(&[&str])) -> Protocol {
        match self {
            Kind::Phoenix(version) => Protocol::Phoenix(Phoenix::new(version, IDLE_TIMEOUT)),
            Kind::SocketIo(revision) => {
                let socket_io = SocketIo::new(revision, now, now);
                socket_io.open("sid", &[], 65_536, out);
                Protocol::SocketIo(socket_io)
            }
        }
    }

    /// How long one who is gone may go unnoticed.
    pub fn longest_silence(self) -> Millis {
        match self {
            Kind::Phoenix(_) => IDLE_TIMEOUT,
            Kind::SocketIo(Revision::V3) => 25_000 + 60_000,
            Kind::SocketIo(Revision::V4) => 25_000 + 20_000,
        }
    }

    /// How often the client says that it is there, if it does so unasked.
    pub fn heartbeat_interval(self) -> Option<Millis> {
        match self {
            Kind::Phoenix(_) => Some(30_000),
            Kind::SocketIo(Revision::V3) => Some(25_000),
            Kind::SocketIo(Revision::V4) => None,
        }
    }
}

/// What a message from the server says.
#[derive(Debug)]
pub enum Heard {
    /// The session is open: the user may come on line.
    Opened,
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
    /// This is to be said at once.
    Answer(String),
    Nothing,
}

/// One user's command of its protocol.
#[derive(Debug)]
pub struct Speech {
    pub kind: Kind,
    pub role: Role,
    /// The user's id as JSON: a number or a string.
    pub id: String,
    /// The reference or acknowledgement that was used last.
    pub reference: u32,
    /// Phoenix: the reference of the join, by topic.
    pub join_refs: BTreeMap<String, u32>,
}

impl Speech {
    pub fn new(kind: Kind, role: Role, id: String) -> Speech {
        Speech { kind, role, id, reference: 0, join_refs: BTreeMap::new() }
    }

    /// The id without JSON's quotes.
    pub fn id_text(&self) -> &str {
        self.id.trim_matches('"')
    }

    /// The user comes on line; over Socket.IO a student is ready by that.
    pub fn connect(&mut self) -> String {
        let payload = format!(r#"{{"userId":{},"role":"{}"}}"#, self.id, self.role.name());
        match self.kind {
            Kind::Phoenix(_) => self.phoenix(&self.presence_topic(), "phx_join", &payload),
            Kind::SocketIo(_) => {
                let event = format!("presence:{}:connect", self.role.name());
                self.socket_io(&event, &payload, true)
            }
        }
    }

    /// The student waits for a chat.
    pub fn ready(&mut self) -> String {
        match self.kind {
            Kind::Phoenix(_) => {
                let payload = format!(r#"{{"userId":{}}}"#, self.id);
                self.phoenix(&self.presence_topic(), "student:ready", &payload)
            }
            Kind::SocketIo(_) => self.connect(),
        }
    }

    /// The teacher takes the next student.
    pub fn claim(&mut self) -> String {
        let payload = format!(r#"{{"teacherId":{}}}"#, self.id);
        match self.kind {
            Kind::Phoenix(_) => self.phoenix("presence:teachers", "claim:student", &payload),
            Kind::SocketIo(_) => self.socket_io("presence:claim_student", &payload, false),
        }
    }

    /// The user enters a chat; over Phoenix it joins the topic first.
    pub fn enter(&mut self, chat: Uuid) -> String {
        let role = self.role.name();
        match self.kind {
            Kind::Phoenix(_) => {
                let payload = format!(r#"{{"userId":{},"role":"{role}"}}"#, self.id);
                self.phoenix(&format!("chats:{chat}"), "phx_join", &payload)
            }
            Kind::SocketIo(_) => {
                let payload = format!(r#"{{"chatId":"{chat}","userId":{}}}"#, self.id);
                self.socket_io(&format!("chat:{role}:joined"), &payload, false)
            }
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
            Kind::SocketIo(_) => self.socket_io(&format!("chat:{role}:send"), payload, false),
        }
    }

    /// The user ends a chat.
    pub fn terminate(&mut self, chat: Uuid) -> String {
        match self.kind {
            Kind::Phoenix(_) => self.phoenix(&format!("chats:{chat}"), "chat:terminate", "{}"),
            Kind::SocketIo(_) => {
                let payload = format!(r#"{{"chatId":"{chat}","message":"bye"}}"#);
                self.socket_io(&format!("chat:{}:terminate", self.role.name()), &payload, false)
            }
        }
    }

    /// The user has done with a chat that is over.
    pub fn leave_chat(&mut self, chat: Uuid) -> Option<String> {
        let topic = format!("chats:{chat}");
        let text = self.is_phoenix().then(|| self.phoenix(&topic, "phx_leave", "{}"));
        self.join_refs.remove(&topic);
        text
    }

    /// The user goes off line.
    pub fn leave(&mut self) -> String {
        match (self.kind, self.role) {
            (Kind::Phoenix(_), _) => self.phoenix(&self.presence_topic(), "phx_leave", "{}"),
            (Kind::SocketIo(_), Role::Teacher) => "41".into(),
            (Kind::SocketIo(_), Role::Student) => {
                let payload = format!(r#"{{"userId":{},"role":"student"}}"#, self.id);
                self.socket_io("presence:student:disconnect", &payload, true)
            }
        }
    }

    /// The client is there.
    pub fn heartbeat(&mut self) -> String {
        if self.is_phoenix() { self.phoenix("phoenix", "heartbeat", "{}") } else { "2".into() }
    }

    /// What a message from the server says; panics if it is none, or for another user.
    pub fn hear(&mut self, text: &str) -> Heard {
        match self.kind {
            Kind::Phoenix(version) => phoenix::hear(self, version, text),
            Kind::SocketIo(revision) => socket_io::hear(self, revision, text),
        }
    }

    pub fn is_phoenix(&self) -> bool {
        matches!(self.kind, Kind::Phoenix(_))
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

    fn socket_io(&mut self, event: &str, data: &str, wants_ack: bool) -> String {
        self.reference += 1;
        let ack = if wants_ack { self.reference.to_string() } else { String::new() };
        format!(r#"42{ack}["{event}",{data}]"#)
    }
}
