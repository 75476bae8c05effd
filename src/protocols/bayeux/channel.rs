//! Channels: the chat's own, and no others. This is a chat, not a public bus.

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::command::{Command, Refusal};
use crate::event::Event;
use crate::models::id::{Role, UserId};
use crate::protocols::json::user_id;

/// A channel that a client may hear.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    Status,
    NewChat(Role, UserId),
    Ready(Uuid),
    Receive(Uuid, Role),
    Terminated(Uuid, Role),
}

/// The fields that publications carry.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "userId")]
    user: Option<&'a RawValue>,
    #[serde(borrow, rename = "teacherId")]
    teacher: Option<&'a RawValue>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
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

    /// The channel that an event comes by.
    pub fn of(event: &Event<'_>) -> Channel {
        match *event {
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
        }
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
pub fn publish<'a>(channel: &str, data: &'a str) -> Result<(Vec<Command<'a>>, Command<'a>), Refusal> {
    let segments: Vec<_> = channel.trim_start_matches('/').split('/').collect();
    match segments[..] {
        ["chat", id, who, action] => {
            let (Some(chat), Some(role)) = (chat_id(id), role(who)) else {
                return Err(Refusal::UnmatchedTopic);
            };
            in_chat(chat, role, action, data)
        }
        ["presence", "claim_student"] => {
            let teacher = user_id(fields(data)?.teacher, Refusal::InvalidTeacherId)?;
            Ok((Vec::new(), Command::ClaimStudent { teacher }))
        }
        ["presence", "teacher", "connect"] => {
            Ok((Vec::new(), Command::ConnectTeacher { user: user(data, Role::Teacher)? }))
        }
        // Connected and ready in one.
        ["presence", "student", "connect"] => {
            let user = user(data, Role::Student)?;
            let connect = Command::ConnectStudent { user: user.clone() };
            Ok((vec![connect], Command::StudentReady { user }))
        }
        ["presence", "student", "disconnect"] => {
            let user = user(data, Role::Student)?;
            Ok((Vec::new(), Command::Disconnect { role: Role::Student, user }))
        }
        _ => Err(Refusal::UnmatchedTopic),
    }
}

fn in_chat<'a>(
    chat: Uuid,
    role: Role,
    action: &str,
    data: &'a str,
) -> Result<(Vec<Command<'a>>, Command<'a>), Refusal> {
    match action {
        "send" if data.starts_with('{') => {
            Ok((Vec::new(), Command::Send { chat, from: role, payload: data }))
        }
        "send" => Err(Refusal::InvalidPayload),
        "joined" => {
            let user = user_id(fields(data)?.user, Refusal::InvalidUserId)?;
            Ok((vec![Command::OpenChat { chat, role, user }], Command::EnterChat { chat, role }))
        }
        "terminate" => Ok((Vec::new(), Command::Terminate { chat, by: role })),
        _ => Err(Refusal::UnmatchedTopic),
    }
}

/// The user of a presence channel, whose role has to be the channel's if it is given.
fn user(data: &str, role: Role) -> Result<UserId, Refusal> {
    let fields = fields(data)?;
    if fields.role.is_some_and(|given| given.get().trim_matches('"') != role.name()) {
        return Err(Refusal::WrongRole);
    }
    user_id(fields.user, Refusal::InvalidUserId)
}

fn fields(data: &str) -> Result<Fields<'_>, Refusal> {
    if !data.starts_with('{') {
        return Err(Refusal::InvalidPayload);
    }
    serde_json::from_str(data).map_err(|_| Refusal::InvalidPayload)
}

/// Whether this is the name of a channel: `/` and a segment, once or more.
pub fn is_name(name: &str) -> bool {
    name.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment))
}

/// Whether this stands for several channels: a name that ends in `/*` or `/**`.
pub fn is_pattern(name: &str) -> bool {
    let prefix = name.strip_suffix("/**").or_else(|| name.strip_suffix("/*"));
    prefix.is_some_and(|prefix| prefix.is_empty() || is_name(prefix))
}

fn is_segment(segment: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_!~()$@".contains(&byte);
    !segment.is_empty() && segment.bytes().all(is_allowed)
}

fn role(name: &str) -> Option<Role> {
    [Role::Teacher, Role::Student].into_iter().find(|role| role.name() == name)
}

/// A chat's id in the form in which this server writes it, so that a channel has one name.
fn chat_id(text: &str) -> Option<Uuid> {
    let is_canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_canonical { Uuid::try_parse(text).ok() } else { None }
}
