//! Pieces of JSON that more than one protocol reads or writes.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::command::Refusal;
use crate::models::id::UserId;

/// A field of a payload as a user id, or the refusal that its absence deserves.
pub fn user_id(field: Option<&RawValue>, otherwise: Refusal) -> Result<UserId, Refusal> {
    field.and_then(|id| serde_json::from_str(id.get()).ok()).ok_or(otherwise)
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
