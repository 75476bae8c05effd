//! Events as deliveries: an array of one message, on the channel that the event belongs to.

use crate::chat::event::Event;
use crate::chat::id::Role;
use crate::protocols::Outgoing;
use crate::protocols::json::escaped;

/// Writes an event as the delivery that node-chat-client expects.
pub fn encode(event: &Event<'_>, out: &mut Outgoing) {
    let mut buffer = uuid::Uuid::encode_buffer();
    match event {
        Event::Message { to, chat, payload } => {
            let id: &str = chat.hyphenated().encode_lower(&mut buffer);
            out(&["[{\"channel\":\"/chat/", id, "/", to.name(), "/receive\",\"data\":", payload, "}]"]);
        }
        Event::ChatReady { chat, .. } => {
            let id: &str = chat.hyphenated().encode_lower(&mut buffer);
            out(&["[{\"channel\":\"/chat/", id, "/ready\",\"data\":{}}]"]);
        }
        Event::ChatTerminated { to, chat } => {
            let id: &str = chat.hyphenated().encode_lower(&mut buffer);
            out(&["[{\"channel\":\"/chat/", id, "/", to.name(), "/terminated\",\"data\":{}}]"]);
        }
        Event::Status(status) => {
            let status = serde_json::to_string(status).unwrap_or_default();
            out(&["[{\"channel\":\"/presence/status\",\"data\":", &status, "}]"]);
        }
        // Phoenix clients alone can watch the figures.
        Event::NewChat { to, chat, teacher, student } => {
            let id: &str = chat.hyphenated().encode_lower(&mut buffer);
            let user = match to {
                Role::Teacher => teacher,
                Role::Student => student,
            };
            let (user, channels) = (escaped(user.text()), channels(*to, id));
            let role = to.name();
            out(&["[{\"channel\":\"/presence/new_chat/", role, "/", &user, "\",\"data\":", &channels, "}]"]);
        }
    }
}

/// The chat's channels for one side.
fn channels(role: Role, id: &str) -> String {
    let (chat, name) = (format!("/chat/{id}"), role.name());
    let common = |more: &str| {
        format!(
            r#"{{"sendChannel":"{chat}/{name}/send","receiveChannel":"{chat}/{name}/receive",{more}"terminatedChannel":"{chat}/{name}/terminated","joinedChannel":"{chat}/{name}/joined""#
        )
    };
    match role {
        Role::Teacher => {
            let terminate = format!(r#""terminateChannel":"{chat}/teacher/terminate","#);
            format!(r#"{},"readyChannel":"{chat}/ready"}}"#, common(&terminate))
        }
        Role::Student => common("") + "}",
    }
}
