//! Socket.IO packets, as socket.io-client reads them.

use mio_chat_server::protocols::socket_io::engine::Revision;
use serde_json::Value;
use serde_json::value::RawValue;

use super::phoenix::waiting;
use super::speech::{Heard, Speech};

/// What a packet from the server says.
pub fn hear(speech: &Speech, revision: Revision, text: &str) -> Heard {
    let (kind, rest) = text.split_at(1);
    match kind {
        "0" if revision == Revision::V4 => return Heard::Answer("40".into()),
        "2" if revision == Revision::V4 => return Heard::Answer(format!("3{rest}")),
        "0" | "3" => return Heard::Nothing,
        _ => assert_eq!(kind, "4", "{text}"),
    }
    let (kind, rest) = rest.split_at(1);
    match kind {
        "0" => Heard::Opened,
        "2" => event(speech, rest),
        "3" => acknowledgement(rest),
        _ => panic!("not for {}: {text}", speech.id),
    }
}

fn acknowledgement(text: &str) -> Heard {
    let (result,): (Value,) = serde_json::from_str(text.trim_start_matches(char::is_numeric)).unwrap();
    match result["reason"].as_str() {
        Some(reason) => Heard::Refused { chat: None, reason: reason.into() },
        None => Heard::Connected,
    }
}

fn event(speech: &Speech, text: &str) -> Heard {
    let (name, data): (String, Box<RawValue>) = serde_json::from_str(text).expect("an event");
    let role = speech.role.name();
    let field = |name: &str| {
        let data: Value = serde_json::from_str(data.get()).unwrap();
        data[name].as_str().unwrap_or_else(|| panic!("no {name} in {data}")).to_owned()
    };
    match *name.splitn(4, ':').collect::<Vec<_>>() {
        ["presence", "status"] => Heard::Status { waiting: waiting(&data) },
        ["presence", "new_chat", to, id] if to == role && id == speech.id_text() => {
            Heard::NewChat(field("id").parse().expect("a chat's id"))
        }
        ["chat", "error"] => Heard::Refused { chat: None, reason: field("reason") },
        ["chat", id, "ready"] => Heard::Ready(id.parse().expect("a chat's id")),
        ["chat", id, to, "receive"] if to == role => {
            Heard::Message(id.parse().expect("a chat's id"), data.get().into())
        }
        ["chat", id, to, "terminated"] if to == role => Heard::Terminated(id.parse().expect("a chat's id")),
        _ => panic!("not for {}: {text}", speech.id),
    }
}
