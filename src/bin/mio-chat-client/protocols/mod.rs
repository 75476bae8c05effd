//! The seam to the wire: the conversation on one side, one file for each protocol on the other.

mod bayeux;
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
    /// The server's name for this connection, in protocols where requests carry it.
    pub session: String,
    /// Requests that still have to be answered, where the protocol answers each.
    pub unanswered: u32,
}

impl Identity {
    pub const fn new(role: Role, id: u64) -> Self {
        Self { role, id, last_ref: 0, session: String::new(), unanswered: 0 }
    }
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
    /// The connection has its name: it may be held open, and listen.
    Named,
    /// The request that the server held is answered, and another one due.
    Released,
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
    /// Asks for what the server holds until it is time for another; by it the connection stays alive.
    fn hold(&self, _who: &mut Identity, _out: &mut String) {}
    /// Asks for what concerns the user, after `Named`.
    fn listen(&self, _who: &mut Identity, _out: &mut String) {}
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
    /// Takes the first message off a frame's text, which is empty after the last.
    fn decode<'a>(&self, who: &mut Identity, text: &mut &'a str) -> Event<'a>;
}

/// Reads the counts of a status: only what every server agrees on, since `teachers` is a number in one and
/// an object in another.
pub fn read_status<'a>(json: &str) -> serde_json::Result<Event<'a>> {
    #[derive(serde::Deserialize)]
    struct Status {
        students: Students,
    }
    #[derive(serde::Deserialize)]
    struct Students {
        total: u64,
        waiting: u64,
    }
    let Status { students } = serde_json::from_str(json)?;
    Ok(Event::Status { students: students.total, waiting: students.waiting })
}
