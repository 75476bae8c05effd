//! Channels: the chat's own, and no others. This is a chat, not a public bus.

use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::chat::command::{Command, CommandError};
use crate::chat::event::Event;
use crate::chat::id::{Role, UserId};
use crate::protocols::json::{Fields, chat_id, object};

/// A channel that a client may hear.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    Status,
    NewChat(Role, UserId),
    Ready(Uuid),
    Receive(Uuid, Role),
    Terminated(Uuid, Role),
}

impl Channel {
    /// Reads a channel's name; `None` if there is none of that name to hear.
    pub fn parse(name: &str) -> Option<Channel> {
        let segments: Vec<_> = name.strip_prefix('/')?.split('/').collect();
        match segments[..] {
            ["presence", "status"] => Some(Channel::Status),
            ["presence", "new_chat", who, id] if is_segment(id) && id.len() <= UserId::MAX_LENGTH => {
                Some(Channel::NewChat(role(who)?, id.into()))
            }
            ["chat", id, "ready"] => Some(Channel::Ready(chat_id(id)?)),
            ["chat", id, who, "receive"] => Some(Channel::Receive(chat_id(id)?, role(who)?)),
            ["chat", id, who, "terminated"] => Some(Channel::Terminated(chat_id(id)?, role(who)?)),
            _ => None,
        }
    }

    /// Bytes of memory besides those of the value itself.
    pub fn memory(&self) -> usize {
        if let Channel::NewChat(_, user) = self { user.memory() } else { 0 }
    }

    /// The channel that an event comes by, if it is one that this protocol tells.
    pub fn of(event: &Event<'_>) -> Option<Channel> {
        Some(match *event {
            Event::Status(_) => Channel::Status,
            Event::NewChat { to: Role::Teacher, teacher, .. } => {
                Channel::NewChat(Role::Teacher, teacher.clone())
            }
            Event::NewChat { to: Role::Student, student, .. } => {
                Channel::NewChat(Role::Student, student.clone())
            }
            Event::ChatReady { chat, .. } => Channel::Ready(chat),
            Event::Message { to, chat, .. } => Channel::Receive(chat, to),
            Event::ChatTerminated { to, chat } => Channel::Terminated(chat, to),
        })
    }

    /// What to ask the chat before a client may hear this.
    pub fn listen<'a>(&self) -> Option<Command<'a>> {
        match self {
            Channel::Status => None,
            Channel::NewChat(role, user) => Some(Command::AwaitChat { role: *role, user: user.clone() }),
            &Channel::Ready(chat) => Some(Command::ListenToChat { chat, role: None }),
            &Channel::Receive(chat, role) | &Channel::Terminated(chat, role) => {
                Some(Command::ListenToChat { chat, role: Some(role) })
            }
        }
    }
}

/// The commands that a publication stands for: what has to happen first, and what it is about.
pub fn publish<'a>(channel: &str, data: &'a str) -> Result<(Vec<Command<'a>>, Command<'a>), CommandError> {
    if let Some(rest) = channel.strip_prefix("/chat/") {
        let (chat, role, action) = chat_channel(rest).ok_or(CommandError::UnmatchedTopic)?;
        return in_chat(chat, role, action, data);
    }
    let fields = || Fields::parse(Some(data));
    match channel {
        "/presence/claim_student" => {
            Ok((Vec::new(), Command::ClaimStudent { teacher: fields()?.teacher_id()? }))
        }
        "/presence/teacher/connect" => {
            Ok((Vec::new(), Command::ConnectTeacher { user: fields()?.user_in(Role::Teacher)? }))
        }
        // Connected and ready in one.
        "/presence/student/connect" => {
            let user = fields()?.user_in(Role::Student)?;
            let connect = Command::ConnectStudent { user: user.clone() };
            Ok((vec![connect], Command::StudentReady { user }))
        }
        "/presence/student/disconnect" => {
            let user = fields()?.user_in(Role::Student)?;
            Ok((Vec::new(), Command::Disconnect { role: Role::Student, user }))
        }
        _ => Err(CommandError::UnmatchedTopic),
    }
}

/// The chat, the role and the rest of a channel's name behind `/chat/`.
fn chat_channel(rest: &str) -> Option<(Uuid, Role, &str)> {
    let (id, rest) = rest.split_at_checked(Hyphenated::LENGTH)?;
    let rest = rest.strip_prefix('/')?;
    let role = if rest.starts_with(Role::Teacher.name()) { Role::Teacher } else { Role::Student };
    let action = rest.strip_prefix(role.name())?.strip_prefix('/')?;
    Some((chat_id(id)?, role, action))
}

fn in_chat<'a>(
    chat: Uuid,
    role: Role,
    action: &str,
    data: &'a str,
) -> Result<(Vec<Command<'a>>, Command<'a>), CommandError> {
    match action {
        "send" => Ok((Vec::new(), Command::Send { chat, from: role, payload: object(Some(data))? })),
        "joined" => {
            let user = Fields::parse(Some(data))?.user_id()?;
            Ok((vec![Command::OpenChat { chat, role, user }], Command::EnterChat { chat, role }))
        }
        "terminate" => Ok((Vec::new(), Command::Terminate { chat, by: role })),
        _ => Err(CommandError::UnmatchedTopic),
    }
}

/// Whether this is the name of a channel: `/` and a segment, once or more.
pub fn is_name(name: &str) -> bool {
    // Bytes one by one take a third of the time of segments.
    let mut before = b'/';
    let is_valid = name.bytes().skip(1).all(|byte| {
        let is_valid = if byte == b'/' { before != b'/' } else { IS_ALLOWED[usize::from(byte)] };
        before = byte;
        is_valid
    });
    is_valid && name.starts_with('/') && !name.ends_with('/')
}

/// Whether this stands for several channels: a name that ends in `/*` or `/**`.
pub fn is_pattern(name: &str) -> bool {
    let prefix = name.strip_suffix("/**").or_else(|| name.strip_suffix("/*"));
    prefix.is_some_and(|prefix| prefix.is_empty() || is_name(prefix))
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| IS_ALLOWED[usize::from(byte)])
}

/// Whether a byte may be in a segment of a channel's name (Bayeux 1.0, 2.2.1).
const IS_ALLOWED: [bool; 256] = {
    let mut is_allowed = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        is_allowed[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'!' | b'~' | b'(' | b')' | b'$' | b'@');
        byte += 1;
    }
    is_allowed
};

fn role(name: &str) -> Option<Role> {
    [Role::Teacher, Role::Student].into_iter().find(|role| role.name() == name)
}
