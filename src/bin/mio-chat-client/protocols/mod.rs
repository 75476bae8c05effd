//! The seam to the wire: the conversation on one side, one file for each protocol on the other.

mod mode;
mod phoenix;
mod socket_io;

use std::borrow::Cow;

pub use mode::Mode;

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
    /// The user is on the roster, or may go there with `ready`.
    Joined,
    /// The server waits for this text before it does anything else.
    Asks(&'static str),
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
    /// The answer to a ping of the conversation's.
    Pong,
    /// An answer that changes nothing, or what this user may hear of others.
    Nothing,
    /// Another user's business, by its name.
    Foreign(&'a str),
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
    /// After `Joined`: a student waits for a teacher, a teacher is there to claim.
    fn ready(&self, who: &mut Identity, out: &mut String);
    /// A teacher asks for a student.
    fn claim(&self, who: &mut Identity, out: &mut String);
    /// Joins a chat, or comes in at once where that is the same; the result comes back with everything said there.
    fn enter(&self, who: &mut Identity, chat: &str, out: &mut String) -> u32;
    /// Says that the user has come in, once `Entered` has arrived.
    fn entered(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String);
    fn send(&self, who: &mut Identity, chat: ChatHandle<'_>, text: &str, out: &mut String);
    fn terminate(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String);
    fn leave_chat(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String);
    /// Goes off the roster. Whether the server will say `Left`.
    fn leave(&self, who: &mut Identity, out: &mut String) -> bool;
    fn heartbeat(&self, who: &mut Identity, out: &mut String);
    /// Asks for a `Pong`.
    fn ping(&self, _who: &mut Identity, _out: &mut String) {}
    /// Whether the server is known to send everything to everybody, so that others' business is no fault.
    fn hears_everything(&self) -> bool {
        false
    }
    /// What stands between a student's number and id in node-chat-client's words for this protocol.
    fn student_mark(&self) -> &'static str {
        " from student: "
    }
    fn decode<'a>(&self, who: &Identity, text: &'a str) -> Event<'a>;
}
