//! Topics, and what a client is in those that it has joined.

use uuid::Uuid;

use crate::chat::command::{Command, CommandError};
use crate::chat::event::Event;
use crate::chat::id::{Role, UserId};
use crate::protocols::json::{Fields, chat_id};

pub const TEACHERS: &str = "presence:teachers";
pub const STUDENT: &str = "presence:student:";
pub const CHAT: &str = "chats:";
/// The server's figures, for anybody who wants to see them: this server's own topic.
pub const FIGURES: &str = "server:stats";

/// A topic that exists, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicName<'a> {
    Teachers,
    Student(&'a str),
    Chat(Uuid),
    Figures,
}

impl<'a> TopicName<'a> {
    /// Reads a topic's name; `None` if there is no such topic.
    pub fn parse(topic: &'a str) -> Option<TopicName<'a>> {
        if let Some(id) = topic.strip_prefix(CHAT) {
            return chat_id(id).map(TopicName::Chat);
        }
        match topic {
            TEACHERS => Some(TopicName::Teachers),
            FIGURES => Some(TopicName::Figures),
            _ => topic.strip_prefix(STUDENT).filter(|id| !id.is_empty()).map(TopicName::Student),
        }
    }

    /// What a client becomes by joining this topic, and the command that the join stands for: none if the topic is not
    /// of the chat.
    pub fn join(self, fields: &Fields<'_>) -> Result<(Membership, Option<Command<'static>>), CommandError> {
        if self == TopicName::Figures {
            return Ok((Membership::Figures, None));
        }
        let user = fields.user_id()?;
        match (self, fields.role()?) {
            (TopicName::Teachers, Role::Teacher) => {
                Ok((Membership::Teachers(user.clone()), Some(Command::ConnectTeacher { user })))
            }
            (TopicName::Student(id), Role::Student) if id == user.text() => {
                Ok((Membership::Student(user.clone()), Some(Command::ConnectStudent { user })))
            }
            (TopicName::Student(_), Role::Student) => Err(CommandError::WrongUser),
            (TopicName::Chat(chat), role) => {
                Ok((Membership::Chat(chat, role), Some(Command::OpenChat { chat, role, user })))
            }
            _ => Err(CommandError::WrongRole),
        }
    }
}

/// What a client is in a topic that it has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    Teachers(UserId),
    Student(UserId),
    Chat(Uuid, Role),
    /// No user.
    Figures,
}

/// A joined topic.
#[derive(Debug)]
pub struct Joined {
    pub membership: Membership,
    /// The reference that the client's later frames for this topic carry; version 2 only.
    pub join_ref: Option<Box<str>>,
}

impl Membership {
    /// Whether this is a membership in the topic of that name.
    pub fn is_of(&self, topic: &TopicName<'_>) -> bool {
        match (self, topic) {
            (Membership::Chat(chat, _), TopicName::Chat(other)) => chat == other,
            (Membership::Teachers(_), TopicName::Teachers) => true,
            (Membership::Figures, TopicName::Figures) => true,
            (Membership::Student(user), TopicName::Student(id)) => user.text() == *id,
            _ => false,
        }
    }

    /// Whether an event of this topic is for the one who joined it.
    pub fn is_subscribed(&self, event: &Event<'_>) -> bool {
        match (self, event) {
            (
                Membership::Chat(chat, role),
                Event::Message { to, chat: other, .. }
                | Event::ChatReady { to, chat: other }
                | Event::ChatTerminated { to, chat: other },
            ) => chat == other && role == to,
            (Membership::Teachers(_), Event::Status(_)) => true,
            (Membership::Teachers(user), Event::NewChat { to: Role::Teacher, teacher, .. }) => {
                user == *teacher
            }
            (Membership::Student(user), Event::NewChat { to: Role::Student, student, .. }) => {
                user == *student
            }
            _ => false,
        }
    }

    /// The command that a leave stands for, if the topic is of the chat.
    pub fn leave<'a>(&self) -> Option<Command<'a>> {
        match self {
            Membership::Teachers(user) => {
                Some(Command::Disconnect { role: Role::Teacher, user: user.clone() })
            }
            Membership::Student(user) => {
                Some(Command::Disconnect { role: Role::Student, user: user.clone() })
            }
            &Membership::Chat(chat, role) => Some(Command::LeaveChat { chat, role }),
            Membership::Figures => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_exist() {
        let id = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
        assert_eq!(TopicName::parse("presence:teachers"), Some(TopicName::Teachers));
        assert_eq!(TopicName::parse("server:stats"), Some(TopicName::Figures));
        assert_eq!(TopicName::parse("presence:student:7"), Some(TopicName::Student("7")));
        assert_eq!(TopicName::parse(&format!("chats:{id}")), Some(TopicName::Chat(id)));
    }

    #[test]
    fn topics_that_do_not_exist() {
        let id = "67E55044-10B1-426F-9247-BB680E5FE0C8";
        let other_forms = [format!("chats:{id}"), format!("chats:{}", id.replace('-', "").to_lowercase())];
        for topic in ["", "presence:", "presence:student:", "chats:", "chats:1", "rooms:1"] {
            assert_eq!(TopicName::parse(topic), None, "{topic}");
        }
        for topic in other_forms {
            assert_eq!(TopicName::parse(&topic), None, "{topic}");
        }
    }
}
