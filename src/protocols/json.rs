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

/// Whether a byte ends a JSON string that has no escape, or must not be in one (RFC 8259, 7). A table takes half the time
/// of comparisons.
const ENDS_STRING: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        ends[byte] = true;
        byte += 1;
    }
    ends[b'"' as usize] = true;
    ends[b'\\' as usize] = true;
    ends
};

/// Splits a text behind the JSON string that it begins with, if that has no escape. Returns what is in the quotes. With
/// the functions below this reads JSON whose form is known: what stands around the values is compared, and a value that
/// may be anything is read by serde_json.
#[inline]
pub fn plain_string(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix('"')?;
    let end = rest.bytes().position(|byte| ENDS_STRING[usize::from(byte)])?;
    let (string, rest) = rest.split_at(end);
    Some((string, rest.strip_prefix('"')?))
}

/// Splits a text behind the JSON value that it begins with, if that is a string without an escape, a positive whole
/// number, or null.
#[inline]
pub fn plain_scalar(text: &str) -> Option<(&str, &str)> {
    let length = match text.as_bytes().first()? {
        b'"' => plain_string(text)?.0.len() + 2,
        b'n' if text.starts_with("null") => "null".len(),
        b'1'..=b'9' => text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()),
        _ => return None,
    };
    Some(text.split_at(length))
}

/// Splits a text before the JSON value that it ends with, if that is a string of letters and digits, a positive whole
/// number, or null.
#[inline]
pub fn last_plain_scalar(text: &str) -> Option<(&str, &str)> {
    let start = match text.strip_suffix('"') {
        Some(rest) => {
            let start = rest.bytes().rposition(|byte| !byte.is_ascii_alphanumeric())?;
            (rest.as_bytes()[start] == b'"').then_some(start)?
        }
        None => {
            let start = text.bytes().rposition(|byte| byte == b':')? + 1;
            plain_scalar(&text[start..])?.1.is_empty().then_some(start)?
        }
    };
    text.split_at_checked(start)
}

/// A JSON text with up to three changes, which insert one of these or of JSON's own pieces.
#[cfg(test)]
pub fn mutated(text: &str, pieces: &[&str], random: &mut fastrand::Rng) -> String {
    const PIECES: [&str; 16] =
        ["\"", "\\", ",", ":", "{", "}", "[", "]", "0", "1", " ", "\n", "\u{1}", "é", "null", "-1.5"];
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..random.usize(0..4) {
        let at = random.usize(0..=text.len());
        let end = (at + random.usize(0..4)).min(text.len());
        let index = random.usize(0..PIECES.len() + pieces.len());
        let piece = PIECES.get(index).unwrap_or_else(|| &pieces[index - PIECES.len()]);
        let length = if random.bool() { piece.len() } else { 0 };
        text.splice(at..end, piece.chars().take(length));
    }
    text.into_iter().collect()
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
