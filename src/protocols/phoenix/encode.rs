//! Events as Phoenix frames: pushes from the server, which carry no reference.

use serde::Serialize;

use super::frame::Version;
use super::topic::{CHAT, STATS, STUDENT, TEACHERS};
use crate::event::Event;
use crate::models::id::{Role, UserId};
use crate::protocols::Outgoing;
use crate::protocols::json::escaped;

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

/// Writes an event as the push that phoenix.js expects.
pub fn encode(version: Version, event: &Event<'_>, out: &mut Outgoing) {
    let mut buffer = uuid::Uuid::encode_buffer();
    match event {
        Event::Message { to, chat, payload } => {
            let chat: &str = chat.hyphenated().encode_lower(&mut buffer);
            let event = match to {
                Role::Teacher => "teacher:receive",
                Role::Student => "student:receive",
            };
            push(version, (CHAT, chat), (event, ""), payload, out);
        }
        Event::ChatReady { chat, .. } => {
            let chat: &str = chat.hyphenated().encode_lower(&mut buffer);
            push(version, (CHAT, chat), ("chat:ready", ""), "{}", out);
        }
        Event::ChatTerminated { chat, .. } => {
            let chat: &str = chat.hyphenated().encode_lower(&mut buffer);
            push(version, (CHAT, chat), ("chat:terminated", ""), "{}", out);
        }
        Event::Status(status) => push(version, (TEACHERS, ""), ("user:status", ""), &json(status), out),
        Event::Stats(stats) => push(version, (STATS, ""), ("stats", ""), &json(stats), out),
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
                    push(version, (TEACHERS, ""), event, &payload, out);
                }
                Role::Student => {
                    let topic = (STUDENT, &*escaped(student.text()));
                    push(version, topic, ("new:chat", ""), &payload, out);
                }
            }
        }
    }
}

fn push(version: Version, topic: (&str, &str), event: (&str, &str), payload: &str, out: &mut Outgoing) {
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
        Version::V2 => {
            out(&["[null,null,\"", topic.0, topic.1, "\",\"", event.0, event.1, "\",", payload, "]"])
        }
    }
}

/// What this module serialises are plain structs, for which serde_json has no error.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
