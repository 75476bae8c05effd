//! Socket.IO packets, as socket.io-client reads them.

use mio_chat_server::protocols::socket_io::engine::Revision;
use serde_json::Value;
use serde_json::value::RawValue;

use super::wire::{Received, Wire};

/// What a packet from the server means.
pub fn receive(wire: &Wire, revision: Revision, text: &str) -> Received {
    let (kind, rest) = text.split_at(1);
    match kind {
        "0" if revision == Revision::V4 => return Received::Answer("40".into()),
        "2" if revision == Revision::V4 => return Received::Answer(format!("3{rest}")),
        "1" => return Received::Closed,
        "0" | "3" | "6" => return Received::Nothing,
        _ => assert_eq!(kind, "4", "{text}"),
    }
    let (kind, rest) = rest.split_at(1);
    match kind {
        "0" => Received::Opened,
        "2" => event(wire, rest),
        "3" => acknowledgement(rest),
        _ => panic!("not for {}: {text}", wire.id),
    }
}

fn acknowledgement(text: &str) -> Received {
    let (result,): (Value,) = serde_json::from_str(text.trim_start_matches(char::is_numeric)).unwrap();
    match result["reason"].as_str() {
        Some(reason) => Received::Refused { chat: None, reason: reason.into() },
        None => Received::Connected,
    }
}

fn event(wire: &Wire, text: &str) -> Received {
    let (name, data): (String, Box<RawValue>) = serde_json::from_str(text).expect("an event");
    let role = wire.role.name();
    let field = |name: &str| {
        let data: Value = serde_json::from_str(data.get()).unwrap();
        data[name].as_str().unwrap_or_else(|| panic!("no {name} in {data}")).to_owned()
    };
    let name: Vec<_> = name.splitn(4, ':').collect();
    match *name {
        ["presence", "new_chat", to, id] if to == role && id == wire.id_text() => {
            Received::NewChat(field("id").parse().expect("a chat's id"))
        }
        ["chat", "error"] => Received::Refused { chat: None, reason: field("reason") },
        _ => Received::shared(wire, &name, &data).unwrap_or_else(|| panic!("not for {}: {text}", wire.id)),
    }
}

/// The path and the version, as a client asks for them.
pub fn target(revision: Revision) -> &'static str {
    match revision {
        Revision::V3 => "/socket.io/?EIO=3",
        Revision::V4 => "/socket.io/?EIO=4",
    }
}

/// The session's id, by the packet that opens the session.
pub fn session_id(packet: &str) -> String {
    let open: Value = serde_json::from_str(&packet[1..]).expect("an open packet");
    open["sid"].as_str().expect("a sid").into()
}

/// The packets as one body: Engine.IO 3 counts UTF-16 units, 4 puts a separator in between.
pub fn payload(revision: Revision, packets: &[String]) -> String {
    match revision {
        Revision::V3 => {
            let counted = packets.iter().map(|packet| format!("{}:{packet}", packet.encode_utf16().count()));
            counted.collect()
        }
        Revision::V4 => packets.join("\x1e"),
    }
}

/// The packets of a body, which in Engine.IO 3 is ASCII.
pub fn packets(revision: Revision, mut body: &str) -> Vec<String> {
    if revision == Revision::V4 {
        return body.split('\x1e').map(String::from).collect();
    }
    assert!(body.is_ascii());
    let mut packets = Vec::new();
    while !body.is_empty() {
        let (length, rest) = body.split_once(':').expect("a length");
        let (packet, rest) = rest.split_at(length.parse().expect("a length"));
        packets.push(packet.into());
        body = rest;
    }
    packets
}
