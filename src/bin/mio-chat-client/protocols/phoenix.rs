//! Phoenix Channels: topics, joins and pushes. How a frame is spelled is `V1`'s and `V2`'s affair.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Deserialize;

use super::{ChatHandle, Event, Identity, Protocol, Role};

/// One message, in either version's frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub topic: Cow<'a, str>,
    pub event: Cow<'a, str>,
    /// JSON text.
    pub payload: &'a str,
    /// The ref that a reply answers, where it is a number as all of this client's are.
    pub reference: Option<u32>,
}

/// A version of the frame.
pub trait Version {
    fn parse<'a>(&self, text: &'a str) -> Option<Message<'a>>;
    /// `topic` comes in two parts so that nobody has to join them first.
    fn write(&self, out: &mut String, push: &Push<'_>);
}

/// What a client sends.
pub struct Push<'a> {
    pub topic: (&'a str, TopicId<'a>),
    pub event: &'a str,
    pub payload: Payload<'a>,
    pub reference: u32,
    pub join_ref: Option<u32>,
}

#[derive(Clone, Copy)]
pub enum TopicId<'a> {
    None,
    User(u64),
    Chat(&'a str),
}

#[derive(Clone, Copy)]
pub enum Payload<'a> {
    Empty,
    User(u64, Role),
    /// A key and a user's id.
    Id(&'static str, u64),
    /// A message's text, which needs no escapes.
    Text(&'a str),
}

impl TopicId<'_> {
    pub fn write(self, out: &mut String) {
        match self {
            Self::None => {}
            Self::User(id) => number(out, id),
            Self::Chat(id) => out.push_str(id),
        }
    }
}

impl Payload<'_> {
    pub fn write(self, out: &mut String) {
        match self {
            Self::Empty => out.push_str("{}"),
            Self::User(id, role) => {
                out.push_str("{\"userId\":");
                number(out, id);
                out.push_str(match role {
                    Role::Teacher => ",\"role\":\"teacher\"}",
                    Role::Student => ",\"role\":\"student\"}",
                });
            }
            Self::Id(key, id) => {
                out.push_str("{\"");
                out.push_str(key);
                out.push_str("\":");
                number(out, id);
                out.push('}');
            }
            Self::Text(text) => {
                out.push_str("{\"message\":\"");
                out.push_str(text);
                out.push_str("\"}");
            }
        }
    }
}

pub fn number(out: &mut String, number: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{number}");
}

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
        self.version.write(
            out,
            &Push {
                topic,
                event,
                payload,
                reference,
                join_ref,
            },
        );
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
        self.version.write(
            out,
            &Push {
                topic,
                event,
                payload,
                reference,
                join_ref,
            },
        );
    }
}

impl<V: Version> Protocol for Phoenix<V> {
    fn join(&self, who: &mut Identity, out: &mut String) {
        who.last_ref = 0;
        let payload = Payload::User(who.id, who.role);
        self.presence(who, Asked::Join, "phx_join", payload, out);
    }

    fn ready(&self, who: &mut Identity, out: &mut String) {
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
        self.chat(
            who,
            Asked::Push,
            chat,
            "chat:terminate",
            Payload::Empty,
            out,
        );
    }

    fn leave_chat(&self, who: &mut Identity, chat: ChatHandle<'_>, out: &mut String) {
        self.chat(who, Asked::Leave, chat, "phx_leave", Payload::Empty, out);
    }

    fn leave(&self, who: &mut Identity, out: &mut String) {
        self.presence(who, Asked::Leave, "phx_leave", Payload::Empty, out);
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

    fn decode<'a>(&self, who: &Identity, text: &'a str) -> Event<'a> {
        match self.version.parse(text) {
            Some(message) => event(who, message),
            None => Event::Unexpected(format!("not a Phoenix frame: {}", excerpt(text))),
        }
    }
}

/// Enough of a text to recognise it in an error line.
fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

fn event<'a>(who: &Identity, message: Message<'a>) -> Event<'a> {
    let chat = match message.topic {
        Cow::Borrowed(topic) => topic.strip_prefix("chats:"),
        // Chat ids need no escapes; a topic that has some is nobody's.
        Cow::Owned(_) => None,
    };
    let receive = match who.role {
        Role::Teacher => "teacher:receive",
        Role::Student => "student:receive",
    };
    match (&*message.event, chat) {
        (name, Some(chat)) if name == receive => match text_of(message.payload) {
            Some(text) => Event::Message { chat, text },
            None => Event::Message {
                chat,
                text: Cow::Borrowed(message.payload),
            },
        },
        ("chat:ready", Some(chat)) => Event::Ready { chat },
        ("chat:terminated", Some(chat)) => Event::Terminated { chat },
        ("phx_reply", chat) => reply(&message, chat),
        ("phx_close", _) => Event::Nothing,
        ("user:status", None) => status(message.payload),
        (name, None) if name.starts_with("new:chat") => new_chat(who, name, message.payload),
        (name, _) => Event::Unexpected(format!(
            "{name} on {}: {}",
            message.topic,
            excerpt(message.payload)
        )),
    }
}

/// The text of a `{"message":"…"}`, which most often can be cut out as it stands.
fn text_of(payload: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        message: String,
    }
    let plain = payload
        .strip_prefix("{\"message\":\"")
        .and_then(|rest| rest.strip_suffix("\"}"));
    match plain {
        Some(text) if !text.contains(['"', '\\']) => Some(Cow::Borrowed(text)),
        _ => serde_json::from_str::<Said>(payload)
            .ok()
            .map(|said| Cow::Owned(said.message)),
    }
}

fn reply<'a>(message: &Message<'a>, chat: Option<&'a str>) -> Event<'a> {
    #[derive(Deserialize)]
    struct Reply {
        status: String,
    }
    let ok = message.payload.starts_with("{\"status\":\"ok\"")
        || serde_json::from_str::<Reply>(message.payload).is_ok_and(|reply| reply.status == "ok");
    if !ok {
        return Event::Refused(format!("{}: {}", message.topic, excerpt(message.payload)));
    }
    let asked = message.reference.unwrap_or_default() & 3;
    match (asked, chat) {
        (1, Some(chat)) => Event::Entered { chat },
        (1, None) => Event::Joined,
        (2, None) => Event::Left,
        _ => Event::Nothing,
    }
}

fn new_chat<'a>(who: &Identity, name: &str, payload: &str) -> Event<'a> {
    #[derive(Deserialize)]
    struct NewChat {
        id: serde_json::Value,
    }
    let other = name
        .strip_prefix("new:chat:")
        .is_some_and(|id| id.parse() != Ok(who.id));
    if other {
        // The Phoenix original tells every teacher of every chat.
        return Event::Nothing;
    }
    match serde_json::from_str(payload) {
        Ok(NewChat {
            id: serde_json::Value::String(id),
        }) => Event::NewChat {
            chat: Cow::Owned(id),
        },
        Ok(NewChat { id }) => Event::NewChat {
            chat: Cow::Owned(id.to_string()),
        },
        Err(_) => Event::Unexpected(format!("a new chat without id: {}", excerpt(payload))),
    }
}

fn status<'a>(payload: &str) -> Event<'a> {
    #[derive(Deserialize)]
    struct Status {
        students: Students,
    }
    #[derive(Deserialize)]
    struct Students {
        total: u64,
        waiting: u64,
    }
    match serde_json::from_str::<Status>(payload) {
        Ok(Status { students }) => Event::Status {
            students: students.total,
            waiting: students.waiting,
        },
        Err(e) => Event::Unexpected(format!(
            "a status that does not parse ({e}): {}",
            excerpt(payload)
        )),
    }
}
