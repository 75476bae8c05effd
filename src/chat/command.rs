//! What clients ask for, in no protocol's words, and why it may be refused.

use std::fmt;

use uuid::Uuid;

use crate::chat::id::{Role, UserId};

/// A request that a protocol has decoded.
#[derive(Clone, Debug)]
pub enum Command<'a> {
    /// A teacher comes on line.
    ConnectTeacher { user: UserId },
    /// A student comes on line, and does not wait yet.
    ConnectStudent { user: UserId },
    /// A student wants a chat, and waits in the queue from now on.
    StudentReady { user: UserId },
    /// A user goes off line.
    Disconnect { role: Role, user: UserId },
    /// A teacher takes the next student.
    ClaimStudent { teacher: UserId },
    /// A user opens a chat to hear what comes in it.
    OpenChat { chat: Uuid, role: Role, user: UserId },
    /// What was kept for a user until it opened its chat is delivered.
    DeliverKept { chat: Uuid, role: Role },
    /// A client wants to hear of a user's next chat.
    AwaitChat { role: Role, user: UserId },
    /// A client wants to hear what comes in a chat, for one side or for either.
    ListenToChat { chat: Uuid, role: Option<Role> },
    /// One side has entered the chat and is ready for messages.
    EnterChat { chat: Uuid, role: Role },
    /// A message for the other side: a JSON object, relayed byte for byte.
    Send { chat: Uuid, from: Role, payload: &'a str },
    /// One side ends the chat.
    Terminate { chat: Uuid, by: Role },
    /// One side stops listening to a chat, which ends it if it still goes on.
    LeaveChat { chat: Uuid, role: Role },
}

impl Command<'_> {
    /// What follows once the client has been told that the command is carried out: messages that were kept come
    /// behind the answer to the join that they waited for, and before all others.
    pub fn follow_up(&self) -> Option<Command<'static>> {
        match *self {
            Command::OpenChat { chat, role, .. } => Some(Command::DeliverKept { chat, role }),
            _ => None,
        }
    }

    /// The user whom the command brings on line.
    pub fn connecting_user(&self) -> Option<(Role, &UserId)> {
        match self {
            Command::ConnectTeacher { user } => Some((Role::Teacher, user)),
            Command::ConnectStudent { user } => Some((Role::Student, user)),
            _ => None,
        }
    }

    /// The user that this brings online, or whose next chat it asks for: both need an id that no other client has.
    pub fn requested_user(&self) -> Option<(Role, &UserId)> {
        match self {
            Command::AwaitChat { role, user } => Some((*role, user)),
            _ => self.connecting_user(),
        }
    }
}

/// Why a command is not carried out. It has changed nothing then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandError {
    /// The topic or channel is not joined, or there is none of that name.
    UnmatchedTopic,
    UnknownEvent,
    /// The payload is missing, null or not an object.
    InvalidPayload,
    InvalidUserId,
    InvalidTeacherId,
    InvalidChatId,
    WrongRole,
    /// The user id that a request names is not the one of its topic.
    WrongUser,
    IdInUse,
    UnknownTeacher,
    UnknownStudent,
    /// The user is on line, on another connection.
    NotYourUser,
    /// There is no chat in progress with that id.
    UnknownChat,
    NotYourChat,
    /// The other side has not joined the chat yet, and there is no room to keep the message until it does.
    HistoryFull,
    AlreadyChatting,
    TooManyUsers,
    TooManyTopics,
    /// The client has not connected to the namespace, or there is none of that name.
    NotConnected,
    BinaryData,
}

impl CommandError {
    /// The reason in words, as clients get it.
    pub fn reason(self) -> &'static str {
        match self {
            CommandError::UnmatchedTopic => "unmatched topic",
            CommandError::UnknownEvent => "unknown event",
            CommandError::InvalidPayload => "payload must be an object",
            CommandError::InvalidUserId => "missing or invalid userId",
            CommandError::InvalidTeacherId => "missing or invalid teacherId",
            CommandError::InvalidChatId => "missing or invalid chatId",
            CommandError::WrongRole => "wrong role",
            CommandError::WrongUser => "userId does not match the topic",
            CommandError::IdInUse => "id is in use",
            CommandError::UnknownTeacher => "unknown teacher",
            CommandError::UnknownStudent => "unknown student",
            CommandError::NotYourUser => "user is on another connection",
            CommandError::UnknownChat => "unknown chat",
            CommandError::NotYourChat => "not your chat",
            CommandError::HistoryFull => "the other side has not joined yet, and no more is kept for it",
            CommandError::AlreadyChatting => "already in a chat",
            CommandError::TooManyUsers => "too many users on this connection",
            CommandError::TooManyTopics => "too many topics on this connection",
            CommandError::NotConnected => "not connected to this namespace",
            CommandError::BinaryData => "binary data is not supported",
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for CommandError {}
