//! What a server's messages mean.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::name;
use crate::protocols::{Event, Identity, Role, read_status};

/// A message: a delivery has data, a reply says whether it was successful. No name that counts needs escapes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(borrow)]
    channel: &'a str,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    successful: Option<bool>,
    client_id: Option<String>,
    #[serde(borrow)]
    subscription: Option<&'a RawValue>,
    advice: Option<Advice>,
}

#[derive(Deserialize)]
struct Advice {
    reconnect: Option<String>,
}

/// Takes the first message off an array, or off what is left of one: that begins with a comma.
pub fn next<'a>(who: &mut Identity, rest: &mut &'a str) -> Event<'a> {
    if let Some((event, tail)) = usual(who, rest) {
        *rest = tail;
        return event;
    }
    match first(rest) {
        Some((message, raw, tail)) => {
            *rest = tail;
            meaning(who, message, raw)
        }
        // A server answers the heartbeat with its like.
        None if std::mem::take(rest).trim() == "[]" => Event::Nothing,
        None => Event::Unexpected("a frame that is no array of messages".into()),
    }
}

/// A chat's message or an acknowledgement in the form that Faye gives it: cut out, not parsed.
fn usual<'a>(who: &mut Identity, text: &'a str) -> Option<(Event<'a>, &'a str)> {
    let text = text.strip_prefix(['[', ','])?;
    let Some(rest) = text.strip_prefix("{\"channel\":\"/chat/") else {
        return acknowledged(who, text);
    };
    let (chat, rest) = rest.split_once('/')?;
    let rest = rest.strip_prefix(name(who.role))?.strip_prefix("/receive\",\"data\":{\"message\":\"")?;
    let end = rest.bytes().position(|byte| byte == b'"' || byte == b'\\')?;
    let (said, rest) = (&rest[..end], rest[end..].strip_prefix("\"}")?);
    let rest = match rest.strip_prefix(",\"id\":\"") {
        Some(id) => id.split_once('"')?.1,
        None => rest,
    };
    let tail = tail(rest.strip_prefix('}')?)?;
    (!chat.contains(['"', '\\'])).then_some((Event::Message { chat, text: said.into() }, tail))
}

fn acknowledged<'a>(who: &mut Identity, text: &'a str) -> Option<(Event<'a>, &'a str)> {
    let (_, rest) = text.strip_prefix("{\"id\":\"")?.split_once('"')?;
    let (_, rest) = rest.strip_prefix(",\"clientId\":\"")?.split_once('"')?;
    let (channel, rest) = rest.strip_prefix(",\"channel\":\"")?.split_once('"')?;
    let tail = tail(rest.strip_prefix(",\"successful\":true}")?)?;
    (!channel.starts_with("/meta/")).then(|| (answered(who), tail))
}

/// What is left of an array behind a message; nothing if that is not as usual.
fn tail(rest: &str) -> Option<&str> {
    match rest {
        "]" => Some(""),
        _ => rest.starts_with(",{").then_some(rest),
    }
}

/// Any other form, by a real parser. A single message without an array is one too.
fn first(text: &str) -> Option<(Message<'_>, &str, &str)> {
    let text = text.trim();
    let body = text.strip_prefix(['[', ',']).unwrap_or(text);
    let mut values = serde_json::Deserializer::from_str(body).into_iter::<&RawValue>();
    let raw = values.next()?.ok()?.get();
    let rest = body[values.byte_offset()..].trim_start();
    let tail = match (rest, body.len() == text.len()) {
        ("", true) | ("]", false) => "",
        (more, false) if more.starts_with(',') => more,
        _ => return None,
    };
    Some((serde_json::from_str(raw).ok()?, raw, tail))
}

fn meaning<'a>(who: &mut Identity, message: Message<'a>, raw: &'a str) -> Event<'a> {
    if let Some(data) = message.data {
        return delivered(who, message.channel, data.get());
    }
    match message.successful {
        Some(true) => replied(who, message, raw),
        Some(false) => Event::Refused(excerpt(raw)),
        None => unexpected(message.channel, raw),
    }
}

fn replied<'a>(who: &mut Identity, message: Message<'a>, raw: &str) -> Event<'a> {
    match (message.channel, message.client_id) {
        ("/meta/handshake", Some(id)) => {
            who.session = id;
            Event::Named
        }
        ("/meta/connect", _) => match message.advice.and_then(|advice| advice.reconnect).as_deref() {
            None | Some("retry") => Event::Released,
            Some(_) => Event::Refused(excerpt(raw)),
        },
        ("/meta/subscribe", _) => subscribed(message.subscription, raw),
        ("/meta/unsubscribe", _) => Event::Nothing,
        ("/meta/disconnect", _) if who.unanswered == 0 => Event::Left,
        ("/meta/disconnect", _) => {
            Event::Unexpected(format!("left with {} publications not acknowledged", who.unanswered))
        }
        (channel, _) if channel.starts_with("/meta/") => unexpected(channel, raw),
        _ => answered(who),
    }
}

/// A publication is acknowledged, each once.
fn answered<'a>(who: &mut Identity) -> Event<'a> {
    match who.unanswered.checked_sub(1) {
        Some(left) => {
            who.unanswered = left;
            Event::Nothing
        }
        None => Event::Unexpected("an acknowledgement of nothing".into()),
    }
}

/// All channels of one purpose are subscribed to at once: the first of them says which.
fn subscribed<'a>(names: Option<&'a RawValue>, raw: &str) -> Event<'a> {
    let names: Vec<&str> = names.and_then(|names| serde_json::from_str(names.get()).ok()).unwrap_or_default();
    let first = names.first().copied().unwrap_or_default();
    if first.starts_with("/presence/") {
        return Event::Joined;
    }
    match first.strip_prefix("/chat/").and_then(|rest| rest.split_once('/')) {
        Some((chat, _)) => Event::Entered { chat },
        None => unexpected("/meta/subscribe", raw),
    }
}

fn delivered<'a>(who: &Identity, channel: &'a str, data: &'a str) -> Event<'a> {
    if let Some((chat, what)) = channel.strip_prefix("/chat/").and_then(|rest| rest.split_once('/')) {
        return in_chat(who, channel, chat, what, data);
    }
    match channel.strip_prefix("/presence/new_chat/") {
        Some(to) => new_chat(who, channel, to, data),
        None if channel == "/presence/status" => status(data),
        None => unexpected(channel, data),
    }
}

fn in_chat<'a>(who: &Identity, channel: &'a str, chat: &'a str, what: &str, data: &'a str) -> Event<'a> {
    match (what, who.role) {
        ("teacher/receive", Role::Teacher) | ("student/receive", Role::Student) => {
            Event::Message { chat, text: text_of(data).unwrap_or(Cow::Borrowed(data)) }
        }
        ("ready", Role::Teacher) => Event::Ready { chat },
        ("teacher/terminated", Role::Teacher) | ("student/terminated", Role::Student) => {
            Event::Terminated { chat }
        }
        (
            "ready" | "teacher/receive" | "student/receive" | "teacher/terminated" | "student/terminated",
            _,
        ) => Event::Foreign(channel),
        _ => unexpected(channel, data),
    }
}

/// The text of a `{"message":"…"}` and nothing else.
fn text_of(data: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        message: String,
    }
    let said: Said = serde_json::from_str(data).ok()?;
    Some(Cow::Owned(said.message))
}

fn new_chat<'a>(who: &Identity, channel: &'a str, to: &str, data: &'a str) -> Event<'a> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct NewChat<'a> {
        #[serde(borrow)]
        send_channel: &'a str,
        receive_channel: &'a str,
        terminated_channel: &'a str,
        joined_channel: &'a str,
    }
    let role = name(who.role);
    if to.split_once('/').is_none_or(|(side, id)| side != role || id.parse() != Ok(who.id)) {
        return Event::Foreign(channel);
    }
    let Ok(chat) = serde_json::from_str::<NewChat<'_>>(data) else {
        return unexpected(channel, data);
    };
    let id = chat.send_channel.strip_prefix("/chat/").and_then(|rest| rest.split_once('/'));
    let Some((id, _)) = id else {
        return unexpected(channel, data);
    };
    // All of them are spoken and listened by.
    let is = |name: &str, what: &str| name == format!("/chat/{id}/{role}/{what}");
    let usable = is(chat.send_channel, "send")
        && is(chat.receive_channel, "receive")
        && is(chat.terminated_channel, "terminated")
        && is(chat.joined_channel, "joined");
    if usable { Event::NewChat { chat: id.into() } } else { unexpected(channel, data) }
}

fn status<'a>(data: &str) -> Event<'a> {
    match read_status(data) {
        Ok(status) => status,
        Err(_) => unexpected("/presence/status", data),
    }
}

fn unexpected<'a>(channel: &str, text: &str) -> Event<'a> {
    Event::Unexpected(format!("{channel}: {}", excerpt(text)))
}

/// Enough of a text to recognise it in an error line.
fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests;
