//! Phoenix frames, as phoenix.js writes and reads them.

use mio_chat_server::protocols::phoenix::Version;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::wire::{Received, Wire};

#[derive(Deserialize)]
struct Object {
    topic: String,
    event: String,
    payload: Box<RawValue>,
    r#ref: Value,
}

type Array = (Value, Value, String, String, Box<RawValue>);

/// A frame with a reference of its own, and that of its topic's join.
pub fn frame(wire: &mut Wire, topic: &str, event: &str, payload: &str) -> String {
    wire.reference += 1;
    let reference = wire.reference;
    if event == "phx_join" {
        wire.join_refs.insert(topic.into(), reference);
    }
    if matches!(wire.kind, super::wire::Kind::Phoenix(Version::V1)) {
        return format!(r#"{{"topic":"{topic}","event":"{event}","payload":{payload},"ref":"{reference}"}}"#);
    }
    let join_ref = wire.join_refs.get(topic).map_or("null".into(), |reference| format!("\"{reference}\""));
    format!(r#"[{join_ref},"{reference}","{topic}","{event}",{payload}]"#)
}

/// What a frame from the server means.
pub fn receive(wire: &Wire, version: Version, text: &str) -> Received {
    let frame: Object = match version {
        Version::V1 => serde_json::from_str(text).expect("a V1 frame"),
        Version::V2 => {
            let (_, r#ref, topic, event, payload): Array = serde_json::from_str(text).expect("a V2 frame");
            Object { topic, event, payload, r#ref }
        }
    };
    let is_own = frame.topic == wire.presence_topic();
    let chat = frame.topic.strip_prefix("chats:").and_then(|id| id.parse().ok());
    let role = wire.role.name();
    match (&*frame.event, chat) {
        ("phx_reply", _) => reply(wire, &frame),
        ("phx_close", _) => Received::Nothing,
        ("user:status", None) if is_own => Received::Status { waiting: waiting(&frame.payload) },
        ("chat:ready", Some(chat)) => Received::Ready(chat),
        ("chat:terminated", Some(chat)) => Received::Terminated(chat),
        (event, Some(chat)) if event == format!("{role}:receive") => {
            Received::Message(chat, frame.payload.get().into())
        }
        (event, None) if is_own && event == new_chat(wire) => {
            let chat: Value = serde_json::from_str(frame.payload.get()).unwrap();
            assert_eq!(chat[format!("{role}_id")].to_string(), wire.id, "the id as it was given");
            Received::NewChat(chat["id"].as_str().and_then(|id| id.parse().ok()).expect("a chat's id"))
        }
        _ => panic!("not for {}: {text}", wire.id),
    }
}

fn new_chat(wire: &Wire) -> String {
    if wire.role.name() == "teacher" { format!("new:chat:{}", wire.id_text()) } else { "new:chat".into() }
}

fn reply(wire: &Wire, frame: &Object) -> Received {
    let payload: Value = serde_json::from_str(frame.payload.get()).unwrap();
    let chat = frame.topic.strip_prefix("chats:").and_then(|id| id.parse().ok());
    if payload["status"] == "error" {
        let reason = payload["response"]["reason"].as_str().unwrap().into();
        return Received::Refused { chat, reason };
    }
    let join_ref = wire.join_refs.get(&frame.topic).map(u32::to_string);
    match chat {
        _ if frame.r#ref.as_str() != join_ref.as_deref() => Received::Nothing,
        Some(chat) => Received::Joined(chat),
        None => Received::Connected,
    }
}

/// How many students wait, according to a status.
pub fn waiting(status: &RawValue) -> u64 {
    #[derive(Deserialize)]
    struct Status {
        students: Students,
    }
    #[derive(Deserialize)]
    struct Students {
        waiting: u64,
    }
    let status: Status = serde_json::from_str(status.get()).expect("a status");
    status.students.waiting
}
