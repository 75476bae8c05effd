//! What a server's message means.

use std::borrow::Cow;

use serde::Deserialize;

use super::frame::Message;
use crate::protocols::{Event, Identity, Role, read_status};

/// Enough of a text to recognise it in an error line.
pub fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

pub fn event<'a>(who: &Identity, message: Message<'a>) -> Event<'a> {
    let chat = match message.topic {
        Cow::Borrowed(topic) => topic.strip_prefix("chats:"),
        // Chat ids need no escapes; a topic that has some is nobody's.
        Cow::Owned(_) => None,
    };
    let receive = match who.role {
        Role::Teacher => "teacher:receive",
        Role::Student => "student:receive",
    };
    match (&*message.event, chat) {
        (name, Some(chat)) if name == receive => match text_of(message.payload) {
            Some(text) => Event::Message { chat, text },
            None => Event::Message { chat, text: Cow::Borrowed(message.payload) },
        },
        ("chat:ready", Some(chat)) => Event::Ready { chat },
        ("chat:terminated", Some(chat)) => Event::Terminated { chat },
        ("phx_reply", chat) => reply(&message, chat),
        ("phx_close", _) => Event::Nothing,
        ("user:status", None) => status(message.payload),
        (name, None) if name.starts_with("new:chat") => new_chat(who, name, message.payload),
        (name, _) => Event::Unexpected(format!("{name} on {}: {}", message.topic, excerpt(message.payload))),
    }
}

/// The text of a `{"message":"…"}`, which most often can be cut out as it stands.
fn text_of(payload: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        message: String,
    }
    let plain = payload.strip_prefix("{\"message\":\"").and_then(|rest| rest.strip_suffix("\"}"));
    match plain {
        Some(text) if !text.contains(['"', '\\']) => Some(Cow::Borrowed(text)),
        _ => serde_json::from_str::<Said>(payload).ok().map(|said| Cow::Owned(said.message)),
    }
}

fn reply<'a>(message: &Message<'a>, chat: Option<&'a str>) -> Event<'a> {
    #[derive(Deserialize)]
    struct Reply {
        status: String,
    }
    let ok = message.payload.starts_with("{\"status\":\"ok\"")
        || serde_json::from_str::<Reply>(message.payload).is_ok_and(|reply| reply.status == "ok");
    if !ok {
        return Event::Refused(format!("{}: {}", message.topic, excerpt(message.payload)));
    }
    let asked = message.reference.unwrap_or_default() & 3;
    match (asked, chat) {
        (1, Some(chat)) => Event::Entered { chat },
        (1, None) => Event::Joined,
        (2, None) => Event::Left,
        _ => Event::Nothing,
    }
}

fn new_chat<'a>(who: &Identity, name: &str, payload: &str) -> Event<'a> {
    #[derive(Deserialize)]
    struct NewChat {
        id: serde_json::Value,
    }
    let other = name.strip_prefix("new:chat:").is_some_and(|id| id.parse() != Ok(who.id));
    if other {
        // The Phoenix original tells every teacher of every chat.
        return Event::Nothing;
    }
    match serde_json::from_str(payload) {
        Ok(NewChat { id: serde_json::Value::String(id) }) => Event::NewChat { chat: Cow::Owned(id) },
        Ok(NewChat { id }) => Event::NewChat { chat: Cow::Owned(id.to_string()) },
        Err(_) => Event::Unexpected(format!("a new chat without id: {}", excerpt(payload))),
    }
}

fn status<'a>(payload: &str) -> Event<'a> {
    match read_status(payload) {
        Ok(status) => status,
        Err(e) => Event::Unexpected(format!("a status that does not parse ({e}): {}", excerpt(payload))),
    }
}
