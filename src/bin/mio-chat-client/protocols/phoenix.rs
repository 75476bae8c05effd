//! Phoenix Channels: topics, joins and pushes. How a frame is spelled is `V1`'s and `V2`'s affair.

mod frame;
mod inbound;
mod v1;
mod v2;

use super::{ChatHandle, Event, Identity, Protocol, Role};
use frame::{Payload, Push, TopicId, Version};
use inbound::{event, excerpt};

pub use v1::V1;
pub use v2::V2;

/// A reply carries nothing but the ref of its request, so the ref itself says what was asked: its last two bits.
#[derive(Clone, Copy)]
enum Asked {
    Push = 0,
    Join = 1,
    Leave = 2,
}

/// The presence join is the first request on every connection, so its ref needs no storing.
const PRESENCE_JOIN_REF: u32 = 4 | Asked::Join as u32;

fn next_ref(who: &mut Identity, asked: Asked) -> u32 {
    // Wraps after 2^30 requests on one connection; refs only have to differ from their neighbours.
    who.last_ref = (who.last_ref + 1) & (u32::MAX >> 2);
    who.last_ref << 2 | asked as u32
}

pub struct Phoenix<V> {
    version: V,
}

impl<V: Version> Phoenix<V> {
    pub fn new(version: V) -> Self {
        Self { version }
    }

    fn presence(
        &self,
        who: &mut Identity,
        asked: Asked,
        event: &str,
        payload: Payload<'_>,
        out: &mut String,
    ) {
        let topic = match who.role {
            Role::Teacher => ("presence:teachers", TopicId::None),
            Role::Student => ("presence:student:", TopicId::User(who.id)),
        };
        let reference = next_ref(who, asked);
        let join_ref = Some(PRESENCE_JOIN_REF);
        self.version.write(out, &Push { topic, event, payload, reference, join_ref });
    }

    fn chat(
        &self,
        who: &mut Identity,
        asked: Asked,
        chat: ChatHandle<'_>,
        event: &str,
        payload: Payload<'_>,
        out: &mut String,
    ) {
        let topic = ("chats:", TopicId::Chat(chat.id));
        let reference = next_ref(who, asked);
        let join_ref = Some(chat.join_ref);
        self.version.write(out, &Push { topic, event, payload, reference, join_ref });
    }
}

impl<V: Version> Protocol for Phoenix<V> {
    fn join(&self, who: &mut Identity, out: &mut String) {
        who.last_ref = 0;
        let payload = Payload::User(who.id, who.role);
        self.presence(who, Asked::Join, "phx_join", payload, out);
    }

    fn ready(&self, who: &mut Identity, out: &mut String) {
        if who.role == Role::Teacher {
            return;
        }
        let payload = Payload::Id("userId", who.id);
        self.presence(who, Asked::Push, "student:ready", payload, out);
    }

    fn claim(&self, who: &mut Identity, out: &mut String) {
        let payload = Payload::Id("teacherId", who.id);
        self.presence(who, Asked::Push, "claim:student", payload, out);
    }

    fn enter(&self, who: &mut Identity, chat: &str, out: &mut String) -> u32 {
        let join_ref = next_ref(who, Asked::Join);
        let push = Push {
            topic: ("chats:", TopicId::Chat(chat)),
            event: "phx_join",
            payload: Payload::User(who.id, who.role),
            reference: join_ref,
            join_ref: Some(join_ref),
        };
        self.version.write(out, &push);
        join_ref
    }

    fn entered(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String) {
        let event = match who.role {
            Role::Teacher => "teacher:joined",
            Role::Student => "student:joined",
        };
        self.chat(who, Asked::Push, chat, event, Payload::Empty, out);
    }

    fn send(&self, who: &mut Identity, chat: ChatHandle<'_>, text: &str, out: &mut String) {
        let event = match who.role {
            Role::Teacher => "teacher:send",
            Role::Student => "student:send",
        };
        self.chat(who, Asked::Push, chat, event, Payload::Text(text), out);
    }

    fn terminate(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String) {
        self.chat(who, Asked::Push, chat, "chat:terminate", Payload::Empty, out);
    }

    fn leave_chat(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String) {
        self.chat(who, Asked::Leave, chat, "phx_leave", Payload::Empty, out);
    }

    fn leave(&self, who: &mut Identity, out: &mut String) -> bool {
        self.presence(who, Asked::Leave, "phx_leave", Payload::Empty, out);
        true
    }

    fn heartbeat(&self, who: &mut Identity, out: &mut String) {
        let push = Push {
            topic: ("phoenix", TopicId::None),
            event: "heartbeat",
            payload: Payload::Empty,
            reference: next_ref(who, Asked::Push),
            join_ref: None,
        };
        self.version.write(out, &push);
    }

    fn decode<'a>(&self, who: &mut Identity, text: &mut &'a str) -> Event<'a> {
        let text = std::mem::take(text);
        match self.version.parse(text) {
            Some(message) => event(who, message),
            None => Event::Unexpected(format!("not a Phoenix frame: {}", excerpt(text))),
        }
    }
}
