//! Pieces of JSON that more than one protocol reads or writes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::chat::command::CommandError;
use crate::chat::id::{Role, UserId};

/// The fields of a payload that say who and where; each client sends those that its message needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fields<'a> {
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    teacher_id: Option<&'a RawValue>,
    #[serde(borrow)]
    chat_id: Option<&'a RawValue>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    /// Reads a payload, which has to be an object.
    pub fn parse(payload: Option<&'a str>) -> Result<Fields<'a>, CommandError> {
        serde_json::from_str(object(payload)?).map_err(|_| CommandError::InvalidPayload)
    }

    /// Who sends it.
    pub fn user_id(&self) -> Result<UserId, CommandError> {
        read(self.user_id).ok_or(CommandError::InvalidUserId)
    }

    /// Who sends it, in a message for one role alone: a role that is given has to be that one.
    pub fn user_in(&self, role: Role) -> Result<UserId, CommandError> {
        if self.role.is_some_and(|role| role.get() != "null") && self.role()? != role {
            return Err(CommandError::WrongRole);
        }
        self.user_id()
    }

    /// Who claims.
    pub fn teacher_id(&self) -> Result<UserId, CommandError> {
        read(self.teacher_id).ok_or(CommandError::InvalidTeacherId)
    }

    /// The chat that it is about.
    pub fn chat_id(&self) -> Result<Uuid, CommandError> {
        let text: Cow<str> = read(self.chat_id).ok_or(CommandError::InvalidChatId)?;
        chat_id(&text).ok_or(CommandError::UnknownChat)
    }

    /// In which role.
    pub fn role(&self) -> Result<Role, CommandError> {
        read(self.role).ok_or(CommandError::WrongRole)
    }
}

fn read<'a, T: Deserialize<'a>>(field: Option<&'a RawValue>) -> Option<T> {
    field.and_then(|json| serde_json::from_str(json.get()).ok())
}

/// A payload as JSON text, which has to be an object.
pub fn object(payload: Option<&str>) -> Result<&str, CommandError> {
    payload.filter(|payload| payload.starts_with('{')).ok_or(CommandError::InvalidPayload)
}

/// A chat's id in the one form in which this server writes it: another would name a topic or channel
/// that has no events.
pub fn chat_id(text: &str) -> Option<Uuid> {
    // All bytes are looked at, so that the compiler can do so in one step.
    let has_uppercase = text.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase());
    if text.len() == 36 && !has_uppercase { Uuid::try_parse(text).ok() } else { None }
}

/// JSON's form of a string without the quotes around it.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        return Cow::Borrowed(text);
    }
    let json = serde_json::Value::from(text).to_string();
    Cow::Owned(json[1..json.len() - 1].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(escaped("a\"\\\n"), "a\\\"\\\\\\n");
        assert_eq!(escaped("chats:é"), "chats:é");
    }
}
