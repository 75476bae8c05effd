//! Bayeux messages, as faye's client reads and writes them.

use mio_chat_server::chat::id::Role;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::wire::{Received, Wire};

/// A message from the server: a reply or a delivery.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    channel: String,
    successful: Option<bool>,
    subscription: Option<Value>,
    error: Option<String>,
    client_id: Option<String>,
    data: Option<Box<RawValue>>,
}

/// The first message of a client.
pub fn handshake() -> String {
    r#"{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"],"id":"1"}"#
        .into()
}

/// Asks for what is delivered.
pub fn connect(id: &str, connection_type: &str) -> String {
    json!({"channel": "/meta/connect", "clientId": id, "connectionType": connection_type}).to_string()
}

/// Ends the session.
pub fn disconnect(id: &str) -> String {
    json!({"channel": "/meta/disconnect", "clientId": id}).to_string()
}

/// Subscribes to channels at once.
pub fn subscribe(id: &str, channels: &[String]) -> String {
    json!({"channel": "/meta/subscribe", "clientId": id, "subscription": channels}).to_string()
}

/// Publishes on a channel.
pub fn publish(id: &str, channel: &str, data: &str) -> String {
    format!(r#"{{"channel":"{channel}","data":{data},"clientId":"{id}","id":"1"}}"#)
}

/// The messages of a batch.
pub fn messages(batch: &str) -> Vec<String> {
    let messages: Vec<&RawValue> = serde_json::from_str(batch).unwrap_or_else(|why| panic!("{why}: {batch}"));
    messages.into_iter().map(|message| message.get().into()).collect()
}

/// A batch without the script around it that calls a function with it.
pub fn unwrap(body: &str) -> &str {
    body.strip_prefix("/**/answer(").and_then(|rest| rest.strip_suffix(");")).unwrap_or(body)
}

/// The client id that a handshake was answered with.
pub fn client_id(reply: &str) -> String {
    let reply: Message = serde_json::from_str(reply).expect("a reply");
    reply.client_id.expect("a clientId")
}

/// The channels that a user subscribes to before it comes on line.
pub fn presence_channels(wire: &Wire) -> Vec<String> {
    let new_chat = format!("/presence/new_chat/{}/{}", wire.role.name(), wire.id_text());
    match wire.role {
        Role::Teacher => vec![new_chat, "/presence/status".into()],
        Role::Student => vec![new_chat],
    }
}

/// The channels that a user subscribes to before it enters a chat.
pub fn chat_channels(wire: &Wire, chat: Uuid) -> Vec<String> {
    let own = |name| format!("/chat/{chat}/{}/{name}", wire.role.name());
    let mut channels = vec![own("receive"), own("terminated")];
    if wire.role == Role::Teacher {
        channels.push(format!("/chat/{chat}/ready"));
    }
    channels
}

/// What a message from the server means.
pub fn receive(wire: &mut Wire, text: &str) -> Received {
    let message: Message = serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"));
    if let Some(successful) = message.successful {
        return reply(wire, message, successful);
    }
    let data = message.data.unwrap_or_else(|| panic!("no data: {text}"));
    let role = wire.role.name();
    let name: Vec<_> = message.channel.split('/').skip(1).collect();
    match *name {
        ["presence", "new_chat", to, id] if to == role && id == wire.id_text() => {
            let channels: Value = serde_json::from_str(data.get()).unwrap();
            let channel = channels["sendChannel"].as_str().expect("a channel");
            Received::NewChat(chat_of(channel).expect("a chat's id"))
        }
        _ => Received::shared(wire, &name, &data).unwrap_or_else(|| panic!("not for {}: {text}", wire.id)),
    }
}

fn reply(wire: &mut Wire, message: Message, successful: bool) -> Received {
    let subscription = message.subscription.as_ref().and_then(|names| names[0].as_str());
    let chat = chat_of(subscription.unwrap_or(&message.channel));
    if !successful {
        let error = message.error.expect("an error");
        if error.starts_with("401:") {
            return Received::Closed;
        }
        let reason = match error.split(':').next() {
            // A chat that is over, or a user that another client has.
            Some("403") if chat.is_some() => "unknown chat".into(),
            Some("403") if subscription.is_some() => "id is in use".into(),
            _ => error.rsplit(':').next().unwrap_or_default().into(),
        };
        return Received::Refused { chat, reason };
    }
    match (&*message.channel, subscription) {
        ("/meta/handshake", _) => {
            wire.client_id = message.client_id.expect("a clientId");
            Received::Opened
        }
        ("/meta/connect", _) if wire.is_socket => Received::Answer(connect(&wire.client_id, "websocket")),
        ("/meta/subscribe", Some(_)) if chat.is_none() => Received::Subscribed,
        ("/presence/teacher/connect" | "/presence/student/connect", _) => Received::Connected,
        _ => Received::Nothing,
    }
}

/// The chat that a channel belongs to.
fn chat_of(channel: &str) -> Option<Uuid> {
    channel.strip_prefix("/chat/")?.split('/').next()?.parse().ok()
}
