//! What the channels tell clients, in no protocol's words.

use uuid::Uuid;

use crate::chat::chat_lifetime::Status;
use crate::chat::id::{ClientId, Role, UserId};

/// Something that a client is to be told.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A chat has begun; to its teacher and its student.
    NewChat { to: Role, chat: Uuid, teacher: &'a UserId, student: &'a UserId },
    /// Both sides have entered the chat; to both.
    ChatReady { to: Role, chat: Uuid },
    /// The other side sent this JSON object.
    Message { to: Role, chat: Uuid, payload: &'a str },
    /// The chat is over; to both sides.
    ChatTerminated { to: Role, chat: Uuid },
    /// The counts have changed; to every client with a teacher.
    Status(Status),
}

/// Where the channels put events: the server's connections in the program, a list in a test.
pub trait Deliver {
    /// Hands one client an event. A client that is gone is no error. False if the client has not joined yet what
    /// the event belongs to: it can be handed over again when it has.
    fn deliver(&mut self, to: ClientId, event: &Event<'_>) -> bool;

    /// Hands several clients the same event, which may then be encoded once for all of them.
    fn broadcast(&mut self, to: &mut dyn Iterator<Item = ClientId>, event: &Event<'_>) {
        for client in to {
            self.deliver(client, event);
        }
    }
}
