//! Events as Socket.IO event packets, with node-chat-server's names.

use crate::chat::event::Event;
use crate::chat::id::Role;
use crate::protocols::Outgoing;
use crate::protocols::json::escaped;

/// Writes an event as the packet that node-chat-client expects.
pub fn encode(event: &Event<'_>, out: &mut Outgoing) {
    let mut buffer = uuid::Uuid::encode_buffer();
    match event {
        Event::Message { to, chat, payload } => {
            let id: &str = chat.hyphenated().encode_lower(&mut buffer);
            out(&["42[\"chat:", id, ":", to.name(), ":receive\",", payload, "]"]);
        }
        Event::ChatReady { chat, .. } => {
            let id: &str = chat.hyphenated().encode_lower(&mut buffer);
            out(&["42[\"chat:", id, ":ready\",{}]"]);
        }
        Event::ChatTerminated { to, chat } => {
            let id: &str = chat.hyphenated().encode_lower(&mut buffer);
            out(&["42[\"chat:", id, ":", to.name(), ":terminated\",{}]"]);
        }
        Event::Status(status) => {
            out(&["42[\"presence:status\",", &serde_json::to_string(status).unwrap_or_default(), "]"]);
        }
        // Phoenix clients alone can watch the figures.
        Event::NewChat { to, chat, teacher, student } => {
            let id: &str = chat.hyphenated().encode_lower(&mut buffer);
            let user = match to {
                Role::Teacher => teacher,
                Role::Student => student,
            };
            let channels = channels(*to, id);
            out(&["42[\"presence:new_chat:", to.name(), ":", &escaped(user.text()), "\",", &channels, "]"]);
        }
    }
}

/// The names by which the chat's events go for one side.
fn channels(role: Role, id: &str) -> String {
    let name = role.name();
    let common = |more: &str| {
        format!(
            r#"{{"id":"{id}","sendChannel":"chat:{name}:send","receiveChannel":"chat:{id}:{name}:receive",{more}"terminatedChannel":"chat:{id}:{name}:terminated","joinedChannel":"chat:{name}:joined""#
        )
    };
    match role {
        Role::Teacher => {
            format!(
                r#"{},"readyChannel":"chat:{id}:ready"}}"#,
                common(r#""terminateChannel":"chat:teacher:terminate","#)
            )
        }
        Role::Student => common("") + "}",
    }
}
