//! The seam to the wire: the conversation on one side, one file for each protocol on the other.

mod phoenix;

use std::borrow::Cow;
use std::str::FromStr;

/// A protocol by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    PhoenixV1,
    PhoenixV2,
}

impl Mode {
    /// The name in summaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::PhoenixV1 => "phoenix",
            Self::PhoenixV2 => "phoenix-v2",
        }
    }

    /// Where node-chat-client looks for such a server.
    pub fn default_url(self) -> &'static str {
        match self {
            Self::PhoenixV1 => "ws://localhost:4000/ws",
            Self::PhoenixV2 => "ws://localhost:4000/ws/websocket?vsn=2.0.0",
        }
    }

    /// The protocol itself.
    pub fn protocol(self) -> Box<dyn Protocol> {
        match self {
            Self::PhoenixV1 => Box::new(phoenix::Phoenix::new(phoenix::V1)),
            Self::PhoenixV2 => Box::new(phoenix::Phoenix::new(phoenix::V2)),
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "elixir" | "phoenix" | "phoenix-v1" => Ok(Self::PhoenixV1),
            "phoenix-v2" => Ok(Self::PhoenixV2),
            _ => Err("the modes are phoenix (or elixir) and phoenix-v2".into()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Teacher,
    Student,
}

/// One user on one connection, and the number of its last request there.
#[derive(Debug)]
pub struct Identity {
    pub role: Role,
    pub id: u64,
    pub last_ref: u32,
}

/// A chat as one side of it knows it. `join_ref` is whatever the protocol's `enter` returned.
#[derive(Debug, Clone, Copy)]
pub struct ChatHandle<'a> {
    pub id: &'a str,
    pub join_ref: u32,
}

/// What a server says, in the conversation's own words.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The user is on the roster.
    Joined,
    NewChat {
        chat: Cow<'a, str>,
    },
    /// The user has joined the chat, and may say so.
    Entered {
        chat: &'a str,
    },
    Ready {
        chat: &'a str,
    },
    Message {
        chat: &'a str,
        text: Cow<'a, str>,
    },
    Terminated {
        chat: &'a str,
    },
    /// The user is off the roster.
    Left,
    Status {
        students: u64,
        waiting: u64,
    },
    /// An answer that changes nothing, or another user's business.
    Nothing,
    /// The server's reason for not doing what was asked.
    Refused(String),
    /// Something that should not have come.
    Unexpected(String),
}

/// Turns the conversation into messages and back. Every method but `decode` appends one message to `out`, or
/// leaves it empty where the protocol has no word for it.
pub trait Protocol {
    /// Goes on the roster; the first message on a connection.
    fn join(&self, who: &mut Identity, out: &mut String);
    /// A student waits for a teacher.
    fn ready(&self, who: &mut Identity, out: &mut String);
    /// A teacher asks for a student.
    fn claim(&self, who: &mut Identity, out: &mut String);
    /// Joins a chat; the result comes back with everything said there.
    fn enter(&self, who: &mut Identity, chat: &str, out: &mut String) -> u32;
    /// Says that the user has come in, once `Entered` has arrived.
    fn entered(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String);
    fn send(&self, who: &mut Identity, chat: ChatHandle<'_>, text: &str, out: &mut String);
    fn terminate(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String);
    fn leave_chat(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String);
    /// Goes off the roster.
    fn leave(&self, who: &mut Identity, out: &mut String);
    fn heartbeat(&self, who: &mut Identity, out: &mut String);
    fn decode<'a>(&self, who: &Identity, text: &'a str) -> Event<'a>;
}
