//! Socket.IO as node-chat-client's express.io branch speaks it, over Engine.IO 3 or 4 on a WebSocket.

mod inbound;

use std::fmt::Write;

use super::{ChatHandle, Event, Identity, Protocol, Role};

/// The revision of Engine.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// The client pings, and is in the namespace unasked.
    V3,
    /// The server pings, and the client asks for the namespace.
    V4,
}

pub struct SocketIo {
    revision: Revision,
    hears_everything: bool,
}

impl SocketIo {
    pub fn new(revision: Revision) -> Self {
        Self { revision, hears_everything: false }
    }

    /// For a server that sends every event to everybody.
    pub fn among_broadcasts(revision: Revision) -> Self {
        Self { revision, hears_everything: true }
    }
}

/// Begins an event in a chat: its name and the chat's id.
fn chat_event(role: Role, what: &str, chat: &str, out: &mut String) {
    for part in ["42[\"chat:", name(role), what, "\",{\"chatId\":\"", chat, "\""] {
        out.push_str(part);
    }
}

fn presence(who: &Identity, what: &str, out: &mut String) {
    let (role, id) = (name(who.role), who.id);
    // Writing to a String cannot fail.
    let _ = write!(out, r#"42["presence:{role}:{what}",{{"userId":{id},"role":"{role}"}}]"#);
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Teacher => "teacher",
        Role::Student => "student",
    }
}

impl Protocol for SocketIo {
    /// The server speaks first.
    fn join(&self, _who: &mut Identity, _out: &mut String) {}

    fn ready(&self, who: &mut Identity, out: &mut String) {
        presence(who, "connect", out);
    }

    fn claim(&self, who: &mut Identity, out: &mut String) {
        let _ = write!(out, r#"42["presence:claim_student",{{"teacherId":{}}}]"#, who.id);
    }

    fn enter(&self, who: &mut Identity, chat: &str, out: &mut String) -> u32 {
        chat_event(who.role, ":joined", chat, out);
        let _ = write!(out, r#","userId":{}}}]"#, who.id);
        0
    }

    /// `enter` has said so already.
    fn entered(&self, _who: &mut Identity, _chat: ChatHandle<'_>, _out: &mut String) {}

    fn send(&self, who: &mut Identity, chat: ChatHandle<'_>, text: &str, out: &mut String) {
        chat_event(who.role, ":send", chat.id, out);
        for part in [",\"message\":\"", text, "\"}]"] {
            out.push_str(part);
        }
    }

    fn terminate(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String) {
        chat_event(who.role, ":terminate", chat.id, out);
        out.push_str(",\"message\":\"teacher is ending the chat.\"}]");
    }

    /// A chat that is terminated is left.
    fn leave_chat(&self, _who: &mut Identity, _chat: ChatHandle<'_>, _out: &mut String) {}

    /// node-chat-server answers no `disconnect`, and has no acknowledgements.
    fn leave(&self, who: &mut Identity, out: &mut String) -> bool {
        presence(who, "disconnect", out);
        false
    }

    fn heartbeat(&self, _who: &mut Identity, out: &mut String) {
        if self.revision == Revision::V3 {
            out.push('2');
        }
    }

    fn ping(&self, _who: &mut Identity, out: &mut String) {
        out.push_str("42[\"ping\",null]");
    }

    fn hears_everything(&self) -> bool {
        self.hears_everything
    }

    fn student_mark(&self) -> &'static str {
        " from student "
    }

    fn decode<'a>(&self, who: &mut Identity, text: &mut &'a str) -> Event<'a> {
        let text = std::mem::take(text);
        inbound::event(self.revision, who, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(say: impl FnOnce(&SocketIo, &mut Identity, &mut String)) -> String {
        let mut out = String::new();
        say(&SocketIo::new(Revision::V3), &mut Identity::new(Role::Student, 7), &mut out);
        out
    }

    #[test]
    fn events_are_the_originals() {
        let chat = ChatHandle { id: "ID", join_ref: 0 };
        assert_eq!(
            said(|protocol, who, out| protocol.ready(who, out)),
            r#"42["presence:student:connect",{"userId":7,"role":"student"}]"#
        );
        assert_eq!(
            said(|protocol, who, out| protocol.claim(who, out)),
            r#"42["presence:claim_student",{"teacherId":7}]"#
        );
        assert_eq!(
            said(|protocol, who, out| {
                protocol.enter(who, "ID", out);
            }),
            r#"42["chat:student:joined",{"chatId":"ID","userId":7}]"#
        );
        assert_eq!(
            said(|protocol, who, out| protocol.send(who, chat, "Hello", out)),
            r#"42["chat:student:send",{"chatId":"ID","message":"Hello"}]"#
        );
        assert_eq!(
            said(|protocol, who, out| protocol.terminate(who, chat, out)),
            r#"42["chat:student:terminate",{"chatId":"ID","message":"teacher is ending the chat."}]"#
        );
        assert_eq!(said(|protocol, who, out| protocol.ping(who, out)), r#"42["ping",null]"#);
    }

    #[test]
    fn only_engine_io_3_clients_ping() {
        let mut who = Identity::new(Role::Teacher, 1);
        for (revision, expected) in [(Revision::V3, "2"), (Revision::V4, "")] {
            let mut out = String::new();
            SocketIo::new(revision).heartbeat(&mut who, &mut out);
            assert_eq!(out, expected);
        }
    }
}
