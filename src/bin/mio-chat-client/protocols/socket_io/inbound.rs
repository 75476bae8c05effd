//! What a server's packet means.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Revision, name};
use crate::protocols::{Event, Identity, Role, read_status};

pub fn event<'a>(revision: Revision, who: &Identity, text: &'a str) -> Event<'a> {
    match (text.as_bytes(), revision) {
        ([b'4', b'2', ..], _) => match parse(&text[2..]) {
            Some((name, payload)) => named(who, name, payload),
            None => Event::Unexpected(format!("not an event: {}", excerpt(text))),
        },
        ([b'0', b'{', ..], Revision::V3) | ([b'3', ..] | [b'6'], _) => Event::Nothing,
        ([b'0', b'{', ..], Revision::V4) => Event::Asks("40"),
        ([b'2'], Revision::V4) => Event::Asks("3"),
        ([b'4', b'0', ..], _) => Event::Joined,
        ([b'4', b'4', ..], _) => Event::Refused(excerpt(text)),
        _ => Event::Unexpected(format!("not a packet: {}", excerpt(text))),
    }
}

/// Enough of a text to recognise it in an error line.
fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

/// An event's name and its arguments; most often both can be cut out as they stand.
fn parse(json: &str) -> Option<(&str, &str)> {
    usual(json).or_else(|| any(json))
}

fn usual(json: &str) -> Option<(&str, &str)> {
    let (name, rest) = json.strip_prefix("[\"")?.split_once('"')?;
    let payload = match rest {
        "]" => "",
        _ => rest.strip_prefix(',')?.strip_suffix(']')?,
    };
    (!name.contains('\\')).then_some((name, payload))
}

/// Any spacing, by a real parser. No name that counts needs escapes.
fn any(json: &str) -> Option<(&str, &str)> {
    let arguments: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let name: &str = serde_json::from_str(arguments.first()?.get()).ok()?;
    Some((name, arguments.get(1).map_or("", |payload| payload.get())))
}

fn named<'a>(who: &Identity, event: &'a str, payload: &'a str) -> Event<'a> {
    if let Some((chat, what)) = event.strip_prefix("chat:").and_then(|rest| rest.split_once(':')) {
        return in_chat(who, event, chat, what, payload);
    }
    match event {
        "presence:status" => status(payload),
        "pong" => Event::Pong,
        "chat:error" | "error" => Event::Refused(excerpt(payload)),
        _ => match event.strip_prefix("presence:new_chat:") {
            Some(to) => new_chat(who, event, to, payload),
            None => unexpected(event, payload),
        },
    }
}

fn in_chat<'a>(who: &Identity, event: &'a str, chat: &'a str, what: &str, payload: &'a str) -> Event<'a> {
    match (what, who.role) {
        ("teacher:receive", Role::Teacher) | ("student:receive", Role::Student) => {
            let text = text_of(chat, payload).unwrap_or(Cow::Borrowed(payload));
            Event::Message { chat, text }
        }
        ("ready", _) => Event::Ready { chat },
        ("teacher:terminated", Role::Teacher) | ("student:terminated", Role::Student) => {
            Event::Terminated { chat }
        }
        ("teacher:receive" | "student:receive" | "teacher:terminated" | "student:terminated", _) => {
            Event::Foreign(event)
        }
        _ => unexpected(event, payload),
    }
}

fn unexpected<'a>(event: &str, payload: &str) -> Event<'a> {
    Event::Unexpected(format!("{event}: {}", excerpt(payload)))
}

/// The text of a `{"chatId":"…","message":"…"}` of that chat and nothing else.
fn text_of<'a>(chat: &str, payload: &'a str) -> Option<Cow<'a, str>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said<'a> {
        #[serde(borrow, rename = "chatId")]
        chat: Cow<'a, str>,
        message: String,
    }
    let plain = payload
        .strip_prefix("{\"chatId\":\"")
        .and_then(|rest| rest.strip_prefix(chat))
        .and_then(|rest| rest.strip_prefix("\",\"message\":\""))
        .and_then(|rest| rest.strip_suffix("\"}"));
    match plain {
        Some(text) if !text.contains(['"', '\\']) => Some(Cow::Borrowed(text)),
        _ => {
            let said: Said<'_> = serde_json::from_str(payload).ok()?;
            (said.chat == chat).then_some(Cow::Owned(said.message))
        }
    }
}

fn new_chat<'a>(who: &Identity, event: &'a str, to: &str, payload: &'a str) -> Event<'a> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct NewChat<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
        send_channel: Cow<'a, str>,
        receive_channel: Cow<'a, str>,
        terminated_channel: Cow<'a, str>,
        joined_channel: Cow<'a, str>,
    }
    let mine =
        to.split_once(':').is_some_and(|(role, id)| role == name(who.role) && id.parse() == Ok(who.id));
    if !mine {
        return Event::Foreign(event);
    }
    let Ok(chat) = serde_json::from_str::<NewChat<'_>>(payload) else {
        return unexpected(event, payload);
    };
    let (id, role) = (&chat.id, name(who.role));
    // node-chat-client speaks and listens by these names alone.
    let usable = chat.send_channel == format!("chat:{role}:send")
        && chat.joined_channel == format!("chat:{role}:joined")
        && chat.receive_channel == format!("chat:{id}:{role}:receive")
        && chat.terminated_channel == format!("chat:{id}:{role}:terminated");
    if usable { Event::NewChat { chat: chat.id } } else { unexpected(event, payload) }
}

fn status<'a>(payload: &str) -> Event<'a> {
    match read_status(payload) {
        Ok(status) => status,
        Err(_) => unexpected("presence:status", payload),
    }
}

#[cfg(test)]
mod tests;
