//! Events as Phoenix frames: pushes and broadcasts from the server, which carry no reference.

use serde::Serialize;

use super::frame::{NULL, Version};
use super::topic::{CHAT, FIGURES, STUDENT, TEACHERS};
use crate::chat::event::Event;
use crate::chat::id::{Role, UserId};
use crate::protocols::Outgoing;
use crate::protocols::json::escaped;

const V1_CHAT: &str = r#"{"topic":"chats:"#;
const V1_TEACHER_RECEIVE: &str = r#"","event":"teacher:receive","payload":"#;
const V1_STUDENT_RECEIVE: &str = r#"","event":"student:receive","payload":"#;
const V1_END: &str = r#","ref":null}"#;
const V2_CHAT: &str = r#",null,"chats:"#;
const V2_TEACHER_RECEIVE: &str = r#"","teacher:receive","#;
const V2_STUDENT_RECEIVE: &str = r#"","student:receive","#;

/// ElixirChat's `Chat` at its beginning.
#[derive(Serialize)]
struct NewChat<'a> {
    id: uuid::fmt::Hyphenated,
    status: &'static str,
    teacher_id: &'a UserId,
    student_id: &'a UserId,
    teacher_entered: bool,
    student_entered: bool,
    messages: [(); 0],
}

/// Writes an event as the frame that clients expect: a push, which in version 2 carries the `join_ref` of the
/// client's join of its topic, or a broadcast, which carries null, as in Phoenix. Clients drop a push of a join
/// that is not their last one.
pub fn encode(version: Version, join_ref: &str, event: &Event<'_>, out: &mut Outgoing) {
    let mut push = |topic: (&str, &str), event: (&str, &str), payload: &str| {
        write(version, join_ref, topic, event, payload, out);
    };
    let mut buffer = uuid::Uuid::encode_buffer();
    match event {
        Event::Message { to, chat, payload } => {
            let chat: &str = chat.hyphenated().encode_lower(&mut buffer);
            // The one frame that is written for each message: its constant parts are in one piece.
            match (version, to) {
                (Version::V1, Role::Teacher) => out(&[V1_CHAT, chat, V1_TEACHER_RECEIVE, payload, V1_END]),
                (Version::V1, Role::Student) => out(&[V1_CHAT, chat, V1_STUDENT_RECEIVE, payload, V1_END]),
                (Version::V2, Role::Teacher) => {
                    out(&["[", join_ref, V2_CHAT, chat, V2_TEACHER_RECEIVE, payload, "]"]);
                }
                (Version::V2, Role::Student) => {
                    out(&["[", join_ref, V2_CHAT, chat, V2_STUDENT_RECEIVE, payload, "]"]);
                }
            }
        }
        Event::ChatReady { chat, .. } => {
            let chat: &str = chat.hyphenated().encode_lower(&mut buffer);
            push((CHAT, chat), ("chat:ready", ""), "{}");
        }
        Event::ChatTerminated { chat, .. } => {
            let chat: &str = chat.hyphenated().encode_lower(&mut buffer);
            push((CHAT, chat), ("chat:terminated", ""), "{}");
        }
        Event::Status(status) => broadcast(version, TEACHERS, "user:status", &json(status), out),
        Event::NewChat { to, chat, teacher, student } => {
            let payload = json(&NewChat {
                id: chat.hyphenated(),
                status: "active",
                teacher_id: teacher,
                student_id: student,
                teacher_entered: false,
                student_entered: false,
                messages: [],
            });
            match to {
                Role::Teacher => {
                    let event = ("new:chat:", &*escaped(teacher.text()));
                    push((TEACHERS, ""), event, &payload);
                }
                Role::Student => {
                    let topic = (STUDENT, &*escaped(student.text()));
                    push(topic, ("new:chat", ""), &payload);
                }
            }
        }
    }
}

/// Writes the server's figures, for those who have joined their topic.
pub fn encode_figures(version: Version, figures: &impl Serialize, out: &mut Outgoing) {
    broadcast(version, FIGURES, "stats", &json(figures), out);
}

/// Writes a frame that is the same for all clients of a topic.
fn broadcast(version: Version, topic: &str, event: &str, payload: &str, out: &mut Outgoing) {
    write(version, NULL, (topic, ""), (event, ""), payload, out);
}

fn write(
    version: Version,
    join_ref: &str,
    topic: (&str, &str),
    event: (&str, &str),
    payload: &str,
    out: &mut Outgoing,
) {
    match version {
        Version::V1 => out(&[
            "{\"topic\":\"",
            topic.0,
            topic.1,
            "\",\"event\":\"",
            event.0,
            event.1,
            "\",\"payload\":",
            payload,
            ",\"ref\":null}",
        ]),
        Version::V2 => out(&[
            "[", join_ref, ",null,\"", topic.0, topic.1, "\",\"", event.0, event.1, "\",", payload, "]",
        ]),
    }
}

/// What this module serialises are plain structs, for which serde_json has no error.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
