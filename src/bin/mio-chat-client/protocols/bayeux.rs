//! Bayeux as Faye speaks it, on one WebSocket for each user.

mod inbound;

use std::fmt::Write;

use super::{ChatHandle, Event, Identity, Protocol, Role};

pub struct Bayeux;

fn name(role: Role) -> &'static str {
    match role {
        Role::Teacher => "teacher",
        Role::Student => "student",
    }
}

/// Ends a message with what every one carries after the handshake.
fn sign(who: &mut Identity, out: &mut String) {
    who.last_ref = who.last_ref.wrapping_add(1);
    // Writing to a String cannot fail.
    let _ = write!(out, r#","clientId":"{}","id":"{}"}}"#, who.session, who.last_ref);
}

/// Publishes in a chat.
fn in_chat(who: &mut Identity, what: &str, chat: &str, data: [&str; 3], out: &mut String) {
    for part in ["[{\"channel\":\"/chat/", chat, "/", name(who.role), what, "\",\"data\":"] {
        out.push_str(part);
    }
    data.iter().for_each(|part| out.push_str(part));
    sign(who, out);
    out.push(']');
    who.unanswered += 1;
}

fn presence(who: &mut Identity, what: &str, out: &mut String) {
    let (role, id) = (name(who.role), who.id);
    let _ = write!(out, r#"{{"channel":"/presence/{role}/{what}","data":{{"userId":{id},"role":"{role}"}}"#);
    sign(who, out);
    who.unanswered += 1;
}

/// Subscribes to a chat's channels for one side, or unsubscribes.
fn chat_channels(who: &mut Identity, what: &str, chat: &str, out: &mut String) {
    let role = name(who.role);
    let _ = write!(
        out,
        r#"[{{"channel":"/meta/{what}","subscription":["/chat/{chat}/{role}/receive","/chat/{chat}/{role}/terminated""#
    );
    if who.role == Role::Teacher {
        let _ = write!(out, r#","/chat/{chat}/ready""#);
    }
    out.push(']');
    sign(who, out);
    out.push(']');
}

impl Protocol for Bayeux {
    fn join(&self, _who: &mut Identity, out: &mut String) {
        out.push_str(
            r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"],"id":"0"}]"#,
        );
    }

    /// In a frame of its own: a batch is answered when all its members are.
    fn hold(&self, who: &mut Identity, out: &mut String) {
        out.push_str(r#"[{"channel":"/meta/connect","connectionType":"websocket""#);
        sign(who, out);
        out.push(']');
    }

    fn listen(&self, who: &mut Identity, out: &mut String) {
        let (role, id) = (name(who.role), who.id);
        let status = if who.role == Role::Teacher { r#","/presence/status""# } else { "" };
        let _ = write!(
            out,
            r#"[{{"channel":"/meta/subscribe","subscription":["/presence/new_chat/{role}/{id}"{status}]"#
        );
        sign(who, out);
        out.push(']');
    }

    fn ready(&self, who: &mut Identity, out: &mut String) {
        out.push('[');
        presence(who, "connect", out);
        out.push(']');
    }

    fn claim(&self, who: &mut Identity, out: &mut String) {
        let _ = write!(out, r#"[{{"channel":"/presence/claim_student","data":{{"teacherId":{}}}"#, who.id);
        sign(who, out);
        out.push(']');
        who.unanswered += 1;
    }

    fn enter(&self, who: &mut Identity, chat: &str, out: &mut String) -> u32 {
        chat_channels(who, "subscribe", chat, out);
        0
    }

    fn entered(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String) {
        let id = who.id.to_string();
        in_chat(who, "/joined", chat.id, ["{\"userId\":", &id, "}"], out);
    }

    fn send(&self, who: &mut Identity, chat: ChatHandle<'_>, text: &str, out: &mut String) {
        in_chat(who, "/send", chat.id, ["{\"message\":\"", text, "\"}"], out);
    }

    fn terminate(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String) {
        let data = ["{\"message\":\"", "teacher is ending the chat.", "\"}"];
        in_chat(who, "/terminate", chat.id, data, out);
    }

    /// A teacher's subscriptions would only grow in a long run.
    fn leave_chat(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String) {
        chat_channels(who, "unsubscribe", chat.id, out);
    }

    fn leave(&self, who: &mut Identity, out: &mut String) -> bool {
        out.push('[');
        presence(who, "disconnect", out);
        out.push_str(r#",{"channel":"/meta/disconnect""#);
        sign(who, out);
        out.push(']');
        true
    }

    fn heartbeat(&self, _who: &mut Identity, out: &mut String) {
        out.push_str("[]");
    }

    fn student_mark(&self) -> &'static str {
        " from student "
    }

    fn decode<'a>(&self, who: &mut Identity, text: &mut &'a str) -> Event<'a> {
        inbound::next(who, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(say: impl FnOnce(&mut Identity, &mut String)) -> String {
        let mut out = String::new();
        let mut who = Identity::new(Role::Student, 7);
        who.session = "s".into();
        say(&mut who, &mut out);
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{out}");
        out
    }

    #[test]
    fn messages_are_fayes() {
        let chat = ChatHandle { id: "ID", join_ref: 0 };
        assert_eq!(
            said(|who, out| Bayeux.send(who, chat, "Hello", out)),
            r#"[{"channel":"/chat/ID/student/send","data":{"message":"Hello"},"clientId":"s","id":"1"}]"#
        );
        assert_eq!(
            said(|who, out| Bayeux.entered(who, chat, out)),
            r#"[{"channel":"/chat/ID/student/joined","data":{"userId":7},"clientId":"s","id":"1"}]"#
        );
        assert_eq!(
            said(|who, out| Bayeux.hold(who, out)),
            r#"[{"channel":"/meta/connect","connectionType":"websocket","clientId":"s","id":"1"}]"#
        );
        for text in [
            said(|who, out| Bayeux.join(who, out)),
            said(|who, out| Bayeux.listen(who, out)),
            said(|who, out| Bayeux.claim(who, out)),
            said(|who, out| Bayeux.leave_chat(who, chat, out)),
        ] {
            assert!(text.starts_with("[{\"channel\":\"/"), "{text}");
        }
        let left = said(|who, out| assert!(Bayeux.leave(who, out)));
        assert!(left.contains("/presence/student/disconnect") && left.contains("/meta/disconnect"), "{left}");
    }
}
