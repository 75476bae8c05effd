//! The steps of one connection.

use std::sync::Arc;
use std::time::Duration;

use crate::support::bayeux;
use crate::support::raw::{self, frame};
use crate::support::socket_io;

/// In texts `$0`, `$1`… stand for what [`Step::Take`] has taken, and `$n` for a number that no other run of a script
/// has.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends a text as it is.
    Send(String),
    /// Sends a text as a WebSocket frame.
    Frame(String),
    /// Sends a request with a body, or without one: method, path, body.
    Request(&'static str, String, String),
    /// Waits for `"key":"value"` and takes the value.
    Take(&'static str),
    /// Waits until a text has come.
    Await(&'static str),
    /// Sends these bytes again and again, as fast as they are taken.
    Repeat(Arc<[u8]>),
    /// Sends these bytes again and again, one at each tick.
    Drip(Arc<[u8]>),
    /// From now on nothing is read.
    StopReading,
    /// Waits for so long.
    Pause(Duration),
    /// Sends a text as a frame each time so long has passed, and reads.
    Beat(String, Duration),
    /// Goes back to the first step, on the same connection.
    Again,
    /// Reads until the load ends.
    Hold,
    /// Closes with an RST.
    Reset,
}

pub type Script = Vec<Step>;

/// The request that opens a WebSocket.
pub fn open(path: &str) -> Step {
    Step::Send(raw::handshake(path))
}

pub fn get(path: &str) -> Step {
    Step::Request("GET", path.into(), String::new())
}

pub fn post(path: &str, body: impl Into<String>) -> Step {
    Step::Request("POST", path.into(), body.into())
}

/// A batch of Bayeux messages over HTTP.
pub fn batch(body: impl Into<String>) -> Step {
    post("/faye", body)
}

pub fn repeat(bytes: impl AsRef<[u8]>) -> Step {
    Step::Repeat(bytes.as_ref().into())
}

/// A frame again and again, many in one write.
pub fn repeat_frame(text: &str) -> Step {
    let frame = frame(0x81, text.as_bytes());
    repeat(frame.repeat(1 + 16_384 / frame.len()))
}

/// A request without a body again and again, many in one write.
pub fn repeat_request(method: &str, path: &str, headers: &str) -> Step {
    let request = socket_io::request(method, path, headers, "");
    repeat(request.repeat(1 + 4096 / request.len()))
}

/// A Bayeux batch over HTTP again and again.
pub fn repeat_batch(body: &str) -> Step {
    repeat(bayeux::batch(body))
}

pub const HANDSHAKE: &str = r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket","long-polling"]}]"#;

/// A Bayeux message of the client whose clientId was taken as this; `rest` are further clients.
pub fn message(channel: &str, client: &str, rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!(r#"{{"channel":"{channel}","clientId":"{client}","id":"i"{comma}{rest}}}"#)
}

/// A Bayeux connect.
pub fn connect(client: &str, kind: &str) -> String {
    message("/meta/connect", client, &format!(r#""connectionType":"{kind}""#))
}

/// A Bayeux user comes.
pub fn presence(client: &str, role: &str, id: &str) -> String {
    let data = format!(r#""data":{{"userId":{id},"role":"{role}"}}"#);
    message(&format!("/presence/{role}/connect"), client, &data)
}

pub fn subscribe(client: &str, channel: &str) -> String {
    message("/meta/subscribe", client, &format!(r#""subscription":"{channel}""#))
}

/// A Socket.IO user comes.
pub fn event(role: &str, id: &str) -> String {
    format!(r#"42["presence:{role}:connect",{{"userId":{id},"role":"{role}"}}]"#)
}

/// A frame of Phoenix V1.
pub fn push(topic: &str, event: &str, payload: &str) -> String {
    format!(r#"{{"topic":"{topic}","event":"{event}","payload":{payload},"ref":"1"}}"#)
}
